//! The same seed gives the same bits: twice, and for any number of threads.

use polytask::balance::UpGrad;
use polytask::layer::{Embedding, PiecewiseLinear};
use polytask::ndarray::Array2;
use polytask::optim::LazyAdam;
use polytask::prelude::*;
use polytask::sharing::{AdaTt, ProgressiveExtraction};
use polytask::{ModelBuilder, Scalar};

fn train<F: Scalar>(width: usize, batch: usize, threads: usize, seed: u64) -> (Vec<F>, Vec<f64>) {
    let data = datasets::robot_arm::<F>(700, 0.05, 3);
    let mut model = Model::builder(data.n_features())
        .trunk([Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Silu)])
        .task(Task::regression("shoulder").head([Layer::dense(24, Activation::Tanh)]))
        .task(Task::regression("elbow"))
        .seed(seed)
        .build::<F>()
        .expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.003)).batch_size(batch).steps(25).seed(seed).threads(threads);
    let history = trainer.fit(&mut model, &data).expect("a training");
    (model.parameters().to_vec(), history.losses().iter().copied().collect())
}

/// A batch of 300 rows is five chunks, and each layer of the trunk is a piece of its own.
#[test]
fn threads_change_no_bit() {
    let alone = train::<f32>(200, 300, 1, 5);
    for threads in [2, 3, 5] {
        assert!(train::<f32>(200, 300, threads, 5) == alone, "{threads} threads");
    }
    let alone = train::<f64>(200, 300, 1, 5);
    assert!(train::<f64>(200, 300, 2, 5) == alone, "two threads in f64");
}

/// Each layer, between two others, on batches of five chunks.
#[test]
fn threads_change_no_bit_of_any_layer() {
    let data = datasets::robot_arm::<f32>(600, 0.05, 3);
    for layer in [
        Layer::batch_norm(),
        Layer::dropout(0.3),
        Layer::gated(96, Activation::Silu),
        Layer::layer_norm(),
        Layer::parametric(Activation::Mish),
        Layer::periodic(4, 2),
        PiecewiseLinear::with_edges([-0.5, 0.0, 0.1, 1.0], 2).into(),
        Layer::residual([Layer::layer_norm(), Layer::dense(96, Activation::Selu)]),
        Layer::scale(),
    ] {
        let train = |threads: usize| {
            let layers =
                [Layer::dense(96, Activation::Relu), layer.clone(), Layer::dense(96, Activation::Mish)];
            let builder = Model::builder(10).trunk(layers).task(Task::regression("shoulder"));
            let mut model = builder.task(Task::regression("elbow")).build::<f32>().expect("valid settings");
            let trainer = Trainer::new(Adam::new(0.003)).batch_size(300).steps(6).threads(threads);
            let history = trainer.fit(&mut model, &data).expect("a training");
            (model.parameters().to_vec(), model.state().to_vec(), history.losses().to_owned())
        };
        let alone = train(1);
        for threads in [2, 3, 4] {
            assert!(train(threads) == alone, "{layer:?}, {threads} threads");
        }
    }
}

/// Layers that read features, of which some are indices, on batches of several chunks.
#[test]
fn threads_change_no_bit_of_embeddings() {
    let x = Array2::from_shape_fn((600, 40), |(i, j)| match j % 2 {
        0 => (i * (j + 3) % 301) as f32,
        _ => ((i * 40 + j) as f32).sin(),
    });
    let y = Array2::from_shape_fn((600, 2), |(i, k)| ((i % 17 * (k + 1)) as f32).cos());
    let names = (0..40).step_by(2).map(|j| (format!("x{j}"), 300));
    let data = Dataset::new(x, y).and_then(|data| data.with_index_columns(names)).expect("a table");
    let first = Embedding::new(data.index_columns(), 9).numbers([Layer::piecewise_linear(24, 16)]);
    let layers = [Layer::from(first), Layer::dense(128, Activation::Relu)];
    let tasks = |builder: ModelBuilder| builder.task(Task::regression("y0")).task(Task::regression("y1"));
    let trunk = tasks(Model::builder(40).trunk(layers.clone()));
    let experts = Sharing::cgc(2, 1, [Layer::dense(32, Activation::Relu)]).with_stem(layers);
    let experts = tasks(Model::builder(40).sharing(experts));
    for (builder, balanced, lazy) in [
        (&trunk, false, false),
        (&trunk, true, false),
        (&trunk, false, true),
        (&trunk, true, true),
        (&experts, false, false),
        (&experts, true, true),
    ] {
        let train = |threads: usize| {
            let mut model = builder.build::<f32>().expect("valid settings");
            let trainer = match lazy {
                true => Trainer::new(LazyAdam::new(0.003)).clip_norm(0.5),
                false => Trainer::new(Adam::new(0.003)),
            };
            let trainer = trainer.batch_size(300).steps(6).threads(threads);
            let trainer = if balanced { trainer.balance(UpGrad::new()) } else { trainer };
            trainer.fit(&mut model, &data).expect("a training");
            (model.parameters().to_vec(), model.state().to_vec())
        };
        let alone = train(1);
        for threads in [2, 3, 4] {
            assert!(train(threads) == alone, "{threads} threads");
        }
    }
}

/// Each sharing form, on batches of several chunks, with and without a lane for each task.
#[test]
fn threads_change_no_bit_of_any_sharing_form() {
    let data = datasets::robot_arm::<f32>(600, 0.05, 3);
    let layers = || [Layer::dense(64, Activation::Relu), Layer::dense(48, Activation::Tanh)];
    for sharing in [
        Sharing::shared_trunk(layers()),
        Sharing::independent(layers()),
        Sharing::independent(layers()).with_stem(layers()),
        Sharing::mmoe(4, layers()).with_stem(layers()),
        Sharing::cgc(2, 1, layers()).with_stem(layers()),
        Sharing::adatt(2, layers()).with_stem(layers()),
        Sharing::cross_stitch(layers()),
        Sharing::soft(0.1, layers()),
        Sharing::dselect_k(5, 2, layers()),
        AdaTt::new(2, layers()).level(1, layers()).into(),
        Sharing::mmoe(4, layers()),
        Sharing::omoe(4, layers()),
        Sharing::cgc(2, 2, layers()),
        ProgressiveExtraction::new(2, 1, layers()).level(1, 1, layers()).into(),
    ] {
        // Where nothing is shared there is nothing to balance.
        let is_apart = matches!(sharing, Sharing::Independent(_) | Sharing::SoftSharing(_));
        for balanced in [false, true].into_iter().take(if is_apart { 1 } else { 2 }) {
            let train = |threads: usize| {
                let builder = Model::builder(10).sharing(sharing.clone()).task(Task::regression("shoulder"));
                let mut model =
                    builder.task(Task::regression("elbow")).build::<f32>().expect("valid settings");
                let trainer = Trainer::new(Adam::new(0.003)).batch_size(300).steps(4).threads(threads);
                let trainer = if balanced { trainer.balance(UpGrad::new()) } else { trainer };
                let history = trainer.fit(&mut model, &data).expect("a training");
                (model.parameters().to_vec(), history.losses().to_owned())
            };
            let alone = train(1);
            for threads in [2, 3, 4] {
                assert!(train(threads) == alone, "{sharing:?}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_seed_means_the_same_twice_and_another_seed_something_else() {
    let first = train::<f32>(10, 32, 1, 1);
    assert!(train::<f32>(10, 32, 1, 1) == first);
    assert!(train::<f32>(10, 32, 1, 2) != first);
}

/// What a chunk's short end or the trace's size leaves behind must not reach the numbers.
#[test]
fn a_larger_trace_changes_no_bit() {
    let data = datasets::robot_arm::<f64>(150, 0.05, 3);
    let model = Model::builder(data.n_features())
        .trunk([Layer::dense(20, Activation::Sigmoid)])
        .task(Task::regression("shoulder"))
        .build::<f64>()
        .expect("valid settings");
    let gradient = |capacity: usize| {
        let mut trace = model.trace(capacity);
        let mut gradient = vec![f64::NAN; model.n_parameters()];
        for rows in [(0..capacity.min(150)).collect::<Vec<_>>(), (20..97).collect()] {
            model.forward(&data.batch(&rows), &mut trace).expect("a batch that fits");
            model.backward(&mut trace, &polytask::balance::Weights::ones(1), &mut gradient);
        }
        gradient
    };
    let exact = gradient(77);
    for capacity in [78, 128, 150, 500] {
        let other = gradient(capacity);
        let distance = exact.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(distance < 1e-15, "a trace for {capacity} rows: {distance:e}");
    }
}
