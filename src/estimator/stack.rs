//! How much weight each kind of network gets: the least squared error, or log loss, of their mixture on held-out rows.
//!
//! L. Breiman, "Stacked regressions", Machine Learning 24, 1996. Kind j has predicted pᵢⱼ for row i without having learnt
//! from it; yᵢ is the label, ωᵢ its weight, and p₀ = μ the labels' mean, as one kind more.
//!
//! ```text
//! quantities    min  Σᵢ ωᵢ (yᵢ − Σⱼ wⱼ pᵢⱼ)²   over w ≥ 0, Σⱼ wⱼ = 1   (j = 0, 1 … K)
//!               As Σⱼ wⱼ = 1, the objective is  wᵀ Q w,  Q[j, l] = Σᵢ ωᵢ (yᵢ − pᵢⱼ)(yᵢ − pᵢₗ).
//!               w₀ > 0 is a sum of the others below 1: what is predicted shrinks to the mean.
//! ```
//! Where a set S of kinds is known outside of which w is 0, let s be its first, so that w_s = 1 − Σ of the others. These are at
//!
//! ```text
//! G w = b    G[j, l] = Q[s, s] − Q[s, j] − Q[s, l] + Q[j, l],  b[j] = Q[s, s] − Q[s, j]    (j, l in S without s)
//! ```
//! There are at most 63 sets of the mean and five kinds, so all of them are tried, small ones first, and the best one without a
//! negative weight is taken. G is the Gramian of the differences of predictions. Where it is singular S is passed over: these
//! lie on a line, or a plane, on which fewer kinds reach the same.
//!
//! ```text
//! classes       max  L(w) = Σᵢ ωᵢ ln Σⱼ wⱼ pᵢⱼ / Σᵢ ωᵢ    over w ≥ 0, Σⱼ wⱼ = 1;   pᵢⱼ: the probability of the label
//!               gⱼ = ∂L/∂wⱼ = Σᵢ ωᵢ pᵢⱼ / Σₗ wₗ pᵢₗ / Σᵢ ωᵢ,     wⱼ ← wⱼ gⱼ    (EM for the weights of a mixture)
//! ```
//! L is concave, and Σ wⱼ gⱼ = 1, so that no w has more than L(w) + maxⱼ gⱼ − 1: when that excess is small, we are done. It is
//! below ln K / t after some of t steps.

use ndarray::{ArrayView1, ArrayView2};

/// What came out for one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// One for each kind.
    pub weights: Vec<f64>,
    /// The error of each kind alone; not finite if its predictions are not.
    pub errors: Vec<f64>,
    /// The error of the mixture.
    pub error: f64,
    /// The error of what predicts the same for all rows.
    pub of_constant: f64,
}

/// A pivot of G below this share of the largest mean squared error is rounding: G is a difference of sums that are exact to
/// about 1e-16 times the root of the number of rows.
const SINGULAR: f64 = 1e-11;

/// By how much more of a kind must lower the objective: below it, fewer kinds are as good.
const GAIN: f64 = 1e-9;

/// EM ends when the mean log loss is within this of the best.
const EXCESS: f64 = 1e-5;

/// The bound ln K / t on the excess is below 4e-4 then; it is rarely reached.
const MOST_STEPS: usize = 4_000;

/// The weights of kinds for quantities, from their predictions, `rows × kinds`, and labels with weights above 0, whose mean is
/// `mean`; errors are RMSE. `None` if nothing has a finite error.
pub(super) fn least_squares(
    predictions: ArrayView2<'_, f64>,
    labels: &[f64],
    weights: &[f64],
    mean: f64,
) -> Option<Weighed> {
    let n_kinds = predictions.ncols();
    // In units of the largest deviation, so that squares of large labels are finite.
    let largest = labels.iter().fold(0.0_f64, |most, y| most.max((y - mean).abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let total: f64 = weights.iter().sum();
    let mut q = vec![vec![0.0; n_kinds + 1]; n_kinds + 1];
    let mut residuals = vec![0.0; n_kinds + 1];
    for ((row, &y), &weight) in predictions.rows().into_iter().zip(labels).zip(weights) {
        residuals[0] = (y - mean) / unit;
        for (residual, &p) in residuals[1..].iter_mut().zip(row) {
            *residual = (y - p) / unit;
        }
        for j in 0..=n_kinds {
            for l in 0..=j {
                q[j][l] += weight / total * residuals[j] * residuals[l];
            }
        }
    }
    for j in 0..=n_kinds {
        for l in 0..j {
            q[l][j] = q[j][l];
        }
    }
    let w = least_on_simplex(&q)?;
    let rmse = |square: f64| unit * square.max(0.0).sqrt();
    Some(Weighed {
        errors: (1..=n_kinds).map(|j| if q[j][j].is_nan() { f64::NAN } else { rmse(q[j][j]) }).collect(),
        error: rmse(value(&q, &w)),
        of_constant: rmse(q[0][0]),
        weights: w[1..].to_vec(),
    })
}

/// wᵀ Q w, without what has no weight.
fn value(q: &[Vec<f64>], w: &[f64]) -> f64 {
    let of = |j: usize| (0..w.len()).filter(|&l| w[l] > 0.0).map(|l| w[l] * q[j][l]).sum::<f64>() * w[j];
    (0..w.len()).filter(|&j| w[j] > 0.0).map(of).sum()
}

/// The w ≥ 0 with Σ w = 1 that has the least wᵀ Q w, among those that are 0 where Q's diagonal is not finite.
fn least_on_simplex(q: &[Vec<f64>]) -> Option<Vec<f64>> {
    let n = q.len();
    let finite: Vec<usize> = (0..n).filter(|&j| q[j][j].is_finite()).collect();
    let mut sets: Vec<Vec<usize>> = (1..1_usize << finite.len())
        .map(|set| (0..finite.len()).filter(|bit| set >> bit & 1 == 1).map(|bit| finite[bit]).collect())
        .collect();
    sets.sort_by_key(Vec::len);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for set in &sets {
        let Some(of_set) = on_hyperplane(q, set) else { continue };
        if of_set.iter().any(|&w| w < 0.0) {
            continue;
        }
        let mut w = vec![0.0; n];
        set.iter().zip(of_set).for_each(|(&j, of_kind)| w[j] = of_kind);
        let found = value(q, &w);
        if best.as_ref().is_none_or(|(least, _)| found < least - GAIN * least.abs()) {
            best = Some((found, w));
        }
    }
    best.map(|(_, w)| w)
}

/// The w of a set with Σ w = 1 that has the least wᵀ Q w, by Cholesky's decomposition of G; `None` if that is singular.
fn on_hyperplane(q: &[Vec<f64>], set: &[usize]) -> Option<Vec<f64>> {
    let (s, others) = (set[0], &set[1..]);
    let n = others.len();
    let largest = set.iter().map(|&j| q[j][j]).fold(0.0, f64::max);
    let mut c = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let of_g = q[s][s] - q[s][others[i]] - q[s][others[j]] + q[others[i]][others[j]];
            let rest = of_g - (0..j).map(|k| c[i][k] * c[j][k]).sum::<f64>();
            if i > j {
                c[i][j] = rest / c[j][j];
                continue;
            }
            // NaN is above nothing.
            let is_regular = rest > SINGULAR * largest;
            if !is_regular {
                return None;
            }
            c[i][i] = rest.sqrt();
        }
    }
    let mut w: Vec<f64> = others.iter().map(|&j| q[s][s] - q[s][j]).collect();
    for i in 0..n {
        w[i] = (w[i] - (0..i).map(|k| c[i][k] * w[k]).sum::<f64>()) / c[i][i];
    }
    for i in (0..n).rev() {
        w[i] = (w[i] - (i + 1..n).map(|k| c[k][i] * w[k]).sum::<f64>()) / c[i][i];
    }
    w.insert(0, 1.0 - w.iter().sum::<f64>());
    Some(w)
}

/// The weights of kinds for classes, from the probability that each gives to the label of each row, `rows × kinds`, and
/// weights above 0 of the rows; errors are mean log losses. `None` if no kind has numbers in all rows.
///
/// A row to whose label no kind gives any probability says nothing of the weights; then all errors are infinite.
pub(super) fn least_log_loss(
    probabilities: ArrayView2<'_, f64>,
    labels: &[f64],
    weights: &[f64],
) -> Option<Weighed> {
    let n_kinds = probabilities.ncols();
    let total: f64 = weights.iter().sum();
    let usable: Vec<bool> =
        probabilities.columns().into_iter().map(|of_kind| of_kind.iter().all(|p| p.is_finite())).collect();
    let n_usable = usable.iter().filter(|&&usable| usable).count();
    if n_usable == 0 {
        return None;
    }
    let mut w: Vec<f64> =
        usable.iter().map(|&usable| if usable { 1.0 / n_usable as f64 } else { 0.0 }).collect();
    let mixed = |w: &[f64], row: ArrayView1<'_, f64>| -> f64 {
        row.iter().zip(w).filter(|&(_, &w)| w > 0.0).map(|(p, w)| w * p).sum()
    };
    for _ in 0..MOST_STEPS {
        let (mut g, mut counted) = (vec![0.0; n_kinds], 0.0);
        for (row, &weight) in probabilities.rows().into_iter().zip(weights) {
            let mixture = mixed(&w, row);
            if mixture > 0.0 {
                counted += weight;
                (0..n_kinds).filter(|&j| usable[j]).for_each(|j| g[j] += weight * (row[j] / mixture));
            }
        }
        if counted == 0.0 {
            break;
        }
        g.iter_mut().for_each(|g| *g /= counted);
        if g.iter().copied().fold(0.0, f64::max) - 1.0 <= EXCESS {
            break;
        }
        w.iter_mut().zip(&g).for_each(|(w, g)| *w *= g);
        let sum: f64 = w.iter().sum();
        w.iter_mut().for_each(|w| *w /= sum);
    }
    let mean_loss = |probability: &dyn Fn(usize) -> f64| {
        (0..weights.len()).map(|i| -weights[i] * probability(i).ln()).sum::<f64>() / total
    };
    let share = |label: f64| -> f64 {
        let of_label = labels.iter().zip(weights).filter(|&(&other, _)| other == label);
        of_label.map(|(_, weight)| weight).sum::<f64>() / total
    };
    let mut classes = labels.to_vec();
    classes.sort_by(f64::total_cmp);
    classes.dedup();
    let shares = classes.into_iter().map(share).filter(|&share| share > 0.0);
    Some(Weighed {
        errors: (0..n_kinds).map(|j| mean_loss(&|i| probabilities[[i, j]])).collect(),
        error: mean_loss(&|i| mixed(&w, probabilities.row(i))),
        of_constant: shares.map(|share| -share * share.ln()).sum(),
        weights: w,
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The least of an objective over a grid of weights with Σ w = 1, in steps of 1/n.
    fn on_grid(n_kinds: usize, n: usize, objective: &dyn Fn(&[f64]) -> f64) -> f64 {
        fn visit(left: usize, n: usize, w: &mut Vec<f64>, n_kinds: usize, see: &mut dyn FnMut(&[f64])) {
            if w.len() + 1 == n_kinds {
                w.push(left as f64 / n as f64);
                see(w);
                w.pop();
                return;
            }
            for k in 0..=left {
                w.push(k as f64 / n as f64);
                visit(left - k, n, w, n_kinds, see);
                w.pop();
            }
        }
        let mut least = f64::INFINITY;
        visit(n, n, &mut Vec::new(), n_kinds, &mut |w| least = least.min(objective(w)));
        least
    }

    fn squared(p: &Array2<f64>, y: &[f64], omega: &[f64], mean: f64, w: &[f64]) -> f64 {
        let total: f64 = omega.iter().sum();
        let of_row = |i: usize| {
            let mixed: f64 = (0..w.len()).map(|j| w[j] * (p[[i, j]] - mean)).sum();
            omega[i] * (y[i] - mean - mixed).powi(2)
        };
        (0..y.len()).map(of_row).sum::<f64>() / total
    }

    #[test]
    fn least_squares_is_no_worse_than_a_grid_and_has_its_value() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n_kinds in 1..=4 {
            for case in 0..30 {
                let n = 6 + case;
                let y: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
                let omega: Vec<f64> = (0..n).map(|_| rng.random_range(0.1..2.0)).collect();
                let noise = 0.1 + 0.1 * case as f64;
                let p =
                    Array2::from_shape_fn((n, n_kinds), |(i, _)| y[i] + noise * rng.random_range(-1.0..1.0));
                let mean = y.iter().zip(&omega).map(|(y, w)| y * w).sum::<f64>() / omega.iter().sum::<f64>();
                let found = least_squares(p.view(), &y, &omega, mean).expect("finite numbers");
                let sum: f64 = found.weights.iter().sum();
                assert!(found.weights.iter().all(|&w| w >= 0.0) && sum < 1.0 + 1e-12, "{found:?}");
                let own = squared(&p, &y, &omega, mean, &found.weights);
                // The objective by hand is that of the report, but for a few dozen roundings.
                assert!((own.sqrt() - found.error).abs() < 1e-12, "{own} {found:?}");
                // The last weight of the grid is the mean's.
                let grid = on_grid(n_kinds + 1, [0, 400, 100, 30, 16][n_kinds], &|w| {
                    squared(&p, &y, &omega, mean, &w[..n_kinds])
                });
                // It takes fewer kinds that are worse by 1e-9 of the objective.
                assert!(own <= grid * (1.0 + 1e-8) + 1e-15, "{n_kinds} kinds, {case}: {own} {grid}");
                assert!(grid - own < 0.05, "{own} {grid}");
                for (j, error) in found.errors.iter().enumerate() {
                    let alone: Vec<f64> = (0..n_kinds).map(|l| f64::from(u8::from(l == j))).collect();
                    assert!((squared(&p, &y, &omega, mean, &alone).sqrt() - error).abs() < 1e-12);
                }
            }
        }
    }

    /// By scipy.optimize.nnls 1.17 on the rows and one more, 1e6 · (Σ w = 1), where the sum is above 1 without it.
    #[test]
    fn least_squares_agrees_with_scipy() {
        let cases: [(usize, f64, f64, &[f64], f64); 5] = [
            (25, 0.5, 1.0, &[0.3219628425, 0.367687976, 0.3103491815], 0.194780368434),
            (25, 0.9, 0.8, &[0.2066877326, 0.1004870422, 0.3449469929, 0.3478782323], 0.314975975190),
            (40, 0.3, 2.0, &[0.1668919825, 0.1610982502, 0.1707442385], 0.121015237679),
            (12, 1.5, 0.5, &[0.1519028718, 0.1594496499], 0.548297014685),
            (30, 0.2, 0.6, &[0.1630369743, 0.0, 0.4564601832, 0.3805028425], 0.293470003624),
        ];
        for (n, scale, shrink, weights, error) in cases {
            let y: Vec<f64> = (0..n).map(|i| (1.7 * i as f64).sin() + 0.1 * (i % 4) as f64).collect();
            let omega: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
            let p = Array2::from_shape_fn((n, weights.len()), |(i, j)| {
                shrink * y[i] + scale * (0.9 * i as f64 * (j + 1) as f64 + j as f64).sin()
            });
            let mean = y.iter().zip(&omega).map(|(y, w)| y * w).sum::<f64>() / omega.iter().sum::<f64>();
            let found = least_squares(p.view(), &y, &omega, mean).unwrap();
            // SciPy's constraint is a row of 1e6, and its numbers are printed to ten digits.
            assert!((found.error - error).abs() < 1e-8, "{found:?} {error}");
            assert!(found.weights.iter().zip(weights).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn a_sum_below_one_shrinks_to_the_mean_and_a_harmful_kind_has_none() {
        let y = [1.0, -1.0, 2.0, -2.0];
        let far = array![[3.0], [-3.0], [6.0], [-6.0]];
        let found = least_squares(far.view(), &y, &[1.0; 4], 0.0).unwrap();
        assert!((found.weights[0] - 1.0 / 3.0).abs() < 1e-12 && found.error < 1e-7, "{found:?}");
        let opposite = far.mapv(|p| -p);
        let found = least_squares(opposite.view(), &y, &[1.0; 4], 0.0).unwrap();
        assert_eq!((found.weights[0], found.error), (0.0, found.of_constant));
        // A kind that is always right, and its copy.
        let right = Array2::from_shape_fn((4, 2), |(i, _)| y[i]);
        let found = least_squares(right.view(), &y, &[1.0; 4], 0.0).unwrap();
        assert_eq!((found.weights, found.error), (vec![1.0, 0.0], 0.0));
    }

    #[test]
    fn what_is_not_finite_has_no_weight_and_constants_are_the_mean() {
        let y = [1.0, -1.0, 2.0];
        for wrong in [f64::NAN, f64::INFINITY, 1e300] {
            let p = array![[0.9, wrong], [-0.8, 0.0], [1.7, 0.0]];
            let found = least_squares(p.view(), &y, &[1.0; 3], 0.0).unwrap();
            assert!(found.weights[1] == 0.0 && found.weights[0] > 0.9, "{found:?}");
            assert!(found.error.is_finite(), "{found:?}");
            assert!(found.errors[1].is_nan() || found.errors[1] > 1e100, "{found:?}");
        }
        let p = array![[7.5, 7.0], [7.5, 8.0]];
        let found = least_squares(p.view(), &[7.5, 7.5], &[1.0; 2], 7.5).unwrap();
        assert_eq!((found.error, found.of_constant), (0.0, 0.0));
        // Labels whose squares are beyond the largest number.
        let p = array![[1e200], [-1e200]];
        let found = least_squares(p.view(), &[2e200, -2e200], &[1.0; 2], 0.0).unwrap();
        assert_eq!((found.weights[0], found.error), (1.0, 1e200));
        assert_eq!(least_log_loss(array![[f64::NAN], [0.5]].view(), &[0.0; 2], &[1.0; 2]), None);
    }

    fn log_loss(p: &Array2<f64>, omega: &[f64], w: &[f64]) -> f64 {
        let mixed = |i: usize| (0..w.len()).map(|j| w[j] * p[[i, j]]).sum::<f64>();
        (0..omega.len()).map(|i| -omega[i] * mixed(i).ln()).sum::<f64>() / omega.iter().sum::<f64>()
    }

    #[test]
    fn the_log_loss_is_within_the_excess_of_a_fine_grid() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for n_kinds in 1..=4 {
            for case in 0..20 {
                let n = 5 + 3 * case;
                let omega: Vec<f64> = (0..n).map(|_| rng.random_range(0.1..2.0)).collect();
                let p = Array2::from_shape_fn((n, n_kinds), |(_, j)| {
                    rng.random_range(0.0..1.0_f64).powi(1 + j as i32)
                });
                let found = least_log_loss(p.view(), &vec![0.0; n], &omega).unwrap();
                assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let grid = on_grid(n_kinds, [0, 1, 5000, 100, 30][n_kinds], &|w| log_loss(&p, &omega, w));
                assert!(found.error <= grid + EXCESS, "{n_kinds} kinds, {case}: {} {grid}", found.error);
                assert!((log_loss(&p, &omega, &found.weights) - found.error).abs() < 1e-12);
                assert_eq!(found.of_constant, 0.0); // one class
            }
        }
    }

    #[test]
    fn rows_that_no_kind_expects_leave_the_weights_to_the_others() {
        let p = array![[0.9, 0.1], [0.8, 0.2], [0.0, 0.0]];
        let found = least_log_loss(p.view(), &[0.0, 1.0, 0.0], &[1.0; 3]).unwrap();
        assert!(found.weights[0] > 0.99 && found.error == f64::INFINITY, "{found:?}");
        let third = 1.0_f64 / 3.0;
        let entropy = -(third * third.ln() + 2.0 * third * (2.0 * third).ln());
        assert!((found.of_constant - entropy).abs() < 1e-12);
        let p = array![[0.9, f64::NAN], [0.8, 0.2]];
        assert_eq!(least_log_loss(p.view(), &[0.0; 2], &[1.0; 2]).unwrap().weights, [1.0, 0.0]);
        let none = least_log_loss(array![[0.0, 0.0]].view(), &[1.0], &[1.0]).unwrap();
        assert_eq!((none.weights, none.error), (vec![0.5, 0.5], f64::INFINITY));
    }
}
