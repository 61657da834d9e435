//! A smooth stand-in for the largest loss.
//!
//! ```text
//! objective μ log Σ exp(λₖ (Lₖ − zₖ) / μ),   w = λ ∘ softmax(λ ∘ (L − z) / μ)
//! ```
//!
//! Lin et al. (Smooth Tchebycheff scalarization for multi-objective optimization, ICML 2024), equation 7. As
//! μ → 0 it is the largest `λₖ (Lₖ − zₖ)`. Defaults: λ = 1 / K, z = 0; the paper tries μ from 0.01 to 1.

use super::preference::Preference;
use super::setting::{require_one_each, require_positive};
use super::solver::softmax;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// Smooth Tchebycheff scalarisation.
///
/// - Heads: scaled like the shared part. Scale: Σ w = 1 / K unless λ says otherwise. One task: weight λ.
/// - Losses must be in comparable units; λ is the place to make them so.
/// - LibMTL has another objective of the same name, of logarithms of losses relative to those of the first
///   epochs.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Stch};
///
/// let method = Stch::new(0.01).preference(&[1.0, 1.0]);
/// let mut balancer = Balancer::new(method, 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 0.5])).shared;
/// assert!(weights[0] > 0.999);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stch {
    smoothing: f64,
    preference: Preference,
    ideal: Option<Vec<f64>>,
}

impl Stch {
    /// With the smoothing μ, above 0, in units of λ (L − z).
    pub fn new(smoothing: f64) -> Self {
        Self { smoothing, preference: Preference::default(), ideal: None }
    }

    /// Sets how much each task matters, λ, one number for each, at least 0; default: 1 / K each.
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }

    /// Sets the loss each task could reach at best, z, one for each; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, Stch};
    /// let method = Stch::new(0.01).preference(&[1.0, 1.0]);
    /// let mut evidence = FixedEvidence::from_losses(&[1.0, 0.9]);
    /// assert!(Balancer::new(method.clone(), 2)?.weights(&mut evidence).shared[0] > 0.999);
    /// let method = method.ideal(&[0.8, 0.1]); // the second task has more to gain
    /// assert!(Balancer::new(method, 2)?.weights(&mut evidence).shared[1] > 0.999);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn ideal(mut self, losses: &[f64]) -> Self {
        self.ideal = Some(losses.to_vec());
        self
    }
}

impl Balance for Stch {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let alike = 1.0 / tasks.len() as f64;
        let lambda = |k: usize| self.preference.of(k, alike);
        let excess = tasks.index().iter().zip(tasks.losses());
        let excess = excess.map(|(&k, loss)| {
            let above = loss - self.ideal.as_ref().map_or(0.0, |ideal| ideal[k]);
            (lambda(k) * above / self.smoothing).clamp(-f64::MAX, f64::MAX)
        });
        softmax(excess, &mut weights.shared);
        for (weight, &k) in weights.shared.iter_mut().zip(tasks.index()) {
            *weight *= lambda(k);
        }
        weights.scale_heads();
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_positive(self.smoothing, "smoothing of STCH")?;
        self.preference.check(n_tasks, "preference of STCH")?;
        self.ideal.as_ref().map_or(Ok(()), |ideal| require_one_each(ideal, n_tasks, "ideal losses of STCH"))
    }
}
