//! The number of a validation that a callback watches.

use super::Progress;
use crate::metric::Direction;
use crate::train::Validation;
use crate::{Error, ErrorKind, Result};

/// Which number of a validation is watched.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::{EarlyStopping, Monitor};
///
/// let (train, test) = datasets::robot_arm::<f64>(200, 0.05, 1).split(0.8, 1)?;
/// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
/// let mut model = builder.standardize().build::<f64>()?;
/// let stop = EarlyStopping::new().monitor(Monitor::metric("elbow", "r2")).patience(2);
/// let trainer = Trainer::new(Adam::new(0.05)).epochs(100).callback(stop);
/// let history = trainer.fit_validated(&mut model, &train, &test)?;
/// assert!(history.stopped_by().is_some()); // the elbow got no better
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Monitor {
    /// [`Validation::total`]: `Σ wₖ Lₖ` with the tasks' own weights, over the tasks that have labels in the validation
    /// data; the smaller the better.
    Total,
    /// The loss of the task of that name; the smaller the better.
    Task(String),
    /// A metric of a task, by their names, such as `r2`; the better the metric says.
    Metric(String, String),
    /// The weighted mean of metrics, each with its task and its weight: `Σ wₖ mₖ / Σ wₖ`, where a metric that is better
    /// the higher it is counts as −mₖ.
    Average(Vec<(String, String, f64)>),
}

impl Monitor {
    /// The loss of a task.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::{EarlyStopping, Monitor};
    ///
    /// let (train, held_out) = datasets::robot_arm::<f64>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let stopping = |task: &str| EarlyStopping::new().monitor(Monitor::task(task));
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

    /// The weighted mean of several metrics, each given as `(task, metric, weight)`. A metric that is to be high counts
    /// with the opposite sign, so that the mean is the better the smaller it is; it is undefined if one of the metrics is.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::{EarlyStopping, Monitor};
    ///
    /// let (train, held_out) = datasets::mixed_tasks::<f64>(300, 0.2, 1).split(0.7, 1)?;
    /// let builder = Model::builder(8).task(Task::regression("value")).task(Task::binary("accepted"));
    /// let mut model = builder.standardize().build::<f64>()?;
    /// let monitor = Monitor::average([("value", "rmse", 1.0), ("accepted", "roc_auc", 3.0)]);
    /// let trainer = Trainer::new(Adam::new(0.05)).epochs(40).callback(EarlyStopping::new().monitor(monitor).patience(3));
    /// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
    /// assert!(history.restored_step().is_some()); // of the epoch with the best mean
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn average<T: Into<String>, M: Into<String>>(terms: impl IntoIterator<Item = (T, M, f64)>) -> Self {
        let owned = |(task, metric, weight): (T, M, f64)| (task.into(), metric.into(), weight);
        Self::Average(terms.into_iter().map(owned).collect())
    }

    /// Checks, before the first step, that there will be such a number.
    pub(in crate::train) fn check(&self, place: &str, at: &Progress<'_>) -> Result<()> {
        if !at.is_validated {
            return Err(Error::new(ErrorKind::Setting, place, "validation data", "none")
                .advise("train with fit_validated"));
        }
        match self {
            Self::Total => Ok(()),
            Self::Task(task) => task_with_loss(task, place, at).map(drop),
            Self::Metric(task, _) => task_index(task, place, at).map(drop),
            Self::Average(terms) => {
                let wrong = |weight: &&f64| !(weight.is_finite() && **weight >= 0.0);
                let weights = || terms.iter().map(|(_, _, weight)| weight);
                let fault = |found: String| {
                    let place = format!("{place}, weights of metrics");
                    Error::new(
                        ErrorKind::Setting,
                        place,
                        "finite numbers, 0 or more, and one above it",
                        found,
                    )
                };
                if let Some(weight) = weights().find(wrong) {
                    return Err(fault(weight.to_string()));
                }
                if weights().all(|&weight| weight == 0.0) {
                    return Err(fault(if terms.is_empty() { "none" } else { "only 0" }.to_owned()));
                }
                terms.iter().try_for_each(|(task, _, _)| task_index(task, place, at).map(drop))
            }
        }
    }

    /// As [`value`](Self::value) of the first validation: an error if it is undefined, since nothing could be compared
    /// with it.
    pub(in crate::train) fn first_value(&self, place: &str, at: &Progress<'_>) -> Result<f64> {
        let value = self.value(place, at)?;
        let Some(validation) = at.validation.filter(|_| value.is_nan()) else { return Ok(value) };
        match self {
            Self::Total => Err(undefined_total(place, at.tasks, at.own_weights, validation)),
            Self::Task(task) => {
                let loss = validation.losses[task_index(task, place, at)?];
                Err(undefined_loss(place, task, loss))
            }
            Self::Metric(task, metric) => Err(undefined_metric(place, task, metric)),
            Self::Average(terms) => {
                for (task, metric, weight) in terms {
                    if *weight > 0.0 && score(task, metric, place, at)?.is_nan() {
                        return Err(undefined_metric(place, task, metric));
                    }
                }
                // Infinite metrics of both signs.
                Ok(value)
            }
        }
    }

    /// The number of the validation just made, turned so that smaller is better; NaN, which is never better, where it
    /// is undefined.
    pub(in crate::train) fn value(&self, place: &str, at: &Progress<'_>) -> Result<f64> {
        let Some(validation) = at.validation else { return Ok(f64::NAN) };
        match self {
            Self::Task(task) => {
                task_index(task, place, at)?;
                Ok(self.value_in(validation, at.tasks))
            }
            Self::Total => Ok(self.value_in(validation, at.tasks)),
            Self::Metric(task, metric) => score(task, metric, place, at),
            Self::Average(terms) => {
                let (mut sum, mut total) = (0.0, 0.0);
                for (task, metric, weight) in terms {
                    let value = score(task, metric, place, at)?;
                    // What has no weight may be undefined.
                    if *weight > 0.0 {
                        sum += weight * value;
                        total += weight;
                    }
                }
                Ok(sum / total)
            }
        }
    }

    /// The same of any validation of the history; NaN for metrics, which a history does not hold.
    pub(in crate::train) fn value_in(&self, validation: &Validation, tasks: &[String]) -> f64 {
        let known = match self {
            Self::Total => validation.total,
            Self::Task(name) => tasks.iter().position(|task| task == name).and_then(|k| validation.losses[k]),
            Self::Metric(..) | Self::Average(_) => None,
        };
        known.unwrap_or(f64::NAN)
    }

    pub(in crate::train) fn reads_report(&self) -> bool {
        matches!(self, Self::Metric(..) | Self::Average(_))
    }
}

/// A metric of the validation just made, turned so that smaller is better; NaN if it is undefined.
fn score(task: &str, metric: &str, place: &str, at: &Progress<'_>) -> Result<f64> {
    let scores = at.report.and_then(|report| report.get(task)).map_or(&[][..], |task| &task.scores);
    let Some(score) = scores.iter().find(|score| score.name == metric) else {
        let there: Vec<&str> = scores.iter().map(|score| score.name.as_str()).collect();
        let place = format!("{place}, metric of task {task:?}");
        return Err(Error::new(ErrorKind::Name, place, format!("one of {there:?}"), metric));
    };
    let value = score.value.unwrap_or(f64::NAN);
    Ok(if score.direction == Direction::HigherIsBetter { -value } else { value })
}

/// The error about a metric that is watched and undefined at the first validation.
fn undefined_metric(place: &str, task: &str, metric: &str) -> Error {
    let place = format!("{place}, first validation, metric {metric:?} of task {task:?}");
    Error::new(ErrorKind::Value, place, "a number", "undefined for these labels and predictions")
        .advise("watch another metric or a loss, or validate on rows for which it is defined")
}

/// The error about the loss of a task that is watched and undefined at the first validation.
pub(super) fn undefined_loss(place: &str, task: &str, loss: Option<f64>) -> Error {
    let place = format!("{place}, first validation, loss of task {task:?}");
    match loss {
        None => {
            let found = "none: the validation data has no label of it with a weight above 0";
            Error::new(ErrorKind::Value, place, "a loss to watch", found)
                .advise("validate on rows that have such labels, or watch other tasks")
        }
        Some(loss) => Error::new(ErrorKind::Value, place, "a loss to watch", format!("{loss}, not a number"))
            .advise("look for extreme rows in the validation data; standardise, or lower the learning rate"),
    }
}

/// The same about the total of the losses.
fn undefined_total(place: &str, tasks: &[String], own_weights: &[f64], validation: &Validation) -> Error {
    let of_weight = |k: &usize| own_weights[*k] > 0.0;
    let is_nan = |k: &usize| validation.losses[*k].is_some_and(f64::is_nan);
    let weighted = (0..tasks.len()).filter(of_weight);
    match weighted.clone().find(is_nan).or_else(|| weighted.clone().next()) {
        Some(k) => undefined_loss(place, &tasks[k], validation.losses[k]),
        None => Error::new(ErrorKind::Value, place, "a task of a weight above 0 to watch", "none"),
    }
}

/// The position of the task of that name, which must have a loss.
pub(super) fn task_with_loss(name: &str, place: &str, at: &Progress<'_>) -> Result<usize> {
    let k = task_index(name, place, at)?;
    match at.model.tasks()[k].has_loss() {
        true => Ok(k),
        false => Err(Error::new(
            ErrorKind::Setting,
            format!("{place}, task {name:?}"),
            "a task with a loss",
            "one without",
        )),
    }
}

/// The position of the task of that name.
pub(super) fn task_index(name: &str, place: &str, at: &Progress<'_>) -> Result<usize> {
    at.tasks.iter().position(|task| task == name).ok_or_else(|| {
        Error::new(ErrorKind::Name, format!("{place}, task"), format!("one of {:?}", at.tasks), name)
    })
}
