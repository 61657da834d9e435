//! A learnt factor for each feature.
//!
//! As the first layer it lets a network choose which features count, which helps on tables with many useless ones
//! (D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default", NeurIPS 2024); at the end of the inner layers of
//! a [residual block](super::Residual), first small, it lets the block begin as the identity (H. Touvron et al., "Going
//! deeper with image transformers", ICCV 2021).
//!
//! ```text
//! forward     y = x ∘ s                      batch × n, s: 1 × n
//! backward    dx = dy ∘ s                    (propagate)
//!             ds = Σ over rows of x ∘ dy     (gradient)
//! ```
//! Why: y[n, j] = x[n, j] s[j], so x[n, j] acts with factor s[j], and s[j] acts on every row n with factor x[n, j].

use std::ops::Range;

use super::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate};
use crate::{Block, Init, Result, Scalar};

/// Settings of a layer with one learnt factor per feature: `y = x ∘ s`; `dx = dy ∘ s`, `ds = Σ over rows of x ∘ dy`.
///
/// The parameter is `scale`, `1 × features`.
///
/// ```
/// use polytask::layer::Scale;
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// let builder = Model::builder(2).trunk([Scale::new().init(Init::Constant(3.0))]);
/// let mut model = builder.task(Task::regression("price")).build::<f64>()?;
/// model.parameters_mut()[2..].copy_from_slice(&[1.0, 10.0, 0.0]); // the head: a weight for each feature, a bias
/// assert_eq!(model.predict(array![[1.0, 2.0]].view())?["price"], array![[3.0 + 60.0]]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Scale {
    init: Init,
}

impl Scale {
    /// Factors that are 1 at first.
    pub fn new() -> Self {
        Self { init: Init::Constant(1.0) }
    }

    /// How the factors, `1 × features`, get their first values. (Default: 1 for each.)
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        Self { init }
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Scale> for super::Layer {
    fn from(scale: Scale) -> Self {
        Self::Scale(scale)
    }
}

impl<F: Scalar> BuildLayer<F> for Scale {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        let scale = context.parameter("scale", 1, input.width(), self.init);
        Ok(Box::new(BuiltScale { scale, input, output: context.activations(input.width()) }))
    }
}

#[derive(Debug)]
struct BuiltScale {
    scale: Block,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltScale {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, y) = values.pair((self.input, 0..1), (self.output, 0..1));
        kernel::scale_columns(x, &pass.theta[self.scale.range()], Accumulate::Write, y);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let (x, scale) = (graph.value(self.input), graph.parameter(self.scale));
        let y = graph.node("Mul", &[&x, &scale]);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, _values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target() else { return };
        let (dy, dx) = deltas.pair((self.output, 0..to.lanes), (self.input, lanes));
        kernel::scale_columns(dy, &pass.theta[self.scale.range()], start, dx);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        vec![self.scale.range()]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        let mut start = Accumulate::Write;
        for chunk in chunks {
            let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
            kernel::column_products(chunk.values.get(self.input), dy, start, gradient);
            start = Accumulate::Add;
        }
    }
}
