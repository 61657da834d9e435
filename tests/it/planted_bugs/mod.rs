//! A check that cannot fail is worthless: the crate's own backward code, with one thing wrong at a time, is caught each
//! time, in the right blocks and with the right explanation.
//!
//! What was printed for each bug is `docs/book/src/planted-bugs.md`; `RECORD=1 cargo test --test it planted_bugs` writes it
//! anew.

mod bugs;
mod forms;
mod layer;
mod loss;
mod members;
mod page;
mod sharing;
mod truth;

use std::sync::OnceLock;

use ndarray::{Array2, ArrayView2, s};
use polytask::arena::RowsMut;
use polytask::balance::Weights;
use polytask::data::{Dataset, datasets};
use polytask::gradcheck::{self, Coverage, GradientReport, Probe, Verdict};
use polytask::layer::{Dense, Mode};
use polytask::loss::Loss;
use polytask::{Activation, Init, Layer, Layout, Model, Sharing, Task};

use bugs::{BUGS, Bug, Planted};
use layer::LayerBug;
use sharing::{Copies, SumBug};

const ROWS: usize = 262;

/// Two tasks on a trunk of two rectified layers, with gaps, example weights, task weights, and two chunks of rows.
fn model(bug: Option<Bug>) -> Model<f64> {
    let layer = |name: &str, width, activation| {
        let dense = Dense::new(width, activation).bias_init(Init::LeCunUniform);
        match bug {
            Some(Bug::Layer(place, bug)) if place == name => Layer::custom(layer::Spoiled(dense, bug)),
            _ => dense.into(),
        }
    };
    let loss = |name: &str, right: Loss| match bug {
        Some(Bug::Loss(place, bug)) if place == name => Loss::custom(loss::Spoiled(right, bug)),
        _ => right,
    };
    let trunk = vec![layer("trunk.0", 6, Activation::Relu), layer("trunk.1", 6, Activation::Relu)];
    let sharing = match bug {
        Some(Bug::Sum(bug)) => Sharing::custom(Copies(trunk, bug)),
        _ => Sharing::shared_trunk(trunk),
    };
    let kind_head = layer("head.kind.0", 4, Activation::Tanh);
    let mut model = Model::builder(4)
        .sharing(sharing)
        .task(Task::new("price", loss("price", Loss::huber(0.5))).weight(0.5))
        .task(Task::new("kind", loss("kind", Loss::cross_entropy(3))).weight(2.0).head([kind_head]))
        .seed(6)
        .build()
        .expect("valid settings");
    for name in ["head.price.0.bias", "head.kind.1.bias"] {
        let bias = model.network().layout().block(name).expect("every head ends in a dense layer");
        model.parameters_mut()[bias.range()]
            .iter_mut()
            .enumerate()
            .for_each(|(i, b)| *b = 0.3 - 0.2 * i as f64);
    }
    model
}

fn data() -> Dataset<f64> {
    let source = datasets::robot_arm::<f64>(ROWS, 0.05, 11);
    let x = source.features().slice(s![.., ..4]).to_owned();
    let y = source.targets();
    let targets = Array2::from_shape_fn((ROWS, 2), |(row, column)| match (row + 2 * column) % 5 {
        4 => f64::NAN,
        _ if column == 0 => y[[row, 0]],
        _ => (row * row % 3) as f64,
    });
    let weights = (0..ROWS).map(|row| [1.0, 0.5, 2.5][row % 3]).collect();
    let named = Dataset::new(x, targets).unwrap().with_target_names(["price", "kind"]).unwrap();
    named.with_weights(weights).unwrap()
}

/// Checks the gradient of the parameters, or, for a bug on the way to the inputs, of those.
fn check(bug: Option<Bug>, coverage: Coverage) -> GradientReport {
    let (data, model) = (data(), model(bug));
    if matches!(
        bug,
        Some(Bug::Layer("trunk.0", LayerBug::InputLastRowZero) | Bug::Sum(SumBug::InputForgotten))
    ) {
        return check_inputs(&model, &data);
    }
    let other_batch = data.select(&(0..ROWS).rev().skip(5).collect::<Vec<_>>());
    let mut trace = model.trace(ROWS);
    let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| {
        let loss = model.probe(theta, &data.all(), &mut trace, probe);
        let squares = 0.5 * theta.iter().map(|x| x * x).sum::<f64>();
        match (bug, probe.gradient()) {
            (Some(Bug::TaskWeightsForgotten), Some(gradient)) => {
                let pass = model.pass(Mode::Train).at(theta);
                model.network().backward(&pass, &mut trace, &Weights::ones(2), gradient);
            }
            (Some(Bug::GradientOfAnotherBatch), Some(gradient)) => {
                let mut trace = model.trace(ROWS);
                let pass = model.pass(Mode::Train).at(theta);
                model.forward_at(&pass, &other_batch.all(), &mut trace).expect("data that fit");
                model.network().backward(&pass, &mut trace, &model.loss_weights(), gradient);
            }
            (Some(Bug::DecayInGradientAlone), Some(gradient)) => {
                gradient.iter_mut().zip(theta).for_each(|(g, x)| *g += 0.01 * x);
            }
            (Some(Bug::DecayInLossAlone), _) => return loss + 0.01 * squares,
            _ => {}
        }
        loss
    };
    gradcheck::check(model.parameters(), loss)
        .named(model.network().layout())
        .batch(ROWS)
        .coverage(coverage)
        .run()
}

fn check_inputs(model: &Model<f64>, data: &Dataset<f64>) -> GradientReport {
    let mut layout = Layout::new();
    layout.push("x", data.n_rows(), data.n_features());
    let mut trace = model.trace(data.n_rows()).with_input_gradient();
    model.forward(&data.all(), &mut trace).expect("data that fit");
    let (network, pass, weights) = (model.network(), model.pass(Mode::Train), model.loss_weights());
    let loss = |x: &[f64], probe: &mut Probe<'_, f64>| {
        let x = ArrayView2::from_shape((data.n_rows(), data.n_features()), x).expect("the features");
        let fill = |first: usize, rows: RowsMut<'_, f64>| {
            for (to, row) in rows.zip(first..) {
                to.iter_mut().zip(x.row(row)).for_each(|(to, &x)| *to = x);
            }
        };
        network.forward(&pass, fill, &mut trace);
        network.losses(&mut trace);
        network.branches(&pass, &trace, &mut |side, distance| probe.branch_at(side, distance));
        if let Some(gradient) = probe.gradient() {
            network.backward(&pass, &mut trace, &weights, &mut vec![0.0; pass.theta.len()]);
            gradient.iter_mut().zip(&network.input_gradient(&trace)).for_each(|(to, &from)| *to = from);
        }
        trace.losses().iter().zip(&weights.own).map(|(loss, weight)| weight * loss).sum()
    };
    let x = data.features().to_owned().into_raw_vec_and_offset().0;
    gradcheck::check(&x, loss).named(&layout).run()
}

/// The blocks that a report blames: those that failed, or the one that a fault names.
fn blamed(report: &GradientReport) -> Vec<String> {
    match &report.fault {
        None => report.failed().map(|block| block.name.clone()).collect(),
        Some(fault) => {
            let text = fault.to_string();
            text.split_once('[').map(|(block, _)| block.to_owned()).into_iter().collect()
        }
    }
}

fn assert_caught(report: &GradientReport, planted: &Planted) {
    let Planted { what, blames, cause, .. } = planted;
    assert_eq!(report.verdict, Verdict::Fail, "{what}\n{report}");
    assert_eq!(blamed(report), *blames, "{what}: the blocks that are wrong\n{report}");
    let printed = page::printed(planted, report);
    assert!(printed.contains(cause), "{what}: expected {cause:?}, found {printed}\n{report}");
}

/// The reports on each bug, entry by entry and along directions: several tests need them, and they are made once.
fn reports(coverage: Coverage) -> &'static [GradientReport] {
    static ENTRIES: OnceLock<Vec<GradientReport>> = OnceLock::new();
    static DIRECTIONS: OnceLock<Vec<GradientReport>> = OnceLock::new();
    let of_all = || BUGS.iter().map(|planted| check(Some(planted.bug), coverage)).collect();
    match coverage {
        Coverage::Every => ENTRIES.get_or_init(of_all),
        Coverage::Directions(2) => DIRECTIONS.get_or_init(of_all),
        _ => unreachable!("not kept: {coverage:?}"),
    }
}

#[test]
fn every_bug_is_caught_entry_by_entry() {
    let reports = reports(Coverage::Every);
    BUGS.iter().zip(reports).for_each(|(planted, report)| assert_caught(report, planted));
    page::assert_recorded(BUGS, reports);
}

/// Whatever is looked at, a cause is named only where it is the true one.
#[test]
fn every_cause_named_is_true() {
    let mut wrong = Vec::new();
    let sampled: Vec<_> = BUGS.iter().map(|planted| check(Some(planted.bug), Coverage::Sample(4))).collect();
    let all = [reports(Coverage::Every), reports(Coverage::Directions(2)), &sampled[..]];
    for (planted, report) in all.iter().flat_map(|reports| BUGS.iter().zip(*reports)) {
        for block in report.failed() {
            let untrue = block.causes.iter().filter(|cause| !truth::is_true(planted, &block.name, cause));
            wrong
                .extend(untrue.map(|cause| format!("{}, {}: {cause:?}\n{report}", planted.what, block.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Random directions see the same bugs in the same blocks; explanations have less to go by.
#[test]
fn every_bug_is_caught_along_directions() {
    for (planted, report) in BUGS.iter().zip(reports(Coverage::Directions(2))) {
        assert_caught(report, &Planted { cause: "", ..*planted });
    }
}

/// Where one of weight and bias is right, the other is not blamed on a sum or a product that it may well have made.
#[test]
fn a_delta_without_the_derivative_is_in_the_causes() {
    for (bug, block, cause) in [
        (
            LayerBug::BiasWithoutDerivative,
            "head.kind.0.bias",
            "the delta before the activation's derivative?",
        ),
        (LayerBug::WeightWithoutDerivative, "head.kind.0.weight", "another delta?"),
    ] {
        let report = check(Some(Bug::Layer("head.kind.0", bug)), Coverage::Every);
        assert_eq!(blamed(&report), [block], "{report}");
        let text = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(cause), "{report}");
    }
}

/// What is wrong is the bug and nothing else: without it everything passes, the test's own sharing form too.
#[test]
fn without_bugs_everything_passes() {
    for bug in [None, Some(Bug::Sum(SumBug::Nothing)), Some(Bug::Layer("trunk.1", LayerBug::Both(1.0)))] {
        for coverage in [Coverage::Every, Coverage::Directions(2)] {
            let report = check(bug, coverage);
            assert!(report.passed(), "{bug:?}\n{report}");
        }
        let report = check_inputs(&model(bug), &data());
        assert!(report.passed(), "{bug:?}\n{report}");
    }
}
