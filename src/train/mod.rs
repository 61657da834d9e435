//! Training: the settings ([`Trainer`]), a training run in progress ([`Run`]), and the record of it
//! ([`History`]).
//!
//! A [`Trainer`] holds settings only and never changes. [`Trainer::start`] begins a [`Run`], which holds
//! everything that changes from step to step except the model: the state of the optimiser and of the balancing
//! method, the position in the data, the history so far. [`Trainer::fit`] starts a run and takes all its steps;
//! take them yourself with [`Run::step`] if something else should happen in between.

mod accumulation;
mod affinity;
mod balancing;
pub mod callback;
#[cfg(feature = "persist")]
mod checkpoint;
mod checks;
mod data;
mod feed;
mod fit;
mod gramian;
mod history;
mod history_files;
mod over_ranks;
mod progress;
#[cfg(feature = "persist")]
mod resume;
mod run;
mod start_over_ranks;
mod summed;
mod trainer;
mod workspace;

pub use affinity::Affinity;
#[cfg(feature = "persist")]
pub use checkpoint::Checkpoints;
pub use history::{History, Validation};
pub use progress::Progress;
pub use run::Run;
pub use trainer::Trainer;
pub use workspace::Workspace;
