//! Which rows a step learns from: one pass over a table, or endless shuffled epochs.

use std::collections::HashMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::Dataset;
use crate::{Error, ErrorKind, Result, Scalar};

/// A view of some rows of a table: what one step learns from.
///
/// ```
/// use polytask::data::{Batch, Dataset};
///
/// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0], 1, &[5.0, 6.0, 7.0], 1)?;
/// let batch = Batch { dataset: &data, rows: &[2, 0, 2] };
/// assert_eq!(batch.n_rows(), 3);
/// assert_eq!(batch.dataset.feature_row(batch.rows[0]), [2.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, F> {
    /// The table.
    pub dataset: &'a Dataset<F>,
    /// Which of its rows, in the order in which they are used; repeats are allowed.
    pub rows: &'a [usize],
}

impl<F> Batch<'_, F> {
    /// How many rows the batch has.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }
}

/// In which batches a source hands out its rows.
///
/// ```
/// use polytask::data::{Dataset, Order, Source};
///
/// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0], 1, &[], 0)?;
/// let mut source = data.source();
/// source.begin(Order { batch_size: 2, seed: None, keeps_groups: false })?;
/// source.advance()?;
/// assert_eq!(source.batch().rows, [0, 1]); // in the order of the table, since there is no seed
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The most rows of a batch.
    pub batch_size: usize,
    /// What the order of the rows is drawn from, anew in every epoch; `None` for their own order.
    pub seed: Option<u64>,
    /// Whether the rows of a group stay in one batch.
    pub keeps_groups: bool,
}

/// An endless source of batches: epoch after epoch, with every row once per epoch.
///
/// Each epoch has its own order, which depends on (seed, epoch) alone. A checkpoint therefore needs only the seed, the
/// epoch and the position, and [`seek`](Self::seek) returns to them:
///
/// ```
/// use polytask::data::{Dataset, Sampler};
///
/// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0, 3.0, 4.0], 1, &[], 0)?;
/// let mut sampler = Sampler::shuffled(&data, 2, 7)?;
/// for _ in 0..4 {
///     sampler.next_batch(&data); // 2, 2 and 1 rows; then 2 of the next epoch
/// }
/// assert_eq!((sampler.epoch(), sampler.position()), (1, 2));
///
/// let mut resumed = Sampler::shuffled(&data, 2, 7)?;
/// resumed.seek(1, 2)?;
/// assert_eq!(resumed.next_batch(&data).rows, sampler.next_batch(&data).rows);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// The last batch of an epoch is shorter if the rows do not divide evenly. If the batch size exceeds the table, a batch is
/// the whole table. If rows have groups, whole groups are shuffled, and a batch holds as many whole groups as fit, the
/// rows of each group side by side; [`shuffled_rows`](Self::shuffled_rows) and [`rows_in_order`](Self::rows_in_order)
/// pay no heed to groups. Steps do not allocate.
#[derive(Debug)]
pub struct Sampler {
    /// None: every epoch in the order of the table.
    generator: Option<ChaCha8Rng>,
    seed: u64,
    batch_size: usize,
    epoch: u64,
    /// Where the last batch begins, and where it ends.
    begin: usize,
    position: usize,
    /// The order of the epoch, of rows or, where there are groups, of groups.
    order: Vec<usize>,
    groups: Option<Groups>,
}

/// The rows of the groups, and how the epoch has laid them out.
#[derive(Debug)]
struct Groups {
    members: Vec<Vec<usize>>,
    rows: Vec<usize>,
    /// Where each group of the epoch ends among `rows`.
    ends: Vec<usize>,
}

/// What a batch must not divide.
enum Units {
    /// So many rows, each by itself.
    Rows(usize),
    /// The rows of each group.
    Groups(Vec<Vec<usize>>),
}

impl Units {
    /// The groups of a table; its rows, if there are none.
    fn groups_of<F: Scalar>(dataset: &Dataset<F>) -> Self {
        match dataset.groups() {
            None => Self::Rows(dataset.n_rows()),
            Some(groups) => Self::Groups(members(groups)),
        }
    }
}

impl Sampler {
    /// Batches of `batch_size` rows, reshuffled every epoch; the order is drawn from `seed`.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the batch size is 0, or smaller than the largest group.
    pub fn shuffled<F: Scalar>(dataset: &Dataset<F>, batch_size: usize, seed: u64) -> Result<Self> {
        Self::new(Units::groups_of(dataset), batch_size, Some(seed))
    }

    /// As [`shuffled`](Self::shuffled), but rows are shuffled one by one, whatever group they are in: for losses that do
    /// not [compare rows](crate::loss::LossFunction::compares_rows).
    ///
    /// ```
    /// use polytask::data::{Dataset, Sampler};
    ///
    /// let patients = vec![1, 1, 1, 1, 2, 2];
    /// let data = Dataset::<f64>::from_slices(&[0.5; 6], 1, &[], 0)?.with_groups(patients)?;
    /// assert!(Sampler::shuffled(&data, 3, 7).is_err()); // four rows of the first
    /// assert_eq!(Sampler::shuffled_rows(&data, 3, 7)?.next_batch(&data).n_rows(), 3);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the batch size is 0.
    pub fn shuffled_rows<F: Scalar>(dataset: &Dataset<F>, batch_size: usize, seed: u64) -> Result<Self> {
        Self::new(Units::Rows(dataset.n_rows()), batch_size, Some(seed))
    }

    /// Batches of `batch_size` rows in table order, the same every epoch.
    ///
    /// ```
    /// use polytask::data::{Dataset, Sampler};
    ///
    /// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0], 1, &[], 0)?;
    /// let mut sampler = Sampler::in_order(&data, 2)?;
    /// assert_eq!(sampler.next_batch(&data).rows, [0, 1]);
    /// assert_eq!(sampler.next_batch(&data).rows, [2]);
    /// assert!(sampler.epoch_finished());
    /// assert_eq!(sampler.next_batch(&data).rows, [0, 1]);
    /// assert_eq!((sampler.epoch(), sampler.epoch_finished()), (1, false));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the batch size is 0, or smaller than the largest group.
    pub fn in_order<F: Scalar>(dataset: &Dataset<F>, batch_size: usize) -> Result<Self> {
        Self::new(Units::groups_of(dataset), batch_size, None)
    }

    /// As [`in_order`](Self::in_order), but the rows of a group need not be in the same batch.
    ///
    /// ```
    /// use polytask::data::{Dataset, Sampler};
    ///
    /// let data = Dataset::<f64>::from_slices(&[0.5; 4], 1, &[], 0)?.with_groups(vec![8, 9, 8, 9])?;
    /// assert_eq!(Sampler::in_order(&data, 3)?.next_batch(&data).rows, [0, 2]);
    /// assert_eq!(Sampler::rows_in_order(&data, 3)?.next_batch(&data).rows, [0, 1, 2]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the batch size is 0.
    pub fn rows_in_order<F: Scalar>(dataset: &Dataset<F>, batch_size: usize) -> Result<Self> {
        Self::new(Units::Rows(dataset.n_rows()), batch_size, None)
    }

    /// The batches of an order.
    pub(crate) fn of<F: Scalar>(dataset: &Dataset<F>, order: Order) -> Result<Self> {
        let units = match order.keeps_groups {
            true => Units::groups_of(dataset),
            false => Units::Rows(dataset.n_rows()),
        };
        Self::new(units, order.batch_size, order.seed)
    }

    fn new(units: Units, batch_size: usize, seed: Option<u64>) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::new(ErrorKind::Setting, "batch size", "at least 1 row", 0)
                .advise("32 is a good start"));
        }
        let (n, groups) = match units {
            Units::Rows(n) => (n, None),
            Units::Groups(members) => (members.iter().map(Vec::len).sum(), Some(members)),
        };
        if let Some((group, rows)) = groups.iter().flatten().enumerate().find(|(_, g)| g.len() > batch_size) {
            return Err(Error::new(
                ErrorKind::Setting,
                "batch size",
                format!("at least {}, the rows of the group that row {} begins", rows.len(), rows[0]),
                batch_size,
            )
            .advise(format!(
                "a batch holds whole groups; group {group} in the order of the table is larger"
            )));
        }
        let order = vec![0; groups.as_ref().map_or(n, Vec::len)];
        let groups = groups.map(|members| Groups {
            rows: Vec::with_capacity(n),
            ends: Vec::with_capacity(members.len()),
            members,
        });
        let (generator, batch_size) = (seed.map(ChaCha8Rng::seed_from_u64), batch_size.min(n));
        let seed = seed.unwrap_or(0);
        let mut sampler =
            Self { generator, seed, batch_size, epoch: 0, begin: 0, position: 0, order, groups };
        sampler.arrange();
        Ok(sampler)
    }

    /// The next batch; after the last one of an epoch, the first one of the next.
    ///
    /// # Panics
    /// If the table has a different number of rows from the one the sampler was made for.
    #[track_caller]
    pub fn next_batch<'a, F: Scalar>(&'a mut self, dataset: &'a Dataset<F>) -> Batch<'a, F> {
        assert_eq!(dataset.n_rows(), self.n_rows(), "rows of this table, and of the table of the sampler");
        if self.epoch_finished() {
            self.epoch += 1;
            self.position = 0;
            self.arrange();
        }
        self.begin = self.position;
        let limit = (self.begin + self.batch_size).min(self.n_rows());
        self.position = match &self.groups {
            None => limit,
            Some(groups) => groups.ends[groups.ends.partition_point(|&end| end <= limit) - 1],
        };
        Batch { dataset, rows: self.rows() }
    }

    /// The rows of the last batch; none before the first.
    pub(crate) fn rows(&self) -> &[usize] {
        let all = self.groups.as_ref().map_or(&self.order, |groups| &groups.rows);
        &all[self.begin..self.position]
    }

    /// Lays out the rows of the epoch. A stream of the generator belongs to each epoch, so that its order does not
    /// depend on the epochs before.
    fn arrange(&mut self) {
        for (index, place) in self.order.iter_mut().enumerate() {
            *place = index;
        }
        if let Some(generator) = &mut self.generator {
            generator.set_stream(self.epoch);
            shuffle(&mut self.order, generator);
        }
        if let Some(Groups { members, rows, ends }) = &mut self.groups {
            rows.clear();
            ends.clear();
            for &group in &self.order {
                rows.extend_from_slice(&members[group]);
                ends.push(rows.len());
            }
        }
    }

    /// Jumps to the point in `epoch` where `position` rows have been used: the values of [`epoch`](Self::epoch) and
    /// [`position`](Self::position) when the checkpoint was made.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the table has fewer rows, or the position lies inside a group.
    pub fn seek(&mut self, epoch: u64, position: usize) -> Result<()> {
        if position > self.n_rows() {
            return Err(Error::new(
                ErrorKind::Setting,
                "position in the epoch",
                format!("at most {}, the rows of the table", self.n_rows()),
                position,
            )
            .advise("resume with the table that the checkpoint was made with"));
        }
        self.epoch = epoch;
        self.arrange();
        if let Some(groups) = &self.groups
            && position > 0
            && groups.ends.binary_search(&position).is_err()
        {
            (self.begin, self.position) = (0, 0);
            return Err(Error::new(
                ErrorKind::Setting,
                "position in the epoch",
                "the end of a group of rows",
                format!("{position}, inside a group"),
            )
            .advise("resume with the table that the checkpoint was made with"));
        }
        (self.begin, self.position) = (position, position);
        Ok(())
    }

    /// The epoch of the last batch, counted from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many rows of the epoch have been used.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The seed of the order; 0 for batches in the order of the table.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether every row of the epoch has been used.
    pub fn epoch_finished(&self) -> bool {
        self.position == self.n_rows()
    }

    /// How many rows the largest batch can have.
    ///
    /// ```
    /// # use polytask::data::{Dataset, Sampler};
    /// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0], 1, &[], 0)?;
    /// let sampler = Sampler::shuffled(&data, 100, 7)?;
    /// assert_eq!((sampler.batch_size(), sampler.seed()), (3, 7)); // no more than the table has
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.groups.as_ref().map_or(self.order.len(), |groups| groups.rows.len())
    }
}

/// One pass over a table. It lends one batch at a time:
///
/// ```
/// use polytask::data::Dataset;
///
/// let data = Dataset::<f64>::from_slices(&[10.0, 11.0, 12.0], 1, &[], 0)?;
/// let mut seen = vec![];
/// let mut batches = data.batches(2, 42);
/// while let Some(batch) = batches.next_batch()? {
///     seen.extend_from_slice(batch.rows);
/// }
/// seen.sort();
/// assert_eq!(seen, [0, 1, 2]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches<'a, F> {
    dataset: &'a Dataset<F>,
    sampler: Option<Sampler>,
    /// What is wrong with the settings, for the first batch to tell.
    fault: Option<Error>,
}

impl<F: Scalar> Batches<'_, F> {
    /// The next batch, or `None` when every row was seen. Nothing is allocated.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the batch size is 0, or smaller than the largest group of rows.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_, F>>> {
        match (self.fault.take(), &mut self.sampler) {
            (Some(fault), _) => Err(fault),
            (None, Some(sampler)) if !sampler.epoch_finished() => Ok(Some(sampler.next_batch(self.dataset))),
            _ => Ok(None),
        }
    }
}

impl<F: Scalar> Dataset<F> {
    /// A batch of the given rows.
    ///
    /// # Panics
    /// If it contains a row that does not exist.
    #[track_caller]
    pub fn batch<'a>(&'a self, rows: &'a [usize]) -> Batch<'a, F> {
        self.check_rows(rows);
        Batch { dataset: self, rows }
    }

    /// The batch of all rows, in order.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0], 1, &[], 0)?;
    /// assert_eq!(data.all().rows, [0, 1, 2]);
    /// assert_eq!(data.batch(&[2, 0]).rows, [2, 0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn all(&self) -> Batch<'_, F> {
        Batch { dataset: self, rows: self.all_rows() }
    }

    /// One pass over the table in batches of `batch_size` rows, shuffled by `seed`: the first epoch of
    /// [`Sampler::shuffled`]. The first batch tells whether the batch size is one: see
    /// [`Batches::next_batch`].
    pub fn batches(&self, batch_size: usize, seed: u64) -> Batches<'_, F> {
        self.pass(Sampler::shuffled(self, batch_size, seed))
    }

    /// One pass over the table in batches of `batch_size` rows, in the order of the table.
    ///
    /// The first batch tells whether the batch size is one: see [`Batches::next_batch`].
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// // Rows 0, 2 and 4 belong together, and so do rows 1 and 3.
    /// let data = Dataset::<f64>::from_slices(&[0.5; 5], 1, &[], 0)?.with_groups(vec![8, 9, 8, 9, 8])?;
    /// let mut batches = data.batches_in_order(4);
    /// assert_eq!(batches.next_batch()?.map(|batch| batch.rows), Some(&[0, 2, 4][..]));
    /// assert_eq!(batches.next_batch()?.map(|batch| batch.rows), Some(&[1, 3][..]));
    /// assert!(batches.next_batch()?.is_none());
    /// assert!(data.batches_in_order(2).next_batch().is_err()); // smaller than the first group
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn batches_in_order(&self, batch_size: usize) -> Batches<'_, F> {
        self.pass(Sampler::in_order(self, batch_size))
    }

    /// How many rows the largest group has; 1 without groups.
    pub(crate) fn largest_group(&self) -> usize {
        self.groups().map(members).iter().flatten().map(Vec::len).max().unwrap_or(1)
    }

    pub(crate) fn pass(&self, sampler: Result<Sampler>) -> Batches<'_, F> {
        match sampler {
            Ok(sampler) => Batches { dataset: self, sampler: Some(sampler), fault: None },
            Err(fault) => Batches { dataset: self, sampler: None, fault: Some(fault) },
        }
    }
}

/// The rows of each group, groups in the order in which they first appear.
pub(super) fn members(groups: &[u64]) -> Vec<Vec<usize>> {
    let mut index = HashMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let at = *index.entry(group).or_insert(members.len());
        if at == members.len() {
            members.push(Vec::new());
        }
        members[at].push(row);
    }
    members
}

/// Puts `items` in random order (Fisher and Yates): every order is equally likely.
///
/// An index below k is the upper half of (64 random bits) · k. It favours no index by more than k / 2⁶⁴, and the
/// order of a seed stays the same whatever becomes of the generator crate's distributions.
pub(crate) fn shuffle<T>(items: &mut [T], generator: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        let below = (last + 1) as u128;
        let chosen = ((u128::from(generator.next_u64()) * below) >> 64) as usize;
        items.swap(last, chosen);
    }
}
