//! Gradients from the deltas that [`sweep`](super::sweep) has propagated: of the weighted sum of losses, along
//! a given direction, and of each task.

use ndarray::{ArrayView2, Axis, s};

use super::Network;
use super::head::Head;
use super::objective::of_members;
use super::stage::{Carrier, Move, Stage, Wanted};
use super::trace::{Known, Trace};
use crate::Scalar;
use crate::arena::Chunk;
use crate::balance::Weights;
use crate::kernel;
use crate::layer::Pass;
use crate::params::TouchedRows;
use crate::sharing::Piece;

impl<F: Scalar> Network<F> {
    /// Computes the gradient of `Σₖ wₖ Lₖ`, laid out like θ; every entry is written.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, if `pass` has another mode or draw than the forward
    /// pass, or if a slice or the weights have the wrong length.
    #[track_caller]
    pub fn backward(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weights: &Weights, gradient: &mut [F]) {
        F::backward(self, pass, trace, weights, gradient, None);
    }

    /// The same, in time that does not grow with tables of which the batch reads some rows alone. `gradient` and `touched`
    /// are those of an earlier batch, or `touched` has every row; afterwards it has the rows of this batch.
    #[track_caller]
    pub(crate) fn backward_touching(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        weights: &Weights,
        gradient: &mut [F],
        touched: Option<&mut TouchedRows>,
    ) {
        F::backward(self, pass, trace, weights, gradient, touched);
    }

    #[track_caller]
    pub(crate) fn backward_here(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        weights: &Weights,
        gradient: &mut [F],
        touched: Option<&mut TouchedRows>,
    ) {
        let from = self.combine(pass, trace, weights);
        let touched = touched.map(|touched| {
            touched.zero_rows(gradient);
            self.list_rows(trace, touched);
            &*touched
        });
        let (known, pool) = trace.known();
        pool.for_each_part(&self.cuts, [gradient], |i, [part]| {
            self.gradient(i, &from, &known, touched, part);
        });
    }

    /// ∂L/∂x of the last backward, `batch × features`, for a trace made
    /// [`with_input_gradient`](Trace::with_input_gradient).
    ///
    /// # Panics
    /// If the trace was not made that way, or no backward pass of the summed loss has been done.
    #[track_caller]
    pub fn input_gradient(&self, trace: &Trace<F>) -> ndarray::Array2<F> {
        assert!(trace.keeps_input_delta, "the trace was made without Trace::with_input_gradient");
        assert_eq!(trace.stage, Stage::Summed, "the input gradient needs a backward pass of the summed loss");
        let mut gradient = ndarray::Array2::zeros((trace.n_rows(), self.n_features()));
        for chunk in trace.chunks.in_use() {
            let rows = chunk.rows().start / self.members()..chunk.rows().end / self.members();
            let mut of_chunk = gradient.slice_mut(s![rows, ..]);
            of_members(self.members())
                .for_each(|rows| of_chunk += &chunk.deltas.get(self.input).slice_axis(Axis(0), rows));
        }
        gradient
    }

    /// Each task's gradient with respect to the shared parameters, `tasks × n_shared`.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, or if `pass` has another mode or draw than the
    /// forward pass.
    #[track_caller]
    pub fn task_gradients<'t>(&self, pass: &Pass<'_, F>, trace: &'t mut Trace<F>) -> ArrayView2<'t, F> {
        if !trace.task_gradients.is_known {
            self.advance(pass, trace, Wanted::TaskGradients);
        }
        let shape = (self.n_tasks(), self.layout().n_shared());
        ArrayView2::from_shape(shape, &trace.task_gradients.rows).expect("one row per task")
    }

    /// Computes a gradient, laid out like θ, whose shared part is `direction`. The part of each task's own
    /// parameters is the gradient of the task's loss times its weight in `own`.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, if `pass` has another mode or draw than the forward
    /// pass, or if a slice has the wrong length.
    #[track_caller]
    pub fn backward_along(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        direction: &[f64],
        own: &[f64],
        gradient: &mut [F],
    ) {
        assert_eq!(own.len(), self.n_tasks(), "one weight per task");
        assert_eq!(direction.len(), self.layout().n_shared(), "one number for each shared parameter");
        let are_weighted = self.advance(pass, trace, Wanted::Own(own)).is_some();
        let factor = |task: usize| if are_weighted { 1.0 } else { own[task] };
        let chunks = trace.chunks.in_use();
        trace.pool.for_each_part(&self.cuts, [gradient], |i, [part]| {
            let piece = &self.pieces[i];
            match piece.owner {
                Some(head) => self.own_gradient(i, head, chunks, factor, None, part),
                None => {
                    let direction = &direction[piece.range.clone()];
                    part.iter_mut().zip(direction).for_each(|(to, &d)| *to = F::from_f64(d));
                }
            }
        });
    }

    /// Propagates the deltas of the weighted sum, and says what its gradient is combined from.
    #[track_caller]
    fn combine<'w>(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weights: &'w Weights) -> SumSources<'w> {
        let n = self.n_tasks();
        assert_eq!((weights.shared.len(), weights.own.len()), (n, n), "one weight of each kind per task");
        let carrier = self.carrier(weights);
        let last = self.advance(pass, trace, Wanted::Sum(weights, carrier));
        let (shared, own) = match (carrier, last) {
            (Carrier::TaskGradients, _) => (Shared::TaskGradients, Own::InTheDeltas),
            (_, Some(Move::SumLanes(_))) => (Shared::Lanes, Own::Weights),
            (_, Some(Move::SumAtHeads(_))) => (Shared::Sum, Own::Weights),
            _ if !self.products.is_empty() => (Shared::Sum, Own::InTheDeltas),
            _ => (Shared::Sum, Own::PerShared),
        };
        SumSources { weights, shared, own }
    }

    /// How the weighted sum gets to the shared parameters. One sweep is not enough if a task's delta passes
    /// through its own parts of the sharing form into shared ones and the shared weight is 0 but the own weight
    /// is not; nor, with products, if shared and own weights differ.
    fn carrier(&self, weights: &Weights) -> Carrier {
        if !self.products.is_empty() {
            return match weights.shared == weights.own {
                true => Carrier::OneSweep,
                false => Carrier::TaskGradients,
            };
        }
        let splits = |k: usize| weights.shared[k] == 0.0 && weights.own[k] != 0.0;
        let passes = |head: &Head<F>| !head.reads.is_shared && self.layout().n_shared() > 0;
        match self.heads.iter().any(|head| splits(head.task) && passes(head)) {
            true => Carrier::Lanes,
            false => Carrier::OneSweep,
        }
    }

    /// The pieces of the shared parameters, which come first in θ.
    pub(super) fn shared_pieces(&self) -> &[Piece] {
        &self.pieces[..self.pieces.partition_point(|piece| piece.owner.is_none())]
    }

    /// Computes one piece of the gradient of a weighted sum. Rows that are not `touched` are 0 already.
    fn gradient(
        &self,
        i: usize,
        from: &SumSources<'_>,
        trace: &Known<'_, F>,
        touched: Option<&TouchedRows>,
        gradient: &mut [F],
    ) {
        let (piece, chunks, weights) = (&self.pieces[i], trace.chunks, from.weights);
        let Some(head) = piece.owner else {
            let of_lane = |lane: usize, gradient: &mut [F]| match self.tables.of_piece(i) {
                Some(lookup) if touched.is_some() => lookup.add_gradient(chunks, lane, gradient),
                _ => self.sharing.gradient(chunks, lane, piece, gradient),
            };
            return match from.shared {
                Shared::Sum => of_lane(0, gradient),
                Shared::Lanes => match trace.comparison.kept(i) {
                    Some(rows) => kernel::weighted_sum(rows, &weights.shared, gradient),
                    None => of_lane(self.n_tasks(), gradient),
                },
                Shared::TaskGradients => {
                    gradient.fill(F::ZERO);
                    let rows = trace.task_gradients.rows.chunks_exact(self.layout().n_shared());
                    for (row, &w) in rows.zip(&weights.shared) {
                        let w = F::from_f64(w);
                        gradient.iter_mut().zip(&row[piece.range.clone()]).for_each(|(g, &j)| *g += w * j);
                    }
                }
            };
        };
        let factor = |task: usize| match (from.own, weights.shared[task]) {
            (Own::InTheDeltas, _) => 1.0,
            (Own::Weights, _) => weights.own[task],
            (Own::PerShared, 0.0) => 1.0,
            (Own::PerShared, shared) => weights.own[task] / shared,
        };
        self.own_gradient(i, head, chunks, factor, touched, gradient);
    }

    /// Computes one piece of the gradient of the parameters of a task, or of fused heads, times each task's
    /// factor. Rows that are not `touched` are 0 already.
    fn own_gradient(
        &self,
        i: usize,
        head: usize,
        chunks: &[Chunk<F>],
        factor: impl Fn(usize) -> f64,
        touched: Option<&TouchedRows>,
        gradient: &mut [F],
    ) {
        let piece = &self.pieces[i];
        let scale = |gradient: &mut [F], head: &Head<F>| {
            let factor = F::from_f64(factor(head.task));
            if factor != F::ONE {
                gradient.iter_mut().for_each(|g| *g *= factor);
            }
        };
        if let Some(fused) = self.fused.iter().find(|fused| fused.range == piece.range) {
            fused.gradient(chunks, gradient);
            let heads = &self.heads[fused.heads.clone()];
            let parts = gradient.chunks_exact_mut(piece.range.len() / heads.len());
            return parts.zip(heads).for_each(|(part, head)| scale(part, head));
        }
        if let (Some(touched), Some(table)) = (touched, self.tables.of_pieces[i]) {
            let lookup = &self.tables.lookups[table];
            lookup.add_gradient(chunks, 0, gradient);
            let (rows, width) = (touched.rows(table), lookup.table.shape().1);
            let rows = rows.expect("the rows that the batch reads are listed");
            return rows
                .iter()
                .for_each(|row| scale(&mut gradient[row * width..(row + 1) * width], &self.heads[head]));
        }
        match self.heads[head].layers.gradient(chunks, 0, piece.range.clone(), gradient) {
            Some(()) => {}
            None => self.sharing.gradient(chunks, 0, piece, gradient),
        }
        scale(gradient, &self.heads[head]);
    }
}

/// How the gradient of a weighted sum is put together.
struct SumSources<'w> {
    weights: &'w Weights,
    shared: Shared,
    own: Own,
}

/// What the gradient of the shared parameters is computed from.
#[derive(Clone, Copy)]
enum Shared {
    /// The deltas of the weighted sum.
    Sum,
    /// The sum of the lanes, or the tasks' gradients that were kept when they were compared.
    Lanes,
    /// The tasks' gradients.
    TaskGradients,
}

/// Where the weight for a task's own parameters is applied.
#[derive(Clone, Copy)]
enum Own {
    /// It is in the deltas already.
    InTheDeltas,
    /// Nowhere yet: the deltas are those of each task's unweighted loss.
    Weights,
    /// The deltas have the shared weight, or the own weight if the shared weight is 0.
    PerShared,
}
