//! Quantities: one task of mean squared error for each target column.

use ndarray::{Array1, Array2, ArrayRef2, s};

use super::kind::sealed::Sealed;
use super::labels::check_labels;
use super::settings::Settings;
use super::{Checked, Estimator, EstimatorKind, Fitted};
use crate::data::{Dataset, TargetTransform};
use crate::loss::Labels;
use crate::metric::Metric;
use crate::{Result, Scalar, Task};

/// Predicts several quantities at once, from the weighted mean of several networks with a shared trunk.
///
/// ```
/// use polytask::estimator::MultiTaskRegressor;
/// use polytask::ndarray::{Array2, s};
///
/// let x = Array2::from_shape_fn((120, 3), |(i, j)| ((i * (2 * j + 3)) % 19) as f32 / 19.0);
/// let mut y = Array2::from_shape_fn((120, 2), |(i, k)| x[[i, k]] * x[[i, 2]]);
/// y[[7, 0]] = f32::NAN;                                          // a missing label
/// let settings = MultiTaskRegressor::new().members(3).epochs(60);
/// let model = settings.fit(&x.slice(s![..100, ..]), &y.slice(s![..100, ..]))?;
/// let (new_x, new_y) = (x.slice(s![100.., ..]), y.slice(s![100.., ..]));
/// assert_eq!(model.predict(&new_x)?.dim(), (20, 2));
/// assert!(model.score(&new_x, &new_y)? > 0.5);
/// # Ok::<(), polytask::Error>(())
/// ```
pub type MultiTaskRegressor = Estimator<Regression>;

/// The kind of estimator that predicts quantities.
///
/// ```
/// use polytask::estimator::{Fitted, Regression};
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// let x = Array2::from_shape_fn((40, 1), |(i, _)| i as f64);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(20);
/// let model: Fitted<Regression, f64> = settings.fit(&x, &x.mapv(|x| 2.0 * x))?;
/// let far = model.predict(&Array2::from_shape_fn((2, 1), |(i, _)| [-1e3, 1e3][i]))?;
/// assert!(far.iter().all(|y| (0.0..=78.0).contains(y))); // between the smallest and the largest label
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regression {}

impl Estimator<Regression> {
    /// Lets predictions leave the range of the labels that were learnt from.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// let x = Array2::from_shape_fn((40, 1), |(i, _)| i as f64);
    /// let (y, far) = (x.mapv(|x| 2.0 * x), Array2::from_elem((1, 1), 80.0));
    /// let linear = MultiTaskRegressor::new().hidden([]).members(1).epochs(50).learning_rate(0.05);
    /// assert!(linear.fit(&x, &y)?.predict(&far)?[[0, 0]] <= 78.0); // the largest label
    /// assert!(linear.extrapolate().fit(&x, &y)?.predict(&far)?[[0, 0]] > 100.0);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn extrapolate(mut self) -> Self {
        self.settings.extrapolates = true;
        self
    }

    /// Learns transformed targets, each network with a λ fitted to its own rows if none is given; predictions are in the
    /// unit of the targets: see [`Task::transform`].
    ///
    /// ```
    /// use polytask::data::TargetTransform;
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64 / 10.0);
    /// let y = x.mapv(|x| 3.0 * x.exp());
    /// let linear = MultiTaskRegressor::new().hidden([]).members(2).epochs(60).learning_rate(0.05);
    /// let plain = linear.fit(&x, &y)?.score(&x, &y)?;
    /// let log = linear.transform(TargetTransform::Log).fit(&x, &y)?.score(&x, &y)?;
    /// assert!(log > 0.9 && plain < 0.8, "{log}, {plain}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn transform(mut self, transform: TargetTransform) -> Self {
        self.settings.transform = Some(transform);
        self
    }

    /// Checks the settings and fits them to `x`, `rows × features`, and `y`, `rows × targets`; NaN in `y` is a
    /// missing label.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting is outside its range;
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the numbers of rows differ or are less than 2, or
    /// there is no feature or no target; [`ErrorKind::Value`](crate::ErrorKind::Value) if a feature or label
    /// is infinite, a feature is NaN, or a target has no label.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Regression, F>> {
        self.check()?.fit(x, y)
    }

    /// The same as [`fit`](Self::fit) for a table, whose columns have names, and whose rows may have weights and
    /// groups.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5);
    /// let model = settings.fit_table(&data)?;
    /// assert_eq!(model.target_names().collect::<Vec<_>>(), ["shoulder", "elbow"]);
    /// let (x, checked) = (data.features().to_owned(), settings.check()?);
    /// assert_eq!(model.predict(&x)?, checked.fit_table(&data)?.predict(&x)?); // what it does in one word
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Regression, F>> {
        self.check()?.fit_table(data)
    }
}

impl Checked<Regression> {
    /// As [`Estimator::fit`](Estimator::<Regression>::fit).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Regression, F>> {
        self.fit_table(&Dataset::new(x.to_owned(), y.to_owned())?)
    }

    /// As [`Estimator::fit_table`](Estimator::<Regression>::fit_table).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Regression, F>> {
        self.fit_all(data)
    }
}

impl EstimatorKind for Regression {}

impl Sealed for Regression {
    const NAME: &'static str = "regressor";

    fn tasks<F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Result<Vec<Task>> {
        let task = |target: &String| match settings.transform {
            None => Task::regression(target),
            Some(transform) => Task::regression(target).transform(transform),
        };
        Ok(data.target_names().iter().map(task).collect())
    }

    #[cfg(feature = "persist")]
    fn has(kind: crate::loss::Kind) -> bool {
        matches!(kind, crate::loss::Kind::Quantity { .. })
    }
}

impl<F: Scalar> Fitted<Regression, F> {
    /// The predictions for `x`, `rows × features`: `rows × targets`.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if `x` has not as many features as there were,
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if one is not finite.
    pub fn predict(&self, x: &ArrayRef2<F>) -> Result<Array2<F>> {
        let of_targets = self.predicted(x.view())?;
        Ok(Array2::from_shape_fn((x.nrows(), of_targets.len()), |(row, k)| of_targets[k][[row, 0]]))
    }

    /// [`predict`](Self::predict) for the features of a table, found by name.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[1.0, 5.0], [2.0, 4.0], [3.0, 9.0], [4.0, 1.0]], array![[1.0], [2.0], [3.0], [4.0]])?
    ///     .with_feature_names(["mass", "length"])?;
    /// let model = MultiTaskRegressor::new().hidden([4]).members(2).epochs(5).fit_table(&data)?;
    /// let turned = data.features().select(ndarray::Axis(1), &[1, 0]);
    /// let turned = Dataset::new(turned, data.targets().to_owned())?.with_feature_names(["length", "mass"])?;
    /// assert_eq!(model.predict_table(&turned)?, model.predict(&data.features().to_owned())?);
    /// assert_eq!(model.score_table(&turned)?, model.score_table(&data)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_table(&self, data: &Dataset<F>) -> Result<Array2<F>> {
        self.predict(&self.features_of(data)?)
    }

    /// [`score`](Self::score) on a table, whose columns are found by name, with the weights of its labels.
    ///
    /// # Errors
    /// As [`predict_table`](Self::predict_table), and [`ErrorKind::Name`](crate::ErrorKind::Name) if a target is not
    /// there.
    pub fn score_table(&self, data: &Dataset<F>) -> Result<f64> {
        self.score_by(&self.features_of(data)?, &self.targets_of(data)?, &self.weights_of(data)?)
    }

    /// The mean over the targets of [R²](Metric::R2), 1 at best; 0 is what the mean of these labels would reach. A
    /// target whose labels in `y` are all equal has none and is left out; NaN if none is left.
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and [`ErrorKind::Shape`](crate::ErrorKind::Shape) if `y` is not `rows ×
    /// targets`.
    pub fn score(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<f64> {
        self.score_by(x, y, &[])
    }

    fn score_by(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>, weights: &[Option<Array1<f64>>]) -> Result<f64> {
        check_labels(y.view(), x.nrows(), self.members[0].tasks().len())?;
        let (predicted, y) = (self.predict(x)?.mapv(Scalar::to_f64), y.mapv(Scalar::to_f64));
        let of_target = |k: usize| {
            let weights = weights.get(k).and_then(Option::as_ref).map(|weights| weights.view());
            let labels = Labels { targets: y.slice(s![.., k..=k]), weights, groups: None };
            Metric::R2.evaluate(predicted.slice(s![.., k..=k]), &labels)
        };
        let scores: Vec<f64> = (0..y.ncols()).filter_map(of_target).collect();
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }
}
