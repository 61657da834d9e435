//! Ending a training when its time or its steps are used up.

use std::time::{Duration, Instant};

use super::{Callback, Controls, Event, Progress};
use crate::Result;
use std::ops::ControlFlow;

/// Ends a training after a given time or number of steps, whichever comes first.
///
/// Time counts from the start, and goes on from where it was in a training resumed from a checkpoint. A training
/// ended by time does not take the same number of steps twice; one ended by steps does.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::Budget;
///
/// let data = datasets::robot_arm::<f32>(300, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let history = Trainer::new(Adam::new(0.01)).epochs(100).callback(Budget::steps(7)).fit(&mut model, &data)?;
/// assert_eq!((history.n_steps(), history.stopped_by()), (7, Some("budget")));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    time: Option<Duration>,
    steps: Option<u64>,
    started: Option<Instant>,
    /// Seconds used before the last start, and in all.
    seconds: Vec<f64>,
}

impl Budget {
    /// So much time, which is looked at after each step: at least one is taken.
    pub fn time(time: Duration) -> Self {
        Self { time: Some(time), steps: None, started: None, seconds: Vec::new() }
    }

    /// So many steps, at least one of which is taken.
    pub fn steps(steps: u64) -> Self {
        Self { time: None, steps: Some(steps), started: None, seconds: Vec::new() }
    }

    /// And no more steps than these.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use polytask::prelude::*;
    /// use polytask::train::callback::Budget;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let mut steps_within = |budget: Budget| -> polytask::Result<u64> {
    ///     Ok(Trainer::new(Adam::new(0.01)).callback(budget).fit(&mut model, &data)?.n_steps())
    /// };
    /// assert_eq!(steps_within(Budget::time(Duration::from_secs(3600)).and_steps(5))?, 5);
    /// assert_eq!(steps_within(Budget::time(Duration::ZERO).and_steps(5))?, 1);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn and_steps(self, steps: u64) -> Self {
        Self { steps: Some(steps), ..self }
    }
}

impl Budget {
    /// Whether there is something left; a training that is resumed with nothing left stays ended.
    fn flow(&self, at: &Progress<'_>) -> ControlFlow<()> {
        let used = self.seconds.get(1).copied().unwrap_or(0.0);
        let is_over = self.time.is_some_and(|time| used >= time.as_secs_f64())
            || self.steps.is_some_and(|steps| at.step >= steps);
        if is_over && at.step > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Callback for Budget {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn resumes(&self) -> bool {
        true
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        match event {
            Event::Start => {
                let before = self.seconds.get(1).copied().unwrap_or(0.0);
                self.seconds = vec![before, before];
                self.started = Some(Instant::now());
                Ok(self.flow(at))
            }
            Event::Step => {
                if let (Some(started), [before, in_all]) = (self.started, &mut self.seconds[..]) {
                    *in_all = *before + started.elapsed().as_secs_f64();
                }
                Ok(self.flow(at))
            }
            Event::Validation | Event::Epoch | Event::End => Ok(ControlFlow::Continue(())),
        }
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("seconds", &mut self.seconds)]
    }
}
