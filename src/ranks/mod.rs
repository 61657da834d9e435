//! Several processes that work on one thing: each is a rank, and this is how they speak to each other.
//!
//! The engine knows one small contract, [`Ranks`]: who am I, how many are we, and two ways to move bytes. A rank may be a
//! process of MPI (`on_processes`, feature `mpi`), a thread of this process ([`on_threads`]), or alone ([`Alone`]). Whatever is
//! computed from the bytes is computed here, by [`Exchange`], in the order of the ranks:
//!
//! ```text
//! sum          s = ((x₀ + x₁) + x₂) + …       xᵣ: the numbers of rank r
//!
//! few numbers  every rank gets all of them and adds them up               all-gather
//! many         rank r gets block r of everybody's and adds that up;       all-to-all
//!              then every rank gets all sums                              all-gather
//! ```
//! A sum of floating-point numbers depends on its order, and MPI's own reductions promise none. Here the order is the same
//! on every rank and in every run, so ranks stay equal to the bit, and no transport can change a bit. The second way sends
//! and receives 2 (n − 1)/n times the numbers, as little as any all-reduce can.
//!
//! ```
//! use polytask::ranks::{Exchange, Ranks, on_threads};
//!
//! let sums = on_threads(3, |ranks| {
//!     let mut numbers = [ranks.rank() as f64, 1.0];
//!     Exchange::new(ranks).sum(&mut numbers)?;
//!     Ok(numbers)
//! })?;
//! assert_eq!(sums, [[3.0, 3.0]; 3]); // on every rank: 0 + 1 + 2, and 1 + 1 + 1
//! # Ok::<(), polytask::Error>(())
//! ```

mod exchange;
mod jobs;
#[cfg(feature = "mpi")]
mod processes;
mod threads;

use std::fmt::Debug;
use std::sync::Arc;

pub use exchange::Exchange;
pub use jobs::jobs_over;
#[cfg(feature = "persist")]
pub(crate) use jobs::run_jobs_over;
#[cfg(feature = "mpi")]
pub use processes::{ProcessRank, on_processes};
pub use threads::{ThreadRank, on_threads};

use crate::Result;

/// One of several processes that do the same work side by side, and its way to the others: the contract of a transport.
///
/// All ranks call the same methods in the same order with as many bytes; a call returns when the bytes are there. A
/// transport moves bytes and computes nothing with them, so whoever writes one need not think of rounding.
///
/// ```
/// use polytask::Result;
/// use polytask::ranks::{Exchange, Ranks};
///
/// /// Two ranks whose other one says what I say.
/// #[derive(Debug)]
/// struct Echo;
///
/// impl Ranks for Echo {
///     fn rank(&self) -> usize { 0 }
///     fn size(&self) -> usize { 2 }
///     fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
///         all.chunks_exact_mut(own.len()).for_each(|to| to.copy_from_slice(own));
///         Ok(())
///     }
///     fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()> {
///         let block = &send[..send.len() / 2];
///         receive.chunks_exact_mut(block.len()).for_each(|to| to.copy_from_slice(block));
///         Ok(())
///     }
/// }
///
/// let mut numbers = [1.5_f32, 2.0];
/// Exchange::new(Echo).sum(&mut numbers)?;
/// assert_eq!(numbers, [3.0, 4.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Ranks: Debug + Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are, at least 1.
    fn size(&self) -> usize;

    /// Gives every rank what all ranks have: `all` is `size × own.len()` bytes, in the order of the ranks.
    ///
    /// # Errors
    /// [`ErrorKind::Rank`](crate::ErrorKind::Rank) if a rank has left, or has not as many bytes.
    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()>;

    /// Gives every rank a block from each: block r of `send` goes to rank r, block r of `receive` comes from rank r. Both
    /// are `size` blocks of as many bytes.
    ///
    /// # Errors
    /// As [`all_gather`](Self::all_gather).
    fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()>;
}

impl<R: Ranks + ?Sized> Ranks for Arc<R> {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        (**self).all_gather(own, all)
    }

    fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        (**self).all_to_all(send, receive)
    }
}

/// One process by itself: rank 0 of 1.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::ranks::{Alone, Ranks};
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let fit = |trainer: Trainer| -> polytask::Result<Vec<f32>> {
///     let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
///     trainer.steps(5).fit(&mut model, &data)?;
///     Ok(model.parameters().to_vec())
/// };
/// assert_eq!((Alone.rank(), Alone.size()), (0, 1));
/// assert_eq!(fit(Trainer::new(Adam::new(0.01)).ranks(Alone))?, fit(Trainer::new(Adam::new(0.01)))?);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        all.copy_from_slice(own);
        Ok(())
    }

    fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        receive.copy_from_slice(send);
        Ok(())
    }
}
