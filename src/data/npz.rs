//! NumPy archives of several arrays (`.npz`; feature `npz`): a zip archive with one `.npy` file per array, as
//! written by `numpy.savez` and `numpy.savez_compressed`.
//!
//! An array is unpacked when it is asked for. A damaged or malicious file must not exhaust the memory, so:
//!
//! - No number in the archive is trusted. An array that claims to unpack to more than 1032 times its packed
//!   size, the most that DEFLATE can do, is refused at once. Memory is allocated only as bytes are unpacked,
//!   and in the end length and checksum must agree with the archive.
//! - An array larger than a limit is refused, both as it is unpacked and as the matrix that it becomes, before
//!   that is made ([`Archive::most_bytes`], default: 1 GiB).
//! - Arrays are unpacked one at a time, so many small entries do not add up.
//!
//! Source: NumPy's `numpy.savez` and PKWARE's APPNOTE describe the format. The crate `rawzip` reads the
//! archive, and `flate2` unpacks.

use std::io::Read;
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use ndarray::Array2;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};

use super::{names, npy};
use crate::{Error, ErrorKind, Result, Scalar, file};

/// The most bytes that one byte of DEFLATE can unpack to: 258 for every two bits.
const LARGEST_FACTOR: u64 = 1032;

/// An archive of named arrays.
///
/// ```no_run
/// use polytask::data::{Dataset, npz::Archive};
///
/// let file = Archive::open("table.npz")?; // numpy.savez("table.npz", x=x, y=y)
/// let data = Dataset::<f32>::new(file.array("x")?, file.array("y")?)?;
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    /// The name of the file in error messages.
    place: String,
    zip: ZipSliceArchive<Vec<u8>>,
    names: Vec<String>,
    entries: Vec<(CompressionMethod, ZipArchiveEntryWayfinder)>,
    most_bytes: u64,
}

impl Archive {
    /// Reads a file and finds the names in it; nothing is unpacked yet.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is not a zip archive, [`ErrorKind::Name`] if two
    /// arrays have the same name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(file::read(path)?, &path.display().to_string())
    }

    /// Like [`open`](Self::open), for a file that is already in memory; error messages call it `name`.
    ///
    /// ```
    /// use polytask::data::npz::Archive;
    /// use polytask::ndarray::array;
    ///
    /// # // `tests/golden/make_npz.py` makes it with NumPy.
    /// # let bytes = std::fs::read("tests/golden/npz/deflated.npz").expect("a file of the tests");
    /// let file = Archive::from_bytes(bytes, "uploaded")?; // of numpy.savez_compressed(file, x=…, y=…, …)
    /// assert_eq!(file.names()[..3], ["x", "y", "zeros"]);
    /// assert_eq!(file.array::<f32>("y")?, array![[10.0], [20.0]]);
    /// let error = file.array::<f32>("z").unwrap_err();
    /// assert!(error.to_string().starts_with("uploaded: expected an array named `z`"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`open`](Self::open), except for a file that cannot be read.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let place = name.to_owned();
        let broken =
            |cause| Error::new(ErrorKind::File, &place, "a whole zip archive", &cause).caused_by(cause);
        let zip = ZipArchive::from_slice(bytes).map_err(broken)?;
        let (mut arrays, mut entries) = (Vec::<String>::new(), zip.entries());
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().map_err(broken)? {
            let path = entry.file_path();
            let Some(name) = path.as_ref().strip_suffix(b".npy") else { continue };
            let Ok(name) = std::str::from_utf8(name) else {
                let shown = String::from_utf8_lossy(name);
                return Err(Error::new(ErrorKind::File, place, "names in UTF-8", format!("`{shown}`")));
            };
            arrays.push(name.to_owned());
            found.push((entry.compression_method(), entry.wayfinder()));
        }
        let mut sorted: Vec<&String> = arrays.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let found = format!("`{}` a second time", twice[0]);
            return Err(Error::new(ErrorKind::Name, place, "names that differ", found));
        }
        Ok(Self { place, zip, names: arrays, entries: found, most_bytes: 1 << 30 })
    }

    /// The most bytes that an array may unpack to, and that the matrix may take which it becomes (default: 1 GiB
    /// each). A small file can unpack to a thousand times its size, and a number of one byte becomes one of four or
    /// eight.
    ///
    /// ```
    /// # use polytask::data::npz::Archive;
    /// # let bytes = std::fs::read("tests/golden/npz/deflated.npz").expect("a file of the tests");
    /// let file = Archive::from_bytes(bytes, "uploaded")?; // `zeros` is 200 × 10 numbers of 8 bytes
    /// assert!(file.array::<f32>("zeros").is_ok());
    /// assert!(file.most_bytes(10_000).array::<f32>("zeros").is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn most_bytes(mut self, most: u64) -> Self {
        self.most_bytes = most;
        self
    }

    /// The names of the arrays, in the order of the file; `numpy.savez(file, a, b)` calls them `arr_0` and `arr_1`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Unpacks an array and reads it as [`npy::read`] does: as a matrix, rounded to `F`.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no array of that name; [`ErrorKind::File`] if it is packed in another
    /// way than NumPy's, is damaged or unpacks to too much; and as [`npy::read`].
    pub fn array<F: Scalar>(&self, name: &str) -> Result<Array2<F>> {
        let at = self.names.iter().position(|candidate| candidate == name).ok_or_else(|| {
            let found = match self.names.as_slice() {
                [] => "none at all".to_owned(),
                names => names::quoted(names),
            };
            Error::new(ErrorKind::Name, &self.place, format!("an array named `{name}`"), found)
        })?;
        let place = format!("{}: `{name}`", self.place);
        let bytes = self.unpacked(at).map_err(|error| error.within(&place))?;
        npy::parse(&bytes, self.most_bytes).map_err(|error| error.within(place))
    }

    /// The bytes of an entry.
    fn unpacked(&self, at: usize) -> Result<Vec<u8>> {
        let (method, wayfinder) = self.entries[at];
        let packed = wayfinder.compressed_size_hint();
        let unpacked = wayfinder.uncompressed_size_hint();
        if unpacked > self.most_bytes {
            let expected = format!("at most {} bytes", self.most_bytes);
            return Err(Error::new(ErrorKind::File, "unpacked size", expected, unpacked)
                .advise("if you trust the file, Archive::most_bytes raises the limit"));
        }
        if unpacked > packed.saturating_mul(LARGEST_FACTOR) {
            let expected = format!("at most {LARGEST_FACTOR} bytes for each of {packed}");
            return Err(Error::new(ErrorKind::File, "unpacked size", expected, unpacked));
        }
        let broken = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::File, "packed bytes", "what NumPy packed", &cause).caused_by(cause)
        };
        let entry = self.zip.get_entry(wayfinder).map_err(|cause| broken(cause.into()))?;
        let mut bytes = Vec::new();
        // One byte more than there should be, to notice a stream that is too long.
        let done = match method {
            CompressionMethod::STORE => {
                entry.verifying_reader(entry.data()).take(unpacked + 1).read_to_end(&mut bytes)
            }
            CompressionMethod::DEFLATE => entry
                .verifying_reader(DeflateDecoder::new(entry.data()))
                .take(unpacked + 1)
                .read_to_end(&mut bytes),
            other => {
                let expected = "arrays that are stored or deflated";
                return Err(Error::new(ErrorKind::File, "packing", expected, format!("{other:?}")));
            }
        };
        done.map_err(|cause| broken(cause.into()))?;
        match bytes.len() as u64 == unpacked {
            true => Ok(bytes),
            false => {
                let found = if (bytes.len() as u64) < unpacked { "fewer" } else { "more" };
                Err(Error::new(ErrorKind::File, "packed bytes", format!("{unpacked} bytes"), found))
            }
        }
    }
}
