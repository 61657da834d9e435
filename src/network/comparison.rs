//! Memory for comparing the tasks' gradients: their Gramian, the shares of work that it is summed from, and the
//! gradients themselves.

use std::ops::Range;

use ndarray::Array2;

use crate::GramianScope;
use crate::Scalar;
use crate::kernel;
use crate::sharing::Piece;

/// The Gramian of the tasks' gradients, and the memory to compute it in.
#[derive(Debug)]
pub(super) struct Comparison<F> {
    /// `gramian[k, l] = ⟨∇ₖ, ∇ₗ⟩`.
    pub(super) gramian: Array2<f64>,
    /// Its lower triangle while it is being computed.
    lower: Vec<f64>,
    /// What the Gramian of this batch was computed over; `None` before that.
    pub(super) known: Option<GramianScope>,
    /// The shares of work that the Gramian is summed from, and what it is over with them.
    pub(super) shares: Vec<Share<F>>,
    pub(super) shares_over: Option<GramianScope>,
    /// The form in which all Gramians are computed, if it is not to be chosen by cost.
    pub(super) form: Option<Form>,
}

/// Each task's gradient with respect to the shared parameters.
#[derive(Debug)]
pub(super) struct TaskGradients<F> {
    /// Row k is ∇ₖ, `K × n_shared`.
    pub(super) rows: Vec<F>,
    /// The pieces of the rows, row after row, which can be computed independently.
    pub(super) cuts: Vec<Range<usize>>,
    /// Whether the rows have been computed for this batch.
    pub(super) is_known: bool,
}

impl<F: Scalar> Comparison<F> {
    pub(super) fn new(n_tasks: usize) -> Self {
        let gramian = Array2::zeros((n_tasks, n_tasks));
        let lower = vec![0.0; n_tasks * n_tasks];
        Self { gramian, lower, known: None, shares: Vec::new(), shares_over: None, form: None }
    }

    /// The tasks' gradients with respect to a piece of θ, one after the other, if they were kept when they were
    /// compared.
    pub(super) fn kept(&self, piece: usize) -> Option<&[F]> {
        let share = self.shares.iter().find(|share| share.work == Work::Gradients { piece })?;
        Some(&share.scratch)
    }

    /// Adds up the Gramian from its shares.
    pub(super) fn sum_shares(&mut self, over: GramianScope) {
        let n = self.gramian.nrows();
        self.gramian.fill(0.0);
        for share in &self.shares {
            for k in 0..n {
                for l in 0..=k {
                    self.gramian[[k, l]] += share.gramian[k * n + l];
                    self.gramian[[l, k]] = self.gramian[[k, l]];
                }
            }
        }
        self.known = Some(over);
    }

    /// Computes the Gramian of the rows of a matrix with one row per task.
    pub(super) fn compare_rows(&mut self, rows: &[F]) {
        let n = self.gramian.nrows();
        let Self { gramian, lower, .. } = self;
        lower.fill(0.0);
        kernel::add_gramian(rows, n, lower);
        gramian.indexed_iter_mut().for_each(|((k, l), g)| *g = lower[k.max(l) * n + k.min(l)]);
        self.known = Some(GramianScope::SharedParameters);
    }
}

impl<F> Default for TaskGradients<F> {
    fn default() -> Self {
        Self { rows: Vec::new(), cuts: Vec::new(), is_known: false }
    }
}

impl<F: Scalar> TaskGradients<F> {
    /// Allocates K rows of n numbers, in the pieces `shared`.
    pub(super) fn reserve(&mut self, k: usize, n: usize, shared: &[Piece]) {
        if self.rows.len() != k * n {
            let shifted =
                |k: usize| shared.iter().map(move |piece| piece.range.start + k * n..piece.range.end + k * n);
            self.cuts = (0..k).flat_map(shifted).collect();
            self.rows = vec![F::ZERO; k * n];
        }
    }
}

/// A share of the Gramian, with the memory to compute it in.
#[derive(Debug)]
pub(super) struct Share<F> {
    pub(super) work: Work,
    /// K × K, of which only the lower triangle is used.
    pub(super) gramian: Vec<f64>,
    /// In a direct share: the K gradients with respect to its piece of θ, one after the other.
    pub(super) scratch: Vec<F>,
    /// In a sketch: the random sums of the inputs of its layer. Of a table: the rows that the batch reads.
    pub(super) order: Vec<usize>,
}

impl<F: Scalar> Share<F> {
    pub(super) fn new(work: Work, n_tasks: usize, scratch: usize) -> Self {
        let (gramian, scratch) = (vec![0.0; n_tasks * n_tasks], vec![F::ZERO; scratch]);
        Self { work, gramian, scratch, order: Vec::new() }
    }
}

/// What a share of the Gramian is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A piece of θ, from the tasks' gradients.
    Gradients { piece: usize },
    /// All weights of an affine layer, from the products of a chunk's rows with all rows.
    Products { layer: usize, chunk: usize },
    /// All weights of an affine layer, from some of the random sums of its inputs.
    Sketch { layer: usize, sums: Sums },
    /// A table of vectors, from the sums of the deltas of each index in the batch. `is_first` tells whether no share before
    /// it is about the same output of a layer.
    Table { table: usize, is_first: bool },
    /// The rows of a chunk, from the deltas at the representation. They are compared as soon as they are
    /// computed.
    Deltas,
}

/// Some of the random sums of a layer's sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// The index of the first, and how many there are.
    pub(super) first: usize,
    pub(super) n: usize,
    /// How many the layer has in all.
    pub(super) of: usize,
}

/// How the Gramian of a layer is computed: see [`Affine`](crate::layer::Affine).
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// From the gradients of the tasks.
    Direct,
    /// From the products of the batch's rows with each other, without computing gradients.
    Gram,
}

/// The distance from one row of M to the next. Rows a multiple of 4096 bytes apart would compete for the same
/// places in the first-level cache.
pub(super) fn row_scratch<F>(width: usize) -> usize {
    let line = 64 / size_of::<F>();
    width.next_multiple_of(line) + line
}
