//! One trunk for all tasks: hard parameter sharing (Caruana, "Multitask learning", Machine Learning 28, 1997).
//!
//! ```text
//! forward     h = trunk(x)                     every head reads h
//! backward    ∂L/∂h = Σₖ wₖ ∂Lₖ/∂h             the heads' deltas add up, because L = Σₖ wₖ Lₖ
//! ```
//! From there on the trunk is an ordinary network: its gradient is the sum of what each task asks of it.

use super::{BuiltSharing, Piece, Representation};
use crate::layer::{Affine, BuiltLayer, Chain, Flow, Into, Layer, Mode, Site};
use crate::trace::{Arena, Chunk};
use crate::{Result, Scalar};

#[derive(Debug)]
pub(super) struct SharedTrunk<F> {
    trunk: Chain<F>,
}

impl<F: Scalar> SharedTrunk<F> {
    pub(super) fn build(layers: &[Layer], site: &mut Site<'_>) -> Result<Self> {
        let trunk = site.named("trunk", |site| Chain::build(layers, site))?;
        site.end_shared();
        Ok(Self { trunk })
    }
}

impl<F: Scalar> BuiltSharing<F> for SharedTrunk<F> {
    fn representation(&self, _task: usize) -> Representation {
        Representation { slot: self.trunk.output(), is_shared: true }
    }

    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        self.trunk.forward(theta, mode, values);
    }

    fn propagate(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        lanes: usize,
        into_input: bool,
    ) {
        let into = if into_input { Into::Set(0) } else { Into::Nowhere };
        self.trunk.propagate(theta, values, deltas, &Flow { lanes, into });
    }

    fn pieces(&self) -> Vec<Piece> {
        self.trunk.pieces().map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        self.trunk
            .gradient(chunks, lane, piece.range.clone(), gradient)
            .expect("the piece is one of the trunk's");
    }

    fn affine(&self) -> Vec<Affine> {
        self.trunk.affine().collect()
    }

    fn last_layer(&self) -> Option<&dyn BuiltLayer<F>> {
        self.trunk.last()
    }

    fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(theta, values, record);
    }
}
