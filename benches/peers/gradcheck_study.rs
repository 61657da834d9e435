//! How often does a gradient checker find a planted mistake, and how often does it cry wolf?
//!
//! Hands the same gradients, right and wrong, to `polytask::gradcheck` (here) and to the checkers of PyTorch and JAX
//! (`gradcheck_study.py`), each with its default settings, over ten draws of weights and data:
//!
//! ```text
//! cargo run --release --example gradcheck_study -- DIRECTORY [DRAWS]
//! python3 benches/peers/gradcheck_study.py DIRECTORY
//! ```
//!
//! The first prints our column and writes weights, data and gradients to the directory (about 200 MB for ten draws);
//! the second reads them.

use std::error::Error;
use std::fs;
use std::path::Path;

use polytask::gradcheck::{self, GradientReport, Probe, Verdict};

#[path = "../../tests/it/gradcheck_net.rs"]
mod gradcheck_net;

use gradcheck_net::{Activation, Batch, Bug, LARGE, Net, SMALL};

/// The middle weight and its bias: the blocks that the mistakes are in.
const WEIGHT: usize = 2;
const BIAS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("a directory for weights and gradients is expected")?;
    let draws: u64 = arguments.next().map_or(Ok(10), |n| n.parse())?;
    for (size, widths, batch) in [("1e6", LARGE, 32), ("467", SMALL, 8)] {
        let net = Net::new(widths, Activation::Relu);
        println!("\n{} parameters, batch {batch}, {draws} draws\n", net.layout.len());
        println!("| gradient handed in | flagged | inconclusive | losses | seconds |\n|---|---|---|---|---|");
        let mut tallies: Vec<(&str, Tally)> = Vec::new();
        for seed in 0..draws {
            let (theta, data) = net.draw(seed, batch);
            let mut right = vec![0.0; theta.len()];
            let loss = net.probe(&theta, &data, None, &mut Probe::with_gradient(&mut right));
            let place = Path::new(&directory).join(size).join(seed.to_string());
            export(&place, &net, &theta, &data, loss, &right)?;
            for (number, (what, bug)) in cases(&net, &right).into_iter().enumerate() {
                let mut handed_in = right.clone();
                net.patch(&theta, bug, &mut handed_in);
                export_patch(&place.join(format!("{number} {what}")), &right, &handed_in)?;
                let report = gradcheck::check(&theta, |theta, probe| {
                    let loss = net.probe(theta, &data, None, probe);
                    if let Some(gradient) = probe.gradient() {
                        gradient.copy_from_slice(&handed_in);
                    }
                    loss
                })
                .named(&net.layout)
                .seed(seed)
                .run();
                if tallies.len() <= number {
                    tallies.push((what, Tally::default()));
                }
                tallies[number].1.add(&report);
            }
        }
        for (what, tally) in &tallies {
            let Tally { flagged, inconclusive, losses, seconds } = tally;
            let n = draws as f64;
            println!(
                "| {what} | {flagged} | {inconclusive} | {:.0} | {:.2} |",
                *losses as f64 / n,
                seconds / n
            );
        }
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    flagged: usize,
    inconclusive: usize,
    losses: usize,
    seconds: f64,
}

impl Tally {
    fn add(&mut self, report: &GradientReport) {
        self.flagged += usize::from(report.verdict == Verdict::Fail);
        self.inconclusive += usize::from(report.verdict == Verdict::Inconclusive);
        self.losses += report.n_losses;
        self.seconds += report.elapsed.as_secs_f64();
    }
}

fn cases(net: &Net, right: &[f64]) -> Vec<(&'static str, Option<Bug>)> {
    let range = net.blocks[WEIGHT].range();
    let mut order: Vec<usize> = range.clone().collect();
    order.sort_by(|&i, &j| right[i].abs().total_cmp(&right[j].abs()));
    let median = order[order.len() / 2];
    let row = net.blocks[WEIGHT].shape().0 / 3;
    vec![
        ("correct", None),
        ("one median weight entry zeroed", Some(Bug::Entry(median, 0.0))),
        ("one entry off by 1 % of the norm", Some(Bug::EntryOff(median, 0.01))),
        ("two weight entries exchanged", Some(Bug::Swapped(median, order[order.len() * 9 / 10]))),
        ("one weight row zeroed", Some(Bug::RowZero(WEIGHT, row))),
        ("zero-sum noise, a thousandth of the norm", Some(Bug::ZeroSumNoise(WEIGHT, 1e-3))),
        ("weight times 2", Some(Bug::Scaled(WEIGHT, 2.0))),
        ("weight times -1", Some(Bug::Scaled(WEIGHT, -1.0))),
        (
            "bias a mean, not a sum",
            Some(Bug::Scaled(BIAS, if right.len() > 1000 { 1.0 / 32.0 } else { 0.125 })),
        ),
        ("bias missing", Some(Bug::Scaled(BIAS, 0.0))),
    ]
}

fn bytes(numbers: impl IntoIterator<Item = f64>) -> Vec<u8> {
    numbers.into_iter().flat_map(f64::to_le_bytes).collect()
}

fn export(
    place: &Path,
    net: &Net,
    theta: &[f64],
    data: &Batch<f64>,
    loss: f64,
    right: &[f64],
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(place)?;
    let sizes = net.widths.iter().map(|&n| n as f64);
    fs::write(place.join("widths"), bytes(sizes))?;
    fs::write(place.join("theta"), bytes(theta.iter().copied()))?;
    fs::write(place.join("x"), bytes(data.x.iter().copied()))?;
    fs::write(place.join("price"), bytes(data.price.iter().copied()))?;
    fs::write(place.join("churn"), bytes(data.churn.iter().map(|&c| c as f64)))?;
    fs::write(place.join("loss"), bytes([loss]))?;
    Ok(fs::write(place.join("gradient"), bytes(right.iter().copied()))?)
}

/// The smallest range in which two gradients differ: where it starts, then the wrong numbers.
fn export_patch(path: &Path, right: &[f64], wrong: &[f64]) -> Result<(), Box<dyn Error>> {
    let differs = |i: &usize| right[*i] != wrong[*i];
    let start = (0..right.len()).find(differs).unwrap_or(0);
    let end = (0..right.len()).rev().find(differs).map_or(start, |last| last + 1);
    let numbers = std::iter::once(start as f64).chain(wrong[start..end].iter().copied());
    Ok(fs::write(path.with_extension("patch"), bytes(numbers))?)
}
