//! Any bytes as a NumPy file.
#![no_main]

use polytask::data::npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("polytask-fuzz-npy-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(matrix) = npy::read::<f64>(&path) {
        assert!(matrix.len() <= bytes.len());
    }
});
