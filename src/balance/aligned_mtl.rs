//! Gradients made orthogonal and of equal length, changed as little as possible.
//!
//! ```text
//! G = V Λ Vᵀ,   B = σ V Λ^(−½) Vᵀ,   w = B p
//! ```
//!
//! Senushkin et al. (Independent component alignment, CVPR 2023), equation 10 and algorithm 1: the system of
//! gradients is replaced by the nearest one with condition number 1. σ = √λ_min in the paper; p is the
//! preference: 1 / K each (the published code sums: p = 1).

use super::preference::Preference;
use super::solver::Eigen;
use super::{Balance, Needs, Tasks, Weights};
use crate::Result;

/// The common length σ of the aligned gradients, squared, from the eigenvalues of the Gramian.
///
/// ```
/// use polytask::balance::{AlignedMtl, Balancer, CommonScale, FixedEvidence};
/// use polytask::ndarray::array;
///
/// // Gradients of lengths 3 and 1 at a right angle: eigenvalues 9 and 1. Only the second task matters.
/// let jacobian = array![[3.0, 0.0], [0.0, 1.0]];
/// let scales = [(CommonScale::Least, 1.0), (CommonScale::Median, 1.0), (CommonScale::Mean, 5.0)];
/// for (scale, square) in scales {
///     let method = AlignedMtl::new().preference(&[0.0, 1.0]).common_scale(scale);
///     let mut balancer = Balancer::new(method, 2)?;
///     let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian)).shared;
///     assert!(weights[0].abs() < 1e-12 && (weights[1] - f64::sqrt(square)).abs() < 1e-12); // ‖d‖ = σ
/// }
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommonScale {
    /// The least eigenvalue: the paper's choice, which never lengthens a component.
    Least,
    /// The median (the lower one of two).
    Median,
    /// The mean.
    Mean,
}

/// Aligned-MTL: the mean of the aligned gradients.
///
/// - Heads: not scaled. Scale: `‖d‖ = σ ‖p‖` for independent gradients; orthogonal ones of equal length keep
///   w = p. Scaling all gradients scales d.
/// - One task: weight p. Opposite or parallel gradients and others that depend on each other: aligned within
///   the space they span; eigenvalues below 10⁻¹³ K times the largest count as zero.
/// - All gradients zero: w = p.
/// - A task may be opposed: the aligned gradients are orthogonal to each other, not to the original ones.
/// - Near a stationary point σ → 0 and the step with it: in the paper on purpose.
///
/// ```
/// use polytask::balance::{AlignedMtl, Balancer, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(AlignedMtl::new(), 2)?;
/// let weights = &balancer.weights(&mut FixedEvidence::from_jacobian(&array![[3.0, 0.0], [0.0, 1.0]])).shared;
/// assert!((weights[0] - 0.5 / 3.0).abs() < 1e-12 && (weights[1] - 0.5).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AlignedMtl {
    preference: Preference,
    scale: CommonScale,
    eigen: Eigen,
    wanted: Vec<f64>,
    values: Vec<f64>,
}

impl Default for AlignedMtl {
    fn default() -> Self {
        Self {
            preference: Preference::default(),
            scale: CommonScale::Least,
            eigen: Eigen::default(),
            wanted: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl AlignedMtl {
    /// Every task matters alike, and the common scale is the least eigenvalue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much each task matters, p, one number for each, at least 0; default: 1 / K each.
    #[must_use]
    pub fn preference(mut self, preference: &[f64]) -> Self {
        self.preference = Preference::given(preference);
        self
    }

    /// Sets the common scale; default: the least eigenvalue.
    #[must_use]
    pub fn common_scale(mut self, scale: CommonScale) -> Self {
        self.scale = scale;
        self
    }
}

impl Balance for AlignedMtl {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let (n, index) = (tasks.len(), tasks.index());
        let g = tasks.gramian();
        self.wanted.clear();
        self.wanted.extend(index.iter().map(|&k| self.preference.of(k, 1.0 / n as f64)));
        self.eigen.decompose(n, |k, l| g[[k, l]]);
        self.values.clear();
        self.values.extend(self.eigen.pairs().map(|(value, _)| value));
        self.values.sort_unstable_by(f64::total_cmp);
        let Some(&least) = self.values.first() else {
            weights.shared.copy_from_slice(&self.wanted);
            return;
        };
        let square = match self.scale {
            CommonScale::Least => least,
            CommonScale::Median => self.values[(self.values.len() - 1) / 2],
            CommonScale::Mean => self.values.iter().sum::<f64>() / self.values.len() as f64,
        };
        self.eigen.apply(|value| (square / value).sqrt(), &self.wanted, &mut weights.shared);
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.preference.check(n_tasks, "preference of Aligned-MTL")
    }
}
