//! LazyAdam: Adam that leaves the rows of a table alone which a batch does not read.
//!
//! Sources: `LazyAdam` of TensorFlow Addons 0.23 (`_resource_apply_sparse`), with which PyTorch's `SparseAdam` agrees; Adam as
//! in Kingma and Ba 2015. For a table of vectors, the rows c that the batch at step t touches, and no others:
//!
//! ```text
//! m[c] ← β₁ m[c] + (1 − β₁) g[c]        v[c] ← β₂ v[c] + (1 − β₂) g[c]²
//! E[c] ← E[c] − α (m[c] / (1 − β₁ᵗ)) / (√(v[c] / (1 − β₂ᵗ)) + ε)
//! ```
//! It is another method than Adam, which moves a row on along m for many steps after its last gradient: there m and v
//! decay at every step, here at those that touch the row. In return a step costs what the touched rows cost, however large
//! the table is.
//!
//! What a step means for the rows that are not touched, whose gradient is exactly 0:
//!
//! ```text
//! touched          the rows that the batch reads (all rows of it, labelled or not), and any whose gradient is not 0
//! moments, θ       stay to the bit
//! corrections      1 − βᵗ with t the count of all steps, not of those that touched the row (as both sources)
//! weight decay     none: λ θ is added to the gradient of touched rows alone, so a row decays as often as it is read
//! clipping         the norm is that of the touched parts, which is that of the whole gradient
//! finite check     of gradient, θ and moments at touched places; a θ that is not finite is found when it is read
//! accumulation     the parts of a batch touch what any of them touches
//! penalties        over a table they have a gradient in every row, so they touch every row
//! aggregation      a direction that remembers earlier batches touches every row where it is not 0
//! ```
//! A parameter that is in no table is touched by every step, and moves as Adam's.

use std::ops::Range;

use super::{
    Adam, Magnitudes, RuleSettings, Step, UpdateRule, check_epsilon, check_learning_rate, check_memory,
    check_weight_decay,
};
use crate::{Result, Scalar};

/// Adam for networks with large tables of vectors ([`Embedding`](crate::layer::Embedding)): rows that a batch does not read
/// stay as they are, with their moments, so that a step costs what the batch reads (TensorFlow Addons' `LazyAdam`).
///
/// ```text
/// g ← s g + λ θ                     s: gradient scale (clipping), λ: weight decay, coupled (L2); touched places alone
/// m ← β₁ m + (1 − β₁) g             v ← β₂ v + (1 − β₂) g²
/// θ ← θ − α (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
///
/// It is not Adam: a row's moments, and its decay, follow the steps that touch it. Without tables, or where every row is
/// touched, the two are the same, to the bit. The defaults are those of [`Adam`], and so is the meaning of each setting.
///
/// ```
/// use polytask::optim::LazyAdam;
/// use polytask::prelude::*;
///
/// // A thousand shops, and what they sell at a temperature; the first two rows are of shops 3 and 500.
/// let shop = |i: usize| (i * 497 + 3) % 1000;
/// let rows = polytask::ndarray::Array2::from_shape_fn((64, 2), |(i, j)| if j == 0 { shop(i) as f64 } else { i as f64 });
/// let sold = polytask::ndarray::Array2::from_shape_fn((64, 1), |(i, _)| (shop(i) % 7) as f64);
/// let data = Dataset::new(rows, sold)?.with_target_names(["sold"])?.with_index_columns([("x0", 1000)])?;
/// let builder = Model::builder(2).trunk([Layer::embedding(data.index_columns(), 4)]);
/// let mut model = builder.task(Task::regression("sold")).standardize().build::<f64>()?;
/// let before = model.parameters().to_vec();
/// Trainer::new(LazyAdam::new(0.01)).batch_size(2).in_order().steps(1).fit(&mut model, &data)?;
/// let table = model.network().layout().block("trunk.0.table.0").expect("of the layer");
/// let (table, before) = (table.of(model.parameters()), table.of(&before));
/// let moved: Vec<usize> = (0..1001).filter(|&row| table.row(row) != before.row(row)).collect();
/// assert_eq!(moved, [3, 500]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LazyAdam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    epsilon_hat: bool,
    weight_decay: f64,
}

impl LazyAdam {
    /// LazyAdam with this learning rate and the defaults of Adam.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, epsilon_hat: false, weight_decay: 0.0 }
    }

    /// The shares β₁ and β₂ of the past in the two running means, each from 0 to below 1 (default: 0.9 and 0.999).
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1, beta2, ..self }
    }

    /// The constant ε added to the root, at least 1e-30 (default: 1e-8).
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Takes ε for the ε̂ at the end of section 2 of Adam's paper, as TensorFlow Addons and PyTorch's `SparseAdam` do: it is
    /// added to the root of v before the correction.
    ///
    /// ```
    /// use polytask::optim::{LazyAdam, Optimizer};
    ///
    /// let mut theta = [0.0_f64];
    /// Optimizer::new(LazyAdam::new(0.1).epsilon(0.01).epsilon_hat(), 1)?.step(&mut theta, &[0.01]);
    /// // √v is 0.01 √0.001, so the step is α √0.001 · 0.01 / (0.01 √0.001 + 0.01).
    /// let root = 0.001_f64.sqrt();
    /// assert!((theta[0] + 0.1 * root / (root + 1.0)).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn epsilon_hat(self) -> Self {
        Self { epsilon_hat: true, ..self }
    }

    /// The weight decay λ, at least 0 (default: 0): λ θ is added to the gradient where θ is touched.
    ///
    /// ```
    /// use polytask::optim::{LazyAdam, Optimizer};
    /// use polytask::{Layout, TouchedRows};
    ///
    /// let mut layout = Layout::new();
    /// let mut touched = TouchedRows::new(2, [layout.push("table", 2, 1)], 1);
    /// touched.set([[0]]);
    /// let mut theta = [1.0_f64, 1.0];
    /// Optimizer::new(LazyAdam::new(0.1).weight_decay(0.5), 2)?.step_rows(&mut theta, &[0.0; 2], &touched);
    /// assert!((theta[0] - 0.9).abs() < 1e-6 && theta[1] == 1.0);   // a row that is not read does not decay
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }

    /// The rule for what is touched.
    fn of_touched(&self) -> Adam {
        let adam = Adam::new(self.learning_rate).betas(self.beta1, self.beta2).epsilon(self.epsilon);
        let adam = adam.weight_decay(self.weight_decay);
        if self.epsilon_hat { adam.epsilon_hat() } else { adam }
    }
}

impl RuleSettings for LazyAdam {
    fn name(&self) -> &'static str {
        "lazyadam"
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn n_moments(&self) -> usize {
        2
    }

    fn settings(&self) -> Vec<(&'static str, f64)> {
        self.of_touched().settings()
    }

    fn check(&self) -> Result<()> {
        check_learning_rate("lazyadam", self.learning_rate)?;
        check_memory("lazyadam", "beta1", self.beta1)?;
        check_memory("lazyadam", "beta2", self.beta2)?;
        check_epsilon("lazyadam", self.epsilon)?;
        check_weight_decay("lazyadam", self.weight_decay)
    }

    fn is_lazy(&self) -> bool {
        true
    }

    fn least_of_moment(&self, moment: usize) -> f64 {
        self.of_touched().least_of_moment(moment)
    }

    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        self.of_touched().bound(step, before)
    }
}

impl<F: Scalar> UpdateRule<F> for LazyAdam {
    fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], moments: [&mut [F]; 2]) {
        self.of_touched().update(step, theta, gradient, moments);
    }

    fn update_parts(
        &self,
        step: &Step,
        parts: &[Range<usize>],
        theta: &mut [F],
        gradient: &[F],
        moments: [&mut [F]; 2],
    ) {
        self.of_touched().update_parts(step, parts, theta, gradient, moments);
    }
}
