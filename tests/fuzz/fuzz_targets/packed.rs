//! Zip archives whose outside is in order, for the test and the fuzzer.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};

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
