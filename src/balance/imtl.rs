//! Impartial multi-task learning: learned scales for the losses, equal projections for the gradients.
//!
//! ```text
//! IMTL-L   objective Σ exp(sₖ) Lₖ − sₖ,   wₖ = exp(sₖ),   ∂/∂sₖ = exp(sₖ) Lₖ − 1
//! IMTL-G   Σ w = 1 such that d has the same projection on every unit gradient:  w ∝ G⁺ (‖∇₁‖ … ‖∇_K‖)ᵀ
//! IMTL     G on the gradients of the losses that L has scaled
//! ```
//!
//! Liu et al. (Towards impartial multi-task learning, ICLR 2021), equations 5 and 7. The paper inverts a matrix
//! of differences; the form with the pseudo-inverse (Quinton and Rey, arXiv 2406.16232) is equal to it for
//! independent gradients. For dependent ones the two part: three gradients in a plane can have equal projections
//! on d = 0 alone, which is the paper's answer; the pseudo-inverse comes as near to equal projections as it can.
//! s begins at 0; its Adam has learning rate 0.025, as for uncertainty weighting.

use super::setting::require_positive;
use super::solver::{Eigen, Learned};
use super::{Balance, Domain, Gramian, Needs, Tasks, Weights};
use crate::Result;

/// The impartial direction: all gradients have the same projection on it.
///
/// - Heads: not scaled. Scale: Σ w = 1. One task: weight 1.
/// - Two tasks: w = (‖∇₂‖, ‖∇₁‖) / (‖∇₁‖ + ‖∇₂‖), so that opposite gradients cancel.
/// - From three tasks on weights may be negative, and d may oppose the gradients of all tasks at once: only
///   the size of the projections is equal.
/// - Parallel gradients and others that depend on each other: the pseudo-inverse gives the weights of least
///   length. If these sum to zero, as for three gradients whose projections cannot be equal, d = 0.
/// - A task with a zero gradient is left out.
///
/// ```
/// use polytask::balance::{Balancer, ImtlG, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(ImtlG::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]])).shared;
/// assert!((weights[0] - 0.25).abs() < 1e-12 && (weights[1] - 0.75).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ImtlG {
    eigen: Eigen,
    norms: Vec<f64>,
}

impl ImtlG {
    /// The method has no settings.
    pub fn new() -> Self {
        Self::default()
    }

    fn weights_from(&mut self, g: &Gramian, weights: &mut [f64]) {
        let n = g.len();
        if n <= 2 {
            of_two(g.norm(0), g.norm(n - 1), weights);
            return;
        }
        self.norms.clear();
        self.norms.extend((0..n).map(|k| g.norm(k)));
        self.eigen.decompose(n, |k, l| g[[k, l]]);
        self.eigen.apply(f64::recip, &self.norms, weights);
        let sum: f64 = weights.iter().sum();
        let size: f64 = weights.iter().map(|w| w.abs()).sum();
        for weight in weights {
            *weight = if sum.abs() > 1e-10 * size { *weight / sum } else { 0.0 };
        }
    }
}

/// The weights of two gradients with norms `a` and `b`, or of one.
fn of_two(a: f64, b: f64, weights: &mut [f64]) {
    match weights {
        [w0, w1] if a > 0.0 && b > 0.0 => (*w0, *w1) = (b / (a + b), a / (a + b)),
        [w0, w1] if a + b > 0.0 => (*w0, *w1) = if a > 0.0 { (1.0, 0.0) } else { (0.0, 1.0) },
        all => all.fill(1.0 / all.len() as f64),
    }
}

impl Balance for ImtlG {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.weights_from(tasks.gramian(), &mut weights.shared);
    }
}

/// Learned scales that bring every loss to the same size.
///
/// - Heads: scaled like the shared part. Scale: at rest wₖ = 1 / Lₖ. One task: weighted too.
/// - It is uncertainty weighting with the sign of s reversed and the objective doubled.
/// - For losses of 0 or more: one below 10⁻⁸ counts as 10⁻⁸, so that no weight rests above 10⁸, from which it would
///   take s thousands of steps to come back. Standardise targets in units so small.
///
/// ```
/// use polytask::balance::{Balancer, ImtlL, FixedEvidence};
///
/// let mut balancer = Balancer::new(ImtlL::new(), 2)?;
/// for _ in 0..2_000 {
///     balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5]));
/// }
/// let weights = &balancer.last().shared;
/// assert!((weights[0] - 0.25).abs() < 1e-3 && (weights[1] - 2.0).abs() < 1e-3);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImtlL {
    scales: Learned,
}

impl Default for ImtlL {
    fn default() -> Self {
        Self { scales: Learned::new(0.0, 0.025) }
    }
}

impl ImtlL {
    /// Scales that begin at 1 and learn at the rate 0.025.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the learning rate of s, above 0; default: 0.025.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, ImtlL, FixedEvidence};
    /// let mut balancer = Balancer::new(ImtlL::new().learning_rate(0.1), 2)?;
    /// assert_eq!(balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5])).shared, [1.0, 1.0]);
    /// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5])).shared;
    /// assert!((weights[0].ln() + 0.1).abs() < 1e-6 && (weights[1].ln() - 0.1).abs() < 1e-6);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.scales.learning_rate = learning_rate;
        self
    }
}

/// The least loss that a scale comes to rest for.
const LEAST_LOSS: f64 = 1e-8;

/// The derivative of `exp(s) L − s` with respect to s.
fn gradient(s: f64, loss: f64) -> f64 {
    s.exp() * loss - 1.0
}

impl Balance for ImtlL {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.scales.ready(tasks.all());
        for ((weight, &k), &loss) in weights.shared.iter_mut().zip(tasks.index()).zip(tasks.losses()) {
            let s = self.scales.of(k);
            *weight = s.exp();
            self.scales.step(k, gradient(s, loss.max(LEAST_LOSS)));
        }
        weights.scale_heads();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.scales.state("log scale")
    }

    fn check(&self, _: usize) -> Result<()> {
        require_positive(self.scales.learning_rate, "learning rate of IMTL-L")
    }
}

/// Both: [`ImtlL`] scales the losses, [`ImtlG`] combines the gradients of the scaled losses.
///
/// - Heads: scaled by exp(s) alone. Scale: Σ wₖ exp(−sₖ) = 1 on the shared part. Losses: as for [`ImtlL`].
///
/// ```
/// use polytask::balance::{Balancer, Imtl, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]]).with_losses(&[1.0, 1.0]);
/// let mut balancer = Balancer::new(Imtl::new(), 2)?;
/// let weights = balancer.weights(&mut evidence);
/// assert_eq!(weights.own, [1.0, 1.0]);
/// assert!((weights.shared[0] - 0.25).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Imtl {
    losses: ImtlL,
    gradients: ImtlG,
    scaled: Gramian,
}

impl Imtl {
    /// The two methods with their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the learning rate of s, above 0; default: 0.025.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, Imtl, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]]).with_losses(&[4.0, 0.5]);
    /// let mut balancer = Balancer::new(Imtl::new().learning_rate(0.1), 2)?;
    /// balancer.weights(&mut evidence);
    /// let own = &balancer.weights(&mut evidence).own; // exp(s), after one step of Adam
    /// assert!((own[0].ln() + 0.1).abs() < 1e-6 && (own[1].ln() - 0.1).abs() < 1e-6);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.losses = self.losses.learning_rate(learning_rate);
        self
    }
}

impl Balance for Imtl {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.losses.weigh(tasks, weights);
        self.scaled.rescale(tasks.gramian(), |k| weights.own[k]);
        self.gradients.weights_from(&self.scaled, &mut weights.shared);
        for (weight, own) in weights.shared.iter_mut().zip(&weights.own) {
            *weight *= own;
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.losses.state()
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.losses.check(n_tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        for (s, loss) in [(0.0, 2.0), (-1.3, 0.4), (2.1, 0.3)] {
            let objective = |s: f64| s.exp() * loss - s;
            let numeric = (objective(s + 1e-5) - objective(s - 1e-5)) / 2e-5;
            // Truncation 1e-10 / 6 · exp(s) L, rounding 1e-16 / 1e-5.
            assert!((gradient(s, loss) - numeric).abs() < 1e-9);
        }
    }
}
