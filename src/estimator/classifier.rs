//! Classes: one task of cross-entropy for each target column.

use ndarray::{Array1, Array2, ArrayRef2, ArrayView1};

use super::kind::sealed::Sealed;
use super::labels::check_labels;
use super::settings::Settings;
use super::{Checked, Estimator, EstimatorKind, Fitted};
use crate::data::Dataset;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// Predicts several classes at once, from the weighted mean of the probabilities that several networks with a shared trunk
/// give.
///
/// A label is the index of a class: 0, 1, 2 …; a target has as many classes as its largest label says, at least two.
///
/// ```
/// use polytask::estimator::MultiTaskClassifier;
/// use polytask::ndarray::Array2;
///
/// let x = Array2::from_shape_fn((150, 2), |(i, j)| ((i * (2 * j + 3)) % 29) as f32 / 29.0);
/// let y = Array2::from_shape_fn((150, 2), |(i, k)| match k {
///     0 => f32::from(u8::from(x[[i, 0]] > x[[i, 1]])),           // two classes
///     _ => (3.0 * x[[i, 1]]).floor(),                            // three
/// });
/// let model = MultiTaskClassifier::new().members(3).epochs(60).fit(&x, &y)?;
/// assert!(model.score(&x, &y)? > 0.9);                           // mean accuracy
/// let probabilities = model.predict_proba(&x)?;                  // for each target rows × classes
/// assert_eq!((probabilities[0].ncols(), probabilities[1].ncols()), (2, 3));
/// assert!((probabilities[1].row(0).sum() - 1.0).abs() < 1e-5);
/// # Ok::<(), polytask::Error>(())
/// ```
pub type MultiTaskClassifier = Estimator<Classification>;

/// The kind of estimator that predicts classes.
///
/// ```
/// use polytask::estimator::{Classification, Fitted};
/// use polytask::ndarray::{Array2, ArrayRef2};
/// use polytask::prelude::*;
///
/// /// What a program keeps of a fitted estimator.
/// struct Grader {
///     model: Fitted<Classification, f32>,
/// }
///
/// impl Grader {
///     fn first_grade(&self, x: &ArrayRef2<f32>) -> polytask::Result<f32> {
///         Ok(self.model.predict(x)?[[0, 0]])
///     }
/// }
///
/// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f32);
/// let settings = MultiTaskClassifier::new().hidden([16]).members(2).epochs(60);
/// let grader = Grader { model: settings.fit(&x, &x.mapv(|x| (x / 20.0).floor()))? };
/// assert_eq!(grader.first_grade(&Array2::from_elem((1, 1), 52.0))?, 2.0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classification {}

/// The most classes of a target; more are likelier numbers that are no classes.
const MOST_CLASSES: f64 = 10_000.0;

impl Estimator<Classification> {
    /// Checks the settings and fits them to `x`, `rows × features`, and `y`, `rows × targets`, of class indices; NaN
    /// in `y` is a missing label.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting is outside its range; [`ErrorKind::Shape`] if the numbers of rows
    /// differ or are less than 2, or there is no feature or no target; [`ErrorKind::Value`] if a feature is
    /// not finite, a label is not one of 0, 1 … 9 999, or a target has no label.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Classification, F>> {
        self.check()?.fit(x, y)
    }

    /// The same as [`fit`](Self::fit) for a table, whose columns have names, and whose rows may have weights and
    /// groups.
    ///
    /// ```
    /// use polytask::data::Dataset;
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f32);
    /// let data = Dataset::new(x.clone(), x.mapv(|x| (x / 30.0).floor()))?.with_target_names(["late"])?;
    /// let settings = MultiTaskClassifier::new().hidden([8]).members(2).epochs(10);
    /// let model = settings.fit_table(&data)?;
    /// assert_eq!(model.target_names().next(), Some("late"));
    /// let checked = settings.check()?;
    /// assert_eq!(model.predict(&x)?, checked.fit_table(&data)?.predict(&x)?); // what it does in one word
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Classification, F>> {
        self.check()?.fit_table(data)
    }
}

impl Checked<Classification> {
    /// As [`Estimator::fit`](Estimator::<Classification>::fit).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Classification, F>> {
        self.fit_table(&Dataset::new(x.to_owned(), y.to_owned())?)
    }

    /// As [`Estimator::fit_table`](Estimator::<Classification>::fit_table).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Classification, F>> {
        self.fit_all(data)
    }
}

impl EstimatorKind for Classification {}

impl Sealed for Classification {
    const NAME: &'static str = "classifier";

    fn tasks<F: Scalar>(_: &Settings, data: &Dataset<F>) -> Result<Vec<Task>> {
        let columns = data.targets();
        let tasks = data.target_names().iter().zip(columns.columns());
        tasks.map(|(name, labels)| Ok(Task::classes(name, n_classes(name, labels)?))).collect()
    }

    #[cfg(feature = "persist")]
    fn has(kind: crate::loss::Kind) -> bool {
        matches!(kind, crate::loss::Kind::Classes { .. })
    }
}

/// One more than the largest label, at least 2.
fn n_classes<F: Scalar>(name: &str, labels: ArrayView1<'_, F>) -> Result<usize> {
    let mut n = 2;
    for (row, label) in labels.iter().map(|y| y.to_f64()).enumerate().filter(|(_, y)| !y.is_nan()) {
        if !((0.0..MOST_CLASSES).contains(&label) && label.fract() == 0.0) {
            let expected = format!("a class index from 0 to {}", MOST_CLASSES - 1.0);
            return Err(Error::new(ErrorKind::Value, format!("target {name:?}, row {row}"), expected, label)
                .advise("number the classes 0, 1, 2 …"));
        }
        n = n.max(label as usize + 1);
    }
    Ok(n)
}

impl<F: Scalar> Fitted<Classification, F> {
    /// The probability of each class, a matrix of `rows × classes` for each target.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if `x` has not as many features as there were, [`ErrorKind::Value`] if one is not
    /// finite.
    pub fn predict_proba(&self, x: &ArrayRef2<F>) -> Result<Vec<Array2<F>>> {
        self.predicted(x.view())
    }

    /// The index of the likeliest class, `rows × targets`; of equally likely ones the first.
    ///
    /// # Errors
    /// As [`predict_proba`](Self::predict_proba).
    pub fn predict(&self, x: &ArrayRef2<F>) -> Result<Array2<F>> {
        let probabilities = self.predict_proba(x)?;
        let likeliest = |row: ArrayView1<'_, F>| {
            let better = |best: usize, c: usize| if row[c] > row[best] { c } else { best };
            (0..row.len()).fold(0, better)
        };
        Ok(Array2::from_shape_fn((x.nrows(), probabilities.len()), |(i, k)| {
            F::from_f64(likeliest(probabilities[k].row(i)) as f64)
        }))
    }

    /// [`predict`](Self::predict) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_table(&self, data: &Dataset<F>) -> Result<Array2<F>> {
        self.predict(&self.features_of(data)?)
    }

    /// [`predict_proba`](Self::predict_proba) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_proba_table(&self, data: &Dataset<F>) -> Result<Vec<Array2<F>>> {
        self.predict_proba(&self.features_of(data)?)
    }

    /// [`score`](Self::score) on a table, whose columns are found by name, with the weights of its labels.
    ///
    /// # Errors
    /// As [`predict_table`](Self::predict_table), and [`ErrorKind::Name`] if a target is not there or calls its classes
    /// something else.
    pub fn score_table(&self, data: &Dataset<F>) -> Result<f64> {
        self.score_by(&self.features_of(data)?, &self.targets_of(data)?, &self.weights_of(data)?)
    }

    /// The mean over the targets of the share of labels that are predicted, 1 at best. A target without a label in
    /// `y` is left out; NaN if none is left.
    ///
    /// # Errors
    /// As [`predict_proba`](Self::predict_proba), and [`ErrorKind::Shape`] if `y` is not `rows × targets`.
    pub fn score(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<f64> {
        self.score_by(x, y, &[])
    }

    fn score_by(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>, weights: &[Option<Array1<f64>>]) -> Result<f64> {
        check_labels(y.view(), x.nrows(), self.members[0].tasks().len())?;
        let predicted = self.predict(x)?;
        let accuracy = |k: usize| {
            let weights = weights.get(k).and_then(Option::as_ref);
            let (mut hits, mut total) = (0.0, 0.0);
            for (row, (y, p)) in y.column(k).into_iter().zip(predicted.column(k)).enumerate() {
                let weight = if y.is_nan() { 0.0 } else { weights.map_or(1.0, |weights| weights[row]) };
                total += weight;
                hits += if y == p { weight } else { 0.0 };
            }
            (total > 0.0).then(|| hits / total)
        };
        let scores: Vec<f64> = (0..y.ncols()).filter_map(accuracy).collect();
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }
}
