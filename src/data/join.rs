//! Tables from tables: one below the other, or with other features.

use std::sync::{Arc, OnceLock};

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::Dataset;
#[cfg(feature = "csv")]
use super::Names;
use super::dataset::next_id;
use crate::Scalar;

impl<F: Scalar> Dataset<F> {
    /// The rows of several tables, which have the same columns and the same sorts of weights.
    ///
    /// # Panics
    /// If there is no table, or one has other columns than the first.
    #[track_caller]
    pub(crate) fn joined(parts: &[Self]) -> Self {
        let first = &parts[0];
        for part in parts {
            assert_eq!(part.names(), first.names(), "columns of tables that are joined");
        }
        let matrix = |of: fn(&Self) -> ArrayView2<'_, F>| -> Array2<F> {
            let parts: Vec<_> = parts.iter().map(of).collect();
            concatenate(Axis(0), &parts).expect("as many columns in each")
        };
        let column = |of: &dyn Fn(&Self) -> Option<Array1<F>>| -> Option<Array1<F>> {
            let parts: Option<Vec<Array1<F>>> = parts.iter().map(of).collect();
            let parts = parts?;
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            Some(concatenate(Axis(0), &views).expect("columns"))
        };
        let own =
            |target: usize| column(&|part: &Self| part.own_weights(target).map(|weights| weights.to_owned()));
        let groups: Option<Vec<&[u64]>> = parts.iter().map(Self::groups).collect();
        Self {
            id: next_id(),
            names: Arc::clone(first.names()),
            features: matrix(Self::features),
            targets: matrix(Self::targets),
            weights: column(&|part: &Self| part.weights.clone()),
            target_weights: (0..first.target_weights.len()).map(own).collect(),
            groups: groups.map(|groups| groups.concat()),
            all_rows: OnceLock::new(),
        }
    }

    /// The same table with these features, finite and of the same columns.
    ///
    /// # Panics
    /// If there are not as many.
    #[track_caller]
    pub(crate) fn with_other_features(&self, features: Array2<F>) -> Self {
        assert_eq!(features.dim(), self.features.dim(), "features of the same table");
        Self { id: next_id(), features, ..self.clone() }
    }

    /// The same rows with the numbers of their groups counted from `first`.
    #[cfg(feature = "csv")]
    pub(super) fn with_groups_from(mut self, first: u64) -> Self {
        self.groups.iter_mut().flatten().for_each(|group| *group += first);
        self
    }

    /// A table of finite features, and of labels that are finite or missing.
    #[cfg(feature = "csv")]
    pub(super) fn of_checked(features: Array2<F>, targets: Array2<F>, names: &Arc<Names>) -> Self {
        Self {
            id: next_id(),
            names: Arc::clone(names),
            features,
            targets,
            weights: None,
            target_weights: Vec::new(),
            groups: None,
            all_rows: OnceLock::new(),
        }
    }
}
