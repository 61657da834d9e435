//! Learning curves of contenders are the held-out losses of their trainings, and time to a loss is read off them.

use polytask::penalty::Penalty;
use polytask::prelude::*;
use polytask::together::{TogetherOrApart, TogetherReport};
use polytask::train::callback::EarlyStopping;
use polytask::validation::CrossValidation;

const TASKS: [&str; 2] = ["task0", "task1"];

fn table() -> Dataset<f64> {
    datasets::related_tasks(60, 4, 2, 0.5, 0.1, 3)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.02)).batch_size(16).epochs(6)
}

fn settings() -> TogetherOrApart {
    TogetherOrApart::new(TASKS.map(|task| Task::regression(task).weight(0.5)))
        .hidden([7])
        .activation(Activation::Tanh)
        .trainer(trainer())
        .folds(CrossValidation::new(3).seed(5))
        .full_width()
}

/// The held-out losses of each epoch of a model with these tasks, in each fold.
fn by_hand(tasks: &[&str], data: &Dataset<f64>, trainer: &Trainer, share: Option<f64>) -> Vec<Vec<Vec<f64>>> {
    let folds = data.fold_rows(3, 5).expect("three folds");
    let seeds = std::sync::Mutex::new(Vec::new());
    let note = CrossValidation::new(3).seed(5).run(data, |part| {
        seeds.lock().unwrap().push(part.seed);
        let mut model = Model::builder(4).task(Task::regression("task0")).build::<f64>()?;
        model.fit_scaling(part.data)?;
        Ok(model)
    });
    note.expect("three folds");
    let of_fold = |(fold, &seed): (&polytask::data::Fold, &u64)| {
        let builder = Model::builder(4).trunk([Layer::dense(7, Activation::Tanh)]).standardize().seed(seed);
        let builder =
            tasks.iter().fold(builder, |builder, task| builder.task(Task::regression(*task).weight(0.5)));
        let (train, test) = (data.select(&fold.train), data.select(&fold.test));
        let train = share.map_or(train.clone(), |share| train.split(1.0 - share, seed).expect("rows").0);
        let epochs = if share.is_some() { 60 } else { 6 };
        // The model at the end of each epoch is that of a training that ends there.
        let at = |epochs: u64| {
            let mut model = builder.clone().build::<f64>().expect("a model");
            trainer.clone().epochs(epochs).seed(seed).fit(&mut model, &train).expect("a training");
            let report = model.evaluate(&test).expect("a table that fits");
            tasks.iter().map(|task| report[*task].loss).collect::<Vec<f64>>()
        };
        (1..=epochs).map(at).collect::<Vec<_>>()
    };
    let seeds = seeds.into_inner().unwrap();
    folds.iter().zip(&seeds).map(of_fold).collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[test]
fn curves_are_losses_of_models_trained_that_long() {
    let data = table();
    let report = settings().run(&data).expect("a table that fits");
    let names: Vec<&str> = report.curves.iter().map(|curve| curve.contender.as_str()).collect();
    assert_eq!(names, ["apart", "together"]);
    let joint = by_hand(&TASKS, &data, &trainer(), None);
    let alone = TASKS.map(|task| by_hand(&[task], &data, &trainer(), None));
    for k in 0..2 {
        for epoch in 0..6 {
            let together = mean(joint.iter().map(|fold| fold[epoch][k]));
            let apart = mean(alone[k].iter().map(|fold| fold[epoch][0]));
            let found = [1, 0].map(|contender: usize| report.curves[contender].losses[k][epoch]);
            for (found, expected) in found.iter().zip([together, apart]) {
                assert!(
                    (found - expected).abs() < 1e-12 * expected.abs().max(1.0),
                    "{found} is not {expected}"
                );
            }
        }
    }
    for curve in &report.curves {
        assert_eq!(curve.seconds.len(), 6);
        assert!(curve.seconds.windows(2).all(|pair| pair[0] < pair[1]) && curve.seconds[0] > 0.0);
    }
    // The last moment is before the end of the training.
    for (cost, curve) in report.costs.iter().zip(&report.curves) {
        assert!(curve.seconds[5] <= cost.fit_time.as_secs_f64(), "{cost:?}");
    }
}

#[test]
fn models_that_stop_early_keep_their_last_loss() {
    let data = table();
    let early = trainer().epochs(60).callback(EarlyStopping::new().patience(2));
    let report = settings().trainer(early).validation_share(0.25).run(&data).expect("a table that fits");
    let longest = report.curves[0].seconds.len();
    assert!((3..60).contains(&longest), "{longest}");
    // Until the first model stops, the losses are those of models that do not.
    let alone = by_hand(&["task0"], &data, &trainer().epochs(60), Some(0.25));
    for epoch in 0..2 {
        let expected = mean(alone.iter().map(|fold| fold[epoch][0]));
        let found = report.curves[0].losses[0][epoch];
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }
}

fn cost<'a>(report: &'a TogetherReport, contender: &str) -> &'a polytask::together::Cost {
    report.costs.iter().find(|cost| cost.contender == contender).expect("trained")
}

#[test]
fn time_to_a_loss_is_counted_where_it_is_reached() {
    let data = table();
    let flat = |builder: polytask::ModelBuilder| Ok(builder.penalty(Penalty::l2("*", 10.0)));
    let slow = settings().model("learns nothing", flat).model("the same", Ok);
    let report = slow.run(&data).expect("a table that fits");
    let apart = cost(&report, "apart");
    assert_eq!(apart.n_reached, (3, 3));
    assert!(apart.time_to_apart.expect("reached") <= apart.fit_time);
    let never = cost(&report, "learns nothing");
    assert_eq!((never.time_to_apart, never.n_reached), (None, (0, 3)));
    assert_eq!(cost(&report, "the same").n_reached, cost(&report, "together").n_reached);
    let printed = report.to_string();
    assert!(printed.contains("s to apart's last loss") && printed.contains("never"), "{printed}");
}

#[test]
fn tasks_without_labels_in_a_fold_have_no_curve() {
    let data = table();
    let mut targets = data.targets().to_owned();
    for &row in &data.fold_rows(3, 5).expect("three folds")[2].test {
        targets[[row, 1]] = f64::NAN;
    }
    let data = Dataset::new(data.features().to_owned(), targets).expect("a table").with_target_names(TASKS);
    let report = settings().run(&data.expect("two names")).expect("a table that fits");
    let curve = &report.curves[1];
    assert!(curve.losses[0].iter().all(|loss| loss.is_finite()));
    assert!(curve.losses[1].iter().all(|loss| loss.is_nan()));
    // Apart has no sum of held-out losses in that fold.
    assert_eq!(report.costs[1].n_reached.1, 2);
    assert!(report.html().contains("Learning curves"));
}

#[test]
fn curves_are_kept_with_their_jobs() {
    let folder = std::env::temp_dir().join(format!("polytask-curves-{}", std::process::id()));
    let run = |threads: usize| {
        let folds = CrossValidation::new(3).seed(5).threads(threads);
        settings().folds(folds).keep_in(&folder).run(&table()).expect("a table that fits")
    };
    let (first, kept) = (run(1), run(1));
    std::fs::remove_dir_all(&folder).expect("it is there");
    let threaded = run(3);
    std::fs::remove_dir_all(&folder).expect("it is there");
    for ((first, kept), threaded) in first.curves.iter().zip(&kept.curves).zip(&threaded.curves) {
        assert_eq!((&first.seconds, &first.losses), (&kept.seconds, &kept.losses));
        assert_eq!(first.losses, threaded.losses);
    }
    assert_eq!(first.costs[1].time_to_apart, kept.costs[1].time_to_apart);
}
