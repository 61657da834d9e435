//! A step that is not the first allocates nothing.

use ndarray::{Array2, ArrayView2};
use polytask::balance::{Aggregator, Balancer, FixedEvidence};

use super::aggregates::aggregates;
use super::members::{TASKS, members};
use crate::allocations::count;

/// Gradients that are in conflict in ever other ways.
fn jacobian(t: usize) -> Array2<f64> {
    Array2::from_shape_fn((TASKS, 6), |(k, p)| ((1 + k * 7 + p * 3 + t * 5) as f64).sin())
}

fn evidence(t: usize) -> FixedEvidence {
    FixedEvidence::from_jacobian(&jacobian(t)).with_losses(&[1.0, 2.0, 0.5, 1.0 / (1 + t) as f64])
}

#[test]
fn balancers_allocate_in_the_first_step_only() {
    for member in members() {
        let mut balancer = Balancer::new(member.method.clone(), TASKS).unwrap();
        for t in 0..20 {
            let mut evidence = evidence(t);
            if t > 2 && t % 3 == 0 {
                evidence = evidence.with_labels(&[true, t % 2 == 0, true, false]);
            }
            let allocations = count(|| {
                balancer.weights(&mut evidence);
                balancer.after_step(&[0.9; TASKS]);
                balancer.end_epoch();
            });
            // Buffers are sized when they are first needed: by a method asked at every second step, in its third.
            assert!(t < 3 || allocations == 0, "{:?} allocates in step {t}", member.method);
        }
    }
}

#[test]
fn aggregators_allocate_in_the_first_step_only() {
    for (method, _) in aggregates() {
        let mut aggregator = Aggregator::new(method.clone(), TASKS).unwrap();
        let mut direction = [0.0; 6];
        for t in 0..10 {
            let jacobian = jacobian(t);
            let view: ArrayView2<'_, f64> = jacobian.view();
            let allocations =
                count(|| aggregator.direction(&[1.0; TASKS], &[true; TASKS], view, &mut direction));
            assert!(t == 0 || allocations == 0, "{method:?} allocates in step {t}");
        }
    }
}
