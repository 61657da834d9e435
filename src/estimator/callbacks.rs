//! Callbacks of an estimator: each network's training has copies, and one that is ended ends those after it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use crate::train::Progress;
use crate::train::callback::{Callback, Controls, Event};

/// What ended the fit of an estimator before all its networks were trained.
///
/// ```
/// use polytask::estimator::Stopped;
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
/// use polytask::train::callback::Budget;
///
/// let x = Array2::from_shape_fn((40, 1), |(i, _)| i as f64);
/// let settings = MultiTaskRegressor::new().hidden([4]).members(3).epochs(50).callback(Budget::steps(7));
/// let model = settings.fit(&x, &x)?;
/// assert_eq!(model.stopped(), Some(&Stopped { by: "budget".into(), n_complete: 0, wanted: 3 }));
/// assert_eq!(model.members().len(), 1); // the first network, as it was after seven steps
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(deny_unknown_fields))]
pub struct Stopped {
    /// The name of the callback.
    pub by: String,
    /// How many networks were trained to their end, of those that come before the one that was ended.
    pub n_complete: usize,
    /// How many there were to be.
    pub wanted: usize,
}

/// A callback whose type is hidden.
#[derive(Clone, Debug)]
pub(super) struct Hidden(pub(super) Box<dyn Callback>);

impl Callback for Hidden {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>> {
        self.0.on(event, at, controls)
    }

    fn begin_several(&mut self) {
        self.0.begin_several();
    }

    fn reads_report(&self) -> bool {
        self.0.reads_report()
    }

    fn resumes(&self) -> bool {
        self.0.resumes()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        self.0.state()
    }
}

/// Ends the training of a network that comes after one that was ended: nobody will use it.
#[derive(Clone, Debug)]
pub(super) struct AfterEnd {
    member: usize,
    /// The first network that was ended.
    first: Arc<AtomicUsize>,
}

impl AfterEnd {
    pub(super) const NAME: &'static str = "ended_before";

    pub(super) fn new(member: usize, first: &Arc<AtomicUsize>) -> Self {
        Self { member, first: Arc::clone(first) }
    }

    pub(super) fn is_so(&self) -> bool {
        self.member > self.first.load(Ordering::Relaxed)
    }
}

impl Callback for AfterEnd {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        Ok(match event {
            Event::Step if self.is_so() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }
}
