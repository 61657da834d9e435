//! ONNX files that read the columns of a file: what they are to predict for rows with gaps, new texts and dates, by what the
//! encoding and the model do with the same rows. `golden/check_onnx.py` runs them.

use polytask::data::csv::{CsvReader, Encoding};
use polytask::estimator::MultiTask;
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::{ErrorKind, Predictions, Result, Scalar};
use serde_json::{Value, json};

/// A file, its inputs, and what is predicted for them by task; nothing if running it is to fail.
pub struct Case<F> {
    pub name: String,
    pub bytes: Vec<u8>,
    pub columns: Value,
    pub predicted: Option<Vec<(String, Array2<F>)>>,
}

const HEADER: &str = "area,roof,heat,make,since,age";

/// Gaps in numbers and texts, more roofs than have a feature, dates that `f32` cannot tell apart.
fn houses() -> String {
    let mut file = format!("{HEADER},price,sold\n");
    for i in 0..60 {
        let (roof, heat) = (["flat", "pitched", "", "round"][i % 4], ["gas", "oil"][i % 2]);
        let area = if i % 5 == 0 { String::new() } else { (40 + 3 * i).to_string() };
        let (make, since) = (["a", "b", "c", "d"][i * 7 % 4], 1_700_000_000 + 86_400 * i);
        file += &format!("{area},{roof},{heat},{make},{since},{},{},{}\n", i % 11, 2 * i + i % 3, i % 2);
    }
    file
}

/// What rows are to be predicted as.
enum Expected {
    /// By the encoding and the model.
    Known,
    /// As NaN, unless the encoding is lenient.
    Undefined,
    /// Not at all, unless the encoding is lenient.
    Fails,
}

const ROWS: [(&str, &str, Expected); 6] = [
    (
        "known",
        "50,flat,oil,a,1700500000,3\n,,gas,b,1700600000,4\n77.5,pitched,gas,d,1.7007e9,10\n",
        Expected::Known,
    ),
    // A roof that is rare is one of the others, and so is a new one; a new make is no row of the table of vectors.
    (
        "new where that has a place",
        "50,round,oil,z,1700500000,3\n1,tiled,oil,b,1700600000,4\n",
        Expected::Known,
    ),
    ("no age", "50,flat,oil,a,1700500000,\n60,flat,oil,a,1700500000,\n", Expected::Undefined),
    ("no make", "50,flat,oil,,1700500000,3\n", Expected::Undefined),
    ("no heat", "50,flat,,a,1700500000,3\n", Expected::Undefined),
    ("new heat", "50,flat,wood,a,1700500000,3\n", Expected::Fails),
];

/// The inputs that rows of a file are.
fn columns(rows: &str) -> Value {
    let mut columns = serde_json::Map::new();
    for (j, name) in HEADER.split(',').enumerate() {
        let cells = rows.lines().map(|row| row.split(',').nth(j).expect("a cell for each column"));
        let values: Vec<Value> = match ["area", "since", "age"].contains(&name) {
            true => cells.map(|cell| json!(cell.parse::<f64>().ok())).collect(),
            false => cells.map(|cell| json!(cell)).collect(),
        };
        columns.insert(name.into(), values.into());
    }
    columns.into()
}

fn encoded<F: Scalar>(encoding: &Encoding, rows: &str) -> Result<Array2<F>> {
    encoding.features(&encoding.table_from(format!("{HEADER}\n{rows}").as_bytes(), "next.csv")?)
}

fn by_task<F: Scalar>(predictions: &Predictions<F>) -> Vec<(String, Array2<F>)> {
    predictions.iter().map(|(task, of_task)| (task.to_owned(), of_task.to_owned())).collect()
}

/// A model with an embedding, by an encoding that is strict and one that is lenient; and an estimator.
pub fn cases<F: Scalar>() -> Result<Vec<Case<F>>> {
    let mut cases = Vec::new();
    let reader = CsvReader::new().targets(["price", "sold"]).embed(["make"]).frequent_categories(2);
    let (data, strict) = reader.read_from::<F>(houses().as_bytes(), "houses.csv")?;
    for (strictness, encoding) in [("strict", strict.clone()), ("lenient", strict.lenient())] {
        let vectors = Layer::embedding([(data.names().feature("make")?, data.names().categories["make"])], 2);
        let builder = Model::builder(data.n_features()).trunk([vectors, Layer::dense(8, Activation::Relu)]);
        let builder = builder.task(Task::regression("price")).task(Task::binary("sold")).standardize();
        let mut model = builder.build::<F>()?;
        Trainer::new(Adam::new(0.02)).epochs(20).fit(&mut model, &data)?;
        model.set_encoding(encoding.clone())?;
        for (what, rows, expected) in &ROWS {
            let undefined = || Array2::from_elem((rows.lines().count(), 1), F::NAN);
            let predicted = match (encoded::<F>(&encoding, rows), expected) {
                (Ok(features), _) => Some(by_task(&model.predict(features.view())?)),
                (Err(_), Expected::Undefined) => {
                    Some(vec![("price".into(), undefined()), ("sold".into(), undefined())])
                }
                (Err(_), Expected::Fails) => None,
                (Err(error), Expected::Known) => return Err(error),
            };
            assert_eq!(
                matches!(expected, Expected::Known) || strictness == "lenient",
                encoded::<F>(&encoding, rows).is_ok(),
                "{strictness}, {what}"
            );
            let (name, bytes) = (format!("columns, {strictness}, {what}"), model.to_onnx_with_encoding()?);
            cases.push(Case { name, bytes, columns: columns(rows), predicted });
        }
    }
    // An estimator reads categories one-hot.
    let reader = CsvReader::new().targets(["price", "sold"]);
    let (data, encoding) = reader.read_from::<F>(houses().as_bytes(), "houses.csv")?;
    let mut fitted = MultiTask::new().hidden([6]).members(6).folds(2).epochs(3).fit_table(&data)?;
    fitted.set_encoding(encoding.clone())?;
    let rows = ROWS[0].1;
    cases.push(Case {
        name: "columns of an estimator".into(),
        bytes: fitted.to_onnx_with_encoding()?,
        columns: columns(rows),
        predicted: Some(by_task(&fitted.predict(&encoded(&encoding, rows)?)?)),
    });
    Ok(cases)
}

#[test]
fn the_inputs_are_the_columns_of_the_file() -> Result<()> {
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|word| word == text.as_bytes());
    for case in cases::<f32>()? {
        assert!(HEADER.split(',').all(|name| has(&case.bytes, name)), "{}", case.name);
        assert!(has(&case.bytes, "OneHotEncoder") && has(&case.bytes, "ai.onnx.ml"), "{}", case.name);
        assert_eq!(has(&case.bytes, "LabelEncoder"), !case.name.contains("estimator"), "{}", case.name);
    }
    Ok(())
}

#[test]
fn a_model_without_an_encoding_is_refused() -> Result<()> {
    let data = datasets::robot_arm::<f64>(40, 0.05, 1);
    let fitted = MultiTaskRegressor::new().hidden([3]).members(1).epochs(1).fit_table(&data)?;
    for error in
        [fitted.to_onnx_with_encoding(), fitted.members()[0].to_onnx_with_encoding()].map(Result::unwrap_err)
    {
        assert!(error.kind() == ErrorKind::Setting && error.to_string().contains("set_encoding"), "{error}");
    }
    Ok(())
}
