//! Regressions of chosen similarity: the synthetic data of Ma, Zhao, Yi, Chen, Hong and Chi, "Modeling Task
//! Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018, section 3.2. There it is
//! for two tasks, here for any number, and for families of tasks of which only those of one family are alike.
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

use ndarray::{Array1, Array2, Axis};

use super::{Draws, check_noise, check_rows, named};
use crate::Scalar;
use crate::data::Dataset;

/// The number of sines in a target.
const SINES: i32 = 10;
/// The same in a family.
const SINES_OF_FAMILIES: i32 = 2;

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
    check_tasks(n_tasks, n_features);
    check_cosine(cosine, n_tasks);

    let mut draws = Draws::new(seed);
    let weights = weights(n_features, n_tasks, cosine, &mut draws);
    with_weights(n, &weights, SINES, noise, &mut draws)
}

/// `n_families × per_family` regressions in hidden families: like [`related_tasks`], but `cosine` is between the weight vectors
/// of tasks of one family, and 0 between those of different families.
///
/// ```text
/// yₖ = zₖ + Σᵢ₌₁² sin(i zₖ + (i − 1)²) + noise · ε          zₖ = wₖᵀ x,  |wₖ| = 1
/// wⱼᵀ wₖ = cosine in a family, else 0                        task k is of family k mod n_families
/// ```
/// There are two sines instead of ten: sines of i z and i z′ have a correlation of about exp(−i² (1 − cosine)), so that at a
/// cosine of 0.9 those of higher frequency would make strangers of a family.
///
/// ```
/// use polytask::data::datasets;
///
/// // Six tasks: 0, 2 and 4 are of one family, 1, 3 and 5 of the other.
/// let data = datasets::task_families::<f32>(500, 12, 2, 3, 0.9, 0.01, 7);
/// assert_eq!((data.n_features(), data.n_targets()), (12, 6));
/// ```
///
/// # Panics
/// If `n`, `n_families` or `per_family` is 0, if there are more tasks than features, if `noise` is negative or not finite, or
/// if `cosine` is above 1 or below −1 / (per_family − 1).
#[track_caller]
pub fn task_families<F: Scalar>(
    n: usize,
    n_features: usize,
    n_families: usize,
    per_family: usize,
    cosine: f64,
    noise: f64,
    seed: u64,
) -> Dataset<F> {
    check_rows(n);
    check_noise(noise);
    let n_tasks = n_families * per_family;
    check_tasks(n_tasks, n_features);
    check_cosine(cosine, per_family);
    let mut draws = Draws::new(seed);
    let weights = family_weights(n_features, n_families, per_family, cosine, &mut draws);
    with_weights(n, &weights, SINES_OF_FAMILIES, noise, &mut draws)
}

#[track_caller]
fn check_tasks(n_tasks: usize, n_features: usize) {
    assert!(
        (1..=n_features).contains(&n_tasks),
        "{n_tasks} tasks on {n_features} features; there must be at least 1 task, and at most one for each feature"
    );
}

#[track_caller]
fn check_cosine(cosine: f64, n_tasks: usize) {
    let least = if n_tasks > 1 { -1.0 / (n_tasks - 1) as f64 } else { -1.0 };
    assert!(
        (least..=1.0).contains(&cosine),
        "cosine {cosine}; for {n_tasks} tasks it must be between {least} and 1"
    );
}

/// The table of tasks with these weights, `tasks × features`.
fn with_weights<F: Scalar>(
    n: usize,
    weights: &Array2<f64>,
    sines: i32,
    noise: f64,
    draws: &mut Draws,
) -> Dataset<F> {
    let (n_tasks, n_features) = weights.dim();
    let mut x = Array2::zeros((n, n_features));
    let mut y = Array2::zeros((n, n_tasks));
    for (mut x, mut y) in x.rows_mut().into_iter().zip(y.rows_mut()) {
        let features = Array1::from_shape_simple_fn(n_features, || draws.normal());
        x.assign(&features.map(|&feature| F::from_f64(feature)));
        for (y, z) in y.iter_mut().zip(weights.dot(&features)) {
            *y = F::from_f64(curve(z, sines) + noise * draws.normal());
        }
    }
    let features: Vec<_> = (0..n_features).map(|i| format!("x{i}")).collect();
    let targets: Vec<_> = (0..n_tasks).map(|k| format!("task{k}")).collect();
    named(x, y, &features, &targets)
}

/// z + Σᵢ sin(i z + (i − 1)²).
fn curve(z: f64, sines: i32) -> f64 {
    z + (1..=sines).map(|i| (f64::from(i) * z + f64::from((i - 1) * (i - 1))).sin()).sum::<f64>()
}

/// `tasks × features`: rows of length 1 with the given cosine between any two.
fn weights(n_features: usize, n_tasks: usize, cosine: f64, draws: &mut Draws) -> Array2<f64> {
    cholesky(n_tasks, cosine).dot(&orthonormal(n_tasks, n_features, draws))
}

/// `tasks × features`: as [`weights`] in each family, and families at right angles to each other.
fn family_weights(
    n_features: usize,
    n_families: usize,
    per_family: usize,
    cosine: f64,
    draws: &mut Draws,
) -> Array2<f64> {
    let basis = orthonormal(n_families * per_family, n_features, draws);
    let mut weights = Array2::zeros(basis.dim());
    for (family, basis) in basis.axis_chunks_iter(Axis(0), per_family).enumerate() {
        for (i, row) in cholesky(per_family, cosine).dot(&basis).rows().into_iter().enumerate() {
            weights.row_mut(i * n_families + family).assign(&row);
        }
    }
    weights
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
    fn families_have_the_cosine_within_and_none_across() {
        for (features, families, per_family, cosine) in
            [(12, 2, 3, 0.9), (6, 2, 3, -0.5), (9, 3, 2, 1.0), (4, 1, 4, 0.2), (5, 5, 1, 0.7)]
        {
            let w = family_weights(features, families, per_family, cosine, &mut Draws::new(4));
            for ((i, j), &found) in w.dot(&w.t()).indexed_iter() {
                let within = if i % families == j % families { cosine } else { 0.0 };
                let wanted = if i == j { 1.0 } else { within };
                approx::assert_abs_diff_eq!(found, wanted, epsilon = 1e-7);
            }
        }
        let data = task_families::<f64>(30, 6, 2, 3, 0.4, 0.0, 5);
        let w = family_weights(6, 2, 3, 0.4, &mut Draws::new(5));
        for ((row, task), &found) in data.targets().indexed_iter() {
            let z = w.row(task).dot(&data.features().row(row));
            approx::assert_abs_diff_eq!(found, z + z.sin() + (2.0 * z + 1.0).sin(), epsilon = 1e-12);
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
