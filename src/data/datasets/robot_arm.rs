//! Inverse dynamics of a planar arm with two links: which torques cause a given motion?
//!
//! The links are slender rods of masses m₁, m₂ (kg) and lengths l₁, l₂ (m) that move in a vertical plane. Joint
//! 1, the shoulder, is at the origin; q₁ (rad) is the angle of link 1 above the horizontal, and q₂ the angle of
//! link 2 from the direction of link 1. Each rod has its centre of mass in the middle, at c = l / 2, and the
//! moment of inertia I = m l² / 12 about it. The equations of motion are those of the planar elbow manipulator
//! in Spong, Hutchinson and Vidyasagar, "Robot Modeling and Control", Wiley 2006, chapter 7:
//!
//! ```text
//! d₁₁ = m₁ c₁² + m₂ (l₁² + c₂² + 2 l₁ c₂ cos q₂) + I₁ + I₂
//! d₁₂ = m₂ (c₂² + l₁ c₂ cos q₂) + I₂
//! d₂₂ = m₂ c₂² + I₂
//! h   = −m₂ l₁ c₂ sin q₂
//! g₂  = m₂ c₂ g cos(q₁ + q₂)
//! g₁  = (m₁ c₁ + m₂ l₁) g cos q₁ + g₂                              g = 9.81 m/s²
//!
//! τ₁  = d₁₁ q̈₁ + d₁₂ q̈₂ + h q̇₂² + 2 h q̇₁ q̇₂ + g₁               shoulder, N m
//! τ₂  = d₁₂ q̈₁ + d₂₂ q̈₂ − h q̇₁² + g₂                            elbow, N m
//! ```

use std::f64::consts::FRAC_PI_2;

use super::{Draws, check_noise, check_rows, table};
use crate::Scalar;
use crate::data::Dataset;

/// The acceleration of gravity, m/s².
const GRAVITY: f64 = 9.81;

/// The standard deviations of the torques without noise, in N m, measured on 4 million rows.
const SPREAD: [f64; 2] = [3.91, 1.62];

const FEATURES: [&str; 10] = [
    "shoulder_angle",
    "elbow_angle",
    "shoulder_velocity",
    "elbow_velocity",
    "shoulder_acceleration",
    "elbow_acceleration",
    "upper_mass",
    "lower_mass",
    "upper_length",
    "lower_length",
];

/// The ranges of the features, in the order of [`FEATURES`]. The elbow bends only one way.
const RANGES: [(f64, f64); 10] = [
    (-FRAC_PI_2, FRAC_PI_2),
    (0.0, FRAC_PI_2),
    (-2.0, 2.0),
    (-2.0, 2.0),
    (-5.0, 5.0),
    (-5.0, 5.0),
    (0.5, 1.5),
    (0.5, 1.5),
    (0.4, 0.6),
    (0.4, 0.6),
];

/// A two-link robot arm in the vertical plane. The features are its state, masses and lengths; the targets are
/// the torques at its joints, `shoulder` and `elbow`, in N m.
///
/// The 10 features are drawn independently, each uniformly from its range:
///
/// ```text
/// shoulder_angle, elbow_angle                 q₁, q₂     −π/2 … π/2, 0 … π/2   rad
/// shoulder_velocity, elbow_velocity           q̇₁, q̇₂     −2 … 2                rad/s
/// shoulder_acceleration, elbow_acceleration   q̈₁, q̈₂     −5 … 5                rad/s²
/// upper_mass, lower_mass                      m₁, m₂     0.5 … 1.5             kg
/// upper_length, lower_length                  l₁, l₂     0.4 … 0.6             m
///
/// d₁₁ = m₁ c₁² + m₂ (l₁² + c₂² + 2 l₁ c₂ cos q₂) + I₁ + I₂          c = l / 2, I = m l² / 12
/// d₁₂ = m₂ (c₂² + l₁ c₂ cos q₂) + I₂
/// d₂₂ = m₂ c₂² + I₂
/// h   = −m₂ l₁ c₂ sin q₂
/// g₂  = m₂ c₂ g cos(q₁ + q₂)                                        g = 9.81 m/s²
/// g₁  = (m₁ c₁ + m₂ l₁) g cos q₁ + g₂
/// shoulder = d₁₁ q̈₁ + d₁₂ q̈₂ + h q̇₂² + 2 h q̇₁ q̇₂ + g₁ + noise · 3.91 ε₁
/// elbow    = d₁₂ q̈₁ + d₂₂ q̈₂ − h q̇₁² + g₂ + noise · 1.62 ε₂         ε normal, mean 0, deviation 1
/// ```
///
/// `noise` is relative to the standard deviations of the two torques, 3.91 N m and 1.62 N m: with 0.05, the
/// noise has 0.25 % of their variance, which no model can explain. Source of the dynamics: Spong, Hutchinson
/// and Vidyasagar, "Robot Modeling and Control", 2006, chapter 7, planar elbow manipulator. With the same seed,
/// a short table equals the first rows of a longer one.
///
/// ```
/// use polytask::data::datasets;
///
/// let data = datasets::robot_arm::<f32>(100, 0.05, 42);
/// assert_eq!((data.n_rows(), data.n_features()), (100, 10));
/// assert_eq!(data.target_names(), ["shoulder", "elbow"]);
/// ```
///
/// # Panics
/// If `n` is 0, or `noise` is negative or not finite.
#[track_caller]
pub fn robot_arm<F: Scalar>(n: usize, noise: f64, seed: u64) -> Dataset<F> {
    check_rows(n);
    check_noise(noise);
    let mut draws = Draws::new(seed);
    table(&FEATURES, ["shoulder", "elbow"], n, |_| {
        let state = RANGES.map(|(low, high)| draws.uniform(low, high));
        let [shoulder, elbow] = torques(state);
        let noisy = |torque, spread, normal| torque + noise * spread * normal;
        let targets = [noisy(shoulder, SPREAD[0], draws.normal()), noisy(elbow, SPREAD[1], draws.normal())];
        (state.to_vec(), targets)
    })
}

/// The torques for a row of features, in N m.
fn torques([q1, q2, v1, v2, a1, a2, m1, m2, l1, l2]: [f64; 10]) -> [f64; 2] {
    let (c1, c2) = (l1 / 2.0, l2 / 2.0);
    let (i1, i2) = (m1 * l1 * l1 / 12.0, m2 * l2 * l2 / 12.0);
    let d11 = m1 * c1 * c1 + m2 * (l1 * l1 + c2 * c2 + 2.0 * l1 * c2 * q2.cos()) + i1 + i2;
    let d12 = m2 * (c2 * c2 + l1 * c2 * q2.cos()) + i2;
    let d22 = m2 * c2 * c2 + i2;
    let h = -m2 * l1 * c2 * q2.sin();
    let g2 = m2 * c2 * GRAVITY * (q1 + q2).cos();
    let g1 = (m1 * c1 + m2 * l1) * GRAVITY * q1.cos() + g2;
    [d11 * a1 + d12 * a2 + h * v2 * v2 + 2.0 * h * v1 * v2 + g1, d12 * a1 + d22 * a2 - h * v1 * v1 + g2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Standardizer;

    /// Kinetic and potential energy from the positions of small pieces of the two rods: no formula in common with
    /// [`torques`].
    fn energies(q: [f64; 2], v: [f64; 2], [m1, m2, l1, l2]: [f64; 4]) -> (f64, f64) {
        let pieces = 4000;
        let (mut kinetic, mut potential) = (0.0, 0.0);
        let (along1, along2) = (q[0], q[0] + q[1]);
        for piece in 0..pieces {
            let s = (f64::from(piece) + 0.5) / f64::from(pieces);
            let tip = [-l1 * along1.sin() * v[0], l1 * along1.cos() * v[0]];
            let (r1, r2) = (s * l1, s * l2);
            let (dm1, dm2) = (m1 / f64::from(pieces), m2 / f64::from(pieces));
            kinetic += 0.5 * dm1 * (r1 * v[0]).powi(2);
            let turn = r2 * (v[0] + v[1]);
            let velocity = [tip[0] - turn * along2.sin(), tip[1] + turn * along2.cos()];
            kinetic += 0.5 * dm2 * (velocity[0].powi(2) + velocity[1].powi(2));
            potential += GRAVITY * (dm1 * r1 * along1.sin() + dm2 * (l1 * along1.sin() + r2 * along2.sin()));
        }
        (kinetic, potential)
    }

    /// Lagrange: τ = d/dt ∂T/∂q̇ − ∂T/∂q + ∂U/∂q, with central differences along the motion.
    #[test]
    fn the_torques_are_those_of_lagranges_equations() {
        let mut draws = Draws::new(3);
        for _ in 0..5 {
            let state = RANGES.map(|(low, high)| draws.uniform(low, high));
            let [q1, q2, v1, v2, a1, a2, build @ ..] = state;
            let step = 1e-4;
            let shifted = |x: [f64; 2], joint: usize, by: f64| {
                let mut x = x;
                x[joint] += by;
                x
            };
            let momentum = |joint: usize, t: f64| {
                let q = [q1 + v1 * t + a1 * t * t / 2.0, q2 + v2 * t + a2 * t * t / 2.0];
                let v = [v1 + a1 * t, v2 + a2 * t];
                let kinetic = |by| energies(q, shifted(v, joint, by), build).0;
                (kinetic(step) - kinetic(-step)) / (2.0 * step)
            };
            for joint in 0..2 {
                let rate = (momentum(joint, step) - momentum(joint, -step)) / (2.0 * step);
                let energy = |by| {
                    let (kinetic, potential) = energies(shifted([q1, q2], joint, by), [v1, v2], build);
                    potential - kinetic
                };
                let torque = rate + (energy(step) - energy(-step)) / (2.0 * step);
                // The pieces leave out 1/pieces² of the inertia, differences step² and rounding / step².
                approx::assert_abs_diff_eq!(torque, torques(state)[joint], epsilon = 1e-5);
            }
        }
    }

    #[test]
    fn spreads_are_those_that_the_noise_is_measured_in() {
        let clean = robot_arm::<f64>(100_000, 0.0, 1);
        let standardizer = Standardizer::of_targets(&clean).unwrap();
        for (found, stated) in standardizer.std().iter().zip(SPREAD) {
            // The standard error of a standard deviation is about 1 / √(2 · 100 000) = 0.2 %.
            approx::assert_relative_eq!(*found, stated, max_relative = 0.01);
        }
        let noisy = robot_arm::<f64>(100_000, 0.5, 1);
        assert_eq!(clean.features(), noisy.features());
        let noise = Standardizer::fit((&noisy.targets() - &clean.targets()).view(), None).unwrap();
        for (joint, spread) in SPREAD.into_iter().enumerate() {
            approx::assert_relative_eq!(noise.std()[joint], 0.5 * spread, max_relative = 0.01);
            approx::assert_abs_diff_eq!(noise.mean()[joint], 0.0, epsilon = 0.02);
        }
    }

    #[test]
    fn features_fill_their_ranges_evenly() {
        let data = robot_arm::<f64>(50_000, 0.0, 2);
        let standardizer = Standardizer::of_features(&data).unwrap();
        for (column, (low, high)) in RANGES.into_iter().enumerate() {
            assert!(data.features().column(column).iter().all(|x| (low..=high).contains(x)));
            let width = high - low;
            // Standard error of the mean: width / √(12 · 50 000) = 0.0013 width.
            approx::assert_abs_diff_eq!(
                standardizer.mean()[column],
                (low + high) / 2.0,
                epsilon = 0.006 * width
            );
            approx::assert_relative_eq!(
                standardizer.std()[column],
                width / 12_f64.sqrt(),
                max_relative = 0.01
            );
        }
    }
}
