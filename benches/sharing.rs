//! A training step of each sharing form, beside one of a hard-shared trunk with as many parameters: forward, backward, Adam,
//! on one thread, in `f32`.
//!
//! The trunk is one layer, of the width that comes nearest to the form's parameters. Both take turns, sample by sample, so
//! that what slows the machine down slows both; the ratio that is printed is the median of the samples' ratios.

mod turns;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use polytask::balance::Weights;
use polytask::ndarray::Array2;
use polytask::optim::Optimizer;
use polytask::prelude::*;
use polytask::sharing::ProgressiveExtraction;
use turns::in_turns;

const TASKS: [&str; 2] = ["task 0", "task 1"];

fn model(inputs: usize, sharing: Sharing) -> Model<f32> {
    let builder = Model::builder(inputs).sharing(sharing);
    let tasks = TASKS.map(Task::regression);
    tasks.into_iter().fold(builder, |builder, task| builder.task(task)).build().expect("valid settings")
}

fn relu(width: usize) -> [Layer; 1] {
    [Layer::dense(width, Activation::Relu)]
}

/// The trunk whose parameters are nearest in number to `n`.
fn trunk(inputs: usize, n: usize) -> Model<f32> {
    // A unit has a weight for each input and each task, and a bias; each task has a bias.
    let width = (n - TASKS.len()) as f64 / (inputs + TASKS.len() + 1) as f64;
    model(inputs, Sharing::shared_trunk(relu(width.round() as usize)))
}

/// A closure that takes one step by hand.
fn step(mut model: Model<f32>, batch: usize) -> impl FnMut() {
    let number = |row: usize, column: usize| ((row * 613 + column * 7919 + 1) as f32).sin();
    let n = model.n_features();
    let x = Array2::from_shape_fn((batch, n), |(i, j)| number(i, j));
    let y = Array2::from_shape_fn((batch, TASKS.len()), |(i, j)| number(i, n + j));
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(TASKS)).expect("a table");
    let (mut trace, mut gradient) = (model.trace(batch), vec![0.0; model.n_parameters()]);
    let mut adam = Optimizer::new(Adam::new(1e-4), model.n_parameters()).expect("valid settings");
    let ones = Weights::ones(TASKS.len());
    move || {
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        model.backward(&mut trace, &ones, &mut gradient);
        adam.step(model.parameters_mut(), &gradient);
    }
}

/// Forms of experts of `width` units.
fn forms(width: usize) -> Vec<(&'static str, Sharing)> {
    vec![
        ("MMoE, 8 experts", Sharing::mmoe(8, relu(width))),
        ("OMoE, 8 experts", Sharing::omoe(8, relu(width))),
        ("DSelect-k, 2 of 8 experts", Sharing::dselect_k(8, 2, relu(width))),
        ("CGC, 4 + 2 experts", Sharing::cgc(4, 2, relu(width))),
        (
            "PLE, 2 + 1 experts twice",
            ProgressiveExtraction::new(2, 1, relu(width)).level(2, 1, relu(width)).into(),
        ),
        ("AdaTT, 4 experts per task", Sharing::adatt(4, relu(width))),
        ("soft sharing", Sharing::soft(0.1, relu(4 * width))),
        ("cross-stitch", Sharing::cross_stitch(relu(4 * width))),
        ("independent", Sharing::independent(relu(4 * width))),
    ]
}

fn compare(criterion: &mut Criterion) {
    for (name, inputs, width, batch) in
        [("S32", 10, 10, 32), ("S1024", 10, 10, 1024), ("M256", 64, 256, 256), ("M1024", 64, 256, 1024)]
    {
        let mut group = criterion.benchmark_group(format!("sharing/{name}"));
        for (form, sharing) in forms(width) {
            let own = model(inputs, sharing);
            let shared = trunk(inputs, own.n_parameters());
            let sizes = [own.n_parameters(), shared.n_parameters()];
            let measured = in_turns(&mut group, form, step(own, batch), step(shared, batch));
            if let Some((ratio, [_, time])) = measured {
                let ratio = 1.0 / ratio;
                println!(
                    "sharing/{name}/{form}: {ratio:.2} times a trunk of {} parameters ({} here), which takes {:.1} µs\n",
                    sizes[1],
                    sizes[0],
                    1e6 * time
                );
            }
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = compare
}
criterion_main!(benches);
