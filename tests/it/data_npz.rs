//! NumPy's archives, made by NumPy with `golden/make_npz.py`, and archives that are none or that lie.

use std::fs;
use std::path::{Path, PathBuf};

use polytask::data::{Dataset, npz::Archive};
use polytask::ndarray::{Array2, array};
use polytask::{ErrorKind, Result};
use rawzip::CompressionMethod;

use crate::allocations::peak;

#[path = "../fuzz/fuzz_targets/packed.rs"]
mod packed;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/npz").join(name)
}

#[test]
fn arrays_of_numpy_are_read_by_name() {
    for name in ["stored.npz", "deflated.npz"] {
        let archive = Archive::open(golden(name)).expect("an archive");
        let x: Array2<f32> = archive.array("x").expect("a matrix");
        assert_eq!(x, array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], "{name}");
        let data = Dataset::new(x, archive.array("y").expect("a matrix")).expect("a table");
        assert_eq!(data.targets(), array![[10.0], [20.0]], "{name}");
        assert_eq!(archive.array::<f64>("größe").expect("a matrix"), array![[1.5]], "{name}");
        for (name, says) in [("text", "a type of plain numbers"), ("cube", "one or two dimensions")] {
            let error = archive.array::<f64>(name).expect_err(name).to_string();
            assert!(error.contains(says) && error.contains(&format!(".npz: `{name}`")), "{error}");
        }
        let error = archive.array::<f64>("z").expect_err("no z");
        assert_eq!(error.kind(), ErrorKind::Name);
        assert!(error.to_string().contains("an array named `z`, found `x`, `y`"), "{error}");
    }
    let names = Archive::open(golden("deflated.npz")).expect("an archive").names().to_vec();
    assert_eq!(names, ["x", "y", "zeros", "größe", "text", "cube"]);
    let unnamed = Archive::open(golden("unnamed.npz")).expect("an archive");
    assert_eq!(unnamed.names(), ["arr_0", "arr_1"]);
    assert_eq!(unnamed.array::<f64>("arr_0").expect("a matrix"), array![[1.0], [2.0]]);
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    // 16 000 bytes of zeros and a header, from some dozen.
    let archive = Archive::open(golden("deflated.npz")).expect("an archive");
    assert_eq!(archive.array::<f64>("zeros").expect("a matrix"), Array2::<f64>::zeros((200, 10)));
    let archive = archive.most_bytes(16_000);
    let error = archive.array::<f64>("zeros").expect_err("more than the limit").to_string();
    assert!(error.contains("expected at most 16000 bytes, found 16128"), "{error}");
    assert!(archive.array::<f64>("x").is_ok());
}

/// What counts is the memory that the matrix will take: eight bytes for each of one byte in the file.
#[test]
fn what_becomes_too_much_is_refused_before_it_is() {
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (1000, 1000), }\n";
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    array.resize(array.len() + 1_000_000, 3);
    let bytes = packed::archive(&packed::deflated(&array), CompressionMethod::DEFLATE, &array);
    assert!(bytes.len() < 10_000, "{}", bytes.len());
    let archive = Archive::from_bytes(bytes, "small.npz").expect("an archive").most_bytes(7_999_999);
    let (error, most) = peak(|| archive.array::<f64>("x").expect_err("eight bytes each").to_string());
    let says = "small.npz: `x`, matrix: expected at most 7999999 bytes, found 1000 × 1000 numbers that take 8000000 \
                (if you trust the file, Archive::most_bytes raises the limit)";
    assert_eq!(error, says);
    // The array as it is packed out, while it grows.
    assert!(most < 4_000_000, "{most}");
    assert_eq!(archive.array::<f32>("x").expect("four bytes each")[[999, 999]], 3.0);
    let archive = archive.most_bytes(8_000_000);
    let (matrix, most) = peak(|| archive.array::<f64>("x").expect("as many as may be"));
    // The array and the matrix, which is not turned from columns to rows in yet another.
    assert!(matrix.is_standard_layout() && most < 12_000_000, "{most}");
}

/// The bytes at the first place of `find` in `bytes` from the last `from` on, replaced.
fn changed(bytes: &[u8], from: &[u8], at: usize, to: &[u8]) -> Vec<u8> {
    let last = bytes.windows(from.len()).rposition(|window| window == from).expect("it is there");
    let mut bytes = bytes.to_vec();
    bytes[last + at..last + at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn archives_that_lie_give_errors_that_name_the_fault() {
    let array =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/npy/little_f8.npy")).unwrap();
    let deflated = packed::deflated(&array);
    let deflate = CompressionMethod::DEFLATE;
    let read = |bytes: Vec<u8>| -> Result<Array2<f64>> { Archive::from_bytes(bytes, "lie.npz")?.array("x") };
    let good = packed::archive(&deflated, deflate, &array);
    assert_eq!(read(good.clone()).expect("in order")[[1, 2]], 5.0);
    // In the central directory: method at 10, checksum at 16, packed size at 20, unpacked size at 24.
    let directory = |at: usize, to: &[u8]| changed(&good, b"PK\x01\x02", at, to);
    let mut twice = array.clone();
    twice.extend(&array);
    let mut other = array.clone();
    other[150] ^= 1;
    for (what, bytes, says) in [
        ("nothing", vec![], "a whole zip archive"),
        ("text", b"x,y\n1,2\n".to_vec(), "a whole zip archive"),
        ("an npy file", array.clone(), "a whole zip archive"),
        ("cut off", good[..good.len() - 30].to_vec(), "a whole zip archive"),
        ("bzip2", directory(10, &[12, 0]), "arrays that are stored or deflated"),
        ("another checksum", directory(16, &[1, 2, 3, 4]), "what NumPy packed"),
        ("impossible", directory(24, &[0, 0, 0, 0x30]), "at most 1032 bytes for each of"),
        ("beyond the limit", directory(24, &[0, 0, 0, 0x70]), "at most 1073741824 bytes"),
        ("said to be longer", packed::archive(&deflated, deflate, &twice), "what NumPy packed"),
        ("longer than said", packed::archive(&packed::deflated(&twice), deflate, &array), "packed bytes"),
        ("damaged", packed::archive(&deflated, deflate, &other), "what NumPy packed"),
        ("no stream", packed::archive(&[0xff; 40], deflate, &array), "what NumPy packed"),
        (
            "no array",
            packed::archive(b"hello", CompressionMethod::STORE, b"hello"),
            "other bytes at the start",
        ),
    ] {
        let message = read(bytes).expect_err(what).to_string();
        assert!(message.contains(says), "{what}: `{says}` is not in `{message}`");
        assert!(message.starts_with("lie.npz"), "{message}");
    }
    for length in 0..good.len() {
        assert!(read(good[..length].to_vec()).is_err(), "cut off after {length} bytes");
    }
    assert_eq!(Archive::open("no/such.npz").expect_err("no file").kind(), ErrorKind::File);
}
