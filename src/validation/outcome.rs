//! What the folds are, what one of them is asked for, and what it gave.

use std::time::Duration;

use ndarray::Array2;

use crate::data::Fold;
use crate::{Result, Task, Warning};

/// The folds of all repeats, one repeat after the other, each of as many folds.
#[derive(Clone, Debug)]
pub struct Folds {
    pub folds: Vec<Fold>,
    pub repeats: usize,
    /// Of the cross-validation, from which those of the folds are made.
    pub seed: u64,
    pub threads: usize,
    #[cfg(feature = "persist")]
    pub ranks: Option<std::sync::Arc<dyn crate::ranks::Ranks>>,
}

impl Folds {
    pub(crate) fn place(&self, at: usize) -> FoldPlace {
        let per_repeat = self.folds.len() / self.repeats;
        FoldPlace { repeat: at / per_repeat, fold: at % per_repeat, seed: self.seed_of(at) }
    }

    /// The seed of what is fitted in a fold.
    pub(crate) fn seed_of(&self, at: usize) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(at as u64)
    }

    /// The first folds: of as many as `n_folds` whole repeats if there is one, else those at the beginning of the first.
    pub(crate) fn first(&self, n_folds: usize) -> Self {
        let per_repeat = self.folds.len() / self.repeats;
        let (folds, repeats) = match n_folds / per_repeat {
            0 => (n_folds, 1),
            repeats => (repeats * per_repeat, repeats),
        };
        Self { folds: self.folds[..folds].to_vec(), repeats, ..self.clone() }
    }

    /// A fold's name, for a person.
    pub(crate) fn name(&self, at: usize) -> String {
        match (self.repeats, self.place(at)) {
            (1, _) => format!("fold {at}"),
            (_, FoldPlace { repeat, fold, .. }) => format!("fold {fold} of repeat {repeat}"),
        }
    }
}

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
