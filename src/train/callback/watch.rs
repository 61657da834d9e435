//! The number of a validation that a callback watches.

use super::Progress;
use crate::metric::Direction;
use crate::{Error, ErrorKind, Result};

/// Which number of a validation is watched.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::{EarlyStopping, Watch};
///
/// let (train, test) = datasets::robot_arm::<f64>(200, 0.05, 1).split(0.8, 1)?;
/// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
/// let mut model = builder.standardize().build::<f64>()?;
/// let stop = EarlyStopping::new().watch(Watch::metric("elbow", "r2")).patience(2);
/// let trainer = Trainer::new(Adam::new(0.05)).epochs(100).callback(stop);
/// let history = trainer.fit_validated(&mut model, &train, &test)?;
/// assert!(history.stopped_by().is_some()); // the elbow got no better
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// `Σ wₖ Lₖ`, with the tasks' own weights; the smaller the better.
    Total,
    /// The loss of the task of that name; the smaller the better.
    Task(String),
    /// A metric of a task, by their names, such as `r2`; the better the metric says.
    Metric(String, String),
}

impl Watch {
    /// The loss of a task.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::{EarlyStopping, Watch};
    ///
    /// let (train, held_out) = datasets::robot_arm::<f64>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let stopping = |task: &str| EarlyStopping::new().watch(Watch::task(task));
    /// let trainer = Trainer::new(Adam::new(0.05)).epochs(2);
    /// trainer.clone().callback(stopping("elbow")).fit_validated(&mut model, &train, &held_out)?;
    /// let trainer = trainer.callback(stopping("wrist"));
    /// let error = trainer.fit_validated(&mut model, &train, &held_out).unwrap_err();
    /// assert_eq!(error.to_string(), r#"early stopping, task: expected one of ["elbow"], found wrist"#);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn task(name: impl Into<String>) -> Self {
        Self::Task(name.into())
    }

    /// A metric of a task.
    pub fn metric(task: impl Into<String>, metric: impl Into<String>) -> Self {
        Self::Metric(task.into(), metric.into())
    }

    /// Checks, before the first step, that there will be such a number.
    pub(super) fn check(&self, place: &str, at: &Progress<'_>) -> Result<()> {
        if !at.is_validated {
            return Err(Error::new(ErrorKind::Setting, place, "validation data", "none")
                .advise("train with fit_validated"));
        }
        match self {
            Self::Total => Ok(()),
            Self::Task(task) | Self::Metric(task, _) => task_index(task, place, at).map(drop),
        }
    }

    /// The number of the validation just made, turned so that smaller is better; NaN where it is undefined.
    pub(super) fn value(&self, place: &str, at: &Progress<'_>) -> Result<f64> {
        let losses = at.validation.map_or(&[][..], |validation| &validation.losses);
        match self {
            Self::Total => Ok(losses.iter().zip(at.own_weights).map(|(loss, weight)| loss * weight).sum()),
            Self::Task(task) => Ok(losses[task_index(task, place, at)?]),
            Self::Metric(task, metric) => {
                let scores =
                    at.report.and_then(|report| report.get(task)).map_or(&[][..], |task| &task.scores);
                let Some(score) = scores.iter().find(|score| score.name == *metric) else {
                    let there: Vec<&str> = scores.iter().map(|score| score.name.as_str()).collect();
                    let place = format!("{place}, metric of task {task:?}");
                    return Err(Error::new(ErrorKind::Name, place, format!("one of {there:?}"), metric));
                };
                let value = score.value.unwrap_or(f64::NAN);
                Ok(if score.direction == Direction::HigherIsBetter { -value } else { value })
            }
        }
    }

    pub(super) fn reads_report(&self) -> bool {
        matches!(self, Self::Metric(..))
    }
}

/// The position of the task of that name.
pub(super) fn task_index(name: &str, place: &str, at: &Progress<'_>) -> Result<usize> {
    at.tasks.iter().position(|task| task == name).ok_or_else(|| {
        Error::new(ErrorKind::Name, format!("{place}, task"), format!("one of {:?}", at.tasks), name)
    })
}
