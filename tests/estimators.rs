//! Estimators: their settings are checked, labels may be missing, shapes that are wrong are errors.

use polytask::ndarray::{Array2, s};
use polytask::prelude::*;

type Table = (Array2<f64>, Array2<f64>);

/// Rows of three features with targets between 0 and 1.
fn table(rows: usize, targets: usize) -> Table {
    let x = Array2::from_shape_fn((rows, 3), |(i, j)| ((i * (4 * j + 3) + j) % 23) as f64 / 23.0);
    let y = Array2::from_shape_fn((rows, targets), |(i, k)| x[[i, k % 3]] * x[[i, (k + 1) % 3]]);
    (x, y)
}

fn classes(rows: usize) -> Table {
    let (x, _) = table(rows, 1);
    let y = Array2::from_shape_fn((rows, 2), |(i, k)| match k {
        0 => f64::from(u8::from(x[[i, 0]] > 0.5)),
        _ => (3.0 * x[[i, 1]]).floor(),
    });
    (x, y)
}

fn regressor() -> MultiTaskRegressor {
    MultiTaskRegressor::new().members(3).folds(3).hidden([16]).epochs(60)
}

fn classifier() -> MultiTaskClassifier {
    MultiTaskClassifier::new().members(3).folds(3).hidden([16]).epochs(60)
}

#[test]
fn settings_outside_their_range_are_errors() {
    let new = MultiTaskRegressor::new;
    for (settings, place) in [
        (new().members(0), "members"),
        (new().folds(1), "folds"),
        (new().hidden([16, 0]), "width"),
        (new().batch_size(0), "batch size"),
        (new().epochs(0), "epochs"),
        (new().patience(0), "patience"),
        (new().threads(0), "threads"),
        (new().learning_rate(0.0), "learning rate"),
        (new().learning_rate(f64::NAN), "learning rate"),
        (new().weight_decay(-1.0), "weight decay"),
    ] {
        let error = settings.check().expect_err(place);
        assert!(error.kind() == polytask::ErrorKind::Setting && error.to_string().contains(place), "{error}");
        let (x, y) = table(20, 2);
        assert!(settings.fit(&x, &y).is_err(), "{place}");
    }
    assert!(MultiTaskClassifier::new().members(0).check().is_err());
}

#[test]
fn tables_that_do_not_fit_are_errors() {
    let (x, y) = table(40, 2);
    let with = |y: &Array2<f64>, at: [usize; 2], value: f64| {
        let mut y = y.clone();
        y[at] = value;
        y
    };
    let mut unlabelled = y.clone();
    unlabelled.column_mut(1).fill(f64::NAN);
    for (what, x, y) in [
        ("fewer labels", x.clone(), y.slice(s![..39, ..]).to_owned()),
        ("no rows", Array2::zeros((0, 3)), Array2::zeros((0, 2))),
        ("one row", x.slice(s![..1, ..]).to_owned(), y.slice(s![..1, ..]).to_owned()),
        ("no target", x.clone(), Array2::zeros((40, 0))),
        ("no label", x.clone(), unlabelled),
        ("infinite label", x.clone(), with(&y, [3, 1], f64::INFINITY)),
        ("missing feature", with(&x, [3, 1], f64::NAN), y.clone()),
    ] {
        assert!(regressor().fit(&x, &y).is_err(), "{what}");
    }
    let (x, y) = classes(40);
    for label in [0.5, -1.0, 1e9] {
        let error = classifier().fit(&x, &with(&y, [3, 1], label)).expect_err("no class").to_string();
        assert!(error.contains("target \"y1\", row 3"), "{error}");
    }
    let model = regressor().members(1).fit(&x, &y).unwrap();
    let narrow = x.slice(s![.., ..2]);
    assert!(model.predict(&narrow).is_err() && model.score(&x, &y.slice(s![.., ..1])).is_err());
    assert!(model.predict(&with(&x, [0, 0], f64::NAN)).is_err());
    assert_eq!(model.predict(&Array2::zeros((0, 3))).unwrap().dim(), (0, 2));
}

#[test]
fn an_ensemble_learns_and_is_the_mean_of_its_members() {
    for n_targets in [1, 3] {
        let (x, y) = table(130, n_targets);
        let (train, test) = (s![..100, ..], s![100.., ..]);
        let model = regressor().fit(&x.slice(train), &y.slice(train)).unwrap();
        let score = model.score(&x.slice(test), &y.slice(test)).unwrap();
        assert!(score > 0.9, "{n_targets} targets: {score}");
        let predicted = model.predict(&x.slice(test)).unwrap();
        for k in 0..n_targets {
            let of = |m: &Model<f64>| m.predict(x.slice(test)).unwrap()[&format!("y{k}")[..]][[4, 0]];
            let mean = model.members().iter().map(of).sum::<f64>() / 3.0;
            let largest = y.slice(train).column(k).iter().copied().fold(0.0, f64::max);
            let smallest = y.slice(train).column(k).iter().copied().fold(1.0, f64::min);
            // Three additions and a division round by 1e-16 each.
            assert!((predicted[[4, k]] - mean.clamp(smallest, largest)).abs() < 1e-15);
        }
    }
    let (x, y) = classes(130);
    let model = classifier().fit(&x, &y).unwrap();
    assert!(model.score(&x, &y).unwrap() > 0.9);
    let (labels, probabilities) = (model.predict(&x).unwrap(), model.predict_proba(&x).unwrap());
    for ((i, k), &label) in labels.indexed_iter() {
        let row = probabilities[k].row(i);
        assert!((row.sum() - 1.0).abs() < 1e-12 && row.iter().all(|&p| p <= row[label as usize]));
    }
}

#[test]
fn predictions_stay_in_the_range_of_the_labels_unless_told_otherwise() {
    let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64 / 60.0);
    let (y, far) = (x.mapv(|x| 2.0 * x), Array2::from_elem((1, 1), 30.0));
    let linear = || regressor().hidden([]).learning_rate(0.05);
    let largest = y[[59, 0]];
    assert_eq!(linear().fit(&x, &y).unwrap().predict(&far).unwrap()[[0, 0]], largest);
    assert!(linear().extrapolate().fit(&x, &y).unwrap().predict(&far).unwrap()[[0, 0]] > 10.0 * largest);
}

#[test]
fn labels_may_be_missing_even_nearly_all() {
    let (x, mut y) = table(60, 2);
    y.column_mut(0).iter_mut().step_by(3).for_each(|y| *y = f64::NAN);
    // A single label is held out by one member and must not be its end.
    y.column_mut(1).iter_mut().skip(1).for_each(|y| *y = f64::NAN);
    let model = regressor().fit(&x, &y).unwrap();
    assert!(model.score(&x, &y).unwrap() > 0.8, "of the first target: the other has one label");
    let (x, mut y) = classes(60);
    y.column_mut(1).iter_mut().step_by(2).for_each(|y| *y = f64::NAN);
    let model = classifier().fit(&x, &y).unwrap();
    assert!(model.score(&x, &y).unwrap() > 0.8);
    y.fill(f64::NAN);
    assert!(model.score(&x, &y).unwrap().is_nan());
}

#[test]
fn seeds_and_threads() {
    let (x, y) = table(50, 2);
    let predict =
        |settings: MultiTaskRegressor| settings.epochs(10).fit(&x, &y).unwrap().predict(&x).unwrap();
    assert_eq!(predict(regressor().threads(1)), predict(regressor().threads(3)));
    assert_ne!(predict(regressor().seed(1)), predict(regressor().seed(2)));
}

#[test]
fn tables_with_names_weights_and_groups() {
    let (x, y) = table(60, 2);
    let data = Dataset::new(x.clone(), y).unwrap().with_target_names(["length", "mass"]).unwrap();
    let data = data.with_weights((0..60).map(|i| 1.0 + (i % 3) as f64).collect()).unwrap();
    let data = data.with_groups((0..60).map(|i| i / 5).collect()).unwrap();
    let model = regressor().epochs(5).fit_table(&data).unwrap();
    assert_eq!(model.target_names().collect::<Vec<_>>(), ["length", "mass"]);
    let one_group = data.with_groups(vec![7; 60]).unwrap();
    assert!(regressor().fit_table(&one_group).is_err(), "nothing to hold out");
}
