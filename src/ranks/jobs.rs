//! Jobs that know nothing of each other, dealt to ranks.

use super::{Exchange, Ranks};
use crate::Result;

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
    let (rank, size) = (exchange.rank(), exchange.size());
    let own: Result<Vec<Vec<u8>>> = (rank..n_jobs).step_by(size).map(&mut job).collect();
    let own = exchange.agree(own)?;
    let mut results = Vec::with_capacity(n_jobs);
    for round in 0..n_jobs.div_ceil(size) {
        let of_round = exchange.gather_bytes(own.get(round).map_or(&[], |bytes| bytes))?;
        results.extend(of_round.into_iter().take(n_jobs - round * size));
    }
    Ok(results)
}
