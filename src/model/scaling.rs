//! How a model scales: features and targets to mean 0 and deviation 1, targets by their transforms before; and where
//! the bins of its features lie.

use std::sync::Arc;

use ndarray::Axis;

use super::Model;
use crate::data::{Dataset, FittedTransform, Moments, Standardizer};
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// How features and targets are brought to mean 0 and deviation 1 before the network sees them.
#[derive(Clone, Debug)]
pub(super) struct Scaling<F> {
    pub(super) features: Option<Standardizer<F>>,
    /// One per task; `None` where the loss needs the targets as they are.
    pub(super) targets: Vec<Option<Standardizer<F>>>,
    /// One for each column of a task whose labels are transformed; empty as long as a transform is to be fitted.
    pub(super) transforms: Vec<Vec<FittedTransform>>,
    /// Whether features that were constant become 0; models of files saved by earlier versions only centre them.
    pub(super) ignores_constants: bool,
}

/// What a model standardises by.
#[derive(Clone, Debug)]
pub(super) struct ModelMoments {
    features: Vec<Moments>,
    /// One per task.
    targets: Vec<Option<Vec<Moments>>>,
}

impl ModelMoments {
    /// Those of the rows of both.
    pub(super) fn merge(&mut self, other: &Self) {
        let labels = self.targets.iter_mut().zip(&other.targets);
        let of_labels = labels.filter_map(|(own, other)| Some((own.as_mut()?, other.as_ref()?)));
        for (own, other) in std::iter::once((&mut self.features, &other.features)).chain(of_labels) {
            own.iter_mut().zip(other).for_each(|(own, &other)| *own = own.merged(other));
        }
    }
}

impl<F> Scaling<F> {
    pub(super) fn none(tasks: &[Task]) -> Self {
        Self {
            features: None,
            targets: tasks.iter().map(|_| None).collect(),
            transforms: tasks.iter().map(fixed).collect(),
            ignores_constants: true,
        }
    }
}

/// The transforms of a task's columns that need not be fitted; none if the task has none.
pub(super) fn fixed(task: &Task) -> Vec<FittedTransform> {
    let fixed = task.target_transform().and_then(|transform| transform.fixed());
    fixed.map_or(Vec::new(), |fixed| vec![fixed; task.columns_list().len()])
}

impl<F: Scalar> Model<F> {
    /// Takes the means and standard deviations of features and targets from `data`, if the model standardises and has
    /// none yet, the bins of [piecewise-linear embeddings](crate::layer::PiecewiseLinear), the λ of targets that are [transformed](Task::transform) by one that is not known yet, and the names of the
    /// columns, if it has none yet.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let features = array![[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]];
    /// let data = Dataset::new(features, array![[100.0], [200.0], [300.0]])?
    ///     .with_feature_names(["area", "country"])?
    ///     .with_target_names(["price"])?;
    /// let mut model = Model::builder(2).task(Task::regression("price")).standardize().build::<f64>()?;
    /// assert!(model.names().is_none());
    /// model.fit_scaling(&data)?;
    /// assert_eq!(model.constant_features(), [1]);                      // carries no information
    /// assert_eq!(model.names().map(|names| &names.features), Some(&vec!["area".into(), "country".into()]));
    /// model.parameters_mut().fill(0.0);
    /// assert_eq!(model.predict(data.features())?["price"], array![[200.0], [200.0], [200.0]]); // the mean
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] or [`ErrorKind::Name`] if `data` has other features, or not the tasks' columns.
    pub fn fit_scaling(&mut self, data: &Dataset<F>) -> Result<()> {
        let (order, columns) = (self.feature_order(data)?, self.columns(data)?);
        self.check_index_columns(data, order.as_deref())?;
        let transforms = self.fitted_transforms(data, &columns)?;
        self.take_names(data, order.is_some());
        self.scaling.transforms = transforms;
        if self.spec.standardizes && self.scaling.features.is_none() {
            self.fit_standardizers(data, order.as_deref(), &columns)?;
        }
        self.fit_bins(data, order.as_deref());
        Ok(())
    }

    /// Takes means and deviations, once the transforms of targets are known.
    fn fit_standardizers(
        &mut self,
        data: &Dataset<F>,
        order: Option<&[usize]>,
        columns: &[Vec<usize>],
    ) -> Result<()> {
        self.take_moments(&self.moments(data, order, columns)?)?;
        self.note_coarse_features(data);
        Ok(())
    }

    /// Those of the features of a table in the model's own order, and of each task's labels as it learns them; none for a
    /// task that learns them as they are.
    pub(super) fn moments(
        &self,
        data: &Dataset<F>,
        order: Option<&[usize]>,
        columns: &[Vec<usize>],
    ) -> Result<ModelMoments> {
        let of_task = |(k, columns): (usize, &Vec<usize>)| {
            let takes_scaling = self.spec.tasks[k].loss().standardizes() && !columns.is_empty();
            takes_scaling.then(|| self.moments_of_labels(k, columns, data)).transpose()
        };
        let all = Moments::of_columns(data.features(), data.weights());
        Ok(ModelMoments {
            features: match order {
                None => all,
                Some(order) => order.iter().map(|&column| all[column]).collect(),
            },
            targets: columns.iter().enumerate().map(of_task).collect::<Result<_>>()?,
        })
    }

    /// Standardises by these moments.
    pub(super) fn take_moments(&mut self, moments: &ModelMoments) -> Result<()> {
        let of_task = |moments: &Option<Vec<Moments>>| {
            moments.as_ref().map(|moments| Standardizer::of_all(moments)).transpose()
        };
        let targets = moments.targets.iter().map(of_task).collect::<Result<_>>()?;
        let features = Standardizer::of_all(&moments.features)?.ignoring_constants();
        let features = features.leaving(self.network.index_columns().keys().copied());
        let transforms = std::mem::take(&mut self.scaling.transforms);
        self.scaling = Scaling { features: Some(features), targets, transforms, ignores_constants: true };
        Ok(())
    }

    /// The transforms of a task's target columns, as they are fitted; `None` if the task has none, or they are still to be
    /// fitted.
    ///
    /// ```
    /// use polytask::data::{FittedTransform, TargetTransform};
    /// use polytask::ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[1.0], [2.0], [3.0]], array![[1.0], [10.0], [100.0]])?;
    /// let task = Task::regression("y0").transform(TargetTransform::box_cox());
    /// let mut model = Model::builder(1).task(task).build::<f64>()?;
    /// assert_eq!(model.fitted_transform("y0"), None);
    /// assert!(model.predict(data.features()).is_err()); // in which unit?
    /// model.fit_scaling(&data)?;
    /// let Some([FittedTransform::BoxCox(lambda)]) = model.fitted_transform("y0") else { panic!("one column") };
    /// assert!(lambda.abs() < 1e-9);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn fitted_transform(&self, task: &str) -> Option<&[FittedTransform]> {
        let k = self.tasks().iter().position(|candidate| candidate.name() == task)?;
        let transforms = &self.scaling.transforms[k];
        (!transforms.is_empty()).then_some(transforms)
    }

    /// The transforms as they are after `data` has been seen: those that are known, and the others fitted to it.
    fn fitted_transforms(
        &self,
        data: &Dataset<F>,
        columns: &[Vec<usize>],
    ) -> Result<Vec<Vec<FittedTransform>>> {
        let of_task = |(k, columns): (usize, &Vec<usize>)| {
            let known = &self.scaling.transforms[k];
            match self.tasks()[k].target_transform() {
                Some(transform) if known.is_empty() && !columns.is_empty() => {
                    let targets = data.targets().select(Axis(1), columns);
                    let weights = data.task_weights(columns)?;
                    let weights = weights.as_ref().map(|weights| weights.view());
                    transform.fit(targets.view(), weights).map_err(|error| error.within(self.place(k)))
                }
                _ => Ok(known.clone()),
            }
        };
        columns.iter().enumerate().map(of_task).collect()
    }

    /// The moments of a task's labels, transformed as the network is to learn them.
    fn moments_of_labels(&self, task: usize, columns: &[usize], data: &Dataset<F>) -> Result<Vec<Moments>> {
        let transforms = &self.scaling.transforms[task];
        if transforms.is_empty() {
            return Ok(Moments::of_labels(data, columns));
        }
        let mut targets = data.targets().select(Axis(1), columns);
        for (transform, mut column) in transforms.iter().zip(targets.columns_mut()) {
            column.mapv_inplace(|x| F::from_f64(transform.apply(x.to_f64())));
        }
        let weights = data.task_weights(columns)?;
        Ok(Moments::of_columns(targets.view(), weights.as_ref().map(|weights| weights.view())))
    }

    /// Takes the edges of bins between quantiles of features, as the network sees them, unless they are known.
    fn fit_bins(&mut self, data: &Dataset<F>, order: Option<&[usize]>) {
        if !self.network.lacks_bins(&self.state) {
            return;
        }
        let network = Arc::clone(&self.network);
        for quantiles in network.quantiles() {
            let all = &mut self.state[quantiles.edges.range()];
            let of_feature = all.chunks_exact_mut(quantiles.edges.shape().1);
            for (edges, &feature) in of_feature.zip(&quantiles.features) {
                let column = data.features().column(order.map_or(feature, |order| order[feature])).to_owned();
                let scaling = self.scaling.features.as_ref();
                let seen = column.mapv(|x| scaling.map_or(x, |scaling| scaling.apply(feature, x)));
                edges_between(seen.into_raw_vec_and_offset().0, edges);
            }
        }
    }

    /// Fails if the bins of a layer are still to be fitted.
    pub(super) fn check_bins(&self, state: &[F]) -> Result<()> {
        match self.network.lacks_bins(state) {
            false => Ok(()),
            true => {
                let expected = "quantiles of the features, for the bins of a layer";
                Err(Error::new(ErrorKind::Setting, "bins of the model", expected, "none")
                    .advise("fit the model, or call fit_scaling with the data it is to learn from"))
            }
        }
    }

    /// Fails if a transform is still to be fitted.
    pub(super) fn check_transforms(&self) -> Result<()> {
        let unknown = |(task, known): (&Task, &Vec<FittedTransform>)| {
            let is_unknown = task.target_transform().is_some() && known.is_empty();
            (is_unknown && task.has_loss()).then(|| task.name().to_owned())
        };
        match self.tasks().iter().zip(&self.scaling.transforms).find_map(unknown) {
            None => Ok(()),
            Some(task) => {
                let place = format!("transform of task {task:?}");
                Err(Error::new(ErrorKind::Setting, place, "a lambda, since none was given", "none")
                    .advise("fit the model, or call fit_scaling with the data it is to learn from"))
            }
        }
    }
}

/// Edges of at most `edges.len() − 1` bins with as many of the numbers in each as can be: the quantiles 0, 1/T … 1, between
/// two neighbours in proportion. Equal ones are one edge, and what is left over at the end repeats the last. Numbers that are
/// all the same are in one bin of width 1.
fn edges_between<F: Scalar>(mut numbers: Vec<F>, edges: &mut [F]) {
    numbers.sort_by(|a, b| a.partial_cmp(b).expect("features are finite"));
    let (last, bins) = (numbers.len() - 1, edges.len() - 1);
    let mut used = 0;
    for t in 0..=bins {
        let at = t as f64 / bins as f64 * last as f64;
        let (below, part) = (at.floor() as usize, at.fract());
        let (low, high) = (numbers[below].to_f64(), numbers[(below + 1).min(last)].to_f64());
        let between = if low < high { low * (1.0 - part) + high * part } else { low };
        let edge = F::from_f64(between);
        if used == 0 || edge > edges[used - 1] {
            edges[used] = edge;
            used += 1;
        }
    }
    if used == 1 {
        // What grows beyond all bounds is let go on from 0 instead.
        let next = edges[0] + F::ONE.max(edges[0].abs());
        (edges[0], edges[1]) = if next.is_finite() { (edges[0], next) } else { (F::ZERO, edges[0]) };
        used = 2;
    }
    let end = edges[used - 1];
    edges[used..].fill(end);
}

#[cfg(test)]
mod tests {
    use super::edges_between;

    /// Those of `numpy.quantile` with its default method, equal ones taken once.
    #[test]
    fn edges_are_quantiles() {
        let edges = |numbers: &[f64], bins: usize| {
            let mut edges = vec![0.0; bins + 1];
            edges_between(numbers.to_vec(), &mut edges);
            edges
        };
        assert_eq!(edges(&[4.0, 1.0, 3.0, 2.0, 10.0], 4), [1.0, 2.0, 3.0, 4.0, 10.0]);
        assert_eq!(edges(&[4.0, 1.0, 3.0, 2.0], 2), [1.0, 2.5, 4.0]);
        assert_eq!(edges(&[0.0, 0.0, 0.0, 0.0, 1.0], 4), [0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(edges(&[7.0, 7.0], 3), [7.0, 14.0, 14.0, 14.0]);
        assert_eq!(edges(&[0.0], 2), [0.0, 1.0, 1.0]);
    }
}
