//! Many trainings over ranks are those of one process, to the bit: networks of an estimator, folds, contenders, jobs of one's
//! own.

use polytask::estimator::{Classification, Fitted};
use polytask::metric::Metric;
use polytask::prelude::*;
use polytask::ranks::{Alone, Ranks, jobs_over, on_threads};
use polytask::together::{TogetherOrApart, TogetherReport};
use polytask::validation::{CrossValidated, CrossValidation, TrainingPart};
use polytask::{Error, ErrorKind, Result};

fn data() -> Dataset<f64> {
    let data = datasets::robot_arm::<f64>(60, 0.05, 3);
    data.with_groups((0..60).map(|row| row / 2).collect()).expect("a group for each row")
}

#[test]
fn an_estimator_is_that_of_one_process_on_any_number_of_ranks() {
    let regressor = MultiTaskRegressor::new().hidden([6]).members(5).folds(3).epochs(3).threads(1);
    let regressor = regressor.calibrate(0.25);
    let alone = regressor.fit_table(&data()).unwrap().to_bytes().unwrap();
    // The most ranks are more than there are networks.
    for n in [1, 2, 3, 8] {
        let of_ranks = on_threads(n, |ranks| regressor.fit_over(&data(), ranks)?.to_bytes()).unwrap();
        assert!(of_ranks.iter().all(|bytes| *bytes == alone), "{n} ranks");
    }
    let y = data().targets().mapv(|y| f64::from(u8::from(y > 0.0) + u8::from(y > 1.0)));
    let table = Dataset::new(data().features().mapv(|x| x as f32), y.mapv(|y| y as f32)).unwrap();
    let classifier = MultiTaskClassifier::new().hidden([6]).members(3).epochs(3).threads(1);
    let alone: Fitted<Classification, f32> = classifier.fit_table(&table).unwrap();
    let of_ranks = on_threads(2, |ranks| classifier.fit_over(&table, ranks)?.to_bytes()).unwrap();
    assert!(of_ranks.iter().all(|bytes| *bytes == alone.to_bytes().unwrap()));
    // What is wrong on one rank is wrong on all.
    let error = on_threads(2, |ranks| {
        let members = 5 * (1 - ranks.rank());
        let error = regressor.clone().members(members).fit_over(&data(), ranks).map(drop).unwrap_err();
        assert!(error.to_string().contains("rank 1"), "{error}");
        Err::<(), _>(error)
    });
    assert!(error.is_err());
}

/// All of a cross-validation but how long it took.
fn in_words(result: &CrossValidated) -> String {
    let folds = result.folds().iter();
    let folds =
        folds.map(|fold| (&fold.rows, format!("{:?}", fold.tasks), &fold.warnings, fold.n_parameters));
    let predictions = result.tasks().iter().map(|task| format!("{:?}", task.out_of_fold(0)));
    format!("{:?} {:?}", folds.collect::<Vec<_>>(), predictions.collect::<Vec<_>>())
}

#[test]
fn a_cross_validation_is_that_of_one_process() {
    let fit = |part: &TrainingPart<'_, f64>| -> Result<Model<f64>> {
        let builder = Model::builder(10).trunk([Layer::dense(5, Activation::Relu)]).standardize();
        let task = Task::regression("shoulder").metric(Metric::MeanAbsoluteError);
        let mut model = builder.task(task).task(Task::regression("elbow")).seed(part.seed).build::<f64>()?;
        Trainer::new(Adam::new(0.01)).epochs(2).fit(&mut model, part.data)?;
        Ok(model)
    };
    // A constant column gives a warning.
    let mut x = data().features().to_owned();
    x.column_mut(3).fill(2.0);
    let data = Dataset::new(x, data().targets().to_owned()).unwrap();
    let data = data.with_target_names(["shoulder", "elbow"]).unwrap();
    let folds = || CrossValidation::new(3).repeats(2).seed(4);
    let alone = folds().run(&data, fit).unwrap();
    assert!(!alone.warnings().is_empty());
    for n in [1, 2, 8] {
        let of_ranks = on_threads(n, |ranks| Ok(in_words(&folds().over(ranks).threads(2).run(&data, fit)?)));
        assert!(of_ranks.unwrap().iter().all(|words| *words == in_words(&alone)), "{n} ranks");
    }
}

#[test]
fn together_or_apart_deals_its_jobs() {
    let settings = |folds: CrossValidation| {
        let trainer = Trainer::new(Adam::new(0.01)).batch_size(16).epochs(3);
        TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
            .hidden([5])
            .trainer(trainer)
            .folds(folds)
    };
    let in_words = |report: &TogetherReport| {
        let results = ["apart", "together"].map(|name| in_words(report.result(name).expect("a contender")));
        format!("{results:?} {:?}", report.generalisation())
    };
    let alone = settings(CrossValidation::new(3)).run(&data()).unwrap();
    for n in [2, 5] {
        let of_ranks =
            on_threads(n, |ranks| Ok(in_words(&settings(CrossValidation::new(3).over(ranks)).run(&data())?)));
        assert!(of_ranks.unwrap().iter().all(|words| *words == in_words(&alone)), "{n} ranks");
    }
}

#[test]
fn jobs_are_dealt_and_their_results_are_in_order() {
    let job = |number: usize| Ok(vec![number as u8; number * 1000]);
    let alone = jobs_over(Alone, 7, job).unwrap();
    assert!(alone.iter().enumerate().all(|(number, bytes)| *bytes == vec![number as u8; number * 1000]));
    for n in [2, 3, 9] {
        let of_ranks = on_threads(n, |ranks| jobs_over(ranks, 7, job)).unwrap();
        assert!(of_ranks.iter().all(|results| *results == alone));
    }
    let failing = |number: usize| match number {
        4 => Err(Error::new(ErrorKind::Value, "job 4", "success", "failure")),
        _ => job(number),
    };
    let errors = on_threads(3, |ranks| Ok(jobs_over(ranks, 7, failing).unwrap_err().to_string())).unwrap();
    assert!(errors.iter().all(|error| error.starts_with("rank 1") && error.contains("job 4")), "{errors:?}");
    let none: Result<Vec<Vec<u8>>> = jobs_over(Alone, 0, job);
    assert!(none.unwrap().is_empty());
}
