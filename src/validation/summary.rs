//! One task's scores in every fold, and what was predicted for each row.

use ndarray::{Array2, ArrayView2};

use crate::metric::Direction;

/// One task's part of a [`CrossValidated`](super::CrossValidated).
///
/// ```
/// use polytask::loss::Labels;
/// use polytask::prelude::*;
/// use polytask::validation::{CrossValidation, TaskValidation};
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 1);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(1).epochs(20);
/// let result = CrossValidation::new(3).run(&data, |part| settings.fit_table(part.data))?;
/// let elbow: &TaskValidation = &result["elbow"];
/// let mae = Metric::MeanAbsoluteError.evaluate(
///     elbow.out_of_fold(0),
///     &Labels::new(data.targets().select(ndarray::Axis(1), &[1]).view()),
/// );
/// assert_eq!(elbow.score("mae").expect("a score of quantities").pooled, [mae]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskValidation {
    /// The task's name.
    pub name: String,
    /// Its scores.
    pub scores: Vec<ScoreSummary>,
    /// The number of labels in the rows that are held out in a repeat.
    pub n_labels: usize,
    /// One per repeat.
    pub(super) predictions: Vec<Array2<f64>>,
}

/// One score of one task, in every fold and of all rows together.
///
/// ```
/// use polytask::metric::Direction;
/// use polytask::validation::ScoreSummary;
///
/// let score = ScoreSummary {
///     name: "r2".into(),
///     direction: Direction::HigherIsBetter,
///     folds: vec![Some(0.5), None, Some(0.75)], // in one fold all labels are equal
///     pooled: vec![Some(0.625)],
/// };
/// assert_eq!((score.mean(), score.n_defined()), (Some(0.625), 2));
/// assert_eq!(score.deviation(), Some(0.125 * 2.0_f64.sqrt()));
/// let undefined = ScoreSummary { folds: vec![None; 3], ..score };
/// assert_eq!((undefined.mean(), undefined.deviation()), (None, None)); // not 0
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreSummary {
    /// The metric's name.
    pub name: String,
    /// Whether a higher or a lower value is better.
    pub direction: Direction,
    /// The value on the held-out rows of each fold, one repeat after the other; `None` where it is undefined.
    pub folds: Vec<Option<f64>>,
    /// The value on all held-out rows of each repeat together, each predicted by the model that has not seen it.
    pub pooled: Vec<Option<f64>>,
}

impl TaskValidation {
    /// The score of the metric of that name, such as `"r2"`, if the task is judged by it.
    pub fn score(&self, metric: &str) -> Option<&ScoreSummary> {
        self.scores.iter().find(|score| score.name == metric)
    }

    /// What was predicted in a repeat for each row of the table by the model that has not seen it, `rows × prediction
    /// width`; NaN in rows that were never held out.
    ///
    /// # Panics
    /// If there is no such repeat.
    #[track_caller]
    pub fn out_of_fold(&self, repeat: usize) -> ArrayView2<'_, f64> {
        assert!(repeat < self.predictions.len(), "repeat {repeat} of {}", self.predictions.len());
        self.predictions[repeat].view()
    }
}

impl ScoreSummary {
    /// The mean over the folds in which the score is defined.
    pub fn mean(&self) -> Option<f64> {
        mean(&self.defined())
    }

    /// The standard deviation from fold to fold, `√(Σ (s − mean)² / (n − 1))` over the n folds in which the score is
    /// defined; `None` for fewer than two. It is no error of the mean: the folds' models have learnt from mostly the
    /// same rows.
    pub fn deviation(&self) -> Option<f64> {
        let values = self.defined();
        let mean = mean(&values)?;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
    }

    /// In how many folds the score is defined.
    pub fn n_defined(&self) -> usize {
        self.folds.iter().flatten().count()
    }

    /// The mean over the repeats of the score of all held-out rows together, of those in which it is defined.
    pub fn mean_pooled(&self) -> Option<f64> {
        mean(&self.pooled.iter().flatten().copied().collect::<Vec<_>>())
    }

    fn defined(&self) -> Vec<f64> {
        self.folds.iter().flatten().copied().collect()
    }
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
