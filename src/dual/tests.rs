//! What dual numbers say: of themselves, of each activation, of each loss, of whole networks.

use ndarray::{Array1, Array2, ArrayView2, array};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::Dual;
use crate::arena::RowsMut;
use crate::balance::Weights;
use crate::layer::{Mode, Pass};
use crate::loss::{Labels, ListTarget, Loss};
use crate::sharing::{AdaTt, ProgressiveExtraction};
use crate::{Activation, Layer, Network, Scalar, Sharing, Task, Trace};

/// Both sides round every operation once, in `f64`, and take fewer than a thousand of them.
const TOLERANCE: f64 = 1e-12;

#[track_caller]
fn assert_near(by_hand: f64, dual: f64, scale: f64, place: &str) {
    let apart = (by_hand - dual).abs();
    assert!(apart <= TOLERANCE * scale, "{place}: by hand {by_hand:e}, dual numbers {dual:e}");
}

/// Dual numbers are examined by identities that tie its rules to one another.
#[test]
fn dual_numbers_obey_calculus() {
    let one = Dual::ONE;
    for at in [-2.3, -0.7, -1e-3, 1e-3, 0.4, 1.0, 3.1] {
        let (x, positive) = (Dual::variable(at), Dual::variable(at.abs()));
        let y = x * Dual::from_f64(3.0) - one;
        let sinh_over_cosh = (x.exp() - (-x).exp()) / (x.exp() + (-x).exp());
        for (place, left, right) in [
            ("x + x = 2 x", x + x, x * Dual::from_f64(2.0)),
            ("x y / y = x", x * y / y, x),
            ("(x + y)(x − y) = x² − y²", (x + y) * (x - y), x * x - y * y),
            ("ln eˣ = x", x.exp().ln(), x),
            ("e^(ln x) = x", positive.ln().exp(), positive),
            ("e^(x + y) = eˣ e^y", (x + y).exp(), x.exp() * y.exp()),
            ("expm1 x = eˣ − 1", x.exp_m1(), x.exp() - one),
            ("log1p x = ln(1 + x)", positive.ln_1p(), (one + positive).ln()),
            ("log1p(expm1 x) = x", x.exp_m1().ln_1p(), x),
            ("(√x)² = x", positive.sqrt() * positive.sqrt(), positive),
            ("tanh = sinh / cosh", x.tanh(), sinh_over_cosh),
            ("sin 2x = 2 sin x cos x", (x + x).sin(), Dual::from_f64(2.0) * x.sin() * x.cos()),
            ("cos 2x = 1 − 2 sin² x", (x + x).cos(), one - Dual::from_f64(2.0) * x.sin().powi(2)),
            ("x³ = x x x", x.powi(3), x * x * x),
            ("x⁻² = 1 / (x x)", x.powi(-2), one / (x * x)),
            ("|x|² = x²", x.abs() * x.abs(), x * x),
            ("erfc x + erfc(−x) = 2", x.erfc() + (-x).erfc(), Dual::from_f64(2.0)),
        ] {
            assert_near(left.value, right.value, right.value.abs().max(1.0), place);
            assert_near(left.slope, right.slope, right.slope.abs().max(1.0), place);
        }
    }
    let mut x = Dual::variable(2.0);
    x += one;
    x *= x;
    x -= one;
    x /= Dual::from_f64(2.0);
    assert_eq!((x.value, x.slope), (4.0, 3.0), "((x + 1)² − 1) / 2");
    assert_eq!([Dual::variable(1.0), x].into_iter().sum::<Dual>().slope, 4.0);
    assert!(x > one && x == Dual::from_f64(4.0), "comparisons are of values");
}

/// Nothing ties erfc to the others: the integral of its slope (Simpson, 2000 parts) must be the change of its value.
#[test]
fn the_slope_of_erfc_is_its_derivative() {
    for (from, to) in [(-3.0, -1.0), (-1.0, 0.5), (0.5, 4.0)] {
        let step = (to - from) / 4000.0;
        let slope = |i: usize| Dual::variable(from + step * i as f64).erfc().slope;
        let sum: f64 = (0..2000).map(|i| slope(2 * i) + 4.0 * slope(2 * i + 1) + slope(2 * i + 2)).sum();
        assert_near(libm::erfc(to) - libm::erfc(from), sum * step / 3.0, 1.0, "erfc");
    }
}

#[test]
fn activations() {
    let others = [Activation::LeakyRelu { slope: 0.2 }, Activation::Elu { alpha: 0.6 }];
    for activation in Activation::ALL.into_iter().chain(others) {
        for size in [1e-9, 1e-3, 0.2, 0.9, 1.0, 2.7, 12.0, 40.0, 1e3] {
            for z in [-size, size] {
                let place = format!("{activation:?} at {z}");
                let y = activation.value(Dual::variable(z));
                assert_eq!(y.value, activation.value(z), "{place}");
                assert_near(activation.derivative(z), y.slope, 1.0, &place);
            }
        }
    }
}

/// A loss without a row does not compile here, or is missing from [`losses`].
macro_rules! members {
    ($($member:ident),+) => {
        const MEMBERS: &[&str] = &[$(stringify!($member)),+];
        fn member(loss: &Loss) -> &'static str {
            match loss { $(Loss::$member { .. } => stringify!($member)),+ }
        }
    };
}
members!(
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    SmoothL1,
    LogCosh,
    Quantile,
    Poisson,
    Gaussian,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Ordinal,
    RankNet,
    LambdaRank,
    ListNet,
    ListMle,
    ApproxNdcg,
    Custom
);

/// Losses, each with a label for whatever number from 0 to 4 it is given. A custom loss has no dual twin.
fn losses() -> Vec<(Loss, fn(u64) -> f64)> {
    let quantity = |n| n as f64 - 1.7;
    let count = |n| n as f64;
    let yes_or_no = |n| (n % 2) as f64;
    let class = |n| (n % 4) as f64;
    let weights = vec![1.0, 0.5, 2.0, 0.3];
    vec![
        (Loss::mean_squared_error(), quantity),
        (Loss::mean_absolute_error(), quantity),
        (Loss::huber(0.4), quantity),
        (Loss::smooth_l1(0.4), quantity),
        (Loss::log_cosh(), quantity),
        (Loss::quantiles([0.1, 0.5, 0.9]), quantity),
        (Loss::poisson(), count),
        (Loss::gaussian(), quantity),
        (Loss::binary_cross_entropy(), yes_or_no),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0, 0.5], label_smoothing: 0.0 }, yes_or_no),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0], label_smoothing: 0.2 }, yes_or_no),
        (Loss::BinaryFocal { gamma: 0.5, alpha: 0.6, label_smoothing: 0.2 }, yes_or_no),
        (Loss::binary_focal(), yes_or_no),
        (Loss::cross_entropy(4), class),
        (Loss::CrossEntropy { classes: 4, class_weights: weights.clone(), label_smoothing: 0.1 }, class),
        (Loss::focal(4), class),
        (Loss::Focal { classes: 4, class_weights: weights.clone(), gamma: 0.5, label_smoothing: 0.0 }, class),
        (Loss::Focal { classes: 4, class_weights: weights, gamma: 0.5, label_smoothing: 0.2 }, class),
        (Loss::Ordinal { classes: 4, label_smoothing: 0.2 }, class),
        (Loss::ordinal(4), class),
        (Loss::rank_net(), count),
        (Loss::lambda_rank(), count),
        (Loss::list_net(), count),
        (Loss::ListNet { target: ListTarget::Proportion }, count),
        (Loss::list_mle(), count),
        (Loss::approx_ndcg(), count),
        (Loss::ordered_quantiles([0.1, 0.2, 0.5, 0.8, 0.9]), quantity),
    ]
}

#[test]
fn every_loss_has_a_row() {
    for name in MEMBERS.iter().filter(|name| **name != "Custom") {
        assert!(losses().iter().any(|(loss, _)| member(loss) == *name), "{name} has no row");
    }
}

/// Two target columns of nine rows in two groups, with gaps and weights; outputs of ordinary size and of ±1000.
#[test]
fn losses_and_their_deltas() {
    for (loss, label) in losses() {
        // Anew for each, so that another row of the list changes none of the others.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (by_hand, twin) = (loss.build::<f64>().unwrap(), loss.build::<Dual>().unwrap());
        let mut targets = Array2::from_shape_fn((9, 2), |_| label(rng.random_range(0..5)));
        for gap in [[2, 0], [5, 0], [5, 1]] {
            targets[gap] = f64::NAN;
        }
        let weights = array![1.0, 0.5, 2.0, 1.0, 0.0, 1.0, 3.0, 0.7, 1.0];
        let groups = [7, 7, 3, 7, 3, 3, 7, 3, 7];
        for size in [1.0, 3.0, 1e3] {
            let width = by_hand.output_width(2);
            let outputs = Array2::from_shape_fn((9, width), |_| size * (2.0 * rng.random::<f64>() - 1.0));
            let labels =
                Labels { targets: targets.view(), weights: Some(weights.view()), groups: Some(&groups) };
            let mut delta = Array2::zeros(outputs.dim());
            let value = by_hand.value_and_delta(outputs.view(), &labels, delta.view_mut());
            assert!(value.is_finite() && delta.iter().any(|d| *d != 0.0), "{loss:?} at {size}");

            let (targets, weights) = (targets.map(dual), weights.map(dual));
            let labels =
                Labels { targets: targets.view(), weights: Some(weights.view()), groups: Some(&groups) };
            // Where every example is decided the deltas vanish, and what is left of them is rounding.
            let scale = delta.iter().fold(1e-3_f64, |largest, d| largest.max(d.abs()));
            for (at, &d) in delta.indexed_iter() {
                let mut outputs = outputs.map(dual);
                outputs[at].slope = 1.0;
                let mut unused = Array2::from_elem(outputs.dim(), Dual::ZERO);
                let seen = twin.value_and_delta(outputs.view(), &labels, unused.view_mut());
                assert_near(value, seen.value, value.abs(), &format!("{loss:?}: value"));
                assert_near(d, seen.slope, scale, &format!("{loss:?} at {size}: delta{at:?}"));
            }
        }
    }
}

fn dual(x: &f64) -> Dual {
    Dual::constant(*x)
}

/// A network with a batch: what both number types compute on.
struct Case {
    sharing: Sharing,
    tasks: Vec<Task>,
    x: Array2<f64>,
    targets: Vec<Array2<f64>>,
    weights: Array1<f64>,
    theta: Vec<f64>,
}

impl Case {
    fn new(sharing: Sharing, tasks: Vec<Task>, rows: usize, label: fn(u64) -> f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
        let network = Network::<f64>::new(3, &sharing, &tasks).unwrap();
        let mut uniform = || 2.0 * rng.random::<f64>() - 1.0;
        let x = Array2::from_shape_fn((rows, 3), |_| uniform());
        let weights = Array1::from_shape_fn(rows, |_| 1.5 + uniform());
        // Biases too are drawn, or rectifiers of deep networks would lie on their kinks.
        let theta = network.initial(4).into_iter().map(|w| w + 0.2 * uniform()).collect();
        let targets = (0..tasks.len())
            .map(|k| {
                Array2::from_shape_fn((rows, 1), |(row, _)| match (row + k) % 5 {
                    4 => f64::NAN,
                    _ => label(rng.random_range(0..5)),
                })
            })
            .collect();
        Self { sharing, tasks, x, targets, weights, theta }
    }

    /// Forward and losses at θ and x over one number type.
    fn run<F: Scalar>(&self, network: &Network<F>, theta: &[F], x: ArrayView2<'_, F>, trace: &mut Trace<F>) {
        let number = |x: &f64| F::from_f64(*x);
        trace.begin(x.nrows());
        for (k, targets) in self.targets.iter().enumerate() {
            trace.targets_mut(k).assign(&targets.map(number));
        }
        let rows: Vec<usize> = (0..self.weights.len()).collect();
        trace.examples.gather(&rows, Some(self.weights.map(number).view()), None);
        let fill = |first: usize, rows: RowsMut<'_, F>| {
            for (to, row) in rows.zip(first..) {
                to.iter_mut().zip(x.row(row)).for_each(|(to, &x)| *to = x);
            }
        };
        network.forward(&Pass::new(theta, &network.initial_state(4), Mode::Train), fill, trace);
        network.losses(trace);
    }

    /// Compares the gradient by hand, of θ and of x, entry by entry.
    fn check(&self, place: &str) {
        let network = Network::<f64>::new(3, &self.sharing, &self.tasks).unwrap();
        let (own, state): (Vec<f64>, _) =
            (self.tasks.iter().map(Task::loss_weight).collect(), network.initial_state(4));
        let weights = Weights { shared: own.clone(), own: own.clone() };
        let mut trace = network.trace(self.x.nrows()).with_input_gradient();
        let mut gradient = vec![f64::NAN; network.layout().len()];
        self.run(&network, &self.theta, self.x.view(), &mut trace);
        let pass = trace.pass(&self.theta, &state);
        network.backward(&pass, &mut trace, &weights, &mut gradient);
        let input_gradient = network.input_gradient(&trace);

        let twin = Network::<Dual>::new(3, &self.sharing, &self.tasks).unwrap();
        let mut trace = twin.trace(self.x.nrows());
        let mut slope = |theta: &[Dual], x: ArrayView2<'_, Dual>| {
            self.run(&twin, theta, x, &mut trace);
            let loss = |k: usize| {
                let (outputs, labels) = (trace.outputs(k), trace.labels(k));
                twin.loss(k).value_and_delta(outputs, &labels, Array2::zeros(outputs.dim()).view_mut())
            };
            own.iter().enumerate().map(|(k, &weight)| weight * loss(k).slope).sum::<f64>()
        };
        let (mut theta, mut x): (Vec<Dual>, _) = (self.theta.iter().map(dual).collect(), self.x.map(dual));
        let rms = |g: &[f64]| (g.iter().map(|g| g * g).sum::<f64>() / g.len() as f64).sqrt();
        for (i, &g) in gradient.iter().enumerate() {
            theta[i].slope = 1.0;
            let seen = slope(&theta, x.view());
            theta[i].slope = 0.0;
            let name = network.layout().name_of(i);
            assert_near(g, seen, g.abs().max(rms(&gradient)), &format!("{place}: {name}"));
        }
        let size = rms(input_gradient.as_slice().unwrap());
        assert!(size > 0.0 && rms(&gradient) > 0.0, "{place}: a gradient of 0 tests nothing");
        for (at, &g) in input_gradient.indexed_iter() {
            x[at].slope = 1.0;
            let seen = slope(&theta, x.view());
            x[at].slope = 0.0;
            assert_near(g, seen, g.abs().max(size), &format!("{place}: x{at:?}"));
        }
    }
}

fn quantity(n: u64) -> f64 {
    n as f64 - 1.7
}

#[test]
fn dense_layers_with_each_activation() {
    for activation in Activation::ALL {
        let layers = [Layer::dense(4, activation), Layer::dense(3, activation)];
        let tasks = vec![
            Task::regression("a").weight(0.4).head([Layer::dense(3, activation)]),
            Task::regression("b").weight(1.7),
        ];
        Case::new(Sharing::shared_trunk(layers), tasks, 7, quantity).check(&format!("{activation:?}"));
    }
}

#[test]
fn layers_that_are_not_dense() {
    let inside = [Layer::layer_norm(), Layer::dense(3, Activation::Silu)];
    for layer in [
        Layer::gated(3, Activation::Silu),
        Layer::gated(3, Activation::Gelu),
        Layer::layer_norm(),
        Layer::batch_norm(),
        Layer::parametric(Activation::Mish),
        Layer::residual(inside),
        Layer::scale(),
    ] {
        let layers = [Layer::dense(3, Activation::Tanh), layer.clone()];
        let tasks = vec![Task::regression("a").weight(0.4).head([layer.clone()]), Task::regression("b")];
        Case::new(Sharing::shared_trunk(layers), tasks, 7, quantity).check(&format!("{layer:?}"));
    }
}

#[test]
fn sharing_forms_and_batches_of_several_chunks() {
    let layers = || [Layer::dense(3, Activation::Tanh)];
    let none: [Layer; 0] = [];
    for (place, sharing) in [
        ("shared trunk", Sharing::shared_trunk(layers())),
        ("independent", Sharing::independent(layers())),
        ("empty trunk", Sharing::shared_trunk(none.clone())),
        ("independent, empty", Sharing::independent(none)),
        ("MMoE", Sharing::mmoe(2, layers())),
        ("OMoE", Sharing::omoe(2, layers())),
        ("MMoE behind a stem", Sharing::mmoe(2, layers()).with_stem(layers())),
        ("CGC behind a stem", Sharing::cgc(1, 1, layers()).with_stem(layers())),
        ("soft sharing", Sharing::soft(0.3, layers())),
        ("DSelect-k", Sharing::dselect_k(3, 2, layers())),
        ("AdaTT", AdaTt::new(2, layers()).level(1, layers()).into()),
        ("cross-stitch", Sharing::cross_stitch(layers())),
        ("CGC", Sharing::cgc(1, 1, layers())),
        ("PLE", ProgressiveExtraction::new(1, 1, layers()).level(1, 1, layers()).into()),
    ] {
        for rows in [1, 7, 65] {
            let tasks = vec![
                Task::regression("a").weight(0.4).head([Layer::dense(2, Activation::Silu)]),
                Task::regression("b").weight(0.0),
                Task::regression("c"),
            ];
            let case = Case::new(sharing.clone(), tasks, rows, quantity);
            case.check(&format!("{place}, {rows} rows"));
        }
    }
}

#[test]
fn networks_with_each_loss() {
    for (loss, label) in losses() {
        if matches!(&loss, Loss::BinaryCrossEntropy { positive_weights, .. } if positive_weights.len() > 1) {
            continue; // weights for two target columns, and this network has one
        }
        let place = format!("{loss:?}");
        let tasks = vec![Task::new("a", loss).weight(0.6)];
        let sharing = Sharing::shared_trunk([Layer::dense(3, Activation::Gelu)]);
        Case::new(sharing, tasks, 11, label).check(&place);
    }
}
