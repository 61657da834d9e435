//! What an estimator is to predict of a table: its tasks, and where the table has their labels.

use super::kind::sealed::Sealed;
use super::labels::{check_targets, columns_of, counts};
use super::settings::Settings;
use super::target::Target;
use crate::data::Dataset;
use crate::{Result, Scalar, Task};

pub(super) struct Wanted {
    pub(super) tasks: Vec<Task>,
    pub(super) targets: Vec<Target>,
    /// The column of each target in the table.
    pub(super) columns: Vec<usize>,
}

impl Wanted {
    /// What an estimator of this kind learns from a table.
    pub(super) fn of<K: Sealed, F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Result<Self> {
        let tasks = K::tasks(settings, data)?;
        let (targets, columns) = (Target::of_tasks(&tasks)?, columns_of(&tasks, data)?);
        check_targets(data, &columns)?;
        Ok(Self { tasks, targets, columns })
    }
}

/// The smallest and the largest label of each quantity, between which it is predicted.
pub(super) type Ranges = Vec<(f64, f64)>;

impl Settings {
    /// The ranges of the labels in a table, if predictions are kept between them, and there are quantities.
    pub(super) fn ranges<F: Scalar>(&self, data: &Dataset<F>, wanted: &Wanted) -> Option<Ranges> {
        let within = |(low, high): (f64, f64), y: f64| (low.min(y), high.max(y));
        let of_column = |column: usize| {
            let present = (0..data.n_rows()).filter(|&row| counts(data, row, column));
            let labels = present.map(|row| data.targets()[[row, column]].to_f64());
            labels.fold((f64::INFINITY, f64::NEG_INFINITY), within)
        };
        let quantities =
            wanted.targets.iter().zip(&wanted.columns).filter(|(target, _)| target.is_quantity());
        let ranges: Ranges = quantities.map(|(_, &column)| of_column(column)).collect();
        (!self.extrapolates && !ranges.is_empty()).then_some(ranges)
    }
}
