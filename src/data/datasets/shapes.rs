//! Small grey-scale images with one shape each: which shape is it, and where is it?
//!
//! An image has 16 × 16 pixels and the background 0. The shape fills a box, 5 to 12 pixels wide and high,
//! anywhere in the image, and has a uniform brightness between 0.5 and 1. The value of a pixel is that
//! brightness times the share of the pixel that the shape covers, measured at 4 × 4 points. With u and v from
//! −1 to 1 across and down the box, a point is inside
//!
//! ```text
//! 0  an ellipse      where u² + v² ≤ 1
//! 1  a rectangle     everywhere in the box
//! 2  a triangle      where |u| ≤ (v + 1) / 2          apex at the top
//! ```
//!
//! The problem was made for this crate.

use ndarray::Array2;

use super::{Draws, check_noise, check_rows, named};
use crate::Scalar;
use crate::data::Dataset;

/// Pixels on a side.
const SIDE: usize = 16;
/// Coverage is measured at this many points across a pixel.
const POINTS: usize = 4;

/// Where a shape lies, in pixels from the left and the top edge.
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

/// Grey-scale images of 16 × 16 pixels that each show one shape. The target `shape` is its class (0 an ellipse,
/// 1 a rectangle, 2 a triangle), and the targets `x0, y0, x1, y1` are the box around it.
///
/// The box is given as fractions of the side of the image, from its left (x) and top (y) edge: numbers from 0
/// to 1 with x0 < x1 and y0 < y1. The feature `pixel_r_c` is the pixel in row r from the top and column c from
/// the left, and features are in row-major order. The background is 0, a shape is between 0.5 and 1, and normal
/// noise of standard deviation `noise` is added to every pixel. Boxes are 5 to 12 pixels wide and high,
/// anywhere in the image.
///
/// ```
/// use polytask::data::datasets;
///
/// let data = datasets::shapes::<f32>(10, 0.1, 42);
/// assert_eq!(data.n_features(), 256);
/// assert_eq!(data.target_names(), ["shape", "x0", "y0", "x1", "y1"]);
/// ```
///
/// # Panics
/// If `n` is 0, or `noise` is negative or not finite.
#[track_caller]
pub fn shapes<F: Scalar>(n: usize, noise: f64, seed: u64) -> Dataset<F> {
    check_rows(n);
    check_noise(noise);
    let mut draws = Draws::new(seed);
    let mut images = Array2::zeros((n, SIDE * SIDE));
    let mut targets = Array2::zeros((n, 5));
    for (mut image, mut target) in images.rows_mut().into_iter().zip(targets.rows_mut()) {
        let shape = draws.index(3);
        let frame = Frame { x: side(&mut draws), y: side(&mut draws) };
        let brightness = draws.uniform(0.5, 1.0);
        for (pixel, value) in image.iter_mut().enumerate() {
            let clean = brightness * coverage(shape, &frame, pixel / SIDE, pixel % SIDE);
            *value = F::from_f64(clean + noise * draws.normal());
        }
        let [x0, x1] = frame.x.map(|x| x / SIDE as f64);
        let [y0, y1] = frame.y.map(|y| y / SIDE as f64);
        for (target, label) in target.iter_mut().zip([shape as f64, x0, y0, x1, y1]) {
            *target = F::from_f64(label);
        }
    }
    let pixels: Vec<_> =
        (0..SIDE * SIDE).map(|pixel| format!("pixel_{}_{}", pixel / SIDE, pixel % SIDE)).collect();
    named(images, targets, &pixels, &["shape", "x0", "y0", "x1", "y1"])
}

/// The start and end of a box along one axis.
fn side(draws: &mut Draws) -> [f64; 2] {
    let length = draws.uniform(5.0, 12.0);
    let start = draws.uniform(0.0, SIDE as f64 - length);
    [start, start + length]
}

/// The share of a pixel that the shape covers.
fn coverage(shape: usize, frame: &Frame, row: usize, column: usize) -> f64 {
    let at = |pixel: usize, point: usize| pixel as f64 + (point as f64 + 0.5) / POINTS as f64;
    let across = |[start, end]: [f64; 2], position: f64| (2.0 * position - start - end) / (end - start);
    let inside = (0..POINTS * POINTS).filter(|point| {
        let u = across(frame.x, at(column, point % POINTS));
        let v = across(frame.y, at(row, point / POINTS));
        u.abs() <= 1.0 && v.abs() <= 1.0 && holds(shape, u, v)
    });
    inside.count() as f64 / (POINTS * POINTS) as f64
}

/// Whether the shape covers a point of its box.
fn holds(shape: usize, u: f64, v: f64) -> bool {
    match shape {
        0 => u * u + v * v <= 1.0,
        1 => true,
        _ => u.abs() <= (v + 1.0) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_of_the_shapes() {
        let data = shapes::<f64>(600, 0.0, 1);
        let mut counts = [0; 3];
        for row in 0..data.n_rows() {
            let &[shape, x0, y0, x1, y1] = data.target_row(row) else { unreachable!() };
            let image = data.feature_row(row);
            let brightest = image.iter().copied().fold(0.0, f64::max);
            let area: f64 = image.iter().map(|pixel| pixel / brightest).sum();
            let share = [std::f64::consts::FRAC_PI_4, 1.0, 0.5][shape as usize];
            let expected = share * (x1 - x0) * (y1 - y0) * 256.0;
            // Edges are seen to a quarter of a pixel: at most half a point row, 1/8 pixel, on each of 4 sides of 12.
            assert!(
                (area - expected).abs() < 4.0 * 12.0 / 8.0,
                "shape {shape}: area {area}, expected {expected}"
            );
            counts[shape as usize] += 1;
        }
        // 200 ± 12 of each.
        assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
    }

    #[test]
    fn boxes_are_the_smallest_around_the_shapes() {
        let data = shapes::<f64>(300, 0.0, 2);
        for row in 0..data.n_rows() {
            let bounds = &data.target_row(row)[1..];
            assert!(bounds.iter().all(|bound| (0.0..=1.0).contains(bound)));
            let lit: Vec<_> = data
                .feature_row(row)
                .iter()
                .enumerate()
                .filter(|(_, x)| **x > 0.0)
                .map(|(pixel, _)| pixel)
                .collect();
            let edges = |index: &dyn Fn(usize) -> usize| {
                let first = lit.iter().map(|&pixel| index(pixel)).min().unwrap() as f64;
                let last = lit.iter().map(|&pixel| index(pixel)).max().unwrap() as f64;
                [first, last + 1.0]
            };
            let (x, y) = (edges(&|pixel| pixel % SIDE), edges(&|pixel| pixel / SIDE));
            for (bound, edge) in bounds.iter().zip([x[0], y[0], x[1], y[1]]) {
                // The lit pixels enclose the box up to one pixel and, where a shape ends in a tip, one more.
                assert!((bound * 16.0 - edge).abs() < 2.0, "bound {bound}, edge of pixels {edge}");
            }
        }
    }

    #[test]
    fn noise_has_the_standard_deviation_asked_for() {
        let data = shapes::<f64>(200, 0.3, 3);
        let corner: Vec<f64> = (0..200)
            .filter(|&row| data.target_row(row)[1] > 1.0 / 16.0)
            .flat_map(|row| (0..16).map(move |r| (row, r)))
            .map(|(row, r)| data.feature_row(row)[r * SIDE])
            .collect();
        let variance = corner.iter().map(|x| x * x).sum::<f64>() / corner.len() as f64;
        assert!(corner.len() > 1_000);
        // The standard error of a variance of 1 000 is 4.5 %.
        approx::assert_relative_eq!(variance, 0.09, max_relative = 0.15);
    }
}
