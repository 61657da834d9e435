//! Weights from how far each task still is from its best.
//!
//! ```text
//! Sₖ ← Sₖ + gₖ²,   eₖ = Σ gₖ² / √Sₖ,   w ∝ w · exp(η eₖ / eₖ(0)),   Σ w = K,   d = Σ wₖ gₖ
//! ```
//!
//! He et al. (Robust multi-task learning with excess risks, ICML 2024), equations 6, 7 and 9: e estimates the
//! excess risk gᵀ H⁻¹ g with AdaGrad's diagonal for the Hessian H. e(0) is the mean over the warm-up steps, or
//! the first e without any. η = 0.01 as in LibMTL; the paper warms up for three epochs.

use ndarray::{ArrayViewMut2, Zip};

use super::order::count;
use super::setting::require_positive;
use super::solver::softmax;
use super::{Aggregate, TaskGradients};
use crate::Result;

/// Excess-risk weighting.
///
/// - Heads: scaled like the shared part. Scale: Σ w = K. One task: weight 1.
/// - A task with label noise has a large loss and no excess risk: unlike loss-based methods this one does not
///   chase it. A zero gradient has no excess, and its weight falls.
/// - Until the warm-up has ended the weights are 1. The state is as large as the gradients of all tasks.
///
/// ```
/// use polytask::balance::{Aggregator, ExcessMtl};
/// use polytask::ndarray::array;
///
/// let mut aggregator = Aggregator::new(ExcessMtl::new(), 2)?;
/// let mut d = [0.0; 2];
/// for step in 0..100 {
///     let shrinking = 1.0 / f64::from(step + 1);
///     let jacobian = array![[1.0, 0.0], [0.0, shrinking]];
///     aggregator.direction(&[1.0, 1.0], &[true, true], jacobian.view(), &mut d);
/// }
/// assert!(d[0] > 1.0);                               // the second task is nearly done
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExcessMtl {
    rate: f64,
    warm_up: usize,
    steps: Vec<f64>,
    /// S, K × P.
    squares: Vec<f64>,
    /// The sum of e over the warm-up, and over how many steps.
    baseline: Vec<f64>,
    counted: Vec<f64>,
    log_weights: Vec<f64>,
}

impl Default for ExcessMtl {
    fn default() -> Self {
        let [steps, squares, baseline, counted, log_weights] = [const { Vec::new() }; 5];
        Self { rate: 0.01, warm_up: 0, steps, squares, baseline, counted, log_weights }
    }
}

impl ExcessMtl {
    /// η = 0.01, no warm-up.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the step size of the weights, η, above 0; default: 0.01. [`warm_up`](Self::warm_up) shows it.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Sets the number of steps with weights 1 at the beginning; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Aggregator, ExcessMtl};
    /// # use polytask::ndarray::array;
    /// // The weight of a task whose gradient stays, beside one whose gradient shrinks, after some steps.
    /// let weight = |method: ExcessMtl, steps: usize| {
    ///     let mut aggregator = Aggregator::new(method, 2)?;
    ///     let mut d = [0.0; 2];
    ///     for step in 1..=steps {
    ///         let jacobian = array![[1.0, 0.0], [0.0, 1.0 / step as f64]];
    ///         aggregator.direction(&[1.0, 1.0], &[true, true], jacobian.view(), &mut d);
    ///     }
    ///     Ok::<_, polytask::Error>(d[0])
    /// };
    /// assert_eq!(weight(ExcessMtl::new().warm_up(10), 10)?, 1.0);
    /// assert!(weight(ExcessMtl::new().warm_up(10), 20)? > 1.0);
    /// assert!(weight(ExcessMtl::new().rate(0.1), 20)? > weight(ExcessMtl::new(), 20)?); // ten times as fast
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn warm_up(mut self, steps: usize) -> Self {
        self.warm_up = steps;
        self
    }
}

impl Aggregate for ExcessMtl {
    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], own: &mut [f64]) {
        let (all, p) = (rows.all(), rows.width());
        self.squares.resize(all * p, 0.0);
        for list in [&mut self.baseline, &mut self.counted, &mut self.log_weights] {
            list.resize(all, 0.0);
        }
        let warm = count(&mut self.steps) < self.warm_up as u64;
        let mut squares = ArrayViewMut2::from_shape((all, p), &mut self.squares).expect("K × P numbers");
        for (i, &k) in rows.index().iter().enumerate() {
            let mut excess = 0.0;
            Zip::from(squares.row_mut(k)).and(rows.row(i)).for_each(|sum, g| {
                // Beyond this a square overflows.
                let square = g.clamp(-1e150, 1e150).powi(2);
                *sum = (*sum + square).min(f64::MAX);
                if *sum > 0.0 {
                    excess += square / sum.sqrt();
                }
            });
            if excess > 0.0 && (warm || self.baseline[k] == 0.0) {
                self.baseline[k] += excess;
                self.counted[k] += 1.0;
            }
            if !warm && self.baseline[k] > 0.0 {
                self.log_weights[k] += self.rate * excess * self.counted[k] / self.baseline[k];
            }
        }
        let largest = self.log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.log_weights.iter_mut().for_each(|log_weight| *log_weight -= largest);
        softmax(rows.index().iter().map(|&k| self.log_weights[k]), own);
        direction.fill(0.0);
        for (row, own) in rows.rows().zip(own.iter_mut()) {
            *own *= rows.index().len() as f64;
            direction.iter_mut().zip(row).for_each(|(d, g)| *d += *own * g);
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![
            ("steps", &mut self.steps),
            ("squares", &mut self.squares),
            ("baseline", &mut self.baseline),
            ("steps of the baseline", &mut self.counted),
            ("log weights", &mut self.log_weights),
        ]
    }

    fn check(&self, _: usize) -> Result<()> {
        require_positive(self.rate, "rate of ExcessMTL")
    }
}
