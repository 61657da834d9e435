//! The methods that see the gradients themselves.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, array};
use polytask::balance::{
    Aggregate, Aggregator, Balancer, DbMtl, DbMtlMomentum, ExcessMtl, FixedEvidence, GradDrop, MoCo,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::members::{TASKS, implementors, name};

/// Every member, and whether its draws or its state keep the order of the tasks from mattering.
pub fn aggregates() -> Vec<(Box<dyn Aggregate>, bool)> {
    vec![
        (Box::new(GradDrop::new(5)), true),
        (Box::new(GradDrop::new(5).leak(&[0.0, 0.5, 1.0, 0.25])), false),
        (Box::new(MoCo::new()), true),
        (Box::new(MoCo::new().ridge(0.1).rates(0.2, 0.05).fading(0.0)), true),
        (Box::new(ExcessMtl::new().rate(1.0)), true),
        (Box::new(ExcessMtl::new().rate(1.0).warm_up(2)), true),
        (Box::new(DbMtlMomentum::new()), true),
        (Box::new(DbMtlMomentum::new().momentum(0.5, 0.3)), true),
    ]
}

#[test]
fn every_member_has_a_row() {
    let rows: BTreeSet<_> = aggregates().iter().map(|(method, _)| name(method)).collect();
    assert_eq!(rows, implementors("Aggregate"));
}

fn random(rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_fn((TASKS, 6), |_| rng.random_range(-1.0..1.0))
}

const LOSSES: [f64; TASKS] = [1.0, 0.3, 2.0, 0.7];

#[test]
fn directions_are_finite_at_all_scales() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let j = random(&mut rng);
    for (method, _) in aggregates() {
        for scale in [0.0, 1e-160, 1e-10, 1.0, 1e15, 1e100] {
            let mut aggregator = Aggregator::new(method.clone(), TASKS).unwrap();
            let mut d = [f64::NAN; 6];
            for loss in [1.0, 0.0, 1e15, -1.0] {
                let losses = LOSSES.map(|l| l * loss);
                if aggregator.check_losses(&losses, &[true; TASKS]).is_err() {
                    assert!(loss < 0.0, "{method:?}");
                    continue;
                }
                let own = aggregator.direction(&losses, &[true; TASKS], (&j * scale).view(), &mut d);
                assert!(own.iter().all(|w| w.is_finite()), "{method:?}");
                assert!(d.iter().all(|d| d.is_finite()), "{method:?} at {scale}: {d:?}");
            }
        }
    }
}

#[test]
fn what_is_not_labelled_or_not_finite_takes_no_part() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    for (method, alike) in aggregates() {
        let mut wide = Aggregator::new(method.clone(), TASKS).unwrap();
        let mut narrow = Aggregator::new(method.clone(), 2).ok();
        let (mut d, mut expected) = ([0.0; 6], [0.0; 6]);
        for _ in 0..4 {
            let mut j = random(&mut rng);
            j[[3, 2]] = f64::NAN;
            let own = wide.direction(&LOSSES, &[true, false, true, true], j.view(), &mut d).to_vec();
            assert_eq!([own[1], own[3]], [0.0; 2]);
            let Some(narrow) = narrow.as_mut().filter(|_| alike) else { continue };
            let two = j.select(ndarray::Axis(0), &[0, 2]);
            let own_of_two = narrow.direction(&[LOSSES[0], LOSSES[2]], &[true; 2], two.view(), &mut expected);
            // Weights that sum to 1 over all are scaled over those present: another rounding.
            for (a, b) in d.iter().zip(&expected).chain([own[0], own[2]].iter().zip(own_of_two)) {
                assert!((a - b).abs() < 1e-12, "{method:?}");
            }
        }
        wide.direction(&LOSSES, &[false; TASKS], random(&mut rng).view(), &mut d);
        assert_eq!(d, [0.0; 6]);
    }
}

#[test]
fn a_restored_state_goes_on_bit_for_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let jacobians: Vec<_> = (0..8).map(|_| random(&mut rng)).collect();
    for (method, _) in aggregates() {
        let run = |aggregator: &mut Aggregator, steps: std::ops::Range<usize>| {
            let mut d = [0.0; 6];
            for t in steps {
                aggregator.direction(&LOSSES, &[true, t % 2 == 0, true, true], jacobians[t].view(), &mut d);
            }
            d
        };
        let start = Aggregator::new(method.clone(), TASKS).unwrap();
        let mut straight = start.clone();
        let expected = run(&mut straight, 0..8);
        let mut first = start.clone();
        run(&mut first, 0..5);
        let mut second = start.clone();
        second.restore(&first.state()).unwrap();
        assert_eq!(run(&mut second, 5..8), expected, "{method:?}");
        straight.reset();
        assert_eq!(straight.state(), start.state());
    }
}

#[test]
fn graddrop_is_the_sum_in_the_mean() {
    let j = array![[1.0, -2.0, 0.5], [3.0, 1.0, -0.25], [-2.0, 0.5, 0.0], [0.0, 0.0, 0.0]];
    let (mut d, mut mean) = (Array1::zeros(3), Array1::<f64>::zeros(3));
    let draws = 20_000;
    let mut aggregator = Aggregator::new(GradDrop::new(9), 4).unwrap();
    for _ in 0..draws {
        aggregator.direction(&[1.0; 4], &[true; 4], j.view(), d.as_slice_mut().unwrap());
        mean += &(&d / f64::from(draws));
    }
    let sum = j.sum_axis(ndarray::Axis(0));
    // A draw deviates by at most 6, so that four standard errors are 4 · 3 / √20000 < 0.09.
    assert!((&mean - &sum).iter().all(|gap| gap.abs() < 0.09), "{mean} {sum}");
}

#[test]
fn dual_balancing_without_a_past_needs_the_gramian_only() {
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    let mut aggregator = Aggregator::new(DbMtlMomentum::new().momentum(0.0, 0.0), TASKS).unwrap();
    let mut balancer = Balancer::new(DbMtl::new(), TASKS).unwrap();
    for _ in 0..5 {
        let j = random(&mut rng);
        let mut d = Array1::zeros(6);
        let own = aggregator.direction(&LOSSES, &[true; TASKS], j.view(), d.as_slice_mut().unwrap()).to_vec();
        let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&j).with_losses(&LOSSES));
        assert_eq!(own, weights.own);
        let by_weights = j.t().dot(&Array1::from(weights.shared.clone()));
        assert!((&d - &by_weights).iter().all(|gap| gap.abs() < 1e-12));
    }
}

#[test]
fn wrong_settings_are_told() {
    for bad in [
        Box::new(GradDrop::new(0).leak(&[0.5, 1.5])) as Box<dyn Aggregate>,
        Box::new(GradDrop::new(0).leak(&[0.5])),
        Box::new(MoCo::new().rates(2.0, 0.1)),
        Box::new(ExcessMtl::new().rate(0.0)),
        Box::new(DbMtlMomentum::new().momentum(1.0, 0.0)),
    ] {
        assert!(Aggregator::new(bad.clone(), 2).is_err(), "{bad:?}");
    }
}
