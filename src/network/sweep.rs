//! Propagation of deltas: the moves that [`Stage::way_to`](super::stage::Stage::way_to) lists.
//!
//! Backpropagation is linear in the delta. So the deltas of all K tasks can go back through the shared layers
//! as one sum, or side by side, each in a lane of its own. Lanes that have been computed can be summed without
//! another sweep.

use super::comparison::{Sums, Work};
use super::head::Head;
use super::stage::{Apart, Move, Stage, Wanted};
use super::trace::{TaskTrace, Trace};
use super::{Network, product};
use crate::GramianScope;
use crate::Scalar;
use crate::arena::{ActivationBlock, Chunk};
use crate::balance::Weights;
use crate::kernel;
use crate::layer::{InputDelta, Pass, Propagation};
use crate::sharing::Representation;

impl<F: Scalar> Network<F> {
    /// Makes the moves from the current stage to what is wanted, and returns the last one. The stage of a batch
    /// with losses changes only here.
    #[track_caller]
    pub(super) fn advance<'w>(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        wanted: Wanted<'w>,
    ) -> Option<Move<'w>> {
        let apart = if self.products.is_empty() { Apart::InLanes } else { Apart::InSweeps };
        let way = trace.stage.way_to(wanted, apart);
        self.check_pass(pass, trace);
        let mut last = None;
        for step in way.into_iter().flatten() {
            trace.stage = match step {
                Move::Sweep(weights) => {
                    self.sweep(pass, trace, |k| self.carried(weights, k));
                    Stage::Summed
                }
                Move::SweepOwn(own) => {
                    self.sweep(pass, trace, |k| (own[k], false));
                    Stage::Losses
                }
                Move::Lanes => {
                    self.sweep_lanes(pass, trace);
                    Stage::PerTask
                }
                Move::AtHeads => {
                    self.lanes_to_heads_and_compare(pass, trace);
                    Stage::AtHeads
                }
                Move::ToLastLayer => {
                    self.lanes_to_last_layer(pass, trace);
                    Stage::AtLastLayer
                }
                Move::Compare(over) => {
                    self.compare(over, trace);
                    if trace.stage == Stage::AtLastLayer { Stage::AtLastLayer } else { Stage::Compared }
                }
                Move::TaskGradients => {
                    self.task_gradients_of_lanes(trace);
                    trace.stage
                }
                Move::TaskSweeps => self.sweep_tasks(pass, trace),
                Move::CompareTaskGradients => {
                    trace.comparison.compare_rows(&trace.task_gradients.rows);
                    trace.stage
                }
                Move::SumLanes(weights) => {
                    self.sum_lanes(trace, &weights.shared);
                    trace.stage
                }
                Move::SumAtHeads(weights) => {
                    self.sum_at_heads(pass, trace, &weights.shared);
                    Stage::Summed
                }
            };
            last = Some(step);
        }
        last
    }

    /// The factor that one sweep of a weighted sum multiplies a task's delta by, and whether the delta goes on
    /// from the task's own layers to the shared ones. The factor is the shared weight;
    /// [`gradient`](super::gradient) then rescales the gradient of the task's own parameters. In a network with
    /// products, where a task's own parameters get gradients from several losses, it is the own weight.
    fn carried(&self, weights: &Weights, task: usize) -> (f64, bool) {
        match weights.shared[task] {
            _ if !self.products.is_empty() => (weights.own[task], true),
            0.0 => (weights.own[task], false),
            shared => (shared, true),
        }
    }

    /// Propagates the sum of all tasks' deltas to every layer. `weight` gives the factor of a task's delta, and
    /// says whether the delta goes on from the task's own layers to the shared ones.
    fn sweep(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weight: impl Fn(usize) -> (f64, bool) + Sync) {
        if !self.products.is_empty() {
            let n = trace.n_member_rows();
            product::seed(&self.products, &mut trace.tasks, n, |k| F::from_f64(weight(k).0));
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

    /// Propagates each task's delta alone and keeps its gradient with respect to the shared parameters, unless
    /// that is known.
    fn sweep_tasks(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) -> Stage {
        if trace.task_gradients.is_known {
            return trace.stage;
        }
        let (n, shared) = (self.layout().n_shared(), self.shared_pieces());
        trace.task_gradients.reserve(self.n_tasks(), n, shared);
        for task in 0..self.n_tasks() {
            self.sweep(pass, trace, |other| (if other == task { 1.0 } else { 0.0 }, true));
            let chunks = trace.chunks.in_use();
            let row = &mut trace.task_gradients.rows[task * n..(task + 1) * n];
            trace.pool.for_each_part(&self.cuts[..shared.len()], [row], |i, [part]| {
                self.sharing.gradient(chunks, 0, &shared[i], part);
            });
        }
        trace.task_gradients.is_known = true;
        Stage::Losses
    }

    /// Computes each task's gradient with respect to the shared parameters from its lane.
    fn task_gradients_of_lanes(&self, trace: &mut Trace<F>) {
        let shared = self.shared_pieces();
        trace.task_gradients.reserve(self.n_tasks(), self.layout().n_shared(), shared);
        let (chunks, kept) = (trace.chunks.in_use(), &mut trace.task_gradients);
        trace.pool.for_each_part(&kept.cuts, [&mut kept.rows], |i, [part]| {
            self.sharing.gradient(chunks, i / shared.len(), &shared[i % shared.len()], part);
        });
        kept.is_known = true;
    }

    /// Propagates each task's delta through all layers, in a lane of its own.
    fn sweep_lanes(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        let to = Propagation::of_lanes(self.n_tasks()).wanted(false);
        self.lanes_to_heads(pass, trace, |chunk| {
            self.sharing.propagate(pass, &chunk.values, &mut chunk.deltas, to);
        });
    }

    /// Propagates each task's delta as far as the gradient of the last shared layer needs it.
    fn lanes_to_last_layer(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        let layer = self.sharing.last_layer().expect("the network was checked for a last shared layer");
        let to = Propagation::of_lanes(self.n_tasks()).wanted(false);
        self.lanes_to_heads(pass, trace, |chunk| {
            layer.propagate(pass, &chunk.values, &mut chunk.deltas, to);
        });
    }

    /// Propagates each task's delta through its head, into a lane of its own if tasks read the same
    /// representation. Then `then` is called for each chunk.
    fn lanes_to_heads(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, then: impl Fn(&mut Chunk<F>) + Sync) {
        // One lane more than there are tasks, for the sum.
        trace.chunks.reserve_lanes(self.n_tasks() + 1);
        let tasks = &trace.tasks;
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            self.heads_to_lanes(pass, tasks, chunk);
            then(chunk);
        });
    }

    /// Propagates each task's delta through its head, and compares the deltas there.
    fn lanes_to_heads_and_compare(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        let n = self.n_tasks();
        self.reserve_shares(GramianScope::Representation, trace);
        trace.chunks.reserve_lanes(n);
        let common = self.common.expect("the network was checked for one representation");
        let (tasks, chunks) = (&trace.tasks, trace.chunks.in_use_mut());
        let shares = &mut trace.comparison.shares;
        shares.iter_mut().for_each(|share| share.gramian.fill(0.0));
        trace.pool.for_each_pair_mut(chunks, shares, |_, chunk, share| {
            self.heads_to_lanes(pass, tasks, chunk);
            // The padding is zero, so it adds nothing; with it, one long row is read instead of many short
            // ones.
            kernel::add_gramian(chunk.deltas.padded(common, 0..n), n, &mut share.gramian);
        });
        trace.comparison.sum_shares(GramianScope::Representation);
    }

    fn heads_to_lanes(&self, pass: &Pass<'_, F>, tasks: &[TaskTrace<F>], chunk: &mut Chunk<F>) {
        for head in &self.heads {
            let k = head.task;
            head.seed(&tasks[k], F::ONE, chunk);
            let to =
                Propagation { lanes: 1, input: InputDelta::Write(if head.reads.is_shared { k } else { 0 }) };
            let Chunk { values, deltas, .. } = &mut *chunk;
            head.layers.propagate(pass, values, deltas, to);
            for other in self.heads.iter().filter(|o| o.reads.is_shared && o.reads != head.reads) {
                deltas.padded_mut(other.reads.activations, k..k + 1).fill(F::ZERO);
            }
        }
    }

    /// Sums the lanes into the lane after them, in the layers whose gradient is computed from it.
    fn sum_lanes(&self, trace: &mut Trace<F>, weights: &[f64]) {
        let (n, shares) = (self.n_tasks(), &trace.comparison.shares);
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            for share in shares {
                let output = match share.work {
                    Work::Products { layer, chunk: 0 }
                    | Work::Sketch { layer, sums: Sums { first: 0, .. } } => self.affine[layer].output,
                    Work::Table { table, is_first: true } => self.tables.lookups[table].output,
                    _ => continue,
                };
                sum_lanes_of(output, n, weights, chunk);
            }
        });
    }

    /// Sums the lanes at the representation that all heads read, and propagates the sum to every shared layer.
    /// It overwrites the first lane.
    fn sum_at_heads(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, weights: &[f64]) {
        let common = self.common.expect("there is one representation that all heads read");
        let (n, to) = (self.n_tasks(), Propagation::of_lanes(1).wanted(trace.keeps_input_delta));
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            kernel::combine_rows(chunk.deltas.padded_mut(common, 0..n), weights);
            self.sharing.propagate(pass, &chunk.values, &mut chunk.deltas, to);
        });
    }
}

/// Sums the lanes of n tasks into the lane after them.
fn sum_lanes_of<F: Scalar>(block: ActivationBlock, n: usize, weights: &[f64], chunk: &mut Chunk<F>) {
    let lanes = chunk.deltas.padded_mut(block, 0..n + 1);
    let (lanes, sum) = lanes.split_at_mut(lanes.len() / (n + 1) * n);
    kernel::weighted_sum(lanes, weights, sum);
}
