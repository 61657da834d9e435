//! NumPy array files (`.npy`): data from and to Python without a detour through text.
//!
//! ```text
//! \x93NUMPY  major minor  header length (u16; u32 from version 2 on; little-endian)
//! {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      a Python literal, padded with spaces
//! the numbers
//! ```
//!
//! Source: the format is described in NumPy's `numpy.lib.format`, versions 1.0 to 3.0.

use std::fs;
use std::path::Path;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use crate::{Error, ErrorKind, Result, Scalar};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array file as a matrix; a one-dimensional array becomes a matrix of one column.
///
/// The array may hold floats of 4 or 8 bytes, integers of 1 to 8 bytes, or booleans, in either byte order, and
/// in row-major or column-major order. Numbers are rounded to `F`.
///
/// ```
/// use polytask::data::{Dataset, npy};
/// use polytask::ndarray::array;
///
/// # let folder = std::env::temp_dir().join(format!("polytask-npy-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let (x, y) = (folder.join("x.npy"), folder.join("y.npy"));
/// npy::write(&x, array![[1.0, 2.0], [3.0, 4.0]].view())?; // or numpy.save("x.npy", x)
/// npy::write(&y, array![[5.0], [6.0]].view())?;
///
/// let data = Dataset::<f32>::new(npy::read(&x)?, npy::read(&y)?)?;
/// assert_eq!(data.feature_row(1), [3.0, 4.0]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::File`] if the file cannot be read, is not an array file, or holds anything but numbers;
/// [`ErrorKind::Shape`] if its array has not one or two dimensions.
pub fn read<F: Scalar>(path: impl AsRef<Path>) -> Result<Array2<F>> {
    let path = path.as_ref();
    let place = path.display().to_string();
    let bytes = fs::read(path).map_err(|cause| {
        Error::new(ErrorKind::File, &place, "a file that can be read", &cause).caused_by(cause)
    })?;
    parse(&bytes).map_err(|error| error.within(place))
}

/// Writes a matrix as an array file, which `numpy.load` reads: `rows × columns` little-endian numbers of the
/// matrix's own type, in row-major order.
///
/// ```
/// use polytask::data::npy;
/// use polytask::ndarray::array;
///
/// # let path = std::env::temp_dir().join(format!("polytask-npy-write-{}.npy", std::process::id()));
/// npy::write(&path, array![[1.0_f32, 2.0, 3.0]].view())?;
/// let bytes = std::fs::read(&path).expect("it was written");
/// assert!(bytes.starts_with(b"\x93NUMPY") && bytes.len() == 128 + 3 * 4); // a header, then four bytes each
/// assert_eq!(npy::read::<f32>(&path)?, array![[1.0, 2.0, 3.0]]);
/// # std::fs::remove_file(&path).expect("it is there");
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::File`] if the file cannot be written.
pub fn write<F: Scalar>(path: impl AsRef<Path>, matrix: ArrayView2<'_, F>) -> Result<()> {
    let path = path.as_ref();
    let size = size_of::<F>();
    let (rows, columns) = matrix.dim();
    let mut header =
        format!("{{'descr': '<f{size}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The numbers begin at a multiple of 64 bytes; the header ends in a line feed.
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');

    let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    for x in matrix {
        match size {
            4 => bytes.extend((x.to_f64() as f32).to_le_bytes()),
            _ => bytes.extend(x.to_f64().to_le_bytes()),
        }
    }
    fs::write(path, bytes).map_err(|cause| {
        Error::new(ErrorKind::File, path.display(), "a file that can be written", &cause).caused_by(cause)
    })
}

pub(super) fn parse<F: Scalar>(bytes: &[u8]) -> Result<Array2<F>> {
    let (header, data) = header(bytes)?;
    let (size, decode) = number_type(header)?;
    let (rows, columns) = shape(header)?;
    let columns_first = match literal(header, "fortran_order") {
        Some(order) if order.starts_with("True") => true,
        Some(order) if order.starts_with("False") => false,
        _ => return Err(malformed("'fortran_order': True or False", header)),
    };
    let expected = rows.checked_mul(columns).and_then(|count| count.checked_mul(size));
    if expected != Some(data.len()) {
        return Err(Error::new(
            ErrorKind::File,
            "numbers",
            format!("{rows} × {columns} numbers of {size} bytes"),
            format!("{} bytes", data.len()),
        )
        .advise("the file was cut off, or is not what its header says"));
    }
    let numbers = data.chunks_exact(size).map(|bytes| F::from_f64(decode(bytes))).collect();
    let matrix = Array2::from_shape_vec((rows, columns).set_f(columns_first), numbers)
        .expect("as many numbers as were counted");
    Ok(matrix.as_standard_layout().into_owned())
}

/// The text of the header, and the bytes after it.
fn header(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let wrong = |found: &str| {
        Err(Error::new(ErrorKind::File, "header", "NumPy's array format of version 1, 2 or 3", found))
    };
    let Some([major, _minor, rest @ ..]) = bytes.strip_prefix(MAGIC) else {
        return wrong("other bytes at the start");
    };
    let (length, rest) = match (major, rest) {
        (1, [a, b, rest @ ..]) => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        (1..=3, _) => return wrong("a file that ends in it"),
        _ => return wrong(&format!("version {major}")),
    };
    match rest.split_at_checked(length) {
        Some((header, data)) => match std::str::from_utf8(header) {
            Ok(header) => Ok((header, data)),
            Err(_) => wrong("a header that is not text"),
        },
        None => wrong("a file that ends in it"),
    }
}

/// The rest of the header after `'key':`.
fn literal<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = header.split_once(&format!("'{key}':"))?;
    Some(value.trim_start())
}

fn malformed(expected: &str, header: &str) -> Error {
    Error::new(ErrorKind::File, "header", expected, format!("`{}`", header.trim_end()))
}

fn shape(header: &str) -> Result<(usize, usize)> {
    let expected = "'shape': a tuple of whole numbers";
    let tuple = literal(header, "shape")
        .and_then(|value| value.strip_prefix('('))
        .and_then(|value| value.split_once(')'))
        .ok_or_else(|| malformed(expected, header))?;
    let lengths: Result<Vec<usize>, _> =
        tuple.0.split(',').map(str::trim).filter(|length| !length.is_empty()).map(str::parse).collect();
    match lengths.map_err(|_| malformed(expected, header))?.as_slice() {
        &[rows] => Ok((rows, 1)),
        &[rows, columns] => Ok((rows, columns)),
        other => Err(Error::new(
            ErrorKind::Shape,
            "shape",
            "one or two dimensions",
            format!("{}: ({})", other.len(), tuple.0),
        )
        .advise("reshape it to rows × columns before it is saved")),
    }
}

/// The size of a number in bytes, and the function that decodes it.
type NumberType = (usize, fn(&[u8]) -> f64);

fn number_type(header: &str) -> Result<NumberType> {
    let descr = literal(header, "descr")
        .and_then(|value| value.strip_prefix('\''))
        .and_then(|value| value.split_once('\''))
        .map_or("", |(descr, _)| descr);
    macro_rules! decoder {
        ($number:ty, $from_bytes:ident) => {
            Ok((size_of::<$number>(), |bytes| {
                <$number>::$from_bytes(bytes.try_into().expect("a chunk of the size of the type")) as f64
            }))
        };
    }
    match descr {
        "<f4" => decoder!(f32, from_le_bytes),
        "<f8" => decoder!(f64, from_le_bytes),
        ">f4" => decoder!(f32, from_be_bytes),
        ">f8" => decoder!(f64, from_be_bytes),
        "|b1" | "|u1" => decoder!(u8, from_le_bytes),
        "|i1" => decoder!(i8, from_le_bytes),
        "<i2" => decoder!(i16, from_le_bytes),
        "<i4" => decoder!(i32, from_le_bytes),
        "<i8" => decoder!(i64, from_le_bytes),
        "<u2" => decoder!(u16, from_le_bytes),
        "<u4" => decoder!(u32, from_le_bytes),
        "<u8" => decoder!(u64, from_le_bytes),
        ">i2" => decoder!(i16, from_be_bytes),
        ">i4" => decoder!(i32, from_be_bytes),
        ">i8" => decoder!(i64, from_be_bytes),
        ">u2" => decoder!(u16, from_be_bytes),
        ">u4" => decoder!(u32, from_be_bytes),
        ">u8" => decoder!(u64, from_be_bytes),
        _ => Err(malformed("'descr': a type of plain numbers, such as '<f4' or '<i8'", header)
            .advise("in NumPy, `x.astype('float32')` makes one")),
    }
}
