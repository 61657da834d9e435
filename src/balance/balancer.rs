//! A method at work: tasks without labels are left out here, once for all methods.

use super::domain::{self, Domain};
use super::setting::{require_not_negative, require_one_each};
use super::{Balance, Evidence, Gramian, Needs, Weights};
use crate::{Error, ErrorKind, Result};

/// A balancing method at work on K tasks.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, PcGrad};
/// use polytask::ndarray::array;
///
/// let mut balancer = Balancer::new(PcGrad::new(), 3)?;
/// let gramian = array![[18.0, -22.0, 5.0], [-22.0, 38.0, 1.0], [5.0, 1.0, 9.0]];
/// let mut evidence = FixedEvidence::from_gramian(&gramian).with_labels(&[true, true, false]);
/// let weights = balancer.weights(&mut evidence);
/// assert!((weights.shared[0] - (1.0 + 22.0 / 18.0)).abs() < 1e-12);
/// assert_eq!((weights.shared[2], weights.own[2]), (0.0, 0.0));   // no label, no weight
/// assert_eq!(weights.own[..2], [1.0, 1.0]);                      // surgery leaves the heads alone
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Balancer {
    method: Box<dyn Balance>,
    /// What each task's loss is multiplied by before the method sees it.
    factors: Vec<f64>,
    /// The tasks with labels in the last batch.
    index: Vec<usize>,
    losses: Vec<f64>,
    gramian: Gramian,
    reduced: Weights,
    weights: Weights,
}

/// What a method carries from one step to the next, each list of numbers under its name: first the number of
/// tasks, then the lists of [`Balance::state`], which are empty if the method has not begun.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Rlw};
///
/// let mut balancer = Balancer::new(Rlw::new(7), 2)?;
/// balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
/// let state = balancer.state();
/// assert_eq!(state, [("tasks".to_owned(), vec![2.0]), ("steps".to_owned(), vec![1.0])]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub type State = Vec<(String, Vec<f64>)>;

impl Balancer {
    /// Starts `method` afresh for `n_tasks` tasks, whatever state it is in.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the method is outside its range or does not fit the number of
    /// tasks, or there are no tasks.
    pub fn new(method: impl Balance + 'static, n_tasks: usize) -> Result<Self> {
        if n_tasks == 0 {
            return Err(Error::new(ErrorKind::Setting, "balance", "at least 1 task", 0));
        }
        method.check(n_tasks)?;
        let mut balancer = Self {
            method: Box::new(method),
            factors: vec![1.0; n_tasks],
            index: Vec::with_capacity(n_tasks),
            losses: Vec::with_capacity(n_tasks),
            gramian: Gramian::default(),
            reduced: Weights::ones(n_tasks),
            weights: Weights::ones(n_tasks),
        };
        balancer.reset();
        Ok(balancer)
    }

    /// Balances the losses `fₖ Lₖ` instead of `Lₖ`, with one factor for each task: what the method is shown is
    /// multiplied by the factors (losses by fₖ, entries of the Gramian by fₖ fₗ), and so are the weights it
    /// gives, because `∇(fₖ Lₖ) = fₖ ∇ₖ`. A task with factor 0 takes no part.
    ///
    /// ```
    /// use polytask::balance::{Balancer, Equal, Mgda, FixedEvidence};
    /// use polytask::ndarray::array;
    ///
    /// let mut sum = Balancer::new(Equal::sum(), 2)?.scale_losses(&[1.0, 0.1])?;
    /// assert_eq!(sum.weights(&mut FixedEvidence::from_losses(&[3.0, 3.0])).shared, [1.0, 0.1]);
    ///
    /// // The shortest mean of ∇₁ and 2 ∇₂, of lengths 1 and 2 at a right angle, has weights 4/5 and 1/5.
    /// let mut mgda = Balancer::new(Mgda::new(), 2)?.scale_losses(&[1.0, 2.0])?;
    /// let weights = mgda.weights(&mut FixedEvidence::from_jacobian(&array![[1.0, 0.0], [0.0, 1.0]]));
    /// assert!((weights.shared[0] - 0.8).abs() < 1e-12 && (weights.shared[1] - 2.0 * 0.2).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there is not one factor for each task, or one is negative or not finite.
    pub fn scale_losses(mut self, factors: &[f64]) -> Result<Self> {
        require_one_each(factors, self.factors.len(), "factors of the losses")?;
        for &factor in factors {
            require_not_negative(factor, "factor of a loss")?;
        }
        self.factors.copy_from_slice(factors);
        Ok(self)
    }

    /// The same as [`scale_losses`](Self::scale_losses) between two steps, with factors known to be in their range.
    pub(crate) fn set_factors(&mut self, factors: impl Iterator<Item = f64>) {
        self.factors.iter_mut().zip(factors).for_each(|(own, factor)| *own = factor);
    }

    /// Whether the method is defined for these losses of the K tasks. A task without a label, or with a loss that is not
    /// finite, takes no part and passes.
    ///
    /// ```
    /// use polytask::balance::{Balancer, Uncertainty};
    ///
    /// let balancer = Balancer::new(Uncertainty::new(), 2)?;
    /// balancer.check_losses(&[0.5, -0.1], &[true, false])?;
    /// let error = balancer.check_losses(&[0.5, -0.1], &[true, true]).unwrap_err().to_string();
    /// assert!(error.contains("expected 0 or more, for which `Uncertainty` is defined, found -0.1"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a loss is outside the method's [`Domain`].
    pub fn check_losses(&self, losses: &[f64], labelled: &[bool]) -> Result<()> {
        self.check_losses_at(losses, labelled, domain::numbered)
    }

    /// [`check_losses`](Self::check_losses), where `place` says where the loss of a task was met.
    pub(crate) fn check_losses_at(
        &self,
        losses: &[f64],
        labelled: &[bool],
        place: impl Fn(usize) -> String,
    ) -> Result<()> {
        let taking_part = (0..losses.len())
            .filter(|&k| labelled[k] && losses[k].is_finite() && self.factors[k] > 0.0)
            .map(|k| (k, self.factors[k] * losses[k]));
        domain::check(self.method.name(), |k| self.method.domain(k), taking_part, place)
    }

    /// The name of the method: see [`Balance::name`].
    pub fn name(&self) -> &'static str {
        self.method.name()
    }

    /// For which losses of `task` the method is defined: see [`Balance::domain`].
    pub fn domain(&self, task: usize) -> Domain {
        self.method.domain(task)
    }

    /// The weights of this step for all K tasks; 0 for tasks without a label.
    ///
    /// # Panics
    /// If the evidence is not of K tasks, or a loss is outside the method's domain: [`check_losses`](Self::check_losses)
    /// tells beforehand.
    #[track_caller]
    pub fn weights(&mut self, evidence: &mut dyn Evidence) -> &Weights {
        let n_tasks = self.weights.shared.len();
        let (losses, labelled) = (evidence.losses(), evidence.labelled());
        assert_eq!(
            (losses.len(), labelled.len()),
            (n_tasks, n_tasks),
            "losses and labels of {n_tasks} tasks"
        );
        self.check_losses(losses, labelled).unwrap_or_else(|error| panic!("{error}"));
        self.index.clear();
        self.index
            .extend((0..n_tasks).filter(|&k| labelled[k] && losses[k].is_finite() && self.factors[k] > 0.0));
        self.losses.clear();
        self.losses.extend(self.index.iter().map(|&k| self.factors[k] * losses[k]));

        for list in [&mut self.reduced.shared, &mut self.reduced.own] {
            list.clear();
            list.resize(self.index.len(), 1.0);
        }
        if !self.index.is_empty() {
            let mut tasks = Tasks {
                all: n_tasks,
                index: &self.index,
                factors: &self.factors,
                losses: &self.losses,
                gramian: &mut self.gramian,
                evidence: Some(evidence),
            };
            self.method.weigh(&mut tasks, &mut self.reduced);
        }
        self.weights.shared.fill(0.0);
        self.weights.own.fill(0.0);
        for (i, &k) in self.index.iter().enumerate() {
            self.weights.shared[k] = self.factors[k] * self.reduced.shared[i];
            self.weights.own[k] = self.factors[k] * self.reduced.own[i];
        }
        &self.weights
    }

    /// The weights of the last step: 1 before the first.
    ///
    /// ```
    /// use polytask::balance::{Balancer, FixedEvidence, ScaleInvariant, Weights};
    ///
    /// let mut balancer = Balancer::new(ScaleInvariant::new(), 2)?;
    /// assert_eq!(balancer.last(), &Weights::ones(2));
    /// balancer.weights(&mut FixedEvidence::from_losses(&[4.0, 0.5]));
    /// assert_eq!(balancer.last().shared, [0.25, 2.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn last(&self) -> &Weights {
        &self.weights
    }

    /// What the method has to be shown at the coming step.
    pub fn needs(&self) -> Needs {
        self.method.needs()
    }

    /// Tells the method the losses of all K tasks on the same batch after the step. Only methods with
    /// [`Needs::losses_after_step`] use them.
    ///
    /// ```
    /// use polytask::balance::{Balancer, Famo, FixedEvidence};
    ///
    /// let mut balancer = Balancer::new(Famo::new(), 2)?;
    /// balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
    /// if balancer.needs().losses_after_step {
    ///     balancer.after_step(&[0.9, 0.2]); // the step served the second task more
    /// }
    /// let weights = balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 1.0]));
    /// assert!(weights.shared[0] > weights.shared[1]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are not K losses, or one is outside the method's domain.
    #[track_caller]
    pub fn after_step(&mut self, losses: &[f64]) {
        assert_eq!(losses.len(), self.weights.shared.len(), "one loss for each task");
        self.index.retain(|&k| losses[k].is_finite());
        self.losses.clear();
        self.losses.extend(self.index.iter().map(|&k| self.factors[k] * losses[k]));
        let taking_part = self.index.iter().copied().zip(self.losses.iter().copied());
        domain::check(self.method.name(), |k| self.method.domain(k), taking_part, domain::numbered)
            .unwrap_or_else(|error| panic!("{error}"));
        self.method.after_step(&self.index, &self.losses);
    }

    /// Tells the method that the epoch has ended.
    ///
    /// ```
    /// use polytask::balance::{Balancer, Dwa, FixedEvidence};
    ///
    /// let mut balancer = Balancer::new(Dwa::new(), 2)?;
    /// for losses in [[1.0, 1.0], [0.9, 0.1]] {
    ///     balancer.weights(&mut FixedEvidence::from_losses(&losses));
    ///     assert_eq!(balancer.last().shared, [1.0, 1.0]); // nothing to compare before two epochs have ended
    ///     balancer.end_epoch();
    /// }
    /// let weights = balancer.weights(&mut FixedEvidence::from_losses(&[0.9, 0.1]));
    /// assert!(weights.shared[0] > weights.shared[1]); // the first loss falls more slowly
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn end_epoch(&mut self) {
        self.method.end_epoch();
    }

    /// Forgets what was learned.
    pub fn reset(&mut self) {
        self.method.state().into_iter().for_each(|(_, list)| list.clear());
        self.index.clear();
        self.weights.shared.fill(1.0);
        self.weights.own.fill(1.0);
    }

    /// A copy of all that the method carries from step to step: what a checkpoint saves.
    pub fn state(&self) -> State {
        read(self.weights.shared.len(), self.method.clone().state())
    }

    /// Resumes from the [`state`](Self::state) of the same method with the same settings, bit for bit.
    ///
    /// ```
    /// use polytask::balance::{Balancer, FixedEvidence, Rlw, Weights};
    ///
    /// let mut evidence = FixedEvidence::from_losses(&[1.0, 1.0]);
    /// let mut balancer = Balancer::new(Rlw::new(7), 2)?;
    /// let (first, saved) = (balancer.weights(&mut evidence).clone(), balancer.state());
    /// let second = balancer.weights(&mut evidence).clone();
    ///
    /// let mut resumed = Balancer::new(Rlw::new(7), 2)?;
    /// resumed.restore(&saved)?;
    /// assert_eq!(resumed.weights(&mut evidence), &second);
    /// assert!(Balancer::new(Rlw::new(7), 3)?.restore(&saved).is_err()); // other tasks
    ///
    /// resumed.reset();
    /// assert_eq!(resumed.last(), &Weights::ones(2));
    /// assert_eq!(resumed.weights(&mut evidence), &first);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the state is that of another method or number of tasks; then nothing is
    /// changed.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        write(self.weights.shared.len(), self.method.state(), state)?;
        // The step that this balancer may be in the middle of is not the state's.
        self.index.clear();
        Ok(())
    }
}

/// Copies the lists of a method for `n_tasks` tasks.
pub(super) fn read(n_tasks: usize, lists: Vec<(&'static str, &mut Vec<f64>)>) -> State {
    let mut state = vec![("tasks".to_owned(), vec![n_tasks as f64])];
    state.extend(lists.into_iter().map(|(name, list)| (name.to_owned(), list.clone())));
    state
}

/// Writes a copy back to the lists of a method for `n_tasks` tasks.
pub(super) fn write(n_tasks: usize, lists: Vec<(&'static str, &mut Vec<f64>)>, state: &State) -> Result<()> {
    let names = |state: &State| state.iter().map(|list| list.0.clone()).collect::<Vec<_>>();
    let expected: Vec<_> = std::iter::once("tasks").chain(lists.iter().map(|list| list.0)).collect();
    let fault = |expected: String, found: String| {
        Error::new(ErrorKind::Value, "state of the balance", expected, found)
            .advise("restore it with the method and the tasks it was saved from")
    };
    if names(state) != expected {
        return Err(fault(format!("the lists {expected:?}"), format!("{:?}", names(state))));
    }
    if state[0].1 != [n_tasks as f64] {
        return Err(fault(format!("a state of {n_tasks} tasks"), format!("{:?}", state[0].1)));
    }
    for ((_, list), (_, saved)) in lists.into_iter().zip(&state[1..]) {
        list.clone_from(saved);
    }
    Ok(())
}

/// The tasks that take part in a step: those that have labels. All lists are in their order.
///
/// ```
/// use polytask::balance::{Balance, Balancer, Needs, FixedEvidence, Tasks, Weights};
///
/// /// Weighs each task by how far its loss is above the least it ever had.
/// #[derive(Clone, Debug, Default)]
/// struct AboveBest {
///     best: Vec<f64>, // of all tasks
/// }
///
/// impl Balance for AboveBest {
///     fn needs(&self) -> Needs {
///         Needs::LOSSES
///     }
///
///     fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
///         self.best.resize(tasks.all(), f64::INFINITY);
///         for (i, (&k, &loss)) in tasks.index().iter().zip(tasks.losses()).enumerate() {
///             self.best[k] = self.best[k].min(loss);
///             weights.shared[i] = loss / self.best[k] / tasks.len() as f64;
///         }
///         weights.scale_heads();
///     }
/// }
///
/// let mut balancer = Balancer::new(AboveBest::default(), 3)?;
/// balancer.weights(&mut FixedEvidence::from_losses(&[1.0, 2.0, 4.0]));
/// let mut evidence = FixedEvidence::from_losses(&[0.0, 2.0, 8.0]).with_labels(&[false, true, true]);
/// assert_eq!(balancer.weights(&mut evidence).shared, [0.0, 0.5, 1.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub struct Tasks<'a> {
    all: usize,
    index: &'a [usize],
    /// Of all tasks.
    factors: &'a [f64],
    losses: &'a [f64],
    gramian: &'a mut Gramian,
    /// Taken when the Gramian is asked for.
    evidence: Option<&'a mut dyn Evidence>,
}

impl<'a> Tasks<'a> {
    /// How many tasks there are in all, with and without labels.
    pub fn all(&self) -> usize {
        self.all
    }

    /// For each task that takes part, its place among all tasks: where its state is kept.
    pub fn index(&self) -> &'a [usize] {
        self.index
    }

    /// How many tasks take part; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is always a task")]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Their losses, all finite.
    pub fn losses(&self) -> &'a [f64] {
        self.losses
    }

    /// Their Gramian. It is computed when it is asked for the first time.
    ///
    /// # Panics
    /// If the evidence has a Gramian that is not K × K.
    #[track_caller]
    pub fn gramian(&mut self) -> &Gramian {
        if let Some(evidence) = self.evidence.take() {
            let full = evidence.gramian();
            let (all, index, factors) = (self.all, self.index, self.factors);
            assert_eq!(full.dim(), (all, all), "the Gramian of {all} tasks is {all} × {all}");
            self.gramian.fill(index.len(), |i, j| {
                let (k, l) = (index[i], index[j]);
                factors[k] * factors[l] * full[[k, l]]
            });
        }
        self.gramian
    }
}

impl std::fmt::Debug for Tasks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks")
            .field("index", &self.index)
            .field("losses", &self.losses)
            .finish_non_exhaustive()
    }
}
