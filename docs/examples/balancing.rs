//! Two related tasks, one of them with a loss a hundred times as large, and a line that says who balances them.
//!
//! ```text
//! cargo run --release --example balancing
//! ```
//! Prints, for several methods, the weights over time, the cosine between the tasks' gradients and the ratio of
//! their lengths where the method asks for them, and what the model explains of each task in the end.

use polytask::balance::{Balance, Equal, Famo, PcGrad, Uncertainty, UpGrad};
use polytask::prelude::*;

const STEPS: u64 = 2_000;
/// How many steps a printed line is the mean of.
const LINE: usize = 400;

fn main() -> polytask::Result<()> {
    train("equal weights", Equal::sum())?;
    train("uncertainty", Uncertainty::new())?;
    train("FAMO", Famo::new())?;
    train("PCGrad", PcGrad::new())?;
    train("UPGrad", UpGrad::new())
}

fn train(name: &str, method: impl Balance + 'static) -> polytask::Result<()> {
    let data = datasets::related_tasks::<f32>(4_000, 20, 2, 0.5, 0.01, 42);
    let (train, test) = data.split(0.8, 42)?;
    let mut model = Model::builder(train.n_features())
        .trunk([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)])
        .task(Task::regression("task0"))
        .task(Task::regression("task1").weight(0.01))
        .seed(42)
        .build::<f32>()?;
    let trainer = Trainer::new(Adam::new(0.002)).batch_size(64).steps(STEPS);
    let history = trainer.balance(method).fit(&mut model, &train)?; // the line

    println!("{name}\n{:>11} {:>9} {:>9} {:>9} {:>9}", "step", "weight 0", "weight 1", "cosine", "|g1|/|g0|");
    let (weights, norms, cosines) = (history.weights(), history.gradient_norms(), history.cosines(0, 1));
    for first in (0..history.n_steps() as usize).step_by(LINE) {
        let mean = |of: &dyn Fn(usize) -> f64| (first..first + LINE).map(of).sum::<f64>() / LINE as f64;
        print!("{:>5}–{:<5}", first + 1, first + LINE);
        print!(" {:>9.4} {:>9.4}", mean(&|t| weights[[t, 0]]), mean(&|t| weights[[t, 1]]));
        match (&norms, &cosines) {
            (Some(norms), Some(cosines)) => {
                println!(" {:>9.3} {:>9.3}", mean(&|t| cosines[t]), mean(&|t| norms[[t, 1]] / norms[[t, 0]]));
            }
            _ => println!(" {:>9} {:>9}", "-", "-"),
        }
    }
    let report = model.evaluate(&test)?;
    let explained = |task: &str| report[task].score("r2").unwrap_or(f64::NAN);
    println!("test R2: {:.3} and {:.3}\n", explained("task0"), explained("task1"));
    Ok(())
}
