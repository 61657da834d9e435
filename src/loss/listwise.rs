//! Ranking losses of whole lists: ListNet, ListMLE and ApproxNDCG. s are the scores of one list, t its labels.
//!
//! ListNet: cross-entropy between the distribution that the labels give the items and softmax s.
//! ```text
//! ℓ = −Σ_i π_i ln softmax(s)_i = Σ_i π_i (ln Σ_j e^(s_j) − s_i)        ∂ℓ/∂s_i = softmax(s)_i − π_i
//! π = softmax t (Cao et al.)    or    π = t / Σ t (TensorFlow Ranking's `SoftmaxLoss`)
//! ```
//!
//! ListMLE: −ln of the Plackett-Luce probability of the order by falling label. With the items in that order,
//! equal labels in the order of the batch:
//! ```text
//! L_i = ln Σ_(j ≥ i) e^(s_j)        ℓ = Σ_i (L_i − s_i)        ∂ℓ/∂s_k = Σ_(i ≤ k) e^(s_k − L_i) − 1
//! ```
//! The L_i come from one pass up the list, and the sum, whose logarithm is kept, from one pass down.
//!
//! ApproxNDCG: NDCG with a rank that is smooth in the scores, at the temperature T = 0.1.
//! ```text
//! r_i = 1 + Σ_(j ≠ i) sigmoid((s_j − s_i)/T)        ℓ = 1 − Σ_i G_i/log₂(1 + r_i) / IDCG,    G = 2^t − 1
//! c_i = ∂ℓ/∂r_i = G_i ln 2 / ((1 + r_i) ln²(1 + r_i)) / IDCG
//! ∂ℓ/∂s_k = Σ_j (c_j − c_k) sigmoid′((s_j − s_k)/T)/T
//! ```
//! The last line holds because sigmoid′ is even: s_k raises r_j by as much as s_j lowers r_k. TensorFlow Ranking
//! leaves out the 1 of ℓ; with it, a perfect order has loss 0.
//!
//! Sources: Cao et al., "Learning to rank: from pairwise approach to listwise approach" (2007); Xia et al.,
//! "Listwise approach to learning to rank" (2008); Qin et al., "A general approximation framework for
//! direct optimization of information retrieval measures" (2010), and Bruch et al. (2019) for T = 0.1.

use std::f64::consts::LN_2;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::lists::{List, check_lists, over_lists, total};
use super::logistic::sigmoid;
use super::pairs::{check_relevance, gain, ideal_dcg};
use super::{Kind, Labels, LossFunction};
use crate::{Result, Scalar};

/// How [`Loss::ListNet`](super::Loss::ListNet) makes a distribution over the items of a list from their labels.
///
/// ```
/// use ndarray::{Array2, array};
/// use polytask::loss::{Labels, ListTarget, Loss};
///
/// let targets = array![[1.0], [3.0]];
/// let scores = [array![[1.0], [3.0]], array![[0.0], [3.0_f64.ln()]]];
/// for (target, scores) in [ListTarget::Softmax, ListTarget::Proportion].into_iter().zip(scores) {
///     let (loss, mut delta) = (Loss::ListNet { target }.build::<f64>()?, Array2::ones((2, 1)));
///     loss.value_and_delta(scores.view(), &Labels::new(targets.view()), delta.view_mut());
///     assert!(delta.iter().all(|d| d.abs() < 1e-12)); // softmax y is the distribution: nothing to learn
/// }
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
#[non_exhaustive]
pub enum ListTarget {
    /// `softmax t`, for labels that are any finite numbers (Cao et al. 2007).
    #[default]
    Softmax,
    /// `t / Σ t`, for labels that are 0 or more (TensorFlow Ranking's `SoftmaxLoss`).
    Proportion,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ListNet {
    pub target: ListTarget,
}

impl<F: Scalar> LossFunction<F> for ListNet {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        over_lists(outputs, labels, delta, |List { rows, scores, labels, rate, mut delta, .. }| {
            let ln_sum = log_sum_exp(rows.iter().map(|&row| scores[row]));
            let ln_sum_labels = log_sum_exp(rows.iter().map(|&row| labels[row]));
            let sum_labels = rows.iter().map(|&row| labels[row]).sum::<F>();
            let mut value = F::ZERO;
            for &row in &*rows {
                let share = match self.target {
                    ListTarget::Softmax => (labels[row] - ln_sum_labels).exp(),
                    ListTarget::Proportion => labels[row] / sum_labels,
                };
                value += share * (ln_sum - scores[row]);
                delta[row] = rate * ((scores[row] - ln_sum).exp() - share);
            }
            value
        })
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        total(labels)
    }

    fn kind(&self) -> Kind {
        Kind::Ranking
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        match self.target {
            ListTarget::Softmax => {
                check_lists(labels, "a finite number, or NaN if it is missing", F::is_finite)
            }
            ListTarget::Proportion => {
                check_lists(labels, "a finite number, 0 or more, or NaN if it is missing", |t| {
                    t.is_finite() && t >= F::ZERO
                })
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ListMle;

impl<F: Scalar> LossFunction<F> for ListMle {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        over_lists(outputs, labels, delta, |mut list| {
            list.sort_by_label();
            let List { rows, scores, rate, mut delta, .. } = list;
            let (mut value, mut rest) = (F::ZERO, None);
            for &row in rows.iter().rev() {
                let ln_sum = rest.map_or(scores[row], |rest| log_add_exp(scores[row], rest));
                value += ln_sum - scores[row];
                delta[row] = ln_sum;
                rest = Some(ln_sum);
            }
            let mut before = None;
            for &row in &*rows {
                let ln_sum = before.map_or(-delta[row], |before| log_add_exp(before, -delta[row]));
                delta[row] = rate * ((scores[row] + ln_sum).exp() - F::ONE);
                before = Some(ln_sum);
            }
            value
        })
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        total(labels)
    }

    fn kind(&self) -> Kind {
        Kind::Ranking
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_lists(labels, "a finite number, or NaN if it is missing", F::is_finite)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ApproxNdcg {
    pub temperature: f64,
}

impl<F: Scalar> LossFunction<F> for ApproxNdcg {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let per_degree = F::from_f64(1.0 / self.temperature);
        over_lists(outputs, labels, delta, |mut list| {
            let ideal = ideal_dcg(&mut list);
            let List { rows, scores, labels, rate, mut delta, scratch: slopes } = list;
            let above = |j: usize, i: usize| sigmoid(per_degree * (scores[j] - scores[i]));
            let mut value = F::ONE;
            for (&i, slope) in rows.iter().zip(&mut *slopes) {
                let others = rows.iter().filter(|&&j| j != i);
                let ln = others.map(|&j| above(j, i)).sum::<F>() + F::from_f64(2.0);
                let (past, ln) = (ln.to_f64(), ln.ln());
                let worth = gain(labels[i]) * LN_2 / ideal;
                value -= F::from_f64(worth) / ln;
                *slope = worth / (past * ln.to_f64() * ln.to_f64());
            }
            for (n, &k) in rows.iter().enumerate() {
                for (m, &j) in rows.iter().enumerate().skip(n + 1) {
                    // sigmoid(−z), because 1 − sigmoid z has no digits where z is large.
                    let bell = rate * per_degree * above(j, k) * above(k, j);
                    let push = F::from_f64(slopes[m] - slopes[n]) * bell;
                    delta[k] += push;
                    delta[j] -= push;
                }
            }
            // No smooth rank gives more than the best order; a rounding error may.
            if value < F::ZERO { F::ZERO } else { value }
        })
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        total(labels)
    }

    fn kind(&self) -> Kind {
        Kind::Ranking
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_relevance(labels)
    }
}

/// ln Σ e^z.
fn log_sum_exp<F: Scalar>(z: impl Iterator<Item = F> + Clone) -> F {
    let largest = z.clone().fold(F::from_f64(f64::NEG_INFINITY), F::max);
    largest + z.map(|z| (z - largest).exp()).sum::<F>().ln()
}

/// ln(e^a + e^b).
fn log_add_exp<F: Scalar>(a: F, b: F) -> F {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    large + (small - large).exp().ln_1p()
}
