//! A network with one shared layer and two heads learns the torques of a robot arm's two joints.
//!
//! ```text
//! cargo run --release --example tutorial
//! cargo run --release --example tutorial -- --csv table.csv --targets heating,cooling
//! cargo run --release --example tutorial -- --csv table.csv --classes kind --delimiter ';' --missing -999
//! ```
//! The other forms learn the named columns of your own table from all others, quantities (`--targets`) or classes
//! (`--classes`): text becomes categories, gaps are filled, columns are standardised. What was found in the file is
//! printed, and `--help` lists the options for what was not found rightly. All draw the learning curve of each task to
//! `target/learning-curves.svg`.

use polytask::plot;
use polytask::prelude::*;
use polytask::train::callback::ProgressBar;

use own_table::Options;

pub mod own_table;

const STEPS: u64 = 1_000;
const CURVES: &str = "target/learning-curves.svg";

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        print!("{}", learn(&datasets::robot_arm(4_000, 0.05, 42), None)?);
        return Ok(());
    }
    match Options::take(&arguments) {
        Ok((options, rest)) => match own(&options, &rest)? {
            Some((data, report)) => {
                eprintln!("{report}");
                print!("{}", learn(&data, Some(&options))?);
                return Ok(());
            }
            None => eprintln!("usage: tutorial [--csv FILE [--targets A,B...] [--classes A,B...] [options]]"),
        },
        Err(wrong) => eprintln!("{wrong}"),
    }
    eprintln!("{}", own_table::OPTIONS);
    std::process::exit(2);
}

/// The table that the command line names and a report of what was found in it, if it names one.
pub fn own(options: &Options, rest: &[&str]) -> polytask::Result<Option<(Dataset<f32>, String)>> {
    let (file, targets, classes) = match *rest {
        ["--csv", file, "--targets", targets] => (file, targets, ""),
        ["--csv", file, "--classes", classes] => (file, "", classes),
        ["--csv", file, "--targets", targets, "--classes", classes] => (file, targets, classes),
        ["--csv", file] if !options.ordered.is_empty() => (file, "", ""),
        _ => return Ok(None),
    };
    options.read(file, targets, classes).map(Some)
}

/// Trains on most rows, and says how well each task does on the others. A table of one's own comes with options.
pub fn learn(data: &Dataset<f32>, own: Option<&Options>) -> polytask::Result<String> {
    let (train, test) = data.split(0.8, 42)?;

    let mut layers = own_table::first_layers(&train);
    layers.push(Layer::dense(10, Activation::Relu));
    let mut builder = Model::builder(train.n_features()).trunk(layers).seed(42);
    for target in train.target_names() {
        builder = builder.task(match train.names().classes.get(target).map(Vec::len) {
            None => Task::regression(target),
            Some(1 | 2) => Task::binary(target),
            Some(n) if own.is_some_and(|options| options.ordered.contains(target)) => {
                Task::ordinal(target, n)
            }
            Some(n) => Task::classes(target, n),
        });
    }
    if own.is_some() {
        builder = builder.standardize();
    }
    let mut model = builder.build::<f32>()?;

    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32);
    let trainer = match own.and_then(|options| options.epochs) {
        Some(epochs) => trainer.epochs(epochs),
        None => trainer.steps(STEPS),
    };
    // The bar is hidden unless standard error is a terminal.
    let history = trainer.callback(ProgressBar::new()).fit_validated(&mut model, &train, &test)?;

    let (on_train, on_test) = (model.evaluate(&train)?, model.evaluate(&test)?);
    let mut text = format!("{:<28}{:>12}{:>12}{:>10}\n", "task", "train loss", "test loss", "test R2");
    for (seen, unseen) in on_train.tasks().iter().zip(on_test.tasks()) {
        let number = |name: &str| unseen.score(name).map(|score| format!("{score:.4}"));
        let accuracy = || Some(format!("    {} accuracy", number("accuracy")?));
        let score = number("r2").or_else(accuracy).unwrap_or_else(|| "undefined".to_owned());
        text += &format!("{:<28}{:>12.4}{:>12.4}{score:>10}\n", seen.name, seen.loss, unseen.loss);
    }
    for (k, task) in on_test.tasks().iter().enumerate() {
        text += &format!("Loss{}: {:.4}\n", k + 1, task.loss);
    }
    for warning in on_test.warnings() {
        eprintln!("warning: {warning}");
    }
    match std::fs::create_dir_all("target")
        .and_then(|()| std::fs::write(CURVES, plot::learning_curves(&history)))
    {
        Ok(()) => text += &format!("how each task learned: {CURVES}\n"),
        Err(error) => eprintln!("{CURVES}: {error}"),
    }
    Ok(text)
}
