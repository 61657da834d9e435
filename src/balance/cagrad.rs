//! The direction near the mean gradient that serves best the task served worst.
//!
//! ```text
//! d = argmax minₖ ⟨∇ₖ, d⟩   over  ‖d − g₀‖ ≤ c ‖g₀‖,       g₀ = (1/K) Σ ∇ₖ
//!   = g₀ + c ‖g₀‖ g_w / ‖g_w‖,    g_w = Σ wₖ ∇ₖ,    w = argmin ⟨g_w, g₀⟩ + c ‖g₀‖ ‖g_w‖   over the simplex
//! ```
//!
//! Liu, Liu, Jin, Stone and Liu (CAGrad, NeurIPS 2021), equation 4 and algorithm 1.
//!
//! How it is solved: with `‖g_w‖ = min over τ of (‖g_w‖²/τ + τ)/2`, the w for a given τ is that of the point of
//! least norm of the shifted gradients `∇ₖ + s g₀`, `s = τ / (c ‖g₀‖)`, and the right s is the one with
//! `‖g_w‖ = c ‖g₀‖ s`. That is a search over one number. w(s) is made of straight pieces, so once both ends of
//! the search lie on one piece the next point is exact.

use super::setting::{require, require_not_negative};
use super::solver::MinNorm;
use super::{Balance, Gramian, Needs, Tasks, Weights};
use crate::Result;

/// Below this length of g_w, relative to the root of the trace of the Gramian, no direction serves all.
const STATIONARY: f64 = 1e-7;

/// What the direction is divided by at the end, so that its length depends less on c.
///
/// ```
/// use polytask::balance::{Balancer, CaGrad, FixedEvidence, Rescale};
/// use polytask::ndarray::array;
///
/// let first = |rescale| {
///     let mut balancer = Balancer::new(CaGrad::new(0.5).rescale(rescale), 2)?;
///     let mut evidence = FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]);
///     Ok::<_, polytask::Error>(balancer.weights(&mut evidence).shared[0])
/// };
/// let paper = first(Rescale::None)?;
/// assert!((paper / first(Rescale::OnePlusC)? - 1.5).abs() < 1e-12);
/// assert!((paper / first(Rescale::OnePlusSquare)? - 1.25).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rescale {
    /// Nothing: the direction of the paper.
    None,
    /// 1 + c.
    OnePlusC,
    /// 1 + c², as in the reference code for networks.
    OnePlusSquare,
}

/// Conflict-averse gradient descent.
///
/// - Heads: not scaled. Scale: a mean, `Σ w = 1 + c ‖g₀‖ / ‖g_w‖`, divided by what [`Rescale`] says.
/// - c = 0 is the mean; as c grows it comes near MGDA's direction. For c < 1 the mean loss falls to its
///   minimum, for c ≥ 1 no task is opposed.
/// - One task: `(1 + c) / (1 + c²)` times its gradient; opposite gradients: `(1 − c) / (1 + c²) g₀` for c < 1.
/// - Parallel gradients: `(1 + c) / (1 + c²) g₀`. All gradients zero: d = 0.
/// - Where the best for the task served worst is to stand still (g_w = 0) the direction is zero: at a
///   Pareto-stationary point, and so beside any zero gradient, if no average of the gradients has a cosine below
///   −c to the mean. Published code stands still there too (TorchJD) or follows g₀ (the authors').
/// - Published code differs in what the result is divided by, and some multiplies by K.
///
/// ```
/// use polytask::balance::{Balancer, CaGrad, FixedEvidence, Rescale};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(CaGrad::new(0.5).rescale(Rescale::None), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])).shared;
/// assert!((weights[0] - 0.7041).abs() < 1e-4 && (weights[1] - 0.5).abs() < 1e-4);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CaGrad {
    c: f64,
    rescale: Rescale,
    solver: MinNorm,
    low: Vec<f64>,
    high: Vec<f64>,
    middle: Vec<f64>,
    /// `⟨∇ₖ, g₀⟩`.
    mean: Vec<f64>,
}

impl Default for CaGrad {
    fn default() -> Self {
        Self::new(0.4)
    }
}

impl CaGrad {
    /// With the radius c of the ball around the mean gradient, relative to its length: 0, or at least 10⁻⁶.
    /// The paper has 0.4 for networks and 0.5 for its toy problem. The result is divided by 1 + c².
    pub fn new(c: f64) -> Self {
        let [low, high, middle, mean] = [const { Vec::new() }; 4];
        Self { c, rescale: Rescale::OnePlusSquare, solver: MinNorm::default(), low, high, middle, mean }
    }

    /// Sets what the direction is divided by; default: 1 + c².
    #[must_use]
    pub fn rescale(mut self, rescale: Rescale) -> Self {
        self.rescale = rescale;
        self
    }

    /// Leaves w in `self.middle` and gives ‖g_w‖, 0 if stationary; `radius` is c ‖g₀‖, above 0, and `mean_square` is ‖g₀‖².
    fn least(&mut self, g: &Gramian, radius: f64, mean_square: f64) -> f64 {
        let n = g.len();
        // The root lies where ‖g_w‖ can lie: up to the longest gradient. There is another at s = 0 if the
        // convex hull of the gradients contains zero, so the search begins above it.
        let longest = (0..n).map(|k| g.norm(k)).fold(0.0, f64::max);
        let (mut s_low, mut s_high) = (STATIONARY / radius, longest / radius);
        shifted(&mut self.solver, g, &self.mean, mean_square, s_low, &mut self.low);
        if g.square(&self.low).sqrt() <= radius * s_low {
            self.middle.clone_from(&self.low);
            return 0.0;
        }
        shifted(&mut self.solver, g, &self.mean, mean_square, s_high, &mut self.high);
        let mut previous = f64::NAN;
        for round in 0..200 {
            let exact = crossing(g, &self.low, &self.high, s_low, s_high, radius);
            // Every third point halves the bracket, so that it shrinks however the pieces lie.
            let s = if round % 3 == 2 { 0.5 * (s_low + s_high) } else { s_low + exact * (s_high - s_low) };
            shifted(&mut self.solver, g, &self.mean, mean_square, s, &mut self.middle);
            let norm = g.square(&self.middle).sqrt();
            // ‖g_w‖² is a sum of order 1, so its root is known to ε / ‖g_w‖.
            let (over, tolerance) = (norm - radius * s, 4.0 * f64::EPSILON / (radius * s));
            if over.abs() <= tolerance || s == previous || s_high - s_low <= f64::EPSILON * s_high {
                break;
            }
            previous = s;
            if over > 0.0 {
                s_low = s;
                std::mem::swap(&mut self.low, &mut self.middle);
            } else {
                s_high = s;
                std::mem::swap(&mut self.high, &mut self.middle);
            }
            // What is broken off after the swap must still find its w in `middle`.
            self.middle.clone_from(if over > 0.0 { &self.low } else { &self.high });
        }
        g.square(&self.middle).sqrt()
    }
}

/// Writes the weights of the point of least norm of the gradients shifted by s g₀.
fn shifted(solver: &mut MinNorm, g: &Gramian, mean: &[f64], mean_square: f64, s: f64, w: &mut Vec<f64>) {
    let entry = |k: usize, l: usize| g[[k, l]] + s * (mean[k] + mean[l]) + s * s * mean_square;
    // The solver wants entries of order 1.
    let size = 1.0 + s * s * mean_square;
    w.clear();
    w.extend_from_slice(solver.solve_for(g.len(), |k, l| entry(k, l) / size));
}

/// How far from `low` to `high`, from 0 to 1, ‖g_w‖ crosses the line `radius · s` if w moves straight: the root
/// of a quadratic equation that is not below 0 at 0 and not above at 1.
fn crossing(g: &Gramian, low: &[f64], high: &[f64], s_low: f64, s_high: f64, radius: f64) -> f64 {
    let at_low = g.square(low) - (radius * s_low).powi(2);
    let at_high = g.square(high) - (radius * s_high).powi(2);
    let across: f64 = (0..g.len()).map(|k| high[k] * g.dot(k, low)).sum();
    let across = across - radius * radius * s_low * s_high;
    // (1−t)² at_low + 2 t (1−t) across + t² at_high = 0
    let (a, b, c) = (at_low - 2.0 * across + at_high, across - at_low, at_low);
    let root = (b * b - a * c).max(0.0).sqrt();
    let t = if b <= 0.0 { c / (root - b) } else { -(b + root) / a };
    if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.5 }
}

impl Balance for CaGrad {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, g) = (tasks.len(), tasks.gramian());
        let share = 1.0 / n as f64;
        self.mean.clear();
        self.mean.extend((0..n).map(|k| g.row(k).iter().sum::<f64>() * share));
        let mean_square = (self.mean.iter().sum::<f64>() * share).max(0.0);
        let radius = self.c * mean_square.sqrt();
        weights.shared.fill(share);
        // A mean gradient of zero, up to rounding, leaves a ball without a radius.
        if radius > self.c * STATIONARY {
            let norm = self.least(g, radius, mean_square);
            for (weight, w) in weights.shared.iter_mut().zip(&self.middle) {
                *weight = if norm > STATIONARY { share + radius / norm * w } else { 0.0 };
            }
        }
        let divisor = match self.rescale {
            Rescale::None => 1.0,
            Rescale::OnePlusC => 1.0 + self.c,
            Rescale::OnePlusSquare => 1.0 + self.c * self.c,
        };
        for weight in &mut weights.shared {
            *weight /= divisor;
        }
    }

    fn check(&self, _: usize) -> Result<()> {
        require_not_negative(self.c, "c of CAGrad")?;
        require(self.c == 0.0 || self.c >= 1e-6, "c of CAGrad", "0, or at least 10⁻⁶", self.c)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::balance::{Balancer, FixedEvidence};

    #[test]
    fn no_other_weights_have_a_smaller_objective() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for case in 0..60 {
            let (n, p) = (rng.random_range(2..7), rng.random_range(2..9));
            let c = [0.1, 0.4, 0.9, 2.0][case % 4];
            let j = Array2::from_shape_fn((n, p), |_| rng.random_range(-1.0..1.0));
            let g = Gramian::of(j.dot(&j.t()).view());
            let mut method = CaGrad::new(c);
            let share = 1.0 / n as f64;
            method.mean = (0..n).map(|k| g.row(k).iter().sum::<f64>() * share).collect();
            let mean_square = method.mean.iter().sum::<f64>() * share;
            let radius = c * mean_square.sqrt();
            let norm = method.least(&g, radius, mean_square);
            let objective = |w: &[f64]| {
                w.iter().zip(&method.mean).map(|(w, b)| w * b).sum::<f64>() + radius * g.square(w).sqrt()
            };
            let least = objective(&method.middle);
            for _ in 0..300 {
                let mut w: Vec<f64> = (0..n).map(|_| rng.random_range(0.0_f64..1.0).powi(3)).collect();
                let sum: f64 = w.iter().sum();
                w.iter_mut().for_each(|w| *w /= sum);
                // Near the minimum too, where an error would show.
                for (w, best) in w.iter_mut().zip(&method.middle) {
                    *w = 0.99 * best + 0.01 * *w;
                }
                // At a stationary point ‖g_w‖ is known to 10⁻⁷ only; otherwise to rounding, as the trace is 1.
                let allowed = if norm == 0.0 { 1e-7 } else { 1e-13 };
                assert!(objective(&w) >= least - allowed, "case {case}");
            }
        }
    }

    #[test]
    fn stands_still_where_nothing_serves_all() {
        let mut balancer = Balancer::new(CaGrad::new(0.5), 3).unwrap();
        let j = array![[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]];
        assert_eq!(balancer.weights(&mut FixedEvidence::from_jacobian(&j)).shared, [0.0; 3]);
    }
}
