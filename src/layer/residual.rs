//! A residual block: layers that compute what is added to their input.
//!
//! K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016; for tables,
//! Y. Gorishniy et al., "Revisiting deep learning models for tabular data", NeurIPS 2021.
//!
//! ```text
//! forward     y = x + f(x)                  f: the layers inside, as wide at the end as x
//! backward    dx = dy + (∂f/∂x)ᵀ dy         (propagate; the second term is what the layers inside send back)
//! ```
//! Why: x acts on y directly, with factor 1, and through f; the derivative of a sum is the sum of the derivatives. So
//! however deep a network of such blocks is, a part of dy reaches its first layers as it is.

use std::ops::Range;

use super::{Affine, BuildContext, BuildLayer, BuiltLayer, Chain, Layer, Lookup, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of a residual block: `y = x + f(x)`, where f is a chain of layers whose output is as wide as its input.
///
/// `dx = dy + (∂f/∂x)ᵀ dy`. The layers inside have the block's name and their position: `trunk.1.0.weight`. He et al.,
/// 2016.
///
/// ```
/// use polytask::prelude::*;
///
/// let block = Layer::residual([
///     Layer::layer_norm(),
///     Layer::dense(64, Activation::Relu),
///     Layer::dropout(0.1),
///     Layer::dense(16, Activation::Identity), // as wide as what the block reads
/// ]);
/// let layers = [Layer::dense(16, Activation::Identity), block.clone(), block];
/// let builder = Model::builder(10).trunk(layers).task(Task::regression("elbow"));
/// let model = builder.build::<f64>()?;
/// assert!(model.network().layout().block("trunk.2.1.weight").is_some());
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
///
/// let narrow = Layer::residual([Layer::dense(3, Activation::Relu)]);
/// let error = Model::builder(10).trunk([narrow]).task(Task::regression("elbow")).build::<f64>().unwrap_err();
/// assert!(error.to_string().contains("trunk.0"), "{error}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Residual {
    layers: Vec<Layer>,
}

impl Residual {
    /// A block around these layers: at least one, and the last as wide as what the block reads.
    pub fn new(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self { layers: layers.into_iter().map(std::convert::Into::into).collect() }
    }
}

impl From<Residual> for Layer {
    fn from(residual: Residual) -> Self {
        Self::Residual(residual)
    }
}

impl<F: Scalar> BuildLayer<F> for Residual {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        let inside = Chain::build(&self.layers, context)?;
        let place = |what: &str| format!("{what} of the residual block {}", context.name());
        if inside.is_empty() {
            return Err(Error::new(ErrorKind::Setting, place("layers"), "at least 1", 0));
        }
        let (expected, found) = (input.width(), inside.output().width());
        if found != expected {
            let expected = format!("{expected}, that of its input");
            return Err(Error::new(ErrorKind::Setting, place("width at the end"), expected, found)
                .advise("end it with a layer of that width"));
        }
        Ok(Box::new(BuiltResidual { inside, input, output: context.activations(input.width()) }))
    }
}

#[derive(Debug)]
struct BuiltResidual<F> {
    inside: Chain<F>,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltResidual<F> {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.inside.forward(pass, values);
        let (f, y) = values.padded_pair(self.inside.output(), self.output);
        y.copy_from_slice(f);
        let (x, y) = values.padded_pair(self.input, self.output);
        y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.inside.export(graph)?;
        let (x, f) = (graph.value(self.input), graph.value(self.inside.output()));
        let y = graph.node("Add", &[&x, &f]);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let lanes = 0..to.lanes;
        let (dy, mut df) = deltas.pair((self.output, lanes.clone()), (self.inside.output(), lanes));
        df.assign(&dy);
        self.inside.propagate(pass, values, deltas, to);
        to.adding().entrywise(deltas, self.output, self.input, |_, _, dy| dy);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.inside.pieces().collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        self.inside.gradient(chunks, lane, piece, gradient).expect("the piece is of a layer inside");
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.inside.update_state(chunks, state);
    }

    fn affine(&self) -> Vec<Affine> {
        self.inside.affine().collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.inside.lookups().collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.inside.branches(pass, values, record);
    }
}
