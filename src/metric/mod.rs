//! Metrics: numbers that say how good predictions are.
//!
//! A [`Metric`] is a setting of a task. It is evaluated in `f64`, over all rows of a data set at once, because
//! an area under a curve, for example, is not the mean of the areas in batches. What it expects as predictions
//! and targets depends on the kind of task:
//!
//! ```text
//! kind             predictions                        targets
//! quantities       n × t  quantities                  n × t  quantities
//! yes/no           n × t  probability of yes          n × t  0 or 1       (t > 1: multi-label)
//! one of C ≥ 2     n × C  probability of each class   n × 1  class index
//! ranking          n × 1  score, highest first        n × 1  relevance ≥ 0; each group is a list
//! boxes            n × 4  x_min y_min x_max y_max     n × 4  the same
//! ```
//!
//! The same rules hold for all of them:
//! - A missing label (NaN) is left out, and so is a row of weight 0. What was predicted for it does not matter.
//! - A row of weight 2 counts like two equal rows. If rows form lists, the weight of a list is the mean weight
//!   of its rows.
//! - With several target columns, the value is the mean over those columns where it is defined. (A loss is
//!   averaged over all labels together, which gives the same number only if none is missing.)
//! - The value is finite, or it is `None`: undefined. It is undefined if there is no label at all, if a
//!   prediction for a labelled row is not finite, if a target is infinite or not of the kind in the table, and
//!   where the formula divides by 0: R² and explained variance if all targets are equal (as in a single row),
//!   the area under the ROC curve if there is only one class. Some such cases have a value by convention, for
//!   example a precision of 0 for a model that never says yes. Then we use scikit-learn's, and the metric's
//!   description names it.
//!
//! Sources, besides scikit-learn:
//!
//! ```text
//! rrmse            E. Spyromitros-Xioufis et al., "Multi-target regression via input space expansion",
//!                  Machine Learning 104, 2016
//! pinball          R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46, 1978
//! calibration      M. P. Naeini et al., AAAI 2015, and C. Guo et al., ICML 2017
//! Brier            G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950
//! ROC AUC          J. A. Hanley and B. J. McNeil, 1982: the Mann-Whitney statistic
//! NDCG             K. Järvelin and J. Kekäläinen, ACM TOIS 20, 2002; exponential gain: C. Burges et al.,
//!                  ICML 2005
//! ties in a list   F. McSherry and M. Najork, "Computing information retrieval performance measures
//!                  efficiently in the presence of tied scores", ECIR 2008: the mean over all orders
//! IoU              M. Everingham et al., "The PASCAL visual object classes challenge", IJCV 88, 2010
//! ```
//!
//! ```
//! use ndarray::array;
//! use polytask::loss::Labels;
//! use polytask::metric::Metric;
//!
//! let probabilities = array![[0.9], [0.4], [0.6], [0.1]];
//! let targets = array![[1.0], [1.0], [0.0], [f64::NAN]];
//! let labels = Labels::new(targets.view());
//! assert_eq!(Metric::RocAuc.evaluate(probabilities.view(), &labels), Some(0.5));
//! assert_eq!(Metric::Accuracy.score(probabilities.view(), &labels).to_string(), "accuracy 0.3333");
//!
//! let one_class = array![[1.0], [1.0], [1.0], [1.0]];
//! assert_eq!(Metric::RocAuc.evaluate(probabilities.view(), &Labels::new(one_class.view())), None);
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::ArrayView2;

use crate::loss::Labels;
use crate::{Error, ErrorKind, Result, SavedAs};

mod boxes;
mod calibration;
mod classification;
mod decision;
mod examples;
mod probability;
mod ranking;
mod regression;
mod score;
mod tasks;
mod threshold;

pub use calibration::{Binning, CalibrationBin, CalibrationCurve};
pub use classification::{Average, ConfusionMatrix};
pub(crate) use decision::decided;
pub use decision::{ChosenThreshold, ThresholdCriterion};
pub use ranking::Gain;
pub use score::{Direction, Score};
pub use tasks::{Delta, delta_m_drop, delta_m_gain, mean_rank, weighted_average};

/// A metric: a number that says how good the predictions of a task are.
///
/// Two metrics are equal if their settings are equal; two custom metrics are equal if they are the same object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Metric {
    /// Mean squared error, `Σ w (y − t)² / Σ w`.
    MeanSquaredError,
    /// Root mean squared error, `√(Σ w (y − t)² / Σ w)`. For several columns, the roots are averaged.
    RootMeanSquaredError,
    /// Mean absolute error, `Σ w |y − t| / Σ w`.
    MeanAbsoluteError,
    /// Largest absolute error, `max |y − t|`, over all columns.
    MaxError,
    /// Coefficient of determination, `1 − Σ w (y − t)² / Σ w (t − t̄)²`, where t̄ is the mean of these targets.
    /// Undefined if all targets are equal, as they are with a single row.
    R2,
    /// Explained variance, `1 − Var(t − y) / Var(t)`: like R², but it ignores a constant offset. Undefined
    /// where R² is.
    ExplainedVariance,
    /// Relative root mean squared error (RRMSE), `√(Σ w (y − t)² / Σ w (t̄ − t)²)`, where t̄ is the mean of the
    /// *training* targets. The mean over the target columns is the aRRMSE of Spyromitros-Xioufis et al. (2016).
    ///
    /// Predicting the training mean for every row gives 1. Undefined if all targets equal that mean. See
    /// [`relative_to`](Metric::relative_to).
    RelativeRootMeanSquaredError {
        /// The mean of the training targets, one per column.
        training_mean: Vec<f64>,
    },
    /// Pinball loss of a predicted quantile, `Σ w max(q (t − y), (q − 1)(t − y)) / Σ w`.
    Pinball {
        /// The quantile that is predicted, between 0 and 1.
        quantile: f64,
    },
    /// Share of correct decisions: yes if its probability is above ½, or the most probable class (the first, if
    /// several are).
    Accuracy,
    /// Mean recall over the classes that occur: for each, the share of its rows that are recognised.
    BalancedAccuracy,
    /// Share of the rows whose class is among the `k` most probable. Of equally probable classes the one with
    /// the lower index comes first, so `k = 1` is accuracy.
    TopKAccuracy {
        /// How many guesses are allowed, at least 1 and at most the number of classes.
        k: usize,
    },
    /// Share of the predicted yeses that are right, `TP / (TP + FP)`; 0 if none is predicted.
    Precision(Average),
    /// Share of the true yeses that are found, `TP / (TP + FN)`; 0 if there are none.
    Recall(Average),
    /// Harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`; 0 if there are no yeses, predicted or
    /// true.
    F1(Average),
    /// Mean negative logarithm of the probability predicted for the true class, clipped to `[ε, 1 − ε]` with ε
    /// = 2⁻⁵². Undefined if a prediction is not between 0 and 1.
    LogLoss,
    /// Brier score: mean squared distance of the probabilities from the truth, `(p − t)²` for yes/no and two
    /// classes (range 0 to 1), `Σ_c (p_c − [c = t])²` for more (range 0 to 2). Undefined if a prediction is not
    /// between 0 and 1.
    Brier,
    /// Expected calibration error (ECE): how far, on average, the probabilities are from how often they come true, from bin
    /// to bin of probabilities: see [`CalibrationCurve`]. For more than two classes, that of the likeliest one. Undefined
    /// if a prediction is not between 0 and 1.
    CalibrationError {
        /// How the probabilities are cut into bins.
        binning: Binning,
    },
    /// Area under the ROC curve: the probability that a positive row has a higher score than a negative one,
    /// where equal scores count half. For more than two classes, one class against the rest, averaged over the
    /// classes that occur.
    RocAuc,
    /// Average precision, `Σ_j (R_j − R_{j−1}) P_j` over the distinct thresholds; 0 if no row is positive. For
    /// more than two classes, one class against the rest, averaged over the classes that occur.
    AveragePrecision,
    /// Normalised discounted cumulative gain of each list, averaged over the lists of two or more rows; 0 for a
    /// list without relevant rows.
    Ndcg {
        /// How many places count, from the first; all of them if `None`.
        k: Option<usize>,
        /// The gain that a relevance is worth.
        gain: Gain,
    },
    /// Average precision of each list, averaged over the lists. Rows with relevance > 0 are relevant; 0 for a
    /// list without relevant rows.
    MeanAveragePrecision,
    /// The reciprocal rank, 1 / (place of the first relevant row), of each list, averaged over the lists; 0 for
    /// a list without relevant rows.
    MeanReciprocalRank,
    /// Intersection over union of the predicted and the true box, averaged over the rows.
    MeanIou,
    /// Your own metric.
    #[cfg_attr(feature = "persist", serde(with = "crate::registry"))]
    Custom(Arc<dyn MetricFunction>),
}

/// A metric of your own, for [`Metric::Custom`].
///
/// ```
/// use std::sync::Arc;
/// use ndarray::{ArrayView2, array};
/// use polytask::loss::Labels;
/// use polytask::metric::{Direction, Metric, MetricFunction};
///
/// /// The share of rows within 1 of the target.
/// #[derive(Debug)]
/// struct Within1;
///
/// impl MetricFunction for Within1 {
///     fn name(&self) -> String {
///         "within_1".into()
///     }
///     fn direction(&self) -> Direction {
///         Direction::HigherIsBetter
///     }
///     fn evaluate(&self, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
///         let (mut hits, mut total) = (0.0, 0.0);
///         for (row, (y, t)) in predictions.iter().zip(labels.targets).enumerate() {
///             if !t.is_nan() {
///                 total += labels.weight(row);
///                 hits += if (y - t).abs() <= 1.0 { labels.weight(row) } else { 0.0 };
///             }
///         }
///         (total > 0.0).then(|| hits / total)
///     }
/// }
///
/// let metric = Metric::Custom(Arc::new(Within1));
/// let (predictions, targets) = (array![[1.0], [5.0]], array![[1.5], [9.0]]);
/// assert_eq!(metric.evaluate(predictions.view(), &Labels::new(targets.view())), Some(0.5));
/// ```
pub trait MetricFunction: Debug + Send + Sync {
    /// The name in reports, such as `roc_auc`.
    fn name(&self) -> String;

    /// Whether a higher or a lower value is better.
    fn direction(&self) -> Direction;

    /// Whether the metric fits a head with `output_width` outputs and `target_width` target columns.
    ///
    /// # Errors
    /// If it does not; the message should say what it would fit. By default, every width fits.
    fn check(&self, _output_width: usize, _target_width: usize) -> Result<()> {
        Ok(())
    }

    /// The value for `predictions` (`n × output width`); `None` if it is undefined. A value that is not finite
    /// counts as undefined too.
    fn evaluate(&self, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64>;

    /// What the metric is called in a file, as [`BuildLayer::saved_as`](crate::layer::BuildLayer::saved_as); by default,
    /// it has no name there.
    fn saved_as(&self) -> Option<SavedAs> {
        None
    }
}

#[cfg(feature = "persist")]
impl crate::registry::Registered for dyn MetricFunction {
    const SORT: &'static str = "metric";
    const VARIANT: &'static str = "Metric::Custom";

    fn saved_as(&self) -> Option<SavedAs> {
        MetricFunction::saved_as(self)
    }
}

#[cfg(feature = "persist")]
impl crate::Registry {
    /// Adds a kind of metrics, which `make` makes from the settings in a file.
    #[must_use]
    pub fn metric<M: MetricFunction + 'static>(
        self,
        kind: &str,
        make: impl Fn(&str) -> Result<M> + Send + Sync + 'static,
    ) -> Self {
        self.with::<dyn MetricFunction>(kind, move |settings| Ok(Arc::new(make(settings)?)))
    }
}

/// Two functions are equal if they are the same object.
impl PartialEq for dyn MetricFunction {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

impl Metric {
    /// The value for `predictions` (`n × output width`) and `labels`; `None` if the metric is undefined. It is
    /// never NaN or infinite.
    ///
    /// # Panics
    /// If the shapes do not fit each other or the metric; see [`check`](Metric::check).
    #[track_caller]
    pub fn evaluate(&self, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
        examples::assert_rows_fit(predictions, labels);
        if let Err(error) = self.check(predictions.ncols(), labels.targets.ncols()) {
            panic!("{error}");
        }
        let value = match self {
            Metric::MeanSquaredError => regression::mean_squared_error(predictions, labels),
            Metric::RootMeanSquaredError => regression::root_mean_squared_error(predictions, labels),
            Metric::MeanAbsoluteError => regression::mean_absolute_error(predictions, labels),
            Metric::MaxError => regression::max_error(predictions, labels),
            Metric::R2 => regression::r2(predictions, labels),
            Metric::ExplainedVariance => regression::explained_variance(predictions, labels),
            Metric::RelativeRootMeanSquaredError { training_mean } => {
                regression::relative_root_mean_squared_error(predictions, labels, training_mean)
            }
            Metric::Pinball { quantile } => regression::pinball(predictions, labels, *quantile),
            Metric::Accuracy => classification::accuracy(predictions, labels),
            Metric::BalancedAccuracy => classification::balanced_accuracy(predictions, labels),
            Metric::TopKAccuracy { k } => classification::top_k_accuracy(predictions, labels, *k),
            Metric::Precision(average) => classification::precision(predictions, labels, *average),
            Metric::Recall(average) => classification::recall(predictions, labels, *average),
            Metric::F1(average) => classification::f1(predictions, labels, *average),
            Metric::LogLoss => probability::log_loss(predictions, labels),
            Metric::Brier => probability::brier(predictions, labels),
            &Metric::CalibrationError { binning } => {
                calibration::calibration_error(predictions, labels, binning)
            }
            Metric::RocAuc => threshold::roc_auc(predictions, labels),
            Metric::AveragePrecision => threshold::average_precision(predictions, labels),
            Metric::Ndcg { k, gain } => ranking::ndcg(predictions, labels, *k, *gain),
            Metric::MeanAveragePrecision => ranking::mean_average_precision(predictions, labels),
            Metric::MeanReciprocalRank => ranking::mean_reciprocal_rank(predictions, labels),
            Metric::MeanIou => boxes::mean_iou(predictions, labels),
            Metric::Custom(function) => function.evaluate(predictions, labels),
        };
        value.filter(|value| value.is_finite())
    }

    /// The value together with the metric's name and direction, as reports have it.
    ///
    /// # Panics
    /// As [`evaluate`](Metric::evaluate).
    #[track_caller]
    pub fn score(&self, predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Score {
        Score { name: self.name(), value: self.evaluate(predictions, labels), direction: self.direction() }
    }

    /// Whether a higher or a lower value is better.
    pub fn direction(&self) -> Direction {
        match self {
            Metric::MeanSquaredError
            | Metric::RootMeanSquaredError
            | Metric::MeanAbsoluteError
            | Metric::MaxError
            | Metric::RelativeRootMeanSquaredError { .. }
            | Metric::Pinball { .. }
            | Metric::LogLoss
            | Metric::Brier
            | Metric::CalibrationError { .. } => Direction::LowerIsBetter,
            Metric::R2
            | Metric::ExplainedVariance
            | Metric::Accuracy
            | Metric::BalancedAccuracy
            | Metric::TopKAccuracy { .. }
            | Metric::Precision(_)
            | Metric::Recall(_)
            | Metric::F1(_)
            | Metric::RocAuc
            | Metric::AveragePrecision
            | Metric::Ndcg { .. }
            | Metric::MeanAveragePrecision
            | Metric::MeanReciprocalRank
            | Metric::MeanIou => Direction::HigherIsBetter,
            Metric::Custom(function) => function.direction(),
        }
    }

    /// Whether the metric judges decisions, so that a threshold other than ½ changes it.
    pub(crate) fn is_of_decisions(&self) -> bool {
        use Metric::{Accuracy, BalancedAccuracy, F1, Precision, Recall};
        matches!(self, Accuracy | BalancedAccuracy | Precision(_) | Recall(_) | F1(_))
    }

    /// The name in reports: `rmse`, `f1_macro`, `ndcg@10`. Metrics with different settings have different
    /// names, except that the name of `rrmse` does not show its training means.
    pub fn name(&self) -> String {
        match self {
            Metric::MeanSquaredError => "mse".into(),
            Metric::RootMeanSquaredError => "rmse".into(),
            Metric::MeanAbsoluteError => "mae".into(),
            Metric::MaxError => "max_error".into(),
            Metric::R2 => "r2".into(),
            Metric::ExplainedVariance => "explained_variance".into(),
            Metric::RelativeRootMeanSquaredError { .. } => "rrmse".into(),
            Metric::Pinball { quantile } => format!("pinball@{quantile}"),
            Metric::Accuracy => "accuracy".into(),
            Metric::BalancedAccuracy => "balanced_accuracy".into(),
            Metric::TopKAccuracy { k } => format!("accuracy@{k}"),
            Metric::Precision(average) => format!("precision{}", average.suffix()),
            Metric::Recall(average) => format!("recall{}", average.suffix()),
            Metric::F1(average) => format!("f1{}", average.suffix()),
            Metric::LogLoss => "log_loss".into(),
            Metric::Brier => "brier".into(),
            Metric::CalibrationError { binning } => binning.name(),
            Metric::RocAuc => "roc_auc".into(),
            Metric::AveragePrecision => "average_precision".into(),
            Metric::Ndcg { k, gain } => {
                format!("ndcg{}{}", gain.suffix(), k.map_or(String::new(), |k| format!("@{k}")))
            }
            Metric::MeanAveragePrecision => "map".into(),
            Metric::MeanReciprocalRank => "mrr".into(),
            Metric::MeanIou => "mean_iou".into(),
            Metric::Custom(function) => function.name(),
        }
    }

    /// Checks that the metric's settings are valid and that it fits a head with `output_width` outputs and
    /// `target_width` target columns.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the widths do not fit, [`ErrorKind::Setting`] if a setting is not valid. The
    /// message says what would fit.
    ///
    /// ```
    /// use polytask::metric::{Average, Metric};
    ///
    /// assert!(Metric::F1(Average::Macro).check(5, 1).is_ok());
    /// let error = Metric::F1(Average::Binary).check(5, 1).unwrap_err();
    /// assert!(error.to_string().contains("macro"), "{error}");
    /// ```
    pub fn check(&self, output_width: usize, target_width: usize) -> Result<()> {
        let widths = (output_width, target_width);
        let (fits, expected) = match self {
            Metric::Custom(function) => return function.check(output_width, target_width),
            Metric::MeanIou => (widths == (4, 4), "4 outputs and 4 target columns"),
            Metric::Ndcg { .. } | Metric::MeanAveragePrecision | Metric::MeanReciprocalRank => {
                (widths == (1, 1), "1 output and 1 target column")
            }
            Metric::TopKAccuracy { .. } => {
                (output_width >= 2 && target_width == 1, "an output per class and 1 target column")
            }
            Metric::Precision(Average::Binary)
            | Metric::Recall(Average::Binary)
            | Metric::F1(Average::Binary) => {
                (output_width <= 2 && target_width == 1, "two classes (use macro or micro for more)")
            }
            Metric::Accuracy
            | Metric::BalancedAccuracy
            | Metric::Precision(_)
            | Metric::Recall(_)
            | Metric::F1(_)
            | Metric::LogLoss
            | Metric::Brier
            | Metric::CalibrationError { .. }
            | Metric::RocAuc
            | Metric::AveragePrecision => (
                output_width == target_width || (output_width >= 2 && target_width == 1),
                "an output per target column, or an output per class and 1 target column",
            ),
            Metric::MeanSquaredError
            | Metric::RootMeanSquaredError
            | Metric::MeanAbsoluteError
            | Metric::MaxError
            | Metric::R2
            | Metric::ExplainedVariance
            | Metric::RelativeRootMeanSquaredError { .. }
            | Metric::Pinball { .. } => (output_width == target_width, "an output per target column"),
        };
        let place = || format!("metric {}", self.name());
        if !fits || output_width == 0 {
            let found = format!("{output_width} outputs and {target_width} target columns");
            return Err(Error::new(ErrorKind::Shape, place(), expected, found));
        }
        let refuse =
            |expected: String, found: String| Err(Error::new(ErrorKind::Setting, place(), expected, found));
        match self {
            Metric::CalibrationError { binning } => binning.check(),
            Metric::TopKAccuracy { k } if !(1..=output_width).contains(k) => {
                refuse(format!("k from 1 to {output_width} classes"), k.to_string())
            }
            Metric::Ndcg { k: Some(0), .. } => refuse("k of at least 1".into(), "0".into()),
            Metric::Pinball { quantile } if !(*quantile > 0.0 && *quantile < 1.0) => {
                refuse("a quantile between 0 and 1".into(), quantile.to_string())
            }
            Metric::RelativeRootMeanSquaredError { training_mean } if training_mean.len() != target_width => {
                refuse(format!("{target_width} training means"), training_mean.len().to_string())
            }
            _ => Ok(()),
        }
    }

    /// The relative root mean squared error, relative to the mean of these training labels, weighted by their
    /// rows' weights. A column without labels has no mean, and the metric is undefined there.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::loss::Labels;
    /// use polytask::metric::Metric;
    ///
    /// let training = array![[1.0], [3.0], [f64::NAN]];
    /// let metric = Metric::relative_to(&Labels::new(training.view()));
    /// assert_eq!(metric, Metric::RelativeRootMeanSquaredError { training_mean: vec![2.0] });
    ///
    /// let (predictions, targets) = (array![[4.0], [1.0]], array![[5.0], [2.0]]);
    /// let value = metric.evaluate(predictions.view(), &Labels::new(targets.view())).unwrap();
    /// assert_eq!(value, (2.0_f64 / 9.0).sqrt());
    /// ```
    pub fn relative_to(training: &Labels<'_, f64>) -> Self {
        Metric::RelativeRootMeanSquaredError { training_mean: regression::column_means(training) }
    }
}
