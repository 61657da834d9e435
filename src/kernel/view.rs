//! Cutting a slice into a matrix: the one place where it is done, some twenty times a step; and copying rows.
//!
//! A step on 32 rows of a small network takes about a microsecond, of which ndarray's own checked constructor
//! would take a quarter; the two checks below are all that a row-major matrix needs.

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

use super::simd::{SimdLoop, dispatch};

/// A row-major matrix over a slice whose rows start `stride` numbers apart.
///
/// # Panics
/// If the rows do not lie inside the slice.
#[inline]
#[track_caller]
pub fn matrix<F>(numbers: &[F], rows: usize, cols: usize, stride: usize) -> ArrayView2<'_, F> {
    check(numbers.len(), rows, cols, stride);
    // SAFETY: `check` made sure that the last number of the last row lies inside the slice, which is borrowed
    // for as long as the view lives, and that shape and stride are what ndarray takes.
    unsafe { ArrayView2::from_shape_ptr((rows, cols).strides((stride, 1)), numbers.as_ptr()) }
}

/// A row-major matrix, to write, over a slice whose rows start `stride` numbers apart.
///
/// # Panics
/// If the rows do not lie inside the slice, or overlap.
#[inline]
#[track_caller]
pub fn matrix_mut<F>(numbers: &mut [F], rows: usize, cols: usize, stride: usize) -> ArrayViewMut2<'_, F> {
    check(numbers.len(), rows, cols, stride);
    // SAFETY: `check` made sure that the last number of the last row lies inside the slice and that no number is
    // in two rows, and that shape and stride are what ndarray takes; the slice is borrowed for writing for as long as
    // the view lives.
    unsafe { ArrayViewMut2::from_shape_ptr((rows, cols).strides((stride, 1)), numbers.as_mut_ptr()) }
}

/// Copies a row to another. Rows of 2 to 32 numbers are copied as two pieces of a fixed length that may overlap: for so
/// short a row, calling the library's copy costs more than the copy.
///
/// # Panics
/// If the rows differ in length.
#[inline]
#[track_caller]
pub fn copy_row<F: Copy>(from: &[F], to: &mut [F]) {
    assert!(from.len() == to.len(), "a row of {} numbers copied to one of {}", from.len(), to.len());
    match from.len() {
        1 => to[0] = from[0],
        2..=3 => copy_ends::<F, 2>(from, to),
        4..=8 => copy_ends::<F, 4>(from, to),
        9..=16 => copy_ends::<F, 8>(from, to),
        17..=32 => copy_ends::<F, 16>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first N numbers and the last N.
#[inline]
fn copy_ends<F: Copy, const N: usize>(from: &[F], to: &mut [F]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}

/// Copies rows of a row-major table, as wide as those of `to`, and does something to each copy: first the row that
/// `rows` names first, and so on to the end of `rows` or of `to`.
///
/// # Panics
/// If the table has no such row.
#[inline]
pub fn copy_rows<'a, F: Copy + 'a>(
    table: &[F],
    rows: &[usize],
    to: impl Iterator<Item = &'a mut [F]>,
    then: impl Fn(&mut [F]),
) {
    dispatch(CopyRows { table, rows, to, then });
}

struct CopyRows<'t, F, I, T> {
    table: &'t [F],
    rows: &'t [usize],
    to: I,
    then: T,
}

impl<'a, F: Copy + 'a, I: Iterator<Item = &'a mut [F]>, T: Fn(&mut [F])> SimdLoop for CopyRows<'_, F, I, T> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (to, &row) in self.to.zip(self.rows) {
            let first = row.checked_mul(to.len()).unwrap_or_else(|| no_row(row, to.len(), self.table.len()));
            copy_row(&self.table[first..][..to.len()], to);
            (self.then)(to);
        }
    }
}

#[cold]
fn no_row(row: usize, width: usize, len: usize) -> ! {
    panic!("row {row} of {width} numbers in a table of {len}")
}

#[inline]
#[track_caller]
fn check(len: usize, rows: usize, cols: usize, stride: usize) {
    let fits = match rows.checked_sub(1) {
        None => true,
        Some(last) => {
            let end = last.checked_mul(stride).and_then(|first| first.checked_add(cols));
            stride >= cols && end.is_some_and(|end| end <= len)
        }
    };
    // An `ArrayView` counts in `isize`; rows without columns may be any number, and so may a single row's stride.
    let is_countable = (rows | cols | stride) <= isize::MAX as usize;
    assert!(fits && is_countable, "{rows} rows of {cols} numbers, {stride} apart, in a slice of {len}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_the_stride_says() {
        let numbers: Vec<i32> = (0..11).collect();
        let view = matrix(&numbers, 3, 3, 4);
        assert_eq!(
            view.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
            [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
        );
        let mut numbers = numbers;
        matrix_mut(&mut numbers, 2, 1, 5).fill(-1);
        assert_eq!(numbers[..7], [-1, 1, 2, 3, 4, -1, 6]);
        assert_eq!(matrix(&numbers, 0, 3, 1).dim(), (0, 3));
    }

    #[test]
    fn rows_are_copied_in_the_order_that_is_asked_for() {
        let (table, mut to) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0; 4]);
        copy_rows(&table, &[2, 0], to.chunks_exact_mut(2), |row| row[1] += 0.5);
        assert_eq!(to, [5.0, 6.5, 1.0, 2.5]);
        // To the end of the rows that are asked for, or of those that there is room for.
        copy_rows(&table, &[1], to.chunks_exact_mut(2), |_| ());
        copy_rows(&table, &[1, 9], to[2..].chunks_exact_mut(2), |_| ());
        assert_eq!(to, [3.0, 4.0, 3.0, 4.0]);
    }

    #[test]
    fn rows_of_every_length_are_copied_whole() {
        for len in 0..40 {
            let from: Vec<usize> = (1..=len).collect();
            let mut to = vec![0; len];
            copy_row(&from, &mut to);
            assert_eq!(to, from);
        }
    }

    #[test]
    #[should_panic(expected = "3 rows of 3 numbers, 4 apart, in a slice of 10")]
    fn a_row_outside_the_slice_is_refused() {
        matrix(&[0; 10], 3, 3, 4);
    }

    #[test]
    fn shapes_whose_products_wrap_are_refused() {
        const HUGE: usize = usize::MAX;
        let refused = |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
        for (rows, cols, stride) in [
            (2, 1, HUGE),
            (3, 1, HUGE / 2 + 1),
            (HUGE, 1, 2),
            (2, HUGE, HUGE),
            (1, HUGE, HUGE),
            (1, 1, HUGE),
            (0, HUGE, 1),
            (HUGE, 0, 0),
            (HUGE / 2 + 2, 0, 2),
        ] {
            assert!(
                refused(&|| _ = matrix(&[7.0; 4], rows, cols, stride)),
                "{rows} × {cols}, {stride} apart"
            );
            assert!(
                refused(&|| _ = matrix_mut(&mut [7.0; 4], rows, cols, stride)),
                "{rows}, {cols}, {stride}"
            );
        }
        for row in [2, HUGE, HUGE / 2 + 2] {
            let call = || copy_rows(&[1.0, 2.0, 3.0, 4.0], &[row], [0.0; 2].chunks_exact_mut(2), |_| ());
            assert!(refused(&call), "row {row} of two");
        }
    }

    #[test]
    #[should_panic(expected = "2 rows of 3 numbers, 2 apart")]
    fn rows_that_overlap_are_refused() {
        matrix_mut(&mut [0; 10], 2, 3, 2);
    }
}
