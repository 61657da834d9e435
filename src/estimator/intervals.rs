//! Predictions that say how sure they are: intervals of quantities, and sets of classes.
//!
//! ```text
//! interval of a quantity    [ŷ − q, ŷ + q]                  all together: [ŷₖ − q σₖ, ŷₖ + q σₖ]
//! set of classes            all c with 1 − p̂(c) ≤ q
//! ```
//! `calibration.rs` has q and σ.

use ndarray::{Array2, ArrayRef2, ArrayView2};

use super::{Classification, Fitted, Regression};
use crate::data::Dataset;
use crate::{Result, Scalar, Warning};

/// An interval for each row and target, with both ends: see [`Fitted::predict_interval`].
///
/// ```
/// use polytask::Warning;
/// use polytask::estimator::Intervals;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
/// let model = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5).calibrate(0.25).fit_table(&data)?;
/// let x = data.features().to_owned();
/// let Intervals { low, high, warnings, .. } = model.predict_interval(&x, 0.9)?;
/// assert!(low.dim() == (60, 2) && low.iter().zip(&high).all(|(low, high)| low <= high));
/// assert!(warnings.is_empty());
/// let sure = model.predict_interval(&x, 0.99)?; // takes 99 rows, and there are 15
/// assert_eq!((sure.low[[0, 0]], sure.high[[0, 0]]), (f32::NEG_INFINITY, f32::INFINITY));
/// assert!(matches!(sure.warnings[..], [Warning::FewCalibrationLabels { labels: 15, .. }]));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Intervals<F: Scalar> {
    /// The targets, which are quantities.
    pub targets: Vec<String>,
    /// The lower ends, `rows × targets`.
    pub low: Array2<F>,
    /// The upper ends, `rows × targets`.
    pub high: Array2<F>,
    /// Which of them are infinite because too few labels were kept for calibration.
    pub warnings: Vec<Warning>,
}

/// The classes that a target may have, for each row: see [`Fitted::predict_set`].
///
/// ```
/// use polytask::estimator::ClassSets;
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// let x = Array2::from_shape_fn((120, 1), |(i, _)| ((i * 7) % 60) as f64);
/// let settings = MultiTaskClassifier::new().hidden([16]).members(2).epochs(60).calibrate(0.5);
/// let model = settings.fit(&x, &x.mapv(|x| (x / 20.0).floor()))?;
/// let sets: ClassSets = model.predict_set(&Array2::from_elem((1, 1), 50.0), 0.9)?;
/// assert_eq!(sets.classes(0, 0), [2]); // row 0, target 0
/// assert_eq!(sets.contains[0].row(0).to_vec(), [false, false, true]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassSets {
    /// The targets, which are of classes, or of yes or no.
    pub targets: Vec<String>,
    /// For each target which classes are in the set, `rows × classes`.
    pub contains: Vec<Array2<bool>>,
    /// Which targets have all classes because too few labels were kept for calibration.
    pub warnings: Vec<Warning>,
}

impl ClassSets {
    /// The indices of the classes in one set, in ascending order.
    ///
    /// # Panics
    /// If there is no such row or target.
    #[track_caller]
    pub fn classes(&self, row: usize, target: usize) -> Vec<usize> {
        let is_in = self.contains[target].row(row);
        (0..is_in.len()).filter(|&class| is_in[class]).collect()
    }
}

impl<F: Scalar> Fitted<Regression, F> {
    /// For each row of `x` and each target an interval in which its label is with probability `coverage`; of an estimator that
    /// has kept rows apart, which says what is promised: [`Estimator::calibrate`](super::Estimator::calibrate).
    ///
    /// The interval of a target is equally wide for all rows: the prediction and as much on both sides. It may leave the range
    /// of the labels, which predictions do not, and is wider by a few roundings of the type, so that a label at its very end
    /// is within.
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the coverage is not between 0
    /// and 1, or no rows were kept apart.
    pub fn predict_interval(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<Intervals<F>> {
        Ok(self.surely(x.view(), coverage, false)?.0)
    }

    /// [`predict_interval`](Self::predict_interval) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_interval`](Self::predict_interval) and [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_interval_table(&self, data: &Dataset<F>, coverage: f64) -> Result<Intervals<F>> {
        self.predict_interval(&self.features_of(data)?, coverage)
    }

    /// As [`predict_interval`](Self::predict_interval), but with probability `coverage` the labels of *all* targets of a row are
    /// within their intervals, which are wider.
    ///
    /// Targets are wide in proportion to their errors on held-out rows. Rows that were kept apart count if they have labels
    /// of all targets.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(120, 0.05, 42);
    /// let model = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5).calibrate(0.3).fit_table(&data)?;
    /// let (each, all) = (model.predict_interval_table(&data, 0.8)?, model.predict_joint_interval_table(&data, 0.8)?);
    /// let widths = |row: usize| [0, 1].map(|k| (all.high[[row, k]] - all.low[[row, k]]) / (each.high[[row, k]] - each.low[[row, k]]));
    /// assert!(widths(0).iter().any(|&quotient| quotient > 1.0));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_interval`](Self::predict_interval).
    pub fn predict_joint_interval(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<Intervals<F>> {
        Ok(self.surely(x.view(), coverage, true)?.0)
    }

    /// [`predict_joint_interval`](Self::predict_joint_interval) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_interval_table`](Self::predict_interval_table).
    pub fn predict_joint_interval_table(&self, data: &Dataset<F>, coverage: f64) -> Result<Intervals<F>> {
        self.predict_joint_interval(&self.features_of(data)?, coverage)
    }
}

impl<F: Scalar> Fitted<Classification, F> {
    /// For each row of `x` and each target the set of classes among which its label is with probability `coverage`; of an
    /// estimator that has kept rows apart, which says what is promised:
    /// [`Estimator::calibrate`](super::Estimator::calibrate).
    ///
    /// A set has the classes whose probability is above a bound that is the same for all rows. Sadinle, Lei and Wasserman (2019)
    /// show that no sets of this coverage are smaller on average where the probabilities are right. A set may be *empty*: no
    /// class is likely enough, which is more frequent the lower the coverage and the better the classifier.
    ///
    /// # Errors
    /// As [`predict_proba`](Self::predict_proba), and [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the coverage is not
    /// between 0 and 1, or no rows were kept apart.
    pub fn predict_set(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<ClassSets> {
        Ok(self.surely(x.view(), coverage, false)?.1)
    }

    /// [`predict_set`](Self::predict_set) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_set`](Self::predict_set) and [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_set_table(&self, data: &Dataset<F>, coverage: f64) -> Result<ClassSets> {
        self.predict_set(&self.features_of(data)?, coverage)
    }

    /// As [`predict_set`](Self::predict_set), but with probability `coverage` the labels of *all* targets of a row are in their
    /// sets: one bound for all targets. Rows that were kept apart count if they have labels of all targets.
    ///
    /// ```
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((120, 1), |(i, _)| ((i * 7) % 60) as f64);
    /// let y = Array2::from_shape_fn((120, 2), |(i, k)| (x[[i, 0]] / [20.0, 35.0][k]).floor());
    /// let settings = MultiTaskClassifier::new().hidden([16]).members(2).epochs(60).calibrate(0.5);
    /// let model = settings.fit(&x, &y)?;
    /// let (each, all) = (model.predict_set(&x, 0.9)?, model.predict_joint_set(&x, 0.9)?);
    /// let size = |sets: &polytask::estimator::ClassSets| sets.contains.iter().flatten().filter(|&&is_in| is_in).count();
    /// assert!(size(&all) >= size(&each));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_set`](Self::predict_set).
    pub fn predict_joint_set(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<ClassSets> {
        Ok(self.surely(x.view(), coverage, true)?.1)
    }

    /// [`predict_joint_set`](Self::predict_joint_set) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_set_table`](Self::predict_set_table).
    pub fn predict_joint_set_table(&self, data: &Dataset<F>, coverage: f64) -> Result<ClassSets> {
        self.predict_joint_set(&self.features_of(data)?, coverage)
    }
}

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// An interval for each quantity and a set for each target of classes: of each with this probability, or of all together.
    pub(super) fn surely(
        &self,
        x: ArrayView2<'_, F>,
        coverage: f64,
        together: bool,
    ) -> Result<(Intervals<F>, ClassSets)> {
        let calibration = self.needs_calibration()?;
        let bounds = calibration.bounds(coverage, together)?;
        let predicted = self.predicted(x)?;
        let of_targets = || self.targets.iter().zip(&predicted).filter(|(target, _)| !target.is_ranking());
        let (mut quantities, mut classes) = (Vec::new(), Vec::new());
        for ((target, predicted), &bound) in of_targets().zip(&bounds) {
            match target.n_classes() {
                None => quantities.push((target, predicted, bound)),
                Some(n) => classes.push((target, predicted, bound, n)),
            }
        }
        let end = |sign: f64| {
            Array2::from_shape_fn((x.nrows(), quantities.len()), |(row, k)| {
                let (_, predicted, q) = &quantities[k];
                let y = predicted[[row, 0]].to_f64();
                // The score, its quotient and product with a scale, and the end itself are rounded, by half an ε each.
                F::from_f64(y + sign * (q + 3.0 * F::EPSILON * (y.abs() + q)))
            })
        };
        let contains = classes.iter().map(|&(target, predicted, bound, n)| {
            Array2::from_shape_fn((x.nrows(), n), |(row, class)| {
                1.0 - target.probability(predicted.row(row), class) <= bound || bound.is_infinite()
            })
        });
        let (low, high, contains) = (end(-1.0), end(1.0), contains.collect());
        let [of_quantities, of_classes] = [
            quantities.iter().map(|(target, ..)| target.name.clone()).collect::<Vec<_>>(),
            classes.iter().map(|(target, ..)| target.name.clone()).collect::<Vec<_>>(),
        ];
        let warnings =
            |names: &[String]| calibration.too_few(coverage, together, names).into_iter().collect();
        let intervals = Intervals { warnings: warnings(&of_quantities), targets: of_quantities, low, high };
        let sets = ClassSets { warnings: warnings(&of_classes), targets: of_classes, contains };
        Ok((intervals, sets))
    }
}
