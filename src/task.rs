//! A task: one thing to predict, with its loss, its own layers and its metrics.

use crate::layer::Layer;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::{Error, ErrorKind, Result};

/// One thing to predict from the features.
///
/// A task learns from the target columns that bear its name, or those that
/// [`columns`](Self::columns) names. Its head is the layers given here, if any, and a linear layer as wide as
/// the loss wants.
///
/// ```
/// use polytask::{Activation, Layer, Task, loss::Loss};
///
/// let price = Task::regression("price").head([Layer::dense(64, Activation::Relu)]).weight(2.0);
/// let position = Task::new("position", Loss::MeanSquaredError).columns(["x", "y"]);
/// assert_eq!(price.columns_list(), ["price"]);
/// assert_eq!(position.columns_list(), ["x", "y"]);
/// ```
#[derive(Clone, Debug)]
pub struct Task {
    name: String,
    columns: Vec<String>,
    loss: Loss,
    layers: Vec<Layer>,
    metrics: Vec<Metric>,
    weight: f64,
}

impl Task {
    /// A task with any loss.
    pub fn new(name: impl Into<String>, loss: Loss) -> Self {
        let name = name.into();
        Self { columns: vec![name.clone()], name, loss, layers: Vec::new(), metrics: Vec::new(), weight: 1.0 }
    }

    /// A quantity to predict, learnt by mean squared error.
    pub fn regression(name: impl Into<String>) -> Self {
        Self::new(name, Loss::MeanSquaredError)
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

    /// What the task's loss is multiplied by in the total, 1 if not said: `L = Σₖ wₖ Lₖ`.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Adds a metric to those that are reported for the task.
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

    /// What the task's loss is multiplied by in the total.
    pub fn loss_weight(&self) -> f64 {
        self.weight
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
        Ok(())
    }
}
