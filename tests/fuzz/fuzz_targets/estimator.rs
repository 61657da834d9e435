//! Any bytes as an estimator's file, or as the inside of one; what can be read predicts.
#![no_main]

mod wrapped;

use std::sync::OnceLock;

use polytask::ndarray::Array2;
use polytask::prelude::*;

/// A regressor's file and a classifier's, each of two networks.
fn files() -> &'static [Vec<u8>; 2] {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        let x = Array2::from_shape_fn((12, 2), |(i, j)| ((i * (j + 3)) % 7) as f32);
        let y = Array2::from_shape_fn((12, 2), |(i, k)| ((i + k) % 3) as f32);
        let regressor = MultiTaskRegressor::new().members(2).hidden([3]).epochs(1).threads(1);
        let classifier = MultiTaskClassifier::new().members(2).hidden([3]).epochs(1).threads(1);
        [
            regressor.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
            classifier.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        ]
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let which = usize::from(which % 2);
    let bytes = wrapped::inside(rest, || files()[which].clone());
    if let Ok(model) = MultiTaskRegressor::from_bytes::<f32>(&bytes) {
        let n_features = model.members()[0].n_features();
        let _ = model.predict(&Array2::zeros((1, n_features)));
        assert!(model.to_bytes().is_ok());
    }
    if let Ok(model) = MultiTaskClassifier::from_bytes::<f32>(&bytes) {
        let n_features = model.members()[0].n_features();
        let _ = model.predict(&Array2::zeros((1, n_features)));
        assert!(model.to_bytes().is_ok());
    }
});
