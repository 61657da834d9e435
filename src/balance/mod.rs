//! Balancing: from what is known of the tasks in a batch to one weight per task.
//!
//! Every method here sees only small things: K losses, which tasks have labels, and, if it asks, the K × K
//! Gramian of the task gradients, `G[k, l] = ⟨∇ₖ, ∇ₗ⟩` over the shared parameters. From these it makes the
//! weights of the step; the direction of the step is then `d = Σₖ wₖ ∇ₖ`. So the methods serve anyone who
//! has losses and gradients, with or without the rest of the crate:
//!
//! ```
//! use polytask::balance::{Balancer, Mgda, FixedEvidence};
//! use polytask::ndarray::array;
//!
//! // Two gradients in conflict: one row per task, one column per shared parameter.
//! let jacobian = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
//! let mut balancer = Balancer::new(Mgda::new(), 2)?;
//! let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian));
//! assert!((weights.shared[0] - 0.6).abs() < 1e-12 && (weights.shared[1] - 0.4).abs() < 1e-12);
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! # The nouns
//!
//! - [`Evidence`] is what one batch tells; [`FixedEvidence`] is evidence made of plain numbers.
//! - [`Balance`] is a method: its settings and what it has learned so far. It only ever sees the tasks that
//!   have labels, as [`Tasks`], and writes one weight for each.
//! - [`Balancer`] is a method at work on K tasks: it leaves out the tasks without labels, owns the buffers,
//!   and hands out [`Weights`] for all K.
//! - [`Aggregate`] and [`Aggregator`] are the same pair for the few methods that need the K × P matrix of
//!   gradients itself and answer with a direction.
//!
//! # The methods
//!
//! | reads | methods |
//! |---|---|
//! | nothing | [`Equal`], [`Fixed`], [`Rlw`] |
//! | losses | [`ScaleInvariant`], [`Uncertainty`], [`ImtlL`], [`Dwa`], [`Gls`], [`Stch`], [`Famo`] |
//! | the Gramian | [`Mgda`], [`PcGrad`], [`GradVac`], [`CaGrad`], [`NashMtl`], [`FairGrad`], [`ImtlG`], [`AlignedMtl`], [`UpGrad`], [`DualProj`], [`ConFig`] |
//! | losses and the Gramian | [`Imtl`], [`GradNorm`], [`DbMtl`] |
//! | the matrix of gradients | [`GradDrop`], [`MoCo`], [`ExcessMtl`], [`DbMtlMomentum`] |
//! | another method | [`Smoothed`], [`EveryNth`], [`ScaleHeads`] |
//!
//! # What holds for all of them
//!
//! - Weights are finite for every finite Gramian, at any scale, of any rank, zero included. Gramians are
//!   divided by their trace before a method sees them, and every threshold is relative to it.
//! - A task without a label in the batch, or whose loss is not finite, gets weight 0 and changes no state.
//! - Each says for which losses it is defined ([`Balance::domain`]). Those that divide by losses or take their logarithm
//!   are defined for losses of 0 or more, and nothing is made of a negative one: a training is refused at its start
//!   where a loss, such as the Gaussian one, can be negative, and fails at the first loss outside the domain
//!   otherwise; in a loop of your own, ask [`Balancer::check_losses`]. A loss of 0 counts as 10⁻³⁰.
//! - A method that learns on the side (log-variances, logits) has an optimiser of its own for these numbers,
//!   without the network's learning rate or weight decay.
//! - What is random depends on the seed and the number of steps taken, and on nothing else.
//! - After the first step, asking for weights allocates nothing.
//!
//! # In the corners
//!
//! The direction of the first step where the gradients lie on one line: the factor of g for one task, two equal
//! ones, g and 2g, g and a task without a gradient, and g against −2g. In the last column two tasks cancel,
//! (2, 0) and (−2, 0), and a third has (0, 2), which the factor is of. All losses are 1, on
//! which the weights of [`Gls`], [`Stch`] and others depend; what is random is "drawn".
//!
//! | method | g | g, g | g, 2g | g, 0 | g, −2g | two cancel |
//! |---|---:|---:|---:|---:|---:|---:|
//! | [`Equal::sum`] | 1 | 2 | 3 | 1 | -1 | 1 |
//! | [`Equal::mean`] | 1 | 1 | 1.5 | 0.5 | -0.5 | 0.333 |
//! | [`Rlw`] | 1 | 1 | drawn | drawn | drawn | drawn |
//! | [`ScaleInvariant`] | 1 | 2 | 3 | 1 | -1 | 1 |
//! | [`Uncertainty`] | 0.5 | 1 | 1.5 | 0.5 | -0.5 | 0.5 |
//! | [`ImtlL`] | 1 | 2 | 3 | 1 | -1 | 1 |
//! | [`Dwa`] | 1 | 2 | 3 | 1 | -1 | 1 |
//! | [`Gls`] | 1 | 1 | 1.5 | 0.5 | -0.5 | 0.333 |
//! | [`Stch`] | 1 | 0.5 | 0.75 | 0.25 | -0.25 | 0.111 |
//! | [`Famo`] | 1 | 1 | 1.5 | 0.5 | -0.5 | 0.333 |
//! | [`Mgda`] | 1 | 1 | 1 | 0 | 0 | 0 |
//! | [`PcGrad`] | 1 | 2 | 3 | 1 | 0 | 1 |
//! | [`GradVac`] | 1 | 2 | 3 | 1 | 0 | 1 |
//! | [`CaGrad`] | 1.207 | 1.207 | 1.81 | 0 | -0.259 | 0 |
//! | [`NashMtl`] | 0.5 | 0.5 | 0.5 | 0.5 | 0 | 0.5 |
//! | [`FairGrad`] | 0.5 | 0.707 | 0.707 | 0.5 | 0 | 0.5 |
//! | [`ImtlG`] | 1 | 1 | 1.333 | 1 | 0 | 1 |
//! | [`AlignedMtl`] | 1 | 1 | 1.5 | 0.5 | -0.5 | 0.333 |
//! | [`UpGrad`] | 1 | 1 | 1.5 | 0.5 | 0 | 0.333 |
//! | [`DualProj`] | 1 | 1 | 1.5 | 0.5 | 0 | 0.333 |
//! | [`ConFig`] | 1 | 2 | 3 | 1 | 0 | 1 |
//! | [`Imtl`] | 1 | 1 | 1.333 | 1 | 0 | 1 |
//! | [`GradNorm`] | 1 | 2 | 3 | 1 | -1 | 1 |
//! | [`DbMtl`] | 1 | 2 | 4 | 1 | 0 | 1 |
//! | [`GradDrop`] | 1 | 2 | 3 | 1 | drawn | drawn |
//! | [`MoCo`] | 0.5 | 0.5 | 0.5 | 0.238 | 0 | 0.156 |
//! | [`ExcessMtl`] | 1 | 2 | 3 | 1.005 | -1 | 1 |
//! | [`DbMtlMomentum`] | 1 | 2 | 4 | 1 | 0 | 1 |
//!
//! A gradient of zero, two opposite ones and two that cancel are all Pareto stationary: no direction improves
//! every task. [`Mgda`] stops there, and [`CaGrad`] too where its ball lets it; the others go on with the rest.
//!
//! Under Adam the length of `d` hardly matters; under plain SGD a method whose weights sum to K takes steps K
//! times as long as one whose weights sum to 1. Each method says which it is.

use std::fmt::Debug;

use ndarray::ArrayView2;

use crate::Result;

mod aggregate;
mod balancer;
mod domain;
mod fixed_evidence;
mod gramian;
mod order;
mod preference;
mod setting;
mod solver;

mod dwa;
mod equal;
mod famo;
mod fixed;
mod gls;
mod rlw;
mod scale_invariant;
mod stch;
mod uncertainty;

mod aligned_mtl;
mod cagrad;
mod con_fig;
mod db_mtl;
mod dual_proj;
mod fairgrad;
mod gradnorm;
mod gradvac;
mod imtl;
mod mgda;
mod nash_mtl;
mod pcgrad;
mod upgrad;

mod excess_mtl;
mod graddrop;
mod moco;

mod every_nth;
mod scale_heads;
mod smoothed;

pub mod diagnostics;

pub use aggregate::{Aggregate, Aggregator, TaskGradients};
pub use aligned_mtl::{AlignedMtl, CommonScale};
pub use balancer::{Balancer, State, Tasks};
pub use cagrad::{CaGrad, Rescale};
pub use con_fig::ConFig;
pub use db_mtl::{DbMtl, DbMtlMomentum};
pub(crate) use domain::ADVICE as DOMAIN_ADVICE;
pub use domain::Domain;
pub use dual_proj::DualProj;
pub use dwa::Dwa;
pub use equal::Equal;
pub use every_nth::EveryNth;
pub use excess_mtl::ExcessMtl;
pub use fairgrad::FairGrad;
pub use famo::Famo;
pub use fixed::Fixed;
pub use fixed_evidence::FixedEvidence;
pub use gls::Gls;
pub use graddrop::GradDrop;
pub use gradnorm::GradNorm;
pub use gradvac::GradVac;
pub use gramian::Gramian;
pub use imtl::{Imtl, ImtlG, ImtlL};
pub use mgda::{Mgda, Normalisation};
pub use moco::MoCo;
pub use nash_mtl::NashMtl;
pub use order::Order;
pub use pcgrad::PcGrad;
pub use rlw::Rlw;
pub use scale_heads::ScaleHeads;
pub use scale_invariant::ScaleInvariant;
pub use smoothed::Smoothed;
pub use stch::Stch;
pub use uncertainty::Uncertainty;
pub use upgrad::UpGrad;

/// What a balancing method may know of one batch. All of it is in `f64`, whatever the network computes in.
///
/// ```
/// use ndarray::{Array2, ArrayView2, array};
/// use polytask::balance::{Balancer, Evidence, UpGrad};
///
/// /// Gradients from anywhere, a task a row.
/// struct Gradients(Array2<f64>);
///
/// impl Evidence for Gradients {
///     fn losses(&self) -> &[f64] {
///         &[0.7, 0.2]
///     }
///     fn labelled(&self) -> &[bool] {
///         &[true, true]
///     }
///     fn gramian(&mut self) -> ArrayView2<'_, f64> {
///         self.0.view()
///     }
/// }
///
/// let rows = array![[1.0, 0.0], [-1.0, 1.0]];
/// let mut balancer = Balancer::new(UpGrad::new(), 2)?;
/// let weights = balancer.weights(&mut Gradients(rows.dot(&rows.t())));
/// let d = &rows.row(0) * weights.shared[0] + &rows.row(1) * weights.shared[1];
/// assert!(rows.dot(&d).iter().all(|served| *served > -1e-12));
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Evidence {
    /// The unweighted loss of each task, in the order of the tasks.
    fn losses(&self) -> &[f64];

    /// For each task, whether the batch has a label for it. A task without one has loss 0 and gradient 0 and
    /// is left out of the balance.
    fn labelled(&self) -> &[bool];

    /// The K × K Gramian of the task gradients. It is computed when it is asked for.
    fn gramian(&mut self) -> ArrayView2<'_, f64>;
}

/// The weights of one step.
///
/// There are two of each task, because loss weighting scales a head's gradient too and gradient surgery
/// does not.
///
/// ```
/// use polytask::balance::Weights;
///
/// let mut weights = Weights::ones(2);
/// weights.shared[1] = 0.5; // as gradient surgery does: the head of task 1 keeps its step
/// assert_eq!((weights.shared[1], weights.own[1]), (0.5, 1.0));
/// weights.scale_heads(); // as a weighted sum of losses does
/// assert_eq!(weights.own, [1.0, 0.5]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Scales a task's contribution to the gradient of the shared parameters.
    pub shared: Vec<f64>,
    /// Scales the gradient of all that belongs to the task alone: its head, its gates, its own experts.
    pub own: Vec<f64>,
}

impl Weights {
    /// Weight 1 for each of `n_tasks` tasks: the gradient of the plain sum of losses.
    pub fn ones(n_tasks: usize) -> Self {
        Self { shared: vec![1.0; n_tasks], own: vec![1.0; n_tasks] }
    }

    /// Scales what belongs to each task as its contribution to the shared parameters is scaled: what a
    /// weighted sum of losses does.
    pub fn scale_heads(&mut self) {
        self.own.copy_from_slice(&self.shared);
    }
}

/// A balancing method: its settings, and what it carries from one step to the next.
///
/// A member writes [`weigh`](Self::weigh), for the tasks with labels only; a [`Balancer`] does the rest.
/// `Clone` gives it [`boxed`](BoxedBalance::boxed), so that settings can hold a method and each run can
/// start from a copy of it.
///
/// ```
/// use polytask::balance::{Balance, Balancer, Needs, FixedEvidence, Tasks, Weights};
///
/// /// Trains the task with the largest loss, and no other.
/// #[derive(Clone, Debug)]
/// struct WorstFirst;
///
/// impl Balance for WorstFirst {
///     fn needs(&self) -> Needs {
///         Needs::LOSSES
///     }
///
///     fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
///         let losses = tasks.losses();
///         let worst = losses.iter().cloned().fold(f64::MIN, f64::max);
///         for (weight, &loss) in weights.shared.iter_mut().zip(losses) {
///             *weight = if loss == worst { 1.0 } else { 0.0 };
///         }
///         weights.scale_heads();
///     }
/// }
///
/// let mut balancer = Balancer::new(WorstFirst, 3)?;
/// let weights = balancer.weights(&mut FixedEvidence::from_losses(&[0.2, 0.9, 0.5]));
/// assert_eq!(weights.shared, [0.0, 1.0, 0.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Balance: BoxedBalance + Debug + Send + Sync {
    /// What the method has to be shown at the coming step.
    fn needs(&self) -> Needs;

    /// The weights of this step, one for each task of `tasks` in their order. Both lists of `weights` come
    /// with that length and filled with 1. At least one task has a label.
    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights);

    /// The name by which errors call the method: that of its type.
    fn name(&self) -> &'static str {
        domain::type_name::<Self>()
    }

    /// For which losses of `task` the method is defined. A training whose losses are known to leave the domain is refused
    /// at the start, any other one at the first loss outside.
    fn domain(&self, task: usize) -> Domain {
        let _ = task;
        Domain::All
    }

    /// Called after each step with the losses of the same batch after it. `tasks` are the indices of the tasks
    /// that [`weigh`](Self::weigh) saw and whose new loss is finite, `losses` their losses now.
    fn after_step(&mut self, tasks: &[usize], losses: &[f64]) {
        let _ = (tasks, losses);
    }

    /// Called at the end of each epoch.
    fn end_epoch(&mut self) {}

    /// The numbers that the method carries from one step to the next, each list under its name. All lists
    /// are empty in a method that has not begun, and a method whose lists are emptied starts anew.
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        Vec::new()
    }

    /// Whether the settings make sense for `n_tasks` tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) for a setting outside its range, or a list that does
    /// not have one entry per task.
    fn check(&self, n_tasks: usize) -> Result<()> {
        let _ = n_tasks;
        Ok(())
    }

    /// The same method with weights that change slowly: each is mixed with `momentum` parts of its last
    /// value. See [`Smoothed`].
    fn smoothed(self, momentum: f64) -> Smoothed<Self>
    where
        Self: Sized,
    {
        Smoothed::new(self, momentum)
    }

    /// The same method asked at every `n`th step only, with its last weights in between. See [`EveryNth`].
    fn every(self, n: usize) -> EveryNth<Self>
    where
        Self: Sized,
    {
        EveryNth::new(self, n)
    }

    /// The same method with heads scaled as the shared part is (`true`) or not at all (`false`), whatever the
    /// method's paper does. See [`ScaleHeads`].
    fn scale_heads(self, scale: bool) -> ScaleHeads<Self>
    where
        Self: Sized,
    {
        ScaleHeads::new(self, scale)
    }
}

/// What a method has to be shown.
///
/// ```
/// use polytask::balance::{Balance, Balancer, Needs, FixedEvidence, Tasks, Weights};
/// use polytask::ndarray::array;
///
/// /// Makes all gradients as long as 1.
/// #[derive(Clone, Debug)]
/// struct UnitLength;
///
/// impl Balance for UnitLength {
///     fn needs(&self) -> Needs {
///         Needs::GRAMIAN
///     }
///
///     fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
///         let gramian = tasks.gramian();
///         (0..gramian.len()).for_each(|k| weights.shared[k] = 1.0 / gramian.true_norm(k));
///     }
/// }
///
/// let mut balancer = Balancer::new(UnitLength.every(2), 2)?;
/// let mut evidence = FixedEvidence::from_jacobian(&array![[3.0, 4.0], [0.0, 2.0]]);
/// assert!(balancer.needs().gramian && !balancer.needs().losses_after_step);
/// let weights = balancer.weights(&mut evidence);
/// assert!((weights.shared[0] - 0.2).abs() < 1e-12 && (weights.shared[1] - 0.5).abs() < 1e-12);
/// assert_eq!(balancer.needs(), Needs::LOSSES); // nothing is asked of it at the second step
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// It asks for the Gramian.
    pub gramian: bool,
    /// It has to be told the losses of the same batch after the step: one more forward pass.
    pub losses_after_step: bool,
}

impl Needs {
    /// The losses, or not even these.
    pub const LOSSES: Self = Self { gramian: false, losses_after_step: false };
    /// The losses and the Gramian.
    pub const GRAMIAN: Self = Self { gramian: true, losses_after_step: false };
    /// The losses before and after the step.
    pub const LOSSES_AFTER_STEP: Self = Self { gramian: false, losses_after_step: true };
}

/// Copies a method whose type is hidden. Every method that is `Clone` has it.
///
/// ```
/// use polytask::balance::{Balance, Balancer, BoxedBalance, Equal, Mgda, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let methods: [Box<dyn Balance>; 2] = [Equal::mean().boxed(), Mgda::new().boxed()];
/// let mut evidence = FixedEvidence::from_gramian(&array![[4.0, 0.0], [0.0, 1.0]]);
/// let mut first = Vec::new();
/// for method in &methods {
///     first.push(Balancer::new(method.clone(), 2)?.weights(&mut evidence).shared[0]);
/// }
/// assert!(first[0] == 0.5 && (first[1] - 0.2).abs() < 1e-12);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait BoxedBalance {
    /// A copy of the method, settings and state, in a box.
    fn boxed(&self) -> Box<dyn Balance>;
}

impl<B: Balance + Clone + 'static> BoxedBalance for B {
    fn boxed(&self) -> Box<dyn Balance> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Balance> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl Balance for Box<dyn Balance> {
    fn needs(&self) -> Needs {
        (**self).needs()
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        (**self).weigh(tasks, weights);
    }

    fn after_step(&mut self, tasks: &[usize], losses: &[f64]) {
        (**self).after_step(tasks, losses);
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn domain(&self, task: usize) -> Domain {
        (**self).domain(task)
    }

    fn end_epoch(&mut self) {
        (**self).end_epoch();
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        (**self).state()
    }

    fn check(&self, n_tasks: usize) -> Result<()> {
        (**self).check(n_tasks)
    }
}

/// Where a method divides by a loss or takes its logarithm, a task that has been learnt to a loss below this counts as
/// one of this loss: its reciprocal is a number in `f32`, too.
const LEAST_LOSS: f64 = 1e-30;

/// A loss within its [`Domain`], as a number that can be divided by.
fn positive(loss: f64) -> f64 {
    loss.max(LEAST_LOSS)
}
