//! The network: a sharing form and one head per task, with one forward and one backward sweep.
//!
//! A network holds addresses, never numbers: every method takes θ as a slice. So the same network serves
//! training, many predicting threads, and the gradient checker, which hands in perturbed copies of θ.
//!
//! ```text
//! total loss   L(θ) = Σₖ wₖ Lₖ(θ)
//!
//! forward      x → representations → outputs of each head → Lₖ and δₖ = ∂Lₖ/∂outputsₖ
//! backward     wₖ δₖ → head k → its delta at the representation; the heads' deltas add up there
//!              → sharing form; then each layer's gradient from its values and deltas
//! ```
//! One sweep computes the gradients of all heads and of the trunk, because backpropagation is linear in the
//! delta: ∂L/∂θ_shared = Σₖ wₖ ∂Lₖ/∂θ_shared = backward(Σₖ wₖ δₖ). When the tasks' gradients are wanted one by one,
//! the deltas travel in K lanes instead of being summed.
//!
//! Two weights belong to a task: `shared` scales what it asks of the shared parameters, `own` what it asks of
//! its own. Where they differ the sweep carries the shared weight, and the gradient of the task's own
//! parameters is rescaled by `own / shared` at the end.
//!
//! A task that is the product of two others has no head: see [`product`]. Its delta goes through the heads of
//! its factors, so that what is a factor's own serves several losses, and no single ratio is right for it. In
//! such a network each task's gradient is one sweep with weight 1 for that task and 0 for all others, and
//! where the two weights differ, the shared parameters take their gradient from these and the rest take it from
//! a sweep with the own weights.

mod bundle;
mod head;
mod lanes;
mod product;
mod sketch;

use std::ops::Range;

use ndarray::s;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::balance::Weights;
use crate::layer::{Affine, Flow, Into, Mode, Site};
use crate::loss::LossFunction;
use crate::sharing::{BuiltSharing, Piece, Representation};
use crate::trace::{Chunk, Lanes, Plan, RowsMut, Slot, Stage, Trace, rows_mut};
use crate::{Block, Init, Layout, Result, Scalar, Sharing, Task};

use bundle::Bundle;
use head::Head;
use product::Product;

/// A sharing form and one head per task, over one scalar type: the description of a model.
///
/// ```
/// use polytask::balance::Weights;
/// use polytask::layer::Mode;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let network = model.network();
/// let twice: Vec<f64> = model.parameters().iter().map(|theta| 2.0 * theta).collect(); // any θ will do
/// let (mut trace, mut gradient) = (network.trace(50), vec![0.0; twice.len()]);
/// model.forward_at(&twice, Mode::Train, &data.all(), &mut trace)?;
/// network.backward(&twice, &mut trace, &Weights::ones(2), &mut gradient);
/// assert!(gradient.iter().any(|g| *g != 0.0));
/// assert_eq!((network.n_tasks(), network.layout().n_shared()), (2, 110));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// It can be used without a model and a table:
///
/// ```
/// use polytask::balance::Weights;
/// use polytask::layer::Mode;
/// use polytask::{Layer, Network, Sharing, Task, loss::Loss};
///
/// let no_trunk = Sharing::shared_trunk(Vec::<Layer>::new());
/// let network = Network::<f64>::new(2, &no_trunk, &[Task::new("y", Loss::mean_absolute_error())])?;
/// let (theta, mut trace) = (network.initial(7), network.trace(3).with_input_gradient());
/// trace.begin(3);
/// trace.targets_mut(0).fill(0.5);
/// network.forward(&theta, Mode::Train, |_, rows| rows.for_each(|x| x.fill(1.0)), &mut trace);
/// network.losses(&mut trace);
/// network.backward(&theta, &mut trace, &Weights::ones(1), &mut [0.0; 3]);
/// let weight = network.layout().block("head.y.0.weight").expect("the head's").of(&theta);
/// assert_eq!(network.input_gradient(&trace), trace.delta(0).dot(&weight.t()));
/// let mut sides = Vec::new();
/// network.branches(&theta, &trace, &mut |side, _| sides.push(side as f64));
/// assert!(sides.iter().zip(trace.delta(0)).all(|(side, delta)| *side == delta.signum()));
/// assert_eq!((network.loss(0).output_width(1), network.widths(0)), (1, (1, 1)));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Network<F: Scalar> {
    layout: Layout,
    plan: Plan,
    inits: Vec<(Block, Init)>,
    input: Slot,
    sharing: Box<dyn BuiltSharing<F>>,
    goals: Vec<Goal<F>>,
    heads: Vec<Head<F>>,
    /// Which heads are computed together.
    bundles: Vec<Bundle>,
    /// In the order in which the tasks were declared: a product may be a factor of a later one.
    products: Vec<Product>,
    /// Their owners are heads; that of a bundle's piece is its first.
    pieces: Vec<Piece>,
    cuts: Vec<Range<usize>>,
    /// The affine maps among the shared layers.
    affine: Vec<Affine>,
    /// The representation, if there is one that all heads read and all of the sharing form leads to.
    common: Option<Slot>,
}

/// What the outputs of a task are compared with, and how.
#[derive(Debug)]
struct Goal<F> {
    loss: Box<dyn LossFunction<F>>,
    target_width: usize,
    output_width: usize,
    prediction_width: usize,
    has_loss: bool,
}

impl<F: Scalar> Network<F> {
    /// Builds a network for `n_features` features.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of a layer, the sharing form or a loss
    /// is outside its range; [`ErrorKind::Name`](crate::ErrorKind::Name) if a product has not its two factors
    /// before it.
    pub fn new(n_features: usize, sharing: &Sharing, tasks: &[Task]) -> Result<Self> {
        Self::within(MOST_PARAMETERS, n_features, sharing, tasks)
    }

    /// The same for a network of at most so many parameters; nothing as long as θ is allocated.
    pub(crate) fn within(
        most_parameters: usize,
        n_features: usize,
        sharing: &Sharing,
        tasks: &[Task],
    ) -> Result<Self> {
        let (mut layout, mut plan, mut inits) = (Layout::new(), Plan::new(), Vec::new());
        let input = plan.slot(n_features);
        let mut site = Site {
            layout: &mut layout,
            plan: &mut plan,
            inits: &mut inits,
            name: String::new(),
            input,
            most_parameters,
        };
        let goals = tasks.iter().map(Goal::build).collect::<Result<Vec<_>>>()?;
        let products = Product::all_of(tasks)?;
        let with_head: Vec<usize> = (0..tasks.len()).filter(|&k| tasks[k].factors().is_none()).collect();
        let names: Vec<&str> = with_head.iter().map(|&k| tasks[k].name()).collect();
        let sharing = sharing.build::<F>(&names, &mut site)?;
        let mut heads = Vec::with_capacity(with_head.len());
        for (h, &k) in with_head.iter().enumerate() {
            heads.push(Head::build(k, &tasks[k], &goals[k], sharing.representation(h), &mut site)?);
        }

        let bundles = Bundle::all_of(&heads);
        let mut pieces = sharing.pieces();
        for (h, head) in heads.iter().enumerate() {
            match bundles.iter().find(|bundle| bundle.heads.contains(&h)) {
                None => pieces.extend(head.layers.pieces().map(|range| Piece { range, owner: Some(h) })),
                Some(bundle) if bundle.heads.start == h => {
                    pieces.push(Piece { range: bundle.range.clone(), owner: Some(h) });
                }
                Some(_) => {}
            }
        }
        let cuts: Vec<_> = pieces.iter().map(|piece| piece.range.clone()).collect();
        let mut end = 0;
        for cut in &cuts {
            assert_eq!(cut.start, end, "the pieces of a network's parts must follow one another in θ");
            end = cut.end;
        }
        assert_eq!(end, layout.len(), "the pieces of a network's parts must cover θ");
        let affine = sharing.affine();
        let reads = heads.first().map(|head| head.reads).filter(|reads| {
            let all_shared = sharing.pieces().iter().all(|piece| piece.owner.is_none());
            reads.is_shared && all_shared && heads.iter().all(|head| head.reads == *reads)
        });
        let common = reads.map(|reads| reads.slot);
        Ok(Self {
            layout,
            plan,
            inits,
            input,
            sharing,
            goals,
            heads,
            bundles,
            products,
            pieces,
            cuts,
            affine,
            common,
        })
    }

    /// The table of contents of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many features a row has.
    pub fn n_features(&self) -> usize {
        self.input.width()
    }

    /// How many tasks there are.
    pub fn n_tasks(&self) -> usize {
        self.goals.len()
    }

    /// The loss of a task.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn loss(&self, task: usize) -> &dyn LossFunction<F> {
        self.goals[task].loss.as_ref()
    }

    /// How many columns the targets and the predictions of a task have, in this order.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn widths(&self, task: usize) -> (usize, usize) {
        (self.goals[task].target_width, self.goals[task].prediction_width)
    }

    /// First values of θ, drawn block by block with ChaCha8 from `seed`. Both scalar types get the same draws.
    pub fn initial(&self, seed: u64) -> Vec<F> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut theta = vec![F::ZERO; self.layout.len()];
        for &(block, init) in &self.inits {
            let (rows, cols) = block.shape();
            for (to, from) in theta[block.range()].iter_mut().zip(init.draw(rows, cols, &mut rng)) {
                *to = F::from_f64(from);
            }
        }
        theta
    }

    /// Room for the activations and deltas of up to `batch_size` rows.
    pub fn trace(&self, batch_size: usize) -> Trace<F> {
        let widths: Vec<_> = self.goals.iter().map(|goal| (goal.output_width, goal.target_width)).collect();
        let mut trace = Trace::new(&self.plan, &widths, batch_size);
        if !self.products.is_empty() {
            trace.tasks.iter_mut().for_each(|task| task.seed = task.delta.clone());
        }
        trace
    }

    /// Whether a step on so many rows is long enough for a second thread to be worth waking: waking and waiting
    /// cost about 20 µs, in which one processor does about a million multiplications and additions.
    pub(crate) fn pays_for_threads(&self, rows: usize) -> bool {
        3 * rows * self.layout.len() > 4_000_000
    }

    /// Computes the outputs of every head for the batch that `trace` has begun. `fill(first, rows)`
    /// writes the features of the batch's rows from `first` on.
    ///
    /// # Panics
    /// If θ has not the layout's length.
    #[track_caller]
    pub fn forward(
        &self,
        theta: &[F],
        mode: Mode,
        fill: impl Fn(usize, RowsMut<'_, F>) + Sync,
        trace: &mut Trace<F>,
    ) {
        self.check(theta);
        trace.restart(Stage::Empty);
        trace.crew.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            fill(chunk.first_row, chunk.values.rows_mut(self.input));
            self.sharing.forward(theta, mode, &mut chunk.values);
            self.for_heads_together(
                |bundle| bundle.computes_outputs::<F>(),
                |heads, bundle| match bundle {
                    Some(bundle) => bundle.forward(theta, &mut chunk.values),
                    None => {
                        heads.iter().for_each(|head| head.layers.forward(theta, mode, &mut chunk.values));
                    }
                },
            );
        });
        for head in &self.heads {
            let slot = head.layers.output();
            let outputs = trace.tasks[head.task].outputs.as_slice_mut().expect("row-major");
            for chunk in trace.chunks.in_use() {
                let rows = chunk.batch_rows();
                chunk.values.copy_to(slot, &mut outputs[rows.start * slot.width()..rows.end * slot.width()]);
            }
        }
        for product in &self.products {
            product.forward(&mut trace.tasks, trace.examples.n);
        }
    }

    /// Computes each task's loss and its delta from the outputs and the labels in `trace`, which is ready
    /// for backward then.
    pub fn losses(&self, trace: &mut Trace<F>) {
        for (k, goal) in self.goals.iter().enumerate() {
            if !goal.has_loss {
                continue;
            }
            let mut delta = std::mem::take(&mut trace.tasks[k].delta);
            let labels = trace.labels(k);
            let loss =
                goal.loss.value_and_delta(trace.outputs(k), &labels, rows_mut(&mut delta, trace.examples.n));
            trace.labelled[k] = goal.loss.total(&labels) > 0.0;
            trace.tasks[k].delta = delta;
            trace.tasks[k].loss = loss;
            trace.losses[k] = loss.to_f64();
        }
        trace.restart(Stage::Forward);
    }

    /// The gradient of `Σₖ wₖ Lₖ`, laid out like θ: every entry is written.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, or a slice or the weights have the wrong length.
    #[track_caller]
    pub fn backward(&self, theta: &[F], trace: &mut Trace<F>, weights: &Weights, gradient: &mut [F]) {
        let deltas = self.propagate(theta, trace, weights);
        let (chunks, lanes) = (trace.chunks.in_use(), &trace.lanes);
        trace.crew.for_each_part(&self.cuts, [gradient], |i, [part]| {
            self.gradient(i, deltas, chunks, lanes, weights, part);
        });
    }

    /// Like [`backward`](Self::backward), and hands each piece of the gradient on as soon as it is there, with
    /// the same piece of θ and of two more vectors laid out like it (or empty).
    #[track_caller]
    pub(crate) fn backward_then(
        &self,
        theta: &mut [F],
        trace: &mut Trace<F>,
        weights: &Weights,
        gradient: &mut [F],
        moments: [&mut [F]; 2],
        then: impl Fn(&mut [F], &[F], [&mut [F]; 2]) + Sync,
    ) {
        let deltas = self.propagate(theta, trace, weights);
        let (chunks, lanes) = (trace.chunks.in_use(), &trace.lanes);
        let compute = |i: usize, part: &mut [F]| {
            self.gradient(i, deltas, chunks, lanes, weights, part);
        };
        let [first, second] = moments;
        if trace.crew.n_threads() == 1 && self.layout.len() < SMALL {
            for (i, cut) in self.cuts.iter().enumerate() {
                compute(i, &mut gradient[cut.clone()]);
            }
            return then(theta, gradient, [first, second]);
        }
        match (first.is_empty(), second.is_empty()) {
            (true, _) => trace.crew.for_each_part(&self.cuts, [gradient, theta], |i, [gradient, theta]| {
                compute(i, gradient);
                then(theta, gradient, [&mut [], &mut []]);
            }),
            (false, true) => {
                trace.crew.for_each_part(
                    &self.cuts,
                    [gradient, theta, first],
                    |i, [gradient, theta, first]| {
                        compute(i, gradient);
                        then(theta, gradient, [first, &mut []]);
                    },
                );
            }
            (false, false) => {
                let all = [gradient, theta, first, second];
                trace.crew.for_each_part(&self.cuts, all, |i, [gradient, theta, first, second]| {
                    compute(i, gradient);
                    then(theta, gradient, [first, second]);
                });
            }
        }
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
            gradient.slice_mut(s![chunk.batch_rows(), ..]).assign(&chunk.deltas.get(self.input));
        }
        gradient
    }

    /// Reports which side of each kink the batch is on, with the distance to it, after its losses have been
    /// computed: layer by layer, then loss by loss.
    pub fn branches(&self, theta: &[F], trace: &Trace<F>, record: &mut dyn FnMut(i64, f64)) {
        for chunk in trace.chunks.in_use() {
            self.sharing.branches(theta, &chunk.values, record);
            for head in &self.heads {
                head.layers.branches(theta, &chunk.values, record);
            }
        }
        for (k, goal) in self.goals.iter().enumerate().filter(|(_, goal)| goal.has_loss) {
            goal.loss.branches(trace.outputs(k), &trace.labels(k), &mut |side| record(side, f64::INFINITY));
        }
    }

    /// Whether one sweep cannot carry what a task asks: it passes through the task's own parts of the sharing
    /// form into shared ones, with a weight that is 0 only there.
    fn needs_lanes(&self, weights: &Weights) -> bool {
        let splits = |k: usize| weights.shared[k] == 0.0 && weights.own[k] != 0.0;
        let passes = |head: &Head<F>| !head.reads.is_shared && self.layout.n_shared() > 0;
        self.heads.iter().any(|head| splits(head.task) && passes(head))
    }

    /// Sends the weighted deltas of all tasks back to every layer, unless each task's already went in a lane: then
    /// the lanes are summed. Says which it was: `Forward` if the weights are in the heads' deltas too.
    #[track_caller]
    fn propagate(&self, theta: &[F], trace: &mut Trace<F>, weights: &Weights) -> Stage {
        self.check(theta);
        let k = self.n_tasks();
        assert_eq!((weights.shared.len(), weights.own.len()), (k, k), "one weight of each kind per task");
        assert_ne!(trace.stage, Stage::Empty, "backward is of a batch whose losses have been computed");
        if !self.products.is_empty() {
            let differ = weights.shared != weights.own;
            if differ {
                self.task_gradients(theta, trace);
            }
            self.sweep(theta, trace, |k| (weights.own[k], true));
            return if differ { Stage::TaskGradients } else { Stage::Forward };
        }
        if trace.stage == Stage::Forward && self.needs_lanes(weights) {
            self.gramian(theta, trace);
        }
        if let Some(deltas) = self.sum_lanes(theta, trace, &weights.shared) {
            return deltas;
        }
        self.sweep(theta, trace, |k| match weights.shared[k] {
            0.0 => (weights.own[k], false),
            shared => (shared, true),
        });
        Stage::Forward
    }

    /// Sends the deltas of all tasks back to every layer, summed. `weight` says what a task's delta is
    /// multiplied by, and whether it goes on from the task's own layers to what is shared.
    fn sweep(&self, theta: &[F], trace: &mut Trace<F>, weight: impl Fn(usize) -> (f64, bool) + Sync) {
        trace.stage = Stage::Forward;
        if !self.products.is_empty() {
            product::seed(&self.products, &mut trace.tasks, trace.examples.n, |k| F::from_f64(weight(k).0));
        }
        let (tasks, into_input) = (&trace.tasks, trace.keeps_input_delta);
        trace.crew.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            let sends = |head: &Head<F>| weight(head.task).1;
            let any_sends = |heads: &[Head<F>], reads: Representation| {
                heads.iter().any(|head| sends(head) && head.reads == reads)
            };
            let mut first = 0;
            self.for_heads_together(
                |bundle| self.heads[bundle.heads.clone()].iter().all(sends),
                |heads, bundle| {
                    for head in heads {
                        head.seed(&tasks[head.task], F::from_f64(weight(head.task).0), chunk);
                    }
                    let Chunk { values, deltas, .. } = &mut *chunk;
                    let reads = heads[0].reads;
                    let into = match (reads.is_shared, sends(&heads[0])) {
                        (true, false) => Into::Nowhere,
                        (true, true) if any_sends(&self.heads[..first], reads) => Into::Add(0),
                        _ => Into::Set(0),
                    };
                    if reads.is_shared && !any_sends(&self.heads, reads) {
                        deltas.padded_mut(reads.slot, 0..1).fill(F::ZERO);
                    }
                    match bundle {
                        Some(bundle) => bundle.propagate(theta, deltas, into),
                        None => heads[0].layers.propagate(theta, values, deltas, &Flow { lanes: 1, into }),
                    }
                    first += heads.len();
                },
            );
            self.sharing.propagate(theta, &chunk.values, &mut chunk.deltas, 1, into_input);
        });
    }

    /// Goes through the heads in order: through those of a bundle at once, if `together` says so, else one by one.
    fn for_heads_together(
        &self,
        together: impl Fn(&Bundle) -> bool,
        mut work: impl FnMut(&[Head<F>], Option<&Bundle>),
    ) {
        let mut first = 0;
        while first < self.heads.len() {
            let bundle = self.bundles.iter().find(|bundle| bundle.heads.start == first);
            let bundle = bundle.filter(|bundle| together(bundle));
            let end = bundle.map_or(first + 1, |bundle| bundle.heads.end);
            work(&self.heads[first..end], bundle);
            first = end;
        }
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
                    for (row, &w) in lanes.jacobian.chunks_exact(self.layout.n_shared()).zip(&weights.shared)
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

    /// One piece of the gradient of what belongs to a task, or to those of a bundle, times each task's factor.
    fn own_gradient(
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
        if let Some(bundle) = self.bundles.iter().find(|bundle| bundle.range == piece.range) {
            bundle.gradient(chunks, gradient);
            let heads = &self.heads[bundle.heads.clone()];
            let parts = gradient.chunks_exact_mut(piece.range.len() / heads.len());
            return parts.zip(heads).for_each(|(part, head)| scale(part, head));
        }
        match self.heads[head].layers.gradient(chunks, 0, piece.range.clone(), gradient) {
            Some(()) => {}
            None => self.sharing.gradient(chunks, 0, piece, gradient),
        }
        scale(gradient, &self.heads[head]);
    }

    #[track_caller]
    fn check(&self, theta: &[F]) {
        assert_eq!(theta.len(), self.layout.len(), "θ of a network with {} parameters", self.layout.len());
    }
}

impl<F: Scalar> Goal<F> {
    fn build(task: &Task) -> Result<Self> {
        let loss = task.loss().build::<F>().map_err(|e| e.within(format!("task {:?}", task.name())))?;
        let target_width = task.columns_list().len();
        let (output_width, prediction_width) =
            (loss.output_width(target_width), loss.prediction_width(target_width));
        Ok(Self { loss, target_width, output_width, prediction_width, has_loss: task.has_loss() })
    }
}

/// What a machine can address in the larger scalar type.
pub(crate) const MOST_PARAMETERS: usize = isize::MAX as usize / 8;

/// Below so many parameters the update is one loop over all of θ instead of one per piece.
const SMALL: usize = 4096;
