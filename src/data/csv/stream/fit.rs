//! Opening a file: how it is cut is found from its head, what its columns hold from all rows, where they lie on the way.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::super::dialect::{Dialect, line_ends, records};
use super::super::table::{Cut, Preamble, Table, unreadable};
use super::super::{Content, CsvReader, Encoding};
use super::blocks::{Blocks, Cutter, Stamp};
use super::tally::Tally;
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

    /// Cuts the file into blocks, the cells of which are tallied.
    fn blocks(
        self,
        path: &Path,
        mut encoding: Encoding,
        mut tallies: Vec<Tally>,
        fits: bool,
    ) -> Result<Blocks> {
        let reader = encoding.reader.clone();
        let group = reader.group.as_ref().map(|name| self.head.column(name)).transpose()?;
        let mut cutter = Cutter::new(self.file, self.begin, &self.cut, group)?;
        let (mut blocks, mut ends_empty) = (Vec::new(), false);
        while let Some((block, table)) = cutter.next()? {
            for (tally, column) in tallies.iter_mut().zip(&encoding.columns) {
                tally.add(&table, column, &reader)?;
            }
            let last = table.n_rows() - 1;
            ends_empty = self.cut.names.len() > 1
                && (0..self.cut.names.len()).all(|at| table.cell(last, at).is_empty());
            blocks.push(block);
        }
        if ends_empty {
            let expected = "a last row with a filled cell";
            return Err(
                Error::new(ErrorKind::File, &self.cut.source, expected, "empty cells").advise(AS_A_WHOLE)
            );
        }
        let mut coarse = None;
        for (tally, column) in tallies.iter().zip(&mut encoding.columns) {
            let place = format!("{}, column `{}`", self.cut.source, column.name);
            if matches!(column.content, Content::Target { .. }) {
                coarse = coarse.or_else(|| tally.coarse_labels(&place));
            }
            if fits {
                column.content = tally.content(column, &reader, || place.clone())?;
            }
        }
        Ok(Blocks::new(path, self.cut, encoding, blocks, self.stamp, coarse))
    }
}

/// The blocks of a file, and the encoding that is fitted to all of its rows.
pub(super) fn fit(reader: &CsvReader, path: &Path) -> Result<Blocks> {
    let opened = Opened::new(path, reader.dialect(), &reader.names())?;
    let encoding = reader.fit(&opened.head)?;
    let tallies = encoding.columns.iter().map(|column| Tally::of(&column.content, opened.is_whole)).collect();
    // What was fitted to the head was fitted to all rows, if there are no others.
    let fits = !opened.is_whole;
    opened.blocks(path, encoding, tallies, fits)
}

/// The blocks of a file with the columns of the one that an encoding was fitted to.
pub(super) fn index(encoding: &Encoding, path: &Path) -> Result<Blocks> {
    let reader = &encoding.reader;
    let opened = Opened::new(path, reader.dialect(), &reader.names())?;
    for name in encoding.columns.iter().filter(|column| !column.features().is_empty()) {
        opened.head.column(&name.name)?;
    }
    let tallies = encoding.columns.iter().map(|column| Tally::of(&column.content, true)).collect();
    opened.blocks(path, encoding.clone(), tallies, false)
}
