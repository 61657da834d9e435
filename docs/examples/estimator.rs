//! Ten-fold cross-validation of `MultiTaskRegressor` with its defaults, on tables of your own.
//!
//! ```text
//! cargo run --release --example estimator -- heating.csv=Y1,Y2 concrete.csv=slump,flow,strength
//! ```
//! Each argument is a CSV file and the names of its target columns. One line for each table: the relative root mean
//! squared error, averaged over the targets (aRRMSE: 1 is what predicting the training mean would reach), of one
//! network and of the estimator, that of each target, and the time of one fit. An error is of all folds together,
//! each row predicted by the model that has not seen it. Rows without a label of a target do not count for it; a
//! target whose labels are all equal has no such error (`undefined`) and is left out of the averages. Folds are those
//! of seed 1 (`POLYTASK_FOLDS` names another), as in the example `cross_validation`; text columns become categories and
//! gaps are filled before the cut. What was found in each table is printed first; `--help` lists the options for what was
//! not found rightly.

use std::time::Instant;

use polytask::ndarray::{Array2, ArrayView1, ArrayView2};
use polytask::prelude::*;

use own_table::Options;

pub mod own_table;

const FOLDS: usize = 10;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, tables) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    if tables.is_empty() || tables.iter().any(|table| !table.contains('=')) {
        usage("usage: estimator FILE=TARGET,TARGET... [FILE=TARGET...]... [options]");
    }
    let mut settings = MultiTaskRegressor::new().threads(1);
    if let Some(epochs) = options.epochs {
        settings = settings.epochs(epochs);
    }
    let seed = std::env::var("POLYTASK_FOLDS").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("folds of seed {seed}");
    println!(
        "{:<12}{:>6}{:>12}{:>11}{:>8}  of each target",
        "table", "rows", "one network", "estimator", "s/fit"
    );
    for table in tables {
        let (file, targets) = table.split_once('=').unwrap_or((table, ""));
        let (data, report) = options.read(file, targets, "")?;
        eprintln!("{report}");
        let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        println!("{}", line(&name, &data, seed, &settings)?);
    }
    Ok(())
}

fn usage(wrong: &str) -> ! {
    eprintln!("{wrong}\n{}", own_table::OPTIONS);
    std::process::exit(2)
}

/// Cross-validates on one table: its line.
pub fn line(
    name: &str,
    data: &Dataset<f32>,
    seed: u64,
    settings: &MultiTaskRegressor,
) -> polytask::Result<String> {
    let mut of_mean = vec![0.0; data.n_targets()];
    let (mut of_one, mut of_all) = (of_mean.clone(), of_mean.clone());
    let mut warnings = Vec::new();
    let begin = Instant::now();
    for fold in data.fold_rows(FOLDS, seed)? {
        let (train, test) = (data.select(&fold.train), data.select(&fold.test));
        let model = settings.fit_table(&train)?;
        for warning in model.warnings() {
            if !warnings.contains(&warning) {
                eprintln!("{name}: {warning}");
                warnings.push(warning);
            }
        }
        let means: Vec<f32> = train.targets().columns().into_iter().map(mean).collect();
        let mean = Array2::from_shape_fn(test.targets().dim(), |(_, k)| means[k]);
        let first = model.members()[0].predict(test.features())?;
        let one =
            Array2::from_shape_fn(test.targets().dim(), |(i, k)| first[&data.target_names()[k]][[i, 0]]);
        add_squares(&mut of_mean, mean.view(), test.targets());
        add_squares(&mut of_one, one.view(), test.targets());
        add_squares(&mut of_all, model.predict(&test.features())?.view(), test.targets());
    }
    let seconds = begin.elapsed().as_secs_f64() / FOLDS as f64;
    let relative = |squares: &[f64]| -> Vec<Option<f64>> {
        let pairs = squares.iter().zip(&of_mean);
        pairs.map(|(error, &of_mean)| (of_mean > 0.0).then(|| (error / of_mean).sqrt())).collect()
    };
    let average = |errors: &[Option<f64>]| {
        let defined: Vec<f64> = errors.iter().flatten().copied().collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    let number = |error: Option<f64>, decimals: usize| {
        error.map_or_else(|| "undefined".to_owned(), |error| format!("{error:.decimals$}"))
    };
    let [one, all] = [&of_one, &of_all].map(|squares| number(average(&relative(squares)), 4));
    let each: Vec<String> = relative(&of_all).into_iter().map(|error| number(error, 3)).collect();
    Ok(format!("{name:<12}{:>6}{one:>12}{all:>11}{seconds:>8.1}  {}", data.n_rows(), each.join(" ")))
}

/// The mean of the labels that are there; a target without any was refused when the model was fitted.
fn mean(labels: ArrayView1<'_, f32>) -> f32 {
    let present: Vec<f64> = labels.iter().filter(|t| !t.is_nan()).map(|&t| f64::from(t)).collect();
    (present.iter().sum::<f64>() / present.len() as f64) as f32
}

/// Adds the squared errors of each target, of the rows that have a label.
fn add_squares(to: &mut [f64], predicted: ArrayView2<'_, f32>, truth: ArrayView2<'_, f32>) {
    for ((at, t), y) in truth.indexed_iter().zip(predicted).filter(|((_, t), _)| !t.is_nan()) {
        let error = f64::from(y - t);
        to[at.1] += error * error;
    }
}
