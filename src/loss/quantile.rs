//! Quantile regression by the pinball loss, several quantiles in one head.
//!
//! ```text
//! r = t − y        ℓ = τ r where r ≥ 0, (τ − 1) r where r < 0        ∂ℓ/∂y = −τ,  1 − τ,  0 at r = 0
//! ```
//! The expectation of ℓ is least where y is the τ-quantile of t. The loss of an example is the mean of ℓ over
//! its quantiles. At the kink the delta is 0, which lies between the slopes of the two sides.
//!
//! Quantiles that are learnt by themselves may cross: the one of 0.9 below that of 0.8. In order, they are sums of steps
//! that are not negative, from the quantile p nearest the median on:
//! ```text
//! y_p = z_p        y_i = y_(i−1) + softplus z_i for i > p        y_i = y_(i+1) − softplus z_i for i < p
//!
//! with g_i = ∂ℓ/∂y_i:     ∂ℓ/∂z_i = sigmoid z_i Σ_(j ≥ i) g_j for i > p        every y above moves with the step
//!                         ∂ℓ/∂z_i = −sigmoid z_i Σ_(j ≤ i) g_j for i < p
//!                         ∂ℓ/∂z_p = Σ_j g_j
//! ```
//! Adding what is not negative never rounds downwards, so the order holds to the last bit. What is trained is what is
//! predicted; sorting the predictions afterwards (Chernozhukov et al., "Quantile and probability curves without crossing",
//! Econometrica 78, 2010) would mend the predictions alone.
//!
//! Sources: Koenker and Bassett, "Regression quantiles", Econometrica 46 (1978); steps that are not negative: Park et
//! al., "Learning quantile functions without quantile crossing for distribution-free time series forecasting", AISTATS
//! 2022, who sum them from the lowest quantile.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::logistic::softplus_sigmoid;
use super::mean::{Example, by_label, for_each_label};
use super::regression::side;
use super::{Kind, Labels, LossFunction, copy_outputs};
use crate::Scalar;

#[derive(Clone, Debug)]
pub(super) struct Quantile {
    pub quantiles: Vec<f64>,
    /// Whether they are sums of steps.
    pub ordered: bool,
}

impl Quantile {
    /// The quantile nearest the median.
    fn point(&self) -> usize {
        nearest_to_median(&self.quantiles)
    }

    /// Calls `each(i, y_i)` for every quantile that the outputs `z` stand for: from the middle up, then down from there.
    fn for_each_value<F: Scalar>(&self, z: impl Fn(usize) -> F, mut each: impl FnMut(usize, F)) {
        if !self.ordered {
            return (0..self.quantiles.len()).for_each(|i| each(i, z(i)));
        }
        let point = self.point();
        let step = |i: usize| softplus_sigmoid(z(i)).0;
        let mut y = z(point);
        each(point, y);
        for i in point + 1..self.quantiles.len() {
            y += step(i);
            each(i, y);
        }
        y = z(point);
        for i in (0..point).rev() {
            y -= step(i);
            each(i, y);
        }
    }

    /// From derivatives with respect to quantiles to those with respect to the outputs `z`, in place.
    fn back_through_steps<F: Scalar>(&self, z: &[F], delta: &mut [F]) {
        let point = self.point();
        let (mut above, mut below) = (F::ZERO, F::ZERO);
        for i in (point + 1..z.len()).rev() {
            above += delta[i];
            delta[i] = softplus_sigmoid(z[i]).1 * above;
        }
        for i in 0..point {
            below += delta[i];
            delta[i] = -softplus_sigmoid(z[i]).1 * below;
        }
        delta[point] += above + below;
    }
}

pub(super) fn nearest_to_median(quantiles: &[f64]) -> usize {
    let from_median = |i: &usize| (quantiles[*i] - 0.5).abs();
    (0..quantiles.len()).min_by(|i, j| from_median(i).total_cmp(&from_median(j))).unwrap_or(0)
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
            self.for_each_value(
                |i| z[i],
                |i, y| {
                    let (r, tau) = (t - y, F::from_f64(self.quantiles[i]));
                    let slope = match side(r, F::ZERO) {
                        1 => tau,
                        0 => F::ZERO,
                        _ => tau - F::ONE,
                    };
                    sum += slope * r;
                    delta[i] = -rate * share * slope;
                },
            );
            if self.ordered {
                self.back_through_steps(z, delta);
            }
            share * sum
        })
    }

    fn output_width(&self, target_width: usize) -> usize {
        target_width * self.quantiles.len()
    }

    fn predict(&self, outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
        let n = self.quantiles.len();
        if !self.ordered {
            return copy_outputs(outputs, predictions);
        }
        for (outputs, mut predictions) in outputs.rows().into_iter().zip(predictions.rows_mut()) {
            for first in (0..outputs.len()).step_by(n) {
                self.for_each_value(|i| outputs[first + i], |i, y| predictions[first + i] = y);
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Quantity { parts: self.quantiles.len(), point: self.point() }
    }

    fn standardizes(&self) -> bool {
        true
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, self.quantiles.len(), |z, t| {
            self.for_each_value(|i| z[i], |_, y| record(side(t - y, F::ZERO)));
        });
    }
}
