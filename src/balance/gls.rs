//! The gradient of the geometric mean of the losses.
//!
//! ```text
//! objective (Π Lₖ)^(1/K),   wₖ = (Π L)^(1/K) / (K Lₖ)
//! ```
//!
//! Chennupati et al. (MultiNet++, CVPR workshops 2019), equation 2. The product is formed from logarithms, so
//! that it neither overflows nor vanishes.

use super::{Balance, Domain, Needs, Tasks, Weights, positive};

/// Geometric loss strategy: the scale-invariant weights, times the geometric mean of the losses.
///
/// - Heads: scaled like the shared part. Scale: Σ wₖ Lₖ is the geometric mean itself; for equal losses Σ w = 1.
/// - One task: weight 1. For losses of 0 or more: one of 0 counts as 10⁻³⁰.
///
/// ```
/// use polytask::balance::{Balancer, Gls, FixedEvidence};
///
/// let mut balancer = Balancer::new(Gls::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 1.0])).shared;
/// assert!((weights[0] - 0.25).abs() < 1e-12 && (weights[1] - 1.0).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gls;

impl Gls {
    /// The method has no settings.
    pub fn new() -> Self {
        Self
    }
}

impl Balance for Gls {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let n = tasks.len() as f64;
        let mean_log = tasks.losses().iter().map(|&loss| positive(loss).ln()).sum::<f64>() / n;
        for (weight, &loss) in weights.shared.iter_mut().zip(tasks.losses()) {
            *weight = (mean_log - positive(loss).ln()).exp() / n;
        }
        weights.scale_heads();
    }
}
