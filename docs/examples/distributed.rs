//! One training and one estimator, in one process or over several that MPI starts: the same numbers.
//!
//! ```sh
//! cargo run --release --example distributed                       # one process, no MPI needed
//! cargo build --release --features mpi --example distributed
//! mpirun -n 4 target/release/examples/distributed                 # four, on this machine or on others
//! ```

use polytask::prelude::*;
#[cfg(not(feature = "mpi"))]
use polytask::ranks::Alone;
use polytask::ranks::Ranks;

#[cfg(feature = "mpi")]
fn main() -> polytask::Result<()> {
    polytask::ranks::on_processes(work)
}

#[cfg(not(feature = "mpi"))]
fn main() -> polytask::Result<()> {
    work(Alone)
}

fn work(ranks: impl Ranks + Clone + 'static) -> polytask::Result<()> {
    let data = datasets::robot_arm::<f64>(4_000, 0.05, 42); // every rank has the table
    let (train, test) = data.split(0.8, 42)?;

    // One training: each rank works on a piece of every batch.
    let mut model = Model::builder(train.n_features())
        .trunk([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .standardize()
        .seed(42)
        .build::<f64>()?;
    Trainer::new(Adam::new(0.005)).batch_size(128).epochs(10).ranks(ranks.clone()).fit(&mut model, &train)?;
    let report = model.evaluate(&test)?;

    // Many trainings: each rank fits some of the networks, and all of them have the estimator.
    let settings = MultiTaskRegressor::new().hidden([32]).members(5).epochs(10).threads(1);
    let estimator = settings.fit_over(&train, ranks.clone())?;
    let score = estimator.score(&test.features(), &test.targets())?;

    if ranks.rank() == 0 {
        eprintln!("{} rank(s)", ranks.size());
        println!("Loss1: {:.6}", report["shoulder"].loss);
        println!("Loss2: {:.6}", report["elbow"].loss);
        println!("R2 of the estimator: {score:.6}");
    }
    Ok(())
}
