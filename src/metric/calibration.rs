//! Calibration: whether of all rows with a predicted probability of 0.7 about 70 % are yes.
//!
//! ```text
//! bin b:  p̄_b  the mean prediction        ȳ_b  the share of yes        w_b  the weight of its rows
//! ECE     Σ_b w_b |ȳ_b − p̄_b| / Σ_b w_b
//!
//! equal width   edges at 1/n, 2/n … (n − 1)/n
//! equal mass    edge i is the smallest prediction at or below which i/n of all weight lies
//! ```
//! A prediction on an edge belongs to the bin below it, and bins without rows are left out, as in scikit-learn's
//! `calibration_curve`; its quantile strategy puts edges of equal mass between two predictions, which moves a row to
//! the next bin at most, and none where the number of rows is a multiple of that of bins.
//!
//! Of one of more than two classes, what is judged is the confidence: the probability of the likeliest class, and
//! whether it is the right one. M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities
//! using Bayesian binning", AAAI 2015; C. Guo et al., "On calibration of modern neural networks", ICML 2017.
//!
//! An ECE depends on its bins, and few rows in a bin make it larger than it is: where all probabilities are right and near
//! ½, ten bins of ten rows each have an ECE of about 0.13, √(2/π) · √(0.25/10). The [Brier score](super::Metric::Brier) has no bins.

use ndarray::{ArrayView2, Axis};

use super::classification::{is_one_of_classes, is_yes_or_no};
use super::examples::{self, Example, mean_over_columns};
use crate::loss::Labels;
use crate::{Error, ErrorKind, Result};

/// How probabilities are cut into bins.
///
/// ```
/// use polytask::metric::{Binning, Metric};
///
/// let names = [Binning::EqualWidth(10), Binning::EqualMass(5)].map(|binning| Metric::CalibrationError { binning }.name());
/// assert_eq!(names, ["ece@10", "ece_equal_mass@5"]);
/// assert!(Metric::CalibrationError { binning: Binning::EqualWidth(0) }.check(1, 1).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Binning {
    /// That many bins of the same width between 0 and 1.
    EqualWidth(usize),
    /// That many bins of about the same weight of rows; equal predictions stay together.
    EqualMass(usize),
}

/// How often the answer is yes where it is predicted with some probability, bin by bin.
/// [`plot::reliability`](crate::plot::reliability) draws it.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::{Binning, CalibrationBin, CalibrationCurve, Metric};
///
/// let probabilities = array![[0.1], [0.3], [0.75], [1.0]];
/// let targets = array![[0.0], [0.0], [1.0], [0.0]];
/// let labels = Labels::new(targets.view());
/// let binning = Binning::EqualWidth(2);
/// let curve = CalibrationCurve::new(probabilities.view(), &labels, binning)?;
/// let expected = [(0.2, 0.0), (0.875, 0.5)];
/// let found = curve.bins().iter().map(|bin: &CalibrationBin| (bin.mean_prediction, bin.share_of_yes));
/// assert_eq!(found.collect::<Vec<_>>(), expected);
/// assert_eq!(curve.error(), (2.0 * 0.2 + 2.0 * 0.375) / 4.0);
/// assert_eq!(curve.largest_error(), 0.375);
/// let metric = Metric::CalibrationError { binning };
/// assert_eq!(metric.evaluate(probabilities.view(), &labels), Some(curve.error()));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationCurve {
    bins: Vec<CalibrationBin>,
}

/// The rows of one bin; there is at least one.
///
/// ```
/// use polytask::metric::CalibrationBin;
///
/// let bin = CalibrationBin { mean_prediction: 0.75, share_of_yes: 0.5, weight: 20.0, n_rows: 10 };
/// assert_eq!(bin.error(), 0.25); // yes is predicted too often
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    /// The mean of the predicted probabilities, weighted by the rows' weights.
    pub mean_prediction: f64,
    /// The share of the weight of the rows that are yes.
    pub share_of_yes: f64,
    /// The weight of the rows.
    pub weight: f64,
    /// The number of rows.
    pub n_rows: usize,
}

impl CalibrationBin {
    /// The distance of the mean prediction from the share of yes.
    pub fn error(&self) -> f64 {
        (self.mean_prediction - self.share_of_yes).abs()
    }
}

impl CalibrationCurve {
    /// The curve of one column of yes or no (`n × 1` probabilities of yes), of two classes (`n × 2`; of class 1), or of the
    /// confidence in one of C classes (`n × C`). Rows without a label or of weight 0 are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there is no bin; [`ErrorKind::Shape`] if there are several target columns, or not as many
    /// probabilities as labels; [`ErrorKind::Value`] if there is no label, one is not a class, or a prediction for a
    /// labelled row is not a probability.
    pub fn new(
        probabilities: ArrayView2<'_, f64>,
        labels: &Labels<'_, f64>,
        binning: Binning,
    ) -> Result<Self> {
        binning.check()?;
        let shapes = (probabilities.dim(), labels.targets.dim());
        if shapes.1.1 != 1 || shapes.0.0 != shapes.1.0 || shapes.0.1 == 0 {
            let found = format!("{} × {} and {} × {}", shapes.0.0, shapes.0.1, shapes.1.0, shapes.1.1);
            let expected = "probabilities rows × classes and targets rows × 1";
            return Err(Error::new(ErrorKind::Shape, "calibration curve", expected, found));
        }
        let examples = match judged(probabilities, labels).as_deref() {
            Some([]) => Err("none"),
            Some(examples) => Ok(examples.to_vec()),
            None => Err("labels that are no classes, or predictions that are no probabilities"),
        };
        let examples = examples.map_err(|found| {
            Error::new(ErrorKind::Value, "calibration curve", "labelled rows with probabilities", found)
        })?;
        Ok(Self { bins: binning.bins(examples) })
    }

    /// The bins that have rows, from the lowest probability to the highest.
    pub fn bins(&self) -> &[CalibrationBin] {
        &self.bins
    }

    /// The expected calibration error (ECE): the mean over the rows of their bin's error, 0 at best.
    pub fn error(&self) -> f64 {
        let total: f64 = self.bins.iter().map(|bin| bin.weight).sum();
        self.bins.iter().map(|bin| bin.weight * bin.error()).sum::<f64>() / total
    }

    /// The largest error of a bin (maximum calibration error, MCE).
    pub fn largest_error(&self) -> f64 {
        self.bins.iter().map(CalibrationBin::error).fold(0.0, f64::max)
    }
}

impl Binning {
    pub(super) fn check(self) -> Result<()> {
        match self.n() {
            0 => Err(Error::new(ErrorKind::Setting, "bins of a calibration", "at least 1", 0)),
            _ => Ok(()),
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::EqualWidth(n) => format!("ece@{n}"),
            Self::EqualMass(n) => format!("ece_equal_mass@{n}"),
        }
    }

    fn n(self) -> usize {
        let (Self::EqualWidth(n) | Self::EqualMass(n)) = self;
        n
    }

    /// The bins of at least one example.
    fn bins(self, mut examples: Vec<Example>) -> Vec<CalibrationBin> {
        examples.sort_by(|a, b| a.prediction.total_cmp(&b.prediction));
        let n = self.n() as f64;
        let total: f64 = examples.iter().map(|example| example.weight).sum();
        // Which bin the examples of one prediction are in, of those of weight `before` below them.
        let bin_of = |prediction: f64, before: f64| match self {
            Self::EqualWidth(_) => {
                // The number of edges below; the product is rounded.
                let mut edges = (prediction * n).floor().min(n - 1.0);
                while edges > 0.0 && edges / n >= prediction {
                    edges -= 1.0;
                }
                while edges + 1.0 < n && (edges + 1.0) / n < prediction {
                    edges += 1.0;
                }
                edges
            }
            // An edge i is below where i/n of the weight is at or below what is below.
            Self::EqualMass(_) => (before * n / total).floor().min(n - 1.0),
        };
        let mut bins: Vec<(f64, CalibrationBin)> = Vec::new();
        let mut before = 0.0;
        for group in examples.chunk_by(|a, b| a.prediction == b.prediction) {
            let at = bin_of(group[0].prediction, before);
            if bins.last().is_none_or(|(last, _)| *last != at) {
                let empty =
                    CalibrationBin { mean_prediction: 0.0, share_of_yes: 0.0, weight: 0.0, n_rows: 0 };
                bins.push((at, empty));
            }
            let (_, bin) = bins.last_mut().expect("one was pushed");
            for example in group {
                bin.mean_prediction += example.weight * example.prediction;
                bin.share_of_yes += example.weight * example.target;
                bin.weight += example.weight;
                bin.n_rows += 1;
                before += example.weight;
            }
        }
        let of_sums = |(_, bin): (f64, CalibrationBin)| CalibrationBin {
            mean_prediction: bin.mean_prediction / bin.weight,
            share_of_yes: bin.share_of_yes / bin.weight,
            ..bin
        };
        bins.into_iter().map(of_sums).collect()
    }
}

/// The expected calibration error, the mean over the columns of a task of yes or no.
pub(super) fn calibration_error(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    binning: Binning,
) -> Option<f64> {
    let error = |examples: Vec<Example>| {
        let curve = CalibrationCurve { bins: binning.bins(examples) };
        (!curve.bins.is_empty()).then(|| curve.error())
    };
    if is_one_of_classes(predictions, labels) {
        return error(judged(predictions, labels)?);
    }
    if !is_yes_or_no(labels) {
        return None;
    }
    mean_over_columns(predictions, labels, |_, examples| {
        match examples.iter().all(|example| is_probability(example.prediction)) {
            true => error(examples.to_vec()),
            false => Some(f64::NAN),
        }
    })
}

/// What of one target column is judged: probabilities, and whether they came true. None where something is no probability
/// or no class.
fn judged(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<Vec<Example>> {
    let examples = match predictions.ncols() {
        1 if is_yes_or_no(labels) => examples::column(predictions, labels, 0)?,
        1 => return None,
        2 => {
            let all = examples::classes(predictions, labels)?;
            let of_row = |example: &examples::ClassExample| Example {
                prediction: predictions[[example.row, 1]],
                target: example.class as f64,
                weight: example.weight,
            };
            all.iter().map(of_row).collect()
        }
        _ => {
            let likeliest = |row: usize| {
                let p = predictions.index_axis(Axis(0), row);
                (1..p.len()).fold(0, |best, class| if p[class] > p[best] { class } else { best })
            };
            let all = examples::classes(predictions, labels)?;
            let of_row = |example: &examples::ClassExample| {
                let class = likeliest(example.row);
                Example {
                    prediction: predictions[[example.row, class]],
                    target: f64::from(u8::from(class == example.class)),
                    weight: example.weight,
                }
            };
            all.iter().map(of_row).collect()
        }
    };
    examples.iter().all(|example| is_probability(example.prediction)).then_some(examples)
}

fn is_probability(p: f64) -> bool {
    (0.0..=1.0).contains(&p)
}
