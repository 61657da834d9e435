//! Figures of the chapters on layers beyond dense ones.

use std::f64::consts::TAU;

use polytask::Init;
use polytask::ndarray::{Array2, Axis as Along};
use polytask::plot::{Axis, Chart, sheet};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

const HALF: [f64; 2] = [420.0, 320.0];

/// What a number is turned into: bins that fill one after the other, and waves.
pub fn embeddings() -> String {
    let edges = [-2.0, -0.5, 0.0, 0.5, 2.0];
    let filled = |t: usize, x: f64| {
        let part = (x - edges[t]) / (edges[t + 1] - edges[t]);
        let part = if t > 0 { part.max(0.0) } else { part };
        if t + 2 < edges.len() { part.min(1.0) } else { part }
    };
    let axes = |y: &str, most: f64| (Axis::linear("x").range(-3.0, 3.0), Axis::linear(y).range(-most, most));
    let (x, y) = axes("how full", 2.0);
    let mut bins = Chart::new("Four bins between quantiles", x, y).size(HALF[0], HALF[1]);
    for t in 0..4 {
        bins = bins.line(
            format!("e{}", t + 1),
            (0..=120).map(|i| f64::from(i) / 20.0 - 3.0).map(|x| [x, filled(t, x)]),
        );
    }
    let (x, y) = axes("sine", 1.5);
    let mut waves = Chart::new("Waves of three frequencies", x, y).size(HALF[0], HALF[1]);
    for c in [0.05, 0.2, 0.6] {
        let wave = (0..=240).map(|i| f64::from(i) / 40.0 - 3.0).map(|x| [x, (TAU * c * x).sin()]);
        waves = waves.line(format!("c = {c}"), wave);
    }
    sheet("Two encodings of a number", &[bins, waves], 2).svg()
}

/// How large activations are from layer to layer, for three deviations of the weights, as they are and normalised.
pub fn normalisation() -> String {
    let (rows, width, depth) = (200, 64, 20);
    let charts = [false, true].map(|is_normalised| {
        let (x, y) =
            (Axis::linear("layer").range(0.0, depth as f64), Axis::log("deviation").range(1e-7, 1e7));
        let y = y.ticks((-6..=6).step_by(3).map(|e| (10_f64.powi(e), format!("1e{e}"))));
        let title = if is_normalised { "Each row normalised" } else { "As they are" };
        let mut chart = Chart::new(title, x, y).size(HALF[0], HALF[1]);
        for deviation in [0.09, 0.18, 0.36] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut draw = |rows: usize, cols: usize, init: Init| {
                Array2::from_shape_vec((rows, cols), init.draw(rows, cols, &mut rng))
                    .expect("as many numbers")
            };
            let mut h = draw(rows, width, Init::Normal(1.0));
            let mut points = vec![[0.0, h.std(0.0)]];
            for layer in 1..=depth {
                h = h.dot(&draw(width, width, Init::Normal(deviation)));
                if is_normalised {
                    for mut row in h.rows_mut() {
                        let (mean, std) = (row.mean().expect("a width"), row.std(0.0));
                        row.mapv_inplace(|z| (z - mean) / std);
                    }
                }
                h.mapv_inplace(|z| z.max(0.0));
                points.push([layer as f64, h.std_axis(Along(1), 0.0).mean().expect("rows")]);
            }
            chart = chart.line(format!("σ = {deviation}"), points);
        }
        chart
    });
    sheet("Twenty layers of 64 rectifiers", &charts, 2).svg()
}
