//! The sum of the magnitudes of some blocks: the lasso (R. Tibshirani, "Regression shrinkage and selection via the lasso",
//! Journal of the Royal Statistical Society B 58, 1996).
//!
//! ```text
//! value       Ω(θ) = λ Σᵢ |θᵢ|          over the blocks that match the pattern
//! gradient    ∂Ω/∂θᵢ = λ sign θᵢ        0 at the kink, θᵢ = 0
//! ```
//! It pulls each number to 0 by the same λ, however small it is. A gradient step passes 0 and comes back, so numbers become
//! small and change sign, but are not exactly 0.

use std::ops::Range;

use super::{PenaltyFunction, matching};
use crate::{Block, Layout, Result, Scalar};

#[derive(Debug)]
pub(super) struct L1 {
    name: String,
    strength: f64,
    ranges: Vec<Range<usize>>,
}

impl L1 {
    pub(super) fn build<F: Scalar>(blocks: &str, strength: f64, layout: &Layout) -> Result<Self> {
        let (name, blocks) = matching::<F>("L1", blocks, strength, layout)?;
        Ok(Self { name, strength, ranges: blocks.into_iter().map(Block::range).collect() })
    }
}

impl<F: Scalar> PenaltyFunction<F> for L1 {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self, theta: &[F]) -> f64 {
        let numbers = self.ranges.iter().flat_map(|range| &theta[range.clone()]);
        self.strength * numbers.map(|x| x.to_f64().abs()).sum::<f64>()
    }

    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        let strength = F::from_f64(self.strength);
        for range in &self.ranges {
            for (g, &x) in gradient[range.clone()].iter_mut().zip(&theta[range.clone()]) {
                if x > F::ZERO {
                    *g += strength;
                } else if x < F::ZERO {
                    *g += -strength;
                }
            }
        }
    }

    fn branches(&self, theta: &[F], record: &mut dyn FnMut(i64, f64)) {
        let numbers = self.ranges.iter().flat_map(|range| &theta[range.clone()]);
        numbers.for_each(|&x| record(i64::from(x > F::ZERO), x.to_f64().abs()));
    }
}
