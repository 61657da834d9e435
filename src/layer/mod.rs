//! Layers, of which trunks and heads are made: forward and backward side by side.
//!
//! A [`Layer`] describes what to build, such as ten ReLU units. Building it gives a [`BuiltLayer`], which knows
//! where its parameters are in the parameter vector θ (as a [`Block`](crate::Block)) and where its inputs and
//! outputs are in the memory for activations (as an [`ActivationBlock`]). It stores only these addresses, never
//! the numbers. So the same built layer works with any θ and on any number of threads, and the gradient checker
//! can call it with a θ that it has moved.
//!
//! A batch is processed in [`Chunk`]s of rows, so that several threads can work on it. The backward pass has
//! two parts, because deltas (derivatives with respect to activations) belong to single rows, and gradients are
//! sums over all rows:
//!
//! ```text
//! propagate   ∂L/∂output → ∂L/∂input, chunk by chunk; leaves in the output's delta what `gradient` reads
//! gradient    ∂L/∂θ of the layer, from the values and deltas of all chunks; writes every entry once
//! ```
//! Both are linear in the delta. Usually the tasks' deltas are added up before they reach the trunk. Where a
//! method needs the gradient of each task, the delta of each task has memory of its own, a *lane*, and
//! `propagate` handles all lanes in one matrix product.
//!
//! To write a layer of your own, implement [`BuildLayer`] for its settings and [`BuiltLayer`] for what they
//! build. This one multiplies each feature by a learned factor:
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

mod activated;
mod activation;
mod batch_ensemble;
mod batch_norm;
mod chain;
mod context;
mod dense;
mod dropout;
mod embedding;
mod feature_maps;
mod gated;
mod layer_norm;
mod lookup;
mod parametric;
mod pass;
mod periodic;
mod piecewise_linear;
mod propagation;
mod residual;
mod scale;

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use activation::Activation;
pub use batch_norm::BatchNorm;
pub use chain::Chain;
pub use context::BuildContext;
pub(crate) use context::{FirstValues, LayerRecord, Layouts, Quantiles, Special};
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gated::Gated;
pub use layer_norm::LayerNorm;
pub use lookup::Lookup;
pub use parametric::ParametricActivation;
pub use pass::{Draw, Mode, Pass};
pub use periodic::Periodic;
pub use piecewise_linear::PiecewiseLinear;
pub use propagation::{InputDelta, Propagation};
pub use residual::Residual;
pub use scale::Scale;

use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::{Result, SavedAs, Scalar};

/// The description of a layer.
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
    /// `y = g ∘ x̂ + b`, where x̂ is x with mean 0 and variance 1 in each column of the batch.
    BatchNorm(BatchNorm),
    /// In training, sets each activation to zero with some probability.
    Dropout(Dropout),
    /// `y = E[i]` for each index i of a category, beside the other features.
    Embedding(Embedding),
    /// `y = a ∘ φ(c)` with `[a | c] = x W + b`.
    Gated(Gated),
    /// `y = g ∘ x̂ + b`, where x̂ is x with mean 0 and variance 1 in each row.
    LayerNorm(LayerNorm),
    /// `y = x + α ∘ (φ(x) − x)`.
    ParametricActivation(ParametricActivation),
    /// `yⱼ = xⱼ lⱼ + [sin 2πcⱼxⱼ | cos 2πcⱼxⱼ] Wⱼ + bⱼ` for each feature xⱼ.
    Periodic(Periodic),
    /// `yⱼ = xⱼ lⱼ + eⱼ Wⱼ + bⱼ`, where eⱼ says how far the feature xⱼ fills each bin.
    PiecewiseLinear(PiecewiseLinear),
    /// `y = x + f(x)`.
    Residual(Residual),
    /// `y = x ∘ s`.
    Scale(Scale),
    /// A layer of your own.
    #[cfg_attr(feature = "persist", serde(with = "crate::registry"))]
    Custom(Arc<dyn CustomLayer>),
}

impl Layer {
    /// A dense layer of `width` units, Glorot-uniform weights and zero biases.
    pub fn dense(width: usize, activation: Activation) -> Self {
        Self::Dense(Dense::new(width, activation))
    }

    /// Batch normalisation: each feature is brought to mean 0 and variance 1 over the batch, then scaled and shifted; in
    /// prediction, by running means and variances.
    pub fn batch_norm() -> Self {
        Self::BatchNorm(BatchNorm::new())
    }

    /// Dropout: in training, each activation of each row is set to zero with probability `p` (at least 0, below
    /// 1), and the others are divided by 1 − p. In prediction, it does nothing.
    pub fn dropout(p: f64) -> Self {
        Self::Dropout(Dropout::new(p))
    }

    /// Embeddings of category columns, each given by its position among the features and its number of categories
    /// ([`Dataset::index_columns`](crate::data::Dataset::index_columns)): each index is replaced by a learnt vector of
    /// `width` numbers. The other features go on as they are, before the vectors.
    pub fn embedding(columns: impl IntoIterator<Item = (usize, usize)>, width: usize) -> Self {
        Self::Embedding(Embedding::new(columns, width))
    }

    /// A gated layer of `width` outputs, values times gates that go through `activation`: GLU with
    /// [`Sigmoid`](Activation::Sigmoid), SwiGLU with [`Silu`](Activation::Silu), GEGLU with [`Gelu`](Activation::Gelu).
    pub fn gated(width: usize, activation: Activation) -> Self {
        Self::Gated(Gated::new(width, activation))
    }

    /// Layer normalisation: each row is brought to mean 0 and variance 1, then scaled and shifted feature by feature.
    pub fn layer_norm() -> Self {
        Self::LayerNorm(LayerNorm::new())
    }

    /// An activation with a learnt strength for each feature, such as parametric [`Mish`](Activation::Mish).
    pub fn parametric(activation: Activation) -> Self {
        Self::ParametricActivation(ParametricActivation::new(activation))
    }

    /// A periodic embedding of each feature in `width` numbers, by `frequencies` sines and as many cosines of learnt
    /// frequencies.
    pub fn periodic(frequencies: usize, width: usize) -> Self {
        Self::Periodic(Periodic::new(frequencies, width))
    }

    /// A piecewise-linear embedding of each feature in `width` numbers, by at most `bins` bins between quantiles of the rows
    /// that the model is first fitted on.
    pub fn piecewise_linear(bins: usize, width: usize) -> Self {
        Self::PiecewiseLinear(PiecewiseLinear::new(bins, width))
    }

    /// A residual block, `y = x + f(x)`, around layers whose output is as wide as x.
    pub fn residual(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self::Residual(Residual::new(layers))
    }

    /// A learnt factor for each feature, first 1.
    pub fn scale() -> Self {
        Self::Scale(Scale::new())
    }

    /// A layer of your own: any type that implements [`BuildLayer`] for `f32` and for `f64`, as in [the
    /// module's example](self). A file can hold it if it has a name: [`BuildLayer::saved_as`].
    pub fn custom(layer: impl CustomLayer + 'static) -> Self {
        Self::Custom(Arc::new(layer))
    }
}

impl Layer {
    /// The kind of layer, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::BatchNorm(_) => "batch norm",
            Self::Dropout(_) => "dropout",
            Self::Embedding(_) => "embedding",
            Self::Gated(_) => "gated",
            Self::LayerNorm(_) => "layer norm",
            Self::ParametricActivation(_) => "parametric",
            Self::Periodic(_) => "periodic",
            Self::PiecewiseLinear(_) => "piecewise linear",
            Self::Residual(_) => "residual",
            Self::Scale(_) => "scale",
            Self::Custom(_) => "custom",
        }
    }
}

/// So that a layer of your own can wrap any of the crate's.
impl<F: Scalar> BuildLayer<F> for Layer {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        match self {
            Self::Dense(dense) => dense.build(context),
            Self::BatchNorm(norm) => norm.build(context),
            Self::Dropout(dropout) => dropout.build(context),
            Self::Embedding(embedding) => embedding.build(context),
            Self::Gated(gated) => gated.build(context),
            Self::LayerNorm(norm) => norm.build(context),
            Self::ParametricActivation(parametric) => parametric.build(context),
            Self::Periodic(periodic) => periodic.build(context),
            Self::PiecewiseLinear(piecewise) => piecewise.build(context),
            Self::Residual(residual) => residual.build(context),
            Self::Scale(scale) => scale.build(context),
            Self::Custom(layer) => {
                let built = layer.build_for(F::NAME, context)?;
                Ok(*built.downcast().expect("build_for builds for the scalar it is given"))
            }
        }
    }
}

/// The affine map of a layer, `Z = X W + 1 bᵀ`, for a batch of B rows: see [`BuiltLayer::affine`].
///
/// With the deltas `Dₖ = ∂Lₖ/∂Z` (B × out) of K tasks, the gradients are `∇ₖ = Xᵀ Dₖ` for W and `1ᵀ Dₖ` for b.
/// Their inner products, the entries of the Gramian, can be computed without forming them:
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
///         let maps: Vec<Affine> = dense.affine();
///         assert!(maps.len() == 1 && maps[0].input == context.input() && maps[0].output == dense.output());
///         assert!(maps[0].has_bias && maps[0].range == (0..2 * 3 + 3)); // x W + b
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
    /// The activations whose deltas are ∂Lₖ/∂Z after `propagate`, B × out.
    pub output: ActivationBlock,
    /// The range of θ that holds W (in × out) and then b, if there is one. It consists of whole
    /// [`pieces`](BuiltLayer::pieces).
    pub range: Range<usize>,
    /// Whether there is a b.
    pub has_bias: bool,
}

/// A built layer: the addresses of its parameters and activations, for one scalar type.
///
/// # Contract
/// 1. `forward` writes the whole output of every row in use.
/// 2. `propagate` leaves in the deltas of the layer's own activations all that `gradient` needs. `gradient` is
///    not given θ, because the optimiser may already be changing it.
/// 3. `gradient` writes every entry of its piece exactly once and sums over the chunks in order, so that the
///    result is the same to the last bit whichever thread computes which piece.
pub trait BuiltLayer<F: Scalar>: Debug + Send + Sync {
    /// Where the layer writes its output.
    fn output(&self) -> ActivationBlock;

    /// Computes the output of a chunk of rows from its input.
    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>);

    /// Adds to a graph what `forward` computes in prediction ([`Graph`](crate::onnx::Graph) has an example).
    ///
    /// # Errors
    /// By default, that the layer cannot be exported.
    #[cfg(feature = "onnx")]
    fn export(&self, _graph: &mut crate::onnx::Graph) -> Result<()> {
        Err(crate::onnx::Graph::lacks(format!("a layer without one: {}", std::any::type_name::<Self>())))
    }

    /// Computes ∂L/∂input of a chunk of rows from ∂L/∂output, and writes or adds it as `to` says
    /// ([`Propagation::target`] or [`Propagation::entrywise`]). `pass` is the one that `forward` was given.
    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation);

    /// The pieces of θ whose gradients can be computed independently, for example on different threads:
    /// adjacent ranges that together cover the layer's parameters, in order. They may depend only on shapes, not
    /// on the number of threads. The default is for a layer without parameters; if a layer has parameters that are
    /// in no piece, building the network panics.
    fn pieces(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// The gradient of one of the [`pieces`](Self::pieces), from one lane of deltas of all chunks. The default is for
    /// a layer without parameters, which is never asked.
    fn gradient(&self, _chunks: &[Chunk<F>], _lane: usize, piece: Range<usize>, _gradient: &mut [F]) {
        panic!("{self:?} has parameters, θ[{piece:?}], but does not implement `BuiltLayer::gradient`");
    }

    /// Updates the layer's [running state](BuildContext::state), such as running means, from what `forward`
    /// computed. It is called after each training step, never by predictions or gradient checks.
    fn update_state(&self, _chunks: &[Chunk<F>], _state: &mut [F]) {}

    /// The [`Affine`] maps whose parameters are the layer's: one for a dense layer, several for a layer made of others.
    /// This is optional: with it, the Gramian of the tasks' gradients is cheaper to compute.
    fn affine(&self) -> Vec<Affine> {
        Vec::new()
    }

    /// The tables whose rows the layer looks up by an index in its input. This is optional: with it, a step of
    /// [`LazyAdam`](crate::optim::LazyAdam) does not touch the other rows, and the Gramian of the tasks' gradients is
    /// cheaper to compute. The gradient of a table must be what its [`Lookup`] says and nothing else: if a table is
    /// looked up in two places, or is not one of the [`pieces`](Self::pieces), building the network panics.
    fn lookups(&self) -> Vec<Lookup> {
        Vec::new()
    }

    /// Reports to the gradient checker, after `forward`, on which side of each kink of the layer the rows of a
    /// chunk are, and how far from it. The default is for a layer without kinks.
    fn branches(&self, _pass: &Pass<'_, F>, _values: &Arena<F>, _record: &mut dyn FnMut(i64, f64)) {}
}

/// Builds a [`BuiltLayer`] from settings. For a layer of your own, implement it for every `F: Scalar`. [The
/// module's example](self) is complete; the book's page *Check your own backward* has another, and shows how
/// the gradient checker reports a mistake in it.
pub trait BuildLayer<F: Scalar> {
    /// Reserves blocks of parameters and activations for the layer in `context`, and returns the layer built on
    /// them.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of the layer is outside its range.
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>>;

    /// The layer's name in a file, from which `Model::load_with` (feature `persist`) makes it again; the page of
    /// `Registry` has an example. By default it has no name: a model with such a layer can only read parameters
    /// from a file (`Model::load_weights`).
    fn saved_as(&self) -> Option<SavedAs> {
        None
    }
}

/// A layer of your own, for `f32` and `f64`. Do not implement this trait yourself: every type that implements
/// [`BuildLayer`] for both has it.
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
    /// Builds the layer for the scalar type of that name: a boxed `Box<dyn BuiltLayer<_>>`.
    #[doc(hidden)]
    fn build_for(&self, scalar: &str, context: &mut BuildContext<'_>) -> Result<Box<dyn Any>>;

    /// What [`BuildLayer::saved_as`] returns.
    #[doc(hidden)]
    fn name_in_files(&self) -> Option<SavedAs>;
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

    fn name_in_files(&self) -> Option<SavedAs> {
        BuildLayer::<f32>::saved_as(self)
    }
}

#[cfg(feature = "persist")]
impl crate::registry::Registered for dyn CustomLayer {
    const SORT: &'static str = "layer";
    const VARIANT: &'static str = "Layer::Custom";

    fn saved_as(&self) -> Option<SavedAs> {
        self.name_in_files()
    }
}

#[cfg(feature = "persist")]
impl crate::Registry {
    /// Adds a kind of layers, which `make` makes from the settings in a file.
    #[must_use]
    pub fn layer<L: CustomLayer + 'static>(
        self,
        kind: &str,
        make: impl Fn(&str) -> Result<L> + Send + Sync + 'static,
    ) -> Self {
        self.with::<dyn CustomLayer>(kind, move |settings| Ok(Arc::new(make(settings)?)))
    }
}
