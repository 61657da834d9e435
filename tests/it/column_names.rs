//! Features, targets and classes are matched by name: a table whose columns stand in another order says the same, one
//! with other columns is refused, and only a table or model without names goes by position.

use ndarray::{Array2, Axis};
use polytask::data::csv::CsvReader;
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::{Error, ErrorKind};

/// Where the columns of the turned table stand in the original one.
const TURN: [usize; 4] = [2, 0, 3, 1];
const NAMES: [&str; 4] = ["mass", "length", "angle", "age"];

/// Four features of different scale and meaning, two targets.
fn table(rows: usize) -> Dataset<f64> {
    let x = Array2::from_shape_fn((rows, 4), |(i, j)| {
        ((i * (j + 3) + 5 * j) % 17) as f64 * [1.0, 30.0, 0.1, 7.0][j]
    });
    let y = Array2::from_shape_fn((rows, 2), |(i, k)| x[[i, k]] - 2.0 * x[[i, 2]] + 0.3 * x[[i, 3]]);
    let data = Dataset::new(x, y).expect("a table");
    data.with_feature_names(NAMES).and_then(|data| data.with_target_names(["speed", "cost"])).expect("names")
}

/// The same table with its feature and target columns in another order.
fn turned(data: &Dataset<f64>) -> Dataset<f64> {
    let names = |all: &[String], order: &[usize]| order.iter().map(|&i| all[i].clone()).collect::<Vec<_>>();
    let (x, y) = (data.features().select(Axis(1), &TURN), data.targets().select(Axis(1), &[1, 0]));
    Dataset::new(x, y)
        .and_then(|turned| turned.with_feature_names(names(data.feature_names(), &TURN)))
        .and_then(|turned| turned.with_target_names(names(data.target_names(), &[1, 0])))
        .expect("a table")
}

/// The same numbers under the names `x0, x1, …`.
fn unnamed(data: &Dataset<f64>) -> Dataset<f64> {
    let plain = Dataset::new(data.features().to_owned(), data.targets().to_owned()).expect("a table");
    plain.with_target_names(data.target_names().to_vec()).expect("names")
}

fn builder() -> polytask::ModelBuilder {
    Model::builder(4)
        .trunk([Layer::dense(6, Activation::Tanh)])
        .task(Task::regression("speed"))
        .task(Task::regression("cost"))
        .seed(3)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(16).epochs(6)
}

fn fitted(data: &Dataset<f64>) -> Model<f64> {
    let mut model = builder().standardize().build::<f64>().expect("valid settings");
    trainer().fit(&mut model, data).expect("a table");
    model
}

fn assert_name_error(error: Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Name, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_turned_table_is_judged_and_predicted_as_the_original() {
    let data = table(60);
    let model = fitted(&data);
    let report = model.evaluate(&data).expect("the table it learnt from");
    assert_eq!(model.evaluate(&turned(&data)).expect("the same columns"), report);
    let predicted = model.predict(data.features()).expect("features")["speed"].clone();
    assert_eq!(model.predict_table(&turned(&data)).expect("the same columns")["speed"], predicted);
    let wrong = model.predict(turned(&data).features()).expect("an array has no names")["speed"].clone();
    assert_ne!(wrong, predicted);
}

#[test]
fn a_model_learns_the_same_bits_from_a_turned_table() {
    let data = table(60);
    for standardizes in [false, true] {
        let build = || if standardizes { builder().standardize() } else { builder() };
        let fit = |second: &Dataset<f64>, validation: &Dataset<f64>| {
            let mut model = build().build::<f64>().expect("valid settings");
            model.fit_scaling(&data).expect("the first table gives the names");
            let history = trainer().fit_validated(&mut model, second, validation).expect("tables");
            (model.parameters().to_vec(), history.validations().last().expect("a validation").losses.clone())
        };
        let plain = fit(&data, &data);
        assert_eq!(plain, fit(&turned(&data), &data), "standardizes: {standardizes}");
        assert_eq!(plain, fit(&data, &turned(&data)), "standardizes: {standardizes}");
    }
}

#[test]
fn scaling_is_fitted_by_name() {
    let data = table(40);
    let reference = fitted(&data);
    let bytes = reference.to_bytes().expect("bytes");
    // A model that knows its names before it has a scaling, as one that was given an encoding does.
    let mut plain = builder().build::<f64>().expect("valid settings");
    plain.fit_scaling(&data).expect("names");
    let path = std::env::temp_dir().join(format!("polytask-names-{}.safetensors", std::process::id()));
    plain.save(&path).expect("a file");
    let mut model = builder().standardize().build::<f64>().expect("valid settings");
    model.load_weights(&path).expect("parameters and names");
    std::fs::remove_file(&path).expect("it is there");
    assert_eq!(model.names().map(|names| names.features.clone()), Some(NAMES.map(String::from).to_vec()));
    model.fit_scaling(&turned(&data)).expect("the same columns");
    model.parameters_mut().copy_from_slice(reference.parameters());
    assert_eq!(model.evaluate(&data).expect("a table"), reference.evaluate(&data).expect("a table"));
    let loaded = Model::<f64>::from_bytes(&bytes).expect("its own file");
    assert_eq!(
        loaded.evaluate(&turned(&data)).expect("a table"),
        reference.evaluate(&data).expect("a table")
    );
}

#[test]
fn other_columns_are_refused_at_every_door() {
    let data = table(40);
    let mut model = fitted(&data);
    let other = data.clone().with_feature_names(["mass", "width", "angle", "colour"]).expect("names");
    let parts = ["`length`, `age`", "`width`, `colour`"];
    assert_name_error(model.evaluate(&other).unwrap_err(), &parts);
    assert_name_error(model.predict_table(&other).unwrap_err(), &parts);
    assert_name_error(model.fit_scaling(&other).unwrap_err(), &parts);
    assert_name_error(model.check_gradients(&other.all()).unwrap_err(), &parts);
    assert_name_error(model.forward(&other.all(), &mut model.trace(40)).unwrap_err(), &parts);
    assert_name_error(trainer().fit(&mut model, &other).unwrap_err(), &parts);
    assert_name_error(trainer().fit_validated(&mut model, &data, &other).unwrap_err(), &parts);
    let loaded = Model::<f64>::from_bytes(&model.to_bytes().expect("bytes")).expect("its own file");
    assert_name_error(loaded.evaluate(&other).unwrap_err(), &parts);

    let fewer = Dataset::new(data.features().select(Axis(1), &[0, 1, 2]), data.targets().to_owned())
        .and_then(|fewer| fewer.with_feature_names(["mass", "length", "angle"]))
        .expect("a table");
    assert_name_error(model.evaluate(&fewer).unwrap_err(), &["without `age`"]);
}

#[test]
fn without_names_columns_go_by_position() {
    let data = table(40);
    let named = fitted(&data);
    let report = named.evaluate(&data).expect("a table");
    assert_eq!(named.evaluate(&unnamed(&data)).expect("as many columns"), report);
    let nameless = fitted(&unnamed(&data));
    assert_eq!(nameless.parameters(), named.parameters());
    assert_eq!(nameless.evaluate(&data).expect("as many columns"), report);
    // A nameless model that is fitted on names takes them.
    let mut later = nameless.clone();
    later.fit_scaling(&data).expect("as many columns");
    assert_eq!(later.evaluate(&turned(&data)).expect("the same columns"), report);
    let loaded = Model::<f64>::from_bytes(&nameless.to_bytes().expect("bytes")).expect("its own file");
    assert!(!loaded.names().expect("names").has_feature_names());
    assert_eq!(loaded.evaluate(&data).expect("as many columns"), report);
}

#[test]
fn estimators_go_by_name() {
    let data = table(40);
    let model = MultiTaskRegressor::new().hidden([6]).members(2).epochs(4).fit_table(&data).expect("a table");
    let predicted = model.predict(&data.features().to_owned()).expect("features");
    assert_eq!(model.predict_table(&turned(&data)).expect("the same columns"), predicted);
    assert_eq!(
        model.score_table(&turned(&data)).expect("a table"),
        model.score_table(&data).expect("a table")
    );
    let loaded =
        MultiTaskRegressor::from_bytes::<f64>(&model.to_bytes().expect("bytes")).expect("its own file");
    assert_eq!(loaded.predict_table(&turned(&data)).expect("the same columns"), predicted);
    let other = data.with_feature_names(["mass", "width", "angle", "age"]).expect("names");
    assert_name_error(model.predict_table(&other).unwrap_err(), &["`length`", "`width`"]);
}

#[test]
fn categories_of_another_file_are_not_taken_for_the_models_own() {
    let read = |file: &str| {
        let reader = CsvReader::new().class_targets(["kind"]);
        reader.read_from::<f64>(file.as_bytes(), "houses.csv").expect("a table")
    };
    let (data, encoding) = read("area,roof,kind\n514,flat,barn\n563,pitched,house\n612,flat,shed\n");
    let mut model = Model::builder(3).task(Task::classes("kind", 3)).build::<f64>().expect("valid settings");
    trainer().fit(&mut model, &data).expect("a table");
    assert_eq!(model.class_names("kind").expect("the table names them"), ["barn", "house", "shed"]);

    let (roofs, _) = read("area,roof,kind\n514,gabled,barn\n563,pitched,house\n612,gabled,shed\n");
    assert_name_error(model.evaluate(&roofs).unwrap_err(), &["without `roof=flat`", "with `roof=gabled`"]);

    let other_kinds = "roof,area,kind\nflat,514,house\npitched,563,shed\nflat,612,house\n";
    let (kinds, other) = read(other_kinds);
    assert_name_error(
        model.evaluate(&kinds).unwrap_err(),
        &["`barn`, `house`, `shed`", "found `house`, `shed`"],
    );
    assert_name_error(model.set_encoding(other).unwrap_err(), &["roof"]);
    let right = encoding.read_from::<f64>(other_kinds.as_bytes(), "next.csv").expect("the same columns");
    assert!(model.evaluate(&right).is_ok());
    let (fewer, _) = read("area,roof,kind\n514,flat,barn\n563,pitched,house\n612,flat,barn\n");
    assert!(model.evaluate(&fewer).is_ok(), "a file that lacks the last class numbers the others alike");

    let loaded = Model::<f64>::from_bytes(&model.to_bytes().expect("bytes")).expect("its own file");
    assert_eq!(loaded.class_names("kind"), model.class_names("kind"));
    assert_name_error(loaded.evaluate(&kinds).unwrap_err(), &["classes of the target `kind`"]);
}

#[test]
fn a_training_resumes_on_a_turned_table() {
    let folder = std::env::temp_dir().join(format!("polytask-names-resume-{}", std::process::id()));
    let data = table(64);
    let build = || builder().standardize().build::<f64>().expect("valid settings");
    let mut whole = build();
    trainer().epochs(4).fit(&mut whole, &data).expect("a table");
    let kept = trainer().checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
    kept.clone().epochs(2).fit(&mut build(), &data).expect("a table");
    let mut second = build();
    kept.epochs(4).fit(&mut second, &turned(&data)).expect("the same columns");
    std::fs::remove_dir_all(&folder).expect("it is there");
    assert_eq!(second.parameters(), whole.parameters());
}
