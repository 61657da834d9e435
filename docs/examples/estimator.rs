//! Ten-fold cross-validation of `MultiTaskRegressor` with its defaults, on tables of your own.
//!
//! ```text
//! cargo run --release --example estimator -- heating.csv=Y1,Y2 concrete.csv=slump,flow,strength
//! cargo run --release --example estimator -- thirds heating.csv=Y1,Y2
//! cargo run --release --example estimator -- coverage heating.csv=Y1,Y2
//! ```
//! Each argument is a CSV file and the names of its target columns. One line for each table: the relative root mean
//! squared error, averaged over the targets (aRRMSE: 1 is what predicting the training mean would reach), of one
//! network, of the mean of ten networks alike, and of the estimator; the mean difference of the last two in a fold, with its
//! standard error over the folds; the time of one fit of each of the two; and the estimator's error of each target. An error is
//! of all folds together, each row predicted by the model that has not seen it. Rows without a label of a target do not count
//! for it; a target whose labels are all equal has no such error (`undefined`) and is left out of the averages. Folds are those
//! of seed 1 (`POLYTASK_FOLDS` names another), as in the example `cross_validation`; in each, categories and the means
//! that fill gaps are those of its training part. The estimator has other kinds of networks with
//! `POLYTASK_KINDS=plain,linear`, say, more or fewer with `POLYTASK_MEMBERS`, and more of more kinds with
//! `POLYTASK_EFFORT=high`. What was found in each table is printed
//! first; `--help` lists the options for what was not found rightly.
//!
//! With `thirds`, each target is cut into three classes of about equal size, and the line has the mean log loss of ten networks
//! alike and of `MultiTaskClassifier` with its defaults, and the difference as above. Here the table is encoded as a whole.
//!
//! With `coverage`, a quarter of the training rows is kept apart for intervals. Three lines for each table, of intervals of 80, 90
//! and 95 %: how many rows were kept (of the first fold), what share of the labels of all folds is within its interval, what
//! share of the rows has all labels within intervals for all targets together, the mean width of both kinds of intervals in
//! standard deviations of the target, the same for one plain network, the aRRMSE of the estimator and of one that learns from
//! all training rows, and the coverage of each target. Here too the table is
//! encoded as a whole: then no row is treated unlike the others.

use std::sync::Mutex;
use std::time::Instant;

use polytask::estimator::{Effort, Fitted, Intervals, MemberKind, Regression};
use polytask::ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate};
use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, Predictor, TaskValidation, TrainingPart};

use own_table::Options;

pub mod own_table;

const FOLDS: usize = 10;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, mut tables) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    let mode = tables.first().copied().filter(|first| ["thirds", "coverage"].contains(first));
    if mode.is_some() {
        tables.remove(0);
    }
    if tables.is_empty() || tables.iter().any(|table| !table.contains('=')) {
        usage("usage: estimator [thirds | coverage] FILE=TARGET,TARGET... [FILE=TARGET...]... [options]");
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
    if let Ok(name) = std::env::var("POLYTASK_EFFORT") {
        settings = settings.effort(match name.as_str() {
            "low" => Effort::Low,
            "high" => Effort::High,
            _ => usage(&format!("POLYTASK_EFFORT: expected low or high, found `{name}`")),
        });
    }
    let seed = std::env::var("POLYTASK_FOLDS").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("folds of seed {seed}");
    if mode == Some("coverage") {
        println!(
            "{:<8}{:>6}{:>9}{:>9}{:>9}{:>8}{:>8}{:>10}{:>8}{:>8}{:>8}  of each target",
            "table",
            "kept",
            "promised",
            "each",
            "all",
            "width",
            "of all",
            "one: each",
            "all",
            "width",
            "of all"
        );
        for table in tables {
            let (file, targets) = table.split_once('=').unwrap_or((table, ""));
            let name = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
            let data = options.read(file, targets, "")?.0;
            let lines = lines_of_coverage(&name, &data, &settings.clone().threads(2), seed)?;
            println!("{}", lines.join("\n"));
        }
        return Ok(());
    }
    if mode == Some("thirds") {
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
        "fine" => MemberKind::Fine,
        _ => {
            usage(&format!("POLYTASK_KINDS: expected plain, decayed, linear, binned or fine, found `{name}`"))
        }
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

/// What intervals of one coverage came to, over the rows that were held out.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// For each target: labels, those within their intervals, and the sum of the widths.
    each: Vec<[f64; 3]>,
    /// Rows with all labels, those with all labels within their intervals.
    all: [f64; 2],
    /// For each target the sum of the widths of intervals for all targets together.
    widths_of_all: Vec<f64>,
}

impl Tally {
    fn add(&mut self, each: &Intervals<f32>, all: &Intervals<f32>, labels: ArrayView2<'_, f32>) {
        let within = |intervals: &Intervals<f32>, row: usize, k: usize| {
            (intervals.low[[row, k]]..=intervals.high[[row, k]]).contains(&labels[[row, k]])
        };
        let width = |intervals: &Intervals<f32>, row: usize, k: usize| {
            f64::from(intervals.high[[row, k]]) - f64::from(intervals.low[[row, k]])
        };
        self.each.resize(labels.ncols(), [0.0; 3]);
        self.widths_of_all.resize(labels.ncols(), 0.0);
        for row in 0..labels.nrows() {
            for k in (0..labels.ncols()).filter(|&k| !labels[[row, k]].is_nan()) {
                let added = [1.0, f64::from(u8::from(within(each, row, k))), width(each, row, k)];
                self.each[k].iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
                self.widths_of_all[k] += width(all, row, k);
            }
            if labels.row(row).iter().all(|y| !y.is_nan()) {
                self.all[0] += 1.0;
                self.all[1] += f64::from(u8::from((0..labels.ncols()).all(|k| within(all, row, k))));
            }
        }
    }

    /// Coverage of each target, and of the rows; mean widths in units of the targets' deviations, of both kinds of intervals.
    fn summary(&self, deviations: &[f64]) -> (Vec<f64>, [f64; 4]) {
        let mean = |numbers: Vec<f64>| numbers.iter().sum::<f64>() / numbers.len() as f64;
        let of_each: Vec<f64> = self.each.iter().map(|[n, covered, _]| covered / n).collect();
        let in_units = |sum: f64, k: usize| sum / self.each[k][0] / deviations[k];
        let widths = (0..deviations.len()).map(|k| in_units(self.each[k][2], k)).collect();
        let of_all = (0..deviations.len()).map(|k| in_units(self.widths_of_all[k], k)).collect();
        let numbers = [mean(of_each.clone()), self.all[1] / self.all[0], mean(widths), mean(of_all)];
        (of_each, numbers)
    }
}

/// The lines of one table about the intervals of the estimator, and of one plain network.
pub fn lines_of_coverage(
    name: &str,
    data: &Dataset<f32>,
    without: &MultiTaskRegressor,
    seed: u64,
) -> polytask::Result<Vec<String>> {
    let settings = &without.clone().calibrate(0.25);
    let one = settings.clone().kinds([MemberKind::Plain]).members(1);
    let coverages = [0.8, 0.9, 0.95];
    let mut tallies = vec![[Tally::default(), Tally::default()]; coverages.len()];
    let mut kept = None;
    // For each target the squared errors of the estimator, of the one that learns from all rows, and of their mean.
    let mut squares = vec![[0.0; 3]; data.n_targets()];
    for (number, fold) in data.fold_rows(FOLDS, seed)?.into_iter().enumerate() {
        // Another seed in each fold: with the same one nearly the same rows would be kept apart in all of them.
        let seeded =
            |settings: &MultiTaskRegressor| settings.clone().seed(seed * FOLDS as u64 + number as u64);
        let (train, test) = (data.select(&fold.train), data.select(&fold.test));
        let mut predicted = Vec::new();
        for (which, settings) in [settings, &one].into_iter().enumerate() {
            let model = seeded(settings).fit_table(&train)?;
            kept = kept.or(model.calibration().map(|calibration| calibration.n_rows));
            for (of_coverage, &coverage) in tallies.iter_mut().zip(&coverages) {
                let each = model.predict_interval_table(&test, coverage)?;
                let all = model.predict_joint_interval_table(&test, coverage)?;
                of_coverage[which].add(&each, &all, test.targets());
            }
            predicted.push(model.predict_table(&test)?);
        }
        predicted[1] = seeded(without).fit_table(&train)?.predict_table(&test)?;
        for (k, sums) in squares.iter_mut().enumerate() {
            let mean = mean_of(train.targets().column(k));
            for (row, y) in test.targets().column(k).iter().map(|&y| f64::from(y)).enumerate() {
                let guesses = [f64::from(predicted[0][[row, k]]), f64::from(predicted[1][[row, k]]), mean];
                let square = |guess: f64| if y.is_nan() { 0.0 } else { (y - guess).powi(2) };
                sums.iter_mut().zip(guesses).for_each(|(sum, guess)| *sum += square(guess));
            }
        }
    }
    let [error, error_without] = [0, 1].map(|which| {
        let of_target = |sums: &[f64; 3]| (sums[which] / sums[2]).sqrt();
        squares.iter().map(of_target).sum::<f64>() / squares.len() as f64
    });
    let deviation = |labels: ArrayView1<'_, f32>| {
        let mean = mean_of(labels);
        let squares = labels.mapv(|y| ((f64::from(y) - mean).powi(2)) as f32);
        mean_of(squares.view()).sqrt()
    };
    let deviations: Vec<f64> = data.targets().columns().into_iter().map(deviation).collect();
    let line = |(&coverage, [estimator, one]): (&f64, &[Tally; 2])| {
        let (of_each, [each, all, width, of_all]) = estimator.summary(&deviations);
        let (_, [one_each, one_all, one_width, one_of_all]) = one.summary(&deviations);
        let of_each: Vec<String> = of_each.iter().map(|share| format!("{share:.3}")).collect();
        format!(
            "{name:<8}{:>6}{coverage:>9}{each:>9.3}{all:>9.3}{width:>8.3}{of_all:>8.3}\
             {one_each:>10.3}{one_all:>8.3}{one_width:>8.3}{one_of_all:>8.3}\
             {error:>9.4}{error_without:>9.4}  {}",
            kept.unwrap_or(0),
            of_each.join(" ")
        )
    };
    Ok(coverages.iter().zip(&tallies).map(line).collect())
}

/// The mean of the labels that there are.
fn mean_of(labels: ArrayView1<'_, f32>) -> f64 {
    let labels: Vec<f64> = labels.iter().map(|&y| f64::from(y)).filter(|y| !y.is_nan()).collect();
    labels.iter().sum::<f64>() / labels.len() as f64
}
