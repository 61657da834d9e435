//! The loss of a task, with the widths of what it compares.

use crate::loss::LossFunction;
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
}
