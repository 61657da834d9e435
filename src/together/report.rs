//! What came of it: costs of each contender, differences between them, and the three claims of multi-task learning.

use std::time::Duration;

use super::contender::Contender;
use super::curve::{Curve, Moment, mean_curve, seconds_to, total};
use super::trained::{JobResult, Trained};
use super::{APART, TOGETHER, TogetherOrApart};
use crate::data::Dataset;
use crate::validation::outcome::Folds;
use crate::validation::paired::paired;
use crate::validation::{ComparisonReport, CrossValidated, Verdict};
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// What a [`TogetherOrApart`] found; it prints as tables.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::together::{Answer, TogetherOrApart};
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
/// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
///     .hidden([8])
///     .trainer(Trainer::new(Adam::new(0.01)).epochs(3))
///     .folds(CrossValidation::new(3))
///     .full_width()
///     .run(&data)?;
/// // Two trunks of 10 × 8 + 8 parameters instead of one, and two heads of 9 either way.
/// let [apart, together] = &report.costs[..] else { panic!("two contenders") };
/// assert_eq!((apart.parameters, together.parameters), (2.0 * (88.0 + 9.0), 88.0 + 2.0 * 9.0));
/// assert_eq!(together.bytes, 4.0 * together.parameters);
/// assert_eq!((report.memory().answer, report.memory().ratio), (Answer::Yes, Some(106.0 / 194.0)));
///
/// let gain = report.delta_m_gain("together").expect("defined"); // positive is better
/// assert_eq!(report.delta_m_drop("together"), Some(-gain));     // negative is better
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TogetherReport {
    /// Every contender's differences from `apart`; `None` if `apart` or all others failed, or the run was stopped before a
    /// fold was complete.
    pub comparison: Option<ComparisonReport>,
    /// What each contender costs, in the order of the contenders; without those that failed everywhere.
    pub costs: Vec<Cost>,
    /// The claims that multi-task learning generalises better, trains faster and needs less memory.
    pub claims: [Claim; 3],
    /// Contenders that failed in some folds, with the first error; they are compared with nobody.
    pub failures: Vec<Failure>,
    /// Jobs that were not done because the run was stopped.
    pub missing: Vec<MissingJob>,
    /// How the held-out losses fell, in the order of the contenders; without those that failed everywhere.
    pub curves: Vec<Curve>,
    /// What models say of their predictions, each once, with the contender in front.
    pub warnings: Vec<String>,
    pub(super) tasks: Vec<String>,
    pub(super) results: Vec<(String, CrossValidated)>,
}

/// What one contender costs, as means over the folds in which it was trained.
///
/// Times are by the clock: jobs that run at the same time, and whatever else the machine does, slow each other down.
/// [`TogetherReport`] has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cost {
    /// The contender.
    pub contender: String,
    /// How many models it is.
    pub n_models: usize,
    /// Parameters of all its models.
    pub parameters: f64,
    /// Bytes of their parameters and running state.
    pub bytes: f64,
    /// Time to train all of them.
    pub fit_time: Duration,
    /// Time to predict a row with all of them, where all held-out rows are predicted at once.
    pub prediction_time: Duration,
    /// Time to train until the weighted sum of the held-out losses is as low as that of `apart` is at the end of its training:
    /// the mean over the folds in which it gets there. `None` if it does in none.
    pub time_to_apart: Option<Duration>,
    /// In how many folds it gets there, of those in which `apart` has such a loss.
    pub n_reached: (usize, usize),
}

/// One claim of multi-task learning, measured: `together` against `apart`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claim {
    /// The claim.
    pub claim: &'static str,
    /// Whether it is so.
    pub answer: Answer,
    /// The time or the bytes of `together` divided by those of `apart`, as a geometric mean over the folds; `None` for
    /// predictions.
    pub ratio: Option<f64>,
    /// The interval of the ratio; for predictions, that of Δm as a gain, in per cent; `None` for bytes, which are counted.
    pub interval: Option<(f64, f64)>,
    /// The numbers, for a person.
    pub evidence: String,
}

/// The answer to a claim.
///
/// ```
/// use polytask::together::Answer;
///
/// assert_eq!(Answer::CannotTell { rows: Some(1234) }.to_string(), "cannot tell; about 1300 rows would");
/// assert_eq!(Answer::NoWorse.to_string(), "no worse, within the margin");
/// assert!(Answer::No.is_decided() && !Answer::CannotTell { rows: None }.is_decided());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is so.
    Yes,
    /// It is not: apart is better, or together is not better by more than the margin.
    No,
    /// Together is not worse by more than the [margin](crate::validation::Comparison::margin).
    NoWorse,
    /// Neither can be told. If what is seen is what there is, about as many `rows` would show it; `None` where that is more
    /// than a thousand times as many, or is not for rows to tell.
    CannotTell {
        /// Rows of a table that would do, about.
        rows: Option<usize>,
    },
}

impl Answer {
    /// Whether it is an answer.
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::CannotTell { .. })
    }
}

/// A contender that failed: how often, and how the first time.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::together::TogetherOrApart;
///
/// let data = datasets::robot_arm::<f32>(50, 0.05, 1);
/// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
///     .hidden([4])
///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2))
///     .model("overflows", |builder| Ok(builder.penalty(polytask::penalty::Penalty::l2("trunk.*", 1e38))))
///     .run(&data)?;
/// let failure = &report.failures[0];
/// assert_eq!((failure.contender.as_str(), failure.n_failed, failure.n_jobs), ("overflows", 5, 5));
/// assert!(failure.error.contains("finite"), "{}", failure.error);
/// assert!(report.comparison.as_ref().is_some_and(|comparison| comparison.contenders.len() == 2));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The contender.
    pub contender: String,
    /// In how many folds it failed.
    pub n_failed: usize,
    /// In how many it was trained.
    pub n_jobs: usize,
    /// The first error, with its fold in front.
    pub error: String,
}

/// A job that was not done because the run was stopped.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::together::TogetherOrApart;
/// use std::ops::ControlFlow;
///
/// let data = datasets::robot_arm::<f32>(50, 0.05, 1);
/// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
///     .hidden([4])
///     .trainer(Trainer::new(Adam::new(0.01)).epochs(2))
///     .run_observed(&data, |_| ControlFlow::Break(()))?;
/// let first = &report.missing[0];
/// assert_eq!((first.contender.as_str(), first.repeat, first.fold), ("together", 0, 0));
/// assert!(report.comparison.is_none() && report.missing.len() == 9);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingJob {
    /// The contender.
    pub contender: String,
    /// The repeat, from 0.
    pub repeat: usize,
    /// The fold of the repeat, from 0.
    pub fold: usize,
}

impl TogetherReport {
    /// The cross-validated result of a contender, if it failed in no fold.
    pub fn result(&self, contender: &str) -> Option<&CrossValidated> {
        self.results.iter().find(|(name, _)| name == contender).map(|(_, result)| result)
    }

    /// Whether `together` predicts held-out rows better, over all tasks.
    pub fn generalisation(&self) -> &Claim {
        &self.claims[0]
    }

    /// Whether it takes less time to train.
    pub fn training_time(&self) -> &Claim {
        &self.claims[1]
    }

    /// Whether it needs fewer bytes.
    pub fn memory(&self) -> &Claim {
        &self.claims[2]
    }

    /// Δm of a contender over `apart` as a gain, in per cent: **positive is better** (Maninis et al. 2019), as the mean over the
    /// folds of [`metric::delta_m_gain`](crate::metric::delta_m_gain).
    pub fn delta_m_gain(&self, contender: &str) -> Option<f64> {
        self.comparison.as_ref()?.over_tasks(contender)?.mean
    }

    /// The same as a drop, in per cent: **negative is better** (Navon et al. 2022). With one metric per task, as here, it is
    /// minus the gain.
    pub fn delta_m_drop(&self, contender: &str) -> Option<f64> {
        self.delta_m_gain(contender).map(|gain| -gain)
    }
}

impl TogetherOrApart {
    /// The report of what was done; jobs are fold by fold, all contenders of a fold one after the other.
    pub(super) fn report<F: Scalar>(
        &self,
        data: &Dataset<F>,
        cut: &Folds,
        contenders: &[Contender<'_>],
        results: Vec<Option<JobResult>>,
    ) -> Result<TogetherReport> {
        let n = contenders.len();
        let n_complete = results.chunks(n).take_while(|fold| fold.iter().all(Option::is_some)).count();
        let compared = cut.first(n_complete);
        let missing = |(job, _): (usize, &Option<JobResult>)| {
            let place = cut.place(job / n);
            let contender = contenders[job % n].name.to_owned();
            MissingJob { contender, repeat: place.repeat, fold: place.fold }
        };
        let missing =
            results.iter().enumerate().filter(|(_, result)| result.is_none()).map(missing).collect();
        let (mut costs, mut failures, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let (mut validated, mut times, mut curves) = (Vec::new(), Vec::new(), Vec::new());
        let weights: Vec<f64> = self.tasks.iter().map(Task::loss_weight).collect();
        let mut levels: Vec<Option<f64>> = vec![None; cut.folds.len()];
        let mut results = results;
        for (c, contender) in contenders.iter().enumerate() {
            let own: Vec<(usize, JobResult)> =
                (0..cut.folds.len()).filter_map(|at| Some((at, results[at * n + c].take()?))).collect();
            let n_jobs = own.len();
            let mut trained: Vec<(usize, Trained)> = Vec::with_capacity(n_jobs);
            let mut errors = Vec::new();
            for (at, result) in own {
                match result {
                    Ok(one) => trained.push((at, one)),
                    Err(error) => errors.push(format!("{}: {error}", cut.name(at))),
                }
            }
            if contender.name == APART {
                for (at, one) in &trained {
                    levels[*at] = one.moments.last().map(|moment| total(moment, &weights));
                }
            }
            if !trained.is_empty() {
                costs.push(cost(contender, &trained, cut, &levels, &weights));
                let folds: Vec<&[Moment]> = trained.iter().map(|(_, one)| &one.moments[..]).collect();
                curves.push(mean_curve(contender.name, &folds, self.tasks.len()));
            }
            for warning in trained.iter().flat_map(|(_, one)| &one.warnings) {
                let warning = format!("{}: {warning}", contender.name);
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            if let Some(error) = errors.first().cloned() {
                let contender = contender.name.to_owned();
                failures.push(Failure { contender, n_failed: errors.len(), n_jobs, error });
            } else if !compared.folds.is_empty() {
                trained.truncate(compared.folds.len());
                times.push((contender.name, trained.iter().map(|(_, one)| one.fit_time).collect::<Vec<_>>()));
                let outcomes = trained.into_iter().map(|(_, one)| one.into_outcome(&self.tasks)).collect();
                validated.push((contender.name.to_owned(), CrossValidated::new(data, &compared, outcomes)?));
            }
        }
        if failures.len() == n && failures.iter().all(|failure| failure.n_failed == failure.n_jobs) {
            let expected = "a contender that can be trained";
            let found = failures.swap_remove(0).error;
            return Err(Error::new(ErrorKind::Value, "together or apart", expected, found));
        }
        let has_baseline = validated.first().is_some_and(|(name, _)| name == APART);
        let comparison = match has_baseline && validated.len() > 1 {
            true => {
                Some(self.comparison.run(validated.iter().map(|(name, result)| (name.as_str(), result)))?)
            }
            false => None,
        };
        let claims = [
            generalisation(comparison.as_ref()),
            training_time(&times, &compared, self.comparison.level),
            memory(&costs, self.has_full_width),
        ];
        let tasks = self.tasks.iter().map(|task| task.name().to_owned()).collect();
        Ok(TogetherReport {
            comparison,
            costs,
            claims,
            failures,
            missing,
            curves,
            warnings,
            tasks,
            results: validated,
        })
    }
}

/// What a contender costs, as the mean over the folds in which it was trained: at least one.
fn cost(
    contender: &Contender<'_>,
    trained: &[(usize, Trained)],
    cut: &Folds,
    levels: &[Option<f64>],
    weights: &[f64],
) -> Cost {
    let n = trained.len() as u32;
    let mean =
        |of: fn(&Trained) -> usize| trained.iter().map(|(_, one)| of(one) as f64).sum::<f64>() / f64::from(n);
    let n_rows: usize = trained.iter().map(|(at, _)| cut.folds[*at].test.len()).sum();
    let with_level: Vec<(&Trained, f64)> = trained
        .iter()
        .filter_map(|(at, one)| Some((one, levels[*at].filter(|level| level.is_finite())?)))
        .collect();
    let reached: Vec<f64> =
        with_level.iter().filter_map(|(one, level)| seconds_to(&one.moments, weights, *level)).collect();
    let time_to = || Duration::from_secs_f64(reached.iter().sum::<f64>() / reached.len() as f64);
    Cost {
        contender: contender.name.to_owned(),
        n_models: contender.n_models(),
        parameters: mean(|one| one.n_parameters),
        bytes: mean(|one| one.n_bytes),
        fit_time: trained.iter().map(|(_, one)| one.fit_time).sum::<Duration>() / n,
        prediction_time: trained
            .iter()
            .map(|(_, one)| one.prediction_time)
            .sum::<Duration>()
            .div_f64(n_rows as f64),
        time_to_apart: (!reached.is_empty()).then(time_to),
        n_reached: (reached.len(), with_level.len()),
    }
}

fn unknown(claim: &'static str) -> Claim {
    let evidence = "not both were trained in enough folds".to_owned();
    Claim { claim, answer: Answer::CannotTell { rows: None }, ratio: None, interval: None, evidence }
}

fn generalisation(comparison: Option<&ComparisonReport>) -> Claim {
    let claim = "better predictions";
    let Some(over) = comparison.and_then(|comparison| comparison.over_tasks(TOGETHER)) else {
        return unknown(claim);
    };
    let answer = match over.verdict {
        Verdict::Better => Answer::Yes,
        Verdict::Worse | Verdict::NoBetter => Answer::No,
        Verdict::NoWorse => Answer::NoWorse,
        Verdict::Undecided { rows } => Answer::CannotTell { rows },
        Verdict::Undefined => return unknown(claim),
    };
    let evidence = match (over.mean, over.interval, over.p_adjusted) {
        (Some(mean), Some((low, high)), Some(p)) => {
            format!("Δm {mean:+.2} % as a gain, {low:+.2} … {high:+.2}, p {p:.3}")
        }
        _ => return unknown(claim),
    };
    Claim { claim, answer, ratio: None, interval: over.interval, evidence }
}

/// By the paired differences of the logarithms of the times.
fn training_time(times: &[(&str, Vec<Duration>)], cut: &Folds, level: f64) -> Claim {
    let claim = "less training time";
    let of = |name: &str| times.iter().find(|(other, _)| *other == name).map(|(_, times)| times);
    let (Some(apart), Some(together)) = (of(APART), of(TOGETHER)) else { return unknown(claim) };
    let logarithm = |time: &Duration| time.as_secs_f64().max(1e-9).ln();
    let values: Vec<(f64, f64)> = apart
        .iter()
        .zip(together)
        .zip(&cut.folds)
        .map(|((apart, together), fold)| {
            (logarithm(together) - logarithm(apart), fold.test.len() as f64 / fold.train.len() as f64)
        })
        .collect();
    let found = paired(&values, level);
    let (Some(mean), Some((low, high)), Some(p)) = (found.mean, found.interval, found.p) else {
        return unknown(claim);
    };
    let answer = match p <= 1.0 - level {
        true if mean < 0.0 => Answer::Yes,
        true => Answer::No,
        false => Answer::CannotTell { rows: None },
    };
    let [ratio, low, high] = [mean, low, high].map(f64::exp);
    let evidence = format!("{ratio:.2} of the time of apart, {low:.2} … {high:.2}");
    Claim { claim, answer, ratio: Some(ratio), interval: Some((low, high)), evidence }
}

/// Numbers that are counted have no error.
fn memory(costs: &[Cost], has_full_width: bool) -> Claim {
    let claim = "less memory";
    let of = |name: &str| costs.iter().find(|cost| cost.contender == name).map(|cost| cost.bytes);
    let (Some(apart), Some(together)) = (of(APART), of(TOGETHER)) else { return unknown(claim) };
    let ratio = together / apart;
    let evidence = match has_full_width {
        true => format!("{ratio:.2} of the bytes of apart"),
        // The nearest width leaves a few per cent, which are no finding.
        false => format!("{ratio:.2} of the bytes of apart, whose layers are as narrow as that takes"),
    };
    let answer = if has_full_width && ratio < 1.0 { Answer::Yes } else { Answer::No };
    Claim { claim, answer, ratio: Some(ratio), interval: None, evidence }
}
