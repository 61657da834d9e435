//! The jobs: each trains one contender in one fold and predicts the rows held out.
//!
//! Jobs are begun fold by fold, all contenders of a fold before the next. What fails in a job is its result, so that the
//! others go on; what fails around it (a file that cannot be written) ends the run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ndarray::Array2;

use super::contender::{Contender, Planned};
use super::curve::{HeldOutLosses, joined};
#[cfg(feature = "persist")]
use super::kept::{Kept, read_job, written};
use super::report::TogetherReport;
#[cfg(feature = "persist")]
use super::trained::JobResult;
use super::trained::Trained;
use super::{Observer, TOGETHER, TogetherOrApart};
use crate::data::{Dataset, Fold};
use crate::kernel::run_jobs;
#[cfg(feature = "persist")]
use crate::ranks::run_jobs_over;
use crate::train::callback::{Interrupt, around_several};
use crate::validation::in_f64;
use crate::{Error, ErrorKind, Model, Result, Scalar, Trainer};

/// One job that is done: see [`TogetherOrApart::run_observed`].
///
/// ```
/// use polytask::prelude::*;
/// use polytask::together::TogetherOrApart;
/// use polytask::validation::CrossValidation;
/// use std::ops::ControlFlow;
///
/// let data = datasets::robot_arm::<f32>(40, 0.05, 1);
/// let mut lines = Vec::new();
/// TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
///     .hidden([4])
///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2))
///     .folds(CrossValidation::new(2))
///     .run_observed(&data, |job| {
///         assert!(job.failure.is_none() && !job.was_kept);
///         lines.push(format!("{}/{} {} repeat {} fold {}", job.n_done, job.n_jobs, job.contender, job.repeat, job.fold));
///         ControlFlow::Continue(())
///     })?;
/// assert_eq!(lines[..2], ["1/4 apart repeat 0 fold 0", "2/4 together repeat 0 fold 0"]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobReport<'a> {
    /// The contender.
    pub contender: &'a str,
    /// The repeat, from 0.
    pub repeat: usize,
    /// The fold of the repeat, from 0.
    pub fold: usize,
    /// How many jobs are done, with this one.
    pub n_done: usize,
    /// How many there are.
    pub n_jobs: usize,
    /// Whether it had been done before and was kept in the folder.
    pub was_kept: bool,
    /// What went wrong in training, if something did.
    pub failure: Option<&'a str>,
}

impl TogetherOrApart {
    pub(crate) fn run_here<F: Scalar>(
        &self,
        data: &Dataset<F>,
        observe: &mut Observer<'_>,
    ) -> Result<TogetherReport> {
        let contenders = self.contenders::<F>(data.n_features())?;
        let cut = self.folds.cut_rows(data)?;
        self.check_on(data, &contenders)?;
        #[cfg(feature = "persist")]
        let kept = self.folder.as_deref().map(|folder| Kept::open(folder, data)).transpose()?;
        let n_jobs = contenders.len() * cut.folds.len();
        let (is_stopped, n_done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let observe = Mutex::new(observe);
        let around_all = around_several(self.trainer.callbacks());
        let work = |job: usize| {
            if is_stopped.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let (at, contender) = (job / contenders.len(), &contenders[job % contenders.len()]);
            let place = cut.place(at);
            let (models, trainer) = contender.of_fold(place.seed)?;
            let fold = &cut.folds[at];
            let train = || match self.train(&models, &trainer, data, fold, place.seed) {
                Ok(trained) => trained.map(Ok),
                Err(error) => Some(Err(error.to_string())),
            };
            #[cfg(not(feature = "persist"))]
            let done = train().map(|result| (result, false));
            #[cfg(feature = "persist")]
            let done = match &kept {
                None => train().map(|result| (result, false)),
                Some(kept) => {
                    let job = self.identity::<F>(contender.name, &models, &trainer, fold);
                    kept.read_or(&job, self.tasks.len(), train)?
                }
            };
            let Some((result, was_kept)) = done else {
                is_stopped.store(true, Ordering::Relaxed);
                return Ok(None);
            };
            let mut observe = observe.lock().unwrap_or_else(PoisonError::into_inner);
            let report = JobReport {
                contender: contender.name,
                repeat: place.repeat,
                fold: place.fold,
                n_done: n_done.fetch_add(1, Ordering::Relaxed) + 1,
                n_jobs,
                was_kept,
                failure: result.as_ref().err().map(String::as_str),
            };
            // The callback that says stop is the last that is told.
            if !is_stopped.load(Ordering::Relaxed) && observe(&report).is_break() {
                is_stopped.store(true, Ordering::Relaxed);
            }
            Ok(Some(result))
        };
        #[cfg(feature = "persist")]
        let results = match &cut.ranks {
            None => run_jobs(n_jobs, cut.threads, work)?,
            Some(ranks) => {
                // What was interrupted has no bytes.
                let to_bytes = |result: &Option<JobResult>| match result {
                    None => Ok(Vec::new()),
                    Some(result) => written("", "", result)?.bytes(),
                };
                let from_bytes = |bytes: &[u8]| match bytes {
                    [] => Ok(None),
                    bytes => read_job(bytes, "", "", self.tasks.len()).map(Some),
                };
                run_jobs_over(ranks, n_jobs, cut.threads, work, to_bytes, from_bytes)?
            }
        };
        #[cfg(not(feature = "persist"))]
        let results = run_jobs(n_jobs, cut.threads, work)?;
        drop(around_all);
        self.report(data, &cut, &contenders, results)
    }

    /// Finds now, and not after hours of training, what is wrong with the table or with settings that depend on it.
    fn check_on<F: Scalar>(&self, data: &Dataset<F>, contenders: &[Contender<'_>]) -> Result<()> {
        self.comparison.check_settings()?;
        if let Some(share) = self.validation_share {
            data.split(1.0 - share, 0)?;
        }
        let joint = contenders.iter().find(|contender| contender.name == TOGETHER).expect("always there");
        let (models, _) = joint.of_fold(0)?;
        let mut model = models[0].builder.build::<F>()?;
        model.fit_scaling(data)?;
        let report = model.evaluate(data)?;
        let Some(metric) = &self.comparison.metric else { return Ok(()) };
        for task in report.tasks() {
            let names: Vec<&str> = task.scores.iter().map(|score| score.name.as_str()).collect();
            // Relative to training means, so that cross-validation alone has it.
            if !names.contains(&metric.as_str()) && metric != "rrmse" {
                let place = format!("comparison, metric of task {:?}", task.name);
                return Err(Error::new(ErrorKind::Name, place, format!("one of {names:?}"), metric));
            }
        }
        Ok(())
    }

    /// Trains the models of one contender on the training rows of a fold and predicts the rows held out; `None` if a training
    /// was interrupted, whose model is not what its settings say.
    fn train<F: Scalar>(
        &self,
        models: &[Planned],
        trainer: &Trainer,
        data: &Dataset<F>,
        fold: &Fold,
        seed: u64,
    ) -> Result<Option<Trained>> {
        let (learnt, test) = (data.select(&fold.train), data.select(&fold.test));
        let (learnt, watched) = match self.validation_share {
            None => (learnt, None),
            Some(share) => {
                learnt.split(1.0 - share, seed).map(|(learnt, watched)| (learnt, Some(watched)))?
            }
        };
        let test = Arc::new(test);
        let begun = Instant::now();
        let mut fitted: Vec<Model<F>> = Vec::with_capacity(models.len());
        let (mut moments, mut watching) = (Vec::with_capacity(models.len()), Duration::ZERO);
        for planned in models {
            let mut model = planned.builder.build::<F>()?;
            let noting = HeldOutLosses::new(&test);
            let trainer = trainer.clone().callback(noting.clone());
            let history = match &watched {
                None => trainer.fit(&mut model, &learnt)?,
                Some(watched) => trainer.fit_validated(&mut model, &learnt, watched)?,
            };
            if history.stopped_by() == Some(Interrupt::NAME) {
                return Ok(None);
            }
            fitted.push(model);
            let (of_model, time) = noting.noted();
            moments.push((planned.tasks.clone(), of_model));
            watching += time;
        }
        let fit_time = begun.elapsed().saturating_sub(watching);
        let mut prediction_time = Duration::MAX;
        let mut predictions = Vec::new();
        // The first time memory is new: the shortest of three.
        for _ in 0..3 {
            let begun = Instant::now();
            predictions =
                fitted.iter().map(|model| model.predict_table(&test)).collect::<Result<Vec<_>>>()?;
            prediction_time = prediction_time.min(begun.elapsed());
        }
        let mut of_tasks: Vec<Array2<f64>> = vec![Array2::zeros((0, 0)); self.tasks.len()];
        for (planned, predictions) in models.iter().zip(predictions) {
            for (&k, of_task) in planned.tasks.iter().zip(in_f64(predictions.into_values())) {
                if let Some(wrong) = of_task.iter().find(|value| !value.is_finite()) {
                    let place = format!("predictions of task {:?}", self.tasks[k].name());
                    return Err(Error::new(ErrorKind::Value, place, "finite numbers", wrong));
                }
                of_tasks[k] = of_task;
            }
        }
        let mut warnings: Vec<String> = Vec::new();
        for model in &fitted {
            for warning in model.warnings_on(&test)? {
                let warning = warning.to_string();
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        let n_numbers: usize =
            fitted.iter().map(|model| model.parameters().len() + model.state().len()).sum();
        Ok(Some(Trained {
            predictions: of_tasks,
            fit_time,
            prediction_time,
            n_parameters: fitted.iter().map(Model::n_parameters).sum(),
            n_bytes: n_numbers * size_of::<F>(),
            warnings,
            moments: joined(&moments, self.tasks.len()),
        }))
    }

    /// All that the result of a job depends on, but for the table.
    #[cfg(feature = "persist")]
    fn identity<F: Scalar>(&self, name: &str, models: &[Planned], trainer: &Trainer, fold: &Fold) -> String {
        format!(
            "{name}; polytask {}; {}; {models:?}; {trainer:?}; {:?}; {fold:?}",
            env!("CARGO_PKG_VERSION"),
            F::NAME,
            self.validation_share
        )
    }
}
