//! Labels of a table that count, and checks of those that are given.

use ndarray::ArrayView2;

use crate::data::Dataset;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// Checks that labels to judge predictions by have their shape.
pub(super) fn check_labels<F>(y: ArrayView2<'_, F>, n_rows: usize, n_tasks: usize) -> Result<()> {
    match y.dim() == (n_rows, n_tasks) {
        true => Ok(()),
        false => {
            let (expected, found) =
                (format!("{n_rows} × {n_tasks}"), format!("{} × {}", y.nrows(), y.ncols()));
            Err(Error::new(ErrorKind::Shape, "labels of an estimator", expected, found))
        }
    }
}

/// Whether a target has a label with a weight above 0 among some rows.
pub(super) fn has_label<F: Scalar>(data: &Dataset<F>, target: usize, rows: &[usize]) -> bool {
    rows.iter().any(|&row| counts(data, row, target))
}

/// Whether there is a label, with a weight above 0.
pub(super) fn counts<F: Scalar>(data: &Dataset<F>, row: usize, target: usize) -> bool {
    !data.targets()[[row, target]].is_nan() && data.label_weight(row, target) > F::ZERO
}

/// Where a table has the targets of some tasks, in order.
pub(super) fn columns_of<F: Scalar>(tasks: &[Task], data: &Dataset<F>) -> Result<Vec<usize>> {
    let names = tasks.iter().flat_map(|task| task.columns_list());
    names.map(|name| data.names().target(name)).collect()
}

/// Checks that there is something to learn: at least one target, each with at least one label that counts.
pub(super) fn check_targets<F: Scalar>(data: &Dataset<F>, columns: &[usize]) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::Shape, "targets of an estimator", "at least 1 column", 0));
    }
    let rows: Vec<usize> = (0..data.n_rows()).collect();
    for &k in columns {
        let name = &data.target_names()[k];
        if !has_label(data, k, &rows) {
            let found = format!("none in {} rows", data.n_rows());
            let place = format!("target {name:?}");
            return Err(Error::new(
                ErrorKind::Value,
                place,
                "at least one label with a weight above 0",
                found,
            ));
        }
    }
    Ok(())
}
