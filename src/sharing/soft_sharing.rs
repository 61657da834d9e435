//! Soft parameter sharing: a trunk for each task, and a [tie](super::tie) that keeps the trunks near one another.
//!
//! L. Duong, T. Cohn, S. Bird and P. Cook, "Low resource dependency parsing: cross-lingual parameter sharing in a neural
//! network parser", ACL 2015, for two tasks; the "L2-constrained" baseline of Ma et al., KDD 2018, where α is λ/2 here.
//!
//! ```text
//! forward     hₖ = trunkₖ(x)                        the head of task k reads hₖ
//! penalty     Ω(θ) = ½ λ Σ_{a<b} ‖θ_a − θ_b‖²       θₖ: all parameters of trunk k
//! ```
//! Each trunk is initialised by draws of its own, so the penalty is not 0 at first. Each trunk belongs to its task: no
//! parameter is shared, so there is no gradient to balance, and the tie is added after the tasks are weighted.

use super::independent::Independent;
use super::tie::Tie;
use crate::layer::{BuildContext, Layer};
use crate::penalty::check_strength;
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of soft sharing: a trunk for each task, tied to those of the others by an L2 penalty.
///
/// ```text
/// Ω(θ) = ½ λ Σ_{a<b} ‖θ_a − θ_b‖²      ∂Ω/∂θₖ = λ Σ_b (θₖ − θ_b)
/// ```
/// θₖ are all parameters of the trunk of task k (`trunk.price.0.weight`, …); heads are not tied. No parameter is shared,
/// so methods that compare the tasks' gradients do not apply. Duong et al., 2015.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(200, 0.05, 1);
/// let apart = |strength: f64| -> polytask::Result<f64> {
///     let sharing = Sharing::soft(strength, [Layer::dense(8, Activation::Tanh)]);
///     let builder = Model::builder(10).sharing(sharing).task(Task::regression("shoulder"));
///     let mut model = builder.task(Task::regression("elbow")).build::<f64>()?;
///     Trainer::new(Adam::new(0.01)).steps(300).fit(&mut model, &data)?;
///     let (shoulder, elbow) = model.parameters()[..2 * 88].split_at(88);
///     Ok(shoulder.iter().zip(elbow).map(|(a, b)| (a - b).powi(2)).sum())
/// };
/// assert!(apart(1.0)? < 0.1 * apart(0.01)? && apart(0.01)? < apart(0.0)?);
/// assert!(apart(-1.0).is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct SoftSharing {
    strength: f64,
    layers: Vec<Layer>,
}

impl SoftSharing {
    /// A trunk of these layers, at least one, for each task, tied with λ = `strength`, at least 0.
    pub fn new(strength: f64, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        Self { strength, layers: layers.into_iter().map(std::convert::Into::into).collect() }
    }

    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<Independent<F>> {
        check_strength::<F>(Tie::NAME, self.strength)?;
        if self.layers.is_empty() {
            return Err(Error::new(ErrorKind::Setting, "layers of soft sharing", "at least 1", 0)
                .advise("without any there is nothing to tie"));
        }
        let independent = Independent::build(&self.layers, tasks, context)?;
        let range = independent.range();
        let len = range.len() / tasks.len();
        Ok(independent.tied(Tie { first: range.start, len, n: tasks.len(), strength: self.strength }))
    }
}

impl From<SoftSharing> for super::Sharing {
    fn from(form: SoftSharing) -> Self {
        Self::SoftSharing(form)
    }
}
