//! The same gradient in `f32` and in `f64`, compared.
//!
//! Finite differences in `f32` are too coarse to find mistakes. So the code is checked in `f64`, and what remains is to
//! show that the same code computes the same numbers in `f32`, up to rounding.

use std::fmt;

use super::print::{plural, shortened, told_apart, wrapped};
use super::probe::Probe;
use crate::Layout;

/// Sets up a comparison of a function in `f32` with its twin in `f64`, at the same point; [`Comparison::run`] runs it.
///
/// Both are functions as [`check`](super::check) takes them. The twin should be the same generic code, and should itself be
/// checked.
///
/// ```
/// use polytask::{Scalar, gradcheck};
/// use polytask::gradcheck::Probe;
///
/// // L(θ) = Σ softplus(θᵢ)
/// fn softplus<F: Scalar>(theta: &[F], probe: &mut Probe<'_, F>) -> F {
///     if let Some(gradient) = probe.gradient() {
///         gradient.iter_mut().zip(theta).for_each(|(d, &x)| *d = F::ONE / (F::ONE + (-x).exp()));
///     }
///     theta.iter().map(|&x| x.exp().ln_1p()).sum()
/// }
/// let theta = [-2.0_f32, 0.5, 3.0];
/// let precision = gradcheck::compare(&theta, softplus::<f32>, softplus::<f64>).run();
/// assert!(precision.passed(), "{precision}");
/// ```
pub fn compare<S, D>(theta: &[f32], single: S, double: D) -> Comparison<'_, S, D>
where
    S: FnMut(&[f32], &mut Probe<'_, f32>) -> f32,
    D: FnMut(&[f64], &mut Probe<'_, f64>) -> f64,
{
    Comparison { theta, single, double, layout: None, tolerance: 1e-4 }
}

/// A comparison that has not run yet.
///
/// ```
/// use polytask::gradcheck::{self, Probe};
/// use polytask::{Layout, Scalar};
///
/// // L(θ) = ½ r², r = (θ + 1000) − 1000: a sum that costs an f32 three of its seven digits.
/// fn cancelling<F: Scalar>(theta: &[F], probe: &mut Probe<'_, F>) -> F {
///     let thousand = F::from_f64(1000.0);
///     let r = (theta[0] + thousand) - thousand;
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = r;
///     }
///     F::from_f64(0.5) * r * r
/// }
/// let mut layout = Layout::new();
/// layout.push("shift", 1, 1);
/// let comparison = gradcheck::compare(&[0.1], cancelling::<f32>, cancelling::<f64>).named(&layout);
/// let precision = comparison.clone().run();
/// assert!(!precision.passed() && precision.to_string().contains("shift[0]: 0.099976 in f32, 0.10000"));
/// assert!(comparison.tolerance(1e-3).run().passed());
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compared before `run`"]
pub struct Comparison<'t, S, D> {
    theta: &'t [f32],
    single: S,
    double: D,
    layout: Option<Layout>,
    tolerance: f64,
}

/// How far an `f32` gradient is from its `f64` twin; `{precision}` prints it in at most 80 columns.
///
/// ```
/// use polytask::gradcheck::{self, Probe};
/// use polytask::Scalar;
///
/// // L(θ) = max(r, 0), r = (θ + 1000) − 1000: the f32 sees no θ of 0.00001 beside 1000.
/// fn rectified<F: Scalar>(theta: &[F], probe: &mut Probe<'_, F>) -> F {
///     let thousand = F::from_f64(1000.0);
///     let r = (theta[0] + thousand) - thousand;
///     probe.kink(r);
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = if r > F::ZERO { F::ONE } else { F::ZERO };
///     }
///     r.max(F::ZERO)
/// }
/// let precision = gradcheck::compare(&[1e-5], rectified::<f32>, rectified::<f64>).run();
/// assert!(!precision.same_sides && !precision.passed());
/// assert_eq!((precision.losses[0], precision.blocks[0].values), (0.0, [0.0, 1.0]));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Precision {
    /// The loss in `f32` and in `f64`.
    pub losses: [f64; 2],
    /// Whether both are on the same side of every kink. If not, their gradients may differ by more than rounding.
    pub same_sides: bool,
    /// The tolerance.
    pub tolerance: f64,
    /// One entry per block, in the order of θ.
    pub blocks: Vec<BlockPrecision>,
}

/// How far the `f32` gradient of one block is from its `f64` twin.
///
/// ```
/// use polytask::gradcheck::{self, Probe};
///
/// // L = Σ θᵢ² in f64; in f32 the derivative of the last entry is off by one part in 1024.
/// fn single(theta: &[f32], probe: &mut Probe<'_, f32>) -> f32 {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[2.0 * theta[0], 2.0 * theta[1] * (1.0 + 1.0 / 1024.0)]);
///     }
///     theta.iter().map(|x| x * x).sum()
/// }
/// fn double(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[2.0 * theta[0], 2.0 * theta[1]]);
///     }
///     theta.iter().map(|x| x * x).sum()
/// }
/// let precision = gradcheck::compare(&[0.0, 1.0], single, double).run();
/// let block = &precision.blocks[0];
/// assert_eq!((&*block.worst, block.error, block.passed), ("theta[1]", 1.0 / 1024.0, false));
/// assert_eq!(block.ulps, 8192.0); // 2 / 1024 in units of 2⁻²², the distance of f32 numbers from 2 to 4
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockPrecision {
    /// The block's name.
    pub name: String,
    /// Euclidean norm of the difference over that of the `f64` gradient; 0 when both are 0.
    pub error: f64,
    /// The largest difference of an entry in units of the last place of `f32`, taken at the larger of the entry
    /// and the root mean square of the block.
    pub ulps: f64,
    /// The name of that entry.
    pub worst: String,
    /// That entry in `f32` and in `f64`.
    pub values: [f64; 2],
    /// Whether the error is within the tolerance.
    pub passed: bool,
}

impl<S, D> Comparison<'_, S, D>
where
    S: FnMut(&[f32], &mut Probe<'_, f32>) -> f32,
    D: FnMut(&[f64], &mut Probe<'_, f64>) -> f64,
{
    /// The layout of θ: entries are reported by its names.
    ///
    /// # Panics
    /// If the layout is of another length than θ.
    #[track_caller]
    pub fn named(mut self, layout: &Layout) -> Self {
        let (n, named) = (self.theta.len(), layout.len());
        assert!(n == named, "a layout of {named} numbers for a θ of {n}");
        self.layout = Some(layout.clone());
        self
    }

    /// The largest relative error of a block that passes; default: 1e-4, about a thousand roundings.
    ///
    /// # Panics
    /// If `tolerance` is not between 0 and 1.
    #[track_caller]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        assert!(
            tolerance > 0.0 && tolerance < 1.0,
            "a tolerance of {tolerance}: between 0 and 1 is expected"
        );
        self.tolerance = tolerance;
        self
    }

    /// Evaluates both and compares their gradients.
    pub fn run(mut self) -> Precision {
        let n = self.theta.len();
        let theta: Vec<f64> = self.theta.iter().map(|x| f64::from(*x)).collect();
        let (mut single, mut double) = (vec![f32::NAN; n], vec![f64::NAN; n]);
        let (mut probe, mut twin) = (Probe::with_gradient(&mut single), Probe::with_gradient(&mut double));
        let losses = [f64::from((self.single)(self.theta, &mut probe)), (self.double)(&theta, &mut twin)];
        let same_sides = probe.sides() == twin.sides();
        let layout = self.layout.unwrap_or_else(|| {
            let mut layout = Layout::new();
            layout.push("theta", 1, n);
            layout
        });
        let blocks = layout.blocks().filter(|(_, block)| block.len() > 0).map(|(name, block)| {
            let range = block.range();
            let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
            let size = norm(&mut double[range.clone()].iter().copied());
            let off = norm(&mut range.clone().map(|i| f64::from(single[i]) - double[i]));
            let rms = size / (range.len() as f64).sqrt();
            let ulps = |i: usize| {
                let difference = (f64::from(single[i]) - double[i]).abs();
                if difference == 0.0 {
                    0.0
                } else {
                    difference / unit_in_last_place(double[i].abs().max(rms))
                }
            };
            // NaN counts as the largest number here, so that it is named.
            let worst = range.max_by(|&i, &j| ulps(i).total_cmp(&ulps(j))).expect("the block is not empty");
            let error = if off == 0.0 { 0.0 } else { off / size };
            BlockPrecision {
                name: name.to_owned(),
                error,
                ulps: ulps(worst),
                worst: layout.name_of(worst),
                values: [f64::from(single[worst]), double[worst]],
                passed: error <= self.tolerance,
            }
        });
        Precision { losses, same_sides, tolerance: self.tolerance, blocks: blocks.collect() }
    }
}

/// The distance from `x` to the next larger `f32`.
fn unit_in_last_place(x: f64) -> f64 {
    let x = (x as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
    f64::from(f32::EPSILON) * 2.0_f64.powi(x.log2().floor() as i32)
}

impl Precision {
    /// Whether every block is within the tolerance, and the losses are too.
    pub fn passed(&self) -> bool {
        let [single, double] = self.losses;
        let loss = (single - double).abs() <= self.tolerance * double.abs().max(f64::from(f32::EPSILON));
        loss && self.blocks.iter().all(|block| block.passed)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.passed() { "passed" } else { "FAILED" };
        let n = self.blocks.len();
        let beyond = self.blocks.iter().filter(|block| !block.passed).count();
        writeln!(
            f,
            "f32 against f64 {outcome}: {beyond} of {n} {} beyond {:.0e}\n",
            plural(n, "block"),
            self.tolerance
        )?;
        let (single, double) = told_apart(self.losses[0], self.losses[1]);
        writeln!(f, "loss: {single} in f32, {double} in f64")?;
        if !self.same_sides {
            let text = "f32 and f64 lie on different sides of a kink, so more than rounding sets them apart; \
                        compare at another point";
            writeln!(f, "{}", wrapped(text, 2))?;
        }
        for block in self.blocks.iter().filter(|block| !block.passed) {
            let (single, double) = told_apart(block.values[0], block.values[1]);
            writeln!(f, "{}", wrapped(&format!("{}: {single} in f32, {double} in f64", block.worst), 2))?;
        }
        let width = self.blocks.iter().map(|b| b.name.chars().count()).max().unwrap_or(0).clamp(5, 48);
        write!(f, "\n{:width$}     error  worst ulps  verdict", "block")?;
        for block in &self.blocks {
            let (name, verdict) = (shortened(&block.name, width), if block.passed { "pass" } else { "FAIL" });
            write!(f, "\n{name:width$}  {:>8.1e}  {:>10.1}  {verdict}", block.error, block.ulps)?;
        }
        Ok(())
    }
}
