//! Estimators: their settings are checked, labels may be missing, shapes that are wrong are errors.

use polytask::ErrorKind;
use polytask::estimator::MemberKind;
use polytask::loss::Labels;
use polytask::ndarray::{Array1, Array2, s};
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
        assert!(error.kind() == ErrorKind::Setting && error.to_string().contains(place), "{error}");
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

#[test]
fn a_loaded_estimator_is_the_saved_one_to_the_bit() {
    let (x, y) = table(50, 2);
    let far = x.mapv(|x| 40.0 * x);
    for settings in [regressor(), regressor().extrapolate(), regressor().members(1).hidden([])] {
        let model = settings.epochs(4).fit(&x, &y).unwrap();
        let bytes = model.to_bytes().unwrap();
        let loaded = MultiTaskRegressor::from_bytes::<f64>(&bytes).unwrap();
        assert_eq!(loaded.predict(&far).unwrap(), model.predict(&far).unwrap());
        assert!(loaded.target_names().eq(model.target_names()));
        assert_eq!(loaded.members().len(), model.members().len());
        assert!(loaded.to_bytes().unwrap() == bytes, "the file of the loaded one is the same file");
        // A member is a model, and a model no estimator.
        let alone = model.members()[0].to_bytes().unwrap();
        assert!(
            MultiTaskRegressor::from_bytes::<f64>(&alone).is_err()
                && Model::<f64>::from_bytes(&alone).is_ok()
        );
        let error = Model::<f64>::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("an estimator of several (load it with MultiTaskRegressor::load"), "{error}");
        let error = MultiTaskClassifier::from_bytes::<f64>(&bytes).unwrap_err().to_string();
        assert_eq!(error, "kind of estimator: expected classifier, found regressor");
        let error = MultiTaskRegressor::from_bytes::<f32>(&bytes).unwrap_err().to_string();
        assert!(error.contains("precision: expected f32, found f64"), "{error}");
    }
    let (x, y) = classes(50);
    let model = classifier().epochs(4).sharing(Sharing::independent([Layer::dense(3, Activation::Tanh)]));
    let model = model.fit(&x, &y).unwrap();
    let folder = std::env::temp_dir().join(format!("polytask-estimators-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("kinds.safetensors");
    model.save(&path).unwrap();
    let loaded = MultiTaskClassifier::load::<f64>(&path).unwrap();
    assert_eq!(loaded.predict_proba(&x).unwrap(), model.predict_proba(&x).unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}

/// An error in the file of an estimator names the member that it is in.
#[test]
fn an_estimator_that_is_not_whole_is_refused() {
    let (x, y) = table(30, 2);
    let bytes = regressor().epochs(1).fit(&x, &y).unwrap().to_bytes().unwrap();
    // The same length, so that the header still fits.
    let with = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|piece| piece == from.as_bytes()).expect(from);
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        MultiTaskRegressor::from_bytes::<f64>(&changed).unwrap_err().to_string()
    };
    let members = r#"\"members\":"#;
    for (from, to, says) in [
        (format!("{members}3"), format!("{members}0"), "members: expected at least 1, found 0"),
        (format!("{members}3"), format!("{members}2"), "tensors: expected those of a regressor of 2 members"),
        (format!("{members}3"), format!("{members}4"), "member 3, tensors: expected the 6 blocks"),
        ("member.1.trunk".into(), "member.1.trunc".into(), "missing: trunk.0."),
        ("labels.smallest".into(), "labels.smallesT".into(), "found `labels.largest`"),
    ] {
        let error = with(&from, &to);
        assert!(error.contains(says), "{error}");
    }
}

/// A layer of one's own that computes what the crate's does.
#[derive(Debug)]
struct MyDense;

impl<F: polytask::Scalar> polytask::layer::BuildLayer<F> for MyDense {
    fn build(
        &self,
        context: &mut polytask::layer::BuildContext<'_>,
    ) -> polytask::Result<Box<dyn polytask::layer::BuiltLayer<F>>> {
        polytask::layer::Dense::new(4, Activation::Tanh).build(context)
    }
}

#[test]
fn ones_own_layer_in_an_estimator_trains_but_is_not_saved() {
    let (x, y) = table(30, 2);
    let own = Sharing::shared_trunk([Layer::custom(MyDense)]);
    let model = regressor().epochs(2).sharing(own).fit(&x, &y).unwrap();
    let error = model.to_bytes().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(error.to_string().ends_with("found Layer::Custom (save its members one by one)"), "{error}");
    assert!(model.members()[2].to_bytes().is_ok());
}

/// R² of equal labels does not exist: it is left out, whether they are hit or not, and never counts as 0 or 1.
#[test]
fn the_score_leaves_constant_targets_out() {
    let (x, one) = table(60, 1);
    let mut y = Array2::from_elem((60, 2), 7.5);
    y.column_mut(0).assign(&one.column(0));
    let model = regressor().fit(&x, &y).unwrap();
    let predicted = model.predict(&x).unwrap();
    let of_first = Metric::R2.evaluate(predicted.slice(s![.., ..1]), &Labels::new(one.view()));
    assert_eq!(Some(model.score(&x, &y).unwrap()), of_first);
    // Labels that the model misses, all equal too.
    y.column_mut(1).fill(-3.0);
    assert_eq!(Some(model.score(&x, &y).unwrap()), of_first);
    y.column_mut(0).fill(0.1);
    assert!(model.score(&x, &y).unwrap().is_nan());
}

/// Five groups, of which two have no label of the second target: a member judged there would be judged by nothing.
#[test]
fn members_are_judged_where_there_are_labels() {
    let (x, y) = table(100, 2);
    let groups: Vec<u64> = (0..100).map(|row| row / 20).collect();
    let has_label = |row: usize| row >= 40;
    let missing = Array2::from_shape_fn((100, 2), |(row, k)| match k == 0 || has_label(row) {
        true => y[[row, k]],
        false => f64::NAN,
    });
    let table =
        |y: &Array2<f64>| Dataset::new(x.clone(), y.clone()).unwrap().with_groups(groups.clone()).unwrap();
    let labelled = y.select(polytask::ndarray::Axis(1), &[1]);
    let weights = Array1::from_shape_fn(100, |row| f64::from(u8::from(has_label(row))));
    let weighted = table(&labelled).with_weights(weights).unwrap();
    let alone = table(&missing.select(polytask::ndarray::Axis(1), &[1]));
    let settings = regressor().members(10).kinds([MemberKind::Plain]).folds(5).epochs(100);
    for (what, data) in [("gaps", table(&missing)), ("gaps alone", alone), ("weights of 0", weighted)] {
        let model = settings.fit_table(&data).unwrap_or_else(|error| panic!("{what}: {error}"));
        let last = data.n_targets() - 1;
        for (m, member) in model.members().iter().enumerate() {
            let report = member.evaluate(&data).unwrap();
            let r2 = report.tasks()[last].score("r2").unwrap();
            assert!(r2 > 0.8, "{what}: member {m} reached {r2}");
        }
    }
    let nothing = table(&labelled).with_weights(Array1::zeros(100));
    assert!(nothing.and_then(|data| settings.fit_table(&data)).is_err());
}
