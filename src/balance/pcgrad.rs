//! Each gradient without what opposes the others.
//!
//! ```text
//! for each k:  d⁽ᵏ⁾ ← ∇ₖ;  for l ≠ k in some order:  if ⟨d⁽ᵏ⁾, ∇ₗ⟩ < 0:  d⁽ᵏ⁾ ← d⁽ᵏ⁾ − ⟨d⁽ᵏ⁾, ∇ₗ⟩ / ‖∇ₗ‖² ∇ₗ
//! d = Σ d⁽ᵏ⁾
//! ```
//!
//! Yu et al. (Gradient surgery for multi-task learning, NeurIPS 2020), algorithm 1. With `d⁽ᵏ⁾ = Σ cₗ ∇ₗ` all
//! products are read off the Gramian: `⟨d⁽ᵏ⁾, ∇ₗ⟩ = (G c)ₗ`.

use super::order::count;
use super::{Balance, Needs, Order, Tasks, Weights};

/// Projecting conflicting gradients.
///
/// - Heads: not scaled. Scale: without conflict w = 1 each, the sum; else more.
/// - One task: weight 1. A zero gradient changes nothing. Opposite gradients: d = 0 for two tasks.
/// - Each gradient meets the original ones of the others, in an order drawn for it; the result depends on it.
/// - From three tasks on d may still oppose a task.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Order, PcGrad};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(PcGrad::new().order(Order::Ascending), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])).shared;
/// assert!((weights[0] - (1.0 + 22.0 / 18.0)).abs() < 1e-12);
/// assert!((weights[1] - (1.0 + 22.0 / 38.0)).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PcGrad {
    order: Order,
    steps: Vec<f64>,
    combination: Vec<f64>,
    others: Vec<usize>,
}

impl Default for PcGrad {
    fn default() -> Self {
        Self { order: Order::Random(0), steps: Vec::new(), combination: Vec::new(), others: Vec::new() }
    }
}

impl PcGrad {
    /// Random order from seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the order in which a gradient meets the others; default: random from seed 0.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }
}

impl Balance for PcGrad {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, g) = (tasks.len(), tasks.gramian());
        let mut rng = self.order.generator(count(&mut self.steps));
        weights.shared.fill(0.0);
        let c = &mut self.combination;
        for k in 0..n {
            c.clear();
            c.resize(n, 0.0);
            c[k] = 1.0;
            self.order.others(k, n, &mut rng, &mut self.others);
            for &l in &self.others {
                let along = g.dot(l, c);
                if along < 0.0 && g[[l, l]] > 0.0 {
                    c[l] -= along / g[[l, l]];
                }
            }
            for (weight, c) in weights.shared.iter_mut().zip(&*c) {
                *weight += c;
            }
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("steps", &mut self.steps)]
    }
}
