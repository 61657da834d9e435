//! Tasks that are alike but for their scale: GradNorm's toy problem.
//!
//! ```text
//! yᵢ = σᵢ tanh((B + εᵢ) x)      i = 1, 2,   σ = (1, 100),   entries of B ~ N(0, 10), of εᵢ ~ N(0, 3.5)
//! ```
//! Chen et al. (GradNorm, ICML 2018, section 4), with 250 inputs, 100 outputs and a trunk of four layers of 100. Here
//! everything is smaller, 10 and 3.5 are variances, and x ~ N(0, 1 / inputs), which the paper leaves open. What is to
//! be watched is each task's loss divided by its first one: in the sum of the losses the second task's share is
//! 10 000 times the first one's.

use ndarray::{Array1, Array2};
use polytask::balance::Balance;
use polytask::prelude::*;
use polytask::train::History;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const INPUTS: usize = 20;
const OUTPUTS: usize = 5;
const SCALES: [f64; 2] = [1.0, 100.0];

/// The rows of one problem, `y0.j` and `y1.j` its targets.
fn table(rows: usize, seed: u64) -> polytask::Result<Dataset<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = |shape: [usize; 2], variance: f64| {
        Array2::from_shape_simple_fn(shape, || {
            let draw: f64 = StandardNormal.sample(&mut rng);
            variance.sqrt() * draw
        })
    };
    let common = normal([INPUTS, OUTPUTS], 10.0);
    let matrices = SCALES.map(|_| &common + &normal([INPUTS, OUTPUTS], 3.5));
    let x = normal([rows, INPUTS], 1.0 / INPUTS as f64);
    let mut y = Array2::zeros((rows, 0));
    for (matrix, scale) in matrices.iter().zip(SCALES) {
        for column in x.dot(matrix).columns() {
            let target: Array1<f64> = column.mapv(|z| scale * z.tanh());
            y.push_column(target.view()).expect("one number per row");
        }
    }
    let names = (0..2).flat_map(columns);
    Dataset::new(x.mapv(|x| x as f32), y.mapv(|y| y as f32))?.with_target_names(names)
}

fn columns(task: usize) -> impl Iterator<Item = String> {
    (0..OUTPUTS).map(move |j| format!("y{task}.{j}"))
}

/// What happens in 1 000 steps with a method.
pub fn train(method: &dyn Balance, seed: u64) -> polytask::Result<History> {
    let data = table(1_000, seed)?;
    let mut model = Model::builder(INPUTS)
        .trunk((0..4).map(|_| Layer::dense(32, Activation::Relu)))
        .task(Task::regression("small").columns(columns(0)))
        .task(Task::regression("large").columns(columns(1)))
        .seed(seed)
        .build::<f32>()?;
    let trainer = Trainer::new(Adam::new(0.002)).batch_size(100).steps(1_000).seed(seed).threads(1);
    trainer.balance(method.boxed()).fit(&mut model, &data)
}

/// Each task's loss divided by its first one, the mean of the steps `first..last`.
pub fn remaining(history: &History, first: usize, last: usize) -> [f64; 2] {
    let losses = history.losses();
    [0, 1]
        .map(|k| (first..last).map(|t| losses[[t, k]]).sum::<f64>() / (last - first) as f64 / losses[[0, k]])
}
