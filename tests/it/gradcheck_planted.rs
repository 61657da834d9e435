//! A checker that cannot fail is worthless: every planted bug is caught, its block named, its cause found.

use crate::gradcheck_net::{Activation, Bug, LARGE, Net, SMALL};
use polytask::Layout;
use polytask::gradcheck::{self, Cause, Coverage, GradientReport, Verdict};

/// What is planted, in words; the bug; the block it is in; what the report offers as its cause.
type Planted = (&'static str, Bug, &'static str, &'static str);

/// Bugs for the network of 467 entries: weights at 0, 144, 416; biases at 128, 400, 464.
const PLANTED: [Planted; 34] = [
    ("weight gradient twice too large", Bug::Scaled(2, 2.0), "trunk.1.weight", "a factor 2 too much"),
    ("weight gradient twice too small", Bug::Scaled(0, 0.5), "trunk.0.weight", "a factor 2 is missing"),
    ("weight gradient 1 % too large", Bug::Scaled(2, 1.01), "trunk.1.weight", "a constant factor"),
    ("sign of a weight gradient", Bug::Scaled(4, -1.0), "head.weight", "the sign"),
    ("sign of a bias gradient", Bug::Scaled(1, -1.0), "trunk.0.bias", "the sign"),
    ("no bias gradient", Bug::Scaled(3, 0.0), "trunk.1.bias", "no gradient by hand"),
    ("sum over the batch, not mean", Bug::BatchSum(0), "trunk.0.weight", "a sum over the batch of 8"),
    ("bias divided by the batch twice", Bug::BatchMean(2), "head.bias", "a mean over the batch of 8"),
    (
        "bias of the last example only",
        Bug::BiasOfLastRow(1),
        "trunk.1.bias",
        "not that delta summed over the batch",
    ),
    (
        "bias of the last example only, head",
        Bug::BiasOfLastRow(2),
        "head.bias",
        "not that delta summed over the batch",
    ),
    ("one task missing in the trunk", Bug::ChurnInTrunk(0.0), "trunk.1.weight", "task 'churn' is missing"),
    ("one task twice in the trunk", Bug::ChurnInTrunk(2.0), "trunk.0.weight", "task 'churn' is in it twice"),
    (
        "one task at 0.3 of its weight",
        Bug::ChurnInTrunk(0.3),
        "trunk.0.bias",
        "'churn' is in it 0.3000 times",
    ),
    ("square weight transposed", Bug::Transposed(1), "trunk.1.weight", "transposed"),
    ("rectangular weight transposed", Bug::Transposed(0), "trunk.0.weight", "transposed"),
    ("head weight transposed", Bug::Transposed(2), "head.weight", "transposed"),
    ("weight decay missing", Bug::Decay(0, -0.01), "trunk.0.weight", "weight decay is missing"),
    ("weight decay twice", Bug::Decay(2, 0.01), "trunk.1.weight", "weight decay that the loss lacks"),
    ("bias decay missing", Bug::Decay(5, -0.01), "head.bias", "weight decay is missing"),
    ("mask of another layer", Bug::MaskOfNextLayer, "trunk.0.weight", "the delta that reaches"),
    ("mask left out", Bug::MaskMissing, "trunk.0.weight", "the delta that reaches"),
    (
        "values before the activation used",
        Bug::InputBeforeActivation,
        "trunk.1.weight",
        "the product of the layer's input with that delta",
    ),
    ("label not subtracted from softmax", Bug::LabelForgotten, "head.weight", "the delta that reaches"),
    ("delta through a wrong weight", Bug::RowsExchanged, "trunk.0.weight", "the delta that reaches"),
    ("one entry is 0", Bug::Entry(144 + 37, 0.0), "trunk.1.weight", "this entry alone"),
    ("one entry off by 1 % of the norm", Bug::EntryOff(17, 0.01), "trunk.0.weight", "this entry alone"),
    ("one row is 0", Bug::RowZero(2, 3), "trunk.1.weight", "row 3 alone"),
    ("last column is 0", Bug::ColumnZero(4, 2), "head.weight", "column 2 alone"),
    ("two entries exchanged", Bug::Swapped(5, 71), "trunk.0.weight", ""),
    ("zero-sum noise, 0.1 % of the norm", Bug::ZeroSumNoise(2, 1e-3), "trunk.1.weight", ""),
    ("block never written", Bug::NotWritten(3), "trunk.1.bias", "is not written"),
    ("added to what the buffer held", Bug::Accumulated(2), "trunk.1.weight", "with =, not +="),
    ("an entry is NaN", Bug::NotFinite(20), "trunk.0.weight", "not finite"),
    ("head bias twice too small", Bug::Scaled(5, 0.5), "head.bias", "a factor 2 is missing"),
];

fn check(
    widths: [usize; 4],
    activation: Activation,
    batch: usize,
    bug: Option<Bug>,
    seed: u64,
    coverage: Coverage,
) -> GradientReport {
    let net = Net::new(widths, activation);
    let (theta, batch) = net.draw(seed, batch);
    gradcheck::check(&theta, |theta, probe| net.probe(theta, &batch, bug, probe))
        .named(&net.layout)
        .batch(batch.churn.len())
        .coverage(coverage)
        .seed(seed)
        .run()
}

/// The blocks that a bug spoils beside its own.
fn spoils_others(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::ChurnInTrunk(_)
            | Bug::MaskOfNextLayer
            | Bug::MaskMissing
            | Bug::LabelForgotten
            | Bug::RowsExchanged
    )
}

fn assert_caught(report: &GradientReport, (what, bug, block, cause): Planted) {
    assert_eq!(report.verdict, Verdict::Fail, "{what}\n{report}");
    let text = report.to_string();
    assert!(text.contains(&format!("{block}[")), "{what}: block and entry named\n{report}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{what}: 80 columns\n{report}");
    let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(cause), "{what}: {cause:?} offered\n{report}");
    if report.fault.is_none() {
        let failed: Vec<_> = report.failed().map(|b| b.name.as_str()).collect();
        assert!(failed.contains(&block), "{what}\n{report}");
        assert!(spoils_others(bug) || failed.len() == 1, "{what}: no other block blamed\n{report}");
    }
}

#[test]
fn planted_bugs_are_caught_entry_by_entry() {
    for planted in PLANTED {
        let report = check(SMALL, Activation::Relu, 8, Some(planted.1), 1, Coverage::Auto);
        assert_eq!(report.coverage, Coverage::Every);
        assert_caught(&report, planted);
    }
}

#[test]
fn planted_bugs_are_caught_along_directions() {
    for planted in PLANTED {
        for seed in 0..3 {
            let report = check(SMALL, Activation::Relu, 8, Some(planted.1), seed, Coverage::Directions(2));
            assert_caught(&report, planted);
        }
    }
}

/// A unit that is off for every example has no gradient; where by hand and numeric differ in that, it is the mask.
#[test]
fn a_wrong_mask_is_known_by_its_dead_units() {
    let net = Net { decay: 0.0, ..Net::new(SMALL, Activation::Relu) };
    let (theta, batch) = net.draw(3, 2);
    for coverage in [Coverage::Every, Coverage::Directions(2)] {
        let bug = Some(Bug::MaskOfNextLayer);
        let check = gradcheck::check(&theta, |theta, probe| net.probe(theta, &batch, bug, probe));
        let report = check.named(&net.layout).coverage(coverage).run();
        assert!(report.block("trunk.0.weight").unwrap().causes.contains(&Cause::Mask), "{report}");
        assert!(report.block("trunk.0.bias").unwrap().causes.contains(&Cause::Mask), "{report}");
        assert!(report.untested() > 0);
    }
}

#[test]
fn correct_gradients_pass() {
    for activation in [Activation::Relu, Activation::Tanh] {
        for coverage in [Coverage::Every, Coverage::Directions(2), Coverage::Sample(10)] {
            for seed in 0..5 {
                let report = check(SMALL, activation, 8, None, seed, coverage);
                assert!(report.passed(), "{activation:?}\n{report}");
            }
        }
    }
}

#[test]
fn a_million_entries() {
    let at = |block: usize, row: usize, col: usize| {
        let block = Net::new(LARGE, Activation::Relu).blocks[block];
        block.range().start + row * block.shape().1 + col
    };
    let report = check(LARGE, Activation::Relu, 32, None, 0, Coverage::Auto);
    assert!(report.passed() && report.coverage == Coverage::Directions(2), "{report}");
    assert!(report.n_losses <= 8 * 6 + 30, "{report}");

    let entry = Bug::Entry(at(2, 17, 203), 0.0);
    let report = check(LARGE, Activation::Relu, 32, Some(entry), 0, Coverage::Auto);
    assert_caught(&report, ("one entry is 0", entry, "trunk.1.weight", "this entry alone"));
    assert_eq!(report.failed().next().unwrap().worst.as_ref().unwrap().name, "trunk.1.weight[17, 203]");
    assert!(report.n_losses <= 8 * 6 + 30, "{report}");

    let exchanged = Bug::Swapped(at(2, 511, 100), at(2, 900, 603));
    for planted in [
        ("a factor", Bug::Scaled(2, 0.5), "trunk.1.weight", "a factor 2 is missing"),
        ("one row is 0", Bug::RowZero(2, 800), "trunk.1.weight", "row 800 alone"),
        ("one column is 0", Bug::ColumnZero(2, 600), "trunk.1.weight", "column 600 alone"),
        ("two entries exchanged", exchanged, "trunk.1.weight", ""),
        ("a task", Bug::ChurnInTrunk(0.0), "trunk.0.weight", "task 'churn' is missing"),
        ("mask left out", Bug::MaskMissing, "trunk.0.weight", "the delta that reaches"),
    ] {
        let report = check(LARGE, Activation::Relu, 32, Some(planted.1), 1, Coverage::Auto);
        assert_caught(&report, planted);
        assert!(report.n_losses <= 8 * 6 + 30, "{report}");
    }
}

/// The entry named is a wrong one wherever the mistake is and whatever else is wrong, and a mistake in one place is
/// found with few losses.
#[test]
fn the_search_finds_what_is_wrong() {
    let (rows, columns) = (120, 90);
    let n = rows * columns;
    let theta: Vec<f64> = (0..n).map(|i| (1.0 + i as f64).sin()).collect();
    let mut matrix = Layout::new();
    matrix.push("weight", rows, columns);
    let mut vector = Layout::new();
    vector.push("weight", 1, n);
    let last = n - 1;
    let cases: [(&str, Vec<usize>, usize); 9] = [
        ("the first entry", vec![0], 6),
        ("the last entry", vec![last], 6),
        ("an entry", vec![4321], 6),
        ("a row", (30 * columns..31 * columns).collect(), 8),
        ("a column", (7..n).step_by(columns).collect(), 8),
        ("two entries", vec![17, 9876], 60),
        ("three neighbours", vec![5000, 5001, 5002], 60),
        ("five entries", vec![3, 999, 4000, 7777, last], 60),
        ("every third entry", (0..n).step_by(3).collect(), 60),
    ];
    for (what, wrong, few) in &cases {
        for (shape, layout) in [("matrix", &matrix), ("vector", &vector)] {
            for seed in 0..5 {
                let report = gradcheck::check(&theta, |theta, probe| {
                    if let Some(gradient) = probe.gradient() {
                        gradient.copy_from_slice(theta);
                        // Errors of alternating sign, so that they may cancel in sums.
                        for (place, &i) in wrong.iter().enumerate() {
                            gradient[i] += if place % 2 == 0 { 0.3 } else { -0.3 };
                        }
                    }
                    // In parts, or rounding would call for longer steps.
                    theta.chunks(100).map(|part| part.iter().map(|x| 0.5 * x * x).sum::<f64>()).sum()
                });
                let report = report.named(layout).coverage(Coverage::Directions(2)).seed(seed).run();
                let found = report.blocks[0].worst.as_ref().expect("an entry").index;
                assert!(wrong.contains(&found), "{what} of a {shape}, seed {seed}: {found}\n{report}");
                // 4 losses for each direction, 2 for the largest entry, 11 before them.
                let searched = report.n_losses - 21;
                let few = if shape == "vector" && wrong.len() > 1 { 60 } else { *few };
                assert!(searched <= few, "{what} of a {shape}, seed {seed}: {searched} losses\n{report}");
            }
        }
    }
}

/// The table of the book is what the checker prints today.
#[test]
fn the_book_shows_what_is_printed() {
    let mut table = String::from("| planted | verdict | what the report says |\n|---|---|---|\n");
    for (what, bug, block, _) in PLANTED {
        let report = check(SMALL, Activation::Relu, 8, Some(bug), 1, Coverage::Auto);
        let said = match (&report.fault, report.block(block)) {
            (Some(fault), _) => fault.to_string(),
            (None, Some(block)) => {
                let entry = block.worst.as_ref().expect("an entry is named");
                let causes = block.causes.iter().map(|cause| format!("<br>likely cause: {cause}"));
                format!("`{entry}`{}", causes.collect::<String>())
            }
            (None, None) => unreachable!("the block was checked"),
        };
        table += &format!("| {what} | {:?} | {said} |\n", report.verdict);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/book/src/check-your-own-backward.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- planted -->\n").expect("the table begins");
    let (recorded, after) = rest.split_once("\n<!-- end -->").expect("the table ends");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(path, format!("{before}<!-- planted -->\n{table}\n<!-- end -->{after}")).unwrap();
    } else {
        assert_eq!(recorded, table, "record anew with RECORD=1, and read the difference");
    }
}
