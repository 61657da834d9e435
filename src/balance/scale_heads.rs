//! The choice whether a method's weights scale the heads too.

use super::{Balance, Domain, Needs, Tasks, Weights};
use crate::Result;

/// A method whose heads are scaled as its shared part is, or not at all, whatever its paper does.
///
/// Loss weighting multiplies a whole loss, and so scales its head; gradient surgery changes the gradient of the
/// shared parameters alone. Under Adam the difference nearly vanishes, under SGD it is the head's learning rate.
///
/// ```
/// use polytask::balance::{Balance, Balancer, Fixed, FixedEvidence};
///
/// let mut balancer = Balancer::new(Fixed::new(&[0.5, 2.0]).scale_heads(false), 2)?;
/// let weights = balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
/// assert_eq!((&weights.shared[..], &weights.own[..]), (&[0.5, 2.0][..], &[1.0, 1.0][..]));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScaleHeads<B> {
    method: B,
    scale: bool,
}

impl<B: Balance> ScaleHeads<B> {
    /// `method` with heads scaled (`true`) or left alone (`false`).
    pub fn new(method: B, scale: bool) -> Self {
        Self { method, scale }
    }
}

impl<B: Balance + Clone + 'static> Balance for ScaleHeads<B> {
    fn needs(&self) -> Needs {
        self.method.needs()
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.method.weigh(tasks, weights);
        if self.scale {
            weights.scale_heads();
        } else {
            weights.own.fill(1.0);
        }
    }

    fn after_step(&mut self, tasks: &[usize], losses: &[f64]) {
        self.method.after_step(tasks, losses);
    }

    fn name(&self) -> &'static str {
        self.method.name()
    }

    fn domain(&self, task: usize) -> Domain {
        self.method.domain(task)
    }

    fn end_epoch(&mut self) {
        self.method.end_epoch();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.method.state()
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.method.check(n_tasks)
    }
}
