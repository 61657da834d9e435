//! A function of one's own, shown every step.

use std::fmt;
use std::sync::Arc;

use super::{Callback, Controls, Event, Progress};
use crate::Result;
use std::ops::ControlFlow;

/// A function that sees every step: made by [`each_step`].
///
/// ```
/// use polytask::prelude::*;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::{EachStep, each_step};
///
/// fn stop_below(bound: f64) -> EachStep {
///     each_step(move |at| if at.losses[0] < bound { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
/// }
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let history = Trainer::new(Adam::new(0.01)).callback(stop_below(1e9)).fit(&mut model, &data)?;
/// assert_eq!((history.n_steps(), history.stopped_by()), (1, Some("each_step")));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone)]
pub struct EachStep(Arc<dyn Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync>);

/// Shows every step's progress to `see`, which says whether to go on.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use polytask::prelude::*;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::each_step;
///
/// let data = datasets::robot_arm::<f32>(300, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let last = Arc::new(AtomicU64::new(0));
/// let seen = Arc::clone(&last);
/// let watcher = each_step(move |progress| {
///     seen.store(progress.step, Ordering::Relaxed);
///     ControlFlow::Continue(())
/// });
/// Trainer::new(Adam::new(0.01)).steps(20).callback(watcher).fit(&mut model, &data)?;
/// assert_eq!(last.load(Ordering::Relaxed), 20);
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn each_step(see: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static) -> EachStep {
    EachStep(Arc::new(see))
}

impl Callback for EachStep {
    fn name(&self) -> &'static str {
        "each_step"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        Ok(if event == Event::Step { (self.0)(at) } else { ControlFlow::Continue(()) })
    }
}

impl fmt::Debug for EachStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EachStep(a function)")
    }
}
