//! Opening a Parquet file: its types say what the columns hold, and all rows what else there is to know of them.

use std::path::Path;

use super::super::{CsvReader, Encoding, Table};
use super::block::Stamp;
use super::blocks::{Blocks, Format};
use super::fit::check_features;
use super::parquet::{Cutter, ParquetRows, open};
use super::tallied::{Next, Tallied};
use crate::{Error, ErrorKind, Result};

fn blocks(
    path: &Path,
    group: Option<&String>,
    tally: impl FnOnce(&Table, Next<'_>, &str) -> Result<Tallied>,
) -> Result<Blocks> {
    let source = path.display().to_string();
    let file = open(path, &source)?;
    let stamp = Stamp::of(&file, &source)?;
    let rows = ParquetRows::new(&file, &source)?;
    let mut cutter = Cutter::new(path, &rows, group);
    let Some((_, head)) = cutter.next()? else {
        return Err(Error::new(ErrorKind::File, &source, "at least one row", "none"));
    };
    let head = head.into_table()?;
    let mut cutter = Cutter::new(path, &rows, group);
    let tallied = tally(&head, &mut || cutter.next(), &source)?;
    Ok(Blocks::new(path, Format::Parquet(rows), stamp, tallied))
}

/// The blocks of a file, and the encoding that is fitted to all of its rows.
pub(super) fn fit(reader: &CsvReader, path: &Path) -> Result<Blocks> {
    blocks(path, reader.group.as_ref(), |head, next, source| Tallied::fitted(reader.fit(head)?, source, next))
}

/// The blocks of a file with the columns of the one that an encoding was fitted to.
pub(super) fn index(encoding: &Encoding, path: &Path) -> Result<Blocks> {
    blocks(path, encoding.reader.group.as_ref(), |head, next, source| {
        check_features(encoding, head)?;
        Tallied::known(encoding.clone(), source, next)
    })
}
