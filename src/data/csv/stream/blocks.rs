//! The blocks of a file: where each begins, and its rows as they are encoded.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::super::Encoding;
use super::super::dialect::{line_ends, prepared};
use super::super::table::{Cut, Row, Table, complete_rows_of, rows_of, unreadable};
use super::plain::Plain;
use crate::data::fingerprint::Hash;
use crate::data::{Dataset, Names};
use crate::{Error, ErrorKind, Result, Scalar};

/// How many bytes a block has, but for the row or the group that is cut at its end.
const BLOCK: usize = 1 << 18;

/// A row, or a group of rows, that is longer is no row.
const LONGEST: usize = 1 << 28;

/// Where a block of rows lies in the file.
#[derive(Clone, Debug)]
pub(super) struct Block {
    offset: u64,
    length: usize,
    /// The line on which it begins.
    line: usize,
    n_rows: usize,
    /// How many groups of rows come before it.
    groups_before: u64,
    hash: u64,
}

/// A file cut into blocks, and how its cells are read.
#[derive(Debug)]
pub(super) struct Blocks {
    path: PathBuf,
    cut: Cut,
    encoding: Encoding,
    blocks: Vec<Block>,
    stamp: Stamp,
    /// How blocks of nothing but plain numbers are read, and the names of their columns.
    plain: Option<Plain>,
    names: OnceLock<Arc<Names>>,
    /// What is wrong with the targets for a scalar type with 24 bits.
    pub(super) coarse: Option<Error>,
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

impl Blocks {
    pub(super) fn new(
        path: &Path,
        cut: Cut,
        encoding: Encoding,
        blocks: Vec<Block>,
        stamp: Stamp,
        coarse: Option<Error>,
    ) -> Self {
        let (plain, names) = (Plain::of(&encoding, &cut), OnceLock::new());
        Self { path: path.to_owned(), cut, encoding, blocks, stamp, plain, names, coarse }
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn source(&self) -> &str {
        &self.cut.source
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
        let Block { offset, length, line, n_rows, groups_before, .. } = self.blocks[block];
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
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|cause| unreadable(source, cause))?;
        if let (Some(plain), Some(names)) = (&self.plain, self.names.get())
            && let Some(data) = plain.read(&bytes, n_rows, names)
        {
            return Ok(data);
        }
        let rows = rows_of(&bytes, line, &self.cut)?;
        let data = self.encoding.apply_part(&Table::of_rows(&self.cut, rows))?;
        self.names.get_or_init(|| Arc::clone(data.names()));
        Ok(data.with_groups_from(groups_before))
    }
}

/// Cuts a file into blocks of whole rows, and of whole groups if there are such.
pub(super) struct Cutter<'a> {
    file: File,
    cut: &'a Cut,
    /// The column that says of which group a row is.
    group: Option<usize>,
    /// What has been read of the file and belongs to no block yet.
    rest: Vec<u8>,
    offset: u64,
    line: usize,
    at_end: bool,
    /// The groups so far, and the last one.
    groups: HashSet<u64>,
}

impl<'a> Cutter<'a> {
    /// Begins at the first row.
    pub(super) fn new(
        mut file: File,
        (offset, line): (u64, usize),
        cut: &'a Cut,
        group: Option<usize>,
    ) -> Result<Self> {
        file.seek(SeekFrom::Start(offset)).map_err(|cause| unreadable(&cut.source, cause))?;
        let (rest, groups) = (Vec::new(), HashSet::new());
        Ok(Self { file, cut, group, rest, offset, line, at_end: false, groups })
    }

    /// The next block, and its cells.
    pub(super) fn next(&mut self) -> Result<Option<(Block, Table)>> {
        let mut target = BLOCK;
        loop {
            self.fill(target)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            if self.at_end {
                let rows = rows_of(&self.rest, self.line, self.cut)?;
                return self.block(rows, self.rest.len());
            }
            let (mut rows, end) = complete_rows_of(&self.rest, self.line, self.cut)?;
            let mut end = self.cut_groups(&mut rows, end);
            // One end of a line, of two bytes.
            if end > 0 && self.rest[end - 1] == b'\r' && self.rest.get(end) == Some(&b'\n') {
                end += 1;
            }
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
            return self.block(rows, end);
        }
    }

    fn block(&mut self, rows: Vec<Row>, end: usize) -> Result<Option<(Block, Table)>> {
        let groups_before = self.groups.len() as u64;
        self.note_groups(&rows)?;
        check_quotes(&self.rest[..end], self.line, self.cut)?;
        let mut hash = Hash(0);
        hash.bytes(&self.rest[..end]);
        let block = Block {
            offset: self.offset,
            length: end,
            line: self.line,
            n_rows: rows.len(),
            groups_before,
            hash: hash.0,
        };
        self.line += line_ends(&self.rest[..end]);
        self.offset += end as u64;
        self.rest.drain(..end);
        // Nothing but empty lines.
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some((block, Table::of_rows(self.cut, rows))))
    }

    /// Reads until there are so many bytes, or no more.
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

    /// Fails if a group is there again that had ended.
    fn note_groups(&mut self, rows: &[Row]) -> Result<()> {
        let Some(column) = self.group else { return Ok(()) };
        let mut before: Option<&str> = None;
        for Row { line, cells, .. } in rows {
            let group = &cells[column];
            if before != Some(group) {
                let mut hasher = DefaultHasher::new();
                group.hash(&mut hasher);
                if !self.groups.insert(hasher.finish()) {
                    let place =
                        format!("{}, line {line}, column `{}`", self.cut.source, self.cut.names[column]);
                    let expected = "the rows of a group side by side";
                    return Err(Error::new(
                        ErrorKind::Value,
                        place,
                        expected,
                        format!("`{group}` once more"),
                    )
                    .advise("sort the file by its groups"));
                }
                before = Some(group);
            }
        }
        Ok(())
    }
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
