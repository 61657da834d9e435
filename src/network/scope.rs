//! What the Gramian of the tasks' gradients is computed over.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What the Gramian of the tasks' gradients is computed over: a choice between exact and cheap.
///
/// The exact Gramian is over all parameters that the tasks share. Over only some of them, a step costs less,
/// and a balancing method chooses the weights as if these were all. A sketch estimates the exact Gramian.
/// Whatever the choice, the weights are applied to all parameters.
///
/// With K tasks, a step does the following, in addition to what a step on a plain sum of losses does:
///
/// | over | work |
/// |---|---|
/// | shared parameters | K deltas instead of one through every shared layer, and either their gradients or products of the batch's rows with each other, whichever is cheaper |
/// | sketch | K deltas instead of one through every shared layer, and their gradients for random sums of each layer's inputs |
/// | last shared layer | the deltas of the K heads twice, and the gradients of that layer |
/// | representation | inner products of K matrices, `batch × width` |
///
/// Another way to save time is to use the method only at every nth step:
/// [`Balance::every`](crate::balance::Balance::every).
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
    /// All parameters that the tasks share, by a random sketch of the gradients: instead of all inputs of a
    /// layer, only m = `sums` random sums of them are multiplied with the tasks' deltas. This is done in the
    /// layers where it is cheaper than the exact way.
    ///
    /// Each entry of the Gramian is an unbiased estimate, with a standard deviation of at most
    /// `√(2/m) ‖∇ₖ‖ ‖∇ₗ‖`. So the error of a cosine is about √(2/m), and the relative error of a norm √(1/2m):
    /// 0.18 and 9 % for 64 sums. A sketch is a Gramian too: no eigenvalue is negative. The gradient that
    /// results from the weights is exact.
    ///
    /// The random sums follow from `seed`. The trainer derives a new seed from it for each step; in a loop of
    /// your own, give each step another seed.
    Sketch {
        /// m, at least 1. A layer with no more inputs than that is not sketched.
        sums: usize,
        /// The seed of the random sums.
        seed: u64,
    },
    /// The parameters of the last layer that all tasks share, as in GradNorm (Chen et al., ICML 2018).
    LastSharedLayer,
    /// The representation h that all heads read: `⟨∂Lₖ/∂h, ∂Lₗ/∂h⟩`, summed over the rows of the batch. For
    /// MGDA this is an upper bound of the exact problem (Sener and Koltun, NeurIPS 2018, section 3.3).
    Representation,
}

impl GramianScope {
    /// The same scope with the seed of a step, so that the step always has the same draws, also after a resume.
    pub(crate) fn at_step(self, step: u64) -> Self {
        match self {
            Self::Sketch { sums, seed } => Self::Sketch { sums, seed: draw_of(seed, step) },
            other => other,
        }
    }

    /// The same scope without its seed: the division of the work must not depend on it.
    pub(crate) fn without_draws(self) -> Self {
        match self {
            Self::Sketch { sums, .. } => Self::Sketch { sums, seed: 0 },
            other => other,
        }
    }
}

/// The seed of a step: a function of the seed and the number of the step alone.
fn draw_of(seed: u64, step: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng.random()
}
