//! The report printed as tables.

use std::fmt;
use std::time::Duration;

use super::report::{Answer, Cost, TogetherReport};
use crate::report::{cut, number};
use crate::validation::rough;

/// The largest width of a name.
const NAME: usize = 24;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::NoWorse => f.write_str("no worse, within the margin"),
            Self::CannotTell { rows: None } => f.write_str("cannot tell"),
            Self::CannotTell { rows: Some(rows) } => {
                write!(f, "cannot tell; about {} rows would", rough(*rows))
            }
        }
    }
}

impl fmt::Display for TogetherReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Together instead of apart?")?;
        for claim in &self.claims {
            writeln!(f, "  {:18}  {}: {}", claim.claim, claim.answer, claim.evidence)?;
        }
        if let Some(comparison) = &self.comparison {
            writeln!(f, "\n{comparison}")?;
            for contender in &comparison.contenders[1..] {
                if let Some(gain) = self.delta_m_gain(&contender.name) {
                    let name = cut(&contender.name, NAME);
                    writeln!(
                        f,
                        "Δm of {name}: {gain:+.2} % as a gain (positive is better), {:+.2} % as a drop (negative is better)",
                        -gain
                    )?;
                }
            }
        }
        write!(f, "\n{}", Costs(&self.costs))?;
        for failure in &self.failures {
            let name = cut(&failure.contender, NAME);
            let (n, of) = (failure.n_failed, failure.n_jobs);
            write!(f, "\n{name} failed in {n} of {of} folds and is not compared: {}", failure.error)?;
        }
        if let [first, ..] = &self.missing[..] {
            let name = cut(&first.contender, NAME);
            let (repeat, fold, n) = (first.repeat, first.fold, self.missing.len());
            write!(
                f,
                "\nstopped: {n} jobs are missing, the first is {name} in fold {fold} of repeat {repeat}"
            )?;
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

struct Costs<'a>(&'a [Cost]);

impl fmt::Display for Costs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "contender",
            "models",
            "parameters",
            "bytes",
            "s to train",
            "s to apart's last loss",
            "µs to predict a row",
        ];
        let mut rows = vec![head.map(String::from)];
        rows.extend(self.0.iter().map(|cost| {
            [
                cut(&cost.contender, NAME),
                cost.n_models.to_string(),
                format!("{:.0}", cost.parameters),
                format!("{:.0}", cost.bytes),
                seconds(cost.fit_time, 1.0),
                time_to_apart(cost),
                seconds(cost.prediction_time, 1e6),
            ]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for (i, row) in rows.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{:1$}", row[0], widths[0])?;
            (1..head.len()).try_for_each(|column| write!(f, "  {:>1$}", row[column], widths[column]))?;
        }
        Ok(())
    }
}

fn seconds(time: Duration, unit: f64) -> String {
    number(time.as_secs_f64() * unit)
}

/// How long it took, and in how many folds, if not in all.
pub(super) fn time_to_apart(cost: &Cost) -> String {
    match (cost.time_to_apart, cost.n_reached) {
        (None, _) => "never".to_owned(),
        (Some(time), (n, of)) if n == of => seconds(time, 1.0),
        (Some(time), (n, of)) => format!("{} in {n} of {of}", seconds(time, 1.0)),
    }
}
