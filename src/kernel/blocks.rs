//! How a product is cut: into blocks that fit the caches, and those into tiles that fit the registers.
//!
//! ```text
//! for each block of columns of b       (n)
//!   for each block of rows of b        (k)    copied to panels that are two registers wide
//!     for each block of rows of a      (m)    copied so that a tile's rows are together
//!       for each tile of rows                 its part of a stays in the first cache
//!         for each panel                      and b streams past it from the second
//! ```
//! Nothing is copied where that would not pay: small operands are read where they are.

use std::marker::PhantomData;

use super::dots::Dots;
use super::product::Finish;
use super::scratch;
use super::tile::{Origin, Tiles, heights};
use super::vector::{Number, Vector};
use super::vectorize::{self, Pass};

/// A matrix in memory; steps are counted in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Grid<F> {
    pub ptr: *const F,
    /// From a row to the next one.
    pub down: isize,
    /// From a column to the next one.
    pub across: isize,
}

impl<F> Grid<F> {
    #[inline(always)]
    fn t(self) -> Self {
        Self { ptr: self.ptr, down: self.across, across: self.down }
    }

    /// Where the entry of a row and a column is.
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> *const F {
        self.ptr.wrapping_offset(row as isize * self.down + column as isize * self.across)
    }

    /// The part that begins at a row and a column.
    #[inline(always)]
    fn from(&self, row: usize, column: usize) -> Self {
        Self { ptr: self.at(row, column), down: self.down, across: self.across }
    }
}

/// A product, `c ← finish(start + a b)`.
#[derive(Clone, Copy, Debug)]
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

/// How many rows of `b` a block has: a tile's part of `a` takes 12 kB of the first cache.
const BLOCK_K: usize = 256;
/// How many bytes of `b` a block has: half of a second cache of 1 MB.
const BLOCK_B: usize = 512 * 1024;
/// How many rows of `a` a block has.
const BLOCK_M: usize = 96;

/// Computes a product.
///
/// # Safety
/// The processor has the instructions of `V::PATH`; the grids are valid for their shapes; `c` is nobody
/// else's.
#[inline(always)]
pub unsafe fn multiply<F: Number, V: Vector<F>>(mut o: Operands<F>) {
    if o.m == 0 || o.n == 0 {
        return;
    }
    // SAFETY: the caller's promise, which transposing both sides of the equation keeps.
    unsafe {
        if o.n == 1 {
            // No step leads from the only column to another, so it may be called 1.
            o.c_across = 1;
            if o.a.across != 1 && o.a.down == 1 && o.c_down == 1 {
                o = o.transposed();
            } else if o.a.across == 1 && o.b.down == 1 {
                return Dots::new(o).run::<V>();
            }
        } else if o.m == 1 {
            o.c_down = 1;
            if o.b.down == 1 && o.b.across != 1 && o.a.across == 1 {
                return Dots::new(o.transposed()).run::<V>();
            }
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

impl<F: Number> Operands<F> {
    /// The same product as `cᵀ ← startᵀ + bᵀ aᵀ`.
    #[inline(always)]
    unsafe fn transposed(mut self) -> Self {
        if let Origin::Row(bias) = self.start {
            for i in 0..self.m {
                for j in 0..self.n {
                    let c = self.c.wrapping_offset(i as isize * self.c_down + j as isize * self.c_across);
                    // SAFETY: the bias has n numbers and c is valid for m × n.
                    unsafe { *c = *bias.add(j) };
                }
            }
            self.start = Origin::Kept;
        }
        let Self { m, n, a, b, c_down, c_across, .. } = self;
        Self { m: n, n: m, a: b.t(), b: a.t(), c_down: c_across, c_across: c_down, ..self }
    }

    /// All tiles, with `a` and `b` read where they are.
    #[inline(always)]
    fn tiles<V: Vector<F>>(&self) -> Tiles<F> {
        Tiles {
            k: self.k,
            n: self.n,
            a: self.a.ptr,
            a_down: self.a.down,
            a_across: Some(self.a.across),
            a_step: self.a.down,
            b: self.b.ptr,
            b_down: self.b.down,
            b_panel: 2 * V::LANES as isize,
            start: self.start,
            finish: self.finish,
            c: self.c,
            c_down: self.c_down,
        }
    }
}

/// For a `c` whose rows and columns are both apart: each entry by itself, in the same order of sums.
#[cold]
unsafe fn one_by_one<F: Number, V: Vector<F>>(o: Operands<F>) {
    for i in 0..o.m {
        for j in 0..o.n {
            let mut entry = Operands { m: 1, n: 1, start: o.start.from_column(j), ..o };
            entry.c = o.c.wrapping_offset(i as isize * o.c_down + j as isize * o.c_across);
            (entry.a, entry.b) = (o.a.from(i, 0), o.b.from(0, j));
            // SAFETY: the entry's row, column and place are inside the operands.
            unsafe { entry.tiles::<V>().run::<V>(1, 1) }
        }
    }
}

/// Computes a product with contiguous rows of `c`, with or without copies.
#[inline(always)]
unsafe fn by_size<F: Number, V: Vector<F>>(o: Operands<F>) {
    let is_tall = o.m > V::ROWS_OF_TWO;
    let bytes = |rows: usize, columns: usize| rows * columns * size_of::<F>();
    let copy_b = o.b.across != 1 && o.n > 1 || is_tall && bytes(o.k, o.n) > BLOCK_B;
    let copy_a = copy_b && is_tall && bytes(o.m, o.k) > BLOCK_B / 2;
    if !copy_b {
        // SAFETY: the caller's promise.
        return unsafe { o.tiles::<V>().run::<V>(o.m, Tiles::<F>::tallest::<V>(o.n)) };
    }
    let panel = 2 * V::LANES;
    let block_k = o.k.min(BLOCK_K);
    let block_n = (BLOCK_B / bytes(BLOCK_K, 1)).min(o.n.next_multiple_of(panel));
    let block_m = if copy_a { o.m.min(BLOCK_M) } else { o.m };
    // Rows a multiple of 4096 bytes apart would fall on one another in the first cache.
    let a_stride = block_k + 64 / size_of::<F>();
    let a_room = if copy_a { block_m * a_stride } else { 0 };
    scratch::with(block_k * block_n + a_room, |b_room: *mut F| {
        let a_room = copy_a.then(|| b_room.wrapping_add(block_k * block_n));
        let blocks =
            Blocks::<F, V> { o, block_m, block_k, block_n, a_stride, a_room, b_room, of: PhantomData };
        // SAFETY: the caller's promise about the processor.
        unsafe { vectorize::on(V::PATH, blocks) }
    });
}

/// A product in blocks, `b` copied to one room and, where there is one for it, `a` to another.
struct Blocks<F, V> {
    o: Operands<F>,
    block_m: usize,
    block_k: usize,
    block_n: usize,
    a_stride: usize,
    a_room: Option<*mut F>,
    b_room: *mut F,
    of: PhantomData<V>,
}

impl<F: Number, V: Vector<F>> Pass for Blocks<F, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { o, block_m, block_k, block_n, a_stride, a_room, b_room, .. } = self;
        let panel = 2 * V::LANES;
        let tall = Tiles::<F>::tallest::<V>(o.n);
        for j in (0..o.n).step_by(block_n) {
            let n = block_n.min(o.n - j);
            let mut p = 0;
            loop {
                let k = block_k.min(o.k - p);
                // SAFETY: the block is inside b, and the room holds it.
                unsafe { copy_panels::<F, V>(k, n, o.b.from(p, j), b_room) };
                for i in (0..o.m).step_by(block_m) {
                    let m = block_m.min(o.m - i);
                    let c = o.c.wrapping_offset(i as isize * o.c_down).wrapping_add(j);
                    let start = if p == 0 { o.start.from_column(j) } else { Origin::Kept };
                    let finish = if p + k == o.k { o.finish } else { Finish::Nothing };
                    let block = Operands { m, k, n, a: o.a.from(i, p), start, finish, c, ..o };
                    let mut tiles = block.tiles::<V>();
                    (tiles.b, tiles.b_down, tiles.b_panel) = (b_room, panel as isize, (panel * k) as isize);
                    // SAFETY: the block is inside the operands, and the room holds it.
                    unsafe {
                        match a_room {
                            Some(room) if block.a.across == 1 => {
                                copy_rows(m, k, block.a, a_stride, room);
                                (tiles.a, tiles.a_down, tiles.a_step) =
                                    (room, a_stride as isize, a_stride as isize);
                            }
                            Some(room) => {
                                copy_tiles(m, k, tall, block.a, room);
                                (tiles.a, tiles.a_down, tiles.a_across) = (room, 1, None);
                                tiles.a_step = k as isize;
                            }
                            None => {}
                        }
                        tiles.run::<V>(m, tall);
                    }
                }
                p += k;
                if p == o.k {
                    break;
                }
            }
        }
    }
}

/// Copies `b` to panels two registers wide, each with its rows one after the other.
#[inline(always)]
unsafe fn copy_panels<F: Number, V: Vector<F>>(k: usize, n: usize, b: Grid<F>, to: *mut F) {
    let width = 2 * V::LANES;
    // SAFETY: the caller's promise: rows below k and columns below n are inside b, and a panel of k rows
    // begins at every multiple of the width.
    unsafe {
        for j in (0..n).step_by(width) {
            let panel = to.add(j * k);
            let n = width.min(n - j);
            if b.across == 1 && n == width {
                for p in 0..k {
                    let (from, to) = (b.at(p, j), panel.add(p * width));
                    V::load(from).store(to);
                    V::load(from.add(V::LANES)).store(to.add(V::LANES));
                }
            } else if b.down == 1 {
                let (k_squares, n_squares) = (k - k % V::SIDE, n - n % V::SIDE);
                for l in (0..n_squares).step_by(V::SIDE) {
                    for p in (0..k_squares).step_by(V::SIDE) {
                        V::transpose(b.at(p, j + l), b.across, panel.add(p * width + l), width as isize);
                    }
                }
                for l in 0..n {
                    for p in if l < n_squares { k_squares..k } else { 0..k } {
                        *panel.add(p * width + l) = *b.at(p, j + l);
                    }
                }
            } else {
                for p in 0..k {
                    for l in 0..n {
                        *panel.add(p * width + l) = *b.at(p, j + l);
                    }
                }
            }
        }
    }
}

/// Copies the rows of `a` to rows that are `stride` apart.
#[inline(always)]
unsafe fn copy_rows<F: Number>(m: usize, k: usize, a: Grid<F>, stride: usize, to: *mut F) {
    for i in 0..m {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(a.at(i, 0), to.add(i * stride), k) }
    }
}

/// Copies `a` tile by tile, each with its columns one after the other.
#[inline(always)]
unsafe fn copy_tiles<F: Number>(m: usize, k: usize, tall: usize, a: Grid<F>, to: *mut F) {
    let (n_tiles, low, n_high) = heights(m, tall);
    let mut i = 0;
    for tile in 0..n_tiles {
        let rows = low + usize::from(tile < n_high);
        for p in 0..k {
            for r in 0..rows {
                // SAFETY: the caller's promise.
                unsafe { *to.add(i * k + p * rows + r) = *a.at(i + r, p) };
            }
        }
        i += rows;
    }
}
