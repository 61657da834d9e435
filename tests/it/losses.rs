//! Every loss against every promise of `polytask::loss`: the delta is the derivative of the value, both agree
//! with PyTorch, missing labels leave no trace, nothing overflows, and bad labels and settings are named.
//!
//! The inputs are those of `golden/losses.json`, made by `golden/make_losses.py`: one row; three target columns
//! with gaps, weights and a weight of 0; logits around 0 and ±1000.

mod parts;
mod quantiles;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, array};
use polytask::Scalar;
use polytask::loss::{Kind, Labels, ListTarget, Loss, LossFunction};
use serde_json::Value;

/// The rows of the table, by the names under which the golden file has them.
fn rows() -> Vec<(&'static str, Loss)> {
    let class_weights = |last| vec![1.0, 0.5, 2.0, last];
    vec![
        ("mean_squared_error", Loss::mean_squared_error()),
        ("mean_absolute_error", Loss::mean_absolute_error()),
        ("huber 1", Loss::huber(1.0)),
        ("huber 0.3", Loss::huber(0.3)),
        ("smooth_l1 1", Loss::smooth_l1(1.0)),
        ("smooth_l1 0.3", Loss::smooth_l1(0.3)),
        ("log_cosh", Loss::log_cosh()),
        ("quantile", Loss::quantiles([0.1, 0.5, 0.9])),
        ("poisson", Loss::poisson()),
        ("gaussian", Loss::gaussian()),
        ("binary_cross_entropy", Loss::binary_cross_entropy()),
        (
            "binary_cross_entropy 3",
            Loss::BinaryCrossEntropy { positive_weights: vec![3.0], label_smoothing: 0.0 },
        ),
        ("binary_focal", Loss::binary_focal()),
        ("binary_focal 0.5", Loss::BinaryFocal { gamma: 0.5, alpha: 0.6, label_smoothing: 0.0 }),
        ("cross_entropy", Loss::cross_entropy(4)),
        (
            "cross_entropy weighted",
            Loss::CrossEntropy { classes: 4, class_weights: class_weights(0.0), label_smoothing: 0.0 },
        ),
        (
            "cross_entropy smoothed",
            Loss::CrossEntropy { classes: 4, class_weights: class_weights(0.3), label_smoothing: 0.1 },
        ),
        ("focal", Loss::focal(4)),
        (
            "focal 0.5",
            Loss::Focal { classes: 4, class_weights: class_weights(0.3), gamma: 0.5, label_smoothing: 0.0 },
        ),
        ("ordinal", Loss::ordinal(5)),
        ("ordinal 2", Loss::ordinal(2)),
        ("rank_net", Loss::rank_net()),
        ("lambda_rank", Loss::lambda_rank()),
        ("list_net", Loss::list_net()),
        ("list_net proportion", Loss::ListNet { target: ListTarget::Proportion }),
        ("list_mle", Loss::list_mle()),
        ("approx_ndcg", Loss::approx_ndcg()),
        ("approx_ndcg 1", Loss::ApproxNdcg { temperature: 1.0 }),
        (
            "binary_cross_entropy smoothed",
            Loss::BinaryCrossEntropy { positive_weights: vec![3.0], label_smoothing: 0.1 },
        ),
        ("binary_focal smoothed", Loss::BinaryFocal { gamma: 2.0, alpha: 0.25, label_smoothing: 0.1 }),
        (
            "focal smoothed",
            Loss::Focal { classes: 4, class_weights: class_weights(0.3), gamma: 2.0, label_smoothing: 0.1 },
        ),
        ("ordinal smoothed", Loss::Ordinal { classes: 5, label_smoothing: 0.1 }),
        ("ordinal 2 smoothed", Loss::Ordinal { classes: 2, label_smoothing: 0.3 }),
        ("custom", Loss::custom(Quartic { slope: 4.0 })),
    ]
}

/// Every member that is listed here has a row below; the crate's own tests list all of them.
macro_rules! members {
    ($($member:ident),+) => {
        const MEMBERS: &[&str] = &[$(stringify!($member)),+];
        fn member(loss: &Loss) -> &'static str {
            match loss {
                $(Loss::$member { .. } => stringify!($member),)+
                other => panic!("{other:?} is not in the list"),
            }
        }
    };
}
members!(
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    SmoothL1,
    LogCosh,
    Quantile,
    Poisson,
    Gaussian,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Ordinal,
    RankNet,
    LambdaRank,
    ListNet,
    ListMle,
    ApproxNdcg,
    Custom
);

#[test]
fn every_member_has_a_row() {
    for name in MEMBERS {
        assert!(rows().iter().any(|(_, loss)| member(loss) == *name), "{name} has no row");
    }
    for (id, loss) in rows() {
        assert_eq!(id.split(' ').next(), Some(loss.name()), "the name of a row begins with that of its loss");
    }
}

#[test]
fn values_deltas_and_predictions_agree_with_pytorch() {
    let cases = cases();
    let mut with_columns = rows();
    let positive_weights = vec![2.0, 5.0, 0.5];
    with_columns.push((
        "binary_cross_entropy 2 5 0.5",
        Loss::BinaryCrossEntropy { positive_weights, label_smoothing: 0.0 },
    ));
    let mut compared = 0;
    for (id, loss) in with_columns {
        let built = loss.build::<f64>().unwrap();
        assert!(
            member(&loss) == "Custom" || cases.iter().any(|case| case.id == id),
            "no golden case of {id}"
        );
        for case in cases.iter().filter(|case| case.id == id) {
            compared += 1;
            let place = format!("{id}, {}", case.name);
            let (value, delta) = evaluate(&*built, &case.outputs, &case.labels());
            // Both sides round in f64 and sum fewer than 100 terms; the formulas of the script lose a digit or two.
            assert_near(value, case.value, 1e-12 * case.value.abs().max(1e-3), &place);
            let size = case.delta.iter().fold(1e-3_f64, |size, d| size.max(d.abs()));
            for (by_hand, torch) in delta.iter().zip(&case.delta) {
                assert_near(*by_hand, *torch, 1e-12 * size, &place);
            }
            if let Some(expected) = &case.predictions {
                let mut predictions =
                    Array2::zeros((case.targets.nrows(), built.prediction_width(case.targets.ncols())));
                built.predict(case.outputs.view(), predictions.view_mut());
                for (by_hand, torch) in predictions.iter().zip(expected) {
                    assert_near(*by_hand, *torch, 1e-12 * torch.abs().max(1e-3), &place);
                }
            }
        }
    }
    assert_eq!(compared, cases.len(), "a golden case that no row takes");
}

/// The largest difference between the delta by hand and a central difference of the value, relative to the
/// largest entry of the delta, and how many entries were too near a kink to compare.
fn worst_derivative(
    loss: &dyn LossFunction<f64>,
    outputs: &Array2<f64>,
    labels: &Labels<'_, f64>,
) -> (f64, usize) {
    // Five points: the error is h⁴ f⁽⁵⁾/30 and ε|f|/h, both below 1e-9 for every loss here but the squares of
    // residuals of 1000, whose values of 10⁶ are divided out by deltas of 10³.
    let (h, stencil) = (1e-3, [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)]);
    let (_, delta) = evaluate(loss, outputs, labels);
    let size = delta.iter().fold(1e-3_f64, |size, d| size.max(d.abs()));
    let (mut worst, mut at_kinks) = (0.0_f64, 0);
    for (at, &by_hand) in delta.indexed_iter() {
        let (mut numeric, mut sides) = (0.0, Vec::new());
        for (step, factor) in stencil {
            let mut moved = outputs.clone();
            moved[at] += step * h;
            numeric += factor * evaluate(loss, &moved, labels).0 / (12.0 * h);
            let mut branches = Vec::new();
            loss.branches(moved.view(), labels, &mut |side| branches.push(side));
            sides.push(branches);
        }
        match sides.windows(2).all(|pair| pair[0] == pair[1]) {
            true => worst = worst.max((numeric - by_hand).abs() / size),
            false => at_kinks += 1,
        }
    }
    (worst, at_kinks)
}

#[test]
fn the_delta_is_the_derivative_of_the_value() {
    let mut cases = cases();
    cases.extend(cases_without_torch());
    for (id, loss) in rows() {
        let built = loss.build::<f64>().unwrap();
        let mut compared = 0;
        for case in cases.iter().filter(|case| case.id == id) {
            let (worst, at_kinks) = worst_derivative(&*built, &case.outputs, &case.labels());
            assert!(worst <= 1e-7, "{id}, {}: a relative difference of {worst:e}", case.name);
            assert!(at_kinks <= 2, "{id}, {}: {at_kinks} entries at kinks", case.name);
            compared += case.outputs.len() - at_kinks;
        }
        assert!(compared > 20, "{id}: only {compared} entries compared");
    }
}

#[test]
fn a_wrong_delta_is_caught() {
    let case = &cases_without_torch()[0];
    let wrong = Loss::custom(Quartic { slope: 4.001 }).build::<f64>().unwrap();
    assert!(worst_derivative(&*wrong, &case.outputs, &case.labels()).0 > 1e-4);
}

#[test]
fn both_sides_of_a_kink_are_reported_and_its_middle_is_fixed() {
    let cases = [
        (Loss::mean_absolute_error(), [-1.0, 0.0, 1.0], [-1, 0, 1], [-1.0, 0.0, 1.0]),
        (Loss::huber(0.5), [-1.0, 0.5, 1.0], [-1, 0, 1], [-0.5, 0.5, 0.5]),
        (Loss::smooth_l1(0.5), [-1.0, 0.25, 0.5], [-1, 0, 0], [-1.0, 0.5, 1.0]),
        (Loss::quantiles([0.25]), [-1.0, 0.0, 1.0], [1, 0, -1], [-0.25, 0.0, 0.75]),
        (Loss::poisson(), [0.0, 30.0, 31.0], [0, 0, 1], [1.0, 30_f64.exp(), 30_f64.exp()]),
    ];
    for (loss, outputs, sides, slopes) in cases {
        let built = loss.build::<f64>().unwrap();
        let (outputs, targets) =
            (Array2::from_shape_vec((3, 1), outputs.to_vec()).unwrap(), Array2::zeros((3, 1)));
        let mut recorded = Vec::new();
        built.branches(outputs.view(), &Labels::new(targets.view()), &mut |side| recorded.push(side));
        assert_eq!(recorded, sides, "{}", loss.name());
        let (_, delta) = evaluate(&*built, &outputs, &Labels::new(targets.view()));
        for (by_hand, slope) in delta.iter().zip(slopes) {
            assert_near(3.0 * by_hand, slope, 1e-15 * slope.abs().max(1.0), loss.name());
        }
    }
}

#[test]
fn counts_report_half_the_deviance() {
    let built = [Loss::poisson().build::<f64>().unwrap()];
    let single = Loss::poisson().build::<f32>().unwrap();
    let value = |eta: f64, t: f64| evaluate(&*built[0], &array![[eta]], &Labels::new(array![[t]].view()));
    let counts = [0.0, 1e-300, 1e-9, 0.5, 1.0, 7.0, 1e6, 1e13];
    for t in counts {
        for eta in
            (-80..120).map(|i| 0.5 * f64::from(i)).chain([0.0, t.ln().max(-1e3), t.ln().max(-1e3) + 1e-9])
        {
            let (found, delta) = value(eta, t);
            let (of_single, of_single_delta) =
                evaluate(&*single, &array![[eta as f32]], &Labels::new(array![[t as f32]].view()));
            assert!(found >= 0.0 && of_single >= 0.0, "{found} and {of_single} at η = {eta}, t = {t}");
            assert!(found.is_finite() && of_single.is_finite() && of_single_delta[[0, 0]].is_finite());
            // By the formula: five terms, each rounded once.
            let rate = if eta > 30.0 { 30_f64.exp() * (eta - 29.0) } else { eta.exp() };
            let t_ln_t = if t > 0.0 { t * t.ln() } else { 0.0 };
            let size = rate + (t * eta).abs() + t_ln_t.abs() + t;
            assert_near(found, rate - t * eta + t_ln_t - t, 4e-15 * size, &format!("η = {eta}, t = {t}"));
            assert_near(delta[[0, 0]], eta.min(30.0).exp() - t, 1e-15 * (rate + t), "the delta as before");
        }
        if t > 1e-200 {
            // Rounding of ln t by ε |ln t| is squared.
            assert!(value(t.ln(), t).0 <= 1e-28 * t, "the least value is 0, at the rate t = {t}");
        }
    }
    let at = |t: f64| built[0].check(&Labels::new(array![[t]].view()));
    at(1e13).unwrap();
    let error = at(1.1e13).unwrap_err().to_string();
    assert!(error.contains("expected a count from 0 to 10¹³"), "{error}");
}

#[test]
fn single_precision_agrees_with_double_and_nothing_overflows() {
    for (id, loss) in rows() {
        let (single, double) = (loss.build::<f32>().unwrap(), loss.build::<f64>().unwrap());
        for case in cases().into_iter().chain(cases_without_torch()).filter(|case| case.id == id) {
            let place = format!("{id}, {}", case.name);
            let narrow = |x: &Array2<f64>| x.mapv(|x| x as f32);
            let weights = case.weights.as_ref().map(|w| w.mapv(|w| w as f32));
            let (outputs, targets) = (narrow(&case.outputs), narrow(&case.targets));
            let labels = Labels {
                targets: targets.view(),
                weights: weights.as_ref().map(|w| w.view()),
                groups: case.groups(),
            };
            let (value, delta) = evaluate(&*single, &outputs, &labels);

            let (outputs, targets) = (outputs.mapv(f64::from), targets.mapv(f64::from));
            let labels = Labels { targets: targets.view(), ..case.labels() };
            let (expected, expected_delta) = evaluate(&*double, &outputs, &labels);
            // Rounding of 6e-8, amplified tenfold by a temperature of 0.1 and a thousandfold by logits of 1000,
            // whose spacing is 6e-5.
            let tolerance = if case.name == "far out" { 2e-4 } else { 5e-6 };
            assert_near(f64::from(value), expected, tolerance * expected.abs().max(0.1), &place);
            let size = expected_delta.iter().fold(0.1_f64, |size, d| size.max(d.abs()));
            for (&d, &expected) in delta.iter().zip(&expected_delta) {
                assert!(d.is_finite(), "{place}: {d}");
                assert_near(f64::from(d), expected, tolerance * size, &place);
            }
        }
    }
}

#[test]
fn a_row_without_a_label_might_as_well_not_be_there() {
    for (id, loss) in rows() {
        let built = loss.build::<f64>().unwrap();
        for mut case in cases()
            .into_iter()
            .chain(cases_without_torch())
            .filter(|case| case.targets.nrows() >= 7 && case.id == id)
        {
            let gone = [1, 3, 6];
            gone.iter().for_each(|&row| case.targets.row_mut(row).fill(f64::NAN));
            let (value, delta) = evaluate(&*built, &case.outputs, &case.labels());

            let left: Vec<usize> = (0..case.targets.nrows()).filter(|row| !gone.contains(row)).collect();
            let (alone, alone_delta) = {
                let rest = case.select(&left);
                evaluate(&*built, &rest.outputs, &rest.labels())
            };
            assert_eq!(value, alone, "{id}, {}", case.name);
            assert_eq!(delta.select(Axis(0), &left), alone_delta, "{id}, {}", case.name);
            assert!(delta.select(Axis(0), &gone).iter().all(|&d| d == 0.0), "{id}, {}", case.name);
        }
    }
}

#[test]
fn nothing_to_learn_from_is_a_loss_of_zero() {
    for (id, loss) in rows() {
        let built = loss.build::<f64>().unwrap();
        let outputs = Array2::from_elem((5, built.output_width(2)), 1.5);
        let (missing, zeros) = (Array2::from_elem((5, 2), f64::NAN), Array1::zeros(5));
        let present = Array2::from_shape_fn((5, 2), |(i, _)| (i % 2) as f64);
        let none = Array2::zeros((0, 2));
        let weightless = Labels { weights: Some(zeros.view()), ..Labels::new(present.view()) };
        let empty = Array2::zeros((0, built.output_width(2)));
        for (outputs, labels) in [
            (&outputs, Labels::new(missing.view())),
            (&outputs, weightless),
            (&empty, Labels::new(none.view())),
        ] {
            let (value, delta) = evaluate(&*built, outputs, &labels);
            assert_eq!((value, built.total(&labels)), (0.0, 0.0), "{id}");
            assert!(delta.iter().all(|&d| d == 0.0), "{id}: {delta}");
            built.check(&labels).unwrap();
        }
    }
}

#[test]
fn values_of_parts_have_the_value_of_the_whole_as_their_mean() {
    for (id, loss) in rows() {
        let built = loss.build::<f64>().unwrap();
        for case in cases().into_iter().filter(|case| case.name == "gaps and weights" && case.id == id) {
            // Groups stay together.
            let first = |row: &usize| case.groups.as_ref().map_or(*row < 4, |groups| groups[*row] == 7);
            let (one, other): (Vec<usize>, Vec<usize>) = (0..case.targets.nrows()).partition(first);
            let (mut sum, mut total) = (0.0, 0.0);
            for part in [case.select(&one), case.select(&other)] {
                let weight = built.total(&part.labels());
                sum += weight * evaluate(&*built, &part.outputs, &part.labels()).0;
                total += weight;
            }
            assert_near(sum / total, case.value, 1e-12 * case.value.abs(), id);
            assert_near(total, built.total(&case.labels()), 1e-12 * total, id);
        }
    }
}

#[test]
fn memory_order_and_the_order_of_groups_do_not_matter() {
    for (id, loss) in rows() {
        let built = loss.build::<f64>().unwrap();
        for case in cases().into_iter().filter(|case| case.id == id) {
            let (value, delta) = evaluate(&*built, &case.outputs, &case.labels());
            let outputs = case.outputs.t().as_standard_layout().into_owned();
            let mut transposed = Array2::from_elem(outputs.dim(), f64::NAN);
            let again =
                built.value_and_delta(outputs.t(), &case.labels(), transposed.view_mut().reversed_axes());
            assert_near(again, value, 1e-15 * value.abs(), id); // summed in another order
            assert_eq!(delta, transposed.t(), "{id}, {}", case.name);

            let mut order: Vec<usize> = (0..case.targets.nrows()).collect();
            let Some(groups) = &case.groups else { continue };
            order.sort_by_key(|&row| groups[row]);
            let sorted = case.select(&order);
            let (again, sorted_delta) = evaluate(&*built, &sorted.outputs, &sorted.labels());
            assert_eq!((value, delta.select(Axis(0), &order)), (again, sorted_delta), "{id}, {}", case.name);
        }
    }
}

#[test]
fn each_column_may_have_its_own_positive_weight() {
    let outputs = array![[0.3, -1.0], [2.0, 0.5], [-0.7, 1.1]];
    let targets = array![[1.0, 1.0], [f64::NAN, 0.0], [0.0, 1.0]];
    let evaluate_with = |positive_weights: &[f64]| {
        let loss =
            Loss::BinaryCrossEntropy { positive_weights: positive_weights.to_vec(), label_smoothing: 0.0 };
        evaluate(&*loss.build::<f64>().unwrap(), &outputs, &Labels::new(targets.view()))
    };
    let (both, light, heavy) = (evaluate_with(&[2.0, 5.0]), evaluate_with(&[2.0]), evaluate_with(&[5.0]));
    assert_eq!(both.1.column(0), light.1.column(0));
    assert_eq!(both.1.column(1), heavy.1.column(1));
    assert_eq!(evaluate_with(&[5.0, 5.0]).1, heavy.1);
    assert!(light.0 < both.0 && both.0 < heavy.0);
}

#[test]
fn probabilities_sum_to_one_at_any_logit() {
    for loss in [Loss::cross_entropy(4), Loss::focal(4), Loss::ordinal(5)] {
        let built = loss.build::<f32>().unwrap();
        let outputs = array![[1e3, -1e3, 0.0, 1e3], [-1e3, -1e3, -1e3, -1e3], [0.1, 2.0, -1.0, 40.0]];
        let mut predictions = Array2::zeros((3, built.prediction_width(1)));
        built.predict(outputs.view(), predictions.view_mut());
        assert!(predictions.iter().all(|&p| (0.0..=1.0).contains(&p)), "{}: {predictions}", loss.name());
        for sum in predictions.sum_axis(Axis(1)) {
            assert_near(f64::from(sum), 1.0, 1e-6, loss.name());
        }
    }
}

#[test]
fn kinds_say_where_the_estimate_is() {
    let kind = |loss: Loss| loss.build::<f32>().unwrap().kind();
    assert_eq!(kind(Loss::huber(1.0)), Kind::Quantity { parts: 1, point: 0 });
    assert_eq!(kind(Loss::gaussian()), Kind::Quantity { parts: 2, point: 0 });
    assert_eq!(kind(Loss::quantiles([0.1, 0.25, 0.6, 0.9])), Kind::Quantity { parts: 4, point: 2 });
    assert_eq!(kind(Loss::ordinal(3)), Kind::Classes { classes: 3, ordered: true });
    assert_eq!(kind(Loss::lambda_rank()), Kind::Ranking);
    let ordinal = Loss::ordinal(3).build::<f64>().unwrap();
    assert_eq!((ordinal.output_width(2), ordinal.prediction_width(2)), (4, 6));
}

#[test]
fn a_negative_weight_is_named() {
    let weights = array![1.0, -0.5, 1.0];
    for (id, loss) in rows() {
        let (built, targets) = (loss.build::<f64>().unwrap(), array![[1.0], [0.0], [1.0]]);
        let labels = Labels { weights: Some(weights.view()), ..Labels::new(targets.view()) };
        let error = built.check(&labels).unwrap_err().to_string();
        assert_eq!(error, "row 1, weight: expected a finite number, 0 or more, found -0.5", "{id}");
    }
}

#[test]
fn a_custom_loss_is_itself_and_no_other() {
    let loss = Loss::custom(Quartic { slope: 4.0 });
    assert_eq!(loss, loss.clone());
    assert_ne!(loss, Loss::custom(Quartic { slope: 4.0 }));
    let (outputs, targets) = (array![[3.0], [1.0]], array![[1.0], [f64::NAN]]);
    assert_eq!(
        evaluate(&*loss.build().unwrap(), &outputs, &Labels::new(targets.view())),
        (16.0, array![[32.0], [0.0]])
    );
    let (outputs, targets) = (outputs.mapv(|y| y as f32), targets.mapv(|t| t as f32));
    assert_eq!(
        evaluate(&*loss.build().unwrap(), &outputs, &Labels::new(targets.view())),
        (16.0, array![[32.0], [0.0]])
    );
}

/// A user's own loss, `(y − t)⁴`; only with a slope of 4 is its delta right.
#[derive(Debug)]
struct Quartic {
    slope: f64,
}

impl<F: Scalar> LossFunction<F> for Quartic {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        delta.fill(F::ZERO);
        let (total, mut sum) = (labels.total_weight(), F::ZERO);
        for (at, &t) in labels.targets.indexed_iter() {
            if !t.is_nan() && labels.weight(at.0) > F::ZERO {
                let w = labels.weight(at.0) / F::from_f64(total);
                sum += w * (outputs[at] - t).powi(4);
                delta[at] = F::from_f64(self.slope) * w * (outputs[at] - t).powi(3);
            }
        }
        sum
    }
}

fn evaluate<F: Scalar>(
    loss: &dyn LossFunction<F>,
    outputs: &Array2<F>,
    labels: &Labels<'_, F>,
) -> (F, Array2<F>) {
    let mut delta = Array2::from_elem(outputs.dim(), F::NAN);
    let value = loss.value_and_delta(outputs.view(), labels, delta.view_mut());
    (value, delta)
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64, place: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{place}: {found:e} is not {expected:e} within {tolerance:e}"
    );
}

struct Case {
    id: String,
    name: String,
    outputs: Array2<f64>,
    targets: Array2<f64>,
    weights: Option<Array1<f64>>,
    groups: Option<Vec<u64>>,
    value: f64,
    delta: Array2<f64>,
    predictions: Option<Array2<f64>>,
}

impl Case {
    fn labels(&self) -> Labels<'_, f64> {
        let weights = self.weights.as_ref().map(|weights| weights.view());
        Labels { targets: self.targets.view(), weights, groups: self.groups() }
    }

    fn groups(&self) -> Option<&[u64]> {
        self.groups.as_deref()
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self {
            id: self.id.clone(),
            name: self.name.clone(),
            outputs: self.outputs.select(Axis(0), rows),
            targets: self.targets.select(Axis(0), rows),
            weights: self.weights.as_ref().map(|weights| weights.select(Axis(0), rows)),
            groups: self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            value: self.value,
            delta: self.delta.select(Axis(0), rows),
            predictions: None,
        }
    }
}

/// Inputs for the losses, and the logits, for which the golden file has no numbers.
fn cases_without_torch() -> Vec<Case> {
    let of = |id: &str, name: &str, outputs: Array2<f64>, targets: Array2<f64>| Case {
        id: id.into(),
        name: name.into(),
        delta: outputs.clone(),
        outputs,
        targets,
        weights: None,
        groups: None,
        value: f64::NAN,
        predictions: None,
    };
    let wave = |rows, cols, size: f64| {
        Array2::from_shape_fn((rows, cols), |(i, j)| size * (1.7 * i as f64 + 2.3 * j as f64 + 0.4).sin())
    };
    let far =
        |rows, cols| Array2::from_shape_fn((rows, cols), |(i, j)| 1e3 * ((i * 5 + j * 7) % 3) as f64 - 1e3);
    let classes = |rows, cols, n| Array2::from_shape_fn((rows, cols), |(i, j)| ((i + 2 * j) % n) as f64);
    vec![
        of("custom", "waves", wave(9, 3, 1.0), wave(9, 3, -0.7)),
        of("ordinal", "far out", far(9, 4), classes(9, 1, 5)),
        of("ordinal 2", "far out", far(9, 1), classes(9, 1, 2)),
        of("mean_absolute_error", "far out", far(9, 1) + 0.5, classes(9, 1, 2)),
    ]
}

fn cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(include_str!("../golden/losses.json")).unwrap();
    let list = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
    };
    let matrix = |value: &Value| {
        let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(list).collect();
        Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
    };
    let present = |value: &Value| (!value.is_null()).then(|| value.clone());
    let read = |case: &Value| Case {
        id: case["loss"].as_str().unwrap().into(),
        name: case["case"].as_str().unwrap().into(),
        outputs: matrix(&case["outputs"]),
        targets: matrix(&case["targets"]),
        weights: present(&case["weights"]).map(|weights| list(&weights).into()),
        groups: present(&case["groups"])
            .map(|groups| groups.as_array().unwrap().iter().map(|g| g.as_u64().unwrap()).collect()),
        value: case["value"].as_f64().unwrap(),
        delta: matrix(&case["delta"]),
        predictions: present(&case["predictions"]).map(|predictions| matrix(&predictions)),
    };
    file["cases"].as_array().unwrap().iter().map(read).collect()
}
