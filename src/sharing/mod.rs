//! Sharing forms: how one input becomes a representation for each task.
//!
//! The simplest is one trunk for all tasks; the other extreme is a network for each. In between are forms whose
//! tasks share some parts and own others. A form's parameters are of two kinds, and θ keeps them apart:
//! what all tasks share comes first, then what belongs to one task.
//!
//! ```text
//!            x ──▶ sharing form ──▶ representation of task 1 ──▶ head 1 ──▶ outputs 1
//!                               └─▶ representation of task 2 ──▶ head 2 ──▶ outputs 2
//! ```
//! Tasks may have the same representation (then it is shared, and its delta is the sum of what the heads send
//! back, or one lane per task) or each its own.

mod adatt;
mod cross_stitch;
mod dselect_k;
mod gate;
mod independent;
mod mixture;
mod mixture_of_experts;
mod progressive;
mod selector;
mod shared_trunk;
mod soft_sharing;
mod stem;
mod tie;

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use adatt::AdaTt;
pub use cross_stitch::CrossStitch;
pub use dselect_k::DSelectK;
pub use mixture_of_experts::MixtureOfExperts;
pub use progressive::ProgressiveExtraction;
pub use soft_sharing::SoftSharing;
pub use stem::Stem;

use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::layer::{Affine, BuildContext, BuiltLayer, Layer, Lookup, Pass, Propagation};
use crate::penalty::PenaltyFunction;
use crate::{Result, SavedAs, Scalar};

/// A sharing form to build.
///
/// ```
/// use polytask::prelude::*;
///
/// let trunk = [Layer::dense(8, Activation::Relu)];
/// let build = |sharing: Sharing| {
///     let builder = Model::builder(3).sharing(sharing).task(Task::regression("a")).task(Task::regression("b"));
///     builder.build::<f32>()
/// };
/// let shared = build(Sharing::shared_trunk(trunk.clone()))?;
/// let apart = build(Sharing::independent(trunk))?; // the single-task baselines in one model
/// assert_eq!(shared.n_parameters(), (3 * 8 + 8) + 2 * 9);
/// assert_eq!(apart.n_parameters(), 2 * (3 * 8 + 8) + 2 * 9);
/// assert_eq!(apart.network().layout().n_shared(), 0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Sharing {
    /// One trunk for all tasks (hard sharing, Caruana 1997).
    SharedTrunk(Vec<Layer>),
    /// A trunk for each task, with nothing shared: the single-task baselines in one model.
    Independent(Vec<Layer>),
    /// A network for each task, and learnt mixtures of all of them after every layer.
    CrossStitch(CrossStitch),
    /// Experts for all tasks, and for each task a gate that weights them (MMoE), or one gate (OMoE).
    MixtureOfExperts(MixtureOfExperts),
    /// Levels of shared experts and experts of each task, mixed by gates (CGC, PLE).
    ProgressiveExtraction(ProgressiveExtraction),
    /// Experts for all tasks, of which each task chooses a few, the same for all rows (DSelect-k).
    #[cfg_attr(feature = "persist", serde(rename = "dselect_k"))]
    DSelectK(DSelectK),
    /// Levels of experts of each task, for each task mixed by a gate over all of them, with a residual (AdaTT).
    #[cfg_attr(feature = "persist", serde(rename = "adatt"))]
    AdaTt(AdaTt),
    /// A trunk for each task, tied to those of the others by an L2 penalty.
    SoftSharing(SoftSharing),
    /// Layers for all tasks, whose output every part of a form reads.
    Stem(Stem),
    /// A form of your own.
    #[cfg_attr(feature = "persist", serde(with = "crate::registry"))]
    Custom(Arc<dyn CustomSharing>),
}

impl Sharing {
    /// One trunk for all tasks. Without layers, the heads read the features themselves.
    pub fn shared_trunk(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self::SharedTrunk(layers.into_iter().map(std::convert::Into::into).collect())
    }

    /// A trunk for each task, with nothing shared.
    pub fn independent(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self::Independent(layers.into_iter().map(std::convert::Into::into).collect())
    }

    /// A multi-gate mixture of `experts` experts, of these layers each: every task has a gate that weights them row by row.
    pub fn mmoe(experts: usize, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self::MixtureOfExperts(MixtureOfExperts::new(experts, layers))
    }

    /// A mixture of `experts` experts, of these layers each, with one gate for all tasks.
    pub fn omoe(experts: usize, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self::MixtureOfExperts(MixtureOfExperts::new(experts, layers).one_gate())
    }

    /// Customised gate control: `shared_experts` experts for all tasks and `task_experts` for each, of these layers
    /// each, and for each task a gate over its own experts and the shared ones. One level of [`ProgressiveExtraction`]
    /// (PLE).
    pub fn cgc(
        shared_experts: usize,
        task_experts: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        ProgressiveExtraction::new(shared_experts, task_experts, layers).into()
    }

    /// A network of these layers for each task, with learnt mixtures of all networks after every layer.
    pub fn cross_stitch(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        CrossStitch::new(layers).into()
    }

    /// A mixture of `experts` experts, of these layers each, of which every task chooses at most `k`, the same for all rows.
    pub fn dselect_k(
        experts: usize,
        k: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        DSelectK::new(experts, k, layers).into()
    }

    /// `experts` experts for each task, of these layers each, and for each task a gate over the experts of all tasks, past
    /// which a residual of its own experts is added. One level of [`AdaTt`].
    pub fn adatt(experts: usize, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        AdaTt::new(experts, layers).into()
    }

    /// A trunk of these layers for each task, tied to those of the others by the penalty `½ λ Σ ‖θ_a − θ_b‖²` over all
    /// pairs of tasks, with λ = `strength`.
    pub fn soft(strength: f64, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        SoftSharing::new(strength, layers).into()
    }

    /// The same form behind these layers, which all tasks share: its experts, gates and trunks read what the layers compute
    /// from the features, such as the vectors of [`Layer::embedding`].
    #[must_use]
    pub fn with_stem(self, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Stem::new(layers, self).into()
    }

    /// A form of your own: whatever implements [`BuildSharing`] for both scalars, as in the example of
    /// [`BuiltSharing`]. A file can hold it if it has a name: [`BuildSharing::saved_as`].
    pub fn custom(sharing: impl CustomSharing + 'static) -> Self {
        Self::Custom(Arc::new(sharing))
    }
}

/// So that a form of your own can wrap any of the crate's.
impl<F: Scalar> BuildSharing<F> for Sharing {
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        match self {
            Self::SharedTrunk(layers) => Ok(Box::new(shared_trunk::SharedTrunk::build(layers, context)?)),
            Self::Independent(layers) => {
                Ok(Box::new(independent::Independent::build(layers, tasks, context)?))
            }
            Self::CrossStitch(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::MixtureOfExperts(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::ProgressiveExtraction(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::DSelectK(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::AdaTt(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::SoftSharing(form) => Ok(Box::new(form.build(tasks, context)?)),
            Self::Stem(stem) => Ok(Box::new(stem.build(tasks, context)?)),
            Self::Custom(sharing) => {
                let built = sharing.build_for(F::NAME, tasks, context)?;
                Ok(*built.downcast().expect("build_for builds for the scalar it is given"))
            }
        }
    }
}

/// What a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Representation {
    /// Where it is.
    pub activations: ActivationBlock,
    /// Whether other tasks read it too, all or some: then its delta has a lane per task when lanes are kept apart.
    pub is_shared: bool,
}

/// Part of θ whose gradient can be computed independently of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where in θ.
    pub range: Range<usize>,
    /// The task it belongs to; `None` where all tasks share it.
    pub owner: Option<usize>,
}

/// A sharing form with its addresses, over one scalar type.
///
/// # Contract
/// 1. `propagate` finds ∂L/∂representation in the deltas: of a shared representation in `to.lanes` lanes (0 in
///    those of tasks that do not read it), of a task's own in lane 0. It leaves, for shared layers, `to.lanes` lanes; for a
///    task's own layers, lane 0.
/// 2. If ∂L/∂x is asked for, `propagate` leaves `to.lanes` lanes of it, starting at the lane that `to.input` names. If there
///    are several lanes, there is one for each task, and what a task's own layers send belongs in the lane of the task
///    ([`Propagation::of_task`]). Several lanes are only asked for behind a [`Stem`].
/// 3. The parameters that all tasks share are taken from the context first, and
///    [`end_shared`](BuildContext::end_shared) is called after them.
///
/// ```
/// use polytask::arena::{Arena, Chunk};
/// use polytask::layer::{BuildContext, Chain, Pass, Propagation};
/// use polytask::prelude::*;
/// use polytask::sharing::{BuildSharing, BuiltSharing, CustomSharing, Piece, Representation};
/// use polytask::{Result, Scalar};
///
/// /// One shared layer whose width grows with the number of tasks.
/// #[derive(Debug)]
/// struct Proportional(usize);
/// #[derive(Debug)]
/// struct Built<F>(Chain<F>);
///
/// impl<F: Scalar> BuildSharing<F> for Proportional {
///     fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
///         let layers = [Layer::dense(self.0 * tasks.len(), Activation::Tanh)];
///         let chain = context.named("common", |context| Chain::build(&layers, context))?;
///         context.end_shared();
///         Ok(Box::new(Built(chain)))
///     }
/// }
///
/// impl<F: Scalar> BuiltSharing<F> for Built<F> {
///     fn representation(&self, _: usize) -> Representation {
///         Representation { activations: self.0.output(), is_shared: true }
///     }
///     fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
///         self.0.forward(pass, values);
///     }
///     fn propagate(&self, pass: &Pass<'_, F>, x: &Arena<F>, d: &mut Arena<F>, to: Propagation) {
///         self.0.propagate(pass, x, d, to);
///     }
///     fn pieces(&self) -> Vec<Piece> {
///         self.0.pieces().map(|range| Piece { range, owner: None }).collect()
///     }
///     fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
///         self.0.gradient(chunks, lane, piece.range.clone(), gradient).expect("a piece of its own");
///     }
/// }
///
/// let _: &dyn CustomSharing = &Proportional(3); // of a form for both scalars
/// let builder = Model::builder(10).sharing(Sharing::custom(Proportional(3)));
/// let model = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f64>()?;
/// let layout = model.network().layout();
/// assert_eq!(layout.block("common.0.weight").map(|block| block.shape()), Some((10, 6)));
/// assert_eq!(layout.n_shared(), 10 * 6 + 6);
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
pub trait BuiltSharing<F: Scalar>: Debug + Send + Sync {
    /// What the head of a task reads.
    fn representation(&self, task: usize) -> Representation;

    /// Computes every representation of the rows of a chunk.
    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>);

    /// Adds to a graph what `forward` computes in prediction, as
    /// [`BuiltLayer::export`].
    ///
    /// # Errors
    /// By default, that the form cannot be exported.
    #[cfg(feature = "onnx")]
    fn export(&self, _graph: &mut crate::onnx::Graph) -> Result<()> {
        Err(crate::onnx::Graph::lacks(format!(
            "a sharing form without one: {}",
            std::any::type_name::<Self>()
        )))
    }

    /// From ∂L/∂representation back through the form, for the rows of a chunk.
    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation);

    /// The pieces of θ that belong to the form; together they cover its parameters.
    fn pieces(&self) -> Vec<Piece>;

    /// The gradient of one of the [`pieces`](Self::pieces), from one lane of deltas of all chunks.
    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]);

    /// Updates the running state of the form's layers: see [`BuiltLayer::update_state`].
    fn update_state(&self, _chunks: &[Chunk<F>], _state: &mut [F]) {}

    /// The affine maps whose parameters all tasks share and whose deltas `propagate` leaves in lanes. This is optional:
    /// it saves work where the tasks' gradients are compared.
    fn affine(&self) -> Vec<Affine> {
        Vec::new()
    }

    /// The tables that layers of the form look up, of all tasks and of each: see [`BuiltLayer::lookups`]. This is optional.
    fn lookups(&self) -> Vec<Lookup> {
        Vec::new()
    }

    /// The terms of the objective that the form adds and that depend on θ alone, such as a tie between trunks.
    fn penalties(&self) -> Vec<Box<dyn PenaltyFunction<F>>> {
        Vec::new()
    }

    /// The layer that writes the representation that all tasks read, if there is one representation and one such
    /// layer.
    fn last_layer(&self) -> Option<&dyn BuiltLayer<F>> {
        None
    }

    /// Reports which side of each kink the rows of a chunk are on, with the distance to it, after `forward`.
    fn branches(&self, _pass: &Pass<'_, F>, _values: &Arena<F>, _record: &mut dyn FnMut(i64, f64)) {}
}

/// What makes a [`BuiltSharing`], whose example has both; implement it over every `F: Scalar` for a form of
/// your own.
pub trait BuildSharing<F: Scalar> {
    /// Takes the addresses that the form needs, for tasks of these names.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of the form is outside its range.
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>>;

    /// What the form is called in a file, as [`BuildLayer::saved_as`](crate::layer::BuildLayer::saved_as); by default, it
    /// has no name.
    fn saved_as(&self) -> Option<SavedAs> {
        None
    }
}

/// A sharing form of your own, for either scalar. You do not implement this trait: whatever implements
/// [`BuildSharing`] for `f32` and for `f64` has it.
pub trait CustomSharing: Debug + Send + Sync {
    /// Builds for the scalar of that name, as a `Box<dyn BuiltSharing<_>>` in a box.
    #[doc(hidden)]
    fn build_for(&self, scalar: &str, tasks: &[&str], context: &mut BuildContext<'_>)
    -> Result<Box<dyn Any>>;

    /// What [`BuildSharing::saved_as`] returns.
    #[doc(hidden)]
    fn name_in_files(&self) -> Option<SavedAs>;
}

impl<T> CustomSharing for T
where
    T: BuildSharing<f32> + BuildSharing<f64> + Debug + Send + Sync,
{
    fn build_for(
        &self,
        scalar: &str,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<Box<dyn Any>> {
        Ok(match scalar {
            "f32" => Box::new(BuildSharing::<f32>::build(self, tasks, context)?),
            _ => Box::new(BuildSharing::<f64>::build(self, tasks, context)?),
        })
    }

    fn name_in_files(&self) -> Option<SavedAs> {
        BuildSharing::<f32>::saved_as(self)
    }
}

#[cfg(feature = "persist")]
impl crate::registry::Registered for dyn CustomSharing {
    const SORT: &'static str = "sharing";
    const VARIANT: &'static str = "Sharing::Custom";

    fn saved_as(&self) -> Option<SavedAs> {
        self.name_in_files()
    }
}

#[cfg(feature = "persist")]
impl crate::Registry {
    /// Adds a kind of sharing forms, which `make` makes from the settings in a file.
    #[must_use]
    pub fn sharing<S: CustomSharing + 'static>(
        self,
        kind: &str,
        make: impl Fn(&str) -> Result<S> + Send + Sync + 'static,
    ) -> Self {
        self.with::<dyn CustomSharing>(kind, move |settings| Ok(Arc::new(make(settings)?)))
    }
}
