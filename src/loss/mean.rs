//! The mean that the losses have in common: over the labels present, weighted.
//!
//! ```text
//! value = Σ w m ℓ / Σ w m        delta = w m ℓ′ / Σ w m
//! ```
//! Σ w m depends on the labels alone. It is known before an output is looked at, so one pass writes value
//! and delta. The derivations in the files of the losses are of ℓ and ℓ′.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Zip};

use super::Labels;
use crate::Scalar;

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

/// 1 / Σ w m, or nothing where there is no label (or no weight worth the name) to take a mean over.
pub(super) fn rate<F: Scalar>(total: f64) -> Option<F> {
    Some(F::from_f64(1.0 / total)).filter(|rate| rate.is_finite())
}

/// Σ w m ℓ, and in delta rate · w m ℓ′.
pub(super) fn pointwise_sum<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    rate: F,
    mut delta: ArrayViewMut2<'_, F>,
    example: impl Fn(F, F) -> (F, F),
) -> F {
    let mut sum = F::ZERO;
    let mut each = |d: &mut F, y: F, t: F, w: F| {
        *d = F::ZERO;
        if !t.is_nan() {
            let (value, derivative) = example(y, t);
            sum += w * value;
            *d = rate * w * derivative;
        }
    };
    // Most heads have one column, and in small steps the cost of a loop over rows shows.
    if outputs.ncols() == 1 && labels.weights.is_none() {
        Zip::from(delta.column_mut(0))
            .and(outputs.column(0))
            .and(labels.targets.column(0))
            .for_each(|d, &y, &t| each(d, y, t, F::ONE));
    } else {
        for row in 0..outputs.nrows() {
            let w = labels.weight(row);
            for column in 0..outputs.ncols() {
                let at = [row, column];
                each(&mut delta[at], outputs[at], labels.targets[at], w);
            }
        }
    }
    sum
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
