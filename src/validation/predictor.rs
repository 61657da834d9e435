//! What can be cross-validated: whatever predicts tasks for the rows of a table.

use ndarray::Array2;

use crate::data::Dataset;
use crate::estimator::{EstimatorKind, Fitted};
use crate::{Model, Result, Scalar, Task, Warning};

/// Something that was fitted and predicts tasks: a [`Model`], a fitted estimator, or your own.
///
/// ```
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
/// use polytask::validation::{CrossValidation, Predictor};
///
/// /// Predicts the largest label it has seen.
/// struct Largest(Vec<Task>, f64);
///
/// impl Predictor<f64> for Largest {
///     fn tasks(&self) -> &[Task] {
///         &self.0
///     }
///     fn predict_tasks(&self, data: &Dataset<f64>) -> polytask::Result<Vec<Array2<f64>>> {
///         Ok(vec![Array2::from_elem((data.n_rows(), 1), self.1)])
///     }
/// }
///
/// let data = Dataset::from_slices(&[0.0; 6], 1, &[1.0, 5.0, 1.0, 1.0, 1.0, 1.0], 1)?;
/// let result = CrossValidation::new(6).run(&data, |part| {
///     let largest = part.data.targets().iter().copied().fold(f64::MIN, f64::max);
///     Ok(Largest(vec![Task::regression("y0")], largest))
/// })?;
/// // Held out, the 5 is not known.
/// assert_eq!(result["y0"].out_of_fold(0), ndarray::array![[5.0], [1.0], [5.0], [5.0], [5.0], [5.0]]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Predictor<F: Scalar> {
    /// The tasks that are predicted, the same in every fold.
    fn tasks(&self) -> &[Task];

    /// What is predicted for the rows of a table, for each task `rows × prediction width`, as by
    /// [`Model::predict`]: quantities, probabilities or scores. The labels in the table are not to be looked at.
    ///
    /// # Errors
    /// If the table does not fit.
    fn predict_tasks(&self, data: &Dataset<F>) -> Result<Vec<Array2<F>>>;

    /// Above which probabilities a task of yes or no is decided to be yes, one for each target column; ½ if none are
    /// given.
    fn thresholds(&self, _task: usize) -> Option<Vec<f64>> {
        None
    }

    /// What a person should know of predictions for a table; nothing by default.
    ///
    /// # Errors
    /// If the table does not fit.
    fn warnings_on(&self, _data: &Dataset<F>) -> Result<Vec<Warning>> {
        Ok(Vec::new())
    }

    /// How many parameters predictions depend on, for [`Comparison`](super::Comparison); unknown by default.
    fn n_parameters(&self) -> Option<usize> {
        None
    }
}

impl<F: Scalar> Predictor<F> for Model<F> {
    fn tasks(&self) -> &[Task] {
        self.tasks()
    }

    fn predict_tasks(&self, data: &Dataset<F>) -> Result<Vec<Array2<F>>> {
        Ok(self.predict_table(data)?.into_values())
    }

    fn thresholds(&self, task: usize) -> Option<Vec<f64>> {
        self.thresholds(self.tasks()[task].name()).map(<[_]>::to_vec)
    }

    fn warnings_on(&self, data: &Dataset<F>) -> Result<Vec<Warning>> {
        self.warnings_on(data)
    }

    fn n_parameters(&self) -> Option<usize> {
        Some(self.parameters().len())
    }
}

impl<K: EstimatorKind, F: Scalar> Predictor<F> for Fitted<K, F> {
    fn tasks(&self) -> &[Task] {
        self.members()[0].tasks()
    }

    fn predict_tasks(&self, data: &Dataset<F>) -> Result<Vec<Array2<F>>> {
        self.predicted_tasks(data)
    }

    fn warnings_on(&self, data: &Dataset<F>) -> Result<Vec<Warning>> {
        self.warnings_on(data)
    }

    fn n_parameters(&self) -> Option<usize> {
        Some(self.members().iter().map(|member| member.parameters().len()).sum())
    }
}
