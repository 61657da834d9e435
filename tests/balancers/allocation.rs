//! A step that is not the first allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ndarray::{Array2, ArrayView2};
use polytask::balance::{Aggregator, Balancer, Observed};

use super::aggregates::aggregates;
use super::members::{TASKS, members};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Gradients that are in conflict in ever other ways.
fn jacobian(t: usize) -> Array2<f64> {
    Array2::from_shape_fn((TASKS, 6), |(k, p)| ((1 + k * 7 + p * 3 + t * 5) as f64).sin())
}

fn evidence(t: usize) -> Observed {
    Observed::from_jacobian(&jacobian(t)).with_losses(&[1.0, 2.0, 0.5, 1.0 / (1 + t) as f64])
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
            let before = COUNT.get();
            balancer.weights(&mut evidence);
            balancer.after_step(&[0.9; TASKS]);
            balancer.end_epoch();
            // Buffers are sized when they are first needed: by a method asked at every second step, in its third.
            assert!(t < 3 || COUNT.get() == before, "{:?} allocates in step {t}", member.method);
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
            let before = COUNT.get();
            aggregator.direction(&[1.0; TASKS], &[true; TASKS], view, &mut direction);
            assert!(t == 0 || COUNT.get() == before, "{method:?} allocates in step {t}");
        }
    }
}
