//! What happened during a training.

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use crate::balance::diagnostics::{Diagnostics, diagnose};
use crate::report::weighted_total;

#[cfg(feature = "persist")]
use crate::persist::{Reader, Writer};
#[cfg(feature = "persist")]
use crate::{Error, ErrorKind, Result};

/// The losses and weights of every step, and the losses of every validation.
///
/// A training of more than 10 000 steps keeps the mean of several steps at a time, so that at most 10 000
/// records are kept.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let history = Trainer::new(Adam::new(0.01)).batch_size(25).epochs(3).fit_validated(&mut model, &data, &data)?;
/// assert_eq!((history.n_steps(), history.tasks()), (6, &["shoulder".to_owned(), "elbow".to_owned()][..]));
/// assert_eq!(history.losses().dim(), (6, 2)); // a row per step, before its update
/// let last = history.validations().last().expect("one after each epoch");
/// assert_eq!(last.step, 6);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    tasks: Vec<String>,
    /// How many steps a record is the mean of.
    interval: u64,
    n_steps: u64,
    /// `records × tasks`; the last record may be of fewer steps. NaN where no step of the record had a label.
    losses: Vec<f64>,
    /// For each task, how many steps of the last record had a label.
    labelled: Vec<u64>,
    /// Laid out like `losses`.
    weights: Vec<f64>,
    /// One for each record, where the model has a penalty.
    penalty: Option<Vec<f64>>,
    gradients: Option<Gradients>,
    validations: Vec<Validation>,
    stopped_by: Option<String>,
    restored_step: Option<u64>,
}

/// What the Gramians showed, for methods that ask for them.
#[derive(Clone, Debug, PartialEq)]
struct Gradients {
    /// How many steps of the last record had a Gramian.
    known: u64,
    /// `records × tasks`.
    norms: Vec<f64>,
    /// `records × pairs`.
    cosines: Vec<f64>,
}

/// The losses on the validation data after an epoch.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Validation;
///
/// let (train, held_out) = datasets::robot_arm::<f64>(100, 0.05, 1).split(0.8, 1)?;
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.1)).batch_size(20).epochs(9);
/// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
/// let total = |validation: &Validation| validation.total.expect("there are labels");
/// let best = history.validations().iter().min_by(|a, b| total(a).total_cmp(&total(b))).expect("nine of them");
/// assert!(best.step % 4 == 0 && best.total < history.validations()[0].total);
/// assert_eq!(best.losses, [best.total]);                               // one task, of weight 1
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Validation {
    /// How many steps had been taken.
    pub step: u64,
    /// The unweighted loss of each task. `None` where there is none: the task has no loss, or no label with a weight
    /// above 0 in the validation data. `Some(NaN)` where it is not a number, as when outputs overflow.
    pub losses: Vec<Option<f64>>,
    /// `Σ wₖ Lₖ` with the tasks' own weights, over the tasks of a weight above 0 that have a loss here; `None` if
    /// there is no such task, and NaN if one of these losses is.
    pub total: Option<f64>,
}

impl Validation {
    /// The validation after `step` steps, with the total of its losses.
    pub(super) fn new(step: u64, losses: Vec<Option<f64>>, own_weights: &[f64]) -> Self {
        let total = weighted_total(losses.iter().copied().zip(own_weights.iter().copied()));
        Self { step, losses, total }
    }
}

/// The most records that are kept.
const RECORDS: u64 = 10_000;
/// The most cosines that are kept, 128 MB of them: with more than 58 tasks the records become fewer.
const COSINES: u64 = 1 << 24;

impl History {
    /// A history with room for the records of `n_steps` steps, so that recording allocates nothing.
    pub(super) fn new(
        tasks: Vec<String>,
        planned_steps: u64,
        with_gradients: bool,
        with_penalty: bool,
    ) -> Self {
        let k = tasks.len();
        let pairs = k * k.saturating_sub(1) / 2;
        let most = if with_gradients { (COSINES / pairs.max(1) as u64).clamp(1, RECORDS) } else { RECORDS };
        let interval = planned_steps.div_ceil(most).max(1);
        let records = planned_steps.div_ceil(interval) as usize;
        let room = |columns: usize| Vec::with_capacity(records * columns);
        let gradients = with_gradients.then(|| Gradients { known: 0, norms: room(k), cosines: room(pairs) });
        let penalty = with_penalty.then(|| room(1));
        let (losses, weights, labelled, validations) = (room(k), room(k), vec![0; k], Vec::new());
        let (stopped_by, restored_step) = (None, None);
        Self {
            tasks,
            interval,
            n_steps: 0,
            losses,
            labelled,
            weights,
            penalty,
            gradients,
            validations,
            stopped_by,
            restored_step,
        }
    }

    /// Takes note of a step; the loss of a task without a label is NaN.
    pub(super) fn record(
        &mut self,
        losses: &[f64],
        weights: &[f64],
        penalty: Option<f64>,
        gramian: Option<ArrayView2<'_, f64>>,
    ) {
        let before = self.n_steps % self.interval;
        self.n_steps += 1;
        if before == 0 {
            self.labelled.fill(0);
            self.losses.extend(losses.iter().map(|_| f64::NAN));
            self.weights.extend(weights.iter().map(|_| f64::NAN));
        }
        let last = self.losses.len() - losses.len();
        for ((mean, n), &loss) in self.losses[last..].iter_mut().zip(&mut self.labelled).zip(losses) {
            if !loss.is_nan() {
                take_into(mean, *n, loss);
                *n += 1;
            }
        }
        self.weights[last..]
            .iter_mut()
            .zip(weights)
            .for_each(|(mean, &weight)| take_into(mean, before, weight));
        if let Some(means) = &mut self.penalty {
            if before == 0 {
                means.push(f64::NAN);
            }
            let mean = means.last_mut().expect("the record's");
            take_into(mean, before, penalty.expect("a model with a penalty has one at every step"));
        }
        if let Some(gradients) = &mut self.gradients {
            gradients.record(before == 0, losses.len(), gramian);
        }
    }

    pub(super) fn validate(&mut self, losses: Vec<Option<f64>>, own_weights: &[f64]) {
        self.validations.push(Validation::new(self.n_steps, losses, own_weights));
    }

    pub(super) fn stop(&mut self, callback: &str) {
        self.stopped_by.get_or_insert_with(|| callback.to_owned());
    }

    /// What has ended the training on all ranks, whatever else would have ended it on this one.
    pub(super) fn stop_as_others(&mut self, callback: String) {
        self.stopped_by = Some(callback);
    }

    pub(super) fn restore(&mut self, step: u64) {
        self.restored_step = Some(step);
    }

    /// The names of the tasks, in the order of the columns of [`losses`](Self::losses).
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// How many steps were taken.
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// How many steps a record is the mean of: 1 for trainings of up to 10 000 steps. With a method that compares the
    /// gradients of more than 58 tasks, more: 2²⁴ cosines are kept at most.
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// The unweighted losses of the batches, `records × tasks`, each before its step's update. NaN where no batch of
    /// the record had a label for the task, and nowhere else: a loss that is not a number ends the training.
    pub fn losses(&self) -> ArrayView2<'_, f64> {
        let k = self.tasks.len();
        ArrayView2::from_shape((self.losses.len() / k, k), &self.losses).expect("one number per task")
    }

    /// The weights of the tasks, `records × tasks`: of each task's gradient in that of the shared parameters, or,
    /// for a method that chooses a direction instead, of the gradient of what belongs to the task alone.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).task(Task::regression("shoulder"));
    /// let builder = builder.task(Task::regression("elbow").weight(0.5));
    /// let history = Trainer::new(Adam::new(0.01)).steps(3).fit(&mut builder.build::<f64>()?, &data)?;
    /// assert_eq!(history.weights(), ndarray::array![[1.0, 0.5], [1.0, 0.5], [1.0, 0.5]]);
    /// assert_eq!(history.interval(), 1); // so a row is one step
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn weights(&self) -> ArrayView2<'_, f64> {
        let k = self.tasks.len();
        ArrayView2::from_shape((self.weights.len() / k, k), &self.weights).expect("one number per task")
    }

    /// The [penalty](crate::Model::penalty) of the model, one for each record, before its step's update; `None` where the
    /// model has none. It is no part of [`losses`](Self::losses).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let tied = builder.clone().sharing(Sharing::soft(0.5, [Layer::dense(4, Activation::Tanh)]));
    /// let trainer = Trainer::new(Sgd::new(0.1)).steps(50);
    /// let history = trainer.fit(&mut tied.build::<f64>()?, &data)?;
    /// let tie = history.penalty().expect("that of soft sharing");
    /// assert!(tie.len() == 50 && tie[49] < tie[0]);
    /// assert!(trainer.fit(&mut builder.build::<f64>()?, &data)?.penalty().is_none());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn penalty(&self) -> Option<ArrayView1<'_, f64>> {
        self.penalty.as_deref().map(ArrayView1::from)
    }

    /// The lengths of the gradients of the unweighted losses, ‖∇ₖ‖, `records × tasks`, for a method that asks for
    /// the Gramian; over the shared parameters, or whatever the [balance is over](crate::GramianScope). NaN
    /// in records without a step in which it was asked for; 0 for a task without a label.
    ///
    /// ```
    /// use polytask::balance::{Balance, UpGrad};
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Relu)]);
    /// let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let trainer = Trainer::new(Adam::new(0.01)).steps(2);
    /// assert!(trainer.fit(&mut builder.build::<f64>()?, &data)?.gradient_norms().is_none());
    /// let history = trainer.balance(UpGrad::new().every(2)).fit(&mut builder.build::<f64>()?, &data)?;
    /// let norms = history.gradient_norms().expect("UPGrad asks for the Gramian");
    /// assert!(norms.row(0).iter().all(|norm| *norm > 0.0) && norms.row(1).iter().all(|norm| norm.is_nan()));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn gradient_norms(&self) -> Option<ArrayView2<'_, f64>> {
        let k = self.tasks.len();
        let norms = &self.gradients.as_ref()?.norms;
        Some(ArrayView2::from_shape((norms.len() / k, k), norms).expect("one number per task"))
    }

    /// The cosine of the angle between the gradients of two tasks, one per record, where there are
    /// [`gradient_norms`](Self::gradient_norms); 0 with a zero gradient.
    ///
    /// # Panics
    /// If the tasks are the same, or there is no such task.
    #[track_caller]
    pub fn cosines(&self, task: usize, other: usize) -> Option<ArrayView1<'_, f64>> {
        let k = self.tasks.len();
        let (low, high) = (task.min(other), task.max(other));
        assert!(low < high && high < k, "tasks {task} and {other}, two of {k}");
        Some(self.cosines_of_pairs()?.slice_move(s![.., pair(low, high)]))
    }

    /// `records × pairs`, the pairs in the order (0, 1), (0, 2), (1, 2), (0, 3), …
    pub(super) fn cosines_of_pairs(&self) -> Option<ArrayView2<'_, f64>> {
        let k = self.tasks.len();
        let (pairs, cosines) = (k * (k - 1) / 2, &self.gradients.as_ref()?.cosines);
        Some(ArrayView2::from_shape((self.losses.len() / k, pairs), cosines).expect("one number per pair"))
    }

    /// The geometry of the tasks' gradients in a record, where there are
    /// [`gradient_norms`](Self::gradient_norms): their lengths and cosines, and what follows from these, such as the
    /// share of the pairs in conflict and the condition number. `None` for a record without a step in which the
    /// Gramian was asked for.
    ///
    /// ```
    /// use polytask::balance::{Balance, UpGrad};
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::related_tasks::<f64>(200, 10, 3, 0.0, 0.01, 42);
    /// let mut model = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// for name in ["task0", "task1", "task2"] {
    ///     model = model.task(Task::regression(name));
    /// }
    /// let trainer = Trainer::new(Adam::new(0.01)).steps(10).balance(UpGrad::new().every(2));
    /// let history = trainer.fit(&mut model.build::<f64>()?, &data)?;
    /// let first = history.diagnostics(0).expect("UPGrad asks for the Gramian");
    /// assert!(first.condition >= 1.0 && first.conflicting <= 1.0);
    /// assert!((first.cosines[[2, 1]] - history.cosines(1, 2).unwrap()[0]).abs() < 1e-12);
    /// assert!(history.diagnostics(1).is_none());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such record.
    #[track_caller]
    pub fn diagnostics(&self, record: usize) -> Option<Diagnostics> {
        let k = self.tasks.len();
        let gradients = self.gradients.as_ref()?;
        let records = gradients.norms.len() / k;
        assert!(record < records, "record {record} of {records}");
        let norms = &gradients.norms[record * k..][..k];
        if norms.iter().any(|norm| norm.is_nan()) {
            return None;
        }
        // Relative to the longest, so that no square overflows.
        let longest = norms.iter().copied().fold(0.0, f64::max);
        let unit = if longest > 0.0 { longest } else { 1.0 };
        let cosines = &gradients.cosines[record * (k * (k - 1) / 2)..];
        let gramian = Array2::from_shape_fn((k, k), |(i, j)| {
            let cosine = if i == j { 1.0 } else { cosines[pair(i.min(j), i.max(j))] };
            norms[i] / unit * (norms[j] / unit) * cosine
        });
        let mut diagnostics = diagnose(gramian.view());
        diagnostics.norms.copy_from_slice(norms);
        Some(diagnostics)
    }

    /// The validations, in order; empty if there was no validation data.
    pub fn validations(&self) -> &[Validation] {
        &self.validations
    }

    /// The name of the callback that ended the training before its last step, if one did.
    pub fn stopped_by(&self) -> Option<&str> {
        self.stopped_by.as_deref()
    }

    /// After how many steps the model had the θ that it was given back at the end, if a callback asked for that.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Validation;
    /// use polytask::train::callback::EarlyStopping;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f64>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let trainer = Trainer::new(Adam::new(0.1)).epochs(500).callback(EarlyStopping::new().patience(3));
    /// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
    /// let total = |validation: &Validation| validation.total.expect("there are labels");
    /// let best = history.validations().iter().min_by(|a, b| total(a).total_cmp(&total(b)));
    /// assert_eq!(history.stopped_by(), Some("early_stopping"));
    /// assert_eq!(history.restored_step(), best.map(|validation| validation.step));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn restored_step(&self) -> Option<u64> {
        self.restored_step
    }
}

impl Gradients {
    fn record(&mut self, is_new: bool, k: usize, gramian: Option<ArrayView2<'_, f64>>) {
        if is_new {
            self.known = 0;
            self.norms.extend(std::iter::repeat_n(f64::NAN, k));
            self.cosines.extend(std::iter::repeat_n(f64::NAN, k * (k - 1) / 2));
        }
        let Some(g) = gramian else { return };
        let (at, pairs_at) = (self.norms.len() - k, self.cosines.len() - k * (k - 1) / 2);
        let mean = |mean: &mut f64, value: f64| take_into(mean, self.known, value);
        for high in 0..k {
            mean(&mut self.norms[at + high], g[[high, high]].max(0.0).sqrt());
            for low in 0..high {
                let norms = g[[low, low]].max(0.0).sqrt() * g[[high, high]].max(0.0).sqrt();
                let cosine = if norms > 0.0 { (g[[low, high]] / norms).clamp(-1.0, 1.0) } else { 0.0 };
                mean(&mut self.cosines[pairs_at + pair(low, high)], cosine);
            }
        }
        self.known += 1;
    }
}

#[cfg(feature = "persist")]
impl History {
    pub(super) fn write(&self, writer: &mut Writer) -> Result<()> {
        let steps: Vec<u64> = self.validations.iter().map(|validation| validation.step).collect();
        let known = self.gradients.as_ref().map(|gradients| gradients.known);
        writer.section("history", &(self.interval, self.n_steps, steps, known))?;
        let validations: Vec<Option<f64>> =
            self.validations.iter().flat_map(|v| v.losses.iter().copied()).collect();
        let numbers: Vec<f64> = validations.iter().map(|loss| loss.unwrap_or(f64::NAN)).collect();
        let present: Vec<f64> = validations.iter().map(|loss| f64::from(u8::from(loss.is_some()))).collect();
        let labelled: Vec<f64> = self.labelled.iter().map(|&n| n as f64).collect();
        let mut list =
            |name: &str, list: &[f64]| writer.tensor(format!("run.history.{name}"), &[list.len()], list);
        list("losses", &self.losses)?;
        list("weights", &self.weights)?;
        list("labelled", &labelled)?;
        list("validations", &numbers)?;
        list("validated", &present)?;
        if let Some(penalty) = &self.penalty {
            list("penalty", penalty)?;
        }
        if let Some(gradients) = &self.gradients {
            list("norms", &gradients.norms)?;
            list("cosines", &gradients.cosines)?;
        }
        Ok(())
    }

    /// Takes the place of a history of as many tasks that has just begun.
    ///
    /// Files from before losses could be absent have no list of which are present: in them all are.
    pub(super) fn read(&mut self, reader: &Reader<'_>, own_weights: &[f64]) -> Result<()> {
        let (interval, n_steps, steps, known): (u64, u64, Vec<u64>, Option<u64>) =
            reader.section("history")?;
        let k = self.tasks.len();
        if interval == 0 || n_steps > MOST_STEPS || known.is_some() != self.gradients.is_some() {
            let found = format!("{n_steps} steps, {interval} in a record, Gramians of {known:?}");
            return Err(Error::new(ErrorKind::File, "history", "the history of such a training", found));
        }
        let records = n_steps.div_ceil(interval) as usize;
        let list = |name: &str, columns: usize, records: usize| -> Result<Vec<f64>> {
            reader.tensor(&format!("run.history.{name}"), &[records.saturating_mul(columns)])
        };
        let fill = |own: &mut Vec<f64>, list: Vec<f64>| {
            own.clear();
            own.extend(list);
        };
        let (losses, weights) = (list("losses", k, records)?, list("weights", k, records)?);
        let validations = list("validations", k, steps.len())?;
        let or_ones = |name: &str, records: usize| match reader.has(&format!("run.history.{name}")) {
            true => list(name, k, records),
            false => Ok(vec![1.0; records * k]),
        };
        let present = or_ones("validated", steps.len())?;
        let of_last = n_steps - records.saturating_sub(1) as u64 * interval;
        let labelled = match reader.has("run.history.labelled") {
            true => list("labelled", k, 1)?.iter().map(|&n| (n as u64).min(of_last)).collect(),
            false => vec![of_last; k],
        };
        if let Some(penalty) = &mut self.penalty {
            let kept = list("penalty", 1, records)?;
            fill(penalty, kept);
        }
        if let (Some(gradients), Some(known)) = (&mut self.gradients, known) {
            let (norms, cosines) = (list("norms", k, records)?, list("cosines", k * (k - 1) / 2, records)?);
            fill(&mut gradients.norms, norms);
            fill(&mut gradients.cosines, cosines);
            gradients.known = known.min(interval);
        }
        // The room that was taken for the planned steps is kept.
        fill(&mut self.losses, losses);
        fill(&mut self.weights, weights);
        (self.interval, self.n_steps, self.labelled) = (interval, n_steps, labelled);
        let losses: Vec<Option<f64>> = validations
            .iter()
            .zip(&present)
            .map(|(&loss, &is_there)| (is_there == 1.0).then_some(loss))
            .collect();
        let validation =
            |(step, losses): (u64, &[Option<f64>])| Validation::new(step, losses.to_vec(), own_weights);
        self.validations = steps.into_iter().zip(losses.chunks_exact(k)).map(validation).collect();
        Ok(())
    }
}

/// Counts up to here are exact in `f64`.
#[cfg(feature = "persist")]
const MOST_STEPS: u64 = 1 << 53;

/// The column of a pair of tasks, `low < high`: (0, 1), (0, 2), (1, 2), (0, 3), …
fn pair(low: usize, high: usize) -> usize {
    high * (high - 1) / 2 + low
}

/// Adds another value to a mean of `before` values.
fn take_into(mean: &mut f64, before: u64, value: f64) {
    *mean = if before == 0 { value } else { *mean + (value - *mean) / (before + 1) as f64 };
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn cosines_of_many_tasks_are_kept_in_few_records() {
        let names = |k: usize| (0..k).map(|k| k.to_string()).collect();
        let of = |k: usize| History::new(names(k), 10_000, true, false);
        assert_eq!((of(58).interval, of(59).interval), (1, 2));
        let thousand = of(1000);
        assert!(thousand.gradients.unwrap().cosines.capacity() <= 1 << 24 && thousand.interval == 304);
        assert_eq!(History::new(names(1000), 10_000, false, false).interval, 1);
    }

    #[test]
    fn a_record_is_the_mean_of_its_steps() {
        let mut history = History::new(vec!["a".into(), "b".into()], 3 * RECORDS, true, true);
        let gramian = array![[4.0, -3.0], [-3.0, 9.0]];
        for step in 0..7 {
            let known = [1, 2, 6].contains(&step).then(|| gramian.view());
            history.record(
                &[f64::from(step), 1.0],
                &[0.5, f64::from(step)],
                Some(2.0 * f64::from(step)),
                known,
            );
        }
        assert_eq!(history.interval(), 3);
        assert_eq!(history.losses(), array![[1.0, 1.0], [4.0, 1.0], [6.0, 1.0]]);
        assert_eq!(history.weights(), array![[0.5, 1.0], [0.5, 4.0], [0.5, 6.0]]);
        assert_eq!(history.penalty().unwrap(), array![2.0, 8.0, 12.0]);
        let told = history.diagnostics(2).unwrap();
        assert!(told.norms == [2.0, 3.0] && (told.cosines[[0, 1]] + 0.5).abs() < 1e-15);
        assert!(history.diagnostics(1).is_none());
        let (norms, cosines) = (history.gradient_norms().unwrap(), history.cosines(1, 0).unwrap());
        for record in [0, 2] {
            assert_eq!((norms[[record, 0]], norms[[record, 1]], cosines[record]), (2.0, 3.0, -0.5));
        }
        assert!(norms[[1, 0]].is_nan() && cosines[1].is_nan());
    }
}
