//! The labelled examples that a metric is computed from: missing labels and rows of weight 0 are dropped here.

use ndarray::ArrayView2;

use crate::loss::Labels;

/// One label of one target column, with its prediction and a positive weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    pub prediction: f64,
    pub target: f64,
    pub weight: f64,
}

/// One row labelled with a class, with a positive weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassExample {
    pub row: usize,
    pub class: usize,
    pub weight: f64,
}

/// The labelled examples of one target column; `None` if any of their numbers is not finite.
pub(super) fn column(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    column: usize,
) -> Option<Vec<Example>> {
    let mut examples = Vec::with_capacity(predictions.nrows());
    for (row, (&prediction, &target)) in
        predictions.column(column).iter().zip(labels.targets.column(column)).enumerate()
    {
        let weight = labels.weight(row);
        if !target.is_nan() && weight > 0.0 {
            if !prediction.is_finite() || target.is_infinite() {
                return None;
            }
            examples.push(Example { prediction, target, weight });
        }
    }
    Some(examples)
}

/// The rows labelled with a class; the classes are the columns of `predictions`. `None` if one of their
/// predictions is not finite, or a target is not the index of a class.
pub(super) fn classes(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<Vec<ClassExample>> {
    let mut examples = Vec::with_capacity(predictions.nrows());
    for (row, &target) in labels.targets.column(0).iter().enumerate() {
        let weight = labels.weight(row);
        if !target.is_nan() && weight > 0.0 {
            let class = target as usize;
            let is_index = class as f64 == target && class < predictions.ncols();
            if !is_index || !predictions.row(row).iter().all(|p| p.is_finite()) {
                return None;
            }
            examples.push(ClassExample { row, class, weight });
        }
    }
    Some(examples)
}

/// The mean of `metric(column, examples)` over the columns where it is defined.
pub(super) fn mean_over_columns(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    metric: impl Fn(usize, &[Example]) -> Option<f64>,
) -> Option<f64> {
    let mut values = Vec::with_capacity(predictions.ncols());
    for j in 0..predictions.ncols() {
        values.extend(metric(j, &column(predictions, labels, j)?));
    }
    mean(&values)
}

/// The mean; `None` without values.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// `Σ w f / Σ w` over the examples; `None` without examples.
pub(super) fn weighted_mean(examples: &[Example], f: impl Fn(&Example) -> f64) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for example in examples {
        sum += example.weight * f(example);
        total += example.weight;
    }
    (total > 0.0).then(|| sum / total)
}

/// Panics unless predictions, targets, weights and groups have the same number of rows.
#[track_caller]
pub(super) fn assert_rows_fit(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) {
    let rows = predictions.nrows();
    let targets = labels.targets;
    assert!(
        targets.nrows() == rows,
        "predictions are {:?} and targets {:?}: the rows differ",
        predictions.dim(),
        targets.dim()
    );
    if let Some(weights) = labels.weights {
        assert!(
            weights.len() == rows,
            "predictions have {rows} rows and there are {} weights",
            weights.len()
        );
    }
    if let Some(groups) = labels.groups {
        assert!(
            groups.len() == rows,
            "predictions have {rows} rows and there are {} group ids",
            groups.len()
        );
    }
}
