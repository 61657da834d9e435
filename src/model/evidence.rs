//! The batch in a trace as evidence for a balancing method.

use ndarray::ArrayView2;

use crate::balance::Evidence;
use crate::layer::Pass;
use crate::{GramianScope, Network, Scalar, Trace};

/// What the tasks' losses and gradients of one batch say to a balancing method.
///
/// ```
/// use polytask::balance::Evidence;
/// use polytask::GramianScope;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let mut trace = model.trace(50);
/// model.forward(&data.all(), &mut trace)?;
/// let norm = model.evidence(&mut trace).gramian()[[0, 0]].sqrt();
/// assert!(norm > 0.0); // |∇₀| with respect to the shared parameters
/// let cheap = model.evidence(&mut trace).over(GramianScope::Representation).gramian()[[0, 0]];
/// assert!(cheap > 0.0); // with respect to what the heads read
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchEvidence<'a, F: Scalar> {
    pub(super) network: &'a Network<F>,
    pub(super) pass: Pass<'a, F>,
    pub(super) trace: &'a mut Trace<F>,
    pub(super) over: GramianScope,
}

impl<F: Scalar> BatchEvidence<'_, F> {
    /// The same, with the Gramian over something other than all shared parameters.
    ///
    /// Asking for it panics if the network has nothing of the kind; [`check_over`](Network::check_over) checks that
    /// beforehand.
    #[must_use]
    pub fn over(mut self, over: GramianScope) -> Self {
        self.over = over;
        self
    }
}

impl<F: Scalar> Evidence for BatchEvidence<'_, F> {
    fn losses(&self) -> &[f64] {
        self.trace.losses()
    }

    fn labelled(&self) -> &[bool] {
        self.trace.labelled()
    }

    fn gramian(&mut self) -> ArrayView2<'_, f64> {
        self.network.gramian_over(self.over, &self.pass, self.trace)
    }
}
