//! A register of numbers: what the product's tiles are written in.
//!
//! [`Vector`] has one implementation per instruction path and number type. The portable one, [`Lanes`],
//! is an array of any number type; the others wrap the processor's registers (`x86.rs`).

use ndarray::LinalgScalar;

use super::blocks::Operands;
use super::vectorize::Path;
#[cfg(any(test, not(target_arch = "x86_64")))]
use super::{product::Multiply, vectorize};

/// The register types of a number type, one for each path.
pub trait Registers: Sized + Copy + 'static {
    /// For [`Path::Portable`].
    type Portable: Vector<Self>;
    /// For [`Path::Avx2`].
    type Avx2: Vector<Self>;
    /// For [`Path::Avx512`].
    type Avx512: Vector<Self>;

    /// A product on one path. Each number type compiles it once, here and not in every crate that calls it.
    ///
    /// # Safety
    /// The operands are valid, and the processor has the path's instructions.
    unsafe fn multiply(path: Path, operands: Operands<Self>);
}

/// The body of [`Registers::multiply`].
macro_rules! multiply_on_each_path {
    () => {
        unsafe fn multiply(path: Path, operands: Operands<Self>) {
            // SAFETY: the caller's promise.
            unsafe {
                match path {
                    Path::Portable => vectorize::on(path, Multiply::<Self, Self::Portable>::new(operands)),
                    Path::Avx2 => vectorize::on(path, Multiply::<Self, Self::Avx2>::new(operands)),
                    Path::Avx512 => vectorize::on(path, Multiply::<Self, Self::Avx512>::new(operands)),
                }
            }
        }
    };
}
pub(super) use multiply_on_each_path;

/// What a product asks of its numbers.
pub trait Number: LinalgScalar + PartialOrd {}

impl<F: LinalgScalar + PartialOrd> Number for F {}

/// A register of `LANES` numbers.
///
/// # Safety
/// Every method needs a processor that has the instructions of `PATH`. Pointers need not be aligned;
/// those of `load` and `store` are valid for `LANES` numbers, those of the partial forms for as many as
/// the mask was made for.
pub trait Vector<F>: Copy {
    /// How many numbers a register holds.
    const LANES: usize;
    /// The path whose instructions the methods use.
    const PATH: Path;
    /// How many rows a tile has that is one register wide.
    const ROWS_OF_ONE: usize;
    /// How many rows a tile has that is two registers wide.
    const ROWS_OF_TWO: usize;
    /// How many rows and columns [`transpose`](Self::transpose) takes.
    const SIDE: usize;
    /// The register for matrices of at most half the lanes, if a narrower one is faster.
    type Half: Vector<F>;
    /// Marks the lanes that a partial load or store touches.
    type Mask: Copy;

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
    /// `self · factor + term`, rounded once where the path has the instruction.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The sum of two registers.
    unsafe fn plus(self, other: Self) -> Self;
    /// Zero in the lanes that are below zero; NaN stays.
    unsafe fn relu(self) -> Self;
    /// The sum of each register's lanes: the upper half is added to the lower until one lane is left.
    unsafe fn sums(registers: [Self; 4]) -> [F; 4];
    /// Copies a square matrix of `SIDE` rows to its transpose; rows are `step` and `to_step` apart.
    unsafe fn transpose(from: *const F, step: isize, to: *mut F, to_step: isize);
}

/// An array that stands for a register on processors without a special path.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<F, const N: usize>([F; N]);

impl<F: Number, const N: usize> Vector<F> for Lanes<F, N> {
    const LANES: usize = N;
    const PATH: Path = Path::Portable;
    const ROWS_OF_ONE: usize = 8;
    const ROWS_OF_TWO: usize = 6;
    const SIDE: usize = 4;
    type Half = Self;
    type Mask = usize;

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
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|x| if x < F::zero() { F::zero() } else { x }))
    }
    #[inline(always)]
    unsafe fn sums(registers: [Self; 4]) -> [F; 4] {
        registers.map(|Self(mut lanes)| {
            let mut n = N;
            while n > 1 {
                n /= 2;
                for i in 0..n {
                    lanes[i] = lanes[i] + lanes[i + n];
                }
            }
            lanes[0]
        })
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

#[cfg(not(target_arch = "x86_64"))]
impl Registers for f32 {
    type Portable = Lanes<f32, 4>;
    type Avx2 = Lanes<f32, 4>;
    type Avx512 = Lanes<f32, 4>;
    multiply_on_each_path!();
}

#[cfg(not(target_arch = "x86_64"))]
impl Registers for f64 {
    type Portable = Lanes<f64, 2>;
    type Avx2 = Lanes<f64, 2>;
    type Avx512 = Lanes<f64, 2>;
    multiply_on_each_path!();
}

/// The tests' dual numbers go the portable way on every path.
#[cfg(test)]
impl Registers for crate::witness::Dual {
    type Portable = Lanes<Self, 2>;
    type Avx2 = Lanes<Self, 2>;
    type Avx512 = Lanes<Self, 2>;
    multiply_on_each_path!();
}
