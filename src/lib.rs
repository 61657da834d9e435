//! Multi-task learning on one machine's CPU: a shared trunk, one head per task, every derivative
//! written by hand and checked.

pub use ndarray;

mod error;
mod params;
mod scalar;

pub mod balance;
pub mod data;
pub mod gradcheck;
pub mod kernel;
pub mod loss;

pub use error::{Error, ErrorKind, Result};
pub use params::{Block, Layout};
pub use scalar::Scalar;
