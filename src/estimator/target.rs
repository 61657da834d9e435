//! A target of an estimator: one column of labels, whose kind says by what its predictions are judged.
//!
//! ```text
//!                    of a prediction counts      weights of kinds by         how far it is off
//! quantity, count    ŷ                           least squared error         |y − ŷ|
//! yes or no          p̂(label)                    log loss                    1 − p̂(label)
//! classes            p̂(label)                    log loss                    1 − p̂(label)
//! ranking            the score                   nDCG@10                     undefined
//! ```

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::stack::{Weighed, least_log_loss, least_squares};
use super::stack_ranking::best_ranking;
use crate::loss::Kind;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// What the errors of a ranking are called.
pub(super) const RANKING: &str = "1 - ndcg@10";

/// A column of labels, and where its predictions are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) task: usize,
    /// Which columns of the task's predictions are its own.
    columns: Range<usize>,
    kind: Kind,
}

/// Held-out predictions of kinds of networks for labels of one target.
pub(super) struct Judged<'a> {
    /// What counts of each prediction, `rows × kinds`.
    pub(super) predictions: ArrayView2<'a, f64>,
    pub(super) labels: &'a [f64],
    /// Above 0.
    pub(super) weights: &'a [f64],
    /// Which rows are ranked together.
    pub(super) groups: Option<&'a [u64]>,
    /// The mean of all labels of the target.
    pub(super) mean: f64,
}

impl Target {
    /// The targets of some tasks, in order.
    ///
    /// # Errors
    /// If an estimator cannot have such a task.
    pub(super) fn of_tasks(tasks: &[Task]) -> Result<Vec<Self>> {
        let mut targets = Vec::new();
        for (k, task) in tasks.iter().enumerate() {
            let kind = task.loss().build::<f64>()?.kind();
            let unfit = match kind {
                _ if task.factors().is_some() => Some("a product of two others"),
                _ if !task.has_loss() => Some("a task without a loss"),
                Kind::Quantity { parts, .. } if parts > 1 => Some("several predictions for a quantity"),
                _ => None,
            };
            if let Some(found) = unfit {
                let place = format!("estimator, task {:?}", task.name());
                let expected = "a quantity, a count, yes or no, classes or a ranking";
                return Err(Error::new(ErrorKind::Setting, place, expected, found).advise(
                    "train a Model with this task; how sure a prediction is, an estimator says by calibrate",
                ));
            }
            let width = match kind {
                Kind::Classes { classes, .. } => classes,
                _ => 1,
            };
            let columns = task.columns_list();
            for (c, column) in columns.iter().enumerate() {
                // A task and its only column have one name where they are one thing.
                let name = if columns.len() == 1 { task.name() } else { column.as_str() };
                let columns = c * width..(c + 1) * width;
                targets.push(Self { name: name.to_owned(), task: k, columns, kind });
            }
        }
        Ok(targets)
    }

    pub(super) fn is_quantity(&self) -> bool {
        matches!(self.kind, Kind::Quantity { .. })
    }

    pub(super) fn is_ranking(&self) -> bool {
        matches!(self.kind, Kind::Ranking)
    }

    /// Which columns of its task's predictions are its own.
    #[cfg(feature = "onnx")]
    pub(super) fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// How many columns its predictions have.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many classes its labels are of; none of a quantity or a ranking.
    pub(super) fn n_classes(&self) -> Option<usize> {
        match self.kind {
            Kind::Binary => Some(2),
            Kind::Classes { classes, .. } => Some(classes),
            Kind::Quantity { .. } | Kind::Ranking => None,
        }
    }

    /// Its part of the predictions for its task.
    pub(super) fn of_task<'a, F>(&self, predictions: &'a Array2<F>) -> ArrayView2<'a, F> {
        predictions.slice(s![.., self.columns.clone()])
    }

    /// The probability of a class in a prediction of its own columns.
    pub(super) fn probability<F: Scalar>(&self, predicted: ArrayView1<'_, F>, class: usize) -> f64 {
        match (self.kind, class) {
            (Kind::Binary, 0) => 1.0 - predicted[0].to_f64(),
            (Kind::Binary, _) => predicted[0].to_f64(),
            _ => predicted[class].to_f64(),
        }
    }

    /// What counts of a prediction of its own columns, where the label is known.
    pub(super) fn judged<F: Scalar>(&self, predicted: ArrayView1<'_, F>, label: f64) -> f64 {
        match self.kind {
            Kind::Quantity { .. } | Kind::Ranking => predicted[0].to_f64(),
            Kind::Binary | Kind::Classes { .. } => self.probability(predicted, label as usize),
        }
    }

    /// How far a prediction of its own columns is from a label: NaN if there is no label, or no distance; infinite if there is
    /// no prediction.
    pub(super) fn score<F: Scalar>(&self, predicted: ArrayView1<'_, F>, label: f64) -> f64 {
        if label.is_nan() || self.is_ranking() {
            return f64::NAN;
        }
        let judged = self.judged(predicted, label);
        let score = if self.is_quantity() { (label - judged).abs() } else { 1.0 - judged };
        if score.is_nan() { f64::INFINITY } else { score }
    }

    /// What a prediction that counts would be at its best: the label, or its certainty.
    pub(super) fn best(&self, label: f64) -> f64 {
        if self.is_quantity() { label } else { 1.0 }
    }

    /// What the errors of held-out predictions are called.
    pub(super) fn metric(&self) -> &'static str {
        match self.kind {
            Kind::Quantity { .. } => "RMSE",
            Kind::Binary | Kind::Classes { .. } => "log loss",
            Kind::Ranking => RANKING,
        }
    }

    /// The weights of kinds of networks; `None` if nothing has a finite error.
    pub(super) fn weigh(&self, judged: &Judged<'_>) -> Option<Weighed> {
        let Judged { predictions, labels, weights, groups, mean } = *judged;
        match self.kind {
            Kind::Quantity { .. } => least_squares(predictions, labels, weights, mean),
            Kind::Binary | Kind::Classes { .. } => least_log_loss(predictions, labels, weights),
            Kind::Ranking => best_ranking(predictions, labels, weights, groups),
        }
    }

    /// Whether a number is a label of such a target.
    #[cfg(feature = "persist")]
    pub(super) fn is_label(&self, label: f64) -> bool {
        match self.n_classes() {
            Some(classes) => (0.0..classes as f64).contains(&label) && label.fract() == 0.0,
            None => label.is_finite(),
        }
    }
}
