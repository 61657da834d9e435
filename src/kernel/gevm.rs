//! One row times a matrix: a prediction for a single example.
//!
//! ```text
//! c[j] ← epilogue(start[j] + Σₚ a[p] b[p, j])        rows of b and all of c contiguous
//! ```
//! Every number of `b` is used once, so all that counts is that `b` is read in memory order. A narrow result stays in
//! registers while `p` runs. A wide one is traversed once for every few rows of `b`, which are read as streams side by
//! side: one column of registers at a time would jump from page to page. Either way each entry is one chain of
//! multiply-adds in the order of `p`, with the bits that a tile would compute.

use super::gemm::{Accumulate, Epilogue, Gemm};
use super::vector::{Number, Vector, load_row};

/// A product with one row, whose `b` and `c` have contiguous rows.
#[derive(Clone, Copy, Debug)]
pub struct Gevm<F>(pub Gemm<F>);

/// How many rows of a wide `b` are read side by side.
const STREAMS: usize = 4;

impl<F: Number> Gevm<F> {
    /// # Safety
    /// The processor has the instructions of `V::LEVEL`; the pointers are valid for `k`, `k × n` and `n` numbers;
    /// `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.0.n.div_ceil(V::LANES) {
                1 => self.narrow::<V, 1>(),
                2 => self.narrow::<V, 2>(),
                3 => self.narrow::<V, 3>(),
                4 => self.narrow::<V, 4>(),
                _ => self.wide::<V>(),
            }
        }
    }

    /// A result of `C` registers.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn narrow<V: Vector<F>, const C: usize>(self) {
        let Gemm { k, n, a, b, start, epilogue, c, .. } = self.0;
        // SAFETY: the caller's promise; the last register keeps to n.
        unsafe {
            let mask = V::mask(n - (C - 1) * V::LANES);
            let mut sums = match start {
                Accumulate::Write => [V::zero(); C],
                Accumulate::Bias(row) => load_row(row, mask),
                Accumulate::Add => load_row(c, mask),
            };
            for p in 0..k {
                let (x, factors): (V, [V; C]) = (V::splat(*a.at(0, p)), load_row(b.at(p, 0), mask));
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    *sum = x.mul_add(factor, *sum);
                }
            }
            for (column, mut sum) in sums.into_iter().enumerate() {
                if epilogue == Epilogue::Relu {
                    sum = sum.relu();
                }
                let to = c.add(column * V::LANES);
                if column + 1 < C { sum.store(to) } else { sum.store_part(to, mask) }
            }
        }
    }

    /// A result of any width.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn wide<V: Vector<F>>(self) {
        let Gemm { k, n, b, start, epilogue, c, .. } = self.0;
        let whole = n - n % V::LANES;
        // SAFETY: the caller's promise; rows p to p + STREAMS are below k, and the columns of whole registers below n.
        unsafe {
            if whole < n {
                let (b, start, c) = (b.from(0, whole), start.at_column(whole), c.add(whole));
                Self(Gemm { n: n - whole, b, start, c, ..self.0 }).narrow::<V, 1>();
            }
            match start {
                Accumulate::Write => std::slice::from_raw_parts_mut(c, whole).fill(F::zero()),
                Accumulate::Bias(row) => c.copy_from_nonoverlapping(row, whole),
                Accumulate::Add => {}
            }
            let together = k - k % STREAMS;
            for p in (0..together).step_by(STREAMS) {
                self.add::<V, STREAMS>(p, whole);
            }
            for p in together..k {
                self.add::<V, 1>(p, whole);
            }
            if epilogue == Epilogue::Relu {
                for j in (0..whole).step_by(V::LANES) {
                    V::load(c.add(j)).relu().store(c.add(j));
                }
            }
        }
    }

    /// Adds `N` rows of `b`, from row `p` on, in the columns below `whole`.
    #[inline(always)]
    unsafe fn add<V: Vector<F>, const N: usize>(&self, p: usize, whole: usize) {
        let Gemm { a, b, c, .. } = self.0;
        // SAFETY: the caller's promise.
        unsafe {
            let (mut factors, mut rows) = ([V::zero(); N], [b.ptr; N]);
            for (i, (factor, row)) in factors.iter_mut().zip(&mut rows).enumerate() {
                (*factor, *row) = (V::splat(*a.at(0, p + i)), b.at(p + i, 0));
            }
            for j in (0..whole).step_by(V::LANES) {
                let mut sum = V::load(c.add(j));
                for (factor, row) in factors.into_iter().zip(rows) {
                    sum = factor.mul_add(V::load(row.add(j)), sum);
                }
                sum.store(c.add(j));
            }
        }
    }
}
