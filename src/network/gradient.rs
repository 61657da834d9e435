//! The gradient of the weighted sum of losses: deltas swept back through all layers, and from them each piece of θ's.

use ndarray::s;

use super::head::Head;
use super::trace::{Lanes, Stage, Trace};
use super::{Network, product};
use crate::Scalar;
use crate::arena::Chunk;
use crate::balance::Weights;
use crate::layer::{Pass, Propagation};
use crate::sharing::{Piece, Representation};

impl<F: Scalar> Network<F> {
    /// The gradient of `Σₖ wₖ Lₖ`, laid out like θ: every entry is written.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, or in a pass of another mode or draw, or a slice or the
    /// weights have the wrong length.
    #[track_caller]
    pub fn backward(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weights: &Weights, gradient: &mut [F]) {
        let deltas = self.propagate(pass, trace, weights);
        let (chunks, lanes) = (trace.chunks.in_use(), &trace.lanes);
        trace.pool.for_each_part(&self.cuts, [gradient], |i, [part]| {
            self.gradient(i, deltas, chunks, lanes, weights, part);
        });
    }

    /// ∂L/∂x of the last backward, `batch × features`, for a trace made
    /// [`with_input_gradient`](Trace::with_input_gradient).
    ///
    /// # Panics
    /// If the trace was not made so, or there was no backward of the summed loss.
    #[track_caller]
    pub fn input_gradient(&self, trace: &Trace<F>) -> ndarray::Array2<F> {
        assert!(trace.keeps_input_delta, "a trace made without an input gradient");
        assert_eq!(trace.stage, Stage::Forward, "the input gradient is of a backward of the summed loss");
        let mut gradient = ndarray::Array2::zeros((trace.n_rows(), self.n_features()));
        for chunk in trace.chunks.in_use() {
            gradient.slice_mut(s![chunk.rows(), ..]).assign(&chunk.deltas.get(self.input));
        }
        gradient
    }

    /// Whether one sweep cannot carry what a task asks: it passes through the task's own parts of the sharing
    /// form into shared ones, with a weight that is 0 only there.
    fn needs_lanes(&self, weights: &Weights) -> bool {
        let splits = |k: usize| weights.shared[k] == 0.0 && weights.own[k] != 0.0;
        let passes = |head: &Head<F>| !head.reads.is_shared && self.layout().n_shared() > 0;
        self.heads.iter().any(|head| splits(head.task) && passes(head))
    }

    /// Sends the weighted deltas of all tasks back to every layer, unless each task's already went in a lane: then
    /// the lanes are summed. Says which it was: `Forward` if the weights are in the heads' deltas too.
    #[track_caller]
    fn propagate(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weights: &Weights) -> Stage {
        self.check_ready(pass, trace);
        let k = self.n_tasks();
        assert_eq!((weights.shared.len(), weights.own.len()), (k, k), "one weight of each kind per task");
        if !self.products.is_empty() {
            let differ = weights.shared != weights.own;
            if differ {
                self.task_gradients(pass, trace);
            }
            self.sweep(pass, trace, |k| (weights.own[k], true));
            return if differ { Stage::TaskGradients } else { Stage::Forward };
        }
        if trace.stage == Stage::Forward && self.needs_lanes(weights) {
            self.gramian(pass, trace);
        }
        if let Some(deltas) = self.sum_lanes(pass, trace, &weights.shared) {
            return deltas;
        }
        self.sweep(pass, trace, |k| match weights.shared[k] {
            0.0 => (weights.own[k], false),
            shared => (shared, true),
        });
        Stage::Forward
    }

    /// Sends the deltas of all tasks back to every layer, summed. `weight` says what a task's delta is
    /// multiplied by, and whether it goes on from the task's own layers to what is shared.
    pub(super) fn sweep(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        weight: impl Fn(usize) -> (f64, bool) + Sync,
    ) {
        trace.stage = Stage::Forward;
        if !self.products.is_empty() {
            product::seed(&self.products, &mut trace.tasks, trace.examples.n, |k| F::from_f64(weight(k).0));
        }
        let (tasks, one) = (&trace.tasks, Propagation::of_lanes(1));
        let input = one.wanted(trace.keeps_input_delta);
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            let sends = |head: &Head<F>| weight(head.task).1;
            let any_sends = |heads: &[Head<F>], reads: Representation| {
                heads.iter().any(|head| sends(head) && head.reads == reads)
            };
            let mut first = 0;
            self.for_heads_together(
                |fused| self.heads[fused.heads.clone()].iter().all(sends),
                |heads, fused| {
                    for head in heads {
                        head.seed(&tasks[head.task], F::from_f64(weight(head.task).0), chunk);
                    }
                    let Chunk { values, deltas, .. } = &mut *chunk;
                    let reads = heads[0].reads;
                    let to = match (reads.is_shared, sends(&heads[0])) {
                        (true, true) if any_sends(&self.heads[..first], reads) => one.adding(),
                        (is_shared, sends) => one.wanted(sends || !is_shared),
                    };
                    if reads.is_shared && !any_sends(&self.heads, reads) {
                        deltas.padded_mut(reads.activations, 0..1).fill(F::ZERO);
                    }
                    match fused {
                        Some(fused) => fused.propagate(pass.theta, deltas, to),
                        None => heads[0].layers.propagate(pass, values, deltas, to),
                    }
                    first += heads.len();
                },
            );
            self.sharing.propagate(pass, &chunk.values, &mut chunk.deltas, input);
        });
    }

    /// One piece of the gradient of the weighted sum, from deltas of the kind that `propagate` told.
    fn gradient(
        &self,
        i: usize,
        deltas: Stage,
        chunks: &[Chunk<F>],
        lanes: &Lanes<F>,
        weights: &Weights,
        gradient: &mut [F],
    ) {
        let piece = &self.pieces[i];
        let Some(head) = piece.owner else {
            return match deltas {
                Stage::Lanes => self.combined_gradient(i, chunks, lanes, &weights.shared, gradient),
                Stage::TaskGradients => {
                    gradient.fill(F::ZERO);
                    for (row, &w) in
                        lanes.jacobian.chunks_exact(self.layout().n_shared()).zip(&weights.shared)
                    {
                        let w = F::from_f64(w);
                        gradient.iter_mut().zip(&row[piece.range.clone()]).for_each(|(g, &j)| *g += w * j);
                    }
                }
                _ => self.sharing.gradient(chunks, 0, piece, gradient),
            };
        };
        let factor = |task: usize| match (deltas, weights.shared[task]) {
            // The own weights are in the deltas of a network with products.
            _ if !self.products.is_empty() => 1.0,
            (Stage::Lanes | Stage::Heads, _) => weights.own[task],
            (_, 0.0) => 1.0,
            (_, shared) => weights.own[task] / shared,
        };
        self.own_gradient(piece, head, chunks, factor, gradient);
    }

    /// One piece of the gradient of what belongs to a task, or to those of fused heads, times each task's factor.
    pub(super) fn own_gradient(
        &self,
        piece: &Piece,
        head: usize,
        chunks: &[Chunk<F>],
        factor: impl Fn(usize) -> f64,
        gradient: &mut [F],
    ) {
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
        match self.heads[head].layers.gradient(chunks, 0, piece.range.clone(), gradient) {
            Some(()) => {}
            None => self.sharing.gradient(chunks, 0, piece, gradient),
        }
        scale(gradient, &self.heads[head]);
    }
}
