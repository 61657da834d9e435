//! Multi-task learning on CPUs: one neural network predicts several columns of a table, and every derivative in it is
//! written by hand and checked.
//!
//! ```
//! use polytask::prelude::*;
//!
//! // A table of 10 features and two targets, "shoulder" and "elbow".
//! let (train, test) = datasets::robot_arm::<f32>(500, 0.05, 42).split(0.8, 42)?;
//!
//! let mut model = Model::builder(train.n_features())
//!     .trunk([Layer::dense(32, Activation::Relu)]) // shared by both tasks
//!     .task(Task::regression("shoulder")) // each task has a head of its own
//!     .task(Task::regression("elbow"))
//!     .standardize()
//!     .build::<f32>()?;
//! let history = Trainer::new(Adam::new(0.01)).batch_size(32).epochs(30).fit(&mut model, &train)?;
//!
//! let report = model.evaluate(&test)?;
//! println!("{report}"); // a table: loss, rmse, mae and r2 of each task
//! assert!(report["elbow"].score("r2") > Some(0.8), "{report}");
//! let predicted = model.predict(test.features())?;
//! assert_eq!(predicted["elbow"].dim(), (100, 1)); // rows × outputs of the task
//! # assert_eq!(history.tasks(), ["shoulder", "elbow"]);
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! # The types you meet
//!
//! A [`Dataset`](data::Dataset) is a table of features and targets, one example per row, with column names and,
//! if you have them, row weights and groups of rows that belong together (for ranking, those of one query). It
//! comes from two arrays, from a CSV file ([`data::csv`], feature `csv`), from NumPy files ([`data::npy`]), or
//! from a built-in problem ([`data::datasets`]). A label of NaN is missing: it adds nothing to the loss or to
//! any metric.
//!
//! A [`Task`] is one thing to predict: a quantity, a count, a yes or no, a class, an ordered class, a ranking,
//! or the product of two other tasks' probabilities. It has a name, a [loss](loss::Loss), metrics, a weight in
//! the total loss, and hidden layers of its own if you want some.
//!
//! [`Layer`] and [`Sharing`] describe the network: its layers, and which of them the tasks share (one trunk for
//! all tasks, one for each, a mixture of experts, or a sharing form of your own). They hold no parameters, so the
//! same description builds an `f32` network or an `f64` one.
//!
//! A [`Model`] is the network with its parameters, which are stored in one flat vector; a [`Layout`] says which
//! slice of it belongs to which layer. A model predicts, evaluates itself on data, checks its own gradients
//! ([`Model::check_gradients`]), and is saved and loaded ([`Model::save`], feature `persist`). Any number of
//! threads can predict with it at the same time ([`Model::predict_into`]).
//!
//! A [`Trainer`] holds the settings for training: optimiser, batch size, number of steps, learning-rate
//! schedule, [balancing method](balance), [callbacks](train::callback), checkpoints, seed. One trainer can
//! train any number of models. For a loop of your own, [`Trainer::start`] gives a [`Run`](train::Run), which
//! takes one step at a time.
//!
//! A [`History`](train::History) records what happened in training: each task's loss and weight at each step,
//! validation losses, what stopped the training, and, if the balancing method computed them, the norms of the
//! task gradients and the cosines between them. It can be [plotted](plot) or written to CSV.
//!
//! A [`Report`] says how good a model is on a data set: each task's loss and metrics, and the number of labels
//! behind them. It prints as a table; in code, write `report["price"].score("r2")`.
//!
//! [`MultiTask`](estimator::MultiTask) is the short way: two lines from a table with tasks of any kind to predictions, which
//! are a weighted mean over several networks. [`MultiTaskRegressor`](estimator::MultiTaskRegressor) and
//! [`MultiTaskClassifier`](estimator::MultiTaskClassifier) are the same from two arrays, as in scikit-learn. Their defaults
//! were chosen by measurement.
//!
//! A [`CrossValidation`](validation::CrossValidation) fits and judges fold by fold whatever you can fit in a closure, a
//! model with its trainer or an estimator, and learns nothing from the rows that are held out. A
//! [`Comparison`](validation::Comparison) of several says which is better, in each task and over all, and how sure that is.
//! [`TogetherOrApart`](together::TogetherOrApart) trains the contenders too: it answers whether tasks should be trained
//! together. [`Importance`](validation::Importance) says which columns mattered for which task. A
//! [`Ledger`](ledger::Ledger) says which rows taught which task what, and
//! [`SuspectLabels`](ledger::SuspectLabels) which labels to look at.
//!
//! Several processes can share one training run, or divide many among them: [`ranks`], [`Trainer::ranks`].
//!
//! Anything wrong with data, settings or files is returned as an [`Error`] that says where it is, what was
//! expected, what was found, and what to do about it.
//!
//! # Features
//!
//! All are off by default; `full` is all but `mpi`.
//!
//! | feature | what it adds |
//! |---|---|
//! | `arrow` | reads Arrow record batches: [`data::csv::Table::from_arrow`] |
//! | `csv` | reads CSV files, text columns included, even while a model learns from them: [`data::csv`] |
//! | `mpi` | training over processes that MPI starts; MPI must be on the system: [`ranks`] |
//! | `npz` | reads NumPy archives: [`data::npz`] |
//! | `onnx` | writes models for other runtimes: [`Model::save_onnx`], [`onnx`] |
//! | `parquet` | reads Parquet files: [`data::csv::Table::read_parquet`] |
//! | `persist` | saves models, estimators, checkpoints: [`Model::save`], [`train::Checkpoints`] |
//! | `progress` | a progress bar: [`train::callback::ProgressBar`] |
//! | `ctrlc` | Ctrl-C ends training cleanly: [`train::callback::Interrupt::on_ctrl_c`] |
//! | `serde` | reads rows that are structs: [`data::csv::Table::from_rows`] |
//!
//! # Where next
//!
//! - Tasks that conflict: [`balance`] has more than two dozen methods that weight losses or combine task
//!   gradients.
//! - A layer, loss, sharing form, metric, balancing method, optimiser or callback of your own: the module of
//!   each begins with the contract to fulfil and an example ([`layer`], [`loss`], [`sharing`], [`metric`],
//!   [`balance`], [`optim`], [`train::callback`]).
//! - Checking a backward pass that you wrote yourself: [`gradcheck`].
//! - A training step written out, from `forward` to the optimiser: [`Model::forward`], [`Model::backward`].
//! - The repository also has a book that derives every formula (`docs/book`), and example programs
//!   (`docs/examples`).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "arrow")]
pub use arrow_array;
pub use ndarray;

mod compiled;
mod error;
mod file;
mod init;
mod model;
mod network;
mod params;
#[cfg(feature = "persist")]
mod persist;
mod registry;
mod report;
mod scalar;
mod task;

pub mod arena;
pub mod balance;
pub mod card;
pub mod data;
pub mod estimator;
pub mod gradcheck;
pub mod kernel;
pub mod layer;
pub mod ledger;
pub mod loss;
pub mod metric;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod optim;
pub mod penalty;
pub mod plot;
pub mod ranks;
pub mod sharing;
pub mod together;
pub mod train;
pub mod validation;

#[cfg(doctest)]
mod book;
#[cfg(test)]
mod dual;

pub use error::{Error, ErrorKind, Result};
pub use init::Init;
pub use layer::{Activation, Layer};
pub use model::{GradientChecks, Model, ModelBuilder, ModelCheck, Predictions, Warning};
#[doc(hidden)]
pub use network::Form;
pub use network::{GramianScope, Network, Trace};
pub use params::{Block, Layout, TouchedRows};
#[cfg(feature = "persist")]
pub use registry::Registry;
pub use registry::SavedAs;
pub use report::{Report, TaskReport};
pub use scalar::Scalar;
pub use sharing::Sharing;
pub use task::Task;
pub use train::Trainer;

/// What most programs that train a model need: `use polytask::prelude::*`.
pub mod prelude {
    pub use crate::data::{Dataset, datasets};
    pub use crate::estimator::{MultiTask, MultiTaskClassifier, MultiTaskRegressor};
    pub use crate::loss::Loss;
    pub use crate::metric::Metric;
    pub use crate::optim::{Adam, AdamW, LazyAdam, Schedule, Sgd};
    pub use crate::{Activation, Init, Layer, Model, Sharing, Task, Trainer};
}
