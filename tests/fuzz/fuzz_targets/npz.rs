//! Any bytes as a NumPy archive, or as an array packed in one that is in order.
#![no_main]

mod packed;

use polytask::data::npz::Archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = packed::inside(bytes);
    let n = bytes.len();
    let Ok(archive) = Archive::from_bytes(bytes, "fuzz") else { return };
    let archive = archive.most_bytes(1 << 22);
    for name in archive.names().iter().take(3) {
        if let Ok(matrix) = archive.array::<f64>(name) {
            assert!(matrix.len() <= 1032 * n);
        }
    }
});
