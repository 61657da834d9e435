//! Where methods arrive on the problem of two tasks and two parameters.
//!
//! The way through the valleys is sensitive to the last bit, so what is asserted is the kind of place where a
//! method arrives, and numbers only where it has come to rest.

use polytask::balance::{
    Balance, CaGrad, Equal, Famo, GradNorm, ImtlG, Mgda, NashMtl, Order, PcGrad, Rescale,
};

use crate::toy::{SCALED_STARTS, STARTS, Toy};
use crate::two_scales;

/// The kind of place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In a valley above x₂ = 0.
    Stuck,
    /// Among the Pareto-stationary points, or on the way down to them at their x₁.
    Front,
    /// On the front where the weighted mean of the losses is least.
    Best,
}
use Place::{Best, Front, Stuck};

fn place(toy: Toy, [x1, x2]: [f64; 2]) -> Place {
    // On the front x₂ is nearly constant, and the mean of the losses is least in the middle between the minima,
    // weighted by their scales.
    let best = 7.0 * (toy.scale - 1.0) / (toy.scale + 1.0);
    if x2 > 0.0 {
        Stuck
    } else if (x1 - best).abs() < 0.1 && x2 < -4.0 {
        Best
    } else {
        assert!(x1.abs() < 7.05 && (-8.5..-4.0).contains(&x2), "({x1}, {x2}) is no place to be");
        Front
    }
}

fn assert_places<const N: usize>(
    scale: f64,
    method: impl Balance,
    steps: usize,
    starts: [[f64; 2]; N],
    expected: [Place; N],
) -> [[f64; 2]; N] {
    let toy = Toy { scale };
    let ends = starts.map(|start| toy.descend(&method, start, steps));
    assert_eq!(ends.map(|end| place(toy, end)), expected, "{method:?} ends at {ends:?}");
    ends
}

fn assert_losses(scale: f64, end: [f64; 2], expected: [f64; 2], digits: f64) {
    let (losses, _) = Toy { scale }.losses(end);
    assert!(losses.iter().zip(expected).all(|(a, b)| (a - b).abs() < digits), "{losses:?}, not {expected:?}");
}

#[test]
fn gradients_are_those_of_the_losses() {
    let toy = Toy { scale: 0.1 };
    for x in [[-8.5, 7.5], [0.3, 0.2], [9.0, -1.0], [-3.0, -8.0], [2.0, 0.5], [-7.5, -0.5]] {
        let (_, gradients) = toy.losses(x);
        for p in 0..2 {
            let (mut up, mut down) = (x, x);
            up[p] += 1e-6;
            down[p] -= 1e-6;
            for (task, gradient) in gradients.iter().enumerate() {
                let numeric = (toy.losses(up).0[task] - toy.losses(down).0[task]) / 2e-6;
                // Losses of up to 20 are known to 4e-15; truncation is 1e-12 times a third derivative below 100.
                assert!((gradient[p] - numeric).abs() < 1e-8, "task {task} by x{p} at {x:?}");
            }
        }
    }
}

#[test]
fn of_the_methods_of_its_paper_only_cagrad_finds_the_best_mean_from_everywhere() {
    assert_places(1.0, Equal::mean(), 40_000, STARTS, [Stuck, Best, Stuck]);
    assert_places(1.0, Mgda::new(), 40_000, STARTS, [Front, Front, Front]);
    assert_places(1.0, PcGrad::new().order(Order::Ascending), 60_000, STARTS, [Front, Front, Front]);
    let ends =
        assert_places(1.0, CaGrad::new(0.5).rescale(Rescale::OnePlusC), 80_000, STARTS, [Best, Best, Best]);
    for end in ends {
        assert_losses(1.0, end, [-15.0916, -15.0916], 1e-3);
    }
}

#[test]
fn with_a_small_first_loss_the_mean_and_cagrad_get_stuck_once() {
    let ends = assert_places(0.1, Equal::mean(), 35_000, SCALED_STARTS, [Best, Best, Stuck, Best, Best]);
    assert_losses(0.1, ends[1], [-0.380, -19.83], 5e-3);
    let ends = assert_places(0.1, CaGrad::new(0.4), 35_000, SCALED_STARTS, [Best, Best, Stuck, Best, Best]);
    assert_losses(0.1, ends[4], [-0.380, -19.83], 5e-3);
    let ascending = PcGrad::new().order(Order::Ascending);
    let ends = assert_places(0.1, ascending, 35_000, SCALED_STARTS, [Front, Front, Stuck, Front, Front]);
    assert_losses(0.1, ends[3], [-0.829, -18.98], 5e-2);
}

#[test]
fn mgda_and_imtl_g_and_nash_mtl_reach_the_front_from_everywhere() {
    let front = [Front; 5];
    let ends = assert_places(0.1, Mgda::new(), 35_000, SCALED_STARTS, front);
    assert_losses(0.1, ends[4], [-1.999, -0.41], 5e-2);
    let ends = assert_places(0.1, ImtlG::new(), 35_000, SCALED_STARTS, front);
    assert_losses(0.1, ends[1], [-1.509, -15.09], 5e-3);
    let ends = assert_places(0.1, NashMtl::new().unlimited(), 35_000, SCALED_STARTS, front);
    assert_losses(0.1, ends[1], [-1.509, -15.09], 5e-3);
}

#[test]
fn famo_reaches_the_front_from_everywhere_and_near_its_middle() {
    let famo = Famo::new().bounds(&[-2.1, -21.0]).decay(0.0);
    let ends = assert_places(0.1, famo, 50_000, SCALED_STARTS, [Front; 5]);
    assert!(ends.iter().all(|end| end[0].abs() < 2.0), "{ends:?}");
}

/// GradNorm's problem: of two tasks that are alike but for their scale, equal weights learn the larger one alone, and
/// GradNorm both, with weights near the ratio of the scales.
#[test]
fn gradnorm_learns_the_task_of_small_scale_too() {
    for seed in [1, 2] {
        let train = |method: &dyn Balance| two_scales::train(method, seed).expect("losses stay finite");
        let (equal, balanced) = (train(&Equal::sum()), train(&GradNorm::new().alpha(0.12)));
        let n = balanced.n_steps() as usize;
        let [by_equal, by_gradnorm] = [&equal, &balanced].map(|it| two_scales::remaining(it, n - 100, n));
        assert!(by_equal[0] > 0.7 && by_equal[1] < 0.05, "{by_equal:?}");
        // 0.5 and 0.1 to 0.15 of the first losses; what matters is that both fall.
        assert!(by_gradnorm[0] < 0.65 && by_gradnorm[1] < 0.3, "{by_gradnorm:?}");
        assert!(by_gradnorm.iter().sum::<f64>() < 0.8 * by_equal.iter().sum::<f64>());
        let ratio = balanced.weights()[[n - 1, 0]] / balanced.weights()[[n - 1, 1]];
        assert!((30.0..300.0).contains(&ratio), "the first weight is {ratio} times the second");
    }
}
