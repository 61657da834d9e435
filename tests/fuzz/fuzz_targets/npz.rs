//! Any bytes as a NumPy archive, or as an array packed in one that is in order.
#![no_main]

mod packed;

use polytask::data::npz::Archive;
use rawzip::CompressionMethod;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = inside(bytes);
    let n = bytes.len();
    let Ok(archive) = Archive::from_bytes(bytes, "fuzz") else { return };
    let archive = archive.most_bytes(1 << 22);
    for name in archive.names().iter().take(3) {
        if let Ok(matrix) = archive.array::<f64>(name) {
            assert!(matrix.len() <= 1032 * n);
        }
    }
});

/// The archive that the first byte and the rest describe.
fn inside(bytes: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = bytes.split_first() else { return Vec::new() };
    match kind % 4 {
        // The array as it is, stored and deflated.
        1 => packed::archive(rest, CompressionMethod::STORE, rest),
        2 => packed::archive(&packed::deflated(rest), CompressionMethod::DEFLATE, rest),
        // A stream of its own; checksum and length are those of nothing.
        3 => packed::archive(rest, CompressionMethod::DEFLATE, &[]),
        _ => rest.to_vec(),
    }
}
