//! Intervals and sets of estimators cover new rows as often as they promise, by rows that nothing has learnt from.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2, Axis};
use polytask::estimator::{EstimatorKind, Fitted, FittedMembers, MemberKind, Regression};
use polytask::prelude::*;
use polytask::train::callback::each_step;
use polytask::{ErrorKind, Result, Scalar, Warning};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const N_TEST: usize = 1000;
const COVERAGES: [f64; 3] = [0.5, 0.8, 0.9];

/// Rows drawn independently, with noise that is larger for some rows than for others, and not the same for both targets.
fn drawn(n: usize, seed: u64) -> Dataset<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = |_| 2.0 * random.random::<f64>() - 1.0;
    let x = Array2::from_shape_fn((n, 2), &mut uniform);
    let noise = Array2::from_shape_fn((n, 2), &mut uniform);
    let y = Array2::from_shape_fn((n, 2), |(i, k)| match k {
        0 => x[[i, 0]] - x[[i, 1]] + 0.3 * (1.0 + x[[i, 0]]) * noise[[i, 0]],
        _ => 20.0 * x[[i, 0]] * x[[i, 1]] + 5.0 * noise[[i, 0]] + noise[[i, 1]].powi(3),
    });
    Dataset::new(x, y).unwrap().with_target_names(["small", "large"]).unwrap()
}

/// Two targets of three and of two classes, some of which nobody can tell.
fn drawn_classes(n: usize, seed: u64) -> Dataset<f64> {
    let data = drawn(n, seed);
    let y = Array2::from_shape_fn((n, 2), |(i, k)| match k {
        0 => ((data.targets()[[i, 0]] + 1.5) / 1.0).clamp(0.0, 2.0).floor(),
        _ => f64::from(u8::from(data.targets()[[i, 1]] > 0.0)),
    });
    Dataset::new(data.features().to_owned(), y).unwrap()
}

fn settings() -> MultiTaskRegressor {
    MultiTaskRegressor::new().hidden([8]).kinds([MemberKind::Plain]).members(2).folds(2).epochs(15).seed(3)
}

fn classifier() -> MultiTaskClassifier {
    MultiTaskClassifier::new().hidden([8]).kinds([MemberKind::Plain]).members(2).folds(2).epochs(15).seed(3)
}

/// Whether the mean coverage over independent draws of the table is what is promised. That of one draw has the variance
/// α(1 − α)(1/n_test + 1/n); two standard deviations are allowed.
fn is_kept(shares: &[f64], coverage: f64, n_kept: usize) -> bool {
    let draws = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / draws;
    let variance = coverage * (1.0 - coverage) * (1.0 / N_TEST as f64 + 1.0 / n_kept as f64) / draws;
    // Without ties the expected coverage is from 1 − α to 1 − α + 1 / (n + 1).
    let (low, high) = (coverage - 2.0 * variance.sqrt(), coverage + 2.0 * variance.sqrt());
    (low..=high + 1.0 / (n_kept as f64 + 1.0)).contains(&mean)
}

/// The share of new rows that are covered.
fn share(covers: &dyn Fn(usize) -> bool) -> f64 {
    (0..N_TEST).filter(|&row| covers(row)).count() as f64 / N_TEST as f64
}

fn within(
    intervals: &polytask::estimator::Intervals<f64>,
    data: &Dataset<f64>,
    row: usize,
    k: usize,
) -> bool {
    (intervals.low[[row, k]]..=intervals.high[[row, k]]).contains(&data.targets()[[row, k]])
}

#[test]
fn intervals_cover_new_rows_as_often_as_they_promise() -> Result<()> {
    let mut each = vec![[Vec::new(), Vec::new()]; COVERAGES.len()];
    let mut all = vec![Vec::new(); COVERAGES.len()];
    for seed in 0..8 {
        let (data, new) = (drawn(200, 2 * seed), drawn(N_TEST, 2 * seed + 1));
        let model = settings().calibrate(0.5).fit_table(&data)?;
        assert_eq!(model.calibration().expect("half").n_rows, 100);
        for (i, &coverage) in COVERAGES.iter().enumerate() {
            let intervals = model.predict_interval_table(&new, coverage)?;
            let joint = model.predict_joint_interval_table(&new, coverage)?;
            assert!(intervals.warnings.is_empty() && joint.warnings.is_empty());
            for (k, of_target) in each[i].iter_mut().enumerate() {
                of_target.push(share(&|row| within(&intervals, &new, row, k)));
            }
            all[i].push(share(&|row| within(&joint, &new, row, 0) && within(&joint, &new, row, 1)));
        }
    }
    for (i, &coverage) in COVERAGES.iter().enumerate() {
        for shares in each[i].iter().chain([&all[i]]) {
            assert!(is_kept(shares, coverage, 100), "{coverage}: {shares:?}");
        }
    }
    Ok(())
}

/// The check finds what conformal prediction is there to prevent: quantiles of residuals of rows that were learnt from.
#[test]
fn residuals_of_rows_that_were_learnt_from_promise_too_much() -> Result<()> {
    let mut shares = Vec::new();
    for seed in 0..4 {
        let (data, new) = (drawn(30, 2 * seed), drawn(N_TEST, 2 * seed + 1));
        let builder = Model::builder(2).trunk([Layer::dense(64, Activation::Tanh)]).standardize();
        let mut model = builder.task(Task::regression("small")).task(Task::regression("large")).build()?;
        Trainer::new(Adam::new(0.02)).epochs(600).fit(&mut model, &data)?;
        let residuals = |data: &Dataset<f64>| -> Result<Vec<f64>> {
            let predicted = model.predict(data.features())?;
            let (labels, of_target) = (data.targets(), predicted["small"].column(0));
            Ok(labels.column(0).iter().zip(of_target).map(|(y, p)| (y - p).abs()).collect())
        };
        let (mut of_learnt, of_new) = (residuals(&data)?, residuals(&new)?);
        of_learnt.sort_by(f64::total_cmp);
        shares.push(share(&|row| of_new[row] <= of_learnt[24])); // the ⌈31 · 0.8⌉-th of 30
    }
    assert!(!is_kept(&shares, 0.8, 30), "{shares:?}");
    Ok(())
}

#[test]
fn sets_cover_new_rows_as_often_as_they_promise() -> Result<()> {
    let mut each = vec![[Vec::new(), Vec::new()]; COVERAGES.len()];
    let mut all = vec![Vec::new(); COVERAGES.len()];
    let mut n_empty = 0;
    for seed in 0..8 {
        let (data, new) = (drawn_classes(200, 2 * seed), drawn_classes(N_TEST, 2 * seed + 1));
        let model = classifier().calibrate(0.5).fit_table(&data)?;
        for (i, &coverage) in COVERAGES.iter().enumerate() {
            let (sets, joint) =
                (model.predict_set_table(&new, coverage)?, model.predict_joint_set_table(&new, coverage)?);
            let label = |row: usize, k: usize| new.targets()[[row, k]] as usize;
            for (k, of_target) in each[i].iter_mut().enumerate() {
                of_target.push(share(&|row| sets.classes(row, k).contains(&label(row, k))));
            }
            let has = |row: usize, k: usize| joint.contains[k][[row, label(row, k)]];
            all[i].push(share(&|row| has(row, 0) && has(row, 1)));
            n_empty += (0..N_TEST).filter(|&row| sets.classes(row, 0).is_empty()).count();
            // A set is what is at least as likely as a bound.
            let bound = 1.0 - model.calibration().unwrap().targets[0].quantile(coverage)?;
            let probabilities = &model.predict_proba(&new.features())?[0];
            for (p, &is_in) in probabilities.iter().zip(&sets.contains[0]) {
                assert!(is_in == (*p >= bound) || (p - bound).abs() < 1e-12);
            }
        }
    }
    assert!(n_empty > 0, "at half of the coverage some sets are empty");
    for (i, &coverage) in COVERAGES.iter().enumerate() {
        for shares in each[i].iter().chain([&all[i]]) {
            assert!(is_kept(shares, coverage, 100), "{coverage}: {shares:?}");
        }
    }
    Ok(())
}

/// Scores, scales and quantiles by hand, from the rows that the estimator says it kept; ends of intervals include the row.
#[test]
fn quantiles_are_those_of_an_obvious_version() -> Result<()> {
    let (features, mut labels) = (drawn(60, 7).features().to_owned(), drawn(60, 7).targets().to_owned());
    labels[[4, 0]] = f64::NAN;
    let weights = Array1::from_shape_fn(60, |row| (row % 9) as f64 / 4.0); // of weight 0 every ninth
    let data =
        Dataset::new(features, labels)?.with_target_names(["small", "large"])?.with_weights(weights)?;
    let model = settings().kinds([MemberKind::Plain, MemberKind::Linear]).members(4).calibrate(0.4);
    let model = model.fit_table(&data)?;
    let calibration = model.calibration().expect("two fifths");
    assert_eq!(calibration.n_rows, 24);
    let predicted = model.predict(&data.features())?;
    let residual = |row: usize, k: usize| (data.targets()[[row, k]] - predicted[[row, k]]).abs();
    // A score of no other row is the same, so that the scores say which rows were kept.
    let kept = |k: usize| -> Vec<usize> {
        (0..60).filter(|&row| calibration.targets[k].scores.contains(&residual(row, k))).collect()
    };
    for (k, target) in calibration.targets.iter().enumerate() {
        let rows = kept(k);
        assert_eq!(rows.len(), target.scores.len());
        assert!(rows.iter().all(|row| row % 9 != 0) && (k == 1 || !rows.contains(&4)), "{rows:?}");
        assert_eq!(Some(target.scale), model.stack().unwrap().targets[k].error);
        assert!(target.scores.is_sorted());
        for coverage in [0.01, 0.1, 0.25, 0.5, 0.55, 0.7, 0.75, 0.8, 0.9, 0.94, 0.96, 0.99] {
            // The smallest score up to which there are (n + 1)(1 − α) of them.
            let n = target.scores.len() as f64;
            let are_enough = |q: &&f64| {
                target.scores.iter().filter(|score| score <= q).count() as f64 >= (n + 1.0) * coverage - 1e-9
            };
            let slow = target.scores.iter().find(are_enough).copied().unwrap_or(f64::INFINITY);
            assert_eq!(target.quantile(coverage)?, slow, "{coverage}");
            let intervals = model.predict_interval(&data.features(), coverage)?;
            for &row in &rows {
                assert_eq!(within(&intervals, &data, row, k), residual(row, k) <= slow);
            }
            let (low, high) = (intervals.low[[0, k]], intervals.high[[0, k]]);
            let (y, is_infinite) = (predicted[[0, k]], slow.is_infinite());
            assert!((high - y - slow).abs() < 1e-12 * (y.abs() + slow) || is_infinite && high == slow);
            assert!((y - low - slow).abs() < 1e-12 * (y.abs() + slow) || is_infinite && low == -slow);
        }
    }
    let both: Vec<usize> = kept(0).into_iter().filter(|row| kept(1).contains(row)).collect();
    let scaled =
        |row: usize| (0..2).map(|k| residual(row, k) / calibration.targets[k].scale).fold(0.0, f64::max);
    let mut joint: Vec<f64> = both.iter().map(|&row| scaled(row)).collect();
    joint.sort_by(f64::total_cmp);
    assert_eq!(joint, calibration.joint);
    let q = calibration.joint_quantile(0.8)?;
    let intervals = model.predict_joint_interval(&data.features(), 0.8)?;
    for &row in &both {
        assert_eq!(within(&intervals, &data, row, 0) && within(&intervals, &data, row, 1), scaled(row) <= q);
    }
    // Intervals may leave the range of the labels, which predictions do not.
    let largest = data.targets().column(1).iter().copied().fold(0.0, f64::max);
    assert!(predicted.column(1).iter().all(|y| *y <= largest));
    let wide = model.predict_interval(&data.features(), 0.94)?;
    assert!(wide.high.column(1).iter().any(|y| *y > largest && y.is_finite()));
    Ok(())
}

/// What the rows that are kept say changes no network and no weight; of groups, all rows are kept or none.
#[test]
fn nothing_learns_from_the_rows_that_are_kept() -> Result<()> {
    let data = drawn(90, 5).with_groups((0..90).map(|row| row / 4).collect())?;
    let settings = settings().kinds([MemberKind::Plain, MemberKind::Linear]).members(4).epochs(4);
    let model = settings.clone().calibrate(0.3).fit_table(&data)?;
    let predicted = model.predict(&data.features())?;
    let kept: Vec<usize> = (0..90)
        .filter(|&row| {
            let residual = (data.targets()[[row, 1]] - predicted[[row, 1]]).abs();
            model.calibration().unwrap().targets[1].scores.contains(&residual)
        })
        .collect();
    assert_eq!(kept.len(), model.calibration().unwrap().n_rows);
    assert!((24..=30).contains(&kept.len()), "{kept:?}");
    for &row in &kept {
        assert!((row / 4 * 4..(row / 4 * 4 + 4).min(90)).all(|other| kept.contains(&other)), "{kept:?}");
    }
    // Other labels and features there.
    let (mut x, mut y) = (data.features().to_owned(), data.targets().to_owned());
    for &row in &kept {
        y.row_mut(row).mapv_inplace(|y| -100.0 * y);
        x.row_mut(row).mapv_inplace(|x| 3.0 * x);
    }
    let changed = Dataset::new(x, y)?
        .with_target_names(data.target_names().to_vec())?
        .with_groups(data.groups().unwrap().to_vec())?;
    let other = settings.clone().calibrate(0.3).fit_table(&changed)?;
    assert_eq!(other.predict(&data.features())?, predicted);
    assert_eq!(other.stack(), model.stack());
    let scales = |model: &Fitted<Regression, f64>| {
        model.calibration().unwrap().targets.iter().map(|target| target.scale).collect::<Vec<_>>()
    };
    assert_eq!(scales(&other), scales(&model));
    assert_ne!(other.calibration(), model.calibration());
    // It is the estimator of the other rows.
    let others: Vec<usize> = (0..90).filter(|row| !kept.contains(row)).collect();
    assert_eq!(settings.fit_table(&data.select(&others))?.predict(&data.features())?, predicted);
    Ok(())
}

#[test]
fn too_few_labels_make_infinite_intervals_and_a_warning() -> Result<()> {
    let new = drawn(5, 1);
    let fit = |n: usize| settings().calibrate(0.5).fit_table(&drawn(n, 4));
    // 90 % takes nine rows.
    let model = fit(18)?;
    let (exact, above) =
        (model.predict_interval_table(&new, 0.9)?, model.predict_interval_table(&new, 0.91)?);
    assert!(exact.warnings.is_empty() && exact.high.iter().all(|y| y.is_finite()));
    assert!(
        above.high.iter().all(|y| *y == f64::INFINITY) && above.low.iter().all(|y| *y == f64::NEG_INFINITY)
    );
    let targets = || vec!["small".into(), "large".into()];
    let few = |labels: usize, together: bool| Warning::FewCalibrationLabels {
        targets: targets(),
        labels,
        together,
    };
    assert_eq!(above.warnings, [few(9, false)]);
    assert_eq!(model.predict_joint_interval_table(&new, 0.91)?.warnings, [few(9, true)]);
    // The estimator itself speaks of 95 %, which takes 19.
    assert_eq!(model.warnings(), [few(9, false), few(9, true)]);
    assert_eq!(model.warnings_on(&new)?, model.warnings());
    let words = few(9, false).to_string();
    assert!(
        words.contains("9 labels") && words.contains("above 90.0 %") && words.contains("`large`"),
        "{words}"
    );
    assert!(fit(36)?.warnings().len() == 2 && fit(38)?.warnings().is_empty());

    // A target with fewer labels is the one that is named; rows without all labels do not count for all together.
    let mut y = drawn(60, 4).targets().to_owned();
    y.column_mut(1).iter_mut().skip(20).for_each(|y| *y = f64::NAN);
    let gaps = Dataset::new(drawn(60, 4).features().to_owned(), y)?;
    let model = settings().calibrate(0.5).fit_table(&gaps)?;
    let calibration = model.calibration().unwrap();
    let n = calibration.targets[1].scores.len();
    assert!(n < 19 && calibration.targets[0].scores.len() == 30 && calibration.joint.len() == n);
    let one = Warning::FewCalibrationLabels { targets: vec!["y1".into()], labels: n, together: false };
    let intervals = model.predict_interval(&new.features(), 0.95)?;
    assert_eq!(intervals.warnings, [one]);
    assert!(intervals.high[[0, 0]].is_finite() && intervals.high[[0, 1]].is_infinite());

    let model = classifier().calibrate(0.5).fit_table(&drawn_classes(18, 4))?;
    let sets = model.predict_set_table(&new, 0.99)?;
    assert!(sets.contains.iter().flatten().all(|&is_in| is_in) && sets.warnings.len() == 1);
    assert_eq!(sets.classes(0, 1), [0, 1]);
    Ok(())
}

/// Threads, files and merged parts give the bits of one fit.
#[test]
fn intervals_have_the_same_bits_on_all_ways() -> Result<()> {
    fn sent<K: EstimatorKind, F: Scalar>(part: &FittedMembers<K, F>) -> Result<FittedMembers<K, F>> {
        FittedMembers::from_bytes(&part.to_bytes()?)
    }
    let mut y = drawn(60, 2).targets().to_owned();
    y[[3, 1]] = f64::NAN;
    let data = Dataset::new(drawn(60, 2).features().to_owned(), y)?;
    for kinds in [&[MemberKind::Plain][..], &[MemberKind::Plain, MemberKind::Linear]] {
        let settings = settings().kinds(kinds.iter().copied()).members(5).epochs(3).calibrate(0.3);
        let whole = settings.clone().threads(1).fit_table(&data)?;
        let intervals = whole.predict_interval_table(&data, 0.8)?;
        let threads = settings.clone().threads(3).fit_table(&data)?;
        assert_eq!(threads.predict_interval_table(&data, 0.8)?, intervals);
        assert!(threads.to_bytes()? == whole.to_bytes()?);
        let loaded = MultiTaskRegressor::from_bytes::<f64>(&whole.to_bytes()?)?;
        assert_eq!(loaded.calibration(), whole.calibration());
        assert_eq!(
            loaded.predict_joint_interval_table(&data, 0.8)?,
            whole.predict_joint_interval_table(&data, 0.8)?
        );
        assert!(loaded.to_bytes()? == whole.to_bytes()?);
        let part = |numbers| settings.fit_members(&data, numbers);
        let merged = Fitted::merge([sent(&part(2..5)?)?, sent(&part(0..2)?)?])?;
        assert_eq!(merged.predict_interval_table(&data, 0.8)?, intervals);
        assert!(merged.to_bytes()? == whole.to_bytes()?);
        // Another share is another fit, and none is another.
        for other in [
            settings.clone().calibrate(0.4),
            self::settings().kinds(kinds.iter().copied()).members(5).epochs(3),
        ] {
            let error = Fitted::merge([part(0..2)?, other.fit_members(&data, 2..5)?]).unwrap_err();
            assert!(error.to_string().contains("calibrated on 0.3 of the rows"), "{error}");
        }
    }
    let classes = drawn_classes(60, 2);
    let settings = classifier().calibrate(0.3).epochs(3).kinds([MemberKind::Plain]).members(3);
    let whole = settings.fit_table(&classes)?;
    let parts = [settings.fit_members(&classes, 0..1)?, settings.fit_members(&classes, 1..3)?];
    let merged = Fitted::merge([sent(&parts[1])?, sent(&parts[0])?])?;
    assert!(merged.to_bytes()? == whole.to_bytes()?);
    let loaded = MultiTaskClassifier::from_bytes::<f64>(&whole.to_bytes()?)?;
    assert_eq!(loaded.predict_set_table(&classes, 0.7)?, whole.predict_set_table(&classes, 0.7)?);

    // In f32 the scores are those of its predictions.
    let single = Dataset::new(data.features().mapv(|x| x as f32), data.targets().mapv(|y| y as f32))?;
    let model = self::settings().calibrate(0.3).fit_table(&single)?;
    let loaded = MultiTaskRegressor::from_bytes::<f32>(&model.to_bytes()?)?;
    assert_eq!(loaded.predict_interval_table(&single, 0.8)?, model.predict_interval_table(&single, 0.8)?);
    let scores = &model.calibration().unwrap().targets[0].scores;
    let (intervals, predicted) = (model.predict_interval_table(&single, 0.8)?, model.predict_table(&single)?);
    for row in 0..60 {
        let (y, p) = (single.targets()[[row, 0]], predicted[[row, 0]]);
        let score = (f64::from(y) - f64::from(p)).abs();
        if scores.contains(&score) {
            let is_in = (intervals.low[[row, 0]]..=intervals.high[[row, 0]]).contains(&y);
            assert_eq!(is_in, score <= model.calibration().unwrap().targets[0].quantile(0.8)?);
        }
    }
    Ok(())
}

#[test]
fn files_with_scores_that_cannot_be_are_refused() -> Result<()> {
    let data = drawn(40, 2);
    let settings = settings().epochs(1).calibrate(0.3);
    let (whole, part) =
        (settings.fit_table(&data)?.to_bytes()?, settings.fit_members(&data, 0..1)?.to_bytes()?);
    let with = |bytes: &[u8], from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|piece| piece == from.as_bytes()).expect(from);
        let mut changed = bytes.to_vec();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    for (from, to) in [
        (r#"\"calibrated\":12"#, r#"\"calibrated\":11"#), // fewer rows than scores
        ("calibration.joint", "calibration.joind"),
        ("calibration.scores.1", "calibration.scores.2"),
        ("calibration.scales", "calibration.scalez"),
    ] {
        let error = MultiTaskRegressor::from_bytes::<f64>(&with(&whole, from, to)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File, "{error}");
    }
    for (from, to) in
        [("calibration.labels", "calibration.labelz"), ("calibration.features", "calibration.featurez")]
    {
        assert!(FittedMembers::<Regression, f64>::from_bytes(&with(&part, from, to)).is_err(), "{from}");
    }
    assert!(FittedMembers::<Regression, f64>::from_bytes(&part).is_ok());
    Ok(())
}

#[test]
fn what_cannot_be_answered_is_an_error() -> Result<()> {
    let data = drawn(40, 2);
    for share in [0.0, 1.0, -0.1, f64::NAN] {
        let error = settings().calibrate(share).check().unwrap_err();
        assert!(
            error.kind() == ErrorKind::Setting && error.to_string().contains("for calibration"),
            "{error}"
        );
    }
    let without = settings().fit_table(&data)?;
    let error = without.predict_interval_table(&data, 0.9).unwrap_err();
    assert!(error.kind() == ErrorKind::Setting && error.to_string().contains("calibrate(0.25)"), "{error}");
    let error = classifier().fit_table(&drawn_classes(40, 2))?.predict_set_table(&data, 0.9).unwrap_err();
    assert!(error.to_string().contains("calibrate(0.25)"), "{error}");
    let model = settings().calibrate(0.25).fit_table(&data)?;
    for coverage in [0.0, 1.0, 90.0, f64::NAN] {
        let errors = [
            model.predict_interval_table(&data, coverage).unwrap_err(),
            model.predict_joint_interval_table(&data, coverage).unwrap_err(),
            model.calibration().unwrap().targets[0].quantile(coverage).unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == ErrorKind::Setting && error.to_string().contains("coverage"), "{error}");
        }
    }
    // One row, one group, and one label cannot be divided.
    let one = data.select(&[0]);
    assert!(settings().calibrate(0.5).fit_table(&one).is_err());
    let group = data.clone().with_groups(vec![1; 40])?;
    let error = settings().calibrate(0.5).fit_table(&group).unwrap_err().to_string();
    assert!(error.contains("for calibration") && error.contains("2 groups"), "{error}");
    let mut n_refused = 0;
    for row in 0..40 {
        let mut y = data.targets().to_owned();
        y.column_mut(1).iter_mut().enumerate().filter(|(i, _)| *i != row).for_each(|(_, y)| *y = f64::NAN);
        let single = Dataset::new(data.features().to_owned(), y)?;
        if let Err(error) = settings().epochs(1).calibrate(0.5).fit_table(&single) {
            assert!(error.to_string().contains("not kept for calibration"), "{error}");
            n_refused += 1;
        }
    }
    assert_eq!(n_refused, 20);
    Ok(())
}

/// A fit that a callback ends is calibrated with the networks that there are.
#[test]
fn a_fit_that_is_ended_is_calibrated() -> Result<()> {
    let data = drawn(60, 2);
    let n_steps = Arc::new(AtomicUsize::new(0));
    let ends = each_step(move |_| match n_steps.fetch_add(1, Ordering::Relaxed) {
        11 => ControlFlow::Break(()), // one step an epoch: in the third network
        _ => ControlFlow::Continue(()),
    });
    let settings = settings().members(4).epochs(5).patience(9).batch_size(60).threads(1).calibrate(0.3);
    let model = settings.callback(ends).fit_table(&data)?;
    assert_eq!((model.members().len(), model.stopped().is_some()), (2, true));
    let predicted = model.predict(&data.features())?;
    let residuals: Vec<f64> =
        data.targets().column(0).iter().zip(predicted.column(0)).map(|(y, p)| (y - p).abs()).collect();
    let scores = &model.calibration().expect("18 rows").targets[0].scores;
    assert!(scores.len() == 18 && scores.iter().all(|score| residuals.contains(score)));
    assert_eq!(model.predict_interval(&data.features().select(Axis(0), &[1, 2]), 0.9)?.low.dim(), (2, 2));
    Ok(())
}
