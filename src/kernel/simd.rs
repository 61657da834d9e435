//! Plain loops, compiled once for every level of SIMD instructions and chosen when the program runs.
//!
//! A crate that is built for every x86-64 processor may use 128-bit vectors only, although nearly all
//! of them have 256 or 512 bits. So a loop is written as a [`SimdLoop`], in plain Rust, and [`dispatch`]
//! compiles it three times. The loop's arithmetic is the same on every level, to the last bit, because
//! the compiler may neither reorder sums nor fuse a multiplication with an addition.

use std::ffi::OsStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Error, ErrorKind, Result};

/// A loop that is worth compiling for each kind of vector unit.
///
/// The type holds the loop's arguments. Give `run` the attribute `#[inline(always)]`, and the functions
/// it calls as well: what is not inlined is compiled for the lowest common processor. Do not call
/// `mul_add`: without the hardware instruction it is a library call, fifty times as slow.
///
/// ```
/// use polytask::kernel::{self, SimdLoop};
///
/// /// y ← y + αx.
/// struct AddScaled<'a>(&'a mut [f32], f32, &'a [f32]);
///
/// impl SimdLoop for AddScaled<'_> {
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
/// kernel::dispatch(AddScaled(&mut y, 10.0, &[3.0, 4.0]));
/// assert_eq!(y, [31.0, 42.0]);
/// ```
pub trait SimdLoop {
    /// What the loop returns.
    type Output;

    /// The loop itself.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the instructions of this process's [`simd_level`].
///
/// The choice costs about a nanosecond, so pass a whole loop and not its body.
///
/// ```
/// use polytask::kernel::{SimdLoop, dispatch};
///
/// struct Largest<'a>(&'a [f64]);
/// impl SimdLoop for Largest<'_> {
///     type Output = f64;
///     #[inline(always)]
///     fn run(self) -> f64 {
///         self.0.iter().fold(f64::NEG_INFINITY, |largest, &x| if x > largest { x } else { largest })
///     }
/// }
/// assert_eq!(dispatch(Largest(&[1.0, 7.0, -3.0])), 7.0);
/// ```
#[inline]
pub fn dispatch<L: SimdLoop>(work: L) -> L::Output {
    // SAFETY: `simd_level` gives only levels whose instructions this processor has.
    unsafe { on(simd_level(), work) }
}

/// Runs a loop on one level.
///
/// # Safety
/// The processor has the level's instructions.
#[inline(always)]
pub(super) unsafe fn on<L: SimdLoop>(level: SimdLevel, work: L) -> L::Output {
    match level {
        // SAFETY: the caller's promise.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512 => unsafe { avx512(work) },
        // SAFETY: the caller's promise.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => unsafe { avx2(work) },
        _ => portable(work),
    }
}

// Not inlined: a loop that is run from several places, such as the tiles of a product, should be compiled once.
// (The compiler heeds this in the portable function only; with target features it decides for itself.)

#[inline(never)]
pub(super) fn portable<L: SimdLoop>(work: L) -> L::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
pub(super) fn avx512<L: SimdLoop>(work: L) -> L::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub(super) fn avx2<L: SimdLoop>(work: L) -> L::Output {
    work.run()
}

/// A set of vector instructions for which the crate has code.
///
/// ```
/// use polytask::kernel::{self, SimdLevel};
///
/// assert!(SimdLevel::Portable.is_available() && SimdLevel::Portable < SimdLevel::Avx512);
/// assert!(kernel::simd_level().is_available()); // what this process computes with
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// What every processor of the architecture has (on x86-64: SSE2, 128 bits, no fused multiply-add).
    Portable,
    /// AVX2 and FMA: 256 bits.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 512 bits.
    Avx512,
}

impl SimdLevel {
    /// All levels, from the narrowest to the widest.
    pub const ALL: [SimdLevel; 3] = [SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512];

    /// Whether this processor has the level's instructions.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            match self {
                SimdLevel::Portable => true,
                SimdLevel::Avx2 => has!("avx2") && has!("fma"),
                SimdLevel::Avx512 => {
                    SimdLevel::Avx2.is_available()
                        && has!("avx512f")
                        && has!("avx512bw")
                        && has!("avx512dq")
                        && has!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == SimdLevel::Portable
        }
    }

    /// The level's name, as the environment variable spells it: `portable`, `avx2` or `avx512`.
    ///
    /// ```
    /// use polytask::kernel::SimdLevel;
    ///
    /// assert_eq!(SimdLevel::ALL.map(SimdLevel::name), ["portable", "avx2", "avx512"]);
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            SimdLevel::Portable => "portable",
            SimdLevel::Avx2 => "avx2",
            SimdLevel::Avx512 => "avx512",
        }
    }

    /// The level of a name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// The widest level that the processor has and that is not above the limit.
    fn widest(limit: Self) -> Self {
        let fits = |level: &Self| *level <= limit && level.is_available();
        Self::ALL.into_iter().rev().find(fits).unwrap_or(Self::Portable)
    }
}

impl std::fmt::Display for SimdLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The level of this process: the widest that the processor has.
///
/// The environment variable `POLYTASK_SIMD` (`portable`, `avx2` or `avx512`) sets an upper limit, read
/// once, when the level is first needed. If the processor lacks that level, the next narrower one is used; this
/// function says which. With an unknown value no network can be built or loaded: the
/// [error](crate::ErrorKind::Setting) says why.
///
/// ```
/// assert!(polytask::kernel::simd_level().is_available());
/// ```
#[inline]
pub fn simd_level() -> SimdLevel {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => SimdLevel::Portable,
        2 => SimdLevel::Avx2,
        3 => SimdLevel::Avx512,
        _ => first_level(),
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

#[cold]
fn first_level() -> SimdLevel {
    // A wrong setting is reported where somebody can read the error: `check_simd_setting`.
    let level = SimdLevel::widest(setting().unwrap_or(SimdLevel::Avx512));
    CHOSEN.store(level as u8 + 1, Ordering::Relaxed);
    level
}

/// The environment variable that limits the level.
const VARIABLE: &str = "POLYTASK_SIMD";
/// Its former name, which must not be silently ignored.
const FORMER_VARIABLE: &str = concat!("POLYTASK_", "PATH");

/// Whether the environment's limit can be understood. Called wherever a network is built or loaded.
///
/// # Errors
/// [`ErrorKind::Setting`] if `POLYTASK_SIMD` is no level, or if the variable is set under its former name.
pub(crate) fn check_simd_setting() -> Result<()> {
    setting().map(|_| ())
}

/// The environment's limit, as it was when it was first asked for.
fn setting() -> Result<SimdLevel> {
    static VALUES: OnceLock<[Option<std::ffi::OsString>; 2]> = OnceLock::new();
    let [asked, former] = VALUES.get_or_init(|| [VARIABLE, FORMER_VARIABLE].map(std::env::var_os));
    limit(asked.as_deref(), former.as_deref())
}

/// The limit that the two variables set.
fn limit(asked: Option<&OsStr>, former: Option<&OsStr>) -> Result<SimdLevel> {
    if let Some(word) = former {
        let place = format!("environment variable {FORMER_VARIABLE}");
        let error = Error::new(ErrorKind::Setting, place, "not to be set", word.display());
        return Err(error.advise(format_args!("it is called {VARIABLE} now")));
    }
    let Some(word) = asked else { return Ok(SimdLevel::Avx512) };
    word.to_str().and_then(SimdLevel::named).ok_or_else(|| {
        let place = format!("environment variable {VARIABLE}");
        Error::new(
            ErrorKind::Setting,
            place,
            "portable, avx2 or avx512",
            format_args!("`{}`", word.display()),
        )
        .advise("leave it unset for the widest that the processor has")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Horner<'a>(&'a mut [f32]);

    impl SimdLoop for Horner<'_> {
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
    fn every_level_computes_the_same_bits() {
        let start: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let results: Vec<(f32, Vec<f32>)> = SimdLevel::ALL
            .into_iter()
            .filter(|level| level.is_available())
            .map(|level| {
                let mut x = start.clone();
                // SAFETY: the level was found available.
                let largest = unsafe { on(level, Horner(&mut x)) };
                (largest, x)
            })
            .collect();
        assert!(results.iter().all(|r| *r == results[0]));
        assert_ne!(results[0].1, start);
    }

    #[test]
    fn a_setting_is_an_upper_limit() {
        for level in SimdLevel::ALL {
            let limit = limit(Some(OsStr::new(level.name())), None).unwrap();
            assert_eq!(limit, level);
            assert!(SimdLevel::widest(limit) <= level && SimdLevel::widest(limit).is_available());
        }
        assert_eq!(limit(None, None).unwrap(), SimdLevel::Avx512);
        assert!(simd_level().is_available());
    }

    #[test]
    fn a_setting_that_means_nothing_is_an_error() {
        for word in ["avx1024", "", "AVX2", " avx2"] {
            let error = limit(Some(OsStr::new(word)), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Setting);
            let said = error.to_string();
            assert!(
                said.contains(&format!("POLYTASK_SIMD: expected portable, avx2 or avx512, found `{word}`")),
                "{said}"
            );
        }
        for (asked, former) in [(None, "avx2"), (Some(OsStr::new("avx2")), "portable")] {
            let said = limit(asked, Some(OsStr::new(former))).unwrap_err().to_string();
            assert!(said.contains(FORMER_VARIABLE) && said.contains("called POLYTASK_SIMD now"), "{said}");
        }
    }
}
