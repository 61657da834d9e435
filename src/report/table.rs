//! A report printed as a table.
//!
//! Tasks with the same metrics share a header, and an arrow beside a metric says which direction is better.

use std::fmt;

use super::{Report, TaskReport};
use crate::metric::{Direction, Score};

/// The largest width of a table.
const WIDTH: usize = 100;
/// The largest width of a name.
const NAME: usize = 28;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.tasks.iter().map(|task| task.name.chars().count()).max();
        let width = longest.unwrap_or(0).clamp(4, NAME);
        for tasks in self.alike() {
            for (i, columns) in lines(&tasks, width, self.n_in_total.is_some()).into_iter().enumerate() {
                write!(f, "{:width$}", if i == 0 { "task" } else { "" })?;
                columns.iter().try_for_each(|column| write!(f, "  {:>1$}", column.head, column.width))?;
                writeln!(f)?;
                for (row, task) in tasks.iter().enumerate() {
                    write!(f, "{:width$}", cut(&task.name, NAME))?;
                    columns
                        .iter()
                        .try_for_each(|column| write!(f, "  {:>1$}", column.cells[row], column.width))?;
                    writeln!(f)?;
                }
            }
            writeln!(f)?;
        }
        if let Some((over, of)) = self.n_in_total {
            let total = Some(self.total).filter(|total| !total.is_nan()).map_or("undefined".into(), number);
            write!(f, "total loss {total} ")?;
            if over < of {
                write!(f, "over {over} of {of} tasks ")?;
            }
        }
        write!(f, "on {} rows", self.n_rows)?;
        let has_losses = self.n_in_total.is_some();
        let any = |is: fn(&TaskReport) -> bool| has_losses && self.tasks.iter().any(is);
        match (any(|task| task.is_transformed), any(|task| task.is_standardized)) {
            (true, true) => write!(f, "; * of transformed or standardised targets")?,
            (true, false) => write!(f, "; * of transformed targets")?,
            (false, true) => write!(f, "; * of standardised targets")?,
            (false, false) => {}
        }
        for task in self.tasks.iter().filter(|task| !task.thresholds.is_empty()) {
            let thresholds: Vec<String> =
                task.thresholds.iter().map(|&threshold| number(threshold)).collect();
            write!(f, "\n{} is decided to be yes above {}", cut(&task.name, NAME), thresholds.join(", "))?;
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

impl Report {
    /// The tasks grouped by their metrics, in order of first appearance.
    fn alike(&self) -> Vec<Vec<&TaskReport>> {
        let mut groups: Vec<Vec<&TaskReport>> = Vec::new();
        let names =
            |task: &TaskReport| task.scores.iter().map(|score| score.name.clone()).collect::<Vec<_>>();
        for task in &self.tasks {
            match groups.iter_mut().find(|group| names(group[0]) == names(task)) {
                Some(group) => group.push(task),
                None => groups.push(vec![task]),
            }
        }
        groups
    }
}

struct Column {
    head: String,
    cells: Vec<String>,
    width: usize,
}

impl Column {
    fn new(head: String, cells: impl Iterator<Item = String>) -> Self {
        let cells: Vec<String> = cells.collect();
        let width = cells.iter().chain([&head]).map(|text| text.chars().count()).max().unwrap_or(0);
        Self { head, cells, width: width.max(9) }
    }
}

/// The columns of a group of tasks, divided into lines that fit beside names of that width.
fn lines(tasks: &[&TaskReport], name_width: usize, with_losses: bool) -> Vec<Vec<Column>> {
    let mut columns = vec![Column::new("labels".into(), tasks.iter().map(|task| task.n_labels.to_string()))];
    if with_losses {
        columns.push(Column::new("loss ↓".into(), tasks.iter().map(|task| loss(task))));
    }
    for (i, score) in tasks[0].scores.iter().enumerate() {
        columns.push(Column::new(head(score), tasks.iter().map(|task| value(&task.scores[i]))));
    }
    let mut lines: Vec<Vec<Column>> = vec![Vec::new()];
    let mut used = name_width;
    for column in columns {
        if used + 2 + column.width > WIDTH {
            (used, _) = (name_width, lines.push(Vec::new()));
        }
        used += 2 + column.width;
        lines.last_mut().expect("one line at least").push(column);
    }
    lines
}

fn head(score: &Score) -> String {
    let arrow = match score.direction {
        Direction::HigherIsBetter => '↑',
        Direction::LowerIsBetter => '↓',
    };
    format!("{} {arrow}", cut(&score.name, 2 * NAME))
}

fn value(score: &Score) -> String {
    score.value.map_or_else(|| "undefined".into(), number)
}

fn loss(task: &TaskReport) -> String {
    match (task.loss_if_any(), task.is_standardized || task.is_transformed) {
        (None, _) => "none".into(),
        (Some(loss), true) => format!("{}*", number(loss)),
        (Some(loss), false) => number(loss),
    }
}

/// With four decimals, or in scientific notation where those would show fewer than three digits or a very long
/// number.
pub(crate) fn number(x: f64) -> String {
    let plain = x == 0.0 || (0.01..1e5).contains(&x.abs());
    if plain { format!("{x:.4}") } else { format!("{x:.3e}") }
}

pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.chars().count() <= width {
        true => text.to_owned(),
        false => text.chars().take(width - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, loss: f64, scores: &[(&str, Option<f64>, Direction)]) -> TaskReport {
        let scores = scores
            .iter()
            .map(|&(name, value, direction)| Score { name: name.into(), value, direction })
            .collect();
        TaskReport {
            name: name.into(),
            loss,
            label_weight: if loss.is_nan() { 0.0 } else { 1200.0 },
            is_standardized: false,
            is_transformed: false,
            scores,
            thresholds: Vec::new(),
            confusion: None,
            n_labels: 1200,
        }
    }

    #[test]
    fn tasks_alike_share_a_head_and_what_is_undefined_says_so() {
        use Direction::{HigherIsBetter, LowerIsBetter};
        let quantity = |name, rmse| task(name, 0.25, &[("rmse", rmse, LowerIsBetter)]);
        let mut price = quantity("price", Some(12_345_678.0));
        price.is_standardized = true;
        let tasks = vec![
            price,
            task(
                "sold",
                f64::NAN,
                &[("roc_auc", None, HigherIsBetter), ("accuracy", Some(0.5), HigherIsBetter)],
            ),
            quantity("area", Some(0.001_234)),
            TaskReport { loss: f64::NAN, label_weight: 7.0, ..quantity("rent", None) },
        ];
        let printed =
            Report { tasks, n_rows: 2000, total: 0.5, n_in_total: Some((3, 4)), warnings: Vec::new() }
                .to_string();
        let expected = "\
task      labels     loss ↓     rmse ↓
price       1200    0.2500*    1.235e7
area        1200     0.2500   1.234e-3
rent        1200        NaN  undefined

task      labels     loss ↓  roc_auc ↑  accuracy ↑
sold        1200       none  undefined      0.5000

total loss 0.5000 over 3 of 4 tasks on 2000 rows; * of standardised targets";
        assert_eq!(printed, expected);
        let printed = Report {
            tasks: Vec::new(),
            n_rows: 3,
            total: f64::NAN,
            n_in_total: Some((0, 0)),
            warnings: Vec::new(),
        }
        .to_string();
        assert_eq!(printed, "total loss undefined on 3 rows");
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let name = "a name that is longer than anyone would want to read in a table";
        let scores: Vec<_> = (0..20).map(|i| format!("a_rather_long_metric_name_{i}")).collect();
        let scores: Vec<_> =
            scores.iter().map(|name| (name.as_str(), Some(-1e300), Direction::LowerIsBetter)).collect();
        let printed = Report {
            tasks: vec![task(name, 1.0, &scores)],
            n_rows: 1,
            total: 1.0,
            n_in_total: Some((1, 1)),
            warnings: Vec::new(),
        }
        .to_string();
        assert!(printed.lines().all(|line| line.chars().count() <= WIDTH), "{printed}");
        for (name, ..) in scores {
            assert!(printed.contains(name), "{name} in {printed}");
        }
    }
}
