//! AdamW: Adam whose weight decay does not pass through the running means.
//!
//! Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2,
//! with the decay scaled by the learning rate as in PyTorch, whose default λ = 0.01 is used here too:
//!
//! ```text
//! θ ← θ − α λ θ                     first, and apart from the gradient
//! m, v, θ as in Adam                without λ in g
//! ```
//!
//! Adam with a coupled decay divides λ θ by √v like the rest of the gradient, so parameters with large
//! gradients decay less than others. Decoupled, all decay at the same rate.

use super::adam::{Constants, Sweep, bound};
use super::{
    Magnitudes, RuleSettings, Step, UpdateRule, check_epsilon, check_learning_rate, check_memory,
    check_weight_decay,
};
use crate::kernel::dispatch;
use crate::{Result, Scalar};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), the same as PyTorch's.
///
/// ```text
/// g ← s g                           s: gradient scale (clipping)
/// m ← β₁ m + (1 − β₁) g             v ← β₂ v + (1 − β₂) g²
/// θ ← (1 − α λ) θ − α (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
///
/// The defaults are β₁ = 0.9, β₂ = 0.999, ε = 1e-8 (Kingma and Ba 2015) and λ = 0.01 (PyTorch). A schedule
/// scales the decay with the learning rate.
///
/// ```
/// use polytask::optim::{AdamW, Optimizer};
///
/// let mut theta = [2.0_f64];
/// let mut adamw = Optimizer::new(AdamW::new(0.1).weight_decay(0.5), 1)?;
/// adamw.step(&mut theta, &[0.0]);
/// assert_eq!(theta, [1.9]);        // without a gradient, θ decays by the share α λ
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// Without decay it is Adam, with the same settings:
///
/// ```
/// use polytask::optim::{Adam, AdamW, Optimizer};
///
/// let mut adam = Optimizer::new(Adam::new(0.1).betas(0.8, 0.99).epsilon(1e-3), 1)?;
/// let mut adamw = Optimizer::new(AdamW::new(0.1).betas(0.8, 0.99).epsilon(1e-3).weight_decay(0.0), 1)?;
/// let mut usual = Optimizer::new(AdamW::new(0.1).weight_decay(0.0), 1)?;
/// let [mut a, mut b, mut c] = [[1.0_f64]; 3];
/// for gradient in [1.0, -0.5, 0.25] {
///     adam.step(&mut a, &[gradient]);
///     adamw.step(&mut b, &[gradient]);
///     usual.step(&mut c, &[gradient]);
/// }
/// assert_eq!(a, b);
/// assert_ne!(b, c);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
}

impl AdamW {
    /// AdamW with this learning rate and the usual defaults.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }

    /// The shares β₁ and β₂ of the past in the two running means, each from 0 to below 1; 0.9 and 0.999 if
    /// not said.
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1, beta2, ..self }
    }

    /// The constant ε added to the root, at least 1e-30 (default: 1e-8).
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The weight decay λ, at least 0 (default: 0.01): each step shrinks θ by the fraction α λ.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

impl AdamW {
    /// What θ is multiplied by before a step.
    fn shrink(&self, step: &Step) -> f64 {
        1.0 - step.learning_rate * step.decay_scale * self.weight_decay
    }
}

impl RuleSettings for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn n_moments(&self) -> usize {
        2
    }

    fn settings(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("learning_rate", self.learning_rate),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("epsilon", self.epsilon),
            ("weight_decay", self.weight_decay),
        ]
    }

    fn check(&self) -> Result<()> {
        check_learning_rate("adamw", self.learning_rate)?;
        check_memory("adamw", "beta1", self.beta1)?;
        check_memory("adamw", "beta2", self.beta2)?;
        check_epsilon("adamw", self.epsilon)?;
        check_weight_decay("adamw", self.weight_decay)
    }

    fn least_of_moment(&self, moment: usize) -> f64 {
        if moment == 1 { 0.0 } else { f64::NEG_INFINITY }
    }

    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        let betas = [self.beta1, self.beta2];
        Some(bound(step, before, betas, self.epsilon, [0.0, self.shrink(step)]))
    }
}

impl<F: Scalar> UpdateRule<F> for AdamW {
    fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], [m, v]: [&mut [F]; 2]) {
        let mut constants = Constants::new(step, self.beta1, self.beta2, self.epsilon);
        constants.shrink = F::from_f64(self.shrink(step));
        dispatch(Sweep { constants, theta, gradient, m, v });
    }
}
