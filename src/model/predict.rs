//! Prediction: from rows of features to what the tasks' outputs mean, in the caller's memory or newly allocated.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, CowArray, s};

use super::{Model, Predictions};
use crate::arena::RowsMut;
use crate::data::Dataset;
use crate::kernel;
use crate::layer::Mode;
use crate::{Error, ErrorKind, Result, Scalar, Trace};

/// How many rows are processed at once.
const PREDICTION_ROWS: usize = 1024;

impl<F: Scalar> Model<F> {
    /// What the model predicts for `features` (`rows × features`), per task: quantities, probabilities or
    /// scores, on the scale of the targets.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the number of features is not the model's, [`ErrorKind::Value`] if one is not
    /// finite, [`ErrorKind::Setting`] if the model standardises and has never been fitted.
    pub fn predict(&self, features: ArrayView2<'_, F>) -> Result<Predictions<F>> {
        F::predict(self, features)
    }

    pub(crate) fn predict_here(&self, features: ArrayView2<'_, F>) -> Result<Predictions<F>> {
        let n = features.nrows();
        let mut trace = self.trace(n.clamp(1, self.prediction_rows()));
        let mut predictions = Predictions::new(self, n);
        let mut views: Vec<_> = predictions.values.iter_mut().map(|values| values.view_mut()).collect();
        self.predict_into(features, &mut trace, &mut views)?;
        Ok(predictions)
    }

    /// [`predict`](Self::predict) for the features of a table, which are found by name if the model knows the names of
    /// its features and the table has them.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::prelude::*;
    ///
    /// let train = Dataset::new(array![[1.0, 5.0], [2.0, 4.0], [3.0, 9.0]], array![[1.0], [2.0], [3.0]])?
    ///     .with_feature_names(["mass", "length"])?
    ///     .with_target_names(["price"])?;
    /// let mut model = Model::builder(2).task(Task::regression("price")).standardize().build::<f64>()?;
    /// Trainer::new(Adam::new(0.1)).steps(20).fit(&mut model, &train)?;
    ///
    /// let next = Dataset::new(array![[7.0, 2.5]], Array2::zeros((1, 0)))?.with_feature_names(["length", "mass"])?;
    /// assert_eq!(model.predict_table(&next)?["price"], model.predict(array![[2.5, 7.0]].view())?["price"]);
    /// let other = next.with_feature_names(["length", "colour"])?;
    /// assert!(model.predict_table(&other).is_err()); // no mass
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if the table has other features than the data that the model learnt from,
    /// [`ErrorKind::Shape`] if it has not as many.
    pub fn predict_table(&self, data: &Dataset<F>) -> Result<Predictions<F>> {
        self.predict(self.features_of(data)?.view())
    }

    /// [`predict`](Self::predict) into the caller's memory: nothing is allocated.
    ///
    /// Make one `trace` with [`trace`](Self::trace) for each thread that predicts. `predictions` has one matrix per task,
    /// in the order of the tasks, `rows × prediction width`. They receive what `predict` returns, in the same units:
    /// quantities on the scale of the targets, with standardisation undone, and probabilities for classes; for a custom
    /// loss, whatever its `predict` makes of the outputs. Every entry is written, or none if there is an error.
    ///
    /// The result is bit-identical to that of `predict` if the trace holds all rows, or 1024 (of an ensemble, 1024 divided by
    /// its members). A smaller trace works on as
    /// many rows at a time as it holds, and a row processed alone may differ in its last bits, because the product of a
    /// single row sums in another order than that of several.
    ///
    /// ```
    /// use polytask::ndarray::{ArrayView2, Array2, array};
    /// use polytask::prelude::*;
    ///
    /// let model = Model::builder(2)
    ///     .trunk([Layer::dense(8, Activation::Silu)])
    ///     .task(Task::regression("price"))
    ///     .task(Task::classes("kind", 3))
    ///     .build::<f32>()?;
    /// let mut trace = model.trace(1);
    /// let (mut price, mut kind) = (Array2::zeros((1, 1)), Array2::zeros((1, 3)));
    ///
    /// for row in [[0.5, -1.0], [0.1, 0.2]] {
    ///     let features = ArrayView2::from(std::slice::from_ref(&row));
    ///     model.predict_into(features, &mut trace, &mut [price.view_mut(), kind.view_mut()])?;
    ///     assert_eq!(price, model.predict(features)?["price"]);
    ///     assert!((kind.sum() - 1.0).abs() < 1e-6);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the number of features is not the model's, the trace holds no row, or a
    /// matrix of `predictions` is missing or has another shape; [`ErrorKind::Value`] if a feature is not
    /// finite.
    pub fn predict_into(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
        predictions: &mut [ArrayViewMut2<'_, F>],
    ) -> Result<()> {
        F::predict_into(self, features, trace, predictions)
    }

    /// Memory for the predictions of up to `n_rows` rows, for [`predict_reusing`](Self::predict_reusing); 0 as long as
    /// nothing is predicted.
    pub fn predictions(&self, n_rows: usize) -> Predictions<F> {
        Predictions::new(self, n_rows)
    }

    /// [`predict_into`](Self::predict_into) for a model whose number of tasks is known at run time alone, such as one that
    /// was loaded: the predictions of all tasks are one value, which is used again and again. Nothing is allocated as long
    /// as there are not more rows than ever before in it.
    ///
    /// ```
    /// use polytask::ndarray::{ArrayView2, array};
    /// use polytask::prelude::*;
    ///
    /// let targets = ["price", "rent", "tax"]; // from a file
    /// let mut builder = Model::builder(2).task(Task::classes("kind", 3));
    /// for target in targets {
    ///     builder = builder.task(Task::regression(target));
    /// }
    /// let model = builder.build::<f32>()?;
    /// let (mut trace, mut predictions) = (model.trace(8), model.predictions(8));
    /// for features in [array![[0.5, -1.0], [0.1, 0.2]], array![[0.3, 0.3]]] {
    ///     model.predict_reusing(features.view(), &mut trace, &mut predictions)?;
    ///     for (task, values) in predictions.iter() {
    ///         assert_eq!(values, model.predict(features.view())?[task]);
    ///     }
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_into`](Self::predict_into); [`ErrorKind::Shape`] also if `predictions` are of other tasks.
    pub fn predict_reusing(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
        predictions: &mut Predictions<F>,
    ) -> Result<()> {
        F::predict_reusing(self, features, trace, predictions)
    }

    pub(crate) fn predict_reusing_here(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
        predictions: &mut Predictions<F>,
    ) -> Result<()> {
        let n = features.nrows();
        self.check_features(features)?;
        self.check_trace(n.min(1), trace)?;
        let tasks = predictions.names.iter().zip(&predictions.values);
        let is_own = predictions.names.len() == self.tasks().len()
            && tasks.zip(self.tasks()).enumerate().all(|(k, ((name, values), task))| {
                name == task.name() && values.ncols() == self.prediction_width(k)
            });
        if !is_own {
            let expected = "predictions of the model, as it makes them";
            let found = format!("those of the tasks {:?}", predictions.names);
            return Err(Error::new(ErrorKind::Shape, "predictions", expected, found)
                .advise("make them with Model::predictions"));
        }
        predictions.resize(n);
        let at_once = trace.capacity().min(self.prediction_rows());
        for first in (0..n).step_by(at_once) {
            let rows = first..n.min(first + at_once);
            let parts = predictions.values.iter_mut().map(|to| to.slice_mut(s![rows.clone(), ..]));
            self.predict_rows(features.slice(s![rows.clone(), ..]), trace, parts);
        }
        Ok(())
    }

    pub(crate) fn predict_into_here(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
        predictions: &mut [ArrayViewMut2<'_, F>],
    ) -> Result<()> {
        let n = features.nrows();
        self.check_features(features)?;
        self.check_predictions(n, predictions)?;
        let at_once = trace.capacity().min(self.prediction_rows());
        self.check_trace(n.min(1), trace)?;
        if n <= at_once {
            self.predict_rows(features, trace, predictions.iter_mut().map(|to| to.view_mut()));
            return Ok(());
        }
        for first in (0..n).step_by(at_once) {
            let rows = first..n.min(first + at_once);
            let parts = predictions.iter_mut().map(|to| to.slice_mut(s![rows.clone(), ..]));
            self.predict_rows(features.slice(s![rows.clone(), ..]), trace, parts);
        }
        Ok(())
    }

    /// Predicts at most as many rows as the trace holds.
    fn predict_rows<'a>(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
        predictions: impl Iterator<Item = ArrayViewMut2<'a, F>>,
    ) where
        F: 'a,
    {
        self.forward_checked(features, trace);
        predictions.enumerate().for_each(|(k, to)| self.predict_task(k, trace, to));
    }

    /// Computes the outputs for `features` in the caller's trace, without allocating; read them with
    /// [`predict_task`](Self::predict_task).
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::prelude::*;
    ///
    /// let builder = Model::builder(2).task(Task::classes("kind", 3)).task(Task::binary("sold"));
    /// let model = builder.build::<f64>()?;
    /// let mut trace = model.trace(2);
    /// model.forward_features(array![[0.3, -1.0], [2.0, 0.5]].view(), &mut trace)?;
    /// let mut sold = Array2::zeros((2, model.prediction_width(1)));
    /// model.predict_task(1, &trace, sold.view_mut());
    /// let sigmoid = trace.outputs(1).mapv(|logit| 1.0 / (1.0 + (-logit).exp()));
    /// assert!((sold - sigmoid).iter().all(|difference| difference.abs() < 1e-12));
    /// assert_eq!(model.prediction_width(0), 3);                        // a probability for each class
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the number of features is not the model's or the trace is too small,
    /// [`ErrorKind::Value`] if a feature is not finite.
    pub fn forward_features(&self, features: ArrayView2<'_, F>, trace: &mut Trace<F>) -> Result<()> {
        F::forward_features(self, features, trace)
    }

    pub(crate) fn forward_features_here(
        &self,
        features: ArrayView2<'_, F>,
        trace: &mut Trace<F>,
    ) -> Result<()> {
        self.check_trace(features.nrows(), trace)?;
        self.check_features(features)?;
        self.forward_checked(features, trace);
        Ok(())
    }

    /// Writes what the outputs of a task in the trace mean, `rows × prediction width`: the inverse of the
    /// loss's link, on the scale of the targets; for an ensemble, the mean over its members.
    ///
    /// # Panics
    /// If `predictions` has another shape, or there is no such task.
    pub fn predict_task(&self, task: usize, trace: &Trace<F>, mut predictions: ArrayViewMut2<'_, F>) {
        let (members, width) = (self.network.members(), predictions.ncols());
        if members == 1 {
            self.network.loss(task).predict(trace.outputs(task), predictions.view_mut());
            return self.bring_to_unit_of_target(task, predictions);
        }
        let of_members = trace.member_predictions(task).map(CowArray::from).unwrap_or_else(|| {
            let outputs = trace.outputs(task);
            let mut of_members = Array2::zeros((outputs.nrows(), width));
            self.network.loss(task).predict(outputs, of_members.view_mut());
            of_members.into()
        });
        let n = F::from_f64(members as f64);
        for (i, mut means) in predictions.columns_mut().into_iter().enumerate() {
            let in_unit_of_target = self.unit_of_target(task, (i, width));
            for (row, mean) in means.iter_mut().enumerate() {
                let of_row = of_members.slice(s![row * members..(row + 1) * members, i]);
                *mean = of_row.iter().map(|&y| in_unit_of_target(y)).sum::<F>() / n;
            }
        }
    }

    /// Brings predictions, `rows × prediction width`, from the scale of a task's loss to that of its targets.
    fn bring_to_unit_of_target(&self, task: usize, mut predictions: ArrayViewMut2<'_, F>) {
        if self.scaling.targets[task].is_none() && self.scaling.transforms[task].is_empty() {
            return;
        }
        let width = predictions.ncols();
        if let (1, Some(numbers)) = (width, predictions.as_slice_mut()) {
            let in_unit_of_target = self.unit_of_target(task, (0, 1));
            return numbers.iter_mut().for_each(|y| *y = in_unit_of_target(*y));
        }
        for (i, mut column) in predictions.columns_mut().into_iter().enumerate() {
            column.mapv_inplace(self.unit_of_target(task, (i, width)));
        }
    }

    /// What brings a number in column `i` of the `width` columns of a task's predictions from the scale of its loss to
    /// that of its targets.
    fn unit_of_target(&self, task: usize, (i, width): (usize, usize)) -> impl Fn(F) -> F {
        let loss = self.network.loss(task);
        let scaling = self.scaling.targets[task].as_ref().map(|scaling| {
            let parts = width / scaling.n_columns();
            (i % parts, scaling.mean()[i / parts], scaling.scale()[i / parts])
        });
        let transforms = self.scaling.transforms[task].as_slice();
        let transform = transforms.get(i * transforms.len() / width);
        move |y| {
            let y = match scaling {
                None => y,
                Some((part, mean, scale)) => loss.unstandardized(part, y, mean, scale),
            };
            match transform {
                None => y,
                Some(transform) => F::from_f64(transform.undo(y.to_f64())),
            }
        }
    }

    /// How many rows are processed at once: fewer of an ensemble, which has a row for each member.
    pub(crate) fn prediction_rows(&self) -> usize {
        (PREDICTION_ROWS / self.network.members()).max(1)
    }

    /// How many columns the predictions of a task have: see
    /// [`LossFunction::predict`](crate::loss::LossFunction::predict).
    ///
    /// # Panics
    /// If there is no such task.
    pub fn prediction_width(&self, task: usize) -> usize {
        self.network.widths(task).1
    }

    fn forward_checked(&self, features: ArrayView2<'_, F>, trace: &mut Trace<F>) {
        trace.begin(features.nrows());
        let all = features.to_slice();
        let fill = |first: usize, rows: RowsMut<'_, F>| {
            for (to, i) in rows.zip(first..) {
                match all {
                    Some(all) => kernel::copy_row(&all[i * to.len()..][..to.len()], to),
                    None => to.iter_mut().zip(features.row(i)).for_each(|(to, &x)| *to = x),
                }
                if let Some(scaling) = &self.scaling.features {
                    scaling.apply_row(to);
                }
            }
        };
        self.network.forward(&self.pass(Mode::Predict), fill, trace);
    }

    fn check_features(&self, features: ArrayView2<'_, F>) -> Result<()> {
        self.check_fitted()?;
        self.check_width(features.ncols())?;
        // Nearly always all are, and looking at all numbers in a row is much faster than naming their places.
        if features.to_slice().is_some_and(|all| all.iter().fold(true, |yes, x| yes & x.is_finite())) {
            return self.check_indices(features);
        }
        match features.indexed_iter().find(|(_, x)| !x.is_finite()) {
            None => self.check_indices(features),
            Some(((row, column), x)) => {
                let place = format!("row {row}, feature {column}");
                Err(Error::new(ErrorKind::Value, place, "a finite number", x))
            }
        }
    }

    fn check_predictions(&self, n_rows: usize, predictions: &[ArrayViewMut2<'_, F>]) -> Result<()> {
        let n_tasks = self.tasks().len();
        if predictions.len() != n_tasks {
            let expected = format!("{n_tasks} matrices, one per task");
            return Err(Error::new(ErrorKind::Shape, "predictions", expected, predictions.len()));
        }
        for (k, matrix) in predictions.iter().enumerate() {
            let (rows, columns) = (n_rows, self.prediction_width(k));
            if matrix.dim() != (rows, columns) {
                let place = format!("predictions of {}", self.place(k));
                let found = format!("{} × {}", matrix.nrows(), matrix.ncols());
                return Err(Error::new(ErrorKind::Shape, place, format!("{rows} × {columns}"), found));
            }
        }
        Ok(())
    }
}
