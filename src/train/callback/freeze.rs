//! Freezing tasks that have converged.

use super::early_stopping::{check_patience, improves};
use super::monitor::undefined_loss;
use super::{Callback, Controls, Event, Progress};
use crate::Result;
use std::ops::ControlFlow;

/// Gives a task weight 0 from when its validation loss has not got better for a while; the others go on. When all are
/// frozen the training ends.
///
/// ```text
/// task k is better if Lₖ < bestₖ − min_delta;   frozen after `patience` validations in a row that are not
/// ```
/// Defaults: patience 10, min_delta 0. A frozen task no longer pulls at the shared parameters, which move on without
/// it: its loss may rise again. A loss that is undefined is never better, and an error at the first validation. What the optimiser does without a gradient it goes on doing with the task's own
/// parameters: weight decay, and what is left in Adam's moments.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::FreezeConverged;
///
/// let (train, held_out) = datasets::robot_arm::<f32>(300, 0.05, 1).split(0.7, 1)?;
/// let mut model = Model::builder(10)
///     .trunk([Layer::dense(16, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f32>()?;
/// let history = Trainer::new(Adam::new(0.02))
///     .epochs(1_000)
///     .callback(FreezeConverged::new().patience(3))
///     .fit_validated(&mut model, &train, &held_out)?;
/// assert_eq!(history.stopped_by(), Some("freeze_converged"));
/// let last = history.weights().row(history.weights().nrows() - 1).to_vec();
/// assert!(last.contains(&0.0) && last.contains(&1.0));                 // one had been frozen before the other
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FreezeConverged {
    patience: u64,
    min_delta: f64,
    /// For each task its best loss and how many validations since then were not better; empty before the first.
    best: Vec<f64>,
}

impl Default for FreezeConverged {
    fn default() -> Self {
        Self { patience: 10, min_delta: 0.0, best: Vec::new() }
    }
}

impl FreezeConverged {
    /// Freezing with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many validations in a row may fail to be better: at least 1.
    #[must_use]
    pub fn patience(self, validations: u64) -> Self {
        Self { patience: validations, ..self }
    }

    /// By how much a loss must be lower to count: 0 or more.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::FreezeConverged;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let freeze = FreezeConverged::new().patience(2).min_delta(1e9); // none is better by so much
    /// let trainer = Trainer::new(Adam::new(0.01)).epochs(50).callback(freeze);
    /// let history = trainer.fit_validated(&mut builder.build::<f32>()?, &train, &held_out)?;
    /// assert_eq!(history.validations().len(), 3);                      // both frozen at once
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> Self {
        Self { min_delta, ..self }
    }
}

impl Callback for FreezeConverged {
    fn name(&self) -> &'static str {
        "freeze_converged"
    }

    fn resumes(&self) -> bool {
        true
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>> {
        match event {
            Event::Start => {
                check_patience("freezing of tasks", self.patience, self.min_delta)?;
                super::Monitor::Total.check("freezing of tasks", at)?;
            }
            Event::Validation => {
                let n_tasks = at.tasks.len();
                let is_first = self.best.len() != 2 * n_tasks;
                if is_first {
                    self.best = [f64::INFINITY, 0.0].repeat(n_tasks);
                }
                let losses = at.validation.map_or(&[][..], |validation| &validation.losses);
                for (k, &loss) in losses.iter().enumerate().filter(|&(k, _)| is_watched(k, at)) {
                    let loss = match loss {
                        Some(loss) if !(is_first && loss.is_nan()) => loss,
                        _ if is_first => return Err(undefined_loss("freezing of tasks", &at.tasks[k], loss)),
                        _ => f64::NAN,
                    };
                    let mut best = self.best[2 * k..2 * k + 2].to_vec();
                    if !controls.is_frozen(k)
                        && !improves(&mut best, loss, self.min_delta)
                        && best[1] >= self.patience as f64
                    {
                        controls.freeze(k);
                    }
                    self.best[2 * k..2 * k + 2].copy_from_slice(&best);
                }
            }
            Event::Step | Event::Epoch | Event::End => {}
        }
        // At the start too: a training that has stopped stays so when it is taken up from its checkpoint.
        let is_over =
            !self.best.is_empty() && (0..at.tasks.len()).all(|k| controls.is_frozen(k) || !is_watched(k, at));
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("best", &mut self.best)]
    }
}

/// Whether a task has a loss with a weight: what else stands still is not frozen.
fn is_watched(k: usize, at: &Progress<'_>) -> bool {
    at.own_weights[k] > 0.0 && at.model.tasks()[k].has_loss()
}
