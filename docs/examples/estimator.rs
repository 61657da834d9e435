//! Ten-fold cross-validation of `MultiTaskRegressor` with its defaults, on tables of your own.
//!
//! ```text
//! cargo run --release --example estimator -- heating.csv=Y1,Y2 concrete.csv=slump,flow,strength
//! ```
//! Each argument is a CSV file and the names of its target columns. One line for each table: the relative root mean
//! squared error, meaned over the targets (aRRMSE: 1 is what predicting the training mean would reach), of one network
//! and of the estimator, that of each target, and the time of one fit. An error is of all folds together, each row
//! predicted by the model that has not seen it. Folds are those of seed 1 (`POLYTASK_FOLDS` names another), as in the
//! example `cross_validation`; text columns become categories and gaps are filled before the cut.

use std::time::Instant;

use polytask::data::csv::CsvReader;
use polytask::ndarray::{Array2, ArrayView2};
use polytask::prelude::*;

const FOLDS: usize = 10;

fn main() -> polytask::Result<()> {
    let tables: Vec<String> = std::env::args().skip(1).collect();
    if tables.is_empty() || tables.iter().any(|table| !table.contains('=')) {
        eprintln!("usage: estimator FILE=TARGET,TARGET... [FILE=TARGET...]...");
        std::process::exit(2);
    }
    let seed = std::env::var("POLYTASK_FOLDS").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("folds of seed {seed}");
    println!(
        "{:<12}{:>6}{:>12}{:>11}{:>8}  of each target",
        "table", "rows", "one network", "estimator", "s/fit"
    );
    for table in &tables {
        let (file, targets) = table.split_once('=').unwrap_or((table, ""));
        let (data, _) = CsvReader::new().targets(targets.split(',')).read::<f32>(file)?;
        let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        line(&name, &data, seed)?;
    }
    Ok(())
}

/// Cross-validates on one table and prints its line.
fn line(name: &str, data: &Dataset<f32>, seed: u64) -> polytask::Result<()> {
    let mut of_mean = vec![0.0; data.n_targets()];
    let (mut of_one, mut of_all) = (of_mean.clone(), of_mean.clone());
    let begin = Instant::now();
    for fold in data.fold_rows(FOLDS, seed)? {
        let (train, test) = (data.select(&fold.train), data.select(&fold.test));
        let model = MultiTaskRegressor::new().threads(1).fit_table(&train)?;
        let mean = train.targets().mean_axis(polytask::ndarray::Axis(0)).expect("rows");
        let mean = mean.broadcast(test.targets().dim()).expect("one mean for each target");
        let first = model.members()[0].predict(test.features())?;
        let one =
            Array2::from_shape_fn(test.targets().dim(), |(i, k)| first[&data.target_names()[k]][[i, 0]]);
        add_squares(&mut of_mean, mean, test.targets());
        add_squares(&mut of_one, one.view(), test.targets());
        add_squares(&mut of_all, model.predict(&test.features())?.view(), test.targets());
    }
    let seconds = begin.elapsed().as_secs_f64() / FOLDS as f64;
    let relative = |squares: &[f64]| -> Vec<f64> {
        squares.iter().zip(&of_mean).map(|(error, of_mean)| (error / of_mean).sqrt()).collect()
    };
    let average = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let (one, all) = (average(&relative(&of_one)), average(&relative(&of_all)));
    let each: Vec<String> = relative(&of_all).iter().map(|error| format!("{error:.3}")).collect();
    println!("{name:<12}{:>6}{one:>12.4}{all:>11.4}{seconds:>8.1}  {}", data.n_rows(), each.join(" "));
    Ok(())
}

/// Adds the squared errors of each target.
fn add_squares(to: &mut [f64], predicted: ArrayView2<'_, f32>, truth: ArrayView2<'_, f32>) {
    for ((_, k), error) in (&predicted - &truth).indexed_iter() {
        to[k] += f64::from(error * error);
    }
}
