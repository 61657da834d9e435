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
//! of seed 1 (`POLYTASK_FOLDS` names another), as in the example `cross_validation`; in each, categories and the means
//! that fill gaps are those of its training part. What was found in each table is printed first; `--help` lists the
//! options for what was not found rightly.

use std::time::Instant;

use polytask::estimator::{Fitted, Regression};
use polytask::ndarray::{Array2, Axis, concatenate};
use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, Predictor, TrainingPart};

use own_table::Options;

pub mod own_table;

const FOLDS: usize = 10;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, tables) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    if tables.is_empty() || tables.iter().any(|table| !table.contains('=')) {
        usage("usage: estimator FILE=TARGET,TARGET... [FILE=TARGET...]... [options]");
    }
    if options.embeds {
        usage(
            "--embed: the networks of an estimator read categories one-hot; use the example cross_validation",
        );
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
        let (reader, table, report) = options.table(file, targets, "")?;
        eprintln!("{report}");
        let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let begin = Instant::now();
        let result = ten_folds(seed).run_csv(&reader, &table, |part| Both::fit(&settings, part))?;
        result.warnings().iter().for_each(|warning| eprintln!("{name}: {warning}"));
        let seconds = begin.elapsed().as_secs_f64() / FOLDS as f64;
        println!("{}", line(&name, table.n_rows(), &result, seconds));
    }
    Ok(())
}

fn usage(wrong: &str) -> ! {
    eprintln!("{wrong}\n{}", own_table::OPTIONS);
    std::process::exit(2)
}

/// How the rows are cut.
pub fn ten_folds(seed: u64) -> CrossValidation {
    CrossValidation::new(FOLDS).seed(seed)
}

/// The estimator and the first of its networks, as twice as many tasks: first those of the estimator.
#[derive(Debug)]
pub struct Both {
    tasks: Vec<Task>,
    fitted: Fitted<Regression, f32>,
}

impl Both {
    /// Fits the estimator of one fold.
    pub fn fit(settings: &MultiTaskRegressor, part: &TrainingPart<'_, f32>) -> polytask::Result<Self> {
        let fitted = settings.fit_table(part.data)?;
        let mut tasks: Vec<Task> = part.data.target_names().iter().map(Task::regression).collect();
        let of_one = |target| Task::regression(format!("{target} by one network")).columns([target]);
        tasks.extend(part.data.target_names().iter().map(of_one));
        Ok(Self { tasks, fitted })
    }
}

impl Predictor<f32> for Both {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn predict_tasks(&self, data: &Dataset<f32>) -> polytask::Result<Vec<Array2<f32>>> {
        let of_one: Vec<Array2<f32>> = self.fitted.members()[0]
            .predict_table(data)?
            .iter()
            .map(|(_, values)| values.to_owned())
            .collect();
        let one: Vec<_> = of_one.iter().map(|values| values.view()).collect();
        let one = concatenate(Axis(1), &one).expect("as many rows each");
        let all = self.fitted.predict_table(data)?;
        let columns = all.columns().into_iter().chain(one.columns());
        Ok(columns.map(|column| column.to_owned().insert_axis(Axis(1))).collect())
    }

    fn warnings_on(&self, data: &Dataset<f32>) -> polytask::Result<Vec<polytask::Warning>> {
        self.fitted.warnings_on(data)
    }
}

/// The line of one table.
pub fn line(name: &str, n_rows: usize, result: &CrossValidated, seconds: f64) -> String {
    let errors: Vec<Option<f64>> =
        result.tasks().iter().map(|task| task.score("rrmse").and_then(|score| score.mean_pooled())).collect();
    let (of_all, of_one) = errors.split_at(errors.len() / 2);
    let average = |errors: &[Option<f64>]| {
        let defined: Vec<f64> = errors.iter().flatten().copied().collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    let number = |error: Option<f64>, decimals: usize| {
        error.map_or_else(|| "undefined".to_owned(), |error| format!("{error:.decimals$}"))
    };
    let [one, all] = [of_one, of_all].map(|errors| number(average(errors), 4));
    let each: Vec<String> = of_all.iter().map(|&error| number(error, 3)).collect();
    format!("{name:<12}{n_rows:>6}{one:>12}{all:>11}{seconds:>8.1}  {}", each.join(" "))
}
