//! Metrics of ranked lists: the rows of a group, sorted by their scores.
//!
//! A list consists of the labelled rows with the same group id; without groups, all rows are one list. It is
//! sorted by score, highest first. Where scores are equal, the value is *the mean over all orders of these
//! rows*. So it does not depend on the order of the rows in the table, and a model that gives every row the
//! same score gets what a random order would get on average. For tie group j, m rows with equal scores at
//! places g + 1 .. g + m, with r relevant rows in it and R before it:
//!
//! ```text
//! DCG@k  Σ_j (mean gain of the group) · Σ_{place ≤ k} 1 / log₂(place + 1)      NDCG = DCG / DCG of the best order
//! AP     (1 / relevant) Σ_j (r/m) Σ_{i=1..m} (R + 1 + (i − 1)(r − 1)/(m − 1)) / (g + i)
//! RR     of the first group with r > 0:  Σ_i Pr(first relevant is the i-th) / (g + i)
//!        Pr₁ = r/m,   Prᵢ₊₁ = Prᵢ (m − i − r + 1) / (m − i)
//! ```
//! A row is relevant if its label is above 0; a negative label has no meaning and makes the metric undefined. A
//! list without relevant rows has the value 0, as in scikit-learn. A list of one row has no NDCG, as in
//! scikit-learn, since it would be 1 for any score. In the mean over lists, each has the mean weight of its
//! rows.
//!
//! DCG: Järvelin and Kekäläinen, ACM TOIS 20 (2002); exponential gain: Burges et al., ICML 2005. Ties: McSherry and
//! Najork, "Computing information retrieval performance measures efficiently in the presence of tied scores", ECIR
//! 2008. NDCG with linear gain equals scikit-learn's `ndcg_score`.

use ndarray::ArrayView2;

use super::examples::Example;
use crate::loss::Labels;

/// The gain of a row with relevance l in [`Metric::Ndcg`](super::Metric::Ndcg).
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::{Gain, Metric};
///
/// let (scores, targets) = (array![[2.0], [1.0]], array![[1.0], [2.0]]); // the less relevant item first
/// let labels = Labels::new(targets.view());
/// let ndcg = |gain| Metric::Ndcg { k: None, gain }.evaluate(scores.view(), &labels).unwrap();
/// let second = 1.0 / 3.0_f64.log2();                                // the discount of the second place
/// assert!((ndcg(Gain::Linear) - (1.0 + 2.0 * second) / (2.0 + second)).abs() < 1e-12);
/// assert!((ndcg(Gain::Exponential) - (1.0 + 3.0 * second) / (3.0 + second)).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Gain {
    /// `2^l − 1`, which is usual in learning to rank.
    #[default]
    Exponential,
    /// `l`, as in scikit-learn.
    Linear,
}

impl Gain {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Gain::Exponential => "",
            Gain::Linear => "_linear",
        }
    }

    fn of(self, relevance: f64) -> f64 {
        match self {
            Gain::Exponential => relevance.exp2() - 1.0,
            Gain::Linear => relevance,
        }
    }
}

pub(super) fn ndcg(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    k: Option<usize>,
    gain: Gain,
) -> Option<f64> {
    let k = k.unwrap_or(usize::MAX);
    mean_over_lists(predictions, labels, |list| {
        if list.len() == 1 {
            return None;
        }
        let gains: Vec<f64> = list.iter().map(|e| gain.of(e.target)).collect();
        let mut dcg = 0.0;
        let mut place = 0;
        for ties in tie_groups(list) {
            let mean_gain = gains[place..place + ties.len()].iter().sum::<f64>() / ties.len() as f64;
            dcg += mean_gain * discounts(place, place + ties.len(), k);
            place += ties.len();
        }
        let mut best = gains;
        best.sort_by(|a, b| b.total_cmp(a));
        let best: f64 = best.iter().enumerate().map(|(i, gain)| gain * discounts(i, i + 1, k)).sum();
        Some(if best == 0.0 { 0.0 } else { dcg / best })
    })
}

pub(super) fn mean_average_precision(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<f64> {
    mean_over_lists(predictions, labels, |list| {
        let (mut sum, mut place, mut relevant) = (0.0, 0, 0.0);
        for ties in tie_groups(list) {
            let (m, r) = (ties.len() as f64, n_relevant(ties) as f64);
            // How many more relevant rows, on average, come before each next place in the group.
            let step = if ties.len() > 1 { (r - 1.0) / (m - 1.0) } else { 0.0 };
            let precisions =
                (0..ties.len()).map(|i| (relevant + 1.0 + i as f64 * step) / (place + i + 1) as f64);
            sum += if r > 0.0 { r / m * precisions.sum::<f64>() } else { 0.0 };
            relevant += r;
            place += ties.len();
        }
        Some(if relevant == 0.0 { 0.0 } else { sum / relevant })
    })
}

pub(super) fn mean_reciprocal_rank(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Option<f64> {
    mean_over_lists(predictions, labels, |list| {
        let mut place = 0;
        for ties in tie_groups(list) {
            let (m, r) = (ties.len(), n_relevant(ties));
            if r == 0 {
                place += m;
                continue;
            }
            let mut probability = r as f64 / m as f64;
            let mut expected = 0.0;
            for i in 1..=m - r + 1 {
                expected += probability / (place + i) as f64;
                probability *= (m + 1 - i - r) as f64 / (m - i).max(1) as f64;
            }
            return Some(expected);
        }
        Some(0.0)
    })
}

/// The weighted mean of `metric(rows of the list, highest score first)` over the lists where it is defined.
fn mean_over_lists(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    metric: impl Fn(&[Example]) -> Option<f64>,
) -> Option<f64> {
    let mut rows = Vec::with_capacity(predictions.nrows());
    for (row, (&prediction, &target)) in predictions.iter().zip(labels.targets).enumerate() {
        let weight = labels.weight(row);
        if !target.is_nan() && weight > 0.0 {
            if !prediction.is_finite() || !(0.0..f64::INFINITY).contains(&target) {
                return None;
            }
            let group = labels.groups.map_or(0, |groups| groups[row]);
            rows.push((group, Example { prediction, target, weight }));
        }
    }
    rows.sort_by(|(g, a), (h, b)| g.cmp(h).then(b.prediction.total_cmp(&a.prediction)));

    let (mut sum, mut total) = (0.0, 0.0);
    for list in rows.chunk_by(|(g, _), (h, _)| g == h) {
        let list: Vec<Example> = list.iter().map(|&(_, example)| example).collect();
        let weight = list.iter().map(|e| e.weight).sum::<f64>() / list.len() as f64;
        if let Some(value) = metric(&list) {
            sum += weight * value;
            total += weight;
        }
    }
    (total > 0.0).then(|| sum / total)
}

fn tie_groups(list: &[Example]) -> impl Iterator<Item = &[Example]> {
    list.chunk_by(|a, b| a.prediction == b.prediction)
}

fn n_relevant(rows: &[Example]) -> usize {
    rows.iter().filter(|e| e.target > 0.0).count()
}

/// `Σ 1 / log₂(i + 2)` over those places i in `from..to`, counted from 0, that are among the first `k`.
fn discounts(from: usize, to: usize, k: usize) -> f64 {
    (from..to.min(k)).map(|i| 1.0 / ((i + 2) as f64).log2()).sum()
}
