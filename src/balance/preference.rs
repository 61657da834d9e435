//! How much each task matters to the caller.

use super::setting::{require, require_one_each};
use crate::Result;

/// One number per task, at least 0; without any, all tasks matter alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Preference(Option<Vec<f64>>);

impl Preference {
    pub(super) fn given(preference: &[f64]) -> Self {
        Self(Some(preference.to_vec()))
    }

    /// The preference for `task`, or `alike` if none was set.
    pub(super) fn of(&self, task: usize, alike: f64) -> f64 {
        self.0.as_ref().map_or(alike, |list| list[task])
    }

    pub(super) fn check(&self, n_tasks: usize, place: &str) -> Result<()> {
        let Some(list) = &self.0 else { return Ok(()) };
        require_one_each(list, n_tasks, place)?;
        require(list.iter().all(|&p| p >= 0.0), place, "numbers that are at least 0", list)
    }
}
