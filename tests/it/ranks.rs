//! One training over several ranks is that of one process up to rounding, and all ranks have the same bits. Ranks are
//! threads here; that processes do the same is shown in `tests/mpi`.

use polytask::balance::{Balance, Equal, UpGrad};
use polytask::data::TargetTransform;
use polytask::ndarray::Array2;
use polytask::optim::Plateau;
use polytask::penalty::Penalty;
use polytask::prelude::*;
use polytask::ranks::{Alone, Exchange, Ranks, on_threads};
use polytask::train::History;
use polytask::train::callback::{EarlyStopping, ReduceOnPlateau};
use polytask::{GramianScope, ModelBuilder, Scalar};

use super::balancers::aggregates::aggregates;
use super::balancers::members::{TASKS, members};

/// A table of four tasks of several kinds, with gaps, so that ranks have unlike numbers of labels, and some none.
fn table<F: Scalar>(rows: usize) -> Dataset<F> {
    let arm = datasets::robot_arm::<f64>(rows, 0.05, 7);
    let mut y = Array2::zeros((rows, TASKS));
    for row in 0..rows {
        let [shoulder, elbow] = [arm.target_row(row)[0], arm.target_row(row)[1]];
        let yes = f64::from(u8::from(shoulder > 0.0));
        let class = f64::from(u8::from(elbow > 0.0) + u8::from(elbow > 1.0));
        let rare = if row % 17 == 0 { elbow } else { f64::NAN };
        let often = if row % 3 == 0 { f64::NAN } else { shoulder };
        y.row_mut(row).assign(&ndarray::arr1(&[often, yes, class, rare]));
    }
    let x = arm.features().mapv(F::from_f64);
    let data = Dataset::new(x, y.mapv(F::from_f64)).expect("a table");
    data.with_target_names(["often", "yes", "class", "rare"]).expect("four names")
}

fn builder() -> ModelBuilder {
    Model::builder(10)
        .trunk([Layer::dense(12, Activation::Tanh), Layer::dense(9, Activation::Silu)])
        .task(Task::regression("often").head([Layer::dense(5, Activation::Tanh)]))
        .task(Task::binary("yes"))
        .task(Task::classes("class", 3).weight(0.7))
        .task(Task::regression("rare"))
        .seed(3)
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(30).steps(100).seed(5)
}

/// The model and what happened, in one process.
fn alone<F: Scalar>(builder: &ModelBuilder, trainer: &Trainer, data: &Dataset<F>) -> (Model<F>, History) {
    let mut model = builder.build().expect("valid settings");
    let history = trainer.fit_validated(&mut model, data, data).expect("a training");
    (model, history)
}

/// The same on each of several ranks; of which only the first begins with the parameters of the builder.
fn over<F: Scalar>(
    ranks: usize,
    builder: &ModelBuilder,
    trainer: &Trainer,
    data: &Dataset<F>,
) -> Vec<(Model<F>, History)> {
    let run = on_threads(ranks, |rank| {
        let mut model: Model<F> = builder.build()?;
        if rank.rank() > 0 {
            model.parameters_mut().fill(F::ONE);
        }
        let history = trainer.clone().ranks(rank).fit_validated(&mut model, data, data)?;
        Ok((model, history))
    });
    run.unwrap_or_else(|error| panic!("{error}, {trainer:?}"))
}

fn bits<F: Scalar>((model, history): &(Model<F>, History)) -> Vec<u64> {
    let of_history =
        history.losses().iter().chain(history.weights()).map(|x| x.to_bits()).collect::<Vec<_>>();
    let validated = history.validations().iter().flat_map(|v| v.losses.clone());
    let validated = validated.map(|loss| loss.map_or(1, f64::to_bits));
    let numbers = model.parameters().iter().chain(model.state());
    numbers.map(|x| x.to_f64().to_bits()).chain(of_history).chain(validated).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let square = |x: f64| x * x;
    let length = a.iter().map(|&x| square(x)).sum::<f64>().sqrt();
    a.iter().zip(b).map(|(a, b)| square(a - b)).sum::<f64>().sqrt() / length
}

/// Checks what is promised for that many ranks, and returns how far θ is from that of one process.
#[track_caller]
fn check(ranks: usize, builder: &ModelBuilder, trainer: &Trainer, data: &Dataset<f64>, near: f64) -> f64 {
    let (one, many) = (alone(builder, trainer, data), over(ranks, builder, trainer, data));
    for other in &many[1..] {
        assert!(bits(other) == bits(&many[0]), "ranks differ: {trainer:?}");
    }
    let ((one, history), (model, of_ranks)) = (&one, &many[0]);
    let far = distance(one.parameters(), model.parameters());
    assert!(far < near, "{ranks} ranks: {far:e}, {trainer:?}");
    assert_eq!(history.losses().dim(), of_ranks.losses().dim());
    for (a, b) in history.losses().iter().zip(&of_ranks.losses()) {
        assert!((a - b).abs() < 1e-7 * (1.0 + a.abs()) || a.is_nan() && b.is_nan(), "{a} {b}");
    }
    assert_eq!(history.stopped_by(), of_ranks.stopped_by());
    far
}

#[test]
fn sums_are_in_the_order_of_the_ranks() {
    // Numbers whose sum depends on the order, few and many of them.
    for len in [1, 7, 1000, 5_000_000] {
        let of = |rank: usize| -> Vec<f32> {
            (0..len).map(|i| (1.0 + i as f32) * [1e8, 1.25, -1e8, 3.5][rank]).collect()
        };
        let all: Vec<Vec<f32>> = (0..4).map(of).collect();
        let sums = on_threads(4, |ranks| {
            let mut numbers = of(ranks.rank());
            Exchange::new(ranks).sum(&mut numbers)?;
            Ok(numbers)
        })
        .unwrap();
        for sum in &sums {
            let in_order = |i: usize| ((all[0][i] + all[1][i]) + all[2][i]) + all[3][i];
            assert!(sum.iter().enumerate().all(|(i, x)| x.to_bits() == in_order(i).to_bits()), "{len}");
        }
    }
}

#[test]
fn what_rank_0_has_goes_to_all() {
    for len in [0, 1, 5, 3_000_000] {
        let copies = on_threads(3, |ranks| {
            let mut numbers: Vec<f64> = (0..len).map(|i| (i * (ranks.rank() + 1)) as f64).collect();
            Exchange::new(ranks).broadcast(&mut numbers)?;
            Ok(numbers)
        });
        let first: Vec<f64> = (0..len).map(|i| i as f64).collect();
        assert!(copies.unwrap().iter().all(|copy| *copy == first));
    }
    let bytes = on_threads(2, |ranks| {
        let own = vec![7; 20_000_000 * ranks.rank() + 1];
        Exchange::new(ranks).gather_bytes(&own)
    });
    assert!(bytes.unwrap().iter().all(|all| all[0] == [7] && all[1] == vec![7; 20_000_001]));
}

#[test]
fn a_training_over_ranks_is_that_of_one_process() {
    let data = table::<f64>(200);
    for ranks in [1, 2, 3, 4] {
        check(ranks, &builder(), &trainer(), &data, 1e-10);
    }
    let one = alone(&builder(), &trainer(), &data);
    let of_one_rank = alone(&builder(), &trainer().ranks(Alone), &data);
    assert!(
        bits(&one) == bits(&of_one_rank) && bits(&one) == bits(&over(1, &builder(), &trainer(), &data)[0])
    );
    // More ranks than rows in the last batch of an epoch: 200 = 6 · 33 + 2.
    check(5, &builder(), &trainer().batch_size(33), &data, 1e-10);
}

#[test]
fn losses_in_single_precision_are_near() {
    let data = table::<f32>(200);
    let (one, many) = (alone(&builder(), &trainer(), &data), over(4, &builder(), &trainer(), &data));
    assert!(many.iter().all(|other| bits(other) == bits(&many[0])));
    for (a, b) in one.1.losses().iter().zip(&many[0].1.losses()) {
        assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()) || a.is_nan() && b.is_nan(), "{a} {b}");
    }
}

#[test]
fn every_balancing_method_sees_the_whole_batch() {
    let data = table::<f64>(120);
    let balances = members().into_iter().map(|member| trainer().balance(member.method));
    let aggregates = aggregates().into_iter().map(|(method, _)| trainer().aggregate(method));
    let mut worst = (0.0, String::new());
    for (at, trainer) in balances.chain(aggregates).enumerate() {
        let far = check(2 + at % 3, &builder(), &trainer.steps(40), &data, 1e-7);
        if far > worst.0 {
            worst = (far, format!("{at}"));
        }
    }
    println!("farthest: {worst:?}");
}

#[test]
fn gramians_over_ranks_are_those_of_the_whole_batch() {
    let data = table::<f64>(120);
    for over_what in
        [GramianScope::SharedParameters, GramianScope::LastSharedLayer, GramianScope::Representation]
    {
        for method in [Box::new(UpGrad::new()) as Box<dyn Balance>, Box::new(UpGrad::new().every(3))] {
            let trainer = trainer().steps(40).balance(method).balance_over(over_what);
            check(3, &builder(), &trainer, &data, 1e-9);
            let (one, many) = (alone(&builder(), &trainer, &data), over(3, &builder(), &trainer, &data));
            let norms =
                [&one.1, &many[0].1].map(|history| history.gradient_norms().expect("asked for").to_owned());
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-8 * a.abs() || a.is_nan() && b.is_nan();
            assert!(norms[0].iter().zip(&norms[1]).all(near), "{over_what:?}");
        }
    }
}

#[test]
fn settings_of_a_step_are_those_of_the_whole_step() {
    let data = table::<f64>(150);
    let weights = ndarray::Array1::from_shape_fn(150, |row| (row % 4) as f64 * 0.5);
    let weighted = table::<f64>(150).with_weights(weights).expect("a weight for each row");
    let trainer = trainer().steps(60);
    check(3, &builder(), &trainer.clone().clip_norm(0.3), &data, 1e-10);
    check(3, &builder(), &trainer.clone().batch_size(11).accumulate(3), &data, 1e-10);
    check(2, &builder(), &trainer.clone().in_order(), &weighted, 1e-10);
    check(4, &builder(), &Trainer::new(Sgd::new(0.005).momentum(0.9)).steps(60), &data, 1e-10);
    check(3, &builder().standardize(), &trainer.clone().schedule(Schedule::cosine(60, 0.1)), &data, 1e-10);
    let stopping = trainer.clone().epochs(40).callback(EarlyStopping::new().patience(2));
    check(3, &builder(), &stopping.callback(ReduceOnPlateau::new(Plateau::new().patience(1))), &data, 1e-9);
    // What is drawn, is drawn by the number of the row in the whole batch.
    let drawing = builder().trunk([Layer::dense(12, Activation::Tanh), Layer::dropout(0.4)]);
    check(3, &drawing, &trainer, &data, 1e-10);
    check(3, &drawing.clone().batch_ensemble(4), &trainer, &data, 1e-10);
    let two_threads = trainer.clone().threads(2);
    check(2, &builder().trunk([Layer::dense(300, Activation::Tanh)]), &two_threads.steps(5), &data, 1e-10);
}

#[test]
fn losses_that_compare_rows_keep_their_groups_on_a_rank() {
    let arm = datasets::robot_arm::<f64>(90, 0.05, 7);
    let groups: Vec<u64> = (0..90).map(|row| row * row % 13).collect();
    let data = arm.clone().with_groups(groups).expect("a group for each row");
    let builder = Model::builder(10)
        .trunk([Layer::dense(8, Activation::Tanh)])
        .task(Task::ranking("shoulder"))
        .task(Task::regression("elbow"));
    for ranks in [2, 4] {
        check(ranks, &builder, &trainer().batch_size(40).steps(50), &data, 1e-10);
        let method = UpGrad::new();
        check(ranks, &builder, &trainer().batch_size(40).steps(50).balance(method), &data, 1e-9);
    }
    // Without groups a batch is one list.
    check(3, &builder, &trainer().steps(30), &arm, 1e-10);
}

#[test]
fn all_that_is_not_a_plain_trunk_too() {
    let data = table::<f64>(120);
    let trainer = trainer().steps(40);
    let tasks = |builder: ModelBuilder| {
        let transformed = Task::regression("rare").transform(TargetTransform::yeo_johnson());
        builder.task(Task::regression("often")).task(Task::binary("yes")).task(transformed).standardize()
    };
    let hidden = || [Layer::dense(6, Activation::Relu)];
    for sharing in [
        Sharing::independent(hidden()),
        Sharing::mmoe(3, hidden()),
        Sharing::cross_stitch(hidden()),
        Sharing::soft(0.1, hidden()),
    ] {
        let penalty = Penalty::l1("*weight", 1e-3);
        check(3, &tasks(Model::builder(10).sharing(sharing)).penalty(penalty), &trainer, &data, 1e-9);
    }
    let product = Model::builder(10)
        .trunk([Layer::dense(7, Activation::Tanh)])
        .task(Task::binary("yes"))
        .task(Task::binary("after").columns(["yes"]))
        .task(Task::product("both", ["yes", "after"]).columns(["yes"]));
    for trainer in
        [trainer.clone(), trainer.clone().balance(UpGrad::new()), trainer.clone().balance(Equal::mean())]
    {
        check(3, &product, &trainer, &data, 1e-9);
    }
}
