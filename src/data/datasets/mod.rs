//! Built-in problems: tables made from a formula and a seed, for learning, testing and measuring.
//!
//! | problem | features | targets |
//! |---|---|---|
//! | [`robot_arm`] | state and build of a two-link arm | two joint torques |
//! | [`related_tasks`] | normal numbers | any number of regressions, as much alike as you say |
//! | [`mixed_tasks`] | normal numbers | a number, a yes or no, one of five classes, a relevance; many labels missing |
//! | [`shapes`] | a grey image | which shape it shows, and the box around it |
//!
//! The same seed gives the same table. Numbers are computed in `f64` and rounded to the table's type, so the
//! `f32` table is the rounded `f64` table.

mod mixed_tasks;
mod related_tasks;
mod robot_arm;
mod shapes;

use ndarray::Array2;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

pub use mixed_tasks::mixed_tasks;
pub use related_tasks::related_tasks;
pub use robot_arm::robot_arm;
pub use shapes::shapes;

use super::Dataset;
use crate::Scalar;

/// The random numbers of a problem.
struct Draws(ChaCha8Rng);

impl Draws {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `low` up to `high`, all equally likely.
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// One of 0, 1 … `count` − 1, all equally likely.
    fn index(&mut self, count: usize) -> usize {
        (self.uniform(0.0, count as f64) as usize).min(count - 1)
    }

    /// A normal number with mean 0 and standard deviation 1.
    fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }
}

/// The table whose row i is `row(i)`: features, and targets.
fn table<F: Scalar, const T: usize>(
    features: &[&str],
    targets: [&str; T],
    n: usize,
    mut row: impl FnMut(usize) -> (Vec<f64>, [f64; T]),
) -> Dataset<F> {
    let mut x = Array2::zeros((n, features.len()));
    let mut y = Array2::zeros((n, T));
    for i in 0..n {
        let (inputs, outputs) = row(i);
        x.row_mut(i).iter_mut().zip(inputs).for_each(|(x, input)| *x = F::from_f64(input));
        y.row_mut(i).iter_mut().zip(outputs).for_each(|(y, output)| *y = F::from_f64(output));
    }
    named(x, y, features, &targets)
}

/// A table of numbers that are known to be fit for one.
fn named<F: Scalar>(
    x: Array2<F>,
    y: Array2<F>,
    features: &[impl AsRef<str>],
    targets: &[impl AsRef<str>],
) -> Dataset<F> {
    Dataset::new(x, y)
        .and_then(|data| data.with_feature_names(features.iter().map(AsRef::as_ref)))
        .and_then(|data| data.with_target_names(targets.iter().map(AsRef::as_ref)))
        .expect("a formula of finite numbers gives a table")
}

#[track_caller]
fn check_rows(n: usize) {
    assert!(n > 0, "a table of 0 rows was asked for; it has at least one");
}

#[track_caller]
fn check_noise(noise: f64) {
    assert!(
        noise.is_finite() && noise >= 0.0,
        "noise {noise}; a standard deviation is finite and at least 0"
    );
}
