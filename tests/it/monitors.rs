//! Early stopping and the best checkpoint by a weighted mean of metrics.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use polytask::Result;
use polytask::optim::Plateau;
use polytask::prelude::*;
use polytask::train::callback::{Callback, Controls, EarlyStopping, Event, Monitor, ReduceOnPlateau};
use polytask::train::{Checkpoints, Progress};

const TERMS: [(&str, &str, f64); 3] =
    [("value", "rmse", 1.0), ("accepted", "roc_auc", 2.5), ("grade", "accuracy", 0.5)];

/// The mean of [`TERMS`] by hand at every validation: the smaller the better.
#[derive(Clone, Debug, Default)]
struct ByHand(Arc<Mutex<Vec<f64>>>);

impl Callback for ByHand {
    fn name(&self) -> &'static str {
        "by_hand"
    }

    fn on(&mut self, event: Event, at: &Progress<'_>, _: &mut Controls) -> Result<ControlFlow<()>> {
        if event == Event::Validation {
            let report = at.report.expect("it was asked for");
            let score = |task: &str, metric: &str| report[task].score(metric).expect("labels of both kinds");
            let sum = score("value", "rmse")
                - 2.5 * score("accepted", "roc_auc")
                - 0.5 * score("grade", "accuracy");
            self.0.lock().expect("one thread").push(sum / 4.0);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn reads_report(&self) -> bool {
        true
    }
}

fn build() -> Model<f64> {
    let builder = Model::builder(8).trunk([Layer::dense(12, Activation::Tanh)]).standardize();
    let builder = builder.task(Task::regression("value")).task(Task::binary("accepted"));
    builder.task(Task::classes("grade", 5)).build().expect("valid settings")
}

fn tables() -> (Dataset<f64>, Dataset<f64>) {
    datasets::mixed_tasks(160, 0.1, 5).split(0.6, 2).expect("two parts")
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.05)).batch_size(32)
}

#[test]
fn a_training_stops_by_the_weighted_mean_of_metrics() {
    let (train, held_out) = tables();
    let by_hand = ByHand::default();
    let stopping = EarlyStopping::new().patience(6).monitor(Monitor::average(TERMS));
    let mut model = build();
    let trainer = trainer().epochs(500).callback(stopping).callback(by_hand.clone());
    let history = trainer.fit_validated(&mut model, &train, &held_out).expect("a training");
    let values = by_hand.0.lock().expect("one thread");
    let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).expect("some");
    assert!(best > 0, "the first was not the best");
    assert_eq!(values.len(), best + 1 + 6, "six validations after the best one: {values:?}");
    assert_eq!(history.restored_step(), Some(history.validations()[best].step));
    let report = model.evaluate(&held_out).expect("a table");
    let of_best = report["value"].score("rmse").expect("labels")
        - 2.5 * report["accepted"].score("roc_auc").expect("both");
    let of_best = (of_best - 0.5 * report["grade"].score("accuracy").expect("labels")) / 4.0;
    assert!((of_best - values[best]).abs() < 1e-12, "{of_best} {}", values[best]);
    let totals: Vec<f64> = history.validations().iter().map(|v| v.total.expect("labels")).collect();
    let least = (0..totals.len()).min_by(|&a, &b| totals[a].total_cmp(&totals[b])).expect("some");
    assert_ne!(best, least, "another measure than the total, or the test shows nothing");
}

#[test]
fn wrong_averages_are_refused_and_undefined_ones_at_the_first_validation() {
    let (train, held_out) = tables();
    let accepted: Vec<usize> =
        (0..held_out.n_rows()).filter(|&row| held_out.target_row(row)[1] == 1.0).collect();
    let accepted = held_out.select(&accepted);
    let fit = |monitor: Monitor, held_out: &Dataset<f64>| {
        let stopping = trainer().epochs(3).callback(EarlyStopping::new().monitor(monitor.clone()));
        let plateau = trainer().epochs(3).callback(ReduceOnPlateau::new(Plateau::new()).monitor(monitor));
        let [one, other] = [stopping, plateau].map(|trainer| {
            trainer.fit_validated(&mut build(), &train, held_out).map(|history| history.n_steps())
        });
        assert_eq!(one.is_ok(), other.is_ok());
        one.map_err(|error| error.to_string())
    };
    let of = |terms: &[(&str, &str, f64)]| Monitor::average(terms.iter().copied());
    for (monitor, said) in [
        (
            of(&[]),
            "early stopping, weights of metrics: expected finite numbers, 0 or more, and one above it, found none",
        ),
        (of(&[("value", "r2", -1.0)]), "found -1"),
        (of(&[("value", "r2", f64::NAN)]), "found NaN"),
        (of(&[("value", "r2", 0.0)]), "found only 0"),
        (of(&[("value", "r2", 1.0), ("price", "r2", 1.0)]), "found price"),
        (of(&[("value", "r2", 1.0), ("grade", "r2", 1.0)]), "metric of task \"grade\": expected one of"),
    ] {
        let error = fit(monitor, &held_out).expect_err(said);
        assert!(error.contains(said), "{error}");
    }
    // Of labels that are all yes there is no area under the curve.
    let error = fit(of(&TERMS), &accepted).expect_err("undefined");
    let expected =
        "early stopping, first validation, metric \"roc_auc\" of task \"accepted\": expected a number";
    assert!(error.starts_with(expected), "{error}");
    let without = of(&[("value", "rmse", 1.0), ("accepted", "roc_auc", 0.0)]);
    assert!(fit(without, &accepted).is_ok(), "what has no weight may be undefined");
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("polytask-monitors-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn the_best_checkpoint_is_that_of_the_mean_also_after_a_stop() {
    let (train, held_out) = tables();
    let by_hand = ByHand::default();
    let straight = folder("straight");
    let keep =
        |folder: &PathBuf| Checkpoints::new(folder).keep_best_by(Monitor::average(TERMS)).keep_last(100);
    let trainer = trainer().epochs(30).callback(by_hand.clone());
    let watched = trainer.clone().checkpoint(keep(&straight));
    watched.fit_validated(&mut build(), &train, &held_out).expect("a training");
    let values = by_hand.0.lock().expect("one thread").clone();
    let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).expect("some");
    assert!(best > 2 && best < 28, "the best is in between: {values:?}");
    let theta = |folder: &PathBuf| {
        Model::<f64>::load(folder.join("best.safetensors")).expect("a best").parameters().to_vec()
    };
    let expected = theta(&straight);

    // Broken off just before the best, and just after it.
    for epochs in [best, best + 1, best + 2] {
        let folder = folder(&format!("stopped-{epochs}"));
        let kept = trainer.clone().checkpoint(keep(&folder)).resume_from(&folder);
        kept.clone()
            .epochs(epochs as u64)
            .fit_validated(&mut build(), &train, &held_out)
            .expect("a training");
        kept.fit_validated(&mut build(), &train, &held_out).expect("a training");
        assert!(theta(&folder) == expected, "stopped after {epochs} epochs, the best is {best}");
        fs::remove_dir_all(folder).expect("it is there");
    }
    let alone = trainer.checkpoint(keep(&straight)).resume_from(&straight).fit(&mut build(), &train);
    assert!(alone.unwrap_err().to_string().starts_with("the best checkpoint: expected validation data"));
    fs::remove_dir_all(straight).expect("it is there");
}

/// Of the total, as checkpoints of earlier versions have it: they do not say what was best.
#[test]
fn the_best_total_is_known_from_the_history() {
    let (train, held_out) = tables();
    let folder = folder("history");
    let kept = |epochs: u64| {
        let checkpoints = Checkpoints::new(&folder).keep_best();
        let trainer = trainer().epochs(epochs).checkpoint(checkpoints).resume_from(&folder);
        trainer.fit_validated(&mut build(), &train, &held_out).expect("a training")
    };
    kept(40);
    let newest = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let newest = newest.filter(|path| path.to_string_lossy().contains("step-")).max().expect("the last");
    let mut bytes = fs::read(&newest).expect("a file");
    // `,\"best_by\":\"Total\"`, a text within a text.
    let pattern = b",\\\"best_by\\\":\\\"Total\\\"";
    let at =
        bytes.windows(pattern.len()).position(|window| window == pattern).expect("it says what was watched");
    bytes[at..at + pattern.len()].fill(b' ');
    fs::write(&newest, bytes).expect("a file");
    let history = kept(60);
    let totals: Vec<f64> = history.validations().iter().map(|v| v.total.expect("labels")).collect();
    let least = totals.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(totals[..40].contains(&least), "the best is of the time before: {totals:?}");
    let best = Model::<f64>::load(folder.join("best.safetensors"))
        .expect("a best")
        .evaluate(&held_out)
        .expect("a table");
    assert!((best.total_loss() - least).abs() < 1e-9 * least);
    fs::remove_dir_all(folder).expect("it is there");
}
