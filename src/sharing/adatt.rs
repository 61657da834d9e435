//! AdaTT: experts for each task, and for each task a gate over the experts of all tasks, past which a residual of its own
//! experts is added; level upon level.
//!
//! D. Li et al., "AdaTT: adaptive task-to-task fusion network for multitask learning in recommendations", KDD 2023: the form
//! with experts of tasks alone (AdaTT-sp in the paper).
//!
//! A stream zₖ for each task begins as x. With n experts for each task, at each level:
//!
//! ```text
//! forward     fₖₑ = expertₖₑ(zₖ)                                 e = 1 … n
//!             zₖ ← Σⱼₑ softmax(gateₖ(zₖ))ⱼₑ fⱼₑ + Σₑ vₖₑ fₖₑ      the experts of all tasks, and a residual of its own
//!             the head of task k reads the last zₖ
//!
//! backward    from the last level to the first: gates send to all experts (gate.rs), the residual to the task's own;
//!             experts and gates send to the stream that they read
//!             dfₖₑ += vₖₑ dzₖ,   dvₖₑ = Σ over rows of ⟨dzₖ, fₖₑ⟩
//! ```
//! v is learnt, first 1/n each; a single expert passes as it is, v = 1 (as in the paper). A gate reads the experts of
//! all tasks, so the loss of each task depends on every expert. Where gradients of tasks are compared, all experts are
//! shared. So are gates and v below the last level, since other tasks' experts read what they mix; those of the last
//! level belong to their task.

use std::ops::Range;

use super::gate::{self, SoftmaxGate};
use super::mixture::Mixture;
use super::mixture_of_experts::{build_gate, check_experts};
use super::{BuiltSharing, Piece, Representation};
use crate::arena::{ActivationBlock, Arena, Chunk, ChunkNumbers};
use crate::kernel;
use crate::layer::{Affine, BuildContext, Chain, InputDelta, Layer, Lookup, Pass, Propagation};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of AdaTT: levels of experts for each task, mixed for each task by a gate over the experts of all tasks, with a
/// learnt residual of the task's own.
///
/// ```text
/// zₖ ← Σⱼₑ softmax(gateₖ(zₖ))ⱼₑ fⱼₑ + Σₑ vₖₑ fₖₑ,   fₖₑ = expertₖₑ(zₖ)
/// ```
/// The loss of every task depends on every expert (`level.0.expert.price.0.0.weight`, …), so where gradients of tasks are
/// compared these are shared; so are gates and v below the last level. Those of the last level
/// (`level.0.gate.price.0.weight`, `level.0.residual.price.own`) belong to their task. Li et al., 2023.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::sharing::AdaTt;
///
/// let form = AdaTt::new(2, [Layer::dense(8, Activation::Relu)]); // or Sharing::adatt(2, [..])
/// let builder = Model::builder(10).sharing(form.level(1, [Layer::dense(6, Activation::Relu)]).into());
/// let model = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f64>()?;
/// let layout = model.network().layout();
/// assert_eq!(layout.block("level.0.gate.elbow.0.weight").map(|gate| gate.shape()), Some((10, 2 * 2)));
/// assert_eq!(layout.block("level.0.residual.elbow.own").map(|own| own.shape()), Some((1, 2)));
/// assert!(layout.block("level.1.residual.elbow.own").is_none());      // a single expert passes as it is
/// assert_eq!(layout.n_shared(), model.n_parameters() - 2 * ((8 * 2 + 2) + (6 + 1))); // but for last gates and heads
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct AdaTt {
    levels: Vec<Level>,
}

/// Experts for each task, all of one shape.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
struct Level {
    experts: usize,
    layers: Vec<Layer>,
}

impl AdaTt {
    /// One level of `experts` experts for each task, at least 1, of these layers each, at least one.
    pub fn new(experts: usize, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self { levels: Vec::new() }.level(experts, layers)
    }

    /// One more level, which reads what the level before it has mixed.
    #[must_use]
    pub fn level(
        mut self,
        experts: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        let layers = layers.into_iter().map(std::convert::Into::into).collect();
        self.levels.push(Level { experts, layers });
        self
    }
}

impl From<AdaTt> for super::Sharing {
    fn from(form: AdaTt) -> Self {
        Self::AdaTt(form)
    }
}

/// v of a task, and the experts that it weights.
#[derive(Debug)]
struct Residual {
    /// fₖₑ, the task's own.
    experts: Vec<ActivationBlock>,
    /// v, unless there is a single expert.
    own: Option<Block>,
    output: ActivationBlock,
    /// Among the deltas, dv of a lane.
    sums: ChunkNumbers,
}

impl Residual {
    fn weight<F: Scalar>(&self, theta: &[F], e: usize) -> F {
        self.own.map_or(F::ONE, |own| own.of(theta)[[0, e]])
    }

    /// Adds the residual to what the gate has mixed.
    fn forward<F: Scalar>(&self, theta: &[F], values: &mut Arena<F>) {
        for (e, &expert) in self.experts.iter().enumerate() {
            let (f, mut z) = values.pair((expert, 0..1), (self.output, 0..1));
            z.scaled_add(self.weight(theta, e), &f);
        }
    }

    /// The same in a graph.
    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) {
        let mut terms = vec![(graph.value(self.output), 1.0)];
        let own = self.experts.iter().enumerate();
        terms.extend(own.map(|(e, &expert)| (graph.value(expert), self.weight(graph.theta(), e))));
        let z = graph.weighted_sum(&terms);
        graph.set(self.output, z);
    }

    /// From dz, in the lane `from`, to dv in that lane, and to the dfₖₑ in the lane `to`, added to what the gate sent.
    fn propagate<F: Scalar>(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        [from, to]: [usize; 2],
    ) {
        for (e, &expert) in self.experts.iter().enumerate() {
            if self.own.is_some() {
                let dz = deltas.lanes_of(self.output, from..from + 1);
                let product = F::from_f64(kernel::inner_product(values.get(expert), dz));
                deltas.numbers_mut(self.sums, from)[e] = product;
            }
            let (dz, mut df) = deltas.pair((self.output, from..from + 1), (expert, to..to + 1));
            df.scaled_add(self.weight(theta, e), &dz);
        }
    }

    fn gradient<F: Scalar>(&self, chunks: &[Chunk<F>], lane: usize, gradient: &mut [F]) {
        gradient.fill(F::ZERO);
        for chunk in chunks {
            let of_chunk = chunk.deltas.numbers(self.sums, lane);
            gradient.iter_mut().zip(of_chunk).for_each(|(sum, &d)| *sum += d);
        }
    }
}

/// What a task has at a level.
#[derive(Debug)]
struct Unit<F> {
    experts: Vec<Chain<F>>,
    gate: Chain<F>,
    mixing: SoftmaxGate,
    residual: Residual,
}

impl<F: Scalar> Unit<F> {
    fn residual_range(&self) -> Option<Range<usize>> {
        self.residual.own.map(Block::range)
    }
}

impl AdaTt {
    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltAdaTt<F>> {
        if self.levels.is_empty() {
            return Err(Error::new(ErrorKind::Setting, "levels of experts", "at least 1", 0));
        }
        for (l, Level { experts, layers }) in self.levels.iter().enumerate() {
            check_experts(&format!("experts of a task of level {l}"), *experts, 1, layers)?;
        }
        let mut streams = vec![context.input(); tasks.len()];
        let mut levels = Vec::new();
        for (l, level) in self.levels.iter().enumerate() {
            let of_task = |(task, &stream): (&&str, &ActivationBlock)| {
                let expert = |e: usize| {
                    let name = format!("level.{l}.expert.{task}.{e}");
                    context.reading(stream, |c| c.named(&name, |c| Chain::build(&level.layers, c)))
                };
                (0..level.experts).map(expert).collect::<Result<Vec<Chain<F>>>>()
            };
            let experts = tasks.iter().zip(&streams).map(of_task).collect::<Result<Vec<_>>>()?;
            if l + 1 == self.levels.len() {
                context.end_shared();
            }
            let outputs: Vec<_> = experts.iter().flatten().map(Chain::output).collect();
            let mut units = Vec::new();
            for ((task, &stream), experts) in tasks.iter().zip(&streams).zip(experts) {
                let n = experts.len();
                let gate = context.reading(stream, |c| {
                    c.named(&format!("level.{l}.gate.{task}"), |c| build_gate(&[], outputs.len(), c))
                })?;
                let (shares, output) =
                    (context.activations(outputs.len()), context.activations(outputs[0].width()));
                let mixture = Mixture { experts: outputs.clone(), shares, output };
                let residual = Residual {
                    experts: experts.iter().map(Chain::output).collect(),
                    own: (n > 1).then(|| {
                        let first = Init::Constant(1.0 / n as f64);
                        context
                            .named(&format!("level.{l}.residual.{task}"), |c| c.parameter("own", 1, n, first))
                    }),
                    output,
                    sums: context.chunk_numbers(n),
                };
                let mixing = SoftmaxGate { logits: gate.output(), mixture };
                units.push(Unit { experts, gate, mixing, residual });
            }
            streams = units.iter().map(|unit| unit.mixing.output()).collect();
            levels.push(units);
        }
        Ok(BuiltAdaTt { levels })
    }
}

#[derive(Debug)]
pub(super) struct BuiltAdaTt<F> {
    /// For each level, a unit for each task.
    levels: Vec<Vec<Unit<F>>>,
}

impl<F: Scalar> BuiltAdaTt<F> {
    fn experts(&self) -> impl Iterator<Item = &Chain<F>> {
        self.levels.iter().flatten().flat_map(|unit| &unit.experts)
    }

    fn chains(&self) -> impl Iterator<Item = &Chain<F>> {
        self.levels.iter().flatten().flat_map(|unit| unit.experts.iter().chain([&unit.gate]))
    }

    /// The gates below the last level, which all tasks share.
    fn shared_gates(&self) -> impl Iterator<Item = &Chain<F>> {
        let (_, below) = self.levels.split_last().expect("at least one level");
        below.iter().flatten().map(|unit| &unit.gate)
    }

    /// Back from the streams that a level has mixed to its gates, residuals and experts, in `n` lanes.
    fn unmix(&self, l: usize, theta: &[F], values: &Arena<F>, deltas: &mut Arena<F>, n: usize) {
        let is_last = l + 1 == self.levels.len();
        // What the last level makes for a task is the task's alone, in lane 0; where lanes are kept apart, what it sends to
        // experts belongs in the task's lane.
        let is_apart = is_last && n > 1;
        for lane in 0..if is_last { 1 } else { n } {
            let gates = self.levels[l].iter().map(|unit| &unit.mixing);
            gate::unmix(
                gates,
                values,
                deltas,
                lane,
                |k, _| if is_apart { (k, false) } else { (lane, k > 0) },
            );
            for (k, unit) in self.levels[l].iter().enumerate() {
                let to = if is_apart { k } else { lane };
                unit.residual.propagate(theta, values, deltas, [lane, to]);
            }
        }
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltAdaTt<F> {
    fn representation(&self, task: usize) -> Representation {
        let last = self.levels.last().expect("at least one level");
        Representation { activations: last[task].mixing.output(), is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        for units in &self.levels {
            units.iter().flat_map(|unit| &unit.experts).for_each(|expert| expert.forward(pass, values));
            units.iter().for_each(|unit| unit.gate.forward(pass, values));
            gate::mix(units.iter().map(|unit| &unit.mixing), values);
            units.iter().for_each(|unit| unit.residual.forward(pass.theta, values));
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        for units in &self.levels {
            units.iter().flat_map(|unit| &unit.experts).try_for_each(|expert| expert.export(graph))?;
            units.iter().try_for_each(|unit| unit.gate.export(graph))?;
            for unit in units {
                unit.mixing.export(graph);
                unit.residual.export(graph);
            }
        }
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let n = to.lanes;
        for (l, units) in self.levels.iter().enumerate().rev() {
            let is_last = l + 1 == self.levels.len();
            self.unmix(l, pass.theta, values, deltas, n);
            for (k, unit) in units.iter().enumerate() {
                for (e, expert) in unit.experts.iter().enumerate() {
                    let input = match (l, k, e) {
                        // All streams are x.
                        (0, 0, 0) => to.input,
                        (0, ..) => to.adding().input,
                        (_, _, 0) => InputDelta::Write(0),
                        _ => InputDelta::Add(0),
                    };
                    expert.propagate(pass, values, deltas, Propagation { lanes: n, input });
                }
                let input = if l == 0 { to.adding().input } else { InputDelta::Add(0) };
                let to = Propagation { lanes: n, input };
                unit.gate.propagate(pass, values, deltas, if is_last { to.of_task(k) } else { to });
            }
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (l, units) in self.levels.iter().enumerate() {
            let is_last = l + 1 == self.levels.len();
            let experts = units.iter().flat_map(|unit| &unit.experts).flat_map(Chain::pieces);
            pieces.extend(experts.map(|range| Piece { range, owner: None }));
            for (k, unit) in units.iter().enumerate() {
                let owner = is_last.then_some(k);
                let own = unit.gate.pieces().chain(unit.residual_range());
                pieces.extend(own.map(|range| Piece { range, owner }));
            }
        }
        pieces
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let lane = if piece.owner.is_some() { 0 } else { lane };
        let mut units = self.levels.iter().flatten();
        match units.find(|unit| unit.residual_range().is_some_and(|range| range == piece.range)) {
            Some(unit) => unit.residual.gradient(chunks, lane, gradient),
            None => self
                .chains()
                .find_map(|chain| chain.gradient(chunks, lane, piece.range.clone(), gradient))
                .expect("the piece is of an expert, a gate or a residual"),
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.chains().for_each(|chain| chain.update_state(chunks, state));
    }

    fn affine(&self) -> Vec<Affine> {
        self.experts().chain(self.shared_gates()).flat_map(Chain::affine).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.chains().flat_map(Chain::lookups).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.chains().for_each(|chain| chain.branches(pass, values, record));
    }
}
