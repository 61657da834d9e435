//! The mean of the gradients, each projected such that it opposes no task.
//!
//! ```text
//! w = Σₖ v⁽ᵏ⁾,    v⁽ᵏ⁾ = argmin vᵀ G v   over  v ≥ pₖ eₖ
//! ```
//!
//! Quinton and Rey (Jacobian descent for multi-objective optimization, arXiv 2406.16232), proposition 1. p is
//! the preference: 1 / K each. TorchJD adds 10⁻⁴ to the diagonal of the trace-normalised Gramian for its
//! outside solver; the active set here needs no such ridge.

use super::preference::Preference;
use super::setting::require_not_negative;
use super::solver::DualCone;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// Unconflicting projection of gradients.
///
/// - Heads: not scaled. Scale: a mean; without conflict w = p. For two tasks it is half of PCGrad's.
/// - No task is opposed; scaling one gradient scales its part of d; and d is zero only where every gradient is
///   in conflict with itself: at strongly stationary points.
/// - One task: weight p. Opposite gradients: d = 0. A zero gradient: weight p.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, UpGrad};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(UpGrad::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])).shared;
/// assert!((weights[0] - 0.5 * (1.0 + 22.0 / 18.0)).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct UpGrad {
    preference: Preference,
    ridge: f64,
    solver: DualCone,
    lower: Vec<f64>,
}

impl UpGrad {
    /// Every task matters alike, and the projections are exact.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much each task matters, p, one number for each, at least 0; default: 1 / K each.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, UpGrad};
    /// # use polytask::ndarray::array;
    /// let mut agreeing = FixedEvidence::from_jacobian(&array![[1.0, 0.0], [1.0, 1.0]]);
    /// let mut balancer = Balancer::new(UpGrad::new().preference(&[0.2, 0.8]), 2)?;
    /// assert_eq!(balancer.weights(&mut agreeing).shared, [0.2, 0.8]); // nothing to project
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }

    /// Sets what is added to the diagonal of the Gramian divided by its trace, at least 0; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, FixedEvidence, UpGrad};
    /// # use polytask::ndarray::array;
    /// // g against −2g: the exact projections stand still, a ridge leaves the first task opposed.
    /// let jacobian = array![[1.0], [-2.0]];
    /// let along = |ridge| {
    ///     let mut balancer = Balancer::new(UpGrad::new().ridge(ridge), 2)?;
    ///     let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian)).shared;
    ///     Ok::<_, polytask::Error>(weights[0] - 2.0 * weights[1])
    /// };
    /// assert!(along(0.0)?.abs() < 1e-12);
    /// assert!(along(1e-4)? < 0.0 && along(0.1)? < along(1e-4)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }
}

impl Balance for UpGrad {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, index) = (tasks.len(), tasks.index());
        let g = tasks.gramian();
        weights.shared.fill(0.0);
        self.lower.clear();
        self.lower.resize(n, 0.0);
        self.solver.set(g, self.ridge);
        for (i, &k) in index.iter().enumerate() {
            self.lower[i] = self.preference.of(k, 1.0 / n as f64);
            self.solver.add_projection(g, self.ridge, &self.lower, &mut weights.shared);
            self.lower[i] = 0.0;
        }
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_not_negative(self.ridge, "ridge of UPGrad")?;
        self.preference.check(n_tasks, "preference of UPGrad")
    }
}
