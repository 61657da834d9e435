//! Finds an entry where the gradient is wrong, in a block that failed, with as few evaluations of the loss as
//! possible.
//!
//! The residual along a direction, numeric − by hand, is a sum over the entries. Let `d` be the residual along
//! some direction, `d′` along the same direction with each component multiplied by the index of its row, and
//! `d″` with each multiplied by the index of its column. If only one row is wrong, `d′ = row · d`; likewise for
//! columns. So two more differences find a single wrong entry, row or column in a block of any size:
//!
//! ```text
//! row = d′ / d, if that is an integer              column = d″ / d, if that is an integer
//! ```
//!
//! If several entries are wrong, the quotients give some point between or beyond them. Then the range is
//! halved, and the half with the larger residual is searched further. That takes one difference each time,
//! because the residual of the other half is what remains.

use std::ops::Range;

use super::direction::ThetaDirection;
use super::examiner::{BlockRef, Examiner, Observation};
use super::report::Verdict;
use crate::Scalar;

/// How often one search tries the quotients: at the start, and when halving has separated wrong entries.
const QUESTIONS: usize = 3;

/// The single row and the single column that may contain all wrong entries of a block.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub row: Option<usize>,
    pub column: Option<usize>,
}

/// Starts from a direction through all of `block` that failed. Returns the observation of an entry where the
/// gradient is wrong, and the lines that may contain all wrong entries, unless the block is a vector.
pub(super) fn search<F: Scalar>(
    examiner: &mut Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    rms: f64,
    failed: &Observation,
) -> (Observation, Option<Lines>) {
    let (mut direction, mut residual) = (failed.direction.clone(), failed.residual());
    let step = failed.slope.step;
    let (rows, columns) = block.block.shape();
    let is_vector = rows == 1 || columns == 1;
    let mut lines = None;
    let (mut apart, mut questions) = (true, QUESTIONS);
    while direction.components.len() > 1 {
        if apart && questions > 0 {
            questions -= 1;
            let found = examiner.lines(block, &direction, residual, step);
            if direction.range() == block.block.range() && !is_vector {
                lines = Some(found);
            }
            if let Some(index) = examiner.suspect(block, &direction, found) {
                let observation = examiner.quick_entry(index, rms, failed);
                if observation.verdict == Verdict::Fail {
                    return (observation, lines);
                }
            }
        }
        let middle = direction.start + direction.components.len() / 2;
        let halves =
            [direction.start..middle, middle..direction.range().end].map(|half| direction.within(half));
        let left = examiner.residual(&halves[0], step);
        let right = residual - left;
        apart = left.abs().min(right.abs()) > 0.05 * residual.abs();
        let [first, second] = halves;
        (direction, residual) = if left.abs() > right.abs() { (first, left) } else { (second, right) };
    }
    let quick = examiner.quick_entry(direction.start, rms, failed);
    let is_wrong = quick.verdict == Verdict::Fail;
    (if is_wrong { quick } else { examiner.entry(direction.start, rms) }, lines)
}

impl<F: Scalar> Examiner<'_, '_, F> {
    /// The row and the column of the wrong entries along the direction, if they are all in one row or one
    /// column.
    fn lines(&mut self, block: &BlockRef<'_>, direction: &ThetaDirection, residual: f64, step: f64) -> Lines {
        let width = width(block);
        let first = direction.start - block.block.range().start;
        let last = first + direction.components.len() - 1;
        let rows = first / width..last / width + 1;
        let row = self.number(direction, residual, step, rows, |i| (first + i) / width);
        let column = self.number(direction, residual, step, 0..width, |i| (first + i) % width);
        Lines { row, column }
    }

    /// The entry that is wrong if it is the only one in the range of the direction, or one of the wrong row or
    /// column.
    fn suspect(&self, block: &BlockRef<'_>, direction: &ThetaDirection, lines: Lines) -> Option<usize> {
        let ((rows, columns), range, width) = (block.block.shape(), block.block.range(), width(block));
        let is_vector = rows == 1 || columns == 1;
        let by_hand = &self.gradient[range.clone()];
        // An entry of a wrong row can be right by chance, if its true value is 0. That is least likely in a
        // column whose entries are large.
        let liveliest = |n: usize, number: &dyn Fn(usize) -> usize| {
            let mut squares = vec![0.0; n];
            by_hand.iter().enumerate().for_each(|(i, g)| squares[number(i)] += g * g);
            (0..n).max_by(|&i, &j| squares[i].total_cmp(&squares[j]))
        };
        let (row, column) = match (lines.row, lines.column) {
            (Some(row), Some(column)) => (row, column),
            (Some(row), None) if !is_vector => (row, liveliest(columns, &|i| i % width)?),
            (None, Some(column)) if !is_vector => (liveliest(rows, &|i| i / width)?, column),
            _ => return None,
        };
        let index = range.start + row * width + column;
        direction.range().contains(&index).then_some(index)
    }

    /// The index among `numbers` (of rows, or of columns) that all wrong entries along the direction have in
    /// common, if there is one. `number(i)` is the index of the i-th component.
    fn number(
        &mut self,
        direction: &ThetaDirection,
        residual: f64,
        step: f64,
        numbers: Range<usize>,
        number: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let last = numbers.len() - 1;
        if last == 0 {
            return Some(numbers.start);
        }
        // Weights from 0 to 1 rather than to `last`, so that steps are as long as along the direction itself.
        let rising = direction.weighted(|i| (number(i) - numbers.start) as f64 / last as f64);
        let centre = self.residual(&rising, step) / residual * last as f64;
        let nearest = centre.round();
        let is_whole = (centre - nearest).abs() < 0.1 && (0.0..=last as f64).contains(&nearest);
        is_whole.then(|| numbers.start + nearest as usize)
    }
}

/// The number of entries in a row. A vector is treated as a square matrix, so that a place in it is two small
/// indices instead of a large one.
fn width(block: &BlockRef<'_>) -> usize {
    match block.block.shape() {
        (1, n) | (n, 1) => (n as f64).sqrt().ceil() as usize,
        (_, columns) => columns,
    }
}
