//! How a product is cut: into blocks that fit the caches, and those into tiles that fit the registers.
//!
//! ```text
//! for each block of columns of b       (n)
//!   for each block of rows of b        (k)    copied to panels that are two registers wide
//!     for each block of rows of a      (m)    copied so that a tile's rows are together
//!       for each tile of rows                 its part of a stays in the first cache
//!         for each panel                      and b streams past it from the second
//! ```
//! Nothing is copied where it would not pay: small operands are read where they are.

use super::dots::Dots;
use super::product::Finish;
use super::scratch;
use super::tile::{Origin, Tile};
use super::vector::Vector;

/// A matrix in memory.
#[derive(Clone, Copy)]
pub struct Grid<F> {
    pub ptr: *const F,
    /// Origin a row to the next one.
    pub down: isize,
    /// Origin a column to the next one.
    pub across: isize,
}

impl<F> Grid<F> {
    fn t(self) -> Self {
        Self { down: self.across, across: self.down, ..self }
    }

    /// The entry of a row and a column.
    #[inline(always)]
    fn at(self, row: usize, column: usize) -> *const F {
        self.ptr.wrapping_offset(row as isize * self.down + column as isize * self.across)
    }
}

/// A product, `c ← finish(start + a b)`.
#[derive(Clone, Copy)]
pub struct Operands<F> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: Grid<F>,
    pub b: Grid<F>,
    pub start: Origin<F>,
    pub finish: Finish,
    pub c: *mut F,
    pub c_down: isize,
    pub c_across: isize,
}

/// How many rows of `b` a block has.
const BLOCK_K: usize = 256;
/// How many bytes of `b` a block has: half of the second cache.
const BLOCK_B: usize = 512 * 1024;
/// How many rows of `a` a block has.
const BLOCK_M: usize = 96;

/// Computes a product.
///
/// # Safety
/// The processor has the instructions of `V::PATH`; the grids are valid for their shapes; `c` is nobody
/// else's.
#[inline(always)]
pub unsafe fn multiply<F: Copy + 'static, V: Vector<F>>(mut o: Operands<F>) {
    if o.m == 0 || o.n == 0 {
        return;
    }
    // SAFETY: the caller's promise, which transposing both sides of the equation keeps.
    unsafe {
        if o.n == 1 && o.a.across != 1 && o.a.down == 1 || o.m == 1 && o.b.across != 1 && o.b.down == 1 {
            o = o.transposed::<V>();
        }
        if o.n == 1 {
            o.c_across = 1;
            if o.b.across != 1 && o.b.down != 1 {
                o.b.across = 1;
            }
        }
        if o.m == 1 {
            o.c_down = 0;
        }
        if o.n == 1 && o.a.across == 1 && o.b.down == 1 {
            let Operands { m, k, a, b, start, finish, c, c_down, .. } = o;
            return Dots { m, k, a: a.ptr, a_down: a.down, b: b.ptr, start, finish, c, c_down }.run::<V>();
        }
        if o.c_across != 1 && (o.c_down == 1 || o.m == 1) {
            o = o.transposed::<V>();
        }
        if o.c_across != 1 {
            return one_by_one::<F, V>(o);
        }
        if V::Half::LANES < V::LANES && o.n <= V::Half::LANES {
            blocked::<F, V::Half>(o)
        } else {
            blocked::<F, V>(o)
        }
    }
}

impl<F: Copy> Operands<F> {
    /// The same product as `cᵀ ← startᵀ + bᵀ aᵀ`.
    #[inline(always)]
    unsafe fn transposed<V: Vector<F>>(mut self) -> Self {
        // SAFETY: the bias has n numbers and c is valid for m × n.
        unsafe {
            if let Origin::Row(bias) = self.start {
                for i in 0..self.m {
                    for j in 0..self.n {
                        *self.c.offset(i as isize * self.c_down + j as isize * self.c_across) = *bias.add(j);
                    }
                }
                self.start = Origin::Tile;
            }
        }
        let Self { m, n, a, b, c_down, c_across, .. } = self;
        Self { m: n, n: m, a: b.t(), b: a.t(), c_down: c_across, c_across: c_down, ..self }
    }
}

/// For a `c` whose rows and columns are both apart: each entry by itself, in the same order of sums.
#[cold]
unsafe fn one_by_one<F: Copy, V: Vector<F>>(o: Operands<F>) {
    for i in 0..o.m {
        for j in 0..o.n {
            let c = o.c.wrapping_offset(i as isize * o.c_down + j as isize * o.c_across);
            let start = match o.start {
                Origin::Row(bias) => Origin::Row(bias.wrapping_add(j)),
                start => start,
            };
            let (a, b) = (o.a.at(i, 0), o.b.at(0, j));
            let (a_down, a_across, b_down) = (o.a.down, o.a.across, o.b.down);
            let tile = Tile {
                k: o.k,
                a,
                a_down,
                a_across,
                b,
                b_down,
                start,
                finish: o.finish,
                c,
                c_down: 0,
                last: 1,
            };
            // SAFETY: the entry's row, column and place are inside the operands.
            unsafe { tile.run::<V, 1>(1) }
        }
    }
}

#[inline(always)]
unsafe fn blocked<F: Copy + 'static, V: Vector<F>>(o: Operands<F>) {
    let size = size_of::<F>();
    let copy_b = o.b.across != 1 && o.n > 1 || o.k * o.n * size > BLOCK_B && o.m > V::ROWS_OF_TWO;
    let copy_a = copy_b && o.m > V::ROWS_OF_TWO && o.m * o.k * size > BLOCK_B / 2;
    let right = Right { ptr: o.b.ptr, down: o.b.down, panel_step: 2 * V::LANES as isize };
    let left = Left { ptr: o.a.ptr, down: o.a.down, across: o.a.across, step: o.a.down, by_tile: false };
    // SAFETY: the caller's promise.
    unsafe { if copy_b { with_copies::<F, V>(o, copy_a) } else { tiles::<F, V>(o, left, right) } }
}

unsafe fn with_copies<F: Copy + 'static, V: Vector<F>>(o: Operands<F>, copy_a: bool) {
    let size = size_of::<F>();
    let panel = 2 * V::LANES;
    let block_k = o.k.min(BLOCK_K);
    let block_n = (BLOCK_B / (BLOCK_K * size)).min(o.n.next_multiple_of(panel));
    let block_m = if copy_a { o.m.min(BLOCK_M) } else { o.m };
    let a_stride = block_k + 64 / size;
    let a_room = if copy_a { block_m * a_stride } else { 0 };
    scratch::with(block_k * block_n + a_room, |room: *mut F| {
        let a_room = room.wrapping_add(block_k * block_n);
        for j in (0..o.n).step_by(block_n) {
            let n = block_n.min(o.n - j);
            for p in (0..o.k).step_by(block_k) {
                let k = block_k.min(o.k - p);
                // SAFETY: the block is inside b, and the room holds it.
                unsafe { copy_panels(k, n, panel, Grid { ptr: o.b.at(p, j), ..o.b }, room) };
                let right = Right { ptr: room, down: panel as isize, panel_step: (panel * k) as isize };
                for i in (0..o.m).step_by(block_m) {
                    let m = block_m.min(o.m - i);
                    let a = Grid { ptr: o.a.at(i, p), ..o.a };
                    let left = if !copy_a {
                        Left { ptr: a.ptr, down: a.down, across: a.across, step: a.down, by_tile: false }
                    } else if a.across == 1 {
                        // SAFETY: the block is inside a, and the room holds it.
                        unsafe { copy_rows(m, k, a, a_stride, a_room) };
                        Left {
                            ptr: a_room,
                            down: a_stride as isize,
                            across: 1,
                            step: a_stride as isize,
                            by_tile: false,
                        }
                    } else {
                        // SAFETY: the block is inside a, and the room holds it.
                        unsafe { copy_tiles(m, k, V::ROWS_OF_TWO, a, a_room) };
                        Left { ptr: a_room, down: 1, across: 0, step: k as isize, by_tile: true }
                    };
                    let start = match o.start {
                        _ if p > 0 => Origin::Tile,
                        Origin::Row(bias) => Origin::Row(bias.wrapping_add(j)),
                        start => start,
                    };
                    let finish = if p + k == o.k { o.finish } else { Finish::Nothing };
                    let c = o.c.wrapping_offset(i as isize * o.c_down).wrapping_add(j);
                    // SAFETY: the block is inside the operands.
                    unsafe { tiles::<F, V>(Operands { m, k, n, start, finish, c, ..o }, left, right) };
                }
            }
        }
    });
}

/// Where a block's tiles find their part of `a`.
#[derive(Clone, Copy)]
struct Left<F> {
    ptr: *const F,
    down: isize,
    across: isize,
    /// Origin a row to the next one, when the rows begin different tiles.
    step: isize,
    /// Whether each tile has its columns one after the other, as many entries each as the tile has rows.
    by_tile: bool,
}

/// Where a block's tiles find their part of `b`.
#[derive(Clone, Copy)]
struct Right<F> {
    ptr: *const F,
    down: isize,
    panel_step: isize,
}

/// The tiles of a block.
#[inline(always)]
unsafe fn tiles<F: Copy, V: Vector<F>>(o: Operands<F>, left: Left<F>, right: Right<F>) {
    let few = o.m <= 3;
    let tall = if o.n <= V::LANES {
        V::ROWS_OF_ONE
    } else if few {
        3
    } else {
        V::ROWS_OF_TWO
    };
    let mut i = 0;
    for rows in heights(o.m, tall) {
        let a = left.ptr.wrapping_offset(i as isize * left.step);
        let a_across = if left.by_tile { rows as isize } else { left.across };
        let mut j = 0;
        while j < o.n {
            let b = right.ptr.wrapping_offset((j / (2 * V::LANES)) as isize * right.panel_step);
            let start = match o.start {
                Origin::Row(bias) => Origin::Row(bias.wrapping_add(j)),
                start => start,
            };
            let c = o.c.wrapping_offset(i as isize * o.c_down).wrapping_add(j);
            let left_over = o.n - j;
            let mut tile = Tile {
                k: o.k,
                a,
                a_down: left.down,
                a_across,
                b,
                b_down: right.down,
                start,
                finish: o.finish,
                c,
                c_down: o.c_down,
                last: V::LANES,
            };
            // SAFETY: rows i.. and columns j.. of the tile are inside the operands.
            unsafe {
                if few && left_over > 3 * V::LANES && right.panel_step == 2 * V::LANES as isize {
                    tile.last = (left_over - 3 * V::LANES).min(V::LANES);
                    tile.run::<V, 4>(rows);
                    j += 4 * V::LANES;
                } else if left_over > V::LANES {
                    tile.last = (left_over - V::LANES).min(V::LANES);
                    tile.run::<V, 2>(rows);
                    j += 2 * V::LANES;
                } else {
                    tile.last = left_over;
                    tile.run::<V, 1>(rows);
                    j += 2 * V::LANES;
                }
            }
        }
        i += rows;
    }
}

/// Cuts `m` rows into as few tiles as possible, of heights as equal as possible.
#[inline(always)]
fn heights(m: usize, tall: usize) -> impl Iterator<Item = usize> {
    let n_tiles = m.div_ceil(tall);
    let (low, n_high) = (m / n_tiles, m % n_tiles);
    (0..n_tiles).map(move |tile| low + usize::from(tile < n_high))
}

/// Copies `b` to panels of `width` columns, each with its rows one after the other.
#[inline(always)]
unsafe fn copy_panels<F: Copy>(k: usize, n: usize, width: usize, b: Grid<F>, to: *mut F) {
    // SAFETY: the caller's promise.
    unsafe {
        for j in (0..n).step_by(width) {
            let panel = to.add(j * k);
            let n = width.min(n - j);
            if b.across == 1 {
                for p in 0..k {
                    let from = b.at(p, j);
                    if n == width {
                        for l in 0..width {
                            *panel.add(p * width + l) = *from.add(l);
                        }
                    } else {
                        std::ptr::copy_nonoverlapping(from, panel.add(p * width), n);
                    }
                }
            } else {
                for l in 0..n {
                    let from = b.at(0, j + l);
                    for p in 0..k {
                        *panel.add(p * width + l) = *from.offset(p as isize * b.down);
                    }
                }
            }
        }
    }
}

/// Copies the rows of `a` to rows that are `stride` apart.
#[inline(always)]
unsafe fn copy_rows<F: Copy>(m: usize, k: usize, a: Grid<F>, stride: usize, to: *mut F) {
    for i in 0..m {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(a.at(i, 0), to.add(i * stride), k) }
    }
}

/// Copies `a` tile by tile, each with its columns one after the other.
#[inline(always)]
unsafe fn copy_tiles<F: Copy>(m: usize, k: usize, tall: usize, a: Grid<F>, to: *mut F) {
    let mut i = 0;
    for rows in heights(m, tall) {
        for p in 0..k {
            for r in 0..rows {
                // SAFETY: the caller's promise.
                unsafe { *to.add(i * k + p * rows + r) = *a.at(i + r, p) };
            }
        }
        i += rows;
    }
}
