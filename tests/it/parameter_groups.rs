//! Rates and decay by the names of blocks: as an optimiser for each block would take its steps, to the bit.

use polytask::optim::{LazyAdam, Optimizer, ParameterGroups, Rule, global_norm};
use polytask::prelude::*;
use polytask::{ErrorKind, Layout, ModelBuilder};

fn layout() -> Layout {
    let mut layout = Layout::new();
    for (name, rows, cols) in
        [("trunk.0.weight", 7, 5), ("trunk.0.bias", 1, 5), ("head.a.0.weight", 5, 2), ("head.a.0.bias", 1, 2)]
    {
        layout.push(name, rows, cols);
    }
    layout
}

fn groups() -> ParameterGroups {
    ParameterGroups::new().decay("*", 0.5).no_decay_of_biases().rate("trunk.*", 0.1).rate("*.bias", 3.0)
}

/// Rate and decay of the blocks of [`layout`] with the factors of [`groups`].
const FACTORS: [(f64, f64); 4] = [(0.1, 0.5), (3.0, 0.0), (1.0, 0.5), (3.0, 0.0)];

/// A rule by its rate and its decay.
type Settings = fn(f64, f64) -> Box<dyn Rule>;

const RULES: [Settings; 6] = [
    |rate, decay| Box::new(Adam::new(rate).weight_decay(decay)),
    |rate, decay| Box::new(LazyAdam::new(rate).weight_decay(decay)),
    |rate, decay| Box::new(AdamW::new(rate).weight_decay(decay)),
    |rate, decay| Box::new(Sgd::new(rate).weight_decay(decay)),
    |rate, decay| Box::new(Sgd::new(rate).momentum(0.9).weight_decay(decay)),
    |rate, decay| Box::new(Sgd::new(rate).nesterov(0.9).weight_decay(decay)),
];

fn gradient(n: usize, step: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 7 + step * 11) % 13) as f64 * 0.3 - 1.5).collect()
}

#[test]
fn a_block_moves_as_with_an_optimiser_of_its_own() {
    let layout = layout();
    let n = layout.len();
    for clip in [None, Some(0.5)] {
        for (r, rule) in RULES.iter().enumerate() {
            let clipped = |optimizer: Optimizer<f64>| match clip {
                None => optimizer,
                Some(norm) => optimizer.clip_norm(norm).expect("a norm"),
            };
            let whole =
                Optimizer::from_rule(&*rule(0.01, 0.2), n).and_then(|whole| whole.groups(&layout, &groups()));
            let mut whole = clipped(whole.expect("valid settings"));
            let mut unchecked = whole.clone();
            let parts = layout.blocks().zip(FACTORS).map(|((_, block), (rate, decay))| {
                let own = Optimizer::from_rule(&*rule(0.01 * rate, 0.2 * decay), block.len());
                (block.range(), clipped(own.expect("valid settings")))
            });
            let mut parts: Vec<_> = parts.collect();
            let start: Vec<f64> = (0..n).map(|i| (i as f64 * 0.1).sin()).collect();
            let [mut of_whole, mut of_unchecked, mut of_parts] = [start.clone(), start.clone(), start];
            for t in 0..5 {
                let gradient = gradient(n, t);
                whole.checked_step(&mut of_whole, &gradient).expect("finite numbers");
                // In two pieces, of which the border is within a block.
                let step = unchecked.begin(Some(global_norm(&gradient)));
                let (first, second) = of_unchecked.split_at_mut(20);
                unchecked.update(&step, 20..n, second, &gradient[20..]);
                unchecked.update(&step, 0..20, first, &gradient[..20]);
                for (range, own) in &mut parts {
                    let step = own.begin(Some(global_norm(&gradient)));
                    own.update(&step, 0..range.len(), &mut of_parts[range.clone()], &gradient[range.clone()]);
                }
                assert_eq!(of_whole, of_parts, "rule {r}, clipped at {clip:?}");
                assert_eq!(of_unchecked, of_parts, "rule {r}, clipped at {clip:?}, in pieces");
            }
        }
    }
}

fn builder(width: usize) -> ModelBuilder {
    let trunk = [Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Tanh)];
    Model::builder(10).trunk(trunk).task(Task::regression("shoulder")).task(Task::regression("elbow"))
}

fn trained(trainer: Trainer, width: usize) -> Vec<f32> {
    let data = datasets::robot_arm::<f32>(128, 0.05, 1);
    let mut model = builder(width).build::<f32>().expect("valid settings");
    trainer.batch_size(64).steps(6).fit(&mut model, &data).expect("a training");
    model.parameters().to_vec()
}

#[test]
fn threads_do_not_change_a_bit_and_ones_are_no_groups() {
    let trainer = || Trainer::new(AdamW::new(0.01).weight_decay(0.1)).clip_norm(1.0);
    let grouped = || trainer().parameter_groups(groups());
    // 2 × 64 × 40 000: worth a second thread, and three pieces of θ.
    let one = trained(grouped().threads(1), 190);
    for threads in [2, 3, 5] {
        assert!(one == trained(grouped().threads(threads), 190), "{threads} threads");
    }
    let plain = trained(trainer(), 190);
    assert_ne!(one, plain);
    let ones = ParameterGroups::new().rate("*", 1.0).decay("trunk.*", 1.0);
    assert!(trained(trainer().parameter_groups(ones.clone()).threads(1), 190) == plain);
    assert!(trained(trainer().parameter_groups(ones).threads(3), 190) == plain);
}

#[test]
fn wrong_groups_are_refused_before_the_first_step() {
    let data = datasets::robot_arm::<f32>(20, 0.05, 1);
    let model = builder(4).build::<f32>().expect("valid settings");
    let said = |groups| {
        let trainer = Trainer::new(Adam::new(0.01)).parameter_groups(groups);
        trainer.start(&model, &data).map(drop).expect_err("wrong groups")
    };
    let error = said(ParameterGroups::new().rate("trunc.*", 0.1));
    assert_eq!(error.kind(), ErrorKind::Name, "{error}");
    assert!(error.to_string().contains("\"trunk.0.weight\""), "{error}");
    let error = said(ParameterGroups::new().decay("trunk.*", f64::INFINITY));
    assert_eq!(error.kind(), ErrorKind::Setting, "{error}");
    let other = Optimizer::<f32>::new(Adam::new(0.01), 3)
        .and_then(|optimizer| optimizer.groups(&layout(), &groups()));
    assert_eq!(other.expect_err("of another θ").kind(), ErrorKind::Shape);
}

/// What one block's rate makes infinite leaves all of θ as it was.
#[test]
fn a_rate_that_overflows_moves_nothing() {
    let layout = layout();
    let groups = ParameterGroups::new().rate("head.a.0.bias", 1e200);
    let mut adam =
        Optimizer::<f32>::new(Adam::new(1e-3), layout.len()).and_then(|adam| adam.groups(&layout, &groups));
    let adam = adam.as_mut().expect("valid settings");
    let mut theta = vec![1.0; layout.len()];
    let gradient: Vec<f32> = gradient(layout.len(), 1).into_iter().map(|g| g as f32).collect();
    assert!(adam.checked_step(&mut theta, &gradient).is_err());
    assert_eq!((theta, adam.count()), (vec![1.0; layout.len()], 0));
}
