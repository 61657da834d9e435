//! Independent jobs on several threads; the results do not depend on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Result;

/// The results of `job` for `0 .. n_jobs`, in order, computed on up to `n_threads` threads.
///
/// Jobs are started in order, and none after one has failed: the error is that of the first that fails, whatever the
/// number of threads.
pub(crate) fn run_jobs<T: Send>(
    n_jobs: usize,
    n_threads: usize,
    job: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let done: Mutex<Vec<Option<Result<T>>>> = Mutex::new((0..n_jobs).map(|_| None).collect());
    run_until_false(n_jobs, n_threads, &|at| {
        let result = job(at);
        let is_ok = result.is_ok();
        done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
        is_ok
    });
    // Jobs that were not started come after the first that failed.
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

/// Runs jobs whose results are kept elsewhere; none is started after one of them has returned false.
fn run_until_false(n_jobs: usize, n_threads: usize, job: &(dyn Fn(usize) -> bool + Sync)) {
    let (next, n_begun) = (AtomicUsize::new(0), AtomicUsize::new(n_jobs));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= n_begun.load(Ordering::Relaxed) {
                break;
            }
            if !job(at) {
                n_begun.fetch_min(at, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..n_threads.min(n_jobs) {
            scope.spawn(work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};

    #[test]
    fn results_are_in_order_and_the_first_error_is_reported() {
        for n_threads in [1, 2, 5, 40] {
            let squares = run_jobs(20, n_threads, |i| Ok(i * i)).unwrap();
            assert_eq!(squares, (0..20).map(|i| i * i).collect::<Vec<_>>());
            let fails = |i: usize| match i {
                7 | 8 | 19 => Err(Error::new(ErrorKind::Value, format!("job {i}"), "success", "failure")),
                _ => Ok(i),
            };
            let error = run_jobs(20, n_threads, fails).unwrap_err();
            assert!(error.to_string().starts_with("job 7:"), "{error}");
            assert_eq!(run_jobs(0, n_threads, Ok).unwrap(), [0; 0]);
        }
    }
}
