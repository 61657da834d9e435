//! Ten-fold cross-validation of a joint network on a table of your own.
//!
//! ```text
//! cargo run --release --example cross_validation -- table.csv heating,cooling [folds.txt]
//! ```
//! Prints R² and the relative root mean squared error of each target, and their mean (aRRMSE): 1 is what predicting
//! the training mean would reach. The error of a target is of all folds together, each row predicted by the
//! network that has not seen it. The third argument names a file that receives the fold of each row, for another program to use the
//! same folds.

use polytask::data::csv::CsvReader;
use polytask::ndarray::Array2;
use polytask::prelude::*;

const FOLDS: usize = 10;
const SEED: u64 = 1;
const EPOCHS: u64 = 500;
const LEARNING_RATE: f64 = 0.003;
/// Found on three small tables; a table of many rows wants less.
const WEIGHT_DECAY: f64 = 0.5;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, targets) = match &arguments[..] {
        [file, targets] | [file, targets, _] => (file, targets),
        _ => {
            eprintln!("usage: cross_validation FILE TARGET,TARGET... [FOLDS]");
            std::process::exit(2);
        }
    };
    let (data, _) = CsvReader::new().targets(targets.split(',')).read::<f32>(file)?;
    let n_targets = data.n_targets();

    let mut fold_of = vec![0; data.n_rows()];
    let mut squares = vec![0.0; n_targets];
    let mut squares_of_mean = vec![0.0; n_targets];
    for (fold, rows) in data.fold_rows(FOLDS, SEED)?.iter().enumerate() {
        let (train, test) = (data.select(&rows.train), data.select(&rows.test));
        let predicted = predict(&train, &test, fold as u64)?;
        for (target, name) in data.target_names().iter().enumerate() {
            let mean = train.targets().column(target).mean().unwrap_or(0.0);
            let truth = test.targets().column(target).to_owned();
            squares[target] += (&predicted.column(target) - &truth).mapv(|e| f64::from(e * e)).sum();
            squares_of_mean[target] += truth.mapv(|t| f64::from((t - mean) * (t - mean))).sum();
            eprintln!("fold {fold}, {name}: {:.4}", (squares[target] / squares_of_mean[target]).sqrt());
        }
        rows.test.iter().for_each(|&row| fold_of[row] = fold);
    }

    println!("{:<28}{:>10}{:>10}", "target", "R2", "RRMSE");
    let mut mean = 0.0;
    for ((name, error), of_mean) in data.target_names().iter().zip(&squares).zip(&squares_of_mean) {
        let rrmse = (error / of_mean).sqrt();
        println!("{name:<28}{:>10.4}{rrmse:>10.4}", 1.0 - error / of_mean);
        mean += rrmse / n_targets as f64;
    }
    println!("aRRMSE {mean:.4}");
    if let Some(path) = arguments.get(2) {
        let lines: Vec<String> = fold_of.iter().map(usize::to_string).collect();
        std::fs::write(path, lines.join("\n")).expect("a place to write the folds to");
    }
    Ok(())
}

/// What a network that was trained on `train` predicts for the rows of `test`, `rows × targets`.
fn predict(train: &Dataset<f32>, test: &Dataset<f32>, seed: u64) -> polytask::Result<Array2<f32>> {
    let mut builder = Model::builder(train.n_features())
        .trunk([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)])
        .standardize()
        .seed(seed);
    for target in train.target_names() {
        builder = builder.task(Task::regression(target));
    }
    let mut model = builder.build::<f32>()?;
    let steps = EPOCHS * train.n_rows().div_ceil(32) as u64;
    let trainer = Trainer::new(AdamW::new(LEARNING_RATE).weight_decay(WEIGHT_DECAY))
        .schedule(Schedule::cosine(steps, 0.0));
    trainer.batch_size(32).steps(steps).seed(seed).fit(&mut model, train)?;

    let mut predicted = Array2::zeros((test.n_rows(), test.n_targets()));
    for (k, (_, column)) in model.predict(test.features())?.iter().enumerate() {
        predicted.column_mut(k).assign(&column.column(0));
    }
    Ok(predicted)
}
