//! Passes over matrices that are not products: sums along rows and columns, a factor for each column.
//!
//! One running sum would wait for itself at every number, so a row is summed in sixteen chains; along columns, each
//! column is a chain of its own.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::gemm::Accumulate;
use super::simd::{SimdLoop, dispatch};
use crate::Scalar;

/// The sums of the columns of an entrywise product, `sums[j] ← start + Σₙ a[n, j] b[n, j]`, for matrices `m × n`: the
/// gradient of a factor per column.
///
/// ```
/// use ndarray::array;
/// use polytask::kernel::{Accumulate, column_products};
///
/// let (x, dy) = (array![[1.0, 2.0], [3.0, 4.0]], array![[5.0, 6.0], [7.0, 8.0]]);
/// let mut ds = [0.0; 2];
/// column_products(x.view(), dy.view(), Accumulate::Write, &mut ds);
/// assert_eq!(ds, [5.0 + 21.0, 12.0 + 32.0]);
/// ```
///
/// # Panics
/// If the matrices differ in shape, `sums` (or the bias it starts from) is not as long as they are wide, or their rows
/// are not contiguous.
#[track_caller]
pub fn column_products<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    start: Accumulate<&[F]>,
    sums: &mut [F],
) {
    assert!(a.dim() == b.dim(), "column products of {:?} and {:?}", a.dim(), b.dim());
    assert!(a.ncols() == sums.len(), "column products of {:?} written to {}", a.dim(), sums.len());
    begin(start, sums);
    dispatch(ColumnProducts { a, b, sums });
}

/// What the sums start from.
pub(super) fn begin<F: Scalar>(start: Accumulate<&[F]>, sums: &mut [F]) {
    match start {
        Accumulate::Write => sums.fill(F::ZERO),
        Accumulate::Bias(bias) => sums.copy_from_slice(bias),
        Accumulate::Add => {}
    }
}

struct ColumnProducts<'a, F> {
    a: ArrayView2<'a, F>,
    b: ArrayView2<'a, F>,
    sums: &'a mut [F],
}

impl<F: Scalar> SimdLoop for ColumnProducts<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (a, b) in self.a.rows().into_iter().zip(self.b.rows()) {
            let (a, b) = (a.to_slice().expect("rows are contiguous"), b.to_slice());
            for ((sum, &a), &b) in self.sums.iter_mut().zip(a).zip(b.expect("rows are contiguous")) {
                *sum += a * b;
            }
        }
    }
}

/// A factor for each column, `c[n, j] ← start + a[n, j] factors[j]`, for matrices `m × n`.
///
/// ```
/// use ndarray::array;
/// use polytask::kernel::{Accumulate, scale_columns};
///
/// let (x, mut y) = (array![[1.0, 2.0], [3.0, 4.0]], array![[0.0, 0.0], [0.0, 0.0]]);
/// scale_columns(x.view(), &[10.0, 100.0], Accumulate::Bias(&[0.5, 0.25]), y.view_mut());
/// assert_eq!(y, array![[10.5, 200.25], [30.5, 400.25]]);
/// ```
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn scale_columns<F: Scalar>(
    a: ArrayView2<'_, F>,
    factors: &[F],
    start: Accumulate<&[F]>,
    c: ArrayViewMut2<'_, F>,
) {
    assert!(a.dim() == c.dim(), "the columns of {:?} scaled to {:?}", a.dim(), c.dim());
    assert!(a.ncols() == factors.len(), "{} factors for the columns of {:?}", factors.len(), a.dim());
    if let Accumulate::Bias(bias) = start {
        assert!(bias.len() == factors.len(), "a bias of {} for {} columns", bias.len(), factors.len());
    }
    dispatch(ScaleColumns { a, factors, start, c });
}

struct ScaleColumns<'a, F> {
    a: ArrayView2<'a, F>,
    factors: &'a [F],
    start: Accumulate<&'a [F]>,
    c: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for ScaleColumns<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        for (a, c) in self.a.rows().into_iter().zip(self.c.rows_mut()) {
            let (a, c) = (a.to_slice().expect("rows are contiguous"), c.into_slice());
            let entries = c.expect("rows are contiguous").iter_mut().zip(a).zip(self.factors);
            match self.start {
                Accumulate::Write => {
                    for ((c, &a), &factor) in entries {
                        *c = a * factor;
                    }
                }
                Accumulate::Add => {
                    for ((c, &a), &factor) in entries {
                        *c += a * factor;
                    }
                }
                Accumulate::Bias(bias) => {
                    for (((c, &a), &factor), &bias) in entries.zip(bias) {
                        *c = a * factor + bias;
                    }
                }
            }
        }
    }
}

/// Σᵢ xᵢ.
#[inline(always)]
pub fn sum<F: Scalar>(x: &[F]) -> F {
    let (sixteens, rest) = x.as_chunks::<16>();
    let mut chains = [F::ZERO; 16];
    for x in sixteens {
        for (chain, &x) in chains.iter_mut().zip(x) {
            *chain += x;
        }
    }
    let mut sum = folded(chains);
    for &x in rest {
        sum += x;
    }
    sum
}

/// Σᵢ xᵢ yᵢ.
#[inline(always)]
pub fn dot<F: Scalar>(x: &[F], y: &[F]) -> F {
    let ((x_sixteens, x_rest), (y_sixteens, y_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let mut chains = [F::ZERO; 16];
    for (x, y) in x_sixteens.iter().zip(y_sixteens) {
        for ((chain, &x), &y) in chains.iter_mut().zip(x).zip(y) {
            *chain += x * y;
        }
    }
    // Eight chains for what is left: otherwise the inner product of two short rows would be a single chain.
    let mut eight = [F::ZERO; 8];
    for (i, sum) in eight.iter_mut().enumerate() {
        *sum = chains[i] + chains[i + 8];
    }
    let ((x_eights, x_rest), (y_eights, y_rest)) = (x_rest.as_chunks::<8>(), y_rest.as_chunks::<8>());
    if let ([x], [y]) = (x_eights, y_eights) {
        for ((sum, &x), &y) in eight.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let mut sum = folded(eight);
    for (&x, &y) in x_rest.iter().zip(y_rest) {
        sum += x * y;
    }
    sum
}

/// Σᵢ xᵢ yᵢ zᵢ.
#[inline(always)]
pub fn dot_of_three<F: Scalar>(x: &[F], y: &[F], z: &[F]) -> F {
    let ((x_sixteens, x_rest), (y_sixteens, y_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let (z_sixteens, z_rest) = z.as_chunks::<16>();
    let mut chains = [F::ZERO; 16];
    for ((x, y), z) in x_sixteens.iter().zip(y_sixteens).zip(z_sixteens) {
        for (((chain, &x), &y), &z) in chains.iter_mut().zip(x).zip(y).zip(z) {
            *chain += x * y * z;
        }
    }
    let mut sum = folded(chains);
    for ((&x, &y), &z) in x_rest.iter().zip(y_rest).zip(z_rest) {
        sum += x * y * z;
    }
    sum
}

#[inline(always)]
fn folded<F: Scalar, const N: usize>(mut chains: [F; N]) -> F {
    for n in [N / 2, N / 4, N / 8, N / 16] {
        for i in 0..n {
            chains[i] += chains[i + n];
        }
    }
    chains[0]
}
