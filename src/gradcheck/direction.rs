//! Directions in the space of θ, along which derivatives are taken.

use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// A direction `v` in the space of θ, zero outside one contiguous range.
#[derive(Clone, Debug)]
pub(super) struct ThetaDirection {
    pub start: usize,
    pub components: Vec<f64>,
}

impl ThetaDirection {
    /// Along one coordinate.
    pub fn coordinate(index: usize) -> Self {
        Self { start: index, components: vec![1.0] }
    }

    /// Random signs with magnitudes uniform in ½..1½. No entry gets a weight near 0, so one wrong entry cannot
    /// hide; and no two have the same weight, so equal and opposite errors do not cancel, as they do in half of
    /// all directions of plain ±1.
    pub fn random(range: Range<usize>, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let component = |_| {
            let bits = rng.next_u64();
            let magnitude = 0.5 + (bits >> 12) as f64 / (1_u64 << 52) as f64;
            if bits & 1 == 0 { magnitude } else { -magnitude }
        };
        Self { start: range.start, components: range.map(component).collect() }
    }

    /// The range outside which it is zero.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.components.len()
    }

    /// The same direction, zero outside `range`.
    pub fn within(&self, range: Range<usize>) -> Self {
        let components = self.components[range.start - self.start..range.end - self.start].to_vec();
        Self { start: range.start, components }
    }

    /// The i-th component times `weight(i)`.
    pub fn weighted(&self, weight: impl Fn(usize) -> f64) -> Self {
        let components = self.components.iter().enumerate().map(|(i, v)| v * weight(i)).collect();
        Self { start: self.start, components }
    }

    /// The product with a vector laid out like θ.
    pub fn dot(&self, vector: &[f64]) -> f64 {
        self.components.iter().zip(&vector[self.range()]).map(|(v, x)| v * x).sum()
    }
}
