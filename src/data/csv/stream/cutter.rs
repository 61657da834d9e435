//! Cutting the text of a file into blocks.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use ::csv::ByteRecord;

use super::super::Values;
use super::super::dialect::{line_ends, prepared};
use super::super::table::{Cut, Row, Table, complete_rows_of, rows_of, unreadable};
use super::block::{Block, Place};
use super::plain::{plain_number, plain_records};
use super::tallied::Rows;
use crate::data::fingerprint::Hash;
use crate::{Error, ErrorKind, Result};

/// How many bytes a block has, but for the row or the group that is cut at its end.
const BLOCK: usize = 1 << 18;

/// A row, or a group of rows, that is longer is no row.
const LONGEST: usize = 1 << 28;

/// Cuts a file into blocks of whole rows, and of whole groups if there are such.
pub(super) struct Cutter<'a> {
    file: File,
    cut: &'a Cut,
    /// The column that says of which group a row is.
    group: Option<usize>,
    /// Whether each column is to be known, where all that are hold plain numbers.
    plain: Option<Vec<bool>>,
    /// What has been read of the file and belongs to no block yet.
    rest: Vec<u8>,
    offset: u64,
    line: usize,
    at_end: bool,
    /// Whether all cells of the last row are empty.
    pub(super) ends_empty: bool,
}

impl<'a> Cutter<'a> {
    /// Begins at the first row.
    pub(super) fn new(
        mut file: File,
        (offset, line): (u64, usize),
        cut: &'a Cut,
        group: Option<usize>,
        plain: Option<Vec<bool>>,
    ) -> Result<Self> {
        file.seek(SeekFrom::Start(offset)).map_err(|cause| unreadable(&cut.source, cause))?;
        let rest = Vec::new();
        Ok(Self { file, cut, group, plain, rest, offset, line, at_end: false, ends_empty: false })
    }

    /// The next block, and its cells.
    pub(super) fn next(&mut self) -> Result<Option<(Block, Rows)>> {
        let mut target = BLOCK;
        loop {
            self.fill(target)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            if let Some(Numbers { columns, n_rows, end }) = self.numbers() {
                self.ends_empty = false;
                return self.block(n_rows, end).map(|block| Some((block, Rows::Numbers(columns))));
            }
            if self.at_end {
                let rows = rows_of(&self.rest, self.line, self.cut)?;
                return self.texts(rows, self.rest.len());
            }
            let (mut rows, end) = complete_rows_of(&self.rest, self.line, self.cut)?;
            let end = self.cut_groups(&mut rows, end);
            if rows.is_empty() {
                if target >= LONGEST {
                    let place = format!("{}, line {}", self.cut.source, self.line);
                    let expected = format!("a row, or a group of rows, of at most {} MiB", LONGEST >> 20);
                    return Err(Error::new(ErrorKind::File, place, expected, "one that does not end there")
                        .advise("look for a quote that is opened and not closed"));
                }
                target *= 2;
                continue;
            }
            return self.texts(rows, end);
        }
    }

    fn texts(&mut self, rows: Vec<Row>, end: usize) -> Result<Option<(Block, Rows)>> {
        // Nothing but empty lines.
        let Some(last) = rows.last() else { return Ok(None) };
        self.ends_empty = last.cells.len() > 1 && last.cells.iter().all(str::is_empty);
        let block = self.block(rows.len(), end)?;
        Ok(Some((block, Rows::Texts(Table::of_rows(self.cut, rows)))))
    }

    /// Takes the bytes up to `end`, which hold `n_rows` rows.
    fn block(&mut self, n_rows: usize, mut end: usize) -> Result<Block> {
        // One end of a line, of two bytes.
        if end > 0 && self.rest[end - 1] == b'\r' && self.rest.get(end) == Some(&b'\n') {
            end += 1;
        }
        check_quotes(&self.rest[..end], self.line, self.cut)?;
        let mut hash = Hash(0);
        hash.bytes(&self.rest[..end]);
        let place = Place::Text { offset: self.offset, length: end, line: self.line };
        self.line += line_ends(&self.rest[..end]);
        self.offset += end as u64;
        self.rest.drain(..end);
        Ok(Block { place, n_rows, hash: hash.0, groups_before: 0 })
    }

    /// The columns that are to be known, if each of their cells is a plain number. Anything else is looked at cell by cell.
    fn numbers(&self) -> Option<Numbers> {
        let wanted = self.plain.as_ref()?;
        let mut columns: Vec<(String, Vec<Option<f64>>)> =
            self.cut.names.iter().map(|name| (name.clone(), Vec::new())).collect();
        let mut reader = plain_records(&self.rest, self.cut);
        let (mut record, mut next) = (ByteRecord::new(), ByteRecord::new());
        let mut there_is = reader.read_byte_record(&mut record).ok()?;
        let (mut n_rows, mut end) = (0, 0);
        while there_is {
            there_is = reader.read_byte_record(&mut next).ok()?;
            // The last one may go on.
            if there_is || self.at_end {
                if record.len() != wanted.len() {
                    return None;
                }
                for ((text, (_, numbers)), _) in
                    record.iter().zip(&mut columns).zip(wanted).filter(|(_, wanted)| **wanted)
                {
                    numbers.push(Some(plain_number(text)?));
                }
                n_rows += 1;
                end = next.position().filter(|_| there_is).map_or(self.rest.len(), |at| at.byte() as usize);
            }
            std::mem::swap(&mut record, &mut next);
        }
        let known = columns.into_iter().zip(wanted).filter(|(_, wanted)| **wanted);
        let columns = known.map(|((name, numbers), _)| (name, Values::Numbers(numbers))).collect();
        (n_rows > 0).then_some(Numbers { columns, n_rows, end })
    }

    /// Reads until there are `target` bytes, or to the end of the file.
    fn fill(&mut self, target: usize) -> Result<()> {
        if self.rest.len() >= target || self.at_end {
            return Ok(());
        }
        let wanted = (target - self.rest.len()) as u64;
        let read = (&mut self.file).take(wanted).read_to_end(&mut self.rest);
        let n = read.map_err(|cause| unreadable(&self.cut.source, cause))?;
        self.at_end = (n as u64) < wanted;
        Ok(())
    }

    /// Leaves the last group to the next block: it may go on. Where the rows end then.
    fn cut_groups(&self, rows: &mut Vec<Row>, end: usize) -> usize {
        let (Some(column), Some(last)) = (self.group, rows.last()) else { return end };
        let last = last.cells[column].to_owned();
        let kept = rows.iter().rposition(|row| row.cells[column] != last).map_or(0, |at| at + 1);
        let end = rows[kept].begin;
        rows.truncate(kept);
        end
    }
}

/// The columns of a block, how many rows there are, and where they end.
struct Numbers {
    columns: Vec<(String, Values)>,
    n_rows: usize,
    end: usize,
}

/// Fails if the bytes are not cut into cells as they stand: if spaces before quotes would have to be taken away.
fn check_quotes(bytes: &[u8], line: usize, cut: &Cut) -> Result<()> {
    let as_read = prepared(bytes, cut.delimiter);
    match *as_read == *bytes {
        true => Ok(()),
        false => {
            let at = as_read.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            let place = format!("{}, line {}", cut.source, line + line_ends(&bytes[..at]));
            Err(Error::new(
                ErrorKind::File,
                place,
                "quotes right behind the delimiter",
                "spaces between them",
            )
            .advise("`CsvReader::read` reads such a file as a whole"))
        }
    }
}
