//! The dense layers of an ensemble that is one network.
//!
//! The k members of a [batch ensemble](crate::ModelBuilder::batch_ensemble) see every row of a batch, so that a batch of
//! B rows is one of k B rows inside the network: row n k + m is member m's copy of row n. A layer that knows nothing of
//! members treats all of these rows alike, and so all members share its parameters. A dense layer is where they
//! differ: they share its weights, but each scales what it reads and what it writes, and has biases of its own. That is
//! a matrix of weights for each member that differs from the others by a factor of rank one:
//!
//! ```text
//! W_m = W ∘ r_mᵀ s_m                  W: in × out; r: k × in, s and b: k × out, of which row m is member m's
//!
//! forward     u = x ∘ r_m            in the rows of member m
//!             v = u W                of all k B rows, one product
//!             z = v ∘ s_m + b_m
//!             y = φ(z)
//!
//! backward    dz = dy ∘ φ′(z)
//!             dv = dz ∘ s_m
//!             du = dv Wᵀ              (propagate)
//!             dx = du ∘ r_m
//!             dW = uᵀ dv              over all k B rows (gradient)
//!             dr_m = Σ x ∘ du         over the rows of member m
//!             ds_m = Σ v ∘ dz
//!             db_m = Σ dz
//! ```
//! Why: r and s are factors of columns in the rows of one member, as those of [`Scale`](super::Scale), with a dense layer
//! between them; so the three derivatives are chained. All rows go through the same W, so its gradient sums over
//! all of them.
//!
//! The first values make the members differ as little as possible: where a layer reads what is the same for all members,
//! r is 1 or −1 at random; elsewhere it is 1, and s is always 1. Sources: Y. Wen, D. Tran and J. Ba, "BatchEnsemble",
//! ICLR 2020; for the first values, and for heads that share nothing, Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM",
//! ICLR 2025.
//!
//! The last layer of a head shares no weights: each member has a W_m of its own, `in × out`,
//! ```text
//! forward     y = x W_m + b_m         in the rows of member m
//! backward    dx = dy W_mᵀ            dW_m = xᵀ dy, db_m = 1ᵀ dy over the rows of member m
//! ```

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::activated::{activate, multiply_derivative};
use super::{Activation, BuildContext, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate};
use crate::{Block, Init, Scalar};

/// What a dense layer of an ensemble is built from.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnsembleSettings {
    pub(super) members: usize,
    pub(super) width: usize,
    pub(super) activation: Activation,
    pub(super) weight_init: Init,
    pub(super) bias_init: Init,
}

/// Weights for all members, scales and biases for each.
#[derive(Debug)]
pub(super) struct BuiltEnsemble {
    activation: Activation,
    weight: Block,
    /// r, s and b.
    input_scale: Block,
    output_scale: Block,
    bias: Block,
    input: ActivationBlock,
    /// u and v.
    scaled: ActivationBlock,
    product: ActivationBlock,
    /// z, kept only where φ′ cannot be computed from y.
    pre_activation: Option<ActivationBlock>,
    output: ActivationBlock,
}

impl BuiltEnsemble {
    pub(super) fn build(settings: EnsembleSettings, context: &mut BuildContext<'_>) -> Self {
        let EnsembleSettings { members, width, activation, weight_init, bias_init } = settings;
        let (input, ones) = (context.input(), Init::Constant(1.0));
        let signs = if context.reads_same_for_members() { Init::Signs } else { ones };
        let weight = context.parameter("weight", input.width(), width, weight_init);
        let input_scale = context.parameter("input_scale", members, input.width(), signs);
        let output_scale = context.parameter("output_scale", members, width, ones);
        let bias = context.repeated_parameter("bias", members, (1, width), bias_init);
        Self {
            activation,
            weight,
            input_scale,
            output_scale,
            bias,
            input,
            scaled: context.activations(input.width()),
            product: context.activations(width),
            pre_activation: activation.needs_input().then(|| context.activations(width)),
            output: context.activations(width),
        }
    }

    /// z from v.
    fn scale_and_shift<F: Scalar>(&self, theta: &[F], v: ArrayView2<'_, F>, z: ArrayViewMut2<'_, F>) {
        let bias = Accumulate::Bias(&theta[self.bias.range()]);
        kernel::scale_in_turn(v, &theta[self.output_scale.range()], bias, z);
    }

    /// The parameters of each member, and the blocks whose column products are their gradients; of the bias, column sums.
    fn scales(&self) -> [(Block, ActivationBlock, ActivationBlock); 2] {
        [(self.input_scale, self.input, self.scaled), (self.output_scale, self.product, self.output)]
    }
}

/// The rows of one member among those of all.
fn of_member<F>(mut rows: ArrayView2<'_, F>, m: usize, members: usize) -> ArrayView2<'_, F> {
    rows.slice_axis_inplace(Axis(0), Slice::new(m as isize, None, members as isize));
    rows
}

fn of_member_mut<'a, F>(
    rows: &'a mut ArrayViewMut2<'_, F>,
    m: usize,
    members: usize,
) -> ArrayViewMut2<'a, F> {
    rows.slice_axis_mut(Axis(0), Slice::new(m as isize, None, members as isize))
}

impl<F: Scalar> BuiltLayer<F> for BuiltEnsemble {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, u) = values.pair((self.input, 0..1), (self.scaled, 0..1));
        kernel::scale_in_turn(x, &pass.theta[self.input_scale.range()], Accumulate::Write, u);
        let (u, v) = values.pair((self.scaled, 0..1), (self.product, 0..1));
        kernel::product(u, self.weight.of(pass.theta), Accumulate::Write, v);
        let z = self.pre_activation.unwrap_or(self.output);
        let (v, z) = values.pair((self.product, 0..1), (z, 0..1));
        self.scale_and_shift(pass.theta, v, z);
        activate(self.activation, values, self.pre_activation, self.output);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> crate::Result<()> {
        let (x, r) = (graph.value(self.input), graph.parameter(self.input_scale));
        let (s, bias) = (graph.parameter(self.output_scale), graph.parameter(self.bias));
        let (u, weight) = (graph.node("Mul", &[&x, &r]), graph.parameter(self.weight));
        let v = graph.node("MatMul", &[&u, &weight]);
        let z = graph.scale_and_shift(&v, &s, &bias);
        let y = self.activation.export(graph, z);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let kept = self.pre_activation.unwrap_or(self.output);
        multiply_derivative(self.activation, (values, kept), (deltas, self.output), to.lanes);
        // Each lane has all members of its rows, so the members keep alternating from one lane to the next.
        let all = 0..to.lanes;
        let (dz, dv) = deltas.pair((self.output, all.clone()), (self.product, all.clone()));
        kernel::scale_in_turn(dz, &pass.theta[self.output_scale.range()], Accumulate::Write, dv);
        let (dv, du) = deltas.pair((self.product, all.clone()), (self.scaled, all.clone()));
        kernel::product(dv, self.weight.of(pass.theta).reversed_axes(), Accumulate::Write, du);
        let Some((lanes, start)) = to.target() else { return };
        let (du, dx) = deltas.pair((self.scaled, all), (self.input, lanes));
        kernel::scale_in_turn(du, &pass.theta[self.input_scale.range()], start, dx);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        let weights = self.weight.range();
        let (inputs, outputs) = self.weight.shape();
        let rows = inputs.div_ceil(weights.len().div_ceil(PIECE).max(1)).max(1);
        let mut pieces: Vec<_> = (0..inputs)
            .step_by(rows)
            .map(|first| weights.start + first * outputs..weights.start + inputs.min(first + rows) * outputs)
            .collect();
        pieces.extend([self.input_scale, self.output_scale, self.bias].map(|block| block.range()));
        pieces
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        let lane = lane..lane + 1;
        let (mut start, outputs) = (Accumulate::Write, self.weight.shape().1);
        if piece.start < self.weight.range().end {
            let (first, rows) = ((piece.start - self.weight.range().start) / outputs, piece.len() / outputs);
            for chunk in chunks {
                let u = chunk.values.columns(self.scaled, first..first + rows);
                let dv = chunk.deltas.lanes_of(self.product, lane.clone());
                kernel::product(u.t(), dv, start, kernel::matrix_mut(gradient, rows, outputs, outputs));
                start = Accumulate::Add;
            }
            return;
        }
        let scale = self.scales().into_iter().find(|(block, ..)| block.range() == piece);
        for chunk in chunks {
            let delta = |block| chunk.deltas.lanes_of(block, lane.clone());
            match scale {
                Some((_, read, written)) => {
                    kernel::sums_in_turn(delta(written), Some(chunk.values.get(read)), start, gradient)
                }
                None => kernel::sums_in_turn(delta(self.output), None, start, gradient),
            }
            start = Accumulate::Add;
        }
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        if self.activation != Activation::Relu {
            return self.activation.branches(values.get(self.pre_activation.unwrap_or(self.output)), record);
        }
        let v = values.get(self.product);
        let mut z = Array2::zeros(v.dim());
        self.scale_and_shift(pass.theta, v, z.view_mut());
        self.activation.branches(z.view(), record);
    }
}

/// The most weights in a piece of θ, up to rounding.
const PIECE: usize = 1 << 16;

/// A linear layer for each member, with nothing shared.
#[derive(Debug)]
pub(super) struct BuiltApart {
    members: usize,
    /// `(members · in) × out`, one member's below the other's.
    weight: Block,
    bias: Block,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl BuiltApart {
    pub(super) fn build(settings: EnsembleSettings, context: &mut BuildContext<'_>) -> Self {
        let EnsembleSettings { members, width, activation, weight_init, bias_init } = settings;
        assert_eq!(activation, Activation::Identity, "a layer for each member is linear");
        let input = context.input();
        Self {
            members,
            weight: context.repeated_parameter("weight", members, (input.width(), width), weight_init),
            bias: context.repeated_parameter("bias", members, (1, width), bias_init),
            input,
            output: context.activations(width),
        }
    }

    /// W_m, of θ.
    fn weight<'t, F: Scalar>(&self, theta: &'t [F], m: usize) -> ArrayView2<'t, F> {
        let (inputs, outputs) = (self.input.width(), self.output.width());
        kernel::matrix(&theta[self.weight.range()][m * inputs * outputs..], inputs, outputs, outputs)
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltApart {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        if self.output.width() == 1 {
            let (weight, bias) = (&pass.theta[self.weight.range()], &pass.theta[self.bias.range()]);
            return kernel::linear_in_turn(x, weight, bias, y.as_slice_mut().expect("one column"));
        }
        for (m, bias) in pass.theta[self.bias.range()].chunks_exact(self.output.width()).enumerate() {
            let y = of_member_mut(&mut y, m, self.members);
            let x = of_member(x, m, self.members);
            kernel::product(x, self.weight(pass.theta, m), Accumulate::Bias(bias), y);
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> crate::Result<()> {
        let (inputs, outputs) = (self.input.width(), self.output.width());
        let numbers = graph.theta()[self.weight.range()].to_vec();
        let weights = graph.constant(&[self.members, inputs, outputs], &numbers);
        let (x, bias) = (graph.value(self.input), graph.parameter(self.bias));
        let x = graph.reshape_rows(&x, &[1, inputs]);
        let products = graph.node("MatMul", &[&x, &weights]);
        let products = graph.reshape_rows(&products, &[outputs]);
        let y = graph.node("Add", &[&products, &bias]);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, _values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target() else { return };
        let (dy, mut dx) = deltas.pair((self.output, 0..to.lanes), (self.input, lanes));
        if self.output.width() == 1 {
            let dy = dy.to_slice().expect("one column");
            return kernel::linear_delta_in_turn(dy, &pass.theta[self.weight.range()], start, dx);
        }
        for m in 0..self.members {
            let dx = of_member_mut(&mut dx, m, self.members);
            let weight = self.weight(pass.theta, m).reversed_axes();
            kernel::product(of_member(dy, m, self.members), weight, start, dx);
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        vec![self.weight.range(), self.bias.range()]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        let (inputs, outputs) = (self.input.width(), self.output.width());
        let mut start = Accumulate::Write;
        for chunk in chunks {
            let x = chunk.values.get(self.input);
            let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
            if piece == self.bias.range() {
                kernel::sums_in_turn(dy, None, start, gradient);
            } else if outputs == 1 {
                kernel::linear_gradient_in_turn(x, dy.to_slice().expect("one column"), start, gradient);
            } else {
                for (m, dw) in gradient.chunks_exact_mut(inputs * outputs).enumerate() {
                    let (x, dy) = (of_member(x, m, self.members), of_member(dy, m, self.members));
                    let dw = kernel::matrix_mut(dw, inputs, outputs, outputs);
                    kernel::product(x.reversed_axes(), dy, start, dw);
                }
            }
            start = Accumulate::Add;
        }
    }
}
