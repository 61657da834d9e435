//! What one fold is asked for, and what it gave.

use std::time::Duration;

use ndarray::Array2;

use crate::data::Fold;
use crate::{Result, Task, Warning};

/// Where a fold is, and the seed of what is fitted there.
#[derive(Debug)]
pub struct FoldPlace {
    pub repeat: usize,
    pub fold: usize,
    pub seed: u64,
}

/// Fits to the training part of a fold and predicts its held-out rows.
pub type OfFold<'a> = dyn Fn(FoldPlace, &Fold) -> Result<Outcome> + Sync + 'a;

/// What one fold gave.
#[derive(Debug)]
pub struct Outcome {
    pub tasks: Vec<Task>,
    /// For each task `held-out rows × prediction width`.
    pub predictions: Vec<Array2<f64>>,
    /// For each task, unless they are ½.
    pub thresholds: Vec<Option<Vec<f64>>>,
    pub warnings: Vec<Warning>,
    pub fit_time: Duration,
    pub n_parameters: Option<usize>,
}
