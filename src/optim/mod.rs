//! Optimisers: from a gradient to a step of θ.
//!
//! Parameters, gradient and moments are slices laid out alike, so an optimiser is one loop and knows
//! nothing of layers. Three nouns:
//!
//! - a rule ([`Adam`], [`AdamW`], [`LazyAdam`], [`Sgd`]) is settings and one formula for one number of θ;
//! - an [`Optimizer`] owns what the rule remembers, the count of steps, the clipping and the [`Schedule`];
//! - a [`Step`] is what is the same for every number of θ in one step, so that pieces of θ may be updated in
//!   any order, and on several threads, with the same bits.
//!
//! ```text
//! gradient ── global norm ── begin ──▶ Step { count, learning rate, gradient scale }
//!     └────────────────────────────── update(step, range) ──▶ θ, moments
//! ```
//!
//! A rule of your own is a type with two small impls; it then fits wherever the crate's rules do:
//!
//! ```
//! use polytask::optim::{Optimizer, RuleSettings, Step, UpdateRule};
//! use polytask::{Result, Scalar};
//!
//! /// Moves every parameter by the learning rate, against the sign of its gradient.
//! #[derive(Clone, Debug)]
//! struct SignDescent(f64);
//!
//! impl RuleSettings for SignDescent {
//!     fn name(&self) -> &'static str { "sign" }
//!     fn learning_rate(&self) -> f64 { self.0 }
//!     fn n_moments(&self) -> usize { 0 }
//!     fn settings(&self) -> Vec<(&'static str, f64)> { vec![("learning_rate", self.0)] }
//!     fn check(&self) -> Result<()> { Ok(()) }
//! }
//!
//! impl<F: Scalar> UpdateRule<F> for SignDescent {
//!     fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], _: [&mut [F]; 2]) {
//!         let rate = F::from_f64(step.learning_rate);
//!         for (theta, &g) in theta.iter_mut().zip(gradient) {
//!             *theta -= if g > F::ZERO { rate } else { -rate };
//!         }
//!     }
//! }
//!
//! let mut theta = [1.0_f32, -1.0];
//! Optimizer::new(SignDescent(0.5), 2)?.step(&mut theta, &[3.0, -0.1]);
//! assert_eq!(theta, [0.5, -0.5]);
//! # Ok::<(), polytask::Error>(())
//! ```

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result, Scalar};

mod adam;
mod adamw;
mod checked;
mod clip;
mod groups;
mod lazy_adam;
mod optimizer;
mod plateau;
mod schedule;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use clip::{all_finite, global_norm, sum_of_squares};
pub use groups::ParameterGroups;
pub use lazy_adam::LazyAdam;
pub use optimizer::Optimizer;
pub use plateau::{Plateau, PlateauState};
pub use schedule::Schedule;
pub use sgd::Sgd;

/// What is known of a rule without knowing the type of number it works on.
pub trait RuleSettings: Debug + Send + Sync {
    /// The rule's name in files: lower case, one word.
    fn name(&self) -> &'static str;

    /// The learning rate before any schedule.
    fn learning_rate(&self) -> f64;

    /// How many vectors laid out like θ the rule remembers: at most 2. They start at 0.
    fn n_moments(&self) -> usize;

    /// Every setting by name, for files; a switch is 0 or 1.
    fn settings(&self) -> Vec<(&'static str, f64)>;

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] names the first that is not.
    fn check(&self) -> Result<()>;

    /// Whether the rule leaves rows of tables that a batch does not touch as they are, with their moments
    /// ([`TouchedRows`](crate::TouchedRows)). By default it moves everything.
    fn is_lazy(&self) -> bool {
        false
    }

    /// The least value that a number of a moment can have; a state that holds less is refused. Of a mean of squares it
    /// is 0.
    fn least_of_moment(&self, moment: usize) -> f64 {
        let _ = moment;
        f64::NEG_INFINITY
    }

    /// Bounds of the magnitudes after a step, from those before it, in exact arithmetic; they may be far too large.
    ///
    /// Where they are within the range of the scalar type, no number that a step computes can overflow. `None`, the
    /// default, says that nothing is known: then each [checked step](Optimizer::checked_step) is tried on θ with a
    /// copy at hand to go back to, which costs about as much as the update itself.
    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        let (_, _) = (step, before);
        None
    }
}

/// The largest magnitudes, or bounds of them, among the numbers that an update works with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Magnitudes {
    /// Of the numbers of θ.
    pub theta: f64,
    /// Of the numbers of the gradient; as a bound, of anything else that is computed on the way.
    pub gradient: f64,
    /// Of the numbers of each moment; 0 where the rule has none.
    pub moments: [f64; 2],
}

impl Magnitudes {
    /// Whether all are numbers and at most `limit`.
    fn are_within(&self, limit: f64) -> bool {
        let [first, second] = self.moments;
        [self.theta, self.gradient, first, second].iter().all(|magnitude| *magnitude <= limit)
    }
}

/// The formula of a rule over one scalar type.
pub trait UpdateRule<F: Scalar>: RuleSettings {
    /// Updates a piece of θ in place from the same piece of the gradient and of the moments.
    ///
    /// All slices have the length of the piece; moments beyond [`n_moments`](RuleSettings::n_moments) are
    /// empty. The update of one number depends on nothing but `step` and the numbers at the same place, so
    /// that θ may be cut into pieces anywhere.
    fn update(&self, step: &Step, theta: &mut [F], gradient: &[F], moments: [&mut [F]; 2]);

    /// Updates some parts of θ, in rising order: here the slices are all of it. By default it is one
    /// [`update`](Self::update) for each.
    fn update_parts(
        &self,
        step: &Step,
        parts: &[Range<usize>],
        theta: &mut [F],
        gradient: &[F],
        mut moments: [&mut [F]; 2],
    ) {
        for part in parts {
            // A moment that the rule does not have is empty, and so is every part of it.
            let moments = moments.each_mut().map(|m| m.get_mut(part.clone()).unwrap_or_default());
            self.update(step, &mut theta[part.clone()], &gradient[part.clone()], moments);
        }
    }
}

/// What is the same for every number of θ in one step.
///
/// ```
/// use polytask::optim::{Optimizer, Sgd, Step};
///
/// let mut theta = [1.0_f64, 1.0];                                          // a weight and a bias
/// let mut sgd = Optimizer::new(Sgd::new(0.5).weight_decay(0.5), 2)?;
/// let step = sgd.begin(None);
/// assert_eq!((step.count, step.learning_rate, step.gradient_scale), (1, 0.5, 1.0));
/// sgd.update(&step, 0..1, &mut theta[..1], &[0.0]);
/// sgd.update(&Step { decay_scale: 0.0, ..step }, 1..2, &mut theta[1..], &[0.0]);
/// assert_eq!(theta, [0.75, 1.0]);                                          // the bias has not decayed
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The number of this step, from 1.
    pub count: u64,
    /// The learning rate of this step, after the schedule.
    pub learning_rate: f64,
    /// What the gradient is multiplied by: less than 1 if its norm is clipped, else 1.
    pub gradient_scale: f64,
    /// What the rule's weight decay is multiplied by: 1, unless you set it to 0 for pieces of θ, such as
    /// biases, that shall not decay. [`ParameterGroups`] do it by name.
    pub decay_scale: f64,
}

/// A rule whose scalar type is still open: what a trainer holds, as `Arc<dyn Rule>`.
///
/// Every type that is an [`UpdateRule`] over both `f32` and `f64` and can be cloned is a `Rule`.
///
/// ```
/// use polytask::optim::{Adam, Rule, Sgd};
///
/// let rules: Vec<Box<dyn Rule>> = vec![Box::new(Adam::new(0.01)), Box::new(Sgd::new(0.1))];
/// let adam = rules[0].build::<f32>();
/// assert_eq!((adam.name(), adam.n_moments()), ("adam", 2));
/// ```
pub trait Rule: RuleSettings {
    /// The rule over `f32`.
    fn for_f32(&self) -> Arc<dyn UpdateRule<f32>>;
    /// The rule over `f64`.
    fn for_f64(&self) -> Arc<dyn UpdateRule<f64>>;
}

impl<R: UpdateRule<f32> + UpdateRule<f64> + Clone + 'static> Rule for R {
    fn for_f32(&self) -> Arc<dyn UpdateRule<f32>> {
        Arc::new(self.clone())
    }

    fn for_f64(&self) -> Arc<dyn UpdateRule<f64>> {
        Arc::new(self.clone())
    }
}

impl dyn Rule + '_ {
    /// The rule over the scalar type `F`.
    pub fn build<F: Scalar>(&self) -> Arc<dyn UpdateRule<F>> {
        let rule: Box<dyn Any> = match TypeId::of::<F>() == TypeId::of::<f32>() {
            true => Box::new(self.for_f32()),
            false => Box::new(self.for_f64()),
        };
        *rule.downcast().expect("θ is made of f32 or f64")
    }
}

/// 0 for what is too small to move any θ.
///
/// The memory of a parameter whose gradient stays 0, as behind a dead ReLU, halves every few steps until it
/// is a subnormal number and stays one. Arithmetic on those is several times slower on most processors.
#[inline(always)]
fn flush<F: Scalar>(moment: F) -> F {
    // Just above the smallest normal f32, 1.2e-38; the same in f64, so that both forget at the same step.
    if moment.abs() < F::from_f64(1e-37) { F::ZERO } else { moment }
}

/// An error about the setting `place` of `rule` unless `holds`.
fn require(holds: bool, rule: &str, place: &str, expected: &str, found: f64) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Setting, format!("{rule}, {place}"), expected, found)),
    }
}

fn check_learning_rate(rule: &str, rate: f64) -> Result<()> {
    require(rate.is_finite() && rate > 0.0, rule, "learning rate", "a number above 0", rate)
}

/// A share of the past that is kept in a running mean: β of Adam, the momentum of SGD.
fn check_memory(rule: &str, place: &str, beta: f64) -> Result<()> {
    require((0.0..1.0).contains(&beta), rule, place, "a number from 0 to below 1", beta)
}

fn check_weight_decay(rule: &str, decay: f64) -> Result<()> {
    require(decay.is_finite() && decay >= 0.0, rule, "weight decay", "0 or a number above it", decay)
}

/// ε keeps a quotient finite, so it must not vanish when it is rounded to `f32`.
fn check_epsilon(rule: &str, epsilon: f64) -> Result<()> {
    let holds = epsilon.is_finite() && epsilon >= 1e-30;
    require(holds, rule, "epsilon", "a number of at least 1e-30", epsilon)
}
