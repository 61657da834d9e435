//! The settings of a model, and how they are checked.

use std::collections::HashSet;
use std::sync::Arc;

use super::binding::Bindings;
use super::{Model, Scaling};
use crate::loss::Loss;
use crate::network::MOST_PARAMETERS;
use crate::penalty::Penalty;
use crate::{Error, ErrorKind, Layer, Network, Result, Scalar, Sharing, Task};

/// The settings of a model; they carry no scalar type, so one builder makes an `f32` model and its `f64` twin.
///
/// ```
/// use polytask::prelude::*;
///
/// let builder = Model::builder(3)
///     .trunk([Layer::dense(8, Activation::Tanh)])
///     .task(Task::regression("price"))
///     .task(Task::classes("grade", 4).weight(0.5))
///     .seed(7);
/// let (single, double) = (builder.build::<f32>()?, builder.build::<f64>()?);
/// assert_eq!(single.n_parameters(), 3 * 8 + 8 + (8 + 1) + (8 * 4 + 4));
/// assert_eq!(single.parameters()[0], double.parameters()[0] as f32); // twins
///
/// let none = Model::builder(3).build::<f32>();
/// assert!(none.is_err()); // no task
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct ModelBuilder {
    pub(super) n_features: usize,
    pub(super) sharing: Sharing,
    pub(super) tasks: Vec<Task>,
    #[cfg_attr(feature = "persist", serde(default))]
    pub(super) seed: u64,
    #[cfg_attr(feature = "persist", serde(default))]
    pub(super) standardizes: bool,
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(super) penalties: Vec<Penalty>,
    #[cfg_attr(feature = "persist", serde(default = "one", skip_serializing_if = "is_one"))]
    pub(super) members: usize,
}

#[cfg(feature = "persist")]
fn one() -> usize {
    1
}

#[cfg(feature = "persist")]
fn is_one(members: &usize) -> bool {
    *members == 1
}

impl Model<f32> {
    /// Starts the settings of a model for rows of `n_features` features.
    pub fn builder(n_features: usize) -> ModelBuilder {
        ModelBuilder {
            n_features,
            sharing: Sharing::SharedTrunk(Vec::new()),
            tasks: Vec::new(),
            seed: 0,
            standardizes: false,
            penalties: Vec::new(),
            members: 1,
        }
    }
}

impl<F: Scalar> Model<F> {
    /// Whether the two were built with the same settings but for the seed, for features in the same order.
    pub(crate) fn is_built_like(&self, other: &Self) -> bool {
        let settings = |model: &Self| format!("{:?}", ModelBuilder::clone(&model.spec).seed(0));
        settings(self) == settings(other) && self.reads_like(other)
    }

    /// Whether the two predict the same tasks from features in the same order.
    pub(crate) fn reads_like(&self, other: &Self) -> bool {
        let features = |model: &Self| model.names.as_ref().map(|names| names.features.clone());
        let tasks = |model: &Self| format!("{:?}", model.tasks());
        self.n_features() == other.n_features()
            && features(self) == features(other)
            && tasks(self) == tasks(other)
    }
}

impl ModelBuilder {
    /// One trunk for all tasks.
    #[must_use]
    pub fn trunk(self, layers: impl IntoIterator<Item = impl Into<Layer>>) -> Self {
        self.sharing(Sharing::shared_trunk(layers))
    }

    /// Another sharing form.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let apart = Sharing::independent([Layer::dense(8, Activation::Relu)]);
    /// let builder = Model::builder(3).task(Task::regression("price")).task(Task::regression("rent"));
    /// assert_eq!(builder.clone().sharing(apart).build::<f32>()?.n_parameters(), 2 * (3 * 8 + 8 + 9));
    /// assert_eq!(builder.build::<f32>()?.n_parameters(), 2 * (3 + 1)); // heads that read the features
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Adds a task.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }

    /// Adds a [penalty](crate::penalty) to the objective: a term that depends on the parameters alone. Training steps add
    /// its gradient to that of the tasks' losses, and gradient checks include it; evaluation does not.
    ///
    /// ```
    /// use polytask::penalty::Penalty;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).task(Task::regression("elbow"));
    /// let mut model = builder.penalty(Penalty::l2("head.*.weight", 100.0)).build::<f64>()?;
    /// Trainer::new(Sgd::new(0.005)).steps(200).fit(&mut model, &data)?;
    /// assert!(model.parameters()[..10].iter().all(|weight| weight.abs() < 0.1)); // a strong one
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn penalty(mut self, penalty: Penalty) -> Self {
        self.penalties.push(penalty);
        self
    }

    /// Makes the network an ensemble of `members` members that is trained as one (default: 1, a plain network). 32 is
    /// usual.
    ///
    /// The members share the weights of all layers. In each dense layer, `z = ((x ∘ r) W) ∘ s + b`, each member has factors r
    /// and s and biases b of its own, and so is the linear layer at the end of each head. What is trained is the mean of the
    /// members' losses, never the loss of their mean. What is predicted is the mean of the members' predictions in the unit of
    /// the targets, so of probabilities and not of logits. Tasks, sharing forms, balancing and checks stay as they are. A step
    /// multiplies as much as one of a plain network on `members` times as many rows: what is saved is parameters, and time only
    /// where batches are small (0.6 to 2.4 of the time of 32 separate networks, where that plain network takes 0.2 to 1.5 of it:
    /// `cargo bench --bench ensembles`). Batch normalisation takes its statistics over the rows of all members.
    ///
    /// BatchEnsemble: Y. Wen, D. Tran and J. Ba, ICLR 2020; TabM: Y. Gorishniy, A. Kotelnikov and A. Babenko, ICLR 2025.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(60, 0.05, 1);
    /// let builder = Model::builder(10).trunk([Layer::dense(16, Activation::Relu)]).task(Task::regression("elbow"));
    /// let mut model = builder.batch_ensemble(8).build::<f64>()?;
    /// let of_layer = 10 * 16 + 8 * (10 + 16 + 16); // weights for all, factors and biases for each
    /// assert_eq!(model.n_parameters(), of_layer + 8 * (16 + 1));
    /// Trainer::new(Adam::new(0.01)).steps(50).fit(&mut model, &data)?;
    ///
    /// let mut trace = model.trace(60);
    /// model.forward_features(data.features(), &mut trace)?;
    /// let of_first: Vec<f64> = (0..8).map(|member| trace.outputs(0)[[member, 0]]).collect();
    /// let mean = of_first.iter().sum::<f64>() / 8.0;
    /// assert!((model.predict(data.features())?["elbow"][[0, 0]] - mean).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn batch_ensemble(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// The seed of the initial parameters (default: 0).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Brings features, and targets whose loss [allows it](crate::loss::Loss::standardizes), to mean 0 and standard deviation
    /// 1 before the network sees them. Means and deviations are those of the first data the model is fitted on; they are
    /// part of the model, and predictions are returned in the unit of the targets. A feature that is constant in that data
    /// has no influence: see [`Warning`](crate::Warning).
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[0.0], [1.0], [2.0]], array![[1e6], [2e6], [3e6]])?;
    /// let builder = Model::builder(1).task(Task::regression("price").columns(["y0"]));
    /// let (mut plain, mut scaled) = (builder.build::<f64>()?, builder.standardize().build::<f64>()?);
    /// for model in [&mut plain, &mut scaled] {
    ///     Trainer::new(Adam::new(0.1)).steps(500).fit(model, &data)?;
    /// }
    /// let row = array![[1.5]];
    /// assert!((scaled.predict(row.view())?["price"][[0, 0]] - 2.5e6).abs() < 1e3);
    /// assert!(plain.predict(row.view())?["price"][[0, 0]] < 1e3); // in steps of 0.1 it is far to a million
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn standardize(mut self) -> Self {
        self.standardizes = true;
        self
    }

    /// The tasks so far.
    pub(crate) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// How many parameters the model would have; checks all settings.
    pub(crate) fn n_parameters<F: Scalar>(&self) -> Result<usize> {
        Ok(self.network::<F>(MOST_PARAMETERS)?.layout().len())
    }

    /// Builds the model over `f32` or `f64`. Both start from the same parameters, up to rounding.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there is no feature or no task, or a setting is outside its range;
    /// [`ErrorKind::Name`] if two tasks have the same name, one has none, a product's factor does not exist, or no block
    /// has the name that a penalty looks for;
    /// [`ErrorKind::Shape`] if a metric does not fit its task.
    pub fn build<F: Scalar>(&self) -> Result<Model<F>> {
        F::model(self)
    }

    pub(crate) fn build_here<F: Scalar>(&self) -> Result<Model<F>> {
        let network = self.network(MOST_PARAMETERS)?;
        check_memory(network.layout().len().saturating_add(network.state_layout().len()))?;
        let (theta, state) = (network.initial(self.seed).into(), network.initial_state(self.seed));
        let scaling = Scaling::none(&self.tasks);
        Ok(Model {
            spec: Arc::new(self.clone()),
            network: Arc::new(network),
            theta,
            state,
            scaling,
            names: None,
            bindings: Bindings::default(),
            thresholds: vec![None; self.tasks.len()],
            notes: Vec::new(),
            #[cfg(feature = "csv")]
            encoding: None,
        })
    }

    /// Checks the settings and makes the network, of at most `most_numbers` parameters and numbers of state; nothing as
    /// long as θ is allocated.
    pub(super) fn network<F: Scalar>(&self, most_numbers: usize) -> Result<Network<F>> {
        if self.n_features == 0 {
            return Err(Error::new(ErrorKind::Setting, "number of features", "at least 1", 0));
        }
        if self.tasks.is_empty() {
            let advice = "add one with .task(Task::regression(\"name\"))";
            return Err(Error::new(ErrorKind::Setting, "tasks", "at least 1", 0).advise(advice));
        }
        let mut names = HashSet::with_capacity(self.tasks.len());
        for task in &self.tasks {
            task.check()?;
            if !F::from_f64(task.loss_weight()).is_finite() {
                let place = format!("weight of task {:?}", task.name());
                let expected = format!("a number within the range of {}", F::NAME);
                return Err(Error::new(ErrorKind::Setting, place, expected, task.loss_weight()));
            }
            if !names.insert(task.name()) {
                let found = format!("{:?} twice", task.name());
                return Err(Error::new(ErrorKind::Name, "names of tasks", "names that differ", found));
            }
        }
        let network =
            Network::within(most_numbers, self.n_features, self.members, &self.sharing, &self.tasks)?;
        let network = network.with_penalties(&self.penalties)?;
        for (k, task) in self.tasks.iter().enumerate() {
            let (targets, predictions) = network.widths(k);
            if task.target_transform().is_some()
                && matches!(task.loss(), Loss::Custom(_))
                && predictions != targets
            {
                let place = format!("task {:?}", task.name());
                let expected = "a loss of your own that predicts one number for each target, for a transform";
                return Err(Error::new(
                    ErrorKind::Setting,
                    place,
                    expected,
                    format!("{predictions} for {targets}"),
                ));
            }
            let (predictions, targets) = network.loss(k).kind().judged_widths(predictions, targets);
            for metric in task.added_metrics() {
                metric
                    .check(predictions, targets)
                    .map_err(|e| e.within(format!("task {:?}", task.name())))?;
            }
        }
        Ok(network)
    }
}

/// Fails where there is no memory for `n` parameters and numbers of state, as they are and as they are drawn: an
/// allocation that fails later would end the process.
fn check_memory(n: usize) -> Result<()> {
    let mut room: Vec<[f64; 2]> = Vec::new();
    room.try_reserve_exact(n).map_err(|_| {
        let expected = "as many as there is memory for";
        Error::new(ErrorKind::Setting, "parameters of the network", expected, n)
            .advise("make the layers narrower")
    })
}
