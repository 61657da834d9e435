//! Contenders on the same folds: the numbers are those of the formulas, claims are seldom false, and what is undefined or
//! cannot be compared is reported.

use ndarray::{Array2, array};
use polytask::data::Fold;
use polytask::prelude::*;
use polytask::validation::{
    Comparison, ComparisonReport, CrossValidated, CrossValidation, Difference, Predictor, Verdict,
};
use polytask::{ErrorKind, Result};

const TASKS: [&str; 2] = ["shoulder", "elbow"];

/// A small model of both tasks, cross-validated.
fn validated(data: &Dataset<f64>, folds: &CrossValidation, width: usize, seed: u64) -> CrossValidated {
    let fit = |part: &polytask::validation::TrainingPart<'_, f64>| {
        let trunk = [Layer::dense(width, Activation::Tanh)];
        let builder = Model::builder(part.data.n_features()).trunk(trunk).seed(part.seed ^ seed);
        let tasks = TASKS.map(Task::regression);
        let mut model = tasks
            .into_iter()
            .fold(builder, |builder, task| builder.task(task))
            .standardize()
            .build::<f64>()?;
        Trainer::new(Adam::new(0.02)).epochs(15).seed(part.seed ^ seed).fit(&mut model, part.data)?;
        Ok(model)
    };
    folds.run(data, fit).expect("a table that fits")
}

/// P(|T| ≥ t) by Simpson's rule over the density, whose constant is integrated too.
fn tail(t: f64, nu: usize) -> f64 {
    let density = |angle: f64| angle.cos().powi(nu as i32 - 1); // t = √ν tan(angle)
    let integral = |from: f64, to: f64| {
        let (n, width) = (20_000, (to - from) / 20_000.0);
        let weight = |i: usize| {
            if i == 0 || i == n {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        (0..=n).map(|i| weight(i) * density(from + i as f64 * width)).sum::<f64>() * width / 3.0
    };
    let half = std::f64::consts::FRAC_PI_2;
    let at = (t.abs() / (nu as f64).sqrt()).atan();
    integral(at, half) / integral(0.0, half)
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.expect("defined");
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found} is not {expected}");
}

#[test]
fn differences_are_those_of_the_formulas() {
    let data = datasets::robot_arm::<f64>(75, 0.05, 3);
    for (k, repeats) in [(5, 1), (3, 4)] {
        let folds = CrossValidation::new(k).repeats(repeats).seed(2);
        let [base, wide, narrow] =
            [(8, 1), (24, 2), (1, 3)].map(|(width, seed)| validated(&data, &folds, width, seed));
        let contenders = [("base", &base), ("wide", &wide), ("narrow", &narrow)];
        let report = Comparison::new().metric("r2").level(0.9).run(contenders).expect("the same folds");
        for (name, other) in [("wide", &wide), ("narrow", &narrow)] {
            let mut gains = vec![0.0; k * repeats];
            for task in TASKS {
                let of = |result: &CrossValidated| -> Vec<f64> {
                    let score = result[task].score("r2").expect("a quantity");
                    score.folds.iter().map(|value| value.expect("defined")).collect()
                };
                let (a, b) = (of(&base), of(other));
                let differences: Vec<f64> = b.iter().zip(&a).map(|(b, a)| b - a).collect();
                for (gain, (d, a)) in gains.iter_mut().zip(differences.iter().zip(&a)) {
                    *gain += 50.0 * d / a.abs();
                }
                check(report.difference(name, task).expect("compared"), &differences, k);
            }
            check(report.over_tasks(name).expect("compared"), &gains, k);
        }
        assert_eq!((report.n_folds, report.n_rows, report.differences.len()), (k * repeats, 75, 6));
        let counts = report.contenders.iter().map(|contender| contender.parameters);
        assert!(counts.eq([8, 24, 1].map(|width| Some((10 * width + width + 2 * width + 2) as f64))));
        holm(&report);
    }
}

/// One difference against the formulas, with equal folds.
fn check(found: &Difference, differences: &[f64], k: usize) {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = ((1.0 / n + 1.0 / (k as f64 - 1.0)) * variance).sqrt();
    close(found.mean, mean);
    close(found.p, tail(mean / error, differences.len() - 1));
    let (low, high) = found.interval.expect("defined");
    close(Some(0.5 * (low + high)), mean);
    // The interval of 90 % ends where the p-value of the distance is 10 %.
    close(Some(tail(0.5 * (high - low) / error, differences.len() - 1)), 0.1);
    assert_eq!(found.n_folds, differences.len());
}

/// Adjusted p-values from their definition: the largest, over all p-values not above this one, of p times how many there
/// are that are not below.
fn holm(report: &ComparisonReport) {
    let all: Vec<f64> = report.differences.iter().map(|d| d.p.expect("defined")).collect();
    for difference in &report.differences {
        let p = difference.p.expect("defined");
        let of = |q: f64| (q * all.iter().filter(|other| **other >= q).count() as f64).min(1.0);
        let expected = all.iter().filter(|q| **q <= p).map(|q| of(*q)).fold(0.0, f64::max);
        close(difference.p_adjusted, expected);
        let claims = [Verdict::Better, Verdict::Worse].contains(&difference.verdict);
        assert_eq!(claims, expected <= 0.1 + 1e-12, "{difference:?}");
    }
}

/// Contenders that differ in their seed alone: of 200 reports at 5 % at most 17 may claim anything (the 99 % point of
/// the binomial distribution).
#[test]
fn contenders_that_are_alike_are_seldom_told_apart() {
    let mut claims = 0;
    for draw in 0..200 {
        let data = datasets::robot_arm::<f64>(50, 0.1, draw);
        let folds = CrossValidation::new(5).seed(draw);
        let [one, other] = [1, 2].map(|seed| validated(&data, &folds, 4, 1000 * draw + seed));
        let report = Comparison::new().run([("one", &one), ("other", &other)]).expect("the same folds");
        let claim = |d: &Difference| [Verdict::Better, Verdict::Worse].contains(&d.verdict);
        claims += usize::from(report.differences.iter().any(claim));
    }
    println!("{claims} false claims in 200 reports");
    assert!(claims <= 17, "{claims} false claims");
}

#[test]
fn a_difference_that_is_there_is_found_and_says_which_way() {
    let data = datasets::robot_arm::<f64>(300, 0.05, 1);
    let folds = CrossValidation::new(5).repeats(2).threads(2);
    let [good, poor] = [16, 1].map(|width| validated(&data, &folds, width, 0));
    for metric in ["r2", "rmse"] {
        let settings = Comparison::new().metric(metric).margin(0.05);
        let report = settings.run([("good", &good), ("poor", &poor)]).expect("the same folds");
        assert!(report.differences.iter().all(|d| d.verdict == Verdict::Worse), "{report}");
        let turned = settings.run([("poor", &poor), ("good", &good)]).expect("the same folds");
        assert!(turned.differences.iter().all(|d| d.verdict == Verdict::Better), "{turned}");
        for (a, b) in report.differences.iter().zip(&turned.differences).filter(|(a, _)| a.task.is_some()) {
            assert_eq!((a.mean.map(|mean| -mean), a.p), (b.mean, b.p));
            assert_eq!(a.scores.map(|(base, other)| (other, base)), b.scores);
        }
        let printed = report.to_string();
        assert!(
            printed.contains("poor against good") && printed.contains("10 folds of 300 rows"),
            "{printed}"
        );
    }
}

/// Predicts the mean of the training labels.
struct Means(Vec<Task>, Vec<f64>);

impl Predictor<f64> for Means {
    fn tasks(&self) -> &[Task] {
        &self.0
    }

    fn predict_tasks(&self, data: &Dataset<f64>) -> Result<Vec<Array2<f64>>> {
        Ok(self.1.iter().map(|mean| Array2::from_elem((data.n_rows(), 1), *mean)).collect())
    }
}

fn means(data: &Dataset<f64>, folds: &CrossValidation, shift: f64) -> CrossValidated {
    let fit = |part: &polytask::validation::TrainingPart<'_, f64>| {
        let mean = part.data.targets().mean_axis(ndarray::Axis(0)).expect("rows");
        let tasks = (0..mean.len()).map(|column| Task::regression(format!("y{column}"))).collect();
        Ok(Means(tasks, mean.iter().map(|mean| mean + shift).collect()))
    };
    folds.run(data, fit).expect("a table that fits")
}

#[test]
fn what_is_undefined_is_said_and_left_out() {
    // In the second fold all labels of y1 are equal, so that their R2 is undefined; y2 has one label in each fold.
    let targets = array![[1.0, 2.0], [2.0, 5.0], [4.0, 3.0], [3.0, 3.0], [5.0, 1.0], [2.0, 4.0]];
    let data = Dataset::new(Array2::zeros((6, 1)), targets)
        .expect("a table")
        .with_target_names(["y0", "y1"])
        .expect("names");
    let own = [0, 2, 4].map(|first| {
        let test = vec![first, first + 1];
        Fold::new((0..6).filter(|row| !test.contains(row)).collect(), test)
    });
    let folds = CrossValidation::with_folds(own);
    let (mean, shifted) = (means(&data, &folds, 0.0), means(&data, &folds, 0.5));
    let report =
        Comparison::new().metric("r2").run([("mean", &mean), ("shifted", &shifted)]).expect("the same");
    assert_eq!(report.difference("shifted", "y0").expect("there").n_folds, 3);
    assert_eq!(report.difference("shifted", "y1").expect("there").n_folds, 2);
    assert_eq!(report.over_tasks("shifted").expect("there").n_folds, 2);
    assert!(report.contenders.iter().all(|contender| contender.parameters.is_none()));
    assert!(!report.to_string().contains("parameters"), "{report}");

    let single = CrossValidation::with_folds([Fold::new(vec![0, 1, 4, 5], vec![2, 3])]);
    let (mean, shifted) = (means(&data, &single, 0.0), means(&data, &single, 0.5));
    let report =
        Comparison::new().metric("r2").run([("mean", &mean), ("shifted", &shifted)]).expect("the same");
    let y1 = report.difference("shifted", "y1").expect("there");
    assert_eq!(
        (y1.mean, y1.interval, y1.p, y1.verdict, y1.scores),
        (None, None, None, Verdict::Undefined, None)
    );
    let y0 = report.difference("shifted", "y0").expect("there");
    assert!(y0.mean.is_some() && y0.interval.is_none() && y0.verdict == Verdict::Undefined);
    assert!(report.to_string().contains("undefined: scores in 0 of 1 folds"), "{report}");
}

#[test]
fn a_constant_difference_is_beyond_doubt_and_none_is_none() {
    // Every fold holds out the same two labels, so that both contenders' scores are the same in each.
    let data = Dataset::new(Array2::zeros((6, 1)), array![[1.0], [2.0], [1.0], [2.0], [1.0], [2.0]])
        .expect("a table");
    let own = [0, 2, 4].map(|first| {
        let test = vec![first, first + 1];
        Fold::new((0..6).filter(|row| !test.contains(row)).collect(), test)
    });
    let folds = CrossValidation::with_folds(own);
    let (mean, shifted) = (means(&data, &folds, 0.0), means(&data, &folds, 0.5));
    let settings = Comparison::new().metric("mae");
    let report = settings.run([("mean", &mean), ("shifted", &shifted), ("again", &mean)]).expect("the same");
    let of = |name: &str| report.difference(name, "y0").expect("there");
    assert_eq!((of("again").p, of("again").mean), (Some(1.0), Some(0.0)));
    assert_eq!(of("again").verdict, Verdict::Undecided { rows: None });
    let shifted = of("shifted");
    assert_eq!((shifted.mean, shifted.p), (Some(0.0), Some(1.0))); // |2 − 1.5| and |1 − 1.5|, against 0 and 1
}

#[test]
fn how_many_rows_would_do_follows_from_the_interval() {
    let data = datasets::robot_arm::<f64>(60, 0.3, 5);
    let folds = CrossValidation::new(5).seed(5);
    let [one, other] = [(4, 1), (5, 9)].map(|(width, seed)| validated(&data, &folds, width, seed));
    let report = Comparison::new().run([("one", &one), ("other", &other)]).expect("the same folds");
    let mut n_undecided = 0;
    for difference in &report.differences {
        let Verdict::Undecided { rows } = difference.verdict else { continue };
        let ((low, high), mean) = (difference.interval.expect("defined"), difference.mean.expect("defined"));
        let expected = 60.0 * (0.5 * (high - low) / mean).powi(2);
        assert_eq!(rows, (expected <= 60_000.0).then(|| expected.max(60.0).ceil() as usize), "{report}");
        n_undecided += 1;
    }
    assert!(n_undecided > 0, "{report}");
    // With a margin as wide as the score itself nobody is worse.
    let wide =
        Comparison::new().margin(10.0).run([("one", &one), ("other", &other)]).expect("the same folds");
    assert!(wide.differences.iter().all(|d| !matches!(d.verdict, Verdict::Undecided { .. })), "{wide}");
}

#[test]
fn what_cannot_be_compared_is_an_error_that_says_why() {
    let data = datasets::robot_arm::<f64>(40, 0.05, 1);
    let folds = CrossValidation::new(4).seed(1);
    let result = validated(&data, &folds, 2, 0);
    let other_folds = validated(&data, &CrossValidation::new(4).seed(2), 2, 0);
    let plain = Dataset::new(data.features().to_owned(), data.targets().to_owned()).expect("a table");
    let other_tasks = means(&plain, &folds, 0.0);
    let error = |settings: Comparison, results: &[(&str, &CrossValidated)]| {
        settings.run(results.iter().map(|(name, result)| (*name, *result))).expect_err("nothing to compare")
    };
    let new = Comparison::new;
    let both = [("a", &result), ("b", &result)];
    for (error, kind, said) in [
        (error(new(), &[("a", &result)]), ErrorKind::Setting, "results: expected at least 2, found 1"),
        (error(new(), &[]), ErrorKind::Setting, "results: expected at least 2, found 0"),
        (error(new(), &[("a", &result), ("a", &result)]), ErrorKind::Setting, "\"a\" twice"),
        (error(new(), &[("a", &result), ("b", &other_folds)]), ErrorKind::Setting, "one table with one seed"),
        (error(new(), &[("a", &result), ("b", &other_tasks)]), ErrorKind::Setting, "[\"y0\", \"y1\"]"),
        (error(new().level(1.0), &both), ErrorKind::Setting, "level: expected between 0 and 1"),
        (error(new().level(f64::NAN), &both), ErrorKind::Setting, "level"),
        (error(new().margin(-0.1), &both), ErrorKind::Setting, "margin"),
        (error(new().margin(f64::NAN), &both), ErrorKind::Setting, "margin"),
        (error(new().metric("auc"), &both), ErrorKind::Name, "\"rmse\""),
    ] {
        assert!(error.kind() == kind && error.to_string().contains(said), "{error}");
    }
}
