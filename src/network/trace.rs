//! The working memory for a batch: its activations, deltas and losses.
//!
//! A [`Trace`] holds one batch at a time and can be used for any number of batches, one after the other: all of
//! its memory is allocated when it is made. Activations and deltas of the network's layers are stored in chunks
//! of rows ([`Arena`](crate::arena::Arena)). What the loss of a task sees (outputs, labels, loss and delta) is
//! stored for the whole batch, so that counting labels, row weights and ranking groups need not know about
//! chunks.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, s};

use super::comparison::{Comparison, Form, TaskGradients};
use super::stage::Stage;
use crate::Scalar;
use crate::arena::{ActivationLayout, Chunk, Chunks};
use crate::kernel::{self, ThreadPool};
use crate::layer::{Draw, Mode, Pass};
use crate::loss::Labels;

/// The activations, deltas and losses of one batch.
///
/// [`Model::trace`](crate::Model::trace) or [`Network::trace`](crate::Network::trace) allocates it for a
/// largest batch size, the forward pass fills it, and the backward pass reads it.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let mut trace = model.trace(32); // up to 32 rows, allocated once
/// let mut batches = data.batches(32, 1);
/// while let Some(batch) = batches.next_batch()? {
///     model.forward(&batch, &mut trace)?;
///     assert_eq!(trace.n_rows(), batch.n_rows()); // 32, then 18
///     let (y, delta) = (trace.outputs(0), trace.delta(0));
///     assert_eq!(y.dim(), delta.dim());
///     assert!(trace.losses()[0] > 0.0);
/// }
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Trace<F: Scalar> {
    pub(super) shape: Arc<TraceShape>,
    pub(crate) chunks: Chunks<F>,
    pub(crate) tasks: Vec<TaskTrace<F>>,
    pub(crate) examples: Examples<F>,
    pub(super) comparison: Comparison<F>,
    pub(super) task_gradients: TaskGradients<F>,
    pub(super) stage: Stage,
    /// Mode and draw of the forward pass, which the backward pass must have too.
    pub(crate) mode: Mode,
    pub(crate) draw: Draw,
    /// The unweighted loss of each task in f64, and whether the batch has labels for it.
    pub(crate) losses: Vec<f64>,
    pub(crate) labelled: Vec<bool>,
    pub(crate) pool: ThreadPool,
    pub(crate) keeps_input_delta: bool,
}

/// What a trace and a network must have in common for the trace to fit.
#[derive(Debug, PartialEq)]
pub(super) struct TraceShape {
    /// The layout of the activations.
    pub(super) activations: ActivationLayout,
    /// For each task, the widths of its outputs, of its targets and of its predictions.
    pub(super) widths: Vec<(usize, usize, usize)>,
    /// How many members see every row: 1, but for an ensemble.
    pub(super) members: usize,
}

/// What any thread needs to compute pieces of a gradient.
pub(super) struct Known<'t, F> {
    pub(super) chunks: &'t [Chunk<F>],
    pub(super) comparison: &'t Comparison<F>,
    pub(super) task_gradients: &'t TaskGradients<F>,
}

/// What the loss of one task sees of a batch.
#[derive(Debug)]
pub(crate) struct TaskTrace<F> {
    /// `batch × output width`; in an ensemble, `(batch · members) × output width`.
    pub(crate) outputs: Array2<F>,
    /// `batch × target width`.
    pub(crate) targets: Array2<F>,
    /// ∂(unweighted loss)/∂outputs.
    pub(crate) delta: Array2<F>,
    /// In an ensemble, what the outputs mean, `(batch · members) × prediction width`, after a forward pass to predict.
    pub(super) predictions: Array2<F>,
    /// In a network with products: the weighted delta plus what products add to it. Otherwise empty.
    pub(crate) seed: Array2<F>,
    /// The weights of the labels, where the table has some for this task; otherwise empty.
    weights: Vec<F>,
}

/// What the losses of all tasks see of a batch besides the targets.
#[derive(Debug)]
pub(crate) struct Examples<F> {
    pub(crate) n: usize,
    pub(crate) capacity: usize,
    pub(crate) weights: Array1<F>,
    pub(crate) groups: Vec<u64>,
    /// Whether the rows of the batch have weights, labels of some tasks weights of their own, and rows groups.
    pub(crate) has_weights: bool,
    has_label_weights: bool,
    pub(crate) has_groups: bool,
}

impl<F: Scalar> Trace<F> {
    pub(super) fn new(shape: &Arc<TraceShape>, batch_size: usize) -> Self {
        let &TraceShape { ref activations, ref widths, members } = &**shape;
        let rows = batch_size.checked_mul(members).expect("rows that can be counted");
        let tasks = widths.iter().map(|&(outputs, targets, predictions)| TaskTrace {
            outputs: Array2::zeros((rows, outputs)),
            targets: Array2::zeros((batch_size, targets)),
            delta: Array2::zeros((rows, outputs)),
            predictions: Array2::zeros((if members > 1 { rows } else { 0 }, predictions)),
            seed: Array2::zeros((rows, 0)),
            weights: Vec::new(),
        });
        Self {
            shape: Arc::clone(shape),
            chunks: Chunks::new(activations, rows, members),
            tasks: tasks.collect(),
            examples: Examples {
                n: 0,
                capacity: batch_size,
                weights: Array1::zeros(batch_size),
                groups: vec![0; batch_size],
                has_weights: false,
                has_label_weights: false,
                has_groups: false,
            },
            comparison: Comparison::new(widths.len()),
            task_gradients: TaskGradients::default(),
            stage: Stage::Empty,
            mode: Mode::default(),
            draw: Draw::default(),
            losses: vec![0.0; widths.len()],
            labelled: vec![false; widths.len()],
            pool: ThreadPool::new(1),
            keeps_input_delta: false,
        }
    }

    /// Uses `n_threads` threads from now on (default: 1). The results are the same to the last bit.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(600, 0.05, 1);
    /// let model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let (mut one, mut two) = (model.trace(600), model.trace(600).threads(2));
    /// model.forward(&data.all(), &mut one)?;
    /// model.forward(&data.all(), &mut two)?;
    /// assert_eq!((one.losses(), one.outputs(0)), (two.losses(), two.outputs(0)));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, n_threads: usize) -> Self {
        self.pool = ThreadPool::new(n_threads.max(1));
        self
    }

    /// Makes the backward pass also compute ∂L/∂x, for [`input_gradient`](crate::Network::input_gradient).
    #[must_use]
    pub fn with_input_gradient(mut self) -> Self {
        self.keeps_input_delta = true;
        self
    }

    /// Computes all Gramians in this form, whatever the shapes, for tests and measurements.
    #[doc(hidden)]
    #[must_use]
    pub fn gramian_form(mut self, form: Form) -> Self {
        self.comparison.form = Some(form);
        self
    }

    /// The largest batch size that fits.
    pub fn capacity(&self) -> usize {
        self.examples.capacity
    }

    /// The number of rows in the batch.
    pub fn n_rows(&self) -> usize {
        self.examples.n
    }

    /// How many rows the network works on: those of the batch, once for each member of an ensemble.
    pub(super) fn n_member_rows(&self) -> usize {
        self.examples.n * self.shape.members
    }

    /// The outputs of a task, `batch × output width`, after the forward pass. In an
    /// [ensemble](crate::ModelBuilder::batch_ensemble) of k members, there are k times as many rows, and row n k + m has the
    /// outputs of member m for row n.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn outputs(&self, task: usize) -> ArrayView2<'_, F> {
        rows(&self.tasks[task].outputs, self.n_member_rows())
    }

    /// The derivative of a task's unweighted loss with respect to its [outputs](Self::outputs), of their shape.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn delta(&self, task: usize) -> ArrayView2<'_, F> {
        rows(&self.tasks[task].delta, self.n_member_rows())
    }

    /// What the outputs of a task mean, for each member of an ensemble: rows as those of the outputs. It is known after
    /// a forward pass to predict.
    pub(crate) fn member_predictions(&self, task: usize) -> Option<ArrayView2<'_, F>> {
        let is_known = self.mode == Mode::Predict && self.shape.members > 1;
        is_known.then(|| rows(&self.tasks[task].predictions, self.n_member_rows()))
    }

    /// The labels that a task's loss compares the outputs with, `batch × target width`. They are standardised
    /// if the model standardises its targets.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let targets = array![[1.0, f64::NAN], [3.0, f64::NAN]];
    /// let data = Dataset::new(array![[0.5], [1.5]], targets)?.with_target_names(["price", "rent"])?;
    /// let builder = Model::builder(1).task(Task::regression("price")).task(Task::regression("rent"));
    /// let model = builder.build::<f64>()?;
    /// let mut trace = model.trace(8);
    /// model.forward(&data.all(), &mut trace)?;
    /// assert_eq!((trace.capacity(), trace.n_rows(), trace.labelled()), (8, 2, &[true, false][..]));
    /// assert_eq!(trace.labels(0).targets, array![[1.0], [3.0]]);
    /// assert_eq!(trace.labels(1).total_weight(), 0.0);                 // no rent in this batch
    /// assert!(trace.losses()[1] == 0.0 && trace.delta(1) == array![[0.0], [0.0]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such task.
    pub fn labels(&self, task: usize) -> Labels<'_, F> {
        let n = self.examples.n;
        let own = self.tasks[task].weights.as_slice();
        let weights = match self.examples.has_label_weights && !own.is_empty() {
            true => Some(ArrayView1::from(own)),
            false => self.examples.has_weights.then(|| self.examples.weights.slice(s![..n])),
        };
        Labels {
            targets: rows(&self.tasks[task].targets, n),
            weights,
            groups: self.examples.has_groups.then(|| &self.examples.groups[..n]),
        }
    }

    /// A task's targets, `batch × target width`, to fill in before the losses are computed.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn targets_mut(&mut self, task: usize) -> ArrayViewMut2<'_, F> {
        rows_mut(&mut self.tasks[task].targets, self.examples.n)
    }

    /// The unweighted loss of each task.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// For each task, whether the batch has labels for it.
    pub fn labelled(&self) -> &[bool] {
        &self.labelled
    }

    /// The K × K Gramian of the tasks' gradients, if it has been computed for this batch.
    ///
    /// ```
    /// use polytask::balance::Evidence;
    /// use polytask::prelude::*;
    ///
    /// # let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// # let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// # let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// # let model = builder.build::<f64>()?;
    /// let mut trace = model.trace(50);
    /// model.forward(&data.all(), &mut trace)?;
    /// assert!(trace.gramian().is_none());
    /// let asked_for = model.evidence(&mut trace).gramian().to_owned();
    /// assert_eq!(trace.gramian(), Some(asked_for.view()));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn gramian(&self) -> Option<ArrayView2<'_, f64>> {
        self.comparison.known.map(|_| self.comparison.gramian.view())
    }

    /// Begins a new batch of `n_rows` rows and forgets the last one.
    ///
    /// ```
    /// use polytask::layer::Mode;
    /// use polytask::prelude::*;
    ///
    /// let model = Model::builder(1).task(Task::regression("y")).build::<f64>()?;
    /// let (network, pass) = (model.network(), model.pass(Mode::Train));
    /// let mut trace = network.trace(4).with_input_gradient();
    /// trace.begin(2);                                                  // rows that do not come from a table
    /// trace.targets_mut(0).fill(0.25);
    /// network.forward(&pass, |_, rows| rows.for_each(|x| x.fill(0.0)), &mut trace);
    /// network.losses(&mut trace);
    /// assert_eq!(trace.losses(), [0.25 * 0.25]);                       // the bias is 0 at first
    /// network.backward(&pass, &mut trace, &model.loss_weights(), &mut [0.0; 2]);
    /// assert_eq!(network.input_gradient(&trace).dim(), (2, 1));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the batch is larger than the trace.
    #[track_caller]
    pub fn begin(&mut self, n_rows: usize) {
        let capacity = self.examples.capacity;
        assert!(n_rows <= capacity, "a batch of {n_rows} rows in a trace for at most {capacity}");
        self.chunks.set_rows(n_rows * self.shape.members);
        self.examples.n = n_rows;
        (self.examples.has_weights, self.examples.has_groups) = (false, false);
        self.examples.has_label_weights = false;
        self.restart(Stage::Empty);
    }

    /// Gives each task the weights of its labels, one per row; `None` for a task whose labels weigh what their rows do.
    pub(crate) fn weigh_labels<W: Iterator<Item = F>>(
        &mut self,
        weights: impl ExactSizeIterator<Item = Option<W>>,
    ) {
        self.examples.has_label_weights = weights.len() > 0;
        for (task, weights) in self.tasks.iter_mut().zip(weights) {
            task.weights.clear();
            if let Some(weights) = weights {
                task.weights.reserve_exact(self.examples.capacity);
                task.weights.extend(weights);
            }
        }
    }

    /// The pass for going back: with the mode and the draw of the forward pass in the trace.
    pub(crate) fn pass<'a>(&self, theta: &'a [F], state: &'a [F]) -> Pass<'a, F> {
        Pass::new(theta, state, self.mode).with_draw(self.draw)
    }

    /// What pieces of a gradient are computed from, and the threads that compute them.
    pub(super) fn known(&mut self) -> (Known<'_, F>, &mut ThreadPool) {
        let Self { chunks, comparison, task_gradients, pool, .. } = self;
        (Known { chunks: chunks.in_use(), comparison, task_gradients }, pool)
    }

    /// Resets the backward pass, with or without losses: nothing has been propagated, and no task gradients are
    /// known.
    pub(super) fn restart(&mut self, stage: Stage) {
        self.stage = stage;
        (self.comparison.known, self.task_gradients.is_known) = (None, false);
    }
}

impl<F: Scalar> Examples<F> {
    /// Copies the weights and group ids of the batch's rows, if the table has any.
    pub(crate) fn gather(
        &mut self,
        rows: &[usize],
        weights: Option<ArrayView1<'_, F>>,
        groups: Option<&[u64]>,
    ) {
        (self.has_weights, self.has_groups) = (weights.is_some(), groups.is_some());
        if let Some(from) = weights {
            self.weights.iter_mut().zip(rows).for_each(|(to, &row)| *to = from[row]);
        }
        if let Some(from) = groups {
            self.groups.iter_mut().zip(rows).for_each(|(to, &row)| *to = from[row]);
        }
    }
}

/// The first `n` rows of a row-major matrix.
#[inline]
pub(crate) fn rows<F>(matrix: &Array2<F>, n: usize) -> ArrayView2<'_, F> {
    let (width, numbers) = (matrix.ncols(), matrix.as_slice().expect("row-major"));
    kernel::matrix(&numbers[..n * width], n, width, width)
}

/// The first `n` rows of a row-major matrix, mutable.
#[inline]
pub(crate) fn rows_mut<F>(matrix: &mut Array2<F>, n: usize) -> ArrayViewMut2<'_, F> {
    let (width, numbers) = (matrix.ncols(), matrix.as_slice_mut().expect("row-major"));
    kernel::matrix_mut(&mut numbers[..n * width], n, width, width)
}
