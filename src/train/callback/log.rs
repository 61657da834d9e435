//! Progress as plain lines.

use std::fmt;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Callback, Controls, Event, Progress};
use crate::{Error, ErrorKind, Result};
use std::ops::ControlFlow;

/// Writes a line now and then: where the training stands, the mean loss of each task since the last line, and the
/// validation's losses.
///
/// ```text
/// epoch 2, step 26/130: shoulder 0.7315, elbow 0.4518; validation: shoulder 0.6891, elbow 0.4002
/// ```
/// The mean is over the steps in which the task had labels; `none` stands where there was no label, `NaN` for a
/// validation loss that is not a number.
///
/// A line at the end of every epoch, to standard error by default. There is no time in it, so that logs of
/// the same seed are the same.
///
/// ```
/// use std::io::Write;
/// use std::sync::{Arc, Mutex};
///
/// use polytask::prelude::*;
/// use polytask::train::callback::Log;
///
/// #[derive(Clone, Default)]
/// struct Page(Arc<Mutex<Vec<u8>>>);
/// impl Write for Page {
///     fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
///         self.0.lock().unwrap().write(text)
///     }
///     fn flush(&mut self) -> std::io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let data = datasets::robot_arm::<f32>(96, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let page = Page::default();
/// let log = Log::new().to(page.clone()).every_epochs(2);
/// Trainer::new(Adam::new(0.01)).epochs(5).callback(log).fit(&mut model, &data)?;
/// let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
/// assert_eq!(text.lines().count(), 3);
/// assert!(text.starts_with("epoch 2, step 6/15: elbow "));
/// assert!(text.lines().last().unwrap().starts_with("ended at epoch 5, step 15/15: elbow "));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone)]
pub struct Log {
    every: Every,
    to: Arc<Mutex<dyn Write + Send>>,
    /// The sum of each task's losses since the last line, of how many steps each is, and how many steps there were;
    /// empty before the first step.
    sums: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Every {
    Epochs(u64),
    Steps(u64),
}

impl Default for Log {
    fn default() -> Self {
        Self { every: Every::Epochs(1), to: Arc::new(Mutex::new(std::io::stderr())), sums: Vec::new() }
    }
}

impl Log {
    /// A line at the end of every epoch, to standard error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a line every `epochs` epochs, at least 1.
    #[must_use]
    pub fn every_epochs(self, epochs: u64) -> Self {
        Self { every: Every::Epochs(epochs), ..self }
    }

    /// Writes a line every `steps` steps, at least 1.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::Log;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let (page, to) = std::io::pipe().expect("a pipe");
    /// let log = Log::new().to(to).every_steps(10);
    /// Trainer::new(Adam::new(0.01)).steps(25).callback(log).fit(&mut model, &data)?;
    /// let lines = std::io::read_to_string(page).expect("text");
    /// assert!(lines.contains("step 10/25: elbow") && lines.contains("step 20/25: elbow"));
    /// assert_eq!(lines.lines().count(), 3);                            // and the one at the end
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn every_steps(self, steps: u64) -> Self {
        Self { every: Every::Steps(steps), ..self }
    }

    /// Where the lines go instead of standard error: a file, for one.
    #[must_use]
    pub fn to(self, to: impl Write + Send + 'static) -> Self {
        Self { to: Arc::new(Mutex::new(to)), ..self }
    }

    fn write(&mut self, start: &str, at: &Progress<'_>) -> Result<()> {
        let mut line = format!("{start}epoch {}, step {}/{}", at.epoch, at.step, at.n_steps);
        if self.sums.last().is_some_and(|&steps| steps > 0.0) {
            let (sums, counts) = self.sums.split_at(at.tasks.len());
            let means = sums.iter().zip(counts).map(|(sum, &n)| (n > 0.0).then(|| sum / n));
            let _ = write!(line, ": {}", list(at.tasks, means).join(", "));
        }
        if let Some(validation) = at.validation {
            let losses = list(at.tasks, validation.losses.iter().copied()).join(", ");
            let _ = write!(line, "; validation: {losses}");
        }
        self.sums.fill(0.0);
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(to, "{line}").and_then(|()| to.flush()).map_err(|error| {
            Error::new(ErrorKind::File, "log of a training", "a place to write to", &error).caused_by(error)
        })
    }
}

/// Each task with its loss, or `none`.
pub(super) fn list(tasks: &[String], losses: impl Iterator<Item = Option<f64>>) -> Vec<String> {
    let each = |(task, loss): (&String, Option<f64>)| {
        loss.map_or_else(|| format!("{task} none"), |loss| format!("{task} {loss:.4}"))
    };
    tasks.iter().zip(losses).map(each).collect()
}

impl Callback for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        let is_due = match (event, self.every) {
            (Event::Start, Every::Epochs(0) | Every::Steps(0)) => {
                return Err(Error::new(ErrorKind::Setting, "log", "a line after at least 1", 0));
            }
            (Event::Step, every) => {
                let k = at.tasks.len();
                if self.sums.len() == k + 1 {
                    // Taken up from a file of the time when every step counted for every task.
                    let steps = self.sums[k];
                    self.sums.splice(k..k, std::iter::repeat_n(steps, k));
                }
                self.sums.resize(2 * k + 1, 0.0);
                for (task, &loss) in at.losses.iter().enumerate().filter(|(_, loss)| !loss.is_nan()) {
                    self.sums[task] += loss;
                    self.sums[k + task] += 1.0;
                }
                self.sums[2 * k] += 1.0;
                matches!(every, Every::Steps(n) if at.step.is_multiple_of(n))
            }
            (Event::Epoch, Every::Epochs(n)) => at.epoch.is_multiple_of(n),
            _ => false,
        };
        if is_due {
            self.write("", at)?;
        } else if event == Event::End {
            self.write("ended at ", at)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("sums", &mut self.sums)]
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("every", &self.every).field("sums", &self.sums).finish_non_exhaustive()
    }
}
