//! A method asked at every nth step, with its last weights in between.

use std::fmt;

use super::order::count;
use super::setting::require;
use super::{Balance, Domain, Needs, Tasks, Weights};
use crate::Result;

/// A method asked at the first and then at every nth step.
///
/// In between, its last weights are used, and neither the Gramian nor losses after the step are needed. A task
/// that had no label when the method was last asked keeps the weight it had before; 1 if it never had one.
///
/// ```
/// use polytask::balance::{Balance, Balancer, FixedEvidence, ScaleInvariant};
///
/// let mut balancer = Balancer::new(ScaleInvariant::new().every(2), 1)?;
/// let mut weight = |loss: f64| balancer.weights(&mut FixedEvidence::from_losses(&[loss])).shared[0];
/// assert_eq!([weight(1.0), weight(0.5), weight(0.25)], [1.0, 1.0, 4.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone)]
pub struct EveryNth<B> {
    method: B,
    n: usize,
    steps: Vec<f64>,
    shared: Vec<f64>,
    own: Vec<f64>,
}

/// Under the name by which checkpoints know it.
impl<B: fmt::Debug> fmt::Debug for EveryNth<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, n, steps, shared, own } = self;
        let mut fields = f.debug_struct("Every");
        fields.field("method", method).field("n", n).field("steps", steps);
        fields.field("shared", shared).field("own", own).finish()
    }
}

impl<B: Balance> EveryNth<B> {
    /// `method`, asked at every `n`th step; n is at least 1.
    pub fn new(method: B, n: usize) -> Self {
        let [steps, shared, own] = [const { Vec::new() }; 3];
        Self { method, n, steps, shared, own }
    }

    fn is_asked_at(&self, step: u64) -> bool {
        step.is_multiple_of(self.n as u64)
    }
}

impl<B: Balance + Clone + 'static> Balance for EveryNth<B> {
    fn needs(&self) -> Needs {
        let step = self.steps.first().map_or(0.0, |&steps| steps);
        if self.is_asked_at(step as u64) { self.method.needs() } else { Needs::LOSSES }
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        self.shared.resize(tasks.all(), 1.0);
        self.own.resize(tasks.all(), 1.0);
        let step = count(&mut self.steps);
        let asked = self.is_asked_at(step);
        if asked {
            self.method.weigh(tasks, weights);
        }
        for (kept, now) in [(&mut self.shared, &mut weights.shared), (&mut self.own, &mut weights.own)] {
            for (now, &k) in now.iter_mut().zip(tasks.index()) {
                if asked {
                    kept[k] = *now;
                } else {
                    *now = kept[k];
                }
            }
        }
    }

    fn after_step(&mut self, tasks: &[usize], losses: &[f64]) {
        let last = self.steps.first().map_or(0.0, |steps| steps - 1.0);
        if self.is_asked_at(last as u64) {
            self.method.after_step(tasks, losses);
        }
    }

    fn name(&self) -> &'static str {
        self.method.name()
    }

    fn domain(&self, task: usize) -> Domain {
        self.method.domain(task)
    }

    fn end_epoch(&mut self) {
        self.method.end_epoch();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        let mut state = self.method.state();
        let kept = [
            ("steps", &mut self.steps),
            ("kept weights", &mut self.shared),
            ("kept own weights", &mut self.own),
        ];
        state.extend(kept);
        state
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        require(self.n > 0, "steps between weights", "at least 1", self.n)?;
        self.method.check(n_tasks)
    }
}
