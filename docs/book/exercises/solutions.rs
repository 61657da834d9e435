//! One way of doing each exercise.

pub fn neuron_gradient(x: &[f64], t: &[f64], w: f64, b: f64) -> (f64, f64) {
    let (mut dw, mut db) = (0.0, 0.0);
    for (x, t) in x.iter().zip(t) {
        let dz = 4.0 * (w * x + b - t).powi(3);
        dw += dz * x;
        db += dz;
    }
    (dw / x.len() as f64, db / x.len() as f64)
}

pub fn dense_backward(
    x: &[f64],
    w: &[f64],
    dz: &[f64],
    [batch, inputs, outputs]: [usize; 3],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dw, mut db) = (vec![0.0; inputs * outputs], vec![0.0; outputs]);
    let mut dx = vec![0.0; batch * inputs];
    for n in 0..batch {
        for j in 0..outputs {
            let d = dz[n * outputs + j];
            db[j] += d;
            for i in 0..inputs {
                dw[i * outputs + j] += x[n * inputs + i] * d;
                dx[n * inputs + i] += d * w[i * outputs + j];
            }
        }
    }
    (dw, db, dx)
}

/// Finite for every z: the exponential is never of a positive number.
fn sigmoid(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    if z > 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

pub fn silu_backward(z: &[f64], dy: &[f64]) -> Vec<f64> {
    let slope = |z: f64| {
        let s = sigmoid(z);
        s + z * s * (1.0 - s)
    };
    z.iter().zip(dy).map(|(&z, dy)| dy * slope(z)).collect()
}

pub fn layer_norm_backward(x: &[f64], dy: &[f64], epsilon: f64) -> Vec<f64> {
    let mean = |numbers: &mut dyn Iterator<Item = f64>| numbers.sum::<f64>() / x.len() as f64;
    let centre = mean(&mut x.iter().copied());
    let r = 1.0 / (mean(&mut x.iter().map(|x| (x - centre).powi(2))) + epsilon).sqrt();
    let normal: Vec<f64> = x.iter().map(|x| r * (x - centre)).collect();
    let of_dy = mean(&mut dy.iter().copied());
    let along = mean(&mut dy.iter().zip(&normal).map(|(dy, x)| dy * x));
    dy.iter().zip(&normal).map(|(dy, x)| r * (dy - of_dy - x * along)).collect()
}

pub fn bin_encoding(x: f64, edges: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = edges.len() - 1;
    let inside = (1..n).filter(|&t| edges[t] <= x).count();
    let of_bin = |t: usize| {
        let width = edges[t + 1] - edges[t];
        match t.cmp(&inside) {
            std::cmp::Ordering::Less => (1.0, 0.0),
            std::cmp::Ordering::Equal => ((x - edges[t]) / width, 1.0 / width),
            std::cmp::Ordering::Greater => (0.0, 0.0),
        }
    };
    (0..n).map(of_bin).unzip()
}

pub fn gate_backward(a: &[f64], f: &[Vec<f64>], dh: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let largest = a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = a.iter().map(|a| (a - largest).exp()).collect();
    let p: Vec<f64> = e.iter().map(|x| x / e.iter().sum::<f64>()).collect();
    let dp: Vec<f64> = f.iter().map(|f| f.iter().zip(dh).map(|(f, d)| f * d).sum()).collect();
    let mean: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
    let da = p.iter().zip(&dp).map(|(p, dp)| p * (dp - mean)).collect();
    (da, p.iter().map(|p| dh.iter().map(|d| p * d).collect()).collect())
}

pub fn binary_cross_entropy(z: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let n = z.len() as f64;
    let value = z.iter().zip(t).map(|(&z, &t)| softplus(if t == 1.0 { -z } else { z })).sum::<f64>() / n;
    (value, z.iter().zip(t).map(|(&z, t)| (sigmoid(z) - t) / n).collect())
}

pub fn directional_error(
    loss: &dyn Fn(&[f64]) -> f64,
    theta: &[f64],
    gradient: &[f64],
    v: &[f64],
    h: f64,
) -> f64 {
    let moved = |h: f64| loss(&theta.iter().zip(v).map(|(theta, v)| theta + h * v).collect::<Vec<_>>());
    let by_hand: f64 = gradient.iter().zip(v).map(|(g, v)| g * v).sum();
    (by_hand - (moved(h) - moved(-h)) / (2.0 * h)).abs()
}

pub fn momentum_step(theta: &mut [f64], velocity: &mut [f64], gradient: &[f64], alpha: f64, mu: f64) {
    for ((theta, u), g) in theta.iter_mut().zip(velocity).zip(gradient) {
        *u = mu * *u + g;
        *theta -= alpha * (g + mu * *u);
    }
}

pub fn two_layer_gradient(x: &[f64], t: &[f64], theta: &[f64], hidden: usize) -> Vec<f64> {
    let (w1, b1, w2) = (&theta[..hidden], &theta[hidden..2 * hidden], &theta[2 * hidden..3 * hidden]);
    let (n, mut gradient) = (x.len() as f64, vec![0.0; theta.len()]);
    for (x, t) in x.iter().zip(t) {
        let h: Vec<f64> = (0..hidden).map(|j| (w1[j] * x + b1[j]).tanh()).collect();
        let y = h.iter().zip(w2).map(|(h, w)| h * w).sum::<f64>() + theta[3 * hidden];
        let dy = 2.0 * (y - t) / n;
        for j in 0..hidden {
            let dz = dy * w2[j] * (1.0 - h[j] * h[j]);
            gradient[j] += dz * x;
            gradient[hidden + j] += dz;
            gradient[2 * hidden + j] += dy * h[j];
        }
        gradient[3 * hidden] += dy;
    }
    gradient
}

pub fn trunk_delta(dy: &[Vec<f64>], v: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let (batch, hidden) = (dy[0].len(), v[0].len());
    let mut dh = vec![0.0; batch * hidden];
    for ((dy, v), weight) in dy.iter().zip(v).zip(weights) {
        for (n, dy) in dy.iter().enumerate() {
            for (i, v) in v.iter().enumerate() {
                dh[n * hidden + i] += weight * dy * v;
            }
        }
    }
    dh
}

pub fn masked_mean_squared_error(y: &[f64], t: &[f64], w: &[f64]) -> (f64, Vec<f64>) {
    let total: f64 = t.iter().zip(w).filter(|(t, _)| !t.is_nan()).map(|(_, w)| w).sum();
    let (mut value, mut delta) = (0.0, vec![0.0; y.len()]);
    if total > 0.0 {
        for n in (0..y.len()).filter(|&n| !t[n].is_nan()) {
            value += w[n] * (y[n] - t[n]).powi(2) / total;
            delta[n] = 2.0 * w[n] * (y[n] - t[n]) / total;
        }
    }
    (value, delta)
}

pub fn rank_net(s: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let n = s.len();
    let pairs: Vec<_> = (0..n * n).map(|p| (p / n, p % n)).filter(|&(i, j)| t[i] > t[j]).collect();
    let (mut value, mut delta) = (0.0, vec![0.0; n]);
    for &(i, j) in &pairs {
        value += softplus(s[j] - s[i]) / pairs.len() as f64;
        let slope = sigmoid(s[j] - s[i]) / pairs.len() as f64;
        delta[i] -= slope;
        delta[j] += slope;
    }
    (value, delta)
}

pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let unit = |v: &[f64]| {
        let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let scaled: Vec<f64> = v.iter().map(|x| if largest > 0.0 { x / largest } else { 0.0 }).collect();
        let norm = scaled.iter().map(|x| x * x).sum::<f64>().sqrt();
        scaled.into_iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect::<Vec<_>>()
    };
    unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum()
}

pub fn dynamic_weight_average(last: &[f64], before: &[f64], temperature: f64) -> Vec<f64> {
    let r: Vec<f64> = last.iter().zip(before).map(|(a, b)| a / b / temperature).collect();
    let largest = r.iter().fold(f64::MIN, |m, &r| m.max(r));
    let sum: f64 = r.iter().map(|r| (r - largest).exp()).sum();
    r.iter().map(|r| last.len() as f64 * (r - largest).exp() / sum).collect()
}

pub fn min_norm_pair(a: f64, b: f64, c: f64) -> (f64, f64) {
    let w = if b >= a {
        1.0
    } else if b >= c {
        0.0
    } else {
        (c - b) / (a + c - 2.0 * b)
    };
    (w, 1.0 - w)
}

pub fn dot_in_chains(a: &[f32], b: &[f32]) -> f32 {
    let mut chains = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((chain, a), b) in chains.iter_mut().zip(a).zip(b) {
            *chain += a * b;
        }
    }
    chains.into_iter().sum()
}

pub fn pairwise_sum(numbers: &[f32]) -> f32 {
    match numbers {
        [] => 0.0,
        [one] => *one,
        _ => {
            let (front, back) = numbers.split_at(numbers.len() / 2);
            pairwise_sum(front) + pairwise_sum(back)
        }
    }
}

pub fn tensor_bytes(file: &[u8], offsets: [u64; 2]) -> Option<&[u8]> {
    let header = u64::from_le_bytes(file.get(..8)?.try_into().ok()?);
    let at = |offset: u64| usize::try_from(header.checked_add(8)?.checked_add(offset)?).ok();
    file.get(at(offsets[0])?..at(offsets[1])?)
}

pub fn merged_moments(one: (f64, f64, f64), other: (f64, f64, f64)) -> (f64, f64) {
    let ((n1, m1, s1), (n2, m2, s2)) = (one, other);
    if n1 == 0.0 || n2 == 0.0 {
        return if n1 == 0.0 { (m2, s2) } else { (m1, s1) };
    }
    let (p, apart) = (n2 / (n1 + n2), m2 - m1);
    let variance = (1.0 - p) * s1 * s1 + p * s2 * s2 + p * (1.0 - p) * apart * apart;
    (m1 + p * apart, variance.sqrt())
}

pub fn mean_over_ranks(parts: &[(f64, f64)]) -> Option<f64> {
    let total: f64 = parts.iter().map(|(labels, _)| labels).sum();
    let labelled = parts.iter().filter(|(labels, _)| *labels > 0.0);
    (total > 0.0).then(|| labelled.map(|(labels, mean)| labels / total * mean).sum())
}

pub fn paired_difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let n = a.len() as f64;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
