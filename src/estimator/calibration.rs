//! Split conformal prediction: rows that nothing learns from say how far predictions for new rows may be off.
//!
//! V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", 2005, and J. Lei, M. G'Sell, A. Rinaldo,
//! R. J. Tibshirani and L. Wasserman, "Distribution-free predictive inference for regression", JASA 113, 2018; for classes
//! M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA 114, 2019.
//!
//! ```text
//! score of a row      quantities  s = |y − ŷ|            classes  s = 1 − p̂(y)
//! of all targets      s = maxₖ sₖ / σₖ                   σₖ: error of target k on held-out rows; 1 if all are classes
//! q = the ⌈(n + 1)(1 − α)⌉-th smallest of the scores of n rows that are kept apart; ∞ if there are fewer
//! P(score of a new row ≤ q) ≥ 1 − α,  and < 1 − α + 1 / (n + 1) without ties
//! ```
//! The rank of a new row's score among n + 1 is uniform if the rows are exchangeable, whatever the model; that is all of the
//! proof. σₖ depends on rows that are learnt from alone: otherwise the scores would not be exchangeable.

use std::borrow::Cow;

use ndarray::{Array2, Axis};

use super::held_out::{self, HeldOut, LabelTable};
use super::labels::{check_targets, counts};
use super::settings::Settings;
use super::target::Target;
use super::wanted::Wanted;
use super::{Estimator, Fitted};
use crate::data::Dataset;
use crate::{Error, ErrorKind, Result, Scalar, Warning};

/// The scores of the rows that were kept apart: see [`Estimator::calibrate`].
///
/// ```
/// use polytask::estimator::Calibration;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(80, 0.05, 42);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5);
/// assert!(settings.fit_table(&data)?.calibration().is_none());
/// let model = settings.calibrate(0.25).fit_table(&data)?;
/// let calibration: &Calibration = model.calibration().expect("a quarter of the rows");
/// assert_eq!((calibration.n_rows, calibration.targets[1].scores.len()), (20, 20));
/// // 21 · 0.9 = 18.9, so it is the 19th smallest of 20.
/// assert_eq!(calibration.targets[1].quantile(0.9)?, calibration.targets[1].scores[18]);
/// assert_eq!(calibration.joint_quantile(0.99)?, f64::INFINITY); // takes 99 rows
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calibration {
    /// How many rows were kept apart.
    pub n_rows: usize,
    /// One for each target that is not a ranking.
    pub targets: Vec<CalibratedTarget>,
    /// The largest quotient of score and scale over these targets, of each row with labels of all of them, in ascending order.
    pub joint: Vec<f64>,
}

/// The scores of one target, of the rows with a label that counts.
///
/// ```
/// use polytask::estimator::CalibratedTarget;
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64);
/// let settings = MultiTaskClassifier::new().hidden([8]).members(2).epochs(30).calibrate(0.5);
/// let model = settings.fit(&x, &x.mapv(|x| (x / 20.0).floor()))?;
/// let target: &CalibratedTarget = &model.calibration().expect("half of the rows").targets[0];
/// assert!(target.scores.is_sorted() && target.scores.iter().all(|score| (0.0..=1.0).contains(score)));
/// assert_eq!((target.target.as_str(), target.scores.len(), target.scale), ("y0", 30, 1.0));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CalibratedTarget {
    /// The target's name.
    pub target: String,
    /// In ascending order: of a quantity |y − ŷ|, of classes 1 less the probability of the label.
    pub scores: Vec<f64>,
    /// What a score is divided by where targets are compared: for a quantity the error on held-out rows that were learnt from;
    /// beside quantities the root mean square of scores on these rows for classes, and without them 1.
    pub scale: f64,
}

impl CalibratedTarget {
    /// What the score of a new row is at most with this probability.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the coverage is not between 0 and 1.
    pub fn quantile(&self, coverage: f64) -> Result<f64> {
        check_coverage(coverage)?;
        Ok(quantile(&self.scores, coverage))
    }
}

impl Calibration {
    /// What the quotients of score and scale of a new row are all at most with this probability.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the coverage is not between 0 and 1.
    pub fn joint_quantile(&self, coverage: f64) -> Result<f64> {
        check_coverage(coverage)?;
        Ok(quantile(&self.joint, coverage))
    }

    /// What the score of each target is at most: each with this probability, or all together.
    pub(super) fn bounds(&self, coverage: f64, together: bool) -> Result<Vec<f64>> {
        let joint = self.joint_quantile(coverage)?;
        let of_target = |target: &CalibratedTarget| match together {
            true => joint * target.scale,
            false => quantile(&target.scores, coverage),
        };
        Ok(self.targets.iter().map(of_target).collect())
    }

    /// What there are too few labels for, of some targets.
    pub(super) fn too_few(&self, coverage: f64, together: bool, names: &[String]) -> Option<Warning> {
        let is_few = |n: usize| rank(n, coverage) > n;
        let of_names = self.targets.iter().filter(|target| names.contains(&target.target));
        let few: Vec<&CalibratedTarget> =
            of_names.filter(|target| together || is_few(target.scores.len())).collect();
        let labels = match together {
            true => Some(self.joint.len()).filter(|&n| is_few(n) && !few.is_empty()),
            false => few.iter().map(|target| target.scores.len()).min(),
        };
        let targets = few.iter().map(|target| target.target.clone()).collect();
        labels.map(|labels| Warning::FewCalibrationLabels { targets, labels, together })
    }
}

/// ⌈(n + 1) · coverage⌉. The coverage is meant to be the decimal that was written: 0.55 · 100 is 55, and not a rounding more.
fn rank(n: usize, coverage: f64) -> usize {
    // Two roundings, each by 1.1e-16 relative.
    ((n as f64 + 1.0) * coverage * (1.0 - 4e-16)).ceil() as usize
}

fn quantile(sorted: &[f64], coverage: f64) -> f64 {
    sorted.get(rank(sorted.len(), coverage).max(1) - 1).copied().unwrap_or(f64::INFINITY)
}

fn check_coverage(coverage: f64) -> Result<()> {
    match coverage > 0.0 && coverage < 1.0 {
        true => Ok(()),
        false => {
            let expected = "a number between 0 and 1, both excluded";
            Err(Error::new(ErrorKind::Setting, "coverage of a prediction", expected, coverage)
                .advise("0.9 is 90 %"))
        }
    }
}

/// The rows that are kept apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CalibrationRows<F> {
    pub(super) features: Array2<F>,
    /// NaN where there is none that counts.
    pub(super) labels: Array2<f64>,
}

/// The rows that are kept apart are not those of the first fold.
const SEED: u64 = 0x0063_616c_6962_7261;

impl Settings {
    /// The table that is learnt from, and the rows that are kept apart, if any are to be.
    pub(super) fn parted<'a, F: Scalar>(
        &self,
        data: &'a Dataset<F>,
        wanted: &Wanted,
    ) -> Result<(Cow<'a, Dataset<F>>, Option<CalibrationRows<F>>)> {
        let Some(share) = self.calibrate else { return Ok((Cow::Borrowed(data), None)) };
        if wanted.targets.iter().all(Target::is_ranking) {
            let place = "estimator, share of rows for calibration";
            let expected = "none, since rankings have no intervals or sets";
            return Err(Error::new(ErrorKind::Setting, place, expected, share));
        }
        let parts = data.split_rows(1.0 - share, self.seed ^ SEED);
        let (mut learnt, mut kept) = parts.map_err(|error| error.within("rows for calibration"))?;
        learnt.sort_unstable();
        kept.sort_unstable();
        let learnt = data.select(&learnt);
        check_targets(&learnt, &wanted.columns).map_err(|error| {
            error
                .within("rows that are not kept for calibration")
                .advise("calibrate with a smaller share, or another seed")
        })?;
        let label = |(i, k): (usize, usize)| match counts(data, kept[i], wanted.columns[k]) {
            true => data.targets()[[kept[i], wanted.columns[k]]].to_f64(),
            false => f64::NAN,
        };
        let labels = Array2::from_shape_fn((kept.len(), wanted.columns.len()), label);
        let features = data.features().select(Axis(0), &kept);
        Ok((Cow::Owned(learnt), Some(CalibrationRows { features, labels })))
    }
}

impl<Kind> Estimator<Kind> {
    /// Keeps this share of the rows apart (default: none), so that the fitted estimator can say how sure its predictions are:
    /// [`predict_interval`](Fitted::predict_interval) and [`predict_joint_interval`](Fitted::predict_joint_interval) of
    /// quantities, [`predict_set`](Fitted::predict_set) and [`predict_joint_set`](Fitted::predict_joint_set) of classes.
    ///
    /// Of a table with groups whole groups are kept. No network learns from these rows or stops early on them, and neither the
    /// weights of the kinds nor the range of the labels are fitted to them; so predictions are a little worse than without.
    /// (The number of classes is that of the whole table, and an encoding of a CSV file that was made from the whole table has
    /// seen their features.) Labels of weight 0 do not count, and all others count once. A
    /// coverage of 1 − α takes 1/α − 1 labels: 9 for 90 %, 19 for 95 %, 99 for 99 %. With fewer, intervals are infinite, sets
    /// have all classes, and a [warning](Fitted::warnings) says so.
    ///
    /// What is promised: of all tables and new rows drawn in the same way, the share of new rows that are covered is at least
    /// 1 − α. For one fitted estimator it is about 1 − α, with a standard deviation of √(α(1 − α)/n) for n labels that were
    /// kept. It is not promised for each kind of rows: hard ones are covered less often, easy ones more often. And nothing is
    /// promised for rows from elsewhere. Rows of one group are alike, so that n of them tell less than n rows do: with groups
    /// the coverage is approximate.
    ///
    /// [`check`](Self::check) refuses a share that is not between 0 and 1; a fit refuses a table of which a target has no label
    /// left to learn from.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(400, 0.05, 42);
    /// let (data, new) = data.split(0.5, 1)?;
    /// let settings = MultiTaskRegressor::new().hidden([16]).members(2).epochs(40);
    /// let model = settings.clone().calibrate(0.4).fit_table(&data)?;
    /// let intervals = model.predict_interval_table(&new, 0.8)?;
    /// let covers = |row: usize| {
    ///     (intervals.low[[row, 1]]..=intervals.high[[row, 1]]).contains(&new.targets()[[row, 1]])
    /// };
    /// let share = (0..200).filter(|&row| covers(row)).count() as f64 / 200.0;
    /// assert!((share - 0.8).abs() < 0.15, "{share}");
    /// let error = settings.fit_table(&data)?.predict_interval_table(&new, 0.8).unwrap_err();
    /// assert!(error.to_string().contains("calibrate(0.25)"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn calibrate(mut self, share: f64) -> Self {
        self.settings.calibrate = Some(share);
        self
    }
}

/// The coverage that [`Fitted::warnings`] speaks of.
const USUAL: f64 = 0.95;

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// The scores of the rows that were kept apart, if [`Estimator::calibrate`] was asked to.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    pub(super) fn needs_calibration(&self) -> Result<&Calibration> {
        self.calibration.as_ref().ok_or_else(|| {
            let expected = "rows that were kept apart when it was fitted";
            Error::new(ErrorKind::Setting, "intervals or sets of an estimator", expected, "none")
                .advise("fit it with calibrate(0.25), which keeps a quarter of them")
        })
    }

    pub(super) fn of_calibration(&self) -> impl Iterator<Item = Warning> {
        let warning = |calibration: &Calibration, together: bool| {
            let names: Vec<String> = calibration.targets.iter().map(|target| target.target.clone()).collect();
            calibration.too_few(USUAL, together, &names)
        };
        let each = |calibration: &Calibration| warning(calibration, false);
        let all = |calibration: &Calibration| warning(calibration, true);
        let several = self.calibration.as_ref().filter(|calibration| calibration.targets.len() > 1);
        self.calibration.as_ref().and_then(each).into_iter().chain(several.and_then(all))
    }
}

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// The same estimator with the scores of the rows that were kept apart, if any were.
    pub(super) fn calibrated(
        mut self,
        rows: Option<CalibrationRows<F>>,
        held_out: &[HeldOut],
        table: Option<&LabelTable>,
    ) -> Result<Self> {
        let Some(CalibrationRows { features, labels }) = rows else { return Ok(self) };
        let predicted = self.predicted(features.view())?;
        let scored: Vec<usize> = (0..self.targets.len()).filter(|&k| !self.targets[k].is_ranking()).collect();
        let scores = Array2::from_shape_fn((labels.nrows(), scored.len()), |(row, s)| {
            let k = scored[s];
            self.targets[k].score(predicted[k].row(row), labels[[row, k]])
        });
        let has_scales = self.targets.iter().any(Target::is_quantity);
        let scale = |k: usize| match table {
            Some(table) if has_scales => {
                let target = (k, &self.targets[k]);
                held_out::scale((&self.kinds, held_out), table, self.stack.as_ref(), target)
            }
            _ => 1.0,
        };
        let sorted = |scores: &mut dyn Iterator<Item = f64>| {
            let mut scores: Vec<f64> = scores.filter(|score| !score.is_nan()).collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        let of_target = |(s, &k): (usize, &usize)| CalibratedTarget {
            target: self.targets[k].name.clone(),
            scores: sorted(&mut scores.column(s).iter().copied()),
            scale: scale(k),
        };
        let targets: Vec<CalibratedTarget> = scored.iter().enumerate().map(of_target).collect();
        // NaN if one label is missing; f64::max would pass over it.
        let larger = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
        let mut of_rows = scores.rows().into_iter().map(|row| {
            row.iter().zip(&targets).map(|(score, target)| score / target.scale).fold(0.0, larger)
        });
        let joint = sorted(&mut of_rows);
        self.calibration = Some(Calibration { n_rows: labels.nrows(), targets, joint });
        Ok(self)
    }
}
