//! The cells of one column: which of them are gaps, and the numbers in the others.

use std::borrow::Cow;
use std::collections::HashMap;

use ndarray::Array1;

use super::super::names::quoted;
use super::column::{Column, Content, Kind};
use super::notation::Notation;
use super::{CsvReader, Table, marks};
use crate::{Error, ErrorKind, Result, Scalar};

/// One column of a table, in which some texts count as an empty cell.
pub(super) struct Cells<'a> {
    table: &'a Table,
    column: usize,
    /// Texts that the settings call missing, and the numbers among them.
    missing: Vec<&'a str>,
    missing_numbers: Vec<f64>,
    /// Whether texts that are known to mark a gap count too.
    knows_marks: bool,
    /// How numbers are written, if the column holds any.
    numbers: Option<Notation>,
}

impl<'a> Cells<'a> {
    /// The cells of a column as it is read.
    pub(super) fn new(table: &'a Table, column: &Column, reader: &'a CsvReader) -> Result<Self> {
        let cells = Self::texts(table, &column.name, reader)?;
        Ok(match &column.content {
            Content::Numbers { .. } | Content::Target { .. } | Content::Weights => {
                cells.check_are_numbers("a column of numbers, as in the fitted table")?;
                cells.numbers(column.notation.clone())
            }
            _ => cells,
        })
    }

    /// The cells of the column called `name` as texts.
    pub(super) fn texts(table: &'a Table, name: &str, reader: &'a CsvReader) -> Result<Self> {
        let of_column = reader.missing_in.iter().filter(|(column, _)| column == name).map(|(_, text)| text);
        let missing: Vec<&str> = reader.missing.iter().chain(of_column).map(String::as_str).collect();
        let column = table.column(name)?;
        // In a table in memory a gap is a gap, and `NA` a text.
        let knows_marks = reader.known_marks && table.kind(column).is_none();
        Ok(Self { table, column, missing, missing_numbers: vec![], knows_marks, numbers: None })
    }

    /// Fails if the table says that the column holds texts.
    pub(super) fn check_are_numbers(&self, expected: &str) -> Result<()> {
        match self.table.kind(self.column) {
            Some(Kind::Texts) => Err(Error::new(ErrorKind::Value, self.column_place(), expected, "texts")),
            _ => Ok(()),
        }
    }

    /// What the table says that the column holds, if it is in memory.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.table.kind(self.column)
    }

    /// The same cells as numbers in a notation. A number that counts as missing does so however it is written.
    pub(super) fn numbers(mut self, notation: Notation) -> Self {
        let number = |text: &&str| text.parse().ok().or_else(|| notation.parse(text));
        // Files of earlier versions compare texts.
        if self.knows_marks || self.table.kind(self.column).is_some() {
            self.missing_numbers = self.missing.iter().filter_map(number).collect();
        }
        self.numbers = Some(notation);
        self
    }

    /// The text of a cell; `None` if it is empty or counts as empty.
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        let text = self.table.cell(row, self.column);
        (!self.is_gap(text)).then_some(text)
    }

    fn is_gap(&self, text: &str) -> bool {
        let is_mark = || match (self.knows_marks, &self.numbers) {
            (false, _) => false,
            (true, None) => marks::is_gap(text),
            (true, Some(_)) => marks::is_gap_among_numbers(text),
        };
        let is_missing_number = || {
            !self.missing_numbers.is_empty()
                && self.parse(text).is_some_and(|x| self.missing_numbers.contains(&x))
        };
        text.is_empty() || self.missing.contains(&text) || is_mark() || is_missing_number()
    }

    /// The texts that count as an empty cell, in the order of their first rows.
    pub(super) fn gap_texts(&self) -> Vec<&'a str> {
        let mut found: Vec<&str> = Vec::new();
        for row in 0..self.n_rows() {
            let text = self.table.cell(row, self.column);
            if !text.is_empty() && self.is_gap(text) && !found.contains(&text) {
                found.push(text);
            }
        }
        found
    }

    fn parse(&self, text: &str) -> Option<f64> {
        self.numbers.as_ref().map_or_else(|| text.parse().ok(), |notation| notation.parse(text))
    }

    /// Whether the text of a cell is a number.
    pub(super) fn is_number(&self, row: usize) -> bool {
        self.parse(self.table.cell(row, self.column)).is_some()
    }

    pub(super) fn n_rows(&self) -> usize {
        self.table.n_rows()
    }

    pub(super) fn place(&self, row: usize) -> String {
        self.table.place(row, self.column)
    }

    pub(super) fn column_place(&self) -> String {
        self.table.column_place(self.column)
    }

    /// The number in a cell.
    pub(super) fn number<F: Scalar>(&self, row: usize) -> Result<F> {
        let found = self.get(row);
        let wrong = |expected: &str| {
            let found = found.map_or("an empty cell".into(), |text| format!("`{text}`"));
            Error::new(ErrorKind::Value, self.place(row), expected, found)
        };
        match found.map(|text| self.parse(text)) {
            Some(Some(number)) if F::from_f64(number).is_finite() => Ok(F::from_f64(number)),
            Some(Some(number)) if number.is_finite() => {
                Err(wrong(&format!("a number within the range of {}", F::NAME)))
            }
            Some(Some(_)) => Err(wrong("a finite number").advise(
                "if the value is missing, leave the cell empty or add its text to `CsvReader::missing`",
            )),
            Some(None) | None => match &self.numbers {
                Some(notation) if !notation.is_plain() => {
                    Err(wrong(&format!("a number as in the other rows ({notation})")))
                }
                _ => Err(wrong("a number")),
            },
        }
    }

    /// The error of a text that the encoding was not fitted to.
    pub(super) fn unknown(&self, row: usize, text: &str, known: &[String]) -> Error {
        let shown = &known[..known.len().min(10)];
        let more = if known.len() > 10 { " …" } else { "" };
        Error::new(
            ErrorKind::Value,
            self.place(row),
            format!("one of the texts that the encoding was fitted to: {}{more}", quoted(shown)),
            format!("`{text}`"),
        )
    }
}

/// What different spellings of a class or category have in common: `1` and `1.0`, `TRUE` and `True`.
pub(super) fn spelling(text: &str) -> Cow<'_, str> {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return text.to_ascii_lowercase().into();
    }
    let is_whole = |whole: &str| {
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match text.split_once('.') {
        Some((whole, zeros)) if is_whole(whole) && zeros.bytes().all(|byte| byte == b'0') => whole.into(),
        _ => text.into(),
    }
}

/// The index of a text among those of the fitted file: of the same letters, or else of the same meaning.
pub(super) fn index_of(texts: &[String], text: &str) -> Option<usize> {
    let position = |matches: &dyn Fn(&String) -> bool| texts.iter().position(matches);
    position(&|known| known == text).or_else(|| {
        let wanted = spelling(text);
        position(&|known| spelling(known) == wanted)
    })
}

pub(super) fn weights<F: Scalar>(cells: &Cells<'_>) -> Result<Array1<F>> {
    let weight = |row| match cells.number(row)? {
        weight if weight < F::ZERO => {
            Err(Error::new(ErrorKind::Value, cells.place(row), "a weight, at least 0", weight))
        }
        weight => Ok(weight),
    };
    (0..cells.n_rows()).map(weight).collect()
}

pub(super) fn groups(cells: &Cells<'_>) -> Result<Vec<u64>> {
    let mut numbers = HashMap::new();
    let group = |row| {
        let text = cells.get(row).ok_or_else(|| {
            Error::new(ErrorKind::Value, cells.place(row), "the name of a group", "an empty cell")
        })?;
        let next = numbers.len() as u64;
        Ok(*numbers.entry(text).or_insert(next))
    };
    (0..cells.n_rows()).map(group).collect()
}
