//! Blocks in which every cell that counts is a plain number: decoded as they are parsed, without a table of texts between.
//!
//! Where a single cell is anything else, the block is read as any other is, which gives the same numbers and says what is
//! wrong where something is.

use std::sync::Arc;

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use ndarray::Array2;

#[cfg(feature = "parquet")]
use super::super::Values;
#[cfg(feature = "parquet")]
use super::super::arrow::Columns;
#[cfg(feature = "parquet")]
use super::super::columns::LARGEST_INTEGER;
use super::super::table::Cut;
use super::super::{Content, Encoding};
use crate::Scalar;
use crate::data::{Dataset, Names};

/// What becomes of the cell of each column.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    cells: Vec<Cell>,
    n_features: usize,
    n_targets: usize,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Feature { at: usize, base: f64 },
    Target { at: usize },
    Unused,
}

impl Plain {
    /// `None` if some column is not one of numbers in their plain notation.
    pub(super) fn of(encoding: &Encoding, columns: &[String]) -> Option<Self> {
        let reader = &encoding.reader;
        if !(reader.missing.is_empty() && reader.missing_in.is_empty()) {
            return None;
        }
        let mut cells = vec![Cell::Unused; columns.len()];
        let mut n_features = 0;
        for column in &encoding.columns {
            let file_column = columns.iter().position(|name| *name == column.name);
            let cell = match &column.content {
                _ if !column.notation.is_plain() => return None,
                Content::Numbers { base, .. } => Cell::Feature { at: n_features, base: *base },
                Content::Target { .. } => {
                    let at = reader.targets.iter().position(|target| target.name == column.name)?;
                    Cell::Target { at }
                }
                Content::Ignored => Cell::Unused,
                _ => return None,
            };
            n_features += column.features().len();
            match (file_column, cell) {
                (Some(at), _) => cells[at] = cell,
                (None, Cell::Unused) => {}
                (None, _) => return None,
            }
        }
        Some(Self { cells, n_features, n_targets: reader.targets.len() })
    }

    /// Whether the numbers of each column are to be known: of all that are read, or of targets alone.
    pub(super) fn wanted(&self, targets_alone: bool) -> Vec<bool> {
        let is_wanted = |cell: &Cell| match cell {
            Cell::Feature { .. } => !targets_alone,
            Cell::Target { .. } => true,
            Cell::Unused => false,
        };
        self.cells.iter().map(is_wanted).collect()
    }

    /// The rows of a block of text, if all of its cells are plain numbers.
    pub(super) fn parse<F: Scalar>(
        &self,
        bytes: &[u8],
        n_rows: usize,
        cut: &Cut,
        names: &Arc<Names>,
    ) -> Option<Dataset<F>> {
        let mut features = vec![F::ZERO; n_rows * self.n_features];
        let mut targets = vec![F::ZERO; n_rows * self.n_targets];
        let mut reader = plain_records(bytes, cut);
        let (mut record, mut row) = (ByteRecord::new(), 0);
        while reader.read_byte_record(&mut record).ok()? {
            if row == n_rows || record.len() != self.cells.len() {
                return None;
            }
            let features = &mut features[row * self.n_features..(row + 1) * self.n_features];
            let targets = &mut targets[row * self.n_targets..(row + 1) * self.n_targets];
            for (text, cell) in record.iter().zip(&self.cells) {
                match *cell {
                    Cell::Feature { at, base } => features[at] = number(text, base)?,
                    Cell::Target { at } => targets[at] = number(text, 0.0)?,
                    Cell::Unused => {}
                }
            }
            row += 1;
        }
        (row == n_rows).then(|| self.table(features, targets, names))
    }

    /// The rows of a block of columns, if all of its cells are numbers.
    #[cfg(feature = "parquet")]
    pub(super) fn take<F: Scalar>(
        &self,
        columns: &Columns,
        n_rows: usize,
        names: &Arc<Names>,
    ) -> Option<Dataset<F>> {
        let mut features = vec![F::ZERO; n_rows * self.n_features];
        let mut targets = vec![F::ZERO; n_rows * self.n_targets];
        for ((_, values), cell) in columns.values().zip(&self.cells) {
            let (numbers, width, at, base) = match *cell {
                Cell::Feature { at, base } => (&mut features, self.n_features, at, base),
                Cell::Target { at } => (&mut targets, self.n_targets, at, 0.0),
                Cell::Unused => continue,
            };
            if values.len() != n_rows {
                return None;
            }
            let cells = numbers[at..].iter_mut().step_by(width);
            match values {
                Values::Numbers(values) => {
                    cells.zip(values).try_for_each(|(to, x)| put(to, (*x)?, base))?;
                }
                Values::Integers(values) => cells.zip(values).try_for_each(|(to, n)| {
                    put(to, n.filter(|n| n.unsigned_abs() <= LARGEST_INTEGER)? as f64, base)
                })?,
                Values::Booleans(_) | Values::Texts(_) => return None,
            }
        }
        Some(self.table(features, targets, names))
    }

    fn table<F: Scalar>(&self, features: Vec<F>, targets: Vec<F>, names: &Arc<Names>) -> Dataset<F> {
        let n_rows = features.len() / self.n_features;
        let matrix = |numbers, width| Array2::from_shape_vec((n_rows, width), numbers).expect("whole rows");
        Dataset::of_checked(matrix(features, self.n_features), matrix(targets, self.n_targets), names)
    }
}

#[cfg(feature = "parquet")]
fn put<F: Scalar>(to: &mut F, x: f64, base: f64) -> Option<()> {
    *to = above(x, base)?;
    Some(())
}

/// The records of a text, with the spaces around their cells.
pub(super) fn plain_records<'a>(bytes: &'a [u8], cut: &Cut) -> Reader<&'a [u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(cut.delimiter)
        .comment(cut.comment)
        .from_reader(bytes)
}

/// The number in a cell, if it is finite and written as numbers are in Rust.
pub(super) fn plain_number(text: &[u8]) -> Option<f64> {
    let x: f64 = std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()?;
    x.is_finite().then_some(x)
}

fn number<F: Scalar>(text: &[u8], base: f64) -> Option<F> {
    above(plain_number(text)?, base)
}

/// What is left of a number when its base is subtracted.
fn above<F: Scalar>(x: f64, base: f64) -> Option<F> {
    // Subtracting nothing would make 0 of -0.
    let x = F::from_f64(if base == 0.0 { x } else { x - base });
    x.is_finite().then_some(x)
}
