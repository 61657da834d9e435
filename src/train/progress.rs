//! What a callback is shown of a training: where it stands, and its model.

use std::any::Any;

use super::Validation;
use crate::report::Report;
use crate::{Model, Scalar, Task};

/// Where a training stands after a step.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Progress;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::each_step;
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow").weight(0.5)).build::<f32>()?;
/// let half = |at: &Progress<'_>| {
///     let is_plain = at.tasks == ["elbow"] && at.weights == at.own_weights && !at.is_validated;
///     if is_plain && at.losses[0] > 0.0 && 2 * at.step >= at.n_steps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// };
/// let history = Trainer::new(Adam::new(0.01)).steps(10).callback(each_step(half)).fit(&mut model, &data)?;
/// assert_eq!(history.n_steps(), 5);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// How many steps were taken.
    pub step: u64,
    /// How many steps there will be.
    pub n_steps: u64,
    /// How many passes over the data were finished.
    pub epoch: u64,
    /// The names of the tasks.
    pub tasks: &'a [String],
    /// The unweighted loss of each task on the last batch, before the update; NaN where the batch has no label for
    /// the task, or no step was taken yet. (A loss that is not a number ends the training.)
    pub losses: &'a [f64],
    /// The weight of each task in the last step, as in [`History::weights`](super::History::weights).
    pub weights: &'a [f64],
    /// The [penalty](crate::Model::penalty) at the last step, before the update; `None` where the model has none, or no step
    /// was taken yet.
    pub penalty: Option<f64>,
    /// The tasks' own weights ([`Task::weight`](crate::Task::weight)).
    pub own_weights: &'a [f64],
    /// Whether there is validation data.
    pub is_validated: bool,
    /// The last validation, if there was one.
    pub validation: Option<&'a Validation>,
    /// At [`Event::Validation`](super::callback::Event::Validation) the judgement of the validation data, if a callback
    /// [reads it](super::callback::Callback::reads_report).
    pub report: Option<&'a Report>,
    /// The model as it is now.
    pub model: AnyModel<'a>,
}

/// The model under training, over whichever scalar it is: settings carry no scalar type, and callbacks are settings.
///
/// ```
/// use polytask::optim::global_norm;
/// use polytask::prelude::*;
/// use std::ops::ControlFlow;
/// use polytask::train::callback::{AnyModel, each_step};
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
/// let bounded = each_step(|at| {
///     let length = match at.model {
///         AnyModel::F32(model) => global_norm(model.parameters()),
///         AnyModel::F64(model) => global_norm(model.parameters()),
///     };
///     if length > 5.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// });
/// let history = Trainer::new(Sgd::new(1.0)).callback(bounded).fit(&mut model, &data)?;
/// assert_eq!(history.stopped_by(), Some("each_step"));             // the steps were too long
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum AnyModel<'a> {
    /// A model over `f32`.
    F32(&'a Model<f32>),
    /// A model over `f64`.
    F64(&'a Model<f64>),
}

impl<'a> AnyModel<'a> {
    pub(super) fn of<F: Scalar>(model: &'a Model<F>) -> Self {
        let any: &dyn Any = model;
        match any.downcast_ref() {
            Some(model) => Self::F32(model),
            None => Self::F64(any.downcast_ref().expect("θ is made of f32 or f64")),
        }
    }

    pub(super) fn tasks(self) -> &'a [Task] {
        match self {
            Self::F32(model) => model.tasks(),
            Self::F64(model) => model.tasks(),
        }
    }
}
