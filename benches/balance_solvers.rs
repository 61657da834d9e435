//! How long a method takes from the Gramian to the weights, for 2 to 1,000 tasks.
//!
//! The gradients are random with a common part, and each method is asked for ever new Gramians, so that no
//! solver profits from the last answer. K = 32 is beyond what most problems have; beyond it a method shall cost no more
//! than K³ does.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use polytask::balance::{
    AlignedMtl, Balance, Balancer, CaGrad, ConFig, DbMtl, DualProj, Equal, FairGrad, FixedEvidence, GradNorm,
    GradVac, ImtlG, Mgda, NashMtl, PcGrad, Uncertainty, UpGrad,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn methods() -> Vec<(&'static str, Box<dyn Balance>)> {
    vec![
        ("equal", Box::new(Equal::sum())),
        ("uncertainty", Box::new(Uncertainty::new())),
        ("gradnorm", Box::new(GradNorm::new())),
        ("db_mtl", Box::new(DbMtl::new())),
        ("pcgrad", Box::new(PcGrad::new())),
        ("gradvac", Box::new(GradVac::new())),
        ("mgda", Box::new(Mgda::new())),
        ("cagrad", Box::new(CaGrad::new(0.4))),
        ("nash_mtl", Box::new(NashMtl::new())),
        ("fairgrad_2", Box::new(FairGrad::new(2.0))),
        ("imtl_g", Box::new(ImtlG::new())),
        ("aligned_mtl", Box::new(AlignedMtl::new())),
        ("con_fig", Box::new(ConFig::new())),
        ("dual_proj", Box::new(DualProj::new())),
        ("upgrad", Box::new(UpGrad::new())),
    ]
}

fn evidence(tasks: usize, count: usize) -> Vec<FixedEvidence> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let width = 4 * tasks.min(300);
    (0..count)
        .map(|_| {
            let common: Vec<f64> = (0..width).map(|_| rng.random_range(-0.3..0.3)).collect();
            let jacobian =
                Array2::from_shape_fn((tasks, width), |(_, p)| common[p] + rng.random_range(-1.0..1.0));
            FixedEvidence::from_jacobian(&jacobian)
        })
        .collect()
}

fn solvers(criterion: &mut Criterion) {
    for tasks in [2, 4, 10, 32, 100, 500, 1000] {
        let mut group = criterion.benchmark_group(format!("weights of {tasks} tasks"));
        let mut batches = evidence(tasks, if tasks > 32 { 2 } else { 16 });
        for (name, method) in methods() {
            let mut balancer = Balancer::new(method, tasks).expect("settings for any number of tasks");
            let mut next = 0;
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % batches.len();
                    balancer.weights(&mut batches[next]).shared[0]
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_millis(300));
    targets = solvers
}
criterion_main!(benches);
