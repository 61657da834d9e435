//! Balancing: from what is known of the tasks in a batch to one weight per task.
//!
//! Every method here sees only small things: K losses, which tasks have labels, and, if it asks, the K × K
//! Gramian of the task gradients, `G[k, l] = ⟨∇ₖ, ∇ₗ⟩` over the shared parameters. From these it makes the
//! weights of the step. A plain matrix and a plain slice serve as evidence, so that the methods are useful
//! without the rest of the crate.

use std::fmt::Debug;

use ndarray::ArrayView2;

/// What a balancing method may know of one batch. All of it is in `f64`, whatever the network computes in.
pub trait Evidence {
    /// The unweighted loss of each task, in the order of the tasks.
    fn losses(&self) -> &[f64];

    /// For each task, whether the batch has a label for it. A task without one has loss 0 and gradient 0 and
    /// must be left out of the balance.
    fn labelled(&self) -> &[bool];

    /// The K × K Gramian of the task gradients. It is computed when it is asked for.
    fn gramian(&mut self) -> ArrayView2<'_, f64>;
}

/// The weights of one step.
///
/// There are two of each task, because loss weighting scales a head's gradient too and gradient surgery
/// does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Scales a task's contribution to the gradient of the shared parameters.
    pub shared: Vec<f64>,
    /// Scales the gradient of all that belongs to the task alone: its head, its gates, its own experts.
    pub own: Vec<f64>,
}

impl Weights {
    /// Weight 1 for each of `n_tasks` tasks: the gradient of the plain sum of losses.
    pub fn ones(n_tasks: usize) -> Self {
        Self { shared: vec![1.0; n_tasks], own: vec![1.0; n_tasks] }
    }
}

/// A balancing method: evidence in, weights out, with whatever state the method keeps.
pub trait Balance: Debug + Send {
    /// The weights of this step.
    fn weights(&mut self, evidence: &mut dyn Evidence) -> &Weights;
}
