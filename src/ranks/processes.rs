//! Ranks that are processes, which MPI starts and joins: on one machine or on many.
//!
//! ```sh
//! cargo build --release --features mpi --example distributed
//! mpirun -n 4 target/release/examples/distributed
//! ```
//! A program that was not started by `mpirun` is rank 0 of 1.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

use super::{Alone, Ranks};
use crate::{Error, ErrorKind, Result};

/// Runs `work` with this process as a rank of MPI, and returns what comes of it.
///
/// MPI begins and ends with it, so a program calls it once, and what it gives to `work` is of no use afterwards. Where
/// `work` ends with an error or a panic, the processes of all ranks are ended, since one that waits for this one would wait for
/// ever; the error is printed before.
///
/// ```no_run
/// use polytask::prelude::*;
/// use polytask::ranks::{Ranks, on_processes};
///
/// fn main() -> polytask::Result<()> {
///     on_processes(|ranks| {
///         let data = datasets::robot_arm::<f32>(4_000, 0.05, 42);        // the same on every rank
///         let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
///         Trainer::new(Adam::new(0.01)).batch_size(512).ranks(ranks.clone()).fit(&mut model, &data)?;
///         if ranks.rank() == 0 {
///             println!("{}", model.evaluate(&data)?);
///         }
///         Ok(())
///     })
/// }
/// ```
///
/// # Errors
/// Those of `work` if there is one rank alone; [`ErrorKind::Rank`] if MPI has been started before, or serves one thread
/// only.
pub fn on_processes<T>(work: impl FnOnce(ProcessRank) -> Result<T>) -> Result<T> {
    let fault = |found: &str| {
        Err(Error::new(ErrorKind::Rank, "MPI", "a library that can be started", found)
            .advise("call on_processes once, and do all the work in it"))
    };
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else {
        return fault("one that has been started");
    };
    if matches!(threading, Threading::Single | Threading::Funneled) {
        return fault("one without support for threads");
    }
    let world = SimpleCommunicator::world();
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let guard = Guard { rank, size, universe: Some(universe) };
    let result = work(ProcessRank { rank, size, turn: Arc::default() });
    guard.end(&result);
    result
}

/// Ends MPI when the work is done, and all processes when it failed.
struct Guard {
    rank: usize,
    size: usize,
    universe: Option<Universe>,
}

impl Guard {
    fn end<T>(mut self, result: &Result<T>) {
        if let (Err(error), true) = (result, self.size > 1) {
            eprintln!("rank {} of {}: {error}", self.rank, self.size);
            SimpleCommunicator::world().abort(1);
        }
        self.universe.take();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.universe.is_some() && self.size > 1 && std::thread::panicking() {
            SimpleCommunicator::world().abort(101);
        }
    }
}

/// A rank that is a process: see [`on_processes`].
#[derive(Clone)]
pub struct ProcessRank {
    rank: usize,
    size: usize,
    /// MPI is told to expect one thread at a time.
    turn: Arc<Mutex<()>>,
}

impl fmt::Debug for ProcessRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessRank({} of {})", self.rank, self.size)
    }
}

impl ProcessRank {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for ProcessRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        if self.size == 1 {
            return Alone.all_gather(own, all);
        }
        let _turn = self.turn();
        SimpleCommunicator::world().all_gather_into(own, all);
        Ok(())
    }

    fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        if self.size == 1 {
            return Alone.all_to_all(send, receive);
        }
        let _turn = self.turn();
        SimpleCommunicator::world().all_to_all_into(send, receive);
        Ok(())
    }
}
