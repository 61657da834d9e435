//! Ending a training from outside: a flag, or Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Callback, Controls, Event, Progress};
use crate::Result;
#[cfg(feature = "ctrlc")]
use crate::{Error, ErrorKind};
use std::ops::ControlFlow;

/// Ends a training after the step under way when a flag is raised, with the model so far.
///
/// The flag is lowered when the training has ended, so that the next one is not ended by it too. Trainings that have copies
/// of one `Interrupt` and run at the same time are all ended: the last one lowers it. For the networks of an estimator it
/// is lowered when all of them have ended, whether they had begun or not.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use polytask::prelude::*;
/// use polytask::train::callback::Interrupt;
///
/// let data = datasets::robot_arm::<f32>(300, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let flag = Arc::new(AtomicBool::new(false));
/// let trainer = Trainer::new(Adam::new(0.01)).steps(50).callback(Interrupt::when(Arc::clone(&flag)));
/// flag.store(true, Ordering::Relaxed);                     // from another thread: a button, a signal
/// assert_eq!(trainer.fit(&mut model, &data)?.n_steps(), 1);
/// assert_eq!(trainer.fit(&mut model, &data)?.n_steps(), 50);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Interrupt {
    flag: Arc<AtomicBool>,
    /// How many trainings are under way that look at the flag.
    n_running: Arc<AtomicUsize>,
    /// Whether this is one of them.
    is_running: bool,
}

/// A copy for another training, which is not under way.
impl Clone for Interrupt {
    fn clone(&self) -> Self {
        Self { flag: Arc::clone(&self.flag), n_running: Arc::clone(&self.n_running), is_running: false }
    }
}

/// A training that fails is not told that it has ended.
impl Drop for Interrupt {
    fn drop(&mut self) {
        self.end();
    }
}

impl Interrupt {
    pub(crate) const NAME: &'static str = "interrupt";

    /// Ends the training when `flag` is true.
    pub fn when(flag: Arc<AtomicBool>) -> Self {
        Self { flag, n_running: Arc::default(), is_running: false }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.is_running, true) {
            self.n_running.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_running) && self.n_running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.flag.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the training at the first Ctrl-C (SIGINT). A second Ctrl-C before it has ended, or one when no training
    /// is under way to see the first, ends the process with status 130.
    ///
    /// The handler belongs to the whole process: it is installed at the first call, and all callbacks made here share
    /// one flag. A program started with SIGINT ignored, as a shell script starts one in the background, goes on
    /// ignoring it (on Linux; elsewhere that is taken for a handler of the program's own).
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::Interrupt;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let trainer = Trainer::new(Adam::new(0.01)).steps(50).callback(Interrupt::on_ctrl_c()?);
    /// assert_eq!(trainer.fit(&mut model, &data)?.n_steps(), 50);       // nobody pressed it
    /// assert!(Interrupt::on_ctrl_c().is_ok());                         // of the same handler
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the program has a handler for Ctrl-C of its own: then raise the flag of
    /// [`when`](Self::when) in it.
    #[cfg(feature = "ctrlc")]
    pub fn on_ctrl_c() -> Result<Self> {
        use std::sync::Mutex;
        static INSTALLED: Mutex<Option<Interrupt>> = Mutex::new(None);

        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(installed) = &*installed {
            return Ok(installed.clone());
        }
        let flag = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&flag);
        let handled = ctrlc::try_set_handler(move || {
            if raised.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        match handled {
            Err(error) if !is_ignored() => {
                let expected = "no other handler in the program";
                return Err(
                    Error::new(ErrorKind::Setting, "handler of Ctrl-C", expected, &error).caused_by(error)
                );
            }
            _ => {}
        }
        Ok(installed.insert(Self::when(flag)).clone())
    }
}

/// Whether the process was started with SIGINT ignored.
#[cfg(feature = "ctrlc")]
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGINT is signal 2, and the first bit is that of signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

impl Callback for Interrupt {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn begin_several(&mut self) {
        self.begin();
    }

    fn resumes(&self) -> bool {
        true
    }

    fn on(&mut self, event: Event, _: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        match event {
            Event::Start => self.begin(),
            Event::Step if self.flag.load(Ordering::Relaxed) => return Ok(ControlFlow::Break(())),
            Event::End => self.end(),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}
