//! Jobs that know nothing of each other, dealt to ranks.

#[cfg(feature = "persist")]
use std::sync::Arc;

use super::{Exchange, Ranks};
use crate::Result;
#[cfg(feature = "persist")]
use crate::kernel::run_jobs;

/// What `job` makes of each of `0 .. n_jobs`, on every rank and in order: rank r of n does the jobs r, r + n, r + 2n and so
/// on, and the results, which are bytes, go to all.
///
/// If a job depends on its number alone, the results are the same on any number of ranks.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::ranks::{Alone, jobs_over, on_threads};
///
/// let data = datasets::robot_arm::<f32>(100, 0.05, 1);
/// let job = |seed: usize| {
///     let mut model = Model::builder(10).task(Task::regression("elbow")).seed(seed as u64).build::<f32>()?;
///     Trainer::new(Adam::new(0.01)).epochs(2).fit(&mut model, &data)?;
///     Ok(model.evaluate(&data)?["elbow"].loss.to_le_bytes().to_vec())
/// };
/// let over_three = on_threads(3, |ranks| jobs_over(ranks, 4, job))?;
/// assert_eq!(over_three[2], jobs_over(Alone, 4, job)?);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// Those of the jobs, on every rank; [`ErrorKind::Rank`](crate::ErrorKind::Rank) if a rank has left.
pub fn jobs_over(
    ranks: impl Ranks + 'static,
    n_jobs: usize,
    mut job: impl FnMut(usize) -> Result<Vec<u8>>,
) -> Result<Vec<Vec<u8>>> {
    let mut exchange = Exchange::new(ranks);
    let own = (exchange.rank()..n_jobs).step_by(exchange.size()).map(&mut job).collect();
    gather_jobs(&mut exchange, n_jobs, own)
}

/// Gives every rank the results of all jobs, in order, from its own.
fn gather_jobs(exchange: &mut Exchange, n_jobs: usize, own: Result<Vec<Vec<u8>>>) -> Result<Vec<Vec<u8>>> {
    let (own, size) = (exchange.agree(own)?, exchange.size());
    let mut results = Vec::with_capacity(n_jobs);
    for round in 0..n_jobs.div_ceil(size) {
        let of_round = exchange.gather_bytes(own.get(round).map_or(&[], |bytes| bytes))?;
        results.extend(of_round.into_iter().take(n_jobs - round * size));
    }
    Ok(results)
}

/// [`run_jobs`] over ranks, each of which does every nth job, on that many threads, and tells the others what came of it.
#[cfg(feature = "persist")]
pub(crate) fn run_jobs_over<T: Send>(
    ranks: &Arc<dyn Ranks>,
    n_jobs: usize,
    n_threads: usize,
    job: impl Fn(usize) -> Result<T> + Sync,
    to_bytes: impl Fn(&T) -> Result<Vec<u8>>,
    from_bytes: impl Fn(&[u8]) -> Result<T>,
) -> Result<Vec<T>> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let own = (rank..n_jobs).step_by(size).len();
    let done = run_jobs(own, n_threads, |at| job(rank + at * size));
    let own = done.and_then(|done| done.iter().map(to_bytes).collect());
    let all = gather_jobs(&mut Exchange::new(Arc::clone(ranks)), n_jobs, own)?;
    all.iter().map(|bytes| from_bytes(bytes)).collect()
}
