//! How a file is cut into lines and cells: told, or found from the file itself.
//!
//! Only what can be read in one way is found; what could be read in two is an error that names the setting to decide.

use std::borrow::Cow;

use ::csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::marks;
use super::notation;
use crate::{Error, ErrorKind, Result};

/// The settings of a reader that say how a file is cut into cells. `None` is to be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) skip_lines: usize,
    pub(super) header: Option<bool>,
}

/// The candidates, most common first. Runs of spaces come last: texts contain spaces too.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// So many rows are looked at to find a delimiter or a header.
const SAMPLE: usize = 200;

/// The bytes that are looked at to find a delimiter.
const SAMPLE_BYTES: usize = 1 << 18;

/// A delimiter as a message and a report show it.
pub(super) fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".into(),
        b' ' => "spaces".into(),
        other => format!("`{}`", char::from(other)),
    }
}

/// What a spreadsheet writes on a line above the table: `sep=;`.
pub(super) fn separator_line(bytes: &[u8]) -> Option<u8> {
    let line = bytes.split(|byte| is_line_end(*byte)).next()?.trim_ascii_end();
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
        _ => None,
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Where the line after the first `n` lines begins.
pub(super) fn after_lines(bytes: &[u8], n: usize) -> usize {
    let mut at = 0;
    for _ in 0..n {
        let Some(end) = bytes[at..].iter().position(|&byte| is_line_end(byte)) else { return bytes.len() };
        at += end + if bytes[at + end..].starts_with(b"\r\n") { 2 } else { 1 };
    }
    at
}

/// How many lines end in `bytes`, whichever system wrote them.
pub(super) fn line_ends(bytes: &[u8]) -> usize {
    let ends = |i: usize| bytes[i] == b'\n' || bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n');
    (0..bytes.len()).filter(|&i| ends(i)).count()
}

/// The bytes with what the reader of cells does not know put in its terms: a quote after spaces opens a cell, and tabs
/// among spaces are spaces.
pub(super) fn prepared(bytes: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    let has_padded_quote = || bytes.windows(2).any(|pair| pair == b" \"");
    match delimiter {
        b' ' if bytes.contains(&b'\t') => walk(bytes, delimiter).into(),
        b' ' => bytes.into(),
        _ if has_padded_quote() => walk(bytes, delimiter).into(),
        _ => bytes.into(),
    }
}

fn walk(bytes: &[u8], delimiter: u8) -> Vec<u8> {
    let by_spaces = delimiter == b' ';
    let is_space = |byte: u8| byte == b' ' || by_spaces && byte == b'\t';
    let ends_cell = |at: usize| {
        bytes.get(at).is_none_or(|&byte| byte == delimiter || is_line_end(byte) || by_spaces && byte == b'\t')
    };
    let (mut out, mut at, mut cell_begins) = (Vec::with_capacity(bytes.len()), 0, true);
    while at < bytes.len() {
        if cell_begins {
            let quote = at + bytes[at..].iter().take_while(|&&byte| is_space(byte)).count();
            if bytes.get(quote) == Some(&b'"') {
                let behind = after_quoted(bytes, quote);
                let end = behind + bytes[behind..].iter().take_while(|&&byte| byte == b' ').count();
                if ends_cell(if by_spaces { behind } else { end }) {
                    // Without spaces as delimiters, those before the quote belong to nothing.
                    out.extend((at..quote).filter(|_| by_spaces).map(|_| b' '));
                    out.extend_from_slice(&bytes[quote..behind]);
                    (at, cell_begins) = (behind, false);
                    continue;
                }
            }
        }
        let byte = bytes[at];
        cell_begins = byte == delimiter || is_line_end(byte) || by_spaces && byte == b'\t';
        out.push(if by_spaces && byte == b'\t' { b' ' } else { byte });
        at += 1;
    }
    out
}

/// The position behind a quoted cell that begins at `quote`; two quotes inside it are one.
fn after_quoted(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// A reader of the cells in bytes that are [`prepared`].
pub(super) fn records(bytes: &[u8], delimiter: u8, comment: Option<u8>) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true) // The number of cells is checked by the table, for a better message.
        .trim(Trim::All)
        .delimiter(delimiter)
        .comment(comment)
        .from_reader(bytes)
}

/// The cells of a record. Between spaces there is no empty cell.
pub(super) fn cells(record: ByteRecord, delimiter: u8) -> ByteRecord {
    match delimiter {
        b' ' => record.iter().filter(|cell| !cell.is_empty()).collect(),
        _ => record,
    }
}

/// The first rows as they are cut by `delimiter`.
fn sample(bytes: &[u8], delimiter: u8, comment: Option<u8>) -> Vec<ByteRecord> {
    let head = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let bytes_in_cells = prepared(head, delimiter);
    let records = records(&bytes_in_cells, delimiter, comment).into_byte_records().map_while(Result::ok);
    let mut rows: Vec<ByteRecord> =
        records.take(SAMPLE).map(|record| cells(record, delimiter)).filter(|row| !row.is_empty()).collect();
    if head.len() < bytes.len() && rows.len() > 1 && rows.len() < SAMPLE {
        rows.pop(); // It may be cut in two.
    }
    rows
}

/// Finds the delimiter; `None` where the file has one column, whatever separates its cells.
pub(super) fn find_delimiter(bytes: &[u8], comment: Option<u8>, source: &str) -> Result<Option<u8>> {
    let mut consistent = Vec::new();
    let mut agreeing = (0, None);
    for delimiter in CANDIDATES {
        let rows = sample(bytes, delimiter, comment);
        let first = rows.first().map_or(0, ByteRecord::len);
        if first < 2 {
            continue;
        }
        let agree = rows.iter().filter(|row| row.len() == first).count();
        if agree > agreeing.0 {
            agreeing = (agree, Some(delimiter));
        }
        if is_consistent(&rows) {
            consistent.push((delimiter, rows));
        }
    }
    if consistent.len() > 1 {
        // Decimal commas under semicolons, say: cut at the wrong place, some cells are no numbers.
        let all: Vec<u8> = consistent.iter().map(|(delimiter, _)| *delimiter).collect();
        consistent.retain(|(_, rows)| share_of_numbers(rows) == 1.0);
        if consistent.len() != 1 {
            let delimiters: Vec<String> = all.into_iter().map(shown).collect();
            let found = format!("rows that {} cut into equally many cells", delimiters.join(" and "));
            return Err(Error::new(ErrorKind::File, source, "one delimiter", found)
                .advise("set `CsvReader::delimiter`"));
        }
    }
    // Texts contain spaces too, so most columns must be numbers.
    let spaced = sample(bytes, b' ', comment);
    let by_spaces = spaced.len() > 1 && spaced[0].len() > 1 && is_consistent(&spaced);
    let numbers_by_spaces = if by_spaces { share_of_numbers(&spaced) } else { 0.0 };
    if let [(delimiter, rows)] = &consistent[..] {
        // One tab among spaces does not separate by itself.
        let is_among_spaces = *delimiter == b'\t' && numbers_by_spaces > share_of_numbers(rows).max(0.5);
        return Ok(Some(if is_among_spaces { b' ' } else { *delimiter }));
    }
    if numbers_by_spaces > 0.5 {
        return Ok(Some(b' '));
    }
    Ok(agreeing.1)
}

/// Whether all rows have as many cells as the first, or all but the first one more or one fewer: names or indices of
/// rows have no name in the header, and a delimiter may end either.
fn is_consistent(rows: &[ByteRecord]) -> bool {
    let first = rows[0].len();
    let second = rows.get(1).map_or(first, ByteRecord::len);
    rows[1..].iter().all(|row| row.len() == second) && first.abs_diff(second) <= 1
}

/// The share of columns that hold numbers below the first row, among those that hold anything.
fn share_of_numbers(rows: &[ByteRecord]) -> f64 {
    let body = &rows[1.min(rows.len() - 1)..];
    let texts =
        |column: usize| body.iter().map(move |row| std::str::from_utf8(&row[column]).unwrap_or("text"));
    let filled: Vec<usize> =
        (0..body[0].len()).filter(|&column| texts(column).any(|text| !marks::is_gap(text))).collect();
    let n_numbers = filled.iter().filter(|&&column| looks_numeric(texts(column))).count();
    n_numbers as f64 / filled.len().max(1) as f64
}

/// Whether the filled cells of a column are numbers in some notation.
fn looks_numeric<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let mut filled = texts.filter(|text| !marks::is_gap(text)).peekable();
    filled.peek().is_some() && filled.all(notation::looks_like_number)
}

/// Whether the first row names the columns. `None` if it cannot be told.
///
/// A text above numbers is a name, and a number above numbers is a number, unless all of them are a series such as
/// 0, 1, 2 or 1990, 2000, which may be names. If every text of the first row is found again below it in its own
/// column, they are no names.
pub(super) fn has_header<'a>(first: &[&str], rows: impl Fn(usize) -> Vec<&'a str>) -> Option<bool> {
    let (mut names, mut numbers, mut again, mut texts) = (0, Vec::new(), 0, 0);
    for (column, &cell) in first.iter().enumerate() {
        let mut below = rows(column);
        below.truncate(SAMPLE);
        let is_number = notation::looks_like_number(cell);
        match (looks_numeric(below.iter().copied()), is_number) {
            _ if marks::is_gap(cell) => {}
            (true, true) => numbers.push(cell),
            (true, false) => names += 1,
            (false, true) => {}
            (false, false) => {
                texts += 1;
                again += usize::from(below.contains(&cell));
            }
        }
    }
    let series: Option<Vec<f64>> = numbers.iter().map(|text| text.parse().ok()).collect();
    let is_series = series.is_some_and(|series| {
        let steps: Vec<f64> = series.windows(2).map(|pair| pair[1] - pair[0]).collect();
        series.iter().all(|x| x.fract() == 0.0) && steps.iter().all(|&step| step == steps[0] && step > 0.0)
    });
    match (names, numbers.len()) {
        (0, 0) if texts > 0 && again == texts => Some(false),
        (_, 0) => Some(true),
        (0, _) if !is_series || numbers.len() == 1 && texts > 0 && again == texts => Some(false),
        (0, _) => None,
        (_, _) if is_series => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_before_a_quote_are_dropped_only_if_the_quote_encloses_the_cell() {
        let cases: [(&str, &str); 5] = [
            ("5, \"Bern, CH\"\n", "5,\"Bern, CH\"\n"),
            (" \"a\" , \"b\"\n", "\"a\" ,\"b\"\n"),
            ("5, \"a\" b, 3\n", "5, \"a\" b, 3\n"),
            ("5,12 \", 3\n", "5,12 \", 3\n"),
            ("5, \"say \"\"x, y\"\"\"\r\n6, \"", "5,\"say \"\"x, y\"\"\"\r\n6,\""),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8_lossy(&prepared(text.as_bytes(), b',')), expected);
        }
        let spaced = prepared(b"1 \t\"a\tb\"\n", b' ');
        assert_eq!(String::from_utf8_lossy(&spaced), "1  \"a\tb\"\n");
    }

    #[test]
    fn lines_are_counted_however_they_end() {
        for text in ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc", "a\rb\r\nc"] {
            assert_eq!((line_ends(text.as_bytes()), &text[after_lines(text.as_bytes(), 2)..]), (2, "c"));
        }
    }
}
