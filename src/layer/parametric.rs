//! An activation with a learnt strength for each feature, from the identity (0) to the whole activation (1).
//!
//! D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
//! data", NeurIPS 2024, with Mish for quantities and SELU for classes.
//!
//! ```text
//! forward     d = φ(x) − x              batch × n
//!             y = x + d ∘ α             α: 1 × n, first 1
//!
//! backward    dx = dy ∘ (1 + α ∘ (φ′(x) − 1))        (propagate)
//!             dα = Σ over rows of d ∘ dy             (gradient)
//! ```
//! Why: y is linear in α with factor d; and ∂y/∂x = 1 + α ∂d/∂x with ∂d/∂x = φ′(x) − 1.

use std::ops::Range;

use super::{Activation, BuildContext, BuildLayer, BuiltLayer, Pass, Propagation, Special};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate, SimdLoop};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of an activation with a learnt strength α for each feature, such as parametric Mish:
/// `y = x + α ∘ (φ(x) − x)`.
///
/// `dx = dy ∘ (1 + α ∘ (φ′(x) − 1))`, `dα = Σ over rows of (φ(x) − x) ∘ dy`. The parameter is `strength`, `1 × features`,
/// first 1: then y is φ(x). It follows a dense layer without an activation of its own. Holzmüller et al., 2024.
///
/// ```
/// use polytask::layer::ParametricActivation;
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// let layers = [Layer::dense(16, Activation::Identity), Layer::parametric(Activation::Mish)];
/// let task = Task::regression("elbow");
/// let model = Model::builder(10).trunk(layers).task(task).build::<f64>()?;
/// assert!(model.network().layout().block("trunk.1.strength").is_some());
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
///
/// let half = ParametricActivation::new(Activation::Relu).init(Init::Constant(0.5));
/// let mut model = Model::builder(1).trunk([half]).task(Task::regression("y")).build::<f64>()?;
/// model.parameters_mut()[1..].copy_from_slice(&[1.0, 0.0]); // the head: y as it is
/// assert_eq!(model.predict(array![[4.0], [-4.0]].view())?["y"], array![[4.0], [-2.0]]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct ParametricActivation {
    activation: Activation,
    init: Init,
}

impl ParametricActivation {
    /// The activation, which must not be the identity, with strengths that are 1 at first.
    pub fn new(activation: Activation) -> Self {
        Self { activation, init: Init::Constant(1.0) }
    }

    /// How the strengths, `1 × features`, get their first values. (Default: 1 for each.)
    #[must_use]
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }
}

impl From<ParametricActivation> for super::Layer {
    fn from(parametric: ParametricActivation) -> Self {
        Self::ParametricActivation(parametric)
    }
}

impl<F: Scalar> BuildLayer<F> for ParametricActivation {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        self.activation.check().map_err(|e| e.within(context.name()))?;
        if self.activation == Activation::Identity {
            let (place, expected) = (format!("activation of {}", context.name()), "one that does something");
            return Err(Error::new(ErrorKind::Setting, place, expected, "the identity")
                .advise("leave the layer out, or give it an activation such as Mish"));
        }
        let (input, n) = (context.input(), context.input().width());
        let strength = context.parameter("strength", 1, n, self.init);
        if self.activation == Activation::Relu {
            context.is_special(strength, Special::Strengths);
        }
        let (difference, output) = (context.activations(n), context.activations(n));
        Ok(Box::new(BuiltParametric { activation: self.activation, strength, input, difference, output }))
    }
}

#[derive(Debug)]
struct BuiltParametric {
    activation: Activation,
    /// α.
    strength: Block,
    input: ActivationBlock,
    /// d; among the deltas, φ′(x).
    difference: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltParametric {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, d) = values.padded_pair(self.input, self.difference);
        self.activation.apply(x, d);
        d.iter_mut().zip(x).for_each(|(d, &x)| *d -= x);
        let (x, y) = values.padded_pair(self.input, self.output);
        y.copy_from_slice(x);
        let (d, y) = values.pair((self.difference, 0..1), (self.output, 0..1));
        kernel::scale_columns(d, &pass.theta[self.strength.range()], Accumulate::Add, y);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let (x, strength) = (graph.value(self.input), graph.parameter(self.strength));
        let phi = self.activation.export(graph, x.clone());
        let difference = graph.node("Sub", &[&phi, &x]);
        let part = graph.node("Mul", &[&difference, &strength]);
        let y = graph.node("Add", &[&x, &part]);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target::<F>() else { return };
        let adds = matches!(start, Accumulate::Add);
        let strength = &pass.theta[self.strength.range()];
        self.activation
            .derivatives(values.padded(self.input, 0..1), deltas.padded_mut(self.difference, 0..1));
        for (lane, into) in (0..to.lanes).zip(lanes) {
            let read = [(self.difference, 0..1), (self.output, lane..lane + 1)];
            let ([slopes, dy], [mut dx]) = deltas.split(read, [(self.input, into..into + 1)]);
            for ((slopes, dy), dx) in slopes.rows().into_iter().zip(dy.rows()).zip(dx.rows_mut()) {
                kernel::dispatch(Backward {
                    slopes: slopes.to_slice().expect("row-major"),
                    strength,
                    dy: dy.to_slice().expect("row-major"),
                    adds,
                    dx: dx.into_slice().expect("row-major"),
                });
            }
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        vec![self.strength.range()]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        let mut start = Accumulate::Write;
        for chunk in chunks {
            let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
            kernel::column_products(chunk.values.get(self.difference), dy, start, gradient);
            start = Accumulate::Add;
        }
    }

    fn branches(&self, _pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.activation.kinks(values.get(self.input), record);
    }
}

/// `dx ← dy ∘ (1 + α ∘ (φ′ − 1))` of one row.
struct Backward<'a, F> {
    slopes: &'a [F],
    strength: &'a [F],
    dy: &'a [F],
    adds: bool,
    dx: &'a mut [F],
}

impl<F: Scalar> SimdLoop for Backward<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let entries = self.dx.iter_mut().zip(self.dy).zip(self.slopes).zip(self.strength);
        if self.adds {
            for (((dx, &dy), &slope), &alpha) in entries {
                *dx += dy * (F::ONE + alpha * (slope - F::ONE));
            }
        } else {
            for (((dx, &dy), &slope), &alpha) in entries {
                *dx = dy * (F::ONE + alpha * (slope - F::ONE));
            }
        }
    }
}
