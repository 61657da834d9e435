//! A step that cannot be taken leaves θ as it was, on any number of threads; a training that has ended stays so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polytask::balance::GradDrop;
use polytask::loss::Loss;
use polytask::ndarray::Array2;
use polytask::optim::{LazyAdam, Optimizer, Rule, RuleSettings, Step, UpdateRule, global_norm};
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::train::callback::{Budget, EarlyStopping, Interrupt, each_step};
use polytask::{ErrorKind, Scalar};
use std::ops::ControlFlow;

/// Features of which one is so large that its gradients overflow `f32` though the losses do not.
fn overflowing() -> Dataset<f32> {
    let feature = |(i, j): (usize, usize)| if j == 3 { 1e30 } else { 1.0 } * ((i * 3 + j) as f32).sin();
    let data = Dataset::new(Array2::from_shape_fn((64, 16), feature), Array2::zeros((64, 2)));
    data.and_then(|data| data.with_target_names(["one", "two"])).unwrap()
}

/// A network that is large enough for several threads and several pieces.
fn model() -> Model<f32> {
    let task = |name| Task::new(name, Loss::mean_absolute_error()).weight(1e10);
    let builder = Model::builder(16).trunk([Layer::dense(4000, Activation::Identity)]);
    builder.task(task("one")).task(task("two")).build().unwrap()
}

#[test]
fn a_gradient_that_is_not_finite_moves_nothing_on_any_number_of_threads() {
    let data = overflowing();
    let sgd = Trainer::new(Sgd::new(1e-3)).batch_size(64).steps(3);
    for trainer in [
        sgd.clone(),
        Trainer::new(Adam::new(1e-3)).batch_size(64).steps(3),
        sgd.clone().clip_norm(1.0),
        sgd.clone().aggregate(GradDrop::new(1)),
        sgd.batch_size(16).accumulate(4),
    ] {
        for threads in [1, 2, 4] {
            let mut model = model();
            let before = model.parameters().to_vec();
            let error = trainer.clone().threads(threads).fit(&mut model, &data).unwrap_err();
            assert!(error.to_string().starts_with("gradient at step 1: expected finite numbers"), "{error}");
            let moved = model.parameters().iter().zip(&before).filter(|(now, then)| now != then).count();
            assert_eq!(moved, 0, "{trainer:?}, {threads} threads");
        }
    }
}

#[test]
fn a_step_out_of_the_range_of_numbers_is_an_error() {
    let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    let build = || Model::builder(10).task(Task::regression("elbow")).build::<f32>().unwrap();
    let rules: [Trainer; 4] = [
        Trainer::new(Sgd::new(1e39)),
        Trainer::new(Adam::new(1e39)),
        Trainer::new(AdamW::new(1e39)),
        Trainer::new(LazyAdam::new(1e39)),
    ];
    for trainer in rules {
        let mut model = build();
        let before = model.parameters().to_vec();
        let error = trainer.steps(5).fit(&mut model, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(error.to_string().starts_with("result of the step at step 1: expected finite"), "{error}");
        assert_eq!(model.parameters(), before);
    }
}

/// Moves θ by ten times itself: a rule that says nothing about its bounds.
#[derive(Clone, Debug)]
struct Tenfold;

impl RuleSettings for Tenfold {
    fn name(&self) -> &'static str {
        "tenfold"
    }
    fn learning_rate(&self) -> f64 {
        1.0
    }
    fn n_moments(&self) -> usize {
        1
    }
    fn settings(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    fn check(&self) -> polytask::Result<()> {
        Ok(())
    }
}

impl<F: Scalar> UpdateRule<F> for Tenfold {
    fn update(&self, _: &Step, theta: &mut [F], _: &[F], [moment, _]: [&mut [F]; 2]) {
        moment.copy_from_slice(theta);
        theta.iter_mut().for_each(|theta| *theta *= F::from_f64(10.0));
    }
}

#[test]
fn a_rule_of_which_nothing_is_known_is_taken_back() {
    let mut optimizer = Optimizer::<f32>::from_rule(&Tenfold as &dyn Rule, 3).unwrap();
    let mut theta = [1.0, 2.0, 1e37];
    optimizer.checked_step(&mut theta, &[0.0; 3]).unwrap();
    let (then, moment) = (theta, optimizer.moments()[0].to_vec());
    let error = optimizer.checked_step(&mut theta, &[0.0; 3]).unwrap_err();
    assert!(error.to_string().starts_with("result of the step at step 2"), "{error}");
    assert_eq!((theta, optimizer.moments()[0], optimizer.count()), (then, &moment[..], 1));
}

#[test]
fn long_gradients_are_clipped_and_not_dropped() {
    // The lengths are rounded a few times, each by 1.1e-16.
    let is = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-14;
    let gradient = [3e200_f64, -4e200, 0.0];
    assert!(is(global_norm(&gradient), 5e200) && is(global_norm(&[3e-200_f64, 4e-200]), 5e-200));
    let mut theta = [0.0; 3];
    let mut sgd = Optimizer::new(Sgd::new(1.0), 3).unwrap().clip_norm(5.0).unwrap();
    sgd.checked_step(&mut theta, &gradient).unwrap();
    assert!(is(theta[0], -3.0) && is(theta[1], 4.0) && theta[2] == 0.0, "{theta:?}");
    let before = theta;
    let error = sgd.checked_step(&mut theta, &[1.5e308; 3]).unwrap_err();
    assert!(error.to_string().starts_with("norm of the gradient at step 2"), "{error}");
    assert_eq!(theta, before);
}

#[test]
fn moments_stay_what_a_file_can_hold() {
    let mut adam = Optimizer::new(Adam::new(0.01), 1).unwrap();
    let mut theta = [1.0_f32];
    assert!(adam.checked_step(&mut theta, &[6e20]).is_err(), "its square is no f32");
    assert_eq!((theta, adam.moments(), adam.count()), ([1.0], [&[0.0][..], &[0.0][..]], 0));
    adam.checked_step(&mut theta, &[1e19]).unwrap();
    let [first, second] = adam.moments().map(<[f32]>::to_vec);
    adam.restore([&first, &second], 1).unwrap();
    let error = adam.restore([&first, &[-1.0]], 1).unwrap_err();
    assert!(error.to_string().contains("at least 0"), "{error}");
}

#[test]
fn a_training_that_has_ended_stays_so() {
    let folder = std::env::temp_dir().join(format!("polytask-ended-{}", std::process::id()));
    let (data, validation) = (datasets::robot_arm::<f32>(64, 0.05, 1), datasets::robot_arm(32, 0.05, 2));
    let fit = |name: &str, trainer: Trainer| {
        let folder = folder.join(name);
        let trainer = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
        let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>().unwrap();
        trainer.fit_validated(&mut model, &data, &validation).unwrap().n_steps()
    };
    let trainer = || Trainer::new(Adam::new(0.01)).batch_size(16).steps(40);
    for _ in 0..3 {
        assert_eq!(fit("budget", trainer().callback(Budget::steps(7))), 7);
    }
    assert_eq!(fit("budget", trainer().callback(Budget::steps(9))), 9, "more is there to be used");

    let at_five =
        || each_step(|at| if at.step == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    for _ in 0..3 {
        assert_eq!(fit("function", trainer().callback(at_five())), 5);
    }
    let flag = Arc::new(AtomicBool::new(true));
    assert_eq!(fit("interrupt", trainer().callback(Interrupt::when(Arc::clone(&flag)))), 1);
    assert!(!flag.load(Ordering::Relaxed));
    assert_eq!(fit("interrupt", trainer().callback(Interrupt::when(flag))), 40, "it was only interrupted");

    // Ended before the first validation, with validation data.
    let stopping = || trainer().callback(EarlyStopping::new()).callback(Budget::steps(2));
    assert_eq!([fit("early", stopping()), fit("early", stopping())], [2, 2]);
    assert_eq!(
        [
            fit("steps", trainer().steps(2).callback(EarlyStopping::new())),
            fit("steps", trainer().steps(2).callback(EarlyStopping::new()))
        ],
        [2, 2]
    );
    std::fs::remove_dir_all(folder).unwrap();
}
