//! What a column holds, found block by block: what [`CsvReader::fit`] finds of all rows side by side.
//!
//! ```text
//! n ← n + 1     d = x − mean     mean ← mean + d / n     spread ← spread + d (x − mean)       Welford 1962
//! lost ← lost + (x − fl(x))²                             fl(x): x rounded to f32
//! ```

use std::collections::HashMap;

use super::super::cells::{Cells, spelling};
use super::super::columns::LARGEST_INTEGER;
use super::super::fit::{Counts, check_in_order, in_order_of_categories, indexed, limited};
use super::super::{Column, Content, CsvReader, Table, Values};
use crate::data::resolution;
use crate::{Error, ErrorKind, Result};

/// What has been seen of a column.
#[derive(Clone, Debug)]
pub(super) enum Tally {
    Numbers(Numbers),
    Texts {
        counts: HashMap<String, u64>,
        missing: usize,
    },
    Weights {
        is_any_above_0: bool,
    },
    /// Every cell of the head was empty.
    Empty,
    /// Nothing needs to be known.
    Nothing,
}

impl Tally {
    /// The tally of a column that was found to hold this; of a target alone, if the encoding is fitted.
    pub(super) fn of(content: &Content, is_fitted: bool) -> Self {
        match content {
            Content::Target { .. } => Self::Numbers(Numbers::default()),
            _ if is_fitted => Self::Nothing,
            Content::Numbers { .. } => Self::Numbers(Numbers::default()),
            Content::Texts { .. } | Content::Indices { .. } | Content::Classes { .. } => {
                Self::Texts { counts: HashMap::new(), missing: 0 }
            }
            Content::Weights => Self::Weights { is_any_above_0: false },
            Content::Empty => Self::Empty,
            Content::Ignored | Content::Groups => Self::Nothing,
        }
    }

    /// Adds the rows of a block.
    pub(super) fn add(&mut self, table: &Table, column: &Column, reader: &CsvReader) -> Result<()> {
        if matches!(self, Self::Nothing)
            || matches!(column.content, Content::Target { .. }) && table.column(&column.name).is_err()
        {
            // A file without labels has features to predict from.
            return Ok(());
        }
        let cells = Cells::new(table, column, reader)?;
        let rows = 0..table.n_rows();
        match self {
            Self::Nothing => {}
            Self::Numbers(numbers) => {
                for row in rows {
                    match cells.get(row) {
                        None => numbers.missing += 1,
                        Some(_) => numbers.push(cells.number::<f64>(row)?),
                    }
                }
            }
            Self::Weights { is_any_above_0 } => {
                for row in rows {
                    *is_any_above_0 |= cells.number::<f64>(row)? > 0.0;
                }
            }
            Self::Empty => {
                if let Some((row, text)) = rows.filter_map(|row| Some((row, cells.get(row)?))).next() {
                    let expected = "an empty cell, as in all rows at the beginning of the file";
                    return Err(Error::new(ErrorKind::Value, cells.place(row), expected, format!("`{text}`"))
                        .advise("leave the column out with `CsvReader::ignore`, or read the file as a whole with `CsvReader::read`"));
                }
            }
            Self::Texts { counts, missing } => {
                let order = reader.order_of(&column.name);
                // In a column of texts, a number is most likely a slip; classes and categories by the settings may be any.
                let takes_numbers = !matches!(column.content, Content::Texts { .. })
                    || reader.categorical.contains(&column.name)
                    || counts.keys().all(|text| text.parse::<f64>().is_ok());
                for row in rows {
                    let Some(text) = cells.get(row) else {
                        *missing += 1;
                        continue;
                    };
                    if let Some(count) = counts.get_mut(text) {
                        *count += 1;
                        continue;
                    }
                    if let Some(order) = order {
                        check_in_order(&cells, row, text, order)?;
                    }
                    if !takes_numbers && text.parse::<f64>().is_ok_and(f64::is_finite) {
                        let expected = "a text that is not a number, as in the rows before";
                        return Err(Error::new(ErrorKind::Value, cells.place(row), expected, format!("`{text}`"))
                            .advise("correct the cell, or add its text to `CsvReader::missing`, or the column to `CsvReader::categorical`"));
                    }
                    counts.insert(text.to_owned(), 1);
                }
                let is_one_hot = matches!(column.content, Content::Texts { .. });
                if is_one_hot && reader.frequent_categories.is_none() && counts.len() > reader.max_categories
                {
                    // Some may be spellings of one another.
                    categories(counts, column, reader, || cells.column_place())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Whether [`add_numbers`](Self::add_numbers) would count these values as [`add`](Self::add) does.
    pub(super) fn takes(&self, column: &Column, values: &Values) -> bool {
        match (self, values) {
            (Self::Numbers(_), _) if !column.notation.is_plain() => false,
            (Self::Numbers(_), Values::Numbers(values)) => values.iter().flatten().all(|x| x.is_finite()),
            (Self::Numbers(_), Values::Integers(values)) => {
                values.iter().flatten().all(|n| n.unsigned_abs() <= LARGEST_INTEGER)
            }
            _ => false,
        }
    }

    /// Adds the numbers and gaps of a block.
    pub(super) fn add_numbers(&mut self, values: &Values) {
        let Self::Numbers(numbers) = self else { return };
        let mut add = |x: Option<f64>| match x {
            Some(x) => numbers.push(x),
            None => numbers.missing += 1,
        };
        match values {
            Values::Numbers(values) => values.iter().for_each(|&x| add(x)),
            Values::Integers(values) => values.iter().for_each(|n| add(n.map(|n| n as f64))),
            Values::Booleans(_) | Values::Texts(_) => {}
        }
    }

    /// What the column holds, all rows taken together.
    pub(super) fn content(
        &self,
        column: &Column,
        reader: &CsvReader,
        place: impl Fn() -> String,
    ) -> Result<Content> {
        Ok(match (self, &column.content) {
            (Self::Numbers(numbers), Content::Target { .. }) => Content::Target { missing: numbers.missing },
            (Self::Numbers(numbers), _) => numbers.content(),
            (Self::Texts { counts, missing }, Content::Classes { .. }) => {
                let different = || in_order_of_categories(counts.keys().map(String::as_str).collect());
                let classes = reader.order_of(&column.name).map_or_else(different, <[String]>::to_vec);
                Content::Classes { classes, missing: *missing }
            }
            (Self::Texts { counts, missing }, found) => {
                let (categories, other) = categories(counts, column, reader, place)?;
                match found {
                    Content::Indices { .. } => Content::Indices { categories, missing: *missing },
                    _ => Content::Texts { categories, other, missing: *missing },
                }
            }
            (Self::Weights { is_any_above_0: false }, _) => {
                return Err(Error::new(ErrorKind::Value, place(), "at least one weight above 0", "only 0"));
            }
            (_, found) => found.clone(),
        })
    }

    /// The error of labels that `f32` cannot tell apart.
    pub(super) fn coarse_labels(&self, place: &str) -> Option<Error> {
        match self {
            Self::Numbers(numbers) if numbers.is_coarse() => {
                Some(resolution::too_close("f32", place, numbers.smallest, numbers.largest))
            }
            _ => None,
        }
    }
}

/// The categories of a column, and whether others share a feature.
fn categories(
    counts: &HashMap<String, u64>,
    column: &Column,
    reader: &CsvReader,
    place: impl Fn() -> String,
) -> Result<(Vec<String>, bool)> {
    let mut of_spellings = Counts::new();
    counts.iter().for_each(|(text, n)| *of_spellings.entry(spelling(text)).or_insert(0) += n);
    let all = in_order_of_categories(counts.keys().map(String::as_str).collect());
    match column.content {
        Content::Indices { .. } => Ok((indexed(reader, all, &of_spellings), false)),
        _ => limited(reader, all, &of_spellings, place),
    }
}

/// What has been seen of a column of numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    n: u64,
    missing: usize,
    mean: f64,
    spread: f64,
    lost: f64,
    smallest: f64,
    largest: f64,
}

impl Default for Numbers {
    fn default() -> Self {
        let (smallest, largest) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { n: 0, missing: 0, mean: 0.0, spread: 0.0, lost: 0.0, smallest, largest }
    }
}

impl Numbers {
    fn push(&mut self, x: f64) {
        self.n += 1;
        let apart = x - self.mean;
        self.mean += apart / self.n as f64;
        self.spread += apart * (x - self.mean);
        let lost = x - f64::from(x as f32);
        self.lost += lost * lost;
        self.smallest = self.smallest.min(x);
        self.largest = self.largest.max(x);
    }

    /// Whether `f32` cannot tell the numbers apart.
    fn is_coarse(&self) -> bool {
        let fits = self.smallest.abs().max(self.largest.abs()) <= f64::from(f32::MAX);
        self.n > 0
            && fits
            && self.smallest < self.largest
            && self.lost > resolution::MOST.powi(2) * self.spread
    }

    /// The number to subtract, if that brings back what is lost: rounding x − s loses at most 2⁻²⁴ of it.
    ///
    /// ```text
    /// Σ (x − s)² = spread + n (mean − s)²
    /// ```
    fn base(&self) -> f64 {
        let shift = self.mean - self.smallest;
        let most_lost = 2.0_f64.powi(-48) * (self.spread + self.n as f64 * shift * shift);
        let is_better = most_lost <= resolution::MOST.powi(2) * self.spread;
        if self.is_coarse() && is_better { self.smallest } else { 0.0 }
    }

    fn content(&self) -> Content {
        let constant = self.smallest == self.largest;
        let mean = if constant { self.smallest } else { self.mean };
        match self.n {
            0 => Content::Empty,
            _ => Content::Numbers { mean, constant, missing: self.missing, base: self.base() },
        }
    }
}
