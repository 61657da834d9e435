//! The sum of the lengths of the rows of some blocks: the group lasso (M. Yuan and Y. Lin, "Model selection and estimation in
//! regression with grouped variables", Journal of the Royal Statistical Society B 68, 2006).
//!
//! ```text
//! value       Ω(θ) = λ √p Σ over rows r of ‖r‖       p numbers in each row of a block
//! gradient    ∂Ω/∂r = λ √p r / ‖r‖                   0 at the kink, r = 0
//! ```
//! A row of a weight, in × out, has all that goes out from one input. So of the first layer's weight it pulls whole features
//! to 0, where each weight for itself would do little.

use ndarray::ArrayView1;

use super::{PenaltyFunction, matching};
use crate::{Block, Layout, Result, Scalar};

#[derive(Debug)]
pub(super) struct GroupLasso {
    name: String,
    strength: f64,
    blocks: Vec<Block>,
}

impl GroupLasso {
    pub(super) fn build<F: Scalar>(blocks: &str, strength: f64, layout: &Layout) -> Result<Self> {
        let (name, blocks) = matching::<F>("group lasso", blocks, strength, layout)?;
        Ok(Self { name, strength, blocks })
    }

    /// λ √p of a block.
    fn rate(&self, block: Block) -> f64 {
        self.strength * (block.shape().1 as f64).sqrt()
    }
}

/// ‖r‖.
fn length<F: Scalar>(row: ArrayView1<'_, F>) -> f64 {
    row.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt()
}

impl<F: Scalar> PenaltyFunction<F> for GroupLasso {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self, theta: &[F]) -> f64 {
        let of_block = |&block: &Block| {
            let rows = block.of(theta);
            self.rate(block) * rows.rows().into_iter().map(length).sum::<f64>()
        };
        self.blocks.iter().map(of_block).sum()
    }

    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        for &block in &self.blocks {
            let rate = self.rate(block);
            for (row, mut gradient) in
                block.of(theta).rows().into_iter().zip(block.of_mut(gradient).rows_mut())
            {
                let length = length(row);
                if length > 0.0 {
                    let factor = F::from_f64(rate / length);
                    gradient.zip_mut_with(&row, |g, &x| *g += factor * x);
                }
            }
        }
    }

    fn branches(&self, theta: &[F], record: &mut dyn FnMut(i64, f64)) {
        for block in &self.blocks {
            block.of(theta).rows().into_iter().for_each(|row| record(0, length(row)));
        }
    }
}
