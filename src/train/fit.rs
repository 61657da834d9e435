//! Training from start to end with a trainer's settings, and starting a run to take the steps yourself.

use super::trainer::Trainer;
use super::{History, Run};
use crate::data::Dataset;
use crate::{Error, ErrorKind, Model, Result, Scalar};

impl Trainer {
    /// Trains `model` on `data` until the last step, or until a callback stops it, and returns the history.
    ///
    /// # Errors
    /// - [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting is outside its range.
    /// - The errors of [`Run::step`] if the data does not fit the model, or a loss or a gradient is no longer
    ///   finite. The model then has the parameters from before that step.
    /// - The errors of callbacks.
    /// - [`ErrorKind::File`](crate::ErrorKind::File) if a checkpoint cannot be written or read, or the folder for
    ///   them belongs to another training (`Checkpoints`).
    pub fn fit<F: Scalar>(&self, model: &mut Model<F>, data: &Dataset<F>) -> Result<History> {
        F::fit(self, model, data, None)
    }

    /// Like [`fit`](Self::fit), and also evaluates the losses on `validation` after every epoch.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(3);
    /// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
    /// assert_eq!(history.validations().iter().map(|v| v.step).collect::<Vec<_>>(), [4, 8, 12]);
    /// assert_eq!(history.validations()[2].losses, [Some(model.evaluate(&held_out)?["elbow"].loss)]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_validated<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: &Dataset<F>,
    ) -> Result<History> {
        F::fit(self, model, data, Some(validation))
    }

    pub(crate) fn run<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        #[cfg(feature = "persist")]
        let _claim = match &self.checkpoints {
            Some(checkpoints) => {
                checkpoints.check(validation.is_some())?;
                Some(checkpoints.claim(self.resume_from.as_deref())?)
            }
            None => None,
        };
        let mut run = self.begin(model, data)?;
        model.fit_scaling(data)?;
        let mut workspace = run.workspace(model, validation);
        while !run.is_finished() {
            run.advance(model, data, validation, &mut workspace)?;
            #[cfg(feature = "persist")]
            if let Some(checkpoints) = &self.checkpoints {
                run.keep(model, checkpoints)?;
            }
        }
        run.end(model, validation.is_some())
    }

    /// Starts a run whose steps are taken one by one by `whom`, and fits the model's scaling.
    pub(crate) fn start_bare<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        whom: &str,
    ) -> Result<Run<F>> {
        if !self.callbacks.is_empty() || self.has_folder() {
            let place = format!("{whom}, trainer");
            return Err(Error::new(ErrorKind::Setting, place, "no callbacks and no checkpoints", "some"));
        }
        let run = self.start(model, data)?;
        model.fit_scaling(data)?;
        Ok(run)
    }

    /// Starts a run, or resumes the one given to [`resume_from`](Self::resume_from).
    fn begin<F: Scalar>(&self, model: &mut Model<F>, data: &Dataset<F>) -> Result<Run<F>> {
        #[cfg(feature = "persist")]
        if let Some(run) = self.newest(model, data)? {
            return Ok(run);
        }
        self.start(model, data)
    }

    /// Checks the settings and begins a run, without taking a step.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting is outside its range;
    /// [`Shape`](crate::ErrorKind::Shape), [`Name`](crate::ErrorKind::Name) or [`Value`](crate::ErrorKind::Value) if the
    /// data does not fit the model, or has no label for a task with a loss.
    pub fn start<F: Scalar>(&self, model: &Model<F>, data: &Dataset<F>) -> Result<Run<F>> {
        F::start(self, model, data)
    }

    pub(crate) fn start_here<F: Scalar>(&self, model: &Model<F>, data: &Dataset<F>) -> Result<Run<F>> {
        self.check()?;
        Run::new(self, model, data)
    }
}
