//! What a person should know of a model before they trust its predictions.

use std::fmt;

use ndarray::ArrayView2;

use super::Model;
use crate::data::Dataset;
use crate::data::names::listed;
use crate::{Result, Scalar};

/// Something about a model and its data that is no error, and that nobody would see otherwise.
///
/// [`Model::warnings`] has those of a model, and a [`Report`](crate::Report) prints them beneath its table, with those of
/// the data it is about.
///
/// ```
/// use ndarray::array;
/// use polytask::Warning;
/// use polytask::prelude::*;
///
/// let data = Dataset::new(array![[1.0, 400.0], [3.0, 400.0], [5.0, 400.0]], array![[1.0], [2.0], [3.0]])?
///     .with_feature_names(["area", "pressure"])?
///     .with_target_names(["price"])?;
/// let mut model = Model::builder(2).task(Task::regression("price")).standardize().build::<f64>()?;
/// Trainer::new(Adam::new(0.1)).steps(100).fit(&mut model, &data)?;
/// assert_eq!(model.warnings(), [Warning::IgnoredFeatures(vec!["pressure".into()])]);
///
/// let row = array![[3.0, 410.0]];
/// assert_eq!(model.changed_constants(row.view())?, [(0, 1)]); // row 0, feature 1
/// assert_eq!(model.predict(row.view())?["price"], model.predict(array![[3.0, 400.0]].view())?["price"]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Warning {
    /// These features had one value in all rows that the model learnt from, so it ignores them.
    IgnoredFeatures(Vec<String>),
    /// These features had one value in all rows that the model learnt from, and the file of the model was saved by a
    /// version that still let a row with another value change the prediction, at random.
    CentredConstants(Vec<String>),
    /// These features have another value in some rows of the data than in all rows that the model learnt from.
    ChangedConstants {
        /// The features.
        names: Vec<String>,
        /// How many rows differ in one of them.
        rows: usize,
    },
    /// The values of these features lie so close together that the scalar type hardly tells them apart.
    CoarseFeatures(Vec<String>),
    /// The file of the model has no names of features: columns are matched by position.
    NoFeatureNames,
    /// An estimator has fewer networks than it was to have, because a callback has ended its training.
    FewerMembers {
        /// The callback.
        stopped_by: String,
        /// How many networks there are.
        members: usize,
        /// How many there were to be.
        wanted: usize,
        /// Whether they were trained to their end; if not, there is one.
        are_complete: bool,
    },
    /// An estimator has networks of several kinds, but for these targets too few labels to weigh the kinds by, so that those of
    /// one kind predict them alone.
    NotStacked {
        /// The targets.
        targets: Vec<String>,
        /// The kind of network that predicts them.
        kind: String,
    },
    /// All labels of these targets of an estimator are alike, so that there is nothing to learn of them.
    ConstantTargets(Vec<String>),
    /// An estimator has kept so few labels apart that the intervals of a high coverage are infinite, and the sets have all
    /// classes.
    FewCalibrationLabels {
        /// The targets that have few.
        targets: Vec<String>,
        /// How many labels the one has that has the fewest; or how many rows have labels of all targets.
        labels: usize,
        /// Whether it is about all targets together.
        together: bool,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoredFeatures(names) => write!(
                f,
                "constant in the data that the model learnt from, and therefore ignored: {}",
                listed(names)
            ),
            Self::CentredConstants(names) => write!(
                f,
                "constant in the data that the model learnt from: {}; a row with another value is predicted at random, as by \
                 the version that saved the model (fit it anew)",
                listed(names)
            ),
            Self::ChangedConstants { names, rows } => write!(
                f,
                "constant in the data that the model learnt from, but not in this: {} ({rows} rows differ)",
                listed(names)
            ),
            Self::CoarseFeatures(names) => write!(
                f,
                "values that the scalar type hardly tells apart: {} (use f64, or subtract a base from them)",
                listed(names)
            ),
            Self::FewerMembers { stopped_by, members, wanted, are_complete: true } => {
                write!(f, "ended by {stopped_by}: {members} of {wanted} networks are trained")
            }
            Self::FewerMembers { stopped_by, wanted, are_complete: false, .. } => {
                write!(
                    f,
                    "ended by {stopped_by}: none of {wanted} networks is trained to its end, and one is used as it was"
                )
            }
            Self::NotStacked { targets, kind } => write!(
                f,
                "too few held-out labels to weigh kinds of networks by: {}; {kind} networks predict them alone",
                listed(targets)
            ),
            Self::ConstantTargets(names) => {
                write!(f, "all labels are alike, so that nothing is learnt: {}", listed(names))
            }
            Self::FewCalibrationLabels { targets, labels, together } => {
                let what = if *together { "rows with all labels" } else { "labels" };
                // Down to a tenth of a per cent: what is said to be finite is.
                let most = (1000.0 * *labels as f64 / (*labels as f64 + 1.0)).floor() / 10.0;
                write!(
                    f,
                    "{labels} {what} are kept for calibration: above {most:.1} % of coverage, intervals are infinite and sets \
                     have all classes, of {} (calibrate with more rows)",
                    listed(targets)
                )
            }
            Self::NoFeatureNames => write!(
                f,
                "the file of the model has no names of features, so columns are matched by position (fit it anew)"
            ),
        }
    }
}

impl<F: Scalar> Model<F> {
    /// What a person should know before they trust the model: see [`Warning`].
    pub fn warnings(&self) -> Vec<Warning> {
        let constant = self.constant_features();
        let names = self.called(&constant);
        let of_constants = match self.scaling.ignores_constants {
            true => Warning::IgnoredFeatures(names),
            false => Warning::CentredConstants(names),
        };
        let of_constants = Some(of_constants).filter(|_| !constant.is_empty());
        of_constants.into_iter().chain(self.notes.iter().cloned()).collect()
    }

    /// [`warnings`](Self::warnings), and what there is to say of predictions for `data`.
    ///
    /// # Errors
    /// Of the kinds of [`predict_table`](Self::predict_table).
    pub fn warnings_on(&self, data: &Dataset<F>) -> Result<Vec<Warning>> {
        let mut warnings = self.warnings();
        let changed = self.changed_constants(self.features_of(data)?.view())?;
        if !changed.is_empty() {
            let mut columns: Vec<usize> = changed.iter().map(|&(_, column)| column).collect();
            columns.sort_unstable();
            columns.dedup();
            let mut rows: Vec<usize> = changed.iter().map(|&(row, _)| row).collect();
            rows.dedup();
            warnings.push(Warning::ChangedConstants { names: self.called(&columns), rows: rows.len() });
        }
        Ok(warnings)
    }

    /// Where `features` (`rows × features`) differ from what was constant in the data that the model learnt from: row
    /// and feature of each place, row by row. What stands there does not enter the prediction.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the number of features is not the model's.
    pub fn changed_constants(&self, features: ArrayView2<'_, F>) -> Result<Vec<(usize, usize)>> {
        self.check_width(features.ncols())?;
        let Some(scaling) = &self.scaling.features else { return Ok(Vec::new()) };
        let constant = self.constant_features();
        let differ = |row: usize, column: usize| features[[row, column]] != scaling.mean()[column];
        let in_row = |row| {
            constant.iter().filter(move |&&column| differ(row, column)).map(move |&column| (row, column))
        };
        Ok((0..features.nrows()).flat_map(in_row).collect())
    }

    pub(super) fn note_coarse_features(&mut self, data: &Dataset<F>) {
        let coarse: Vec<String> =
            data.coarse_features().into_iter().map(|column| data.feature_names()[column].clone()).collect();
        if !coarse.is_empty() {
            self.notes.push(Warning::CoarseFeatures(coarse));
        }
    }

    fn called(&self, columns: &[usize]) -> Vec<String> {
        let name = |&column: &usize| match self.names() {
            Some(names) => names.features[column].clone(),
            None => format!("x{column}"),
        };
        columns.iter().map(name).collect()
    }
}
