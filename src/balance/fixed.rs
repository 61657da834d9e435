//! Weights chosen by hand: `wₖ = cₖ`.

use super::setting::require_one_each;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// Weights that never change.
///
/// - Heads: scaled like the shared part. Scale: Σ w is what the weights sum to.
/// - A task without labels has weight 0; the others keep theirs.
///
/// ```
/// use polytask::balance::{Balancer, Fixed, FixedEvidence};
///
/// let mut balancer = Balancer::new(Fixed::new(&[1.0, 0.3]), 2)?;
/// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[5.0, 5.0])).own, [1.0, 0.3]);
/// assert!(Balancer::new(Fixed::new(&[1.0, 0.3]), 3).is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fixed {
    weights: Vec<f64>,
}

impl Fixed {
    /// These weights, one finite number for each task.
    pub fn new(weights: &[f64]) -> Self {
        Self { weights: weights.to_vec() }
    }
}

impl Balance for Fixed {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        for (weight, &k) in weights.shared.iter_mut().zip(tasks.index()) {
            *weight = self.weights[k];
        }
        weights.scale_heads();
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_one_each(&self.weights, n_tasks, "fixed weights")
    }
}
