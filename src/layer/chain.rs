//! Layers in sequence: what a trunk, a head and an expert are made of.

use std::ops::Range;

use super::{Affine, BuildContext, BuildLayer, BuiltLayer, Layer, Lookup, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::{Result, Scalar};

/// A sequence of layers, each reading the output of the one before.
///
/// ```
/// use std::ops::Range;
///
/// use polytask::arena::{ActivationBlock, Arena, Chunk};
/// use polytask::layer::{
///     Affine, BuildContext, BuildLayer, BuiltLayer, Chain, Lookup, Mode, Pass, Propagation,
/// };
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// /// Several layers as one.
/// #[derive(Debug)]
/// struct Stack(Vec<Layer>);
/// #[derive(Debug)]
/// struct BuiltStack<F>(Chain<F>);
///
/// impl<F: Scalar> BuildLayer<F> for Stack {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         let chain = Chain::build(&self.0, context)?;
///         assert_eq!(chain.last().map(|layer| layer.output()), Some(chain.output()));
///         assert!(!chain.is_empty());
///         Ok(Box::new(BuiltStack(chain)))
///     }
/// }
///
/// impl<F: Scalar> BuiltLayer<F> for BuiltStack<F> {
///     fn output(&self) -> ActivationBlock { self.0.output() }
///     fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
///         self.0.forward(pass, values);
///     }
///     fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
///         self.0.propagate(pass, values, deltas, to);
///     }
///     fn pieces(&self) -> Vec<Range<usize>> { self.0.pieces().collect() }
///     fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
///         self.0.gradient(chunks, lane, piece, gradient).expect("a piece of its own");
///     }
///     fn affine(&self) -> Vec<Affine> { self.0.affine().collect() }
///     fn lookups(&self) -> Vec<Lookup> { self.0.lookups().collect() }
///     fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
///         self.0.update_state(chunks, state);
///     }
///     fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
///         self.0.branches(pass, values, record);
///     }
/// }
///
/// let stack = Stack(vec![Layer::dense(6, Activation::Relu), Layer::dense(4, Activation::Tanh)]);
/// let builder = Model::builder(10).trunk([Layer::custom(stack)]).task(Task::regression("elbow"));
/// let model = builder.task(Task::regression("shoulder")).build::<f64>()?;
/// # let data = datasets::robot_arm::<f64>(7, 0.05, 1);
/// # let mut trace = model.trace(7);
/// # model.forward(&data.all(), &mut trace)?;
/// # let gramian = model.network().gramian(&model.pass(Mode::Train), &mut trace).to_owned();
/// # let rows = model.task_gradients(&mut trace);
/// # assert!((gramian - rows.dot(&rows.t())).iter().all(|difference| difference.abs() < 1e-9));
/// assert!(model.network().layout().block("trunk.0.1.weight").is_some());
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Chain<F> {
    /// The activations that the last layer writes.
    output: ActivationBlock,
    layers: Vec<Box<dyn BuiltLayer<F>>>,
    /// The pieces of each layer, in the order of θ.
    pieces: Vec<(usize, Range<usize>)>,
}

impl<F: Scalar> Chain<F> {
    /// Builds `layers` from the context's input on; their names are the context's name and their position:
    /// `trunk.0`, `trunk.1`, …
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of a layer is outside its range.
    pub fn build(layers: &[Layer], context: &mut BuildContext<'_>) -> Result<Self> {
        let mut chain = Self { output: context.input(), layers: Vec::new(), pieces: Vec::new() };
        for (i, layer) in layers.iter().enumerate() {
            let built = context.reading(chain.output, |context| {
                let name = i.to_string();
                let build = |context: &mut BuildContext<'_>| BuildLayer::<F>::build(layer, context);
                context.recorded((&name, layer.kind()), build, |built| built.output())
            })?;
            context.check_blocks()?;
            chain.pieces.extend(built.pieces().into_iter().map(|piece| (i, piece)));
            chain.output = built.output();
            chain.layers.push(built);
        }
        Ok(chain)
    }

    /// The activations that the last layer writes; without layers, those that the first would read.
    pub fn output(&self) -> ActivationBlock {
        self.output
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// From input to output, for the rows of a chunk.
    pub fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        for layer in &self.layers {
            layer.forward(pass, values);
        }
    }

    /// Adds the layers to a graph.
    ///
    /// # Errors
    /// If a layer cannot be exported.
    #[cfg(feature = "onnx")]
    pub fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.layers.iter().try_for_each(|layer| layer.export(graph))
    }

    /// From ∂L/∂output to ∂L/∂input, for the rows of a chunk and every lane of `to`.
    pub fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (i, layer) in self.layers.iter().enumerate().rev() {
            layer.propagate(pass, values, deltas, if i == 0 { to } else { Propagation::of_lanes(to.lanes) });
        }
    }

    /// The pieces of θ whose gradients can be computed independently.
    pub fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        self.pieces.iter().map(|(_, piece)| piece.clone())
    }

    /// The affine maps of the layers.
    pub fn affine(&self) -> impl Iterator<Item = Affine> {
        self.layers.iter().flat_map(|layer| layer.affine())
    }

    /// The tables that the layers look up.
    pub fn lookups(&self) -> impl Iterator<Item = Lookup> {
        self.layers.iter().flat_map(|layer| layer.lookups())
    }

    /// The last layer, if there is any.
    pub fn last(&self) -> Option<&dyn BuiltLayer<F>> {
        self.layers.last().map(|layer| &**layer)
    }

    /// The gradient of one of the [`pieces`](Self::pieces), or `None` if the piece is not in this chain.
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

    /// Updates the running state of the layers: see [`BuiltLayer::update_state`].
    pub fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        for layer in &self.layers {
            layer.update_state(chunks, state);
        }
    }

    /// Reports the branches that the rows of a chunk took, layer by layer.
    pub fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        for layer in &self.layers {
            layer.branches(pass, values, record);
        }
    }
}
