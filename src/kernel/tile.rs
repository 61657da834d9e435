//! The innermost part of a product: tiles of `c` that stay in registers while `k` runs.
//!
//! ```text
//! c[i, j] = start;   for p in 0..k:  c[i, j] = a[i, p] · b[p, j] + c[i, j]
//! ```
//! Lanes run along the rows of `b` and `c`; an entry of `a` is spread over all lanes. Every entry of `c`
//! is one chain of multiply-adds in the order of `p`, whatever the tile's size and place, so a row of a
//! product has the same bits whichever rows it is computed with.

use std::marker::PhantomData;

use super::gemm::{Accumulate, Epilogue, Gemm};
use super::simd::SimdLoop;
use super::vector::Vector;

/// How far apart the first rows of `a` of two neighbouring tiles are.
#[derive(Clone, Copy, Debug)]
pub enum Stride {
    /// As far as the number of rows between them says.
    ByRow(isize),
    /// This far, whatever their height.
    ByTile(isize),
}

impl Stride {
    #[inline(always)]
    fn over(self, n_tiles: usize, rows: usize) -> isize {
        match self {
            Stride::ByRow(step) => (n_tiles * rows) as isize * step,
            Stride::ByTile(step) => n_tiles as isize * step,
        }
    }
}

/// How far the next rows of a matrix, and the fourth, are from one row. If the compiler saw that these are multiples of
/// one number, it would add them up row by row in the innermost loop, each sum waiting for the last.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    next: [isize; 4],
    four: isize,
}

impl Rows {
    /// Rows `step` apart.
    #[inline(always)]
    pub fn apart(step: isize) -> Self {
        Self { next: [0, step, 2 * step, 3 * step], four: 4 * step }
    }
}

/// The operands of all tiles of a block: rows of `b` and of `c` are contiguous.
///
/// Steps are counted in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<F> {
    pub k: usize,
    pub n: usize,
    pub a: *const F,
    /// From the first row of `a` in a tile to the others.
    pub a_rows: Rows,
    /// From a column of `a` to the next one.
    pub a_across: isize,
    /// From one tile's rows of `a` to the next one's.
    pub a_step: Stride,
    pub b: *const F,
    /// From a row of `b` to the next one.
    pub b_down: isize,
    /// From one panel of `b`, two registers wide or four, to the next one.
    pub b_panel: isize,
    /// Whether the panels of `b` are four registers wide.
    pub b_panel_wide: bool,
    pub start: Accumulate<*const F>,
    pub epilogue: Epilogue,
    pub c: *mut F,
    pub c_down: isize,
}

impl<F: Copy> Tiles<F> {
    /// All tiles, with `a` and `b` read where they are.
    #[inline(always)]
    pub fn of<V: Vector<F>>(o: &Gemm<F>) -> Self {
        Self {
            k: o.k,
            n: o.n,
            a: o.a.ptr,
            a_rows: Rows::apart(o.a.down),
            a_across: o.a.across,
            a_step: Stride::ByRow(o.a.down),
            b: o.b.ptr,
            b_down: o.b.down,
            b_panel: 2 * V::LANES as isize,
            b_panel_wide: false,
            start: o.start,
            epilogue: o.epilogue,
            c: o.c,
            c_down: o.c_down,
        }
    }

    /// Computes `m` rows, in as few tiles as possible and of heights as equal as possible.
    ///
    /// # Safety
    /// The processor has the instructions of `V::LEVEL`; the pointers are valid for `m × k`, `k × n` and
    /// `m × n` numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(mut self, m: usize) {
        let tallest = match self.a_step {
            Stride::ByRow(_) if self.b_panel_wide => V::ROWS_OF_FOUR,
            Stride::ByRow(_) => tallest::<F, V>(self.n),
            Stride::ByTile(_) => V::ROWS,
        };
        let (n_tiles, low, n_high) = heights(m, tallest);
        // SAFETY: the caller's promise: together these are m rows.
        unsafe {
            if n_high > 0 {
                self.of_height::<V>(low + 1, n_high);
                self.a = self.a.wrapping_offset(self.a_step.over(n_high, low + 1));
                self.c = self.c.wrapping_offset((n_high * (low + 1)) as isize * self.c_down);
            }
            self.of_height::<V>(low, n_tiles - n_high);
        }
    }

    /// Computes `n_tiles` tiles of one height.
    #[inline(always)]
    unsafe fn of_height<V: Vector<F>>(self, rows: usize, n_tiles: usize) {
        macro_rules! height {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: the caller's promise.
                    $($rows => unsafe {
                        V::on(OfHeight::<F, V, $rows>(self, n_tiles, PhantomData));
                    },)*
                    _ => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        match V::ROWS_OF_ONE {
            16 => height!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16),
            12 => height!(1 2 3 4 5 6 7 8 9 10 11 12),
            6 => height!(1 2 3 4 5 6),
            _ => height!(1 2 3 4),
        }
    }
}

/// How many rows a tile may have whose `n` columns are read where they are.
#[inline(always)]
pub fn tallest<F, V: Vector<F>>(n: usize) -> usize {
    if n <= V::LANES {
        V::ROWS_OF_ONE
    } else if n < 4 * V::LANES && !n.is_multiple_of(V::LANES) {
        V::ROWS_WITH_MASK
    } else {
        V::ROWS
    }
}

/// Cuts `m` rows into as few tiles as possible, of heights as equal as possible: how many there are, how
/// high the low ones are, and how many at the front have one row more.
#[inline(always)]
pub fn heights(m: usize, tall: usize) -> (usize, usize, usize) {
    let n_tiles = m.div_ceil(tall);
    (n_tiles, m / n_tiles, m % n_tiles)
}

/// A number of tiles of `R` rows each: a function of its own, so that each height has the registers to
/// itself.
struct OfHeight<F, V, const R: usize>(Tiles<F>, usize, PhantomData<V>);

impl<F: Copy, V: Vector<F>, const R: usize> SimdLoop for OfHeight<F, V, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(mut o, n_tiles, _) = self;
        // Tiles as wide as the whole of b are computed in one loop; else all those of some rows come first.
        let together = if o.n <= 2 * V::LANES { n_tiles } else { 1 };
        let mut done = 0;
        while done < n_tiles {
            let mut column = Column(o, together);
            let mut left = o.n;
            // SAFETY: `Tiles::run` passes its caller's promise on; a tile is as wide as what is left allows.
            unsafe {
                if const { R <= V::ROWS_OF_FOUR } && o.b_panel_wide {
                    while left >= 4 * V::LANES {
                        column.fill::<V, R, 4>(V::LANES);
                        column.move_by(4 * V::LANES, o.b_panel);
                        left -= 4 * V::LANES;
                    }
                    while left > V::LANES {
                        let last = (left - V::LANES).min(V::LANES);
                        column.fill::<V, R, 2>(last);
                        column.move_by(2 * V::LANES, 2 * V::LANES as isize);
                        left -= V::LANES + last;
                    }
                }
                if const { R <= V::ROWS } {
                    if const { R <= 3 } && o.b_panel == 2 * V::LANES as isize {
                        while left >= 4 * V::LANES {
                            column.fill::<V, R, 4>(V::LANES);
                            column.move_by(4 * V::LANES, 2 * o.b_panel);
                            left -= 4 * V::LANES;
                        }
                    }
                    while left > V::LANES {
                        let last = (left - V::LANES).min(V::LANES);
                        column.fill::<V, R, 2>(last);
                        column.move_by(2 * V::LANES, o.b_panel);
                        left -= V::LANES + last;
                    }
                }
                if left > 0 {
                    column.fill::<V, R, 1>(left);
                }
            }
            o.a = o.a.wrapping_offset(o.a_step.over(together, R));
            o.c = o.c.wrapping_offset((together * R) as isize * o.c_down);
            done += together;
        }
    }
}

/// Tiles one below the other: the operands from the first row and column of the first tile on, and the number of tiles.
struct Column<F>(Tiles<F>, usize);

impl<F: Copy> Column<F> {
    /// Moves on to the columns of the next tiles.
    #[inline(always)]
    fn move_by(&mut self, columns: usize, b_step: isize) {
        self.0.b = self.0.b.wrapping_offset(b_step);
        self.0.c = self.0.c.wrapping_add(columns);
        self.0.start = self.0.start.at_column(columns);
    }

    /// Computes tiles of `R` rows and `C` registers, the last of which has `last` lanes.
    #[inline(always)]
    unsafe fn fill<V: Vector<F>, const R: usize, const C: usize>(&self, last: usize) {
        // A mask costs a register, or a branch, and with AVX-512 a few per cent on loads; four registers are whole.
        // SAFETY: the caller's promise.
        unsafe {
            if C == 4 || last == V::LANES {
                self.run::<V, R, C, true>(last);
            } else {
                self.run::<V, R, C, false>(last);
            }
        }
    }

    /// The same, compiled with and without a last register that is `WHOLE`.
    #[inline(always)]
    unsafe fn run<V: Vector<F>, const R: usize, const C: usize, const WHOLE: bool>(&self, last: usize) {
        let Tiles { k, mut a, a_rows, a_across, a_step, b, b_down, start, epilogue, mut c, c_down, .. } =
            self.0;
        let (a_step, c_step) = (a_step.over(1, R), R as isize * c_down);
        // SAFETY: the caller's promise: rows below R and columns below the width are inside the matrices,
        // and partial loads and stores keep to the width.
        unsafe {
            let (mask, cut) = (V::mask(last), !WHOLE && last < V::LANES);
            for _ in 0..self.1 {
                let mut sums = [[V::zero(); C]; R];
                match start {
                    Accumulate::Write => {}
                    Accumulate::Bias(row) => {
                        for column in 0..C {
                            let x = load::<F, V, C, WHOLE>(row, column, mask);
                            for sums in &mut sums {
                                sums[column] = x;
                            }
                        }
                    }
                    Accumulate::Add => {
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (column, sum) in sums.iter_mut().enumerate() {
                                *sum = load::<F, V, C, WHOLE>(c.offset(row as isize * c_down), column, mask);
                            }
                        }
                    }
                }
                let mut b = b;
                let four = a_rows.four;
                let mut fours =
                    [a, a.wrapping_offset(four), a.wrapping_offset(2 * four), a.wrapping_offset(3 * four)];
                for _ in 0..k {
                    let mut factors = [V::zero(); C];
                    for (column, factor) in factors.iter_mut().enumerate() {
                        *factor = load::<F, V, C, WHOLE>(b, column, mask);
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = V::splat(*fours[row / 4].offset(a_rows.next[row % 4]));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = x.mul_add(factor, *sum);
                        }
                    }
                    for four in &mut fours {
                        *four = four.wrapping_offset(a_across);
                    }
                    b = b.wrapping_offset(b_down);
                }
                if epilogue == Epilogue::Relu {
                    for sum in sums.as_flattened_mut() {
                        *sum = sum.relu();
                    }
                }
                let mut lasts = [V::zero(); R];
                for (row, sums) in sums.into_iter().enumerate() {
                    for (column, sum) in sums.into_iter().enumerate() {
                        if column + 1 < C || !cut {
                            sum.store(c.offset(row as isize * c_down).add(column * V::LANES));
                        } else {
                            lasts[row] = sum;
                        }
                    }
                }
                if cut {
                    V::store_parts(lasts, c.add((C - 1) * V::LANES), c_down, mask);
                }
                (a, c) = (a.wrapping_offset(a_step), c.wrapping_offset(c_step));
            }
        }
    }
}

/// Reads one of `C` registers side by side, the last of which is `WHOLE` or has a mask.
///
/// # Safety
/// The processor has the instructions of `V::LEVEL`, and the slice holds the numbers that are read.
#[inline(always)]
unsafe fn load<F, V: Vector<F>, const C: usize, const WHOLE: bool>(
    from: *const F,
    column: usize,
    mask: V::Mask,
) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let from = from.add(column * V::LANES);
        if WHOLE || column + 1 < C { V::load(from) } else { V::load_part(from, mask) }
    }
}
