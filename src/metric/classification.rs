//! Metrics of decisions: yes or no, or one of C classes.
//!
//! Probabilities become decisions first: yes above ½, or the most probable class, the first of equals. All but
//! top-k follow from three counts per class, in weight:
//!
//! ```text
//! hits: of the class and decided so (TP)      decided: decided so (TP + FP)      truth: of the class (TP + FN)
//! accuracy  Σ hits / Σ truth                  balanced accuracy  mean over c with truth > 0 of hits / truth
//! precision hits / decided        recall hits / truth        F1 2 hits / (decided + truth)        0/0 = 0
//! ```
//! Definitions and corners as in scikit-learn, except that the accuracy of several yes/no columns is the mean over
//! the columns (scikit-learn asks for whole rows to be right, which a missing label would make meaningless).

use std::fmt;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::examples::{self, mean};
use crate::loss::Labels;

/// Over which classes precision, recall and F1 are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Average {
    /// Of the class *yes*, or class 1 of two.
    Binary,
    /// The mean over the classes that occur in the truth or among the decisions. With several yes/no columns, the
    /// mean over the columns of the class *yes*.
    Macro,
    /// Of the summed counts of all classes, which for one of C classes is the accuracy. With several yes/no columns,
    /// of the summed counts of the class *yes*.
    Micro,
}

impl Average {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Average::Binary => "",
            Average::Macro => "_macro",
            Average::Micro => "_micro",
        }
    }
}

/// How many rows of each class were decided to be of each class.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::ConfusionMatrix;
///
/// let probabilities = array![[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3]];
/// let targets = array![[0.0], [2.0], [2.0]];
/// let matrix = ConfusionMatrix::new(probabilities.view(), &Labels::new(targets.view())).unwrap();
/// assert_eq!(matrix.counts(), array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]);
/// assert_eq!(
///     matrix.to_string(),
///     "true \\ decided  0  1  2\n             0  1  0  0\n             1  0  0  0\n             2  0  1  1\n"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    counts: Array2<f64>,
}

impl ConfusionMatrix {
    /// Counts the labelled rows of one yes/no column (`n × 1` probabilities of yes; two classes) or of C classes
    /// (`n × C` probabilities). `None` if a prediction for a labelled row is not finite or a target is not a class.
    /// Without any labelled row all counts are 0.
    ///
    /// # Panics
    /// If the shapes do not fit, or there are several target columns.
    #[track_caller]
    pub fn new(probabilities: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<Self> {
        examples::assert_rows_fit(probabilities, labels);
        assert!(
            labels.targets.ncols() == 1 && probabilities.ncols() >= 1,
            "a confusion matrix takes probabilities n × C and targets n × 1, found {:?} and {:?}",
            probabilities.dim(),
            labels.targets.dim()
        );
        let n_classes = probabilities.ncols().max(2);
        let mut counts = Array2::zeros((n_classes, n_classes));
        for_each_decision(probabilities, labels, |d| counts[[d.truth, d.decided]] += d.weight)?;
        Some(Self { counts })
    }

    /// The counts, `true class × decided class`, in weight.
    pub fn counts(&self) -> ArrayView2<'_, f64> {
        self.counts.view()
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "true \\ decided";
        let cells = self.counts.mapv(|count| format!("{}", (count * 1e4).round() / 1e4));
        let classes = 0..self.counts.nrows();
        let widest =
            cells.iter().map(String::len).chain([classes.len().to_string().len()]).max().unwrap_or(1);
        write!(f, "{CORNER}")?;
        for class in classes {
            write!(f, "  {class:>widest$}")?;
        }
        for (class, row) in cells.rows().into_iter().enumerate() {
            write!(f, "\n{class:>width$}", width = CORNER.len())?;
            for cell in row {
                write!(f, "  {cell:>widest$}")?;
            }
        }
        writeln!(f)
    }
}

pub(super) fn accuracy(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let shares = labelled_counts(predictions, labels)?;
    mean(&shares.iter().map(|counts| counts.hits.iter().sum::<f64>() / counts.total()).collect::<Vec<_>>())
}

pub(super) fn balanced_accuracy(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let mut values = Vec::new();
    for Counts { hits, truth, .. } in labelled_counts(predictions, labels)? {
        let recalls =
            hits.iter().zip(&truth).filter(|&(_, &truth)| truth > 0.0).map(|(hits, truth)| hits / truth);
        values.extend(mean(&recalls.collect::<Vec<_>>()));
    }
    mean(&values)
}

pub(super) fn precision(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, |hits, decided, _| ratio(hits, decided))
}

pub(super) fn recall(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, |hits, _, truth| ratio(hits, truth))
}

pub(super) fn f1(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, |hits, decided, truth| ratio(2.0 * hits, decided + truth))
}

pub(super) fn top_k_accuracy(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    k: usize,
) -> Option<f64> {
    let (mut hits, mut total) = (0.0, 0.0);
    for example in examples::classes(predictions, labels)? {
        let row = predictions.row(example.row);
        let p = row[example.class];
        let ahead = row.iter().enumerate().filter(|&(c, &q)| q > p || (q == p && c < example.class)).count();
        hits += if ahead < k { example.weight } else { 0.0 };
        total += example.weight;
    }
    (total > 0.0).then(|| hits / total)
}

/// Applies `of(hits, decided, truth)` to the classes that `average` names.
fn averaged(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
    of: impl Fn(f64, f64, f64) -> f64,
) -> Option<f64> {
    let questions = labelled_counts(predictions, labels)?;
    let one_question = labels.targets.ncols() == 1;
    let mut classes: Vec<(f64, f64, f64)> = Vec::new();
    for counts in &questions {
        if one_question && average != Average::Binary {
            classes.extend((0..counts.truth.len()).map(|c| counts.class(c)));
        } else {
            classes.push(counts.class(1));
        }
    }
    if average == Average::Micro {
        let sum = classes.into_iter().reduce(|a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        return sum.map(|(hits, decided, truth)| of(hits, decided, truth));
    }
    if one_question && average == Average::Macro {
        classes.retain(|&(_, decided, truth)| decided + truth > 0.0);
    }
    mean(&classes.into_iter().map(|(hits, decided, truth)| of(hits, decided, truth)).collect::<Vec<_>>())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// The counts of one question put to the model, per class: which of C, or (class 0) no and (class 1) yes.
#[derive(Clone)]
struct Counts {
    hits: Vec<f64>,
    decided: Vec<f64>,
    truth: Vec<f64>,
}

impl Counts {
    fn total(&self) -> f64 {
        self.truth.iter().sum()
    }

    fn class(&self, c: usize) -> (f64, f64, f64) {
        (self.hits[c], self.decided[c], self.truth[c])
    }
}

/// The counts of the questions that have any label: one per yes/no column, or one for C classes.
fn labelled_counts(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<Vec<Counts>> {
    let n_questions = labels.targets.ncols();
    let n_classes = if is_one_of_classes(predictions, labels) { predictions.ncols() } else { 2 };
    let zeros = vec![0.0; n_classes];
    let mut questions =
        vec![Counts { hits: zeros.clone(), decided: zeros.clone(), truth: zeros }; n_questions];
    for_each_decision(predictions, labels, |d| {
        let counts = &mut questions[d.question];
        counts.decided[d.decided] += d.weight;
        counts.truth[d.truth] += d.weight;
        if d.decided == d.truth {
            counts.hits[d.truth] += d.weight;
        }
    })?;
    questions.retain(|counts| counts.total() > 0.0);
    Some(questions)
}

struct Decision {
    question: usize,
    truth: usize,
    decided: usize,
    weight: f64,
}

/// `None` if a prediction for a labelled row is not finite or a target is not a class.
fn for_each_decision(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    mut visit: impl FnMut(Decision),
) -> Option<()> {
    if is_one_of_classes(predictions, labels) {
        for example in examples::classes(predictions, labels)? {
            let decided = most_probable(predictions.row(example.row));
            visit(Decision { question: 0, truth: example.class, decided, weight: example.weight });
        }
        return Some(());
    }
    if !is_yes_or_no(labels) {
        return None;
    }
    for question in 0..predictions.ncols() {
        for example in examples::column(predictions, labels, question)? {
            let (truth, decided) = (example.target as usize, usize::from(example.prediction > 0.5));
            visit(Decision { question, truth, decided, weight: example.weight });
        }
    }
    Some(())
}

/// The first of the largest.
fn most_probable(row: ArrayView1<'_, f64>) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}

/// Whether the outputs are the probabilities of the classes of one target column; if not, each is the probability
/// of yes for its own column.
pub(super) fn is_one_of_classes(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> bool {
    predictions.ncols() > labels.targets.ncols()
}

/// Whether every label that counts is 0 or 1.
pub(super) fn is_yes_or_no(labels: &Labels<'_, f64>) -> bool {
    let counts = |&(row, _): &(usize, _)| labels.weight(row) > 0.0;
    let mut rows = labels.targets.rows().into_iter().enumerate().filter(counts);
    rows.all(|(_, row)| row.iter().all(|&t| t.is_nan() || t == 0.0 || t == 1.0))
}
