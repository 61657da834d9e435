//! Weights that make all tasks train at one rate.
//!
//! ```text
//! Gₖ = wₖ ‖∇ₖ‖,   rₖ = (Lₖ / Lₖ(0)) / their mean,   Ḡ = mean of the Gₖ
//! objective of the weights   Σ |Gₖ − Ḡ rₖ^α|    with Ḡ and r held constant
//! w = K softmax(s);   ∂/∂sⱼ = wⱼ (tⱼ − Σ tₖ wₖ / K),   tₖ = sign(Gₖ − Ḡ rₖ^α) ‖∇ₖ‖
//! ```
//!
//! Chen et al. (GradNorm, ICML 2018), equations 1 and 2. As `‖wₖ ∇ₖ‖ = wₖ ‖∇ₖ‖`, the derivative with respect to
//! a weight needs no second pass: the lengths are the roots of the Gramian's diagonal. The paper steps w itself
//! and then makes it sum to K again, which may leave weights below 0; logits s (as in LibMTL) cannot. Defaults:
//! α = 1.5, the step of s is Adam's with learning rate 0.025.

use super::setting::{require, require_not_negative, require_one_each, require_positive};
use super::solver::{Learned, softmax};
use super::{Balance, Domain, Needs, Tasks, Weights, positive};
use crate::Result;

/// Gradient normalisation.
///
/// - Heads: scaled like the shared part, as the network descends `Σ wₖ Lₖ` in the paper (algorithm 1). LibMTL leaves
///   them alone: see [`Balance::scale_heads`]. Scale: Σ w = K.
/// - One task: weight 1. A zero gradient has Gₖ = 0, and its weight grows.
/// - The lengths are over the parameters that the Gramian covers, by default all shared ones; the paper takes
///   those of the last shared layer ([`GramianScope::LastSharedLayer`](crate::GramianScope::LastSharedLayer)), to be
///   cheap. In each step they are measured in units of √(Σ ‖∇ₖ‖²), so that Adam's means weigh all steps alike.
/// - Lₖ(0) is the first loss seen unless it is given; where first losses are chance, give their expectation,
///   such as log C for a cross entropy over C classes.
/// - α is how strongly the rates are equalised: about 0.12 for tasks that are alike, 1.5 for ones that are not.
/// - For losses of 0 or more: one of 0 counts as 10⁻³⁰.
/// - Angles between the gradients play no part.
///
/// ```
/// use polytask::balance::{Balancer, GradNorm, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(GradNorm::new(), 2)?;
/// for _ in 0..500 {
///     let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]]);
///     balancer.weights(&mut evidence);
/// }
/// let weights = &balancer.last().shared;             // the same rates: lengths become equal, 0.5 · 3 = 1.5 · 1
/// assert!((weights[0] - 0.5).abs() < 0.02 && (weights[1] - 1.5).abs() < 0.02);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradNorm {
    alpha: f64,
    logits: Learned,
    given: Option<Vec<f64>>,
    /// Lₖ(0) of all tasks; NaN for one not yet seen.
    initial: Vec<f64>,
    norms: Vec<f64>,
    targets: Vec<f64>,
    gradient: Vec<f64>,
}

impl Default for GradNorm {
    fn default() -> Self {
        let [initial, norms, targets, gradient] = [const { Vec::new() }; 4];
        Self { alpha: 1.5, logits: Learned::new(0.0, 0.025), given: None, initial, norms, targets, gradient }
    }
}

impl GradNorm {
    /// α = 1.5, learning rate 0.025, relative to the first losses seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how strongly the rates are equalised, α, at least 0; default: 1.5.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, GradNorm, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// // Gradients of one length; the first loss is at half of what it began with, the second has not moved.
    /// let losses = [0.5, 1.0];
    /// for (alpha, ratio) in [(0.0, 1.0), (1.0, 2.0)] {
    ///     let method = GradNorm::new().alpha(alpha).initial_losses(&[1.0, 1.0]);
    ///     let mut balancer = Balancer::new(method, 2)?;
    ///     let mut evidence = FixedEvidence::from_gramian(&array![[1.0, 0.0], [0.0, 1.0]]).with_losses(&losses);
    ///     for _ in 0..500 {
    ///         balancer.weights(&mut evidence);
    ///     }
    ///     let weights = &balancer.last().shared;
    ///     assert!((weights[1] / weights[0] - ratio).abs() < 0.1); // (r₂ / r₁)^α
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets the learning rate of the logits, above 0; default: 0.025.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, GradNorm, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// let mut evidence = FixedEvidence::from_gramian(&array![[9.0, 0.0], [0.0, 1.0]]);
    /// let mut balancer = Balancer::new(GradNorm::new().learning_rate(0.1), 2)?;
    /// assert_eq!(balancer.weights(&mut evidence).shared, [1.0, 1.0]);
    /// let weights = &balancer.weights(&mut evidence).shared; // Adam's first step moves each logit by 0.1
    /// assert!(((weights[1] / weights[0]).ln() - 0.2).abs() < 1e-6);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.logits.learning_rate = learning_rate;
        self
    }

    /// Sets the losses that progress is measured against, L(0), one above 0 for each task; the first ones
    /// seen unless set. [`alpha`](Self::alpha) shows it.
    #[must_use]
    pub fn initial_losses(mut self, losses: &[f64]) -> Self {
        self.given = Some(losses.to_vec());
        self
    }

    /// Writes `Ḡ r^α`, the length that each weighted gradient should have.
    fn aim(&mut self, tasks: &Tasks<'_>, weights: &[f64]) {
        let n = tasks.len() as f64;
        let rates = tasks.index().iter().zip(tasks.losses());
        self.targets.clear();
        self.targets.extend(rates.map(|(&k, &loss)| (positive(loss) / positive(self.initial[k])).min(1e100)));
        let mean_rate = self.targets.iter().sum::<f64>() / n;
        let mean_length = weights.iter().zip(&self.norms).map(|(w, norm)| w * norm).sum::<f64>() / n;
        for target in &mut self.targets {
            *target = mean_length * (*target / mean_rate).powf(self.alpha);
        }
    }
}

/// The gradient of `Σ |wₖ ‖∇ₖ‖ − targetₖ|`, `w = K softmax(s)`, with respect to s.
fn gradient(weights: &[f64], norms: &[f64], targets: &[f64], gradient: &mut [f64]) {
    let n = weights.len() as f64;
    let mut mean = 0.0;
    for k in 0..weights.len() {
        let excess = weights[k] * norms[k] - targets[k];
        // At the kink itself the weight is where it should be.
        gradient[k] = if excess == 0.0 { 0.0 } else { excess.signum() * norms[k] };
        mean += gradient[k] * weights[k] / n;
    }
    for (gradient, weight) in gradient.iter_mut().zip(weights) {
        *gradient = weight * (*gradient - mean);
    }
}

impl Balance for GradNorm {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let n = tasks.len();
        self.logits.ready(tasks.all());
        if let (true, Some(given)) = (self.initial.is_empty(), &self.given) {
            self.initial.clone_from(given);
        }
        self.initial.resize(tasks.all(), f64::NAN);
        for (&k, &loss) in tasks.index().iter().zip(tasks.losses()) {
            if self.initial[k].is_nan() {
                self.initial[k] = loss;
            }
        }
        softmax(tasks.index().iter().map(|&k| self.logits.of(k)), &mut weights.shared);
        for weight in &mut weights.shared {
            *weight *= n as f64;
        }
        let g = tasks.gramian();
        self.norms.clear();
        self.norms.extend((0..n).map(|k| g.norm(k)));
        self.aim(tasks, &weights.shared);
        self.gradient.resize(n, 0.0);
        gradient(&weights.shared, &self.norms, &self.targets, &mut self.gradient);
        for (&k, gradient) in tasks.index().iter().zip(&self.gradient) {
            self.logits.step(k, *gradient);
        }
        weights.scale_heads();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        let mut state = self.logits.state("logits");
        state.push(("initial losses", &mut self.initial));
        state
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_not_negative(self.alpha, "alpha of GradNorm")?;
        require_positive(self.logits.learning_rate, "learning rate of GradNorm")?;
        let Some(losses) = &self.given else { return Ok(()) };
        require_one_each(losses, n_tasks, "initial losses of GradNorm")?;
        require(losses.iter().all(|&loss| loss > 0.0), "initial losses of GradNorm", "losses above 0", losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let (s, norms, targets) = ([0.2, -0.7, 0.4], [3.0, 0.2, 1.1], [1.0, 0.9, 1.2]);
        let weights = |s: &[f64; 3]| {
            let mut w = [0.0; 3];
            softmax(s.iter().copied(), &mut w);
            w.map(|w| 3.0 * w)
        };
        let objective = |s: &[f64; 3]| -> f64 {
            weights(s).iter().zip(&norms).zip(&targets).map(|((w, n), t)| (w * n - t).abs()).sum()
        };
        let mut by_hand = [0.0; 3];
        gradient(&weights(&s), &norms, &targets, &mut by_hand);
        for k in 0..3 {
            let (mut up, mut down) = (s, s);
            up[k] += 1e-5;
            down[k] -= 1e-5;
            let numeric = (objective(&up) - objective(&down)) / 2e-5;
            // No kink lies within 1e-5; truncation and rounding are of order 1e-10.
            assert!((by_hand[k] - numeric).abs() < 1e-9);
        }
    }
}
