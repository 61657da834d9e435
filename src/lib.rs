#![doc = include_str!("../README.md")]

pub use ndarray;

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
pub use model::{GradientChecks, Model, ModelBuilder, Predictions, Warning};
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
