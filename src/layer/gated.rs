//! A gated layer: a linear map whose outputs are multiplied by gates, which a second linear map computes.
//!
//! Y. N. Dauphin, A. Fan, M. Auli and D. Grangier, "Language modeling with gated convolutional networks", ICML 2017,
//! with a sigmoid (GLU); N. Shazeer, "GLU variants improve transformer", arXiv 2002.05202, 2020, with others: SwiGLU
//! has SiLU, GEGLU has GELU, ReGLU has ReLU, and a bilinear layer has none.
//!
//! Both maps are one product, whose first half of columns is the values and whose second half goes through φ:
//!
//! ```text
//! forward     [a | c] = x W + 1 b            batch × 2n, W: in × 2n, b: 1 × 2n
//!             g = φ(c)        y = a ∘ g      batch × n
//!
//! backward    da = dy ∘ g     dc = dy ∘ a ∘ φ′(c)
//!             and, of [da | dc], those of a dense layer:
//!             dx = [da | dc] Wᵀ              (propagate)
//!             dW = xᵀ [da | dc]    db = 1ᵀ [da | dc]    (gradient)
//! ```
//! Why: y[n, j] = a[n, j] φ(c[n, j]) is linear in a with factor g, and a function of c with derivative a φ′(c).

use std::ops::Range;

use ndarray::s;

use super::{Activation, Affine, BuildContext, BuildLayer, BuiltLayer, Dense, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::{Error, ErrorKind, Init, Result, Scalar};

/// Settings of a gated layer, such as GLU and SwiGLU: `y = a ∘ φ(c)`, where `[a | c] = x W + b` has twice as many columns
/// as y.
///
/// ```text
/// da = dy ∘ φ(c)       dc = dy ∘ a ∘ φ′(c)       then as a dense layer, with [da | dc] for dz
/// ```
/// The parameters are `weight` (in × 2·width, the values' columns first, then the gates') and `bias` (1 × 2·width); first
/// values are drawn for the whole matrix. Dauphin et al., 2017; Shazeer, 2020.
///
/// ```
/// use polytask::layer::Gated;
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// let swiglu = Layer::gated(8, Activation::Silu); // GLU: Activation::Sigmoid
/// let task = Task::regression("elbow");
/// let model = Model::builder(10).trunk([swiglu]).task(task).build::<f64>()?;
/// assert_eq!(model.n_parameters(), (10 * 16 + 16) + (8 + 1));
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
///
/// let by_hand = Gated::new(1, Activation::Relu).init(Init::Constant(2.0)).bias_init(Init::Constant(1.0));
/// let mut model = Model::builder(1).trunk([by_hand]).task(Task::regression("y")).build::<f64>()?;
/// model.parameters_mut()[4..].copy_from_slice(&[1.0, 0.0]); // the head: y as it is
/// // x = 3: a = c = 2 · 3 + 1; x = −3: the gate is shut.
/// assert_eq!(model.predict(array![[3.0], [-3.0]].view())?["y"], array![[49.0], [0.0]]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Gated {
    width: usize,
    activation: Activation,
    weight_init: Init,
    bias_init: Init,
}

impl Gated {
    /// A layer of `width` outputs, at least 1, whose gates go through `activation`; Glorot-uniform weights and zero
    /// biases.
    pub fn new(width: usize, activation: Activation) -> Self {
        Self { width, activation, weight_init: Init::GlorotUniform, bias_init: Init::Zeros }
    }

    /// How the weights, `in × 2·width`, get their first values.
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
}

impl From<Gated> for super::Layer {
    fn from(gated: Gated) -> Self {
        Self::Gated(gated)
    }
}

impl<F: Scalar> BuildLayer<F> for Gated {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        if self.width == 0 {
            let place = format!("width of {}", context.name());
            return Err(Error::new(ErrorKind::Setting, place, "at least 1", 0));
        }
        self.activation.check().map_err(|e| e.within(context.name()))?;
        let dense = Dense::new(self.width.saturating_mul(2), Activation::Identity);
        let linear = dense.init(self.weight_init).bias_init(self.bias_init).build(context)?;
        let (gates, output) = (context.activations(self.width), context.activations(self.width));
        Ok(Box::new(BuiltGated { activation: self.activation, linear, gates, output }))
    }
}

#[derive(Debug)]
struct BuiltGated<F> {
    activation: Activation,
    /// [a | c].
    linear: Box<dyn BuiltLayer<F>>,
    /// g.
    gates: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltGated<F> {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.linear.forward(pass, values);
        let (both, n) = (self.linear.output(), self.output.width());
        let (z, mut g) = values.pair((both, 0..1), (self.gates, 0..1));
        g.assign(&z.slice(s![.., n..]));
        self.activation.apply_in_place(values.padded_mut(self.gates, 0..1));
        let ([z, g], [mut y]) = values.split([(both, 0..1), (self.gates, 0..1)], [(self.output, 0..1)]);
        y.assign(&z.slice(s![.., ..n]));
        y *= &g;
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.linear.export(graph)?;
        let (z, n) = (graph.value(self.linear.output()), self.output.width());
        let (a, c) = (graph.columns(&z, 0..n), graph.columns(&z, n..2 * n));
        let g = self.activation.export(graph, c);
        let y = graph.node("Mul", &[&a, &g]);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let (both, n) = (self.linear.output(), self.output.width());
        let (z, g) = (values.get(both), values.get(self.gates));
        for lane in 0..to.lanes {
            let lane = lane..lane + 1;
            let (dy, mut dz) = deltas.pair((self.output, lane.clone()), (both, lane));
            let rows = dy.rows().into_iter().zip(dz.rows_mut()).zip(z.rows()).zip(g.rows());
            for (((dy, dz), z), g) in rows {
                let (z, g) = (z.to_slice().expect("row-major"), g.to_slice().expect("row-major"));
                let (a, c) = z.split_at(n);
                let (da, dc) = dz.into_slice().expect("row-major").split_at_mut(n);
                for (((da, dc), &dy), (&a, &g)) in da.iter_mut().zip(&mut *dc).zip(&dy).zip(a.iter().zip(g)) {
                    (*da, *dc) = (dy * g, dy * a);
                }
                self.activation.multiply_derivative(if self.activation.needs_input() { c } else { g }, dc);
            }
        }
        self.linear.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.linear.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        self.linear.gradient(chunks, lane, piece, gradient);
    }

    fn affine(&self) -> Vec<Affine> {
        self.linear.affine()
    }

    fn branches(&self, _pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        let z = values.get(self.linear.output());
        self.activation.kinks(z.slice(s![.., self.output.width()..]), record);
    }
}
