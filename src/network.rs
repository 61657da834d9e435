//! The network: a sharing form and a head for each task, its forward pass and its backward pass.
//!
//! A network holds addresses, never numbers: every method takes θ as a slice. So the same network can be used
//! for training, by many predicting threads, and by the gradient checker, which passes copies of θ that it has
//! moved.
//!
//! ```text
//! total loss   L(θ) = Σₖ wₖ Lₖ(θ)
//!
//! forward      x → representations → outputs of each head → Lₖ and δₖ = ∂Lₖ/∂outputsₖ
//! backward     wₖ δₖ → head k → its delta at the representation; the heads' deltas add up there
//!              → sharing form; then each layer's gradient from its values and deltas
//! ```
//! One backward sweep computes the gradients of all heads and of the trunk, because backpropagation is linear
//! in the delta: ∂L/∂θ_shared = Σₖ wₖ ∂Lₖ/∂θ_shared = backward(Σₖ wₖ δₖ). When the gradient of each task is
//! needed, the deltas go back side by side, in K lanes, instead of being summed.
//!
//! A task has two weights: `shared` multiplies its gradient for the shared parameters, `own` that for its own
//! parameters. If they differ, the deltas are multiplied by the shared weight, and the gradient of the task's
//! own parameters is rescaled by `own / shared` at the end.
//!
//! A task that is the product of two others has no head: see [`product`]. Its delta goes through the heads of
//! its factors, so the parameters of a factor get gradients from several losses, and no single ratio is right
//! for them. In such a network, the gradient of each task takes one sweep, with weight 1 for that task and 0
//! for all others. If the two weights differ, the gradient of the shared parameters is combined from these, and
//! that of the other parameters comes from a sweep with the own weights. [`stage`] has a table of all these
//! ways.

mod comparison;
mod costs;
mod foreign;
mod fused_heads;
mod gradient;
mod gramian;
mod head;
mod layers;
mod objective;
#[cfg(feature = "onnx")]
mod onnx;
mod penalties;
mod product;
mod row_factors;
mod scope;
mod sketch;
mod stage;
mod sweep;
mod tables;
mod trace;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ndarray::Axis;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::arena::{ActivationBlock, RowsMut};
use crate::kernel;
use crate::layer::{Affine, BuildContext, FirstValues, Layouts, Mode, Pass, Quantiles};
use crate::loss::LossFunction;
use crate::penalty::PenaltyFunction;
use crate::sharing::{BuildSharing, BuiltSharing, Piece};
use crate::{Error, ErrorKind, Layout, Result, Scalar, Sharing, Task};

#[doc(hidden)]
pub use comparison::Form;
use fused_heads::FusedHeads;
use head::Head;
use objective::{Objective, of_members};
use product::Product;
pub(crate) use row_factors::RowFactors;
pub use scope::GramianScope;
use stage::Stage;
use tables::Tables;
pub use trace::Trace;
use trace::TraceShape;
use trace::rows_mut;

/// A sharing form and a head for each task, for one scalar type: a model without its parameters.
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
/// let twice: Vec<f64> = model.parameters().iter().map(|theta| 2.0 * theta).collect(); // works with any θ
/// let (mut trace, mut gradient) = (network.trace(50), vec![0.0; twice.len()]);
/// let pass = model.pass(Mode::Train).at(&twice);
/// model.forward_at(&pass, &data.all(), &mut trace)?;
/// network.backward(&pass, &mut trace, &Weights::ones(2), &mut gradient);
/// assert!(gradient.iter().any(|g| *g != 0.0));
/// assert_eq!((network.n_tasks(), network.layout().n_shared()), (2, 110));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// You can also use it without a model and without a table:
///
/// ```
/// use polytask::balance::Weights;
/// use polytask::layer::{Mode, Pass};
/// use polytask::{Layer, Network, Sharing, Task, loss::Loss};
///
/// let no_trunk = Sharing::shared_trunk(Vec::<Layer>::new());
/// let network = Network::<f64>::new(2, &no_trunk, &[Task::new("y", Loss::mean_absolute_error())])?;
/// let (theta, mut trace) = (network.initial(7), network.trace(3).with_input_gradient());
/// trace.begin(3);
/// trace.targets_mut(0).fill(0.5);
/// let pass = Pass::new(&theta, &[], Mode::Train);
/// network.forward(&pass, |_, rows| rows.for_each(|x| x.fill(1.0)), &mut trace);
/// network.losses(&mut trace);
/// network.backward(&pass, &mut trace, &Weights::ones(1), &mut [0.0; 3]);
/// let weight = network.layout().block("head.y.0.weight").expect("the head's").of(&theta);
/// assert_eq!(network.input_gradient(&trace), trace.delta(0).dot(&weight.t()));
/// let mut sides = Vec::new();
/// network.branches(&pass, &trace, &mut |side, _| sides.push(side as f64));
/// assert!(sides.iter().zip(trace.delta(0)).all(|(side, delta)| *side == delta.signum()));
/// assert_eq!((network.loss(0).output_width(1), network.widths(0)), (1, (1, 1)));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Network<F: Scalar> {
    layouts: Layouts,
    /// What all traces made by this network share.
    trace_shape: Arc<TraceShape>,
    input: ActivationBlock,
    sharing: Box<dyn BuiltSharing<F>>,
    objectives: Vec<Objective<F>>,
    heads: Vec<Head<F>>,
    /// The heads that are computed together.
    fused: Vec<FusedHeads>,
    /// In the order of the tasks, because a product may be a factor of a later one.
    products: Vec<Product>,
    /// The owner of a piece is a head; of fused heads it is the first.
    pieces: Vec<Piece>,
    cuts: Vec<Range<usize>>,
    /// The affine maps of the shared layers.
    affine: Vec<Affine>,
    tables: Tables,
    penalties: Vec<Box<dyn PenaltyFunction<F>>>,
    /// The representation, if there is one that all heads read and that depends on the whole sharing form.
    common: Option<ActivationBlock>,
}

impl<F: Scalar> Network<F> {
    /// Builds a network for `n_features` features.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of a layer, the sharing form or a loss is
    /// outside its range; [`ErrorKind::Name`](crate::ErrorKind::Name) if the two factors of a product do not
    /// come before it.
    pub fn new(n_features: usize, sharing: &Sharing, tasks: &[Task]) -> Result<Self> {
        Self::within(MOST_PARAMETERS, n_features, 1, sharing, tasks)
    }

    /// Like [`new`](Self::new), but an ensemble of `members` members if these are more than one, and with at most
    /// `most_numbers` parameters and numbers of state. It allocates nothing as large as θ.
    pub(crate) fn within(
        most_numbers: usize,
        n_features: usize,
        members: usize,
        sharing: &Sharing,
        tasks: &[Task],
    ) -> Result<Self> {
        F::network(most_numbers, n_features, members, sharing, tasks)
    }

    pub(crate) fn assemble(
        most_numbers: usize,
        n_features: usize,
        members: usize,
        sharing: &Sharing,
        tasks: &[Task],
    ) -> Result<Self> {
        kernel::check_simd_setting()?;
        if members == 0 {
            return Err(Error::new(ErrorKind::Setting, "members of the ensemble", "at least 1", 0)
                .advise("32 is usual; 1 is a plain network"));
        }
        let mut layouts = Layouts { members, ..Layouts::default() };
        let input = layouts.activations.activations(n_features);
        layouts.same_for_members.push(input);
        layouts.features.push((input, (0..n_features).collect()));
        let mut context = BuildContext { layouts: &mut layouts, name: String::new(), input, most_numbers };
        let objectives = tasks.iter().map(Objective::build).collect::<Result<Vec<_>>>()?;
        let products = Product::all_of(tasks)?;
        let with_head: Vec<usize> = (0..tasks.len()).filter(|&k| tasks[k].factors().is_none()).collect();
        let names: Vec<&str> = with_head.iter().map(|&k| tasks[k].name()).collect();
        let sharing: Box<dyn BuiltSharing<F>> = sharing.build(&names, &mut context)?;
        let mut heads = Vec::with_capacity(with_head.len());
        for (h, &k) in with_head.iter().enumerate() {
            heads.push(Head::build(k, &tasks[k], &objectives[k], sharing.representation(h), &mut context)?);
        }

        layouts.check_readers()?;
        for (layout, inits) in
            [(&layouts.parameters, &layouts.parameter_inits), (&layouts.state, &layouts.state_inits)]
        {
            // Blocks and first values are added together.
            for ((name, _), first) in layout.blocks().zip(inits) {
                first.init.check::<F>(name)?;
            }
        }
        let fused = FusedHeads::all_of(&heads);
        let mut pieces = sharing.pieces();
        for (h, head) in heads.iter().enumerate() {
            match fused.iter().find(|fused| fused.heads.contains(&h)) {
                None => pieces.extend(head.layers.pieces().map(|range| Piece { range, owner: Some(h) })),
                Some(fused) if fused.heads.start == h => {
                    pieces.push(Piece { range: fused.range.clone(), owner: Some(h) });
                }
                Some(_) => {}
            }
        }
        let cuts: Vec<_> = pieces.iter().map(|piece| piece.range.clone()).collect();
        let layout = &layouts.parameters;
        let starts = cuts.iter().map(|cut| cut.start).chain([layout.len()]);
        let ends = std::iter::once(0).chain(cuts.iter().map(|cut| cut.end));
        if let Some((_, at)) = starts.zip(ends).find(|(start, end)| start != end) {
            let at = if at < layout.len() { layout.name_of(at) } else { "the end of θ".to_owned() };
            panic!(
                "the pieces of layers must follow one another in θ and cover all of it, but none begins at {at}"
            );
        }
        let (affine, penalties) = (sharing.affine(), sharing.penalties());
        let tables = Tables::of(&*sharing, &heads, &pieces);
        let reads = heads.first().map(|head| head.reads).filter(|reads| {
            let all_shared = sharing.pieces().iter().all(|piece| piece.owner.is_none());
            reads.is_shared && all_shared && heads.iter().all(|head| head.reads == *reads)
        });
        let common = reads.map(|reads| reads.activations);
        let widths = objectives
            .iter()
            .map(|task| (task.output_width, task.target_width, task.prediction_width))
            .collect();
        let trace_shape = Arc::new(TraceShape { activations: layouts.activations.clone(), widths, members });
        Ok(Self {
            layouts,
            trace_shape,
            input,
            sharing,
            objectives,
            heads,
            fused,
            products,
            pieces,
            cuts,
            affine,
            tables,
            penalties,
            common,
        })
    }

    /// The layout of θ.
    pub fn layout(&self) -> &Layout {
        &self.layouts.parameters
    }

    /// The layout of the running state, which layers keep from step to step besides their parameters.
    pub fn state_layout(&self) -> &Layout {
        &self.layouts.state
    }

    /// Whether any layer uses random numbers, so that a training step needs a [`Draw`](crate::layer::Draw).
    pub fn draws(&self) -> bool {
        self.layouts.n_streams > 0
    }

    /// The fewest rows that a batch may have in training: 2 where a layer takes a variance of the batch.
    pub(crate) fn least_rows(&self) -> usize {
        self.layouts.least_rows.max(1)
    }

    /// Fails if a layer cannot learn from so few rows.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        let least = self.least_rows();
        match rows >= least {
            true => Ok(()),
            false => {
                let expected = format!("at least {least}, since a layer takes a variance over them");
                Err(Error::new(ErrorKind::Shape, "rows of a batch in training", expected, rows)
                    .advise("make the batch larger"))
            }
        }
    }

    /// Whether a layer needs all rows of a batch at once, so that it cannot be worked on in parts.
    pub(crate) fn needs_whole_batches(&self) -> bool {
        self.layouts.needs_whole_batches
    }

    /// The features that are indices, each with its number of categories.
    pub(crate) fn index_columns(&self) -> &BTreeMap<usize, usize> {
        &self.layouts.index_columns
    }

    /// The edges of bins that lie between quantiles of features.
    pub(crate) fn quantiles(&self) -> &[Quantiles] {
        &self.layouts.quantiles
    }

    /// Whether the bins of a layer are still to be fitted.
    pub(crate) fn lacks_bins(&self, state: &[F]) -> bool {
        self.quantiles().iter().any(|quantiles| {
            let edges = &state[quantiles.edges.range()];
            edges[0] == edges[1]
        })
    }

    /// Where edges of bins do not ascend.
    #[cfg(feature = "persist")]
    pub(crate) fn falling_edge(&self, state: &[F]) -> Option<usize> {
        let of = |quantiles: &Quantiles| {
            let (range, n) = (quantiles.edges.range(), quantiles.edges.shape().1);
            let mut places = range.clone().filter(|at| (at - range.start) % n > 0);
            places.find(|&at| state[at] < state[at - 1])
        };
        self.quantiles().iter().find_map(of)
    }

    /// Where a number of the running state is negative that cannot be.
    #[cfg(feature = "persist")]
    pub(crate) fn negative_state(&self, state: &[F]) -> Option<usize> {
        let mut places = self.layouts.non_negative_state.iter().flat_map(|block| block.range());
        places.find(|&at| state[at] < F::ZERO)
    }

    /// What the block of θ is, if other libraries keep it otherwise than its shape says.
    #[cfg(feature = "persist")]
    pub(crate) fn special(&self, block: crate::Block) -> Option<crate::layer::Special> {
        self.layouts.special.iter().find(|(known, _)| *known == block).map(|(_, special)| *special)
    }

    /// How many members see every row: 1, but for an [ensemble](crate::ModelBuilder::batch_ensemble).
    pub fn members(&self) -> usize {
        self.layouts.members
    }

    /// The number of features.
    pub fn n_features(&self) -> usize {
        self.input.width()
    }

    /// The number of tasks.
    pub fn n_tasks(&self) -> usize {
        self.objectives.len()
    }

    /// The loss of a task.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn loss(&self, task: usize) -> &dyn LossFunction<F> {
        self.objectives[task].loss.as_ref()
    }

    /// The numbers of target columns and of prediction columns of a task, in this order.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn widths(&self, task: usize) -> (usize, usize) {
        (self.objectives[task].target_width, self.objectives[task].prediction_width)
    }

    /// Initial values of θ, drawn block by block with ChaCha8 from `seed`. They are the same for both scalar
    /// types, up to rounding.
    pub fn initial(&self, seed: u64) -> Vec<F> {
        let Layouts { parameters, parameter_inits, zeros, .. } = &self.layouts;
        let mut theta = drawn(parameters, parameter_inits, ChaCha8Rng::seed_from_u64(seed));
        zeros.iter().for_each(|range| theta[range.clone()].fill(F::ZERO));
        theta
    }

    /// Initial values of the running state.
    pub fn initial_state(&self, seed: u64) -> Vec<F> {
        let Layouts { state, state_inits, .. } = &self.layouts;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        drawn(state, state_inits, rng)
    }

    /// Allocates a trace: memory for the activations and deltas of up to `batch_size` rows.
    pub fn trace(&self, batch_size: usize) -> Trace<F> {
        F::trace(self, batch_size)
    }

    pub(crate) fn trace_here(&self, batch_size: usize) -> Trace<F> {
        let mut trace = Trace::new(&self.trace_shape, batch_size);
        if !self.products.is_empty() {
            trace.tasks.iter_mut().for_each(|task| task.seed = task.delta.clone());
        }
        trace
    }

    /// Whether a step on `rows` rows is long enough to be worth waking a second thread. Waking it and waiting
    /// for it costs about 20 µs, in which one processor does about a million multiplications and additions.
    pub(crate) fn pays_for_threads(&self, rows: usize) -> bool {
        (3 * rows * self.members()).saturating_mul(self.layout().len()) > 4_000_000
    }

    /// Computes the outputs of all heads for the batch that [`Trace::begin`] has begun. `fill(first, rows)`
    /// must write the features of the batch's rows, from row `first` on, into `rows`.
    ///
    /// # Panics
    /// If θ or the state does not have the length of its layout.
    #[track_caller]
    pub fn forward(
        &self,
        pass: &Pass<'_, F>,
        fill: impl Fn(usize, RowsMut<'_, F>) + Sync,
        trace: &mut Trace<F>,
    ) {
        self.check(pass);
        trace.restart(Stage::Empty);
        (trace.mode, trace.draw) = (pass.mode, pass.draw);
        trace.pool.for_each_mut(trace.chunks.in_use_mut(), |_, chunk| {
            let members = self.members();
            match members {
                1 => fill(chunk.values.first_row(), chunk.values.rows_mut(self.input)),
                _ => {
                    let first = chunk.values.first_row() / members;
                    fill(first, chunk.values.every_nth_row_mut(self.input, members));
                    chunk.values.repeat_every_nth_row(self.input, members);
                }
            }
            self.sharing.forward(pass, &mut chunk.values);
            self.for_heads_together(
                |fused| fused.computes_outputs::<F>(),
                |heads, fused| match fused {
                    Some(fused) => fused.forward(pass.theta, &mut chunk.values),
                    None => {
                        heads.iter().for_each(|head| head.layers.forward(pass, &mut chunk.values));
                    }
                },
            );
        });
        for head in &self.heads {
            let from = head.layers.output();
            let outputs = trace.tasks[head.task].outputs.as_slice_mut().expect("row-major");
            for chunk in trace.chunks.in_use() {
                let (rows, width) = (chunk.rows(), from.width());
                chunk.values.copy_to(from, &mut outputs[rows.start * width..rows.end * width]);
            }
        }
        for product in &self.products {
            let n = trace.n_member_rows();
            product.forward(&mut trace.tasks, n);
        }
        if self.members() > 1 && pass.mode == Mode::Predict {
            for (k, objective) in self.objectives.iter().enumerate() {
                let mut predictions = std::mem::take(&mut trace.tasks[k].predictions);
                let to = rows_mut(&mut predictions, trace.n_member_rows());
                objective.loss.predict(trace.outputs(k), to);
                trace.tasks[k].predictions = predictions;
            }
        }
    }

    /// Computes the loss of each task and its delta from the outputs and the labels in `trace`. After that, the
    /// trace is ready for [`backward`](Self::backward).
    pub fn losses(&self, trace: &mut Trace<F>) {
        F::losses(self, trace);
    }

    pub(crate) fn losses_here(&self, trace: &mut Trace<F>) {
        for (k, objective) in self.objectives.iter().enumerate() {
            if !objective.has_loss {
                continue;
            }
            let mut delta = std::mem::take(&mut trace.tasks[k].delta);
            let (labels, mut rows) = (trace.labels(k), rows_mut(&mut delta, trace.n_member_rows()));
            let is_labelled = objective.loss.total(&labels) > 0.0;
            let loss = if is_labelled {
                objective.value_and_delta(trace.outputs(k), &labels, rows, self.members())
            } else {
                // There is nothing to average over, and a custom loss might divide by the total.
                rows.fill(F::ZERO);
                F::ZERO
            };
            trace.labelled[k] = is_labelled;
            trace.tasks[k].delta = delta;
            trace.losses[k] = loss.to_f64();
        }
        trace.restart(Stage::Losses);
    }

    /// After the losses have been computed, reports on which side of each kink the batch is and how far from
    /// it: layer by layer, then loss by loss.
    pub fn branches(&self, pass: &Pass<'_, F>, trace: &Trace<F>, record: &mut dyn FnMut(i64, f64)) {
        for chunk in trace.chunks.in_use() {
            self.sharing.branches(pass, &chunk.values, record);
            for head in &self.heads {
                head.layers.branches(pass, &chunk.values, record);
            }
        }
        for (k, objective) in self.objectives.iter().enumerate().filter(|(_, objective)| objective.has_loss) {
            for rows in of_members(self.members()) {
                let outputs = trace.outputs(k);
                let outputs = outputs.slice_axis(Axis(0), rows);
                objective.loss.branches(outputs, &trace.labels(k), &mut |side| record(side, f64::INFINITY));
            }
        }
    }

    /// Updates the running state of all layers after a training step on the batch in `trace`.
    ///
    /// # Panics
    /// If the trace does not hold a forward pass in [`Mode::Train`], or the state has the wrong length.
    #[track_caller]
    pub fn update_state(&self, trace: &Trace<F>, state: &mut [F]) {
        assert_eq!(
            state.len(),
            self.state_layout().len(),
            "the running state must have the length of its layout"
        );
        let is_trained = trace.stage != Stage::Empty && trace.mode == Mode::Train;
        assert!(is_trained, "update_state needs a forward pass in Mode::Train");
        if state.is_empty() {
            return;
        }
        self.sharing.update_state(trace.chunks.in_use(), state);
        for head in &self.heads {
            head.layers.update_state(trace.chunks.in_use(), state);
        }
    }

    /// Goes through the heads in order. Fused heads are visited at once if `together` allows it, otherwise one
    /// by one.
    fn for_heads_together(
        &self,
        together: impl Fn(&FusedHeads) -> bool,
        mut work: impl FnMut(&[Head<F>], Option<&FusedHeads>),
    ) {
        let mut first = 0;
        while first < self.heads.len() {
            let fused = self.fused.iter().find(|fused| fused.heads.start == first);
            let fused = fused.filter(|fused| together(fused));
            let end = fused.map_or(first + 1, |fused| fused.heads.end);
            work(&self.heads[first..end], fused);
            first = end;
        }
    }

    #[track_caller]
    fn check(&self, pass: &Pass<'_, F>) {
        let [theta, state] = [self.layout().len(), self.state_layout().len()];
        assert_eq!(pass.theta.len(), theta, "θ must have the network's {theta} parameters");
        assert_eq!(pass.state.len(), state, "the running state must have the network's {state} numbers");
    }

    /// Checks that `pass` is the one whose forward is in the trace.
    #[track_caller]
    fn check_pass(&self, pass: &Pass<'_, F>, trace: &Trace<F>) {
        self.check(pass);
        let (forward, backward) = ((trace.mode, trace.draw), (pass.mode, pass.draw));
        assert_eq!(forward, backward, "the backward pass must have the mode and draw of its forward pass");
    }
}

/// Initial values of the blocks of a layout.
fn drawn<F: Scalar>(layout: &Layout, inits: &[FirstValues], mut rng: ChaCha8Rng) -> Vec<F> {
    let mut numbers = vec![F::ZERO; layout.len()];
    for &FirstValues { block, init, n_matrices } in inits {
        let (rows, cols) = (block.shape().0 / n_matrices, block.shape().1);
        for matrix in numbers[block.range()].chunks_exact_mut((rows * cols).max(1)) {
            for (to, from) in matrix.iter_mut().zip(init.draw(rows, cols, &mut rng)) {
                *to = F::from_f64(from);
            }
        }
    }
    numbers
}

/// The most numbers of the larger scalar type that a machine can address.
pub(crate) const MOST_PARAMETERS: usize = isize::MAX as usize / 8;
