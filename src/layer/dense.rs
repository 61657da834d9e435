//! The dense layer: every output is a weighted sum of all inputs.
//!
//! For a batch of `B` rows, `x` is `B × in`, `W` is `in × out`, `b` is `1 × out`, and `1` is a column of `B` ones:
//!
//! ```text
//! forward     z = x W + 1 b              B × out
//!             y = φ(z)                   φ entry by entry
//!
//! backward    given dy = ∂L/∂y           B × out
//!             dz = dy ∘ φ′(z)            the chain rule, entry by entry
//!             dx = dz Wᵀ                 B × in     (propagate)
//!             dW = xᵀ dz                 in × out   (gradient)
//!             db = 1ᵀ dz                 1 × out    (gradient)
//! ```
//! Why: z[n, j] = Σᵢ x[n, i] W[i, j] + b[j]. The number W[i, j] touches z[n, j] of every row n, with factor x[n, i], so
//! ∂L/∂W[i, j] = Σₙ x[n, i] dz[n, j]. The number x[n, i] touches z[n, j] for every j, with factor W[i, j], so
//! ∂L/∂x[n, i] = Σⱼ dz[n, j] W[i, j]. And b[j] touches z[n, j] of every row with factor 1.

use std::ops::Range;

use ndarray::Array2;

use super::activated::{activate, multiply_derivative};
use super::batch_ensemble::{BuiltApart, BuiltEnsemble, EnsembleSettings};
use super::{Activation, Affine, BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate, Epilogue};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of a dense layer: `y = φ(x W + b)`.
///
/// ```text
/// z = x W + 1 b        x: batch × in, W: in × out, b: 1 × out        y = φ(z)
/// dz = dy ∘ φ′(z)      dx = dz Wᵀ      dW = xᵀ dz      db = 1ᵀ dz
/// ```
/// In a [batch ensemble](crate::ModelBuilder::batch_ensemble), each member scales what goes in and what comes out, and has
/// biases of its own.
///
/// ```
/// use polytask::layer::Dense;
/// use polytask::prelude::*;
///
/// let dense = Dense::new(2, Activation::Relu).init(Init::Zeros).bias_init(Init::Constant(0.1));
/// let model = Model::builder(3).trunk([dense]).task(Task::regression("price")).build::<f64>()?;
/// assert_eq!(model.parameters()[..8], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.1]); // W, 3 × 2, and b
/// let none = Model::builder(3).trunk([Dense::new(0, Activation::Relu)]).task(Task::regression("price"));
/// assert!(none.build::<f64>().is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Dense {
    width: usize,
    activation: Activation,
    weight_init: Init,
    bias_init: Init,
    #[cfg_attr(feature = "persist", serde(skip))]
    for_each_member: bool,
}

impl Dense {
    /// A layer of `width` outputs, at least 1, with Glorot-uniform weights and zero biases.
    pub fn new(width: usize, activation: Activation) -> Self {
        Self {
            width,
            activation,
            weight_init: Init::GlorotUniform,
            bias_init: Init::Zeros,
            for_each_member: false,
        }
    }

    /// How the weights, `in × width`, get their first values.
    #[must_use]
    pub fn init(mut self, init: Init) -> Self {
        self.weight_init = init;
        self
    }

    /// How the biases get their first values.
    #[must_use]
    pub fn bias_init(mut self, init: Init) -> Self {
        self.bias_init = init;
        self
    }

    /// In an ensemble, gives each member weights of its own.
    #[must_use]
    pub(crate) fn for_each_member(mut self) -> Self {
        self.for_each_member = true;
        self
    }
}

impl From<Dense> for super::Layer {
    fn from(dense: Dense) -> Self {
        Self::Dense(dense)
    }
}

impl<F: Scalar> BuildLayer<F> for Dense {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        if self.width == 0 {
            return Err(Error::new(
                ErrorKind::Setting,
                format!("width of {}", context.name()),
                "at least 1",
                0,
            ));
        }
        self.activation.check().map_err(|e| e.within(context.name()))?;
        if context.members() > 1 {
            let &Self { width, activation, weight_init, bias_init, for_each_member } = self;
            let members = context.members();
            let settings = EnsembleSettings { members, width, activation, weight_init, bias_init };
            return Ok(match for_each_member {
                true => Box::new(BuiltApart::build(settings, context)),
                false => Box::new(BuiltEnsemble::build(settings, context)),
            });
        }
        let input = context.input();
        let weight = context.parameter("weight", input.width(), self.width, self.weight_init);
        let bias = context.parameter("bias", 1, self.width, self.bias_init);
        let pre_activation = self.activation.needs_input().then(|| context.activations(self.width));
        let output = context.activations(self.width);
        Ok(Box::new(BuiltDense { activation: self.activation, weight, bias, input, pre_activation, output }))
    }
}

#[derive(Debug)]
struct BuiltDense {
    activation: Activation,
    weight: Block,
    bias: Block,
    input: ActivationBlock,
    /// z, kept only where φ′ cannot be computed from y.
    pre_activation: Option<ActivationBlock>,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltDense {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let z = self.pre_activation.unwrap_or(self.output);
        let epilogue = self.activation.epilogue();
        let bias = &pass.theta[self.bias.range()];
        if values.rows() == 1 {
            let (x, z_out) = values.row_pair(self.input, z);
            kernel::row_times_matrix(x, &pass.theta[self.weight.range()], bias, epilogue, z_out);
        } else {
            let (x, z_out) = values.pair((self.input, 0..1), (z, 0..1));
            kernel::product_then(x, self.weight.of(pass.theta), Accumulate::Bias(bias), epilogue, z_out);
        }
        if epilogue == Epilogue::None {
            activate(self.activation, values, self.pre_activation, self.output);
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let (x, weight, bias) =
            (graph.value(self.input), graph.parameter(self.weight), graph.parameter(self.bias));
        let product = graph.node("MatMul", &[&x, &weight]);
        let z = graph.node("Add", &[&product, &bias]);
        let y = self.activation.export(graph, z);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let kept = self.pre_activation.unwrap_or(self.output);
        multiply_derivative(self.activation, (values, kept), (deltas, self.output), to.lanes);
        let Some((lanes, start)) = to.target() else { return };
        let (dz, dx) = deltas.pair((self.output, 0..to.lanes), (self.input, lanes));
        kernel::product(dz, self.weight.of(pass.theta).reversed_axes(), start, dx);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        let (inputs, outputs) = self.weight.shape();
        let weights = inputs * outputs;
        let n_pieces = weights.div_ceil(if weights <= SMALL { SMALL_PIECE } else { PIECE }).max(1);
        let rows = inputs.div_ceil(n_pieces).next_multiple_of(16).max(16);
        (0..inputs.max(1))
            .step_by(rows)
            .map(|first| {
                let begin = self.weight.range().start + first * outputs;
                let end = if first + rows < inputs { begin + rows * outputs } else { self.bias.range().end };
                begin..end
            })
            .collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        let (inputs, outputs) = self.weight.shape();
        let first = (piece.start - self.weight.range().start) / outputs;
        let has_bias = piece.end == self.bias.range().end;
        let rows = if has_bias { inputs - first } else { piece.len() / outputs };
        let (dw, db) = gradient.split_at_mut(rows * outputs);

        let mut start = Accumulate::Write;
        for chunk in chunks {
            let x = chunk.values.columns(self.input, first..first + rows);
            let dz = chunk.deltas.lanes_of(self.output, lane..lane + 1);
            kernel::product(x.t(), dz, start, kernel::matrix_mut(dw, rows, outputs, outputs));
            start = Accumulate::Add;
        }
        if has_bias {
            let mut start = Accumulate::Write;
            for chunk in chunks {
                kernel::column_sums(chunk.deltas.lanes_of(self.output, lane..lane + 1), start, db);
                start = Accumulate::Add;
            }
        }
    }

    fn affine(&self) -> Vec<Affine> {
        let range = self.weight.range().start..self.bias.range().end;
        vec![Affine { input: self.input, output: self.output, range, has_bias: true }]
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        let kept = values.get(self.pre_activation.unwrap_or(self.output));
        if self.activation != Activation::Relu {
            return self.activation.branches(kept, record);
        }
        let mut z = Array2::zeros(kept.dim());
        let bias = Accumulate::Bias(&pass.theta[self.bias.range()]);
        kernel::product(values.get(self.input), self.weight.of(pass.theta), bias, z.view_mut());
        self.activation.branches(z.view(), record);
    }
}

/// The most weights in a piece, up to rounding: small enough that several threads share a wide layer evenly, large
/// enough that copying the deltas into the product's blocks once more for each piece costs little.
const PIECE: usize = 1 << 18;

/// Layers of at most this many weights read the deltas of a chunk in place, so their pieces can be smaller and threads
/// can share the few layers of a medium network.
const SMALL: usize = 1 << 17;
const SMALL_PIECE: usize = 1 << 13;
