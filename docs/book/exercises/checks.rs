//! What each exercise is checked against: differences of the function, slow sums, corners. None knows the solution.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The name of an exercise, and its check of an answer: a panic says what is wrong.
pub type Check = (&'static str, Box<dyn Fn()>);

/// What became of an answer.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Right,
    ToDo,
    Wrong(String),
}

/// The checks of all answers in a module.
macro_rules! checks_of {
    ($answers:ident) => {
        checks_of!($answers:
            neuron_gradient, dense_backward, silu_backward, binary_cross_entropy, directional_error, momentum_step,
            two_layer_gradient, trunk_delta, masked_mean_squared_error, rank_net, cosine, dynamic_weight_average,
            min_norm_pair, pairwise_sum, dot_in_chains, tensor_bytes, merged_moments, mean_over_ranks,
            paired_difference,
            layer_norm_backward, bin_encoding, gate_backward)
    };
    ($answers:ident: $($name:ident),*) => {
        vec![$((stringify!($name), Box::new(|| checks::$name($answers::$name)) as Box<dyn Fn()>)),*]
    };
}

/// Makes a check. Panics are printed by the panic hook as well, unless the caller has set another one.
pub fn outcome((_, check): &Check) -> Outcome {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => Outcome::Right,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            match text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked") {
                text if text.starts_with("not yet implemented") => Outcome::ToDo,
                text => Outcome::Wrong(text.lines().next().unwrap_or_default().to_owned()),
            }
        }
    }
}

/// Numbers between −1 and 1 that look like nothing.
fn numbers(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| (seed + 1.7 * i as f64 + 0.3 * (i * i) as f64).sin()).collect()
}

/// Panics unless `gradient` is that of `loss` at `theta`.
fn assert_gradient(what: &str, loss: impl Fn(&[f64]) -> f64, theta: &[f64], gradient: &[f64]) {
    assert_eq!(gradient.len(), theta.len(), "{what}: so many numbers");
    let scale = gradient.iter().fold(1.0_f64, |m, g| m.max(g.abs()));
    for i in 0..theta.len() {
        let moved = |h: f64| {
            let mut theta = theta.to_vec();
            theta[i] += h;
            loss(&theta)
        };
        let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        let by_hand = gradient[i];
        // Rounding over h is about 1e-11, truncation about h² = 1e-10, both times the size of the loss.
        let is_right = (by_hand - numeric).abs() < 1e-7 * scale;
        assert!(is_right, "{what}, entry {i}: yours {by_hand:.6}, numeric {numeric:.6}");
    }
}

fn assert_close(what: &str, yours: f64, truth: f64, tolerance: f64) {
    assert!((yours - truth).abs() <= tolerance, "{what}: yours {yours}, expected {truth}");
}

fn stable_softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

type NeuronGradient = fn(&[f64], &[f64], f64, f64) -> (f64, f64);

pub fn neuron_gradient(answer: NeuronGradient) {
    let (x, t) = (numbers(7, 1.0), numbers(7, 2.0));
    let loss = |theta: &[f64]| {
        x.iter().zip(&t).map(|(x, t)| (theta[0] * x + theta[1] - t).powi(4)).sum::<f64>() / 7.0
    };
    let (dw, db) = answer(&x, &t, 0.8, -0.3);
    assert_gradient("(dw, db)", loss, &[0.8, -0.3], &[dw, db]);
}

type DenseBackward = fn(&[f64], &[f64], &[f64], [usize; 3]) -> (Vec<f64>, Vec<f64>, Vec<f64>);

pub fn dense_backward(answer: DenseBackward) {
    let [batch, inputs, outputs] = [4, 3, 2];
    let (n_w, n_x) = (inputs * outputs, batch * inputs);
    let dz = numbers(batch * outputs, 5.0);
    // θ = [W | b | x], and L = Σ dz ∘ z.
    let theta = numbers(n_w + outputs + n_x, 3.0);
    let loss = |theta: &[f64]| {
        let (w, rest) = theta.split_at(n_w);
        let (b, x) = rest.split_at(outputs);
        let z = |n: usize, j: usize| {
            b[j] + (0..inputs).map(|i| x[n * inputs + i] * w[i * outputs + j]).sum::<f64>()
        };
        (0..batch * outputs).map(|at| dz[at] * z(at / outputs, at % outputs)).sum()
    };
    let (w, x) = (&theta[..n_w], &theta[n_w + outputs..]);
    let (dw, db, dx) = answer(x, w, &dz, [batch, inputs, outputs]);
    assert_eq!((dw.len(), db.len(), dx.len()), (n_w, outputs, n_x), "lengths of dW, db, dx");
    assert_gradient("[dW | db | dx]", loss, &theta, &[dw, db, dx].concat());
}

type SiluBackward = fn(&[f64], &[f64]) -> Vec<f64>;

pub fn silu_backward(answer: SiluBackward) {
    let (z, dy) = (numbers(9, 0.0), numbers(9, 4.0));
    let loss = |z: &[f64]| z.iter().zip(&dy).map(|(z, dy)| dy * z / (1.0 + (-z).exp())).sum();
    assert_gradient("dz", loss, &z, &answer(&z, &dy));
    let far = answer(&[1000.0, -1000.0], &[1.0, 1.0]);
    assert_close("dz at z = 1000", far[0], 1.0, 1e-12);
    assert_close("dz at z = -1000", far[1], 0.0, 1e-12);
}

type LayerNormBackward = fn(&[f64], &[f64], f64) -> Vec<f64>;

pub fn layer_norm_backward(answer: LayerNormBackward) {
    let (x, dy, epsilon) = (numbers(7, 2.0), numbers(7, 5.0), 0.01);
    let loss = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / 7.0;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
        x.iter().zip(&dy).map(|(x, dy)| dy * (x - mean) / (variance + epsilon).sqrt()).sum()
    };
    assert_gradient("dx", loss, &x, &answer(&x, &dy, epsilon));
    let same = answer(&[3.0; 7], &[1.0; 7], epsilon);
    assert!(same.iter().all(|dx| dx.abs() < 1e-12), "a shift of all moves nothing, and here dx is {same:?}");
}

type BinEncoding = fn(f64, &[f64]) -> (Vec<f64>, Vec<f64>);

pub fn bin_encoding(answer: BinEncoding) {
    let edges = [-1.0, 0.5, 1.0, 3.0];
    for (x, expected) in
        [(-4.0, [-2.0, 0.0, 0.0]), (0.75, [1.0, 0.5, 0.0]), (2.0, [1.0, 1.0, 0.5]), (5.0, [1.0, 1.0, 2.0])]
    {
        let (e, slopes) = answer(x, &edges);
        assert_eq!((e.len(), slopes.len()), (3, 3), "a number for each bin");
        for t in 0..3 {
            assert_close(&format!("e{} at {x}", t + 1), e[t], expected[t], 1e-12);
            let numeric = (answer(x + 1e-6, &edges).0[t] - answer(x - 1e-6, &edges).0[t]) / 2e-6;
            assert_close(&format!("slope of e{} at {x}", t + 1), slopes[t], numeric, 1e-6);
        }
    }
    assert_close("e1 with one bin", answer(3.0, &[0.0, 2.0]).0[0], 1.5, 1e-12);
}

type GateBackward = fn(&[f64], &[Vec<f64>], &[f64]) -> (Vec<f64>, Vec<Vec<f64>>);

pub fn gate_backward(answer: GateBackward) {
    // L = ⟨dh, h⟩, as a function of three logits and what three experts say, four numbers each.
    let (theta, dh) = (numbers(3 + 12, 0.7), numbers(4, 5.0));
    let parts =
        |theta: &[f64]| (theta[..3].to_vec(), theta[3..].chunks(4).map(<[f64]>::to_vec).collect::<Vec<_>>());
    let loss = |theta: &[f64]| {
        let (a, f) = parts(theta);
        let sum = a.iter().map(|a| a.exp()).sum::<f64>();
        let along = f.iter().map(|f| f.iter().zip(&dh).map(|(f, d)| f * d).sum::<f64>());
        a.iter().zip(along).map(|(a, along)| a.exp() / sum * along).sum()
    };
    let (a, f) = parts(&theta);
    let (da, df) = answer(&a, &f, &dh);
    assert_eq!((da.len(), df.len()), (3, 3), "a logit and a delta for each expert");
    assert_gradient("da, then df", loss, &theta, &[da, df.concat()].concat());
    let (da, _) = answer(&[1000.0, -1000.0], &[vec![1.0], vec![2.0]], &[1.0]);
    assert!(da.iter().all(|da| da.abs() < 1e-12), "da at logits ±1000: expected 0, yours is {da:?}");
}

type ValueAndDelta = fn(&[f64], &[f64]) -> (f64, Vec<f64>);

pub fn binary_cross_entropy(answer: ValueAndDelta) {
    let (z, t) = (numbers(6, 1.0), [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
    let loss = |z: &[f64]| {
        z.iter().zip(t).map(|(&z, t)| stable_softplus(if t == 1.0 { -z } else { z })).sum::<f64>() / 6.0
    };
    let (value, delta) = answer(&z, &t);
    assert_close("value", value, loss(&z), 1e-12);
    assert_gradient("delta", loss, &z, &delta);
    let (value, delta) = answer(&[-1000.0, 1000.0], &[1.0, 0.0]);
    assert_close("value at logits ∓1000", value, 1000.0, 1e-9);
    assert_close("delta at logit -1000, label 1", delta[0], -0.5, 1e-12);
    let (value, _) = answer(&[40.0], &[1.0]);
    assert!(value > 0.0, "value at logit 40, label 1: yours is 0, it is e^-40");
}

type DirectionalError = fn(&dyn Fn(&[f64]) -> f64, &[f64], &[f64], &[f64], f64) -> f64;

pub fn directional_error(answer: DirectionalError) {
    let loss = |theta: &[f64]| theta.iter().map(|x| x.powi(3)).sum::<f64>();
    let (theta, v) = ([0.5, -1.0, 2.0], [0.3, 0.8, -0.6]);
    let gradient = theta.map(|x| 3.0 * x * x);
    // The truncation error of x³ is h² v³, exactly.
    let truncation = v.iter().map(|v| v * v * v * 1e-6).sum::<f64>().abs();
    assert_close("a right gradient", answer(&loss, &theta, &gradient, &v, 1e-3), truncation, 1e-10);
    let wrong = [gradient[0], gradient[1] + 1.0, gradient[2]];
    assert_close("one entry wrong by 1", answer(&loss, &theta, &wrong, &v, 1e-3), 0.8, 1e-5);
}

type MomentumStep = fn(&mut [f64], &mut [f64], &[f64], f64, f64);

pub fn momentum_step(answer: MomentumStep) {
    let (mut theta, mut velocity) = ([1.0, -1.0], [0.0, 0.5]);
    answer(&mut theta, &mut velocity, &[2.0, -4.0], 0.1, 0.5);
    // u = (2, −3.75); θ − 0.1 (g + 0.5 u).
    for (what, yours, truth) in [
        ("u[0]", velocity[0], 2.0),
        ("u[1]", velocity[1], -3.75),
        ("θ[0]", theta[0], 1.0 - 0.1 * 3.0),
        ("θ[1]", theta[1], -1.0 + 0.1 * 5.875),
    ] {
        assert_close(what, yours, truth, 1e-12);
    }
}

type TwoLayerGradient = fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>;

pub fn two_layer_gradient(answer: TwoLayerGradient) {
    let hidden = 3;
    let (x, t, theta) = (numbers(5, 1.0), numbers(5, 2.0), numbers(3 * hidden + 1, 3.0));
    let loss = |theta: &[f64]| {
        let y = |x: f64| {
            let unit = |j: usize| theta[2 * hidden + j] * (theta[j] * x + theta[hidden + j]).tanh();
            (0..hidden).map(unit).sum::<f64>() + theta[3 * hidden]
        };
        x.iter().zip(&t).map(|(&x, t)| (y(x) - t).powi(2)).sum::<f64>() / 5.0
    };
    assert_gradient("gradient", loss, &theta, &answer(&x, &t, &theta, hidden));
}

type TrunkDelta = fn(&[Vec<f64>], &[Vec<f64>], &[f64]) -> Vec<f64>;

pub fn trunk_delta(answer: TrunkDelta) {
    let (batch, hidden) = (4, 3);
    let dy = [numbers(batch, 1.0), numbers(batch, 2.0), numbers(batch, 3.0)];
    let v = [numbers(hidden, 4.0), numbers(hidden, 5.0), numbers(hidden, 6.0)];
    let weights = [1.0, 0.5, 2.0];
    let h = numbers(batch * hidden, 7.0);
    // L = Σₖ wₖ Σₙ dyₖ[n] · h[n] Vₖ.
    let loss = |h: &[f64]| {
        let output = |k: usize, n: usize| (0..hidden).map(|i| h[n * hidden + i] * v[k][i]).sum::<f64>();
        (0..3 * batch)
            .map(|at| (at / batch, at % batch))
            .map(|(k, n)| weights[k] * dy[k][n] * output(k, n))
            .sum()
    };
    assert_gradient("dh", loss, &h, &answer(&dy, &v, &weights));
}

type MaskedValueAndDelta = fn(&[f64], &[f64], &[f64]) -> (f64, Vec<f64>);

pub fn masked_mean_squared_error(answer: MaskedValueAndDelta) {
    let (y, w) = ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 0.5, 2.0]);
    let t = [0.0, f64::NAN, 1.0, f64::NAN];
    let (value, delta) = answer(&y, &t, &w);
    assert_close("value", value, (1.0 + 0.5 * 4.0) / 1.5, 1e-12);
    for (n, truth) in [2.0 / 1.5, 0.0, 2.0 / 1.5, 0.0].into_iter().enumerate() {
        assert!(!delta[n].is_nan(), "delta[{n}] is NaN: 0 · NaN is not 0");
        assert_close("delta", delta[n], truth, 1e-12);
    }
    let (value, delta) = answer(&y, &[f64::NAN; 4], &w);
    assert_close("value without any label", value, 0.0, 0.0);
    assert!(delta.iter().all(|d| *d == 0.0), "delta without any label is 0");
}

pub fn rank_net(answer: ValueAndDelta) {
    let (s, t) = (numbers(5, 1.0), [2.0, 0.0, 1.0, 1.0, 0.0]);
    let loss = |s: &[f64]| {
        let pairs: Vec<f64> = (0..25)
            .map(|p| (p / 5, p % 5))
            .filter(|&(i, j)| t[i] > t[j])
            .map(|(i, j)| stable_softplus(s[j] - s[i]))
            .collect();
        pairs.iter().sum::<f64>() / pairs.len() as f64
    };
    let (value, delta) = answer(&s, &t);
    assert_close("value", value, loss(&s), 1e-12);
    assert_gradient("delta", loss, &s, &delta);
    assert_close("the sum of delta", delta.iter().sum(), 0.0, 1e-12);
}

pub fn cosine(answer: fn(&[f64], &[f64]) -> f64) {
    assert_close("(1, 1), (1, 0)", answer(&[1.0, 1.0], &[1.0, 0.0]), 0.5_f64.sqrt(), 1e-12);
    assert_close("opposite", answer(&[1.0, -2.0], &[-3.0, 6.0]), -1.0, 1e-12);
    assert_close("with zero", answer(&[0.0, 0.0], &[1.0, 2.0]), 0.0, 0.0);
    assert_close("entries of 1e200", answer(&[1e200, 1e200], &[1e200, 0.0]), 0.5_f64.sqrt(), 1e-12);
}

type Average = fn(&[f64], &[f64], f64) -> Vec<f64>;

pub fn dynamic_weight_average(answer: Average) {
    let weights = answer(&[1.0, 1.0, 3.0], &[2.0, 1.0, 3.0], 2.0);
    assert_close("Σ w", weights.iter().sum(), 3.0, 1e-12);
    assert_close("ratio of the first two", weights[1] / weights[0], 0.25_f64.exp(), 1e-12);
    assert_close("equal rates", weights[1] - weights[2], 0.0, 1e-12);
    let steep = answer(&[4000.0, 1.0], &[1.0, 1.0], 1.0);
    assert!(steep.iter().all(|w| w.is_finite()), "weights for a rate of 4000: {steep:?}");
}

pub fn min_norm_pair(answer: fn(f64, f64, f64) -> (f64, f64)) {
    let norm =
        |(a, b, c): (f64, f64, f64), w: f64| w * w * a + 2.0 * w * (1.0 - w) * b + (1.0 - w) * (1.0 - w) * c;
    let corners = [(4.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 2.0, 9.0), (9.0, 2.0, 1.0)];
    for g in corners.into_iter().chain([(18.0, -22.0, 38.0), (2.0, 0.0, 1.0), (1.0, -1.0, 1.0)]) {
        let (w1, w2) = answer(g.0, g.1, g.2);
        assert!((0.0..=1.0).contains(&w1) && (w1 + w2 - 1.0).abs() < 1e-12, "{g:?}: weights {w1}, {w2}");
        let best = (0..=1000).map(|i| norm(g, f64::from(i) / 1000.0)).fold(f64::INFINITY, f64::min);
        assert!(norm(g, w1) <= best + 1e-9, "{g:?}: |d|² is {} and could be {best}", norm(g, w1));
    }
}

pub fn dot_in_chains(answer: fn(&[f32], &[f32]) -> f32) {
    assert_eq!(answer(&[], &[]), 0.0, "the dot product of nothing");
    assert_eq!(answer(&[3.0], &[0.5]), 1.5, "the dot product of one entry");
    let b = [1.0; 17];
    let mut a = [0.0; 17];
    // One at a time, 1 is lost beside 2²⁵; in chains, entries 1 and 9 meet first.
    (a[0], a[1], a[8], a[9]) = (33_554_432.0, 1.0, -33_554_432.0, 1.0);
    assert_eq!(answer(&a, &b), 2.0, "entry i belongs to chain i mod 8");
    (a[1], a[2], a[9]) = (0.0, 1.0, 0.0);
    (a[15], a[16]) = (4.0, 8.0);
    assert_eq!(answer(&a, &b), 13.0, "entries after the last whole eight count as well");
}

pub fn pairwise_sum(answer: fn(&[f32]) -> f32) {
    assert_eq!(answer(&[]), 0.0, "the sum of nothing");
    assert_eq!(answer(&[1.5]), 1.5, "the sum of one number");
    let xs: Vec<f32> = (1..=100_000).map(|i| 1.0 / i as f32).collect();
    let exact: f64 = xs.iter().map(|&x| f64::from(x)).sum();
    // 17 levels of additions, each rounding by 6e-8 at most; one by one the error is some 1e-5.
    assert_close("1 + 1/2 + … + 1/100000", f64::from(answer(&xs)), exact, 17.0 * 6e-8 * exact);
}

type TensorBytes = for<'a> fn(&'a [u8], [u64; 2]) -> Option<&'a [u8]>;

pub fn tensor_bytes(answer: TensorBytes) {
    // A header of three bytes, then five bytes of numbers.
    let file = [3, 0, 0, 0, 0, 0, 0, 0, b'{', b' ', b'}', 10, 11, 12, 13, 14];
    assert_eq!(answer(&file, [0, 4]), Some(&[10, 11, 12, 13][..]), "the first four");
    assert_eq!(answer(&file, [4, 5]), Some(&[14][..]), "the last");
    assert_eq!(answer(&file, [5, 5]), Some(&[][..]), "none at the end");
    assert_eq!(answer(&file, [4, 6]), None, "one more than there is");
    assert_eq!(answer(&file, [3, 2]), None, "an end before the beginning");
    assert_eq!(answer(&file[..7], [0, 0]), None, "a file that ends in its first number");
    assert_eq!(answer(&file[..10], [0, 0]), None, "a file that ends in its header");
    for huge in [u64::MAX, u64::MAX - 10] {
        assert_eq!(answer(&file, [0, huge]), None, "an offset of {huge}");
        let mut lies = file;
        lies[..8].copy_from_slice(&huge.to_le_bytes());
        assert_eq!(answer(&lies, [0, 1]), None, "a header of {huge} bytes");
    }
}

type Moments = (f64, f64, f64);

pub fn merged_moments(answer: fn(Moments, Moments) -> (f64, f64)) {
    let (mean, std) = answer((2.0, 2.0, 1.0), (2.0, 7.0, 2.0));
    assert_close("mean of 1, 3, 5, 9", mean, 4.5, 1e-12);
    assert_close("deviation of 1, 3, 5, 9", std, 8.75_f64.sqrt(), 1e-12);
    let (mean, std) = answer((3.0, 1.0, 0.0), (1.0, 5.0, 0.0));
    assert_close("mean of 1, 1, 1, 5", mean, 2.0, 1e-12);
    assert_close("deviation of 1, 1, 1, 5", std, 3.0_f64.sqrt(), 1e-12);
    assert_eq!(answer((5.0, 0.1, 0.0), (7.0, 0.1, 0.0)), (0.1, 0.0), "a constant");
    assert_eq!(answer((0.0, 0.0, 0.0), (2.0, 7.0, 2.0)), (7.0, 2.0), "nothing, and a part");
    assert_eq!(answer((2.0, 7.0, 2.0), (0.0, 0.0, 0.0)), (7.0, 2.0), "a part, and nothing");
    let years = answer((1e9, 1.7e9, 10.0), (1e9, 1.7e9 + 1.0, 10.0));
    assert_close("deviation of seconds since 1970", years.1, 100.25_f64.sqrt(), 1e-9);
}

pub fn mean_over_ranks(answer: fn(&[(f64, f64)]) -> Option<f64>) {
    let close = |what: &str, parts: &[(f64, f64)], expected: f64| {
        let found = answer(parts).unwrap_or_else(|| panic!("{what}: there are labels, and so a mean"));
        assert_close(what, found, expected, 1e-12);
    };
    close("three labels of mean 2, one of 8", &[(3.0, 2.0), (1.0, 8.0)], 3.5);
    close("one rank", &[(7.0, 0.25)], 0.25);
    close("a rank without labels, whose loss is no number", &[(2.0, 1.0), (0.0, f64::NAN)], 1.0);
    close("weights below 1", &[(0.5, 4.0), (0.25, 1.0), (0.25, 3.0)], 3.0);
    assert_eq!(answer(&[(0.0, 0.0), (0.0, f64::NAN)]), None, "no label anywhere");
    assert_eq!(answer(&[]), None, "no ranks");
}

pub fn paired_difference(answer: fn(&[f64], &[f64]) -> (f64, f64)) {
    let (mean, error) = answer(&[3.0, 5.0, 10.0], &[2.0, 3.0, 7.0]);
    assert_close("mean of 1, 2, 3", mean, 2.0, 1e-12);
    assert_close("standard error of 1, 2, 3", error, (1.0_f64 / 3.0).sqrt(), 1e-12);
}
