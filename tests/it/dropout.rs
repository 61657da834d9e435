//! Dropout: masks that only (seed, step, layer, row) decide on, scaled so that prediction needs no factor.

use ndarray::Array2;
use polytask::layer::{Draw, Mode};
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::{ErrorKind, Scalar};

fn builder(layers: impl IntoIterator<Item = Layer>) -> polytask::ModelBuilder {
    let builder = Model::builder(10).trunk(layers).task(Task::regression("shoulder")).seed(3);
    builder.task(Task::regression("elbow").head([Layer::dense(6, Activation::Tanh), Layer::dropout(0.2)]))
}

fn wide(p: f64) -> [Layer; 3] {
    [Layer::dense(200, Activation::Relu), Layer::dropout(p), Layer::dense(70, Activation::Tanh)]
}

/// Outputs of both tasks and the gradient of the sum of their losses, in training with this draw.
fn step<F: Scalar>(model: &Model<F>, data: &Dataset<F>, draw: Draw, threads: usize) -> (Vec<F>, Vec<F>) {
    let (mut trace, mut gradient) =
        (model.trace(data.n_rows()).threads(threads), vec![F::NAN; model.n_parameters()]);
    let pass = model.pass(Mode::Train).with_draw(draw);
    model.forward_at(&pass, &data.all(), &mut trace).expect("a table that fits");
    model.backward(&mut trace, &model.loss_weights(), &mut gradient);
    (trace.outputs(0).iter().chain(&trace.outputs(1)).copied().collect(), gradient)
}

#[test]
fn threads_change_no_bit() {
    let model = builder(wide(0.5)).build::<f32>().expect("valid settings");
    let data = datasets::robot_arm::<f32>(300, 0.05, 1);
    let alone = step(&model, &data, Draw::new(9, 4), 1);
    for threads in [2, 3] {
        assert!(step(&model, &data, Draw::new(9, 4), threads) == alone, "{threads} threads");
    }
    for draw in [Draw::new(9, 5), Draw::new(8, 4), Draw::new(9, 4).from_row(1)] {
        assert!(step(&model, &data, draw, 1) != alone, "{draw:?}");
    }
}

/// Features of 1 through dropout alone to a head: a row of weights 1, 2, 4, … tells which were dropped.
fn masks(rows: usize, p: f64, draw: Draw) -> Vec<Vec<f64>> {
    let width = 12;
    let task = |name: &str| Task::regression(name);
    let builder = Model::builder(width).trunk([Layer::dropout(p)]).task(task("y"));
    let mut model = builder.build::<f64>().expect("valid settings");
    for (j, weight) in model.parameters_mut()[..width].iter_mut().enumerate() {
        *weight = f64::from(1 << j);
    }
    let data = Dataset::new(Array2::ones((rows, width)), Array2::zeros((rows, 1)))
        .and_then(|data| data.with_target_names(["y"]))
        .expect("a table");
    let mut trace = model.trace(rows);
    let pass = model.pass(Mode::Train).with_draw(draw);
    model.forward_at(&pass, &data.all(), &mut trace).expect("a table that fits");
    let kept = |sum: f64| -> Vec<f64> {
        let code = (sum * (1.0 - p)).round() as u64;
        (0..width).map(|j| (code >> j & 1) as f64).collect()
    };
    trace.outputs(0).iter().map(|&sum| kept(sum)).collect()
}

#[test]
fn a_row_has_the_mask_of_its_position_in_the_whole_batch() {
    let draw = Draw::new(1, 2);
    let whole = masks(600, 0.5, draw);
    for first in [0, 1, 63, 64, 257] {
        assert!(masks(50, 0.5, draw.from_row(first)) == whole[first..first + 50], "from row {first} on");
    }
    assert!(whole[0] != whole[1], "each row has its own");
}

#[test]
fn numbers_are_dropped_as_often_as_was_asked_for_and_the_mean_stays() {
    for p in [0.0, 0.1, 0.5, 0.9] {
        let n = 4_000.0 * 12.0;
        let kept: f64 = masks(4_000, p, Draw::new(5, 0)).iter().flatten().sum();
        // Four standard deviations of a binomial variable: one run in 16 000 is beyond, and this one is fixed.
        let room = 4.0 * (n * p * (1.0 - p)).sqrt();
        assert!((kept - n * (1.0 - p)).abs() <= room, "p = {p}: {kept} of {n} kept");
    }
}

#[test]
fn prediction_is_that_of_the_network_without_it() {
    let data = datasets::robot_arm::<f64>(90, 0.05, 1);
    let with = builder(wide(0.5)).build::<f64>().expect("valid settings");
    let without = Model::builder(10)
        .trunk([Layer::dense(200, Activation::Relu), Layer::dense(70, Activation::Tanh)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").head([Layer::dense(6, Activation::Tanh)]))
        .seed(3)
        .build::<f64>()
        .expect("valid settings");
    assert_eq!(with.parameters(), without.parameters());
    for task in ["shoulder", "elbow"] {
        let of =
            |model: &Model<f64>| model.predict(data.features()).expect("features that fit")[task].to_owned();
        assert_eq!(of(&with), of(&without), "{task}");
    }
}

#[test]
fn the_same_layer_in_two_places_drops_other_numbers() {
    let model = |layers: Vec<Layer>| {
        let builder = Model::builder(10).trunk(layers).task(Task::regression("elbow"));
        builder.build::<f64>().expect("valid settings")
    };
    let data = datasets::robot_arm::<f64>(40, 0.05, 1);
    let zeros = |model: &Model<f64>| {
        let mut trace = model.trace(40).with_input_gradient();
        let pass = model.pass(Mode::Train).with_draw(Draw::new(1, 1));
        model.forward_at(&pass, &data.all(), &mut trace).expect("a table that fits");
        model.backward(&mut trace, &model.loss_weights(), &mut vec![0.0; model.n_parameters()]);
        model.network().input_gradient(&trace).iter().filter(|&&d| d == 0.0).count()
    };
    let (once, twice) =
        (zeros(&model(vec![Layer::dropout(0.5)])), zeros(&model(vec![Layer::dropout(0.5); 2])));
    // A half of 400 is dropped by one mask, three quarters by two; 10 is one standard deviation of the first.
    assert!((160..240).contains(&once) && (260..340).contains(&twice), "{once}, {twice}");
}

#[test]
fn a_training_that_was_broken_off_goes_on_with_the_masks_of_its_steps() {
    let folder = std::env::temp_dir().join(format!("polytask-dropout-{}", std::process::id()));
    let data = datasets::robot_arm::<f32>(200, 0.05, 1);
    let build =
        || builder([Layer::dense(20, Activation::Relu), Layer::dropout(0.3)]).build::<f32>().expect("valid");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).steps(40).seed(5);
    let (mut whole, mut broken, mut resumed) = (build(), build(), build());
    trainer.fit(&mut whole, &data).expect("a training");
    let kept = trainer.clone().checkpoint(Checkpoints::new(&folder).every_steps(10)).resume_from(&folder);
    kept.clone().steps(17).fit(&mut broken, &data).expect("a training");
    kept.fit(&mut resumed, &data).expect("a training");
    assert_eq!(resumed.parameters(), whole.parameters());
    let [five, six] = [5, 6].map(|seed| {
        let mut model = build();
        trainer.clone().in_order().seed(seed).fit(&mut model, &data).expect("a training");
        model
    });
    assert_ne!(five.parameters(), six.parameters(), "the same rows, other masks");
    std::fs::remove_dir_all(&folder).expect("the folder");
}

/// Two batches of 16 whose gradients are summed are one of 32, masks and all.
#[test]
fn accumulated_parts_have_the_masks_of_the_whole() {
    let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    let train = |trainer: Trainer| {
        let mut model =
            builder([Layer::dense(20, Activation::Tanh), Layer::dropout(0.3)]).build::<f64>().expect("valid");
        trainer.steps(6).seed(2).fit(&mut model, &data).expect("a training");
        model.parameters().to_vec()
    };
    let plain = || Trainer::new(Sgd::new(0.05));
    let (whole, parts) = (train(plain().batch_size(32)), train(plain().batch_size(16).accumulate(2)));
    // Six steps of sums taken in another order.
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn a_loop_of_ones_own_is_asked_for_a_draw() {
    let model = builder(wide(0.5)).build::<f64>().expect("valid settings");
    let data = datasets::robot_arm::<f64>(8, 0.05, 1);
    let error = model.forward(&data.all(), &mut model.trace(8)).expect_err("which mask?");
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(error.to_string().contains("forward_at"), "{error}");
}

#[test]
fn it_comes_back_from_a_file() {
    let model = builder(wide(0.25)).build::<f32>().expect("valid settings");
    let data = datasets::robot_arm::<f32>(30, 0.05, 1);
    let loaded = Model::<f32>::from_bytes(&model.to_bytes().expect("bytes")).expect("a model");
    assert!(step(&loaded, &data, Draw::new(1, 1), 1) == step(&model, &data, Draw::new(1, 1), 1));
}

#[test]
fn probabilities_outside_their_range_are_refused() {
    for p in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
        let error = builder(wide(p)).build::<f64>().expect_err("no such probability");
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().contains("dropout probability of trunk.1"), "{error}");
    }
}
