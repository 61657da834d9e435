//! The blocks of a file: where each begins, and its rows as they are encoded.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::super::Encoding;
use super::super::table::{Cut, Table, rows_of, unreadable};
use super::block::{Block, Place, Stamp};
#[cfg(feature = "parquet")]
use super::parquet::ParquetRows;
use super::plain::Plain;
use super::tallied::Tallied;
use crate::data::fingerprint::Hash;
use crate::data::{Dataset, Names};
use crate::{Error, ErrorKind, Result, Scalar};

/// What the rows of a block are read from.
#[derive(Debug)]
pub(super) enum Format {
    Csv(Cut),
    #[cfg(feature = "parquet")]
    Parquet(ParquetRows),
}

/// A file cut into blocks, and how its cells are read.
#[derive(Debug)]
pub(super) struct Blocks {
    path: PathBuf,
    source: String,
    format: Format,
    encoding: Encoding,
    blocks: Vec<Block>,
    stamp: Stamp,
    /// How blocks of nothing but plain numbers are read, and the names of their columns.
    plain: Option<Plain>,
    names: OnceLock<Arc<Names>>,
    /// What is wrong with the targets for a scalar type with 24 bits.
    pub(super) coarse: Option<Error>,
}

impl Blocks {
    pub(super) fn new(path: &Path, format: Format, stamp: Stamp, tallied: Tallied) -> Self {
        let Tallied { encoding, blocks, coarse } = tallied;
        let (source, columns) = match &format {
            Format::Csv(cut) => (cut.source.clone(), &cut.names),
            #[cfg(feature = "parquet")]
            Format::Parquet(rows) => (rows.source.clone(), &rows.names),
        };
        let (plain, names) = (Plain::of(&encoding, columns), OnceLock::new());
        Self { path: path.to_owned(), source, format, encoding, blocks, stamp, plain, names, coarse }
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    pub(super) fn n_rows(&self, block: usize) -> usize {
        self.blocks[block].n_rows
    }

    /// A number that other rows, or others of the blocks, would not have.
    pub(super) fn fingerprint(&self, own: &[usize]) -> u64 {
        let mut hash = Hash(0);
        for &block in own {
            hash.word(block as u64);
            hash.word(self.blocks[block].hash);
        }
        hash.0
    }

    /// The rows of a block.
    pub(super) fn read<F: Scalar>(&self, block: usize) -> Result<Dataset<F>> {
        let Block { place, n_rows, groups_before, .. } = self.blocks[block];
        let source = self.source();
        let mut file = File::open(&self.path).map_err(|cause| unreadable(source, cause))?;
        if Stamp::of(&file, source)? != self.stamp {
            return Err(Error::new(
                ErrorKind::File,
                source,
                "the file as it was when it was opened",
                "one that has been written to since",
            )
            .advise("open it again, when nothing writes to it any more"));
        }
        let plain = self.plain.as_ref().zip(self.names.get());
        let table = match (&self.format, place) {
            (Format::Csv(cut), Place::Text { offset, length, line }) => {
                let mut bytes = vec![0; length];
                file.seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(|cause| unreadable(source, cause))?;
                if let Some(data) = plain.and_then(|(plain, names)| plain.parse(&bytes, n_rows, cut, names)) {
                    return Ok(data);
                }
                Table::of_rows(cut, rows_of(&bytes, line, cut)?)
            }
            #[cfg(feature = "parquet")]
            (Format::Parquet(rows), Place::Rows { first }) => {
                let columns = rows.read(file, first, n_rows)?;
                if let Some(data) = plain.and_then(|(plain, names)| plain.take(&columns, n_rows, names)) {
                    return Ok(data);
                }
                columns.into_table()?
            }
            #[cfg(feature = "parquet")]
            _ => unreachable!("a block lies in a file of its format"),
        };
        let data = self.encoding.apply_part(&table)?;
        self.names.get_or_init(|| Arc::clone(data.names()));
        Ok(data.with_groups_from(groups_before))
    }
}
