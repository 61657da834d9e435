//! A callback that ends a network ends the fit, with the same networks on any number of threads; a flag ends all of them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use polytask::estimator::{Fitted, Regression, Stopped};
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::train::Progress;
use polytask::train::callback::{AnyModel, Callback, Controls, EarlyStopping, Event, Interrupt};
use polytask::{Error, ErrorKind, Result, Warning};

fn x() -> Array2<f64> {
    Array2::from_shape_fn((60, 2), |(i, j)| ((i * (2 * j + 3)) % 19) as f64 / 19.0)
}

fn settings() -> MultiTaskRegressor {
    MultiTaskRegressor::new().hidden([6]).members(6).folds(3).epochs(12).patience(99).seed(4)
}

/// Ends a training after some steps if the loss of the first step is one of these: so that it is known which network it is,
/// on whichever thread.
#[derive(Clone, Debug)]
struct EndsSome {
    first_losses: Arc<Vec<f64>>,
    is_one: bool,
    fails: bool,
}

impl Callback for EndsSome {
    fn name(&self) -> &'static str {
        "ends_some"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Step && at.step == 1 {
            self.is_one = self.first_losses.contains(&at.losses[0]);
        }
        match event == Event::Step && at.step == 5 && self.is_one {
            true if self.fails => Err(Error::new(ErrorKind::Value, "step", "luck", "none")),
            true => Ok(ControlFlow::Break(())),
            false => Ok(ControlFlow::Continue(())),
        }
    }
}

/// Writes down the loss of the first step of each training.
#[derive(Clone, Debug, Default)]
struct FirstLosses(Arc<Mutex<Vec<f64>>>);

impl Callback for FirstLosses {
    fn name(&self) -> &'static str {
        "first_losses"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Step && at.step == 1 {
            self.0.lock().unwrap().push(at.losses[0]);
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn parameters(model: &Fitted<Regression, f64>) -> Vec<Vec<f64>> {
    model.members().iter().map(|member| member.parameters().to_vec()).collect()
}

#[test]
fn the_same_networks_on_any_number_of_threads() -> Result<()> {
    let x = x();
    let losses = FirstLosses::default();
    let whole = settings().threads(1).callback(losses.clone()).fit(&x, &x)?;
    assert_eq!((whole.stopped(), whole.warnings().len()), (None, 0));
    let losses = losses.0.lock().unwrap().clone();
    assert_eq!(losses.len(), 6);
    let all = parameters(&whole);
    for (ended, n_complete) in [(&[3][..], 3), (&[1, 4], 1), (&[5], 5), (&[0, 2], 0)] {
        let first_losses = Arc::new(ended.iter().map(|&m: &usize| losses[m]).collect());
        let callback = EndsSome { first_losses, is_one: false, fails: false };
        let mut found: Vec<Vec<Vec<f64>>> = Vec::new();
        for threads in [1, 2, 6] {
            let model = settings().threads(threads).callback(callback.clone()).fit(&x, &x)?;
            let by = "ends_some".to_owned();
            assert_eq!(model.stopped(), Some(&Stopped { by, n_complete, wanted: 6 }), "{threads} threads");
            found.push(parameters(&model));
            let members = model.members().len();
            assert_eq!(members, n_complete.max(1));
            let expected = Warning::FewerMembers {
                stopped_by: "ends_some".into(),
                members,
                wanted: 6,
                are_complete: n_complete > 0,
            };
            assert_eq!(model.warnings(), [expected]);
            // It goes with the estimator.
            let loaded = MultiTaskRegressor::from_bytes::<f64>(&model.to_bytes()?)?;
            assert_eq!((loaded.stopped(), loaded.warnings()), (model.stopped(), model.warnings()));
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
        if n_complete > 0 {
            assert_eq!(found[0], all[..n_complete]); // whole networks, as without the callback
        }
        // A failure is one, unless it comes after the end.
        let fails = EndsSome { fails: true, ..callback };
        for threads in [1, 3] {
            let error = settings().threads(threads).callback(fails.clone()).fit(&x, &x).unwrap_err();
            assert_eq!(error.to_string(), "step: expected luck, found none");
        }
    }
    Ok(())
}

#[test]
fn an_early_stopping_of_ones_own_ends_its_network_alone() -> Result<()> {
    let model = settings().callback(EarlyStopping::new().patience(1)).fit(&x(), &x())?;
    assert_eq!((model.members().len(), model.stopped()), (6, None));
    let classes = x().mapv(|x| (2.0 * x).floor());
    let settings =
        MultiTaskClassifier::new().hidden([4]).members(2).epochs(2).callback(FirstLosses::default());
    assert_eq!(settings.fit(&x(), &classes)?.members().len(), 2);
    Ok(())
}

/// Raises a flag at some step of all trainings together. They wait for each other, so that none takes a step between.
#[derive(Clone, Debug)]
pub struct Raises(pub Arc<AtomicBool>, pub Arc<Mutex<usize>>, pub usize);

impl Callback for Raises {
    fn name(&self) -> &'static str {
        "raises"
    }

    fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Step {
            let mut n_steps = self.1.lock().unwrap();
            *n_steps += 1;
            if *n_steps == self.2 {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_flag_ends_all_trainings_under_way_and_is_lowered_by_the_last() -> Result<()> {
    let x = x();
    for threads in [1, 2, 6] {
        let (flag, n_steps) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
        let endless = settings().epochs(100_000).threads(threads);
        let model = endless
            .callback(Raises(Arc::clone(&flag), Arc::clone(&n_steps), 40))
            .callback(Interrupt::when(Arc::clone(&flag)))
            .fit(&x, &x)?;
        assert_eq!(
            model.stopped().map(|stopped| stopped.by.as_str()),
            Some("interrupt"),
            "{threads} threads"
        );
        assert_eq!(model.members().len(), 1);
        assert!(model.predict(&x)?.iter().all(|y| y.is_finite()));
        // Each of the others took one step more at most, and the next training is not ended.
        let n_steps = *n_steps.lock().unwrap();
        assert!((40..=45).contains(&n_steps), "{n_steps} steps");
        assert!(!flag.load(Ordering::SeqCst));
    }
    Ok(())
}

/// At the start of a training.
#[derive(Clone, Debug)]
enum AtStart {
    /// Writes down θ.
    WritesDown(Arc<Mutex<Vec<Vec<f64>>>>),
    /// If θ is this, waits until another training has ended.
    Waits(Vec<f64>, Arc<AtomicBool>),
}

impl Callback for AtStart {
    fn name(&self) -> &'static str {
        "at_start"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        let AnyModel::F64(model) = at.model else { unreachable!("the tables are of f64") };
        match self {
            Self::WritesDown(all) if event == Event::Start => {
                all.lock().unwrap().push(model.parameters().to_vec());
            }
            Self::Waits(theta, has_ended) if event == Event::Start && model.parameters() == theta => {
                while !has_ended.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Raises a flag when a training has ended.
#[derive(Clone, Debug)]
struct SaysEnded(Arc<AtomicBool>);

impl Callback for SaysEnded {
    fn name(&self) -> &'static str {
        "says_ended"
    }

    fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::End {
            self.0.store(true, Ordering::SeqCst);
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_flag_ends_a_network_that_begins_when_all_others_have_ended() -> Result<()> {
    let (x, starts) = (x(), Arc::default());
    let settings = settings().members(2).threads(2);
    settings.clone().threads(1).callback(AtStart::WritesDown(Arc::clone(&starts))).fit(&x, &x)?;
    let first = starts.lock().unwrap()[0].clone();
    let (flag, n_steps) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
    let has_ended = Arc::new(AtomicBool::new(false));
    let model = settings
        .epochs(100_000)
        .callback(AtStart::Waits(first, Arc::clone(&has_ended)))
        .callback(Raises(Arc::clone(&flag), Arc::clone(&n_steps), 40))
        .callback(Interrupt::when(Arc::clone(&flag)))
        .callback(SaysEnded(has_ended))
        .fit(&x, &x)?;
    assert_eq!(model.stopped(), Some(&Stopped { by: "interrupt".into(), n_complete: 0, wanted: 2 }));
    assert_eq!(*n_steps.lock().unwrap(), 41);
    assert!(!flag.load(Ordering::SeqCst));
    Ok(())
}

#[test]
fn a_training_that_fails_lowers_the_flag_too() -> Result<()> {
    let data = datasets::robot_arm::<f64>(40, 0.05, 1);
    let flag = Arc::new(AtomicBool::new(false));
    let interrupt = Interrupt::when(Arc::clone(&flag));
    let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    let fails = EndsSome { first_losses: Arc::new(Vec::new()), is_one: true, fails: true };
    #[derive(Clone, Debug)]
    struct Fails(EndsSome, Arc<AtomicBool>);
    impl Callback for Fails {
        fn name(&self) -> &'static str {
            self.0.name()
        }
        fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
            match event {
                Event::Step => {
                    self.1.store(true, Ordering::SeqCst);
                    Err(Error::new(ErrorKind::Value, "step", "luck", "none"))
                }
                _ => Ok(ControlFlow::Continue(())),
            }
        }
    }
    let trainer = Trainer::new(Adam::new(0.1)).steps(5);
    let failing = trainer.clone().callback(interrupt.clone()).callback(Fails(fails, Arc::clone(&flag)));
    assert!(failing.fit(&mut model, &data).is_err());
    assert!(!flag.load(Ordering::SeqCst));
    assert_eq!(trainer.callback(interrupt).fit(&mut model, &data)?.n_steps(), 5);
    Ok(())
}
