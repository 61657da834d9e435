//! Metric of bounding boxes: intersection over union (IoU).
//!
//! ```text
//! IoU = |A ∩ B| / |A ∪ B|,  |A ∪ B| = |A| + |B| − |A ∩ B|      value = Σ w IoU / Σ w
//! ```
//! A box is `x_min, y_min, x_max, y_max`. A box with a maximum below its minimum is empty: its area is 0, and
//! two empty boxes have IoU 0. IoU is Jaccard's index; as a metric of boxes: Everingham et al., "The PASCAL
//! visual object classes challenge", IJCV 88 (2010).

use ndarray::{ArrayView1, ArrayView2};

use crate::loss::Labels;

/// The mean IoU. A row counts as without a label if any of its coordinates is missing.
pub(super) fn mean_iou(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, (prediction, target)) in predictions.rows().into_iter().zip(labels.targets.rows()).enumerate() {
        let weight = labels.weight(row);
        if weight > 0.0 && !target.iter().any(|t| t.is_nan()) {
            if !prediction.iter().chain(target).all(|x| x.is_finite()) {
                return None;
            }
            sum += weight * iou(prediction, target);
            total += weight;
        }
    }
    (total > 0.0).then(|| sum / total)
}

fn iou(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let overlap = area(a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3]));
    let union = area(a[0], a[1], a[2], a[3]) + area(b[0], b[1], b[2], b[3]) - overlap;
    if union == 0.0 { 0.0 } else { overlap / union }
}

fn area(x_min: f64, y_min: f64, x_max: f64, y_max: f64) -> f64 {
    (x_max - x_min).max(0.0) * (y_max - y_min).max(0.0)
}
