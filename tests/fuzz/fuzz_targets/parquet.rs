//! Any bytes as a Parquet file.
#![no_main]

use polytask::data::csv::{CsvReader, Table};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // What the Parquet crate panics on is an error to a caller; libFuzzer would take it for a finding of its own.
    std::panic::set_hook(Box::new(|_| {}));
    let Ok(table) = Table::parquet_from(bytes.to_vec(), "fuzz") else { return };
    if let Ok(encoding) = CsvReader::new().fit(&table) {
        let data = encoding.apply::<f64>(&table).expect("the table that it was fitted to");
        assert!(data.features().iter().all(|x| x.is_finite()));
    }
});
