//! Matrix products: the work of every dense layer.
//!
//! ```text
//! forward     Y  = X W + 1 b        product_then(x, w, Accumulate::Bias(b), epilogue, y)
//! propagate   dX = dY Wᵀ            product(dy, w.t(), Accumulate::Write, dx)
//! gradient    dW = dW + Xᵀ dY       product(x.t(), dy, Accumulate::Add, dw)
//!             db = db + 1ᵀ dY       column_sums(dy, Accumulate::Add, db)
//! ```
//! Every entry is one chain of multiply-adds in the order of `k` that begins with the start. So a row of
//! the result does not depend on the rows beside it, a sum over several chunks of `k` with
//! [`Accumulate::Add`] is the sum over all of them at once, and both levels with a fused multiply-add agree,
//! all to the last bit. (Where the result is one row or column, or is written by columns of short sums, and both factors are
//! contiguous along `k`, the chain is 16 or 8 chains that are added at the end; where it is one column and the columns of
//! `a` are contiguous, 4; and the sum over chunks is rounded differently.)

use ndarray::{ArrayView2, ArrayViewMut2, aview0};

use super::gemm::{Accumulate, Epilogue, Gemm, Grid};
use super::rowwise;
use super::simd::{self, SimdLevel, SimdLoop};
use super::view::matrix_mut;
use crate::Scalar;

/// The matrix product `c ← start + a b`, shapes `m × k`, `k × n` and `m × n`, any strides.
///
/// It is fastest when the rows of `c` are contiguous. Large products copy blocks of `a` and `b` into
/// scratch memory that each thread keeps, so only a thread's first products allocate.
///
/// ```
/// use ndarray::{array, Array2};
/// use polytask::kernel::{product, Accumulate};
///
/// let (x, w) = (array![[1.0, 2.0]], array![[3.0, 5.0], [4.0, 6.0]]);
/// let mut y = Array2::zeros((1, 2));
/// product(x.view(), w.view(), Accumulate::Bias(&[0.5, 0.25]), y.view_mut());
/// assert_eq!(y, array![[11.5, 17.25]]);
/// product(y.view(), w.t(), Accumulate::Write, y.clone().view_mut());
/// ```
///
/// # Panics
/// If the shapes do not fit.
#[inline]
#[track_caller]
pub fn product<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Accumulate<&[F]>,
    c: ArrayViewMut2<'_, F>,
) {
    product_then(a, b, start, Epilogue::None, c);
}

/// The matrix product `c ← epilogue(start + a b)`, shapes `m × k`, `k × n` and `m × n`, any strides.
///
/// ```
/// use ndarray::{array, Array2};
/// use polytask::kernel::{product_then, Accumulate, Epilogue};
///
/// let (x, w) = (array![[1.0_f32], [-1.0]], array![[3.0, -4.0]]);
/// let mut y = Array2::zeros((2, 2));
/// product_then(x.view(), w.view(), Accumulate::Write, Epilogue::Relu, y.view_mut());
/// assert_eq!(y, array![[3.0, 0.0], [0.0, 4.0]]);
/// ```
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn product_then<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Accumulate<&[F]>,
    epilogue: Epilogue,
    c: ArrayViewMut2<'_, F>,
) {
    // SAFETY: `level` returns only levels whose instructions this processor has.
    unsafe { product_on(simd::simd_level(), a, b, start, epilogue, c) }
}

/// The product on one level.
///
/// # Safety
/// The processor has the level's instructions.
#[inline(always)]
#[track_caller]
pub(super) unsafe fn product_on<F: Scalar>(
    level: SimdLevel,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Accumulate<&[F]>,
    epilogue: Epilogue,
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
        Accumulate::Write => Accumulate::Write,
        Accumulate::Bias(bias) => {
            assert!(bias.len() == n, "a bias of {} for a product with {n} columns", bias.len());
            Accumulate::Bias(bias.as_ptr())
        }
        Accumulate::Add => Accumulate::Add,
    };
    let grid = |ptr: *const F, strides: &[isize]| Grid { ptr, down: strides[0], across: strides[1] };
    let c_grid = grid(c.as_mut_ptr(), c.strides());
    let (a, b) = (grid(a.as_ptr(), a.strides()), grid(b.as_ptr(), b.strides()));
    let operands = Gemm {
        m,
        k,
        n,
        a,
        b,
        start,
        epilogue,
        c: c_grid.ptr.cast_mut(),
        c_down: c_grid.down,
        c_across: c_grid.across,
    };
    // SAFETY: the views make the operands valid, `c` is borrowed for writing, and the processor has the
    // level's instructions.
    unsafe { F::multiply(level, operands) }
}

/// One row times a matrix, `y ← epilogue(bias + x W)`: the result of [`product_then`] for a single row, to the bit, for
/// callers for whom making the views would cost as much as the product.
///
/// # Panics
/// If `w` is not `x.len() × y.len()`, or the bias has another length than `y`.
#[inline]
#[track_caller]
pub(crate) fn row_times_matrix<F: Scalar>(x: &[F], w: &[F], bias: &[F], epilogue: Epilogue, y: &mut [F]) {
    let (k, n) = (x.len(), y.len());
    let fits = k.checked_mul(n) == Some(w.len()) && bias.len() == n;
    assert!(fits, "a row of {k} times {} weights and a bias of {}, written to {n}", w.len(), bias.len());
    let operands = Gemm {
        m: 1,
        k,
        n,
        a: Grid { ptr: x.as_ptr(), down: k as isize, across: 1 },
        b: Grid { ptr: w.as_ptr(), down: n as isize, across: 1 },
        start: Accumulate::Bias(bias.as_ptr()),
        epilogue,
        c: y.as_mut_ptr(),
        c_down: n as isize,
        c_across: 1,
    };
    // SAFETY: the slices have the lengths of the operands, `y` is borrowed for writing, and `simd_level` gives only
    // levels whose instructions this processor has.
    unsafe { F::multiply(simd::simd_level(), operands) }
}

/// The products of one row with `n` rows of `w` that begin `stride` numbers apart, each added to one of every
/// `y_stride` numbers of `y`: the result of [`product`] for `y ← y + x Wᵀ`, to the bit.
///
/// # Panics
/// If a row of `w` or an entry of `y` lies outside its slice.
#[inline]
#[track_caller]
pub(crate) fn row_times_rows<F: Scalar>(
    x: &[F],
    (w, stride): (&[F], usize),
    n: usize,
    (y, y_stride): (&mut [F], usize),
) {
    let k = x.len();
    let last = |stride: usize| n.checked_sub(1)?.checked_mul(stride);
    let fits = n == 0
        || last(stride).and_then(|at| at.checked_add(k)).is_some_and(|end| end <= w.len())
            && last(y_stride).is_some_and(|at| at < y.len());
    assert!(
        fits,
        "{n} rows of {k}, {stride} apart, of {} numbers, written {y_stride} apart to {}",
        w.len(),
        y.len()
    );
    let operands = Gemm {
        m: 1,
        k,
        n,
        a: Grid { ptr: x.as_ptr(), down: k as isize, across: 1 },
        b: Grid { ptr: w.as_ptr(), down: 1, across: stride as isize },
        start: Accumulate::Add,
        epilogue: Epilogue::None,
        c: y.as_mut_ptr(),
        c_down: (n * y_stride) as isize,
        c_across: y_stride as isize,
    };
    // SAFETY: every row of `w` and every entry of `y` lies in its slice, as was checked, `y` is borrowed for writing,
    // and `simd_level` gives only levels whose instructions this processor has.
    unsafe { F::multiply(simd::simd_level(), operands) }
}

/// The sums of the columns, `sums ← start + 1ᵀ a`, of a matrix `m × n`: the gradient of a bias.
///
/// ```
/// use ndarray::array;
/// use polytask::kernel::{column_sums, Accumulate};
///
/// let mut db = [10.0, 20.0];
/// column_sums(array![[1.0, 2.0], [3.0, 4.0]].view(), Accumulate::Add, &mut db);
/// assert_eq!(db, [14.0, 26.0]);
/// ```
///
/// # Panics
/// If `sums` (or the bias it starts from) is not as long as the matrix is wide.
#[track_caller]
pub fn column_sums<F: Scalar>(a: ArrayView2<'_, F>, start: Accumulate<&[F]>, sums: &mut [F]) {
    let n = a.ncols();
    assert!(n == sums.len(), "column sums of {:?} written to {}", a.dim(), sums.len());
    let start = match start {
        Accumulate::Bias(bias) => {
            sums.copy_from_slice(bias);
            Accumulate::Add
        }
        start => start,
    };
    if let Some(column) = a.to_slice().filter(|_| n == 1) {
        let sum = simd::dispatch(Total(column));
        sums[0] = if matches!(start, Accumulate::Add) { sums[0] + sum } else { sum };
        return;
    }
    // The column of ones is a single number, read again and again.
    let one = F::ONE;
    let ones = aview0(&one);
    let ones = ones.broadcast((a.nrows(), 1)).expect("one number fits any shape");
    product(a.reversed_axes(), ones, start, matrix_mut(sums, n, 1, 1));
}

/// The sum of numbers that lie one after the other.
struct Total<'a, F>(&'a [F]);

impl<F: Scalar> SimdLoop for Total<'_, F> {
    type Output = F;
    #[inline(always)]
    fn run(self) -> F {
        rowwise::sum(self.0)
    }
}
