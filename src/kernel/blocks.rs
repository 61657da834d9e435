//! How a product is cut: into blocks that fit the caches, and blocks into tiles that fit the registers.
//!
//! ```text
//! for each block of columns of b       (n)
//!   for each block of rows of b        (k)    copied to panels of two registers or four
//!     for each block of rows of a      (m)    copied so that a tile's rows are together
//!       for each tile of rows                 its part of a stays in the first-level cache
//!         for each panel                      and b streams past it from the second-level cache
//! ```
//! Nothing is copied where that would not pay: small operands are read where they are.

use std::marker::PhantomData;

use super::gemm::{Accumulate, Epilogue, Gemm, Grid};
use super::gemv::{GemvAxpy, GemvDot, dot_chains};
use super::gevm::Gevm;
use super::scratch;
use super::simd::{SimdLevel, SimdLoop};
use super::tile::{Rows, Stride, Tiles, heights, tallest};
use super::vector::{Number, Vector};

/// How many rows of `b` a block has: a tile's part of `a` takes 12 kB of the first-level cache.
const BLOCK_K: usize = 256;
/// From how many bytes on `b` is worth a copy, and how many a block has: half of a second-level cache of 512 kB.
const BLOCK_B: usize = 256 * 1024;
/// How many bytes a block has with AVX-512: its processors have second-level caches of 1 MB and more.
const BLOCK_B_AVX512: usize = 2 * BLOCK_B;
/// The fewest bytes in a row of `b` for which it pays to copy a strided `a`.
const WIDE_ROW: usize = 256;
/// How many rows ahead `b` is prefetched while it is copied; `a` twice as many columns ahead.
const AHEAD: usize = 4;
/// How many rows of `a` are copied together when its columns are contiguous, to use whole cache lines.
const ROWS_TOGETHER: usize = 48;

/// Computes a product.
///
/// # Safety
/// The processor has the instructions of `V::LEVEL`; the grids are valid for their shapes; `c` is nobody
/// else's.
#[inline(always)]
pub unsafe fn multiply<F: Number, V: Vector<F>>(mut o: Gemm<F>) {
    if o.m == 0 || o.n == 0 {
        return;
    }
    // SAFETY: the caller's promise, which transposing both sides of the equation keeps.
    unsafe {
        if o.n == 1 {
            // No step leads from the only column to another, so it may be called 1.
            o.c_across = 1;
            if o.a.down == 1 && (o.a.across != 1 || o.b.down == 0) && o.c_down == 1 {
                return GemvAxpy(o.transposed()).run::<V>();
            } else if o.a.across == 1 && o.b.down == 1 {
                return GemvDot(o).run::<V>();
            }
        } else if o.m == 1 {
            o.c_down = 1;
            if o.has_rows_along_k() {
                return GemvDot(o.transposed()).run::<V>();
            } else if o.b.across == 1 && o.c_across == 1 {
                return Gevm(o).run::<V>();
            }
        } else if o.c_down == 1 && o.c_across != 1 && o.k <= dot_chains::<F>() && o.has_rows_along_k() {
            return GemvDot(o).run::<V>();
        }
        if o.c_across != 1 && o.c_down == 1 {
            o = o.transposed();
        }
        if o.c_across != 1 {
            one_by_one::<F, V>(o);
        } else if V::Half::LANES < V::LANES && o.n <= V::Half::LANES {
            by_size::<F, V::Half>(o);
        } else {
            by_size::<F, V>(o);
        }
    }
}

/// For a `c` whose rows and columns are both apart: each entry by itself, in the same order of sums.
#[cold]
unsafe fn one_by_one<F: Number, V: Vector<F>>(o: Gemm<F>) {
    for i in 0..o.m {
        for j in 0..o.n {
            let mut entry = Gemm { m: 1, n: 1, start: o.start.at_column(j), ..o };
            entry.c = o.c.wrapping_offset(i as isize * o.c_down + j as isize * o.c_across);
            (entry.a, entry.b) = (o.a.from(i, 0), o.b.from(0, j));
            // SAFETY: the entry's row, column and place are inside the operands.
            unsafe { Tiles::of::<V>(&entry).run::<V>(1) }
        }
    }
}

/// Computes a product with contiguous rows of `c`, with or without copies.
#[inline(always)]
unsafe fn by_size<F: Number, V: Vector<F>>(o: Gemm<F>) {
    let is_tall = o.m > V::ROWS && o.n > V::LANES;
    // A matrix that repeats itself (of stride 0) may count more of these than there is memory.
    let bytes = |rows: usize, columns: usize| rows.saturating_mul(columns).saturating_mul(size_of::<F>());
    let is_large = o.k > 2 * BLOCK_K || bytes(o.k, o.n) > BLOCK_B;
    let copy_b = o.b.across != 1 && o.n > 1 || is_tall && is_large;
    // Tiles four registers wide read a row of a once where two narrower ones would read it twice, from where it lies.
    let is_wide = V::ROWS_OF_FOUR > 0 && o.a.across == 1 && is_tall && is_large && o.n >= 4 * V::LANES;
    let panel = if is_wide { 4 * V::LANES } else { 2 * V::LANES };
    // Reading a number of a strided `a` fetches a whole cache line, which should be used up before it is evicted.
    let copy_a = match o.a.across {
        1 => !is_wide && is_tall && copy_b && bytes(o.m, o.k) > BLOCK_B / 2,
        _ => is_tall && bytes(1, o.n) > WIDE_ROW,
    };
    if !copy_a && !copy_b {
        // SAFETY: the caller's promise.
        return unsafe { Tiles::of::<V>(&o).run::<V>(o.m) };
    }
    let block_k = o.k.min(BLOCK_K);
    let block_b = if const { matches!(V::LEVEL, SimdLevel::Avx512) } { BLOCK_B_AVX512 } else { BLOCK_B };
    let block_n = (block_b / bytes(BLOCK_K, 1)).min(o.n.div_ceil(panel).saturating_mul(panel));
    let block_m = match copy_a {
        false => o.m,
        true if o.a.across == 1 => tallest::<F, V>(o.n.min(block_n)),
        true => ROWS_TOGETHER,
    };
    // Rows or panels a multiple of 4096 bytes apart would evict one another from the first-level cache.
    let b_panel = block_k * panel + panel;
    let a_down = block_k + 64 / size_of::<F>();
    let b_len = if copy_b { b_panel * block_n.div_ceil(panel) } else { 0 };
    let a_len = if copy_a { block_m * a_down + ROWS_TOGETHER * V::LANES } else { 0 };
    scratch::with(b_len + a_len, |scratch: *mut F| {
        let (b_scratch, a_scratch) = (copy_b.then_some(scratch), copy_a.then(|| scratch.wrapping_add(b_len)));
        let of = PhantomData;
        let blocks =
            Blocks::<F, V> { o, panel, block_m, block_k, block_n, b_panel, a_down, a_scratch, b_scratch, of };
        // SAFETY: the caller's promise about the processor.
        unsafe { V::on(blocks) }
    });
}

/// A product in blocks; `a` and `b` are each copied to scratch memory if there is some for it, else read in place.
struct Blocks<F, V> {
    o: Gemm<F>,
    /// How wide a panel of `b` is: two registers or four.
    panel: usize,
    block_m: usize,
    block_k: usize,
    block_n: usize,
    b_panel: usize,
    a_down: usize,
    a_scratch: Option<*mut F>,
    b_scratch: Option<*mut F>,
    of: PhantomData<V>,
}

impl<F: Number, V: Vector<F>> SimdLoop for Blocks<F, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let o = self.o;
        for j in (0..o.n).step_by(self.block_n) {
            let n = self.block_n.min(o.n - j);
            let mut p = 0;
            loop {
                let k = self.block_k.min(o.k - p);
                let start = if p == 0 { o.start.at_column(j) } else { Accumulate::Add };
                let epilogue = if p + k == o.k { o.epilogue } else { Epilogue::None };
                let (a, b, c) = (o.a.from(0, p), o.b.from(p, j), o.c.wrapping_add(j));
                // SAFETY: the blocks are inside the operands, and the scratch memory holds that of b.
                unsafe {
                    if let Some(scratch) = self.b_scratch {
                        // With a width known at compile time, registers need no division.
                        if V::ROWS_OF_FOUR > 0 && self.panel == 4 * V::LANES {
                            copy_panels::<F, V, 4>(k, n, b, scratch, self.b_panel);
                        } else {
                            copy_panels::<F, V, 2>(k, n, b, scratch, self.b_panel);
                        }
                    }
                    self.rows(Gemm { k, n, a, b, start, epilogue, c, ..o });
                }
                p += k;
                if p == o.k {
                    break;
                }
            }
        }
    }
}

impl<F: Number, V: Vector<F>> Blocks<F, V> {
    /// All rows of `a` times the block of `b` in scratch memory.
    #[inline(always)]
    unsafe fn rows(&self, o: Gemm<F>) {
        let mut i = 0;
        // Heights as equal as possible: the blocks of rows are cut as the tiles are.
        let (n_blocks, low, n_high) = heights(o.m, self.block_m);
        for block in 0..n_blocks {
            let m = low + usize::from(block < n_high);
            let a = o.a.from(i, 0);
            let c = o.c.wrapping_offset(i as isize * o.c_down);
            let mut tiles = Tiles::of::<V>(&Gemm { m, a, c, ..o });
            if let Some(scratch) = self.b_scratch {
                (tiles.b, tiles.b_down, tiles.b_panel) =
                    (scratch, self.panel as isize, self.b_panel as isize);
                tiles.b_panel_wide = self.panel == 4 * V::LANES;
            }
            i += m;
            // SAFETY: the block is inside the operands, and the scratch memory holds it.
            unsafe {
                match self.a_scratch {
                    Some(scratch) if a.across == 1 => {
                        copy_rows::<F, V>(m, o.k, a, self.a_down, scratch, low.min(o.m - i));
                        let down = self.a_down as isize;
                        (tiles.a, tiles.a_rows, tiles.a_step) =
                            (scratch, Rows::apart(down), Stride::ByRow(down));
                    }
                    Some(scratch) if matches!(V::LEVEL, SimdLevel::Avx512) && a.down == 1 => {
                        let across = ROWS_TOGETHER;
                        copy_columns::<F, V>(m, o.k, a, scratch, across);
                        (tiles.a, tiles.a_rows, tiles.a_across) = (scratch, Rows::apart(1), across as isize);
                        tiles.a_step = Stride::ByRow(1);
                    }
                    Some(scratch) => {
                        let step = V::ROWS * o.k + V::LANES;
                        copy_tiles::<F, V>(m, o.k, a, scratch, step);
                        (tiles.a, tiles.a_rows, tiles.a_across) = (scratch, Rows::apart(1), V::ROWS as isize);
                        tiles.a_step = Stride::ByTile(step as isize);
                    }
                    None => {}
                }
                tiles.run::<V>(m);
            }
        }
    }
}

/// Copies `b` to panels of `WIDE` registers, `step` apart, each with its rows one after the other.
#[inline(always)]
unsafe fn copy_panels<F: Number, V: Vector<F>, const WIDE: usize>(
    k: usize,
    n: usize,
    b: Grid<F>,
    to: *mut F,
    step: usize,
) {
    let width = WIDE * V::LANES;
    // SAFETY: the caller's promise: rows below k and columns below n are inside b, and there is room for a
    // panel of k rows at every step.
    unsafe {
        let place = |p: usize, j: usize| to.add(j / width * step + p * width + j % width);
        if b.across == 1 {
            let whole = n - n % V::LANES;
            let mask = V::mask(n - whole);
            for p in 0..k {
                // Each row may begin on another page, and the processor does not prefetch across pages.
                for j in (0..n).step_by(64 / size_of::<F>()) {
                    V::prefetch(b.at(p + AHEAD, j));
                }
                for j in (0..whole).step_by(V::LANES) {
                    V::load(b.at(p, j)).store(place(p, j));
                }
                if whole < n {
                    V::load_part(b.at(p, whole), mask).store(place(p, whole));
                }
            }
            return;
        }
        let (mut k_squares, mut n_squares) = (0, 0);
        if b.down == 1 {
            (k_squares, n_squares) = (k - k % V::SIDE, n - n % V::SIDE);
            for j in (0..n_squares).step_by(V::SIDE) {
                for p in (0..k_squares).step_by(V::SIDE) {
                    V::transpose(b.at(p, j), b.across, place(p, j), width as isize);
                }
            }
        }
        for j in 0..n {
            for p in if j < n_squares { k_squares..k } else { 0..k } {
                *place(p, j) = *b.at(p, j);
            }
        }
    }
}

/// Copies rows of `a` to rows that are `step` apart, and prefetches the `n_next` rows after them.
#[inline(always)]
unsafe fn copy_rows<F: Number, V: Vector<F>>(
    m: usize,
    k: usize,
    a: Grid<F>,
    step: usize,
    to: *mut F,
    n_next: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..m {
            std::ptr::copy_nonoverlapping(a.at(i, 0), to.add(i * step), k);
        }
        for i in m..m + n_next {
            for p in (0..k).step_by(64 / size_of::<F>()) {
                V::prefetch(a.at(i, p));
            }
        }
    }
}

/// Copies the contiguous columns of `a` to columns that are `step` apart, a whole number of registers.
#[inline(always)]
unsafe fn copy_columns<F: Number, V: Vector<F>>(m: usize, k: usize, a: Grid<F>, to: *mut F, step: usize) {
    let whole = m - m % V::LANES;
    // SAFETY: the caller's promise: rows below m and columns below k are inside a, and there is room for k columns.
    unsafe {
        let mask = V::mask(m - whole);
        for p in 0..k {
            let (from, to) = (a.at(0, p), to.add(p * step));
            for i in (0..m).step_by(64 / size_of::<F>()) {
                V::prefetch(a.at(i, p + 2 * AHEAD));
            }
            for i in (0..whole).step_by(V::LANES) {
                V::load(from.add(i)).store(to.add(i));
            }
            if whole < m {
                V::load_part(from.add(whole), mask).store(to.add(whole));
            }
        }
    }
}

/// Copies `a` tile by tile, each with its columns `V::ROWS` apart and `step` from the next tile.
#[inline(always)]
unsafe fn copy_tiles<F: Number, V: Vector<F>>(m: usize, k: usize, a: Grid<F>, to: *mut F, step: usize) {
    let (n_tiles, low, n_high) = heights(m, V::ROWS);
    for p in 0..k {
        let (mut i, mut to) = (0, to.wrapping_add(p * V::ROWS));
        for tile in 0..n_tiles {
            let rows = low + usize::from(tile < n_high);
            // SAFETY: the caller's promise. A whole register may reach into the next column, which is
            // written later, or into the lanes that a tile has to spare at its end.
            unsafe {
                if a.down == 1 {
                    for r in (0..rows).step_by(V::LANES) {
                        let mask = V::mask(V::LANES.min(rows - r));
                        V::load_part(a.at(i + r, p), mask).store(to.add(r));
                    }
                } else {
                    for r in 0..rows {
                        *to.add(r) = *a.at(i + r, p);
                    }
                }
            }
            i += rows;
            to = to.wrapping_add(step);
        }
    }
}
