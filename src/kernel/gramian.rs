//! Inner products in `f64` and weighted sums: what is done with the gradients of several tasks.
//!
//! Both factors are widened before they are multiplied. The product of two `f32` is exact in `f64`, neither
//! overflows nor underflows, and a sum of n of them in 16 chains has a relative error of at most
//! (n/16 + 4) · 1.1e-16 of Σ|aᵢ bᵢ|. So any precision is lost where the factors were computed, not here.

use ndarray::ArrayView2;

use super::simd::{SimdLoop, dispatch};
use super::view::matrix;
use crate::Scalar;

/// The sum of the products of all entries, `⟨a, b⟩ = Σᵢⱼ a[i, j] b[i, j]`.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn inner_product<F: Scalar>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> f64 {
    assert!(a.dim() == b.dim(), "the inner product of {:?} and {:?}", a.dim(), b.dim());
    dispatch(InnerProduct { a, b })
}

struct InnerProduct<'a, F> {
    a: ArrayView2<'a, F>,
    b: ArrayView2<'a, F>,
}

/// How many sums are formed side by side.
const CHAINS: usize = 16;

impl<F: Scalar> SimdLoop for InnerProduct<'_, F> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        let mut chains = [0.0; CHAINS];
        for (a, b) in self.a.rows().into_iter().zip(self.b.rows()) {
            match (a.as_slice(), b.as_slice()) {
                (Some(a), Some(b)) => {
                    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<CHAINS>(), b.as_chunks::<CHAINS>());
                    for (a, b) in a.iter().zip(b) {
                        for i in 0..CHAINS {
                            chains[i] += a[i].to_f64() * b[i].to_f64();
                        }
                    }
                    for ((chain, a), b) in chains.iter_mut().zip(a_rest).zip(b_rest) {
                        *chain += a.to_f64() * b.to_f64();
                    }
                }
                _ => chains[0] += a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum::<f64>(),
            }
        }
        let mut n = CHAINS;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                chains[i] += chains[i + n];
            }
        }
        chains[0]
    }
}

/// Adds the inner products of rows to the lower triangle of a `K × K` matrix,
/// `gramian[k, l] ← gramian[k, l] + ⟨rowₖ, rowₗ⟩` for `l ≤ k`. The rows lie one after the other.
///
/// # Panics
/// If the rows are not K of one length.
#[track_caller]
pub fn add_gramian<F: Scalar>(rows: &[F], n_rows: usize, gramian: &mut [f64]) {
    let is_square = n_rows.checked_mul(n_rows) == Some(gramian.len());
    assert!(is_square, "{} numbers for {n_rows} rows squared", gramian.len());
    // No rows have no length, and any number of them no numbers.
    assert!(rows.len().is_multiple_of(n_rows), "{n_rows} rows in {} numbers", rows.len());
    let len = rows.len().checked_div(n_rows).unwrap_or(0);
    for first in (0..len).step_by(BLOCK) {
        let block = |k: usize| {
            let (begin, end) = (k * len + first, k * len + len.min(first + BLOCK));
            matrix(&rows[begin..end], 1, end - begin, end - begin)
        };
        for k in 0..n_rows {
            for l in 0..=k {
                gramian[k * n_rows + l] += inner_product(block(k), block(l));
            }
        }
    }
}

/// How many numbers of each row are multiplied at a time: few enough that those of several rows stay in the first-level
/// cache.
const BLOCK: usize = 1024;

/// A weighted sum of rows that lie one after the other, `sum[j] ← Σₖ weights[k] rowₖ[j]`. A row of weight 0 is not
/// read.
///
/// # Panics
/// If there is not a row as long as `sum` for each weight.
#[track_caller]
pub fn weighted_sum<F: Scalar>(rows: &[F], weights: &[f64], sum: &mut [F]) {
    let (n, len) = (weights.len(), sum.len());
    assert!(n.checked_mul(len) == Some(rows.len()), "{} numbers for {n} rows of {len}", rows.len());
    for (j, sum) in sum.chunks_mut(BLOCK).enumerate() {
        sum.fill(F::ZERO);
        for (k, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let begin = k * len + j * BLOCK;
            let row = &rows[begin..begin + sum.len()];
            dispatch(AddScaled { sum, weight: F::from_f64(weight), row });
        }
    }
}

/// The same in place: the first of the rows becomes their sum.
///
/// # Panics
/// If the numbers are not a row for each weight.
#[track_caller]
pub fn combine_rows<F: Scalar>(rows: &mut [F], weights: &[f64]) {
    let n = weights.len();
    assert!(rows.len().is_multiple_of(n), "{} numbers for {n} rows", rows.len());
    let len = rows.len().checked_div(n).unwrap_or(0);
    let (sum, others) = rows.split_at_mut(len);
    for (j, sum) in sum.chunks_mut(BLOCK).enumerate() {
        match weights.first() {
            Some(0.0) => sum.fill(F::ZERO),
            Some(&weight) => dispatch(Scale { row: sum, weight: F::from_f64(weight) }),
            None => {}
        }
        for (row, &weight) in
            others.chunks_exact(len).zip(&weights[1..]).filter(|(_, weight)| **weight != 0.0)
        {
            let row = &row[j * BLOCK..][..sum.len()];
            dispatch(AddScaled { sum, weight: F::from_f64(weight), row });
        }
    }
}

struct Scale<'a, F> {
    row: &'a mut [F],
    weight: F,
}

impl<F: Scalar> SimdLoop for Scale<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.row.iter_mut().for_each(|x| *x = self.weight * *x);
    }
}

struct AddScaled<'a, F> {
    sum: &'a mut [F],
    weight: F,
    row: &'a [F],
}

impl<F: Scalar> SimdLoop for AddScaled<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.sum.iter_mut().zip(self.row).for_each(|(sum, &x)| *sum += self.weight * x);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * 1.7 + 0.3).sin()).collect()
    }

    #[test]
    fn inner_products_are_sums_of_products() {
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (1, 15), (2, 16), (3, 17), (7, 100)] {
            let all = Array2::from_shape_vec((rows, 2 * columns), numbers(2 * rows * columns)).unwrap();
            let (a, b) = (all.slice(s![.., ..columns]), all.slice(s![.., columns..]));
            let expected = (&a * &b).sum();
            for (a, b) in [(a, b), (a.t().as_standard_layout().t().view(), b)] {
                // Up to 700 additions in another order, each of which rounds a sum of a few dozen by a relative 1e-16.
                assert!((inner_product(a, b) - expected).abs() < 1e-12, "{rows} × {columns}");
            }
        }
    }

    #[test]
    fn gramians_and_sums_of_any_length() {
        let lengths = [0, 1, 100, 1023, 1024, 1025, 3000];
        for len in lengths.into_iter().take(if cfg!(miri) { 3 } else { lengths.len() }) {
            for n in [1, 2, 5] {
                let rows = Array2::from_shape_vec((n, len), numbers(n * len)).unwrap();
                let (flat, mut gramian) = (rows.as_slice().unwrap(), vec![1.0; n * n]);
                add_gramian(flat, n, &mut gramian);
                let expected = rows.dot(&rows.t());
                for ((k, l), &product) in expected.indexed_iter() {
                    let found = gramian[k * n + l];
                    let wanted = if l <= k { 1.0 + product } else { 1.0 };
                    assert!((found - wanted).abs() < 1e-11, "{n} rows of {len}");
                }
                let weights = numbers(n);
                let mut sum = vec![f64::NAN; len];
                weighted_sum(flat, &weights, &mut sum);
                let mut in_place = flat.to_vec();
                combine_rows(&mut in_place, &weights);
                assert_eq!(in_place[..len], sum);
                for (j, sum) in sum.iter().enumerate() {
                    let wanted: f64 = (0..n).map(|k| weights[k] * rows[[k, j]]).sum();
                    assert!((sum - wanted).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn no_rows_and_counts_whose_squares_wrap() {
        add_gramian::<f32>(&[], 0, &mut []);
        combine_rows::<f32>(&mut [], &[]);
        weighted_sum::<f32>(&[], &[], &mut []);
        for (rows, n_rows) in [(&[1.0_f32][..], 0), (&[], 1 << (usize::BITS / 2))] {
            assert!(
                std::panic::catch_unwind(|| add_gramian(rows, n_rows, &mut [])).is_err(),
                "{n_rows} rows"
            );
        }
    }

    #[test]
    fn tiny_and_huge_gradients_keep_their_lengths() {
        for scale in [1e-30_f32, 1e30] {
            let rows = [3.0 * scale, 4.0 * scale];
            let mut square = [0.0];
            add_gramian(&rows, 1, &mut square);
            let [x, y] = rows.map(f64::from);
            let expected = x * x + y * y;
            assert_eq!(square[0], expected);
        }
    }
}
