//! What each method does in the corners: the table in the documentation of `balance` is made here.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, array};
use polytask::balance::{
    Aggregate, Aggregator, AlignedMtl, Balance, Balancer, CaGrad, ConFig, DbMtl, DbMtlMomentum, DualProj,
    Dwa, Equal, ExcessMtl, FairGrad, Famo, FixedEvidence, Gls, GradDrop, GradNorm, GradVac, Imtl, ImtlG,
    ImtlL, Mgda, MoCo, NashMtl, PcGrad, Rlw, ScaleInvariant, Stch, Uncertainty, UpGrad,
};

use super::members::{implementors, name};
use super::norm;

fn balancers() -> Vec<Box<dyn Balance>> {
    vec![
        Box::new(Equal::sum()),
        Box::new(Equal::mean()),
        Box::new(Rlw::new(1)),
        Box::new(ScaleInvariant::new()),
        Box::new(Uncertainty::new()),
        Box::new(ImtlL::new()),
        Box::new(Dwa::new()),
        Box::new(Gls::new()),
        Box::new(Stch::new(1.0)),
        Box::new(Famo::new()),
        Box::new(Mgda::new()),
        Box::new(PcGrad::new()),
        Box::new(GradVac::new()),
        Box::new(CaGrad::default()),
        Box::new(NashMtl::new()),
        Box::new(FairGrad::default()),
        Box::new(ImtlG::new()),
        Box::new(AlignedMtl::new()),
        Box::new(UpGrad::new()),
        Box::new(DualProj::new()),
        Box::new(ConFig::new()),
        Box::new(Imtl::new()),
        Box::new(GradNorm::new()),
        Box::new(DbMtl::new()),
    ]
}

fn aggregators() -> Vec<Box<dyn Aggregate>> {
    vec![
        Box::new(GradDrop::new(1)),
        Box::new(MoCo::new()),
        Box::new(ExcessMtl::new()),
        Box::new(DbMtlMomentum::new()),
    ]
}

/// The gradients of the columns, and the vector that d is a multiple of.
fn corners() -> Vec<(Array2<f64>, Array1<f64>)> {
    let g = array![1.2, 1.6];
    let multiples = |factors: &[f64]| Array2::from_shape_fn((factors.len(), 2), |(k, p)| factors[k] * g[p]);
    let on_a_line: [&[f64]; 5] = [&[1.0], &[1.0, 1.0], &[1.0, 2.0], &[1.0, 0.0], &[1.0, -2.0]];
    let mut corners: Vec<_> = on_a_line.iter().map(|factors| (multiples(factors), g.clone())).collect();
    corners.push((array![[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0]], array![0.0, 2.0]));
    corners
}

/// What `d` is a multiple of `unit` by, in three digits.
fn share(d: &Array1<f64>, unit: &Array1<f64>) -> String {
    let factor = d.dot(unit) / unit.dot(unit);
    assert!(norm(&(d - factor * unit)) < 1e-9, "{d} is no multiple of {unit}");
    // Bounded weights of gradients that cancel leave up to 1e-6 of a direction that should be zero.
    let rounded = if factor.abs() < 1e-5 { 0.0 } else { factor };
    let text = format!("{rounded:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A row: the first step in each corner, or `drawn` where later ones differ from it for a method that draws.
fn row(name: &str, draws: bool, steps: impl Fn(&Array2<f64>) -> Vec<Array1<f64>>) -> String {
    let cells = corners().into_iter().map(|(jacobian, unit)| {
        let steps = steps(&jacobian);
        let differ = steps.iter().any(|step| norm(&(step - &steps[0])) > 1e-9);
        if draws && differ { "drawn".to_owned() } else { share(&steps[0], &unit) }
    });
    format!("//! | {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn table() -> String {
    let mut table = String::new();
    for method in balancers() {
        let (kind, shown) = (name(&method), format!("{method:?}"));
        let label = match kind.as_str() {
            "Equal" if shown.contains("true") => "[`Equal::mean`]".to_owned(),
            "Equal" => "[`Equal::sum`]".to_owned(),
            kind => format!("[`{kind}`]"),
        };
        table += &row(&label, kind == "Rlw", |jacobian| {
            let mut balancer = Balancer::new(method.clone(), jacobian.nrows()).unwrap();
            let mut step = || balancer.weights(&mut FixedEvidence::from_jacobian(jacobian)).shared.clone();
            (0..8).map(|_| jacobian.t().dot(&Array1::from(step()))).collect()
        });
    }
    for method in aggregators() {
        let kind = name(&method);
        table += &row(&format!("[`{kind}`]"), kind == "GradDrop", |jacobian| {
            let tasks = jacobian.nrows();
            let mut aggregator = Aggregator::new(method.clone(), tasks).unwrap();
            let mut step = || {
                let mut d = Array1::zeros(2);
                let labels = vec![true; tasks];
                let direction = d.as_slice_mut().unwrap();
                aggregator.direction(&vec![1.0; tasks], &labels, jacobian.view(), direction);
                d
            };
            (0..8).map(|_| step()).collect()
        });
    }
    table
}

#[test]
fn the_documented_table_of_corners_is_what_the_methods_do() {
    let table = table();
    let documentation = include_str!("../../../src/balance/mod.rs");
    assert!(documentation.contains(&table), "src/balance/mod.rs should have the rows\n{table}");
}

#[test]
fn every_method_has_a_corner() {
    // These are what their settings or the method inside make of them.
    let without = ["Fixed", "Smoothed", "EveryNth", "ScaleHeads"].map(str::to_owned);
    let rows: BTreeSet<_> = balancers().iter().map(name).chain(without).collect();
    assert_eq!(rows, implementors("Balance"));
    assert_eq!(aggregators().iter().map(name).collect::<BTreeSet<_>>(), implementors("Aggregate"));
}

/// All gradients zero, in any number of tasks: a direction of zero and weights that are numbers, in every step.
#[test]
fn no_gradient_at_all_is_no_direction_at_all() {
    for tasks in 1..=4 {
        let zero = Array2::zeros((tasks, 3));
        for method in balancers() {
            let mut balancer = Balancer::new(method.clone(), tasks).unwrap();
            for _ in 0..3 {
                let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&zero));
                assert!(weights.shared.iter().chain(&weights.own).all(|w| w.is_finite()), "{method:?}");
            }
        }
        for method in aggregators() {
            let mut aggregator = Aggregator::new(method.clone(), tasks).unwrap();
            for _ in 0..3 {
                let mut d = [f64::NAN; 3];
                aggregator.direction(&vec![1.0; tasks], &vec![true; tasks], zero.view(), &mut d);
                assert_eq!(d, [0.0; 3], "{method:?}");
            }
        }
    }
}
