//! The numeric derivative along a line through θ, with what it may be wrong by.
//!
//! ```text
//! D(h) = (L(θ + h v) − L(θ − h v)) / 2h  =  v·∇L + c h² + O(h⁴)  ±  σ/(√2 h)
//! R    = (4 D(h/2) − D(h)) / 3           =  v·∇L        + O(h⁴)  ±  1.9 σ/h
//! ```
//!
//! σ is the noise of one loss. R is Richardson's extrapolation; |R − D(h/2)| is the error of D(h/2), and so a
//! generous bound on that of R. Too large a step shows as a gap between D(h) and D(h/2) and is made smaller;
//! so is a step whose ends do not lie on the same smooth piece as θ. With too small a step noise rules.

use super::direction::ThetaDirection;
use super::subject::{Function, Subject};
use crate::Scalar;

/// A numeric derivative along a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// The derivative, extrapolated.
    pub value: f64,
    /// Bound on the error of the formula.
    pub truncation: f64,
    /// Standard error from the noise of the loss.
    pub roundoff: f64,
    /// The step h.
    pub step: f64,
    /// By how much the slopes of the two sides differ over a step h, and over h/2.
    pub jumps: [f64; 2],
    /// Whether even the smallest step left the smooth piece that θ lies on.
    pub crossed: bool,
}

impl Slope {
    /// What the value may be wrong by.
    pub fn error(&self) -> f64 {
        4.0 * (self.truncation + self.roundoff)
    }

    /// Whether the two sides differ by as much at half the step: a kink at θ itself, not curvature.
    pub fn kinked(&self) -> bool {
        let [jump, half] = self.jumps;
        half > 0.75 * jump && half > 8.0 * self.roundoff
    }
}

/// How many powers of ten the step may shrink, and how many it may grow.
const SHRINK: i32 = 4;
const GROW: i32 = 3;

impl<F: Scalar, L: Function<F>> Subject<F, L> {
    /// The derivative along `direction`, to `wanted` (relative to itself or to `scale`) if it can be had.
    pub fn slope(&mut self, direction: &ThetaDirection, start: f64, wanted: f64, scale: f64) -> Slope {
        let (smallest, largest) = (start * 10.0_f64.powi(-SHRINK), start * 10.0_f64.powi(GROW));
        let mut best: Option<Slope> = None;
        let mut step = start;
        let mut grows = true;
        loop {
            let Some(slope) = self.quotients(direction, step, false) else {
                match best {
                    Some(best) if step > best.step => return best,
                    _ if step < 5.0 * smallest => {
                        let slope = self.quotients(direction, step, true).expect("crossing is allowed");
                        return best.unwrap_or(slope);
                    }
                    _ => (step, grows) = (step / 10.0, false),
                }
                continue;
            };
            if best.is_none_or(|best| slope.error() < best.error()) {
                best = Some(slope);
            }
            let enough = wanted * scale.max(slope.value.abs());
            let too_long = 4.0 * slope.truncation > enough && slope.truncation > slope.roundoff;
            let too_short = 4.0 * slope.roundoff > 5.0 * enough && slope.truncation < slope.roundoff;
            if too_long && step > 5.0 * smallest {
                (step, grows) = (step / 10.0, false);
            } else if too_short && grows && step < 0.5 * largest {
                step *= 10.0;
            } else {
                return best.unwrap_or(slope);
            }
        }
    }

    /// One central difference, its step made smaller while it crosses a kink. Half the losses of [`slope`](Self::slope),
    /// but the error of the formula is not known: 0 stands in its place.
    pub fn central(&mut self, direction: &ThetaDirection, mut step: f64) -> Slope {
        let smallest = step * 10.0_f64.powi(-SHRINK);
        loop {
            let ((up, above), (down, below)) = (self.moved(direction, step), self.moved(direction, -step));
            let crossed = !(above && below);
            if !crossed || step < 5.0 * smallest {
                let (value, roundoff) = ((up - down) / (2.0 * step), self.noise / step);
                return Slope { value, truncation: 0.0, roundoff, step, jumps: [0.0; 2], crossed };
            }
            step /= 10.0;
        }
    }

    /// The quotients at `step` and half of it; `None` if an end lies on another smooth piece than θ.
    fn quotients(&mut self, direction: &ThetaDirection, step: f64, crossing: bool) -> Option<Slope> {
        let mut ends = [0.0; 4];
        let mut crossed = false;
        for (end, factor) in ends.iter_mut().zip([1.0, -1.0, 0.5, -0.5]) {
            let (loss, same_side) = self.moved(direction, factor * step);
            crossed |= !same_side || !loss.is_finite();
            if crossed && !crossing {
                return None;
            }
            *end = loss;
        }
        let [far_up, far_down, up, down] = ends;
        let coarse = (far_up - far_down) / (2.0 * step);
        let fine = (up - down) / step;
        let jump = |up: f64, down: f64, step: f64| ((up - self.loss) - (self.loss - down)).abs() / step;
        Some(Slope {
            value: fine + (fine - coarse) / 3.0,
            truncation: (fine - coarse).abs() / 3.0,
            roundoff: 2.0 * self.noise / step,
            step,
            jumps: [jump(far_up, far_down, step), jump(up, down, 0.5 * step)],
            crossed,
        })
    }
}
