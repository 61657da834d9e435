//! Any bytes as an estimator's file, or as the inside of one; what can be read predicts.
#![no_main]

mod wrapped;

use std::sync::OnceLock;

use polytask::estimator::{Fitted, FittedMembers, Regression};
use polytask::ndarray::Array2;
use polytask::prelude::*;

/// A regressor's file and a classifier's, each of two networks, and the second network of the regressor alone; a regressor's
/// file of two kinds of networks, and all of these as a part.
fn files() -> &'static [Vec<u8>; 5] {
    static FILES: OnceLock<[Vec<u8>; 5]> = OnceLock::new();
    FILES.get_or_init(|| {
        let x = Array2::from_shape_fn((12, 2), |(i, j)| ((i * (j + 3)) % 7) as f32);
        let y = Array2::from_shape_fn((12, 2), |(i, k)| ((i + k) % 3) as f32);
        let regressor = MultiTaskRegressor::new().members(2).hidden([3]).epochs(1).threads(1);
        let classifier = MultiTaskClassifier::new().members(2).hidden([3]).epochs(1).threads(1);
        let kinds = regressor.clone().members(4).folds(2);
        let data = Dataset::new(x.clone(), y.clone()).expect("a table");
        [
            regressor.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
            classifier.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
            regressor.fit_members(&data, 1..2).expect("it").to_bytes().expect("bytes"),
            kinds.fit_table(&data).expect("a table").to_bytes().expect("bytes"),
            kinds.fit_members(&data, 0..4).expect("all").to_bytes().expect("bytes"),
        ]
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let which = usize::from(which % 5);
    let bytes = wrapped::inside(rest, || files()[which].clone());
    if let Ok(model) = MultiTaskRegressor::from_bytes::<f32>(&bytes) {
        let n_features = model.members()[0].n_features();
        let _ = model.predict(&Array2::zeros((1, n_features)));
        assert!(model.to_bytes().is_ok());
    }
    if let Ok(part) = FittedMembers::<Regression, f32>::from_bytes(&bytes) {
        assert!(part.to_bytes().is_ok());
        if let Ok(model) = Fitted::merge([part.clone()]) {
            let _ = model.predict(&Array2::zeros((1, model.members()[0].n_features())));
        }
        let _ = Fitted::merge([part.clone(), part]);
    }
    if let Ok(model) = MultiTaskClassifier::from_bytes::<f32>(&bytes) {
        let n_features = model.members()[0].n_features();
        let _ = model.predict(&Array2::zeros((1, n_features)));
        assert!(model.to_bytes().is_ok());
    }
});
