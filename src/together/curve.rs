//! How the losses on held-out rows fall while a contender is trained.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::data::Dataset;
use crate::train::Progress;
use crate::train::callback::{AnyModel, Callback, Controls, Event};
use crate::{Model, Result, Scalar};

/// The held-out losses of a contender after each epoch, and the time that it had then taken.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::together::TogetherOrApart;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
/// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
///     .hidden([8])
///     .trainer(Trainer::new(Adam::new(0.01)).epochs(3))
///     .run(&data)?;
/// let curve = &report.curves[1];
/// assert_eq!((curve.contender.as_str(), curve.seconds.len(), curve.losses.len()), ("together", 3, 2));
/// assert!(curve.losses[1][2] < curve.losses[1][0]); // of the elbow, after the third epoch and after the first
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Curve {
    /// The contender.
    pub contender: String,
    /// The time of training up to the end of each epoch, of all models of the contender: the mean over folds.
    pub seconds: Vec<f64>,
    /// For each task its loss on the rows held out, after each epoch: the mean over folds; NaN where a fold has no label. A model
    /// that has stopped early keeps its last loss.
    pub losses: Vec<Vec<f64>>,
}

/// One moment of a training: seconds since it began, and the held-out loss of each task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) seconds: f64,
    pub(super) losses: Vec<f64>,
}

/// Notes the held-out losses after each epoch of a training, and leaves the time that this takes out.
#[derive(Clone, Debug)]
pub(super) struct HeldOutLosses<F: Scalar> {
    held_out: Arc<Dataset<F>>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Debug)]
struct Noted {
    begun: Instant,
    watching: Duration,
    moments: Vec<Moment>,
}

impl<F: Scalar> HeldOutLosses<F> {
    pub(super) fn new(held_out: &Arc<Dataset<F>>) -> Self {
        let noted = Noted { begun: Instant::now(), watching: Duration::ZERO, moments: Vec::new() };
        Self { held_out: Arc::clone(held_out), noted: Arc::new(Mutex::new(noted)) }
    }

    /// What was noted, and how long it took.
    pub(super) fn noted(&self) -> (Vec<Moment>, Duration) {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        (noted.moments.clone(), noted.watching)
    }
}

impl<F: Scalar> Callback for HeldOutLosses<F> {
    fn name(&self) -> &'static str {
        "held_out_losses"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match event {
            Event::Start => (noted.begun, noted.watching) = (now, Duration::ZERO),
            Event::Epoch => {
                let seconds = (now - noted.begun - noted.watching).as_secs_f64();
                let losses = losses_of(at.model, &self.held_out)?;
                noted.moments.push(Moment { seconds, losses });
                noted.watching += now.elapsed();
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The loss of each task on the rows held out; NaN where there is no label.
fn losses_of<F: Scalar>(model: AnyModel<'_>, held_out: &Dataset<F>) -> Result<Vec<f64>> {
    let model: &dyn Any = match model {
        AnyModel::F32(model) => model,
        AnyModel::F64(model) => model,
    };
    let model: &Model<F> = model.downcast_ref().expect("the model is over the scalar of its table");
    let mut trace = model.trace(model.evaluation_rows(held_out));
    let losses = model.mean_losses(held_out, &mut trace, |_, _| {})?;
    Ok(losses.into_iter().map(|loss| loss.map_or(f64::NAN, |loss| loss.mean)).collect())
}

/// The moments of models that are trained one after the other, as those of one contender: `tasks` says where each model's
/// losses go among those of `n_tasks`. A model with fewer epochs keeps its last moment.
pub(super) fn joined(models: &[(Vec<usize>, Vec<Moment>)], n_tasks: usize) -> Vec<Moment> {
    let n_epochs = models.iter().map(|(_, moments)| moments.len()).max().unwrap_or(0);
    let at = |epoch: usize| {
        let mut joined = Moment { seconds: 0.0, losses: vec![f64::NAN; n_tasks] };
        for (tasks, moments) in models {
            let Some(moment) = moments.get(epoch).or(moments.last()) else { continue };
            joined.seconds += moment.seconds;
            tasks.iter().zip(&moment.losses).for_each(|(&k, &loss)| joined.losses[k] = loss);
        }
        joined
    };
    (0..n_epochs).map(at).collect()
}

/// The mean over folds of what was noted in each; a fold with fewer epochs keeps its last moment.
pub(super) fn mean_curve(contender: &str, folds: &[&[Moment]], n_tasks: usize) -> Curve {
    let folds: Vec<&&[Moment]> = folds.iter().filter(|moments| !moments.is_empty()).collect();
    let n_epochs = folds.iter().map(|moments| moments.len()).max().unwrap_or(0);
    let mean = |epoch: usize, of: &dyn Fn(&Moment) -> f64| -> f64 {
        let values =
            folds.iter().map(|moments| of(moments.get(epoch).unwrap_or(&moments[moments.len() - 1])));
        values.sum::<f64>() / folds.len() as f64
    };
    Curve {
        contender: contender.to_owned(),
        seconds: (0..n_epochs).map(|epoch| mean(epoch, &|moment| moment.seconds)).collect(),
        losses: (0..n_tasks)
            .map(|k| (0..n_epochs).map(|epoch| mean(epoch, &|moment| moment.losses[k])).collect())
            .collect(),
    }
}

/// The seconds after which the weighted sum of the held-out losses is at most `level` for the first time.
pub(super) fn seconds_to(moments: &[Moment], weights: &[f64], level: f64) -> Option<f64> {
    moments.iter().find(|moment| total(moment, weights) <= level).map(|moment| moment.seconds)
}

/// `Σ wₖ Lₖ`, what training minimises, on rows held out; NaN where a task has no label.
pub(super) fn total(moment: &Moment, weights: &[f64]) -> f64 {
    moment.losses.iter().zip(weights).map(|(loss, weight)| loss * weight).sum()
}
