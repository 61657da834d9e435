//! A task that is the product of two others: its loss and its gradients agree with PyTorch and with finite
//! differences, for every sharing form and every way to the gradient; and a factor without labels is learnt.

use ndarray::{Array2, array};
use polytask::balance::{Aggregate, DbMtlMomentum, Equal, ExcessMtl, GradDrop, MoCo, TaskGradients, Weights};
use polytask::layer::Mode;
use polytask::prelude::*;
use polytask::{ErrorKind, gradcheck};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// Clicks and purchases of Ma et al. (2018), a number beside them, and a product of a product.
fn builder(sharing: Sharing) -> polytask::ModelBuilder {
    Model::builder(3)
        .sharing(sharing)
        .task(Task::binary("clicked").head([Layer::dense(4, Activation::Tanh)]))
        .task(Task::binary("bought_if_clicked").without_loss().head([Layer::dense(3, Activation::Tanh)]))
        .task(Task::product("bought", ["clicked", "bought_if_clicked"]).weight(0.7))
        .task(Task::regression("price"))
        .task(Task::binary("kept_if_bought"))
        .task(Task::product("kept", ["bought", "kept_if_bought"]).weight(1.3))
        .seed(5)
}

fn forms() -> Vec<(&'static str, Sharing)> {
    let layers = || [Layer::dense(5, Activation::Tanh), Layer::dense(4, Activation::Silu)];
    vec![
        ("trunk", Sharing::shared_trunk(layers())),
        ("independent", Sharing::independent(layers())),
        ("no layers", Sharing::shared_trunk(Vec::<Layer>::new())),
    ]
}

/// More rows than a chunk has. One label in four is missing; the table has no column for the task without a loss.
fn table() -> Dataset<f64> {
    let mut draws = ChaCha8Rng::seed_from_u64(3);
    let features = Array2::from_shape_fn((262, 3), |_| draws.random_range(-2.0..2.0));
    let mut targets = Array2::from_shape_fn((262, 5), |_| f64::from(draws.random_bool(0.4)));
    targets.mapv_inplace(|t| if draws.random_bool(0.25) { f64::NAN } else { t });
    let names = ["clicked", "bought", "price", "kept_if_bought", "kept"];
    Dataset::new(features, targets).and_then(|data| data.with_target_names(names)).expect("a table")
}

#[test]
fn losses_and_gradients_agree_with_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("../golden/products.json")).expect("json");
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let matrix = |name: &str| {
        let rows = golden[name].as_array().expect("rows");
        Array2::from_shape_fn((rows.len(), 2), |(i, j)| number(&rows[i][j]))
    };
    let logits = matrix("logits");
    let n = logits.nrows();
    let targets = Array2::from_shape_fn((n, 2), |(i, j)| number(&golden[["clicked", "bought"][j]][i]));
    let data = Dataset::new(logits, targets).and_then(|data| data.with_target_names(["clicked", "bought"]));
    let data = data.expect("a table");

    // Heads that hand the features on, so that ∂L/∂x is ∂L/∂logits.
    let mut model = Model::builder(2)
        .task(Task::binary("clicked"))
        .task(Task::binary("bought_if_clicked").without_loss())
        .task(Task::product("bought", ["clicked", "bought_if_clicked"]))
        .build::<f64>()
        .expect("valid settings");
    let blocks = ["clicked", "bought_if_clicked"]
        .map(|task| model.network().layout().block(&format!("head.{task}.0.weight")).expect("a head"));
    model.parameters_mut().fill(0.0);
    for (feature, block) in blocks.into_iter().enumerate() {
        block.of_mut(model.parameters_mut())[[feature, 0]] = 1.0;
    }

    let mut trace = model.trace(n).with_input_gradient();
    model.forward(&data.all(), &mut trace).expect("a table that fits");
    // Both sides round in f64 and sum 15 terms, of which the largest is 1400.
    approx::assert_relative_eq!(trace.losses()[0], number(&golden["click_loss"]), max_relative = 1e-14);
    approx::assert_relative_eq!(trace.losses()[2], number(&golden["product_loss"]), max_relative = 1e-14);
    assert_eq!((trace.losses()[1], trace.labelled()), (0.0, &[true, false, true][..]));
    let mut gradient = vec![0.0; model.n_parameters()];
    for (task, name) in [(0, "gradient_of_click"), (2, "gradient_of_product")] {
        let only: Vec<f64> = (0..3).map(|k| f64::from(k == task)).collect();
        let weights = Weights { shared: only.clone(), own: only };
        model.backward(&mut trace, &weights, &mut gradient);
        // PyTorch takes differences of logarithms where this crate does not: 1e-16 of 700 in 1/14.
        let found = model.network().input_gradient(&trace);
        for (by_hand, torch) in found.iter().zip(&matrix(name)) {
            approx::assert_abs_diff_eq!(by_hand, torch, epsilon = 1e-14);
        }
    }
    let predicted = model.predict(data.features()).expect("features that fit");
    for (row, expected) in golden["product"].as_array().expect("numbers").iter().enumerate() {
        approx::assert_relative_eq!(predicted["bought"][[row, 0]], number(expected), max_relative = 1e-13);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let data = table();
    for (name, sharing) in forms() {
        let model = builder(sharing).build::<f64>().expect("valid settings");
        let mut trace = model.trace(262);
        let loss = |theta: &[f64], probe: &mut gradcheck::Probe<'_, f64>| {
            model.probe(theta, &data.all(), &mut trace, probe)
        };
        let report = gradcheck::check(model.parameters(), loss).named(model.network().layout()).run();
        assert!(report.passed(), "{name}: {report}");
    }
}

/// Whatever the weights: shared parameters take Σ sharedₖ ∇ₖ, all others Σ ownₖ ∇ₖ, before the Gramian was asked
/// for and after, and the Gramian is that of the ∇ₖ.
#[test]
fn all_ways_to_the_gradient_agree() {
    let data = table();
    for (name, sharing) in forms() {
        let model = builder(sharing).build::<f64>().expect("valid settings");
        let (k, n, n_shared) = (6, model.n_parameters(), model.network().layout().n_shared());
        let gradient = |weights: &Weights, gramian_first: bool| {
            let (mut trace, mut gradient) = (model.trace(262), vec![f64::NAN; n]);
            model.forward(&data.all(), &mut trace).expect("a table that fits");
            if gramian_first {
                model.network().gramian(&model.pass(Mode::Train), &mut trace);
            }
            model.backward(&mut trace, weights, &mut gradient);
            gradient
        };
        let alone = |task: usize| {
            let only: Vec<f64> = (0..k).map(|l| f64::from(l == task)).collect();
            gradient(&Weights { shared: only.clone(), own: only }, false)
        };
        let of_tasks: Vec<Vec<f64>> = (0..k).map(alone).collect();
        assert!(of_tasks[1].iter().all(|&g| g == 0.0), "{name}: a task without a loss asks for nothing");

        let mut trace = model.trace(262);
        model.forward(&data.all(), &mut trace).expect("a table that fits");
        let gramian = model.network().gramian(&model.pass(Mode::Train), &mut trace).to_owned();
        let dot = |i: usize, j: usize| -> f64 {
            of_tasks[i][..n_shared].iter().zip(&of_tasks[j][..n_shared]).map(|(a, b)| a * b).sum()
        };
        for i in 0..k {
            for j in 0..k {
                approx::assert_relative_eq!(gramian[[i, j]], dot(i, j), max_relative = 1e-13);
            }
        }

        let (shared, own) = ([0.3, 1.0, 0.0, 2.0, 0.5, 1.5], [1.0, 1.0, 1.0, 0.2, 0.0, 0.9]);
        for (shared, own) in [(shared, own), (own, own), (own, shared)] {
            let weights = Weights { shared: shared.to_vec(), own: own.to_vec() };
            for gramian_first in [false, true] {
                for (i, found) in gradient(&weights, gramian_first).into_iter().enumerate() {
                    let weights = if i < n_shared { shared } else { own };
                    let expected: f64 =
                        weights.iter().zip(&of_tasks).map(|(w, of_task)| w * of_task[i]).sum();
                    // Six terms and the rows of a batch are summed in another order.
                    approx::assert_abs_diff_eq!(found, expected, epsilon = 1e-15);
                }
            }
        }
    }
}

/// Purchases are seen after clicks alone, yet the probability of a purchase is learnt for all rows.
#[test]
fn a_factor_without_labels_is_learnt() {
    let mut draws = ChaCha8Rng::seed_from_u64(11);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let features = Array2::from_shape_fn((4000, 2), |_| draws.random_range(-2.0..2.0));
    let truth = |x: ndarray::ArrayView1<'_, f64>| [sigmoid(1.5 * x[0]), sigmoid(x[1] - x[0])];
    let mut targets = Array2::zeros((4000, 2));
    for (x, mut t) in features.rows().into_iter().zip(targets.rows_mut()) {
        let [click, purchase] = truth(x);
        t[0] = f64::from(draws.random_bool(click));
        t[1] = t[0] * f64::from(draws.random_bool(purchase));
    }
    let data = Dataset::new(features, targets).and_then(|data| data.with_target_names(["clicked", "bought"]));
    let data = data.expect("a table");
    let mut model = Model::builder(2)
        .task(Task::binary("clicked"))
        .task(Task::binary("bought_if_clicked").without_loss())
        .task(Task::product("bought", ["clicked", "bought_if_clicked"]))
        .build::<f64>()
        .expect("valid settings");
    Trainer::new(Adam::new(0.03)).batch_size(200).epochs(15).fit(&mut model, &data).expect("a training");
    let predicted = model.predict(data.features()).expect("features that fit");
    for (task, factor) in [("clicked", 0), ("bought_if_clicked", 1)] {
        let error = |(p, x): (&f64, _)| (p - truth(x)[factor]).abs();
        let mean = predicted[task].iter().zip(data.features().rows()).map(error).sum::<f64>() / 4000.0;
        // Two thousand purchases or more tell three parameters to about 0.05 each; chance would be 0.25.
        assert!(mean < 0.03, "{task}: mean error {mean} of the probability");
    }
    let report = model.evaluate(&data).expect("a table that fits");
    let unseen = &report["bought_if_clicked"];
    assert!(unseen.loss.is_nan() && unseen.n_labels == 0 && unseen.score("roc_auc").is_none());
    let total = report["clicked"].loss + report["bought"].loss;
    assert_eq!(report.total_loss(), total);
}

/// Where the table has its column, a task without a loss is judged, but not trained.
#[test]
fn labels_of_a_task_without_a_loss_are_for_its_metrics() {
    let targets = array![[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, f64::NAN, 0.0], [1.0, 1.0, 1.0]];
    let names = ["clicked", "bought_if_clicked", "bought"];
    let features = array![[1.0], [2.0], [3.0], [0.5]];
    let data =
        Dataset::new(features, targets).and_then(|data| data.with_target_names(names)).expect("a table");
    let train = |columns: &[usize]| {
        let targets = data.targets().select(ndarray::Axis(1), columns);
        let names = columns.iter().map(|&column| names[column]);
        let data =
            Dataset::new(data.features().to_owned(), targets).and_then(|data| data.with_target_names(names));
        let mut model = Model::builder(1)
            .task(Task::binary("clicked"))
            .task(Task::binary("bought_if_clicked").without_loss().metric(Metric::Brier))
            .task(Task::product("bought", ["clicked", "bought_if_clicked"]))
            .build::<f64>()
            .expect("valid settings");
        let data = data.expect("a table");
        Trainer::new(Sgd::new(0.5)).steps(20).fit(&mut model, &data).expect("a training");
        let report = model.evaluate(&data).expect("a table that fits");
        (model.parameters().to_vec(), report)
    };
    let ((with, judged), (without, not_judged)) = (train(&[0, 1, 2]), train(&[0, 2]));
    assert_eq!(with, without);
    assert_eq!((judged["bought_if_clicked"].n_labels, not_judged["bought_if_clicked"].n_labels), (3, 0));
    assert!(judged["bought_if_clicked"].score("brier").is_some());
    assert!(not_judged["bought_if_clicked"].score("brier").is_none());
}

#[test]
fn impossible_products_are_refused() {
    let refused = |tasks: Vec<Task>, kind: ErrorKind, says: &[&str]| {
        let builder = tasks.into_iter().fold(Model::builder(2), |builder, task| builder.task(task));
        let error = builder.build::<f32>().expect_err(says[0]);
        assert_eq!(error.kind(), kind, "{error}");
        for part in says {
            assert!(error.to_string().contains(part), "`{part}` is not in `{error}`");
        }
    };
    let product = || Task::product("p", ["a", "b"]);
    let (a, b) = (|| Task::binary("a"), || Task::binary("b"));
    refused(vec![a(), product()], ErrorKind::Name, &["task \"p\", factor \"b\"", "added before", "[\"a\"]"]);
    refused(vec![a(), product(), b()], ErrorKind::Name, &["factor \"b\""]);
    refused(
        vec![a(), Task::regression("b"), product()],
        ErrorKind::Setting,
        &["factor \"b\"", "yes-or-no", "mean_squared_error"],
    );
    refused(
        vec![a(), Task::multi_label("b", ["u", "v"]), product()],
        ErrorKind::Shape,
        &["factor \"b\"", "1 target column", "found 2"],
    );
    refused(
        vec![a(), b(), product().head([Layer::dense(3, Activation::Relu)])],
        ErrorKind::Setting,
        &["task \"p\"", "no head"],
    );
    refused(vec![a(), b().without_loss()], ErrorKind::Setting, &["task \"b\"", "a loss", "neither"]);
}

/// The direction that plain training takes: the sum of the tasks' gradients.
#[derive(Clone, Debug)]
struct Total;

impl Aggregate for Total {
    fn aggregate(&mut self, rows: &TaskGradients<'_>, direction: &mut [f64], _own: &mut [f64]) {
        direction.fill(0.0);
        rows.rows().for_each(|row| direction.iter_mut().zip(row).for_each(|(sum, g)| *sum += g));
    }
}

#[test]
fn methods_that_see_whole_gradients_train_products() -> polytask::Result<()> {
    let data = table();
    let trainer = || Trainer::new(Sgd::new(0.05)).batch_size(100).steps(6);
    let trained = |sharing: &Sharing, trainer: Trainer, threads: usize| {
        let mut model = builder(sharing.clone()).build::<f64>()?;
        let before = model.parameters().to_vec();
        trainer.threads(threads).fit(&mut model, &data)?;
        assert!(model.parameters().iter().all(|x| x.is_finite()) && model.parameters() != before);
        polytask::Result::Ok(model.parameters().to_vec())
    };
    let apart = builder(Sharing::independent([Layer::dense(5, Activation::Tanh)])).build::<f64>();
    let refused = trainer().aggregate(Total).fit(&mut apart?, &data).unwrap_err();
    assert!(refused.to_string().contains("parameters that tasks share"), "{refused}");
    for (name, sharing) in &forms()[..1] {
        let plain = trained(sharing, trainer().balance(Equal::sum()), 1)?;
        let total = trained(sharing, trainer().aggregate(Total), 1)?;
        let furthest = plain.iter().zip(&total).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(furthest < 1e-12, "{name}: {furthest:e}");
        for of in [
            |trainer: Trainer| trainer.aggregate(GradDrop::new(5)),
            |trainer: Trainer| trainer.aggregate(MoCo::new()),
            |trainer: Trainer| trainer.aggregate(ExcessMtl::new()),
            |trainer: Trainer| trainer.aggregate(DbMtlMomentum::new()),
        ] {
            assert_eq!(trained(sharing, of(trainer()), 1)?, trained(sharing, of(trainer()), 3)?, "{name}");
        }
    }
    Ok(())
}
