//! How much weight each kind of network gets in a ranking: greedy selection by nDCG@10 on held-out rows.
//!
//! R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of models", ICML 2004: ten times
//! the kind is added, the same one again if need be, whose addition ranks best; the weights are the shares of the ten.
//!
//! ```text
//! scores of a mixture    Σⱼ nⱼ sⱼ / Σⱼ nⱼ       nⱼ: how often kind j was added
//! ```
//! The order of rows has no derivative by the weights, so that candidates are tried; the best of the ten mixtures is taken. Only
//! the order of scores counts, so that a sum of weights below 1 would say nothing.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::stack::Weighed;
use crate::loss::Labels;
use crate::metric::{Gain, Metric};

/// How many kinds are added.
const ADDITIONS: usize = 10;

/// By how much more nDCG a mixture is better than a smaller one.
const GAIN: f64 = 1e-6;

/// The weights of kinds for a ranking, from their scores, `rows × kinds`; errors are 1 − nDCG@10. `None` if no kind has scores in
/// all rows, or no order is better than another.
pub(super) fn best_ranking(
    scores: ArrayView2<'_, f64>,
    labels: &[f64],
    weights: &[f64],
    groups: Option<&[u64]>,
) -> Option<Weighed> {
    let n_kinds = scores.ncols();
    let targets = Array2::from_shape_vec((labels.len(), 1), labels.to_vec()).ok()?;
    let weights = Array1::from(weights.to_vec());
    let labels = Labels { targets: targets.view(), weights: Some(weights.view()), groups };
    let metric = Metric::Ndcg { k: Some(10), gain: Gain::Exponential };
    let ndcg = |scores: &Array2<f64>| metric.evaluate(scores.view(), &labels);
    let alone = |j: usize| scores.column(j).to_owned().insert_axis(Axis(1));
    let of_kinds: Vec<Option<f64>> = (0..n_kinds)
        .map(|j| alone(j).iter().all(|score| score.is_finite()).then(|| ndcg(&alone(j))).flatten())
        .collect();
    let usable: Vec<usize> = (0..n_kinds).filter(|&j| of_kinds[j].is_some()).collect();
    let (mut sum, mut times) = (Array2::<f64>::zeros((labels.targets.nrows(), 1)), vec![0_usize; n_kinds]);
    let mut best: Option<(f64, Vec<usize>)> = None;
    for _ in 0..ADDITIONS {
        let mut added: Option<(f64, usize)> = None;
        for &j in &usable {
            let found = ndcg(&(&sum + &alone(j)))?;
            if added.is_none_or(|(most, _)| found > most + GAIN) {
                added = Some((found, j));
            }
        }
        let (found, j) = added?;
        sum += &alone(j);
        times[j] += 1;
        if best.as_ref().is_none_or(|(most, _)| found > most + GAIN) {
            best = Some((found, times.clone()));
        }
    }
    let (most, times) = best?;
    let constant = ndcg(&Array2::zeros((labels.targets.nrows(), 1)));
    // No order of the rows is better than another.
    if usable.iter().all(|&j| of_kinds[j] == constant) && constant == Some(most) {
        return None;
    }
    let n: usize = times.iter().sum();
    Some(Weighed {
        weights: times.iter().map(|&times| times as f64 / n as f64).collect(),
        errors: of_kinds.into_iter().map(|ndcg| ndcg.map_or(f64::NAN, |ndcg| 1.0 - ndcg)).collect(),
        error: 1.0 - most,
        of_constant: constant.map_or(f64::NAN, |ndcg| 1.0 - ndcg),
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::best_ranking;

    /// Two kinds that see one half of the relevance each, and one that sees nothing.
    #[test]
    fn kinds_that_see_different_halves_are_mixed_and_noise_is_left_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let n = 400;
        let halves = Array2::from_shape_fn((n, 2), |_| f64::from(rng.random_range(0..3_u8)));
        let labels: Vec<f64> = halves.rows().into_iter().map(|row| row.sum()).collect();
        let groups: Vec<u64> = (0..n as u64).map(|row| row / 10).collect();
        let noise: Vec<f64> = (0..n).map(|_| rng.random_range(0.0..3.0)).collect();
        let scores = Array2::from_shape_fn((n, 3), |(i, j)| if j < 2 { halves[[i, j]] } else { noise[i] });
        let found = best_ranking(scores.view(), &labels, &vec![1.0; n], Some(&groups)).expect("rows to rank");
        // The sum of both halves is the relevance.
        assert!(found.error < 1e-12 && found.weights == [0.5, 0.5, 0.0], "{found:?}");
        assert!(found.errors.iter().all(|&error| error > 0.01) && found.of_constant > 0.1, "{found:?}");
    }

    #[test]
    fn what_cannot_be_ranked_has_no_weights() {
        let scores = Array2::from_elem((3, 2), 1.0);
        // Without relevant rows there is no order that is better than another.
        assert!(best_ranking(scores.view(), &[0.0; 3], &[1.0; 3], None).is_none());
        let unknown = Array2::from_shape_fn((3, 2), |(i, j)| if j == 0 { f64::NAN } else { i as f64 });
        let found =
            best_ranking(unknown.view(), &[0.0, 1.0, 2.0], &[1.0; 3], None).expect("one kind has scores");
        assert!(found.weights == [0.0, 1.0] && found.errors[0].is_nan() && found.error == 0.0, "{found:?}");
    }
}
