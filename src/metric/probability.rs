//! Metrics of probabilities: proper scoring rules, whose expectation is best for the true probabilities.
//!
//! ```text
//!            yes/no                                one of C
//! log loss   −(t ln p + (1 − t) ln(1 − p))         −ln p_t
//! Brier      (p − t)²                              Σ_c (p_c − [c = t])², halved for C = 2
//! ```
//! For the log loss, p is clipped to [ε, 1 − ε], ε = 2⁻⁵². A number outside [0, 1] is not a probability: its
//! score is NaN, which makes the whole value undefined. Both metrics are as in scikit-learn. Brier,
//! "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).

use ndarray::{ArrayView1, ArrayView2};

use super::classification::{is_one_of_classes, is_yes_or_no};
use super::examples::{self, mean_over_columns, weighted_mean};
use crate::loss::Labels;

pub(super) fn log_loss(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let surprise = |p: f64| -p.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    mean_score(
        predictions,
        labels,
        |p, yes| surprise(if yes { p } else { 1.0 - p }),
        |row, class| surprise(row[class]),
    )
}

pub(super) fn brier(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let square = |x: f64| x * x;
    let half = if predictions.ncols() == 2 { 0.5 } else { 1.0 };
    mean_score(
        predictions,
        labels,
        |p, yes| square(p - f64::from(yes)),
        |row, class| {
            half * row.iter().enumerate().map(|(c, p)| square(p - f64::from(c == class))).sum::<f64>()
        },
    )
}

/// The weighted mean of `of_yes_or_no(p, is yes)` or `of_classes(probabilities, class)`.
fn mean_score(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    of_yes_or_no: impl Fn(f64, bool) -> f64,
    of_classes: impl Fn(ArrayView1<'_, f64>, usize) -> f64,
) -> Option<f64> {
    if is_one_of_classes(predictions, labels) {
        let (mut sum, mut total) = (0.0, 0.0);
        for example in examples::classes(predictions, labels)? {
            let row = predictions.row(example.row);
            let score =
                if row.iter().all(is_probability) { of_classes(row, example.class) } else { f64::NAN };
            sum += example.weight * score;
            total += example.weight;
        }
        return (total > 0.0).then(|| sum / total);
    }
    if !is_yes_or_no(labels) {
        return None;
    }
    mean_over_columns(predictions, labels, |_, examples| {
        weighted_mean(examples, |e| {
            let yes = e.target == 1.0;
            if is_probability(&e.prediction) { of_yes_or_no(e.prediction, yes) } else { f64::NAN }
        })
    })
}

fn is_probability(p: &f64) -> bool {
    (0.0..=1.0).contains(p)
}
