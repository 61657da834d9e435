//! Tables of vectors: a step of LazyAdam beside one of Adam, and the Gramian of two tasks from the sums of each index beside
//! the one from their gradients; on one thread, in `f32`.
//!
//! A table, 16 numbers, a ReLU layer of 64 and two regressions; batches of 256 rows, steps of `Trainer::fit`. Both take turns,
//! sample by sample, so that what slows the machine down slows both; the ratio that is printed is the median of the samples'
//! ratios.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use polytask::ndarray::Array2;
use polytask::optim::LazyAdam;
use polytask::prelude::*;

const TASKS: [&str; 2] = ["task 0", "task 1"];
const BATCH: usize = 256;

fn table(categories: usize) -> Dataset<f32> {
    let number = |row: usize, column: usize| ((row * 613 + column * 7919 + 1) as f32).sin();
    let rows = 8 * BATCH;
    let x = Array2::from_shape_fn((rows, 17), |(i, j)| match j {
        0 => (i * 48_271 % categories) as f32,
        _ => number(i, j),
    });
    let y = Array2::from_shape_fn((rows, TASKS.len()), |(i, j)| number(i, 17 + j));
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(TASKS));
    data.and_then(|data| data.with_index_columns([("x0", categories)])).expect("a table")
}

fn model(data: &Dataset<f32>, width: usize) -> Model<f32> {
    let layers = [Layer::embedding(data.index_columns(), width), Layer::dense(64, Activation::Relu)];
    let builder = Model::builder(17).trunk(layers);
    let tasks = TASKS.map(Task::regression);
    tasks.into_iter().fold(builder, |builder, task| builder.task(task)).build().expect("valid settings")
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
    (mut own, mut other): (impl FnMut(), impl FnMut()),
) {
    let (mut ratios, mut times) = (Vec::new(), Vec::new());
    let mut benchmarks = criterion.benchmark_group(group);
    benchmarks.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|n| {
            let mut took = [Duration::ZERO; 2];
            // In short turns: what slows the machine down lasts longer.
            let turn = n.div_ceil(8).max(1);
            let mut left = n;
            while left > 0 {
                let turn = turn.min(left);
                left -= turn;
                let timed = |step: &mut dyn FnMut()| {
                    let start = Instant::now();
                    (0..turn).for_each(|_| step());
                    start.elapsed()
                };
                took[0] += timed(&mut own);
                took[1] += timed(&mut other);
            }
            ratios.push(took[1].as_secs_f64() / took[0].as_secs_f64());
            times.push(took[0].as_secs_f64() / n as f64);
            took[0]
        });
    });
    benchmarks.finish();
    for list in [&mut ratios, &mut times] {
        list.sort_by(f64::total_cmp);
    }
    if let (Some(ratio), Some(time)) = (ratios.get(ratios.len() / 2), times.get(times.len() / 2)) {
        let [own, other] = names;
        println!("{group}/{name}: {other} takes {ratio:.2} times as long as {own}, {:.1} µs\n", 1e6 * time);
    }
}

fn steps(criterion: &mut Criterion) {
    for (categories, width) in [(10, 4), (100, 16), (1000, 16), (10_000, 16), (100_000, 16), (1_000_000, 16)]
    {
        let data = table(categories);
        let lazy = step(&data, width, Trainer::new(LazyAdam::new(1e-4)));
        let adam = step(&data, width, Trainer::new(Adam::new(1e-4)));
        let name = format!("{categories} x {width}");
        compare(criterion, "embeddings/step", &name, ["LazyAdam", "Adam"], (lazy, adam));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = steps
}
criterion_main!(benches);
