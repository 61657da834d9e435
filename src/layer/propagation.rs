//! Which deltas a layer sends back, and what happens to those of its input.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut1};

use crate::Scalar;
use crate::arena::{ActivationBlock, Arena};
use crate::kernel::Accumulate;

/// Which deltas a layer propagates, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation {
    /// Lanes of the output's delta, counted from 0: one, or one per task.
    pub lanes: usize,
    /// What happens to the input's delta.
    pub input: InputDelta,
}

/// What happens to the delta of a layer's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputDelta {
    /// It is not needed.
    Skip,
    /// It overwrites the lanes starting at this one.
    Write(usize),
    /// It is added to the lanes starting at this one: another layer reads the same input.
    Add(usize),
}

impl Propagation {
    /// `lanes` lanes, written to the same lanes of the input.
    pub fn of_lanes(lanes: usize) -> Self {
        Self { lanes, input: InputDelta::Write(0) }
    }

    /// The same if `wanted`; otherwise the input's delta is skipped.
    #[must_use]
    pub fn wanted(self, wanted: bool) -> Self {
        Self { input: if wanted { self.input } else { InputDelta::Skip }, ..self }
    }

    /// The same, added to what another layer has sent to the same input.
    #[must_use]
    pub fn adding(self) -> Self {
        let input = match self.input {
            InputDelta::Write(lane) => InputDelta::Add(lane),
            other => other,
        };
        Self { input, ..self }
    }

    /// The same for layers that belong to task `k` alone, whose delta has one lane: where there are several, it belongs
    /// in the task's lane of the input.
    ///
    /// ```
    /// use polytask::layer::{InputDelta, Propagation};
    ///
    /// let apart = Propagation::of_lanes(3).of_task(2);
    /// assert_eq!(apart, Propagation { lanes: 1, input: InputDelta::Write(2) });
    /// assert_eq!(Propagation::of_lanes(1).of_task(2), Propagation::of_lanes(1)); // of one sum
    /// ```
    ///
    /// # Panics
    /// If there are several lanes, and none of task `k`.
    #[must_use]
    #[track_caller]
    pub fn of_task(self, k: usize) -> Self {
        let lane = if self.lanes > 1 { k } else { 0 };
        // It would be the memory of another activation.
        assert!(self.lanes <= 1 || k < self.lanes, "a lane for task {k}, of {} lanes", self.lanes);
        let input = match self.input {
            InputDelta::Skip => InputDelta::Skip,
            InputDelta::Write(first) => InputDelta::Write(first + lane),
            InputDelta::Add(first) => InputDelta::Add(first + lane),
        };
        Self { lanes: 1, input }
    }

    /// The lanes of the input's delta to write, and what a product that writes them starts from; `None` if the input's
    /// delta is not needed.
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena};
    /// use polytask::kernel;
    /// use polytask::layer::Propagation;
    /// use polytask::ndarray::ArrayView2;
    /// use polytask::Scalar;
    ///
    /// /// `dx = dz Wᵀ`
    /// fn input_delta<F: Scalar>(
    ///     w: ArrayView2<'_, F>, z: ActivationBlock, x: ActivationBlock, deltas: &mut Arena<F>, to: Propagation,
    /// ) {
    ///     let Some((lanes, start)) = to.target() else { return };
    ///     let (dz, dx) = deltas.pair((z, 0..to.lanes), (x, lanes));
    ///     kernel::product(dz, w.reversed_axes(), start, dx);
    /// }
    /// ```
    pub fn target<F>(self) -> Option<(Range<usize>, Accumulate<&'static [F]>)> {
        let (first, start) = match self.input {
            InputDelta::Skip => return None,
            InputDelta::Write(lane) => (lane, Accumulate::Write),
            InputDelta::Add(lane) => (lane, Accumulate::Add),
        };
        Some((first..first + self.lanes, start))
    }

    /// Sends the delta of `output` on to `input` entry by entry, `dx = slope(row, column, dy)`, unless it is not needed.
    /// Both have the same width; `row` counts within a lane.
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena};
    /// use polytask::layer::Propagation;
    /// use polytask::Scalar;
    ///
    /// /// Backward of `y = x² / 2`.
    /// fn of_half_square<F: Scalar>(
    ///     [x, y]: [ActivationBlock; 2], values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation,
    /// ) {
    ///     let values = values.get(x);
    ///     to.entrywise(deltas, y, x, |row, column, dy| dy * values[[row, column]]);
    /// }
    /// ```
    pub fn entrywise<F: Scalar>(
        self,
        deltas: &mut Arena<F>,
        output: ActivationBlock,
        input: ActivationBlock,
        slope: impl Fn(usize, usize, F) -> F,
    ) {
        let Some((lanes, start)) = self.target::<F>() else { return };
        let (rows, adds) = (deltas.rows(), matches!(start, Accumulate::Add));
        let (dy, mut dx) = deltas.pair((output, 0..self.lanes), (input, lanes));
        for (i, (dy, mut dx)) in dy.rows().into_iter().zip(dx.rows_mut()).enumerate() {
            for (j, (&dy, dx)) in dy.iter().zip(&mut dx).enumerate() {
                let through = slope(i % rows, j, dy);
                *dx = if adds { *dx + through } else { through };
            }
        }
    }

    /// Sends the delta of `output` on to `input` after `change` has turned dy into dx, in place, column by column: for a
    /// layer whose rows depend on one another, with all of them in one chunk. `change` is given the column and its delta in
    /// one lane, a number per row. Both blocks have the same width. Nothing is done if the input's delta is not needed.
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena};
    /// use polytask::layer::Propagation;
    /// use polytask::Scalar;
    ///
    /// /// Backward of `y = x − mean(x)`, with the means of the columns.
    /// fn of_centre<F: Scalar>(x: ActivationBlock, y: ActivationBlock, deltas: &mut Arena<F>, to: Propagation) {
    ///     to.columnwise(deltas, y, x, |_column, mut dx| {
    ///         let mean = dx.sum() / F::from_f64(dx.len() as f64);
    ///         dx.mapv_inplace(|dy| dy - mean);
    ///     });
    /// }
    /// ```
    pub fn columnwise<F: Scalar>(
        self,
        deltas: &mut Arena<F>,
        output: ActivationBlock,
        input: ActivationBlock,
        change: impl Fn(usize, ArrayViewMut1<'_, F>),
    ) {
        if self.target::<F>().is_none() {
            return;
        }
        for lane in 0..self.lanes {
            let mut lane = deltas.lanes_of_mut(output, lane..lane + 1);
            lane.columns_mut().into_iter().enumerate().for_each(|(j, dy)| change(j, dy));
        }
        self.entrywise(deltas, output, input, |_, _, dx| dx);
    }

    /// Sends `dx`, the input's delta for one of the lanes (`rows × width`), on to `input`, unless it is not needed.
    pub fn send<F: Scalar>(
        self,
        deltas: &mut Arena<F>,
        input: ActivationBlock,
        lane: usize,
        dx: ArrayView2<'_, F>,
    ) {
        let Some((lanes, start)) = self.target::<F>() else { return };
        let mut to = deltas.lanes_of_mut(input, lanes.start + lane..lanes.start + lane + 1);
        match start {
            Accumulate::Add => to += &dx,
            _ => to.assign(&dx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Propagation;

    #[test]
    #[should_panic(expected = "a lane for task 3, of 3 lanes")]
    fn a_task_without_a_lane_is_refused() {
        let _ = Propagation::of_lanes(3).of_task(3);
    }
}
