//! One sign for each parameter, drawn by how far the tasks agree on it.
//!
//! ```text
//! P = ½ (1 + Σ gₖ / Σ |gₖ|),   u ~ U(0, 1) for each parameter
//! d = Σ (ℓₖ + (1 − ℓₖ) Mₖ) gₖ,   Mₖ = 1 where gₖ > 0 and P > u, or gₖ < 0 and P < u; else 0
//! ```
//!
//! Chen et al. (Just pick a sign, NeurIPS 2020), algorithm 1; leak ℓ = 0. The paper applies it to the gradient
//! of the shared representation; here, as in most code since, to that of the shared parameters.

use rand::RngExt;

use super::order::{count, generator};
use super::preference::Preference;
use super::setting::require;
use super::{Aggregate, TaskGradients};
use crate::Result;

/// Gradient sign dropout.
///
/// - Heads: not scaled. Scale: a sum where all signs agree, and the sum in the mean over draws where not.
/// - One task: its gradient. Where all gradients are zero, 0. Opposite gradients: one of them or the other,
///   parameter by parameter.
///
/// ```
/// use polytask::balance::{Aggregator, GradDrop};
/// use polytask::ndarray::array;
///
/// let mut aggregator = Aggregator::new(GradDrop::new(1).leak(&[1.0, 0.0]), 2)?;
/// let mut d = [0.0; 2];
/// aggregator.direction(&[1.0, 1.0], &[true, true], array![[1.0, -1.0], [-2.0, 4.0]].view(), &mut d);
/// assert!(d[0] == 1.0 || d[0] == -1.0);              // the first task leaks whole, the second comes or not
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradDrop {
    seed: u64,
    leak: Preference,
    steps: Vec<f64>,
    sums: Vec<f64>,
    sizes: Vec<f64>,
}

impl GradDrop {
    /// Draws from this seed; nothing leaks.
    pub fn new(seed: u64) -> Self {
        let [steps, sums, sizes] = [const { Vec::new() }; 3];
        Self { seed, leak: Preference::default(), steps, sums, sizes }
    }

    /// Sets what part of each task's gradient always passes, ℓ, from 0 to 1; default: 0.
    #[must_use]
    pub fn leak(mut self, leak: &[f64]) -> Self {
        self.leak = Preference::given(leak);
        self
    }
}

impl Aggregate for GradDrop {
    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], _: &mut [f64]) {
        for list in [&mut self.sums, &mut self.sizes] {
            list.clear();
            list.resize(rows.width(), 0.0);
        }
        for row in rows.rows() {
            for ((sum, size), g) in self.sums.iter_mut().zip(&mut self.sizes).zip(row) {
                *sum += g;
                *size += g.abs();
            }
        }
        // From here on `sums` holds P − u: positive entries pass where it is above 0, negative ones below.
        let mut rng = generator(self.seed, count(&mut self.steps));
        for (sum, size) in self.sums.iter_mut().zip(&self.sizes) {
            let u: f64 = rng.random();
            let lean = if *size > 0.0 { *sum / *size } else { 0.0 };
            *sum = 0.5 * (1.0 + lean) - u;
        }
        direction.fill(0.0);
        for (row, &k) in rows.rows().zip(rows.index()) {
            let leak = self.leak.of(k, 0.0);
            for ((d, over), g) in direction.iter_mut().zip(&self.sums).zip(row) {
                *d += if over * g > 0.0 { *g } else { leak * g };
            }
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("steps", &mut self.steps)]
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        self.leak.check(n_tasks, "leak of GradDrop")?;
        let within = (0..n_tasks).all(|k| self.leak.of(k, 0.0) <= 1.0);
        require(within, "leak of GradDrop", "numbers from 0 to 1", &self.leak)
    }
}
