//! Ten-fold cross-validation of a joint network on a table of your own.
//!
//! ```text
//! cargo run --release --example cross_validation -- table.csv heating,cooling [folds.txt]
//! ```
//! Prints R² and the relative root mean squared error (RRMSE) of each target, and their mean (aRRMSE): 1 is what
//! predicting the training mean would reach. The error of a target is of all folds together, each row predicted by
//! the network that has not seen it. Rows without a label of a target do not count for it; a target whose labels are
//! all equal has neither number. The third argument names a file that receives the fold of each row, so that
//! another program can use the same folds. What was found in the table is printed first; `--help` lists the options for
//! what was not found rightly.

use polytask::ndarray::{Array2, ArrayView1};
use polytask::prelude::*;

use own_table::Options;

pub mod own_table;

const FOLDS: usize = 10;
const SEED: u64 = 1;
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
    let (data, report) = options.read(file, targets, "")?;
    eprintln!("{report}");
    let (table, fold_of) = cross_validate(&data, options.epochs.unwrap_or(EPOCHS))?;
    println!("{table}");
    if let Some(path) = rest.get(2) {
        let lines: Vec<String> = fold_of.iter().map(usize::to_string).collect();
        std::fs::write(path, lines.join("\n")).expect("a place to write the folds to");
    }
    Ok(())
}

fn usage(wrong: &str) -> ! {
    eprintln!("{wrong}\n{}", own_table::OPTIONS);
    std::process::exit(2)
}

/// The table that is printed, and the fold of each row.
pub fn cross_validate(data: &Dataset<f32>, epochs: u64) -> polytask::Result<(String, Vec<usize>)> {
    let mut fold_of = vec![0; data.n_rows()];
    let mut errors = vec![Errors::default(); data.n_targets()];
    for (fold, rows) in data.fold_rows(FOLDS, SEED)?.iter().enumerate() {
        let (train, test) = (data.select(&rows.train), data.select(&rows.test));
        let predicted = predict(&train, &test, epochs, fold as u64)?;
        for (target, name) in data.target_names().iter().enumerate() {
            let truth = test.targets().column(target).to_owned();
            errors[target].add(predicted.column(target), truth.view(), mean(train.targets().column(target)));
            eprintln!("fold {fold}, {name}: {}", number(errors[target].relative()));
        }
        rows.test.iter().for_each(|&row| fold_of[row] = fold);
    }

    let mut table = format!("{:<28}{:>10}{:>10}{:>8}\n", "target", "R2", "RRMSE", "labels");
    for (name, errors) in data.target_names().iter().zip(&errors) {
        let rrmse = errors.relative();
        let (r2, rrmse) = (number(rrmse.map(|rrmse| 1.0 - rrmse * rrmse)), number(rrmse));
        table += &format!("{name:<28}{r2:>10}{rrmse:>10}{:>8}\n", errors.n_labels);
    }
    let defined: Vec<f64> = errors.iter().filter_map(Errors::relative).collect();
    let mean = (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64);
    table += &format!("aRRMSE {} over {} of {} targets", number(mean), defined.len(), errors.len());
    Ok((table, fold_of))
}

/// The squared errors of one target over the rows that have a label, and those of predicting the training mean.
#[derive(Clone, Debug, Default)]
struct Errors {
    of_network: f64,
    of_mean: f64,
    n_labels: usize,
}

impl Errors {
    fn add(&mut self, predicted: ArrayView1<'_, f32>, truth: ArrayView1<'_, f32>, mean: f64) {
        for (y, t) in predicted.iter().zip(truth).filter(|(_, t)| !t.is_nan()) {
            self.of_network += f64::from(y - t).powi(2);
            self.of_mean += (f64::from(*t) - mean).powi(2);
            self.n_labels += 1;
        }
    }

    /// The relative root mean squared error, if predicting the mean errs at all.
    fn relative(&self) -> Option<f64> {
        (self.of_mean > 0.0).then(|| (self.of_network / self.of_mean).sqrt())
    }
}

/// The mean of the labels that are there; a target without any was refused when the network was trained.
fn mean(labels: ArrayView1<'_, f32>) -> f64 {
    let present: Vec<f64> = labels.iter().filter(|t| !t.is_nan()).map(|&t| f64::from(t)).collect();
    present.iter().sum::<f64>() / present.len() as f64
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"))
}

/// What a network that was trained on `train` predicts for the rows of `test`, `rows × targets`.
fn predict(
    train: &Dataset<f32>,
    test: &Dataset<f32>,
    epochs: u64,
    seed: u64,
) -> polytask::Result<Array2<f32>> {
    let mut builder = Model::builder(train.n_features())
        .trunk([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)])
        .standardize()
        .seed(seed);
    for target in train.target_names() {
        builder = builder.task(Task::regression(target));
    }
    let mut model = builder.build::<f32>()?;
    let steps = epochs * train.n_rows().div_ceil(32) as u64;
    let trainer = Trainer::new(AdamW::new(LEARNING_RATE).weight_decay(WEIGHT_DECAY))
        .schedule(Schedule::cosine(steps, 0.0));
    trainer.batch_size(32).steps(steps).seed(seed).fit(&mut model, train)?;
    for warning in model.warnings_on(test)? {
        eprintln!("fold {seed}: {warning}");
    }

    let mut predicted = Array2::zeros((test.n_rows(), test.n_targets()));
    for (k, (_, column)) in model.predict(test.features())?.iter().enumerate() {
        predicted.column_mut(k).assign(&column.column(0));
    }
    Ok(predicted)
}
