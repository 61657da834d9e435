//! Transforms of targets are SciPy's, are undone in predictions, and come back from files.

use ndarray::{Array1, Array2, Axis, array};
use polytask::data::{FittedTransform, TargetTransform};
use polytask::loss::Loss;
use polytask::prelude::*;
use polytask::{ErrorKind, Result};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn transform(name: &str, lambda: Option<f64>) -> TargetTransform {
    match name {
        "box_cox" => TargetTransform::BoxCox { lambda },
        _ => TargetTransform::YeoJohnson { lambda },
    }
}

#[test]
fn lambdas_and_values_are_those_of_scipy() -> Result<()> {
    let golden: Value = serde_json::from_str(include_str!("../golden/transforms.json")).unwrap();
    for case in golden["fitted"].as_array().unwrap() {
        let x = Array1::from_vec(numbers(&case["x"])).insert_axis(Axis(1));
        let fitted = transform(case["transform"].as_str().unwrap(), None).fit(x.view(), None)?[0];
        let lambda = case["lambda"].as_f64().unwrap();
        // SciPy stops when λ moves by less than 1.5e-8 of its size.
        let found = fitted.lambda().unwrap();
        assert!((found - lambda).abs() < 1e-6, "{}: found {found}, expected {lambda}", case["name"]);
        for (x, y) in x.iter().zip(numbers(&case["y"])) {
            // The values follow λ; large ones are steep in it.
            assert!((fitted.apply(*x) - y).abs() < 1e-4 * y.abs().max(1.0));
        }
        // Two of a row are a row of weight 2.
        let twice: Vec<usize> = (0..x.nrows()).chain(0..10).collect();
        let weights = Array1::from_shape_fn(x.nrows(), |row| if row < 10 { 2.0 } else { 1.0 });
        let kind = transform(case["transform"].as_str().unwrap(), None);
        let weighted = kind.fit(x.view(), Some(weights.view()))?[0].lambda().unwrap();
        let repeated = kind.fit(x.select(Axis(0), &twice).view(), None)?[0].lambda().unwrap();
        assert!((weighted - repeated).abs() < 1e-9 && (weighted - found).abs() > 1e-6);
    }
    for case in golden["given"].as_array().unwrap() {
        let lambda = case["lambda"].as_f64();
        for (name, x) in [("box_cox", "x"), ("yeo_johnson", "z")] {
            let fixed = transform(name, lambda).fit(array![[1.0]].view(), None)?[0];
            for (x, y) in numbers(&case[x]).into_iter().zip(numbers(&case[name])) {
                // SciPy's powers cancel where λ is small: about 1e-16 / 1e-9.
                let found = fixed.apply(x);
                assert!(
                    (found - y).abs() < 3e-7 * y.abs().max(1e-9),
                    "{name} {lambda:?} of {x}: {found}, {y}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn the_inverse_undoes_and_ends_where_the_domain_does() {
    let lambdas = [-2.0, -0.5, -1e-12, 0.0, 1e-12, 1e-6, 0.3, 1.0, 2.0, 2.0 + 1e-12, 3.5];
    for transform in [FittedTransform::BoxCox, FittedTransform::YeoJohnson] {
        for lambda in lambdas {
            let transform = transform(lambda);
            for x in [-30.0, -1.0, -1e-9, 0.0, 1e-9, 0.2, 1.0, 7.0, 40.0] {
                if !transform.is_in_domain(x) || matches!(transform, FittedTransform::BoxCox(_)) && x < 1e-3 {
                    continue;
                }
                let back = transform.undo(transform.apply(x));
                // The flattest of these powers, 40⁻², leaves 13 digits of 16.
                assert!((back - x).abs() <= 1e-9 * x.abs() + 1e-20, "{transform:?} of {x}: {back}");
            }
        }
    }
    for (transform, below, above) in [
        (FittedTransform::BoxCox(0.5), 0.0, f64::INFINITY),
        (FittedTransform::BoxCox(-0.5), 0.0, f64::INFINITY),
        (FittedTransform::YeoJohnson(2.0), f64::NEG_INFINITY, 2e300_f64.sqrt()),
        (FittedTransform::YeoJohnson(-1.0), -3e300_f64.cbrt(), f64::INFINITY),
        (FittedTransform::Log, 0.0, f64::INFINITY),
        (FittedTransform::Log1p, -1.0, f64::INFINITY),
    ] {
        let (low, high) = (transform.undo(-1e300), transform.undo(1e300));
        // Roots go by a logarithm of about 700.
        let is = |found: f64, expected: f64| found == expected || (found / expected - 1.0).abs() < 1e-12;
        assert!(is(low, below) && is(high, above), "{transform:?}: {low}, {high}");
        assert!(transform.apply(f64::NAN).is_nan() && transform.undo(f64::NAN).is_nan());
        // Monotone, so that quantiles stay quantiles.
        let all: Vec<f64> = (-40..=40).map(|i| transform.undo(f64::from(i) / 8.0)).collect();
        assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "{transform:?}");
    }
}

/// Rows of two targets spread over factors; the second has gaps.
fn table() -> Result<Dataset<f64>> {
    let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (5 * j + 3) + 2 * j) % 17) as f64 / 17.0);
    let y = Array2::from_shape_fn((60, 2), |(i, k)| match k {
        1 if i % 7 == 3 => f64::NAN,
        _ => (2.0 + 3.0 * x[[i, 0]] - x[[i, k]] + 0.01 * (i % 5) as f64).exp(),
    });
    Dataset::new(x, y)?.with_target_names(["a", "b"])
}

#[test]
fn a_transform_in_the_model_is_one_by_hand() -> Result<()> {
    let data = table()?;
    let kinds = [
        TargetTransform::Log,
        TargetTransform::Log1p,
        TargetTransform::BoxCox { lambda: Some(0.25) },
        TargetTransform::box_cox(),
        TargetTransform::yeo_johnson(),
    ];
    for kind in kinds {
        let fitted = kind.fit(data.targets(), None)?;
        let mut by_hand = data.targets().to_owned();
        for (transform, mut column) in fitted.iter().zip(by_hand.columns_mut()) {
            column.mapv_inplace(|y| transform.apply(y));
        }
        let by_hand = Dataset::new(data.features().to_owned(), by_hand)?.with_target_names(["a", "b"])?;
        for standardizes in [false, true] {
            let fit = |task: Task, data: &Dataset<f64>| {
                let mut builder =
                    Model::builder(2).trunk([Layer::dense(5, Activation::Tanh)]).task(task).seed(3);
                if standardizes {
                    builder = builder.standardize();
                }
                let mut model = builder.build::<f64>()?;
                Trainer::new(Adam::new(0.02)).epochs(4).batch_size(16).fit(&mut model, data)?;
                Ok::<_, polytask::Error>(model)
            };
            let task = || Task::regression("both").columns(["a", "b"]);
            let plain = fit(task(), &by_hand)?;
            let model = fit(task().transform(kind), &data)?;
            assert_eq!(model.fitted_transform("both"), Some(&fitted[..]));
            assert_eq!(model.parameters(), plain.parameters(), "{kind:?}");
            let mut expected = plain.predict(data.features())?["both"].clone();
            for (transform, mut column) in fitted.iter().zip(expected.columns_mut()) {
                column.mapv_inplace(|y| transform.undo(y));
            }
            assert_eq!(model.predict(data.features())?["both"], expected);
            // Metrics are in the unit of the labels, the loss is not.
            let (report, other) = (model.evaluate(&data)?, plain.evaluate(&by_hand)?);
            let labels = polytask::loss::Labels::new(data.targets());
            assert_eq!(
                report["both"].score("mae"),
                Metric::MeanAbsoluteError.evaluate(expected.view(), &labels)
            );
            assert_eq!(report["both"].loss, other["both"].loss);
            assert!(report["both"].is_transformed && report.to_string().contains("* of transformed"));
            // A file, another precision, and a copy hold λ.
            let loaded = Model::<f64>::from_bytes(&model.to_bytes()?)?;
            assert_eq!(loaded.predict(data.features())?["both"], expected);
            assert_eq!(loaded.fitted_transform("both"), Some(&fitted[..]));
            assert_eq!(model.cast::<f32>()?.fitted_transform("both"), Some(&fitted[..]));
            assert!(model.summary().contains("targets transformed (["), "{}", model.summary());
        }
    }
    Ok(())
}

#[test]
fn gradients_and_quantiles_are_as_without() -> Result<()> {
    let data = table()?;
    let quantiles = Loss::quantiles([0.1, 0.5, 0.9]);
    let task = Task::new("a", quantiles).transform(TargetTransform::box_cox());
    let mut model = Model::builder(2)
        .trunk([Layer::dense(4, Activation::Tanh)])
        .task(task)
        .task(Task::regression("b").transform(TargetTransform::Log))
        .standardize()
        .build::<f64>()?;
    Trainer::new(Adam::new(0.02)).epochs(20).fit(&mut model, &data)?;
    let check = model.check_gradients(&data.all())?;
    assert!(check.passed(), "{check}");
    let predicted = model.predict(data.features())?["a"].clone();
    let below = (0..60).filter(|&row| data.targets()[[row, 0]] <= predicted[[row, 1]]).count();
    assert!((15..=45).contains(&below), "{below} of 60 below the median");
    Ok(())
}

#[test]
fn labels_outside_the_domain_and_losses_without_one_are_errors() -> Result<()> {
    let data = table()?;
    let changed = |at: (usize, usize), y: f64| {
        let mut targets = data.targets().to_owned();
        targets[at] = y;
        Dataset::new(data.features().to_owned(), targets)?.with_target_names(["a", "b"])
    };
    let model =
        |kind| Model::builder(2).task(Task::regression("b").transform(kind)).standardize().build::<f64>();
    for (kind, y, words) in [
        (TargetTransform::Log, 0.0, "task \"b\", row 8, target column 0: expected a label above 0"),
        (TargetTransform::box_cox(), -2.0, "found -2"),
        (TargetTransform::Log1p, -1.0, "expected a label above -1"),
    ] {
        let wrong = changed((8, 1), y)?;
        let mut model = model(kind)?;
        let error = Trainer::new(Adam::new(0.1)).steps(1).fit(&mut model, &wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(error.to_string().contains(words), "{error}");
        Trainer::new(Adam::new(0.1)).steps(1).fit(&mut model, &data)?;
        assert!(model.evaluate(&wrong).unwrap_err().to_string().contains("row 8"));
    }
    let yes = Dataset::new(array![[1.0], [2.0]], array![[3.0], [3.0]])?.with_target_names(["b"])?;
    let mut same =
        Model::builder(1).task(Task::regression("b").transform(TargetTransform::box_cox())).build::<f64>()?;
    let error = same.fit_scaling(&yes).unwrap_err();
    assert!(error.to_string().contains("two that differ"), "{error}");
    assert_eq!(same.predict(yes.features()).unwrap_err().kind(), ErrorKind::Setting);
    for task in [Task::binary("b"), Task::count("b"), Task::new("b", Loss::Gaussian), Task::ranking("b")] {
        let error = Model::builder(2).task(task.transform(TargetTransform::Log)).build::<f64>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting, "{error}");
    }
    let endless = TargetTransform::BoxCox { lambda: Some(f64::INFINITY) };
    assert_eq!(model(endless).unwrap_err().kind(), ErrorKind::Setting);
    // Labels for which no power is best.
    let steep = Array2::from_shape_fn((30, 1), |(i, _)| 1.0 + 1e-9 * (1.4_f64).powi(i as i32));
    assert_eq!(TargetTransform::box_cox().fit(steep.view(), None).unwrap_err().kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn an_estimator_learns_transformed_targets() -> Result<()> {
    let data = table()?;
    let settings =
        MultiTaskRegressor::new().hidden([4]).members(3).epochs(10).transform(TargetTransform::box_cox());
    let model = settings.fit_table(&data)?;
    let lambdas: Vec<f64> = (model.members().iter())
        .map(|member| member.fitted_transform("a").unwrap()[0].lambda().unwrap())
        .collect();
    assert!(lambdas[0] != lambdas[1]); // of the rows that each has learnt from
    let loaded = MultiTaskRegressor::from_bytes::<f64>(&model.to_bytes()?)?;
    let x = data.features().to_owned();
    assert_eq!(loaded.predict(&x)?, model.predict(&x)?);
    Ok(())
}
