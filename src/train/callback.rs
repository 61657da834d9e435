//! Callbacks: they are notified as a training goes on, and may change its course or end it.
//!
//! A callback is settings and a few numbers. It never touches θ itself: it asks, through [`Controls`], and the
//! [`Run`](super::Run) does. So the numbers of callbacks and controls are all that a checkpoint needs of them.
//!
//! ```
//! use polytask::prelude::*;
//! use std::ops::ControlFlow;
//! use polytask::train::callback::{EarlyStopping, each_step};
//!
//! let data = datasets::robot_arm::<f32>(400, 0.05, 1);
//! let (train, held_out) = data.split(0.8, 1)?;
//! let mut model = Model::builder(data.n_features())
//!     .trunk([Layer::dense(32, Activation::Relu)])
//!     .task(Task::regression("shoulder"))
//!     .task(Task::regression("elbow"))
//!     .build::<f32>()?;
//! let history = Trainer::new(Adam::new(0.01))
//!     .epochs(500)
//!     .callback(EarlyStopping::new().patience(5))
//!     .callback(each_step(|progress| match progress.losses[0] < 1e-9 {
//!         true => ControlFlow::Break(()),
//!         false => ControlFlow::Continue(()),
//!     }))
//!     .fit_validated(&mut model, &train, &held_out)?;
//! assert_eq!(history.stopped_by(), Some("early_stopping"));
//! let best = history.validations().iter().filter_map(|validation| validation.total).fold(f64::MAX, f64::min);
//! assert_eq!(model.evaluate(&held_out)?.total_loss(), best);            // the best θ is back
//! # Ok::<(), polytask::Error>(())
//! ```

mod budget;
mod callbacks;
mod controls;
mod each_step;
mod early_stopping;
mod freeze;
mod interrupt;
mod log;
mod monitor;
#[cfg(feature = "progress")]
mod progress_bar;
mod reduce_on_plateau;
mod task_schedule;

use std::fmt::Debug;
use std::ops::ControlFlow;

pub use budget::Budget;
pub(super) use callbacks::Callbacks;
#[cfg(feature = "persist")]
pub(super) use callbacks::CallbacksState;
pub use controls::Controls;
pub use each_step::{EachStep, each_step};
pub use early_stopping::EarlyStopping;
#[cfg(feature = "persist")]
pub(super) use early_stopping::improves;
pub use freeze::FreezeConverged;
pub use interrupt::Interrupt;
pub use log::Log;
pub use monitor::Monitor;
#[cfg(feature = "progress")]
pub use progress_bar::ProgressBar;
pub use reduce_on_plateau::ReduceOnPlateau;
pub use task_schedule::TaskSchedule;

pub use super::progress::AnyModel;
use super::progress::Progress;
use crate::Result;

/// Is notified of events as a training goes on.
///
/// `Clone` provides [`boxed`](BoxedCallback::boxed): a trainer holds callbacks as settings, and each run starts with
/// fresh copies. Several are called in the order in which they were added, even if one before has asked to
/// stop.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Progress;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::{Callback, Controls, Event};
///
/// /// Stops when no task's loss on a batch is above a bound.
/// #[derive(Clone, Debug)]
/// struct GoodEnough(f64);
///
/// impl Callback for GoodEnough {
///     fn name(&self) -> &'static str {
///         "good_enough"
///     }
///
///     fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> polytask::Result<ControlFlow<()>> {
///         let is_good = at.losses.iter().all(|&loss| loss <= self.0);
///         Ok(if event == Event::Step && is_good { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
///     }
/// }
///
/// let data = datasets::robot_arm::<f32>(400, 0.05, 1);
/// let mut model = Model::builder(data.n_features()).task(Task::regression("elbow")).build::<f32>()?;
/// let history = Trainer::new(Adam::new(0.01)).callback(GoodEnough(1e9)).fit(&mut model, &data)?;
/// assert_eq!((history.n_steps(), history.stopped_by()), (1, Some("good_enough")));
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Callback: BoxedCallback + Debug + Send + Sync {
    /// The callback's name in files and in [`History::stopped_by`](super::History::stopped_by): lower case, one word.
    fn name(&self) -> &'static str;

    /// Called with what has happened and where the training stands.
    ///
    /// # Errors
    /// At [`Event::Start`] for a setting that is outside its range or does not fit the training
    /// ([`ErrorKind::Setting`](crate::ErrorKind::Setting), [`ErrorKind::Name`](crate::ErrorKind::Name)), and
    /// whenever the callback's own work fails. The training ends with the error.
    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>>;

    /// Called on a copy when several trainings are about to begin that each have a copy of their own, such as those of an
    /// estimator's networks. Nothing else is called on it, and it is dropped when the last of them has ended.
    fn begin_several(&mut self) {}

    /// Whether it reads [`Progress::report`]: metrics cost more than the losses that are always there.
    fn reads_report(&self) -> bool {
        false
    }

    /// Whether a training that this callback has ended may go on when it is resumed from a checkpoint. By default it has
    /// ended for good; a callback that returns `true` is asked again at [`Event::Start`].
    fn resumes(&self) -> bool {
        false
    }

    /// The numbers that it carries from one event to the next, each list under its name, as a
    /// [`Balance`](crate::balance::Balance) does. All lists are empty in a callback that has not begun, and one whose
    /// lists are emptied starts afresh.
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        Vec::new()
    }
}

/// Copies to keep while several trainings with these callbacks are under way: see [`Callback::begin_several`].
pub(crate) fn around_several(callbacks: &[Box<dyn Callback>]) -> Vec<Box<dyn Callback>> {
    let mut copies = callbacks.to_vec();
    copies.iter_mut().for_each(|callback| callback.begin_several());
    copies
}

/// What has happened.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use polytask::prelude::*;
/// use polytask::train::Progress;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::{Callback, Controls, Event};
///
/// #[derive(Clone, Debug, Default)]
/// struct Diary(Arc<Mutex<Vec<Event>>>);
///
/// impl Callback for Diary {
///     fn name(&self) -> &'static str { "diary" }
///     fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> polytask::Result<ControlFlow<()>> {
///         self.0.lock().unwrap().push(event);
///         Ok(ControlFlow::Continue(()))
///     }
/// }
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let diary = Diary::default();
/// Trainer::new(Adam::new(0.01)).epochs(1).callback(diary.clone()).fit_validated(&mut model, &data, &data)?;
/// let events = diary.0.lock().unwrap();
/// use Event::{End, Epoch, Start, Step, Validation};
/// assert_eq!(*events, [Start, Step, Step, Validation, Epoch, End]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Training begins, or goes on from a checkpoint; no step has been taken since.
    Start,
    /// A step was taken: θ is updated. Allocate nothing here if steps are to allocate nothing.
    Step,
    /// The losses on the validation data are there; always followed by [`Epoch`](Self::Epoch).
    Validation,
    /// A pass over the data is finished.
    Epoch,
    /// Training has ended, for whatever reason but an error.
    End,
}

/// Copies a callback whose type is hidden. Every callback that is `Clone` has it.
///
/// ```
/// use polytask::train::callback::{BoxedCallback, Budget, Callback, Log};
///
/// let callbacks: Vec<Box<dyn Callback>> = vec![Budget::steps(3).boxed(), Log::new().boxed()];
/// let copies = callbacks.clone();
/// assert_eq!((copies[0].name(), copies[1].name()), ("budget", "log"));
/// ```
pub trait BoxedCallback {
    /// A copy of the callback, settings and state, in a box.
    fn boxed(&self) -> Box<dyn Callback>;
}

impl<C: Callback + Clone + 'static> BoxedCallback for C {
    fn boxed(&self) -> Box<dyn Callback> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Callback> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}
