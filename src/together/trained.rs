//! What came out of one job.

use std::time::Duration;

use ndarray::Array2;

use super::curve::Moment;
use crate::Task;
use crate::validation::outcome::Outcome;

/// The models of one contender, trained in one fold: what they predict and what they cost.
#[derive(Clone, Debug)]
pub(super) struct Trained {
    /// For each task `held-out rows × prediction width`.
    pub(super) predictions: Vec<Array2<f64>>,
    pub(super) fit_time: Duration,
    /// Of predicting all rows held out.
    pub(super) prediction_time: Duration,
    pub(super) n_parameters: usize,
    pub(super) n_bytes: usize,
    pub(super) warnings: Vec<String>,
    /// The held-out losses after each epoch.
    pub(super) moments: Vec<Moment>,
}

/// What became of one job: what was trained, or what went wrong.
pub(super) type JobResult = std::result::Result<Trained, String>;

impl Trained {
    /// As a fold of a cross-validation.
    pub(super) fn into_outcome(self, tasks: &[Task]) -> Outcome {
        Outcome {
            tasks: tasks.to_vec(),
            thresholds: vec![None; tasks.len()],
            predictions: self.predictions,
            warnings: Vec::new(),
            fit_time: self.fit_time,
            n_parameters: Some(self.n_parameters),
        }
    }
}
