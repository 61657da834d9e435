//! The direction of least norm, found while training, from moving means of the gradients.
//!
//! ```text
//! yₖ ← yₖ − βₜ (yₖ − Lₖ ∇ₖ / ‖∇ₖ‖),        λ ← Π(λ − γₜ (Y Yᵀ + ρ I) λ),        d = Σ λₖ yₖ
//! βₜ = β / t^σ,   γₜ = γ / t^σ;   Π: the nearest point of the simplex
//! ```
//!
//! Fernando et al. (Mitigating gradient bias in multi-objective learning, ICLR 2023), algorithm 1: one step
//! of the weights for each of the parameters, instead of a minimum found anew. Defaults as in LibMTL: β = 0.5,
//! γ = 0.1, σ = 0.5, ρ = 0, gradients brought to the length of their losses. (LibMTL has a softmax in place of
//! the projection.) λ begins at 1 / K and y at the first gradient.

use ndarray::ArrayViewMut2;

use super::order::count;
use super::setting::{require, require_not_negative};
use super::solver::project_onto_simplex;
use super::{Aggregate, Domain, TaskGradients};
use crate::Result;

/// Multi-objective gradient correction.
///
/// - Heads: not scaled. Scale: Σ λ = 1 of gradients as long as their losses.
/// - One task: the moving mean of its gradient. A zero gradient draws the mean to zero. Opposite gradients of
///   equal losses cancel.
/// - For losses of 0 or more: a negative one would turn its gradient round.
/// - A task without labels stands still: its y and λ stay, and the λ of the others are scaled to sum to 1.
///
/// ```
/// use polytask::balance::{Aggregator, MoCo};
/// use polytask::ndarray::array;
///
/// let mut aggregator = Aggregator::new(MoCo::new(), 2)?;
/// let mut d = [0.0; 3];
/// for _ in 0..3_000 {
///     let jacobian = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
///     aggregator.direction(&[18_f64.sqrt(), 38_f64.sqrt()], &[true, true], jacobian.view(), &mut d);
/// }
/// assert!(d[0].abs() < 1e-3 && (d[1] - 1.0).abs() < 1e-3);       // the point of least norm
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MoCo {
    beta: f64,
    gamma: f64,
    sigma: f64,
    rho: f64,
    steps: Vec<f64>,
    /// y, K × P.
    mean: Vec<f64>,
    begun: Vec<f64>,
    lambda: Vec<f64>,
    now: Vec<f64>,
    sorted: Vec<f64>,
}

impl Default for MoCo {
    fn default() -> Self {
        let [steps, mean, begun, lambda, now, sorted] = [const { Vec::new() }; 6];
        Self { beta: 0.5, gamma: 0.1, sigma: 0.5, rho: 0.0, steps, mean, begun, lambda, now, sorted }
    }
}

impl MoCo {
    /// β = 0.5, γ = 0.1, σ = 0.5, ρ = 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the step sizes of the mean, β, from 0 to 1, and of the weights, γ, at least 0; default:
    /// 0.5 and 0.1. [`fading`](Self::fading) shows it.
    #[must_use]
    pub fn rates(mut self, beta: f64, gamma: f64) -> Self {
        (self.beta, self.gamma) = (beta, gamma);
        self
    }

    /// Sets how fast both step sizes fall with the steps, σ, at least 0; default: 0.5.
    ///
    /// ```
    /// # use polytask::balance::{Aggregator, MoCo};
    /// # use polytask::ndarray::array;
    /// // One task whose loss falls from 4 to 2: d is its moving mean, as long as the losses.
    /// for (sigma, mean) in [(0.0, 3.0), (1.0, 3.5)] {
    ///     let mut aggregator = Aggregator::new(MoCo::new().rates(0.5, 0.1).fading(sigma), 1)?;
    ///     let mut d = [0.0];
    ///     for loss in [4.0, 2.0] {
    ///         aggregator.direction(&[loss], &[true], array![[7.0]].view(), &mut d);
    ///     }
    ///     assert_eq!(d, [mean]); // 4 − β₂ (4 − 2), β₂ = 0.5 / 2^σ
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn fading(mut self, sigma: f64) -> Self {
        self.sigma = sigma;
        self
    }

    /// Sets the pull of the weights towards zero before the projection, ρ, at least 0; default: 0.
    ///
    /// ```
    /// # use polytask::balance::{Aggregator, MoCo};
    /// # use polytask::ndarray::array;
    /// // Orthogonal gradients as long as their losses, 3 and 1: at rest λ = (1 + ρ, 9 + ρ) / (10 + 2ρ).
    /// for (rho, first) in [(0.0, 0.1), (7.0, 1.0 / 3.0)] {
    ///     let mut aggregator = Aggregator::new(MoCo::new().ridge(rho), 2)?;
    ///     let mut d = [0.0; 2];
    ///     for _ in 0..500 {
    ///         aggregator.direction(&[3.0, 1.0], &[true; 2], array![[1.0, 0.0], [0.0, 1.0]].view(), &mut d);
    ///     }
    ///     assert!((d[0] / 3.0 - first).abs() < 1e-6);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn ridge(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }
}

impl Aggregate for MoCo {
    fn domain(&self, _: usize) -> Domain {
        Domain::AtLeast(0.0)
    }

    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], _: &mut [f64]) {
        let (all, p, n) = (rows.all(), rows.width(), rows.index().len());
        self.mean.resize(all * p, 0.0);
        self.begun.resize(all, 0.0);
        self.lambda.resize(all, 1.0 / all as f64);
        let fading = ((count(&mut self.steps) + 1) as f64).powf(-self.sigma);
        let mut mean = ArrayViewMut2::from_shape((all, p), &mut self.mean).expect("K × P numbers");
        for (i, &k) in rows.index().iter().enumerate() {
            let part = if self.begun[k] == 0.0 { 1.0 } else { self.beta * fading };
            self.begun[k] = 1.0;
            let row = rows.row(i);
            let largest = row.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
            let norm = largest * row.iter().map(|g| (g / largest).powi(2)).sum::<f64>().sqrt();
            // The bound keeps squares finite; no loss that can still be trained is near it.
            let length = rows.losses()[i].min(1e100);
            let scale = if largest > 0.0 { length / norm } else { 0.0 };
            mean.row_mut(k).zip_mut_with(&row, |y, g| *y -= part * (*y - scale * g));
        }
        let sum: f64 = rows.index().iter().map(|&k| self.lambda[k]).sum();
        self.now.clear();
        self.now.extend(
            rows.index().iter().map(|&k| if sum > 0.0 { self.lambda[k] / sum } else { 1.0 / n as f64 }),
        );
        combine(&self.now, rows.index(), &mean, direction);
        for (lambda, &k) in self.now.iter_mut().zip(rows.index()) {
            // (Y Yᵀ λ)ₖ = ⟨yₖ, Σ λₗ yₗ⟩
            let along: f64 = mean.row(k).iter().zip(&*direction).map(|(y, d)| y * d).sum();
            *lambda -= self.gamma * fading * (along + self.rho * *lambda);
        }
        project_onto_simplex(&mut self.now, &mut self.sorted);
        combine(&self.now, rows.index(), &mean, direction);
        for (&lambda, &k) in self.now.iter().zip(rows.index()) {
            self.lambda[k] = lambda * if sum > 0.0 { sum } else { 1.0 };
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![
            ("steps", &mut self.steps),
            ("mean gradients", &mut self.mean),
            ("tasks begun", &mut self.begun),
            ("weights", &mut self.lambda),
        ]
    }

    fn check(&self, _: usize) -> Result<()> {
        let beta = self.beta;
        require((0.0..=1.0).contains(&beta), "beta of MoCo", "a number from 0 to 1", beta)?;
        require_not_negative(self.gamma, "gamma of MoCo")?;
        require_not_negative(self.sigma, "sigma of MoCo")?;
        require_not_negative(self.rho, "rho of MoCo")
    }
}

/// Writes `Σ λₖ yₖ`.
fn combine(lambda: &[f64], index: &[usize], mean: &ArrayViewMut2<'_, f64>, direction: &mut [f64]) {
    direction.fill(0.0);
    for (lambda, &k) in lambda.iter().zip(index) {
        direction.iter_mut().zip(mean.row(k)).for_each(|(d, y)| *d += lambda * y);
    }
}
