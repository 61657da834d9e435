//! A training under way.

use super::trainer::{Length, Trainer};
use super::{History, Validation};
use crate::balance::Weights;
use crate::data::{Dataset, Sampler};
use crate::optim::{Optimizer, global_norm};
use crate::report::evaluation_rows;
use crate::trace::Trace;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// All that a training changes from step to step besides the model: the optimiser's moments, the weights of the
/// tasks, the position in the data, the history.
///
/// What a run works with but need not remember lies in a [`Desk`].
#[derive(Debug)]
pub struct Run<F: Scalar> {
    optimizer: Optimizer<F>,
    weights: Weights,
    sampler: Sampler,
    history: History,
    last: Vec<f64>,
    /// How many steps there will be; an estimate where groups of rows make batches uneven.
    n_steps: u64,
    length: Length,
    threads: Option<usize>,
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
        let names = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        Ok(Self {
            optimizer,
            weights: model.loss_weights(),
            last: vec![0.0; model.tasks().len()],
            history: History::new(names, n_steps),
            sampler,
            n_steps,
            length: trainer.length,
            threads: trainer.threads,
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

    /// One step: the next batch, forward, the weights of the tasks, backward, the update of θ.
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
        if self.optimizer.max_norm().is_some() {
            model.backward(&mut desk.trace, &self.weights, &mut desk.gradient);
            let norm = global_norm(&desk.gradient);
            let step = self.optimizer.begin(Some(norm));
            let all = 0..desk.gradient.len();
            self.optimizer.update(&step, all, model.parameters_mut(), &desk.gradient);
        } else {
            let step = self.optimizer.begin(None);
            let (rule, moments) = self.optimizer.parts();
            model.backward_then(
                &mut desk.trace,
                &self.weights,
                &mut desk.gradient,
                moments,
                |theta, gradient, moments| {
                    rule.update(&step, theta, gradient, moments);
                },
            );
        }
        self.history.record(&self.last);
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

    /// Where the training stands.
    pub fn progress(&self) -> Progress<'_> {
        Progress {
            step: self.history.n_steps(),
            n_steps: self.n_steps,
            epoch: self.sampler.epoch() + u64::from(self.sampler.epoch_finished()),
            tasks: self.history.tasks(),
            losses: &self.last,
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
