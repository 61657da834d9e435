//! What a model predicts, by the names of its tasks.

use ndarray::{Array2, ArrayView2};

use super::Model;
use crate::{Scalar, Task};

/// What a model predicts, per task.
///
/// ```
/// use polytask::prelude::*;
/// use ndarray::array;
///
/// let builder = Model::builder(2).task(Task::regression("price")).task(Task::classes("grade", 3));
/// let predictions = builder.build::<f64>()?.predict(array![[0.1, 0.2], [0.3, 0.4]].view())?;
/// assert_eq!(predictions["price"].dim(), (2, 1)); // in the target's unit
/// assert!((predictions["grade"].row(0).sum() - 1.0).abs() < 1e-12); // probabilities
/// assert!(predictions.get("rent").is_none());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictions<F> {
    pub(super) names: Vec<String>,
    pub(super) values: Vec<Array2<F>>,
}

impl<F: Scalar> Predictions<F> {
    pub(super) fn new(model: &Model<F>, n_rows: usize) -> Self {
        let names = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        let width = |k| model.prediction_width(k);
        Self { names, values: (0..model.tasks().len()).map(|k| Array2::zeros((n_rows, width(k)))).collect() }
    }

    /// What was predicted for each task.
    pub(crate) fn of_tasks(tasks: &[Task], values: Vec<Array2<F>>) -> Self {
        Self { names: tasks.iter().map(|task| task.name().to_owned()).collect(), values }
    }

    /// Makes room for as many rows, in the memory that is there if it is enough.
    pub(super) fn resize(&mut self, n_rows: usize) {
        for values in self.values.iter_mut().filter(|values| values.nrows() != n_rows) {
            let width = values.ncols();
            let (mut numbers, _) = std::mem::take(values).into_raw_vec_and_offset();
            numbers.resize(n_rows * width, F::ZERO);
            *values = Array2::from_shape_vec((n_rows, width), numbers).expect("rows × width numbers");
        }
    }

    /// The predictions of the task of that name, `rows × prediction width`.
    pub fn get(&self, task: &str) -> Option<ArrayView2<'_, F>> {
        let k = self.names.iter().position(|name| name == task)?;
        Some(self.values[k].view())
    }

    /// The predictions, in the order of the tasks.
    pub(crate) fn into_values(self) -> Vec<Array2<F>> {
        self.values
    }

    /// Names and predictions, in the order of the tasks.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let builder = Model::builder(1).task(Task::regression("price")).task(Task::ordinal("stars", 5));
    /// let model = builder.build::<f32>()?;
    /// let predictions = model.predict(array![[0.5], [1.5]].view())?;
    /// let shapes: Vec<_> = predictions.iter().map(|(name, values)| (name, values.dim())).collect();
    /// assert_eq!(shapes, [("price", (2, 1)), ("stars", (2, 5))]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, ArrayView2<'_, F>)> {
        self.names.iter().map(String::as_str).zip(self.values.iter().map(|values| values.view()))
    }
}

impl<F> std::ops::Index<&str> for Predictions<F> {
    type Output = Array2<F>;

    /// # Panics
    /// If there is no task of that name.
    #[track_caller]
    fn index(&self, task: &str) -> &Array2<F> {
        match self.names.iter().position(|name| name == task) {
            Some(k) => &self.values[k],
            None => panic!("no task named {task:?}; there are {:?}", self.names),
        }
    }
}
