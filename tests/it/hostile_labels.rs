//! Labels that a task cannot take give errors that name the task, the row, what was expected and what was found;
//! the model is left as it was.

use ndarray::{Array1, Array2, array};
use polytask::prelude::*;
use polytask::{ErrorKind, Result};

/// Six rows with the given labels in the column `y`.
fn table(labels: [f64; 6]) -> Dataset<f64> {
    let features = Array2::from_shape_fn((6, 2), |(i, j)| (i * 2 + j) as f64 / 10.0);
    let targets = Array2::from_shape_vec((6, 1), labels.to_vec()).expect("six labels");
    Dataset::new(features, targets).and_then(|data| data.with_target_names(["y"])).expect("a table")
}

fn fit(task: Task, data: &Dataset<f64>) -> Result<()> {
    let mut model = Model::builder(2).task(task).standardize().build::<f64>()?;
    let before = model.parameters().to_vec();
    let outcome = Trainer::new(Adam::new(0.01)).steps(3).fit(&mut model, data).map(drop);
    assert!(
        outcome.is_ok() || model.parameters() == before,
        "a training that failed has moved the parameters"
    );
    outcome
}

#[track_caller]
fn refused(outcome: Result<()>, kind: ErrorKind, says: &[&str]) {
    let error = outcome.expect_err("was accepted");
    for part in says {
        assert!(error.to_string().contains(part), "`{part}` is not in `{error}`");
    }
    assert_eq!(error.kind(), kind, "{error}");
}

const NAN: f64 = f64::NAN;

#[test]
fn labels_outside_the_kind_of_the_task() {
    let cases: &[(Task, f64, &[&str])] = &[
        (Task::binary("y"), 0.5, &["0 or 1", "found 0.5"]),
        (Task::binary("y"), -1.0, &["0 or 1", "found -1"]),
        (Task::multi_label("tags", ["y"]), 2.0, &["0 or 1", "found 2"]),
        (Task::classes("y", 3), 3.0, &["0 to 2", "found 3"]),
        (Task::classes("y", 3), 1.5, &["whole number", "found 1.5"]),
        (Task::ordinal("y", 4), -1.0, &["0 to 3", "found -1"]),
        (Task::count("y"), -2.0, &["from 0", "found -2"]),
        (Task::new("y", Loss::lambda_rank()), 40.0, &["31", "found 40"]),
    ];
    for (task, label, says) in cases {
        let data = table([1.0, NAN, 0.0, 1.0, *label, 1.0]);
        let name = format!("task {:?}, row 4, target column 0", task.name());
        let mut says = says.to_vec();
        says.push(&name);
        refused(fit(task.clone().columns(["y"]), &data), ErrorKind::Value, &says);
        let model =
            Model::builder(2).task(task.clone().columns(["y"])).build::<f64>().expect("valid settings");
        refused(model.evaluate(&data).map(drop), ErrorKind::Value, &says);
    }
}

#[test]
fn nothing_to_learn_from() {
    let none: &[&str] = &["task \"y\"", "a label with a weight above 0", "none in 6 rows"];
    let lists: &[&str] = &["task \"y\"", "two labels that differ", "none in 6 rows", "groups"];
    let tasks = [
        Task::regression("y"),
        Task::binary("y"),
        Task::classes("y", 3),
        Task::ordinal("y", 3),
        Task::count("y"),
        Task::new("y", Loss::gaussian()),
        Task::new("y", Loss::quantiles([0.1, 0.9])),
    ];
    for task in tasks {
        refused(fit(task.clone(), &table([NAN; 6])), ErrorKind::Value, none);
        // The only labels stand in rows that do not count.
        let weights = Array1::from_vec(vec![0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        let data = table([1.0, 0.0, NAN, NAN, NAN, NAN]).with_weights(weights).expect("weights");
        refused(fit(task, &data), ErrorKind::Value, none);
    }
    let rankings =
        [Loss::rank_net(), Loss::lambda_rank(), Loss::list_net(), Loss::list_mle(), Loss::approx_ndcg()];
    for loss in rankings {
        let task = Task::new("y", loss);
        refused(fit(task.clone(), &table([NAN; 6])), ErrorKind::Value, lists);
        refused(fit(task.clone(), &table([1.0; 6])), ErrorKind::Value, lists);
        let queries = |groups: [u64; 6]| {
            table([0.0, 1.0, 2.0, 3.0, 2.0, NAN]).with_groups(groups.to_vec()).expect("groups")
        };
        // An item alone cannot be ranked; without a label it does no harm.
        let alone: &[&str] = &["task \"y\", row 3, query group 8", "2 items or more", "group of one item"];
        refused(fit(task.clone(), &queries([7, 7, 7, 8, 7, 9])), ErrorKind::Value, alone);
        fit(task, &queries([7, 7, 7, 8, 8, 9])).expect("two queries to learn from");
    }
}

#[test]
fn tables_that_do_not_fit() {
    let data = table([1.0; 6]);
    refused(fit(Task::regression("z"), &data), ErrorKind::Name, &["task \"z\"", "`y`"]);
    refused(fit(Task::multi_label("tags", ["y", "z"]), &data), ErrorKind::Name, &["task \"tags\"", "z"]);
    let wide = Dataset::new(Array2::zeros((6, 3)), Array2::zeros((6, 1))).expect("a table");
    refused(fit(Task::regression("y"), &wide), ErrorKind::Shape, &["features", "expected 2", "found 3"]);
}

#[test]
fn weights_and_infinities() {
    let weights =
        |weights: [f64; 6]| table([1.0; 6]).with_weights(Array1::from_vec(weights.to_vec())).map(drop);
    refused(weights([1.0, -1.0, 1.0, 1.0, 1.0, 1.0]), ErrorKind::Value, &["weights[1]", "-1"]);
    refused(weights([1.0, 1.0, NAN, 1.0, 1.0, 1.0]), ErrorKind::Value, &["weights[2]", "NaN"]);
    refused(weights([0.0; 6]), ErrorKind::Value, &["weights", "at least one above 0"]);
    for infinite in [f64::INFINITY, f64::NEG_INFINITY] {
        let data = Dataset::new(array![[1.0]], array![[infinite]]).map(drop);
        refused(data, ErrorKind::Value, &["targets[0, 0]", "finite", "inf"]);
    }
    let heavy = || Model::builder(2).task(Task::regression("y").weight(1e300));
    let outcome = heavy().build::<f32>().map(drop);
    refused(outcome, ErrorKind::Setting, &["weight of task \"y\"", "the range of f32"]);
    heavy().build::<f64>().expect("a number within the range of f64");
    for weight in [-1.0, NAN, f64::INFINITY] {
        let outcome = fit(Task::regression("y").weight(weight), &table([1.0; 6]));
        refused(outcome, ErrorKind::Setting, &["weight of task \"y\"", "0 or more"]);
    }
}

#[test]
fn settings_of_tasks() {
    let build = |task: Task| Model::builder(2).task(task).build::<f32>().map(drop);
    refused(
        build(Task::classes("y", 1)),
        ErrorKind::Setting,
        &["task \"y\"", "number of classes", "found 1"],
    );
    refused(
        build(Task::ordinal("y", 0)),
        ErrorKind::Setting,
        &["task \"y\"", "number of classes", "found 0"],
    );
    refused(
        build(Task::multi_label("y", Vec::<String>::new())),
        ErrorKind::Setting,
        &["task \"y\"", "column"],
    );
    refused(build(Task::regression("")), ErrorKind::Name, &["name of a task"]);
    let quantiles = || Task::new("y", Loss::quantiles([0.1, 0.5, 0.9]));
    build(quantiles().metric(Metric::MaxError)).expect("a metric of the point estimate");
    refused(build(quantiles().metric(Metric::MeanIou)), ErrorKind::Shape, &["task \"y\"", "mean_iou"]);
}

/// Tasks of several columns of classes or relevances are judged column by column.
#[test]
fn several_columns_of_classes_are_judged() {
    let targets = array![[0.0, 2.0], [1.0, NAN], [2.0, 2.0], [0.0, 2.0], [1.0, 2.0], [2.0, 2.0]];
    let features = Array2::from_shape_fn((6, 2), |(i, j)| (i + j) as f64);
    let data =
        Dataset::new(features, targets).and_then(|data| data.with_target_names(["u", "v"])).expect("a table");
    let model = Model::builder(2)
        .task(Task::classes("class", 3).columns(["u", "v"]).metric(Metric::RocAuc))
        .task(Task::ranking("order").columns(["u", "v"]))
        .build::<f64>()
        .expect("valid settings");
    let report = model.evaluate(&data).expect("a table that fits");
    assert_eq!(report["class"].n_labels, 11);
    // The second column has one class: its area is undefined, and the mean is that of the first.
    assert!(report["class"].score("accuracy").is_some() && report["class"].score("roc_auc").is_some());
    assert!(report["order"].score("ndcg@10").is_some());
}

/// The loss of the first step is a number and its gradient is not: the step is an error, and θ stays finite.
#[test]
fn a_gradient_that_is_not_finite_moves_nothing() {
    let features = Array2::from_shape_fn((40, 3), |(i, j)| 1e30 * ((i * 3 + j) as f32).sin());
    let data = Dataset::new(features, Array2::zeros((40, 1))).unwrap();
    // Wide enough for θ to be updated piece by piece, and narrow enough for one piece.
    for (width, threads) in [(4, 1), (4000, 2)] {
        let build = || {
            let task = Task::new("y0", Loss::mean_absolute_error()).weight(1e10);
            let trunk = [Layer::dense(width, Activation::Identity)];
            Model::builder(3).trunk(trunk).task(task).build::<f32>().unwrap()
        };
        for trainer in [
            Trainer::new(Adam::new(0.01)),
            Trainer::new(Adam::new(0.01)).clip_norm(1.0),
            Trainer::new(Sgd::new(0.01)).accumulate(2).batch_size(20),
        ] {
            let mut model = build();
            let error = trainer.threads(threads).steps(5).fit(&mut model, &data).unwrap_err().to_string();
            assert!(error.starts_with("gradient at step 1: expected finite numbers"), "{error}");
            assert!(model.parameters().iter().all(|x| x.is_finite()));
        }
    }
}
