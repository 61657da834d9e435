//! Plots of what a model reads: which columns mattered, and what is predicted along one.

use super::chart::{Axis, Chart};
use super::drawing::{Anchor, Drawing, Pen, cut};
use crate::validation::{PartialDependence, TaskImportance};

/// Pixels: the width of names, the height of a bar, the length of the longest, and what stands to their right.
const NAMES: f64 = 190.0;
const ROW: f64 = 22.0;
const BARS: f64 = 320.0;
const NUMBERS: f64 = 120.0;
/// How many columns are shown.
const SHOWN: usize = 20;

/// The twenty columns that mattered most for a task: a bar as long as the mean of what shuffling it costs, and a line of two
/// standard deviations between the shuffles. Columns whose importance is undefined are left out.
///
/// ```
/// use polytask::plot;
/// use polytask::prelude::*;
/// use polytask::validation::Importance;
///
/// let data = datasets::robot_arm::<f64>(80, 0.05, 1);
/// let model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
/// let report = Importance::new().run(&model, &data)?;
/// assert!(plot::importance(&report["elbow"]).contains("rmse of elbow"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn importance(task: &TaskImportance) -> String {
    let columns: Vec<_> = (task.by_importance().into_iter())
        .filter_map(|column| Some((column, column.mean()?, column.deviation()?)))
        .take(SHOWN)
        .collect();
    let title =
        format!("How much worse the {} of {} becomes when a column is shuffled", task.metric, task.task);
    let height = 60.0 + ROW * columns.len().max(1) as f64;
    let mut drawing = Drawing::new(title.clone(), [NAMES + BARS + NUMBERS, height]);
    drawing.text([12.0, 24.0], Anchor::Start, Pen::INK, &title);
    let largest = columns.iter().map(|(_, mean, deviation)| mean.abs() + deviation).fold(0.0, f64::max);
    if columns.is_empty() || !(largest > 0.0 && largest.is_finite()) {
        drawing.text([12.0, 50.0], Anchor::Start, Pen::ASIDE, "nothing to show");
        return drawing.svg();
    }
    for (i, (column, mean, deviation)) in columns.iter().enumerate() {
        let y = 40.0 + ROW * i as f64;
        let middle = y + ROW / 2.0;
        drawing.text([NAMES - 10.0, middle + 4.0], Anchor::End, Pen::INK, &cut(&column.column, NAMES - 20.0));
        let length = BARS * mean.max(0.0) / largest;
        if length > 0.0 {
            drawing.bar([NAMES, y + 4.0], [length, ROW - 8.0], Pen::colour(0));
        }
        let at = |x: f64| [NAMES + BARS * x.max(0.0) / largest, middle];
        drawing.line(at(mean - deviation), at(mean + deviation), Pen::INK);
        let end = NAMES + BARS * (mean + deviation).max(0.0) / largest + 8.0;
        drawing.text([end, middle + 4.0], Anchor::Start, Pen::ASIDE, &format!("{mean:.3} ± {deviation:.3}"));
    }
    drawing.svg()
}

/// The mean prediction of each task over the values of a column; of classes, the mean probability of each. Tasks that are not
/// named in `tasks` are left out.
///
/// ```
/// use polytask::plot;
/// use polytask::prelude::*;
/// use polytask::validation::PartialDependence;
///
/// let data = datasets::robot_arm::<f64>(80, 0.05, 1);
/// let model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
/// let first = PartialDependence::of_number(&model, &data, &data.feature_names()[0], 10)?;
/// assert!(plot::partial_dependence(&first, &["elbow"]).contains("elbow"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn partial_dependence(dependence: &PartialDependence, tasks: &[&str]) -> String {
    let x = Axis::linear(dependence.column());
    let is_category =
        dependence.labels().iter().zip(dependence.values()).any(|(label, value)| *label != value.to_string());
    let x = match is_category {
        true => x.ticks(dependence.values().iter().copied().zip(dependence.labels().iter().cloned())),
        false => x,
    };
    let title = format!("What is predicted along {}", dependence.column());
    let mut chart = Chart::new(title, x, Axis::linear("mean prediction"));
    for task in tasks {
        let Some(means) = dependence.means(task) else { continue };
        for (column, line) in means.columns().into_iter().enumerate() {
            let name = if means.ncols() > 1 { format!("{task}, {column}") } else { (*task).to_owned() };
            chart = chart.line(name, dependence.values().iter().zip(line).map(|(&x, &y)| [x, y]));
        }
    }
    chart.drawing().svg()
}
