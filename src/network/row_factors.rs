//! The gradient of every row for every task, left in its two factors.
//!
//! ```text
//! z = x W + b        ∂/∂W = xᵢᵀ δᵢₖ        ∂/∂b = δᵢₖ        δᵢₖ = ∂(loss that row i adds to task k)/∂zᵢ
//! ```
//! One forward pass and one backward pass with a lane for each task leave all xᵢ and δᵢₖ of a batch in its trace, where
//! xᵢᵀδᵢₖ would take a matrix as large as W for each. I. Goodfellow, "Efficient per-example gradient computations",
//! arXiv 1510.01799, 2015; here for each task.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};

use super::Network;
use super::stage::Wanted;
use super::trace::Trace;
use crate::Scalar;
use crate::arena::Chunk;
use crate::layer::{Affine, Pass};

/// The factors of one affine map, for the rows of a batch.
#[derive(Clone, Debug)]
pub(crate) struct RowFactors {
    /// Where W and then b are in θ.
    pub(crate) range: Range<usize>,
    pub(crate) has_bias: bool,
    /// `batch × in`.
    pub(crate) inputs: Array2<f64>,
    /// For each task `batch × out`; `None` for a task that the map has no part in.
    pub(crate) deltas: Vec<Option<Array2<f64>>>,
}

impl<F: Scalar> Network<F> {
    /// The factors of the affine maps of the shared layers and of the heads, in the order of θ, for the batch in the trace.
    /// There are none in a network with products, nor in an ensemble, where several rows of deltas belong to one of the batch.
    pub(crate) fn row_factors(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) -> Vec<RowFactors> {
        if !self.products.is_empty() || self.members() > 1 {
            return Vec::new();
        }
        self.advance(pass, trace, Wanted::Lanes);
        let n = self.n_tasks();
        // A delta is of a mean; what a row adds to the loss is what it adds to the sum.
        let totals: Vec<f64> = (0..n).map(|k| self.loss(k).total(&trace.labels(k))).collect();
        let chunks = trace.chunks.in_use();
        let factors = |map: &Affine, lane_of: &dyn Fn(usize) -> Option<usize>| {
            let deltas_of = |k: usize| {
                let lane = lane_of(k)?;
                let of = |chunk: &Chunk<F>| in_f64(chunk.deltas.lanes_of(map.output, lane..lane + 1));
                Some(totals[k] * stacked(chunks.iter().map(of), map.output.width()))
            };
            RowFactors {
                range: map.range.clone(),
                has_bias: map.has_bias,
                inputs: stacked(
                    chunks.iter().map(|chunk| in_f64(chunk.values.get(map.input))),
                    map.input.width(),
                ),
                deltas: (0..n).map(deltas_of).collect(),
            }
        };
        let shared = self.affine.iter().map(|map| factors(map, &|k| Some(k)));
        let own = self.heads.iter().flat_map(|head| {
            let of_head = |k: usize| (k == head.task).then_some(0);
            head.layers.affine().map(move |map| (map, of_head))
        });
        shared.chain(own.map(|(map, of_head)| factors(&map, &of_head))).collect()
    }
}

fn in_f64<F: Scalar>(matrix: ArrayView2<'_, F>) -> Array2<f64> {
    matrix.mapv(Scalar::to_f64)
}

fn stacked(parts: impl Iterator<Item = Array2<f64>>, width: usize) -> Array2<f64> {
    let mut all = Array2::zeros((0, width));
    parts.for_each(|part| all.append(Axis(0), part.view()).expect("the same width"));
    all
}
