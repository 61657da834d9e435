//! The wider contract, for methods that need the gradients themselves: the K × P matrix in, one direction out.

use std::fmt::Debug;

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::balancer::{State, read, write};
use super::domain::{self, Domain};
use crate::{Error, ErrorKind, Result};

/// A method that makes one direction from the gradients of all tasks. As with [`Balance`](super::Balance), it
/// sees the tasks with labels only; an [`Aggregator`] does the rest.
///
/// ```
/// use ndarray::array;
/// use polytask::balance::{Aggregate, Aggregator, TaskGradients};
///
/// /// For every parameter the entry of least size, if all tasks agree on its sign, else 0.
/// #[derive(Clone, Debug)]
/// struct Agreed;
///
/// impl Aggregate for Agreed {
///     fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], _own: &mut [f64]) {
///         for (p, d) in direction.iter_mut().enumerate() {
///             let (low, high) = rows.rows().fold((f64::MAX, f64::MIN), |(low, high), row| {
///                 (low.min(row[p]), high.max(row[p]))
///             });
///             *d = if low > 0.0 { low } else if high < 0.0 { high } else { 0.0 };
///         }
///     }
/// }
///
/// let mut agreed = Aggregator::new(Agreed, 2)?;
/// let jacobian = array![[1.0, -2.0, 3.0], [2.0, -1.0, -1.0]];
/// let mut d = [0.0; 3];
/// agreed.direction(&[0.5, 0.5], &[true, true], jacobian.view(), &mut d);
/// assert_eq!(d, [1.0, -1.0, 0.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Aggregate: BoxedAggregate + Debug + Send + Sync {
    /// Writes the direction of this step to every entry of `direction`, one for each shared parameter, and the
    /// weights of what belongs to each task alone to `own`, which comes filled with 1. At least one task has a
    /// label.
    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], own: &mut [f64]);

    /// The name by which errors call the method: that of its type.
    fn name(&self) -> &'static str {
        domain::type_name::<Self>()
    }

    /// For which losses of `task` the method is defined: see [`Balance::domain`](super::Balance::domain).
    fn domain(&self, task: usize) -> Domain {
        let _ = task;
        Domain::All
    }

    /// The numbers that the method carries from one step to the next: see
    /// [`Balance::state`](super::Balance::state).
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        Vec::new()
    }

    /// Whether the settings make sense for `n_tasks` tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] for a setting outside its range, or a list that does not have one entry per task.
    fn check(&self, n_tasks: usize) -> Result<()> {
        let _ = n_tasks;
        Ok(())
    }
}

/// Copies a method whose type is hidden. Every method that is `Clone` has it.
pub trait BoxedAggregate {
    /// A copy of the method, settings and state, in a box.
    fn boxed(&self) -> Box<dyn Aggregate>;
}

impl<A: Aggregate + Clone + 'static> BoxedAggregate for A {
    fn boxed(&self) -> Box<dyn Aggregate> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Aggregate> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl Aggregate for Box<dyn Aggregate> {
    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], own: &mut [f64]) {
        (**self).aggregate(rows, direction, own);
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn domain(&self, task: usize) -> Domain {
        (**self).domain(task)
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        (**self).state()
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        (**self).check(n_tasks)
    }
}

/// The gradients of the tasks that take part in a step. All lists are in their order.
///
/// ```
/// use ndarray::array;
/// use polytask::balance::{Aggregate, Aggregator, TaskGradients};
///
/// /// The gradient of the task whose losses, summed over the steps, are the largest.
/// #[derive(Clone, Debug, Default)]
/// struct Worst {
///     losses: Vec<f64>, // of all tasks
/// }
///
/// impl Aggregate for Worst {
///     fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], _own: &mut [f64]) {
///         assert_eq!(rows.width(), direction.len());
///         self.losses.resize(rows.all(), 0.0);
///         rows.index().iter().zip(rows.losses()).for_each(|(&k, &loss)| self.losses[k] += loss);
///         let sum = |i: &usize| self.losses[rows.index()[*i]];
///         let worst = (0..rows.index().len()).max_by(|i, j| sum(i).total_cmp(&sum(j)));
///         rows.row(worst.expect("a task takes part")).iter().zip(direction).for_each(|(g, d)| *d = *g);
///     }
/// }
///
/// let mut aggregator = Aggregator::new(Worst::default(), 3)?;
/// let jacobian = array![[1.0, 0.0], [5.0, 5.0], [0.0, 2.0]];
/// let mut d = [0.0; 2];
/// aggregator.direction(&[0.1, 9.0, 0.7], &[true, false, true], jacobian.view(), &mut d);
/// assert_eq!(d, [0.0, 2.0]); // task 1 has the largest loss, but no label
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TaskGradients<'a> {
    all: usize,
    index: &'a [usize],
    losses: &'a [f64],
    jacobian: ArrayView2<'a, f64>,
}

impl<'a> TaskGradients<'a> {
    /// How many tasks there are in all, with and without labels.
    pub fn all(&self) -> usize {
        self.all
    }

    /// For each task that takes part, its place among all tasks: where its state is kept.
    pub fn index(&self) -> &'a [usize] {
        self.index
    }

    /// Their losses, all finite.
    pub fn losses(&self) -> &'a [f64] {
        self.losses
    }

    /// The number of shared parameters, P.
    pub fn width(&self) -> usize {
        self.jacobian.ncols()
    }

    /// The gradient of the `i`th task that takes part; all its entries are finite.
    pub fn row(&self, i: usize) -> ArrayView1<'a, f64> {
        self.jacobian.index_axis_move(Axis(0), self.index[i])
    }

    /// The gradients of all that take part.
    pub fn rows(&self) -> impl Iterator<Item = ArrayView1<'a, f64>> + '_ {
        (0..self.index.len()).map(|i| self.row(i))
    }
}

/// A method of the wider contract at work on K tasks.
///
/// ```
/// use polytask::balance::{Aggregator, GradDrop};
/// use polytask::ndarray::array;
///
/// let jacobian = array![[1.0, 2.0, -3.0], [1.0, 2.0, 3.0]];
/// let mut aggregator = Aggregator::new(GradDrop::new(1), 2)?;
/// let mut d = [0.0; 3];
/// aggregator.direction(&[1.0, 1.0], &[true, true], jacobian.view(), &mut d);
/// assert_eq!(d[..2], [2.0, 4.0]);                    // where all agree the gradients are summed
/// assert!(d[2] == 3.0 || d[2] == -3.0);              // where they do not one sign is drawn
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Aggregator {
    method: Box<dyn Aggregate>,
    index: Vec<usize>,
    losses: Vec<f64>,
    reduced: Vec<f64>,
    own: Vec<f64>,
}

impl Aggregator {
    /// Starts `method` afresh for `n_tasks` tasks, whatever state it is in.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the method is outside its range or does not fit the number of
    /// tasks, or there are no tasks.
    pub fn new(method: impl Aggregate + 'static, n_tasks: usize) -> Result<Self> {
        if n_tasks == 0 {
            return Err(Error::new(ErrorKind::Setting, "balance", "at least 1 task", 0));
        }
        method.check(n_tasks)?;
        let mut aggregator = Self {
            method: Box::new(method),
            index: Vec::with_capacity(n_tasks),
            losses: Vec::with_capacity(n_tasks),
            reduced: Vec::with_capacity(n_tasks),
            own: vec![1.0; n_tasks],
        };
        aggregator.reset();
        Ok(aggregator)
    }

    /// Whether the method is defined for these losses of the K tasks: see
    /// [`Balancer::check_losses`](super::Balancer::check_losses).
    ///
    /// ```
    /// use polytask::balance::{Aggregator, Domain, MoCo};
    ///
    /// let moco = Aggregator::new(MoCo::new(), 2)?;
    /// assert_eq!((moco.name(), moco.domain(0)), ("MoCo", Domain::AtLeast(0.0)));
    /// assert!(moco.check_losses(&[0.5, -0.1], &[true, false]).is_ok());
    /// assert!(moco.check_losses(&[0.5, -0.1], &[true, true]).is_err());
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
        let present = losses.iter().copied().enumerate().filter(|&(k, loss)| labelled[k] && loss.is_finite());
        domain::check(self.method.name(), |k| self.method.domain(k), present, place)
    }

    /// The name of the method: see [`Aggregate::name`].
    pub fn name(&self) -> &'static str {
        self.method.name()
    }

    /// For which losses of `task` the method is defined: see [`Aggregate::domain`].
    pub fn domain(&self, task: usize) -> Domain {
        self.method.domain(task)
    }

    /// Writes the direction of this step and gives the weights of what belongs to each of the K tasks alone.
    ///
    /// `jacobian` is K × P, one gradient per row. A task without a label, or whose loss or gradient is not
    /// finite, takes no part and has own weight 0; if none takes part the direction is zero.
    ///
    /// # Panics
    /// If the shapes do not fit each other and the number of tasks, or a loss is outside the method's domain:
    /// [`check_losses`](Self::check_losses) tells beforehand.
    #[track_caller]
    pub fn direction(
        &mut self,
        losses: &[f64],
        labelled: &[bool],
        jacobian: ArrayView2<'_, f64>,
        direction: &mut [f64],
    ) -> &[f64] {
        let n_tasks = self.own.len();
        assert_eq!(
            (losses.len(), labelled.len()),
            (n_tasks, n_tasks),
            "losses and labels of {n_tasks} tasks"
        );
        assert_eq!(
            jacobian.dim(),
            (n_tasks, direction.len()),
            "one gradient as long as the direction for each task"
        );
        self.check_losses(losses, labelled).unwrap_or_else(|error| panic!("{error}"));
        let finite = |k: usize| losses[k].is_finite() && jacobian.row(k).iter().all(|g| g.is_finite());
        self.index.clear();
        self.index.extend((0..n_tasks).filter(|&k| labelled[k] && finite(k)));
        self.losses.clear();
        self.losses.extend(self.index.iter().map(|&k| losses[k]));
        self.reduced.clear();
        self.reduced.resize(self.index.len(), 1.0);
        if self.index.is_empty() {
            direction.fill(0.0);
        } else {
            let rows = TaskGradients { all: n_tasks, index: &self.index, losses: &self.losses, jacobian };
            self.method.aggregate(&rows, direction, &mut self.reduced);
        }
        self.own.fill(0.0);
        for (&k, &weight) in self.index.iter().zip(&self.reduced) {
            self.own[k] = weight;
        }
        &self.own
    }

    /// Forgets what was learned.
    pub fn reset(&mut self) {
        self.method.state().into_iter().for_each(|(_, list)| list.clear());
        self.own.fill(1.0);
    }

    /// A copy of all that the method carries from step to step: what a checkpoint saves.
    pub fn state(&self) -> State {
        read(self.own.len(), self.method.clone().state())
    }

    /// Resumes from the [`state`](Self::state) of the same method with the same settings, bit for bit.
    ///
    /// ```
    /// use polytask::balance::{Aggregator, GradDrop, MoCo};
    /// use polytask::ndarray::array;
    ///
    /// let step = |aggregator: &mut Aggregator| {
    ///     let (jacobian, mut d) = (array![[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]], [0.0; 3]);
    ///     aggregator.direction(&[1.0, 1.0], &[true, true], jacobian.view(), &mut d);
    ///     d
    /// };
    /// let mut aggregator = Aggregator::new(GradDrop::new(1), 2)?;
    /// let (first, saved) = (step(&mut aggregator), aggregator.state());
    /// let second = step(&mut aggregator);
    /// let mut other = Aggregator::new(GradDrop::new(1), 2)?;
    /// other.restore(&saved)?;
    /// assert_eq!(step(&mut other), second); // the draws go on
    /// other.reset();
    /// assert_eq!(step(&mut other), first); // and begin again
    /// assert!(Aggregator::new(MoCo::new(), 2)?.restore(&saved).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the state is that of another method or number of tasks; then nothing is
    /// changed.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        write(self.own.len(), self.method.state(), state)
    }
}
