//! Weights drawn at random.
//!
//! ```text
//! w = softmax(z),   z ~ N(0, 1), drawn anew in each step
//! ```
//!
//! Lin, Ye and Zhang (Reasonable effectiveness of random weighting, TMLR 2022), with normal z.

use rand_distr::{Distribution, StandardNormal};

use super::order::{count, generator};
use super::solver::softmax;
use super::{Balance, Needs, Tasks, Weights};

/// Random loss weighting: a baseline that any clever method should beat.
///
/// - Heads: scaled like the shared part. Scale: Σ w = 1. One task: weight 1.
/// - The draw of a step depends on the seed and the number of steps alone, and a task's own z not on which
///   other tasks have labels.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Rlw};
///
/// let mut balancer = Balancer::new(Rlw::new(7), 3)?;
/// let first = balancer.weights(&mut FixedEvidence::from_losses(&[1.0; 3])).clone();
/// let second = balancer.weights(&mut FixedEvidence::from_losses(&[1.0; 3])).clone();
/// assert_ne!(first, second);
/// assert!((first.shared.iter().sum::<f64>() - 1.0).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rlw {
    seed: u64,
    steps: Vec<f64>,
    z: Vec<f64>,
}

impl Rlw {
    /// Draws from this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: Vec::new(), z: Vec::new() }
    }
}

impl Balance for Rlw {
    fn needs(&self) -> Needs {
        Needs::LOSSES
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        let mut rng = generator(self.seed, count(&mut self.steps));
        self.z.clear();
        self.z.extend((0..tasks.all()).map(|_| -> f64 { StandardNormal.sample(&mut rng) }));
        softmax(tasks.index().iter().map(|&k| self.z[k]), &mut weights.shared);
        weights.scale_heads();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("steps", &mut self.steps)]
    }
}
