//! Checkpoints: a training that was stopped, or killed, goes on as if it never had been.
//!
//! A checkpoint is the file of a model with the state of its [`Run`] beside the parameters, so
//! [`Model::load`] reads one as well:
//!
//! ```text
//! run.optimizer.0, .1        the moments of the rule            count of steps, scale of the learning rate
//! run.balance.0 …            the lists of Balance::state        their names
//! run.history.losses …       what happened so far               steps of the validations
//! run.last, .last_weights    the last step's losses and weights
//! run.callbacks.0.0 …        the lists of Callback::state      names of callbacks and lists; which had ended it
//! run.controls, .kept        what callbacks asked for, the θ   after how many steps it was kept
//!                            and state that one of them keeps
//!                            epoch and position in it: the order of an epoch is a function of seed and epoch
//! ```
//! What stands on the right is in the text of the header. Settings are not restored but compared: a function of a
//! person's own cannot be written down, and the trainer at hand has them all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::callback::{CallbacksState, undefined_total};
use super::{Run, Trainer, Validation};
use crate::balance::State;
use crate::data::Dataset;
use crate::persist::{Reader, UNFINISHED, Writer, bytes_of};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// Where and when a training saves itself, and which of the files it keeps.
///
/// A folder belongs to one training. The files are called `step-000000001200.safetensors` by the number of steps
/// taken, and `best.safetensors`. By default at the end of every epoch, and at the end of the
/// training; the last three are kept.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Checkpoints;
///
/// # let folder = std::env::temp_dir().join(format!("polytask-checkpoints-{}", std::process::id()));
/// let data = datasets::robot_arm::<f32>(200, 0.05, 1);
/// let build = || Model::builder(10).trunk([Layer::dense(8, Activation::Relu)]).task(Task::regression("elbow")).build();
/// let trainer = Trainer::new(Adam::new(0.01)).steps(100);
/// let mut model: Model<f32> = build()?;
/// trainer.fit(&mut model, &data)?;
///
/// // The same training, broken off after 60 steps and taken up again.
/// let kept = trainer.checkpoint(Checkpoints::new(&folder).every_steps(10).keep_last(2)).resume_from(&folder);
/// let mut broken_off: Model<f32> = build()?;
/// kept.clone().steps(60).fit(&mut broken_off, &data)?;
/// let mut resumed: Model<f32> = build()?;
/// let history = kept.fit(&mut resumed, &data)?;
/// assert_eq!(resumed.parameters(), model.parameters());
/// assert_eq!(history.n_steps(), 100);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every_steps: Option<u64>,
    keep_last: usize,
    keep_best: bool,
}

impl Checkpoints {
    /// Checkpoints in `folder`, which is made when the first is saved.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every_steps: None, keep_last: 3, keep_best: false }
    }

    /// Saves every `steps` steps, in the middle of an epoch too.
    #[must_use]
    pub fn every_steps(self, steps: u64) -> Self {
        Self { every_steps: Some(steps), ..self }
    }

    /// How many of the latest checkpoints are kept: at least 1.
    #[must_use]
    pub fn keep_last(self, files: usize) -> Self {
        Self { keep_last: files, ..self }
    }

    /// Keeps as `best.safetensors` the checkpoint of the epoch after which [`Validation::total`], the losses on the
    /// validation data summed with the tasks' own weights, was the smallest. A total that is not a number is never
    /// that, and an error at the first validation.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Checkpoints;
    ///
    /// # let folder = std::env::temp_dir().join(format!("polytask-best-{}", std::process::id()));
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let keep = Checkpoints::new(&folder).keep_best();
    /// let trainer = Trainer::new(Adam::new(0.2)).epochs(20).checkpoint(keep);
    /// let history = trainer.fit_validated(&mut model, &train, &held_out)?;
    /// let best = Model::<f32>::load(folder.join("best.safetensors"))?;
    /// let smallest = history.validations().iter().filter_map(|v| v.total).fold(f64::INFINITY, f64::min);
    /// assert_eq!(best.evaluate(&held_out)?["elbow"].loss, smallest);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn keep_best(self) -> Self {
        Self { keep_best: true, ..self }
    }

    fn check(&self, is_validated: bool) -> Result<()> {
        if self.keep_best && !is_validated {
            return Err(Error::new(ErrorKind::Setting, "the best checkpoint", "validation data", "none")
                .advise("train with fit_validated"));
        }
        for (place, found) in [
            ("steps between checkpoints", self.every_steps),
            ("checkpoints to keep", Some(self.keep_last as u64)),
        ] {
            if found == Some(0) {
                return Err(Error::new(ErrorKind::Setting, place, "at least 1", 0));
            }
        }
        Ok(())
    }

    fn after_step<F: Scalar>(&self, run: &Run<F>, model: &Model<F>) -> Result<()> {
        let step = run.history().n_steps();
        let is_due = match self.every_steps {
            Some(every) => step.is_multiple_of(every),
            None => run.ends_epoch(),
        };
        let is_best = self.keep_best && is_best(run)?;
        if !(is_due || is_best || run.is_finished()) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|cause| {
            let place = self.folder.display();
            Error::new(ErrorKind::File, place, "a folder that can be made", &cause).caused_by(cause)
        })?;
        let file = run.written(model)?;
        if is_best {
            file.save(&self.folder.join(BEST))?;
        }
        if is_due || run.is_finished() {
            file.save(&self.folder.join(format!("{STEP}{step:012}{ENDING}")))?;
            self.tidy();
        }
        Ok(())
    }

    /// Removes what is too old and what was never finished. That something could not be removed does no harm to
    /// the training.
    fn tidy(&self) {
        for (_, path) in steps_in(&self.folder).iter().rev().skip(self.keep_last) {
            let _ = fs::remove_file(path);
        }
        for path in files_in(&self.folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(UNFINISHED) && (name.starts_with(STEP) || name.starts_with(BEST)) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

const STEP: &str = "step-";
const BEST: &str = "best.safetensors";
const ENDING: &str = ".safetensors";

/// Whether the last validation was just now, and better than all before. What is undefined is never better, and an error
/// at the first validation.
fn is_best<F: Scalar>(run: &Run<F>) -> Result<bool> {
    let history = run.history();
    let Some((last, before)) = history.validations().split_last() else { return Ok(false) };
    let total = |validation: &Validation| validation.total.filter(|total| !total.is_nan());
    match total(last) {
        _ if last.step != history.n_steps() => Ok(false),
        Some(new) => Ok(before.iter().filter_map(total).all(|other| new < other)),
        None if before.is_empty() => {
            Err(undefined_total("the best checkpoint", history.tasks(), &run.own_weights, last))
        }
        None => Ok(false),
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The checkpoints in a folder by the number of steps, the earliest first.
fn steps_in(folder: &Path) -> Vec<(u64, PathBuf)> {
    let step = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(STEP)?.strip_suffix(ENDING)?.parse().ok()
    };
    let mut found: Vec<(u64, PathBuf)> =
        files_in(folder).into_iter().filter_map(|path| Some((step(&path)?, path))).collect();
    found.sort();
    found
}

/// What a trainer was told of checkpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckpointPolicy {
    checkpoints: Option<Checkpoints>,
    resume_from: Option<PathBuf>,
}

impl CheckpointPolicy {
    /// Whether checkpoints can be kept with these settings.
    pub(super) fn check(&self, is_validated: bool) -> Result<()> {
        self.checkpoints.as_ref().map_or(Ok(()), |checkpoints| checkpoints.check(is_validated))
    }

    /// Saves a checkpoint if it is time for one.
    pub(super) fn after_step<F: Scalar>(&self, run: &Run<F>, model: &Model<F>) -> Result<()> {
        self.checkpoints.as_ref().map_or(Ok(()), |checkpoints| checkpoints.after_step(run, model))
    }
}

impl Trainer {
    /// Saves the training while it goes on.
    #[must_use]
    pub fn checkpoint(mut self, checkpoints: Checkpoints) -> Self {
        self.keeping.checkpoints = Some(checkpoints);
        self
    }

    /// Takes up the training whose [`Checkpoints`] are in `folder`, at the newest that is whole, with model, history
    /// and all; begins at the beginning if there is none. So a program that was killed is simply run again.
    #[must_use]
    pub fn resume_from(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keeping.resume_from = Some(folder.into());
        self
    }

    /// Takes up the training that [`Run::save`] saved: fills `model`, which was built as it was then, and gives the
    /// run. On the same `data` the steps that follow have the bits they would have had without the stop.
    ///
    /// The number of steps or epochs and the number of threads may be others than they were.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is not whole; [`ErrorKind::Setting`] if another
    /// setting is not what it was, which the message names; those of [`start`](Self::start) if model or data
    /// do not fit. Nothing is changed then.
    pub fn resume<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        path: impl AsRef<Path>,
    ) -> Result<Run<F>> {
        let path = path.as_ref();
        let bytes = bytes_of(path)?;
        Reader::new(&bytes)
            .and_then(|reader| self.resume_at(model, data, &reader))
            .map_err(|error| error.within(path.display()))
    }

    /// The run to take up, if there is any.
    pub(super) fn newest<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
    ) -> Result<Option<Run<F>>> {
        let Some(folder) = &self.keeping.resume_from else { return Ok(None) };
        let mut fault = None;
        for (_, path) in steps_in(folder).iter().rev() {
            let place = |error: Error| error.within(path.display());
            let bytes = bytes_of(path)?;
            match Reader::new(&bytes) {
                Ok(reader) => return self.resume_at(model, data, &reader).map(Some).map_err(place),
                // Not whole: what a crash of the machine may leave of a file, whatever was asked of its disk.
                Err(error) => fault = fault.or(Some(place(error))),
            }
        }
        fault.map_or(Ok(None), Err)
    }

    fn resume_at<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        reader: &Reader<'_>,
    ) -> Result<Run<F>> {
        if !reader.has_section("run") {
            return Err(Error::new(ErrorKind::File, "header", "a checkpoint of a training", "a model alone")
                .advise("load the model and fit it"));
        }
        model.check_described_in(reader)?;
        let mut run = self.start(model, data)?;
        run.read(model.n_parameters() + model.state().len(), reader)?;
        model.read_weights(reader)?;
        Ok(run)
    }

    /// The settings that change what a step does, by name.
    pub(super) fn settings_to_keep<F: Scalar>(&self, data: &Dataset<F>) -> BTreeMap<String, String> {
        let rule = self.rule.settings().into_iter();
        let rule = rule.map(|(name, value)| (format!("{}, {name}", self.rule.name()), format!("{value:?}")));
        let others = [
            ("optimiser", self.rule.name().to_owned()),
            ("schedule", format!("{:?}", self.schedule)),
            ("largest norm", format!("{:?}", self.clip_norm)),
            ("balance", format!("{:?}", self.method)),
            ("balance over", format!("{:?}", self.over)),
            ("batch size", self.batch_size.to_string()),
            ("batches in a step", self.accumulation.to_string()),
            ("seed", self.seed.to_string()),
            ("shuffles", self.shuffles.to_string()),
            ("rows of the data", data.n_rows().to_string()),
        ];
        rule.chain(others.into_iter().map(|(name, value)| (name.to_owned(), value))).collect()
    }
}

/// The part of a run's state that is in the text of the header.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    settings: BTreeMap<String, String>,
    optimizer_steps: u64,
    learning_rate_scale: f64,
    epoch: u64,
    position: usize,
    balance: Vec<String>,
    callbacks: Vec<(String, Vec<String>)>,
    kept_at: Option<u64>,
    /// The callback that had ended the training.
    #[serde(default)]
    stopped_by: Option<String>,
}

impl<F: Scalar> Run<F> {
    /// Saves the model and all that this run has beside it to one file, from which [`Trainer::resume`] goes on,
    /// bit for bit. The old file is kept until the new one is whole ([`Model::save`]).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(200, 0.05, 1);
    /// let trainer = Trainer::new(Adam::new(0.01)).steps(20);
    /// let build = || Model::builder(10).task(Task::regression("elbow")).build::<f32>();
    /// # let path = std::env::temp_dir().join(format!("polytask-run-{}.safetensors", std::process::id()));
    /// let mut model = build()?;
    /// let mut run = trainer.start(&model, &data)?;
    /// let mut workspace = run.workspace(&model, None);
    /// for step in 0..20 {
    ///     if step == 13 {
    ///         run.save(&model, &path)?;
    ///     }
    ///     run.step(&mut model, &data, &mut workspace)?;
    /// }
    ///
    /// let mut resumed = build()?;
    /// let mut run = trainer.resume(&mut resumed, &data, &path)?;
    /// while !run.is_finished() {
    ///     run.step(&mut resumed, &data, &mut workspace)?;
    /// }
    /// assert_eq!(resumed.parameters(), model.parameters());
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a parameter is not a finite number, [`ErrorKind::File`] if the file cannot be
    /// written.
    pub fn save(&self, model: &Model<F>, path: impl AsRef<Path>) -> Result<()> {
        self.written(model)?.save(path.as_ref())
    }

    fn written(&self, model: &Model<F>) -> Result<Writer> {
        let mut writer = Writer::new()?;
        model.write(&mut writer)?;
        self.write(&mut writer)?;
        Ok(writer)
    }

    fn write(&self, writer: &mut Writer) -> Result<()> {
        let (state, called) = (self.balancing.state(), self.callbacks.state());
        let names = |state: &State| state.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        writer.section(
            "run",
            &Counts {
                settings: self.settings.clone(),
                optimizer_steps: self.optimizer.count(),
                learning_rate_scale: self.optimizer.learning_rate_scale(),
                epoch: self.sampler.epoch(),
                position: self.sampler.position(),
                balance: names(&state),
                callbacks: called
                    .callbacks
                    .iter()
                    .map(|(name, state)| (name.clone(), names(state)))
                    .collect(),
                kept_at: called.kept.as_ref().map(|kept| kept.0),
                stopped_by: self.history.stopped_by().map(str::to_owned),
            },
        )?;
        for (i, moment) in self.optimizer.moments().iter().enumerate() {
            if let Some(at) = moment.iter().position(|x| !x.is_finite()) {
                let place = format!("moment {i} of the optimiser, number {at}");
                return Err(Error::new(ErrorKind::Value, place, "a finite number", moment[at]));
            }
            writer.tensor(format!("run.optimizer.{i}"), &[moment.len()], moment)?;
        }
        for (i, (_, list)) in state.iter().enumerate() {
            writer.tensor(format!("run.balance.{i}"), &[list.len()], list)?;
        }
        for (i, (_, state)) in called.callbacks.iter().enumerate() {
            for (j, (_, list)) in state.iter().enumerate() {
                writer.tensor(format!("run.callbacks.{i}.{j}"), &[list.len()], list)?;
            }
        }
        writer.tensor("run.controls", &[called.controls.len()], &called.controls)?;
        if let Some((_, kept)) = &called.kept {
            writer.tensor("run.kept", &[kept.len()], kept)?;
        }
        writer.tensor("run.last", &[self.last.len()], &self.last)?;
        writer.tensor("run.last_weights", &[self.last_weights.len()], &self.last_weights)?;
        self.history.write(writer)
    }

    /// Brings a run that has just begun to where the one in the file was.
    fn read(&mut self, n_kept: usize, reader: &Reader<'_>) -> Result<()> {
        let counts: Counts = reader.section("run")?;
        self.check_settings(&counts.settings)?;
        let moments = self.optimizer.moments();
        let read = |i: usize| reader.tensor::<F>(&format!("run.optimizer.{i}"), &[moments[i].len()]);
        let (first, second) = (read(0)?, read(1)?);
        self.optimizer.restore([&first, &second], counts.optimizer_steps)?;
        let scale = counts.learning_rate_scale;
        if !(scale.is_finite() && scale > 0.0) {
            let place = "scale of the learning rate";
            return Err(Error::new(ErrorKind::File, place, "a finite number above 0", scale));
        }
        self.optimizer.scale_learning_rate(scale);
        self.balancing.restore(&lists(&counts.balance, "run.balance", reader)?)?;
        self.callbacks.restore(&callbacks(&counts, n_kept, reader)?, n_kept)?;
        // No training gets near; the epoch after the last must be a number too.
        if counts.epoch > 1 << 53 {
            return Err(Error::new(ErrorKind::File, "epoch", "at most 2^53", counts.epoch));
        }
        self.sampler.seek(counts.epoch, counts.position)?;
        self.last = reader.tensor("run.last", &[self.last.len()])?;
        self.last_weights = reader.tensor("run.last_weights", &[self.last_weights.len()])?;
        self.history.read(reader, &self.own_weights)?;
        if let Some(name) = counts.stopped_by.filter(|name| !self.callbacks.resumes(name)) {
            self.history.stop(&name);
        }
        Ok(())
    }

    fn check_settings(&self, saved: &BTreeMap<String, String>) -> Result<()> {
        let none = "nothing".to_owned();
        for name in saved.keys().chain(self.settings.keys()) {
            let (then, now) = (saved.get(name).unwrap_or(&none), self.settings.get(name).unwrap_or(&none));
            if then != now {
                return Err(Error::new(ErrorKind::Setting, name, format!("{then}, as it was"), now)
                    .advise("to go on with other settings, load the model and fit it"));
            }
        }
        Ok(())
    }
}

/// The lists of these names, which are in the file by number.
fn lists(names: &[String], at: &str, reader: &Reader<'_>) -> Result<State> {
    let list = |(i, name): (usize, &String)| Ok((name.clone(), reader.list(&format!("{at}.{i}"))?));
    names.iter().enumerate().map(list).collect()
}

/// What the callbacks carried.
fn callbacks<F: Scalar>(counts: &Counts, n_kept: usize, reader: &Reader<'_>) -> Result<CallbacksState<F>> {
    let state = |(i, (name, names)): (usize, &(String, Vec<String>))| {
        Ok((name.clone(), lists(names, &format!("run.callbacks.{i}"), reader)?))
    };
    let kept = |step: u64| Ok((step, reader.tensor("run.kept", &[n_kept])?));
    Ok(CallbacksState {
        callbacks: counts.callbacks.iter().enumerate().map(state).collect::<Result<_>>()?,
        controls: reader.list("run.controls")?,
        kept: counts.kept_at.map(kept).transpose()?,
    })
}
