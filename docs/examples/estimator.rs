//! Ten-fold cross-validation of `MultiTaskRegressor` with its defaults, on tables of your own.
//!
//! ```text
//! cargo run --release --example estimator -- heating.csv=Y1,Y2 concrete.csv=slump,flow,strength
//! cargo run --release --example estimator -- thirds heating.csv=Y1,Y2
//! ```
//! Each argument is a CSV file and the names of its target columns. One line for each table: the relative root mean
//! squared error, averaged over the targets (aRRMSE: 1 is what predicting the training mean would reach), of one
//! network, of the mean of ten networks alike, and of the estimator; the mean difference of the last two in a fold, with its
//! standard error over the folds; the time of one fit of each of the two; and the estimator's error of each target. An error is
//! of all folds together, each row predicted by the model that has not seen it. Rows without a label of a target do not count
//! for it; a target whose labels are all equal has no such error (`undefined`) and is left out of the averages. Folds are those
//! of seed 1 (`POLYTASK_FOLDS` names another), as in the example `cross_validation`; in each, categories and the means
//! that fill gaps are those of its training part. The estimator has other kinds of networks with
//! `POLYTASK_KINDS=plain,linear`, say, and more or fewer with `POLYTASK_MEMBERS`. What was found in each table is printed
//! first; `--help` lists the options for what was not found rightly.
//!
//! With `thirds`, each target is cut into three classes of about equal size, and the line has the mean log loss of ten networks
//! alike and of `MultiTaskClassifier` with its defaults, and the difference as above. Here the table is encoded as a whole.

use std::sync::Mutex;
use std::time::Instant;

use polytask::estimator::{Fitted, MemberKind, Regression};
use polytask::ndarray::{Array2, ArrayView1, Axis, concatenate};
use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, Predictor, TaskValidation, TrainingPart};

use own_table::Options;

pub mod own_table;

const FOLDS: usize = 10;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, mut tables) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    let cuts = tables.first() == Some(&"thirds");
    if cuts {
        tables.remove(0);
    }
    if tables.is_empty() || tables.iter().any(|table| !table.contains('=')) {
        usage("usage: estimator [thirds] FILE=TARGET,TARGET... [FILE=TARGET...]... [options]");
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
    if let Ok(names) = std::env::var("POLYTASK_KINDS") {
        settings = settings.kinds(names.split(',').map(kind));
    }
    if let Some(members) = std::env::var("POLYTASK_MEMBERS").ok().and_then(|members| members.parse().ok()) {
        settings = settings.members(members);
    }
    let seed = std::env::var("POLYTASK_FOLDS").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("folds of seed {seed}");
    if cuts {
        println!("{:<12}{:>11}{:>11}{:>20}", "log loss", "ten alike", "estimator", "difference");
        for table in tables {
            let (file, targets) = table.split_once('=').unwrap_or((table, ""));
            let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
            println!("{}", line_of_classes(&name, &thirds(&options.read(file, targets, "")?.0)?, seed)?);
        }
        return Ok(());
    }
    println!(
        "{:<12}{:>6}{:>12}{:>10}{:>11}{:>20}{:>12}{:>11}  of each target",
        "table", "rows", "one network", "ten alike", "estimator", "difference", "s/fit alike", "s/fit"
    );
    for table in tables {
        let (file, targets) = table.split_once('=').unwrap_or((table, ""));
        let (reader, table, report) = options.table(file, targets, "")?;
        eprintln!("{report}");
        let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let seconds = Mutex::new([0.0; 2]);
        let result = ten_folds(seed).run_csv(&reader, &table, |part| {
            let both = Both::fit(&settings, part)?;
            let mut sums = seconds.lock().expect("no panic");
            sums.iter_mut().zip(both.seconds).for_each(|(sum, of_fold)| *sum += of_fold / FOLDS as f64);
            Ok(both)
        })?;
        result.warnings().iter().for_each(|warning| eprintln!("{name}: {warning}"));
        let seconds = *seconds.lock().expect("no panic");
        println!("{}", line(&name, table.n_rows(), &result, seconds));
    }
    Ok(())
}

fn usage(wrong: &str) -> ! {
    eprintln!("{wrong}\n{}", own_table::OPTIONS);
    std::process::exit(2)
}

/// The kind of network of this name.
fn kind(name: &str) -> MemberKind {
    match name {
        "plain" => MemberKind::Plain,
        "decayed" => MemberKind::Decayed,
        "linear" => MemberKind::Linear,
        "binned" => MemberKind::Binned,
        _ => usage(&format!("POLYTASK_KINDS: expected plain, decayed, linear or binned, found `{name}`")),
    }
}

/// How the rows are cut.
pub fn ten_folds(seed: u64) -> CrossValidation {
    CrossValidation::new(FOLDS).seed(seed)
}

/// The estimator, ten networks alike and the first of them, as three times as many tasks, in this order.
#[derive(Debug)]
pub struct Both {
    tasks: Vec<Task>,
    fitted: Fitted<Regression, f32>,
    alike: Fitted<Regression, f32>,
    /// How long it took to fit the ten, and the estimator.
    pub seconds: [f64; 2],
}

impl Both {
    /// Fits the two of one fold.
    pub fn fit(settings: &MultiTaskRegressor, part: &TrainingPart<'_, f32>) -> polytask::Result<Self> {
        let begin = Instant::now();
        let fitted = settings.fit_table(part.data)?;
        let of_estimator = begin.elapsed().as_secs_f64();
        let alike = settings.clone().kinds([MemberKind::Plain]).members(10).fit_table(part.data)?;
        let seconds = [begin.elapsed().as_secs_f64() - of_estimator, of_estimator];
        let mut tasks: Vec<Task> = part.data.target_names().iter().map(Task::regression).collect();
        for by in ["ten networks", "one network"] {
            let of_them = |target| Task::regression(format!("{target} by {by}")).columns([target]);
            tasks.extend(part.data.target_names().iter().map(of_them));
        }
        Ok(Self { tasks, fitted, alike, seconds })
    }
}

impl Predictor<f32> for Both {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn predict_tasks(&self, data: &Dataset<f32>) -> polytask::Result<Vec<Array2<f32>>> {
        let of_one: Vec<Array2<f32>> = self.alike.members()[0]
            .predict_table(data)?
            .iter()
            .map(|(_, values)| values.to_owned())
            .collect();
        let one: Vec<_> = of_one.iter().map(|values| values.view()).collect();
        let one = concatenate(Axis(1), &one).expect("as many rows each");
        let (all, alike) = (self.fitted.predict_table(data)?, self.alike.predict_table(data)?);
        let columns = all.columns().into_iter().chain(alike.columns()).chain(one.columns());
        Ok(columns.map(|column| column.to_owned().insert_axis(Axis(1))).collect())
    }

    fn warnings_on(&self, data: &Dataset<f32>) -> polytask::Result<Vec<polytask::Warning>> {
        self.fitted.warnings_on(data)
    }
}

/// The line of one table; the seconds are those of ten networks alike and of the estimator.
pub fn line(name: &str, n_rows: usize, result: &CrossValidated, seconds: [f64; 2]) -> String {
    let errors: Vec<Option<f64>> =
        result.tasks().iter().map(|task| task.score("rrmse").and_then(|score| score.mean_pooled())).collect();
    let n_targets = errors.len() / 3;
    let average = |errors: &[Option<f64>]| {
        let defined: Vec<f64> = errors.iter().flatten().copied().collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    let number = |error: Option<f64>, decimals: usize| {
        error.map_or_else(|| "undefined".to_owned(), |error| format!("{error:.decimals$}"))
    };
    let [all, alike, one] = [0, 1, 2].map(|i| number(average(&errors[i * n_targets..][..n_targets]), 4));
    let each: Vec<String> = errors[..n_targets].iter().map(|&error| number(error, 3)).collect();
    let scores = |tasks: &[TaskValidation]| -> Vec<Vec<Option<f64>>> {
        tasks.iter().filter_map(|task| Some(task.score("rrmse")?.folds.clone())).collect()
    };
    let (of_all, of_alike) = result.tasks().split_at(n_targets);
    let difference = difference(&scores(of_all), &scores(&of_alike[..n_targets]));
    let [of_alike, of_all] = seconds;
    format!(
        "{name:<12}{n_rows:>6}{one:>12}{alike:>10}{all:>11}{difference:>20}{of_alike:>12.2}{of_all:>11.2}  {}",
        each.join(" ")
    )
}

/// By how much the estimator's errors, a list over the folds for each target, are above those of ten networks alike: the mean
/// over the folds, and its standard error.
fn difference(of_all: &[Vec<Option<f64>>], of_alike: &[Vec<Option<f64>>]) -> String {
    let in_fold = |fold: usize| {
        let pairs = of_all.iter().zip(of_alike);
        let defined: Vec<f64> = pairs.filter_map(|(all, alike)| Some(all[fold]? - alike[fold]?)).collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    let differences: Vec<f64> = (0..of_all.first().map_or(0, Vec::len)).filter_map(in_fold).collect();
    let n = differences.len() as f64;
    if n < 2.0 {
        return "undefined".into();
    }
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    format!("{mean:+.4} ± {:.4}", (squares / (n - 1.0) / n).sqrt())
}

/// The table with classes in the place of quantities: up to the lower third, up to the upper, and above; fewer where labels are
/// equal. A missing label stays so.
pub fn thirds(data: &Dataset<f32>) -> polytask::Result<Dataset<f32>> {
    let classes_of = |labels: ArrayView1<'_, f32>| -> Vec<f32> {
        let mut sorted: Vec<f32> = labels.iter().copied().filter(|y| !y.is_nan()).collect();
        sorted.sort_by(f32::total_cmp);
        let n = sorted.len();
        let mut edges = if n > 0 { vec![sorted[n / 3], sorted[2 * n / 3]] } else { Vec::new() };
        edges.dedup();
        edges.retain(|edge| sorted.last() > Some(edge));
        let class = |y: f32| edges.iter().filter(|&&edge| y > edge).count() as f32;
        labels.iter().map(|&y| if y.is_nan() { y } else { class(y) }).collect()
    };
    let columns: Vec<Vec<f32>> = data.targets().columns().into_iter().map(classes_of).collect();
    let classes = Array2::from_shape_fn(data.targets().dim(), |(i, k)| columns[k][i]);
    Dataset::new(data.features().to_owned(), classes)?.with_target_names(data.target_names().to_vec())
}

/// The line of a table of classes.
pub fn line_of_classes(name: &str, data: &Dataset<f32>, seed: u64) -> polytask::Result<String> {
    let settings = MultiTaskClassifier::new().threads(1);
    let alike = settings.clone().kinds([MemberKind::Plain]).members(10);
    let losses = |settings: &MultiTaskClassifier| -> polytask::Result<(f64, Vec<Vec<Option<f64>>>)> {
        let result = ten_folds(seed).run(data, |part| settings.fit_table(part.data))?;
        let scores = result.tasks().iter().filter_map(|task| task.score("log_loss"));
        let (means, folds): (Vec<_>, Vec<_>) =
            scores.map(|score| (score.mean_pooled(), score.folds.clone())).unzip();
        let defined: Vec<f64> = means.into_iter().flatten().collect();
        Ok((defined.iter().sum::<f64>() / defined.len() as f64, folds))
    };
    let ((mean_alike, of_alike), (mean, of_all)) = (losses(&alike)?, losses(&settings)?);
    Ok(format!("{name:<12}{mean_alike:>11.4}{mean:>11.4}{:>20}", difference(&of_all, &of_alike)))
}
