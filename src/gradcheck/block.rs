//! One block under check: differenced, judged, and where it fails, the wrong entry found.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::direction::ThetaDirection;
use super::examiner::{BlockRef, Examiner, Observation};
use super::report::{BlockReport, Coverage, Entry, Uncertain, Verdict};
use super::search::{Lines, search};
use crate::Scalar;

/// A block's report in the making, with all that was observed.
pub(super) struct BlockResult {
    pub report: BlockReport,
    pub observations: Vec<Observation>,
    /// The row and the column that may hold all that is wrong, if a search has asked.
    pub lines: Option<Lines>,
}

impl BlockResult {
    pub fn failed(&self) -> bool {
        self.report.verdict == Verdict::Fail
    }

    /// Takes every failure that `doubtful` picks for one that kinks may explain; whether the block no longer fails.
    pub fn set_aside(&mut self, uncertain: Uncertain, doubtful: impl Fn(&Observation) -> bool) -> bool {
        if !self.failed() {
            return false;
        }
        for observation in self.observations.iter_mut().filter(|o| o.verdict == Verdict::Fail) {
            if doubtful(observation) {
                (observation.verdict, observation.uncertain) = (Verdict::Inconclusive, Some(uncertain));
            }
        }
        self.settle();
        !self.failed()
    }

    /// The verdict that follows from the observations.
    fn settle(&mut self) {
        let verdicts = self.observations.iter().map(|o| o.verdict);
        self.report.verdict = verdicts.max().unwrap_or(Verdict::Inconclusive);
        let inconclusive = self.report.verdict == Verdict::Inconclusive;
        self.report.uncertain = self.observations.iter().find_map(|o| o.uncertain).filter(|_| inconclusive);
    }
}

impl<F: Scalar> Examiner<'_, '_, F> {
    /// Differences a block and judges it.
    pub fn examine(&mut self, block: &BlockRef<'_>) -> BlockResult {
        let range = block.block.range();
        self.allow_zero = self.settings.allows_zero(block.name);
        let by_hand = &self.gradient[range.clone()];
        let norm = by_hand.iter().map(|g| g * g).sum::<f64>().sqrt();
        let untested = by_hand.iter().filter(|g| **g == 0.0).count();
        let rms = norm / (range.len() as f64).sqrt();
        let observations = match self.settings.coverage {
            Coverage::Directions(k) => self.along_directions(block, norm, k),
            Coverage::Sample(m) => self.along_entries(self.sample(block, m), rms),
            Coverage::Every | Coverage::Auto => self.along_entries(range.clone().collect(), rms),
        };
        let size = if matches!(self.settings.coverage, Coverage::Directions(_)) { norm } else { rms };
        let largest = |f: &dyn Fn(&Observation) -> f64| observations.iter().map(f).fold(0.0, f64::max);
        let report = BlockReport {
            name: block.name.to_owned(),
            shape: block.block.shape(),
            verdict: Verdict::Inconclusive,
            norm,
            error: largest(&Observation::relative_error),
            resolution: largest(&|o| if size > 0.0 { o.budget / size } else { f64::INFINITY }),
            step: observations.last().map_or(0.0, |o| o.slope.step),
            probes: observations.len(),
            untested,
            uncertain: None,
            worst: None,
            causes: Vec::new(),
        };
        let mut result = BlockResult { report, observations, lines: None };
        result.settle();
        if result.report.verdict == Verdict::Pass {
            result.observations.clear();
        }
        result
    }

    /// Names the worst entry of a block that failed.
    pub fn locate(&mut self, block: &BlockRef<'_>, result: &mut BlockResult) {
        let rms = result.report.norm / (block.block.len() as f64).sqrt();
        (result.report.worst, result.lines) = self.worst(block, rms, &mut result.observations);
    }

    fn along_directions(&mut self, block: &BlockRef<'_>, norm: f64, k: usize) -> Vec<Observation> {
        let mut step = self.first_step(block.block.range());
        let (mut told, mut crossing) = (Vec::new(), Vec::new());
        // A direction that crosses kinks at every step tells nothing; up to two more are tried in its place.
        for probe in 0..k + 2 {
            let stream = ((block.number as u64) << 32) | probe as u64;
            let direction = ThetaDirection::random(block.block.range(), self.settings.seed, stream);
            let observation = self.observe(direction, norm, step);
            if observation.slope.crossed && observation.verdict == Verdict::Inconclusive {
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
    pub fn observe_more(&mut self, block: &BlockRef<'_>, result: &mut BlockResult) {
        let right = |o: &Observation| o.direction.components.len() == 1 && o.verdict == Verdict::Pass;
        if block.block.len() == 1 || result.observations.iter().any(right) {
            return;
        }
        let failed = |o: &&Observation| o.verdict == Verdict::Fail && o.direction.components.len() > 1;
        let Some(through) = result.observations.iter().find(failed) else { return };
        let stream = ((block.number as u64) << 32) | u32::MAX as u64;
        let direction = ThetaDirection::random(block.block.range(), self.settings.seed, stream);
        let mut slope = self.subject.central(&direction, through.slope.step);
        if !slope.crossed {
            slope.truncation = through.slope.truncation;
            result.observations.push(self.judged(direction, slope, result.report.norm));
        }
    }

    fn along_entries(&mut self, entries: Vec<usize>, rms: f64) -> Vec<Observation> {
        entries.into_iter().map(|index| self.entry(index, rms)).collect()
    }

    /// Up to `m` different entries of the block.
    fn sample(&self, block: &BlockRef<'_>, m: usize) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream((block.number as u64) << 32);
        let mut entries: Vec<usize> = block.block.range().collect();
        let m = m.min(entries.len());
        for i in 0..m {
            let rest = (entries.len() - i) as u64;
            entries.swap(i, i + (rng.next_u64() % rest) as usize);
        }
        entries.truncate(m);
        entries.sort_unstable();
        entries
    }

    /// The worst entry: of those differenced, or, after directions, of those a search leads to; and the row and column
    /// that the search found.
    fn worst(
        &mut self,
        block: &BlockRef<'_>,
        rms: f64,
        observations: &mut Vec<Observation>,
    ) -> (Option<Entry>, Option<Lines>) {
        let louder = |a: &&Observation, b: &&Observation| a.relative_error().total_cmp(&b.relative_error());
        let mut lines = None;
        if matches!(self.settings.coverage, Coverage::Directions(_)) {
            let failed = observations.iter().filter(|o| o.verdict == Verdict::Fail);
            let loudest = failed.max_by(louder).expect("the block failed");
            // Most mistakes are everywhere, so the largest entry is tried before a search.
            let by_hand = |i: &usize| self.gradient[*i].abs();
            let largest = block.block.range().max_by(|i, j| by_hand(i).total_cmp(&by_hand(j)));
            let largest = self.quick_entry(largest.expect("the block is not empty"), rms, loudest);
            let mut found = vec![largest];
            if found[0].verdict != Verdict::Fail {
                let (entry, asked) = search(self, block, rms, loudest);
                found.push(entry);
                lines = asked;
            }
            observations.extend(found);
        }
        let wrong = observations.iter().filter(|o| o.is_entry() && o.verdict == Verdict::Fail);
        let entry = wrong.max_by(louder).map(|worst| {
            let index = worst.direction.start;
            let name = self.layout.name_of(index);
            Entry { index, name, by_hand: worst.by_hand, numeric: worst.slope.value }
        });
        (entry, lines)
    }
}
