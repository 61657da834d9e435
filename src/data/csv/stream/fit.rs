//! Opening a file: how it is cut is found from its head, what its columns hold from all rows, where they lie on the way.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::super::dialect::{Dialect, line_ends, records};
use super::super::table::{Cut, Preamble, Table, unreadable};
use super::super::{CsvReader, Encoding};
use super::block::Stamp;
use super::blocks::{Blocks, Format};
use super::cutter::Cutter;
use super::plain::Plain;
use super::tallied::{Next, Tallied};
use crate::{Error, ErrorKind, Result};

/// How many bytes show how a file is written.
const HEAD: usize = 1 << 20;

const AS_A_WHOLE: &str = "`CsvReader::read` reads such a file as a whole";

/// A file that has been looked into.
struct Opened {
    file: File,
    stamp: Stamp,
    cut: Cut,
    /// The rows at its beginning, and whether these are all.
    head: Table,
    is_whole: bool,
    /// Where the first row begins: byte and line.
    begin: (u64, usize),
}

impl Opened {
    fn new(path: &Path, dialect: Dialect, expected: &[&str]) -> Result<Self> {
        let source = path.display().to_string();
        let mut file = File::open(path).map_err(|cause| unreadable(&source, cause))?;
        let stamp = Stamp::of(&file, &source)?;
        let mut bytes = Vec::new();
        let read = (&mut file).take(HEAD as u64).read_to_end(&mut bytes);
        let is_whole = read.map_err(|cause| unreadable(&source, cause))? < HEAD;
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Error::new(ErrorKind::File, &source, "UTF-8 text", "UTF-16 text").advise(AS_A_WHOLE));
        }
        let preamble = Preamble::of(&bytes, &source, dialect)?;
        if preamble.delimiter == b' ' {
            let found = "cells between spaces";
            return Err(Error::new(ErrorKind::File, &source, "a delimiter", found).advise(AS_A_WHOLE));
        }
        if !is_whole {
            // The last row may be cut in two.
            let body = &bytes[preamble.begin..];
            let mut last = 0;
            for record in records(body, preamble.delimiter, dialect.comment).byte_records() {
                let record = record.map_err(|cause| unreadable(&source, cause))?;
                last = record.position().map_or(0, |position| position.byte() as usize);
            }
            bytes.truncate(preamble.begin + last);
        }
        let head = Table::read_from(&bytes[..], &source, dialect, expected)?;
        if !preamble.explains(head.notes()) {
            let expected = "rows of which nothing has to be left out";
            return Err(
                Error::new(ErrorKind::File, &source, expected, head.notes().join("; ")).advise(AS_A_WHOLE)
            );
        }
        let body = &bytes[preamble.begin..];
        let first = match head.header_line() {
            None => 0,
            Some(_) => {
                let mut rows = records(body, preamble.delimiter, dialect.comment);
                let mut header = ::csv::ByteRecord::new();
                while header.iter().all(<[u8]>::is_empty)
                    && rows.read_byte_record(&mut header).map_err(|cause| unreadable(&source, cause))?
                {
                }
                rows.position().byte() as usize
            }
        };
        let begin = ((preamble.begin + first) as u64, 1 + preamble.n_lines + line_ends(&body[..first]));
        let cut = Cut {
            source,
            names: head.names().to_vec(),
            delimiter: preamble.delimiter,
            comment: dialect.comment,
            header: head.header_line(),
        };
        Ok(Self { file, stamp, cut, head, is_whole, begin })
    }

    /// The blocks of the file, as `tally` finds them.
    fn blocks(
        self,
        path: &Path,
        encoding: &Encoding,
        targets_alone: bool,
        tally: impl FnOnce(Next<'_>, &str) -> Result<Tallied>,
    ) -> Result<Blocks> {
        let group = encoding.reader.group.as_ref().map(|name| self.head.column(name)).transpose()?;
        let plain = Plain::of(encoding, &self.cut.names).map(|plain| plain.wanted(targets_alone));
        let mut cutter = Cutter::new(self.file, self.begin, &self.cut, group, plain)?;
        let tallied = tally(&mut || cutter.next(), &self.cut.source)?;
        if cutter.ends_empty {
            let expected = "a last row with a filled cell";
            return Err(
                Error::new(ErrorKind::File, &self.cut.source, expected, "empty cells").advise(AS_A_WHOLE)
            );
        }
        Ok(Blocks::new(path, Format::Csv(self.cut), self.stamp, tallied))
    }
}

/// The blocks of a file, and the encoding that is fitted to all of its rows.
pub(super) fn fit(reader: &CsvReader, path: &Path) -> Result<Blocks> {
    let opened = Opened::new(path, reader.dialect(), &reader.names())?;
    let encoding = reader.fit(&opened.head)?;
    // What was fitted to the head was fitted to all rows, if there are no others.
    let is_whole = opened.is_whole;
    opened.blocks(path, &encoding, is_whole, |next, source| match is_whole {
        true => Tallied::known(encoding.clone(), source, next),
        false => Tallied::fitted(encoding.clone(), source, next),
    })
}

/// The blocks of a file with the columns of the one that an encoding was fitted to.
pub(super) fn index(encoding: &Encoding, path: &Path) -> Result<Blocks> {
    let reader = &encoding.reader;
    let opened = Opened::new(path, reader.dialect(), &reader.names())?;
    check_features(encoding, &opened.head)?;
    opened.blocks(path, encoding, true, |next, source| Tallied::known(encoding.clone(), source, next))
}

/// Fails if a table lacks a column that features come from.
pub(super) fn check_features(encoding: &Encoding, table: &Table) -> Result<()> {
    let mut with_features = encoding.columns.iter().filter(|column| !column.features().is_empty());
    with_features.try_for_each(|column| table.column(&column.name).map(drop))
}
