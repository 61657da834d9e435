//! The Gramian of the tasks' gradients between the two halves of a step.

use ndarray::ArrayView2;

use super::Run;
use super::balancing::check_over;
use super::workspace::{Held, Workspace};
use crate::balance::Evidence;
use crate::{Error, ErrorKind, Model, Result, Scalar};

impl<F: Scalar> Run<F> {
    /// The K × K Gramian of the tasks' gradients of the batch whose [gradient](Self::gradient) is in the workspace,
    /// `G[k, l] = ⟨∇ₖ, ∇ₗ⟩`: of the unweighted losses, over what
    /// [`Trainer::balance_over`](crate::Trainer::balance_over) says. The gradient in the workspace stays as it is. If the
    /// balancing method has asked for the Gramian, this costs nothing more.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(64, 0.05, 1);
    /// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// let mut model = builder.build::<f64>()?;
    /// let mut run = Trainer::new(Adam::new(0.01)).batch_size(64).steps(5).start(&model, &data)?;
    /// let mut workspace = run.workspace(&model, None);
    /// while !run.is_finished() {
    ///     run.gradient(&model, &data.all(), &mut workspace)?;
    ///     let g = run.gramian(&model, &mut workspace)?;
    ///     let cosine = g[[0, 1]] / (g[[0, 0]] * g[[1, 1]]).sqrt();
    ///     assert!(cosine.abs() <= 1.0);                                // do the tasks agree on this batch?
    ///     run.update(&mut model, &mut workspace)?;
    /// }
    /// assert!(run.gramian(&model, &mut workspace).is_err());           // θ has moved: it would be of neither θ
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if no gradient has been computed since the last update, if it was summed over the parts of
    /// a larger batch, or if the network has no such Gramian ([`Network::check_over`](crate::Network::check_over)).
    pub fn gramian<'w>(
        &self,
        model: &Model<F>,
        workspace: &'w mut Workspace<F>,
    ) -> Result<ArrayView2<'w, f64>> {
        let fault = |found: &str, advice: &str| {
            let expected = "the gradient of one batch, at the θ of the model";
            Err(Error::new(ErrorKind::Setting, "Gramian of a step", expected, found).advise(advice))
        };
        match workspace.held {
            Held::Batch => check_over(self.over, model)?,
            Held::Part => return fault("the sum over parts of a batch", "make the batch larger instead"),
            Held::Nothing => return fault("none", "call Run::gradient before it, and Run::update after it"),
        }
        let mut evidence = model.evidence(&mut workspace.trace).over(self.over);
        evidence.gramian();
        Ok(workspace.trace.gramian().expect("it was computed"))
    }
}
