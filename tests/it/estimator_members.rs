//! Networks that are fitted apart and merged are the estimator that is fitted at once, to the bit; and nothing is merged
//! that does not belong together.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2, Axis};
use polytask::estimator::{Classification, EstimatorKind, Fitted, FittedMembers, Regression};
use polytask::prelude::*;
use polytask::train::callback::{Budget, each_step};
use polytask::{ErrorKind, Result, Scalar};

use crate::registry::{Squash, registry};

fn quantities<F: Scalar>() -> Dataset<F> {
    let data = datasets::robot_arm::<F>(50, 0.05, 3);
    data.with_groups((0..50).map(|row| row / 3).collect()).unwrap()
}

fn classes<F: Scalar>() -> Dataset<F> {
    let x = Array2::from_shape_fn((50, 2), |(i, j)| F::from_f64(((i * (j + 3)) % 17) as f64));
    let y = Array2::from_shape_fn((50, 2), |(i, k)| F::from_f64(((i * (k + 2)) % 3) as f64));
    Dataset::new(x, y).unwrap()
}

fn regressor() -> MultiTaskRegressor {
    MultiTaskRegressor::new().hidden([6]).members(7).folds(3).epochs(3).seed(5)
}

/// Each part through the bytes of a file, merged in another order.
fn merged<K: EstimatorKind, F: Scalar>(parts: Vec<FittedMembers<K, F>>) -> Result<Fitted<K, F>> {
    let sent = |part: &FittedMembers<K, F>| FittedMembers::<K, F>::from_bytes(&part.to_bytes()?);
    Fitted::merge(parts.iter().rev().map(sent).collect::<Result<Vec<_>>>()?)
}

#[test]
fn merged_networks_are_the_estimator_that_is_fitted_at_once() -> Result<()> {
    fn check<F: Scalar>() -> Result<()> {
        let whole: Fitted<Regression, F> = regressor().threads(1).fit_table(&quantities())?;
        for cuts in [&[0, 7][..], &[0, 1, 7], &[0, 3, 4, 7], &[0, 1, 2, 3, 4, 5, 6, 7]] {
            let parts = cuts.windows(2).enumerate().map(|(i, cut)| {
                // The number of threads is each job's own affair.
                regressor().threads(1 + i).fit_members(&quantities::<F>(), cut[0]..cut[1])
            });
            let merged = merged(parts.collect::<Result<Vec<_>>>()?)?;
            assert_eq!(merged.to_bytes()?, whole.to_bytes()?, "{cuts:?}");
        }
        let settings = MultiTaskClassifier::new().hidden([6]).members(3).epochs(3);
        let whole: Fitted<Classification, F> = settings.fit_table(&classes())?;
        let data = classes::<F>();
        let parts = [settings.fit_members(&data, 0..2)?, settings.fit_members(&data, 2..3)?];
        assert_eq!(merged(parts.into())?.to_bytes()?, whole.to_bytes()?);
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[test]
fn parts_that_do_not_belong_together_are_not_merged() -> Result<()> {
    let data = quantities::<f64>();
    let part = |numbers| regressor().fit_members(&data, numbers);
    let fails = |parts: Vec<FittedMembers<Regression, f64>>, words: &str| {
        let error = Fitted::merge(parts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().contains(words), "{error}");
    };
    fails(vec![], "expected at least one part");
    fails(vec![part(1..3)?], "networks 0..1 are missing");
    fails(
        vec![part(0..2)?, part(4..7)?],
        "networks 2..4 are missing (fit them with fit_members(data, 2..4))",
    );
    fails(vec![part(0..6)?], "networks 6..7 are missing");
    fails(vec![part(0..5)?, part(4..7)?], "networks 4..7: expected each network once");
    fails(vec![part(0..7)?, part(2..3)?], "networks 2..3: expected each network once");

    let with = |settings: MultiTaskRegressor, data: &Dataset<f64>| settings.fit_members(data, 3..7);
    let start = || part(0..3);
    fails(vec![start()?, with(regressor().members(8), &data)?], "found of an estimator of 8");
    for (settings, words) in [
        (regressor().seed(6), "seed 6"),
        (regressor().folds(4), "folds 4"),
        (regressor().epochs(4), "epochs 4"),
        (regressor().patience(1), "patience 1"),
        (regressor().batch_size(31), "batches of 31"),
        (regressor().learning_rate(0.004), "learning rate 0.004"),
        (regressor().weight_decay(0.0), "weight decay 0.0"),
        (regressor().extrapolate(), "extrapolates"),
        (regressor().transform(polytask::data::TargetTransform::yeo_johnson()), "YeoJohnson"),
    ] {
        fails(vec![start()?, with(settings, &data)?], words);
    }
    let wider = regressor().hidden([7]);
    fails(vec![start()?, with(wider, &data)?], "expected the architecture of the others");

    let mut y = data.targets().to_owned();
    y[[9, 1]] = f64::NAN;
    let table = |y: &Array2<f64>| Dataset::new(data.features().to_owned(), y.clone());
    let named = |table: Dataset<f64>| {
        table
            .with_target_names(data.target_names().to_vec())?
            .with_feature_names(data.feature_names().to_vec())?
            .with_groups(data.groups().unwrap().to_vec())
    };
    fails(vec![start()?, with(regressor(), &table(&y)?)?], "a table with other names");
    fails(vec![start()?, with(regressor(), &named(table(&y)?)?)?], "a table with other targets");
    let weighted = data.clone().with_weights(Array1::from_elem(50, 2.0))?;
    fails(vec![start()?, with(regressor(), &weighted)?], "a table with other weights");

    // The same columns in another order: the tables are one, but the networks' first layers are not.
    let turned: Vec<usize> = (0..data.n_features()).rev().collect();
    let names: Vec<String> = turned.iter().map(|&j| data.feature_names()[j].clone()).collect();
    let other = Dataset::new(data.features().select(Axis(1), &turned), data.targets().to_owned())?;
    let other = named(other)?.with_feature_names(names)?;
    fails(vec![start()?, with(regressor(), &other)?], "expected the architecture of the others");
    Ok(())
}

#[test]
fn numbers_that_are_none_and_fits_that_are_ended() -> Result<()> {
    let data = quantities::<f32>();
    for numbers in [2..2, 6..8, 9..12] {
        let error = regressor().fit_members(&data, numbers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().starts_with("numbers of networks: expected some of 0..7"), "{error}");
    }
    let error = regressor().callback(Budget::steps(1)).fit_members(&data, 3..5).unwrap_err();
    assert!(error.to_string().contains("none: `budget` ended the fit"), "{error}");

    // The networks before the one that is ended are kept, and the merge says what is left to do.
    let n_steps = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let ends = polytask::train::callback::each_step(move |_| {
        match n_steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            9 => std::ops::ControlFlow::Break(()),
            _ => std::ops::ControlFlow::Continue(()),
        }
    });
    let ended = regressor().threads(1).patience(9).callback(ends).fit_members(&data, 2..7)?;
    assert_eq!((ended.range().start, ended.range().len()), (2, ended.members().len()));
    assert!(ended.range().end < 7);
    let plain = regressor().patience(9);
    let parts = vec![ended.clone(), plain.fit_members(&data, 0..2)?];
    let rest = ended.range().end..7;
    let error = Fitted::merge(parts.clone()).unwrap_err().to_string();
    assert!(error.contains(&format!("networks {rest:?} are missing")), "{error}");
    let all = parts.into_iter().chain([plain.fit_members(&data, rest)?]);
    assert_eq!(Fitted::merge(all)?.to_bytes()?, plain.fit_table(&data)?.to_bytes()?);
    Ok(())
}

#[test]
fn files_of_parts_and_of_estimators_are_told_apart() -> Result<()> {
    let data = quantities::<f32>();
    let (whole, part) = (regressor().fit_table(&data)?, regressor().fit_members(&data, 2..4)?);
    let error = MultiTaskRegressor::from_bytes::<f32>(&part.to_bytes()?).unwrap_err().to_string();
    assert!(error.contains("networks 2..4 of 7") && error.contains("FittedMembers::load"), "{error}");
    let error = FittedMembers::<Regression, f32>::from_bytes(&whole.to_bytes()?).unwrap_err().to_string();
    assert!(error.contains("expected some of an estimator's networks, found a whole regressor"), "{error}");
    assert!(FittedMembers::<Classification, f32>::from_bytes(&part.to_bytes()?).is_err());
    assert!(FittedMembers::<Regression, f64>::from_bytes(&part.to_bytes()?).is_err());
    let error = Model::<f32>::from_bytes(&part.to_bytes()?).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);

    // Numbers of networks that cannot be.
    let text = |from: &str, to: &str| {
        let bytes = part.to_bytes().unwrap();
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("in the header");
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        FittedMembers::<Regression, f32>::from_bytes(&changed).unwrap_err().to_string()
    };
    let error = text("\\\"first\\\":2", "\\\"first\\\":6");
    assert!(error.contains("networks within the 7 of the estimator"), "{error}");
    let error = text("\\\"of\\\":7", "\\\"of\\\":1");
    assert!(error.contains("networks within the 1 of the estimator"), "{error}");
    Ok(())
}

#[test]
fn parts_with_a_layer_of_ones_own_are_loaded_with_a_registry() -> Result<()> {
    let data = quantities::<f32>();
    let settings = regressor().members(2).sharing(Sharing::shared_trunk([Layer::custom(Squash(4))]));
    let folder = std::env::temp_dir().join(format!("polytask-members-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut parts = Vec::new();
    for m in 0..2 {
        let path = folder.join(m.to_string());
        settings.fit_members(&data, m..m + 1)?.save(&path)?;
        assert!(FittedMembers::<Regression, f32>::load(&path).is_err());
        parts.push(FittedMembers::<Regression, f32>::load_with(&path, &registry())?);
    }
    assert_eq!(Fitted::merge(parts)?.to_bytes()?, settings.fit_table(&data)?.to_bytes()?);
    std::fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn a_fit_that_was_stopped_is_taken_up_from_its_folder() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("polytask-kept-networks-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let data = quantities::<f64>();
    let settings = regressor().calibrate(0.2);
    let whole = settings.fit_table(&data)?.to_bytes()?;
    let kept = settings.clone().keep_in(&folder);
    let n_files = || std::fs::read_dir(&folder).unwrap().count();
    let n_steps = AtomicUsize::new(0);
    let eight = each_step(move |_| match n_steps.fetch_add(1, Ordering::Relaxed) {
        8 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let stopped = kept.clone().threads(1).callback(eight).fit_table(&data)?;
    let n_complete = stopped.stopped().expect("it was").n_complete;
    assert!((1..7).contains(&n_complete) && n_files() == n_complete);
    let times: Vec<_> =
        files(&folder).iter().map(|path| path.metadata().unwrap().modified().unwrap()).collect();
    for threads in [1, 3] {
        assert_eq!(kept.clone().threads(threads).fit_table(&data)?.to_bytes()?, whole);
        assert_eq!(n_files(), 7);
    }
    let now: Vec<_> =
        files(&folder).iter().map(|path| path.metadata().unwrap().modified().unwrap()).collect();
    assert_eq!(times[..], now[..n_complete]); // those that were there are not trained again
    // The networks of some numbers, taken from there too.
    assert_eq!(kept.fit_members(&data, 2..5)?.to_bytes()?, settings.fit_members(&data, 2..5)?.to_bytes()?);
    assert_eq!(n_files(), 7);
    // Another fit has files of its own.
    kept.clone().learning_rate(0.02).fit_members(&data, 0..1)?;
    assert_eq!(n_files(), 8);
    // What is damaged is an error that names the file, and what to do.
    let path = &files(&folder)[0];
    std::fs::write(path, &std::fs::read(path).unwrap()[..200]).unwrap();
    let results = [
        kept.fit_members(&data, 0..7).err(),
        kept.clone().learning_rate(0.02).fit_members(&data, 0..1).err(),
    ];
    let error = results.into_iter().flatten().next().expect("one of the two fits has this file").to_string();
    assert!(error.contains(&path.display().to_string()) && error.contains("remove the file"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
    // What no file can hold is an error before anything is trained.
    let own = Sharing::shared_trunk([Layer::custom(Squash(3))]);
    let error = regressor().sharing(own).keep_in(&folder).fit_table(&data).unwrap_err();
    assert!(error.kind() == ErrorKind::Setting && !folder.exists(), "{error}");
    Ok(())
}

/// The files in a folder, by name.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
