//! The card of a model: one page that says what it learnt from, how good it is, where it fails, and how to train it again.
//!
//! M. Mitchell et al., "Model cards for model reporting", FAT* 2019. A [`ModelCard`] is a page of HTML that opens without a
//! connection: no script, no other file. [`verify`] reads the page of a model, trains it again and says whether it is the same,
//! to the bit.
//!
//! ```
//! use polytask::card::{ModelCard, verify};
//! use polytask::prelude::*;
//!
//! let (data, test) = datasets::robot_arm::<f32>(200, 0.05, 42).split(0.8, 1)?;
//! let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5);
//! let model = settings.fit_table(&data)?;
//! let page = ModelCard::new("Torques of a robot arm", &model, &data, &test)?.html(); // std::fs::write("card.html", page)
//! assert!(page.contains("elbow") && !page.contains("<script"));
//!
//! verify(&page, &data, |data| settings.fit_table(data))?;
//! let other = verify(&page, &data, |data| settings.clone().seed(1).fit_table(data)).unwrap_err();
//! assert!(other.to_string().starts_with("parameters of the model: expected"), "{other}");
//! # Ok::<(), polytask::Error>(())
//! ```

mod identity;

use std::fmt::Write as _;

use ndarray::{ArrayView1, s};

pub use identity::Identity;

use crate::data::Dataset;
use crate::estimator::{EstimatorKind, Fitted};
use crate::loss::{Kind, Labels};
use crate::metric::{Binning, CalibrationCurve};
use crate::plot::{self, escape};
use crate::report::number;
use crate::train::History;
use crate::validation::{ImportanceReport, Predictor};
use crate::{Error, ErrorKind, Model, Report, Result, Scalar};

const STYLE: &str = "body{font-family:sans-serif;color:#333;max-width:60em;margin:2em auto;padding:0 1em}\
    table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left}\
    td.n{text-align:right}pre{overflow-x:auto}svg{max-width:100%;height:auto}";

/// The name of the element that holds the identity.
const META: &str = "<meta name=\"polytask-identity\" content=\"";

/// How many features are listed.
const LISTED: usize = 100;

/// Bins of a calibration curve.
const BINS: usize = 10;

/// What has a card: a [`Model`], or a fitted estimator of any kind.
pub trait Subject<F: Scalar>: Predictor<F> {
    /// The networks.
    fn networks(&self) -> &[Model<F>];

    /// What it is, for a person.
    fn in_words(&self) -> String;

    /// How good it is at each task, on a table.
    ///
    /// # Errors
    /// If the table does not fit.
    fn judged_on(&self, data: &Dataset<F>) -> Result<Report>;
}

impl<F: Scalar> Subject<F> for Model<F> {
    fn networks(&self) -> &[Model<F>] {
        std::slice::from_ref(self)
    }

    fn in_words(&self) -> String {
        self.summary()
    }

    fn judged_on(&self, data: &Dataset<F>) -> Result<Report> {
        self.evaluate(data)
    }
}

impl<K: EstimatorKind, F: Scalar> Subject<F> for Fitted<K, F> {
    fn networks(&self) -> &[Model<F>] {
        self.members()
    }

    fn in_words(&self) -> String {
        let stack = self.stack().map_or_else(String::new, |stack| format!("\n\n{stack}"));
        let (n, first) = (self.members().len(), self.members()[0].summary());
        format!("an estimator: the mean of {n} networks{stack}\n\nthe first of them:\n\n{first}")
    }

    fn judged_on(&self, data: &Dataset<F>) -> Result<Report> {
        self.members()[0].report_on(self.predict_tasks(data)?, data, self.warnings_on(data)?)
    }
}

/// A page about a trained model: see [the module](self).
///
/// ```
/// use polytask::card::ModelCard;
/// use polytask::prelude::*;
/// use polytask::validation::Importance;
///
/// let (data, test) = datasets::mixed_tasks::<f64>(300, 0.2, 1).split(0.7, 1)?;
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(8, Activation::Relu)])
///     .task(Task::regression("value"))
///     .task(Task::binary("accepted"))
///     .build::<f64>()?;
/// let history = Trainer::new(Adam::new(0.01)).epochs(5).fit(&mut model, &data)?;
/// let importance = Importance::new().repeats(2).run(&model, &test)?;
/// let card = ModelCard::new("Offers", &model, &data, &test)?.history(&history).importance(&importance);
/// let page = card.note("Not for offers above 10 <units>.").command("cargo run --release --example offers").html();
/// for heading in ["Scores", "Predictions", "Training", "Columns that mattered", "Data", "Model", "Identity"] {
///     assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
/// }
/// assert!(page.contains("10 &lt;units&gt;"));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ModelCard {
    title: String,
    report: Report,
    pictures: Vec<String>,
    training: Vec<String>,
    columns: Vec<String>,
    data: String,
    model: String,
    notes: Vec<String>,
    command: Option<String>,
    identity: Identity,
}

impl ModelCard {
    /// The card of a model, or of an estimator, that learnt from one table and is judged on another.
    ///
    /// # Errors
    /// Those of [`Model::evaluate`], if a table does not fit.
    pub fn new<F: Scalar, S: Subject<F>>(
        title: impl Into<String>,
        subject: &S,
        learnt_from: &Dataset<F>,
        judged_on: &Dataset<F>,
    ) -> Result<Self> {
        let report = subject.judged_on(judged_on)?;
        Ok(Self {
            title: title.into(),
            pictures: pictures(subject, judged_on, &report)?,
            report,
            training: Vec::new(),
            columns: Vec::new(),
            data: described(learnt_from, judged_on),
            model: subject.in_words(),
            notes: Vec::new(),
            command: None,
            identity: Identity::of(subject.networks(), learnt_from),
        })
    }

    /// Adds curves of the training.
    pub fn history(mut self, history: &History) -> Self {
        self.training.push(plot::learning_curves(history));
        self.training.push(plot::task_weights(history));
        self
    }

    /// Adds which columns mattered for which task.
    pub fn importance(mut self, importance: &ImportanceReport) -> Self {
        self.columns.extend(importance.tasks().iter().map(plot::importance));
        self
    }

    /// Adds what a person should know: what the model is for and what not, where it fails.
    pub fn note(mut self, words: impl Into<String>) -> Self {
        self.notes.push(words.into());
        self
    }

    /// Names the line that trains the model again.
    pub fn command(mut self, line: impl Into<String>) -> Self {
        self.command = Some(line.into());
        self
    }

    /// What tells the model from others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The page. Names and notes are escaped.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">{META}{}\"><title>{title}</title>\
             <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n",
            escape(&self.identity.to_string())
        );
        let mut section = |heading: &str, content: String| {
            if !content.is_empty() {
                let _ = writeln!(page, "<h2>{heading}</h2>\n{content}");
            }
        };
        let paragraph = |words: &String| format!("<p>{}</p>\n", escape(words));
        let warning =
            |warning: &crate::Warning| format!("<p>warning: {}</p>\n", escape(&warning.to_string()));
        let notes = self.notes.iter().map(paragraph).chain(self.report.warnings().iter().map(warning));
        section("What to know", notes.collect());
        section("Scores", scores(&self.report));
        section("Predictions", self.pictures.join("\n"));
        section("Training", self.training.join("\n"));
        section("Columns that mattered", self.columns.join("\n"));
        section("Data", self.data.clone());
        section("Model", lines(&self.model));
        let again = self.command.as_ref().map(|command| format!("<p>Trained by</p>\n{}\n", lines(command)));
        let identity = lines(&self.identity.to_string().replace(' ', "\n"));
        section("Identity", again.unwrap_or_default() + &identity);
        page + "</body></html>\n"
    }
}

/// Trains the model of a [card](ModelCard::html) again, and checks that it is the same: the table, and every bit of every parameter.
///
/// # Errors
/// [`ErrorKind::File`] if the page is no card; [`ErrorKind::Value`] says what differs first, as [`Identity::check`]; those of
/// the training.
pub fn verify<F: Scalar, S: Subject<F>>(
    page: &str,
    learnt_from: &Dataset<F>,
    train: impl FnOnce(&Dataset<F>) -> Result<S>,
) -> Result<S> {
    let content = page.split_once(META).and_then(|(_, rest)| rest.split_once('"'));
    let Some((identity, _)) = content else {
        let expected = "a page that ModelCard::html wrote";
        return Err(Error::new(ErrorKind::File, "card of a model", expected, "one without an identity"));
    };
    let identity: Identity = identity.parse()?;
    // Whatever differs already is reported before the training, which may take hours.
    let same_parameters = |own: Identity| Identity { parameters: identity.parameters.clone(), ..own };
    identity.check(&same_parameters(Identity::of::<F>(&[], learnt_from)))?;
    let trained = train(learnt_from)?;
    identity.check(&Identity::of(trained.networks(), learnt_from))?;
    Ok(trained)
}

/// Text as it stands, line by line.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape).collect();
    format!("<pre>{}</pre>", lines.join("\n"))
}

fn scores(report: &Report) -> String {
    let mut table = String::from("<table>\n<tr><th>task</th><th>labels</th><th>scores</th></tr>\n");
    for task in report.tasks() {
        let shown = |name: &str, value: Option<f64>| {
            format!("{} {}", escape(name), value.map_or_else(|| "undefined".into(), number))
        };
        let scores = task.scores.iter().map(|score| shown(&score.name, score.value));
        let scores: Vec<String> = scores.collect();
        let (name, labels, scores) = (escape(&task.name), task.n_labels, scores.join(", "));
        let _ = writeln!(table, "<tr><td>{name}</td><td class=\"n\">{labels}</td><td>{scores}</td></tr>");
    }
    let _ = write!(table, "</table>\n<p>On {} rows that it has not learnt from.</p>", report.n_rows());
    table
}

/// For each task a picture of its predictions against the labels.
fn pictures<F: Scalar, S: Subject<F>>(
    subject: &S,
    data: &Dataset<F>,
    report: &Report,
) -> Result<Vec<String>> {
    let (mut pictures, first) = (Vec::new(), &subject.networks()[0]);
    let columns = first.columns(data)?;
    for (k, predicted) in subject.predict_tasks(data)?.iter().enumerate() {
        let (task, kind) = (&subject.tasks()[k], first.network().loss(k).kind());
        for (c, &column) in columns[k].iter().enumerate() {
            let truth = data.targets().column(column).to_owned();
            let name = &task.columns_list()[c];
            match kind {
                Kind::Quantity { parts, point } => {
                    let points = predicted.column(c * parts + point);
                    pictures.push(plot::predicted_against_true(name, points, truth.view()));
                }
                Kind::Binary => {
                    let wide = truth.mapv(Scalar::to_f64).insert_axis(ndarray::Axis(1));
                    let probabilities = predicted.slice(s![.., c..=c]).mapv(Scalar::to_f64);
                    let weights = data.label_weights(column).map(|weights| weights.mapv(Scalar::to_f64));
                    let weights = weights.as_ref().map(|weights| weights.view());
                    let labels = Labels { weights, ..Labels::new(wide.view()) };
                    // Without a label there is no curve.
                    if let Ok(curve) =
                        CalibrationCurve::new(probabilities.view(), &labels, Binning::EqualWidth(BINS))
                    {
                        pictures.push(plot::reliability(name, &curve));
                    }
                }
                Kind::Classes { .. } | Kind::Ranking => {}
            }
        }
        if let Some(matrix) = &report.tasks()[k].confusion {
            let names = first.class_names(task.name()).unwrap_or_default();
            pictures.push(plot::confusion_matrix(task.name(), matrix, names));
        }
    }
    Ok(pictures)
}

/// Rows, columns and labels.
fn described<F: Scalar>(learnt_from: &Dataset<F>, judged_on: &Dataset<F>) -> String {
    let (n, m) = (learnt_from.n_rows(), judged_on.n_rows());
    let mut text = format!(
        "<p>{n} rows to learn from, {m} to judge by.</p>\n<table>\n<tr><th>target</th><th>labels</th>"
    );
    text += "<th>missing</th><th>smallest</th><th>mean</th><th>largest</th></tr>\n";
    for (name, labels) in learnt_from.target_names().iter().zip(learnt_from.targets().columns()) {
        let there = labels.iter().filter(|label| !label.is_nan()).count();
        let counts = format!("<td class=\"n\">{there}</td><td class=\"n\">{}</td>", n - there);
        let _ = writeln!(text, "<tr><td>{}</td>{counts}{}</tr>", escape(name), range(labels));
    }
    text += "</table>\n<p></p>\n<table>\n<tr><th>feature</th><th>smallest</th><th>mean</th><th>largest</th></tr>\n";
    let columns = learnt_from.features();
    for (name, values) in learnt_from.feature_names().iter().zip(columns.columns()).take(LISTED) {
        let _ = writeln!(text, "<tr><td>{}</td>{}</tr>", escape(name), range(values));
    }
    text += "</table>\n";
    if learnt_from.n_features() > LISTED {
        let _ = writeln!(text, "<p>and {} features more</p>", learnt_from.n_features() - LISTED);
    }
    text
}

/// Three cells: the smallest, the mean and the largest of the numbers that are there.
fn range<F: Scalar>(values: ArrayView1<'_, F>) -> String {
    let there = || values.iter().map(|x| x.to_f64()).filter(|x| !x.is_nan());
    let n = there().count() as f64;
    let (low, high) = (there().fold(f64::INFINITY, f64::min), there().fold(f64::NEG_INFINITY, f64::max));
    let mean = there().map(|x| x / n).sum::<f64>();
    let cell = |x: f64| if n > 0.0 { number(x) } else { "none".into() };
    [low, mean, high].map(|x| format!("<td class=\"n\">{}</td>", cell(x))).concat()
}
