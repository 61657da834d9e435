//! What the two kinds of estimator have in common.

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::Fitted;
use super::settings::Settings;
use super::stack::Weighed;
use crate::data::Dataset;
use crate::{Result, Scalar, Task};

/// What an estimator predicts: [`Regression`](crate::estimator::Regression) or
/// [`Classification`](crate::estimator::Classification).
///
/// ```
/// use polytask::estimator::{Estimator, EstimatorKind, Fitted};
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// /// A copy of an estimator of either kind that has been through the bytes of a file.
/// fn sent<K: EstimatorKind>(model: &Fitted<K, f64>) -> polytask::Result<Fitted<K, f64>> {
///     Estimator::<K>::from_bytes(&model.to_bytes()?)
/// }
///
/// let x = Array2::from_shape_fn((20, 1), |(i, _)| i as f64);
/// let model = MultiTaskRegressor::new().hidden([4]).members(1).epochs(2).fit(&x, &x)?;
/// assert_eq!(sent(&model)?.predict(&x)?, model.predict(&x)?);
/// assert!(MultiTaskClassifier::from_bytes::<f64>(&model.to_bytes()?).is_err()); // the other kind
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait EstimatorKind: sealed::Sealed {}

pub(super) mod sealed {
    use super::*;

    /// What an estimator's fit and its files ask of its kind.
    pub trait Sealed: Clone + PartialEq + Sized {
        const NAME: &'static str;

        /// What the errors of held-out predictions are called.
        const STACKED_BY: &'static str;

        /// Whether the mean of the labels is one of the predictions that are weighed.
        const MIXES_THE_MEAN: bool;

        /// Whether a score has the unit of its target.
        const SCORES_HAVE_UNITS: bool;

        /// How far the predictions for some rows are from their labels, `rows × targets`; NaN where there is no label, and
        /// infinite where there is no prediction.
        fn scores<F: Scalar>(
            fitted: &Fitted<Self, F>,
            features: &Array2<F>,
            labels: &Array2<f64>,
        ) -> Result<Array2<f64>>;

        /// What of a prediction for one row, `prediction width` numbers, is judged against its label.
        fn judged<F: Scalar>(predicted: ArrayView1<'_, F>, label: f64) -> f64;

        /// The weights of kinds of networks from what of their predictions is judged, `rows × kinds`; `None` if nothing has
        /// a finite error.
        fn weigh(judged: ArrayView2<'_, f64>, labels: &[f64], weights: &[f64], mean: f64) -> Option<Weighed>;

        /// A task for each target of a table.
        fn tasks<F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Result<Vec<Task>>;

        /// What is kept of a table beside the networks.
        fn learnt_from<F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Self;

        /// The smallest and the largest label of each target, if predictions are kept between them.
        fn ranges(&self) -> Option<&[(f64, f64)]>;

        /// What [`ranges`](Self::ranges) gave.
        #[cfg(feature = "persist")]
        fn with_ranges(ranges: Option<Vec<(f64, f64)>>) -> Self;

        /// Whether a task of this kind, whose predictions have this width, is one that such an estimator makes.
        #[cfg(feature = "persist")]
        fn makes(kind: crate::loss::Kind, width: usize) -> bool;

        /// Whether a label is one of such a task.
        #[cfg(feature = "persist")]
        fn is_label(label: f64, width: usize) -> bool;
    }
}
