//! Judging one task: fold by fold, and all rows of a repeat together.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::outcome::Outcome;
use super::summary::{ScoreSummary, TaskValidation};
use crate::data::{Dataset, Fold};
use crate::loss::{Kind, Labels};
use crate::metric::{Direction, Metric, Score, decided};
use crate::report;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// A task with its labels in all rows.
pub(super) struct Judge {
    task: Task,
    kind: Kind,
    targets: Array2<f64>,
    weights: Option<Array1<f64>>,
    groups: Option<Vec<u64>>,
    /// How many columns its predictions have: for classes, one for each that a fold's model or a label knows.
    width: usize,
}

/// What one fold predicts of a task, and its thresholds, unless they are ½.
pub(super) type Predicted = (Array2<f64>, Option<Vec<f64>>);

/// The labels of some rows.
struct RowLabels {
    targets: Array2<f64>,
    weights: Option<Array1<f64>>,
    groups: Option<Vec<u64>>,
}

impl RowLabels {
    fn view(&self) -> Labels<'_, f64> {
        Labels {
            targets: self.targets.view(),
            weights: self.weights.as_ref().map(|weights| weights.view()),
            groups: self.groups.as_deref(),
        }
    }
}

/// Checks that a fold predicts the tasks that the judges know.
pub(super) fn meet(judges: &mut [Judge], outcome: &Outcome, n_held_out: usize) -> Result<()> {
    let n_tasks = (outcome.tasks.len(), outcome.predictions.len());
    if n_tasks != (judges.len(), judges.len()) {
        let expected = format!("the {} tasks of the first fold", judges.len());
        let found = format!("{} tasks, predictions of {}", n_tasks.0, n_tasks.1);
        return Err(Error::new(ErrorKind::Setting, "tasks", expected, found));
    }
    for (k, judge) in judges.iter_mut().enumerate() {
        judge.meet(&outcome.tasks[k], &outcome.predictions[k], outcome.thresholds[k].as_ref(), n_held_out)?;
    }
    Ok(())
}

impl Judge {
    pub(super) fn new<F: Scalar>(task: &Task, data: &Dataset<F>) -> Result<Self> {
        task.check()?;
        let kind = task.loss().build::<f64>()?.kind();
        let columns: Result<Vec<usize>> =
            task.columns_list().iter().map(|column| data.names().target(column)).collect();
        let within = |error: Error| error.within(format!("task {:?}", task.name()));
        let columns = match columns {
            Err(_) if !task.has_loss() => Vec::new(),
            columns => columns.map_err(within)?,
        };
        let targets = match columns[..] {
            [] => Array2::from_elem((data.n_rows(), task.columns_list().len()), f64::NAN),
            _ => data.targets().select(Axis(1), &columns).mapv(Scalar::to_f64),
        };
        let weights = data.task_weights(&columns).map_err(within)?;
        let width = match kind {
            Kind::Quantity { parts, .. } => parts * targets.ncols(),
            Kind::Binary | Kind::Ranking => targets.ncols(),
            Kind::Classes { classes, .. } if targets.ncols() == 1 => {
                let named = data.names().classes.get(&task.columns_list()[0]).map_or(0, Vec::len);
                let is_class = |label: &&f64| (0.0..MOST_CLASSES).contains(*label) && label.fract() == 0.0;
                let labelled =
                    targets.iter().filter(is_class).fold(0, |most, &label| most.max(label as usize + 1));
                classes.max(named).max(labelled)
            }
            Kind::Classes { classes, .. } => classes * targets.ncols(),
        };
        for metric in task.added_metrics() {
            let (outputs, columns) = kind.judged_widths(width, targets.ncols());
            metric.check(outputs, columns).map_err(within)?;
        }
        Ok(Self {
            task: task.clone(),
            kind,
            targets,
            weights: weights.map(|weights| weights.mapv(Scalar::to_f64)),
            groups: data.groups().map(<[_]>::to_vec),
            width,
        })
    }

    /// Checks that a fold predicts this task, and learns of classes that it knows.
    fn meet(
        &mut self,
        task: &Task,
        predictions: &Array2<f64>,
        thresholds: Option<&Vec<f64>>,
        n_held_out: usize,
    ) -> Result<()> {
        let place = format!("task {:?}", self.task.name());
        let kind = task.loss().build::<f64>()?.kind();
        let is_same = match (self.kind, kind) {
            (Kind::Classes { .. }, Kind::Classes { .. }) => true,
            (own, other) => own == other,
        };
        if !is_same || (task.name(), task.columns_list()) != (self.task.name(), self.task.columns_list()) {
            let found = format!("task {:?} of {:?}, {kind:?}", task.name(), task.columns_list());
            let expected = format!("{:?} of {:?}, as in the first fold", self.kind, self.task.columns_list());
            return Err(Error::new(ErrorKind::Setting, place, expected, found));
        }
        let (rows, width) = predictions.dim();
        let is_of_classes = matches!(kind, Kind::Classes { .. }) && self.targets.ncols() == 1;
        if rows != n_held_out || (width != self.width && !is_of_classes) || width == 0 {
            let expected = format!("{n_held_out} × {}", self.width);
            let place = format!("predictions of {place}");
            return Err(Error::new(ErrorKind::Shape, place, expected, format!("{rows} × {width}")));
        }
        let n_thresholds = thresholds.map_or(width, Vec::len);
        if n_thresholds != width || thresholds.is_some() && kind != Kind::Binary {
            let expected = "one for each target column of a task of yes or no";
            let place = format!("thresholds of {place}");
            return Err(Error::new(ErrorKind::Shape, place, expected, n_thresholds));
        }
        self.width = self.width.max(width);
        Ok(())
    }

    /// The score that tells most of single predictions.
    pub(super) fn telling(&self) -> &'static str {
        match self.kind {
            Kind::Quantity { .. } => "rmse",
            Kind::Binary => "roc_auc",
            Kind::Classes { .. } => "log_loss",
            Kind::Ranking => "ndcg@10",
        }
    }

    /// The scores of predictions for all rows.
    pub(super) fn scores_of(&self, predictions: Array2<f64>, thresholds: Option<&[f64]>) -> Vec<Score> {
        // A class that the model does not know has probability 0.
        let mut padded = Array2::zeros((predictions.nrows(), self.width.max(predictions.ncols())));
        padded.slice_mut(s![.., ..predictions.ncols()]).assign(&predictions);
        let decisions = thresholds.map(|thresholds| decided(padded.view(), thresholds));
        let decisions = decisions.as_ref().unwrap_or(&padded);
        let labels = Labels {
            targets: self.targets.view(),
            weights: self.weights.as_ref().map(|weights| weights.view()),
            groups: self.groups.as_deref(),
        };
        report::judge(&self.task, self.kind, padded.view(), decisions.view(), &labels)
    }

    fn labels(&self, rows: &[usize]) -> RowLabels {
        RowLabels {
            targets: self.targets.select(Axis(0), rows),
            weights: self.weights.as_ref().map(|weights| weights.select(Axis(0), rows)),
            groups: self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
        }
    }

    /// The task's scores and out-of-fold predictions, and for each fold the number of labels held out and the scores.
    pub(super) fn validation(
        &self,
        folds: &[Fold],
        n_repeats: usize,
        predictions: Vec<Predicted>,
    ) -> (TaskValidation, Vec<(usize, Vec<Score>)>) {
        let per_repeat = folds.len() / n_repeats;
        let (mut of_folds, mut of_repeats, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let mut n_labels = 0;
        for (folds, predictions) in folds.chunks(per_repeat).zip(predictions.chunks(per_repeat)) {
            let mut of_rows = Array2::from_elem((self.targets.nrows(), self.width), f64::NAN);
            let mut decisions = of_rows.clone();
            let mut means = Array2::from_elem(self.targets.dim(), f64::NAN);
            for (Fold { train, test, .. }, (predictions, thresholds)) in folds.iter().zip(predictions) {
                // A class that the fold's model does not know has probability 0.
                let mut padded = Array2::zeros((test.len(), self.width));
                padded.slice_mut(s![.., ..predictions.ncols()]).assign(predictions);
                let decided = thresholds.as_ref().map(|thresholds| decided(padded.view(), thresholds));
                let decided = decided.as_ref().unwrap_or(&padded);
                let mean = Array1::from_vec(training_mean(&self.labels(train).view()));
                for (i, &row) in test.iter().enumerate() {
                    of_rows.row_mut(row).assign(&padded.row(i));
                    decisions.row_mut(row).assign(&decided.row(i));
                    means.row_mut(row).assign(&mean);
                }
                of_folds.push(self.scores(test, [&of_rows, &decisions], means.view()));
            }
            let mut rows: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
            rows.sort_unstable();
            let (labels, scores) = self.scores(&rows, [&of_rows, &decisions], means.view());
            n_labels = labels;
            of_repeats.push(scores);
            all.push(of_rows);
        }
        let summary = |(i, score): (usize, &Score)| ScoreSummary {
            name: score.name.clone(),
            direction: score.direction,
            folds: of_folds.iter().map(|(_, scores)| scores[i].value).collect(),
            pooled: of_repeats.iter().map(|scores: &Vec<Score>| scores[i].value).collect(),
        };
        let scores = of_repeats[0].iter().enumerate().map(summary).collect();
        let name = self.task.name().to_owned();
        (TaskValidation { name, scores, n_labels, predictions: all }, of_folds)
    }

    /// The number of labels in some rows, and the scores on them, from predictions and decisions; `means` has what each
    /// row's fold would predict without looking at the features.
    fn scores(
        &self,
        rows: &[usize],
        all: [&Array2<f64>; 2],
        means: ArrayView2<'_, f64>,
    ) -> (usize, Vec<Score>) {
        let (labels, [predictions, decisions]) =
            (self.labels(rows), all.map(|all| all.select(Axis(0), rows)));
        let labels = labels.view();
        let mut scores = report::judge(&self.task, self.kind, predictions.view(), decisions.view(), &labels);
        if let Kind::Quantity { parts, point } = self.kind {
            let (points, means) = (predictions.slice(s![.., point..;parts]), means.select(Axis(0), rows));
            let value = relative_error(points, means.view(), &labels);
            scores.push(Score { name: "rrmse".into(), value, direction: Direction::LowerIsBetter });
        }
        (report::n_labels(&labels), scores)
    }
}

/// The largest label that is taken for the index of a class.
const MOST_CLASSES: f64 = 10_000.0;

/// The mean of the labels of each column; NaN without any.
fn training_mean(labels: &Labels<'_, f64>) -> Vec<f64> {
    match Metric::relative_to(labels) {
        Metric::RelativeRootMeanSquaredError { training_mean } => training_mean,
        _ => unreachable!("it is relative to the mean"),
    }
}

/// The relative root mean squared error where each row has its own training mean: of each column the root of the quotient
/// of two mean squared errors, that of the predictions and that of the means.
fn relative_error(
    predictions: ArrayView2<'_, f64>,
    means: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<f64> {
    let of_column = |c: usize| {
        let labels = Labels { targets: labels.targets.slice(s![.., c..=c]), ..*labels };
        let error =
            |of: ArrayView2<'_, f64>| Metric::MeanSquaredError.evaluate(of.slice(s![.., c..=c]), &labels);
        let of_mean = error(means).filter(|&error| error > 0.0)?;
        Some((error(predictions)? / of_mean).sqrt())
    };
    let values: Vec<f64> = (0..predictions.ncols()).filter_map(of_column).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
