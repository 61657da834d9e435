//! Batch normalisation: state that only a training moves, rows that need one another, and a state that goes wherever θ goes.

use polytask::layer::{BatchNorm, Mode};
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::train::callback::EarlyStopping;
use polytask::{ErrorKind, ModelBuilder, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::hostile_settings::refused;

fn builder(norm: BatchNorm) -> ModelBuilder {
    let layers = [Layer::dense(12, Activation::Identity), norm.into(), Layer::dense(8, Activation::Relu)];
    let inside = Layer::residual([Layer::from(norm), Layer::dense(6, Activation::Tanh)]);
    let builder = Model::builder(10).trunk(layers).task(Task::regression("shoulder")).seed(3);
    builder.task(Task::regression("elbow").head([Layer::dense(6, Activation::Tanh), inside]))
}

fn data(rows: usize) -> Dataset<f64> {
    datasets::robot_arm::<f64>(rows, 0.05, 1)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(20).seed(5)
}

fn assert_same(a: &Model<f64>, b: &Model<f64>) {
    assert_eq!((a.parameters(), a.state()), (b.parameters(), b.state()));
}

#[test]
fn one_row_is_an_error_and_found_before_a_training_begins() {
    let model = builder(BatchNorm::new()).build::<f64>().expect("valid settings");
    let table = data(41);
    let one = model.forward(&table.batch(&[3]), &mut model.trace(1));
    refused(one, ErrorKind::Shape, &["rows of a batch in training", "at least 2", "1"]);
    refused(model.check_gradients(&table.batch(&[3])), ErrorKind::Shape, &["at least 2"]);
    model.forward(&table.batch(&[3, 4]), &mut model.trace(2)).expect("two rows have a variance");
    assert_eq!(model.predict(table.features().slice(ndarray::s![..1, ..])).expect("a row")["elbow"].len(), 1);

    let start = |trainer: Trainer| trainer.start(&model, &table);
    refused(
        start(trainer()),
        ErrorKind::Setting,
        &["at least 2", "1, the last of 41 rows in batches of 20", "choose another batch size"],
    );
    refused(start(trainer().batch_size(1)), ErrorKind::Setting, &["at least 2", "in batches of 1"]);
    start(trainer().batch_size(13)).expect("41 is 3 × 13 + 2");
    start(trainer().batch_size(500)).expect("all at once");
    let mut run = start(trainer().batch_size(13)).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    refused(run.gradient(&model, &table.batch(&[0]), &mut workspace), ErrorKind::Shape, &["at least 2"]);
    assert_eq!(model.state(), builder(BatchNorm::new()).build::<f64>().expect("valid settings").state());
}

#[test]
fn accumulation_is_an_error_unless_statistics_per_part_are_asked_for() {
    let table = data(80);
    let fit = |norm: BatchNorm, trainer: Trainer| {
        let mut model = builder(norm).build::<f64>().expect("valid settings");
        trainer.steps(1).fit(&mut model, &table).map(|_| model)
    };
    refused(
        fit(BatchNorm::new(), trainer().accumulate(2)),
        ErrorKind::Setting,
        &["batches to accumulate", "batch normalisation", "per_part", "2"],
    );
    let in_order = || Trainer::new(Sgd::new(0.1)).in_order();
    let parts = fit(BatchNorm::new().per_part(), in_order().batch_size(20).accumulate(2)).expect("parts");
    let whole = fit(BatchNorm::new(), in_order().batch_size(40)).expect("a training");
    assert_ne!(parts.parameters(), whole.parameters(), "other statistics are another step");

    // The gradient is the mean of that of the parts, and the state has seen both, one after the other.
    let start = builder(BatchNorm::new()).build::<f64>().expect("valid settings");
    let (mut by_hand, mut sum) = (start.clone(), vec![0.0; start.n_parameters()]);
    for first in [0, 20] {
        let rows: Vec<usize> = (first..first + 20).collect();
        let (mut trace, mut gradient) = (start.trace(20), vec![0.0; start.n_parameters()]);
        start.forward(&table.batch(&rows), &mut trace).expect("data that fit");
        start.backward(&mut trace, &start.loss_weights(), &mut gradient);
        sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += 0.5 * g);
        by_hand.update_state(&trace);
    }
    by_hand.parameters_mut().iter_mut().zip(&sum).for_each(|(theta, g)| *theta -= 0.1 * g);
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart(parts.parameters(), by_hand.parameters()) < 1e-13);
    assert_eq!(parts.state(), by_hand.state());
}

#[test]
fn only_steps_of_a_training_move_the_state() {
    let (table, mut model) = (data(60), builder(BatchNorm::new()).build::<f64>().expect("valid settings"));
    let first = model.state().to_vec();
    model.gradient_check(&table.batch(&[0, 1, 2, 3, 4])).allow_zero().run().expect("a check");
    model.predict(table.features()).expect("features that fit");
    model.evaluate(&table).expect("a table that fits");
    let mut run = trainer().start(&model, &table).expect("valid settings");
    let mut workspace = run.workspace(&model, Some(&table));
    run.gradient(&model, &table.batch(&[0, 1, 2]), &mut workspace).expect("a gradient");
    run.validate(&model, &table, &mut workspace).expect("a validation");
    assert_eq!(model.state(), first, "no step was taken");

    workspace.gradient_mut()[0] = f64::NAN;
    run.update(&mut model, &mut workspace).expect_err("a gradient that is not finite");
    assert_eq!(model.state(), first, "the step failed");
    run.step(&mut model, &table, &mut workspace).expect("a step");
    assert!(model.state().iter().zip(&first).all(|(now, then)| now != then), "every number has moved");
}

/// Famo looks at the losses again after the step: that forward is no step.
#[test]
fn a_second_forward_of_a_step_does_not_move_the_state_again() {
    let table = data(20);
    let state = |trainer: Trainer| {
        let mut model = builder(BatchNorm::new()).build::<f64>().expect("valid settings");
        trainer.steps(1).fit(&mut model, &table).expect("a training");
        model.state().to_vec()
    };
    assert_eq!(state(trainer()), state(trainer().balance(polytask::balance::Famo::new())));
}

#[test]
fn the_best_state_is_back_with_the_best_parameters() {
    let (train, held_out) = (data(60), datasets::robot_arm::<f64>(40, 0.05, 2));
    let build = || builder(BatchNorm::new()).build::<f64>().expect("valid settings");
    let (mut stopped, mut straight) = (build(), build());
    let until = trainer().epochs(200).callback(EarlyStopping::new().patience(3));
    let history = until.fit_validated(&mut stopped, &train, &held_out).expect("a training");
    let best = history.restored_step().expect("it was stopped");
    assert!(best < history.n_steps());
    trainer().steps(best).fit(&mut straight, &train).expect("a training");
    assert_same(&stopped, &straight);
}

#[test]
fn checkpoints_clones_and_files_carry_the_state() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("polytask-batch-norm-{}", std::process::id()));
    let table = data(100);
    let build = || builder(BatchNorm::new().epsilon(0.1 + 0.2).momentum(0.1 + 0.2)).build::<f64>();
    let (mut whole, mut broken, mut resumed) = (build()?, build()?, build()?);
    trainer().steps(40).fit(&mut whole, &table)?;
    let kept = trainer().checkpoint(Checkpoints::new(&folder).every_steps(10)).resume_from(&folder).steps(40);
    kept.clone().steps(17).fit(&mut broken, &table)?;
    kept.fit(&mut resumed, &table)?;
    assert_same(&resumed, &whole);
    assert_same(&whole.clone(), &whole);

    let loaded = Model::<f64>::from_bytes(&whole.to_bytes()?)?;
    assert_same(&loaded, &whole);
    assert_eq!(loaded.predict(table.features())?["elbow"], whole.predict(table.features())?["elbow"]);
    assert!(loaded.to_bytes()? == whole.to_bytes()?);
    let mut weights = build()?;
    whole.save(folder.join("model"))?;
    weights.load_weights(folder.join("model"))?;
    assert_same(&weights, &whole);
    let single = whole.cast::<f32>()?;
    assert!(single.state().iter().zip(whole.state()).all(|(a, b)| *a == *b as f32));
    std::fs::remove_dir_all(&folder).expect("the folder");
    Ok(())
}

#[test]
fn a_state_that_cannot_be_is_refused() -> Result<()> {
    let model = builder(BatchNorm::new()).build::<f64>()?;
    let bytes = model.to_bytes()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a file in order");
    let with = |name: &str, shape: &[usize], numbers: &[f64]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let changed = TensorView::new(Dtype::F64, shape.to_vec(), &numbers).expect("a tensor");
        let mut tensors = SafeTensors::deserialize(&bytes).expect("a file in order").tensors();
        tensors.iter_mut().filter(|(of, _)| of == name).for_each(|(_, tensor)| *tensor = changed.clone());
        serialize(tensors, header.metadata().clone()).expect("a file")
    };
    let mut variances = [1.0; 12];
    variances[5] = -0.5;
    let of_file = Model::<f64>::from_bytes(&with("state.trunk.1.variance", &[1, 12], &variances));
    refused(of_file, ErrorKind::Value, &["trunk.1.variance[5]", "at least 0", "-0.5"]);
    let short = Model::<f64>::from_bytes(&with("state.trunk.1.mean", &[1, 11], &[0.0; 11]));
    refused(short, ErrorKind::Shape, &["state.trunk.1.mean", "[1, 11]", "[1, 12]"]);
    let mut spoilt = model.clone();
    spoilt.state_mut()[12] = -1.0;
    refused(spoilt.to_bytes(), ErrorKind::Value, &["variance", "at least 0"]);
    Ok(())
}

/// What `torch.nn.BatchNorm1d` saves, counter and all.
#[test]
fn a_pytorch_state_dict_is_taken() -> Result<()> {
    let mut model =
        Model::builder(2).trunk([Layer::batch_norm()]).task(Task::regression("y")).build::<f32>()?;
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let named = [
        ("0.weight", vec![2], bytes(&[1.0, 2.0])),
        ("0.bias", vec![2], bytes(&[3.0, 4.0])),
        ("0.running_mean", vec![2], bytes(&[5.0, 6.0])),
        ("0.running_var", vec![2], bytes(&[7.0, 8.0])),
        ("1.weight", vec![1, 2], bytes(&[9.0, 10.0])),
        ("1.bias", vec![1], bytes(&[11.0])),
    ];
    let count = 7_i64.to_le_bytes();
    let mut tensors: Vec<(&str, TensorView<'_>)> = (named.iter())
        .map(|(name, shape, bytes)| {
            (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
        })
        .collect();
    tensors.push(("0.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &count).expect("a count")));
    let path = std::env::temp_dir().join(format!("polytask-batch-norm-torch-{}", std::process::id()));
    std::fs::write(&path, serialize(tensors, None).expect("a file")).expect("a file");
    model.load_pytorch(&path, |name| match name {
        "trunk.0.scale" => "0.weight".to_owned(),
        "trunk.0.mean" => "0.running_mean".to_owned(),
        "trunk.0.variance" => "0.running_var".to_owned(),
        name => name.replace("trunk.0", "0").replace("head.y.0", "1"),
    })?;
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(model.parameters(), [1.0, 2.0, 3.0, 4.0, 9.0, 10.0, 11.0]);
    assert_eq!(model.state(), [5.0, 6.0, 7.0, 8.0]);
    Ok(())
}

#[test]
fn settings_outside_their_range_are_refused() {
    let build = |norm: BatchNorm| builder(norm).build::<f64>();
    for momentum in [0.0, -0.1, 1.1, f64::NAN] {
        let words = &["momentum of trunk.1", "above 0 and at most 1"];
        refused(build(BatchNorm::new().momentum(momentum)), ErrorKind::Setting, words);
    }
    for epsilon in [0.0, -1.0, f64::NAN] {
        refused(build(BatchNorm::new().epsilon(epsilon)), ErrorKind::Setting, &["epsilon of trunk.1"]);
    }
}

/// A constant feature has variance 0 in every batch: its outputs are the bias, and nothing is NaN.
#[test]
fn a_constant_feature_does_no_harm() {
    let mut x = data(40).features().to_owned();
    x.column_mut(4).fill(7.0);
    let y = data(40).targets().to_owned();
    let table = Dataset::new(x, y).and_then(|d| d.with_target_names(["shoulder", "elbow"])).expect("a table");
    let model = Model::builder(10).trunk([Layer::batch_norm()]).task(Task::regression("elbow"));
    let mut model = model.build::<f64>().expect("valid settings");
    trainer().epochs(3).fit(&mut model, &table).expect("a training");
    let predicted = model.predict(table.features()).expect("features that fit");
    assert!(predicted["elbow"].iter().all(|y| y.is_finite()));
    let mut trace = model.trace(40);
    model.forward_at(&model.pass(Mode::Train), &table.all(), &mut trace).expect("a table that fits");
    assert!(trace.losses()[0].is_finite());
}
