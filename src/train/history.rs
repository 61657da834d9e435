//! What happened during a training.

use ndarray::ArrayView2;

/// The losses of every step and of every validation.
///
/// A training of more than 10 000 steps keeps the mean of several steps at a time, so that at most 10 000
/// records are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    tasks: Vec<String>,
    /// How many steps a record is the mean of.
    interval: u64,
    n_steps: u64,
    /// `records × tasks`; the last record may be of fewer steps.
    losses: Vec<f64>,
    validations: Vec<Validation>,
}

/// The losses on the validation data after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// How many steps had been taken.
    pub step: u64,
    /// The unweighted loss of each task.
    pub losses: Vec<f64>,
}

/// The most records that are kept.
const RECORDS: u64 = 10_000;

impl History {
    pub(super) fn new(tasks: Vec<String>, planned_steps: u64) -> Self {
        let interval = planned_steps.div_ceil(RECORDS).max(1);
        let records = planned_steps.div_ceil(interval) as usize;
        let losses = Vec::with_capacity(records * tasks.len());
        Self { tasks, interval, n_steps: 0, losses, validations: Vec::new() }
    }

    pub(super) fn record(&mut self, losses: &[f64]) {
        let done = (self.n_steps % self.interval) as f64;
        self.n_steps += 1;
        if done == 0.0 {
            self.losses.extend_from_slice(losses);
        } else {
            let last = self.losses.len() - losses.len();
            for (mean, loss) in self.losses[last..].iter_mut().zip(losses) {
                *mean += (loss - *mean) / (done + 1.0);
            }
        }
    }

    pub(super) fn validate(&mut self, losses: Vec<f64>) {
        self.validations.push(Validation { step: self.n_steps, losses });
    }

    /// The names of the tasks, in the order of the columns of [`losses`](Self::losses).
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// How many steps were taken.
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// How many steps a record is the mean of: 1 for trainings of up to 10 000 steps.
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// The unweighted losses of the batches, `records × tasks`, each before its step's update.
    pub fn losses(&self) -> ArrayView2<'_, f64> {
        let k = self.tasks.len();
        ArrayView2::from_shape((self.losses.len() / k, k), &self.losses).expect("one number per task")
    }

    /// The validations, in order; empty if there was no validation data.
    pub fn validations(&self) -> &[Validation] {
        &self.validations
    }
}
