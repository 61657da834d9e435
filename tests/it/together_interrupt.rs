//! A flag that ends trainings ends the comparison: no half-trained model is compared or kept.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use polytask::Result;

use super::estimator_callbacks::Raises;
use polytask::prelude::*;
use polytask::together::TogetherOrApart;
use polytask::train::callback::Interrupt;
use polytask::validation::CrossValidation;

fn settings(callbacks: bool, flag: &Arc<AtomicBool>, threads: usize) -> TogetherOrApart {
    // Five steps for each model, of which a job of `apart` has two.
    let mut trainer = Trainer::new(Adam::new(0.01)).batch_size(8).steps(5);
    if callbacks {
        trainer = trainer.callback(Raises(Arc::clone(flag), Arc::default(), 32));
        trainer = trainer.callback(Interrupt::when(Arc::clone(flag)));
    }
    TogetherOrApart::new(["task0", "task1"].map(Task::regression))
        .hidden([4])
        .trainer(trainer)
        .folds(CrossValidation::new(4).seed(3).threads(threads))
}

#[test]
fn an_interrupt_ends_the_run_and_nothing_half_trained_is_compared() -> Result<()> {
    let data = datasets::related_tasks::<f64>(40, 3, 2, 0.5, 0.1, 1);
    let whole = settings(false, &Arc::default(), 1).run(&data)?;
    for threads in [1, 3] {
        let flag = Arc::new(AtomicBool::new(false));
        let n_told = AtomicUsize::new(0);
        let report = settings(true, &flag, threads).run_observed(&data, |_| {
            n_told.fetch_add(1, Ordering::SeqCst);
            ControlFlow::Continue(())
        })?;
        assert!(!flag.load(Ordering::SeqCst), "the next run is not ended");
        // Fifteen steps for both contenders of a fold: the flag is raised in the third.
        let n_done = 8 - report.missing.len();
        // Nobody is told of a job that is done after another was interrupted.
        let n_told = n_told.load(Ordering::SeqCst);
        assert!(n_told <= n_done && (threads > 1 || n_told == n_done), "{n_told} of {n_done} jobs");
        assert!(if threads == 1 { n_done == 4 } else { (2..8).contains(&n_done) }, "{n_done} jobs");
        assert!(report.failures.is_empty());
        if threads == 1 {
            let comparison = report.comparison.as_ref().expect("two folds");
            assert_eq!(comparison.n_folds, 2);
            for task in ["task0", "task1"] {
                let [found, expected] = [&report, &whole].map(|report| {
                    report.result("together").expect("trained")[task].out_of_fold(0).to_owned()
                });
                for (found, expected) in found.iter().zip(&expected).filter(|(found, _)| !found.is_nan()) {
                    assert_eq!(found, expected);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_was_interrupted_is_not_kept() -> Result<()> {
    let data = datasets::related_tasks::<f64>(40, 3, 2, 0.5, 0.1, 1);
    let folder = std::env::temp_dir().join(format!("polytask-interrupt-{}", std::process::id()));
    let flag = Arc::new(AtomicBool::new(false));
    let stopped = settings(true, &flag, 1).keep_in(&folder).run(&data)?;
    let n_files = std::fs::read_dir(&folder).expect("it was made").count();
    assert_eq!((stopped.missing.len(), n_files), (4, 4));
    std::fs::remove_dir_all(&folder).expect("it is there");
    Ok(())
}
