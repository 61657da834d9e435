//! The equation behind Nash-MTL and FairGrad, by Newton's method.
//!
//! ```text
//! G w = w^(−1/α)   entry by entry, w > 0
//! ```
//!
//! It is the condition for the minimum of the strictly convex `½ wᵀ G w − Σ ψ(wₖ)` with `ψ′(w) = w^(−1/α)`, so
//! that a damped Newton step always leads towards the one solution. With the lengths of the gradients taken
//! out, `w = a / ‖∇‖`, the matrix is that of the cosines C:
//!
//! ```text
//! C a = m a^(−1/α),   m = ‖∇‖^(1/α − 1)
//! ```
//!
//! If a convex combination of the gradients is zero there is no solution: w would grow without bound. A small
//! ridge r = 10⁻¹² on C bounds it: `a ≤ (m / r)^(α/(1+α))`, 10⁶ for α = 1.

use super::cholesky::Cholesky;
use crate::balance::Gramian;

const RIDGE: f64 = 1e-12;

/// The solver, with its buffers.
#[derive(Clone, Debug, Default)]
pub(in crate::balance) struct Fair {
    a: Vec<f64>,
    m: Vec<f64>,
    residual: Vec<f64>,
    step: Vec<f64>,
    trial: Vec<f64>,
    cosines: Vec<f64>,
    cholesky: Cholesky,
}

impl Fair {
    /// The weights w for the Gramian divided by its trace; a task without a gradient has 0.
    pub(in crate::balance) fn solve(&mut self, g: &Gramian, alpha: f64) -> &[f64] {
        let n = g.len();
        let power = 1.0 / alpha;
        self.start(g, power);
        for _ in 0..200 {
            let error = residual(&self.cosines, &self.a, &self.m, power, &mut self.residual);
            if error < 4.0 * f64::EPSILON || !self.newton_step(n, power) {
                break;
            }
        }
        for (k, a) in self.a.iter_mut().enumerate() {
            *a = if g.norm(k) > 0.0 { *a / g.norm(k) } else { 0.0 };
        }
        &self.a
    }

    /// Where Newton's method begins: exact for one and for two gradients if α = 1, and for gradients at equal
    /// angles.
    fn start(&mut self, g: &Gramian, power: f64) {
        let n = g.len();
        self.cosines.clear();
        for k in 0..n {
            self.cosines.extend((0..n).map(|l| if k == l { 1.0 + RIDGE } else { g.cosine(k, l) }));
        }
        self.m.clear();
        self.m.extend((0..n).map(|k| if g.norm(k) > 0.0 { g.norm(k).powf(power - 1.0) } else { 1.0 }));
        self.a.clear();
        self.a.extend((0..n).map(|k| {
            let lean: f64 = self.cosines[k * n..(k + 1) * n].iter().sum();
            (self.m[k] / if lean >= RIDGE { lean } else { 1.0 }).powf(1.0 / (1.0 + power))
        }));
        self.trial.clear();
        self.trial.resize(n, 0.0);
        self.step.clear();
        self.step.resize(n, 0.0);
        self.residual.clear();
        self.residual.resize(n, 0.0);
    }

    /// One step; false if it no longer moves.
    fn newton_step(&mut self, n: usize, power: f64) -> bool {
        self.cholesky.clear();
        for k in 0..n {
            let row = &self.cosines[k * n..(k + 1) * n];
            let curvature = power * self.m[k] * self.a[k].powf(-power - 1.0);
            if !self.cholesky.push(|l| row[l], row[k] + curvature) {
                return false;
            }
        }
        for (step, residual) in self.step.iter_mut().zip(&self.residual) {
            *step = -residual;
        }
        self.cholesky.solve(&mut self.step);
        let slope: f64 = self.step.iter().zip(&self.residual).map(|(p, r)| p * r).sum();
        // The step must keep a > 0 and must not climb again by more than half the slope it began with.
        let mut part = 1.0_f64;
        for (a, p) in self.a.iter().zip(&self.step) {
            if a + p <= 0.1 * a {
                part = part.min(-0.9 * a / p);
            }
        }
        for _ in 0..60 {
            for ((trial, a), p) in self.trial.iter_mut().zip(&self.a).zip(&self.step) {
                *trial = a + part * p;
            }
            residual(&self.cosines, &self.trial, &self.m, power, &mut self.residual);
            let climb: f64 = self.step.iter().zip(&self.residual).map(|(p, r)| p * r).sum();
            if climb <= -0.5 * slope {
                break;
            }
            part *= 0.5;
        }
        let moved = self.a.iter().zip(&self.trial).any(|(a, b)| (a - b).abs() > 1e-16 * a);
        std::mem::swap(&mut self.a, &mut self.trial);
        moved
    }
}

/// Writes `C a − m a^(−1/α)` and gives its largest entry relative to the terms it is made of.
fn residual(cosines: &[f64], a: &[f64], m: &[f64], power: f64, residual: &mut [f64]) -> f64 {
    let n = a.len();
    let mut largest = 0.0_f64;
    for k in 0..n {
        let share = m[k] * a[k].powf(-power);
        let (mut sum, mut size) = (-share, share);
        for (c, a) in cosines[k * n..(k + 1) * n].iter().zip(a) {
            sum += c * a;
            size += (c * a).abs();
        }
        residual[k] = sum;
        largest = largest.max(sum.abs() / size);
    }
    largest
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solves_the_equation() {
        let g = Gramian::of(array![[18.0, -22.0, -3.0], [-22.0, 38.0, 7.0], [-3.0, 7.0, 14.0]].view());
        for alpha in [0.5, 1.0, 2.0, 10.0] {
            let w = Fair::default().solve(&g, alpha).to_vec();
            for (k, weight) in w.iter().enumerate() {
                let share = weight.powf(-1.0 / alpha);
                assert!((g.dot(k, &w) - share).abs() < 1e-9 * share, "alpha {alpha}, task {k}");
            }
        }
    }

    /// A gradient a thousandth as long as the other, at angles from blunt to sharp: `m` spans 27 decades at α = 0.1.
    #[test]
    fn solves_the_equation_for_uneven_gradients() {
        for alpha in [0.1, 0.2, 0.5, 1.0, 2.0, 20.0] {
            for cosine in [-0.9, 0.0, 0.1, 0.9] {
                let g = Gramian::of(array![[1.0, 1e-3 * cosine], [1e-3 * cosine, 1e-6]].view());
                let w = Fair::default().solve(&g, alpha).to_vec();
                for (k, weight) in w.iter().enumerate() {
                    let (served, share) = (g.dot(k, &w), weight.powf(-1.0 / alpha));
                    let terms = share + g[[k, k]] * weight + g[[0, 1]].abs() * w[1 - k];
                    // The ridge is 1e-12 of the middle term.
                    assert!((served - share).abs() < 1e-11 * terms, "alpha {alpha}, cosine {cosine}: {w:?}");
                }
            }
        }
    }

    #[test]
    fn two_gradients_have_a_formula() {
        for (a, b, c) in [(18.0, -22.0, 38.0), (1.0, 0.0, 1e-8), (1.0, 0.999, 1.0), (1.0, -0.999_999, 1.0)] {
            let g = Gramian::of(array![[a, b], [b, c]].view());
            let cosine = g.cosine(0, 1);
            let w = Fair::default().solve(&g, 1.0).to_vec();
            for (k, weight) in w.iter().enumerate() {
                let expected = 1.0 / (g.norm(k) * (1.0 + cosine).sqrt());
                // The ridge changes 1 + cos by 1e-12.
                assert!((weight / expected - 1.0).abs() < 1e-12 / (1.0 + cosine) + 1e-13);
            }
        }
    }
}
