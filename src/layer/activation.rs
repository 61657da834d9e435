//! Activation functions φ, applied entry by entry.
//!
//! Each is a pair: y = φ(z), and φ′ expressed through whatever is cheapest to keep. For most of them φ′ is a
//! function of y alone, so z need not be kept:
//!
//! ```text
//! identity      y = z                              φ′ = 1
//! ReLU          y = max(z, 0)                      φ′ = [y > 0]                      0 at the kink
//! leaky ReLU    y = z or a z                       φ′ = 1 or a                       a at the kink
//! ELU           y = z or α (eᶻ − 1)                φ′ = 1 or y + α                   Clevert et al. 2016
//! SELU          y = λ z or λ α (eᶻ − 1)            φ′ = λ or y + λ α                 Klambauer et al. 2017
//! tanh          y = tanh z                         φ′ = 1 − y²
//! sigmoid       y = 1 / (1 + e⁻ᶻ)                  φ′ = y (1 − y)
//! softplus      y = max(z, 0) + ln(1 + e^−|z|)     φ′ = sigmoid(z) = 1 − e⁻ʸ
//! SiLU          y = z sigmoid(z)                   φ′ = s + z s (1 − s), s = sigmoid(z)   Elfwing et al. 2018
//! GELU          y = z Φ(z)                         φ′ = Φ(z) + z e^(−z²/2)/√(2π)     Hendrycks & Gimpel 2016
//! Mish          y = z t, t = tanh(softplus(z))     φ′ = t + z s (1 − t²)             Misra 2020
//! ```
//! In Mish t = tanh(ln(1 + eᶻ)) = ((1 + eᶻ)² − 1) / ((1 + eᶻ)² + 1), which takes one exponential, and t′ = (1 − t²) s.
//! SELU's λ = 1.0507… and α = 1.6732… make mean 0 and variance 1 a fixed point of a layer with LeCun-normal weights.
//! Φ(z) = erfc(−z/√2)/2 is the normal distribution function, so GELU is the exact form, not the tanh
//! approximation. Each formula is written so that no exponential overflows.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use ndarray::ArrayView2;

use crate::kernel::{self, Epilogue, SimdLoop};
use crate::{Error, ErrorKind, Result, Scalar};

/// Runs a body with the activation as a constant, so that the loop inside is compiled for it alone; the identity
/// changes nothing and needs no loop.
macro_rules! each_of {
    ($activation:expr, $phi:ident => $body:expr) => {
        match $activation {
            Activation::Identity => {}
            Activation::Relu => {
                let $phi = Activation::Relu;
                $body
            }
            Activation::LeakyRelu { slope } => {
                let $phi = Activation::LeakyRelu { slope };
                $body
            }
            Activation::Elu { alpha } => {
                let $phi = Activation::Elu { alpha };
                $body
            }
            Activation::Gelu => {
                let $phi = Activation::Gelu;
                $body
            }
            Activation::Silu => {
                let $phi = Activation::Silu;
                $body
            }
            Activation::Mish => {
                let $phi = Activation::Mish;
                $body
            }
            Activation::Selu => {
                let $phi = Activation::Selu;
                $body
            }
            Activation::Tanh => {
                let $phi = Activation::Tanh;
                $body
            }
            Activation::Sigmoid => {
                let $phi = Activation::Sigmoid;
                $body
            }
            Activation::Softplus => {
                let $phi = Activation::Softplus;
                $body
            }
        }
    };
}

/// A function applied to every entry of a layer's output.
///
/// ```
/// use polytask::Activation;
///
/// assert_eq!(Activation::Relu.value(-2.0_f64), 0.0);
/// assert_eq!(Activation::Sigmoid.value(-1e3_f32), 0.0);
/// assert_eq!(Activation::Tanh.derivative(0.0_f64), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Activation {
    /// z.
    #[default]
    Identity,
    /// max(z, 0).
    Relu,
    /// z where positive, else `slope` · z; the slope is in (0, 1). A. L. Maas et al., 2013.
    LeakyRelu {
        /// Slope for negative z; 0.01 in Maas et al. 2013.
        slope: f64,
    },
    /// z where positive, else `alpha` (eᶻ − 1); alpha is positive. D.-A. Clevert et al., 2016.
    Elu {
        /// Minus the limit for z → −∞; 1 in Clevert et al. 2016.
        alpha: f64,
    },
    /// z Φ(z), with the exact normal distribution function. D. Hendrycks and K. Gimpel, 2016.
    Gelu,
    /// z / (1 + e⁻ᶻ), also called swish. S. Elfwing et al., 2018.
    Silu,
    /// z tanh(ln(1 + eᶻ)). D. Misra, 2020.
    Mish,
    /// 1.0507… z where positive, else 1.0507… · 1.6732… (eᶻ − 1). G. Klambauer et al., 2017.
    Selu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ᶻ).
    Sigmoid,
    /// ln(1 + eᶻ).
    Softplus,
}

impl Activation {
    /// One of each, with the usual constants.
    pub const ALL: [Self; 11] = [
        Self::Identity,
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Elu { alpha: 1.0 },
        Self::Gelu,
        Self::Silu,
        Self::Mish,
        Self::Selu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
    ];

    /// φ(z).
    #[inline(always)]
    pub fn value<F: Scalar>(self, z: F) -> F {
        match self {
            Self::Identity => z,
            Self::Relu => relu(z),
            Self::LeakyRelu { slope } => leaky_relu(z, F::from_f64(slope)),
            Self::Elu { alpha } => elu(z, F::from_f64(alpha)),
            Self::Gelu => z * normal_cdf(z),
            Self::Silu => z * sigmoid(z),
            Self::Mish => z * tanh_of_softplus(z).0,
            Self::Selu => F::from_f64(SELU_SCALE) * elu(z, F::from_f64(SELU_ALPHA)),
            Self::Tanh => z.tanh(),
            Self::Sigmoid => sigmoid(z),
            Self::Softplus => softplus(z),
        }
    }

    /// φ(z) in a graph, of operators that runtimes have in both precisions; they have GELU's error function in single
    /// precision only.
    #[cfg(feature = "onnx")]
    pub(crate) fn export(self, graph: &mut crate::onnx::Graph, z: crate::onnx::Value) -> crate::onnx::Value {
        // scale · z where positive, else scale · alpha (e^z − 1).
        let mut exponential = |scale: f64, alpha: f64| {
            let [scale, alpha, zero, one] = [scale, alpha, 0.0, 1.0].map(|number| graph.number(number));
            let (positive, negative) = (graph.node("Relu", &[&z]), graph.node("Min", &[&z, &zero]));
            let power = graph.node("Exp", &[&negative]);
            let below = graph.node("Sub", &[&power, &one]);
            let below = graph.node("Mul", &[&below, &alpha]);
            let sum = graph.node("Add", &[&positive, &below]);
            graph.node("Mul", &[&sum, &scale])
        };
        match self {
            Self::Identity => z,
            Self::Relu => graph.node("Relu", &[&z]),
            Self::LeakyRelu { slope } => {
                let slope = graph.number(slope);
                let below = graph.node("Mul", &[&z, &slope]);
                graph.node("Max", &[&z, &below])
            }
            Self::Elu { alpha } => exponential(1.0, alpha),
            Self::Selu => exponential(SELU_SCALE, SELU_ALPHA),
            Self::Gelu => {
                let [root, one, half] = [FRAC_1_SQRT_2, 1.0, 0.5].map(|number| graph.number(number));
                let scaled = graph.node("Mul", &[&z, &root]);
                let error = graph.in_precision(false, &scaled, |graph, z| graph.node("Erf", &[z]));
                let sum = graph.node("Add", &[&error, &one]);
                let share = graph.node("Mul", &[&sum, &half]);
                graph.node("Mul", &[&z, &share])
            }
            Self::Silu => {
                let share = graph.node("Sigmoid", &[&z]);
                graph.node("Mul", &[&z, &share])
            }
            Self::Mish => {
                let softplus = graph.softplus(&z);
                let share = graph.node("Tanh", &[&softplus]);
                graph.node("Mul", &[&z, &share])
            }
            Self::Tanh => graph.node("Tanh", &[&z]),
            Self::Sigmoid => graph.node("Sigmoid", &[&z]),
            Self::Softplus => graph.softplus(&z),
        }
    }

    /// φ′(z); at a kink that of the negative side: 0 for ReLU, the slope for leaky ReLU.
    ///
    /// ```
    /// use polytask::Activation;
    ///
    /// for phi in Activation::ALL {
    ///     let (z, h) = (0.7_f64, 1e-6);
    ///     let difference = (phi.value(z + h) - phi.value(z - h)) / (2.0 * h);
    ///     assert!((phi.derivative(z) - difference).abs() < 1e-8, "{phi:?}");
    /// }
    /// assert_eq!(Activation::LeakyRelu { slope: 0.25 }.derivative(0.0_f64), 0.25);
    /// ```
    #[inline(always)]
    pub fn derivative<F: Scalar>(self, z: F) -> F {
        if self.needs_input() { self.slope(z) } else { self.slope(self.value(z)) }
    }

    /// Whether φ′ needs z; otherwise it is a function of y.
    pub(crate) fn needs_input(self) -> bool {
        matches!(self, Self::Gelu | Self::Silu | Self::Mish)
    }

    /// What part of the activation the product before it can do while it writes.
    pub(crate) fn epilogue(self) -> Epilogue {
        match self {
            Self::Relu => Epilogue::Relu,
            _ => Epilogue::None,
        }
    }

    /// φ′ from what is kept: z where the activation needs its input, else y.
    #[inline(always)]
    fn slope<F: Scalar>(self, kept: F) -> F {
        let one = F::ONE;
        match self {
            Self::Identity => one,
            Self::Relu => choose(kept, one, F::ZERO),
            Self::LeakyRelu { slope } => choose(kept, one, F::from_f64(slope)),
            Self::Elu { alpha } => choose(kept, one, kept + F::from_f64(alpha)),
            Self::Selu => {
                let scale = F::from_f64(SELU_SCALE);
                choose(kept, scale, kept + scale * F::from_f64(SELU_ALPHA))
            }
            Self::Mish => {
                let (t, one_minus_t) = tanh_of_softplus(kept);
                t + kept * sigmoid(kept) * one_minus_t * (one + t)
            }
            Self::Tanh => one - kept * kept,
            Self::Sigmoid => kept * (one - kept),
            Self::Softplus => -(-kept).exp_m1(),
            Self::Silu => {
                let s = sigmoid(kept);
                s + kept * s * (one - s)
            }
            Self::Gelu => {
                let density = (-(kept * kept) / F::from_f64(2.0)).exp() / F::from_f64((2.0 * PI).sqrt());
                normal_cdf(kept) + kept * density
            }
        }
    }

    /// Replaces each z by φ(z).
    pub(crate) fn apply_in_place<F: Scalar>(self, z: &mut [F]) {
        kernel::dispatch(ApplyInPlace { activation: self, z });
    }

    /// Writes φ(z) to `y`.
    pub(crate) fn apply<F: Scalar>(self, z: &[F], y: &mut [F]) {
        kernel::dispatch(Apply { activation: self, z, y });
    }

    /// Multiplies each delta by φ′, from what was kept of the same entry.
    pub(crate) fn multiply_derivative<F: Scalar>(self, kept: &[F], delta: &mut [F]) {
        kernel::dispatch(MultiplyDerivative { activation: self, kept, delta });
    }

    /// Writes φ′(z) to `slopes`.
    pub(crate) fn derivatives<F: Scalar>(self, z: &[F], slopes: &mut [F]) {
        slopes.fill(F::ONE);
        kernel::dispatch(Derivatives { activation: self, z, slopes });
    }

    /// Records for each entry with a kink which side it is on and how far |z| is from it. `kept` is y, but z for a
    /// rectifier, whose y = 0 does not say how far away the kink is.
    pub(crate) fn branches<F: Scalar>(self, kept: ArrayView2<'_, F>, record: &mut dyn FnMut(i64, f64)) {
        // ELU has no kink in its value for α = 1, but a jump in its second derivative, which also spoils a
        // difference quotient that spans it.
        let distance_below = |kept: f64| match self {
            Self::LeakyRelu { slope } => (kept / slope).abs(),
            Self::Elu { alpha } => (kept / alpha).ln_1p().abs(),
            Self::Selu => (kept / (SELU_SCALE * SELU_ALPHA)).ln_1p().abs(),
            _ => kept.abs(),
        };
        let slope_above = if self == Self::Selu { SELU_SCALE } else { 1.0 };
        if self.has_kink() {
            for kept in kept.iter().map(|kept| kept.to_f64()) {
                if kept > 0.0 { record(1, kept / slope_above) } else { record(0, distance_below(kept)) }
            }
        }
    }

    /// As [`branches`](Self::branches), from z itself.
    pub(crate) fn kinks<F: Scalar>(self, z: ArrayView2<'_, F>, record: &mut dyn FnMut(i64, f64)) {
        if self.has_kink() {
            z.iter().map(|z| z.to_f64()).for_each(|z| record(i64::from(z > 0.0), z.abs()));
        }
    }

    fn has_kink(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu { .. } | Self::Elu { .. } | Self::Selu)
    }

    pub(crate) fn check(self) -> Result<()> {
        let (name, value, range, fits) = match self {
            Self::LeakyRelu { slope } => ("slope", slope, "in (0, 1)", slope > 0.0 && slope < 1.0),
            Self::Elu { alpha } => ("alpha", alpha, "positive and finite", alpha > 0.0 && alpha.is_finite()),
            _ => return Ok(()),
        };
        match fits {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Setting, format!("{name} of the activation"), range, value)),
        }
    }
}

/// `z ← φ(z)`.
struct ApplyInPlace<'a, F> {
    activation: Activation,
    z: &'a mut [F],
}

impl<F: Scalar> SimdLoop for ApplyInPlace<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        each_of!(self.activation, phi => for z in self.z {
            *z = phi.value(*z);
        });
    }
}

/// `y ← φ(z)`.
struct Apply<'a, F> {
    activation: Activation,
    z: &'a [F],
    y: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Apply<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        each_of!(self.activation, phi => for (y, &z) in self.y.iter_mut().zip(self.z) {
            *y = phi.value(z);
        });
    }
}

/// `δ ← δ φ′`.
struct MultiplyDerivative<'a, F> {
    activation: Activation,
    kept: &'a [F],
    delta: &'a mut [F],
}

impl<F: Scalar> SimdLoop for MultiplyDerivative<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        each_of!(self.activation, phi => for (delta, &kept) in self.delta.iter_mut().zip(self.kept) {
            *delta *= phi.slope(kept);
        });
    }
}

/// `slopes ← φ′(z)`.
struct Derivatives<'a, F> {
    activation: Activation,
    z: &'a [F],
    slopes: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Derivatives<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        each_of!(self.activation, phi => for (slope, &z) in self.slopes.iter_mut().zip(self.z) {
            *slope = phi.derivative(z);
        });
    }
}

#[inline(always)]
fn choose<F: Scalar>(sign: F, positive: F, otherwise: F) -> F {
    if sign > F::ZERO { positive } else { otherwise }
}

#[inline(always)]
fn relu<F: Scalar>(z: F) -> F {
    choose(z, z, F::ZERO)
}

#[inline(always)]
fn leaky_relu<F: Scalar>(z: F, slope: F) -> F {
    choose(z, z, slope * z)
}

#[inline(always)]
fn elu<F: Scalar>(z: F, alpha: F) -> F {
    choose(z, z, alpha * z.exp_m1())
}

/// The exponential is of −|z|, so it lies in (0, 1]; a negative z takes e^z / (1 + e^z).
#[inline(always)]
pub(crate) fn sigmoid<F: Scalar>(z: F) -> F {
    let e = (-z.abs()).exp();
    choose(z, F::ONE, e) / (F::ONE + e)
}

#[inline(always)]
pub(crate) fn softplus<F: Scalar>(z: F) -> F {
    z.max(F::ZERO) + (-z.abs()).exp().ln_1p()
}

/// t = tanh(softplus(z)) and 1 − t, which is exact near 0. With e = e^−|z| both are quotients of polynomials in e; the
/// factors of a negative z are those of a positive one divided by e².
#[inline(always)]
fn tanh_of_softplus<F: Scalar>(z: F) -> (F, F) {
    let (two, e) = (F::from_f64(2.0), (-z.abs()).exp());
    let above = choose(z, F::ONE + two * e, e * (e + two));
    let below = choose(z, two * e * e, two);
    let sum = above + below;
    (above / sum, below / sum)
}

/// λ and α of SELU, where the two fixed-point equations of Klambauer et al. for mean 0 and variance 1 meet.
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

#[inline(always)]
fn normal_cdf<F: Scalar>(z: F) -> F {
    (z * F::from_f64(-FRAC_1_SQRT_2)).erfc() / F::from_f64(2.0)
}
