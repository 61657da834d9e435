//! Labels that look wrong: some are made wrong on purpose, and counted among those that a ledger points at first.
//!
//! ```text
//! cargo run --release --example suspects -- grades                     of the built-in problem with several kinds of task
//! cargo run --release --example suspects -- grades 11                  draws 11 to 20 instead of 1 to 10
//! cargo run --release --example suspects -- table enb.csv Y1 Y2        of a table of your own, all targets quantities
//! ```
//! Of one task, 2 % of the labels are swapped: pairs of rows with different grades, or with quantities at least a standard
//! deviation apart, exchange theirs. Then each label is scored by a model that has not seen its row, and the 4 % with the largest
//! scores are looked at: of labels drawn at random they would hold 4 % of those swapped. Ten draws of the swaps.

use polytask::data::csv::CsvReader;
use polytask::ledger::SuspectLabels;
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::validation::CrossValidation;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// The share of labels that are swapped, and of those that are looked at.
const SWAPPED: f64 = 0.02;
const LOOKED_AT: f64 = 0.04;

/// The table with swapped labels in one target, and the rows that have them: pairs whose labels differ by `apart` at least.
pub fn swap(
    data: &Dataset<f64>,
    target: usize,
    apart: f64,
    seed: u64,
) -> polytask::Result<(Dataset<f64>, Vec<usize>)> {
    let mut targets: Array2<f64> = data.targets().to_owned();
    let mut rows: Vec<usize> = (0..data.n_rows()).filter(|&row| !targets[[row, target]].is_nan()).collect();
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let n_pairs = (0.5 * SWAPPED * rows.len() as f64).round() as usize;
    let mut swapped = Vec::new();
    while swapped.len() < 2 * n_pairs {
        let Some(first) = rows.pop() else { break };
        let differs = |&row: &usize| (targets[[row, target]] - targets[[first, target]]).abs() >= apart;
        let Some(at) = rows.iter().position(differs) else { continue };
        let second = rows.swap_remove(at);
        targets.swap([first, target], [second, target]);
        swapped.extend([first, second]);
    }
    let names = data.target_names().to_vec();
    let data = Dataset::new(data.features().to_owned(), targets)?.with_target_names(names)?;
    Ok((data, swapped))
}

/// The share of the swapped labels among those looked at.
pub fn found(suspects: &SuspectLabels, task: usize, swapped: &[usize]) -> f64 {
    let ranked = suspects.ranked(task);
    let n = (LOOKED_AT * ranked.len() as f64).round() as usize;
    ranked[..n].iter().filter(|(row, _)| swapped.contains(row)).count() as f64 / swapped.len() as f64
}

/// The scores of all labels, by networks that learn the tasks together, with two hidden layers of this width.
pub fn suspects(
    data: &Dataset<f64>,
    tasks: &[Task],
    width: usize,
    epochs: u64,
    seed: u64,
) -> polytask::Result<SuspectLabels> {
    // The mean over networks that have seen other rows is steadier than one score.
    let folds = CrossValidation::new(10).repeats(5).seed(seed).threads(2);
    SuspectLabels::find(data, &folds, |part| {
        let layers = [Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Relu)];
        let builder = Model::builder(data.n_features()).trunk(layers).standardize().seed(part.seed);
        let mut model = tasks.iter().fold(builder, |builder, task| builder.task(task.clone())).build()?;
        let trainer = Trainer::new(Adam::new(0.005)).batch_size(32).epochs(epochs).seed(part.seed);
        trainer.fit(&mut model, part.data)?;
        Ok(model)
    })
}

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("grades") => grades(arguments.get(1).and_then(|first| first.parse().ok()).unwrap_or(1)),
        Some("table") if arguments.len() > 2 => table(&arguments[1], &arguments[2..]),
        _ => {
            eprintln!("usage: suspects grades [FIRST DRAW], or suspects table FILE TARGET …");
            std::process::exit(2)
        }
    }
}

fn grades(first: u64) -> polytask::Result<()> {
    let mut shares = Vec::new();
    for seed in first..first + 10 {
        let (data, swapped) = swap(&datasets::mixed_tasks(2_000, 0.0, seed), 2, 1.0, seed)?;
        let tasks = [Task::regression("value"), Task::binary("accepted"), Task::classes("grade", 5)];
        shares.push(found(&suspects(&data, &tasks, 16, 20, seed)?, 2, &swapped));
    }
    print("grade", &shares);
    Ok(())
}

fn table(file: &str, targets: &[String]) -> polytask::Result<()> {
    let (data, _) = CsvReader::new().targets(targets).read::<f64>(file)?;
    let tasks: Vec<Task> = targets.iter().map(Task::regression).collect();
    for (k, name) in targets.iter().enumerate() {
        let deviation = data.targets().column(k).std(1.0);
        let mut shares = Vec::new();
        for seed in 1..=10 {
            let (data, swapped) = swap(&data, k, deviation, seed)?;
            shares.push(found(&suspects(&data, &tasks, 64, 60, seed)?, k, &swapped));
        }
        print(name, &shares);
    }
    Ok(())
}

fn print(task: &str, shares: &[f64]) {
    let words: Vec<String> = shares.iter().map(|share| format!("{share:.2}")).collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    println!("{task}: found among 4 % of the labels: {} – mean {mean:.2}", words.join(" "));
}
