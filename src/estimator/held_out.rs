//! What the networks of an estimator predict for rows that they have not learnt from, and the weights that follow.
//!
//! A network stops early on a fold of the rows and learns from the others. For row i, kind j has the mean over its networks
//! that held i out: pᵢⱼ, the predicted quantity, or the probability of the label (`stack.rs` has the formulas). Rows count
//! that have a label with a weight above 0 and a prediction of every kind. A network that had to learn from all rows, since
//! otherwise a target had no label, holds nothing out.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView1, Axis};

use super::labels::counts;
use super::member_kind::MemberKind;
use super::stacked::{Stack, StackedTarget};
use super::target::{Judged, Target};
use crate::data::Dataset;
use crate::{Model, Result, Scalar};

/// With fewer labels than this the weights would be chance: the first kind predicts alone, and a warning says so.
const LEAST_LABELS: usize = 10;

/// What one network predicted for the rows that it held out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HeldOut {
    pub(super) rows: Vec<usize>,
    /// `rows × targets`: what is judged against the label; NaN where there is none.
    pub(super) judged: Array2<f64>,
}

impl HeldOut {
    /// The predictions of a network for these rows of a table.
    pub(super) fn of<F: Scalar>(
        model: &Model<F>,
        data: &Dataset<F>,
        targets: &[Target],
        rows: &[usize],
    ) -> Result<Self> {
        let mut judged = Array2::from_elem((rows.len(), targets.len()), f64::NAN);
        if rows.is_empty() {
            return Ok(Self { rows: Vec::new(), judged });
        }
        let (held_out, columns) = (data.select(rows), model.columns(data)?.concat());
        let predictions = model.predict_table(&held_out)?.into_values();
        for (k, target) in targets.iter().enumerate() {
            for (row, predicted) in target.of_task(&predictions[target.task]).rows().into_iter().enumerate() {
                let label = held_out.targets()[[row, columns[k]]].to_f64();
                if !label.is_nan() {
                    judged[[row, k]] = target.judged(predicted, label);
                }
            }
        }
        Ok(Self { rows: rows.to_vec(), judged })
    }
}

/// A network and what it held out.
pub(super) struct FittedNetwork<F: Scalar> {
    pub(super) model: Model<F>,
    /// What ended its training, if it was not early stopping.
    pub(super) ended_by: Option<String>,
    /// What it predicts for the rows that it has not learnt from; none if nobody asks.
    pub(super) held_out: HeldOut,
}

/// The labels of a table and their weights, `rows × targets` each; a label that does not count has weight 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LabelTable {
    pub(super) labels: Array2<f64>,
    pub(super) weights: Array2<f64>,
    /// Which rows are ranked together, numbered from 0; if there are rankings, and groups.
    pub(super) groups: Option<Vec<u64>>,
}

impl LabelTable {
    /// Those of some targets, which are found in these columns of a table.
    pub(super) fn of<F: Scalar>(data: &Dataset<F>, targets: &[Target], columns: &[usize]) -> Self {
        let weight = |(row, k): (usize, usize)| match counts(data, row, columns[k]) {
            true => data.label_weight(row, columns[k]).to_f64(),
            false => 0.0,
        };
        let groups = data.groups().filter(|_| targets.iter().any(Target::is_ranking));
        Self {
            labels: data.targets().select(Axis(1), columns).mapv(Scalar::to_f64),
            weights: Array2::from_shape_fn((data.n_rows(), columns.len()), weight),
            groups: groups.map(numbered),
        }
    }

    fn column(&self, k: usize) -> (ArrayView1<'_, f64>, ArrayView1<'_, f64>) {
        (self.labels.column(k), self.weights.column(k))
    }
}

/// Groups in the order in which they first appear, numbered from 0.
fn numbered(groups: &[u64]) -> Vec<u64> {
    let mut numbers = HashMap::new();
    groups
        .iter()
        .map(|group| {
            let next = numbers.len() as u64;
            *numbers.entry(group).or_insert(next)
        })
        .collect()
}

/// The weights of the kinds, from what the networks held out; `None` if they are all of one kind.
pub(super) fn stack(
    kinds_of_members: &[MemberKind],
    held_out: &[HeldOut],
    table: &LabelTable,
    targets: &[Target],
) -> Option<Stack> {
    let kinds = each_once(kinds_of_members);
    if kinds.len() < 2 {
        return None;
    }
    let place = |kind: &MemberKind| kinds.iter().position(|other| other == kind).unwrap_or_default();
    let n_rows = table.labels.nrows();
    let of_target = |(k, target): (usize, &Target)| {
        let mut sums = Array2::<f64>::zeros((n_rows, kinds.len()));
        let mut times = Array2::<f64>::zeros((n_rows, kinds.len()));
        for (kind, of_member) in kinds_of_members.iter().zip(held_out) {
            for (&row, &judged) in of_member.rows.iter().zip(of_member.judged.column(k)) {
                sums[[row, place(kind)]] += judged;
                times[[row, place(kind)]] += 1.0;
            }
        }
        let (labels, weights) = table.column(k);
        let is_labelled = |&row: &usize| weights[row] > 0.0;
        // As a difference from one of them: exact for labels that are all equal.
        let base = (0..n_rows).find(is_labelled).map_or(0.0, |row| labels[row]);
        let total = weights.sum();
        let deviation = |row: usize| weights[row] / total * (labels[row] - base);
        let mean = base + (0..n_rows).filter(is_labelled).map(deviation).sum::<f64>();
        let has_all = |&row: &usize| times.row(row).iter().all(|&times| times > 0.0);
        let rows: Vec<usize> = (0..n_rows).filter(is_labelled).filter(has_all).collect();
        let of_rows = |numbers: ArrayView1<'_, f64>| rows.iter().map(|&row| numbers[row]).collect::<Vec<_>>();
        let groups =
            table.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect::<Vec<_>>());
        let predictions = Array2::from_shape_fn((rows.len(), kinds.len()), |(i, j)| {
            sums[[rows[i], j]] / times[[rows[i], j]]
        });
        let weighed = match rows.len() < LEAST_LABELS {
            true => None,
            false => target.weigh(&Judged {
                predictions: predictions.view(),
                labels: &of_rows(labels),
                weights: &of_rows(weights),
                groups: groups.as_deref(),
                mean,
            }),
        };
        let finite = |error: f64| Some(error).filter(|error| error.is_finite());
        let first_alone = || (0..kinds.len()).map(|j| if j == 0 { 1.0 } else { 0.0 }).collect();
        StackedTarget {
            target: target.name.clone(),
            metric: target.metric().into(),
            mean: target.is_quantity().then_some(mean),
            is_stacked: weighed.is_some(),
            n_labels: rows.len(),
            errors: match &weighed {
                None => vec![None; kinds.len()],
                Some(weighed) => weighed.errors.iter().copied().map(finite).collect(),
            },
            error: weighed.as_ref().and_then(|weighed| finite(weighed.error)),
            of_constant: weighed.as_ref().and_then(|weighed| finite(weighed.of_constant)),
            weights: weighed.map_or_else(first_alone, |weighed| weighed.weights),
        }
    };
    let targets = targets.iter().enumerate().map(of_target).collect();
    Some(Stack { targets, kinds })
}

/// How far predictions of target `k` are from its labels, in its unit and above 0: the error of the stack on held-out rows, or
/// that of the first kind if it predicts alone, as of classes, whose unit is a probability; where nothing is held out, the
/// deviation of the labels; if that is 0, 1.
pub(super) fn scale(
    (kinds, held_out): (&[MemberKind], &[HeldOut]),
    table: &LabelTable,
    stack: Option<&Stack>,
    (k, target): (usize, &Target),
) -> f64 {
    let (labels, weights) = table.column(k);
    let labels = labels.mapv(|label| target.best(label));
    let n_rows = labels.len();
    let (mut sums, mut times) = (vec![0.0; n_rows], vec![0.0; n_rows]);
    for (_, of_member) in kinds.iter().zip(held_out).filter(|(kind, _)| **kind == kinds[0]) {
        for (&row, &judged) in of_member.rows.iter().zip(of_member.judged.column(k)) {
            sums[row] += judged;
            times[row] += 1.0;
        }
    }
    // The root of the weighted mean of squares of labels less a prediction.
    let deviation = |predicted: &dyn Fn(usize) -> f64, counts: &dyn Fn(usize) -> bool| {
        let rows = || (0..n_rows).filter(|&row| weights[row] > 0.0 && counts(row));
        let total: f64 = rows().map(|row| weights[row]).sum();
        rows().map(|row| weights[row] / total * (labels[row] - predicted(row)).powi(2)).sum::<f64>().sqrt()
    };
    let of_stack = stack.filter(|_| target.is_quantity()).and_then(|stack| stack.targets[k].error);
    let of_stack = of_stack.unwrap_or(0.0);
    let alone = || deviation(&|row| sums[row] / times[row], &|row| times[row] > 0.0);
    let total: f64 = weights.sum();
    let is_labelled = |&row: &usize| weights[row] > 0.0;
    let mean: f64 = (0..n_rows).filter(is_labelled).map(|row| weights[row] / total * labels[row]).sum();
    let of_labels = || deviation(&|_| mean, &|_| true);
    let is_scale = |scale: &f64| *scale > 0.0 && scale.is_finite();
    let first = Some(of_stack).filter(is_scale).or_else(|| Some(alone()).filter(is_scale));
    first.or_else(|| Some(of_labels()).filter(is_scale)).unwrap_or(1.0)
}

/// The kinds in the order in which they first appear.
pub(super) fn each_once(kinds: &[MemberKind]) -> Vec<MemberKind> {
    let mut all = Vec::new();
    for &kind in kinds {
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    all
}
