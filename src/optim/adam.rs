//! Adam: steps of about the learning rate, whatever the size of the gradient.
//!
//! Source: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1,
//! which also gives the defaults β₁ = 0.9, β₂ = 0.999, ε = 1e-8. With g the gradient at step t = 1, 2, …:
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g             running mean of the gradient, from 0
//! v ← β₂ v + (1 − β₂) g²            running mean of its square, from 0
//! m̂ = m / (1 − β₁ᵗ)                 a mean that starts at 0 is too small by this factor
//! v̂ = v / (1 − β₂ᵗ)
//! θ ← θ − α m̂ / (√v̂ + ε)
//! ```
//!
//! Both corrections are the same for every number of θ. Multiplying numerator and denominator by √(1 − β₂ᵗ)
//! takes them out of the loop:
//!
//! ```text
//! αₜ = α √(1 − β₂ᵗ) / (1 − β₁ᵗ)
//! θ ← θ − αₜ m / (√v + ε √(1 − β₂ᵗ))          the paper, algorithm 1
//! θ ← θ − αₜ m / (√v + ε̂)                     the paper, end of section 2; TensorFlow
//! ```
//!
//! So the two published forms differ in one constant of the step, and one loop serves both, and AdamW.

use std::ops::Range;

use super::{
    Magnitudes, RuleSettings, Step, UpdateRule, check_epsilon, check_learning_rate, check_memory,
    check_weight_decay, flush,
};
use crate::kernel::{SimdLoop, dispatch};
use crate::{Result, Scalar};

/// Adam (Kingma and Ba 2015, algorithm 1), the same as PyTorch's.
///
/// ```text
/// g ← s g + λ θ                     s: gradient scale (clipping), λ: weight decay, coupled (L2)
/// m ← β₁ m + (1 − β₁) g             v ← β₂ v + (1 − β₂) g²
/// θ ← θ − α (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
///
/// The defaults β₁ = 0.9, β₂ = 0.999, ε = 1e-8, λ = 0 are the paper's. A decay that does not pass through
/// the running means is [`AdamW`](super::AdamW).
///
/// ```
/// use polytask::optim::{Adam, Optimizer};
///
/// let mut theta = [1.0_f64, 1.0];
/// let mut adam = Optimizer::new(Adam::new(0.01), theta.len())?;
/// adam.step(&mut theta, &[5.0, -0.002]);
/// // The first step has the size of the learning rate, whatever the size of the gradient.
/// assert!((theta[0] - 0.99).abs() < 1e-6 && (theta[1] - 1.01).abs() < 1e-6);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    epsilon_hat: bool,
    weight_decay: f64,
}

impl Adam {
    /// Adam with this learning rate and the paper's defaults.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, epsilon_hat: false, weight_decay: 0.0 }
    }

    /// The shares β₁ and β₂ of the past in the two running means, each from 0 to below 1; 0.9 and 0.999 if
    /// not said.
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let two_steps = |adam: Adam| -> polytask::Result<f64> {
    ///     let (mut theta, mut adam) = ([0.0], Optimizer::new(adam, 1)?);
    ///     adam.step(&mut theta, &[5.0]);
    ///     adam.step(&mut theta, &[-0.2]);
    ///     Ok(theta[0])
    /// };
    /// assert!(two_steps(Adam::new(0.1))? < -0.15);                     // the mean of both gradients goes on
    /// assert!(two_steps(Adam::new(0.1).betas(0.0, 0.0))?.abs() < 1e-7); // no past: there and back
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1, beta2, ..self }
    }

    /// The constant ε added to the root, at least 1e-30 (default: 1e-8).
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let first_step = |adam: Adam| -> polytask::Result<f64> {
    ///     let mut theta = [0.0];
    ///     Optimizer::new(adam, 1)?.step(&mut theta, &[0.01]);
    ///     Ok(-theta[0])                                                // α |g| / (|g| + ε)
    /// };
    /// assert!((first_step(Adam::new(0.1))? - 0.1).abs() < 1e-6);
    /// assert!((first_step(Adam::new(0.1).epsilon(0.01))? - 0.05).abs() < 1e-12);
    /// assert!(first_step(Adam::new(0.1).epsilon(0.0)).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Adds ε to the root of the uncorrected v, as TensorFlow and Keras do ("epsilon hat" in the paper).
    ///
    /// ```text
    /// θ ← θ − α √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε)
    /// ```
    /// In early steps this ε weighs more: by 1 / √(1 − β₂ᵗ), 32 times at the first step.
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let first_step = |adam: Adam| -> polytask::Result<f64> {
    ///     let mut theta = [0.0];
    ///     Optimizer::new(adam, 1)?.step(&mut theta, &[0.01]);
    ///     Ok(-theta[0])
    /// };
    /// let hat = first_step(Adam::new(0.1).epsilon(1e-3).epsilon_hat())?;
    /// let usual = first_step(Adam::new(0.1).epsilon(1e-3 / 0.001_f64.sqrt()))?; // 1 − β₂ is 0.001
    /// assert!((hat - usual).abs() < 1e-12 && hat < 0.03);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn epsilon_hat(self) -> Self {
        Self { epsilon_hat: true, ..self }
    }

    /// The weight decay λ, added to the gradient as λ θ (the derivative of ½ λ |θ|²).
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let mut theta = [2.0_f64, 200.0];
    /// Optimizer::new(Adam::new(0.1).weight_decay(0.5), 2)?.step(&mut theta, &[0.0, 0.0]);
    /// // λ θ is divided by the root of its own square: the decay is not in proportion to θ, as AdamW's is.
    /// assert!((theta[0] - 1.9).abs() < 1e-6 && (theta[1] - 199.9).abs() < 1e-6);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

impl RuleSettings for Adam {
    fn name(&self) -> &'static str {
        "adam"
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
            ("epsilon_hat", f64::from(u8::from(self.epsilon_hat))),
            ("weight_decay", self.weight_decay),
        ]
    }

    fn check(&self) -> Result<()> {
        check_learning_rate("adam", self.learning_rate)?;
        check_memory("adam", "beta1", self.beta1)?;
        check_memory("adam", "beta2", self.beta2)?;
        check_epsilon("adam", self.epsilon)?;
        check_weight_decay("adam", self.weight_decay)
    }

    fn least_of_moment(&self, moment: usize) -> f64 {
        if moment == 1 { 0.0 } else { f64::NEG_INFINITY }
    }

    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        let decay = step.decay_scale * self.weight_decay;
        Some(bound(step, before, [self.beta1, self.beta2], self.epsilon, [decay, 1.0]))
    }
}

/// Bounds after a step of Adam or AdamW, with the coupled decay and what θ is multiplied by.
///
/// ```text
/// |g| ≤ s G + λ Θ      |m| ≤ max(M, |g|)      |v| ≤ max(V, g²)
/// |θ| ≤ |shrink| Θ + α / (1 − β₁) · |m| / (ε √(1 − β₂))
/// ```
/// since αₜ is at most α / (1 − β₁), and √v + ε √(1 − β₂ᵗ) at least ε √(1 − β₂).
pub(super) fn bound(
    step: &Step,
    before: &Magnitudes,
    [beta1, beta2]: [f64; 2],
    epsilon: f64,
    [decay, shrink]: [f64; 2],
) -> Magnitudes {
    let g = step.gradient_scale * before.gradient + decay * before.theta;
    let (m, v) = (before.moments[0].max(g), before.moments[1].max(g * g));
    let rate = step.learning_rate / (1.0 - beta1);
    let theta = shrink.abs() * before.theta + rate * m / (epsilon * (1.0 - beta2).sqrt());
    Magnitudes { theta, gradient: g.max(rate).max(shrink.abs()), moments: [m, v] }
}

impl<F: Scalar> UpdateRule<F> for Adam {
    fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], [m, v]: [&mut [F]; 2]) {
        dispatch(Sweep { constants: self.constants(step), theta, gradient, m, v });
    }

    fn update_parts(
        &self,
        step: &Step,
        parts: &[Range<usize>],
        theta: &mut [F],
        gradient: &[F],
        [m, v]: [&mut [F]; 2],
    ) {
        dispatch(SweepOfParts {
            parts,
            all: Sweep { constants: self.constants(step), theta, gradient, m, v },
        });
    }
}

impl Adam {
    fn constants<F: Scalar>(&self, step: &Step) -> Constants<F> {
        let mut constants = Constants::new(step, self.beta1, self.beta2, self.epsilon);
        if self.epsilon_hat {
            constants.epsilon = F::from_f64(self.epsilon);
        }
        constants.coupled_decay = F::from_f64(step.decay_scale * self.weight_decay);
        constants
    }
}

/// What one step of Adam or AdamW multiplies and adds, computed in `f64` and rounded once.
#[derive(Clone, Copy)]
pub(super) struct Constants<F> {
    gradient_scale: F,
    /// λ of `g + λ θ`; 0 for AdamW.
    coupled_decay: F,
    /// What θ is multiplied by before the step; 1 for Adam.
    pub(super) shrink: F,
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    /// αₜ, the learning rate with both corrections.
    rate: F,
    epsilon: F,
}

impl<F: Scalar> Constants<F> {
    /// The constants of algorithm 1 without weight decay.
    pub(super) fn new(step: &Step, beta1: f64, beta2: f64, epsilon: f64) -> Self {
        let [power1, power2] = powers([beta1, beta2], step.count);
        let (correction1, correction2) = (1.0 - power1, (1.0 - power2).sqrt());
        Self {
            gradient_scale: F::from_f64(step.gradient_scale),
            coupled_decay: F::ZERO,
            shrink: F::ONE,
            beta1: F::from_f64(beta1),
            one_minus_beta1: F::from_f64(1.0 - beta1),
            beta2: F::from_f64(beta2),
            one_minus_beta2: F::from_f64(1.0 - beta2),
            rate: F::from_f64(step.learning_rate * correction2 / correction1),
            epsilon: F::from_f64(epsilon * correction2),
        }
    }
}

/// β₁ᵗ and β₂ᵗ by repeated squaring, side by side: the same bits on every platform, which the standard library
/// does not promise.
fn powers(mut betas: [f64; 2], mut t: u64) -> [f64; 2] {
    let mut products = [1.0; 2];
    while t > 0 {
        // Without a branch, which the processor would guess wrongly at every other bit.
        let factors = if t % 2 == 1 { betas } else { [1.0; 2] };
        products = [products[0] * factors[0], products[1] * factors[1]];
        betas = betas.map(|beta| beta * beta);
        t /= 2;
    }
    products
}

/// One pass: each number is read once and written once.
pub(super) struct Sweep<'a, F> {
    pub(super) constants: Constants<F>,
    pub(super) theta: &'a mut [F],
    pub(super) gradient: &'a [F],
    pub(super) m: &'a mut [F],
    pub(super) v: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Sweep<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let c = self.constants;
        for (((theta, &gradient), m), v) in self.theta.iter_mut().zip(self.gradient).zip(self.m).zip(self.v) {
            let g = c.gradient_scale * gradient + c.coupled_decay * *theta;
            *m = flush(c.beta1 * *m + c.one_minus_beta1 * g);
            *v = c.beta2 * *v + c.one_minus_beta2 * g * g;
            *theta = c.shrink * *theta - c.rate * *m / (v.sqrt() + c.epsilon);
        }
    }
}

/// A pass over some parts.
struct SweepOfParts<'a, F> {
    parts: &'a [Range<usize>],
    all: Sweep<'a, F>,
}

impl<F: Scalar> SimdLoop for SweepOfParts<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Sweep { constants, theta, gradient, m, v } = self.all;
        for part in self.parts {
            let gradient = &gradient[part.clone()];
            let (theta, m, v) = (&mut theta[part.clone()], &mut m[part.clone()], &mut v[part.clone()]);
            Sweep { constants, theta, gradient, m, v }.run();
        }
    }
}
