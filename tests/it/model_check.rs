//! One line checks all derivatives of a model, and a mistake is found where it is: in a task, in what all share, or
//! on the way to the inputs.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::gradcheck::Verdict;
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use polytask::loss::{Labels, LossFunction};
use polytask::prelude::*;
use polytask::{GradientChecks, Scalar};

/// `y = 3 x`, whose propagate multiplies by `slope`.
#[derive(Clone, Debug)]
struct Triple {
    slope: f64,
}

#[derive(Debug)]
struct BuiltTriple {
    slope: f64,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuildLayer<F> for Triple {
    fn build(&self, context: &mut BuildContext<'_>) -> polytask::Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        Ok(Box::new(BuiltTriple { slope: self.slope, input, output: context.activations(input.width()) }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltTriple {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, _pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        y.zip_mut_with(&x, |y, &x| *y = F::from_f64(3.0) * x);
    }

    fn propagate(&self, _pass: &Pass<'_, F>, _values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        to.entrywise(deltas, self.output, self.input, |_, _, dy| F::from_f64(self.slope) * dy);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    fn gradient(&self, _chunks: &[Chunk<F>], _lane: usize, _piece: Range<usize>, _gradient: &mut [F]) {}
}

/// `(y − t)⁴`; only with a slope of 4 is its delta right.
#[derive(Debug)]
struct Quartic {
    slope: f64,
}

impl<F: Scalar> LossFunction<F> for Quartic {
    fn value_and_delta(
        &self,
        y: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let (total, mut value) = (F::from_f64(labels.total_weight()), F::ZERO);
        for (at, delta) in delta.indexed_iter_mut() {
            let r = y[at] - labels.targets[at];
            let missing = r.is_nan();
            value += if missing { F::ZERO } else { labels.weight(at.0) * r.powi(4) / total };
            let slope = F::from_f64(self.slope) * labels.weight(at.0) / total;
            *delta = if missing { F::ZERO } else { slope * r.powi(3) };
        }
        value
    }
}

/// Three tasks of unlike kinds, standardised, a third of the labels missing, examples weighted.
fn check(layer: f64, loss: f64) -> GradientChecks {
    let data = datasets::mixed_tasks::<f64>(24, 0.3, 7)
        .with_weights((0..24).map(|row| [1.0, 0.0, 2.5][row % 3]).collect())
        .expect("weights");
    let mut model = Model::builder(data.n_features())
        .trunk([Layer::custom(Triple { slope: layer }), Layer::dense(6, Activation::Relu)])
        .task(Task::new("value", Loss::custom(Quartic { slope: loss })).weight(0.3))
        .task(Task::binary("accepted").head([Layer::dense(4, Activation::Tanh)]))
        .task(Task::classes("grade", 5).weight(2.0))
        .standardize()
        .seed(1)
        .build::<f64>()
        .expect("valid settings");
    model.fit_scaling(&data).expect("a table that fits");
    model.check_gradients(&data.all()).expect("a table that fits")
}

fn blamed(report: &polytask::gradcheck::Report) -> Vec<&str> {
    report.failed().map(|block| block.name.as_str()).collect()
}

#[test]
fn what_is_right_passes() {
    let checks = check(3.0, 4.0);
    assert!(checks.passed(), "{checks}");
    let names: Vec<&str> = checks.tasks.iter().map(|(task, _)| task.as_str()).collect();
    assert_eq!(names, ["value", "accepted", "grade"]);
    for report in checks.tasks.iter().map(|(_, report)| report).chain([&checks.sum]) {
        assert_eq!(report.block("inputs").expect("inputs are checked").shape, (24, 8));
        assert!(report.blocks.len() > 8);
    }
    assert!(checks.to_string().contains("passed"));
}

#[test]
fn a_wrong_loss_is_found_in_its_task_alone() {
    let checks = check(3.0, 4.1);
    assert_eq!(checks.sum.verdict, Verdict::Fail);
    let verdicts: Vec<bool> = checks.tasks.iter().map(|(_, report)| report.passed()).collect();
    assert_eq!(verdicts, [false, true, true], "{checks}");
    let text = checks.to_string();
    assert!(text.contains("The loss of task \"value\"") && !text.contains("The loss of task \"grade\""));
}

#[test]
fn a_wrong_layer_at_the_bottom_is_seen_at_the_inputs() {
    let checks = check(1.0, 4.0);
    assert_eq!(blamed(&checks.sum), ["inputs"], "{checks}");
    for (task, report) in &checks.tasks {
        assert_eq!(blamed(report), ["inputs"], "{task}\n{checks}");
    }
}

#[test]
fn a_product_of_tasks_is_checked_through() {
    let click = |row: usize| f64::from(row.is_multiple_of(2));
    let features = ndarray::Array2::from_shape_fn((30, 3), |(i, j)| ((i * 3 + j) as f64).sin());
    let targets = ndarray::Array2::from_shape_fn((30, 2), |(i, j)| {
        if j == 0 { click(i) } else { click(i) * f64::from(i.is_multiple_of(3)) }
    });
    let data = Dataset::new(features, targets)
        .and_then(|data| data.with_target_names(["click", "buy"]))
        .expect("a table");
    let model = Model::builder(3)
        .trunk([Layer::dense(5, Activation::Tanh)])
        .task(Task::binary("click"))
        .task(Task::binary("rate").without_loss())
        .task(Task::product("buy", ["click", "rate"]))
        .build::<f64>()
        .expect("valid settings");
    let checks = model.check_gradients(&data.all()).expect("a table that fits");
    assert!(checks.passed() && checks.tasks.len() == 2, "{checks}");
}

#[test]
fn a_batch_that_does_not_fit_is_an_error() {
    let data = datasets::mixed_tasks::<f64>(10, 0.0, 1);
    let model = Model::builder(data.n_features()).task(Task::regression("price")).build::<f64>().unwrap();
    assert!(model.check_gradients(&data.all()).unwrap_err().to_string().contains("price"));
}
