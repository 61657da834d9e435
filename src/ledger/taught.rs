//! What rows taught: products of gradients, added up over a training.

use std::fmt;

use ndarray::{Array2, ArrayView2, Axis};

use super::RowGradients;
use crate::data::Dataset;
use crate::report::{cut, number};
use crate::train::History;
use crate::{Error, ErrorKind, Model, Result, Scalar, Trainer};

/// How many rows are printed as those that taught the most, and as those that did the most harm.
const PRINTED: usize = 3;

/// What each row learnt from taught each row judged, for every pair of tasks, over a training:
///
/// ```text
/// taught(i, k → j, l) = Σ over checkpoints of rate · ⟨gᵢₖ, gⱼₗ⟩
/// ```
/// Above 0, learning row i's label of task k lowered the loss of row j in task l; below 0, it raised it. One checkpoint stands
/// for the steps up to the next one, and plain gradient descent for whatever optimiser there is: the sign and the order of the
/// numbers are of use, their size is not that of a change of loss. G. Pruthi et al., NeurIPS 2020, equation 3.
///
/// ```
/// use polytask::ledger::Ledger;
/// use polytask::prelude::*;
///
/// // Two tasks that are the same but for the noise.
/// let (train, judged) = datasets::related_tasks::<f64>(150, 4, 2, 1.0, 0.1, 1).split(0.8, 1)?;
/// let builder = Model::builder(4).trunk([Layer::dense(16, Activation::Tanh)]).standardize();
/// let mut model = builder.task(Task::regression("task0")).task(Task::regression("task1")).build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.01)).epochs(10);
/// let (ledger, _) = Ledger::measure(&trainer, &mut model, &train, &train, &judged, 12)?; // at every twelfth step
/// println!("{ledger}");
/// assert_eq!(ledger.taught(0, 1).dim(), (train.n_rows(), judged.n_rows()));
/// assert!(ledger.between_tasks().iter().all(|&taught| taught > 0.0)); // each taught the other as well
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    tasks: Vec<String>,
    /// For each pair of tasks, the one learnt and then the one judged: `learnt rows × judged rows`.
    taught: Vec<Array2<f64>>,
    n_checkpoints: u64,
}

impl Ledger {
    /// The ledger of one checkpoint, at which the training had this learning rate; `learnt` and `judged` are of the same θ.
    ///
    /// # Panics
    /// If the two are of networks of different shapes.
    #[track_caller]
    pub fn new(rate: f64, learnt: &RowGradients, judged: &RowGradients) -> Self {
        let n = learnt.tasks().len();
        let of_pair = |pair: usize| rate * learnt.products(pair / n, judged, pair % n);
        Self { tasks: learnt.tasks().to_vec(), taught: (0..n * n).map(of_pair).collect(), n_checkpoints: 1 }
    }

    /// Adds a checkpoint.
    ///
    /// ```
    /// use polytask::ledger::{Ledger, RowGradients};
    /// use polytask::prelude::*;
    ///
    /// let (train, judged) = datasets::robot_arm::<f64>(80, 0.05, 1).split(0.8, 1)?;
    /// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]).task(Task::regression("elbow"));
    /// let mut model = builder.build::<f64>()?;
    /// let rows = |model: &Model<f64>| Ok::<_, polytask::Error>((RowGradients::of(model, &train)?, RowGradients::of(model, &judged)?));
    /// let (learnt, of_judged) = rows(&model)?;
    /// let mut ledger = Ledger::new(0.01, &learnt, &of_judged);
    /// Trainer::new(Sgd::new(0.01)).epochs(5).fit(&mut model, &train)?;
    /// let (learnt, of_judged) = rows(&model)?;
    /// ledger.add(0.01, &learnt, &of_judged);
    /// assert_eq!((ledger.n_checkpoints(), ledger.tasks().len()), (2, 1));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tasks or the rows are others than those before.
    #[track_caller]
    pub fn add(&mut self, rate: f64, learnt: &RowGradients, judged: &RowGradients) {
        let more = Self::new(rate, learnt, judged);
        assert_eq!(self.tasks, more.tasks, "tasks of a ledger, and of a checkpoint that is added to it");
        for (sum, more) in self.taught.iter_mut().zip(&more.taught) {
            assert_eq!(sum.dim(), more.dim(), "rows learnt × rows judged, before and at this checkpoint");
            *sum += more;
        }
        self.n_checkpoints += 1;
    }

    /// Trains the model as [`Trainer::fit`] does, to the same bits, and adds a checkpoint before the first step and every
    /// `every` steps after it. `learnt` are rows of `data`, or all of them, and `judged` rows held out: time and memory grow with
    /// the product of their numbers.
    ///
    /// # Errors
    /// As [`Trainer::fit`] and [`RowGradients::of`]; [`ErrorKind::Setting`] if `every` is 0, or the trainer has callbacks or
    /// checkpoints: then train in a loop of your own, and [add](Self::add).
    pub fn measure<F: Scalar>(
        trainer: &Trainer,
        model: &mut Model<F>,
        data: &Dataset<F>,
        learnt: &Dataset<F>,
        judged: &Dataset<F>,
        every: u64,
    ) -> Result<(Self, History)> {
        if every == 0 {
            let place = "ledger, steps between checkpoints";
            return Err(Error::new(ErrorKind::Setting, place, "at least 1", 0));
        }
        let mut run = trainer.start_bare(model, data, "ledger")?;
        let mut workspace = run.workspace(model, None);
        let mut ledger: Option<Self> = None;
        while !run.is_finished() {
            if run.history().n_steps() % every == 0 {
                let (learnt, judged) = (RowGradients::of(model, learnt)?, RowGradients::of(model, judged)?);
                let rate = run.optimizer().learning_rate();
                match &mut ledger {
                    None => ledger = Some(Self::new(rate, &learnt, &judged)),
                    Some(ledger) => ledger.add(rate, &learnt, &judged),
                }
            }
            run.step(model, data, &mut workspace)?;
        }
        let history = run.finish(model)?;
        let nothing = || Error::new(ErrorKind::Setting, "ledger, steps of the training", "at least 1", 0);
        Ok((ledger.ok_or_else(nothing)?, history))
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// How many checkpoints were added up.
    pub fn n_checkpoints(&self) -> u64 {
        self.n_checkpoints
    }

    /// What each row's label of task `from` taught each judged row in task `to`, `rows × judged rows`; NaN where one of the two
    /// labels is missing.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn taught(&self, from: usize, to: usize) -> ArrayView2<'_, f64> {
        let n = self.tasks.len();
        assert!(from < n && to < n, "tasks {from} and {to} of {n}");
        self.taught[from * n + to].view()
    }

    /// What each row's label of task `from` taught task `to`, as the mean over the judged rows with labels; NaN where there is
    /// none.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn by_row(&self, from: usize, to: usize) -> Vec<f64> {
        self.taught(from, to).map_axis(Axis(1), |row| mean(row.iter().copied())).to_vec()
    }

    /// What a label of the task of the row taught the task of the column: means over all pairs of rows with labels; NaN where
    /// there is none.
    pub fn between_tasks(&self) -> Array2<f64> {
        let n = self.tasks.len();
        Array2::from_shape_fn((n, n), |(from, to)| mean(self.taught(from, to).iter().copied()))
    }

    /// The rows whose labels of task `from` taught task `to` the most, in falling order: all with labels, so that the last ones
    /// did the most harm.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn ranked(&self, from: usize, to: usize) -> Vec<(usize, f64)> {
        in_falling_order(self.by_row(from, to))
    }
}

impl Ledger {
    /// The first rows of [`ranked`](Self::ranked), and the last ones from the end: `n` each, or as many as there are.
    pub(crate) fn extremes(&self, from: usize, to: usize, n: usize) -> [Vec<(usize, f64)>; 2] {
        let ranked = self.ranked(from, to);
        let least = ranked.iter().rev().take(n).copied().collect();
        [ranked.into_iter().take(n).collect(), least]
    }
}

/// The numbers that are not NaN with their places, the largest first.
pub(super) fn in_falling_order(values: Vec<f64>) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> =
        values.into_iter().enumerate().filter(|(_, value)| !value.is_nan()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

/// The mean of the numbers that are not NaN; NaN if there are none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) =
        values.filter(|value| !value.is_nan()).fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    if n > 0 { sum / f64::from(n) } else { f64::NAN }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = self.between_tasks();
        writeln!(
            f,
            "what a label of the row's task taught the column's, over {} checkpoints",
            self.n_checkpoints
        )?;
        let names: Vec<String> = self.tasks.iter().map(|name| cut(name, 16)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(10);
        write!(f, "{:width$}", "")?;
        names.iter().try_for_each(|name| write!(f, "  {name:>width$}"))?;
        for (name, row) in names.iter().zip(between.rows()) {
            write!(f, "\n{name:width$}")?;
            row.iter().try_for_each(|&taught| write!(f, "  {:>width$}", number(taught)))?;
        }
        for (k, name) in names.iter().enumerate() {
            let [most, least] = self.extremes(k, k, PRINTED);
            let rows = |rows: &[(usize, f64)]| -> String {
                let words: Vec<String> =
                    rows.iter().map(|&(row, taught)| format!("{row} ({})", number(taught))).collect();
                words.join(", ")
            };
            write!(f, "\n{name}: rows that taught the most {}; the least {}", rows(&most), rows(&least))?;
        }
        Ok(())
    }
}
