//! Negative log-likelihoods whose outputs are logarithms of what must be positive.
//!
//! Poisson with log link: η = ln λ is the output, t ≥ 0 the count. The loss is half the deviance: the log-likelihood
//! that the rate λ lacks against the best rate there is, t itself.
//! ```text
//! −ln p(t) = λ − t η + ln t!
//! ℓ = e^η − t η + t ln t − t,   0 ln 0 = 0        ∂ℓ/∂η = e^η − t
//!   = t (e^u − 1 − u),   u = η − ln t             where t > 0
//! ```
//! The second form has its digits where λ is near t; the first does not overflow where u is large.
//!
//! Gaussian: the outputs are the mean μ and the logarithm of the variance s = ln σ², in this order.
//! ```text
//! −ln p(t) = ½ (s + r² e^(−s)) + ½ ln 2π,   r = μ − t
//! ℓ = ½ (s + r² e^(−s))        ∂ℓ/∂μ = r e^(−s)        ∂ℓ/∂s = ½ (1 − r² e^(−s))
//! ```
//! Of the Gaussian the constant is left out (PyTorch's `full=False`). It is the logarithm of a density and so can be
//! negative, which the Poisson loss never is. Sources: McCullagh and Nelder, "Generalized Linear Models" (1989), ch. 2
//! and 6; Nix and Weigend, "Estimating the mean and variance of the target probability distribution" (1994).
//!
//! No finite number is e^1000. Above 30, where e^x is 10¹³, the exponential goes on as its tangent, so that
//! value and delta stay finite and stay each other's derivative. A rate of 10¹³, or a variance of 10⁻¹³,
//! is not a prediction but a step that was too long; the slope brings it back. Of a count above e^30 the slope
//! would never bring it back, and the loss would fall below 0: such counts are refused.
//! ```text
//! ℓ(η) = ℓ(30) + (e^30 − t) (η − 30)        η > 30
//! ```

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
        pointwise(outputs, labels, delta, |eta, t| (half_deviance(eta, t), exp(eta).1 - t))
    }

    /// λ, in the unit of the count.
    fn predict(&self, outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
        predictions.zip_mut_with(&outputs, |p, &eta| *p = exp(eta).0);
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        let most = F::from_f64(LARGEST).exp();
        labels.check("a count from 0 to 10¹³, or NaN if it is missing", |t| t >= F::ZERO && t <= most)
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 1, |z, _| record(i64::from(z[0] > F::from_f64(LARGEST))));
    }
}

/// ℓ of the Poisson loss: never negative, whatever is rounded.
fn half_deviance<F: Scalar>(eta: F, t: F) -> F {
    let largest = F::from_f64(LARGEST);
    let (bounded, beyond) = if eta > largest { (largest, eta - largest) } else { (eta, F::ZERO) };
    let rate = bounded.exp();
    let value = if t > F::ZERO {
        let u = bounded - t.ln();
        if u > F::ONE { rate - t * (F::ONE + u) } else { t * (u.exp_m1() - u) }
    } else {
        rate
    };
    let line = if eta > largest { (rate - t) * beyond } else { F::ZERO };
    // e^u − 1 − u is at least 0; its rounding error is not.
    if value < F::ZERO { line } else { value + line }
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

    fn can_be_negative(&self) -> bool {
        true
    }

    fn standardizes(&self) -> bool {
        true
    }

    /// The variance is in the square of the target's unit.
    fn unstandardized(&self, part: usize, y: F, mean: F, scale: F) -> F {
        if part == 1 { scale * scale * y } else { y * scale + mean }
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 2, |z, _| record(i64::from(-z[1] > F::from_f64(LARGEST))));
    }
}

/// Where the exponential becomes its tangent.
pub(super) const LARGEST: f64 = 30.0;

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
