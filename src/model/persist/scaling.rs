//! The scaling of a model in a file: means, deviations, and fitted transforms of targets.

use super::super::Model;
use super::super::scaling::{Scaling, fixed};
use crate::data::{FittedTransform, Standardizer};
use crate::persist::Reader;
use crate::{Error, ErrorKind, Result, Scalar, Task};

/// The section that says what a model does with features that were constant in the data it learnt from.
pub(super) const CONSTANTS: &str = "constant_features";
pub(super) const IGNORED: &str = "ignored";

impl<F: Scalar> Model<F> {
    pub(super) fn standardizers(&self) -> impl Iterator<Item = (String, Option<&Standardizer<F>>)> {
        let targets = self.spec.tasks.iter().zip(&self.scaling.targets);
        std::iter::once(("scaling.features".to_owned(), self.scaling.features.as_ref()))
            .chain(targets.map(|(task, scaling)| (of_task(task.name()), scaling.as_ref())))
    }

    pub(super) fn read_scaling(&self, reader: &Reader<'_>) -> Result<Scaling<F>> {
        let read = |name: &str, width: usize| {
            let moment = |moment: &str| reader.tensor(&format!("{name}.{moment}"), &[width]);
            Standardizer::from_moments(moment("mean")?, moment("std")?).map_err(|error| error.within(name))
        };
        let features = read("scaling.features", self.n_features())?;
        let ignores_constants = ignores_constants(reader)?;
        let features = match ignores_constants {
            true => features.ignoring_constants(),
            false => features,
        };
        let targets = self.spec.tasks.iter().map(|task| {
            let name = of_task(task.name());
            // A task without a loss need not have had labels.
            let is_there = task.has_loss() || reader.has(&format!("{name}.mean"));
            let takes_scaling = task.loss().standardizes() && is_there;
            takes_scaling.then(|| read(&name, task.columns_list().len())).transpose()
        });
        let (targets, transforms) = (targets.collect::<Result<_>>()?, Vec::new());
        Ok(Scaling { features: Some(features), targets, transforms, ignores_constants })
    }

    /// The transforms that the model knows, with those that are in a file.
    pub(super) fn read_transforms(&self, reader: &Reader<'_>) -> Result<Vec<Vec<FittedTransform>>> {
        let of_task = |(task, known): (&Task, &Vec<FittedTransform>)| {
            let name = lambda_of(task.name());
            match task.target_transform() {
                Some(transform) if fixed(task).is_empty() && reader.has(&name) => {
                    let lambdas: Vec<f64> = reader.tensor(&name, &[task.columns_list().len()])?;
                    match lambdas.iter().find(|lambda| !lambda.is_finite()) {
                        Some(wrong) => Err(Error::new(ErrorKind::Value, name, "a finite number", wrong)),
                        None => Ok(lambdas.into_iter().map(|lambda| transform.with_lambda(lambda)).collect()),
                    }
                }
                _ => Ok(known.clone()),
            }
        };
        self.tasks().iter().zip(&self.scaling.transforms).map(of_task).collect()
    }
}

/// Whether the model in a file ignores features that were constant; those of earlier versions only centred them.
fn ignores_constants(reader: &Reader<'_>) -> Result<bool> {
    if !reader.has_section(CONSTANTS) {
        return Ok(false);
    }
    let found: String = reader.section(CONSTANTS)?;
    match found == IGNORED {
        true => Ok(true),
        false => Err(Error::new(ErrorKind::File, "treatment of constant features", IGNORED, found)),
    }
}

pub(super) fn lambda_of(task: &str) -> String {
    format!("{}.lambda", of_task(task))
}

fn of_task(name: &str) -> String {
    format!("scaling.task.{name}")
}
