//! A sketch of the tasks' gradients: of a layer's inputs only random sums meet the deltas.
//!
//! The inputs of an affine layer are dealt out to m sums at random, to each as many but for one, and enter them with
//! random signs. That is a matrix Ψ (I × m) with one ±1 in each row. From the sketched inputs `X Ψ` (B × m) follow
//! sketched gradients, m × O instead of I × O, and from these the Gramian:
//!
//! ```text
//! Ĵₖ = (X Ψ)ᵀ Dₖ = Ψᵀ Jₖ          Ĝ[k, l] = ⟨Ĵₖ, Ĵₗ⟩ = Σᵢⱼ (Ψ Ψᵀ)ᵢⱼ (Jₖ Jₗᵀ)ᵢⱼ
//! ```
//! On the diagonal Ψ Ψᵀ is 1. Elsewhere it is ±1 where two inputs are in the same sum, with probability p ≤ 1/m, so that
//! its mean is 0, and entries of different pairs are uncorrelated. So over all draws the mean of Ĝ is G, and with
//! `C = Jₖ Jₗᵀ`
//!
//! ```text
//! variance of Ĝ[k, l] = p Σ (Cᵢⱼ² + Cᵢⱼ Cⱼᵢ)  over i ≠ j   ≤ (2/m) ‖C‖²   ≤ (2/m) ‖Jₖ‖² ‖Jₗ‖²
//! ```
//! The draws of several layers are independent, and what is not sketched is exact, so that the same holds of the whole
//! Gramian: a standard deviation of at most √(2/m) ‖∇ₖ‖ ‖∇ₗ‖. It is near that where the inputs of a layer have a large
//! mean, and far below where they are spread. (Signs and sums are those of the count sketch of Charikar, Chen and
//! Farach-Colton, Theoretical Computer Science 2004; there p is 1/m.)
//!
//! A layer is sketched where that costs least, see [`costs`](super::costs); the bias, which has one input, never is.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::comparison::{Share, Sums, Work, row_scratch};
use crate::Scalar;
use crate::arena::Chunk;
use crate::kernel::{self, Accumulate};
use crate::layer::Affine;

/// How many sums are one piece of work at most: several threads can share a wide layer.
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

/// What the draws of a layer follow from: each share of it draws the same.
pub(super) fn draws(seed: u64, layer: usize) -> ChaCha8Rng {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    draws.set_stream(layer as u64);
    draws
}

/// One share: the sketched inputs of a chunk after the other, and their products with the deltas of each task.
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

    // Of the bias there is one gradient, with the first of the sums.
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

/// The sums of one row. Input `order[p]` enters sum `p mod m`.
fn add_up<F: Scalar>(x: &[F], order: &[usize], signs: &[F], sums: Sums, sketched: &mut [F]) {
    sketched.fill(F::ZERO);
    for first in (sums.first..order.len()).step_by(sums.of) {
        for ((sum, &input), &sign) in sketched.iter_mut().zip(&order[first..]).zip(&signs[first..]) {
            *sum += sign * x[input];
        }
    }
}
