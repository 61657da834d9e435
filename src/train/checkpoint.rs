//! Checkpoints: where and when a training saves itself, and which of the files are kept.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::History;
use super::callback::{Event, Monitor, improves};
use super::progress::Progress;
use crate::file::UNFINISHED;
use crate::persist::Writer;
use crate::{Error, ErrorKind, Result};

/// Where and when a training saves itself, and which of the files it keeps.
///
/// The files are called `step-000000001200.safetensors` by the number of steps taken, and `best.safetensors`. By default
/// at the end of every epoch, and at the end of the training; the last three are kept.
///
/// A folder belongs to one training, which removes nothing in it but its own older files. A training does not start if
/// there are checkpoints in the folder already, unless it resumes from it ([`Trainer::resume_from`]), nor while another
/// training, in this program or in another, saves to it. The empty file `.lock` in it marks that: the system releases
/// the lock when the program that holds it ends, so the file may stay.
///
/// [`Trainer::resume_from`]: crate::Trainer::resume_from
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
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    folder: PathBuf,
    every_steps: Option<u64>,
    keep_last: usize,
    best: Option<Monitor>,
}

impl Checkpoints {
    /// Checkpoints in `folder`, which is made when the training starts.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every_steps: None, keep_last: 3, best: None }
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

    /// Keeps as `best.safetensors` the checkpoint of the epoch after which
    /// [`Validation::total`](super::Validation::total), the losses on the validation data summed with the tasks' own
    /// weights, was the smallest. A total that is not a number is never the smallest, and an error at the first validation.
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
        self.keep_best_by(Monitor::Total)
    }

    /// Keeps as `best.safetensors` the checkpoint of the epoch after which another number of a validation was the best. An
    /// undefined number is never the best, and an error at the first validation. A training that is resumed with
    /// another monitor compares from then on.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Checkpoints;
    /// use polytask::train::callback::Monitor;
    ///
    /// # let folder = std::env::temp_dir().join(format!("polytask-best-by-{}", std::process::id()));
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let mut model = builder.standardize().build::<f32>()?;
    /// let monitor = Monitor::average([("shoulder", "r2", 1.0), ("elbow", "r2", 2.0)]);
    /// let trainer = Trainer::new(Adam::new(0.2)).epochs(20).checkpoint(Checkpoints::new(&folder).keep_best_by(monitor));
    /// trainer.fit_validated(&mut model, &train, &held_out)?;
    /// let r2 = |model: &Model<f32>| -> polytask::Result<Option<f64>> {
    ///     let terms = [("shoulder", "r2", 1.0), ("elbow", "r2", 2.0)];
    ///     Ok(model.evaluate(&held_out)?.average(&terms)?.value)
    /// };
    /// assert!(r2(&Model::load(folder.join("best.safetensors"))?)? >= r2(&model)?);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn keep_best_by(self, monitor: Monitor) -> Self {
        Self { best: Some(monitor), ..self }
    }

    /// What decides which checkpoint is the best, if that is kept.
    pub(super) fn best(&self) -> Option<Best> {
        let monitor = self.best.clone()?;
        Some(Best { monitor, best: Vec::new(), is_new: false })
    }

    /// Whether checkpoints can be kept with these settings.
    pub(super) fn check(&self, is_validated: bool) -> Result<()> {
        if self.best.is_some() && !is_validated {
            return Err(Error::new(ErrorKind::Setting, BEST_PLACE, "validation data", "none")
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

    /// Takes the folder for a training that resumes from `resumed`, until the claim is dropped.
    pub(super) fn claim(&self, resumed: Option<&Path>) -> Result<Claim> {
        let fault = |path: &Path, expected: &str, cause: std::io::Error| {
            Error::new(ErrorKind::File, path.display(), expected, &cause).caused_by(cause)
        };
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(|cause| fault(folder, "a folder that can be made", cause))?;
        let path = folder.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|cause| fault(&path, "a file that can be written", cause))?;
        let taken = |expected: &str, found: String, advice: &str| {
            Err(Error::new(ErrorKind::File, folder.display(), expected, found).advise(advice))
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let found = "one that another training saves to".to_owned();
                return taken("a folder for this training alone", found, "give every training its own");
            }
            // Without a lock two trainings could remove each other's files.
            Err(TryLockError::Error(cause)) => {
                return Err(fault(&path, "a file that can be locked", cause)
                    .advise("keep checkpoints on another file system, or save them with Run::save"));
            }
        }
        let is_resumed = resumed.is_some_and(|resumed| is_same(resumed, folder));
        let best = Some(folder.join(BEST)).filter(|best| best.exists());
        let kept = steps_in(folder).into_iter().map(|(_, path)| path).chain(best).next();
        match kept {
            Some(kept) if !is_resumed => {
                let found = kept.file_name().unwrap_or_default().display().to_string();
                let advice = "Trainer::resume_from this folder goes on with that training; \
                              for a new one choose another folder, or remove the files";
                taken("a folder without checkpoints of another training", format!("`{found}`"), advice)
            }
            _ => Ok(Claim { _lock: lock }),
        }
    }

    /// Whether it is time for the checkpoint of a step, but for the last, which is always saved.
    pub(super) fn is_due(&self, step: u64, ends_epoch: bool) -> bool {
        self.every_steps.map_or(ends_epoch, |every| step.is_multiple_of(every))
    }

    /// Saves a run's file as the best.
    pub(super) fn save_best(&self, file: &Writer) -> Result<()> {
        self.save(BEST, file)
    }

    /// Saves a run's file as that of a step, and removes what is too old.
    pub(super) fn save_step(&self, step: u64, file: &Writer) -> Result<()> {
        self.save(&name_of(step), file)?;
        self.tidy();
        Ok(())
    }

    fn save(&self, name: &str, file: &Writer) -> Result<()> {
        file.save(&self.folder.join(name))
    }

    /// Removes what is too old and what was never finished, if its name is one that a training uses. A file
    /// that cannot be removed does no harm to the training.
    fn tidy(&self) {
        let is_own = |step: u64, path: &Path| path.ends_with(name_of(step));
        let own = steps_in(&self.folder).into_iter().filter(|(step, path)| is_own(*step, path));
        for (_, path) in own.rev().skip(self.keep_last) {
            let _ = fs::remove_file(path);
        }
        // No other training writes here, and this one has written all.
        for path in files_in(&self.folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let of = name.strip_suffix(UNFINISHED).and_then(|name| Some(name.rsplit_once('.')?.0));
            if of.is_some_and(|of| of == BEST || step_in(of).is_some_and(|step| of == name_of(step))) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Which checkpoint has been the best so far.
#[derive(Clone, Debug)]
pub(super) struct Best {
    monitor: Monitor,
    /// The best number, and how many validations since then were not better; empty before the first.
    best: Vec<f64>,
    /// Whether the last validation was better than all before.
    is_new: bool,
}

impl Best {
    /// Takes note of a validation. An undefined number is never better, and an error at the first validation.
    pub(super) fn on(&mut self, event: Event, at: &Progress<'_>) -> Result<()> {
        match event {
            Event::Start => self.monitor.check(BEST_PLACE, at)?,
            Event::Validation => {
                let value = match self.best.is_empty() {
                    true => self.monitor.first_value(BEST_PLACE, at)?,
                    false => self.monitor.value(BEST_PLACE, at)?,
                };
                self.is_new = improves(&mut self.best, value, 0.0);
            }
            Event::Step | Event::Epoch | Event::End => {}
        }
        Ok(())
    }

    pub(super) fn reads_report(&self) -> bool {
        self.monitor.reads_report()
    }

    /// Whether the training, whose last validation was just now, is better than ever before.
    pub(super) fn is_now(&self, history: &History) -> bool {
        self.is_new && history.validations().last().is_some_and(|last| last.step == history.n_steps())
    }

    /// What is monitored, as a text, and the best of it.
    pub(super) fn state(&self) -> (String, &[f64]) {
        (format!("{:?}", self.monitor), &self.best)
    }

    /// Restores what [`state`](Self::state) returned, if it is of the same monitor. Earlier versions kept nothing, and knew
    /// only the monitors that a history holds.
    pub(super) fn restore(&mut self, state: Option<(&str, Vec<f64>)>, history: &History) {
        match state {
            Some((monitor, best)) if monitor == self.state().0 => self.best = best,
            Some(_) => {}
            None => {
                for validation in history.validations() {
                    improves(&mut self.best, self.monitor.value_in(validation, history.tasks()), 0.0);
                }
            }
        }
    }
}

const BEST_PLACE: &str = "the best checkpoint";

/// A folder that one training has to itself.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

const LOCK: &str = ".lock";
const STEP: &str = "step-";
const BEST: &str = "best.safetensors";
const ENDING: &str = ".safetensors";

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The name of the checkpoint of a step.
fn name_of(step: u64) -> String {
    format!("{STEP}{step:012}{ENDING}")
}

/// The step in the name of a checkpoint, also in one that a person has written.
fn step_in(name: &str) -> Option<u64> {
    name.strip_prefix(STEP)?.strip_suffix(ENDING)?.parse().ok()
}

/// Whether two paths, of which the second is there, lead to the same folder.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The checkpoints in a folder by the number of steps, the earliest first.
pub(super) fn steps_in(folder: &Path) -> Vec<(u64, PathBuf)> {
    let step = |path: &PathBuf| step_in(path.file_name()?.to_str()?);
    let mut found: Vec<(u64, PathBuf)> =
        files_in(folder).into_iter().filter_map(|path| Some((step(&path)?, path))).collect();
    found.sort();
    found
}
