//! The report as one page of HTML that needs nothing else: no script, no file, no connection.

use std::fmt::Write as _;

use super::report::{Cost, TogetherReport};
use crate::plot::{Anchor, Drawing, Pen, escape};
use crate::report::{cut, number};
use crate::train::Affinity;
use crate::validation::{ComparisonReport, Difference};

/// Pixels: the height of a row, the widths of names, of the intervals and of the numbers beside them.
const ROW: f64 = 26.0;
const NAMES: f64 = 190.0;
const INTERVALS: f64 = 420.0;
const NUMBERS: f64 = 230.0;
/// The side of a cell of the map of affinities.
const CELL: f64 = 64.0;
/// The largest number of letters of a name in a drawing.
const LETTERS: usize = 22;

const STYLE: &str = "body{font-family:sans-serif;color:#333;max-width:60em;margin:2em auto;padding:0 1em}\
    table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left}\
    td.n{text-align:right}.bad{color:#a33}svg{max-width:100%;height:auto}";

impl TogetherReport {
    /// The report as one page of HTML, which opens without a connection: answers, differences with their intervals as a
    /// drawing, costs, and what failed or is missing. Names are escaped, and there are no scripts in it.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
    /// let report = TogetherOrApart::new(["shoulder", "elbow"].map(Task::regression))
    ///     .hidden([8])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(3))
    ///     .sharing("<mmoe>", Sharing::mmoe(2, [Layer::dense(4, Activation::Relu)]))
    ///     .run(&data)?;
    /// let page = report.html(); // std::fs::write("report.html", page)
    /// assert!(page.starts_with("<!DOCTYPE html>") && page.contains("&lt;mmoe&gt; against apart"));
    /// assert_eq!(page.matches("<svg").count(), 2); // together and <mmoe>
    /// assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<mmoe>"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn html(&self) -> String {
        self.page(None)
    }

    /// [`html`](Self::html) with a map of how much the tasks help each other.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::together::TogetherOrApart;
    ///
    /// let data = datasets::related_tasks::<f32>(80, 4, 3, 0.5, 0.1, 1);
    /// let settings = TogetherOrApart::new(["task0", "task1", "task2"].map(Task::regression))
    ///     .hidden([8])
    ///     .trainer(Trainer::new(Adam::new(0.01)).epochs(3));
    /// let proposal = settings.propose(&data, 0.5)?;
    /// let report = settings.grouping("proposed", proposal.groups).run(&proposal.rest)?;
    /// let page = report.html_with(&proposal.affinity);
    /// assert!(page.contains("How much tasks help each other") && page.matches("<svg").count() == 3);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn html_with(&self, affinity: &Affinity) -> String {
        self.page(Some(affinity))
    }

    fn page(&self, affinity: Option<&Affinity>) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Together or apart</title>\
             <style>{STYLE}</style></head><body>\n<h1>Together instead of apart?</h1>\n<table>\n"
        );
        for claim in &self.claims {
            let (claim, answer, evidence) =
                (escape(claim.claim), escape(&claim.answer.to_string()), escape(&claim.evidence));
            let _ = writeln!(page, "<tr><th>{claim}</th><td><b>{answer}</b></td><td>{evidence}</td></tr>");
        }
        page += "</table>\n";
        if let Some(comparison) = &self.comparison {
            for contender in &comparison.contenders[1..] {
                let title = format!("{} against {}", contender.name, comparison.contenders[0].name);
                let own = comparison.differences.iter().filter(|d| d.contender == contender.name);
                let own: Vec<&Difference> = own.collect();
                let _ = writeln!(page, "<h2>{}</h2>\n{}", escape(&title), intervals(&title, &own).svg());
            }
            page += &foot(comparison);
        }
        if let Some(affinity) = affinity {
            let title = "How much tasks help each other";
            let _ = writeln!(page, "<h2>{title}</h2>\n{}", map(title, affinity).svg());
            let n = affinity.n_measured();
            let _ = writeln!(
                page,
                "<p>By how many per cent a step for the task of the row lowers the loss of the task of the column, on the same \
                 batch: means over {n} steps of training. Blue helps, red harms.</p>"
            );
        }
        page += "<h2>Costs</h2>\n";
        page += &costs(&self.costs);
        for failure in &self.failures {
            let (name, n, of) = (escape(&failure.contender), failure.n_failed, failure.n_jobs);
            let error = escape(&failure.error);
            let _ = writeln!(
                page,
                "<p class=\"bad\">{name} failed in {n} of {of} folds and is not compared: {error}</p>"
            );
        }
        if !self.missing.is_empty() {
            let n = self.missing.len();
            let _ = writeln!(page, "<p class=\"bad\">The run was stopped: {n} jobs are missing.</p>");
        }
        for warning in &self.warnings {
            let _ = writeln!(page, "<p>warning: {}</p>", escape(warning));
        }
        page + "</body></html>\n"
    }
}

fn foot(comparison: &ComparisonReport) -> String {
    format!(
        "<p>{} folds of {} rows. Dots are means, lines are intervals of {:.0} %; to the right of 0 the contender is better. For a \
         task, in per cent of the baseline's score. Intervals and p are approximate; p is adjusted for all differences.</p>\n",
        comparison.n_folds,
        comparison.n_rows,
        100.0 * comparison.level
    )
}

/// What a difference is multiplied by to be in per cent of the baseline's score.
fn to_percent(difference: &Difference) -> Option<f64> {
    match (&difference.task, difference.scores) {
        (None, _) => Some(1.0),
        (Some(_), Some((baseline, _))) if baseline != 0.0 => Some(100.0 / baseline.abs()),
        _ => None,
    }
}

/// Each difference as a dot with its interval.
fn intervals(title: &str, differences: &[&Difference]) -> Drawing {
    let height = (differences.len() + 1) as f64 * ROW + 10.0;
    let mut drawing = Drawing::new(title, [NAMES + INTERVALS + NUMBERS, height]);
    let ends = differences.iter().filter_map(|d| {
        let ((low, high), factor) = (d.interval?, to_percent(d)?);
        Some((low * factor).abs().max((high * factor).abs()))
    });
    let reach = ends.filter(|end| end.is_finite()).fold(1e-9, f64::max);
    let x = |percent: f64| NAMES + 0.5 * INTERVALS * (1.0 + 0.95 * percent / reach);
    let bottom = differences.len() as f64 * ROW + 6.0;
    for percent in [-reach, 0.0, reach] {
        drawing.line(
            [x(percent), 4.0],
            [x(percent), bottom],
            if percent == 0.0 { Pen::ASIDE } else { Pen::GRID },
        );
        let label = if percent == 0.0 { "0 %".to_owned() } else { format!("{percent:+.1} %") };
        drawing.text([x(percent), bottom + 18.0], Anchor::Middle, Pen::ASIDE, &label);
    }
    for (row, difference) in differences.iter().enumerate() {
        let y = (row as f64 + 0.5) * ROW + 4.0;
        let name = match &difference.task {
            Some(task) => format!("{} ({})", cut(task, LETTERS), cut(&difference.metric, LETTERS)),
            None => "all tasks (Δm)".to_owned(),
        };
        drawing.text([NAMES - 10.0, y + 4.0], Anchor::End, Pen::INK, &cut(&name, LETTERS + 4));
        let words = match (to_percent(difference), difference.mean, difference.interval) {
            (Some(factor), Some(mean), Some((low, high))) => {
                let pen = if mean < 0.0 { Pen::colour(1) } else { Pen::colour(0) };
                drawing.line([x(low * factor), y], [x(high * factor), y], pen);
                drawing.dot([x(mean * factor), y], 4.5, pen);
                let p = difference.p_adjusted.map_or_else(String::new, |p| format!(", p {p:.3}"));
                format!("{:+.1} %{p}", mean * factor)
            }
            _ => "undefined".to_owned(),
        };
        drawing.text([NAMES + INTERVALS + 10.0, y + 4.0], Anchor::Start, Pen::INK, &words);
    }
    drawing
}

/// The lookahead affinity of every pair, in per cent of the loss: from whom down, to whom across.
fn map(title: &str, affinity: &Affinity) -> Drawing {
    let names = affinity.tasks();
    let n = names.len();
    let side = n as f64 * CELL;
    let mut drawing = Drawing::new(title, [NAMES + side + 10.0, side + 40.0]);
    let off_diagonal = (0..n * n).filter(|pair| pair / n != pair % n);
    let sizes = off_diagonal.filter_map(|pair| affinity.lookahead(pair / n, pair % n)).map(f64::abs);
    let largest = sizes.filter(|size| size.is_finite()).fold(1e-12, f64::max);
    for (i, name) in names.iter().enumerate() {
        let y = 30.0 + i as f64 * CELL;
        drawing.text([NAMES - 10.0, y + 0.5 * CELL + 4.0], Anchor::End, Pen::INK, &cut(name, LETTERS));
        let x = NAMES + (i as f64 + 0.5) * CELL;
        drawing.text([x, 20.0], Anchor::Middle, Pen::INK, &cut(name, 8));
        for j in 0..n {
            let corner = [NAMES + j as f64 * CELL, y];
            let words = match affinity.lookahead(i, j) {
                _ if i == j => String::new(),
                None => "?".to_owned(),
                Some(value) => {
                    let pen = if value < 0.0 { Pen::colour(1) } else { Pen::colour(0) };
                    // Light enough for dark words on it.
                    let opacity = 0.6 * (value.abs() / largest).min(1.0);
                    drawing.bar(corner, [CELL, CELL], pen.opacity(opacity));
                    format!("{:+.2}", 100.0 * value)
                }
            };
            drawing.frame(corner, [CELL, CELL], Pen::GRID);
            let middle = [corner[0] + 0.5 * CELL, corner[1] + 0.5 * CELL + 4.0];
            drawing.text(middle, Anchor::Middle, Pen::INK, &words);
        }
    }
    drawing
}

fn costs(costs: &[Cost]) -> String {
    let mut table = String::from(
        "<table>\n<tr><th>contender</th><th>models</th><th>parameters</th><th>bytes</th><th>s to train</th>\
         <th>µs to predict a row</th></tr>\n",
    );
    for cost in costs {
        let (name, models) = (escape(&cost.contender), cost.n_models);
        let (parameters, bytes) = (cost.parameters, cost.bytes);
        let train = number(cost.fit_time.as_secs_f64());
        let predict = number(1e6 * cost.prediction_time.as_secs_f64());
        let _ = writeln!(
            table,
            "<tr><td>{name}</td><td class=\"n\">{models}</td><td class=\"n\">{parameters:.0}</td>\
             <td class=\"n\">{bytes:.0}</td><td class=\"n\">{train}</td><td class=\"n\">{predict}</td></tr>"
        );
    }
    table + "</table>\n"
}
