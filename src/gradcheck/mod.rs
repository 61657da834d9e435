//! A checker of gradients: does a derivative written by hand agree with the function it belongs to?
//!
//! ```
//! use polytask::{Layout, gradcheck};
//!
//! let mut layout = Layout::new();
//! layout.push("slope", 1, 2);
//! layout.push("shift", 1, 1);
//! let theta = [0.5, -1.5, 0.25];
//!
//! // One example: L = ½ (x·slope + shift − y)²
//! let report = gradcheck::check(&theta, |theta: &[f64], probe| {
//!     let (x, y) = ([3.0, 2.0], 1.0);
//!     let residual = x[0] * theta[0] + x[1] * theta[1] + theta[2] - y;
//!     if let Some(gradient) = probe.gradient() {
//!         gradient.copy_from_slice(&[residual * x[0], residual * x[1], 2.0 * residual]);
//!     }
//!     0.5 * residual * residual
//! })
//! .named(&layout)
//! .run();
//!
//! assert!(!report.passed());
//! assert!(report.to_string().contains("shift[0]: by hand -4.5000, numeric -2.2500"), "{report}");
//! ```
//!
//! What is checked is any function of a flat slice: a whole network, one layer, a loss, or the derivative with
//! respect to an input. The check compares the gradient by hand with central differences of the loss:
//!
//! - **entry by entry** when there are at most 2000, and along **random directions**, block by block, when there are more:
//!   the cost then grows with the number of blocks, not of parameters;
//! - on one smooth piece: a function that records its decisions ([`Probe::kink`], [`Probe::branch`]) is never
//!   differenced across a kink;
//! - with the error of each difference estimated, so that the verdict is [`Pass`](Verdict::Pass),
//!   [`Fail`](Verdict::Fail) or [`Inconclusive`](Verdict::Inconclusive), and never a pass that says nothing.
//!
//! A failure names the block, an entry, and the cause that fits, if one does.
//!
//! Finite differences need `f64`. To check an `f32` gradient, check the same code in `f64`, then [`compare`]
//! the two.

use std::time::Instant;

use crate::{Layout, Scalar};

mod block;
mod cause;
mod precision;
mod print;
mod probe;
mod report;
mod search;
mod slope;
mod subject;

pub use precision::{BlockPrecision, Comparison, Precision, compare};
pub use probe::Probe;
pub use report::{BlockReport, Cause, Doubt, Entry, Fault, Mode, Report, Verdict};

use subject::Subject;

#[cfg(doctest)]
#[doc = include_str!("../../docs/book/src/check-your-own-backward.md")]
mod book {}

/// Up to this length every entry is differenced by default.
const EVERY_UP_TO: usize = 2000;
/// Directions per block by default. Two keep the cost at 8 losses a block; the bound on what they miss is
/// in [`BlockReport::miss_probability`].
const DIRECTIONS: usize = 2;

/// Begins a check of `function` at `theta`; [`Check::run`] makes it.
///
/// `function` returns the loss at the point it is given, and writes the gradient when
/// [`Probe::gradient`] is there. It is called many times and must always compute the same loss.
///
/// Choose `theta` at random, biases too: at zero, rectifiers of deep networks lie exactly on their kinks.
pub fn check<F: Scalar, L: FnMut(&[F], &mut Probe<'_, F>) -> F>(theta: &[F], function: L) -> Check<'_, F, L> {
    // The tolerance is far above what rounding does to an honest gradient (about √ε) and far below a mistake.
    let tolerance = 64.0 * F::EPSILON.sqrt();
    let settings = Settings { mode: Mode::Auto, seed: 0, tolerance, batch: None, allow_zero: false };
    Check { theta, function, layout: None, only: None, settings }
}

/// A check about to be made: settings, all optional, and [`run`](Self::run).
///
/// ```
/// use polytask::Layout;
/// use polytask::gradcheck::{self, Probe};
///
/// // L = ½ (a² + b²), the derivative with respect to b doubled.
/// fn squares(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[theta[0], 2.0 * theta[1]]);
///     }
///     0.5 * (theta[0] * theta[0] + theta[1] * theta[1])
/// }
/// let mut layout = Layout::new();
/// layout.push("trunk.a", 1, 1);
/// layout.push("head.b", 1, 1);
/// let check = gradcheck::check(&[0.5, -1.5], squares).named(&layout);
/// assert!(check.clone().only("trunk").run().passed()); // the mistake is not in the trunk
/// let report = check.run();
/// assert_eq!(report.failed().next().map(|block| &*block.name), Some("head.b"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before `run`"]
pub struct Check<'t, F, L> {
    theta: &'t [F],
    function: L,
    layout: Option<Layout>,
    only: Option<String>,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    mode: Mode,
    seed: u64,
    tolerance: f64,
    batch: Option<usize>,
    allow_zero: bool,
}

impl<F: Scalar, L: FnMut(&[F], &mut Probe<'_, F>) -> F> Check<'_, F, L> {
    /// The table of contents of θ: entries are reported by its names, and directions stay inside its blocks.
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

    /// Checks only the block of that name, or all blocks whose names begin with it.
    pub fn only(mut self, block: &str) -> Self {
        self.only = Some(block.to_owned());
        self
    }

    /// Which derivatives are compared; [`Mode::Auto`] if not said.
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Mode, Probe};
    /// # fn sines(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    /// #     if let Some(gradient) = probe.gradient() {
    /// #         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
    /// #     }
    /// #     theta.iter().map(|x| x.sin()).sum()
    /// # }
    /// let theta = [0.5; 100]; // L = Σ sin θᵢ
    /// let every = gradcheck::check(&theta, sines).run();
    /// let sample = gradcheck::check(&theta, sines).mode(Mode::Sample(10)).run();
    /// let directions = gradcheck::check(&theta, sines).mode(Mode::Directions(2)).run();
    /// assert_eq!([&every, &sample, &directions].map(|report| report.blocks[0].probes), [100, 10, 2]);
    /// assert!(directions.n_losses < sample.n_losses && sample.n_losses < every.n_losses);
    /// ```
    ///
    /// # Panics
    /// If `mode` asks for no entries or no directions.
    #[track_caller]
    pub fn mode(mut self, mode: Mode) -> Self {
        assert!(!matches!(mode, Mode::Sample(0) | Mode::Directions(0)), "{mode:?} would check nothing");
        self.settings.mode = mode;
        self
    }

    /// The seed of the random directions and entries; 0 if not said.
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Mode, Probe};
    /// # fn sines(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    /// #     if let Some(gradient) = probe.gradient() {
    /// #         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
    /// #     }
    /// #     theta.iter().map(|x| x.sin()).sum()
    /// # }
    /// let along = |seed| gradcheck::check(&[0.5; 100], sines).mode(Mode::Directions(2)).seed(seed).run();
    /// assert_eq!(along(1).blocks, along(1).blocks); // the same directions, to the last bit
    /// assert_ne!(along(1).blocks, along(2).blocks);
    /// assert!(along(1).passed() && along(2).passed());
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The difference that is let pass, relative to the norm of a block's gradient (for an entry: to the larger
    /// of the entry and the root mean square of its block). 64 √ε if not said: 1e-6 in `f64`.
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Probe};
    /// # fn square(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    /// #     if let Some(gradient) = probe.gradient() {
    /// #         gradient[0] = 2.0002 * theta[0];
    /// #     }
    /// #     theta[0] * theta[0]
    /// # }
    /// let check = gradcheck::check(&[3.0], square); // its gradient is wrong by a part in 10 000
    /// assert!(!check.clone().run().passed());
    /// assert!(check.tolerance(1e-3).run().passed());
    /// ```
    ///
    /// # Panics
    /// If `tolerance` is not between 0 and 1.
    #[track_caller]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        assert!(
            tolerance > 0.0 && tolerance < 1.0,
            "a tolerance of {tolerance}: between 0 and 1 is expected"
        );
        self.settings.tolerance = tolerance;
        self
    }

    /// How many examples the loss is taken over, so that a mean in place of a sum can be recognised.
    ///
    /// ```
    /// use polytask::gradcheck::{self, Cause, Probe};
    ///
    /// // The mean over 4 examples of ½ Σ (θᵢ − 1)², with the gradient of their sum.
    /// fn mean(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = 4.0 * (x - 1.0));
    ///     }
    ///     theta.iter().map(|x| 0.5 * (x - 1.0) * (x - 1.0)).sum()
    /// }
    /// let check = gradcheck::check(&[0.5, -1.5], mean);
    /// let unsaid = check.clone().run();
    /// assert!(matches!(unsaid.blocks[0].causes[..], [Cause::Factor(c)] if (c - 0.25).abs() < 1e-6));
    /// assert_eq!(check.batch(4).run().blocks[0].causes, [Cause::SumNotMean { batch: 4 }]);
    /// ```
    ///
    /// # Panics
    /// If there are none.
    #[track_caller]
    pub fn batch(mut self, examples: usize) -> Self {
        assert!(examples > 0, "a batch of no examples");
        self.settings.batch = Some(examples);
        self
    }

    /// Lets blocks pass whose gradient is 0 throughout, by hand and numerically: a task without labels, a bias
    /// before a normalisation. Otherwise such a block makes the check inconclusive.
    ///
    /// ```
    /// use polytask::gradcheck::{self, Probe, Verdict};
    ///
    /// fn constant(_: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.fill(0.0);
    ///     }
    ///     5.0
    /// }
    /// let check = gradcheck::check(&[1.0, 2.0], constant);
    /// assert_eq!(check.clone().run().verdict, Verdict::Inconclusive);
    /// assert_eq!(check.allow_zero().run().verdict, Verdict::Pass);
    /// ```
    pub fn allow_zero(mut self) -> Self {
        self.settings.allow_zero = true;
        self
    }

    /// Makes the check.
    ///
    /// # Panics
    /// If θ is empty, or no block has the name given to [`only`](Self::only).
    #[track_caller]
    pub fn run(self) -> Report {
        let started = Instant::now();
        let Self { theta, function, layout, only, mut settings } = self;
        assert!(!theta.is_empty(), "a θ without numbers has no gradient to check");
        let layout = layout.unwrap_or_else(|| {
            let mut layout = Layout::new();
            layout.push("theta", 1, theta.len());
            layout
        });
        let chosen = |name: &str| match &only {
            Some(only) if layout.block(only).is_some() => name == only,
            Some(only) => name.starts_with(only.as_str()),
            None => true,
        };
        let areas: Vec<_> = layout
            .blocks()
            .enumerate()
            .filter(|(_, (name, block))| chosen(name) && block.len() > 0)
            .map(|(number, (name, block))| block::Area { number, name, block })
            .collect();
        assert!(!areas.is_empty(), "no block of θ is named {}", only.unwrap_or_default());
        if settings.mode == Mode::Auto {
            let n: usize = areas.iter().map(|area| area.block.len()).sum();
            settings.mode = if n <= EVERY_UP_TO { Mode::Every } else { Mode::Directions(DIRECTIONS) };
        }

        let mut subject = Subject::new(theta, function);
        let (fault, blocks) = match subject.look_over(&layout) {
            Err(fault) => (Some(fault), Vec::new()),
            Ok(gradient) => {
                subject.measure_noise(settings.seed);
                (None, block::check_all(&mut subject, &layout, &areas, &gradient, &settings))
            }
        };
        let worst = blocks.iter().map(|block| block.verdict).max().unwrap_or(Verdict::Fail);
        Report {
            verdict: if fault.is_some() { Verdict::Fail } else { worst },
            fault,
            blocks,
            scalar: F::NAME,
            mode: settings.mode,
            seed: settings.seed,
            tolerance: settings.tolerance,
            loss: subject.loss,
            margin: subject.margin,
            n_losses: subject.n_losses,
            n_gradients: subject.n_gradients,
            elapsed: started.elapsed(),
        }
    }
}
