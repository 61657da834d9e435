//! Losses balanced by the logarithm, gradients by their lengths.
//!
//! ```text
//! gₖ = ∇ log Lₖ = ∇ₖ / Lₖ,   ĝₖ ← (1 − βₜ) gₖ + βₜ ĝₖ,   βₜ = β / t^σ
//! d = Σ (maxⱼ ‖ĝⱼ‖ / ‖ĝₖ‖) ĝₖ
//! ```
//!
//! Lin et al. (Dual-balancing for multi-task learning, arXiv 2308.12029), equations 3 and 4. The moving mean ĝ
//! is as large as the gradients of all tasks and so needs their matrix: [`DbMtlMomentum`], β = 0.9, σ = 0. With
//! β = 0 losses and lengths are enough: [`DbMtl`].

use ndarray::{ArrayViewMut2, Zip};

use super::order::count;
use super::setting::{require, require_not_negative};
use super::{Aggregate, Balance, Domain, Needs, TaskGradients, Tasks, Weights, positive};
use crate::Result;

/// Dual balancing without the moving mean.
///
/// - Heads: scaled by 1 / L, being trained on the logarithms too. Scale: d is the sum of the unit gradients
///   times the largest length of a gradient of a logarithm.
/// - One task: weight 1 / L. Opposite gradients: d = 0. A zero gradient: weight 1 / L.
/// - For losses of 0 or more: one of 0 counts as 10⁻³⁰.
///
/// ```
/// use polytask::balance::{Balancer, DbMtl, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]]).with_losses(&[2.0, 0.1]);
/// let mut balancer = Balancer::new(DbMtl::new(), 2)?;
/// let weights = &balancer.weights(&mut evidence).shared;
/// assert!((3.0 * weights[0] - 10.0).abs() < 1e-12 && (weights[1] - 10.0).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DbMtl;

impl DbMtl {
    /// The method has no settings.
    pub fn new() -> Self {
        Self
    }
}

impl Balance for DbMtl {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let losses = tasks.losses();
        let g = tasks.gramian();
        let lengths = losses.iter().enumerate().map(|(k, &loss)| g.norm(k) / positive(loss));
        let longest = lengths.fold(0.0, f64::max);
        for (k, &loss) in losses.iter().enumerate() {
            weights.own[k] = 1.0 / positive(loss);
            weights.shared[k] = if g.norm(k) > 0.0 { longest / g.norm(k) } else { weights.own[k] };
        }
    }
}

/// Dual balancing with the moving mean of the gradients.
///
/// - Heads, scale and losses as for [`DbMtl`]. The mean of a task begins at its first gradient and stands still while
///   the task has no labels; such a task has no part in d.
///
/// ```
/// use polytask::balance::{Aggregator, DbMtlMomentum};
/// use polytask::ndarray::array;
///
/// let mut aggregator = Aggregator::new(DbMtlMomentum::new(), 2)?;
/// let mut d = [0.0; 2];
/// aggregator.direction(&[1.0, 1.0], &[true, true], array![[3.0, 0.0], [0.0, 1.0]].view(), &mut d);
/// assert!((d[0] - 3.0).abs() < 1e-12 && (d[1] - 3.0).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DbMtlMomentum {
    beta: f64,
    sigma: f64,
    steps: Vec<f64>,
    /// ĝ, K × P.
    mean: Vec<f64>,
    begun: Vec<f64>,
    norms: Vec<f64>,
}

impl Default for DbMtlMomentum {
    fn default() -> Self {
        let [steps, mean, begun, norms] = [const { Vec::new() }; 4];
        Self { beta: 0.9, sigma: 0.0, steps, mean, begun, norms }
    }
}

impl DbMtlMomentum {
    /// β = 0.9, σ = 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the part of the past in the mean, β, from 0 to below 1, and how it fades with the steps, σ, at
    /// least 0; default: 0.9 and 0.
    ///
    /// ```
    /// # use polytask::balance::{Aggregator, DbMtlMomentum};
    /// # use polytask::ndarray::array;
    /// // One task of loss 1 whose gradient is 2 and then 0: d is the moving mean.
    /// for (sigma, mean) in [(0.0, 1.0), (1.0, 0.5)] {
    ///     let mut aggregator = Aggregator::new(DbMtlMomentum::new().momentum(0.5, sigma), 1)?;
    ///     let mut d = [0.0];
    ///     for gradient in [2.0, 0.0] {
    ///         aggregator.direction(&[1.0], &[true], array![[gradient]].view(), &mut d);
    ///     }
    ///     assert_eq!(d, [mean]); // β₂ = 0.5 / 2^σ
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn momentum(mut self, beta: f64, sigma: f64) -> Self {
        (self.beta, self.sigma) = (beta, sigma);
        self
    }
}

impl Aggregate for DbMtlMomentum {
    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], own: &mut [f64]) {
        let (all, p) = (rows.all(), rows.width());
        self.mean.resize(all * p, 0.0);
        self.begun.resize(all, 0.0);
        let past = self.beta / ((count(&mut self.steps) + 1) as f64).powf(self.sigma);
        let mut mean = ArrayViewMut2::from_shape((all, p), &mut self.mean).expect("K × P numbers");
        self.norms.clear();
        for (i, &k) in rows.index().iter().enumerate() {
            own[i] = 1.0 / positive(rows.losses()[i]);
            let past = if self.begun[k] == 0.0 { 0.0 } else { past };
            self.begun[k] = 1.0;
            let now = (1.0 - past) * own[i];
            let mut square = 0.0;
            Zip::from(mean.row_mut(k)).and(rows.row(i)).for_each(|mean, &g| {
                *mean = now * g + past * *mean;
                square += *mean * *mean;
            });
            self.norms.push(square.sqrt());
        }
        let longest = self.norms.iter().copied().fold(0.0, f64::max);
        direction.fill(0.0);
        for (&k, &norm) in rows.index().iter().zip(&self.norms) {
            if norm > 0.0 {
                let scale = longest / norm;
                direction.iter_mut().zip(mean.row(k)).for_each(|(d, mean)| *d += scale * mean);
            }
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("steps", &mut self.steps), ("mean gradients", &mut self.mean), ("tasks begun", &mut self.begun)]
    }

    fn check(&self, _: usize) -> Result<()> {
        require((0.0..1.0).contains(&self.beta), "beta of DB-MTL", "a number from 0 to below 1", self.beta)?;
        require_not_negative(self.sigma, "sigma of DB-MTL")
    }
}
