//! A training step: forward, backward, Adam.
//!
//! `by hand` is the loop that the documentation shows, on one batch: `forward`, `backward`, `Optimizer::step`. `fit`
//! is a step of `Trainer::fit` on a shuffled table of eight batches: it gathers rows, makes sure that θ stays finite,
//! and records losses. Throughputs are operations of the products per second, so
//! that Gelem/s reads GFLOP/s.

mod peak;
mod sizes;

use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polytask::Scalar;
use polytask::balance::Weights;
use polytask::optim::Optimizer;
use polytask::prelude::*;

use peak::peak_flops;
use sizes::Size;

/// Small, so that no unit dies however long it is measured.
const RATE: f64 = 1e-4;

/// A closure that takes one step by hand.
fn by_hand<F: Scalar>(size: &Size, threads: usize) -> polytask::Result<impl FnMut()> {
    let (mut model, data) = (size.model::<F>()?, size.table(size.batch)?);
    let mut trace = model.trace(size.batch).threads(threads);
    let mut gradient = vec![F::ZERO; model.n_parameters()];
    let mut adam = Optimizer::new(Adam::new(RATE), model.n_parameters())?;
    let ones = Weights::ones(size.tasks);
    Ok(move || {
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        model.backward(&mut trace, &ones, &mut gradient);
        adam.step(model.parameters_mut(), &gradient);
    })
}

/// A closure that takes one step of `fit`.
fn fit<F: Scalar>(size: &Size, threads: usize) -> polytask::Result<impl FnMut()> {
    let (mut model, data) = (size.model::<F>()?, size.table(8 * size.batch)?);
    let trainer = Trainer::new(Adam::new(RATE)).batch_size(size.batch).threads(threads).steps(u64::MAX);
    let mut run = trainer.start(&model, &data)?;
    let mut workspace = run.workspace(&model, None);
    Ok(move || run.step(&mut model, &data, &mut workspace).expect("a finite loss"))
}

/// Measures a step; returns its median in seconds, or nothing if it was filtered out.
fn measure(
    criterion: &mut Criterion,
    group: &str,
    id: BenchmarkId,
    flops: u64,
    mut step: impl FnMut(),
) -> Option<f64> {
    let mut samples = Vec::new();
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(flops)).bench_function(id, |bencher| {
        bencher.iter_custom(|n| {
            let start = Instant::now();
            (0..n).for_each(|_| step());
            samples.push(start.elapsed().as_secs_f64() / n as f64);
            start.elapsed()
        });
    });
    group.finish();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

fn steps<F: Scalar>(criterion: &mut Criterion) {
    let peaks = [1, 2].map(|threads| peak_flops(threads) / (std::mem::size_of::<F>() as f64 / 4.0));
    println!("peak of {}: {:.1} GFLOP/s on 1 thread, {:.1} on 2", F::NAME, peaks[0] / 1e9, peaks[1] / 1e9);
    for size in [Size::small("S32", 32), Size::small("S1024", 1024), Size::medium(), Size::large()] {
        let group = format!("step/{}/{}", F::NAME, size.name);
        let worth_two = size.flops() > 100_000_000;
        for threads in 1..=2 {
            // `fit` itself does small steps on one thread.
            let hand = worth_two || threads == 1;
            let hand = hand.then(|| by_hand::<F>(&size, threads).expect("valid settings"));
            let hand = hand.and_then(|step| {
                measure(criterion, &group, BenchmarkId::new("by hand", threads), size.flops(), step)
            });
            let step = fit::<F>(&size, threads).expect("valid settings");
            let fit = measure(criterion, &group, BenchmarkId::new("fit", threads), size.flops(), step);
            for (name, seconds) in [("by hand", hand), ("fit", fit)] {
                if let (true, Some(seconds)) = (worth_two, seconds) {
                    let share = size.flops() as f64 / seconds / peaks[threads - 1];
                    println!("{group}/{name}/{threads}: {:.0} % of the peak\n", 100.0 * share);
                }
            }
        }
    }
}

/// How the cost of a step grows, from one network in the middle: 64 features, 4 tasks, 2 layers of 128, 128 rows.
fn growth(criterion: &mut Criterion) {
    let middle = Size { batch: 128, trunk: vec![128; 2], ..Size::medium() };
    let mut grow = |what: &str, values: &[usize], change: fn(&mut Size, usize)| {
        for &value in values {
            let mut size = middle.clone();
            change(&mut size, value);
            let step = fit::<f32>(&size, 1).expect("valid settings");
            measure(
                criterion,
                &format!("growth/{what}"),
                BenchmarkId::from_parameter(value),
                size.flops(),
                step,
            );
        }
    };
    grow("width", &[16, 32, 64, 128, 256, 512], |size, width| size.trunk = vec![width; 2]);
    grow("depth", &[1, 2, 4, 8], |size, depth| size.trunk = vec![128; depth]);
    grow("batch", &[1, 8, 32, 128, 512, 2048], |size, batch| size.batch = batch);
    grow("tasks", &[1, 2, 4, 8, 16], |size, tasks| size.tasks = tasks);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = steps::<f32>, steps::<f64>, growth
}
criterion_main!(benches);
