//! A model that standardises learns what it would learn of a table standardised by hand, and predicts in the targets'
//! own unit.

use ndarray::{Array1, Array2, Axis};
use polytask::data::Standardizer;
use polytask::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Every loss, and whether it takes standardised targets.
fn losses() -> Vec<(Loss, bool)> {
    vec![
        (Loss::mean_squared_error(), true),
        (Loss::mean_absolute_error(), true),
        (Loss::huber(0.5), true),
        (Loss::smooth_l1(0.5), true),
        (Loss::log_cosh(), true),
        (Loss::quantiles([0.1, 0.5, 0.9]), true),
        (Loss::ordered_quantiles([0.1, 0.5, 0.9]), true),
        (Loss::gaussian(), true),
        (Loss::custom(polytask::loss::MeanSquaredError), true),
        (Loss::poisson(), false),
        (Loss::binary_cross_entropy(), false),
        (Loss::binary_focal(), false),
        (Loss::cross_entropy(3), false),
        (Loss::focal(3), false),
        (Loss::ordinal(3), false),
        (Loss::rank_net(), false),
        (Loss::lambda_rank(), false),
        (Loss::list_net(), false),
        (Loss::list_mle(), false),
        (Loss::approx_ndcg(), false),
    ]
}

/// Two target columns: quantities far from 0, or yes and no; a fifth of the labels missing, rows weighted.
fn table(quantities: bool) -> Dataset<f64> {
    let mut draws = ChaCha8Rng::seed_from_u64(5);
    let features = Array2::from_shape_fn((90, 3), |(_, j)| 10.0 * j as f64 + draws.random_range(-2.0..2.0));
    let label = |x: f64, column: usize| match quantities {
        true => [3e5 + 1e5 * x, -0.02 + 1e-3 * x][column],
        false => f64::from(x > 0.0),
    };
    let mut targets = Array2::from_shape_fn((90, 2), |(i, j)| label(features[[i, 0]], j));
    targets.mapv_inplace(|t| if draws.random_bool(0.2) { f64::NAN } else { t });
    let weights = Array1::from_shape_fn(90, |row| [1.0, 0.0, 2.0][row % 3]);
    Dataset::new(features, targets).and_then(|data| data.with_weights(weights)).expect("a table")
}

#[test]
fn it_learns_as_from_a_table_standardised_by_hand() {
    for (loss, takes) in losses() {
        assert_eq!(loss.standardizes(), takes, "{}", loss.name());
        let raw = table(takes);
        let [of_features, of_targets] =
            [Standardizer::of_features(&raw), Standardizer::of_targets(&raw)].map(|s| s.expect("numbers"));
        let (mut features, mut targets) = (raw.features().to_owned(), raw.targets().to_owned());
        of_features.apply_matrix(features.view_mut());
        if takes {
            of_targets.apply_matrix(targets.view_mut());
        }
        let by_hand = Dataset::new(features, targets)
            .and_then(|data| data.with_weights(raw.weights().expect("weights").to_owned()))
            .expect("a table");

        let builder = Model::builder(3)
            .trunk([Layer::dense(5, Activation::Tanh)])
            .task(Task::new("both", loss.clone()).columns(["y0", "y1"]));
        let train = |builder: polytask::ModelBuilder, data: &Dataset<f64>| {
            let mut model = builder.build::<f64>().expect("valid settings");
            Trainer::new(Adam::new(0.02)).batch_size(30).steps(40).fit(&mut model, data).expect("a training");
            model
        };
        let (standardising, plain) = (train(builder.clone().standardize(), &raw), train(builder, &by_hand));
        assert_eq!(standardising.parameters(), plain.parameters(), "{}", loss.name());

        let predicted = standardising.predict(raw.features()).expect("features that fit")["both"].to_owned();
        let expected = plain.predict(by_hand.features()).expect("features that fit")["both"].to_owned();
        let parts = expected.ncols() / 2;
        for (column, (found, expected)) in
            predicted.axis_iter(Axis(1)).zip(expected.axis_iter(Axis(1))).enumerate()
        {
            let (mean, scale) = (of_targets.mean()[column / parts], of_targets.scale()[column / parts]);
            for (&found, &expected) in found.iter().zip(expected) {
                let expected = match (takes, &loss, column % 2) {
                    (false, ..) => expected,
                    (true, Loss::Gaussian, 1) => scale * scale * expected,
                    (true, ..) => scale * expected + mean,
                };
                // The same three numbers, multiplied and added in another order.
                approx::assert_relative_eq!(found, expected, max_relative = 1e-14, epsilon = 1e-14 * scale);
            }
        }
    }
}

/// Prices in hundreds of thousands, the dearer the less certain.
#[test]
fn a_normal_distribution_is_learnt_in_its_own_unit() {
    let mut draws = ChaCha8Rng::seed_from_u64(8);
    let features = Array2::from_shape_fn((4000, 1), |_| draws.random_range(-1.0..1.0));
    let truth = |x: f64| (3e5 + 1e5 * x, 2e4 * (1.0 + 0.5 * x));
    let prices = features.mapv(|x| {
        let (mean, deviation) = truth(x);
        // The sum of twelve even draws has variance 1.
        let normal = (0..12).map(|_| draws.random_range(-0.5..0.5)).sum::<f64>();
        mean + deviation * normal
    });
    let data = Dataset::new(features, prices).and_then(|data| data.with_target_names(["price"]));
    let data = data.expect("a table");
    let mut model = Model::builder(1)
        .trunk([Layer::dense(8, Activation::Tanh)])
        .task(Task::new("price", Loss::gaussian()))
        .standardize()
        .build::<f64>()
        .expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(100).steps(1_500);
    trainer.fit(&mut model, &data).expect("a training");
    let points = ndarray::array![[-0.8], [0.0], [0.8]];
    let predicted = model.predict(points.view()).expect("features that fit");
    for (&x, price) in points.iter().zip(predicted["price"].rows()) {
        let ((mean, deviation), found) = (truth(x), price[1].sqrt());
        // About 400 prices lie near each point: standard errors of 5 and 4 % of a deviation, and the last steps' noise.
        assert!((price[0] - mean).abs() < 0.3 * deviation, "at {x}: mean {} and not {mean}", price[0]);
        assert!((found / deviation - 1.0).abs() < 0.25, "at {x}: deviation {found} and not {deviation}");
    }
}
