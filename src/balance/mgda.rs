//! The direction of least norm among all averages of the gradients.
//!
//! ```text
//! w = argmin ‖Σ wₖ ∇ₖ‖²   over  w ≥ 0, Σ w = 1
//! ```
//!
//! Désidéri (Multiple-gradient descent algorithm, C. R. Acad. Sci. 2012); Sener and Koltun (NeurIPS 2018),
//! equation 3. It is solved exactly; reference code uses Frank and Wolfe's method, which comes near slowly.

use super::solver::MinNorm;
use super::{Balance, Domain, Gramian, Needs, Tasks, Weights, positive};

/// What the gradients are divided by before their average of least norm is sought.
///
/// ```
/// use polytask::balance::{Balancer, Mgda, Normalisation, FixedEvidence};
/// use polytask::ndarray::array;
///
/// // Gradients of lengths 3 and 1 at a right angle, losses 3 and 1.
/// let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]]).with_losses(&[3.0, 1.0]);
/// let expected = [
///     (Normalisation::None, [0.1, 0.9]),
///     (Normalisation::Length, [0.5 / 3.0, 0.5]),
///     (Normalisation::Loss, [0.5 / 3.0, 0.5]),
///     (Normalisation::LossAndLength, [0.9 / 9.0, 0.1]),
/// ];
/// for (normalisation, [first, second]) in expected {
///     let mut balancer = Balancer::new(Mgda::new().normalisation(normalisation), 2)?;
///     let weights = &balancer.weights(&mut evidence).shared;
///     assert!((weights[0] - first).abs() < 1e-12 && (weights[1] - second).abs() < 1e-12);
/// }
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalisation {
    /// Nothing.
    None,
    /// Their lengths ‖∇ₖ‖.
    Length,
    /// The losses Lₖ.
    Loss,
    /// The losses times the lengths, Lₖ ‖∇ₖ‖.
    LossAndLength,
}

/// Multiple-gradient descent: the common descent direction that is steepest for the task served worst.
///
/// - Heads: not scaled. (In Sener and Koltun's code they are: see [`Balance::scale_heads`].)
/// - Scale: Σ w = 1; with a normalisation, Σ of w times what the gradients are divided by.
/// - No task is opposed: `⟨∇ₖ, d⟩ ≥ ‖d‖²` for all k. At a Pareto-stationary point d = 0; so it is wherever one
///   gradient is zero, and two opposite gradients cancel.
/// - One task: weight 1. Parallel gradients: the shortest alone.
/// - Without normalisation the task with the shortest gradient rules. With one, the weights are those of the
///   gradients as they are, `wₖ / nₖ`, so that d is the point of least norm of the normalised ones. Some code
///   applies w to the gradients that were not normalised: that is no common descent direction.
///
/// ```
/// use polytask::balance::{Balancer, Mgda, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(Mgda::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])).shared;
/// assert!((weights[0] - 0.6).abs() < 1e-12);          // d = (0, 1, 1)
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mgda {
    normalisation: Normalisation,
    normalised: Gramian,
    solver: MinNorm,
    divisor: Vec<f64>,
}

impl Default for Mgda {
    fn default() -> Self {
        Self {
            normalisation: Normalisation::None,
            normalised: Gramian::default(),
            solver: MinNorm::default(),
            divisor: Vec::new(),
        }
    }
}

impl Mgda {
    /// The gradients as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the gradients are divided by; default: nothing.
    #[must_use]
    pub fn normalisation(mut self, normalisation: Normalisation) -> Self {
        self.normalisation = normalisation;
        self
    }
}

impl Balance for Mgda {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn domain(&self, _: usize) -> Domain {
        match self.normalisation {
            Normalisation::Loss | Normalisation::LossAndLength => Domain::AtLeast(0.0),
            _ => Domain::All,
        }
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let losses = tasks.losses();
        let g = tasks.gramian();
        if self.normalisation == Normalisation::None {
            weights.shared.copy_from_slice(self.solver.solve(g));
            return;
        }
        // A zero gradient has no length to divide by, and stays zero.
        let length = |k: usize| if g.norm(k) > 0.0 { g.true_norm(k) } else { 1.0 };
        self.divisor.clear();
        self.divisor.extend(losses.iter().enumerate().map(|(k, &loss)| match self.normalisation {
            Normalisation::None => 1.0,
            Normalisation::Length => length(k),
            Normalisation::Loss => positive(loss),
            Normalisation::LossAndLength => positive(loss) * length(k),
        }));
        self.normalised.rescale(g, |k| self.divisor[k].recip());
        let w = self.solver.solve(&self.normalised);
        for ((weight, w), divisor) in weights.shared.iter_mut().zip(w).zip(&self.divisor) {
            *weight = w / divisor;
        }
    }
}
