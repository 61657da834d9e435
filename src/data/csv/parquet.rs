//! A table from a Parquet file (feature `parquet`), read as the record batches that it holds.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::file::reader::ChunkReader;
use arrow_array::{RecordBatch, RecordBatchReader};
use bytes::Bytes;

use super::Table;
use super::arrow::Columns;
use crate::{Error, ErrorKind, Result};

pub(super) const WHOLE: &str = "a Parquet file, whole and not encrypted";

impl Table {
    /// Reads a Parquet file, uncompressed or compressed by Snappy or Zstandard; its columns are read as those of
    /// [`from_arrow`](Self::from_arrow). Nested columns, dates and other types that are no features are errors unless the file
    /// does without them.
    ///
    /// ```no_run
    /// use polytask::data::csv::{CsvReader, Table};
    ///
    /// let table = Table::read_parquet("houses.parquet")?;
    /// let encoding = CsvReader::new().targets(["heating", "cooling"]).fit(&table)?;
    /// let data = encoding.apply::<f32>(&table)?;
    /// let next = encoding.features::<f32>(&Table::read_parquet("next.parquet")?)?; // columns in any order
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read, is no Parquet file, is cut off or damaged, encrypted, or compressed by
    /// something else; otherwise as [`from_arrow`](Self::from_arrow).
    pub fn read_parquet(path: impl AsRef<Path>) -> Result<Self> {
        let source = path.as_ref().display().to_string();
        let file = File::open(path).map_err(|cause| unreadable(&source, "a file that can be read", cause))?;
        read(file, &source)
    }

    /// Reads the bytes of a Parquet file; error messages call it `source`.
    ///
    /// # Errors
    /// As [`read_parquet`](Self::read_parquet).
    pub fn parquet_from(bytes: Vec<u8>, source: &str) -> Result<Self> {
        read(Bytes::from(bytes), source)
    }
}

fn read(reader: impl ChunkReader + 'static, source: &str) -> Result<Table> {
    caught(source, || read_whole(reader, source))
}

/// What `read` says, or an error where it panics, as the Parquet crate does on some damaged files.
pub(super) fn caught<T>(source: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::File, source, WHOLE, "one whose parts contradict each other"))
    })
}

fn read_whole(reader: impl ChunkReader + 'static, source: &str) -> Result<Table> {
    let fault = |cause| unreadable(source, WHOLE, cause);
    let batches = ParquetRecordBatchReaderBuilder::try_new(reader).and_then(|builder| builder.build());
    let (mut columns, batches) = (Columns::new(source), batches.map_err(fault)?);
    // A file without rows has columns.
    columns.push(&RecordBatch::new_empty(batches.schema()))?;
    for batch in batches {
        columns.push(&batch.map_err(|cause| fault(cause.into()))?)?;
    }
    columns.into_table()
}

pub(super) fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    source: &str,
    expected: &str,
    cause: E,
) -> Error {
    Error::new(ErrorKind::File, source, expected, &cause).caused_by(cause)
}
