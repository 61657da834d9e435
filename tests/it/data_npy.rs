//! NumPy's files, made by NumPy with `golden/make_npy.py`, and files that are none.

use std::fs;
use std::path::{Path, PathBuf};

use polytask::data::npy;
use polytask::ndarray::{Array2, array, s};
use polytask::{ErrorKind, Result};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/npy").join(name)
}

/// A file of its own for each test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("polytask-{}-{name}.npy", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn every_type_and_order_of_numpy_is_read() {
    let mut files = 0;
    for entry in fs::read_dir(golden("")).unwrap() {
        let path = entry.unwrap().path();
        let read = npy::read::<f32>(&path);
        let expected = match path.file_stem().unwrap().to_str().unwrap() {
            "image" | "text" => {
                assert!(read.is_err());
                continue;
            }
            "bool" => array![[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
            "vector" => array![[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]],
            _ => array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        };
        let matrix = read.unwrap();
        assert_eq!(matrix, expected, "{}", path.display());
        assert!(matrix.is_standard_layout());
        files += 1;
    }
    assert_eq!(files, 22);
}

/// NumPy and this crate write the same bytes for the same matrix.
#[test]
fn files_written_are_those_of_numpy() {
    let matrix = array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]];
    let file = Temporary::new("written");
    npy::write(&file.0, matrix.view()).unwrap();
    assert_eq!(fs::read(&file.0).unwrap(), fs::read(golden("little_f8.npy")).unwrap());
    npy::write(&file.0, matrix.map(|&x| x as f32).view()).unwrap();
    assert_eq!(fs::read(&file.0).unwrap(), fs::read(golden("little_f4.npy")).unwrap());
}

#[test]
fn numbers_come_back_bit_for_bit() {
    let matrix = array![[0.1, -0.0, f64::NAN], [f64::MIN_POSITIVE / 8.0, f64::MAX, f64::NEG_INFINITY]];
    let file = Temporary::new("bits");
    for matrix in [matrix.view(), matrix.t(), matrix.slice(s![.., ..;-2]), Array2::zeros((0, 4)).view()] {
        npy::write(&file.0, matrix).unwrap();
        let back: Array2<f64> = npy::read(&file.0).unwrap();
        assert_eq!(back.dim(), matrix.dim());
        assert!(back.iter().zip(matrix).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn files_that_are_none_give_errors_that_name_the_fault() {
    let file = Temporary::new("hostile");
    let good = fs::read(golden("little_f8.npy")).unwrap();
    let text = String::from_utf8_lossy(&good[10..128]).into_owned();
    let with_header = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        let header = &changed.as_bytes()[..changed.len()];
        [&good[..8], &(header.len() as u16).to_le_bytes(), header, &good[128..]].concat()
    };
    let read = |bytes: &[u8]| -> Result<Array2<f64>> {
        fs::write(&file.0, bytes).unwrap();
        npy::read(&file.0)
    };
    assert!(read(&with_header("", "")).is_ok(), "the header is put back as it was");
    for (what, bytes, says) in [
        ("empty", vec![], "other bytes at the start"),
        ("text", b"x,y\n1,2\n".to_vec(), "other bytes at the start"),
        ("version 9", [&good[..6], &[9], &good[7..]].concat(), "version 9"),
        ("four-byte types", with_header("<f8", "<f4"), "2 × 3 numbers of 4 bytes, found 48 bytes"),
        ("half floats", with_header("<f8", "<f2"), "a type of plain numbers"),
        ("records", with_header("'<f8'", "[('a', '<f8')]"), "a type of plain numbers"),
        ("no order", with_header("'fortran_order': False", ""), "'fortran_order': True or False"),
        ("no shape", with_header("'shape'", "'size'"), "'shape': a tuple"),
        ("shape of text", with_header("(2, 3)", "(two, 3)"), "'shape': a tuple"),
        ("negative shape", with_header("(2, 3)", "(-2, -3)"), "'shape': a tuple"),
        ("scalar", with_header("(2, 3)", "()"), "one or two dimensions"),
        ("cube", with_header("(2, 3)", "(1, 2, 3)"), "one or two dimensions, found 3: (1, 2, 3)"),
        ("huge", with_header("(2, 3)", "(4294967296, 4294967296)"), "found 48 bytes"),
    ] {
        let error = read(&bytes).expect_err(what);
        let message = error.to_string();
        assert!(message.contains(says), "{what}: `{says}` is not in `{message}`");
        assert!(message.starts_with(file.0.to_str().unwrap()), "{message}");
    }
    for length in 0..good.len() {
        assert!(read(&good[..length]).is_err(), "cut off after {length} bytes");
    }
    assert_eq!(npy::read::<f64>("no/such.npy").unwrap_err().kind(), ErrorKind::File);
    assert!(npy::write("no/such/folder.npy", array![[1.0_f64]].view()).is_err());
}
