//! A cross-validation printed as a table.

use std::fmt;

use super::{CrossValidated, MeanScore};
use crate::metric::Direction;
use crate::report::{cut, number};

/// The largest width of a name.
const NAME: usize = 28;

impl fmt::Display for CrossValidated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows =
            vec![["task", "metric", "all rows", "mean of folds", "deviation", "folds"].map(String::from)];
        for task in &self.tasks {
            for score in &task.scores {
                let arrow = match score.direction {
                    Direction::HigherIsBetter => '↑',
                    Direction::LowerIsBetter => '↓',
                };
                let shown = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), number);
                rows.push([
                    cut(&task.name, NAME),
                    format!("{} {arrow}", cut(&score.name, NAME)),
                    shown(score.mean_pooled()),
                    shown(score.mean()),
                    shown(score.deviation()),
                    format!("{} of {}", score.n_defined(), score.folds.len()),
                ]);
            }
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for row in &rows {
            write!(f, "{:1$}", row[0], widths[0])?;
            write!(f, "  {:1$}", row[1], widths[1])?;
            (2..6).try_for_each(|column| write!(f, "  {:>1$}", row[column], widths[column]))?;
            writeln!(f)?;
        }
        let n_folds = self.folds().len() / self.n_repeats;
        write!(f, "{} rows in {n_folds} folds", self.n_rows)?;
        if self.n_repeats > 1 {
            write!(f, ", {} times", self.n_repeats)?;
        }
        self.warnings().iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

impl fmt::Display for MeanScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => write!(f, "{} undefined", self.name),
            Some(value) => {
                write!(f, "{} {value:.4} over {} of {} tasks", self.name, self.n_defined, self.n_tasks)
            }
        }
    }
}
