//! A training under way.

use std::sync::Arc;

use super::History;
use super::accumulation::Accumulation;
use super::balancing::{Balancing, Decision};
use super::callback::{Callbacks, Event};
use super::checks::{check_losses, check_penalty, check_rate};
use super::feed::{Feed, Learnt};
use super::progress::{AnyModel, Progress};
use super::summed::check_model;
use super::trainer::{Length, Trainer};
use super::workspace::{Held, Workspace};
use crate::balance::Balancer;
use crate::data::{Batch, Dataset};
use crate::kernel::Aligned;
use crate::layer::{Draw, Mode};
use crate::optim::Optimizer;
use crate::ranks::Exchange;
use crate::report::{Report, TaskReport};
use crate::{GramianScope, Model, Result, Scalar};

/// All that a training changes from step to step besides the model: the optimiser's moments, the balance of
/// the tasks, the position in the data, the history.
///
/// What a run works with but need not remember lies in a [`Workspace`].
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
/// let mut run = Trainer::new(Adam::new(0.01)).batch_size(25).epochs(2).start(&model, &data)?;
/// let mut workspace = run.workspace(&model, None);
/// while !run.is_finished() {
///     run.step(&mut model, &data, &mut workspace)?; // look at anything between two steps
/// }
/// let history = run.finish(&mut model)?;
/// assert_eq!(history.n_steps(), 4);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Run<F: Scalar> {
    pub(super) optimizer: Optimizer<F>,
    pub(super) balancing: Balancing,
    pub(super) feed: Feed,
    pub(super) history: History,
    pub(super) last: Vec<f64>,
    pub(super) last_weights: Vec<f64>,
    last_penalty: Option<f64>,
    /// How many steps there will be; an estimate where groups of rows make batches uneven.
    n_steps: u64,
    length: Length,
    threads: Option<usize>,
    /// The settings that a run must have in common with the one it resumes.
    #[cfg(feature = "persist")]
    pub(super) settings: std::collections::BTreeMap<String, String>,
    /// Which of its checkpoints is the best.
    #[cfg(feature = "persist")]
    pub(super) best: Option<super::checkpoint::Best>,
    /// The table that it learns from.
    #[cfg(feature = "persist")]
    pub(super) table: crate::data::Fingerprint,
    /// What a Gramian is computed over.
    pub(super) over: GramianScope,
    /// The most rows that are processed at once; a step of more accumulates their gradient.
    pub(super) rows_at_once: usize,
    pub(super) own_weights: Vec<f64>,
    pub(super) callbacks: Callbacks<F>,
    /// Whether there is validation data; known since the callbacks were told of the start.
    is_validated: Option<bool>,
    /// What, together with the number of the step, determines the random numbers of layers.
    seed: u64,
    /// The way to the other ranks, if the training is shared with some.
    pub(super) exchange: Option<Box<Exchange>>,
    /// Whether each of them has rows of its own.
    pub(super) is_sharded: bool,
    /// The number of this rank's first row in the whole batch of the last step.
    pub(super) first_row: usize,
}

/// What looks at a batch whose gradient has been computed, before the update.
pub(super) type Between<'a, F> =
    dyn FnMut(&Run<F>, &Model<F>, &Batch<'_, F>, &mut Workspace<F>) -> Result<()> + 'a;

impl<F: Scalar> Run<F> {
    /// A run on the data that `learnt` describes.
    pub(super) fn new(trainer: &Trainer, model: &Model<F>, learnt: Learnt) -> Result<Self> {
        let mut optimizer = Optimizer::from_rule(&*trainer.rule, model.n_parameters())?;
        if let Some(schedule) = &trainer.schedule {
            optimizer = optimizer.schedule(schedule.clone())?;
        }
        if let Some(max_norm) = trainer.clip_norm {
            optimizer = optimizer.clip_norm(max_norm)?;
        }
        optimizer = optimizer.groups(model.network().layout(), &trainer.groups)?;
        let Learnt { feed, .. } = learnt;
        // If the rows have not been counted, an epoch is at least one step.
        let per_epoch = feed.n_rows().map_or(1, |rows| rows.div_ceil(feed.batch_size()) as u64);
        let n_steps = match trainer.length {
            Length::Steps(steps) => steps,
            Length::Epochs(epochs) => epochs.saturating_mul(per_epoch),
        };
        let names: Vec<_> = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        let balancing = Balancing::new(&trainer.method, trainer.over, model)?;
        let exchange = trainer.ranks.as_ref().map(|ranks| Box::new(Exchange::new(Arc::clone(ranks))));
        if exchange.is_some() {
            let (needs, is_lazy) = (balancing.needs(), optimizer.rule().is_lazy());
            check_model(model, trainer.over, needs.gramian, is_lazy)?;
        }
        // Of a batch, a rank has a piece; if groups stay whole, it may be all of it.
        let piece = match &exchange {
            Some(exchange) if !(trainer.is_sharded || model.compares_rows()) => {
                feed.batch_size().div_ceil(exchange.size())
            }
            _ => feed.batch_size(),
        };
        Ok(Self {
            optimizer,
            last: vec![f64::NAN; names.len()],
            last_weights: model.loss_weights().shared,
            last_penalty: None,
            own_weights: model.loss_weights().own,
            callbacks: Callbacks::new(&trainer.callbacks, names.len()),
            is_validated: None,
            seed: trainer.seed,
            over: trainer.over,
            rows_at_once: trainer.batch_size.min(piece),
            history: History::new(
                names,
                n_steps,
                balancing.needs().gramian,
                !model.network().penalties().is_empty(),
            ),
            balancing,
            feed,
            n_steps,
            length: trainer.length,
            threads: trainer.threads.or(exchange.is_some().then_some(1)),
            exchange,
            is_sharded: trainer.is_sharded,
            first_row: 0,
            #[cfg(feature = "persist")]
            best: trainer.checkpoints.as_ref().and_then(super::checkpoint::Checkpoints::best),
            #[cfg(feature = "persist")]
            table: learnt.fingerprint,
            #[cfg(feature = "persist")]
            settings: trainer.settings_to_keep(learnt.settings),
        })
    }

    /// Takes the memory that the run's steps need.
    pub fn workspace(&self, model: &Model<F>, validation: Option<&Dataset<F>>) -> Workspace<F> {
        let rows = self.rows_at_once;
        let accumulates = self.exchange.is_some() || rows < self.feed.batch_size();
        let threads = match model.network().pays_for_threads(rows) {
            false => 1,
            true => {
                self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
            }
        };
        Workspace {
            trace: model.trace(rows).threads(threads),
            gradient: Aligned::zeros(model.n_parameters()),
            touched: None,
            is_edited: false,
            validation: validation.map(|data| model.trace(model.evaluation_rows(data)).threads(threads)),
            accumulation: accumulates.then(|| Accumulation::new(model)),
            summed: None,
            rows: Vec::with_capacity(self.feed.batch_size()),
            state: model.state().to_vec(),
            held: Held::Nothing,
            probe: None,
        }
    }

    /// One step, and what belongs to it: the callbacks are called, and at the end of an epoch the losses on `validation`
    /// are evaluated. `fit` is this until the run is finished, and [`finish`](Self::finish).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut run = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(2).start(&model, &train)?;
    /// let mut workspace = run.workspace(&model, Some(&held_out));
    /// while !run.is_finished() {
    ///     run.advance(&mut model, &train, Some(&held_out), &mut workspace)?;
    ///     let validated = run.history().validations().last().map(|validation| validation.step);
    ///     assert_eq!(run.ends_epoch(), validated == Some(run.history().n_steps()));
    /// }
    /// assert_eq!(run.finish(&mut model)?.validations().len(), 2);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Self::step) and [`validate`](Self::validate), and if a callback fails.
    pub fn advance(
        &mut self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: Option<&Dataset<F>>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        if self.ends_at_start(model, validation.is_some())? {
            return Ok(());
        }
        self.step(model, data, workspace)?;
        self.after_step(model, validation, workspace)
    }

    /// Tells the callbacks of the start, if that is still to be done, and whether one of them ends the training there.
    pub(super) fn ends_at_start(&mut self, model: &Model<F>, is_validated: bool) -> Result<bool> {
        if self.is_validated.is_some() {
            return Ok(false);
        }
        self.is_validated = Some(is_validated);
        let told = self.notify(Event::Start, model, is_validated, None);
        self.agree_after_step(told)?;
        Ok(self.is_finished())
    }

    /// What belongs to a step that was taken: callbacks, and validation at the end of an epoch.
    pub(super) fn after_step(
        &mut self,
        model: &Model<F>,
        validation: Option<&Dataset<F>>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        let told = self.tell_of_step(model, validation, workspace);
        self.agree_after_step(told)
    }

    fn tell_of_step(
        &mut self,
        model: &Model<F>,
        validation: Option<&Dataset<F>>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        let is_validated = validation.is_some();
        self.notify(Event::Step, model, is_validated, None)?;
        if self.ends_epoch() {
            if let Some(validation) = validation {
                let report = self.validate(model, validation, workspace)?;
                self.notify(Event::Validation, model, true, report.as_ref())?;
            }
            self.notify(Event::Epoch, model, is_validated, None)?;
        }
        Ok(())
    }

    /// Ends the training: the callbacks are told, and the model gets back the θ that one of them wants restored.
    ///
    /// # Errors
    /// If a callback fails.
    pub fn finish(self, model: &mut Model<F>) -> Result<History> {
        // Where nothing was told, nobody has missed validation data: a training that had ended was resumed.
        let is_validated = self.is_validated.unwrap_or(true);
        self.end(model, is_validated)
    }

    /// As [`finish`](Self::finish), told whether there is validation data: there may not have been a validation yet.
    pub(super) fn end(mut self, model: &mut Model<F>, is_validated: bool) -> Result<History> {
        if self.history.n_steps() > 0 {
            // Not begun: all its steps were taken before the checkpoint that it was taken up at.
            if self.is_validated.is_none() {
                self.notify(Event::Start, model, is_validated, None)?;
            }
            self.notify(Event::End, model, is_validated, None)?;
        }
        if let Some((step, kept)) = self.callbacks.restored() {
            let (theta, state) = kept.split_at(model.n_parameters());
            model.parameters_mut().copy_from_slice(theta);
            model.state_mut().copy_from_slice(state);
            self.history.restore(step);
        }
        Ok(self.history)
    }

    fn notify(
        &mut self,
        event: Event,
        model: &Model<F>,
        is_validated: bool,
        report: Option<&Report>,
    ) -> Result<()> {
        #[cfg(feature = "persist")]
        let is_alone = self.best.is_none();
        #[cfg(not(feature = "persist"))]
        let is_alone = true;
        if self.callbacks.is_empty() && is_alone {
            return Ok(());
        }
        let progress = Progress {
            step: self.history.n_steps(),
            n_steps: self.n_steps,
            epoch: self.feed.epoch() + u64::from(self.feed.epoch_finished()),
            tasks: self.history.tasks(),
            losses: &self.last,
            weights: &self.last_weights,
            penalty: self.last_penalty,
            own_weights: &self.own_weights,
            is_validated,
            validation: self.history.validations().last(),
            report,
            model: AnyModel::of(model),
        };
        #[cfg(feature = "persist")]
        if let Some(best) = &mut self.best {
            best.on(event, &progress)?;
        }
        if self.callbacks.is_empty() {
            return Ok(());
        }
        let stopped_by = self.callbacks.notify(event, &progress, [model.parameters(), model.state()])?;
        let controls = self.callbacks.controls();
        let factors = self.own_weights.iter().enumerate().map(|(k, weight)| weight * controls.task_factor(k));
        self.balancing.set_task_weights(factors);
        self.optimizer.scale_learning_rate(controls.rate_factor());
        if let (Some(name), false) = (stopped_by, event == Event::End) {
            self.history.stop(name);
        }
        Ok(())
    }

    /// One step: the [gradient](Self::gradient) of the next batch and the [update](Self::update) along it; one more
    /// forward pass if the balancing method asks what the step did. No callback is told.
    ///
    /// # Errors
    /// Those of the two. θ is then as it was before the step.
    pub fn step(
        &mut self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        self.step_observed(model, data, workspace, &mut |_, _, _, _| Ok(()))
    }

    /// [`step`](Self::step) that calls `observe` between its two halves.
    pub(super) fn step_observed(
        &mut self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        workspace: &mut Workspace<F>,
        observe: &mut Between<'_, F>,
    ) -> Result<()> {
        let mut rows = std::mem::take(&mut workspace.rows);
        rows.clear();
        rows.extend_from_slice(self.feed.sampler()?.next_batch(data).rows);
        let stepped = self.step_on(model, &Batch { dataset: data, rows: &rows }, workspace, observe);
        workspace.rows = rows;
        stepped
    }

    pub(super) fn step_on(
        &mut self,
        model: &mut Model<F>,
        batch: &Batch<'_, F>,
        workspace: &mut Workspace<F>,
        observe: &mut Between<'_, F>,
    ) -> Result<()> {
        let (needs, draw) = (self.balancing.needs(), self.draw());
        self.gradient(model, batch, workspace)?;
        observe(self, model, batch, workspace)?;
        self.update(model, workspace)?;
        if needs.losses_after_step && self.exchange.is_some() {
            self.after_step_over_ranks(model, batch, draw, workspace)?;
        } else if needs.losses_after_step {
            model.forward_at(&model.pass(Mode::Train).with_draw(draw), batch, &mut workspace.trace)?;
            let (losses, labelled) = (workspace.trace.losses(), workspace.trace.labelled());
            self.balancing.after_step(self.history.n_steps(), model, losses, labelled)?;
        }
        if self.feed.epoch_finished() {
            self.balancing.end_epoch();
        }
        Ok(())
    }

    /// The first half of a step: forward, the weights of the tasks, backward. The gradient of `batch` is then in the
    /// [`Workspace`], laid out like θ, and its losses and weights are in the history. A batch of more rows than are
    /// processed at once is summed over its parts ([`Trainer::accumulate`]).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let mut run = Trainer::new(Sgd::new(0.1)).batch_size(64).steps(1).start(&model, &data)?;
    /// let mut workspace = run.workspace(&model, None);
    /// let before = model.parameters().to_vec();
    /// run.gradient(&model, &data.all(), &mut workspace)?;
    /// workspace.gradient_mut().iter_mut().for_each(|g| *g *= 0.5);         // look at it, or change it
    /// run.update(&mut model, &mut workspace)?;
    /// for ((after, before), g) in model.parameters().iter().zip(&before).zip(workspace.gradient()) {
    ///     assert!((after - (before - 0.1 * g)).abs() < 1e-15);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape), [`Name`](crate::ErrorKind::Name) or
    /// [`Value`](crate::ErrorKind::Value) if the data does not fit the model; `Value` if a loss or a penalty is not finite.
    pub fn gradient(
        &mut self,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        workspace.held = Held::Nothing;
        workspace.keep_list(model, self.optimizer.rule().is_lazy());
        let Workspace { trace, gradient, touched, accumulation, state, held, .. } = workspace;
        let mut touched = touched.as_mut();
        let (rows, draw) = (self.rows_at_once, self.draw());
        state.copy_from_slice(model.state());
        let penalty = (!model.network().penalties().is_empty()).then(|| model.penalty());
        check_penalty(model, penalty.unwrap_or(0.0), &self.history)?;
        self.last_penalty = penalty;
        if self.exchange.is_some() {
            return self.gradient_over_ranks(model, batch, workspace, penalty);
        }
        if let Some(accumulation) = accumulation.as_mut().filter(|_| batch.n_rows() > rows) {
            // A trainer with a method does not accumulate.
            let fixed = self.balancing.fixed().expect("Trainer::check_accumulation");
            let (weights, history) = (fixed, &self.history);
            let losses = &mut self.last;
            accumulation.add_up(
                model, draw, batch, rows, weights, trace, gradient, touched, losses, state, history,
            )?;
            self.last_weights.copy_from_slice(&weights.shared);
            self.history.record(&self.last, &self.last_weights, penalty, None);
            *held = Held::Part;
            return Ok(());
        }
        model.forward_at(&model.pass(Mode::Train).with_draw(draw), batch, trace)?;
        check_losses(trace.losses(), &self.history)?;
        let known = trace.losses().iter().zip(trace.labelled());
        let or_nan = known.map(|(&loss, &is_labelled)| if is_labelled { loss } else { f64::NAN });
        self.last.iter_mut().zip(or_nan).for_each(|(last, loss)| *last = loss);
        let decision = self.balancing.decide(self.history.n_steps(), model, trace)?;
        self.last_weights.copy_from_slice(decision.weights());
        self.history.record(&self.last, &self.last_weights, penalty, trace.gramian());
        match decision {
            Decision::Sum(weights) => model.backward_touching(trace, weights, gradient, touched),
            Decision::Along { direction, own } => {
                model.backward_along(trace, direction, own, gradient);
                if let Some(touched) = &mut touched {
                    model.network().list_rows(trace, touched);
                    touched.add_nonzero(gradient);
                }
            }
        }
        model.network().update_state(trace, state);
        *held = Held::Batch;
        Ok(())
    }

    /// The second half of a step: moves θ along the gradient in the [`Workspace`], by the optimiser's rule.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the learning rate of the step is not a number of at least 0;
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if the gradient or the result of the step is not finite.
    /// θ, running state and moments are then as they were.
    pub fn update(&mut self, model: &mut Model<F>, workspace: &mut Workspace<F>) -> Result<()> {
        check_rate(self.optimizer.learning_rate(), &self.history)?;
        let Workspace { trace, gradient, touched, is_edited, .. } = workspace;
        if let Some(touched) = touched.as_mut().filter(|_| *is_edited) {
            touched.add_nonzero(gradient);
            *is_edited = false;
        }
        let (pool, theta) = (Some(&mut trace.pool), model.parameters_mut());
        self.optimizer.checked_step_on(pool, theta, gradient, touched.as_ref())?;
        workspace.held = Held::Nothing;
        model.state_mut().copy_from_slice(&workspace.state);
        Ok(())
    }

    /// Where the random numbers of the next step come from.
    pub(super) fn draw(&self) -> Draw {
        Draw::new(self.seed, self.history.n_steps())
    }

    /// Evaluates the losses on `validation` and keeps them in the history; the whole report, if a callback reads it.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut run = Trainer::new(Adam::new(0.01)).start(&model, &train)?;
    /// let mut workspace = run.workspace(&model, Some(&held_out));
    /// run.step(&mut model, &train, &mut workspace)?;
    /// let report = run.validate(&model, &held_out, &mut workspace)?;        // in the middle of an epoch
    /// assert!(report.is_none() && run.history().validations()[0].step == 1);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::evaluate`], if `validation` does not fit the model.
    pub fn validate(
        &mut self,
        model: &Model<F>,
        validation: &Dataset<F>,
        workspace: &mut Workspace<F>,
    ) -> Result<Option<Report>> {
        let reads_report = self.callbacks.reads_report();
        #[cfg(feature = "persist")]
        let reads_report = reads_report || self.best.as_ref().is_some_and(|best| best.reads_report());
        let (losses, report) = match reads_report {
            true => {
                let report = model.evaluate(validation)?;
                (report.tasks().iter().map(TaskReport::loss_if_any).collect(), Some(report))
            }
            false => {
                let trace = workspace
                    .validation
                    .get_or_insert_with(|| model.trace(model.evaluation_rows(validation)));
                let losses = model.mean_losses(validation, trace, |_, _| {})?;
                (losses.into_iter().map(|loss| loss.map(|loss| loss.mean)).collect(), None)
            }
        };
        self.history.validate(losses, &self.own_weights);
        Ok(report)
    }

    /// Whether all steps have been taken, or a callback has ended the training.
    pub fn is_finished(&self) -> bool {
        if self.history.stopped_by().is_some() {
            return true;
        }
        match self.length {
            Length::Steps(steps) => self.history.n_steps() >= steps,
            Length::Epochs(0) => true,
            Length::Epochs(epochs) => self.feed.epoch() + 1 == epochs && self.feed.epoch_finished(),
        }
    }

    /// Whether the last step was the last of its epoch.
    pub fn ends_epoch(&self) -> bool {
        self.feed.epoch_finished()
    }

    /// The optimiser, with its moments.
    pub fn optimizer(&self) -> &Optimizer<F> {
        &self.optimizer
    }

    /// The optimiser, to scale its learning rate. In a run with callbacks [`advance`](Self::advance) sets the
    /// scale to what they ask for, 1 if nothing.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(50, 0.05, 1);
    /// let model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut run = Trainer::new(Adam::new(0.5)).start(&model, &data)?;
    /// run.optimizer_mut().scale_learning_rate(0.25);
    /// assert_eq!((run.optimizer().learning_rate(), run.optimizer().n_parameters()), (0.125, 11));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn optimizer_mut(&mut self) -> &mut Optimizer<F> {
        &mut self.optimizer
    }

    /// The balancing method with what it has learnt, if there is one.
    ///
    /// ```
    /// use polytask::balance::Uncertainty;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let mut model = builder.build::<f32>()?;
    /// let trainer = Trainer::new(Adam::new(0.01)).steps(5);
    /// assert!(trainer.start(&model, &data)?.balancer().is_none());
    /// let mut run = trainer.balance(Uncertainty::new()).start(&model, &data)?;
    /// let mut workspace = run.workspace(&model, None);
    /// run.step(&mut model, &data, &mut workspace)?;
    /// let weights = &run.balancer().expect("it was set").last().shared;
    /// assert_eq!(run.history().weights().row(0).to_vec(), *weights);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn balancer(&self) -> Option<&Balancer> {
        match &self.balancing {
            Balancing::Balance(balancer, _) => Some(balancer),
            Balancing::Fixed(_) | Balancing::Aggregate(_) => None,
        }
    }

    /// What has happened so far.
    pub fn history(&self) -> &History {
        &self.history
    }
}
