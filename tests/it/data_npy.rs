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
            "halves" | "halves_f8" => continue,
            "image" | "text" | "two" => {
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
    assert_eq!(files, 34);
}

#[test]
fn half_precision_is_widened_as_numpy_does() {
    let bits = |name: &str| {
        let numbers: Array2<f64> = npy::read(golden(name)).unwrap();
        // Of the numbers that are none the sign and the rest are nobody's promise.
        numbers.iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect::<Vec<u64>>()
    };
    let halves = bits("halves.npy");
    assert_eq!(halves, bits("halves_f8.npy"));
    assert_eq!(halves.len(), 13);
    assert_eq!(npy::read::<f32>(golden("halves.npy")).unwrap()[[8, 0]], 65504.0);
}

#[test]
fn two_arrays_in_one_file_are_named_as_such() {
    let error = npy::read::<f32>(golden("two.npy")).unwrap_err().to_string();
    let says = "numbers: expected 2 × 3 numbers of 8 bytes, found another array behind them \
                (save each array to a file of its own, or all with numpy.savez)";
    assert!(error.ends_with(says), "{error}");
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
        (
            "half floats",
            with_header("<f8", "<f2"),
            "2 × 3 numbers of 2 bytes, found 48 bytes (the file is not",
        ),
        ("complex", with_header("<f8", "<c8"), "a type of plain numbers"),
        ("a size of this machine", with_header("<f8", "<l"), "a type of plain numbers"),
        ("records", with_header("'<f8'", "[('a', '<f8')]"), "a type of plain numbers"),
        ("no order", with_header("'fortran_order': False, ", ""), "'fortran_order' and 'shape', each once"),
        ("order of text", with_header("False", "'False'"), "'fortran_order': True or False"),
        ("no shape", with_header("'shape': (2, 3), ", ""), "'fortran_order' and 'shape', each once"),
        ("another key", with_header("'shape'", "'size'"), "'fortran_order' and 'shape', each once"),
        ("two shapes", with_header("(2, 3)", "(3, 2), 'shape': (2, 3)"), "each once"),
        ("a key in a text", with_header("{", "{'x': \"'shape': (3, 2), \", "), "each once"),
        ("a key in a type", with_header("'<f8'", "\"<f8', 'shape': (3, 2), '\""), "a type of plain numbers"),
        ("two dictionaries", with_header("}", "} {"), "each once"),
        ("no end", with_header("}", ""), "each once"),
        ("brackets", with_header("(2, 3)", "[2, 3]"), "'shape': a tuple"),
        ("no tuple", with_header("(2, 3)", "(6)"), "'shape': a tuple"),
        ("two commas", with_header("(2, 3)", "(2,,3)"), "'shape': a tuple"),
        ("no comma", with_header("(2, 3)", "(2 3)"), "'shape': a tuple"),
        ("shape of text", with_header("(2, 3)", "(two, 3)"), "'shape': a tuple"),
        ("negative shape", with_header("(2, 3)", "(-2, -3)"), "'shape': a tuple"),
        ("scalar", with_header("(2, 3)", "()"), "one or two dimensions"),
        ("cube", with_header("(2, 3)", "(1, 2, 3)"), "one or two dimensions, found 3: (1, 2, 3)"),
        ("huge", with_header("(2, 3)", "(4294967296, 4294967296)"), "found 48 bytes"),
        ("no number", with_header("(2, 3)", "(18446744073709551616, 1)"), "'shape': a tuple"),
        ("endless", with_header("(2, 3)", "(18446744073709551615, 0)"), "18446744073709551615 × 0 numbers"),
        ("wide", with_header("(2, 3)", "(0, 9223372036854775808)"), "0 × 9223372036854775808 numbers"),
        ("longer", with_header("(2, 3)", "(2, 2)"), "found 48 bytes (the file is not what its header says)"),
    ] {
        let error = read(&bytes).expect_err(what);
        let message = error.to_string();
        assert!(message.contains(says), "{what}: `{says}` is not in `{message}`");
        assert!(message.starts_with(file.0.to_str().unwrap()), "{message}");
    }
    // The same without a number behind the header: no length of a file says that they are too long.
    for shape in ["(18446744073709551615, 0)", "(0, 18446744073709551615)", "(9223372036854775808, 0)"] {
        let bytes = with_header("(2, 3)", shape);
        assert!(
            read(&bytes[..bytes.len() - 48]).unwrap_err().to_string().contains("found 0 bytes"),
            "{shape}"
        );
    }
    assert_eq!(
        read(&with_header("(2, 3)", "(9, 0)")[..with_header("(2, 3)", "(9, 0)").len() - 48]).unwrap().dim(),
        (9, 0)
    );
    for length in 0..good.len() {
        assert!(read(&good[..length]).is_err(), "cut off after {length} bytes");
    }
    assert_eq!(npy::read::<f64>("no/such.npy").unwrap_err().kind(), ErrorKind::File);
    assert!(npy::write("no/such/folder.npy", array![[1.0_f64]].view()).is_err());
}
