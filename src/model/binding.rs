//! What ties a table to a model: where each task finds its columns, looked up and checked once per table.

use std::sync::{Arc, Mutex, PoisonError};

use super::Model;
use crate::data::{Batch, Dataset};
use crate::trace::Trace;
use crate::{Result, Scalar};

/// Where the tasks of a model find their columns in one table, whose labels have been checked.
#[derive(Debug)]
pub(super) struct Binding {
    table: u64,
    /// Per task; none for a task without a loss whose columns the table lacks.
    pub(super) targets: Vec<Vec<usize>>,
}

/// The bindings of a model to the tables that it saw last, the latest first.
///
/// A binding follows from the model and the table alone, so remembering it changes no result: it only saves
/// looking at every label again in every step. A copy of the model starts without any.
#[derive(Debug, Default)]
pub(super) struct Bindings(Mutex<Vec<Arc<Binding>>>);

/// Training and validation tables of one model, and some to spare.
const MOST: usize = 8;

impl Clone for Bindings {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Bindings {
    fn find(&self, table: u64) -> Option<Arc<Binding>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|binding| binding.table == table)?;
        known[..=at].rotate_right(1);
        Some(Arc::clone(&known[0]))
    }

    fn remember(&self, binding: Arc<Binding>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(MOST - 1);
        known.insert(0, binding);
    }
}

impl<F: Scalar> Model<F> {
    /// Looks up the tasks' columns in `data` and checks their labels, unless that was done before.
    pub(super) fn bind(&self, data: &Dataset<F>) -> Result<Arc<Binding>> {
        if let Some(known) = self.bindings.find(data.id()) {
            return Ok(known);
        }
        let targets = self.columns(data)?;
        for (k, columns) in targets.iter().enumerate() {
            self.check_labels(k, columns, data)?;
        }
        let binding = Arc::new(Binding { table: data.id(), targets });
        self.bindings.remember(Arc::clone(&binding));
        Ok(binding)
    }

    /// Copies the labels of a batch to the trace, scaled as the network is to learn them, with the weights and groups
    /// of its rows.
    pub(super) fn gather_labels(&self, binding: &Binding, batch: &Batch<'_, F>, trace: &mut Trace<F>) {
        let data = batch.dataset;
        let (all, width) = (data.flat_targets(), data.n_targets());
        for (k, columns) in binding.targets.iter().enumerate() {
            let mut targets = trace.targets_mut(k);
            if columns.is_empty() {
                targets.fill(F::NAN);
                continue;
            }
            let targets = targets.as_slice_mut().expect("row-major");
            if let [column] = columns[..] {
                // Most tasks have one column, and in small steps the loop over columns shows.
                let all = &all[column..];
                targets.iter_mut().zip(batch.rows).for_each(|(to, &row)| *to = all[row * width]);
            } else {
                for (to, &row) in targets.chunks_exact_mut(columns.len()).zip(batch.rows) {
                    let from = &all[row * width..(row + 1) * width];
                    to.iter_mut().zip(columns).for_each(|(to, &column)| *to = from[column]);
                }
            }
            if let Some(scaling) = &self.scaling.targets[k] {
                targets.chunks_exact_mut(columns.len()).for_each(|row| scaling.apply_row(row));
            }
        }
        trace.examples.gather(batch.rows, data.weights(), data.groups());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_seen_longest_ago_is_forgotten_first() {
        let known = Bindings::default();
        let bound = |table: u64| Arc::new(Binding { table, targets: Vec::new() });
        (0..MOST as u64).for_each(|table| known.remember(bound(table)));
        assert_eq!(known.find(0).map(|binding| binding.table), Some(0));
        known.remember(bound(100));
        assert!(known.find(0).is_some() && known.find(1).is_none() && known.find(2).is_some());
        assert!(known.clone().find(0).is_none()); // a copy may be given other names
    }
}
