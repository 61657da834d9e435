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
    /// The derivatives by hand and the numeric ones agree, and the numeric ones were accurate enough to tell.
    Pass,
    /// Nothing was found wrong, but not everything could be told; see [`Uncertain`].
    Inconclusive,
    /// They differ by more than the error of the numeric derivative.
    Fail,
}

/// What a gradient check found; `{report}` prints it, at most 80 columns wide.
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
pub struct GradientReport {
    /// The worst verdict of all blocks; also `Fail` if there is a [`fault`](Self::fault).
    pub verdict: Verdict,
    /// What went wrong before any derivative was compared; then no block was checked.
    pub fault: Option<Fault>,
    /// One entry per checked block, in the order of θ.
    pub blocks: Vec<BlockReport>,
    /// The scalar type: `"f64"` or `"f32"`.
    pub scalar: &'static str,
    /// How the entries were chosen.
    pub coverage: Coverage,
    /// The seed of the random directions and entries.
    pub seed: u64,
    /// The tolerance, relative to the norm of a block's gradient.
    pub tolerance: f64,
    /// The loss at θ.
    pub loss: f64,
    /// The smallest distance to a kink at θ, if the function reports distances.
    pub margin: Option<f64>,
    /// The number of decisions at θ that lie on their kinks, to within 1e-10.
    pub on_kinks: usize,
    /// The number of decisions that the function recorded at θ: sides of kinks, winners of maxima.
    pub n_decisions: usize,
    /// The largest change of an entry of θ, if the report is about a point beside θ: either
    /// [`off_kinks`](super::Check::off_kinks) asked for it, or θ lies on kinks and a failure was confirmed beside it. Loss,
    /// margin and decisions are those of the point that was checked.
    pub moved: Option<f64>,
    /// The number of evaluations of the loss alone.
    pub n_losses: usize,
    /// The number of evaluations with the gradient.
    pub n_gradients: usize,
    /// How long the check took.
    pub elapsed: Duration,
}

/// What was found in one block.
///
/// ```
/// use polytask::gradcheck::{self, Coverage};
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
/// assert_eq!(block.miss_probability(Coverage::Every, 1e-3), 0.0); // nothing as large as that can hide
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
    /// The largest difference between a derivative by hand and the numeric one, relative to the size of the gradient:
    /// its norm for a direction, the larger of the entry and the block's root mean square for an entry.
    pub error: f64,
    /// The largest error that could have passed, relative to the same size: the tolerance plus the possible error of the
    /// numeric derivative.
    pub resolution: f64,
    /// The last step h.
    pub step: f64,
    /// How many directions or entries were differenced.
    pub probes: usize,
    /// How many entries are exactly 0 by hand: agreement there shows that a path was not taken, not that it is right.
    pub untested: usize,
    /// Why the verdict is `Inconclusive`.
    pub uncertain: Option<Uncertain>,
    /// The worst entry found, if the verdict is `Fail`.
    pub worst: Option<Entry>,
    /// What would explain the differences, most specific first, if the verdict is `Fail`.
    pub causes: Vec<Cause>,
}

/// One entry of the gradient, computed both ways.
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
/// use polytask::gradcheck::{self, Coverage};
///
/// let theta = vec![0.5_f64; 3000];
/// let report = gradcheck::check(&theta, |theta, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient.iter_mut().zip(theta).for_each(|(g, x)| *g = x.cos());
///     }
///     theta.iter().map(|x| x.sin()).sum()
/// })
/// .coverage(Coverage::Directions(4)) // four random directions for each block, whatever its size
/// .run();
/// assert!(report.passed() && report.n_losses < 100, "{report}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coverage {
    /// Every entry up to 2000 entries, random directions above.
    Auto,
    /// Every entry. Costs about 4 losses per entry.
    Every,
    /// This many entries of each block, chosen at random. The others are not tested.
    Sample(usize),
    /// This many random directions per block, each moving all entries of the block at once. Costs about 4 losses per
    /// direction and block, whatever its size.
    Directions(usize),
}

/// A fault that makes it pointless to compare derivatives.
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
    /// The loss is not bit-identical when computed twice: an unseeded dropout mask, a new batch, a race.
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
    /// The loss at θ changes after other points were evaluated: state is kept between calls.
    LossRemembers {
        /// The loss before.
        before: f64,
        /// The loss after.
        after: f64,
    },
    /// The gradient is not bit-identical when computed twice.
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

/// Why a check is inconclusive.
///
/// ```
/// use polytask::gradcheck::{self, Uncertain, Verdict};
///
/// let report = gradcheck::check(&[3.0_f64], |_, probe| {
///     if let Some(gradient) = probe.gradient() {
///         gradient[0] = 0.0;
///     }
///     7.0 // whatever θ is
/// })
/// .run();
/// assert_eq!((report.verdict, report.blocks[0].uncertain), (Verdict::Inconclusive, Some(Uncertain::Zero)));
/// assert!(report.to_string().contains("add .allow_zero()"), "{report}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Uncertain {
    /// θ lies on kinks, where the loss has no derivative to compare with.
    OnKink,
    /// Every step, down to the smallest, crossed a kink (or met a loss that is not finite).
    Crossing,
    /// The possible error of the numeric derivative is too large to judge.
    Rough,
    /// Both gradients of the block are 0, exactly or within the resolution: the loss does not depend on it.
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
    /// Units are off by hand that are on in truth, or the reverse: an activation's derivative is missing, or is that of
    /// another layer.
    Mask,
    /// The weight of this layer is right, so its delta is; this bias is not the sum of that delta over the batch.
    BiasSum,
    /// The bias of this layer is right, so its delta is; this weight is not the product of the input with that delta.
    Product,
    /// Weight and bias are wrong alike: the delta that reaches them is wrong, or the rows that both sum it over are.
    Delta,
    /// Weight and bias are wrong alike, and so is a block later in θ, nearer to the loss where θ is in the order of the
    /// forward pass. The mistake is likely there.
    Follows {
        /// The last such block.
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

impl GradientReport {
    /// Whether every block passed.
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

    /// The layer nearest to the loss of those whose gradient is wrong, so the one that has the mistake, where θ is in the
    /// order of the forward pass: `trunk.1` if the last block that failed is `trunk.1.bias`.
    ///
    /// ```
    /// use polytask::{Layout, gradcheck};
    ///
    /// let mut layout = Layout::new();
    /// ["trunk.0.weight", "trunk.1.weight", "head.weight"].into_iter().for_each(|name| _ = layout.push(name, 1, 1));
    /// // L = ½ (abc)², with a mistake in the derivative with respect to b, which a gets as well.
    /// let report = gradcheck::check(&[0.5, -1.5, 0.7], |theta, probe| {
    ///     let y = theta[0] * theta[1] * theta[2];
    ///     if let Some(gradient) = probe.gradient() {
    ///         let d = y * theta[2] + 0.1;
    ///         gradient.copy_from_slice(&[d * theta[1], d * theta[0], y * theta[0] * theta[1]]);
    ///     }
    ///     0.5 * y * y
    /// })
    /// .named(&layout)
    /// .run();
    /// assert_eq!((report.failed().count(), report.first_wrong()), (2, Some("trunk.1")), "{report}");
    /// ```
    pub fn first_wrong(&self) -> Option<&str> {
        let layer = |block: &BlockReport| block.name.contains('.');
        let last = self.failed().filter(|block| layer(block)).last().or(self.failed().last())?;
        Some(last.name.rsplit_once('.').map_or(&*last.name, |(layer, _)| layer))
    }

    /// The number of entries in the checked blocks, including those whose gradient is 0.
    pub fn n_entries(&self) -> usize {
        self.blocks.iter().map(BlockReport::n_entries).sum()
    }

    /// The number of entries that are exactly 0 by hand, and so not really tested.
    pub fn untested(&self) -> usize {
        self.blocks.iter().map(|block| block.untested).sum()
    }

    /// A bound on the probability that an error of Euclidean norm `size · norm` was missed in a block that passed: the
    /// largest over those blocks. See [`BlockReport::miss_probability`].
    ///
    /// ```
    /// # use polytask::gradcheck::{self, Coverage};
    /// // L = ½ θ₀² over 200 numbers, checked along two random directions.
    /// let report = gradcheck::check(&[0.5_f64; 200], |theta, probe| {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.fill(0.0);
    ///         gradient[0] = theta[0];
    ///     }
    ///     0.5 * theta[0] * theta[0]
    /// })
    /// .coverage(Coverage::Directions(2))
    /// .run();
    /// assert!(report.passed() && report.miss_probability(1e-3) < 1e-3);
    /// assert_eq!(report.miss_probability(1e-12), 1.0); // an error as small as this cannot be seen
    /// assert_eq!((report.n_entries(), report.untested()), (200, 199)); // entries that are 0 by hand are hardly tested
    /// ```
    pub fn miss_probability(&self, size: f64) -> f64 {
        // A block that is 0 to the resolution may pass, but no error is relative to it.
        let passed =
            self.blocks.iter().filter(|b| b.verdict == Verdict::Pass && b.norm > 0.0 && b.resolution < 1.0);
        passed.map(|block| block.miss_probability(self.coverage, size)).fold(0.0, f64::max)
    }
}

impl BlockReport {
    /// The number of entries of the block.
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
    pub fn miss_probability(&self, coverage: Coverage, size: f64) -> f64 {
        let n = self.n_entries() as f64;
        match coverage {
            Coverage::Directions(k) => (2.0_f64.sqrt() * self.resolution / size).min(1.0).powi(k as i32),
            Coverage::Sample(m) => 1.0 - (m as f64 / n).min(1.0),
            Coverage::Every | Coverage::Auto if self.resolution < size => 0.0,
            Coverage::Every | Coverage::Auto => 1.0,
        }
    }
}
