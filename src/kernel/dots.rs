//! Matrix times vector where both run along `k`: one dot product for each row.
//!
//! A dot product is summed in as many chains as fit into 64 bytes (16 for `f32`, 8 for `f64`), entry `p`
//! in chain `p mod 16`; then the upper half of the chains is added to the lower until one is left, and
//! that is added to the start. So both paths that have the fused instruction give the same bits.

use std::mem::size_of;

use super::product::Finish;
use super::tile::Origin;
use super::vector::Vector;

/// `c[i] ← finish(start + Σₚ a[i, p] b[p])`, rows of `a` and all of `b` contiguous.
#[derive(Clone, Copy)]
pub struct Dots<F> {
    pub m: usize,
    pub k: usize,
    pub a: *const F,
    pub a_down: isize,
    pub b: *const F,
    pub start: Origin<F>,
    pub finish: Finish,
    pub c: *mut F,
    pub c_down: isize,
}

impl<F: Copy> Dots<F> {
    /// # Safety
    /// The processor has the instructions of `V::PATH`; the pointers are valid for `m × k`, `k` and `m`
    /// numbers; `c` is nobody else's.
    #[inline(always)]
    pub unsafe fn run<V: Vector<F>>(self) {
        let mut i = 0;
        // SAFETY: rows i to i + 4, or i alone, are below m.
        unsafe {
            while i + 4 <= self.m {
                self.rows::<V, 4>(i);
                i += 4;
            }
            while i < self.m {
                self.rows::<V, 1>(i);
                i += 1;
            }
        }
    }

    /// Rows `first` to `first + R`, side by side, because each alone would wait for its own sums.
    #[inline(always)]
    unsafe fn rows<V: Vector<F>, const R: usize>(self, first: usize) {
        let chains = (64 / size_of::<F>()).max(V::LANES);
        let n_registers = chains / V::LANES;
        // SAFETY: the caller's promise; partial loads keep to k.
        unsafe {
            let mut sums = [[V::zero(); 4]; R];
            let row = |r: usize| self.a.offset((first + r) as isize * self.a_down);
            let mut p = 0;
            while p + chains <= self.k {
                for register in 0..n_registers {
                    let at = p + register * V::LANES;
                    let factor = V::load(self.b.add(at));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        sums[register] = V::load(row(r).add(at)).mul_add(factor, sums[register]);
                    }
                }
                p += chains;
            }
            for register in 0..n_registers {
                let at = p + register * V::LANES;
                if at < self.k {
                    let mask = V::mask((self.k - at).min(V::LANES));
                    let factor = V::load_part(self.b.add(at), mask);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        sums[register] = V::load_part(row(r).add(at), mask).mul_add(factor, sums[register]);
                    }
                }
            }
            let one = V::mask(1);
            for (r, sums) in sums.iter_mut().enumerate() {
                let mut n = n_registers;
                while n > 1 {
                    n /= 2;
                    for i in 0..n {
                        sums[i] = sums[i].plus(sums[i + n]);
                    }
                }
                let to = self.c.offset((first + r) as isize * self.c_down);
                let start = match self.start {
                    Origin::Zero => V::zero(),
                    Origin::Row(bias) => V::load_part(bias, one),
                    Origin::Tile => V::load_part(to, one),
                };
                let sum = start.plus(V::splat(sums[0].sum()));
                let sum = if self.finish == Finish::Relu { sum.relu() } else { sum };
                sum.store_part(to, one);
            }
        }
    }
}
