//! The weight of a task as a function of the step.

use super::monitor::task_with_loss;
use super::{Callback, Controls, Event, Progress};
use crate::optim::Schedule;
use crate::{Error, ErrorKind, Result};
use std::ops::ControlFlow;

/// Multiplies a task's own weight by a schedule's factor, step by step: an auxiliary task that fades out, or one that
/// sets in late.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::TaskSchedule;
///
/// let data = datasets::robot_arm::<f32>(300, 0.05, 1);
/// let mut model = Model::builder(10)
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow").weight(2.0))
///     .build::<f32>()?;
/// let fading = TaskSchedule::new("elbow", Schedule::steps(10, 0.5));
/// let history = Trainer::new(Adam::new(0.01)).steps(30).callback(fading).fit(&mut model, &data)?;
/// assert_eq!([0, 9, 10, 29].map(|step| history.weights()[[step, 1]]), [2.0, 2.0, 1.0, 0.5]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TaskSchedule {
    task: String,
    schedule: Schedule,
    index: usize,
}

impl TaskSchedule {
    /// The schedule of the weight of the task of that name. A factor that is not finite, or
    /// negative, as a schedule of your own may give, ends the training with an error.
    pub fn new(task: impl Into<String>, schedule: Schedule) -> Self {
        Self { task: task.into(), schedule, index: 0 }
    }
}

impl Callback for TaskSchedule {
    fn name(&self) -> &'static str {
        "task_schedule"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Start {
            self.schedule.check()?;
            self.index = task_with_loss(&self.task, "schedule of a task's weight", at)?;
        }
        if matches!(event, Event::Start | Event::Step) {
            let factor = self.schedule.factor(at.step + 1);
            if !(factor.is_finite() && factor >= 0.0) {
                let place = format!("schedule of the weight of task {:?} at step {}", self.task, at.step + 1);
                return Err(Error::new(ErrorKind::Setting, place, "a factor of 0 or more", factor));
            }
            controls.scale_task(self.index, factor);
        }
        Ok(ControlFlow::Continue(()))
    }
}
