//! Losses: for each, a value and its derivative with respect to the outputs (the delta), written by
//! hand as a pair.
//!
//! A loss sees the outputs of one head for a whole batch, `batch × output width`, and the labels of one
//! task. Whatever the kind of target, it is a number: a class is its index, a missing label is NaN.
//! The value is the mean over the labels that are present, weighted if the examples are:
//!
//! ```text
//! value = Σᵢ wᵢ mᵢ ℓᵢ / Σᵢ wᵢ mᵢ        mᵢ = 1 where the label is present, else 0
//! delta = ∂value / ∂outputs              exactly 0 in every row without a label
//! ```
//!
//! A batch without any label for the task has value 0 and delta 0. Dividing by Σ w m and not by the batch
//! keeps the size of a task's gradient independent of how many of its labels happen to be missing.

use std::fmt::Debug;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use crate::Scalar;

mod regression;

pub use regression::MeanSquaredError;

/// The labels of one task for one batch.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a, F> {
    /// `batch × target width`; NaN where a label is missing.
    pub targets: ArrayView2<'a, F>,
    /// One weight per example, not negative; all 1 when absent.
    pub weights: Option<ArrayView1<'a, F>>,
    /// The query group of each example, for ranking losses; rows of a group are in one batch.
    pub groups: Option<&'a [u64]>,
}

impl<'a, F: Scalar> Labels<'a, F> {
    /// Labels without weights or groups.
    pub fn new(targets: ArrayView2<'a, F>) -> Self {
        Self { targets, weights: None, groups: None }
    }

    /// The weight of example `row`: 1 when the batch has no weights.
    pub fn weight(&self, row: usize) -> F {
        self.weights.map_or(F::ONE, |weights| weights[row])
    }
}

/// A loss: its value and its delta, over either scalar type.
///
/// Implement it for your own loss over every `F: Scalar`, and check it with
/// [`gradcheck`](crate::gradcheck).
pub trait LossFunction<F: Scalar>: Debug + Send + Sync {
    /// How many outputs the head must have for a target of `target_width` columns.
    fn output_width(&self, target_width: usize) -> usize {
        target_width
    }

    /// The loss of `outputs` (`batch × output width`) against `labels`, and its derivative with respect
    /// to the outputs, written to every entry of `delta` (same shape as `outputs`).
    ///
    /// # Panics
    /// If the shapes do not fit.
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F;

    /// Records which side of each kink every example is on, so that a gradient check can tell a kink from a
    /// mistake. Losses that are differentiable everywhere leave this empty.
    fn branches(&self, _outputs: ArrayView2<'_, F>, _labels: &Labels<'_, F>, _record: &mut dyn FnMut(i64)) {}
}
