//! The innermost part of a product: a tile of `c` that stays in registers while `k` runs.
//!
//! ```text
//! c[i, j] = start;   for p in 0..k:  c[i, j] = a[i, p] · b[p, j] + c[i, j]
//! ```
//! Lanes run along the rows of `b` and `c`; an entry of `a` is spread over all lanes. Every entry of `c`
//! is one chain of multiply-adds in the order of `p`, whatever the tile's size and place, so a row of a
//! product has the same bits whichever rows it is computed with.

use std::marker::PhantomData;

use super::product::Finish;
use super::vector::Vector;
use super::vectorize::{self, Pass};

/// What a tile starts from.
#[derive(Clone, Copy)]
pub enum Origin<F> {
    /// Zeros.
    Zero,
    /// This row, for every row of the tile.
    Row(*const F),
    /// What `c` holds.
    Tile,
}

/// A tile's operands: `a` anywhere, rows of `b` and `c` contiguous.
#[derive(Clone, Copy)]
pub struct Tile<F> {
    pub k: usize,
    pub a: *const F,
    /// Origin a row of `a` to the next one.
    pub a_down: isize,
    /// Origin a column of `a` to the next one.
    pub a_across: isize,
    pub b: *const F,
    pub b_down: isize,
    pub start: Origin<F>,
    pub finish: Finish,
    pub c: *mut F,
    pub c_down: isize,
    /// How many lanes of the last register are inside the matrix.
    pub last: usize,
}

impl<F: Copy> Tile<F> {
    /// Computes a tile of `rows` rows that is `C` registers wide.
    ///
    /// # Safety
    /// The processor has the instructions of `V::PATH`; the pointers are valid for `rows × k`, `k × width`
    /// and `rows × width` numbers, where `width = (C - 1) · LANES + last`; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>, const C: usize>(self, rows: usize) {
        macro_rules! of_rows {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: the caller's promise.
                    $($rows => unsafe { self.outline::<V, $rows, C>() },)*
                    _ => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        match (C, V::ROWS_OF_ONE) {
            (1, 16) => of_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16),
            (1, 12) => of_rows!(1 2 3 4 5 6 7 8 9 10 11 12),
            (1, _) => of_rows!(1 2 3 4 5 6 7 8),
            (2, _) if V::ROWS_OF_TWO == 12 => of_rows!(1 2 3 4 5 6 7 8 9 10 11 12),
            (2, _) => of_rows!(1 2 3 4 5 6),
            _ => of_rows!(1 2 3),
        }
    }

    /// The tile as a function of its own, so that each size has the registers to itself.
    #[inline(always)]
    unsafe fn outline<V: Vector<F>, const R: usize, const C: usize>(self) {
        if V::PARTIAL_IS_FREE || self.last < V::LANES {
            // SAFETY: the caller's promise.
            unsafe { vectorize::on(V::PATH, TileOf::<F, V, R, C, false>(self, PhantomData)) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { vectorize::on(V::PATH, TileOf::<F, V, R, C, true>(self, PhantomData)) }
        }
    }
}

/// A tile of `R` rows and `C` registers, the last of them `WHOLE` or partial.
struct TileOf<F, V, const R: usize, const C: usize, const WHOLE: bool>(Tile<F>, PhantomData<V>);

impl<F: Copy, V: Vector<F>, const R: usize, const C: usize, const WHOLE: bool> Pass
    for TileOf<F, V, R, C, WHOLE>
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Tile { k, a, a_down, a_across, b, b_down, start, finish, c, c_down, last } = self.0;
        // SAFETY: `Tile::run` passes its caller's promise on: rows below R and columns below the width are
        // inside the matrices, and partial loads and stores keep to the width.
        unsafe {
            let mask = V::mask(last);
            let load = |from: *const F, column: usize| {
                let from = from.add(column * V::LANES);
                if WHOLE || column + 1 < C { V::load(from) } else { V::load_part(from, mask) }
            };
            let mut sums = [[V::zero(); C]; R];
            match start {
                Origin::Zero => {}
                Origin::Row(row) => {
                    for column in 0..C {
                        let x = load(row, column);
                        for sums in &mut sums {
                            sums[column] = x;
                        }
                    }
                }
                Origin::Tile => {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        for (column, sum) in sums.iter_mut().enumerate() {
                            *sum = load(c.offset(row as isize * c_down), column);
                        }
                    }
                }
            }
            let (mut a, mut b) = (a, b);
            for _ in 0..k {
                let mut factors = [V::zero(); C];
                for (column, factor) in factors.iter_mut().enumerate() {
                    *factor = load(b, column);
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = V::splat(*a.offset(row as isize * a_down));
                    for (sum, factor) in sums.iter_mut().zip(factors) {
                        *sum = x.mul_add(factor, *sum);
                    }
                }
                a = a.wrapping_offset(a_across);
                b = b.wrapping_offset(b_down);
            }
            if finish == Finish::Relu {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.relu();
                }
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (column, sum) in sums.into_iter().enumerate() {
                    let to = c.offset(row as isize * c_down).add(column * V::LANES);
                    if WHOLE || column + 1 < C { sum.store(to) } else { sum.store_part(to, mask) }
                }
            }
        }
    }
}
