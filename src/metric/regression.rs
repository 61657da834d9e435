//! Metrics of predicted quantities, computed column by column.
//!
//! ```text
//! mse   Σ w (y − t)² / Σ w                    rmse  √mse                mae  Σ w |y − t| / Σ w
//! r2    1 − Σ w (y − t)² / Σ w (t − t̄)²       t̄ the mean of these targets
//! rrmse √(Σ w (y − t)² / Σ w (t̄ − t)²)        t̄ the mean of the training targets
//! explained variance   1 − Var(t − y) / Var(t)
//! pinball              Σ w max(q (t − y), (q − 1)(t − y)) / Σ w
//! ```
//! R² and explained variance divide by the variance of the targets, so they are undefined if all targets are
//! equal. (scikit-learn returns 1 or 0 there; with `force_finite=False`, NaN or −∞.) RRMSE and its mean over
//! targets, aRRMSE: Spyromitros-Xioufis, Tsoumakas, Groves and Vlahavas, "Multi-target regression via input
//! space expansion", Machine Learning 104 (2016). Pinball: Koenker and Bassett, "Regression quantiles",
//! Econometrica 46 (1978).

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
        if is_constant(examples, |e| e.target) {
            return None;
        }
        let mean = weighted_mean(examples, |e| e.target)?;
        let error = weighted_mean(examples, squared_error)?;
        Some(1.0 - error / weighted_mean(examples, |e| square(e.target - mean))?)
    })
}

pub(super) fn explained_variance(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    mean_over_columns(predictions, labels, |_, examples| {
        if is_constant(examples, |e| e.target) {
            return None;
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
        let of_mean = weighted_mean(examples, |e| square(training_mean[j] - e.target))?;
        (of_mean > 0.0).then_some((weighted_mean(examples, squared_error)? / of_mean).sqrt())
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
            // The targets take the place of predictions, which are not used for the mean.
            let examples = examples::column(labels.targets, labels, j).unwrap_or_default();
            match examples.first() {
                // The computed mean of equal numbers need not be exactly that number.
                Some(first) if is_constant(&examples, |e| e.target) => first.target,
                _ => weighted_mean(&examples, |e| e.target).unwrap_or(f64::NAN),
            }
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

/// Whether all targets are equal, which is true of one or none. The numbers themselves are compared, because
/// the computed variance of equal numbers need not be exactly 0.
fn is_constant(examples: &[Example], f: impl Fn(&Example) -> f64) -> bool {
    examples.windows(2).all(|pair| f(&pair[0]) == f(&pair[1]))
}
