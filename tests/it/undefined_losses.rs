//! A loss that there is none of, and a loss that is not a number, are two things, and neither is the best one.

use std::io::Read;

use polytask::loss::Loss;
use polytask::ndarray::{Array2, s};
use polytask::optim::Plateau;
use polytask::plot;
use polytask::prelude::*;
use polytask::train::callback::{
    EarlyStopping, FreezeConverged, Log, Monitor, ReduceOnPlateau, TaskSchedule, each_step,
};
use polytask::train::{Checkpoints, History};
use std::ops::ControlFlow;

/// The robot arm, with the labels of `elbow` only in rows that `keeps` them.
fn arm(rows: usize, keeps: impl Fn(usize) -> bool) -> Dataset<f64> {
    let data = datasets::robot_arm::<f64>(rows, 0.05, 3);
    let mut targets = data.targets().to_owned();
    targets
        .column_mut(1)
        .iter_mut()
        .enumerate()
        .filter(|(row, _)| !keeps(*row))
        .for_each(|(_, y)| *y = f64::NAN);
    let data = Dataset::new(data.features().to_owned(), targets).unwrap();
    data.with_target_names(["shoulder", "elbow"]).unwrap()
}

fn model() -> Model<f64> {
    let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    builder.task(Task::regression("shoulder")).task(Task::regression("elbow").weight(0.5)).build().unwrap()
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.02)).batch_size(16).epochs(4).in_order()
}

fn fit(trainer: Trainer, validation: &Dataset<f64>) -> polytask::Result<History> {
    trainer.fit_validated(&mut model(), &arm(64, |_| true), validation)
}

#[test]
fn a_task_without_labels_to_validate_on_is_no_perfect_task() {
    let validation = arm(32, |_| false);
    let history = fit(trainer().epochs(30).callback(EarlyStopping::new().patience(3)), &validation).unwrap();
    let totals: Vec<f64> = history.validations().iter().map(|v| v.total.unwrap()).collect();
    for (validation, total) in history.validations().iter().zip(&totals) {
        assert_eq!(validation.losses, [Some(*total), None], "the total is over the task that has labels");
    }
    let best = (0..totals.len()).min_by(|&a, &b| totals[a].total_cmp(&totals[b])).unwrap();
    assert_eq!(history.restored_step(), Some(history.validations()[best].step));
    assert!(best > 0, "the first was not the best");

    let watching = |callback: &dyn Fn(Trainer) -> Trainer| fit(callback(trainer()), &validation).unwrap_err();
    for (error, place) in [
        (watching(&|t| t.callback(EarlyStopping::new().monitor(Monitor::task("elbow")))), "early stopping"),
        (
            watching(&|t| t.callback(EarlyStopping::new().monitor(Monitor::metric("elbow", "r2")))),
            "early stopping",
        ),
        (
            watching(&|t| t.callback(ReduceOnPlateau::new(Plateau::new()).monitor(Monitor::task("elbow")))),
            "plateau",
        ),
        (watching(&|t| t.callback(FreezeConverged::new())), "freezing of tasks"),
    ] {
        let text = error.to_string();
        assert!(text.starts_with(&format!("{place}, first validation, ")), "{text}");
        assert!(text.contains("task \"elbow\""), "{text}");
    }
    let text = watching(&|t| t.callback(EarlyStopping::new().monitor(Monitor::task("elbow")))).to_string();
    assert!(text.contains("no label of it with a weight above 0"), "{text}");
}

#[test]
fn the_best_checkpoint_is_of_a_loss_that_is_there() {
    let folder = std::env::temp_dir().join(format!("polytask-undefined-{}", std::process::id()));
    let one = Model::builder(10).task(Task::regression("elbow")).build::<f64>().unwrap();
    let keep = trainer().checkpoint(Checkpoints::new(&folder).keep_best());
    let error = keep.fit_validated(&mut one.clone(), &arm(64, |_| true), &arm(32, |_| false)).unwrap_err();
    let expected = "the best checkpoint, first validation, loss of task \"elbow\"";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert!(!folder.join("best.safetensors").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

/// A model of two outputs in f32, and rows to validate on of which one makes them overflow if it is `extreme`.
fn gaussian(extreme: bool) -> (Model<f32>, Dataset<f32>, Dataset<f32>) {
    let data = datasets::robot_arm::<f32>(96, 0.05, 3);
    let (train, held_out) = (data.select(&Vec::from_iter(0..64)), data.select(&Vec::from_iter(64..96)));
    let mut features = held_out.features().to_owned();
    if extreme {
        features.row_mut(5).fill(1e20);
    }
    let names = ["shoulder", "elbow"];
    let held_out =
        Dataset::new(features, held_out.targets().to_owned()).unwrap().with_target_names(names).unwrap();
    let model = Model::builder(10)
        .trunk([Layer::dense(8, Activation::Relu)])
        .task(Task::new("shoulder", Loss::gaussian()))
        .build()
        .unwrap();
    (model, train, held_out)
}

#[test]
fn a_loss_that_is_not_a_number_is_never_the_best() {
    let (mut model, train, extreme) = gaussian(true);
    let (_, _, usual) = gaussian(false);
    let trainer = Trainer::new(Sgd::new(1e-3)).batch_size(16).epochs(5);
    for stopping in [EarlyStopping::new(), EarlyStopping::new().monitor(Monitor::task("shoulder"))] {
        let stopping = trainer.clone().callback(stopping);
        let error = stopping.fit_validated(&mut model.clone(), &train, &extreme).unwrap_err().to_string();
        assert!(error.starts_with("early stopping, first validation, loss of task \"shoulder\""), "{error}");
        assert!(error.contains("NaN, not a number"), "{error}");
    }

    let mut run = trainer.callback(EarlyStopping::new()).start(&model, &train).unwrap();
    let mut workspace = run.workspace(&model, Some(&usual));
    while !run.is_finished() {
        let validation = if run.history().validations().is_empty() { &usual } else { &extreme };
        run.advance(&mut model, &train, Some(validation), &mut workspace).unwrap();
    }
    let history = run.finish(&mut model).unwrap();
    assert_eq!(history.restored_step(), Some(4), "the first validation was the only one");
    assert!(
        history.validations()[1].losses[0].unwrap().is_nan()
            && history.validations()[1].total.unwrap().is_nan()
    );

    let (mut csv, mut json) = (Vec::new(), Vec::new());
    history.write_csv(&mut csv).unwrap();
    history.write_json(&mut json).unwrap();
    assert!(String::from_utf8(csv).unwrap().contains("\n8,,,NaN\n"));
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["validations"][1]["losses"][0], "NaN");
    assert!(plot::learning_curves(&history).contains("validation: not a number in 4 of 5"));

    let report = model.evaluate(&extreme).unwrap();
    assert!(report["shoulder"].loss.is_nan() && report["shoulder"].label_weight == 32.0);
    assert!(
        report.to_string().contains("NaN") && report.to_string().ends_with("total loss undefined on 32 rows")
    );
}

#[test]
fn batches_without_labels_leave_no_loss_of_zero_behind() {
    // The third and fourth batch of an epoch have no label of the elbow.
    let (data, validation) = (arm(64, |row| row < 32), arm(32, |_| false));
    let (mut page, to) = std::io::pipe().unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = std::sync::Arc::clone(&seen);
    let note = each_step(move |at| {
        notes.lock().unwrap().push(at.losses[1]);
        ControlFlow::Continue(())
    });
    let mut model = model();
    let trainer = trainer().epochs(1).callback(Log::new().to(to).every_steps(1)).callback(note);
    let history = trainer.fit_validated(&mut model, &data, &validation).unwrap();
    drop(trainer);
    let losses = history.losses();
    assert!(
        losses[[0, 1]] > 0.0 && losses[[1, 1]] > 0.0 && losses.slice(s![2.., 1]).iter().all(|x| x.is_nan())
    );
    assert!(losses.column(0).iter().all(|&loss| loss > 0.0));
    assert!(seen.lock().unwrap()[..2].iter().all(|&loss| loss > 0.0));
    assert!(seen.lock().unwrap()[2..].iter().all(|loss| loss.is_nan()));

    let mut lines = String::new();
    page.read_to_string(&mut lines).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(!lines[1].contains("none") && lines[2].contains("elbow none"), "{lines:?}");
    assert!(lines.last().unwrap().ends_with("elbow none"), "of the validation: {lines:?}");

    let (mut csv, mut json) = (Vec::new(), Vec::new());
    history.write_csv(&mut csv).unwrap();
    history.write_json(&mut json).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let fields: Vec<&str> = csv.lines().nth(3).unwrap().split(',').collect();
    assert_eq!((fields[0], fields[2]), ("3", ""), "{csv}");
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(json["losses"][2][1].is_null() && json["losses"][1][1].is_number());
    assert!(json["validations"][0]["losses"][1].is_null() && json["validations"][0]["losses"][0].is_number());
    assert!(plot::learning_curves(&history).contains("validation: no label"));

    let report = model.evaluate(&validation).unwrap();
    assert!(report["elbow"].loss.is_nan() && report["elbow"].label_weight == 0.0);
    assert_eq!(report.total_loss(), report["shoulder"].loss);
    assert!(report.to_string().contains("over 1 of 2 tasks on 32 rows"), "{report}");
}

#[test]
fn parts_of_a_batch_without_labels_leave_none_behind_either() {
    let data = arm(64, |row| row < 32);
    let whole = Trainer::new(Sgd::new(0.1)).batch_size(32).epochs(2).in_order();
    let parts = Trainer::new(Sgd::new(0.1)).batch_size(8).accumulate(4).epochs(2).in_order();
    let [whole, parts] = [whole, parts].map(|trainer| trainer.fit(&mut model(), &data).unwrap());
    for (one, other) in whole.losses().iter().zip(parts.losses()) {
        assert!(one.is_nan() && other.is_nan() || (one - other).abs() < 1e-12, "{one} and {other}");
    }
    assert!(parts.losses()[[1, 1]].is_nan() && !parts.losses()[[2, 1]].is_nan());
}

#[test]
fn what_is_undefined_is_so_after_a_resume() {
    let path = std::env::temp_dir().join(format!("polytask-undefined-{}.safetensors", std::process::id()));
    let (data, validation) = (arm(64, |row| row < 32), arm(32, |_| false));
    let (mut straight, mut resumed) = (model(), model());
    let mut run = trainer().start(&straight, &data).unwrap();
    let mut workspace = run.workspace(&straight, Some(&validation));
    while !run.is_finished() {
        run.advance(&mut straight, &data, Some(&validation), &mut workspace).unwrap();
        if run.history().n_steps() == 7 {
            run.save(&straight, &path).unwrap();
        }
    }
    let mut run_again = trainer().resume(&mut resumed, &data, &path).unwrap();
    while !run_again.is_finished() {
        run_again.advance(&mut resumed, &data, Some(&validation), &mut workspace).unwrap();
    }
    assert_eq!(straight.parameters(), resumed.parameters());
    assert_eq!(format!("{:?}", run.history()), format!("{:?}", run_again.history()));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_task_without_a_loss_cannot_be_watched_or_scheduled() {
    let features = Array2::from_shape_fn((32, 2), |(i, j)| ((i * (j + 3)) % 7) as f64);
    let labels = features.mapv(|x| f64::from(u8::from(x > 3.0)));
    let data = Dataset::new(features, labels).unwrap().with_target_names(["click", "both"]).unwrap();
    let model = Model::builder(2)
        .task(Task::binary("click"))
        .task(Task::binary("buy").without_loss())
        .task(Task::product("both", ["click", "buy"]))
        .build::<f64>()
        .unwrap();
    let fit = |trainer: Trainer| trainer.epochs(2).fit_validated(&mut model.clone(), &data, &data);
    let stopping = trainer().callback(EarlyStopping::new().monitor(Monitor::task("buy")));
    let schedule = trainer().callback(TaskSchedule::new("buy", Schedule::exponential(0.5)));
    for (trainer, place) in [(stopping, "early stopping"), (schedule, "schedule of a task's weight")] {
        let error = fit(trainer).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{place}, task \"buy\": expected a task with a loss")), "{error}");
    }
    let history = fit(trainer().callback(EarlyStopping::new()).callback(FreezeConverged::new())).unwrap();
    assert_eq!(history.validations()[0].losses[1], None);
    assert_eq!(history.stopped_by(), None, "the others are still watched");
}
