//! Cutting a slice into a matrix.

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// A row-major matrix over a slice whose rows start `stride` numbers apart.
///
/// # Panics
/// If the rows do not lie inside the slice.
#[track_caller]
pub fn matrix<F>(numbers: &[F], rows: usize, cols: usize, stride: usize) -> ArrayView2<'_, F> {
    ArrayView2::from_shape((rows, cols).strides((stride, 1)), numbers).expect("rows lie inside the slice")
}

/// A row-major matrix, to write, over a slice whose rows start `stride` numbers apart.
///
/// # Panics
/// If the rows do not lie inside the slice, or overlap.
#[track_caller]
pub fn matrix_mut<F>(numbers: &mut [F], rows: usize, cols: usize, stride: usize) -> ArrayViewMut2<'_, F> {
    ArrayViewMut2::from_shape((rows, cols).strides((stride, 1)), numbers).expect("rows lie inside the slice")
}
