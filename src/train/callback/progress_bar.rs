//! A progress bar, drawn by the crate `indicatif`.

use indicatif::ProgressStyle;

use super::log::list;
use super::{Callback, Controls, Event, Progress};
use crate::Result;
use std::ops::ControlFlow;

/// A bar on the terminal with the time left and the tasks' losses; nothing where standard error is no terminal
/// (there a [`Log`](super::Log) is better).
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::callback::ProgressBar;
///
/// let data = datasets::robot_arm::<f32>(300, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let history = Trainer::new(Adam::new(0.01)).steps(50).callback(ProgressBar::new()).fit(&mut model, &data)?;
/// assert_eq!(history.n_steps(), 50);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// Copies of one `ProgressBar`, such as those of the networks of an estimator, are drawn below one another.
#[derive(Clone, Debug, Default)]
pub struct ProgressBar {
    bar: Option<indicatif::ProgressBar>,
    all: indicatif::MultiProgress,
}

impl ProgressBar {
    /// A bar.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Callback for ProgressBar {
    fn name(&self) -> &'static str {
        "progress_bar"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Start {
            let bar = self.all.add(indicatif::ProgressBar::new(at.n_steps));
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}<{eta} {wide_msg}");
            bar.set_style(style.expect("a template of indicatif"));
            bar.set_position(at.step);
            bar.reset_eta();
            self.bar = Some(bar);
        }
        let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_hidden()) else {
            return Ok(ControlFlow::Continue(()));
        };
        match event {
            Event::Step => bar.set_position(at.step),
            Event::Epoch => {
                let losses = match at.validation {
                    Some(validation) => list(at.tasks, validation.losses.iter().copied()),
                    None => list(at.tasks, at.losses.iter().map(|&loss| Some(loss).filter(|x| !x.is_nan()))),
                };
                bar.set_message(losses.join("  "));
            }
            Event::End => bar.abandon(),
            Event::Start | Event::Validation => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}
