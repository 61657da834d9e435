//! The bargain between the tasks.
//!
//! ```text
//! G α = 1 / α   entry by entry,  α > 0         d = Σ αₖ ∇ₖ maximises Σ log ⟨∇ₖ, d⟩ over a ball
//! ```
//!
//! Navon et al. (Multi-task learning as a bargaining game, ICML 2022), claim 3.1. The reference solves a
//! sequence of convex problems with an outside solver; the equation is the condition for the minimum of
//! `½ αᵀ G α − Σ log αₖ`, which is strictly convex, and Newton's method needs a few steps. For two tasks
//! `αₖ = 1 / (‖∇ₖ‖ √(1 + cos))`. A solution has `‖d‖² = K`; the reference clips d to length 1, but not the heads.

use super::setting::require_positive;
use super::solver::Fair;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// The Nash bargaining solution.
///
/// - Heads: scaled like the shared part, so that a step is one of the weighted sum of losses. The reference clips
///   the shared part alone: its heads' gradients are √K times as long as these.
/// - Scale: ‖d‖ = √K, or the largest norm if that is less: 1 unless set otherwise. Scaling a task's loss does
///   not change d.
/// - One task: its gradient divided by its length. Parallel gradients: the same, shared equally.
/// - Opposite gradients and all other Pareto-stationary points have no solution; the weights, which would
///   be infinite, are bounded by 10⁶ / ‖∇ₖ‖, and the heads feel it.
/// - A task with a zero gradient is not in the bargain and keeps weight 1.
///
/// ```
/// use polytask::balance::{Balancer, NashMtl, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(NashMtl::new().unlimited(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[2.0, 0.0], [0.0, 0.5]])).shared;
/// assert!((weights[0] - 0.5).abs() < 1e-9 && (weights[1] - 2.0).abs() < 1e-9);   // the sum of unit gradients
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NashMtl {
    largest_norm: Option<f64>,
    solver: Fair,
}

impl Default for NashMtl {
    fn default() -> Self {
        Self { largest_norm: Some(1.0), solver: Fair::default() }
    }
}

impl NashMtl {
    /// Directions of length 1 at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest length of d, above 0; default: 1.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, NashMtl, FixedEvidence};
    /// # use polytask::ndarray::array;
    /// let mut balancer = Balancer::new(NashMtl::new().largest_norm(0.5), 2)?;
    /// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[2.0, 0.0], [0.0, 0.5]])).shared;
    /// assert!(((2.0 * weights[0]).hypot(0.5 * weights[1]) - 0.5).abs() < 1e-9); // ‖d‖
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn largest_norm(mut self, norm: f64) -> Self {
        self.largest_norm = Some(norm);
        self
    }

    /// Leaves the length of d as it comes, √K.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.largest_norm = None;
        self
    }
}

impl Balance for NashMtl {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let g = tasks.gramian();
        let alpha = self.solver.solve(g, 1.0);
        // The norm of d does not depend on the scale of G, as α goes with 1 / √scale.
        let norm = g.square(alpha).sqrt();
        let clip = self.largest_norm.map_or(1.0, |most| if norm > most { most / norm } else { 1.0 });
        for (weight, alpha) in weights.shared.iter_mut().zip(alpha) {
            *weight = if *alpha > 0.0 { clip * alpha / g.scale().sqrt() } else { 1.0 };
        }
        weights.scale_heads();
    }

    fn check(&self, _: usize) -> Result<()> {
        self.largest_norm.map_or(Ok(()), |norm| require_positive(norm, "largest norm of Nash-MTL"))
    }
}
