//! From the bytes of a fuzzer to a zip archive whose outside is in order.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};

/// The archive that the first byte and the rest describe.
pub fn inside(bytes: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = bytes.split_first() else { return Vec::new() };
    match kind % 4 {
        // The array as it is, stored and deflated.
        1 => archive(rest, CompressionMethod::STORE, rest),
        2 => archive(&deflated(rest), CompressionMethod::DEFLATE, rest),
        // A stream of its own; checksum and length are those of nothing.
        3 => archive(rest, CompressionMethod::DEFLATE, &[]),
        _ => rest.to_vec(),
    }
}

pub fn deflated(array: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(array).expect("memory");
    encoder.finish().expect("memory")
}

/// An archive of one entry `x.npy`: `packed`, said to be `array` packed by `method`.
pub fn archive(packed: &[u8], method: CompressionMethod, array: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipArchiveWriter::new(&mut bytes);
    let (mut entry, config) =
        zip.new_file("x.npy").compression_method(method).start().expect("a name that is in order");
    // Checksum and length come from the array, the bytes from `packed`.
    let mut described = config.wrap(std::io::sink());
    described.write_all(array).expect("nowhere to fail");
    let (_, description) = described.finish().expect("nowhere to fail");
    entry.write_all(packed).expect("memory");
    entry.finish(description).expect("memory");
    zip.finish().expect("memory");
    bytes
}
