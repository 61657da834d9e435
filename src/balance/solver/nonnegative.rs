//! The quadratic problem behind the exact methods, by an active set.
//!
//! ```text
//! minimise ½ xᵀ H x − bᵀ x   over x ≥ 0,        H = Aᵀ A,  b = Aᵀ y
//! ```
//!
//! This is nonnegative least squares, solved as Lawson and Hanson (1974, chapter 23) do: the set of free
//! (positive) entries grows by the entry that lowers the value most, and shrinks whenever the solution on the
//! free entries would leave x ≥ 0. It ends at the exact solution after finitely many sets; an entry that
//! enters does not depend on the free ones unless by rounding, and then it is passed over.

use super::cholesky::Cholesky;

/// The solver, with its buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Nonnegative {
    n: usize,
    /// H and b with variables scaled such that H has a diagonal of ones: x = z · unit.
    hessian: Vec<f64>,
    target: Vec<f64>,
    unit: Vec<f64>,
    z: Vec<f64>,
    free: Vec<usize>,
    passed_over: Vec<bool>,
    trial: Vec<f64>,
    /// By how much the value falls per unit of each entry.
    falls: Vec<f64>,
    cholesky: Cholesky,
}

impl Nonnegative {
    /// The minimum for the n × n matrix `hessian` and the vector `target`.
    pub(super) fn solve(
        &mut self,
        n: usize,
        hessian: impl Fn(usize, usize) -> f64,
        target: impl Fn(usize) -> f64,
    ) -> &[f64] {
        self.set_hessian(n, hessian);
        self.minimise(target)
    }

    /// Takes the n × n matrix, for any number of minimisations.
    pub(super) fn set_hessian(&mut self, n: usize, hessian: impl Fn(usize, usize) -> f64) {
        self.n = n;
        self.unit.clear();
        self.unit.extend((0..n).map(|j| {
            let diagonal = hessian(j, j);
            if diagonal > 0.0 { 1.0 / diagonal.sqrt() } else { 0.0 }
        }));
        self.hessian.clear();
        for i in 0..n {
            self.hessian.extend((0..n).map(|j| hessian(i, j) * self.unit[i] * self.unit[j]));
        }
        // Each may grow to its full length at any step.
        for list in [&mut self.trial, &mut self.falls] {
            list.clear();
            list.reserve(n);
        }
        self.free.clear();
        self.free.reserve(n);
        self.cholesky.clear();
        self.cholesky.reserve(n);
    }

    /// The minimum for the matrix that was set.
    pub(super) fn minimise(&mut self, target: impl Fn(usize) -> f64) -> &[f64] {
        let n = self.n;
        self.target.clear();
        self.target.extend((0..n).map(|j| target(j) * self.unit[j]));
        self.z.clear();
        self.z.resize(n, 0.0);
        self.passed_over.clear();
        self.passed_over.resize(n, false);
        self.free.clear();
        self.cholesky.clear();
        // A set is never met twice, and few are met: the bound is for rounding alone.
        for _ in 0..30 * n {
            let Some(entering) = self.steepest() else { break };
            if self.enter(entering) {
                self.passed_over.fill(false);
            } else {
                self.passed_over[entering] = true;
            }
        }
        for (z, unit) in self.z.iter_mut().zip(&self.unit) {
            *z *= unit;
        }
        &self.z
    }

    /// The entry at 0 along which the value falls most, if it falls along any by more than rounding.
    fn steepest(&mut self) -> Option<usize> {
        let size =
            self.z.iter().sum::<f64>() + self.target.iter().fold(0.0, |most: f64, b| most.max(b.abs()));
        let mut least = 4.0 * self.n as f64 * f64::EPSILON * size;
        // b − H z, from the columns of the free entries alone: often a few of many.
        let mut falls = std::mem::take(&mut self.falls);
        falls.clear();
        falls.extend_from_slice(&self.target);
        for &i in &self.free {
            falls.iter_mut().zip(self.row(i)).for_each(|(fall, h)| *fall -= self.z[i] * h);
        }
        let mut steepest = None;
        for (j, &fall) in falls.iter().enumerate() {
            if fall > least && !(self.z[j] > 0.0 || self.passed_over[j]) {
                (least, steepest) = (fall, Some(j));
            }
        }
        self.falls = falls;
        steepest
    }

    fn row(&self, j: usize) -> &[f64] {
        &self.hessian[j * self.n..(j + 1) * self.n]
    }

    /// Frees entry `j` and goes to the minimum on the free entries that are left; false if rounding forbids.
    fn enter(&mut self, j: usize) -> bool {
        if !self.push(j) {
            return false;
        }
        self.solve_free();
        if *self.trial.last().expect("an entry has just entered") <= 0.0 {
            self.free.pop();
            self.factorise();
            return false;
        }
        while let Some((first, part)) = self.first_to_leave() {
            for (&i, s) in self.free.iter().zip(&self.trial) {
                self.z[i] += part * (s - self.z[i]);
            }
            // Up to rounding it is there; others may have got there at the same time.
            self.z[first] = 0.0;
            let z = &self.z;
            self.free.retain(|&i| z[i] > 0.0);
            self.factorise();
            self.solve_free();
        }
        for (&i, &s) in self.free.iter().zip(&self.trial) {
            self.z[i] = s;
        }
        true
    }

    /// The free entry that reaches 0 first on the way to the trial solution, and after what part of the way.
    fn first_to_leave(&self) -> Option<(usize, f64)> {
        let leaving = self.free.iter().zip(&self.trial).filter(|&(_, &s)| s <= 0.0);
        // An entry that has just come in is at 0 already.
        let parts =
            leaving.map(|(&i, s)| (i, if self.z[i] > 0.0 { self.z[i] / (self.z[i] - s) } else { 0.0 }));
        parts.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn push(&mut self, j: usize) -> bool {
        let (free, row) = (&self.free, &self.hessian[j * self.n..(j + 1) * self.n]);
        let independent = self.cholesky.push(|i| row[free[i]], row[j]);
        if independent {
            self.free.push(j);
        }
        independent
    }

    fn factorise(&mut self) {
        self.cholesky.clear();
        let n = self.n;
        let (free, hessian, cholesky) = (&mut self.free, &self.hessian, &mut self.cholesky);
        let mut kept = 0;
        for at in 0..free.len() {
            let j = free[at];
            let row = &hessian[j * n..(j + 1) * n];
            if cholesky.push(|i| row[free[i]], row[j]) {
                free[kept] = j;
                kept += 1;
            } else {
                self.z[j] = 0.0;
            }
        }
        free.truncate(kept);
    }

    fn solve_free(&mut self) {
        self.trial.clear();
        self.trial.extend(self.free.iter().map(|&i| self.target[i]));
        self.cholesky.solve(&mut self.trial);
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Looks at every set of free entries.
    fn by_all_sets(n: usize, h: &dyn Fn(usize, usize) -> f64, b: &dyn Fn(usize) -> f64) -> f64 {
        let mut best = 0.0_f64;
        'sets: for set in 1..1_usize << n {
            let free: Vec<_> = (0..n).filter(|i| set >> i & 1 == 1).collect();
            let mut cholesky = Cholesky::default();
            for (at, &i) in free.iter().enumerate() {
                if !cholesky.push(|l| h(i, free[l]), h(free[at], free[at])) {
                    continue 'sets;
                }
            }
            let mut x: Vec<_> = free.iter().map(|&i| b(i)).collect();
            cholesky.solve(&mut x);
            if x.iter().all(|&x| x >= 0.0) {
                best = best.min(-0.5 * free.iter().zip(&x).map(|(&i, x)| b(i) * x).sum::<f64>());
            }
        }
        best
    }

    #[test]
    fn no_set_of_free_entries_is_better() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut solver = Nonnegative::default();
        for case in 0..200 {
            let (n, p) = (rng.random_range(1..7), rng.random_range(1..9));
            let a: Vec<Vec<f64>> =
                (0..n).map(|_| (0..p).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
            let y: Vec<f64> = (0..p).map(|_| rng.random_range(-1.0..1.0)).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let h = |i: usize, j: usize| dot(&a[i], &a[j]);
            let b = |i: usize| dot(&a[i], &y);
            let x = solver.solve(n, h, b);
            assert!(x.iter().all(|&x| x >= 0.0));
            let value: f64 =
                (0..n).map(|i| x[i] * (0.5 * (0..n).map(|j| h(i, j) * x[j]).sum::<f64>() - b(i))).sum();
            let best = by_all_sets(n, &h, &b);
            // Values are of order 1; both sides solve systems whose condition is at most about 1e4.
            assert!((value - best).abs() < 1e-10, "case {case}: {value} and {best}");
        }
    }
}
