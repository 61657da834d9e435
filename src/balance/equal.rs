//! The same weight for every task.
//!
//! ```text
//! wₖ = 1   (sum)      wₖ = 1 / K   (mean)
//! ```
//!
//! The plain sum with ordinary regularisation keeps up with the specialised methods in the study of Kurin et
//! al. (NeurIPS 2022, arXiv 2201.04122): it is what any other method has to beat.

use super::{Balance, Needs, Tasks, Weights};

/// The gradient of the sum, or of the mean, of the losses.
///
/// - Heads: scaled like the shared part. Scale: Σ w = K (sum) or 1 (mean).
/// - Opposite gradients cancel as they may; a task with a large loss or gradient drowns the others.
/// - The mean is over the tasks that have labels in the batch.
///
/// ```
/// use polytask::balance::{Balancer, Equal, FixedEvidence};
///
/// let mut evidence = FixedEvidence::from_losses(&[3.0, 1.0]);
/// assert_eq!(Balancer::new(Equal::sum(), 2)?.weights(&mut evidence).shared, [1.0, 1.0]);
/// assert_eq!(Balancer::new(Equal::mean(), 2)?.weights(&mut evidence).shared, [0.5, 0.5]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Equal {
    mean: bool,
}

impl Equal {
    /// Weight 1 each.
    pub fn sum() -> Self {
        Self { mean: false }
    }

    /// Weight 1 / K each.
    pub fn mean() -> Self {
        Self { mean: true }
    }
}

impl Balance for Equal {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        if self.mean {
            weights.shared.fill(1.0 / tasks.len() as f64);
            weights.scale_heads();
        }
    }
}
