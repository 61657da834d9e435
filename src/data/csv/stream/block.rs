//! A block of a file: where its rows lie, and what tells them from others.

use std::fs::File;
use std::time::SystemTime;

use super::super::table::unreadable;
use crate::Result;

/// A block of rows.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) place: Place,
    pub(super) n_rows: usize,
    pub(super) hash: u64,
    /// How many groups of rows come before it.
    pub(super) groups_before: u64,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Some bytes of a text, the first of which are on `line`.
    Text { offset: u64, length: usize, line: usize },
    /// The rows from one on.
    #[cfg(feature = "parquet")]
    Rows { first: usize },
}

/// What a file has as long as it is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(file: &File, source: &str) -> Result<Self> {
        let metadata = file.metadata().map_err(|cause| unreadable(source, cause))?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
}
