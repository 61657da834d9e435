//! The gradients of the tasks one by one, their Gramian, and weighted sums of them, against their definitions:
//! each task's gradient from a sweep that carries that task alone.

use polytask::balance::Weights;
use polytask::data::Dataset;
use polytask::layer::Mode;
use polytask::{Model, Trace};

use super::table::table;

/// The two sides take the same numbers through different products and sum them in another order: up to 300 rows and
/// 100 weights deep, so their difference stays below a few hundred ε, which is 1e-13.
const TOLERANCE: f64 = 1e-12;

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], scale: f64, place: &str) {
    assert_eq!(found.len(), expected.len(), "{place}");
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // A comparison with NaN is false, so it is not let pass.
    let near = apart.clone().all(|apart| apart <= TOLERANCE * scale);
    assert!(near, "{place}: {:e} apart, at a scale of {scale:e}", apart.fold(0.0, f64::max));
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A trace with the batch's losses in it.
fn traced(model: &Model<f64>, data: &Dataset<f64>) -> Trace<f64> {
    let mut trace = model.trace(data.n_rows());
    model.forward_at(&model.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
    trace
}

/// Of the losses alone: a penalty has no weight.
fn backward(model: &Model<f64>, trace: &mut Trace<f64>, weights: &Weights) -> Vec<f64> {
    let mut gradient = vec![f64::NAN; model.n_parameters()];
    model.network().backward(&model.pass(Mode::Train), trace, weights, &mut gradient);
    gradient
}

/// ∂Lₖ/∂θ for each task, each from a trace of its own.
fn one_by_one(model: &Model<f64>, data: &Dataset<f64>) -> Vec<Vec<f64>> {
    let n = model.tasks().len();
    let only = |k: usize| (0..n).map(|l| f64::from(u8::from(l == k))).collect::<Vec<_>>();
    (0..n)
        .map(|k| {
            let weights = Weights { shared: only(k), own: only(k) };
            backward(model, &mut traced(model, data), &weights)
        })
        .collect()
}

#[test]
fn task_gradients_and_their_gramian() {
    for row in table() {
        let data = row.data();
        let model = row.model::<f64>(&data);
        let (network, pass) = (model.network(), model.pass(Mode::Train));
        let expected = one_by_one(&model, &data);
        let n_shared = network.layout().n_shared();
        let norm = |k: usize| dot(&expected[k][..n_shared], &expected[k][..n_shared]).sqrt();

        let mut trace = traced(&model, &data);
        let gramian = network.gramian(&pass, &mut trace).to_owned();
        let jacobian = network.task_gradients(&pass, &mut trace).to_owned();
        assert_eq!(jacobian.dim(), (row.tasks.len(), n_shared), "{}", row.name);
        for (k, task_gradient) in jacobian.rows().into_iter().enumerate() {
            let place = format!("{}: gradient of task {k}", row.name);
            let found = task_gradient.to_slice().expect("row-major");
            assert_near(found, &expected[k][..n_shared], norm(k), &place);
            for l in 0..row.tasks.len() {
                let product = dot(&expected[k][..n_shared], &expected[l][..n_shared]);
                let place = format!("{}: Gramian[{k}, {l}]", row.name);
                assert_near(&[gramian[[k, l]]], &[product], norm(k) * norm(l), &place);
            }
        }
    }
}

/// Weights of each kind, equal and different, 0 in one and not in the other.
fn weightings(n: usize) -> Vec<Weights> {
    let cycle = |numbers: &[f64]| (0..n).map(|k| numbers[k % numbers.len()]).collect::<Vec<_>>();
    let weights = |shared: &[f64], own: &[f64]| Weights { shared: cycle(shared), own: cycle(own) };
    vec![
        weights(&[1.0], &[1.0]),
        weights(&[0.3, 2.0, 1.1], &[0.7, 1.0, 3.0]),
        weights(&[0.0, 2.0, 1.1], &[0.7, 1.0, 0.0]),
        weights(&[1.5, 0.0, 0.0], &[0.0, 0.4, 0.0]),
        weights(&[0.0], &[1.3]),
        weights(&[1.3], &[0.0]),
        weights(&[0.0], &[0.0]),
        weights(&[-0.4, 1.0, 0.6], &[1.0]),
    ]
}

/// The gradient of the shared parameters is `Σₖ sharedₖ ∂Lₖ/∂θ`, of the others `Σₖ ownₖ ∂Lₖ/∂θ`, with or without a
/// Gramian in between.
#[test]
fn weighted_sums() {
    for row in table() {
        let data = row.data();
        let model = row.model::<f64>(&data);
        let parts = one_by_one(&model, &data);
        let n_shared = model.network().layout().n_shared();
        let mut trace = traced(&model, &data);
        for weights in weightings(row.tasks.len()) {
            let expected: Vec<f64> = (0..model.n_parameters())
                .map(|i| {
                    let weights = if i < n_shared { &weights.shared } else { &weights.own };
                    parts.iter().zip(weights).map(|(part, w)| w * part[i]).sum()
                })
                .collect();
            let scale = parts.iter().map(|part| dot(part, part).sqrt()).fold(0.0, f64::max);
            let place = format!("{}, {weights:?}", row.name);
            let swept = backward(&model, &mut trace, &weights);
            assert_near(&swept, &expected, 3.0 * scale, &format!("{place}, one sweep"));
            model.network().gramian(&model.pass(Mode::Train), &mut trace);
            let combined = backward(&model, &mut trace, &weights);
            assert_near(&combined, &expected, 3.0 * scale, &format!("{place}, after the Gramian"));
            // The next sweep finds what this one left in the trace.
            model.forward_at(&model.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
        }
    }
}

/// A task without a label in the batch has loss 0 and gradient 0, and says so.
#[test]
fn tasks_without_labels() {
    let mut seen = 0;
    for row in table().into_iter().filter(|row| row.batch.first_unlabelled) {
        let data = row.data();
        let model = row.model::<f64>(&data);
        let trace = traced(&model, &data);
        assert_eq!((trace.losses()[0], trace.labelled()[0]), (0.0, false), "{}", row.name);
        assert!(trace.labelled()[1..].iter().all(|labelled| *labelled), "{}", row.name);
        let parts = one_by_one(&model, &data);
        assert!(parts[0].iter().all(|g| *g == 0.0), "{}", row.name);
        seen += 1;
    }
    assert!(seen > 0, "no row has a task without labels");
}
