//! The order in which a method visits the other tasks.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// The order in which a task's gradient meets those of the other tasks.
///
/// ```
/// use ndarray::array;
/// use polytask::balance::{Balancer, FixedEvidence, Order, PcGrad};
///
/// let gramian = array![[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 3.0]];
/// let [up, down] = [Order::Ascending, Order::Descending].map(|order| {
///     let mut balancer = Balancer::new(PcGrad::new().order(order), 3).unwrap();
///     balancer.weights(&mut FixedEvidence::from_gramian(&gramian)).shared.clone()
/// });
/// assert_ne!(up, down); // what is projected first matters from three tasks on
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Drawn anew for each task in each step from this seed.
    Random(u64),
    /// As the tasks are numbered: the same each time, for comparisons.
    Ascending,
    /// The other way round.
    Descending,
}

impl Order {
    /// The generator of step `step`.
    pub(super) fn generator(self, step: u64) -> ChaCha8Rng {
        let Self::Random(seed) = self else { return generator(0, 0) };
        generator(seed, step)
    }

    /// Puts all of `0..n` but `k` into `others`, in this order.
    pub(super) fn others(self, k: usize, n: usize, rng: &mut ChaCha8Rng, others: &mut Vec<usize>) {
        others.clear();
        others.extend((0..n).filter(|&l| l != k));
        match self {
            Self::Random(_) => others.shuffle(rng),
            Self::Ascending => {}
            Self::Descending => others.reverse(),
        }
    }
}

/// The generator of one step: a function of the seed and the number of the step alone, so that a run which
/// is resumed draws what it would have drawn.
pub(super) fn generator(seed: u64, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng
}

/// The number of steps taken, kept as state: counts one more and gives the number before.
pub(super) fn count(steps: &mut Vec<f64>) -> u64 {
    if steps.is_empty() {
        steps.push(0.0);
    }
    let before = steps[0];
    steps[0] += 1.0;
    before as u64
}
