//! A cross-validation over ranks: each fits some of the folds, and all have what came out.

use std::sync::Arc;
use std::time::Duration;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::CrossValidation;
use super::outcome::Outcome;
use crate::persist::{Reader, Writer};
use crate::ranks::Ranks;
use crate::{Error, ErrorKind, Result, Task, Warning};

impl CrossValidation {
    /// Deals the folds to [ranks](crate::ranks), processes or threads that call the same with the same table, each of which fits
    /// every nth and tells the others what it predicts: all have the result of one process, to the bit, but for the times.
    ///
    /// What is compared by the same folds, [`TogetherOrApart`](crate::together::TogetherOrApart) too, deals its jobs to the ranks;
    /// what it observes are those of its own rank.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::ranks::on_threads;
    /// use polytask::validation::CrossValidation;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(3).threads(1);
    /// let scores = |folds: CrossValidation| {
    ///     let result = folds.run(&data, |part| settings.clone().seed(part.seed).fit_table(part.data))?;
    ///     Ok(result["elbow"].score("r2").expect("a score of quantities").folds.clone())
    /// };
    /// let of_ranks = on_threads(2, |ranks| scores(CrossValidation::new(3).over(ranks)))?;
    /// assert_eq!(of_ranks, [scores(CrossValidation::new(3))?, of_ranks[0].clone()]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn over(mut self, ranks: impl Ranks + 'static) -> Self {
        self.ranks = (ranks.size() > 1).then(|| Arc::new(ranks) as Arc<dyn Ranks>);
        self
    }
}

/// What of an outcome is text.
#[derive(Serialize, Deserialize)]
struct About {
    tasks: Vec<Task>,
    thresholds: Vec<Option<Vec<f64>>>,
    warnings: Vec<Warning>,
    fit_time: Duration,
    n_parameters: Option<usize>,
    shapes: Vec<[usize; 2]>,
}

const SECTION: &str = "fold";

impl Outcome {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::new()?;
        let shape = |of_task: &Array2<f64>| [of_task.nrows(), of_task.ncols()];
        for (k, of_task) in self.predictions.iter().enumerate() {
            let numbers: Vec<f64> = of_task.iter().copied().collect();
            writer.tensor(format!("predictions.{k}"), &shape(of_task), &numbers)?;
        }
        let about = About {
            tasks: self.tasks.clone(),
            thresholds: self.thresholds.clone(),
            warnings: self.warnings.clone(),
            fit_time: self.fit_time,
            n_parameters: self.n_parameters,
            shapes: self.predictions.iter().map(shape).collect(),
        };
        writer.section(SECTION, &about)?;
        writer.bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let reader = Reader::new(bytes)?;
        let about: About = reader.section(SECTION)?;
        let prediction = |(k, shape): (usize, &[usize; 2])| {
            let name = format!("predictions.{k}");
            let numbers = reader.tensor::<f64>(&name, shape)?;
            Array2::from_shape_vec(*shape, numbers)
                .map_err(|cause| Error::new(ErrorKind::File, name, "numbers of its shape", cause))
        };
        Ok(Self {
            predictions: about.shapes.iter().enumerate().map(prediction).collect::<Result<_>>()?,
            tasks: about.tasks,
            thresholds: about.thresholds,
            warnings: about.warnings,
            fit_time: about.fit_time,
            n_parameters: about.n_parameters,
        })
    }
}
