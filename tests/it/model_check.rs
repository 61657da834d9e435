//! One line checks all derivatives of a model, and a mistake is found where it is: in a task, in what all share, or
//! on the way to the inputs.

use ndarray::{ArrayView2, ArrayViewMut2};
use polytask::arena::{ActivationBlock, Arena};
use polytask::gradcheck::Verdict;
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use polytask::loss::{Labels, Loss, LossFunction};
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

fn blamed(report: &polytask::gradcheck::GradientReport) -> Vec<&str> {
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
    assert_eq!(checks.mistakes(), [("head.value.0", vec!["value"])], "{checks}");
    let text = checks.to_string();
    assert!(text.contains("is in head.value.0, seen in the loss of task \"value\"."), "{text}");
    assert!(
        text.starts_with(
            "gradient checks FAILED: the weighted sum of losses and the loss of task \"value\"\n"
        )
    );
    assert_eq!(reports(&text), 1, "{text}");
}

/// How many reports are printed.
fn reports(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("gradient check FAILED")).count()
}

/// One mistake in a layer that five tasks share is one report, which names the layer.
#[test]
fn a_mistake_that_all_tasks_see_is_told_once() {
    let names = ["a", "b", "c", "d", "e"];
    let features = ndarray::Array2::from_shape_fn((20, 3), |(i, j)| ((1 + i * 3 + j) as f64).sin());
    let targets = ndarray::Array2::from_shape_fn((20, 5), |(i, j)| ((2 + i + 7 * j) as f64).cos());
    let data = Dataset::new(features, targets).and_then(|data| data.with_target_names(names));
    let data = data.expect("a table");
    let mut builder = Model::builder(3).trunk([
        Layer::dense(4, Activation::Tanh),
        Layer::dense(4, Activation::Tanh),
        Layer::custom(Triple { slope: 2.0 }),
        Layer::dense(4, Activation::Tanh),
    ]);
    for name in names {
        builder = builder.task(Task::regression(name));
    }
    let checks = builder.build::<f64>().expect("valid settings").check_gradients(&data.all());
    let checks = checks.expect("a table that fits");
    assert!(!checks.sum.passed() && checks.tasks.iter().all(|(_, report)| !report.passed()));
    // `Triple` has no parameters: what comes out wrong first is the layer that its delta reaches.
    assert_eq!(checks.mistakes(), [("trunk.1", names.to_vec())], "{checks}");
    let text = checks.to_string();
    assert!(text.contains("is in trunk.1, seen alike in the loss of every task."), "{text}");
    assert_eq!(reports(&text), 1, "{text}");
}

#[test]
fn rankings_pass_and_what_is_not_tested_does_not() {
    let features = ndarray::Array2::from_shape_fn((12, 3), |(i, j)| ((1 + i * 3 + j) as f64).sin());
    let labels = ndarray::Array2::from_shape_fn((12, 1), |(i, _)| (i % 4) as f64);
    let groups = || (0..12).map(|row| row / 4).collect::<Vec<u64>>();
    let losses = [Loss::list_net(), Loss::list_mle(), Loss::lambda_rank(), Loss::rank_net()];
    for loss in losses {
        for trunk in [Activation::Tanh, Activation::Relu] {
            let data = Dataset::new(features.clone(), labels.clone())
                .and_then(|data| data.with_target_names(["clicks"])?.with_groups(groups()))
                .expect("a table");
            let model = Model::builder(3)
                .trunk([Layer::dense(6, trunk)])
                .task(Task::new("clicks", loss.clone()))
                .build::<f64>()
                .expect("valid settings");
            let checks = model.check_gradients(&data.all()).expect("a table that fits");
            assert!(checks.passed(), "{loss:?}\n{checks}");
        }
    }

    // A head without a label is not tested, bias or not; that is allowed where it is asked for.
    let data = datasets::robot_arm::<f64>(10, 0.0, 1);
    let targets = ndarray::Array2::from_shape_fn((10, 2), |(i, j)| match j {
        0 => f64::NAN,
        _ => data.targets()[[i, j]],
    });
    let data = Dataset::new(data.features().to_owned(), targets)
        .and_then(|data| data.with_target_names(["a", "b"]))
        .expect("a table");
    let model = Model::builder(data.n_features()).trunk([Layer::dense(4, Activation::Tanh)]);
    let model = model.task(Task::regression("a")).task(Task::regression("b")).build::<f64>();
    let model = model.expect("valid settings");
    let checks = model.check_gradients(&data.all()).expect("a table that fits");
    assert_eq!(checks.sum.verdict, Verdict::Inconclusive, "{checks}");
    assert!(checks.to_string().contains("model.gradient_check(&batch).allow_zero().run()"), "{checks}");
    let all = data.all();
    let one = model.gradient_check(&all).allow_zero_in("head.a.0.bias").run().expect("a table that fits");
    assert!(!one.passed(), "{one}");
    let both = model.gradient_check(&all).allow_zero_in("head.a.0.bias").allow_zero_in("head.a.0.weight");
    assert!(both.run().expect("a table that fits").passed());
    assert!(model.gradient_check(&all).allow_zero().run().expect("a table that fits").passed());
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

/// A new network on exclusive or: its biases are 0, so in the first row all units lie on their kinks.
fn exclusive_or(seed: u64, trunk: Vec<Layer>) -> (Model<f64>, Dataset<f64>) {
    let x = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let data = Dataset::new(x, ndarray::array![[0.0], [1.0], [1.0], [0.0]]).expect("a table");
    let data = data.with_target_names(["xor"]).expect("one name");
    let model = Model::builder(2).trunk(trunk).task(Task::binary("xor")).seed(seed).build::<f64>();
    (model.expect("valid settings"), data)
}

fn rectified(widths: &[usize]) -> Vec<Layer> {
    widths.iter().map(|&width| Layer::dense(width, Activation::Relu)).collect()
}

#[test]
fn units_on_their_kinks_are_no_mistake() {
    for widths in [&[4][..], &[8], &[8, 8]] {
        for seed in 0..40 {
            let (model, data) = exclusive_or(seed, rectified(widths));
            let checks = model.check_gradients(&data.all()).expect("a table that fits");
            assert_eq!(checks.sum.verdict, Verdict::Inconclusive, "{widths:?}, seed {seed}\n{checks}");
            assert!(checks.sum.on_kinks >= widths[0], "{checks}");
            let text = checks.to_string();
            assert!(text.contains("theta lies on a kink") && !text.contains("FAILED"), "{checks}");
            assert!(text.contains("model.gradient_check(&batch).off_kinks().run()"), "{checks}");
            let checks = model.gradient_check(&data.all()).off_kinks().run().expect("a table that fits");
            assert!(checks.passed(), "{widths:?}, seed {seed}\n{checks}");
        }
    }
}

#[test]
fn rows_of_zeros_are_no_mistake() {
    let source = datasets::robot_arm::<f64>(12, 0.05, 3);
    let mut features = source.features().to_owned();
    features.row_mut(4).fill(0.0);
    features.row_mut(9).fill(0.0);
    let names = source.target_names().to_vec();
    let data = Dataset::new(features, source.targets().to_owned())
        .and_then(|data| data.with_target_names(names))
        .expect("a table");
    for seed in 0..20 {
        let model = Model::builder(data.n_features())
            .trunk(rectified(&[10]))
            .task(Task::regression("shoulder"))
            .task(Task::regression("elbow"))
            .seed(seed)
            .build::<f64>()
            .expect("valid settings");
        let checks = model.check_gradients(&data.all()).expect("a table that fits");
        assert_eq!(checks.sum.verdict, Verdict::Inconclusive, "seed {seed}\n{checks}");
        assert_eq!(checks.sum.on_kinks, 20, "{checks}");
        let checks = model.gradient_check(&data.all()).off_kinks().run().expect("a table that fits");
        assert!(checks.passed(), "seed {seed}\n{checks}");
    }
}

#[test]
fn a_mistake_beside_units_on_their_kinks_is_found() {
    for seed in 0..10 {
        let wrong = Layer::custom(Triple { slope: 2.9 });
        let trunk = vec![Layer::dense(8, Activation::Relu), wrong];
        let (model, data) = exclusive_or(seed, trunk);
        let checks = model.check_gradients(&data.all()).expect("a table that fits");
        assert_eq!(checks.sum.verdict, Verdict::Fail, "seed {seed}\n{checks}");
        assert_eq!(blamed(&checks.sum)[..2], ["trunk.0.weight", "trunk.0.bias"], "{checks}");
    }
}

#[test]
fn a_batch_that_does_not_fit_is_an_error() {
    let data = datasets::mixed_tasks::<f64>(10, 0.0, 1);
    let model = Model::builder(data.n_features()).task(Task::regression("price")).build::<f64>().unwrap();
    assert!(model.check_gradients(&data.all()).unwrap_err().to_string().contains("price"));
}
