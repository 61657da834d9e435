//! Student's t distribution with a whole number of degrees of freedom.
//!
//! ```text
//! sin θ = t / √(ν + t²)      cos θ = √ν / √(ν + t²)
//! P(|T| < t) = sin θ (1 + ½ cos²θ + (1·3)/(2·4) cos⁴θ + … up to cos^{ν−2} θ)                        ν even
//!            = (2/π) (θ + sin θ (cos θ + ⅔ cos³θ + (2·4)/(3·5) cos⁵θ + … up to cos^{ν−2} θ))         ν odd
//! ```
//! M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4.

use std::f64::consts::FRAC_2_PI;

/// P(|T| < t) with `nu` ≥ 1 degrees of freedom, to about 1e-14.
pub(super) fn within(t: f64, nu: usize) -> f64 {
    let t = t.abs();
    if t.is_infinite() {
        return 1.0;
    }
    let root = (nu as f64).sqrt();
    let hypotenuse = libm::hypot(root, t);
    let (sine, cosine) = (t / hypotenuse, root / hypotenuse);
    let is_odd = nu % 2 == 1;
    // The power of the cosine in the first term, and that term.
    let (first, mut term) = if is_odd { (1, cosine) } else { (0, 1.0) };
    let mut sum = 0.0;
    for power in (first..nu.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= cosine * cosine * (power + 1) as f64 / (power + 2) as f64;
    }
    match is_odd {
        true => FRAC_2_PI * (libm::atan2(t, root) + sine * sum),
        false => sine * sum,
    }
}

/// The t with P(|T| < t) = `level`, for a level in (0, 1).
pub(super) fn quantile(level: f64, nu: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, nu) < level && high < f64::MAX / 2.0 {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        match within(middle, nu) < level {
            true => low = middle,
            false => high = middle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1 - 2 * scipy.stats.t.sf(t, nu)` and `scipy.stats.t.ppf(0.5 + level / 2, nu)`, SciPy 1.17.1.
    #[test]
    fn probabilities_and_quantiles_are_those_of_scipy() {
        for (t, nu, expected) in [
            (0.1, 1, 0.06345103486110704),
            (12.0, 1, 0.9470706478808203),
            (1.3, 2, 0.6767529681839597),
            (0.7, 3, 0.4656730016952364),
            (2.5, 4, 0.9332334551880118),
            (4.0, 5, 0.9896765845191685),
            (2.1, 9, 0.934881717587848),
            (1.7, 14, 0.8887704348896254),
            (3.2, 24, 0.9961593136837257),
            (0.4, 49, 0.30910500625110016),
            (2.0, 100, 0.9517878212688664),
            (1.9, 999, 0.9422791534930858),
        ] {
            assert!((within(t, nu) - expected).abs() < 1e-13, "{t}, {nu}: {} {expected}", within(t, nu));
            assert_eq!(within(-t, nu), within(t, nu));
        }
        for (level, nu, expected) in [
            (0.95, 1, 12.706204736174694),
            (0.95, 2, 4.302652729749462),
            (0.9, 4, 2.1318467863266495),
            (0.95, 9, 2.262157162798205),
            (0.99, 14, 2.9768427343708344),
            (0.95, 29, 2.045229642132703),
            (0.999, 30, 3.6459586350420627),
            (0.95, 499, 1.9647293909876886),
        ] {
            let found = quantile(level, nu);
            assert!((found / expected - 1.0_f64).abs() < 1e-9, "{level}, {nu}: {found} {expected}");
        }
        assert_eq!((within(f64::INFINITY, 4), within(0.0, 3), within(0.0, 4)), (1.0, 0.0, 0.0));
    }
}
