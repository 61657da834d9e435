//! The settings of a training.

use std::fmt;
use std::sync::Arc;

use super::callback::Callback;
use super::{History, Run};
use crate::balance::{Aggregate, Balance, Over};
use crate::data::Dataset;
use crate::optim::{Rule, Schedule};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// How to train: the optimiser, how many rows a step learns from, how many steps there are.
///
/// Settings only: it can be cloned and used for as many models as one likes. Batches of 32 and 1000 steps if
/// nothing else is said; all processors; data shuffled anew in every epoch, with the generator seeded by
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
    pub(super) method: Method,
    pub(super) over: Over,
    pub(super) batch_size: usize,
    pub(super) length: Length,
    pub(super) seed: u64,
    pub(super) shuffles: bool,
    pub(super) threads: Option<usize>,
    #[cfg(feature = "persist")]
    pub(super) keeping: super::checkpoint::Keeping,
    pub(super) accumulation: usize,
    pub(super) callbacks: Vec<Box<dyn Callback>>,
}

/// How the tasks are weighed.
#[derive(Clone, Debug)]
pub(super) enum Method {
    /// By their own weights alone.
    Fixed,
    Balance(Box<dyn Balance>),
    Aggregate(Box<dyn Aggregate>),
}

/// When a training ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Steps(u64),
    Epochs(u64),
}

impl Trainer {
    /// Settings with an optimiser rule, such as `Adam::new(0.01)`.
    pub fn new(rule: impl Rule + 'static) -> Self {
        Self {
            rule: Arc::new(rule),
            schedule: None,
            clip_norm: None,
            method: Method::Fixed,
            over: Over::default(),
            batch_size: 32,
            length: Length::Steps(1000),
            seed: 0,
            shuffles: true,
            threads: None,
            #[cfg(feature = "persist")]
            keeping: Default::default(),
            accumulation: 1,
            callbacks: Vec::new(),
        }
    }

    /// How many rows a step learns from; more than the data has means all of them.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = rows;
        self
    }

    /// Trains for so many steps.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.length = Length::Steps(steps);
        self
    }

    /// Trains for so many passes over the data.
    #[must_use]
    pub fn epochs(mut self, epochs: u64) -> Self {
        self.length = Length::Epochs(epochs);
        self
    }

    /// The seed of the order of the batches, 0 if not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Takes the rows in the order of the data instead of shuffling them: step s uses the batch of rows
    /// `batch size · s` on, beginning again at the end.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.shuffles = false;
        self
    }

    /// How the learning rate changes from step to step.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Scales a gradient down to this norm if it is longer.
    #[must_use]
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.clip_norm = Some(max_norm);
        self
    }

    /// Lets a method weigh the tasks anew in every step; without one they have their own weights
    /// ([`Task::weight`](crate::Task::weight)) throughout.
    ///
    /// A task's own weight wₖ composes with every method: what is balanced are the losses `wₖ Lₖ`
    /// ([`Balancer::scale_losses`](crate::balance::Balancer::scale_losses)). Each run starts with a fresh copy of
    /// the method.
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

    /// Over what the gradients are compared where the method needs their Gramian: all shared parameters if
    /// nothing is said.
    #[must_use]
    pub fn balance_over(mut self, over: Over) -> Self {
        self.over = over;
        self
    }

    /// Lets a method make the direction of the shared parameters from the gradients of all tasks, in every step.
    /// It takes the place of a [`balance`](Self::balance), and the other way round; tasks' own weights compose
    /// with it in the same way.
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

    /// How many threads work at a step, all processors if not said. Small steps are done by one thread all the
    /// same. The result does not depend on it, to the bit.
    #[must_use]
    pub fn threads(mut self, n_threads: usize) -> Self {
        self.threads = Some(n_threads);
        self
    }

    /// Adds a [callback](super::callback): early stopping, a log, a budget. Each run starts with a fresh copy of it.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Learns in each step from `batches` batches, of which one at a time is in memory.
    ///
    /// The step is that of one batch of `batches` × [batch size](Self::batch_size) rows, up to rounding: the loss of
    /// task k is the mean over the labels of all its parts, however they are spread,
    ///
    /// ```text
    /// Lₖ = Σ_b (N_bk / Nₖ) L_bk        N_bk: weight of the labels present in part b,  Nₖ = Σ_b N_bk
    /// ∇  = Σ_b Σₖ wₖ (N_bk / Nₖ) ∇L_bk
    /// ```
    /// and not the mean of the parts' means. Steps, epochs and history count these steps. It goes with the tasks'
    /// own weights and schedules of them; a balancing method needs the whole batch at once.
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

    /// Trains `model` on `data` to the end and returns what happened.
    ///
    /// # Errors
    /// If a setting is outside its range, the data does not fit the model, or a loss stops being a finite number;
    /// the model then keeps the parameters from before that step.
    pub fn fit<F: Scalar>(&self, model: &mut Model<F>, data: &Dataset<F>) -> Result<History> {
        self.run(model, data, None)
    }

    /// Like [`fit`](Self::fit), and evaluates the losses on `validation` after every epoch.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_validated<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: &Dataset<F>,
    ) -> Result<History> {
        self.run(model, data, Some(validation))
    }

    fn run<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        let mut run = self.begin(model, data)?;
        model.fit_scaling(data)?;
        let mut desk = run.desk(model, validation);
        while !run.is_finished() {
            run.advance(model, data, validation, &mut desk)?;
            #[cfg(feature = "persist")]
            self.keeping.after_step(&run, model)?;
        }
        run.finish(model)
    }

    /// Begins a run, or takes up the one that it was said to take up.
    fn begin<F: Scalar>(&self, model: &mut Model<F>, data: &Dataset<F>) -> Result<Run<F>> {
        #[cfg(feature = "persist")]
        if let Some(run) = self.newest(model, data)? {
            return Ok(run);
        }
        self.start(model, data)
    }

    /// Checks the settings and begins a run, without taking a step.
    ///
    /// # Errors
    /// If a setting is outside its range, or the data does not fit the model.
    pub fn start<F: Scalar>(&self, model: &Model<F>, data: &Dataset<F>) -> Result<Run<F>> {
        if self.batch_size == 0 {
            return Err(Error::new(ErrorKind::Setting, "batch size", "at least 1 row", 0));
        }
        Run::new(self, model, data)
    }
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("rule", &self.rule)
            .field("schedule", &self.schedule)
            .field("clip_norm", &self.clip_norm)
            .field("method", &self.method)
            .field("over", &self.over)
            .field("batch_size", &self.batch_size)
            .field("length", &self.length)
            .field("seed", &self.seed)
            .field("shuffles", &self.shuffles)
            .field("threads", &self.threads)
            .field("accumulation", &self.accumulation)
            .field("callbacks", &self.callbacks)
            .finish()
    }
}
