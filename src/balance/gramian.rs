//! The Gramian as methods see it: of the tasks with labels, symmetric, and divided by its trace.

use std::ops::Index;

use ndarray::ArrayView2;

/// The Gramian of task gradients, `G[k, l] = ⟨∇ₖ, ∇ₗ⟩`, divided by its trace.
///
/// The trace is kept as [`scale`](Self::scale): the true Gramian is `scale · G`. Where all gradients are zero,
/// both are zero. A gradient that is not finite counts as zero.
///
/// ```
/// use polytask::balance::Gramian;
/// use polytask::ndarray::array;
///
/// let g = Gramian::of(array![[30.0, 5.0], [5.0, 10.0]].view());
/// assert_eq!((g[[0, 0]], g[[0, 1]], g.scale()), (0.75, 0.125, 40.0));
/// ```
///
/// What a method reads off it, for gradients of lengths 3 and 4 at an angle of cosine ¼:
///
/// ```
/// use polytask::balance::Gramian;
/// use polytask::ndarray::array;
///
/// let g = Gramian::of(array![[9.0, 3.0], [3.0, 16.0]].view());
/// let near = |a: f64, b: f64| (a - b).abs() < 1e-15;
/// assert!(g.len() == 2 && g.scale() == 25.0 && g.row(0) == [g[[0, 0]], g[[0, 1]]]);
/// assert!(near(g.norm(0), 0.6) && near(g.true_norm(0), 3.0) && near(g.cosine(0, 1), 0.25));
/// assert!(near(g.dot(0, &[1.0, 1.0]), 12.0 / 25.0)); // ⟨∇₀, ∇₀ + ∇₁⟩
/// assert!(near(g.square(&[1.0, -1.0]), 19.0 / 25.0)); // ‖∇₀ − ∇₁‖²
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gramian {
    n: usize,
    values: Vec<f64>,
    scale: f64,
}

impl Gramian {
    /// The Gramian with the entries of the square matrix `matrix`.
    ///
    /// # Panics
    /// If `matrix` is not square.
    #[track_caller]
    pub fn of(matrix: ArrayView2<'_, f64>) -> Self {
        let mut gramian = Self::default();
        assert!(matrix.is_square(), "a Gramian is square, this matrix is {:?}", matrix.shape());
        gramian.fill(matrix.nrows(), |k, l| matrix[[k, l]]);
        gramian
    }

    /// Replaces this by the n × n Gramian of the given entries; allocates only if it grows.
    pub(super) fn fill(&mut self, n: usize, entry: impl Fn(usize, usize) -> f64) {
        self.n = n;
        self.values.clear();
        self.values.resize(n * n, 0.0);
        for k in 0..n {
            for l in 0..=k {
                let value = 0.5 * entry(k, l) + 0.5 * entry(l, k);
                self.values[k * n + l] = value;
                self.values[l * n + k] = value;
            }
        }
        self.drop_what_is_not_finite();
        self.divide_by_trace();
    }

    /// Replaces this by the Gramian of the gradients of `from`, each multiplied by its factor.
    pub(super) fn rescale(&mut self, from: &Self, factor: impl Fn(usize) -> f64) {
        self.fill(from.n, |k, l| factor(k) * factor(l) * from[[k, l]]);
        self.scale *= from.scale;
    }

    fn drop_what_is_not_finite(&mut self) {
        let n = self.n;
        for k in 0..n {
            let row = &self.values[k * n..(k + 1) * n];
            if row[k] >= 0.0 && row.iter().all(|value| value.is_finite()) {
                continue;
            }
            // One bad gradient spoils a column in every row: only the task whose own norm is bad is at fault,
            // unless a product of two sound norms is bad, and then neither can be told from the other.
            let at_fault = !(row[k].is_finite() && row[k] >= 0.0);
            for l in 0..n {
                if at_fault || !self.values[k * n + l].is_finite() {
                    self.values[k * n + l] = 0.0;
                    self.values[l * n + k] = 0.0;
                }
            }
        }
    }

    fn divide_by_trace(&mut self) {
        let n = self.n;
        let largest = (0..n).map(|k| self.values[k * n + k]).fold(0.0, f64::max);
        if largest == 0.0 {
            self.values.fill(0.0);
            self.scale = 0.0;
            return;
        }
        // The trace itself may overflow, so the matrix is first divided by its largest entry.
        let trace = (0..n).map(|k| self.values[k * n + k] / largest).sum::<f64>();
        for value in &mut self.values {
            *value = *value / largest / trace;
        }
        self.scale = (largest * trace).min(f64::MAX);
        for k in 0..n {
            for l in 0..n {
                let most = self.norm(k) * self.norm(l);
                if k != l {
                    self.values[k * n + l] = self.values[k * n + l].clamp(-most, most);
                }
            }
        }
    }

    /// The number of tasks.
    #[expect(clippy::len_without_is_empty, reason = "there is always a task")]
    pub fn len(&self) -> usize {
        self.n
    }

    /// The trace of the true Gramian, Σₖ ‖∇ₖ‖²: that of this matrix is 1, or 0 if all gradients are zero.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Row `k`, which is also column `k`.
    pub fn row(&self, k: usize) -> &[f64] {
        &self.values[k * self.n..(k + 1) * self.n]
    }

    /// The length of gradient `k` in units of √scale.
    pub fn norm(&self, k: usize) -> f64 {
        self.values[k * self.n + k].sqrt()
    }

    /// The true length of gradient `k`.
    pub fn true_norm(&self, k: usize) -> f64 {
        self.norm(k) * self.scale.sqrt()
    }

    /// The cosine of the angle between two gradients; 0 if one of them is zero.
    pub fn cosine(&self, k: usize, l: usize) -> f64 {
        let norms = self.norm(k) * self.norm(l);
        if norms > 0.0 { (self[[k, l]] / norms).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// `⟨∇ₖ, Σₗ wₗ ∇ₗ⟩`: entry `k` of `G w`.
    pub fn dot(&self, k: usize, w: &[f64]) -> f64 {
        self.row(k).iter().zip(w).map(|(g, w)| g * w).sum()
    }

    /// `‖Σₖ wₖ ∇ₖ‖² = wᵀ G w`, never below 0.
    pub fn square(&self, w: &[f64]) -> f64 {
        let sum: f64 = w.iter().enumerate().map(|(k, wk)| wk * self.dot(k, w)).sum();
        sum.max(0.0)
    }
}

impl Index<[usize; 2]> for Gramian {
    type Output = f64;

    fn index(&self, [k, l]: [usize; 2]) -> &f64 {
        &self.values[k * self.n + l]
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn any_scale_gives_the_same_matrix() {
        let g = array![[18.0, -22.0], [-22.0, 38.0]];
        let plain = Gramian::of(g.view());
        for scale in [1e-300, 1e-20, 1e15, 1e300] {
            let scaled = Gramian::of((&g * scale).view());
            for k in 0..2 {
                for l in 0..2 {
                    assert!((scaled[[k, l]] - plain[[k, l]]).abs() < 1e-15);
                }
            }
        }
        assert!(Gramian::of((&g * 4e306).view()).scale().is_finite());
    }

    #[test]
    fn a_gradient_that_is_not_finite_counts_as_zero() {
        let g = Gramian::of(
            array![[4.0, f64::NAN, 2.0], [f64::NAN, f64::NAN, f64::NAN], [2.0, f64::NAN, 4.0]].view(),
        );
        assert_eq!(g.row(0), [0.5, 0.0, 0.25]);
        assert_eq!(g.row(1), [0.0; 3]);
        let overflowed = Gramian::of(array![[f64::INFINITY, f64::INFINITY], [f64::INFINITY, 1.0]].view());
        assert_eq!((overflowed.row(0), overflowed.row(1)), ([0.0, 0.0].as_slice(), [0.0, 1.0].as_slice()));
    }
}
