//! Metrics of decisions: yes or no, or one of C classes.
//!
//! First, probabilities are turned into decisions: yes if above ½, or the most probable class (the first, if
//! several are). All metrics but top-k follow from three weighted counts for each class:
//!
//! ```text
//! hits: of the class and recognised (TP)      decided: decided to be it (TP + FP)      truth: of the class (TP + FN)
//! accuracy  Σ hits / Σ truth                  balanced accuracy  mean over c with truth > 0 of hits / truth
//! precision hits / decided        recall hits / truth        F1 2 hits / (decided + truth)        0/0 = 0
//! ```
//! Definitions and special cases are those of scikit-learn, with one exception: the accuracy of several yes/no
//! columns is the mean over the columns. (scikit-learn counts rows in which all columns are right, which has no
//! meaning for a row with a missing label.)

use std::collections::BTreeMap;
use std::fmt;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::examples::{self, mean};
use crate::loss::Labels;

/// How precision, recall and F1 are averaged over the classes.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::metric::{Average, Metric};
///
/// let probabilities = array![[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]];
/// let targets = array![[0.0], [0.0], [1.0], [1.0]];
/// let labels = Labels::new(targets.view());
/// let recall = |average| Metric::Recall(average).evaluate(probabilities.view(), &labels);
/// assert_eq!(recall(Average::Binary), Some(0.5));                  // of class 1: one of two
/// assert_eq!(recall(Average::Macro), Some((1.0 + 0.5) / 2.0));
/// assert_eq!(recall(Average::Micro), Some(3.0 / 4.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Average {
    /// Not averaged: the value for the class *yes*, or for class 1 of two.
    Binary,
    /// The mean over the classes that occur among the labels or the decisions. With several yes/no columns, the
    /// mean over the columns of the value for *yes*.
    Macro,
    /// From the sums of the counts over all classes; for one of C classes, this is the accuracy. With several
    /// yes/no columns, from the sums of the counts for *yes*.
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

/// A confusion matrix: for each class, how many of its rows were decided to be of which class.
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
    n_classes: usize,
    /// The cells with a count, by true class and decided class: never more than there are rows, where the number of
    /// all cells grows with the square of the number of classes.
    cells: BTreeMap<(usize, usize), f64>,
}

impl ConfusionMatrix {
    /// Counts the labelled rows of one yes/no column (`n × 1` probabilities of yes; two classes) or of C
    /// classes (`n × C` probabilities). `None` if a prediction for a labelled row is not finite, or a target is
    /// not a class. Without labelled rows, all counts are 0.
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
        let mut cells = BTreeMap::new();
        for_each_decision(probabilities, labels, |d| {
            *cells.entry((d.truth, d.decided)).or_insert(0.0) += d.weight;
        })?;
        Some(Self { n_classes: probabilities.ncols().max(2), cells })
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The counts, `true class × decided class`, weighted by the rows' weights: C² numbers, of which
    /// [`cells`](Self::cells) has those that are not 0.
    pub fn counts(&self) -> Array2<f64> {
        let mut counts = Array2::zeros((self.n_classes, self.n_classes));
        self.cells.iter().for_each(|(&cell, &count)| counts[cell] = count);
        counts
    }

    /// The cells that were counted, in the order of true and decided class, each as
    /// `(true class, decided class, count in weight)`.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// use polytask::loss::Labels;
    /// use polytask::metric::ConfusionMatrix;
    ///
    /// let mut probabilities = Array2::zeros((3, 50_000));
    /// [7, 7, 9].iter().enumerate().for_each(|(row, &class)| probabilities[[row, class]] = 1.0);
    /// let targets = array![[7.0], [9.0], [9.0]];
    /// let matrix = ConfusionMatrix::new(probabilities.view(), &Labels::new(targets.view())).unwrap();
    /// assert_eq!(matrix.cells().collect::<Vec<_>>(), [(7, 7, 1.0), (9, 7, 1.0), (9, 9, 1.0)]);
    /// assert!(matrix.to_string().starts_with("the most frequent mistakes among 50000 classes"));
    /// ```
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        self.cells.iter().map(|(&(truth, decided), &count)| (truth, decided, count))
    }
}

/// Up to that many classes are printed as a table.
const MOST_PRINTED: usize = 30;
/// Of more classes, that many mistakes are printed.
const MISTAKES_PRINTED: usize = 20;

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "true \\ decided";
        let text = |count: f64| format!("{}", (count * 1e4).round() / 1e4);
        let classes = 0..self.n_classes;
        if self.n_classes > MOST_PRINTED {
            writeln!(
                f,
                "the most frequent mistakes among {} classes (true → decided: count)",
                self.n_classes
            )?;
            let mut mistakes: Vec<_> = self.cells().filter(|(truth, decided, _)| truth != decided).collect();
            mistakes.sort_by(|a, b| b.2.total_cmp(&a.2));
            for (truth, decided, count) in mistakes.iter().take(MISTAKES_PRINTED) {
                writeln!(f, "{truth} → {decided}: {}", text(*count))?;
            }
            return Ok(());
        }
        let cells = self.counts().mapv(text);
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
    let questions = labelled_counts(predictions, labels)?;
    let share_of_hits = |counts: &Vec<Count>| counts.iter().map(|c| c.hits).sum::<f64>() / total(counts);
    mean(&questions.iter().map(share_of_hits).collect::<Vec<_>>())
}

pub(super) fn balanced_accuracy(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<f64> {
    let mut values = Vec::new();
    for counts in labelled_counts(predictions, labels)? {
        let occurring = counts.iter().filter(|c| c.truth > 0.0);
        values.extend(mean(&occurring.map(Count::recall).collect::<Vec<_>>()));
    }
    mean(&values)
}

pub(super) fn precision(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, Count::precision)
}

pub(super) fn recall(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, Count::recall)
}

pub(super) fn f1(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
) -> Option<f64> {
    averaged(predictions, labels, average, Count::f1)
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

/// The mean of `of` over the classes that `average` asks for, or `of` the sum of their counts.
fn averaged(
    predictions: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
    average: Average,
    of: impl Fn(&Count) -> f64,
) -> Option<f64> {
    let questions = labelled_counts(predictions, labels)?;
    let all_classes = average != Average::Binary && labels.targets.ncols() == 1;
    let mut classes: Vec<Count> = Vec::new();
    for counts in questions {
        if all_classes {
            classes.extend(counts.iter().filter(|c| c.decided + c.truth > 0.0));
        } else {
            classes.push(counts[1]);
        }
    }
    match average {
        Average::Micro => classes.into_iter().reduce(Count::plus).map(|sum| of(&sum)),
        Average::Binary | Average::Macro => mean(&classes.iter().map(of).collect::<Vec<_>>()),
    }
}

/// The weights of the rows of a class, of those decided to be of it, and of those that are both.
#[derive(Clone, Copy, Default)]
struct Count {
    hits: f64,
    decided: f64,
    truth: f64,
}

impl Count {
    fn precision(&self) -> f64 {
        ratio(self.hits, self.decided)
    }

    fn recall(&self) -> f64 {
        ratio(self.hits, self.truth)
    }

    fn f1(&self) -> f64 {
        ratio(2.0 * self.hits, self.decided + self.truth)
    }

    fn plus(self, other: Count) -> Count {
        Count {
            hits: self.hits + other.hits,
            decided: self.decided + other.decided,
            truth: self.truth + other.truth,
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

fn total(counts: &[Count]) -> f64 {
    counts.iter().map(|c| c.truth).sum()
}

/// The counts per class, for each question that has a label. There is one question in a task of C classes,
/// which class it is; in a task of yes/no columns there is one for each column, no (class 0) or yes (class 1).
fn labelled_counts(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> Option<Vec<Vec<Count>>> {
    let n_classes = if is_one_of_classes(predictions, labels) { predictions.ncols() } else { 2 };
    let mut questions = vec![vec![Count::default(); n_classes]; labels.targets.ncols()];
    for_each_decision(predictions, labels, |d| {
        let counts = &mut questions[d.question];
        counts[d.decided].decided += d.weight;
        counts[d.truth].truth += d.weight;
        if d.decided == d.truth {
            counts[d.truth].hits += d.weight;
        }
    })?;
    questions.retain(|counts| total(counts) > 0.0);
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

/// The index of the largest; the first, if several are.
fn most_probable(row: ArrayView1<'_, f64>) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}

/// Whether the outputs are the probabilities of the classes of a single target column. Otherwise, each output
/// is the probability of yes for its own column.
pub(super) fn is_one_of_classes(predictions: ArrayView2<'_, f64>, labels: &Labels<'_, f64>) -> bool {
    predictions.ncols() > labels.targets.ncols()
}

/// Whether all labels in rows of weight above 0 are 0 or 1.
pub(super) fn is_yes_or_no(labels: &Labels<'_, f64>) -> bool {
    let counts = |&(row, _): &(usize, _)| labels.weight(row) > 0.0;
    let mut rows = labels.targets.rows().into_iter().enumerate().filter(counts);
    rows.all(|(_, row)| row.iter().all(|&t| t.is_nan() || t == 0.0 || t == 1.0))
}
