//! The only place for tricks: products, element-wise passes, threads.
//!
//! Everything else in the crate is plain loops and calls into this module, which picks the processor's
//! vector units at run time. Whatever lies here has a slow obvious twin in its tests.

mod aligned;
mod blocks;
mod crew;
mod gemm;
mod gemv;
mod gevm;
mod gramian;
mod native;
mod product;
mod scratch;
mod simd;
#[cfg(test)]
mod tests;
mod tile;
mod vector;
mod view;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use aligned::Aligned;
pub use crew::Crew;
pub use gemm::{Accumulate, Epilogue};
pub(crate) use gemv::dot_chains;
pub use gramian::{add_gramian, combine_rows, inner_product, weighted_sum};
pub(crate) use native::Native;
pub use product::{column_sums, product, product_then};
pub use simd::{Pass, Path, path, vectorize};
pub use view::{copy_row, copy_rows, matrix, matrix_mut};
