//! Predicting: one row at a time, and whole batches. Throughputs are rows per second.
//!
//! `in place` works in a trace and in buffers of the caller and allocates nothing: `forward_features`, then
//! `predict_task` for each task. `predict` is `Model::predict`, which takes its memory anew.

mod sizes;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polytask::Scalar;
use polytask::ndarray::Array2;

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
        group.bench_function(BenchmarkId::new("in place", threads), |bencher| {
            bencher.iter(|| {
                model.forward_features(black_box(data.features()), &mut trace).expect("features that fit");
                for (task, to) in predictions.iter_mut().enumerate() {
                    model.predict_task(task, &trace, to.view_mut());
                }
                black_box(&predictions);
            });
        });
    }
    group.bench_function("predict", |bencher| {
        bencher.iter(|| black_box(model.predict(black_box(data.features())).expect("features that fit")));
    });
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
