//! A comparison printed as a table.

use std::fmt;

use super::comparison::{ComparisonReport, Difference, Verdict};
use crate::metric::Direction;
use crate::report::{cut, number};

/// The largest width of a name.
const NAME: usize = 24;

impl fmt::Display for ComparisonReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let baseline = &self.contenders[0];
        let percent = 100.0 * self.level;
        for contender in &self.contenders[1..] {
            writeln!(f, "{} against {}", cut(&contender.name, NAME), cut(&baseline.name, NAME))?;
            let interval = format!("{percent:.0} % interval");
            let header = ["task", "metric", "baseline", "contender", "better by", &interval, "p", ""];
            let mut rows = vec![header.map(String::from)];
            let own = self.differences.iter().filter(|difference| difference.contender == contender.name);
            rows.extend(own.map(|difference| self.row(difference)));
            let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let widths: Vec<usize> = (0..8).map(width).collect();
            for row in &rows {
                let mut line = format!("  {:2$}  {:3$}", row[0], row[1], widths[0], widths[1]);
                for column in 2..7 {
                    line += &format!("  {:>1$}", row[column], widths[column]);
                }
                writeln!(f, "{}", format!("{line}  {}", row[7]).trim_end())?;
            }
            let ratio = |of: f64, to: f64| format!("{} of the baseline's", number(of / to));
            if let (Some(own), Some(base)) = (contender.parameters, baseline.parameters) {
                writeln!(f, "  parameters      {own:.0}, {}", ratio(own, base))?;
            }
            let [own, base] = [contender, baseline].map(|contender| contender.fit_time.as_secs_f64());
            writeln!(f, "  time of a fit   {} s, {}", number(own), ratio(own, base))?;
        }
        let n = self.differences.iter().filter(|difference| difference.p.is_some()).count();
        write!(
            f,
            "{} folds of {} rows; intervals and p are approximate, p is adjusted for {n} differences",
            self.n_folds, self.n_rows
        )
    }
}

impl ComparisonReport {
    fn row(&self, difference: &Difference) -> [String; 8] {
        let shown = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), number);
        let arrow = match difference.direction {
            Direction::HigherIsBetter => '↑',
            Direction::LowerIsBetter => '↓',
        };
        let of_score = |value: fn((f64, f64)) -> f64| match difference.task {
            Some(_) => shown(difference.scores.map(value)),
            None => String::new(),
        };
        let interval = difference.interval.map(|(low, high)| format!("{} … {}", number(low), number(high)));
        let verdict = match difference.verdict {
            Verdict::Better => "better".to_owned(),
            Verdict::Worse => "worse".to_owned(),
            Verdict::NoWorse => "no worse".to_owned(),
            Verdict::NoBetter => "no better".to_owned(),
            Verdict::Undecided { rows: Some(rows) } => {
                format!("cannot tell; about {} rows would", rough(rows))
            }
            Verdict::Undecided { rows: None } => "cannot tell".to_owned(),
            Verdict::Undefined => {
                format!("undefined: scores in {} of {} folds", difference.n_folds, self.n_folds)
            }
        };
        let p = difference.p_adjusted.map_or_else(
            || "undefined".to_owned(),
            |p| match p < 0.001 {
                true => "< 0.001".to_owned(),
                false => format!("{p:.3}"),
            },
        );
        [
            difference.task.as_ref().map_or_else(|| "all tasks".to_owned(), |task| cut(task, NAME)),
            format!("{} {arrow}", cut(&difference.metric, NAME)),
            of_score(|(baseline, _)| baseline),
            of_score(|(_, contender)| contender),
            shown(difference.mean),
            interval.unwrap_or_else(|| "undefined".to_owned()),
            p,
            verdict,
        ]
    }
}

/// Two digits of a number, rounded up, which is all that is known of it.
pub(crate) fn rough(n: usize) -> usize {
    let unit = 10_usize.pow(n.max(1).ilog10().saturating_sub(1));
    n.div_ceil(unit) * unit
}
