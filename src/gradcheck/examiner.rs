//! Derivatives along directions, each computed in two ways and judged.

use std::ops::Range;

use super::direction::ThetaDirection;
use super::report::{Uncertain, Verdict};
use super::settings::Settings;
use super::slope::Slope;
use super::subject::Subject;
use crate::{Block, Layout, Scalar};

/// A block of θ under check.
pub(super) struct BlockRef<'a> {
    /// Its number in the layout, from which its random directions follow.
    pub number: usize,
    pub name: &'a str,
    pub block: Block,
}

/// A derivative along a direction, computed in two ways and judged.
pub(super) struct Observation {
    pub direction: ThetaDirection,
    pub by_hand: f64,
    pub slope: Slope,
    /// The difference that is let pass.
    pub budget: f64,
    /// What the difference is relative to.
    pub scale: f64,
    pub verdict: Verdict,
    pub uncertain: Option<Uncertain>,
}

impl Observation {
    /// numeric − by hand.
    pub fn residual(&self) -> f64 {
        self.slope.value - self.by_hand
    }

    pub fn relative_error(&self) -> f64 {
        let scale = if self.scale > 0.0 { self.scale } else { self.slope.value.abs() };
        if scale > 0.0 { self.residual().abs() / scale } else { 0.0 }
    }

    /// Whether kinks at θ could make a right derivative look wrong here.
    pub fn may_be_kinks(&self) -> bool {
        self.slope.crossed || self.slope.kinked()
    }

    /// Whether it is along one coordinate.
    pub fn is_entry(&self) -> bool {
        self.direction.components.len() == 1 && self.direction.components[0] == 1.0
    }
}

/// A check in progress: the function at its point, its gradient by hand there, and the settings.
pub(super) struct Examiner<'a, 'f, F> {
    pub subject: &'a mut Subject<'f, F>,
    pub layout: &'a Layout,
    pub gradient: &'a [f64],
    pub settings: &'a Settings,
    /// Whether the block under check may be 0.
    pub allow_zero: bool,
}

impl<F: Scalar> Examiner<'_, '_, F> {
    /// One entry differenced; `rms` is the root mean square of its block's gradient by hand.
    pub fn entry(&mut self, index: usize, rms: f64) -> Observation {
        let step = self.first_step(index..index + 1);
        self.observe(ThetaDirection::coordinate(index), self.gradient[index].abs().max(rms), step)
    }

    /// One entry of a block that failed along `through`, in half as many losses: the error of its difference is taken
    /// to be that of the direction, in which the entry moved as far.
    pub fn quick_entry(&mut self, index: usize, rms: f64, through: &Observation) -> Observation {
        let direction = ThetaDirection::coordinate(index);
        let mut slope = self.subject.central(&direction, through.slope.step);
        if slope.crossed {
            return self.entry(index, rms);
        }
        slope.truncation = through.slope.truncation;
        self.judged(direction, slope, self.gradient[index].abs().max(rms))
    }

    /// ∛ε times the scale of θ there, which balances the errors of formula and rounding; a tenth of it where
    /// kinks were seen, which are crossed less often by a shorter step.
    pub fn first_step(&self, range: Range<usize>) -> f64 {
        let step = F::EPSILON.cbrt() * self.subject.scale(range).max(1.0);
        if self.subject.n_sides > 0 { 0.1 * step } else { step }
    }

    pub fn observe(&mut self, direction: ThetaDirection, scale: f64, step: f64) -> Observation {
        let slope = self.subject.slope(&direction, step, self.settings.tolerance, scale);
        self.judged(direction, slope, scale)
    }

    pub fn judged(&self, direction: ThetaDirection, slope: Slope, scale: f64) -> Observation {
        let by_hand = direction.dot(self.gradient);
        let budget = self.settings.tolerance * scale + slope.error();
        let (verdict, uncertain) = self.judge(by_hand, &slope, budget, scale);
        Observation { direction, by_hand, slope, budget, scale, verdict, uncertain }
    }

    fn judge(&self, by_hand: f64, slope: &Slope, budget: f64, scale: f64) -> (Verdict, Option<Uncertain>) {
        let error = (slope.value - by_hand).abs();
        let [jump, _] = slope.jumps;
        let rough = (5.0 * self.settings.tolerance).max(1e-3) * scale;
        if slope.crossed {
            // At one kink the derivative lies between the slopes of the two sides, give or take the crossing. At several
            // it need not (x = max(x, 0) − max(−x, 0)): whoever asks looks at `may_be_kinks` before a failure counts.
            let on_kink = slope.kinked() || self.subject.on_kinks > 0;
            let uncertain = if on_kink { Uncertain::OnKink } else { Uncertain::Crossing };
            let fails = error > budget + 4.0 * jump;
            return if fails { (Verdict::Fail, None) } else { (Verdict::Inconclusive, Some(uncertain)) };
        }
        if error > budget {
            let between = slope.kinked() && error <= 0.51 * jump + budget;
            return if between {
                (Verdict::Inconclusive, Some(Uncertain::OnKink))
            } else {
                (Verdict::Fail, None)
            };
        }
        match budget {
            _ if budget <= rough => (Verdict::Pass, None),
            _ if scale > budget => (Verdict::Inconclusive, Some(Uncertain::Rough)),
            _ if self.allow_zero => (Verdict::Pass, None),
            _ => (Verdict::Inconclusive, Some(Uncertain::Zero)),
        }
    }

    /// numeric − by hand along a direction, quickly: one central difference.
    pub fn residual(&mut self, direction: &ThetaDirection, step: f64) -> f64 {
        self.subject.central(direction, step).value - direction.dot(self.gradient)
    }
}
