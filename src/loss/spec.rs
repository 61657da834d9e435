//! A loss by name: what a task is told, what a file holds, and what both precisions are built from.

use std::any::Any;
use std::sync::Arc;

use super::LossFunction;
use super::binary::{BinaryCrossEntropy, BinaryFocal};
use super::classes::{CrossEntropy, Focal};
use super::likelihood::{Gaussian, Poisson};
use super::listwise::{ApproxNdcg, ListMle, ListNet, ListTarget};
use super::ordinal::Ordinal;
use super::pairs::{LambdaRank, RankNet};
use super::quantile::Quantile;
use super::regression::{Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, SmoothL1};
use super::settings::{
    above_zero, check_classes, expect, not_negative, setting, smoothing, weighted_classes, weights,
};
use crate::{Result, Scalar};

/// A loss and its settings, without a scalar type; [the module](crate::loss) says where each comes from.
///
/// y is an output, t the label. Where no width is given, the head has one output per target column, and the
/// mean is over all labels present.
///
/// ```
/// use polytask::loss::Loss;
///
/// let loss = Loss::cross_entropy(5);
/// assert_eq!(loss.name(), "cross_entropy");
/// assert_eq!(loss.build::<f32>()?.output_width(1), 5);
///
/// let error = Loss::quantiles([0.1, 50.0]).build::<f32>().unwrap_err();
/// assert_eq!(error.to_string(), "quantile: expected a number between 0 and 1, found 50");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
#[non_exhaustive]
pub enum Loss {
    /// `(y − t)²`.
    MeanSquaredError,
    /// `|y − t|`. At y = t the delta is 0.
    MeanAbsoluteError,
    /// `r²/2` for residuals up to `delta`, `delta (|r| − delta/2)` beyond.
    Huber {
        /// The residual at which the parabola becomes a line, above 0: in units of the target, or of its standard
        /// deviation where the model standardises.
        delta: f64,
    },
    /// `r²/(2 beta)` for residuals below `beta`, `|r| − beta/2` beyond: [`Huber`](Self::Huber) divided by its
    /// `delta`.
    SmoothL1 {
        /// The residual at which the parabola becomes a line, above 0: in units as for `delta` of
        /// [`Huber`](Self::Huber).
        beta: f64,
    },
    /// `ln cosh(y − t)`.
    LogCosh,
    /// The pinball loss, `τ r` for r = t − y ≥ 0 and `(τ − 1) r` below, averaged over the quantiles τ: output τ of a
    /// target estimates its τ-quantile. Output width: target width × quantiles.
    Quantile {
        /// The quantiles, each between 0 and 1, in the order of the outputs.
        quantiles: Vec<f64>,
        /// Whether predicted quantiles never cross: the outputs are the quantile nearest the median and steps from it
        /// in both directions, each the softplus of an output. The quantiles then rise.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "std::ops::Not::not"))]
        ordered: bool,
    },
    /// `e^y − t y + t ln t − t`, half the deviance of a count t of which y is the logarithm of the rate: 0 where the
    /// rate is the count, and never negative. Counts go up to 10¹³. The prediction is the rate.
    Poisson,
    /// `½ (s + (μ − t)² e^(−s))`, the negative log-likelihood of a normal distribution, from the mean μ and the
    /// logarithm of the variance s. Output width: 2 × target width, (μ, s) for each target. The prediction
    /// is μ and the variance. The value can be negative.
    Gaussian,
    /// `−a t ln p − (1 − t) ln(1 − p)` on the logit of p, for labels 0 and 1. Several target columns are
    /// a multi-label problem. The prediction is p.
    BinaryCrossEntropy {
        /// The weight a of the positive examples, 0 or more: none (all 1), one for all target columns, or one for
        /// each.
        positive_weights: Vec<f64>,
        /// The share of the label that is spread evenly over 0 and 1: 0 or more, below 1.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "is_zero"))]
        label_smoothing: f64,
    },
    /// `−α′ (1 − p_t)^gamma ln p_t` on the logit of p, where p_t is the probability of the label, for labels 0
    /// and 1, and α′ is `alpha` for 1, `1 − alpha` for 0. The prediction is p.
    BinaryFocal {
        /// How much the examples already right are played down, 0 or more.
        gamma: f64,
        /// The weight of label 1, between 0 and 1.
        alpha: f64,
        /// The share of the label that is spread evenly over 0 and 1: 0 or more, below 1. The loss is then the mean of
        /// those of both labels, each weighted by its share.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "is_zero"))]
        label_smoothing: f64,
    },
    /// `−ln softmax(y)_t` for class indices t. Output width: target width × classes. The mean divides by the sum
    /// of the weights of examples times those of their classes. The predictions are the probabilities.
    ///
    /// An example whose own class has weight 0 contributes nothing. Here the loss differs from PyTorch's, in which such
    /// an example, if labels are smoothed, adds to the sum though not to what the mean divides by.
    CrossEntropy {
        /// How many classes: 2 to 2²⁴, up to which an `f32` holds every index.
        classes: usize,
        /// The weight of each class, 0 or more; all 1 if empty.
        class_weights: Vec<f64>,
        /// The share of the label that is spread evenly over all classes: 0 or more, below 1.
        label_smoothing: f64,
    },
    /// `−(1 − p_t)^gamma ln p_t` with p = softmax y, for class indices t. Output width, mean and predictions as
    /// for [`CrossEntropy`](Self::CrossEntropy).
    Focal {
        /// How many classes: 2 to 2²⁴.
        classes: usize,
        /// The weight of each class, 0 or more; all 1 if empty.
        class_weights: Vec<f64>,
        /// How much the examples already right are played down, 0 or more.
        gamma: f64,
        /// The share of the label that is spread evenly over all classes: 0 or more, below 1. The loss is then the mean
        /// of those of all classes, each weighted by its share.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "is_zero"))]
        label_smoothing: f64,
    },
    /// `−ln P(t)` of ordered classes by cumulative logits: P(class ≤ k) = sigmoid c_k, c_0 = y_0 and
    /// c_k = c_(k−1) + softplus y_k. Output width: target width × (classes − 1). The predictions are the
    /// probabilities of the classes.
    Ordinal {
        /// How many classes: 2 to 2²⁴.
        classes: usize,
        /// The share of the label that is spread evenly over all classes: 0 or more, below 1.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "is_zero"))]
        label_smoothing: f64,
    },
    /// RankNet: `ln(1 + e^(−(y_i − y_j)))` averaged over the pairs of a list with t_i > t_j.
    ///
    /// This loss and the next four rank the items of a query group, for each target column by itself. The mean is
    /// over lists: the labelled items of a group, unless no two of their labels differ. A list has the mean
    /// weight of its items.
    RankNet,
    /// LambdaRank: the pairs of [`RankNet`](Self::RankNet), each times the change of NDCG if the two changed
    /// places, summed over the list. Labels are relevances from 0 to 31 with gain 2^t − 1.
    LambdaRank,
    /// ListNet: `−Σ_i π_i ln softmax(y)_i` over the items of a list, π the distribution that the labels give.
    ListNet {
        /// How labels become a distribution.
        target: ListTarget,
    },
    /// ListMLE: −ln of the Plackett-Luce probability of the order by falling label; equal labels stand in
    /// the order of the batch.
    ListMle,
    /// ApproxNDCG: 1 − NDCG with a smooth rank. Labels are relevances from 0 to 31 with gain 2^t − 1.
    ApproxNdcg {
        /// The difference of scores over which the rank is smooth; above 0.
        temperature: f64,
    },
    /// A loss of your own.
    #[cfg_attr(feature = "persist", serde(with = "crate::registry"))]
    Custom(Arc<dyn CustomLoss>),
}

/// A loss over both scalar types: every type with `impl<F: Scalar> LossFunction<F>` is one.
///
/// ```
/// use polytask::loss::{CustomLoss, Loss, MeanSquaredError};
///
/// let _: &dyn CustomLoss = &MeanSquaredError;
/// let loss = Loss::custom(MeanSquaredError);
/// assert_eq!((loss.name(), loss.build::<f32>()?.output_width(3)), ("custom", 3));
/// assert!(loss == loss.clone() && loss != Loss::custom(MeanSquaredError)); // the same object, and another
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait CustomLoss: LossFunction<f32> + LossFunction<f64> {}

impl<L: LossFunction<f32> + LossFunction<f64>> CustomLoss for L {}

impl PartialEq for dyn CustomLoss {
    /// Two are equal if they are the same object.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

impl Loss {
    /// Mean squared error.
    ///
    /// Beside the robust losses, to which a large residual is less:
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::{Labels, Loss};
    ///
    /// let (outputs, targets) = (array![[0.5], [10.0]], array![[0.0], [0.0]]);
    /// let value = |loss: Loss| -> polytask::Result<f64> {
    ///     let mut delta = Array2::zeros((2, 1));
    ///     Ok(loss.build()?.value_and_delta(outputs.view(), &Labels::new(targets.view()), delta.view_mut()))
    /// };
    /// assert_eq!(value(Loss::mean_squared_error())?, (0.25 + 100.0) / 2.0);
    /// assert_eq!(value(Loss::mean_absolute_error())?, (0.5 + 10.0) / 2.0);
    /// assert_eq!(value(Loss::huber(2.0))?, (0.125 + 18.0) / 2.0);
    /// assert_eq!(value(Loss::smooth_l1(2.0))?, (0.0625 + 9.0) / 2.0);
    /// assert!((value(Loss::log_cosh())? - (0.5_f64.cosh() * 10.0_f64.cosh()).ln() / 2.0).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn mean_squared_error() -> Self {
        Self::MeanSquaredError
    }

    /// Mean absolute error.
    pub fn mean_absolute_error() -> Self {
        Self::MeanAbsoluteError
    }

    /// Huber's loss; PyTorch's default is `delta` = 1.
    pub fn huber(delta: f64) -> Self {
        Self::Huber { delta }
    }

    /// Smooth L1; PyTorch's default is `beta` = 1.
    pub fn smooth_l1(beta: f64) -> Self {
        Self::SmoothL1 { beta }
    }

    /// The logarithm of the hyperbolic cosine of the residual.
    pub fn log_cosh() -> Self {
        Self::LogCosh
    }

    /// The pinball loss of one or several quantiles.
    pub fn quantiles(quantiles: impl Into<Vec<f64>>) -> Self {
        Self::Quantile { quantiles: quantiles.into(), ordered: false }
    }

    /// The pinball loss of several rising quantiles whose predictions never cross.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::Loss;
    ///
    /// let outputs = array![[-9.0, 5.0, -40.0], [2.0, -1.0, 3.0]];
    /// let predicted = |loss: Loss| -> polytask::Result<Array2<f64>> {
    ///     let mut quantiles = Array2::zeros((2, 3));
    ///     loss.build()?.predict(outputs.view(), quantiles.view_mut());
    ///     Ok(quantiles)
    /// };
    /// assert_eq!(predicted(Loss::quantiles([0.1, 0.5, 0.9]))?, outputs);
    /// let ordered = predicted(Loss::ordered_quantiles([0.1, 0.5, 0.9]))?;
    /// assert!(ordered.rows().into_iter().all(|row| row[0] <= row[1] && row[1] <= row[2]));
    /// assert_eq!(ordered.column(1), outputs.column(1));                   // the median as it is
    /// assert!(Loss::ordered_quantiles([0.5, 0.1]).build::<f64>().is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn ordered_quantiles(quantiles: impl Into<Vec<f64>>) -> Self {
        Self::Quantile { quantiles: quantiles.into(), ordered: true }
    }

    /// Poisson regression with log link.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::Loss;
    ///
    /// let (mut rate, mut normal) = (Array2::zeros((1, 1)), Array2::zeros((1, 2)));
    /// Loss::poisson().build::<f64>()?.predict(array![[3.0_f64.ln()]].view(), rate.view_mut());
    /// Loss::gaussian().build::<f64>()?.predict(array![[-1.0, 4.0_f64.ln()]].view(), normal.view_mut());
    /// assert!((rate[[0, 0]] - 3.0).abs() < 1e-12);
    /// assert!(normal[[0, 0]] == -1.0 && (normal[[0, 1]] - 4.0).abs() < 1e-12); // mean and variance
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn poisson() -> Self {
        Self::Poisson
    }

    /// A normal distribution with mean and variance from the head.
    pub fn gaussian() -> Self {
        Self::Gaussian
    }

    /// Cross-entropy of one or several yes-or-no labels, both answers counting alike, without label smoothing.
    ///
    /// This and the other losses of classes, where all outputs are 0:
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::{Labels, Loss};
    /// # use std::f64::consts::LN_2;
    ///
    /// let at_zero = |loss: Loss, label: f64| -> polytask::Result<f64> {
    ///     let (loss, target) = (loss.build()?, array![[label]]);
    ///     let outputs = Array2::zeros((1, loss.output_width(1)));
    ///     let mut delta = outputs.clone();
    ///     Ok(loss.value_and_delta(outputs.view(), &Labels::new(target.view()), delta.view_mut()))
    /// };
    /// let found = [
    ///     at_zero(Loss::binary_cross_entropy(), 1.0)? - LN_2,
    ///     at_zero(Loss::binary_focal(), 1.0)? - 0.25 * 0.5_f64.powi(2) * LN_2,
    ///     at_zero(Loss::cross_entropy(4), 2.0)? - 4.0_f64.ln(),
    ///     at_zero(Loss::focal(4), 2.0)? - 0.75_f64.powi(2) * 4.0_f64.ln(),
    ///     at_zero(Loss::ordinal(3), 0.0)? - LN_2,                      // class 0, or above it
    /// ];
    /// assert!(found.iter().all(|difference| difference.abs() < 1e-12), "{found:?}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn binary_cross_entropy() -> Self {
        Self::BinaryCrossEntropy { positive_weights: Vec::new(), label_smoothing: 0.0 }
    }

    /// Focal loss of yes-or-no labels, with γ = 2 and α = 0.25 (Lin et al. 2017), without label smoothing.
    pub fn binary_focal() -> Self {
        Self::BinaryFocal { gamma: 2.0, alpha: 0.25, label_smoothing: 0.0 }
    }

    /// Cross-entropy over `classes`, all counting alike, without label smoothing.
    pub fn cross_entropy(classes: usize) -> Self {
        Self::CrossEntropy { classes, class_weights: Vec::new(), label_smoothing: 0.0 }
    }

    /// Focal loss over `classes`, all counting alike, with γ = 2 (Lin et al. 2017), without label smoothing.
    pub fn focal(classes: usize) -> Self {
        Self::Focal { classes, class_weights: Vec::new(), gamma: 2.0, label_smoothing: 0.0 }
    }

    /// Cumulative logits over ordered `classes`, without label smoothing.
    pub fn ordinal(classes: usize) -> Self {
        Self::Ordinal { classes, label_smoothing: 0.0 }
    }

    /// Pairwise logistic ranking.
    ///
    /// Every ranking loss is smaller for the right order:
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::{Labels, Loss};
    ///
    /// let value = |loss: &Loss, scores: [f64; 2]| -> polytask::Result<f64> {
    ///     let (scores, targets) = (array![[scores[0]], [scores[1]]], array![[1.0], [0.0]]);
    ///     let mut delta = Array2::zeros((2, 1));
    ///     Ok(loss.build()?.value_and_delta(scores.view(), &Labels::new(targets.view()), delta.view_mut()))
    /// };
    /// let pairs = [Loss::rank_net(), Loss::lambda_rank()];
    /// for loss in pairs.iter().chain(&[Loss::list_net(), Loss::list_mle(), Loss::approx_ndcg()]) {
    ///     assert!(value(loss, [1.0, 0.0])? < value(loss, [0.0, 1.0])?); // the relevant item first, or last
    /// }
    /// assert_eq!(value(&pairs[0], [7.0, 7.0])?, 2.0_f64.ln());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn rank_net() -> Self {
        Self::RankNet
    }

    /// Pairwise logistic ranking weighted by the change of NDCG.
    pub fn lambda_rank() -> Self {
        Self::LambdaRank
    }

    /// Softmax ranking towards the softmax of the labels.
    pub fn list_net() -> Self {
        Self::ListNet { target: ListTarget::Softmax }
    }

    /// The likelihood of the order of the labels.
    pub fn list_mle() -> Self {
        Self::ListMle
    }

    /// Smooth NDCG at temperature 0.1 (TensorFlow Ranking's default).
    pub fn approx_ndcg() -> Self {
        Self::ApproxNdcg { temperature: 0.1 }
    }

    /// A loss of your own. A file can hold it if it has a name there: [`LossFunction::saved_as`].
    pub fn custom(loss: impl CustomLoss + 'static) -> Self {
        Self::Custom(Arc::new(loss))
    }

    /// The name of the loss, without its settings: `"mean_squared_error"`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MeanSquaredError => "mean_squared_error",
            Self::MeanAbsoluteError => "mean_absolute_error",
            Self::Huber { .. } => "huber",
            Self::SmoothL1 { .. } => "smooth_l1",
            Self::LogCosh => "log_cosh",
            Self::Quantile { .. } => "quantile",
            Self::Poisson => "poisson",
            Self::Gaussian => "gaussian",
            Self::BinaryCrossEntropy { .. } => "binary_cross_entropy",
            Self::BinaryFocal { .. } => "binary_focal",
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::Focal { .. } => "focal",
            Self::Ordinal { .. } => "ordinal",
            Self::RankNet => "rank_net",
            Self::LambdaRank => "lambda_rank",
            Self::ListNet { .. } => "list_net",
            Self::ListMle => "list_mle",
            Self::ApproxNdcg { .. } => "approx_ndcg",
            Self::Custom(_) => "custom",
        }
    }

    /// Whether targets may be standardised: the loss takes any finite number, and what is predicted for a
    /// standardised target can be brought back to the target's own unit. A custom loss says so itself
    /// ([`LossFunction::standardizes`]).
    ///
    /// ```
    /// use polytask::loss::{Loss, MeanSquaredError};
    ///
    /// assert!(Loss::huber(1.0).standardizes() && Loss::custom(MeanSquaredError).standardizes());
    /// assert!(!Loss::poisson().standardizes() && !Loss::cross_entropy(3).standardizes());
    /// ```
    pub fn standardizes(&self) -> bool {
        self.build::<f64>().is_ok_and(|loss| loss.standardizes())
    }

    /// Whether the outputs describe the noise of the labels, so that the loss weighs itself.
    pub(crate) fn has_own_variance(&self) -> bool {
        matches!(self, Self::Gaussian)
    }

    /// Whether the outputs are the logits of probabilities.
    pub(crate) fn is_of_logits(&self) -> bool {
        matches!(self, Self::BinaryCrossEntropy { .. } | Self::BinaryFocal { .. })
    }

    /// The loss over one scalar type.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting is outside its range.
    pub fn build<F: Scalar>(&self) -> Result<Box<dyn LossFunction<F>>> {
        F::loss(self)
    }

    pub(crate) fn build_here<F: Scalar>(&self) -> Result<Box<dyn LossFunction<F>>> {
        Ok(match self {
            Self::MeanSquaredError => Box::new(MeanSquaredError),
            Self::MeanAbsoluteError => Box::new(MeanAbsoluteError),
            &Self::Huber { delta } => {
                Box::new(Huber { delta: above_zero("delta of the Huber loss", delta)? })
            }
            &Self::SmoothL1 { beta } => {
                Box::new(SmoothL1 { beta: above_zero("beta of the smooth L1 loss", beta)? })
            }
            Self::LogCosh => Box::new(LogCosh),
            Self::Quantile { quantiles, ordered } => {
                if quantiles.is_empty() {
                    return Err(setting("quantiles", "at least one", 0));
                }
                for &quantile in quantiles {
                    expect(
                        "quantile",
                        "a number between 0 and 1",
                        quantile,
                        quantile > 0.0 && quantile < 1.0,
                    )?;
                }
                if let Some(pair) = quantiles.windows(2).find(|pair| *ordered && pair[0] >= pair[1]) {
                    let found = format!("{} after {}", pair[1], pair[0]);
                    return Err(setting("quantiles in order", "rising numbers", found));
                }
                Box::new(Quantile { quantiles: quantiles.clone(), ordered: *ordered })
            }
            Self::Poisson => Box::new(Poisson),
            Self::Gaussian => Box::new(Gaussian),
            Self::BinaryCrossEntropy { positive_weights, label_smoothing } => {
                let positive_weights = weights("positive weight", positive_weights)?;
                Box::new(BinaryCrossEntropy {
                    positive_weights,
                    label_smoothing: smoothing(*label_smoothing)?,
                })
            }
            &Self::BinaryFocal { gamma, alpha, label_smoothing } => {
                expect(
                    "alpha of the focal loss",
                    "a number from 0 to 1",
                    alpha,
                    (0.0..=1.0).contains(&alpha),
                )?;
                let gamma = not_negative("gamma of the focal loss", gamma)?;
                Box::new(BinaryFocal { gamma, alpha, label_smoothing: smoothing(label_smoothing)? })
            }
            Self::CrossEntropy { classes, class_weights, label_smoothing } => {
                let classes = weighted_classes(*classes, class_weights)?;
                Box::new(CrossEntropy { classes, label_smoothing: smoothing(*label_smoothing)? })
            }
            Self::Focal { classes, class_weights, gamma, label_smoothing } => {
                let gamma = not_negative("gamma of the focal loss", *gamma)?;
                let classes = weighted_classes(*classes, class_weights)?;
                Box::new(Focal { classes, gamma, label_smoothing: smoothing(*label_smoothing)? })
            }
            &Self::Ordinal { classes, label_smoothing } => {
                let classes = check_classes(classes)?;
                Box::new(Ordinal { classes, label_smoothing: smoothing(label_smoothing)? })
            }
            Self::RankNet => Box::new(RankNet),
            Self::LambdaRank => Box::new(LambdaRank),
            &Self::ListNet { target } => Box::new(ListNet { target }),
            Self::ListMle => Box::new(ListMle),
            &Self::ApproxNdcg { temperature } => {
                Box::new(ApproxNdcg { temperature: above_zero("temperature of ApproxNDCG", temperature)? })
            }
            Self::Custom(loss) => over_scalar(loss)?,
        })
    }
}

/// The half of a custom loss that computes in `F`: one of the two types is `F`.
fn over_scalar<F: Scalar>(loss: &Arc<dyn CustomLoss>) -> Result<Box<dyn LossFunction<F>>> {
    let single: Box<dyn LossFunction<f32>> = Box::new(loss.clone() as Arc<dyn LossFunction<f32>>);
    let double: Box<dyn LossFunction<f64>> = Box::new(loss.clone() as Arc<dyn LossFunction<f64>>);
    let halves: [Box<dyn Any>; 2] = [Box::new(single), Box::new(double)];
    match halves.into_iter().find_map(|half| half.downcast().ok()) {
        Some(half) => Ok(*half),
        None => Err(setting("scalar type of a custom loss", "f32 or f64", F::NAME)),
    }
}

#[cfg(feature = "persist")]
fn is_zero(setting: &f64) -> bool {
    *setting == 0.0
}

#[cfg(test)]
mod tests {
    use super::Loss;
    use crate::ErrorKind;

    #[test]
    fn bad_settings_are_named() {
        let classes = |classes, class_weights: &[f64], label_smoothing| Loss::CrossEntropy {
            classes,
            class_weights: class_weights.to_vec(),
            label_smoothing,
        };
        let expected = [
            (Loss::huber(0.0), "delta of the Huber loss: expected a finite number above 0, found 0"),
            (
                Loss::smooth_l1(f64::NAN),
                "beta of the smooth L1 loss: expected a finite number above 0, found NaN",
            ),
            (Loss::quantiles([]), "quantiles: expected at least one, found 0"),
            (Loss::quantiles([0.5, 1.0]), "quantile: expected a number between 0 and 1, found 1"),
            (
                Loss::BinaryCrossEntropy { positive_weights: vec![-1.0], label_smoothing: 0.0 },
                "positive weight: expected a finite number, 0 or more",
            ),
            (
                Loss::BinaryFocal { gamma: -1.0, alpha: 0.5, label_smoothing: 0.0 },
                "gamma of the focal loss: expected a finite number, 0 or more",
            ),
            (
                Loss::BinaryFocal { gamma: 1.0, alpha: 1.5, label_smoothing: 0.0 },
                "alpha of the focal loss: expected a number from 0 to 1",
            ),
            (classes(1, &[], 0.0), "number of classes: expected 2 to 16777216"),
            (classes((1 << 24) + 1, &[], 0.0), "number of classes: expected 2 to 16777216"),
            (classes(3, &[1.0], 0.0), "number of class weights: expected none or 3, one per class, found 1"),
            (
                classes(3, &[1.0, f64::INFINITY, 1.0], 0.0),
                "class weight: expected a finite number, 0 or more, found inf",
            ),
            (classes(3, &[], 1.0), "label smoothing: expected a number from 0, below 1, found 1"),
            (
                Loss::Focal { classes: 3, class_weights: vec![], gamma: f64::NAN, label_smoothing: 0.0 },
                "gamma of the focal loss",
            ),
            (
                Loss::Focal { classes: 3, class_weights: vec![], gamma: 2.0, label_smoothing: 1.0 },
                "label smoothing: expected a number from 0, below 1, found 1",
            ),
            (
                Loss::BinaryCrossEntropy { positive_weights: vec![], label_smoothing: -0.1 },
                "label smoothing: expected a number from 0, below 1, found -0.1",
            ),
            (
                Loss::BinaryFocal { gamma: 2.0, alpha: 0.25, label_smoothing: f64::NAN },
                "label smoothing: expected a number from 0, below 1, found NaN",
            ),
            (
                Loss::Ordinal { classes: 3, label_smoothing: 2.0 },
                "label smoothing: expected a number from 0, below 1, found 2",
            ),
            (Loss::ordinal(1), "number of classes: expected 2 to 16777216"),
            (
                Loss::ApproxNdcg { temperature: 0.0 },
                "temperature of ApproxNDCG: expected a finite number above 0",
            ),
        ];
        for (loss, message) in expected {
            let error = loss.build::<f32>().unwrap_err();
            assert!(error.to_string().starts_with(message), "{loss:?}: {error}");
            assert_eq!(error.kind(), ErrorKind::Setting);
        }
    }
}
