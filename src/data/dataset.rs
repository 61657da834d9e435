//! A table in memory: features, targets, and optionally a weight and a query group per row.

use std::sync::Arc;

use ndarray::{Array1, Array2};

use crate::{Error, ErrorKind, Result, Scalar};

/// A table: one row per example, named feature columns and named target columns.
///
/// Features are finite. A target that is NaN is a missing label. Targets of all kinds are numbers: a class is
/// its index 0, 1, 2 …
#[derive(Clone, Debug)]
pub struct Dataset<F> {
    names: Arc<Names>,
    features: Array2<F>,
    targets: Array2<F>,
    weights: Option<Array1<F>>,
    groups: Option<Vec<u64>>,
}

/// The names of the columns of a table. Parts of one table share one copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// Feature columns, in order.
    pub features: Vec<String>,
    /// Target columns, in order.
    pub targets: Vec<String>,
}

/// A view of some rows of a table: what one step learns from.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, F> {
    /// The table.
    pub dataset: &'a Dataset<F>,
    /// Which of its rows, in the order in which they are used; repeats are allowed.
    pub rows: &'a [usize],
}

impl<F: Scalar> Dataset<F> {
    /// A table from `features` (`rows × features`) and `targets` (`rows × targets`), with columns named
    /// `x0, x1, …` and `y0, y1, …`.
    ///
    /// # Errors
    /// If there are no rows or no features, the numbers of rows differ, a feature is not finite, or a target is
    /// infinite.
    pub fn new(features: Array2<F>, targets: Array2<F>) -> Result<Self> {
        if features.nrows() != targets.nrows() {
            return Err(Error::new(
                ErrorKind::Shape,
                "targets",
                format!("{} rows, one per row of the features", features.nrows()),
                format!("{} rows", targets.nrows()),
            ));
        }
        let names = Names {
            features: (0..features.ncols()).map(|i| format!("x{i}")).collect(),
            targets: (0..targets.ncols()).map(|i| format!("y{i}")).collect(),
        };
        Ok(Self { names: Arc::new(names), features, targets, weights: None, groups: None })
    }
}
