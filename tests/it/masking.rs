//! What is missing teaches nothing, and what is there teaches what it always did: exactly.

use ndarray::{Array1, Axis};
use polytask::balance::Weights;
use polytask::data::Sampler;
use polytask::prelude::*;
use polytask::{ModelBuilder, gradcheck};

/// A task of every kind on the columns of `mixed_tasks`.
fn builder() -> ModelBuilder {
    Model::builder(8)
        .trunk([Layer::dense(12, Activation::Tanh)])
        .task(Task::regression("value").head([Layer::dense(5, Activation::Tanh)]))
        .task(Task::new("spread", Loss::quantiles([0.1, 0.5, 0.9])).columns(["value"]))
        .task(Task::binary("accepted").weight(0.5))
        .task(Task::classes("grade", 5).weight(2.0))
        .task(Task::ordinal("stars", 5).columns(["grade"]))
        .task(Task::count("visits").columns(["relevance"]))
        .task(Task::ranking("relevance"))
        .seed(2)
}

fn model() -> Model<f64> {
    builder().build().expect("valid settings")
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The positions of a task's target columns.
fn columns(model: &Model<f64>, task: usize, data: &Dataset<f64>) -> Vec<usize> {
    let columns = model.tasks()[task].columns_list();
    columns.iter().map(|name| data.names().target(name).expect("a column")).collect()
}

/// The gradient of the total loss as the sum of what each task would ask for if its labelled rows were all
/// there is.
fn gradient_task_by_task(model: &Model<f64>, data: &Dataset<f64>, rows: &[usize]) -> Vec<f64> {
    let mut sum = vec![0.0; model.n_parameters()];
    for (k, task) in model.tasks().iter().enumerate() {
        let columns = columns(model, k, data);
        let labelled: Vec<usize> = (rows.iter().copied())
            .filter(|&row| columns.iter().all(|&column| !data.target_row(row)[column].is_nan()))
            .collect();
        if labelled.is_empty() {
            continue;
        }
        let mut trace = model.trace(labelled.len());
        model.forward(&data.batch(&labelled), &mut trace).expect("a batch that fits");
        let only: Vec<f64> =
            (0..model.tasks().len()).map(|l| if l == k { task.loss_weight() } else { 0.0 }).collect();
        let mut gradient = vec![0.0; sum.len()];
        model.backward(&mut trace, &Weights { shared: only.clone(), own: only }, &mut gradient);
        sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
    }
    sum
}

#[test]
fn training_with_gaps_is_training_each_task_on_its_labelled_rows() {
    const RATE: f64 = 0.05;
    let data = datasets::mixed_tasks::<f64>(300, 0.4, 7);
    for weighted in [false, true] {
        let weights = Array1::from_shape_fn(300, |row| [1.0, 0.0, 2.5, 0.3][row % 4]);
        let data = if weighted { data.clone().with_weights(weights).expect("weights") } else { data.clone() };
        let mut trained = model();
        let trainer = Trainer::new(Sgd::new(RATE)).batch_size(40).steps(20).seed(9);
        trainer.fit(&mut trained, &data).expect("a training");

        let mut expected = model();
        let mut sampler = Sampler::shuffled(&data, 40, 9).expect("a batch size");
        for _ in 0..20 {
            let rows = sampler.next_batch(&data).rows.to_vec();
            let gradient = gradient_task_by_task(&expected, &data, &rows);
            expected.parameters_mut().iter_mut().zip(gradient).for_each(|(theta, g)| *theta -= RATE * g);
        }
        let moved = distance(trained.parameters(), model().parameters());
        let apart = distance(trained.parameters(), expected.parameters());
        // Twenty steps, each summed in another order: 1e-15 a step.
        assert!(moved > 0.1 && apart < 1e-12, "moved {moved}, apart {apart:e}");
    }
}

/// A list is twice there if all its rows are, under a group number of their own.
#[test]
fn a_weight_of_two_is_a_row_twice() {
    let data = datasets::mixed_tasks::<f64>(60, 0.3, 3);
    let groups = data.groups().expect("queries").to_vec();
    let is_double = |group: u64| group.is_multiple_of(3);
    let weights = groups.iter().map(|&group| if is_double(group) { 2.0 } else { 1.0 }).collect();
    let weighted = data.clone().with_weights(weights).expect("weights");

    let again: Vec<usize> = (0..60).filter(|&row| is_double(groups[row])).collect();
    assert!(again.len() > 10);
    let rows: Vec<usize> = (0..60).chain(again.iter().copied()).collect();
    let numbers = groups.iter().copied().chain(again.iter().map(|&row| groups[row] + 1000)).collect();
    let repeated = data.select(&rows).with_groups(numbers).expect("groups");

    let train = |data: &Dataset<f64>| {
        let mut model = model();
        let trainer = Trainer::new(Sgd::new(0.1)).batch_size(1000).steps(10);
        trainer.fit(&mut model, data).expect("a training");
        let report = model.evaluate(data).expect("a table that fits");
        (model.parameters().to_vec(), report)
    };
    let ((once, report), (twice, report_twice)) = (train(&weighted), train(&repeated));
    assert!(distance(&once, &twice) < 1e-13, "apart {:e}", distance(&once, &twice));
    for (a, b) in report.tasks().iter().zip(report_twice.tasks()) {
        approx::assert_relative_eq!(a.loss, b.loss, max_relative = 1e-12);
        for (a, b) in a.scores.iter().zip(&b.scores) {
            approx::assert_relative_eq!(
                a.value.expect(&a.name),
                b.value.expect(&b.name),
                max_relative = 1e-9
            );
        }
    }
}

#[test]
fn a_batch_without_a_label_leaves_a_task_out() {
    let data = datasets::mixed_tasks::<f64>(90, 0.2, 4);
    let mut targets = data.targets().to_owned();
    targets.column_mut(1).fill(f64::NAN);
    let data = Dataset::new(data.features().to_owned(), targets)
        .and_then(|bare| bare.with_target_names(data.target_names()))
        .and_then(|bare| bare.with_groups(data.groups().expect("queries").to_vec()))
        .expect("a table");
    let model = model();
    let (k, absent) = (model.tasks().len(), 2);
    let mut trace = model.trace(90);
    model.forward(&data.all(), &mut trace).expect("a table that fits");
    assert_eq!(trace.losses()[absent], 0.0);
    assert_eq!(trace.labelled().iter().filter(|&&labelled| !labelled).count(), 1);
    assert!(!trace.labelled()[absent]);

    let (mut all, mut others) = (vec![f64::NAN; model.n_parameters()], vec![f64::NAN; model.n_parameters()]);
    let weights = model.loss_weights();
    model.backward(&mut trace, &weights, &mut all);
    let mut without = weights.clone();
    (without.shared[absent], without.own[absent]) = (0.0, 0.0);
    model.backward(&mut trace, &without, &mut others);
    assert_eq!(all, others);
    for (name, block) in model.network().layout().blocks() {
        let silent = all[block.range()].iter().all(|&g| g == 0.0);
        assert_eq!(silent, name.starts_with("head.accepted."), "{name}");
    }

    let gramian = model.network().gramian(&model.pass(polytask::layer::Mode::Train), &mut trace);
    for l in 0..k {
        assert_eq!((gramian[[absent, l]], gramian[[l, absent]]), (0.0, 0.0));
        assert!(l == absent || gramian[[l, l]] > 0.0);
    }
    // Once each task's gradient has been taken by itself, the silence is the same.
    model.backward(&mut trace, &weights, &mut all);
    let head = model.network().layout().block("head.accepted.0.weight").expect("a head");
    assert!(all[head.range()].iter().all(|&g| g == 0.0));
    assert!(distance(&all, &others) < 1e-14);
}

#[test]
fn gradients_with_gaps_and_weights_are_those_of_finite_differences() {
    let weights = Array1::from_shape_fn(80, |row| [1.0, 0.0, 3.0][row % 3]);
    let data = datasets::mixed_tasks::<f64>(80, 0.5, 6).with_weights(weights).expect("weights");
    let model = model();
    let mut trace = model.trace(80);
    let loss = |theta: &[f64], probe: &mut gradcheck::Probe<'_, f64>| {
        model.probe(theta, &data.all(), &mut trace, probe)
    };
    // The bias of a ranking head moves all scores of a list alike, which changes nothing.
    let check = gradcheck::check(model.parameters(), loss).named(model.network().layout()).allow_zero();
    let report = check.run();
    assert!(report.passed(), "{report}");
}

/// Tiny batches of a table with few labels, at a learning rate that is almost too high.
#[test]
fn parameters_stay_finite_whatever_is_missing() {
    for missing in [0.0, 0.7, 0.95] {
        let data = datasets::mixed_tasks::<f32>(600, missing, 8);
        let mut model = builder().standardize().build::<f32>().expect("valid settings");
        let trainer = Trainer::new(Adam::new(0.03)).batch_size(13).steps(200);
        trainer.fit(&mut model, &data).expect("a training");
        assert!(model.parameters().iter().all(|theta| theta.is_finite()), "{missing} missing");
        let report = model.evaluate(&data).expect("a table that fits");
        assert!(report.tasks().iter().all(|task| task.loss.is_finite()), "{missing} missing\n{report}");
    }
}

#[test]
fn a_class_that_never_occurs_is_learnt_to_be_rare() {
    let data = datasets::mixed_tasks::<f64>(400, 0.0, 5);
    let mut model = Model::builder(8).task(Task::classes("grade", 7)).build::<f64>().expect("valid settings");
    Trainer::new(Adam::new(0.05)).steps(300).fit(&mut model, &data).expect("a training");
    let predicted = model.predict(data.features()).expect("features that fit");
    let unseen = predicted["grade"].select(Axis(1), &[5, 6]).sum() / 400.0;
    assert!(unseen < 0.02, "probability {unseen} of classes that do not occur");
    assert!(model.evaluate(&data).expect("a table that fits")["grade"].score("f1_macro").is_some());
}

#[test]
fn scores_of_one_class_or_no_label_are_undefined_and_say_so() {
    let data = datasets::mixed_tasks::<f64>(200, 0.0, 5);
    let accepted: Vec<usize> = (0..200).filter(|&row| data.target_row(row)[1] == 1.0).collect();
    let one_query = data.select(&accepted).with_groups(vec![0; accepted.len()]).expect("groups");
    let report = model().evaluate(&one_query).expect("a table that fits");
    assert_eq!(report["accepted"].score("roc_auc"), None);
    assert!(report["accepted"].score("accuracy").is_some());
    assert!(report.to_string().contains("undefined"), "{report}");

    let mut targets = data.targets().to_owned();
    targets.fill(f64::NAN);
    let empty = Dataset::new(data.features().to_owned(), targets)
        .and_then(|empty| empty.with_target_names(data.target_names()))
        .expect("a table");
    let report = model().evaluate(&empty).expect("a table that fits");
    assert!(report.total_loss().is_nan(), "no task has a loss");
    for task in report.tasks() {
        assert!(
            task.loss.is_nan() && task.n_labels == 0 && task.scores.iter().all(|score| score.value.is_none())
        );
    }
}

/// `(y − t)²` averaged without a thought of batches without labels.
#[derive(Debug)]
struct Thoughtless;

impl<F: polytask::Scalar> polytask::loss::LossFunction<F> for Thoughtless {
    fn value_and_delta(
        &self,
        y: ndarray::ArrayView2<'_, F>,
        labels: &polytask::loss::Labels<'_, F>,
        mut delta: ndarray::ArrayViewMut2<'_, F>,
    ) -> F {
        let (total, mut sum) = (F::from_f64(labels.total_weight()), F::ZERO);
        for (at, &t) in labels.targets.indexed_iter() {
            let r = if t.is_nan() { F::ZERO } else { y[at] - t };
            sum += r * r;
            delta[at] = (r + r) / total;
        }
        sum / total
    }
}

#[test]
fn a_loss_is_not_asked_about_a_batch_without_labels() {
    let features = ndarray::array![[0.5], [1.5], [2.5]];
    let targets = ndarray::array![[1.0, f64::NAN], [2.0, f64::NAN], [0.0, 1.0]];
    let data = Dataset::new(features, targets).expect("a table");
    let builder = Model::builder(1).task(Task::regression("y0"));
    let model = builder.task(Task::new("y1", Loss::custom(Thoughtless))).build::<f64>().expect("a model");
    let mut trace = model.trace(2);
    model.forward(&data.batch(&[0, 1]), &mut trace).expect("a batch");
    assert_eq!((trace.losses()[1], trace.labelled()), (0.0, &[true, false][..]));
    assert!(trace.delta(1).iter().all(|&d| d == 0.0));
    let mut trained = model.clone();
    Trainer::new(Sgd::new(0.1)).batch_size(1).steps(6).fit(&mut trained, &data).expect("a training");
    assert!(trained.parameters().iter().all(|p| p.is_finite()));
}
