//! All derivatives of a model on a batch, checked in one line.

use std::fmt;

use super::Model;
use crate::arena::RowsMut;
use crate::balance::Weights;
use crate::data::Batch;
use crate::gradcheck::{self, Check, GradientReport, Probe, Settings, Uncertain, Verdict};
use crate::layer::Mode;
use crate::penalty::PenaltyFunction;
use crate::{Result, Scalar, Trace};

/// What [`Model::check_gradients`] found; `{checks}` prints the reports of what did not pass.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let checks = model.check_gradients(&data.all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GradientChecks {
    /// The objective: the weighted sum of the tasks' losses and the penalties.
    pub sum: GradientReport,
    /// Each task's own loss, by name. Blocks that a task does not reach have a gradient of 0 and pass.
    pub tasks: Vec<(String, GradientReport)>,
    /// Each [penalty](crate::penalty), by name. Blocks that it does not depend on have a gradient of 0 and pass.
    pub penalties: Vec<(String, GradientReport)>,
}

impl GradientChecks {
    /// Whether all derivatives agree, and nothing was left in doubt.
    pub fn passed(&self) -> bool {
        let parts = self.tasks.iter().chain(&self.penalties);
        self.sum.passed() && parts.map(|(_, report)| report).all(GradientReport::passed)
    }

    /// The layers that have a mistake, each with the tasks whose losses see it there: of each loss that fails, the layer
    /// nearest to it whose gradient is wrong ([`GradientReport::first_wrong`]). Layers further from the loss may be wrong for
    /// that alone.
    ///
    /// The layer is empty where a fault ended a task's check before any derivative was compared.
    pub fn mistakes(&self) -> Vec<(&str, Vec<&str>)> {
        let mut mistakes: Vec<(&str, Vec<&str>)> = Vec::new();
        for (task, report) in self.tasks.iter().filter(|(_, report)| report.verdict == Verdict::Fail) {
            let layer = report.first_wrong().unwrap_or_default();
            match mistakes.iter_mut().find(|(other, _)| *other == layer) {
                Some((_, tasks)) => tasks.push(task),
                None => mistakes.push((layer, vec![task])),
            }
        }
        mistakes
    }

    /// The reports of a verdict, each with the name of its loss.
    fn of(&self, verdict: Verdict) -> impl Iterator<Item = (String, &GradientReport)> {
        let sum = std::iter::once(("the weighted sum of losses".to_owned(), &self.sum));
        let tasks = self.tasks.iter().map(|(task, report)| (format!("the loss of task {task:?}"), report));
        let penalties = self.penalties.iter().map(|(name, report)| (format!("the penalty {name}"), report));
        sum.chain(tasks).chain(penalties).filter(move |(_, report)| report.verdict == verdict)
    }

    /// One report for each mistake, however many losses see it.
    fn describe_mistakes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gradient checks FAILED: {}", listed(self.of(Verdict::Fail).map(|(loss, _)| loss)))?;
        let mistakes = self.mistakes();
        let is_told = |layer: &str| mistakes.iter().any(|(other, _)| *other == layer);
        for (layer, tasks) in &mistakes {
            let (task, report) = self.tasks.iter().find(|(task, _)| task == tasks[0]).expect("it failed");
            let place = match *layer {
                "" => "A fault".to_owned(),
                "inputs" => "The mistake nearest to the loss is on the way to the inputs".to_owned(),
                layer => format!("The mistake nearest to the loss is in {layer}"),
            };
            let seen = match tasks.len() {
                1 => format!("seen in the loss of task {task:?}"),
                n if n == self.tasks.len() => "seen alike in the loss of every task".to_owned(),
                _ => format!(
                    "seen alike in the losses of tasks {}",
                    listed(tasks.iter().map(|t| format!("{t:?}")))
                ),
            };
            write!(f, "\n\n{place}, {seen}. For task {task:?}:\n\n{report}")?;
        }
        let mut wrong_penalties =
            self.penalties.iter().filter(|(_, report)| report.verdict == Verdict::Fail).peekable();
        let is_in_penalty = wrong_penalties.peek().is_some();
        for (name, report) in wrong_penalties {
            write!(
                f,
                "\n\nA mistake is in the penalty {name}, which depends on the parameters alone:\n\n{report}"
            )?;
        }
        // A mistake in the weights of the tasks, or where their deltas meet, is in no loss of one task.
        let is_told = is_in_penalty || is_told(self.sum.first_wrong().unwrap_or_default());
        if self.sum.verdict == Verdict::Fail && !is_told {
            write!(f, "\n\nFor the weighted sum of losses:\n\n{}", self.sum)?;
        }
        Ok(())
    }
}

/// `a, b and c`.
fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => items.concat(),
    }
}

impl fmt::Display for GradientChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of(Verdict::Fail).next().is_some() {
            return self.describe_mistakes(f);
        }
        let Some((_, report)) = self.of(Verdict::Inconclusive).next() else {
            let (blocks, tasks) = (self.sum.blocks.len(), self.tasks.len());
            return write!(
                f,
                "gradient checks passed: the sum of losses and {tasks} tasks, {blocks} blocks each"
            );
        };
        let losses: Vec<String> = self.of(Verdict::Inconclusive).map(|(loss, _)| loss).collect();
        let first = losses[0].clone();
        write!(f, "gradient checks INCONCLUSIVE: {}", listed(losses.into_iter()))?;
        write!(f, "\n\nFor {first}:\n\n{report}")?;
        let doubts = || {
            self.of(Verdict::Inconclusive).flat_map(|(_, report)| &report.blocks).filter_map(|b| b.uncertain)
        };
        let remedies = [
            (doubts().any(|d| matches!(d, Uncertain::OnKink | Uncertain::Crossing)), ".off_kinks()"),
            (doubts().any(|d| d == Uncertain::Zero), ".allow_zero()"),
        ];
        let remedies: String =
            remedies.into_iter().filter(|(helps, _)| *helps).map(|(_, call)| call).collect();
        if remedies.is_empty() {
            return Ok(());
        }
        write!(f, "\nwith that setting: model.gradient_check(&batch){remedies}.run()")
    }
}

/// A gradient check of a model, from [`Model::gradient_check`], that has not run yet. It has the settings of any
/// [`Check`].
pub type ModelCheck<'a, F> = Check<OnBatch<'a, F>>;

/// What a [`ModelCheck`] checks: a model on a batch.
#[derive(Clone, Debug)]
pub struct OnBatch<'a, F: Scalar> {
    model: &'a Model<F>,
    batch: Batch<'a, F>,
}

impl<F: Scalar> Check<OnBatch<'_, F>> {
    /// Makes the check.
    ///
    /// # Errors
    /// As [`Model::forward`], if the table of the batch does not fit the model.
    ///
    /// # Panics
    /// If no block has the name given to [`only`](Check::only).
    #[track_caller]
    pub fn run(self) -> Result<GradientChecks> {
        let Self { subject: OnBatch { model, batch }, settings } = self;
        let mut trace = model.trace(batch.rows.len()).with_input_gradient();
        // Labels and weights stay in the trace; from here on only parameters and inputs change.
        model.forward_at(&model.pass(Mode::Train), &batch, &mut trace)?;
        let mut layout = model.network.layout().clone();
        layout.push("inputs", batch.rows.len(), model.moving_features().len());
        let mut point = model.theta.to_vec();
        let (binding, mut features) = (model.bind(batch.dataset)?, Vec::new());
        for &row in batch.rows {
            let row = model.features_of_row(&binding, batch.dataset, row);
            point.extend(model.moving_features().into_iter().map(|feature| row[feature]));
            features.extend(row);
        }

        let check = |terms: Terms<'_, F>, settings: &Settings, trace: &mut Trace<F>| {
            let loss = |point: &[F], probe: &mut Probe<'_, F>| {
                model.probe_at(point, &features, &terms, trace, probe)
            };
            Check { settings: settings.clone(), ..gradcheck::check(&point, loss).named(&layout) }.run()
        };
        let (weights, penalties) = (model.loss_weights(), model.network.penalties());
        let all = Terms { weights: &weights, penalties };
        let mut sum = check(all, &settings, &mut trace);
        let free = model.free_biases(&point, &features, &sum, &mut trace);
        if !free.is_empty() {
            let zero_in = [settings.zero_in.clone(), free].concat();
            sum = check(all, &Settings { zero_in, ..settings.clone() }, &mut trace);
        }
        let alone = Settings { allow_zero: true, ..settings };
        let ones = Weights::ones(model.tasks().len());
        let mut tasks = Vec::new();
        for (k, task) in model.tasks().iter().enumerate().filter(|(_, task)| task.has_loss()) {
            let of_task = Terms { weights: &only(k, &ones), penalties: &[] };
            tasks.push((task.name().to_owned(), check(of_task, &alone, &mut trace)));
        }
        let of_penalty = |penalty: &dyn PenaltyFunction<F>| {
            let value = |point: &[F], probe: &mut Probe<'_, F>| {
                if let Some(gradient) = probe.gradient() {
                    gradient.fill(F::ZERO);
                }
                probe_penalty(penalty, &point[..model.theta.len()], probe)
            };
            let check = Check { settings: alone.clone(), ..gradcheck::check(&point, value).named(&layout) };
            (penalty.name().to_owned(), check.run())
        };
        Ok(GradientChecks {
            sum,
            tasks,
            penalties: penalties.iter().map(|penalty| of_penalty(&**penalty)).collect(),
        })
    }
}

/// The terms of an objective: the tasks' losses, with their weights, and penalties.
struct Terms<'a, F> {
    weights: &'a Weights,
    penalties: &'a [Box<dyn PenaltyFunction<F>>],
}

impl<F> Copy for Terms<'_, F> {}

impl<F> Clone for Terms<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Scalar> Model<F> {
    /// Checks all derivatives on a batch: of the weighted sum of losses and of each task's loss, with respect to
    /// the parameters and to the inputs, the block `inputs` (`batch × features`, as the network sees them:
    /// standardised, if the model does that; without indices of categories, which cannot be moved a little).
    ///
    /// For a network with layers or losses of your own this is the one line that tells whether their backward is
    /// right. Make it a model of `f64`; differences in `f32` are too rough. [`gradient_check`](Self::gradient_check) has
    /// settings.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f64>(20, 0.2, 42);
    /// let model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(6, Activation::Relu)])
    ///     .task(Task::regression("value"))
    ///     .task(Task::classes("grade", 5).weight(0.5))
    ///     .build::<f64>()?;
    /// let checks = model.check_gradients(&data.all())?;
    /// assert!(checks.passed(), "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), if the table of the batch does not fit the model.
    pub fn check_gradients(&self, batch: &Batch<'_, F>) -> Result<GradientChecks> {
        self.gradient_check(batch).run()
    }

    /// Begins a check of all derivatives on a batch, as [`check_gradients`](Self::check_gradients) makes it, with the
    /// settings of a [`Check`], all optional, and `run`:
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// let model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .build::<f64>()?;
    /// let checks = model.gradient_check(&data.all()).only("trunk").seed(3).run()?;
    /// assert!(checks.passed() && checks.sum.blocks.len() == 2, "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// If the sum of losses does not depend on a block, such as a bias before a normalisation, the check is inconclusive
    /// unless you [allow](Check::allow_zero) it. A single task may ignore any block. The bias of a ranking is allowed
    /// without being named: it shifts all scores alike, which changes no loss that compares them, and the check sees that.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let x = ndarray::Array2::from_shape_fn((6, 2), |(i, j)| ((1 + 2 * i + j) as f64).sin());
    /// let y = ndarray::Array2::from_shape_fn((6, 1), |(i, _)| (i % 3) as f64);
    /// let data = Dataset::new(x, y)?.with_groups(vec![0, 0, 0, 1, 1, 1])?.with_target_names(["clicks"])?;
    /// let trunk = [Layer::dense(4, Activation::Tanh)];
    /// let ranking = Task::new("clicks", polytask::loss::Loss::list_net());
    /// let model = Model::builder(2).trunk(trunk).task(ranking).build::<f64>()?;
    /// let checks = model.check_gradients(&data.all())?;
    /// assert!(checks.passed(), "{checks}");
    /// assert!(checks.sum.block("head.clicks.0.bias").is_some_and(|bias| bias.norm < 1e-9));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// A new network can be on a kink, where there is no derivative; [`off_kinks`](Check::off_kinks) checks at a point
    /// nearby:
    ///
    /// ```
    /// use polytask::gradcheck::Verdict;
    /// use polytask::prelude::*;
    ///
    /// // Exclusive or: in the first row every unit of a new network is on its kink, as its bias is 0.
    /// let x = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    /// let data = Dataset::new(x, ndarray::array![[0.0], [1.0], [1.0], [0.0]])?.with_target_names(["xor"])?;
    /// let model = Model::builder(2)
    ///     .trunk([Layer::dense(8, Activation::Relu)])
    ///     .task(Task::binary("xor"))
    ///     .build::<f64>()?;
    /// assert_eq!(model.check_gradients(&data.all())?.sum.verdict, Verdict::Inconclusive);
    /// let checks = model.gradient_check(&data.all()).off_kinks().run()?;
    /// assert!(checks.passed(), "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn gradient_check<'a>(&'a self, batch: &Batch<'a, F>) -> ModelCheck<'a, F> {
        let settings = Settings { batch: Some(batch.rows.len()), ..Settings::new::<F>() };
        Check { subject: OnBatch { model: self, batch: *batch }, settings }
    }

    /// The features that are no indices.
    fn moving_features(&self) -> Vec<usize> {
        let is_index = |feature: &usize| self.network.index_columns().contains_key(feature);
        (0..self.n_features()).filter(|feature| !is_index(feature)).collect()
    }

    /// The biases that may have a gradient of 0 since they move outputs, but not the loss, however far they are moved, as
    /// a shift of all scores does not change their ranking. That of the weight beside such a bias is not 0, or
    /// the layer would not be tested at all.
    fn free_biases(
        &self,
        point: &[F],
        features: &[F],
        sum: &GradientReport,
        trace: &mut Trace<F>,
    ) -> Vec<String> {
        let weights = self.loss_weights();
        let mut at = |point: &[F]| {
            let terms = Terms { weights: &weights, penalties: &[] };
            let loss = self.probe_at(point, features, &terms, trace, &mut Probe::loss_only()).to_f64();
            let outputs: Vec<_> = (0..self.tasks().len()).map(|k| trace.outputs(k).to_owned()).collect();
            (loss, outputs)
        };
        let layer = |name: &str| name.rsplit_once('.').map(|(layer, _)| layer.to_owned());
        let (mut free, members) = (Vec::new(), self.network.members());
        for bias in sum
            .blocks
            .iter()
            .filter(|block| block.uncertain == Some(Uncertain::Zero) && block.shape.0 == members)
        {
            let beside = |other: &gradcheck::BlockReport| {
                other.name != bias.name && other.norm > 0.0 && layer(&other.name) == layer(&bias.name)
            };
            let Some(block) = self.network.layout().block(&bias.name) else { continue };
            if !sum.blocks.iter().any(beside) {
                continue;
            }
            let (loss, outputs) = at(point);
            let is_free = [1.0, -0.3].into_iter().all(|by| {
                let mut moved = point.to_vec();
                for (i, x) in moved[block.range()].iter_mut().enumerate() {
                    *x += F::from_f64(by * (1.0 + i as f64));
                }
                let (moved_loss, moved_outputs) = at(&moved);
                // A loss sums many terms, each rounded.
                (moved_loss - loss).abs() <= 1e4 * F::EPSILON * loss.abs() && moved_outputs != outputs
            });
            if is_free {
                free.push(bias.name.clone());
            }
        }
        free
    }

    /// The sum of terms of the objective as a function of the parameters and, behind them, the inputs. Labels and weights
    /// of examples are those that the trace holds. What of the inputs cannot be moved is taken from `features`, which has
    /// all of them.
    fn probe_at(
        &self,
        point: &[F],
        features: &[F],
        &Terms { weights, penalties }: &Terms<'_, F>,
        trace: &mut Trace<F>,
        probe: &mut Probe<'_, F>,
    ) -> F {
        let (network, width, moving) = (&self.network, self.n_features(), self.moving_features());
        let (theta, inputs) = point.split_at(self.theta.len());
        let fill = |first: usize, rows: RowsMut<'_, F>| {
            for (to, i) in rows.zip(first..) {
                to.copy_from_slice(&features[i * width..(i + 1) * width]);
                let moved = &inputs[i * moving.len()..(i + 1) * moving.len()];
                moving.iter().zip(moved).for_each(|(&feature, &x)| to[feature] = x);
            }
        };
        let pass = self.pass(Mode::Train).at(theta);
        network.forward(&pass, fill, trace);
        network.losses(trace);
        network.branches(&pass, trace, &mut |side, distance| probe.branch_at(side, distance));
        let backward = |weights: &Weights, gradient: &mut [F], trace: &mut Trace<F>| {
            let (parameters, inputs) = gradient.split_at_mut(theta.len());
            network.backward(&pass, trace, weights, parameters);
            let dx = network.input_gradient(trace);
            let moved = dx.rows().into_iter().flat_map(|dx| moving.iter().map(move |&feature| dx[feature]));
            inputs.iter_mut().zip(moved).for_each(|(to, from)| *to = from);
        };
        if let Some(gradient) = probe.gradient() {
            backward(weights, gradient, trace);
        }
        for (k, task) in self.tasks().iter().enumerate() {
            if let Some(gradient) = probe.task_gradient(task.name()) {
                backward(&only(k, weights), gradient, trace);
            }
        }
        let losses = trace.losses().iter().zip(&weights.own);
        let losses: F = losses.map(|(&loss, &weight)| F::from_f64(weight * loss)).sum();
        losses + penalties.iter().map(|penalty| probe_penalty(&**penalty, theta, probe)).sum()
    }
}

/// The value of a penalty at `theta`, and what the probe asks for: its gradient is added to what is there.
pub(super) fn probe_penalty<F: Scalar>(
    penalty: &dyn PenaltyFunction<F>,
    theta: &[F],
    probe: &mut Probe<'_, F>,
) -> F {
    penalty.branches(theta, &mut |side, distance| probe.branch_at(side, distance));
    if let Some(gradient) = probe.gradient() {
        penalty.add_gradient(theta, gradient);
    }
    // To whoever asks what each task adds to the gradient, a penalty is one of them.
    if let Some(gradient) = probe.task_gradient(penalty.name()) {
        penalty.add_gradient(theta, gradient);
    }
    F::from_f64(penalty.value(theta))
}

/// The weights of one task, 0 for all others.
pub(super) fn only(task: usize, weights: &Weights) -> Weights {
    let keep = |w: &[f64]| w.iter().enumerate().map(|(k, &w)| if k == task { w } else { 0.0 }).collect();
    Weights { shared: keep(&weights.shared), own: keep(&weights.own) }
}
