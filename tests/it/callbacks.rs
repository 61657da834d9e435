//! Callbacks do what they say: the best θ is back, budgets end, frozen tasks stand still, several batches are one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use polytask::optim::{Plateau, Sgd};
use polytask::prelude::*;
use polytask::train::callback::{
    AnyModel, Budget, Callback, Controls, EarlyStopping, Event, FreezeConverged, Log, Monitor,
    ReduceOnPlateau, TaskSchedule, each_step,
};
use polytask::train::{History, Progress, Validation};
use std::ops::ControlFlow;

fn arm(rows: usize, seed: u64) -> Dataset<f64> {
    datasets::robot_arm(rows, 0.05, seed)
}

fn model(data: &Dataset<f64>) -> Model<f64> {
    Model::builder(data.n_features())
        .trunk([Layer::dense(16, Activation::Tanh)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").weight(0.5))
        .seed(3)
        .build()
        .expect("a model")
}

/// The losses of a validation in which each task has labels.
fn present(validation: &Validation) -> Vec<f64> {
    validation.losses.iter().map(|loss| loss.expect("there are labels")).collect()
}

/// Notes every event, and θ at each validation.
#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<(Vec<Event>, Vec<Vec<f64>>)>>);

impl Callback for Diary {
    fn name(&self) -> &'static str {
        "diary"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> polytask::Result<ControlFlow<()>> {
        let mut diary = self.0.lock().expect("one thread");
        diary.0.push(event);
        let AnyModel::F64(model) = at.model else { panic!("a model over f64") };
        if event == Event::Validation {
            diary.1.push(model.parameters().to_vec());
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn events_come_in_order() {
    let (train, held_out) = arm(96, 1).split(2.0 / 3.0, 1).unwrap();
    let diary = Diary::default();
    let trainer = Trainer::new(Adam::new(0.01)).epochs(2).callback(diary.clone());
    trainer.fit_validated(&mut model(&train), &train, &held_out).unwrap();
    use Event::{End, Epoch, Start, Step, Validation};
    let expected = [Start, Step, Step, Validation, Epoch, Step, Step, Validation, Epoch, End];
    assert_eq!(diary.0.lock().unwrap().0, expected);
}

#[test]
fn early_stopping_brings_back_the_best_of_what_it_watches() {
    let (train, held_out) = arm(60, 1).split(0.6, 1).unwrap();
    let weighted = |losses: &[f64]| losses[0] + 0.5 * losses[1];
    for (watch, value) in [
        (Monitor::Total, weighted as fn(&[f64]) -> f64),
        (Monitor::task("elbow"), |losses: &[f64]| losses[1]),
        // R² falls with the loss of a task that is learnt by squared error.
        (Monitor::metric("shoulder", "r2"), |losses: &[f64]| losses[0]),
        (Monitor::metric("shoulder", "rmse"), |losses: &[f64]| losses[0]),
    ] {
        let diary = Diary::default();
        let trainer = Trainer::new(Adam::new(0.03))
            .epochs(4_000)
            .callback(EarlyStopping::new().patience(15).monitor(watch.clone()))
            .callback(diary.clone());
        let mut model = model(&train);
        let history = trainer.fit_validated(&mut model, &train, &held_out).unwrap();
        assert_eq!(history.stopped_by(), Some("early_stopping"), "{watch:?}");
        let values: Vec<f64> = history.validations().iter().map(|v| value(&present(v))).collect();
        let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
        assert_eq!(values.len(), best + 1 + 15, "{watch:?}: 15 validations after the best one");
        assert_eq!(model.parameters(), diary.0.lock().unwrap().1[best], "{watch:?}");
        assert_eq!(history.restored_step(), Some(history.validations()[best].step));
    }
}

#[test]
fn the_best_is_back_when_the_steps_are_used_up_too() {
    let (train, held_out) = arm(60, 1).split(0.6, 1).unwrap();
    let mut model = model(&train);
    let stopping = EarlyStopping::new().patience(1_000_000);
    let trainer = Trainer::new(Adam::new(0.03)).epochs(400).callback(stopping);
    let history = trainer.fit_validated(&mut model, &train, &held_out).unwrap();
    assert_eq!(history.stopped_by(), None);
    assert!(history.restored_step() < Some(history.n_steps()), "an overfitted network is not the best");
    let least = history.validations().iter().filter_map(|v| v.total).fold(f64::MAX, f64::min);
    assert_eq!(model.evaluate(&held_out).unwrap().total_loss(), least);
}

#[test]
fn callbacks_that_only_look_change_no_bit() {
    let (train, held_out) = arm(100, 1).split(0.7, 1).unwrap();
    let plain = Trainer::new(AdamW::new(0.01)).epochs(5);
    let watched = plain.clone().callback(Diary::default()).callback(each_step(|_| ControlFlow::Continue(())));
    let fit = |trainer: &Trainer| {
        let mut model = model(&train);
        trainer.fit_validated(&mut model, &train, &held_out).unwrap();
        model.parameters().to_vec()
    };
    assert_eq!(fit(&plain), fit(&watched));
    assert_eq!(fit(&watched), fit(&watched), "each run has fresh copies");
}

#[test]
fn a_frozen_task_teaches_nothing_more() {
    /// Freezes a task after this many steps.
    #[derive(Clone, Debug)]
    struct FreezeAt(u64);
    impl Callback for FreezeAt {
        fn name(&self) -> &'static str {
            "freeze_at"
        }
        fn on(
            &mut self,
            event: Event,
            at: &Progress<'_>,
            controls: &mut Controls,
        ) -> polytask::Result<ControlFlow<()>> {
            if event == Event::Step && at.step == self.0 {
                controls.freeze(1);
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    let data = arm(64, 2);
    let head_of = |steps: u64| {
        let mut model = model(&data);
        let trainer = Trainer::new(Sgd::new(0.05)).steps(steps).callback(FreezeAt(4));
        let history = trainer.fit(&mut model, &data).unwrap();
        let mut blocks = model.network().layout().blocks();
        let (_, block) = blocks.find(|(name, _)| name.starts_with("head.elbow")).expect("the head");
        (model.parameters()[block.range()].to_vec(), model.parameters()[0], history)
    };
    let ((early, first, _), (late, last, history)) = (head_of(4), head_of(9));
    assert_eq!(early, late, "plain gradient descent does not move a head without a gradient");
    assert_ne!(first, last, "the other task goes on");
    assert_eq!(history.weights().column(1).to_vec(), [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn budgets_plateaus_and_schedules_of_weights() {
    let (train, held_out) = arm(96, 1).split(2.0 / 3.0, 1).unwrap();
    let fit = |trainer: Trainer| trainer.fit_validated(&mut model(&train), &train, &held_out);
    let endless = || Trainer::new(Adam::new(0.01)).steps(1_000_000);

    let by_time = fit(endless().callback(Budget::time(Duration::from_millis(30)))).unwrap();
    assert_eq!(by_time.stopped_by(), Some("budget"));
    let by_steps = fit(endless().callback(Budget::time(Duration::from_secs(3600)).and_steps(5))).unwrap();
    assert_eq!(by_steps.n_steps(), 5);

    // With a threshold of all but nothing no loss is better, so every second validation halves the rate.
    let plateau = Plateau::new().factor(0.5).patience(0).threshold(0.999_999);
    let trainer = Trainer::new(Sgd::new(0.01)).epochs(4).callback(ReduceOnPlateau::new(plateau));
    let mut one = model(&train);
    let mut run = trainer.start(&one, &train).unwrap();
    let mut workspace = run.workspace(&one, Some(&held_out));
    while !run.is_finished() {
        run.advance(&mut one, &train, Some(&held_out), &mut workspace).unwrap();
    }
    assert_eq!(run.optimizer().learning_rate(), 0.01 * 0.5_f64.powi(3), "the first validation is the best");

    let fading = TaskSchedule::new("elbow", Schedule::steps(2, 0.25));
    let balanced = Trainer::new(Adam::new(0.01)).balance(polytask::balance::Equal::sum()).steps(4);
    let history = fit(balanced.callback(fading)).unwrap();
    assert_eq!(history.weights().column(1).to_vec(), [0.5, 0.5, 0.125, 0.125], "methods see it too");
}

#[test]
fn several_batches_are_one() {
    let data = arm(90, 5);
    let mut targets = data.targets().to_owned();
    // Labels spread unevenly over the parts, and a part of a batch without any.
    targets
        .column_mut(1)
        .iter_mut()
        .enumerate()
        .filter(|(i, _)| i % 30 < 19)
        .for_each(|(_, y)| *y = f64::NAN);
    let weights = (0..90).map(|i| 0.5 + (i % 7) as f64).collect();
    let bare = Dataset::new(data.features().to_owned(), targets).unwrap();
    let bare = bare.with_target_names(["shoulder", "elbow"]).unwrap();
    let weighted = bare.clone().with_weights(weights).unwrap();
    let grouped = bare.clone().with_groups((0..90).map(|i| i / 4).collect()).unwrap();
    for (name, data) in [("bare", bare), ("weighted", weighted), ("grouped", grouped)] {
        let fit = |batch: usize, batches: usize, clip: bool| -> (Vec<f64>, History) {
            let mut model = model(&data);
            let trainer =
                Trainer::new(AdamW::new(0.01)).batch_size(batch).accumulate(batches).epochs(6).in_order();
            let trainer = if clip { trainer.clip_norm(0.1) } else { trainer };
            let history = trainer.fit(&mut model, &data).unwrap();
            (model.parameters().to_vec(), history)
        };
        for clip in [false, true] {
            let ((whole, one), (parts, several)) = (fit(30, 1, clip), fit(6, 5, clip));
            assert_eq!(one.n_steps(), several.n_steps());
            // The same sums in another order: a few roundings of 1e-16, which AdamW's division by √v enlarges where a
            // gradient is small, over 18 steps.
            let gap = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(gap < 1e-9, "{name}, clipped: {clip}: {gap:e}");
            let losses = (&one.losses() - &several.losses()).mapv(f64::abs);
            assert!(losses.iter().all(|&gap| gap < 1e-9), "{name}");
            assert!(gap > 0.0, "the sums were indeed made in parts");
        }
    }
}

#[test]
fn a_log_is_plain_lines_and_faults_are_errors() {
    let (train, held_out) = arm(96, 1).split(2.0 / 3.0, 1).unwrap();
    let fit = |trainer: Trainer| trainer.epochs(2).fit_validated(&mut model(&train), &train, &held_out);
    let unvalidated = |trainer: Trainer| trainer.epochs(2).fit(&mut model(&train), &train);
    let adam = || Trainer::new(Adam::new(0.01));
    for (fault, found) in [
        ("patience: expected at least 1", fit(adam().callback(EarlyStopping::new().patience(0)))),
        ("min_delta", fit(adam().callback(EarlyStopping::new().min_delta(f64::NAN)))),
        ("fit_validated", unvalidated(adam().callback(EarlyStopping::new()))),
        ("fit_validated", unvalidated(adam().callback(FreezeConverged::new()))),
        ("found wrist", fit(adam().callback(EarlyStopping::new().monitor(Monitor::task("wrist"))))),
        ("found auc", fit(adam().callback(EarlyStopping::new().monitor(Monitor::metric("elbow", "auc"))))),
        ("found wrist", fit(adam().callback(TaskSchedule::new("wrist", Schedule::constant())))),
        ("factor", fit(adam().callback(ReduceOnPlateau::new(Plateau::new().factor(2.0))))),
        ("log: expected a line after at least 1", fit(adam().callback(Log::new().every_steps(0)))),
        ("batches to accumulate: expected at least 1", fit(adam().accumulate(0))),
        ("balancing method", fit(adam().accumulate(2).balance(polytask::balance::UpGrad::new()))),
    ] {
        let error = found.expect_err(fault).to_string();
        assert!(error.contains(fault), "{fault}: {error}");
    }
}

#[test]
fn controls_are_saved_and_taken_back() {
    let mut controls = Controls::new(2);
    controls.scale_task(0, 0.25);
    controls.freeze(1);
    controls.scale_learning_rate(0.5);
    let mut other = Controls::new(2);
    other.restore(&controls.state()).unwrap();
    assert_eq!((other.task_factor(0), other.task_factor(1), other.rate_factor()), (0.25, 0.0, 0.5));
    for state in [vec![1.0; 4], vec![1.0, -1.0, 0.0, 0.0, 1.0], vec![1.0, 1.0, 0.5, 0.0, 1.0], vec![1.0; 6]] {
        assert!(other.restore(&state).is_err(), "{state:?}");
    }
    assert!(other.restore(&[1.0, 1.0, 0.0, 0.0, 0.0]).is_err(), "a learning rate of 0");
    assert_eq!(other.state(), controls.state(), "a failure changes nothing");
}

#[test]
fn a_history_reads_back_with_the_same_bits() {
    use polytask::balance::{Balance, UpGrad};

    let data = arm(64, 1);
    let name = "a \"b\",\\\n\u{1}ü";
    let data = data.with_target_names(["shoulder", name]).unwrap();
    let mut model = Model::builder(10)
        .trunk([Layer::dense(8, Activation::Tanh)])
        .task(Task::regression("shoulder"))
        .task(Task::regression(name))
        .build::<f64>()
        .unwrap();
    let trainer = Trainer::new(Adam::new(0.01)).balance(UpGrad::new().every(2)).epochs(3);
    let trainer = trainer.callback(EarlyStopping::new());
    let history = trainer.fit_validated(&mut model, &data, &data).unwrap();

    let mut file = Vec::new();
    history.write_json(&mut file).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(json["tasks"][1], name);
    assert_eq!(json["stopped_by"], serde_json::Value::Null);
    assert_eq!(json["restored_step"].as_u64(), history.restored_step());
    assert_eq!(json["steps"], serde_json::json!([1, 2, 3, 4, 5, 6]));
    for ((record, k), &loss) in history.losses().indexed_iter() {
        assert_eq!(json["losses"][record][k].as_f64(), Some(loss));
        assert_eq!(json["weights"][record][k].as_f64(), Some(history.weights()[[record, k]]));
        let norm = history.gradient_norms().unwrap()[[record, k]];
        assert_eq!(json["gradient_norms"][record][k].as_f64(), (!norm.is_nan()).then_some(norm));
    }
    assert!(json["gradient_norms"][1][0].is_null(), "no Gramian at every other step");
    let cosines = history.cosines(0, 1).unwrap();
    assert_eq!(json["gradient_cosines"][2][0].as_f64(), Some(cosines[2]));
    assert!(json["gradient_cosines"][1][0].is_null());
    assert_eq!(json["validations"][2]["losses"][1].as_f64(), history.validations()[2].losses[1]);

    let mut file = Vec::new();
    history.write_csv(&mut file).unwrap();
    let mut reader = csv::Reader::from_reader(&file[..]);
    let headers = reader.headers().unwrap().clone();
    assert_eq!(headers.iter().nth(2), Some(&format!("loss.{name}")[..]));
    let rows: Vec<csv::StringRecord> =
        reader.records().map(|row| row.expect("as wide as the head")).collect();
    let steps: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(steps, ["1", "2", "2", "3", "4", "4", "5", "6", "6"], "a validation after every second step");
    assert_eq!(rows[3][2].parse(), Ok(history.losses()[[2, 1]]));
    assert_eq!(headers.iter().nth(7), Some(&format!("cosine.shoulder.{name}")[..]));
    assert_eq!((rows[3][7].parse(), &rows[1][7]), (Ok(cosines[2]), ""));
    assert_eq!((rows[2][9].parse(), &rows[2][2]), (Ok(present(&history.validations()[0])[1]), ""));
}
