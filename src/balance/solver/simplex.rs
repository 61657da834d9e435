//! Two ways from any vector onto the simplex `w ≥ 0, Σ w = 1`.

/// Replaces `w` by the nearest point of the simplex: all entries are lowered by one number and cut at 0.
/// `sorted` is a buffer.
pub(in crate::balance) fn project_onto_simplex(w: &mut [f64], sorted: &mut Vec<f64>) {
    sorted.clear();
    sorted.extend_from_slice(w);
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut lower) = (0.0, 0.0);
    for (count, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (count + 1) as f64;
        if candidate < *value {
            lower = candidate;
        }
    }
    for w in w {
        *w = (*w - lower).max(0.0);
    }
}

/// Writes `exp(xₖ) / Σ exp(xₗ)`.
pub(in crate::balance) fn softmax(x: impl Iterator<Item = f64> + Clone, out: &mut [f64]) {
    let largest = x.clone().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x - largest).exp();
        sum += *out;
    }
    for out in out {
        *out /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_onto_the_simplex() {
        let mut buffer = Vec::new();
        for (mut point, expected) in [
            ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
            ([2.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
            ([1.0, 1.0, 1.0], [1.0 / 3.0; 3]),
            ([0.8, 0.6, -5.0], [0.6, 0.4, 0.0]),
        ] {
            project_onto_simplex(&mut point, &mut buffer);
            for (p, e) in point.iter().zip(expected) {
                assert!((p - e).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn softmax_does_not_overflow() {
        let mut out = [0.0; 3];
        softmax([1e3, 1e3, -1e3].into_iter(), &mut out);
        assert_eq!(out, [0.5, 0.5, 0.0]);
    }
}
