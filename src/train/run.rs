//! A training under way.

use super::balancing::{Balancing, Decision};
use super::trainer::{Length, Trainer};
use super::{History, Validation};
use crate::balance::Balancer;
use crate::data::{Dataset, Sampler};
use crate::optim::Optimizer;
use crate::report::evaluation_rows;
use crate::trace::Trace;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// All that a training changes from step to step besides the model: the optimiser's moments, the balance of
/// the tasks, the position in the data, the history.
///
/// What a run works with but need not remember lies in a [`Desk`].
#[derive(Debug)]
pub struct Run<F: Scalar> {
    pub(super) optimizer: Optimizer<F>,
    pub(super) balancing: Balancing,
    pub(super) sampler: Sampler,
    pub(super) history: History,
    pub(super) last: Vec<f64>,
    pub(super) last_weights: Vec<f64>,
    /// How many steps there will be; an estimate where groups of rows make batches uneven.
    n_steps: u64,
    length: Length,
    threads: Option<usize>,
    /// The settings that a run must have in common with the one it takes up.
    #[cfg(feature = "persist")]
    pub(super) settings: std::collections::BTreeMap<String, String>,
}

/// The memory that a run's steps work in: nothing in it outlives a step.
#[derive(Debug)]
pub struct Desk<F: Scalar> {
    trace: Trace<F>,
    gradient: Vec<F>,
    validation: Option<Trace<F>>,
}

/// Where a training stands after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// How many steps were taken.
    pub step: u64,
    /// How many steps there will be.
    pub n_steps: u64,
    /// How many passes over the data were finished.
    pub epoch: u64,
    /// The names of the tasks.
    pub tasks: &'a [String],
    /// The unweighted loss of each task on the last batch, before the update.
    pub losses: &'a [f64],
    /// The weight of each task in the last step, as in [`History::weights`].
    pub weights: &'a [f64],
    /// The last validation, if there was one.
    pub validation: Option<&'a Validation>,
}

impl<F: Scalar> Run<F> {
    pub(super) fn new(trainer: &Trainer, model: &Model<F>, data: &Dataset<F>) -> Result<Self> {
        model.check_trainable(data)?;
        let mut optimizer = Optimizer::from_rule(&*trainer.rule, model.n_parameters())?;
        if let Some(schedule) = &trainer.schedule {
            optimizer = optimizer.schedule(schedule.clone())?;
        }
        if let Some(max_norm) = trainer.clip_norm {
            optimizer = optimizer.clip_norm(max_norm)?;
        }
        let sampler = match trainer.shuffles {
            true => Sampler::shuffled(data, trainer.batch_size, trainer.seed)?,
            false => Sampler::in_order(data, trainer.batch_size)?,
        };
        let per_epoch = data.n_rows().div_ceil(sampler.batch_size()) as u64;
        let n_steps = match trainer.length {
            Length::Steps(steps) => steps,
            Length::Epochs(epochs) => epochs.saturating_mul(per_epoch),
        };
        let names: Vec<_> = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        let balancing = Balancing::new(&trainer.method, trainer.over, model)?;
        Ok(Self {
            optimizer,
            last: vec![0.0; names.len()],
            last_weights: model.loss_weights().shared,
            history: History::new(names, n_steps, balancing.needs().gramian),
            balancing,
            sampler,
            n_steps,
            length: trainer.length,
            threads: trainer.threads,
            #[cfg(feature = "persist")]
            settings: trainer.settings_to_keep(data),
        })
    }

    /// Takes the memory that the run's steps need.
    pub fn desk(&self, model: &Model<F>, validation: Option<&Dataset<F>>) -> Desk<F> {
        let rows = self.sampler.batch_size();
        let threads = match model.network().pays_for_threads(rows) {
            false => 1,
            true => {
                self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
            }
        };
        Desk {
            trace: model.trace(rows).threads(threads),
            gradient: vec![F::ZERO; model.n_parameters()],
            validation: validation.map(|data| model.trace(evaluation_rows(data)).threads(threads)),
        }
    }

    /// One step: the next batch, forward, the weights of the tasks, backward, the update of θ; one more forward
    /// where the balancing method asks what the step did.
    ///
    /// # Errors
    /// If the data does not fit the model, or a loss is not finite; θ is then as it was before the step.
    pub fn step(&mut self, model: &mut Model<F>, data: &Dataset<F>, desk: &mut Desk<F>) -> Result<()> {
        let batch = self.sampler.next_batch(data);
        model.forward(&batch, &mut desk.trace)?;
        self.last.copy_from_slice(desk.trace.losses());
        if let Some(k) = self.last.iter().position(|loss| !loss.is_finite()) {
            let place =
                format!("loss of task {:?} at step {}", self.history.tasks()[k], self.history.n_steps() + 1);
            return Err(Error::new(ErrorKind::Value, place, "a finite number", self.last[k])
                .advise("lower the learning rate, clip the gradient, or standardise the data"));
        }
        let needs = self.balancing.needs();
        let decision = self.balancing.decide(model, &mut desk.trace);
        self.last_weights.copy_from_slice(decision.weights());
        self.history.record(&self.last, &self.last_weights, desk.trace.gramian());
        let (trace, gradient) = (&mut desk.trace, &mut desk.gradient);
        match decision {
            Decision::Sum(weights) if self.optimizer.max_norm().is_none() => {
                let step = self.optimizer.begin(None);
                let (rule, moments) = self.optimizer.parts();
                model.backward_then(trace, weights, gradient, moments, |theta, gradient, moments| {
                    rule.update(&step, theta, gradient, moments);
                });
            }
            Decision::Sum(weights) => {
                model.backward(trace, weights, gradient);
                self.optimizer.step(model.parameters_mut(), gradient);
            }
            Decision::Along { direction, own } => {
                model.backward_along(trace, direction, own, gradient);
                self.optimizer.step(model.parameters_mut(), gradient);
            }
        }
        if needs.losses_after_step {
            model.forward(&batch, trace)?;
            self.balancing.after_step(trace.losses());
        }
        if self.sampler.epoch_finished() {
            self.balancing.end_epoch();
        }
        Ok(())
    }

    /// Evaluates the losses on `validation` and keeps them in the history.
    ///
    /// # Errors
    /// If `validation` does not fit the model.
    pub fn validate(&mut self, model: &Model<F>, validation: &Dataset<F>, desk: &mut Desk<F>) -> Result<()> {
        let trace = desk.validation.get_or_insert_with(|| model.trace(evaluation_rows(validation)));
        let losses = model.mean_losses(validation, trace, |_, _| {})?;
        self.history.validate(losses.into_iter().map(|loss| loss.unwrap_or(0.0)).collect());
        Ok(())
    }

    /// Whether all steps have been taken.
    pub fn is_finished(&self) -> bool {
        match self.length {
            Length::Steps(steps) => self.history.n_steps() >= steps,
            Length::Epochs(0) => true,
            Length::Epochs(epochs) => self.sampler.epoch() + 1 == epochs && self.sampler.epoch_finished(),
        }
    }

    /// Whether the last step was the last of its epoch.
    pub fn ends_epoch(&self) -> bool {
        self.sampler.epoch_finished()
    }

    /// The optimiser, with its moments.
    pub fn optimizer(&self) -> &Optimizer<F> {
        &self.optimizer
    }

    /// The optimiser, to scale its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer<F> {
        &mut self.optimizer
    }

    /// The balancing method with what it has learned, if there is one.
    pub fn balancer(&self) -> Option<&Balancer> {
        match &self.balancing {
            Balancing::Balance(balancer, _) => Some(balancer),
            Balancing::Fixed(_) | Balancing::Aggregate(_) => None,
        }
    }

    /// Where the training stands.
    pub fn progress(&self) -> Progress<'_> {
        Progress {
            step: self.history.n_steps(),
            n_steps: self.n_steps,
            epoch: self.sampler.epoch() + u64::from(self.sampler.epoch_finished()),
            tasks: self.history.tasks(),
            losses: &self.last,
            weights: &self.last_weights,
            validation: self.history.validations().last(),
        }
    }

    /// What happened so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What happened.
    pub fn into_history(self) -> History {
        self.history
    }
}
