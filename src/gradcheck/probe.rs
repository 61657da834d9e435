//! What the checked function receives besides θ: places to put what the check wants to know.

/// What one evaluation of a checked function is asked for, and where its answers go.
///
/// The function returns its loss. Through the probe it also
/// - writes the [`gradient`](Self::gradient) when it is asked for;
/// - records with [`kink`](Self::kink) or [`branch`](Self::branch) which side of each kink it is on, so that
///   the check can keep its finite differences on one smooth piece;
/// - can offer the part that each task adds to the gradient ([`task_gradient`](Self::task_gradient)), so that the
///   report can blame a task.
///
/// Only the loss and the gradient are required.
///
/// ```
/// use polytask::gradcheck::Probe;
///
/// // L(θ) = Σ max(θᵢ, 0)
/// let rectified = |theta: &[f64], probe: &mut Probe<'_, f64>| {
///     theta.iter().for_each(|&x| probe.kink(x));
///     if let Some(gradient) = probe.gradient() {
///         for (dx, &x) in gradient.iter_mut().zip(theta) {
///             *dx = if x > 0.0 { 1.0 } else { 0.0 };
///         }
///     }
///     theta.iter().map(|x| x.max(0.0)).sum()
/// };
/// let mut gradient = [0.0; 2];
/// let mut probe = Probe::with_gradient(&mut gradient);
/// let loss: f64 = rectified(&[3.0, -0.5], &mut probe);
/// assert_eq!((loss, probe.margin()), (3.0, Some(0.5)));
/// assert_eq!(gradient, [1.0, 0.0]);
/// ```
#[derive(Debug)]
pub struct Probe<'a, F> {
    gradient: Option<&'a mut [F]>,
    tasks: Option<&'a mut Vec<TaskGradient<F>>>,
    sides: u64,
    n_sides: usize,
    on_kinks: usize,
    margin: f64,
}

/// So near to a kink as to lie on it: ordinary steps are longer, and a shorter one drowns in rounding.
const ON_KINK: f64 = 1e-10;

/// What one task adds to the gradient, laid out like θ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TaskGradient<F> {
    pub task: String,
    pub values: Vec<F>,
}

impl<'a, F: crate::Scalar> Probe<'a, F> {
    /// A probe that asks for the loss alone.
    ///
    /// ```
    /// # use polytask::gradcheck::Probe;
    /// let mut probe = Probe::<f64>::loss_only();
    /// assert!(probe.gradient().is_none() && probe.task_gradient("price").is_none());
    /// ```
    pub fn loss_only() -> Self {
        Self { gradient: None, tasks: None, sides: 0, n_sides: 0, on_kinks: 0, margin: f64::INFINITY }
    }

    /// A probe that asks for the gradient as well, to be written to every entry of `gradient`.
    pub fn with_gradient(gradient: &'a mut [F]) -> Self {
        Self { gradient: Some(gradient), ..Self::loss_only() }
    }

    pub(super) fn with_tasks(gradient: &'a mut [F], tasks: &'a mut Vec<TaskGradient<F>>) -> Self {
        Self { tasks: Some(tasks), ..Self::with_gradient(gradient) }
    }

    /// Where to write the gradient, laid out like θ; `None` if only the loss is wanted.
    ///
    /// Write every entry: the buffer is deliberately filled with garbage.
    pub fn gradient(&mut self) -> Option<&mut [F]> {
        self.gradient.as_deref_mut()
    }

    /// Where to write the part that `task` adds to the gradient, laid out like θ and initially 0; `None` if it is not asked
    /// for.
    ///
    /// The parts of all tasks (and of regularisation, which counts as a task here) add up to the gradient, so each includes
    /// the task's weight. They are asked for once, and only after a check has failed.
    ///
    /// ```
    /// use polytask::gradcheck::{self, Cause, Probe};
    ///
    /// // ½ Σ θ² of one task and Σ θ³ of another, which the gradient forgets.
    /// fn two_tasks(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     if let Some(gradient) = probe.gradient() {
    ///         gradient.copy_from_slice(theta);
    ///     }
    ///     if let Some(part) = probe.task_gradient("square") {
    ///         part.copy_from_slice(theta);
    ///     }
    ///     if let Some(part) = probe.task_gradient("cube") {
    ///         part.iter_mut().zip(theta).for_each(|(g, x)| *g = 3.0 * x * x);
    ///     }
    ///     theta.iter().map(|x| 0.5 * x * x + x * x * x).sum()
    /// }
    /// let report = gradcheck::check(&[1.0, 2.0, -0.5], two_tasks).run();
    /// assert_eq!(report.blocks[0].causes, [Cause::TaskMissing { task: "cube".into() }], "{report}");
    /// ```
    pub fn task_gradient(&mut self, task: &str) -> Option<&mut [F]> {
        let n = self.gradient.as_deref()?.len();
        let tasks = self.tasks.as_deref_mut()?;
        let at = tasks.iter().position(|t| t.task == task).unwrap_or_else(|| {
            tasks.push(TaskGradient { task: task.to_owned(), values: vec![F::ZERO; n] });
            tasks.len() - 1
        });
        Some(&mut tasks[at].values)
    }

    /// Records a decision: a comparison, the winner of a maximum, a mask, a sort. Every evaluation must record the same
    /// number of decisions in the same order, whatever their outcome.
    ///
    /// ```
    /// # use polytask::gradcheck::Probe;
    /// // The larger of two numbers: which one it is decides the derivative.
    /// fn larger(theta: &[f64], probe: &mut Probe<'_, f64>) -> f64 {
    ///     let second = theta[1] > theta[0];
    ///     probe.branch(second);
    ///     theta[usize::from(second)]
    /// }
    /// let piece = |theta: &[f64]| {
    ///     let mut probe = Probe::loss_only();
    ///     larger(theta, &mut probe);
    ///     assert_eq!(probe.n_sides(), 1);
    ///     probe.sides()
    /// };
    /// assert_eq!(piece(&[1.0, 2.0]), piece(&[1.0, 9.0])); // the same smooth piece
    /// assert_ne!(piece(&[1.0, 2.0]), piece(&[1.0, 0.0])); // another one
    /// ```
    #[inline]
    pub fn branch(&mut self, side: impl Into<i64>) {
        // One step is a bijection of the running value, so a single changed decision always shows.
        self.sides = (self.sides.rotate_left(5) ^ side.into() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.n_sides += 1;
    }

    /// Records a kink by its signed distance: `z` for max(z, 0), `|r| − δ` for a Huber loss. The side is whether the
    /// distance is positive.
    #[inline]
    pub fn kink(&mut self, distance: F) {
        self.branch_at(i64::from(distance > F::ZERO), distance.abs().to_f64());
    }

    /// Records a decision and its distance from the point where it would change; infinity if that is unknown.
    ///
    /// ```
    /// # use polytask::gradcheck::Probe;
    /// let (best, second) = (0.75, 0.5); // the largest of some scores, at index 2, and the second largest
    /// let mut probe = Probe::<f64>::loss_only();
    /// probe.branch_at(2, best - second);
    /// assert_eq!((probe.n_sides(), probe.margin()), (1, Some(0.25)));
    /// ```
    #[inline]
    pub fn branch_at(&mut self, side: i64, distance: f64) {
        self.branch(side);
        self.margin = self.margin.min(distance);
        self.on_kinks += usize::from(distance <= ON_KINK);
    }

    /// A hash of all decisions recorded so far.
    pub fn sides(&self) -> u64 {
        self.sides
    }

    /// The number of decisions recorded so far.
    pub fn n_sides(&self) -> usize {
        self.n_sides
    }

    /// The number of decisions recorded so far that lie on their kinks, to within 1e-10.
    ///
    /// ```
    /// # use polytask::gradcheck::Probe;
    /// let mut probe = Probe::<f64>::loss_only();
    /// [0.0, -0.5, 0.0].into_iter().for_each(|z| probe.kink(z));
    /// assert_eq!((probe.n_sides(), probe.on_kinks(), probe.margin()), (3, 2, Some(0.0)));
    /// ```
    pub fn on_kinks(&self) -> usize {
        self.on_kinks
    }

    /// The smallest distance to a kink recorded so far; `None` if there is none.
    pub fn margin(&self) -> Option<f64> {
        (self.margin < f64::INFINITY).then_some(self.margin)
    }
}
