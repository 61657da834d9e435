//! Any bytes as a CSV file.
#![no_main]

use polytask::data::csv::CsvReader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let first = bytes.split(|byte| b",\n".contains(byte)).next().unwrap_or_default();
    let reader = CsvReader::new().targets([String::from_utf8_lossy(first)]);
    if let Ok((data, encoding)) = reader.read_from::<f32>(bytes, "fuzz") {
        // What was read can be read again in the same way.
        let again = encoding.read_from::<f32>(bytes, "fuzz").expect("the same file");
        assert_eq!(data.n_features(), again.n_features());
    }
});
