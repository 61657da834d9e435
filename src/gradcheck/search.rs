//! Where in a block that failed is the gradient wrong? An entry is found with as few losses as may be.
//!
//! The residual along a direction, numeric − by hand, is a sum over the entries. Let it be `d`, and `d′` that of the same
//! direction with each entry multiplied by its row's number. If one row alone is wrong, `d′ = row · d`; and so for
//! columns. So two more differences find a single wrong entry, row or column of a block of any size:
//!
//! ```text
//! row = d′ / d, if that is a whole number          column = d″ / d, if that is a whole number
//! ```
//!
//! What is wrong in several places has its centre somewhere between or beyond them. Then the range is halved, towards the
//! half with the larger residual, one difference each time as the other half has the rest.

use std::ops::Range;

use super::direction::ThetaDirection;
use super::examiner::{BlockRef, Examiner, Observation};
use super::report::Verdict;
use super::subject::Function;
use crate::Scalar;

/// How often rows and columns are asked for in one search: at first, and when halving has set wrong entries apart.
const QUESTIONS: usize = 3;

/// The one row and the one column that may hold all that is wrong in a block.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub row: Option<usize>,
    pub column: Option<usize>,
}

/// An entry at which the gradient is wrong, differenced, from a direction through all of `block` that failed; and the
/// lines of the block that may hold all that is wrong, if it has lines.
pub(super) fn search<F: Scalar, L: Function<F>>(
    examiner: &mut Examiner<'_, F, L>,
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

impl<F: Scalar, L: Function<F>> Examiner<'_, F, L> {
    /// The row and the column of what is wrong along the direction, if they are one row and one column.
    fn lines(&mut self, block: &BlockRef<'_>, direction: &ThetaDirection, residual: f64, step: f64) -> Lines {
        let width = width(block);
        let first = direction.start - block.block.range().start;
        let last = first + direction.components.len() - 1;
        let rows = first / width..last / width + 1;
        let row = self.number(direction, residual, step, rows, |i| (first + i) / width);
        let column = self.number(direction, residual, step, 0..width, |i| (first + i) % width);
        Lines { row, column }
    }

    /// The wrong entry, if it is alone in the direction's range; or one of the wrong row or column.
    fn suspect(&self, block: &BlockRef<'_>, direction: &ThetaDirection, lines: Lines) -> Option<usize> {
        let ((rows, columns), range, width) = (block.block.shape(), block.block.range(), width(block));
        let is_vector = rows == 1 || columns == 1;
        let by_hand = &self.gradient[range.clone()];
        // A wrong row may be right where it is 0 in truth: least likely where the rest of the column is large.
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

    /// The number among `numbers` of all that is wrong along the direction, if it is one number; `number` is that of
    /// the i-th component.
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
        // Weights from 0 to 1, not to `last`, make steps as long as those of the direction.
        let rising = direction.weighted(|i| (number(i) - numbers.start) as f64 / last as f64);
        let centre = self.residual(&rising, step) / residual * last as f64;
        let nearest = centre.round();
        let is_whole = (centre - nearest).abs() < 0.1 && (0.0..=last as f64).contains(&nearest);
        is_whole.then(|| numbers.start + nearest as usize)
    }
}

/// How many entries a row has. A vector is read as a square, so that a place in it has two short numbers and not a long
/// one.
fn width(block: &BlockRef<'_>) -> usize {
    match block.block.shape() {
        (1, n) | (n, 1) => (n as f64).sqrt().ceil() as usize,
        (_, columns) => columns,
    }
}
