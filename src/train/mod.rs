//! Training: settings, the run they start, and what it leaves behind.
//!
//! A [`Trainer`] is settings only. [`Trainer::start`] makes a [`Run`]: everything that changes from step to step
//! besides the model itself. `fit` is a run taken to its end.

mod accumulation;
mod balancing;
pub mod callback;
#[cfg(feature = "persist")]
mod checkpoint;
mod history;
mod history_files;
mod run;
mod trainer;

#[cfg(feature = "persist")]
pub use checkpoint::Checkpoints;
pub use history::{History, Validation};
pub use run::{Progress, Run, Workspace};
pub use trainer::Trainer;
