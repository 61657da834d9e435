//! A sketch of the tasks' gradients: only random sums of a layer's inputs are multiplied with the deltas.
//!
//! The inputs of an affine layer are dealt out to m sums at random, with random signs, so that the sums have
//! equally many inputs, up to one. As a matrix, this is Ψ (I × m) with a single ±1 in each row. The sketched
//! inputs `X Ψ` (B × m) give sketched gradients of m × O entries instead of I × O, and these give the Gramian:
//!
//! ```text
//! Ĵₖ = (X Ψ)ᵀ Dₖ = Ψᵀ Jₖ          Ĝ[k, l] = ⟨Ĵₖ, Ĵₗ⟩ = Σᵢⱼ (Ψ Ψᵀ)ᵢⱼ (Jₖ Jₗᵀ)ᵢⱼ
//! ```
//! The diagonal of Ψ Ψᵀ is 1. Its other entries are ±1 if the two inputs are in the same sum, which has
//! probability p ≤ 1/m, and otherwise 0; so their mean is 0, and entries of different pairs are uncorrelated.
//! Therefore the expectation of Ĝ is G, and with `C = Jₖ Jₗᵀ`
//!
//! ```text
//! variance of Ĝ[k, l] = p Σ (Cᵢⱼ² + Cᵢⱼ Cⱼᵢ)  over i ≠ j   ≤ (2/m) ‖C‖²   ≤ (2/m) ‖Jₖ‖² ‖Jₗ‖²
//! ```
//! The draws of different layers are independent, and the layers that are not sketched are exact. So the bound
//! holds for the whole Gramian too: a standard deviation of at most √(2/m) ‖∇ₖ‖ ‖∇ₗ‖. It is close to that if
//! the inputs of a layer have a large mean, and far below it if they vary in many directions. (Signs and sums
//! are those of the count sketch of Charikar, Chen and Farach-Colton, Theoretical Computer Science 2004, where
//! p is 1/m.)
//!
//! A layer is sketched if that costs least: see [`costs`](super::costs). The bias, which has only one input,
//! never is.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::comparison::{Share, Sums, Work, row_scratch};
use crate::Scalar;
use crate::arena::Chunk;
use crate::kernel::{self, Accumulate};
use crate::layer::Affine;

/// The most sums in one share of work, so that several threads can work on a wide layer.
const SUMS: usize = 64;

/// The shares of layer `at`, sketched with the given number of sums, for n tasks and chunks of the given size.
pub(super) fn shares<F: Scalar>(
    at: usize,
    layer: &Affine,
    sums: usize,
    n: usize,
    rows: usize,
) -> impl Iterator<Item = Share<F>> {
    let (inputs, outputs) = (layer.input.width(), layer.output.width());
    (0..sums).step_by(SUMS).map(move |first| {
        let part = Sums { first, n: SUMS.min(sums - first), of: sums };
        let scratch = inputs + rows * row_scratch::<F>(part.n) + n * (part.n + 1) * outputs;
        let mut share = Share::new(Work::Sketch { layer: at, sums: part }, n, scratch);
        share.order = vec![0; inputs];
        share
    })
}

/// The generator of a layer's draws. Each share of the layer makes the same draws.
pub(super) fn draws(seed: u64, layer: usize) -> ChaCha8Rng {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    draws.set_stream(layer as u64);
    draws
}

/// Computes a share: chunk by chunk the sketched inputs, and their products with the deltas of each task.
pub(super) fn add_sketch<F: Scalar>(
    layer: &Affine,
    n: usize,
    chunks: &[Chunk<F>],
    sums: Sums,
    mut draws: ChaCha8Rng,
    share: &mut Share<F>,
) {
    let Share { gramian, scratch, order, .. } = share;
    let outputs = layer.output.width();
    let (signs, scratch) = scratch.split_at_mut(order.len());
    order.iter_mut().enumerate().for_each(|(i, place)| *place = i);
    order.shuffle(&mut draws);
    signs.iter_mut().for_each(|sign| *sign = if draws.random() { F::ONE } else { -F::ONE });

    // The gradient of the bias is computed once, with the first of the sums.
    let has_bias = layer.has_bias && sums.first == 0;
    let per_task = (sums.n + usize::from(has_bias)) * outputs;
    let (gradients, scratch) = scratch.split_at_mut(n * per_task);
    let stride = row_scratch::<F>(sums.n);
    for (i, chunk) in chunks.iter().enumerate() {
        let rows = chunk.values.rows();
        let sketched = &mut scratch[..rows * stride];
        for (x, sketched) in chunk.values.get(layer.input).rows().into_iter().zip(sketched.chunks_mut(stride))
        {
            let x = x.to_slice().expect("rows lie in one piece");
            add_up(x, order, signs, sums, &mut sketched[..sums.n]);
        }
        let sketched = kernel::matrix(sketched, rows, sums.n, stride);
        let start = if i == 0 { Accumulate::Write } else { Accumulate::Add };
        for (k, gradient) in gradients.chunks_exact_mut(per_task.max(1)).enumerate() {
            let delta = chunk.deltas.lanes_of(layer.output, k..k + 1);
            let (of_weight, of_bias) = gradient.split_at_mut(sums.n * outputs);
            kernel::product(
                sketched.t(),
                delta,
                start,
                kernel::matrix_mut(of_weight, sums.n, outputs, outputs),
            );
            if has_bias {
                kernel::column_sums(delta, start, of_bias);
            }
        }
    }
    kernel::add_gramian(gradients, n, gramian);
}

/// The sums of one row. Input `order[p]` is added to sum `p mod m`.
fn add_up<F: Scalar>(x: &[F], order: &[usize], signs: &[F], sums: Sums, sketched: &mut [F]) {
    sketched.fill(F::ZERO);
    for first in (sums.first..order.len()).step_by(sums.of) {
        for ((sum, &input), &sign) in sketched.iter_mut().zip(&order[first..]).zip(&signs[first..]) {
            *sum += sign * x[input];
        }
    }
}
