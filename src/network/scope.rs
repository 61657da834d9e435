//! What the Gramian of the tasks' gradients is taken over.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What the Gramian of the tasks' gradients is taken over: a choice between exact and cheap.
///
/// The exact Gramian is over all parameters that the tasks share. Over fewer of them a step costs less, and a balancing
/// method gives the weights that it would give if the rest of the shared part were not there. A sketch estimates the
/// exact Gramian. Whatever the choice, the weights are applied to everything.
///
/// K tasks, and what a step does besides that of a plain sum of losses:
///
/// | over | work |
/// |---|---|
/// | shared parameters | K deltas instead of one through every shared layer, and their gradients or products of the batch with itself, whichever is less |
/// | sketch | K deltas instead of one through every shared layer, and their gradients by random sums of each layer's inputs |
/// | last shared layer | the K heads' deltas twice, and that one layer's gradients |
/// | representation | inner products of K matrices, `batch × width` |
///
/// Another way to save time is to ask the method at every nth step only: [`Balance::every`](crate::balance::Balance::every).
///
/// ```
/// use polytask::balance::Evidence;
/// use polytask::GramianScope;
/// use polytask::prelude::*;
///
/// let data = datasets::related_tasks::<f64>(256, 20, 2, 0.5, 0.01, 42);
/// let model = Model::builder(20)
///     .trunk([Layer::dense(128, Activation::Relu), Layer::dense(128, Activation::Relu)])
///     .task(Task::regression("task0"))
///     .task(Task::regression("task1"))
///     .build::<f64>()?;
/// let mut trace = model.trace(256);
/// model.forward(&data.all(), &mut trace)?;
/// let exact = model.evidence(&mut trace).gramian().to_owned();
/// let sketch = GramianScope::Sketch { sums: 16, seed: 1 };
/// let near = model.evidence(&mut trace).over(sketch).gramian().to_owned();
/// let deviation = (2.0_f64 / 16.0).sqrt() * (exact[[0, 0]] * exact[[1, 1]]).sqrt(); // at most
/// assert!(near != exact && (near[[0, 1]] - exact[[0, 1]]).abs() < 3.0 * deviation);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GramianScope {
    /// All parameters that the tasks share: `⟨∂Lₖ/∂θ, ∂Lₗ/∂θ⟩`.
    #[default]
    SharedParameters,
    /// All parameters that the tasks share, by a random sketch of their gradients: of a layer's inputs only m = `sums`
    /// random sums are multiplied with the tasks' deltas, in the layers where that is cheaper than the exact way.
    ///
    /// Over the draws each entry of the Gramian is right in the mean, with a standard deviation of at most
    /// `√(2/m) ‖∇ₖ‖ ‖∇ₗ‖`. So a cosine is known to about √(2/m), and a length to √(1/2m) of itself: 0.18 and 9 % for
    /// 64 sums. A sketch is a Gramian too: no eigenvalue is below 0. The gradient that is combined with the weights is
    /// exact.
    ///
    /// The draws are those of `seed`, of which a training makes another for each step; in a loop of your own, give each
    /// step a seed.
    Sketch {
        /// m, at least 1. A layer with as few inputs is not sketched.
        sums: usize,
        /// What the draws follow from.
        seed: u64,
    },
    /// The parameters of the last layer that all tasks share, as in GradNorm (Chen et al., ICML 2018).
    LastSharedLayer,
    /// The representation that all heads read: `⟨∂Lₖ/∂h, ∂Lₗ/∂h⟩`, summed over the rows of the batch. For MGDA this is
    /// an upper bound of the exact problem (Sener and Koltun, NeurIPS 2018, section 3.3).
    Representation,
}

impl GramianScope {
    /// The same with the draws of a step, the same ones whenever a training comes to it.
    pub(crate) fn at_step(self, step: u64) -> Self {
        match self {
            Self::Sketch { sums, seed } => Self::Sketch { sums, seed: draw_of(seed, step) },
            other => other,
        }
    }

    /// The same whatever is drawn: what the work is cut by.
    pub(crate) fn without_draws(self) -> Self {
        match self {
            Self::Sketch { sums, .. } => Self::Sketch { sums, seed: 0 },
            other => other,
        }
    }
}

/// The seed of one step: a function of the seed and the number of the step alone.
fn draw_of(seed: u64, step: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng.random()
}
