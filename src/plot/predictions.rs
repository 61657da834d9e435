//! Plots of predictions beside the truth.

use ndarray::{Array2, ArrayView1};

use super::chart::{Axis, Chart};
use super::drawing::{Anchor, Drawing, Pen, cut, width_of};
use super::ticks::count as text_of;
use crate::metric::{CalibrationCurve, ConfusionMatrix};
use crate::scalar::Scalar;

/// How many dots are drawn at most.
const DOTS: usize = 2_000;

/// A dot for each row, the truth to the right and the prediction upwards; on the dashed line they are equal. Rows
/// without a label are left out; of more than 2000 rows, evenly spaced ones are drawn, and the title says so.
///
/// ```
/// use ndarray::array;
/// use polytask::plot;
///
/// let (predicted, truth) = (array![1.1, 1.9, 3.2], array![1.0, 2.0, f64::NAN]);
/// let svg = plot::predicted_against_true("price, k€", predicted.view(), truth.view());
/// assert_eq!(svg.matches("<circle").count(), 2);
/// ```
///
/// # Panics
/// If there are not as many predictions as labels.
#[track_caller]
pub fn predicted_against_true<F: Scalar>(
    title: &str,
    predicted: ArrayView1<'_, F>,
    truth: ArrayView1<'_, F>,
) -> String {
    assert_eq!(predicted.len(), truth.len(), "predictions and labels, one each for a row");
    let points: Vec<[f64; 2]> = (truth.iter().zip(&predicted))
        .map(|(t, y)| [Scalar::to_f64(*t), Scalar::to_f64(*y)])
        .filter(|point| point.iter().all(|x| x.is_finite()))
        .collect();
    let drawn = points.len().min(DOTS);
    let mut heading = format!("{title}: {} rows", points.len());
    if drawn < points.len() {
        heading += &format!(", {drawn} of them drawn");
    }
    let shown: Vec<[f64; 2]> = (0..drawn).map(|i| points[i * points.len() / drawn]).collect();
    // The same range both ways, so that equal is a diagonal.
    let ends = shown
        .iter()
        .flatten()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)]);
    let room = 0.04 * (ends[1] - ends[0]);
    let [x, y] = ["true", "predicted"].map(|name| Axis::linear(name).range(ends[0] - room, ends[1] + room));
    let diagonal = [ends[0] - room, ends[1] + room].map(|x| [x, x]);
    let chart = Chart::new(heading, x, y).size(460.0, 470.0);
    let chart = chart.dots(Pen::colour(0).opacity(0.45), 2.5, "", shown);
    let diagonal: &[[f64; 2]] = if drawn > 0 { &diagonal } else { &[] };
    chart.line_with(Pen::INK.width(1.0).dashed(), "", diagonal.iter().copied()).drawing().svg()
}

/// A reliability diagram: a dot for each bin of a calibration curve, the mean predicted probability to the right and the
/// share of yes upwards. On the dashed line they are equal; below it, yes is predicted too often. The title says how
/// large the expected calibration error is.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::{metric::{Binning, CalibrationCurve}, plot};
///
/// let (probabilities, targets) = (array![[0.9], [0.2], [0.7]], array![[1.0], [0.0], [0.0]]);
/// let labels = Labels::new(targets.view());
/// let curve = CalibrationCurve::new(probabilities.view(), &labels, Binning::EqualWidth(2))?;
/// let svg = plot::reliability("accepted", &curve);
/// assert_eq!(svg.matches("<circle").count(), 2);
/// assert!(svg.contains("accepted: ECE 0.267, 3 rows"), "{svg}");
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn reliability(title: &str, curve: &CalibrationCurve) -> String {
    let n_rows: usize = curve.bins().iter().map(|bin| bin.n_rows).sum();
    let heading = format!("{title}: ECE {:.3}, {n_rows} rows", curve.error());
    let [x, y] =
        ["mean predicted probability", "share of yes"].map(|name| Axis::linear(name).range(0.0, 1.0));
    let points: Vec<[f64; 2]> =
        curve.bins().iter().map(|bin| [bin.mean_prediction, bin.share_of_yes]).collect();
    Chart::new(heading, x, y)
        .size(460.0, 470.0)
        .line_with(Pen::INK.width(1.0).dashed(), "", [[0.0, 0.0], [1.0, 1.0]])
        .line_with(Pen::colour(0), "", points.clone())
        .dots(Pen::colour(0), 3.5, "", points)
        .drawing()
        .svg()
}

/// A square per true class (down) and decided class (across), darker the larger the share of the true class; in it
/// the count and, where there is room, the share. `classes` are the names; where one is missing, the number stands.
/// Of more than 100 classes those with most mistakes are drawn, and the picture says so.
///
/// ```
/// use ndarray::array;
/// use polytask::loss::Labels;
/// use polytask::{metric::ConfusionMatrix, plot};
///
/// let (probabilities, targets) = (array![[0.9], [0.2], [0.6]], array![[1.0], [0.0], [0.0]]);
/// let matrix = ConfusionMatrix::new(probabilities.view(), &Labels::new(targets.view())).unwrap();
/// let svg = plot::confusion_matrix("accepted", &matrix, &["no", "yes"]);
/// assert!(svg.contains("yes") && svg.contains("50 %"));
/// ```
pub fn confusion_matrix(title: &str, matrix: &ConfusionMatrix, classes: &[impl AsRef<str>]) -> String {
    let shown = classes_to_show(matrix);
    let n = shown.len();
    let mut counts = Array2::<f64>::zeros((n, n));
    let mut totals = vec![0.0; n];
    for (truth, decided, count) in matrix.cells() {
        let Ok(row) = shown.binary_search(&truth) else { continue };
        totals[row] += count;
        if let Ok(column) = shown.binary_search(&decided) {
            counts[[row, column]] += count;
        }
    }
    let name = |at: usize| {
        let class = shown[at];
        let name = classes.get(class).map_or_else(|| class.to_string(), |name| name.as_ref().to_owned());
        cut(&name, 120.0)
    };
    let widest = (0..n).map(|class| width_of(&name(class))).fold(0.0, f64::max);
    let cell = match n {
        ..=4 => 84.0,
        5..=8 => 64.0,
        9..=12 => 52.0,
        _ => 22.0,
    };
    let has_room = cell >= 52.0;
    let longest = counts.iter().map(|&count| width_of(&text_of(count))).fold(0.0, f64::max);
    let cell = if has_room { f64::max(cell, longest + 8.0) } else { cell };
    let (left, top) = (widest + 50.0, 76.0);
    let across = widest + 16.0 > cell;
    let below = if across { widest + 16.0 } else { 24.0 };
    let side = cell * n as f64;
    let size = [(left + side + 24.0).max(width_of(title) + 24.0).max(220.0), top + side + below + 16.0];
    let mut drawing = Drawing::new(title, size);
    drawing.text([12.0, 20.0], Anchor::Start, Pen::INK, title);
    drawing.text([left + 0.5 * side, top - 12.0], Anchor::Middle, Pen::INK, "decided");
    drawing.text_upwards([18.0, top + 0.5 * side], Anchor::Middle, Pen::INK, "true");
    let aside = match matrix.n_classes() {
        all if all > n => format!("share of the true class; {n} of {all} classes, those with most mistakes"),
        _ => "count, and share of the true class".to_owned(),
    };
    drawing.text([12.0, 40.0], Anchor::Start, Pen::ASIDE, &aside);
    for truth in 0..n {
        let y = top + cell * truth as f64;
        let total = totals[truth];
        drawing.text([left - 8.0, y + 0.5 * cell + 4.0], Anchor::End, Pen::INK, &name(truth));
        for decided in 0..n {
            let x = left + cell * decided as f64;
            let count = counts[[truth, decided]];
            let share = if total > 0.0 { count / total } else { 0.0 };
            drawing.bar([x, y], [cell, cell], Pen::colour(0).opacity((0.95 * share).clamp(0.0, 0.95)));
            drawing.frame([x, y], [cell, cell], Pen::GRID);
            if has_room {
                let pen = if share > 0.5 { Pen::PAPER } else { Pen::INK };
                let middle = x + 0.5 * cell;
                drawing.text([middle, y + 0.5 * cell - 2.0], Anchor::Middle, pen, &text_of(count));
                let share = format!("{:.0} %", 100.0 * share);
                drawing.text([middle, y + 0.5 * cell + 15.0], Anchor::Middle, pen, &share);
            }
        }
    }
    for decided in 0..n {
        let x = left + cell * (decided as f64 + 0.5);
        match across {
            true => drawing.text_upwards([x + 4.0, top + side + 8.0], Anchor::End, Pen::INK, &name(decided)),
            false => drawing.text([x, top + side + 18.0], Anchor::Middle, Pen::INK, &name(decided)),
        }
    }
    drawing.svg()
}

/// A picture of more classes could not be read.
const MOST_CLASSES: usize = 100;

/// All classes, or, where there are too many, those with most mistakes to and from them; in order.
fn classes_to_show(matrix: &ConfusionMatrix) -> Vec<usize> {
    let n = matrix.n_classes();
    if n <= MOST_CLASSES {
        return (0..n).collect();
    }
    let mut mistakes = vec![0.0; n];
    for (truth, decided, count) in matrix.cells().filter(|(truth, decided, _)| truth != decided) {
        mistakes[truth] += count;
        mistakes[decided] += count;
    }
    let mut classes: Vec<usize> = (0..n).collect();
    classes.sort_by(|&a, &b| mistakes[b].total_cmp(&mistakes[a]));
    classes.truncate(MOST_CLASSES);
    classes.sort_unstable();
    classes
}
