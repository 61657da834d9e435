//! Does balancing help, and do the tasks help each other at all? Methods side by side on tasks as much alike as one
//! says, with the learning rate tuned for each method and the same care for equal weights.
//!
//! ```text
//! cargo run --release --example related_tasks                  all methods
//! cargo run --release --example related_tasks -- GradNorm      some of them, beside equal weights
//! ```
//! A seed stands for a problem of its own: other weights of the tasks, other rows, other first parameters. Its rows
//! are split into training, validation and test. Every method is trained with every learning rate of [`RATES`] on
//! every seed; the rate with the least validation error, the mean over the seeds, is the method's, and the test rows
//! are looked at with that rate alone. Errors are the part of the targets' variance that is not explained, 1 − R²,
//! the mean over the two tasks. All other settings are the methods' defaults, but that GradNorm leaves the heads alone.
//!
//! Whether the tasks should be trained together at all, the last two rows say: a network for each task, with trunks as
//! wide as the shared one, and with narrower ones, so that both together have about as many parameters as the shared.
//!
//! The last column is the difference to equal weights seed by seed, with its standard error: what a seed does to all
//! methods alike cancels there. With 20 seeds a difference is beyond chance, at 5 %, from 2.1 standard errors on; and
//! of many methods that do nothing, one in twenty looks as if it did.

use polytask::balance::{
    Balance, CaGrad, Dwa, Equal, Famo, GradNorm, ImtlL, Mgda, NashMtl, PcGrad, Uncertainty, UpGrad,
};
use polytask::prelude::*;

const COSINES: [f64; 3] = [0.5, 0.9, 1.0];
const RATES: [f64; 6] = [0.003, 0.006, 0.01, 0.02, 0.03, 0.06];
const SEEDS: u64 = 20;
const FEATURES: usize = 10;
const ROWS: usize = 4_000;
const WIDTH: usize = 32;
const BATCH: usize = 64;
const STEPS: u64 = 2_000;
/// With two trunks of this width in the place of a shared one, a network has about as many parameters.
const SINGLE_WIDTH: usize = 22;

fn methods() -> Vec<(&'static str, Box<dyn Balance>)> {
    vec![
        ("equal", Box::new(Equal::sum())),
        ("uncertainty", Box::new(Uncertainty::new())),
        ("IMTL-L", Box::new(ImtlL::new())),
        ("DWA", Box::new(Dwa::new())),
        ("FAMO", Box::new(Famo::new())),
        ("GradNorm", Box::new(GradNorm::new().scale_heads(false))),
        ("MGDA", Box::new(Mgda::new())),
        ("PCGrad", Box::new(PcGrad::new())),
        ("CAGrad", Box::new(CaGrad::new(0.4))),
        ("Nash-MTL", Box::new(NashMtl::new())),
        ("UPGrad", Box::new(UpGrad::new())),
    ]
}

/// The error on validation rows and on test rows.
#[derive(Clone, Copy, Debug)]
struct Errors {
    validation: f64,
    test: f64,
}

/// One training.
fn errors(
    cosine: f64,
    seed: u64,
    sharing: Sharing,
    method: &dyn Balance,
    rate: f64,
) -> polytask::Result<Errors> {
    let data = datasets::related_tasks::<f32>(ROWS, FEATURES, 2, cosine, 0.01, seed);
    let (train, rest) = data.split(0.5, seed)?;
    let (validation, test) = rest.split(0.5, seed)?;
    let mut model = Model::builder(FEATURES)
        .sharing(sharing)
        .task(Task::regression("task0"))
        .task(Task::regression("task1"))
        .standardize()
        .seed(seed)
        .build::<f32>()?;
    let trainer = Trainer::new(Adam::new(rate)).batch_size(BATCH).steps(STEPS).seed(seed).threads(1);
    let trainer = trainer.schedule(Schedule::cosine(STEPS, 0.0));
    trainer.balance(method.boxed()).fit(&mut model, &train)?;
    let error = |rows: &Dataset<f32>| -> polytask::Result<f64> {
        let report = model.evaluate(rows)?;
        let explained = report.tasks().iter().filter_map(|task| task.score("r2")).sum::<f64>();
        Ok(1.0 - explained / report.tasks().len() as f64)
    };
    Ok(Errors { validation: error(&validation)?, test: error(&test)? })
}

/// The best rate, and the test errors of all seeds with it.
fn tuned(cosine: f64, sharing: &Sharing, method: &dyn Balance) -> polytask::Result<(f64, Vec<f64>)> {
    let mut best = (f64::INFINITY, f64::NAN, Vec::new());
    for rate in RATES {
        let of_seed = |seed| errors(cosine, seed, sharing.clone(), method, rate);
        let found = (1..=SEEDS).map(of_seed).collect::<polytask::Result<Vec<_>>>()?;
        let validation = mean(found.iter().map(|errors| errors.validation));
        if validation < best.0 {
            best = (validation, rate, found.iter().map(|errors| errors.test).collect());
        }
    }
    Ok((best.1, best.2))
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = numbers.len() as f64;
    numbers.sum::<f64>() / n
}

fn deviation(numbers: &[f64]) -> f64 {
    let middle = mean(numbers.iter().copied());
    let squares = numbers.iter().map(|number| (number - middle).powi(2)).sum::<f64>();
    (squares / (numbers.len() - 1) as f64).sqrt()
}

fn main() -> polytask::Result<()> {
    let trunk = |width| [Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Relu)];
    let mut rows: Vec<_> = methods()
        .into_iter()
        .map(|(name, method)| (name, method, Sharing::shared_trunk(trunk(WIDTH))))
        .collect();
    for (name, width) in [("single", WIDTH), ("single, narrow", SINGLE_WIDTH)] {
        rows.push((name, Box::new(Equal::sum()), Sharing::independent(trunk(width))));
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    rows.retain(|(name, ..)| wanted.is_empty() || *name == "equal" || wanted.iter().any(|word| word == name));
    for cosine in COSINES {
        println!("cosine {cosine}: 1 − R² on test rows, mean and standard deviation over {SEEDS} seeds");
        println!("{:>14} {:>7}   {:<15}   minus equal", "", "rate", "error");
        let mut equal = Vec::new();
        for (name, method, sharing) in &rows {
            let (rate, found) = tuned(cosine, sharing, &**method)?;
            let (middle, spread) = (mean(found.iter().copied()), deviation(&found));
            print!("{name:>14} {rate:>7}   {middle:.4} ± {spread:.4}");
            if equal.is_empty() {
                equal = found;
                println!();
                continue;
            }
            let differences: Vec<f64> = found.iter().zip(&equal).map(|(a, b)| a - b).collect();
            let error = deviation(&differences) / (SEEDS as f64).sqrt();
            println!("   {:+.4} ± {error:.4}", mean(differences.iter().copied()));
        }
        println!();
    }
    Ok(())
}
