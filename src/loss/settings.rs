//! The ranges of the losses' settings: what is outside is an error that names the setting.

use super::classes::Classes;
use crate::{Error, ErrorKind, Result};

pub(super) fn setting(place: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Setting, place, expected, found)
}

pub(super) fn expect(place: &str, expected: &str, found: f64, holds: bool) -> Result<f64> {
    if holds { Ok(found) } else { Err(setting(place, expected, found)) }
}

pub(super) fn above_zero(place: &str, found: f64) -> Result<f64> {
    expect(place, "a finite number above 0", found, found.is_finite() && found > 0.0)
}

pub(super) fn not_negative(place: &str, found: f64) -> Result<f64> {
    expect(place, "a finite number, 0 or more", found, found.is_finite() && found >= 0.0)
}

pub(super) fn smoothing(found: f64) -> Result<f64> {
    expect("label smoothing", "a number from 0, below 1", found, (0.0..1.0).contains(&found))
}

pub(super) fn weights(place: &str, weights: &[f64]) -> Result<Vec<f64>> {
    weights.iter().map(|&weight| not_negative(place, weight)).collect()
}

pub(super) fn check_classes(classes: usize) -> Result<usize> {
    match (2..=1 << 24).contains(&classes) {
        true => Ok(classes),
        false => {
            Err(setting("number of classes", "2 to 16777216, the indices that an f32 holds exactly", classes))
        }
    }
}

pub(super) fn weighted_classes(classes: usize, class_weights: &[f64]) -> Result<Classes> {
    let n = check_classes(classes)?;
    if !class_weights.is_empty() && class_weights.len() != n {
        return Err(setting(
            "number of class weights",
            format!("none or {n}, one per class"),
            class_weights.len(),
        ));
    }
    Ok(Classes { n, weights: weights("class weight", class_weights)? })
}
