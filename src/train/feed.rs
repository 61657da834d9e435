//! Where a run is in what it learns from, a table or a source of batches.

#[cfg(feature = "persist")]
use crate::data::Fingerprint;
use crate::data::{Order, Sampler, Source};
use crate::{Error, ErrorKind, Result, Scalar};

/// What a resumed training compares of its data: the number of rows, and whether there are groups that batches may divide.
#[cfg(feature = "persist")]
pub(super) const ROWS: &str = "rows of the data";
#[cfg(feature = "persist")]
pub(super) const GROUPS: &str = "groups";

/// Where a run is: in a table by its own sampler, in a source by what the source says.
#[derive(Debug)]
pub(super) enum Feed {
    Table(Box<Sampler>),
    Source { order: Order, n_rows: Option<usize>, epoch: u64, position: usize, is_finished: bool },
}

impl Feed {
    pub(super) fn epoch(&self) -> u64 {
        match self {
            Self::Table(sampler) => sampler.epoch(),
            Self::Source { epoch, .. } => *epoch,
        }
    }

    pub(super) fn epoch_finished(&self) -> bool {
        match self {
            Self::Table(sampler) => sampler.epoch_finished(),
            Self::Source { is_finished, .. } => *is_finished,
        }
    }

    pub(super) fn batch_size(&self) -> usize {
        match self {
            Self::Table(sampler) => sampler.batch_size(),
            Self::Source { order, n_rows, .. } => {
                n_rows.map_or(order.batch_size, |rows| order.batch_size.min(rows))
            }
        }
    }

    /// The rows of an epoch, if they have been counted.
    pub(super) fn n_rows(&self) -> Option<usize> {
        match self {
            Self::Table(sampler) => Some(sampler.n_rows()),
            Self::Source { n_rows, .. } => *n_rows,
        }
    }

    #[cfg(feature = "persist")]
    pub(super) fn position(&self) -> usize {
        match self {
            Self::Table(sampler) => sampler.position(),
            Self::Source { position, .. } => *position,
        }
    }

    /// Goes to a place in the data; a source must be moved there, too.
    #[cfg(feature = "persist")]
    pub(super) fn seek(&mut self, to_epoch: u64, to_position: usize) -> Result<()> {
        match self {
            Self::Table(sampler) => sampler.seek(to_epoch, to_position)?,
            Self::Source { n_rows, epoch, position, is_finished, .. } => {
                (*epoch, *position, *is_finished) = (to_epoch, to_position, *n_rows == Some(to_position));
            }
        }
        Ok(())
    }

    pub(super) fn sampler(&mut self) -> Result<&mut Sampler> {
        match self {
            Self::Table(sampler) => Ok(sampler),
            Self::Source { .. } => Err(other_data("the source that it was started on", "a table")),
        }
    }

    /// Takes the place over from a source that has gone on to a batch.
    pub(super) fn follow<F: Scalar>(&mut self, source: &dyn Source<F>) -> Result<()> {
        match self {
            Self::Table(_) => Err(other_data("the table that it was started on", "a source")),
            Self::Source { epoch, position, is_finished, .. } => {
                *epoch = source.epoch();
                (*position, *is_finished) = (source.position(), source.epoch_finished());
                Ok(())
            }
        }
    }
}

fn other_data(expected: &str, found: &str) -> Error {
    Error::new(ErrorKind::Setting, "data of a run", expected, found)
        .advise("`Run::step` goes with `Trainer::start`, `Run::step_from` with `Trainer::start_source`")
}

/// What a run must know of the data that it is to learn from.
pub(super) struct Learnt {
    pub(super) feed: Feed,
    /// What tells the data from other data, and what else a training that is resumed compares.
    #[cfg(feature = "persist")]
    pub(super) fingerprint: Fingerprint,
    #[cfg(feature = "persist")]
    pub(super) settings: Vec<(String, String)>,
}
