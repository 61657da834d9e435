//! Matrix products: the work of every dense layer.
//!
//! ```text
//! forward     Y  = X W + 1 b        product_then(x, w, Start::Bias(b), finish, y)
//! propagate   dX = dY Wᵀ            product(dy, w.t(), Start::Zero, dx)
//! gradient    dW = dW + Xᵀ dY       product(x.t(), dy, Start::Keep, dw)
//!             db = db + 1ᵀ dY       column_sums(dy, Start::Keep, db)
//! ```
//! Every entry is one chain of multiply-adds in the order of `k` that begins with the start. So a row of
//! the result does not depend on the rows beside it, a sum over several chunks of `k` with
//! [`Start::Keep`] is the sum over all of them at once, and both paths with a fused multiply-add agree,
//! all to the last bit. (Where the result is one row or column, or is written by columns of short sums, and both factors are
//! contiguous along `k`, the chain is 16 or 8 chains that are added at the end; where it is one column and the columns of
//! `a` are contiguous, 4; and the sum over chunks is rounded differently.)

use ndarray::{ArrayView2, ArrayViewMut2, aview0};

use super::blocks::{Grid, Operands};
use super::tile::Origin;
use super::vectorize::{self, Pass, Path};
use crate::Scalar;

/// What a product starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, F> {
    /// `c = a b`; what `c` held before is not read.
    Zero,
    /// `c = 1 bias + a b`: every row starts from the same row.
    Bias(&'a [F]),
    /// `c = c + a b`.
    Keep,
}

/// What is done to every entry of a product before it is written for the last time.
///
/// Only what costs nothing there: other activations are a pass of their own over the rows just written,
/// which are still in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Nothing.
    #[default]
    Nothing,
    /// The rectifier: zero where the entry is below zero; NaN stays NaN.
    Relu,
}

/// The matrix product `c ← start + a b`, shapes `m × k`, `k × n` and `m × n`, any strides.
///
/// It is fastest when the rows of `c` are contiguous. Large products copy blocks of `a` and `b` into
/// room that each thread keeps, so only a thread's first ones allocate.
///
/// ```
/// use ndarray::{array, Array2};
/// use polytask::kernel::{product, Start};
///
/// let (x, w) = (array![[1.0, 2.0]], array![[3.0, 5.0], [4.0, 6.0]]);
/// let mut y = Array2::zeros((1, 2));
/// product(x.view(), w.view(), Start::Bias(&[0.5, 0.25]), y.view_mut());
/// assert_eq!(y, array![[11.5, 17.25]]);
/// product(y.view(), w.t(), Start::Zero, y.clone().view_mut());
/// ```
///
/// # Panics
/// If the shapes do not fit.
#[inline]
#[track_caller]
pub fn product<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Start<'_, F>,
    c: ArrayViewMut2<'_, F>,
) {
    product_then(a, b, start, Finish::Nothing, c);
}

/// The matrix product `c ← finish(start + a b)`, shapes `m × k`, `k × n` and `m × n`, any strides.
///
/// ```
/// use ndarray::{array, Array2};
/// use polytask::kernel::{product_then, Finish, Start};
///
/// let (x, w) = (array![[1.0_f32], [-1.0]], array![[3.0, -4.0]]);
/// let mut y = Array2::zeros((2, 2));
/// product_then(x.view(), w.view(), Start::Zero, Finish::Relu, y.view_mut());
/// assert_eq!(y, array![[3.0, 0.0], [0.0, 4.0]]);
/// ```
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn product_then<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Start<'_, F>,
    finish: Finish,
    c: ArrayViewMut2<'_, F>,
) {
    // SAFETY: `path` gives only paths whose instructions this processor has.
    unsafe { product_on(vectorize::path(), a, b, start, finish, c) }
}

/// The product on one path.
///
/// # Safety
/// The processor has the path's instructions.
#[inline(always)]
#[track_caller]
pub(super) unsafe fn product_on<F: Scalar>(
    path: Path,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Start<'_, F>,
    finish: Finish,
    mut c: ArrayViewMut2<'_, F>,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    assert!(
        b.nrows() == k && c.dim() == (m, n),
        "a product of {:?} and {:?} written to {:?}",
        a.dim(),
        b.dim(),
        c.dim()
    );
    let start = match start {
        Start::Zero => Origin::Zero,
        Start::Bias(bias) => {
            assert!(bias.len() == n, "a bias of {} for a product with {n} columns", bias.len());
            Origin::Row(bias.as_ptr())
        }
        Start::Keep => Origin::Kept,
    };
    let grid = |ptr: *const F, strides: &[isize]| Grid { ptr, down: strides[0], across: strides[1] };
    let c_grid = grid(c.as_mut_ptr(), c.strides());
    let (a, b) = (grid(a.as_ptr(), a.strides()), grid(b.as_ptr(), b.strides()));
    let operands = Operands {
        m,
        k,
        n,
        a,
        b,
        start,
        finish,
        c: c_grid.ptr.cast_mut(),
        c_down: c_grid.down,
        c_across: c_grid.across,
    };
    // SAFETY: the views make the operands valid, `c` is borrowed for writing, and the processor has the
    // path's instructions.
    unsafe { F::multiply(path, operands) }
}

/// The sums of the columns, `sums ← start + 1ᵀ a`, of a matrix `m × n`: the gradient of a bias.
///
/// ```
/// use ndarray::array;
/// use polytask::kernel::{column_sums, Start};
///
/// let mut db = [10.0, 20.0];
/// column_sums(array![[1.0, 2.0], [3.0, 4.0]].view(), Start::Keep, &mut db);
/// assert_eq!(db, [14.0, 26.0]);
/// ```
///
/// # Panics
/// If `sums` (or the bias it starts from) is not as long as the matrix is wide.
#[track_caller]
pub fn column_sums<F: Scalar>(a: ArrayView2<'_, F>, start: Start<'_, F>, sums: &mut [F]) {
    let n = a.ncols();
    assert!(n == sums.len(), "column sums of {:?} written to {}", a.dim(), sums.len());
    let start = match start {
        Start::Bias(bias) => {
            sums.copy_from_slice(bias);
            Start::Keep
        }
        start => start,
    };
    if let Some(column) = a.to_slice().filter(|_| n == 1) {
        let sum = vectorize::vectorize(Total(column));
        sums[0] = if matches!(start, Start::Keep) { sums[0] + sum } else { sum };
        return;
    }
    // The column of ones is one number, read again and again.
    let one = F::ONE;
    let ones = aview0(&one);
    let ones = ones.broadcast((a.nrows(), 1)).expect("one number fits any shape");
    product(a.reversed_axes(), ones, start, super::matrix_mut(sums, n, 1, 1));
}

/// The sum of numbers that lie one after the other, in sixteen chains: a single one would wait for itself.
struct Total<'a, F>(&'a [F]);

impl<F: Scalar> Pass for Total<'_, F> {
    type Output = F;
    #[inline(always)]
    fn run(self) -> F {
        let (sixteens, rest) = self.0.as_chunks::<16>();
        let mut chains = [F::ZERO; 16];
        for numbers in sixteens {
            for (chain, &x) in chains.iter_mut().zip(numbers) {
                *chain += x;
            }
        }
        for n in [8, 4, 2, 1] {
            for i in 0..n {
                chains[i] += chains[i + n];
            }
        }
        rest.iter().fold(chains[0], |sum, &x| sum + x)
    }
}
