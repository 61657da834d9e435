//! A file that is larger than memory as a source of batches.
//!
//! ```text
//! file    ██████│██████│██████│██████│██████│██████     cut into blocks, each of whole rows, when it is first read
//! epoch   5 2 0 │ 4 1 3                                 the blocks in an order drawn from (seed, epoch), cut into windows
//! window  rows of blocks 5, 2 and 0, shuffled           read and encoded in the background, while the window before it is
//!         ▒▒▒▒ ▒▒▒▒ ▒▒▒▒ ▒▒                             learnt from; cut into batches
//! ```
//! So rows that lie far apart in the file meet in a batch even where the file is sorted, and memory holds a few windows, however
//! long the file is. A position is an epoch and a number of rows: what comes next follows from the seed and these.

mod block;
mod blocks;
mod cutter;
mod epoch;
mod fit;
#[cfg(feature = "parquet")]
mod fit_parquet;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod tallied;
mod tally;
mod window;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{CsvReader, Encoding};
use crate::data::{Batch, Dataset, Names, Order, Source};
use crate::{Error, ErrorKind, Result, Scalar};
use blocks::Blocks;
use epoch::EpochWindows;
use window::{Reading, Window};

/// How many rows a window has by default, and how many numbers at most, so that the memory is bounded for wide tables too.
const WINDOW: usize = 65_536;
const NUMBERS: usize = 1 << 23;

/// A file that is read block by block while a model learns from it, made by [`CsvReader::stream`].
///
/// ```
/// use polytask::data::csv::CsvReader;
/// use polytask::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("polytask-stream-{}.csv", std::process::id()));
/// let rows: String = (0..200_000).map(|i| format!("{},{}\n", i % 97, 2 * (i % 97) + 1)).collect();
/// std::fs::write(&path, format!("area,price\n{rows}")).expect("a folder that can be written");
///
/// let stream = CsvReader::new().targets(["price"]).stream::<f32>(&path)?;
/// let (mut train, mut held_out) = stream.split(0.8, 1)?;
/// let mut model = Model::builder(1).task(Task::regression("price")).standardize().build::<f32>()?;
/// let trainer = Trainer::new(Adam::new(0.1)).batch_size(1000).epochs(3);
/// trainer.fit_source(&mut model, &mut train, None)?;
/// assert!(model.evaluate_source(&mut held_out)?["price"].score("r2") > Some(0.99));
/// # std::fs::remove_file(&path).expect("it is there");
/// # Ok::<(), polytask::Error>(())
/// ```
pub struct Stream<F: Scalar> {
    blocks: Arc<Blocks>,
    /// Which of the blocks it is made of.
    own: Vec<usize>,
    names: Arc<Names>,
    window: usize,
    order: Option<Order>,
    epoch: u64,
    windows: EpochWindows,
    /// The window that batches are cut from, and the number of rows of the epoch before it.
    current: Option<Window<F>>,
    before: usize,
    reading: Option<Reading<F>>,
}

impl<F: Scalar> fmt::Debug for Stream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("source", &self.blocks.source())
            .field("rows", &self.n_rows())
            .field("window", &self.window)
            .field("epoch", &self.epoch)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

impl CsvReader {
    /// Opens a file that need not fit in memory. All of it is read once, to find out what its columns hold and where its rows
    /// lie; when a model learns from it, it is read again in every epoch.
    ///
    /// Delimiter, header, notations and which columns are numbers are found from the first megabyte; a later cell that
    /// does not fit is an error. Means, categories, classes and gaps are those of all rows. Rows of a group must lie side by
    /// side. Texts in UTF-16, cells separated by spaces, and files that a part must be left out of need [`read`](Self::read).
    ///
    /// # Errors
    /// As [`read`](Self::read); [`ErrorKind::File`] names the line where the file stops being a table, and what of it needs to
    /// be read as a whole.
    pub fn stream<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<Stream<F>> {
        Stream::of(fit::fit(self, path.as_ref())?)
    }

    /// Opens a Parquet file that need not fit in memory, as [`stream`](Self::stream) opens a CSV file; its types say what the
    /// columns hold (feature `parquet`).
    ///
    /// ```no_run
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    ///
    /// let stream = CsvReader::new().targets(["price"]).stream_parquet::<f32>("houses.parquet")?;
    /// let (mut train, mut held_out) = stream.split(0.9, 1)?;
    /// let builder = Model::builder(train.encoding().feature_names().len()).standardize();
    /// let mut model = builder.task(Task::regression("price")).build::<f32>()?;
    /// Trainer::new(Adam::new(0.01)).batch_size(256).epochs(3).fit_source(&mut model, &mut train, None)?;
    /// println!("{}", model.evaluate_source(&mut held_out)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`stream`](Self::stream) and [`Table::read_parquet`](super::Table::read_parquet).
    #[cfg(feature = "parquet")]
    pub fn stream_parquet<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<Stream<F>> {
        Stream::of(fit_parquet::fit(self, path.as_ref())?)
    }
}

impl Encoding {
    /// Opens a file with the columns of the fitted one, which need not fit in memory: as [`CsvReader::stream`], but nothing is
    /// fitted to it.
    ///
    /// ```
    /// use polytask::data::Source;
    /// use polytask::data::csv::CsvReader;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-encoding-stream-{}.csv", std::process::id()));
    /// let file = "area,price\n514,3\n563,4\n";
    /// let (_, encoding) = CsvReader::new().targets(["price"]).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// std::fs::write(&path, "price,area\n5,600\n").expect("a folder that can be written");
    /// let stream = encoding.stream::<f64>(&path)?;
    /// assert_eq!((stream.n_rows(), stream.read()?.feature_row(0)), (Some(1), &[600.0][..]));
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read) for what is found when the file is opened; a cell that does not hold what its column should is
    /// found when it is read.
    pub fn stream<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<Stream<F>> {
        Stream::of(fit::index(self, path.as_ref())?)
    }

    /// As [`stream`](Self::stream), for a Parquet file (feature `parquet`).
    ///
    /// # Errors
    /// As there, and those of [`Table::read_parquet`](super::Table::read_parquet).
    #[cfg(feature = "parquet")]
    pub fn stream_parquet<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<Stream<F>> {
        Stream::of(fit_parquet::index(self, path.as_ref())?)
    }
}

impl<F: Scalar> Stream<F> {
    fn of(mut blocks: Blocks) -> Result<Self> {
        if let Some(fault) = blocks.coarse.take().filter(|_| F::NAME == "f32") {
            return Err(fault);
        }
        let own: Vec<usize> = (0..blocks.len()).collect();
        let first: Dataset<F> = blocks.read(0)?;
        let names = Arc::clone(first.names());
        let window = WINDOW.min(NUMBERS / (first.n_features() + first.n_targets()).max(1)).max(1);
        Ok(Self::with(Arc::new(blocks), own, names, window))
    }

    fn with(blocks: Arc<Blocks>, own: Vec<usize>, names: Arc<Names>, window: usize) -> Self {
        let windows = EpochWindows::default();
        let (order, current, reading) = (None, None, None);
        Self { blocks, own, names, window, order, epoch: 0, windows, current, before: 0, reading }
    }

    /// How the columns are read: to read single rows and other files in the same way, and to save with a model.
    pub fn encoding(&self) -> &Encoding {
        self.blocks.encoding()
    }

    /// Sets how many rows, at least, are shuffled together (default: 65,536, or as many as hold eight million numbers if that
    /// is less). Memory holds the window that is learnt from and the one that is read; while the latter is put together, a
    /// copy of it. The last batch of a window is shorter if its rows do not divide evenly.
    ///
    /// ```
    /// use polytask::data::{Order, Source};
    /// use polytask::data::csv::CsvReader;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-window-{}.csv", std::process::id()));
    /// let rows: String = (0..200_000).map(|i| format!("{i},{}\n", i % 7)).collect();
    /// std::fs::write(&path, format!("area,price\n{rows}")).expect("a folder that can be written");
    /// let mut stream = CsvReader::new().targets(["price"]).stream::<f64>(&path)?.window(10_000);
    /// stream.begin(Order { batch_size: 32, seed: Some(1), keeps_groups: false })?;
    /// stream.advance()?;
    /// let in_memory = stream.batch().dataset.n_rows();
    /// assert!((10_000..200_000).contains(&in_memory), "{in_memory}");
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn window(self, rows: usize) -> Self {
        Self::with(self.blocks, self.own, self.names, rows)
    }

    /// Divides the blocks of the file at random into a stream to learn from, which gets this share of the rows, as near as
    /// blocks of 256 KiB allow, and one that is held out, which gets the others. Rows that lie side by side stay together.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the share is not between 0 and 1, or the file has one block alone.
    pub fn split(self, share: f64, seed: u64) -> Result<(Self, Self)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::new(ErrorKind::Setting, "share of a split", "between 0 and 1", share));
        }
        let (first, second) = epoch::divided(&self.blocks, &self.own, share, seed)?;
        let part = |own| Self::with(Arc::clone(&self.blocks), own, Arc::clone(&self.names), self.window);
        Ok((part(first), part(second)))
    }

    /// Reads all rows into memory, in the order of the file.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or has changed, [`ErrorKind::Value`] if a cell does not hold what its
    /// column should.
    pub fn read(&self) -> Result<Dataset<F>> {
        let parts = self.own.iter().map(|&block| self.blocks.read(block)).collect::<Result<Vec<_>>>()?;
        Ok(Dataset::joined(&parts))
    }

    /// Goes to the window in which `position` rows of the epoch have been handed out, and reads on from there.
    fn go_to(&mut self, epoch: u64, position: usize) -> Result<()> {
        let order = self.order.ok_or_else(not_begun)?;
        (self.reading, self.current) = (None, None);
        self.windows = EpochWindows::of(&self.blocks, &self.own, self.window, &order, epoch);
        self.epoch = epoch;
        let rows = self.windows.n_rows();
        if position > rows {
            return Err(Error::new(
                ErrorKind::Setting,
                "position in the epoch",
                format!("at most {rows}, the rows of the stream"),
                position,
            )
            .advise("resume with the file that the checkpoint was made with"));
        }
        self.before = position;
        if position == rows {
            return Ok(());
        }
        let at = self.windows.window_at(position);
        self.before = self.windows.before(at);
        self.read_from(at);
        self.take_window()?;
        let current = self.current.as_mut().expect("it was taken");
        current.seek(position - self.before)
    }

    /// Begins to read windows in the background.
    fn read_from(&mut self, window: usize) {
        let order = self.order.expect("it has begun");
        let (blocks, own) = (Arc::clone(&self.blocks), self.own.clone());
        self.reading = Some(Reading::start(blocks, own, self.window, order, self.epoch, window));
    }

    fn take_window(&mut self) -> Result<()> {
        // The window before goes first: there are never three.
        self.current = None;
        self.current = Some(self.reading.as_mut().expect("it reads").next()?);
        Ok(())
    }
}

fn not_begun() -> Error {
    Error::new(ErrorKind::Setting, "order of a stream", "Source::begin before it", "none")
}

impl<F: Scalar> Source<F> for Stream<F> {
    fn names(&self) -> &Arc<Names> {
        &self.names
    }

    fn n_rows(&self) -> Option<usize> {
        Some(self.own.iter().map(|&block| self.blocks.n_rows(block)).sum())
    }

    fn begin(&mut self, order: Order) -> Result<()> {
        if order.batch_size == 0 {
            return Err(Error::new(ErrorKind::Setting, "batch size", "at least 1 row", 0));
        }
        self.order = Some(order);
        self.go_to(0, 0)
    }

    fn advance(&mut self) -> Result<()> {
        if self.order.is_none() {
            return Err(not_begun());
        }
        if self.epoch_finished() {
            let has_begun = self.reading.is_some();
            self.epoch += 1;
            self.before = 0;
            let order = self.order.expect("it has begun");
            self.windows = EpochWindows::of(&self.blocks, &self.own, self.window, &order, self.epoch);
            if !has_begun {
                self.read_from(0);
            }
            self.take_window()?;
        } else if self.current.as_ref().is_none_or(Window::is_finished) {
            self.before += self.current.as_ref().map_or(0, Window::n_rows);
            self.take_window()?;
        }
        self.current.as_mut().expect("it was taken").advance();
        Ok(())
    }

    fn batch(&self) -> Batch<'_, F> {
        self.current.as_ref().expect("advance comes first").batch()
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn position(&self) -> usize {
        self.before + self.current.as_ref().map_or(0, Window::position)
    }

    fn epoch_finished(&self) -> bool {
        self.order.is_some() && self.position() == self.windows.n_rows()
    }

    fn seek(&mut self, epoch: u64, position: usize) -> Result<()> {
        let is_here = self.epoch == epoch
            && self
                .current
                .as_ref()
                .is_some_and(|current| (self.before..self.before + current.n_rows()).contains(&position));
        match (is_here, &mut self.current) {
            (true, Some(current)) => current.seek(position - self.before),
            _ => self.go_to(epoch, position),
        }
    }

    fn fingerprint(&self) -> u64 {
        self.blocks.fingerprint(&self.own)
    }

    fn settings(&self) -> Vec<(String, String)> {
        vec![("rows of a window".into(), self.window.to_string())]
    }
}
