//! Calibration curves and errors are scikit-learn's, and what has none is an error.

use ndarray::{Array1, Array2, Axis, array};
use polytask::ErrorKind;
use polytask::loss::Labels;
use polytask::metric::{Binning, CalibrationCurve, Metric};
use polytask::plot;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn column(value: &Value) -> Array2<f64> {
    Array1::from_vec(numbers(value)).insert_axis(Axis(1))
}

/// Sums of some hundred numbers of order 1 in another order.
#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-13, "found {found}, expected {expected}");
}

#[track_caller]
fn assert_is(found: &CalibrationCurve, expected: &Value, is_weighted: bool) {
    let (mean, share) = (numbers(&expected["mean"]), numbers(&expected["share"]));
    assert_eq!(found.bins().len(), mean.len());
    for (at, bin) in found.bins().iter().enumerate() {
        assert_close(bin.mean_prediction, mean[at]);
        assert_close(bin.share_of_yes, share[at]);
        let rows = expected["rows"][at].as_f64().unwrap();
        assert_close(bin.weight, rows);
        assert!(is_weighted || bin.n_rows as f64 == rows);
    }
    assert_close(found.error(), expected["ece"].as_f64().unwrap());
    assert_close(found.largest_error(), expected["mce"].as_f64().unwrap());
}

fn binning(curve: &Value) -> Binning {
    let n = curve["bins"].as_u64().unwrap() as usize;
    if curve["strategy"] == "uniform" { Binning::EqualWidth(n) } else { Binning::EqualMass(n) }
}

#[test]
fn curves_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../golden/calibration.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let (p, t) = (column(&case["predictions"]), column(&case["targets"]));
        let labels = Labels::new(t.view());
        for expected in case["curves"].as_array().unwrap() {
            let binning = binning(expected);
            let curve = CalibrationCurve::new(p.view(), &labels, binning).unwrap();
            assert_is(&curve, expected, false);
            let metric = Metric::CalibrationError { binning };
            assert_eq!(metric.evaluate(p.view(), &labels), Some(curve.error()));
        }
        assert_close(Metric::Brier.evaluate(p.view(), &labels).unwrap(), case["brier"].as_f64().unwrap());
        let weights = Array1::from_vec(numbers(&case["weights"]));
        let labels = Labels { weights: Some(weights.view()), ..labels };
        let curve = CalibrationCurve::new(p.view(), &labels, Binning::EqualWidth(10)).unwrap();
        assert_is(&curve, &case["weighted"], true);
        // Two columns are the probabilities of no and yes.
        let both = ndarray::concatenate![Axis(1), p.mapv(|p| 1.0 - p), p];
        assert_eq!(CalibrationCurve::new(both.view(), &labels, Binning::EqualWidth(10)).unwrap(), curve);
    }
    let classes = &golden["classes"];
    let rows: Vec<Vec<f64>> = classes["predictions"].as_array().unwrap().iter().map(numbers).collect();
    let p = Array2::from_shape_fn((rows.len(), 4), |(row, class)| rows[row][class]);
    let t = column(&classes["targets"]);
    let curve = CalibrationCurve::new(p.view(), &Labels::new(t.view()), Binning::EqualWidth(10)).unwrap();
    assert_is(&curve, &classes["curve"], false);
}

#[test]
fn bins_of_equal_mass_have_equal_weight() {
    let p = Array2::from_shape_fn((40, 1), |(row, _)| (row * 17 % 40) as f64 / 40.0);
    let t = p.mapv(|p| f64::from(u8::from(p > 0.3)));
    let curve = CalibrationCurve::new(p.view(), &Labels::new(t.view()), Binning::EqualMass(8)).unwrap();
    assert!(curve.bins().iter().all(|bin| bin.n_rows == 5) && curve.bins().len() == 8);
    // Weights are rows: the first ten rows twice, against the same rows repeated.
    let weights = Array1::from_shape_fn(40, |row| if row < 10 { 2.0 } else { 1.0 });
    let labels = Labels { weights: Some(weights.view()), ..Labels::new(t.view()) };
    let weighted = CalibrationCurve::new(p.view(), &labels, Binning::EqualMass(5)).unwrap();
    let rows: Vec<usize> = (0..10).chain(0..40).collect();
    let (p2, t2) = (p.select(Axis(0), &rows), t.select(Axis(0), &rows));
    let repeated = CalibrationCurve::new(p2.view(), &Labels::new(t2.view()), Binning::EqualMass(5)).unwrap();
    for (a, b) in weighted.bins().iter().zip(repeated.bins()) {
        assert_close(a.weight, b.weight);
        assert_close(a.mean_prediction, b.mean_prediction);
    }
    // Equal predictions stay together, however many.
    let same = Array2::from_elem((40, 1), 0.5);
    let curve = CalibrationCurve::new(same.view(), &Labels::new(t.view()), Binning::EqualMass(4)).unwrap();
    assert_eq!(curve.bins().len(), 1);
}

#[test]
fn predictions_on_edges_belong_to_the_bin_below() {
    let edges: Vec<f64> = (0..=10).map(|i| f64::from(i) / 10.0).collect();
    let p = Array1::from_vec(edges).insert_axis(Axis(1));
    let t = Array2::zeros((11, 1));
    let curve = CalibrationCurve::new(p.view(), &Labels::new(t.view()), Binning::EqualWidth(10)).unwrap();
    let rows: Vec<usize> = curve.bins().iter().map(|bin| bin.n_rows).collect();
    assert_eq!(rows, [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]); // 0 and 0.1 are in the first
}

#[test]
fn what_has_no_calibration_is_an_error_or_undefined() {
    let curve = |p: Array2<f64>, t: Array2<f64>, binning| {
        let metric = Metric::CalibrationError { binning };
        let labels = Labels::new(t.view());
        let value = (p.nrows() == t.nrows() && metric.check(p.ncols(), t.ncols()).is_ok())
            .then(|| metric.evaluate(p.view(), &labels));
        (
            CalibrationCurve::new(p.view(), &labels, binning).map_err(|e| (e.kind(), e.to_string())),
            value.flatten(),
        )
    };
    let ten = Binning::EqualWidth(10);
    for (p, t, binning, kind, words) in [
        (array![[0.5]], array![[1.0]], Binning::EqualMass(0), ErrorKind::Setting, "at least 1, found 0"),
        (array![[0.5]], array![[f64::NAN]], ten, ErrorKind::Value, "found none"),
        (array![[1.5]], array![[1.0]], ten, ErrorKind::Value, "no probabilities"),
        (array![[f64::NAN]], array![[1.0]], ten, ErrorKind::Value, "no probabilities"),
        (array![[0.5]], array![[2.0]], ten, ErrorKind::Value, "no classes"),
        (array![[0.5], [0.5]], array![[1.0]], ten, ErrorKind::Shape, "2 × 1 and 1 × 1"),
    ] {
        let (found, value) = curve(p, t, binning);
        let (found_kind, text) = found.unwrap_err();
        assert_eq!((found_kind, value), (kind, None), "{text}");
        assert!(text.contains(words), "{text}");
    }
    // What is predicted for a row without a label does not matter, and several columns are averaged where they have one.
    let (p, t) = (array![[0.8, 0.3], [f64::NAN, 0.5]], array![[1.0, f64::NAN], [f64::NAN, f64::NAN]]);
    let value = Metric::CalibrationError { binning: ten }.evaluate(p.view(), &Labels::new(t.view()));
    assert_close(value.unwrap(), 0.2);
}

#[test]
fn the_reliability_diagram_shows_every_bin() {
    let p = Array2::from_shape_fn((50, 1), |(row, _)| (row as f64 + 0.5) / 50.0);
    let t = p.mapv(|p| f64::from(u8::from(p > 0.4)));
    let curve = CalibrationCurve::new(p.view(), &Labels::new(t.view()), Binning::EqualMass(5)).unwrap();
    let svg = plot::reliability("a < b", &curve);
    assert_eq!(svg.matches("<circle").count(), 5);
    assert!(svg.contains("a &lt; b: ECE") && !svg.contains("NaN"), "{svg}");
}
