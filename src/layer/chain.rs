//! Layers one behind the other: what a trunk, a head and an expert are made of.

use std::ops::Range;

use super::{Affine, BuiltLayer, Flow, Into, Layer, Mode, Site};
use crate::trace::{Arena, Chunk, Slot};
use crate::{Result, Scalar};

/// Layers that each read what the one before wrote.
#[derive(Debug)]
pub struct Chain<F> {
    input: Slot,
    layers: Vec<Box<dyn BuiltLayer<F>>>,
    /// The pieces of each layer, in the order of θ.
    pieces: Vec<(usize, Range<usize>)>,
}

impl<F: Scalar> Chain<F> {
    /// Builds `layers` from the site's input on; their names are the site's name and their position:
    /// `trunk.0`, `trunk.1`, …
    ///
    /// # Errors
    /// If a setting of a layer is outside its range.
    pub fn build(layers: &[Layer], site: &mut Site<'_>) -> Result<Self> {
        let mut chain = Self { input: site.input(), layers: Vec::new(), pieces: Vec::new() };
        for (i, layer) in layers.iter().enumerate() {
            let built = site
                .reading(chain.output(), |site| site.named(&i.to_string(), |site| layer.build::<F>(site)))?;
            site.check_size()?;
            chain.pieces.extend(built.pieces().into_iter().map(|piece| (i, piece)));
            chain.layers.push(built);
        }
        Ok(chain)
    }

    /// The slot that the last layer writes; without layers, the one that the first would read.
    pub fn output(&self) -> Slot {
        self.layers.last().map_or(self.input, |layer| layer.output())
    }

    /// Whether there is no layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// From input to output, for the rows of a chunk.
    pub fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        for layer in &self.layers {
            layer.forward(theta, mode, values);
        }
    }

    /// From ∂L/∂output to ∂L/∂input, for the rows of a chunk and every lane of `flow`.
    pub fn propagate(&self, theta: &[F], values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
        let inner = Flow { lanes: flow.lanes, into: Into::Set(0) };
        for (i, layer) in self.layers.iter().enumerate().rev() {
            layer.propagate(theta, values, deltas, if i == 0 { flow } else { &inner });
        }
    }

    /// The pieces of θ whose gradients can be computed apart.
    pub fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        self.pieces.iter().map(|(_, piece)| piece.clone())
    }

    /// The affine maps of the layers.
    pub fn affine(&self) -> impl Iterator<Item = Affine> {
        self.layers.iter().filter_map(|layer| layer.affine())
    }

    /// The last layer, if there is any.
    pub fn last(&self) -> Option<&dyn BuiltLayer<F>> {
        self.layers.last().map(|layer| &**layer)
    }

    /// The gradient of one of the [`pieces`](Self::pieces), or `None` if it is none of this chain's.
    pub fn gradient(
        &self,
        chunks: &[Chunk<F>],
        lane: usize,
        piece: Range<usize>,
        gradient: &mut [F],
    ) -> Option<()> {
        let (layer, _) = self.pieces.iter().find(|(_, own)| *own == piece)?;
        self.layers[*layer].gradient(chunks, lane, piece, gradient);
        Some(())
    }

    /// Reports the branches that the rows of a chunk took, layer by layer.
    pub fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        for layer in &self.layers {
            layer.branches(theta, values, record);
        }
    }
}
