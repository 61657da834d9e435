//! Task affinity: how much a step for one task helps another, measured while all of them are trained together.
//!
//! ```text
//! cosine        c(i, j) = ⟨gᵢ, gⱼ⟩ / (‖gᵢ‖ ‖gⱼ‖)                              gᵢ = ∂Lᵢ/∂θ_shared
//! first order f(i, j) = η ⟨gᵢ, gⱼ⟩ what a step along gᵢ takes off Lⱼ, to first order lookahead Z(i, j) = 1 −
//! Lⱼ(θ_shared − η gᵢ, θⱼ) / Lⱼ(θ_shared, θⱼ) what it does take off, as a share of Lⱼ
//! ```
//! All are means over the steps that were measured, on the batch of the step, in training mode and with its random numbers;
//! η is the learning rate of the step, and the lookahead step is one of plain gradient descent, whatever the optimiser.
//! The first two are symmetric. The third, which is not, is the inter-task affinity of C. Fifty, E. Amid, Z. Zhao, T.
//! Yu, R. Anil and C. Finn, "Efficiently identifying task groupings for multi-task learning", NeurIPS 2021, equation 1.
//!
//! A measured step costs, on top of a plain one, the gradient of each of the K tasks and K forward passes.

use std::fmt;

use ndarray::Array2;

use super::History;
use super::run::Run;
use super::trainer::Trainer;
use super::workspace::Workspace;
use crate::data::{Batch, Dataset};
use crate::report::{cut, number};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// How much the tasks of a model help each other: means over steps of its training.
///
/// ```text
/// cosine        c(i, j) = ⟨gᵢ, gⱼ⟩ / (‖gᵢ‖ ‖gⱼ‖)
/// first order   f(i, j) = η ⟨gᵢ, gⱼ⟩
/// lookahead     Z(i, j) = 1 − Lⱼ(θ_shared − η gᵢ, θⱼ) / Lⱼ(θ_shared, θⱼ)
/// ```
/// gᵢ is the gradient of task i's loss with respect to the shared parameters, η the learning rate of the step. C. Fifty et
/// al., "Efficiently identifying task groupings for multi-task learning", NeurIPS 2021.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::train::Affinity;
///
/// // Three tasks: the first two are the same but for the noise, the third has nothing to do with them.
/// let pair = datasets::related_tasks::<f64>(200, 4, 2, 1.0, 0.1, 1);
/// let other = datasets::related_tasks::<f64>(200, 4, 1, 0.0, 0.1, 2);
/// let targets = ndarray::concatenate![ndarray::Axis(1), pair.targets(), other.targets()];
/// let data = Dataset::new(pair.features().to_owned(), targets)?.with_target_names(["one", "twin", "other"])?;
///
/// let builder = Model::builder(4).trunk([Layer::dense(16, Activation::Tanh)]).standardize();
/// let tasks = ["one", "twin", "other"].map(Task::regression);
/// let mut model = tasks.into_iter().fold(builder, |builder, task| builder.task(task)).build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.01)).epochs(10);
/// let (affinity, _) = Affinity::measure(&trainer, &mut model, &data, 5)?; // at every fifth step
/// println!("{affinity}");
/// assert_eq!(affinity.n_measured(), 14);
/// assert!(affinity.cosine(0, 1) > affinity.cosine(0, 2));
/// assert!(affinity.lookahead(0, 1) > affinity.lookahead(0, 2)); // a step for task 0 helps its twin the more
/// assert_eq!(affinity.cosine(0, 1), affinity.cosine(1, 0));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Affinity {
    tasks: Vec<String>,
    cosine: Means,
    first_order: Means,
    lookahead: Means,
    n_measured: u64,
}

/// Means for each ordered pair of tasks, over the steps in which they are defined.
#[derive(Clone, Debug)]
struct Means {
    sums: Array2<f64>,
    counts: Array2<u64>,
}

impl Means {
    fn new(n: usize) -> Self {
        Self { sums: Array2::zeros((n, n)), counts: Array2::zeros((n, n)) }
    }

    fn add(&mut self, i: usize, j: usize, value: f64) {
        self.sums[[i, j]] += value;
        self.counts[[i, j]] += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.sums += &other.sums;
        self.counts += &other.counts;
    }

    fn get(&self, i: usize, j: usize) -> Option<f64> {
        let n = self.counts[[i, j]];
        (n > 0).then(|| self.sums[[i, j]] / n as f64)
    }
}

impl Affinity {
    /// Nothing measured yet, of the tasks of a model.
    pub fn new<F: Scalar>(model: &Model<F>) -> Self {
        let tasks: Vec<String> = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        let means = || Means::new(tasks.len());
        Self { cosine: means(), first_order: means(), lookahead: means(), n_measured: 0, tasks }
    }

    /// Trains the model as [`Trainer::fit`] does and measures at the first step and every `every` steps after it. The
    /// trained model is the same as without measuring, to the bit.
    ///
    /// # Errors
    /// As [`Trainer::fit`] and [`observe`](Self::observe); [`ErrorKind::Setting`] if `every` is 0, or the trainer has
    /// callbacks or checkpoints: then take the steps in a loop of your own, and observe.
    pub fn measure<F: Scalar>(
        trainer: &Trainer,
        model: &mut Model<F>,
        data: &Dataset<F>,
        every: u64,
    ) -> Result<(Self, History)> {
        if every == 0 {
            let place = "affinity, steps between measurements";
            return Err(Error::new(ErrorKind::Setting, place, "at least 1", 0));
        }
        let mut affinity = Self::new(model);
        let mut run = trainer.start_bare(model, data, "affinity")?;
        let mut workspace = run.workspace(model, None);
        while !run.is_finished() {
            let is_measured = run.history().n_steps() % every == 0;
            run.step_observed(model, data, &mut workspace, &mut |run, model, batch, workspace| {
                match is_measured {
                    true => affinity.observe(run, model, batch, workspace),
                    false => Ok(()),
                }
            })?;
        }
        Ok((affinity, run.finish(model)?))
    }

    /// Measures on a batch whose gradient has been computed, between [`Run::gradient`] and [`Run::update`]. Neither the
    /// gradient nor the model is changed.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Affinity;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let mut model = builder.build::<f64>()?;
    /// let mut run = Trainer::new(Sgd::new(0.01)).batch_size(64).steps(3).start(&model, &data)?;
    /// let (mut workspace, mut affinity) = (run.workspace(&model, None), Affinity::new(&model));
    /// while !run.is_finished() {
    ///     run.gradient(&model, &data.all(), &mut workspace)?;
    ///     affinity.observe(&run, &model, &data.all(), &mut workspace)?;
    ///     run.update(&mut model, &mut workspace)?;
    /// }
    /// assert_eq!(affinity.n_measured(), 3);
    /// assert!((affinity.cosine(0, 0).expect("defined") - 1.0).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Run::gramian`]; [`ErrorKind::Setting`] if the tasks share no parameters; [`ErrorKind::Value`] if a loss is not
    /// finite after the lookahead step.
    ///
    /// # Panics
    /// If the model has another number of tasks.
    #[track_caller]
    pub fn observe<F: Scalar>(
        &mut self,
        run: &Run<F>,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        let n = self.tasks.len();
        assert_eq!(model.tasks().len(), n, "tasks of the model, and of the affinity");
        let n_shared = model.network().layout().n_shared();
        if n_shared == 0 {
            let advice = "train them with a shared trunk";
            return Err(Error::new(ErrorKind::Setting, "affinity", "tasks that share parameters", "none")
                .advise(advice));
        }
        let rate = run.optimizer().learning_rate();
        let gramian = run.gramian(model, workspace)?.to_owned();
        let Workspace { trace, probe, .. } = workspace;
        let gradients = model.task_gradients(trace).to_owned();
        let (losses, labelled) = (trace.losses().to_vec(), trace.labelled().to_vec());
        let known: Vec<usize> = (0..n).filter(|&k| labelled[k]).collect();
        for &i in &known {
            for &j in &known {
                let norms = (gramian[[i, i]] * gramian[[j, j]]).sqrt();
                if norms > 0.0 {
                    self.cosine.add(i, j, gramian[[i, j]] / norms);
                }
                self.first_order.add(i, j, rate * gramian[[i, j]]);
            }
        }
        let (ahead, theta) = match probe {
            Some((ahead, theta))
                if ahead.capacity() >= batch.n_rows() && theta.len() == model.n_parameters() =>
            {
                (ahead, theta)
            }
            _ => {
                let (ahead, theta) =
                    probe.insert((model.trace(trace.capacity()), vec![F::ZERO; model.n_parameters()]));
                (ahead, theta)
            }
        };
        for &i in &known {
            theta.copy_from_slice(model.parameters());
            for (theta, g) in theta[..n_shared].iter_mut().zip(gradients.row(i)) {
                *theta = F::from_f64(theta.to_f64() - rate * g.to_f64());
            }
            model.forward_at(&trace.pass(theta, model.state()), batch, ahead)?;
            for &j in known.iter().filter(|&&j| losses[j] > 0.0) {
                let loss = ahead.losses()[j];
                if !loss.is_finite() {
                    let (one, other) = (&self.tasks[i], &self.tasks[j]);
                    let place = format!("affinity, loss of task {other:?} after a step for {one:?}");
                    return Err(Error::new(ErrorKind::Value, place, "a finite number", loss)
                        .advise("lower the learning rate"));
                }
                self.lookahead.add(i, j, 1.0 - loss / losses[j]);
            }
        }
        self.n_measured += 1;
        Ok(())
    }

    /// Adds what was measured in another training of the same tasks, so that the means are over the steps of both.
    ///
    /// The gradients of a shared trunk depend on the initial heads, which are chance, and a training is slow to forget
    /// it: for two tasks that are alike, a single training may well show a negative cosine. Means over several
    /// trainings from different initial parameters are nearer to what the tasks have in common, and nearer still if the
    /// output layers of the heads begin at 0, as in
    /// [`TogetherOrApart::propose`](crate::together::TogetherOrApart::propose).
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::Affinity;
    ///
    /// let data = datasets::task_families::<f32>(400, 8, 2, 2, 0.9, 0.1, 1); // tasks 0 and 2, and 1 and 3
    /// let builder = Model::builder(8).trunk([Layer::dense(64, Activation::Tanh)]).standardize();
    /// let builder = (0..4).fold(builder, |builder, k| builder.task(Task::regression(format!("task{k}"))));
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(100).epochs(5);
    /// let mut affinity = Affinity::new(&builder.build::<f32>()?);
    /// for seed in 0..10 {
    ///     let mut model = builder.clone().seed(seed).build::<f32>()?;
    ///     affinity.merge(&Affinity::measure(&trainer.clone().seed(seed), &mut model, &data, 2)?.0);
    /// }
    /// assert_eq!(affinity.n_measured(), 10 * 10);
    /// assert!(affinity.cosine(0, 2) > Some(0.0) && affinity.cosine(1, 3) > Some(0.0));
    /// assert!(affinity.cosine(0, 1) < affinity.cosine(0, 2));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tasks have different names.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.tasks, other.tasks, "tasks of the two affinities");
        self.cosine.merge(&other.cosine);
        self.first_order.merge(&other.first_order);
        self.lookahead.merge(&other.lookahead);
        self.n_measured += other.n_measured;
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// How many steps were measured.
    pub fn n_measured(&self) -> u64 {
        self.n_measured
    }

    /// The mean cosine between the gradients of two tasks, from −1 to 1; `None` if there was no measured step in which both
    /// have labels and a gradient that is not 0.
    pub fn cosine(&self, i: usize, j: usize) -> Option<f64> {
        self.cosine.get(i, j)
    }

    /// By how much a step for task i lowers the loss of task j, to first order: the mean of η ⟨gᵢ, gⱼ⟩, in the unit of
    /// the loss.
    pub fn first_order(&self, i: usize, j: usize) -> Option<f64> {
        self.first_order.get(i, j)
    }

    /// By what share a step for task i lowers the loss of task j on the same batch: the mean of Z(i, j). Negative if it
    /// raises it.
    pub fn lookahead(&self, i: usize, j: usize) -> Option<f64> {
        self.lookahead.get(i, j)
    }
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.tasks.iter().map(|task| task.chars().count().min(NAME)).max().unwrap_or(0).max(9);
        for (title, means) in [
            ("mean cosine of gradients", &self.cosine),
            (
                "η⟨gᵢ, gⱼ⟩: what a step for the row's task takes off the loss of the column's, to first order",
                &self.first_order,
            ),
            ("lookahead: what it does take off, as a share of that loss", &self.lookahead),
        ] {
            writeln!(f, "{title}")?;
            write!(f, "{:widest$}", "")?;
            self.tasks.iter().try_for_each(|task| write!(f, "  {:>widest$}", cut(task, NAME)))?;
            writeln!(f)?;
            for (i, task) in self.tasks.iter().enumerate() {
                write!(f, "{:widest$}", cut(task, NAME))?;
                for j in 0..self.tasks.len() {
                    let value = means.get(i, j).map_or_else(|| "undefined".to_owned(), number);
                    write!(f, "  {value:>widest$}")?;
                }
                writeln!(f)?;
            }
        }
        write!(f, "means over {} steps", self.n_measured)
    }
}

/// The largest width of a name.
const NAME: usize = 24;
