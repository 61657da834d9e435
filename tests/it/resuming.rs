//! A training is taken up on the table that it learnt from, with the numbers that it had, unless somebody says otherwise.

use std::fs;
use std::path::PathBuf;

use polytask::data::Sampler;
use polytask::ndarray::{Array1, Axis};
use polytask::optim::{Optimizer, ParameterGroups};
use polytask::prelude::*;
use polytask::{Error, ErrorKind};

const SEED: u64 = 3;
const ROWS: usize = 40;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("polytask-resuming-{name}-{}.safetensors", std::process::id()))
}

fn build() -> Model<f64> {
    let builder = Model::builder(10).trunk([Layer::dense(5, Activation::Tanh)]);
    builder
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .build()
        .expect("valid settings")
}

fn arm(rows: usize) -> Dataset<f64> {
    datasets::robot_arm(rows, 0.05, 42)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(ROWS).seed(SEED).epochs(3)
}

/// Saves a training on 100 rows after `steps` steps of 40, 40 and 20 rows, and gives model and optimiser.
fn saved(trainer: &Trainer, steps: usize, path: &PathBuf) -> (Model<f64>, Optimizer<f64>) {
    let (mut model, data) = (build(), arm(100));
    let mut run = trainer.start(&model, &data).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    (0..steps).for_each(|_| run.step(&mut model, &data, &mut workspace).expect("a step"));
    run.save(&model, path).expect("a file");
    let optimizer = run.optimizer().clone();
    (model, optimizer)
}

fn refused(trainer: &Trainer, data: &Dataset<f64>, path: &PathBuf) -> Error {
    let mut model = build();
    let error = trainer.resume(&mut model, data, path).expect_err("another table or rate");
    assert_eq!(model.parameters(), build().parameters(), "nothing is changed");
    error
}

#[test]
fn another_table_is_refused_and_told_apart_by_its_parts() {
    let path = path("table");
    saved(&trainer(), 4, &path);
    let same = arm(100);
    let with = |x: ndarray::Array2<f64>, y: ndarray::Array2<f64>| {
        Dataset::new(x, y).and_then(|data| data.with_target_names(["shoulder", "elbow"])).expect("a table")
    };
    let (x, y) = (same.features().to_owned(), same.targets().to_owned());
    let changed = |mut matrix: ndarray::Array2<f64>, to: f64| {
        matrix[[99, 1]] = to;
        matrix
    };
    let named = |data: Dataset<f64>| data.with_feature_names(same.feature_names()).expect("names");
    for (other, parts) in [
        (named(with(changed(x.clone(), 0.125), y.clone())), "features"),
        (named(with(x.clone(), changed(y.clone(), f64::NAN))), "targets"),
        (same.clone().with_weights(Array1::ones(100)).expect("weights"), "weights"),
        (same.clone().with_target_weights("elbow", Array1::ones(100)).expect("weights"), "weights"),
        (same.clone().with_feature_names((0..10).map(|i| format!("joint{i}"))).expect("names"), "names"),
        (same.select(&(0..100).rev().collect::<Vec<_>>()), "features and other targets"),
    ] {
        let error = refused(&trainer(), &other, &path);
        assert_eq!(error.kind(), ErrorKind::Value);
        let expected =
            format!("data: expected the table that the training learnt from, found one with other {parts} (");
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(trainer().allow_other_table().resume(&mut build(), &other, &path).is_ok());
    }
    let error = refused(&trainer(), &arm(101), &path).to_string();
    assert!(error.contains("rows of the data: expected 100, as it was, found 101"), "{error}");
    assert!(error.contains("Trainer::allow_other_table"), "{error}");
    // The columns of the same table in another order.
    let order: Vec<usize> = (0..10).rev().collect();
    let names: Vec<&String> = order.iter().map(|&column| &same.feature_names()[column]).collect();
    let turned = with(x.select(Axis(1), &order), y).with_feature_names(names).expect("names");
    assert!(trainer().resume(&mut build(), &turned, &path).is_ok());
    fs::remove_file(path).expect("it is there");
}

#[test]
fn on_a_table_that_is_allowed_the_epoch_under_way_begins_anew() {
    let path = path("allowed");
    let late = arm(150);
    // In the second epoch, and at the end of the first.
    for (steps, epoch) in [(4, 1), (3, 1)] {
        let (mut model, mut optimizer) = saved(&trainer(), steps, &path);
        let mut resumed = build();
        let trainer = trainer().allow_other_table();
        let mut run = trainer.resume(&mut resumed, &late, &path).expect("another table");
        let mut workspace = run.workspace(&resumed, None);
        let mut sampler = Sampler::shuffled(&late, ROWS, SEED).expect("a batch size");
        sampler.seek(epoch, 0).expect("an epoch");
        let (mut trace, mut gradient) = (model.trace(ROWS), vec![0.0; model.n_parameters()]);
        for _ in 0..5 {
            run.step(&mut resumed, &late, &mut workspace).expect("a step");
            model.forward(&sampler.next_batch(&late), &mut trace).expect("a batch");
            model.backward(&mut trace, &model.loss_weights(), &mut gradient);
            optimizer.checked_step(model.parameters_mut(), &gradient).expect("a step");
            assert_eq!(resumed.parameters(), model.parameters(), "after {steps} steps");
        }
        // Two epochs of four steps are left, from the beginning of the second.
        let mut n = 5;
        while !run.is_finished() {
            run.step(&mut resumed, &late, &mut workspace).expect("a step");
            n += 1;
        }
        assert_eq!((n, run.history().n_steps()), (8, steps as u64 + 8));
    }
    fs::remove_file(path).expect("it is there");
}

#[test]
fn moments_go_on_with_another_rate_and_schedule() {
    let path = path("rates");
    let data = arm(100);
    let (model, before) = saved(&trainer().clip_norm(5.0), 4, &path);
    let settings = || (Adam::new(0.003).betas(0.8, 0.99), Schedule::exponential(0.5).warm_up(10));
    let other = || Trainer::new(settings().0).batch_size(ROWS).seed(SEED).epochs(3).schedule(settings().1);
    let error = refused(&other(), &data, &path);
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(error.to_string().contains("adam, beta1: expected 0.9, as it was, found 0.8"), "{error}");
    assert!(error.to_string().contains("Trainer::allow_other_rates"), "{error}");

    let mut resumed = build();
    let mut run = other().allow_other_rates().resume(&mut resumed, &data, &path).expect("another rate");
    assert_eq!((resumed.parameters(), run.optimizer().max_norm()), (model.parameters(), None));
    let mut optimizer = Optimizer::new(settings().0, model.n_parameters())
        .and_then(|optimizer| optimizer.schedule(settings().1))
        .expect("valid settings");
    optimizer.restore(before.moments(), before.count()).expect("moments of the same rule");
    let mut sampler = Sampler::shuffled(&data, ROWS, SEED).expect("a batch size");
    sampler.seek(1, ROWS).expect("a position");
    let (mut model, mut workspace) = (model, run.workspace(&resumed, None));
    let (mut trace, mut gradient) = (model.trace(ROWS), vec![0.0; model.n_parameters()]);
    for _ in 0..4 {
        run.step(&mut resumed, &data, &mut workspace).expect("a step");
        model.forward(&sampler.next_batch(&data), &mut trace).expect("a batch");
        model.backward(&mut trace, &model.loss_weights(), &mut gradient);
        optimizer.checked_step(model.parameters_mut(), &gradient).expect("a step");
        assert_eq!(resumed.parameters(), model.parameters());
    }
    // The next checkpoint is of the new settings.
    run.save(&resumed, &path).expect("a file");
    assert!(other().resume(&mut build(), &data, &path).is_ok());
    fs::remove_file(path).expect("it is there");
}

#[test]
fn what_is_no_rate_stays_what_it_was() {
    let path = path("rule");
    let data = arm(100);
    let sgd =
        |sgd: Sgd| Trainer::new(sgd).batch_size(ROWS).seed(SEED).allow_other_rates().allow_other_table();
    saved(&sgd(Sgd::new(0.01)), 2, &path);
    for (trainer, said) in [
        (sgd(Sgd::new(0.01).momentum(0.9)), "run.optimizer.0"),
        (trainer().allow_other_rates(), "found"),
        (sgd(Sgd::new(0.01)).batch_size(20), "batch size: expected 40, as it was, found 20"),
        (sgd(Sgd::new(0.01)).seed(4), "seed: expected 3, as it was, found 4"),
    ] {
        let error = refused(&trainer, &data, &path).to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(sgd(Sgd::new(0.5)).resume(&mut build(), &data, &path).is_ok());
    let grouped = || ParameterGroups::new().no_decay_of_biases();
    let grouped = Trainer::new(Sgd::new(0.01)).batch_size(ROWS).seed(SEED).parameter_groups(grouped());
    let error = refused(&grouped, &data, &path).to_string();
    assert!(
        error.contains("parameter groups: expected nothing, as it was, found ParameterGroups"),
        "{error}"
    );
    assert!(grouped.allow_other_rates().resume(&mut build(), &data, &path).is_ok());
    fs::remove_file(path).expect("it is there");
}

/// What earlier versions wrote says nothing of the table.
#[test]
fn a_checkpoint_that_does_not_know_its_table_is_read() {
    let path = path("before");
    saved(&trainer(), 4, &path);
    let bytes = fs::read(&path).expect("a file");
    let find = |pattern: &[u8], from: usize| {
        let at = bytes[from..].windows(pattern.len()).position(|window| window == pattern);
        from + at.expect("a run has a table")
    };
    // `,\"table\":\"…\"`, a text within a text.
    let start = find(b",\\\"table\\\":", 0);
    let end = find(b"\\\"", start + 16) + 2;
    let mut old = bytes.clone();
    old[start..end].fill(b' ');
    fs::write(&path, &old).expect("a file");
    let other = arm(100).with_weights(Array1::ones(100)).expect("weights");
    assert!(trainer().resume(&mut build(), &other, &path).is_ok(), "nothing is known of the table");

    let mut wrong = bytes;
    wrong[end - 3] = b'x';
    fs::write(&path, &wrong).expect("a file");
    let error = refused(&trainer(), &arm(100), &path);
    assert_eq!(error.kind(), ErrorKind::File, "{error}");
    fs::remove_file(path).expect("it is there");
}
