//! All derivatives of a model on a batch, checked in one line.

use std::fmt;

use super::Model;
use crate::arena::RowsMut;
use crate::balance::Weights;
use crate::data::Batch;
use crate::gradcheck::{self, Probe, Report};
use crate::layer::Mode;
use crate::{Result, Scalar, Trace};

/// What [`Model::check_gradients`] found; `{checks}` prints the reports of what did not pass.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let checks = model.check_gradients(&data.all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GradientChecks {
    /// The weighted sum of the tasks' losses.
    pub sum: Report,
    /// Each task's own loss, by name. Blocks that a task does not reach have a gradient of 0 and pass.
    pub tasks: Vec<(String, Report)>,
}

impl GradientChecks {
    /// Whether all derivatives agree, and nothing was left in doubt.
    pub fn passed(&self) -> bool {
        self.sum.passed() && self.tasks.iter().all(|(_, report)| report.passed())
    }
}

impl fmt::Display for GradientChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            let (blocks, tasks) = (self.sum.blocks.len(), self.tasks.len());
            return write!(
                f,
                "gradient checks passed: the sum of losses and {tasks} tasks, {blocks} blocks each"
            );
        }
        let named = self.tasks.iter().map(|(task, report)| (format!("The loss of task {task:?}"), report));
        let all = std::iter::once(("The weighted sum of losses".to_owned(), &self.sum)).chain(named);
        for (place, (what, report)) in all.filter(|(_, report)| !report.passed()).enumerate() {
            let gap = if place == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{what}\n\n{report}")?;
        }
        Ok(())
    }
}

impl<F: Scalar> Model<F> {
    /// Checks all derivatives on a batch: of the weighted sum of losses and of each task's loss, with respect to
    /// the parameters and to the inputs, the block `inputs` (`batch × features`, as the network sees them:
    /// standardised, if the model does that).
    ///
    /// For a network with layers or losses of your own this is the one line that tells whether their backward is
    /// right. Make it a model of `f64`; differences in `f32` are too rough.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f64>(20, 0.2, 42);
    /// let model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(6, Activation::Relu)])
    ///     .task(Task::regression("value"))
    ///     .task(Task::classes("grade", 5).weight(0.5))
    ///     .build::<f64>()?;
    /// let checks = model.check_gradients(&data.all())?;
    /// assert!(checks.passed(), "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), if the table of the batch does not fit the model.
    pub fn check_gradients(&self, batch: &Batch<'_, F>) -> Result<GradientChecks> {
        let mut trace = self.trace(batch.rows.len()).with_input_gradient();
        // Labels and weights stay in the trace; from here on only parameters and inputs change.
        self.forward_at(&self.pass(Mode::Train), batch, &mut trace)?;
        let mut layout = self.network.layout().clone();
        layout.push("inputs", batch.rows.len(), self.n_features());
        let mut point = self.theta.to_vec();
        let binding = self.bind(batch.dataset)?;
        for &row in batch.rows {
            point.extend(self.features_of_row(&binding, batch.dataset, row));
        }

        let weights = self.loss_weights();
        let loss = |point: &[F], probe: &mut Probe<'_, F>| self.probe_at(point, &weights, &mut trace, probe);
        let sum = gradcheck::check(&point, loss).named(&layout).run();
        let mut tasks = Vec::new();
        for (k, task) in self.tasks().iter().enumerate().filter(|(_, task)| task.has_loss()) {
            let alone = only(k, &Weights::ones(self.tasks().len()));
            let loss =
                |point: &[F], probe: &mut Probe<'_, F>| self.probe_at(point, &alone, &mut trace, probe);
            let report = gradcheck::check(&point, loss).named(&layout).allow_zero().run();
            tasks.push((task.name().to_owned(), report));
        }
        Ok(GradientChecks { sum, tasks })
    }

    /// The weighted sum of losses as a function of the parameters and, behind them, the inputs. Labels and weights
    /// of examples are those that the trace holds.
    fn probe_at(&self, point: &[F], weights: &Weights, trace: &mut Trace<F>, probe: &mut Probe<'_, F>) -> F {
        let (network, width) = (&self.network, self.n_features());
        let (theta, inputs) = point.split_at(self.theta.len());
        let fill = |first: usize, rows: RowsMut<'_, F>| {
            rows.zip(first..).for_each(|(to, i)| to.copy_from_slice(&inputs[i * width..(i + 1) * width]));
        };
        let pass = self.pass(Mode::Train).at(theta);
        network.forward(&pass, fill, trace);
        network.losses(trace);
        network.branches(&pass, trace, &mut |side, distance| probe.branch_at(side, distance));
        let backward = |weights: &Weights, gradient: &mut [F], trace: &mut Trace<F>| {
            let (parameters, inputs) = gradient.split_at_mut(theta.len());
            network.backward(&pass, trace, weights, parameters);
            inputs.iter_mut().zip(&network.input_gradient(trace)).for_each(|(to, &from)| *to = from);
        };
        if let Some(gradient) = probe.gradient() {
            backward(weights, gradient, trace);
        }
        for (k, task) in self.tasks().iter().enumerate() {
            if let Some(gradient) = probe.task_gradient(task.name()) {
                backward(&only(k, weights), gradient, trace);
            }
        }
        trace.losses().iter().zip(&weights.own).map(|(&loss, &weight)| F::from_f64(weight * loss)).sum()
    }
}

/// The weights of one task, 0 for all others.
pub(super) fn only(task: usize, weights: &Weights) -> Weights {
    let keep = |w: &[f64]| w.iter().enumerate().map(|(k, &w)| if k == task { w } else { 0.0 }).collect();
    Weights { shared: keep(&weights.shared), own: keep(&weights.own) }
}
