//! Standardisation: every column to mean 0 and standard deviation 1.
//!
//! ```text
//! mean = Σᵢ wᵢ xᵢ / Σᵢ wᵢ        std = √( Σᵢ wᵢ (xᵢ − mean)² / Σᵢ wᵢ )
//! apply:  z = (x − mean) / scale        undo:  x = z · scale + mean        scale = std, or 1 where std is 0
//! ```
//!
//! A feature that is constant says nothing to learn from, and the weights behind it stay as random as they were drawn: a
//! row in which it differs would be predicted at random. So constant features become 0 whatever they hold
//! ([`ignoring_constants`](Standardizer::ignoring_constants)); constant targets are only centred, since what a new label
//! differs by is an error that counts.
//!
//! The sums are over the numbers that are present, in `f64`, in two passes: the second never subtracts
//! two large squares. `apply` and `undo` compute in the table's own type, in the order written above.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use super::Dataset;
use crate::{Error, ErrorKind, Result, Scalar};

/// The mean and standard deviation of each column, and the map that removes them.
///
/// Fit it on the training rows only, and apply it to all rows. To store one yourself, save [`mean`](Self::mean) and
/// [`std`](Self::std); [`from_moments`](Self::from_moments) restores it.
///
/// ```
/// use polytask::data::{Dataset, Standardizer};
///
/// let data = Dataset::<f64>::from_slices(&[1.0, 7.0, 3.0, 7.0], 2, &[], 0)?;
/// let standardizer = Standardizer::of_features(&data)?;
/// assert_eq!(standardizer.mean(), [2.0, 7.0]);
/// assert_eq!(standardizer.std(), [1.0, 0.0]);
/// assert_eq!(standardizer.constant_columns().collect::<Vec<_>>(), [1]);
///
/// let mut row = [4.0, 8.0];
/// standardizer.apply_row(&mut row);
/// assert_eq!(row, [2.0, 0.0]); // a constant feature has no influence
/// standardizer.undo_row(&mut row);
/// assert_eq!(row, [4.0, 7.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer<F> {
    mean: Vec<F>,
    std: Vec<F>,
    scale: Vec<F>,
    /// The constant columns, if they are to become 0.
    ignored: Vec<usize>,
}

impl<F: Scalar> Standardizer<F> {
    /// Fitted on the feature columns of `dataset`, with the weights of its rows if it has any; constant ones are
    /// [ignored](Self::ignoring_constants).
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn of_features(dataset: &Dataset<F>) -> Result<Self> {
        Ok(Self::fit(dataset.features(), dataset.weights())?.ignoring_constants())
    }

    /// Fitted on the labels of the target columns of `dataset` that are present, with their
    /// [weights](Dataset::label_weights) if they have any.
    ///
    /// ```
    /// # use polytask::data::{Dataset, Standardizer};
    /// # use polytask::ndarray::array;
    /// let data = Dataset::new(array![[0.0], [0.0], [0.0]], array![[1.0], [f64::NAN], [5.0]])?;
    /// assert_eq!(Standardizer::of_targets(&data)?.mean(), [3.0]); // of the labels present
    /// let data = data.with_weights(array![3.0, 1.0, 1.0])?;
    /// assert_eq!(Standardizer::of_targets(&data)?.mean(), [2.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn of_targets(dataset: &Dataset<F>) -> Result<Self> {
        Self::of_labels(dataset, &(0..dataset.n_targets()).collect::<Vec<_>>())
    }

    /// As [`of_targets`](Self::of_targets), of some target columns.
    pub(crate) fn of_labels(dataset: &Dataset<F>, columns: &[usize]) -> Result<Self> {
        Self::of_all(&Moments::of_labels(dataset, columns))
    }

    /// Fitted on `matrix` (`rows × columns`), in which NaN marks a missing number; without `weights` all rows
    /// count equally. A column without numbers has mean 0 and standard deviation 0.
    ///
    /// ```
    /// # use polytask::data::Standardizer;
    /// # use polytask::ndarray::array;
    /// let mut matrix = array![[1.0, 5.0], [f64::NAN, 5.0], [3.0, 5.0]];
    /// let standardizer = Standardizer::fit(matrix.view(), None)?;
    /// assert_eq!((standardizer.std(), standardizer.scale()), (&[1.0, 0.0][..], &[1.0, 1.0][..]));
    /// standardizer.apply_matrix(matrix.view_mut());
    /// assert_eq!((matrix[[0, 0]], matrix[[2, 0]], matrix[[2, 1]]), (-1.0, 1.0, 0.0));
    /// assert!(matrix[[1, 0]].is_nan()); // missing stays missing
    /// standardizer.undo_matrix(matrix.view_mut());
    /// assert_eq!(matrix.row(2), array![3.0, 5.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the mean or the spread of a column is beyond the range of `F`.
    ///
    /// # Panics
    /// If there is not one weight per row.
    #[track_caller]
    pub fn fit(matrix: ArrayView2<'_, F>, weights: Option<ArrayView1<'_, F>>) -> Result<Self> {
        if let Some(weights) = weights {
            assert_eq!(weights.len(), matrix.nrows(), "weights, and rows of the matrix");
        }
        Self::of_all(&Moments::of_columns(matrix, weights))
    }

    /// Columns of these moments.
    pub(crate) fn of_all(moments: &[Moments]) -> Result<Self> {
        let (mean, std) = moments.iter().map(|of| (F::from_f64(of.mean), F::from_f64(of.std))).unzip();
        Self::from_moments(mean, std)
    }

    /// The standardiser with these means and standard deviations, one of each per column; the standard deviation of a
    /// constant column is 0.
    ///
    /// ```
    /// # use polytask::data::Standardizer;
    /// let saved = Standardizer::from_moments(vec![2.0, 7.0], vec![0.5, 0.0])?;
    /// assert_eq!((saved.n_columns(), saved.apply(0, 3.0), saved.apply(1, 8.0)), (2, 2.0, 1.0));
    /// assert_eq!((saved.undo(0, 2.0), saved.undo(1, 1.0)), (3.0, 8.0));
    /// assert!(Standardizer::from_moments(vec![2.0], vec![-0.5]).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the lengths differ, [`ErrorKind::Value`] if a number is not finite or a
    /// standard deviation is negative.
    pub fn from_moments(mean: Vec<F>, std: Vec<F>) -> Result<Self> {
        if mean.len() != std.len() {
            return Err(Error::new(
                ErrorKind::Shape,
                "standard deviations",
                format!("{}, one per mean", mean.len()),
                std.len(),
            ));
        }
        for (column, (&mean, &std)) in mean.iter().zip(&std).enumerate() {
            if !mean.is_finite() || !std.is_finite() || std < F::ZERO {
                return Err(Error::new(
                    ErrorKind::Value,
                    format!("column {column} of a standardiser"),
                    format!("a finite mean and a finite standard deviation, at least 0, in {}", F::NAME),
                    format!("mean {mean}, standard deviation {std}"),
                ));
            }
        }
        let scale = std.iter().map(|&std| if std > F::ZERO { std } else { F::ONE }).collect();
        Ok(Self { mean, std, scale, ignored: Vec::new() })
    }

    /// The same standardiser, which turns every number of a constant column into 0.
    ///
    /// ```
    /// # use polytask::data::Standardizer;
    /// let centring = Standardizer::from_moments(vec![7.0], vec![0.0])?;
    /// let ignoring = centring.clone().ignoring_constants();
    /// assert_eq!((centring.apply(0, 8.0), ignoring.apply(0, 8.0)), (1.0, 0.0));
    /// assert_eq!((centring.ignored_columns(), ignoring.ignored_columns()), (&[][..], &[0][..]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn ignoring_constants(mut self) -> Self {
        self.ignored = self.constant_columns().collect();
        self
    }

    /// The columns that become 0 whatever they hold, in ascending order.
    pub fn ignored_columns(&self) -> &[usize] {
        &self.ignored
    }

    /// The mean of each column.
    pub fn mean(&self) -> &[F] {
        &self.mean
    }

    /// The standard deviation of each column; 0 where the column is constant.
    pub fn std(&self) -> &[F] {
        &self.std
    }

    /// What each column is divided by: its standard deviation, or 1 where the column is constant.
    pub fn scale(&self) -> &[F] {
        &self.scale
    }

    /// How many columns there are.
    pub fn n_columns(&self) -> usize {
        self.mean.len()
    }

    /// The columns in which all numbers were the same.
    pub fn constant_columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.std.iter().enumerate().filter(|(_, std)| **std == F::ZERO).map(|(column, _)| column)
    }

    /// The standardiser of the given columns only, in the given order: those of one task, say.
    ///
    /// ```
    /// # use polytask::data::Standardizer;
    /// let all = Standardizer::from_moments(vec![1.0, 2.0, 3.0], vec![10.0, 20.0, 30.0])?;
    /// let some = all.select(&[2, 0]);
    /// assert_eq!((some.mean(), some.scale()), (&[3.0, 1.0][..], &[30.0, 10.0][..]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such column.
    #[must_use]
    #[track_caller]
    pub fn select(&self, columns: &[usize]) -> Self {
        let pick = |all: &[F]| columns.iter().map(|&column| all[column]).collect();
        let is_ignored = |at: &usize| self.ignored.binary_search(&columns[*at]).is_ok();
        let ignored = (0..columns.len()).filter(is_ignored).collect();
        Self { mean: pick(&self.mean), std: pick(&self.std), scale: pick(&self.scale), ignored }
    }

    /// The same standardiser, which leaves these columns as they are.
    pub(crate) fn leaving(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        for column in columns {
            (self.mean[column], self.std[column], self.scale[column]) = (F::ZERO, F::ONE, F::ONE);
            self.ignored.retain(|ignored| *ignored != column);
        }
        self
    }

    /// (x − mean) / scale of one number of a column; 0 if the column is ignored.
    ///
    /// # Panics
    /// If there is no such column.
    #[inline]
    #[track_caller]
    pub fn apply(&self, column: usize, x: F) -> F {
        match self.ignored.binary_search(&column) {
            Ok(_) => F::ZERO,
            Err(_) => (x - self.mean[column]) / self.scale[column],
        }
    }

    /// z · scale + mean: undoes [`apply`](Self::apply).
    ///
    /// # Panics
    /// If there is no such column.
    #[inline]
    #[track_caller]
    pub fn undo(&self, column: usize, z: F) -> F {
        z * self.scale[column] + self.mean[column]
    }

    /// (x − mean) / scale of every number of a row, in place.
    ///
    /// # Panics
    /// If the row does not have one number per column.
    #[inline]
    #[track_caller]
    pub fn apply_row(&self, row: &mut [F]) {
        self.check_columns(row.len());
        for ((x, &mean), &scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = (*x - mean) / scale;
        }
        self.ignored.iter().for_each(|&column| row[column] = F::ZERO);
    }

    /// z · scale + mean of every number of a row, in place.
    ///
    /// # Panics
    /// If the row does not have one number per column.
    #[inline]
    #[track_caller]
    pub fn undo_row(&self, row: &mut [F]) {
        self.check_columns(row.len());
        for ((z, &mean), &scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
            *z = *z * scale + mean;
        }
    }

    /// (x − mean) / scale of a whole `rows × columns` matrix, in place.
    ///
    /// # Panics
    /// If the matrix has a different number of columns.
    #[track_caller]
    pub fn apply_matrix(&self, mut matrix: ArrayViewMut2<'_, F>) {
        self.check_columns(matrix.ncols());
        for ((_, column), x) in matrix.indexed_iter_mut() {
            *x = self.apply(column, *x);
        }
    }

    /// z · scale + mean of a whole `rows × columns` matrix, in place.
    ///
    /// # Panics
    /// If the matrix has a different number of columns.
    #[track_caller]
    pub fn undo_matrix(&self, mut matrix: ArrayViewMut2<'_, F>) {
        self.check_columns(matrix.ncols());
        for ((_, column), z) in matrix.indexed_iter_mut() {
            *z = self.undo(column, *z);
        }
    }

    #[track_caller]
    fn check_columns(&self, found: usize) {
        assert_eq!(found, self.n_columns(), "columns found, and columns of the standardiser");
    }

    /// The same standardiser in another number type.
    ///
    /// ```
    /// # use polytask::data::Standardizer;
    /// let double = Standardizer::from_moments(vec![0.1], vec![2.0])?;
    /// assert_eq!(double.cast::<f32>()?, Standardizer::from_moments(vec![0.1_f32], vec![2.0])?);
    /// assert!(Standardizer::from_moments(vec![1e39], vec![2.0])?.cast::<f32>().is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a number is too large for `G`, or a standard deviation so small that it would become 0.
    pub fn cast<G: Scalar>(&self) -> Result<Standardizer<G>> {
        let cast = |all: &[F]| all.iter().map(|x| G::from_f64(x.to_f64())).collect();
        let standardizer = Standardizer::from_moments(cast(&self.mean), cast(&self.std))?;
        let vanishes = |column: &usize| self.std[*column] > F::ZERO && standardizer.std[*column] == G::ZERO;
        if let Some(column) = (0..self.n_columns()).find(vanishes) {
            let place = format!("standard deviation of column {column}");
            let expected = format!("a number within the range of {}", G::NAME);
            return Err(Error::new(ErrorKind::Value, place, expected, self.std[column]));
        }
        Ok(Standardizer { ignored: self.ignored.clone(), ..standardizer })
    }
}

/// Mean and deviation of the numbers of a column, and their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    /// 0 if there are no numbers.
    weight: f64,
    mean: f64,
    std: f64,
}

impl Moments {
    /// Those of the numbers that are present and have a weight above 0.
    pub(crate) fn of<F: Scalar>(column: ArrayView1<'_, F>, weights: Option<ArrayView1<'_, F>>) -> Self {
        let present = || {
            column.iter().enumerate().filter_map(|(row, x)| {
                let weight = weights.map_or(1.0, |weights| weights[row].to_f64());
                (!x.is_nan() && weight > 0.0).then(|| (x.to_f64(), weight))
            })
        };
        let Some((first, _)) = present().next() else { return Self::default() };
        let weight: f64 = present().map(|(_, weight)| weight).sum();
        // Rounding would give equal numbers a tiny spread, and dividing by it would blow up the first that differs.
        if present().all(|(x, _)| x == first) {
            return Self { weight, mean: first, std: 0.0 };
        }
        let mean = present().map(|(x, weight)| weight * x).sum::<f64>() / weight;
        let largest = present().map(|(x, _)| (x - mean).abs()).fold(0.0, f64::max);
        // Squares of numbers up to 1: neither overflow nor vanish, whatever the unit of the column.
        let square = |x: f64| ((x - mean) / largest) * ((x - mean) / largest);
        let variance = present().map(|(x, weight)| weight * square(x)).sum::<f64>() / weight;
        Self { weight, mean, std: largest * variance.sqrt() }
    }

    /// Those of each column of a matrix.
    pub(crate) fn of_columns<F: Scalar>(
        matrix: ArrayView2<'_, F>,
        weights: Option<ArrayView1<'_, F>>,
    ) -> Vec<Self> {
        matrix.columns().into_iter().map(|column| Self::of(column, weights)).collect()
    }

    /// Those of the labels of some target columns, each with its own weights.
    pub(crate) fn of_labels<F: Scalar>(dataset: &Dataset<F>, columns: &[usize]) -> Vec<Self> {
        let of_column = |&column: &usize| {
            let weights = dataset.label_weights(column);
            Self::of(dataset.targets().column(column), weights.as_ref().map(|weights| weights.view()))
        };
        columns.iter().map(of_column).collect()
    }

    /// Those of the numbers of both, by T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for
    /// computing sample variances", 1979.
    ///
    /// ```text
    /// p = w₂ / (w₁ + w₂)     mean = m₁ + p (m₂ − m₁)     std² = (1 − p) s₁² + p s₂² + p (1 − p) (m₂ − m₁)²
    /// ```
    #[must_use]
    pub(crate) fn merged(self, other: Self) -> Self {
        if self.weight == 0.0 || other.weight == 0.0 {
            return if self.weight == 0.0 { other } else { self };
        }
        let weight = self.weight + other.weight;
        let (p, apart) = (other.weight / weight, other.mean - self.mean);
        let within = (self.std * (1.0 - p).sqrt()).hypot(other.std * p.sqrt());
        Self { weight, mean: self.mean + p * apart, std: within.hypot(apart * (p * (1.0 - p)).sqrt()) }
    }
}
