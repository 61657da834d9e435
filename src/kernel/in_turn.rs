//! Passes over matrices in which row n uses row n mod members of a shorter matrix with `members` rows. So each member
//! of a batch ensemble has factors of its own.
//!
//! A pass for each member would go through the matrix in large strides, with a call for a few rows each time; here one
//! pass serves all members.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::gemm::Accumulate;
use super::rowwise::{begin, dot};
use super::simd::{SimdLoop, dispatch};
use crate::Scalar;

/// The rows of a shorter matrix, `members × n`, one below the other, for a matrix of n columns.
///
/// # Panics
/// If the numbers do not make whole rows, or the rows of the matrix are no multiple of `members`.
#[track_caller]
fn check<F>(a: ArrayView2<'_, F>, taken: &[F]) {
    let n = a.ncols().max(1);
    let turns = (a.nrows() * n).is_multiple_of(taken.len().max(1)) && taken.len().is_multiple_of(n);
    assert!(turns, "rows of {} numbers taken in turn by those of {:?}", taken.len(), a.dim());
}

/// A factor for each column, `c[n, j] ← start + a[n, j] factors[n mod members, j]`.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn scale_in_turn<F: Scalar>(
    a: ArrayView2<'_, F>,
    factors: &[F],
    start: Accumulate<&[F]>,
    c: ArrayViewMut2<'_, F>,
) {
    assert!(a.dim() == c.dim(), "rows of {:?} scaled to {:?}", a.dim(), c.dim());
    check(a, factors);
    if let Accumulate::Bias(bias) = start {
        assert!(bias.len() == factors.len(), "{} biases beside {} factors", bias.len(), factors.len());
    }
    dispatch(Scale { a, factors, start, c });
}

struct Scale<'a, F> {
    a: ArrayView2<'a, F>,
    factors: &'a [F],
    start: Accumulate<&'a [F]>,
    c: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Scale<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let width = self.a.ncols().max(1);
        let (rows, mut at) = (self.a.rows().into_iter().zip(self.c.rows_mut()), 0);
        for (a, c) in rows {
            let (a, c) = (a.to_slice().expect("rows are contiguous"), c.into_slice());
            let c = c.expect("rows are contiguous");
            let factors = &self.factors[at..at + width];
            match self.start {
                Accumulate::Write => {
                    for ((c, &a), &factor) in c.iter_mut().zip(a).zip(factors) {
                        *c = a * factor;
                    }
                }
                Accumulate::Add => {
                    for ((c, &a), &factor) in c.iter_mut().zip(a).zip(factors) {
                        *c += a * factor;
                    }
                }
                Accumulate::Bias(bias) => {
                    let bias = &bias[at..at + width];
                    for (((c, &a), &factor), &bias) in c.iter_mut().zip(a).zip(factors).zip(bias) {
                        *c = a * factor + bias;
                    }
                }
            }
            at = next(at, width, self.factors.len());
        }
    }
}

/// Where the next row of the shorter matrix begins, after the last the first again.
#[inline(always)]
fn next(at: usize, width: usize, len: usize) -> usize {
    if at + width < len { at + width } else { 0 }
}

/// The gradient of factors, `sums[m, j] ← start + Σ a[n, j] b[n, j]` over the rows n of member m; without a `b`, that of
/// biases, `Σ a[n, j]`.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn sums_in_turn<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: Option<ArrayView2<'_, F>>,
    start: Accumulate<&[F]>,
    sums: &mut [F],
) {
    check(a, sums);
    begin(start, sums);
    match b {
        None => dispatch(Sums { a, sums }),
        Some(b) => {
            assert!(a.dim() == b.dim(), "products of {:?} and {:?}", a.dim(), b.dim());
            dispatch(Products { a, b, sums });
        }
    }
}

struct Sums<'a, F> {
    a: ArrayView2<'a, F>,
    sums: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Sums<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (width, mut at) = (self.a.ncols().max(1), 0);
        for a in self.a.rows() {
            let sums = &mut self.sums[at..at + width];
            for (sum, &a) in sums.iter_mut().zip(a.to_slice().expect("rows are contiguous")) {
                *sum += a;
            }
            at = next(at, width, self.sums.len());
        }
    }
}

struct Products<'a, F> {
    a: ArrayView2<'a, F>,
    b: ArrayView2<'a, F>,
    sums: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Products<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (width, mut at) = (self.a.ncols().max(1), 0);
        for (a, b) in self.a.rows().into_iter().zip(self.b.rows()) {
            let (a, b) = (a.to_slice().expect("rows are contiguous"), b.to_slice());
            let sums = &mut self.sums[at..at + width];
            for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b.expect("rows are contiguous")) {
                *sum += a * b;
            }
            at = next(at, width, self.sums.len());
        }
    }
}

/// A linear layer of one output for each member, forward: `y[n] ← bias[n mod members] + Σᵢ x[n, i] w[n mod members, i]`.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn linear_in_turn<F: Scalar>(x: ArrayView2<'_, F>, w: &[F], bias: &[F], y: &mut [F]) {
    check(x, w);
    assert!(y.len() == x.nrows(), "a product for each row of {:?} written to {}", x.dim(), y.len());
    assert!(bias.len() * x.ncols() == w.len(), "{} biases beside {} weights", bias.len(), w.len());
    dispatch(Linear { x, w, bias, y });
}

struct Linear<'a, F> {
    x: ArrayView2<'a, F>,
    w: &'a [F],
    bias: &'a [F],
    y: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Linear<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (width, mut at) = (self.x.ncols().max(1), 0);
        let biases = self.bias.iter().cycle();
        for ((x, y), &bias) in self.x.rows().into_iter().zip(self.y).zip(biases) {
            let x = x.to_slice().expect("rows are contiguous");
            *y = bias + dot(x, &self.w[at..at + x.len()]);
            at = next(at, width, self.w.len());
        }
    }
}

/// The same, backward: `dx[n, i] ← start + dy[n] w[n mod members, i]`.
///
/// # Panics
/// If the shapes do not fit, rows are not contiguous, or the start is a bias.
#[track_caller]
pub fn linear_delta_in_turn<F: Scalar>(dy: &[F], w: &[F], start: Accumulate<&[F]>, dx: ArrayViewMut2<'_, F>) {
    check(dx.view(), w);
    assert!(dy.len() == dx.nrows(), "{} factors for the rows of {:?}", dy.len(), dx.dim());
    let adds = match start {
        Accumulate::Write => false,
        Accumulate::Add => true,
        Accumulate::Bias(_) => panic!("a delta starts from no bias"),
    };
    dispatch(LinearDelta { dy, w, adds, dx });
}

struct LinearDelta<'a, F> {
    dy: &'a [F],
    w: &'a [F],
    adds: bool,
    dx: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for LinearDelta<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let (width, mut at) = (self.dx.ncols().max(1), 0);
        for (dx, &dy) in self.dx.rows_mut().into_iter().zip(self.dy) {
            let dx = dx.into_slice().expect("rows are contiguous");
            let w = &self.w[at..at + dx.len()];
            if self.adds {
                dx.iter_mut().zip(w).for_each(|(dx, &w)| *dx += dy * w);
            } else {
                dx.iter_mut().zip(w).for_each(|(dx, &w)| *dx = dy * w);
            }
            at = next(at, width, self.w.len());
        }
    }
}

/// Its gradient: `dw[m, i] ← start + Σ dy[n] x[n, i]` over the rows n of member m.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn linear_gradient_in_turn<F: Scalar>(
    x: ArrayView2<'_, F>,
    dy: &[F],
    start: Accumulate<&[F]>,
    dw: &mut [F],
) {
    check(x, dw);
    assert!(dy.len() == x.nrows(), "{} factors for the rows of {:?}", dy.len(), x.dim());
    begin(start, dw);
    dispatch(LinearGradient { x, dy, dw });
}

struct LinearGradient<'a, F> {
    x: ArrayView2<'a, F>,
    dy: &'a [F],
    dw: &'a mut [F],
}

impl<F: Scalar> SimdLoop for LinearGradient<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (width, mut at) = (self.x.ncols().max(1), 0);
        for (x, &dy) in self.x.rows().into_iter().zip(self.dy) {
            let x = x.to_slice().expect("rows are contiguous");
            for (dw, &x) in self.dw[at..at + width].iter_mut().zip(x) {
                *dw += dy * x;
            }
            at = next(at, width, self.dw.len());
        }
    }
}
