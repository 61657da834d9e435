//! A table of rows that are structs, or anything else that serde writes as fields with names (feature `serde`).
//!
//! serde calls a method for each type that a row and its fields can be of. Those of a field that is one value give a [`Cell`];
//! whatever is more than one value is refused.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Table, Values};
use crate::{Error, ErrorKind, Result};

impl Table {
    /// A table of rows, each a struct (or a map) whose fields are its columns; error messages call it `source`.
    ///
    /// Fields are numbers, booleans, texts, enums without data (their names are texts), or an `Option` of these. `None`, and a
    /// field that a row does not have, is missing. [`Table::from_columns`] says what becomes of the columns.
    ///
    /// ```
    /// use polytask::data::csv::{CsvReader, Table};
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// enum Roof { Flat, Pitched }
    /// #[derive(Serialize)]
    /// struct House { area: f32, roof: Roof, rooms: Option<u8> }
    ///
    /// let houses = [
    ///     House { area: 514.5, roof: Roof::Flat, rooms: Some(3) },
    ///     House { area: 563.5, roof: Roof::Pitched, rooms: None },
    /// ];
    /// let table = Table::from_rows("houses", &houses)?;
    /// let data = CsvReader::new().fit(&table)?.apply::<f32>(&table)?;
    /// assert_eq!(data.feature_names(), ["area", "roof=Flat", "roof=Pitched", "rooms", "rooms_missing"]);
    /// assert_eq!(data.feature_row(1), [563.5, 0.0, 1.0, 3.0, 1.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_columns`](Self::from_columns), and [`ErrorKind::Value`] if a row is not one of fields, a field holds more than
    /// one value, or holds numbers in some rows and texts in others.
    pub fn from_rows<T: Serialize>(source: &str, rows: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut columns: Vec<(String, Column)> = Vec::new();
        let mut n_rows = 0;
        for row in rows {
            let fault = |Fault { column, expected, found }: Fault| {
                let column = column.map_or(String::new(), |name| format!(", column `{name}`"));
                Error::new(ErrorKind::Value, format!("{source}, row {n_rows}{column}"), expected, found)
            };
            for (name, cell) in row.serialize(Row).map_err(fault)? {
                let at = columns.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                    columns.push((name.clone(), Column::default()));
                    columns.len() - 1
                });
                let column = &mut columns[at].1;
                // What this row says, and what rows before it did not.
                column.cells.resize(n_rows, Cell::Missing);
                column.push(cell).map_err(|fault_of| fault(Fault { column: Some(name), ..fault_of }))?;
            }
            n_rows += 1;
        }
        let columns = columns.into_iter().map(|(name, mut column)| {
            column.cells.resize(n_rows, Cell::Missing);
            (name, column.into_values())
        });
        Self::from_columns(source, columns)
    }
}

/// A field of a row.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Missing,
    Number(f64),
    Integer(i64),
    Boolean(bool),
    Text(String),
}

/// The cells of a column so far, and what kind they are.
#[derive(Debug, Default)]
struct Column {
    cells: Vec<Cell>,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Numbers,
    Integers,
    Booleans,
    Texts,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Numbers | Self::Integers => "a number",
            Self::Booleans => "true or false",
            Self::Texts => "a text",
        }
    }
}

impl Column {
    fn push(&mut self, cell: Cell) -> std::result::Result<(), Fault> {
        let kind = match cell {
            Cell::Missing => None,
            Cell::Number(_) => Some(Kind::Numbers),
            Cell::Integer(_) => Some(Kind::Integers),
            Cell::Boolean(_) => Some(Kind::Booleans),
            Cell::Text(_) => Some(Kind::Texts),
        };
        self.kind = match (self.kind, kind) {
            (known, None) => known,
            (None, new) => new,
            (Some(known), Some(new)) if known == new => Some(known),
            (Some(Kind::Numbers | Kind::Integers), Some(Kind::Numbers | Kind::Integers)) => {
                Some(Kind::Numbers)
            }
            (Some(known), Some(new)) => {
                return Err(Fault::new(format!("{}, as in the rows before", known.name()), new.name()));
            }
        };
        self.cells.push(cell);
        Ok(())
    }

    fn into_values(self) -> Values {
        let cells = self.cells.into_iter();
        match self.kind {
            Some(Kind::Integers) => Values::Integers(
                cells.map(|cell| if let Cell::Integer(n) = cell { Some(n) } else { None }).collect(),
            ),
            Some(Kind::Booleans) => Values::Booleans(
                cells.map(|cell| if let Cell::Boolean(is) = cell { Some(is) } else { None }).collect(),
            ),
            Some(Kind::Texts) => Values::Texts(
                cells.map(|cell| if let Cell::Text(text) = cell { Some(text) } else { None }).collect(),
            ),
            // Nothing but gaps is of any kind.
            Some(Kind::Numbers) | None => Values::Numbers(
                cells
                    .map(|cell| match cell {
                        Cell::Number(x) => Some(x),
                        Cell::Integer(n) => Some(n as f64),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }
}

/// What is wrong with a row, and in which column.
#[derive(Debug)]
struct Fault {
    column: Option<String>,
    expected: String,
    found: String,
}

impl Fault {
    fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { column: None, expected: expected.into(), found: found.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("a value that can be written", message.to_string())
    }
}

/// The methods for types that are refused.
macro_rules! refused {
    ($expected:expr; $($method:ident($($argument:ident: $type:ty),*) -> $result:ty, $found:expr;)*) => {$(
        fn $method(self, $($argument: $type),*) -> std::result::Result<$result, Fault> {
            let _ = ($($argument,)*);
            Err(Fault::new($expected, $found))
        }
    )*};
}

const ONE_VALUE: &str = "a number, a boolean, a text, or none";
const FIELDS: &str = "a struct or a map, whose fields are columns";

/// Writes a field.
struct Field;

macro_rules! integers {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method(self, n: $type) -> std::result::Result<Cell, Fault> {
            match i64::try_from(n) {
                Ok(n) => Ok(Cell::Integer(n)),
                Err(_) => Err(Fault::new("a whole number of at most 2⁵³, which f64 holds exactly", n.to_string())),
            }
        }
    )*};
}

impl Serializer for Field {
    type Ok = Cell;
    type Error = Fault;
    type SerializeSeq = Impossible<Cell, Fault>;
    type SerializeTuple = Impossible<Cell, Fault>;
    type SerializeTupleStruct = Impossible<Cell, Fault>;
    type SerializeTupleVariant = Impossible<Cell, Fault>;
    type SerializeMap = Impossible<Cell, Fault>;
    type SerializeStruct = Impossible<Cell, Fault>;
    type SerializeStructVariant = Impossible<Cell, Fault>;

    integers! {
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
    }

    fn serialize_bool(self, is: bool) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Boolean(is))
    }
    fn serialize_f32(self, x: f32) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Number(f64::from(x)))
    }
    fn serialize_f64(self, x: f64) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Number(x))
    }
    fn serialize_char(self, letter: char) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Text(letter.to_string()))
    }
    fn serialize_str(self, text: &str) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Text(text.to_owned()))
    }
    fn serialize_none(self) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Missing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> std::result::Result<Cell, Fault> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Missing)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> std::result::Result<Cell, Fault> {
        Ok(Cell::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> std::result::Result<Cell, Fault> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> std::result::Result<Cell, Fault> {
        Err(Fault::new(ONE_VALUE, format!("`{variant}` with data")))
    }

    refused! { ONE_VALUE;
        serialize_bytes(bytes: &[u8]) -> Cell, "bytes";
        serialize_unit_struct(name: &'static str) -> Cell, format!("the struct `{name}`");
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq, "a list";
        serialize_tuple(len: usize) -> Self::SerializeTuple, "a tuple";
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct, format!("the struct `{name}`");
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeTupleVariant, format!("`{variant}` with data");
        serialize_map(len: Option<usize>) -> Self::SerializeMap, "a map";
        serialize_struct(name: &'static str, len: usize) -> Self::SerializeStruct, format!("the struct `{name}`");
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeStructVariant, format!("`{variant}` with data");
    }
}

/// The fields of a row.
type Fields = Vec<(String, Cell)>;

/// Writes a row.
struct Row;

/// The fields written so far, and the key of the one that comes next.
#[derive(Default)]
struct Written {
    fields: Fields,
    key: Option<String>,
}

impl Written {
    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> std::result::Result<(), Fault> {
        match value.serialize(Field) {
            Ok(cell) => {
                self.fields.push((name, cell));
                Ok(())
            }
            Err(fault) => Err(Fault { column: Some(name), ..fault }),
        }
    }
}

impl SerializeStruct for Written {
    type Ok = Fields;
    type Error = Fault;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> std::result::Result<(), Fault> {
        self.add(name.to_owned(), value)
    }
    fn end(self) -> std::result::Result<Fields, Fault> {
        Ok(self.fields)
    }
}

impl SerializeMap for Written {
    type Ok = Fields;
    type Error = Fault;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> std::result::Result<(), Fault> {
        match key.serialize(Field)? {
            Cell::Text(name) => self.key = Some(name),
            _ => return Err(Fault::new("keys that are texts, the names of columns", "another key")),
        }
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> std::result::Result<(), Fault> {
        let name = self.key.take().expect("serde writes the key first");
        self.add(name, value)
    }
    fn end(self) -> std::result::Result<Fields, Fault> {
        Ok(self.fields)
    }
}

impl Serializer for Row {
    type Ok = Fields;
    type Error = Fault;
    type SerializeSeq = Impossible<Fields, Fault>;
    type SerializeTuple = Impossible<Fields, Fault>;
    type SerializeTupleStruct = Impossible<Fields, Fault>;
    type SerializeTupleVariant = Impossible<Fields, Fault>;
    type SerializeMap = Written;
    type SerializeStruct = Written;
    type SerializeStructVariant = Impossible<Fields, Fault>;

    fn serialize_map(self, _: Option<usize>) -> std::result::Result<Written, Fault> {
        Ok(Written::default())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> std::result::Result<Written, Fault> {
        Ok(Written::default())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> std::result::Result<Fields, Fault> {
        value.serialize(self)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> std::result::Result<Fields, Fault> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> std::result::Result<Fields, Fault> {
        Err(Fault::new(FIELDS, format!("`{variant}` with data")))
    }

    refused! { FIELDS;
        serialize_bool(value: bool) -> Fields, "a boolean";
        serialize_i8(value: i8) -> Fields, "a number";
        serialize_i16(value: i16) -> Fields, "a number";
        serialize_i32(value: i32) -> Fields, "a number";
        serialize_i64(value: i64) -> Fields, "a number";
        serialize_u8(value: u8) -> Fields, "a number";
        serialize_u16(value: u16) -> Fields, "a number";
        serialize_u32(value: u32) -> Fields, "a number";
        serialize_u64(value: u64) -> Fields, "a number";
        serialize_f32(value: f32) -> Fields, "a number";
        serialize_f64(value: f64) -> Fields, "a number";
        serialize_char(value: char) -> Fields, "a text";
        serialize_str(value: &str) -> Fields, "a text";
        serialize_bytes(value: &[u8]) -> Fields, "bytes";
        serialize_none() -> Fields, "none";
        serialize_unit() -> Fields, "none";
        serialize_unit_struct(name: &'static str) -> Fields, format!("the struct `{name}`, which has no fields");
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Fields, format!("`{variant}`");
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq, "a list";
        serialize_tuple(len: usize) -> Self::SerializeTuple, "a tuple";
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct, format!("the struct `{name}`, whose fields have no names");
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeTupleVariant, format!("`{variant}` with data");
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeStructVariant, format!("`{variant}` with data");
    }
}
