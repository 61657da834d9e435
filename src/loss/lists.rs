//! What the ranking losses have in common: cutting a batch into lists, and the mean over them.
//!
//! A list is the labelled items of one query group in one target column; the rows of a group need not lie side
//! by side. Scores of one list are compared with each other and with nothing else.
//!
//! ```text
//! value = Σ over lists of w ℓ / Σ w        w = mean weight of the items of the list
//! ```
//! A list in which no two labels differ says nothing about order: it has no part in the mean, and its
//! delta is 0. So it is where all items of a list have weight 0. The derivations in the files of the losses are of the ℓ of one list.

use std::cell::Cell;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use super::Labels;
use super::labels::usable;
use super::mean::{assert_fit, rate};
use crate::{Error, ErrorKind, Result, Scalar};

/// The labelled items of one query group, by their rows in the batch.
#[derive(Debug)]
pub(super) struct List<'a, F> {
    /// The rows of the items; a loss may put them into the order it needs.
    pub rows: &'a mut [usize],
    /// The score of every row.
    pub scores: ArrayView1<'a, F>,
    /// The label of every row.
    pub labels: ArrayView1<'a, F>,
    /// w / Σ w: what to scale the derivative with.
    pub rate: F,
    /// Where to write rate · ∂ℓ/∂score of the items. It holds 0.
    pub delta: ArrayViewMut1<'a, F>,
    /// Room for one number per item.
    pub scratch: &'a mut [f64],
}

impl<F: Scalar> List<'_, F> {
    /// Puts the items into the order of falling labels, equal ones in the order of the batch.
    pub fn sort_by_label(&mut self) {
        sort(self.rows, self.labels);
    }

    /// Puts the items into the order of falling scores, equal ones in the order of the batch.
    pub fn sort_by_score(&mut self) {
        sort(self.rows, self.scores);
    }
}

/// Sorts `rows` by falling `key`, ties by rising row; a stable sort would need a buffer.
fn sort<F: Scalar>(rows: &mut [usize], key: ArrayView1<'_, F>) {
    rows.sort_unstable_by(|&i, &j| key[j].to_f64().total_cmp(&key[i].to_f64()).then(i.cmp(&j)));
}

/// The mean of a loss of one list: `list_loss` returns ℓ and writes ∂ℓ/∂scores.
#[track_caller]
pub(super) fn over_lists<F: Scalar>(
    outputs: ArrayView2<'_, F>,
    labels: &Labels<'_, F>,
    mut delta: ArrayViewMut2<'_, F>,
    list_loss: impl Fn(List<'_, F>) -> F,
) -> F {
    assert_fit(&outputs, labels, &delta, 1);
    delta.fill(F::ZERO);
    let Some(scale) = rate::<F>(total(labels)) else { return F::ZERO };
    let mut sum = F::ZERO;
    for_each_list(labels, |column, rows, scratch| {
        let w = F::from_f64(weight(labels, rows));
        if w == F::ZERO {
            return;
        }
        let (scores, targets) = (outputs.column(column), labels.targets.column(column));
        let delta = delta.column_mut(column);
        sum += w * list_loss(List { rows, scores, labels: targets, rate: w * scale, delta, scratch });
    });
    scale * sum
}

/// Σ w over the lists that say something about order.
pub(super) fn total<F: Scalar>(labels: &Labels<'_, F>) -> f64 {
    let mut total = 0.0;
    for_each_list(labels, |_, rows, _| total += weight(labels, rows));
    usable::<F>(total)
}

fn weight<F: Scalar>(labels: &Labels<'_, F>, rows: &[usize]) -> f64 {
    rows.iter().map(|&row| labels.weight(row).to_f64()).sum::<f64>() / rows.len() as f64
}

/// Calls `each(column, rows, scratch)` for every list in which two labels differ.
pub(super) fn for_each_list<F: Scalar>(
    labels: &Labels<'_, F>,
    mut each: impl FnMut(usize, &mut [usize], &mut [f64]),
) {
    let mut buffers = SCRATCH.take();
    let Scratch { order, rows, scratch } = &mut buffers;
    sort_by_group(labels, order);
    for group in order.chunk_by(|&i, &j| labels.groups.is_none_or(|groups| groups[i] == groups[j])) {
        for (column, targets) in labels.targets.columns().into_iter().enumerate() {
            rows.clear();
            rows.extend(group.iter().filter(|&&row| !targets[row].is_nan()));
            if rows.iter().any(|&row| targets[row] != targets[rows[0]]) {
                scratch.resize(rows.len(), 0.0);
                each(column, rows, scratch);
            }
        }
    }
    SCRATCH.set(buffers);
}

fn sort_by_group<F: Scalar>(labels: &Labels<'_, F>, order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..labels.targets.nrows());
    if let Some(groups) = labels.groups {
        assert!(groups.len() == order.len(), "{} group ids for {} rows", groups.len(), order.len());
        order.sort_unstable_by_key(|&row| (groups[row], row));
    }
}

/// Buffers that grow to the largest batch of a thread and stay, so that a step of training allocates nothing.
#[derive(Default)]
struct Scratch {
    order: Vec<usize>,
    rows: Vec<usize>,
    scratch: Vec<f64>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { order: Vec::new(), rows: Vec::new(), scratch: Vec::new() }) };
}

/// Checks each label, and that no labelled item is alone in its query group.
pub(super) fn check_lists<F: Scalar>(
    labels: &Labels<'_, F>,
    expected: &str,
    valid: impl Fn(F) -> bool,
) -> Result<()> {
    labels.check(expected, valid)?;
    let Some(groups) = labels.groups else { return Ok(()) };
    let mut order = Vec::new();
    sort_by_group(labels, &mut order);
    let alone = (order.chunk_by(|&i, &j| groups[i] == groups[j]))
        .filter(|group| group.len() == 1 && labels.targets.row(group[0]).iter().any(|t| !t.is_nan()))
        .map(|group| group[0])
        .min();
    match alone {
        None => Ok(()),
        Some(row) => Err(Error::new(
            ErrorKind::Value,
            format!("row {row}, query group {}", groups[row]),
            "2 items or more to be ranked",
            "a group of one item",
        )
        .advise("leave the row out, or its label: it has nothing to be compared with")),
    }
}
