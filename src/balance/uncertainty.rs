//! Weights from learned noise levels.
//!
//! ```text
//! objective Σ aₖ exp(−sₖ) Lₖ + ½ sₖ,      sₖ = log σₖ²
//! wₖ = aₖ exp(−sₖ)
//! ∂/∂sₖ = ½ − aₖ exp(−sₖ) Lₖ
//! ```
//!
//! Kendall, Gal and Cipolla (CVPR 2018), equation 7: a = ½ where the loss is a squared error, and equation 10:
//! a = 1 where it is a cross entropy. Defaults: a = ½, s begins at 0 (the weights begin at ½); its own Adam
//! has learning rate 0.025, as in the comparison of Navon et al. (2022). LibMTL begins at s = −½.

use super::setting::{require, require_positive};
use super::solver::Learned;
use super::{Balance, Domain, Needs, Tasks, Weights};
use crate::Result;

/// Uncertainty weighting: one learned log-variance for each task.
///
/// - Heads: scaled like the shared part. Scale: at rest wₖ = 1 / (2 Lₖ), the scale-invariant weights halved.
/// - One task: weighted too.
/// - For losses of 0 or more: one below 10⁻⁸ counts as 10⁻⁸, so that no weight rests above 10⁸, from which it would
///   take s thousands of steps to come back. Standardise targets in units so small.
/// - It is a mistake for a loss with a variance of its own, such as [`Loss::Gaussian`](crate::loss::Loss::Gaussian): the
///   head learns there what s would learn, and the loss can be negative, for which no s is best. A training refuses it.
/// - The log-variances are no parameters of the network: no weight decay touches them. (In reference code
///   they are stepped by the model's optimiser, decay included.)
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Uncertainty};
///
/// let mut balancer = Balancer::new(Uncertainty::new(), 2)?;
/// for _ in 0..2_000 {
///     balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5]));
/// }
/// let weights = &balancer.last().shared;
/// assert!((weights[0] - 1.0 / 8.0).abs() < 1e-3 && (weights[1] - 1.0).abs() < 1e-3);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Uncertainty {
    log_variance: Learned,
    classification: Vec<usize>,
}

impl Default for Uncertainty {
    fn default() -> Self {
        Self { log_variance: Learned::new(0.0, 0.025), classification: Vec::new() }
    }
}

impl Uncertainty {
    /// All tasks are of regression and s begins at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the tasks whose loss is a cross entropy, by their places, counted from 0: their a is 1.
    /// [`begin_at`](Self::begin_at) shows it.
    #[must_use]
    pub fn classification(mut self, tasks: &[usize]) -> Self {
        self.classification = tasks.to_vec();
        self
    }

    /// Sets where the log-variances begin, from −50 to 50; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, Uncertainty};
    /// let method = Uncertainty::new().classification(&[1]).begin_at(-0.5);
    /// let mut balancer = Balancer::new(method, 2)?;
    /// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0])).shared;
    /// let begin = 0.5_f64.exp(); // a exp(−s): a is ½ for the first task and 1 for the second
    /// assert!((weights[0] - 0.5 * begin).abs() < 1e-12 && (weights[1] - begin).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn begin_at(mut self, log_variance: f64) -> Self {
        self.log_variance.initial = log_variance;
        self
    }

    /// Sets the learning rate of the log-variances, above 0; default: 0.025.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, Uncertainty};
    /// let mut balancer = Balancer::new(Uncertainty::new().learning_rate(0.1), 1)?;
    /// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[4.0])).shared, [0.5]);
    /// let weight = balancer.weights(&mut FixedEvidence::from_losses(&[4.0])).shared[0];
    /// assert!(((weight / 0.5).ln() + 0.1).abs() < 1e-6); // Adam's first step moves s by 0.1
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.log_variance.learning_rate = learning_rate;
        self
    }

    fn share(&self, task: usize) -> f64 {
        if self.classification.contains(&task) { 1.0 } else { 0.5 }
    }
}

/// The least loss that a log-variance comes to rest for.
const LEAST_LOSS: f64 = 1e-8;

/// The weight of a loss, which is also its factor in the objective `w L + ½ s`.
fn weight(share: f64, s: f64) -> f64 {
    share * (-s).exp()
}

/// The derivative of the objective of one task with respect to s.
fn gradient(share: f64, s: f64, loss: f64) -> f64 {
    0.5 - weight(share, s) * loss
}

impl Balance for Uncertainty {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.log_variance.ready(tasks.all());
        for ((w, &k), &loss) in weights.shared.iter_mut().zip(tasks.index()).zip(tasks.losses()) {
            let (share, s) = (self.share(k), self.log_variance.of(k));
            *w = weight(share, s);
            self.log_variance.step(k, gradient(share, s, loss.max(LEAST_LOSS)));
        }
        weights.scale_heads();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.log_variance.state("log variance")
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require(
            self.classification.iter().all(|&k| k < n_tasks),
            "classification tasks of uncertainty weighting",
            &format!("places below {n_tasks}"),
            &self.classification,
        )?;
        let begin = self.log_variance.initial;
        require(
            begin.abs() <= 50.0,
            "first log-variance of uncertainty weighting",
            "a number from -50 to 50",
            begin,
        )?;
        require_positive(self.log_variance.learning_rate, "learning rate of uncertainty weighting")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let objective = |share: f64, s: f64, loss: f64| weight(share, s) * loss + 0.5 * s;
        for (share, s, loss) in [(0.5, 0.0, 2.0), (1.0, -1.3, 0.4), (0.5, 2.1, 30.0)] {
            let h = 1e-5;
            let numeric = (objective(share, s + h, loss) - objective(share, s - h, loss)) / (2.0 * h);
            // Truncation h²/6 · w L ≤ 3e-10, rounding 1e-16 · w L / h ≤ 2e-10.
            assert!((gradient(share, s, loss) - numeric).abs() < 1e-9);
        }
    }
}
