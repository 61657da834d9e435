//! A ledger of rows and tasks: which rows taught a task what, and which labels look wrong.
//!
//! ```text
//! gᵢₖ               ∂(what row i adds to the loss of task k)/∂θ
//! ⟨gᵢₖ, gⱼₗ⟩        what a small step along −gᵢₖ takes off the loss of row j in task l, per unit of rate
//! taught(i, k → j, l) = Σ over checkpoints of rate · ⟨gᵢₖ, gⱼₗ⟩
//! ```
//! The gradients of all rows are as large as θ each, so they are never formed. For an affine map z = x W + b, a row's gradient is
//! xᵀδ for W and δ for b, and
//!
//! ```text
//! ⟨gᵢₖ, gⱼₗ⟩ = Σ over affine maps of (xᵢ·xⱼ + 1) (δᵢₖ·δⱼₗ)        ‖gᵢₖ‖² = Σ (‖xᵢ‖² + 1) ‖δᵢₖ‖²
//! ```
//! which takes the inputs and deltas of each map: one forward pass and one backward pass for all rows and tasks
//! (I. Goodfellow, "Efficient per-example gradient computations", arXiv 1510.01799, 2015). The sum over checkpoints is TracIn
//! (G. Pruthi, F. Liu, S. Kale and M. Sundararajan, "Estimating training data influence by tracing gradient descent", NeurIPS
//! 2020, equation 3), here for each pair of tasks: a row may teach a task for which it has no label.
//!
//! - [`RowGradients`] are the gradients of the rows of a table, in factors: their norms, and their inner products.
//! - [`Ledger`] adds the products up over a training.
//! - [`SuspectLabels`] scores each label by a model that has not learnt from its row.

mod row_gradients;
mod suspect_labels;
mod taught;

pub use row_gradients::RowGradients;
pub use suspect_labels::SuspectLabels;
pub use taught::Ledger;
