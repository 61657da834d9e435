//! Maps of pairs of tasks, and the labels to look at first.

use super::drawing::{Anchor, Drawing, Pen, cut};
use crate::ledger::{Ledger, SuspectLabels};
use crate::train::Affinity;

/// Pixels: the width of names, and the side of a cell.
const NAMES: f64 = 190.0;
const CELL: f64 = 64.0;
/// Pixels: the height of a bar, the length of the longest, and what stands to their right.
const ROW: f64 = 22.0;
const BARS: f64 = 320.0;
const NUMBERS: f64 = 90.0;
/// How many labels are shown.
const SHOWN: usize = 10;

/// How much a step for the task of the row lowers the loss of the task of the column, in per cent: blue helps, red harms.
///
/// ```
/// use polytask::plot;
/// use polytask::prelude::*;
/// use polytask::train::Affinity;
///
/// let data = datasets::related_tasks::<f64>(80, 4, 2, 0.5, 0.1, 1);
/// let builder = Model::builder(4).trunk([Layer::dense(8, Activation::Tanh)]);
/// let mut model = builder.task(Task::regression("task0")).task(Task::regression("task1")).build::<f64>()?;
/// let (affinity, _) = Affinity::measure(&Trainer::new(Adam::new(0.01)).epochs(2), &mut model, &data, 2)?;
/// assert!(plot::affinity_map(&affinity).contains("task1"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn affinity_map(affinity: &Affinity) -> String {
    let percent = |i: usize, j: usize| affinity.lookahead(i, j).map(|value| 100.0 * value);
    pair_map("How much tasks help each other", affinity.tasks(), percent, false)
}

/// What a label of the task of the row taught the task of the column, in per cent of the largest: blue helped, red harmed.
///
/// ```
/// use polytask::ledger::{Ledger, RowGradients};
/// use polytask::plot;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(30, 0.05, 1);
/// let builder = Model::builder(10).task(Task::regression("shoulder")).task(Task::regression("elbow"));
/// let rows = RowGradients::of(&builder.build::<f64>()?, &data)?;
/// assert!(plot::taught_map(&Ledger::new(0.01, &rows, &rows)).contains("100"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn taught_map(ledger: &Ledger) -> String {
    let between = ledger.between_tasks();
    let largest =
        between.iter().copied().filter(|taught| taught.is_finite()).map(f64::abs).fold(0.0, f64::max);
    let percent = |i: usize, j: usize| {
        let taught = between[[i, j]];
        (taught.is_finite() && largest > 0.0).then(|| 100.0 * taught / largest)
    };
    pair_map("What labels of one task taught another", ledger.tasks(), percent, true)
}

/// The ten labels of a task to look at first: a bar for each row, as long as the norm of its gradient.
///
/// ```
/// use polytask::ledger::SuspectLabels;
/// use polytask::plot;
/// use polytask::prelude::*;
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::robot_arm::<f64>(30, 0.05, 1);
/// let suspects = SuspectLabels::find(&data, &CrossValidation::new(2), |part| {
///     let mut model = Model::builder(10).task(Task::regression("elbow")).build()?;
///     model.fit_scaling(part.data)?;
///     Ok(model)
/// })?;
/// assert!(plot::suspect_labels(&suspects, 0).contains("row "));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Panics
/// If there is no such task.
#[track_caller]
pub fn suspect_labels(suspects: &SuspectLabels, task: usize) -> String {
    let ranked = suspects.ranked(task);
    let shown = &ranked[..SHOWN.min(ranked.len())];
    let title = format!("{}: labels to look at first", cut(&suspects.tasks()[task], NAMES));
    let mut drawing = Drawing::new(&title, [NAMES + BARS + NUMBERS, (shown.len() + 1) as f64 * ROW + 10.0]);
    drawing.text([NAMES, 16.0], Anchor::Start, Pen::INK, &title);
    let longest = shown.first().map_or(1.0, |&(_, score)| score).max(f64::MIN_POSITIVE);
    for (i, &(row, score)) in shown.iter().enumerate() {
        let y = (i as f64 + 1.0) * ROW + 4.0;
        drawing.text([NAMES - 10.0, y + 0.7 * ROW], Anchor::End, Pen::INK, &format!("row {row}"));
        let length = BARS * (score / longest).clamp(0.0, 1.0);
        drawing.bar([NAMES, y + 3.0], [length, ROW - 6.0], Pen::colour(1).opacity(0.6));
        drawing.text(
            [NAMES + length + 8.0, y + 0.7 * ROW],
            Anchor::Start,
            Pen::ASIDE,
            &format!("{score:.3}"),
        );
    }
    drawing.svg()
}

/// A cell for every pair of tasks: from whom down, to whom across.
fn pair_map(
    title: &str,
    names: &[String],
    value: impl Fn(usize, usize) -> Option<f64>,
    with_diagonal: bool,
) -> String {
    let n = names.len();
    let side = n as f64 * CELL;
    let mut drawing = Drawing::new(title, [NAMES + side + 10.0, side + 40.0]);
    let is_shown = |pair: &usize| with_diagonal || pair / n != pair % n;
    let sizes = (0..n * n).filter(is_shown).filter_map(|pair| value(pair / n, pair % n)).map(f64::abs);
    let largest = sizes.filter(|size| size.is_finite()).fold(1e-12, f64::max);
    for (i, name) in names.iter().enumerate() {
        let y = 30.0 + i as f64 * CELL;
        drawing.text([NAMES - 10.0, y + 0.5 * CELL + 4.0], Anchor::End, Pen::INK, &cut(name, NAMES - 20.0));
        let x = NAMES + (i as f64 + 0.5) * CELL;
        drawing.text([x, 20.0], Anchor::Middle, Pen::INK, &cut(name, CELL));
        for j in 0..n {
            let corner = [NAMES + j as f64 * CELL, y];
            let words = match value(i, j) {
                _ if !with_diagonal && i == j => String::new(),
                None => "?".to_owned(),
                Some(value) => {
                    let pen = if value < 0.0 { Pen::colour(1) } else { Pen::colour(0) };
                    // Light enough for dark words on it.
                    drawing.bar(corner, [CELL, CELL], pen.opacity(0.6 * (value.abs() / largest).min(1.0)));
                    format!("{value:+.2}")
                }
            };
            drawing.frame(corner, [CELL, CELL], Pen::GRID);
            let middle = [corner[0] + 0.5 * CELL, corner[1] + 0.5 * CELL + 4.0];
            drawing.text(middle, Anchor::Middle, Pen::INK, &words);
        }
    }
    drawing.svg()
}
