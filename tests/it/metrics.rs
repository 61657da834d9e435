//! The promises of the metrics: one table, every metric against every promise, and scikit-learn's numbers.

use std::collections::HashSet;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis, array, concatenate, s};
use polytask::loss::Labels;
use polytask::metric::{
    Average, Binning, ConfusionMatrix, Direction, Gain, Metric, MetricFunction, Score, delta_m_drop,
    delta_m_gain, mean_rank, weighted_average,
};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// What a data set for a metric looks like; the number is that of its target columns or classes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Quantities(usize),
    YesOrNo(usize),
    Classes(usize),
    Lists,
    Boxes,
}
use Kind::*;

/// A metric, a kind of data it takes, and its best value.
struct Row(Metric, Kind, f64);

fn table() -> Vec<Row> {
    let training_mean = vec![0.25, -0.5, 0.125];
    let mut rows = vec![
        Row(Metric::MaxError, Quantities(1), 0.0),
        Row(Metric::RelativeRootMeanSquaredError { training_mean }, Quantities(3), 0.0),
        Row(Metric::TopKAccuracy { k: 2 }, Classes(4), 1.0),
        Row(Metric::Ndcg { k: Some(3), gain: Gain::Exponential }, Lists, 1.0),
        Row(Metric::Ndcg { k: None, gain: Gain::Linear }, Lists, 1.0),
        Row(Metric::MeanAveragePrecision, Lists, 1.0),
        Row(Metric::MeanReciprocalRank, Lists, 1.0),
        Row(Metric::MeanIou, Boxes, 1.0),
        Row(Metric::Custom(Arc::new(Within { tolerance: 0.1 })), Quantities(1), 1.0),
    ];
    for kind in [Quantities(1), Quantities(3)] {
        rows.extend([
            Row(Metric::MeanSquaredError, kind, 0.0),
            Row(Metric::RootMeanSquaredError, kind, 0.0),
            Row(Metric::MeanAbsoluteError, kind, 0.0),
            Row(Metric::R2, kind, 1.0),
            Row(Metric::ExplainedVariance, kind, 1.0),
            Row(Metric::Pinball { quantile: 0.9 }, kind, 0.0),
        ]);
    }
    for kind in [YesOrNo(1), YesOrNo(3), Classes(2), Classes(4)] {
        rows.extend([
            Row(Metric::Accuracy, kind, 1.0),
            Row(Metric::BalancedAccuracy, kind, 1.0),
            Row(Metric::LogLoss, kind, 0.0),
            Row(Metric::Brier, kind, 0.0),
            Row(Metric::CalibrationError { binning: Binning::EqualMass(4) }, kind, 0.0),
            Row(Metric::RocAuc, kind, 1.0),
            Row(Metric::AveragePrecision, kind, 1.0),
        ]);
        let two_classes = matches!(kind, YesOrNo(1) | Classes(2));
        for average in
            [Average::Macro, Average::Micro, Average::Binary].into_iter().take(2 + usize::from(two_classes))
        {
            rows.extend([
                Row(Metric::Precision(average), kind, 1.0),
                Row(Metric::Recall(average), kind, 1.0),
                Row(Metric::F1(average), kind, 1.0),
            ]);
        }
    }
    rows
}

/// The share of rows within a tolerance, as a custom metric.
#[derive(Debug)]
struct Within {
    tolerance: f64,
}

impl MetricFunction for Within {
    fn name(&self) -> String {
        format!("within_{}", self.tolerance)
    }
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }
    fn evaluate(&self, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
        let (mut hits, mut total) = (0.0, 0.0);
        for (row, (y, t)) in predictions.iter().zip(labels.targets).enumerate() {
            let weight = labels.weight(row);
            if t.is_nan() || weight == 0.0 {
                continue;
            }
            if !(y - t).is_finite() {
                return None;
            }
            hits += if (y - t).abs() <= self.tolerance { weight } else { 0.0 };
            total += weight;
        }
        Some(hits / total)
    }
}

#[derive(Clone, Debug)]
struct Data {
    predictions: Array2<f64>,
    targets: Array2<f64>,
    weights: Option<Array1<f64>>,
    groups: Vec<u64>,
}

const ROWS: usize = 48;

impl Data {
    /// Imperfect predictions; on even seeds rounded, so that there are ties.
    fn random(kind: Kind, seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let coarse = |x: f64| if seed.is_multiple_of(2) { (x * 4.0).round() / 4.0 } else { x };
        let mut uniform = |width| Array2::from_shape_fn((ROWS, width), |_| rng.random::<f64>());
        let groups = (0..ROWS as u64).map(|row| row * row % 7 % 5).collect();
        let (predictions, targets) = match kind {
            Quantities(width) => {
                let targets = uniform(width);
                ((&targets + &uniform(width) - 0.3).mapv(coarse), targets)
            }
            YesOrNo(width) => {
                let targets = uniform(width).mapv(|u| f64::from(u > 0.5));
                ((&targets * 0.3 + uniform(width) * 0.7).mapv(coarse), targets)
            }
            Classes(n_classes) => {
                let targets = uniform(1).mapv(|u| (u * n_classes as f64).floor());
                let mut p = uniform(n_classes).mapv(|u| coarse(u) + 0.125);
                p.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
                (p, targets)
            }
            // Every list has something relevant, so that the best value is 1.
            Lists => {
                let mut targets = uniform(1).mapv(|u| (u * 12.0 - 8.0).floor().max(0.0));
                targets.slice_mut(s![..7, ..]).fill(2.0);
                (uniform(1).mapv(coarse), targets)
            }
            Boxes => {
                let low = uniform(2);
                let high = &low + 0.1 + uniform(2);
                let targets = concatenate![Axis(1), low, high];
                (&targets + &(uniform(4) * 0.2).mapv(coarse), targets)
            }
        };
        Data { predictions, targets, weights: None, groups }
    }

    fn perfect(&self, kind: Kind) -> Self {
        let predictions = match kind {
            Classes(n_classes) => Array2::from_shape_fn((self.targets.nrows(), n_classes), |(row, class)| {
                f64::from(self.targets[[row, 0]] == class as f64)
            }),
            _ => self.targets.clone(),
        };
        Data { predictions, ..self.clone() }
    }

    fn select(&self, rows: &[usize]) -> Self {
        Data {
            predictions: self.predictions.select(Axis(0), rows),
            targets: self.targets.select(Axis(0), rows),
            weights: self.weights.as_ref().map(|weights| weights.select(Axis(0), rows)),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
        }
    }

    fn evaluate(&self, metric: &Metric) -> Option<f64> {
        let labels = Labels {
            targets: self.targets.view(),
            weights: self.weights.as_ref().map(|weights| weights.view()),
            groups: Some(&self.groups),
        };
        metric.evaluate(self.predictions.view(), &labels)
    }
}

/// Sums of some tens of numbers of order 1 in another order, and scikit-learn's pairwise ones, differ in the last few
/// of 53 bits.
#[track_caller]
fn assert_close(found: Option<f64>, expected: Option<f64>, place: &str) {
    let close = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        (found, expected) => found == expected,
    };
    assert!(close, "{place}: found {found:?}, expected {expected:?}");
}

/// Calls `promise` with every row of the table and data from several seeds.
fn for_every_metric(mut promise: impl FnMut(&Row, Data, &str)) {
    for row in table() {
        for seed in 0..8 {
            let place = format!("{} of {:?}, seed {seed}", row.0.name(), row.1);
            promise(&row, Data::random(row.1, seed), &place);
        }
    }
}

#[test]
fn every_member_has_a_row() {
    let source = include_str!("../../src/metric/mod.rs");
    let members = source.split_once("pub enum Metric {").unwrap().1.split_once("\n}").unwrap().0;
    let rows: Vec<String> = table().iter().map(|row| format!("{:?}", row.0)).collect();
    let mut n_members = 0;
    for line in
        members.lines().filter(|line| line.starts_with("    ") && line.as_bytes()[4].is_ascii_uppercase())
    {
        let member = line.trim().split(|c: char| !c.is_alphanumeric()).next().unwrap();
        let is_of = |row: &&String| row.split(|c: char| !c.is_alphanumeric()).next() == Some(member);
        assert!(rows.iter().any(|row| is_of(&row)), "no row for {member}");
        n_members += 1;
    }
    assert!(n_members >= 23, "only {n_members} members were found in the source");
}

#[test]
fn a_perfect_prediction_has_the_best_value() {
    for_every_metric(|Row(metric, kind, best), data, place| {
        assert_close(data.perfect(*kind).evaluate(metric), Some(*best), place);
        let value = data.evaluate(metric).unwrap();
        assert!(metric.direction().is_better(*best, value), "{place}: {value} against {best}");
    });
}

#[test]
fn the_order_of_rows_does_not_matter() {
    for_every_metric(|Row(metric, ..), data, place| {
        let mut order: Vec<usize> = (0..ROWS).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(9));
        assert_close(data.select(&order).evaluate(metric), data.evaluate(metric), place);
    });
}

#[test]
fn a_missing_label_and_a_weight_of_zero_drop_the_row() {
    for_every_metric(|Row(metric, ..), data, place| {
        let is_kept = |row: &usize| row % 5 != 2;
        let kept = data.select(&(0..ROWS).filter(is_kept).collect::<Vec<_>>()).evaluate(metric);
        let mut missing = data.clone();
        let mut weightless = data.clone();
        weightless.weights = Some(Array1::from_shape_fn(ROWS, |row| f64::from(is_kept(&row))));
        for row in (0..ROWS).filter(|row| !is_kept(row)) {
            missing.targets.row_mut(row).fill(f64::NAN);
            missing.predictions.row_mut(row).fill(f64::NAN);
        }
        assert_close(missing.evaluate(metric), kept, place);
        assert_close(weightless.evaluate(metric), kept, place);
    });
}

#[test]
fn weight_two_is_the_row_twice() {
    let mut moved = HashSet::new();
    for_every_metric(|Row(metric, kind, _), data, place| {
        // In lists it is the whole list that comes twice, the second time under a new id.
        let is_heavy =
            |row: usize| if *kind == Lists { data.groups[row] == 2 } else { row.is_multiple_of(3) };
        let heavy = (0..ROWS).filter(|&row| is_heavy(row));
        let mut twice = data.select(&(0..ROWS).chain(heavy).collect::<Vec<_>>());
        twice.groups[ROWS..].fill(99);
        let weights = Array1::from_shape_fn(ROWS, |row| if is_heavy(row) { 2.0 } else { 1.0 });
        let weighted = Data { weights: Some(weights), ..data.clone() };
        assert_close(weighted.evaluate(metric), twice.evaluate(metric), place);
        if weighted.evaluate(metric) != data.evaluate(metric) {
            moved.insert(metric.name());
        }
    });
    let unmoved: Vec<String> =
        table().iter().map(|row| row.0.name()).filter(|name| !moved.contains(name)).collect();
    assert_eq!(unmoved, ["max_error"], "metrics that weights never move");
}

#[test]
fn what_is_undefined_is_none() {
    for_every_metric(|Row(metric, kind, _), data, place| {
        assert_eq!(data.select(&[]).evaluate(metric), None, "{place}: no rows");
        let mut undefined = data.clone();
        undefined.targets.fill(f64::NAN);
        assert_eq!(undefined.evaluate(metric), None, "{place}: no labels");
        undefined = Data { weights: Some(Array1::zeros(ROWS)), ..data.clone() };
        assert_eq!(undefined.evaluate(metric), None, "{place}: no weight");
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            undefined = data.clone();
            undefined.predictions[[7, 0]] = bad;
            assert_eq!(undefined.evaluate(metric), None, "{place}: predicted {bad}");
        }
        let not_of_kind: &[f64] = match kind {
            Quantities(_) | Boxes => &[f64::INFINITY],
            YesOrNo(_) => &[0.5, 2.0, -1.0, f64::INFINITY],
            Classes(_) => &[0.5, 4.0, -1.0, f64::INFINITY],
            Lists => &[-1.0, f64::INFINITY],
        };
        for &bad in not_of_kind {
            undefined = data.clone();
            undefined.targets[[7, 0]] = bad;
            assert_eq!(undefined.evaluate(metric), None, "{place}: target {bad}");
            let everywhere = Data { targets: data.targets.mapv(|_| bad), ..data.clone() };
            assert_eq!(everywhere.evaluate(metric), None, "{place}: targets all {bad}");
            // A row that does not count may hold anything.
            undefined.weights = Some(Array1::from_shape_fn(ROWS, |row| f64::from(row != 7)));
            let rest = data.select(&(0..ROWS).filter(|&row| row != 7).collect::<Vec<_>>());
            assert_close(undefined.evaluate(metric), rest.evaluate(metric), place);
        }
    });
}

#[test]
fn members_with_an_undefined_corner_of_their_own() {
    let hit = |t: f64| Data {
        predictions: array![[1.0], [0.25]],
        targets: array![[t], [t]],
        weights: None,
        groups: vec![0, 0],
    };
    assert_eq!(hit(1.0).evaluate(&Metric::RocAuc), None);
    assert_eq!(hit(0.0).evaluate(&Metric::RocAuc), None);
    assert_eq!(hit(0.5).select(&[0]).evaluate(&Metric::R2), None);
    // Of targets that are all equal there is no spread to explain, hit or missed; a column that has one counts alone.
    for predicted in [0.1, 0.7] {
        let targets = Array2::from_shape_fn((10, 2), |(i, j)| if j == 0 { 0.1 } else { (i % 2) as f64 });
        let predictions =
            Array2::from_shape_fn((10, 2), |(i, j)| if j == 0 { predicted } else { (i % 2) as f64 });
        let labels = Labels::new(targets.view());
        let equal = Labels::new(targets.slice(s![.., ..1]));
        for metric in [Metric::R2, Metric::ExplainedVariance] {
            assert_eq!(metric.evaluate(predictions.slice(s![.., ..1]), &equal), None, "{predicted}");
            assert_eq!(metric.evaluate(predictions.view(), &labels), Some(1.0), "{predicted}");
        }
        // The mean of ten times 0.1 is 0.1, and not a rounding beside it.
        let rrmse = Metric::relative_to(&equal);
        assert_eq!(rrmse.evaluate(predictions.slice(s![.., ..1]), &equal), None, "{predicted}");
    }
    let relative = |mean| Metric::RelativeRootMeanSquaredError { training_mean: vec![mean] };
    assert_eq!(hit(0.5).evaluate(&relative(0.5)), None);
    assert_eq!(hit(0.5).evaluate(&relative(f64::NAN)), None);
    assert_eq!(hit(0.5).evaluate(&relative(0.25)), Some((0.15625_f64 / 0.0625).sqrt()));
    // Numbers that are not probabilities can be ranked, but not scored as such.
    for outside in [-0.25, 1.25] {
        let (p, t) = (array![[outside, 0.5], [0.5, 0.5]], array![[1.0, 0.0], [0.0, 1.0]]);
        let one = array![[1.0], [0.0]];
        for metric in [Metric::LogLoss, Metric::Brier] {
            assert_eq!(metric.evaluate(p.view(), &Labels::new(t.view())), None);
            assert_eq!(metric.evaluate(p.view(), &Labels::new(one.view())), None);
        }
        assert!(Metric::RocAuc.evaluate(p.view(), &Labels::new(t.view())).is_some());
    }
    // One column of two is undefined: the other speaks.
    let (p, t) = (array![[0.1, 0.9], [0.8, 0.2]], array![[1.0, 1.0], [1.0, 0.0]]);
    assert_eq!(Metric::RocAuc.evaluate(p.view(), &Labels::new(t.view())), Some(1.0));
}

#[test]
fn the_first_guess_of_top_k_is_the_decision() {
    // By hand: the first of equals is decided, so rows 0 and 2 are right; with two guesses all but row 1.
    let p = array![[0.4, 0.4, 0.2], [0.3, 0.3, 0.4], [0.2, 0.4, 0.4], [0.4, 0.4, 0.2]];
    let t = array![[0.0], [1.0], [1.0], [1.0]];
    let data = Data { predictions: p, targets: t, weights: None, groups: vec![0; 4] };
    assert_eq!(data.evaluate(&Metric::Accuracy), Some(0.5));
    assert_eq!(data.evaluate(&Metric::TopKAccuracy { k: 1 }), Some(0.5));
    assert_eq!(data.evaluate(&Metric::TopKAccuracy { k: 2 }), Some(0.75));
    assert_eq!(data.evaluate(&Metric::TopKAccuracy { k: 3 }), Some(1.0));
}

#[test]
fn names_tell_metrics_apart() {
    let rows = table();
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[i + 1..] {
            assert_eq!(a.0 == b.0, a.0.name() == b.0.name(), "{:?} and {:?}", a.0, b.0);
        }
        assert_eq!(a.0, a.0.clone());
    }
    let custom = || Metric::Custom(Arc::new(Within { tolerance: 0.1 }));
    assert_ne!(custom(), custom());
}

#[test]
fn widths_and_settings_are_checked() {
    let refused = [
        (Metric::MeanSquaredError, 2, 1, "an output per target column"),
        (Metric::RocAuc, 3, 2, "an output per class"),
        (Metric::RocAuc, 0, 0, "an output per target column"),
        (Metric::F1(Average::Binary), 3, 1, "macro or micro"),
        (Metric::F1(Average::Binary), 3, 3, "macro or micro"),
        (Metric::TopKAccuracy { k: 5 }, 4, 1, "k from 1 to 4"),
        (Metric::TopKAccuracy { k: 0 }, 4, 1, "k from 1 to 4"),
        (Metric::Ndcg { k: Some(0), gain: Gain::Linear }, 1, 1, "at least 1"),
        (Metric::MeanReciprocalRank, 2, 1, "1 output"),
        (Metric::MeanIou, 2, 2, "4 outputs"),
        (Metric::Pinball { quantile: 1.0 }, 1, 1, "between 0 and 1"),
        (Metric::Pinball { quantile: f64::NAN }, 1, 1, "between 0 and 1"),
        (Metric::RelativeRootMeanSquaredError { training_mean: vec![0.0] }, 2, 2, "2 training means"),
    ];
    for (metric, output_width, target_width, expected) in refused {
        let error = metric.check(output_width, target_width).unwrap_err().to_string();
        assert!(error.contains(&metric.name()) && error.contains(expected), "{error}");
    }
    for Row(metric, kind, _) in table() {
        let data = Data::random(kind, 0);
        assert!(metric.check(data.predictions.ncols(), data.targets.ncols()).is_ok());
    }
}

#[test]
#[should_panic(expected = "predictions are (2, 1) and targets (3, 1)")]
fn rows_that_differ_panic_with_both_shapes() {
    let (y, t) = (Array2::zeros((2, 1)), Array2::zeros((3, 1)));
    Metric::Accuracy.evaluate(y.view(), &Labels::new(t.view()));
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    Some(value.as_array()?.iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect())
}

/// A set of data of the golden file.
fn golden_data(golden: &Value, set: &str) -> Data {
    let given = &golden["data"][set];
    let matrix = |key: &str, width: &str| {
        let flat = numbers(&given[key]).unwrap();
        let width = given[width].as_u64().unwrap() as usize;
        Array2::from_shape_vec((flat.len() / width, width), flat).unwrap()
    };
    let targets = matrix("targets", "target_width");
    let groups = given["groups"].as_array();
    let groups = groups.map(|ids| ids.iter().map(|id| id.as_u64().unwrap()).collect());
    Data {
        predictions: matrix("predictions", "output_width"),
        weights: numbers(&given["weights"]).map(Array1::from),
        groups: groups.unwrap_or_else(|| vec![0; targets.nrows()]),
        targets,
    }
}

#[test]
fn confusion_matrices_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    let matrices = golden["confusion"].as_array().unwrap();
    assert!(matrices.len() > 10);
    for entry in matrices {
        let (set, expected) = (entry[0].as_str().unwrap(), numbers(&entry[1]).unwrap());
        let data = golden_data(&golden, set);
        let weights = data.weights.as_ref().map(|weights| weights.view());
        let labels = Labels { weights, ..Labels::new(data.targets.view()) };
        let matrix = ConfusionMatrix::new(data.predictions.view(), &labels).unwrap();
        // Weights are halves: sums are exact.
        assert_eq!(matrix.counts().iter().copied().collect::<Vec<_>>(), expected, "{set}");
    }
}

#[test]
fn equal_to_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    let mut not_seen: Vec<String> = table().iter().map(|row| row.0.name()).collect();
    for entry in golden["values"].as_array().unwrap() {
        let (name, set) = (entry[0].as_str().unwrap(), entry[1].as_str().unwrap());
        let data = golden_data(&golden, set);
        let metric = table().into_iter().find(|row| row.0.name() == name).expect(name).0;
        assert_close(data.evaluate(&metric), entry[2].as_f64(), &format!("{name} of {set}"));
        not_seen.retain(|seen| seen != name && !seen.starts_with("ece")); // calibration.rs has those
    }
    assert_eq!(not_seen, ["within_0.1"], "members without a number of scikit-learn's");
}

#[test]
fn area_under_the_curve_of_many_rows_is_the_share_of_pairs() {
    // Scores out of 4096: many ties. Counted pair by pair, in integers.
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let scores = Array2::from_shape_fn((3000, 1), |_| f64::from(rng.random_range(0..4096)) / 4096.0);
    let targets = scores.mapv(|s| f64::from(rng.random::<f64>() < s));
    let (mut twice_won, mut pairs) = (0_u64, 0_u64);
    for (positive, _) in scores.iter().zip(&targets).filter(|&(_, &t)| t == 1.0) {
        for (negative, _) in scores.iter().zip(&targets).filter(|&(_, &t)| t == 0.0) {
            twice_won += if positive > negative { 2 } else { u64::from(positive == negative) };
            pairs += 1;
        }
    }
    let value = Metric::RocAuc.evaluate(scores.view(), &Labels::new(targets.view()));
    assert_eq!(value, Some(0.5 * twice_won as f64 / pairs as f64));
}

#[test]
fn confusions_among_many_classes_take_memory_for_those_that_happened() {
    let n = 200_000;
    let mut probabilities = Array2::zeros((4, n));
    [5, 5, 7, n - 1].iter().enumerate().for_each(|(row, &class)| probabilities[[row, class]] = 1.0);
    let targets = array![[7.0], [7.0], [7.0], [0.0]];
    let matrix = ConfusionMatrix::new(probabilities.view(), &Labels::new(targets.view())).unwrap();
    let cells: Vec<_> = matrix.cells().collect();
    assert_eq!(cells, [(0, n - 1, 1.0), (7, 5, 2.0), (7, 7, 1.0)]);
    assert_eq!(
        matrix.to_string(),
        "the most frequent mistakes among 200000 classes (true → decided: count)\n7 → 5: 2\n0 → 199999: 1\n"
    );
    let svg = polytask::plot::confusion_matrix("kind", &matrix, &[] as &[&str]);
    assert!(svg.contains("100 of 200000 classes") && svg.len() < 5_000_000);
}

#[test]
fn a_confusion_matrix_counts_in_weight_and_prints() {
    let (p, t) = (array![[0.9], [0.5], [0.7], [f64::NAN]], array![[1.0], [1.0], [0.0], [f64::NAN]]);
    let weights = array![12.0, 0.5, 1.0, 1.0];
    let labels = Labels { weights: Some(weights.view()), ..Labels::new(t.view()) };
    let matrix = ConfusionMatrix::new(p.view(), &labels).unwrap();
    assert_eq!(matrix.counts(), array![[0.0, 1.0], [0.5, 12.0]]);
    let lines = ["true \\ decided    0    1", "             0    0    1", "             1  0.5   12", ""];
    assert_eq!(matrix.to_string(), lines.join("\n"));
    let not_a_class = array![[1.0], [1.0], [0.0], [3.0]];
    assert_eq!(ConfusionMatrix::new(p.view(), &Labels::new(not_a_class.view())), None);
}

fn scores(values: &[(&str, f64, Direction)]) -> Vec<Score> {
    values
        .iter()
        .map(|&(name, value, direction)| Score {
            name: name.into(),
            value: Some(value).filter(|v| !v.is_nan()),
            direction,
        })
        .collect()
}

/// NYUv2: segmentation, depth, surface normals; the table of Navon et al. (2022), to the digits printed there.
fn nyu(v: [f64; 9]) -> [Vec<Score>; 3] {
    let (up, down) = (Direction::HigherIsBetter, Direction::LowerIsBetter);
    [
        scores(&[("miou", v[0], up), ("pixel accuracy", v[1], up)]),
        scores(&[("absolute", v[2], down), ("relative", v[3], down)]),
        scores(&[
            ("mean", v[4], down),
            ("median", v[5], down),
            ("11", v[6], up),
            ("22", v[7], up),
            ("30", v[8], up),
        ]),
    ]
}

#[test]
fn delta_m_equals_the_published_one() {
    let single = nyu([38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15]);
    let linear = nyu([39.29, 65.33, 0.5493, 0.2263, 28.15, 23.96, 22.09, 47.50, 61.08]);
    let nash = nyu([40.13, 65.93, 0.5261, 0.2171, 25.26, 20.08, 28.40, 55.47, 68.15]);
    for (method, published) in [(&linear, 5.59), (&nash, -4.04)] {
        let drop = delta_m_drop(method, &single).unwrap();
        // Both sides are rounded to two digits.
        assert!((drop.percent.unwrap() - published).abs() < 0.01, "{drop:?} against {published}");
        assert_eq!((drop.compared, drop.left_out), (9, 0));
    }
    // The gain is over tasks: (2.523 + 18.633 − 18.524) / 3 by hand.
    let gain = delta_m_gain(&linear, &single).unwrap();
    assert!((gain.percent.unwrap() - 0.878).abs() < 2e-3, "{gain:?}");
    assert_eq!(delta_m_gain(&single, &single).unwrap().percent, Some(0.0));
}

#[test]
fn delta_m_leaves_out_what_is_undefined_and_says_so() {
    let up = Direction::HigherIsBetter;
    let baseline = [scores(&[("r2", -0.5, up), ("auc", 0.0, up)]), scores(&[("auc", f64::NAN, up)])];
    let reached = [scores(&[("r2", 0.5, up), ("auc", 0.7, up)]), scores(&[("auc", 0.7, up)])];
    let gain = delta_m_gain(&reached, &baseline).unwrap();
    assert_eq!((gain.percent, gain.compared, gain.left_out), (Some(200.0), 1, 2));
    assert_eq!(delta_m_drop(&reached, &baseline).unwrap().percent, Some(-200.0));
    assert_eq!(delta_m_gain(&reached[1..], &baseline[1..]).unwrap().percent, None);
    assert_eq!(delta_m_drop::<Vec<Score>>(&[], &[]).unwrap().percent, None);
    assert!(delta_m_gain(&reached, &baseline[1..]).unwrap_err().to_string().contains("2 tasks"));
    let error = delta_m_drop(&reached[..1], &baseline[1..]).unwrap_err().to_string();
    assert!(error.contains("baseline of task 0"), "{error}");
    let renamed = [reached[0].clone(), scores(&[("map", 0.7, up)])];
    let error = delta_m_drop(&renamed, &baseline).unwrap_err().to_string();
    assert!(error.contains("map") && error.contains("auc"), "{error}");
}

#[test]
fn mean_rank_leaves_out_metrics_that_are_undefined_for_anyone() {
    let (up, down) = (Direction::HigherIsBetter, Direction::LowerIsBetter);
    let method = |a, b, c| scores(&[("auc", a, up), ("rmse", b, down), ("r2", c, up)]);
    let methods = [method(0.9, 0.3, 0.1), method(0.9, 0.1, f64::NAN), method(0.5, 0.2, 0.3)];
    assert_eq!(mean_rank(&methods).unwrap(), Some(vec![2.25, 1.25, 2.5]));
    assert_eq!(mean_rank(&[scores(&[("auc", f64::NAN, up)])]).unwrap(), None);
    assert!(mean_rank(&[method(0.1, 0.1, 0.1), scores(&[("auc", 0.1, up)])]).is_err());
}

#[test]
fn a_weighted_average_needs_one_direction_and_proper_weights() {
    let all = scores(&[("auc", 0.5, Direction::HigherIsBetter), ("rmse", 0.5, Direction::LowerIsBetter)]);
    assert!(weighted_average(&[(&all[0], 1.0), (&all[1], 1.0)]).is_err());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(weighted_average(&[(&all[0], bad)]).is_err());
    }
    let average = weighted_average(&[(&all[1], 2.0), (&all[1], 0.0)]).unwrap();
    assert_eq!((average.value, average.direction), (Some(0.5), Direction::LowerIsBetter));
    assert_eq!(weighted_average(&[(&all[0], 0.0)]).unwrap().value, None);
}
