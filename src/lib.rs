//! Multi-task learning on the CPU of one machine: one network for several targets of a table, with every derivative
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
//!     .task(Task::regression("shoulder")) // a head each
//!     .task(Task::regression("elbow"))
//!     .standardize()
//!     .build::<f32>()?;
//! let history = Trainer::new(Adam::new(0.01)).batch_size(32).epochs(30).fit(&mut model, &train)?;
//!
//! let report = model.evaluate(&test)?;
//! println!("{report}"); // loss, rmse, mae and r2 of each task
//! assert!(report["elbow"].score("r2") > Some(0.8), "{report}");
//! let predicted = model.predict(test.features())?;
//! assert_eq!(predicted["elbow"].dim(), (100, 1)); // rows × width of the task
//! # assert_eq!(history.tasks(), ["shoulder", "elbow"]);
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! # The types you meet
//!
//! [`Dataset`](data::Dataset) is a table: features and targets by row, with names, weights and groups where there are
//! any. It comes from two arrays, from a CSV file ([`data::csv`], feature `csv`), from NumPy's files ([`data::npy`]), or
//! from a built-in problem ([`data::datasets`]). A label that is NaN is missing: it counts for nothing.
//!
//! [`Task`] is one thing to predict: a quantity, a count, yes or no, a class, an ordered class, a ranking, or the product
//! of two tasks. It has a name, a [loss](loss::Loss), metrics, a weight, and layers of its own if you want some.
//!
//! [`Layer`] and [`Sharing`] say what the tasks have in common: one trunk for all, a trunk for each, or a form of your
//! own. They are settings without numbers; one set of them makes the `f32` network and its `f64` twin.
//!
//! [`Model`] is a network with its parameters, which lie in one flat vector with a table of contents ([`Layout`]). It
//! predicts, evaluates, checks its own gradients ([`Model::check_gradients`]), saves itself and loads ([`Model::save`],
//! feature `persist`), and serves any number of threads ([`Model::predict_into`]).
//!
//! [`Trainer`] is the settings of a training: optimiser, batch size, steps, schedule, [balancing method](balance),
//! [callbacks](train::callback), checkpoints, seed. It can be used again and from several threads. [`Trainer::start`]
//! gives a [`Run`](train::Run), which takes one step at a time.
//!
//! [`History`](train::History) is what happened: losses and weights of each task by step, lengths and cosines of task
//! gradients where a method looked at them, validations, and what stopped the training. [Plots](plot) and CSV are
//! made from it.
//!
//! [`Report`] is how good a model is on a data set: for each task its loss, its metrics, and how many labels they are of.
//! Printed, it is a table; read by a program, `report["price"].score("r2")`.
//!
//! [`MultiTaskRegressor`](estimator::MultiTaskRegressor) and [`MultiTaskClassifier`](estimator::MultiTaskClassifier) are
//! the short way: two lines from two arrays to the average of several networks, with defaults that were measured.
//!
//! Whatever is wrong with data, settings or files is an [`Error`] that says where, what was expected, what was found, and
//! what to do.
//!
//! # Features
//!
//! All are off by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `csv` | reads CSV files, text columns included: [`data::csv`] |
//! | `npz` | reads NumPy's archives: [`data::npz`] |
//! | `persist` | saves models, estimators, checkpoints: [`Model::save`], [`train::Checkpoints`] |
//! | `progress` | a progress bar: [`train::callback::ProgressBar`] |
//! | `ctrlc` | ends a training on Ctrl-C: [`train::callback::Interrupt::on_ctrl_c`] |
//!
//! # Where next
//!
//! - Tasks that pull apart: [`balance`], more than two dozen methods that weight losses or combine task gradients.
//! - Your own layer, loss, sharing form, metric, method, optimiser or callback: each family's module begins with its
//!   contract and an example ([`layer`], [`loss`], [`sharing`], [`metric`], [`balance`], [`optim`], [`train::callback`]).
//! - Checking a backward pass you wrote yourself: [`gradcheck`].
//! - One step by hand, from `forward` to the optimiser: [`Model::forward`], [`Model::backward`].
//! - The repository has a book that derives every formula (`docs/book`) and programs to start from (`docs/examples`).

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use ndarray;

mod compiled;
mod error;
mod init;
mod model;
mod network;
mod params;
#[cfg(feature = "persist")]
mod persist;
mod report;
mod scalar;
mod task;

pub mod arena;
pub mod balance;
pub mod data;
pub mod estimator;
pub mod gradcheck;
pub mod kernel;
pub mod layer;
pub mod loss;
pub mod metric;
pub mod optim;
pub mod plot;
pub mod sharing;
pub mod train;

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
pub use params::{Block, Layout};
pub use report::{Report, TaskReport};
pub use scalar::Scalar;
pub use sharing::Sharing;
pub use task::Task;
pub use train::Trainer;

/// What a program that trains a model names: `use polytask::prelude::*`.
pub mod prelude {
    pub use crate::data::{Dataset, datasets};
    pub use crate::estimator::{MultiTaskClassifier, MultiTaskRegressor};
    pub use crate::loss::Loss;
    pub use crate::metric::Metric;
    pub use crate::optim::{Adam, AdamW, Schedule, Sgd};
    pub use crate::{Activation, Init, Layer, Model, Sharing, Task, Trainer};
}
