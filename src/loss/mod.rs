//! Losses: for each, a value and its derivative with respect to the outputs (the delta), written by
//! hand as a pair.
//!
//! A loss sees the outputs of one head for a whole batch, `batch × output width`, and the labels of one
//! task. Whatever the kind of target, it is a number: a class is its index, a missing label is NaN.
//! The value is the mean over the labels that are present, weighted if the examples are:
//!
//! ```text
//! value = Σᵢ wᵢ mᵢ ℓᵢ / Σᵢ wᵢ mᵢ        mᵢ = 1 where the label is present, else 0
//! delta = ∂value / ∂outputs              exactly 0 in every row without a label
//! ```
//!
//! A row of weight 0 contributes nothing, as if it had no label. A batch without any label for the task has value 0
//! and delta 0, and so has one whose weights are all 0. Dividing by Σ w m and not by the batch keeps the size of a
//! task's gradient independent of how many of its labels happen to be missing. And the values of the parts of a batch,
//! however its rows are cut, have the value of the whole as their mean, weighted by Σ w m of each
//! ([`check_parts`] checks it for a loss of your own).
//!
//! A loss that needs p outputs per target column (the logits of p classes, say) finds those of column c in
//! the output columns c p … c p + p − 1. Ranking losses compare the examples of one query group, and for
//! them the mean is over lists.
//!
//! ```text
//! loss                                   outputs per target column    labels
//! squared, absolute, Huber, smooth L1,
//!     log-cosh                           1                            any finite number
//! quantile                               one per quantile             any finite number
//! Poisson                                1, the log of the rate       a count, 0 to 10¹³
//! Gaussian                               2, mean and log variance     any finite number
//! binary cross-entropy, binary focal     1, a logit                   0 or 1
//! cross-entropy, focal                   C logits                     class index 0 … C − 1
//! ordinal                                C − 1                        class index 0 … C − 1
//! RankNet, ListNet, ListMLE              1, a score                   relevance, any finite number
//! ListNet by proportion                  1, a score                   relevance, 0 or more
//! LambdaRank, ApproxNDCG                 1, a score                   relevance from 0 to 31
//! ```
//! A class index is a whole number, and exact: C goes up to 2²⁴, up to which `f32` holds every whole number. The items of a query
//! group stand in one batch, which a training sees to.
//!
//! Where they come from. The defaults of Huber and smooth L1, the side taken at their kinks, and what class
//! weights and label smoothing mean together are PyTorch's, but for rows whose class has weight 0
//! ([`Loss::CrossEntropy`]):
//!
//! ```text
//! Huber                    P. J. Huber, "Robust estimation of a location parameter", 1964
//! smooth L1                R. Girshick, "Fast R-CNN", ICCV 2015: Huber's loss divided by its δ
//! quantile                 R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46, 1978; in order:
//!                          Y. Park et al., "Learning quantile functions without quantile crossing for
//!                          distribution-free time series forecasting", AISTATS 2022
//! Poisson                  P. McCullagh and J. A. Nelder, "Generalized linear models", 1989, chapter 6
//! Gaussian                 D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target
//!                          probability distribution", 1994
//! focal, binary and not    T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 4 and 5
//! label smoothing          C. Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7; here the
//!                          mean of the losses of all labels, each weighted by its share of the smoothed label
//! ordinal                  P. McCullagh, "Regression models for ordinal data", 1980
//! RankNet                  C. Burges et al., "Learning to rank using gradient descent", ICML 2005
//! LambdaRank               C. Burges, "From RankNet to LambdaRank to LambdaMART", 2010, section 4
//! ListNet                  Z. Cao et al., "Learning to rank: from pairwise approach to listwise approach",
//!                          ICML 2007
//! ListMLE                  F. Xia et al., "Listwise approach to learning to rank", ICML 2008
//! ApproxNDCG               T. Qin et al., "A general approximation framework for direct optimization of
//!                          information retrieval measures", 2010; temperature 0.1: Bruch et al., 2019
//! ```
//!
//! [`Loss`] names a loss and its settings, without a scalar type; [`Loss::build`] makes the
//! [`LossFunction`] over `f32` or `f64`.
//!
//! ```
//! use ndarray::{array, Array2};
//! use polytask::loss::{Labels, Loss};
//!
//! let loss = Loss::huber(1.0).build::<f64>()?;
//! let outputs = array![[0.5], [3.0], [7.0]];
//! let targets = array![[0.0], [0.0], [f64::NAN]]; // the third label is missing
//! let mut delta = Array2::zeros((3, 1));
//! let value = loss.value_and_delta(outputs.view(), &Labels::new(targets.view()), delta.view_mut());
//!
//! assert_eq!(value, (0.5 * 0.5 * 0.5 + (3.0 - 0.5)) / 2.0);
//! assert_eq!(delta, array![[0.25], [0.5], [0.0]]);
//! # Ok::<(), polytask::Error>(())
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Result, SavedAs, Scalar, kernel};

mod binary;
mod classes;
mod labels;
mod likelihood;
mod lists;
mod listwise;
mod logistic;
mod mean;
#[cfg(feature = "onnx")]
mod onnx;
mod ordinal;
mod pairs;
mod parts;
mod quantile;
mod regression;
mod settings;
mod spec;

pub use labels::Labels;
pub use listwise::ListTarget;
pub(crate) use logistic::softmax;
pub use parts::check_parts;
pub use regression::MeanSquaredError;
pub use spec::{CustomLoss, Loss};

/// A loss: its value and its delta, over either scalar type.
///
/// Implement it for your own loss over every `F: Scalar`, check it with
/// [`gradcheck`](crate::gradcheck), and give it to a task as [`Loss::custom`]. Only
/// [`value_and_delta`](Self::value_and_delta) has to be written: the other methods describe a loss of one
/// quantity per target column.
///
/// ```
/// use ndarray::{array, Array2, ArrayView2, ArrayViewMut2};
/// use polytask::loss::{Labels, Loss, LossFunction};
/// use polytask::Scalar;
///
/// /// The mean of (y − t)⁴, for labels that are never missing.
/// #[derive(Debug)]
/// struct Quartic;
///
/// impl<F: Scalar> LossFunction<F> for Quartic {
///     fn value_and_delta(&self, y: ArrayView2<'_, F>, labels: &Labels<'_, F>, mut delta: ArrayViewMut2<'_, F>) -> F {
///         let residual = &y - &labels.targets;
///         let n = F::from_f64(labels.total_weight());
///         delta.assign(&residual.mapv(|r| F::from_f64(4.0) * r.powi(3) / n));
///         residual.mapv(|r| r.powi(4)).sum() / n
///     }
/// }
///
/// let loss = Loss::custom(Quartic).build::<f32>()?;
/// let (outputs, targets) = (array![[3.0_f32]], array![[1.0_f32]]);
/// let mut delta = Array2::zeros((1, 1));
/// assert_eq!(loss.value_and_delta(outputs.view(), &Labels::new(targets.view()), delta.view_mut()), 16.0);
/// assert_eq!(delta[[0, 0]], 32.0);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait LossFunction<F: Scalar>: Debug + Send + Sync {
    /// The loss of `outputs` (`batch × output width`) against `labels`, and its derivative with respect
    /// to the outputs, written to every entry of `delta` (same shape as `outputs`).
    ///
    /// # Panics
    /// If the shapes do not fit, or a class index is none. Labels that pass [`check`](Self::check) have no
    /// such index.
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F;

    /// What the mean divides by, Σ w m: with it as weight, the values of several batches have the value of
    /// all their rows together as their mean, and a batch whose total is 0 has value 0 and delta 0.
    /// [`check_parts`] checks both.
    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        labels.total_weight()
    }

    /// How many outputs the head must have for a target of `target_width` columns.
    fn output_width(&self, target_width: usize) -> usize {
        target_width
    }

    /// How many columns [`predict`](Self::predict) writes for a target of `target_width` columns.
    fn prediction_width(&self, target_width: usize) -> usize {
        self.output_width(target_width)
    }

    /// From outputs (`batch × output width`) to what a person wants to read (`batch × prediction width`):
    /// the inverse of the link, so logits become probabilities and log rates become rates.
    ///
    /// # Panics
    /// If the shapes do not fit.
    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        copy_outputs(outputs, predictions);
    }

    /// What the labels and the predictions are.
    fn kind(&self) -> Kind {
        Kind::Quantity { parts: 1, point: 0 }
    }

    /// Whether the loss compares the rows of a [group](Labels::groups) with one another, so that a batch must hold whole
    /// groups. A loss that does not may see the rows of a group in different batches.
    fn compares_rows(&self) -> bool {
        self.kind() == Kind::Ranking
    }

    /// Whether the value can be below 0, as the logarithm of a density can. A [balancing method](crate::balance) that
    /// divides by losses or takes their logarithm refuses such a loss at the start of a training; any other loss,
    /// should it turn out to be negative, at that step.
    fn can_be_negative(&self) -> bool {
        false
    }

    /// Whether a target is a quantity in a unit of its own, which a model that
    /// [standardises](crate::ModelBuilder::standardize) may bring to mean 0 and deviation 1 before this loss sees it:
    /// the loss takes any finite number, and what is predicted for a standardised target can be brought back to the
    /// target's own unit ([`unstandardized`](Self::unstandardized)).
    ///
    /// ```
    /// use ndarray::{ArrayView2, ArrayViewMut2, array};
    /// use polytask::loss::{Labels, Loss, LossFunction, MeanSquaredError};
    /// use polytask::prelude::*;
    /// use polytask::Scalar;
    ///
    /// /// The squared error, written once more.
    /// #[derive(Debug)]
    /// struct Squares;
    ///
    /// impl<F: Scalar> LossFunction<F> for Squares {
    ///     fn value_and_delta(&self, y: ArrayView2<'_, F>, labels: &Labels<'_, F>, delta: ArrayViewMut2<'_, F>) -> F {
    ///         MeanSquaredError.value_and_delta(y, labels, delta)
    ///     }
    ///     fn standardizes(&self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// let data = Dataset::new(array![[1.0], [3.0]], array![[1e6], [3e6]])?.with_target_names(["price"])?;
    /// let task = Task::new("price", Loss::custom(Squares));
    /// let mut model = Model::builder(1).task(task).standardize().build::<f64>()?;
    /// model.fit_scaling(&data)?;
    /// model.parameters_mut().fill(0.0);
    /// assert_eq!(model.evaluate(&data)?["price"].loss, 1.0); // of targets −1 and 1
    /// assert_eq!(model.predict(data.features())?["price"], array![[2e6], [2e6]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    fn standardizes(&self) -> bool {
        false
    }

    /// What the prediction `y` of a target that was standardised by `mean` and `scale` is in the target's own unit.
    /// `part` says which of the target's prediction columns it is: a variance, for one, is scaled twice and not moved.
    fn unstandardized(&self, part: usize, y: F, mean: F, scale: F) -> F {
        let _ = part;
        y * scale + mean
    }

    /// Whether this loss is defined for `labels`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if a label or a weight is not what the loss takes: the
    /// first such row is named. A missing label (NaN) is always fine, a weight is finite and not negative.
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if there are not as many weights or group ids as rows.
    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        labels.check("a finite number, or NaN if it is missing", F::is_finite)
    }

    /// Records which side of each kink every example is on, so that a gradient check can tell a kink from a
    /// mistake. Losses that are twice differentiable everywhere leave this empty.
    fn branches(&self, _outputs: ArrayView2<'_, F>, _labels: &Labels<'_, F>, _record: &mut dyn FnMut(i64)) {}

    /// What the loss is called in a file, as [`BuildLayer::saved_as`](crate::layer::BuildLayer::saved_as); by default, it
    /// has no name there.
    fn saved_as(&self) -> Option<SavedAs> {
        None
    }
}

#[cfg(feature = "persist")]
impl crate::registry::Registered for dyn CustomLoss {
    const SORT: &'static str = "loss";
    const VARIANT: &'static str = "Loss::Custom";

    fn saved_as(&self) -> Option<SavedAs> {
        LossFunction::<f32>::saved_as(self)
    }
}

#[cfg(feature = "persist")]
impl crate::Registry {
    /// Adds a kind of losses, which `make` makes from the settings in a file.
    #[must_use]
    pub fn loss<L: CustomLoss + 'static>(
        self,
        kind: &str,
        make: impl Fn(&str) -> Result<L> + Send + Sync + 'static,
    ) -> Self {
        self.with::<dyn CustomLoss>(kind, move |settings| Ok(Arc::new(make(settings)?)))
    }
}

/// The predictions of a loss without a link.
fn copy_outputs<F: Scalar>(outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
    match (outputs.to_slice(), predictions.as_slice_mut()) {
        // Also for a single number, for which `assign` takes half as long as a product.
        (Some(from), Some(to)) if from.len() == to.len() => kernel::copy_row(from, to),
        _ => predictions.assign(&outputs),
    }
}

/// What the labels and the predictions of a loss are: what a metric has to know of it.
///
/// The predictions for target column c are the columns c p … c p + p − 1, with p columns for each target.
///
/// ```
/// use polytask::loss::{Kind, Loss};
///
/// let kind = |loss: Loss| Ok::<_, polytask::Error>(loss.build::<f32>()?.kind());
/// assert_eq!(kind(Loss::gaussian())?, Kind::Quantity { parts: 2, point: 0 });     // a mean and a variance
/// assert_eq!(kind(Loss::quantiles([0.1, 0.5, 0.9]))?, Kind::Quantity { parts: 3, point: 1 });
/// assert_eq!(kind(Loss::ordinal(5))?, Kind::Classes { classes: 5, ordered: true });
/// assert_eq!([kind(Loss::binary_focal())?, kind(Loss::list_mle())?], [Kind::Binary, Kind::Ranking]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A label is a quantity; `parts` prediction columns describe it, of which number `point` is the
    /// estimate of the quantity itself (the others are quantiles, or a variance).
    Quantity {
        /// Prediction columns per target column.
        parts: usize,
        /// Which of them estimates the quantity.
        point: usize,
    },
    /// A label is 0 or 1, a prediction the probability of 1.
    Binary,
    /// A label is a class index below `classes`; the predictions are the probabilities of the classes.
    Classes {
        /// How many classes there are.
        classes: usize,
        /// Whether their order means something.
        ordered: bool,
    },
    /// A label is the relevance of an item in its query group; predictions are scores whose order counts.
    Ranking,
}

impl Kind {
    /// How many prediction columns and target columns a metric sees at once, where the task has `predictions`
    /// and `targets`: of quantities those that estimate the quantity itself; of classes and rankings those of
    /// one target column.
    pub(crate) fn judged_widths(self, predictions: usize, targets: usize) -> (usize, usize) {
        match self {
            Self::Quantity { parts, .. } => (predictions / parts, targets),
            Self::Binary => (predictions, targets),
            Self::Classes { .. } | Self::Ranking => (predictions / targets, 1),
        }
    }
}

impl<F: Scalar, L: LossFunction<F> + ?Sized> LossFunction<F> for Arc<L> {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        (**self).value_and_delta(outputs, labels, delta)
    }
    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        (**self).total(labels)
    }
    fn output_width(&self, target_width: usize) -> usize {
        (**self).output_width(target_width)
    }
    fn prediction_width(&self, target_width: usize) -> usize {
        (**self).prediction_width(target_width)
    }
    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        (**self).predict(outputs, predictions);
    }
    fn kind(&self) -> Kind {
        (**self).kind()
    }
    fn compares_rows(&self) -> bool {
        (**self).compares_rows()
    }
    fn can_be_negative(&self) -> bool {
        (**self).can_be_negative()
    }
    fn standardizes(&self) -> bool {
        (**self).standardizes()
    }
    fn unstandardized(&self, part: usize, y: F, mean: F, scale: F) -> F {
        (**self).unstandardized(part, y, mean, scale)
    }
    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        (**self).check(labels)
    }
    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        (**self).branches(outputs, labels, record);
    }
    fn saved_as(&self) -> Option<SavedAs> {
        (**self).saved_as()
    }
}
