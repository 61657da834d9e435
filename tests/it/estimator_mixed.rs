//! An estimator of tasks of every kind is the estimator of quantities where all are quantities, and that of classes where all
//! are classes; between them it has what each task asks for.

use std::collections::HashMap;

use ndarray::{Array1, Array2, Axis};
use polytask::estimator::{EstimatorKind, Fitted, FittedMembers, Mixed, MultiTask};
use polytask::loss::Labels;
use polytask::metric::{Gain, Metric};
use polytask::prelude::*;
use polytask::{ErrorKind, Report, Result, Scalar, Warning};

fn settings() -> MultiTask {
    MultiTask::new().hidden([8]).members(6).folds(2).epochs(8).seed(3)
}

/// A quantity, yes or no, one of five grades and a relevance, with gaps; and a count beside them.
fn mixed<F: Scalar>(n: usize, seed: u64) -> Dataset<F> {
    let data = datasets::mixed_tasks::<F>(n, 0.3, seed);
    let value = data.names().target("value").unwrap();
    let count = data.targets().column(value).mapv(|y| match y.to_f64() {
        y if y.is_nan() => F::NAN,
        y => F::from_f64(y.abs().round()),
    });
    let targets = ndarray::concatenate![Axis(1), data.targets(), count.insert_axis(Axis(1))];
    let names: Vec<String> = data.target_names().iter().cloned().chain(["visits".into()]).collect();
    let with_names =
        Dataset::new(data.features().to_owned(), targets).unwrap().with_target_names(names).unwrap();
    with_names.with_groups(data.groups().unwrap().to_vec()).unwrap()
}

fn declared() -> MultiTask {
    settings().task(Task::ordinal("grade", 5)).task(Task::ranking("relevance")).task(Task::count("visits"))
}

#[test]
fn quantities_alone_are_those_of_the_regressor_and_classes_those_of_the_classifier() -> Result<()> {
    let data = datasets::robot_arm::<f64>(60, 0.05, 42);
    let x = data.features().to_owned();
    let plain = MultiTaskRegressor::new().hidden([8]).members(6).folds(2).epochs(8).seed(3).calibrate(0.3);
    let (one, other) = (settings().calibrate(0.3).fit_table(&data)?, plain.fit_table(&data)?);
    let predicted = one.predict(&x)?;
    for (k, name) in ["shoulder", "elbow"].into_iter().enumerate() {
        assert_eq!(predicted[name].column(0), other.predict(&x)?.column(k));
    }
    assert_eq!((one.stack(), one.calibration()), (other.stack(), other.calibration()));
    assert_eq!(one.predict_interval(&x, 0.8)?, other.predict_interval(&x, 0.8)?);
    assert_eq!(one.predict_jointly(&x, 0.8)?.0, other.predict_joint_interval(&x, 0.8)?);

    let y = Array2::from_shape_fn((60, 2), |(i, k)| ((i / (20 - 5 * k)) as f64).min(2.0));
    let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64);
    let of_classes =
        MultiTaskClassifier::new().hidden([8]).members(6).folds(2).epochs(8).seed(3).calibrate(0.3);
    let declared = settings().task(Task::classes("y0", 3)).task(Task::classes("y1", 3)).calibrate(0.3);
    let (one, other) = (declared.fit(&x, &y)?, of_classes.fit(&x, &y)?);
    let predicted = one.predict(&x)?;
    assert_eq!(
        [&predicted["y0"], &predicted["y1"]],
        [&other.predict_proba(&x)?[0], &other.predict_proba(&x)?[1]]
    );
    assert_eq!((one.stack(), one.calibration()), (other.stack(), other.calibration()));
    assert_eq!(one.predict_set(&x, 0.9)?, other.predict_set(&x, 0.9)?);
    assert_eq!(one.decide(&x)?["y1"].column(0), other.predict(&x)?.column(1));
    Ok(())
}

#[test]
fn labels_are_taken_for_what_they_look_like() -> Result<()> {
    let x = Array2::from_shape_fn((30, 1), |(i, _)| i as f64);
    let y = Array2::from_shape_fn((30, 5), |(i, k)| match k {
        0 => i as f64,
        1 if i % 7 == 0 => f64::NAN,
        1 => (i % 2) as f64,
        4 => 1.0,
        _ => (i % (k + 1)).min(k) as f64,
    });
    let data = Dataset::new(x, y)?
        .with_target_names(["size", "odd", "third", "kind", "always"])?
        .with_class_names("kind", ["a", "b", "c", "d"])?;
    let model = settings().fit_table(&data)?;
    let losses: Vec<(&str, &str)> =
        model.tasks().iter().map(|task| (task.name(), task.loss().name())).collect();
    let of = |name: &'static str, loss: &'static str| (name, loss);
    let expected = [
        of("size", "mean_squared_error"),
        of("odd", "binary_cross_entropy"),
        // 0, 1 and 2 without names are numbers.
        of("third", "mean_squared_error"),
        of("kind", "cross_entropy"),
        of("always", "binary_cross_entropy"),
    ];
    assert_eq!(losses, expected);
    // A warning names the one that teaches nothing.
    let constant = Warning::ConstantTargets(vec!["always".into()]);
    assert!(model.warnings().contains(&constant), "{:?}", model.warnings());
    assert!(constant.to_string().contains("always"), "{constant}");
    Ok(())
}

#[test]
fn a_report_has_the_metrics_of_what_is_predicted() -> Result<()> {
    let (train, test) = mixed::<f64>(300, 1).split(0.7, 1)?;
    let model = declared().fit_table(&train)?;
    let (report, predicted): (Report, _) = (model.evaluate(&test)?, model.predict_table(&test)?);
    let names: Vec<&str> = report.tasks().iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["value", "accepted", "grade", "relevance", "visits"]); // in the order of the columns
    let ndcg = Metric::Ndcg { k: Some(10), gain: Gain::Exponential };
    for (task, name, metric) in [
        ("value", "rmse", Metric::RootMeanSquaredError),
        ("visits", "rmse", Metric::RootMeanSquaredError),
        ("accepted", "roc_auc", Metric::RocAuc),
        ("grade", "log_loss", Metric::LogLoss),
        ("relevance", "ndcg@10", ndcg),
    ] {
        let column = test.names().target(task)?;
        let labels = Labels {
            groups: test.groups(),
            ..Labels::new(test.targets().slice_move(ndarray::s![.., column..=column]))
        };
        assert_eq!(report[task].score(name), metric.evaluate(predicted[task].view(), &labels), "{task}");
        assert!(report[task].loss.is_nan() && report[task].label_weight == 0.0);
    }
    let printed = report.to_string();
    assert!(!printed.contains("loss ↓") || printed.contains("log_loss ↓"), "{printed}");
    assert!(!printed.contains("total") && !printed.contains("none"), "{printed}");
    // Each error of the stack is of its target's metric.
    let metrics: Vec<&str> =
        model.stack().unwrap().targets.iter().map(|target| target.metric.as_str()).collect();
    assert_eq!(metrics, ["RMSE", "log loss", "log loss", "1 - ndcg@10", "RMSE"]);
    Ok(())
}

#[test]
fn a_task_of_several_columns_is_weighed_column_by_column() -> Result<()> {
    let x = Array2::from_shape_fn((80, 2), |(i, j)| ((i * (3 * j + 2)) % 31) as f64);
    let y = Array2::from_shape_fn((80, 4), |(i, k)| match k {
        0 => f64::from(u8::from(x[[i, 0]] > 12.0)),
        1 => x[[i, 1]],
        2 => f64::from(u8::from(x[[i, 1]] > x[[i, 0]])),
        _ => x[[i, 0]] - 3.0 * x[[i, 1]],
    });
    let data = Dataset::new(x, y)?.with_target_names(["high", "a", "steep", "b"])?;
    let flags = Task::multi_label("flags", ["steep", "high"]);
    let pair = Task::new("pair", Loss::MeanSquaredError).columns(["a", "b"]);
    let model = settings().task(pair).task(flags).fit_table(&data)?;
    assert_eq!(model.target_names().collect::<Vec<_>>(), ["steep", "high", "a", "b"]);
    let predicted = model.predict_table(&data)?;
    assert_eq!((predicted["flags"].dim(), predicted["pair"].dim()), ((80, 2), (80, 2)));
    // By hand: the weighted means of the members' columns.
    let stack = model.stack().unwrap();
    let x = data.features().to_owned();
    for (target, (task, column)) in
        [("flags", 0), ("flags", 1), ("pair", 0), ("pair", 1)].into_iter().enumerate()
    {
        let of_target = &stack.targets[target];
        let rest = 1.0 - of_target.weights.iter().sum::<f64>();
        let mut by_hand = Array1::from_elem(80, of_target.mean.map_or(0.0, |mean| rest.max(0.0) * mean));
        for (kind, weight) in stack.kinds.iter().zip(&of_target.weights) {
            let alike: Vec<_> = model
                .members()
                .iter()
                .zip(model.member_kinds())
                .filter(|(_, other)| *other == kind)
                .collect();
            for (member, _) in &alike {
                by_hand
                    .scaled_add(weight / alike.len() as f64, &member.predict(x.view())?[task].column(column));
            }
        }
        let labels = data.targets().column(data.names().target(&of_target.target)?).to_owned();
        let (low, high) = (labels.fold(f64::MAX, |a, &b| a.min(b)), labels.fold(f64::MIN, |a, &b| a.max(b)));
        let clamped = by_hand.mapv(|y| if task == "pair" { y.clamp(low, high) } else { y });
        // A few roundings of sums in another order.
        assert!((&clamped - &predicted[task].column(column)).iter().all(|d| d.abs() < 1e-12), "{target}");
    }
    Ok(())
}

#[test]
fn the_same_bits_by_files_by_parts_and_by_threads() -> Result<()> {
    fn check<F: Scalar>() -> Result<()> {
        let data = mixed::<F>(240, 5);
        let (new, settings) = (mixed::<F>(50, 6), declared().calibrate(0.3));
        let whole = settings.clone().threads(1).fit_table(&data)?;
        let bytes = whole.to_bytes()?;
        assert_eq!(settings.clone().threads(3).fit_table(&data)?.to_bytes()?, bytes);
        let loaded: Fitted<Mixed, F> = MultiTask::from_bytes(&bytes)?;
        assert_eq!(loaded.to_bytes()?, bytes);
        let (one, other) = (loaded.predict_table(&new)?, whole.predict_table(&new)?);
        one.iter().zip(other.iter()).for_each(|(one, other)| assert_eq!(one, other));
        assert_eq!((loaded.stack(), loaded.calibration()), (whole.stack(), whole.calibration()));
        let part = |numbers| settings.clone().fit_members(&data, numbers)?.to_bytes();
        let parts = [part(4..6)?, part(0..1)?, part(1..4)?];
        let read = |bytes: &Vec<u8>| FittedMembers::<Mixed, F>::from_bytes(bytes);
        let merged = Fitted::merge(parts.iter().map(read).collect::<Result<Vec<_>>>()?)?;
        assert_eq!(merged.to_bytes()?, bytes);
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[test]
fn a_table_in_another_order_is_found_by_name() -> Result<()> {
    let data = mixed::<f64>(200, 5);
    let model = declared().fit_table(&data)?;
    let (features, targets): (Vec<usize>, Vec<usize>) =
        ((0..data.n_features()).rev().collect(), (0..data.n_targets()).rev().collect());
    let turned =
        Dataset::new(data.features().select(Axis(1), &features), data.targets().select(Axis(1), &targets))?
            .with_feature_names(features.iter().map(|&j| data.feature_names()[j].clone()))?
            .with_target_names(targets.iter().map(|&k| data.target_names()[k].clone()))?
            .with_groups(data.groups().unwrap().to_vec())?;
    let (one, other) = (model.evaluate(&turned)?, model.evaluate(&data)?);
    for (one, other) in one.tasks().iter().zip(other.tasks()) {
        assert_eq!((&one.name, &one.scores, one.n_labels), (&other.name, &other.scores, other.n_labels));
    }
    Ok(())
}

#[test]
fn what_an_estimator_cannot_have_is_refused() {
    let data = mixed::<f64>(60, 1);
    let refused = |settings: MultiTask, kind: ErrorKind, words: &str| {
        let error = settings.fit_table(&data).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(words), "{error}");
    };
    let quantiles = Task::new("value", Loss::quantiles([0.1, 0.9]));
    refused(settings().task(quantiles), ErrorKind::Setting, "several predictions for a quantity");
    let product = Task::product("both", ["accepted", "bought"]);
    refused(settings().task(product), ErrorKind::Setting, "a product of two others");
    refused(settings().task(Task::binary("accepted").without_loss()), ErrorKind::Setting, "without a loss");
    refused(settings().task(Task::regression("prize")), ErrorKind::Name, "`prize`");
    refused(settings().without(["prize"]), ErrorKind::Name, "`prize`");
    refused(settings().task(Task::classes("grade", 3)), ErrorKind::Value, "grade");
    refused(
        settings().without(["value", "accepted", "grade", "relevance", "visits"]),
        ErrorKind::Shape,
        "at least 1",
    );
    let ranking =
        settings().without(["value", "accepted", "grade", "visits"]).task(Task::ranking("relevance"));
    refused(ranking.calibrate(0.3), ErrorKind::Setting, "rankings have no intervals");
}

#[test]
fn sets_and_intervals_cover_each_task_and_all_together() -> Result<()> {
    let coverage = 0.8;
    let (mut of_each, mut of_all): (HashMap<String, Vec<f64>>, Vec<f64>) = Default::default();
    let mut fewest = usize::MAX;
    for seed in 0..4 {
        let data = datasets::mixed_tasks::<f64>(2400, 0.2, seed);
        // Rows of a group are alike; each row for itself is exchangeable.
        let data = Dataset::new(data.features().to_owned(), data.targets().to_owned())?
            .with_target_names(data.target_names().to_vec())?;
        let (train, test) = data.split(0.5, seed)?;
        let one = settings().without(["relevance"]).task(Task::classes("grade", 5)).calibrate(0.4);
        let model = one.members(2).fit_table(&train)?;
        let x = test.features().to_owned();
        let (label, n) = (
            |row: usize, name: &str| test.targets()[[row, test.names().target(name).unwrap()]],
            test.n_rows(),
        );
        let covers =
            |(intervals, sets): &(polytask::estimator::Intervals<f64>, polytask::estimator::ClassSets),
             row,
             name: &str| {
                let y = label(row, name);
                match intervals.targets.iter().position(|target| target == name) {
                    Some(k) => (intervals.low[[row, k]]..=intervals.high[[row, k]]).contains(&y),
                    None => {
                        sets.contains[sets.targets.iter().position(|target| target == name).unwrap()]
                            [[row, y as usize]]
                    }
                }
            };
        let each = (model.predict_interval(&x, coverage)?, model.predict_set(&x, coverage)?);
        let all = model.predict_jointly(&x, coverage)?;
        let names = ["value", "accepted", "grade"];
        for name in names {
            let rows: Vec<usize> = (0..n).filter(|&row| !label(row, name).is_nan()).collect();
            let share =
                rows.iter().filter(|&&row| covers(&each, row, name)).count() as f64 / rows.len() as f64;
            of_each.entry(name.into()).or_default().push(share);
        }
        let whole: Vec<usize> =
            (0..n).filter(|&row| names.iter().all(|name| !label(row, name).is_nan())).collect();
        let is_covered = |row: &&usize| names.iter().all(|name| covers(&all, **row, name));
        of_all.push(whole.iter().filter(is_covered).count() as f64 / whole.len() as f64);
        fewest = fewest.min(model.calibration().unwrap().joint.len()).min(whole.len());
    }
    // Two standard deviations of the mean over four draws, each with as few labels for calibration and test as the fewest.
    let deviation = (coverage * (1.0 - coverage) * 2.0 / fewest as f64 / 4.0).sqrt();
    for (name, shares) in of_each.into_iter().chain([("all".into(), of_all)]) {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        assert!(
            (coverage - 2.0 * deviation..=coverage + 2.0 * deviation + 0.01).contains(&mean),
            "{name}: {shares:?}"
        );
    }
    Ok(())
}

#[test]
fn labels_of_weight_0_are_no_labels() -> Result<()> {
    fn as_if<K: EstimatorKind>(one: &Fitted<K, f64>, other: &Fitted<K, f64>) -> Result<bool> {
        Ok(one.to_bytes()? == other.to_bytes()?)
    }
    let data = mixed::<f64>(120, 2);
    let value = data.names().target("value")?;
    let weights = Array1::from_shape_fn(120, |row| f64::from(u8::from(row % 3 > 0)));
    let mut gaps = data.targets().to_owned();
    (0..120).filter(|row| row % 3 == 0).for_each(|row| gaps[[row, value]] = f64::NAN);
    let without = Dataset::new(data.features().to_owned(), gaps)?
        .with_target_names(data.target_names().to_vec())?
        .with_groups(data.groups().unwrap().to_vec())?;
    let (one, other) = (
        declared().fit_table(&data.with_target_weights("value", weights)?)?,
        declared().fit_table(&without)?,
    );
    assert_eq!(one.stack().unwrap().targets[0].n_labels, other.stack().unwrap().targets[0].n_labels);
    assert!(as_if(&one, &other)?);
    Ok(())
}
