//! Over what the gradients of the tasks are compared.

/// Over what the gradients of the tasks are compared: the dial from exact to cheap.
///
/// A balancing method asks for the Gramian of the tasks' gradients. The exact one is over all parameters that the
/// tasks share. Over less of them a step costs less, and the weights are those that the method would give if
/// the rest of the shared part were not there. Whatever the choice, the weights are applied to everything.
///
/// K tasks, and what a step does besides that of a plain sum of losses:
///
/// | over | work |
/// |---|---|
/// | shared parameters | K deltas instead of one through every shared layer, and their gradients or products of the batch with itself, whichever is less |
/// | last shared layer | the K heads' deltas twice, and that one layer's gradients |
/// | representation | inner products of K matrices, `batch × width` |
///
/// To ask the method at every nth step only is another such dial: [`Balance::every`](super::Balance::every).
///
/// ```
/// use polytask::balance::{Over, UpGrad};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.01)).steps(5).balance(UpGrad::new());
/// let history = trainer.balance_over(Over::Representation).fit(&mut model, &data)?;
/// assert!(history.gradient_norms().is_some()); // those with respect to the ten hidden units
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// All parameters that the tasks share: `⟨∂Lₖ/∂θ, ∂Lₗ/∂θ⟩`.
    #[default]
    SharedParameters,
    /// The parameters of the last layer that all tasks share, as in GradNorm (Chen et al., ICML 2018).
    LastSharedLayer,
    /// The representation that all heads read: `⟨∂Lₖ/∂h, ∂Lₗ/∂h⟩`, summed over the rows of the batch. For MGDA this is
    /// an upper bound of the exact problem (Sener and Koltun, NeurIPS 2018, section 3.3).
    Representation,
}
