//! Reducing the learning rate when a metric stops getting better.
//!
//! Unlike a [`Schedule`](super::Schedule) this depends on what was measured, so it has a state. The rule and
//! its defaults are those of PyTorch's `ReduceLROnPlateau` (mode "min", relative threshold, no cool-down).

use super::require;
use crate::{Error, ErrorKind, Result};

/// Multiplies the learning rate by a factor when a metric, the smaller the better, has not got better for a
/// while.
///
/// ```text
/// x is better if x < best − threshold |best|
/// after more than `patience` observations in a row that are not better: scale ← max(scale · factor, least)
/// ```
///
/// Defaults: factor 0.1, patience 10, threshold 1e-4, least scale 0.
///
/// ```
/// use polytask::optim::{Optimizer, Plateau, Sgd};
///
/// let mut sgd = Optimizer::<f32>::new(Sgd::new(0.1), 3)?;
/// let mut plateau = Plateau::new().factor(0.5).patience(1);
/// plateau.check()?;
/// for validation_loss in [1.0, 0.8, 0.8, 0.8] {
///     sgd.scale_learning_rate(plateau.observe(validation_loss));
/// }
/// assert_eq!(sgd.learning_rate(), 0.05);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    factor: f64,
    patience: u64,
    threshold: f64,
    least: f64,
    state: PlateauState,
}

/// What a [`Plateau`] remembers.
///
/// ```
/// use polytask::optim::{Plateau, PlateauState};
///
/// let mut plateau = Plateau::new().patience(1);
/// for loss in [3.0, 2.0, 2.0, 2.0] {
///     plateau.observe(loss);
/// }
/// let state: PlateauState = plateau.state();
/// assert_eq!((state.best, state.waited, state.scale), (2.0, 0, 0.1)); // reduced just now
///
/// let mut resumed = Plateau::new().patience(1);
/// resumed.restore(state)?;
/// assert_eq!(resumed.observe(2.0), plateau.observe(2.0));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauState {
    /// The best metric so far; infinity before the first.
    pub best: f64,
    /// How many observations since then were not better, or since the last reduction.
    pub waited: u64,
    /// What the learning rate is multiplied by now.
    pub scale: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        let state = PlateauState { best: f64::INFINITY, waited: 0, scale: 1.0 };
        Self { factor: 0.1, patience: 10, threshold: 1e-4, least: 0.0, state }
    }
}

impl Plateau {
    /// A plateau with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the learning rate is multiplied by at each reduction: above 0 and below 1.
    #[must_use]
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// How many observations in a row may fail to be better without a reduction.
    #[must_use]
    pub fn patience(self, patience: u64) -> Self {
        Self { patience, ..self }
    }

    /// By what share of itself the metric must get smaller to count as better: from 0 to below 1.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// Below which scale the learning rate is not reduced: from 0 to 1.
    ///
    /// ```
    /// use polytask::optim::Plateau;
    ///
    /// let mut plateau = Plateau::new().factor(0.5).patience(0).threshold(0.1).least(0.3);
    /// // 0.95 is better than 1, but not by a tenth of it; nothing goes below 0.3.
    /// assert_eq!([1.0, 0.95, 0.8, 0.8, 0.8].map(|loss| plateau.observe(loss)), [1.0, 0.5, 0.5, 0.3, 0.3]);
    /// ```
    #[must_use]
    pub fn least(self, least: f64) -> Self {
        Self { least, ..self }
    }

    /// Takes note of the metric and returns what the learning rate is to be multiplied by from now on, for
    /// [`Optimizer::scale_learning_rate`](super::Optimizer::scale_learning_rate). NaN is never better.
    pub fn observe(&mut self, metric: f64) -> f64 {
        let PlateauState { best, waited, scale } = &mut self.state;
        // Before the first observation the best is infinite, and so would be the threshold.
        let bound = if best.is_finite() { *best - self.threshold * best.abs() } else { *best };
        if metric < bound {
            (*best, *waited) = (metric, 0);
        } else {
            *waited = waited.saturating_add(1);
        }
        if *waited > self.patience {
            // A learning rate that underflows to 0 is no learning rate.
            (*scale, *waited) = ((*scale * self.factor).max(self.least).max(f64::MIN_POSITIVE), 0);
        }
        *scale
    }

    /// What is remembered.
    pub fn state(&self) -> PlateauState {
        self.state
    }

    /// Takes up where another plateau of the same settings stopped.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the best metric is NaN or the scale is not above 0 and at most 1; nothing is
    /// changed then.
    pub fn restore(&mut self, state: PlateauState) -> Result<()> {
        let fault = |place, expected, found| Err(Error::new(ErrorKind::Value, place, expected, found));
        if state.best.is_nan() {
            return fault("plateau, best metric", "a number", state.best);
        }
        if !(state.scale > 0.0 && state.scale <= 1.0) {
            return fault("plateau, scale", "a number above 0 and at most 1", state.scale);
        }
        self.state = state;
        Ok(())
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] names the first that is not.
    pub fn check(&self) -> Result<()> {
        let Self { factor, threshold, least, .. } = *self;
        let within = |holds, place, expected, found| require(holds, "plateau", place, expected, found);
        within(factor > 0.0 && factor < 1.0, "factor", "a number above 0 and below 1", factor)?;
        within((0.0..1.0).contains(&threshold), "threshold", "a number from 0 to below 1", threshold)?;
        within((0.0..=1.0).contains(&least), "least scale", "a number from 0 to 1", least)
    }
}
