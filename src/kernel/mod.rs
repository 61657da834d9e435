//! The only place for tricks: products, element-wise passes, threads.
//!
//! Everything else in the crate is plain loops and calls into this module, which picks the processor's
//! vector units at run time. Whatever lies here has a slow obvious twin in its tests.

mod aligned;
mod blocks;
mod crew;
mod dots;
mod gramian;
mod product;
mod row;
mod scratch;
#[cfg(test)]
mod tests;
mod tile;
mod vector;
mod vectorize;
mod view;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use aligned::Aligned;
pub use crew::Crew;
pub(crate) use dots::dot_chains;
pub use gramian::{add_gramian, combine_rows, inner_product, weighted_sum};
pub use product::{Finish, Start, column_sums, product, product_then};
pub(crate) use vector::Native;
pub use vectorize::{Pass, Path, path, vectorize};
pub use view::{copy_row, copy_rows, matrix, matrix_mut};
