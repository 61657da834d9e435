//! What TensorFlow's 1.x graph API did with the tutorial's program, and the same training here.
//!
//! `golden/make_tutorial.py` recorded it, in f64 and in f32.

use std::collections::HashMap;

use ndarray::{Array2, Axis, concatenate};
use polytask::Scalar;
use polytask::prelude::*;
use safetensors::SafeTensors;

pub type Tensors<F> = HashMap<String, Array2<F>>;

fn read<F: Scalar>(bytes: &[u8], number: impl Fn(&[u8]) -> F, size: usize) -> Tensors<F> {
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    file.iter()
        .map(|(name, tensor)| {
            let numbers: Vec<F> = tensor.data().chunks_exact(size).map(&number).collect();
            let rows = if tensor.shape().len() == 2 { tensor.shape()[0] } else { 1 };
            let cols = numbers.len() / rows;
            (name.to_owned(), Array2::from_shape_vec((rows, cols), numbers).expect("rows × cols numbers"))
        })
        .collect()
}

pub fn dataset<F: Scalar>(tensors: &Tensors<F>, suffix: &str) -> Dataset<F> {
    let part = |name: &str| tensors[&format!("{name}{suffix}")].view();
    let targets = concatenate(Axis(1), &[part("y1"), part("y2")]).expect("as many labels of each");
    Dataset::new(part("x").to_owned(), targets)
        .and_then(|d| d.with_target_names(["one", "two"]))
        .expect("a table")
}

/// The names of the blocks of θ in the script.
pub const BLOCKS: [(&str, &str); 6] = [
    ("trunk.0.weight", "w0"),
    ("trunk.0.bias", "b0"),
    ("head.one.0.weight", "w1"),
    ("head.one.0.bias", "b1"),
    ("head.two.0.weight", "w2"),
    ("head.two.0.bias", "b2"),
];

pub fn tutorial<F: Scalar>(tensors: &Tensors<F>) -> Model<F> {
    let mut model = Model::builder(10)
        .trunk([Layer::dense(10, Activation::Relu)])
        .task(Task::regression("one"))
        .task(Task::regression("two"))
        .build::<F>()
        .expect("valid settings");
    for (block, name) in BLOCKS {
        let block = model.network().layout().block(block).expect("a block of that name");
        block.of_mut(model.parameters_mut()).assign(&tensors[name]);
    }
    model
}

/// |a − b| / max(|b|, 1) at its largest.
fn distance<F: Scalar>(a: impl IntoIterator<Item = F>, b: impl IntoIterator<Item = F>) -> f64 {
    let relative = |(a, b): (F, F)| (a.to_f64() - b.to_f64()).abs() / b.to_f64().abs().max(1.0);
    a.into_iter().zip(b).map(relative).fold(0.0, f64::max)
}

/// Returns how far losses, final weights and test losses are from the record.
fn train_as_recorded<F: Scalar>(tensors: &Tensors<F>) -> [f64; 3] {
    let (train, test) = (dataset(tensors, ""), dataset(tensors, "_test"));
    let mut model = tutorial(tensors);
    let history = Trainer::new(Adam::new(0.01).epsilon_hat())
        .batch_size(32)
        .steps(1000)
        .in_order()
        .fit(&mut model, &train)
        .expect("a training");

    let losses = distance(history.losses().iter().copied(), tensors["losses"].iter().map(|l| l.to_f64()));
    let weights = BLOCKS.map(|(block, name)| {
        let block = model.network().layout().block(block).expect("a block of that name");
        let recorded = &tensors[&format!("{name}_final")];
        distance(block.of(model.parameters()).iter().copied(), recorded.iter().copied())
    });
    let report = model.evaluate(&test).expect("an evaluation");
    let found = ["one", "two"].map(|task| report[task].loss);
    let recorded = tensors["test_losses"].iter().map(|l| l.to_f64());
    [losses, weights.into_iter().fold(0.0, f64::max), distance(found, recorded)]
}

pub fn f64_record() -> Tensors<f64> {
    let bytes = include_bytes!("../golden/tutorial_tf1_f64.safetensors");
    read(bytes, |b| f64::from_le_bytes(b.try_into().expect("8 bytes")), 8)
}

/// A step rounds a few dozen times, each by 1.1e-16 relative; the training is stable, so that errors do not
/// grow from step to step. A rewrite in NumPy agrees to 4e-15; 1e-12 leaves room for another order of summation.
pub fn assert_f64_agrees() {
    let [losses, weights, test] = train_as_recorded(&f64_record());
    println!("f64: losses {losses:.1e}, final weights {weights:.1e}, test losses {test:.1e}");
    assert!(losses < 1e-12 && weights < 1e-12 && test < 1e-12, "{losses:e} {weights:e} {test:e}");
}

/// The same in f32, where a rounding is 6e-8 and Adam's division by the root of a small moment magnifies it.
pub fn assert_f32_agrees() {
    let bytes = include_bytes!("../golden/tutorial_tf1_f32.safetensors");
    let tensors = read(bytes, |b| f32::from_le_bytes(b.try_into().expect("4 bytes")), 4);
    let [losses, weights, test] = train_as_recorded(&tensors);
    println!("f32: losses {losses:.1e}, final weights {weights:.1e}, test losses {test:.1e}");
    assert!(losses < 1e-5 && test < 1e-5, "{losses:e} {test:e}");
}
