//! Lowering the learning rate when the validation stands still.

use super::{Callback, Controls, Event, Monitor, Progress};
use crate::Result;
use crate::optim::{Plateau, PlateauState};
use std::ops::ControlFlow;

/// Multiplies the learning rate by a factor when the validation has not got better for a while: a
/// [`Plateau`] that is shown every validation. What is undefined is never better, and an error at the first validation.
///
/// ```
/// use polytask::optim::Plateau;
/// use polytask::prelude::*;
/// use polytask::train::callback::ReduceOnPlateau;
///
/// let (train, held_out) = datasets::robot_arm::<f32>(300, 0.05, 1).split(0.7, 1)?;
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let reduce = ReduceOnPlateau::new(Plateau::new().factor(0.5).patience(2));
/// let trainer = Trainer::new(Adam::new(0.1)).epochs(60).callback(reduce);
/// let mut run = trainer.start(&model, &train)?;
/// let mut workspace = run.workspace(&model, Some(&held_out));
/// while !run.is_finished() {
///     run.advance(&mut model, &train, Some(&held_out), &mut workspace)?;
/// }
/// assert!(run.optimizer().learning_rate() < 0.1);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReduceOnPlateau {
    plateau: Plateau,
    monitor: Monitor,
    /// Best, waited and scale of the plateau; empty before the first validation.
    memory: Vec<f64>,
}

impl ReduceOnPlateau {
    /// The plateau's settings; it begins anew in each training.
    pub fn new(plateau: Plateau) -> Self {
        Self { plateau, monitor: Monitor::Total, memory: Vec::new() }
    }

    /// What is monitored (default: the weighted total of the losses).
    ///
    /// ```
    /// use polytask::optim::Plateau;
    /// use polytask::prelude::*;
    /// use polytask::train::callback::{ReduceOnPlateau, Monitor};
    ///
    /// let (train, held_out) = datasets::robot_arm::<f32>(100, 0.05, 1).split(0.8, 1)?;
    /// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let fit = |task: &str| -> polytask::Result<f64> {
    ///     let plateau = Plateau::new().factor(0.5).patience(0).threshold(0.99); // by 99 %
    ///     let reduce = ReduceOnPlateau::new(plateau).monitor(Monitor::task(task));
    ///     let mut model = builder.build::<f32>()?;
    ///     let mut run = Trainer::new(Adam::new(1.0)).epochs(3).callback(reduce).start(&model, &train)?;
    ///     let mut workspace = run.workspace(&model, Some(&held_out));
    ///     while !run.is_finished() {
    ///         run.advance(&mut model, &train, Some(&held_out), &mut workspace)?;
    ///     }
    ///     Ok(run.optimizer().learning_rate())
    /// };
    /// assert_eq!(fit("elbow")?, 0.25); // after the second and the third epoch
    /// assert!(fit("wrist").is_err());                                  // no such task
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn monitor(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }
}

impl Callback for ReduceOnPlateau {
    fn name(&self) -> &'static str {
        "reduce_on_plateau"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, controls: &mut Controls) -> Result<ControlFlow<()>> {
        match event {
            Event::Start => {
                self.plateau.check()?;
                self.monitor.check("plateau", at)?;
            }
            Event::Validation => {
                let value = match self.memory.is_empty() {
                    true => self.monitor.first_value("plateau", at)?,
                    false => self.monitor.value("plateau", at)?,
                };
                let state = match self.memory[..] {
                    [best, waited, scale] => PlateauState { best, waited: waited as u64, scale },
                    _ => PlateauState { best: f64::INFINITY, waited: 0, scale: 1.0 },
                };
                self.plateau.restore(state)?;
                controls.scale_learning_rate(self.plateau.observe(value));
                let PlateauState { best, waited, scale } = self.plateau.state();
                self.memory = vec![best, waited as f64, scale];
            }
            Event::Step | Event::Epoch | Event::End => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn reads_report(&self) -> bool {
        self.monitor.reads_report()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("plateau", &mut self.memory)]
    }
}
