//! Plots of a training, from its history.

use ndarray::{Array1, ArrayView1};

use super::chart::{Axis, Chart, sheet};
use super::drawing::Pen;
use crate::train::History;

/// How many points a line has at most: more would not show.
const POINTS: usize = 200;

/// The loss of each task over the steps, a chart per task, since their units differ: of the batches and, where the
/// training was validated, of the validation data. Logarithmic for losses that are all positive. Where there is no label,
/// or a loss is not a number, the line has a gap, and its name says which of the two it was.
///
/// ```
/// use polytask::plot;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let history = Trainer::new(Adam::new(0.01)).steps(20).fit(&mut model, &data)?;
/// let svg = plot::learning_curves(&history);
/// assert!(svg.starts_with("<svg") && svg.contains("elbow"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn learning_curves(history: &History) -> String {
    let charts: Vec<Chart> = (history.tasks().iter().enumerate())
        .map(|(k, task)| {
            let batches = curve(history, history.losses().column(k));
            let validations = history.validations().iter().map(|v| (v.step as f64, v.losses[k]));
            let validation: Vec<[f64; 2]> =
                validations.clone().map(|(step, loss)| [step, loss.unwrap_or(f64::NAN)]).collect();
            let mut losses = batches.iter().chain(&validation).map(|point| point[1]);
            let axis = if losses.all(|loss| loss > 0.0 || loss.is_nan()) { Axis::log } else { Axis::linear };
            let no_label = history.losses().column(k).iter().all(|loss| loss.is_nan());
            let name = if no_label { "batches: no label" } else { "batches" };
            let chart = Chart::new(task, Axis::linear("step"), axis("loss")).line(name, batches);
            let chart = match validation.is_empty() {
                true => chart,
                false => chart.line(validation_name(validations.map(|(_, loss)| loss)), validation),
            };
            match history.tasks().len() {
                1 => chart,
                _ => chart.size(400.0, 300.0),
            }
        })
        .collect();
    sheet("Loss of each task during training", &charts, 2).svg()
}

/// The name of the line of a task's validation losses, which says what its gaps are.
fn validation_name(losses: impl Iterator<Item = Option<f64>> + Clone) -> String {
    let (n, present) = (losses.clone().count(), losses.clone().flatten().count());
    let not_numbers = losses.flatten().filter(|loss| loss.is_nan()).count();
    let mut gaps = Vec::new();
    if present < n {
        gaps.push(if present == 0 {
            "no label".to_owned()
        } else {
            format!("no label in {} of {n}", n - present)
        });
    }
    if not_numbers > 0 {
        gaps.push(format!("not a number in {not_numbers} of {n}"));
    }
    if gaps.is_empty() { "validation".to_owned() } else { format!("validation: {}", gaps.join(", ")) }
}

/// The weight of each task over the steps. Equal and constant weights are lines on top of each other.
///
/// ```
/// use polytask::plot;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let history = Trainer::new(Adam::new(0.01)).steps(20).fit(&mut model, &data)?;
/// let svg = plot::task_weights(&history);
/// assert!(svg.starts_with("<svg") && svg.contains("shoulder"));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn task_weights(history: &History) -> String {
    let chart = Chart::new("Weights of the tasks", Axis::linear("step"), Axis::linear("weight"));
    let tasks = history.tasks().iter().enumerate();
    tasks
        .fold(chart, |chart, (k, task)| chart.line(task, curve(history, history.weights().column(k))))
        .drawing()
        .svg()
}

/// How many pairs of tasks are drawn at most.
const PAIRS: usize = 10;

/// The cosine between the gradients of each pair of tasks over the steps; of more than ten pairs, the ten whose
/// cosine is lowest on average. `None` unless the [balancing method](crate::Trainer::balance) looked at gradients
/// and there are two tasks.
///
/// ```
/// use polytask::balance::UpGrad;
/// use polytask::plot;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let mut model = Model::builder(data.n_features())
///     .trunk([Layer::dense(10, Activation::Relu)])
///     .task(Task::regression("shoulder"))
///     .task(Task::regression("elbow"))
///     .build::<f64>()?;
/// let trainer = Trainer::new(Adam::new(0.01)).steps(20);
/// let plain = trainer.fit(&mut model, &data)?;
/// assert!(plot::gradient_cosines(&plain).is_none());
/// let history = trainer.balance(UpGrad::new()).fit(&mut model, &data)?;
/// assert!(plot::gradient_cosines(&history).is_some_and(|svg| svg.contains("shoulder · elbow")));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn gradient_cosines(history: &History) -> Option<String> {
    let tasks = history.tasks();
    history.gradient_norms()?;
    let mut pairs: Vec<(f64, String, Vec<[f64; 2]>)> = Vec::new();
    for high in 1..tasks.len() {
        for low in 0..high {
            let cosines = history.cosines(low, high)?;
            let name = format!("{} · {}", tasks[low], tasks[high]);
            pairs.push((mean(cosines.iter().copied()), name, curve(history, cosines)));
        }
    }
    let n_pairs = pairs.len();
    if n_pairs == 0 {
        return None;
    }
    let mut title = String::from("Cosines between the gradients of the tasks");
    if n_pairs > PAIRS {
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.truncate(PAIRS);
        title += &format!(", the {PAIRS} lowest of {n_pairs} pairs");
    }
    let zero = [[0.0, 0.0], [history.n_steps() as f64, 0.0]];
    let y = Axis::linear("cosine").range(-1.0, 1.0);
    let chart = (pairs.into_iter())
        .fold(Chart::new(title, Axis::linear("step"), y), |chart, (_, name, line)| chart.line(name, line));
    Some(chart.line_with(Pen::ASIDE, "", zero).drawing().svg())
}

/// How the gradients of the tasks got on over the steps, in four charts: the length of each; the share of the pairs
/// in conflict; the least similarity of two lengths; the condition number, from 1 for gradients at right angles and of
/// equal length. `None` as for [`gradient_cosines`].
///
/// The numbers are explained at [`Diagnostics`](crate::balance::diagnostics::Diagnostics).
///
/// ```
/// use polytask::balance::UpGrad;
/// use polytask::plot;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
/// let builder = Model::builder(10).trunk([Layer::dense(10, Activation::Relu)]);
/// let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
/// let trainer = Trainer::new(Adam::new(0.01)).steps(20).balance(UpGrad::new());
/// let history = trainer.fit(&mut builder.build::<f64>()?, &data)?;
/// let svg = plot::gradient_diagnostics(&history).expect("UPGrad looks at gradients");
/// assert!(["Pairs in conflict", "Condition number"].iter().all(|title| svg.contains(title)));
/// # Ok::<(), polytask::Error>(())
/// ```
pub fn gradient_diagnostics(history: &History) -> Option<String> {
    let (tasks, norms) = (history.tasks(), history.gradient_norms()?);
    if tasks.len() < 2 {
        return None;
    }
    let numbers: Vec<[f64; 3]> = (0..norms.nrows())
        .map(|record| {
            history.diagnostics(record).map_or([f64::NAN; 3], |record| {
                let similarities = record.magnitude_similarity.iter().copied();
                [record.conflicting, similarities.fold(f64::INFINITY, f64::min), record.condition]
            })
        })
        .collect();
    let chart = |title: &str, y: Axis| Chart::new(title, Axis::linear("step"), y).size(400.0, 300.0);
    let share = |name: &str| Axis::linear(name).range(0.0, 1.0);
    let single = |title: &str, y: Axis, i: usize| {
        let numbers: Array1<f64> = numbers.iter().map(|numbers| numbers[i]).collect();
        chart(title, y).line("", curve(history, numbers.view()))
    };
    let lengths = (tasks.iter().enumerate())
        .fold(chart("Lengths of the gradients", Axis::log("length")), |chart, (k, task)| {
            chart.line(task, curve(history, norms.column(k)))
        });
    let charts = [
        lengths,
        single("Pairs in conflict", share("share"), 0),
        single("Least similarity of two lengths", share("similarity"), 1),
        single("Condition number", Axis::log("condition"), 2),
    ];
    Some(sheet("The tasks' gradients during training", &charts, 2).svg())
}

/// The records at their steps, as means over stretches if there are many.
fn curve(history: &History, records: ArrayView1<'_, f64>) -> Vec<[f64; 2]> {
    let stretch = records.len().div_ceil(POINTS).max(1);
    let (interval, n_steps) = (history.interval() as f64, history.n_steps() as f64);
    let values: Vec<f64> = records.to_vec();
    values
        .chunks(stretch)
        .enumerate()
        .map(|(i, chunk)| {
            let first = (i * stretch) as f64 * interval;
            let last = (first + chunk.len() as f64 * interval).min(n_steps);
            [0.5 * (first + 1.0 + last), mean(chunk.iter().copied())]
        })
        .collect()
}

/// The mean of the finite numbers; NaN if there is none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|x| x.is_finite()).fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}
