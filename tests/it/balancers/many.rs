//! A few dozen tasks: each exact method against the condition that its solution meets, on gradients that conflict, that
//! differ in length by orders of magnitude, and that are more than there are parameters.

use ndarray::{Array1, Array2, Axis};
use polytask::balance::{
    AlignedMtl, Balance, Balancer, CaGrad, ConFig, DualProj, FairGrad, FixedEvidence, ImtlG, Mgda, NashMtl,
    Rescale, UpGrad,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::norm;

/// Name, gradients, and whether no average of them is near zero.
fn cases() -> Vec<(String, Array2<f64>, bool)> {
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let mut cases = Vec::new();
    for k in [16, 32, 48] {
        let mut matrix =
            |p: usize, lean: f64| Array2::from_shape_fn((k, p), |_| lean + rng.random_range(-1.0..1.0));
        cases.push((format!("{k} in conflict"), matrix(2 * k, 0.0), true));
        cases.push((format!("{k} that lean one way"), matrix(2 * k, 0.3), true));
        let lengths = Array2::from_shape_fn((k, 1), |(k, _)| 10_f64.powf(k as f64 % 5.0 - 2.0));
        cases.push((format!("{k} of uneven length"), matrix(2 * k, 0.0) * lengths, true));
        cases.push((format!("{k} that depend on each other"), matrix(k / 2, 0.0), false));
        let mut twins = matrix(2 * k, 0.1);
        let first = twins.row(0).to_owned();
        twins.row_mut(k - 1).assign(&first);
        cases.push((format!("{k} with twins"), twins, true));
    }
    cases
}

/// The weights, and the direction.
fn solved(method: impl Balance + 'static, j: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    let mut balancer = Balancer::new(method, j.nrows()).unwrap();
    let w = Array1::from(balancer.weights(&mut FixedEvidence::from_jacobian(j)).shared.clone());
    let d = j.t().dot(&w);
    (w, d)
}

/// The lengths of the gradients.
fn lengths(j: &Array2<f64>) -> Array1<f64> {
    j.map_axis(Axis(1), |row| row.dot(&row).sqrt())
}

fn least(numbers: &Array1<f64>) -> f64 {
    numbers.iter().copied().fold(f64::INFINITY, f64::min)
}

#[test]
fn no_average_is_shorter_than_that_of_mgda() {
    for (name, j, _) in cases() {
        let (w, d) = solved(Mgda::new(), &j);
        assert!(least(&w) >= 0.0 && (w.sum() - 1.0).abs() < 1e-12, "{name}");
        // Rounding of the trace-normalised problem is 1e-16 times some hundred operations.
        let trace = lengths(&j).mapv(|n| n * n).sum();
        assert!(least(&j.dot(&d)) >= d.dot(&d) - 1e-12 * trace, "{name}");
    }
}

/// The conditions for the nearest direction that opposes nobody: no product is below 0, and where a weight was raised
/// the product is 0.
#[test]
fn projections_onto_the_dual_cone_are_the_nearest() {
    for (name, j, _) in cases() {
        let lengths = lengths(&j);
        let (w, d) = solved(DualProj::new(), &j);
        let p = 1.0 / j.nrows() as f64;
        let size = norm(&j.mean_axis(Axis(0)).unwrap());
        for (k, product) in j.dot(&d).iter().enumerate() {
            assert!(*product >= -1e-9 * lengths[k] * size, "{name}: task {k} is opposed by {product}");
            assert!(w[k] >= p * (1.0 - 1e-12), "{name}");
            let is_raised = (w[k] - p) * lengths[k] > 1e-6 * size;
            assert!(!is_raised || product.abs() < 1e-9 * lengths[k] * size, "{name}: task {k}, {product}");
        }
        let (_, d) = solved(UpGrad::new(), &j);
        for (k, product) in j.dot(&d).iter().enumerate() {
            assert!(*product >= -1e-9 * lengths[k] * lengths.sum() * p, "{name}: task {k}, {product}");
        }
    }
}

#[test]
fn bargains_are_struck() {
    for (name, j, _) in cases().into_iter().filter(|case| case.2) {
        let (a, d) = solved(NashMtl::new().unlimited(), &j);
        let share = &a * &j.dot(&d);
        assert!(share.iter().all(|share| (share - 1.0).abs() < 1e-8), "{name}: {share}");
        for alpha in [0.5, 2.0] {
            let (w, d) = solved(FairGrad::new(alpha), &j);
            let share = w.mapv(|w| w.powf(1.0 / alpha)) * j.dot(&d);
            // The ridge of 1e-12 that bounds the weights counts most where lengths differ most.
            assert!(share.iter().all(|share| (share - 1.0).abs() < 1e-6), "{name}, {alpha}: {share}");
        }
    }
}

/// What the direction does for the task served worst is as much as the weights prove possible.
#[test]
fn cagrad_leaves_no_gap_to_its_dual() {
    for (name, j, _) in cases() {
        for c in [0.4, 0.9] {
            let (w, d) = solved(CaGrad::new(c).rescale(Rescale::None), &j);
            let mean = j.mean_axis(Axis(0)).unwrap();
            if w.iter().all(|w| *w == 0.0) {
                continue;
            }
            assert!((norm(&(&d - &mean)) / norm(&mean) - c).abs() < 1e-9, "{name}");
            let direction = (&d - &mean) / (c * norm(&mean));
            let of_worst = least(&j.dot(&d));
            // d − g₀ = c ‖g₀‖ g_w / ‖g_w‖, and Σ w of the simplex is 1.
            let on_simplex = (&w - 1.0 / j.nrows() as f64) / (w.sum() - 1.0);
            let g_w = j.t().dot(&on_simplex);
            assert!(
                (g_w.dot(&direction) / norm(&g_w) - 1.0).abs() < 1e-9 && least(&on_simplex) > -1e-12,
                "{name}"
            );
            let proven = g_w.dot(&mean) + c * norm(&mean) * norm(&g_w);
            let size = lengths(&j).fold(0.0, |most: f64, n| most.max(*n)) * norm(&mean);
            assert!((of_worst - proven).abs() < 1e-7 * size, "{name}, c = {c}: {of_worst} of {proven}");
        }
    }
}

#[test]
fn equal_projections_and_angles_are_equal() {
    for (name, j, is_independent) in cases() {
        if !is_independent || name.contains("twins") {
            continue;
        }
        let lengths = lengths(&j);
        let spread = |projections: &Array1<f64>| {
            let mean = projections.mean().unwrap();
            (projections - mean).iter().fold(0.0, |most: f64, gap| most.max(gap.abs())) / mean.abs()
        };
        // The condition of the Gramian is up to about 1e11.
        let (_, d) = solved(ImtlG::new(), &j);
        assert!(spread(&(j.dot(&d) / &lengths)) < 1e-4, "{name}: {}", spread(&(j.dot(&d) / &lengths)));
        let (_, d) = solved(ConFig::new(), &j);
        let projections = j.dot(&d) / &lengths;
        assert!(spread(&projections) < 1e-9, "{name}: {}", spread(&projections));
        assert!((j.dot(&d).sum() / d.dot(&d) - 1.0).abs() < 1e-9, "{name}");
    }
}

/// With Aligned-MTL each preference for one task alone gives that task's aligned gradient: these are orthogonal and of one
/// length, the least singular value.
#[test]
fn aligned_gradients_are_orthogonal() {
    for (name, j, is_independent) in cases() {
        if !is_independent || name.contains("twins") || name.contains("uneven") || j.nrows() > 32 {
            continue;
        }
        let k = j.nrows();
        let mut aligned = Array2::zeros(j.raw_dim());
        for task in 0..k {
            let mut alone = vec![0.0; k];
            alone[task] = 1.0;
            aligned.row_mut(task).assign(&solved(AlignedMtl::new().preference(&alone), &j).1);
        }
        let gramian = aligned.dot(&aligned.t());
        let square = gramian[[0, 0]];
        for ((a, b), product) in gramian.indexed_iter() {
            let expected = if a == b { square } else { 0.0 };
            assert!((product - expected).abs() < 1e-9 * square, "{name}: ({a}, {b}) {product}");
        }
    }
}
