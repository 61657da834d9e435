//! Cholesky's factor of a symmetric matrix that grows by one row and column at a time.

/// A pivot smaller than this part of its diagonal entry is rounding: the row depends on those before it.
const DEPENDENT: f64 = 1e-13;

/// The lower triangle L of `A = L Lᵀ`, row after row without gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Cholesky {
    order: usize,
    factor: Vec<f64>,
}

impl Cholesky {
    /// Back to a matrix without rows.
    pub(super) fn clear(&mut self) {
        self.order = 0;
        self.factor.clear();
    }

    /// Makes room for a matrix of that order, in a factor without rows.
    pub(super) fn reserve(&mut self, order: usize) {
        self.factor.reserve(order * (order + 1) / 2);
    }

    /// Adds a row: `off(i)` is its entry in column `i`, for each row so far. False, and nothing is added, if
    /// the row depends on the ones before it.
    pub(super) fn push(&mut self, off: impl Fn(usize) -> f64, diagonal: f64) -> bool {
        let start = self.factor.len();
        let mut pivot = diagonal;
        for i in 0..self.order {
            let above = &self.factor[i * (i + 1) / 2..][..=i];
            let known: f64 = above[..i].iter().zip(&self.factor[start..]).map(|(a, b)| a * b).sum();
            let entry = (off(i) - known) / above[i];
            pivot -= entry * entry;
            self.factor.push(entry);
        }
        if pivot > DEPENDENT * diagonal {
            self.factor.push(pivot.sqrt());
            self.order += 1;
            return true;
        }
        self.factor.truncate(start);
        false
    }

    /// Replaces `b` by the solution x of `A x = b`.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let n = self.order;
        for i in 0..n {
            let row = &self.factor[i * (i + 1) / 2..][..=i];
            let known: f64 = row[..i].iter().zip(&*b).map(|(l, y)| l * y).sum();
            b[i] = (b[i] - known) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.factor[i * (i + 1) / 2..][..=i];
            b[i] /= row[i];
            let solved = b[i];
            for (rest, l) in b[..i].iter_mut().zip(row) {
                *rest -= l * solved;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_refuses_dependent_rows() {
        let a = [[4.0, 2.0, 6.0], [2.0, 5.0, 7.0], [6.0, 7.0, 13.0]];
        let mut cholesky = Cholesky::default();
        assert!(cholesky.push(|_| unreachable!(), a[0][0]));
        assert!(cholesky.push(|i| a[1][i], a[1][1]));
        assert!(!cholesky.push(|i| a[2][i], a[2][2]), "row 2 is the sum of the others");
        let mut x = [10.0, 9.0];
        cholesky.solve(&mut x);
        assert!(
            (4.0 * x[0] + 2.0 * x[1] - 10.0).abs() < 1e-12 && (2.0 * x[0] + 5.0 * x[1] - 9.0).abs() < 1e-12
        );
    }
}
