//! Projection onto the cone of directions that no gradient opposes.
//!
//! For a combination `Σ uₖ ∇ₖ` the nearest direction d with `⟨∇ₖ, d⟩ ≥ 0` for all k is `Σ vₖ ∇ₖ` with
//!
//! ```text
//! v = argmin vᵀ G v   over v ≥ u
//! ```
//!
//! (the dual of the projection; Lopez-Paz and Ranzato 2017, equation 11). With v = u + x it is the problem
//! over x ≥ 0 with the matrix G and the target −G u.

use super::nonnegative::Nonnegative;
use crate::balance::Gramian;

/// The solver, with its buffers.
#[derive(Clone, Debug, Default)]
pub(in crate::balance) struct DualCone {
    quadratic: Nonnegative,
}

impl DualCone {
    /// Takes the Gramian, for any number of projections; `ridge` is added to its diagonal.
    pub(in crate::balance) fn set(&mut self, g: &Gramian, ridge: f64) {
        let entry = |k: usize, l: usize| if k == l { g[[k, l]] + ridge } else { g[[k, l]] };
        self.quadratic.set_hessian(g.len(), entry);
    }

    /// Adds the weights v of the projection of `Σ uₖ ∇ₖ` to `sum`; Gramian and ridge are those that were set.
    pub(in crate::balance) fn add_projection(&mut self, g: &Gramian, ridge: f64, u: &[f64], sum: &mut [f64]) {
        let x = self.quadratic.minimise(|k| -(g.dot(k, u) + ridge * u[k]));
        for (sum, (u, x)) in sum.iter_mut().zip(u.iter().zip(x)) {
            *sum += u + x;
        }
    }
}
