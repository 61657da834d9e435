//! What balancing costs: a training step with the Gramian of the tasks' gradients beside a plain one.
//!
//! Each measurement takes plain steps and steps with a Gramian in turn, so that a busy machine disturbs both alike,
//! and prints the ratio of their medians. A step is forward, the Gramian, backward with weights of 1, Adam.
//!
//! ```text
//! cargo bench --bench balance
//! ```

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use polytask::balance::{Evidence, Over, Weights};
use polytask::optim::Optimizer;
use polytask::prelude::*;
use polytask::trace::Form;

struct Size {
    name: &'static str,
    batch: usize,
    widths: &'static [usize],
    tasks: usize,
    head: &'static [usize],
    outputs: usize,
}

const M: Size = Size { name: "M", batch: 256, widths: &[64, 256, 256], tasks: 4, head: &[64], outputs: 1 };

const SIZES: [Size; 4] = [
    Size { name: "S", batch: 32, widths: &[10, 10], tasks: 2, head: &[], outputs: 1 },
    Size { name: "M, batch 32", batch: 32, ..M },
    M,
    Size { name: "L", batch: 1024, widths: &[784, 1024, 1024], tasks: 8, head: &[128], outputs: 10 },
];

impl Size {
    fn model(&self) -> Model<f32> {
        let dense = |&width: &usize| Layer::dense(width, Activation::Relu);
        let mut builder = Model::builder(self.widths[0]).trunk(self.widths[1..].iter().map(dense));
        for k in 0..self.tasks {
            let columns = (0..self.outputs).map(|column| format!("y{}", k * self.outputs + column));
            let task = Task::regression(format!("task {k}")).columns(columns);
            builder = builder.task(task.head(self.head.iter().map(dense)));
        }
        builder.build().expect("valid settings")
    }

    fn table(&self) -> Dataset<f32> {
        let number = |row: usize, column: usize| ((row * 613 + column * 7919 + 1) as f32).sin();
        let x = Array2::from_shape_fn((self.batch, self.widths[0]), |(i, j)| number(i, j));
        let targets = self.tasks * self.outputs;
        let y = Array2::from_shape_fn((self.batch, targets), |(i, j)| number(i, 1000 + j));
        Dataset::new(x, y).expect("a table")
    }

    /// A closure that takes one step, with a Gramian or without.
    fn step(&self, threads: usize, gramian: Option<(Over, Option<Form>)>) -> impl FnMut() {
        let (mut model, data) = (self.model(), self.table());
        let mut trace = model.trace(self.batch).threads(threads);
        if let Some((_, Some(form))) = gramian {
            trace = trace.gramian_form(form);
        }
        let mut gradient = vec![0.0; model.n_parameters()];
        let mut adam = Optimizer::new(Adam::new(1e-4), model.n_parameters()).expect("valid settings");
        let ones = Weights::ones(self.tasks);
        move || {
            model.forward(&data.all(), &mut trace).expect("a batch that fits");
            if let Some((over, _)) = gramian {
                std::hint::black_box(model.evidence(&mut trace).over(over).gramian());
            }
            model.backward(&mut trace, &ones, &mut gradient);
            adam.step(model.parameters_mut(), &gradient);
        }
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn steps(criterion: &mut Criterion) {
    let exact = |form| Some((Over::SharedParameters, form));
    let variants = [
        ("exact", exact(None)),
        ("exact, direct form", exact(Some(Form::Direct))),
        ("exact, Gram form", exact(Some(Form::Gram))),
        ("last shared layer", Some((Over::LastSharedLayer, None))),
        ("representation", Some((Over::Representation, None))),
    ];
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("balance/{}", size.name));
        let mut plain = size.step(1, None);
        for (name, gramian) in variants {
            let mut balanced = size.step(1, gramian);
            let [mut without, mut with] = [const { Vec::new() }; 2];
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|n| {
                    let mut total = Duration::ZERO;
                    for _ in 0..n {
                        let start = Instant::now();
                        plain();
                        let middle = Instant::now();
                        balanced();
                        let took = middle.elapsed();
                        without.push((middle - start).as_secs_f64());
                        with.push(took.as_secs_f64());
                        total += took;
                    }
                    total
                });
            });
            if !with.is_empty() {
                let ratio = median(&mut with) / median(&mut without);
                println!("{}, {name}: {ratio:.2} of a plain step", size.name);
            }
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000));
    targets = steps
}
criterion_main!(benches);
