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

use super::block::{Area, Examiner, Observation};
use super::report::Verdict;
use super::slope::Direction;
use super::subject::Function;
use crate::Scalar;

/// How often rows and columns are asked for in one search: at first, and when halving has set wrong entries apart.
const QUESTIONS: usize = 3;

impl<F: Scalar, L: Function<F>> Examiner<'_, '_, F, L> {
    /// An entry at which the gradient is wrong, differenced, from a direction through all of `area` that failed.
    pub fn search(&mut self, area: &Area<'_>, rms: f64, failed: &Observation) -> Observation {
        let (mut direction, mut residual) = (failed.direction.clone(), failed.residual());
        let step = failed.slope.step;
        let (mut apart, mut questions) = (true, QUESTIONS);
        while direction.components.len() > 1 {
            if apart && questions > 0 {
                questions -= 1;
                if let Some(index) = self.suspect(area, &direction, residual, step) {
                    let observation = self.entry(index, rms);
                    if observation.verdict == Verdict::Fail {
                        return observation;
                    }
                }
            }
            let middle = direction.start + direction.components.len() / 2;
            let halves =
                [direction.start..middle, middle..direction.range().end].map(|half| direction.within(half));
            let left = self.residual(&halves[0], step);
            let right = residual - left;
            apart = left.abs().min(right.abs()) > 0.05 * residual.abs();
            let [first, second] = halves;
            (direction, residual) = if left.abs() > right.abs() { (first, left) } else { (second, right) };
        }
        self.entry(direction.start, rms)
    }

    /// The wrong entry, if it is alone in the direction's range; or one of the wrong row or column.
    fn suspect(&mut self, area: &Area<'_>, direction: &Direction, residual: f64, step: f64) -> Option<usize> {
        let ((rows, columns), block) = (area.block.shape(), area.block.range());
        let is_vector = rows == 1 || columns == 1;
        // A vector is read as a square, so that a place in it has two short numbers and not a long one.
        let width = if is_vector { (block.len() as f64).sqrt().ceil() as usize } else { columns };
        let (first, end) = (direction.start - block.start, direction.range().end - block.start);
        let row = self
            .number(direction, residual, step, first / width..(end - 1) / width + 1, |i| (first + i) / width);
        let column = self.number(direction, residual, step, 0..width, |i| (first + i) % width);
        let by_hand = &self.gradient[block.clone()];
        // A wrong row may be right where it is 0 in truth: least likely where the rest of the column is large.
        let liveliest = |n: usize, number: &dyn Fn(usize) -> usize| {
            let mut squares = vec![0.0; n];
            by_hand.iter().enumerate().for_each(|(i, g)| squares[number(i)] += g * g);
            (0..n).max_by(|&i, &j| squares[i].total_cmp(&squares[j]))
        };
        let (row, column) = match (row, column) {
            (Some(row), Some(column)) => (row, column),
            (Some(row), None) if !is_vector => (row, liveliest(columns, &|i| i % width)?),
            (None, Some(column)) if !is_vector => (liveliest(rows, &|i| i / width)?, column),
            _ => return None,
        };
        let index = block.start + row * width + column;
        direction.range().contains(&index).then_some(index)
    }

    /// The number among `numbers` of all that is wrong along the direction, if it is one number; `number` is that of
    /// the i-th component.
    fn number(
        &mut self,
        direction: &Direction,
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
