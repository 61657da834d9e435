//! Whether a scalar type can tell the numbers of a column apart.
//!
//! An `f32` has 24 bits: near 1.7·10⁹, seconds since 1970, its values lie 128 apart, and near 10⁹ any ten neighbouring
//! identifiers are one. A column that varies little around a large number therefore comes out coarse, or constant:
//!
//! ```text
//! loss = √( mean (x − fl(x))² ) / std(x)        fl(x): x rounded to the scalar type
//! ```
//!
//! A column is coarse where rounding takes more than a thousandth of its deviation. Subtracting a number near the column
//! in `f64` brings all of it back.

use ndarray::ArrayView1;

use crate::{Error, ErrorKind, Result, Scalar};

/// The largest share of a column's deviation that rounding may take.
pub(super) const MOST: f64 = 1e-3;

/// Whether rounding to `F` takes more of the deviation of `numbers` than it may. NaN is passed over.
pub(super) fn is_coarse<F: Scalar>(numbers: &[f64]) -> bool {
    let present = || numbers.iter().copied().filter(|x| !x.is_nan());
    let n = present().count() as f64;
    // Divided before they are summed, so that no sum overflows.
    let mean = present().map(|x| x / n).sum::<f64>();
    let largest = present().map(|x| (x - mean).abs()).fold(0.0, f64::max);
    // What is beyond the range of the type is another fault.
    let fits = || present().all(|x| F::from_f64(x).is_finite());
    if largest == 0.0 || !largest.is_finite() || !fits() {
        return false;
    }
    let square = |x: f64| (x / largest) * (x / largest);
    let spread = present().map(|x| square(x - mean)).sum::<f64>();
    let lost = present().map(|x| square(x - F::from_f64(x).to_f64())).sum::<f64>();
    lost > MOST * MOST * spread
}

/// A number to subtract from a column that is coarse in `f32`: its smallest, if all become small enough by that.
#[cfg(feature = "csv")]
pub(super) fn base(numbers: &[f64]) -> Option<f64> {
    let smallest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let is_better = || !is_coarse::<f32>(&numbers.iter().map(|x| x - smallest).collect::<Vec<_>>());
    (is_coarse::<f32>(numbers) && is_better()).then_some(smallest)
}

/// Fails if `F` cannot tell the numbers of the column at `place` apart.
pub(super) fn check<F: Scalar>(place: impl std::fmt::Display, numbers: &[f64]) -> Result<()> {
    match is_coarse::<F>(numbers) {
        false => Ok(()),
        true => {
            let smallest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Err(too_close(F::NAME, place, smallest, largest))
        }
    }
}

/// The error of numbers that a scalar type cannot tell apart.
pub(super) fn too_close(scalar: &str, place: impl std::fmt::Display, smallest: f64, largest: f64) -> Error {
    let expected = format!("numbers that {scalar} can tell apart");
    let found = format!("numbers from {smallest} to {largest}, which lie too close together");
    Error::new(ErrorKind::Value, place, expected, found)
        .advise("use f64, or subtract a base: the smallest of them, say")
}

/// Whether a column looks as if it had been rounded to `F` from numbers that `F` cannot tell apart.
pub(super) fn is_rounded<F: Scalar>(column: ArrayView1<'_, F>) -> bool {
    let largest = column.iter().map(|x| x.to_f64().abs()).fold(0.0, f64::max);
    let digits = if F::NAME == "f32" { f32::MANTISSA_DIGITS } else { f64::MANTISSA_DIGITS } as i32;
    let exact = 2.0_f64.powi(digits);
    // Whole numbers up to there are exact, and may well be neighbours.
    if largest < exact && column.iter().all(|x| x.to_f64().fract() == 0.0) {
        return false;
    }
    let step = 2.0_f64.powi(largest.log2().floor() as i32 + 1 - digits);
    let low = column.iter().map(|x| x.to_f64()).fold(f64::INFINITY, f64::min);
    let high = column.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    if low == high || high - low > STEPS * step {
        return false;
    }
    let mut sorted: Vec<f64> = column.iter().map(|x| x.to_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    sorted.windows(2).any(|pair| pair[1] - pair[0] <= step)
}

/// A column that spans fewer steps of its type has been rounded by more than a thousandth of its deviation, if at all.
const STEPS: f64 = 1000.0;
