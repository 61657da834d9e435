//! Matrix times vector where both run along `k`: one dot product for each row.
//!
//! A dot product is summed in as many chains as fit into 64 bytes (16 for `f32`, 8 for `f64`), entry `p`
//! in chain `p mod 16`; then the upper half of the chains is added to the lower until one is left, and
//! that is added to the start. So both paths that have the fused instruction give the same bits.

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
            while i + 4 <= m {
                let sums = self.sums::<V>([i, i + 1, i + 2, i + 3]);
                (0..4).for_each(|r| self.put(i + r, sums[r]));
                i += 4;
            }
            if i < m {
                let sums = self.sums::<V>([i, (i + 1).min(m - 1), m - 1, m - 1]);
                (i..m).for_each(|row| self.put(row, sums[row - i]));
            }
        }
    }

    /// The dot products of four rows, side by side, because each alone would wait for its own sums.
    #[inline(always)]
    unsafe fn sums<V: Vector<F>>(&self, rows: [usize; 4]) -> [F; 4] {
        let chains = (64 / size_of::<F>()).max(V::LANES);
        let n_registers = chains / V::LANES;
        let Operands { k, a, b, .. } = self.0;
        // SAFETY: the caller's promise; partial loads keep to k.
        unsafe {
            let rows = rows.map(|row| a.ptr.offset(row as isize * a.down));
            let mut sums = [[V::zero(); 4]; 4];
            let mut p = 0;
            while p + chains <= k {
                for register in 0..n_registers {
                    let at = p + register * V::LANES;
                    let factor = V::load(b.ptr.add(at));
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        sums[register] = V::load(row.add(at)).mul_add(factor, sums[register]);
                    }
                }
                p += chains;
            }
            for register in 0..n_registers {
                let at = p + register * V::LANES;
                if at < k {
                    let mask = V::mask((k - at).min(V::LANES));
                    let factor = V::load_part(b.ptr.add(at), mask);
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        sums[register] = V::load_part(row.add(at), mask).mul_add(factor, sums[register]);
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

    /// Writes an entry of `c`.
    #[inline(always)]
    unsafe fn put(&self, row: usize, sum: F) {
        let c = self.0.c.wrapping_offset(row as isize * self.0.c_down);
        // SAFETY: the caller's promise.
        unsafe {
            let sum = match self.0.start {
                Origin::Zero => sum,
                Origin::Row(bias) => *bias + sum,
                Origin::Kept => *c + sum,
            };
            *c = if self.0.finish == Finish::Relu && sum < F::zero() { F::zero() } else { sum };
        }
    }
}
