//! Matrix products: the work of every dense layer.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{Pass, vectorize};
use crate::Scalar;

/// What a product starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, F> {
    /// `c = a b`.
    Zero,
    /// `c = 1 bias + a b`: every row starts from the same row.
    Bias(&'a [F]),
    /// `c = c + a b`.
    Keep,
}

/// What is done to every entry of a product before it is written for the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Nothing.
    #[default]
    Nothing,
    /// The rectifier, `max(c, 0)`; NaN stays NaN.
    Relu,
}

/// The matrix product `c ← start + a b`, shapes `m × k`, `k × n` and `m × n`, any strides.
///
/// # Panics
/// If the shapes do not fit.
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
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn product_then<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Start<'_, F>,
    finish: Finish,
    mut c: ArrayViewMut2<'_, F>,
) {
    let beta = match start {
        Start::Zero => F::ZERO,
        Start::Bias(bias) => {
            c.rows_mut().into_iter().for_each(|mut row| {
                row.iter_mut().zip(bias).for_each(|(c, &b)| *c = b);
            });
            F::ONE
        }
        Start::Keep => F::ONE,
    };
    ndarray::linalg::general_mat_mul(F::ONE, &a, &b, beta, &mut c);
    if finish == Finish::Relu {
        c.mapv_inplace(|x| if x < F::ZERO { F::ZERO } else { x });
    }
}

/// The sums of the columns, `sums ← start + 1ᵀ a`, of a matrix `m × n`: the gradient of a bias.
///
/// # Panics
/// If `sums` (or the bias it starts from) is not as long as the matrix is wide.
#[track_caller]
pub fn column_sums<F: Scalar>(a: ArrayView2<'_, F>, start: Start<'_, F>, sums: &mut [F]) {
    assert_eq!(a.ncols(), sums.len(), "column sums of {:?} into {}", a.dim(), sums.len());
    match start {
        Start::Zero => sums.fill(F::ZERO),
        Start::Bias(bias) => sums.copy_from_slice(bias),
        Start::Keep => {}
    }
    vectorize(ColumnSums { a, sums });
}

struct ColumnSums<'a, F> {
    a: ArrayView2<'a, F>,
    sums: &'a mut [F],
}

impl<F: Scalar> Pass for ColumnSums<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for row in self.a.rows() {
            match row.as_slice() {
                Some(row) => self.sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x),
                None => self.sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x),
            }
        }
    }
}
