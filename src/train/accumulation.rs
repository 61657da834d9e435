//! Steps that learn from more rows than are processed at once.
//!
//! ```text
//! Lₖ = Σ_b (N_bk / Nₖ) L_bk        N_bk: weight of the labels that task k has in part b,  Nₖ = Σ_b N_bk
//! ∇  = Σ_b Σₖ wₖ (N_bk / Nₖ) ∇L_bk
//! ```
//! which are loss and gradient of the whole batch, because each loss is a mean over its labels. The Nₖ must be known
//! before the first backward, so the labels of all parts are counted first, which needs no forward pass. Penalties
//! belong to the whole step, so their gradient is added once, after the last part.

use super::History;
use super::checks::check_losses;
use super::trainer::{Method, Trainer};
use crate::balance::Weights;
use crate::data::{Batch, Dataset, Sampler};
use crate::layer::{Draw, Mode};
use crate::params::TouchedRows;
use crate::{Error, ErrorKind, Model, Result, Scalar, Trace};

/// The memory in which the gradients of the parts of a batch are added up.
#[derive(Debug)]
pub(super) struct Accumulation<F> {
    /// The gradient of one part, and the rows that it touches, if they are listed.
    part: Vec<F>,
    touched: Option<TouchedRows>,
    /// Nₖ, and N_bk of one part.
    totals: Vec<f64>,
    of_part: Vec<f64>,
    weights: Weights,
}

impl<F: Scalar> Accumulation<F> {
    pub(super) fn new(model: &Model<F>) -> Self {
        let n_tasks = model.tasks().len();
        Self {
            part: vec![F::ZERO; model.n_parameters()],
            touched: None,
            totals: vec![0.0; n_tasks],
            of_part: vec![0.0; n_tasks],
            weights: Weights::ones(n_tasks),
        }
    }

    /// Writes the gradient and the losses of `batch`, processed in parts of at most `rows_at_once` rows. The loss of
    /// a task without a label in any part is NaN. `state` is the running state of layers, which the parts move on.
    pub(super) fn add_up(
        &mut self,
        model: &Model<F>,
        draw: Draw,
        batch: &Batch<'_, F>,
        rows_at_once: usize,
        weights: &Weights,
        trace: &mut Trace<F>,
        gradient: &mut [F],
        mut touched: Option<&mut TouchedRows>,
        losses: &mut [f64],
        state: &mut [F],
        history: &History,
    ) -> Result<()> {
        self.count(model, batch, rows_at_once, trace)?;
        let touching = touched.as_deref_mut();
        self.add_parts(
            model,
            draw,
            batch,
            rows_at_once,
            weights,
            trace,
            gradient,
            touching,
            losses,
            state,
            history,
        )?;
        model.add_penalty_gradient(gradient, touched);
        self.mark_without_labels(losses);
        Ok(())
    }

    /// Counts the labels of all parts of `batch`; afterwards [`totals`](Self::totals) has the Nₖ.
    pub(super) fn count(
        &mut self,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        rows_at_once: usize,
        trace: &mut Trace<F>,
    ) -> Result<()> {
        self.totals.fill(0.0);
        for part in parts(batch, rows_at_once, model.compares_rows()) {
            model.label_totals(&part, trace, &mut self.of_part)?;
            self.totals.iter_mut().zip(&self.of_part).for_each(|(total, part)| *total += part);
        }
        Ok(())
    }

    /// The Nₖ, to read, or to set if there are parts elsewhere.
    pub(super) fn totals(&mut self) -> &mut [f64] {
        &mut self.totals
    }

    /// The loss of a task without a label in any part is NaN.
    pub(super) fn mark_without_labels(&self, losses: &mut [f64]) {
        let without = losses.iter_mut().zip(&self.totals).filter(|(_, total)| **total == 0.0);
        without.for_each(|(loss, _)| *loss = f64::NAN);
    }

    /// Adds up the losses of the parts of `batch` and their gradients, once the Nₖ are known. The row numbers of
    /// the whole batch begin where `draw` says.
    pub(super) fn add_parts(
        &mut self,
        model: &Model<F>,
        draw: Draw,
        batch: &Batch<'_, F>,
        rows_at_once: usize,
        weights: &Weights,
        trace: &mut Trace<F>,
        gradient: &mut [F],
        mut touched: Option<&mut TouchedRows>,
        losses: &mut [f64],
        state: &mut [F],
        history: &History,
    ) -> Result<()> {
        losses.fill(0.0);
        let network = model.network();
        match &mut touched {
            None => {
                gradient.fill(F::ZERO);
                self.touched = None;
            }
            Some(touched) => {
                // Clears what the last batch left in the tables, and all that is in no table.
                touched.ranges().iter().for_each(|range| gradient[range.clone()].fill(F::ZERO));
                touched.clear();
                touched.finish();
                self.touched.get_or_insert_with(|| network.touched_rows(rows_at_once));
            }
        }
        let mut first_row = draw.first_row as usize;
        for part in parts(batch, rows_at_once, model.compares_rows()) {
            model.label_totals(&part, trace, &mut self.of_part)?;
            let pass = model.pass(Mode::Train).with_draw(draw.from_row(first_row));
            model.forward_at(&pass, &part, trace)?;
            first_row += part.n_rows() * network.members();
            check_losses(trace.losses(), history)?;
            for (k, (&of_part, &total)) in self.of_part.iter().zip(&self.totals).enumerate() {
                let share = share_of(of_part, total);
                losses[k] += share * trace.losses()[k];
                self.weights.shared[k] = share * weights.shared[k];
                self.weights.own[k] = share * weights.own[k];
            }
            model.backward_of_losses(trace, &self.weights, &mut self.part, self.touched.as_mut());
            let add =
                |sum: &mut [F], part: &[F]| sum.iter_mut().zip(part).for_each(|(sum, &part)| *sum += part);
            match (&mut touched, &self.touched) {
                (Some(touched), Some(of_part)) => {
                    let ranges = of_part.ranges().iter().cloned();
                    ranges.for_each(|range| add(&mut gradient[range.clone()], &self.part[range]));
                    touched.add(of_part);
                }
                _ => add(gradient, &self.part),
            }
            network.update_state(trace, state);
        }
        Ok(())
    }
}

/// The share of a part in the mean of the whole, N_bk / Nₖ.
pub(super) fn share_of(of_part: f64, total: f64) -> f64 {
    if total > 0.0 { of_part / total } else { 0.0 }
}

impl Trainer {
    /// Whether accumulation is possible with the other settings and the table's groups, if they are to stay whole.
    pub(super) fn check_accumulation<F: Scalar>(
        &self,
        keeps_groups: bool,
        data: Option<&Dataset<F>>,
    ) -> Result<()> {
        let place = "batches to accumulate";
        match (self.accumulation, &self.method) {
            (0, _) => Err(Error::new(ErrorKind::Setting, place, "at least 1", 0)),
            (1, _) => Ok(()),
            // A part must have room for the largest group.
            (_, Method::Fixed) if !keeps_groups => Ok(()),
            (found, Method::Fixed) => match data {
                Some(data) => Sampler::in_order(data, self.batch_size).map(drop),
                None => {
                    let expected = "1 for a source whose groups stay in one batch";
                    Err(Error::new(ErrorKind::Setting, place, expected, found)
                        .advise("make the batch larger instead"))
                }
            },
            (found, _) => {
                let expected = "1 with a balancing method, which is shown the whole batch at once";
                Err(Error::new(ErrorKind::Setting, place, expected, found)
                    .advise("make the batch larger instead"))
            }
        }
    }
}

/// Whether every batch, and every part of one, has the rows that the model's layers need. Groups that stay whole, and
/// sources, make batches uneven; those are looked at step by step.
pub(super) fn check_row_counts<F: Scalar>(
    model: &Model<F>,
    n_rows: usize,
    (batch_size, accumulation): (usize, usize),
    is_uneven: bool,
) -> Result<()> {
    let (network, place) = (model.network(), "rows of a batch in training");
    if accumulation > 1 && network.needs_whole_batches() {
        let expected = "1 with batch normalisation, whose statistics are of the whole batch";
        return Err(Error::new(ErrorKind::Setting, "batches to accumulate", expected, accumulation)
            .advise("ask for statistics of each part with BatchNorm::per_part, or use layer normalisation"));
    }
    let (rows, least) = (n_rows, network.least_rows());
    let rest = match rows % batch_size {
        _ if rows < batch_size => rows,
        0 => batch_size,
        rest => rest.min(batch_size),
    };
    if least == 1 || rest >= least || is_uneven {
        return Ok(());
    }
    let found = format!("{rest}, the last of {rows} rows in batches of {batch_size}");
    let expected = format!("at least {least}, since a layer takes a variance over them");
    Err(Error::new(ErrorKind::Setting, place, expected, found).advise("choose another batch size"))
}

/// The parts of a batch, of at most `rows` rows, in order; groups that lie together stay whole if they are to.
fn parts<'a, F: Scalar>(
    batch: &Batch<'a, F>,
    rows: usize,
    keeps_groups: bool,
) -> impl Iterator<Item = Batch<'a, F>> + use<'a, F> {
    let (dataset, mut rest) = (batch.dataset, batch.rows);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rows.min(rest.len());
        if let Some(groups) = dataset.groups().filter(|_| keeps_groups) {
            while end < rest.len() && groups[rest[end]] == groups[rest[end - 1]] {
                end -= 1;
            }
        }
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(Batch { dataset, rows: part })
    })
}
