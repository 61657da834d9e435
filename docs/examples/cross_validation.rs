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
//!
//! Several networks may predict together: `--ensemble 32` trains a batch ensemble of 32 members, `--networks 32` as many
//! networks apart, whose predictions are averaged. `--seed 2` cuts the rows into other folds, `--decay 0.05` changes the decay of weights. Behind the scores stand the
//! number of parameters and the mean time that a fold took.

use std::sync::Mutex;
use std::time::Instant;

use polytask::Warning;
use polytask::ndarray::Array2;
use polytask::optim::ParameterGroups;
use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, Predictor, TrainingPart};

use own_table::Options;

pub mod own_table;

const EPOCHS: u64 = 500;
const LEARNING_RATE: f64 = 0.003;
/// Found on three small tables; a table of many rows wants less.
const WEIGHT_DECAY: f64 = 0.5;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, rest) = Options::take(&arguments).unwrap_or_else(|wrong| usage(&wrong));
    let (together, rest) = Together::take(rest).unwrap_or_else(|wrong| usage(&wrong));
    let (file, targets) = match rest[..] {
        [file, targets] | [file, targets, _] if !targets.starts_with("--") => (file, targets),
        _ => usage(
            "usage: cross_validation FILE TARGET,TARGET... [FOLDS] [--ensemble N | --networks N] [--seed N] [--decay X] [options]",
        ),
    };
    let (reader, table, report) = options.table(file, targets, "")?;
    eprintln!("{report}");
    let epochs = options.epochs.unwrap_or(EPOCHS);
    let taken = Mutex::new((0, 0.0));
    let result = ten_folds().seed(together.seed).run_csv(&reader, &table, |part| {
        let begin = Instant::now();
        let networks = Networks::fit(part, epochs, together)?;
        let mut taken = taken.lock().expect("no fold panics");
        *taken = (networks.n_parameters().unwrap_or(0), taken.1 + begin.elapsed().as_secs_f64() / 10.0);
        Ok(networks)
    })?;
    println!("{}", summary(&result)?);
    let (parameters, seconds) = *taken.lock().expect("no fold panics");
    println!("{parameters} parameters, {seconds:.1} seconds for a fold");
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

/// What predicts together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Together {
    /// The members of each network: 1, but for a batch ensemble.
    pub members: usize,
    /// Networks that are trained apart.
    pub networks: usize,
    /// The seed that the folds are drawn with.
    pub seed: u64,
    /// The decay of weights.
    pub decay: f64,
}

impl Default for Together {
    fn default() -> Self {
        Self { members: 1, networks: 1, seed: 1, decay: WEIGHT_DECAY }
    }
}

impl Together {
    /// Takes its options out of the arguments, and leaves the others; the error says which one is wrong.
    pub fn take(arguments: Vec<&str>) -> Result<(Self, Vec<&str>), String> {
        let (mut together, mut rest) = (Self::default(), Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(option) = arguments.next() {
            if !["--ensemble", "--networks", "--seed", "--decay"].contains(&option) {
                rest.push(option);
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
            let wrong = |expected: &str| format!("{option}: expected {expected}, found `{value}`");
            if option == "--decay" {
                let decay = value.parse::<f64>().ok().filter(|decay| *decay >= 0.0 && decay.is_finite());
                together.decay = decay.ok_or_else(|| wrong("a number from 0 on"))?;
                continue;
            }
            let number = value.parse::<usize>().ok().filter(|&n| n > 0);
            let number = number.ok_or_else(|| wrong("a whole number from 1 on"))?;
            match option {
                "--ensemble" => together.members = number,
                "--networks" => together.networks = number,
                _ => together.seed = number as u64,
            }
        }
        Ok((together, rest))
    }
}

/// Networks whose predictions are averaged.
#[derive(Debug)]
pub struct Networks(Vec<Model<f32>>);

impl Networks {
    /// Those of one fold.
    pub fn fit(part: &TrainingPart<'_, f32>, epochs: u64, together: Together) -> polytask::Result<Self> {
        let seeds = (0..together.networks).map(|network| (part.fold + 10 * network) as u64);
        seeds.map(|seed| fit_one(part, epochs, together, seed)).collect::<Result<_, _>>().map(Self)
    }
}

impl Predictor<f32> for Networks {
    fn tasks(&self) -> &[Task] {
        self.0[0].tasks()
    }

    fn predict_tasks(&self, data: &Dataset<f32>) -> polytask::Result<Vec<Array2<f32>>> {
        let mut sums = self.0[0].predict_tasks(data)?;
        for network in &self.0[1..] {
            sums.iter_mut().zip(network.predict_tasks(data)?).for_each(|(sum, other)| *sum += &other);
        }
        let n = self.0.len() as f32;
        sums.iter_mut().for_each(|sum| *sum /= n);
        Ok(sums)
    }

    fn warnings_on(&self, data: &Dataset<f32>) -> polytask::Result<Vec<Warning>> {
        self.0[0].warnings_on(data)
    }

    fn n_parameters(&self) -> Option<usize> {
        Some(self.0.iter().map(|network| network.n_parameters()).sum())
    }
}

/// The network of one fold.
pub fn fit(part: &TrainingPart<'_, f32>, epochs: u64) -> polytask::Result<Model<f32>> {
    fit_one(part, epochs, Together::default(), part.fold as u64)
}

fn fit_one(
    part: &TrainingPart<'_, f32>,
    epochs: u64,
    Together { members, decay, .. }: Together,
    seed: u64,
) -> polytask::Result<Model<f32>> {
    eprintln!("fold {}", part.fold);
    let mut layers = own_table::first_layers(part.data);
    layers.extend([Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)]);
    let mut builder =
        Model::builder(part.data.n_features()).trunk(layers).standardize().seed(seed).batch_ensemble(members);
    for target in part.data.target_names() {
        builder = builder.task(Task::regression(target));
    }
    let mut model = builder.build::<f32>()?;
    let steps = epochs * part.data.n_rows().div_ceil(32) as u64;
    // Decay is for the weights: on the members' factors, first ±1, it would act on each product three times.
    let groups = ParameterGroups::new();
    let groups = if members > 1 { groups.decay("*_scale", 0.0) } else { groups };
    Trainer::new(AdamW::new(LEARNING_RATE).weight_decay(decay))
        .parameter_groups(groups)
        .schedule(Schedule::cosine(steps, 0.0))
        .batch_size(32)
        .steps(steps)
        .seed(seed)
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
