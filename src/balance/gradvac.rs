//! Each gradient turned towards the others, as far as it usually agrees with them.
//!
//! ```text
//! for each k:  d ← ∇ₖ;  for l ≠ k in some order, with φ = cos(d, ∇ₗ) and its usual value φ̂ₖₗ:
//!     if φ < φ̂:  d ← d + ‖d‖ (φ̂ √(1 − φ²) − φ √(1 − φ̂²)) / (‖∇ₗ‖ √(1 − φ̂²)) ∇ₗ
//!     φ̂ ← (1 − β) φ̂ + β φ
//! direction = Σ d
//! ```
//!
//! Wang et al. (Gradient vaccine, ICLR 2021), equation 5 and algorithm 1. φ̂ begins at 0, where the method is
//! PCGrad. β = 0.5 as in LibMTL and TorchJD.

use super::order::count;
use super::setting::require;
use super::{Balance, Needs, Order, Tasks, Weights};
use crate::Result;

/// φ̂ stays below this: at 1 no finite step reaches the target.
const LARGEST_TARGET: f64 = 0.999;

/// A turned gradient shorter than this, relative to what it was before, is zero up to rounding.
const CANCELLED: f64 = 1e-7;

/// Gradient vaccine: PCGrad with a target cosine for each pair of tasks, learned as it goes.
///
/// - Heads: not scaled. Scale: w = 1 each where all pairs agree at least as usual; else more.
/// - One task: weight 1. A pair with a zero gradient, or with one that the turns before have cancelled, is passed
///   over, and its target stays. Opposite gradients: d = 0 for two tasks in the first step.
/// - φ is that of the gradient as turned so far and the original one of the other task, before the turn.
/// - A target above 0.999 counts as 0.999, for the turn grows without bound as the target nears 1.
///
/// ```
/// use polytask::balance::{Balancer, GradVac, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(GradVac::new(), 2)?;
/// let mut agreeing = FixedEvidence::from_jacobian(&array![[1.0, 0.1], [1.0, -0.1]]);
/// assert_eq!(balancer.weights(&mut agreeing).shared, [1.0, 1.0]);
/// let mut less = FixedEvidence::from_jacobian(&array![[1.0, 1.0], [1.0, -0.5]]);
/// assert!(balancer.weights(&mut less).shared[0] > 1.0);        // no conflict, but less than usual
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradVac {
    order: Order,
    rate: f64,
    /// φ̂, K × K.
    target: Vec<f64>,
    steps: Vec<f64>,
    /// c of d = Σ c ∇, and G c.
    combination: Vec<f64>,
    products: Vec<f64>,
    others: Vec<usize>,
}

impl Default for GradVac {
    fn default() -> Self {
        let [target, steps, combination, products] = [const { Vec::new() }; 4];
        Self { order: Order::Random(0), rate: 0.5, target, steps, combination, products, others: Vec::new() }
    }
}

impl GradVac {
    /// β = 0.5, random order from seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the order in which a gradient meets the others; default: random from seed 0.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets β, the part of a new cosine in the target, from 0 to 1; default: 0.5.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, GradVac, FixedEvidence, Order, PcGrad};
    /// # use polytask::ndarray::array;
    /// // With β = 0 the targets stay 0, and the method is PCGrad.
    /// let gramian = array![[2.0, -1.0, 1.0], [-1.0, 2.0, -1.0], [1.0, -1.0, 3.0]];
    /// let still = GradVac::new().order(Order::Ascending).rate(0.0);
    /// let (mut still, mut learning) = (Balancer::new(still, 3)?, Balancer::new(GradVac::new(), 3)?);
    /// let mut pcgrad = Balancer::new(PcGrad::new().order(Order::Ascending), 3)?;
    /// let mut evidence = FixedEvidence::from_gramian(&gramian);
    /// for _ in 0..3 {
    ///     [&mut still, &mut learning, &mut pcgrad].map(|balancer| balancer.weights(&mut evidence).clone());
    /// }
    /// let distance = |balancer: &Balancer| (balancer.last().shared[0] - pcgrad.last().shared[0]).abs();
    /// assert!(distance(&still) < 1e-12 && distance(&learning) > 0.01);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }
}

impl Balance for GradVac {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (all, index) = (tasks.all(), tasks.index());
        let (n, g) = (tasks.len(), tasks.gramian());
        self.target.resize(all * all, 0.0);
        let mut rng = self.order.generator(count(&mut self.steps));
        weights.shared.fill(0.0);
        let (c, products) = (&mut self.combination, &mut self.products);
        for k in 0..n {
            c.clear();
            c.resize(n, 0.0);
            c[k] = 1.0;
            products.clear();
            products.extend_from_slice(g.row(k));
            self.order.others(k, n, &mut rng, &mut self.others);
            for &l in &self.others {
                let square: f64 = c.iter().zip(&*products).map(|(c, p)| c * p).sum();
                let (length, other) = (square.max(0.0).sqrt(), g.norm(l));
                if other == 0.0 || length <= CANCELLED * g.norm(k) {
                    continue;
                }
                let cosine = (products[l] / (length * other)).clamp(-1.0, 1.0);
                let target = &mut self.target[index[k] * all + index[l]];
                let goal = target.min(LARGEST_TARGET);
                if cosine < goal {
                    let (sine, goal_sine) = ((1.0 - cosine * cosine).sqrt(), (1.0 - goal * goal).sqrt());
                    let turn = length * (goal * sine - cosine * goal_sine) / (other * goal_sine);
                    c[l] += turn;
                    products.iter_mut().zip(g.row(l)).for_each(|(product, g)| *product += turn * g);
                }
                *target = (1.0 - self.rate) * *target + self.rate * cosine;
            }
            for (weight, c) in weights.shared.iter_mut().zip(&*c) {
                *weight += c;
            }
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("target cosines", &mut self.target), ("steps", &mut self.steps)]
    }

    fn check(&self, _: usize) -> Result<()> {
        require((0.0..=1.0).contains(&self.rate), "rate of GradVac", "a number from 0 to 1", self.rate)
    }
}
