//! A table in memory: features, targets, and optionally weights and a query group per row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Names, names, resolution};
use crate::{Error, ErrorKind, Result, Scalar};

/// A table: one row per example, named feature columns and named target columns.
///
/// Features are finite. A target that is NaN is a missing label. Targets of all kinds are numbers: a class is
/// its index 0, 1, 2 … A row may carry a weight, each of its labels one more, and the row a group: the query whose
/// candidates are ranked together.
///
/// ```
/// use polytask::data::Dataset;
/// use polytask::ndarray::array;
///
/// let data = Dataset::new(array![[0.0, 1.0], [2.0, 3.0]], array![[1.0, 0.0], [f64::NAN, 1.0]])?
///     .with_feature_names(["width", "height"])?
///     .with_target_names(["area", "is_large"])?;
/// assert_eq!((data.n_rows(), data.n_features(), data.n_targets()), (2, 2, 2));
/// assert_eq!(data.names().target("is_large")?, 1);
/// assert_eq!(data.features()[[1, 0]], 2.0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset<F> {
    /// Another number for every table that may hold other rows or columns.
    pub(super) id: u64,
    pub(super) names: Arc<Names>,
    pub(super) features: Array2<F>,
    pub(super) targets: Array2<F>,
    pub(super) weights: Option<Array1<F>>,
    /// The weights of labels, for each target column that has some; empty if none has.
    pub(super) target_weights: Vec<Option<Array1<F>>>,
    pub(super) groups: Option<Vec<u64>>,
    /// 0, 1, 2 …, made when a batch of all rows is first asked for.
    pub(super) all_rows: OnceLock<Vec<usize>>,
}

impl<F: Scalar> Dataset<F> {
    /// A table from `features` (`rows × features`) and `targets` (`rows × targets`), with columns named
    /// `x0, x1, …` and `y0, y1, …`.
    ///
    /// A table to predict from has no targets: `rows × 0`.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// # use polytask::ndarray::{Array2, array};
    /// let data = Dataset::new(array![[0.0, 1.0], [2.0, 3.0]], array![[1.0], [f64::NAN]])?;
    /// assert_eq!(data.feature_names(), ["x0", "x1"]);
    /// assert_eq!(data.target_names(), ["y0"]);
    /// assert!(data.targets()[[1, 0]].is_nan()); // a missing label is fine, a missing feature is not
    /// let error = Dataset::new(array![[0.0], [f64::NAN]], Array2::zeros((2, 0))).unwrap_err();
    /// assert!(error.to_string().starts_with("features[1, 0]: expected a finite number, found NaN"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there are no rows or no features, or the numbers of rows differ;
    /// [`ErrorKind::Value`] if a feature is not finite or a target is infinite.
    pub fn new(features: Array2<F>, targets: Array2<F>) -> Result<Self> {
        F::table(features, targets)
    }

    pub(crate) fn new_here(features: Array2<F>, targets: Array2<F>) -> Result<Self> {
        if features.nrows() == 0 || features.ncols() == 0 {
            return Err(Error::new(
                ErrorKind::Shape,
                "features",
                "at least one row and one column",
                format!("{} × {}", features.nrows(), features.ncols()),
            ));
        }
        if features.nrows() != targets.nrows() {
            return Err(Error::new(
                ErrorKind::Shape,
                "targets",
                format!("{} rows, one per row of the features", features.nrows()),
                format!("{} rows", targets.nrows()),
            ));
        }
        if let Some(((row, column), value)) = features.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::new(
                ErrorKind::Value,
                format!("features[{row}, {column}]"),
                "a finite number",
                value,
            )
            .advise("fill in missing features, or leave the row out"));
        }
        if let Some(((row, column), value)) =
            targets.indexed_iter().find(|(_, y)| !y.is_finite() && !y.is_nan())
        {
            return Err(Error::new(
                ErrorKind::Value,
                format!("targets[{row}, {column}]"),
                "a finite number, or NaN for a missing label",
                value,
            ));
        }
        Ok(Self {
            id: next_id(),
            names: Arc::new(Names::generated(features.ncols(), targets.ncols())),
            features: row_major(features),
            targets: row_major(targets),
            weights: None,
            target_weights: Vec::new(),
            groups: None,
            all_rows: OnceLock::new(),
        })
    }

    /// A table from row-major slices of `rows · n_features` and `rows · n_targets` numbers: the door for arrays
    /// of another library.
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let data = Dataset::<f32>::from_slices(&[1.0, 2.0, 3.0, 4.0], 2, &[0.5, 0.25], 1)?;
    /// assert_eq!(data.feature_row(1), &[3.0, 4.0]);
    /// assert_eq!(data.target_row(1), &[0.25]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if a length is not a whole number of rows, and as [`new`](Self::new).
    pub fn from_slices(features: &[F], n_features: usize, targets: &[F], n_targets: usize) -> Result<Self> {
        let rows = features.len().checked_div(n_features).unwrap_or(0);
        let matrix = |place: &str, numbers: &[F], columns: usize| {
            Array2::from_shape_vec((rows, columns), numbers.to_vec()).map_err(|_| {
                Error::new(
                    ErrorKind::Shape,
                    place,
                    format!("{rows} rows × {columns} columns of numbers"),
                    format!("{} numbers", numbers.len()),
                )
            })
        };
        Self::new(matrix("features", features, n_features)?, matrix("targets", targets, n_targets)?)
    }

    /// The same table with its feature columns called `names`.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is not one name per column, or a name is empty or there twice.
    pub fn with_feature_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let features: Vec<String> = names.into_iter().map(Into::into).collect();
        names::check("feature names", &features, self.n_features())?;
        self.names = Arc::new(self.names.with_features(features));
        self.id = next_id();
        Ok(self)
    }

    /// The same table with its target columns called `names`.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is not one name per column, or a name is empty or there twice.
    pub fn with_target_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let targets: Vec<String> = names.into_iter().map(Into::into).collect();
        names::check("target names", &targets, self.n_targets())?;
        self.names = Arc::new(self.names.with_targets(targets));
        self.id = next_id();
        Ok(self)
    }

    /// The same table with names for the classes 0, 1, 2 … of a target column. A model takes them over when it is
    /// fitted ([`Model::class_names`](crate::Model::class_names)), and from then on refuses a table that calls the
    /// same numbers something else.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let table = |labels: &[f32], classes: [&'static str; 2]| {
    ///     let data = Dataset::<f32>::from_slices(&[0.0, 1.0, 2.0], 1, labels, 1)?.with_target_names(["kind"])?;
    ///     data.with_class_names("kind", classes)
    /// };
    /// let train = table(&[0.0, 0.0, 1.0], ["barn", "house"])?;
    /// let mut model = Model::builder(1).task(Task::classes("kind", 2)).build::<f32>()?;
    /// Trainer::new(Adam::new(0.1)).steps(10).fit(&mut model, &train)?;
    /// assert_eq!(model.class_names("kind").map(<[_]>::len), Some(2));
    ///
    /// let other = table(&[1.0, 1.0, 0.0], ["house", "barn"])?;
    /// let error = model.evaluate(&other).unwrap_err().to_string();
    /// assert!(error.contains("expected `barn`, `house`, found `house`, `barn`"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no such target column, or a name is empty or there twice.
    pub fn with_class_names(
        self,
        target: &str,
        classes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        self.with_classes(target, classes.into_iter().map(Into::into).collect(), false)
    }

    /// [`with_class_names`](Self::with_class_names); `is_alphabetical` if nobody said in which order they stand.
    pub(super) fn with_classes(
        mut self,
        target: &str,
        classes: Vec<String>,
        is_alphabetical: bool,
    ) -> Result<Self> {
        self.names.target(target)?;
        names::check(&format!("names of the classes of {target:?}"), &classes, classes.len())?;
        Arc::make_mut(&mut self.names).set_classes(target, classes, is_alphabetical);
        self.id = next_id();
        Ok(self)
    }

    /// The same table with one group per row: rows with the same number belong together. Splits and folds keep them
    /// together. Ranking losses compare rows within a group; a training with such a loss keeps them in one batch.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// let data = Dataset::<f64>::from_slices(&[0.5; 6], 1, &[], 0)?.with_groups(vec![3, 3, 1, 1, 3, 1])?;
    /// let (train, test) = data.split(0.5, 42)?;
    /// let (train, test) = (train.groups().expect("groups"), test.groups().expect("groups"));
    /// assert!(train.len() == 3 && test.len() == 3 && train[0] != test[0]); // neither group is torn
    /// assert!(train.iter().all(|group| *group == train[0]) && test.iter().all(|group| *group == test[0]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not one group per row.
    pub fn with_groups(mut self, groups: Vec<u64>) -> Result<Self> {
        self.check_length("groups", groups.len())?;
        self.groups = Some(groups);
        self.id = next_id();
        Ok(self)
    }

    pub(super) fn names_mut(&mut self) -> &mut Arc<Names> {
        &mut self.names
    }

    pub(super) fn check_length(&self, place: &str, length: usize) -> Result<()> {
        if length == self.n_rows() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Shape, place, format!("{}, one per row", self.n_rows()), length))
    }

    /// Tells tables apart: two tables with the same number are copies of one another.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// How many rows there are: at least one.
    pub fn n_rows(&self) -> usize {
        self.features.nrows()
    }

    /// How many feature columns there are: at least one.
    pub fn n_features(&self) -> usize {
        self.features.ncols()
    }

    /// How many target columns there are.
    pub fn n_targets(&self) -> usize {
        self.targets.ncols()
    }

    /// The names of the columns.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// The names of the feature columns, in order.
    pub fn feature_names(&self) -> &[String] {
        &self.names.features
    }

    /// The names of the target columns, in order.
    pub fn target_names(&self) -> &[String] {
        &self.names.targets
    }

    /// The features, `rows × features`, row-major without gaps.
    pub fn features(&self) -> ArrayView2<'_, F> {
        self.features.view()
    }

    /// The targets, `rows × targets`, row-major without gaps; NaN where a label is missing.
    pub fn targets(&self) -> ArrayView2<'_, F> {
        self.targets.view()
    }

    /// The features of one row.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn feature_row(&self, row: usize) -> &[F] {
        row_of(&self.features, row)
    }

    /// The targets of one row; NaN where a label is missing.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn target_row(&self, row: usize) -> &[F] {
        row_of(&self.targets, row)
    }

    /// All features, row after row: `rows × features` numbers.
    pub(crate) fn flat_features(&self) -> &[F] {
        self.features.as_slice().expect("a table is row-major")
    }

    /// All targets, row after row: `rows × targets` numbers.
    pub(crate) fn flat_targets(&self) -> &[F] {
        self.targets.as_slice().expect("a table is row-major")
    }

    /// The group of each row, if rows have groups.
    pub fn groups(&self) -> Option<&[u64]> {
        self.groups.as_deref()
    }

    /// The features, by position, that look as if rounding to the scalar type had made them coarse: neighbouring values
    /// lie one step of the type apart, and the whole column spans at most a thousand such steps.
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let seconds: Vec<f64> = (0..100).map(|i| 1.7e9 + 60.0 * f64::from(i)).collect(); // one value a minute
    /// let coarse: Vec<f32> = seconds.iter().map(|&x| x as f32).collect(); // neighbours lie 128 apart
    /// assert_eq!(Dataset::<f32>::from_slices(&coarse, 1, &[], 0)?.coarse_features(), [0]);
    /// let data = Dataset::<f64>::from_slices(&seconds, 1, &[], 0)?;
    /// assert!(data.coarse_features().is_empty());
    /// assert!(data.cast::<f32>().is_err()); // refused before it happens
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn coarse_features(&self) -> Vec<usize> {
        let columns = self.features.columns().into_iter().enumerate();
        columns.filter(|(_, column)| resolution::is_rounded(*column)).map(|(at, _)| at).collect()
    }

    /// A table of the given rows, in the given order; a row may be taken more than once.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// # use polytask::ndarray::array;
    /// let data = Dataset::new(array![[0.0], [1.0], [2.0]], array![[5.0], [6.0], [7.0]])?
    ///     .with_weights(array![0.5, 1.0, 1.5])?;
    /// let part = data.select(&[2, 0, 2]);
    /// assert_eq!(part.features(), array![[2.0], [0.0], [2.0]]);
    /// assert_eq!(part.targets(), array![[7.0], [5.0], [7.0]]);
    /// assert_eq!(part.weights(), Some(array![1.5, 0.5, 1.5].view()));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `rows` is empty or contains a row that does not exist.
    #[must_use]
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        F::select(self, rows)
    }

    #[track_caller]
    pub(crate) fn select_here(&self, rows: &[usize]) -> Self {
        self.check_rows(rows);
        assert!(!rows.is_empty(), "a table has at least one row, and none was selected");
        let of_rows = |weights: &Array1<F>| weights.select(Axis(0), rows);
        Self {
            id: next_id(),
            names: Arc::clone(&self.names),
            features: self.features.select(Axis(0), rows),
            targets: self.targets.select(Axis(0), rows),
            weights: self.weights.as_ref().map(of_rows),
            target_weights: self.target_weights.iter().map(|own| own.as_ref().map(of_rows)).collect(),
            groups: self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            all_rows: OnceLock::new(),
        }
    }

    /// 0, 1, 2 …, one number per row.
    pub(super) fn all_rows(&self) -> &[usize] {
        self.all_rows.get_or_init(|| (0..self.n_rows()).collect())
    }

    #[track_caller]
    pub(super) fn check_rows(&self, rows: &[usize]) {
        if let Some(row) = rows.iter().find(|&&row| row >= self.n_rows()) {
            panic!("row {row} of a table of {} rows", self.n_rows());
        }
    }

    /// The same table in another number type: the `f64` twin of an `f32` table, or back.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// let data = Dataset::<f64>::from_slices(&[0.1, 1e30], 1, &[], 0)?;
    /// assert_eq!(data.cast::<f32>()?.feature_row(0), [0.1_f32]);
    /// assert_eq!(data.cast::<f32>()?.cast::<f64>()?.feature_row(0), [f64::from(0.1_f32)]); // rounded once
    /// assert!(Dataset::<f64>::from_slices(&[1e39], 1, &[], 0)?.cast::<f32>().is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a number is too large for `G`, all weights of rows or of a target are too small for it, or `G` cannot tell the
    /// numbers of a column apart that differ here.
    pub fn cast<G: Scalar>(&self) -> Result<Dataset<G>> {
        for (matrix, names) in [(&self.features, &self.names.features), (&self.targets, &self.names.targets)]
        {
            for (column, name) in matrix.columns().into_iter().zip(names) {
                let numbers: Vec<f64> = column.iter().map(|x| x.to_f64()).collect();
                resolution::check::<G>(format!("column `{name}`"), &numbers)?;
            }
        }
        let cast = |x: &F| G::from_f64(x.to_f64());
        let mut table = Dataset::new(self.features.map(cast), self.targets.map(cast))?;
        table.names = Arc::clone(&self.names);
        if let Some(weights) = &self.weights {
            table = table.with_weights(weights.map(cast))?;
        }
        for (target, own) in self.target_names().iter().zip(&self.target_weights) {
            if let Some(own) = own {
                table = table.with_target_weights(target, own.map(cast))?;
            }
        }
        table.groups = self.groups.clone();
        Ok(table)
    }
}

pub(super) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The matrix itself if its rows lie one after the other in memory, else a copy of which that is true.
fn row_major<F: Scalar>(matrix: Array2<F>) -> Array2<F> {
    if matrix.is_standard_layout() { matrix } else { matrix.as_standard_layout().into_owned() }
}

#[inline]
#[track_caller]
fn row_of<F: Scalar>(matrix: &Array2<F>, row: usize) -> &[F] {
    let (n, width) = matrix.dim();
    assert!(row < n, "row {row} of a table of {n} rows");
    &matrix.as_slice().expect("a table is row-major")[row * width..(row + 1) * width]
}
