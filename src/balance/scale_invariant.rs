//! The gradient of the sum of the logarithms of the losses.
//!
//! ```text
//! objective Σ cₖ log Lₖ,   wₖ = cₖ / Lₖ
//! ```
//!
//! The scale-invariant baseline of Navon et al. (Multi-Task Learning as a Bargaining Game, ICML 2022); c = 1.
//! A loss that is multiplied by a constant gives the same step.

use super::preference::Preference;
use super::{Balance, Domain, Needs, Tasks, Weights, positive};
use crate::Result;

/// Each loss relative to its own size.
///
/// - Heads: scaled like the shared part. Scale: Σ w = Σ 1 / L, so steps grow as losses shrink.
/// - For losses of 0 or more: one of 0 counts as 10⁻³⁰.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, ScaleInvariant};
///
/// let mut balancer = Balancer::new(ScaleInvariant::new(), 2)?;
/// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5])).shared, [0.25, 2.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScaleInvariant {
    preference: Preference,
}

impl ScaleInvariant {
    /// Every task matters alike.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much each task matters, c, one number for each, at least 0; default: 1 each.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, ScaleInvariant};
    /// let mut balancer = Balancer::new(ScaleInvariant::new().preference(&[1.0, 3.0]), 2)?;
    /// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5])).shared, [0.25, 6.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }
}

impl Balance for ScaleInvariant {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        for ((weight, &k), &loss) in weights.shared.iter_mut().zip(tasks.index()).zip(tasks.losses()) {
            *weight = self.preference.of(k, 1.0) / positive(loss);
        }
        weights.scale_heads();
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.preference.check(n_tasks, "preference of scale-invariant weights")
    }
}
