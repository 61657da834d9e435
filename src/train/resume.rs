//! What of a run is in a file, and how the run is taken up: a training that was stopped, or killed, goes on as if it
//! never had been.
//!
//! The file is that of a model with the state of its [`Run`] beside the parameters, so
//! [`Model::load`] reads one as well:
//!
//! ```text
//! run.optimizer.0, .1        the moments of the rule            count of steps, scale of the learning rate
//! run.balance.0 …            the lists of Balance::state        their names
//! run.history.losses …       what happened so far               steps of the validations
//! run.last, .last_weights    the last step's losses and weights
//! run.callbacks.0.0 …        the lists of Callback::state      names of callbacks and lists; which had ended it
//! run.best                   the best number of what says which checkpoint is the best   what that is
//! run.controls, .kept        what callbacks asked for, the θ   after how many steps it was kept
//!                            and state that one of them keeps
//!                            epoch and position in it: the order of an epoch is a function of seed and epoch
//!                            what tells the table from another one
//! ```
//! What stands on the right is in the text of the header. Settings are not restored but compared: a user's own
//! function cannot be written to a file, and the trainer at hand has all settings.

use std::collections::BTreeMap;
use std::path::Path;

use super::callback::CallbacksState;
use super::checkpoint::{Checkpoints, steps_in};
use super::data::Data;
use super::feed::{GROUPS, ROWS};
use super::run::Run;
use super::trainer::{Allowed, Trainer};
use crate::balance::State;
use crate::data::{Dataset, Fingerprint, Source};
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Model, Result, Scalar, file};

impl Trainer {
    /// Resumes the training that [`Run::save`] saved: fills `model`, which was built as it was then, and returns the
    /// run. On the same `data` the steps that follow have the bits they would have had without the stop.
    ///
    /// The number of steps or epochs and the number of threads may have changed, and so may what
    /// [`allow_other_rates`](Self::allow_other_rates) allows.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is not whole; [`ErrorKind::Setting`] if another
    /// setting has changed, which the message names; [`ErrorKind::Value`] if `data` is another table, unless
    /// [`allow_other_table`](Self::allow_other_table) allows it; those of [`start`](Self::start) if model or data
    /// do not fit. Nothing is changed then.
    pub fn resume<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &Dataset<F>,
        path: impl AsRef<Path>,
    ) -> Result<Run<F>> {
        self.resume_file(model, &mut Data::Table(data), path.as_ref())
    }

    /// As [`resume`](Self::resume), for a training on a [`Source`], which goes on where it was.
    ///
    /// # Errors
    /// As there, and those of [`Source::seek`]. The source may have been moved then.
    pub fn resume_source<F: Scalar>(
        &self,
        model: &mut Model<F>,
        source: &mut dyn Source<F>,
        path: impl AsRef<Path>,
    ) -> Result<Run<F>> {
        self.resume_file(model, &mut Data::Source(source), path.as_ref())
    }

    fn resume_file<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &mut Data<'_, F>,
        path: &Path,
    ) -> Result<Run<F>> {
        let place = |error: Error| error.within(path.display());
        let bytes = self.agree(file::read(path))?;
        let reader = self.agree(Reader::new(&bytes)).map_err(place)?;
        self.resume_at(model, data, &reader).map_err(place)
    }

    /// The run to take up, if there is any.
    pub(super) fn newest<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &mut Data<'_, F>,
    ) -> Result<Option<Run<F>>> {
        let Some(folder) = &self.resume_from else { return Ok(None) };
        let newest = match self.is_first_rank() {
            true => newest_in(folder),
            false => Ok(None),
        };
        let Some(bytes) = self.share(newest)? else { return Ok(None) };
        let place = |error: Error| error.within(format!("newest checkpoint in {}", folder.display()));
        let reader = self.agree(Reader::new(&bytes)).map_err(place)?;
        self.resume_at(model, data, &reader).map(Some).map_err(place)
    }

    fn resume_at<F: Scalar>(
        &self,
        model: &mut Model<F>,
        data: &mut Data<'_, F>,
        reader: &Reader<'_>,
    ) -> Result<Run<F>> {
        let is_checkpoint = match reader.has_section("run") {
            true => model.check_described_in(reader),
            false => {
                let expected = "a checkpoint of a training";
                Err(Error::new(ErrorKind::File, "header", expected, "a model alone")
                    .advise("load the model and fit it"))
            }
        };
        self.agree(is_checkpoint)?;
        let mut run = data.start(self, model)?;
        let read = run
            .read(model.n_parameters() + model.state().len(), self.allowed, reader)
            .and_then(|()| data.seek(&run))
            .and_then(|()| model.read_weights(reader));
        self.agree(read)?;
        Ok(run)
    }

    /// The settings that change what a step does, by name.
    pub(super) fn settings_to_keep(&self, of_data: Vec<(String, String)>) -> BTreeMap<String, String> {
        let rule = self.rule.settings().into_iter();
        let rule = rule.map(|(name, value)| (format!("{}, {name}", self.rule.name()), format!("{value:?}")));
        let others = [
            ("optimiser", self.rule.name().to_owned()),
            ("schedule", format!("{:?}", self.schedule)),
            ("largest norm", format!("{:?}", self.clip_norm)),
            ("balance", without_solvers(&format!("{:?}", self.method))),
            ("balance over", format!("{:?}", self.over)),
            ("batch size", self.batch_size.to_string()),
            ("batches in a step", self.accumulation.to_string()),
            ("seed", self.seed.to_string()),
            ("shuffles", self.shuffles.to_string()),
        ];
        let blocks = (!self.groups.is_empty()).then(|| (BLOCKS, format!("{:?}", self.groups)));
        let others = others.into_iter().chain(blocks).map(|(name, value)| (name.to_owned(), value));
        rule.chain(others).chain(of_data).collect()
    }
}

/// The bytes of the newest checkpoint in a folder that is whole, if there is any.
fn newest_in(folder: &Path) -> Result<Option<Vec<u8>>> {
    let mut fault = None;
    for (_, path) in steps_in(folder).iter().rev() {
        let bytes = file::read(path)?;
        match Reader::new(&bytes) {
            Ok(_) => return Ok(Some(bytes)),
            // Not whole: a crash of the machine may leave such a file, even if the disk was told to flush.
            Err(error) => fault = fault.or(Some(error.within(path.display()))),
        }
    }
    fault.map_or(Ok(None), Err)
}

/// The settings of a balancing method without the solvers that it works with: what these hold is neither a setting nor
/// learned, and may look different in another version.
fn without_solvers(settings: &str) -> String {
    let mut text = settings.to_owned();
    for solver in ["DualCone", "Eigen", "Fair", "MinNorm"] {
        let head = format!(": {solver} {{");
        while let Some(start) = text.find(&head) {
            let inner = start + head.len();
            let mut depth = 1;
            let end = text[inner..].find(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0
            });
            text.replace_range(start..end.map_or(text.len(), |end| inner + end + 1), &format!(": {solver}"));
        }
    }
    text
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
    /// What identifies the table; checkpoints of earlier versions do not have it.
    #[serde(default)]
    table: Option<String>,
    /// What decided which checkpoint is the best.
    #[serde(default)]
    best_by: Option<String>,
}

impl<F: Scalar> Run<F> {
    /// Saves the model and everything else in this run to one file, from which [`Trainer::resume`] goes on,
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

    /// Saves a checkpoint if it is time for one.
    pub(super) fn keep(&mut self, model: &Model<F>, checkpoints: &Checkpoints) -> Result<()> {
        let is_due = self.is_finished() || checkpoints.is_due(self.history.n_steps(), self.ends_epoch());
        let is_best = self.best.as_ref().is_some_and(|best| best.is_now(&self.history));
        if !(is_due || is_best) {
            return Ok(());
        }
        let kept = match self.writes() {
            true => self.write_checkpoint(model, checkpoints, is_due, is_best),
            false => Ok(()),
        };
        self.agree(kept)
    }

    fn write_checkpoint(
        &self,
        model: &Model<F>,
        checkpoints: &Checkpoints,
        is_due: bool,
        is_best: bool,
    ) -> Result<()> {
        let file = self.written(model)?;
        if is_best {
            checkpoints.save_best(&file)?;
        }
        if is_due {
            checkpoints.save_step(self.history.n_steps(), &file)?;
        }
        Ok(())
    }

    fn written(&self, model: &Model<F>) -> Result<Writer> {
        let mut writer = Writer::new()?;
        model.write(&mut writer)?;
        self.write(&mut writer)?;
        Ok(writer)
    }

    fn write(&self, writer: &mut Writer) -> Result<()> {
        let (state, called) = (self.balancing.state(), self.callbacks.state());
        let best = self.best.as_ref().map(|best| best.state());
        let names = |state: &State| state.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        writer.section(
            "run",
            &Counts {
                settings: self.settings.clone(),
                optimizer_steps: self.optimizer.count(),
                learning_rate_scale: self.optimizer.learning_rate_scale(),
                epoch: self.feed.epoch(),
                position: self.feed.position(),
                balance: names(&state),
                callbacks: called
                    .callbacks
                    .iter()
                    .map(|(name, state)| (name.clone(), names(state)))
                    .collect(),
                kept_at: called.kept.as_ref().map(|kept| kept.0),
                stopped_by: self.history.stopped_by().map(str::to_owned),
                table: Some(self.table.to_text()),
                best_by: best.as_ref().map(|(monitor, _)| monitor.clone()),
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
        if let Some((_, best)) = best {
            writer.tensor("run.best", &[best.len()], best)?;
        }
        writer.tensor("run.last", &[self.last.len()], &self.last)?;
        writer.tensor("run.last_weights", &[self.last_weights.len()], &self.last_weights)?;
        self.history.write(writer)
    }

    /// Moves a run that has just begun to where the one in the file was.
    fn read(&mut self, n_kept: usize, allowed: Allowed, reader: &Reader<'_>) -> Result<()> {
        let counts: Counts = reader.section("run")?;
        self.check_settings(&counts.settings, allowed)?;
        let differs = match &counts.table {
            None => Vec::new(),
            Some(table) => {
                let wrong =
                    || Error::new(ErrorKind::File, "table of the run", "five numbers in base 16", table);
                self.table.differences(&Fingerprint::from_text(table).ok_or_else(wrong)?)
            }
        };
        if !(differs.is_empty() || allowed.other_table) {
            let found = format!("one with other {}", differs.join(" and other "));
            return Err(Error::new(
                ErrorKind::Value,
                "data",
                "the table that the training learnt from",
                found,
            )
            .advise(OTHER_TABLE));
        }
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
        self.check_factors()?;
        // No training gets near; the epoch after the last must be a number too.
        if counts.epoch > 1 << 53 {
            return Err(Error::new(ErrorKind::File, "epoch", "at most 2^53", counts.epoch));
        }
        let is_same = |setting: &str| self.settings.get(setting) == counts.settings.get(setting);
        match differs.is_empty() && is_same(ROWS) && is_same(GROUPS) {
            true => self.feed.seek(counts.epoch, counts.position)?,
            false => {
                let had_ended = counts.settings.get(ROWS) == Some(&counts.position.to_string());
                let position = if had_ended { self.feed.n_rows().unwrap_or(0) } else { 0 };
                self.feed.seek(counts.epoch, position)?;
            }
        }
        self.last = reader.tensor("run.last", &[self.last.len()])?;
        self.last_weights = reader.tensor("run.last_weights", &[self.last_weights.len()])?;
        self.history.read(reader, &self.own_weights)?;
        let list = |_: &String| reader.list("run.best").and_then(check_best);
        let best = counts.best_by.as_ref().map(list).transpose()?;
        if let Some(own) = &mut self.best {
            own.restore(counts.best_by.as_deref().zip(best), &self.history);
        }
        if let Some(name) = counts.stopped_by.filter(|name| !self.callbacks.resumes(name)) {
            self.history.stop(&name);
        }
        Ok(())
    }

    /// Whether learning rate and weights are numbers of `F` with what a file says that they are multiplied by.
    fn check_factors(&self) -> Result<()> {
        let (optimizer, controls) = (&self.optimizer, self.callbacks.controls());
        let rate = optimizer.rule().learning_rate();
        // The factors of schedules go up to 1; of one of your own the next is known.
        let scales = [optimizer.learning_rate_scale(), controls.rate_factor()];
        let rates = scales.iter().map(|&scale| ("learning rate", rate * scale));
        let weights = self.own_weights.iter().enumerate();
        let weights = weights.map(|(k, weight)| ("weight of a task", weight * controls.task_factor(k)));
        let next = [("learning rate", optimizer.learning_rate())];
        for (what, product) in rates.chain(next).chain(weights) {
            if !F::from_f64(product).is_finite() {
                let place = format!("{what} times its factor");
                return Err(Error::new(
                    ErrorKind::File,
                    place,
                    format!("a finite {}", F::NAME),
                    format!("{product:e}"),
                ));
            }
        }
        Ok(())
    }

    fn check_settings(&self, saved: &BTreeMap<String, String>, allowed: Allowed) -> Result<()> {
        let of_rule = format!("{}, ", self.optimizer.rule().name());
        for name in saved.keys().chain(self.settings.keys()) {
            let value = |settings: &BTreeMap<String, String>| {
                settings.get(name).map_or_else(|| "nothing".to_owned(), |value| without_solvers(value))
            };
            let (then, now) = (value(saved), value(&self.settings));
            let is_rate = name.starts_with(&of_rule) || RATES.contains(&name.as_str());
            let (is_allowed, advice) = match name.as_str() {
                _ if is_rate => (allowed.other_rates, OTHER_RATES),
                ROWS | GROUPS => (allowed.other_table, OTHER_TABLE),
                _ => (false, "to go on with other settings, load the model and fit it"),
            };
            if then != now && !is_allowed {
                return Err(
                    Error::new(ErrorKind::Setting, name, format!("{then}, as it was"), now).advise(advice)
                );
            }
        }
        Ok(())
    }
}

/// Settings that concern the optimiser alone, besides those of its rule.
const RATES: [&str; 3] = ["schedule", "largest norm", BLOCKS];
const BLOCKS: &str = "parameter groups";

const OTHER_RATES: &str =
    "`Trainer::allow_other_rates` goes on with the new one; to begin anew with it, load the model and fit it";

const OTHER_TABLE: &str =
    "`Trainer::allow_other_table` goes on with this one; to begin anew on it, load the model and fit it";

/// The best number of a monitor and a count, or nothing before the first validation.
fn check_best(best: Vec<f64>) -> Result<Vec<f64>> {
    match best[..] {
        [] => Ok(best),
        [value, worse] if !value.is_nan() && worse >= 0.0 => Ok(best),
        _ => Err(Error::new(ErrorKind::File, "run.best", "a number and a count", format!("{best:?}"))),
    }
}

/// The lists with these names, which the file holds by number.
fn lists(names: &[String], at: &str, reader: &Reader<'_>) -> Result<State> {
    let list = |(i, name): (usize, &String)| Ok((name.clone(), reader.list(&format!("{at}.{i}"))?));
    names.iter().enumerate().map(list).collect()
}

/// What the callbacks carried.
fn callbacks<F: Scalar>(counts: &Counts, n_kept: usize, reader: &Reader<'_>) -> Result<CallbacksState<F>> {
    let state = |(i, (name, names)): (usize, &(String, Vec<String>))| {
        Ok((name.clone(), lists(names, &format!("run.callbacks.{i}"), reader)?))
    };
    let kept = |step: u64| {
        let kept: Vec<F> = reader.tensor("run.kept", &[n_kept])?;
        match kept.iter().position(|x| !x.is_finite()) {
            None => Ok((step, kept)),
            Some(at) => {
                let place = format!("kept parameters and state, number {at}");
                Err(Error::new(ErrorKind::File, place, "a finite number", kept[at]))
            }
        }
    };
    Ok(CallbacksState {
        callbacks: counts.callbacks.iter().enumerate().map(state).collect::<Result<_>>()?,
        controls: reader.list("run.controls")?,
        kept: counts.kept_at.map(kept).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::without_solvers;

    #[test]
    fn solvers_are_no_settings() {
        let then = "Balance(Mgda { normalisation: Length, solver: MinNorm { quadratic: Q { z: [] } }, divisor: [] })";
        let now = "Balance(Mgda { normalisation: Length, solver: MinNorm { falls: [] }, divisor: [] })";
        assert_eq!(without_solvers(then), without_solvers(now));
        assert_eq!(
            without_solvers(now),
            "Balance(Mgda { normalisation: Length, solver: MinNorm, divisor: [] })"
        );
        let cut = "A { solver: Fair { a: []";
        assert_eq!(without_solvers(cut), "A { solver: Fair");
    }
}
