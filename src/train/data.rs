//! What a training learns from, a table or a source of batches: how a run begins on it, and its steps.

use super::accumulation::check_row_counts;
use super::feed::{Feed, Learnt};
#[cfg(feature = "persist")]
use super::feed::{GROUPS, ROWS};
use super::workspace::Workspace;
use super::{Run, Trainer};
#[cfg(feature = "persist")]
use crate::data::Fingerprint;
use crate::data::{Dataset, Order, Sampler, Source};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// What a training learns from.
pub(super) enum Data<'a, F: Scalar> {
    Table(&'a Dataset<F>),
    Source(&'a mut dyn Source<F>),
}

impl<F: Scalar> Data<'_, F> {
    /// Checks the settings and that data and model fit one another, and begins a run.
    pub(super) fn start(&mut self, trainer: &Trainer, model: &Model<F>) -> Result<Run<F>> {
        let run = self.start_alone(trainer, model);
        match trainer.has_ranks() {
            false => run,
            true => trainer.agree_on_start(run, model, (!trainer.is_sharded).then(|| self.number())),
        }
    }

    /// A number that identifies the rows.
    fn number(&self) -> u64 {
        match self {
            Self::Table(data) => data.fingerprint().in_one(),
            Self::Source(source) => source.fingerprint(),
        }
    }

    fn start_alone(&mut self, trainer: &Trainer, model: &Model<F>) -> Result<Run<F>> {
        trainer.check()?;
        let learnt = match self {
            Self::Table(data) => of_table(trainer, model, data),
            Self::Source(source) => of_source(trainer, model, *source),
        }?;
        Run::new(trainer, model, learnt)
    }

    /// Fits what the model fits to data before the first step, and moves a source to where the run is.
    pub(super) fn fit_scaling(&mut self, model: &mut Model<F>, run: &Run<F>) -> Result<()> {
        if run.is_sharded && model.lacks_scaling() {
            let expected = "one that is fitted before a training on shards, from the same rows on all ranks";
            return Err(Error::new(ErrorKind::Setting, "scaling of the model", expected, "none")
                .advise("call Model::fit_scaling with a sample of all rows"));
        }
        match self {
            Self::Table(data) => model.fit_scaling(data),
            Self::Source(source) => {
                let &Feed::Source { order, epoch, position, .. } = &run.feed else { return Ok(()) };
                if !model.is_scaling_fitted() {
                    model.fit_scaling_from(*source)?;
                    source.begin(order)?;
                    source.seek(epoch, position)?;
                }
                Ok(())
            }
        }
    }

    /// Moves a source to where the run is.
    #[cfg(feature = "persist")]
    pub(super) fn seek(&mut self, run: &Run<F>) -> Result<()> {
        match self {
            Self::Table(_) => Ok(()),
            Self::Source(source) => source.seek(run.feed.epoch(), run.feed.position()),
        }
    }

    /// A step, and what belongs to it.
    pub(super) fn advance(
        &mut self,
        run: &mut Run<F>,
        model: &mut Model<F>,
        validation: Option<&Dataset<F>>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        match self {
            Self::Table(data) => run.advance(model, data, validation, workspace),
            Self::Source(source) => run.advance_from(model, *source, validation, workspace),
        }
    }
}

fn of_table<F: Scalar>(trainer: &Trainer, model: &Model<F>, data: &Dataset<F>) -> Result<Learnt> {
    model.check_trainable(data)?;
    check_shard(trainer, model, data)?;
    let keeps_groups = model.compares_rows();
    trainer.check_accumulation(keeps_groups, Some(data))?;
    let sampler = Sampler::of(data, trainer.order(keeps_groups))?;
    let is_uneven = keeps_groups && data.groups().is_some();
    check_row_counts(model, data.n_rows(), (trainer.batch_size, trainer.accumulation), is_uneven)?;
    #[cfg(feature = "persist")]
    let settings = {
        let rows = (ROWS.to_owned(), data.n_rows().to_string());
        // Earlier versions kept all groups together, and so had another order of rows.
        let divides_groups = data.groups().is_some() && !keeps_groups;
        let groups = (GROUPS.to_owned(), "in any batch, since no task ranks".to_owned());
        std::iter::once(rows).chain(divides_groups.then_some(groups)).collect()
    };
    Ok(Learnt {
        feed: Feed::Table(Box::new(sampler)),
        #[cfg(feature = "persist")]
        fingerprint: data.fingerprint(),
        #[cfg(feature = "persist")]
        settings,
    })
}

/// Fails if rows of several shards would have to be compared.
fn check_shard<F: Scalar>(trainer: &Trainer, model: &Model<F>, data: &Dataset<F>) -> Result<()> {
    if trainer.is_sharded && model.compares_rows() && data.groups().is_none() {
        let expected = "one for each row, since a loss compares the rows of a group";
        return Err(Error::new(ErrorKind::Setting, "groups of a shard", expected, "none").advise(
            "without groups, all rows of a batch would be one; give them with Dataset::with_groups",
        ));
    }
    Ok(())
}

fn of_source<F: Scalar>(trainer: &Trainer, model: &Model<F>, source: &mut dyn Source<F>) -> Result<Learnt> {
    let keeps_groups = model.compares_rows();
    trainer.check_accumulation::<F>(keeps_groups, None)?;
    let order = trainer.order(keeps_groups);
    check_row_counts(model, usize::MAX, (trainer.batch_size, trainer.accumulation), true)?;
    source.begin(order)?;
    source.advance()?;
    model.check_columns(source.batch().dataset)?;
    check_shard(trainer, model, source.batch().dataset)?;
    source.seek(0, 0)?;
    let n_rows = source.n_rows();
    #[cfg(feature = "persist")]
    let settings = {
        let rows = n_rows.map(|rows| (ROWS.to_owned(), rows.to_string()));
        rows.into_iter().chain(source.settings()).collect()
    };
    Ok(Learnt {
        feed: Feed::Source { order, n_rows, epoch: 0, position: 0, is_finished: false },
        #[cfg(feature = "persist")]
        fingerprint: Fingerprint::of_source(source.names(), source.fingerprint()),
        #[cfg(feature = "persist")]
        settings,
    })
}

impl Trainer {
    /// In which order, and in which batches, the rows come.
    fn order(&self, keeps_groups: bool) -> Order {
        let shards = self.ranks.as_ref().filter(|_| self.is_sharded).map_or(1, |ranks| ranks.size());
        let batch_size = (self.batch_size / shards).saturating_mul(self.accumulation);
        Order { batch_size, seed: self.shuffles.then_some(self.seed), keeps_groups }
    }
}

impl<F: Scalar> Run<F> {
    /// As [`step`](Self::step), on the next batch of a source, which the run was started on
    /// ([`Trainer::start_source`]).
    ///
    /// # Errors
    /// As there, and those of [`Source::advance`].
    pub fn step_from(
        &mut self,
        model: &mut Model<F>,
        source: &mut dyn Source<F>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        let advanced = source.advance().and_then(|()| self.feed.follow(source));
        self.tell_before_step(advanced, model)?;
        self.step_on(model, &source.batch(), workspace, &mut |_, _, _, _| Ok(()))
    }

    /// As [`advance`](Self::advance), on the next batch of a source.
    ///
    /// # Errors
    /// As [`step_from`](Self::step_from) and [`validate`](Self::validate), and if a callback fails.
    pub fn advance_from(
        &mut self,
        model: &mut Model<F>,
        source: &mut dyn Source<F>,
        validation: Option<&Dataset<F>>,
        workspace: &mut Workspace<F>,
    ) -> Result<()> {
        if self.ends_at_start(model, validation.is_some())? {
            return Ok(());
        }
        self.step_from(model, source, workspace)?;
        self.after_step(model, validation, workspace)
    }
}
