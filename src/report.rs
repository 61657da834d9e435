//! Judging a model over all its tasks.

use std::fmt;
use std::ops::Index;

use ndarray::{Array2, Axis, s};

use crate::data::{Batch, Dataset};
use crate::layer::Mode;
use crate::loss::{Kind, Labels};
use crate::metric::{Average, Metric, Score};
use crate::trace::Trace;
use crate::{Model, Result, Scalar};

/// How good a model is on a data set: for each task its loss, its metrics, and how many labels they are of.
///
/// Printed, it is a table; read by a program, `report["price"].loss`.
#[derive(Clone, Debug)]
pub struct Report {
    tasks: Vec<TaskReport>,
    total: f64,
}

/// How good a model is at one task.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// The task's name.
    pub name: String,
    /// The unweighted loss as the network learns it: of standardised targets, if the model standardises.
    pub loss: f64,
    /// The task's metrics, on the scale of the targets.
    pub scores: Vec<Score>,
    /// How many labels there were.
    pub n_labels: usize,
}

impl Report {
    /// The tasks, in the order of the model.
    pub fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    /// The weighted sum of the tasks' losses, `Σₖ wₖ Lₖ`.
    pub fn total_loss(&self) -> f64 {
        self.total
    }

    /// The report of the task of that name.
    pub fn get(&self, task: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|report| report.name == task)
    }
}

impl TaskReport {
    /// The value of the metric of that name (`"r2"`, `"roc_auc"`); `None` where it is undefined or was not
    /// asked for.
    pub fn score(&self, metric: &str) -> Option<f64> {
        self.scores.iter().find(|score| score.name == metric)?.value
    }
}

impl Index<&str> for Report {
    type Output = TaskReport;

    /// # Panics
    /// If there is no task of that name.
    #[track_caller]
    fn index(&self, task: &str) -> &TaskReport {
        match self.get(task) {
            Some(report) => report,
            None => panic!("no task named {task:?} in the report"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |task: &TaskReport| task.name.chars().count();
        let width = self.tasks.iter().map(name).max().unwrap_or(0).max(5);
        writeln!(f, "{:width$}  {:>8}  {:>12}  metrics", "task", "labels", "loss")?;
        for task in &self.tasks {
            write!(f, "{:width$}  {:>8}  {:>12.6} ", task.name, task.n_labels, task.loss)?;
            for score in &task.scores {
                write!(f, " {score}")?;
            }
            writeln!(f)?;
        }
        write!(f, "{:width$}  {:>8}  {:>12.6}", "total", "", self.total)
    }
}

impl<F: Scalar> Model<F> {
    /// Judges the model on a data set, over all its rows at once: the loss of each task, and the metrics of its
    /// kind and those that were added to it.
    ///
    /// # Errors
    /// If the data set does not fit the model.
    pub fn evaluate(&self, data: &Dataset<F>) -> Result<Report> {
        let mut trace = self.trace(evaluation_rows(data));
        let mut predictions: Vec<_> = (0..self.tasks().len())
            .map(|k| Array2::<F>::zeros((data.n_rows(), self.prediction_width(k))))
            .collect();
        let losses = self.mean_losses(data, &mut trace, |rows, trace| {
            for (k, to) in predictions.iter_mut().enumerate() {
                self.predict_task(k, trace, to.slice_mut(s![rows.clone(), ..]));
            }
        })?;

        let columns = self.columns(data)?;
        let weights = data.weights().map(|weights| weights.mapv(Scalar::to_f64));
        let mut tasks = Vec::with_capacity(losses.len());
        for (k, task) in self.tasks().iter().enumerate() {
            let columns = &columns[k];
            let targets = data.targets().select(Axis(1), columns).mapv(Scalar::to_f64);
            let weights = weights.as_ref().map(|weights| weights.view());
            let labels = Labels { targets: targets.view(), weights, groups: data.groups() };
            let all = predictions[k].mapv(Scalar::to_f64);
            let kind = self.network().loss(k).kind();
            let judged = point_predictions(&all, kind);
            let defaults = default_metrics(kind, judged.ncols(), targets.ncols());
            let scores = defaults
                .iter()
                .chain(task.added_metrics())
                .map(|metric| metric.score(judged.view(), &labels));
            tasks.push(TaskReport {
                name: task.name().to_owned(),
                loss: losses[k],
                scores: scores.collect(),
                n_labels: targets.iter().filter(|t| !t.is_nan()).count(),
            });
        }
        let total = self.tasks().iter().zip(&losses).map(|(task, loss)| task.loss_weight() * loss).sum();
        Ok(Report { tasks, total })
    }

    /// The loss of each task over a whole data set, batch by batch; `visit` is shown each batch's rows and trace.
    pub(crate) fn mean_losses(
        &self,
        data: &Dataset<F>,
        trace: &mut Trace<F>,
        mut visit: impl FnMut(std::ops::Range<usize>, &Trace<F>),
    ) -> Result<Vec<f64>> {
        let n_tasks = self.tasks().len();
        let (mut sums, mut totals) = (vec![0.0; n_tasks], vec![0.0; n_tasks]);
        let rows: Vec<usize> = (0..data.n_rows()).collect();
        let mut first = 0;
        for rows in rows.chunks(trace.capacity()) {
            self.forward_at(self.parameters(), Mode::Predict, &Batch { dataset: data, rows }, trace)?;
            for k in 0..n_tasks {
                let total = self.network().loss(k).total(&trace.labels(k));
                sums[k] += total * trace.losses()[k];
                totals[k] += total;
            }
            visit(first..first + rows.len(), trace);
            first += rows.len();
        }
        Ok(sums.iter().zip(totals).map(|(&sum, total)| if total > 0.0 { sum / total } else { 0.0 }).collect())
    }
}

/// How many rows are evaluated at once; all, where query groups must not be cut.
pub(crate) fn evaluation_rows<F: Scalar>(data: &Dataset<F>) -> usize {
    match data.groups() {
        Some(_) => data.n_rows(),
        None => data.n_rows().min(crate::model::PREDICTION_ROWS),
    }
}

/// Of predictions with several columns per target, those that estimate the target itself.
fn point_predictions(all: &Array2<f64>, kind: Kind) -> Array2<f64> {
    match kind {
        Kind::Quantity { parts, point } => all.slice(s![.., point..;parts]).to_owned(),
        _ => all.clone(),
    }
}

/// The metrics that people expect for a task of that kind.
fn default_metrics(kind: Kind, prediction_width: usize, target_width: usize) -> Vec<Metric> {
    match kind {
        Kind::Quantity { .. } => vec![Metric::RootMeanSquaredError, Metric::MeanAbsoluteError, Metric::R2],
        Kind::Binary if target_width == 1 => {
            vec![Metric::Accuracy, Metric::F1(Average::Binary), Metric::RocAuc, Metric::AveragePrecision]
        }
        Kind::Binary => vec![Metric::Accuracy, Metric::F1(Average::Macro), Metric::RocAuc],
        Kind::Classes { .. } if prediction_width > 1 => {
            vec![Metric::Accuracy, Metric::F1(Average::Macro), Metric::LogLoss]
        }
        Kind::Classes { .. } => vec![Metric::Accuracy],
        Kind::Ranking => vec![
            Metric::Ndcg { k: Some(10), gain: crate::metric::Gain::Exponential },
            Metric::MeanReciprocalRank,
        ],
    }
}
