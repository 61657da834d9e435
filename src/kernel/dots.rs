//! Matrix times vector, where one chain of sums would spend its time waiting for itself.
//!
//! Where the rows of the matrix run along `k`, each is one dot product ([`Dots`]), summed in as many chains as fit
//! into 64 bytes (16 for `f32`, 8 for `f64`), entry `p` in chain `p mod 16`; then the upper half of the chains is
//! added to the lower until one is left, and that is added to the start. Where its columns are contiguous, the
//! result is their combination ([`Combination`]), summed in four chains, `p` in chain `p mod 4`. So both paths that
//! have the fused instruction give the same bits.

use super::blocks::Operands;
use super::product::Finish;
use super::tile::Origin;
use super::vector::{Number, Vector};

/// `c[i] ← finish(start + Σₚ a[i, p] b[p])`, rows of `a` and all of `b` contiguous.
#[derive(Clone, Copy, Debug)]
pub struct Dots<F>(Operands<F>);

impl<F: Number> Dots<F> {
    /// A product with one column.
    #[inline(always)]
    pub fn new(o: Operands<F>) -> Self {
        Self(o)
    }

    /// # Safety
    /// The processor has the instructions of `V::PATH`; the pointers are valid for `m × k`, `k` and `m`
    /// numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        let m = self.0.m;
        let mut i = 0;
        // SAFETY: rows i to i + 4 are below m, as are those that stand in for missing ones.
        unsafe {
            let tail = self.tail::<V>();
            while i + 4 <= m {
                let sums = self.sums([i, i + 1, i + 2, i + 3], &tail);
                self.put_four(i, sums);
                i += 4;
            }
            if i < m {
                let sums = self.sums([i, (i + 1).min(m - 1), m - 1, m - 1], &tail);
                self.put(i, &sums[..m - i]);
            }
        }
    }

    /// What is left of `b` behind the last whole round of chains: the same for all rows.
    #[inline(always)]
    unsafe fn tail<V: Vector<F>>(&self) -> Tail<F, V> {
        let Operands { k, b, .. } = self.0;
        let begin = k - k % chains::<F, V>();
        // SAFETY: the caller's promise; partial loads keep to k.
        unsafe {
            let lanes =
                std::array::from_fn(|register| k.saturating_sub(begin + register * V::LANES).min(V::LANES));
            let masks = lanes.map(|n| V::mask(n));
            let factors = std::array::from_fn(|register| match lanes[register] {
                0 => V::zero(),
                _ => V::load_part(b.ptr.add(begin + register * V::LANES), masks[register]),
            });
            Tail { begin, lanes, masks, factors }
        }
    }

    /// The dot products of four rows, side by side, because each alone would wait for its own sums.
    #[inline(always)]
    unsafe fn sums<V: Vector<F>>(&self, rows: [usize; 4], tail: &Tail<F, V>) -> [F; 4] {
        let n_registers = chains::<F, V>() / V::LANES;
        let Operands { a, b, .. } = self.0;
        // SAFETY: the caller's promise; partial loads keep to k.
        unsafe {
            let rows = rows.map(|row| a.ptr.offset(row as isize * a.down));
            let mut sums = [[V::zero(); 4]; 4];
            let mut p = 0;
            while p < tail.begin {
                for register in 0..n_registers {
                    let at = p + register * V::LANES;
                    let factor = V::load(b.ptr.add(at));
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        sums[register] = V::load(row.add(at)).mul_add(factor, sums[register]);
                    }
                }
                p += chains::<F, V>();
            }
            for register in 0..n_registers {
                if tail.lanes[register] > 0 {
                    let (mask, factor) = (tail.masks[register], tail.factors[register]);
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let x = V::load_part(row.add(p + register * V::LANES), mask);
                        sums[register] = x.mul_add(factor, sums[register]);
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
            V::sums(sums.map(|sums| sums[0]))
        }
    }

    /// Writes four entries of `c` from a row on.
    #[inline(always)]
    unsafe fn put_four(&self, row: usize, mut sums: [F; 4]) {
        let Operands { start, finish, c, c_down, .. } = self.0;
        if c_down != 1 {
            // SAFETY: the caller's promise.
            return unsafe { self.put(row, &sums) };
        }
        // SAFETY: the caller's promise: four entries of c from this row on, one after the other.
        unsafe {
            let c = &mut *c.add(row).cast::<[F; 4]>();
            match start {
                Origin::Zero => {}
                Origin::Row(bias) => sums = sums.map(|sum| *bias + sum),
                Origin::Kept => sums = std::array::from_fn(|i| c[i] + sums[i]),
            }
            *c = sums.map(|sum| if finish == Finish::Relu && sum < F::zero() { F::zero() } else { sum });
        }
    }

    /// Writes the entries of `c` from a row on.
    #[inline(always)]
    unsafe fn put(&self, row: usize, sums: &[F]) {
        let Operands { start, finish, c_down, .. } = self.0;
        for (i, &sum) in sums.iter().enumerate() {
            let c = self.0.c.wrapping_offset((row + i) as isize * c_down);
            // SAFETY: the caller's promise.
            unsafe {
                let sum = match start {
                    Origin::Zero => sum,
                    Origin::Row(bias) => *bias + sum,
                    Origin::Kept => *c + sum,
                };
                *c = if finish == Finish::Relu && sum < F::zero() { F::zero() } else { sum };
            }
        }
    }
}

/// The numbers of `b` from `begin` on, in registers; `lanes` says how many each holds.
#[derive(Clone, Copy)]
struct Tail<F, V: Vector<F>> {
    begin: usize,
    lanes: [usize; 4],
    masks: [V::Mask; 4],
    factors: [V; 4],
}

/// How many chains a dot product is summed in: as many as fit into 64 bytes.
#[inline(always)]
const fn chains<F, V: Vector<F>>() -> usize {
    let (line, register) = (64 / size_of::<F>(), V::LANES);
    if line > register { line } else { register }
}

/// `c[j] ← finish(start + Σₚ a[p] b[p, j])`, rows of `b` and all of `c` contiguous: a product with one row.
#[derive(Clone, Copy, Debug)]
pub struct Combination<F>(Operands<F>);

impl<F: Number> Combination<F> {
    /// A product with one row.
    #[inline(always)]
    pub fn new(o: Operands<F>) -> Self {
        Self(o)
    }

    /// # Safety
    /// The processor has the instructions of `V::PATH`; the pointers are valid for `k`, `k × n` and `n`
    /// numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        let Operands { k, n, a, b, start, finish, c, .. } = self.0;
        for j in (0..n).step_by(V::LANES) {
            // SAFETY: the caller's promise; partial loads and stores keep to n.
            unsafe {
                let mask = V::mask((n - j).min(V::LANES));
                let mut sums = [V::zero(); 4];
                let add = |p: usize, sum: &mut V| {
                    let factor = V::load_part(b.at(p, j), mask);
                    *sum = V::splat(*a.at(0, p)).mul_add(factor, *sum);
                };
                let mut p = 0;
                while p + 4 <= k {
                    for (chain, sum) in sums.iter_mut().enumerate() {
                        add(p + chain, sum);
                    }
                    p += 4;
                }
                for (chain, sum) in sums.iter_mut().enumerate().take(k - p) {
                    add(p + chain, sum);
                }
                let mut sum = sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]));
                match start {
                    Origin::Zero => {}
                    Origin::Row(row) => sum = V::load_part(row.add(j), mask).plus(sum),
                    Origin::Kept => sum = V::load_part(c.add(j), mask).plus(sum),
                }
                if finish == Finish::Relu {
                    sum = sum.relu();
                }
                sum.store_part(c.add(j), mask);
            }
        }
    }
}
