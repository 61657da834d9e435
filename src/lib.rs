//! Multi-task learning on one machine's CPU: a shared trunk, one head per task, every derivative
//! written by hand and checked.

pub use ndarray;

mod error;
mod init;
mod params;
mod scalar;
mod trace;


pub mod balance;
pub mod data;
pub mod kernel;
pub mod layer;
pub mod loss;
pub mod sharing;

pub use error::{Error, ErrorKind, Result};
pub use init::Init;
pub use layer::{Activation, Layer};
pub use params::{Block, Layout};
pub use scalar::Scalar;
pub use sharing::Sharing;
pub use trace::{Arena, Chunk, Plan, Slot};
