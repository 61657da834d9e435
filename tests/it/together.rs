//! Together or apart: contenders are trained on equal terms and compared, and what fails, is missing or cannot be done is reported.

use std::ops::ControlFlow;
use std::path::PathBuf;

use ndarray::Array2;
use polytask::balance::{GradDrop, UpGrad};
use polytask::data::Fold;
use polytask::penalty::Penalty;
use polytask::prelude::*;
use polytask::together::{Answer, TogetherOrApart, TogetherReport};
use polytask::train::Checkpoints;
use polytask::train::callback::EarlyStopping;
use polytask::validation::{Comparison, CrossValidated, CrossValidation, TrainingPart};
use polytask::{Error, ErrorKind, ModelBuilder};

const TASKS: [&str; 3] = ["task0", "task1", "task2"];

fn table() -> Dataset<f64> {
    datasets::related_tasks(60, 4, 3, 0.5, 0.1, 3)
}

fn tasks() -> [Task; 3] {
    TASKS.map(Task::regression)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(16).epochs(4)
}

fn settings() -> TogetherOrApart {
    let folds = CrossValidation::new(3).seed(5);
    TogetherOrApart::new(tasks()).hidden([7, 5]).activation(Activation::Tanh).trainer(trainer()).folds(folds)
}

fn layers(widths: [usize; 2]) -> [Layer; 2] {
    widths.map(|width| Layer::dense(width, Activation::Tanh))
}

fn builder(part: &TrainingPart<'_, f64>) -> ModelBuilder {
    Model::builder(part.data.n_features()).standardize().seed(part.seed)
}

fn with_tasks(builder: ModelBuilder) -> ModelBuilder {
    tasks().into_iter().fold(builder, ModelBuilder::task)
}

#[track_caller]
fn assert_same_predictions(found: &CrossValidated, expected: &CrossValidated, n_repeats: usize) {
    for task in TASKS {
        for repeat in 0..n_repeats {
            let [found, expected] = [found, expected].map(|result| result[task].out_of_fold(repeat));
            assert!(expected.iter().all(|y| y.is_finite()));
            assert_eq!(found, expected, "{task}, repeat {repeat}");
        }
    }
}

/// Models that are truly separate predict what one network with a trunk for each task does, to the bit, if it begins at
/// their parameters.
#[test]
fn apart_is_independent_trunks_to_the_bit() {
    let data = table();
    let found = settings().full_width().run(&data).expect("a table that fits");
    let folds = CrossValidation::new(3).seed(5);
    let independent = folds.run(&data, |part| {
        let sharing = Sharing::independent(layers([7, 5]));
        let mut joint = with_tasks(builder(part)).sharing(sharing).build::<f64>()?;
        for task in TASKS {
            let own = builder(part).trunk(layers([7, 5])).task(Task::regression(task)).build::<f64>()?;
            for (name, block) in own.network().layout().blocks() {
                let name = name.replace("trunk.", &format!("trunk.{task}."));
                let to = joint.network().layout().block(&name).expect("a block of the same name").range();
                joint.parameters_mut()[to].copy_from_slice(&own.parameters()[block.range()]);
            }
        }
        trainer().seed(part.seed).fit(&mut joint, part.data)?;
        Ok(joint)
    });
    assert_same_predictions(found.result("apart").expect("trained"), &independent.expect("trained"), 1);
    let counts: Vec<f64> = found.costs.iter().map(|cost| cost.parameters).collect();
    assert_eq!(counts[0], 3.0 * (4.0 * 7.0 + 7.0 + 7.0 * 5.0 + 5.0 + 6.0));
}

/// Each contender is what a cross-validation of the same models by hand gives, and so is the comparison.
#[test]
fn contenders_are_what_is_trained_by_hand() {
    let data = table();
    let mmoe = Sharing::mmoe(2, layers([4, 3]));
    let folds = CrossValidation::new(3).repeats(2).seed(9);
    let found = settings()
        .folds(folds.clone().threads(2))
        .sharing("mmoe", mmoe.clone())
        .balance("upgrad", UpGrad::new())
        .aggregate("graddrop", GradDrop::new(1))
        .model("sparse", |builder| Ok(builder.penalty(Penalty::l2("trunk.*.weight", 0.1))))
        .grouping("one group", [TASKS])
        .run(&data)
        .expect("a table that fits");
    let fit = |change: &(dyn Fn(ModelBuilder) -> ModelBuilder + Sync), trainer: Trainer| {
        let result = folds.run(&data, |part| {
            let builder = change(with_tasks(builder(part)).trunk(layers([7, 5])));
            let mut model = builder.build::<f64>()?;
            trainer.clone().seed(part.seed).fit(&mut model, part.data)?;
            Ok(model)
        });
        result.expect("a table that fits")
    };
    let joint = fit(&|builder| builder, trainer());
    for (name, expected) in [
        ("together", &joint),
        ("one group", &joint),
        ("mmoe", &fit(&|builder| builder.sharing(mmoe.clone()), trainer())),
        ("upgrad", &fit(&|builder| builder, trainer().balance(UpGrad::new()))),
        ("graddrop", &fit(&|builder| builder, trainer().aggregate(GradDrop::new(1)))),
        ("sparse", &fit(&|builder| builder.penalty(Penalty::l2("trunk.*.weight", 0.1)), trainer())),
    ] {
        assert_same_predictions(found.result(name).expect("trained"), expected, 2);
    }
    let apart = found.result("apart").expect("trained");
    let by_hand = Comparison::new().run([("apart", apart), ("together", &joint)]).expect("the same folds");
    let comparison = found.comparison.as_ref().expect("all were trained");
    for task in TASKS {
        let [found, expected] =
            [comparison, &by_hand].map(|all| all.difference("together", task).expect("there"));
        assert_eq!((found.mean, found.interval, found.p), (expected.mean, expected.interval, expected.p));
    }
    let gain = by_hand.over_tasks("together").expect("there").mean;
    assert_eq!(found.delta_m_gain("together"), gain);
    assert_eq!(found.delta_m_drop("together"), gain.map(|gain| -gain));
    assert_eq!(found.costs.iter().map(|cost| cost.n_models).collect::<Vec<_>>(), [3, 1, 1, 1, 1, 1, 1]);
    let printed = found.to_string();
    for line in [
        "Together instead of apart?",
        "upgrad against apart",
        "µs to predict a row",
        "as a drop (negative is better)",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

/// Of all widths in proportion, those are taken whose total is the nearest to the joint model's.
#[test]
fn models_of_several_groups_have_the_parameters_of_one() {
    let dense = |inputs: usize, width: usize| inputs * width + width;
    for (features, hidden, groups) in [
        (4, vec![24], vec![1, 1, 1]),
        (4, vec![40, 20], vec![1, 1, 1]),
        (6, vec![10, 30, 7], vec![2, 1]),
        (3, vec![1], vec![1, 1, 1]),
    ] {
        let count = |widths: &[usize], n_tasks: usize| {
            let (mut inputs, mut sum) = (features, 0);
            for &width in widths {
                sum += dense(inputs, width);
                inputs = width;
            }
            sum + n_tasks * dense(inputs, 1)
        };
        let joint = count(&hidden, 3);
        let widest = *hidden.iter().max().expect("a layer");
        let total = |n: usize| -> usize {
            let narrow = |&width: &usize| (((width * n) as f64 / widest as f64).round() as usize).max(1);
            let widths: Vec<usize> = hidden.iter().map(narrow).collect();
            groups.iter().map(|&n_tasks| count(&widths, n_tasks)).sum()
        };
        let nearest = (1..=widest).map(total).min_by_key(|total| total.abs_diff(joint)).expect("a width");
        let names: Vec<Vec<&str>> = match groups.len() {
            3 => TASKS.map(|task| vec![task]).to_vec(),
            _ => vec![vec!["task0", "task2"], vec!["task1"]],
        };
        let data = datasets::related_tasks::<f32>(20, features, 3, 0.5, 0.1, 3);
        let found = TogetherOrApart::new(tasks())
            .hidden(hidden)
            .trainer(trainer().epochs(1))
            .folds(CrossValidation::new(2))
            .grouping("grouped", names)
            .run(&data)
            .expect("a table that fits");
        assert_eq!(found.costs[1].parameters, joint as f64);
        assert_eq!(found.costs[2].parameters, nearest as f64);
        assert_eq!(found.costs[2].bytes, 4.0 * nearest as f64);
        assert_eq!(found.memory().answer, Answer::No);
    }
}

#[test]
fn models_stop_early_on_rows_of_their_own() {
    let data = table();
    let early = trainer().epochs(200).callback(EarlyStopping::new().patience(2));
    let refused = settings().trainer(early.clone()).run(&data);
    assert!(refused.is_err(), "early stopping without rows to watch");
    let found =
        settings().trainer(early.clone()).validation_share(0.25).run(&data).expect("a table that fits");
    let folds = CrossValidation::new(3).seed(5);
    let expected = folds.run(&data, |part| {
        let mut model = with_tasks(builder(part)).trunk(layers([7, 5])).build::<f64>()?;
        let (learnt, watched) = part.data.split(0.75, part.seed)?;
        early.clone().seed(part.seed).fit_validated(&mut model, &learnt, &watched)?;
        Ok(model)
    });
    assert_same_predictions(found.result("together").expect("trained"), &expected.expect("trained"), 1);
}

fn all_differences(report: &TogetherReport) -> Vec<(Option<f64>, Option<f64>)> {
    let comparison = report.comparison.as_ref().expect("compared");
    comparison.differences.iter().map(|difference| (difference.mean, difference.p_adjusted)).collect()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("polytask-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.0)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn bits_are_the_same_for_any_number_of_threads_and_after_a_stop() {
    let data = table();
    let folds = CrossValidation::new(3).repeats(2).seed(5);
    let with = |threads: usize| {
        settings()
            .folds(folds.clone().threads(threads))
            .grouping("pair", [vec!["task2", "task0"], vec!["task1"]])
            .balance("upgrad", UpGrad::new())
    };
    let whole = with(1).run(&data).expect("a table that fits");
    for threads in [2, 5] {
        let other = with(threads).run(&data).expect("a table that fits");
        assert_eq!(all_differences(&other), all_differences(&whole));
        for name in ["apart", "together", "pair", "upgrad"] {
            assert_same_predictions(
                other.result(name).expect("trained"),
                whole.result(name).expect("trained"),
                2,
            );
        }
    }
    for (threads, stop_after) in [(1, 1), (1, 7), (3, 13), (2, 24)] {
        let folder = Folder::new("together-stopped");
        let mut told = 0;
        let stopped = with(threads)
            .keep_in(&folder.0)
            .run_observed(&data, |job| {
                told += 1;
                assert_eq!((job.n_done >= told, job.n_jobs, job.was_kept), (true, 24, false));
                if told == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .expect("a table that fits");
        assert_eq!(told, stop_after);
        let n_done = folder.files().len();
        assert!((stop_after..stop_after + threads).contains(&n_done));
        assert_eq!(stopped.missing.len(), 24 - n_done);
        // What is compared are folds that all have finished, whole repeats if there is one.
        let n_complete = n_done / 4;
        let n_compared = if n_complete >= 3 { n_complete / 3 * 3 } else { n_complete };
        let n_folds = stopped.comparison.as_ref().map_or(0, |comparison| comparison.n_folds);
        assert!(threads > 1 || n_folds == n_compared, "{n_folds} of {n_done} jobs");
        if let Some(first) = stopped.missing.first() {
            assert!(first.repeat * 12 + first.fold * 4 <= n_done);
            let said = format!("{} jobs are missing, the first is {}", 24 - n_done, first.contender);
            assert!(stopped.to_string().contains(&said), "{stopped}");
        }
        let mut n_kept = 0;
        let resumed = with(1)
            .keep_in(&folder.0)
            .run_observed(&data, |job| {
                n_kept += usize::from(job.was_kept);
                ControlFlow::Continue(())
            })
            .expect("a table that fits");
        assert_eq!((n_kept, folder.files().len()), (n_done, 24));
        assert!(resumed.missing.is_empty());
        assert_eq!(all_differences(&resumed), all_differences(&whole));
    }
}

#[test]
fn a_kept_job_is_taken_where_all_is_the_same_and_nowhere_else() {
    let (data, folder) = (table(), Folder::new("together-kept"));
    let n_trained = |settings: TogetherOrApart, data: &Dataset<f64>| {
        let mut n = 0;
        let observed = settings.keep_in(&folder.0).run_observed(data, |job| {
            n += usize::from(!job.was_kept);
            ControlFlow::Continue(())
        });
        observed.map(|_| n)
    };
    let own =
        |l2: f64| settings().model("own", move |builder| Ok(builder.penalty(Penalty::l2("trunk.*", l2))));
    let other_table = datasets::related_tasks(60, 4, 3, 0.5, 0.1, 4);
    for (settings, data, expected) in [
        (settings(), &data, 6),
        (settings(), &data, 0),
        (settings().comparison(Comparison::new().metric("mae").level(0.9)), &data, 0),
        (settings().folds(CrossValidation::new(3).seed(5).threads(2)), &data, 0),
        (own(0.1), &data, 3), // a contender that is added
        (own(0.2), &data, 3), // one whose settings changed
        (settings().hidden([7, 6]), &data, 6),
        (settings().full_width(), &data, 3), // that of `apart` alone
        (settings().trainer(trainer().epochs(5)), &data, 6),
        (settings().validation_share(0.2), &data, 6),
        (settings().folds(CrossValidation::new(3).seed(6)), &data, 6),
        (settings().folds(CrossValidation::new(3).repeats(2).seed(5)), &data, 6), // of the second repeat
        (settings(), &other_table, 6),
    ] {
        assert_eq!(n_trained(settings, data).expect("a table that fits"), expected);
    }
    let single = datasets::related_tasks::<f32>(60, 4, 3, 0.5, 0.1, 3);
    let mut n = 0;
    let observed = settings().keep_in(&folder.0).run_observed(&single, |job| {
        n += usize::from(!job.was_kept);
        ControlFlow::Continue(())
    });
    assert!(observed.is_ok() && n == 6, "the same table in f32");

    // A file that is damaged, or another's, is an error that says which and what to do.
    let (files, other) = (folder.files(), Folder::new("together-damaged"));
    settings().keep_in(&other.0).run(&data).expect("a table that fits");
    let own = other.files();
    let bytes = std::fs::read(&own[0]).expect("a file");
    for (damaged, said) in [
        (bytes[..bytes.len() / 2].to_vec(), "whole file"),
        (std::fs::read(&own[1]).expect("a file"), "another of the same name"),
        (Vec::new(), "whole file"),
    ] {
        std::fs::write(&own[0], damaged).expect("a file that can be written");
        let error = settings().keep_in(&other.0).run(&data).expect_err("damaged");
        let text = error.to_string();
        assert!(error.kind() == ErrorKind::File && text.contains(said), "{text}");
        assert!(text.contains("remove the file") && text.contains("job-"), "{text}");
    }
    assert!(files.len() > 6);
    let error = settings().keep_in(&own[1]).run(&data).expect_err("a file where a folder should be");
    assert_eq!(error.kind(), ErrorKind::File);
}

/// Cut off, with a byte changed, or with numbers that nobody predicts: a kept job is an error or is taken, and panics nowhere.
#[test]
fn files_of_jobs_are_not_believed() {
    let (data, folder) = (table(), Folder::new("together-hostile"));
    settings().keep_in(&folder.0).run(&data).expect("a table that fits");
    let path = folder.files().swap_remove(2);
    let bytes = std::fs::read(&path).expect("a file");
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file that can be written");
        settings().keep_in(&folder.0).run(&data).map(|report| report.to_string())
    };
    for at in (0..bytes.len()).step_by(bytes.len() / 60) {
        assert!(run(&bytes[..at]).is_err(), "cut off after {at} bytes");
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        let _ = run(&changed);
    }
    // The numbers of the last task are at the end.
    for (wrong, is_refused) in [(f64::NAN, true), (f64::INFINITY, true), (1e300, false), (-0.0, false)] {
        let mut changed = bytes.clone();
        let end = changed.len();
        changed[end - 8..].copy_from_slice(&wrong.to_le_bytes());
        assert_eq!(run(&changed).is_err(), is_refused, "{wrong}");
    }
    assert!(run(&bytes).is_ok());
    let long = [&bytes[..], &[0; 8]].concat();
    assert!(run(&long).is_err());
}

/// What fails in one fold of three is reported and compared with nobody, and the failure is kept like a result.
#[test]
fn what_fails_is_reported_and_in_no_mean() {
    let (data, folder) = (table(), Folder::new("together-failed"));
    let second = 5_000_015_u64 + 1; // the seed of the second fold
    let with = || {
        let breaks = move |builder: ModelBuilder| {
            let is_second = format!("{builder:?}").contains(&format!("seed: {second}"));
            Ok(if is_second { builder.penalty(Penalty::l2("trunk.*", 1e308)) } else { builder })
        };
        settings().model("breaks", breaks).keep_in(&folder.0)
    };
    for _ in 0..2 {
        let found = with().run(&data).expect("the others can be trained");
        let [failure] = &found.failures[..] else { panic!("{found}") };
        assert_eq!((failure.contender.as_str(), failure.n_failed, failure.n_jobs), ("breaks", 1, 3));
        assert!(
            failure.error.starts_with("fold 1: ") && failure.error.contains("finite"),
            "{}",
            failure.error
        );
        let comparison = found.comparison.as_ref().expect("the others");
        assert!(comparison.contenders.iter().map(|c| c.name.as_str()).eq(["apart", "together"]));
        assert!(found.result("breaks").is_none() && found.costs.len() == 3);
        assert!(
            found.to_string().contains("breaks failed in 1 of 3 folds and is not compared: fold 1: "),
            "{found}"
        );
        assert_eq!(
            all_differences(&found),
            all_differences(&settings().run(&data).expect("a table that fits"))
        );
    }

    // A rate that no model survives.
    let wild = || Trainer::new(Sgd::new(1e300)).epochs(3);
    let error = settings().trainer(wild()).run(&data).expect_err("nothing can be trained");
    assert!(error.to_string().contains("a contender that can be trained"), "{error}");

    // Where `apart` fails there is nothing to compare with: the second task has no label in the rows to learn from.
    let mut targets = data.targets().to_owned();
    targets.slice_mut(ndarray::s![20.., 1]).fill(f64::NAN);
    let gaps = Dataset::new(data.features().to_owned(), targets)
        .expect("a table")
        .with_target_names(TASKS)
        .expect("names");
    let rows = |from: usize, to: usize| (from..to).collect::<Vec<_>>();
    let own = [Fold::new(rows(20, 60), rows(0, 20)), Fold::new(rows(0, 40), rows(40, 60))];
    let error = settings().folds(CrossValidation::with_folds(own)).run(&gaps);
    let failed = error.expect("the second fold can be trained");
    assert_eq!(failed.failures.iter().map(|f| (f.n_failed, f.n_jobs)).collect::<Vec<_>>(), [(1, 2), (1, 2)]);
    assert!(failed.comparison.is_none());
    for claim in &failed.claims[..2] {
        assert_eq!((claim.answer, claim.ratio), (Answer::CannotTell { rows: None }, None));
    }
    assert!(failed.to_string().contains("better predictions  cannot tell"), "{failed}");
}

#[test]
fn rows_held_out_without_labels_leave_scores_undefined() {
    let data = table();
    let mut targets = data.targets().to_owned();
    targets.slice_mut(ndarray::s![20.., 1]).fill(f64::NAN);
    let gaps = Dataset::new(data.features().to_owned(), targets)
        .expect("a table")
        .with_target_names(TASKS)
        .expect("names");
    let rows = |from: usize, to: usize| (from..to).collect::<Vec<_>>();
    let own = [Fold::new(rows(0, 40), rows(40, 60)), Fold::new(rows(0, 40), rows(40, 50))];
    let error =
        settings().folds(CrossValidation::with_folds(own.clone())).run(&gaps).expect_err("a row twice");
    assert_eq!(error.kind(), ErrorKind::Setting);
    let own = [Fold::new(rows(0, 40), rows(50, 60)), Fold::new(rows(0, 40), rows(40, 50))];
    let found = settings().folds(CrossValidation::with_folds(own)).run(&gaps).expect("a table that fits");
    let comparison = found.comparison.as_ref().expect("compared");
    assert_eq!(comparison.difference("together", "task1").expect("there").n_folds, 0);
    assert_eq!(comparison.over_tasks("together").expect("there").n_folds, 0);
    assert_eq!(found.generalisation().answer, Answer::CannotTell { rows: None });
    assert!(found.to_string().contains("undefined: scores in 0 of 2 folds"), "{found}");
}

/// Three tasks of one direction and few rows, against a task on its own and a joint model that are made unlike.
#[test]
fn answers_follow_from_differences() {
    let data = datasets::robot_arm::<f64>(200, 0.05, 1);
    let arm = || {
        TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
            .hidden([16])
            .trainer(Trainer::new(Adam::new(0.02)).epochs(20))
            .folds(CrossValidation::new(5).repeats(2).threads(2))
            .full_width()
    };
    // Apart with a learning rate that is fine, together with a balance that stops the shared part from learning: worse.
    let found = arm()
        .comparison(Comparison::new().metric("r2").margin(0.5))
        .model("one unit", |builder| Ok(builder.trunk([Layer::dense(1, Activation::Relu)])))
        .run(&data)
        .expect("a table that fits");
    let comparison = found.comparison.as_ref().expect("compared");
    let verdict = comparison.over_tasks("together").expect("there").verdict;
    let expected = match verdict {
        polytask::validation::Verdict::Better => Answer::Yes,
        polytask::validation::Verdict::NoWorse => Answer::NoWorse,
        other => panic!("within half of the score: {other:?}"),
    };
    assert_eq!(found.generalisation().answer, expected);
    assert!(found.generalisation().is_in_percent_of(&found));
    assert_eq!((found.memory().answer, found.memory().interval), (Answer::Yes, None));
    let time = found.training_time();
    let (low, high) = time.interval.expect("ten folds");
    assert!(time.ratio.is_some_and(|ratio| low <= ratio && ratio <= high));
    match time.answer {
        Answer::Yes => assert!(high < 1.0),
        Answer::No => assert!(low > 1.0),
        answer => assert!(answer == Answer::CannotTell { rows: None } && low <= 1.0 && high >= 1.0),
    }
}

trait InPercent {
    fn is_in_percent_of(&self, report: &TogetherReport) -> bool;
}

impl InPercent for polytask::together::Claim {
    fn is_in_percent_of(&self, report: &TogetherReport) -> bool {
        let over = report.comparison.as_ref().and_then(|comparison| comparison.over_tasks("together"));
        over.is_some_and(|over| over.interval == self.interval && self.ratio.is_none())
    }
}

#[test]
fn what_cannot_be_compared_is_an_error_before_anything_is_trained() {
    let data = table();
    let setting = ErrorKind::Setting;
    let checkpoints = Checkpoints::new(std::env::temp_dir().join("polytask-never-made"));
    let many = (0..21).fold(settings(), |settings, i| settings.grouping(format!("{i}"), [TASKS]));
    let product = [Task::binary("task0"), Task::binary("task1"), Task::product("task2", ["task0", "task1"])];
    let own = |change: fn(ModelBuilder) -> polytask::Result<ModelBuilder>| settings().model("own", change);
    for (settings, kind, said) in [
        (TogetherOrApart::new([Task::regression("task0")]), setting, "tasks: expected at least 2, found 1"),
        (TogetherOrApart::new([]), setting, "tasks: expected at least 2, found 0"),
        (TogetherOrApart::new(product), setting, "learnt alone, found \"task2\""),
        (TogetherOrApart::new(tasks()).hidden([]), setting, "hidden layers: expected at least 1"),
        (TogetherOrApart::new(tasks()).hidden([0]), setting, "width of trunk.0"),
        (TogetherOrApart::new([tasks()[0].clone(), tasks()[0].clone()]), ErrorKind::Name, "\"task0\" twice"),
        (settings().sharing("apart", Sharing::mmoe(2, layers([2, 2]))), setting, "\"apart\" twice"),
        (settings().sharing("none", Sharing::mmoe(0, layers([2, 2]))), setting, "contender \"none\""),
        (settings().grouping("g", [vec!["task0"], vec!["task1"]]), setting, "\"task2\" 0 times"),
        (settings().grouping("g", [TASKS.to_vec(), vec!["task1"]]), setting, "\"task1\" 2 times"),
        (settings().grouping("g", [TASKS.to_vec(), vec![]]), setting, "a group without tasks"),
        (settings().grouping("g", [vec!["task0", "other"]]), setting, "\"other\", which is no task"),
        (many, setting, "groupings: expected at most 20, found 21"),
        (settings().trainer(trainer().checkpoint(checkpoints)), setting, "keeps no checkpoints"),
        (own(|builder| Ok(builder.task(Task::regression("more")))), setting, "contender \"own\", tasks"),
        (
            own(|_| Err(Error::new(ErrorKind::Value, "mine", "luck", "none"))),
            ErrorKind::Value,
            "contender \"own\", mine: expected luck",
        ),
        (settings().folds(CrossValidation::new(1)), setting, "folds"),
        (settings().folds(CrossValidation::new(100)), ErrorKind::Shape, "folds"),
        (settings().validation_share(1.5), setting, "share"),
        (settings().comparison(Comparison::new().level(2.0)), setting, "level"),
        (settings().comparison(Comparison::new().metric("auc")), ErrorKind::Name, "\"rmse\""),
        (TogetherOrApart::new(["task0", "nowhere"].map(Task::regression)), ErrorKind::Name, "nowhere"),
    ] {
        let error = settings.run(&data).expect_err(said);
        assert!(error.kind() == kind && error.to_string().contains(said), "{:?}: {error}", error.kind());
    }
    let empty =
        Dataset::new(Array2::<f64>::zeros((30, 2)), Array2::from_elem((30, 3), f64::NAN)).expect("a table");
    let error = settings().run(&empty.with_target_names(TASKS).expect("names")).expect_err("no label");
    assert!(error.to_string().contains("label"), "{error}");
}
