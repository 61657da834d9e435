//! A register of numbers: what the product's tiles are written in.
//!
//! [`Vector`] has one implementation per instruction level and number type. The portable one, [`Lanes`],
//! is an array of any number type; the others wrap the processor's registers (`x86.rs`).

use ndarray::LinalgScalar;

use super::simd::{self, SimdLevel, SimdLoop};

/// What a product needs from its numbers.
pub trait Number: LinalgScalar + PartialOrd {}

impl<F: LinalgScalar + PartialOrd> Number for F {}

/// A register of `LANES` numbers.
///
/// The methods are called from functions that are always inlined, and from no closure. A closure, and so what `map` of
/// an array or `fold` does with it, is a function without the level's instructions, in which each of them stays a call
/// through memory unless the compiler happens to inline it first: an inner loop fifteen times as slow.
///
/// # Safety
/// Every method needs a processor that has the instructions of `LEVEL`. Pointers need not be aligned;
/// those of `load` and `store` are valid for `LANES` numbers, those of the partial forms for as many as
/// the mask was made for.
pub trait Vector<F>: Copy {
    /// How many numbers a register holds.
    const LANES: usize;
    /// The level whose instructions the methods use.
    const LEVEL: SimdLevel;
    /// How many rows a tile of several registers' width may have; 0 if there is no such tile.
    const ROWS: usize;
    /// How many rows a tile four registers wide may have, if large products use such tiles; else 0.
    const ROWS_OF_FOUR: usize;
    /// How many rows a tile may have if its mask takes up a register.
    const ROWS_WITH_MASK: usize;
    /// How many rows a tile one register wide may have.
    const ROWS_OF_ONE: usize;
    /// How many rows and columns [`transpose`](Self::transpose) takes.
    const SIDE: usize;
    /// The register for matrices of at most half the lanes, if a narrower one is faster.
    type Half: Vector<F>;
    /// Marks the lanes that a partial load or store touches.
    type Mask: Copy;

    /// Runs a loop on the level; it is compiled for that level only.
    unsafe fn on<L: SimdLoop>(work: L) -> L::Output;
    /// The mask of the first `n` lanes, `n ≤ LANES`.
    unsafe fn mask(n: usize) -> Self::Mask;
    /// The same number in every lane.
    unsafe fn splat(x: F) -> Self;
    /// Zero in every lane.
    unsafe fn zero() -> Self;
    /// Reads every lane.
    unsafe fn load(from: *const F) -> Self;
    /// Reads the marked lanes; the others are zero and their memory is not touched.
    unsafe fn load_part(from: *const F, mask: Self::Mask) -> Self;
    /// Writes every lane.
    unsafe fn store(self, to: *mut F);
    /// Writes the marked lanes; the memory of the others is not touched.
    unsafe fn store_part(self, to: *mut F, mask: Self::Mask);
    /// Writes the marked lanes of several registers to rows `step` apart.
    #[inline(always)]
    unsafe fn store_parts<const N: usize>(rows: [Self; N], to: *mut F, step: isize, mask: Self::Mask) {
        for (i, row) in rows.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { row.store_part(to.offset(i as isize * step), mask) }
        }
    }
    /// `self · factor + term`, rounded once where the level has the instruction.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The sum of two registers.
    unsafe fn plus(self, other: Self) -> Self;
    /// The product of two registers.
    unsafe fn times(self, other: Self) -> Self;
    /// Zero in the lanes that are below zero; NaN stays.
    unsafe fn relu(self) -> Self;
    /// The sum of each register's lanes: the upper half is added to the lower until one lane is left.
    unsafe fn sums(registers: [Self; 4]) -> [F; 4];
    /// Prefetches the cache line, if the processor can.
    unsafe fn prefetch(_from: *const F) {}
    /// Copies a square matrix of `SIDE` rows to its transpose; rows are `step` and `to_step` apart.
    unsafe fn transpose(from: *const F, step: isize, to: *mut F, to_step: isize);
}

/// Reads `C` registers side by side, of the last one the lanes that the mask marks.
///
/// # Safety
/// The processor has the instructions of `V::LEVEL`, and the slice holds the numbers that are read.
#[inline(always)]
pub unsafe fn load_row<F, V: Vector<F>, const C: usize>(from: *const F, mask: V::Mask) -> [V; C] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut registers = [V::zero(); C];
        for (column, register) in registers.iter_mut().enumerate() {
            let from = from.add(column * V::LANES);
            *register = if column + 1 < C { V::load(from) } else { V::load_part(from, mask) };
        }
        registers
    }
}

/// An array that stands for a register on processors without a special level.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<F, const N: usize>([F; N]);

impl<F: Number, const N: usize> Vector<F> for Lanes<F, N> {
    const LANES: usize = N;
    const LEVEL: SimdLevel = SimdLevel::Portable;
    const ROWS: usize = 4;
    const ROWS_OF_FOUR: usize = 0;
    const ROWS_WITH_MASK: usize = 4;
    const ROWS_OF_ONE: usize = 4;
    const SIDE: usize = 4;
    type Half = Self;
    type Mask = usize;

    #[inline(always)]
    unsafe fn on<L: SimdLoop>(work: L) -> L::Output {
        simd::portable(work)
    }
    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }
    #[inline(always)]
    unsafe fn splat(x: F) -> Self {
        Self([x; N])
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([F::zero(); N])
    }
    #[inline(always)]
    unsafe fn load(from: *const F) -> Self {
        // SAFETY: the caller's promise; an array is aligned like its numbers.
        Self(unsafe { from.cast::<[F; N]>().read() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const F, n: usize) -> Self {
        if n == N {
            // SAFETY: the caller's promise.
            return unsafe { Self::load(from) };
        }
        let mut lanes = [F::zero(); N];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n numbers.
            *lane = unsafe { *from.add(i) };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[F; N]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut F, n: usize) {
        for (i, &lane) in self.0.iter().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n numbers.
            unsafe { *to.add(i) = lane };
        }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut result = term;
        for i in 0..N {
            result.0[i] = self.0[i] * factor.0[i] + term.0[i];
        }
        result
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        let mut result = self;
        for i in 0..N {
            result.0[i] = self.0[i] + other.0[i];
        }
        result
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        let mut result = self;
        for i in 0..N {
            result.0[i] = result.0[i] * other.0[i];
        }
        result
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let mut result = self;
        for lane in &mut result.0 {
            if *lane < F::zero() {
                *lane = F::zero();
            }
        }
        result
    }
    #[inline(always)]
    unsafe fn sums(registers: [Self; 4]) -> [F; 4] {
        let mut sums = [F::zero(); 4];
        for (sum, Self(mut lanes)) in sums.iter_mut().zip(registers) {
            let mut n = N;
            while n > 1 {
                n /= 2;
                for i in 0..n {
                    lanes[i] = lanes[i] + lanes[i + n];
                }
            }
            *sum = lanes[0];
        }
        sums
    }
    #[inline(always)]
    unsafe fn transpose(from: *const F, step: isize, to: *mut F, to_step: isize) {
        for row in 0..4 {
            for column in 0..4 {
                // SAFETY: the caller's promise.
                unsafe { *to.offset(column * to_step + row) = *from.offset(row * step + column) };
            }
        }
    }
}
