//! What there is to learn: two targets over the plane, and rows drawn from them.

use std::f64::consts::TAU;

use polytask::data::Dataset;
use polytask::ndarray::Array2;
use polytask::{Result, Scalar};

use crate::setup::Setup;

/// How many points the grid has on each side.
pub const SIDE: usize = 32;

/// Both targets over the square from −1 to 1.
///
/// ```text
/// A = f        B = scale (relatedness f + √(1 − relatedness²) g)
/// ```
///
/// Over the grid, f and g have mean 0, variance 1 and correlation 0, so the correlation of A and B is the relatedness.
#[derive(Clone, Debug)]
pub struct Plane {
    relatedness: f64,
    scale: f64,
    /// Mean and deviation of the hills that f is made of.
    hills: (f64, f64),
    /// How much of f is taken out of the waves that g is made of.
    along: f64,
    /// Mean and deviation of what is left of the waves.
    waves: (f64, f64),
}

fn hills([x, y]: [f64; 2]) -> f64 {
    Scalar::sin(2.8 * x + 0.4) * Scalar::cos(2.1 * y - 0.5)
}

fn waves([x, y]: [f64; 2]) -> f64 {
    Scalar::sin(2.6 * (x - y)) + 0.8 * Scalar::cos(2.2 * (x + y) + 0.6)
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// The points of the grid, row by row from the top left.
pub fn grid() -> Vec<[f64; 2]> {
    let place = |i: usize| 2.0 * (i as f64 + 0.5) / SIDE as f64 - 1.0;
    (0..SIDE * SIDE).map(|i| [place(i % SIDE), -place(i / SIDE)]).collect()
}

impl Plane {
    /// The targets of these settings.
    pub fn new(setup: &Setup) -> Self {
        let grid = grid();
        let (mean, deviation) = mean_and_deviation(&grid.iter().map(|&at| hills(at)).collect::<Vec<_>>());
        let f = |at| (hills(at) - mean) / deviation;
        let along = grid.iter().map(|&at| f(at) * waves(at)).sum::<f64>() / grid.len() as f64;
        let left: Vec<f64> = grid.iter().map(|&at| waves(at) - along * f(at)).collect();
        Self {
            relatedness: setup.relatedness,
            scale: setup.scale,
            hills: (mean, deviation),
            along,
            waves: mean_and_deviation(&left),
        }
    }

    /// Both targets at a point.
    pub fn targets(&self, at: [f64; 2]) -> [f64; 2] {
        let f = (hills(at) - self.hills.0) / self.hills.1;
        let g = (waves(at) - self.along * f - self.waves.0) / self.waves.1;
        let r = self.relatedness;
        [f, self.scale * (r * f + (1.0 - r * r).sqrt() * g)]
    }
}

/// Rows drawn evenly from the square, with noise on their labels. The same seed gives the same rows whatever the other
/// settings are, and more rows begin with those of fewer. The last rows are the ones without a label of task B.
///
/// # Errors
/// None that the settings can cause.
pub fn rows<F: Scalar>(setup: &Setup, plane: &Plane) -> Result<Dataset<F>> {
    let mut draw = Draw::new(setup.seed);
    let mut features = Array2::zeros((setup.rows, 2));
    let mut labels = Array2::zeros((setup.rows, 2));
    let missing = (setup.missing * setup.rows as f64).floor() as usize;
    for row in 0..setup.rows {
        let at = [(); 2].map(|()| 2.0 * draw.uniform() - 1.0);
        let noise = draw.normals();
        let targets = plane.targets(at);
        for k in 0..2 {
            features[[row, k]] = F::from_f64(at[k]);
            let deviation = if k == 0 { setup.noise } else { setup.noise * setup.scale };
            labels[[row, k]] = F::from_f64(targets[k] + deviation * noise[k]);
        }
        if row + missing >= setup.rows {
            labels[[row, 1]] = F::from_f64(f64::NAN);
        }
    }
    Dataset::new(features, labels)?.with_target_names(["a", "b"])
}

/// SplitMix64, and normal numbers from it: the same bits in a browser as anywhere.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between 0 and 1, neither of them.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + 0.5 / (1_u64 << 53) as f64
    }

    /// Two independent standard normal numbers (Box and Muller).
    fn normals(&mut self) -> [f64; 2] {
        let length = (-2.0 * Scalar::ln(self.uniform())).sqrt();
        let angle = TAU * self.uniform();
        [length * Scalar::cos(angle), length * Scalar::sin(angle)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatedness_is_the_correlation_over_the_plane() {
        for relatedness in [0.0, 0.3, 0.9, 1.0] {
            let plane = Plane::new(&Setup { relatedness, ..Setup::default() });
            let targets: Vec<[f64; 2]> = grid().iter().map(|&at| plane.targets(at)).collect();
            let n = targets.len() as f64;
            for k in 0..2 {
                let (mean, deviation) = mean_and_deviation(&targets.iter().map(|t| t[k]).collect::<Vec<_>>());
                assert!(mean.abs() < 1e-12 && (deviation - 1.0).abs() < 1e-12, "{mean} {deviation}");
            }
            let correlation = targets.iter().map(|t| t[0] * t[1]).sum::<f64>() / n;
            assert!((correlation - relatedness).abs() < 1e-12, "{correlation} for {relatedness}");
        }
    }

    #[test]
    fn draws_are_uniform_and_normal() {
        let mut draw = Draw::new(7);
        let (mean, deviation) = mean_and_deviation(&(0..20_000).map(|_| draw.uniform()).collect::<Vec<_>>());
        assert!((mean - 0.5).abs() < 0.01 && (deviation - (1.0_f64 / 12.0).sqrt()).abs() < 0.01);
        let (mean, deviation) =
            mean_and_deviation(&(0..10_000).flat_map(|_| draw.normals()).collect::<Vec<_>>());
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03);
    }

    #[test]
    fn rows_stay_while_other_settings_change() -> Result<()> {
        let few = Setup { rows: 10, missing: 0.55, ..Setup::default() };
        let many = Setup { rows: 30, width: 3, ..few.clone() };
        let [few, many] = [few, many].map(|setup| rows::<f64>(&setup, &Plane::new(&setup)));
        let (few, many) = (few?, many?);
        assert_eq!(few.feature_row(9), many.feature_row(9));
        assert_eq!(few.targets().column(1).iter().filter(|label| label.is_nan()).count(), 5);
        Ok(())
    }
}
