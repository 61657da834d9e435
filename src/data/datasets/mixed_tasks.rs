//! Four kinds of task on one table, with missing labels.
//!
//! The labels depend on three hidden quantities, computed from eight normal features, which all tasks share:
//!
//! ```text
//! a = tanh(x₀ − x₁ + x₂ / 2)        b = sin(x₃ + x₄ / 2)        c = |x₅| − √(2/π)        x₆, x₇ are not used
//!
//! value      = 2 a + b − c + 0.1 ε                                    a number
//! accepted   = 1 with probability 1 / (1 + e^(−3 a − 2 b)), else 0    yes or no
//! grade      = how many of ∓1.2, ∓0.35 are below a + b + 0.2 ε        one of 0, 1, 2, 3, 4
//! relevance  = how many of −1, 0, 1 are below b + c + s + 0.2 ε       0 to 3, to be ranked within a query
//! ```
//!
//! A query has 4 to 12 rows and a strictness s ~ N(0, 1) of its own, on which no feature depends: the order of
//! its rows can be learnt, the size of their relevance cannot. The problem was made for this crate.

use super::{Draws, check_rows, table};
use crate::Scalar;
use crate::data::Dataset;

const FEATURES: [&str; 8] = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"];

/// Four tasks on the same rows: a regression (`value`), a yes or no (`accepted`), one of five classes (`grade`)
/// and a ranking within queries (`relevance`). A share `missing` of the labels is missing at random.
///
/// ```text
/// a = tanh(x₀ − x₁ + x₂ / 2)        b = sin(x₃ + x₄ / 2)        c = |x₅| − √(2/π)        x ~ N(0, I₈)
///
/// value      = 2 a + b − c + 0.1 ε
/// accepted   = 1 with probability 1 / (1 + e^(−3 a − 2 b)), else 0
/// grade      = how many of −1.2, −0.35, 0.35, 1.2 are below a + b + 0.2 ε
/// relevance  = how many of −1, 0, 1 are below b + c + s + 0.2 ε
/// ```
///
/// The groups of the table are queries of 4 to 12 rows, each with a hidden s ~ N(0, 1). The last query has the
/// rows that are left. If that is a single row, which could not be ranked, it belongs to the query before it
/// (with an s of its own, so that a short table equals the first rows of a longer one). Labels are missing
/// independently of each other.
///
/// ```
/// use polytask::data::datasets;
///
/// let data = datasets::mixed_tasks::<f32>(1_000, 0.4, 42);
/// assert_eq!(data.target_names(), ["value", "accepted", "grade", "relevance"]);
/// assert!(data.groups().is_some());
/// let missing = data.targets().iter().filter(|y| y.is_nan()).count();
/// assert!((1_400..1_800).contains(&missing)); // of 4 000
/// ```
///
/// # Panics
/// If `n` is 0, or `missing` is not at least 0 and below 1.
#[track_caller]
pub fn mixed_tasks<F: Scalar>(n: usize, missing: f64, seed: u64) -> Dataset<F> {
    check_rows(n);
    assert!((0.0..1.0).contains(&missing), "share {missing} of missing labels; it is at least 0 and below 1");
    let mut draws = Draws::new(seed);
    let mut groups = Vec::with_capacity(n);
    let (mut query, mut left, mut strictness) = (0, 0, 0.0);
    let data = table(&FEATURES, ["value", "accepted", "grade", "relevance"], n, |row| {
        if left == 0 {
            (left, strictness) = (4 + draws.index(9), draws.normal());
            let is_alone = row > 0 && row + 1 == n;
            query += u64::from(!is_alone);
        }
        left -= 1;
        groups.push(query);
        let x: [f64; 8] = std::array::from_fn(|_| draws.normal());
        let labels = labels(&x, strictness, &mut draws);
        (x.to_vec(), labels.map(|y| if draws.uniform(0.0, 1.0) < missing { f64::NAN } else { y }))
    });
    data.with_groups(groups).expect("every row was given a group")
}

fn labels(x: &[f64; 8], strictness: f64, draws: &mut Draws) -> [f64; 4] {
    let a = (x[0] - x[1] + x[2] / 2.0).tanh();
    let b = (x[3] + x[4] / 2.0).sin();
    let c = x[5].abs() - std::f64::consts::FRAC_2_PI.sqrt();
    let likely = 1.0 / (1.0 + (-3.0 * a - 2.0 * b).exp());
    [
        2.0 * a + b - c + 0.1 * draws.normal(),
        f64::from(draws.uniform(0.0, 1.0) < likely),
        steps(&[-1.2, -0.35, 0.35, 1.2], a + b + 0.2 * draws.normal()),
        steps(&[-1.0, 0.0, 1.0], b + c + strictness + 0.2 * draws.normal()),
    ]
}

/// How many of `thresholds` are below `x`.
fn steps(thresholds: &[f64], x: f64) -> f64 {
    thresholds.iter().filter(|&&threshold| threshold < x).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 40_000;

    fn column(data: &Dataset<f64>, name: &str) -> Vec<f64> {
        data.targets().column(data.names().target(name).unwrap()).to_vec()
    }

    #[test]
    fn labels_are_what_the_formulas_say() {
        let data = mixed_tasks::<f64>(N, 0.0, 1);
        let (value, accepted, grade) =
            (column(&data, "value"), column(&data, "accepted"), column(&data, "grade"));
        let (mut noise, mut surprise, mut graded_right) = (0.0, 0.0, 0);
        for (row, x) in data.features().rows().into_iter().enumerate() {
            let a = f64::tanh(x[0] - x[1] + 0.5 * x[2]);
            let b = f64::sin(x[3] + 0.5 * x[4]);
            noise += (value[row] - (2.0 * a + b - x[5].abs() + 0.797_884_560_802_865_4)).powi(2);
            let odds = (3.0 * a + 2.0 * b).exp();
            surprise += accepted[row] - odds / (1.0 + odds);
            // Six standard deviations of the noise either way hold every grade.
            let at_least = steps(&[-1.2, -0.35, 0.35, 1.2], a + b - 1.2);
            let at_most = steps(&[-1.2, -0.35, 0.35, 1.2], a + b + 1.2);
            assert!((at_least..=at_most).contains(&grade[row]), "grade {} at {}", grade[row], a + b);
            graded_right += usize::from(grade[row] == steps(&[-1.2, -0.35, 0.35, 1.2], a + b));
        }
        assert!(graded_right > N * 3 / 4, "{graded_right} of {N} grades are those without noise");
        // Standard errors: √(2 / N) = 0.7 % of a variance; at most 0.5 / √N = 0.0025 of a mean of yes and no.
        approx::assert_relative_eq!(noise / N as f64, 0.01, max_relative = 0.03);
        approx::assert_abs_diff_eq!(surprise / N as f64, 0.0, epsilon = 0.008);
    }

    #[test]
    fn relevance_ranks_the_rows_of_a_query() {
        let data = mixed_tasks::<f64>(N, 0.0, 5);
        let relevance = column(&data, "relevance");
        let score = |row: usize| {
            let x = data.feature_row(row);
            (x[3] + 0.5 * x[4]).sin() + x[5].abs()
        };
        let (mut pairs, mut ordered) = (0, 0);
        for query in crate::data::batches::members(data.groups().unwrap()) {
            for (&i, &j) in query.iter().flat_map(|i| query.iter().map(move |j| (i, j))) {
                // Six standard deviations of the difference of two noises.
                if score(i) - score(j) > 6.0 * 0.2 * 2_f64.sqrt() {
                    assert!(relevance[i] >= relevance[j], "rows {i} and {j}");
                    pairs += 1;
                    ordered += usize::from(relevance[i] > relevance[j]);
                }
            }
        }
        assert!(pairs > 10_000 && ordered > pairs * 3 / 4, "{ordered} of {pairs} pairs differ in relevance");
    }

    #[test]
    fn every_class_is_common_enough_to_be_learnt() {
        let data = mixed_tasks::<f64>(N, 0.0, 2);
        for (name, classes) in [("accepted", 2), ("grade", 5), ("relevance", 4)] {
            let labels = column(&data, name);
            for class in 0..classes {
                let share = labels.iter().filter(|&&y| y == f64::from(class)).count() as f64 / N as f64;
                assert!(share > 0.1, "{name} {class} has a share of {share}");
            }
        }
    }

    #[test]
    fn queries_have_4_to_12_rows_side_by_side() {
        let data = mixed_tasks::<f64>(N, 0.0, 3);
        let mut sizes: Vec<usize> =
            data.groups().unwrap().chunk_by(|a, b| a == b).map(<[u64]>::len).collect();
        let last = sizes.pop().unwrap();
        assert!((2..=13).contains(&last));
        assert!(sizes.iter().all(|size| (4..=12).contains(size)));
        for size in 4..=12 {
            // 5 000 queries, 9 sizes: 556 ± 22 of each.
            let count = sizes.iter().filter(|&&found| found == size).count();
            assert!((450..670).contains(&count), "{count} queries of {size} rows");
        }
    }

    #[test]
    fn no_row_is_alone_in_its_query() {
        for n in 2..300 {
            let data = mixed_tasks::<f64>(n, 0.0, 9);
            let shortest = data.groups().unwrap().chunk_by(|a, b| a == b).map(<[u64]>::len).min();
            assert!(shortest >= Some(2), "{n} rows");
        }
    }

    #[test]
    fn labels_are_missing_at_random() {
        let data = mixed_tasks::<f64>(N, 0.4, 4);
        for name in data.target_names() {
            let missing = column(&data, name).iter().filter(|y| y.is_nan()).count() as f64 / N as f64;
            // Standard error: √(0.24 / N) = 0.25 %.
            approx::assert_abs_diff_eq!(missing, 0.4, epsilon = 0.01);
        }
        let rows_without = data.targets().rows().into_iter().filter(|y| y.iter().all(|y| y.is_nan())).count();
        approx::assert_abs_diff_eq!(rows_without as f64 / N as f64, 0.4_f64.powi(4), epsilon = 0.004);
    }
}
