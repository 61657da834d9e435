//! The context of one pass through the layers: parameters, running state, the mode, and the source of randomness.
//!
//! Every random number is a function of (seed, step, layer, row). The generator is ChaCha8, which computes its output from a
//! key, a stream and a counter, so jumping to a row is free:
//!
//! ```text
//! key      seed and step of the draw          one for each training step
//! stream   the layer's number                 in the order in which layers asked for one
//! counter  2³² · row + block of 16 words      the row's position in the whole batch of the step
//! ```
//! So masks do not depend on the number of threads or on how the batch is cut, and a resumed training continues with the
//! same ones. A gradient check passes the same draw every time, which freezes them.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What a pass through the network is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Training.
    Train,
    /// Prediction or evaluation: nothing random, and running statistics instead of those of the batch.
    #[default]
    Predict,
}

/// The source of a pass's random numbers.
///
/// ```
/// use polytask::layer::Draw;
/// use rand::Rng;
///
/// let draw = Draw::new(42, 7); // of step 7
/// let first = draw.generator(0, 5).next_u32(); // in layer 0 for row 5
/// assert_eq!(draw.generator(0, 5).next_u32(), first);
/// assert_ne!(draw.generator(1, 5).next_u32(), first);
/// assert_ne!(Draw::new(42, 8).generator(0, 5).next_u32(), first);
/// assert_eq!(draw.from_row(3).generator(0, 2).next_u32(), first); // row 5 is row 2 of the part that begins at 3
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draw {
    /// The seed of the training.
    pub seed: u64,
    /// The number of the step.
    pub step: u64,
    /// The position, in the whole batch of the step, of the first row of the pass: above 0 where a batch is
    /// divided into parts. In an ensemble of k members, a batch has k times as many rows here.
    pub first_row: u64,
}

impl Draw {
    /// The draw of step `step` of a training with this seed.
    pub fn new(seed: u64, step: u64) -> Self {
        Self { seed, step, first_row: 0 }
    }

    /// The same draw for the part of the batch that begins at row `first_row`.
    #[must_use]
    #[allow(clippy::wrong_self_convention)]
    pub fn from_row(self, first_row: usize) -> Self {
        Self { first_row: first_row as u64, ..self }
    }

    /// The generator of a layer, given [its stream](super::BuildContext::random_stream), for row `row` of the pass: good
    /// for 2³⁶ words of 32 bits.
    pub fn generator(self, stream: u64, row: usize) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&self.step.to_le_bytes());
        key[16..].copy_from_slice(b"polytask::Draw\0\0");
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        generator.set_block_pos((self.first_row + row as u64) << 32);
        generator
    }
}

/// The context of one pass through the network, borrowed from the caller.
///
/// ```
/// use polytask::layer::{Draw, Mode, Pass};
///
/// let (theta, state) = ([1.0, 2.0], [0.5]);
/// let pass = Pass::new(&theta, &state, Mode::Train).with_draw(Draw::new(42, 7));
/// let moved = [1.1, 2.0];
/// assert_eq!((pass.at(&moved).theta, pass.at(&moved).draw), (&moved[..], pass.draw));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pass<'a, F> {
    /// The parameters.
    pub theta: &'a [F],
    /// What layers keep from step to step besides parameters, such as running means.
    pub state: &'a [F],
    /// What the pass is for.
    pub mode: Mode,
    /// The source of random numbers.
    pub draw: Draw,
}

impl<'a, F> Pass<'a, F> {
    /// A pass with the constant draw of a gradient check.
    pub fn new(theta: &'a [F], state: &'a [F], mode: Mode) -> Self {
        Self { theta, state, mode, draw: Draw::default() }
    }

    /// The same pass at other parameters.
    #[must_use]
    pub fn at(self, theta: &'a [F]) -> Self {
        Self { theta, ..self }
    }

    /// The same pass with another draw.
    #[must_use]
    pub fn with_draw(self, draw: Draw) -> Self {
        Self { draw, ..self }
    }
}
