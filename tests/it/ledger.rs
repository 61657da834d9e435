//! Gradients of rows are those of tables of one row, and what is made of them is what its formula says.

use ndarray::{Array1, ArrayView1, array, s};
use polytask::ErrorKind;
use polytask::balance::Weights;
use polytask::layer::Mode;
use polytask::ledger::{Ledger, RowGradients, SuspectLabels};
use polytask::loss::Labels;
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::train::callback::Budget;
use polytask::validation::CrossValidation;

const TASKS: [&str; 3] = ["price", "sold", "size"];

/// A quantity of two columns, a yes or no, and a class of three; some labels are missing, and rows have weights.
fn table() -> Dataset<f64> {
    let data = datasets::related_tasks::<f64>(40, 5, 4, 0.5, 0.3, 2);
    let mut targets = data.targets().to_owned();
    for mut row in targets.rows_mut() {
        row[2] = if row[2] > 0.0 { 1.0 } else { 0.0 };
        row[3] = (row[3] + 1.5).clamp(0.0, 2.0).floor();
    }
    for i in (0..40).step_by(3) {
        targets[[i, i % 4]] = f64::NAN;
    }
    let weights = Array1::from_shape_fn(40, |i| [0.5, 1.0, 2.0, 0.0][i % 4]);
    let data = Dataset::new(data.features().to_owned(), targets).expect("a table");
    let data = data.with_target_names(["low", "high", "sold", "size"]).expect("four names");
    data.with_weights(weights).expect("a weight for each row")
}

fn builder() -> polytask::ModelBuilder {
    Model::builder(5)
        .task(Task::regression("price").columns(["low", "high"]))
        .task(Task::binary("sold").head([Layer::dense(3, Activation::Tanh)]))
        .task(Task::classes("size", 3))
        .standardize()
        .seed(3)
}

fn trunk() -> [Layer; 2] {
    [Layer::dense(6, Activation::Tanh), Layer::dense(4, Activation::Relu)]
}

/// Models whose gradients are all in factors, in part, and not at all.
fn models() -> Vec<(&'static str, Model<f64>)> {
    let product = || {
        let [first, second] = ["sold", "again"].map(|name| Task::binary(name).columns(["sold"]));
        let both = Task::product("both", ["sold", "again"]).columns(["sold"]);
        Model::builder(5).trunk(trunk()).task(first).task(second).task(both)
    };
    let all = [
        ("trunk", builder().trunk(trunk())),
        ("no trunk", builder().trunk(Vec::<Layer>::new())),
        (
            "residual",
            builder().trunk([
                Layer::residual([Layer::dense(5, Activation::Tanh)]),
                Layer::gated(4, Activation::Sigmoid),
            ]),
        ),
        (
            "norms",
            builder().trunk([
                Layer::dense(6, Activation::Gelu),
                Layer::layer_norm(),
                Layer::dropout(0.5),
                Layer::scale(),
            ]),
        ),
        ("numeric embedding", builder().trunk([Layer::periodic(2, 3), Layer::dense(4, Activation::Tanh)])),
        ("independent", builder().sharing(Sharing::independent(trunk()))),
        ("cross-stitch", builder().sharing(Sharing::cross_stitch(trunk()))),
        ("mixture", builder().sharing(Sharing::mmoe(3, trunk()))),
        ("ensemble", builder().trunk(trunk()).batch_ensemble(2)),
        ("product", product()),
    ];
    let data = table();
    all.into_iter()
        .map(|(name, builder)| {
            let mut model = builder.build::<f64>().expect("a model");
            Trainer::new(Adam::new(0.01)).epochs(3).fit(&mut model, &data).expect("a training");
            (name, model)
        })
        .collect()
}

fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
}

/// The gradient of the sum that a table adds to the loss of a task.
fn of_table(model: &Model<f64>, data: &Dataset<f64>, task: usize) -> Option<Vec<f64>> {
    let (n_tasks, mut trace) = (model.tasks().len(), model.trace(data.n_rows()));
    model.forward_at(&model.pass(Mode::Predict), &data.all(), &mut trace).expect("a table that fits");
    let total = model.network().loss(task).total(&trace.labels(task));
    let only: Vec<f64> = (0..n_tasks).map(|k| if k == task { total } else { 0.0 }).collect();
    let mut gradient = vec![0.0; model.n_parameters()];
    model.backward(&mut trace, &Weights { shared: only.clone(), own: only }, &mut gradient);
    (total > 0.0).then_some(gradient)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    ArrayView1::from(a).dot(&ArrayView1::from(b))
}

#[test]
fn gradients_of_rows_are_those_of_tables_of_one_row() {
    let data = table();
    for (name, model) in models() {
        let rows = RowGradients::of(&model, &data).expect("rows that go one by one");
        let n_tasks = model.tasks().len();
        let alone: Vec<Vec<Option<Vec<f64>>>> = (0..data.n_rows())
            .map(|i| (0..n_tasks).map(|k| of_table(&model, &data.select(&[i]), k)).collect())
            .collect();
        let norms = rows.norms();
        for k in 0..n_tasks {
            let mut sum = vec![0.0; model.n_parameters()];
            for i in 0..data.n_rows() {
                let what = format!("{name}, row {i}, task {k}");
                assert_eq!(rows.has_label(i, k), alone[i][k].is_some(), "{what}");
                let found = rows.gradient(i, k);
                match &alone[i][k] {
                    None => assert!(norms[[i, k]].is_nan() && found.iter().all(|&g| g == 0.0), "{what}"),
                    Some(expected) => {
                        close(norms[[i, k]], dot(expected, expected).sqrt(), &what);
                        found
                            .iter()
                            .zip(expected)
                            .for_each(|(&found, &expected)| close(found, expected, &what));
                    }
                }
                sum.iter_mut().zip(&found).for_each(|(sum, g)| *sum += g);
            }
            // All rows at once, which is another way through the engine.
            let all = of_table(&model, &data, k).expect("labels");
            sum.iter()
                .zip(&all)
                .for_each(|(&sum, &all)| close(sum, all, &format!("{name}, task {k}, all rows")));
        }
        let few = RowGradients::of(&model, &data.select(&[3, 8, 30])).expect("three rows");
        for (k, l) in (0..n_tasks * n_tasks).map(|pair| (pair / n_tasks, pair % n_tasks)) {
            let products = rows.products(k, &few, l);
            assert_eq!(products.dim(), (40, 3));
            for ((i, j), &found) in products.indexed_iter() {
                match (&alone[i][k], &alone[[3, 8, 30][j]][l]) {
                    (Some(a), Some(b)) => {
                        close(found, dot(a, b), &format!("{name}, rows {i} and {j}, tasks {k} and {l}"))
                    }
                    _ => assert!(found.is_nan()),
                }
            }
        }
    }
}

#[test]
fn most_models_need_no_pass_of_every_row() {
    // More rows than go through at once, and the same in both scalars.
    let data = datasets::robot_arm::<f64>(600, 0.05, 1);
    let mut model = Model::builder(10)
        .trunk(trunk())
        .task(Task::regression("elbow"))
        .standardize()
        .build::<f64>()
        .unwrap();
    Trainer::new(Adam::new(0.01)).epochs(2).fit(&mut model, &data).unwrap();
    let rows = RowGradients::of(&model, &data).unwrap();
    let mut single = Model::builder(10)
        .trunk(trunk())
        .task(Task::regression("elbow"))
        .standardize()
        .build::<f32>()
        .unwrap();
    single.fit_scaling(&data.cast().unwrap()).unwrap();
    single.parameters_mut().iter_mut().zip(model.parameters()).for_each(|(to, &from)| *to = from as f32);
    let of_single = RowGradients::of(&single, &data.cast().unwrap()).unwrap();
    assert_eq!(of_single.n_rows(), 600);
    let last = of_table(&model, &data.select(&[599]), 0).unwrap();
    close(rows.norms()[[599, 0]], dot(&last, &last).sqrt(), "the last row");
    for (a, b) in rows.norms().iter().zip(&of_single.norms()) {
        assert!((a - b).abs() < 1e-4 * a.max(1.0), "{a} and {b}");
    }
}

#[test]
fn rows_that_depend_on_one_another_are_refused() {
    let data = table();
    let refused = |builder: polytask::ModelBuilder| {
        let mut model = builder.build::<f64>().expect("a model");
        model.fit_scaling(&data).expect("a table that fits");
        let error = RowGradients::of(&model, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        error.to_string()
    };
    let message = refused(builder().trunk([Layer::dense(4, Activation::Relu), Layer::batch_norm()]));
    assert!(message.contains("means over a batch") && message.contains("layer_norm"), "{message}");
    let message = refused(builder().task(Task::ranking("rank").columns(["low"])).trunk(trunk()));
    assert!(message.contains("\"rank\"") && message.contains("compares rows"), "{message}");
    // A model that predicts nothing yet.
    let unfitted = builder().trunk(trunk()).build::<f64>().expect("a model");
    assert!(RowGradients::of(&unfitted, &data).is_err());
}

#[test]
#[should_panic(expected = "tasks, parameters and affine maps")]
fn rows_of_other_networks_are_not_compared() {
    let data = table();
    let of = |builder: polytask::ModelBuilder| {
        let mut model = builder.build::<f64>().expect("a model");
        model.fit_scaling(&data).expect("a table that fits");
        RowGradients::of(&model, &data).expect("rows that go one by one")
    };
    let _ = of(builder().trunk(trunk())).products(0, &of(builder()), 0);
}

/// By finite differences: a short step along −gᵢₖ takes rate · ⟨gᵢₖ, gⱼₗ⟩ off what row j adds to the loss of task l.
#[test]
fn a_step_for_a_row_takes_that_off_another() {
    let data = table();
    let (_, mut model) = models().swap_remove(0);
    let rows = RowGradients::of(&model, &data).expect("rows that go one by one");
    let loss_of = |model: &Model<f64>, row: usize, task: usize| {
        let (one, mut trace) = (data.select(&[row]), model.trace(1));
        model.forward_at(&model.pass(Mode::Predict), &one.all(), &mut trace).expect("a table that fits");
        trace.losses()[task] * model.network().loss(task).total(&trace.labels(task))
    };
    let theta = model.parameters().to_vec();
    for (i, k, j, l) in [(1, 0, 2, 0), (1, 0, 2, 1), (5, 1, 5, 2), (6, 2, 21, 0)] {
        let expected = rows.products(k, &rows, l)[[i, j]];
        let (g, h) = (rows.gradient(i, k), 1e-5);
        let at = |step: f64, model: &mut Model<f64>| {
            let moved = theta.iter().zip(&g).map(|(theta, g)| theta + step * g);
            model.parameters_mut().iter_mut().zip(moved).for_each(|(to, from)| *to = from);
            loss_of(model, j, l)
        };
        let slope = (at(h, &mut model) - at(-h, &mut model)) / (2.0 * h);
        assert!((slope - expected).abs() < 1e-6 * expected.abs().max(1e-2), "{slope} is not {expected}");
    }
}

#[test]
fn a_ledger_adds_up_rates_times_products() {
    let (data, judged) = (table(), table().select(&[1, 2, 9, 12]));
    let learnt = data.select(&(0..20).collect::<Vec<_>>());
    let trainer =
        Trainer::new(Sgd::new(0.05)).schedule(Schedule::steps(2, 0.5)).batch_size(8).steps(9).seed(3);
    let model = || builder().trunk(trunk()).build::<f64>().expect("a model");
    let (mut plain, mut measured) = (model(), model());
    trainer.fit(&mut plain, &data).expect("a training");
    let (ledger, history) =
        Ledger::measure(&trainer, &mut measured, &data, &learnt, &judged, 4).expect("a ledger");
    assert_eq!(plain.parameters(), measured.parameters());
    assert_eq!((ledger.n_checkpoints(), history.n_steps()), (3, 9));

    // The same from trainings that end there, row by row.
    let at = |steps: u64| {
        let mut model = model();
        model.fit_scaling(&data).expect("a table that fits");
        if steps > 0 {
            trainer.clone().steps(steps).fit(&mut model, &data).expect("a training");
        }
        model
    };
    let checkpoints = [(0, 0.05), (4, 0.0125), (8, 0.003125)].map(|(steps, rate)| (at(steps), rate));
    let expected = |i: usize, k: usize, j: usize, l: usize| -> f64 {
        let of = |(model, rate): &(Model<f64>, f64)| {
            let of_row = |data: &Dataset<f64>, row, task| of_table(model, &data.select(&[row]), task);
            match (of_row(&learnt, i, k), of_row(&judged, j, l)) {
                (Some(a), Some(b)) => rate * dot(&a, &b),
                _ => f64::NAN,
            }
        };
        checkpoints.iter().map(of).sum()
    };
    for (k, l) in (0..9).map(|pair| (pair / 3, pair % 3)) {
        for ((i, j), &found) in ledger.taught(k, l).indexed_iter() {
            let expected = expected(i, k, j, l);
            match expected.is_nan() {
                true => assert!(found.is_nan()),
                false => close(found, expected, &format!("rows {i} and {j}, tasks {k} and {l}")),
            }
        }
        let defined =
            |row: ArrayView1<'_, f64>| -> Vec<f64> { row.iter().copied().filter(|t| !t.is_nan()).collect() };
        for (i, mean) in ledger.by_row(k, l).into_iter().enumerate() {
            let row = defined(ledger.taught(k, l).row(i));
            match row.is_empty() {
                true => assert!(mean.is_nan()),
                false => close(mean, row.iter().sum::<f64>() / row.len() as f64, "a mean"),
            }
        }
        let ranked = ledger.ranked(k, l);
        assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1) && !ranked.is_empty());
    }
    assert!(ledger.to_string().contains("over 3 checkpoints") && ledger.to_string().contains("price: rows"));
}

#[test]
fn settings_of_a_ledger_are_checked() {
    let data = table();
    let measure = |trainer: Trainer, every: u64| {
        let mut model = builder().trunk(trunk()).build::<f64>().expect("a model");
        Ledger::measure(&trainer, &mut model, &data, &data, &data, every).map(|_| ())
    };
    let trainer = Trainer::new(Sgd::new(0.05)).steps(2);
    assert!(measure(trainer.clone(), 1).is_ok());
    let place = |result: polytask::Result<()>| result.unwrap_err().to_string();
    assert!(place(measure(trainer.clone(), 0)).contains("steps between checkpoints"));
    assert!(place(measure(trainer.clone().callback(Budget::steps(1)), 1)).contains("ledger, trainer"));
    assert!(place(measure(trainer.checkpoint(Checkpoints::new("nowhere")), 1)).contains("ledger, trainer"));
}

#[test]
fn suspect_labels_are_scored_by_models_that_have_not_seen_them() {
    let data = table();
    let fit = |data: &Dataset<f64>, seed: u64| {
        let mut model = builder().trunk(trunk()).seed(seed).build::<f64>()?;
        Trainer::new(Adam::new(0.01)).epochs(3).seed(seed).fit(&mut model, data)?;
        Ok(model)
    };
    let folds = CrossValidation::new(4).repeats(2).seed(5);
    let find = |threads: usize| {
        SuspectLabels::find(&data, &folds.clone().threads(threads), |part| fit(part.data, part.seed))
            .expect("models")
    };
    let (one, three) = (find(1), find(3));
    assert_eq!(one.tasks(), TASKS);
    let bits =
        |suspects: &SuspectLabels| suspects.scores().iter().map(|score| score.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&three));

    // By hand, from the folds as they are cut and models that are fitted on their training rows.
    let seeds = std::sync::Mutex::new(Vec::new());
    CrossValidation::new(4)
        .repeats(2)
        .seed(5)
        .run(&data, |part| {
            seeds.lock().unwrap().push((part.repeat, part.fold, part.seed));
            fit(part.data, part.seed)
        })
        .expect("models");
    let mut sums = ndarray::Array2::<f64>::zeros((40, 3));
    for (repeat, fold, seed) in seeds.into_inner().unwrap() {
        let cut = &data.fold_rows(4, 5 + repeat as u64).expect("four folds")[fold];
        let model = fit(&data.select(&cut.train), seed).expect("a model");
        for &row in &cut.test {
            for k in 0..3 {
                sums[[row, k]] +=
                    of_table(&model, &data.select(&[row]), k).map_or(f64::NAN, |g| dot(&g, &g).sqrt());
            }
        }
    }
    for (&found, sum) in one.scores().iter().zip(&sums) {
        match sum.is_nan() {
            true => assert!(found.is_nan()),
            false => close(found, sum / 2.0, "a score"),
        }
    }
    // Rows that are held out in no fold have none.
    let own = CrossValidation::with_folds([polytask::data::Fold::new((0..30).collect(), vec![30, 31])]);
    let some = SuspectLabels::find(&data, &own, |part| fit(part.data, part.seed)).expect("a model");
    assert!(some.scores().slice(s![..30, ..]).iter().all(|score| score.is_nan()));
    assert!(some.ranked(2).iter().all(|(row, _)| [30, 31].contains(row)));
    let failed = SuspectLabels::find(&data, &folds, |_| builder().build::<f64>()).unwrap_err();
    assert!(failed.to_string().contains("fold"), "{failed}");
}

#[test]
fn a_label_of_weight_0_is_none() {
    let targets = array![[1.0], [f64::NAN], [0.0]];
    let weights = array![0.0, 1.0, 1.0];
    let data = Dataset::new(array![[0.5], [1.0], [2.0]], targets.clone())
        .unwrap()
        .with_weights(weights.clone())
        .unwrap();
    let mut model = Model::builder(1).task(Task::regression("y").columns(["y0"])).build::<f64>().unwrap();
    model.fit_scaling(&data).unwrap();
    let rows = RowGradients::of(&model, &data).unwrap();
    assert_eq!([0, 1, 2].map(|row| rows.has_label(row, 0)), [false, false, true]);
    assert_eq!(Labels { weights: Some(weights.view()), ..Labels::new(targets.view()) }.total_weight(), 1.0);
}
