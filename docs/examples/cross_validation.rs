//! Ten-fold cross-validation of a joint network on a table of your own.
//!
//! ```text
//! cargo run --release --example cross_validation -- table.csv heating,cooling [folds.txt]
//! ```
//! Prints the scores of each target, on all rows together and as mean and deviation over the folds. `rrmse` is the
//! relative root mean squared error: 1 is what predicting the training mean would reach. Each row is predicted by the
//! network that has not seen it, and nothing of a row that is held out is learnt, not even which categories there are.
//! Rows without a label of a target do not count for it, and what is undefined is shown as such. The third argument names a
//! file that receives the fold of each row, so that another program can use the same folds. What was found in the table
//! is printed first; `--help` lists the options for what was not found rightly.

use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, TrainingPart};

use own_table::Options;

pub mod own_table;

const EPOCHS: u64 = 500;
const LEARNING_RATE: f64 = 0.003;
/// Found on three small tables; a table of many rows wants less.
const WEIGHT_DECAY: f64 = 0.5;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, rest) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    let (file, targets) = match rest[..] {
        [file, targets] | [file, targets, _] if !targets.starts_with("--") => (file, targets),
        _ => usage("usage: cross_validation FILE TARGET,TARGET... [FOLDS] [options]"),
    };
    let (reader, table, report) = options.table(file, targets, "")?;
    eprintln!("{report}");
    let epochs = options.epochs.unwrap_or(EPOCHS);
    let result = ten_folds().run_csv(&reader, &table, |part| fit(part, epochs))?;
    println!("{}", summary(&result)?);
    if let Some(path) = rest.get(2) {
        let lines: Vec<String> = fold_of_each_row(&result, table.n_rows());
        std::fs::write(path, lines.join("\n")).expect("a place to write the folds to");
    }
    Ok(())
}

fn usage(wrong: &str) -> ! {
    eprintln!("{wrong}\n{}", own_table::OPTIONS);
    std::process::exit(2)
}

/// How the rows are cut.
pub fn ten_folds() -> CrossValidation {
    CrossValidation::new(10).seed(1)
}

/// The network of one fold.
pub fn fit(part: &TrainingPart<'_, f32>, epochs: u64) -> polytask::Result<Model<f32>> {
    eprintln!("fold {}", part.fold);
    let mut layers = own_table::first_layers(part.data);
    layers.extend([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)]);
    let mut builder =
        Model::builder(part.data.n_features()).trunk(layers).standardize().seed(part.fold as u64);
    for target in part.data.target_names() {
        builder = builder.task(Task::regression(target));
    }
    let mut model = builder.build::<f32>()?;
    let steps = epochs * part.data.n_rows().div_ceil(32) as u64;
    Trainer::new(AdamW::new(LEARNING_RATE).weight_decay(WEIGHT_DECAY))
        .schedule(Schedule::cosine(steps, 0.0))
        .batch_size(32)
        .steps(steps)
        .seed(part.fold as u64)
        .fit(&mut model, part.data)?;
    Ok(model)
}

/// What is printed.
pub fn summary(result: &CrossValidated) -> polytask::Result<String> {
    Ok(format!("{result}\nmean {}", result.mean_over_tasks("rrmse")?))
}

/// In which fold each row is held out, a line for each.
pub fn fold_of_each_row(result: &CrossValidated, n_rows: usize) -> Vec<String> {
    let mut fold_of = vec![0; n_rows];
    for fold in result.folds() {
        fold.rows.test.iter().for_each(|&row| fold_of[row] = fold.fold);
    }
    fold_of.iter().map(usize::to_string).collect()
}
