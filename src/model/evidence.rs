//! A batch in a trace as evidence for a balancing method.

use ndarray::ArrayView2;

use crate::balance::{Evidence, Over};
use crate::trace::Trace;
use crate::{Network, Scalar};

/// What the tasks' losses and gradients of one batch say to a balancing method.
#[derive(Debug)]
pub struct BatchEvidence<'a, F: Scalar> {
    pub(super) network: &'a Network<F>,
    pub(super) theta: &'a [F],
    pub(super) trace: &'a mut Trace<F>,
    pub(super) over: Over,
}

impl<F: Scalar> BatchEvidence<'_, F> {
    /// The same with the Gramian over something else than all shared parameters.
    ///
    /// Asking for it panics if the network has nothing of the kind:
    /// [`check_over`](Network::check_over) tells beforehand.
    #[must_use]
    pub fn over(mut self, over: Over) -> Self {
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
        self.network.gramian_over(self.over, self.theta, self.trace)
    }
}
