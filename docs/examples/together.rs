//! Together or apart, where the truth is known: 30 reports on tasks that are the same, mirrored, or unrelated; and ten
//! proposals of groups for six tasks in two hidden families. And for a table of your own.
//!
//! ```text
//! cargo run --release --example together -- reports         30 epochs, 20 folds four times
//! cargo run --release --example together -- reports 50 1    50 epochs, 20 folds once
//! cargo run --release --example together -- reports 30 4 21 the first with draws 21 to 30 instead of 1 to 10
//! cargo run --release --example together -- null
//! cargo run --release --example together -- groups
//! cargo run --release --example together -- table houses.csv price rent > houses.html
//! ```
//! The first are two regressions of `related_tasks` with cosine 1 (the same function of the features), −1 (the same function
//! of the mirrored features) and 0 (unrelated), ten draws each. Networks have one hidden layer; that of the joint model is
//! narrow for so rough a target, and those of the single tasks have as many parameters in total. In each draw the question is
//! whether joint training predicts better. Draws are tables of their own, so that over the ten of a cosine the exact
//! sign-flip test holds; over the folds of one table it would not.
//!
//! `null` counts claims where there is nothing to claim: of 200 tables, those on which networks for single tasks are called better
//! or worse than the same networks with other first values.
//!
//! The families are those of `task_families`, with cosine 0.9 within and 0 across. Groups are proposed from half of the rows
//! and tried on the other half.
//!
//! For a CSV file, the targets are those named, quantities all. It prints the report to the error output, and the page to the
//! output. Gaps and texts are encoded from all rows, before the folds are cut.

use polytask::data::csv::CsvReader;
use polytask::prelude::*;
use polytask::together::{Answer, Proposal, TogetherOrApart, TogetherReport};
use polytask::validation::{Comparison, CrossValidation, Verdict, sign_flip};

/// The cosines between the two tasks' directions.
pub const COSINES: [f64; 3] = [1.0, -1.0, 0.0];
/// Draws of each.
pub const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;

/// Whether to train two tasks together, in one draw.
pub fn report(cosine: f64, seed: u64, epochs: u64, repeats: usize) -> polytask::Result<TogetherReport> {
    let data = datasets::related_tasks::<f32>(2_000, 6, 2, cosine, 0.1, seed);
    TogetherOrApart::new(["task0", "task1"].map(Task::regression))
        .hidden([16])
        .activation(Activation::Tanh)
        .trainer(Trainer::new(Adam::new(0.01)).batch_size(32).epochs(epochs))
        .folds(CrossValidation::new(20).repeats(repeats).seed(seed).threads(2))
        .comparison(Comparison::new().metric("rmse").margin(0.05))
        .run(&data)
}

/// Six tasks in two families: 0, 2, 4 and 1, 3, 5.
fn families(seed: u64) -> Dataset<f32> {
    datasets::task_families(1_200, 8, 2, 3, 0.9, 0.1, seed)
}

fn six_tasks(seed: u64) -> TogetherOrApart {
    TogetherOrApart::new((0..6).map(|k| Task::regression(format!("task{k}"))))
        .hidden([64])
        .activation(Activation::Tanh)
        .trainer(Trainer::new(Adam::new(0.01)).batch_size(128).epochs(10))
        .folds(CrossValidation::new(5).repeats(2).seed(seed).threads(2))
        .comparison(Comparison::new().metric("rmse").margin(0.05))
}

/// The groups that are proposed for a draw of the families.
pub fn proposal(seed: u64) -> polytask::Result<Proposal<f32>> {
    six_tasks(seed).propose(&families(seed), 0.5)
}

/// The answer in a word or two.
pub fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::NoWorse => "no worse",
        _ => "cannot tell",
    }
}

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    match arguments.first().map(String::as_str) {
        Some("reports") => reports(number(1, 30), number(2, 4) as usize, number(3, *SEEDS.start())),
        Some("null") => null(),
        Some("groups") => groups(),
        Some("table") if arguments.len() > 3 => table(&arguments[1], &arguments[2..]),
        _ => {
            eprintln!(
                "usage: together reports [EPOCHS] [REPEATS] [FIRST DRAW], together null, together groups, or together table FILE TARGET TARGET …"
            );
            std::process::exit(2)
        }
    }
}

fn reports(epochs: u64, repeats: usize, first: u64) -> polytask::Result<()> {
    let mut last = None;
    for cosine in COSINES {
        let (mut gains, mut words) = (Vec::new(), Vec::new());
        for seed in first..first + SEEDS.count() as u64 {
            let report = report(cosine, seed, epochs, repeats)?;
            let gain = report.delta_m_gain("together").unwrap_or(f64::NAN);
            words.push(format!("{} {gain:+.1}", word(report.generalisation().answer)));
            gains.push(gain);
            last = Some(report);
        }
        let test = sign_flip(&gains)?;
        println!("cosine {cosine:+}: {}", words.join(", "));
        println!("    mean {:+.1} %, p {:.3} (the smallest is {:.3})", test.mean, test.p, test.smallest_p);
    }
    println!("\n{}", last.expect("thirty reports"));
    Ok(())
}

/// What the networks of single tasks are called beside the same with other first values, on one table: for each task and over
/// both.
pub fn nothing_to_find(seed: u64) -> polytask::Result<Vec<Verdict>> {
    let data = datasets::related_tasks::<f32>(200, 4, 2, 0.5, 0.3, seed);
    let hidden = Layer::dense(8, Activation::Tanh);
    let report = TogetherOrApart::new(["task0", "task1"].map(Task::regression))
        .hidden([8])
        .activation(Activation::Tanh)
        .trainer(Trainer::new(Adam::new(0.01)).batch_size(32).epochs(10))
        .folds(CrossValidation::new(5).repeats(2).seed(seed).threads(2))
        .comparison(Comparison::new().metric("rmse"))
        .full_width()
        .model("apart anew", move |builder| {
            Ok(builder.sharing(Sharing::independent([hidden.clone()])).seed(1_000_000 + seed))
        })
        .run(&data)?;
    let comparison = report.comparison.expect("nothing fails");
    let anew = comparison.differences.iter().filter(|difference| difference.contender == "apart anew");
    Ok(anew.map(|difference| difference.verdict).collect())
}

fn null() -> polytask::Result<()> {
    let mut n_false = 0;
    for seed in 1..=200 {
        let verdicts = nothing_to_find(seed)?;
        n_false +=
            usize::from(verdicts.iter().any(|verdict| matches!(verdict, Verdict::Better | Verdict::Worse)));
    }
    println!("false claims: {n_false} of 200 reports (at 5 %, more than 17 would be too many)");
    Ok(())
}

fn groups() -> polytask::Result<()> {
    for seed in SEEDS {
        let proposal = proposal(seed)?;
        let groups: Vec<String> = proposal.groups.iter().map(|group| group.join(" ")).collect();
        let tried = six_tasks(seed).grouping("proposed", proposal.groups).run(&proposal.rest)?;
        let [joint, proposed] =
            ["together", "proposed"].map(|name| tried.delta_m_gain(name).unwrap_or(f64::NAN));
        println!("{seed:2}: {}", groups.join(" | "));
        println!("    gain over apart: together {joint:+.1} %, proposed {proposed:+.1} %");
    }
    Ok(())
}

/// A joint network and a mixture of experts beside a network for each target, in five folds three times.
fn table(file: &str, targets: &[String]) -> polytask::Result<()> {
    let (data, _) = CsvReader::new().targets(targets).read::<f32>(file)?;
    let report = TogetherOrApart::new(targets.iter().map(Task::regression))
        .folds(CrossValidation::new(5).repeats(3).seed(1).threads(2))
        .comparison(Comparison::new().metric("rmse").margin(0.05))
        .sharing(
            "mixture",
            Sharing::mmoe(4, [Layer::dense(32, Activation::Relu), Layer::dense(32, Activation::Relu)]),
        )
        .run(&data)?;
    eprintln!("{report}");
    println!("{}", report.html());
    Ok(())
}
