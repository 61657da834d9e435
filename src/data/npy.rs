//! NumPy array files (`.npy`): data from and to Python without a detour through text.
//!
//! ```text
//! \x93NUMPY  major minor  header length (u16; u32 from version 2 on; little-endian)
//! {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      a Python literal, padded with spaces
//! the numbers
//! ```
//!
//! Source: the format is described in NumPy's `numpy.lib.format`, versions 1.0 to 3.0.

mod header;

use std::path::Path;

use ndarray::{Array2, ArrayView2};

use self::header::Header;
use crate::{Error, ErrorKind, Result, Scalar, file};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array file as a matrix; a one-dimensional array becomes a matrix of one column.
///
/// The array may hold floats of 2, 4 or 8 bytes, integers of 1 to 8 bytes, or booleans, in either byte order, and
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
    parse(&file::read(path)?, u64::MAX).map_err(|error| error.within(path.display()))
}

/// Writes a matrix as an array file, which `numpy.load` reads: `rows × columns` little-endian numbers of the
/// matrix's own type, in row-major order. A crash leaves
/// either an old file or the new one, complete; an old file keeps its permissions.
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
/// [`ErrorKind::File`] if the file cannot be written; if there is one that is no regular file, has several names (hard
/// links) or is read-only.
pub fn write<F: Scalar>(path: impl AsRef<Path>, matrix: ArrayView2<'_, F>) -> Result<()> {
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
    file::replace(path.as_ref(), &bytes)
}

/// The matrix in the bytes of a file, if it takes at most `most_bytes` in memory.
pub(super) fn parse<F: Scalar>(bytes: &[u8], most_bytes: u64) -> Result<Array2<F>> {
    let (header, data) = header(bytes)?;
    let Header { number: (size, decode), columns_first, rows, columns } = Header::parse(header)?;
    // Also where one of the lengths is 0, a matrix must not be longer than addresses can be.
    let is_possible = rows.max(1).checked_mul(columns.max(1)).is_some_and(|n| isize::try_from(n).is_ok());
    let expected =
        rows.checked_mul(columns).and_then(|count| count.checked_mul(size)).filter(|_| is_possible);
    if expected != Some(data.len()) {
        let (behind, is_longer) = match expected.and_then(|length| data.get(length..)) {
            Some(behind) => (behind, true),
            None => (&[][..], false),
        };
        let found = match behind.starts_with(MAGIC) {
            true => "another array behind them".to_owned(),
            false => format!("{} bytes", data.len()),
        };
        let expected = format!("{rows} × {columns} numbers of {size} bytes");
        return Err(Error::new(ErrorKind::File, "numbers", expected, found).advise(match is_longer {
            true if behind.starts_with(MAGIC) => {
                "save each array to a file of its own, or all with numpy.savez"
            }
            true => "the file is not what its header says",
            false => "the file was cut off, or is not what its header says",
        }));
    }
    let in_memory = (rows * columns) as u64 * size_of::<F>() as u64;
    if in_memory > most_bytes {
        let found = format!("{rows} × {columns} numbers that take {in_memory}");
        return Err(Error::new(ErrorKind::File, "matrix", format!("at most {most_bytes} bytes"), found)
            .advise("if you trust the file, Archive::most_bytes raises the limit"));
    }
    let number = |at: usize| F::from_f64(decode(&data[at * size..][..size]));
    let numbers = match columns_first {
        false => (0..rows * columns).map(number).collect(),
        true => (0..rows * columns).map(|at| number(at % columns * rows + at / columns)).collect(),
    };
    Ok(Array2::from_shape_vec((rows, columns), numbers).expect("as many numbers as were counted"))
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
