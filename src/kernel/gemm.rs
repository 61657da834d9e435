//! A product as numbers in memory: what every implementation of it receives.
//!
//! ```text
//! c ← epilogue(start + a b)        m × k times k × n
//! ```

/// What a product starts from. `B` is how a bias is held: as a slice by callers, by its address inside.
#[derive(Clone, Copy, Debug)]
pub enum Accumulate<B> {
    /// `c = a b`; what `c` held before is not read.
    Write,
    /// `c = 1 bias + a b`: every row starts from the same row.
    Bias(B),
    /// `c = c + a b`.
    Add,
}

impl<F> Accumulate<*const F> {
    /// The same start, for the columns from `j` on.
    #[inline(always)]
    pub fn at_column(self, j: usize) -> Self {
        match self {
            Accumulate::Bias(row) => Accumulate::Bias(row.wrapping_add(j)),
            start => start,
        }
    }
}

/// What is done to every entry of a product before it is written for the last time.
///
/// Only what costs nothing there. Other activations take a separate pass over the rows just written,
/// which are still in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    #[default]
    None,
    /// The rectifier: zero where the entry is below zero; NaN stays NaN.
    Relu,
}

/// A matrix in memory; steps are counted in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Grid<F> {
    pub ptr: *const F,
    /// From a row to the next one.
    pub down: isize,
    /// From a column to the next one.
    pub across: isize,
}

impl<F> Grid<F> {
    #[inline(always)]
    pub fn t(self) -> Self {
        Self { ptr: self.ptr, down: self.across, across: self.down }
    }

    /// Where the entry of a row and a column is.
    #[inline(always)]
    pub fn at(&self, row: usize, column: usize) -> *const F {
        self.ptr.wrapping_offset(row as isize * self.down + column as isize * self.across)
    }

    /// The part that begins at a row and a column.
    #[inline(always)]
    pub fn from(&self, row: usize, column: usize) -> Self {
        Self { ptr: self.at(row, column), down: self.down, across: self.across }
    }
}

/// A product, `c ← epilogue(start + a b)`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<F> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: Grid<F>,
    pub b: Grid<F>,
    pub start: Accumulate<*const F>,
    pub epilogue: Epilogue,
    pub c: *mut F,
    pub c_down: isize,
    pub c_across: isize,
}

impl<F: Copy> Gemm<F> {
    /// The same product as `cᵀ ← startᵀ + bᵀ aᵀ`.
    ///
    /// # Safety
    /// The pointers are valid for their shapes, and `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn transposed(mut self) -> Self {
        if let Accumulate::Bias(bias) = self.start {
            for i in 0..self.m {
                for j in 0..self.n {
                    let c = self.c.wrapping_offset(i as isize * self.c_down + j as isize * self.c_across);
                    // SAFETY: the bias has n numbers and c is valid for m × n.
                    unsafe { *c = *bias.add(j) };
                }
            }
            self.start = Accumulate::Add;
        }
        let Self { m, n, a, b, c_down, c_across, .. } = self;
        Self { m: n, n: m, a: b.t(), b: a.t(), c_down: c_across, c_across: c_down, ..self }
    }

    /// Whether the rows of `a` and the columns of `b` are contiguous, and the rows of `b` are not.
    #[inline(always)]
    pub fn has_rows_along_k(&self) -> bool {
        self.a.across == 1 && self.b.down == 1 && self.b.across != 1
    }
}
