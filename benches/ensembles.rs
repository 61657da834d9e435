//! A step of a batch ensemble of 32 members beside a step of each of 32 separate networks, in one run.
//!
//! An ensemble multiplies as many rows with weights of the same shape as the networks do; so it saves only what a network
//! does once for a step: the optimiser's pass over the weights, gathering, the calls. It pays for factors and
//! biases of each member, and for activations of 32 times as many rows, which leave the caches. The bound is the time of
//! one plain network on as many rows: an ensemble without factors and with one head for all.
//!
//! ```text
//! cargo bench --bench ensembles
//! ```

use std::time::Instant;

use ndarray::Array2;
use polytask::ModelBuilder;
use polytask::prelude::*;
use polytask::train::{Run, Workspace};

const MEMBERS: usize = 32;

/// A training that is stepped by hand.
struct Training {
    model: Model<f32>,
    run: Run<f32>,
    workspace: Workspace<f32>,
}

impl Training {
    fn new(builder: &ModelBuilder, data: &Dataset<f32>, batch: usize) -> polytask::Result<Self> {
        let model = builder.build::<f32>()?;
        let trainer = Trainer::new(Adam::new(1e-3)).batch_size(batch).steps(u64::MAX).threads(1);
        let run = trainer.start(&model, data)?;
        let workspace = run.workspace(&model, None);
        Ok(Self { model, run, workspace })
    }

    fn step(&mut self, data: &Dataset<f32>) -> polytask::Result<()> {
        self.run.step(&mut self.model, data, &mut self.workspace).map(drop)
    }
}

/// Microseconds of `n` calls, by call.
fn microseconds(n: usize, mut step: impl FnMut() -> polytask::Result<()>) -> polytask::Result<f64> {
    let begin = Instant::now();
    for _ in 0..n {
        step()?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / n as f64)
}

fn main() -> polytask::Result<()> {
    println!(
        "{:>8} {:>6} {:>6} {:>14} {:>16} {:>7} {:>10} {:>7}",
        "features", "width", "batch", "ensemble (µs)", "32 networks (µs)", "share", "bound (µs)", "share"
    );
    for (n_features, width, batch) in
        [(10, 10, 8), (10, 10, 32), (64, 64, 8), (64, 64, 32), (64, 64, 256), (64, 256, 32), (64, 256, 256)]
    {
        let x =
            Array2::from_shape_fn((2048, n_features), |(i, j)| ((i * n_features + j) as f32 * 0.37).sin());
        let y = Array2::from_shape_fn((2048, 2), |(i, k)| x[[i, k]] * x[[i, k + 1]]);
        let data = Dataset::new(x, y)?;
        let layers = [Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Relu)];
        let builder = Model::builder(n_features).trunk(layers);
        let builder = builder.task(Task::regression("y0")).task(Task::regression("y1"));
        let mut ensemble = Training::new(&builder.clone().batch_ensemble(MEMBERS), &data, batch)?;
        let seeds = (0..MEMBERS as u64).map(|seed| Training::new(&builder.clone().seed(seed), &data, batch));
        let mut networks = seeds.collect::<polytask::Result<Vec<_>>>()?;
        let rows = data.select(&(0..2048 * MEMBERS).map(|i| i % 2048).collect::<Vec<_>>());
        let mut bound = Training::new(&builder, &rows, batch * MEMBERS)?;
        let n = (4_000_000 / (width * width * batch)).clamp(3, 300);
        let mut best = [f64::INFINITY; 3];
        for _ in 0..7 {
            let times = [
                microseconds(n, || ensemble.step(&data))?,
                microseconds(n, || networks.iter_mut().try_for_each(|network| network.step(&data)))?,
                microseconds(n, || bound.step(&rows))?,
            ];
            best.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(time));
        }
        let [ensemble, networks, bound] = best;
        let (share, least) = (ensemble / networks, bound / networks);
        println!(
            "{n_features:>8} {width:>6} {batch:>6} {ensemble:>14.0} {networks:>16.0} {share:>7.2} {bound:>10.0} {least:>7.2}"
        );
    }
    Ok(())
}
