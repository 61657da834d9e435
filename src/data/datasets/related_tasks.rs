//! Regressions of chosen similarity: the synthetic data of Ma, Zhao, Yi, Chen, Hong and Chi, "Modeling Task
//! Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018, section 3.2. There it is
//! for two tasks, here for any number.
//!
//! ```text
//! x  ~ N(0, I_d)
//! yₖ = zₖ + Σᵢ₌₁¹⁰ sin(i zₖ + (i − 1)²) + noise · ε         zₖ = wₖᵀ x,  ε ~ N(0, 1)
//! ```
//!
//! The paper does not give the frequencies and phases of the sines; i and (i − 1)² for i = 1 … 10 are from the
//! code that its authors published. We need weights of norm 1 with cosine p between any two. Their Gram matrix
//! has 1 on the diagonal and p elsewhere; with its Cholesky factor L and orthonormal u₁ … u_K, they are wₖ = Σⱼ
//! Lₖⱼ uⱼ. For two tasks this gives the paper's w₁ = u₁, w₂ = p u₁ + √(1 − p²) u₂.

use ndarray::{Array1, Array2};

use super::{Draws, check_noise, check_rows, named};
use crate::Scalar;
use crate::data::Dataset;

/// The number of sines in a target.
const SINES: i32 = 10;

/// `n_tasks` regressions on `n_features` normal features. Each task has a weight vector, and `cosine` is the
/// cosine between any two of them: with 1 the tasks are the same up to noise, with 0 they are unrelated.
///
/// ```text
/// yₖ = zₖ + Σᵢ₌₁¹⁰ sin(i zₖ + (i − 1)²) + noise · ε         zₖ = wₖᵀ x,  |wₖ| = 1,  wⱼᵀ wₖ = cosine
/// ```
///
/// The targets are called `task0, task1, …`. Another seed draws other weights, so for training and testing
/// split one table instead of making two. Source: Ma et al., "Modeling Task Relationships in Multi-task
/// Learning with Multi-gate Mixture-of-Experts", KDD 2018, with noise 0.01 and cosines 0.5, 0.9 and 1 for 100
/// features.
///
/// ```
/// use polytask::data::datasets;
///
/// let data = datasets::related_tasks::<f32>(500, 20, 3, 0.9, 0.01, 7);
/// assert_eq!((data.n_features(), data.n_targets()), (20, 3));
/// ```
///
/// # Panics
/// If `n` or `n_tasks` is 0, if there are more tasks than features, if `noise` is negative or not finite, or if
/// `cosine` is above 1 or below −1 / (n_tasks − 1), the smallest that is possible between that many vectors.
#[track_caller]
pub fn related_tasks<F: Scalar>(
    n: usize,
    n_features: usize,
    n_tasks: usize,
    cosine: f64,
    noise: f64,
    seed: u64,
) -> Dataset<F> {
    check_rows(n);
    check_noise(noise);
    assert!(
        (1..=n_features).contains(&n_tasks),
        "{n_tasks} tasks on {n_features} features; there must be at least 1 task, and at most one for each feature"
    );
    let least = if n_tasks > 1 { -1.0 / (n_tasks - 1) as f64 } else { -1.0 };
    assert!(
        (least..=1.0).contains(&cosine),
        "cosine {cosine}; for {n_tasks} tasks it must be between {least} and 1"
    );

    let mut draws = Draws::new(seed);
    let weights = weights(n_features, n_tasks, cosine, &mut draws);
    let mut x = Array2::zeros((n, n_features));
    let mut y = Array2::zeros((n, n_tasks));
    for (mut x, mut y) in x.rows_mut().into_iter().zip(y.rows_mut()) {
        let features = Array1::from_shape_simple_fn(n_features, || draws.normal());
        x.assign(&features.map(|&feature| F::from_f64(feature)));
        for (y, z) in y.iter_mut().zip(weights.dot(&features)) {
            *y = F::from_f64(curve(z) + noise * draws.normal());
        }
    }
    let features: Vec<_> = (0..n_features).map(|i| format!("x{i}")).collect();
    let targets: Vec<_> = (0..n_tasks).map(|k| format!("task{k}")).collect();
    named(x, y, &features, &targets)
}

/// z + Σᵢ sin(i z + (i − 1)²).
fn curve(z: f64) -> f64 {
    z + (1..=SINES).map(|i| (f64::from(i) * z + f64::from((i - 1) * (i - 1))).sin()).sum::<f64>()
}

/// `tasks × features`: rows of length 1 with the given cosine between any two.
fn weights(n_features: usize, n_tasks: usize, cosine: f64, draws: &mut Draws) -> Array2<f64> {
    cholesky(n_tasks, cosine).dot(&orthonormal(n_tasks, n_features, draws))
}

/// Rows of length 1 at right angles to each other, in random directions (Gram and Schmidt).
fn orthonormal(rows: usize, columns: usize, draws: &mut Draws) -> Array2<f64> {
    let mut basis = Array2::<f64>::zeros((rows, columns));
    for i in 0..rows {
        let mut row = Array1::from_shape_simple_fn(columns, || draws.normal());
        // Twice, because a row that was nearly in the span of the others keeps some of them the first time.
        for _ in 0..2 {
            for j in 0..i {
                let other = basis.row(j);
                let along = row.dot(&other);
                row.scaled_add(-along, &other);
            }
        }
        let length = row.dot(&row).sqrt();
        basis.row_mut(i).assign(&(row / length));
    }
    basis
}

/// The lower triangle L with L Lᵀ = 1 on the diagonal and `cosine` elsewhere. Where the matrix is singular, at
/// cosine 1 and at the least one possible, the rest of a column is 0.
fn cholesky(size: usize, cosine: f64) -> Array2<f64> {
    let mut l = Array2::<f64>::zeros((size, size));
    for j in 0..size {
        let above: f64 = (0..j).map(|k| l[[j, k]] * l[[j, k]]).sum();
        let pivot = (1.0 - above).max(0.0).sqrt();
        l[[j, j]] = pivot;
        for i in j + 1..size {
            let known: f64 = (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum();
            l[[i, j]] = if pivot > 1e-7 { (cosine - known) / pivot } else { 0.0 };
        }
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_length_one_and_the_cosine_asked_for() {
        for (features, tasks, cosine) in
            [(100, 2, 0.5), (10, 10, 0.9), (5, 3, 1.0), (5, 3, -0.5), (4, 2, -1.0), (3, 1, 0.3), (6, 4, 0.0)]
        {
            let w = weights(features, tasks, cosine, &mut Draws::new(9));
            let gram = w.dot(&w.t());
            for ((i, j), &found) in gram.indexed_iter() {
                let wanted = if i == j { 1.0 } else { cosine };
                // Square roots of nearly singular pivots keep half of the digits.
                approx::assert_abs_diff_eq!(found, wanted, epsilon = 1e-7);
            }
        }
    }

    #[test]
    fn targets_are_the_formula_of_the_weights() {
        let (n, features, tasks) = (50, 7, 3);
        let data = related_tasks::<f64>(n, features, tasks, 0.4, 0.0, 5);
        let weights = weights(features, tasks, 0.4, &mut Draws::new(5));
        for row in 0..n {
            for task in 0..tasks {
                let z: f64 = (0..features).map(|i| weights[[task, i]] * data.features()[[row, i]]).sum();
                let mut y = z;
                for (i, phase) in (1..=10).zip([0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0]) {
                    y += (f64::from(i) * z + phase).sin();
                }
                approx::assert_abs_diff_eq!(data.targets()[[row, task]], y, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn tasks_of_cosine_one_are_the_same_but_for_the_noise() {
        let data = related_tasks::<f64>(20_000, 5, 2, 1.0, 0.1, 5);
        let targets = data.targets();
        let variance = targets.rows().into_iter().map(|y| (y[0] - y[1]).powi(2)).sum::<f64>() / 20_000.0;
        // The difference of two noises; the standard error of a variance is √(2 / 20 000) = 1 %.
        approx::assert_relative_eq!(variance, 2.0 * 0.1 * 0.1, max_relative = 0.04);
        // Features are standard normal: the same argument, for 100 000 of them.
        let square = data.features().iter().map(|x| x * x).sum::<f64>() / 100_000.0;
        approx::assert_abs_diff_eq!(square, 1.0, epsilon = 0.02);
    }
}
