//! The memory of a training's steps.

use super::accumulation::Accumulation;
use super::summed::Summed;
use crate::kernel::Aligned;
use crate::params::TouchedRows;
use crate::{Model, Scalar, Trace};

/// The memory that a run's steps work in: nothing in it outlives a step.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Workspace;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.01)).batch_size(25).steps(4);
/// let (mut first, mut second) = (trainer.start(&model, &data)?, trainer.start(&model, &data)?);
/// let mut workspace: Workspace<f64> = first.workspace(&model, None);
/// let [mut one, mut other] = [model.clone(), model];
/// while !second.is_finished() {
///     first.step(&mut one, &data, &mut workspace)?;
///     second.step(&mut other, &data, &mut workspace)?;                  // two runs take turns at one workspace
/// }
/// assert_eq!(one.parameters(), other.parameters());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Workspace<F: Scalar> {
    pub(super) trace: Trace<F>,
    pub(super) gradient: Aligned<F>,
    /// Where the gradient may differ from 0, for an optimiser that leaves other rows of tables alone.
    pub(super) touched: Option<TouchedRows>,
    /// Whether the gradient may have been written to since backward wrote it.
    pub(super) is_edited: bool,
    pub(super) validation: Option<Trace<F>>,
    pub(super) accumulation: Option<Accumulation<F>>,
    /// What a step over ranks sums.
    pub(super) summed: Option<Summed<F>>,
    /// The rows of the batch.
    pub(super) rows: Vec<usize>,
    /// The layers' running state after the step, if it is taken.
    pub(super) state: Vec<F>,
    /// What the trace holds.
    pub(super) held: Held,
    /// For forward passes at another θ than the model's, if there are any: a trace, and that θ.
    pub(super) probe: Option<(Trace<F>, Vec<F>)>,
}

/// Which part of a step is in the memory of a [`Workspace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// No batch at the θ of the model: no gradient yet, or θ has moved since.
    Nothing,
    /// The last of several parts of a batch.
    Part,
    /// A batch whose gradient has been computed.
    Batch,
}

impl<F: Scalar> Workspace<F> {
    /// The gradient that [`Run::gradient`](super::Run::gradient) has written, laid out like θ.
    pub fn gradient(&self) -> &[F] {
        &self.gradient
    }

    /// Sets up the list of touched rows if the run's optimiser is lazy, and drops it if not.
    pub(super) fn keep_list(&mut self, model: &Model<F>, is_lazy: bool) {
        match (&mut self.touched, is_lazy && model.network().has_tables()) {
            (touched, false) => *touched = None,
            (Some(touched), true) if self.is_edited => touched.set_all(),
            (Some(_), true) => {}
            (touched, true) => *touched = Some(model.network().touched_rows(self.trace.capacity())),
        }
        self.is_edited = false;
    }

    /// The gradient that [`Run::update`](super::Run::update) will move θ along.
    pub fn gradient_mut(&mut self) -> &mut [F] {
        self.is_edited = true;
        &mut self.gradient
    }
}
