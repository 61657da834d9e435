//! The page of the book that shows what was printed for each bug: written from a run, compared with every run.

use polytask::gradcheck::GradientReport;

use super::blamed;
use super::bugs::{Bug, Planted};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/book/src/planted-bugs.md");

const INTRODUCTION: &str = "# Planted bugs

A check that has never failed proves nothing. So the test `planted_bugs` takes the library's own backward code, puts one
mistake in it at a time, and sees whether [the gradient checker](check-your-own-backward.md) notices. The mistakes are planted
from outside, through the contracts for layers, losses and sharing forms of your own: each wraps the real one and spoils
what it computed, or leaves out a step.

The network has two tasks (`price`, a Huber loss of weight 0.5; `kind`, three classes of weight 2, with a hidden layer) on
a trunk of two ReLU layers of six units. The batch has 262 rows in two chunks; a fifth of the labels are missing, and the
examples have weights. Before a bug is planted, everything passes.

Every bug below is caught, and the blocks blamed are exactly those whose gradient it makes wrong: a wrong delta makes
every layer between it and the input wrong. The last column is what the report prints for one of the blocks. A likely cause is
fitted to the differences, so it is likely, not certain. The parts of the tasks are computed
by hand too: where they add up to the gradient, they come from the same code, and a cause that names a task is about what its
part should be.

This page is written by the test (`RECORD=1 cargo test --test it planted_bugs`) and compared with every run of it; digits may
differ between processors.
";

/// Compares the page with what these reports make of it; with `RECORD` set, writes it.
pub fn assert_recorded(bugs: &[Planted], reports: &[GradientReport]) {
    let page = page(bugs, reports);
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(PATH, &page).expect("the page can be written");
    }
    let recorded = std::fs::read_to_string(PATH).expect("the page is in the book");
    for (recorded, now) in recorded.lines().zip(page.lines()) {
        assert_eq!(
            without_measurements(recorded),
            without_measurements(now),
            "the page is stale: run RECORD=1 cargo test --test it planted_bugs"
        );
    }
    assert_eq!(recorded.lines().count(), page.lines().count(), "the page is stale");
}

fn page(bugs: &[Planted], reports: &[GradientReport]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut title = "";
    for (planted, report) in bugs.iter().zip(reports) {
        if title != section(planted.bug) {
            title = section(planted.bug);
            page += &format!("\n## {title}\n\n| planted | verdict | blamed | printed |\n|---|---|---|---|\n");
        }
        let place = match planted.bug {
            Bug::Layer(place, _) | Bug::Loss(place, _) => format!(", in `{place}`"),
            _ => String::new(),
        };
        let blocks: Vec<String> = blamed(report).iter().map(|name| format!("`{name}`")).collect();
        let blocks = if blocks.is_empty() { "the loss".to_owned() } else { blocks.join(" ") };
        let (verdict, printed) = (report.verdict, printed(planted, report));
        page += &format!("| {}{place} | {verdict:?} | {blocks} | {printed} |\n", planted.what);
    }
    page += "\n## A report in full\n\nOf the first bug:\n\n```text\n";
    page += &reports[0].to_string();
    page + "\n```\n"
}

fn section(bug: Bug) -> &'static str {
    match bug {
        Bug::Layer(..) => "In a dense layer",
        Bug::Loss(..) => "In a loss",
        Bug::Sum(_) => "Where the deltas of the tasks meet",
        _ => "Around the network",
    }
}

/// What the report says of the block that the page shows, or of the fault.
pub fn printed(planted: &Planted, report: &GradientReport) -> String {
    if let Some(fault) = &report.fault {
        return format!("`{fault}`");
    }
    let block = report.block(planted.shown).expect("a block of the network");
    let entry = block.worst.as_ref().expect("a block that failed");
    let causes = block.causes.iter().map(|cause| format!("<br>`likely cause: {cause}`"));
    format!("`{entry}`{}", causes.collect::<String>())
}

/// The line with `#` for the numbers that were measured (those before an explanation, in a fault, and in the table of
/// the full report) and one space for several.
fn without_measurements(line: &str) -> String {
    let (measured, explained) = line.split_once("likely cause").unwrap_or((line, ""));
    let mut masked = String::new();
    for c in measured.chars() {
        match c {
            '0'..='9' | '-' | '.' if masked.ends_with('#') => {}
            '0'..='9' | '-' => masked.push('#'),
            ' ' if masked.ends_with(' ') => {}
            _ => masked.push(c),
        }
    }
    masked + explained
}
