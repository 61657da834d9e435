//! The layers of a single task, from a representation of the sharing form to the task's outputs.

use std::ops::Range;

use super::objective::Objective;
use super::trace::TaskTrace;
use crate::arena::Chunk;
use crate::layer::{Activation, BuildContext, Chain, Dense};
use crate::sharing::Representation;
use crate::{Result, Scalar, Task};

/// The head of a task: its own layers, which compute its outputs.
#[derive(Debug)]
pub(super) struct Head<F> {
    pub(super) task: usize,
    pub(super) reads: Representation,
    pub(super) layers: Chain<F>,
    /// Whether it is one linear layer with one output.
    pub(super) is_one_output: bool,
}

impl<F: Scalar> Head<F> {
    /// Builds the task's own layers, then a linear layer as wide as the loss needs.
    pub(super) fn build(
        k: usize,
        task: &Task,
        objective: &Objective<F>,
        reads: Representation,
        context: &mut BuildContext<'_>,
    ) -> Result<Self> {
        let mut layers = task.layers().to_vec();
        layers.push(Dense::new(objective.output_width, Activation::Identity).for_each_member().into());
        let layers = context.reading(reads.activations, |context| {
            context.named(&format!("head.{}", task.name()), |context| Chain::build(&layers, context))
        })?;
        let is_one_output =
            task.layers().is_empty() && objective.output_width == 1 && layers.pieces().count() == 1;
        Ok(Self { task: k, reads, layers, is_one_output })
    }

    /// The range of θ that holds the parameters of all its layers.
    pub(super) fn range(&self) -> Range<usize> {
        let mut pieces = self.layers.pieces();
        let first = pieces.next().expect("a head has layers");
        first.start..pieces.last().map_or(first.end, |last| last.end)
    }

    /// Writes a chunk's rows of the task's delta, times `factor`, to where the head's layers expect it. In a
    /// network with products, it is the sum that [`product::seed`](super::product::seed) has computed.
    pub(super) fn seed(&self, task: &TaskTrace<F>, factor: F, chunk: &mut Chunk<F>) {
        let (output, rows) = (self.layers.output(), chunk.rows());
        let (from, factor) = if task.seed.is_empty() { (&task.delta, factor) } else { (&task.seed, F::ONE) };
        let from =
            &from.as_slice().expect("row-major")[rows.start * output.width()..rows.end * output.width()];
        chunk.deltas.scale_from(output, factor, from);
    }
}
