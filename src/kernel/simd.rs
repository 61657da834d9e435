//! Plain loops, compiled once for every kind of vector unit and chosen when the program runs.
//!
//! A crate that is built for every x86-64 processor may use 128-bit vectors only, although nearly all
//! of them have 256 or 512 bits. So a loop is written as a [`Pass`], in plain Rust, and [`vectorize`]
//! compiles it three times. The loop's arithmetic is the same on every path, to the last bit, because
//! the compiler may neither reorder sums nor fuse a multiplication with an addition.

use std::sync::atomic::{AtomicU8, Ordering};

/// A loop that is worth compiling for each kind of vector unit.
///
/// The type holds the loop's arguments. Give `run` the attribute `#[inline(always)]`, and the functions
/// it calls as well: what is not inlined is compiled for the lowest common processor. Do not call
/// `mul_add`: without the hardware instruction it is a library call, fifty times as slow.
///
/// ```
/// use polytask::kernel::{self, Pass};
///
/// /// y ← y + αx.
/// struct AddScaled<'a>(&'a mut [f32], f32, &'a [f32]);
///
/// impl Pass for AddScaled<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run(self) {
///         for (y, x) in self.0.iter_mut().zip(self.2) {
///             *y += self.1 * x;
///         }
///     }
/// }
///
/// let mut y = [1.0, 2.0];
/// kernel::vectorize(AddScaled(&mut y, 10.0, &[3.0, 4.0]));
/// assert_eq!(y, [31.0, 42.0]);
/// ```
pub trait Pass {
    /// What the loop gives back.
    type Output;

    /// The loop itself.
    fn run(self) -> Self::Output;
}

/// Runs a pass on the vector units of this process's [`path`].
///
/// The choice costs about a nanosecond, so hand over a loop and not its body.
///
/// ```
/// use polytask::kernel::{Pass, vectorize};
///
/// struct Largest<'a>(&'a [f64]);
/// impl Pass for Largest<'_> {
///     type Output = f64;
///     #[inline(always)]
///     fn run(self) -> f64 {
///         self.0.iter().fold(f64::NEG_INFINITY, |largest, &x| if x > largest { x } else { largest })
///     }
/// }
/// assert_eq!(vectorize(Largest(&[1.0, 7.0, -3.0])), 7.0);
/// ```
#[inline]
pub fn vectorize<P: Pass>(pass: P) -> P::Output {
    // SAFETY: `path` gives only paths whose instructions this processor has.
    unsafe { on(path(), pass) }
}

/// Runs a pass on one path.
///
/// # Safety
/// The processor has the path's instructions.
#[inline(always)]
pub(super) unsafe fn on<P: Pass>(path: Path, pass: P) -> P::Output {
    match path {
        // SAFETY: the caller's promise.
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => unsafe { avx512(pass) },
        // SAFETY: the caller's promise.
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => unsafe { avx2(pass) },
        _ => portable(pass),
    }
}

// Not to be inlined: a pass that is run from several places, such as the tiles of a product, is to be compiled once.
// (The compiler heeds this in the portable function only; with target features it decides for itself.)

#[inline(never)]
pub(super) fn portable<P: Pass>(pass: P) -> P::Output {
    pass.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
pub(super) fn avx512<P: Pass>(pass: P) -> P::Output {
    pass.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub(super) fn avx2<P: Pass>(pass: P) -> P::Output {
    pass.run()
}

/// A set of vector instructions that the crate has code for.
///
/// ```
/// use polytask::kernel::{self, Path};
///
/// assert!(Path::Portable.is_available() && Path::Portable < Path::Avx512);
/// assert!(kernel::path().is_available()); // what this process computes with
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// What every processor of the architecture has (on x86-64: SSE2, 128 bits, no fused multiply-add).
    Portable,
    /// AVX2 and FMA: 256 bits.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 512 bits.
    Avx512,
}

impl Path {
    /// All paths, from the narrowest to the widest.
    pub const ALL: [Path; 3] = [Path::Portable, Path::Avx2, Path::Avx512];

    /// Whether this processor has the path's instructions.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            match self {
                Path::Portable => true,
                Path::Avx2 => has!("avx2") && has!("fma"),
                Path::Avx512 => {
                    Path::Avx2.is_available()
                        && has!("avx512f")
                        && has!("avx512bw")
                        && has!("avx512dq")
                        && has!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Path::Portable
        }
    }

    /// The path's name, as the environment variable spells it: `portable`, `avx2` or `avx512`.
    ///
    /// ```
    /// use polytask::kernel::Path;
    ///
    /// assert_eq!(Path::ALL.map(Path::name), ["portable", "avx2", "avx512"]);
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Path::Portable => "portable",
            Path::Avx2 => "avx2",
            Path::Avx512 => "avx512",
        }
    }

    /// The widest available path that is not above the one asked for; a word that names no path asks
    /// for nothing.
    fn choose(asked: Option<&str>) -> Path {
        let limit = Path::ALL.into_iter().find(|path| Some(path.name()) == asked).unwrap_or(Path::Avx512);
        let fits = |path: &Path| *path <= limit && path.is_available();
        Path::ALL.into_iter().rev().find(fits).unwrap_or(Path::Portable)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The path of this process: the widest that the processor has.
///
/// The environment variable `POLYTASK_PATH` (`portable`, `avx2` or `avx512`) sets an upper limit, read
/// once, when the path is first needed. A path that the processor lacks gives the next narrower one,
/// and an unknown word is ignored; this function says what was taken.
///
/// ```
/// assert!(polytask::kernel::path().is_available());
/// ```
#[inline]
pub fn path() -> Path {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => Path::Portable,
        2 => Path::Avx2,
        3 => Path::Avx512,
        _ => first_path(),
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

#[cold]
fn first_path() -> Path {
    let path = Path::choose(std::env::var("POLYTASK_PATH").ok().as_deref());
    CHOSEN.store(path as u8 + 1, Ordering::Relaxed);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Horner<'a>(&'a mut [f32]);

    impl Pass for Horner<'_> {
        type Output = f32;
        #[inline(always)]
        fn run(self) -> f32 {
            let mut largest = 0.0_f32;
            for x in self.0 {
                *x = (*x * 0.3 + 0.7) * *x + 0.1;
                largest = if *x > largest { *x } else { largest };
            }
            largest
        }
    }

    #[test]
    fn every_path_computes_the_same_bits() {
        let start: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let results: Vec<(f32, Vec<f32>)> = Path::ALL
            .into_iter()
            .filter(|path| path.is_available())
            .map(|path| {
                let mut x = start.clone();
                // SAFETY: the path was found available.
                let largest = unsafe { on(path, Horner(&mut x)) };
                (largest, x)
            })
            .collect();
        assert!(results.iter().all(|r| *r == results[0]));
        assert_ne!(results[0].1, start);
    }

    #[test]
    fn a_request_is_an_upper_limit() {
        assert_eq!(Path::choose(Some("portable")), Path::Portable);
        assert!(Path::choose(Some("avx2")) <= Path::Avx2);
        assert_eq!(Path::choose(Some("avx1024")), Path::choose(None));
        assert_eq!(Path::choose(Some("avx512")), Path::choose(None));
        assert!(path().is_available());
    }
}
