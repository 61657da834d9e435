//! A table of columns that are in memory already, with their types: numbers, integers, booleans, texts.
//!
//! What becomes of them is what becomes of a file's columns, but nothing is guessed: a column of texts holds texts even where
//! they are digits or `NA`, and a gap is a gap.

use ::csv::StringRecord;

use super::super::names;
use super::Table;
use super::column::Kind;
use crate::{Error, ErrorKind, Result};

/// The values of one column of a table, each there or missing.
///
/// ```
/// use polytask::data::csv::Values;
///
/// assert_eq!(Values::from(vec![1.5, 2.0]), Values::Numbers(vec![Some(1.5), Some(2.0)]));
/// assert_eq!(Values::from(vec![Some("flat"), None]), Values::Texts(vec![Some("flat".into()), None]));
/// assert_eq!(Values::from(vec![true]).len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Numbers, which are finite.
    Numbers(Vec<Option<f64>>),
    /// Whole numbers up to 2⁵³ in size, which `f64` holds exactly.
    Integers(Vec<Option<i64>>),
    /// Yes or no: the texts `true` and `false`.
    Booleans(Vec<Option<bool>>),
    /// Texts, each a category; none of them is empty.
    Texts(Vec<Option<String>>),
}

/// Up to here `f64` holds every whole number.
pub(super) const LARGEST_INTEGER: u64 = 1 << 53;

impl Values {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Booleans(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How a value is written in a file; empty if it is missing.
    fn cell(&self, row: usize) -> std::result::Result<String, (&'static str, String)> {
        match self {
            Self::Numbers(values) => match values[row] {
                // The shortest text that gives back the number.
                Some(x) if x.is_finite() => Ok(format!("{x:?}")),
                Some(x) => Err(("a finite number, or none", x.to_string())),
                None => Ok(String::new()),
            },
            Self::Integers(values) => match values[row] {
                Some(n) if n.unsigned_abs() <= LARGEST_INTEGER => Ok(n.to_string()),
                Some(n) => Err(("a whole number of at most 2⁵³, which f64 holds exactly", n.to_string())),
                None => Ok(String::new()),
            },
            Self::Booleans(values) => Ok(values[row].map_or_else(String::new, |is| is.to_string())),
            Self::Texts(values) => match values[row].as_deref() {
                Some("") => Err(("a text that is not empty, or none", "an empty one".into())),
                text => Ok(text.unwrap_or_default().to_owned()),
            },
        }
    }
}

macro_rules! from_vec {
    ($($item:ty => $variant:ident, $value:ident => $converted:expr;)*) => {$(
        impl From<Vec<$item>> for Values {
            fn from(values: Vec<$item>) -> Self {
                Self::$variant(values.into_iter().map(|$value| Some($converted)).collect())
            }
        }
        impl From<Vec<Option<$item>>> for Values {
            fn from(values: Vec<Option<$item>>) -> Self {
                Self::$variant(values.into_iter().map(|value| value.map(|$value| $converted)).collect())
            }
        }
    )*};
}

from_vec! {
    f64 => Numbers, x => x;
    f32 => Numbers, x => f64::from(x);
    i64 => Integers, n => n;
    i32 => Integers, n => i64::from(n);
    bool => Booleans, is => is;
    String => Texts, text => text;
    &str => Texts, text => text.to_owned();
}

impl Table {
    /// A table of columns in memory, each with its name; error messages call it `source`.
    ///
    /// It is fitted and applied like that of a file. Numbers are read as they are; texts are categories, even if they are
    /// digits or a mark such as `NA`; what is missing is an empty cell. An encoding that was fitted to it reads later tables
    /// with the columns in any order, and more of them. Rows that are structs become one by `Table::from_rows` (feature
    /// `serde`).
    ///
    /// ```
    /// use polytask::data::csv::{CsvReader, Table};
    ///
    /// let table = Table::from_columns("houses", [
    ///     ("area", vec![Some(514.5), None, Some(612.5)].into()),
    ///     ("roof", vec!["flat", "pitched", "flat"].into()),
    ///     ("zone", vec!["8001", "8002", "8001"].into()),
    ///     ("heating", vec![15.5, 20.8, 24.1].into()),
    /// ])?;
    /// let reader = CsvReader::new().targets(["heating"]);
    /// let encoding = reader.fit(&table)?;
    /// let data = encoding.apply::<f64>(&table)?;
    /// assert_eq!(
    ///     data.feature_names(),
    ///     ["area", "area_missing", "roof=flat", "roof=pitched", "zone=8001", "zone=8002"]
    /// );
    /// assert_eq!(data.feature_row(1), [563.5, 1.0, 0.0, 1.0, 0.0, 1.0]);
    ///
    /// let next = Table::from_columns("next", [("area", vec!["large"].into()), ("roof", vec!["flat"].into()),
    ///     ("zone", vec!["8001"].into())])?;
    /// let error = encoding.features::<f64>(&next).unwrap_err().to_string();
    /// assert_eq!(error, "next, column `area`: expected a column of numbers, as in the fitted table, found texts");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if a name is empty or there twice; [`ErrorKind::Shape`] if there is no column or no row, or columns
    /// differ in length; [`ErrorKind::Value`] for a number that is not finite, a whole number above 2⁵³, an empty text.
    pub fn from_columns<N: Into<String>>(
        source: &str,
        columns: impl IntoIterator<Item = (N, Values)>,
    ) -> Result<Self> {
        Self::of_part(source, columns, 0)
    }

    /// As [`from_columns`](Self::from_columns), for a part of a table that begins with the row `first`.
    pub(super) fn of_part<N: Into<String>>(
        source: &str,
        columns: impl IntoIterator<Item = (N, Values)>,
        first: usize,
    ) -> Result<Self> {
        let (names, columns): (Vec<String>, Vec<Values>) =
            columns.into_iter().map(|(name, values)| (name.into(), values)).unzip();
        names::check(&format!("{source}, column names"), &names, names.len())?;
        let n_rows = columns.first().map_or(0, Values::len);
        if n_rows == 0 {
            let found = if columns.is_empty() { "no column" } else { "no row" };
            return Err(Error::new(ErrorKind::Shape, source, "columns with at least one row", found));
        }
        if let Some((name, values)) = names.iter().zip(&columns).find(|(_, values)| values.len() != n_rows) {
            let place = format!("{source}, column `{name}`");
            let expected = format!("{n_rows} rows, as in column `{}`", names[0]);
            return Err(Error::new(ErrorKind::Shape, place, expected, values.len()));
        }
        let row = |row: usize| {
            let cells = names.iter().zip(&columns).map(|(name, values)| {
                values.cell(row).map_err(|(expected, found)| {
                    let place = format!("{source}, row {}, column `{name}`", first + row);
                    Error::new(ErrorKind::Value, place, expected, found)
                })
            });
            cells.collect::<Result<StringRecord>>()
        };
        let rows = (0..n_rows).map(row).collect::<Result<_>>()?;
        let kinds = columns.iter().map(|values| match values {
            Values::Numbers(_) | Values::Integers(_) => Kind::Numbers,
            Values::Booleans(_) | Values::Texts(_) => Kind::Texts,
        });
        Ok(Self::of_typed_columns(source, names, kinds.collect(), rows, first))
    }
}
