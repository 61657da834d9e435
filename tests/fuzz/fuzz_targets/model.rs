//! Any bytes as a model's file, or as the inside of one.
#![no_main]

mod wrapped;

use polytask::Model;
use polytask::ndarray::Array2;
use polytask::prelude::*;

fn file() -> Vec<u8> {
    let builder = Model::builder(3)
        .trunk([Layer::dense(4, Activation::LeakyRelu { slope: 0.1 })])
        .task(Task::regression("price").head([Layer::dense(2, Activation::Gelu)]))
        .task(Task::classes("kind", 3));
    builder.build::<f32>().expect("valid settings").to_bytes().expect("bytes")
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = wrapped::inside(bytes, file);
    let Ok(model) = Model::<f32>::from_bytes(&bytes) else { return };
    assert!(4 * model.n_parameters() <= bytes.len());
    let _ = model.predict(Array2::zeros((1, model.n_features())).view());
    // Numbers of which a few are beyond an f32 may be cast to nothing; what is read can be written.
    assert!(model.to_bytes().is_ok());
});
