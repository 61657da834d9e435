//! Tables, and the batches cut from them.

mod dataset;

pub use dataset::{Batch, Dataset};
