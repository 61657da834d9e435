//! The fair share of the step, with a choice of fairness.
//!
//! ```text
//! G w = w^(−1/α)   entry by entry,  w > 0
//! ```
//!
//! Ban and Ji (Fair resource allocation in multi-task learning, ICML 2024), equation 4. α = 1 is Nash-MTL
//! without its clipping, α → 0 the plain sum, α = 2 favours the tasks served worst more, α → ∞ is MGDA's aim.

use super::setting::{require, require_not_negative};
use super::solver::Fair;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// α-fair weights.
///
/// - Heads: scaled like the shared part. Scale: `Σ w ∝ ‖∇‖^(−2α/(1+α))`, so d keeps a length between that of a
///   gradient (α → 0) and its inverse; for α = 0, Σ w = 1.
/// - One task: `‖∇‖^(−2α/(1+α))` times its gradient.
/// - Parallel gradients: `wₖ ∝ ‖∇ₖ‖^(−α)`, so that the longer has the smaller weight.
/// - Pareto-stationary points (opposite gradients too) have no solution; the weights, which would be infinite, are
///   bounded: by 10⁶ / ‖∇ₖ‖ for α = 1, by a power of it else, and the heads feel it.
/// - A task with a zero gradient keeps weight 1.
/// - α between 0 and 0.1 is refused: the equation has the power 1 / α, beyond what the arithmetic can hold.
///
/// ```
/// use polytask::balance::{Balancer, FairGrad, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(FairGrad::new(2.0), 1)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[8.0, 0.0]])).shared;
/// assert!((weights[0] - 64_f64.powf(-2.0 / 3.0)).abs() < 1e-9);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FairGrad {
    alpha: f64,
    solver: Fair,
}

impl Default for FairGrad {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl FairGrad {
    /// With this α: 0, or at least 0.1; 1 in the reference code.
    pub fn new(alpha: f64) -> Self {
        Self { alpha, solver: Fair::default() }
    }
}

impl Balance for FairGrad {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let n = tasks.len();
        if self.alpha == 0.0 {
            weights.shared.fill(1.0 / n as f64);
        } else {
            let g = tasks.gramian();
            // With G = scale Ĝ the equation is solved by w = ŵ scale^(−α/(1+α)).
            let unit = g.scale().powf(-self.alpha / (1.0 + self.alpha));
            for (weight, w) in weights.shared.iter_mut().zip(self.solver.solve(g, self.alpha)) {
                *weight = if *w > 0.0 { unit * w } else { 1.0 };
            }
        }
        weights.scale_heads();
    }

    fn check(&self, _: usize) -> Result<()> {
        require_not_negative(self.alpha, "alpha of FairGrad")?;
        require(self.alpha == 0.0 || self.alpha >= 0.1, "alpha of FairGrad", "0, or at least 0.1", self.alpha)
    }
}
