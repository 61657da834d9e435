//! A CSV file as text: rows that all have as many cells, and a name for each column.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ByteRecord, StringRecord};

use super::super::names;
use super::column::Kind;
use super::dialect::{
    Dialect, after_lines, cells, find_delimiter, has_header, line_ends, prepared, records, separator_line,
};
use crate::{Error, ErrorKind, Result};

/// The cells of a file as text, not yet interpreted.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let table = CsvReader::new().table_from("a;b\n1;x\n2; y\n".as_bytes(), "letters.csv")?;
/// assert_eq!(table.names(), ["a", "b"]);
/// assert_eq!(table.n_rows(), 2);
/// assert_eq!(table.cell(1, table.column("b")?), "y");
/// assert!(table.column("c").unwrap_err().to_string().ends_with("(the nearest names are `a`, `b`)"));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    source: String,
    names: Vec<String>,
    rows: Vec<StringRecord>,
    /// The line of the file on which each row begins; of a table in memory, none.
    lines: Vec<usize>,
    /// The number of the first row, in a table that is a part of a larger one.
    first_row: usize,
    /// Of a table in memory, what each column holds; of a file, nothing.
    kinds: Vec<Kind>,
    delimiter: u8,
    /// The line that names the columns.
    header: Option<usize>,
    notes: Vec<String>,
}

impl Table {
    pub(super) fn read(path: &Path, dialect: Dialect, expected: &[&str]) -> Result<Self> {
        let source = path.display().to_string();
        let file = File::open(path).map_err(|cause| unreadable(&source, cause))?;
        Self::read_from(file, &source, dialect, expected)
    }

    /// Reads a table in which the first row that holds one of the `expected` names is a header.
    pub(super) fn read_from(
        mut source: impl Read,
        name: &str,
        dialect: Dialect,
        expected: &[&str],
    ) -> Result<Self> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|cause| unreadable(name, cause))?;
        let decoded = decoded(&bytes, name)?;
        let (cut, delimiter, mut notes) = Self::cut(decoded.as_deref().unwrap_or(&bytes), name, dialect)?;
        if decoded.is_some() {
            notes.push("the file is UTF-16 text".into());
        }
        let Some((line, first)) = cut.first().cloned() else {
            return Err(Error::new(
                ErrorKind::File,
                name,
                "a header line and at least one row",
                "an empty file",
            ));
        };
        let is_named = first.iter().any(|cell| expected.contains(&cell));
        let told = dialect.header.or(is_named.then_some(true));
        let mut rows = cut;
        drop_padding(&mut rows, told, &mut notes);
        check_widths(&rows, name)?;
        let header = match told {
            Some(told) => told,
            None => find_header(&rows, name)?,
        };
        let mut names: Vec<String> = match header {
            true => rows.remove(0).1.iter().map(String::from).collect(),
            false => (1..=rows[0].1.len()).map(|column| format!("column{column}")).collect(),
        };
        if rows.is_empty() {
            return Err(Error::new(ErrorKind::File, name, "at least one row below the header", "none"));
        }
        if names[0].is_empty() && names.len() > 1 && are_different(&rows) {
            names.remove(0);
            rows.iter_mut().for_each(|(_, row)| *row = row.iter().skip(1).collect());
            notes.push("the first column is left out: it has no name, and numbers or names the rows".into());
        }
        names::check(&format!("{name}, column names"), &names, names.len()).map_err(|error| {
            error.advise(
                "name each column in the header; if the first line is a row of the table, set `CsvReader::header(false)`",
            )
        })?;
        let (lines, rows) = rows.into_iter().unzip();
        let (source, header) = (name.into(), header.then_some(line));
        let (kinds, first_row) = (Vec::new(), 0);
        Ok(Self { source, names, rows, lines, first_row, kinds, delimiter, header, notes })
    }

    /// A table that is in memory already, whose columns are of these kinds.
    pub(super) fn of_typed_columns(
        source: &str,
        names: Vec<String>,
        kinds: Vec<Kind>,
        rows: Vec<StringRecord>,
        first_row: usize,
    ) -> Self {
        // A file that is read with its encoding has names as well.
        let (delimiter, header) = (b',', Some(1));
        Self {
            source: source.into(),
            names,
            rows,
            lines: Vec::new(),
            first_row,
            kinds,
            delimiter,
            header,
            notes: Vec::new(),
        }
    }

    /// What a column holds, if that is known without a look at its cells.
    pub(super) fn kind(&self, column: usize) -> Option<Kind> {
        self.kinds.get(column).copied()
    }

    /// The lines of a file and their cells, the delimiter, and what to say about it.
    fn cut(bytes: &[u8], name: &str, dialect: Dialect) -> Result<(Lines, u8, Vec<String>)> {
        let Preamble { begin, n_lines, delimiter, note } = Preamble::of(bytes, name, dialect)?;
        let bytes = prepared(&bytes[begin..], delimiter);
        let mut numbering =
            LineNumbering { bytes: &bytes, comment: dialect.comment, offset: 0, line: 1 + n_lines };
        let mut names: Vec<String> = Vec::new();
        let mut lines: Lines = Vec::new();
        for record in records(&bytes, delimiter, dialect.comment).byte_records() {
            let record = record.map_err(|cause| unreadable(name, cause))?;
            let line = numbering.line_of(&record);
            let row = utf8(cells(record, delimiter), name, line, &names)?;
            if is_blank(&row, names.len()) {
                continue;
            }
            if lines.is_empty() && dialect.header != Some(false) {
                names = row.iter().map(String::from).collect();
            }
            lines.push((line, row));
        }
        Ok((lines, delimiter, note.into_iter().collect()))
    }

    /// Leaves out all rows but the first `n`.
    #[cfg(feature = "parquet")]
    pub(super) fn truncate(&mut self, n: usize) {
        self.rows.truncate(n);
        self.lines.truncate(n);
    }

    /// The rows of a part of a file.
    pub(super) fn of_rows(cut: &Cut, rows: Vec<Row>) -> Self {
        let (lines, rows) = rows.into_iter().map(|row| (row.line, row.cells)).unzip();
        Self {
            source: cut.source.clone(),
            names: cut.names.clone(),
            rows,
            lines,
            first_row: 0,
            kinds: Vec::new(),
            delimiter: cut.delimiter,
            header: cut.header,
            notes: Vec::new(),
        }
    }

    /// The names of the columns, in the order of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of rows below the header, at least one.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// The text of one cell, without spaces around it.
    ///
    /// # Panics
    /// If the cell does not exist.
    #[track_caller]
    pub fn cell(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    /// The index of the column called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is none; the message lists the most similar names.
    pub fn column(&self, name: &str) -> Result<usize> {
        let place = match self.header {
            Some(_) if !self.kinds.is_empty() => self.source.clone(),
            Some(line) => format!("{}, line {line}", self.source),
            None => format!("{}, which has no header", self.source),
        };
        names::find(place, &self.names, name)
    }

    /// The byte between cells; a space stands for any number of spaces and tabs.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The line of the file that names the columns, if one does; 1 for a table in memory.
    pub fn header_line(&self) -> Option<usize> {
        self.header
    }

    /// What was left out of the file to read it.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The place of a cell, for error messages.
    pub(super) fn place(&self, row: usize, column: usize) -> String {
        let at = self
            .lines
            .get(row)
            .map_or_else(|| format!("row {}", self.first_row + row), |line| format!("line {line}"));
        format!("{}, {at}, column `{}`", self.source, self.names[column])
    }

    /// The place of a column, for error messages.
    pub(super) fn column_place(&self, column: usize) -> String {
        format!("{}, column `{}`", self.source, self.names[column])
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

/// What comes before the lines of a table, and how they are cut.
pub(super) struct Preamble {
    /// Where the first of them begins, and how many lines come before it.
    pub(super) begin: usize,
    pub(super) n_lines: usize,
    pub(super) delimiter: u8,
    note: Option<String>,
}

impl Preamble {
    pub(super) fn of(bytes: &[u8], name: &str, dialect: Dialect) -> Result<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let told_by_file = separator_line(text).filter(|_| dialect.skip_lines == 0);
        let mut n_lines = dialect.skip_lines + usize::from(told_by_file.is_some());
        let told = dialect.delimiter.or(told_by_file);
        let mut body = &text[after_lines(text, n_lines)..];
        let n_marked = if dialect.comment.is_none() { n_marked_lines(body) } else { 0 };
        let rest = &body[after_lines(body, n_marked)..];
        let delimiter = match told {
            Some(told) => told,
            None => find_delimiter(rest, dialect.comment, name)?.unwrap_or(b','),
        };
        let mut note = None;
        if n_marked > 0 && are_comments(&body[..body.len() - rest.len()], rest, delimiter) {
            note = Some(format!("{n_marked} lines above the table are left out: they begin with `#`"));
            n_lines += n_marked;
            body = rest;
        }
        Ok(Self { begin: bytes.len() - body.len(), n_lines, delimiter, note })
    }

    /// Whether all of these is a note about what comes before the table.
    pub(super) fn explains(&self, notes: &[String]) -> bool {
        notes.iter().all(|note| self.note.as_ref() == Some(note))
    }
}

/// How a file is cut into cells that belong to columns, once that has been found.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) source: String,
    pub(super) names: Vec<String>,
    pub(super) delimiter: u8,
    pub(super) comment: Option<u8>,
    pub(super) header: Option<usize>,
}

/// A row of a part of a file: on which line it is, and where the one before it ended.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) begin: usize,
    pub(super) cells: StringRecord,
}

/// The rows of a part of a file, which begins on `line`.
pub(super) fn rows_of(bytes: &[u8], line: usize, cut: &Cut) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    cut_rows(bytes, line, cut, false, &mut rows)?;
    Ok(rows)
}

/// The rows of a part of a file but for the last one, which may go on behind it, and where that begins.
pub(super) fn complete_rows_of(bytes: &[u8], line: usize, cut: &Cut) -> Result<(Vec<Row>, usize)> {
    let mut rows = Vec::new();
    let end = cut_rows(bytes, line, cut, true, &mut rows)?;
    Ok((rows, end))
}

fn cut_rows(bytes: &[u8], line: usize, cut: &Cut, leaves_last: bool, rows: &mut Vec<Row>) -> Result<usize> {
    let Cut { source, names, delimiter, comment, header } = cut;
    let mut numbering = LineNumbering { bytes, comment: *comment, offset: 0, line };
    let begin_of = |record: &ByteRecord| record.position().map_or(0, |position| position.byte() as usize);
    let mut add = |record: ByteRecord| {
        let (begin, line) = (begin_of(&record), numbering.line_of(&record));
        let cells = utf8(record, source, line, names)?;
        if is_blank(&cells, names.len()) {
            return Ok(());
        }
        if cells.len() != names.len() {
            let as_where = header.map_or(String::new(), |line| format!(", as in line {line}"));
            return Err(uneven(&format!("{source}, line {line}"), names.len(), &as_where, cells.len()));
        }
        rows.push(Row { line, begin, cells });
        Ok(())
    };
    let mut held: Option<ByteRecord> = None;
    for record in records(bytes, *delimiter, *comment).byte_records() {
        let record = record.map_err(|cause| unreadable(source, cause))?;
        held.replace(record).map_or(Ok(()), &mut add)?;
    }
    match held {
        Some(last) if leaves_last => Ok(begin_of(&last)),
        Some(last) => add(last).map(|()| bytes.len()),
        None => Ok(bytes.len()),
    }
}

/// Whether a line holds nothing but spaces.
fn is_blank(row: &StringRecord, n_columns: usize) -> bool {
    row.is_empty() || n_columns > 1 && row.len() == 1 && row[0].is_empty()
}

/// Rows of cells, and the line on which each begins.
type Lines = Vec<(usize, StringRecord)>;

/// How many lines at the beginning are marked by `#`.
fn n_marked_lines(bytes: &[u8]) -> usize {
    let mut n = 0;
    while bytes[after_lines(bytes, n)..].starts_with(b"#") {
        n += 1;
    }
    n
}

/// Whether lines marked by `#` are not cut into as many cells as the row below them, so that none is a header.
fn are_comments(marked: &[u8], rest: &[u8], delimiter: u8) -> bool {
    let widths = |bytes: &[u8]| {
        let records = records(bytes, delimiter, None).into_byte_records().map_while(Result::ok);
        records.map(|record| cells(record, delimiter).len()).take(100).collect::<Vec<_>>()
    };
    let Some(&width) = widths(rest).first() else { return false };
    widths(marked).iter().all(|&marked| marked != width)
}

/// Drops what holds nothing: delimiters at the ends of lines, and empty rows at the end of the file. Numbers of rows that
/// have no name in the header go too.
fn drop_padding(rows: &mut Lines, header: Option<bool>, notes: &mut Vec<String>) {
    let is_empty = |row: &StringRecord| row.iter().all(str::is_empty);
    let n_rows = rows.len();
    while rows.len() > 1 && rows.last().is_some_and(|(_, row)| row.len() > 1 && is_empty(row)) {
        rows.pop();
    }
    if rows.len() < n_rows {
        notes
            .push(format!("{} rows at the end are left out: all their cells are empty", n_rows - rows.len()));
    }
    let Some(second) = rows.get(1).map(|(_, row)| row.len()) else { return };
    let first = rows[0].1.len();
    if first < 2 || rows[1..].iter().any(|(_, row)| row.len() != second) {
        return;
    }
    let ends_empty =
        |rows: &[(usize, StringRecord)]| rows.iter().all(|(_, row)| row.iter().next_back() == Some(""));
    if second == first + 1 {
        let numbers_rows =
            |begin: usize| rows[1..].iter().enumerate().all(|(i, (_, row))| row[0].parse() == Ok(begin + i));
        if ends_empty(&rows[1..]) {
            rows[1..].iter_mut().for_each(|(_, row)| row.truncate(first));
        } else if header != Some(false) && (numbers_rows(0) || numbers_rows(1)) {
            rows[1..].iter_mut().for_each(|(_, row)| *row = row.iter().skip(1).collect());
            notes.push("the first column is left out: it has no name, and numbers the rows".into());
        }
    } else if first == second + 1 && ends_empty(&rows[..1]) {
        rows[0].1.truncate(second);
    }
    let mut n_dropped = 0;
    while rows[0].1.len() > 1 && ends_empty(rows) && rows[0].1.len() == rows[1].1.len() {
        let width = rows[0].1.len() - 1;
        rows.iter_mut().for_each(|(_, row)| row.truncate(width));
        n_dropped += 1;
    }
    if n_dropped > 0 {
        notes.push(format!(
            "{n_dropped} columns at the end are left out: they have neither a name nor a filled cell"
        ));
    }
}

fn check_widths(rows: &Lines, source: &str) -> Result<()> {
    let (line, width) = (rows[0].0, rows[0].1.len());
    match rows.iter().find(|(_, row)| row.len() != width) {
        None => Ok(()),
        Some((at, row)) => {
            Err(uneven(&format!("{source}, line {at}"), width, &format!(", as in line {line}"), row.len()))
        }
    }
}

/// The error of a row that has more cells than others, or fewer.
fn uneven(place: &str, expected: usize, as_where: &str, found: usize) -> Error {
    Error::new(ErrorKind::File, place, format!("{expected} cells{as_where}"), found).advise(
        "put a text that contains a separator or a line break in double quotes; if the cells are separated by \
         something else, set `CsvReader::delimiter`; if there are lines above the table or comments, set \
         `CsvReader::skip_lines` or `CsvReader::comment`; if the first cell of each row is its name, give it a \
         name in the header",
    )
}

fn find_header(rows: &Lines, source: &str) -> Result<bool> {
    let first: Vec<&str> = rows[0].1.iter().collect();
    let column = |column: usize| rows[1..].iter().take(1000).map(|(_, row)| &row[column]).collect();
    has_header(&first, column).ok_or_else(|| {
        let found = names::listed(&first);
        Error::new(
            ErrorKind::File,
            format!("{source}, line {}", rows[0].0),
            "the names of the columns, or a row",
            format!("{found}, which could be either"),
        )
        .advise(
            "set `CsvReader::header(true)` if they are names, `CsvReader::header(false)` if there are none",
        )
    })
}

/// Whether the first cells are all filled and different.
fn are_different(rows: &Lines) -> bool {
    let mut seen = HashSet::new();
    rows.iter().all(|(_, row)| !row[0].is_empty() && seen.insert(&row[0]))
}

/// Counts lines up to a record. (The reader's own count knows neither CR alone nor lines that were skipped.)
struct LineNumbering<'a> {
    bytes: &'a [u8],
    comment: Option<u8>,
    offset: usize,
    line: usize,
}

impl LineNumbering<'_> {
    /// The line on which `record` begins. Records must be asked for in the order of the file.
    fn line_of(&mut self, record: &ByteRecord) -> usize {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        // The reader says where the record before this one ended.
        let mut start = record.position().map_or(0, |position| position.byte() as usize);
        loop {
            start += self.bytes[start..].iter().take_while(|&byte| is_line_end(byte)).count();
            if self.comment.is_none() || self.bytes.get(start).copied() != self.comment {
                break;
            }
            start += self.bytes[start..].iter().take_while(|&byte| !is_line_end(byte)).count();
        }
        self.line += line_ends(&self.bytes[self.offset..start]);
        self.offset = start;
        self.line
    }
}

fn utf8(record: ByteRecord, source: &str, line: usize, names: &[String]) -> Result<StringRecord> {
    StringRecord::from_byte_record(record).map_err(|fault| {
        let column = fault.utf8_error().field();
        let name = names.get(column).map_or(format!("{}", column + 1), |name| format!("`{name}`"));
        let found = String::from_utf8_lossy(&fault.into_byte_record()[column]).into_owned();
        let place = format!("{source}, line {line}, column {name}");
        Error::new(ErrorKind::File, place, "UTF-8 text", format!("other bytes: `{found}`")).advise(
            "save the file with the encoding UTF-8 (most files with other letters than these are Latin-1 or Windows-1252: \
             `iconv -f WINDOWS-1252 -t UTF-8`)",
        )
    })
}

/// The bytes of a file in UTF-16 as UTF-8: some spreadsheets write it, with a mark of the byte order at the beginning.
fn decoded(bytes: &[u8], source: &str) -> Result<Option<Vec<u8>>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Ok(None),
    };
    let (units, rest) = bytes[2..].as_chunks::<2>();
    let text: Option<String> =
        char::decode_utf16(units.iter().map(|&pair| unit(pair))).map(Result::ok).collect();
    match text.filter(|_| rest.is_empty()) {
        Some(text) => Ok(Some(text.into_bytes())),
        None => {
            Err(Error::new(ErrorKind::File, source, "UTF-16 text, as its first two bytes say", "other bytes")
                .advise("save the file with the encoding UTF-8"))
        }
    }
}

pub(super) fn unreadable(source: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::File, source, "a file that can be read", &cause).caused_by(cause)
}
