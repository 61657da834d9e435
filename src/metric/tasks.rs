//! One number for several tasks: weighted average, improvement over single-task baselines (Δm), mean rank.
//!
//! Papers define Δm with either sign. Let M be the value that was reached, B the value of the baseline, and s =
//! 1 if higher is better and −1 if lower is:
//!
//! ```text
//! gain   Δm = 100 / K · Σ_k 1/M_k · Σ_m s (M − B) / |B|     mean over tasks;     positive is better
//! drop   Δm = −100 / M · Σ_m s (M − B) / |B|                mean over metrics;   negative is better
//! ```
//! - Gain: Maninis, Radosavovic and Kokkinos, CVPR 2019, and Vandenhende et al., TPAMI 2022, with one metric per
//!   task; with several, Lin and Zhang, "LibMTL", JMLR 24 (2023).
//! - Drop: Navon et al., ICML 2022 (Nash-MTL); Liu et al., NeurIPS 2023 (FAMO).
//!
//! The published formulas divide by B instead of `|B|`. That is the same for a positive baseline, but for a
//! negative one, as R² can be, it would turn an improvement into a loss. A comparison is undefined if the
//! baseline is 0 or one of the two values is undefined. It is then left out of the mean, and
//! [`Delta::left_out`] counts it.

use super::score::{Direction, Score};
use crate::{Error, ErrorKind, Result};

/// A relative improvement over baselines, with the number of comparisons behind it.
///
/// ```
/// use polytask::metric::{Delta, Direction, Score, delta_m_gain};
///
/// let score = |value| Score { name: "r2".into(), value, direction: Direction::HigherIsBetter };
/// let reached = [[score(Some(0.75))], [score(None)]];
/// let baseline = [[score(Some(0.5))], [score(Some(0.5))]];
/// let Delta { percent, compared, left_out, .. } = delta_m_gain(&reached, &baseline)?;
/// assert_eq!((percent, compared, left_out), (Some(50.0), 1, 1));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delta {
    /// Δm in per cent; `None` if no comparison is defined.
    pub percent: Option<f64>,
    /// How many metrics were compared.
    pub compared: usize,
    /// How many metrics were left out because the baseline is 0 or a value is undefined.
    pub left_out: usize,
}

/// Δm as a gain, in per cent: **positive is better**. The mean over tasks of the mean over each task's metrics.
///
/// ```text
/// Δm = 100 / K · Σ_k 1/M_k · Σ_m s (M − B) / |B|        s = 1 where higher is better, else −1
/// ```
/// M is the value that was reached, B that of the baseline. K.-K. Maninis, I. Radosavovic and I. Kokkinos, CVPR
/// 2019, with one metric per task; with several, B. Lin and Y. Zhang, "LibMTL", JMLR 24, 2023.
///
/// `reached` and `baseline` hold the scores of each task, in the same order and with the same names. A task
/// without any defined comparison is left out.
///
/// # Errors
/// [`ErrorKind::Shape`] if the numbers of tasks or of metrics differ, [`ErrorKind::Name`] if names or
/// directions differ.
///
/// ```
/// use polytask::metric::{Direction, Score, delta_m_drop, delta_m_gain};
///
/// let score = |name: &str, value, direction| Score { name: name.into(), value: Some(value), direction };
/// let rmse = |value| score("rmse", value, Direction::LowerIsBetter);
/// let auc = |value| score("roc_auc", value, Direction::HigherIsBetter);
/// let reached = [vec![rmse(0.5)], vec![auc(0.75), rmse(1.0)]];
/// let baseline = [vec![rmse(1.0)], vec![auc(0.5), rmse(1.0)]];
/// // The first task is 50 % better, the second 50 % and 0 %.
/// assert_eq!(delta_m_gain(&reached, &baseline)?.percent, Some(37.5));
/// assert_eq!(delta_m_drop(&reached, &baseline)?.percent.map(f64::round), Some(-33.0));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn delta_m_gain<S: AsRef<[Score]>>(reached: &[S], baseline: &[S]) -> Result<Delta> {
    let gains = relative_gains(reached, baseline)?;
    let of_tasks: Vec<f64> = gains.iter().filter_map(|task| mean_of_defined(task)).collect();
    Ok(delta(
        &gains,
        (!of_tasks.is_empty()).then(|| 100.0 * of_tasks.iter().sum::<f64>() / of_tasks.len() as f64),
    ))
}

/// Δm as a drop in performance, in per cent: **negative is better**. The mean over all metrics of all tasks.
///
/// ```text
/// Δm = −100 / n · Σ_m s (M − B) / |B|                   n metrics in all
/// ```
/// The other symbols are explained at [`delta_m_gain`], which has an example of both. A. Navon et al.,
/// "Multi-task learning as a bargaining game", ICML 2022; B. Liu et al., "FAMO", NeurIPS 2023.
///
/// # Errors
/// As [`delta_m_gain`].
pub fn delta_m_drop<S: AsRef<[Score]>>(reached: &[S], baseline: &[S]) -> Result<Delta> {
    let gains = relative_gains(reached, baseline)?;
    Ok(delta(&gains, mean_of_defined(&gains.concat()).map(|gain| -100.0 * gain)))
}

/// The weighted mean of scores, `Σ w v / Σ w`, as a score called `average`: one number, for early stopping for
/// example. A score that is undefined or has weight 0 is left out. If none remains, the average is undefined.
///
/// # Errors
/// [`ErrorKind::Setting`] if a weight is negative or not finite, or if the directions differ: for the mean of
/// an error and an accuracy, neither higher nor lower would be better.
///
/// ```
/// use polytask::metric::{Direction, Score, weighted_average};
///
/// let score = |value| Score { name: "roc_auc".into(), value, direction: Direction::HigherIsBetter };
/// let average = weighted_average(&[(&score(Some(0.9)), 1.0), (&score(Some(0.6)), 2.0), (&score(None), 5.0)])?;
/// assert!((average.value.unwrap() - 0.7).abs() < 1e-15);
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn weighted_average(terms: &[(&Score, f64)]) -> Result<Score> {
    let direction = terms.first().map_or(Direction::HigherIsBetter, |(score, _)| score.direction);
    let (mut sum, mut total) = (0.0, 0.0);
    for (score, weight) in terms {
        let place = || format!("weighted average, {}", score.name);
        if score.direction != direction {
            let (expected, found) = (format!("{direction:?}"), format!("{:?}", score.direction));
            return Err(Error::new(ErrorKind::Setting, place(), expected, found)
                .advise("average the improvements over a baseline instead: see delta_m_gain"));
        }
        if !(*weight >= 0.0 && weight.is_finite()) {
            return Err(Error::new(ErrorKind::Setting, place(), "a finite weight of at least 0", weight));
        }
        if let (Some(value), true) = (score.value, *weight > 0.0) {
            sum += weight * value;
            total += weight;
        }
    }
    Ok(Score { name: "average".into(), value: (total > 0.0).then(|| sum / total), direction })
}

/// The mean rank of each method over the metrics. A method that is best in every metric has 1; methods with
/// equal values share the mean of their ranks.
///
/// `methods` holds the scores of each method, in the same order and with the same names. A metric that is
/// undefined for any method is left out for all. The result is `None` if no metric remains.
///
/// # Errors
/// [`ErrorKind::Shape`] if the numbers of metrics differ, [`ErrorKind::Name`] if names or directions differ.
///
/// ```
/// use polytask::metric::{Direction, Score, mean_rank};
///
/// let scores = |auc, rmse| {
///     [
///         Score { name: "roc_auc".into(), value: Some(auc), direction: Direction::HigherIsBetter },
///         Score { name: "rmse".into(), value: Some(rmse), direction: Direction::LowerIsBetter },
///     ]
/// };
/// let ranks = mean_rank(&[scores(0.9, 0.2), scores(0.8, 0.1), scores(0.7, 0.2)])?;
/// assert_eq!(ranks, Some(vec![1.75, 1.5, 2.75]));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn mean_rank<S: AsRef<[Score]>>(methods: &[S]) -> Result<Option<Vec<f64>>> {
    let Some(first) = methods.first() else { return Ok(None) };
    for (i, method) in methods.iter().enumerate() {
        assert_comparable(first.as_ref(), method.as_ref())
            .map_err(|error| error.within(format!("method {i}")))?;
    }
    let mut sums = vec![0.0; methods.len()];
    let mut n_metrics = 0;
    for (m, metric) in first.as_ref().iter().enumerate() {
        let values: Option<Vec<f64>> = methods.iter().map(|method| method.as_ref()[m].value).collect();
        let Some(values) = values else { continue };
        n_metrics += 1;
        for (sum, &value) in sums.iter_mut().zip(&values) {
            let better = values.iter().filter(|&&other| metric.direction.is_better(other, value)).count();
            let equal = values.iter().filter(|&&other| other == value).count();
            *sum += better as f64 + (equal as f64 + 1.0) / 2.0;
        }
    }
    Ok((n_metrics > 0).then(|| sums.into_iter().map(|sum| sum / f64::from(n_metrics)).collect()))
}

/// `s (M − B) / |B|` for every metric of every task; `None` where it is undefined.
fn relative_gains<S: AsRef<[Score]>>(reached: &[S], baseline: &[S]) -> Result<Vec<Vec<Option<f64>>>> {
    if reached.len() != baseline.len() {
        let (expected, found) = (format!("{} tasks", reached.len()), baseline.len());
        return Err(Error::new(ErrorKind::Shape, "baseline", expected, found));
    }
    let mut gains = Vec::with_capacity(reached.len());
    for (k, (reached, baseline)) in reached.iter().zip(baseline).enumerate() {
        let (reached, baseline) = (reached.as_ref(), baseline.as_ref());
        assert_comparable(reached, baseline)
            .map_err(|error| error.within(format!("baseline of task {k}")))?;
        gains.push(reached.iter().zip(baseline).map(|(r, b)| relative_gain(r, b)).collect());
    }
    Ok(gains)
}

fn relative_gain(reached: &Score, baseline: &Score) -> Option<f64> {
    let (m, b) = (reached.value?, baseline.value?);
    let gain = reached.direction.sign() * (m - b) / b.abs();
    gain.is_finite().then_some(gain)
}

fn delta(gains: &[Vec<Option<f64>>], percent: Option<f64>) -> Delta {
    let total = gains.iter().flatten().count();
    let compared = gains.iter().flatten().flatten().count();
    Delta { percent, compared, left_out: total - compared }
}

fn mean_of_defined(values: &[Option<f64>]) -> Option<f64> {
    let defined = values.iter().flatten();
    let n = defined.clone().count();
    (n > 0).then(|| defined.sum::<f64>() / n as f64)
}

fn assert_comparable(expected: &[Score], found: &[Score]) -> Result<()> {
    if expected.len() != found.len() {
        return Err(Error::new(
            ErrorKind::Shape,
            "scores",
            format!("{} metrics", expected.len()),
            found.len(),
        ));
    }
    for (expected, found) in expected.iter().zip(found) {
        if expected.name != found.name || expected.direction != found.direction {
            let said = |score: &Score| format!("{} ({:?})", score.name, score.direction);
            return Err(Error::new(ErrorKind::Name, "scores", said(expected), said(found)));
        }
    }
    Ok(())
}
