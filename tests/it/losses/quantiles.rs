//! Quantiles in order: they never cross, and what is trained is what is predicted.

use approx::assert_relative_eq;
use ndarray::Array2;
use polytask::loss::{Kind, Labels};
use polytask::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The quantile nearest the median is an output; the others lie steps of softplus away from it.
#[test]
fn quantiles_in_order_never_cross_and_are_judged_as_predicted() {
    let quantiles = [0.05, 0.1, 0.4, 0.75, 0.9];
    let (ordered, plain) = (Loss::ordered_quantiles(quantiles), Loss::quantiles(quantiles));
    let softplus = |z: f64| (1.0 + z.exp()).ln();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let outputs = Array2::from_shape_fn((50, 10), |_| rng.random_range(-4.0..4.0));
    let targets = Array2::from_shape_fn((50, 2), |_| rng.random_range(-3.0..3.0));
    let built = ordered.build::<f64>().unwrap();
    assert_eq!(built.kind(), Kind::Quantity { parts: 5, point: 2 });
    let mut predicted = Array2::zeros((50, 10));
    built.predict(outputs.view(), predicted.view_mut());
    for (z, y) in outputs.rows().into_iter().zip(predicted.rows()) {
        for c in [0, 5] {
            let up = [z[c + 2] + softplus(z[c + 3]), z[c + 2] + softplus(z[c + 3]) + softplus(z[c + 4])];
            let down = [z[c + 2] - softplus(z[c + 1]) - softplus(z[c]), z[c + 2] - softplus(z[c + 1])];
            for (i, expected) in [(0, down[0]), (1, down[1]), (2, z[c + 2]), (3, up[0]), (4, up[1])] {
                assert_relative_eq!(y[c + i], expected, max_relative = 1e-12, epsilon = 1e-14);
            }
        }
    }
    // The loss is that of the predictions.
    let labels = Labels::new(targets.view());
    let mut delta = Array2::zeros((50, 10));
    let value = built.value_and_delta(outputs.view(), &labels, delta.view_mut());
    let of_predicted = plain.build().unwrap().value_and_delta(predicted.view(), &labels, delta.view_mut());
    assert_relative_eq!(value, of_predicted, max_relative = 1e-12);

    // To the last bit, and for outputs far away.
    let wild = Array2::from_shape_fn((500, 5), |(row, _)| {
        let size = [1.0_f32, 30.0, 1e3, 1e6][row % 4];
        size * rng.random_range(-1.0..1.0)
    });
    let mut predicted = wild.clone();
    ordered.build::<f32>().unwrap().predict(wild.view(), predicted.view_mut());
    assert!(
        predicted.rows().into_iter().all(|y| y.iter().zip(y.iter().skip(1)).all(|(low, high)| low <= high))
    );
    let crosses =
        |y: ndarray::ArrayView1<'_, f32>| y.iter().zip(y.iter().skip(1)).any(|(low, high)| low > high);
    assert!(wild.rows().into_iter().any(crosses), "outputs that do not cross show nothing");
}

#[test]
fn quantiles_in_order_are_learnt_and_saved() {
    // Noise that is uniform from −1 to 1, around a line.
    let x = Array2::from_shape_fn((400, 1), |(row, _)| (row * 171 % 400) as f32 / 400.0);
    let y = Array2::from_shape_fn((400, 1), |(row, _)| 3.0 * x[[row, 0]] + (row as f32 + 0.5) / 200.0 - 1.0);
    let data = Dataset::new(x, y).unwrap().with_target_names(["elbow"]).unwrap();
    let quantiles = [0.1, 0.3, 0.5, 0.7, 0.9];
    let task = Task::new("elbow", Loss::ordered_quantiles(quantiles));
    let mut model = Model::builder(1).task(task).standardize().build::<f32>().unwrap();
    Trainer::new(Adam::new(0.02))
        .schedule(Schedule::cosine(2_000, 0.01))
        .steps(2_000)
        .fit(&mut model, &data)
        .unwrap();
    let predicted = model.predict(data.features()).unwrap()["elbow"].to_owned();
    assert!(
        predicted.rows().into_iter().all(|y| y.iter().zip(y.iter().skip(1)).all(|(low, high)| low <= high))
    );
    for (i, quantile) in quantiles.into_iter().enumerate() {
        let below = data.targets().column(0).iter().zip(predicted.column(i)).filter(|(t, y)| t < y).count();
        let share = below as f64 / 400.0;
        // Batches of 32 labels each have quantiles a few hundredths apart.
        assert!((share - quantile).abs() < 0.08, "{share} below the quantile {quantile}");
    }
    let path = std::env::temp_dir().join(format!("polytask-ordered-{}.safetensors", std::process::id()));
    model.save(&path).unwrap();
    let loaded = Model::<f32>::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.tasks()[0].loss(), &Loss::ordered_quantiles(quantiles));
    assert_eq!(loaded.predict(data.features()).unwrap()["elbow"], predicted);
}
