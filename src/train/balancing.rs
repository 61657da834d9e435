//! How a step weighs its tasks: fixed weights, a balancing method, or a method that gives the direction itself.
//!
//! The tasks' own weights compose with all of them: the losses that are balanced are `wₖ Lₖ`. So a method sees
//! losses, gradients and Gramian of the weighted losses, and its result is converted back to the unweighted ones
//! that the network's backward pass works with.

use ndarray::{Array2, ArrayView2, Zip};

use super::trainer::Method;
use crate::balance::{Aggregator, Balancer, DOMAIN_ADVICE, Evidence, Needs, Weights};
#[cfg(feature = "persist")]
use crate::balance::{FixedEvidence, State};
use crate::{Error, ErrorKind, GramianScope, Model, Result, Scalar, Trace};

/// A method at work.
#[derive(Debug)]
pub(super) enum Balancing {
    /// Only the tasks' own weights.
    Fixed(Weights),
    Balance(Balancer, GramianScope),
    Aggregate(Box<Aggregation>),
}

/// What is known of a whole batch that is processed in several places.
pub(super) trait WholeBatch<F>: Evidence {
    /// Each task's gradient with respect to the shared parameters, a row each.
    fn task_gradients(&mut self) -> Result<ArrayView2<'_, F>>;
}

/// What was decided for a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision<'a> {
    /// The gradient is the sum of the tasks' gradients with these weights.
    Sum(&'a Weights),
    /// The gradient of the shared parameters is this direction; each task's own parameters have these weights.
    Along { direction: &'a [f64], own: &'a [f64] },
}

/// A method that sees the gradients themselves, and the matrix in which it sees them.
#[derive(Debug)]
pub(super) struct Aggregation {
    aggregator: Aggregator,
    task_weights: Vec<f64>,
    losses: Vec<f64>,
    labelled: Vec<bool>,
    /// Row k is wₖ ∇ₖ.
    jacobian: Array2<f64>,
    direction: Vec<f64>,
    own: Vec<f64>,
}

impl Balancing {
    pub(super) fn new<F: Scalar>(method: &Method, over: GramianScope, model: &Model<F>) -> Result<Self> {
        let weights = model.loss_weights();
        let n_tasks = weights.own.len();
        let balancing = match method {
            Method::Fixed => Self::Fixed(weights),
            Method::Balance(method) => {
                let balancer = Balancer::new(method.clone(), n_tasks)?.scale_losses(&weights.own)?;
                if balancer.needs().gramian {
                    check_over(over, model)?;
                }
                Self::Balance(balancer, over)
            }
            Method::Aggregate(method) => {
                check_shared(model)?;
                let n_shared = model.network().layout().n_shared();
                Self::Aggregate(Box::new(Aggregation {
                    aggregator: Aggregator::new(method.clone(), n_tasks)?,
                    task_weights: weights.own,
                    losses: vec![0.0; n_tasks],
                    labelled: vec![false; n_tasks],
                    jacobian: Array2::zeros((n_tasks, n_shared)),
                    direction: vec![0.0; n_shared],
                    own: vec![0.0; n_tasks],
                }))
            }
        };
        balancing.check_kinds_of_losses(model)?;
        Ok(balancing)
    }

    /// Whether the method is defined for the tasks' losses, as far as their kinds show.
    fn check_kinds_of_losses<F: Scalar>(&self, model: &Model<F>) -> Result<()> {
        for (k, task) in model.tasks().iter().enumerate() {
            let (method, domain) = match self {
                Self::Fixed(_) => return Ok(()),
                Self::Balance(balancer, _) => (balancer.name(), balancer.domain(k)),
                Self::Aggregate(aggregation) => {
                    (aggregation.aggregator.name(), aggregation.aggregator.domain(k))
                }
            };
            let takes_part = task.has_loss() && task.loss_weight() > 0.0;
            if takes_part && domain.excludes_negative() && model.network().loss(k).can_be_negative() {
                let place = format!("loss of task {:?}", task.name());
                let expected = format!("one that is never negative, for which `{method}` is defined");
                let found = format!("`{}`, which can be", task.loss().name());
                let advice = match task.loss().has_own_variance() {
                    true => format!("{DOMAIN_ADVICE}. {OWN_VARIANCE}"),
                    false => DOMAIN_ADVICE.to_owned(),
                };
                return Err(Error::new(ErrorKind::Setting, place, expected, found).advise(advice));
            }
        }
        Ok(())
    }

    /// The weights, where there is no method.
    pub(super) fn fixed(&self) -> Option<&Weights> {
        match self {
            Self::Fixed(weights) => Some(weights),
            Self::Balance(..) | Self::Aggregate(_) => None,
        }
    }

    /// Sets the factors by which the tasks' losses are multiplied before all else.
    pub(super) fn set_task_weights(&mut self, weights: impl Iterator<Item = f64>) {
        match self {
            Self::Fixed(own) => {
                own.own.iter_mut().zip(weights).for_each(|(own, weight)| *own = weight);
                own.shared.copy_from_slice(&own.own);
            }
            Self::Balance(balancer, _) => balancer.set_factors(weights),
            Self::Aggregate(aggregation) => {
                aggregation.task_weights.iter_mut().zip(weights).for_each(|(own, weight)| *own = weight);
            }
        }
    }

    /// What the method must be shown at the next step.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Balance(balancer, _) => balancer.needs(),
            Self::Fixed(_) | Self::Aggregate(_) => Needs::LOSSES,
        }
    }

    /// Decides on the step of the batch in `trace`, whose losses have been computed, after `steps` steps.
    pub(super) fn decide<F: Scalar>(
        &mut self,
        steps: u64,
        model: &Model<F>,
        trace: &mut Trace<F>,
    ) -> Result<Decision<'_>> {
        let place = |k| place_of_loss(model, k, steps + 1);
        Ok(match self {
            Self::Fixed(weights) => Decision::Sum(weights),
            Self::Balance(balancer, over) => {
                balancer.check_losses_at(trace.losses(), trace.labelled(), place)?;
                Decision::Sum(balancer.weights(&mut model.evidence(trace).over(over.at_step(steps))))
            }
            Self::Aggregate(aggregation) => {
                aggregation.decide(model, trace, place)?;
                Decision::Along { direction: &aggregation.direction, own: &aggregation.own }
            }
        })
    }

    /// Decides on the step of a batch of which a trace holds only a part, from what is known of the whole.
    pub(super) fn decide_of_whole<F: Scalar>(
        &mut self,
        steps: u64,
        model: &Model<F>,
        whole: &mut impl WholeBatch<F>,
    ) -> Result<Decision<'_>> {
        let place = |k| place_of_loss(model, k, steps + 1);
        Ok(match self {
            Self::Fixed(weights) => Decision::Sum(weights),
            Self::Balance(balancer, _) => {
                balancer.check_losses_at(whole.losses(), whole.labelled(), place)?;
                Decision::Sum(balancer.weights(whole))
            }
            Self::Aggregate(aggregation) => {
                aggregation.see(whole.losses(), whole.labelled(), place)?;
                aggregation.decide_from(whole.task_gradients()?);
                Decision::Along { direction: &aggregation.direction, own: &aggregation.own }
            }
        })
    }

    /// Tells the method the losses that the batch has after step number `step`.
    pub(super) fn after_step<F: Scalar>(
        &mut self,
        step: u64,
        model: &Model<F>,
        losses: &[f64],
        labelled: &[bool],
    ) -> Result<()> {
        if let Self::Balance(balancer, _) = self {
            let place = |k| format!("{}, after it", place_of_loss(model, k, step));
            balancer.check_losses_at(losses, labelled, place)?;
            balancer.after_step(losses);
        }
        Ok(())
    }

    /// Tells the method that the epoch has ended.
    pub(super) fn end_epoch(&mut self) {
        if let Self::Balance(balancer, _) = self {
            balancer.end_epoch();
        }
    }
}

/// Fails if the model has no Gramian over `over`.
pub(super) fn check_over<F: Scalar>(over: GramianScope, model: &Model<F>) -> Result<()> {
    model.network().check_over(over)?;
    match over {
        GramianScope::SharedParameters | GramianScope::Sketch { .. } => check_shared(model),
        _ => Ok(()),
    }
}

/// Fails if there is nothing that the tasks' gradients could disagree on: all their norms and products would be 0.
fn check_shared<F: Scalar>(model: &Model<F>) -> Result<()> {
    match model.network().layout().n_shared() {
        0 => Err(Error::new(
            ErrorKind::Setting,
            "balancing by gradients",
            "parameters that tasks share",
            "none",
        )
        .advise("share a trunk, or balance by losses alone")),
        _ => Ok(()),
    }
}

#[cfg(feature = "persist")]
impl Balancing {
    /// What the method has learned so far.
    pub(super) fn state(&self) -> State {
        match self {
            Self::Fixed(_) => State::new(),
            Self::Balance(balancer, _) => balancer.state(),
            Self::Aggregate(aggregation) => aggregation.aggregator.state(),
        }
    }

    /// Goes on from the [`state`](Self::state) of the same method.
    pub(super) fn restore(&mut self, state: &State) -> Result<()> {
        let possible = self.probe();
        let fault = |expected: String, found: String| {
            Err(Error::new(ErrorKind::File, "state of the balance", expected, found))
        };
        if possible.len() != state.len() {
            return fault(format!("{} lists", possible.len()), state.len().to_string());
        }
        for ((name, list), lengths) in state.iter().zip(&possible) {
            let longest = lengths.iter().copied().max().unwrap_or(0);
            if list.len() < longest && !lengths.contains(&list.len()) {
                return fault(format!("{longest} numbers under `{name}`"), list.len().to_string());
            }
        }
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Balance(balancer, _) => balancer.restore(state),
            Self::Aggregate(aggregation) => aggregation.aggregator.restore(state),
        }
    }

    /// The lengths of each list of the state during a few made-up steps: a file may contain anything,
    /// and a method relies on its lists.
    fn probe(&self) -> Vec<Vec<usize>> {
        let mut lengths: Vec<Vec<usize>> = Vec::new();
        let mut note = |state: State| {
            lengths.resize(state.len(), Vec::new());
            lengths.iter_mut().zip(state).for_each(|(lengths, (_, list))| lengths.push(list.len()));
        };
        match self {
            Self::Fixed(_) => {}
            Self::Balance(balancer, _) => {
                let mut balancer = balancer.clone();
                balancer.reset();
                let n_tasks = balancer.last().shared.len();
                let inside = |k| if balancer.domain(k).contains(1.0) { 1.0 } else { f64::MAX };
                let losses: Vec<f64> = (0..n_tasks).map(inside).collect();
                let mut evidence = FixedEvidence::from_gramian(&Array2::eye(n_tasks)).with_losses(&losses);
                note(balancer.state());
                for _ in 0..3 {
                    balancer.weights(&mut evidence);
                    note(balancer.state());
                    balancer.after_step(&losses);
                    note(balancer.state());
                    balancer.end_epoch();
                    note(balancer.state());
                }
            }
            Self::Aggregate(aggregation) => {
                let Aggregation { losses, jacobian, direction, .. } = &**aggregation;
                let mut aggregator = aggregation.aggregator.clone();
                aggregator.reset();
                let (ones, labelled) = (vec![1.0; losses.len()], vec![true; losses.len()]);
                let (gradients, mut direction) = (Array2::ones(jacobian.raw_dim()), direction.clone());
                note(aggregator.state());
                for _ in 0..3 {
                    aggregator.direction(&ones, &labelled, gradients.view(), &mut direction);
                    note(aggregator.state());
                }
            }
        }
        lengths
    }
}

impl Decision<'_> {
    /// One number for each task: its weight in the gradient of the shared parameters, or, where that is a direction,
    /// the weight of what belongs to the task alone.
    pub(super) fn weights(&self) -> &[f64] {
        match self {
            Self::Sum(weights) => &weights.shared,
            Self::Along { own, .. } => own,
        }
    }
}

impl Aggregation {
    fn decide<F: Scalar>(
        &mut self,
        model: &Model<F>,
        trace: &mut Trace<F>,
        place: impl Fn(usize) -> String,
    ) -> Result<()> {
        self.see(trace.losses(), trace.labelled(), place)?;
        self.decide_from(model.task_gradients(trace));
        Ok(())
    }

    /// Takes in the losses of a step.
    fn see(&mut self, losses: &[f64], labelled: &[bool], place: impl Fn(usize) -> String) -> Result<()> {
        for (k, &weight) in self.task_weights.iter().enumerate() {
            self.losses[k] = weight * losses[k];
            self.labelled[k] = weight > 0.0 && labelled[k];
        }
        self.aggregator.check_losses_at(&self.losses, &self.labelled, place)
    }

    /// Decides from the tasks' gradients, of unweighted losses.
    fn decide_from<F: Scalar>(&mut self, gradients: ArrayView2<'_, F>) {
        for ((mut to, from), &weight) in
            self.jacobian.rows_mut().into_iter().zip(gradients.rows()).zip(&self.task_weights)
        {
            Zip::from(&mut to).and(&from).for_each(|to, &from| *to = weight * from.to_f64());
        }
        let (losses, labelled, jacobian) = (&self.losses, &self.labelled, self.jacobian.view());
        let own = self.aggregator.direction(losses, labelled, jacobian, &mut self.direction);
        self.own.copy_from_slice(own);
        self.own.iter_mut().zip(&self.task_weights).for_each(|(own, weight)| *own *= weight);
    }
}

/// Where a loss was met that a method is not defined for.
fn place_of_loss<F: Scalar>(model: &Model<F>, task: usize, step: u64) -> String {
    format!("loss of task {:?} at step {step}", model.tasks()[task].name())
}

/// The error for a loss that can be negative because it is the logarithm of a density.
const OWN_VARIANCE: &str = "Such a task weighs itself, by the variance that its head learns: to weigh it by \
     uncertainty once more is a mistake";
