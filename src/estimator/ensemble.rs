//! Fitting several networks, each with rows of its own to stop early on, and mixing what they predict.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView2, Axis, concatenate};

use super::callbacks::{AfterEnd, Hidden};
use super::held_out::{FittedNetwork, HeldOut};
#[cfg(feature = "persist")]
use super::kept::Kept;
use super::labels::has_label;
use super::member_kind::MemberKind;
use super::settings::Settings;
use super::target::Target;
use super::wanted::Wanted;
use super::{Fitted, Stopped};
use crate::data::{Dataset, Fold};
use crate::kernel::run_jobs;
use crate::optim::Schedule;
use crate::train::callback::{EarlyStopping, around_several};
use crate::{Error, ErrorKind, Model, ModelBuilder, Result, Scalar, Trainer};

/// What ends a network as it should.
const EARLY_STOPPING: &str = "early_stopping";

/// How many steps a network takes at most if the epochs are not said, and how many epochs at least and at most.
const STEPS: u64 = 20_000;
const EPOCHS: (u64, u64) = (10, 300);

/// Some networks of an estimator, in the order of their numbers.
#[derive(Clone, Debug)]
pub(super) struct Networks<F: Scalar> {
    pub(super) members: Vec<Model<F>>,
    pub(super) kinds: Vec<MemberKind>,
    /// What each held out; empty if nobody asks.
    pub(super) held_out: Vec<HeldOut>,
}

/// What a network is, and the rows that it learns from and is judged on.
struct Assignment {
    kind: MemberKind,
    part: Fold,
}

impl Settings {
    /// The networks of these numbers, with these tasks, from this table; fewer, and what ended the fit, if a callback did.
    /// A network is the same whichever others are fitted with it.
    pub(super) fn fit_networks<F: Scalar>(
        &self,
        data: &Dataset<F>,
        wanted: &Wanted,
        range: Range<usize>,
    ) -> Result<(Networks<F>, Option<Stopped>)> {
        let assignments = self.assignments(data, &wanted.columns)?;
        let is_stacked = assignments.iter().any(|assignment| assignment.kind != assignments[0].kind);
        // Where targets are compared, their errors on held-out rows are the scale.
        let has_scales = wanted.targets.iter().any(Target::is_quantity) && self.calibrate.is_some();
        let holds_out = is_stacked || has_scales;
        let processors = || std::thread::available_parallelism().map_or(1, Into::into);
        let threads = self.threads.unwrap_or_else(processors);
        #[cfg(feature = "persist")]
        let kept = {
            let first = self.network(0, data, assignments[0].kind, wanted)?;
            Kept::open(self, data, &first, wanted.targets.len())?
        };
        let first = Arc::new(AtomicUsize::new(usize::MAX));
        let around_all = around_several(&self.callbacks);
        let fitted = run_jobs(range.len(), threads, |job| {
            let m = range.start + job;
            let after = AfterEnd::new(m, &first);
            if after.is_so() {
                return Ok(None);
            }
            let fit = || self.fit_member(m, data, &assignments[m], wanted, holds_out, after);
            #[cfg(feature = "persist")]
            let fitted = match &kept {
                None => fit(),
                Some(kept) => match kept.read(m) {
                    Ok(Some(before)) => Ok(before),
                    Ok(None) => fit().and_then(|fitted| kept.write(m, &fitted).map(|()| fitted)),
                    Err(error) => Err(error),
                },
            };
            #[cfg(not(feature = "persist"))]
            let fitted = fit();
            if !matches!(fitted, Ok(FittedNetwork { ended_by: None, .. })) {
                first.fetch_min(m, Ordering::Relaxed);
            }
            Ok(Some(fitted))
        })?;
        drop(around_all);
        let kinds = assignments[range.clone()].iter().map(|assignment| assignment.kind);
        let (mut members, mut held_out, mut stopped) = (Vec::with_capacity(fitted.len()), Vec::new(), None);
        // What comes after the first that was ended, or failed, depends on the number of threads.
        for fitted in fitted.into_iter().flatten() {
            let FittedNetwork { model, ended_by, held_out: of_member } = fitted?;
            let is_ended = ended_by.is_some();
            if let Some(by) = ended_by {
                stopped = Some(Stopped { by, n_complete: members.len(), wanted: range.len() });
            }
            if is_ended && !members.is_empty() {
                break;
            }
            members.push(model);
            held_out.push(of_member);
            if is_ended {
                break;
            }
        }
        let kinds = kinds.take(members.len()).collect();
        if !holds_out {
            held_out.clear();
        }
        Ok((Networks { members, kinds, held_out }, stopped))
    }

    /// What each network is. Cuts of the rows into folds are dealt to the kinds in turn; kinds whose first cut has not enough
    /// networks are left out.
    fn assignments<F: Scalar>(&self, data: &Dataset<F>, columns: &[usize]) -> Result<Vec<Assignment>> {
        let units = match data.groups() {
            None => data.n_rows(),
            Some(groups) => groups.iter().collect::<std::collections::HashSet<_>>().len(),
        };
        if units < 2 {
            let expected = "at least 2 rows, or groups of rows: some to learn from, some to stop early on";
            return Err(Error::new(ErrorKind::Shape, "table of an estimator", expected, units));
        }
        let folds = self.folds.min(units);
        let mut kinds = self.kinds_for(data.n_features());
        let mut cuts = vec![cut(data, columns, folds, self.seed)?];
        kinds.truncate((self.n_members() / cuts[0].len()).max(1));
        let mut assignments = Vec::with_capacity(self.n_members() + folds);
        for turn in 0.. {
            if assignments.len() >= self.n_members() {
                break;
            }
            let (number, kind) = (turn / kinds.len(), kinds[turn % kinds.len()]);
            if number == cuts.len() {
                cuts.push(cut(data, columns, folds, self.seed.wrapping_add(number as u64))?);
            }
            assignments.extend(cuts[number].iter().map(|part| Assignment { kind, part: part.clone() }));
        }
        assignments.truncate(self.n_members());
        Ok(assignments)
    }

    /// What everything random in a network follows from.
    fn seed_of(&self, member: usize) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(member as u64)
    }

    /// A network that is yet to be trained.
    fn network<F: Scalar>(
        &self,
        member: usize,
        data: &Dataset<F>,
        kind: MemberKind,
        wanted: &Wanted,
    ) -> Result<Model<F>> {
        let builder = Model::builder(data.n_features()).sharing(self.sharing_of(kind)).standardize();
        let builder = wanted.tasks.iter().cloned().fold(builder, ModelBuilder::task);
        builder.seed(self.seed_of(member)).build()
    }

    fn fit_member<F: Scalar>(
        &self,
        member: usize,
        data: &Dataset<F>,
        Assignment { kind, part }: &Assignment,
        wanted: &Wanted,
        holds_out: bool,
        after: AfterEnd,
    ) -> Result<FittedNetwork<F>> {
        let (mut learnt, held_out) = (data.select(&part.train), data.select(&part.test));
        // All labels of a rare target may be in the part that is held out: better seen twice than never.
        let is_held_out = wanted.columns.iter().all(|&column| has_label(data, column, &part.train));
        if !is_held_out {
            learnt = data.select(&(0..data.n_rows()).collect::<Vec<_>>());
        }
        let mut model = self.network(member, data, *kind, wanted)?;

        let batch_size = self.batch_size_for(data.n_rows());
        let per_epoch = learnt.n_rows().div_ceil(batch_size) as u64;
        let epochs = self.epochs.unwrap_or((STEPS / per_epoch).clamp(EPOCHS.0, EPOCHS.1));
        let patience = self.patience.unwrap_or((epochs / 3).max(1));
        let mut trainer = Trainer::new(self.rule_of(*kind))
            .schedule(Schedule::cosine(epochs.saturating_mul(per_epoch), 0.0))
            .batch_size(batch_size)
            .epochs(epochs)
            .seed(self.seed_of(member))
            .threads(1)
            .callback(EarlyStopping::new().patience(patience))
            .callback(after);
        for callback in &self.callbacks {
            trainer = trainer.callback(Hidden(callback.clone()));
        }
        let history = trainer.fit_validated(&mut model, &learnt, &held_out)?;
        let ended_by = history.stopped_by().filter(|by| *by != EARLY_STOPPING).map(str::to_owned);
        let rows = if holds_out && is_held_out { &part.test[..] } else { &[] };
        let held_out = HeldOut::of(&model, data, &wanted.targets, rows)?;
        Ok(FittedNetwork { model, ended_by, held_out })
    }
}

/// The parts of the rows in a cut into folds: those in which the most targets have labels to judge by.
fn cut<F: Scalar>(data: &Dataset<F>, columns: &[usize], folds: usize, seed: u64) -> Result<Vec<Fold>> {
    let cut = data.fold_rows(folds, seed)?;
    let labelled = |fold: &Fold| columns.iter().filter(|&&k| has_label(data, k, &fold.test)).count();
    let most = cut.iter().map(labelled).max();
    Ok(cut.into_iter().filter(|fold| Some(labelled(fold)) == most).collect())
}

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// The mean of what the networks predict, weighted by kind and target if the kinds have weights, within the ranges of the
    /// labels: a matrix for each target, `rows × its width`.
    pub(super) fn predicted(&self, x: ArrayView2<'_, F>) -> Result<Vec<Array2<F>>> {
        let mut predicted = self.mixed(x)?;
        let quantities = predicted.iter_mut().zip(&self.targets).filter(|(_, target)| target.is_quantity());
        for ((predicted, _), &(low, high)) in quantities.zip(self.ranges.iter().flatten()) {
            predicted.mapv_inplace(|y| F::from_f64(y.to_f64().clamp(low, high)));
        }
        Ok(predicted)
    }

    /// [`predicted`](Self::predicted) with the targets of a task side by side: a matrix for each task.
    pub(super) fn by_task(&self, x: ArrayView2<'_, F>) -> Result<Vec<Array2<F>>> {
        let of_targets = self.predicted(x)?;
        let of_task = |k: usize| {
            let own = self.targets.iter().zip(&of_targets).filter(|(target, _)| target.task == k);
            let parts: Vec<_> = own.map(|(_, predicted)| predicted.view()).collect();
            concatenate(Axis(1), &parts).expect("as many rows for each target")
        };
        Ok((0..self.members[0].tasks().len()).map(of_task).collect())
    }

    /// [`by_task`](Self::by_task) for the features of a table, found by name.
    pub(crate) fn predicted_tasks(&self, data: &Dataset<F>) -> Result<Vec<Array2<F>>> {
        self.by_task(self.features_of(data)?.view())
    }

    fn mixed(&self, x: ArrayView2<'_, F>) -> Result<Vec<Array2<F>>> {
        let Some(stack) = &self.stack else {
            return mean_predictions(self.members.iter(), x, &self.targets);
        };
        let mut mixed: Vec<Array2<F>> = Vec::new();
        for (weighed, target) in stack.targets.iter().zip(&self.targets) {
            let shape = (x.nrows(), target.width());
            mixed.push(Array2::from_elem(shape, F::from_f64(weighed.part_of_mean())));
        }
        for (j, kind) in stack.kinds.iter().enumerate() {
            // What is not finite has no weight, and 0 times it is no number.
            // (The first kind is asked all the same, so that what is wrong with x is an error.)
            if j > 0 && stack.targets.iter().all(|target| target.weights[j] == 0.0) {
                continue;
            }
            let of_kind = self.members.iter().zip(&self.kinds).filter(|&(_, other)| other == kind);
            let means = mean_predictions(of_kind.map(|(member, _)| member), x, &self.targets)?;
            for ((mixed, mean), target) in mixed.iter_mut().zip(&means).zip(&stack.targets) {
                if target.weights[j] > 0.0 {
                    let weight = F::from_f64(target.weights[j]);
                    mixed.zip_mut_with(mean, |mixed, &y| *mixed += weight * y);
                }
            }
        }
        Ok(mixed)
    }
}

/// The mean of what some members, at least one, predict for each target.
fn mean_predictions<'a, F: Scalar>(
    members: impl Iterator<Item = &'a Model<F>>,
    x: ArrayView2<'_, F>,
    targets: &[Target],
) -> Result<Vec<Array2<F>>> {
    let (mut sums, mut n): (Vec<Array2<F>>, f64) = (Vec::new(), 0.0);
    for member in members {
        n += 1.0;
        let predictions = member.predict(x)?.into_values();
        let of_targets = targets.iter().map(|target| target.of_task(&predictions[target.task]));
        if sums.is_empty() {
            sums = of_targets.map(|of_target| of_target.to_owned()).collect();
            continue;
        }
        for (sum, of_target) in sums.iter_mut().zip(of_targets) {
            sum.zip_mut_with(&of_target, |sum, &y| *sum += y);
        }
    }
    let n = F::from_f64(n);
    sums.iter_mut().for_each(|sum| sum.mapv_inplace(|y| y / n));
    Ok(sums)
}
