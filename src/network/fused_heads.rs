//! Heads with one linear output each that read the same activations: together they are one dense layer.
//!
//! In θ, the weights of such a head are followed by its bias, and then come those of the next head; in the
//! arena, their outputs follow one another too. So K heads together are matrices already, without copying:
//!
//! ```text
//! [W b] = | w₁ᵀ b₁ |   K × (in + 1)          Y = | y₁ᵀ |   K × rows          H   rows × in, their common input
//!         | w₂ᵀ b₂ |   a slice of θ              | y₂ᵀ |   of the arena
//!
//! forward     Y  = W Hᵀ + b 1ᵀ        K × rows
//! propagate   dH = dYᵀ W              rows × in, already summed over the tasks
//! gradient    dW = dY H               K × in
//!             db = dY 1               K × 1
//! ```
//! Each row of H is read once for all heads, and each row of dH written once.

use std::ops::Range;

use super::Head;
use crate::Scalar;
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate};
use crate::layer::Propagation;

/// Adjacent heads that are computed together.
#[derive(Debug)]
pub(super) struct FusedHeads {
    pub(super) heads: Range<usize>,
    /// The piece of θ that holds the weights and biases of all of them.
    pub(super) range: Range<usize>,
    input: ActivationBlock,
    /// The output of the first head; those of the others follow.
    output: ActivationBlock,
}

impl FusedHeads {
    /// All runs of two or more such heads.
    pub(super) fn all_of<F: Scalar>(heads: &[Head<F>]) -> Vec<Self> {
        let mut runs = Vec::new();
        let mut first = 0;
        while first < heads.len() {
            let run = heads[first..].windows(2).take_while(|pair| are_alike(&pair[0], &pair[1])).count();
            let end = first + run + 1;
            if run > 0 {
                runs.push(Self {
                    heads: first..end,
                    range: heads[first].range().start..heads[end - 1].range().end,
                    input: heads[first].reads.activations,
                    output: heads[first].layers.output(),
                });
            }
            first = end;
        }
        runs
    }

    /// Whether the outputs are computed as one product too. That pays if a row of H stays in registers while it
    /// is multiplied with the weights of each head in turn; for longer rows it does not.
    pub(super) fn computes_outputs<F>(&self) -> bool {
        self.input.width() <= kernel::dot_chains::<F>()
    }

    pub(super) fn forward<F: Scalar>(&self, theta: &[F], values: &mut Arena<F>) {
        let (n, width) = (self.heads.len(), self.input.width());
        let theta = &theta[self.range.clone()];
        if values.rows() == 1 {
            let (h, y, stride) = values.row_and_stack(self.input, self.output, n);
            (0..n).for_each(|head| y[head * stride] = theta[head * (width + 1) + width]);
            return kernel::row_times_rows(h, (theta, width + 1), n, (y, stride));
        }
        let (h, mut y) = values.block_and_stack(self.input, self.output, n);
        for (mut y, head) in y.rows_mut().into_iter().zip(theta.chunks_exact(width + 1)) {
            y.fill(head[width]);
        }
        let w = kernel::matrix(theta, n, width, width + 1);
        kernel::product(h, w.reversed_axes(), Accumulate::Add, y.reversed_axes());
    }

    pub(super) fn propagate<F: Scalar>(&self, theta: &[F], deltas: &mut Arena<F>, to: Propagation) {
        let (n, width) = (self.heads.len(), self.input.width());
        let Some((lanes, start)) = to.target() else { return };
        let (dy, dh) = deltas.stack_and_block(self.output, n, (self.input, lanes));
        let w = kernel::matrix(&theta[self.range.clone()], n, width, width + 1);
        kernel::product(dy.reversed_axes(), w, start, dh);
    }

    /// The gradients of all the heads, one after the other as in θ.
    pub(super) fn gradient<F: Scalar>(&self, chunks: &[Chunk<F>], gradient: &mut [F]) {
        let (n, width) = (self.heads.len(), self.input.width());
        let mut start = Accumulate::Write;
        for chunk in chunks {
            let (dy, h) = (chunk.deltas.stack(self.output, n), chunk.values.get(self.input));
            kernel::product(dy, h, start, kernel::matrix_mut(gradient, n, width, width + 1));
            for (dy, head) in dy.rows().into_iter().zip(gradient.chunks_exact_mut(width + 1)) {
                let dy = dy.into_shape_with_order((chunk.deltas.rows(), 1)).expect("one column");
                kernel::column_sums(dy, start, &mut head[width..]);
            }
            start = Accumulate::Add;
        }
    }
}

/// Whether a head and the next one are adjacent and each have one linear output of the same activations.
fn are_alike<F: Scalar>(head: &Head<F>, next: &Head<F>) -> bool {
    head.is_one_output
        && next.is_one_output
        && head.reads == next.reads
        && head.range().end == next.range().start
        && head.layers.output().is_followed_by(next.layers.output())
}
