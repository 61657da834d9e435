//! Should these tasks be trained together? One call that trains both ways, and others if you like, and answers with
//! evidence.
//!
//! ```text
//! for each fold:   rows to learn from ──▶ apart      one model per task           ──▶ predictions of held-out rows, costs
//!                                     ──▶ together   one model of all tasks       ──▶
//!                                     ──▶ …          your contenders              ──▶
//! all folds ──▶ scores ──▶ paired differences from `apart` ──▶ report: three claims, each yes, no or cannot tell
//! ```
//! The terms are equal: the same rows, folds, optimiser, number of epochs, batches (in the same order, as each model is given
//! the fold's seed) and, unless [told otherwise](TogetherOrApart::full_width), the same number of parameters in total: the
//! hidden layers of several models are as many times narrower as it takes. All models bring features and targets to mean 0
//! and deviation 1.
//!
//! Multi-task learning is said to generalise better, to train faster, and to need less memory. Each of the three is
//! measured here for your table, and each may be answered by no: where tasks are unrelated, single-task models can win.
//!
//! ```
//! use polytask::prelude::*;
//! use polytask::together::{Answer, TogetherOrApart};
//! use polytask::validation::{Comparison, CrossValidation};
//!
//! // Two tasks that are the same but for the noise.
//! let data = datasets::related_tasks::<f32>(120, 4, 2, 1.0, 0.5, 1);
//! let report = TogetherOrApart::new(["task0", "task1"].map(Task::regression))
//!     .hidden([24])
//!     .trainer(Trainer::new(Adam::new(0.01)).epochs(20))
//!     .folds(CrossValidation::new(4).seed(1).threads(2))
//!     .comparison(Comparison::new().metric("r2"))
//!     .sharing("mmoe", Sharing::mmoe(2, [Layer::dense(10, Activation::Relu)]))
//!     .run(&data)?;
//! println!("{report}"); // the three answers, every difference with its interval, and what each contender costs
//!
//! let costs = &report.costs;
//! assert_eq!(costs.iter().map(|cost| cost.n_models).collect::<Vec<_>>(), [2, 1, 1]);
//! assert!((costs[0].parameters / costs[1].parameters - 1.0).abs() < 0.05); // equal terms
//! assert_eq!(report.memory().answer, Answer::No);
//! # Ok::<(), polytask::Error>(())
//! ```

mod contender;
mod curve;
mod grouping;
mod jobs;
#[cfg(feature = "persist")]
mod kept;
mod page;
mod report;
mod table;
mod trained;

use std::fmt;
use std::ops::ControlFlow;
#[cfg(feature = "persist")]
use std::path::PathBuf;
use std::sync::Arc;

pub use curve::Curve;
pub use grouping::{Proposal, propose_groups};
pub use jobs::JobReport;
pub use page::Page;
pub use report::{Answer, Claim, Cost, Failure, MissingJob, TogetherReport};

use crate::balance::{Aggregate, Balance};
use crate::data::Dataset;
use crate::optim::Adam;
use crate::validation::{Comparison, CrossValidation};
use crate::{Activation, ModelBuilder, Result, Scalar, Sharing, Task, Trainer};

/// The names of the two contenders that are always there; the first is the baseline.
const APART: &str = "apart";
const TOGETHER: &str = "together";

/// The most groupings: more would take days, and the adjustment for so many differences would hide what there is.
const MOST_GROUPINGS: usize = 20;

/// Which tasks are compared, how models are trained, and what is compared beside the joint model and single-task models:
/// settings. [`run`](Self::run) trains all of them and reports; [the module](self) has an example.
///
/// Contenders that are always there: `apart`, a model for each task, the baseline; and `together`, one model whose
/// trunk all tasks share. The methods [`sharing`](Self::sharing), [`balance`](Self::balance),
/// [`aggregate`](Self::aggregate), [`grouping`](Self::grouping) and [`model`](Self::model) add others.
///
/// The same settings give the same bits for any number of [threads](CrossValidation::threads), but for times.
#[derive(Clone, Debug)]
#[must_use]
pub struct TogetherOrApart {
    tasks: Vec<Task>,
    hidden: Vec<usize>,
    activation: Activation,
    trainer: Trainer,
    validation_share: Option<f64>,
    folds: CrossValidation,
    comparison: Comparison,
    has_full_width: bool,
    contenders: Vec<(String, Form)>,
    #[cfg(feature = "persist")]
    folder: Option<PathBuf>,
}

/// What a contender is.
#[derive(Clone)]
enum Form {
    Apart,
    Together,
    Sharing(Sharing),
    Balance(Box<dyn Balance>),
    Aggregate(Box<dyn Aggregate>),
    Grouping(Vec<Vec<String>>),
    Own(Arc<dyn Fn(ModelBuilder) -> Result<ModelBuilder> + Send + Sync>),
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apart => write!(f, "Apart"),
            Self::Together => write!(f, "Together"),
            Self::Sharing(sharing) => f.debug_tuple("Sharing").field(sharing).finish(),
            Self::Balance(method) => f.debug_tuple("Balance").field(method).finish(),
            Self::Aggregate(method) => f.debug_tuple("Aggregate").field(method).finish(),
            Self::Grouping(groups) => f.debug_tuple("Grouping").field(groups).finish(),
            Self::Own(_) => write!(f, "Own"),
        }
    }
}

/// Who is told of each job that is done.
pub(crate) type Observer<'a> = dyn FnMut(&JobReport<'_>) -> ControlFlow<()> + Send + 'a;

impl TogetherOrApart {
    /// Compares on these tasks, at least two. Defaults: hidden layers of 64 and 64 units with ReLU; Adam with a learning rate
    /// of 0.005, 100 epochs of batches of 32 rows; five folds, once; intervals of 95 % of each task's first metric.
    pub fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            tasks: tasks.into_iter().collect(),
            hidden: vec![64, 64],
            activation: Activation::Relu,
            trainer: Trainer::new(Adam::new(0.005)).epochs(100),
            validation_share: None,
            folds: CrossValidation::new(5),
            comparison: Comparison::new(),
            has_full_width: false,
            contenders: vec![(APART.into(), Form::Apart), (TOGETHER.into(), Form::Together)],
            #[cfg(feature = "persist")]
            folder: None,
        }
    }

    /// The widths of the trunk's hidden layers in the joint model, at least one.
    pub fn hidden(mut self, widths: impl IntoIterator<Item = usize>) -> Self {
        self.hidden = widths.into_iter().collect();
        self
    }

    /// The activation of the hidden layers (default: ReLU).
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// How each model is trained. Its seed and its number of threads are replaced, by the fold's seed and one thread:
    /// several jobs are trained at a time instead ([`CrossValidation::threads`]).
    ///
    /// A callback ends each training by itself, as early stopping should. An
    /// [`Interrupt`](crate::train::callback::Interrupt), such as Ctrl-C, ends the run: trainings under way are dropped, and the
    /// report is of the jobs that were done.
    pub fn trainer(mut self, trainer: Trainer) -> Self {
        self.trainer = trainer;
        self
    }

    /// Keeps this share of the rows that a fold learns from apart and evaluates the losses on them after every epoch, for
    /// callbacks of the [trainer](Self::trainer) such as early stopping. Each model stops by its own tasks. Default: none.
    pub fn validation_share(mut self, share: f64) -> Self {
        self.validation_share = Some(share);
        self
    }

    /// The folds, their repeats and seed, and how many jobs are trained at a time.
    pub fn folds(mut self, folds: CrossValidation) -> Self {
        self.folds = folds;
        self
    }

    /// By which metric contenders are compared, the level of the intervals, and by what margin one is no worse than another.
    pub fn comparison(mut self, comparison: Comparison) -> Self {
        self.comparison = comparison;
        self
    }

    /// Gives every model of `apart` and of groupings hidden layers as wide as those of the joint model, so that they have
    /// more parameters in total. By default they are narrower: the widest layer gets n units and the others in proportion,
    /// with the n for which the total is the nearest to the joint model's.
    pub fn full_width(mut self) -> Self {
        self.has_full_width = true;
        self
    }

    /// Adds a joint model of another sharing form, with the layers that it is given.
    pub fn sharing(self, name: impl Into<String>, sharing: Sharing) -> Self {
        self.with(name, Form::Sharing(sharing))
    }

    /// Adds the joint model trained with a [balancing method](crate::balance).
    pub fn balance(self, name: impl Into<String>, method: impl Balance + 'static) -> Self {
        self.with(name, Form::Balance(Box::new(method)))
    }

    /// Adds the joint model trained with a method that combines the tasks' gradients.
    pub fn aggregate(self, name: impl Into<String>, method: impl Aggregate + 'static) -> Self {
        self.with(name, Form::Aggregate(Box::new(method)))
    }

    /// Adds a joint model for each of these groups of tasks, each task in one group; at most 20 groupings.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    ///
    /// let data = datasets::related_tasks::<f32>(60, 4, 3, 0.5, 0.1, 1);
    /// let settings = TogetherOrApart::new(["task0", "task1", "task2"].map(Task::regression))
    ///     .hidden([8])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2));
    /// let grouped = settings.clone().grouping("last alone", [vec!["task0", "task1"], vec!["task2"]]);
    /// let report = grouped.run(&data)?;
    /// assert_eq!(report.costs[2].n_models, 2);
    /// let error = settings.grouping("no last", [["task0", "task1"]]).run(&data).unwrap_err();
    /// assert!(error.to_string().contains("task2"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn grouping<G>(self, name: impl Into<String>, groups: impl IntoIterator<Item = G>) -> Self
    where
        G: IntoIterator<Item: Into<String>>,
    {
        let group = |group: G| group.into_iter().map(Into::into).collect();
        self.with(name, Form::Grouping(groups.into_iter().map(group).collect()))
    }

    /// Adds a model of your own. `change` is given the settings of the joint model, with the tasks, standardisation and the
    /// fold's seed, and returns those to train; the tasks must stay. It must return the same for the same argument.
    ///
    /// ```
    /// use polytask::penalty::Penalty;
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
    /// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
    ///     .hidden([8])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2))
    ///     .model("sparse", |builder| Ok(builder.penalty(Penalty::group_lasso("trunk.0.weight", 0.1))))
    ///     .run(&data)?;
    /// assert!(report.result("sparse").is_some_and(|result| result["elbow"].score("r2").is_some()));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn model(
        self,
        name: impl Into<String>,
        change: impl Fn(ModelBuilder) -> Result<ModelBuilder> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Form::Own(Arc::new(change)))
    }

    fn with(mut self, name: impl Into<String>, form: Form) -> Self {
        self.contenders.push((name.into(), form));
        self
    }

    /// Keeps what comes out of each job, one contender in one fold, in a file in `folder`, which is made if need be, and
    /// takes from there what has been done before. So a run that was stopped or killed is simply run again, and a contender
    /// that is added later is the only one that is trained.
    ///
    /// A job is known by all that it depends on: the table, the fold's rows and seed, the settings of models and training as
    /// they print with `{:?}`, the scalar type and the version of the crate. If any of that is another, so is the job: it is
    /// trained, and the old file stays. Parts of your own should therefore print all of their settings.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    /// use std::ops::ControlFlow;
    ///
    /// # let folder = std::env::temp_dir().join(format!("polytask-together-{}", std::process::id()));
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
    /// let settings = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
    ///     .hidden([8])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2))
    ///     .keep_in(&folder);
    /// let stopped = settings.run_observed(&data, |job| match job.n_done {
    ///     5 => ControlFlow::Break(()),
    ///     _ => ControlFlow::Continue(()),
    /// })?;
    /// assert_eq!(stopped.missing.len(), 5); // of two contenders in five folds
    /// assert_eq!(stopped.comparison.as_ref().map(|comparison| comparison.n_folds), Some(2)); // those that both have
    ///
    /// let mut n_kept = 0;
    /// let resumed = settings.run_observed(&data, |job| {
    ///     n_kept += usize::from(job.was_kept);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(resumed.missing.is_empty() && n_kept == 5);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[cfg(feature = "persist")]
    pub fn keep_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Trains every contender in every fold, and reports.
    ///
    /// A contender whose training fails in a fold, by a loss that is not finite for example, is reported with the error and
    /// compared with nobody: no mean is over the folds in which it happened to succeed.
    ///
    /// # Errors
    /// - [`ErrorKind::Setting`](crate::ErrorKind::Setting) if there are fewer than two tasks, a product or a task without a
    ///   loss (it is not learnt alone), no hidden layer, two contenders of one name, a grouping in which a task is not in one
    ///   group, more than 20 groupings, or a trainer with a folder of checkpoints, which belongs to one training; what
    ///   building a model returns, with the contender in front;
    /// - as [`CrossValidation::run`] for the folds, and as [`Comparison::run`];
    /// - if all contenders fail, the error of the first;
    /// - [`ErrorKind::File`](crate::ErrorKind::File) if a file of a job cannot be written or read, or is damaged.
    pub fn run<F: Scalar>(&self, data: &Dataset<F>) -> Result<TogetherReport> {
        self.run_observed(data, |_| ControlFlow::Continue(()))
    }

    /// [`run`](Self::run) that tells `observe` of each job that is done, one contender in one fold. If that returns `Break`,
    /// no other job is begun and nobody is told of another; those under way are finished, what is done is reported, and what
    /// is missing is named.
    ///
    /// All contenders are trained in a fold before the next one is begun. The report of a run that was stopped is over the
    /// folds that all of them have finished, whole repeats if there is one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_observed<F: Scalar>(
        &self,
        data: &Dataset<F>,
        mut observe: impl FnMut(&JobReport<'_>) -> ControlFlow<()> + Send,
    ) -> Result<TogetherReport> {
        F::together(self, data, &mut observe)
    }
}
