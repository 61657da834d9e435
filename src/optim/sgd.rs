//! Stochastic gradient descent, plain, with momentum, or with Nesterov's.
//!
//! Sources: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964 (momentum);
//! I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
//! learning", ICML 2013, equations 3 and 4 (Nesterov's momentum for networks). The form is PyTorch's with
//! dampening 0, in which the learning rate multiplies the velocity and not the gradient, so that a change of
//! the learning rate acts at once:
//!
//! ```text
//! u ← μ u + g                       the velocity, from 0
//! θ ← θ − α u                       momentum
//! θ ← θ − α (g + μ u)               Nesterov
//! ```

use super::{
    Magnitudes, RuleSettings, Step, UpdateRule, check_learning_rate, check_memory, check_weight_decay, flush,
    require,
};
use crate::kernel::{SimdLoop, dispatch};
use crate::{Result, Scalar};

/// Stochastic gradient descent, the same as PyTorch's with dampening 0.
///
/// ```text
/// g ← s g + λ θ                     s: gradient scale (clipping), λ: weight decay, coupled (L2)
/// θ ← θ − α g                       without momentum
/// u ← μ u + g                       with momentum μ, then
/// θ ← θ − α u                       or, with Nesterov's form, θ ← θ − α (g + μ u)
/// ```
///
/// By default μ = 0 and λ = 0. Without momentum nothing is remembered. Momentum: B. T. Polyak, 1964;
/// Nesterov's: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
/// 2013, equations 3 and 4. The learning rate multiplies the velocity and not the gradient, so that a change
/// of it acts at once.
///
/// ```
/// use polytask::optim::{Optimizer, Sgd};
///
/// let mut theta = [1.0_f64];
/// let mut sgd = Optimizer::new(Sgd::new(0.5).momentum(0.5), 1)?;
/// sgd.step(&mut theta, &[1.0]);    // u = 1
/// sgd.step(&mut theta, &[1.0]);    // u = 1.5
/// assert_eq!(theta, [-0.25]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    /// Plain gradient descent with this learning rate.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// The share μ of the velocity that is kept from step to step, from 0 to below 1.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, nesterov: false, ..self }
    }

    /// Nesterov's momentum: steps along the velocity that the next step would have if the gradient stayed.
    /// Here μ must be above 0.
    ///
    /// ```
    /// use polytask::optim::{Optimizer, Sgd};
    ///
    /// let mut theta = [1.0_f64];
    /// let mut sgd = Optimizer::new(Sgd::new(0.5).nesterov(0.5), 1)?;
    /// sgd.step(&mut theta, &[1.0]);    // u = 1,   g + μ u = 1.5
    /// sgd.step(&mut theta, &[1.0]);    // u = 1.5, g + μ u = 1.75
    /// assert_eq!(theta, [-0.625]);     // -0.25 with plain momentum
    /// assert!(Optimizer::<f64>::new(Sgd::new(0.5).nesterov(0.0), 1).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn nesterov(self, momentum: f64) -> Self {
        Self { momentum, nesterov: true, ..self }
    }

    /// The weight decay λ, added to the gradient as λ θ (the derivative of ½ λ |θ|²).
    ///
    /// ```
    /// use polytask::optim::{Optimizer, Sgd};
    ///
    /// let mut theta = [1.0_f64, -4.0];
    /// Optimizer::new(Sgd::new(0.5).weight_decay(0.5), 2)?.step(&mut theta, &[0.0, 0.0]);
    /// assert_eq!(theta, [0.75, -3.0]); // without a gradient, θ decays by the share α λ
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

impl RuleSettings for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn n_moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn settings(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("learning_rate", self.learning_rate),
            ("momentum", self.momentum),
            ("nesterov", f64::from(u8::from(self.nesterov))),
            ("weight_decay", self.weight_decay),
        ]
    }

    fn check(&self) -> Result<()> {
        check_learning_rate("sgd", self.learning_rate)?;
        check_memory("sgd", "momentum", self.momentum)?;
        let has_velocity = self.momentum > 0.0 || !self.nesterov;
        require(has_velocity, "sgd", "momentum", "a number above 0 for Nesterov's form", self.momentum)?;
        check_weight_decay("sgd", self.weight_decay)
    }

    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        let g = step.gradient_scale * before.gradient + step.decay_scale * self.weight_decay * before.theta;
        let u = if self.n_moments() == 0 { 0.0 } else { self.momentum * before.moments[0] + g };
        let theta = before.theta + step.learning_rate * (g + u);
        Some(Magnitudes { theta, gradient: g.max(step.learning_rate), moments: [u, 0.0] })
    }
}

impl<F: Scalar> UpdateRule<F> for Sgd {
    fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], [velocity, _]: [&mut [F]; 2]) {
        // All forms are θ − α (p g + q u).
        let (p, q) = match (self.n_moments(), self.nesterov) {
            (0, _) => (1.0, 0.0),
            (_, false) => (0.0, 1.0),
            (_, true) => (1.0, self.momentum),
        };
        let constants = Constants {
            gradient_scale: F::from_f64(step.gradient_scale),
            decay: F::from_f64(step.decay_scale * self.weight_decay),
            momentum: F::from_f64(self.momentum),
            gradient_rate: F::from_f64(step.learning_rate * p),
            velocity_rate: F::from_f64(step.learning_rate * q),
        };
        match self.n_moments() {
            0 => dispatch(Plain { constants, theta, gradient }),
            _ => dispatch(WithVelocity { constants, theta, gradient, velocity }),
        }
    }
}

/// What one step multiplies by, computed in `f64` and rounded once.
#[derive(Clone, Copy)]
struct Constants<F> {
    gradient_scale: F,
    decay: F,
    momentum: F,
    gradient_rate: F,
    velocity_rate: F,
}

/// One pass without a velocity.
struct Plain<'a, F> {
    constants: Constants<F>,
    theta: &'a mut [F],
    gradient: &'a [F],
}

impl<F: Scalar> SimdLoop for Plain<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let c = self.constants;
        for (theta, &gradient) in self.theta.iter_mut().zip(self.gradient) {
            let g = c.gradient_scale * gradient + c.decay * *theta;
            *theta -= c.gradient_rate * g;
        }
    }
}

/// One pass with a velocity.
struct WithVelocity<'a, F> {
    constants: Constants<F>,
    theta: &'a mut [F],
    gradient: &'a [F],
    velocity: &'a mut [F],
}

impl<F: Scalar> SimdLoop for WithVelocity<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let c = self.constants;
        for ((theta, &gradient), u) in self.theta.iter_mut().zip(self.gradient).zip(self.velocity) {
            let g = c.gradient_scale * gradient + c.decay * *theta;
            *u = flush(c.momentum * *u + g);
            *theta -= c.gradient_rate * g + c.velocity_rate * *u;
        }
    }
}
