//! A network with one shared layer and two heads learns the torques of a robot arm's two joints.
//!
//! ```text
//! cargo run --release --example tutorial
//! cargo run --release --example tutorial -- --csv table.csv --targets heating,cooling
//! ```
//! The second form learns the named columns of your own table from all others: text becomes categories, gaps
//! are filled, columns are standardised. Both draw the learning curve of each task to `target/learning-curves.svg`.

use polytask::data::csv::CsvReader;
use polytask::plot;
use polytask::prelude::*;
use polytask::train::callback::ProgressBar;

const STEPS: u64 = 1_000;
const CURVES: &str = "target/learning-curves.svg";

fn main() -> polytask::Result<()> {
    let (data, is_own) = table()?;
    let (train, test) = data.split(0.8, 42)?;

    let mut builder = Model::builder(train.n_features()).trunk([Layer::dense(10, Activation::Relu)]).seed(42);
    for target in train.target_names() {
        builder = builder.task(Task::regression(target));
    }
    if is_own {
        builder = builder.standardize();
    }
    let mut model = builder.build::<f32>()?;

    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).steps(STEPS);
    // The bar is hidden unless standard error is a terminal.
    let history = trainer.callback(ProgressBar::new()).fit_validated(&mut model, &train, &test)?;

    let (on_train, on_test) = (model.evaluate(&train)?, model.evaluate(&test)?);
    println!("{:<28}{:>12}{:>12}{:>10}", "task", "train loss", "test loss", "test R2");
    for (seen, unseen) in on_train.tasks().iter().zip(on_test.tasks()) {
        let r2 = unseen.score("r2").map_or_else(|| "undefined".to_owned(), |r2| format!("{r2:.4}"));
        println!("{:<28}{:>12.4}{:>12.4}{r2:>10}", seen.name, seen.loss, unseen.loss);
    }
    for (k, task) in on_test.tasks().iter().enumerate() {
        println!("Loss{}: {:.4}", k + 1, task.loss);
    }
    for warning in on_test.warnings() {
        eprintln!("warning: {warning}");
    }
    match std::fs::create_dir_all("target")
        .and_then(|()| std::fs::write(CURVES, plot::learning_curves(&history)))
    {
        Ok(()) => println!("how each task learned: {CURVES}"),
        Err(error) => eprintln!("{CURVES}: {error}"),
    }
    Ok(())
}

/// The robot arm or the table named on the command line, and whether it is the latter.
fn table() -> polytask::Result<(Dataset<f32>, bool)> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok((datasets::robot_arm(4_000, 0.05, 42), false)),
        ["--csv", file, "--targets", targets] => {
            let (data, _) = CsvReader::new().targets(targets.split(',')).read(file)?;
            Ok((data, true))
        }
        _ => {
            eprintln!("usage: tutorial [--csv FILE --targets NAME,NAME...]");
            std::process::exit(2);
        }
    }
}
