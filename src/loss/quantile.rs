//! Quantile regression by the pinball loss, several quantiles in one head.
//!
//! ```text
//! r = t − y        ℓ = τ r where r ≥ 0, (τ − 1) r where r < 0        ∂ℓ/∂y = −τ,  1 − τ,  0 at r = 0
//! ```
//! The expectation of ℓ is least where y is the τ-quantile of t. The loss of an example is the mean of ℓ over
//! its quantiles. At the kink the delta is 0, which lies between the slopes of the two sides.
//!
//! Source: Koenker and Bassett, "Regression quantiles", Econometrica 46 (1978).

use ndarray::{ArrayView2, ArrayViewMut2};

use super::mean::{Example, by_label, for_each_label};
use super::regression::side;
use super::{Kind, Labels, LossFunction};
use crate::Scalar;

#[derive(Clone, Debug)]
pub(super) struct Quantile {
    pub quantiles: Vec<f64>,
}

impl<F: Scalar> LossFunction<F> for Quantile {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let n = self.quantiles.len();
        let share = F::from_f64(1.0 / n as f64);
        by_label(outputs, labels, delta, n, labels.total_weight(), |Example { z, t, rate, delta }| {
            let mut sum = F::ZERO;
            for ((&y, d), &quantile) in z.iter().zip(delta).zip(&self.quantiles) {
                let (r, tau) = (t - y, F::from_f64(quantile));
                let slope = match side(r, F::ZERO) {
                    1 => tau,
                    0 => F::ZERO,
                    _ => tau - F::ONE,
                };
                sum += slope * r;
                *d = -rate * share * slope;
            }
            share * sum
        })
    }

    fn output_width(&self, target_width: usize) -> usize {
        target_width * self.quantiles.len()
    }

    fn kind(&self) -> Kind {
        let from_median = |i: &usize| (self.quantiles[*i] - 0.5).abs();
        let point = (0..self.quantiles.len()).min_by(|i, j| from_median(i).total_cmp(&from_median(j)));
        Kind::Quantity { parts: self.quantiles.len(), point: point.unwrap_or(0) }
    }

    fn standardizes(&self) -> bool {
        true
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, self.quantiles.len(), |z, t| {
            z.iter().for_each(|&y| record(side(t - y, F::ZERO)));
        });
    }
}
