//! The mean gradient, projected such that it opposes no task.
//!
//! ```text
//! w = argmin vᵀ G v   over  v ≥ p
//! ```
//!
//! Lopez-Paz and Ranzato (Gradient episodic memory, NeurIPS 2017), equation 11, with all tasks of one batch in
//! place of the remembered ones, as Quinton and Rey (arXiv 2406.16232) have it. p is the preference: 1 / K each.

use super::preference::Preference;
use super::setting::require_not_negative;
use super::solver::DualCone;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// Dual projection of the mean gradient.
///
/// - Heads: not scaled. Scale: a mean; where the mean opposes no task w = p.
/// - No task is opposed. One task: weight p. Opposite gradients: d = 0. A zero gradient: weight p.
/// - Unlike [`UpGrad`](super::UpGrad), one long gradient decides for all.
///
/// ```
/// use polytask::balance::{Balancer, DualProj, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(DualProj::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])).shared;
/// assert!((weights[0] - 11.0 / 18.0).abs() < 1e-12 && (weights[1] - 0.5).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DualProj {
    preference: Preference,
    ridge: f64,
    solver: DualCone,
    lower: Vec<f64>,
}

impl DualProj {
    /// Every task matters alike, and the projection is exact.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much each task matters, p, one number for each, at least 0; default: 1 / K each.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, DualProj, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// let mut agreeing = FixedEvidence::from_jacobian(&array![[1.0, 0.0], [1.0, 1.0]]);
    /// let mut balancer = Balancer::new(DualProj::new().preference(&[0.2, 0.8]), 2)?;
    /// assert_eq!(balancer.weights(&mut agreeing).shared, [0.2, 0.8]); // nothing to project
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }

    /// Sets what is added to the diagonal of the Gramian divided by its trace, at least 0; default: 0.
    /// TorchJD has 10⁻⁴.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, DualProj, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// // g against −2g: the exact projection stands still, a ridge leaves the first task opposed.
    /// let jacobian = array![[1.0], [-2.0]];
    /// let along = |ridge| {
    ///     let mut balancer = Balancer::new(DualProj::new().ridge(ridge), 2)?;
    ///     let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian)).shared;
    ///     Ok::<_, polytask::Error>(weights[0] - 2.0 * weights[1])
    /// };
    /// assert!(along(0.0)?.abs() < 1e-12);
    /// assert!((along(0.1)? + 1.0 / 3.0).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }
}

impl Balance for DualProj {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, index) = (tasks.len(), tasks.index());
        self.lower.clear();
        self.lower.extend(index.iter().map(|&k| self.preference.of(k, 1.0 / n as f64)));
        weights.shared.fill(0.0);
        let g = tasks.gramian();
        self.solver.set(g, self.ridge);
        self.solver.add_projection(g, self.ridge, &self.lower, &mut weights.shared);
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require_not_negative(self.ridge, "ridge of DualProj")?;
        self.preference.check(n_tasks, "preference of DualProj")
    }
}
