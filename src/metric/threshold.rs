//! Metrics of scores that consider all thresholds at once: ROC AUC and average precision.
//!
//! Rows are sorted by score, highest first; rows with equal scores form a *tie group*, which passes a threshold
//! together. Let `p_j` and `n_j` be the weights of positives and negatives in tie group j, and `P_j` and `N_j`
//! those in all groups up to and including j, and `P` and `N` those in all groups:
//!
//! ```text
//! ROC AUC            Σ_j n_j (P_{j−1} + p_j / 2) / (P N)        undefined if P = 0 or N = 0
//! average precision  Σ_j (p_j / P) · P_j / (P_j + N_j)          0 if P = 0
//! ```
//! The first is the Mann-Whitney statistic, which equals the area under the ROC curve by the trapezoidal rule
//! (Hanley and McNeil, 1982). Both take O(n log n), and equal scikit-learn's, also with ties and weights.

use ndarray::ArrayView2;

use super::classification::{is_one_of_classes, is_yes_or_no};
use super::examples::{self, Example, mean, mean_over_columns};
use crate::loss::Labels;

pub(super) fn roc_auc(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    one_against_rest(predictions, labels, |tie_groups| {
        let (mut area, mut positives, mut negatives) = (0.0, 0.0, 0.0);
        for &(p, n) in tie_groups {
            area += n * (positives + 0.5 * p);
            positives += p;
            negatives += n;
        }
        (positives > 0.0 && negatives > 0.0).then(|| area / (positives * negatives))
    })
}

pub(super) fn average_precision(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    one_against_rest(predictions, labels, |tie_groups| {
        let (mut sum, mut positives, mut total) = (0.0, 0.0, 0.0);
        for &(p, n) in tie_groups {
            positives += p;
            total += p + n;
            sum += p * positives / total;
        }
        (total > 0.0).then_some(if positives > 0.0 { sum / positives } else { 0.0 })
    })
}

/// The mean of `area(tie groups)` over the yes/no columns, or over the classes that occur, each against the
/// rest. With two classes, only the second against the first: the other way round is the mirror image.
fn one_against_rest(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    area: impl Fn(&[(f64, f64)]) -> Option<f64>,
) -> Option<f64> {
    if !is_one_of_classes(predictions, labels) {
        if !is_yes_or_no(labels) {
            return None;
        }
        return mean_over_columns(predictions, labels, |_, examples| area(&tie_groups(examples.to_vec())));
    }
    let rows = examples::classes(predictions, labels)?;
    let against_rest = |class: usize| {
        let example = |row: &examples::ClassExample| Example {
            prediction: predictions[[row.row, class]],
            target: f64::from(row.class == class),
            weight: row.weight,
        };
        area(&tie_groups(rows.iter().map(example).collect()))
    };
    if predictions.ncols() == 2 {
        return against_rest(1);
    }
    let mut occurs = vec![false; predictions.ncols()];
    rows.iter().for_each(|row| occurs[row.class] = true);
    let classes = (0..occurs.len()).filter(|&class| occurs[class]);
    mean(&classes.filter_map(against_rest).collect::<Vec<_>>())
}

/// The weights of positives and of negatives at each distinct score, highest first.
fn tie_groups(mut examples: Vec<Example>) -> Vec<(f64, f64)> {
    examples.sort_by(|a, b| b.prediction.total_cmp(&a.prediction));
    let weight_of = |group: &[Example], target: f64| -> f64 {
        group.iter().filter(|e| e.target == target).map(|e| e.weight).sum()
    };
    examples
        .chunk_by(|a, b| a.prediction == b.prediction)
        .map(|group| (weight_of(group, 1.0), weight_of(group, 0.0)))
        .collect()
}
