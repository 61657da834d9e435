//! One block after another: differenced, judged, and where it fails, the wrong entry found.

use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::report::{BlockReport, Doubt, Entry, Mode, Verdict};
use super::search::Lines;
use super::slope::{Direction, Slope};
use super::subject::{Function, Subject};
use super::{Settings, cause};
use crate::{Block, Layout, Scalar};

/// A block of θ under check.
pub(super) struct Area<'a> {
    /// Its number in the layout, from which its random directions follow.
    pub number: usize,
    pub name: &'a str,
    pub block: Block,
}

/// A derivative along a direction, computed in two ways and judged.
pub(super) struct Observation {
    pub direction: Direction,
    pub by_hand: f64,
    pub slope: Slope,
    /// The difference that is let pass.
    pub budget: f64,
    /// What the difference is relative to.
    pub scale: f64,
    pub verdict: Verdict,
    pub doubt: Option<Doubt>,
}

impl Observation {
    /// numeric − by hand.
    pub fn residual(&self) -> f64 {
        self.slope.value - self.by_hand
    }

    fn relative_error(&self) -> f64 {
        let scale = if self.scale > 0.0 { self.scale } else { self.slope.value.abs() };
        if scale > 0.0 { self.residual().abs() / scale } else { 0.0 }
    }
}

/// A block's report in the making, with all that was observed.
pub(super) struct Trial {
    pub report: BlockReport,
    pub observations: Vec<Observation>,
    /// The row and the column that may hold all that is wrong, if a search has asked.
    pub lines: Option<Lines>,
}

/// A check in progress: the function, its gradient by hand, and the settings.
pub(super) struct Examiner<'a, 't, F, L> {
    pub subject: &'a mut Subject<'t, F, L>,
    pub layout: &'a Layout,
    pub gradient: &'a [f64],
    pub settings: &'a Settings,
}

/// Checks every area and explains the failures.
pub(super) fn check_all<F: Scalar, L: Function<F>>(
    subject: &mut Subject<'_, F, L>,
    layout: &Layout,
    areas: &[Area<'_>],
    gradient: &[f64],
    settings: &Settings,
) -> Vec<BlockReport> {
    let mut examiner = Examiner { subject, layout, gradient, settings };
    let mut trials: Vec<Trial> = areas.iter().map(|area| examiner.examine(area)).collect();
    if trials.iter().any(|trial| trial.report.verdict == Verdict::Fail) {
        cause::explain(&mut examiner, areas, &mut trials);
    }
    trials.into_iter().map(|trial| trial.report).collect()
}

impl<F: Scalar, L: Function<F>> Examiner<'_, '_, F, L> {
    fn examine(&mut self, area: &Area<'_>) -> Trial {
        let range = area.block.range();
        let by_hand = &self.gradient[range.clone()];
        let norm = by_hand.iter().map(|g| g * g).sum::<f64>().sqrt();
        let untested = by_hand.iter().filter(|g| **g == 0.0).count();
        let rms = norm / (range.len() as f64).sqrt();
        let mut observations = match self.settings.mode {
            Mode::Directions(k) => self.along_directions(area, norm, k),
            Mode::Sample(m) => self.along_entries(self.sample(area, m), rms),
            Mode::Every | Mode::Auto => self.along_entries(range.clone().collect(), rms),
        };
        let verdict = self.verdict(&observations);
        let size = if matches!(self.settings.mode, Mode::Directions(_)) { norm } else { rms };
        let largest = |f: &dyn Fn(&Observation) -> f64| observations.iter().map(f).fold(0.0, f64::max);
        let mut report = BlockReport {
            name: area.name.to_owned(),
            shape: area.block.shape(),
            verdict,
            norm,
            error: largest(&Observation::relative_error),
            resolution: largest(&|o| if size > 0.0 { o.budget / size } else { f64::INFINITY }),
            step: observations.last().map_or(0.0, |o| o.slope.step),
            probes: observations.len(),
            untested,
            doubt: None,
            worst: None,
            causes: Vec::new(),
        };
        let mut lines = None;
        match verdict {
            Verdict::Pass => observations.clear(),
            Verdict::Inconclusive => report.doubt = observations.iter().find_map(|o| o.doubt),
            Verdict::Fail => (report.worst, lines) = self.worst(area, rms, &mut observations),
        }
        Trial { report, observations, lines }
    }

    fn along_directions(&mut self, area: &Area<'_>, norm: f64, k: usize) -> Vec<Observation> {
        let mut step = self.first_step(area.block.range());
        let (mut told, mut crossing) = (Vec::new(), Vec::new());
        // A direction that crosses kinks at every step tells nothing; up to two more are tried in its place.
        for probe in 0..k + 2 {
            let stream = ((area.number as u64) << 32) | probe as u64;
            let direction = Direction::random(area.block.range(), self.settings.seed, stream);
            let observation = self.observe(direction, norm, step);
            if observation.doubt == Some(Doubt::Crossing) {
                crossing.push(observation);
                continue;
            }
            step = step.min(observation.slope.step);
            told.push(observation);
            if told.len() == k {
                return told;
            }
        }
        told.extend(crossing);
        told
    }

    /// One more direction for a block that is wrong throughout, so that explanations have more to answer for.
    pub fn observe_more(&mut self, area: &Area<'_>, trial: &mut Trial) {
        let right = |o: &Observation| o.direction.components.len() == 1 && o.verdict == Verdict::Pass;
        if area.block.len() == 1 || trial.observations.iter().any(right) {
            return;
        }
        let failed = |o: &&Observation| o.verdict == Verdict::Fail && o.direction.components.len() > 1;
        let Some(through) = trial.observations.iter().find(failed) else { return };
        let stream = ((area.number as u64) << 32) | u32::MAX as u64;
        let direction = Direction::random(area.block.range(), self.settings.seed, stream);
        let mut slope = self.subject.central(&direction, through.slope.step);
        if !slope.crossed {
            slope.truncation = through.slope.truncation;
            trial.observations.push(self.judged(direction, slope, trial.report.norm));
        }
    }

    fn along_entries(&mut self, entries: Vec<usize>, rms: f64) -> Vec<Observation> {
        entries.into_iter().map(|index| self.entry(index, rms)).collect()
    }

    /// One entry differenced; `rms` is the root mean square of its block's gradient by hand.
    pub fn entry(&mut self, index: usize, rms: f64) -> Observation {
        let step = self.first_step(index..index + 1);
        self.observe(Direction::coordinate(index), self.gradient[index].abs().max(rms), step)
    }

    /// One entry of a block that failed along `through`, in half as many losses: the error of its difference is taken
    /// to be that of the direction, in which the entry moved as far.
    pub fn glance(&mut self, index: usize, rms: f64, through: &Observation) -> Observation {
        let direction = Direction::coordinate(index);
        let mut slope = self.subject.central(&direction, through.slope.step);
        if slope.crossed {
            return self.entry(index, rms);
        }
        slope.truncation = through.slope.truncation;
        self.judged(direction, slope, self.gradient[index].abs().max(rms))
    }

    /// Up to `m` different entries of the area.
    fn sample(&self, area: &Area<'_>, m: usize) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream((area.number as u64) << 32);
        let mut entries: Vec<usize> = area.block.range().collect();
        let m = m.min(entries.len());
        for i in 0..m {
            let rest = (entries.len() - i) as u64;
            entries.swap(i, i + (rng.next_u64() % rest) as usize);
        }
        entries.truncate(m);
        entries.sort_unstable();
        entries
    }

    /// ∛ε times the scale of θ there, which balances the errors of formula and rounding; a tenth of it where
    /// kinks were seen, which are crossed less often by a shorter step.
    fn first_step(&self, range: Range<usize>) -> f64 {
        let step = F::EPSILON.cbrt() * self.subject.scale(range).max(1.0);
        if self.subject.n_sides > 0 { 0.1 * step } else { step }
    }

    fn observe(&mut self, direction: Direction, scale: f64, step: f64) -> Observation {
        let slope = self.subject.slope(&direction, step, self.settings.tolerance, scale);
        self.judged(direction, slope, scale)
    }

    fn judged(&self, direction: Direction, slope: Slope, scale: f64) -> Observation {
        let by_hand = direction.dot(self.gradient);
        let budget = self.settings.tolerance * scale + slope.error();
        let (verdict, doubt) = self.judge(by_hand, &slope, budget, scale);
        Observation { direction, by_hand, slope, budget, scale, verdict, doubt }
    }

    fn judge(&self, by_hand: f64, slope: &Slope, budget: f64, scale: f64) -> (Verdict, Option<Doubt>) {
        let error = (slope.value - by_hand).abs();
        let [jump, _] = slope.jumps;
        let rough = (5.0 * self.settings.tolerance).max(1e-3) * scale;
        if slope.crossed {
            // At a kink the derivative lies between the slopes of the two sides, give or take the crossing.
            let doubt = if slope.kinked() { Doubt::OnKink } else { Doubt::Crossing };
            let fails = error > budget + 4.0 * jump;
            return if fails { (Verdict::Fail, None) } else { (Verdict::Inconclusive, Some(doubt)) };
        }
        if error > budget {
            let between = slope.kinked() && error <= 0.51 * jump + budget;
            return if between {
                (Verdict::Inconclusive, Some(Doubt::OnKink))
            } else {
                (Verdict::Fail, None)
            };
        }
        match budget {
            _ if budget <= rough => (Verdict::Pass, None),
            _ if scale > budget => (Verdict::Inconclusive, Some(Doubt::Rough)),
            _ if self.settings.allow_zero => (Verdict::Pass, None),
            _ => (Verdict::Inconclusive, Some(Doubt::Zero)),
        }
    }

    fn verdict(&self, observations: &[Observation]) -> Verdict {
        observations.iter().map(|o| o.verdict).max().unwrap_or(Verdict::Inconclusive)
    }

    /// The worst entry: of those differenced, or, after directions, of those a search leads to; and the row and column
    /// that the search found.
    fn worst(
        &mut self,
        area: &Area<'_>,
        rms: f64,
        observations: &mut Vec<Observation>,
    ) -> (Option<Entry>, Option<Lines>) {
        let louder = |a: &&Observation, b: &&Observation| a.relative_error().total_cmp(&b.relative_error());
        let mut lines = None;
        if matches!(self.settings.mode, Mode::Directions(_)) {
            let failed = observations.iter().filter(|o| o.verdict == Verdict::Fail);
            let loudest = failed.max_by(louder).expect("the block failed");
            // Most mistakes are everywhere, so the largest entry is tried before a search.
            let by_hand = |i: &usize| self.gradient[*i].abs();
            let largest = area.block.range().max_by(|i, j| by_hand(i).total_cmp(&by_hand(j)));
            let largest = self.glance(largest.expect("the block is not empty"), rms, loudest);
            let mut found = vec![largest];
            if found[0].verdict != Verdict::Fail {
                let (entry, asked) = self.search(area, rms, loudest);
                found.push(entry);
                lines = asked;
            }
            observations.extend(found);
        }
        let entries = observations.iter().filter(|o| o.direction.components.len() == 1);
        let wrong = entries.filter(|o| o.verdict == Verdict::Fail && o.direction.components[0] == 1.0);
        let entry = wrong.max_by(louder).map(|worst| {
            let index = worst.direction.start;
            let name = self.layout.name_of(index);
            Entry { index, name, by_hand: worst.by_hand, numeric: worst.slope.value }
        });
        (entry, lines)
    }

    /// numeric − by hand along a direction, quickly: one central difference.
    pub fn residual(&mut self, direction: &Direction, step: f64) -> f64 {
        self.subject.central(direction, step).value - direction.dot(self.gradient)
    }
}
