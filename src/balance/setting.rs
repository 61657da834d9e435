//! How settings are checked.

use std::fmt::Debug;

use crate::{Error, ErrorKind, Result};

/// An error unless `holds`.
pub(super) fn require(holds: bool, place: &str, expected: &str, found: impl Debug) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Setting, place, expected, format!("{found:?}")))
}

/// An error unless the setting is a finite number, at least 0.
pub(super) fn require_not_negative(value: f64, place: &str) -> Result<()> {
    require(value.is_finite() && value >= 0.0, place, "a number, at least 0", value)
}

/// An error unless the setting is a finite number above 0.
pub(super) fn require_positive(value: f64, place: &str) -> Result<()> {
    require(value.is_finite() && value > 0.0, place, "a number above 0", value)
}

/// An error unless there is one number for each task, and each is finite.
pub(super) fn require_one_each(list: &[f64], n_tasks: usize, place: &str) -> Result<()> {
    let expected = format!("one number for each of {n_tasks} tasks");
    require(list.len() == n_tasks && list.iter().all(|value| value.is_finite()), place, &expected, list)
}
