//! Negative log-likelihoods whose outputs are logarithms of what must be positive.
//!
//! Poisson with log link: η = ln λ is the output, t ≥ 0 the count.
//! ```text
//! −ln p(t) = λ − t η + ln t!        ℓ = e^η − t η        ∂ℓ/∂η = e^η − t
//! ```
//! Gaussian: the outputs are the mean μ and the logarithm of the variance s = ln σ², in this order.
//! ```text
//! −ln p(t) = ½ (s + r² e^(−s)) + ½ ln 2π,   r = μ − t
//! ℓ = ½ (s + r² e^(−s))        ∂ℓ/∂μ = r e^(−s)        ∂ℓ/∂s = ½ (1 − r² e^(−s))
//! ```
//! Terms that do not depend on the outputs are left out (PyTorch's `full=False`), so both values can be
//! negative. Sources: McCullagh and Nelder, "Generalized Linear Models" (1989), ch. 6; Nix and Weigend,
//! "Estimating the mean and variance of the target probability distribution" (1994).
//!
//! No finite number is e^1000. Above 30, where e^x is 10¹³, the exponential goes on as its tangent, so that
//! value and delta stay finite and stay each other's derivative. A rate of 10¹³, or a variance of 10⁻¹³,
//! is not a prediction but a step that was too long; the slope brings it back.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::mean::{Example, by_label, for_each_label, pointwise};
use super::{Kind, Labels, LossFunction};
use crate::{Result, Scalar};

#[derive(Clone, Copy, Debug)]
pub(super) struct Poisson;

impl<F: Scalar> LossFunction<F> for Poisson {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        pointwise(outputs, labels, delta, |eta, t| {
            let (rate, slope) = exp(eta);
            (rate - t * eta, slope - t)
        })
    }

    /// λ, in the unit of the count.
    fn predict(&self, outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
        predictions.zip_mut_with(&outputs, |p, &eta| *p = exp(eta).0);
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        labels.check("a count, 0 or more, or NaN if it is missing", |t| t.is_finite() && t >= F::ZERO)
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 1, |z, _| record(i64::from(z[0] > F::from_f64(LARGEST))));
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gaussian;

impl<F: Scalar> LossFunction<F> for Gaussian {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let half = F::from_f64(0.5);
        by_label(outputs, labels, delta, 2, labels.total_weight(), |Example { z, t, rate, delta }| {
            let (r, s) = (z[0] - t, z[1]);
            let (precision, slope) = exp(-s);
            delta[0] = rate * r * precision;
            delta[1] = rate * half * (F::ONE - r * r * slope);
            half * (s + r * r * precision)
        })
    }

    fn output_width(&self, target_width: usize) -> usize {
        2 * target_width
    }

    /// μ and σ² of each target.
    fn predict(&self, outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
        predictions.assign(&outputs);
        predictions.columns_mut().into_iter().skip(1).step_by(2).for_each(|mut variances| {
            variances.mapv_inplace(|s| F::ONE / exp(-s).0);
        });
    }

    fn kind(&self) -> Kind {
        Kind::Quantity { parts: 2, point: 0 }
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 2, |z, _| record(i64::from(-z[1] > F::from_f64(LARGEST))));
    }
}

/// Where the exponential becomes its tangent.
const LARGEST: f64 = 30.0;

/// e^x and its derivative, with the tangent beyond [`LARGEST`].
fn exp<F: Scalar>(x: F) -> (F, F) {
    let largest = F::from_f64(LARGEST);
    if x > largest {
        let slope = largest.exp();
        (slope * (F::ONE + (x - largest)), slope)
    } else {
        let power = x.exp();
        (power, power)
    }
}
