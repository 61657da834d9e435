//! Tables of vectors: a step of LazyAdam beside one of Adam, and the Gramian of two tasks from the sums of each index beside
//! the one from their gradients; on one thread, in `f32`.
//!
//! A table, 16 numbers, a ReLU layer of 64 and two regressions; batches of 256 rows, steps of `Trainer::fit`. Both take turns,
//! sample by sample, so that what slows the machine down slows both; the ratio that is printed is the median of the samples'
//! ratios.

mod turns;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use polytask::balance::{Evidence, Weights};
use polytask::data::Batch;
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::{Form, Trace};
use turns::in_turns;

const BATCH: usize = 256;

fn table(categories: usize, tasks: usize) -> Dataset<f32> {
    let number = |row: usize, column: usize| ((row * 613 + column * 7919 + 1) as f32).sin();
    let rows = 8 * BATCH;
    let x = Array2::from_shape_fn((rows, 17), |(i, j)| match j {
        0 => (i * 48_271 % categories) as f32,
        _ => number(i, j),
    });
    let y = Array2::from_shape_fn((rows, tasks), |(i, j)| number(i, 17 + j));
    let data =
        Dataset::new(x, y).and_then(|data| data.with_target_names((0..tasks).map(|k| format!("task {k}"))));
    data.and_then(|data| data.with_index_columns([("x0", categories)])).expect("a table")
}

fn model(data: &Dataset<f32>, width: usize) -> Model<f32> {
    let layers = [Layer::embedding(data.index_columns(), width), Layer::dense(64, Activation::Relu)];
    let builder = Model::builder(17).trunk(layers).task(Task::regression("task 0"));
    builder.task(Task::regression("task 1")).build().expect("valid settings")
}

/// A closure that takes one step.
fn step<'a>(data: &'a Dataset<f32>, width: usize, trainer: Trainer) -> impl FnMut() + 'a {
    let mut model = model(data, width);
    let trainer = trainer.batch_size(BATCH).steps(u64::MAX).threads(1);
    let mut run = trainer.start(&model, data).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    move || run.step(&mut model, data, &mut workspace).expect("a finite loss")
}

/// Measures `own` beside `other`, and prints how many times as long the other takes.
fn compare(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    names: [&str; 2],
    (own, other): (impl FnMut(), impl FnMut()),
) {
    let mut benchmarks = criterion.benchmark_group(group);
    let measured = in_turns(&mut benchmarks, name, own, other);
    benchmarks.finish();
    if let Some((ratio, [time, _])) = measured {
        let [own, other] = names;
        println!("{group}/{name}: {other} takes {ratio:.2} times as long as {own}, {:.1} µs\n", 1e6 * time);
    }
}

fn steps(criterion: &mut Criterion) {
    for (categories, width) in [(10, 4), (100, 16), (1000, 16), (10_000, 16), (100_000, 16), (1_000_000, 16)]
    {
        let data = table(categories, 2);
        let lazy = step(&data, width, Trainer::new(LazyAdam::new(1e-4)));
        let adam = step(&data, width, Trainer::new(Adam::new(1e-4)));
        let name = format!("{categories} x {width}");
        compare(criterion, "embeddings/step", &name, ["LazyAdam", "Adam"], (lazy, adam));
    }
}

/// A closure that computes the Gramian and then the gradient of a weighted sum, in this form or the one that is chosen.
fn gramian<'a>(data: &'a Dataset<f32>, tasks: usize, form: Option<Form>) -> impl FnMut() + 'a {
    let builder = Model::builder(17).trunk([Layer::embedding(data.index_columns(), 16)]);
    let task = |k: usize| Task::regression(format!("task {k}"));
    let model = (0..tasks).fold(builder, |builder, k| builder.task(task(k)));
    let model = model.build::<f32>().expect("valid settings");
    let mut trace = model.trace(BATCH);
    trace = form.into_iter().fold(trace, Trace::gramian_form);
    let (weights, mut gradient) = (Weights::ones(tasks), vec![0.0; model.n_parameters()]);
    let rows: Vec<usize> = (0..BATCH).collect();
    move || {
        model.forward(&Batch { dataset: data, rows: &rows }, &mut trace).expect("a batch that fits");
        model.evidence(&mut trace).gramian();
        model.backward(&mut trace, &weights, &mut gradient);
    }
}

fn gramians(criterion: &mut Criterion) {
    for (categories, tasks) in
        [(10, 2), (100, 2), (1000, 2), (1000, 8), (10_000, 8), (100_000, 2), (100_000, 8)]
    {
        let data = table(categories, tasks);
        let pair = (gramian(&data, tasks, None), gramian(&data, tasks, Some(Form::Direct)));
        let name = format!("{categories} x 16, {tasks} tasks");
        compare(criterion, "embeddings/gramian", &name, ["the form that is chosen", "the direct form"], pair);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = steps, gramians
}
criterion_main!(benches);
