//! A Parquet file in blocks: ranges of rows, which the file finds without reading what lies between.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use arrow_array::{RecordBatch, RecordBatchReader};

use super::super::arrow::Columns;
use super::super::parquet::{WHOLE, caught, unreadable};
use super::super::{Table, Values};
use super::block::{Block, Place};
use super::tallied::Rows;
use crate::data::fingerprint::Hash;
use crate::{Error, ErrorKind, Result};

/// How many cells a block has, about.
const CELLS: usize = 1 << 17;

/// A group of more rows is none.
const LARGEST_GROUP: usize = 1 << 24;

/// The rows of a Parquet file.
#[derive(Debug)]
pub(super) struct ParquetRows {
    pub(super) source: String,
    pub(super) names: Vec<String>,
    metadata: ArrowReaderMetadata,
    /// How many rows there are up to the end of each row group.
    ends: Vec<usize>,
}

impl ParquetRows {
    pub(super) fn new(file: &File, source: &str) -> Result<Self> {
        let metadata = caught(source, || {
            ArrowReaderMetadata::load(file, ArrowReaderOptions::new())
                .map_err(|cause| unreadable(source, WHOLE, cause))
        })?;
        let names = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut ends = Vec::new();
        for group in metadata.metadata().row_groups() {
            let wrong = || Error::new(ErrorKind::File, source, WHOLE, format!("{} rows", group.num_rows()));
            let n = usize::try_from(group.num_rows()).map_err(|_| wrong())?;
            ends.push(ends.last().copied().unwrap_or(0_usize).checked_add(n).ok_or_else(wrong)?);
        }
        Ok(Self { source: source.to_owned(), names, metadata, ends })
    }

    fn n_rows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The columns of `n` rows from `first` on.
    pub(super) fn read(&self, file: File, first: usize, n: usize) -> Result<Columns> {
        caught(&self.source, || {
            let fault = |cause| unreadable(&self.source, WHOLE, cause);
            let begin = self.ends.partition_point(|&end| end <= first);
            let end = self.ends.partition_point(|&end| end < first + n);
            let before = if begin == 0 { 0 } else { self.ends[begin - 1] };
            let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups((begin..(end + 1).min(self.ends.len())).collect())
                .with_offset(first - before)
                .with_limit(n)
                .with_batch_size(n)
                .build()
                .map_err(fault)?;
            let mut columns = Columns::from_row(&self.source, first);
            columns.push(&RecordBatch::new_empty(batches.schema()))?;
            for batch in batches {
                columns.push(&batch.map_err(|cause| fault(cause.into()))?)?;
            }
            Ok(columns)
        })
    }
}

/// Cuts a file into blocks of whole groups, if there are groups.
pub(super) struct Cutter<'a> {
    path: &'a Path,
    rows: &'a ParquetRows,
    group: Option<&'a String>,
    first: usize,
}

impl<'a> Cutter<'a> {
    /// Begins at the first row.
    pub(super) fn new(path: &'a Path, rows: &'a ParquetRows, group: Option<&'a String>) -> Self {
        Self { path, rows, group, first: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Option<(Block, Rows)>> {
        let left = self.rows.n_rows() - self.first;
        if left == 0 {
            return Ok(None);
        }
        let n = (CELLS / self.rows.names.len().max(1)).clamp(64, 65_536).min(left);
        let (rows, n, hash) = match self.group {
            None => {
                let columns = self.read(n)?;
                let hash = hash_of(&columns);
                (Rows::Columns(columns), n, hash)
            }
            Some(name) => {
                let table = self.whole_groups(name, n, left)?;
                let hash = hash_of_texts(&table);
                let n = table.n_rows();
                (Rows::Texts(table), n, hash)
            }
        };
        let block = Block { place: Place::Rows { first: self.first }, n_rows: n, hash, groups_before: 0 };
        self.first += n;
        Ok(Some((block, rows)))
    }

    fn read(&self, n: usize) -> Result<Columns> {
        self.rows.read(open(self.path, &self.rows.source)?, self.first, n)
    }

    /// About `n` of the rows that are left, such that no group goes on behind them.
    fn whole_groups(&self, group: &str, mut n: usize, left: usize) -> Result<Table> {
        loop {
            let mut table = self.read(n)?.into_table()?;
            if n == left {
                return Ok(table);
            }
            let column = table.column(group)?;
            let last = table.cell(n - 1, column);
            let kept = (0..n).rposition(|row| table.cell(row, column) != last).map_or(0, |at| at + 1);
            if kept > 0 {
                table.truncate(kept);
                return Ok(table);
            }
            if n >= LARGEST_GROUP {
                let expected = format!("a group of at most {LARGEST_GROUP} rows");
                let place = table.place(0, column);
                return Err(Error::new(ErrorKind::Value, place, expected, "one that does not end there"));
            }
            n = (2 * n).min(left);
        }
    }
}

fn hash_of(columns: &Columns) -> u64 {
    let mut hash = Hash(0);
    for (_, values) in columns.values() {
        match values {
            Values::Numbers(values) => {
                values.iter().for_each(|x| hash.word(x.map_or(u64::MAX, f64::to_bits)))
            }
            Values::Integers(values) => values.iter().for_each(|n| {
                hash.word(u64::from(n.is_some()));
                hash.word(n.unwrap_or(0) as u64);
            }),
            Values::Booleans(values) => values.iter().for_each(|is| hash.word(is.map_or(2, u64::from))),
            Values::Texts(values) => {
                values.iter().for_each(|text| hash.bytes(text.as_deref().unwrap_or("").as_bytes()));
            }
        }
    }
    hash.0
}

fn hash_of_texts(table: &Table) -> u64 {
    let mut hash = Hash(0);
    for row in 0..table.n_rows() {
        (0..table.names().len()).for_each(|column| hash.bytes(table.cell(row, column).as_bytes()));
    }
    hash.0
}

pub(super) fn open(path: &Path, source: &str) -> Result<File> {
    File::open(path).map_err(|cause| unreadable(source, "a file that can be read", cause))
}
