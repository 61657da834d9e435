//! A check from beginning to end: at θ, and where something seems wrong that may be a kink, beside it as well.
//!
//! Where θ lies on one kink, a right derivative is between the slopes of the two sides. Where it lies on several, it need
//! not be: x = max(x, 0) − max(−x, 0) has slope 1 on both sides of 0, and by hand 0 − 0, as the derivative of each
//! rectifier is taken to be 0 at 0. So a difference at several kinks proves nothing. Beside θ, where no kink is near,
//! the same code computes the gradient and every mistake but a mistake about the kink itself is there as well: if nothing
//! is wrong there, the check at θ cannot tell; if something is, that is what is reported.

use super::block::BlockResult;
use super::cause;
use super::examiner::{BlockRef, Examiner, Observation};
use super::report::{BlockReport, Fault, Uncertain};
use super::settings::Settings;
use super::subject::Subject;
use crate::{Layout, Scalar};

/// What came out.
pub(super) struct Outcome {
    pub fault: Option<Fault>,
    pub blocks: Vec<BlockReport>,
    /// How far the numbers of θ were moved at most, if the blocks were checked beside it.
    pub moved: Option<f64>,
}

/// Checks `blocks` and explains the failures.
pub(super) fn run<F: Scalar>(
    subject: &mut Subject<'_, F>,
    layout: &Layout,
    blocks: &[BlockRef<'_>],
    settings: &Settings,
) -> Outcome {
    let mut moved = settings.off_kinks.then(|| subject.move_off_kinks(settings.seed));
    let found = examined(subject, layout, blocks, settings, moved.is_some());
    let (mut gradient, mut results) = match found {
        Ok(found) => found,
        Err(fault) => return Outcome { fault: Some(fault), blocks: Vec::new(), moved },
    };
    if moved.is_none() && set_aside_on_kinks(subject, &gradient, &mut results, settings) {
        let theta = subject.point().to_vec();
        let distance = subject.move_off_kinks(settings.seed);
        match examined(subject, layout, blocks, settings, true) {
            Ok(beside) if beside.1.iter().any(BlockResult::failed) => {
                (gradient, results) = beside;
                moved = Some(distance);
            }
            _ => subject.place(theta),
        }
    }
    let mut examiner = Examiner { subject, layout, gradient: &gradient, settings, allow_zero: false };
    for (block, result) in blocks.iter().zip(&mut results).filter(|(_, result)| result.failed()) {
        examiner.locate(block, result);
    }
    if results.iter().any(BlockResult::failed) {
        cause::explain(&mut examiner, blocks, &mut results);
    }
    Outcome { fault: None, blocks: results.into_iter().map(|result| result.report).collect(), moved }
}

/// The gradient by hand where the subject is, and every block against it; beside θ, kinks that are crossed even there are
/// set aside at once.
fn examined<F: Scalar>(
    subject: &mut Subject<'_, F>,
    layout: &Layout,
    blocks: &[BlockRef<'_>],
    settings: &Settings,
    is_beside: bool,
) -> Result<(Vec<f64>, Vec<BlockResult>), Fault> {
    let gradient = subject.look_over(layout)?;
    subject.measure_noise(settings.seed);
    let mut examiner = Examiner { subject, layout, gradient: &gradient, settings, allow_zero: false };
    let mut results: Vec<_> = blocks.iter().map(|block| examiner.examine(block)).collect();
    if is_beside && subject.on_kinks != 1 {
        for result in &mut results {
            result.set_aside(Uncertain::Crossing, Observation::may_be_kinks);
        }
    }
    Ok((gradient, results))
}

/// Sets aside what kinks at θ may explain; whether a look beside θ can tell more.
///
/// A function need not tell of its kinks. It gives itself away where the gradient by hand jumps from θ to a point so near that
/// a smooth one would be the same.
fn set_aside_on_kinks<F: Scalar>(
    subject: &mut Subject<'_, F>,
    gradient: &[f64],
    results: &mut [BlockResult],
    settings: &Settings,
) -> bool {
    // At a single kink a failure is one: the slopes of the two sides were a bound.
    if subject.on_kinks == 1 || !results.iter().any(BlockResult::failed) {
        return false;
    }
    let mut changed = false;
    for result in results.iter_mut() {
        changed |= result.set_aside(Uncertain::OnKink, Observation::may_be_kinks);
    }
    if results.iter().any(BlockResult::failed) {
        let mut jump = subject.gradient_beside(settings.seed);
        jump.iter_mut().zip(gradient).for_each(|(beside, at)| *beside -= at);
        for result in results.iter_mut() {
            let jumps = |v: f64, residual: f64| v.abs() > 0.1 * residual.abs();
            changed |= result.set_aside(Uncertain::OnKink, |o| jumps(o.direction.dot(&jump), o.residual()));
        }
    }
    // What fails here and what kinks hide are seen together beside θ.
    let on_kink = |result: &BlockResult| result.report.uncertain == Some(Uncertain::OnKink);
    changed || results.iter().any(BlockResult::failed) && results.iter().any(on_kink)
}
