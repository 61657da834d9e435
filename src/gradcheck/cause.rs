//! Looks for the cause of a wrong gradient: possible explanations are fitted to the observations.
//!
//! An observation is a direction `v` with the numeric derivative along it. Each possible cause predicts the
//! true gradient as `a + c·u`, or as `c·u`, from the gradient by hand `a` and some vector `u`: a task's
//! gradient, θ, or the transposed block. The number `c` is fitted to all observations of a block by least
//! squares, and the cause is accepted if it leaves less than 1e-4 of each difference unexplained. If no fit
//! explains the difference, the blocks, rows and columns that are right help to narrow the cause down.

use super::block::BlockResult;
use super::direction::ThetaDirection;
use super::examiner::{BlockRef, Examiner, Observation};
use super::report::{Cause, Coverage, Verdict};
use crate::Scalar;

/// Fills in the causes of every block that failed.
pub(super) fn explain<F: Scalar>(
    examiner: &mut Examiner<'_, '_, F>,
    blocks: &[BlockRef<'_>],
    results: &mut [BlockResult],
) {
    let tasks = examiner.subject.task_gradients();
    let theta = examiner.subject.theta();
    let failed = |result: &BlockResult| result.report.verdict == Verdict::Fail;
    let at_fault: Vec<usize> = (0..results.len()).filter(|&at| failed(&results[at])).collect();
    for &at in &at_fault {
        let mut causes = fitted(examiner, &blocks[at], &results[at].observations, &tasks, &theta);
        if causes.is_empty() {
            examiner.observe_more(&blocks[at], &mut results[at]);
            causes.extend(fitted_beside_decay(examiner, &blocks[at], &results[at].observations, &theta));
        }
        if causes.is_empty() {
            causes.extend(confined(examiner, &blocks[at], &results[at]));
        }
        results[at].report.causes = causes;
    }
    let has_own: Vec<bool> = results.iter().map(|result| !result.report.causes.is_empty()).collect();
    for at in at_fault.into_iter().filter(|&at| !has_own[at]) {
        // The last block of a layer is the one nearest to the loss. Inputs belong to no layer and may come
        // after it in θ.
        let behind = (at + 1..results.len()).rev().find(|&other| {
            failed(&results[other])
                && layer(&blocks[other]).is_some_and(|other| Some(other) != layer(&blocks[at]))
                && may_feed(&blocks[at], &blocks[other], &tasks)
        });
        results[at].report.causes.extend(structural(examiner, blocks, results, at, behind, &has_own));
    }
}

/// Whether block `from` may lie on the way from `block` to the loss, judging by the tasks they serve. It cannot
/// if it serves a task that `block` does not, as the head of another task does.
fn may_feed(block: &BlockRef<'_>, from: &BlockRef<'_>, tasks: &[(String, Vec<f64>)]) -> bool {
    let serves = |block: &BlockRef<'_>, part: &[f64]| part[block.block.range()].iter().any(|g| *g != 0.0);
    let fits = |part: &[f64]| !serves(from, part) || serves(block, part);
    let is_served = |block: &BlockRef<'_>| tasks.iter().any(|(_, part)| serves(block, part));
    !is_served(block) || !is_served(from) || tasks.iter().all(|(_, part)| fits(part))
}

/// Whether a fitted number is `expected`, up to the error of the differences.
fn is(fitted: f64, expected: f64) -> bool {
    (fitted - expected).abs() <= 1e-4 * expected.abs()
}

/// The cause that a characteristic factor points to, such as −1 to a wrong sign.
fn canonical(factor: f64, batch: Option<usize>) -> Option<Cause> {
    if let Some(batch) = batch.filter(|&batch| batch > 2) {
        if is(factor, batch as f64) {
            return Some(Cause::MeanNotSum { batch });
        }
        if is(factor, 1.0 / batch as f64) {
            return Some(Cause::SumNotMean { batch });
        }
    }
    match factor {
        _ if is(factor, -1.0) => Some(Cause::Sign),
        _ if is(factor, 2.0) => Some(Cause::Factor(2.0)),
        _ if is(factor, 0.5) => Some(Cause::Factor(0.5)),
        _ => None,
    }
}

/// Whether two entries or more of a vector count. What is nearly all in one is as good as a single equation, which
/// any factor would solve.
fn is_spread(u: &[f64]) -> bool {
    let largest = u.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    u.iter().filter(|x| x.abs() >= 0.01 * largest).count() > 1
}

/// The least-squares coefficients of `target = c₀ v·u₀ + c₁ v·u₁ + ..` over all observations; `None` if they do
/// not explain the differences.
fn fit<const N: usize>(
    observations: &[Observation],
    target: impl Fn(&Observation) -> f64,
    vectors: [&[f64]; N],
) -> Option<[f64; N]> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    // Gram–Schmidt on the columns. With each goes the combination of vectors that gives it.
    let mut rest: Vec<f64> = observations.iter().map(target).collect();
    let mut coefficients = [0.0; N];
    let mut basis: Vec<(Vec<f64>, [f64; N])> = Vec::new();
    for (number, u) in vectors.into_iter().enumerate() {
        let mut column: Vec<f64> = observations.iter().map(|o| o.direction.dot(u)).collect();
        let mut combination = [0.0; N];
        combination[number] = 1.0;
        for (earlier, of) in &basis {
            let share = dot(&column, earlier) / dot(earlier, earlier);
            column.iter_mut().zip(earlier).for_each(|(x, e)| *x -= share * e);
            combination.iter_mut().zip(of).for_each(|(x, e)| *x -= share * e);
        }
        let share = dot(&rest, &column) / dot(&column, &column);
        rest.iter_mut().zip(&column).for_each(|(x, e)| *x -= share * e);
        coefficients.iter_mut().zip(&combination).for_each(|(x, e)| *x += share * e);
        basis.push((column, combination));
    }
    // Each by itself: in their sum a few large differences would drown those that speak against the cause.
    let is_explained =
        |(o, rest): (&Observation, &f64)| rest.abs() <= 1e-4 * o.residual().abs() + 2.0 * o.budget;
    let explained = observations.iter().zip(&rest).all(is_explained);
    (explained && coefficients.iter().all(|c| c.is_finite())).then_some(coefficients)
}

fn fitted<F: Scalar>(
    examiner: &Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    observations: &[Observation],
    tasks: &[(String, Vec<f64>)],
    theta: &[f64],
) -> Vec<Cause> {
    let (gradient, batch) = (examiner.gradient, examiner.settings.batch);
    let equations = observations.len().min(block.block.len());
    let blamed = blamed_task(examiner, block, observations, tasks);
    if let Some((cause @ (Cause::TaskMissing { .. } | Cause::TaskTwice { .. }), false)) = blamed {
        return vec![cause];
    }
    if gradient[block.block.range()].iter().all(|g| *g == 0.0) {
        return vec![Cause::Missing];
    }
    let factor = fit(observations, |o| o.slope.value, [gradient]).map(|[c]| c);
    if let Some(cause) = factor.and_then(|c| canonical(c, batch)) {
        return vec![cause];
    }
    // With as many unknowns as equations, everything would fit.
    if equations < 2 {
        return Vec::new();
    }
    if is_spread(&theta[block.block.range()])
        && let Some([lambda]) = fit(observations, Observation::residual, [theta])
    {
        return match lambda > 0.0 {
            true => vec![Cause::DecayMissing { lambda }],
            false => vec![Cause::DecayExtra { lambda: -lambda }],
        };
    }
    if let Some(gradient) = transposed(block, gradient)
        && fit(observations, |o| o.slope.value, [&gradient]).is_some_and(|[c]| is(c, 1.0))
    {
        return vec![Cause::Transposed];
    }
    if let Some((cause, _)) = blamed {
        return vec![cause];
    }
    factor.filter(|_| is_spread(&gradient[block.block.range()])).map(Cause::Factor).into_iter().collect()
}

/// The task whose part of the gradient is wrong or counted wrongly, if it is that of one task; and whether the
/// parts add up to the gradient by hand, so that they come from the same code.
fn blamed_task<F: Scalar>(
    examiner: &Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    observations: &[Observation],
    tasks: &[(String, Vec<f64>)],
) -> Option<(Cause, bool)> {
    // The gradient of a single task is the whole gradient, and then a wrong factor is the simpler explanation.
    if tasks.len() < 2 {
        return None;
    }
    let range = block.block.range();
    let by_hand = &examiner.gradient[range.clone()];
    let mut apart =
        range.clone().zip(by_hand).map(|(i, g)| tasks.iter().map(|(_, part)| part[i]).sum::<f64>() - g);
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let add_up = norm(&mut apart) <= examiner.settings.tolerance * norm(&mut by_hand.iter().copied());
    let times = tasks.iter().filter_map(|(task, part)| {
        let [c] = fit(observations, Observation::residual, [part])?;
        // The true gradient is the one by hand plus c times the part. If the part itself is right, the gradient
        // by hand has it 1 − c times; if it comes from the same wrong code, the true part is 1 + c times as
        // large.
        Some((task, if add_up { 1.0 / (1.0 + c) } else { 1.0 - c }))
    });
    let cause = |(task, times): (&String, f64)| match task.clone() {
        task if times.abs() <= 1e-4 => Cause::TaskMissing { task },
        task if is(times, 2.0) => Cause::TaskTwice { task },
        task => Cause::TaskWeight { task, times },
    };
    let parts =
        |task: &str| tasks.iter().find(|(name, _)| name == task).map(|(_, part)| &part[range.clone()]);
    let is_known = |cause: &Cause| match cause {
        Cause::TaskWeight { task, .. } => parts(task).is_some_and(is_spread),
        _ => true,
    };
    let mut causes = times.map(cause).filter(is_known);
    if let Some(first) = causes.next() {
        let plain = |cause: &Cause| !matches!(cause, Cause::TaskWeight { .. });
        let better = if plain(&first) { None } else { causes.find(plain) };
        return Some((better.unwrap_or(first), add_up));
    }
    let (n_shared, is_zero) = (examiner.layout.n_shared(), |part: &[f64]| part.iter().all(|g| *g == 0.0));
    let is_shared = n_shared < examiner.layout.len() && range.end <= n_shared;
    let silent = tasks.iter().find(|(_, part)| is_zero(&part[range.clone()]) && !is_zero(part));
    let (task, _) = silent.filter(|_| is_shared && add_up)?;
    Some((Cause::TaskMissing { task: task.clone() }, add_up))
}

/// A vector laid out like θ with one block transposed; `None` for a block of one row or column.
fn transposed(block: &BlockRef<'_>, vector: &[f64]) -> Option<Vec<f64>> {
    let (rows, cols) = block.block.shape();
    let entries = &vector[block.block.range()];
    let mut turned = vector.to_vec();
    for (i, entry) in turned[block.block.range()].iter_mut().enumerate() {
        *entry = entries[i % cols * rows + i / cols];
    }
    (rows > 1 && cols > 1).then_some(turned)
}

/// The same causes again, in a gradient that also has a term of weight decay, which is correct.
fn fitted_beside_decay<F: Scalar>(
    examiner: &Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    observations: &[Observation],
    theta: &[f64],
) -> Option<Cause> {
    let gradient = examiner.gradient;
    let equations = observations.len().min(block.block.len());
    let numeric = |o: &Observation| o.slope.value;
    if equations < 3 || gradient[block.block.range()].iter().all(|g| *g == 0.0) {
        return None;
    }
    let factor = fit(observations, numeric, [gradient, theta]);
    if let Some(cause) = factor.and_then(|[c, _]| canonical(c, examiner.settings.batch)) {
        return Some(cause);
    }
    if equations < 4 {
        return None;
    }
    let (gradient, decay) = (transposed(block, gradient)?, transposed(block, theta)?);
    let transposed = fit(observations, numeric, [&gradient, &decay, theta]);
    transposed.is_some_and(|[c, ..]| is(c, 1.0)).then_some(Cause::Transposed)
}

/// The cause that the whole difference is in a single entry, row or column, that of the worst entry.
fn confined<F: Scalar>(
    examiner: &mut Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    result: &BlockResult,
) -> Option<Cause> {
    let worst = result.report.worst.as_ref()?;
    let (rows, cols) = block.block.shape();
    let at = worst.index - block.block.range().start;
    let (row, column) = (at / cols, at % cols);
    // If that part is the whole block, this says nothing.
    let confined_to = |cause: Cause, part: usize| (part < rows * cols).then_some(cause);
    if let Coverage::Directions(_) = examiner.settings.coverage {
        let loudest = result
            .observations
            .iter()
            .find(|o| o.verdict == Verdict::Fail && o.direction.components.len() > 1)?;
        let (all, step) = (loudest.residual(), loudest.slope.step);
        let is_all = |residual: f64| (residual - all).abs() <= 1e-3 * all.abs() + loudest.budget;
        let entry =
            result.observations.iter().find(|o| o.direction.range() == (worst.index..worst.index + 1))?;
        if is_all(entry.residual() * loudest.direction.components[at]) {
            return confined_to(Cause::OneEntry, 1);
        }
        let mut holds_all = |inside: &dyn Fn(usize) -> bool| {
            let mut part: ThetaDirection = loudest.direction.clone();
            part.components.iter_mut().enumerate().filter(|(i, _)| !inside(*i)).for_each(|(_, v)| *v = 0.0);
            is_all(examiner.residual(&part, step))
        };
        if rows == 1 || cols == 1 {
            return None;
        }
        let (may_be_row, may_be_column) = match result.lines {
            Some(lines) => (lines.row == Some(row), lines.column == Some(column)),
            // Most often it is neither, and one difference is enough to find that out.
            None => {
                let may_be = holds_all(&|i| i / cols == row || i % cols == column);
                (may_be, may_be)
            }
        };
        if may_be_row && holds_all(&|i| i / cols == row) {
            return confined_to(Cause::OneRow { row }, cols);
        }
        if may_be_column && holds_all(&|i| i % cols == column) {
            return confined_to(Cause::OneColumn { column }, rows);
        }
        return None;
    }
    if examiner.settings.coverage != Coverage::Every {
        return None;
    }
    let start = block.block.range().start;
    let wrong = || {
        let failed = result.observations.iter().filter(|o| o.verdict == Verdict::Fail);
        failed.map(|o| o.direction.start - start)
    };
    if wrong().count() == 1 {
        return confined_to(Cause::OneEntry, 1);
    }
    if rows > 1 && wrong().all(|i| i / cols == row) {
        return confined_to(Cause::OneRow { row }, cols);
    }
    if rows > 1 && wrong().all(|i| i % cols == column) {
        return confined_to(Cause::OneColumn { column }, rows);
    }
    None
}

/// The layer that a block belongs to: `trunk.0` for `trunk.0.weight`.
fn layer<'a>(block: &BlockRef<'a>) -> Option<&'a str> {
    block.name.rsplit_once('.').map(|(layer, _)| layer)
}

/// The cause that follows from which neighbouring blocks are right.
fn structural<F: Scalar>(
    examiner: &mut Examiner<'_, '_, F>,
    blocks: &[BlockRef<'_>],
    results: &[BlockResult],
    at: usize,
    behind: Option<usize>,
    has_own: &[bool],
) -> Option<Cause> {
    let layer = |at: usize| layer(&blocks[at]);
    let own = layer(at)?;
    let is_bias = |at: usize| blocks[at].block.shape().0 == 1;
    let beside = (0..blocks.len()).find(|&other| {
        other != at
            && layer(other) == Some(own)
            && is_bias(other) != is_bias(at)
            && blocks[other].block.shape().1 == blocks[at].block.shape().1
    })?;
    // What is wrong with the other in a way of its own says nothing of this one.
    if has_own[beside] {
        return None;
    }
    match results[beside].report.verdict {
        // That a few entries are right does not make the block right.
        Verdict::Pass if !is_seen_whole(examiner, &blocks[beside], &results[beside]) => return None,
        Verdict::Pass if is_bias(at) => return Some(Cause::BiasSum),
        Verdict::Pass => return Some(Cause::Product),
        Verdict::Inconclusive => return None,
        Verdict::Fail => {}
    }
    let (weight, bias) = if is_bias(at) { (beside, at) } else { (at, beside) };
    let of_weight = &results[weight].report.causes;
    let is_mask = match of_weight.is_empty() {
        true => mask(examiner, &blocks[weight], &results[weight], &results[bias]),
        false => of_weight.contains(&Cause::Mask),
    };
    if is_mask {
        return Some(Cause::Mask);
    }
    Some(behind.map_or(Cause::Delta, |block| Cause::Follows { block: blocks[block].name.to_owned() }))
}

/// Whether the check has looked at every entry of a block, by itself or in the directions.
fn is_seen_whole<F: Scalar>(
    examiner: &Examiner<'_, '_, F>,
    block: &BlockRef<'_>,
    result: &BlockResult,
) -> bool {
    !matches!(examiner.settings.coverage, Coverage::Sample(_))
        || result.observations.len() >= block.block.len()
}

/// Whether some units are off in the gradient by hand and on in the numeric one, or the reverse.
fn mask<F: Scalar>(
    examiner: &mut Examiner<'_, '_, F>,
    weight: &BlockRef<'_>,
    result: &BlockResult,
    bias: &BlockResult,
) -> bool {
    let (_, cols) = weight.block.shape();
    let mut off = vec![true; cols];
    let gradient = &examiner.gradient[weight.block.range()];
    gradient.iter().enumerate().filter(|(_, g)| **g != 0.0).for_each(|(i, _)| off[i % cols] = false);
    if examiner.settings.coverage == Coverage::Every {
        return bias.observations.iter().enumerate().any(|(unit, o)| {
            o.verdict == Verdict::Fail
                && (off[unit]
                    || (o.slope.value.abs() <= o.budget && {
                        let mut column = result.observations.iter().skip(unit).step_by(cols);
                        column.all(|o| o.slope.value.abs() <= o.budget)
                    }))
        });
    }
    let Some(observed) = result.observations.iter().find(|o| o.direction.components.len() > 1) else {
        return false;
    };
    if !off.contains(&true) {
        return false;
    }
    let mut direction = observed.direction.clone();
    direction.components.iter_mut().enumerate().filter(|(i, _)| !off[i % cols]).for_each(|(_, v)| *v = 0.0);
    let step = observed.slope.step;
    examiner.residual(&direction, step).abs() > observed.budget
}
