//! Each sharing form of the crate with one thing wrong: what the gradient checker says of it.

use std::ops::Range;

use ndarray::s;
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::gradcheck::{Coverage, GradientReport};
use polytask::layer::{BuildContext, InputDelta, Pass, Propagation};
use polytask::penalty::PenaltyFunction;
use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
use polytask::{Activation, Layer, Model, Result, Scalar, Sharing, Task};

use super::members::data;
use crate::gradients::table::{behind_stems, mixtures};

/// What is wrong.
#[derive(Clone, Debug)]
enum Slip {
    Nothing,
    /// The gradient of these entries of θ is that of the opposite loss.
    Sign(Vec<Range<usize>>),
    /// ∂L/∂x of the last feature is doubled.
    Twice,
}

/// A form to be built with a slip.
#[derive(Clone, Debug)]
struct Slipping(Sharing, Slip);

#[derive(Debug)]
struct BuiltSlipping<F> {
    right: Box<dyn BuiltSharing<F>>,
    slip: Slip,
    x: ActivationBlock,
}

impl<F: Scalar> BuildSharing<F> for Slipping {
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let (x, right) = (context.input(), self.0.build(tasks, context)?);
        Ok(Box::new(BuiltSlipping { right, slip: self.1.clone(), x }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltSlipping<F> {
    fn representation(&self, task: usize) -> Representation {
        self.right.representation(task)
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.right.forward(pass, values);
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.right.propagate(pass, values, deltas, to);
        if matches!(self.slip, Slip::Twice) && to.input != InputDelta::Skip {
            deltas.get_mut(self.x).slice_mut(s![.., -1]).mapv_inplace(|d| d + d);
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        self.right.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        self.right.gradient(chunks, lane, piece, gradient);
        if let Slip::Sign(wrong) = &self.slip {
            let entries = gradient.iter_mut().zip(piece.range.clone());
            let is_wrong = |at: &usize| wrong.iter().any(|range| range.contains(at));
            entries.filter(|(_, at)| is_wrong(at)).for_each(|(g, _)| *g = -*g);
        }
    }

    fn penalties(&self) -> Vec<Box<dyn PenaltyFunction<F>>> {
        self.right.penalties()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.right.branches(pass, values, record);
    }
}

/// Every form of the crate.
fn forms() -> Vec<(&'static str, Sharing)> {
    let trunk = || [Layer::dense(5, Activation::Tanh)];
    let plain =
        [("SharedTrunk", Sharing::shared_trunk(trunk())), ("Independent", Sharing::independent(trunk()))];
    plain.into_iter().chain(mixtures()).chain(behind_stems()).collect()
}

fn model(form: &Sharing, slip: Slip) -> Model<f64> {
    let builder = Model::builder(4).sharing(Sharing::custom(Slipping(form.clone(), slip))).seed(5);
    let builder = builder.task(Task::regression("a")).task(Task::regression("b").weight(0.5));
    builder.build::<f64>().expect("valid settings")
}

/// Along random directions: a sweep of all entries for every block would be quadratic in their number.
fn check(form: &Sharing, slip: Slip) -> GradientReport {
    let (data, model) = (data(), model(form, slip));
    let check = model.gradient_check(&data.all()).coverage(Coverage::Directions(2));
    check.run().expect("data that fit").sum
}

/// In every third block at once: a check of all blocks for each of them would be quadratic in their number.
#[test]
fn a_slip_in_any_block_of_any_form_is_seen_there() {
    let mut seen = 0;
    for (name, form) in forms() {
        let report = check(&form, Slip::Nothing);
        assert!(report.passed(), "{name}\n{report}");
        let right = model(&form, Slip::Nothing);
        let layout = right.network().layout();
        let blocks: Vec<_> = layout.blocks().filter(|(block, _)| !block.starts_with("head.")).collect();
        for first in 0..3.min(blocks.len()) {
            let wrong: Vec<_> = blocks.iter().skip(first).step_by(3).collect();
            let report = check(&form, Slip::Sign(wrong.iter().map(|(_, at)| at.range()).collect()));
            let blamed: Vec<_> = report.failed().map(|failed| failed.name.as_str()).collect();
            let wrong: Vec<_> = wrong.iter().map(|(block, _)| *block).collect();
            assert_eq!(blamed, wrong, "{name}\n{report}");
            seen += wrong.len();
        }
    }
    assert!(seen > 80, "{seen} blocks");
}

#[test]
fn a_slip_on_the_way_to_x_in_any_form_is_seen_there() {
    for (name, form) in forms() {
        let report = check(&form, Slip::Twice);
        let blamed: Vec<_> = report.failed().map(|failed| failed.name.as_str()).collect();
        assert_eq!(blamed, ["inputs"], "{name}\n{report}");
    }
}
