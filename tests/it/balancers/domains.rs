//! Losses that a method is not defined for: said at the start where the kind of a loss tells, at the first such loss
//! otherwise, with the method, the task and what to do. Nothing is made of them in silence.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, array};
use polytask::Scalar;
use polytask::balance::{
    Aggregate, Aggregator, Balance, Balancer, BoxedBalance, DbMtl, DbMtlMomentum, Domain, Dwa, Equal,
    ExcessMtl, Famo, FixedEvidence, Gls, GradDrop, GradNorm, Imtl, ImtlL, Mgda, MoCo, Normalisation,
    ScaleInvariant, Stch, Uncertainty, UpGrad,
};
use polytask::loss::{Labels, LossFunction, MeanSquaredError};
use polytask::prelude::*;

use super::members::{TASKS, members};

/// The methods that divide by losses or take their logarithm.
fn for_losses_of_0_or_more() -> Vec<Box<dyn Balance>> {
    vec![
        ScaleInvariant::new().boxed(),
        Uncertainty::new().boxed(),
        ImtlL::new().boxed(),
        Imtl::new().boxed(),
        Dwa::new().boxed(),
        Gls::new().boxed(),
        Famo::new().boxed(),
        GradNorm::new().boxed(),
        DbMtl::new().boxed(),
        Mgda::new().normalisation(Normalisation::Loss).boxed(),
        Mgda::new().normalisation(Normalisation::LossAndLength).boxed(),
        Uncertainty::new().smoothed(0.5).boxed(),
        Famo::new().every(2).boxed(),
        Gls::new().scale_heads(false).boxed(),
    ]
}

/// The same, of those that see the matrix of gradients.
fn aggregates() -> [Box<dyn Aggregate>; 2] {
    [Box::new(MoCo::new()), Box::new(DbMtlMomentum::new())]
}

/// The mean squared error less 5: a loss of the user's own that does not say that it can be negative.
#[derive(Debug)]
struct Shifted;

impl<F: Scalar> LossFunction<F> for Shifted {
    fn value_and_delta(
        &self,
        y: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        MeanSquaredError.value_and_delta(y, labels, delta) - F::from_f64(5.0)
    }
}

/// Counts whose rate is e^(1 + x₀), and a quantity.
fn table() -> Dataset<f64> {
    let features = Array2::from_shape_fn((240, 2), |(i, j)| (1.3 * i as f64 + 2.1 * j as f64 + 0.3).sin());
    let targets = Array2::from_shape_fn((240, 2), |(i, j)| match j {
        0 => (1.0 + features[[i, 0]]).exp().round(),
        _ => features[[i, 1]] - features[[i, 0]],
    });
    Dataset::new(features, targets).and_then(|data| data.with_target_names(["visits", "height"])).unwrap()
}

fn model(first: Task) -> Model<f64> {
    let builder = Model::builder(2).trunk([Layer::dense(12, Activation::Tanh)]);
    builder.task(first).task(Task::regression("height")).seed(3).build().unwrap()
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.02)).batch_size(60).steps(400).seed(1)
}

#[test]
fn a_method_that_takes_every_loss_does_not_ask_where_0_is() {
    let j = array![[3.0, 1.0, 0.0], [-2.0, 1.0, 0.5], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0]];
    let mut bounded = 0;
    for member in members() {
        let weights_at = |shift: f64| {
            let losses = [1.0, 2.0, 0.5, 0.1].map(|loss| loss + shift);
            let mut balancer = Balancer::new(member.method.clone(), TASKS).unwrap();
            let checked = balancer.check_losses(&losses, &[true; TASKS]);
            checked.map(|()| {
                balancer.weights(&mut FixedEvidence::from_jacobian(&j).with_losses(&losses));
                balancer.after_step(&losses);
                balancer.end_epoch();
                balancer.weights(&mut FixedEvidence::from_jacobian(&j).with_losses(&losses)).clone()
            })
        };
        let here = weights_at(0.0).unwrap();
        match member.method.domain(0) {
            Domain::All => {
                let there = weights_at(-10.0).unwrap();
                let all =
                    |weights: &polytask::balance::Weights| [&weights.shared[..], &weights.own[..]].concat();
                for (here, there) in all(&here).iter().zip(all(&there)) {
                    // Rounding of losses that are ten times as large, enlarged by 1 / 0.3 in the exponents of Stch.
                    assert!((here - there).abs() < 1e-12 * here.abs().max(1.0), "{:?}", member.method);
                }
            }
            domain => {
                bounded += 1;
                assert_eq!(domain, Domain::AtLeast(0.0));
                let error = weights_at(-10.0).unwrap_err().to_string();
                let expected =
                    format!("expected 0 or more, for which `{}` is defined, found -9", member.method.name());
                assert!(error.starts_with("loss of task 0") && error.contains(&expected), "{error}");
            }
        }
    }
    assert!(bounded >= 9, "{bounded} methods with a bound");
}

#[test]
fn wrapped_methods_are_called_by_the_name_of_the_method() {
    let names: Vec<_> = for_losses_of_0_or_more().iter().map(|method| method.name()).collect();
    assert_eq!(names[1..3], ["Uncertainty", "ImtlL"]);
    assert_eq!(names[11..], ["Uncertainty", "Famo", "Gls"]);
}

#[test]
fn a_loss_known_to_be_negative_is_refused_at_the_start() {
    let (data, model) = (table(), model(Task::new("visits", Loss::gaussian())));
    let message = |trainer: Trainer| trainer.start(&model, &data).expect_err("refused").to_string();
    for method in for_losses_of_0_or_more() {
        let error = message(trainer().balance(method.clone()));
        let expected = format!(
            "loss of task \"visits\": expected one that is never negative, for which `{}` is defined, \
             found `gaussian`, which can be",
            method.name()
        );
        assert!(error.starts_with(&expected) && error.contains("`UpGrad`"), "{error}");
        assert!(error.contains("to weigh it by uncertainty once more is a mistake"), "{error}");
    }
    for aggregate in aggregates() {
        let name = aggregate.name();
        let error = message(trainer().aggregate(aggregate));
        assert!(error.contains(&format!("for which `{name}` is defined")), "{error}");
    }
    let famo = Famo::new().bounds(&[-50.0, 0.0]);
    for takes in [trainer(), trainer().balance(UpGrad::new()), trainer().balance(famo)] {
        takes.start(&model, &data).unwrap();
    }
    trainer().aggregate(GradDrop::new(1)).start(&model, &data).unwrap();
    trainer().aggregate(ExcessMtl::new()).start(&model, &data).unwrap();
    // A task of weight 0 is not balanced.
    let aside = self::model(Task::new("visits", Loss::gaussian()).weight(0.0));
    trainer().balance(Uncertainty::new()).start(&aside, &data).unwrap();
}

#[test]
fn the_first_negative_loss_ends_the_training() {
    let data = table();
    let untrained = model(Task::new("visits", Loss::custom(Shifted)).columns(["height"]));
    let run = |trainer: Trainer| {
        let mut model = untrained.clone();
        let error = trainer.fit(&mut model, &data).expect_err("refused").to_string();
        assert_eq!(model.parameters(), untrained.parameters());
        error
    };
    for method in for_losses_of_0_or_more() {
        let error = run(trainer().balance(method.clone()));
        let expected = format!("expected 0 or more, for which `{}` is defined, found -", method.name());
        assert!(error.starts_with("loss of task \"visits\" at step 1: "), "{error}");
        assert!(error.contains(&expected) && error.contains("`UpGrad`"), "{error}");
    }
    let error = run(trainer().aggregate(MoCo::new()));
    assert!(error.contains("task \"visits\" at step 1") && error.contains("`MoCo`"), "{error}");
    let mut model = untrained.clone();
    trainer().balance(Equal::mean()).fit(&mut model, &data).unwrap();
}

#[test]
fn counts_are_balanced_by_every_method() {
    let data = table();
    let untrained = model(Task::count("visits"));
    let losses = |model: &Model<f64>| {
        let report = model.evaluate(&data).unwrap();
        ["visits", "height"].map(|task| report[task].loss)
    };
    let first = losses(&untrained);
    let mut trainers: Vec<(String, Trainer)> = for_losses_of_0_or_more()
        .into_iter()
        .map(|method| (format!("{method:?}"), trainer().balance(method)))
        .collect();
    trainers.push(("fixed".into(), trainer()));
    for aggregate in aggregates() {
        trainers.push((format!("{aggregate:?}"), trainer().aggregate(aggregate)));
    }
    for (name, trainer) in trainers {
        let mut model = untrained.clone();
        let history = trainer.fit(&mut model, &data).unwrap();
        assert!(history.losses().iter().all(|&loss| loss >= 0.0), "{name}");
        let last = losses(&model);
        for (last, first) in last.iter().zip(first) {
            assert!(*last < 0.5 * first, "{name}: from {first} to {last}");
        }
    }
}

#[test]
#[should_panic(expected = "for which `Famo` is defined")]
fn what_a_step_made_of_a_loss_is_checked_too() {
    let mut balancer = Balancer::new(Famo::new().bounds(&[0.0, -1.0]), 2).unwrap();
    balancer.weights(&mut FixedEvidence::from_losses(&[1.0, -0.5]));
    balancer.after_step(&[1.0, -1.5]);
}

#[test]
fn no_method_makes_one_loss_of_two_small_ones() {
    // The same losses in a unit that is 10⁻²⁰ of the first: what is relative stays.
    for method in
        [ScaleInvariant::new().boxed(), Gls::new().boxed(), Famo::new().boxed(), DbMtl::new().boxed()]
    {
        let ratio = |unit: f64| {
            let losses = [4.0 * unit, unit];
            let mut balancer = Balancer::new(method.clone(), 2).unwrap();
            let weights = balancer.weights(
                &mut FixedEvidence::from_jacobian(&array![[1.0, 0.0], [0.0, 1.0]]).with_losses(&losses),
            );
            weights.own[1] / weights.own[0]
        };
        assert!((ratio(1.0) - 4.0).abs() < 1e-9 && (ratio(1e-20) - 4.0).abs() < 1e-9, "{method:?}");
    }
}

#[test]
fn moco_would_be_turned_round_by_a_negative_loss() {
    let moco = Aggregator::new(MoCo::new(), 1).unwrap();
    let error = moco.check_losses(&[-2.0], &[true]).unwrap_err().to_string();
    assert!(error.contains("expected 0 or more, for which `MoCo` is defined, found -2"), "{error}");
    assert!(moco.check_losses(&[-2.0], &[false]).is_ok());
    assert_eq!(Stch::new(0.1).domain(0), Domain::All);
}
