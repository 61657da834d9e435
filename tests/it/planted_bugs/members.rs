//! Each layer of the crate with one thing wrong: what the gradient checker says of it.

use std::ops::Range;

use ndarray::{Array2, s};
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::data::Dataset;
use polytask::gradcheck::{self, GradientReport, Probe, Verdict};
use polytask::layer::{
    BuildContext, BuildLayer, BuiltLayer, Embedding, Mode, Pass, PiecewiseLinear, Propagation,
};
use polytask::{Activation, Layer, Model, ModelBuilder, Result, Scalar, Task};

use crate::gradients::table::each_layer;

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
enum Slip {
    Nothing,
    /// The gradient of these entries of θ is that of the opposite loss.
    Sign(Range<usize>),
    /// ∂L/∂x of the last feature is doubled.
    Twice,
    /// A part of ∂L/∂x is forgotten: of a residual block the way around the layers, of a normalisation what goes through
    /// mean and variance.
    Part,
}

/// A layer to be built with a slip.
#[derive(Clone, Debug)]
struct Slipping(Layer, Slip);

#[derive(Debug)]
struct BuiltSlipping<F> {
    right: Box<dyn BuiltLayer<F>>,
    kind: Layer,
    slip: Slip,
    input: ActivationBlock,
}

impl<F: Scalar> BuildLayer<F> for Slipping {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let (input, right) = (context.input(), self.0.build(context)?);
        Ok(Box::new(BuiltSlipping { right, kind: self.0.clone(), slip: self.1.clone(), input }))
    }
}

/// dx of a normalisation with mean and variance taken for constants: dy ∘ scale / √(variance + ε), along rows or columns.
fn through_constants(x: &Array2<f64>, dy: &Array2<f64>, scale: &[f64], along_rows: bool) -> Array2<f64> {
    Array2::from_shape_fn(x.dim(), |(i, j)| {
        let line = if along_rows { x.row(i) } else { x.column(j) };
        let mean = line.sum() / line.len() as f64;
        let variance = line.mapv(|x| (x - mean).powi(2)).sum() / line.len() as f64;
        dy[[i, j]] * scale[j] / (variance + 1e-5).sqrt()
    })
}

impl<F: Scalar> BuiltLayer<F> for BuiltSlipping<F> {
    fn output(&self) -> ActivationBlock {
        self.right.output()
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.right.forward(pass, values);
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let dy = deltas.get(self.output()).mapv(F::to_f64);
        self.right.propagate(pass, values, deltas, to);
        let mut dx = deltas.get_mut(self.input);
        match (&self.slip, &self.kind) {
            (Slip::Twice, _) => dx.slice_mut(s![.., -1]).mapv_inplace(|d| d + d),
            (Slip::Part, Layer::Residual(_)) => dx.zip_mut_with(&dy, |dx, &dy| *dx -= F::from_f64(dy)),
            (Slip::Part, _) => {
                let first = self.right.pieces()[0].start;
                let scale = pass.theta[first..first + dy.ncols()].iter().map(|s| s.to_f64());
                let scale: Vec<f64> = scale.collect();
                let x = values.get(self.input).mapv(F::to_f64);
                let along_rows = matches!(self.kind, Layer::LayerNorm(_));
                dx.assign(&through_constants(&x, &dy, &scale, along_rows).mapv(F::from_f64));
            }
            _ => {}
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.right.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        self.right.gradient(chunks, lane, piece.clone(), gradient);
        if let Slip::Sign(wrong) = &self.slip {
            let wrong = gradient.iter_mut().zip(piece).filter(|(_, at)| wrong.contains(at));
            wrong.for_each(|(g, _)| *g = -*g);
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.right.update_state(chunks, state);
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.right.branches(pass, values, record);
    }
}

/// The layer between two others, on ten rows.
fn model(layer: &Layer, slip: Slip) -> Model<f64> {
    let slipping = Layer::custom(Slipping(layer.clone(), slip));
    let trunk = [Layer::dense(4, Activation::Tanh), slipping, Layer::dense(3, Activation::Tanh)];
    let tasks = [Task::regression("a"), Task::regression("b").weight(0.5)];
    let builder = tasks.into_iter().fold(Model::builder(4).trunk(trunk).seed(5), |b, task| b.task(task));
    let mut model = builder.build::<f64>().expect("valid settings");
    for (i, number) in model.parameters_mut().iter_mut().enumerate() {
        *number += 0.1 * (i as f64 * 1.7).sin();
    }
    model
}

/// Ten rows of four features and two quantities.
pub fn data() -> Dataset<f64> {
    let x = Array2::from_shape_fn((10, 4), |(i, j)| ((i * 4 + j) as f64 * 0.7 + 0.1).sin());
    let y = Array2::from_shape_fn((10, 2), |(i, k)| ((i * 2 + k) as f64 * 1.3).cos());
    Dataset::new(x, y).and_then(|data| data.with_target_names(["a", "b"])).expect("a table")
}

fn check(model: &Model<f64>) -> GradientReport {
    let data = data();
    let mut trace = model.trace(10);
    let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| model.probe(theta, &data.all(), &mut trace, probe);
    gradcheck::check(model.parameters(), loss).named(model.network().layout()).batch(10).allow_zero().run()
}

#[test]
fn a_slip_in_any_block_of_any_layer_is_seen_there() {
    let mut seen = 0;
    for (name, layer) in each_layer() {
        let right = model(&layer, Slip::Nothing);
        let report = check(&right);
        assert!(report.passed(), "{name}\n{report}");
        let (data, mut trace, mut gradient) = (data(), right.trace(10), vec![0.0; right.n_parameters()]);
        right.forward_at(&right.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
        right.backward(&mut trace, &right.loss_weights(), &mut gradient);
        for (block, at) in right.network().layout().blocks().filter(|(b, _)| b.starts_with("trunk.1.")) {
            // What a layer that takes off a mean takes off has no gradient that could be wrong.
            let is_zero = gradient[at.range()].iter().all(|g| g.abs() < 1e-12);
            let report = check(&model(&layer, Slip::Sign(at.range())));
            let blamed: Vec<_> = report.failed().map(|failed| failed.name.as_str()).collect();
            assert!(blamed == [block] || is_zero, "{name}: {block}, blamed {blamed:?}\n{report}");
            seen += usize::from(!is_zero);
        }
    }
    assert!(seen > 25, "{seen} blocks");
}

#[test]
fn a_slip_in_a_table_of_vectors_is_seen_there() {
    let mut data = data().features().to_owned();
    data.column_mut(2).iter_mut().enumerate().for_each(|(i, x)| *x = (i * 3 % 5) as f64);
    let data = Dataset::new(data, self::data().targets().to_owned());
    let data = data
        .and_then(|data| data.with_target_names(["a", "b"]))
        .and_then(|data| data.with_index_columns([("x2", 4)]))
        .expect("a table");
    let bins = PiecewiseLinear::with_edges([-0.4, 0.1, 0.5], 1);
    let layer = Layer::from(Embedding::new(data.index_columns(), 2).numbers([bins]));
    let model = |slip: Slip| {
        let trunk = [Layer::custom(Slipping(layer.clone(), slip)), Layer::dense(3, Activation::Tanh)];
        let tasks = [Task::regression("a"), Task::regression("b").weight(0.5)];
        let builder = tasks.into_iter().fold(Model::builder(4).trunk(trunk), ModelBuilder::task);
        let mut model = builder.build::<f64>().expect("valid settings");
        let numbers = model.parameters_mut().iter_mut().enumerate();
        numbers.for_each(|(i, number)| *number += 0.1 * (i as f64 * 1.7).sin());
        model
    };
    let report = |model: &Model<f64>| model.gradient_check(&data.all()).run().expect("a check").sum;
    let right = model(Slip::Nothing);
    assert!(report(&right).passed(), "{}", report(&right));
    let blocks: Vec<_> = right.network().layout().blocks().map(|(name, at)| (name.to_owned(), at)).collect();
    let mut seen = 0;
    for (block, at) in blocks.iter().filter(|(block, _)| block.starts_with("trunk.0.")) {
        let report = report(&model(Slip::Sign(at.range())));
        let blamed: Vec<_> = report.failed().map(|failed| failed.name.as_str()).collect();
        assert_eq!(blamed, [block], "{report}");
        seen += 1;
    }
    assert_eq!(seen, 4, "weight, linear and bias of the bins, and a table");
    // The vector of a single category.
    let table = blocks.iter().find(|(block, _)| block == "trunk.0.table.2").expect("it").1.range();
    let report = report(&model(Slip::Sign(table.start + 2..table.start + 4)));
    assert_eq!(report.failed().map(|failed| failed.name.as_str()).collect::<Vec<_>>(), ["trunk.0.table.2"]);
}

#[test]
fn a_slip_on_the_way_to_the_input_of_any_layer_is_seen_before_it() {
    for (name, layer) in each_layer() {
        let mut slips = vec![Slip::Twice];
        let has_parts = matches!(layer, Layer::Residual(_) | Layer::LayerNorm(_) | Layer::BatchNorm(_));
        slips.extend(has_parts.then_some(Slip::Part).filter(|_| !name.contains('ε')));
        for slip in slips {
            let report = check(&model(&layer, slip.clone()));
            let blamed: Vec<_> = report.failed().map(|failed| failed.name.as_str()).collect();
            assert_eq!(report.verdict, Verdict::Fail, "{name}, {slip:?}\n{report}");
            assert_eq!(blamed, ["trunk.0.weight", "trunk.0.bias"], "{name}, {slip:?}\n{report}");
        }
    }
}
