//! Every derivative in the crate against finite differences, and against its twin in `f32`.
//!
//! One [table](table::table) has each activation, layer, loss and sharing form in a small network with a batch. Every row is
//! held to every promise:
//!
//! - the gradient by hand, of the parameters and of the inputs, is the derivative of the loss;
//! - the gradients of the tasks one by one, their Gramian, and any weighted sum of them fit together;
//! - the same code in `f32` computes the same gradient, but for rounding.

mod custom;
mod kinks;
mod members;
mod states;
pub mod table;
mod tasks;

use ndarray::{Array2, ArrayView2};
use polytask::arena::RowsMut;
use polytask::data::Dataset;
use polytask::gradcheck::{self, Coverage, GradientReport, Probe};
use polytask::layer::Mode;
use polytask::{Layout, Model, Scalar, Trace};

use table::{Row, table};

/// Extrapolated central differences with the step ∛ε = 6e-6 are off by h⁴ ≈ 1e-21 of a fifth derivative and by
/// ε·L/h ≈ 4e-11·L of rounding, L the loss. An honest gradient therefore agrees to about 1e-9; two digits are left for
/// losses that are large beside their gradients. The check adds the error it estimates for each difference.
const TOLERANCE: f64 = 1e-7;

fn assert_passed(row: &Row, what: &str, report: &GradientReport) {
    assert!(report.passed(), "{}: gradient of the {what}\n{report}", row.name);
    assert!(report.untested() < report.n_entries(), "{}: the {what} have no gradient at all", row.name);
}

#[test]
fn gradients_of_the_parameters() {
    for row in table() {
        let data = row.data();
        let (model, mut trace) = (row.model::<f64>(&data), None);
        let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| {
            let trace = trace.get_or_insert_with(|| model.trace(data.n_rows()));
            model.probe(theta, &data.all(), trace, probe)
        };
        let layout = model.network().layout();
        let check = gradcheck::check(model.parameters(), loss).named(layout).tolerance(TOLERANCE);
        let check = if row.allows_zero { check.allow_zero() } else { check };
        assert_passed(&row, "parameters", &check.run());
    }
}

#[test]
fn gradients_of_the_inputs() {
    for row in table() {
        let data = row.data();
        let model = row.model::<f64>(&data);
        let mut inputs = Inputs::new(&model, &data);
        let mut layout = Layout::new();
        layout.push("x", data.n_rows(), data.n_features());
        let x = inputs.x.clone();
        let loss = |x: &[f64], probe: &mut Probe<'_, f64>| inputs.probe(x, probe);
        let check = gradcheck::check(x.as_slice().expect("row-major"), loss).named(&layout);
        let coverage = if x.len() > 300 { Coverage::Directions(3) } else { Coverage::Every };
        let check = check.tolerance(TOLERANCE).coverage(coverage);
        let check = if row.allows_zero { check.allow_zero() } else { check };
        assert_passed(&row, "inputs", &check.run());
    }
}

/// The loss as a function of the features, at the model's parameters.
struct Inputs<'a, F: Scalar> {
    model: &'a Model<F>,
    trace: Trace<F>,
    x: Array2<F>,
    index_columns: Vec<(usize, usize)>,
}

impl<'a, F: Scalar> Inputs<'a, F> {
    fn new(model: &'a Model<F>, data: &Dataset<F>) -> Self {
        let mut trace = model.trace(data.n_rows()).with_input_gradient();
        // Labels and weights stay in the trace; from here on only the features change.
        model.forward_at(&model.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
        Self { model, trace, x: data.features().to_owned(), index_columns: data.index_columns() }
    }

    fn probe(&mut self, x: &[F], probe: &mut Probe<'_, F>) -> F {
        let network = self.model.network();
        let (pass, weights) = (self.model.pass(Mode::Train), self.model.loss_weights());
        let x = ArrayView2::from_shape(self.x.dim(), x).expect("as many numbers as features");
        let fill = |first: usize, rows: RowsMut<'_, F>| {
            for (to, row) in rows.zip(first..) {
                to.iter_mut().zip(x.row(row)).for_each(|(to, &x)| *to = x);
                // An index stays where it is, and its derivative is none, as the checker then finds 0.
                self.index_columns.iter().for_each(|&(column, _)| to[column] = self.x[[row, column]]);
            }
        };
        network.forward(&pass, fill, &mut self.trace);
        network.losses(&mut self.trace);
        network.branches(&pass, &self.trace, &mut |side, distance| probe.branch_at(side, distance));
        if let Some(gradient) = probe.gradient() {
            let mut unused = vec![F::ZERO; pass.theta.len()];
            network.backward(&pass, &mut self.trace, &weights, &mut unused);
            let mut by_hand = network.input_gradient(&self.trace);
            for &(column, _) in &self.index_columns {
                assert!(by_hand.column(column).iter().all(|dx| dx.is_nan()), "a derivative of an index");
                by_hand.column_mut(column).fill(F::ZERO);
            }
            gradient.copy_from_slice(by_hand.as_slice().expect("row-major"));
        }
        let losses = self.trace.losses().iter().zip(&weights.own);
        losses.map(|(&loss, &weight)| F::from_f64(weight * loss)).sum()
    }
}

/// The entries of a gradient are sums of up to a few hundred products of `f32`, each 6e-8 off, of numbers that have
/// come through up to five layers: 1e-5 is about a hundred roundings that fall the same way.
const SINGLE: f64 = 1e-5;

/// A logit of 1000 is off by 6e-5 in `f32`, and so, relatively, is its exponential.
const SINGLE_AT_EXTREMES: f64 = 1e-3;

#[test]
fn f32_computes_what_f64_does() {
    for row in table() {
        let single_data = row.data().cast::<f32>().expect("numbers that f32 holds");
        let double_data = single_data.cast::<f64>().expect("numbers that f64 holds");
        let (single, double) = (row.model::<f32>(&single_data), row.model::<f64>(&double_data));
        let mut single_trace = single.trace(single_data.n_rows());
        let mut double_trace = double.trace(double_data.n_rows());
        let tolerance = if row.batch.size > 100.0 { SINGLE_AT_EXTREMES } else { SINGLE };
        // A gradient below this is that of a saturated loss, and underflows.
        let mut largest = 1e-12_f64;
        let precision = gradcheck::compare(
            single.parameters(),
            |theta, probe| single.probe(theta, &single_data.all(), &mut single_trace, probe),
            |theta, probe| {
                let loss = double.probe(theta, &double_data.all(), &mut double_trace, probe);
                let gradient = probe.gradient().expect("a comparison asks for the gradient");
                largest = gradient.iter().fold(largest, |largest, g| largest.max(g.abs()));
                loss
            },
        );
        let precision = precision.named(single.network().layout()).tolerance(tolerance).run();
        assert!(precision.same_sides, "{}: choose another seed\n{precision}", row.name);
        let near = |[a, b]: [f64; 2], scale: f64| (a - b).abs() <= tolerance * scale;
        assert!(near(precision.losses, precision.losses[1].abs()), "{}\n{precision}", row.name);
        for block in &precision.blocks {
            // Where large parts cancel in a whole block, it is near by the measure of what cancels.
            assert!(block.passed || near(block.values, largest), "{}\n{precision}", row.name);
        }
    }
}
