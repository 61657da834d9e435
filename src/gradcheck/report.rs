//! What a check found: verdicts, the worst entries by name, likely causes.

use std::time::Duration;

/// The outcome of a check, of the whole or of one block.
///
/// ```
/// use polytask::gradcheck::{self, Verdict};
///
/// let report = gradcheck::check(&[0.0_f64], |theta, probe| {
///     probe.kink(theta[0]);
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = if theta[0] > 0.0 { 1.0 } else { 0.0 };
///     }
///     theta[0].max(0.0)
/// })
/// .run();
/// assert_eq!(report.verdict, Verdict::Inconclusive); // θ lies on the kink: any slope from 0 to 1 would do
/// assert!(Verdict::Pass < report.verdict && report.verdict < Verdict::Fail); // ordered from best to worst
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// By hand and numeric derivatives agree, and the numeric ones were good enough to tell.
    Pass,
    /// Nothing was found wrong, but something could not be told; see [`Doubt`].
    Inconclusive,
    /// They differ by more than the numeric derivative can be wrong.
    Fail,
}

/// What a gradient check found; `{report}` prints it in at most 80 columns.
///
/// ```
/// use polytask::gradcheck;
///
/// let report = gradcheck::check(&[3.0_f64], |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = theta[0]; // of θ²: a factor 2 is missing
///     }
///     theta[0] * theta[0]
/// })
/// .run();
/// assert!(!report.passed() && report.fault.is_none());
/// let worst = report.failed().next().expect("a block that failed");
/// assert!(worst.error > 0.4, "{report}");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The worst verdict of all blocks; `Fail` as well when there is a [`fault`](Self::fault).
    pub verdict: Verdict,
    /// What is wrong before any derivative is compared; the blocks were not looked at then.
    pub fault: Option<Fault>,
    /// One entry per checked block, in the order of θ.
    pub blocks: Vec<BlockReport>,
    /// The scalar type: `"f64"` or `"f32"`.
    pub scalar: &'static str,
    /// How the entries were chosen.
    pub mode: Mode,
    /// The seed of the random directions and entries.
    pub seed: u64,
    /// The tolerance, relative to the norm of a block's gradient.
    pub tolerance: f64,
    /// The loss at θ.
    pub loss: f64,
    /// The smallest distance to a kink at θ, where the function offers distances.
    pub margin: Option<f64>,
    /// How many evaluations of the loss alone were made.
    pub n_losses: usize,
    /// How many evaluations with gradient were made.
    pub n_gradients: usize,
    /// How long the check took.
    pub elapsed: Duration,
}

/// What was found in one block.
///
/// ```
/// use polytask::gradcheck::{self, Mode};
///
/// // L = ½ a² over θ = (a, b): b is never used.
/// let report = gradcheck::check(&[3.0_f64, 4.0], |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[theta[0], 0.0]);
///     }
///     0.5 * theta[0] * theta[0]
/// })
/// .run();
/// let block = report.block("theta").expect("the whole θ is one block without a layout");
/// assert_eq!((block.shape, block.norm, block.probes), ((1, 2), 3.0, 2));
/// assert_eq!((block.n_entries(), block.untested), (2, 1));
/// assert!(block.error < 1e-9 && block.resolution < 1e-5);
/// assert_eq!(block.miss_probability(Mode::Every, 1e-3), 0.0); // nothing as large as that can hide
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockReport {
    /// The block's name.
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// The verdict.
    pub verdict: Verdict,
    /// The Euclidean norm of the block's gradient by hand.
    pub norm: f64,
    /// The largest difference found between by hand and numeric derivative, relative to the gradient's size:
    /// its norm for a direction, the larger of the entry and the root mean square for an entry.
    pub error: f64,
    /// The largest error that could have passed, relative in the same way: tolerance plus what the numeric
    /// derivative may be wrong by.
    pub resolution: f64,
    /// The last step h.
    pub step: f64,
    /// How many directions or entries were differenced.
    pub probes: usize,
    /// How many entries are exactly 0 by hand: an agreement there says that a path was not taken, not that
    /// it is right.
    pub untested: usize,
    /// Why the verdict is `Inconclusive`.
    pub doubt: Option<Doubt>,
    /// The worst entry found, when the verdict is `Fail`.
    pub worst: Option<Entry>,
    /// What would explain the differences, most specific first, when the verdict is `Fail`.
    pub causes: Vec<Cause>,
}

/// One entry of the gradient, computed in two ways.
///
/// ```
/// use polytask::gradcheck;
///
/// let report = gradcheck::check(&[3.0_f64, 5.0], |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[2.0 * theta[0], theta[1]]); // of θ₀² + θ₁²
///     }
///     theta[0] * theta[0] + theta[1] * theta[1]
/// })
/// .run();
/// let entry = report.blocks[0].worst.as_ref().expect("a block that failed");
/// assert_eq!((entry.index, entry.by_hand), (1, 5.0));
/// assert!((entry.numeric - 10.0).abs() < 1e-6);
/// assert_eq!(entry.to_string(), "theta[1]: by hand 5.0000, numeric 10.000");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its place in θ.
    pub index: usize,
    /// Its name: `trunk.1.weight[17, 203]`.
    pub name: String,
    /// The derivative by hand.
    pub by_hand: f64,
    /// The derivative from finite differences.
    pub numeric: f64,
}

/// Which derivatives are compared.
///
/// ```
/// use polytask::gradcheck::{self, Mode};
///
/// let theta = vec![0.5_f64; 3000];
/// let report = gradcheck::check(&theta, |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
///     }
///     theta.iter().map(|x| x.sin()).sum()
/// })
/// .mode(Mode::Directions(4)) // four random directions for each block, whatever its size
/// .run();
/// assert!(report.passed() && report.n_losses < 100, "{report}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Every entry up to 2000 entries, random directions above.
    Auto,
    /// Every entry. Costs about 4 losses per entry.
    Every,
    /// So many entries of each block, chosen at random. Sees nothing of the others.
    Sample(usize),
    /// So many random directions per block, each moving all its entries at once. Costs about 4 losses per
    /// direction and block, whatever the size.
    Directions(usize),
}

/// A fault that makes comparing derivatives pointless.
///
/// ```
/// use polytask::gradcheck::{self, Fault};
///
/// let report = gradcheck::check(&[3.0_f64, 5.0], |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = 2.0 * theta[0]; // and gradient[1]?
///     }
///     theta[0] * theta[0] + theta[1] * theta[1]
/// })
/// .run();
/// assert_eq!(report.fault, Some(Fault::NotWritten { name: "theta[1]".into(), count: 1, of: 2 }));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The loss at θ is infinite or NaN.
    LossNotFinite {
        /// The loss.
        loss: f64,
    },
    /// The loss is not bit-equal when computed twice: an unseeded dropout mask, a new batch, a race.
    LossNotRepeatable {
        /// The first loss.
        first: f64,
        /// The second.
        second: f64,
    },
    /// The loss changes when the gradient is asked for.
    LossDependsOnGradient {
        /// The loss of an evaluation without gradient.
        without: f64,
        /// The loss of one with gradient.
        with: f64,
    },
    /// The loss at θ changes once other points were visited: state is kept between calls.
    LossRemembers {
        /// The loss before.
        before: f64,
        /// The loss after.
        after: f64,
    },
    /// The gradient is not bit-equal when computed twice.
    GradientNotRepeatable {
        /// The first entry that differs.
        name: String,
        /// Its first value.
        first: f64,
        /// Its second.
        second: f64,
    },
    /// Entries of the gradient are never written.
    NotWritten {
        /// The first of them.
        name: String,
        /// How many.
        count: usize,
        /// The length of θ.
        of: usize,
    },
    /// The gradient is added to what the buffer held before, instead of replacing it.
    AddedToRubbish {
        /// The first such entry.
        name: String,
        /// How many.
        count: usize,
        /// The length of θ.
        of: usize,
    },
    /// Entries of the gradient are infinite or NaN.
    GradientNotFinite {
        /// The first of them.
        name: String,
        /// Its value.
        value: f64,
        /// How many.
        count: usize,
    },
}

/// Why a check could not tell.
///
/// ```
/// use polytask::gradcheck::{self, Doubt, Verdict};
///
/// let report = gradcheck::check(&[3.0_f64], |_, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = 0.0;
///     }
///     7.0 // whatever θ is
/// })
/// .run();
/// assert_eq!((report.verdict, report.blocks[0].doubt), (Verdict::Inconclusive, Some(Doubt::Zero)));
/// assert!(report.to_string().contains("say .allow_zero()"), "{report}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// θ lies on a kink: the derivative by hand is one of many that would do.
    OnKink,
    /// Every step, down to the smallest, crossed a kink (or met a loss that is not finite).
    Crossing,
    /// The numeric derivative may be wrong by too much to judge.
    Rough,
    /// By hand and numeric are both 0, exactly or within the resolution: the loss does not depend on the block.
    Zero,
}

/// A likely cause of a failure: an explanation that fits the differences.
///
/// ```
/// use polytask::gradcheck::{self, Cause};
///
/// let report = gradcheck::check(&[3.0_f64, 5.0], |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient.copy_from_slice(&[1.0 - theta[0], 1.0 - theta[1]]); // prediction and label exchanged
///     }
///     theta.iter().map(|y| 0.5 * (y - 1.0) * (y - 1.0)).sum()
/// })
/// .run();
/// assert_eq!(report.blocks[0].causes, [Cause::Sign]);
/// assert!(report.to_string().contains("likely cause: the sign: numeric = -by hand"), "{report}");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// numeric = factor × by hand.
    Factor(f64),
    /// numeric = −by hand.
    Sign,
    /// By hand is a sum over the batch where the loss is a mean.
    SumNotMean {
        /// The batch size.
        batch: usize,
    },
    /// By hand is a mean over the batch where the loss is a sum, or divides by the batch twice.
    MeanNotSum {
        /// The batch size.
        batch: usize,
    },
    /// By hand is 0 throughout.
    Missing,
    /// numeric is by hand with rows and columns exchanged.
    Transposed,
    /// What one task adds to the gradient is not in it.
    TaskMissing {
        /// The task.
        task: String,
    },
    /// What one task adds to the gradient is in it twice.
    TaskTwice {
        /// The task.
        task: String,
    },
    /// What one task adds to the gradient is in it with a wrong weight.
    TaskWeight {
        /// The task.
        task: String,
        /// How many times its part is in the gradient by hand: it should be once.
        times: f64,
    },
    /// The loss has a term ½ λ θ² that the gradient lacks.
    DecayMissing {
        /// λ.
        lambda: f64,
    },
    /// The gradient has a term λ θ that the loss lacks.
    DecayExtra {
        /// λ.
        lambda: f64,
    },
    /// Units that are off by hand are on, or the other way round: an activation's derivative is missing, or is
    /// the mask of another layer.
    Mask,
    /// The weight before this bias is right, so its delta is; the sum of the delta over the batch is not.
    BiasSum,
    /// The bias beside this weight is right, so its delta is; the product of the input with it is not.
    Product,
    /// Weight and bias are wrong alike: the delta that reaches them is.
    Delta,
    /// Weight and bias are wrong alike, and so is a block nearer to the loss, from which it may follow.
    Follows {
        /// The last block that failed.
        block: String,
    },
    /// One entry alone is wrong.
    OneEntry,
    /// One row alone is wrong.
    OneRow {
        /// The row.
        row: usize,
    },
    /// One column alone is wrong.
    OneColumn {
        /// The column.
        column: usize,
    },
}

impl Report {
    /// Whether every block passed and nothing was left in doubt.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// The block of that name, if it was checked.
    pub fn block(&self, name: &str) -> Option<&BlockReport> {
        self.blocks.iter().find(|block| block.name == name)
    }

    /// The blocks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &BlockReport> {
        self.blocks.iter().filter(|block| block.verdict == Verdict::Fail)
    }

    /// How many entries were checked, those without a gradient included.
    pub fn n_entries(&self) -> usize {
        self.blocks.iter().map(BlockReport::n_entries).sum()
    }

    /// How many entries are exactly 0 by hand, and so not really tested.
    pub fn untested(&self) -> usize {
        self.blocks.iter().map(|block| block.untested).sum()
    }

    /// A bound on the probability that an error of Euclidean norm `size · norm` in one of the blocks that
    /// passed was missed; the largest over those blocks. See [`BlockReport::miss_probability`].
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Mode};
    /// // L = ½ θ₀² over 200 numbers, checked along two random directions.
    /// let report = gradcheck::check(&[0.5_f64; 200], |theta, probe| {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.fill(0.0);
    ///         gradient[0] = theta[0];
    ///     }
    ///     0.5 * theta[0] * theta[0]
    /// })
    /// .mode(Mode::Directions(2))
    /// .run();
    /// assert!(report.passed() && report.miss_probability(1e-3) < 1e-3);
    /// assert_eq!(report.miss_probability(1e-12), 1.0); // so small an error is below what can be seen
    /// assert_eq!((report.n_entries(), report.untested()), (200, 199)); // what is 0 by hand is hardly tested
    /// ```
    pub fn miss_probability(&self, size: f64) -> f64 {
        let passed = self.blocks.iter().filter(|block| block.verdict == Verdict::Pass);
        passed.map(|block| block.miss_probability(self.mode, size)).fold(0.0, f64::max)
    }
}

impl BlockReport {
    /// How many entries the block has.
    pub fn n_entries(&self) -> usize {
        self.shape.0 * self.shape.1
    }

    /// A bound on the probability that an error of Euclidean norm `size · norm` in this block was missed, over
    /// the random choices of the check.
    ///
    /// ```text
    /// every entry          0 if resolution < size, else 1
    /// m of n entries       1 − m/n                            for an error in one entry
    /// k directions         min(1, √2 · resolution / size)ᵏ
    /// ```
    ///
    /// For every entry: the largest entry of the error is at least size times the root mean square of the gradient.
    /// For a direction: the product of an error e with random components, each of density at most ½, has a
    /// density of at most √2 / (2|e|) (Ball, "Cube slicing in ℝⁿ", 1986; Rogozin 1987), and the error passes if the
    /// product lies in an interval of width 2 · resolution · norm.
    pub fn miss_probability(&self, mode: Mode, size: f64) -> f64 {
        let n = self.n_entries() as f64;
        match mode {
            Mode::Directions(k) => (2.0_f64.sqrt() * self.resolution / size).min(1.0).powi(k as i32),
            Mode::Sample(m) => 1.0 - (m as f64 / n).min(1.0),
            Mode::Every | Mode::Auto if self.resolution < size => 0.0,
            Mode::Every | Mode::Auto => 1.0,
        }
    }
}
