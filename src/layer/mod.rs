//! Layers: the pieces a trunk or a head is made of, forward and backward side by side.
//!
//! A [`Layer`] is a setting: what to build. A [`BuiltLayer`] knows where its parameters lie in θ (blocks) and
//! where its activations lie in a chunk (slots), and holds no numbers itself. So one built layer serves any θ, any
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
//! use polytask::layer::{BuildLayer, BuiltLayer, Flow, Into, Mode, Site};
//! use polytask::prelude::*;
//! use polytask::trace::{Arena, Chunk, Slot};
//! use polytask::{Block, Result, Scalar};
//!
//! /// `y = x ∘ s`; `dx = dy ∘ s`, `ds = Σ over rows of x ∘ dy`.
//! #[derive(Clone, Debug)]
//! struct Scale;
//!
//! #[derive(Debug)]
//! struct BuiltScale { factors: Block, input: Slot, output: Slot }
//!
//! impl<F: Scalar> BuildLayer<F> for Scale {
//!     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
//!         let (input, output) = (site.input(), site.slot(site.input().width()));
//!         let factors = site.parameter("factors", 1, input.width(), Init::Constant(1.5));
//!         Ok(Box::new(BuiltScale { factors, input, output }))
//!     }
//! }
//!
//! impl<F: Scalar> BuiltLayer<F> for BuiltScale {
//!     fn output(&self) -> Slot { self.output }
//!
//!     fn forward(&self, theta: &[F], _: Mode, values: &mut Arena<F>) {
//!         let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
//!         y.assign(&x);
//!         y *= &self.factors.of(theta);
//!     }
//!
//!     fn propagate(&self, theta: &[F], _: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
//!         let (first, adds) = match flow.into {
//!             Into::Nowhere => return,
//!             Into::Set(lane) => (lane, false),
//!             Into::Add(lane) => (lane, true),
//!         };
//!         let lanes = first..first + flow.lanes;
//!         let (dy, mut dx) = deltas.pair((self.output, 0..flow.lanes), (self.input, lanes));
//!         let through = &dy * &self.factors.of(theta);
//!         dx.zip_mut_with(&through, |dx, &d| *dx = if adds { *dx + d } else { d });
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
mod dense;

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use activation::Activation;
pub use chain::Chain;
pub use dense::Dense;

use crate::trace::{Arena, Chunk, Plan, Slot};
use crate::{Block, Error, ErrorKind, Init, Layout, Result, Scalar};

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
    /// A layer of your own.
    #[cfg_attr(feature = "persist", serde(skip))]
    Custom(Arc<dyn CustomLayer>),
}

impl Layer {
    /// A dense layer of `width` units, Glorot-uniform weights and zero biases.
    pub fn dense(width: usize, activation: Activation) -> Self {
        Self::Dense(Dense::new(width, activation))
    }

    /// A layer of your own: whatever implements [`BuildLayer`] for both scalars, as in [the module's
    /// example](self). A file cannot hold it.
    pub fn custom(layer: impl CustomLayer + 'static) -> Self {
        Self::Custom(Arc::new(layer))
    }

    pub(crate) fn build<F: Scalar>(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        match self {
            Self::Dense(dense) => BuildLayer::<F>::build(dense, site),
            Self::Custom(layer) => {
                let built = layer.build_for(F::NAME, site)?;
                Ok(*built.downcast().expect("build_for builds for the scalar it is given"))
            }
        }
    }
}

/// Where a layer is being built: it takes the addresses it needs.
///
/// ```
/// use polytask::layer::{BuildLayer, BuiltLayer, Dense, Site};
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// /// A dense layer half as wide as what it reads.
/// #[derive(Debug)]
/// struct Half;
///
/// impl<F: Scalar> BuildLayer<F> for Half {
///     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         assert!(site.name().starts_with("trunk."));
///         let dense = Dense::new(site.input().width() / 2, Activation::Relu);
///         site.named("half", |site| dense.build(site))
///     }
/// }
///
/// let layers = [Layer::custom(Half), Layer::custom(Half)];
/// let model = Model::builder(8).trunk(layers).task(Task::regression("price")).build::<f64>()?;
/// let block = model.network().layout().block("trunk.1.half.weight").expect("of the second");
/// assert_eq!(block.shape(), (4, 2));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Site<'a> {
    pub(crate) layout: &'a mut Layout,
    pub(crate) plan: &'a mut Plan,
    pub(crate) inits: &'a mut Vec<(Block, Init)>,
    /// What the names of the layer's parameters begin with, such as `trunk.0`.
    pub(crate) name: String,
    pub(crate) input: Slot,
    /// How many parameters the network may have.
    pub(crate) most_parameters: usize,
}

impl Site<'_> {
    /// The slot that the layer reads.
    pub fn input(&self) -> Slot {
        self.input
    }

    /// Where the layer is, for messages: `trunk.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new block of parameters, `rows × cols`, named `<layer>.<name>`.
    ///
    /// The blocks of a layer are neighbours in θ, in the order in which they are taken.
    ///
    /// # Panics
    /// If the layer has a block of that name.
    pub fn parameter(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let block = self.layout.push(format!("{}.{name}", self.name), rows, cols);
        self.inits.push((block, init));
        block
    }

    /// Says that the parameters taken so far are shared by all tasks, and those to come are not: a
    /// [sharing form](crate::sharing::BuiltSharing) says it once, a layer never.
    ///
    /// ```
    /// use polytask::layer::{Mode, Site};
    /// use polytask::prelude::*;
    /// use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
    /// use polytask::trace::{Arena, Chunk, Slot};
    /// use polytask::{Result, Scalar};
    ///
    /// /// The heads read the features themselves, and nothing is shared.
    /// #[derive(Debug)]
    /// struct Raw;
    /// #[derive(Debug)]
    /// struct BuiltRaw(Slot);
    ///
    /// impl<F: Scalar> BuildSharing<F> for Raw {
    ///     fn build(&self, _: &[&str], site: &mut Site<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
    ///         site.end_shared();
    ///         Ok(Box::new(BuiltRaw(site.input())))
    ///     }
    /// }
    /// # impl<F: Scalar> BuiltSharing<F> for BuiltRaw {
    /// #     fn representation(&self, _: usize) -> Representation {
    /// #         Representation { slot: self.0, is_shared: true }
    /// #     }
    /// #     fn forward(&self, _: &[F], _: Mode, _: &mut Arena<F>) {}
    /// #     fn propagate(&self, _: &[F], _: &Arena<F>, _: &mut Arena<F>, _: usize, _: bool) {}
    /// #     fn pieces(&self) -> Vec<Piece> { Vec::new() }
    /// #     fn gradient(&self, _: &[Chunk<F>], _: usize, _: &Piece, _: &mut [F]) {}
    /// # }
    ///
    /// let builder = Model::builder(10).sharing(Sharing::custom(Raw)).task(Task::regression("elbow"));
    /// let model = builder.build::<f64>()?;
    /// assert_eq!((model.network().layout().n_shared(), model.n_parameters()), (0, 11));
    /// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
    /// assert!(checks.passed(), "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If it was said before.
    pub fn end_shared(&mut self) {
        self.layout.end_shared();
    }

    /// Builds something whose names begin with this site's name and `name`, from this site's input:
    /// `trunk.0.half.weight`.
    pub fn named<T>(&mut self, name: &str, build: impl FnOnce(&mut Site<'_>) -> T) -> T {
        let name = if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) };
        build(&mut self.renamed(name, self.input))
    }

    /// The same site with another input: what a second part reads of the first, as in [`Chain::build`].
    ///
    /// ```
    /// use std::ops::Range;
    ///
    /// use polytask::layer::{BuildLayer, BuiltLayer, Dense, Flow, Into, Mode, Site};
    /// use polytask::prelude::*;
    /// use polytask::trace::{Arena, Chunk, Slot};
    /// use polytask::{Result, Scalar};
    ///
    /// /// Two dense layers, the second of which reads the first.
    /// #[derive(Debug)]
    /// struct Pair(Dense, Dense);
    /// #[derive(Debug)]
    /// struct BuiltPair<F>(Box<dyn BuiltLayer<F>>, Box<dyn BuiltLayer<F>>);
    ///
    /// impl<F: Scalar> BuildLayer<F> for Pair {
    ///     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
    ///         let first: Box<dyn BuiltLayer<F>> = site.named("first", |site| self.0.build(site))?;
    ///         let between = first.output();
    ///         let second = site.reading(between, |site| site.named("second", |site| self.1.build(site)))?;
    ///         Ok(Box::new(BuiltPair(first, second)))
    ///     }
    /// }
    /// # impl<F: Scalar> BuiltLayer<F> for BuiltPair<F> {
    /// #     fn output(&self) -> Slot { self.1.output() }
    /// #     fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
    /// #         self.0.forward(theta, mode, values);
    /// #         self.1.forward(theta, mode, values);
    /// #     }
    /// #     fn propagate(&self, theta: &[F], values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
    /// #         self.1.propagate(theta, values, deltas, &Flow { lanes: flow.lanes, into: Into::Set(0) });
    /// #         self.0.propagate(theta, values, deltas, flow);
    /// #     }
    /// #     fn pieces(&self) -> Vec<Range<usize>> { [self.0.pieces(), self.1.pieces()].concat() }
    /// #     fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
    /// #         let layer = if self.0.pieces().contains(&piece) { &self.0 } else { &self.1 };
    /// #         layer.gradient(chunks, lane, piece, gradient);
    /// #     }
    /// # }
    ///
    /// let pair = Pair(Dense::new(5, Activation::Tanh), Dense::new(3, Activation::Tanh));
    /// let builder = Model::builder(10).trunk([Layer::custom(pair)]).task(Task::regression("elbow"));
    /// let model = builder.build::<f64>()?;
    /// let block = model.network().layout().block("trunk.0.second.weight").expect("of the second");
    /// assert_eq!(block.shape(), (5, 3));
    /// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
    /// assert!(checks.passed(), "{checks}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn reading<T>(&mut self, input: Slot, build: impl FnOnce(&mut Site<'_>) -> T) -> T {
        let name = self.name.clone();
        build(&mut self.renamed(name, input))
    }

    fn renamed(&mut self, name: String, input: Slot) -> Site<'_> {
        let most_parameters = self.most_parameters;
        Site { layout: self.layout, plan: self.plan, inits: self.inits, name, input, most_parameters }
    }

    /// Fails once more parameters have been taken than the network may have.
    pub(crate) fn check_size(&self) -> Result<()> {
        match self.layout.len() <= self.most_parameters {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Setting,
                format!("parameters up to {}", self.name),
                format!("at most {}", self.most_parameters),
                self.layout.len(),
            )),
        }
    }

    /// A new slot for `width` numbers per example: the layer's output, or something kept for backward.
    pub fn slot(&mut self, width: usize) -> Slot {
        self.plan.slot(width)
    }
}

/// What a pass through the network is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// To learn from.
    Train,
    /// To predict or to evaluate: nothing random.
    #[default]
    Predict,
}

/// Which deltas a layer propagates, and where to.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Lanes of the output's delta, counted from 0: one, or one per task.
    pub lanes: usize,
    /// What becomes of the input's delta.
    pub into: Into,
}

/// What becomes of the delta of a layer's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// Nobody asks for it.
    Nowhere,
    /// It overwrites the lanes from this one on.
    Set(usize),
    /// It is added to the lanes from this one on: another layer reads the same input.
    Add(usize),
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
/// use polytask::layer::{Affine, BuildLayer, BuiltLayer, Dense, Site};
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// #[derive(Debug)]
/// struct Inspected;
///
/// impl<F: Scalar> BuildLayer<F> for Inspected {
///     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         let dense: Box<dyn BuiltLayer<F>> = Dense::new(3, Activation::Tanh).build(site)?;
///         let Affine { input, output, range, has_bias } = dense.affine().expect("x W + b");
///         assert!(input == site.input() && output == dense.output() && has_bias);
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
    pub input: Slot,
    /// Whose deltas are ∂Lₖ/∂Z after `propagate`, B × out.
    pub output: Slot,
    /// Where W (in × out) and behind it b, if there is one, lie in θ: whole [`pieces`](BuiltLayer::pieces).
    pub range: Range<usize>,
    /// Whether there is a b.
    pub has_bias: bool,
}

/// A layer with its addresses, over one scalar type.
///
/// # Contract
/// 1. `forward` writes every number of the output slot that belongs to a row in use.
/// 2. After `propagate`, the deltas of the layer's own slots are what `gradient` reads; it does not see θ,
///    which may be changing by then.
/// 3. `gradient` writes every entry of its piece, once, and sums chunks in order, so that the bits do not
///    depend on who computes which piece.
pub trait BuiltLayer<F: Scalar>: Debug + Send + Sync {
    /// The slot that the layer writes.
    fn output(&self) -> Slot;

    /// Computes the output of the rows of a chunk from its input.
    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>);

    /// Computes ∂L/∂input of the rows of a chunk from ∂L/∂output.
    fn propagate(&self, theta: &[F], values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow);

    /// The pieces of θ whose gradients can be computed apart: neighbouring ranges that cover the layer's
    /// parameters. Their size depends on shapes alone.
    fn pieces(&self) -> Vec<Range<usize>>;

    /// The gradient of one of the [`pieces`](Self::pieces), from one lane of deltas of all chunks.
    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]);

    /// Where the layer's matrices lie, if its parameters are those of an affine map. What is said here saves work
    /// where the tasks' gradients are compared; nothing needs to be said.
    fn affine(&self) -> Option<Affine> {
        None
    }

    /// Reports which side of each of the layer's kinks the rows of a chunk are on, with the distance to the
    /// kink, after `forward`. A layer without kinks has nothing to report.
    fn branches(&self, _theta: &[F], _values: &Arena<F>, _record: &mut dyn FnMut(i64, f64)) {}
}

/// What makes a [`BuiltLayer`]; implement it over every `F: Scalar` for a layer of your own. [The
/// module](self) has one in full, and so has the book's page *Check your own backward*, with what a mistake
/// looks like.
pub trait BuildLayer<F: Scalar> {
    /// Takes the layer's blocks and slots.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the layer is outside its range.
    fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>>;
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
    fn build_for(&self, scalar: &str, site: &mut Site<'_>) -> Result<Box<dyn Any>>;
}

impl<T> CustomLayer for T
where
    T: BuildLayer<f32> + BuildLayer<f64> + Debug + Send + Sync,
{
    fn build_for(&self, scalar: &str, site: &mut Site<'_>) -> Result<Box<dyn Any>> {
        Ok(match scalar {
            "f32" => Box::new(BuildLayer::<f32>::build(self, site)?),
            _ => Box::new(BuildLayer::<f64>::build(self, site)?),
        })
    }
}
