//! Weights that change slowly, around any method.
//!
//! ```text
//! w ← α w + (1 − α) ŵ        ŵ: the weights that the method gives
//! ```
//!
//! Zhou et al. (On the convergence of stochastic multi-objective gradient manipulation, NeurIPS 2022),
//! algorithm 1: CR-MOGM. w begins at the first ŵ.

use super::setting::require;
use super::{Balance, Domain, Needs, Tasks, Weights};
use crate::Result;

/// A moving mean of a method's weights, for the shared part and the heads alike.
///
/// - Where the method gives weights that do not oppose a task, their mean over steps may.
/// - The weight of a task without labels stands still.
///
/// ```
/// use polytask::balance::{Balance, Balancer, FixedEvidence, ScaleInvariant};
///
/// let mut balancer = Balancer::new(ScaleInvariant::new().smoothed(0.75), 1)?;
/// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[1.0])).shared, [1.0]);
/// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[0.2])).shared, [2.0]);   // ¾ · 1 + ¼ · 5
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Smoothed<B> {
    method: B,
    momentum: f64,
    shared: Vec<f64>,
    own: Vec<f64>,
}

impl<B: Balance> Smoothed<B> {
    /// The weights of `method`, each mixed with `momentum` parts of its last value, α: from 0 to below 1.
    pub fn new(method: B, momentum: f64) -> Self {
        Self { method, momentum, shared: Vec::new(), own: Vec::new() }
    }
}

impl<B: Balance + Clone + 'static> Balance for Smoothed<B> {
    fn needs(&self) -> Needs {
        self.method.needs()
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.method.weigh(tasks, weights);
        for (means, new) in [(&mut self.shared, &mut weights.shared), (&mut self.own, &mut weights.own)] {
            // NaN marks a task that has had no weight yet.
            means.resize(tasks.all(), f64::NAN);
            for (weight, &k) in new.iter_mut().zip(tasks.index()) {
                if !means[k].is_nan() {
                    *weight = self.momentum * means[k] + (1.0 - self.momentum) * *weight;
                }
                means[k] = *weight;
            }
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
        let mut state = self.method.state();
        state.extend([("smoothed weights", &mut self.shared), ("smoothed own weights", &mut self.own)]);
        state
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        let momentum = self.momentum;
        require(
            (0.0..1.0).contains(&momentum),
            "momentum of the weights",
            "a number from 0 to below 1",
            momentum,
        )?;
        self.method.check(n_tasks)
    }
}
