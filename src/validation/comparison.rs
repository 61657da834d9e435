//! Contenders judged on the same folds: which is better, and is it more than chance?
//!
//! ```text
//! dᵢ   how much better the contender's score is than the baseline's in fold i        i = 1 … n
//! d̄ = (1/n) Σ dᵢ      s² = (1/(n − 1)) Σ (dᵢ − d̄)²
//! t = d̄ / √((1/n + ρ) s²)      with n − 1 degrees of freedom      ρ = mean of held-out rows / training rows
//! ```
//! The folds' models have learnt from mostly the same rows, so the usual variance s²/n is far too small; ρ, which is 1/(k − 1)
//! in k folds, makes up for it (C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52,
//! 2003). It is an approximation: no estimate of that variance is free of bias. Where several differences are tested,
//! their p-values are adjusted by Holm's step-down method (S. Holm, Scandinavian Journal of Statistics 6, 1979), so that the
//! probability of a single false claim among all of them is bounded.

use std::time::Duration;

use super::CrossValidated;
use super::paired::{Paired, paired};
use super::summary::ScoreSummary;
use crate::metric::{Direction, Score, delta_m_gain};
use crate::{Error, ErrorKind, Result};

/// Which contender is better on the same folds, task by task, with intervals: settings. [`run`](Self::run) compares.
///
/// Should these tasks be trained together? Cross-validate both ways on the same folds (the same data and
/// [`seed`](super::CrossValidation::seed)) and compare:
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::{Comparison, CrossValidation, Verdict};
///
/// let data = datasets::robot_arm::<f64>(150, 0.05, 1);
/// let folds = CrossValidation::new(5).seed(1);
/// let fit = |sharing: Sharing| {
///     folds.run(&data, move |part| {
///         let builder = Model::builder(part.data.n_features()).sharing(sharing.clone()).seed(part.seed);
///         let tasks = ["shoulder", "elbow"].map(Task::regression);
///         let mut model = tasks.into_iter().fold(builder, |builder, task| builder.task(task)).standardize().build::<f64>()?;
///         Trainer::new(Adam::new(0.01)).epochs(30).seed(part.seed).fit(&mut model, part.data)?;
///         Ok(model)
///     })
/// };
/// let together = fit(Sharing::shared_trunk([Layer::dense(16, Activation::Relu)]))?;
/// let apart = fit(Sharing::independent([Layer::dense(8, Activation::Relu)]))?;
/// let constant = fit(Sharing::shared_trunk([Layer::dense(1, Activation::Relu)]))?;
///
/// let report = Comparison::new().run([("together", &together), ("apart", &apart), ("one unit", &constant)])?;
/// println!("{report}"); // a table: every difference, its interval, its p-value and what follows
/// let difference = report.difference("one unit", "elbow").expect("a contender and a task");
/// assert_eq!(difference.verdict, Verdict::Worse, "{report}");
/// assert!(difference.mean.is_some_and(|mean| mean < 0.0)); // negative: worse than the baseline
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Comparison {
    pub(crate) level: f64,
    margin: Option<f64>,
    pub(crate) metric: Option<String>,
}

/// What a [`Comparison`] found; it prints as a table.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::{Comparison, ComparisonReport, CrossValidation, Verdict};
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 1);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(1).epochs(20);
/// let result = CrossValidation::new(3).run(&data, |part| settings.fit_table(part.data))?;
/// let report: ComparisonReport = Comparison::new().margin(0.01).run([("it", &result), ("itself", &result)])?;
/// assert!(report.differences.iter().all(|d| d.mean == Some(0.0) && d.p == Some(1.0)));
/// assert!(report.differences.iter().all(|d| d.verdict == Verdict::NoWorse));
/// assert_eq!(report.differences.len(), 3); // two tasks, and both together
/// assert_eq!(report.contenders[0].parameters, report.contenders[1].parameters);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ComparisonReport {
    /// The contenders; the first is the baseline.
    pub contenders: Vec<Contender>,
    /// For each contender but the baseline its difference in each task and in all together.
    pub differences: Vec<Difference>,
    /// Of the intervals, such as 0.95.
    pub level: f64,
    /// How many folds were compared, of how many rows in all.
    pub n_folds: usize,
    /// The number of rows of the table.
    pub n_rows: usize,
}

/// What one contender costs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// The mean number of parameters of a fold's model, if what predicts says ([`Predictor::n_parameters`](super::Predictor::n_parameters)).
    pub parameters: Option<f64>,
    /// The mean time that fitting one fold took by the clock. Folds that are fitted at the same time slow each other down.
    pub fit_time: Duration,
}

/// How much better a contender is than the baseline: in one task, or over all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// The contender.
    pub contender: String,
    /// The task; `None` for all tasks together, whose difference is Δm as a gain in per cent
    /// ([`delta_m_gain`](crate::metric::delta_m_gain)).
    pub task: Option<String>,
    /// The metric.
    pub metric: String,
    /// Whether a higher or a lower value of the metric is better.
    pub direction: Direction,
    /// The mean score of the baseline and of the contender over the folds in which both are defined.
    pub scores: Option<(f64, f64)>,
    /// The mean difference, **positive where the contender is better**, whatever the metric's direction.
    pub mean: Option<f64>,
    /// Its confidence interval; `None` for fewer than two folds.
    pub interval: Option<(f64, f64)>,
    /// The p-value of "there is no difference", two-sided, for this difference alone.
    pub p: Option<f64>,
    /// The same, adjusted for all differences of the report by Holm's method.
    pub p_adjusted: Option<f64>,
    /// In how many folds both scores are defined.
    pub n_folds: usize,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The contender is better than the baseline.
    Better,
    /// It is worse.
    Worse,
    /// It may be better or worse, but not worse by more than the [margin](Comparison::margin).
    NoWorse,
    /// It may be worse by more than the margin, but not better by more than that.
    NoBetter,
    /// Neither can be told from so few rows. If the difference is what it seems to be, about as many `rows` in all would
    /// show it; `None` where that is more than a thousand times as many, or there is no difference at all.
    Undecided {
        /// Rows of a table that would do, about.
        rows: Option<usize>,
    },
    /// The score is defined in fewer than two folds.
    Undefined,
}

impl Default for Comparison {
    fn default() -> Self {
        Self::new()
    }
}

impl Comparison {
    /// Compares with intervals of 95 %, by each task's first metric, and asks for better or worse alone.
    pub fn new() -> Self {
        Self { level: 0.95, margin: None, metric: None }
    }

    /// The level of the intervals, and 1 minus the largest adjusted p-value of a claim. Default: 0.95.
    pub fn level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Also tells who is [no worse](Verdict::NoWorse), or [no better](Verdict::NoBetter), than the baseline by more than this
    /// share of the baseline's mean score, such as 0.02; over all tasks, by as many hundredths of Δm.
    pub fn margin(mut self, share: f64) -> Self {
        self.margin = Some(share);
        self
    }

    /// Compares by the metric of that name, such as `"r2"`. Default: the first of each task.
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    /// Compares the results, the first of which is the baseline.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there are fewer than two results, two of one name, other tasks or other folds than the
    /// baseline's (cross-validate all with one seed), or if the level or the margin is out of range;
    /// [`ErrorKind::Name`] if a task is not judged by the metric.
    pub fn run<'a, N: Into<String>>(
        &self,
        results: impl IntoIterator<Item = (N, &'a CrossValidated)>,
    ) -> Result<ComparisonReport> {
        let results: Vec<(String, &CrossValidated)> =
            results.into_iter().map(|(name, result)| (name.into(), result)).collect();
        self.check(&results)?;
        let (_, baseline) = &results[0];
        let mut differences = Vec::new();
        for (name, result) in &results[1..] {
            let pairs = self.pairs(baseline, result)?;
            for (task, pair) in baseline.tasks.iter().zip(&pairs) {
                differences.push(self.of_task(name, &task.name, *pair, baseline));
            }
            differences.push(self.of_all(name, &pairs, baseline)?);
        }
        adjust(&mut differences);
        for difference in &mut differences {
            difference.verdict = self.verdict(difference, baseline.n_rows);
        }
        let contenders = results.iter().map(|(name, result)| Contender::new(name, result)).collect();
        let (n_folds, n_rows) = (baseline.folds().len(), baseline.n_rows);
        Ok(ComparisonReport { contenders, differences, level: self.level, n_folds, n_rows })
    }

    /// Checks the level and the margin.
    pub(crate) fn check_settings(&self) -> Result<()> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return setting("level", "between 0 and 1, such as 0.95", self.level.to_string());
        }
        if let Some(margin) = self.margin.filter(|margin| !(margin.is_finite() && *margin >= 0.0)) {
            return setting("margin", "a share of the baseline's score, at least 0", margin.to_string());
        }
        Ok(())
    }

    fn check(&self, results: &[(String, &CrossValidated)]) -> Result<()> {
        self.check_settings()?;
        let Some(((_, baseline), others)) = results.split_first().filter(|(_, others)| !others.is_empty())
        else {
            return setting("results", "at least 2", results.len().to_string());
        };
        for (i, (name, result)) in results.iter().enumerate() {
            if results[..i].iter().any(|(other, _)| other == name) {
                return setting("names", "each once", format!("{name:?} twice"));
            }
            let names = |result: &CrossValidated| -> Vec<String> {
                result.tasks.iter().map(|task| task.name.clone()).collect()
            };
            if names(result) != names(baseline) {
                let expected = format!("the tasks {:?} of the baseline", names(baseline));
                return setting(name, &expected, format!("{:?}", names(result)));
            }
        }
        for (name, result) in others {
            let is_same = result.folds().len() == baseline.folds().len()
                && result.folds().iter().zip(baseline.folds()).all(|(a, b)| a.rows == b.rows);
            if !is_same {
                let expected = "the same folds as the baseline";
                return Err(Error::new(
                    ErrorKind::Setting,
                    format!("comparison, {name}"),
                    expected,
                    "others",
                )
                .advise("cross-validate all contenders on one table with one seed"));
            }
        }
        Ok(())
    }

    /// For each task the scores of the baseline and of the other that are compared.
    fn pairs<'a>(
        &self,
        baseline: &'a CrossValidated,
        other: &'a CrossValidated,
    ) -> Result<Vec<(&'a ScoreSummary, &'a ScoreSummary)>> {
        let mut pairs = Vec::with_capacity(baseline.tasks.len());
        for (task, of_other) in baseline.tasks.iter().zip(&other.tasks) {
            let chosen = match &self.metric {
                Some(name) => task.score(name),
                None => task.scores.first(),
            };
            let both = chosen.and_then(|score| Some((score, of_other.score(&score.name)?)));
            let Some(both) = both else {
                let names: Vec<&str> = task.scores.iter().map(|score| score.name.as_str()).collect();
                let place = format!("comparison, metric of task {:?}", task.name);
                let found = self.metric.as_deref().unwrap_or("none that both have");
                return Err(Error::new(ErrorKind::Name, place, format!("one of {names:?}"), found));
            };
            pairs.push(both);
        }
        Ok(pairs)
    }

    fn of_task(
        &self,
        contender: &str,
        task: &str,
        (base, other): (&ScoreSummary, &ScoreSummary),
        folds: &CrossValidated,
    ) -> Difference {
        let sign = match base.direction {
            Direction::HigherIsBetter => 1.0,
            Direction::LowerIsBetter => -1.0,
        };
        let both = base.folds.iter().zip(&other.folds).map(|(base, other)| base.zip(*other));
        let defined: Vec<(usize, (f64, f64))> =
            both.enumerate().filter_map(|(fold, both)| Some((fold, both?))).collect();
        let values = defined.iter().map(|(fold, (base, other))| (*fold, sign * (other - base))).collect();
        let n = defined.len() as f64;
        let sums = defined.iter().fold((0.0, 0.0), |(a, b), (_, (base, other))| (a + base, b + other));
        Difference {
            scores: (n > 0.0).then(|| (sums.0 / n, sums.1 / n)),
            direction: base.direction,
            ..self.paired(contender, Some(task), &base.name, values, folds)
        }
    }

    /// Δm as a gain, fold by fold.
    fn of_all(
        &self,
        contender: &str,
        pairs: &[(&ScoreSummary, &ScoreSummary)],
        folds: &CrossValidated,
    ) -> Result<Difference> {
        let mut values = Vec::new();
        for fold in 0..folds.folds().len() {
            let of = |score: &ScoreSummary| {
                [Score { name: score.name.clone(), value: score.folds[fold], direction: score.direction }]
            };
            let base: Vec<_> = pairs.iter().map(|(base, _)| of(base)).collect();
            let other: Vec<_> = pairs.iter().map(|(_, other)| of(other)).collect();
            let gain = delta_m_gain(&other, &base)?;
            // A mean over other tasks in one fold than in the next would be no paired difference.
            values.extend(gain.percent.filter(|_| gain.left_out == 0).map(|percent| (fold, percent)));
        }
        let metric = "Δm, gain in %";
        Ok(self.paired(contender, None, metric, values, folds))
    }

    /// Mean, interval and p-value of differences in some of the folds.
    fn paired(
        &self,
        contender: &str,
        task: Option<&str>,
        metric: &str,
        values: Vec<(usize, f64)>,
        folds: &CrossValidated,
    ) -> Difference {
        let share = |fold: usize| {
            let rows = &folds.folds()[fold].rows;
            rows.test.len() as f64 / rows.train.len() as f64
        };
        let values: Vec<(f64, f64)> = values.iter().map(|&(fold, d)| (d, share(fold))).collect();
        let Paired { n, mean, interval, p } = paired(&values, self.level);
        Difference {
            contender: contender.to_owned(),
            task: task.map(str::to_owned),
            metric: metric.to_owned(),
            direction: Direction::HigherIsBetter,
            scores: None,
            mean,
            interval,
            p,
            p_adjusted: None,
            n_folds: n,
            verdict: Verdict::Undefined,
        }
    }

    fn verdict(&self, difference: &Difference, n_rows: usize) -> Verdict {
        let (Some(mean), Some((low, high)), Some(p)) =
            (difference.mean, difference.interval, difference.p_adjusted)
        else {
            return Verdict::Undefined;
        };
        if p <= 1.0 - self.level {
            return if mean > 0.0 { Verdict::Better } else { Verdict::Worse };
        }
        if let Some(margin) = self.margin {
            let worst = match difference.scores {
                Some((baseline, _)) => margin * baseline.abs(),
                None => 100.0 * margin,
            };
            if low >= -worst {
                return Verdict::NoWorse;
            }
            if high <= worst {
                return Verdict::NoBetter;
            }
        }
        if mean == 0.0 {
            return Verdict::Undecided { rows: None };
        }
        // Intervals shrink with the root of the number of rows.
        let factor = (0.5 * (high - low) / mean).powi(2).max(1.0);
        let rows = (factor <= 1000.0).then(|| (factor * n_rows as f64).ceil() as usize);
        Verdict::Undecided { rows }
    }
}

fn setting(place: &str, expected: &str, found: String) -> Result<()> {
    Err(Error::new(ErrorKind::Setting, format!("comparison, {place}"), expected, found))
}

/// Holm's adjustment: the smallest of m p-values times m, the next times m − 1, …, none below the one before it.
fn adjust(differences: &mut [Difference]) {
    let mut tested: Vec<(f64, &mut Difference)> =
        differences.iter_mut().filter_map(|difference| Some((difference.p?, difference))).collect();
    tested.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (m, mut least) = (tested.len(), 0.0_f64);
    for (i, (p, difference)) in tested.into_iter().enumerate() {
        least = least.max((p * (m - i) as f64).min(1.0));
        difference.p_adjusted = Some(least);
    }
}

impl Contender {
    fn new(name: &str, result: &CrossValidated) -> Self {
        let folds = result.folds();
        let counts: Option<Vec<f64>> = folds.iter().map(|fold| Some(fold.n_parameters? as f64)).collect();
        let parameters = counts.map(|counts| counts.iter().sum::<f64>() / counts.len() as f64);
        let time: Duration = folds.iter().map(|fold| fold.fit_time).sum();
        Self { name: name.to_owned(), parameters, fit_time: time / folds.len() as u32 }
    }
}

impl ComparisonReport {
    /// The difference of a contender in a task, if there are such.
    pub fn difference(&self, contender: &str, task: &str) -> Option<&Difference> {
        self.of(contender).find(|difference| difference.task.as_deref() == Some(task))
    }

    /// The difference of a contender over all tasks, if there is one of that name.
    pub fn over_tasks(&self, contender: &str) -> Option<&Difference> {
        self.of(contender).find(|difference| difference.task.is_none())
    }

    fn of(&self, contender: &str) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |difference| difference.contender == contender)
    }
}
