//! A model: a network, its parameters θ, the running state of its layers, and the scaling it was trained with.
//!
//! The network describes, the model owns. Every arrow of a training step can be called by itself:
//!
//! ```
//! use polytask::optim::Optimizer;
//! use polytask::prelude::*;
//! use polytask::balance::Weights;
//!
//! let data = datasets::robot_arm::<f64>(256, 0.05, 42);
//! let mut model = Model::builder(data.n_features())
//!     .trunk([Layer::dense(10, Activation::Relu)])
//!     .task(Task::regression("shoulder"))
//!     .task(Task::regression("elbow"))
//!     .build::<f64>()?;
//!
//! let mut adam = Optimizer::new(Adam::new(0.01), model.n_parameters())?;
//! let mut gradient = vec![0.0; model.n_parameters()];
//! let mut trace = model.trace(32);
//! let mut batches = data.batches(32, 1);
//! while let Some(batch) = batches.next_batch()? {
//!     model.forward(&batch, &mut trace)?;                              // values, losses and deltas stay in the trace
//!     model.backward(&mut trace, &Weights::ones(2), &mut gradient);    // laid out like θ
//!     adam.step(model.parameters_mut(), &gradient);
//! }
//! assert_eq!(adam.count(), 8);
//! # Ok::<(), polytask::Error>(())
//! ```

mod binding;
mod builder;
mod check;
#[cfg(feature = "csv")]
mod columns;
mod decide;
mod evidence;
mod indices;
mod label_totals;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(all(feature = "onnx", feature = "csv"))]
mod onnx_columns;
#[cfg(feature = "persist")]
mod persist;
mod predict;
mod predictions;
mod scaling;
mod scaling_from;
mod summary;
mod warning;

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::ArrayView2;

pub use builder::ModelBuilder;
pub use check::{GradientChecks, ModelCheck};
pub use evidence::BatchEvidence;
#[cfg(feature = "persist")]
pub(crate) use persist::ESTIMATOR;
pub use predictions::Predictions;
pub use warning::Warning;

use binding::Bindings;
use scaling::Scaling;

use crate::arena::RowsMut;
use crate::balance::Weights;
use crate::data::{Batch, Dataset, Names};
use crate::gradcheck::Probe;
use crate::kernel::Aligned;
use crate::layer::{Mode, Pass};
use crate::loss::{Kind, Labels};
use crate::{Error, ErrorKind, GramianScope, Network, Result, Scalar, Task, TouchedRows, Trace};

/// A network with its parameters: what is trained, and what predicts.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// Trainer::new(Adam::new(0.01)).steps(100).fit(&mut model, &data)?;
///
/// let predictions = model.predict(data.features())?;
/// assert_eq!(predictions["elbow"].dim(), (50, 1));
/// assert_eq!(model.network().layout().name_of(0), "trunk.0.weight[0, 0]"); // what θ[0] is
/// assert_eq!(model.parameters().len(), 10 * 10 + 10 + 2 * (10 + 1));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone)]
pub struct Model<F: Scalar> {
    spec: Arc<ModelBuilder>,
    network: Arc<Network<F>>,
    theta: Aligned<F>,
    /// What layers keep from step to step besides θ.
    state: Vec<F>,
    scaling: Scaling<F>,
    names: Option<Arc<Names>>,
    bindings: Bindings,
    /// Above which probability each column of a task is decided to be yes; ½ where none were chosen.
    thresholds: Vec<Option<Vec<f64>>>,
    /// What was noticed when the scaling was fitted, or the file read.
    notes: Vec<Warning>,
    /// How the columns of a CSV file become the features.
    #[cfg(feature = "csv")]
    encoding: Option<Arc<crate::data::csv::Encoding>>,
}

impl<F: Scalar> Model<F> {
    /// The network.
    pub fn network(&self) -> &Network<F> {
        &self.network
    }

    /// The tasks, in the order of the network's heads.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let builder = Model::builder(3).task(Task::regression("price")).task(Task::classes("grade", 4));
    /// let model = builder.build::<f32>()?;
    /// let names: Vec<&str> = model.tasks().iter().map(Task::name).collect();
    /// assert_eq!((names, model.n_features(), model.n_parameters()), (vec!["price", "grade"], 3, 4 + 16));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn tasks(&self) -> &[Task] {
        &self.spec.tasks
    }

    /// The number of features in a row.
    pub fn n_features(&self) -> usize {
        self.spec.n_features
    }

    /// The length of θ.
    pub fn n_parameters(&self) -> usize {
        self.theta.len()
    }

    /// θ.
    pub fn parameters(&self) -> &[F] {
        &self.theta
    }

    /// θ, mutable.
    pub fn parameters_mut(&mut self) -> &mut [F] {
        &mut self.theta
    }

    /// What layers keep from step to step besides θ, laid out by
    /// [`Network::state_layout`]; empty for most models.
    pub fn state(&self) -> &[F] {
        &self.state
    }

    /// The state, mutable.
    pub fn state_mut(&mut self) -> &mut [F] {
        &mut self.state
    }

    /// A pass at the model's own parameters and state, with the constant draw of a gradient check.
    pub fn pass(&self, mode: Mode) -> Pass<'_, F> {
        Pass::new(&self.theta, &self.state, mode)
    }

    /// The memory needed to work on batches of up to `batch_size` rows.
    pub fn trace(&self, batch_size: usize) -> Trace<F> {
        self.network.trace(batch_size)
    }

    /// What the classes 0, 1, 2 … of a task are called, if it has one target column and the data that the model was
    /// fitted on, or the `encoding` it was given, names its classes.
    pub fn class_names(&self, task: &str) -> Option<&[String]> {
        let task = self.tasks().iter().find(|candidate| candidate.name() == task)?;
        match task.columns_list() {
            [column] => self.names()?.classes.get(column).map(Vec::as_slice),
            _ => None,
        }
    }

    /// Features that were constant in the data the scaling was fitted on, by position: they carry no information and have
    /// no influence. [`warnings`](Self::warnings) names them.
    pub fn constant_features(&self) -> Vec<usize> {
        self.scaling.features.iter().flat_map(|scaling| scaling.constant_columns()).collect()
    }

    /// The names of the columns of the first data the model was fitted on.
    pub fn names(&self) -> Option<&Names> {
        self.names.as_deref()
    }

    /// Computes outputs, losses and deltas of a batch; they stay in the trace, ready for
    /// [`backward`](Self::backward).
    ///
    /// # Errors
    /// If the table of the batch does not fit the model: another number of features ([`ErrorKind::Shape`]), a
    /// target column that is missing ([`ErrorKind::Name`]), a label that a loss does not take
    /// ([`ErrorKind::Value`]); [`ErrorKind::Shape`] also if the batch is larger than the trace. A table is
    /// checked once. [`ErrorKind::Setting`] if a layer draws random numbers: then use
    /// [`forward_at`](Self::forward_at) with a [`Draw`](crate::layer::Draw).
    pub fn forward(&self, batch: &Batch<'_, F>, trace: &mut Trace<F>) -> Result<()> {
        if self.network.draws() {
            let expected = "a draw, because layers of the model draw random numbers";
            return Err(Error::new(ErrorKind::Setting, "forward", expected, "none")
                .advise("use forward_at with model.pass(Mode::Train).with_draw(Draw::new(seed, step))"));
        }
        self.forward_at(&self.pass(Mode::Train), batch, trace)
    }

    /// Like [`forward`](Self::forward), in a [pass](Self::pass) of your own: at other parameters than the model's,
    /// laid out like them, in the other mode, or with the [`Draw`](crate::layer::Draw) of a step.
    ///
    /// ```
    /// use polytask::balance::Weights;
    /// use polytask::layer::Mode;
    /// use polytask::prelude::*;
    ///
    /// # let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// # let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// # let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// # let model = builder.build::<f64>()?;
    /// let (mut trace, mut gradient) = (model.trace(50), vec![0.0; model.n_parameters()]);
    /// model.forward(&data.all(), &mut trace)?;
    /// let before = trace.losses()[0] + trace.losses()[1];
    /// model.backward(&mut trace, &Weights::ones(2), &mut gradient);
    /// let mut downhill = model.parameters().to_vec();
    /// downhill.iter_mut().zip(&gradient).for_each(|(theta, g)| *theta -= 1e-3 * g);
    /// model.forward_at(&model.pass(Mode::Predict).at(&downhill), &data.all(), &mut trace)?;
    /// assert!(trace.losses()[0] + trace.losses()[1] < before);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// If the pass's parameters or state do not have the lengths of the model's.
    #[track_caller]
    pub fn forward_at(&self, pass: &Pass<'_, F>, batch: &Batch<'_, F>, trace: &mut Trace<F>) -> Result<()> {
        F::forward(self, pass, batch, trace)
    }

    #[track_caller]
    pub(crate) fn forward_here(
        &self,
        pass: &Pass<'_, F>,
        batch: &Batch<'_, F>,
        trace: &mut Trace<F>,
    ) -> Result<()> {
        if pass.mode == Mode::Predict {
            self.check_fitted()?;
        }
        self.check_bins(pass.state)?;
        let binding = self.bind(batch.dataset)?;
        self.check_trace(batch.rows.len(), trace)?;
        if pass.mode == Mode::Train {
            self.network.check_rows(batch.rows.len())?;
        }
        trace.begin(batch.rows.len());
        self.gather_labels(&binding, batch, trace);
        let fill = |first: usize, rows: RowsMut<'_, F>| self.gather_features(&binding, batch, first, rows);
        self.network.forward(pass, fill, trace);
        self.network.losses(trace);
        Ok(())
    }

    /// The gradient of the objective, laid out like θ; every entry is written. The objective is the weighted sum of losses,
    /// and the [`penalty`](Self::penalty) if there is one, whatever the weights are ([`Network::backward`] is without it).
    ///
    /// # Panics
    /// If the trace holds no forward, or the gradient or the weights have the wrong length.
    #[track_caller]
    pub fn backward(&self, trace: &mut Trace<F>, weights: &Weights, gradient: &mut [F]) {
        self.backward_touching(trace, weights, gradient, None);
    }

    /// The same, in time that does not grow with tables of which the batch reads some rows alone: those are in `touched`
    /// afterwards. What it has before are the rows in which `gradient` may differ from 0.
    #[track_caller]
    pub(crate) fn backward_touching(
        &self,
        trace: &mut Trace<F>,
        weights: &Weights,
        gradient: &mut [F],
        mut touched: Option<&mut TouchedRows>,
    ) {
        self.backward_of_losses(trace, weights, gradient, touched.as_deref_mut());
        self.add_penalty_gradient(gradient, touched);
    }

    /// The gradient of the weighted sum of losses alone: of a part of a batch, to which nothing is added.
    #[track_caller]
    pub(crate) fn backward_of_losses(
        &self,
        trace: &mut Trace<F>,
        weights: &Weights,
        gradient: &mut [F],
        touched: Option<&mut TouchedRows>,
    ) {
        self.assert_own(trace);
        let pass = trace.pass(&self.theta, &self.state);
        self.network.backward_touching(&pass, trace, weights, gradient, touched);
    }

    /// Adds the gradient of the penalties, and to `touched` the rows that have one.
    pub(crate) fn add_penalty_gradient(&self, gradient: &mut [F], touched: Option<&mut TouchedRows>) {
        if self.network.penalties().is_empty() {
            return;
        }
        self.network.add_penalty_gradient(&self.theta, gradient);
        if let Some(touched) = touched {
            touched.add_nonzero(gradient);
        }
    }

    /// The terms of the objective that depend on the parameters alone, summed: those of the settings
    /// ([`ModelBuilder::penalty`]) and those of the sharing form. 0 where there are none.
    pub fn penalty(&self) -> f64 {
        self.network.penalty(&self.theta)
    }

    /// Updates the layers' running state after a step on the batch in the trace. [`Trainer`](crate::Trainer) does it; in
    /// a loop of your own, call it after each step. It does nothing in a model without state.
    ///
    /// # Panics
    /// If the trace holds no forward in [`Mode::Train`].
    #[track_caller]
    pub fn update_state(&mut self, trace: &Trace<F>) {
        self.network.update_state(trace, &mut self.state);
    }

    /// The objective at `theta`, the weighted sum of losses and penalties, as a function that
    /// [`gradcheck`](crate::gradcheck) can check: its value, and what the probe asks for: the gradient, the part of it that
    /// each task and each penalty adds, the branches taken.
    /// [`check_gradients`](Self::check_gradients) does this, and more, in one line.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::gradcheck;
    ///
    /// let data = datasets::robot_arm::<f64>(7, 0.05, 42);
    /// let model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow").weight(0.5))
    ///     .build::<f64>()?;
    /// let mut trace = model.trace(7);
    /// let loss = |theta: &[f64], probe: &mut gradcheck::Probe<'_, f64>| {
    ///     model.probe(theta, &data.all(), &mut trace, probe)
    /// };
    /// let report = gradcheck::check(model.parameters(), loss).named(model.network().layout()).run();
    /// assert!(report.passed(), "{report}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the table of the batch does not fit the model; [`forward`](Self::forward) returns that as an error.
    #[track_caller]
    pub fn probe(
        &self,
        theta: &[F],
        batch: &Batch<'_, F>,
        trace: &mut Trace<F>,
        probe: &mut Probe<'_, F>,
    ) -> F {
        let pass = self.pass(Mode::Train).at(theta);
        if let Err(error) = self.forward_at(&pass, batch, trace) {
            panic!("{error}");
        }
        self.network.branches(&pass, trace, &mut |side, distance| probe.branch_at(side, distance));
        let weights = self.loss_weights();
        if let Some(gradient) = probe.gradient() {
            self.network.backward(&pass, trace, &weights, gradient);
        }
        for (k, task) in self.tasks().iter().enumerate() {
            if let Some(gradient) = probe.task_gradient(task.name()) {
                self.network.backward(&pass, trace, &check::only(k, &weights), gradient);
            }
        }
        let losses = trace.losses().iter().zip(&weights.own);
        let losses: F = losses.map(|(&loss, &weight)| F::from_f64(weight) * F::from_f64(loss)).sum();
        let penalties = self.network.penalties().iter();
        losses + penalties.map(|penalty| check::probe_penalty(&**penalty, theta, probe)).sum()
    }

    /// The weights of the tasks' losses in the total.
    pub fn loss_weights(&self) -> Weights {
        let own: Vec<f64> = self.tasks().iter().map(Task::loss_weight).collect();
        Weights { shared: own.clone(), own }
    }

    /// What a balancing method may know about the batch in the trace; the Gramian is computed on demand. A training step by
    /// hand is then:
    ///
    /// ```
    /// use polytask::balance::{Balancer, UpGrad};
    /// use polytask::optim::Optimizer;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(256, 0.05, 42);
    /// let mut model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow").weight(2.0))
    ///     .build::<f32>()?;
    /// let mut balancer = Balancer::new(UpGrad::new(), 2)?.scale_losses(&model.loss_weights().own)?;
    /// let mut adam = Optimizer::new(Adam::new(0.01), model.n_parameters())?;
    /// let mut gradient = vec![0.0; model.n_parameters()];
    /// let mut trace = model.trace(32);
    /// let mut batches = data.batches(32, 1);
    /// while let Some(batch) = batches.next_batch()? {
    ///     model.forward(&batch, &mut trace)?;
    ///     let weights = balancer.weights(&mut model.evidence(&mut trace));
    ///     model.backward(&mut trace, weights, &mut gradient);
    ///     assert!(trace.gramian().is_some());                          // UPGrad asked for it
    ///     adam.step(model.parameters_mut(), &gradient);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the trace was made by a model of other shapes.
    #[track_caller]
    pub fn evidence<'a>(&'a self, trace: &'a mut Trace<F>) -> BatchEvidence<'a, F> {
        self.assert_own(trace);
        let pass = trace.pass(&self.theta, &self.state);
        BatchEvidence { network: &self.network, pass, trace, over: GramianScope::default() }
    }

    /// Each task's gradient with respect to the shared parameters, `tasks × n_shared`, of the batch in the trace.
    ///
    /// # Panics
    /// If the trace holds no forward.
    #[track_caller]
    pub fn task_gradients<'t>(&self, trace: &'t mut Trace<F>) -> ArrayView2<'t, F> {
        self.assert_own(trace);
        self.network.task_gradients(&trace.pass(&self.theta, &self.state), trace)
    }

    /// A gradient laid out like θ: the shared part is `direction`, computed from the
    /// [`task_gradients`](Self::task_gradients) of the batch; the parts owned by a task are its gradient times its weight
    /// in `own`. The gradient of the [`penalty`](Self::penalty) is added to both.
    ///
    /// ```
    /// use polytask::balance::Weights;
    /// use polytask::prelude::*;
    ///
    /// # let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// # let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// # let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// # let model = builder.build::<f64>()?;
    /// let mut trace = model.trace(50);
    /// let mut along = vec![0.0; model.n_parameters()];
    /// let mut sum = along.clone();
    /// model.forward(&data.all(), &mut trace)?;
    /// let direction = model.task_gradients(&mut trace).sum_axis(ndarray::Axis(0)); // ∇₀ + ∇₁
    /// model.backward_along(&mut trace, &direction.to_vec(), &[1.0, 1.0], &mut along);
    /// model.backward(&mut trace, &Weights::ones(2), &mut sum);
    /// assert!(along.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-9));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the trace holds no forward, or a slice has the wrong length.
    #[track_caller]
    pub fn backward_along(&self, trace: &mut Trace<F>, direction: &[f64], own: &[f64], gradient: &mut [F]) {
        self.assert_own(trace);
        self.network.backward_along(&trace.pass(&self.theta, &self.state), trace, direction, own, gradient);
        self.network.add_penalty_gradient(&self.theta, gradient);
    }

    /// Whether a task's loss compares rows of a group, which must then be in one batch.
    pub(crate) fn compares_rows(&self) -> bool {
        let mut tasks = self.tasks().iter().enumerate();
        tasks.any(|(k, task)| task.has_loss() && self.network.loss(k).compares_rows())
    }

    /// Whether the network learns the targets of a task brought to mean 0 and deviation 1.
    pub(crate) fn standardizes_targets(&self, task: usize) -> bool {
        self.scaling.targets[task].is_some()
    }

    /// The positions of each task's target columns in `data`, whose features are the model's; none, if a task without a
    /// loss has not all of them there.
    pub(crate) fn columns(&self, data: &Dataset<F>) -> Result<Vec<Vec<usize>>> {
        self.feature_order(data)?;
        let own = |column: &String| self.names()?.classes.get(column);
        let places: HashMap<&String, usize> = data.target_names().iter().zip(0..).collect();
        let find = |column: &String| {
            let position = match places.get(column) {
                Some(&place) => place,
                None => data.names().target(column)?,
            };
            let classes = data.names().classes.get(column);
            classes.map_or(Ok(()), |classes| binding::check_classes(column, own(column), classes))?;
            Ok(position)
        };
        let of = |task: &Task| {
            let columns: Result<Vec<usize>> = task.columns_list().iter().map(find).collect();
            match columns {
                Err(_) if !task.has_loss() => Ok(Vec::new()),
                columns => columns.map_err(|e| e.within(format!("task {:?}", task.name()))),
            }
        };
        self.tasks().iter().map(of).collect()
    }

    /// Checks that every task with a loss can learn from `data`: that its labels are what the loss takes, and
    /// that there are any.
    pub(crate) fn check_trainable(&self, data: &Dataset<F>) -> Result<()> {
        for (k, columns) in self.columns(data)?.iter().enumerate() {
            self.check_order(k, data)?;
            let total = self.check_labels(k, columns, data)?;
            if self.tasks()[k].has_loss() && total == 0.0 {
                let (expected, advice) = match self.network.loss(k).kind() {
                    Kind::Ranking => (
                        "a query group with two labels that differ, and a weight above 0",
                        "check that the table has the right groups",
                    ),
                    _ => ("a label with a weight above 0", "leave the task out, or check its column"),
                };
                let found = format!("none in {} rows", data.n_rows());
                return Err(Error::new(ErrorKind::Value, self.place(k), expected, found).advise(advice));
            }
        }
        Ok(())
    }

    /// Checks that the loss of task `k` takes its labels, and returns the sum of the weights of those present.
    fn check_labels(&self, k: usize, columns: &[usize], data: &Dataset<F>) -> Result<f64> {
        if columns.is_empty() {
            return Ok(0.0);
        }
        let targets = data.targets().select(ndarray::Axis(1), columns);
        let weights = data.task_weights(columns).map_err(|e| e.within(self.place(k)))?;
        let weights = weights.as_ref().map(|weights| weights.view());
        let labels = Labels { targets: targets.view(), weights, groups: data.groups() };
        self.network.loss(k).check(&labels).map_err(|e| e.within(self.place(k)))?;
        if let Some(transform) = self.tasks()[k].target_transform() {
            transform.check_labels(targets.view()).map_err(|e| e.within(self.place(k)))?;
        }
        Ok(self.network.loss(k).total(&labels))
    }

    fn place(&self, task: usize) -> String {
        format!("task {:?}", self.tasks()[task].name())
    }

    fn check_width(&self, found: usize) -> Result<()> {
        match found == self.n_features() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Shape, "number of features", self.n_features(), found)
                .advise("the model was built for another table")),
        }
    }

    /// Fails if the model standardises and does not know by what: what it predicted would be noise.
    fn check_fitted(&self) -> Result<()> {
        self.check_transforms()?;
        self.check_bins(&self.state)?;
        match self.spec.standardizes && self.scaling.features.is_none() {
            false => Ok(()),
            true => {
                let expected = "means and deviations of the features, since the model standardises";
                Err(Error::new(ErrorKind::Setting, "scaling of the model", expected, "none")
                    .advise("fit the model, or call fit_scaling with the data it is to learn from"))
            }
        }
    }

    #[track_caller]
    fn assert_own(&self, trace: &Trace<F>) {
        if let Err(error) = self.network.check_trace(trace) {
            panic!("{error}");
        }
    }

    fn check_trace(&self, rows: usize, trace: &Trace<F>) -> Result<()> {
        self.network.check_trace(trace)?;
        match rows <= trace.capacity() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Shape,
                "rows of a batch",
                format!("at most {}", trace.capacity()),
                rows,
            )
            .advise("make a larger trace with model.trace(rows)")),
        }
    }
}
