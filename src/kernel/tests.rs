//! Products against a slow triple loop, on every level that the processor has.

use std::io::{self, Write as _};
use std::sync::Once;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

use super::gemv::dot_chains;
use super::product::{product_on, row_times_matrix, row_times_rows};
use super::simd::on;
use super::{
    Accumulate, Epilogue, SimdLevel, SimdLoop, column_products, column_sums, dot, dot_of_three,
    linear_delta_in_turn, linear_gradient_in_turn, linear_in_turn, matrix, matrix_mut, mix_rows, product,
    product_then, scale_columns, scale_in_turn, sum, sums_in_turn, unmix_rows,
};
use crate::Scalar;

const SIZES: [usize; 17] = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100, 129, 257];

/// How a matrix lies in memory; what lies between its entries is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Rows,
    PaddedRows,
    Columns,
    PaddedColumns,
    Spread,
}

const LIES: [Lie; 5] = [Lie::Rows, Lie::PaddedRows, Lie::Columns, Lie::PaddedColumns, Lie::Spread];

/// A matrix that lies in memory in one of the ways.
struct Matrix<F> {
    store: Array2<F>,
    shape: (usize, usize),
    lie: Lie,
}

impl<F: Scalar> Matrix<F> {
    fn new(rows: usize, cols: usize, lie: Lie, mut entry: impl FnMut() -> F) -> Self {
        let shape = match lie {
            Lie::Rows => (rows, cols),
            Lie::PaddedRows => (rows, cols + 3),
            Lie::Columns => (cols, rows),
            Lie::PaddedColumns => (cols, rows + 5),
            Lie::Spread => (2 * rows, 3 * cols),
        };
        let mut matrix = Self { store: Array2::from_elem(shape, F::NAN), shape: (rows, cols), lie };
        matrix.view_mut().iter_mut().for_each(|x| *x = entry());
        matrix
    }

    fn view(&self) -> ArrayView2<'_, F> {
        let (rows, cols) = self.shape;
        match self.lie {
            Lie::Rows | Lie::PaddedRows => self.store.slice(s![.., ..cols]),
            Lie::Columns | Lie::PaddedColumns => self.store.slice(s![.., ..rows]).reversed_axes(),
            Lie::Spread => self.store.slice(s![..;2, ..;3]),
        }
    }

    fn view_mut(&mut self) -> ArrayViewMut2<'_, F> {
        let (rows, cols) = self.shape;
        match self.lie {
            Lie::Rows | Lie::PaddedRows => self.store.slice_mut(s![.., ..cols]),
            Lie::Columns | Lie::PaddedColumns => self.store.slice_mut(s![.., ..rows]).reversed_axes(),
            Lie::Spread => self.store.slice_mut(s![..;2, ..;3]),
        }
    }

    /// How many numbers between the entries are no longer NaN.
    fn n_spoilt(&self) -> usize {
        let entries = self.view().iter().filter(|x| !x.is_nan()).count();
        self.store.iter().filter(|x| !x.is_nan()).count() - entries
    }
}

/// The chain of multiply-adds of every entry, without tiles, blocks or copies.
struct Slow<'a, F> {
    a: ArrayView2<'a, F>,
    b: Array2<F>,
    c: &'a mut Array2<F>,
    fused: bool,
}

trait Number: Scalar {
    fn fused(self, factor: Self, term: Self) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn fused(self, factor: f32, term: f32) -> f32 {
        self.mul_add(factor, term)
    }
}

impl Number for f64 {
    #[inline(always)]
    fn fused(self, factor: f64, term: f64) -> f64 {
        self.mul_add(factor, term)
    }
}

impl<F: Number> SimdLoop for Slow<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (a, mut c) in self.a.rows().into_iter().zip(self.c.rows_mut()) {
            let c = c.as_slice_mut().expect("rows of an array are contiguous");
            for (&a, b) in a.iter().zip(self.b.rows()) {
                for (c, &b) in c.iter_mut().zip(b.as_slice().expect("rows of an array are contiguous")) {
                    *c = if self.fused { a.fused(b, *c) } else { a * b + *c };
                }
            }
        }
    }
}

fn levels() -> impl Iterator<Item = SimdLevel> {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        for level in SimdLevel::ALL.into_iter().filter(|level| !level.is_available()) {
            // Not a macro's line, which is kept back where the test passes.
            let said =
                writeln!(io::stderr(), "SKIPPED: products on {level}, which this processor does not have");
            said.expect("standard error");
        }
    });
    SimdLevel::ALL.into_iter().filter(|level| level.is_available())
}

fn run<F: Scalar>(
    level: SimdLevel,
    a: &Matrix<F>,
    b: &Matrix<F>,
    start: Accumulate<&[F]>,
    epilogue: Epilogue,
    c: &mut Matrix<F>,
) {
    // SAFETY: `levels` gives available levels only.
    unsafe { product_on(level, a.view(), b.view(), start, epilogue, c.view_mut()) }
}

fn random<F: Scalar>(rng: &mut impl Rng) -> F {
    F::from_f64(rng.random_range(-1.0..1.0))
}

/// One product on every level against the slow loop: the same bits, or, where one row or column or short sums
/// written by columns allow several chains, the rounding of a sum: k roundings of numbers no larger than Σ|a||b| + |start| ≤ k + 1.
fn check<F: Number>(
    (m, k, n): (usize, usize, usize),
    lies: [Lie; 3],
    start: usize,
    epilogue: Epilogue,
    rng: &mut ChaCha8Rng,
) {
    let a = Matrix::<F>::new(m, k, lies[0], || random(rng));
    let b = Matrix::<F>::new(k, n, lies[1], || random(rng));
    let bias: Vec<F> = (0..n).map(|_| random(rng)).collect();
    let before = Array2::from_shape_fn((m, n), |_| if start == 2 { random(rng) } else { F::NAN });
    let slow_b = Array2::from_shape_fn((k, n), |index| b.view()[index]);
    let mut results = Vec::new();
    for level in levels() {
        let mut entries = before.iter();
        let mut c = Matrix::new(m, n, lies[2], || *entries.next().unwrap());
        let (start, mut slow) = match start {
            0 => (Accumulate::Write, Array2::zeros((m, n))),
            1 => (Accumulate::Bias(&bias[..]), Array2::from_shape_fn((m, n), |(_, j)| bias[j])),
            _ => (Accumulate::Add, before.clone()),
        };
        run(level, &a, &b, start, epilogue, &mut c);
        let fused = level != SimdLevel::Portable;
        // SAFETY: `levels` gives available levels only.
        unsafe { on(level, Slow { a: a.view(), b: slow_b.clone(), c: &mut slow, fused }) };
        if epilogue == Epilogue::Relu {
            slow.mapv_inplace(|x| if x < F::ZERO { F::ZERO } else { x });
        }
        let what = format!("{m} × {k} × {n}, {lies:?}, {start:?}, {epilogue:?}, {level}, {}", F::NAME);
        let by_columns = matches!(lies[2], Lie::Columns | Lie::PaddedColumns) && k <= dot_chains::<F>();
        let tolerance =
            if m == 1 || n == 1 || by_columns { 2.0 * F::EPSILON * (k * (k + 1)) as f64 } else { 0.0 };
        for (index, &x) in c.view().indexed_iter() {
            let difference = (x.to_f64() - slow[index].to_f64()).abs();
            assert!(difference <= tolerance, "{index:?}: {x}, not {}: {what}", slow[index]);
        }
        assert_eq!(c.n_spoilt(), 0, "{what}");
        if fused {
            results.push(c.view().to_owned());
        }
    }
    assert!(results.iter().all(|c| *c == results[0]), "two fused levels differ: {m} × {k} × {n}, {lies:?}");
}

#[test]
fn products_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for m in SIZES {
        for k in SIZES {
            for n in SIZES {
                // The whole cube of small shapes, and samples of the larger ones; under Miri, of the small ones.
                let rarity = [500, 20_000, 500_000].partition_point(|&size| size < m * k * n);
                let one_in = if cfg!(miri) { [20, 500, 1 << 30, 1 << 30] } else { [1, 6, 30, 300] }[rarity];
                if rng.random_range(0..one_in) > 0 {
                    continue;
                }
                let lies = std::array::from_fn(|_| LIES[rng.random_range(0..LIES.len())]);
                let epilogue = if rng.random() { Epilogue::None } else { Epilogue::Relu };
                let start = rng.random_range(0..3);
                check::<f32>((m, k, n), lies, start, epilogue, &mut rng);
                check::<f64>((m, k, n), lies, start, epilogue, &mut rng);
            }
        }
    }
}

#[test]
fn every_lie_meets_every_start() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let shapes = [(5, 3, 20), (1, 40, 1), (1, 9, 37), (37, 9, 1), (33, 1, 2), (14, 35, 9)];
    for shape in shapes.into_iter().take(if cfg!(miri) { 1 } else { shapes.len() }) {
        for a in LIES {
            for b in LIES {
                for c in LIES {
                    for start in (0..3).step_by(if cfg!(miri) { 2 } else { 1 }) {
                        check::<f32>(shape, [a, b, c], start, Epilogue::Relu, &mut rng);
                        check::<f64>(shape, [a, b, c], start, Epilogue::None, &mut rng);
                    }
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too many numbers for Miri")]
fn products_beyond_one_block_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    use Lie::{Columns, PaddedColumns, PaddedRows, Rows, Spread};
    for (shape, lies) in [
        ((13, 260, 520), [PaddedRows, Rows, PaddedRows]),
        ((14, 257, 530), [Spread, PaddedColumns, Columns]),
        ((130, 520, 35), [PaddedRows, Rows, PaddedRows]),
        ((130, 520, 35), [Columns, Columns, Rows]),
        ((131, 520, 70), [Spread, Spread, PaddedRows]),
        ((3, 520, 400), [Rows, Columns, Rows]),
    ] {
        for start in 0..3 {
            check::<f32>(shape, lies, start, Epilogue::Relu, &mut rng);
            check::<f64>(shape, lies, start, Epilogue::None, &mut rng);
        }
    }
    check::<f32>((130, 530, 520), [PaddedColumns, PaddedRows, Rows], 1, Epilogue::Relu, &mut rng);
    check::<f64>((130, 260, 300), [PaddedRows, PaddedRows, Rows], 2, Epilogue::Relu, &mut rng);
}

#[test]
#[cfg_attr(miri, ignore = "too many numbers for Miri")]
fn a_row_does_not_depend_on_the_rows_beside_it_nor_a_sum_on_its_chunks() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let (m, k, n) = (70, 300, 40);
    let a = Matrix::<f32>::new(m, k, Lie::Rows, || random(&mut rng));
    let b = Matrix::<f32>::new(k, n, Lie::Rows, || random(&mut rng));
    for level in levels() {
        let product =
            |a: ArrayView2<f32>, b: ArrayView2<f32>, start: Accumulate<&[f32]>, c: ArrayViewMut2<f32>| {
                // SAFETY: `levels` gives available levels only.
                unsafe { product_on(level, a, b, start, Epilogue::None, c) }
            };
        let mut whole = Array2::zeros((m, n));
        product(a.view(), b.view(), Accumulate::Write, whole.view_mut());
        for rows in [0..1, 3..5, 20..70] {
            let mut part = Array2::zeros((rows.len(), n));
            product(a.view().slice(s![rows.clone(), ..]), b.view(), Accumulate::Write, part.view_mut());
            assert_eq!(part, whole.slice(s![rows, ..]), "{level}");
        }
        let mut sum = Array2::zeros((m, n));
        for chunk in [0..64, 64..65, 65..300] {
            let (a, b) = (a.view(), b.view());
            product(a.slice(s![.., chunk.clone()]), b.slice(s![chunk, ..]), Accumulate::Add, sum.view_mut());
        }
        assert_eq!(sum, whole, "{level}");
    }
}

#[test]
fn what_is_not_finite_goes_through() {
    for level in levels() {
        for n in [1, 2, 40] {
            let a = Matrix::new(5, 4, Lie::Rows, || f32::NAN);
            let b = Matrix::new(4, n, Lie::Rows, || 1.0);
            let mut c = Matrix::new(5, n, Lie::Rows, || 0.0);
            run(level, &a, &b, Accumulate::Write, Epilogue::Relu, &mut c);
            assert!(c.view().iter().all(|x| x.is_nan()), "{level}: NaN through the rectifier");
            let a = Matrix::new(5, 4, Lie::Rows, || f32::INFINITY);
            run(level, &a, &b, Accumulate::Write, Epilogue::Relu, &mut c);
            assert!(c.view().iter().all(|x| *x == f32::INFINITY), "{level}");
        }
    }
}

/// A single row is multiplied without views, whose strides could lead elsewhere.
#[test]
#[cfg_attr(miri, ignore = "too many numbers for Miri")]
fn a_row_from_slices_has_the_bits_of_a_row_from_views() {
    fn check<F: Scalar>() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (k, n) in SIZES.into_iter().flat_map(|k| SIZES.map(|n| (k, n))) {
            let mut numbers = |n: usize| -> Vec<F> { (0..n).map(|_| random(&mut rng)).collect() };
            let (row, w, heads, bias) = (numbers(k), numbers(k * n), numbers(n * (k + 1)), numbers(n));
            let x = matrix(&row, 1, k, k);
            for epilogue in [Epilogue::None, Epilogue::Relu] {
                let mut from_views = vec![F::NAN; n + 5];
                let to = matrix_mut(&mut from_views, 1, n, n + 5);
                product_then(x, matrix(&w, k, n, n), Accumulate::Bias(&bias), epilogue, to);
                let mut from_slices = vec![F::NAN; n];
                row_times_matrix(&row, &w, &bias, epilogue, &mut from_slices);
                assert_eq!(from_slices, from_views[..n], "{k} × {n}");
            }
            for stride in [1, 2, 7] {
                let mut from_views = vec![F::NAN; n * stride];
                from_views.iter_mut().step_by(stride).zip(&bias).for_each(|(y, bias)| *y = *bias);
                let mut from_slices = from_views.clone();
                let to = matrix_mut(&mut from_views, n, 1, stride).reversed_axes();
                product(x, matrix(&heads, n, k, k + 1).reversed_axes(), Accumulate::Add, to);
                row_times_rows(&row, (&heads, k + 1), n, (&mut from_slices, stride));
                let every = |y: &[F]| -> Vec<F> { y.iter().copied().step_by(stride).collect() };
                assert_eq!(every(&from_slices), every(&from_views), "{n} rows of {k}, {stride} apart");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn rows_that_do_not_fit_panic_with_what_was_given() {
    let panics = |work: &dyn Fn()| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        *caught.expect_err("a panic").downcast::<String>().expect("a text")
    };
    let said = panics(&|| row_times_matrix(&[1.0; 3], &[1.0; 5], &[0.0; 2], Epilogue::None, &mut [0.0; 2]));
    assert!(said.contains("a row of 3 times 5 weights and a bias of 2, written to 2"), "{said}");
    for (n, stride, y_stride) in [(3, 4, 1), (2, 9, 1), (2, usize::MAX, 1), (2, 4, 9), (usize::MAX, 4, 1)] {
        let said = panics(&|| row_times_rows(&[1.0; 3], (&[1.0; 8], stride), n, (&mut [0.0; 4], y_stride)));
        assert!(said.contains(&format!("{n} rows of 3, {stride} apart, of 8 numbers")), "{said}");
    }
}

#[test]
fn shapes_that_do_not_fit_panic_with_both() {
    let (a, b) = (Array2::<f32>::zeros((2, 3)), Array2::<f32>::zeros((4, 5)));
    let mut c = Array2::zeros((2, 5));
    let call =
        std::panic::AssertUnwindSafe(|| super::product(a.view(), b.view(), Accumulate::Write, c.view_mut()));
    let message = *std::panic::catch_unwind(call).unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "a product of (2, 3) and (4, 5) written to (2, 5)");
}

#[test]
fn column_sums_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (m, n) in [(0, 3), (1, 1), (5, 0), (33, 10), (64, 100), (7, 129)] {
        for lie in LIES {
            let a = Matrix::<f32>::new(m, n, lie, || random(&mut rng));
            let bias: Vec<f32> = (0..n).map(|_| random(&mut rng)).collect();
            // In any order a sum of m + 1 numbers is off by at most m roundings of the sum of their sizes.
            let is_sum = |sum: f32, start: f32, j: usize| {
                let column = a.view();
                let terms = || column.column(j).into_iter().copied().chain([start]).map(f64::from);
                let bound = m as f64 * f64::from(f32::EPSILON) * terms().map(f64::abs).sum::<f64>();
                (f64::from(sum) - terms().sum::<f64>()).abs() <= bound
            };
            let mut sums = vec![f32::NAN; n];
            column_sums(a.view(), Accumulate::Write, &mut sums);
            assert!((0..n).all(|j| is_sum(sums[j], 0.0, j)));
            column_sums(a.view(), Accumulate::Bias(&bias), &mut sums);
            assert!((0..n).all(|j| is_sum(sums[j], bias[j], j)));
            let before = sums.clone();
            column_sums(a.view(), Accumulate::Add, &mut sums);
            assert!((0..n).all(|j| is_sum(sums[j], before[j], j)));
        }
    }
}

/// Several matrices at once have the bits of one after the other, and those of plain loops.
#[test]
fn rows_that_are_mixed_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (m, n) in [(0, 3), (1, 1), (5, 0), (33, 10), (3, 16), (4, 17), (64, 100), (7, 129)] {
        let mut matrix = |lie| Matrix::<f32>::new(m, n, lie, || random(&mut rng));
        let (a, b, f) = (matrix(Lie::PaddedRows), matrix(Lie::Rows), matrix(Lie::PaddedRows));
        let (a, b, f) = (a.view(), b.view(), f.view());
        let p = Array2::from_shape_simple_fn((m, 2), || random::<f32>(&mut rng));
        let was = Array2::from_shape_simple_fn((m, n), || random::<f32>(&mut rng));
        for adds in [false, true] {
            let expected = Array2::from_shape_fn((m, n), |at| {
                let (first, second) = (p[[at.0, 0]] * a[at], p[[at.0, 1]] * b[at]);
                if adds { was[at] + first + second } else { first + second }
            });
            let mut h = was.clone();
            let [first, second] = [p.column(0), p.column(1)];
            mix_rows([a, b], [first, second], adds, h.view_mut());
            assert_eq!(h, expected, "{m} × {n}");
            let mut apart = was.clone();
            mix_rows([a], [first], adds, apart.view_mut());
            mix_rows([b], [second], true, apart.view_mut());
            assert_eq!(apart, expected, "{m} × {n}");

            let (mut four, mut apart) = (was.clone(), expected.clone());
            mix_rows([a, b, f, a], [first, second, second, first], adds, four.view_mut());
            mix_rows([f, a], [second, first], true, apart.view_mut());
            assert_eq!(four, apart, "{m} × {n}");

            let (mut df, mut products) = (was.clone(), Array2::from_elem((m, 2), f32::NAN));
            let columns = products.multi_slice_mut((ndarray::s![.., 0], ndarray::s![.., 1]));
            unmix_rows([a, b], [first, second], f, columns.into(), adds, df.view_mut());
            assert_eq!(df, expected, "{m} × {n}");
            for (i, products) in products.rows().into_iter().enumerate() {
                let with = |x: ndarray::ArrayView1<'_, f32>| dot(&x.to_vec(), &f.row(i).to_vec());
                assert_eq!(products.to_vec(), [with(a.row(i)), with(b.row(i))], "{m} × {n}");
            }
            let (mut df, mut product) = (was.clone(), ndarray::Array1::from_elem(m, f32::NAN));
            unmix_rows([a], [first], f, [product.view_mut()], adds, df.view_mut());
            mix_rows([b], [second], true, df.view_mut());
            assert_eq!((df, product), (expected, products.column(0).to_owned()), "{m} × {n}");
        }
    }
}

#[test]
fn passes_over_rows_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (m, n) in [(0, 3), (1, 1), (5, 0), (33, 10), (3, 16), (4, 17), (64, 100), (7, 129)] {
        let a = Matrix::<f32>::new(m, n, Lie::PaddedRows, || random(&mut rng));
        let b = Matrix::<f32>::new(m, n, Lie::Rows, || random(&mut rng));
        let mut numbers = || (0..n).map(|_| random(&mut rng)).collect::<Vec<f32>>();
        let (factors, bias) = (numbers(), numbers());
        let terms = |j: usize| {
            let column = a.view().column(j).to_owned().into_iter().zip(b.view().column(j).to_owned());
            column.map(|(a, b)| f64::from(a) * f64::from(b)).collect::<Vec<_>>()
        };
        let is_sum = |sum: f32, start: f32, terms: &[f64]| {
            let size = terms.iter().map(|x| x.abs()).sum::<f64>() + f64::from(start.abs());
            let bound = (terms.len() + 1) as f64 * f64::from(f32::EPSILON) * size;
            (f64::from(sum) - terms.iter().sum::<f64>() - f64::from(start)).abs() <= bound
        };
        let mut sums = vec![f32::NAN; n];
        column_products(a.view(), b.view(), Accumulate::Write, &mut sums);
        assert!((0..n).all(|j| is_sum(sums[j], 0.0, &terms(j))), "{m} × {n}");
        column_products(a.view(), b.view(), Accumulate::Bias(&bias), &mut sums);
        assert!((0..n).all(|j| is_sum(sums[j], bias[j], &terms(j))), "{m} × {n}");
        let before = sums.clone();
        column_products(a.view(), b.view(), Accumulate::Add, &mut sums);
        assert!((0..n).all(|j| is_sum(sums[j], before[j], &terms(j))), "{m} × {n}");

        let mut c = Array2::from_elem((m, n), f32::NAN);
        for (start, of) in
            [(Accumulate::Write, 0.0), (Accumulate::Bias(&bias[..]), 1.0), (Accumulate::Add, 2.0)]
        {
            let was = c.clone();
            scale_columns(a.view(), &factors, start, c.view_mut());
            for ((i, j), &c) in c.indexed_iter() {
                let product = a.view()[[i, j]] * factors[j];
                let expected = [product, product + bias[j], product + was[[i, j]]][of as usize];
                assert_eq!(c, expected, "{m} × {n}");
            }
        }

        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (x, y) = (wide(&factors), wide(&bias));
        let products = |z: &[f64]| x.iter().zip(&y).zip(z).map(|((x, y), z)| x * y * z).collect::<Vec<_>>();
        assert!(is_sum(sum(&factors), 0.0, &x), "{n}");
        assert!(is_sum(dot(&factors, &bias), 0.0, &products(&vec![1.0; n])), "{n}");
        // Each of its terms is rounded twice.
        let cubes = dot_of_three(&factors, &bias, &factors);
        assert!(is_sum(cubes, 0.0, &products(&x)), "{n}");
    }
}

/// Rows that are taken in turn equal those of the matrix that repeats them.
#[test]
fn rows_taken_in_turn_equal_the_slow_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    for (turns, members, n) in [(0, 3, 4), (1, 1, 1), (5, 2, 1), (3, 4, 10), (2, 3, 16), (4, 5, 129)] {
        let m = turns * members;
        let mut matrix = |lie| Matrix::<f64>::new(m, n, lie, || random(&mut rng));
        let (a, b) = (matrix(Lie::PaddedRows), matrix(Lie::Rows));
        let (a, b) = (a.view(), b.view());
        let mut numbers = |n: usize| (0..n).map(|_| random(&mut rng)).collect::<Vec<f64>>();
        let (w, bias, biases, dy) =
            (numbers(members * n), numbers(members * n), numbers(members), numbers(m));
        let was = Array2::from_shape_vec((m, n), numbers(m * n)).expect("as many");
        let of = |numbers: &[f64], i: usize, j: usize| numbers[i % members * n + j];
        let starts = [Accumulate::Write, Accumulate::Add, Accumulate::Bias(&bias[..])];

        for (s, start) in starts.into_iter().enumerate() {
            let begin = |i: usize, j: usize| [0.0, was[[i, j]], of(&bias, i, j)][s];
            let mut c = was.clone();
            scale_in_turn(a, &w, start, c.view_mut());
            assert!(c.indexed_iter().all(|((i, j), &c)| c == a[[i, j]] * of(&w, i, j) + begin(i, j)));
            if s < 2 {
                let mut dx = was.clone();
                linear_delta_in_turn(&dy, &w, start, dx.view_mut());
                assert!(dx.indexed_iter().all(|((i, j), &dx)| dx == dy[i] * of(&w, i, j) + begin(i, j)));
            }
            // Sums start from numbers of their own shape.
            let before = numbers(members * n);
            let summed = |term: &dyn Fn(usize, usize) -> f64| {
                let mut sums = [vec![0.0; members * n], before.clone(), bias.clone()][s].clone();
                for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    sums[i % members * n + j] += term(i, j);
                }
                sums
            };
            let mut sums = [0, 1, 2].map(|_| before.clone());
            sums_in_turn(a, None, start, &mut sums[0]);
            sums_in_turn(a, Some(b), start, &mut sums[1]);
            linear_gradient_in_turn(a, &dy, start, &mut sums[2]);
            let expected = [
                summed(&|i, j| a[[i, j]]),
                summed(&|i, j| a[[i, j]] * b[[i, j]]),
                summed(&|i, j| a[[i, j]] * dy[i]),
            ];
            assert_eq!(sums, expected, "{turns} × {members} × {n}");
        }
        let mut y = vec![f64::NAN; m];
        linear_in_turn(a, &w, &biases, &mut y);
        for (i, &y) in y.iter().enumerate() {
            let w = &w[i % members * n..][..n];
            assert_eq!(y, biases[i % members] + dot(&a.row(i).to_vec(), w), "{turns} × {members} × {n}");
        }
    }
    let (a, mut c) = (Array2::<f64>::zeros((4, 2)), Array2::zeros((4, 2)));
    let call = std::panic::AssertUnwindSafe(|| {
        scale_in_turn(a.view(), &[1.0; 6], Accumulate::Write, c.view_mut());
    });
    let message = *std::panic::catch_unwind(call).unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "rows of 6 numbers taken in turn by those of (4, 2)");
}

#[test]
fn rows_may_run_upwards() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (m, k, n) in [(7, 10, 1), (7, 10, 2), (6, 5, 3), (9, 40, 1), (30, 20, 20)] {
        let a = Array2::<f32>::from_shape_simple_fn((m, k), || random(&mut rng));
        let b = Array2::<f32>::from_shape_simple_fn((n, k), || random(&mut rng));
        for level in levels() {
            let [mut down, mut up] = [(); 2].map(|()| Array2::zeros((n, m)));
            for (a, c) in [(a.view(), &mut down), (a.slice(s![..;-1, ..]), &mut up)] {
                // SAFETY: `levels` gives available levels only.
                unsafe {
                    product_on(
                        level,
                        a,
                        b.t(),
                        Accumulate::Write,
                        Epilogue::None,
                        c.view_mut().reversed_axes(),
                    )
                }
            }
            assert_eq!(up.slice(s![.., ..;-1]), down, "{m} × {k} × {n}, {level}");
        }
    }
}
