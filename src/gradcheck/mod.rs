//! A gradient checker: does a gradient written by hand agree with the function it belongs to?
//!
//! [`check`] takes a point θ and a function that returns the loss at a point and, when [`Probe::gradient`] asks
//! for it, writes the gradient. The checker moves θ and compares what happens to the loss with the gradient.
//! Here the last derivative is wrong by a factor of 2, and the report says so:
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
//! It checks any function of a flat slice: a whole network, one layer, a loss, or a derivative with respect to
//! an input. For a [`Model`](crate::Model) there is a call that does it all,
//! [`Model::check_gradients`](crate::Model::check_gradients). The gradient is compared with central differences
//! of the loss, `(L(θ + h v) − L(θ − h v)) / 2h`:
//!
//! - Up to 2000 entries of θ, the difference is taken **entry by entry**. Beyond that, it is taken along a few
//!   **random directions** for each block of θ, so that the cost grows with the number of blocks, not of
//!   parameters.
//! - No difference is taken across a kink, such as ReLU's at 0, where there is no derivative. For that the
//!   function must report its kinks and branches ([`Probe::kink`], [`Probe::branch`]). If θ itself is on a
//!   kink, whatever looks wrong is checked again at a point nearby.
//! - The error of each difference is estimated too. So there are three verdicts: [`Pass`](Verdict::Pass),
//!   [`Fail`](Verdict::Fail), and [`Inconclusive`](Verdict::Inconclusive) where the numbers show neither. A
//!   check that tested nothing does not pass.
//!
//! When a check fails, the report names the block, an entry of it, and a likely cause if the numbers suggest
//! one.
//!
//! Finite differences are only accurate enough in `f64`. To check an `f32` gradient, check the same code in
//! `f64`, then [`compare`] the two gradients.

use std::time::Instant;

use crate::{Layout, Scalar};

mod block;
mod cause;
mod direction;
mod examiner;
mod precision;
mod print;
mod probe;
mod report;
mod run;
mod search;
mod settings;
mod slope;
mod subject;

pub use precision::{BlockPrecision, Comparison, Precision, compare};
pub use probe::Probe;
pub use report::{BlockReport, Cause, Coverage, Entry, Fault, GradientReport, Uncertain, Verdict};

use examiner::BlockRef;
pub(crate) use settings::Settings;
pub(crate) use subject::CheckedFunction;
use subject::Subject;

#[cfg(doctest)]
#[doc = include_str!("../../docs/book/src/check-your-own-backward.md")]
mod book {}

/// By default, up to this many entries are checked one by one.
const EVERY_UP_TO: usize = 2000;
/// Random directions per block by default. Two cost 8 evaluations of the loss per block;
/// [`BlockReport::miss_probability`] bounds the probability that they miss a mistake.
const DIRECTIONS: usize = 2;

/// Sets up a check of `function` at `theta`; [`Check::run`] runs it.
///
/// `function` returns the loss at the point it is given, and writes the gradient when [`Probe::gradient`] asks
/// for it. It is called many times and must be deterministic: the same point, the same loss.
///
/// Choose `theta` at random, including the biases: with biases of zero, ReLUs can be exactly on their kinks,
/// and the check is inconclusive. [`off_kinks`](Check::off_kinks) checks at a point beside such a θ.
pub fn check<F: Scalar, L: FnMut(&[F], &mut Probe<'_, F>) -> F>(
    theta: &[F],
    function: L,
) -> Check<Function<'_, F, L>> {
    Check { subject: Function { theta, function, layout: None }, settings: Settings::new::<F>() }
}

/// A gradient check that is set up but has not run yet: of a function ([`check`]) or of a model on a batch
/// ([`Model::gradient_check`](crate::Model::gradient_check)). All settings are optional; `run` runs it.
///
/// ```
/// use polytask::Layout;
/// use polytask::gradcheck::{self, Probe};
///
/// // L = ½ (a² + b²); the derivative with respect to b is twice what it should be.
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
pub struct Check<S> {
    pub(crate) subject: S,
    pub(crate) settings: Settings,
}

/// What [`check`] checks: a function of a slice, at a point.
#[derive(Clone, Debug)]
pub struct Function<'t, F, L> {
    theta: &'t [F],
    function: L,
    layout: Option<Layout>,
}

impl<S> Check<S> {
    /// Checks only the block of this name or, if there is none, all blocks whose names begin with it.
    pub fn only(mut self, block: &str) -> Self {
        self.settings.only = Some(block.to_owned());
        self
    }

    /// Which derivatives to compare: every entry, a sample of them, or random directions. Default:
    /// [`Coverage::Auto`].
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Coverage, Probe};
    /// # fn sines(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    /// #     if let Some(gradient) = probe.gradient() {
    /// #         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
    /// #     }
    /// #     theta.iter().map(|x| x.sin()).sum()
    /// # }
    /// let theta = [0.5; 100]; // L = Σ sin θᵢ
    /// let every = gradcheck::check(&theta, sines).run();
    /// let sample = gradcheck::check(&theta, sines).coverage(Coverage::Sample(10)).run();
    /// let directions = gradcheck::check(&theta, sines).coverage(Coverage::Directions(2)).run();
    /// assert_eq!([&every, &sample, &directions].map(|report| report.blocks[0].probes), [100, 10, 2]);
    /// assert!(directions.n_losses < sample.n_losses && sample.n_losses < every.n_losses);
    /// ```
    ///
    /// # Panics
    /// If `coverage` asks for no entries or no directions.
    #[track_caller]
    pub fn coverage(mut self, coverage: Coverage) -> Self {
        self.settings.set_coverage(coverage);
        self
    }

    /// The seed for choosing random directions and entries. Default: 0.
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Coverage, Probe};
    /// # fn sines(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    /// #     if let Some(gradient) = probe.gradient() {
    /// #         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
    /// #     }
    /// #     theta.iter().map(|x| x.sin()).sum()
    /// # }
    /// let along = |seed| gradcheck::check(&[0.5; 100], sines).coverage(Coverage::Directions(2)).seed(seed).run();
    /// assert_eq!(along(1).blocks, along(1).blocks); // the same directions, to the last bit
    /// assert_ne!(along(1).blocks, along(2).blocks);
    /// assert!(along(1).passed() && along(2).passed());
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The largest relative difference that passes. It is relative to the norm of the block's gradient or, for
    /// a single entry, to the larger of the entry and the root mean square of its block. Default: 64 √ε, which
    /// is about 1e-6 in `f64`.
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
        self.settings.set_tolerance(tolerance);
        self
    }

    /// Lets a block pass if its whole gradient is 0, both as written and numerically. That is correct for, say,
    /// the head of a task without labels, or a bias before a normalisation. By default such a block makes the
    /// check inconclusive, because nothing was tested.
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

    /// Lets one block, by name, pass if its whole gradient is 0; [`allow_zero`](Self::allow_zero) does so for
    /// all blocks.
    ///
    /// ```
    /// use polytask::gradcheck::{self, Probe};
    ///
    /// // L = ½ (θ₀ + θ₁ − θ₁)²: a shift that is taken back.
    /// fn shifted(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.copy_from_slice(&[theta[0], 0.0]);
    ///     }
    ///     0.5 * theta[0] * theta[0]
    /// }
    /// let mut layout = polytask::Layout::new();
    /// layout.push("score", 1, 1);
    /// layout.push("shift", 1, 1);
    /// let check = gradcheck::check(&[0.5, 2.0], shifted).named(&layout);
    /// assert!(!check.clone().run().passed() && check.allow_zero_in("shift").run().passed());
    /// ```
    pub fn allow_zero_in(mut self, block: &str) -> Self {
        self.settings.zero_in.push(block.to_owned());
        self
    }

    /// Checks at a point near θ that is not on a kink: each entry of θ is moved at random by about a thousandth
    /// of the root mean square of θ. Of eight such points, the one farthest from any kink is used.
    ///
    /// Use it if θ is on a kink, where there is no derivative to compare with. A new network often is: its
    /// biases are 0, so a row of zeros puts every ReLU of the first layer on its kink.
    ///
    /// ```
    /// use polytask::gradcheck::{self, Probe, Verdict};
    ///
    /// // L = max(θ, 0) − max(−θ, 0) = θ: two ReLUs, whose derivatives at 0 are set to 0.
    /// fn two_rectifiers(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     let z = [theta[0], -theta[0]];
    ///     z.into_iter().for_each(|z| probe.kink(z));
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient[0] = if z[0] > 0.0 { 1.0 } else { 0.0 } + if z[1] > 0.0 { 1.0 } else { 0.0 };
    ///     }
    ///     z[0].max(0.0) - z[1].max(0.0)
    /// }
    /// let check = gradcheck::check(&[0.0], two_rectifiers);
    /// let report = check.clone().run();
    /// assert_eq!((report.verdict, report.on_kinks), (Verdict::Inconclusive, 2)); // 0 by hand, 1 numerically
    /// assert!(check.off_kinks().run().passed());
    /// ```
    pub fn off_kinks(mut self) -> Self {
        self.settings.off_kinks = true;
        self
    }
}

impl<F: Scalar, L: FnMut(&[F], &mut Probe<'_, F>) -> F> Check<Function<'_, F, L>> {
    /// Gives the checker the layout of θ: it reports entries by name, and checks block by block.
    ///
    /// # Panics
    /// If the layout has not as many entries as θ.
    #[track_caller]
    pub fn named(mut self, layout: &Layout) -> Self {
        let (n, named) = (self.subject.theta.len(), layout.len());
        assert!(n == named, "a layout of {named} numbers for a θ of {n}");
        self.subject.layout = Some(layout.clone());
        self
    }

    /// The number of examples in the batch. The checker needs it to recognise a gradient that is summed over
    /// the batch where it should be averaged, or the reverse.
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
    /// let unknown = check.clone().run();
    /// assert!(matches!(unknown.blocks[0].causes[..], [Cause::Factor(c)] if (c - 0.25).abs() < 1e-6));
    /// assert_eq!(check.batch(4).run().blocks[0].causes, [Cause::SumNotMean { batch: 4 }]);
    /// ```
    ///
    /// # Panics
    /// If `examples` is 0.
    #[track_caller]
    pub fn batch(mut self, examples: usize) -> Self {
        assert!(examples > 0, "a batch of no examples");
        self.settings.batch = Some(examples);
        self
    }

    /// Runs the check.
    ///
    /// # Panics
    /// If θ is empty, or no block has the name given to [`only`](Self::only).
    #[track_caller]
    pub fn run(self) -> GradientReport {
        let Self { subject: Function { theta, mut function, layout }, settings } = self;
        F::gradient_report(theta, &mut function, layout, settings)
    }
}

/// The report of a check that is set up.
#[track_caller]
pub(crate) fn report<F: Scalar>(
    theta: &[F],
    function: &mut CheckedFunction<'_, F>,
    layout: Option<Layout>,
    mut settings: Settings,
) -> GradientReport {
    let started = Instant::now();
    assert!(!theta.is_empty(), "a θ without numbers has no gradient to check");
    let layout = layout.unwrap_or_else(|| {
        let mut layout = Layout::new();
        layout.push("theta", 1, theta.len());
        layout
    });
    let exists = settings.only.as_ref().is_some_and(|only| layout.block(only).is_some());
    let blocks: Vec<_> = layout
        .blocks()
        .enumerate()
        .filter(|(_, (name, block))| settings.chooses(name, exists) && block.len() > 0)
        .map(|(number, (name, block))| BlockRef { number, name, block })
        .collect();
    assert!(!blocks.is_empty(), "no block of θ is named {}", settings.only.unwrap_or_default());
    if settings.coverage == Coverage::Auto {
        let n: usize = blocks.iter().map(|block| block.block.len()).sum();
        settings.coverage = if n <= EVERY_UP_TO { Coverage::Every } else { Coverage::Directions(DIRECTIONS) };
    }

    let mut subject = Subject::new(theta, function);
    let run::Outcome { fault, blocks, moved } = run::run(&mut subject, &layout, &blocks, &settings);
    let worst = blocks.iter().map(|block| block.verdict).max().unwrap_or(Verdict::Fail);
    GradientReport {
        verdict: if fault.is_some() { Verdict::Fail } else { worst },
        fault,
        blocks,
        scalar: F::NAME,
        coverage: settings.coverage,
        seed: settings.seed,
        tolerance: settings.tolerance,
        loss: subject.loss,
        margin: subject.margin,
        on_kinks: subject.on_kinks,
        n_decisions: subject.n_sides,
        moved,
        n_losses: subject.n_losses,
        n_gradients: subject.n_gradients,
        elapsed: started.elapsed(),
    }
}
