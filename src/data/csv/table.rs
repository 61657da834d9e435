//! A CSV file as text: a header, and cells that are known to form a table.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};

use super::super::names;
use crate::{Error, ErrorKind, Result};

/// The cells of a file, not yet interpreted.
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
}

impl Table {
    /// The file at `path`, whose cells are separated by `delimiter`.
    ///
    /// # Errors
    /// If the file cannot be read, is not UTF-8, has no header or no rows, names a column twice or not at all, or
    /// a line has not one cell per column.
    pub fn read(path: impl AsRef<Path>, delimiter: u8) -> Result<Self> {
        let path = path.as_ref();
        let source = path.display().to_string();
        let file = File::open(path).map_err(|cause| unreadable(&source, cause))?;
        Self::read_from(file, &source, delimiter)
    }

    /// The same from any source; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(source: impl Read, name: &str, delimiter: u8) -> Result<Self> {
        // Lengths are checked here, for the sake of the message.
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(delimiter)
            .from_reader(source);
        let mut lines = reader.byte_records().map(|record| record.map_err(|cause| unreadable(name, cause)));
        let Some(header) = lines.next().transpose()? else {
            return Err(Error::new(
                ErrorKind::File,
                name,
                "a header line and at least one row",
                "an empty file",
            ));
        };
        let names: Vec<String> = utf8(header, name, &[])?.iter().map(String::from).collect();
        names::check(&format!("{name}, column names"), &names, names.len())?;
        let mut rows = Vec::new();
        for line in lines {
            let line = line?;
            if line.len() != names.len() {
                return Err(Error::new(
                    ErrorKind::File,
                    format!("{name}, line {}", line_of(line.position())),
                    format!("{} cells, as in the header", names.len()),
                    line.len(),
                )
                .advise("a text that holds a separator or a line break must stand in double quotes"));
            }
            rows.push(utf8(line, name, &names)?);
        }
        if rows.is_empty() {
            return Err(Error::new(ErrorKind::File, name, "at least one row below the header", "none"));
        }
        Ok(Self { source: name.to_string(), names, rows })
    }

    /// The names of the columns, in the order of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many rows there are below the header: at least one.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// The text of one cell, without spaces around it.
    ///
    /// # Panics
    /// If there is no such cell.
    #[track_caller]
    pub fn cell(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    /// The index of the column called `name`.
    ///
    /// # Errors
    /// If there is none; the message lists the names nearest to it.
    pub fn column(&self, name: &str) -> Result<usize> {
        names::find(format!("{}, line 1", self.source), &self.names, name)
    }

    /// Where a cell stands, as messages say it.
    pub(super) fn place(&self, row: usize, column: usize) -> String {
        let line = line_of(self.rows[row].position());
        format!("{}, line {line}, column `{}`", self.source, self.names[column])
    }

    /// Where a column stands, as messages say it.
    pub(super) fn column_place(&self, column: usize) -> String {
        format!("{}, column `{}`", self.source, self.names[column])
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

fn utf8(record: ByteRecord, source: &str, names: &[String]) -> Result<StringRecord> {
    let line = line_of(record.position());
    StringRecord::from_byte_record(record).map_err(|fault| {
        let column = fault.utf8_error().field();
        let name = names.get(column).map_or(format!("{}", column + 1), |name| format!("`{name}`"));
        let found = String::from_utf8_lossy(&fault.into_byte_record()[column]).into_owned();
        let place = format!("{source}, line {line}, column {name}");
        Error::new(ErrorKind::File, place, "UTF-8 text", format!("other bytes: `{found}`"))
            .advise("save the file with the encoding UTF-8")
    })
}

fn line_of(position: Option<&::csv::Position>) -> u64 {
    position.map_or(0, ::csv::Position::line)
}

fn unreadable(source: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::File, source, "a file that can be read", &cause).caused_by(cause)
}
