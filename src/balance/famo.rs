//! Weights that make all losses fall at one rate, learned from what each step did.
//!
//! ```text
//! z = softmax(ξ),   Dₖ = Lₖ − bₖ,   wₖ = c zₖ / Dₖ   with c such that Σ w = 1
//! after the step, on the same batch:   δₖ = log Dₖ(before) − log Dₖ(after)
//! gradient of ξ:   zₖ (δₖ − Σ zₗ δₗ) + γ ξₖ
//! ```
//!
//! Liu, Feng, Stone and Liu (FAMO, NeurIPS 2023), algorithm 2. The gradient is that of `Σ zₖ δₖ`, the mean rate
//! of improvement: ξ moves against it, towards the tasks that improve least. Defaults: b = 0, the step of ξ is
//! Adam's with learning rate 0.025, and γ = 10⁻³. Published code has γ between 0 and 10⁻².

use super::setting::{require_not_negative, require_one_each, require_positive};
use super::solver::{Learned, softmax};
use super::{Balance, Domain, Needs, Tasks, Weights, positive};
use crate::Result;

/// Fast adaptive multitask optimisation.
///
/// - Heads: scaled like the shared part. Scale: Σ w = 1. One task: weight 1.
/// - Needs the losses of the same batch after the step ([`Balancer::after_step`](super::Balancer::after_step)):
///   one more forward pass. Without them ξ never moves.
/// - For losses not below their bounds b; one at its bound counts as 10⁻³⁰ above it.
/// - γ belongs to the gradient of ξ, before Adam's scaling; a decoupled decay is another method.
///
/// ```
/// use polytask::balance::{Balancer, Famo, FixedEvidence};
///
/// let mut balancer = Balancer::new(Famo::new(), 2)?;
/// balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
/// balancer.after_step(&[0.5, 1.0]);                           // the step served the first task alone
/// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0])).shared;
/// assert!(weights[0] < weights[1]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Famo {
    logits: Learned,
    bounds: Option<Vec<f64>>,
    decay: f64,
    /// The logarithm of D before the step, one for each of all tasks.
    before: Vec<f64>,
    z: Vec<f64>,
    delta: Vec<f64>,
    gradient: Vec<f64>,
}

impl Default for Famo {
    fn default() -> Self {
        let [before, z, delta, gradient] = [const { Vec::new() }; 4];
        Self { logits: Learned::new(0.0, 0.025), bounds: None, decay: 1e-3, before, z, delta, gradient }
    }
}

impl Famo {
    /// Bounds 0, learning rate 0.025, γ = 10⁻³.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the lower bounds b of the losses, one for each task; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, Famo, FixedEvidence};
    /// let mut balancer = Balancer::new(Famo::new().bounds(&[0.5, 0.0]), 2)?;
    /// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0])).shared;
    /// assert!((weights[0] - 2.0 / 3.0).abs() < 1e-12); // D = (0.5, 1): the first is nearer to its bound
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn bounds(mut self, bounds: &[f64]) -> Self {
        self.bounds = Some(bounds.to_vec());
        self
    }

    /// Sets γ, the pull of ξ towards 0 and so of z towards 1 / K, at least 0; default: 10⁻³.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, Famo, FixedEvidence};
    /// // The weight of the first task after 100 steps that served the second alone.
    /// let weight = |decay| {
    ///     let mut balancer = Balancer::new(Famo::new().decay(decay), 2)?;
    ///     for _ in 0..100 {
    ///         balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
    ///         balancer.after_step(&[1.0, 0.5]);
    ///     }
    ///     Ok::<_, polytask::Error>(balancer.last().shared[0])
    /// };
    /// assert!(weight(0.0)? > 0.9 && weight(0.5)? < 0.8);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// Sets the learning rate of ξ, above 0; default: 0.025.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, Famo, FixedEvidence};
    /// let mut balancer = Balancer::new(Famo::new().learning_rate(0.1), 2)?;
    /// balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
    /// balancer.after_step(&[1.0, 0.5]);
    /// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0])).shared;
    /// let apart = (weights[0] / weights[1]).ln(); // Adam's first step moves each ξ by its learning rate
    /// assert!((apart - 0.2).abs() < 1e-6);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.logits.learning_rate = learning_rate;
        self
    }

    /// D, the loss above its bound.
    fn above(&self, k: usize, loss: f64) -> f64 {
        positive(loss - self.bound(k))
    }

    /// b.
    fn bound(&self, k: usize) -> f64 {
        self.bounds.as_ref().map_or(0.0, |bounds| bounds.get(k).copied().unwrap_or(0.0))
    }
}

/// The gradient of `Σ zₖ δₖ` with respect to ξ, where `z = softmax(ξ)`.
fn gradient(z: &[f64], delta: &[f64], gradient: &mut [f64]) {
    let mean: f64 = z.iter().zip(delta).map(|(z, d)| z * d).sum();
    for ((gradient, z), d) in gradient.iter_mut().zip(z).zip(delta) {
        *gradient = z * (d - mean);
    }
}

impl Balance for Famo {
    fn needs(&self) -> Needs {
        Needs::LOSSES_AFTER_STEP
    }

    fn domain(&self, task: usize) -> Domain {
        Domain::AtLeast(self.bound(task))
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.logits.ready(tasks.all());
        self.before.resize(tasks.all(), 0.0);
        for (&k, &loss) in tasks.index().iter().zip(tasks.losses()) {
            self.before[k] = self.above(k, loss).ln();
        }
        // c z / D is the softmax of ξ − log D.
        softmax(tasks.index().iter().map(|&k| self.logits.of(k) - self.before[k]), &mut weights.shared);
        weights.scale_heads();
    }

    fn after_step(&mut self, tasks: &[usize], losses: &[f64]) {
        for list in [&mut self.z, &mut self.delta, &mut self.gradient] {
            list.clear();
            list.resize(tasks.len(), 0.0);
        }
        softmax(tasks.iter().map(|&k| self.logits.of(k)), &mut self.z);
        for (i, (&k, &loss)) in tasks.iter().zip(losses).enumerate() {
            self.delta[i] = self.before[k] - self.above(k, loss).ln();
        }
        gradient(&self.z, &self.delta, &mut self.gradient);
        for (&k, gradient) in tasks.iter().zip(&self.gradient) {
            self.logits.step(k, gradient + self.decay * self.logits.of(k));
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.logits.state("logits")
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_positive(self.logits.learning_rate, "learning rate of FAMO")?;
        require_not_negative(self.decay, "decay of FAMO")?;
        self.bounds.as_ref().map_or(Ok(()), |bounds| require_one_each(bounds, n_tasks, "bounds of FAMO"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_mean_rate() {
        let (xi, delta) = ([0.3, -1.2, 0.5], [0.01, -0.2, 0.4]);
        let rate = |xi: &[f64; 3]| {
            let mut z = [0.0; 3];
            softmax(xi.iter().copied(), &mut z);
            z.iter().zip(&delta).map(|(z, d)| z * d).sum::<f64>()
        };
        let (mut z, mut by_hand) = ([0.0; 3], [0.0; 3]);
        softmax(xi.iter().copied(), &mut z);
        gradient(&z, &delta, &mut by_hand);
        for k in 0..3 {
            let (mut up, mut down) = (xi, xi);
            up[k] += 1e-5;
            down[k] -= 1e-5;
            let numeric = (rate(&up) - rate(&down)) / 2e-5;
            // Truncation and rounding are both of order 1e-11.
            assert!((by_hand[k] - numeric).abs() < 1e-10);
        }
    }
}
