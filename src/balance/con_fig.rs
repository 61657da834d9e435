//! The direction at equal angles to all gradients, as long as their projections on it together.
//!
//! ```text
//! u = U⁺ p,   d = (Σ ⟨∇ₖ, û⟩) û,   û = u / ‖u‖        U: the unit gradients, one in each row
//! ```
//!
//! Liu, Chu and Thuerey (ConFIG, ICLR 2025), equation 2. With the cosines `C = U Uᵀ` it is
//! `u = Uᵀ y`, `y = C⁺ p`, so the Gramian is enough: `wₖ ∝ yₖ / ‖∇ₖ‖`. p is the preference: 1 each.

use super::preference::Preference;
use super::solver::Eigen;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// Conflict-free inverse gradients.
///
/// - Heads: not scaled. Scale: sum-like; parallel gradients are summed.
/// - For independent gradients every task gains, and in the ratio p: `⟨∇ₖ, d⟩ / ‖∇ₖ‖ ∝ pₖ`.
/// - One task: weight 1. Opposite gradients: d = 0. Gradients that depend on each other: the angles are equal
///   in the sense of least squares, and a task may be opposed.
/// - A task with a zero gradient has weight 0.
///
/// ```
/// use polytask::balance::{Balancer, ConFig, FixedEvidence};
/// use polytask::ndarray::{array, Array1};
///
/// let jacobian = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
/// let mut balancer = Balancer::new(ConFig::new(), 2)?;
/// let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian)).shared.clone();
/// let d = jacobian.t().dot(&Array1::from(weights));
/// assert!((d[0] - 0.1588).abs() < 1e-4 && (d[1] - 2.0706).abs() < 1e-4);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConFig {
    preference: Preference,
    eigen: Eigen,
    wanted: Vec<f64>,
}

impl ConFig {
    /// Every task matters alike.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much each task matters, p, one number for each, at least 0; default: 1 each.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, ConFig, FixedEvidence};
    /// # use polytask::ndarray::{Array1, array};
    /// let jacobian = array![[2.0, 0.0], [1.0, 1.0]];
    /// let mut balancer = Balancer::new(ConFig::new().preference(&[1.0, 3.0]), 2)?;
    /// let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian)).shared.clone();
    /// let gains = jacobian.dot(&jacobian.t().dot(&Array1::from(weights))); // ⟨∇ₖ, d⟩
    /// assert!((gains[1] / 2_f64.sqrt() - 3.0 * gains[0] / 2.0).abs() < 1e-12); // along the unit gradients
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }
}

impl Balance for ConFig {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, index) = (tasks.len(), tasks.index());
        let g = tasks.gramian();
        self.wanted.clear();
        self.wanted.extend(index.iter().map(|&k| self.preference.of(k, 1.0)));
        self.eigen.decompose(n, |k, l| if k == l && g.norm(k) > 0.0 { 1.0 } else { g.cosine(k, l) });
        self.eigen.apply(f64::recip, &self.wanted, &mut weights.shared);
        // ‖u‖² = yᵀ C y = yᵀ p, as y is made of the eigenvectors that are not zero.
        let square: f64 = weights.shared.iter().zip(&self.wanted).map(|(y, p)| y * p).sum();
        for (k, weight) in weights.shared.iter_mut().enumerate() {
            *weight = if g.norm(k) > 0.0 { *weight / g.norm(k) } else { 0.0 };
        }
        let length: f64 = (0..n).map(|k| g.dot(k, &weights.shared)).sum();
        let size: f64 = self.wanted.iter().map(|p| p * p).sum();
        // Opposite gradients have u = 0 up to rounding.
        let scale = if square > 1e-13 * size { length / square } else { 0.0 };
        for weight in &mut weights.shared {
            *weight *= scale;
        }
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.preference.check(n_tasks, "preference of ConFIG")
    }
}
