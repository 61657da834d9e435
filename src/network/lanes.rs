//! The tasks' gradients kept apart: their Gramian, and the gradient that is combined from them.
//!
//! Backpropagation is linear in the delta. So the deltas of all K tasks go back through the shared layers side by
//! side, each in a lane of its own, and everything else follows from the lanes. Of an affine layer `Z = X W + 1 bᵀ`
//! with inputs X (B × I) and task deltas Dₖ (B × O) there are two ways to the Gramian:
//!
//! ```text
//! direct    Jₖ = Xᵀ Dₖ                         K products, kept
//!           G[k, l] += ⟨Jₖ, Jₗ⟩
//!           then with the weights:  Σₖ wₖ Jₖ    one pass
//!
//! Gram      Mₗ = (X Xᵀ + 1 1ᵀ) Dₗ              over all rows of the batch; no gradient is formed
//!           G[k, l] += ⟨Mₗ, Dₖ⟩                because ⟨Xᵀ Dₖ, Xᵀ Dₗ⟩ = tr(Dₖᵀ X Xᵀ Dₗ)
//!           then with the weights:  Xᵀ Σₖ wₖ Dₖ   one product
//! ```
//! In neither is there a second sweep once the weights are known. Multiplications, with c for the inner products, whose
//! numbers are widened to f64:
//!
//! ```text
//! direct    K B I O                    + c K(K+1)/2 I O
//! Gram      B² I + K B² O + B I O      + c K(K+1)/2 B O
//! ```
//! so that the Gram form pays for batches smaller than about (K − 1) I O / (I + K O). A layer that names no
//! affine map takes the direct way. G is in f64 throughout; its error is that of the gradients, or of M, as they
//! were computed. A third way, in [`sketch`], is cheaper and random.

use ndarray::ArrayView2;

use super::trace::{Form, Lanes, Share, Stage, Sums, TaskTrace, Trace, Work};
use super::{Network, sketch};
use crate::arena::{ActivationBlock, Chunk};
use crate::kernel::{self, Accumulate};
use crate::layer::{Affine, InputDelta, Pass, Propagation};
use crate::{Error, ErrorKind, GramianScope, Result, Scalar};

impl<F: Scalar> Network<F> {
    /// The K × K Gramian of the tasks' gradients with respect to the shared parameters,
    /// `G[k, l] = ⟨∇ₖ, ∇ₗ⟩`, accumulated in f64. [`backward`](Self::backward) then needs no second sweep.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed.
    #[track_caller]
    pub fn gramian<'t>(&self, pass: &Pass<'_, F>, trace: &'t mut Trace<F>) -> ArrayView2<'t, f64> {
        self.gramian_over(GramianScope::SharedParameters, pass, trace)
    }

    /// The K × K Gramian of the tasks' gradients with respect to what `over` says.
    ///
    /// ```
    /// use polytask::GramianScope;
    /// use polytask::layer::Mode;
    /// use polytask::prelude::*;
    ///
    /// # let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// # let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// # let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// # let model = builder.build::<f64>()?;
    /// let (network, pass, mut trace) = (model.network(), model.pass(Mode::Train), model.trace(50));
    /// model.forward(&data.all(), &mut trace)?;
    /// network.check_over(GramianScope::Representation)?;
    /// let cheap = network.gramian_over(GramianScope::Representation, &pass, &mut trace).to_owned();
    /// let exact = network.gramian(&pass, &mut trace).to_owned();
    /// let jacobian = network.task_gradients(&pass, &mut trace).to_owned(); // J, 2 × n_shared
    /// let difference = &exact - &jacobian.dot(&jacobian.t());             // G = J Jᵀ
    /// assert!(difference.iter().all(|d| d.abs() < 1e-9) && exact != cheap);
    ///
    /// let own = vec![0.0; network.layout().n_shared()];
    /// let mut gradient = vec![1.0; model.n_parameters()];
    /// network.backward_along(&mut trace, &own, &[0.0, 0.0], &mut gradient);
    /// assert!(gradient.iter().all(|g| *g == 0.0));                     // written everywhere
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, or [`check_over`](Self::check_over) is an error.
    #[track_caller]
    pub fn gramian_over<'t>(
        &self,
        over: GramianScope,
        pass: &Pass<'_, F>,
        trace: &'t mut Trace<F>,
    ) -> ArrayView2<'t, f64> {
        if trace.lanes.known != Some(over) && !self.products.is_empty() {
            self.gramian_of_products(over, pass, trace);
        } else if trace.lanes.known != Some(over) {
            self.check_ready(pass, trace);
            self.reserve_shares(over, trace);
            match over {
                GramianScope::SharedParameters | GramianScope::Sketch { .. } => {
                    self.propagate_lanes(pass, trace)
                }
                GramianScope::LastSharedLayer => self.propagate_to_last_layer(pass, trace),
                GramianScope::Representation => self.propagate_heads_and_compare(pass, trace),
            }
            let (chunks, lanes) = (trace.chunks.in_use(), &mut trace.lanes);
            if over != GramianScope::Representation {
                trace.pool.for_each_mut(&mut lanes.shares, |_, share| self.compute(over, chunks, share));
            }
            lanes.gramian.fill(0.0);
            for share in &lanes.shares {
                for k in 0..self.n_tasks() {
                    for l in 0..=k {
                        lanes.gramian[[k, l]] += share.gramian[k * self.n_tasks() + l];
                        lanes.gramian[[l, k]] = lanes.gramian[[k, l]];
                    }
                }
            }
            lanes.known = Some(over);
        }
        trace.lanes.gramian.view()
    }

    /// The Gramian of a network with products of tasks, from the tasks' gradients: a product's delta goes through
    /// several heads, so that one lane is not enough for it.
    fn gramian_of_products(&self, over: GramianScope, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        if let Err(error) = self.check_over(over) {
            panic!("{error}");
        }
        self.task_gradients(pass, trace);
        let n = self.n_tasks();
        let mut gramian = vec![0.0; n * n];
        kernel::add_gramian(&trace.lanes.jacobian, n, &mut gramian);
        trace.lanes.gramian.indexed_iter_mut().for_each(|((k, l), g)| *g = gramian[k.max(l) * n + k.min(l)]);
        trace.lanes.known = Some(over);
    }

    /// Whether there is something to take the Gramian over.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] over a representation, if there is not one that all heads read; over the last
    /// shared layer, if the layer in front of that representation is not one with parameters; over a sketch
    /// of no sums; over anything but all shared parameters, if a task is the product of two others.
    pub fn check_over(&self, over: GramianScope) -> Result<()> {
        let fault = |expected: &str, found: &str| {
            Err(Error::new(ErrorKind::Setting, "what gradients are compared over", expected, found)
                .advise("compare them over all shared parameters"))
        };
        if over != GramianScope::SharedParameters && !self.products.is_empty() {
            return fault("tasks with a head each", "a product of tasks");
        }
        if let GramianScope::Sketch { sums, .. } = over {
            return match sums {
                0 => Err(Error::new(ErrorKind::Setting, "sums of a sketch", "at least 1", sums)),
                _ => Ok(()),
            };
        }
        if over != GramianScope::SharedParameters && self.common.is_none() {
            return fault("one representation that all heads read", "several");
        }
        let has_layer = self.sharing.last_layer().is_some_and(|layer| !layer.pieces().is_empty());
        if over == GramianScope::LastSharedLayer && !has_layer {
            return fault("a layer with parameters in front of the heads", "none");
        }
        Ok(())
    }

    /// Each task's gradient with respect to the shared parameters, `tasks × n_shared`.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed.
    #[track_caller]
    pub fn task_gradients<'t>(&self, pass: &Pass<'_, F>, trace: &'t mut Trace<F>) -> ArrayView2<'t, F> {
        let (k, n) = (self.n_tasks(), self.layout().n_shared());
        if !trace.lanes.has_jacobian {
            self.check_ready(pass, trace);
            // What all tasks share comes first in θ.
            let shared = &self.pieces[..self.pieces.partition_point(|piece| piece.owner.is_none())];
            if trace.lanes.jacobian.len() != k * n {
                let shifted = |k: usize| {
                    shared.iter().map(move |piece| piece.range.start + k * n..piece.range.end + k * n)
                };
                trace.lanes.cuts = (0..k).flat_map(shifted).collect();
                trace.lanes.jacobian = vec![F::ZERO; k * n];
            }
            if self.products.is_empty() {
                self.propagate_lanes(pass, trace);
                let (chunks, lanes) = (trace.chunks.in_use(), &mut trace.lanes);
                trace.pool.for_each_part(&lanes.cuts, [&mut lanes.jacobian], |i, [part]| {
                    self.sharing.gradient(chunks, i / shared.len(), &shared[i % shared.len()], part);
                });
            } else {
                for task in 0..k {
                    self.sweep(pass, trace, |other| (if other == task { 1.0 } else { 0.0 }, true));
                    let chunks = trace.chunks.in_use();
                    let row = &mut trace.lanes.jacobian[task * n..(task + 1) * n];
                    trace.pool.for_each_part(&self.cuts[..shared.len()], [row], |i, [part]| {
                        self.sharing.gradient(chunks, 0, &shared[i], part);
                    });
                }
            }
            trace.lanes.has_jacobian = true;
        }
        ArrayView2::from_shape((k, n), &trace.lanes.jacobian).expect("one row per task")
    }

    /// A gradient laid out like θ whose shared part is `direction` and whose other parts are those of each task, times
    /// its weight in `own`, after [`task_gradients`](Self::task_gradients).
    ///
    /// # Panics
    /// If the tasks' gradients have not been computed since the last backward, or a slice has the wrong length.
    #[track_caller]
    pub fn backward_along(&self, trace: &mut Trace<F>, direction: &[f64], own: &[f64], gradient: &mut [F]) {
        let is_ready = trace.lanes.has_jacobian && matches!(trace.stage, Stage::Lanes | Stage::Heads);
        assert!(is_ready, "a direction is made of the tasks' gradients, before any backward");
        assert_eq!(own.len(), self.n_tasks(), "one weight per task");
        assert_eq!(direction.len(), self.layout().n_shared(), "one number for each shared parameter");
        let chunks = trace.chunks.in_use();
        trace.pool.for_each_part(&self.cuts, [gradient], |i, [part]| {
            let piece = &self.pieces[i];
            match piece.owner {
                Some(head) => self.own_gradient(piece, head, chunks, |task| own[task], part),
                None => {
                    let direction = &direction[piece.range.clone()];
                    part.iter_mut().zip(direction).for_each(|(to, &d)| *to = F::from_f64(d));
                }
            }
        });
    }

    /// Makes the sum of the lanes with these weights, where it will be needed, and says what kind of deltas
    /// the gradient is then to be computed from: `Lanes` or, of the summed loss, `Heads`. Nothing if there are no
    /// lanes to be summed.
    pub(super) fn sum_lanes(
        &self,
        pass: &Pass<'_, F>,
        trace: &mut Trace<F>,
        weights: &[f64],
    ) -> Option<Stage> {
        let n = self.n_tasks();
        let to = Propagation::of_lanes(1).wanted(trace.keeps_input_delta);
        let chunks = trace.chunks.in_use_mut();
        match (trace.stage, trace.lanes.known) {
            (Stage::Lanes, Some(GramianScope::SharedParameters | GramianScope::Sketch { .. })) => {
                let shares = &trace.lanes.shares;
                trace.pool.for_each_mut(chunks, |_, chunk| {
                    for share in shares {
                        if let Work::Products { layer, chunk: 0 }
                        | Work::Sketch { layer, sums: Sums { first: 0, .. } } = share.work
                        {
                            sum_lanes_of(self.affine[layer].output, n, weights, chunk);
                        }
                    }
                });
                Some(Stage::Lanes)
            }
            (Stage::Heads, _) => {
                let common = self.common?;
                trace.pool.for_each_mut(chunks, |_, chunk| {
                    kernel::combine_rows(chunk.deltas.padded_mut(common, 0..n), weights);
                    self.sharing.propagate(pass, &chunk.values, &mut chunk.deltas, to);
                });
                // The first lane is not a task's any more: what is known stays known, and no lane is used again.
                trace.stage = Stage::Forward;
                Some(Stage::Heads)
            }
            _ => None,
        }
    }

    /// One shared piece of the gradient, from what [`sum_lanes`](Self::sum_lanes) made of the lanes or from the tasks'
    /// gradients, if these were kept.
    pub(super) fn combined_gradient(
        &self,
        piece: usize,
        chunks: &[Chunk<F>],
        lanes: &Lanes<F>,
        weights: &[f64],
        gradient: &mut [F],
    ) {
        match lanes.shares.iter().find(|share| share.work == Work::Gradients { piece }) {
            Some(share) => kernel::weighted_sum(&share.room, weights, gradient),
            None => self.sharing.gradient(chunks, self.n_tasks(), &self.pieces[piece], gradient),
        }
    }

    /// Sends the delta of each task back through its head, to a lane of its own where tasks read the same; `then`
    /// each chunk goes on.
    fn propagate_heads(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>, then: impl Fn(&mut Chunk<F>) + Sync) {
        // One lane more than there are tasks, for their sum.
        trace.chunks.reserve_lanes(self.n_tasks() + 1);
        let tasks = &trace.tasks;
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            self.heads_to_lanes(pass, tasks, chunk);
            then(chunk);
        });
        trace.stage = Stage::Heads;
    }

    /// Sends the delta of each task back through its head, and compares them there.
    fn propagate_heads_and_compare(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        let n = self.n_tasks();
        trace.chunks.reserve_lanes(n);
        let (tasks, common) =
            (&trace.tasks, self.common.expect("the network was checked for one representation"));
        let (chunks, shares) = (trace.chunks.in_use_mut(), &mut trace.lanes.shares);
        shares.iter_mut().for_each(|share| share.gramian.fill(0.0));
        trace.pool.for_each_pair_mut(chunks, shares, |_, chunk, share| {
            self.heads_to_lanes(pass, tasks, chunk);
            // The padding is zero: it adds nothing, and without it the rows would be many short ones.
            kernel::add_gramian(chunk.deltas.padded(common, 0..n), n, &mut share.gramian);
        });
        trace.stage = Stage::Heads;
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

    /// Sends the delta of each task back through everything, in a lane of its own.
    fn propagate_lanes(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        if trace.stage == Stage::Lanes {
            return;
        }
        let to = Propagation::of_lanes(self.n_tasks()).wanted(false);
        self.propagate_heads(pass, trace, |chunk| {
            self.sharing.propagate(pass, &chunk.values, &mut chunk.deltas, to);
        });
        trace.stage = Stage::Lanes;
    }

    /// Sends the delta of each task back as far as the last shared layer's gradient needs it.
    fn propagate_to_last_layer(&self, pass: &Pass<'_, F>, trace: &mut Trace<F>) {
        let layer = self.sharing.last_layer().expect("the network was checked for a last shared layer");
        let to = Propagation::of_lanes(self.n_tasks()).wanted(false);
        self.propagate_heads(pass, trace, |chunk| {
            layer.propagate(pass, &chunk.values, &mut chunk.deltas, to);
        });
        // Backward begins at the losses again: the layer's derivative is in these deltas already.
        trace.stage = Stage::Forward;
    }

    /// Cuts the work on the Gramian into shares and takes the memory for them. The cut depends on shapes alone.
    fn reserve_shares(&self, over: GramianScope, trace: &mut Trace<F>) {
        let over = over.without_draws();
        if trace.lanes.shares_over == Some(over) {
            return;
        }
        if let Err(error) = self.check_over(over) {
            panic!("{error}");
        }
        let n = self.n_tasks();
        let (n_chunks, rows) = trace.chunks.most();
        let mut shares = Vec::new();
        if over == GramianScope::Representation {
            shares.extend((0..n_chunks).map(|_| Share::new(Work::Deltas, n, 0)));
        }
        let within = match over {
            GramianScope::SharedParameters | GramianScope::Sketch { .. } => 0..self.layout().n_shared(),
            GramianScope::LastSharedLayer => {
                let pieces = self.sharing.last_layer().map_or(Vec::new(), |layer| layer.pieces());
                pieces.first().map_or(0, |piece| piece.start)..pieces.last().map_or(0, |piece| piece.end)
            }
            GramianScope::Representation => 0..0,
        };
        let is_within =
            |range: &std::ops::Range<usize>| within.start <= range.start && range.end <= within.end;
        let sums_of = |layer: &Affine| match (over, trace.lanes.form) {
            (GramianScope::Sketch { sums, .. }, None)
                if sketch::is_cheaper(n, trace.capacity(), layer, sums) =>
            {
                Some(sums)
            }
            _ => None,
        };
        let by_products = |layer: &Affine| match trace.lanes.form {
            Some(form) => form == Form::Gram,
            None => {
                let [direct, gram] = costs(n, trace.capacity(), layer);
                gram < direct
            }
        };
        // Of layers that need no gradients of the tasks.
        let (mut chosen, mut apart) = (Vec::new(), Vec::new());
        for (i, layer) in self.affine.iter().enumerate().filter(|(_, layer)| is_within(&layer.range)) {
            if let Some(sums) = sums_of(layer) {
                apart.extend(sketch::shares(i, layer, sums, n, rows));
            } else if by_products(layer) {
                let room = rows + rows * rows + n * rows * row_room::<F>(layer.output.width());
                apart.extend(
                    (0..n_chunks).map(|chunk| Share::new(Work::Products { layer: i, chunk }, n, room)),
                );
            } else {
                continue;
            }
            chosen.push(&layer.range);
        }
        let covered = |range: &std::ops::Range<usize>| {
            chosen.iter().any(|layer| layer.start <= range.start && range.end <= layer.end)
        };
        for (i, piece) in self.pieces.iter().enumerate() {
            if piece.owner.is_none() && is_within(&piece.range) && !covered(&piece.range) {
                shares.push(Share::new(Work::Gradients { piece: i }, n, n * piece.range.len()));
            }
        }
        shares.extend(apart);
        (trace.lanes.shares, trace.lanes.shares_over) = (shares, Some(over));
    }

    /// Computes one share of the Gramian.
    fn compute(&self, over: GramianScope, chunks: &[Chunk<F>], share: &mut Share<F>) {
        let n = self.n_tasks();
        share.gramian.fill(0.0);
        match share.work {
            Work::Gradients { piece } => {
                let piece = &self.pieces[piece];
                for (k, row) in share.room.chunks_exact_mut(piece.range.len().max(1)).enumerate() {
                    self.sharing.gradient(chunks, k, piece, row);
                }
                kernel::add_gramian(&share.room, n, &mut share.gramian);
            }
            Work::Products { layer, chunk } => {
                if chunk < chunks.len() {
                    add_products(&self.affine[layer], n, chunks, chunk, share);
                }
            }
            Work::Sketch { layer, sums } => {
                let GramianScope::Sketch { seed, .. } = over else {
                    unreachable!("the shares are those of a sketch")
                };
                sketch::add_sketch(&self.affine[layer], n, chunks, sums, sketch::draws(seed, layer), share);
            }
            Work::Deltas => unreachable!("the deltas of a chunk are compared when they are there"),
        }
    }
}

/// The Gram form of one chunk's rows: `⟨(X Xᵀ + 1 1ᵀ) Dₗ, Dₖ⟩`, of which the rows of the first X and of Dₖ are the
/// chunk's, and the other rows are those of all chunks.
fn add_products<F: Scalar>(
    layer: &Affine,
    n: usize,
    chunks: &[Chunk<F>],
    chunk: usize,
    share: &mut Share<F>,
) {
    let Share { gramian, room, .. } = share;
    let here = &chunks[chunk];
    let (rows, outputs) = (here.values.rows(), layer.output.width());
    let most = chunks.iter().map(|chunk| chunk.values.rows()).max().unwrap_or(0);
    let (row_of_ones, room) = room.split_at_mut(most);
    let (squares, room) = room.split_at_mut(rows * most);
    row_of_ones.fill(if layer.has_bias { F::ONE } else { F::ZERO });
    let stride = row_room::<F>(outputs);
    for (i, there) in chunks.iter().enumerate() {
        let width = there.values.rows();
        let squares = &mut squares[..rows * width];
        let (x, y) = (here.values.get(layer.input), there.values.get(layer.input));
        let start = Accumulate::Bias(&row_of_ones[..width]);
        kernel::product(x, y.t(), start, kernel::matrix_mut(squares, rows, width, width));
        let start = if i == 0 { Accumulate::Write } else { Accumulate::Add };
        for (k, m) in room.chunks_exact_mut(rows * stride).take(n).enumerate() {
            let squares = kernel::matrix(squares, rows, width, width);
            let delta = there.deltas.lanes_of(layer.output, k..k + 1);
            kernel::product(squares, delta, start, kernel::matrix_mut(m, rows, outputs, stride));
        }
    }
    for (l, m) in room.chunks_exact(rows * stride).take(n).enumerate() {
        let m = kernel::matrix(m, rows, outputs, stride);
        for k in l..n {
            gramian[k * n + l] = kernel::inner_product(m, here.deltas.lanes_of(layer.output, k..k + 1));
        }
    }
}

/// From a row of M to the next one: rows a multiple of 4096 bytes apart would fall on one another in the first cache.
pub(super) fn row_room<F>(width: usize) -> usize {
    let line = 64 / size_of::<F>();
    width.next_multiple_of(line) + line
}

/// The lanes of n tasks summed into the lane behind them.
fn sum_lanes_of<F: Scalar>(block: ActivationBlock, n: usize, weights: &[f64], chunk: &mut Chunk<F>) {
    let lanes = chunk.deltas.padded_mut(block, 0..n + 1);
    let (lanes, sum) = lanes.split_at_mut(lanes.len() / (n + 1) * n);
    kernel::weighted_sum(lanes, weights, sum);
}

/// What the direct way and the Gram form cost, for n tasks and a batch of so many rows.
pub(super) fn costs(n: usize, rows: usize, layer: &Affine) -> [f64; 2] {
    let [n, rows, inputs, outputs] =
        [n, rows, layer.input.width(), layer.output.width()].map(|count| count as f64);
    let passes = INNER_PRODUCT * (n * (n + 1.0) / 2.0 + n);
    let direct = n * rows * inputs * outputs + passes * inputs * outputs;
    let gram = rows * rows * (inputs + n * outputs) + rows * inputs * outputs + passes * rows * outputs;
    [direct, gram]
}

/// How many multiplications of a product take as long as one of an inner product.
pub(super) const INNER_PRODUCT: f64 = 8.0;
