//! The settings for training.

use std::fmt;
#[cfg(feature = "persist")]
use std::path::PathBuf;
use std::sync::Arc;

use super::callback::Callback;
#[cfg(feature = "persist")]
use super::checkpoint::Checkpoints;
use crate::balance::{Aggregate, Balance};
use crate::kernel::MOST_THREADS;
use crate::optim::{ParameterGroups, Rule, Schedule};
use crate::ranks::Ranks;
use crate::{Error, ErrorKind, GramianScope, Result};

/// How to train a model: which optimiser, how many rows per step, how many steps, and more.
///
/// A trainer holds settings only, so it can be cloned and used for any number of models. Defaults: batches of
/// 32 rows, 1000 steps, all processors, and rows shuffled anew in every epoch, with the seed
/// [`seed`](Self::seed).
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(500, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f32>()?;
/// let before = model.evaluate(&data)?.total_loss();
/// let history = Trainer::new(Adam::new(0.01)).epochs(5).fit(&mut model, &data)?;
/// assert!(model.evaluate(&data)?.total_loss() < before);
/// assert_eq!(history.n_steps(), 5 * 16);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone)]
pub struct Trainer {
    pub(super) rule: Arc<dyn Rule>,
    pub(super) schedule: Option<Schedule>,
    pub(super) clip_norm: Option<f64>,
    pub(super) groups: ParameterGroups,
    pub(super) method: Method,
    pub(super) over: GramianScope,
    pub(super) batch_size: usize,
    pub(super) length: Length,
    pub(super) seed: u64,
    pub(super) shuffles: bool,
    pub(super) threads: Option<usize>,
    #[cfg(feature = "persist")]
    pub(super) checkpoints: Option<Checkpoints>,
    #[cfg(feature = "persist")]
    pub(super) resume_from: Option<PathBuf>,
    #[cfg(feature = "persist")]
    pub(super) allowed: Allowed,
    pub(super) accumulation: usize,
    pub(super) callbacks: Vec<Box<dyn Callback>>,
    /// The others that this training is shared with; `None` if there are none.
    pub(super) ranks: Option<Arc<dyn Ranks>>,
    /// Whether each of them has rows of its own.
    pub(super) is_sharded: bool,
}

/// In what a training may differ from the checkpoint that it resumes from.
#[cfg(feature = "persist")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) other_table: bool,
    pub(super) other_rates: bool,
}

/// How the tasks are weighted.
#[derive(Clone, Debug)]
pub(super) enum Method {
    /// By their own weights alone.
    Fixed,
    Balance(Box<dyn Balance>),
    Aggregate(Box<dyn Aggregate>),
}

/// When training ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Steps(u64),
    Epochs(u64),
}

impl Trainer {
    /// A trainer with this optimiser, such as `Adam::new(0.01)`, and defaults for everything else.
    pub fn new(rule: impl Rule + 'static) -> Self {
        Self {
            rule: Arc::new(rule),
            schedule: None,
            clip_norm: None,
            groups: ParameterGroups::new(),
            method: Method::Fixed,
            over: GramianScope::default(),
            batch_size: 32,
            length: Length::Steps(1000),
            seed: 0,
            shuffles: true,
            threads: None,
            #[cfg(feature = "persist")]
            checkpoints: None,
            #[cfg(feature = "persist")]
            resume_from: None,
            #[cfg(feature = "persist")]
            allowed: Allowed::default(),
            accumulation: 1,
            callbacks: Vec::new(),
            ranks: None,
            is_sharded: false,
        }
    }

    /// The number of rows in a batch, at least 1 (default: 32). If the data has fewer, a batch is all of them. Where a
    /// loss [compares rows](crate::loss::LossFunction::compares_rows), a batch has room for the largest group.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = rows;
        self
    }

    /// Trains for this number of steps (default: 1000). Replaces [`epochs`](Self::epochs).
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.length = Length::Steps(steps);
        self
    }

    /// Trains for this number of passes over the data. Replaces [`steps`](Self::steps).
    #[must_use]
    pub fn epochs(mut self, epochs: u64) -> Self {
        self.length = Length::Epochs(epochs);
        self
    }

    /// The seed for shuffling the rows, and for dropout (default: 0).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let fit = |trainer: Trainer| -> polytask::Result<Vec<f32>> {
    ///     let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    ///     trainer.batch_size(16).steps(4).fit(&mut model, &data)?;
    ///     Ok(model.parameters().to_vec())
    /// };
    /// let trainer = Trainer::new(Sgd::new(0.01));
    /// assert_eq!(fit(trainer.clone().seed(7))?, fit(trainer.clone().seed(7))?);
    /// assert_ne!(fit(trainer.clone().seed(7))?, fit(trainer.clone().seed(8))?);
    /// let in_order = trainer.in_order();                               // nothing is drawn
    /// assert_eq!(fit(in_order.clone().seed(7))?, fit(in_order.seed(8))?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Takes the rows in the order of the data instead of shuffling them: step s uses the rows from
    /// `batch size · s` on, starting over when the data ends.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.shuffles = false;
        self
    }

    /// How the learning rate changes from step to step (default: not at all).
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Clips the gradient: if its norm is larger than `max_norm` (above 0), scales it down to that norm. See
    /// [`global_norm`](crate::optim::global_norm).
    ///
    /// ```
    /// use polytask::optim::global_norm;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let trainer = Trainer::new(Sgd::new(0.5)).clip_norm(0.01).schedule(Schedule::steps(1, 0.5));
    /// let (mut run, before) = (trainer.start(&model, &data)?, model.parameters().to_vec());
    /// let mut workspace = run.workspace(&model, None);
    /// run.step(&mut model, &data, &mut workspace)?;
    /// let step: Vec<f64> = model.parameters().iter().zip(&before).map(|(new, old)| new - old).collect();
    /// assert!((global_norm(&step) - 0.5 * 0.01).abs() < 1e-12); // learning rate × largest norm
    /// assert_eq!(run.optimizer().learning_rate(), 0.25);               // of the next step: the schedule has halved it
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.clip_norm = Some(max_norm);
        self
    }

    /// Gives some blocks of θ a rate and a decay of their own (default: none). There is an example at
    /// [`ParameterGroups`].
    #[must_use]
    pub fn parameter_groups(mut self, groups: ParameterGroups) -> Self {
        self.groups = groups;
        self
    }

    /// Lets a [balancing method](crate::balance) choose the weights of the tasks' losses in every step. By
    /// default they are the tasks' own weights ([`Task::weight`](crate::Task::weight)) throughout.
    ///
    /// Own weights wₖ work together with any method: it balances the losses `wₖ Lₖ` instead of `Lₖ`
    /// ([`Balancer::scale_losses`](crate::balance::Balancer::scale_losses)). Each run starts with a fresh copy
    /// of the method.
    ///
    /// ```
    /// use polytask::balance::UpGrad;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(500, 0.05, 1);
    /// let mut model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow").weight(0.5))
    ///     .build::<f32>()?;
    /// let history = Trainer::new(Adam::new(0.01)).balance(UpGrad::new()).steps(50).fit(&mut model, &data)?;
    /// assert_eq!(history.weights().dim(), (50, 2));
    /// let cosines = history.cosines(0, 1).expect("UPGrad asks for the Gramian");
    /// assert!(cosines.iter().all(|cosine| cosine.abs() <= 1.0));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn balance(mut self, method: impl Balance + 'static) -> Self {
        self.method = Method::Balance(Box::new(method));
        self
    }

    /// What the Gramian of the task gradients is computed over, for a method that needs it (default: all shared
    /// parameters). The other [scopes](GramianScope) make a step cheaper.
    ///
    /// ```
    /// use polytask::balance::UpGrad;
    /// use polytask::GramianScope;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let mut model = builder.clone().trunk([Layer::dense(8, Activation::Relu)]).build::<f64>()?;
    /// let trainer = Trainer::new(Sgd::new(0.01)).balance(UpGrad::new()).steps(1);
    /// let exact = trainer.clone().fit(&mut model.clone(), &data)?;
    /// let trainer = trainer.balance_over(GramianScope::Representation);
    /// let cheap = trainer.fit(&mut model, &data)?;
    /// assert_ne!(exact.gradient_norms(), cheap.gradient_norms());      // of other gradients
    /// let trainer = trainer.balance_over(GramianScope::LastSharedLayer);
    /// assert!(trainer.fit(&mut builder.build::<f64>()?, &data).is_err()); // without a trunk there is no such layer
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn balance_over(mut self, over: GramianScope) -> Self {
        self.over = over;
        self
    }

    /// Lets a method combine the gradients of all tasks into one gradient for the shared parameters, in every
    /// step. Few methods need this; most choose weights ([`balance`](Self::balance)). Of the two settings, the
    /// last call counts. The tasks' own weights work together with it in the same way.
    ///
    /// ```
    /// use polytask::balance::GradDrop;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(500, 0.05, 1);
    /// let mut model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow"))
    ///     .build::<f32>()?;
    /// let before = model.evaluate(&data)?.total_loss();
    /// Trainer::new(Adam::new(0.01)).aggregate(GradDrop::new(1)).epochs(5).fit(&mut model, &data)?;
    /// assert!(model.evaluate(&data)?.total_loss() < before);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn aggregate(mut self, method: impl Aggregate + 'static) -> Self {
        self.method = Method::Aggregate(Box::new(method));
        self
    }

    /// [`balance`](Self::balance) by a method in a box.
    pub(crate) fn balance_boxed(mut self, method: Box<dyn Balance>) -> Self {
        self.method = Method::Balance(method);
        self
    }

    /// [`aggregate`](Self::aggregate) by a method in a box.
    pub(crate) fn aggregate_boxed(mut self, method: Box<dyn Aggregate>) -> Self {
        self.method = Method::Aggregate(method);
        self
    }

    pub(crate) fn callbacks(&self) -> &[Box<dyn Callback>] {
        &self.callbacks
    }

    /// Whether the training saves itself, or resumes one: two trainings cannot share a folder.
    pub(crate) fn has_folder(&self) -> bool {
        #[cfg(feature = "persist")]
        return self.checkpoints.is_some() || self.resume_from.is_some();
        #[cfg(not(feature = "persist"))]
        false
    }

    fn resumes(&self) -> bool {
        #[cfg(feature = "persist")]
        return self.resume_from.is_some();
        #[cfg(not(feature = "persist"))]
        false
    }

    /// The number of threads that work on a step (default: all processors). A step too small to share uses one
    /// thread anyway. The result is the same for any number, to the last bit.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(512, 0.05, 1);
    /// let fit = |n_threads: usize| -> polytask::Result<Vec<f32>> {
    ///     let trunk = [Layer::dense(200, Activation::Relu), Layer::dense(50, Activation::Relu)];
    ///     let mut model = Model::builder(10).trunk(trunk).task(Task::regression("elbow")).build::<f32>()?;
    ///     Trainer::new(Adam::new(0.01)).batch_size(512).steps(2).threads(n_threads).fit(&mut model, &data)?;
    ///     Ok(model.parameters().to_vec())
    /// };
    /// assert_eq!(fit(1)?, fit(2)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, n_threads: usize) -> Self {
        self.threads = Some(n_threads);
        self
    }

    /// Shares the training with other [ranks](crate::ranks): processes, or threads, that call the same with the same data.
    ///
    /// Every step is that of one process, up to rounding: the same rows in the same order, of which each rank processes a
    /// piece; losses and gradients are summed in the order of the ranks, so that all ranks have the same θ to the bit. A
    /// [`batch_size`](Self::batch_size) is that of the whole step. Labels are counted over the whole batch; groups of
    /// rows that a loss compares stay on one rank, without groups the whole batch; what is drawn is drawn by the row's
    /// number in it.
    ///
    /// `fit` begins with the θ of rank 0. Validation and callbacks are the same on every rank, and if a callback stops one
    /// rank, it stops all; a log needs to be on one rank alone. Checkpoints are written and read by rank 0 (in a loop
    /// of your own, save there), and can be resumed on any number of ranks. A failure on one rank ends all, with an
    /// error that names the rank. A rank has one thread unless [`threads`](Self::threads) says otherwise.
    ///
    /// With a [balancing method](Self::balance) that compares gradients, the K task gradients of the shared parameters are
    /// summed first, since Gramians of parts do not add up: K times as many numbers, in the memory of every rank. Over
    /// [`GramianScope::Representation`] they do, and K × K numbers are sent.
    ///
    /// Not possible over ranks are [`GramianScope::Sketch`], layers with running state (batch normalisation),
    /// and [`LazyAdam`](crate::optim::LazyAdam) with tables of vectors. There is an example at
    /// [`on_threads`](crate::ranks::on_threads), which makes ranks of threads; `on_processes` (feature `mpi`) makes them of
    /// processes.
    #[must_use]
    pub fn ranks(mut self, ranks: impl Ranks + 'static) -> Self {
        self.ranks = (ranks.size() > 1).then(|| Arc::new(ranks) as Arc<dyn Ranks>);
        self.is_sharded = false;
        self
    }

    /// As [`ranks`](Self::ranks), where every rank has rows of its own: a shard, as a table or as a
    /// [`Source`](crate::data::Source). A step learns from a batch of each, of the
    /// [`batch_size`](Self::batch_size) divided by the number of ranks: together they are the batch, in the order of
    /// the ranks.
    ///
    /// Shards must have the same number of steps in an epoch, and a label for each task. If the model standardises or
    /// bins features, call [`Model::fit_scaling`](crate::Model::fit_scaling) first, on all ranks with the same sample
    /// of all rows. Checkpoints are models; a training on shards cannot be resumed in the middle.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::ranks::{Ranks, on_threads};
    ///
    /// let data = datasets::robot_arm::<f64>(120, 0.05, 1);
    /// let build = || Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]).task(Task::regression("elbow")).build();
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(40).epochs(5);
    /// let models = on_threads(2, |ranks| {
    ///     let rows: Vec<usize> = (60 * ranks.rank()..60 * (ranks.rank() + 1)).collect();
    ///     let mut model: Model<f64> = build()?;
    ///     trainer.clone().shards(ranks).fit(&mut model, &data.select(&rows))?; // 20 rows of each shard
    ///     Ok(model)
    /// })?;
    /// assert_eq!(models[0].parameters(), models[1].parameters());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn shards(mut self, ranks: impl Ranks + 'static) -> Self {
        self = self.ranks(ranks);
        self.is_sharded = self.has_ranks();
        self
    }

    /// Whether a training would be shared with others.
    pub(crate) fn has_ranks(&self) -> bool {
        self.ranks.is_some()
    }

    /// Adds a [callback](super::callback), such as early stopping, a log, or a budget. Each run starts with a
    /// fresh copy of it.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use std::ops::ControlFlow;
    /// use polytask::train::callback::{Budget, each_step};
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let at_nine = each_step(|at| if at.step == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    /// let trainer = Trainer::new(Adam::new(0.01)).callback(at_nine).callback(Budget::steps(7));
    /// for _ in 0..2 {
    ///     let history = trainer.fit(&mut model, &data)?;               // each run counts from 0
    ///     assert_eq!((history.n_steps(), history.stopped_by()), (7, Some("budget")));
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Gradient accumulation: each step sums the gradients of `batches` batches, of which only one at a time is
    /// in memory.
    ///
    /// Up to rounding, a step is the same as with one batch of `batches` × [batch size](Self::batch_size) rows.
    /// The loss of task k is the mean over all its labels in the step, however many of them each part b has:
    ///
    /// ```text
    /// Lₖ = Σ_b (N_bk / Nₖ) L_bk        N_bk: weight of the labels present in part b,  Nₖ = Σ_b N_bk
    /// ∇  = Σ_b Σₖ wₖ (N_bk / Nₖ) ∇L_bk
    /// ```
    /// which is not the mean of the parts' means. Steps, epochs and the history count these whole steps. It
    /// works with the tasks' own weights and with a schedule of them, but not with a balancing method, which
    /// needs the whole batch at once.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(96, 0.05, 1);
    /// let train = |trainer: Trainer| -> polytask::Result<Vec<f64>> {
    ///     let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    ///     trainer.epochs(3).fit(&mut model, &data)?;
    ///     Ok(model.parameters().to_vec())
    /// };
    /// let whole = train(Trainer::new(Adam::new(0.01)).batch_size(48))?;
    /// let parts = train(Trainer::new(Adam::new(0.01)).batch_size(16).accumulate(3))?;
    /// assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-9));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulation = batches;
        self
    }

    /// Saves the training while it goes on.
    #[cfg(feature = "persist")]
    #[must_use]
    pub fn checkpoint(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Resumes the training whose [`Checkpoints`] are in `folder`, at the newest whole one, with model, history
    /// and all; starts from the beginning if there is none. So a program that was killed is simply run again.
    #[cfg(feature = "persist")]
    #[must_use]
    pub fn resume_from(mut self, folder: impl Into<PathBuf>) -> Self {
        self.resume_from = Some(folder.into());
        self
    }

    /// Lets a training be resumed on another table than that of its checkpoint, for example one with new rows; otherwise
    /// that is an error. θ, the moments, the balance and the history are those of the checkpoint; an epoch that
    /// was under way starts again. Features and targets keep the scaling that they had.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-table-{}.safetensors", std::process::id()));
    /// let (early, late) = (datasets::robot_arm::<f32>(100, 0.05, 1), datasets::robot_arm::<f32>(150, 0.05, 1));
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(50).epochs(3);
    /// let mut run = trainer.start(&model, &early)?;
    /// let mut workspace = run.workspace(&model, None);
    /// (0..3).try_for_each(|_| run.step(&mut model, &early, &mut workspace))?; // into the second epoch
    /// run.save(&model, &path)?;
    ///
    /// let error = trainer.resume(&mut model, &late, &path).unwrap_err().to_string();
    /// assert!(error.contains("Trainer::allow_other_table"), "{error}");
    /// let run = trainer.allow_other_table().resume(&mut model, &late, &path)?;
    /// assert_eq!((run.history().n_steps(), run.optimizer().count()), (3, 3));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[cfg(feature = "persist")]
    #[must_use]
    pub fn allow_other_table(mut self) -> Self {
        self.allowed.other_table = true;
        self
    }

    /// Lets a training be resumed with other numbers for the optimiser than those of its checkpoint: the learning rate, its
    /// schedule, weight decay, the decay rates of moments, the largest norm. Otherwise that is an error. The rule and
    /// all that it remembers are those of the checkpoint; the schedule counts steps from the beginning of the training,
    /// and the factor that callbacks have put on the rate multiplies the new one.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-rates-{}.safetensors", std::process::id()));
    /// let data = datasets::robot_arm::<f32>(100, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut run = Trainer::new(Adam::new(0.01)).start(&model, &data)?;
    /// let mut workspace = run.workspace(&model, None);
    /// run.step(&mut model, &data, &mut workspace)?;
    /// run.save(&model, &path)?;
    ///
    /// let slower = Trainer::new(Adam::new(0.001)).schedule(Schedule::steps(1, 0.5));
    /// let error = slower.resume(&mut model, &data, &path).unwrap_err().to_string();
    /// assert!(error.contains("Trainer::allow_other_rates"), "{error}");
    /// let resumed = slower.allow_other_rates().resume(&mut model, &data, &path)?;
    /// assert_eq!(resumed.optimizer().moments(), run.optimizer().moments());
    /// assert_eq!(resumed.optimizer().learning_rate(), 0.0005);             // of the second step
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[cfg(feature = "persist")]
    #[must_use]
    pub fn allow_other_rates(mut self) -> Self {
        self.allowed.other_rates = true;
        self
    }

    /// Whether the settings are in their ranges.
    pub(super) fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::new(ErrorKind::Setting, "batch size", "at least 1 row", 0));
        }
        if let Some(ranks) = self.ranks.as_ref().filter(|_| self.is_sharded) {
            let size = ranks.size();
            if !self.batch_size.is_multiple_of(size) {
                let expected = format!("a multiple of {size}, the number of shards");
                return Err(Error::new(ErrorKind::Setting, "batch size", expected, self.batch_size));
            }
            if self.resumes() {
                let expected = "a training that begins, since each shard has a place of its own";
                return Err(Error::new(ErrorKind::Setting, "training on shards", expected, "one to take up")
                    .advise("load the checkpoint as a model, and fit it"));
            }
        }
        if let Some(threads) = self.threads.filter(|&threads| threads > MOST_THREADS) {
            let expected = format!("at most {MOST_THREADS}");
            return Err(Error::new(ErrorKind::Setting, "threads", expected, threads)
                .advise("as many as the machine has processors, or leave them unset"));
        }
        match self.length {
            Length::Steps(0) => Err(Error::new(ErrorKind::Setting, "steps", "at least 1", 0)),
            Length::Epochs(0) => Err(Error::new(ErrorKind::Setting, "epochs", "at least 1", 0)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Trainer");
        shown
            .field("rule", &self.rule)
            .field("schedule", &self.schedule)
            .field("clip_norm", &self.clip_norm)
            .field("groups", &self.groups)
            .field("method", &self.method)
            .field("over", &self.over)
            .field("batch_size", &self.batch_size)
            .field("length", &self.length)
            .field("seed", &self.seed)
            .field("shuffles", &self.shuffles)
            .field("threads", &self.threads)
            .field("accumulation", &self.accumulation)
            .field("callbacks", &self.callbacks);
        match &self.ranks {
            None => shown.finish(),
            Some(ranks) => shown.field("ranks", ranks).finish(),
        }
    }
}
