//! Weights of PyTorch and Keras by name and shape, for every layer and for experts and gates: what their models predict
//! (`golden/make_weights.py`) is predicted here; what cannot be taken over is named.

use std::fs;
use std::path::PathBuf;

use polytask::layer::{BatchNorm, LayerNorm, Periodic};
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::{ErrorKind, ModelBuilder, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/weights")).join(name)
}

fn matrix(rows: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(rows.clone()).expect("rows of numbers");
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// A model, and what the beginnings or the wholes of its blocks' names are there.
struct Twin {
    file: &'static str,
    builder: ModelBuilder,
    names: &'static [(&'static str, &'static str)],
}

impl Twin {
    /// The longest name that fits is taken; the rest stays.
    fn name_there(&self, name: &str) -> String {
        let fits = self.names.iter().filter(|(here, _)| name.starts_with(here));
        match fits.max_by_key(|(here, _)| here.len()) {
            Some((here, there)) => format!("{there}{}", &name[here.len()..]),
            None => name.to_owned(),
        }
    }

    fn load(&self, model: &mut Model<f64>, path: PathBuf) -> Result<()> {
        match self.file.starts_with("keras") {
            false => model.load_pytorch(path, |name| self.name_there(name)),
            true => {
                let kernel = |name: &str| name.replace(".weight", "/kernel").replace(".bias", "/bias");
                model.load_keras(path, |name| kernel(&self.name_there(name)))
            }
        }
    }
}

/// Keras has no layer of factors, and its GELU is of `f32` within.
fn layers(epsilon: f64, is_keras: bool) -> ModelBuilder {
    let norm = || Layer::from(LayerNorm::new().epsilon(epsilon));
    let residual =
        Layer::residual([norm(), Layer::dense(7, Activation::Silu), Layer::dense(10, Activation::Identity)]);
    let mut trunk = vec![
        Layer::embedding([(1, 4)], 3),
        Layer::dense(12, Activation::Relu),
        norm(),
        Layer::gated(10, Activation::Sigmoid),
        BatchNorm::new().epsilon(epsilon).into(),
        residual,
        Layer::parametric(Activation::Relu),
    ];
    trunk.extend((!is_keras).then(Layer::scale));
    trunk.push(Layer::dense(10, Activation::Tanh));
    let hidden = if is_keras { Activation::Softplus } else { Activation::Gelu };
    let kind = Task::classes("kind", 3).head([Layer::dense(5, hidden)]);
    Model::builder(6).trunk(trunk).task(Task::regression("price")).task(kind)
}

fn mixture(sharing: Sharing) -> ModelBuilder {
    Model::builder(6).sharing(sharing).task(Task::regression("one")).task(Task::regression("two"))
}

fn twins() -> Vec<Twin> {
    let expert = || [Layer::dense(5, Activation::Relu)];
    let on = |layer: Layer| Model::builder(6).trunk([layer]).task(Task::regression("y"));
    vec![
        Twin {
            file: "pytorch_layers",
            builder: layers(1e-5, false),
            names: &[
                ("trunk.0.table.1", "brand.weight"),
                ("trunk.1", "first"),
                ("trunk.2.scale", "norm.weight"),
                ("trunk.2", "norm"),
                ("trunk.3", "glu"),
                ("trunk.4.scale", "batch.weight"),
                ("trunk.4.mean", "batch.running_mean"),
                ("trunk.4.variance", "batch.running_var"),
                ("trunk.4", "batch"),
                ("trunk.5.0.scale", "residual.block.0.weight"),
                ("trunk.5.2", "residual.block.3"),
                ("trunk.5", "residual.block"),
                ("trunk.6.strength", "slopes.weight"),
                ("trunk.7.scale", "factors"),
                ("trunk.8", "last"),
                ("head.price.0", "price"),
                ("head.kind.0", "kind.0"),
                ("head.kind.1", "kind.2"),
            ],
        },
        Twin {
            file: "keras_layers",
            builder: layers(1e-3, true),
            names: &[
                ("trunk.0.table.1", "brand/embeddings"),
                ("trunk.1", "first"),
                ("trunk.2.scale", "norm/gamma"),
                ("trunk.2.bias", "norm/beta"),
                ("trunk.3", "glu"),
                ("trunk.4.scale", "batch/gamma"),
                ("trunk.4.bias", "batch/beta"),
                ("trunk.4.mean", "batch/moving_mean"),
                ("trunk.4.variance", "batch/moving_variance"),
                ("trunk.5.0.scale", "inside_norm/gamma"),
                ("trunk.5.0.bias", "inside_norm/beta"),
                ("trunk.5.1", "inside"),
                ("trunk.5.2", "outside"),
                ("trunk.6.strength", "slopes/alpha"),
                ("trunk.7", "last"),
                ("head.price.0", "price"),
                ("head.kind.0", "hidden"),
                ("head.kind.1", "kind"),
            ],
        },
        Twin {
            file: "pytorch_periodic",
            builder: on(Periodic::new(2, 4).into()),
            names: &[("trunk.0.frequency", "frequencies"), ("trunk.0", "maps"), ("head.y.0", "y")],
        },
        Twin {
            file: "pytorch_piecewise",
            builder: on(Layer::piecewise_linear(3, 3)),
            names: &[("trunk.0.edges", "edges"), ("trunk.0", "maps"), ("head.y.0", "y")],
        },
        Twin {
            file: "pytorch_ensemble",
            builder: Model::builder(6)
                .trunk([Layer::dense(8, Activation::Relu)])
                .task(Task::new("pair", Loss::MeanSquaredError).columns(["left", "right"]))
                .batch_ensemble(3),
            names: &[
                ("trunk.0", "shared"),
                ("trunk.0.input_scale", "r"),
                ("trunk.0.output_scale", "s"),
                ("trunk.0.bias", "b"),
                ("head.pair.0.weight", "head_weight"),
                ("head.pair.0.bias", "head_bias"),
            ],
        },
        Twin {
            file: "pytorch_mmoe",
            builder: mixture(Sharing::mmoe(3, expert())),
            names: &[
                ("expert", "experts"),
                ("gate.one.0", "gates.one"),
                ("gate.two.0", "gates.two"),
                ("head.one.0", "towers.one"),
                ("head.two.0", "towers.two"),
            ],
        },
        Twin {
            file: "keras_mmoe",
            builder: mixture(Sharing::mmoe(3, expert())),
            names: &[
                ("expert.0.0", "expert_0"),
                ("expert.1.0", "expert_1"),
                ("expert.2.0", "expert_2"),
                ("gate.one.0", "gate_one"),
                ("gate.two.0", "gate_two"),
                ("head.one.0", "one"),
                ("head.two.0", "two"),
            ],
        },
        Twin {
            file: "pytorch_cgc",
            builder: mixture(Sharing::cgc(2, 1, expert())),
            names: &[
                ("level.0.shared", "experts"),
                ("level.0.expert.one", "own.one"),
                ("level.0.expert.two", "own.two"),
                ("level.0.gate.one.0", "gates.one"),
                ("level.0.gate.two.0", "gates.two"),
                ("head.one.0", "towers.one"),
                ("head.two.0", "towers.two"),
            ],
        },
    ]
}

#[test]
fn other_libraries_models_predict_the_same_here() -> Result<()> {
    for twin in twins() {
        let text = fs::read_to_string(golden(&format!("{}.json", twin.file))).expect("a golden file");
        let given: Value = serde_json::from_str(&text).expect("JSON");
        let mut model = twin.builder.build::<f64>()?;
        twin.load(&mut model, golden(&format!("{}.safetensors", twin.file)))
            .map_err(|error| error.within(twin.file))?;
        let predictions = model.predict(matrix(&given["features"]).view())?;
        for (task, expected) in given["predictions"].as_object().expect("tasks") {
            let (found, expected) = (&predictions[task.as_str()], matrix(expected));
            assert_eq!(found.dim(), expected.dim());
            let distance = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // A few hundred roundings in f64 of numbers up to 10.
            assert!(distance < 1e-12, "{}, {task}: {distance:e}", twin.file);
        }
    }
    Ok(())
}

/// The tensors of a file, with `changed` in the place of that of its name.
fn with(file: &str, changed: (&str, &[usize], &[f64])) -> PathBuf {
    let bytes = fs::read(golden(&format!("{file}.safetensors"))).expect("a golden file");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let (name, shape, numbers) = changed;
    let numbers: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut all: Vec<(String, TensorView<'_>)> = tensors.tensors();
    all.retain(|(other, _)| other != name);
    let view = TensorView::new(Dtype::F64, shape.to_vec(), &numbers).expect("as many numbers");
    all.push((name.to_owned(), view));
    let path = std::env::temp_dir().join(format!("polytask-{file}-{}", std::process::id()));
    fs::write(&path, serialize(all, None).expect("tensors")).expect("a folder to write to");
    path
}

#[test]
fn what_cannot_be_taken_over_is_named() -> Result<()> {
    let twins = twins();
    for (file, name, shape, expected) in [
        // One slope for all features; vectors without one for what is in no category; a kernel the other way round.
        ("pytorch_layers", "slopes.weight", &[1][..], "misshapen: slopes.weight f64 [1] instead of f64 [10]"),
        (
            "pytorch_layers",
            "brand.weight",
            &[4, 3],
            "misshapen: brand.weight f64 [4, 3] instead of f64 [5, 3]",
        ),
        ("keras_layers", "first/kernel", &[12, 8], "first/kernel f64 [12, 8] instead of f64 [8, 12]"),
        // Maps of the features lie one below the other, and none is transposed.
        ("pytorch_periodic", "maps.weight", &[4, 24], "maps.weight f64 [4, 24] instead of f64 [6, 4, 4]"),
        ("pytorch_ensemble", "r", &[6, 3], "misshapen: r f64 [6, 3] instead of f64 [3, 6]"),
        ("pytorch_mmoe", "experts.3.0.bias", &[5], "too many: experts.3.0.bias f64 [5]"),
    ] {
        let twin = twins.iter().find(|twin| twin.file == file).expect("in the table");
        let path = with(file, (name, shape, &vec![0.5; shape.iter().product()]));
        let mut model = twin.builder.build::<f64>()?;
        let before = (model.parameters().to_vec(), model.state().to_vec());
        let error = twin.load(&mut model, path.clone()).expect_err(name);
        fs::remove_file(path).expect("it was written");
        assert!(error.kind() == ErrorKind::Shape && error.to_string().contains(expected), "{error}");
        assert_eq!((model.parameters(), model.state()), (&before.0[..], &before.1[..]));
    }
    let twin = &twins[0];
    let mut model = twin.builder.build::<f64>()?;
    let path = golden("pytorch_layers.safetensors");
    let error = model.load_pytorch(&path, str::to_owned).unwrap_err().to_string();
    assert!(error.contains("missing: ") && error.contains("trunk.4.mean f64 [10]"), "{error}");
    // How many batches there were is passed over; nothing else is.
    assert!(error.contains("batch.running_mean f64 [10]") && !error.contains("num_batches"), "{error}");
    Ok(())
}

/// Vectors of categories, whose name there and shape are those of a linear map.
#[test]
fn what_is_no_linear_map_is_not_transposed_even_where_it_is_square() -> Result<()> {
    let path = std::env::temp_dir().join(format!("polytask-square-{}", std::process::id()));
    let count = |n: usize| (0..n).flat_map(|i| (i as f64).to_le_bytes()).collect::<Vec<u8>>();
    let numbers = count(9);
    let view = |shape: &[usize]| {
        let bytes = &numbers[..8 * shape.iter().product::<usize>()];
        TensorView::new(Dtype::F64, shape.to_vec(), bytes).expect("as many numbers")
    };
    let tensors = [("vectors.weight", view(&[3, 3])), ("y.weight", view(&[1, 3])), ("y.bias", view(&[1]))];
    fs::write(&path, serialize(tensors, None).expect("tensors")).expect("a folder to write to");
    let builder = Model::builder(1).trunk([Layer::embedding([(0, 2)], 3)]).task(Task::regression("y"));
    let mut model = builder.build::<f64>()?;
    let name_there = |name: &str| name.replace("trunk.0.table.0", "vectors.weight").replace("head.y.0", "y");
    model.load_pytorch(&path, name_there)?;
    fs::remove_file(path).expect("it was written");
    assert_eq!(model.parameters()[..9], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    Ok(())
}

/// Its numbers lie otherwise than another library's, and where the shapes are the same nothing else would tell.
#[test]
fn a_model_saved_here_is_not_taken_for_one_of_another_library() -> Result<()> {
    let path = std::env::temp_dir().join(format!("polytask-own-{}", std::process::id()));
    let trunk = [Layer::dense(2, Activation::Tanh), Layer::parametric(Activation::Relu)];
    let builder = Model::builder(2).trunk(trunk).task(Task::classes("kind", 2));
    builder.clone().seed(1).build::<f64>()?.save(&path)?;
    let mut model = builder.seed(2).build::<f64>()?;
    let before = model.parameters().to_vec();
    for error in [model.load_pytorch(&path, str::to_owned), model.load_keras(&path, str::to_owned)] {
        let error = error.expect_err("a file of this crate");
        assert!(error.kind() == ErrorKind::File && error.to_string().contains("load_weights"), "{error}");
    }
    fs::remove_file(path).expect("it was written");
    assert_eq!(model.parameters(), before);
    Ok(())
}

/// Of each way in which a file does not fit: what is wrong, and what to do.
#[test]
fn what_does_not_fit_comes_with_advice() -> Result<()> {
    let path = std::env::temp_dir().join(format!("polytask-advice-{}", std::process::id()));
    let builder = Model::builder(3).task(Task::classes("kind", 2));
    let mut model = builder.build::<f64>()?;
    let names = ["head.kind.0.weight", "head.kind.0.bias"];
    let mut said = |names: [&str; 2], dtype: Dtype, shape: [usize; 2]| {
        let numbers = [0; 8 * 8];
        let view = |shape: &[usize]| {
            let n = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            TensorView::new(dtype, shape.to_vec(), &numbers[..n]).expect("as many numbers")
        };
        let tensors = [(names[0], view(&shape)), (names[1], view(&[2]))];
        fs::write(&path, serialize(tensors, None).expect("tensors")).expect("a folder to write to");
        model
            .load_keras(&path, str::to_owned)
            .map_err(|error| error.to_string())
            .expect_err("it does not fit")
    };
    for (error, expected) in [
        (said(names, Dtype::F32, [3, 2]), "(read a file of f32 into a Model::<f32>, and cast that)"),
        (said(names, Dtype::I64, [3, 2]), "(write the numbers as f64)"),
        (said(names, Dtype::F64, [2, 3]), "(build layers of the sizes of those in the file; "),
        (
            said(["kind.weight", "kind.bias"], Dtype::F64, [3, 2]),
            "(let `name_there` say what each block is called",
        ),
    ] {
        assert!(error.contains(expected), "{error} without {expected}");
    }
    fs::remove_file(&path).expect("it was written");
    // A file of this crate has the names that it has.
    Model::builder(3).task(Task::classes("type", 2)).build::<f64>()?.save(&path)?;
    let error = model.load_weights(&path).expect_err("another task").to_string();
    assert!(error.contains("(only a model of the same layers and tasks has these blocks)"), "{error}");
    let error =
        model.load_weights(golden("pytorch_mmoe.safetensors")).expect_err("no model of here").to_string();
    assert!(error.contains("(weights of PyTorch and Keras are taken with load_pytorch"), "{error}");
    fs::remove_file(path).expect("it was written");
    Ok(())
}
