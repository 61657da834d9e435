//! Penalties: terms of the objective that depend on the parameters alone.
//!
//! ```text
//! objective    Σₖ wₖ Lₖ(θ) + Σⱼ Ωⱼ(θ)          Lₖ of the batch, Ωⱼ of θ and of nothing else
//! gradient     Σₖ wₖ ∇Lₖ  + Σⱼ ∇Ωⱼ
//! ```
//! A penalty is no task. It has no label, no weight that a balancing method could change, and no row in the Gramian: the
//! tasks are weighed first, and ∇Ω is added to what comes of that. It is of the whole step, so a step that is worked on in
//! parts adds it once, and a loss is still the mean over its labels. Its value is reported apart from the losses of the
//! tasks ([`History::penalty`](crate::train::History::penalty)), and evaluation leaves it out: it says nothing about
//! predictions.
//!
//! ```text
//! where it comes from                       example
//! settings of the model, by block name      Penalty::l2("trunk.*.weight", 1e-4) with ModelBuilder::penalty
//! the sharing form                          the tie of soft sharing
//! ```
//! A penalty of your own is a type that implements [`PenaltyFunction`] and one that builds it from θ's [`Layout`]:
//!
//! ```
//! use polytask::Layout;
//! use polytask::penalty::{BuildPenalty, Penalty, PenaltyFunction};
//! use polytask::prelude::*;
//! use polytask::{Block, Result, Scalar};
//!
//! /// `Ω(θ) = λ Σ (θ² − 1)²`: pulls the numbers of a block to ±1.
//! #[derive(Debug)]
//! struct TwoValues(f64);
//! #[derive(Debug)]
//! struct Built(f64, Block);
//!
//! impl<F: Scalar> BuildPenalty<F> for TwoValues {
//!     fn build(&self, layout: &Layout) -> Result<Box<dyn PenaltyFunction<F>>> {
//!         Ok(Box::new(Built(self.0, layout.block("trunk.0.weight").expect("the trunk has a dense layer"))))
//!     }
//! }
//!
//! impl<F: Scalar> PenaltyFunction<F> for Built {
//!     fn name(&self) -> &str { "two values" }
//!     fn value(&self, theta: &[F]) -> f64 {
//!         theta[self.1.range()].iter().map(|x| self.0 * (x.to_f64().powi(2) - 1.0).powi(2)).sum()
//!     }
//!     fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
//!         let range = self.1.range();
//!         for (g, &x) in gradient[range.clone()].iter_mut().zip(&theta[range]) {
//!             *g += F::from_f64(4.0 * self.0) * x * (x * x - F::ONE);
//!         }
//!     }
//! }
//!
//! let builder = Model::builder(10).trunk([Layer::dense(4, Activation::Tanh)]).task(Task::regression("elbow"));
//! let mut model = builder.penalty(Penalty::custom(TwoValues(0.1))).build::<f64>()?;
//! let data = datasets::robot_arm::<f64>(64, 0.05, 1);
//! let checks = model.check_gradients(&data.all())?;
//! assert!(checks.passed() && checks.penalties[0].0 == "two values", "{checks}");
//! let before = model.penalty();
//! let history = Trainer::new(Adam::new(0.01)).steps(100).fit(&mut model, &data)?;
//! assert!(history.penalty().is_some_and(|values| values[0] == before && values[99] < before));
//! # Ok::<(), polytask::Error>(())
//! ```

mod group_lasso;
mod l1;
mod l2;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::{Block, Error, ErrorKind, Layout, Result, SavedAs, Scalar};

/// A penalty to build: a term of the objective that depends on θ alone.
///
/// A pattern names the blocks that a penalty is about: the name of a block as [`Layout`] has it, in which `*` stands for any
/// text.
///
/// ```
/// use polytask::penalty::Penalty;
/// use polytask::prelude::*;
///
/// let builder = Model::builder(3).trunk([Layer::dense(2, Activation::Relu)]).task(Task::regression("price"));
/// let model = builder.clone().penalty(Penalty::l2("trunk.*.weight", 0.1)).build::<f64>()?;
/// let weights: f64 = model.parameters()[..6].iter().map(|w| w * w).sum();
/// assert!((model.penalty() - 0.05 * weights).abs() < 1e-15);
/// assert!(builder.penalty(Penalty::l2("tronk.*", 0.1)).build::<f64>().is_err()); // no such block
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Penalty {
    /// `Ω(θ) = ½ λ Σ θ²` over some blocks.
    L2 {
        /// The pattern of their names.
        blocks: String,
        /// λ, at least 0.
        strength: f64,
    },
    /// `Ω(θ) = λ Σ |θ|` over some blocks.
    L1 {
        /// The pattern of their names.
        blocks: String,
        /// λ, at least 0.
        strength: f64,
    },
    /// `Ω(θ) = λ √p Σ ‖r‖` over the rows r, of p numbers, of some blocks.
    GroupLasso {
        /// The pattern of their names.
        blocks: String,
        /// λ, at least 0.
        strength: f64,
    },
    /// A penalty of your own.
    #[cfg_attr(feature = "persist", serde(with = "crate::registry"))]
    Custom(Arc<dyn CustomPenalty>),
}

impl Penalty {
    /// `Ω(θ) = ½ λ Σ θ²` with λ = `strength` over the blocks that match the pattern `blocks`: it pulls each number to 0 by λ
    /// times itself, ridge regression's penalty. SGD's [`weight_decay`](crate::optim::Sgd::weight_decay) has the same steps;
    /// with Adam this one goes through the moments, and AdamW's decay does not.
    pub fn l2(blocks: impl Into<String>, strength: f64) -> Self {
        Self::L2 { blocks: blocks.into(), strength }
    }

    /// `Ω(θ) = λ Σ |θ|` with λ = `strength` over the blocks that match the pattern `blocks`: the lasso, which pulls each
    /// number to 0 by the same amount. At 0, its kink, it has gradient 0.
    pub fn l1(blocks: impl Into<String>, strength: f64) -> Self {
        Self::L1 { blocks: blocks.into(), strength }
    }

    /// `Ω(θ) = λ √p Σ ‖r‖` with λ = `strength` over the rows r, of p numbers, of the blocks that match the pattern `blocks`:
    /// the group lasso. Over `trunk.0.weight` it pulls to 0 all that a feature has in the first layer. At r = 0, its kink, it
    /// has gradient 0.
    pub fn group_lasso(blocks: impl Into<String>, strength: f64) -> Self {
        Self::GroupLasso { blocks: blocks.into(), strength }
    }

    /// A penalty of your own: whatever implements [`BuildPenalty`] for both scalars, as in [the module's example](self). A
    /// file can hold it if it has a name there: [`BuildPenalty::saved_as`].
    pub fn custom(penalty: impl CustomPenalty + 'static) -> Self {
        Self::Custom(Arc::new(penalty))
    }
}

impl<F: Scalar> BuildPenalty<F> for Penalty {
    fn build(&self, layout: &Layout) -> Result<Box<dyn PenaltyFunction<F>>> {
        match self {
            Self::L2 { blocks, strength } => Ok(Box::new(l2::L2::build::<F>(blocks, *strength, layout)?)),
            Self::L1 { blocks, strength } => Ok(Box::new(l1::L1::build::<F>(blocks, *strength, layout)?)),
            Self::GroupLasso { blocks, strength } => {
                Ok(Box::new(group_lasso::GroupLasso::build::<F>(blocks, *strength, layout)?))
            }
            Self::Custom(penalty) => {
                let built = penalty.build_for(F::NAME, layout)?;
                Ok(*built.downcast().expect("build_for builds for the scalar it is given"))
            }
        }
    }
}

/// The name of a penalty of that kind, and the blocks that match its pattern, if its strength is in its range.
fn matching<F: Scalar>(
    kind: &str,
    blocks: &str,
    strength: f64,
    layout: &Layout,
) -> Result<(String, Vec<Block>)> {
    let name = format!("{kind} of {blocks:?}");
    check_strength::<F>(&name, strength)?;
    let matching = layout.matching(&name, blocks)?.into_iter().map(|(_, block)| block).collect();
    Ok((name, matching))
}

/// Fails unless λ, the `strength` of the penalty described by `what`, is a number of at least 0 within the range of `F`.
pub(crate) fn check_strength<F: Scalar>(what: &str, strength: f64) -> Result<()> {
    match strength >= 0.0 && F::from_f64(strength).is_finite() {
        true => Ok(()),
        false => {
            let expected = format!("a number of at least 0 within the range of {}", F::NAME);
            Err(Error::new(ErrorKind::Setting, format!("strength of {what}"), expected, strength))
        }
    }
}

/// A term Ω(θ) of the objective, with its gradient by hand, for one scalar type.
pub trait PenaltyFunction<F: Scalar>: Debug + Send + Sync {
    /// What it is called in histories, reports and messages.
    fn name(&self) -> &str;

    /// Ω(θ).
    fn value(&self, theta: &[F]) -> f64;

    /// Adds ∂Ω/∂θ to `gradient`, which is laid out like θ. Nothing is allocated in it.
    fn add_gradient(&self, theta: &[F], gradient: &mut [F]);

    /// Reports to the gradient checker on which side of each kink θ is, and how far from it. The default is for a penalty
    /// without kinks.
    fn branches(&self, _theta: &[F], _record: &mut dyn FnMut(i64, f64)) {}
}

/// What makes a [`PenaltyFunction`]; implement it over every `F: Scalar` for a penalty of your own.
pub trait BuildPenalty<F: Scalar> {
    /// Looks up what the penalty is about in the table of contents of θ.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting is outside its range, [`ErrorKind::Name`] if there is no block that it names.
    fn build(&self, layout: &Layout) -> Result<Box<dyn PenaltyFunction<F>>>;

    /// What the penalty is called in a file, as [`BuildLayer::saved_as`](crate::layer::BuildLayer::saved_as); by default, it
    /// has no name there.
    fn saved_as(&self) -> Option<SavedAs> {
        None
    }
}

/// A penalty of your own, for either scalar. You do not implement this trait: whatever implements [`BuildPenalty`] for
/// `f32` and for `f64` has it.
pub trait CustomPenalty: Debug + Send + Sync {
    /// Builds for the scalar of that name, as a `Box<dyn PenaltyFunction<_>>` in a box.
    #[doc(hidden)]
    fn build_for(&self, scalar: &str, layout: &Layout) -> Result<Box<dyn Any>>;

    /// What [`BuildPenalty::saved_as`] returns.
    #[doc(hidden)]
    fn name_in_files(&self) -> Option<SavedAs>;
}

impl<T> CustomPenalty for T
where
    T: BuildPenalty<f32> + BuildPenalty<f64> + Debug + Send + Sync,
{
    fn build_for(&self, scalar: &str, layout: &Layout) -> Result<Box<dyn Any>> {
        Ok(match scalar {
            "f32" => Box::new(BuildPenalty::<f32>::build(self, layout)?),
            _ => Box::new(BuildPenalty::<f64>::build(self, layout)?),
        })
    }

    fn name_in_files(&self) -> Option<SavedAs> {
        BuildPenalty::<f32>::saved_as(self)
    }
}

#[cfg(feature = "persist")]
impl crate::registry::Registered for dyn CustomPenalty {
    const SORT: &'static str = "penalty";
    const VARIANT: &'static str = "Penalty::Custom";

    fn saved_as(&self) -> Option<SavedAs> {
        self.name_in_files()
    }
}

#[cfg(feature = "persist")]
impl crate::Registry {
    /// Adds a kind of penalties, which `make` makes from the settings in a file.
    #[must_use]
    pub fn penalty<P: CustomPenalty + 'static>(
        self,
        kind: &str,
        make: impl Fn(&str) -> Result<P> + Send + Sync + 'static,
    ) -> Self {
        self.with::<dyn CustomPenalty>(kind, move |settings| Ok(Arc::new(make(settings)?)))
    }
}
