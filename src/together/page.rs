//! The report as one page of HTML that needs nothing else: no script, no file, no connection.

use std::fmt::Write as _;

use super::report::{Cost, TogetherReport};
use super::table::time_to_apart;
use crate::ledger::{Ledger, SuspectLabels};
use crate::plot::{self, Anchor, Axis, Chart, Drawing, Pen, escape};
use crate::report::{cut, number};
use crate::train::Affinity;
use crate::validation::{ComparisonReport, Difference};

/// Pixels: the height of a row, the widths of names, of the intervals and of the numbers beside them.
const ROW: f64 = 26.0;
const NAMES: f64 = 190.0;
const INTERVALS: f64 = 420.0;
const NUMBERS: f64 = 230.0;
/// How many rows are named that taught a task the most, and the least.
const EXTREMES: usize = 5;
/// The largest number of letters of a name in a drawing.
const LETTERS: usize = 22;

const STYLE: &str = "body{font-family:sans-serif;color:#333;max-width:60em;margin:2em auto;padding:0 1em}\
    table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left}\
    td.n{text-align:right}.bad{color:#a33}svg{max-width:100%;height:auto}";

/// A report as a page of HTML, with what else is known of its tasks and rows: see [`TogetherReport::page`].
///
/// ```
/// use polytask::ledger::SuspectLabels;
/// use polytask::prelude::*;
/// use polytask::together::TogetherOrApart;
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::related_tasks::<f32>(80, 4, 3, 0.5, 0.1, 1);
/// let trainer = Trainer::new(Adam::new(0.01)).epochs(3);
/// let settings = TogetherOrApart::new(["task0", "task1", "task2"].map(Task::regression)).hidden([8]).trainer(trainer.clone());
/// let proposal = settings.propose(&data, 0.5)?;
/// let report = settings.grouping("proposed", proposal.groups).run(&proposal.rest)?;
/// let suspects = SuspectLabels::find(&data, &CrossValidation::new(3), |part| {
///     let mut model = Model::builder(4).task(Task::regression("task0")).build()?;
///     trainer.fit(&mut model, part.data)?;
///     Ok(model)
/// })?;
/// let page = report.page().affinity(&proposal.affinity).suspects(&suspects).html();
/// assert!(page.contains("How much tasks help each other") && page.contains("Labels to look at"));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Page<'a> {
    report: &'a TogetherReport,
    affinity: Option<&'a Affinity>,
    ledger: Option<&'a Ledger>,
    suspects: Option<&'a SuspectLabels>,
}

impl TogetherReport {
    /// The report as one page of HTML, which opens without a connection: answers, differences with their intervals and learning
    /// curves as drawings, costs, and what failed or is missing. Names are escaped, and there are no scripts in it.
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
    /// assert_eq!(page.matches("<svg").count(), 2 + 2); // together and <mmoe>; a learning curve for each task
    /// assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<mmoe>"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn html(&self) -> String {
        self.page().html()
    }

    /// [`html`](Self::html), to which more can be added.
    pub fn page(&self) -> Page<'_> {
        Page { report: self, affinity: None, ledger: None, suspects: None }
    }
}

impl<'a> Page<'a> {
    /// Adds a map of how much the tasks help each other.
    pub fn affinity(self, affinity: &'a Affinity) -> Self {
        Self { affinity: Some(affinity), ..self }
    }

    /// Adds what rows taught: a map of the tasks, and for each task the rows that taught it the most and the least.
    pub fn ledger(self, ledger: &'a Ledger) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// Adds the labels to look at first.
    pub fn suspects(self, suspects: &'a SuspectLabels) -> Self {
        Self { suspects: Some(suspects), ..self }
    }

    /// The page.
    pub fn html(self) -> String {
        let report = self.report;
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Together or apart</title>\
             <style>{STYLE}</style></head><body>\n<h1>Together instead of apart?</h1>\n<table>\n"
        );
        for claim in &report.claims {
            let (claim, answer, evidence) =
                (escape(claim.claim), escape(&claim.answer.to_string()), escape(&claim.evidence));
            let _ = writeln!(page, "<tr><th>{claim}</th><td><b>{answer}</b></td><td>{evidence}</td></tr>");
        }
        page += "</table>\n";
        if let Some(comparison) = &report.comparison {
            for contender in &comparison.contenders[1..] {
                let title = format!("{} against {}", contender.name, comparison.contenders[0].name);
                let own = comparison.differences.iter().filter(|d| d.contender == contender.name);
                let own: Vec<&Difference> = own.collect();
                let _ = writeln!(page, "<h2>{}</h2>\n{}", escape(&title), intervals(&title, &own).svg());
            }
            page += &foot(comparison);
        }
        page += &self.tasks_and_rows();
        page += &curves(report);
        page += "<h2>Costs</h2>\n";
        page += &costs(&report.costs);
        for failure in &report.failures {
            let (name, n, of) = (escape(&failure.contender), failure.n_failed, failure.n_jobs);
            let error = escape(&failure.error);
            let _ = writeln!(
                page,
                "<p class=\"bad\">{name} failed in {n} of {of} folds and is not compared: {error}</p>"
            );
        }
        if !report.missing.is_empty() {
            let n = report.missing.len();
            let _ = writeln!(page, "<p class=\"bad\">The run was stopped: {n} jobs are missing.</p>");
        }
        for warning in &report.warnings {
            let _ = writeln!(page, "<p>warning: {}</p>", escape(warning));
        }
        page + "</body></html>\n"
    }

    /// What is known beside the report.
    fn tasks_and_rows(&self) -> String {
        let mut part = String::new();
        if let Some(affinity) = self.affinity {
            let (map, n) = (plot::affinity_map(affinity), affinity.n_measured());
            let _ = writeln!(
                part,
                "<h2>How much tasks help each other</h2>\n{map}\n<p>By how many per cent a step for the task of the row lowers the \
                 loss of the task of the column, on the same batch: means over {n} steps of training. Blue helps, red harms.</p>"
            );
        }
        if let Some(ledger) = self.ledger {
            let (map, n) = (plot::taught_map(ledger), ledger.n_checkpoints());
            let _ = writeln!(
                part,
                "<h2>What rows taught</h2>\n{map}\n<p>What a label of the task of the row taught the task of the column, in per \
                 cent of the largest number: means over all rows, from {n} checkpoints. Blue helped, red harmed.</p>\n<table>\n\
                 <tr><th>task</th><th>rows whose labels taught it the most</th><th>the least</th></tr>"
            );
            for (k, task) in ledger.tasks().iter().enumerate() {
                let [most, least] = ledger.extremes(k, k, EXTREMES).map(|ranked| {
                    ranked.iter().map(|(row, _)| row.to_string()).collect::<Vec<_>>().join(", ")
                });
                let task = escape(task);
                let _ = writeln!(part, "<tr><td>{task}</td><td>{most}</td><td>{least}</td></tr>");
            }
            part += "</table>\n";
        }
        if let Some(suspects) = self.suspects {
            part += "<h2>Labels to look at first</h2>\n";
            for task in 0..suspects.tasks().len() {
                let _ = writeln!(part, "{}", plot::suspect_labels(suspects, task));
            }
            part += "<p>How hard each label pulls at a model that has not seen its row: the norm of the gradient.</p>\n";
        }
        part
    }
}

/// The held-out loss of each task over the time of training, a line for each contender.
fn curves(report: &TogetherReport) -> String {
    let Some(first) = report.curves.iter().find(|curve| !curve.seconds.is_empty()) else {
        return String::new();
    };
    let mut part = String::from("<h2>Learning curves</h2>\n");
    for (k, name) in report.tasks.iter().enumerate().take(first.losses.len()) {
        let (x, y) = (Axis::linear("seconds of training"), Axis::linear("held-out loss"));
        let chart = report.curves.iter().fold(Chart::new(cut(name, LETTERS), x, y), |chart, curve| {
            let points = curve.seconds.iter().zip(&curve.losses[k]).map(|(&seconds, &loss)| [seconds, loss]);
            chart.line(cut(&curve.contender, LETTERS), points)
        });
        let _ = writeln!(part, "{}", chart.drawing().svg());
    }
    part + "<p>Means over the folds, after every epoch; losses are those that training minimises, on rows held out.</p>\n"
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

fn costs(costs: &[Cost]) -> String {
    let mut table = String::from(
        "<table>\n<tr><th>contender</th><th>models</th><th>parameters</th><th>bytes</th><th>s to train</th>\
         <th>s to apart's last loss</th><th>µs to predict a row</th></tr>\n",
    );
    for cost in costs {
        let (name, models) = (escape(&cost.contender), cost.n_models);
        let (parameters, bytes) = (cost.parameters, cost.bytes);
        let train = number(cost.fit_time.as_secs_f64());
        let to_apart = time_to_apart(cost);
        let predict = number(1e6 * cost.prediction_time.as_secs_f64());
        let _ = writeln!(
            table,
            "<tr><td>{name}</td><td class=\"n\">{models}</td><td class=\"n\">{parameters:.0}</td>\
             <td class=\"n\">{bytes:.0}</td><td class=\"n\">{train}</td><td class=\"n\">{to_apart}</td>\
             <td class=\"n\">{predict}</td></tr>"
        );
    }
    table + "</table>\n"
}
