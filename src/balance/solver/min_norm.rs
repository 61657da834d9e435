//! The point of least norm in the convex hull of the gradients.
//!
//! ```text
//! w = argmin wᵀ G w   over the simplex  w ≥ 0, Σ w = 1
//! ```
//!
//! The constraint Σ w = 1 is dropped by lifting: put v = s w with s = Σ v. Then
//! `½ vᵀ (G + 1 1ᵀ) v − 1ᵀ v = ½ s² (wᵀ G w + 1) − s`, whose least value over s is `−½ / (wᵀ G w + 1)`. So the
//! minimum over v ≥ 0 alone has its w at the minimum over the simplex.

use super::nonnegative::Nonnegative;
use crate::balance::Gramian;

/// The solver, with its buffers.
#[derive(Clone, Debug, Default)]
pub(in crate::balance) struct MinNorm {
    quadratic: Nonnegative,
    w: Vec<f64>,
}

impl MinNorm {
    /// The weights of the point of least norm.
    pub(in crate::balance) fn solve(&mut self, g: &Gramian) -> &[f64] {
        self.solve_for(g.len(), |k, l| g[[k, l]])
    }

    /// The same for a matrix given by its entries, of order 1.
    pub(in crate::balance) fn solve_for(&mut self, n: usize, g: impl Fn(usize, usize) -> f64) -> &[f64] {
        self.w.clear();
        if n == 2 {
            self.w.extend(of_two(g(0, 0), g(0, 1), g(1, 1)));
            return &self.w;
        }
        let v = self.quadratic.solve(n, |k, l| g(k, l) + 1.0, |_| 1.0);
        let sum: f64 = v.iter().sum();
        self.w.extend(v.iter().map(|v| v / sum));
        &self.w
    }
}

/// Of two gradients, with `‖∇₁‖² = a`, `⟨∇₁, ∇₂⟩ = b`, `‖∇₂‖² = c`: the foot of the perpendicular, unless it
/// lies beyond an end.
fn of_two(a: f64, b: f64, c: f64) -> [f64; 2] {
    if b >= a {
        return [1.0, 0.0];
    }
    if b >= c {
        return [0.0, 1.0];
    }
    let w = (c - b) / (a - b + (c - b));
    [w, 1.0 - w]
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn no_gradient_leans_less_on_the_point_than_the_point_itself() {
        // The condition for the minimum: ⟨∇ₖ, d⟩ ≥ ‖d‖² for every k.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut solver = MinNorm::default();
        for _ in 0..300 {
            let (n, p) = (rng.random_range(1..12), rng.random_range(1..16));
            let rows: Vec<Vec<f64>> = (0..n)
                .map(|_| {
                    let scale = 10_f64.powf(rng.random_range(-2.0..2.0));
                    (0..p).map(|_| scale * rng.random_range(-1.0..1.0)).collect()
                })
                .collect();
            let mut g = Gramian::default();
            g.fill(n, |k, l| rows[k].iter().zip(&rows[l]).map(|(a, b)| a * b).sum());
            let w = solver.solve(&g);
            assert!(w.iter().all(|&w| w >= 0.0) && (w.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let least = g.square(w);
            for k in 0..n {
                // The trace is 1, so that rounding is of order 1e-16 times the number of operations.
                assert!(g.dot(k, w) >= least - 1e-13, "{} < {least}", g.dot(k, w));
            }
        }
    }

    #[test]
    fn two_are_solved_alike_by_the_formula_and_the_active_set() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut quadratic = Nonnegative::default();
        for _ in 0..200 {
            let (a, c): (f64, f64) = (rng.random_range(0.01..1.0), rng.random_range(0.01..1.0));
            let b = rng.random_range(-0.99..0.99) * (a * c).sqrt();
            let g = |k: usize, l: usize| [[a, b], [b, c]][k][l];
            let v = quadratic.solve(2, |k, l| g(k, l) + 1.0, |_| 1.0);
            let [w, _] = of_two(a, b, c);
            assert!((v[0] / (v[0] + v[1]) - w).abs() < 1e-11);
        }
    }
}
