//! How a training over ranks begins: in the same way on all of them, or not at all.

use std::sync::Arc;

use super::Run;
use super::trainer::Trainer;
use crate::data::number_of;
use crate::ranks::Exchange;
use crate::{Error, ErrorKind, Model, Result, Scalar, kernel};

/// What ranks compare of their arguments.
const PLACES: [&str; 4] = ["settings of the trainer", "model", "data", "vector instructions"];

impl Trainer {
    /// An error on all ranks, if there is one on any.
    pub(super) fn agree<T>(&self, own: Result<T>) -> Result<T> {
        match &self.ranks {
            None => own,
            Some(ranks) => Exchange::new(Arc::clone(ranks)).agree(own),
        }
    }

    /// Whether this rank does what one of them has to do for all.
    #[cfg(feature = "persist")]
    pub(super) fn is_first_rank(&self) -> bool {
        self.ranks.as_ref().is_none_or(|ranks| ranks.rank() == 0)
    }

    /// Sends every rank the bytes of rank 0, if it has any.
    #[cfg(feature = "persist")]
    pub(super) fn share(&self, own: Result<Option<Vec<u8>>>) -> Result<Option<Vec<u8>>> {
        match &self.ranks {
            None => own,
            Some(ranks) => {
                let mut exchange = Exchange::new(Arc::clone(ranks));
                let own = exchange.agree(own)?;
                exchange.share(own)
            }
        }
    }

    /// A run begins on all ranks or on none, and with the same settings, models and data on all.
    pub(super) fn agree_on_start<F: Scalar>(
        &self,
        run: Result<Run<F>>,
        model: &Model<F>,
        of_data: Option<u64>,
    ) -> Result<Run<F>> {
        let Some(ranks) = &self.ranks else { return run };
        let (run, started) = match run {
            Ok(run) => (Some(run), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let mut exchange = Exchange::new(Arc::clone(ranks));
        let settings = format!(
            "{:?} {:?} {:?} {} {} {:?}",
            (&self.rule, &self.schedule, &self.clip_norm, &self.groups),
            (&self.method, self.over, self.batch_size, self.length),
            (self.seed, self.shuffles, self.accumulation),
            F::NAME,
            exchange.size(),
            (self.has_folder(), self.is_sharded),
        );
        let described = format!("{} {:?}", model.settings_in_words(), model.loss_weights());
        let has_fma = kernel::simd_level() != kernel::SimdLevel::Portable;
        let numbers = [number_of(&settings), number_of(&described), of_data.unwrap_or(0), u64::from(has_fma)];
        // 53 bits of each are as good: a number holds them exactly.
        let own = numbers.map(|number| (number & ((1 << 53) - 1)) as f64);
        let mut all = vec![0.0; own.len() * exchange.size()];
        exchange.gather_if_well(started.map(|()| own.iter()), &mut all)?;
        for (rank, told) in all.chunks_exact(own.len()).enumerate() {
            if let Some(at) = (0..own.len()).find(|&at| told[at] != all[at]) {
                let place = format!("rank {rank}, {}", PLACES[at]);
                return Err(Error::new(ErrorKind::Rank, place, "what rank 0 has", "something else")
                    .advise("start every rank with the same program, settings and data"));
            }
        }
        Ok(run.expect("no rank has an error"))
    }
}
