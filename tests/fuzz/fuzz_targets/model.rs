//! Any bytes as a model's file, or as the inside of one.
#![no_main]

mod wrapped;

use polytask::Model;
use polytask::data::csv::CsvReader;
use polytask::ndarray::Array2;
use polytask::prelude::*;

/// Three features.
const ROWS: &str = "size,roof,price,kind\n1.5,flat,3,b\n2,round,,c\n3,flat,1,a\n";

fn file() -> Vec<u8> {
    let builder = Model::builder(3)
        .trunk([Layer::dense(4, Activation::LeakyRelu { slope: 0.1 })])
        .task(Task::regression("price").head([Layer::dense(2, Activation::Gelu)]))
        .task(Task::classes("kind", 3));
    let mut model = builder.build::<f32>().expect("valid settings");
    let reader = CsvReader::new().targets(["price"]).class_targets(["kind"]);
    let (_, encoding) = reader.read_from::<f32>(ROWS.as_bytes(), "fuzz").expect("a table");
    model.set_encoding(encoding).expect("three features");
    model.to_bytes().expect("bytes")
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = wrapped::inside(bytes, file);
    let Ok(model) = Model::<f32>::from_bytes(&bytes) else { return };
    assert!(4 * model.n_parameters() <= bytes.len());
    let _ = model.predict(Array2::zeros((1, model.n_features())).view());
    if let Some(encoding) = model.encoding() {
        let _ = encoding.clone().lenient().read_from::<f32>(ROWS.as_bytes(), "fuzz");
    }
    // Numbers of which a few are beyond an f32 may be cast to nothing; what is read can be written.
    assert!(model.to_bytes().is_ok());
});
