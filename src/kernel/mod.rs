//! The only place for tricks: products, element-wise passes, threads.
//!
//! Everything else in the crate is plain loops and calls into this module, which picks the processor's
//! vector units at run time. Everything here has a slow obvious twin in its tests.

mod aligned;
mod blocks;
mod gemm;
mod gemv;
mod gevm;
mod gramian;
mod in_turn;
mod jobs;
mod mixing;
mod native;
mod product;
mod rowwise;
mod scratch;
mod simd;
#[cfg(test)]
mod tests;
mod thread_pool;
mod tile;
mod vector;
mod view;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use aligned::Aligned;
pub use gemm::{Accumulate, Epilogue};
pub(crate) use gemv::dot_chains;
pub(crate) use gramian::{add_gramian, combine_rows, inner_product, weighted_sum};
pub(crate) use in_turn::{
    linear_delta_in_turn, linear_gradient_in_turn, linear_in_turn, scale_in_turn, sums_in_turn,
};
pub(crate) use jobs::run_jobs;
pub(crate) use mixing::{mix_rows, unmix_rows};
pub(crate) use native::Native;
pub use product::{column_sums, product, product_then};
pub(crate) use product::{row_times_matrix, row_times_rows};
pub use rowwise::{column_products, scale_columns};
pub(crate) use rowwise::{dot, dot_of_three, sum};
pub(crate) use simd::check_simd_setting;
pub use simd::{SimdLevel, SimdLoop, dispatch, simd_level};
pub(crate) use thread_pool::{MOST_THREADS, ThreadPool};
pub(crate) use view::{copy_row, copy_rows, matrix, matrix_mut};
