//! Labels that look wrong to a model that has not learnt from them.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use super::RowGradients;
use super::taught::in_falling_order;
use crate::data::Dataset;
use crate::kernel::run_jobs;
use crate::report::{cut, number};
use crate::validation::{CrossValidation, TrainingPart};
use crate::{Model, Result, Scalar};

/// How many rows are printed for each task.
const PRINTED: usize = 10;

/// How much each label would pull at a model that has not seen its row: the norm of the gradient of the row for the task, by
/// the model of the fold in which the row is held out, and the mean over repeats.
///
/// A label that contradicts all that the others say pulls hard. So do labels of rows unlike any other, and those of a task that
/// cannot be predicted: the first of the list are to be looked at, not to be removed.
///
/// ```
/// use polytask::ledger::SuspectLabels;
/// use polytask::prelude::*;
/// use polytask::validation::CrossValidation;
///
/// let clean = datasets::related_tasks::<f64>(300, 3, 2, 0.9, 0.05, 1);
/// let mut targets = clean.targets().to_owned();
/// targets[[123, 1]] += 4.0; // a slip of whoever wrote the table
/// let data = Dataset::new(clean.features().to_owned(), targets)?.with_target_names(["task0", "task1"])?;
///
/// let suspects = SuspectLabels::find(&data, &CrossValidation::new(5), |part| {
///     let builder = Model::builder(3).trunk([Layer::dense(16, Activation::Tanh)]).standardize().seed(part.seed);
///     let mut model = builder.task(Task::regression("task0")).task(Task::regression("task1")).build()?;
///     Trainer::new(Adam::new(0.01)).epochs(30).fit(&mut model, part.data)?;
///     Ok(model)
/// })?;
/// println!("{suspects}");
/// assert_eq!(suspects.ranked(1)[0].0, 123);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SuspectLabels {
    tasks: Vec<String>,
    /// `rows × tasks`.
    scores: Array2<f64>,
}

impl SuspectLabels {
    /// Scores all labels of `data`: `fit` trains a model on the training part of each fold, as for [`CrossValidation::run`].
    ///
    /// # Errors
    /// As [`CrossValidation::run`] and [`RowGradients::of`].
    pub fn find<F: Scalar>(
        data: &Dataset<F>,
        folds: &CrossValidation,
        fit: impl Fn(&TrainingPart<'_, F>) -> Result<Model<F>> + Sync,
    ) -> Result<Self> {
        let cut = folds.cut_rows(data)?;
        let of_folds = run_jobs(cut.folds.len(), cut.threads, |at| {
            let (place, fold) = (cut.place(at), &cut.folds[at]);
            let train = data.select(&fold.train);
            let part =
                TrainingPart { data: &train, repeat: place.repeat, fold: place.fold, seed: place.seed };
            let score = || {
                let rows = RowGradients::of(&fit(&part)?, &data.select(&fold.test))?;
                Ok((rows.tasks().to_vec(), rows.norms()))
            };
            score().map_err(|error: crate::Error| error.within(cut.name(at)))
        })?;
        let tasks = of_folds.first().map_or(Vec::new(), |(tasks, _)| tasks.clone());
        let (mut sums, mut n_scores) =
            (Array2::zeros((data.n_rows(), tasks.len())), vec![0.0; data.n_rows()]);
        for (fold, (_, norms)) in cut.folds.iter().zip(&of_folds) {
            for (&row, norms) in fold.test.iter().zip(norms.rows()) {
                let mut sum = sums.row_mut(row);
                sum += &norms;
                n_scores[row] += 1.0;
            }
        }
        // Never held out: 0 / 0.
        for (mut sum, n) in sums.rows_mut().into_iter().zip(n_scores) {
            sum /= n;
        }
        Ok(Self { tasks, scores: sums })
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// The scores, `rows × tasks`; NaN where a row has no label of the task or was held out in no fold.
    pub fn scores(&self) -> ArrayView2<'_, f64> {
        self.scores.view()
    }

    /// The rows with labels of a task and their scores, the most suspect first.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn ranked(&self, task: usize) -> Vec<(usize, f64)> {
        in_falling_order(self.scores.column(task).to_vec())
    }
}

impl fmt::Display for SuspectLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "labels to look at first: rows, with the norm of the gradient when held out")?;
        for (k, name) in self.tasks.iter().enumerate() {
            let ranked = self.ranked(k);
            let words: Vec<String> = ranked
                .iter()
                .take(PRINTED)
                .map(|&(row, score)| format!("{row} ({})", number(score)))
                .collect();
            write!(f, "\n  {}: {}", cut(name, 24), words.join(", "))?;
        }
        Ok(())
    }
}
