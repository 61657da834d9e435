//! The registers of AVX2 and AVX-512, and products in them.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::blocks::multiply;
use super::gemm::Gemm;
use super::native::Native;
use super::simd::{SimdLevel, SimdLoop, avx2, avx512, portable};
use super::vector::{Lanes, Number, Vector};

/// Chooses the registers of a number type.
macro_rules! native {
    ($float:ident, $portable:ty, $avx2:ty, $avx512:ty) => {
        impl Native for $float {
            unsafe fn multiply(level: SimdLevel, product: Gemm<Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match level {
                        SimdLevel::Portable => portable(Multiply::<Self, $portable>::new(product)),
                        SimdLevel::Avx2 => avx2(Multiply::<Self, $avx2>::new(product)),
                        SimdLevel::Avx512 => avx512(Multiply::<Self, $avx512>::new(product)),
                    }
                }
            }
        }
    };
}

native!(f32, Lanes<f32, 4>, Avx2F32, Avx512F32);
native!(f64, Lanes<f64, 2>, Avx2F64, Avx512F64);

/// A product in registers of type `V`.
struct Multiply<F, V>(Gemm<F>, PhantomData<V>);

impl<F, V> Multiply<F, V> {
    /// # Safety
    /// The product fulfils what [`multiply`] requires, and the loop runs on the level of `V`.
    unsafe fn new(product: Gemm<F>) -> Self {
        Self(product, PhantomData)
    }
}

impl<F: Number, V: Vector<F>> SimdLoop for Multiply<F, V> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        // SAFETY: the promise made to `new`.
        unsafe { multiply::<F, V>(self.0) }
    }
}

/// Implements [`Vector`] for a register type: each method is one instruction.
macro_rules! vector {
    (
        $(#[$doc:meta])*
        $name:ident: $lanes:literal of $float:ident in $register:ident, half $half:ty, level $level:ident by $on:ident,
        rows $rows:literal, of four registers $rows_of_four:literal, with a mask $rows_with_mask:literal, of one register $rows_of_one:literal,
        mask $mask:ty = |$n:ident| $make_mask:expr,
        load_part |$from:ident, $load_mask:ident| $load_part:expr,
        store_part |$to:ident, $store_mask:ident, $value:ident| $store_part:expr,
        $(store_parts $store_parts:ident,)?
        sums $sums4:ident,
        transpose $side:literal $transpose:ident,
        $set1:ident, $setzero:ident, $loadu:ident, $storeu:ident, $fmadd:ident, $add:ident, $mul:ident, $max:ident
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name($register);

        // SAFETY (every block below): the trait's contract, which the caller keeps: the processor has the
        // level's instructions, and the pointers are valid for the lanes that are touched.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Vector<$float> for $name {
            const LANES: usize = $lanes;
            const LEVEL: SimdLevel = SimdLevel::$level;
            const ROWS: usize = $rows;
            const ROWS_OF_FOUR: usize = $rows_of_four;
            const ROWS_WITH_MASK: usize = $rows_with_mask;
            const ROWS_OF_ONE: usize = $rows_of_one;
            const SIDE: usize = $side;
            type Half = $half;
            type Mask = $mask;

            #[inline(always)]
            unsafe fn on<L: SimdLoop>(work: L) -> L::Output {
                unsafe { $on(work) }
            }
            #[inline(always)]
            unsafe fn mask($n: usize) -> $mask {
                $make_mask
            }
            #[inline(always)]
            unsafe fn splat(x: $float) -> Self {
                Self(unsafe { $set1(x) })
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                Self(unsafe { $setzero() })
            }
            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                Self(unsafe { $loadu(from) })
            }
            #[inline(always)]
            unsafe fn load_part($from: *const $float, $load_mask: $mask) -> Self {
                Self(unsafe { $load_part })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                unsafe { $storeu(to, self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, $to: *mut $float, $store_mask: $mask) {
                let $value = self.0;
                unsafe { $store_part }
            }
            $(
                #[inline(always)]
                unsafe fn store_parts<const N: usize>(
                    rows: [Self; N],
                    to: *mut $float,
                    step: isize,
                    mask: $mask,
                ) {
                    unsafe { $store_parts(mask.1, rows, to, step) }
                }
            )?
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                Self(unsafe { $fmadd(self.0, factor.0, term.0) })
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn times(self, other: Self) -> Self {
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The instruction returns its second operand when one is NaN.
                Self(unsafe { $max($setzero(), self.0) })
            }
            #[inline(always)]
            unsafe fn sums(registers: [Self; 4]) -> [$float; 4] {
                let [a, b, c, d] = registers;
                unsafe { $sums4([a.0, b.0, c.0, d.0]) }
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const $float) {
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $float, step: isize, to: *mut $float, to_step: isize) {
                unsafe { $transpose(from, step, to, to_step) }
            }
        }
    };
}

vector! {
    /// Sixteen `f32` in a 512-bit register.
    Avx512F32: 16 of f32 in __m512, half HalfF32, level Avx512 by avx512,
    rows 12, of four registers 6, with a mask 12, of one register 16,
    mask __mmask16 = |n| ((1_u32 << n) - 1) as __mmask16,
    load_part |from, mask| _mm512_maskz_loadu_ps(mask, from),
    store_part |to, mask, value| _mm512_mask_storeu_ps(to, mask, value),
    sums sums_wide_f32,
    transpose 8 transpose_f32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps,
    _mm512_add_ps, _mm512_mul_ps, _mm512_max_ps
}

vector! {
    /// Eight `f32` in a 256-bit register, with the masks of AVX-512.
    HalfF32: 8 of f32 in __m256, half Self, level Avx512 by avx512,
    rows 0, of four registers 0, with a mask 0, of one register 16,
    mask __mmask8 = |n| ((1_u32 << n) - 1) as __mmask8,
    load_part |from, mask| _mm256_maskz_loadu_ps(mask, from),
    store_part |to, mask, value| _mm256_mask_storeu_ps(to, mask, value),
    sums sums_f32,
    transpose 8 transpose_f32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps,
    _mm256_add_ps, _mm256_mul_ps, _mm256_max_ps
}

vector! {
    /// Eight `f64` in a 512-bit register.
    Avx512F64: 8 of f64 in __m512d, half HalfF64, level Avx512 by avx512,
    rows 12, of four registers 6, with a mask 12, of one register 16,
    mask __mmask8 = |n| ((1_u32 << n) - 1) as __mmask8,
    load_part |from, mask| _mm512_maskz_loadu_pd(mask, from),
    store_part |to, mask, value| _mm512_mask_storeu_pd(to, mask, value),
    sums sums_wide_f64,
    transpose 4 transpose_f64,
    _mm512_set1_pd, _mm512_setzero_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd,
    _mm512_add_pd, _mm512_mul_pd, _mm512_max_pd
}

vector! {
    /// Four `f64` in a 256-bit register, with the masks of AVX-512.
    HalfF64: 4 of f64 in __m256d, half Self, level Avx512 by avx512,
    rows 0, of four registers 0, with a mask 0, of one register 16,
    mask __mmask8 = |n| ((1_u32 << n) - 1) as __mmask8,
    load_part |from, mask| _mm256_maskz_loadu_pd(mask, from),
    store_part |to, mask, value| _mm256_mask_storeu_pd(to, mask, value),
    sums sums_f64,
    transpose 4 transpose_f64,
    _mm256_set1_pd, _mm256_setzero_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd,
    _mm256_add_pd, _mm256_mul_pd, _mm256_max_pd
}

vector! {
    /// Eight `f32` in a 256-bit register.
    Avx2F32: 8 of f32 in __m256, half Self, level Avx2 by avx2,
    rows 6, of four registers 0, with a mask 5, of one register 6,
    mask (__m256i, usize) = |n| (unsafe { _mm256_loadu_si256(MASKS_32.as_ptr().add(8 - n).cast()) }, n),
    load_part |from, mask| _mm256_maskload_ps(from, mask.0),
    store_part |to, mask, value| store_first_f32(mask.1, [Avx2F32(value)], to, 0),
    store_parts store_first_f32,
    sums sums_f32,
    transpose 8 transpose_f32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps,
    _mm256_add_ps, _mm256_mul_ps, _mm256_max_ps
}

vector! {
    /// Four `f64` in a 256-bit register.
    Avx2F64: 4 of f64 in __m256d, half Self, level Avx2 by avx2,
    rows 6, of four registers 0, with a mask 5, of one register 6,
    mask (__m256i, usize) = |n| (unsafe { _mm256_loadu_si256(MASKS_64.as_ptr().add(4 - n).cast()) }, n),
    load_part |from, mask| _mm256_maskload_pd(from, mask.0),
    store_part |to, mask, value| store_first_f64(mask.1, [Avx2F64(value)], to, 0),
    store_parts store_first_f64,
    sums sums_f64,
    transpose 4 transpose_f64,
    _mm256_set1_pd, _mm256_setzero_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd,
    _mm256_add_pd, _mm256_mul_pd, _mm256_max_pd
}

/// The window of a register's length that starts n lanes before the middle marks the first n lanes.
static MASKS_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASKS_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

/// Stores the first n of eight lanes of some rows. Some processors take a dozen cycles for a store with a mask.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_first_f32<const N: usize>(n: usize, rows: [Avx2F32; N], mut to: *mut f32, step: isize) {
    // SAFETY: the caller's promise: n numbers of each row, which are stored as 8, or as 4, 2 and 1.
    unsafe {
        if n == 8 {
            for row in 0..N {
                _mm256_storeu_ps(to.offset(row as isize * step), rows[row].0);
            }
            return;
        }
        let mut left = [_mm_setzero_ps(); N];
        for row in 0..N {
            left[row] = _mm256_castps256_ps128(rows[row].0);
        }
        if n & 4 != 0 {
            for row in 0..N {
                _mm_storeu_ps(to.offset(row as isize * step), left[row]);
                left[row] = _mm256_extractf128_ps::<1>(rows[row].0);
            }
            to = to.add(4);
        }
        if n & 2 != 0 {
            for row in 0..N {
                // As integers: the store of a double would need an aligned pointer.
                _mm_storel_epi64(to.offset(row as isize * step).cast(), _mm_castps_si128(left[row]));
                left[row] = _mm_movehl_ps(left[row], left[row]);
            }
            to = to.add(2);
        }
        if n & 1 != 0 {
            for row in 0..N {
                _mm_store_ss(to.offset(row as isize * step), left[row]);
            }
        }
    }
}

/// Stores the first n of four lanes of some rows.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_first_f64<const N: usize>(n: usize, rows: [Avx2F64; N], mut to: *mut f64, step: isize) {
    // SAFETY: the caller's promise: n numbers of each row, which are stored as 4, or as 2 and 1.
    unsafe {
        if n == 4 {
            for row in 0..N {
                _mm256_storeu_pd(to.offset(row as isize * step), rows[row].0);
            }
            return;
        }
        let mut left = [_mm_setzero_pd(); N];
        for row in 0..N {
            left[row] = _mm256_castpd256_pd128(rows[row].0);
        }
        if n & 2 != 0 {
            for row in 0..N {
                _mm_storeu_pd(to.offset(row as isize * step), left[row]);
                left[row] = _mm256_extractf128_pd::<1>(rows[row].0);
            }
            to = to.add(2);
        }
        if n & 1 != 0 {
            for row in 0..N {
                _mm_store_sd(to.offset(row as isize * step), left[row]);
            }
        }
    }
}

/// The sums of sixteen lanes: 16 to 8 first.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn sums_wide_f32(x: [__m512; 4]) -> [f32; 4] {
    sums_f32([wide_half_f32(x[0]), wide_half_f32(x[1]), wide_half_f32(x[2]), wide_half_f32(x[3])])
}

/// The sums of eight lanes: 8 to 4 first.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn sums_wide_f64(x: [__m512d; 4]) -> [f64; 4] {
    sums_f64([wide_half_f64(x[0]), wide_half_f64(x[1]), wide_half_f64(x[2]), wide_half_f64(x[3])])
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn wide_half_f32(x: __m512) -> __m256 {
    _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn wide_half_f64(x: __m512d) -> __m256d {
    _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_f32(x: __m256) -> __m128 {
    _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_f64(x: __m256d) -> __m128d {
    _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x))
}

/// The sums of eight lanes: 8 to 4, then two registers at a time 4 to 2, then all at once 2 to 1.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_f32(x: [__m256; 4]) -> [f32; 4] {
    let [a, b, c, d] = [half_f32(x[0]), half_f32(x[1]), half_f32(x[2]), half_f32(x[3])];
    let ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    let cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    let sums = _mm_add_ps(_mm_shuffle_ps::<0b10_00_10_00>(ab, cd), _mm_shuffle_ps::<0b11_01_11_01>(ab, cd));
    let mut to = [0.0; 4];
    // SAFETY: room for four numbers.
    unsafe { _mm_storeu_ps(to.as_mut_ptr(), sums) };
    to
}

/// The sums of four lanes: 4 to 2, then two registers at a time 2 to 1.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_f64(x: [__m256d; 4]) -> [f64; 4] {
    let [a, b, c, d] = [half_f64(x[0]), half_f64(x[1]), half_f64(x[2]), half_f64(x[3])];
    let ab = _mm_add_pd(_mm_unpacklo_pd(a, b), _mm_unpackhi_pd(a, b));
    let cd = _mm_add_pd(_mm_unpacklo_pd(c, d), _mm_unpackhi_pd(c, d));
    let mut to = [0.0; 4];
    // SAFETY: room for four numbers.
    unsafe {
        _mm_storeu_pd(to.as_mut_ptr(), ab);
        _mm_storeu_pd(to.as_mut_ptr().add(2), cd);
    }
    to
}

/// Transposes 8 × 8: rows i and i + 4 share a register, so that pairs and then fours are interleaved
/// without crossing its halves.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose_f32(from: *const f32, step: isize, to: *mut f32, to_step: isize) {
    // SAFETY: the caller's promise: eight rows of eight numbers on both sides.
    unsafe {
        for columns in [0, 4] {
            let (first, fifth) = (from.offset(columns), from.offset(4 * step + columns));
            let mut r = [_mm256_setzero_ps(); 4];
            for (i, row) in (0..).zip(&mut r) {
                let (low, high) =
                    (_mm_loadu_ps(first.offset(i * step)), _mm_loadu_ps(fifth.offset(i * step)));
                *row = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
            }
            let [r0, r1, r2, r3] = r;
            let [low01, high01] = [_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1)];
            let [low23, high23] = [_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3)];
            let to = to.offset(columns * to_step);
            _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b01_00_01_00>(low01, low23));
            _mm256_storeu_ps(to.offset(to_step), _mm256_shuffle_ps::<0b11_10_11_10>(low01, low23));
            _mm256_storeu_ps(to.offset(2 * to_step), _mm256_shuffle_ps::<0b01_00_01_00>(high01, high23));
            _mm256_storeu_ps(to.offset(3 * to_step), _mm256_shuffle_ps::<0b11_10_11_10>(high01, high23));
        }
    }
}

/// Transposes 4 × 4: rows i and i + 2 share a register.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose_f64(from: *const f64, step: isize, to: *mut f64, to_step: isize) {
    // SAFETY: the caller's promise: four rows of four numbers on both sides.
    unsafe {
        for columns in [0, 2] {
            let (first, third) = (from.offset(columns), from.offset(2 * step + columns));
            let mut r = [_mm256_setzero_pd(); 2];
            for (i, row) in (0..).zip(&mut r) {
                let (low, high) =
                    (_mm_loadu_pd(first.offset(i * step)), _mm_loadu_pd(third.offset(i * step)));
                *row = _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high);
            }
            let [r0, r1] = r;
            let to = to.offset(columns * to_step);
            _mm256_storeu_pd(to, _mm256_unpacklo_pd(r0, r1));
            _mm256_storeu_pd(to.offset(to_step), _mm256_unpackhi_pd(r0, r1));
        }
    }
}
