//! Number types that products can be computed in.

use super::blocks::multiply;
use super::gemm::Gemm;
use super::simd::SimdLevel;
use super::vector::{Lanes, Number};

/// A number type that products can be computed in; the default is the portable level, for any type.
pub trait Native: Number {
    /// Computes a product.
    ///
    /// # Safety
    /// The processor has the level's instructions; the product fulfils what [`multiply`] requires.
    unsafe fn multiply(level: SimdLevel, product: Gemm<Self>) {
        let _ = level;
        // SAFETY: the caller's promise.
        unsafe { multiply::<Self, Lanes<Self, 4>>(product) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Native for f32 {}
#[cfg(not(target_arch = "x86_64"))]
impl Native for f64 {}
