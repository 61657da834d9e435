//! The header of an array file: a Python dictionary of three entries, read as Python reads one.
//!
//! Its keys may stand in any order and in either kind of quotes, with any space between; Python 2 has written whole
//! numbers as `3L`. It is read from its start to its end, so that what is written inside a text is not taken for a key.

use crate::scalar::from_half;
use crate::{Error, ErrorKind, Result};

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// The size of a number in bytes, and the function that decodes it.
    pub(super) number: NumberType,
    pub(super) columns_first: bool,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

pub(super) type NumberType = (usize, fn(&[u8]) -> f64);

impl Header {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let malformed = |expected: &str| {
            let shown: String = text.trim_ascii_end().chars().take(200).collect();
            Error::new(ErrorKind::File, "header", expected, format!("`{shown}`"))
        };
        let (mut number, mut columns_first, mut shape) = (None, None, None);
        let mut rest = Rest(text);
        let dictionary = "a dictionary of 'descr', 'fortran_order' and 'shape', each once";
        if !rest.takes("{") {
            return Err(malformed(dictionary));
        }
        while !rest.takes("}") {
            let key = rest.text().filter(|_| rest.takes(":")).ok_or_else(|| malformed(dictionary))?;
            let is_new = match key {
                "descr" => {
                    let read = rest.text().and_then(number_type).ok_or_else(|| {
                        malformed("'descr': a type of plain numbers, such as '<f4' or '<i8'")
                            .advise("in NumPy, `x.astype('float32')` makes one")
                    });
                    number.replace(read?).is_none()
                }
                "fortran_order" => {
                    let read =
                        if rest.takes("True") { Some(true) } else { rest.takes("False").then_some(false) };
                    let expected = "'fortran_order': True or False";
                    columns_first.replace(read.ok_or_else(|| malformed(expected))?).is_none()
                }
                "shape" => {
                    let expected = "'shape': a tuple of whole numbers";
                    shape.replace(rest.lengths().ok_or_else(|| malformed(expected))?).is_none()
                }
                _ => false,
            };
            // NumPy takes the second of two equal keys, others the first: no such file is what its writer meant.
            if !is_new || !(rest.takes(",") || rest.0.trim_ascii_start().starts_with('}')) {
                return Err(malformed(dictionary));
            }
        }
        let (Some(number), Some(columns_first), Some(shape), true) =
            (number, columns_first, shape, rest.0.trim_ascii().is_empty())
        else {
            return Err(malformed(dictionary));
        };
        let (rows, columns) = match shape[..] {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                let lengths: Vec<String> = shape.iter().take(10).map(usize::to_string).collect();
                let found = format!("{}: ({})", shape.len(), lengths.join(", "));
                return Err(Error::new(ErrorKind::Shape, "shape", "one or two dimensions", found)
                    .advise("reshape it to rows × columns before it is saved"));
            }
        };
        Ok(Self { number, columns_first, rows, columns })
    }
}

/// What is left to be read. White space before a token means nothing.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Whether `token` comes next; then it is taken.
    fn takes(&mut self, token: &str) -> bool {
        let after = self.0.trim_ascii_start().strip_prefix(token);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    /// A text in quotes, without escapes: neither keys nor types have any.
    fn text(&mut self) -> Option<&'a str> {
        let quoted = self.0.trim_ascii_start();
        let quoted = quoted.strip_prefix('u').unwrap_or(quoted);
        let quote = quoted.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
        let (text, after) = quoted[1..].split_once(quote)?;
        self.0 = after;
        (!text.contains(['\\', '\n'])).then_some(text)
    }

    /// A tuple of whole numbers. One in brackets without a comma is no tuple.
    fn lengths(&mut self) -> Option<Vec<usize>> {
        let mut lengths = Vec::new();
        if !self.takes("(") {
            return None;
        }
        let mut is_open = true;
        while !self.takes(")") {
            let text = self.0.trim_ascii_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            lengths.push(text[..digits].parse().ok().filter(|_| is_open)?);
            self.0 = &text[digits..];
            self.takes("L");
            is_open = self.takes(",");
        }
        (lengths.len() != 1 || is_open).then_some(lengths)
    }
}

/// The type of that name: as `numpy.dtype` reads it, where it is a number of a size that is the same everywhere.
fn number_type(name: &str) -> Option<NumberType> {
    let (is_big, name) = match name.split_at_checked(1) {
        Some((">", name)) => (true, name),
        Some(("<", name)) => (false, name),
        Some(("=" | "|", name)) => (cfg!(target_endian = "big"), name),
        _ => (cfg!(target_endian = "big"), name),
    };
    macro_rules! decoder {
        ($number:ty, $to_f64:expr) => {{
            const fn bytes(bytes: &[u8]) -> [u8; size_of::<$number>()] {
                *bytes.first_chunk().expect("a chunk of the size of the type")
            }
            let decode: fn(&[u8]) -> f64 = match is_big {
                true => |chunk| $to_f64(<$number>::from_be_bytes(bytes(chunk))),
                false => |chunk| $to_f64(<$number>::from_le_bytes(bytes(chunk))),
            };
            (size_of::<$number>(), decode)
        }};
        ($number:ty) => {
            decoder!($number, |x: $number| x as f64)
        };
    }
    Some(match name {
        "f2" | "e" | "half" | "float16" => decoder!(u16, from_half),
        "f4" | "f" | "single" | "float32" => decoder!(f32),
        "f8" | "d" | "double" | "float" | "float64" => decoder!(f64),
        "b1" | "?" | "bool" => decoder!(u8, |x: u8| f64::from(x.min(1))),
        "i1" | "b" | "byte" | "int8" => decoder!(i8),
        "i2" | "h" | "short" | "int16" => decoder!(i16),
        "i4" | "i" | "intc" | "int32" => decoder!(i32),
        "i8" | "q" | "longlong" | "int64" => decoder!(i64),
        "u1" | "B" | "ubyte" | "uint8" => decoder!(u8),
        "u2" | "H" | "ushort" | "uint16" => decoder!(u16),
        "u4" | "I" | "uintc" | "uint32" => decoder!(u32),
        "u8" | "Q" | "ulonglong" | "uint64" => decoder!(u64),
        _ => return None,
    })
}
