//! The callbacks of a run, and what they have asked for.

use super::{Callback, Controls, Event, Progress};
#[cfg(any(test, feature = "persist"))]
use crate::balance::State;
#[cfg(any(test, feature = "persist"))]
use crate::{Error, ErrorKind};
use crate::{Result, Scalar};
use std::ops::ControlFlow;

/// The callbacks of one run with their controls and the θ they have kept.
#[derive(Debug)]
pub(in crate::train) struct Callbacks<F> {
    callbacks: Vec<Box<dyn Callback>>,
    controls: Controls,
    /// The θ that was kept last, behind it the running state of the layers, and after how many steps; empty if none was.
    kept: Vec<F>,
    kept_at: Option<u64>,
}

impl<F: Scalar> Callbacks<F> {
    /// Fresh copies of `callbacks` for a training of `n_tasks` tasks.
    pub(in crate::train) fn new(callbacks: &[Box<dyn Callback>], n_tasks: usize) -> Self {
        let mut callbacks = callbacks.to_vec();
        callbacks.iter_mut().flat_map(|callback| callback.state()).for_each(|(_, list)| list.clear());
        Self { callbacks, controls: Controls::new(n_tasks), kept: Vec::new(), kept_at: None }
    }

    /// Whether there are none.
    pub(in crate::train) fn is_empty(&self) -> bool {
        self.callbacks.is_empty()
    }

    /// What has been asked for.
    pub(in crate::train) fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Whether a validation has to compute metrics.
    pub(in crate::train) fn reads_report(&self) -> bool {
        self.callbacks.iter().any(|callback| callback.reads_report())
    }

    /// Whether a training that the callback of that name has ended may go on when it is resumed.
    #[cfg(feature = "persist")]
    pub(in crate::train) fn resumes(&self, name: &str) -> bool {
        self.callbacks.iter().any(|callback| callback.name() == name && callback.resumes())
    }

    /// Notifies every callback; the name of the first who wants to stop.
    pub(in crate::train) fn notify(
        &mut self,
        event: Event,
        at: &Progress<'_>,
        numbers: [&[F]; 2],
    ) -> Result<Option<&'static str>> {
        let mut stopped_by = None;
        for callback in &mut self.callbacks {
            let flow = callback.on(event, at, &mut self.controls)?;
            if flow == ControlFlow::Break(()) && stopped_by.is_none() {
                stopped_by = Some(callback.name());
            }
        }
        if self.controls.take_keep() {
            self.kept.clear();
            numbers.into_iter().for_each(|part| self.kept.extend_from_slice(part));
            self.kept_at = Some(at.step);
        }
        Ok(stopped_by)
    }

    /// The θ to bring back, with the state behind it, and after how many steps it was kept, if that was asked for.
    pub(in crate::train) fn restored(&mut self) -> Option<(u64, &[F])> {
        let wanted = self.controls.take_restore();
        self.kept_at.filter(|_| wanted).map(|step| (step, &self.kept[..]))
    }

    /// What a checkpoint holds: for each callback its name and lists, the controls, and the kept θ with its step.
    #[cfg(any(test, feature = "persist"))]
    pub(in crate::train) fn state(&self) -> CallbacksState<F> {
        let lists = |callback: &dyn Callback| {
            let mut copy = callback.boxed();
            copy.state().into_iter().map(|(name, list)| (name.to_owned(), list.clone())).collect()
        };
        CallbacksState {
            callbacks: self.callbacks.iter().map(|c| (c.name().to_owned(), lists(&**c))).collect(),
            controls: self.controls.state(),
            kept: self.kept_at.map(|step| (step, self.kept.clone())),
        }
    }

    /// Takes up what [`state`](Self::state) gave, with the same callbacks and as many numbers of θ and state.
    #[cfg(any(test, feature = "persist"))]
    pub(in crate::train) fn restore(&mut self, state: &CallbacksState<F>, n_numbers: usize) -> Result<()> {
        let found: Vec<&str> = state.callbacks.iter().map(|(name, _)| name.as_str()).collect();
        let own: Vec<&str> = self.callbacks.iter().map(|callback| callback.name()).collect();
        let fault = |expected: String, found: String| {
            Error::new(ErrorKind::Value, "state of the callbacks", expected, found)
                .advise("resume with the callbacks that the checkpoint was made with")
        };
        if found != own {
            return Err(fault(format!("those of {own:?}"), format!("{found:?}")));
        }
        if let Some((_, kept)) = &state.kept
            && kept.len() != n_numbers
        {
            return Err(fault(format!("a kept θ of {n_numbers} numbers"), kept.len().to_string()));
        }
        let mut callbacks = self.callbacks.clone();
        for (callback, (_, saved)) in callbacks.iter_mut().zip(&state.callbacks) {
            let lists = callback.state();
            if !lists.iter().map(|list| list.0).eq(saved.iter().map(|list| list.0.as_str())) {
                let names: Vec<&str> = lists.iter().map(|list| list.0).collect();
                return Err(fault(format!("the lists {names:?}"), format!("{saved:?}")));
            }
            lists.into_iter().zip(saved).for_each(|((_, list), (_, saved))| list.clone_from(saved));
        }
        self.controls.restore(&state.controls)?;
        self.callbacks = callbacks;
        (self.kept_at, self.kept) = match &state.kept {
            Some((step, kept)) => (Some(*step), kept.clone()),
            None => (None, Vec::new()),
        };
        Ok(())
    }
}

/// A copy of all that the callbacks of a run carry from event to event.
#[derive(Clone, Debug, PartialEq)]
#[cfg(any(test, feature = "persist"))]
pub(in crate::train) struct CallbacksState<F> {
    /// The name of each callback, and its lists by name.
    pub(in crate::train) callbacks: Vec<(String, State)>,
    /// As [`Controls::state`].
    pub(in crate::train) controls: Vec<f64>,
    /// The kept θ with the state behind it, and after how many steps it was kept.
    pub(in crate::train) kept: Option<(u64, Vec<F>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::train::Validation;
    use crate::train::callback::{AnyModel, Budget, EarlyStopping, Log};

    #[test]
    fn what_callbacks_carry_is_handed_out_and_taken_back() {
        let model = Model::builder(2).task(Task::regression("a")).build::<f32>().unwrap();
        let settings: [Box<dyn Callback>; 3] = [
            Box::new(EarlyStopping::new().patience(2)),
            Box::new(Budget::steps(9)),
            Box::new(Log::new().to(std::io::sink())),
        ];
        let notify = |callbacks: &mut Callbacks<f32>, event, step, loss| {
            let (tasks, validation) = (["a".to_owned()], Validation::new(step, vec![Some(loss)], &[1.0]));
            let at = Progress {
                step,
                n_steps: 20,
                epoch: step,
                tasks: &tasks,
                losses: &[loss],
                weights: &[1.0],
                penalty: None,
                own_weights: &[1.0],
                is_validated: true,
                validation: Some(&validation),
                report: None,
                model: AnyModel::of(&model),
            };
            callbacks.notify(event, &at, [&[step as f32], &[0.0]]).unwrap()
        };
        let mut callbacks = Callbacks::new(&settings, 1);
        for (step, loss) in [(1, 3.0), (2, 1.0), (3, 2.0)] {
            assert_eq!(notify(&mut callbacks, Event::Step, step, loss), None);
            assert_eq!(notify(&mut callbacks, Event::Validation, step, loss), None);
        }
        let state = callbacks.state();
        assert_eq!(state.kept, Some((2, vec![2.0, 0.0])));

        let mut resumed = Callbacks::new(&settings, 1);
        resumed.restore(&state, 2).unwrap();
        assert_eq!(resumed.state(), state);
        assert_eq!(
            notify(&mut resumed, Event::Validation, 4, 5.0),
            Some("early_stopping"),
            "the second in vain"
        );
        notify(&mut resumed, Event::End, 4, 5.0);
        assert_eq!(resumed.restored(), Some((2, &[2.0, 0.0][..])));

        let mut others = Callbacks::<f32>::new(&settings[..2], 1);
        assert!(others.restore(&state, 2).is_err(), "other callbacks");
        let mut fresh = Callbacks::<f32>::new(&settings, 1);
        assert!(fresh.restore(&state, 3).is_err(), "another θ");
        let mut torn = state.clone();
        torn.callbacks[0].1.clear();
        assert!(fresh.restore(&torn, 2).is_err(), "lists that are missing");
        assert_eq!(fresh.state(), Callbacks::new(&settings, 1).state(), "failures change nothing");
    }
}
