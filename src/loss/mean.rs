//! The mean that the losses have in common: over the labels present, weighted.
//!
//! ```text
//! value = Σ w m ℓ / Σ w m        delta = w m ℓ′ / Σ w m
//! ```
//! Σ w m depends on the labels alone. It is known before an output is looked at, so one pass writes value
//! and delta. The derivations in the files of the losses are of ℓ and ℓ′.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Zip, aview0};

use super::Labels;
use crate::Scalar;
use crate::kernel::{self, SimdLoop};

/// The mean of a loss of one output and one label: `example(y, t)` is (ℓ, ∂ℓ/∂y).
#[track_caller]
pub(super) fn pointwise<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    mut delta: ArrayViewMut2<'_, F>,
    example: impl Fn(F, F) -> (F, F),
) -> F {
    assert_fit(&outputs, labels, &delta, 1);
    match rate(labels.total_weight()) {
        Some(rate) => rate * pointwise_sum(outputs, labels, rate, delta, example),
        None => {
            delta.fill(F::ZERO);
            F::ZERO
        }
    }
}

/// 1 / Σ w m, or nothing where there is no label to take a mean over.
pub(super) fn rate<F: Scalar>(total: f64) -> Option<F> {
    Some(F::from_f64(1.0 / total)).filter(|rate| rate.is_finite())
}

/// Σ w m ℓ, and in delta rate · w m ℓ′.
pub(super) fn pointwise_sum<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    rate: F,
    delta: ArrayViewMut2<'_, F>,
    example: impl Fn(F, F) -> (F, F),
) -> F {
    if labels.weights.is_none()
        && let (Some(y), Some(t)) = (outputs.to_slice(), labels.targets.to_slice())
        && delta.is_standard_layout()
    {
        let delta = delta.into_slice().expect("standard layout");
        return kernel::dispatch(Unweighted { y, t, rate, delta, example });
    }
    let one = F::ONE;
    let weights = match labels.weights {
        Some(weights) => weights.into_shape_with_order((weights.len(), 1)).expect("one column"),
        None => aview0(&one).into_shape_with_order((1, 1)).expect("one number"),
    };
    let weights = weights.broadcast(outputs.dim()).expect("one weight per row");
    let tall = outputs.nrows() > outputs.ncols();
    let delta = if tall { delta.reversed_axes() } else { delta };
    let mut sum = F::ZERO;
    Zip::from(delta)
        .and(long_rows(outputs))
        .and(long_rows(labels.targets))
        .and(if tall { weights.reversed_axes() } else { weights })
        .for_each(|d, &y, &t, &w| {
            *d = F::ZERO;
            // 0 times a loss that overflows would be NaN.
            if !t.is_nan() && w != F::ZERO {
                let (value, derivative) = example(y, t);
                sum += w * value;
                *d = rate * w * derivative;
            }
        });
    sum
}

/// [`pointwise_sum`] over numbers that lie one after the other, all of weight 1: what most batches are.
struct Unweighted<'a, F, E> {
    y: &'a [F],
    t: &'a [F],
    rate: F,
    delta: &'a mut [F],
    example: E,
}

impl<F: Scalar, E: Fn(F, F) -> (F, F)> SimdLoop for Unweighted<'_, F, E> {
    type Output = F;

    /// Values and deltas of a block first, in a loop whose rounds do not depend on each other and which so becomes
    /// vector instructions; then the sum of the values, in eight chains, so that one addition need not wait for the
    /// one before.
    #[inline(always)]
    fn run(self) -> F {
        let (mut chains, mut rest) = ([F::ZERO; 8], F::ZERO);
        let mut values = [F::ZERO; BLOCK];
        let blocks = self.y.chunks(BLOCK).zip(self.t.chunks(BLOCK)).zip(self.delta.chunks_mut(BLOCK));
        for ((y, t), delta) in blocks {
            for (((&y, &t), value), delta) in y.iter().zip(t).zip(&mut values).zip(&mut *delta) {
                let (loss, derivative) = (self.example)(y, t);
                let scaled = self.rate * derivative;
                *value = if t.is_nan() { F::ZERO } else { loss };
                *delta = if t.is_nan() { F::ZERO } else { scaled };
            }
            let (eights, left) = values[..delta.len()].as_chunks::<8>();
            for eight in eights {
                chains.iter_mut().zip(eight).for_each(|(chain, &value)| *chain += value);
            }
            rest = left.iter().fold(rest, |sum, &value| sum + value);
        }
        chains.into_iter().fold(rest, |sum, chain| sum + chain)
    }
}

/// How many values are kept until they are added: a multiple of the eight chains.
const BLOCK: usize = 64;

/// The same matrix, or its transpose if that has longer rows: a loop over pairs of numbers has its cost per
/// row, and the heads of most tasks have one column.
pub(super) fn long_rows<F>(matrix: ArrayView2<'_, F>) -> ArrayView2<'_, F> {
    if matrix.nrows() > matrix.ncols() { matrix.reversed_axes() } else { matrix }
}

/// One example of a loss with several outputs per label.
#[derive(Debug)]
pub(super) struct Example<'a, F> {
    /// The outputs for this label.
    pub z: &'a [F],
    /// The label.
    pub t: F,
    /// w / Σ w m: what to scale the derivative with.
    pub rate: F,
    /// Where to write rate · ∂ℓ/∂z.
    pub delta: &'a mut [F],
}

/// The mean of a loss of `parts` outputs for one label: `example` returns ℓ and writes ∂ℓ/∂z.
///
/// `total` is Σ w m; it is an argument because the weight of a class may be part of w.
#[track_caller]
pub(super) fn by_label<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    mut delta: ArrayViewMut2<'_, F>,
    parts: usize,
    total: f64,
    example: impl Fn(Example<'_, F>) -> F,
) -> F {
    assert_fit(&outputs, labels, &delta, parts);
    delta.fill(F::ZERO);
    let Some(scale) = rate::<F>(total) else { return F::ZERO };
    if outputs.strides()[1] != 1 || delta.strides()[1] != 1 {
        let row_major = |matrix: ArrayView2<'_, F>| Array2::from_shape_fn(matrix.dim(), |at| matrix[at]);
        let (outputs, mut copy) = (row_major(outputs), row_major(delta.view()));
        let value = by_label(outputs.view(), labels, copy.view_mut(), parts, total, example);
        delta.assign(&copy);
        return value;
    }
    let mut sum = F::ZERO;
    for (row, (targets, mut delta)) in labels.targets.rows().into_iter().zip(delta.rows_mut()).enumerate() {
        let (z, w) = (outputs.row(row), labels.weight(row));
        if w == F::ZERO {
            continue;
        }
        let z = z.to_slice().expect("contiguous").chunks_exact(parts);
        let delta = delta.as_slice_mut().expect("contiguous").chunks_exact_mut(parts);
        for ((z, delta), &t) in z.zip(delta).zip(targets) {
            if !t.is_nan() {
                sum += w * example(Example { z, t, rate: w * scale, delta });
            }
        }
    }
    scale * sum
}

/// Calls `each(z, t)` for every label present, with its `parts` outputs.
pub(super) fn for_each_label<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    parts: usize,
    mut each: impl FnMut(ArrayView1<'_, F>, F),
) {
    for ((row, column), &t) in labels.targets.indexed_iter() {
        if !t.is_nan() {
            each(outputs.slice(ndarray::s![row, column * parts..(column + 1) * parts]), t);
        }
    }
}

#[track_caller]
pub(super) fn assert_fit<F: Scalar>(
    outputs: &ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    delta: &ArrayViewMut2<'_, F>,
    parts: usize,
) {
    let (rows, width) = labels.targets.dim();
    assert!(
        outputs.dim() == (rows, width * parts) && delta.dim() == outputs.dim(),
        "a loss of {parts} outputs per target: outputs {:?} and delta {:?} do not fit targets {:?}",
        outputs.dim(),
        delta.dim(),
        labels.targets.dim(),
    );
    let weights = labels.weights.map_or(rows, |weights| weights.len());
    assert!(weights == rows, "{weights} weights do not fit targets {:?}", labels.targets.dim());
}
