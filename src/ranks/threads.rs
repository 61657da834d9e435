//! Ranks that are threads of one process: for tests, and to learn with where there is no MPI.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::Ranks;
use crate::kernel::MOST_THREADS;
use crate::{Error, ErrorKind, Result};

/// Runs `work` on `n` threads, each a rank, and returns what comes of it, in the order of the ranks.
///
/// A rank that ends early, with an error or a panic, ends the others at their next exchange.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::ranks::on_threads;
///
/// let data = datasets::robot_arm::<f64>(200, 0.05, 1);
/// let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).epochs(3);
/// let build = || Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]).task(Task::regression("elbow")).build();
/// let mut alone: Model<f64> = build()?;
/// trainer.fit(&mut alone, &data)?;
/// let models = on_threads(4, |ranks| {
///     let mut model: Model<f64> = build()?;
///     trainer.clone().ranks(ranks).fit(&mut model, &data)?;              // eight rows of each batch
///     Ok(model)
/// })?;
/// assert!(models.iter().all(|model| model.parameters() == models[0].parameters())); // to the bit
/// let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
/// assert!(models[0].parameters().iter().zip(alone.parameters()).all(near));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// That of the first rank with one of its own; [`ErrorKind::Setting`] if there are no ranks, or too many.
pub fn on_threads<T: Send>(n: usize, work: impl Fn(ThreadRank) -> Result<T> + Sync) -> Result<Vec<T>> {
    if n == 0 || n > MOST_THREADS {
        let expected = format!("1 to {MOST_THREADS}");
        return Err(Error::new(ErrorKind::Setting, "ranks that are threads", expected, n));
    }
    let shared = Arc::new(Shared {
        sent: (0..n).map(|_| RwLock::default()).collect(),
        meeting: Mutex::new(Meeting { arrived: 0, number: 0, left: None }),
        has_changed: Condvar::new(),
    });
    let run = |rank: usize| {
        let leaving = Leaving { rank, shared: Arc::clone(&shared) };
        let result = work(ThreadRank { rank, shared: Arc::clone(&shared) });
        drop(leaving);
        result
    };
    let run = &run;
    let results: Vec<Result<T>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..n).map(|rank| scope.spawn(move || run(rank))).collect();
        let first = run(0);
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<T>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(first).chain(others.into_iter().map(join)).collect()
    });
    // What ended the others is not that one has left, but why it has.
    let is_own = |result: &Result<T>| result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Rank);
    match results.iter().position(is_own) {
        Some(at) => Err(results.into_iter().nth(at).and_then(Result::err).expect("an error")),
        None => results.into_iter().collect(),
    }
}

/// A rank that is a thread: see [`on_threads`].
#[derive(Clone)]
pub struct ThreadRank {
    rank: usize,
    shared: Arc<Shared>,
}

impl fmt::Debug for ThreadRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadRank({} of {})", self.rank, self.size())
    }
}

/// What the threads have in common.
struct Shared {
    /// What each rank sends.
    sent: Vec<RwLock<Vec<u8>>>,
    meeting: Mutex<Meeting>,
    has_changed: Condvar,
}

/// Where all wait for all.
struct Meeting {
    arrived: usize,
    /// How many meetings there have been.
    number: u64,
    /// The first rank that has left for good.
    left: Option<usize>,
}

impl Meeting {
    /// Fails if a rank will not come any more.
    fn check(&self) -> Result<()> {
        let Some(left) = self.left else { return Ok(()) };
        let expected = "an exchange with the others";
        Err(Error::new(ErrorKind::Rank, format!("rank {left}"), expected, "that it has ended"))
    }
}

/// Tells the others when a rank is gone, however it went.
struct Leaving {
    rank: usize,
    shared: Arc<Shared>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.meeting().left.get_or_insert(self.rank);
        self.shared.has_changed.notify_all();
    }
}

impl Shared {
    fn meeting(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every rank is here.
    fn meet(&self) -> Result<()> {
        let mut meeting = self.meeting();
        let number = meeting.number;
        meeting.check()?;
        meeting.arrived += 1;
        if meeting.arrived == self.sent.len() {
            (meeting.arrived, meeting.number) = (0, number + 1);
            self.has_changed.notify_all();
            return Ok(());
        }
        while meeting.number == number {
            meeting.check()?;
            meeting = self.has_changed.wait(meeting).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl ThreadRank {
    /// Lays `send` out for all, and reads from each rank's what `read` takes.
    fn exchange(&self, send: &[u8], mut read: impl FnMut(usize, &[u8])) -> Result<()> {
        let Shared { sent, .. } = &*self.shared;
        {
            let mut own = sent[self.rank].write().unwrap_or_else(PoisonError::into_inner);
            own.clear();
            own.extend_from_slice(send);
        }
        self.shared.meet()?;
        let mut result = Ok(());
        for (rank, bytes) in sent.iter().enumerate() {
            let bytes = bytes.read().unwrap_or_else(PoisonError::into_inner);
            if bytes.len() == send.len() {
                read(rank, &bytes);
            } else if result.is_ok() {
                let expected = format!("{} bytes, as rank {} sends", send.len(), self.rank);
                result = Err(Error::new(ErrorKind::Rank, format!("rank {rank}"), expected, bytes.len())
                    .advise("all ranks must do the same work in the same order"));
            }
        }
        // Nobody sends anew before all have read.
        self.shared.meet()?;
        result
    }
}

impl Ranks for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.sent.len()
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        self.exchange(own, |rank, bytes| {
            all[rank * bytes.len()..(rank + 1) * bytes.len()].copy_from_slice(bytes);
        })
    }

    fn all_to_all(&self, send: &[u8], receive: &mut [u8]) -> Result<()> {
        let (own, block) = (self.rank, send.len() / self.size());
        self.exchange(send, |rank, bytes| {
            receive[rank * block..(rank + 1) * block].copy_from_slice(&bytes[own * block..(own + 1) * block]);
        })
    }
}
