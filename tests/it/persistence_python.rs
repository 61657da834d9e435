//! Files between here and Python: a PyTorch twin's state dict predicts the same here, and a file that NumPy has
//! read with the same predictions (`golden/make_persist.py check`) is still read.

use std::fs;
use std::path::PathBuf;

use polytask::estimator::{Fitted, Regression};
use polytask::ndarray::{Array2, ArrayView2, s};
use polytask::prelude::*;
use polytask::{ModelBuilder, Result};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

fn given(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(golden(name)).expect("a golden file")).expect("JSON")
}

fn matrix(rows: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(rows.clone()).expect("rows of numbers");
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn twin() -> ModelBuilder {
    Model::builder(5)
        .trunk([Layer::dense(7, Activation::Relu), Layer::dense(4, Activation::Tanh)])
        .task(Task::regression("price"))
        .task(Task::classes("kind", 3).head([Layer::dense(6, Activation::Gelu)]))
}

/// What the blocks are called in PyTorch, where a `Sequential` counts activations.
fn name_there(name: &str) -> String {
    let (block, number) = name.rsplit_once('.').expect("a block and what it is");
    let there = match block {
        "trunk.1" => "trunk.2",
        "head.price.0" => "price",
        "head.kind.0" => "kind.0",
        "head.kind.1" => "kind.2",
        same => same,
    };
    format!("{there}.{number}")
}

#[test]
fn a_pytorch_state_dict_predicts_the_same() -> Result<()> {
    let file = golden("persist_pytorch.safetensors");
    let given = given("persist_pytorch.json");
    let mut model = twin().build::<f32>()?;
    model.load_pytorch(&file, name_there)?;
    let x = matrix(&given["features"]).mapv(|x| x as f32);
    let predictions = model.predict(x.view())?;
    for task in ["price", "kind"] {
        let found = predictions[task].mapv(f64::from);
        // A dozen roundings in f32 of numbers up to 1.
        assert!(distance(&found, &matrix(&given["predictions"][task])) < 1e-6, "{task}");
    }
    // The names and shapes of PyTorch are not those of this crate, and the error says so.
    let error = model.load_weights(&file).unwrap_err().to_string();
    assert!(error.contains("misshapen: trunk.0.weight f32 [7, 5] instead of f32 [5, 7]"), "{error}");
    let error = model.load_pytorch(&file, str::to_owned).unwrap_err().to_string();
    assert!(error.contains("missing: trunk.1.weight f32 [4, 7]") && error.contains("too many: kind.0.bias"));
    Ok(())
}

fn trained() -> Result<(Model<f64>, Dataset<f64>)> {
    let data = datasets::robot_arm::<f64>(60, 0.05, 42);
    let grade = data.targets().mapv(|y| if y > 0.0 { 1.0 } else { 0.0 });
    let targets = polytask::ndarray::concatenate![polytask::ndarray::Axis(1), data.targets(), grade];
    let data = Dataset::new(data.features().to_owned(), targets)?
        .with_target_names(["shoulder", "elbow", "lifts", "bends"])?;
    let mut model = Model::builder(10)
        .trunk([Layer::dense(6, Activation::Relu), Layer::dense(5, Activation::Tanh)])
        .task(
            Task::regression("torques")
                .columns(["shoulder", "elbow"])
                .head([Layer::dense(4, Activation::Tanh)]),
        )
        .task(Task::classes("lifts", 2))
        .standardize()
        .build::<f64>()?;
    Trainer::new(Adam::new(0.01)).steps(50).fit(&mut model, &data)?;
    Ok((model, data))
}

/// The file that Python has read gives the predictions that Python found: files of older versions stay readable.
#[test]
fn the_file_that_python_reads_predicts_what_python_found() -> Result<()> {
    let model = Model::<f64>::load(golden("persist_model.safetensors"))?;
    let given = given("persist_model.json");
    let predictions = model.predict(matrix(&given["features"]).view())?;
    for task in ["torques", "lifts"] {
        // Another vector unit rounds otherwise.
        assert!(distance(&predictions[task], &matrix(&given["predictions"][task])) < 1e-12, "{task}");
    }
    let again = Model::<f64>::from_bytes(&model.to_bytes()?)?;
    assert_eq!(again.parameters(), model.parameters());
    Ok(())
}

/// Three networks in one file, and the range of the labels.
fn fitted(data: &Dataset<f64>) -> Result<Fitted<Regression, f64>> {
    let columns = data.targets().slice(s![.., ..2]).to_owned();
    let data = Dataset::new(data.features().to_owned(), columns)?.with_target_names(["shoulder", "elbow"])?;
    MultiTaskRegressor::new().members(3).hidden([6, 5]).epochs(4).fit_table(&data)
}

#[test]
fn the_estimator_that_python_reads_predicts_what_python_found() -> Result<()> {
    let model = MultiTaskRegressor::load::<f64>(golden("persist_estimator.safetensors"))?;
    let given = given("persist_estimator.json");
    let predicted = model.predict(&matrix(&given["features"]))?;
    for (k, task) in ["shoulder", "elbow"].iter().enumerate() {
        // Another vector unit rounds otherwise.
        let column = predicted.slice(s![.., k..=k]).to_owned();
        assert!(distance(&column, &matrix(&given["predictions"][task])) < 1e-12, "{task}");
    }
    Ok(())
}

/// Writes the files that `golden/make_persist.py check` reads, beside it or where the variable says.
#[test]
#[ignore = "writes golden files"]
fn write_the_files_for_python() -> Result<()> {
    let folder = std::env::var_os("POLYTASK_FILES_FOR_PYTHON").map_or(golden(""), PathBuf::from);
    let (model, data) = trained()?;
    model.save(folder.join("persist_model.safetensors"))?;
    let predictions = model.predict(data.features())?;
    let rows = |matrix: ArrayView2<'_, f64>| -> Vec<Vec<f64>> {
        matrix.rows().into_iter().map(|row| row.to_vec()).collect()
    };
    let write = |name: &str, predicted: serde_json::Map<String, Value>| {
        let text = json!({ "features": rows(data.features()), "predictions": predicted }).to_string();
        fs::write(folder.join(name), text + "\n").expect("a folder to write to");
    };
    let of_model = predictions.iter().map(|(task, values)| (task.to_owned(), json!(rows(values))));
    write("persist_model.json", of_model.collect());

    let estimator = fitted(&data)?;
    estimator.save(folder.join("persist_estimator.safetensors"))?;
    let predicted = estimator.predict(&data.features())?;
    let column = |k: usize| json!(rows(predicted.slice(s![.., k..=k])));
    let of_estimator = estimator.target_names().enumerate().map(|(k, name)| (name.to_owned(), column(k)));
    write("persist_estimator.json", of_estimator.collect());
    Ok(())
}

/// Half precision, as a state dict of a model that was trained in it has, is widened; bits and numbers from IEEE 754 and
/// from bfloat16 being the upper half of an f32.
#[test]
fn half_precision_is_widened_exactly() -> Result<()> {
    let path = std::env::temp_dir().join(format!("polytask-half-{}.safetensors", std::process::id()));
    let half: [(u16, f64); 6] = [
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x3555, 0.333251953125),
        (0x7bff, 65504.0),
        (0x0001, 5.960464477539063e-8),
        (0x83ff, -6.097555160522461e-5),
    ];
    let brain: [(u16, f64); 2] = [(0x3f80, 1.0), (0xc049, -3.140625)];
    let bytes = |numbers: &[(u16, f64)]| numbers.iter().flat_map(|x| x.0.to_le_bytes()).collect::<Vec<u8>>();
    let (weight, bias) = (bytes(&half), bytes(&brain));
    let of = |of_weight: Dtype, of_bias: Dtype| {
        let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let names = ["head.kind.0.weight", "head.kind.0.bias"];
        serialize(
            names.into_iter().zip([view(of_weight, &[3, 2], &weight), view(of_bias, &[1, 2], &bias)]),
            None,
        )
        .unwrap()
    };
    let builder = || Model::builder(3).task(Task::classes("kind", 2));
    fs::write(&path, of(Dtype::F16, Dtype::BF16)).unwrap();
    let (mut single, mut double) = (builder().build::<f32>()?, builder().build::<f64>()?);
    single.load_weights(&path)?;
    double.load_weights(&path)?;
    let expected: Vec<f64> = half.iter().chain(&brain).map(|x| x.1).collect();
    assert_eq!(double.parameters(), expected);
    assert!(single.parameters().iter().zip(&expected).all(|(x, y)| f64::from(*x) == *y));

    // Whole numbers of two bytes are not parameters, and the error says what was found.
    fs::write(&path, of(Dtype::I16, Dtype::BF16)).unwrap();
    let error = single.load_weights(&path).unwrap_err().to_string();
    assert!(error.contains("misshapen: head.kind.0.weight i16 [3, 2] instead of f32 [3, 2]"), "{error}");
    fs::remove_file(path).unwrap();
    Ok(())
}
