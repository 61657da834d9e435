//! What tells the kinds of estimator from one another: which tasks they make of a table.

use std::fmt::Debug;

use super::settings::Settings;
use crate::data::Dataset;
use crate::{Result, Scalar, Task};

/// What an estimator predicts: [`Regression`](crate::estimator::Regression),
/// [`Classification`](crate::estimator::Classification) or [`Mixed`](crate::estimator::Mixed).
///
/// ```
/// use polytask::estimator::{Estimator, EstimatorKind, Fitted};
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// /// A copy of an estimator of any kind that has been through the bytes of a file.
/// fn sent<K: EstimatorKind>(model: &Fitted<K, f64>) -> polytask::Result<Fitted<K, f64>> {
///     Estimator::<K>::from_bytes(&model.to_bytes()?)
/// }
///
/// let x = Array2::from_shape_fn((20, 1), |(i, _)| i as f64);
/// let model = MultiTaskRegressor::new().hidden([4]).members(1).epochs(2).fit(&x, &x)?;
/// assert_eq!(sent(&model)?.predict(&x)?, model.predict(&x)?);
/// assert!(MultiTaskClassifier::from_bytes::<f64>(&model.to_bytes()?).is_err()); // another kind
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait EstimatorKind: sealed::Sealed {}

pub(super) mod sealed {
    use super::*;

    /// What an estimator's fit and its files ask of its kind.
    pub trait Sealed: Clone + Debug {
        const NAME: &'static str;

        /// The tasks that a table is learnt by.
        fn tasks<F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Result<Vec<Task>>;

        /// Whether such an estimator may have a task of this kind.
        #[cfg(feature = "persist")]
        fn has(kind: crate::loss::Kind) -> bool;
    }
}
