//! The trainings behind the figures and tables: fixed seeds, a few seconds in all.

use std::sync::LazyLock;

use polytask::balance::diagnostics::diagnose;
use polytask::balance::{Evidence, UpGrad, Weights};
use polytask::ndarray::{Array2, s};
use polytask::optim::Optimizer;
use polytask::prelude::*;
use polytask::train::History;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::tutorial_record;

/// Mean and standard error.
pub fn summary(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    [mean, (variance / n).sqrt()]
}

/// Two regressions on 20 normal features, t = sin(wₖ·x) + 0.1 ε, |wₖ| = 1, w₁·w₂ = `cosine`.
fn relatives(n: usize, cosine: f64, seed: u64) -> Dataset<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let mut first: Vec<f64> = (0..20).map(|_| normal()).collect();
    let mut other: Vec<f64> = (0..20).map(|_| normal()).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = product(&first, &first).sqrt();
    first.iter_mut().for_each(|w| *w /= length);
    let along = product(&first, &other);
    other.iter_mut().zip(&first).for_each(|(o, f)| *o -= along * f);
    let length = product(&other, &other).sqrt();
    let sine = (1.0 - cosine * cosine).max(0.0).sqrt();
    let second: Vec<f64> = first.iter().zip(&other).map(|(f, o)| cosine * f + sine * o / length).collect();
    let x = Array2::from_shape_fn((n, 20), |_| normal());
    let t = Array2::from_shape_fn((n, 2), |(row, k)| {
        let w = if k == 0 { &first } else { &second };
        let z: f64 = x.row(row).iter().zip(w).map(|(x, w)| x * w).sum();
        z.sin()
    });
    let t = t.mapv(|t| t + 0.1 * normal());
    Dataset::new(x, t).expect("a table of finite numbers")
}

/// Three tasks of unrelated weights on a narrow trunk, UPGrad, all rows in every step.
pub fn conflicts() -> polytask::Result<History> {
    let data = datasets::related_tasks::<f64>(400, 10, 3, 0.0, 0.01, 5);
    let mut builder = Model::builder(10).trunk(trunk()).seed(2);
    for task in ["task0", "task1", "task2"] {
        builder = builder.task(Task::regression(task));
    }
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(400).steps(600).threads(1);
    trainer.balance(UpGrad::new()).fit(&mut builder.build::<f64>()?, &data)
}

fn two_tasks(sharing: Sharing, names: [&str; 2], seed: u64) -> polytask::ModelBuilder {
    let n_features = if names[0] == "y0" { 20 } else { 10 };
    let builder = Model::builder(n_features).sharing(sharing).seed(seed);
    builder.task(Task::regression(names[0])).task(Task::regression(names[1]))
}

fn trunk() -> [Layer; 1] {
    [Layer::dense(16, Activation::Tanh)]
}

/// Errors on unseen rows with a shared and with separate trunks, seed by seed, and the mean cosine of the tasks'
/// gradients in the shared one, every eighth step.
pub struct Fight {
    pub shared: Vec<f64>,
    pub separate: Vec<f64>,
    pub cosines: Vec<f64>,
}

pub const FIGHT_STEPS: usize = 400;
const FIGHT_SEEDS: u64 = 8;
/// The cosine is measured at each of these steps only, because the gradients of single tasks cost a sweep each.
pub const FIGHT_EVERY: usize = 8;

/// The cosines of the pairs of tasks that fight.
pub const RELATIONS: [f64; 3] = [1.0, 0.0, -1.0];

/// One fight for each of the relations; a picture and a table are made of them.
pub static FIGHTS: LazyLock<[Fight; 3]> = LazyLock::new(|| {
    std::thread::scope(|scope| {
        let fights = RELATIONS.map(|cosine| scope.spawn(move || fight(cosine)));
        fights.map(|fight| fight.join().expect("a fight that ends"))
    })
});

fn fight(cosine: f64) -> Fight {
    let mut found = Fight { shared: vec![], separate: vec![], cosines: vec![0.0; FIGHT_STEPS / FIGHT_EVERY] };
    for seed in 0..FIGHT_SEEDS {
        let data = relatives(700, cosine, 20 + seed);
        let rows: Vec<usize> = (0..700).collect();
        let (train, test) = (data.select(&rows[..200]), data.select(&rows[200..]));
        for is_shared in [true, false] {
            let sharing =
                if is_shared { Sharing::shared_trunk(trunk()) } else { Sharing::independent(trunk()) };
            let mut model = two_tasks(sharing, ["y0", "y1"], seed).build::<f64>().expect("valid settings");
            let mut adam = Optimizer::new(Adam::new(0.01), model.n_parameters()).expect("valid settings");
            let (mut trace, mut gradient) = (model.trace(200), vec![0.0; model.n_parameters()]);
            let weights = model.loss_weights();
            for step in 0..FIGHT_STEPS {
                model.forward(&train.all(), &mut trace).expect("a batch that fits");
                if is_shared && step % FIGHT_EVERY == 0 {
                    let report = diagnose(model.evidence(&mut trace).gramian());
                    found.cosines[step / FIGHT_EVERY] += report.cosines[[0, 1]] / FIGHT_SEEDS as f64;
                }
                model.backward(&mut trace, &weights, &mut gradient);
                adam.step(model.parameters_mut(), &gradient);
            }
            let error = model.evaluate(&test).expect("an evaluation").total_loss() / 2.0;
            if is_shared { found.shared.push(error) } else { found.separate.push(error) }
        }
    }
    found
}

/// Losses of the tutorial program on the robot arm: steps × tasks.
pub fn tutorial() -> Array2<f64> {
    let data = datasets::robot_arm::<f64>(2_000, 0.05, 42);
    let model =
        two_tasks(Sharing::shared_trunk([Layer::dense(10, Activation::Relu)]), ["shoulder", "elbow"], 42);
    let mut model = model.build::<f64>().expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).steps(1_000);
    let history = trainer.fit(&mut model, &data).expect("a training");
    history.losses().to_owned()
}

/// R² of the elbow's torque with few labels: alone, and beside the shoulder's 2 000; five seeds each.
pub fn few_labels(n_labels: usize) -> [Vec<f64>; 2] {
    let mut found = [vec![], vec![]];
    for seed in 0..5 {
        let data = datasets::robot_arm::<f64>(3_000, 0.05, 60 + seed);
        let rows: Vec<usize> = (0..3_000).collect();
        let test = data.select(&rows[2_000..]);
        let mut targets = data.targets().slice(s![..2_000, ..]).to_owned();
        targets.slice_mut(s![n_labels.., 1]).fill(f64::NAN);
        let joint = Dataset::new(data.features().slice(s![..2_000, ..]).to_owned(), targets)
            .and_then(|table| table.with_target_names(["shoulder", "elbow"]))
            .expect("a table");
        let alone = data.select(&rows[..n_labels]);
        let builder = Model::builder(10).trunk([Layer::dense(32, Activation::Tanh)]).standardize().seed(seed);
        for (place, table) in [alone, joint].iter().enumerate() {
            let builder = match place {
                0 => builder.clone().task(Task::regression("elbow")),
                _ => builder.clone().task(Task::regression("elbow")).task(Task::regression("shoulder")),
            };
            // As many looks at these labels for both: 40 epochs of the long table are 1 280 steps.
            let (batch, epochs) = if place == 0 { (20, 40) } else { (64, 40) };
            let mut model = builder.build::<f64>().expect("valid settings");
            let trainer = Trainer::new(Adam::new(0.005)).batch_size(batch).epochs(epochs).seed(seed);
            trainer.fit(&mut model, table).expect("a training");
            let report = model.evaluate(&test).expect("an evaluation");
            found[place].push(report["elbow"].score("r2").expect("targets that differ"));
        }
    }
    found
}

/// Gains in per cent of mean RMSE of a shared over separate trunks on the robot arm, seed by seed.
pub fn gains(n_train: usize) -> Vec<f64> {
    let gain = |seed: u64| {
        let data = datasets::robot_arm::<f64>(n_train + 1_000, 0.05, 300 + seed);
        let rows: Vec<usize> = (0..data.n_rows()).collect();
        let (train, test) = (data.select(&rows[..n_train]), data.select(&rows[n_train..]));
        let errors = [Sharing::shared_trunk(trunk()), Sharing::independent(trunk())].map(|sharing| {
            let builder = two_tasks(sharing, ["shoulder", "elbow"], seed).standardize();
            let mut model = builder.build::<f64>().expect("valid settings");
            Trainer::new(Adam::new(0.01))
                .batch_size(25)
                .steps(400)
                .seed(seed)
                .fit(&mut model, &train)
                .expect("a training");
            let report = model.evaluate(&test).expect("an evaluation");
            ["shoulder", "elbow"].map(|task| report[task].score("rmse").expect("targets"))
        });
        50.0 * (0..2).map(|k| 1.0 - errors[0][k] / errors[1][k]).sum::<f64>()
    };
    (0..8).map(gain).collect()
}

/// TensorFlow's losses of the tutorial program and those found here: steps × tasks.
pub fn tutorial_in_both_engines() -> [Array2<f64>; 2] {
    let tensors = tutorial_record::f64_record();
    let mut model = tutorial_record::tutorial(&tensors);
    let trainer = Trainer::new(Adam::new(0.01).epsilon_hat()).batch_size(32).steps(1_000).in_order();
    let history = trainer.fit(&mut model, &tutorial_record::dataset(&tensors, "")).expect("a training");
    [tensors["losses"].clone(), history.losses().to_owned()]
}

/// The distance of gradients of a small network from central differences, relative to their length, for twenty θ: of the
/// right one, and of three that are wrong.
pub fn agreement() -> [(&'static str, Vec<f64>); 4] {
    let data = datasets::robot_arm::<f64>(7, 0.05, 42);
    let sharing = Sharing::shared_trunk([Layer::dense(4, Activation::Tanh)]);
    let builder = two_tasks(sharing, ["shoulder", "elbow"], 0);
    let names = ["right", "one entry 1 % too large", "no bias gradient", "one task's sign"];
    let mut found = names.map(|name| (name, Vec::new()));
    for seed in 0..20 {
        let mut model = builder.clone().seed(seed).build::<f64>().expect("valid settings");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        model.parameters_mut().fill_with(|| 0.5 * rng.sample::<f64, _>(StandardNormal));
        let mut trace = model.trace(7);
        let mut gradient = |model: &Model<f64>, weights: &Weights| {
            let mut gradient = vec![0.0; model.n_parameters()];
            model.forward(&data.all(), &mut trace).expect("a batch that fits");
            let loss: f64 = trace.losses().iter().sum();
            model.backward(&mut trace, weights, &mut gradient);
            (loss, gradient)
        };
        let right = gradient(&model, &Weights::ones(2)).1;
        let other_sign = Weights { shared: vec![1.0, -1.0], own: vec![1.0, 1.0] };
        let (mut too_large, mut no_bias) = (right.clone(), right.clone());
        let largest = (0..40).max_by(|&i, &j| right[i].abs().total_cmp(&right[j].abs())).expect("entries");
        too_large[largest] *= 1.01;
        let bias = model.network().layout().block("trunk.0.bias").expect("a block of that name");
        no_bias[bias.range()].fill(0.0);
        let handed_in = [right, too_large, no_bias, gradient(&model, &other_sign).1];

        let mut moved = |i: usize, by: f64| {
            let mut model = model.clone();
            model.parameters_mut()[i] += by;
            gradient(&model, &Weights::ones(2)).0
        };
        let numeric: Vec<f64> =
            (0..handed_in[0].len()).map(|i| (moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5).collect();
        let length = |v: Vec<f64>| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        for ((_, errors), by_hand) in found.iter_mut().zip(handed_in) {
            let difference = numeric.iter().zip(by_hand).map(|(n, h)| n - h).collect();
            errors.push(length(difference) / length(numeric.clone()));
        }
    }
    found
}

/// The model of the chapter on kinds of tasks, trained, and its test rows.
pub fn mixed_tasks() -> (Model<f64>, Dataset<f64>) {
    let data = datasets::mixed_tasks::<f64>(1_500, 0.4, 7);
    let (train, test) = data.split(0.8, 1).expect("two parts");
    let mut model = Model::builder(train.n_features())
        .trunk([Layer::dense(32, Activation::Tanh)])
        .task(Task::regression("value"))
        .task(Task::binary("accepted"))
        .task(Task::classes("grade", 5))
        .task(Task::ranking("relevance"))
        .seed(1)
        .build::<f64>()
        .expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(64).steps(250);
    trainer.fit(&mut model, &train).expect("a training");
    (model, test)
}

/// The file of a network of 2 features, 2 hidden units and one output, θ = 0, 1, … 8.
pub fn small_file() -> Vec<u8> {
    let builder = Model::builder(2).trunk([Layer::dense(2, Activation::Relu)]).task(Task::regression("y"));
    let mut model = builder.build::<f32>().expect("valid settings");
    for (i, theta) in model.parameters_mut().iter_mut().enumerate() {
        *theta = i as f32;
    }
    model.to_bytes().expect("a file")
}
