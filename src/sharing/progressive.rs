//! Progressive layered extraction (PLE), of which customised gate control (CGC) is one level: shared experts, experts of
//! each task, and gates between them, level upon level.
//!
//! H. Tang, J. Liu, M. Zhao and X. Gong, "Progressive layered extraction (PLE): a novel multi-task learning model for
//! personalized recommendations", RecSys 2020.
//!
//! A stream zₖ for each task and one z_s that they share all begin as x. At each level:
//!
//! ```text
//! forward     shared experts read z_s, those of task k read zₖ
//!             zₖ  ← Σ softmax(gateₖ(zₖ)) f      over the experts of task k, then the shared ones
//!             z_s ← Σ softmax(gate_s(z_s)) f    over the experts of all tasks, then the shared ones;
//!                                               not at the last level, where nobody reads it
//!             the head of task k reads the last zₖ
//!
//! backward    from the last level to the first: gates send to experts (gate.rs), experts and gates to the streams they
//!             read; what has several readers gets the sum of what they send
//! ```
//! A gate of the shared stream reads the experts of every task. So below the last level the loss of one task depends on
//! the experts of another, and "of task k" is not "touched by task k alone" (the form that some libraries call PLE, without
//! this gate, does not have that). Where gradients of tasks are compared, those parameters are shared that the losses of
//! several tasks depend on:
//!
//! ```text
//!                        last level    last but one    below
//! shared experts         shared        shared          shared
//! experts of a task      its own       shared          shared
//! gates of a task        its own       its own         shared
//! gate of z_s            (none)        shared          shared
//! ```
//! With one level (CGC) the shared experts are shared and nothing else.

use super::gate::{self, SoftmaxGate};
use super::mixture::Mixture;
use super::mixture_of_experts::{build_gate, check_experts};
use super::{BuiltSharing, Piece, Representation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::layer::{Affine, BuildContext, Chain, InputDelta, Layer, Lookup, Pass, Propagation};
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of progressive layered extraction (PLE): levels of shared experts and experts of each task, mixed by gates. One
/// level is customised gate control (CGC).
///
/// ```text
/// zₖ ← Σₑ softmax(gateₖ(zₖ))ₑ fₑ      over the experts of task k and the shared ones
/// z_s ← Σₑ softmax(gate_s(z_s))ₑ fₑ   over all experts; the next level's shared experts read it
/// ```
/// Where gradients of tasks are compared, parameters that several tasks' losses depend on count as shared: the shared
/// experts; below the last level, also the gate of z_s and the experts of tasks, which that gate reads; below the last
/// but one, the gates of tasks too. Tang et al., 2020.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::sharing::ProgressiveExtraction;
///
/// let level = [Layer::dense(8, Activation::Relu)];
/// let builder = |form: ProgressiveExtraction| {
///     let builder = Model::builder(10).sharing(form.into());
///     builder.task(Task::regression("shoulder")).task(Task::regression("elbow"))
/// };
/// let cgc = ProgressiveExtraction::new(2, 1, level.clone()); // or Sharing::cgc(2, 1, level)
/// let model = builder(cgc.clone()).build::<f64>()?;
/// let layout = model.network().layout();
/// assert_eq!(layout.n_shared(), 2 * (10 * 8 + 8)); // the shared experts
/// assert_eq!(layout.block("level.0.gate.elbow.0.weight").map(|gate| gate.shape()), Some((10, 3)));
///
/// let ple = builder(cgc.level(1, 2, level)).build::<f64>()?; // a second level: one shared expert, two of each task
/// let shared_gate = ple.network().layout().block("level.0.shared_gate.0.weight").expect("of the first level");
/// assert_eq!(shared_gate.shape(), (10, 1 + 1 + 2)); // the expert of each task, and the shared two
/// let checks = ple.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct ProgressiveExtraction {
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
struct Level {
    shared_experts: usize,
    task_experts: usize,
    layers: Vec<Layer>,
}

impl ProgressiveExtraction {
    /// One level: `shared_experts` experts for all tasks and `task_experts` for each task, at least 1 of either, of these
    /// layers each.
    pub fn new(
        shared_experts: usize,
        task_experts: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        Self { levels: Vec::new() }.level(shared_experts, task_experts, layers)
    }

    /// One more level, which reads what the level before it has mixed.
    #[must_use]
    pub fn level(
        mut self,
        shared_experts: usize,
        task_experts: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        let layers = layers.into_iter().map(std::convert::Into::into).collect();
        self.levels.push(Level { shared_experts, task_experts, layers });
        self
    }
}

impl From<ProgressiveExtraction> for super::Sharing {
    fn from(form: ProgressiveExtraction) -> Self {
        Self::ProgressiveExtraction(form)
    }
}

/// Chains of layers in the order of θ, each with the task that it belongs to, if it belongs to one.
#[derive(Debug)]
struct Parts<F>(Vec<(Chain<F>, Option<usize>)>);

impl<F: Scalar> Parts<F> {
    /// Adds a chain, and returns its place.
    fn push(&mut self, chain: Chain<F>, owner: Option<usize>) -> usize {
        self.0.push((chain, owner));
        self.0.len() - 1
    }

    fn outputs(&self, places: &[usize]) -> Vec<ActivationBlock> {
        places.iter().map(|&place| self.0[place].0.output()).collect()
    }
}

/// A gate's place among the parts, and what it mixes.
type Gate = (usize, SoftmaxGate);

#[derive(Debug, Default)]
struct BuiltLevel {
    shared_experts: Vec<usize>,
    /// For each task.
    task_experts: Vec<Vec<usize>>,
    /// For each task.
    gates: Vec<Gate>,
    shared_gate: Option<Gate>,
}

impl BuiltLevel {
    fn mixtures(&self) -> impl Iterator<Item = &SoftmaxGate> + Clone {
        self.gates.iter().chain(&self.shared_gate).map(|(_, mixture)| mixture)
    }

    fn parts(&self) -> impl Iterator<Item = usize> {
        let experts = self.shared_experts.iter().chain(self.task_experts.iter().flatten()).copied();
        experts.chain(self.gates.iter().chain(&self.shared_gate).map(|(place, _)| *place))
    }
}

/// What a level's parts are built from: the settings, the streams they read, and their names.
struct Builder<'a, F> {
    parts: Parts<F>,
    levels: Vec<BuiltLevel>,
    tasks: &'a [&'a str],
    settings: &'a [Level],
    x: ActivationBlock,
}

impl<F: Scalar> Builder<'_, F> {
    /// What a task's parts of a level read.
    fn task_stream(&self, level: usize, task: usize) -> ActivationBlock {
        level.checked_sub(1).map_or(self.x, |below| self.levels[below].gates[task].1.output())
    }

    /// What the shared parts of a level read.
    fn shared_stream(&self, level: usize) -> ActivationBlock {
        let below = level.checked_sub(1).map(|below| &self.levels[below].shared_gate);
        below.map_or(self.x, |gate| gate.as_ref().expect("only the last level has none").1.output())
    }

    fn experts(
        &mut self,
        context: &mut BuildContext<'_>,
        (level, name, n): (usize, &str, usize),
        stream: ActivationBlock,
        owner: Option<usize>,
    ) -> Result<Vec<usize>> {
        let layers = &self.settings[level].layers;
        let expert = |e: usize| {
            let name = format!("level.{level}.{name}.{e}");
            let chain = context.reading(stream, |c| c.named(&name, |c| Chain::<F>::build(layers, c)))?;
            Ok(self.parts.push(chain, owner))
        };
        (0..n).map(expert).collect()
    }

    fn task_experts(&mut self, context: &mut BuildContext<'_>, level: usize, is_own: bool) -> Result<()> {
        for (k, task) in self.tasks.iter().enumerate() {
            let name = format!("expert.{task}");
            let (n, stream) = (self.settings[level].task_experts, self.task_stream(level, k));
            let experts = self.experts(context, (level, &name, n), stream, is_own.then_some(k))?;
            self.levels[level].task_experts.push(experts);
        }
        Ok(())
    }

    fn gate(
        &mut self,
        context: &mut BuildContext<'_>,
        name: &str,
        stream: ActivationBlock,
        experts: &[usize],
        owner: Option<usize>,
    ) -> Result<Gate> {
        let n = experts.len();
        let gate = context.reading(stream, |c| c.named(name, |c| build_gate(&[], n, c)))?;
        let experts = self.parts.outputs(experts);
        let (shares, output) = (context.activations(n), context.activations(experts[0].width()));
        let mixture = Mixture { shares, output, experts };
        let mixing = SoftmaxGate { logits: gate.output(), mixture };
        Ok((self.parts.push(gate, owner), mixing))
    }

    fn task_gates(&mut self, context: &mut BuildContext<'_>, level: usize, is_own: bool) -> Result<()> {
        for (k, task) in self.tasks.iter().enumerate() {
            let built = &self.levels[level];
            let experts = [&built.task_experts[k][..], &built.shared_experts].concat();
            let (name, stream) = (format!("level.{level}.gate.{task}"), self.task_stream(level, k));
            let gate = self.gate(context, &name, stream, &experts, is_own.then_some(k))?;
            self.levels[level].gates.push(gate);
        }
        Ok(())
    }

    fn shared_gate(&mut self, context: &mut BuildContext<'_>, level: usize) -> Result<()> {
        let built = &self.levels[level];
        let experts = [&built.task_experts.concat()[..], &built.shared_experts].concat();
        let (name, stream) = (format!("level.{level}.shared_gate"), self.shared_stream(level));
        let gate = self.gate(context, &name, stream, &experts, None)?;
        self.levels[level].shared_gate = Some(gate);
        Ok(())
    }
}

impl ProgressiveExtraction {
    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltExtraction<F>> {
        let Some(last) = self.levels.len().checked_sub(1) else {
            return Err(Error::new(ErrorKind::Setting, "levels of experts", "at least 1", 0));
        };
        for (l, Level { shared_experts, task_experts, layers }) in self.levels.iter().enumerate() {
            check_experts(&format!("shared experts of level {l}"), *shared_experts, 1, layers)?;
            check_experts(&format!("experts of a task of level {l}"), *task_experts, 1, layers)?;
        }
        let mut builder = Builder {
            parts: Parts(Vec::new()),
            levels: self.levels.iter().map(|_| BuiltLevel::default()).collect(),
            tasks,
            settings: &self.levels,
            x: context.input(),
        };
        for (l, level) in self.levels.iter().enumerate() {
            let stream = builder.shared_stream(l);
            let experts = builder.experts(context, (l, "shared", level.shared_experts), stream, None)?;
            builder.levels[l].shared_experts = experts;
            if l < last {
                builder.task_experts(context, l, false)?;
                builder.shared_gate(context, l)?;
            }
            if l + 1 < last {
                builder.task_gates(context, l, false)?;
            }
        }
        context.end_shared();
        if let Some(before) = last.checked_sub(1) {
            builder.task_gates(context, before, true)?;
        }
        builder.task_experts(context, last, true)?;
        builder.task_gates(context, last, true)?;
        Ok(BuiltExtraction { parts: builder.parts, levels: builder.levels })
    }
}

#[derive(Debug)]
pub(super) struct BuiltExtraction<F> {
    parts: Parts<F>,
    levels: Vec<BuiltLevel>,
}

impl<F: Scalar> BuiltExtraction<F> {
    fn chain(&self, place: usize) -> &Chain<F> {
        &self.parts.0[place].0
    }

    /// The lanes of a part's deltas: one for each task, unless it belongs to one task, whose delta is then in lane 0.
    fn lanes(&self, place: usize, n: usize) -> usize {
        if self.parts.0[place].1.is_some() { 1 } else { n }
    }

    /// Back from the streams that a level has mixed to its experts and gates, in `n` lanes.
    fn unmix(&self, level: &BuiltLevel, values: &Arena<F>, deltas: &mut Arena<F>, n: usize) {
        // It reads every expert, so it writes where the gates of the tasks add.
        let shared_gate = level.shared_gate.iter().map(|(_, gate)| gate);
        (0..n).for_each(|lane| gate::unmix(shared_gate.clone(), values, deltas, lane, |_, _| (lane, false)));
        // The gates of a level belong to their tasks, or none does.
        let first = level.gates[0].0;
        let is_own = self.parts.0[first].1.is_some();
        for lane in 0..self.lanes(first, n) {
            let to = |k: usize, e: usize| {
                // Where lanes are kept apart, what only one task sends belongs in the task's lane.
                let shared = if is_own && n > 1 { k } else { lane };
                match (e < level.task_experts[k].len(), &level.shared_gate) {
                    (_, Some(_)) => (shared, true),
                    (true, None) => (lane, false),
                    (false, None) => (shared, n == 1 && k > 0),
                }
            };
            gate::unmix(level.gates.iter().map(|(_, gate)| gate), values, deltas, lane, to);
        }
    }

    /// Back from a level's experts and gates to the streams that they read.
    fn to_streams(
        &self,
        l: usize,
        pass: &Pass<'_, F>,
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        to: Propagation,
    ) {
        let (level, n) = (&self.levels[l], to.lanes);
        let mut is_first = true;
        let mut send = |place: usize, begins: bool, lane: usize, deltas: &mut Arena<F>| {
            let lanes = self.lanes(place, n);
            let to = match (l, begins) {
                // All streams are x.
                (0, _) => {
                    let to = if is_first { to } else { to.adding() };
                    self.parts.0[place].1.map_or(to, |task| to.of_task(task))
                }
                (_, true) => Propagation { lanes, input: InputDelta::Write(lane) },
                (_, false) => Propagation { lanes, input: InputDelta::Add(lane) },
            };
            is_first = false;
            self.chain(place).propagate(pass, values, deltas, to);
        };
        for (i, &expert) in level.shared_experts.iter().enumerate() {
            send(expert, i == 0, 0, deltas);
        }
        if let Some((gate, _)) = &level.shared_gate {
            send(*gate, false, 0, deltas);
        }
        for (k, (experts, (gate, _))) in level.task_experts.iter().zip(&level.gates).enumerate() {
            for (i, &expert) in experts.iter().enumerate() {
                send(expert, i == 0, 0, deltas);
            }
            // A gate of one task beside experts that several tasks send to: its delta belongs in the task's lane.
            let is_alone = self.lanes(*gate, n) < self.lanes(experts[0], n);
            send(*gate, false, if is_alone { k } else { 0 }, deltas);
        }
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltExtraction<F> {
    fn representation(&self, task: usize) -> Representation {
        let last = self.levels.last().expect("at least one level");
        Representation { activations: last.gates[task].1.output(), is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        for level in &self.levels {
            level.parts().for_each(|place| self.chain(place).forward(pass, values));
            gate::mix(level.mixtures(), values);
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        for level in &self.levels {
            level.parts().try_for_each(|place| self.chain(place).export(graph))?;
            level.mixtures().for_each(|gate| gate.export(graph));
        }
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (l, level) in self.levels.iter().enumerate().rev() {
            self.unmix(level, values, deltas, to.lanes);
            self.to_streams(l, pass, values, deltas, to);
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let of = |(chain, owner): &(Chain<F>, Option<usize>)| {
            chain.pieces().map(|range| Piece { range, owner: *owner }).collect::<Vec<_>>()
        };
        self.parts.0.iter().flat_map(of).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let lane = if piece.owner.is_some() { 0 } else { lane };
        let mut parts = self.parts.0.iter();
        parts
            .find_map(|(chain, _)| chain.gradient(chunks, lane, piece.range.clone(), gradient))
            .expect("the piece is of an expert or a gate");
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.parts.0.iter().for_each(|(chain, _)| chain.update_state(chunks, state));
    }

    fn affine(&self) -> Vec<Affine> {
        let shared = self.parts.0.iter().filter(|(_, owner)| owner.is_none());
        shared.flat_map(|(chain, _)| chain.affine()).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.parts.0.iter().flat_map(|(chain, _)| chain.lookups()).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.parts.0.iter().for_each(|(chain, _)| chain.branches(pass, values, record));
    }
}
