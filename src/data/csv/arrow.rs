//! A table of Arrow record batches (feature `arrow`): columns in memory whose types say what they hold.
//!
//! ```text
//! integers; floats, decimals     numbers
//! booleans                       the texts true and false
//! strings                        categories
//! dictionaries                   what their values are
//! null                           a column of gaps
//! dates, times, durations        an error that says what to make of them
//! lists, structs, bytes, …       an error
//! ```

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::{Table, Values};
use crate::{Error, ErrorKind, Result};

impl Table {
    /// A table of record batches, one after the other, all with the same columns; error messages call it `source`.
    ///
    /// Integers, floats and decimals are numbers, strings are categories, and a null is a gap; a dictionary is what its values
    /// are. [`Table::from_columns`] says what becomes of the columns. The batches are those of arrow-array 60, which is
    /// also [`polytask::arrow_array`](crate::arrow_array).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use polytask::arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    /// use polytask::data::csv::{CsvReader, Table};
    ///
    /// let area: ArrayRef = Arc::new(Float64Array::from(vec![Some(514.5), None, Some(612.5)]));
    /// let roof: ArrayRef = Arc::new(StringArray::from(vec!["flat", "pitched", "flat"]));
    /// let batch = RecordBatch::try_from_iter([("area", area), ("roof", roof)]).expect("columns of one length");
    /// let table = Table::from_arrow("houses", [&batch])?;
    /// let data = CsvReader::new().fit(&table)?.apply::<f32>(&table)?;
    /// assert_eq!(data.feature_names(), ["area", "area_missing", "roof=flat", "roof=pitched"]);
    /// assert_eq!(data.feature_row(1), [563.5, 1.0, 0.0, 1.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_columns`](Self::from_columns); [`ErrorKind::Value`] if a column is of a type that is neither numbers, booleans
    /// nor texts, such as dates or lists, or a key of a dictionary has no value; [`ErrorKind::Name`] if a batch has other
    /// columns than the first.
    pub fn from_arrow<'b>(source: &str, batches: impl IntoIterator<Item = &'b RecordBatch>) -> Result<Self> {
        let mut columns = Columns::new(source);
        batches.into_iter().try_for_each(|batch| columns.push(batch))?;
        columns.into_table()
    }
}

/// The columns of the batches so far.
#[derive(Debug)]
pub(super) struct Columns {
    source: String,
    columns: Vec<(String, DataType, Values)>,
    n_batches: usize,
    n_rows: usize,
    first: usize,
}

impl Columns {
    pub(super) fn new(source: &str) -> Self {
        Self::from_row(source, 0)
    }

    /// Those of a part of a table that begins with the row `first`.
    pub(super) fn from_row(source: &str, first: usize) -> Self {
        Self { source: source.to_owned(), columns: Vec::new(), n_batches: 0, n_rows: 0, first }
    }

    /// The values of each column.
    #[cfg(feature = "parquet")]
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.columns.iter().map(|(name, _, values)| (name.as_str(), values))
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if self.n_batches == 0 {
            for field in schema.fields() {
                let (name, kind) = (field.name().clone(), field.data_type().clone());
                let empty = empty(&kind).map_err(|fault| self.error(&name, None, fault))?;
                self.columns.push((name, kind, empty));
            }
        }
        let known: Vec<&str> = self.columns.iter().map(|(name, ..)| name.as_str()).collect();
        if known != names {
            let place = format!("{}, columns of batch {}", self.source, self.n_batches);
            let expected = format!("those of the first batch, {known:?}");
            return Err(Error::new(ErrorKind::Name, place, expected, format!("{names:?}")));
        }
        for at in 0..self.columns.len() {
            let array = batch.column(at);
            let (name, kind, values) = &mut self.columns[at];
            let read = match array.data_type() == kind {
                true => read(array.as_ref()),
                false => Err(Fault {
                    row: None,
                    expected: format!("{kind}, as in the first batch"),
                    found: array.data_type().to_string(),
                    advice: None,
                }),
            };
            let name = name.clone();
            match read {
                Ok(more) => extend(values, more),
                Err(fault) => return Err(self.error(&name, Some(self.first + self.n_rows), fault)),
            }
        }
        (self.n_batches, self.n_rows) = (self.n_batches + 1, self.n_rows + batch.num_rows());
        Ok(())
    }

    pub(super) fn into_table(self) -> Result<Table> {
        Table::of_part(
            &self.source,
            self.columns.into_iter().map(|(name, _, values)| (name, values)),
            self.first,
        )
    }

    fn error(&self, name: &str, first_row: Option<usize>, fault: Fault) -> Error {
        let Fault { row, expected, found, advice } = fault;
        let place = match (first_row, row) {
            (Some(first), Some(row)) => format!("{}, row {}, column `{name}`", self.source, first + row),
            _ => format!("{}, column `{name}`", self.source),
        };
        let error = Error::new(ErrorKind::Value, place, expected, found);
        match advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }
}

/// What is wrong with an array, and in which of its rows.
#[derive(Debug)]
struct Fault {
    row: Option<usize>,
    expected: String,
    found: String,
    advice: Option<&'static str>,
}

impl Fault {
    fn in_row(row: usize, expected: &str, found: impl ToString) -> Self {
        Self { row: Some(row), expected: expected.to_owned(), found: found.to_string(), advice: None }
    }
}

/// No values yet, of the kind that a type becomes.
fn empty(kind: &DataType) -> std::result::Result<Values, Fault> {
    use DataType::{
        Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Dictionary, Duration, Float16,
        Float32, Float64, Int8, Int16, Int32, Int64, Interval, LargeUtf8, Null, Time32, Time64, Timestamp,
        UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    let refuse = |advice: &'static str| {
        Err(Fault {
            row: None,
            expected: "a column of numbers, booleans or texts".into(),
            found: kind.to_string(),
            advice: Some(advice),
        })
    };
    Ok(match kind {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Values::Integers(Vec::new()),
        Null | Float16 | Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..)
        | Decimal256(..) => Values::Numbers(Vec::new()),
        Boolean => Values::Booleans(Vec::new()),
        Utf8 | LargeUtf8 | Utf8View => Values::Texts(Vec::new()),
        Dictionary(_, values) => empty(values)?,
        Date32 | Date64 | Timestamp(..) | Time32(_) | Time64(_) | Duration(_) | Interval(_) => {
            return refuse(
                "make numbers of it, such as the days since a date, the month and the day of the week, or drop the column",
            );
        }
        _ => return refuse("make a column of each part of it, or drop the column"),
    })
}

/// The values of an array, of the kind that [`empty`] says.
fn read(array: &dyn Array) -> std::result::Result<Values, Fault> {
    use DataType as T;
    Ok(match array.data_type() {
        T::Null => Values::Numbers(vec![None; array.len()]),
        T::Boolean => Values::Booleans(array.as_boolean().iter().collect()),
        T::Int8 => integers::<Int8Type>(array)?,
        T::Int16 => integers::<Int16Type>(array)?,
        T::Int32 => integers::<Int32Type>(array)?,
        T::Int64 => integers::<Int64Type>(array)?,
        T::UInt8 => integers::<UInt8Type>(array)?,
        T::UInt16 => integers::<UInt16Type>(array)?,
        T::UInt32 => integers::<UInt32Type>(array)?,
        T::UInt64 => integers::<UInt64Type>(array)?,
        T::Float16 => numbers::<Float16Type>(array),
        T::Float32 => numbers::<Float32Type>(array),
        T::Float64 => numbers::<Float64Type>(array),
        T::Decimal32(..) => decimals::<Decimal32Type>(array)?,
        T::Decimal64(..) => decimals::<Decimal64Type>(array)?,
        T::Decimal128(..) => decimals::<Decimal128Type>(array)?,
        T::Decimal256(..) => decimals::<Decimal256Type>(array)?,
        T::Utf8 => texts(array.as_string::<i32>().iter()),
        T::LargeUtf8 => texts(array.as_string::<i64>().iter()),
        T::Utf8View => texts(array.as_string_view().iter()),
        T::Dictionary(..) => of_dictionary(array)?,
        other => unreachable!("columns of type {other} are refused before they are read"),
    })
}

fn integers<T: ArrowPrimitiveType<Native: TryInto<i64> + ToString>>(
    array: &dyn Array,
) -> std::result::Result<Values, Fault> {
    let read = |(row, value): (usize, Option<T::Native>)| match value.map(|value| (value, value.try_into())) {
        None => Ok(None),
        Some((_, Ok(n))) => Ok(Some(n)),
        Some((value, Err(_))) => Err(Fault::in_row(
            row,
            "a whole number of at most 2⁵³, which f64 holds exactly",
            value.to_string(),
        )),
    };
    let values = array.as_primitive::<T>().iter().enumerate().map(read);
    Ok(Values::Integers(values.collect::<std::result::Result<_, _>>()?))
}

fn numbers<T: ArrowPrimitiveType<Native: Into<f64>>>(array: &dyn Array) -> Values {
    Values::Numbers(array.as_primitive::<T>().iter().map(|value| value.map(Into::into)).collect())
}

/// A decimal is the number that its digits say, to the nearest `f64`.
fn decimals<T: DecimalType>(array: &dyn Array) -> std::result::Result<Values, Fault> {
    let array = array.as_primitive::<T>();
    let read = |row: usize| {
        if array.is_null(row) {
            return Ok(None);
        }
        let text = array.value_as_string(row);
        text.parse().map(Some).map_err(|_| Fault::in_row(row, "a decimal number", text))
    };
    Ok(Values::Numbers((0..array.len()).map(read).collect::<std::result::Result<_, _>>()?))
}

fn texts<'t>(values: impl Iterator<Item = Option<&'t str>>) -> Values {
    Values::Texts(values.map(|text| text.map(str::to_owned)).collect())
}

/// Each key's value. Keys are looked at one by one: whoever made the array may have said that they need no check.
fn of_dictionary(array: &dyn Array) -> std::result::Result<Values, Fault> {
    let dictionary = array.as_any_dictionary();
    let Values::Integers(keys) = read(dictionary.keys())? else {
        unreachable!("keys of a dictionary are integers")
    };
    let values = read(dictionary.values().as_ref())?;
    let places = places(&keys, values.len())?;
    fn chosen<T: Clone>(values: &[Option<T>], places: &[Option<usize>]) -> Vec<Option<T>> {
        places.iter().map(|place| place.and_then(|at| values[at].clone())).collect()
    }
    Ok(match &values {
        Values::Numbers(values) => Values::Numbers(chosen(values, &places)),
        Values::Integers(values) => Values::Integers(chosen(values, &places)),
        Values::Booleans(values) => Values::Booleans(chosen(values, &places)),
        Values::Texts(values) => Values::Texts(chosen(values, &places)),
    })
}

/// Where the value of each key is among `n` values.
fn places(keys: &[Option<i64>], n: usize) -> std::result::Result<Vec<Option<usize>>, Fault> {
    let place = |(row, key): (usize, &Option<i64>)| {
        let Some(key) = *key else { return Ok(None) };
        let at = usize::try_from(key).ok().filter(|&at| at < n);
        at.map(Some).ok_or_else(|| Fault::in_row(row, &format!("a key below {n}, the number of values"), key))
    };
    keys.iter().enumerate().map(place).collect()
}

fn extend(values: &mut Values, more: Values) {
    match (values, more) {
        (Values::Numbers(values), Values::Numbers(more)) => values.extend(more),
        (Values::Integers(values), Values::Integers(more)) => values.extend(more),
        (Values::Booleans(values), Values::Booleans(more)) => values.extend(more),
        (Values::Texts(values), Values::Texts(more)) => values.extend(more),
        (values, more) => unreachable!("a type becomes one kind of values, not {values:?} and {more:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::places;

    /// Arrow itself makes no such dictionary, unless it is told that keys need no check.
    #[test]
    fn keys_without_a_value_are_named() {
        assert_eq!(places(&[Some(1), None, Some(0)], 2).expect("good keys"), [Some(1), None, Some(0)]);
        for key in [2, -1] {
            let fault = places(&[Some(0), Some(key)], 2).unwrap_err();
            assert_eq!((fault.row, fault.found), (Some(1), key.to_string()));
        }
    }
}
