//! Clipping by the global norm: a gradient that is too long is shortened, its direction kept.
//!
//! Source: R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks",
//! ICML 2013, algorithm 1. The norm is over the whole gradient, all tasks and layers together:
//!
//! ```text
//! scale = 1                         if |g| ≤ max
//!         max / |g|                 else
//! ```
//!
//! TensorFlow's `clip_by_global_norm` is the same; PyTorch's `clip_grad_norm_` adds 1e-6 to the norm first.

use std::ops::Range;

use crate::Scalar;
use crate::kernel::{SimdLoop, dispatch};

/// The Euclidean norm of a whole gradient, |g| = √Σ gᵢ², summed in `f64` in a fixed order.
///
/// A gradient with a NaN has the norm NaN, one with an infinity (and no NaN) has the norm infinity. Such a
/// gradient cannot be clipped: ask [`all_finite`] before a step.
///
/// ```
/// use polytask::optim::global_norm;
///
/// assert_eq!(global_norm(&[3.0_f32, 0.0, -4.0]), 5.0);
/// assert!(!global_norm(&[3.0_f32, f32::INFINITY]).is_finite());
/// let long = global_norm(&[3e200, -4e200]);                          // no square of these is finite
/// assert!((long / 5e200 - 1.0).abs() < 1e-14);
/// ```
pub fn global_norm<F: Scalar>(gradient: &[F]) -> f64 {
    norm_of_parts(gradient, std::slice::from_ref(&(0..gradient.len())))
}

/// The norm of a gradient that is 0 outside of some parts, summed in their order.
pub(super) fn norm_of_parts<F: Scalar>(gradient: &[F], parts: &[Range<usize>]) -> f64 {
    let sum = dispatch(SumOfSquares { gradient, parts });
    if sum.is_nan() || (LEAST_SUM..f64::INFINITY).contains(&sum) {
        return sum.sqrt();
    }
    // Squares leave the range of f64 long before the numbers do, at 1e154 and 1e-162.
    let largest = largest_of_parts([gradient], parts)[0];
    if largest == 0.0 || largest.is_nan() {
        return sum.sqrt();
    }
    let relative = parts.iter().flat_map(|part| &gradient[part.clone()]).map(|g| g.to_f64() / largest);
    largest * relative.map(|share| share * share).sum::<f64>().sqrt()
}

/// Below this a sum of squares may have lost digits to underflow.
const LEAST_SUM: f64 = 1e-280;

/// Σ gᵢ² in `f64`: what [`global_norm`] is made of when the pieces of a gradient lie apart.
///
/// Its bits depend on the slice alone. Sums of several pieces, added in a fixed order, have bits of their
/// own.
///
/// ```
/// use polytask::optim::sum_of_squares;
///
/// assert_eq!(sum_of_squares(&[1.0_f32, 2.0]) + sum_of_squares(&[3.0_f32]), 14.0);
/// ```
pub fn sum_of_squares<F: Scalar>(gradient: &[F]) -> f64 {
    dispatch(SumOfSquares { gradient, parts: std::slice::from_ref(&(0..gradient.len())) })
}

struct SumOfSquares<'a, F> {
    gradient: &'a [F],
    parts: &'a [Range<usize>],
}

impl<F: Scalar> SimdLoop for SumOfSquares<'_, F> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        let mut sum = 0.0;
        for part in self.parts {
            sum += squares(&self.gradient[part.clone()]);
        }
        sum
    }
}

/// Always inlined, or it would miss the instructions of the loop that it is part of.
#[inline(always)]
fn squares<F: Scalar>(gradient: &[F]) -> f64 {
    // Sixteen running sums fill the vector units; a single one would wait for each addition.
    const LANES: usize = 16;
    let (rows, rest) = gradient.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for row in rows {
        for (sum, &g) in sums.iter_mut().zip(row) {
            *sum += g.to_f64() * g.to_f64();
        }
    }
    let tail: f64 = rest.iter().map(|&g| g.to_f64() * g.to_f64()).sum();
    sums.iter().sum::<f64>() + tail
}

/// Whether no number of a gradient is infinite or NaN. A step along any other spoils θ for good, which the loss
/// tells one step too late.
///
/// ```
/// use polytask::optim::all_finite;
///
/// assert!(all_finite(&[1e38_f32, 0.0]));
/// assert!(!all_finite(&[0.0, f64::NAN]) && !all_finite(&[1.0, f32::NEG_INFINITY]));
/// ```
pub fn all_finite<F: Scalar>(gradient: &[F]) -> bool {
    dispatch(AllFinite { gradient })
}

struct AllFinite<'a, F> {
    gradient: &'a [F],
}

impl<F: Scalar> SimdLoop for AllFinite<'_, F> {
    type Output = bool;
    #[inline(always)]
    fn run(self) -> bool {
        // To the end, without a way out: so it becomes vector instructions.
        self.gradient.iter().fold(0_u32, |found, g| found | u32::from(!g.is_finite())) == 0
    }
}

/// The largest magnitude in each of several slices of one length; NaN where a number is not finite.
pub(super) fn largest_of<F: Scalar, const N: usize>(slices: [&[F]; N]) -> [f64; N] {
    slices.map(|numbers| dispatch(Largest { numbers, parts: std::slice::from_ref(&(0..numbers.len())) }))
}

/// The same in some parts of each.
pub(super) fn largest_of_parts<F: Scalar, const N: usize>(
    slices: [&[F]; N],
    parts: &[Range<usize>],
) -> [f64; N] {
    slices.map(|numbers| dispatch(Largest { numbers, parts }))
}

struct Largest<'a, F> {
    numbers: &'a [F],
    parts: &'a [Range<usize>],
}

impl<F: Scalar> SimdLoop for Largest<'_, F> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        // Integers, because what is not finite is above all that is, and comparing them is one instruction.
        let mut bits = F::MagnitudeBits::default();
        for part in self.parts {
            for x in &self.numbers[part.clone()] {
                bits = bits.max(x.magnitude_bits());
            }
        }
        let largest = F::from_magnitude_bits(bits);
        if largest.is_finite() { largest.to_f64() } else { f64::NAN }
    }
}

/// What a gradient of this norm is multiplied by.
pub(super) fn clip_scale(norm: f64, max_norm: f64) -> f64 {
    if norm <= max_norm { 1.0 } else { max_norm / norm }
}
