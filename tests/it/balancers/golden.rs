//! Against numbers recorded from TorchJD, and hand-checked ones.

use ndarray::{Array1, Array2, Axis, array};
use polytask::balance::{
    Aggregator, AlignedMtl, Balance, Balancer, CaGrad, ConFig, DualProj, Dwa, Equal, ExcessMtl, FairGrad,
    Famo, FixedEvidence, Gls, GradVac, ImtlG, ImtlL, Mgda, NashMtl, Order, PcGrad, Rescale, Stch,
    Uncertainty, UpGrad,
};
use serde_json::Value;

use super::{direction, norm};

fn read(file: &str) -> Value {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn vector(value: &Value) -> Array1<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<_> = value.as_array().unwrap().iter().map(vector).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// Our counterpart of each recorded method, and how far it may be from it relative to the longer of the mean
/// gradient and the recorded direction.
fn counterpart(method: &str) -> Option<(Box<dyn Balance>, f64)> {
    Some(match method {
        "sum" => (Box::new(Equal::sum()), 1e-13),
        "mean" => (Box::new(Equal::mean()), 1e-13),
        // Frank and Wolfe's iterations come within about 1 / (number of iterations) of the least square of the
        // norm, here 100 000 of them at most, and the direction is known to the root of that.
        "mgda" => (Box::new(Mgda::new()), 3e-3),
        // The same ridge, and an active set on both sides.
        "upgrad" => (Box::new(UpGrad::new().ridge(1e-4)), 1e-12),
        "dualproj" => (Box::new(DualProj::new().ridge(1e-4)), 1e-12),
        // Closed forms; a condition of the Gramian up to 1e8 enlarges rounding.
        "imtl_g" => (Box::new(ImtlG::new()), 1e-8),
        "config" => (Box::new(ConFig::new()), 1e-8),
        "aligned_mtl" => (Box::new(AlignedMtl::new()), 1e-8),
        // Least squares that end when a step changes their sum by less than 1e-8 of it.
        "fairgrad alpha=1" => (Box::new(FairGrad::new(1.0)), 1e-8),
        "fairgrad alpha=2" => (Box::new(FairGrad::new(2.0)), 1e-8),
        "pcgrad" => (Box::new(PcGrad::new()), 1e-12),
        "cagrad c=0.4" | "cagrad c=0.5" => return None,
        other => panic!("no counterpart of {other}"),
    })
}

/// Calls `check` with the name of each recorded case and method, the gradients, and the recorded direction.
fn for_each_answer(check: impl Fn(&str, &str, &Array2<f64>, Array1<f64>)) {
    let recorded = read("balancers_torchjd.json");
    let cases = recorded["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 19);
    for (number, case) in cases.iter().enumerate() {
        let jacobian = matrix(&case["jacobian"]);
        for (method, answer) in case["answers"].as_object().unwrap() {
            let name = format!("{method}, case {number}, {}", case["name"]);
            check(&name, method, &jacobian, vector(&answer["direction"]));
        }
    }
}

#[test]
fn directions_are_those_of_torchjd() {
    for_each_answer(|name, method, jacobian, expected| {
        let Some((ours, allowed)) = counterpart(method) else { return };
        let found = direction(ours, jacobian);
        let size = norm(&expected).max(norm(&jacobian.mean_axis(Axis(0)).unwrap()));
        let gap = norm(&(&found - &expected)) / size;
        assert!(gap <= allowed, "{name}: {gap:e}");
    });
}

/// TorchJD asks a conic solver, and stands still where ‖g_w‖ is below 1e-4 of the root of the trace. So its
/// directions are known to three digits only; but none may serve the task served worst better than ours.
#[test]
fn cagrad_is_no_worse_than_torchjd() {
    for_each_answer(|name, method, jacobian, expected| {
        let Some(c) = method.strip_prefix("cagrad c=") else { return };
        let c: f64 = c.parse().unwrap();
        let ours = CaGrad::new(c).rescale(Rescale::None);
        let mean = jacobian.mean_axis(Axis(0)).unwrap();
        let found = direction(ours.clone(), jacobian);
        let off = norm(&(&found - &mean)) / norm(&mean);
        assert!((off - c).abs() < 1e-9, "{name}: the distance from the mean is {off}");

        if norm(&expected) == 0.0 {
            let mut balancer = Balancer::new(ours, jacobian.nrows()).unwrap();
            let sum: f64 = balancer.weights(&mut FixedEvidence::from_jacobian(jacobian)).shared.iter().sum();
            let length = c * norm(&mean) / (sum - 1.0);
            assert!(length < 1e-4 * jacobian.iter().map(|x| x * x).sum::<f64>().sqrt(), "{name}: {length}");
            return;
        }
        let worst = |d: &Array1<f64>| jacobian.dot(d).iter().copied().fold(f64::INFINITY, f64::min);
        assert!(worst(&found) >= worst(&expected) - 1e-9 * norm(&mean), "{name}");
        assert!(norm(&(&found - &expected)) <= 1e-3 * norm(&mean), "{name}");
    });
}

/// Weights to the four digits that are known of them.
fn assert_weights(method: impl Balance + 'static, jacobian: &Array2<f64>, expected: &[f64], digits: f64) {
    let shown = format!("{method:?}");
    let mut balancer = Balancer::new(method, expected.len()).unwrap();
    let found = &balancer.weights(&mut FixedEvidence::from_jacobian(jacobian)).shared;
    assert!(
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() < digits),
        "{shown}: {found:?}, not {expected:?}"
    );
}

#[test]
fn two_conflicting_gradients_have_known_weights() {
    let j = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
    let check = |method: Box<dyn Balance>, w: [f64; 2]| assert_weights(method, &j, &w, 1e-4);
    check(Box::new(Mgda::new()), [0.6, 0.4]);
    check(Box::new(PcGrad::new()), [2.2222, 1.5789]);
    check(Box::new(GradVac::new()), [2.2222, 1.5789]);
    check(Box::new(UpGrad::new().ridge(1e-4)), [1.1109, 0.7894]);
    check(Box::new(DualProj::new().ridge(1e-4)), [0.6109, 0.5]);
    check(Box::new(CaGrad::new(0.5).rescale(Rescale::None)), [0.7041, 0.5]);
    check(Box::new(ImtlG::new()), [0.5923, 0.4077]);
    check(Box::new(AlignedMtl::new()), [0.5591, 0.4083]);
    check(Box::new(FairGrad::new(1.0)), [0.5915, 0.4071]);
    for (found, expected) in [
        (direction(NashMtl::new(), &j), [0.0542, 0.7061, 0.7061]),
        (direction(ConFig::new(), &j), [0.1588, 2.0706, 2.0706]),
    ] {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found}");
    }
}

#[test]
fn three_gradients_have_known_weights() {
    let j = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0], [1.0, -2.0, 3.0]];
    let check = |method: Box<dyn Balance>, w: [f64; 3]| assert_weights(method, &j, &w, 2e-6);
    let third = 1.0 / 3.0;
    check(Box::new(NashMtl::new().unlimited()), [0.580_953, 0.364_361, 0.239_968]);
    check(Box::new(FairGrad::new(1.0)), [0.580_953, 0.364_361, 0.239_968]);
    check(Box::new(FairGrad::new(2.0)), [0.457_439, 0.287_551, 0.143_081]);
    check(Box::new(FairGrad::new(0.5)), [0.746_979, 0.476_461, 0.390_427]);
    check(Box::new(UpGrad::new().ridge(1e-4)), [0.796_116, 0.526_280, third]);
    check(Box::new(UpGrad::new()), [0.796_296, 0.526_316, third]);
    check(Box::new(DualProj::new().ridge(1e-4)), [0.462_783, third, third]);
    check(Box::new(DualProj::new()), [0.462_963, third, third]);
    check(Box::new(Mgda::new()), [0.561_538, 0.361_538, 0.076_923]);
    check(Box::new(ImtlG::new()), [0.576_066, 0.391_154, 0.032_780]);
    check(Box::new(CaGrad::new(0.4).rescale(Rescale::None)), [0.516_582, third, third]);
    check(Box::new(CaGrad::new(0.5).rescale(Rescale::None)), [0.562_395, third, third]);
    check(Box::new(PcGrad::new().order(Order::Ascending)), [2.388_889, 1.578_947, 1.0]);
    check(Box::new(PcGrad::new().order(Order::Descending)), [2.388_889, 1.539_474, 1.214_286]);
}

#[test]
fn one_gradient_has_a_known_weight() {
    let j = array![[3.0, 4.0]];
    let check = |method: Box<dyn Balance>, w: f64| assert_weights(method, &j, &[w], 1e-9);
    for method in [
        Box::new(Mgda::new()) as Box<dyn Balance>,
        Box::new(PcGrad::new()),
        Box::new(GradVac::new()),
        Box::new(UpGrad::new()),
        Box::new(DualProj::new()),
        Box::new(ImtlG::new()),
        Box::new(AlignedMtl::new()),
        Box::new(ConFig::new()),
        Box::new(polytask::balance::GradNorm::new()),
    ] {
        check(method, 1.0);
    }
    check(Box::new(NashMtl::new()), 0.2);
    check(Box::new(FairGrad::new(2.0)), 25_f64.powf(-2.0 / 3.0));
    check(Box::new(CaGrad::new(0.4)), 1.4 / 1.16);
}

#[test]
fn opposite_and_zero_gradients_are_met_as_said() {
    let opposite = array![[1.0, 2.0], [-2.0, -4.0]];
    for method in [
        Box::new(Mgda::new()) as Box<dyn Balance>,
        Box::new(PcGrad::new()),
        Box::new(UpGrad::new()),
        Box::new(DualProj::new()),
        Box::new(ImtlG::new()),
        Box::new(ConFig::new()),
        Box::new(polytask::balance::DbMtl::new()),
    ] {
        let shown = format!("{method:?}");
        assert!(norm(&direction(method, &opposite)) < 1e-12, "{shown}");
    }
    let mean = opposite.mean_axis(Axis(0)).unwrap();
    assert!(norm(&(direction(CaGrad::new(0.4), &opposite) - mean * (0.6 / 1.16))) < 1e-12);

    let with_zero = array![[0.0, 0.0], [3.0, 4.0]];
    let own = array![3.0, 4.0];
    assert_eq!(norm(&direction(Mgda::new(), &with_zero)), 0.0);
    assert!(norm(&(direction(ImtlG::new(), &with_zero) - &own)) < 1e-12);
    assert!(norm(&(direction(ConFig::new(), &with_zero) - &own)) < 1e-12);
    assert!(norm(&(direction(UpGrad::new(), &with_zero) - &own / 2.0)) < 1e-12);
    assert!(norm(&(direction(NashMtl::new(), &with_zero) - &own / 5.0)) < 1e-9);
    assert!(norm(&(direction(PcGrad::new(), &with_zero) - &own)) < 1e-12);
}

#[test]
fn loss_weights_are_those_of_torchjd_step_by_step() {
    let recorded = read("balancers_in_time_torchjd.json");
    let (losses, after) = (matrix(&recorded["losses"]), matrix(&recorded["losses_after"]));
    let bounds = vector(&recorded["bounds"]).to_vec();
    let epoch_ends = vector(&recorded["epoch_ends_after"]).to_vec();
    for (method, expected) in recorded["weights"].as_object().unwrap() {
        let ours: Box<dyn Balance> = match method.as_str() {
            "uncertainty" => Box::new(Uncertainty::new()),
            "imtl_l" => Box::new(ImtlL::new()),
            "gls" => Box::new(Gls::new()),
            "stch mu=0.5" => Box::new(Stch::new(0.5)),
            "dwa" => Box::new(Dwa::new()),
            "famo" => Box::new(Famo::new()),
            "famo bounded, no decay" => Box::new(Famo::new().bounds(&bounds).decay(0.0)),
            other => panic!("no counterpart of {other}"),
        };
        let mut balancer = Balancer::new(ours, losses.ncols()).unwrap();
        for (t, expected) in matrix(expected).rows().into_iter().enumerate() {
            let weights = balancer.weights(&mut FixedEvidence::from_losses(&losses.row(t).to_vec()));
            for (found, expected) in weights.shared.iter().zip(expected) {
                // TorchJD adds 1e-8 to the losses in FAMO, which are 0.004 at the least.
                let allowed = if method.starts_with("famo") { 1e-5 } else { 1e-11 };
                assert!(
                    (found / expected - 1.0).abs() < allowed,
                    "{method}, step {t}: {found}, not {expected}"
                );
            }
            balancer.after_step(&after.row(t).to_vec());
            if epoch_ends.contains(&(t as f64)) {
                balancer.end_epoch();
            }
        }
    }
}

#[test]
fn stateful_directions_are_those_of_torchjd_step_by_step() {
    let recorded = read("balancers_in_time_torchjd.json");
    let jacobians: Vec<_> = recorded["jacobians"].as_array().unwrap().iter().map(matrix).collect();
    let directions = |name: &str| matrix(&recorded["directions"][name]);

    let mut gradvac = Balancer::new(GradVac::new(), 2).unwrap();
    for (jacobian, expected) in jacobians.iter().zip(directions("gradvac").rows()) {
        let weights = gradvac.weights(&mut FixedEvidence::from_jacobian(jacobian)).shared.clone();
        let found = jacobian.t().dot(&Array1::from(weights));
        assert!(norm(&(&found - &expected)) < 1e-10 * norm(&found), "{found}, not {expected}");
    }

    let mut excess = Aggregator::new(ExcessMtl::new().rate(1.0).warm_up(2), 2).unwrap();
    for (jacobian, expected) in jacobians.iter().zip(directions("excess_mtl rate=1 warm-up=2").rows()) {
        let mut found = Array1::zeros(5);
        excess.direction(&[1.0; 2], &[true; 2], jacobian.view(), found.as_slice_mut().unwrap());
        // Its weights sum to 1 and ours to K; it adds 1e-7 under a root and to a divisor, both of order 1.
        assert!(norm(&(&found / 2.0 - expected)) < 1e-5 * norm(&found), "{found}, not {expected}");
    }
}
