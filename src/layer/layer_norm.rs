//! Layer normalisation: each row is brought to mean 0 and variance 1, then scaled and shifted feature by feature.
//!
//! J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv 1607.06450, 2016.
//!
//! For a row of n numbers, with a scale g and a bias b of n numbers each:
//!
//! ```text
//! forward     μ = Σⱼ xⱼ / n        v = Σⱼ (xⱼ − μ)² / n         of the row; v is the biased variance
//!             r = 1 / √(v + ε)
//!             x̂ = r (x − μ)        y = g ∘ x̂ + b                batch × n
//!
//! backward    dx̂ = g ∘ dy
//!             dx = r (dx̂ − mean(dx̂) − x̂ mean(dx̂ ∘ x̂))         (propagate; means over the row)
//!             dg = Σ over rows of dy ∘ x̂     db = 1ᵀ dy         (gradient)
//! ```
//! Why: xⱼ acts on x̂ᵢ directly, through μ, and through r. ∂μ/∂xⱼ = 1/n, so the second way subtracts the mean of dx̂
//! from each entry. ∂v/∂xⱼ = 2 (xⱼ − μ)/n, since the sum of the x − μ is 0, and ∂r/∂v = −r³/2, so ∂r/∂xⱼ = −r² x̂ⱼ/n;
//! with x̂ᵢ = r (xᵢ − μ) the third way contributes Σᵢ dx̂ᵢ (xᵢ − μ) · (−r² x̂ⱼ/n) = −r x̂ⱼ mean(dx̂ ∘ x̂).

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate, SimdLoop};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of layer normalisation: `y = g ∘ (x − μ) / √(v + ε) + b`, with the mean μ and the biased variance v of the
/// row.
///
/// The parameters are `scale` (g, first 1) and `bias` (b, first 0), `1 × features` each. Rows do not depend on one
/// another, so training and prediction compute the same. Ba et al., 2016.
///
/// ```
/// use polytask::layer::{Dense, LayerNorm};
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// let layers = [Layer::layer_norm(), Layer::dense(2, Activation::Identity)];
/// let mut model = Model::builder(4).trunk(layers).task(Task::regression("price")).build::<f64>()?;
/// let layout = model.network().layout();
/// assert_eq!(layout.block("trunk.0.scale").map(|scale| scale.shape()), Some((1, 4)));
///
/// // A row and ten times the row are the same to it, up to ε.
/// let predicted = model.predict(array![[1.0, 2.0, 3.0, 6.0], [10.0, 20.0, 30.0, 60.0]].view())?;
/// assert!((predicted["price"][[0, 0]] - predicted["price"][[1, 0]]).abs() < 1e-5);
///
/// let none = Model::builder(1).trunk([LayerNorm::new()]).task(Task::regression("price"));
/// assert!(none.build::<f64>().is_err()); // one number is its own mean
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct LayerNorm {
    epsilon: f64,
}

impl LayerNorm {
    /// Layer normalisation with ε = 1e-5, as in PyTorch.
    pub fn new() -> Self {
        Self { epsilon: 1e-5 }
    }

    /// ε, which is added to the variance; positive. (Default: 1e-5.)
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon }
    }
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl From<LayerNorm> for super::Layer {
    fn from(norm: LayerNorm) -> Self {
        Self::LayerNorm(norm)
    }
}

/// Fails unless ε is a positive number of type F.
pub(super) fn check_epsilon<F: Scalar>(epsilon: f64, context: &BuildContext<'_>) -> Result<()> {
    let rounded = F::from_f64(epsilon);
    match rounded > F::ZERO && rounded.is_finite() {
        true => Ok(()),
        false => {
            let place = format!("epsilon of {}", context.name());
            let expected = format!("a positive number within the range of {}", F::NAME);
            Err(Error::new(ErrorKind::Setting, place, expected, epsilon))
        }
    }
}

impl<F: Scalar> BuildLayer<F> for LayerNorm {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        check_epsilon::<F>(self.epsilon, context)?;
        let (input, n) = (context.input(), context.input().width());
        if n < 2 {
            let place = format!("features that {} normalises", context.name());
            return Err(Error::new(ErrorKind::Setting, place, "at least 2 in a row", n)
                .advise("one number is its own mean: leave the layer out"));
        }
        let scale = context.parameter("scale", 1, n, Init::Constant(1.0));
        let bias = context.parameter("bias", 1, n, Init::Zeros);
        let (normalized, rate) = (context.activations(n), context.activations(1));
        let output = context.activations(n);
        Ok(Box::new(BuiltLayerNorm { epsilon: self.epsilon, scale, bias, input, normalized, rate, output }))
    }
}

#[derive(Debug)]
struct BuiltLayerNorm {
    epsilon: f64,
    scale: Block,
    bias: Block,
    input: ActivationBlock,
    /// x̂.
    normalized: ActivationBlock,
    /// r, one number per row.
    rate: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltLayerNorm {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let write = [(self.normalized, 0..1), (self.rate, 0..1), (self.output, 0..1)];
        let ([x], [normalized, rates, y]) = values.split([(self.input, 0..1)], write);
        let (scale, bias) = (&pass.theta[self.scale.range()], &pass.theta[self.bias.range()]);
        kernel::dispatch(Forward { x, epsilon: self.epsilon, scale, bias, normalized, rates, y });
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let x = graph.value(self.input);
        let over_row: [(&str, &[i64]); 2] = [("axes", &[-1]), ("keepdims", &[1])];
        let mean = graph.node_with("ReduceMean", &[&x], &over_row);
        let centred = graph.node("Sub", &[&x, &mean]);
        let squares = graph.node("Mul", &[&centred, &centred]);
        let variance = graph.node_with("ReduceMean", &[&squares], &over_row);
        let normalized = graph.over_deviation(&centred, &variance, self.epsilon);
        let (scale, bias) = (graph.parameter(self.scale), graph.parameter(self.bias));
        let y = graph.scale_and_shift(&normalized, &scale, &bias);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target::<F>() else { return };
        let adds = matches!(start, Accumulate::Add);
        let scale = &pass.theta[self.scale.range()];
        for (lane, into) in (0..to.lanes).zip(lanes) {
            let (dy, dx) = deltas.pair((self.output, lane..lane + 1), (self.input, into..into + 1));
            let (normalized, rates) = (values.get(self.normalized), values.get(self.rate));
            kernel::dispatch(Backward { dy, scale, normalized, rates, adds, dx });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        let all = self.scale.range().start..self.bias.range().end;
        vec![all]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        let (d_scale, d_bias) = gradient.split_at_mut(self.scale.len());
        let mut start = Accumulate::Write;
        for chunk in chunks {
            let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
            kernel::column_products(chunk.values.get(self.normalized), dy, start, d_scale);
            kernel::column_sums(dy, start, d_bias);
            start = Accumulate::Add;
        }
    }
}

struct Forward<'a, F> {
    x: ArrayView2<'a, F>,
    epsilon: f64,
    scale: &'a [F],
    bias: &'a [F],
    normalized: ArrayViewMut2<'a, F>,
    rates: ArrayViewMut2<'a, F>,
    y: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Forward<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let (n, epsilon) = (F::from_f64(self.x.ncols() as f64), F::from_f64(self.epsilon));
        let rows = self.x.rows().into_iter().zip(self.normalized.rows_mut()).zip(self.y.rows_mut());
        for (((x, normalized), y), r) in rows.zip(self.rates.iter_mut()) {
            let x = x.to_slice().expect("row-major");
            let (normalized, y) = (normalized.into_slice().expect("row-major"), y.into_slice());
            let y = y.expect("row-major");
            let mean = kernel::sum(x) / n;
            for (to, &x) in normalized.iter_mut().zip(x) {
                *to = x - mean;
            }
            let variance = kernel::dot(normalized, normalized) / n;
            *r = F::ONE / (variance + epsilon).sqrt();
            for (((y, to), &g), &b) in y.iter_mut().zip(normalized).zip(self.scale).zip(self.bias) {
                *to *= *r;
                *y = g * *to + b;
            }
        }
    }
}

struct Backward<'a, F> {
    dy: ArrayView2<'a, F>,
    scale: &'a [F],
    normalized: ArrayView2<'a, F>,
    rates: ArrayView2<'a, F>,
    adds: bool,
    dx: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Backward<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let n = F::from_f64(self.dy.ncols() as f64);
        let rows = self.dy.rows().into_iter().zip(self.normalized.rows()).zip(self.dx.rows_mut());
        for (((dy, normalized), dx), &r) in rows.zip(&self.rates) {
            let (dy, normalized) = (dy.to_slice(), normalized.to_slice());
            let (dy, normalized) = (dy.expect("row-major"), normalized.expect("row-major"));
            let dx = dx.into_slice().expect("row-major");
            let mean = kernel::dot(dy, self.scale) / n;
            let along = kernel::dot_of_three(dy, self.scale, normalized) / n;
            let entries = dx.iter_mut().zip(dy).zip(self.scale).zip(normalized);
            if self.adds {
                for (((dx, &dy), &g), &x) in entries {
                    *dx += r * (g * dy - mean - x * along);
                }
            } else {
                for (((dx, &dy), &g), &x) in entries {
                    *dx = r * (g * dy - mean - x * along);
                }
            }
        }
    }
}
