//! Stopping when the validation gets no better, with the best θ brought back.

use super::{Callback, Controls, Event, Monitor, Progress};
use crate::{Error, ErrorKind, Result};
use std::ops::ControlFlow;

/// Ends a training whose validation has not got better for a while, and gives the model the θ of its best
/// validation.
///
/// ```text
/// x is better if x < best − min_delta       (of a metric that is to be high: x > best + min_delta)
/// stop after `patience` validations in a row that are not better
/// ```
/// Defaults: patience 10, min_delta 0, the weighted total of the losses. The best θ is brought back however the
/// training ends. What is undefined (a loss that is not a number, a metric that is not defined) is never better, and an
/// error at the first validation. L. Prechelt, "Early stopping, but when?", 1998.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::{EarlyStopping, Monitor};
///
/// let (train, held_out) = datasets::robot_arm::<f32>(300, 0.05, 1).split(0.7, 1)?;
/// let mut model = Model::builder(10)
///     .trunk([Layer::dense(16, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f32>()?;
/// let stopping = EarlyStopping::new().patience(3).monitor(Monitor::metric("elbow", "r2"));
/// let history = Trainer::new(Adam::new(0.02))
///     .epochs(1_000)
///     .callback(stopping)
///     .fit_validated(&mut model, &train, &held_out)?;
/// assert!(history.n_steps() < 7_000);
/// assert!(history.restored_step() < Some(history.n_steps()));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: u64,
    min_delta: f64,
    /// The best value, and how many validations since then were not better; empty before the first.
    best: Vec<f64>,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { monitor: Monitor::Total, patience: 10, min_delta: 0.0, best: Vec::new() }
    }
}

impl EarlyStopping {
    /// Early stopping with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is monitored (default: the weighted total of the losses).
    #[must_use]
    pub fn monitor(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }

    /// How many validations in a row may fail to be better: at least 1.
    #[must_use]
    pub fn patience(self, validations: u64) -> Self {
        Self { patience: validations, ..self }
    }

    /// By how much a value must be better to count: 0 or more, in the unit of what is watched.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::EarlyStopping;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let stopping = EarlyStopping::new().patience(2).min_delta(1e9); // none is better by so much
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(50).callback(stopping);
    /// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
    /// assert_eq!((history.validations().len(), history.restored_step()), (3, Some(4)));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> Self {
        Self { min_delta, ..self }
    }
}

impl Callback for EarlyStopping {
    fn name(&self) -> &'static str {
        "early_stopping"
    }

    fn resumes(&self) -> bool {
        true
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>> {
        match event {
            Event::Start => {
                check_patience("early stopping", self.patience, self.min_delta)?;
                self.monitor.check("early stopping", at)?;
            }
            Event::Validation => {
                let value = match self.best.is_empty() {
                    true => self.monitor.first_value("early stopping", at)?,
                    false => self.monitor.value("early stopping", at)?,
                };
                if improves(&mut self.best, value, self.min_delta) {
                    controls.keep_parameters();
                }
            }
            Event::End => controls.restore_parameters(),
            Event::Step | Event::Epoch => {}
        }
        // At the start too: a training that has stopped stays so when it is taken up from its checkpoint.
        let is_over = self.best.get(1).is_some_and(|&worse| worse >= self.patience as f64);
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn reads_report(&self) -> bool {
        self.monitor.reads_report()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("best", &mut self.best)]
    }
}

/// Whether `value` is better than the best so far; `best` is that and the count of values since.
pub(in crate::train) fn improves(best: &mut Vec<f64>, value: f64, min_delta: f64) -> bool {
    if best.len() != 2 {
        *best = vec![f64::INFINITY, 0.0];
    }
    let is_better = value < best[0] - min_delta;
    match is_better {
        true => (best[0], best[1]) = (value, 0.0),
        false => best[1] += 1.0,
    }
    is_better
}

pub(super) fn check_patience(place: &str, patience: u64, min_delta: f64) -> Result<()> {
    if patience == 0 {
        let place = format!("{place}, patience");
        return Err(Error::new(ErrorKind::Setting, place, "at least 1 validation", 0));
    }
    if !(min_delta.is_finite() && min_delta >= 0.0) {
        let place = format!("{place}, min_delta");
        return Err(Error::new(ErrorKind::Setting, place, "a finite number, 0 or more", min_delta));
    }
    Ok(())
}
