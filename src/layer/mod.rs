//! Layers: the pieces a trunk or a head is made of, forward and backward side by side.
//!
//! A [`Layer`] is a setting: what to build. A [`BuiltLayer`] knows where its parameters lie in θ (blocks) and
//! where its activations lie in a chunk (activation blocks), and holds no numbers itself. So one built layer serves any θ, any
//! number of threads, and the gradient checker.
//!
//! Backward is in two steps, because deltas flow through the rows of a batch and gradients sum over them:
//!
//! ```text
//! propagate   ∂L/∂output → ∂L/∂input, chunk by chunk; leaves in the output's delta what `gradient` reads
//! gradient    ∂L/∂θ of the layer, from values and deltas of all chunks; writes every entry once
//! ```
//! Both are linear in the delta. With one delta lane per task, `propagate` moves all of them in one product.
//!
//! A layer of your own is settings ([`BuildLayer`]) and what they build. Here each feature is multiplied by a
//! factor:
//!
//! ```
//! use std::ops::Range;
//!
//! use polytask::arena::{ActivationBlock, Arena, Chunk};
//! use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
//! use polytask::prelude::*;
//! use polytask::{Block, Result, Scalar};
//!
//! /// `y = x ∘ s`; `dx = dy ∘ s`, `ds = Σ over rows of x ∘ dy`.
//! #[derive(Clone, Debug)]
//! struct Scale;
//!
//! #[derive(Debug)]
//! struct BuiltScale { factors: Block, input: ActivationBlock, output: ActivationBlock }
//!
//! impl<F: Scalar> BuildLayer<F> for Scale {
//!     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
//!         let (input, output) = (context.input(), context.activations(context.input().width()));
//!         let factors = context.parameter("factors", 1, input.width(), Init::Constant(1.5));
//!         Ok(Box::new(BuiltScale { factors, input, output }))
//!     }
//! }
//!
//! impl<F: Scalar> BuiltLayer<F> for BuiltScale {
//!     fn output(&self) -> ActivationBlock { self.output }
//!
//!     fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
//!         let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
//!         y.assign(&x);
//!         y *= &self.factors.of(pass.theta);
//!     }
//!
//!     fn propagate(&self, pass: &Pass<'_, F>, _: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
//!         let factors = self.factors.of(pass.theta);
//!         to.entrywise(deltas, self.output, self.input, |_row, column, dy| dy * factors[[0, column]]);
//!     }
//!
//!     fn pieces(&self) -> Vec<Range<usize>> { vec![self.factors.range()] }
//!
//!     fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _: Range<usize>, gradient: &mut [F]) {
//!         gradient.fill(F::ZERO);
//!         for chunk in chunks {
//!             let x = chunk.values.get(self.input);
//!             let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
//!             let sums = (&x * &dy).sum_axis(ndarray::Axis(0));
//!             gradient.iter_mut().zip(&sums).for_each(|(to, &sum)| *to += sum);
//!         }
//!     }
//! }
//!
//! let data = datasets::robot_arm::<f64>(7, 0.05, 1);
//! let layers = [Layer::custom(Scale), Layer::dense(4, Activation::Tanh)];
//! let model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
//! assert_eq!(model.network().layout().name_of(3), "trunk.0.factors[3]");
//! let checks = model.check_gradients(&data.all())?;
//! assert!(checks.passed(), "{checks}");
//! # Ok::<(), polytask::Error>(())
//! ```

mod activation;
mod chain;
mod context;
mod dense;
mod dropout;
mod pass;
mod propagation;

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use activation::Activation;
pub use chain::Chain;
pub use context::BuildContext;
pub(crate) use context::Layouts;
pub use dense::Dense;
pub use dropout::Dropout;
pub use pass::{Draw, Mode, Pass};
pub use propagation::{InputDelta, Propagation};

use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::{Result, Scalar};

/// A layer to build.
///
/// ```
/// use polytask::{Activation, Init, Layer, layer::Dense};
///
/// let plain = Layer::dense(10, Activation::Relu);
/// let tuned = Layer::from(Dense::new(10, Activation::Relu).init(Init::HeNormal));
/// assert_ne!(format!("{plain:?}"), format!("{tuned:?}"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Layer {
    /// `y = φ(x W + b)`.
    Dense(Dense),
    /// In training, each number is zero with some probability.
    Dropout(Dropout),
    /// A layer of your own.
    #[cfg_attr(feature = "persist", serde(skip))]
    Custom(Arc<dyn CustomLayer>),
}

impl Layer {
    /// A dense layer of `width` units, Glorot-uniform weights and zero biases.
    pub fn dense(width: usize, activation: Activation) -> Self {
        Self::Dense(Dense::new(width, activation))
    }

    /// Dropout: in training each number of each row is zero with probability `p`, at least 0 and below 1, and the others
    /// are divided by 1 − p; nothing happens in prediction.
    pub fn dropout(p: f64) -> Self {
        Self::Dropout(Dropout::new(p))
    }

    /// A layer of your own: whatever implements [`BuildLayer`] for both scalars, as in [the module's
    /// example](self). A file cannot hold it.
    pub fn custom(layer: impl CustomLayer + 'static) -> Self {
        Self::Custom(Arc::new(layer))
    }

    pub(crate) fn build<F: Scalar>(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        match self {
            Self::Dense(dense) => BuildLayer::<F>::build(dense, context),
            Self::Dropout(dropout) => BuildLayer::<F>::build(dropout, context),
            Self::Custom(layer) => {
                let built = layer.build_for(F::NAME, context)?;
                Ok(*built.downcast().expect("build_for builds for the scalar it is given"))
            }
        }
    }
}

/// An affine map inside a layer, `Z = X W + 1 bᵀ`, for a batch of B rows.
///
/// With the deltas `Dₖ = ∂Lₖ/∂Z` (B × out) of K tasks, the gradients are `∇ₖ = Xᵀ Dₖ` for W and `1ᵀ Dₖ` for b, and
/// their inner products need no gradient at all:
///
/// ```text
/// ⟨∇ₖ, ∇ₗ⟩ = ⟨Xᵀ Dₖ, Xᵀ Dₗ⟩ + ⟨1ᵀ Dₖ, 1ᵀ Dₗ⟩ = ⟨(X Xᵀ + 1 1ᵀ) Dₗ, Dₖ⟩
/// ```
///
/// ```
/// use polytask::layer::{Affine, BuildContext, BuildLayer, BuiltLayer, Dense};
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// #[derive(Debug)]
/// struct Inspected;
///
/// impl<F: Scalar> BuildLayer<F> for Inspected {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         let dense: Box<dyn BuiltLayer<F>> = Dense::new(3, Activation::Tanh).build(context)?;
///         let Affine { input, output, range, has_bias } = dense.affine().expect("x W + b");
///         assert!(input == context.input() && output == dense.output() && has_bias);
///         assert_eq!(range, 0..2 * 3 + 3);
///         Ok(dense)
///     }
/// }
/// Model::builder(2).trunk([Layer::custom(Inspected)]).task(Task::regression("price")).build::<f64>()?;
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// X, B × in.
    pub input: ActivationBlock,
    /// Whose deltas are ∂Lₖ/∂Z after `propagate`, B × out.
    pub output: ActivationBlock,
    /// Where W (in × out) and behind it b, if there is one, lie in θ: whole [`pieces`](BuiltLayer::pieces).
    pub range: Range<usize>,
    /// Whether there is a b.
    pub has_bias: bool,
}

/// A layer with its addresses, over one scalar type.
///
/// # Contract
/// 1. `forward` writes every number of the output that belongs to a row in use.
/// 2. After `propagate`, the deltas of the layer's own activations are what `gradient` reads; it does not see θ,
///    which may be changing by then.
/// 3. `gradient` writes every entry of its piece, once, and sums chunks in order, so that the bits do not
///    depend on who computes which piece.
pub trait BuiltLayer<F: Scalar>: Debug + Send + Sync {
    /// The activations that the layer writes.
    fn output(&self) -> ActivationBlock;

    /// Computes the output of the rows of a chunk from its input.
    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>);

    /// Computes ∂L/∂input of the rows of a chunk from ∂L/∂output, and sends it where `to` says
    /// ([`Propagation::target`] or [`Propagation::entrywise`]). The pass is that of `forward`.
    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation);

    /// The pieces of θ whose gradients can be computed apart: neighbouring ranges that cover the layer's
    /// parameters. Their size depends on shapes alone.
    fn pieces(&self) -> Vec<Range<usize>>;

    /// The gradient of one of the [`pieces`](Self::pieces), from one lane of deltas of all chunks.
    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]);

    /// Updates the layer's [running state](BuildContext::state) from what `forward` computed, after a training step has
    /// been taken. Predictions and gradient checks never call it.
    fn update_state(&self, _chunks: &[Chunk<F>], _state: &mut [F]) {}

    /// Where the layer's matrices lie, if its parameters are those of an affine map. This is optional: it saves work
    /// where the tasks' gradients are compared.
    fn affine(&self) -> Option<Affine> {
        None
    }

    /// Reports which side of each of the layer's kinks the rows of a chunk are on, with the distance to the
    /// kink, after `forward`. The default reports none.
    fn branches(&self, _pass: &Pass<'_, F>, _values: &Arena<F>, _record: &mut dyn FnMut(i64, f64)) {}
}

/// What makes a [`BuiltLayer`]; implement it over every `F: Scalar` for a layer of your own. [The
/// module](self) has one in full, and so has the book's page *Check your own backward*, with what a mistake
/// looks like.
pub trait BuildLayer<F: Scalar> {
    /// Takes the addresses that the layer needs.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of the layer is outside its range.
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>>;
}

/// A layer of your own, for either scalar. You do not implement this trait: whatever implements
/// [`BuildLayer`] for `f32` and for `f64` has it.
///
/// ```
/// use polytask::layer::{CustomLayer, Dense};
/// use polytask::prelude::*;
///
/// fn model(layer: impl CustomLayer + 'static) -> polytask::Result<Model<f32>> {
///     Model::builder(3).trunk([Layer::custom(layer)]).task(Task::regression("price")).build()
/// }
/// let own = model(Dense::new(4, Activation::Relu))?; // it implements `BuildLayer` as yours would
/// let plain = Model::builder(3).trunk([Layer::dense(4, Activation::Relu)]).task(Task::regression("price"));
/// assert_eq!(own.parameters(), plain.build::<f32>()?.parameters());
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait CustomLayer: Debug + Send + Sync {
    /// Builds for the scalar of that name, as a `Box<dyn BuiltLayer<_>>` in a box.
    #[doc(hidden)]
    fn build_for(&self, scalar: &str, context: &mut BuildContext<'_>) -> Result<Box<dyn Any>>;
}

impl<T> CustomLayer for T
where
    T: BuildLayer<f32> + BuildLayer<f64> + Debug + Send + Sync,
{
    fn build_for(&self, scalar: &str, context: &mut BuildContext<'_>) -> Result<Box<dyn Any>> {
        Ok(match scalar {
            "f32" => Box::new(BuildLayer::<f32>::build(self, context)?),
            _ => Box::new(BuildLayer::<f64>::build(self, context)?),
        })
    }
}
