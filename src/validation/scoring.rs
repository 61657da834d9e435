//! What came out: scores fold by fold, their mean and spread, and what was predicted for each row.

use std::ops::Index;
use std::time::Duration;

use super::judge::{Judge, meet};
use super::outcome::{Folds, Outcome};
use super::summary::{ScoreSummary, TaskValidation, mean};
use crate::data::{Dataset, Fold};
use crate::metric::Score;
use crate::{Error, ErrorKind, Result, Scalar, Warning};

/// The result of a cross-validation: for each task its scores in every fold and of all rows together, and the prediction
/// for each row by the model that has not seen it.
///
/// It prints as a table. In code, write `result["price"].score("r2")`.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 1);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(1).epochs(20);
/// let result = CrossValidation::new(3).run(&data, |part| settings.fit_table(part.data))?;
/// let printed = result.to_string();
/// assert!(printed.starts_with("task      metric   all rows  mean of folds  deviation   folds\n"), "{printed}");
/// assert!(printed.ends_with("60 rows in 3 folds"), "{printed}");
///
/// let average = result.mean_over_tasks("rrmse")?; // the aRRMSE of all targets
/// let of = |task: &str| result[task].score("rrmse").and_then(|score| score.mean_pooled()).expect("labels");
/// assert_eq!(average.value, Some((of("shoulder") + of("elbow")) / 2.0));
/// assert_eq!((average.n_defined, average.n_tasks), (2, 2));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossValidated {
    pub(super) tasks: Vec<TaskValidation>,
    folds: Vec<FoldReport>,
    pub(super) n_rows: usize,
    pub(super) n_repeats: usize,
}

/// The mean of one score over the tasks: see [`CrossValidated::mean_over_tasks`].
///
/// ```
/// use polytask::validation::MeanScore;
///
/// let mean = MeanScore { name: "rrmse".into(), value: Some(0.5), n_defined: 2, n_tasks: 3 };
/// assert_eq!(mean.to_string(), "rrmse 0.5000 over 2 of 3 tasks");
/// assert_eq!(MeanScore { value: None, n_defined: 0, ..mean }.to_string(), "rrmse undefined");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MeanScore {
    /// The metric's name.
    pub name: String,
    /// The mean over the tasks for which it is defined.
    pub value: Option<f64>,
    /// For how many tasks it is defined.
    pub n_defined: usize,
    /// How many tasks are judged by it.
    pub n_tasks: usize,
}

/// One fold: its rows, and how good its model is on those held out.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::robot_arm::<f64>(40, 0.05, 1);
/// let settings = MultiTaskRegressor::new().hidden([4]).members(1).epochs(3);
/// let result = CrossValidation::new(4).repeats(2).run(&data, |part| settings.fit_table(part.data))?;
/// let last = result.folds().last().expect("eight folds");
/// assert_eq!((last.repeat, last.fold, last.rows.test.len()), (1, 3, 10));
/// let (elbow, labels) = (&last.tasks[1].1, last.tasks[1].0);
/// assert_eq!(elbow[0].value, result["elbow"].scores[0].folds[7]);
/// assert_eq!(labels, 10);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoldReport {
    /// Which repeat it belongs to, from 0.
    pub repeat: usize,
    /// Its place in the repeat, from 0.
    pub fold: usize,
    /// The rows to learn from, and those held out.
    pub rows: Fold,
    /// For each task the number of labels held out, and the scores on them.
    pub tasks: Vec<(usize, Vec<Score>)>,
    /// What the fold's model says of its predictions.
    pub warnings: Vec<Warning>,
    /// How long fitting took by the clock. Folds that are fitted at the same time slow each other down.
    pub fit_time: Duration,
    /// The parameters of the fold's model, if what predicts says: [`Predictor::n_parameters`](super::Predictor::n_parameters).
    pub n_parameters: Option<usize>,
}

impl CrossValidated {
    /// The scores of what came out of all folds, at least one.
    pub(crate) fn new<F: Scalar>(data: &Dataset<F>, cut: &Folds, mut outcomes: Vec<Outcome>) -> Result<Self> {
        let (folds, n_repeats) = (&cut.folds, cut.repeats);
        let per_repeat = folds.len() / n_repeats;
        let mut judges: Vec<Judge> =
            outcomes[0].tasks.iter().map(|task| Judge::new(task, data)).collect::<Result<_>>()?;
        for (at, outcome) in outcomes.iter().enumerate() {
            let n_held_out = folds[at].test.len();
            meet(&mut judges, outcome, n_held_out).map_err(|error| error.within(cut.name(at)))?;
        }
        let report = |(at, (rows, outcome)): (usize, (&Fold, &mut Outcome))| FoldReport {
            repeat: at / per_repeat,
            fold: at % per_repeat,
            rows: rows.clone(),
            tasks: Vec::new(),
            warnings: std::mem::take(&mut outcome.warnings),
            fit_time: outcome.fit_time,
            n_parameters: outcome.n_parameters,
        };
        let mut reports: Vec<FoldReport> = folds.iter().zip(&mut outcomes).enumerate().map(report).collect();
        let mut tasks = Vec::with_capacity(judges.len());
        for (k, judge) in judges.iter().enumerate() {
            let predictions = outcomes
                .iter_mut()
                .map(|outcome| (std::mem::take(&mut outcome.predictions[k]), outcome.thresholds[k].take()));
            let (task, of_folds) = judge.validation(folds, n_repeats, predictions.collect());
            reports.iter_mut().zip(of_folds).for_each(|(report, of_fold)| report.tasks.push(of_fold));
            tasks.push(task);
        }
        Ok(Self { tasks, folds: reports, n_rows: data.n_rows(), n_repeats })
    }

    /// The tasks, in their order.
    pub fn tasks(&self) -> &[TaskValidation] {
        &self.tasks
    }

    /// The task of that name, if there is one.
    pub fn get(&self, task: &str) -> Option<&TaskValidation> {
        self.tasks.iter().find(|validation| validation.name == task)
    }

    /// The folds, one repeat after the other.
    pub fn folds(&self) -> &[FoldReport] {
        &self.folds
    }

    /// What the models of the folds say of their predictions, each once.
    pub fn warnings(&self) -> Vec<&Warning> {
        let mut all: Vec<&Warning> = Vec::new();
        for warning in self.folds.iter().flat_map(|fold| &fold.warnings) {
            if !all.contains(&warning) {
                all.push(warning);
            }
        }
        all
    }

    /// The mean over the tasks of a [pooled score](ScoreSummary::mean_pooled), over those for which it is defined. Tasks
    /// that are not judged by the metric are not counted.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if no task is judged by it.
    pub fn mean_over_tasks(&self, metric: &str) -> Result<MeanScore> {
        let scores: Vec<&ScoreSummary> = self.tasks.iter().filter_map(|task| task.score(metric)).collect();
        if scores.is_empty() {
            let mut there: Vec<&str> = Vec::new();
            for score in self.tasks.iter().flat_map(|task| &task.scores) {
                if !there.contains(&score.name.as_str()) {
                    there.push(&score.name);
                }
            }
            let expected = format!("one of {there:?}");
            return Err(Error::new(ErrorKind::Name, "metric of a cross-validation", expected, metric));
        }
        let values: Vec<f64> = scores.iter().filter_map(|score| score.mean_pooled()).collect();
        Ok(MeanScore {
            name: metric.to_owned(),
            value: mean(&values),
            n_defined: values.len(),
            n_tasks: scores.len(),
        })
    }
}

impl Index<&str> for CrossValidated {
    type Output = TaskValidation;

    /// # Panics
    /// If there is no task of that name.
    #[track_caller]
    fn index(&self, task: &str) -> &TaskValidation {
        match self.get(task) {
            Some(validation) => validation,
            None => panic!("no task named {task:?} in the cross-validation"),
        }
    }
}
