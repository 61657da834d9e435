//! The files that `golden/check_onnx.py` gives to ONNX Runtime, run by a runtime in Rust: what it computes is what is
//! predicted, and what it refuses is known.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use rten::Model;
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use serde_json::Value;

/// The runtime computes in `f32`, whatever a file is of.
const TOLERANCE: f32 = 1e-5;

fn folder() -> PathBuf {
    let folder =
        std::env::var_os("POLYTASK_FILES_FOR_PYTHON").expect("the folder that tests/it/onnx.rs wrote to");
    PathBuf::from(folder).join("onnx")
}

/// Rows of numbers; infinities and NaN are texts.
fn matrix(rows: &Value) -> Vec<Vec<f32>> {
    let number = |x: &Value| match x.as_str() {
        Some(text) => text.parse().expect("a number"),
        None => x.as_f64().expect("a number") as f32,
    };
    let row = |row: &Value| row.as_array().expect("a row").iter().map(number).collect();
    rows.as_array().expect("rows").iter().map(row).collect()
}

/// The outputs called `tasks`.
fn run(model: &Model, features: &[Vec<f32>], tasks: &[&str]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let x = NdTensor::from_data([features.len(), features[0].len()], features.concat());
    let outputs = tasks.iter().map(|task| model.node_id(task)).collect::<Result<Vec<_>, _>>()?;
    let found = model.run(vec![(model.input_ids()[0], x.view().into())], &outputs, None)?;
    found.into_iter().map(|value| Ok(Tensor::<f32>::try_from(value)?.to_vec())).collect()
}

/// The largest difference from `expected`, of the largest number in it or 1; infinite where one is finite and the other not.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().filter(|x| x.is_finite()).fold(1.0_f32, |size, x| size.max(x.abs()));
    let differ = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) => 0.0,
        difference if difference.is_finite() => difference / size,
        _ => f32::INFINITY,
    };
    found.iter().zip(expected).map(differ).fold(0.0, f32::max)
}

#[test]
fn every_model_predicts_the_same_in_the_runtime() -> Result<(), Box<dyn Error>> {
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json"))?)?;
    let (mut counts, mut refused) = (BTreeMap::<&str, (usize, f32)>::new(), BTreeMap::<&str, usize>::new());
    for case in &cases {
        let text = |key: &str| case[key].as_str().expect("a text");
        let (name, path) = (text("name"), folder().join(text("file")));
        let model = Model::load_file(&path);
        if case.get("columns").is_some() {
            // Operators for texts, which are ONNX's own no more than they are the runtime's.
            let said = model.err().ok_or(format!("{name} is not refused"))?.to_string();
            let known =
                ["OneHotEncoder", "LabelEncoder"].into_iter().find(|operator| said.contains(operator));
            *refused.entry(known.ok_or(format!("{name}: {said}"))?).or_default() += 1;
            continue;
        }
        let predicted = case["predicted"].as_array().expect("tasks");
        let tasks: Vec<&str> = predicted.iter().map(|task| task[0].as_str().expect("a name")).collect();
        let found =
            run(&model?, &matrix(&case["features"]), &tasks).map_err(|error| format!("{name}: {error}"))?;
        for (task, found) in predicted.iter().zip(&found) {
            let error = error(found, &matrix(&task[1]).concat());
            assert!(error <= TOLERANCE, "{name}, {}: {error:e}", task[0]);
            let (_, worst) = counts.entry(text("scalar")).or_default();
            *worst = worst.max(error);
        }
        counts.entry(text("scalar")).or_default().0 += 1;
    }
    for (scalar, (n, worst)) in &counts {
        println!("{scalar}: {n} files, the largest difference {worst:.1e} of the largest output");
    }
    println!("refused: {refused:?}");
    assert!(counts.values().all(|(n, _)| *n > 500) && counts.len() == 2 && refused.len() == 1);
    Ok(())
}

/// The model that the book's page serves in Python.
#[test]
fn the_books_model_predicts_the_same_in_the_runtime() -> Result<(), Box<dyn Error>> {
    let served = folder().join("served");
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(served.join("predicted.json"))?)?;
    let model = Model::load_file(Path::new(&served).join("model.onnx"))?;
    let found = run(&model, &vec![vec![0.0; 10]; 3], &["shoulder", "elbow"])?;
    for (task, found) in ["shoulder", "elbow"].iter().zip(&found) {
        let expected: Vec<f32> = serde_json::from_value(expected[*task].clone())?;
        assert!(error(found, &expected) <= TOLERANCE, "{task}");
    }
    Ok(())
}
