//! Ranking losses of pairs: every item against every less relevant one in its list.
//!
//! RankNet: the probability that i is above j is sigmoid(s_i − s_j); the loss is the mean of −ln of it over the
//! P pairs of the list with labels t_i > t_j.
//! ```text
//! ℓ = 1/P Σ softplus(−(s_i − s_j))        ∂ℓ/∂s_i ∋ −sigmoid(−(s_i − s_j))/P,   ∂ℓ/∂s_j ∋ the opposite
//! ```
//!
//! LambdaRank weighs a pair by how much NDCG changes if the two change places, and sums:
//! ```text
//! ℓ = Σ |ΔNDCG_ij| softplus(−(s_i − s_j))
//! |ΔNDCG_ij| = |G_i − G_j| · |1/log₂(1 + r_i) − 1/log₂(1 + r_j)| / IDCG,      G = 2^t − 1
//! ```
//! r is the rank by score, 1 for the highest; equal scores rank in the order of the batch. IDCG is Σ G/log₂(1 + r)
//! in the best order. The delta is that of the paper, with the weights held constant. As functions of the
//! scores they are constant except where two scores are equal, so delta is the derivative of the value
//! everywhere else, and a gradient check needs no exception: a change of order is a change of branch.
//!
//! Sources: Burges et al., "Learning to rank using gradient descent" (2005); Burges, "From RankNet to LambdaRank
//! to LambdaMART" (2010), section 4; σ = 1 as in TensorFlow Ranking.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::lists::{List, check_lists, for_each_list, over_lists, total};
use super::logistic::softplus_sigmoid;
use super::{Kind, Labels, LossFunction};
use crate::{Result, Scalar};

#[derive(Clone, Copy, Debug)]
pub(super) struct RankNet;

impl<F: Scalar> LossFunction<F> for RankNet {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        over_lists(outputs, labels, delta, |List { rows, scores, labels, rate, mut delta, .. }| {
            let pairs = || rows.iter().flat_map(|&i| rows.iter().map(move |&j| (i, j)));
            let pairs = || pairs().filter(|&(i, j)| labels[i] > labels[j]);
            let share = F::from_f64(1.0 / pairs().count() as f64);
            let mut sum = F::ZERO;
            for (i, j) in pairs() {
                let (value, slope) = softplus_sigmoid(scores[j] - scores[i]);
                sum += value;
                delta[i] -= rate * share * slope;
                delta[j] += rate * share * slope;
            }
            share * sum
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
pub(super) struct LambdaRank;

impl<F: Scalar> LossFunction<F> for LambdaRank {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        over_lists(outputs, labels, delta, |mut list| {
            let ideal = ideal_dcg(&mut list);
            list.sort_by_score();
            let List { rows, scores, labels, rate, mut delta, scratch: discounts } = list;
            discounts.iter_mut().enumerate().for_each(|(above, d)| *d = discount(above));
            let mut sum = F::ZERO;
            for (above, &first) in rows.iter().enumerate() {
                for (below, &second) in rows.iter().enumerate().skip(above + 1) {
                    if labels[first] == labels[second] {
                        continue;
                    }
                    let (i, j) =
                        if labels[first] > labels[second] { (first, second) } else { (second, first) };
                    let change =
                        (gain(labels[i]) - gain(labels[j])) * (discounts[above] - discounts[below]) / ideal;
                    let (change, (value, slope)) =
                        (F::from_f64(change), softplus_sigmoid(scores[j] - scores[i]));
                    sum += change * value;
                    delta[i] -= rate * change * slope;
                    delta[j] += rate * change * slope;
                }
            }
            sum
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

    /// The order of each list by score.
    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_list(labels, |column, rows, _| {
            let score = |row: usize| outputs[[row, column]].to_f64();
            rows.sort_unstable_by(|&i, &j| score(j).total_cmp(&score(i)).then(i.cmp(&j)));
            rows.iter().for_each(|&row| record(row as i64));
        });
    }
}

/// What an item of relevance `label` is worth: 2^t − 1.
pub(super) fn gain<F: Scalar>(label: F) -> f64 {
    label.to_f64().exp2() - 1.0
}

/// How much of it counts with `above` items above it: 1/log₂(1 + r), r = 1 + above.
fn discount(above: usize) -> f64 {
    1.0 / (2.0 + above as f64).log2()
}

/// The discounted gain of the best order; leaves the items in it.
pub(super) fn ideal_dcg<F: Scalar>(list: &mut List<'_, F>) -> f64 {
    list.sort_by_label();
    list.rows.iter().enumerate().map(|(above, &row)| gain(list.labels[row]) * discount(above)).sum()
}

/// Gains double with each step of relevance; beyond 31 they would no longer be whole numbers in reach.
pub(super) fn check_relevance<F: Scalar>(labels: &Labels<'_, F>) -> Result<()> {
    check_lists(labels, "a relevance from 0 to 31, or NaN if it is missing", |t| {
        (0.0..=31.0).contains(&t.to_f64())
    })
}
