//! Weights from how fast the losses fall.
//!
//! ```text
//! rₖ = mean loss of the last epoch / mean loss of the epoch before
//! w = K softmax(r / T)
//! ```
//!
//! Liu, Johns and Davison (CVPR 2019), equation 7; T = 2. The weights are 1 until two epochs have ended.

use super::setting::require_positive;
use super::solver::softmax;
use super::{Balance, Domain, Needs, Tasks, Weights, positive};
use crate::Result;

/// Dynamic weight average: a task whose loss falls slowly gets more weight.
///
/// - Heads: scaled like the shared part. Scale: Σ w = K. One task: weight 1.
/// - The means are over the batches of an epoch that had labels for the task; a task that was not seen in one
///   of the two last epochs counts as standing still, r = 1.
/// - For losses of 0 or more: a mean of 0 counts as 10⁻³⁰, so that the ratio of a task learnt to 0 is a number.
/// - [`Balancer::end_epoch`](super::Balancer::end_epoch) must be called, else the weights stay 1.
/// - Published variants differ: means of the last 25 steps instead of an epoch, or weights that sum to 1.
///
/// ```
/// use polytask::balance::{Balancer, Dwa, FixedEvidence};
///
/// let mut balancer = Balancer::new(Dwa::new(), 2)?;
/// for losses in [[1.0, 1.0], [1.0, 0.5]] {
///     balancer.weights(&mut FixedEvidence::from_losses(&losses));
///     balancer.end_epoch();
/// }
/// let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 0.4])).shared;
/// let ratio = (0.5_f64 / 2.0 - 1.0 / 2.0).exp();
/// assert!((weights[1] / weights[0] - ratio).abs() < 1e-12);
/// assert!((weights[0] + weights[1] - 2.0).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dwa {
    temperature: f64,
    sum: Vec<f64>,
    count: Vec<f64>,
    last: Vec<f64>,
    before: Vec<f64>,
}

impl Default for Dwa {
    fn default() -> Self {
        let [sum, count, last, before] = [const { Vec::new() }; 4];
        Self { temperature: 2.0, sum, count, last, before }
    }
}

impl Dwa {
    /// Temperature 2.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the temperature T, above 0: the larger, the more equal the weights; default: 2.
    ///
    /// ```
    /// # use polytask::balance::{Balancer, Dwa, FixedEvidence};
    /// for temperature in [0.5, 5.0] {
    ///     let mut balancer = Balancer::new(Dwa::new().temperature(temperature), 2)?;
    ///     for losses in [[1.0, 1.0], [1.0, 0.5]] {
    ///         balancer.weights(&mut FixedEvidence::from_losses(&losses));
    ///         balancer.end_epoch();
    ///     }
    ///     let weights = &balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 0.5])).shared;
    ///     let ratio = f64::exp((1.0 - 0.5) / temperature); // 2.7 at 0.5, 1.1 at 5
    ///     assert!((weights[0] / weights[1] - ratio).abs() < 1e-12);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// The pace of task `k`. A mean that is not known is kept as NaN.
    fn pace(&self, k: usize) -> f64 {
        let pace = positive(self.last[k]) / positive(self.before[k]);
        if self.last[k].is_nan() || self.before[k].is_nan() { 1.0 } else { pace }
    }
}

impl Balance for Dwa {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        for (list, unknown) in [
            (&mut self.sum, 0.0),
            (&mut self.count, 0.0),
            (&mut self.last, f64::NAN),
            (&mut self.before, f64::NAN),
        ] {
            list.resize(tasks.all(), unknown);
        }
        for (&k, &loss) in tasks.index().iter().zip(tasks.losses()) {
            self.sum[k] += loss;
            self.count[k] += 1.0;
        }
        softmax(tasks.index().iter().map(|&k| self.pace(k) / self.temperature), &mut weights.shared);
        for weight in &mut weights.shared {
            *weight *= tasks.len() as f64;
        }
        weights.scale_heads();
    }

    fn end_epoch(&mut self) {
        std::mem::swap(&mut self.before, &mut self.last);
        for ((last, sum), count) in self.last.iter_mut().zip(&self.sum).zip(&self.count) {
            *last = if *count > 0.0 { sum / count } else { f64::NAN };
        }
        self.sum.fill(0.0);
        self.count.fill(0.0);
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![
            ("loss sum of this epoch", &mut self.sum),
            ("batches of this epoch", &mut self.count),
            ("mean loss of the last epoch", &mut self.last),
            ("mean loss of the epoch before", &mut self.before),
        ]
    }

    fn check(&self, _: usize) -> Result<()> {
        require_positive(self.temperature, "temperature of DWA")
    }
}
