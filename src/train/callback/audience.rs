//! The callbacks of a run, and what they have asked for.

use super::{Callback, Controls, Event, Flow, Progress};
use crate::balance::State;
use crate::{Error, ErrorKind, Result, Scalar};

/// The callbacks of one run with their controls and the θ they have kept.
#[derive(Debug)]
pub(in crate::train) struct Audience<F> {
    callbacks: Vec<Box<dyn Callback>>,
    controls: Controls,
    /// The θ that was kept last, and after how many steps; empty if none was.
    kept: Vec<F>,
    kept_at: Option<u64>,
}

impl<F: Scalar> Audience<F> {
    /// Fresh copies of `callbacks` for a training of `n_tasks` tasks.
    pub(in crate::train) fn new(callbacks: &[Box<dyn Callback>], n_tasks: usize) -> Self {
        let mut callbacks = callbacks.to_vec();
        callbacks.iter_mut().flat_map(|callback| callback.state()).for_each(|(_, list)| list.clear());
        Self { callbacks, controls: Controls::new(n_tasks), kept: Vec::new(), kept_at: None }
    }

    /// Whether nobody listens.
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

    /// Tells everybody; the name of the first who wants to stop.
    pub(in crate::train) fn tell(
        &mut self,
        event: Event,
        at: &Progress<'_>,
        theta: &[F],
    ) -> Result<Option<&'static str>> {
        let mut stopped_by = None;
        for callback in &mut self.callbacks {
            let flow = callback.on(event, at, &mut self.controls)?;
            if flow == Flow::Stop && stopped_by.is_none() {
                stopped_by = Some(callback.name());
            }
        }
        if self.controls.take_keep() {
            self.kept.clear();
            self.kept.extend_from_slice(theta);
            self.kept_at = Some(at.step);
        }
        Ok(stopped_by)
    }

    /// The θ to bring back and after how many steps it was kept, if that was asked for.
    pub(in crate::train) fn restored(&mut self) -> Option<(u64, &[F])> {
        let wanted = self.controls.take_restore();
        self.kept_at.filter(|_| wanted).map(|step| (step, &self.kept[..]))
    }

    /// What a checkpoint holds: for each callback its name and lists, the controls, and the kept θ with its step.
    #[allow(dead_code)]
    pub(in crate::train) fn state(&self) -> AudienceState<F> {
        let lists = |callback: &dyn Callback| {
            let mut copy = callback.boxed();
            copy.state().into_iter().map(|(name, list)| (name.to_owned(), list.clone())).collect()
        };
        AudienceState {
            callbacks: self.callbacks.iter().map(|c| (c.name().to_owned(), lists(&**c))).collect(),
            controls: self.controls.state(),
            kept: self.kept_at.map(|step| (step, self.kept.clone())),
        }
    }

    /// Takes up what [`state`](Self::state) gave, with the same callbacks and the same θ's length.
    #[allow(dead_code)]
    pub(in crate::train) fn restore(&mut self, state: &AudienceState<F>, n_parameters: usize) -> Result<()> {
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
            && kept.len() != n_parameters
        {
            return Err(fault(format!("a kept θ of {n_parameters} numbers"), kept.len().to_string()));
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
#[allow(dead_code)]
pub(in crate::train) struct AudienceState<F> {
    /// The name of each callback, and its lists by name.
    pub(in crate::train) callbacks: Vec<(String, State)>,
    /// As [`Controls::state`].
    pub(in crate::train) controls: Vec<f64>,
    /// The kept θ, and after how many steps it was kept.
    pub(in crate::train) kept: Option<(u64, Vec<F>)>,
}
