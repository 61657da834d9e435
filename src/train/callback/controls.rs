//! What callbacks may ask of a training: weights of tasks, the learning rate, the best θ.

use crate::{Error, ErrorKind, Result};

/// The levers that callbacks have. What is set stays until it is set again.
///
/// Nothing but numbers: with the θ that was [kept](Self::keep_parameters) it is what a checkpoint holds of them.
///
/// ```
/// use polytask::train::callback::Controls;
///
/// let mut controls = Controls::new(2);
/// controls.scale_task(0, 0.5);
/// controls.freeze(1);
/// assert_eq!((controls.task_factor(0), controls.task_factor(1)), (0.5, 0.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    factors: Vec<f64>,
    frozen: Vec<bool>,
    rate: f64,
    keeps: bool,
    restores: bool,
}

impl Controls {
    /// Controls of `n_tasks` tasks that nobody has moved.
    pub fn new(n_tasks: usize) -> Self {
        let (factors, frozen) = (vec![1.0; n_tasks], vec![false; n_tasks]);
        Self { factors, frozen, rate: 1.0, keeps: false, restores: false }
    }

    /// Multiplies a task's own weight by `factor` in all steps to come; a second call replaces the first.
    ///
    /// # Panics
    /// If there is no such task, or the factor is negative or not finite.
    #[track_caller]
    pub fn scale_task(&mut self, task: usize, factor: f64) {
        assert!(factor.is_finite() && factor >= 0.0, "a task's weight cannot be scaled by {factor}");
        self.factors[task] = factor;
    }

    /// Gives a task weight 0 from now on, whatever [`scale_task`](Self::scale_task) says.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn freeze(&mut self, task: usize) {
        self.frozen[task] = true;
    }

    /// Multiplies the learning rate by `factor` in all steps to come, on top of its schedule; a second call replaces
    /// the first.
    ///
    /// # Panics
    /// If `factor` is not a number above 0.
    #[track_caller]
    pub fn scale_learning_rate(&mut self, factor: f64) {
        assert!(factor.is_finite() && factor > 0.0, "a learning rate cannot be scaled by {factor}");
        self.rate = factor;
    }

    /// Keeps a copy of θ as it is now, in place of an earlier one.
    pub fn keep_parameters(&mut self) {
        self.keeps = true;
    }

    /// At [`Event::End`](super::Event::End): the model gets the θ back that was kept last, if one was kept.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Progress;
    /// use std::ops::ControlFlow;
    /// use polytask::train::callback::{Callback, Controls, Event};
    ///
    /// /// Gives the model the θ that it had after three steps.
    /// #[derive(Clone, Debug)]
    /// struct BackToThree;
    ///
    /// impl Callback for BackToThree {
    ///     fn name(&self) -> &'static str { "back_to_three" }
    ///     fn on(&mut self, event: Event, at: &Progress<'_>, ask: &mut Controls) -> polytask::Result<ControlFlow<()>> {
    ///         match event {
    ///             Event::Step if at.step == 3 => ask.keep_parameters(),
    ///             Event::End => ask.restore_parameters(),
    ///             _ => {}
    ///         }
    ///         Ok(ControlFlow::Continue(()))
    ///     }
    /// }
    /// # let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// # let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// # let mut twin = model.clone();
    /// let trainer = Trainer::new(Adam::new(0.01));
    /// let history = trainer.clone().steps(9).callback(BackToThree).fit(&mut model, &data)?;
    /// trainer.steps(3).fit(&mut twin, &data)?;
    /// assert_eq!((history.restored_step(), model.parameters()), (Some(3), twin.parameters()));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn restore_parameters(&mut self) {
        self.restores = true;
    }

    /// Whether a task is frozen.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn is_frozen(&self, task: usize) -> bool {
        self.frozen[task]
    }

    /// What a task's own weight is multiplied by in the coming step: 0 if it is frozen.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn task_factor(&self, task: usize) -> f64 {
        if self.frozen[task] { 0.0 } else { self.factors[task] }
    }

    /// What the learning rate is multiplied by in the coming step, on top of its schedule.
    pub fn rate_factor(&self) -> f64 {
        self.rate
    }

    /// The numbers to save: a factor for each task, whether each is frozen (0 or 1), the factor of the learning rate.
    pub fn state(&self) -> Vec<f64> {
        let frozen = self.frozen.iter().map(|&frozen| f64::from(u8::from(frozen)));
        self.factors.iter().copied().chain(frozen).chain([self.rate]).collect()
    }

    /// Takes up the numbers that [`state`](Self::state) gave.
    ///
    /// ```
    /// use polytask::train::callback::Controls;
    ///
    /// let mut controls = Controls::new(2);
    /// controls.scale_task(0, 0.5);
    /// controls.freeze(1);
    /// controls.scale_learning_rate(0.25);
    /// assert_eq!(controls.state(), [0.5, 1.0, 0.0, 1.0, 0.25]);
    ///
    /// let mut resumed = Controls::new(2);
    /// resumed.restore(&controls.state())?;
    /// assert!(resumed.is_frozen(1) && resumed.rate_factor() == 0.25);
    /// assert!(Controls::new(3).restore(&controls.state()).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if they are not those of as many tasks, or one is outside its range; nothing is
    /// changed then.
    pub fn restore(&mut self, state: &[f64]) -> Result<()> {
        let n = self.factors.len();
        let fault = |expected: String, found: String| {
            Err(Error::new(ErrorKind::Value, "state of the controls", expected, found))
        };
        if state.len() != 2 * n + 1 {
            return fault(format!("{} numbers for {n} tasks", 2 * n + 1), state.len().to_string());
        }
        let (factors, frozen, rate) = (&state[..n], &state[n..2 * n], state[2 * n]);
        if let Some(factor) = factors.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
            return fault("factors that are finite and not negative".into(), factor.to_string());
        }
        if let Some(flag) = frozen.iter().find(|x| **x != 0.0 && **x != 1.0) {
            return fault("0 or 1 for each task".into(), flag.to_string());
        }
        if !(rate.is_finite() && rate > 0.0) {
            return fault("a factor of the learning rate above 0".into(), rate.to_string());
        }
        self.factors.copy_from_slice(factors);
        self.frozen.iter_mut().zip(frozen).for_each(|(to, &flag)| *to = flag == 1.0);
        self.rate = rate;
        Ok(())
    }

    /// Whether θ is to be kept; asks once.
    pub(super) fn take_keep(&mut self) -> bool {
        std::mem::take(&mut self.keeps)
    }

    /// Whether the kept θ is to be brought back; asks once.
    pub(super) fn take_restore(&mut self) -> bool {
        std::mem::take(&mut self.restores)
    }
}
