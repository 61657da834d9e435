//! The numeric derivative along a line through θ, and a bound on its error.
//!
//! ```text
//! D(h) = (L(θ + h v) − L(θ − h v)) / 2h  =  v·∇L + c h² + O(h⁴)  ±  σ/(√2 h)
//! R    = (4 D(h/2) − D(h)) / 3           =  v·∇L        + O(h⁴)  ±  1.9 σ/h
//! ```
//!
//! σ is the rounding noise in one value of the loss. R is Richardson's extrapolation. |R − D(h/2)| estimates
//! the error of D(h/2), and so is a generous bound on that of R. If the step is too large, D(h) and D(h/2)
//! differ, and it is made smaller; the same is done if one end of the step is across a kink from θ. If the step
//! is too small, noise dominates.

use super::direction::ThetaDirection;
use super::subject::Subject;
use crate::Scalar;

/// A numeric derivative along a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// The extrapolated derivative.
    pub value: f64,
    /// A bound on the truncation error of the formula.
    pub truncation: f64,
    /// The standard error that comes from the noise in the loss.
    pub roundoff: f64,
    /// The step h.
    pub step: f64,
    /// The difference between the slopes on the two sides of θ, over a step h and over h/2.
    pub jumps: [f64; 2],
    /// Whether even the smallest step crossed a kink.
    pub crossed: bool,
}

impl Slope {
    /// A bound on the error of the value.
    pub fn error(&self) -> f64 {
        4.0 * (self.truncation + self.roundoff)
    }

    /// Whether the slopes on the two sides differ as much at half the step. Then θ is on a kink; with
    /// curvature, the difference would halve.
    pub fn kinked(&self) -> bool {
        let [jump, half] = self.jumps;
        half > 0.75 * jump && half > 8.0 * self.roundoff
    }
}

/// By how many powers of ten the step may shrink, and by how many it may grow.
const SHRINK: i32 = 4;
const GROW: i32 = 3;

impl<F: Scalar> Subject<'_, F> {
    /// The derivative along `direction`, if possible to the accuracy `wanted`, relative to the larger of itself
    /// and `scale`.
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

    /// One central difference, whose step is made smaller while it crosses a kink. It takes half the losses of
    /// [`slope`](Self::slope), but the truncation error is unknown and is given as 0.
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

    /// The central differences at `step` and at half of it, combined; `None` if one of their ends is across a
    /// kink from θ, unless `crossing` allows that.
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
