//! Rows that are mixed, each with its own factors, and the way back from the mixture.
//!
//! For matrices f₁ … f_E of one shape and a column of factors p₁ … p_E for each:
//!
//! ```text
//! mix_rows     h[n] = Σₑ pₑ[n] fₑ[n]             row by row
//!
//! unmix_rows   given dh of each mixture k that reads f with the factors p of its own:
//!              dpₖ[n] = ⟨dhₖ[n], f[n]⟩
//!              df[n]  = Σₖ pₖ[n] dhₖ[n]
//! ```
//! Terms are added in their order, so several matrices at once have the same bits as one after the other. All that is
//! done with a row is done before the next one: only what has just been read is still in the first-level cache.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use super::rowwise::dot;
use super::simd::{SimdLoop, dispatch};
use crate::Scalar;

/// Sums of rows that have factors, `c[n, j] ← Σₑ factorsₑ[n] aₑ[n, j]`, or added to c.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn mix_rows<F: Scalar, const E: usize>(
    a: [ArrayView2<'_, F>; E],
    factors: [ArrayView1<'_, F>; E],
    adds: bool,
    c: ArrayViewMut2<'_, F>,
) {
    for (a, factors) in a.iter().zip(&factors) {
        check(a, factors.len(), c.view());
    }
    dispatch(Mix { a, factors, adds, c });
}

/// The way back to one of the matrices that K mixtures read, `products_k[n] ← ⟨dh_k[n], f[n]⟩` and
/// `df[n] ← Σ_k factors_k[n] dh_k[n]`, or added to df.
///
/// # Panics
/// If the shapes do not fit, or rows are not contiguous.
#[track_caller]
pub fn unmix_rows<F: Scalar, const K: usize>(
    dh: [ArrayView2<'_, F>; K],
    factors: [ArrayView1<'_, F>; K],
    f: ArrayView2<'_, F>,
    products: [ArrayViewMut1<'_, F>; K],
    adds: bool,
    df: ArrayViewMut2<'_, F>,
) {
    assert!(f.dim() == df.dim(), "a delta of {:?} for {:?}", df.dim(), f.dim());
    for ((dh, factors), products) in dh.iter().zip(&factors).zip(&products) {
        check(dh, factors.len(), f);
        check(dh, products.len(), f);
    }
    dispatch(Unmix { dh, factors, f, products, adds, df });
}

#[track_caller]
fn check<F>(a: &ArrayView2<'_, F>, n_factors: usize, mixed: ArrayView2<'_, F>) {
    assert!(a.dim() == mixed.dim(), "the rows of {:?} mixed to {:?}", a.dim(), mixed.dim());
    assert!(a.nrows() == n_factors, "{n_factors} factors for the rows of {:?}", a.dim());
}

struct Mix<'a, F, const E: usize> {
    a: [ArrayView2<'a, F>; E],
    factors: [ArrayView1<'a, F>; E],
    adds: bool,
    c: ArrayViewMut2<'a, F>,
}

impl<F: Scalar, const E: usize> SimdLoop for Mix<'_, F, E> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        for (n, c) in self.c.rows_mut().into_iter().enumerate() {
            let (a, factors) = rows(&self.a, &self.factors, n);
            mix(a, factors, self.adds, c.into_slice().expect("rows are contiguous"));
        }
    }
}

struct Unmix<'a, F, const K: usize> {
    dh: [ArrayView2<'a, F>; K],
    factors: [ArrayView1<'a, F>; K],
    f: ArrayView2<'a, F>,
    products: [ArrayViewMut1<'a, F>; K],
    adds: bool,
    df: ArrayViewMut2<'a, F>,
}

impl<F: Scalar, const K: usize> SimdLoop for Unmix<'_, F, K> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        for (n, (f, df)) in self.f.rows().into_iter().zip(self.df.rows_mut()).enumerate() {
            let (dh, factors) = rows(&self.dh, &self.factors, n);
            let f = f.to_slice().expect("rows are contiguous");
            for (products, dh) in self.products.iter_mut().zip(dh) {
                products[n] = dot(dh, f);
            }
            mix(dh, factors, self.adds, df.into_slice().expect("rows are contiguous"));
        }
    }
}

/// Row n of each matrix, and its factor.
#[inline(always)]
fn rows<'a, F: Scalar, const E: usize>(
    a: &[ArrayView2<'a, F>; E],
    factors: &[ArrayView1<'a, F>; E],
    n: usize,
) -> ([&'a [F]; E], [F; E]) {
    let (mut rows, mut numbers) = ([&[][..]; E], [F::ZERO; E]);
    for e in 0..E {
        rows[e] = a[e].index_axis_move(ndarray::Axis(0), n).to_slice().expect("rows are contiguous");
        numbers[e] = factors[e][n];
    }
    (rows, numbers)
}

/// A sum of rows. Written out, since the compiler does not vectorise it as an inner loop over the terms.
#[inline(always)]
fn mix<F: Scalar, const E: usize>(a: [&[F]; E], factors: [F; E], adds: bool, c: &mut [F]) {
    match (&a[..], &factors[..]) {
        (&[a, b], &[p, q]) => each(c.iter_mut().zip(a).zip(b), adds, |((c, &a), &b), start| {
            *c = start.map_or(p * a, |()| *c + p * a) + q * b;
        }),
        (&[a, b, x, y], &[p, q, r, s]) => {
            each(c.iter_mut().zip(a).zip(b).zip(x).zip(y), adds, |((((c, &a), &b), &x), &y), start| {
                *c = start.map_or(p * a, |()| *c + p * a) + q * b + r * x + s * y;
            });
        }
        (a, factors) => {
            for (e, (&a, &factor)) in a.iter().zip(factors).enumerate() {
                each(c.iter_mut().zip(a), adds || e > 0, |(c, &a), start| {
                    *c = start.map_or(factor * a, |()| *c + factor * a);
                });
            }
        }
    }
}

/// A loop over entries, and another for entries that are added to.
#[inline(always)]
fn each<T>(entries: impl Iterator<Item = T>, adds: bool, write: impl Fn(T, Option<()>)) {
    if adds {
        entries.for_each(|entry| write(entry, Some(())));
    } else {
        entries.for_each(|entry| write(entry, None));
    }
}
