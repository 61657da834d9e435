//! Decision thresholds: above which probability the answer is yes.
//!
//! ```text
//! decided yes  ⇔  p > τ                   τ = ½ unless another one is chosen
//! F1                  2 TP / (2 TP + FP + FN)                          the largest
//! balanced accuracy   ½ (TP / (TP + FN) + TN / (TN + FP))              the largest
//! cost                (c₊ FP + c₋ FN) / (TP + FP + FN + TN)            the smallest
//! expected cost       τ = c₊ / (c₊ + c₋), where yes and no cost the same if p is the probability of yes
//! ```
//! TP, FP, FN and TN are the weights of the rows that are rightly and wrongly decided yes, wrongly and rightly decided no.
//! Youden's J is twice the balanced accuracy minus one, so it has the same threshold. W. J. Youden, "Index for rating
//! diagnostic tests", 1950; C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, for the expected cost.
//!
//! The threshold lies in the middle between two neighbouring predictions, or at ½ if that is between them. Of equally good
//! thresholds the one nearest to ½ is chosen, and of two equally near the lower one.

use ndarray::{Array2, ArrayView2, s};

use super::examples::{self, Example};
use crate::loss::Labels;
use crate::{Error, ErrorKind, Result};

/// By what a decision threshold is chosen. [`Model::fit_threshold`](crate::Model::fit_threshold) chooses and keeps one.
///
/// Choose on rows that the model has not learnt from, and judge on rows that are neither: on the rows that chose it a
/// threshold looks better than it is.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::ThresholdCriterion;
///
/// let probabilities = array![[0.05], [0.1], [0.3], [0.4], [0.45], [0.2]];
/// let targets = array![[0.0], [0.0], [1.0], [0.0], [1.0], [f64::NAN]]; // yes is rare, and never above ½
/// let labels = Labels::new(targets.view());
/// let chosen = ThresholdCriterion::F1.choose(probabilities.view(), &labels)?;
/// assert_eq!((chosen[0].threshold, chosen[0].value, chosen[0].value_at_half), (0.2, 0.8, 0.0));
///
/// // To miss a yes costs four times as much as a false alarm.
/// let expected = ThresholdCriterion::ExpectedCost { false_positive: 1.0, false_negative: 4.0 };
/// let chosen = expected.choose(probabilities.view(), &labels)?;
/// assert_eq!((chosen[0].threshold, chosen[0].value), (0.2, 0.2)); // one false alarm among five rows
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ThresholdCriterion {
    /// The largest F1: how well the yeses are found, with no regard to the noes that are recognised.
    F1,
    /// The largest mean of the shares of yeses and noes that are recognised; also the largest Youden's J.
    BalancedAccuracy,
    /// The smallest mean cost on the given rows.
    Cost {
        /// What it costs to decide yes for a no, 0 or more.
        false_positive: f64,
        /// What it costs to decide no for a yes, 0 or more.
        false_negative: f64,
    },
    /// The smallest cost to be expected if the predictions are the true probabilities: it follows from the costs alone.
    /// See [`CalibrationCurve`](super::CalibrationCurve) for whether they are.
    ExpectedCost {
        /// What it costs to decide yes for a no, 0 or more.
        false_positive: f64,
        /// What it costs to decide no for a yes, 0 or more.
        false_negative: f64,
    },
}

/// A threshold that was chosen, and what it is worth on the rows that chose it.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::{ChosenThreshold, ThresholdCriterion};
///
/// let (probabilities, targets) = (array![[0.8], [0.6]], array![[1.0], [0.0]]);
/// let criterion = ThresholdCriterion::BalancedAccuracy;
/// let chosen = criterion.choose(probabilities.view(), &Labels::new(targets.view()))?;
/// let expected = ChosenThreshold { threshold: (0.8 + 0.6) / 2.0, value: 1.0, value_at_half: 0.5 };
/// assert_eq!(chosen, [expected]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenThreshold {
    /// The answer is yes above it.
    pub threshold: f64,
    /// The F1, balanced accuracy or mean cost with it.
    pub value: f64,
    /// The same with a threshold of ½.
    pub value_at_half: f64,
}

impl ThresholdCriterion {
    /// Chooses a threshold for each target column of yes or no, from probabilities (`n × columns`) and labels.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a cost is negative or not finite, or both are 0; [`ErrorKind::Shape`] if there are not as
    /// many probabilities as labels; [`ErrorKind::Value`] if a label is not 0 or 1, a probability of a labelled row is not
    /// one, or a column has no yes or no no among the rows of weight above 0.
    pub fn choose(
        &self,
        probabilities: ArrayView2<'_, f64>,
        labels: &Labels<'_, f64>,
    ) -> Result<Vec<ChosenThreshold>> {
        self.check()?;
        if probabilities.dim() != labels.targets.dim() {
            let (expected, found) = (labels.targets.dim(), probabilities.dim());
            let text = |(rows, columns): (usize, usize)| format!("{rows} × {columns}, as the labels");
            let found = format!("{} × {}", found.0, found.1);
            return Err(Error::new(ErrorKind::Shape, "probabilities of yes", text(expected), found));
        }
        labels.check("0 or 1", |t| t == 0.0 || t == 1.0)?;
        let is_probability = |row: usize, column: usize| {
            let is_used = labels.weight(row) > 0.0 && !labels.targets[[row, column]].is_nan();
            !is_used || (0.0..=1.0).contains(&probabilities[[row, column]])
        };
        if let Some(((row, column), p)) =
            probabilities.indexed_iter().find(|((row, column), _)| !is_probability(*row, *column))
        {
            let place = format!("probability of yes, row {row}, target column {column}");
            return Err(Error::new(ErrorKind::Value, place, "a number from 0 to 1", p));
        }
        (0..probabilities.ncols()).map(|column| self.choose_one(column, probabilities, labels)).collect()
    }

    fn choose_one(
        &self,
        column: usize,
        probabilities: ArrayView2<'_, f64>,
        labels: &Labels<'_, f64>,
    ) -> Result<ChosenThreshold> {
        let mut examples = examples::column(probabilities, labels, column).unwrap_or_default();
        examples.sort_by(|a, b| a.prediction.total_cmp(&b.prediction));
        let all = Decisions::above(f64::NEG_INFINITY, &examples);
        if all.hits == 0.0 || all.false_alarms == 0.0 {
            let place = format!("labels of target column {column}");
            let found = format!("{} yes and {} no", all.hits, all.false_alarms);
            return Err(Error::new(ErrorKind::Value, place, "some yes and some no", found)
                .advise("choose on more rows that are held out"));
        }
        let value_at = |threshold| self.value(Decisions::above(threshold, &examples));
        let value_at_half = value_at(0.5);
        if let Self::ExpectedCost { false_positive, false_negative } = self {
            let threshold = false_positive / (false_positive + false_negative);
            return Ok(ChosenThreshold { threshold, value: value_at(threshold), value_at_half });
        }
        let sign = if matches!(self, Self::Cost { .. }) { -1.0 } else { 1.0 };
        let mut best = ChosenThreshold { threshold: 0.5, value: value_at_half, value_at_half };
        let (mut decisions, mut below) = (all, None);
        let groups = examples.chunk_by(|a, b| a.prediction == b.prediction);
        for group in groups.map(Some).chain([None]) {
            if let Some(threshold) = between(below, group.map(|group| group[0].prediction)) {
                let value = self.value(decisions);
                let distance = |threshold: f64| (threshold - 0.5).abs();
                let is_better = sign * value > sign * best.value
                    || value == best.value && distance(threshold) < distance(best.threshold);
                if is_better {
                    best = ChosenThreshold { threshold, value, value_at_half };
                }
            }
            group.into_iter().flatten().for_each(|example| decisions.withdraw(example));
            below = group.map(|group| group[0].prediction);
        }
        // Sums that were taken apart are rounded.
        Ok(ChosenThreshold { value: value_at(best.threshold), ..best })
    }

    fn value(&self, Decisions { hits, false_alarms, misses, rejections }: Decisions) -> f64 {
        match *self {
            Self::F1 => 2.0 * hits / (2.0 * hits + false_alarms + misses),
            Self::BalancedAccuracy => {
                0.5 * (hits / (hits + misses) + rejections / (rejections + false_alarms))
            }
            Self::Cost { false_positive, false_negative }
            | Self::ExpectedCost { false_positive, false_negative } => {
                let total = hits + false_alarms + misses + rejections;
                (false_positive * false_alarms + false_negative * misses) / total
            }
        }
    }

    fn check(&self) -> Result<()> {
        let (Self::Cost { false_positive, false_negative }
        | Self::ExpectedCost { false_positive, false_negative }) = *self
        else {
            return Ok(());
        };
        let sum = false_positive + false_negative;
        match false_positive >= 0.0 && false_negative >= 0.0 && sum > 0.0 && sum.is_finite() {
            true => Ok(()),
            false => {
                let expected = "two finite numbers of at least 0, one of them above 0";
                let found = format!("{false_positive} and {false_negative}");
                Err(Error::new(ErrorKind::Setting, "costs of wrong decisions", expected, found))
            }
        }
    }
}

/// The threshold for those above, between two neighbouring predictions: ½ if it is between them, else the middle. None
/// that is a probability lies below a prediction of 0.
fn between(below: Option<f64>, above: Option<f64>) -> Option<f64> {
    let (low, high) = (below.unwrap_or(0.0), above.unwrap_or(1.0));
    if below.is_none_or(|low| low <= 0.5) && above.is_none_or(|high| high > 0.5) {
        return Some(0.5);
    }
    let middle = 0.5 * (low + high);
    match (below, above) {
        (None, Some(0.0)) => None,
        // Neighbouring numbers have no other one between them.
        (_, Some(high)) if middle >= high => Some(low),
        _ => Some(middle),
    }
}

/// The weights of rows that are decided yes and no, rightly and wrongly.
#[derive(Clone, Copy, Default)]
struct Decisions {
    hits: f64,
    false_alarms: f64,
    misses: f64,
    rejections: f64,
}

impl Decisions {
    fn above(threshold: f64, examples: &[Example]) -> Self {
        let mut decisions = Self::default();
        for example in examples {
            let count = match (example.target == 1.0, example.prediction > threshold) {
                (true, true) => &mut decisions.hits,
                (false, true) => &mut decisions.false_alarms,
                (true, false) => &mut decisions.misses,
                (false, false) => &mut decisions.rejections,
            };
            *count += example.weight;
        }
        decisions
    }

    /// Decides no where it was yes.
    fn withdraw(&mut self, example: &Example) {
        let (from, to) = match example.target == 1.0 {
            true => (&mut self.hits, &mut self.misses),
            false => (&mut self.false_alarms, &mut self.rejections),
        };
        *from -= example.weight;
        *to += example.weight;
    }
}

/// 1 where a probability is above its column's threshold, else 0; NaN where it is none.
pub(crate) fn decided(probabilities: ArrayView2<'_, f64>, thresholds: &[f64]) -> Array2<f64> {
    let mut decisions = probabilities.to_owned();
    for (column, &threshold) in thresholds.iter().enumerate() {
        let decide = |p: f64| if p.is_nan() { p } else { f64::from(u8::from(p > threshold)) };
        decisions.slice_mut(s![.., column]).mapv_inplace(decide);
    }
    decisions
}
