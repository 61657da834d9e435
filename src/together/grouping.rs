//! Which tasks to train together, proposed from how much they help each other.
//!
//! ```text
//! value of a partition = Σ over ordered pairs of tasks i ≠ j in one group of a(i, j) − ½ max(0, maxₗ a(l, j))        l ≠ j
//! ```
//! a(i, j) is the affinity of task i to task j: above 0 where a step for i lowers the loss of j, below 0 where it raises it. So a
//! task is worth having in a group if it helps the others, on balance, at least half as much as the best helper of each does.
//! Against 0 alone all tasks would go together, since all have a little in common, such as a mean. The sum over pairs is
//! correlation clustering: N. Bansal, A. Blum and S. Chawla, Machine Learning 56, 2004. (C. Fifty et al., NeurIPS 2021, choose
//! groups that may overlap, under a budget of how many.)

use ndarray::Array2;

use super::{TOGETHER, TogetherOrApart};
use crate::data::Dataset;
use crate::kernel::run_jobs;
use crate::train::Affinity;
use crate::validation::outcome::Folds;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// Up to this many tasks all partitions are tried: 115 975 of ten.
const EXHAUSTIVE: usize = 10;

/// Every second step is measured.
const EVERY: u64 = 2;

/// How many trainings the affinity is a mean over.
const TRAININGS: usize = 3;

/// A proposal which tasks to train together: see [`TogetherOrApart::propose`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proposal<F> {
    /// The names of the tasks of each group.
    pub groups: Vec<Vec<String>>,
    /// What it was made from.
    pub affinity: Affinity,
    /// The rows that it has not seen, to verify it on.
    pub rest: Dataset<F>,
}

/// The partition of `n` tasks with the largest value, as groups of ascending numbers in the order of their first.
///
/// ```text
/// value = Σ over ordered pairs of tasks i ≠ j in one group of affinity(i, j) − ½ max(0, maxₗ affinity(l, j))        l ≠ j
/// ```
/// `affinity(i, j)` is how much task i helps task j. Up to ten tasks, all partitions are tried, and of several of one value
/// that of the fewest groups is taken; for more, groups are merged, and tasks moved, as long as that raises the value.
///
/// ```
/// use polytask::together::propose_groups;
///
/// // Tasks 0 and 2 help each other, and task 1 harms both.
/// let affinity = |i: usize, j: usize| if i % 2 == j % 2 { 0.3 } else { -0.1 };
/// assert_eq!(propose_groups(3, affinity), [vec![0, 2], vec![1]]);
/// assert_eq!(propose_groups(3, |_, _| 0.1), [[0, 1, 2]]);
/// // All have a little in common; that is less than half of what the tasks of a pair have.
/// assert_eq!(propose_groups(4, |i, j| if i % 2 == j % 2 { 0.3 } else { 0.1 }), [[0, 2], [1, 3]]);
/// ```
pub fn propose_groups(n: usize, affinity: impl Fn(usize, usize) -> f64) -> Vec<Vec<usize>> {
    let best_helper = |j: usize| (0..n).filter(|&i| i != j).map(|i| affinity(i, j)).fold(0.0, f64::max);
    let least: Vec<f64> = (0..n).map(|j| 0.5 * best_helper(j)).collect();
    let gain = |i: usize, j: usize| affinity(i, j) - least[j];
    let mut group_of = match n <= EXHAUSTIVE {
        true => best_of_all(n, &gain),
        false => climbed(n, &gain),
    };
    number_in_order(&mut group_of);
    let n_groups = group_of.iter().max().map_or(0, |&last| last + 1);
    (0..n_groups).map(|group| (0..n).filter(|&k| group_of[k] == group).collect()).collect()
}

/// The value of a partition, in which task k is of group `group_of[k]`.
fn value(group_of: &[usize], gain: &impl Fn(usize, usize) -> f64) -> f64 {
    let n = group_of.len();
    let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
    pairs.filter(|&(i, j)| i != j && group_of[i] == group_of[j]).map(|(i, j)| gain(i, j)).sum()
}

/// Numbers groups in the order of their first tasks.
fn number_in_order(group_of: &mut [usize]) {
    let mut seen: Vec<usize> = Vec::new();
    for group in group_of {
        let at = seen.iter().position(|other| other == group);
        *group = at.unwrap_or_else(|| {
            seen.push(*group);
            seen.len() - 1
        });
    }
}

fn best_of_all(n: usize, gain: &impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut group_of = vec![0; n];
    let (mut best, mut most) = (group_of.clone(), f64::NEG_INFINITY);
    loop {
        let (found, groups) = (value(&group_of, gain), group_of.iter().max());
        if found > most || found == most && groups < best.iter().max() {
            (best, most) = (group_of.clone(), found);
        }
        // The next partition: the last task that can go to a later group does, up to one that is new.
        let can_move = |k: usize| group_of[..k].iter().max().is_some_and(|&last| group_of[k] <= last);
        let Some(k) = (0..n).rev().find(|&k| can_move(k)) else { return best };
        group_of[k] += 1;
        group_of[k + 1..].fill(0);
    }
}

/// From each task alone, the merge of two groups or the move of a task that raises the value the most, as long as one does.
fn climbed(n: usize, gain: &impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut group_of: Vec<usize> = (0..n).collect();
    let mut most = value(&group_of, gain);
    loop {
        let mut neighbours: Vec<Vec<usize>> = Vec::new();
        for a in 0..n {
            for b in 0..n {
                let merged = || group_of.iter().map(|&group| if group == b { a } else { group }).collect();
                let is_there = |group| group_of.contains(&group);
                if a < b && is_there(a) && is_there(b) {
                    neighbours.push(merged());
                }
                if group_of[a] != b {
                    let mut moved = group_of.clone();
                    moved[a] = b; // to a group that is there, or alone
                    neighbours.push(moved);
                }
            }
        }
        let values = neighbours.iter().map(|neighbour| value(neighbour, gain));
        let best = values.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        match best.filter(|(_, found)| *found > most) {
            Some((at, found)) => (group_of, most) = (neighbours.swap_remove(at), found),
            None => return group_of,
        }
    }
}

/// Sets the parameters of each head's output layer to 0.
fn zero_outputs<F: Scalar>(model: &mut Model<F>) {
    let mut ranges = Vec::new();
    let layout = model.network().layout();
    for task in model.tasks() {
        let head = format!("head.{}.", task.name());
        // `head.price.1.weight`: the output layer has the last number.
        let of_layer = |name: &str| name.strip_prefix(&head)?.split('.').next()?.parse::<usize>().ok();
        let last = layout.blocks().filter_map(|(name, _)| of_layer(name)).max();
        let output = layout.blocks().filter(|(name, _)| last.is_some() && of_layer(name) == last);
        ranges.extend(output.map(|(_, block)| block.range()));
    }
    ranges.into_iter().for_each(|range| model.parameters_mut()[range].fill(F::ZERO));
}

impl TogetherOrApart {
    /// Proposes which tasks to train together, from a part of the rows that is not used to verify it: about `share` of them.
    ///
    /// The joint model is trained on that part three times, from other first parameters, and the [lookahead
    /// affinity](Affinity::lookahead) is measured at every second step; [`propose_groups`] makes groups from its means. Add them
    /// with [`grouping`](Self::grouping), and [`run`](Self::run) on the rest of the rows. Trainings run on as many threads as
    /// there are for [jobs](crate::validation::CrossValidation::threads).
    ///
    /// The output layers of the heads begin at 0 in these trainings. The gradient of the trunk goes through them, so that heads
    /// drawn at random would give the tasks' gradients cosines of chance, either way and for long: of six tasks in two families
    /// of cosine 0.9, the mean cosine within was then 0.03 with a spread as large, and is 0.44 without.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    ///
    /// let data = datasets::task_families::<f32>(400, 8, 2, 2, 1.0, 0.1, 1);
    /// let settings = TogetherOrApart::new(["task0", "task1", "task2", "task3"].map(Task::regression))
    ///     .hidden([32])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(20));
    /// let proposal = settings.propose(&data, 0.5)?;
    /// assert_eq!(proposal.groups, [["task0", "task2"], ["task1", "task3"]]);
    /// println!("{}", proposal.affinity);
    /// let report = settings
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(5))
    ///     .grouping("proposed", proposal.groups)
    ///     .run(&proposal.rest)?;
    /// assert!(report.result("proposed").is_some());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), [`Dataset::split`] and [`Affinity::measure`]; [`ErrorKind::Value`] if two tasks have no measured
    /// batch in which both have labels.
    pub fn propose<F: Scalar>(&self, data: &Dataset<F>, share: f64) -> Result<Proposal<F>> {
        let contenders = self.contenders::<F>(data.n_features())?;
        let joint = contenders.iter().find(|contender| contender.name == TOGETHER).expect("always there");
        let folds: Folds = self.folds.cut_rows(data)?;
        let (part, rest) = data.split(share, folds.seed)?;
        let measured = run_jobs(TRAININGS, folds.threads, |at| {
            let (models, trainer) = joint.of_fold(folds.seed_of(at))?;
            let mut model = models[0].builder.build::<F>()?;
            zero_outputs(&mut model);
            Ok(Affinity::measure(&trainer, &mut model, &part, EVERY)?.0)
        })?;
        let mut measured = measured.into_iter();
        let mut affinity = measured.next().expect("three trainings");
        measured.for_each(|other| affinity.merge(&other));
        let n = self.tasks.len();
        let mut lookahead = Array2::zeros((n, n));
        for ((i, j), to) in lookahead.indexed_iter_mut() {
            *to = affinity.lookahead(i, j).ok_or_else(|| {
                let place =
                    format!("affinity of tasks {:?} and {:?}", affinity.tasks()[i], affinity.tasks()[j]);
                let expected = "a measured batch in which both have labels";
                Error::new(ErrorKind::Value, place, expected, "none")
                    .advise("train for longer, or with larger batches")
            })?;
        }
        let groups = propose_groups(n, |i, j| lookahead[[i, j]]);
        let named = |group: Vec<usize>| group.into_iter().map(|k| affinity.tasks()[k].clone()).collect();
        Ok(Proposal { groups: groups.into_iter().map(named).collect(), affinity, rest })
    }
}
