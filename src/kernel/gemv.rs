//! Matrix times vector, where one chain of sums would spend its time waiting for itself.
//!
//! Where the rows of the matrix run along `k`, each is one dot product ([`GemvDot`]), summed in as many chains as fit
//! into 64 bytes (16 for `f32`, 8 for `f64`), entry `p` in chain `p mod 16`; then the upper half of the chains is
//! added to the lower until one is left, and that is added to the start. Several vectors are multiplied one after
//! the other; rows that fit into the chains stay in registers meanwhile. Where its columns are contiguous, the
//! result is their combination ([`GemvAxpy`]), summed in four chains, `p` in chain `p mod 4`. So both levels that
//! have the fused instruction produce the same bits.

use super::gemm::{Accumulate, Epilogue, Gemm};
use super::vector::{Number, Vector, load_row};

/// `c[i, j] ← epilogue(start + Σₚ a[i, p] b[p, j])`, rows of `a` and columns of `b` contiguous.
#[derive(Clone, Copy, Debug)]
pub struct GemvDot<F>(pub Gemm<F>);

/// What is left of some rows after the last whole round of chains, in registers.
type Tail<V> = [V; 4];

impl<F: Number> GemvDot<F> {
    /// # Safety
    /// The processor has the instructions of `V::LEVEL`; the pointers are valid for `m × k`, `k × n` and `m × n`
    /// numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.0.k.div_ceil(V::LANES) {
                // The number of registers of a short row is known at compile time.
                1 => self.short::<V, 1>(),
                2 if V::LANES * 2 <= chains::<F, V>() => self.short::<V, 2>(),
                _ => self.long::<V>(),
            }
        }
    }

    /// Rows that fit into `R` registers, and into the chains.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn short<V: Vector<F>, const R: usize>(self) {
        let Gemm { m, k, n, a, b, .. } = self.0;
        let last = k - (R - 1) * V::LANES;
        // SAFETY: the caller's promise; rows i to i + 4 are below m, as are those that stand in for missing ones.
        unsafe {
            let mask = V::mask(last);
            let down = [a.down, 2 * a.down, 3 * a.down];
            for i in (0..m).step_by(4) {
                let first = a.ptr.offset(i as isize * a.down);
                // The last row stands in for missing ones.
                let left = (m - 1 - i) as isize;
                let [one, two, three] = if left >= 3 {
                    down
                } else {
                    [left.min(1) * a.down, left.min(2) * a.down, left * a.down]
                };
                let mut rows = [[V::zero(); R]; 4];
                for (registers, down) in rows.iter_mut().zip([0, one, two, three]) {
                    *registers = load_row(first.offset(down), mask);
                }
                for j in 0..n {
                    let column: [V; R] = load_row(b.at(0, j), mask);
                    let mut sums = [V::zero(); 4];
                    for (row, sum) in rows.iter().zip(&mut sums) {
                        *sum = row[0].times(column[0]);
                        for r in 1..R {
                            *sum = sum.plus(row[r].times(column[r]));
                        }
                    }
                    self.put(i, j, V::sums(sums));
                }
            }
        }
    }

    /// Rows of any length.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn long<V: Vector<F>>(self) {
        let Gemm { m, k, n, a, b, .. } = self.0;
        let begin = k - k % chains::<F, V>();
        // SAFETY: the caller's promise.
        let ends = unsafe { Ends::<F, V>::new(k - begin) };
        for i in (0..m).step_by(4) {
            // SAFETY: rows i to i + 4 are below m, as are those that stand in for missing ones.
            unsafe {
                let (mut rows, mut tails) = ([a.ptr; 4], [[V::zero(); 4]; 4]);
                for (r, (row, tail)) in rows.iter_mut().zip(&mut tails).enumerate() {
                    *row = a.ptr.offset((i + r).min(m - 1) as isize * a.down);
                    ends.read(row.add(begin), tail);
                }
                for j in 0..n {
                    let column = b.at(0, j);
                    let mut tail = [V::zero(); 4];
                    ends.read(column.add(begin), &mut tail);
                    self.put(i, j, sums(rows, &tails, column, &tail, begin, &ends));
                }
            }
        }
    }

    /// Writes up to four entries of a column of `c`, from a row on.
    #[inline(always)]
    unsafe fn put(&self, row: usize, column: usize, sums: [F; 4]) {
        let Gemm { m, start, c, c_down, c_across, .. } = self.0;
        // SAFETY: the caller's promise: entries of c below m, one after the other where `c_down` is 1.
        unsafe {
            let c = c.offset(row as isize * c_down + column as isize * c_across);
            if c_down == 1 && row + 4 <= m {
                let c = c.cast::<[F; 4]>();
                *c = self.finished(match start {
                    Accumulate::Write => sums,
                    Accumulate::Bias(bias) => added([*bias.add(column); 4], sums),
                    Accumulate::Add => added(*c, sums),
                });
                return;
            }
            let mut starts = [F::zero(); 4];
            for (i, start_of) in starts.iter_mut().enumerate().take(m - row) {
                match start {
                    Accumulate::Write => {}
                    Accumulate::Bias(bias) => *start_of = *bias.add(column),
                    Accumulate::Add => *start_of = *c.offset(i as isize * c_down),
                }
            }
            let sums = if matches!(start, Accumulate::Write) { sums } else { added(starts, sums) };
            for (i, sum) in self.finished(sums).into_iter().enumerate().take(m - row) {
                *c.offset(i as isize * c_down) = sum;
            }
        }
    }

    /// Four sums after the epilogue.
    #[inline(always)]
    fn finished(&self, sums: [F; 4]) -> [F; 4] {
        match self.0.epilogue {
            Epilogue::None => sums,
            Epilogue::Relu => [relu(sums[0]), relu(sums[1]), relu(sums[2]), relu(sums[3])],
        }
    }
}

/// Entry by entry, and not in a loop: a loop over a small array goes through memory.
#[inline(always)]
fn added<F: Number>(a: [F; 4], b: [F; 4]) -> [F; 4] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

#[inline(always)]
fn relu<F: Number>(x: F) -> F {
    if x < F::zero() { F::zero() } else { x }
}

/// The dot products of four rows with a column, side by side, because each alone would wait for its own sums.
///
/// # Safety
/// As for [`GemvDot::run`]; the rows and the column hold `begin` numbers and then their tails.
#[inline(always)]
unsafe fn sums<F: Number, V: Vector<F>>(
    rows: [*const F; 4],
    tails: &[Tail<V>; 4],
    column: *const F,
    tail: &Tail<V>,
    begin: usize,
    ends: &Ends<F, V>,
) -> [F; 4] {
    let n_registers = chains::<F, V>() / V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::zero(); 4]; 4];
        let mut p = 0;
        while p < begin {
            for register in 0..n_registers {
                let at = p + register * V::LANES;
                let factor = V::load(column.add(at));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    sums[register] = V::load(row.add(at)).mul_add(factor, sums[register]);
                }
            }
            p += chains::<F, V>();
        }
        for register in 0..n_registers {
            if ends.lanes[register] > 0 {
                for (row, sums) in tails.iter().zip(&mut sums) {
                    sums[register] = row[register].mul_add(tail[register], sums[register]);
                }
            }
        }
        let mut n = n_registers;
        while n > 1 {
            n /= 2;
            for sums in &mut sums {
                for i in 0..n {
                    sums[i] = sums[i].plus(sums[i + n]);
                }
            }
        }
        V::sums([sums[0][0], sums[1][0], sums[2][0], sums[3][0]])
    }
}

/// How the end of a row is read: how many of its numbers go into each register.
#[derive(Clone, Copy)]
struct Ends<F, V: Vector<F>> {
    lanes: [usize; 4],
    masks: [V::Mask; 4],
}

impl<F: Number, V: Vector<F>> Ends<F, V> {
    /// For an end of `len` numbers, fewer than there are chains.
    ///
    /// # Safety
    /// The processor has the instructions of `V::LEVEL`.
    #[inline(always)]
    unsafe fn new(len: usize) -> Self {
        let lanes = std::array::from_fn(|register| len.saturating_sub(register * V::LANES).min(V::LANES));
        // SAFETY: the caller's promise; a mask touches no memory.
        let mut masks = [unsafe { V::mask(0) }; 4];
        for (mask, n) in masks.iter_mut().zip(lanes) {
            // SAFETY: as above.
            *mask = unsafe { V::mask(n) };
        }
        Self { lanes, masks }
    }

    /// # Safety
    /// As for [`new`](Self::new), and `from` has at least `len` numbers.
    #[inline(always)]
    unsafe fn read(&self, from: *const F, to: &mut Tail<V>) {
        for register in 0..chains::<F, V>() / V::LANES {
            if self.lanes[register] > 0 {
                // SAFETY: the caller's promise.
                to[register] = unsafe { V::load_part(from.add(register * V::LANES), self.masks[register]) };
            }
        }
    }
}

/// How many chains a dot product is summed in: as many as fit into 64 bytes. Rows that are not longer stay in
/// registers.
pub const fn dot_chains<F>() -> usize {
    64 / size_of::<F>()
}

/// The same in registers of type `V`: at least one.
#[inline(always)]
const fn chains<F, V: Vector<F>>() -> usize {
    if dot_chains::<F>() > V::LANES { dot_chains::<F>() } else { V::LANES }
}

/// `c[j] ← epilogue(start + Σₚ a[p] b[p, j])`, rows of `b` and all of `c` contiguous: a product with one row.
#[derive(Clone, Copy, Debug)]
pub struct GemvAxpy<F>(pub Gemm<F>);

impl<F: Number> GemvAxpy<F> {
    /// # Safety
    /// The processor has the instructions of `V::LEVEL`; the pointers are valid for `k`, `k × n` and `n`
    /// numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        let Gemm { k, n, a, b, start, epilogue, c, .. } = self.0;
        for j in (0..n).step_by(V::LANES) {
            // SAFETY: the caller's promise; partial loads and stores keep to n.
            unsafe {
                let mask = V::mask((n - j).min(V::LANES));
                let mut sums = [V::zero(); 4];
                let mut p = 0;
                while p + 4 <= k {
                    for (chain, sum) in sums.iter_mut().enumerate() {
                        *sum = term(a.at(0, p + chain), b.at(p + chain, j), mask, *sum);
                    }
                    p += 4;
                }
                for (chain, sum) in sums.iter_mut().enumerate().take(k - p) {
                    *sum = term(a.at(0, p + chain), b.at(p + chain, j), mask, *sum);
                }
                let mut sum = sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]));
                match start {
                    Accumulate::Write => {}
                    Accumulate::Bias(row) => sum = V::load_part(row.add(j), mask).plus(sum),
                    Accumulate::Add => sum = V::load_part(c.add(j), mask).plus(sum),
                }
                if epilogue == Epilogue::Relu {
                    sum = sum.relu();
                }
                sum.store_part(c.add(j), mask);
            }
        }
    }
}

/// A row of `b` times an entry of `a`, added to a chain.
///
/// # Safety
/// The processor has the instructions of `V::LEVEL`; the entry is there, and the marked numbers of the row.
#[inline(always)]
unsafe fn term<F: Number, V: Vector<F>>(a: *const F, b: *const F, mask: V::Mask, sum: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { V::splat(*a).mul_add(V::load_part(b, mask), sum) }
}
