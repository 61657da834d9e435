//! The layers of a task's own, from what it reads of the sharing form to its outputs.

use std::ops::Range;

use super::objective::Objective;
use super::trace::TaskTrace;
use crate::arena::Chunk;
use crate::layer::{Activation, BuildContext, Chain, Layer};
use crate::sharing::Representation;
use crate::{Result, Scalar, Task};

/// The layers of a task's own that compute its outputs.
#[derive(Debug)]
pub(super) struct Head<F> {
    pub(super) task: usize,
    pub(super) reads: Representation,
    pub(super) layers: Chain<F>,
    /// Whether its layers are one linear layer with one output.
    pub(super) is_one_output: bool,
}

impl<F: Scalar> Head<F> {
    /// The task's own layers, then a linear layer as wide as the loss wants.
    pub(super) fn build(
        k: usize,
        task: &Task,
        objective: &Objective<F>,
        reads: Representation,
        context: &mut BuildContext<'_>,
    ) -> Result<Self> {
        let mut layers = task.layers().to_vec();
        layers.push(Layer::dense(objective.output_width, Activation::Identity));
        let layers = context.reading(reads.activations, |context| {
            context.named(&format!("head.{}", task.name()), |context| Chain::build(&layers, context))
        })?;
        let is_one_output =
            task.layers().is_empty() && objective.output_width == 1 && layers.pieces().count() == 1;
        Ok(Self { task: k, reads, layers, is_one_output })
    }

    /// Where the parameters of all its layers lie in θ.
    pub(super) fn range(&self) -> Range<usize> {
        let mut pieces = self.layers.pieces();
        let first = pieces.next().expect("a head has layers");
        first.start..pieces.last().map_or(first.end, |last| last.end)
    }

    /// Writes the chunk's rows of the task's delta, times `factor`, where the head's layers expect it; where
    /// products had something to add, of the sum that [`product::seed`](super::product::seed) has made.
    pub(super) fn seed(&self, task: &TaskTrace<F>, factor: F, chunk: &mut Chunk<F>) {
        let (output, rows) = (self.layers.output(), chunk.rows());
        let (from, factor) = if task.seed.is_empty() { (&task.delta, factor) } else { (&task.seed, F::ONE) };
        let from =
            &from.as_slice().expect("row-major")[rows.start * output.width()..rows.end * output.width()];
        chunk.deltas.scale_from(output, factor, from);
    }
}
