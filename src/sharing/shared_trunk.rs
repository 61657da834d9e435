//! One trunk for all tasks: hard parameter sharing (Caruana, "Multitask learning", Machine Learning 28, 1997).
//!
//! ```text
//! forward     h = trunk(x)                     every head reads h
//! backward    ∂L/∂h = Σₖ wₖ ∂Lₖ/∂h             the heads' deltas add up, because L = Σₖ wₖ Lₖ
//! ```
//! From there on the trunk is an ordinary network: its gradient is the sum of what each task asks of it.

use super::{BuiltSharing, Piece, Representation};
use crate::arena::{Arena, Chunk};
use crate::layer::{Affine, BuildContext, BuiltLayer, Chain, Layer, Lookup, Pass, Propagation};
use crate::{Result, Scalar};

#[derive(Debug)]
pub(super) struct SharedTrunk<F> {
    trunk: Chain<F>,
}

impl<F: Scalar> SharedTrunk<F> {
    pub(super) fn build(layers: &[Layer], context: &mut BuildContext<'_>) -> Result<Self> {
        let trunk = context.named("trunk", |context| Chain::build(layers, context))?;
        context.end_shared();
        Ok(Self { trunk })
    }
}

impl<F: Scalar> BuiltSharing<F> for SharedTrunk<F> {
    fn representation(&self, _task: usize) -> Representation {
        Representation { activations: self.trunk.output(), is_shared: true }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.trunk.forward(pass, values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.trunk.export(graph)?;
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.trunk.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<Piece> {
        self.trunk.pieces().map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        self.trunk
            .gradient(chunks, lane, piece.range.clone(), gradient)
            .expect("the piece is one of the trunk's");
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.trunk.update_state(chunks, state);
    }

    fn affine(&self) -> Vec<Affine> {
        self.trunk.affine().collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.trunk.lookups().collect()
    }

    fn last_layer(&self) -> Option<&dyn BuiltLayer<F>> {
        self.trunk.last()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(pass, values, record);
    }
}
