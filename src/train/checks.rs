//! What is checked in every step: the losses, the penalty, and the learning rate.

use super::History;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// Schedules of the crate are checked before a training begins; one of the caller's own can only be checked step by step.
pub(super) fn check_rate(rate: f64, history: &History) -> Result<()> {
    if rate.is_finite() && rate >= 0.0 {
        return Ok(());
    }
    let place = format!("learning rate of step {}", history.n_steps());
    Err(Error::new(ErrorKind::Setting, place, "a number, at least 0", rate)
        .advise("the factors of a schedule must be finite and not negative"))
}

/// A loss that is not finite ends the training, before anything is learnt from it.
pub(super) fn check_losses(losses: &[f64], history: &History) -> Result<()> {
    let Some(k) = losses.iter().position(|loss| !loss.is_finite()) else { return Ok(()) };
    let place = format!("loss of task {:?} at step {}", history.tasks()[k], history.n_steps() + 1);
    Err(Error::new(ErrorKind::Value, place, "a finite number", losses[k])
        .advise("lower the learning rate, clip the gradient, or standardise the data"))
}

/// A penalty that is not finite ends the training in the same way.
pub(super) fn check_penalty<F: Scalar>(model: &Model<F>, penalty: f64, history: &History) -> Result<()> {
    if penalty.is_finite() {
        return Ok(());
    }
    let theta = model.parameters();
    let wrong = model.network().penalties().iter().find(|penalty| !penalty.value(theta).is_finite());
    let name = wrong.map_or("sum of penalties", |penalty| penalty.name());
    let place = format!("penalty {name} at step {}", history.n_steps() + 1);
    Err(Error::new(ErrorKind::Value, place, "a finite number", penalty)
        .advise("lower the learning rate or the strength of the penalty"))
}
