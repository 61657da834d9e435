//! Feature columns that hold indices of categories.

use std::sync::Arc;

use super::Dataset;
use super::dataset::next_id;
use crate::{Error, ErrorKind, Result, Scalar};

/// Up to here `f32` holds every index.
const MOST_CATEGORIES: usize = 1 << 24;

impl<F: Scalar> Dataset<F> {
    /// The same table with feature columns that hold indices of categories, each with its number n of categories: the whole
    /// numbers from 0 to n − 1, or n where it is none of them. A model takes such a table only if a layer of it
    /// [embeds](crate::Layer::embedding) these columns, since their order and distance mean nothing.
    ///
    /// ```
    /// use polytask::data::Dataset;
    /// use polytask::ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[2.0, 0.5], [0.0, 1.5]], array![[1.0], [2.0]])?;
    /// let indexed = data.clone().with_index_columns([("x0", 3)])?;
    /// assert_eq!(indexed.index_columns(), [(0, 3)]);
    /// let error = data.with_index_columns([("x1", 3)]).unwrap_err().to_string();
    /// assert!(error.starts_with("row 0, column `x1`: expected a whole number from 0 to 3, found 0.5"), "{error}");
    ///
    /// let mut without = Model::builder(2).task(Task::regression("y0")).build::<f64>()?;
    /// let error = Trainer::new(Adam::new(0.1)).fit(&mut without, &indexed).unwrap_err().to_string();
    /// assert!(error.contains("a layer that embeds it"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no such feature; [`ErrorKind::Setting`] if a column has no category, or more than 2²⁴;
    /// [`ErrorKind::Value`] if a number is no such index.
    pub fn with_index_columns(
        mut self,
        columns: impl IntoIterator<Item = (impl Into<String>, usize)>,
    ) -> Result<Self> {
        for (name, n) in columns {
            let name = name.into();
            let column = self.names().feature(&name)?;
            if !(1..=MOST_CATEGORIES).contains(&n) {
                let expected = format!("from 1 to {MOST_CATEGORIES}");
                let place = format!("categories of column `{name}`");
                return Err(Error::new(ErrorKind::Setting, place, expected, n));
            }
            for (row, &x) in self.features().column(column).iter().enumerate() {
                check_index(x, n, || format!("row {row}, column `{name}`"))?;
            }
            Arc::make_mut(self.names_mut()).categories.insert(name, n);
        }
        self.id = next_id();
        Ok(self)
    }

    /// The feature columns that hold indices, by position, each with its number of categories: what
    /// [`Layer::embedding`](crate::Layer::embedding) is given.
    pub fn index_columns(&self) -> Vec<(usize, usize)> {
        let names = self.feature_names().iter().enumerate();
        names.filter_map(|(at, name)| Some((at, *self.names().categories.get(name)?))).collect()
    }
}

/// Fails unless x is the index of one of n categories, or n.
pub(crate) fn check_index<F: Scalar>(x: F, n: usize, place: impl FnOnce() -> String) -> Result<()> {
    let number = x.to_f64();
    match number >= 0.0 && number <= n as f64 && number.fract() == 0.0 {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Value, place(), format!("a whole number from 0 to {n}"), x)
            .advise(format!("indices of {n} categories are counted from 0, and {n} is none of them"))),
    }
}
