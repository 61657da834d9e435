//! Eigenvalues and eigenvectors of a symmetric matrix.
//!
//! In two stages (Golub and Van Loan, *Matrix Computations*, 4th edition, sections 8.3.1 and 8.3.5). Reflections
//! make the matrix tridiagonal, row by row:
//!
//! ```text
//! A ← H A H,   H = I − β v vᵀ,   β = 2 / vᵀv          as   A ← A − v wᵀ − w vᵀ,   w = β p − ½ β² (pᵀv) v,   p = A v
//! ```
//! Then QR steps with Wilkinson's shift μ make it diagonal. A step is a sequence of rotations of neighbours; the first is that
//! of the QR factorisation of `T − μ`, and each of the others removes the entry outside the three diagonals that the one
//! before it has made. Together about 8 K³ multiplications and as many additions.

/// An eigenvalue below this part of the largest is zero up to rounding.
const ZERO: f64 = 1e-13;

/// A row shorter than this is zero beside a largest entry of 1; its squares would lose their digits.
const LEAST: f64 = 1e-140;

/// The solver with its result: `A = Σᵢ λᵢ vᵢ vᵢᵀ`.
#[derive(Clone, Debug, Default)]
pub(in crate::balance) struct Eigen {
    n: usize,
    /// The matrix; later, the vectors of the reflections, that of number k in row k from column k + 1 on.
    matrix: Vec<f64>,
    /// The diagonal, at last the eigenvalues, and the entries beside it.
    values: Vec<f64>,
    beside: Vec<f64>,
    /// β of each reflection.
    betas: Vec<f64>,
    /// Row i is the eigenvector of eigenvalue i.
    vectors: Vec<f64>,
    spare: Vec<f64>,
}

impl Eigen {
    /// Decomposes the symmetric n × n matrix `a`.
    pub(in crate::balance) fn decompose(&mut self, n: usize, a: impl Fn(usize, usize) -> f64) {
        self.n = n;
        self.matrix.clear();
        for i in 0..n {
            self.matrix.extend((0..n).map(|j| a(i, j)));
        }
        // Squares of very small or large numbers would leave the range of f64.
        let largest = self.matrix.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        if largest > 0.0 {
            self.matrix.iter_mut().for_each(|x| *x /= largest);
        }
        self.tridiagonalise();
        self.multiply_reflections();
        self.diagonalise();
        self.values.iter_mut().for_each(|value| *value *= largest);
    }

    fn tridiagonalise(&mut self) {
        let n = self.n;
        let Self { matrix, values, beside, betas, spare, .. } = self;
        for list in [&mut *values, &mut *beside, &mut *betas] {
            list.clear();
            list.resize(n, 0.0);
        }
        for k in 0..n {
            values[k] = matrix[k * n + k];
            let (done, rest) = matrix.split_at_mut((k + 1) * n);
            let v = &mut done[k * n + k + 1..];
            let Some(&first) = v.first() else { break };
            let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            // Away from the first entry, so that nothing cancels.
            let kept = if first > 0.0 { -length } else { length };
            if length < LEAST || v[1..].iter().all(|&x| x == 0.0) {
                beside[k] = first;
                continue;
            }
            beside[k] = kept;
            v[0] -= kept;
            let beta = 1.0 / (length * (length + first.abs()));
            betas[k] = beta;
            spare.clear();
            spare.resize(v.len(), 0.0);
            reflect(rest, n, v, beta, spare);
        }
    }

    /// The product of all reflections, transposed: the last of them first, so that each meets only what is not the
    /// identity yet.
    fn multiply_reflections(&mut self) {
        let n = self.n;
        self.vectors.clear();
        self.vectors.resize(n * n, 0.0);
        for k in (0..n).rev() {
            self.vectors[k * n + k] = 1.0;
            let (beta, v) = (self.betas[k], &self.matrix[k * n + k + 1..(k + 1) * n]);
            if beta == 0.0 {
                continue;
            }
            for row in self.vectors[(k + 1) * n..].chunks_exact_mut(n) {
                let row = &mut row[k + 1..];
                let factor = beta * dot(row, v);
                for (r, &v) in row.iter_mut().zip(v) {
                    *r -= factor * v;
                }
            }
        }
    }

    fn diagonalise(&mut self) {
        let Self { n, values, beside, vectors, .. } = self;
        let n = *n;
        let mut high = n.saturating_sub(1);
        // Two steps or three find an eigenvalue: the bound is never met by finite numbers.
        for _ in 0..30 * n {
            let is_apart = |k: usize, values: &[f64], beside: &[f64]| {
                beside[k].abs() <= f64::EPSILON * (values[k].abs() + values[k + 1].abs())
            };
            while high > 0 && is_apart(high - 1, values, beside) {
                high -= 1;
            }
            if high == 0 {
                break;
            }
            let low = (0..high).rev().find(|&k| is_apart(k, values, beside)).map_or(0, |k| k + 1);
            step(&mut values[low..=high], &mut beside[low..high], |k, cos, sin| {
                let (above, below) = vectors[(low + k) * n..(low + k + 2) * n].split_at_mut(n);
                turn(above, below, cos, sin);
            });
        }
    }

    /// The eigenvalues and eigenvectors, without those that are zero up to rounding, in no order.
    pub(in crate::balance) fn pairs(&self) -> impl Iterator<Item = (f64, &[f64])> + Clone {
        let least = ZERO * self.n as f64 * self.values.iter().copied().fold(0.0, f64::max);
        self.values
            .iter()
            .copied()
            .zip(self.vectors.chunks_exact(self.n.max(1)))
            .filter(move |(value, _)| *value > least)
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

/// One QR step on a tridiagonal matrix none of whose entries beside the diagonal is zero; `rotate(k, cos, sin)` is told the
/// rotations of rows k and k + 1.
fn step(values: &mut [f64], beside: &mut [f64], mut rotate: impl FnMut(usize, f64, f64)) {
    let last = beside.len() - 1;
    // Of the eigenvalues of the last two rows and columns the one nearer to the last entry.
    let half = (values[last] - values[last + 1]) / 2.0;
    let square = beside[last] * beside[last];
    let shift = values[last + 1] - square / (half + half.hypot(beside[last]).copysign(half));
    // What the next rotation turns into (length, 0).
    let (mut x, mut y) = (values[0] - shift, beside[0]);
    for k in 0..=last {
        let length = x.hypot(y);
        let (cos, sin) = if length > 0.0 { (x / length, y / length) } else { (1.0, 0.0) };
        if k > 0 {
            beside[k - 1] = length;
        }
        let (a, b, d) = (values[k], beside[k], values[k + 1]);
        let (moved, difference) = (2.0 * cos * sin * b, d - a);
        values[k] = a + sin * sin * difference + moved;
        values[k + 1] = d - sin * sin * difference - moved;
        beside[k] = (cos * cos - sin * sin) * b + cos * sin * difference;
        if k < last {
            (x, y) = (beside[k], sin * beside[k + 1]);
            beside[k + 1] *= cos;
        }
        rotate(k, cos, sin);
    }
}

/// `A ← H A H` for the rows and columns of A that the reflection's vector reaches, the last of each row; `w` is as long
/// as `v`, and zero.
fn reflect(rows: &mut [f64], n: usize, v: &[f64], beta: f64, w: &mut [f64]) {
    let first = n - v.len();
    // p = A v as the combination of A's rows, which are its columns: no sum waits for itself.
    for (row, &factor) in rows.chunks_exact(n).zip(v) {
        for (p, &a) in w.iter_mut().zip(&row[first..]) {
            *p += factor * a;
        }
    }
    let back = 0.5 * beta * beta * dot(w, v);
    for (w, &v) in w.iter_mut().zip(v) {
        *w = beta * *w - back * v;
    }
    for (i, row) in rows.chunks_exact_mut(n).enumerate() {
        let (v_i, w_i) = (v[i], w[i]);
        for ((a, &v), &w) in row[first..].iter_mut().zip(v).zip(&*w) {
            *a -= v_i * w + w_i * v;
        }
    }
}

/// Turns two rows in the plane that they span.
fn turn(above: &mut [f64], below: &mut [f64], cos: f64, sin: f64) {
    for (x, y) in above.iter_mut().zip(below) {
        (*x, *y) = (cos * *x + sin * *y, cos * *y - sin * *x);
    }
}

/// In four chains, because a single sum would wait for itself.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (fours, rest) = a.as_chunks::<4>();
    let (others, other_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in fours.iter().zip(others) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
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
        for n in [0, 1, 2, 3, 8, 32, 100] {
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
