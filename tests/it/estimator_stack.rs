//! Kinds of networks in an estimator are weighed by what they predict for rows that they have not learnt from; where there is
//! no such prediction, a warning says so.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2, s};
use polytask::estimator::{Effort, EstimatorKind, Fitted, FittedMembers, MemberKind, Regression};
use polytask::prelude::*;
use polytask::train::callback::each_step;
use polytask::{ErrorKind, Result, Scalar, Warning};

use MemberKind::{Binned, Decayed, Fine, Linear, Plain};

/// A target that is linear, one with a step, and noise.
fn table(n: usize) -> Dataset<f64> {
    let x = Array2::from_shape_fn((n, 2), |(i, j)| ((i * (7 * j + 3) + j) % 31) as f64 / 31.0);
    let noise = |i: usize| ((i * 7919) % 101) as f64 / 101.0 - 0.5;
    let y = Array2::from_shape_fn((n, 3), |(i, k)| match k {
        0 => 2.0 * x[[i, 0]] - x[[i, 1]] + 0.05 * noise(i),
        1 => f64::from(u8::from(x[[i, 0]] > 0.4)) + 0.3 * x[[i, 1]] + 0.05 * noise(i + 5),
        _ => noise(3 * i + 1),
    });
    Dataset::new(x, y).unwrap().with_target_names(["line", "step", "noise"]).unwrap()
}

fn settings() -> MultiTaskRegressor {
    MultiTaskRegressor::new().hidden([8]).learning_rate(0.03).epochs(150).folds(3).members(9).seed(2)
}

fn classes(n: usize) -> Dataset<f64> {
    let data = table(n);
    let y = Array2::from_shape_fn((n, 2), |(i, k)| match k {
        0 => (data.targets()[[i, 0]] > 0.5).into(),
        _ => {
            f64::from(u8::from(data.targets()[[i, 1]] > 0.5))
                + f64::from(u8::from(data.targets()[[i, 1]] > 1.1))
        }
    });
    Dataset::new(data.features().to_owned(), y).unwrap()
}

/// The rows that network m has not learnt from, cut as the estimator cuts them.
fn held_out(data: &Dataset<f64>, kinds: &[MemberKind], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut of_kind = std::collections::HashMap::new();
    let of_network = |kind: &MemberKind| {
        let number = of_kind.entry(*kind).or_insert(0_usize);
        let cut = data.fold_rows(folds, seed + (*number / folds) as u64).unwrap();
        *number += 1;
        cut[(*number - 1) % folds].test.clone()
    };
    kinds.iter().map(of_network).collect()
}

/// What each kind predicts for each row by networks that have not learnt from it: `rows × kinds`, by `judged`.
fn out_of_fold(
    data: &Dataset<f64>,
    (members, kinds): (&[Model<f64>], &[MemberKind]),
    of: &[MemberKind],
    judged: impl Fn(&Model<f64>, usize) -> f64,
) -> Array2<f64> {
    let held_out = held_out(data, kinds, 3, 2);
    Array2::from_shape_fn((data.n_rows(), of.len()), |(row, j)| {
        let networks = (0..members.len()).filter(|&m| kinds[m] == of[j] && held_out[m].contains(&row));
        let all: Vec<f64> = networks.map(|m| judged(&members[m], row)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    })
}

#[test]
fn networks_are_dealt_to_the_kinds_in_turn() -> Result<()> {
    let data = table(40);
    let kinds = |settings: MultiTaskRegressor| -> Result<Vec<MemberKind>> {
        let model = settings.epochs(1).fit_table(&data)?;
        let first = model.member_kinds()[0];
        assert_eq!(model.stack().is_some(), model.member_kinds().iter().any(|kind| *kind != first));
        Ok(model.member_kinds().to_vec())
    };
    let short = MultiTaskRegressor::new().hidden([3]).folds(2);
    assert_eq!(kinds(short.clone().members(7))?, [Plain, Plain, Binned, Binned, Linear, Linear, Plain]);
    assert_eq!(kinds(short.clone().members(5))?, [Plain, Plain, Binned, Binned, Plain]);
    assert_eq!(kinds(short.clone().members(3))?, [Plain; 3]); // the second kind would not have held out all rows
    assert_eq!(kinds(short.clone().members(5).hidden([]))?, [Plain; 5]);
    assert_eq!(kinds(short.clone().members(4).kinds([Linear]))?, [Linear; 4]);
    let own = Sharing::shared_trunk([Layer::dense(3, Activation::Tanh)]);
    assert_eq!(kinds(short.clone().members(5).sharing(own.clone()))?, [Plain; 5]);
    let both = short.clone().members(4).sharing(own.clone()).kinds([Decayed, Plain]);
    assert_eq!(kinds(both)?, [Decayed, Decayed, Plain, Plain]);
    let model = MultiTaskRegressor::new().hidden([3]).epochs(1).fit_table(&data)?;
    assert_eq!(
        model.member_kinds().chunks(5).map(|five| five[0]).collect::<Vec<_>>(),
        [Plain, Binned, Linear]
    );
    assert_eq!(kinds(short.clone().effort(Effort::Low))?, [Plain; 2]);
    let of_all = [Plain, Binned, Linear, Fine, Decayed];
    let twice: Vec<MemberKind> = of_all.into_iter().chain(of_all).flat_map(|kind| [kind; 2]).collect();
    assert_eq!(kinds(short.clone().effort(Effort::High))?, twice);
    assert_eq!(kinds(short.clone().effort(Effort::High).members(3).kinds([Linear]))?, [Linear; 3]);
    let wide = Array2::from_shape_fn((20, 49), |(i, j)| ((i * (j + 2)) % 13) as f64);
    let y = wide.slice(s![.., ..1]);
    let model = short.clone().members(4).epochs(1).fit(&wide, &y)?;
    assert_eq!(model.member_kinds(), [Plain, Plain, Linear, Linear]);
    let model = short.clone().effort(Effort::High).members(6).epochs(1).fit(&wide, &y)?;
    assert_eq!(model.member_kinds(), [Plain, Plain, Linear, Linear, Decayed, Decayed]);

    for (kinds, words) in [(&[][..], "at least one"), (&[Plain, Linear, Plain], "plain twice")] {
        let error = short.clone().kinds(kinds.iter().copied()).check().unwrap_err();
        assert!(error.kind() == ErrorKind::Setting && error.to_string().contains(words), "{error}");
    }
    let error = short.sharing(own).kinds([Plain, Binned]).check().unwrap_err().to_string();
    assert!(error.contains("plain or decayed") && error.ends_with("found binned"), "{error}");
    Ok(())
}

/// The weights have the least squared error on the held-out rows, by hand, and predictions follow them.
#[test]
fn quantities_are_weighed_by_least_squares_on_held_out_rows() -> Result<()> {
    let plain = table(90);
    let weights = Array1::from_shape_fn(90, |i| 0.5 + (i % 4) as f64);
    let weighted = plain.clone().with_weights(weights)?;
    for data in [&plain, &weighted] {
        let model = settings().extrapolate().fit_table(data)?;
        let stack = model.stack().expect("three kinds");
        assert_eq!(
            (stack.kinds.as_slice(), stack.targets[0].metric.as_str()),
            (&[Plain, Binned, Linear][..], "RMSE")
        );
        let far = data.features().mapv(|x| 1.5 * x - 0.2);
        let predicted = model.predict(&far)?;
        for (k, target) in stack.targets.iter().enumerate() {
            let name = &data.target_names()[k];
            assert!((&target.target, target.is_stacked, target.n_labels) == (name, true, 90));
            let of_row = |m: &Model<f64>, row: usize| {
                m.predict(data.features().slice(s![row..=row, ..])).unwrap()[name.as_str()][[0, 0]]
            };
            let p = out_of_fold(data, (model.members(), model.member_kinds()), &stack.kinds, of_row);
            let omega: Vec<f64> =
                (0..90).map(|row| data.label_weights(k).map_or(1.0, |weights| weights[row])).collect();
            let total: f64 = omega.iter().sum();
            let mean = (0..90).map(|row| omega[row] * data.targets()[[row, k]]).sum::<f64>() / total;
            assert!((target.mean.unwrap() - mean).abs() < 1e-12);
            let rmse = |w: &[f64]| {
                let rest = 1.0 - w.iter().sum::<f64>();
                let of_row = |row: usize| {
                    let mixed: f64 = (0..3).map(|j| w[j] * p[[row, j]]).sum();
                    omega[row] / total * (data.targets()[[row, k]] - mixed - rest * mean).powi(2)
                };
                (0..90).map(of_row).sum::<f64>().sqrt()
            };
            let own = rmse(&target.weights);
            assert!((own - target.error.unwrap()).abs() < 1e-9, "{own} {target:?}");
            assert!((rmse(&[0.0; 3]) - target.of_constant.unwrap()).abs() < 1e-9);
            for j in 0..3 {
                let mut alone = [0.0; 3];
                alone[j] = 1.0;
                assert!((rmse(&alone) - target.errors[j].unwrap()).abs() < 1e-9);
                // Some weight more of a kind, from the others or the mean, helps nobody.
                for w in [&alone[..], &[0.0; 3]] {
                    let moved: Vec<f64> =
                        target.weights.iter().zip(w).map(|(own, w)| own + 0.01 * (w - own)).collect();
                    assert!(rmse(&moved) >= own * (1.0 - 1e-8), "{target:?}");
                }
            }
            let rest = 1.0 - target.weights.iter().sum::<f64>();
            for row in 0..90 {
                let mut by_hand = rest * mean;
                for (member, kind) in model.members().iter().zip(model.member_kinds()) {
                    let j = stack.kinds.iter().position(|other| other == kind).unwrap();
                    by_hand += target.weights[j] / 3.0
                        * member.predict(far.slice(s![row..=row, ..]))?[name.as_str()][[0, 0]];
                }
                assert!((predicted[[row, k]] - by_hand).abs() < 1e-12);
            }
        }
        let of = |k: usize| &stack.targets[k];
        // The line is best predicted by lines, the step is not, and of the noise little is believed.
        assert!(of(0).errors[2] < of(0).errors[0] && of(1).errors[2] > of(1).error, "{stack}");
        assert!(of(2).weights.iter().sum::<f64>() < 0.5, "{stack}");
        let printed = stack.to_string();
        assert!(printed.starts_with("held-out RMSE (weight)") && printed.lines().count() == 4, "{printed}");
    }
    Ok(())
}

#[test]
fn classes_are_weighed_by_log_loss() -> Result<()> {
    let data = classes(90);
    let settings = MultiTaskClassifier::new().hidden([8]).epochs(30).folds(3).members(9).seed(2);
    let model = settings.fit_table(&data)?;
    let stack = model.stack().expect("three kinds");
    let predicted = model.predict_proba(&data.features())?;
    for (k, target) in stack.targets.iter().enumerate() {
        let name = &data.target_names()[k];
        let of_label = |m: &Model<f64>, row: usize| {
            let class = data.targets()[[row, k]] as usize;
            m.predict(data.features().slice(s![row..=row, ..])).unwrap()[name.as_str()][[0, class]]
        };
        let p = out_of_fold(&data, (model.members(), model.member_kinds()), &stack.kinds, of_label);
        let loss = |w: &[f64]| {
            let mixed = |row: usize| (0..3).map(|j| w[j] * p[[row, j]]).sum::<f64>();
            (0..90).map(|row| -mixed(row).ln()).sum::<f64>() / 90.0
        };
        let own = loss(&target.weights);
        assert!((own - target.error.unwrap()).abs() < 1e-9 && target.mean.is_none());
        assert!((target.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for j in 0..3 {
            let moved: Vec<f64> =
                (0..3).map(|l| 0.9 * target.weights[l] + if l == j { 0.1 } else { 0.0 }).collect();
            assert!(loss(&moved) > own - 2e-5, "{target:?}");
        }
        assert!(target.error < target.of_constant, "{stack}");
        assert!(predicted[k].rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
    }
    // A single class is certain.
    let one = Dataset::new(data.features().to_owned(), Array2::zeros((90, 1)))?;
    let model = settings.fit_table(&one)?;
    assert_eq!(model.stack().unwrap().targets[0].of_constant, Some(0.0));
    assert!(model.predict(&data.features())?.iter().all(|&class| class == 0.0));
    Ok(())
}

/// Files and merges of parts, in any order, have the bits of a fit at once, whatever the kinds.
#[test]
fn merged_and_loaded_estimators_have_the_same_weights() -> Result<()> {
    fn sent<K: EstimatorKind, F: Scalar>(part: FittedMembers<K, F>) -> Result<FittedMembers<K, F>> {
        FittedMembers::from_bytes(&part.to_bytes()?)
    }
    let mut labels = table(50).targets().to_owned();
    labels[[3, 1]] = f64::NAN;
    let data = Dataset::new(table(50).features().to_owned(), labels)?;
    let settings = settings().epochs(3).kinds([Plain, Decayed, Binned, Linear, Fine]).members(17);
    let whole = settings.clone().threads(1).fit_table(&data)?;
    assert_eq!(whole.stack().unwrap().targets[1].n_labels, 49);
    for cuts in [&[0, 17][..], &[0, 4, 9, 17], &[0, 1, 2, 3, 13, 17]] {
        let part = |cut: &[usize]| sent(settings.clone().threads(2).fit_members(&data, cut[0]..cut[1])?);
        let parts: Vec<_> = cuts.windows(2).rev().map(part).collect::<Result<_>>()?;
        let merged = Fitted::merge(parts)?;
        assert_eq!(merged.stack(), whole.stack());
        assert!(merged.to_bytes()? == whole.to_bytes()?, "{cuts:?}");
    }
    let loaded = MultiTaskRegressor::from_bytes::<f64>(&whole.to_bytes()?)?;
    assert_eq!((loaded.stack(), loaded.member_kinds()), (whole.stack(), whole.member_kinds()));
    assert_eq!(loaded.predict(&data.features())?, whole.predict(&data.features())?);
    assert!(loaded.to_bytes()? == whole.to_bytes()?);

    let classes = classes(50);
    let settings = MultiTaskClassifier::new().hidden([4]).epochs(3).folds(3).members(6);
    let whole = settings.fit_table(&classes)?;
    let parts = [sent(settings.fit_members(&classes, 2..6)?)?, sent(settings.fit_members(&classes, 0..2)?)?];
    assert!(Fitted::merge(parts)?.to_bytes()? == whole.to_bytes()?);

    // Other kinds are other settings; and hidden layers differ even where no kind is in both parts.
    let data = table(50);
    let part = |settings: &MultiTaskRegressor, numbers| settings.fit_members(&data, numbers);
    let (own, wider) =
        (self::settings().epochs(1).members(6), self::settings().epochs(1).members(6).hidden([9]));
    let named = own.clone().kinds([Plain, Binned]);
    for (other, words) in [(&wider, "the architecture of the others"), (&named, "kinds by default")] {
        let error = Fitted::merge([part(&own, 0..3)?, part(other, 3..6)?]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    Ok(())
}

/// Weights and kinds of a file that cannot be are refused.
#[test]
fn files_with_weights_that_cannot_be_are_refused() -> Result<()> {
    let data = table(40);
    let model = settings().epochs(1).members(6).fit_table(&data)?;
    let bytes = model.to_bytes()?;
    let part = settings().epochs(1).members(6).fit_members(&data, 2..4)?.to_bytes()?;
    let with = |bytes: &[u8], from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|piece| piece == from.as_bytes()).expect(from);
        let mut changed = bytes.to_vec();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    for (from, to, says) in [
        (r#"\"kinds\":[\"plain\""#, r#"\"kinds\":[\"plane\""#, "settings that this version knows"),
        (r#"[{\"target\":\"line\""#, r#"[{\"target\":\"lime\""#, "those of the targets"),
        (r#"\"weights\":[0"#, r#"\"weights\":[9"#, "a sum of at most 1"),
        (r#"\"other_architectures\":[{"#, r#"\"othen_architectures\":[{"#, "one for each of 2 kinds"),
        (
            r#"\"kinds\":[\"plain\",\"plain\",\"plain\""#,
            r#"\"kinds\":[\"plain\",\"plain\"          "#,
            "one for each of 6 networks",
        ),
    ] {
        let error = MultiTaskRegressor::from_bytes::<f64>(&with(&bytes, from, to)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error =
        MultiTaskRegressor::from_bytes::<f64>(&with(&bytes, r#"\"stack\""#, r#"\"stock\""#)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    for (from, to) in [("held_out.0.rows", "held_out.0.rowz"), ("held_out.weights", "held_out.weightz")] {
        assert!(FittedMembers::<Regression, f64>::from_bytes(&with(&part, from, to)).is_err(), "{from}");
    }
    assert!(FittedMembers::<Regression, f64>::from_bytes(&part).is_ok());
    Ok(())
}

#[test]
fn what_cannot_be_weighed_is_said() -> Result<()> {
    // Nine labels of a target are too few, ten are enough.
    let data = table(40);
    let labels = |n: usize| {
        let mut y = data.targets().to_owned();
        y.slice_mut(s![n.., 1]).fill(f64::NAN);
        Dataset::new(data.features().to_owned(), y)
    };
    let model = settings().epochs(5).extrapolate().fit_table(&labels(9)?)?;
    let target = &model.stack().expect("three kinds").targets[1];
    assert!(!target.is_stacked && target.n_labels <= 9 && target.weights == [1.0, 0.0, 0.0]);
    assert!((target.error, target.of_constant) == (None, None) && target.errors == [None; 3]);
    let warning = Warning::NotStacked { targets: vec!["y1".into()], kind: "plain".into() };
    assert_eq!(model.warnings(), std::slice::from_ref(&warning));
    assert!(warning.to_string().contains("`y1`; plain networks predict them alone"), "{warning}");
    assert!(model.stack().unwrap().to_string().contains("held-out labels are too few: plain networks alone"));
    let predicted = model.predict(&data.features())?;
    let plain = &model.members()[..3];
    let by_hand = plain.iter().map(|m| m.predict(data.features()).unwrap()["y1"][[7, 0]]).sum::<f64>() / 3.0;
    assert!((predicted[[7, 1]] - by_hand).abs() < 1e-12);
    assert_eq!(MultiTaskRegressor::from_bytes::<f64>(&model.to_bytes()?)?.warnings(), [warning]);
    let model = settings().epochs(5).fit_table(&labels(14)?)?;
    assert!(model.stack().unwrap().targets[1].is_stacked && model.warnings().is_empty());

    // A label of weight 0 is none.
    let weights = Array1::from_shape_fn(40, |row| f64::from(u8::from(row < 14)));
    let model = settings().epochs(5).fit_table(&data.clone().with_weights(weights)?)?;
    assert_eq!(model.stack().unwrap().targets[0].n_labels, 14);

    // A single label is learnt from by all networks: nobody has held it out.
    let mut y = data.targets().to_owned();
    y.slice_mut(s![1.., 2]).fill(f64::NAN);
    let model = settings().epochs(2).fit_table(&Dataset::new(data.features().to_owned(), y)?)?;
    assert_eq!((model.stack().unwrap().targets[2].n_labels, model.warnings().len()), (0, 1));

    // Equal labels are predicted as they are.
    let constant = Dataset::new(data.features().to_owned(), Array2::from_elem((40, 1), 7.25))?;
    let model = settings().epochs(5).extrapolate().fit_table(&constant)?;
    let target = &model.stack().unwrap().targets[0];
    assert!(target.error.unwrap() <= 1e-9 && target.of_constant == Some(0.0), "{target:?}");
    assert!(model.predict(&data.features())?.iter().all(|y| (y - 7.25).abs() < 1e-9));
    Ok(())
}

/// What a callback leaves is weighed by the rows that all kinds have held out, if any.
#[test]
fn a_fit_that_is_ended_weighs_the_kinds_that_it_has() -> Result<()> {
    let data = table(60);
    // One step an epoch and five epochs: the network with that step is ended.
    let ended = |n_complete: usize| {
        let n_steps = Arc::new(AtomicUsize::new(0));
        let ends = each_step(move |_| match n_steps.fetch_add(1, Ordering::Relaxed) == 5 * n_complete + 1 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        settings().epochs(5).patience(9).batch_size(60).threads(1).callback(ends).fit_table(&data)
    };
    let whole = settings().epochs(5).patience(9).batch_size(60).fit_table(&data)?;
    for (n_complete, kinds) in
        [(0, &[Plain][..]), (3, &[Plain]), (5, &[Plain, Binned]), (8, &[Plain, Binned, Linear])]
    {
        let model = ended(n_complete)?;
        assert_eq!(model.stopped().map(|stopped| stopped.n_complete), Some(n_complete));
        assert_eq!(model.members().len(), n_complete.max(1));
        let of_stack = model.stack().map_or(&[Plain][..], |stack| &stack.kinds);
        assert_eq!(of_stack, kinds);
        if let Some(stack) = model.stack() {
            // Two thirds of the rows have been held out by the last kind.
            assert!(
                stack.targets.iter().all(|target| target.is_stacked && target.n_labels == 40),
                "{stack:?}"
            );
        }
        if n_complete > 0 {
            let theta = |model: &Fitted<Regression, f64>, m: usize| model.members()[m].parameters().to_vec();
            assert_eq!(theta(&model, n_complete - 1), theta(&whole, n_complete - 1));
        }
        assert!(model.predict(&data.features())?.iter().all(|y| y.is_finite()));
        let loaded = MultiTaskRegressor::from_bytes::<f64>(&model.to_bytes()?)?;
        assert_eq!(loaded.predict(&data.features())?, model.predict(&data.features())?);
    }
    Ok(())
}

#[test]
fn high_effort_takes_larger_batches_of_many_rows() -> Result<()> {
    let short = MultiTaskRegressor::new().hidden([2]).members(1).epochs(1).effort(Effort::High);
    for (n, batch) in [(20_000, 32), (20_001, 128)] {
        let x = Array2::from_shape_fn((n, 1), |(i, _)| ((i * 37) % 101) as f32);
        let by_default = short.fit(&x, &x)?;
        let same = short.clone().batch_size(batch).fit(&x, &x)?;
        let theta = |model: &Fitted<Regression, f32>| model.members()[0].parameters().to_vec();
        assert_eq!(theta(&by_default), theta(&same), "{n}");
    }
    Ok(())
}
