//! A loss is a mean over rows: what adds nothing to the total adds nothing to the sum, and of any parts of a batch it
//! makes the value of the whole. For every row of the table, and for settings at the ends of their ranges.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, array};
use polytask::Scalar;
use polytask::loss::{Kind, Labels, Loss, LossFunction, check_parts};

use super::{Case, assert_near, evaluate, member, rows};

/// The rows, and settings at the ends of their ranges: weights of 0 for some classes, or for all but one.
fn rows_and_extremes() -> Vec<(&'static str, Loss)> {
    let softmax = |class_weights: [f64; 4], label_smoothing| Loss::CrossEntropy {
        classes: 4,
        class_weights: class_weights.to_vec(),
        label_smoothing,
    };
    let binary = |positive_weights: &[f64], label_smoothing| Loss::BinaryCrossEntropy {
        positive_weights: positive_weights.into(),
        label_smoothing,
    };
    let binary_focal = |alpha, gamma, label_smoothing| Loss::BinaryFocal { gamma, alpha, label_smoothing };
    let focal = |class_weights: [f64; 4], gamma, label_smoothing| Loss::Focal {
        classes: 4,
        class_weights: class_weights.to_vec(),
        gamma,
        label_smoothing,
    };
    let mut rows = rows();
    rows.extend([
        ("class of weight 0, smoothed", softmax([1.0, 0.0, 2.0, 0.5], 0.1)),
        ("two classes of weight 0, smoothed", softmax([0.0, 1.0, 0.0, 3.0], 0.7)),
        ("one class of weight above 0", softmax([0.0, 0.0, 1.0, 0.0], 0.0)),
        ("one class of weight above 0, smoothed", softmax([0.0, 0.0, 1.0, 0.0], 0.3)),
        ("no class of weight above 0, smoothed", softmax([0.0; 4], 0.3)),
        ("focal, class of weight 0", focal([1.0, 0.0, 2.0, 0.5], 2.0, 0.0)),
        ("focal, gamma 0, classes of weight 0", focal([0.0, 0.0, 1.0, 0.0], 0.0, 0.0)),
        ("focal, class of weight 0, smoothed", focal([1.0, 0.0, 2.0, 0.5], 2.0, 0.3)),
        ("focal, no class of weight above 0, smoothed", focal([0.0; 4], 0.5, 0.3)),
        ("positive weight 0", binary(&[0.0], 0.0)),
        ("positive weight 0, smoothed", binary(&[0.0], 0.3)),
        ("positive weight 0 of one column", binary(&[0.0, 2.0, 1.0], 0.0)),
        ("positive weight 0 of one column, smoothed", binary(&[0.0, 2.0, 1.0], 0.3)),
        ("binary focal, alpha 0", binary_focal(0.0, 2.0, 0.0)),
        ("binary focal, alpha 0, smoothed", binary_focal(0.0, 2.0, 0.3)),
        ("binary focal, alpha 1, gamma 0", binary_focal(1.0, 0.0, 0.0)),
        ("quantile", Loss::quantiles([0.5])),
        ("quantiles in order", Loss::ordered_quantiles([0.2, 0.3, 0.9])),
    ]);
    rows
}

/// Three target columns with labels that `loss` takes, some missing, some rows of weight 0: in one group per row, or
/// in five groups where `loss` ranks.
fn batch_with_everything(loss: &dyn LossFunction<f64>) -> Case {
    let n = match loss.kind() {
        Kind::Binary => 2,
        Kind::Classes { classes, .. } => classes,
        _ => 5,
    };
    let is_ranking = loss.kind() == Kind::Ranking;
    let rows = if is_ranking { 14 } else { 7 };
    let mut targets = Array2::from_shape_fn((rows, 3), |(i, j)| ((2 * i + 3 * j + i * j) % n) as f64);
    targets[[1, 0]] = f64::NAN;
    targets.row_mut(3).fill(f64::NAN);
    targets[[4, 2]] = f64::NAN;
    let of_row = |row: usize| if is_ranking { row / 3 } else { row };
    let weights = Array1::from_shape_fn(rows, |row| [1.0, 0.3, 0.0, 2.0, 1.5, 0.0, 0.7][of_row(row)]);
    Case {
        id: String::new(),
        name: String::new(),
        outputs: Array2::from_shape_fn((rows, loss.output_width(3)), |(i, j)| {
            2.0 * (1.7 * i as f64 + 2.3 * j as f64 + 0.4).sin()
        }),
        targets,
        weights: Some(weights),
        groups: is_ranking.then(|| (0..rows).map(|row| of_row(row) as u64).collect()),
        value: f64::NAN,
        delta: Array2::zeros((rows, 1)),
        predictions: None,
    }
}

#[test]
fn a_part_of_total_0_has_sum_0_and_every_cut_has_the_value_of_the_whole() {
    for (id, loss) in rows_and_extremes() {
        let built = loss.build::<f64>().unwrap();
        let batch = batch_with_everything(&*built);
        built.check(&batch.labels()).unwrap();
        let (whole, whole_delta) = evaluate(&*built, &batch.outputs, &batch.labels());
        let whole_total = built.total(&batch.labels());
        let unit = |row: usize| batch.groups.as_ref().map_or(row, |groups| groups[row] as usize);
        let units = unit(batch.targets.nrows() - 1) + 1;
        let mut of_total_0 = 0;
        for cut in 0..1_u32 << units {
            let (one, other): (Vec<usize>, Vec<usize>) =
                (0..batch.targets.nrows()).partition(|&row| cut >> unit(row) & 1 == 1);
            let (mut sum, mut total) = (0.0, 0.0);
            for rows in [one, other] {
                let part = batch.select(&rows);
                let (value, delta) = evaluate(&*built, &part.outputs, &part.labels());
                let part_total = built.total(&part.labels());
                if part_total == 0.0 {
                    of_total_0 += 1;
                    assert_eq!(value, 0.0, "{id}: rows {rows:?}, whose total is 0");
                    assert!(
                        delta.iter().all(|&d| d == 0.0),
                        "{id}: rows {rows:?}, whose total is 0: {delta}"
                    );
                }
                sum += part_total * value;
                total += part_total;
                for (delta, &row) in delta.rows().into_iter().zip(&rows) {
                    for (&d, &of_whole) in delta.iter().zip(whole_delta.row(row)) {
                        // Each side is rounded a few times.
                        let of_whole = whole_total * of_whole;
                        assert_near(part_total * d, of_whole, 1e-13 * of_whole.abs().max(1.0), id);
                    }
                }
            }
            assert_near(total, whole_total, 1e-13 * total, id);
            assert_near(sum, whole_total * whole, 1e-12 * sum.abs(), id);
        }
        assert!(of_total_0 > 2, "{id}: only the empty part has total 0");
        check_parts(&*built, batch.outputs.view(), &batch.labels()).unwrap();
    }
}

#[test]
fn a_row_of_a_class_of_weight_0_contributes_nothing() {
    let (outputs, targets) = (array![[0.3, -1.0, 2.0], [1.0, 0.5, -0.2]], array![[0.0], [2.0]]);
    for label_smoothing in [0.0, 0.2] {
        let class_weights = vec![1.0, 1.0, 0.0];
        let loss = Loss::CrossEntropy { classes: 3, class_weights, label_smoothing };
        let built = loss.build::<f64>().unwrap();
        let both = evaluate(&*built, &outputs, &Labels::new(targets.view()));
        let first = outputs.select(Axis(0), &[0]);
        let alone = evaluate(&*built, &first, &Labels::new(targets.select(Axis(0), &[0]).view()));
        assert_eq!(both.0, alone.0);
        assert_eq!(both.1, ndarray::concatenate![Axis(0), alone.1, Array2::zeros((1, 3))]);
    }
}

#[test]
fn a_row_of_weight_0_contributes_nothing_though_its_loss_overflows() {
    for (id, loss) in rows_and_extremes() {
        let built = loss.build::<f64>().unwrap();
        let mut batch = batch_with_everything(&*built);
        let weights = batch.weights.clone().unwrap();
        let (value, delta) = evaluate(&*built, &batch.outputs, &batch.labels());
        for (mut row, &w) in batch.outputs.rows_mut().into_iter().zip(&weights) {
            if w == 0.0 {
                row.fill(-1e200);
            }
        }
        let far = evaluate(&*built, &batch.outputs, &batch.labels());
        assert_eq!((value, delta), far, "{id}");
    }
}

#[test]
fn weights_too_small_for_a_mean_are_none() {
    let (outputs, targets) = (array![[3.0_f32], [1.0]], array![[1.0], [0.0]]);
    let weights = array![1e-41_f32, 2e-41]; // their reciprocals are not finite
    for loss in [Loss::mean_squared_error(), Loss::cross_entropy(2), Loss::quantiles([0.3])] {
        let built = loss.build::<f32>().unwrap();
        let labels = Labels { weights: Some(weights.view()), ..Labels::new(targets.view()) };
        let outputs = Array2::from_shape_fn((2, built.output_width(1)), |(i, _)| outputs[[i, 0]]);
        assert_eq!((built.total(&labels), evaluate(&*built, &outputs, &labels).0), (0.0, 0.0));
    }
}

#[test]
fn a_custom_loss_that_is_no_mean_over_rows_is_named() {
    let outputs = array![[0.5], [2.0], [1.0], [-1.0]];
    let targets = array![[0.0], [1.0], [3.0], [0.5]];
    let weights = array![1.0, 0.0, 2.0, 1.0];
    let labels = Labels { weights: Some(weights.view()), ..Labels::new(targets.view()) };
    let message = |fault| check_parts(&Faulty { fault }, outputs.view(), &labels).unwrap_err().to_string();
    check_parts(&Faulty { fault: Fault::None }, outputs.view(), &labels).unwrap();
    let found = message(Fault::WeightlessRowsAdd);
    assert!(found.starts_with("row 1, whose total is 0: expected a loss of 0, found inf"), "{found}");
    let found = message(Fault::WeightlessRowsPull);
    assert!(found.starts_with("row 1, whose total is 0: expected a delta of 0, found 1"), "{found}");
    let found = message(Fault::SumForMean);
    assert!(
        found.starts_with("loss of the batch cut into single rows or groups: expected that of the whole"),
        "{found}"
    );
    let found = message(Fault::DeltaOfAnotherMean);
    assert!(found.starts_with("delta of row 2 of the batch cut into single rows"), "{found}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    WeightlessRowsAdd,
    WeightlessRowsPull,
    SumForMean,
    DeltaOfAnotherMean,
}

/// `|y − t|` in one column, averaged with a mistake.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
}

impl<F: Scalar> LossFunction<F> for Faulty {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let total = F::from_f64(labels.total_weight());
        let n = F::from_f64(labels.targets.nrows() as f64);
        let mut sum = F::ZERO;
        for (at, &t) in labels.targets.indexed_iter() {
            let (w, r) = (labels.weight(at.0), outputs[at] - t);
            sum += if self.fault == Fault::WeightlessRowsAdd { r.abs() } else { w * r.abs() };
            let by = if self.fault == Fault::DeltaOfAnotherMean { n } else { total };
            delta[at] = if w == F::ZERO { F::ZERO } else { if r > F::ZERO { w / by } else { -w / by } };
            if w == F::ZERO && self.fault == Fault::WeightlessRowsPull {
                delta[at] = F::ONE;
            }
        }
        match self.fault {
            Fault::SumForMean => sum,
            _ if sum == F::ZERO => F::ZERO,
            _ => sum / total,
        }
    }
}

#[test]
fn losses_that_cannot_be_negative_are_not() {
    for (id, loss) in rows_and_extremes() {
        let built = loss.build::<f64>().unwrap();
        let mut least = f64::INFINITY;
        for scale in [1e-9, 1e-3, 1.0, 30.0, 1e3] {
            let mut batch = batch_with_everything(&*built);
            batch.outputs *= scale;
            least = least.min(evaluate(&*built, &batch.outputs, &batch.labels()).0);
        }
        assert_eq!(built.can_be_negative(), member(&loss) == "Gaussian", "{id}");
        assert!(built.can_be_negative() || least >= 0.0, "{id}: {least}");
    }
}
