//! A training that is stopped anywhere, saved and taken up by fresh objects, has the bits of one that never stopped.

use std::fs;
use std::path::Path;

use polytask::GramianScope;
use polytask::balance::{Balance, Needs, Tasks, Weights};
use polytask::prelude::*;
use polytask::train::{History, Run};

use super::aggregates::aggregates;
use super::members::{TASKS, members};
use super::training::{arm, model, trainer};

/// What a training leaves: θ, and every number of the history, with the state of the balance at the end.
type Left = (Vec<u32>, Vec<u64>, String);

fn left(model: &Model<f32>, run: Run<f32>) -> Left {
    let balance = format!("{:?}", run.balancer().map(|balancer| (balancer.state(), balancer.last().clone())));
    let history: &History = run.history();
    let mut numbers: Vec<f64> = history.losses().iter().chain(history.weights()).copied().collect();
    numbers.extend(history.gradient_norms().into_iter().flatten());
    for (low, high) in (0..TASKS).flat_map(|high| (0..high).map(move |low| (low, high))) {
        numbers.extend(history.cosines(low, high).into_iter().flatten());
    }
    for validation in history.validations() {
        numbers.push(validation.step as f64);
        numbers.extend(validation.losses.iter().flatten());
    }
    let theta = model.parameters().iter().map(|x| x.to_bits()).collect();
    (theta, numbers.iter().map(|x| x.to_bits()).collect(), balance)
}

/// A batch of 64 of 300 rows: an epoch is 5 steps. Stops after the first step, in the middle of an epoch, at
/// its end, and in the next.
const STOPS: [u64; 4] = [1, 3, 5, 8];

fn go_on(
    trainer: &Trainer,
    mut run: Run<f32>,
    model: &mut Model<f32>,
    mut at_stop: impl FnMut(u64, &Run<f32>, &Model<f32>),
) -> Run<f32> {
    let (data, validation) = (arm(), arm());
    let mut workspace = run.workspace(model, Some(&validation));
    assert!(!run.is_finished(), "{trainer:?}");
    while !run.is_finished() {
        run.step(model, &data, &mut workspace).expect("a step");
        if run.ends_epoch() {
            run.validate(model, &validation, &mut workspace).expect("a validation");
        }
        let step = run.history().n_steps();
        if STOPS.contains(&step) {
            at_stop(step, &run, model);
        }
    }
    run
}

/// The steps after which a resumed training differs from one that was not stopped.
fn differences(folder: &Path, trainer: &Trainer) -> Vec<u64> {
    let trainer = trainer.clone().steps(11);
    let weights = [1.0, 0.5, 2.0, 1.0];
    let file = |step: u64| folder.join(format!("{step}.safetensors"));
    let mut straight = model(weights);
    let run = trainer.start(&straight, &arm()).expect("a run");
    straight.fit_scaling(&arm()).expect("data");
    let run =
        go_on(&trainer, run, &mut straight, |step, run, model| run.save(model, file(step)).expect("a file"));
    let straight = left(&straight, run);
    let differs = |step: &u64| {
        let mut resumed = model(weights);
        let run = trainer.resume(&mut resumed, &arm(), file(*step)).expect("a checkpoint");
        let run = go_on(&trainer, run, &mut resumed, |_, _, _| ());
        left(&resumed, run) != straight
    };
    STOPS.into_iter().filter(differs).collect()
}

fn in_folder(name: &str, test: impl FnOnce(&Path)) {
    let folder = std::env::temp_dir().join(format!("polytask-resuming-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    test(&folder);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_method_goes_on_bit_for_bit() {
    in_folder("methods", |folder| {
        let balances = members().into_iter().flat_map(|member| {
            let nested = member.method.clone().every(2).smoothed(0.5);
            [trainer().balance(member.method), trainer().balance(nested)]
        });
        let aggregates = aggregates().into_iter().map(|(method, _)| trainer().aggregate(method));
        let over = [GramianScope::Representation, GramianScope::Sketch { sums: 2, seed: 1 }];
        let over = over.map(|over| trainer().balance(polytask::balance::GradNorm::new()).balance_over(over));
        for trainer in balances.chain(aggregates).chain(over).chain([trainer()]) {
            let differences = differences(folder, &trainer);
            assert!(differences.is_empty(), "{trainer:?} after {differences:?} steps");
        }
    });
}

/// Counts its steps and weighs the first task by the count.
#[derive(Clone, Debug, Default)]
struct Counter<const FORGETS: bool> {
    steps: Vec<f64>,
}

impl<const FORGETS: bool> Balance for Counter<FORGETS> {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn weigh(&mut self, _: &mut Tasks<'_>, weights: &mut Weights) {
        self.steps.resize(1, 0.0);
        self.steps[0] += 1.0;
        weights.shared[0] = self.steps[0];
        weights.scale_heads();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        if FORGETS { Vec::new() } else { vec![("steps", &mut self.steps)] }
    }
}

/// The check above finds a method that does not list all it carries.
#[test]
fn a_forgotten_list_is_found() {
    in_folder("forgotten", |folder| {
        assert!(differences(folder, &trainer().balance(Counter::<false>::default())).is_empty());
        assert_eq!(differences(folder, &trainer().balance(Counter::<true>::default())), STOPS);
    });
}
