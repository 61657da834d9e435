//! Metrics of predicted quantities, column by column.
//!
//! ```text
//! mse   Σ w (y − t)² / Σ w                    rmse  √mse                mae  Σ w |y − t| / Σ w
//! r2    1 − Σ w (y − t)² / Σ w (t − t̄)²       t̄ the mean of the targets evaluated
//! rrmse √(Σ w (y − t)² / Σ w (t̄ − t)²)        t̄ the mean of the training targets
//! explained variance   1 − Var(t − y) / Var(t)
//! pinball              Σ w max(q (t − y), (q − 1)(t − y)) / Σ w
//! ```
//! Corners as in scikit-learn. RRMSE and its mean over targets, aRRMSE: Spyromitros-Xioufis, Tsoumakas, Groves
//! and Vlahavas, "Multi-target regression via input space expansion", Machine Learning 104 (2016). Pinball:
//! Koenker and Bassett, "Regression quantiles", Econometrica 46 (1978).

use ndarray::ArrayView2;

use super::examples::{self, Example, mean_over_columns, weighted_mean};
use crate::loss::Labels;

pub(super) fn mean_squared_error(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| weighted_mean(examples, squared_error))
}

pub(super) fn root_mean_squared_error(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| {
        weighted_mean(examples, squared_error).map(f64::sqrt)
    })
}

pub(super) fn mean_absolute_error(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| weighted_mean(examples, |e| residual(e).abs()))
}

pub(super) fn max_error(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let mut largest = None;
    for j in 0..predictions.ncols() {
        let errors = examples::column(predictions, labels, j)?.into_iter().map(|e| residual(&e).abs());
        largest = errors.chain(largest).reduce(f64::max);
    }
    largest
}

pub(super) fn r2(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| {
        if examples.len() < 2 {
            return None;
        }
        let mean = weighted_mean(examples, |e| e.target)?;
        let error = weighted_mean(examples, squared_error)?;
        if is_constant(examples, |e| e.target) {
            return Some(if error == 0.0 { 1.0 } else { 0.0 });
        }
        Some(1.0 - error / weighted_mean(examples, |e| square(e.target - mean))?)
    })
}

pub(super) fn explained_variance(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| {
        if is_constant(examples, |e| e.target) {
            let offset_is_constant = is_constant(examples, |e| e.prediction);
            return (!examples.is_empty()).then_some(if offset_is_constant { 1.0 } else { 0.0 });
        }
        Some(1.0 - variance(examples, residual)? / variance(examples, |e| e.target)?)
    })
}

pub(super) fn relative_root_mean_squared_error(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    training_mean: &[f64],
) -> Option<f64> {
    mean_over_columns(predictions, labels, |j, examples| {
        let yardstick = weighted_mean(examples, |e| square(training_mean[j] - e.target))?;
        (yardstick > 0.0).then_some((weighted_mean(examples, squared_error)? / yardstick).sqrt())
    })
}

pub(super) fn pinball(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    quantile: f64,
) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| {
        weighted_mean(examples, |e| {
            let short = e.target - e.prediction;
            f64::max(quantile * short, (quantile - 1.0) * short)
        })
    })
}

/// The weighted mean of each target column; NaN for a column without labels.
pub(super) fn column_means(labels: &Labels<'_, f64>) -> Vec<f64> {
    (0..labels.targets.ncols())
        .map(|j| {
            // The targets stand in for the predictions, which play no part in the mean.
            let examples = examples::column(labels.targets, labels, j).unwrap_or_default();
            weighted_mean(&examples, |e| e.target).unwrap_or(f64::NAN)
        })
        .collect()
}

fn residual(e: &Example) -> f64 {
    e.prediction - e.target
}

fn squared_error(e: &Example) -> f64 {
    square(residual(e))
}

fn square(x: f64) -> f64 {
    x * x
}

fn variance(examples: &[Example], f: impl Fn(&Example) -> f64) -> Option<f64> {
    let mean = weighted_mean(examples, &f)?;
    weighted_mean(examples, |e| square(f(e) - mean))
}

/// Asked of the numbers themselves: the rounded variance of equal numbers need not be 0.
fn is_constant(examples: &[Example], f: impl Fn(&Example) -> f64) -> bool {
    examples.windows(2).all(|pair| f(&pair[0]) == f(&pair[1]))
}
