//! Fitting several networks, each with rows of its own to stop early on.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView2};

use super::Stopped;
use super::callbacks::{AfterEnd, Hidden};
use super::settings::Settings;
use crate::data::{Dataset, Fold};
use crate::kernel::run_jobs;
use crate::optim::Schedule;
use crate::train::callback::{EarlyStopping, around_several};
use crate::{Error, ErrorKind, Model, Result, Scalar, Task, Trainer};

/// What ends a network as it should.
const EARLY_STOPPING: &str = "early_stopping";

/// How many steps a network takes at most if the epochs are not said, and how many epochs at least and at most.
const STEPS: u64 = 20_000;
const EPOCHS: (u64, u64) = (10, 300);

impl Settings {
    /// The networks of these members, with these tasks, from this table; fewer, and what ended the fit, if a callback did.
    /// A network is the same whichever others are fitted with it.
    pub(super) fn fit_members<F: Scalar>(
        &self,
        data: &Dataset<F>,
        tasks: &[Task],
        range: Range<usize>,
    ) -> Result<(Vec<Model<F>>, Option<Stopped>)> {
        let parts = self.parts(data)?;
        let processors = || std::thread::available_parallelism().map_or(1, Into::into);
        let threads = self.threads.unwrap_or_else(processors);
        let first = Arc::new(AtomicUsize::new(usize::MAX));
        let around_all = around_several(&self.callbacks);
        let fitted = run_jobs(range.len(), threads, |job| {
            let m = range.start + job;
            let after = AfterEnd::new(m, &first);
            if after.is_so() {
                return Ok(None);
            }
            let fitted = self.fit_member(m, data, &parts[m], tasks, after);
            if !matches!(fitted, Ok((_, None))) {
                first.fetch_min(m, Ordering::Relaxed);
            }
            Ok(Some(fitted))
        })?;
        drop(around_all);
        let (mut members, mut stopped) = (Vec::with_capacity(fitted.len()), None);
        // What comes after the first that was ended, or failed, depends on the number of threads.
        for fitted in fitted.into_iter().flatten() {
            let (model, ended_by) = fitted?;
            let Some(by) = ended_by else {
                members.push(model);
                continue;
            };
            stopped = Some(Stopped { by, n_complete: members.len(), wanted: range.len() });
            if members.is_empty() {
                members.push(model);
            }
            break;
        }
        Ok((members, stopped))
    }

    /// The rows that each member learns from and is judged on: of folds cut at random those in which the most targets
    /// have labels to judge by.
    fn parts<F: Scalar>(&self, data: &Dataset<F>) -> Result<Vec<Fold>> {
        let units = match data.groups() {
            None => data.n_rows(),
            Some(groups) => groups.iter().collect::<std::collections::HashSet<_>>().len(),
        };
        if units < 2 {
            let expected = "at least 2 rows, or groups of rows: some to learn from, some to stop early on";
            return Err(Error::new(ErrorKind::Shape, "table of an estimator", expected, units));
        }
        let folds = self.folds.min(units);
        let mut parts = Vec::with_capacity(self.members + folds);
        for round in 0.. {
            if parts.len() >= self.members {
                break;
            }
            let cut = data.fold_rows(folds, self.seed.wrapping_add(round))?;
            let labelled =
                |fold: &Fold| (0..data.n_targets()).filter(|&k| has_label(data, k, &fold.test)).count();
            let most = cut.iter().map(labelled).max();
            parts.extend(cut.into_iter().filter(|fold| Some(labelled(fold)) == most));
        }
        parts.truncate(self.members);
        Ok(parts)
    }

    fn fit_member<F: Scalar>(
        &self,
        member: usize,
        data: &Dataset<F>,
        part: &Fold,
        tasks: &[Task],
        after: AfterEnd,
    ) -> Result<(Model<F>, Option<String>)> {
        let (mut learnt, held_out) = (data.select(&part.train), data.select(&part.test));
        // All labels of a rare target may be in the part that is held out: better seen twice than never.
        if (0..data.n_targets()).any(|k| !has_label(data, k, &part.train)) {
            learnt = data.select(&(0..data.n_rows()).collect::<Vec<_>>());
        }
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(member as u64);
        let mut builder = Model::builder(data.n_features()).sharing(self.sharing()).standardize().seed(seed);
        for task in tasks {
            builder = builder.task(task.clone());
        }
        let mut model = builder.build::<F>()?;

        let per_epoch = learnt.n_rows().div_ceil(self.batch_size) as u64;
        let epochs = self.epochs.unwrap_or((STEPS / per_epoch).clamp(EPOCHS.0, EPOCHS.1));
        let patience = self.patience.unwrap_or((epochs / 3).max(1));
        let mut trainer = Trainer::new(self.rule())
            .schedule(Schedule::cosine(epochs.saturating_mul(per_epoch), 0.0))
            .batch_size(self.batch_size)
            .epochs(epochs)
            .seed(seed)
            .threads(1)
            .callback(EarlyStopping::new().patience(patience))
            .callback(after);
        for callback in &self.callbacks {
            trainer = trainer.callback(Hidden(callback.clone()));
        }
        let history = trainer.fit_validated(&mut model, &learnt, &held_out)?;
        let ended_by = history.stopped_by().filter(|by| *by != EARLY_STOPPING).map(str::to_owned);
        Ok((model, ended_by))
    }
}

/// The mean of what the members predict, a matrix for each task: `rows × prediction width`.
pub(super) fn mean_predictions<F: Scalar>(
    members: &[Model<F>],
    x: ArrayView2<'_, F>,
) -> Result<Vec<Array2<F>>> {
    let mut sums: Vec<Array2<F>> = Vec::new();
    for member in members {
        let predictions = member.predict(x)?;
        if sums.is_empty() {
            sums = predictions.iter().map(|(_, of_task)| of_task.to_owned()).collect();
            continue;
        }
        for (sum, (_, of_task)) in sums.iter_mut().zip(predictions.iter()) {
            sum.zip_mut_with(&of_task, |sum, &y| *sum += y);
        }
    }
    let n = F::from_f64(members.len() as f64);
    sums.iter_mut().for_each(|sum| sum.mapv_inplace(|y| y / n));
    Ok(sums)
}

/// Checks that labels to judge predictions by have their shape.
pub(super) fn check_labels<F>(y: ArrayView2<'_, F>, n_rows: usize, n_tasks: usize) -> Result<()> {
    match y.dim() == (n_rows, n_tasks) {
        true => Ok(()),
        false => {
            let (expected, found) =
                (format!("{n_rows} × {n_tasks}"), format!("{} × {}", y.nrows(), y.ncols()));
            Err(Error::new(ErrorKind::Shape, "labels of an estimator", expected, found))
        }
    }
}

/// Whether a target has a label with a weight above 0 among some rows.
fn has_label<F: Scalar>(data: &Dataset<F>, target: usize, rows: &[usize]) -> bool {
    rows.iter().any(|&row| counts(data, row, target))
}

/// Whether there is a label, with a weight above 0.
pub(super) fn counts<F: Scalar>(data: &Dataset<F>, row: usize, target: usize) -> bool {
    !data.targets()[[row, target]].is_nan() && data.label_weight(row, target) > F::ZERO
}

/// Checks that there is something to learn: at least one target, each with at least one label that counts.
pub(super) fn check_targets<F: Scalar>(data: &Dataset<F>) -> Result<()> {
    if data.n_targets() == 0 {
        return Err(Error::new(ErrorKind::Shape, "targets of an estimator", "at least 1 column", 0));
    }
    let rows: Vec<usize> = (0..data.n_rows()).collect();
    for (k, name) in data.target_names().iter().enumerate() {
        if !has_label(data, k, &rows) {
            let found = format!("none in {} rows", data.n_rows());
            let place = format!("target {name:?}");
            return Err(Error::new(
                ErrorKind::Value,
                place,
                "at least one label with a weight above 0",
                found,
            ));
        }
    }
    Ok(())
}
