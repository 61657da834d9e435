//! Tables whose vectors are looked up by an index in the input.

use std::ops::Range;

use crate::arena::{ActivationBlock, Chunk};
use crate::{Block, Scalar};

/// A table of vectors E and where a layer looks them up, `Y = E[i]`, with one index i for each row of the batch: see
/// [`BuiltLayer::lookups`](super::BuiltLayer::lookups).
///
/// With the deltas `Dₖ = ∂Lₖ/∂Y` (B × d) of task k, the gradient of a row of E is the sum over the rows of the batch
/// with its index, and 0 for a row that no index names. So the Gramian needs only the sums over those rows, and no
/// gradient of the table:
///
/// ```text
/// ∇ₖ[c] = Σ of Dₖ[b] over the b with i[b] = c      ⟨∇ₖ, ∇ₗ⟩ = Σ of ⟨∇ₖ[c], ∇ₗ[c]⟩ over the c in the batch
/// ```
///
/// ```
/// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Embedding, Lookup};
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// #[derive(Debug)]
/// struct Inspected;
///
/// impl<F: Scalar> BuildLayer<F> for Inspected {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         let embedding: Box<dyn BuiltLayer<F>> = Embedding::new([(1, 30)], 6).build(context)?;
///         let lookups: Vec<Lookup> = embedding.lookups();
///         assert!(lookups.len() == 1 && lookups[0].input == context.input() && lookups[0].index == 1);
///         assert_eq!((lookups[0].table.shape(), lookups[0].columns.clone()), ((30 + 1, 6), 2..2 + 6));
///         assert_eq!(lookups[0].output, embedding.output());
///         Ok(embedding)
///     }
/// }
/// Model::builder(3).trunk([Layer::custom(Inspected)]).task(Task::regression("price")).build::<f64>()?;
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// E. It is one of the [`pieces`](super::BuiltLayer::pieces).
    pub table: Block,
    /// The activations that hold the indices.
    pub input: ActivationBlock,
    /// Which column of the input it is.
    pub index: usize,
    /// The activations that the vectors are written to, and whose deltas are ∂Lₖ/∂Y after `propagate`.
    pub output: ActivationBlock,
    /// Which columns of the output the vectors are.
    pub columns: Range<usize>,
}

impl Lookup {
    /// The row of the table for an index.
    #[track_caller]
    pub(crate) fn row<F: Scalar>(&self, index: F) -> usize {
        let (n, found) = (self.table.shape().0, index.to_f64());
        assert!(found >= 0.0 && found < n as f64, "index {found} of a table of {n} rows");
        found as usize
    }

    /// The entries of the table, counted from its first, that hold the vector of an index.
    #[track_caller]
    pub(super) fn vector<F: Scalar>(&self, index: F) -> Range<usize> {
        let (row, width) = (self.row(index), self.table.shape().1);
        row * width..(row + 1) * width
    }

    /// Calls `with` for each row of the batch, with the row of the table that it looks up and the delta of its vector.
    pub(crate) fn for_each_delta<F: Scalar>(
        &self,
        chunks: &[Chunk<F>],
        lane: usize,
        mut with: impl FnMut(usize, &[F]),
    ) {
        for chunk in chunks {
            let (x, dy) = (chunk.values.get(self.input), chunk.deltas.lanes_of(self.output, lane..lane + 1));
            for (x, dy) in x.rows().into_iter().zip(dy.rows()) {
                let dy = dy.to_slice().expect("row-major");
                with(self.row(x[self.index]), &dy[self.columns.clone()]);
            }
        }
    }

    /// Calls `with` for each row of the batch, with the row of the table that it looks up.
    pub(crate) fn for_each_row<F: Scalar>(&self, chunks: &[Chunk<F>], mut with: impl FnMut(usize)) {
        for chunk in chunks {
            let x = chunk.values.get(self.input);
            x.column(self.index).iter().for_each(|index| with(self.row(*index)));
        }
    }

    /// Adds the gradient of the table to `gradient`, from one lane of the deltas of all chunks.
    pub(crate) fn add_gradient<F: Scalar>(&self, chunks: &[Chunk<F>], lane: usize, gradient: &mut [F]) {
        let width = self.table.shape().1;
        self.for_each_delta(chunks, lane, |row, dy| {
            let vector = &mut gradient[row * width..(row + 1) * width];
            vector.iter_mut().zip(dy).for_each(|(to, &dy)| *to += dy);
        });
    }
}
