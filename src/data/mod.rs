//! Tables, and the batches cut from them.
//!
//! ```text
//! file ── csv, npy, npz ──▶ Dataset ── split, folds ──▶ Dataset, Dataset
//!                            │
//!                            ├── Standardizer: (x − mean) / scale, fitted on training rows
//!                            └── batches, Sampler ──▶ Batch: the table and some of its rows
//!
//! file larger than memory ── csv::Stream ──▶ Batch, after Batch, after Batch: a Source, as a Dataset can be
//! ```
//!
//! Nothing here copies a table in order to train on it: a [`Batch`] is a list of row indices.

mod batches;
#[cfg(feature = "csv")]
pub mod csv;
mod dataset;
pub mod datasets;
mod fingerprint;
mod indices;
mod join;
pub(crate) mod names;
pub mod npy;
#[cfg(feature = "npz")]
pub mod npz;
mod resolution;
mod scale;
mod source;
mod split;
mod transform;
mod weights;

pub(crate) use batches::shuffle;
pub use batches::{Batch, Batches, Order, Sampler};
pub use dataset::Dataset;
pub(crate) use fingerprint::number_of;
pub(crate) use fingerprint::{Fingerprint, number_of_bits};
pub(crate) use indices::check_index;
pub use names::Names;
pub(crate) use scale::Moments;
pub use scale::Standardizer;
pub use source::{Source, TableSource};
pub use split::Fold;
pub use transform::{FittedTransform, TargetTransform};
