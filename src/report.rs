//! Judging a model over all its tasks.

mod table;

use std::ops::Index;

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::data::Dataset;
use crate::layer::Mode;
use crate::loss::{Kind, Labels, Loss};
use crate::metric::{Average, ConfusionMatrix, Gain, Metric, Score, weighted_average};
use crate::{Error, ErrorKind, Model, Result, Scalar, Task, Trace, Warning};

/// How good a model is on a data set: for each task its loss, its metrics, and how many labels they are of.
///
/// Printed, it is a table of at most 100 columns; read by a program, `report["price"].loss`.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::mixed_tasks::<f64>(200, 0.4, 1);
/// let model = Model::builder(data.n_features())
///     .task(Task::regression("value"))
///     .task(Task::binary("accepted"))
///     .build::<f64>()?;
/// let report = model.evaluate(&data)?;
/// assert!(report["value"].loss > 0.0 && report["value"].n_labels < 200);
/// assert!(report["accepted"].score("roc_auc").is_some());
/// let confusion = report["accepted"].confusion.as_ref().expect("a task of decisions");
/// assert_eq!(confusion.counts().sum(), report["accepted"].n_labels as f64);
/// assert!(report.to_string().contains("rmse ↓"));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// With weights of the tasks:
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let builder = Model::builder(10).task(Task::regression("shoulder").weight(0.5));
/// let builder = builder.task(Task::regression("elbow"));
/// let report = builder.build::<f64>()?.evaluate(&data)?;
/// let total: f64 = [0.5, 1.0].iter().zip(report.tasks()).map(|(weight, task)| weight * task.loss).sum();
/// assert!((report.total_loss() - total).abs() < 1e-12 && report.n_rows() == 50);
/// assert!(report.get("elbow").is_some() && report.get("wrist").is_none()); // `report["wrist"]` panics
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    tasks: Vec<TaskReport>,
    n_rows: usize,
    total: f64,
    /// How many tasks the total is over, and how many have a loss and a weight above 0.
    n_in_total: (usize, usize),
    warnings: Vec<Warning>,
}

/// How good a model is at one task.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let report = model.evaluate(&data)?;
/// let elbow = &report["elbow"];
/// assert_eq!((elbow.name.as_str(), elbow.n_labels), ("elbow", 50));
/// assert!(elbow.score("r2").is_some_and(|r2| r2 < 1.0));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskReport {
    /// The task's name.
    pub name: String,
    /// The unweighted loss as the network learns it, a mean over labels of [`label_weight`](Self::label_weight)
    /// in all. NaN, printed as `none`, if that is 0; with labels NaN is what it says: outputs are beyond the range
    /// of the scalar type.
    pub loss: f64,
    /// The weight of the labels that the loss is a mean over: without example weights their number, for most losses. 0
    /// if the data has no label with a weight above 0, or the task has no loss.
    pub label_weight: f64,
    /// Whether the loss is of standardised targets. Metrics are always on the scale of the targets.
    pub is_standardized: bool,
    /// The task's metrics. Of a task of several target columns, each is the mean over the columns.
    pub scores: Vec<Score>,
    /// How often each class was decided to be which; of one target column of yes or no or of classes only.
    pub confusion: Option<ConfusionMatrix>,
    /// How many labels all this is of, over all the task's target columns: those present in rows of a weight above 0.
    pub n_labels: usize,
}

impl Report {
    /// The tasks, in the order of the model.
    pub fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    /// How many rows the data has.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The weighted sum of the tasks' losses, `Σₖ wₖ Lₖ`, over the tasks of a weight above 0 that have one
    /// ([`TaskReport::label_weight`] above 0): printed, it says over how many where that is not all. NaN, printed as
    /// undefined, if there is no such task, or where outputs are beyond the range of the scalar type.
    pub fn total_loss(&self) -> f64 {
        self.total
    }

    /// What to know of the model and the data before the numbers are trusted; printed beneath the table.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The report of the task of that name.
    pub fn get(&self, task: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|report| report.name == task)
    }

    /// The weighted mean of chosen metrics, each said as `(task, metric, weight)`: one number to compare
    /// models by. What is undefined is left out.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(100, 0.05, 1);
    /// let model = Model::builder(data.n_features())
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow"))
    ///     .build::<f64>()?;
    /// let report = model.evaluate(&data)?;
    /// let r2 = |task: &str| report[task].score("r2").unwrap();
    /// let average = report.average(&[("shoulder", "r2", 3.0), ("elbow", "r2", 1.0)])?;
    /// assert!((average.value.unwrap() - (3.0 * r2("shoulder") + r2("elbow")) / 4.0).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no such task or metric; [`ErrorKind::Setting`] if a weight is negative
    /// or not finite, or of some metrics higher is better and of others lower.
    pub fn average(&self, terms: &[(&str, &str, f64)]) -> Result<Score> {
        let chosen: Result<Vec<(&Score, f64)>> = (terms.iter())
            .map(|&(task, metric, weight)| {
                let report = self.get(task).ok_or_else(|| {
                    let there: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
                    Error::new(ErrorKind::Name, "task to average", format!("one of {there:?}"), task)
                })?;
                let score = report.scores.iter().find(|score| score.name == metric).ok_or_else(|| {
                    let there: Vec<&str> = report.scores.iter().map(|score| score.name.as_str()).collect();
                    let place = format!("task {task:?}, metric to average");
                    Error::new(ErrorKind::Name, place, format!("one of {there:?}"), metric)
                })?;
                Ok((score, weight))
            })
            .collect();
        weighted_average(&chosen?)
    }
}

impl TaskReport {
    /// The loss, if there was a label to have one of.
    pub(crate) fn loss_if_any(&self) -> Option<f64> {
        (self.label_weight > 0.0).then_some(self.loss)
    }

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

impl<F: Scalar> Model<F> {
    /// Judges the model on a data set, over all its rows: the loss of each task, and the metrics of its kind and
    /// those that were added to it. The network sees about a thousand rows at a time, whole query groups always; the
    /// numbers are those of all rows together, areas under curves included. (To a ranking loss a table without groups
    /// is a list for every thousand rows; to the metrics, one list.)
    ///
    /// ```text
    /// quantities     rmse, mae, r2; of predicted quantiles, the pinball loss of each as well
    /// yes or no      accuracy, f1, roc_auc, average_precision; of several columns all but the last
    /// classes        accuracy, f1_macro, log_loss
    /// ranking        ndcg@10, mrr
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), if the data set does not fit the model.
    pub fn evaluate(&self, data: &Dataset<F>) -> Result<Report> {
        F::evaluate(self, data)
    }

    pub(crate) fn evaluate_here(&self, data: &Dataset<F>) -> Result<Report> {
        let mut trace = self.trace(evaluation_rows(data));
        let mut predictions: Vec<_> = (0..self.tasks().len())
            .map(|k| Array2::<F>::zeros((data.n_rows(), self.prediction_width(k))))
            .collect();
        let mut of_batch: Vec<Array2<F>> =
            predictions.iter().map(|all| Array2::zeros((trace.capacity(), all.ncols()))).collect();
        let losses = self.mean_losses(data, &mut trace, |rows, trace| {
            for (k, (all, of_batch)) in predictions.iter_mut().zip(&mut of_batch).enumerate() {
                let mut of_batch = of_batch.slice_mut(s![..rows.len(), ..]);
                self.predict_task(k, trace, of_batch.view_mut());
                rows.iter().zip(of_batch.rows()).for_each(|(&row, from)| all.row_mut(row).assign(&from));
            }
        })?;

        let columns = self.columns(data)?;
        let weights = data.weights().map(|weights| weights.mapv(Scalar::to_f64));
        let mut tasks = Vec::with_capacity(losses.len());
        for (k, task) in self.tasks().iter().enumerate() {
            let targets = match columns[k].as_slice() {
                [] => Array2::from_elem((data.n_rows(), task.columns_list().len()), f64::NAN),
                columns => data.targets().select(Axis(1), columns).mapv(Scalar::to_f64),
            };
            let weights = weights.as_ref().map(|weights| weights.view());
            let labels = Labels { targets: targets.view(), weights, groups: data.groups() };
            let predictions = predictions[k].mapv(Scalar::to_f64);
            let kind = self.network().loss(k).kind();
            let mut scores: Vec<Score> = default_metrics(kind, targets.ncols())
                .iter()
                .chain(task.added_metrics())
                .map(|metric| score(metric, kind, predictions.view(), &labels))
                .collect();
            if let Loss::Quantile { quantiles } = task.loss() {
                scores.extend(quantiles.iter().enumerate().map(|(i, &quantile)| {
                    let kind = Kind::Quantity { parts: quantiles.len(), point: i };
                    score(&Metric::Pinball { quantile }, kind, predictions.view(), &labels)
                }));
            }
            tasks.push(TaskReport {
                name: task.name().to_owned(),
                loss: losses[k].map_or(f64::NAN, |loss| loss.mean),
                label_weight: losses[k].map_or(0.0, |loss| loss.label_weight),
                is_standardized: self.standardizes_targets(k),
                scores,
                confusion: confusion(kind, predictions.view(), &labels),
                n_labels: n_labels(&labels),
            });
        }
        let weights = self.loss_weights().own;
        let total = weighted_total(losses.iter().map(|loss| loss.map(|loss| loss.mean)).zip(weights));
        let counts = |task: &&Task| task.has_loss() && task.loss_weight() > 0.0;
        let n_counting = self.tasks().iter().filter(counts).count();
        let with_labels =
            losses.iter().zip(self.tasks()).filter(|(loss, task)| loss.is_some() && counts(task));
        let n_in_total = (with_labels.count(), n_counting);
        let (total, warnings) = (total.unwrap_or(f64::NAN), self.warnings_on(data)?);
        Ok(Report { tasks, n_rows: data.n_rows(), total, n_in_total, warnings })
    }

    /// The loss of each task over a whole data set, batch by batch, or nothing if the task has no loss or no
    /// label; `visit` is shown each batch's rows and trace.
    pub(crate) fn mean_losses(
        &self,
        data: &Dataset<F>,
        trace: &mut Trace<F>,
        mut visit: impl FnMut(&[usize], &Trace<F>),
    ) -> Result<Vec<Option<MeanLoss>>> {
        let n_tasks = self.tasks().len();
        let (mut sums, mut totals) = (vec![0.0; n_tasks], vec![0.0; n_tasks]);
        let mut batches = data.batches_in_order(trace.capacity());
        while let Some(batch) = batches.next_batch()? {
            self.forward_at(&self.pass(Mode::Predict), &batch, trace)?;
            for (k, _) in self.tasks().iter().enumerate().filter(|(_, task)| task.has_loss()) {
                let total = self.network().loss(k).total(&trace.labels(k));
                // Nothing times a loss that is not a number would not be nothing.
                if total > 0.0 {
                    sums[k] += total * trace.losses()[k];
                    totals[k] += total;
                }
            }
            visit(batch.rows, trace);
        }
        let mean = |sum: f64, label_weight| MeanLoss { mean: sum / label_weight, label_weight };
        Ok(sums.iter().zip(totals).map(|(&sum, total)| (total > 0.0).then(|| mean(sum, total))).collect())
    }
}

/// The loss of one task over a data set in which it has labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeanLoss {
    /// Not a number where outputs are beyond the range of the scalar type.
    pub(crate) mean: f64,
    /// The weight of the labels that it is a mean over, above 0.
    pub(crate) label_weight: f64,
}

/// `Σ wₖ Lₖ` of losses with their weights, over those that are there and have a weight above 0; `None` if none is.
pub(crate) fn weighted_total(losses: impl Iterator<Item = (Option<f64>, f64)>) -> Option<f64> {
    let weighted =
        losses.filter(|(_, weight)| *weight > 0.0).filter_map(|(loss, weight)| Some(weight * loss?));
    weighted.fold(None, |total, loss| Some(total.unwrap_or(0.0) + loss))
}

/// How many rows are evaluated at once: the largest query group too must not be cut.
pub(crate) fn evaluation_rows<F: Scalar>(data: &Dataset<F>) -> usize {
    crate::model::PREDICTION_ROWS.max(data.largest_group()).min(data.n_rows())
}

/// The metric of those prediction columns that it is about: of quantities, those that estimate the quantity
/// itself; of classes and rankings, those of each target column by itself, averaged where it is defined.
fn score(metric: &Metric, kind: Kind, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Score {
    let n_targets = labels.targets.ncols();
    match kind {
        Kind::Quantity { parts, point } => metric.score(predictions.slice(s![.., point..;parts]), labels),
        Kind::Binary => metric.score(predictions, labels),
        Kind::Classes { .. } | Kind::Ranking => {
            let width = predictions.ncols() / n_targets;
            let values: Vec<f64> = (0..n_targets)
                .filter_map(|column| {
                    let targets = labels.targets.slice(s![.., column..=column]);
                    let predictions = predictions.slice(s![.., column * width..(column + 1) * width]);
                    metric.evaluate(predictions, &Labels { targets, ..*labels })
                })
                .collect();
            let value = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
            Score { name: metric.name(), value, direction: metric.direction() }
        }
    }
}

/// Of the decisions on one target column of yes or no or of classes.
fn confusion(
    kind: Kind,
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<ConfusionMatrix> {
    match kind {
        Kind::Binary | Kind::Classes { .. } if labels.targets.ncols() == 1 => {
            ConfusionMatrix::new(predictions, labels)
        }
        _ => None,
    }
}

/// How many labels are present in rows that count.
fn n_labels(labels: &Labels<'_, f64>) -> usize {
    let rows = labels.targets.rows().into_iter().enumerate();
    let counting = rows.filter(|&(row, _)| labels.weight(row) > 0.0);
    counting.map(|(_, row)| row.iter().filter(|t| !t.is_nan()).count()).sum()
}

/// The metrics that people expect for a task of that kind.
fn default_metrics(kind: Kind, n_targets: usize) -> Vec<Metric> {
    match kind {
        Kind::Quantity { .. } => vec![Metric::RootMeanSquaredError, Metric::MeanAbsoluteError, Metric::R2],
        Kind::Binary if n_targets == 1 => {
            vec![Metric::Accuracy, Metric::F1(Average::Binary), Metric::RocAuc, Metric::AveragePrecision]
        }
        Kind::Binary => vec![Metric::Accuracy, Metric::F1(Average::Macro), Metric::RocAuc],
        Kind::Classes { .. } => vec![Metric::Accuracy, Metric::F1(Average::Macro), Metric::LogLoss],
        Kind::Ranking => {
            vec![Metric::Ndcg { k: Some(10), gain: Gain::Exponential }, Metric::MeanReciprocalRank]
        }
    }
}
