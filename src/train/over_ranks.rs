//! A step over several ranks, each of which works on a piece of the batch.
//!
//! ```text
//! 1  count the labels of the piece    ──▶ where the ranks stand, and Nₖ = Σ_r N_rk      few numbers
//! 2  forward                          ──▶ Lₖ = Σ_r s_rk L_rk                            few numbers
//! 3  only if gradients are compared   ──▶ the tasks' gradients, or their Gramian        K n_shared, or K²
//! 4  backward                         ──▶ Σ_r of the gradient                           |θ|; behind 3, what tasks own
//! 5  update, callbacks, validation    ──▶ is all well, does anybody stop                few numbers
//! ```
//! Each arrow is an exchange, and a rank that fails tells the others in the next one, so that none waits for ever. All of
//! it is summed in the order of the ranks: so the balancing method, the optimiser, the callbacks see the same everywhere,
//! to the bit. Pieces are contiguous, in the order of the batch, and rows keep their numbers in it.

use std::ops::Range;

use super::accumulation::{Accumulation, share_of};
use super::balancing::Decision;
use super::checks::check_losses;
use super::run::Run;
use super::summed::{Summed, Whole};
use super::workspace::{Held, Workspace};
use crate::data::Batch;
use crate::layer::{Draw, Mode};
use crate::ranks::Exchange;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// How many numbers say how far a rank has got, before those of the tasks.
const STANDING: usize = 5;
const ROWS: usize = 3;
const THETA: usize = 4;

/// How many steps apart all of θ is compared, and in between one number of it.
const COMPARED_EVERY: u64 = 1000;

impl<F: Scalar> Run<F> {
    /// [`gradient`](Self::gradient) of a batch of which every rank takes a piece.
    pub(super) fn gradient_over_ranks(
        &mut self,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        workspace: &mut Workspace<F>,
        penalty: Option<f64>,
    ) -> Result<()> {
        let mut exchange = self.exchange.take().expect("a run over ranks");
        let result = self.gradient_with(&mut exchange, model, batch, workspace, penalty);
        self.exchange = Some(exchange);
        result
    }

    fn gradient_with(
        &mut self,
        exchange: &mut Exchange,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        workspace: &mut Workspace<F>,
        penalty: Option<f64>,
    ) -> Result<()> {
        let (size, k, rows) = (exchange.size(), model.tasks().len(), self.rows_at_once);
        let piece = self.piece_of(batch, exchange, model);
        let own = Batch { dataset: batch.dataset, rows: &batch.rows[piece.clone()] };
        let standing = self.standing(model, batch);
        let Workspace { trace, gradient, accumulation, summed, state, held, .. } = workspace;
        let accumulation = accumulation.get_or_insert_with(|| Accumulation::new(model));
        let summed = summed.get_or_insert_with(|| Summed::new(model));

        let counted = accumulation.count(model, &own, rows, trace);
        summed.gathered.resize(size * (STANDING + k), 0.0);
        let counted = counted.map(|()| standing.iter().chain(accumulation.totals().iter()));
        exchange.gather_if_well(counted, &mut summed.gathered)?;
        check_standing(&summed.gathered, STANDING + k, self.is_sharded)?;
        let first_row = match self.is_sharded {
            false => piece.start,
            true => {
                let told = summed.gathered.chunks_exact(STANDING + k).take(exchange.rank());
                told.map(|told| told[ROWS] as usize).sum()
            }
        };
        self.first_row = first_row * model.network().members();
        let draw = self.draw().from_row(self.first_row);
        summed.told.clear();
        summed.told.extend_from_slice(accumulation.totals());
        summed.sum_gathered(STANDING, accumulation.totals());
        for (j, &total) in accumulation.totals().iter().enumerate() {
            summed.shares[j] = share_of(summed.told[j], total);
            summed.labelled[j] = total > 0.0;
        }

        summed.gathered.resize(size * k, 0.0);
        // Both ways have the same exchanges, so that each rank takes its own.
        if let Some(weights) = self.balancing.fixed().filter(|_| own.n_rows() > rows) {
            let losses = &mut self.last;
            let added = accumulation.add_parts(
                model,
                draw,
                &own,
                rows,
                weights,
                trace,
                gradient,
                None,
                losses,
                state,
                &self.history,
            );
            exchange.gather_if_well(added.map(|()| losses.iter()), &mut summed.gathered)?;
            summed.sum_gathered(0, losses);
            exchange.sum(gradient)?;
            model.add_penalty_gradient(gradient, None);
            accumulation.mark_without_labels(losses);
            self.last_weights.copy_from_slice(&weights.shared);
            self.history.record(&self.last, &self.last_weights, penalty, None);
            *held = Held::Part;
            return Ok(());
        }

        let is_empty = own.rows.is_empty();
        let forward = match is_empty {
            true => Ok(()),
            false => model
                .forward_at(&model.pass(Mode::Train).with_draw(draw), &own, trace)
                .and_then(|()| check_losses(trace.losses(), &self.history)),
        };
        summed.tell_losses((!is_empty).then_some(trace.losses()));
        exchange.gather_if_well(forward.map(|()| summed.told.iter()), &mut summed.gathered)?;
        summed.take_losses();
        let known = summed.losses.iter().zip(&summed.labelled);
        let or_nan = known.map(|(&loss, &is_labelled)| if is_labelled { loss } else { f64::NAN });
        self.last.iter_mut().zip(or_nan).for_each(|(last, loss)| *last = loss);

        summed.gradients.forget();
        let mut whole = Whole {
            exchange,
            model,
            trace: (!is_empty).then_some(&mut *trace),
            over: self.over,
            losses: &summed.losses,
            labelled: &summed.labelled,
            shares: &summed.shares,
            gradients: &mut summed.gradients,
            fault: None,
        };
        let decision = self.balancing.decide_of_whole(self.history.n_steps(), model, &mut whole)?;
        if let Some(fault) = whole.fault {
            return Err(fault);
        }
        self.last_weights.copy_from_slice(decision.weights());
        let gradients = &summed.gradients;
        let gramian = gradients.has_gramian.then(|| gradients.gramian.view());
        self.history.record(&self.last, &self.last_weights, penalty, gramian);

        let n_shared = model.network().layout().n_shared();
        let direction = match decision {
            Decision::Sum(weights) => {
                summed.weigh(&weights.shared, &weights.own);
                match summed.gradients.has_rows {
                    false => None,
                    true => {
                        summed.combine(&weights.shared);
                        Some(&*summed.direction)
                    }
                }
            }
            Decision::Along { direction, own } => {
                summed.weigh(own, own);
                Some(direction)
            }
        };
        match direction {
            None => {
                match is_empty {
                    true => gradient.fill(F::ZERO),
                    false => model.backward_of_losses(trace, &summed.weights, gradient, None),
                }
                exchange.sum(gradient)?;
            }
            Some(direction) => {
                match is_empty {
                    true => {
                        let (shared, own) = gradient.split_at_mut(n_shared);
                        shared.iter_mut().zip(direction).for_each(|(to, &d)| *to = F::from_f64(d));
                        own.fill(F::ZERO);
                    }
                    false => {
                        let pass = trace.pass(model.parameters(), model.state());
                        let own = &summed.weights.own;
                        model.network().backward_along(&pass, trace, direction, own, gradient);
                    }
                }
                exchange.sum(&mut gradient[n_shared..])?;
            }
        }
        model.add_penalty_gradient(gradient, None);
        *held = Held::Part;
        Ok(())
    }

    /// Tells the balancing method the losses of the batch after the step.
    pub(super) fn after_step_over_ranks(
        &mut self,
        model: &Model<F>,
        batch: &Batch<'_, F>,
        draw: Draw,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        let piece = self.piece_of(batch, self.exchange.as_ref().expect("a run over ranks"), model);
        let exchange = self.exchange.as_mut().expect("a run over ranks");
        let own = Batch { dataset: batch.dataset, rows: &batch.rows[piece] };
        let draw = draw.from_row(self.first_row);
        let Workspace { trace, summed: Some(summed), .. } = workspace else {
            unreachable!("the gradient of the step was summed")
        };
        let is_empty = own.rows.is_empty();
        let forward = match is_empty {
            true => Ok(()),
            false => model.forward_at(&model.pass(Mode::Train).with_draw(draw), &own, trace),
        };
        summed.tell_losses((!is_empty).then_some(trace.losses()));
        exchange.gather_if_well(forward.map(|()| summed.told.iter()), &mut summed.gathered)?;
        summed.take_losses();
        self.balancing.after_step(self.history.n_steps(), model, &summed.losses, &summed.labelled)
    }

    /// Tells the others, which are at the first exchange of a step, that this rank cannot take it.
    pub(super) fn tell_before_step(&mut self, own: Result<()>, model: &Model<F>) -> Result<()> {
        match (own, &mut self.exchange) {
            (Err(error), Some(exchange)) => {
                let mut all = vec![0.0; exchange.size() * (STANDING + model.tasks().len())];
                exchange.gather_if_well(Err::<&[f64], _>(error), &mut all)
            }
            (own, _) => own,
        }
    }

    /// The rows of this rank: those of its shard, or the batch in as many pieces as there are ranks, equal up to a row,
    /// or up to a group if groups stay whole.
    fn piece_of(&self, batch: &Batch<'_, F>, exchange: &Exchange, model: &Model<F>) -> Range<usize> {
        let (n, size, rows) = (batch.n_rows(), exchange.size(), batch.rows);
        if self.is_sharded {
            return 0..n;
        }
        let groups = batch.dataset.groups();
        let border = |rank: usize| match (model.compares_rows(), groups) {
            (false, _) => rank * n / size,
            // Without groups, all rows of the batch are compared.
            (true, None) => {
                if rank == 0 {
                    0
                } else {
                    n
                }
            }
            (true, Some(groups)) => {
                let mut at = rank * n / size;
                while at > 0 && at < n && groups[rows[at]] == groups[rows[at - 1]] {
                    at += 1;
                }
                at
            }
        };
        border(exchange.rank())..border(exchange.rank() + 1)
    }

    /// What must be the same on all ranks before a step.
    fn standing(&self, model: &Model<F>, batch: &Batch<'_, F>) -> [f64; STANDING] {
        let (steps, theta) = (self.history.n_steps(), model.parameters());
        let of_theta = match steps % COMPARED_EVERY {
            0 => theta.iter().fold(0_u64, |hash, x| {
                (hash ^ x.to_f64().to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            }),
            _ => theta.get(steps as usize % theta.len().max(1)).map_or(0, |x| x.to_f64().to_bits()),
        };
        // Half of the bits, which a number holds exactly whatever they are.
        let of_theta = (of_theta ^ of_theta >> 32) as u32;
        let ends = f64::from(u8::from(self.ends_epoch()));
        [steps as f64, self.optimizer.learning_rate(), ends, batch.n_rows() as f64, f64::from(of_theta)]
    }

    /// Ends with an error on all ranks if there is one on any, and stops on all if one was stopped.
    pub(super) fn agree_after_step(&mut self, own: Result<()>) -> Result<()> {
        let Some(exchange) = &mut self.exchange else { return own };
        let is_stopped = self.history.stopped_by().is_some();
        if let Some(rank) = exchange.first_with(own.map(|()| is_stopped))? {
            let own = self.history.stopped_by().unwrap_or_default();
            let names = exchange.gather_bytes(own.as_bytes())?;
            self.history.stop_as_others(String::from_utf8_lossy(&names[rank]).into_owned());
        }
        Ok(())
    }

    /// An error on all ranks, if there is one on any.
    pub(super) fn agree<T>(&mut self, own: Result<T>) -> Result<T> {
        match &mut self.exchange {
            None => own,
            Some(exchange) => exchange.agree(own),
        }
    }

    /// Whether this rank writes what one of them has to.
    #[cfg(feature = "persist")]
    pub(super) fn writes(&self) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| exchange.rank() == 0)
    }

    /// Gives every rank the θ of rank 0, and the running state.
    pub(super) fn share_start(&mut self, model: &mut Model<F>) -> Result<()> {
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        exchange.broadcast(model.parameters_mut())?;
        exchange.broadcast(model.state_mut())
    }
}

impl<F: Scalar> Summed<F> {
    /// This rank's part of the losses; none where it has no rows.
    fn tell_losses(&mut self, own: Option<&[f64]>) {
        self.told.clear();
        let parts = self.shares.iter().enumerate();
        // 0 times NaN is NaN.
        let part = |(k, &share): (usize, &f64)| match own {
            Some(losses) if share > 0.0 => share * losses[k],
            _ => 0.0,
        };
        self.told.extend(parts.map(part));
    }

    /// The losses of the whole batch.
    fn take_losses(&mut self) {
        let mut losses = std::mem::take(&mut self.losses);
        self.sum_gathered(0, &mut losses);
        self.losses = losses;
    }
}

/// Fails, on all ranks alike, if one is not where rank 0 is.
fn check_standing(gathered: &[f64], each: usize, is_sharded: bool) -> Result<()> {
    let first = &gathered[..STANDING];
    for (rank, told) in gathered.chunks_exact(each).enumerate() {
        let differs = |&at: &usize| told[at].to_bits() != first[at].to_bits() && !(is_sharded && at == ROWS);
        let Some(at) = (0..STANDING).find(differs) else { continue };
        let place =
            ["steps taken", "learning rate", "end of the epoch", "rows of the batch", "parameters"][at];
        let [expected, found] = match at {
            THETA => ["those of rank 0", "others"].map(str::to_owned),
            _ => [format!("{}, as on rank 0", first[at]), told[at].to_string()],
        };
        return Err(Error::new(ErrorKind::Rank, format!("rank {rank}, {place}"), expected, found)
            .advise("all ranks must train with the same settings and data, from the same parameters"));
    }
    Ok(())
}
