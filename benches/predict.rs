//! Predicting: one row at a time, and whole batches. Throughputs are rows per second.
//!
//! `predict_into` works in a trace and in matrices of the caller and allocates nothing; the number beside it is that of
//! its threads. `shared` is one model in two threads that predict at the same time, each in a trace of its own: its
//! throughput is that of both. `predict` is `Model::predict`, which takes its memory anew.

mod sizes;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polytask::Scalar;
use polytask::ndarray::Array2;
use polytask::prelude::*;

use sizes::Size;

fn predict<F: Scalar>(criterion: &mut Criterion, size: &Size, rows: usize, threads: &[usize]) {
    let model = size.model::<F>().expect("valid settings");
    let data = size.table::<F>(rows).expect("a table");
    let mut group = criterion.benchmark_group(format!("predict/{}/{}/{rows} rows", F::NAME, size.name));
    group.throughput(Throughput::Elements(rows as u64));
    for &threads in threads {
        let mut trace = model.trace(rows).threads(threads);
        let mut predictions: Vec<Array2<F>> =
            (0..size.tasks).map(|task| Array2::zeros((rows, model.prediction_width(task)))).collect();
        let mut views: Vec<_> = predictions.iter_mut().map(|to| to.view_mut()).collect();
        group.bench_function(BenchmarkId::new("predict_into", threads), |bencher| {
            bencher.iter(|| {
                model.predict_into(black_box(data.features()), &mut trace, &mut views).expect("a prediction");
                black_box(&views);
            });
        });
    }
    group.bench_function("predict", |bencher| {
        bencher.iter(|| black_box(model.predict(black_box(data.features())).expect("features that fit")));
    });
    group.throughput(Throughput::Elements(2 * rows as u64));
    group.bench_function("shared", |bencher| {
        bencher.iter_custom(|n| predict_in_two_threads(&model, &data, n))
    });
}

/// How long two threads take that predict the table `n` times each.
fn predict_in_two_threads<F: Scalar>(model: &Model<F>, data: &Dataset<F>, n: u64) -> Duration {
    let start = Barrier::new(3);
    let worker = || {
        let mut trace = model.trace(data.n_rows());
        let widths = (0..model.tasks().len()).map(|task| model.prediction_width(task));
        let mut predictions: Vec<Array2<F>> =
            widths.map(|width| Array2::zeros((data.n_rows(), width))).collect();
        let mut views: Vec<_> = predictions.iter_mut().map(|to| to.view_mut()).collect();
        start.wait();
        for _ in 0..n {
            model.predict_into(black_box(data.features()), &mut trace, &mut views).expect("a prediction");
            black_box(&views);
        }
    };
    thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        start.wait();
        let begun = Instant::now();
        workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
        begun.elapsed()
    })
}

fn all<F: Scalar>(criterion: &mut Criterion) {
    let small = Size::small("S", 32);
    predict::<F>(criterion, &small, 1, &[1]);
    predict::<F>(criterion, &Size::medium(), 1, &[1]);
    predict::<F>(criterion, &Size::medium(), 256, &[1, 2]);
    predict::<F>(criterion, &Size::large(), 1024, &[1, 2]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = all::<f32>, all::<f64>
}
criterion_main!(benches);
