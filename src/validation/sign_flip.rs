//! The exact sign-flip test: are differences on independent draws more than chance?
//!
//! ```text
//! p = (number of signs s ∈ {−1, 1}ⁿ with |Σ sᵢ dᵢ| ≥ |Σ dᵢ|) / 2ⁿ
//! ```
//! If neither contender is better, a difference is as likely to be d as −d, and all 2ⁿ choices of signs are equally likely.
//! Nothing else is assumed, so it is exact for any n, but only where differences are independent of each other: one of
//! each of several tables, drawn or collected apart. Folds of one table share training rows and are not; for them there is
//! [`Comparison`](super::Comparison). R. A. Fisher, "The Design of Experiments", 1935, section 21.

use crate::{Error, ErrorKind, Result};

/// The most differences: 2²³ sums take a fraction of a second.
const MOST: usize = 24;

/// What [`sign_flip`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SignFlip {
    /// The two-sided p-value of "neither is better".
    pub p: f64,
    /// The smallest that could have come out of differences of these sizes: if all had the same sign.
    pub smallest_p: f64,
    /// The mean difference.
    pub mean: f64,
    /// How many there are.
    pub n: usize,
}

/// The exact sign-flip test of differences between two contenders, **one from each of several independent draws** (tables
/// that were drawn or collected apart), never from folds of one table.
///
/// ```
/// use polytask::validation::sign_flip;
///
/// let found = sign_flip(&[0.3, 0.1, 0.4, -0.1, 0.5])?;
/// assert_eq!(found.p, 0.1875); // 6 of 32 choices of signs have a sum at least as far from 0
/// assert_eq!(found.smallest_p, 0.0625);                       // 2 of 32: with five draws 5 % is out of reach
/// assert!(sign_flip(&[]).is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Shape`] if there is none, or more than 24, of which there are too many signs to try;
/// [`ErrorKind::Value`] if one is not finite.
pub fn sign_flip(differences: &[f64]) -> Result<SignFlip> {
    let n = differences.len();
    if !(1..=MOST).contains(&n) {
        let expected = format!("1 to {MOST}");
        return Err(Error::new(ErrorKind::Shape, "differences of a sign-flip test", expected, n));
    }
    if let Some((i, d)) = differences.iter().enumerate().find(|(_, d)| !d.is_finite()) {
        let place = format!("difference {i} of a sign-flip test");
        return Err(Error::new(ErrorKind::Value, place, "a finite number", d));
    }
    // So that no sum overflows.
    let largest = differences.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
    let sizes: Vec<f64> = differences.iter().map(|d| if largest > 0.0 { d / largest } else { 0.0 }).collect();
    let observed = sizes.iter().sum::<f64>().abs();
    // A sum of n numbers of size at most 1 is off by less than n² roundings of 1.1e-16.
    let rounding = (n * n) as f64 * f64::EPSILON;
    // All signs at once reversed give the same size, so that the first may keep its own.
    let n_signs = 1_u32 << (n - 1);
    let is_as_far = |signs: &u32| {
        let signed =
            |(i, size): (usize, &f64)| if i > 0 && signs >> (i - 1) & 1 == 1 { -size } else { *size };
        sizes.iter().enumerate().map(signed).sum::<f64>().abs() >= observed - rounding
    };
    let n_far = (0..n_signs).filter(is_as_far).count();
    let n_other = differences.iter().filter(|d| **d != 0.0).count();
    Ok(SignFlip {
        p: n_far as f64 / f64::from(n_signs),
        smallest_p: if n_other == 0 { 1.0 } else { 2.0 * 0.5_f64.powi(n_other as i32) },
        mean: largest * sizes.iter().sum::<f64>() / n as f64,
        n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue`, SciPy 1.17.1.
    #[test]
    fn p_values_are_those_of_scipy() {
        for (differences, expected) in [
            (vec![1.0, 2.0, -0.5], 0.5),
            (vec![0.2, -0.7, 1.1, 0.9, 0.4, -0.3], 0.375),
            (vec![1.5, 0.3, 2.2, 0.8, 1.9, 0.05, 1.1, 0.6], 0.0078125),
            (vec![-1e200, -3e200, -2e200], 0.25),
        ] {
            let found = sign_flip(&differences).expect("finite");
            assert_eq!(found.p, expected, "{differences:?}");
            assert!(found.smallest_p <= found.p);
        }
    }

    #[test]
    fn what_is_no_difference_counts_for_nothing() {
        let zeros = sign_flip(&[0.0, 0.0, 0.0]).expect("finite");
        assert_eq!((zeros.p, zeros.smallest_p, zeros.mean), (1.0, 1.0, 0.0));
        let with = sign_flip(&[0.0, 1.0, 2.0, 0.0]).expect("finite");
        let without = sign_flip(&[1.0, 2.0]).expect("finite");
        assert_eq!((with.p, with.smallest_p), (without.p, without.smallest_p));
        assert_eq!(sign_flip(&[2.0]).expect("finite").p, 1.0);
        assert_eq!(sign_flip(&[0.1; 24]).expect("finite").p, 2.0 / f64::from(1 << 24));
        assert_eq!(sign_flip(&[f64::NAN]).expect_err("undefined").kind(), ErrorKind::Value);
        assert_eq!(sign_flip(&[1.0; 25]).expect_err("too many").kind(), ErrorKind::Shape);
    }
}
