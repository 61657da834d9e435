//! How much rows and labels count: a weight for each row, and one for each label of a target.
//!
//! ```text
//! w[i, k] = rowᵢ · targetᵢₖ        a factor that was not given is 1
//! ```
//! Rows that were sampled unevenly want a weight each; labels that were measured with different precision, or replace
//! one that is missing, want one for the row and the task. A label of weight 0 has no say, as if it were missing.

use ndarray::{Array1, ArrayView1, CowArray, Ix1};

use super::Dataset;
use super::dataset::next_id;
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Dataset<F> {
    /// The same table with one weight per row: how much its errors count, for every task.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// # use polytask::ndarray::array;
    /// let data = Dataset::new(array![[0.0], [1.0]], array![[5.0], [6.0]])?;
    /// assert!(data.weights().is_none());
    /// let weighted = data.clone().with_weights(array![1.0, 0.5])?;
    /// assert_eq!(weighted.weights(), Some(array![1.0, 0.5].view()));
    /// assert!(data.clone().with_weights(array![1.0, -0.5]).is_err());
    /// assert!(data.with_weights(array![0.0, 0.0]).is_err()); // nothing would count
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not one weight per row, [`ErrorKind::Value`] if a weight is negative
    /// or not finite, all are 0, or the product with a [weight of a target](Self::with_target_weights) is beyond the
    /// range of `F`.
    pub fn with_weights(self, weights: Array1<F>) -> Result<Self> {
        let data = self.with_part_weights(weights)?;
        data.check_weights()?;
        Ok(data)
    }

    /// As [`with_weights`](Self::with_weights), for rows that are a part of a table: all of them may have weight 0.
    pub(super) fn with_part_weights(mut self, weights: Array1<F>) -> Result<Self> {
        self.check_length("weights", weights.len())?;
        check("weights", &weights)?;
        self.weights = Some(Array1::from_vec(weights.to_vec()));
        (0..self.target_weights.len()).try_for_each(|target| self.check_products(target))?;
        self.id = next_id();
        Ok(self)
    }

    /// The same table with one weight per row for the target column `target` alone: how much the errors of its labels
    /// count. It is multiplied by the [weight of the row](Self::with_weights), if there is one. Features are
    /// standardised without it.
    ///
    /// ```
    /// use polytask::ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[0.0], [1.0]], array![[5.0, 1.0], [7.0, 0.0]])?
    ///     .with_target_names(["price", "sold"])?
    ///     .with_target_weights("price", array![3.0, 1.0])?;
    /// let builder = Model::builder(1).task(Task::regression("price")).task(Task::binary("sold"));
    /// let mut model = builder.build::<f64>()?;
    /// model.parameters_mut().fill(0.0);
    /// let report = model.evaluate(&data)?;
    /// assert_eq!((report["price"].label_weight, report["sold"].label_weight), (4.0, 2.0));
    /// assert_eq!(report["price"].loss, (3.0 * 25.0 + 49.0) / 4.0);
    /// let error = data.with_target_weights("price", array![1.0, -1.0]).unwrap_err().to_string();
    /// assert!(error.starts_with("weights of target `price`[1]: expected a finite number"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// A task of several target columns wants the same weights for each of them.
    ///
    /// # Errors
    /// As [`with_weights`](Self::with_weights); [`ErrorKind::Name`] if there is no such target column.
    pub fn with_target_weights(self, target: &str, weights: Array1<F>) -> Result<Self> {
        let data = self.with_part_target_weights(target, weights)?;
        data.check_weights()?;
        Ok(data)
    }

    /// As [`with_target_weights`](Self::with_target_weights), for rows that are a part of a table.
    pub(super) fn with_part_target_weights(mut self, target: &str, weights: Array1<F>) -> Result<Self> {
        let column = self.names().target(target)?;
        let place = format!("weights of target `{target}`");
        self.check_length(&place, weights.len())?;
        check(&place, &weights)?;
        self.target_weights.resize(self.n_targets(), None);
        self.target_weights[column] = Some(Array1::from_vec(weights.to_vec()));
        self.check_products(column)?;
        self.id = next_id();
        Ok(self)
    }

    /// Fails if weights are 0 in all rows.
    pub(super) fn check_weights(&self) -> Result<()> {
        let own = self.target_weights.iter().zip(self.target_names());
        let own =
            own.filter_map(|(own, target)| Some((own.as_ref()?, format!("weights of target `{target}`"))));
        let rows = self.weights.as_ref().map(|weights| (weights, "weights".to_owned()));
        match rows.into_iter().chain(own).find(|(weights, _)| weights.iter().all(|&weight| weight == F::ZERO))
        {
            None => Ok(()),
            Some((_, place)) => Err(Error::new(ErrorKind::Value, place, "at least one above 0", "only 0")),
        }
    }

    /// The weight of each row, if rows have weights.
    pub fn weights(&self) -> Option<ArrayView1<'_, F>> {
        self.weights.as_ref().map(|weights| weights.view())
    }

    /// The weight of each label of a target column, by its position: that of its row times that of the target. `None` if
    /// neither is given.
    ///
    /// ```
    /// use polytask::data::Dataset;
    /// use polytask::ndarray::array;
    ///
    /// let data = Dataset::new(array![[0.0], [1.0]], array![[5.0, 1.0], [7.0, 0.0]])?
    ///     .with_target_weights("y1", array![3.0, 1.0])?;
    /// assert!(data.label_weights(0).is_none());
    /// let data = data.with_weights(array![0.5, 2.0])?;
    /// assert_eq!(data.label_weights(0).expect("weights"), array![0.5, 2.0]);
    /// assert_eq!(data.label_weights(1).expect("weights"), array![1.5, 2.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such target column.
    #[track_caller]
    pub fn label_weights(&self, target: usize) -> Option<CowArray<'_, F, Ix1>> {
        assert!(target < self.n_targets(), "target column {target} of a table with {}", self.n_targets());
        match (self.own_weights(target), self.weights()) {
            (None, rows) => rows.map(CowArray::from),
            (Some(own), None) => Some(own.into()),
            (Some(own), Some(rows)) => Some((&rows * &own).into()),
        }
    }

    /// The weight of one label.
    pub(crate) fn label_weight(&self, row: usize, target: usize) -> F {
        let of_row = self.weights.as_ref().map_or(F::ONE, |weights| weights[row]);
        self.own_weights(target).map_or(of_row, |own| of_row * own[row])
    }

    /// The weights that a target column has besides those of rows.
    pub(super) fn own_weights(&self, target: usize) -> Option<ArrayView1<'_, F>> {
        self.target_weights.get(target)?.as_ref().map(|weights| weights.view())
    }

    /// Which of a task's target columns has the weights of its labels besides those of rows; `None` if they have none.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if columns differ: a loss counts the labels of a row alike.
    pub(crate) fn weighted_column(&self, columns: &[usize]) -> Result<Option<usize>> {
        let Some(&first) = columns.iter().find(|&&column| self.own_weights(column).is_some()) else {
            return Ok(None);
        };
        let weight = |row: usize, column: usize| self.own_weights(column).map_or(F::ONE, |own| own[row]);
        for &column in columns {
            if let Some(row) = (0..self.n_rows()).find(|&row| weight(row, first) != weight(row, column)) {
                let [one, other] = [first, column].map(|column| &self.target_names()[column]);
                let expected = format!("{} in row {row}, as of target `{one}`", weight(row, first));
                let place = format!("weights of target `{other}`");
                return Err(Error::new(ErrorKind::Value, place, expected, weight(row, column))
                    .advise("the columns of a task have the same weights; make a task of each otherwise"));
            }
        }
        Ok(Some(first))
    }

    /// The weights of the labels of a task with these target columns.
    ///
    /// # Errors
    /// As [`weighted_column`](Self::weighted_column).
    pub(crate) fn task_weights(&self, columns: &[usize]) -> Result<Option<CowArray<'_, F, Ix1>>> {
        Ok(match self.weighted_column(columns)? {
            None => self.weights().map(CowArray::from),
            Some(column) => self.label_weights(column),
        })
    }

    /// Fails if the weight of a row times that of its label is not a number of `F`, or vanishes where neither does.
    fn check_products(&self, target: usize) -> Result<()> {
        let (Some(rows), Some(own)) = (self.weights(), self.own_weights(target)) else { return Ok(()) };
        let fits = |(&a, &b): (&F, &F)| {
            let vanishes = a * b == F::ZERO && a != F::ZERO && b != F::ZERO;
            (a * b).is_finite() && !vanishes
        };
        match rows.iter().zip(own).position(|pair| !fits(pair)) {
            None => Ok(()),
            Some(row) => {
                let name = &self.target_names()[target];
                let place = format!("weight of row {row} times that of its label of `{name}`");
                let expected = format!("a number within the range of {}", F::NAME);
                let found = format!("{:e} · {:e}", rows[row].to_f64(), own[row].to_f64());
                Err(Error::new(ErrorKind::Value, place, expected, found)
                    .advise("only ratios of weights count: divide them by their mean"))
            }
        }
    }
}

/// Fails unless every weight is a finite number of at least 0, and one is above it.
fn check<F: Scalar>(place: &str, weights: &Array1<F>) -> Result<()> {
    if let Some((row, weight)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite() || **w < F::ZERO) {
        let place = format!("{place}[{row}]");
        return Err(Error::new(ErrorKind::Value, place, "a finite number, at least 0", weight));
    }
    Ok(())
}
