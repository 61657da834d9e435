//! What ties a table to a model: where the model finds its features, and each task its targets, looked up by name and
//! checked once per table.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Axis, CowArray, Ix2};

use super::{Model, Warning};
use crate::arena::RowsMut;
use crate::data::names::listed;
use crate::data::{Batch, Dataset};
#[cfg(feature = "persist")]
use crate::data::{Names, names};
use crate::kernel;
use crate::loss::Loss;
use crate::{Error, ErrorKind, Result, Scalar, Trace};

/// Where a model finds its columns in one table, whose labels have been checked.
#[derive(Debug)]
pub(super) struct Binding {
    table: u64,
    /// The column of each feature; `None` if they stand in the model's own order.
    features: Option<Vec<usize>>,
    /// Per task; none for a task without a loss whose columns the table lacks.
    targets: Vec<Vec<usize>>,
    /// Per task the target column that has the weights of its labels; empty if the table has none but those of rows.
    weights: Vec<Option<usize>>,
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

    /// Forgets all: the model has got other names.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
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
        let (features, targets) = (self.feature_order(data)?, self.columns(data)?);
        self.check_index_columns(data, features.as_deref())?;
        let mut weights = Vec::with_capacity(targets.len());
        for (k, columns) in targets.iter().enumerate() {
            self.check_labels(k, columns, data)?;
            weights.push(data.weighted_column(columns)?);
        }
        if weights.iter().all(Option::is_none) {
            weights.clear();
        }
        let binding = Arc::new(Binding { table: data.id(), features, targets, weights });
        self.bindings.remember(Arc::clone(&binding));
        Ok(binding)
    }

    /// Checks that a table has the model's columns, with labels that are the tasks'.
    pub(crate) fn check_table(&self, data: &Dataset<F>) -> Result<()> {
        self.bind(data).map(drop)
    }

    /// Takes the names of the columns of `data` if the model has none yet, and those of classes that it does not know.
    pub(super) fn take_names(&mut self, data: &Dataset<F>, reordered: bool) {
        let known = self.names.as_ref().filter(|names| names.has_feature_names() || reordered);
        let mut names = Arc::clone(known.unwrap_or(data.names()));
        for (target, classes) in &data.names().classes {
            names.learn_classes(target, classes);
        }
        if self.names.as_ref() != Some(&names) {
            self.names = Some(names);
            self.notes.retain(|note| *note != Warning::NoFeatureNames);
            self.bindings.clear();
        }
    }

    /// Fails if task `k` wants classes in order, and those of its column were only sorted as texts.
    pub(super) fn check_order(&self, k: usize, data: &Dataset<F>) -> Result<()> {
        let task = &self.tasks()[k];
        let is_sorted = |column: &&String| data.names().is_alphabetical(column);
        match (task.loss(), task.columns_list().iter().find(is_sorted)) {
            (Loss::Ordinal { .. }, Some(column)) => {
                let classes = data.names().classes.get(column).map_or(&[][..], Vec::as_slice);
                let found = format!("{}, which are in alphabetical order", listed(classes));
                Err(Error::new(ErrorKind::Value, self.place(k), "classes in their order", found).advise(
                    "give their order with `CsvReader::classes_in_order`, or `Dataset::with_class_names` if this is it",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Checks that a table has the model's columns, each of its kind; of its rows, nothing.
    pub(crate) fn check_columns(&self, data: &Dataset<F>) -> Result<()> {
        let _ = self.columns(data)?;
        (0..self.tasks().len()).try_for_each(|k| self.check_order(k, data))
    }

    /// Where each of the model's features is found in `data`: `None` if they stand in the model's own order, which is
    /// also assumed where the model or the table has no names for them.
    pub(super) fn feature_order(&self, data: &Dataset<F>) -> Result<Option<Vec<usize>>> {
        let order = self.names.as_ref().map_or(Ok(None), |names| names.find_features(data.names()))?;
        self.check_width(data.n_features())?;
        Ok(order)
    }

    /// The features of a table in the model's own order.
    pub(crate) fn features_of<'a>(&self, data: &'a Dataset<F>) -> Result<CowArray<'a, F, Ix2>> {
        let order = self.feature_order(data)?;
        self.check_index_columns(data, order.as_deref())?;
        Ok(match order {
            None => data.features().into(),
            Some(order) => data.features().select(Axis(1), &order).into(),
        })
    }

    /// Copies the features of some rows of a batch, from `first` on, as the network is to see them.
    pub(super) fn gather_features(
        &self,
        binding: &Binding,
        batch: &Batch<'_, F>,
        first: usize,
        to: RowsMut<'_, F>,
    ) {
        let (data, rows) = (batch.dataset, &batch.rows[first..]);
        match &binding.features {
            None => kernel::copy_rows(data.flat_features(), rows, to, |row| self.scale_features(row)),
            Some(order) => to.zip(rows).for_each(|(to, &row)| {
                let from = data.feature_row(row);
                to.iter_mut().zip(order).for_each(|(to, &column)| *to = from[column]);
                self.scale_features(to);
            }),
        }
    }

    /// One row of a batch as the network is to see it.
    pub(super) fn features_of_row(&self, binding: &Binding, data: &Dataset<F>, row: usize) -> Vec<F> {
        let from = data.feature_row(row);
        let mut features = match &binding.features {
            None => from.to_vec(),
            Some(order) => order.iter().map(|&column| from[column]).collect(),
        };
        self.scale_features(&mut features);
        features
    }

    #[inline]
    fn scale_features(&self, row: &mut [F]) {
        if let Some(scaling) = &self.scaling.features {
            scaling.apply_row(row);
        }
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
            let transforms = &self.scaling.transforms[k];
            if !transforms.is_empty() {
                for row in targets.chunks_exact_mut(columns.len()) {
                    let pairs = row.iter_mut().zip(transforms);
                    pairs.for_each(|(x, transform)| *x = F::from_f64(transform.apply(x.to_f64())));
                }
            }
            if let Some(scaling) = &self.scaling.targets[k] {
                targets.chunks_exact_mut(columns.len()).for_each(|row| scaling.apply_row(row));
            }
        }
        trace.examples.gather(batch.rows, data.weights(), data.groups());
        trace.weigh_labels(binding.weights.iter().map(|column| {
            column.map(|column| batch.rows.iter().map(move |&row| data.label_weight(row, column)))
        }));
    }

    /// The names of the columns that parameters from a file are about, which are called `stored` there.
    #[cfg(feature = "persist")]
    pub(super) fn names_with(&self, stored: Option<Names>) -> Result<Option<Arc<Names>>> {
        let Some(stored) = stored else { return Ok(self.names.clone()) };
        names::check("names of features", &stored.features, self.n_features())?;
        match &self.names {
            Some(own) if own.features == stored.features || !stored.has_feature_names() => {
                Ok(Some(Arc::clone(own)))
            }
            Some(own) if own.has_feature_names() => {
                let (own, stored) = (listed(&own.features), listed(&stored.features));
                Err(Error::new(ErrorKind::Name, "features of the file", own, stored)
                    .advise("build the model anew, or load the file with Model::load"))
            }
            _ => Ok(Some(Arc::new(stored))),
        }
    }
}

/// Fails if a target's classes are called one thing in the data that the model learnt from, and another now. A table that
/// has not met the last of them is fine.
pub(super) fn check_classes(target: &str, own: Option<&Vec<String>>, found: &[String]) -> Result<()> {
    match own {
        Some(own) if own.iter().zip(found).any(|(own, found)| own != found) => {
            let place = format!("classes of the target `{target}`");
            Err(Error::new(ErrorKind::Name, place, listed(own), listed(found))
                .advise("read the table with the encoding that the model learnt from"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_seen_longest_ago_is_forgotten_first() {
        let known = Bindings::default();
        let bound =
            |table: u64| Arc::new(Binding { table, features: None, targets: vec![], weights: vec![] });
        (0..MOST as u64).for_each(|table| known.remember(bound(table)));
        assert_eq!(known.find(0).map(|binding| binding.table), Some(0));
        known.remember(bound(100));
        assert!(known.find(0).is_some() && known.find(1).is_none() && known.find(2).is_some());
        assert!(known.clone().find(0).is_none()); // a copy may be given other names
    }
}
