//! A weight for each row and task: the same as one copy of the table per task, each with the labels of that task alone
//! and its weights as weights of rows.

use ndarray::{Array1, Array2, Axis, concatenate};
use polytask::balance::UpGrad;
use polytask::data::Standardizer;
use polytask::estimator::MemberKind;
use polytask::layer::Mode;
use polytask::prelude::*;
use polytask::train::callback::EarlyStopping;
use polytask::{ErrorKind, ModelBuilder};

const N: usize = 240;

fn builder() -> ModelBuilder {
    Model::builder(8)
        .trunk([Layer::dense(9, Activation::Tanh)])
        .task(Task::regression("value").head([Layer::dense(5, Activation::Tanh)]))
        .task(Task::binary("accepted").weight(0.5))
        .task(Task::classes("grade", 5))
        .task(Task::ranking("relevance"))
        .seed(2)
}

/// The weights of the labels of target `k`, some of them 0.
fn of_target(k: usize) -> Array1<f64> {
    Array1::from_shape_fn(N, |row| [1.0, 0.0, 2.5, 0.3, 7.0][(row * (k + 1) + k) % 5])
}

/// A table with weights for rows, and for the labels of all targets but the last.
fn weighted(missing: f64) -> Dataset<f64> {
    let rows = Array1::from_shape_fn(N, |row| [1.0, 0.5, 3.0][row % 3]);
    let data = datasets::mixed_tasks::<f64>(N, missing, 7).with_weights(rows).expect("weights");
    let names = data.target_names().to_vec();
    (0..3).fold(data, |data, k| data.with_target_weights(&names[k], of_target(k)).expect("weights"))
}

/// One copy of the table per target, with the labels of that target alone, and weights of rows only.
fn copies(data: &Dataset<f64>) -> Dataset<f64> {
    let copies = (0..data.n_targets()).map(|k| {
        let mut targets = data.targets().to_owned();
        (0..data.n_targets()).filter(|&other| other != k).for_each(|other| {
            targets.column_mut(other).fill(f64::NAN);
        });
        targets
    });
    let targets: Vec<Array2<f64>> = copies.collect();
    let targets: Vec<_> = targets.iter().map(|targets| targets.view()).collect();
    let features: Vec<_> = targets.iter().map(|_| data.features()).collect();
    let rows = data.weights().expect("weights").to_owned();
    let own = |k: usize| {
        if k < 3 { &rows * &of_target(k) } else { rows.clone() }
    };
    let weights: Vec<f64> = (0..data.n_targets()).flat_map(|k| own(k).to_vec()).collect();
    let groups = data.groups().expect("queries");
    let groups = (0..data.n_targets() as u64).flat_map(|k| groups.iter().map(move |group| 1000 * k + group));
    let join = |parts: &[ndarray::ArrayView2<'_, f64>]| concatenate(Axis(0), parts).expect("tables alike");
    Dataset::new(join(&features), join(&targets))
        .and_then(|all| all.with_target_names(data.target_names()))
        .and_then(|all| all.with_weights(Array1::from_vec(weights)))
        .and_then(|all| all.with_groups(groups.collect()))
        .expect("a table")
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_weight_per_row_and_task_is_a_copy_of_the_table_per_task() {
    let data = weighted(0.3);
    let (model, copies) = (builder().build::<f64>().expect("valid settings"), copies(&data));
    let step = |data: &Dataset<f64>| {
        let mut trace = model.trace(data.n_rows());
        let mut gradient = vec![f64::NAN; model.n_parameters()];
        model.forward(&data.all(), &mut trace).expect("a table that fits");
        let losses = trace.losses().to_vec();
        let totals: Vec<f64> = (0..4).map(|k| model.network().loss(k).total(&trace.labels(k))).collect();
        model.backward(&mut trace, &model.loss_weights(), &mut gradient);
        let gramian = model.network().gramian(&model.pass(Mode::Train), &mut trace).to_owned();
        [losses, totals, gradient, gramian.into_raw_vec_and_offset().0]
    };
    for (of_labels, of_copies) in step(&data).iter().zip(step(&copies)) {
        // Sums of some hundred terms, in another order.
        assert!(distance(of_labels, &of_copies) < 1e-12, "{of_labels:?} {of_copies:?}");
    }
    let unweighted = datasets::mixed_tasks::<f64>(N, 0.3, 7);
    assert!(
        distance(&step(&data)[0], &step(&unweighted)[0]) > 1e-3,
        "weights that change nothing show nothing"
    );

    let train = |data: &Dataset<f64>, trainer: &Trainer| {
        let mut model = model.clone();
        trainer.clone().batch_size(10_000).steps(12).fit(&mut model, data).expect("a training");
        let report = model.evaluate(data).expect("a table that fits");
        (model.parameters().to_vec(), report)
    };
    for trainer in [Trainer::new(Sgd::new(0.1)), Trainer::new(Sgd::new(0.1)).balance(UpGrad::new())] {
        let ((one, report), (other, report_copies)) = (train(&data, &trainer), train(&copies, &trainer));
        assert!(distance(&one, &other) < 1e-11, "apart {:e}", distance(&one, &other));
        for (a, b) in report.tasks().iter().zip(report_copies.tasks()) {
            approx::assert_relative_eq!(a.loss, b.loss, max_relative = 1e-11);
            approx::assert_relative_eq!(a.label_weight, b.label_weight, max_relative = 1e-12);
            assert_eq!(a.n_labels, b.n_labels, "{}", a.name);
            for (a, b) in a.scores.iter().zip(&b.scores) {
                let [a, b] = [a, b].map(|score| score.value.expect(&score.name));
                approx::assert_relative_eq!(a, b, max_relative = 1e-9);
            }
        }
    }
}

/// The same numbers, added in the same order: to the bit.
#[test]
fn a_label_of_weight_0_is_a_missing_label() {
    let table = |targets: Array2<f64>, weights: &dyn Fn(usize) -> Array1<f64>| {
        let plain = datasets::mixed_tasks::<f64>(N, 0.2, 7);
        let data = Dataset::new(plain.features().to_owned(), targets)
            .and_then(|data| data.with_target_names(plain.target_names()))
            .expect("a table");
        (0..3).fold(data, |data, k| {
            let name = data.target_names()[k].clone();
            data.with_target_weights(&name, weights(k)).expect("weights")
        })
    };
    let counts = |row: usize, k: usize| !(row + k).is_multiple_of(3);
    let full = datasets::mixed_tasks::<f64>(N, 0.2, 7).targets().to_owned();
    let mut gaps = full.clone();
    gaps.indexed_iter_mut()
        .filter(|((row, k), _)| *k < 3 && !counts(*row, *k))
        .for_each(|(_, y)| *y = f64::NAN);
    let zeros = table(full, &|k| (0..N).map(|row| f64::from(u8::from(counts(row, k)))).collect());
    let gaps = table(gaps, &|_| Array1::ones(N));

    let builder = Model::builder(8).trunk([Layer::dense(9, Activation::Tanh)]).standardize();
    let builder = builder.task(Task::regression("value")).task(Task::binary("accepted"));
    let builder = builder.task(Task::classes("grade", 5));
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).epochs(3).seed(5);
    let train = |data: &Dataset<f64>| {
        let mut model = builder.build::<f64>().expect("valid settings");
        let (learnt, held_out) = data.split(0.7, 3).expect("two parts");
        let trainer = trainer.clone().callback(EarlyStopping::new());
        let history = trainer.fit_validated(&mut model, &learnt, &held_out).expect("a training");
        let validations: Vec<_> = history.validations().to_vec();
        let report = model.evaluate(&held_out).expect("a table that fits").to_string();
        (model.parameters().to_vec(), validations, report, Standardizer::of_targets(data).expect("labels"))
    };
    assert_eq!(train(&zeros), train(&gaps));

    let select = |data: &Dataset<f64>, column: &str| {
        let k = data.names().target(column).expect("a column");
        let weights = data.label_weights(k).expect("weights").to_owned();
        let targets = data.targets().select(Axis(1), &[k]);
        Dataset::new(data.features().to_owned(), targets)
            .and_then(|one| one.with_target_names([column]))
            .and_then(|one| one.with_target_weights(column, weights))
            .expect("a table")
    };
    let regressor = MultiTaskRegressor::new().hidden([8]).members(3).folds(3).epochs(4);
    let fitted = [&zeros, &gaps].map(|data| {
        let data = select(data, "value");
        let model = regressor.fit_table(&data).expect("a table to learn from");
        let far = data.features().mapv(|x| 100.0 * x); // beyond the range of the labels, which labels of weight 0 do not widen
        (model.predict(&far).expect("features"), model.score_table(&data).expect("labels"))
    });
    assert_eq!(fitted[0], fitted[1]);
    let classifier = MultiTaskClassifier::new().hidden([8]).members(3).folds(3).epochs(4);
    let fitted = [&zeros, &gaps].map(|data| {
        let data = select(data, "grade");
        let model = classifier.fit_table(&data).expect("a table to learn from");
        (model.predict_proba_table(&data).expect("features"), model.score_table(&data).expect("labels"))
    });
    assert_eq!(fitted[0], fitted[1]);
}

/// Five groups, of which two have no label of the second target that counts.
#[test]
fn members_of_an_estimator_are_judged_where_labels_count() {
    let x = Array2::from_shape_fn((100, 2), |(i, j)| ((i * (3 * j + 7)) % 31) as f64 / 31.0);
    let y = Array2::from_shape_fn((100, 2), |(i, k)| x[[i, k]] - 0.5 * x[[i, 1 - k]]);
    let counts = Array1::from_shape_fn(100, |row| f64::from(u8::from(row >= 40)));
    let data = Dataset::new(x, y)
        .and_then(|data| data.with_groups((0..100).map(|row| row / 20).collect()))
        .and_then(|data| data.with_target_weights("y1", counts))
        .expect("a table");
    let settings = MultiTaskRegressor::new().kinds([MemberKind::Plain]).members(10).folds(5).epochs(100);
    let model = settings.fit_table(&data).expect("labels");
    for (m, member) in model.members().iter().enumerate() {
        let r2 =
            member.evaluate(&data).expect("a table that fits")["y1"].score("r2").expect("labels that differ");
        assert!(r2 > 0.8, "member {m} reached {r2}");
    }
    let nothing = Array1::from_shape_fn(100, |row| f64::from(u8::from(row == 0)));
    let none =
        data.with_target_weights("y1", nothing.clone()).and_then(|data| data.with_weights(1.0 - nothing));
    let error =
        none.and_then(|data| MultiTaskRegressor::new().fit_table(&data).map(drop)).unwrap_err().to_string();
    assert!(error.starts_with("target \"y1\": expected at least one label with a weight above 0"), "{error}");
}

#[test]
fn accumulated_parts_are_the_whole_batch() {
    let data = weighted(0.4);
    let train = |trainer: Trainer| {
        let mut model = builder().build::<f64>().expect("valid settings");
        trainer.epochs(2).fit(&mut model, &data).expect("a training");
        model.parameters().to_vec()
    };
    let whole = train(Trainer::new(Adam::new(0.01)).batch_size(120));
    let parts = train(Trainer::new(Adam::new(0.01)).batch_size(30).accumulate(4));
    // Adam divides by the root of a mean of squares, which magnifies roundings of gradients near 0.
    assert!(distance(&whole, &parts) < 1e-9, "apart {:e}", distance(&whole, &parts));
}

#[test]
fn gradients_with_weights_of_labels_are_those_of_finite_differences() {
    let data = weighted(0.3).select(&(0..60).collect::<Vec<_>>());
    let builder = Model::builder(8)
        .trunk([Layer::dense(6, Activation::Tanh)])
        .task(Task::regression("value"))
        .task(Task::binary("accepted"))
        .task(Task::classes("grade", 5))
        .task(Task::product("both", ["accepted", "accepted"]).columns(["accepted"]));
    let check =
        builder.build::<f64>().expect("valid settings").check_gradients(&data.all()).expect("a check");
    assert!(check.passed(), "{check}");
}

#[test]
fn weights_go_where_rows_go() {
    let data = weighted(0.0);
    let rows = [7, 3, 3, 200];
    let part = data.select(&rows);
    for k in 0..data.n_targets() {
        let all = data.label_weights(k).expect("weights").to_owned();
        assert_eq!(part.label_weights(k).expect("weights"), all.select(Axis(0), &rows), "target {k}");
        let narrow = part.cast::<f32>().expect("numbers of f32");
        let rounded = part.label_weights(k).expect("weights").mapv(|w| w as f32);
        let distance = (&narrow.label_weights(k).expect("weights") - &rounded).mapv(f32::abs).sum();
        assert!(distance < 1e-6, "{distance}");
    }
    let product = &of_target(0) * &data.weights().expect("weights");
    assert_eq!(data.label_weights(0).expect("weights"), product);
    assert_eq!(data.label_weights(3).expect("weights"), data.weights().expect("weights"));
}

#[test]
fn wrong_weights_of_labels_are_refused_with_row_and_target() {
    let table = || {
        let features = ndarray::array![[0.0], [1.0], [2.0]];
        let targets = ndarray::array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        Dataset::new(features, targets)
            .and_then(|data| data.with_target_names(["price", "rent"]))
            .expect("a table")
    };
    let pair = || Model::builder(1).task(Task::regression("both").columns(["price", "rent"])).build::<f64>();
    let own = |weights: [f64; 3]| table().with_target_weights("rent", Array1::from_vec(weights.to_vec()));
    for (fault, kind, parts) in [
        (own([1.0, -2.0, 1.0]).map(drop), ErrorKind::Value, &["`rent`[1]", "at least 0", "-2"][..]),
        (own([1.0, 1.0, f64::NAN]).map(drop), ErrorKind::Value, &["`rent`[2]", "finite", "NaN"]),
        (own([0.0; 3]).map(drop), ErrorKind::Value, &["`rent`", "above 0", "only 0"]),
        (
            table().with_target_weights("rent", Array1::ones(2)).map(drop),
            ErrorKind::Shape,
            &["3, one per row"],
        ),
        (
            table().with_target_weights("rant", Array1::ones(3)).map(drop),
            ErrorKind::Name,
            &["`rant`", "`rent`"],
        ),
        (
            own([1.0, 1e200, 1.0])
                .and_then(|data| data.with_weights(ndarray::array![1.0, 1e200, 1.0]))
                .map(drop),
            ErrorKind::Value,
            &["row 1", "`rent`", "within the range of f64", "1e200 · 1e200"],
        ),
        (
            table()
                .with_weights(ndarray::array![1.0, 1.0, 1e-200])
                .and_then(|data| data.with_target_weights("price", ndarray::array![1.0, 1.0, 1e-200]))
                .map(drop),
            ErrorKind::Value,
            &["row 2", "`price`", "1e-200 · 1e-200"],
        ),
        (
            own([1.0, 2.0, 1.0]).and_then(|data| pair()?.evaluate(&data).map(drop)),
            ErrorKind::Value,
            &["task \"both\"", "`price`", "row 1", "make a task of each"],
        ),
    ] {
        let error = fault.expect_err(parts[0]);
        assert_eq!(error.kind(), kind, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} in {error}");
        }
    }
    let same = own([1.0, 2.0, 0.0])
        .and_then(|data| data.with_target_weights("price", ndarray::array![1.0, 2.0, 0.0]));
    let report = pair().and_then(|model| model.evaluate(&same?)).expect("weights alike");
    assert_eq!(report["both"].label_weight, 6.0);
}

#[cfg(feature = "csv")]
#[test]
fn a_file_names_the_column_of_a_targets_weights() {
    use polytask::data::csv::CsvReader;

    let file = "area,price,rooms,trust,count\n1,3,4,0.5,2\n2,4,,1,1\n3,5,2,0,1\n";
    let reader = || CsvReader::new().targets(["price", "rooms"]).target_weights_column("price", "trust");
    let (data, encoding) =
        reader().weights_column("count").read_from::<f64>(file.as_bytes(), "houses.csv").expect("a table");
    assert_eq!(data.feature_names(), ["area"]);
    assert_eq!(data.label_weights(0).expect("weights").to_vec(), [1.0, 1.0, 0.0]);
    assert_eq!(data.label_weights(1).expect("weights").to_vec(), [2.0, 1.0, 1.0]);
    let next = "area,price,rooms,trust,count\n1,3,4,9,1\n";
    let next = encoding.read_from::<f64>(next.as_bytes(), "next.csv").expect("a table");
    assert_eq!(next.label_weights(0).expect("weights").to_vec(), [9.0]);
    let shared = reader().target_weights_column("rooms", "trust");
    let (data, _) = shared.read_from::<f64>(file.as_bytes(), "houses.csv").expect("a table");
    assert_eq!(data.label_weights(0), data.label_weights(1));

    for (reader, parts) in [
        (reader().target_weights_column("price", "trusts"), &["`trusts`", "`trust`"][..]),
        (reader().target_weights_column("prices", "trust"), &["`prices`", "`price`"]),
        (
            reader().weights_column("trust"),
            &["column `trust`", "two: the weights, and the weights of a target"],
        ),
        (reader().ignore(["trust"]), &["column `trust`", "the weights of a target, and left out"]),
    ] {
        let error = reader.read_from::<f64>(file.as_bytes(), "houses.csv").unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let negative = file.replace("0.5", "-0.5");
    let error = reader().read_from::<f64>(negative.as_bytes(), "houses.csv").unwrap_err().to_string();
    assert!(error.contains("line 2, column `trust`: expected a weight, at least 0, found -0.5"), "{error}");
}

/// Least squares of each target with sample weights of its own, by scikit-learn (`golden/make_label_weights.py`): the
/// same loss and metrics, and nothing left to learn.
#[test]
fn losses_and_metrics_are_those_of_scikit_learn_with_sample_weights_per_target() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../golden/label_weights.json")).expect("json");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let matrix = |value: &serde_json::Value| {
        let rows: Vec<Vec<f64>> = value.as_array().expect("rows").iter().map(numbers).collect();
        Array2::from_shape_fn((rows.len(), rows[0].len()), |at| rows[at.0][at.1])
    };
    let data = Dataset::new(matrix(&golden["features"]), matrix(&golden["targets"]))
        .and_then(|data| data.with_target_names(["price", "rent"]))
        .and_then(|data| data.with_weights(numbers(&golden["rows"]).into()))
        .and_then(|data| data.with_target_weights("price", numbers(&golden["own"][0]).into()))
        .and_then(|data| data.with_target_weights("rent", numbers(&golden["own"][1]).into()))
        .expect("a table");
    let builder = Model::builder(3).task(Task::regression("price")).task(Task::regression("rent"));
    let mut model = builder.build::<f64>().expect("valid settings");
    for (k, task) in ["price", "rent"].into_iter().enumerate() {
        let fit = &golden["fits"][k];
        let block = |name: &str| {
            let block = model.network().layout().block(&format!("head.{task}.0.{name}"));
            block.expect("a linear head").range()
        };
        let (weight, bias) = (block("weight"), block("bias"));
        model.parameters_mut()[weight].copy_from_slice(&numbers(&fit["coefficients"]));
        model.parameters_mut()[bias][0] = fit["intercept"].as_f64().expect("a number");
    }
    let report = model.evaluate(&data).expect("a table that fits");
    for (k, task) in report.tasks().iter().enumerate() {
        let expected = |name: &str| golden["fits"][k][name].as_f64().expect(name);
        approx::assert_relative_eq!(task.loss, expected("mean_squared_error"), max_relative = 1e-12);
        for metric in ["rmse", "mae", "r2"] {
            let found = task.score(metric).expect("labels that differ");
            approx::assert_relative_eq!(found, expected(metric), max_relative = 1e-12);
        }
    }
    let (mut trace, mut gradient) = (model.trace(30), vec![f64::NAN; model.n_parameters()]);
    model.forward(&data.all(), &mut trace).expect("a table that fits");
    model.backward(&mut trace, &model.loss_weights(), &mut gradient);
    assert!(gradient.iter().all(|g| g.abs() < 1e-12), "{gradient:?}");
}
