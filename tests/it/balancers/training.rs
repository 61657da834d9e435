//! Every method at work in a training.

use std::sync::{Arc, Mutex};

use polytask::GramianScope;
use polytask::balance::{
    Aggregate, Balance, Balancer, Equal, Fixed, FixedEvidence, Needs, Tasks, UpGrad, Weights,
};
use polytask::loss::Loss;
use polytask::prelude::*;
use polytask::train::History;

use super::aggregates::aggregates;
use super::members::{TASKS, members};

pub fn arm() -> Dataset<f32> {
    datasets::robot_arm(300, 0.05, 42)
}

/// The robot arm's two torques, each learned twice.
pub fn model(weights: [f64; TASKS]) -> Model<f32> {
    let mut builder = Model::builder(10).trunk([Layer::dense(16, Activation::Tanh)]).seed(1).standardize();
    for (k, weight) in weights.into_iter().enumerate() {
        let column = ["shoulder", "elbow"][k % 2];
        let task =
            Task::new(format!("{column} {k}"), [Loss::mean_squared_error(), Loss::huber(1.0)][k / 2].clone());
        builder = builder.task(task.columns([column]).weight(weight));
    }
    builder.build().expect("valid settings")
}

fn train(trainer: &Trainer, weights: [f64; TASKS]) -> (Vec<f32>, History) {
    let mut model = model(weights);
    let history = trainer.fit(&mut model, &arm()).expect("a training");
    (model.parameters().to_vec(), history)
}

pub fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(64).epochs(6).seed(5)
}

fn of(method: &dyn Balance) -> Trainer {
    trainer().balance(method.boxed())
}

fn along(method: &dyn Aggregate) -> Trainer {
    trainer().aggregate(method.boxed())
}

fn bits(history: &History) -> Vec<u64> {
    history.losses().iter().chain(history.weights()).map(|x| x.to_bits()).collect()
}

#[test]
fn every_method_learns_and_does_so_again() {
    let balances = members().into_iter().map(|member| of(&*member.method));
    let aggregates = aggregates().into_iter().map(|(method, _)| along(&*method));
    for trainer in balances.chain(aggregates) {
        let (theta, history) = train(&trainer, [1.0; TASKS]);
        let (again, history_again) = train(&trainer.clone().threads(3), [1.0; TASKS]);
        assert!(theta == again && bits(&history) == bits(&history_again), "{trainer:?}");
        assert!(theta.iter().all(|x| x.is_finite()) && history.weights().iter().all(|w| w.is_finite()));
        let losses = history.losses();
        let (first, last) = (losses.row(0).sum(), losses.row(losses.nrows() - 1).sum());
        assert!(last < first, "{trainer:?}: {first} → {last}");
    }
}

#[test]
fn what_the_gramians_tell_is_in_the_history() {
    let sketch = GramianScope::Sketch { sums: 2, seed: 3 };
    for over in
        [GramianScope::SharedParameters, sketch, GramianScope::LastSharedLayer, GramianScope::Representation]
    {
        let (_, history) = train(&of(&UpGrad::new().every(2)).balance_over(over), [1.0; TASKS]);
        let norms = history.gradient_norms().expect("UPGrad asks for the Gramian");
        let cosines = history.cosines(2, 0).expect("UPGrad asks for the Gramian");
        assert_eq!((norms.dim(), cosines.len()), ((30, TASKS), 30));
        for step in 0..30 {
            let asked = step % 2 == 0;
            assert_eq!(norms.row(step).iter().all(|norm| *norm > 0.0), asked);
            assert_eq!(cosines[step].abs() <= 1.0, asked);
        }
    }
    let (_, history) = train(&of(&Equal::sum()), [1.0; TASKS]);
    assert!(history.gradient_norms().is_none() && history.cosines(0, 1).is_none());
}

/// θ stands still, and the batch is the same in every step: what changes is drawn.
#[test]
fn a_sketch_is_drawn_anew_in_every_step() {
    let lengths = |over: GramianScope| {
        let still = Trainer::new(Sgd::new(1e-30)).batch_size(300).in_order().steps(4);
        let (_, history) = train(&still.balance(UpGrad::new()).balance_over(over), [1.0; TASKS]);
        history.gradient_norms().expect("UPGrad asks for the Gramian").column(0).to_vec()
    };
    let exact = lengths(GramianScope::SharedParameters);
    assert!(exact.iter().all(|&length| length == exact[0]));
    let sketch = |seed| lengths(GramianScope::Sketch { sums: 2, seed });
    let drawn = sketch(3);
    assert!((1..4).all(|t| !drawn[..t].contains(&drawn[t])), "{drawn:?}");
    assert!(sketch(3) == drawn && sketch(4) != drawn);
}

#[test]
fn task_weights_compose_with_any_method() {
    let weights = [1.0, 0.5, 0.25, 2.0];
    let (plain, _) = train(&trainer(), weights);
    assert!(train(&of(&Equal::sum()), weights).0 == plain);
    assert!(train(&of(&Fixed::new(&[1.0, 0.5, 0.5, 0.5])), [1.0, 1.0, 0.5, 4.0]).0 == plain);

    // A method sees the weighted losses and the Gramian of their gradients; its weights are brought back.
    let j = ndarray::array![[3.0, 1.0, 0.0], [-2.0, 1.0, 0.5], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0]];
    let losses = [1.0, 2.0, 0.5, 0.1];
    let mut scaled = j.clone();
    for (mut row, weight) in scaled.rows_mut().into_iter().zip(weights) {
        row *= weight;
    }
    let scaled_losses: Vec<f64> = losses.iter().zip(weights).map(|(l, w)| l * w).collect();
    for member in members() {
        let mut composed =
            Balancer::new(member.method.clone(), TASKS).unwrap().scale_losses(&weights).unwrap();
        let mut alone = Balancer::new(member.method.clone(), TASKS).unwrap();
        for step in 0..3 {
            let found = composed.weights(&mut FixedEvidence::from_jacobian(&j).with_losses(&losses)).clone();
            let expected =
                alone.weights(&mut FixedEvidence::from_jacobian(&scaled).with_losses(&scaled_losses)).clone();
            for k in 0..TASKS {
                let close = |found: f64, expected: f64| {
                    (found - weights[k] * expected).abs() < 1e-9 * (1.0 + found.abs())
                };
                let both = close(found.shared[k], expected.shared[k]) && close(found.own[k], expected.own[k]);
                assert!(both, "{:?} in step {step}: {found:?}, alone {expected:?}", member.method);
            }
            composed.after_step(&losses.map(|loss| 0.9 * loss));
            alone.after_step(&scaled_losses.iter().map(|loss| 0.9 * loss).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_task_of_weight_zero_takes_no_part() {
    let weights = [1.0, 0.0, 1.0, 1.0];
    for trainer in [of(&UpGrad::new()), along(&*aggregates()[0].0)] {
        let (theta, history) = train(&trainer, weights);
        assert!(history.weights().column(1).iter().all(|w| *w == 0.0));
        let (first, layout) = (model(weights), model(weights).network().layout().clone());
        let head = layout.block("head.elbow 1.0.weight").expect("a head").range();
        assert_eq!(theta[head.clone()], first.parameters()[head]);
    }
    let fault = Balancer::new(Equal::sum(), 2).unwrap();
    assert!(fault.clone().scale_losses(&[1.0]).is_err());
    assert!(fault.clone().scale_losses(&[1.0, -1.0]).is_err());
    assert!(fault.scale_losses(&[1.0, f64::NAN]).is_err());
}

/// Weight 1, and a record of the losses that it was shown before and after each step, and of the ends of epochs.
#[derive(Clone, Debug, Default)]
struct Witness {
    seen: Arc<Mutex<Vec<(Vec<f64>, Vec<f64>)>>>,
    epochs: Arc<Mutex<usize>>,
}

impl Balance for Witness {
    fn needs(&self) -> Needs {
        Needs::LOSSES_AFTER_STEP
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        weights.scale_heads();
        self.seen.lock().unwrap().push((tasks.losses().to_vec(), Vec::new()));
    }

    fn after_step(&mut self, _: &[usize], losses: &[f64]) {
        self.seen.lock().unwrap().last_mut().unwrap().1 = losses.to_vec();
    }

    fn end_epoch(&mut self) {
        *self.epochs.lock().unwrap() += 1;
    }
}

/// With one batch, the losses after a step are those before the next one; and the extra forward changes nothing.
#[test]
fn losses_after_the_step_are_those_of_the_same_batch() {
    let whole = trainer().batch_size(300).in_order();
    let witness = Witness::default();
    let (theta, history) = train(&whole.clone().balance(witness.clone()), [1.0; TASKS]);
    assert!(train(&whole, [1.0; TASKS]).0 == theta);
    let seen = witness.seen.lock().unwrap();
    assert_eq!((seen.len(), *witness.epochs.lock().unwrap()), (6, 6));
    for (t, pair) in seen.windows(2).enumerate() {
        assert_eq!(pair[0].1, pair[1].0);
        assert_eq!(pair[0].0, history.losses().row(t).to_vec());
    }

    let rarely = Witness::default();
    train(&of(&rarely.clone().every(3)), [1.0; TASKS]);
    let seen = rarely.seen.lock().unwrap();
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|(before, after)| before.len() == after.len()));
}
