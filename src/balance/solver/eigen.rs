//! Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations.

/// An eigenvalue below this part of the largest is zero up to rounding.
const ZERO: f64 = 1e-13;

/// The solver with its result: `A = Σᵢ λᵢ vᵢ vᵢᵀ`.
#[derive(Clone, Debug, Default)]
pub(in crate::balance) struct Eigen {
    n: usize,
    /// The matrix, which the rotations make diagonal.
    matrix: Vec<f64>,
    /// Row i is the eigenvector of eigenvalue i.
    vectors: Vec<f64>,
}

impl Eigen {
    /// Decomposes the symmetric n × n matrix `a`.
    pub(in crate::balance) fn decompose(&mut self, n: usize, a: impl Fn(usize, usize) -> f64) {
        self.n = n;
        self.matrix.clear();
        self.vectors.clear();
        for i in 0..n {
            self.matrix.extend((0..n).map(|j| a(i, j)));
            self.vectors.extend((0..n).map(|j| if i == j { 1.0 } else { 0.0 }));
        }
        let size: f64 = self.matrix.iter().map(|x| x * x).sum();
        // Cyclic sweeps converge quadratically: six or so do, the bound is never met. Small eigenvalues want an
        // off-diagonal part well below rounding of the large ones.
        for _ in 0..60 {
            let off: f64 =
                (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| self.at(i, j).powi(2)).sum();
            if off <= 1e-40 * size {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    self.rotate(p, q);
                }
            }
        }
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.matrix[i * self.n + j]
    }

    /// Turns the plane (p, q) such that entry (p, q) becomes zero.
    fn rotate(&mut self, p: usize, q: usize) {
        let n = self.n;
        let off = self.at(p, q);
        if off == 0.0 {
            return;
        }
        let cot2 = (self.at(q, q) - self.at(p, p)) / (2.0 * off);
        let tan = cot2.signum() / (cot2.abs() + cot2.hypot(1.0));
        let cos = 1.0 / tan.hypot(1.0);
        let sin = tan * cos;
        for i in 0..n {
            let (x, y) = (self.at(i, p), self.at(i, q));
            self.matrix[i * n + p] = cos * x - sin * y;
            self.matrix[i * n + q] = sin * x + cos * y;
        }
        for rows in [&mut self.matrix, &mut self.vectors] {
            for j in 0..n {
                let (x, y) = (rows[p * n + j], rows[q * n + j]);
                rows[p * n + j] = cos * x - sin * y;
                rows[q * n + j] = sin * x + cos * y;
            }
        }
        // Exactly, where the arithmetic leaves rounding.
        self.matrix[p * n + q] = 0.0;
        self.matrix[q * n + p] = 0.0;
    }

    /// The eigenvalues and eigenvectors, without those that are zero up to rounding, in no order.
    pub(in crate::balance) fn pairs(&self) -> impl Iterator<Item = (f64, &[f64])> + Clone {
        let values = (0..self.n).map(|i| self.at(i, i));
        let least = ZERO * self.n as f64 * values.clone().fold(0.0, f64::max);
        values.zip(self.vectors.chunks_exact(self.n.max(1))).filter(move |(value, _)| *value > least)
    }

    /// Writes `Σᵢ f(λᵢ) vᵢ vᵢᵀ b`, over the eigenvalues that are not zero.
    pub(in crate::balance) fn apply(&self, f: impl Fn(f64) -> f64, b: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (value, vector) in self.pairs() {
            let along = f(value) * vector.iter().zip(b).map(|(v, b)| v * b).sum::<f64>();
            for (out, v) in out.iter_mut().zip(vector) {
                *out += along * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn puts_the_matrix_together_again() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut eigen = Eigen::default();
        for n in [1, 2, 3, 8, 32] {
            let half: Vec<f64> = (0..n * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            // B Bᵀ: no eigenvalue below 0.
            let a = |i: usize, j: usize| (0..n).map(|p| half[i * n + p] * half[j * n + p]).sum::<f64>();
            eigen.decompose(n, a);
            let (mut unit, mut column) = (vec![0.0; n], vec![0.0; n]);
            for j in 0..n {
                unit.fill(0.0);
                unit[j] = 1.0;
                eigen.apply(|value| value, &unit, &mut column);
                for (i, entry) in column.iter().enumerate() {
                    assert!((entry - a(i, j)).abs() < 1e-12 * n as f64);
                }
            }
        }
    }

    #[test]
    fn leaves_out_what_is_zero() {
        let mut eigen = Eigen::default();
        eigen.decompose(3, |i, j| [1.0, 2.0, -3.0][i] * [1.0, 2.0, -3.0][j]);
        let pairs: Vec<_> = eigen.pairs().map(|(value, _)| value).collect();
        assert_eq!(pairs.len(), 1);
        assert!((pairs[0] - 14.0).abs() < 1e-12);
        eigen.decompose(2, |_, _| 0.0);
        assert_eq!(eigen.pairs().count(), 0);
    }
}
