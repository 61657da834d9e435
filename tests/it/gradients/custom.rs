//! Layers, a loss and sharing forms of a user's own, written against the public contracts.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};
use polytask::arena::{ActivationBlock, Arena, Chunk, ChunkNumbers};
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Chain, InputDelta, Pass, Propagation};
use polytask::loss::{Labels, LossFunction};
use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
use polytask::{Activation, Block, Init, Layer, Model, Result, Scalar, Task};

/// `y = x ∘ s`, one factor per feature.
#[derive(Clone, Debug)]
pub struct Scale;

#[derive(Debug)]
struct BuiltScale {
    factors: Block,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuildLayer<F> for Scale {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        let factors = context.parameter("factors", 1, input.width(), Init::Constant(1.5));
        Ok(Box::new(BuiltScale { factors, input, output: context.activations(input.width()) }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltScale {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        y.assign(&x);
        y *= &self.factors.of(pass.theta);
    }

    fn propagate(&self, pass: &Pass<'_, F>, _values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let factors = &pass.theta[self.factors.range()];
        to.entrywise(deltas, self.output, self.input, |_, column, dy| dy * factors[column]);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        vec![self.factors.range()]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        gradient.fill(F::ZERO);
        for chunk in chunks {
            let (x, dy) = (chunk.values.get(self.input), chunk.deltas.lanes_of(self.output, lane..lane + 1));
            for ((_, column), (&x, &dy)) in x.indexed_iter().map(|(at, _)| at).zip(x.iter().zip(&dy)) {
                gradient[column] += x * dy;
            }
        }
    }
}

/// `y = x²`: a layer without parameters.
#[derive(Clone, Debug)]
pub struct Square;

#[derive(Debug)]
struct BuiltSquare {
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuildLayer<F> for Square {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        Ok(Box::new(BuiltSquare { input, output: context.activations(input.width()) }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltSquare {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, _pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        y.zip_mut_with(&x, |y, &x| *y = x * x);
    }

    fn propagate(&self, _pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let x = values.get(self.input);
        to.entrywise(deltas, self.output, self.input, |row, column, dy| {
            (x[[row, column]] + x[[row, column]]) * dy
        });
    }
}

/// `y = x − mean(x)`, column by column: a layer whose rows depend on one another.
#[derive(Clone, Debug)]
pub struct Centre;

#[derive(Debug)]
struct BuiltCentre {
    input: ActivationBlock,
    output: ActivationBlock,
    means: ChunkNumbers,
}

impl<F: Scalar> BuildLayer<F> for Centre {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        context.couple_rows();
        let (input, n) = (context.input(), context.input().width());
        let (output, means) = (context.activations(n), context.chunk_numbers(n));
        Ok(Box::new(BuiltCentre { input, output, means }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltCentre {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, _pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let n = F::from_f64(values.rows() as f64);
        let (x, mut y, means) = values.pair_and_numbers(self.input, self.output, self.means);
        for (x, mean) in x.columns().into_iter().zip(&mut *means) {
            *mean = x.sum() / n;
        }
        y.assign(&(&x - &ArrayView1::from(&*means)));
    }

    fn propagate(&self, _pass: &Pass<'_, F>, _values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let n = F::from_f64(deltas.rows() as f64);
        to.columnwise(deltas, self.output, self.input, |_, mut dx| {
            let mean = dx.sum() / n;
            dx.mapv_inplace(|dy| dy - mean);
        });
    }
}

/// Takes a factor for each feature and lists no piece of θ.
#[derive(Clone, Debug)]
struct Forgetful;

impl<F: Scalar> BuildLayer<F> for Forgetful {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        context.parameter("factors", 1, context.input().width(), Init::Zeros);
        Square.build(context)
    }
}

#[test]
#[should_panic(expected = "none begins at trunk.1.factors[0]")]
fn parameters_without_a_piece_are_named() {
    let layers = [Layer::dense(3, Activation::Tanh), Layer::custom(Forgetful)];
    let _ = Model::builder(2).trunk(layers).task(Task::regression("a")).build::<f64>();
}

/// The weighted mean of (y − t)⁴ over the labels present.
#[derive(Clone, Debug)]
pub struct Quartic;

impl<F: Scalar> LossFunction<F> for Quartic {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        delta.fill(F::ZERO);
        let total = labels.total_weight();
        if total == 0.0 {
            return F::ZERO;
        }
        let (rate, mut value) = (F::from_f64(1.0 / total), F::ZERO);
        for ((at, &t), &y) in labels.targets.indexed_iter().zip(&outputs) {
            if !t.is_nan() {
                let (r, w) = (y - t, rate * labels.weight(at.0));
                value += w * r.powi(4);
                delta[at] = w * F::from_f64(4.0) * r.powi(3);
            }
        }
        value
    }
}

/// One trunk for all tasks, and for each task factors of its own: `hₖ = h ∘ sₖ`.
#[derive(Clone, Debug)]
pub struct Gated(pub Vec<Layer>);

#[derive(Debug)]
struct BuiltGated<F> {
    trunk: Chain<F>,
    gates: Vec<BuiltScale>,
}

impl<F: Scalar> BuildSharing<F> for Gated {
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let trunk = context.named("trunk", |context| Chain::<F>::build(&self.0, context))?;
        context.end_shared();
        let input = trunk.output();
        let gate = |task: &&str| {
            let factors = context.named(&format!("gate.{task}"), |context| {
                context.parameter("factors", 1, input.width(), Init::Constant(0.8))
            });
            BuiltScale { factors, input, output: context.activations(input.width()) }
        };
        let gates = tasks.iter().map(gate).collect();
        Ok(Box::new(BuiltGated { trunk, gates }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltGated<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { activations: self.gates[task].output, is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.trunk.forward(pass, values);
        for gate in &self.gates {
            gate.forward(pass, values);
        }
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (k, gate) in self.gates.iter().enumerate() {
            let input = match (to.lanes, k) {
                (1, 0) => InputDelta::Write(0),
                (1, _) => InputDelta::Add(0),
                _ => InputDelta::Write(k),
            };
            gate.propagate(pass, values, deltas, Propagation { lanes: 1, input });
        }
        self.trunk.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<Piece> {
        let trunk = self.trunk.pieces().map(|range| Piece { range, owner: None });
        let gates = self.gates.iter().enumerate();
        trunk.chain(gates.map(|(k, gate)| Piece { range: gate.factors.range(), owner: Some(k) })).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        match piece.owner {
            Some(task) => self.gates[task].gradient(chunks, 0, piece.range.clone(), gradient),
            None => {
                let of_trunk = self.trunk.gradient(chunks, lane, piece.range.clone(), gradient);
                of_trunk.expect("the piece is one of the trunk's");
            }
        }
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(pass, values, record);
    }
}

/// Two trunks side by side: tasks 0, 2, … read the first, tasks 1, 3, … the second.
#[derive(Clone, Debug)]
pub struct TwoTrunks(pub Vec<Layer>);

#[derive(Debug)]
struct BuiltTwoTrunks<F> {
    trunks: [Chain<F>; 2],
}

impl<F: Scalar> BuildSharing<F> for TwoTrunks {
    fn build(&self, _tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let even = context.named("even", |context| Chain::<F>::build(&self.0, context))?;
        let odd = context.named("odd", |context| Chain::<F>::build(&self.0, context))?;
        context.end_shared();
        Ok(Box::new(BuiltTwoTrunks { trunks: [even, odd] }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltTwoTrunks<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { activations: self.trunks[task % 2].output(), is_shared: true }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.trunks.iter().for_each(|trunk| trunk.forward(pass, values));
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let [even, odd] = &self.trunks;
        even.propagate(pass, values, deltas, to);
        odd.propagate(pass, values, deltas, to.adding());
    }

    fn pieces(&self) -> Vec<Piece> {
        let pieces = self.trunks.iter().flat_map(Chain::pieces);
        pieces.map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let of = |trunk: &Chain<F>, gradient: &mut [F]| {
            trunk.gradient(chunks, lane, piece.range.clone(), gradient)
        };
        let [even, odd] = &self.trunks;
        of(even, gradient).or_else(|| of(odd, gradient)).expect("the piece is one of the two trunks'");
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunks.iter().for_each(|trunk| trunk.branches(pass, values, record));
    }
}
