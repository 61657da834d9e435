//! The loss of a task, with the widths of what it compares.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

use crate::loss::{Labels, LossFunction};
use crate::{Result, Scalar, Task};

/// The loss of a task, and the widths of targets and outputs that follow from it.
#[derive(Debug)]
pub(super) struct Objective<F> {
    pub(super) loss: Box<dyn LossFunction<F>>,
    pub(super) target_width: usize,
    pub(super) output_width: usize,
    pub(super) prediction_width: usize,
    pub(super) has_loss: bool,
}

impl<F: Scalar> Objective<F> {
    pub(super) fn build(task: &Task) -> Result<Self> {
        let loss = task.loss().build::<F>().map_err(|e| e.within(format!("task {:?}", task.name())))?;
        let target_width = task.columns_list().len();
        let (output_width, prediction_width) =
            (loss.output_width(target_width), loss.prediction_width(target_width));
        Ok(Self { loss, target_width, output_width, prediction_width, has_loss: task.has_loss() })
    }

    /// The mean of the losses of the members, and its derivative with respect to `outputs`, in which row n · members + m
    /// is what member m says of row n of `labels`. It is never the loss of the members' mean, to which a member would be
    /// right as long as the others make up for its errors.
    pub(super) fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
        members: usize,
    ) -> F {
        if members == 1 {
            return self.loss.value_and_delta(outputs, labels, delta);
        }
        let mut sum = F::ZERO;
        for rows in of_members(members) {
            let delta = delta.slice_axis_mut(Axis(0), rows);
            sum += self.loss.value_and_delta(outputs.slice_axis(Axis(0), rows), labels, delta);
        }
        let share = F::from_f64(1.0 / members as f64);
        delta.mapv_inplace(|d| share * d);
        share * sum
    }
}

/// The rows of each member.
pub(super) fn of_members(members: usize) -> impl Iterator<Item = Slice> {
    (0..members).map(move |m| Slice::new(m as isize, None, members as isize))
}
