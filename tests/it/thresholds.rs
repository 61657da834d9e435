//! Decision thresholds are the best there are, go where decisions are made, and come back from files.

use ndarray::{Array1, Array2, Axis, array};
use polytask::loss::Labels;
use polytask::metric::{Average, ChosenThreshold, Metric, ThresholdCriterion};
use polytask::prelude::*;
use polytask::validation::CrossValidation;
use polytask::{ErrorKind, Result};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn decided(p: &Array2<f64>, threshold: f64) -> Array2<f64> {
    p.mapv(|p| f64::from(u8::from(p > threshold)))
}

/// What the criterion is worth with a threshold, by the metrics.
fn value(criterion: ThresholdCriterion, p: &Array2<f64>, labels: &Labels<'_, f64>, threshold: f64) -> f64 {
    let decided = decided(p, threshold);
    let of = |metric: Metric| metric.evaluate(decided.view(), labels).unwrap();
    match criterion {
        ThresholdCriterion::F1 => of(Metric::F1(Average::Binary)),
        ThresholdCriterion::BalancedAccuracy => of(Metric::BalancedAccuracy),
        ThresholdCriterion::Cost { false_positive, false_negative }
        | ThresholdCriterion::ExpectedCost { false_positive, false_negative } => {
            let cost = |row: usize| match (labels.targets[[row, 0]], decided[[row, 0]]) {
                (0.0, 1.0) => false_positive,
                (1.0, 0.0) => false_negative,
                _ => 0.0,
            };
            let rows = || (0..p.nrows()).filter(|&row| !labels.targets[[row, 0]].is_nan());
            rows().map(|row| labels.weight(row) * cost(row)).sum::<f64>()
                / rows().map(|row| labels.weight(row)).sum::<f64>()
        }
        _ => unreachable!(),
    }
}

#[test]
fn no_threshold_is_better_than_the_chosen_one() -> Result<()> {
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    for case in 0..60 {
        let n = 4 + case % 40;
        // Probabilities with ties, and with 0, ½ and 1 among them.
        let mut p = Array2::from_shape_fn((n, 1), |_| (rng.random::<f64>() * 8.0).round() / 8.0);
        if case % 3 == 0 {
            p.mapv_inplace(|p| p * 0.3 + rng.random::<f64>() * 0.1);
        }
        let mut t = Array2::from_shape_fn((n, 1), |_| f64::from(u8::from(rng.random::<f64>() < 0.3)));
        (t[[0, 0]], t[[1, 0]], t[[2, 0]]) = (1.0, 0.0, f64::NAN);
        // Halves are added and taken away exactly.
        let weights =
            Array1::from_shape_fn(
                n,
                |row| if row < 2 { 1.0 } else { (rng.random::<f64>() * 6.0).floor() / 2.0 },
            );
        let labels = Labels { weights: (case % 2 == 0).then_some(weights.view()), ..Labels::new(t.view()) };
        for criterion in [
            ThresholdCriterion::F1,
            ThresholdCriterion::BalancedAccuracy,
            ThresholdCriterion::Cost { false_positive: 1.0, false_negative: 5.0 },
            ThresholdCriterion::Cost { false_positive: 0.0, false_negative: 1.0 },
        ] {
            let [chosen] = criterion.choose(p.view(), &labels)?[..] else { panic!("one column") };
            let at = |threshold| value(criterion, &p, &labels, threshold);
            // A few roundings in another order.
            assert!((chosen.value - at(chosen.threshold)).abs() < 1e-14);
            assert!((chosen.value_at_half - at(0.5)).abs() < 1e-14);
            let is_cost = matches!(criterion, ThresholdCriterion::Cost { .. });
            let worth = |value: f64| if is_cost { -value } else { value };
            for step in 0..=2000 {
                let threshold = f64::from(step) / 2000.0;
                assert!(
                    worth(at(threshold)) <= worth(chosen.value) + 1e-14,
                    "{criterion:?}: {chosen:?}, {threshold}"
                );
            }
            // One as good is not nearer to ½ by more than to where the decisions change.
            if at(0.5) == chosen.value {
                assert_eq!(chosen.threshold, 0.5);
            }
        }
    }
    Ok(())
}

#[test]
fn ties_and_extremes_are_as_the_page_says() -> Result<()> {
    let choose = |p: Array2<f64>, t: Array2<f64>, criterion: ThresholdCriterion| {
        criterion.choose(p.view(), &Labels::new(t.view())).map(|chosen| chosen[0])
    };
    let t = array![[0.0], [1.0], [0.0], [1.0]];
    let balanced = ThresholdCriterion::BalancedAccuracy;
    // ½ is as good as any between 0.3 and 0.9; the middle where it is not.
    assert_eq!(choose(array![[0.3], [0.9], [0.2], [0.95]], t.clone(), balanced)?.threshold, 0.5);
    assert_eq!(choose(array![[0.6], [0.9], [0.2], [0.95]], t.clone(), balanced)?.threshold, 0.75);
    // A probability of exactly the threshold is a no.
    let at_edge = choose(array![[0.5], [0.75], [0.25], [1.0]], t.clone(), balanced)?;
    assert_eq!(at_edge, ChosenThreshold { threshold: 0.5, value: 1.0, value_at_half: 1.0 });
    // Nothing distinguishes the rows: ½ is kept.
    assert_eq!(choose(Array2::from_elem((4, 1), 0.2), t.clone(), balanced)?.threshold, 0.5);
    // All yes, where a miss costs all; none of the probabilities is 0.
    let miss = ThresholdCriterion::Cost { false_positive: 0.0, false_negative: 1.0 };
    let all = choose(array![[0.1], [0.1], [0.2], [0.4]], t.clone(), miss)?;
    assert!(all.threshold < 0.1 && all.value == 0.0);
    // Neighbouring numbers: the threshold is the lower one.
    let next = 0.75_f64.next_up();
    let close = choose(array![[0.75], [next], [0.75], [next]], t.clone(), balanced)?;
    assert_eq!((close.threshold, close.value), (0.75, 1.0));
    let expected = ThresholdCriterion::ExpectedCost { false_positive: 3.0, false_negative: 1.0 };
    assert_eq!(choose(array![[0.8], [0.9], [0.7], [0.2]], t.clone(), expected)?.threshold, 0.75);
    for (p, t, criterion, kind, words) in [
        (array![[0.1], [0.2]], array![[0.0], [0.0]], balanced, ErrorKind::Value, "found 0 yes and 2 no"),
        (array![[0.1], [0.2]], array![[1.0], [f64::NAN]], balanced, ErrorKind::Value, "found 1 yes and 0 no"),
        (array![[0.1], [0.2]], array![[1.0], [2.0]], balanced, ErrorKind::Value, "expected 0 or 1, found 2"),
        (array![[0.1], [1.2]], array![[1.0], [0.0]], balanced, ErrorKind::Value, "row 1, target column 0"),
        (array![[0.1], [f64::NAN]], array![[1.0], [0.0]], balanced, ErrorKind::Value, "found NaN"),
        (
            array![[0.1]],
            array![[1.0], [0.0]],
            balanced,
            ErrorKind::Shape,
            "2 × 1, as the labels, found 1 × 1",
        ),
        (
            array![[0.1], [0.2]],
            array![[1.0], [0.0]],
            ThresholdCriterion::Cost { false_positive: -1.0, false_negative: 2.0 },
            ErrorKind::Setting,
            "found -1 and 2",
        ),
        (
            array![[0.1], [0.2]],
            array![[1.0], [0.0]],
            ThresholdCriterion::ExpectedCost { false_positive: 0.0, false_negative: 0.0 },
            ErrorKind::Setting,
            "one of them above 0",
        ),
    ] {
        let error = choose(p, t, criterion).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    Ok(())
}

/// Two columns of yes or no, neither of which is ever likelier than not, and a quantity.
fn table() -> Result<Dataset<f64>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(8);
    let x = Array2::from_shape_fn((400, 3), |(i, j)| ((i * (2 * j + 3) + j) % 31) as f64 / 31.0);
    let y = Array2::from_shape_fn((400, 3), |(i, k)| match k {
        2 => x[[i, 2]],
        _ => f64::from(u8::from(rng.random::<f64>() < 0.05 + 0.35 * x[[i, k]])),
    });
    Dataset::new(x, y)?.with_target_names(["a", "b", "size"])
}

fn model(train: &Dataset<f64>) -> Result<Model<f64>> {
    let mut model = Model::builder(3)
        .trunk([Layer::dense(8, Activation::Tanh)])
        .task(Task::multi_label("marks", ["a", "b"]).metric(Metric::BalancedAccuracy))
        .task(Task::regression("size"))
        .build::<f64>()?;
    Trainer::new(Adam::new(0.02)).epochs(15).fit(&mut model, train)?;
    Ok(model)
}

#[test]
fn a_model_keeps_its_thresholds_and_is_judged_by_them() -> Result<()> {
    let (train, held_out, test) = table()?.split_three([0.5, 0.25], 3)?;
    let mut model = model(&train)?;
    let before = model.evaluate(&test)?;
    assert!(before["marks"].thresholds.is_empty());
    let chosen = model.fit_threshold("marks", &held_out, ThresholdCriterion::F1)?;
    assert_eq!(chosen.len(), 2);
    let thresholds: Vec<f64> = chosen.iter().map(|chosen| chosen.threshold).collect();
    assert_eq!(model.thresholds("marks"), Some(&thresholds[..]));
    assert!(thresholds.iter().all(|&threshold| threshold < 0.5), "{thresholds:?}"); // yes is rare
    // The same as by hand.
    let p = model.predict(held_out.features())?["marks"].clone();
    let t = held_out.targets().select(Axis(1), &[0, 1]);
    assert_eq!(ThresholdCriterion::F1.choose(p.view(), &Labels::new(t.view()))?, chosen);

    let after = model.evaluate(&test)?;
    assert_eq!(after["marks"].thresholds, thresholds);
    let p = model.predict(test.features())?["marks"].clone();
    let decisions = model.decide_table(&test)?;
    for ((row, column), &decision) in decisions["marks"].indexed_iter() {
        assert_eq!(decision, f64::from(u8::from(p[[row, column]] > thresholds[column])));
    }
    let t = test.targets().select(Axis(1), &[0, 1]);
    for metric in [Metric::Accuracy, Metric::F1(Average::Macro), Metric::BalancedAccuracy] {
        let by_hand = metric.evaluate(decisions["marks"].view(), &Labels::new(t.view()));
        assert_eq!(after["marks"].score(&metric.name()), by_hand, "{}", metric.name());
    }
    // Probabilities are as they were, and what is judged by them.
    assert_eq!(after["marks"].score("roc_auc"), before["marks"].score("roc_auc"));
    assert_ne!(after["marks"].score("f1_macro"), before["marks"].score("f1_macro"));
    let printed = after.to_string();
    assert!(
        printed.contains(&format!("\nmarks is decided to be yes above {:.4}", thresholds[0])),
        "{printed}"
    );

    // In a file, and in the other precision.
    let loaded = Model::<f64>::from_bytes(&model.to_bytes()?)?;
    assert_eq!(loaded.thresholds("marks"), Some(&thresholds[..]));
    assert_eq!(loaded.evaluate(&test)?, after);
    assert_eq!(model.cast::<f32>()?.thresholds("marks"), Some(&thresholds[..]));

    for (task, kind) in [("size", ErrorKind::Setting), ("mark", ErrorKind::Name)] {
        assert_eq!(model.fit_threshold(task, &held_out, ThresholdCriterion::F1).unwrap_err().kind(), kind);
        assert_eq!(model.set_thresholds(task, &[0.5]).unwrap_err().kind(), kind);
    }
    assert_eq!(model.set_thresholds("marks", &[0.5]).unwrap_err().kind(), ErrorKind::Shape);
    for wrong in [-0.1, 1.1, f64::NAN] {
        assert_eq!(model.set_thresholds("marks", &[0.5, wrong]).unwrap_err().kind(), ErrorKind::Setting);
    }
    assert_eq!(model.thresholds("marks"), Some(&thresholds[..])); // an error changes nothing
    Ok(())
}

#[test]
fn thresholds_of_a_file_are_not_believed() -> Result<()> {
    let mut model = model(&table()?)?;
    model.set_thresholds("marks", &[0.25, 0.75])?;
    let bytes = model.to_bytes()?;
    // In the header, quotes are escaped; as many bytes as before.
    let find = |text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    let at = find("[0.25,0.75]");
    for (other, words) in [("[0.25,7.75]", "0 to 1"), ("[0.25     ]", "one for each target column")] {
        let mut damaged = bytes.clone();
        damaged[at..at + other.len()].copy_from_slice(other.as_bytes());
        let error = Model::<f64>::from_bytes(&damaged).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    Ok(())
}

#[test]
fn cross_validation_judges_by_the_thresholds_of_each_fold() -> Result<()> {
    let data = table()?;
    let fit = |threshold: f64| {
        CrossValidation::new(4).seed(1).run(&data, |part| {
            let mut model = model(part.data)?;
            if threshold != 0.5 {
                model.set_thresholds("marks", &[threshold, threshold])?;
            }
            Ok(model)
        })
    };
    let (half, low) = (fit(0.5)?, fit(0.1)?);
    let p = low["marks"].out_of_fold(0).to_owned();
    assert_eq!(half["marks"].out_of_fold(0), p);
    let t = data.targets().select(Axis(1), &[0, 1]);
    let f1 = |threshold| {
        Metric::F1(Average::Macro).evaluate(decided(&p, threshold).view(), &Labels::new(t.view()))
    };
    for (result, threshold) in [(&half, 0.5), (&low, 0.1)] {
        assert_eq!(result["marks"].score("f1_macro").unwrap().pooled, [f1(threshold)]);
    }
    assert_ne!(f1(0.5), f1(0.1));
    assert_eq!(half["marks"].score("roc_auc"), low["marks"].score("roc_auc"));
    Ok(())
}
