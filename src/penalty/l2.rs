//! The squared length of some blocks: ridge regression (A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation
//! for nonorthogonal problems", Technometrics 12, 1970).
//!
//! ```text
//! value       Ω(θ) = ½ λ Σᵢ θᵢ²         over the blocks that match the pattern
//! gradient    ∂Ω/∂θᵢ = λ θᵢ
//! ```
//! The ½ makes λ the rate of decay: plain SGD with the learning rate α multiplies θᵢ by 1 − α λ in each step.

use std::ops::Range;

use super::{PenaltyFunction, matching};
use crate::{Block, Layout, Result, Scalar};

#[derive(Debug)]
pub(super) struct L2 {
    name: String,
    strength: f64,
    ranges: Vec<Range<usize>>,
}

impl L2 {
    pub(super) fn build<F: Scalar>(blocks: &str, strength: f64, layout: &Layout) -> Result<Self> {
        let (name, blocks) = matching::<F>("L2", blocks, strength, layout)?;
        Ok(Self { name, strength, ranges: blocks.into_iter().map(Block::range).collect() })
    }
}

impl<F: Scalar> PenaltyFunction<F> for L2 {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self, theta: &[F]) -> f64 {
        let numbers = self.ranges.iter().flat_map(|range| &theta[range.clone()]);
        0.5 * self.strength * numbers.map(|x| x.to_f64() * x.to_f64()).sum::<f64>()
    }

    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        let strength = F::from_f64(self.strength);
        for range in &self.ranges {
            let numbers = gradient[range.clone()].iter_mut().zip(&theta[range.clone()]);
            numbers.for_each(|(g, &x)| *g += strength * x);
        }
    }
}
