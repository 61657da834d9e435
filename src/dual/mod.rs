//! Dual numbers, a second witness of every derivative: the engine's own generic code runs on them.
//!
//! A dual number carries a derivative along, `x + x′ε` with ε² = 0, and every operation follows the chain rule:
//!
//! ```text
//! (x + x′ε) (y + y′ε) = x y + (x′y + x y′) ε            f(x + x′ε) = f(x) + f′(x) x′ ε
//! ```
//! With x′ = 1 for one input and 0 for the others, the loss comes out with its derivative, exact to rounding: no step,
//! no difference. What is differentiated is the forward code alone, so they share nothing with the
//! backward code but the values both start from. (Forward mode: Wengert, "A simple automatic derivative evaluation
//! program", Communications of the ACM 7, 1964.)
//!
//! Decisions (comparisons, class indices) are taken on the values; each branch is differentiated as it stands.

use std::cmp::Ordering;
use std::f64::consts::PI;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use num_traits::{One, Zero};

use crate::Scalar;
use crate::scalar::sealed::Sealed;

mod tests;

/// `value + slope·ε`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dual {
    value: f64,
    slope: f64,
}

impl Dual {
    /// A number that does not vary.
    const fn constant(value: f64) -> Self {
        Self { value, slope: 0.0 }
    }

    /// The number whose derivatives are taken.
    const fn variable(value: f64) -> Self {
        Self { value, slope: 1.0 }
    }

    /// f(x), where `value` is f and `derivative` is f′ at x.
    fn chain(self, value: f64, derivative: f64) -> Self {
        Self { value, slope: derivative * self.slope }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, slope: self.slope - other.slope }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self { value: self.value * other.value, slope: self.slope * other.value + self.value * other.slope }
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let quotient = self.value / other.value;
        Self { value: quotient, slope: (self.slope - quotient * other.slope) / other.value }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, slope: -self.slope }
    }
}

macro_rules! assign {
    ($($operation:ident, $method:ident, $operator:tt;)+) => {$(
        impl $operation for Dual {
            fn $method(&mut self, other: Self) {
                *self = *self $operator other;
            }
        }
    )+};
}
assign! {
    AddAssign, add_assign, +;
    SubAssign, sub_assign, -;
    MulAssign, mul_assign, *;
    DivAssign, div_assign, /;
}

impl Sum for Dual {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Self::add)
    }
}

impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Zero for Dual {
    fn zero() -> Self {
        Self::ZERO
    }
    fn is_zero(&self) -> bool {
        self.value == 0.0 && self.slope == 0.0
    }
}

impl One for Dual {
    fn one() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Dual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} ε", self.value, self.slope)
    }
}

impl Sealed for Dual {
    type MagnitudeBits = i64;

    fn magnitude_bits(self) -> i64 {
        self.value.magnitude_bits()
    }

    fn from_magnitude_bits(bits: i64) -> Self {
        Self::constant(f64::from_magnitude_bits(bits))
    }
}

/// Dual numbers go the portable way on every path.
impl crate::kernel::Native for Dual {}

impl Scalar for Dual {
    const ZERO: Self = Self::constant(0.0);
    const ONE: Self = Self::constant(1.0);
    const NAN: Self = Self::constant(f64::NAN);
    const EPSILON: f64 = f64::EPSILON;
    const NAME: &'static str = "dual";

    fn from_f64(x: f64) -> Self {
        Self::constant(x)
    }
    fn to_f64(self) -> f64 {
        self.value
    }
    fn exp(self) -> Self {
        self.chain(self.value.exp(), self.value.exp())
    }
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    fn ln(self) -> Self {
        self.chain(self.value.ln(), 1.0 / self.value)
    }
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), 1.0 / (1.0 + self.value))
    }
    fn sqrt(self) -> Self {
        self.chain(self.value.sqrt(), 0.5 / self.value.sqrt())
    }
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    fn tanh(self) -> Self {
        self.chain(self.value.tanh(), self.value.cosh().powi(-2))
    }
    fn erfc(self) -> Self {
        self.chain(libm::erfc(self.value), -2.0 / PI.sqrt() * (-self.value * self.value).exp())
    }
    fn abs(self) -> Self {
        self.chain(self.value.abs(), self.value.signum())
    }
    fn powi(self, n: i32) -> Self {
        self.chain(self.value.powi(n), f64::from(n) * self.value.powi(n - 1))
    }
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    fn is_nan(self) -> bool {
        self.value.is_nan()
    }
}
