//! The activation behind a layer's z, on the rows of a chunk.
//!
//! ```text
//! forward     y  = φ(z)
//! propagate   dz = dy ∘ φ′(z)
//! ```

use super::Activation;
use crate::Scalar;
use crate::arena::{ActivationBlock, Arena};

/// y = φ(z) of a chunk. z is where y is to be unless it is kept.
pub(super) fn activate<F: Scalar>(
    activation: Activation,
    values: &mut Arena<F>,
    z: Option<ActivationBlock>,
    y: ActivationBlock,
) {
    match z {
        None => activation.apply_in_place(values.padded_mut(y, 0..1)),
        Some(z) => {
            let (z, y) = values.padded_pair(z, y);
            activation.apply(z, y);
        }
    }
}

/// dz = dy ∘ φ′(z), in place of dy and in every lane, from what was kept of z or y.
pub(super) fn multiply_derivative<F: Scalar>(
    activation: Activation,
    (values, kept): (&Arena<F>, ActivationBlock),
    (deltas, y): (&mut Arena<F>, ActivationBlock),
    lanes: usize,
) {
    let kept = values.padded(kept, 0..1);
    for lane in 0..lanes {
        activation.multiply_derivative(kept, deltas.padded_mut(y, lane..lane + 1));
    }
}
