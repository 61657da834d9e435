//! Evaluating a model: the loss and the metrics of each task on a data set.

mod source;
mod table;

pub(crate) use table::{cut, number};

use std::ops::Index;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::data::{Dataset, Sampler};
use crate::layer::Mode;
use crate::loss::{Kind, Labels, Loss};
use crate::metric::{Average, ConfusionMatrix, Gain, Metric, Score, decided, weighted_average};
use crate::{Error, ErrorKind, Model, Result, Scalar, Task, Trace, Warning};

/// How good a model is on a data set: for each task its loss, its metrics, and the number of labels they come
/// from.
///
/// It prints as a table at most 100 characters wide. In code, write `report["price"].loss`.
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
/// With task weights:
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
    /// How many tasks the total is over, and how many have a loss and a weight above 0; nothing if what is judged has no losses.
    n_in_total: Option<(usize, usize)>,
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
    /// The unweighted loss that the network is trained on, averaged over labels with a total weight of
    /// [`label_weight`](Self::label_weight). If that is 0, the loss is NaN and printed as `none`. If it is not,
    /// NaN means that outputs were beyond the range of the scalar type.
    pub loss: f64,
    /// The total weight of the labels that the loss is averaged over: for most losses their number, unless rows
    /// have weights. 0 if the data has no label with a weight above 0, or the task has no loss.
    pub label_weight: f64,
    /// Whether the loss is that of standardised targets. Metrics are always on the original scale of the
    /// targets.
    pub is_standardized: bool,
    /// Whether the loss is that of [transformed](Task::transform) targets, which are standardised after it.
    pub is_transformed: bool,
    /// The task's metrics. For a task with several target columns, each is the mean over the columns.
    pub scores: Vec<Score>,
    /// Above which probability each target column was decided to be yes ([`Model::thresholds`]); empty if it was ½, and for
    /// tasks of another kind.
    pub thresholds: Vec<f64>,
    /// Which class was taken for which, and how often. Only for a task with one target column, of yes or no or
    /// of classes.
    pub confusion: Option<ConfusionMatrix>,
    /// The number of labels behind these numbers, in all target columns of the task: those present in rows of
    /// weight above 0.
    pub n_labels: usize,
}

impl Report {
    /// The tasks, in the order of the model.
    pub fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    /// The number of rows in the data.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The weighted sum of the tasks' losses, `Σₖ wₖ Lₖ`, over those tasks with a weight above 0 that have a
    /// loss ([`TaskReport::label_weight`] above 0). If some tasks have none, the printed table says how many
    /// were added up. NaN, printed as undefined, if there is no such task, or if outputs were beyond the range
    /// of the scalar type. A report on an estimator has no losses, and prints none.
    pub fn total_loss(&self) -> f64 {
        self.total
    }

    /// What you should know about the model and the data before you trust the numbers. It is printed below the
    /// table.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The report of the task of that name, if there is one.
    pub fn get(&self, task: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|report| report.name == task)
    }

    /// The weighted mean of some metrics, each given as `(task, metric, weight)`: a single number to compare
    /// models by. Undefined metrics are left out.
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
    /// or not finite, or if higher is better for some of the metrics and lower for others.
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
    /// The loss; `None` without labels.
    pub(crate) fn loss_if_any(&self) -> Option<f64> {
        (self.label_weight > 0.0).then_some(self.loss)
    }

    /// The value of the metric of that name, such as `"r2"` or `"roc_auc"`. `None` if it is undefined or not
    /// among the task's metrics.
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
    /// Evaluates the model on a data set: the loss of each task, the default metrics for its kind, and those
    /// added to it.
    ///
    /// The network processes about a thousand rows at a time, but never divides a group whose rows a loss compares, and
    /// metrics such as the area under a curve are computed over all rows together. (If a ranking task has no groups, its
    /// loss takes each thousand rows as one list, and its metrics take all rows as one list.)
    ///
    /// ```text
    /// quantities     rmse, mae, r2; for predicted quantiles also the pinball loss of each
    /// yes or no      accuracy, f1, roc_auc, average_precision; without the last if there are several columns
    /// classes        accuracy, f1_macro, log_loss
    /// ranking        ndcg@10, mrr
    /// ```
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward) if the data does not fit the model.
    pub fn evaluate(&self, data: &Dataset<F>) -> Result<Report> {
        F::evaluate(self, data)
    }

    pub(crate) fn evaluate_here(&self, data: &Dataset<F>) -> Result<Report> {
        let mut trace = self.trace(self.evaluation_rows(data));
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
        let judged = self.judged(predictions, data)?;
        Ok(self.report(&judged, &losses, data.groups(), self.warnings_on(data)?))
    }

    /// A report without losses, on what was predicted for each task, with these warnings.
    pub(crate) fn report_on(
        &self,
        predictions: Vec<Array2<F>>,
        data: &Dataset<F>,
        warnings: Vec<Warning>,
    ) -> Result<Report> {
        self.check_table(data)?;
        let judged = self.judged(predictions, data)?;
        let mut report = self.report(&judged, &vec![None; judged.len()], data.groups(), warnings);
        report.n_in_total = None;
        Ok(report)
    }

    /// Predictions for each task beside the labels of a table.
    fn judged(&self, predictions: Vec<Array2<F>>, data: &Dataset<F>) -> Result<Vec<Judged>> {
        let of_task = |(columns, predictions): (&Vec<usize>, Array2<F>)| {
            let predictions = predictions.mapv(Scalar::to_f64);
            let (targets, weights) = self.judged_labels(data, columns)?;
            Ok(Judged { predictions, targets, weights })
        };
        self.columns(data)?.iter().zip(predictions).map(of_task).collect()
    }

    /// The labels of a task, NaN where they are missing, and their weights, if they have any.
    fn judged_labels(
        &self,
        data: &Dataset<F>,
        columns: &[usize],
    ) -> Result<(Array2<f64>, Option<Array1<f64>>)> {
        let weights = data.task_weights(columns)?.map(|weights| weights.mapv(Scalar::to_f64));
        Ok((data.targets().select(Axis(1), columns).mapv(Scalar::to_f64), weights))
    }

    /// The report on the predictions for all rows.
    fn report(
        &self,
        judged: &[Judged],
        losses: &[Option<MeanLoss>],
        groups: Option<&[u64]>,
        warnings: Vec<Warning>,
    ) -> Report {
        let n_rows = judged[0].predictions.nrows();
        let mut tasks = Vec::with_capacity(losses.len());
        for (k, (task, judged)) in self.tasks().iter().zip(judged).enumerate() {
            let Judged { predictions, targets, weights } = judged;
            let unlabelled;
            let targets = match targets.ncols() {
                0 => {
                    unlabelled = Array2::from_elem((n_rows, task.columns_list().len()), f64::NAN);
                    &unlabelled
                }
                _ => targets,
            };
            let weights = weights.as_ref().map(|weights| weights.view());
            let labels = Labels { targets: targets.view(), weights, groups };
            let kind = self.network().loss(k).kind();
            let thresholds = self.thresholds(task.name()).unwrap_or_default().to_vec();
            let decisions = (!thresholds.is_empty()).then(|| decided(predictions.view(), &thresholds));
            let decisions = decisions.as_ref().unwrap_or(predictions);
            let scores = judge(task, kind, predictions.view(), decisions.view(), &labels);
            tasks.push(TaskReport {
                name: task.name().to_owned(),
                loss: losses[k].map_or(f64::NAN, |loss| loss.mean),
                label_weight: losses[k].map_or(0.0, |loss| loss.label_weight),
                is_standardized: self.standardizes_targets(k),
                is_transformed: task.target_transform().is_some(),
                scores,
                thresholds,
                confusion: confusion(kind, decisions.view(), &labels),
                n_labels: n_labels(&labels),
            });
        }
        let weights = self.loss_weights().own;
        let total = weighted_total(losses.iter().map(|loss| loss.map(|loss| loss.mean)).zip(weights));
        let counts = |task: &&Task| task.has_loss() && task.loss_weight() > 0.0;
        let n_counting = self.tasks().iter().filter(counts).count();
        let with_labels =
            losses.iter().zip(self.tasks()).filter(|(loss, task)| loss.is_some() && counts(task));
        let n_in_total = Some((with_labels.count(), n_counting));
        Report { tasks, n_rows, total: total.unwrap_or(f64::NAN), n_in_total, warnings }
    }

    /// How many rows are evaluated at once: enough that no group is divided whose rows are compared.
    pub(crate) fn evaluation_rows(&self, data: &Dataset<F>) -> usize {
        let largest = if self.compares_rows() { data.largest_group() } else { 1 };
        self.prediction_rows().max(largest).min(data.n_rows())
    }

    /// The loss of each task over a whole data set, computed batch by batch; `None` for a task without a loss
    /// or without labels. `visit` is called with the rows and the trace of each batch.
    pub(crate) fn mean_losses(
        &self,
        data: &Dataset<F>,
        trace: &mut Trace<F>,
        mut visit: impl FnMut(&[usize], &Trace<F>),
    ) -> Result<Vec<Option<MeanLoss>>> {
        let mut sums = LossSums::new(self.tasks().len());
        let sampler = match self.compares_rows() {
            true => Sampler::in_order(data, trace.capacity()),
            false => Sampler::rows_in_order(data, trace.capacity()),
        };
        let mut batches = data.pass(sampler);
        while let Some(batch) = batches.next_batch()? {
            self.forward_at(&self.pass(Mode::Predict), &batch, trace)?;
            sums.add(self, trace);
            visit(batch.rows, trace);
        }
        Ok(sums.means())
    }
}

/// What the means of the tasks' losses over several batches are computed from.
struct LossSums {
    sums: Vec<f64>,
    /// The weight of the labels.
    totals: Vec<f64>,
}

impl LossSums {
    fn new(n_tasks: usize) -> Self {
        Self { sums: vec![0.0; n_tasks], totals: vec![0.0; n_tasks] }
    }

    /// Adds the losses of the batch in the trace.
    fn add<F: Scalar>(&mut self, model: &Model<F>, trace: &Trace<F>) {
        for (k, _) in model.tasks().iter().enumerate().filter(|(_, task)| task.has_loss()) {
            let total = model.network().loss(k).total(&trace.labels(k));
            // 0 times NaN would be NaN.
            if total > 0.0 {
                self.sums[k] += total * trace.losses()[k];
                self.totals[k] += total;
            }
        }
    }

    /// For each task; `None` without labels.
    fn means(&self) -> Vec<Option<MeanLoss>> {
        let mean = |sum: f64, label_weight| MeanLoss { mean: sum / label_weight, label_weight };
        let pairs = self.sums.iter().zip(&self.totals);
        pairs.map(|(&sum, &total)| (total > 0.0).then(|| mean(sum, total))).collect()
    }
}

/// The predictions of a task for all rows, and the labels to judge them by.
struct Judged {
    predictions: Array2<f64>,
    /// Without columns if there are no labels.
    targets: Array2<f64>,
    weights: Option<Array1<f64>>,
}

/// The loss of a task over a data set that has labels for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeanLoss {
    /// NaN if outputs were beyond the range of the scalar type.
    pub(crate) mean: f64,
    /// The total weight of the labels that it is averaged over, above 0.
    pub(crate) label_weight: f64,
}

/// `Σ wₖ Lₖ` over the losses that are defined and have a weight above 0; `None` if there are none.
pub(crate) fn weighted_total(losses: impl Iterator<Item = (Option<f64>, f64)>) -> Option<f64> {
    let weighted =
        losses.filter(|(_, weight)| *weight > 0.0).filter_map(|(loss, weight)| Some(weight * loss?));
    weighted.fold(None, |total, loss| Some(total.unwrap_or(0.0) + loss))
}

/// The default metrics of a task and those added to it, on these predictions; those that judge decisions on `decisions`,
/// which are the predictions unless a threshold was chosen.
pub(crate) fn judge(
    task: &Task,
    kind: Kind,
    predictions: ArrayView2<'_, f64>,
    decisions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Vec<Score> {
    let mut scores: Vec<Score> = default_metrics(kind, labels.targets.ncols())
        .iter()
        .chain(task.added_metrics())
        .map(|metric| {
            let judged = if metric.is_of_decisions() { decisions } else { predictions };
            score(metric, kind, judged, labels)
        })
        .collect();
    if let Loss::Quantile { quantiles, .. } = task.loss() {
        scores.extend(quantiles.iter().enumerate().map(|(i, &quantile)| {
            let kind = Kind::Quantity { parts: quantiles.len(), point: i };
            score(&Metric::Pinball { quantile }, kind, predictions, labels)
        }));
    }
    scores
}

/// The metric, evaluated on the prediction columns it applies to. For quantities, these are the columns that
/// estimate the quantity itself. For classes and rankings, each target column is evaluated alone, and the
/// defined values are averaged.
pub(crate) fn score(
    metric: &Metric,
    kind: Kind,
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Score {
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

/// The confusion matrix of a task with one target column, of yes or no or of classes.
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

/// The number of labels in rows of weight above 0.
pub(crate) fn n_labels(labels: &Labels<'_, f64>) -> usize {
    let rows = labels.targets.rows().into_iter().enumerate();
    let counting = rows.filter(|&(row, _)| labels.weight(row) > 0.0);
    counting.map(|(_, row)| row.iter().filter(|t| !t.is_nan()).count()).sum()
}

/// The metrics that are usual for a task of this kind.
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
