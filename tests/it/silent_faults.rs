//! What would otherwise go wrong without a word: features that were constant and move, numbers that the scalar type cannot
//! tell apart, a model that was never fitted, a trace of another model, a training of no steps, a balance of nothing.

use ndarray::{Array2, array};
use polytask::balance::{CaGrad, GradDrop, UpGrad, Weights};
use polytask::data::csv::CsvReader;
use polytask::prelude::*;
use polytask::{ErrorKind, Result, Warning};
use safetensors::tensor::{SafeTensors, serialize};

/// A quantity that depends on the first feature; the second is 400 in every row, and the third an indicator that is
/// never 1.
fn table() -> Dataset<f64> {
    let x = Array2::from_shape_fn((60, 3), |(i, j)| [((i * 7) % 23) as f64 / 10.0, 400.0, 0.0][j]);
    let y = x.column(0).mapv(|x| 0.3 + 0.5 * x).insert_axis(ndarray::Axis(1));
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(["y"])).expect("a table");
    data.with_feature_names(["dose", "pressure", "colour=red"]).expect("names")
}

fn builder(n_features: usize) -> polytask::ModelBuilder {
    Model::builder(n_features).trunk([Layer::dense(8, Activation::Tanh)]).task(Task::regression("y")).seed(1)
}

fn fitted() -> Model<f64> {
    let mut model = builder(3).standardize().build::<f64>().expect("valid settings");
    Trainer::new(Adam::new(0.02)).batch_size(60).steps(300).fit(&mut model, &table()).expect("a table");
    model
}

fn predicted(model: &Model<f64>, row: [f64; 3]) -> f64 {
    model.predict(array![row].view()).expect("a row")["y"][[0, 0]]
}

/// The file of a model without the words by which it says how it treats constant features: as today's predecessors wrote it.
fn as_earlier_versions_saved_it(bytes: &[u8]) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).expect("a file in order");
    let mut texts = header.metadata().clone().expect("a text");
    let text = texts["polytask"].replace("\"constant_features\":\"ignored\",", "");
    assert_ne!(text, texts["polytask"]);
    texts.insert("polytask".into(), text);
    serialize(SafeTensors::deserialize(bytes).expect("a file in order").tensors(), Some(texts))
        .expect("a file")
}

#[test]
fn a_constant_feature_that_moves_changes_no_prediction_and_is_told() {
    let model = fitted();
    let names = || vec!["pressure".to_owned(), "colour=red".to_owned()];
    let truth = 0.3 + 0.5 * 0.6;
    for row in [[0.6, 400.0, 0.0], [0.6, 410.0, 0.0], [0.6, 400.0, 1.0], [0.6, -1e6, 7.0]] {
        assert!((predicted(&model, row) - truth).abs() < 0.05, "{row:?}: {}", predicted(&model, row));
        assert_eq!(predicted(&model, row), predicted(&model, [0.6, 400.0, 0.0]));
    }
    assert_eq!(model.warnings(), [Warning::IgnoredFeatures(names())]);
    let rows = array![[0.1, 400.0, 0.0], [0.1, 410.0, 1.0], [0.1, 400.0, 1.0]];
    assert_eq!(model.changed_constants(rows.view()).expect("rows"), [(1, 1), (1, 2), (2, 2)]);

    let report = model.evaluate(&table()).expect("a table");
    assert_eq!(report.warnings(), model.warnings());
    let moved = Dataset::new(rows, array![[0.3], [0.3], [0.3]])
        .and_then(|data| data.with_target_names(["y"]))
        .expect("a table");
    let report = model.evaluate(&moved).expect("a table");
    assert_eq!(report.warnings()[1], Warning::ChangedConstants { names: names(), rows: 2 });
    assert!(report.to_string().ends_with("`pressure`, `colour=red` (2 rows differ)"), "{report}");
}

#[test]
fn the_treatment_of_constants_survives_files_and_casts() {
    let model = fitted();
    let bytes = model.to_bytes().expect("bytes");
    let loaded = Model::<f64>::from_bytes(&bytes).expect("its own file");
    assert_eq!(predicted(&loaded, [0.6, 410.0, 1.0]), predicted(&model, [0.6, 400.0, 0.0]));
    assert_eq!(loaded.to_bytes().expect("bytes"), bytes);
    let twin = model.cast::<f32>().expect("within range").cast::<f64>().expect("within range");
    assert_eq!(predicted(&twin, [0.6, 410.0, 1.0]), predicted(&twin, [0.6, 400.0, 0.0]));
    assert_eq!(twin.warnings(), model.warnings());

    let data = table();
    let estimator =
        MultiTaskRegressor::new().hidden([4]).members(3).epochs(3).fit_table(&data).expect("a table");
    let again =
        MultiTaskRegressor::from_bytes::<f64>(&estimator.to_bytes().expect("bytes")).expect("its own file");
    let row = array![[0.6, 410.0, 1.0]];
    assert_eq!(
        estimator.predict(&row).expect("a row"),
        estimator.predict(&array![[0.6, 400.0, 0.0]]).expect("a row")
    );
    assert_eq!(again.predict(&row).expect("a row"), estimator.predict(&row).expect("a row"));
    assert_eq!(estimator.warnings().len(), 1);
    assert_eq!(again.warnings(), estimator.warnings());
}

#[test]
fn a_file_of_an_earlier_version_predicts_as_it_did_and_says_so() {
    let model = fitted();
    let bytes = as_earlier_versions_saved_it(&model.to_bytes().expect("bytes"));
    let old = Model::<f64>::from_bytes(&bytes).expect("a file of an earlier version");
    assert_eq!(predicted(&old, [0.6, 400.0, 0.0]), predicted(&model, [0.6, 400.0, 0.0]));
    // Centred only, as it was: 410 is 10 above the mean.
    assert_ne!(predicted(&old, [0.6, 410.0, 0.0]), predicted(&old, [0.6, 400.0, 0.0]));
    let warnings = old.warnings();
    assert!(matches!(&warnings[..], [Warning::CentredConstants(names)] if names.len() == 2), "{warnings:?}");
    // It stays so through another file.
    let again = Model::<f64>::from_bytes(&old.to_bytes().expect("bytes")).expect("its own file");
    assert_eq!(predicted(&again, [0.6, 410.0, 0.0]), predicted(&old, [0.6, 410.0, 0.0]));
}

#[test]
fn a_category_that_the_training_rows_lack_has_no_influence() {
    let file = "area,roof,y\n1,flat,1\n2,flat,2\n3,flat,3\n4,flat,4\n5,pitched,5\n";
    let (data, _) =
        CsvReader::new().targets(["y"]).read_from::<f64>(file.as_bytes(), "houses.csv").expect("a table");
    let mut model = builder(3).standardize().build::<f64>().expect("valid settings");
    Trainer::new(Adam::new(0.02)).steps(50).fit(&mut model, &data.select(&[0, 1, 2, 3])).expect("a table");
    assert_eq!(predicted(&model, [2.5, 0.0, 1.0]), predicted(&model, [2.5, 1.0, 0.0]));
    let report = model.evaluate(&data).expect("a table");
    assert!(report.to_string().contains("`roof=flat`, `roof=pitched` (1 rows differ)"), "{report}");
}

#[test]
fn seconds_since_1970_are_told_apart_in_a_csv_file() -> Result<()> {
    let rows: String = (0..60).map(|i| format!("{},{}\n", 1_700_000_000 + 61 * i, i % 7)).collect();
    let file = format!("time,y\n{rows}");
    let (data, encoding) = CsvReader::new().targets(["y"]).read_from::<f32>(file.as_bytes(), "log.csv")?;
    assert_eq!(
        (0..60).map(|i| data.feature_row(i)[0]).collect::<Vec<_>>(),
        (0..60).map(|i| 61.0 * i as f32).collect::<Vec<_>>()
    );
    assert!(encoding.to_string().contains("minus 1700000000"), "{encoding}");
    let next = encoding.table_from("time\n1700000061\n".as_bytes(), "next.csv")?;
    assert_eq!(encoding.features::<f32>(&next)?, array![[61.0]]);
    // Identifiers above 2^24, and what the type holds well as it is.
    let (ids, _) =
        CsvReader::new().read_from::<f32>("id\n100000001\n100000002\n100000004\n".as_bytes(), "ids.csv")?;
    assert_eq!(ids.features(), array![[0.0], [1.0], [3.0]]);
    let (years, _) = CsvReader::new().read_from::<f32>("year\n1999\n2001\n2024\n".as_bytes(), "years.csv")?;
    assert_eq!(years.features(), array![[1999.0], [2001.0], [2024.0]]);

    let error = CsvReader::new()
        .targets(["id"])
        .read_from::<f32>("x,id\n1,100000001\n2,100000002\n".as_bytes(), "ids.csv");
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(error.to_string().contains("column `id`: expected numbers that f32 can tell apart"), "{error}");
    Ok(())
}

#[test]
fn coarse_columns_of_arrays_are_told() -> Result<()> {
    let seconds = Array2::from_shape_fn((60, 1), |(i, _)| 1.7e9 + 61.0 * i as f64);
    let data = Dataset::new(seconds.clone(), Array2::from_shape_fn((60, 1), |(i, _)| i as f64))?
        .with_target_names(["y"])?
        .with_feature_names(["time"])?;
    let error = data.cast::<f32>().unwrap_err();
    assert!(
        error.to_string().starts_with("column `time`: expected numbers that f32 can tell apart"),
        "{error}"
    );
    let coarse = Dataset::new(seconds.mapv(|x| x as f32), data.targets().mapv(|y| y as f32))?
        .with_target_names(["y"])?
        .with_feature_names(["time"])?;
    let mut model = builder(1).standardize().build::<f32>()?;
    model.fit_scaling(&coarse)?;
    assert_eq!(model.warnings(), [Warning::CoarseFeatures(vec!["time".into()])]);
    let mut double = builder(1).standardize().build::<f64>()?;
    double.fit_scaling(&data)?;
    assert!(double.warnings().is_empty());
    // Ten million and its neighbours are whole numbers that the type holds exactly.
    let exact = Array2::from_shape_fn((60, 1), |(i, _)| 1e7_f32 + i as f32);
    assert!(Dataset::new(exact, Array2::zeros((60, 0)))?.coarse_features().is_empty());
    Ok(())
}

#[test]
fn a_model_that_standardises_and_was_never_fitted_does_not_predict() {
    let data = table();
    let mut model = builder(3).standardize().build::<f64>().expect("valid settings");
    let errors = [
        model.predict(data.features()).map(|_| ()).unwrap_err(),
        model.evaluate(&data).map(|_| ()).unwrap_err(),
        model.forward_features(data.features(), &mut model.trace(60)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().contains("fit the model"), "{error}");
    }
    model.fit_scaling(&data).expect("a table");
    assert!(model.predict(data.features()).is_ok());
    assert!(builder(3).build::<f64>().expect("valid settings").predict(data.features()).is_ok());
}

#[test]
fn a_trace_of_another_model_is_refused() {
    let data = table();
    let model = builder(3).build::<f64>().expect("valid settings");
    let other = builder(5).task(Task::classes("kind", 4)).build::<f64>().expect("valid settings");
    let mut trace = other.trace(60);
    for error in [
        model.forward(&data.all(), &mut trace).unwrap_err(),
        model.forward_features(data.features(), &mut trace).unwrap_err(),
        model
            .predict_into(data.features(), &mut trace, &mut [Array2::zeros((60, 1)).view_mut()])
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Shape);
        assert!(error.to_string().contains("outputs of width 1, found"), "{error}");
        assert!(error.to_string().contains("outputs of width 1, 4"), "{error}");
    }
    let mut gradient = vec![0.0; model.n_parameters()];
    let backward =
        std::panic::AssertUnwindSafe(|| model.backward(&mut trace, &Weights::ones(1), &mut gradient));
    let panic = std::panic::catch_unwind(backward).expect_err("a panic");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("outputs of width 1, 4"), "{message}");
    assert!(model.forward(&data.all(), &mut model.clone().trace(60)).is_ok());
}

#[test]
fn tasks_that_share_nothing_cannot_be_balanced_by_gradients() {
    let data = datasets::robot_arm::<f64>(40, 0.05, 1);
    let model = Model::builder(10)
        .sharing(Sharing::independent([Layer::dense(4, Activation::Relu)]))
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .build::<f64>()
        .expect("valid settings");
    let adam = || Trainer::new(Adam::new(0.01));
    for trainer in
        [adam().balance(UpGrad::new()), adam().balance(CaGrad::new(0.4)), adam().aggregate(GradDrop::new(1))]
    {
        let error = trainer.start(&model, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().contains("expected parameters that tasks share, found none"), "{error}");
    }
    assert!(adam().balance(polytask::balance::Famo::new()).start(&model, &data).is_ok());
}
