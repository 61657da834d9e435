//! Training from start to end with a trainer's settings, and starting a run to take the steps yourself.

#[cfg(feature = "persist")]
use super::checkpoint::Claim;
use super::data::Data;
use super::trainer::Trainer;
use super::{History, Run};
use crate::data::{Dataset, Source};
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

    /// Trains `model` on batches of any [`Source`], such as a file that is larger than memory, until the last step, or until
    /// a callback stops it, and returns the history. If there is `validation`, its losses are evaluated after every epoch.
    ///
    /// What [`Model::fit_scaling_from`] fits is fitted first. The steps are those of [`fit`](Self::fit), in the order of the
    /// source; checkpoints know the place in it.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(200, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).standardize().build::<f32>()?;
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(3);
    /// let history = trainer.fit_source(&mut model, &mut train.source(), Some(&held_out))?;
    /// assert_eq!((history.n_steps(), history.validations().len()), (24, 3));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and those of the source. What a batch holds is checked when it comes.
    pub fn fit_source<F: Scalar>(
        &self,
        model: &mut Model<F>,
        source: &mut dyn Source<F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        F::fit_source(self, model, source, validation)
    }

    pub(crate) fn run<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        self.run_on(model, &mut Data::Table(data), validation)
    }

    pub(crate) fn run_source<F: Scalar>(
        &self,
        model: &mut Model<F>,
        source: &mut dyn Source<F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        self.run_on(model, &mut Data::Source(source), validation)
    }

    fn run_on<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &mut Data<'_, F>,
        validation: Option<&Dataset<F>>,
    ) -> Result<History> {
        #[cfg(feature = "persist")]
        let _claim = self.agree(self.claim(validation.is_some()))?;
        let mut run = self.begin(model, data)?;
        let fitted = data.fit_scaling(model, &run);
        run.agree(fitted)?;
        run.share_start(model)?;
        let mut workspace = run.workspace(model, validation);
        while !run.is_finished() {
            data.advance(&mut run, model, validation, &mut workspace)?;
            #[cfg(feature = "persist")]
            if let Some(checkpoints) = &self.checkpoints {
                run.keep(model, checkpoints)?;
            }
        }
        let ended = run.end(model, validation.is_some());
        self.agree(ended)
    }

    /// Takes the folder for checkpoints, if there is one; of several ranks, the first does.
    #[cfg(feature = "persist")]
    fn claim(&self, is_validated: bool) -> Result<Option<Claim>> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(None) };
        checkpoints.check(is_validated)?;
        match self.is_first_rank() {
            true => checkpoints.claim(self.resume_from.as_deref()).map(Some),
            false => Ok(None),
        }
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
        if self.has_ranks() {
            let place = format!("{whom}, trainer");
            return Err(Error::new(ErrorKind::Setting, place, "one process", "ranks")
                .advise("leave Trainer::ranks out of this trainer"));
        }
        let run = self.start(model, data)?;
        model.fit_scaling(data)?;
        Ok(run)
    }

    /// Starts a run, or resumes the one given to [`resume_from`](Self::resume_from).
    fn begin<F: Scalar>(&self, model: &mut Model<F>, data: &mut Data<'_, F>) -> Result<Run<F>> {
        #[cfg(feature = "persist")]
        if let Some(run) = self.newest(model, data)? {
            return Ok(run);
        }
        data.start(self, model)
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
        Data::Table(data).start(self, model)
    }

    /// As [`start`](Self::start), for steps on a [`Source`], which is put to its beginning: [`Run::step_from`] takes them.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(100, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut source = data.source();
    /// let mut run = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(1).start_source(&model, &mut source)?;
    /// let mut workspace = run.workspace(&model, None);
    /// while !run.is_finished() {
    ///     run.step_from(&mut model, &mut source, &mut workspace)?;
    /// }
    /// assert_eq!(run.history().n_steps(), 5);
    /// assert!(run.step(&mut model, &data, &mut workspace).is_err()); // it was started on a source
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and those of the source.
    pub fn start_source<F: Scalar>(&self, model: &Model<F>, source: &mut dyn Source<F>) -> Result<Run<F>> {
        Data::Source(source).start(self, model)
    }
}
