//! A task whose probability is the product of the probabilities of two other tasks. It has outputs but no head.
//!
//! It is computed with logits, so that the outputs fit any loss of logits and precision is not lost when a
//! probability is near 0 or 1. With a and b the logits of the two factors, p = σ(a) σ(b):
//!
//! ```text
//! 1/p − 1 = (1 + e^−a)(1 + e^−b) − 1 = e^−a + e^−b + e^−(a+b)
//!
//! forward     z = ln (p / (1 − p)) = −ln (e^−a + e^−b + e^−(a+b))
//! backward    ∂z/∂a = (e^−a + e^−(a+b)) / (e^−a + e^−b + e^−(a+b)) = (1 − σ(a)) / (1 − p)
//! ```
//! and likewise for b. So z is minus the log-sum-exp of three numbers, and the derivatives are sums of entries
//! of their softmax. Nothing overflows, and no two nearly equal numbers are subtracted.
//!
//! The entire-space model (ESMM: Ma et al., "Entire space multi-task model", SIGIR 2018, equations 1 to 4) has
//! p(click and purchase) = p(click) · p(purchase | click), with losses on the first two and none on the third.
//! A product of three factors is a product of a product.

use ndarray::{Zip, s};

use super::trace::TaskTrace;
use crate::loss::softmax;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// Which task is the product of which two others; both factors come before it.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) task: usize,
    pub(super) factors: [usize; 2],
}

/// The logit of the product σ(a) σ(b).
fn value<F: Scalar>(a: F, b: F) -> F {
    let (largest, ln_rest) = softmax(&[-a, -b, -a - b], &mut [F::ZERO; 3]);
    -largest - ln_rest
}

/// The derivatives of that logit with respect to a and b.
fn slopes<F: Scalar>(a: F, b: F) -> [F; 2] {
    let mut share = [F::ZERO; 3];
    softmax(&[-a, -b, -a - b], &mut share);
    [share[0] + share[2], share[1] + share[2]]
}

impl Product {
    /// Computes the outputs of the product from those of its factors, for the first `n` rows.
    pub(super) fn forward<F: Scalar>(&self, tasks: &mut [TaskTrace<F>], n: usize) {
        let (before, from) = tasks.split_at_mut(self.task);
        let [a, b] = self.factors.map(|factor| before[factor].outputs.slice(s![..n, ..]));
        Zip::from(from[0].outputs.slice_mut(s![..n, ..]))
            .and(a)
            .and(b)
            .for_each(|z, &a, &b| *z = value(a, b));
    }

    /// Propagates the seed (the weighted delta) of the product to the seeds of its factors.
    fn backward<F: Scalar>(&self, tasks: &mut [TaskTrace<F>], n: usize) {
        let (before, from) = tasks.split_at_mut(self.task);
        let asked = from[0].seed.slice(s![..n, ..]);
        for (i, &factor) in self.factors.iter().enumerate() {
            let mut seed = std::mem::take(&mut before[factor].seed);
            let [a, b] = self.factors.map(|factor| before[factor].outputs.slice(s![..n, ..]));
            Zip::from(seed.slice_mut(s![..n, ..]))
                .and(asked)
                .and(a)
                .and(b)
                .for_each(|seed, &asked, &a, &b| *seed += asked * slopes(a, b)[i]);
            before[factor].seed = seed;
        }
    }

    /// The products among `tasks`, in their order.
    pub(super) fn all_of(tasks: &[Task]) -> Result<Vec<Self>> {
        let mut products: Vec<Self> = Vec::new();
        for (k, task) in tasks.iter().enumerate() {
            let Some(names) = task.factors() else { continue };
            let [first, second] = names.map(|name| factor(tasks, k, name));
            products.push(Self { task: k, factors: [first?, second?] });
        }
        let learns = |k: usize| {
            tasks[k].has_loss()
                || tasks[k].factors().is_some()
                || products.iter().any(|p| p.factors.contains(&k))
        };
        match (0..tasks.len()).find(|&k| !learns(k)) {
            None => Ok(products),
            Some(k) => {
                let (place, expected) =
                    (format!("task {:?}", tasks[k].name()), "a loss, or a product that it is a factor of");
                Err(Error::new(ErrorKind::Setting, place, expected, "neither"))
            }
        }
    }
}

/// The position of the factor `name` of task `k`.
fn factor(tasks: &[Task], k: usize, name: &str) -> Result<usize> {
    let place = || format!("task {:?}, factor {name:?}", tasks[k].name());
    let Some(i) = tasks[..k].iter().position(|task| task.name() == name) else {
        let expected = "the name of a task that was added before the product";
        let there: Vec<&str> = tasks[..k].iter().map(Task::name).collect();
        return Err(Error::new(ErrorKind::Name, place(), expected, format!("{there:?}")));
    };
    if !tasks[i].loss().is_of_logits() {
        let expected = "a yes-or-no task, with cross-entropy or focal loss";
        return Err(Error::new(ErrorKind::Setting, place(), expected, tasks[i].loss().name()));
    }
    let (wanted, found) = (tasks[k].columns_list().len(), tasks[i].columns_list().len());
    match wanted == found {
        true => Ok(i),
        false => Err(Error::new(ErrorKind::Shape, place(), format!("{wanted} target columns"), found)),
    }
}

/// Sets every task's seed to its delta times its weight, then propagates the seeds of products to their
/// factors, beginning with the last product.
pub(super) fn seed<F: Scalar>(
    products: &[Product],
    tasks: &mut [TaskTrace<F>],
    n: usize,
    weight: impl Fn(usize) -> F,
) {
    for (k, task) in tasks.iter_mut().enumerate() {
        let (weight, delta) = (weight(k), task.delta.slice(s![..n, ..]));
        task.seed.slice_mut(s![..n, ..]).zip_mut_with(&delta, |seed, &d| *seed = weight * d);
    }
    products.iter().rev().for_each(|product| product.backward(tasks, n));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the probabilities themselves, where they say something.
    #[test]
    fn it_is_the_logit_of_the_product() {
        for (a, b) in [(0.0, 0.0), (1.5, -0.3), (-4.0, 6.0), (7.0, 7.0), (-9.0, -8.0)] {
            let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
            let p = sigmoid(a) * sigmoid(b);
            // 1 − p has lost up to three digits at these logits.
            approx::assert_relative_eq!(value(a, b), (p / (1.0 - p)).ln(), max_relative = 1e-11);
            approx::assert_relative_eq!(
                slopes(a, b)[0],
                (1.0 - sigmoid(a)) / (1.0 - p),
                max_relative = 1e-11
            );
            approx::assert_relative_eq!(
                slopes(a, b)[1],
                (1.0 - sigmoid(b)) / (1.0 - p),
                max_relative = 1e-11
            );
        }
    }

    #[test]
    fn logits_of_a_thousand_are_no_trouble() {
        let far = 1e3;
        assert_eq!(value(-far, -far), -2.0 * far);
        assert_eq!(value(far, far), far - 2_f64.ln());
        assert_eq!(value(far, 2.0), 2.0);
        assert_eq!(value(-far, 2.0), -far - (-2_f64).exp().ln_1p());
        assert_eq!(slopes(far, far), [0.5, 0.5]);
        assert_eq!(slopes(far, 2.0), [0.0, 1.0]);
        assert_eq!(slopes(-far, -far), [1.0, 1.0]);
        assert!(value(1e3_f32, -1e3).is_finite() && slopes(-1e3_f32, 1e3) == [1.0, 0.0]);
    }

    #[test]
    fn slopes_are_the_derivatives() {
        for (a, b) in [(0.3, -2.0), (12.0, 11.0), (-15.0, 3.0)] {
            let h = 1e-5;
            let difference = [value(a + h, b) - value(a - h, b), value(a, b + h) - value(a, b - h)];
            for (by_hand, difference) in slopes(a, b).into_iter().zip(difference) {
                // Differences round at 2e-15 / 2e-5 and bend at h²/6.
                approx::assert_abs_diff_eq!(by_hand, difference / (2.0 * h), epsilon = 1e-9);
            }
        }
    }
}
