//! A table is evaluated in batches, and the numbers are those of all its rows at once.

use ndarray::Array1;
use polytask::loss::Labels;
use polytask::prelude::*;

/// A table of many batches, as long queries as batches allow and longer, in rows that are not next to each other.
fn table(longest: usize) -> Dataset<f64> {
    let n = 6_000;
    let data = datasets::mixed_tasks::<f64>(n, 0.3, 5);
    let groups = (0..n as u64).map(|row| if (row as usize) < 2 * longest { row % 2 } else { 2 + row % 97 });
    let weights = Array1::from_shape_fn(n, |row| [1.0, 0.5, 0.0, 2.0][row % 4]);
    data.with_groups(groups.collect()).and_then(|data| data.with_weights(weights)).expect("a table")
}

fn model() -> Model<f64> {
    let tasks = [
        Task::regression("value"),
        Task::new("spread", Loss::quantiles([0.1, 0.9])).columns(["value"]),
        Task::binary("accepted").metric(Metric::LogLoss),
        Task::classes("grade", 5).metric(Metric::RocAuc),
        Task::new("order", Loss::lambda_rank()).columns(["relevance"]).metric(Metric::MeanAveragePrecision),
    ];
    let start = Model::builder(8).trunk([Layer::dense(10, Activation::Tanh)]).seed(3);
    tasks.into_iter().fold(start, |builder, task| builder.task(task)).build().expect("valid settings")
}

#[test]
fn batches_do_not_show() {
    for longest in [20, 1_500] {
        let (data, model) = (table(longest), model());
        let report = model.evaluate(&data).expect("a table that fits");

        let mut trace = model.trace(data.n_rows());
        let all: Vec<usize> = (0..data.n_rows()).collect();
        model.forward(&data.batch(&all), &mut trace).expect("a table that fits");
        for (task, &loss) in report.tasks().iter().zip(trace.losses()) {
            // Thousands of terms, summed in another order.
            approx::assert_relative_eq!(task.loss, loss, max_relative = 1e-12);
        }

        let predicted = model.predict(data.features()).expect("features that fit");
        let judged = |task: &str, column: usize, metric: Metric| {
            let targets = data.targets().slice_move(ndarray::s![.., column..=column]);
            let labels = Labels { targets: targets.view(), weights: data.weights(), groups: data.groups() };
            (report[task].score(&metric.name()), metric.evaluate(predicted[task].view(), &labels))
        };
        for (found, expected) in [
            judged("value", 0, Metric::R2),
            judged("accepted", 1, Metric::RocAuc),
            judged("accepted", 1, Metric::AveragePrecision),
            judged("accepted", 1, Metric::LogLoss),
            judged("grade", 2, Metric::RocAuc),
            judged("order", 3, Metric::MeanReciprocalRank),
            judged("order", 3, Metric::MeanAveragePrecision),
        ] {
            assert!(expected.is_some());
            assert_eq!(found, expected, "to the bit");
        }
    }
}

/// Labels of rows without weight are not counted, and what is decided is told class by class.
#[test]
fn what_is_counted_is_what_was_used() {
    let (data, model) = (table(20), model());
    let report = model.evaluate(&data).expect("a table that fits");
    let weights = data.weights().expect("weights");
    let predicted = model.predict(data.features()).expect("features that fit");
    for (task, column) in [("value", 0), ("accepted", 1), ("grade", 2), ("order", 3)] {
        let used: Vec<usize> = (0..data.n_rows())
            .filter(|&row| weights[row] > 0.0 && !data.target_row(row)[column].is_nan())
            .collect();
        assert_eq!(report[task].n_labels, used.len(), "{task}");
        let Some(confusion) = &report[task].confusion else { continue };
        let classes = if task == "accepted" { 2 } else { 5 };
        let mut counts = ndarray::Array2::<f64>::zeros((classes, classes));
        for row in used {
            let p = predicted[task].row(row).to_vec();
            let decided = match p.as_slice() {
                [p] => usize::from(*p > 0.5),
                p => (0..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best }),
            };
            counts[[data.target_row(row)[column] as usize, decided]] += weights[row];
        }
        // Weights are halves: sums are exact.
        assert_eq!(confusion.counts(), counts, "{task}");
        let right = counts.diag().sum() / counts.sum();
        approx::assert_relative_eq!(
            report[task].score("accuracy").expect("a score"),
            right,
            max_relative = 1e-15
        );
    }
    let of_decisions = |task: &str| report[task].confusion.is_some();
    assert_eq!(
        ["value", "spread", "accepted", "grade", "order"].map(of_decisions),
        [false, false, true, true, false]
    );
}
