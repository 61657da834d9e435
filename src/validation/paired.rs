//! The mean of paired differences between contenders on the same folds, its interval and its p-value.
//!
//! ```text
//! d̄ = (1/n) Σ dᵢ      s² = (1/(n − 1)) Σ (dᵢ − d̄)²
//! t = d̄ / √((1/n + ρ) s²)      with n − 1 degrees of freedom      ρ = mean of held-out rows / training rows
//! ```
//! C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003: see
//! [`Comparison`](super::Comparison).

use super::student::{quantile, within};

/// What `n` differences say of their mean; what is undefined for so few is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    pub n: usize,
    pub mean: Option<f64>,
    pub interval: Option<(f64, f64)>,
    pub p: Option<f64>,
}

/// `values` are differences, each with its fold's quotient of held-out rows and training rows.
pub(crate) fn paired(values: &[(f64, f64)], level: f64) -> Paired {
    let n = values.len();
    let mean = (n > 0).then(|| values.iter().map(|(d, _)| d).sum::<f64>() / n as f64);
    let (mut interval, mut p) = (None, None);
    if let Some(mean) = mean.filter(|_| n > 1) {
        let squares: f64 = values.iter().map(|(d, _)| (d - mean) * (d - mean)).sum();
        let rho = values.iter().map(|(_, share)| share).sum::<f64>() / n as f64;
        let error = ((1.0 / n as f64 + rho) * squares / (n - 1) as f64).sqrt();
        let half = quantile(level, n - 1) * error;
        interval = Some((mean - half, mean + half));
        // Without any spread, a difference of 0 is none, and any other is beyond doubt.
        p = Some(if mean == 0.0 { 1.0 } else { 1.0 - within(mean / error, n - 1) });
    }
    Paired { n, mean, interval, p }
}
