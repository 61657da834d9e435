//! Where the batches of a training come from: a table in memory, or a file that is larger than memory.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Batch, Dataset, Names, Order, Sampler};
use crate::{Result, Scalar};

/// Batches for a training, epoch after epoch, with every row once in each: the contract of whatever can be learnt from.
///
/// A table in memory is one ([`Dataset::source`]), and so is a file that is read while the training goes on
/// (`CsvReader::stream`, feature `csv`). [`Trainer::fit_source`](crate::Trainer::fit_source) takes any. The order of an epoch
/// must follow from [`Order::seed`] and the epoch alone, so that a training that was stopped in the middle of one can be taken
/// up there.
///
/// ```
/// use std::sync::Arc;
///
/// use polytask::data::{Batch, Dataset, Names, Order, Source};
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// /// y = 2x, computed when it is asked for: four batches of eight rows make an epoch.
/// #[derive(Debug)]
/// struct Doubles { table: Dataset<f64>, rows: Vec<usize>, n: u64 }
///
/// impl Source<f64> for Doubles {
///     fn names(&self) -> &Arc<Names> { self.table.names() }
///     fn n_rows(&self) -> Option<usize> { Some(32) }
///     fn begin(&mut self, _: Order) -> polytask::Result<()> { self.seek(0, 0) }
///     fn advance(&mut self) -> polytask::Result<()> {
///         self.n += 1;
///         let x = Array2::from_shape_fn((8, 1), |(i, _)| ((self.n * 8 + i as u64) % 11) as f64);
///         self.table = Dataset::new(x.clone(), 2.0 * x)?.with_target_names(["double"])?;
///         Ok(())
///     }
///     fn batch(&self) -> Batch<'_, f64> { self.table.batch(&self.rows) }
///     fn epoch(&self) -> u64 { self.n.saturating_sub(1) / 4 }
///     fn position(&self) -> usize { (self.n - 4 * self.epoch()) as usize * 8 }
///     fn seek(&mut self, epoch: u64, position: usize) -> polytask::Result<()> {
///         self.n = 4 * epoch + position as u64 / 8;
///         Ok(())
///     }
///     fn epoch_finished(&self) -> bool { self.position() == 32 }
///     fn fingerprint(&self) -> u64 { 2 }
/// }
///
/// let table = Dataset::from_slices(&[0.0], 1, &[0.0], 1)?.with_target_names(["double"])?;
/// let mut source = Doubles { table, rows: (0..8).collect(), n: 0 };
/// let mut model = Model::builder(1).task(Task::regression("double")).build()?;
/// let history = Trainer::new(Adam::new(0.05)).epochs(100).fit_source(&mut model, &mut source, None)?;
/// assert_eq!(history.n_steps(), 400);
/// assert!(history.losses()[[399, 0]] < 1e-3);
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait Source<F: Scalar>: Debug {
    /// The names of the columns, the classes of targets, and the kinds of features.
    fn names(&self) -> &Arc<Names>;

    /// How many rows an epoch has, if that is known.
    fn n_rows(&self) -> Option<usize>;

    /// Begins with the first epoch, in batches of this order.
    ///
    /// # Errors
    /// If there are no such batches: of 0 rows, or of fewer than a group has.
    fn begin(&mut self, order: Order) -> Result<()>;

    /// Goes on to the next batch; after the last one of an epoch, to the first one of the next.
    ///
    /// # Errors
    /// If what comes next cannot be read.
    fn advance(&mut self) -> Result<()>;

    /// The batch that [`advance`](Self::advance) went on to.
    ///
    /// # Panics
    /// If there is none yet.
    fn batch(&self) -> Batch<'_, F>;

    /// The epoch of the batch, counted from 0.
    fn epoch(&self) -> u64;

    /// How many rows of the epoch have been handed out.
    fn position(&self) -> usize;

    /// Whether every row of the epoch has been handed out.
    fn epoch_finished(&self) -> bool;

    /// Goes to where [`epoch`](Self::epoch) and [`position`](Self::position) were these: the next batch is the one that came
    /// then.
    ///
    /// # Errors
    /// If there is no such place.
    fn seek(&mut self, epoch: u64, position: usize) -> Result<()>;

    /// A number that other rows would not have, as good as certainly: a training is resumed on the rows that it learnt from.
    fn fingerprint(&self) -> u64;

    /// What else the order of the rows depends on, as names and values: a training that is resumed compares them.
    fn settings(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// A table in memory as a [`Source`], made by [`Dataset::source`].
///
/// ```
/// use polytask::data::{Sampler, Source, TableSource};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
/// let build = || Model::builder(10).task(Task::regression("elbow")).build::<f32>();
/// let (mut one, mut other) = (build()?, build()?);
/// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).epochs(3);
/// let mut source: TableSource<'_, f32> = data.source();
/// trainer.fit_source(&mut one, &mut source, None)?;
/// trainer.fit(&mut other, &data)?;
/// assert_eq!(one.parameters(), other.parameters());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct TableSource<'a, F> {
    data: &'a Dataset<F>,
    sampler: Option<Sampler>,
}

impl<F: Scalar> Dataset<F> {
    /// The table as a source of batches, for code that takes any.
    pub fn source(&self) -> TableSource<'_, F> {
        TableSource { data: self, sampler: None }
    }
}

impl<F: Scalar> TableSource<'_, F> {
    fn sampler(&mut self) -> &mut Sampler {
        self.sampler.as_mut().expect("begin comes first")
    }
}

impl<F: Scalar> Source<F> for TableSource<'_, F> {
    fn names(&self) -> &Arc<Names> {
        self.data.names()
    }

    fn n_rows(&self) -> Option<usize> {
        Some(self.data.n_rows())
    }

    fn begin(&mut self, order: Order) -> Result<()> {
        self.sampler = Some(Sampler::of(self.data, order)?);
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        let data = self.data;
        self.sampler().next_batch(data);
        Ok(())
    }

    fn batch(&self) -> Batch<'_, F> {
        let rows = self.sampler.as_ref().map_or(&[][..], Sampler::rows);
        assert!(!rows.is_empty(), "a batch before the first advance");
        Batch { dataset: self.data, rows }
    }

    fn epoch(&self) -> u64 {
        self.sampler.as_ref().map_or(0, Sampler::epoch)
    }

    fn position(&self) -> usize {
        self.sampler.as_ref().map_or(0, Sampler::position)
    }

    fn epoch_finished(&self) -> bool {
        self.sampler.as_ref().is_some_and(Sampler::epoch_finished)
    }

    fn seek(&mut self, epoch: u64, position: usize) -> Result<()> {
        self.sampler().seek(epoch, position)
    }

    fn fingerprint(&self) -> u64 {
        self.data.fingerprint().in_one()
    }
}
