//! A task: one thing to predict, with its loss, its own layers and its metrics.

use crate::data::TargetTransform;
use crate::layer::Layer;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::{Error, ErrorKind, Result};

/// One thing to predict from the features.
///
/// A task learns from the target columns that bear its name, or those that
/// [`columns`](Self::columns) names. Its head is the layers given here, if any, and a linear layer as wide as
/// the loss wants. There is a constructor for each common kind of task, and [`Task::new`] for any loss:
///
/// ```text
/// constructor   a label is                  loss                   a prediction is
/// regression    a quantity                  mean squared error     the quantity
/// binary        0 or 1                      cross-entropy          the probability of 1
/// multi_label   0 or 1 in each column       cross-entropy          the probability of 1, each column
/// classes       a class index 0 … n − 1     cross-entropy          the probability of each class
/// ordinal       the same, in order          cumulative logits      the probability of each class
/// count         a count 0, 1, 2 …           Poisson, log link      the rate
/// ranking       a relevance                 RankNet                a score, higher is earlier
/// product       0 or 1                      cross-entropy          the product of two probabilities
/// ```
///
/// A label may be missing (NaN) in any row. Such a row has no effect on this task, and its usual effect on the others.
///
/// ```
/// use polytask::{Activation, Layer, Task, loss::Loss};
///
/// let price = Task::regression("price").head([Layer::dense(64, Activation::Relu)]).weight(2.0);
/// let position = Task::new("position", Loss::smooth_l1(0.1)).columns(["x", "y"]);
/// assert_eq!(price.columns_list(), ["price"]);
/// assert_eq!(position.columns_list(), ["x", "y"]);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Task {
    name: String,
    columns: Vec<String>,
    loss: Loss,
    layers: Vec<Layer>,
    metrics: Vec<Metric>,
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "Option::is_none"))]
    transform: Option<TargetTransform>,
    weight: f64,
    factors: Option<[String; 2]>,
    has_loss: bool,
}

impl Task {
    /// A task with any loss.
    pub fn new(name: impl Into<String>, loss: Loss) -> Self {
        let name = name.into();
        Self {
            columns: vec![name.clone()],
            name,
            loss,
            layers: Vec::new(),
            metrics: Vec::new(),
            transform: None,
            weight: 1.0,
            factors: None,
            has_loss: true,
        }
    }

    /// A quantity to predict, learnt by mean squared error.
    pub fn regression(name: impl Into<String>) -> Self {
        Self::new(name, Loss::MeanSquaredError)
    }

    /// A yes or no to predict: labels 0 and 1, learnt by cross-entropy on the logit.
    ///
    /// ```
    /// use polytask::{Task, loss::Loss};
    /// assert_eq!(Task::binary("bought").loss(), &Loss::binary_cross_entropy());
    /// ```
    pub fn binary(name: impl Into<String>) -> Self {
        Self::new(name, Loss::binary_cross_entropy())
    }

    /// Several yes-or-no answers at once, one for each of `columns`, any number of which may be yes: labels 0
    /// and 1, learnt by cross-entropy on the logits.
    ///
    /// ```
    /// use polytask::Task;
    /// assert_eq!(Task::multi_label("genres", ["comedy", "drama"]).columns_list(), ["comedy", "drama"]);
    /// ```
    pub fn multi_label(
        name: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::binary(name).columns(columns)
    }

    /// One of `n` classes to predict: labels are class indices 0 … n − 1, learnt by cross-entropy on n logits.
    /// A class that never occurs in training is fine.
    ///
    /// ```
    /// use polytask::{Task, loss::Loss};
    /// assert_eq!(Task::classes("species", 3).loss(), &Loss::cross_entropy(3));
    /// ```
    pub fn classes(name: impl Into<String>, n: usize) -> Self {
        Self::new(name, Loss::cross_entropy(n))
    }

    /// One of `n` grades, whose order means something: labels are 0 … n − 1, learnt by cumulative logits on
    /// n − 1 outputs. The prediction is the probability of each grade.
    ///
    /// ```
    /// use polytask::{Task, loss::Loss};
    /// assert_eq!(Task::ordinal("stars", 5).loss(), &Loss::ordinal(5));
    /// ```
    pub fn ordinal(name: impl Into<String>, n: usize) -> Self {
        Self::new(name, Loss::ordinal(n))
    }

    /// How often something happens: labels are counts, learnt by Poisson's likelihood on the logarithm of the
    /// rate. The prediction is the rate.
    ///
    /// ```
    /// use polytask::{Task, loss::Loss};
    /// assert_eq!(Task::count("visits").loss(), &Loss::poisson());
    /// ```
    pub fn count(name: impl Into<String>) -> Self {
        Self::new(name, Loss::poisson())
    }

    /// An order to predict within each query group: labels are relevances, any finite numbers of which higher
    /// ones belong earlier; the prediction is a score. The table must have groups
    /// ([`with_groups`](crate::data::Dataset::with_groups)), else a batch is one group.
    ///
    /// The loss is RankNet: it is the ranking loss that combines most easily with other tasks. It is a mean over pairs
    /// and so starts near ln 2, however long the lists are; it is a true loss, of which the delta is the
    /// derivative; and it asks nothing of the relevances but their order. [`Loss::lambda_rank`] and
    /// [`Loss::approx_ndcg`] care more for the first places.
    ///
    /// ```
    /// use polytask::{Task, loss::Loss};
    /// assert_eq!(Task::ranking("relevance").loss(), &Loss::rank_net());
    /// ```
    pub fn ranking(name: impl Into<String>) -> Self {
        Self::new(name, Loss::rank_net())
    }

    /// A yes or no whose probability is the product of those of two other yes-or-no tasks, which were added to
    /// the model before it: a chain of events, of which the second can only follow the first.
    ///
    /// ```text
    /// P(clicked and bought) = P(clicked) · P(bought | clicked)
    /// ```
    /// It has no parameters: its loss teaches the two factors, through the product. In the entire-space model of
    /// Ma et al. (SIGIR 2018) the second factor has [no loss of its own](Self::without_loss): labels of
    /// purchases exist where there was a click, and learning from those rows alone would be biased.
    ///
    /// ```
    /// use polytask::ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let model = Model::builder(2)
    ///     .task(Task::binary("clicked"))
    ///     .task(Task::binary("bought_if_clicked").without_loss())
    ///     .task(Task::product("bought", ["clicked", "bought_if_clicked"]))
    ///     .build::<f64>()?;
    /// let predicted = model.predict(array![[0.3, -1.2]].view())?;
    /// let p = |task: &str| predicted[task][[0, 0]];
    /// assert!((p("bought") - p("clicked") * p("bought_if_clicked")).abs() < 1e-15);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn product(name: impl Into<String>, factors: [&str; 2]) -> Self {
        Self { factors: Some(factors.map(str::to_owned)), ..Self::binary(name) }
    }

    /// The target columns that the task learns from, in order, instead of the one that bears its name.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Hidden layers of the task's own, between the representation and the linear output layer.
    #[must_use]
    pub fn head(mut self, layers: impl IntoIterator<Item = impl Into<Layer>>) -> Self {
        self.layers = layers.into_iter().map(Into::into).collect();
        self
    }

    /// What the task's loss is multiplied by in the total, 0 or more; default: 1. `L = Σₖ wₖ Lₖ`.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Learns the transformed quantity, such as its logarithm: for prices, incomes and other quantities that are spread
    /// over factors. Predictions come back in the unit of the labels, and metrics are in it; the loss is that of the
    /// transformed labels, which are standardised after it if the model standardises. A λ that is not given is fitted to
    /// the training labels, together with the model's scaling.
    ///
    /// What comes back from a prediction of mean squared error is not the mean but, where errors are symmetric on the
    /// transformed scale, the median: below the mean of a quantity that is skewed to the right. Predicted quantiles are
    /// quantiles of the quantity itself.
    ///
    /// ```
    /// use polytask::data::TargetTransform;
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64 / 10.0);
    /// let data = Dataset::new(x.clone(), x.mapv(|x| 3.0 * x.exp()))?.with_target_names(["price"])?; // 3 to 1100
    /// let fit = |task: Task| {
    ///     let mut model = Model::builder(1).task(task).standardize().build::<f64>()?; // linear
    ///     Trainer::new(Adam::new(0.05)).epochs(200).fit(&mut model, &data)?;
    ///     Ok::<_, polytask::Error>((model.evaluate(&data)?["price"].score("r2"), model))
    /// };
    /// let (plain, _) = fit(Task::regression("price"))?;
    /// let (log, model) = fit(Task::regression("price").transform(TargetTransform::Log))?;
    /// assert!(log > Some(0.99) && plain < Some(0.8), "{log:?}, {plain:?}");
    /// assert!((model.predict(x.view())?["price"][[0, 0]] - 3.0).abs() < 0.5); // in the unit of the price
    ///
    /// let zero = Dataset::new(x.clone(), x)?.with_target_names(["price"])?;
    /// let error = model.evaluate(&zero).unwrap_err();
    /// assert!(error.to_string().contains("task \"price\", row 0, target column 0: expected a label above 0"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn transform(mut self, transform: TargetTransform) -> Self {
        self.transform = Some(transform);
        self
    }

    /// The task has no loss: it learns as a factor of a [`product`](Self::product) alone. Its target columns
    /// may be absent from a table; where they are there, the task's metrics are reported.
    #[must_use]
    pub fn without_loss(mut self) -> Self {
        self.has_loss = false;
        self
    }

    /// Adds a metric to those that are reported for the task.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// let elbow = Task::regression("elbow").metric(Metric::MaxError);
    /// let report = Model::builder(10).task(elbow).build::<f64>()?.evaluate(&data)?;
    /// let names: Vec<&str> = report["elbow"].scores.iter().map(|score| score.name.as_str()).collect();
    /// assert_eq!(names, ["rmse", "mae", "r2", "max_error"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The target columns that the task learns from.
    pub fn columns_list(&self) -> &[String] {
        &self.columns
    }

    /// The task's loss.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The task's own hidden layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The transform of the task's labels, if it has one.
    pub fn target_transform(&self) -> Option<TargetTransform> {
        self.transform
    }

    /// What the task's loss is multiplied by in the total.
    pub fn loss_weight(&self) -> f64 {
        self.weight
    }

    /// Whether the task has a loss of its own.
    pub fn has_loss(&self) -> bool {
        self.has_loss
    }

    /// The names of the two tasks of which this one is the product, if it is one.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let own = [Layer::dense(4, Activation::Relu)];
    /// let clicked = Task::binary("clicked").head(own).weight(0.5);
    /// assert_eq!((clicked.name(), clicked.layers().len(), clicked.loss_weight()), ("clicked", 1, 0.5));
    /// assert!(clicked.has_loss() && clicked.factors().is_none());
    /// let bought = Task::product("bought", ["clicked", "bought_if_clicked"]);
    /// assert_eq!(bought.factors(), Some(["clicked", "bought_if_clicked"]));
    /// assert!(!Task::binary("bought_if_clicked").without_loss().has_loss());
    /// ```
    pub fn factors(&self) -> Option<[&str; 2]> {
        self.factors.as_ref().map(|[first, second]| [first.as_str(), second.as_str()])
    }

    pub(crate) fn added_metrics(&self) -> &[Metric] {
        &self.metrics
    }

    pub(crate) fn check(&self) -> Result<()> {
        let place = || format!("task {:?}", self.name);
        if self.name.is_empty() {
            return Err(Error::new(ErrorKind::Name, "name of a task", "at least one letter", "nothing"));
        }
        if self.columns.is_empty() {
            return Err(Error::new(ErrorKind::Setting, place(), "at least one target column", "none"));
        }
        if !(self.weight.is_finite() && self.weight >= 0.0) {
            let place = format!("weight of {}", place());
            return Err(Error::new(ErrorKind::Setting, place, "a finite number, 0 or more", self.weight));
        }
        if let Some(transform) = self.transform {
            transform.check().map_err(|error| error.within(place()))?;
            if !self.loss.standardizes() || self.loss == Loss::Gaussian {
                let expected =
                    "a loss of quantities in a unit of their own, without a variance, for a transform";
                return Err(Error::new(ErrorKind::Setting, place(), expected, self.loss.name()));
            }
        }
        if self.factors.is_some() && !self.layers.is_empty() {
            let expected = "no layers, because a product has no head of its own";
            return Err(Error::new(ErrorKind::Setting, place(), expected, self.layers.len()));
        }
        Ok(())
    }
}
