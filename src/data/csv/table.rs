//! A CSV file as text: a header, and rows that all have as many cells as the header.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};

use super::super::names;
use crate::{Error, ErrorKind, Result};

/// The cells of a file as text, not yet interpreted.
///
/// ```
/// use polytask::data::csv::Table;
///
/// let table = Table::read_from("a,b\n1,x\n2,y\n".as_bytes(), "letters.csv", b',')?;
/// assert_eq!(table.names(), ["a", "b"]);
/// assert_eq!(table.n_rows(), 2);
/// assert_eq!(table.cell(1, 1), "y");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    source: String,
    names: Vec<String>,
    rows: Vec<StringRecord>,
    /// The line of the file on which each row begins.
    lines: Vec<usize>,
}

impl Table {
    /// Reads the file at `path`, whose cells are separated by `delimiter`.
    ///
    /// ```
    /// # use polytask::data::csv::Table;
    /// # let path = std::env::temp_dir().join(format!("polytask-table-{}.csv", std::process::id()));
    /// std::fs::write(&path, "a;b\n1; x\n2;y\n").expect("a folder that can be written");
    /// let table = Table::read(&path, b';')?;
    /// assert_eq!((table.n_rows(), table.cell(0, table.column("b")?)), (2, "x"));
    /// assert!(table.column("c").unwrap_err().to_string().ends_with("(the nearest names are `a`, `b`)"));
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read, is not UTF-8, has no header or no rows, or has a line
    /// without exactly one cell for each column; [`ErrorKind::Name`] if a column name is empty or there twice.
    pub fn read(path: impl AsRef<Path>, delimiter: u8) -> Result<Self> {
        let path = path.as_ref();
        let source = path.display().to_string();
        let file = File::open(path).map_err(|cause| unreadable(&source, cause))?;
        Self::read_from(file, &source, delimiter)
    }

    /// Reads from any source; error messages call it `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(mut source: impl Read, name: &str, delimiter: u8) -> Result<Self> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|cause| unreadable(name, cause))?;
        // The number of cells is checked here rather than by the reader, for a better message.
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(delimiter)
            .from_reader(bytes.as_slice());
        let mut numbering = LineNumbering { bytes: &bytes, offset: 0, line: 1 };
        let mut records = reader.byte_records().map(|record| {
            let record = record.map_err(|cause| unreadable(name, cause))?;
            Ok((numbering.line_of(&record), record))
        });
        let Some((line, header)) = records.next().transpose()? else {
            return Err(Error::new(
                ErrorKind::File,
                name,
                "a header line and at least one row",
                "an empty file",
            ));
        };
        let names: Vec<String> = utf8(header, name, line, &[])?.iter().map(String::from).collect();
        names::check(&format!("{name}, column names"), &names, names.len())?;
        let (mut rows, mut lines) = (Vec::new(), Vec::new());
        for record in records {
            let (line, record) = record?;
            if record.len() != names.len() {
                return Err(Error::new(
                    ErrorKind::File,
                    format!("{name}, line {line}"),
                    format!("{} cells, as in the header", names.len()),
                    record.len(),
                )
                .advise(
                    "put a text that contains a separator or a line break in double quotes; if the cells are separated by \
                     something else, set `CsvReader::delimiter`",
                ));
            }
            rows.push(utf8(record, name, line, &names)?);
            lines.push(line);
        }
        if rows.is_empty() {
            return Err(Error::new(ErrorKind::File, name, "at least one row below the header", "none"));
        }
        Ok(Self { source: name.to_string(), names, rows, lines })
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
        names::find(format!("{}, line 1", self.source), &self.names, name)
    }

    /// The place of a cell, for error messages.
    pub(super) fn place(&self, row: usize, column: usize) -> String {
        format!("{}, line {}, column `{}`", self.source, self.lines[row], self.names[column])
    }

    /// The place of a column, for error messages.
    pub(super) fn column_place(&self, column: usize) -> String {
        format!("{}, column `{}`", self.source, self.names[column])
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

/// Counts lines up to a record. (The reader's own count is one behind in files whose lines end in CR LF.)
struct LineNumbering<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: usize,
}

impl LineNumbering<'_> {
    /// The line on which `record` begins. Records must be asked for in the order of the file.
    fn line_of(&mut self, record: &ByteRecord) -> usize {
        let end_of_last = record.position().map_or(0, |position| position.byte() as usize);
        let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = end_of_last + self.bytes[end_of_last..].iter().take_while(is_line_end).count();
        self.line += self.bytes[self.offset..start].iter().filter(|&&byte| byte == b'\n').count();
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
        Error::new(ErrorKind::File, place, "UTF-8 text", format!("other bytes: `{found}`"))
            .advise("save the file with the encoding UTF-8")
    })
}

fn unreadable(source: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::File, source, "a file that can be read", &cause).caused_by(cause)
}
