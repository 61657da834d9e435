//! The balancing family: every member against every promise, against TorchJD's numbers, and on the toy problem.

pub mod aggregates;
mod allocation;
mod corners;
mod domains;
mod formulas;
mod golden;
mod many;
pub mod members;
mod promises;
mod resuming;
mod toy;
mod training;

use ndarray::{Array1, Array2};
use polytask::balance::{Balance, Balancer, FixedEvidence};

/// The direction of one fresh step, `Σ wₖ ∇ₖ`.
fn direction(method: impl Balance + 'static, jacobian: &Array2<f64>) -> Array1<f64> {
    let mut balancer = Balancer::new(method, jacobian.nrows()).unwrap();
    let weights = balancer.weights(&mut FixedEvidence::from_jacobian(jacobian)).shared.clone();
    jacobian.t().dot(&Array1::from(weights))
}

/// The length of a vector.
fn norm(x: &Array1<f64>) -> f64 {
    x.dot(x).sqrt()
}
