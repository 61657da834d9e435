//! Cross-stitch networks: a network for each task, and after every layer a learnt mixture of what the networks have
//! computed.
//!
//! I. Misra, A. Shrivastava, A. Gupta and M. Hebert, "Cross-stitch networks for multi-task learning", CVPR 2016.
//!
//! ```text
//! forward     yⱼ = layerⱼ(zⱼ)              layer l of the network of task j; z is x at first
//!             zₖ = Σⱼ A[k, j] yⱼ           A: K × K, one for each layer
//!             the head of task k reads the last zₖ
//!
//! backward    dyⱼ = Σₖ A[k, j] dzₖ         each layer then sends on as any other
//!             dA[k, j] = Σ over rows of ⟨dzₖ, yⱼ⟩
//! ```
//! Why: zₖ is linear in each yⱼ with the factor A[k, j], and in each A[k, j] with the factor yⱼ.
//!
//! At first A has 0.9 on its diagonal, and the rest of a row shares 0.1, so that a row adds up to 1 and z is as large as
//! y; a matrix of ones, as in some code, would make it K times as large with every layer. Through the mixtures the loss of
//! every task depends on every network, so where gradients of tasks are compared all of it counts as shared.

use std::ops::Range;

use super::{BuiltSharing, Piece, Representation};
use crate::arena::{ActivationBlock, Arena, Chunk, ChunkNumbers};
use crate::kernel;
use crate::layer::{Affine, BuildContext, Chain, InputDelta, Layer, Lookup, Pass, Propagation};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of a cross-stitch network: a network of these layers for each task, and after every layer a learnt mixture of
/// what all networks have computed.
///
/// ```text
/// yⱼ = layerⱼ(zⱼ)      zₖ = Σⱼ A[k, j] yⱼ      dyⱼ = Σₖ A[k, j] dzₖ      dA[k, j] = ⟨dzₖ, yⱼ⟩
/// ```
/// The parameters of A, K × K, are its diagonal (`stitch.0.own`, `1 × K`, first 0.9) and the other entries, row by row
/// (`stitch.0.others`, `K × (K − 1)`, first 0.1 / (K − 1)). Every task's loss depends on every network, so all of them
/// are shared where gradients of tasks are compared. Misra et al., 2016.
///
/// ```
/// use polytask::prelude::*;
///
/// let layers = [Layer::dense(8, Activation::Relu), Layer::dense(6, Activation::Tanh)];
/// let builder = Model::builder(10).sharing(Sharing::cross_stitch(layers));
/// let model = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f64>()?;
/// let layout = model.network().layout();
/// assert_eq!(layout.block("stitch.1.others").map(|others| others.shape()), Some((2, 1)));
/// assert_eq!(layout.block("layer.1.elbow.0.weight").map(|weight| weight.shape()), Some((8, 6)));
/// assert_eq!(layout.n_shared(), model.n_parameters() - 2 * (6 + 1)); // all but the heads
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct CrossStitch {
    layers: Vec<Layer>,
}

impl CrossStitch {
    /// A network of these layers, at least one, for each task.
    pub fn new(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self { layers: layers.into_iter().map(std::convert::Into::into).collect() }
    }
}

impl From<CrossStitch> for super::Sharing {
    fn from(form: CrossStitch) -> Self {
        Self::CrossStitch(form)
    }
}

/// One layer of every network, and what mixes them.
#[derive(Debug)]
struct Stage<F> {
    /// For each task.
    layers: Vec<Chain<F>>,
    stitch: Stitch,
}

/// The matrix A of a layer.
#[derive(Debug)]
struct Stitch {
    /// Its diagonal.
    own: Block,
    /// Its other entries, if there are several tasks.
    others: Option<Block>,
    /// yⱼ.
    inputs: Vec<ActivationBlock>,
    /// zₖ.
    outputs: Vec<ActivationBlock>,
    /// Among the deltas, dA of a lane, row by row.
    gradient: ChunkNumbers,
}

impl Stitch {
    fn range(&self) -> Range<usize> {
        self.own.range().start..self.others.unwrap_or(self.own).range().end
    }

    /// A[k, j].
    fn entry<F: Scalar>(&self, theta: &[F], k: usize, j: usize) -> F {
        match self.others {
            Some(others) if k != j => others.of(theta)[[k, j - usize::from(j > k)]],
            _ => self.own.of(theta)[[0, k]],
        }
    }

    fn forward<F: Scalar>(&self, theta: &[F], values: &mut Arena<F>) {
        for (k, &output) in self.outputs.iter().enumerate() {
            values.get_mut(output).fill(F::ZERO);
            for (j, &input) in self.inputs.iter().enumerate() {
                let (y, mut z) = values.pair((input, 0..1), (output, 0..1));
                z.scaled_add(self.entry(theta, k, j), &y);
            }
        }
    }

    /// The zₖ in a graph.
    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) {
        for (k, &output) in self.outputs.iter().enumerate() {
            let terms: Vec<_> = (self.inputs.iter().enumerate())
                .map(|(j, &input)| (graph.value(input), self.entry(graph.theta(), k, j)))
                .collect();
            let z = graph.weighted_sum(&terms);
            graph.set(output, z);
        }
    }

    /// From the dzₖ to dA and the dyⱼ, in `n` lanes. If `is_last`, lane 0 of dzₖ has what task k alone sends.
    fn propagate<F: Scalar>(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        n: usize,
        is_last: bool,
    ) {
        let n_tasks = self.outputs.len();
        for lane in 0..n {
            for (j, &input) in self.inputs.iter().enumerate() {
                deltas.lanes_of_mut(input, lane..lane + 1).fill(F::ZERO);
                for (k, &output) in self.outputs.iter().enumerate() {
                    let from = match (is_last && n > 1, k == lane) {
                        (false, _) => lane..lane + 1,
                        (true, true) => 0..1,
                        (true, false) => {
                            deltas.numbers_mut(self.gradient, lane)[k * n_tasks + j] = F::ZERO;
                            continue;
                        }
                    };
                    let product =
                        kernel::inner_product(values.get(input), deltas.lanes_of(output, from.clone()));
                    deltas.numbers_mut(self.gradient, lane)[k * n_tasks + j] = F::from_f64(product);
                    let (dz, mut dy) = deltas.pair((output, from), (input, lane..lane + 1));
                    dy.scaled_add(self.entry(theta, k, j), &dz);
                }
            }
        }
    }

    fn gradient<F: Scalar>(&self, chunks: &[Chunk<F>], lane: usize, gradient: &mut [F]) {
        let n_tasks = self.outputs.len();
        gradient.fill(F::ZERO);
        let (own, others) = gradient.split_at_mut(n_tasks);
        for chunk in chunks {
            let of_chunk = chunk.deltas.numbers(self.gradient, lane).chunks_exact(n_tasks);
            for (k, row) in of_chunk.enumerate() {
                own[k] += row[k];
                let besides = row.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, d)| d);
                let others = &mut others[k * (n_tasks - 1)..(k + 1) * (n_tasks - 1)];
                others.iter_mut().zip(besides).for_each(|(sum, &d)| *sum += d);
            }
        }
    }
}

impl CrossStitch {
    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltCrossStitch<F>> {
        if self.layers.is_empty() {
            return Err(Error::new(ErrorKind::Setting, "layers of a cross-stitch network", "at least 1", 0)
                .advise("without any there is nothing to mix"));
        }
        let n = tasks.len();
        let mut streams = vec![context.input(); n];
        let mut stages = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let layers = tasks.iter().zip(&streams).map(|(task, &stream)| {
                let name = format!("layer.{l}.{task}");
                let build = |c: &mut BuildContext<'_>| Chain::build(std::slice::from_ref(layer), c);
                context.reading(stream, |c| c.named(&name, build))
            });
            let layers: Vec<Chain<F>> = layers.collect::<Result<_>>()?;
            let inputs: Vec<_> = layers.iter().map(Chain::output).collect();
            streams = inputs.iter().map(|input| context.activations(input.width())).collect();
            let gradient = context.chunk_numbers(n * n);
            let stitch = context.named(&format!("stitch.{l}"), |c| Stitch {
                own: c.parameter("own", 1, n, Init::Constant(if n > 1 { 0.9 } else { 1.0 })),
                others: (n > 1)
                    .then(|| c.parameter("others", n, n - 1, Init::Constant(0.1 / (n - 1) as f64))),
                inputs,
                outputs: streams.clone(),
                gradient,
            });
            stages.push(Stage { layers, stitch });
        }
        context.end_shared();
        Ok(BuiltCrossStitch { stages })
    }
}

#[derive(Debug)]
pub(super) struct BuiltCrossStitch<F> {
    stages: Vec<Stage<F>>,
}

impl<F: Scalar> BuiltCrossStitch<F> {
    fn chains(&self) -> impl Iterator<Item = &Chain<F>> {
        self.stages.iter().flat_map(|stage| &stage.layers)
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltCrossStitch<F> {
    fn representation(&self, task: usize) -> Representation {
        let last = self.stages.last().expect("at least one layer");
        Representation { activations: last.stitch.outputs[task], is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        for stage in &self.stages {
            stage.layers.iter().for_each(|layer| layer.forward(pass, values));
            stage.stitch.forward(pass.theta, values);
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        for stage in &self.stages {
            stage.layers.iter().try_for_each(|layer| layer.export(graph))?;
            stage.stitch.export(graph);
        }
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (l, stage) in self.stages.iter().enumerate().rev() {
            let is_last = l + 1 == self.stages.len();
            stage.stitch.propagate(pass.theta, values, deltas, to.lanes, is_last);
            for (k, layer) in stage.layers.iter().enumerate() {
                let to = match (l, k) {
                    (0, 0) => to,
                    // All networks read x.
                    (0, _) => to.adding(),
                    _ => Propagation { lanes: to.lanes, input: InputDelta::Write(0) },
                };
                layer.propagate(pass, values, deltas, to);
            }
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let of = |stage: &Stage<F>| {
            let layers = stage.layers.iter().flat_map(Chain::pieces);
            layers.chain([stage.stitch.range()]).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(of).map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let stitch = self.stages.iter().map(|stage| &stage.stitch).find(|s| s.range() == piece.range);
        match stitch {
            Some(stitch) => stitch.gradient(chunks, lane, gradient),
            None => self
                .chains()
                .find_map(|chain| chain.gradient(chunks, lane, piece.range.clone(), gradient))
                .expect("the piece is of a layer or a stitch"),
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.chains().for_each(|chain| chain.update_state(chunks, state));
    }

    fn affine(&self) -> Vec<Affine> {
        self.chains().flat_map(Chain::affine).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.chains().flat_map(Chain::lookups).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.chains().for_each(|chain| chain.branches(pass, values, record));
    }
}
