//! One model serves any number of threads at once, in memory of theirs, with the bits of `predict`; and what does not
//! fit is an error that writes nothing.

use std::thread;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use polytask::prelude::*;
use polytask::{ErrorKind, Scalar};

/// Fails to compile if a model may not be used by several threads at once.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Model<f32>>();
const _: () = is_shared::<Model<f64>>();

fn features<F: Scalar>(n: usize) -> Array2<F> {
    Array2::from_shape_fn((n, 10), |(i, j)| F::from_f64(((i * 7 + j * 3) % 11) as f64 * 0.3 - 1.5))
}

fn model<F: Scalar>() -> Model<F> {
    let mut model = Model::builder(10)
        .trunk([Layer::dense(33, Activation::Gelu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").head([Layer::dense(5, Activation::Tanh)]))
        .task(Task::classes("kind", 3))
        .standardize()
        .build()
        .expect("valid settings");
    let targets = Array2::from_shape_fn((50, 3), |(i, j)| F::from_f64((7 * i % (3 + j)) as f64));
    let data =
        Dataset::new(features(50), targets).and_then(|d| d.with_target_names(["shoulder", "elbow", "kind"]));
    model.fit_scaling(&data.expect("a table")).expect("data");
    model
}

fn serves_threads<F: Scalar>() {
    let (model, features) = (model::<F>(), features::<F>(300));
    let whole = model.predict(features.view()).expect("a prediction");
    let single = |i: usize| model.predict(features.slice(s![i..i + 1, ..])).expect("a prediction");
    thread::scope(|scope| {
        for worker in 0..4 {
            let (model, features, whole) = (&model, &features, &whole);
            scope.spawn(move || {
                let mut trace = model.trace(300);
                for round in 0..10 {
                    let mut all = [Array2::zeros((300, 1)), Array2::zeros((300, 1)), Array2::zeros((300, 3))];
                    let mut views = all.each_mut().map(|to| to.view_mut());
                    model.predict_into(features.view(), &mut trace, &mut views).expect("a prediction");
                    assert!(all.iter().zip(whole.iter()).all(|(found, (_, expected))| found == expected));

                    let i = (worker * 71 + round * 13) % 300;
                    let mut row = [Array2::zeros((1, 1)), Array2::zeros((1, 1)), Array2::zeros((1, 3))];
                    let mut views = row.each_mut().map(|to| to.view_mut());
                    let one = features.slice(s![i..i + 1, ..]);
                    model.predict_into(one, &mut trace, &mut views).expect("a prediction");
                    let expected = single(i);
                    assert!(row.iter().zip(expected.iter()).all(|(found, (_, expected))| found == expected));
                }
            });
        }
    });
}

#[test]
fn threads_share_a_model() {
    serves_threads::<f32>();
    serves_threads::<f64>();
}

#[test]
fn what_does_not_fit_is_an_error_and_writes_nothing() {
    let model = model::<f64>();
    let good = features::<f64>(3);
    let mut infinite = features::<f64>(1200);
    infinite[[1100, 4]] = f64::INFINITY;
    let shape = |n| [(n, 1), (n, 1), (n, 3)];
    let fails = |features: ArrayView2<'_, f64>, room: usize, shapes: &[(usize, usize)], says: &str| {
        let mut to: Vec<Array2<f64>> = shapes.iter().map(|&shape| Array2::from_elem(shape, 7.0)).collect();
        let mut views: Vec<ArrayViewMut2<'_, f64>> = to.iter_mut().map(|to| to.view_mut()).collect();
        let error = model.predict_into(features, &mut model.trace(room), &mut views).expect_err(says);
        assert!(error.to_string().contains(says), "`{says}` is not in `{error}`");
        assert!(to.iter().flatten().all(|&x| x == 7.0), "{says}");
        error.kind()
    };
    let view = good.view();
    assert_eq!(fails(good.slice(s![.., ..9]), 3, &shape(3), "expected 10, found 9"), ErrorKind::Shape);
    assert_eq!(fails(infinite.view(), 3, &shape(1200), "row 1100, feature 4"), ErrorKind::Value);
    assert_eq!(fails(view, 3, &shape(3)[..2], "3 matrices, one per task, found 2"), ErrorKind::Shape);
    assert_eq!(fails(view, 3, &shape(2), "task \"shoulder\": expected 3 × 1, found 2 × 1"), ErrorKind::Shape);
    assert_eq!(fails(view, 3, &[(3, 1); 3], "task \"kind\": expected 3 × 3, found 3 × 1"), ErrorKind::Shape);
    assert_eq!(fails(view, 0, &shape(3), "at most 0"), ErrorKind::Shape);
    let none = features::<f64>(0);
    let mut views: [Array2<f64>; 3] = shape(0).map(Array2::zeros);
    let mut views = views.each_mut().map(|to| to.view_mut());
    model.predict_into(none.view(), &mut model.trace(1), &mut views).expect("nothing to do");
    assert!(model.predict(none.view()).is_ok());
    let message = model.predict(infinite.view()).expect_err("infinite").to_string();
    assert!(message.contains("row 1100"), "{message}");
}

/// Whoever prints a `Result` of a model does not print a million numbers.
#[test]
fn a_model_and_its_trace_are_printed_in_short() {
    let builder = Model::builder(10).trunk([Layer::dense(1000, Activation::Relu)]);
    let model = builder.task(Task::regression("price")).build::<f64>().expect("valid settings");
    let (model, trace) = (format!("{model:?}"), format!("{:?}", model.trace(256)));
    assert!(model.contains("price") && model.contains("n_parameters: 12001"), "{model}");
    assert!(model.len() < 1000 && trace.len() < 10_000, "{} and {} characters", model.len(), trace.len());
}
