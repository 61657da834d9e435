//! Members without recorded numbers, against slow versions of their formulas written out on vectors.

use ndarray::{Array1, Array2, Axis, array};
use polytask::balance::{
    Aggregator, Balancer, DbMtlMomentum, FixedEvidence, GradNorm, GradVac, Imtl, ImtlG, ImtlL, MoCo, Order,
    PcGrad, Rlw, ScaleInvariant,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::norm;

/// Losses above 0 and gradients of 3 tasks with 5 parameters, step after step.
fn course(seed: u64) -> impl Iterator<Item = (Array1<f64>, Array2<f64>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..30).map(move |_| {
        let losses = Array1::from_shape_fn(3, |k| [3.0, 0.5, 0.02][k] * rng.random_range(0.5..1.5));
        (losses, Array2::from_shape_fn((3, 5), |_| rng.random_range(-1.0..1.0)))
    })
}

fn softmax(x: &Array1<f64>) -> Array1<f64> {
    let exp = x.mapv(f64::exp);
    &exp / exp.sum()
}

/// Adam with learning rate 0.025 on three numbers.
struct Adam {
    first: Array1<f64>,
    second: Array1<f64>,
    t: i32,
}

impl Adam {
    fn step(&mut self, x: &mut Array1<f64>, gradient: &Array1<f64>) {
        self.t += 1;
        self.first = 0.9 * &self.first + 0.1 * gradient;
        self.second = 0.999 * &self.second + 0.001 * gradient * gradient;
        let mean = &self.first / (1.0 - 0.9_f64.powi(self.t));
        let root = (&self.second / (1.0 - 0.999_f64.powi(self.t))).mapv(f64::sqrt);
        *x -= &(0.025 * mean / (root + 1e-8));
    }
}

#[test]
fn gradnorm_steps_its_logits_against_the_numeric_gradient() {
    for alpha in [0.12, 1.5] {
        let mut balancer = Balancer::new(GradNorm::new().alpha(alpha), 3).unwrap();
        let mut adam = Adam { first: Array1::zeros(3), second: Array1::zeros(3), t: 0 };
        let (mut s, mut initial) = (Array1::<f64>::zeros(3), None);
        for (losses, jacobian) in course(31) {
            let evidence = FixedEvidence::from_jacobian(&jacobian).with_losses(losses.as_slice().unwrap());
            let found = Array1::from(balancer.weights(&mut evidence.clone()).shared.clone());
            assert!(norm(&(found - 3.0 * softmax(&s))) < 1e-7);

            let initial = initial.get_or_insert_with(|| losses.clone());
            let rates = &losses / &*initial;
            let rates = &rates / rates.mean().unwrap();
            // The lengths are in units of the root of the sum of their squares, which Adam's ε can tell.
            let norms = jacobian.map_axis(Axis(1), |row| row.dot(&row).sqrt());
            let norms = &norms / norm(&norms);
            let target =
                (&norms * &(3.0 * softmax(&s))).mean().unwrap() * rates.mapv(|rate| rate.powf(alpha));
            let objective = |s: &Array1<f64>| (3.0 * softmax(s) * &norms - &target).mapv(f64::abs).sum();
            let gradient = Array1::from_shape_fn(3, |k| {
                let mut step = Array1::zeros(3);
                step[k] = 1e-6;
                (objective(&(&s + &step)) - objective(&(&s - &step))) / 2e-6
            });
            adam.step(&mut s, &gradient);
        }
    }
}

/// The nearest point of the simplex, by halving an interval for the number that all entries are lowered by.
fn nearest_on_simplex(x: &Array1<f64>) -> Array1<f64> {
    let lowered = |by: f64| x.mapv(|x| (x - by).max(0.0));
    let (mut low, mut high) = (-1e3, 1e3);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if lowered(middle).sum() > 1.0 { low = middle } else { high = middle }
    }
    lowered(low)
}

#[test]
fn moco_follows_its_formula() {
    let (beta, gamma, sigma, rho) = (0.4, 0.3, 0.6, 0.05);
    let method = MoCo::new().rates(beta, gamma).fading(sigma).ridge(rho);
    let mut aggregator = Aggregator::new(method, 3).unwrap();
    let mut y = Array2::<f64>::zeros((3, 5));
    let mut lambda = Array1::from_elem(3, 1.0 / 3.0);
    for (t, (losses, jacobian)) in course(32).enumerate() {
        let mut d = Array1::zeros(5);
        let losses_list = losses.as_slice().unwrap();
        let own = aggregator.direction(losses_list, &[true; 3], jacobian.view(), d.as_slice_mut().unwrap());
        assert_eq!(own, [1.0; 3]);

        let fading = ((t + 1) as f64).powf(-sigma);
        let norms = jacobian.map_axis(Axis(1), |row| row.dot(&row).sqrt());
        let now = &jacobian * &(&losses / &norms).insert_axis(Axis(1));
        y = if t == 0 { now } else { &y - &(beta * fading * (&y - &now)) };
        let slope = y.dot(&y.t().dot(&lambda)) + rho * &lambda;
        lambda = nearest_on_simplex(&(&lambda - &(gamma * fading * slope)));
        assert!(norm(&(d - y.t().dot(&lambda))) < 1e-12);
    }
    assert!(lambda.iter().any(|&l| l < 0.3), "the weights have moved: {lambda}");
}

#[test]
fn dual_balancing_follows_its_formula() {
    let (beta, sigma) = (0.7, 0.2);
    let mut aggregator = Aggregator::new(DbMtlMomentum::new().momentum(beta, sigma), 3).unwrap();
    let mut mean = Array2::<f64>::zeros((3, 5));
    for (t, (losses, jacobian)) in course(33).enumerate() {
        let mut d = Array1::zeros(5);
        let losses_list = losses.as_slice().unwrap();
        aggregator.direction(losses_list, &[true; 3], jacobian.view(), d.as_slice_mut().unwrap());

        let past = if t == 0 { 0.0 } else { beta / ((t + 1) as f64).powf(sigma) };
        mean = past * &mean + (1.0 - past) * &jacobian / &losses.insert_axis(Axis(1));
        let norms = mean.map_axis(Axis(1), |row| row.dot(&row).sqrt());
        let longest = norms.iter().copied().fold(0.0, f64::max);
        let expected = mean.t().dot(&norms.mapv(|norm| longest / norm));
        assert!(norm(&(&d - &expected)) < 1e-12 * norm(&expected));
    }
}

#[test]
fn imtl_is_its_two_halves_one_after_the_other() {
    let mut both = Balancer::new(Imtl::new(), 3).unwrap();
    let mut scales = Balancer::new(ImtlL::new(), 3).unwrap();
    for (losses, jacobian) in course(34) {
        let losses = losses.as_slice().unwrap();
        let weights = both.weights(&mut FixedEvidence::from_jacobian(&jacobian).with_losses(losses)).clone();
        let scale = scales.weights(&mut FixedEvidence::from_losses(losses)).own.clone();
        assert_eq!(weights.own, scale);
        let scaled = &jacobian * &Array1::from(scale.clone()).insert_axis(Axis(1));
        let mut second = Balancer::new(ImtlG::new(), 3).unwrap();
        let combined = second.weights(&mut FixedEvidence::from_jacobian(&scaled)).shared.clone();
        for k in 0..3 {
            assert!((weights.shared[k] - combined[k] * scale[k]).abs() < 1e-9);
        }
        // Equal projections on the unit gradients.
        let d = jacobian.t().dot(&Array1::from(weights.shared));
        let projections = jacobian.map_axis(Axis(1), |row| row.dot(&d) / row.dot(&row).sqrt());
        assert!((&projections - projections[0]).iter().all(|gap| gap.abs() < 1e-9), "{projections}");
    }
}

#[test]
fn scale_invariant_weights_are_shares_of_the_losses() {
    let method = ScaleInvariant::new().preference(&[1.0, 2.0, 0.0]);
    let mut balancer = Balancer::new(method, 3).unwrap();
    let weights = balancer.weights(&mut FixedEvidence::from_losses(&[0.5, 8.0, 1e-30]));
    assert_eq!(Array1::from(weights.shared.clone()), array![2.0, 0.25, 0.0]);
}

#[test]
fn random_weights_are_drawn_anew_and_favour_nobody() {
    let mut balancer = Balancer::new(Rlw::new(4), 3).unwrap();
    let (mut mean, draws) = (Array1::<f64>::zeros(3), 4_000);
    let mut last = Array1::zeros(3);
    for _ in 0..draws {
        let weights =
            Array1::from(balancer.weights(&mut FixedEvidence::from_losses(&[1.0; 3])).shared.clone());
        assert!(weights != last && (weights.sum() - 1.0).abs() < 1e-12);
        mean += &(&weights / f64::from(draws));
        last = weights;
    }
    // A weight deviates by 0.22, so that four standard errors are 0.014.
    assert!(mean.iter().all(|m| (m - 1.0 / 3.0).abs() < 0.014), "{mean}");
}

#[test]
fn the_random_order_of_pcgrad_takes_all_orders() {
    let j = array![[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0], [1.0, -2.0, 3.0]];
    let weights =
        |balancer: &mut Balancer| balancer.weights(&mut FixedEvidence::from_jacobian(&j)).shared.clone();
    let fixed = [Order::Ascending, Order::Descending]
        .map(|order| weights(&mut Balancer::new(PcGrad::new().order(order), 3).unwrap()));
    for seed in [0, 1] {
        let mut random = Balancer::new(PcGrad::new().order(Order::Random(seed)), 3).unwrap();
        let seen: Vec<_> = (0..60).map(|_| weights(&mut random)).collect();
        assert!(fixed.iter().all(|fixed| seen.contains(fixed)));
    }
}

/// What opposite gradients leave of each other is rounding, and its angles are not to be learned.
#[test]
fn gradvac_learns_no_angle_of_a_cancelled_gradient() {
    for length in [3.0, 0.7, 11.0] {
        let j = array![[0.1, 0.3], [-0.1 * length, -0.3 * length], [0.5, -0.2]];
        let mut balancer = Balancer::new(GradVac::new().order(Order::Ascending), 3).unwrap();
        balancer.weights(&mut FixedEvidence::from_jacobian(&j));
        let state = balancer.state();
        let (name, targets) = &state[1];
        assert_eq!(name, "target cosines");
        // The first two meet each other first: -1, and half of a new cosine is learned.
        assert!([targets[1], targets[3]].iter().all(|target| (target + 0.5).abs() < 1e-12), "{targets:?}");
        assert_eq!([targets[2], targets[5]], [0.0; 2]);
        assert!(targets[6] != 0.0);
    }
}
