//! The only place for tricks: products, element-wise passes, threads.
//!
//! Everything else in the crate is plain loops and calls into this module, which picks the processor's
//! vector units at run time. Whatever lies here has a slow obvious twin in its tests.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Scalar;

/// What a product starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, F> {
    /// `c = a b`.
    Zero,
    /// `c = a b + 1 bias`: each row starts from the same row.
    Bias(&'a [F]),
    /// `c = c + a b`.
    Keep,
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
}
