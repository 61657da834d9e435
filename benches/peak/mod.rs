//! What the processor can do at most, to be measured in the same run as what is compared with it.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use polytask::kernel::{self, SimdLevel, SimdLoop};

/// The most `f32` operations per second of `threads` threads together, where a fused multiply-add is two: the
/// best of several runs of a loop that does nothing else and touches no memory. In `f64` it is half as many.
pub fn peak_flops(threads: usize) -> f64 {
    let begin = Barrier::new(threads);
    let rate = || {
        begin.wait();
        let start = Instant::now();
        black_box(kernel::dispatch(Chains { turns: TURNS, factor: black_box(0.999) }));
        (2 * TURNS * CHAINS * lanes()) as f64 / start.elapsed().as_secs_f64()
    };
    let together = || -> f64 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(rate)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a loop that ends")).sum()
        })
    };
    (0..30).map(|_| together()).fold(0.0, f64::max)
}

/// A few milliseconds: short enough to fall between two turns of another program.
const TURNS: usize = 1_000_000;
/// A result is there about four cycles after it was begun, and two units begin one each cycle: eight chains of
/// the widest registers keep them busy, and twelve leave some slack and fit the sixteen registers of AVX2.
const CHAINS: usize = 12;

/// How many numbers the widest register of the path holds.
fn lanes() -> usize {
    match kernel::simd_level() {
        SimdLevel::Portable => 4,
        SimdLevel::Avx2 => 8,
        SimdLevel::Avx512 => 16,
    }
}

/// Independent chains of `x ← x · factor + factor`.
struct Chains {
    turns: usize,
    factor: f32,
}

impl SimdLoop for Chains {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        // Without the instruction, `mul_add` is a slow call into a library.
        match kernel::simd_level() {
            SimdLevel::Portable => self.chains::<4, false>(),
            SimdLevel::Avx2 => self.chains::<8, true>(),
            SimdLevel::Avx512 => self.chains::<16, true>(),
        }
    }
}

impl Chains {
    #[inline(always)]
    fn chains<const LANES: usize, const FUSED: bool>(self) -> f32 {
        let mut chains = [[1.0_f32; LANES]; CHAINS];
        for _ in 0..self.turns {
            for x in chains.as_flattened_mut() {
                let factor = self.factor;
                *x = if FUSED { x.mul_add(factor, factor) } else { *x * factor + factor };
            }
        }
        chains.as_flattened().iter().sum()
    }
}
