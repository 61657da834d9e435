//! Evidence made of plain numbers, for use without a network.

use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix2};

use super::Evidence;

/// What was observed of a batch: losses, labels and, if known, the Gramian.
///
/// ```
/// use polytask::balance::{Balancer, FixedEvidence, Uncertainty};
///
/// let mut evidence = FixedEvidence::from_losses(&[0.5, 2.0, 0.0]).with_labels(&[true, true, false]);
/// let mut balancer = Balancer::new(Uncertainty::new(), 3)?;
/// assert_eq!(balancer.weights(&mut evidence).shared, [0.5, 0.5, 0.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// Gradients may be given whole or as their Gramian:
///
/// ```
/// use polytask::balance::{Evidence, FixedEvidence};
/// use polytask::ndarray::array;
///
/// let mut rows = FixedEvidence::from_jacobian(&array![[3.0, 4.0], [0.0, 2.0]]);
/// let gramian = array![[25.0, 8.0], [8.0, 4.0]];
/// assert_eq!(rows.losses(), [1.0, 1.0]);
/// assert_eq!(rows.gramian(), gramian);
/// let mut products = FixedEvidence::from_gramian(&gramian).with_losses(&[0.5, 2.0]);
/// let mut later = FixedEvidence::from_losses(&[0.5, 2.0]).with_gramian(&gramian);
/// assert_eq!(products.losses(), later.losses());
/// assert_eq!(products.gramian(), later.gramian());
/// ```
#[derive(Clone, Debug)]
pub struct FixedEvidence {
    losses: Vec<f64>,
    labelled: Vec<bool>,
    gramian: Option<Array2<f64>>,
}

impl FixedEvidence {
    /// The losses alone; every task has labels.
    pub fn from_losses(losses: &[f64]) -> Self {
        Self { losses: losses.to_vec(), labelled: vec![true; losses.len()], gramian: None }
    }

    /// A `K × K` Gramian; every loss is 1 and every task has labels.
    ///
    /// # Panics
    /// If the matrix is not square.
    #[track_caller]
    pub fn from_gramian<S: Data<Elem = f64>>(gramian: &ArrayBase<S, Ix2>) -> Self {
        Self::from_losses(&vec![1.0; gramian.nrows()]).with_gramian(gramian)
    }

    /// A `K × P` matrix of gradients, one row per task; every loss is 1 and every task has labels.
    pub fn from_jacobian<S: Data<Elem = f64>>(jacobian: &ArrayBase<S, Ix2>) -> Self {
        Self::from_gramian(&jacobian.dot(&jacobian.t()))
    }

    /// The same with these losses.
    ///
    /// # Panics
    /// If there is not one for each task.
    #[track_caller]
    #[must_use]
    pub fn with_losses(mut self, losses: &[f64]) -> Self {
        assert_eq!(losses.len(), self.losses.len(), "one loss for each task");
        self.losses.copy_from_slice(losses);
        self
    }

    /// The same with this `K × K` Gramian.
    ///
    /// # Panics
    /// If the matrix is not K × K.
    #[track_caller]
    #[must_use]
    pub fn with_gramian<S: Data<Elem = f64>>(mut self, gramian: &ArrayBase<S, Ix2>) -> Self {
        let k = self.losses.len();
        assert_eq!(gramian.dim(), (k, k), "the Gramian of {k} tasks is {k} × {k}");
        self.gramian = Some(gramian.to_owned());
        self
    }

    /// The same with labels for some tasks only.
    ///
    /// # Panics
    /// If there is not one entry for each task.
    #[track_caller]
    #[must_use]
    pub fn with_labels(mut self, labelled: &[bool]) -> Self {
        assert_eq!(labelled.len(), self.losses.len(), "one entry for each task");
        self.labelled.copy_from_slice(labelled);
        self
    }
}

impl Evidence for FixedEvidence {
    fn losses(&self) -> &[f64] {
        &self.losses
    }

    fn labelled(&self) -> &[bool] {
        &self.labelled
    }

    /// # Panics
    /// If the Gramian was not given.
    fn gramian(&mut self) -> ArrayView2<'_, f64> {
        let gramian = self.gramian.as_ref();
        gramian
            .expect("the method asks for a Gramian and only losses were observed: use `with_gramian`")
            .view()
    }
}
