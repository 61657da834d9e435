//! How a model scales, fitted to a source of batches: means and deviations in one pass over all rows.

use super::Model;
use crate::data::{Dataset, Order, Source};
use crate::{Result, Scalar};

/// Rows that are read at once.
const ROWS: usize = 4096;

/// Rows of the sample that quantiles and λ are fitted to.
const SAMPLE: usize = 65_536;

impl<F: Scalar> Model<F> {
    /// As [`fit_scaling`](Self::fit_scaling), with all rows of a [`Source`]: means and standard deviations are those of all
    /// rows, in one pass over them.
    ///
    /// The edges of bins and the λ of targets, which need the rows side by side, are those of a sample: the first 65,536
    /// rows, or a few more, that the source hands out in the order of seed 0. The source is left at the end of an epoch, or
    /// behind the sample.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(10_000, 0.05, 1);
    /// let build = || Model::builder(10).task(Task::regression("elbow")).standardize().build::<f64>();
    /// let (mut one, mut other) = (build()?, build()?);
    /// one.fit_scaling(&data)?;
    /// other.fit_scaling_from(&mut data.source())?;
    /// let x = data.features().row(7).to_owned().insert_axis(ndarray::Axis(0));
    /// assert!((one.predict(x.view())?["elbow"][[0, 0]] - other.predict(x.view())?["elbow"][[0, 0]]).abs() < 1e-12);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and those of the source.
    pub fn fit_scaling_from(&mut self, source: &mut dyn Source<F>) -> Result<()> {
        source.begin(Order { batch_size: ROWS, seed: Some(0), keeps_groups: false })?;
        let (mut parts, mut rows): (Vec<Dataset<F>>, usize) = (Vec::new(), 0);
        while rows < SAMPLE && !(rows > 0 && source.epoch_finished()) {
            parts.push(next_rows(source)?);
            rows += parts[parts.len() - 1].n_rows();
        }
        let sample = Dataset::joined(&parts);
        drop(parts);
        let standardizes = self.spec.standardizes && self.scaling.features.is_none();
        self.fit_scaling(&sample)?;
        if !standardizes || source.epoch_finished() {
            return Ok(());
        }
        let (order, columns) = (self.feature_order(&sample)?, self.columns(&sample)?);
        let mut all = self.moments(&sample, order.as_deref(), &columns)?;
        while !source.epoch_finished() {
            all.merge(&self.moments(&next_rows(source)?, order.as_deref(), &columns)?);
        }
        self.take_moments(&all)
    }

    /// Whether there is something to be fitted to data before the model can be used.
    pub(crate) fn lacks_scaling(&self) -> bool {
        self.check_fitted().is_err()
    }

    /// Whether all that `fit_scaling` fits is known.
    pub(crate) fn is_scaling_fitted(&self) -> bool {
        self.names.is_some() && self.check_fitted().is_ok()
    }
}

fn next_rows<F: Scalar>(source: &mut dyn Source<F>) -> Result<Dataset<F>> {
    source.advance()?;
    let batch = source.batch();
    Ok(batch.dataset.select(batch.rows))
}
