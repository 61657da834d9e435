//! The number types of the crate: `f32` to train and serve, `f64` to check.
//!
//! Every formula is written once, over [`Scalar`]. The trait is sealed: a third kind of number (dual
//! numbers, which carry a derivative along) exists only inside the crate's own tests, as a second
//! witness of the hand-written derivatives.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A real number that the engine can compute with: [`f32`] or [`f64`].
///
/// ```
/// use polytask::Scalar;
///
/// fn softplus<F: Scalar>(x: F) -> F {
///     x.max(F::ZERO) + (-x.abs()).exp().ln_1p()
/// }
/// assert_eq!(softplus(0.0_f64), 2.0_f64.ln());
/// ```
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + ndarray::LinalgScalar
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Not a number: the mark of a missing label.
    const NAN: Self;
    /// The distance from 1 to the next larger number of the type.
    const EPSILON: f64;
    /// The name of the type: `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The number nearest to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same number as an `f64`.
    fn to_f64(self) -> f64;
    /// eˣ.
    fn exp(self) -> Self;
    /// eˣ − 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The sine of an angle in radians.
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    fn cos(self) -> Self;
    /// Complementary error function, 2/√π ∫ₓ^∞ e^(−t²) dt: exact where 1 − erf(x) would cancel.
    fn erfc(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// `self` to the power `n`.
    fn powi(self, n: i32) -> Self;
    /// Whether the number is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Whether the number is NaN.
    fn is_nan(self) -> bool;

    /// The larger of two numbers; `other` when `self` is NaN.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// The smaller of two numbers; `other` when `self` is NaN.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

pub(crate) mod sealed {
    pub trait Sealed: crate::kernel::Native + crate::compiled::Compiled {
        /// |x| as an integer, in the order of the magnitudes: infinity above all numbers, NaN above infinity.
        type MagnitudeBits: Copy + Ord + Default;
        fn magnitude_bits(self) -> Self::MagnitudeBits;
        fn from_magnitude_bits(bits: Self::MagnitudeBits) -> Self;
    }

    macro_rules! sealed {
        ($float:ident, $bits:ident, $unsigned:ident) => {
            impl Sealed for $float {
                type MagnitudeBits = $bits;
                #[inline(always)]
                fn magnitude_bits(self) -> $bits {
                    self.to_bits() as $bits & $bits::MAX
                }
                #[inline(always)]
                fn from_magnitude_bits(bits: $bits) -> Self {
                    $float::from_bits(bits as $unsigned)
                }
            }
        };
    }
    sealed!(f32, i32, u32);
    sealed!(f64, i64, u64);
}

macro_rules! scalar {
    ($float:ident, $erfc:path) => {
        impl Scalar for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAN: Self = $float::NAN;
            const EPSILON: f64 = $float::EPSILON as f64;
            const NAME: &'static str = stringify!($float);

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $float::exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                $float::exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $float::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                $float::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $float::cos(self)
            }
            #[inline(always)]
            fn erfc(self) -> Self {
                $erfc(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                $float::powi(self, n)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
        }
    };
}

scalar!(f32, libm::erfcf);
scalar!(f64, libm::erfc);

/// The number that the bits of half precision stand for (IEEE 754 binary16: a sign, 5 bits of exponent with bias 15,
/// 10 of fraction). Every one of them is an `f32` too.
pub(crate) fn from_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => libm::ldexp(fraction, -24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => libm::ldexp(1024.0 + fraction, exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside it the other way: sign, exponent and fraction moved to where an `f32` has them, and the exponent of a number
    /// below the smallest normal one found by shifting.
    #[test]
    fn every_number_of_half_precision_is_widened() {
        for bits in 0..=u16::MAX {
            let sign = u32::from(bits >> 15) << 31;
            let (exponent, mut fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
            let magnitude = match exponent {
                0 if fraction == 0 => 0,
                0 => {
                    let mut exponent = 127 - 14;
                    while fraction & 1024 == 0 {
                        (fraction, exponent) = (fraction << 1, exponent - 1);
                    }
                    exponent << 23 | (fraction & 1023) << 13
                }
                31 => 255 << 23 | fraction << 13,
                _ => (exponent + 127 - 15) << 23 | fraction << 13,
            };
            let (expected, found) = (f32::from_bits(sign | magnitude), from_half(bits));
            let is_it =
                found.to_bits() == f64::from(expected).to_bits() || (found.is_nan() && expected.is_nan());
            assert!(is_it, "{bits:#06x}: {expected} {found}");
        }
    }
}
