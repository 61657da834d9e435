//! What a step over ranks sums before anything is decided: losses, Gramians, the tasks' gradients.
//!
//! ```text
//! Lₖ = Σ_r s_rk L_rk       ∇ₖ = Σ_r s_rk ∇_rk       s_rk = N_rk / Nₖ: the share of rank r in the labels of task k
//!
//! over shared parameters    G[k, l] = ⟨∇ₖ, ∇ₗ⟩: the K gradients are summed first, for ⟨Σ_r a_r, Σ_r b_r⟩ ≠ Σ_r ⟨a_r, b_r⟩
//! over the representation   G[k, l] = Σ_r s_rk s_rl G_r[k, l]: there each row has deltas of its own
//! ```

use ndarray::{Array2, ArrayView2};

use super::balancing::WholeBatch;
use crate::balance::{Evidence, Weights};
use crate::ranks::Exchange;
use crate::{Error, ErrorKind, GramianScope, Model, Result, Scalar, Trace, kernel};

/// The memory for what is summed.
#[derive(Debug)]
pub(super) struct Summed<F> {
    /// What each rank has sent.
    pub(super) gathered: Vec<f64>,
    /// Numbers of this rank, to be sent.
    pub(super) told: Vec<f64>,
    /// s_rk of this rank.
    pub(super) shares: Vec<f64>,
    /// Lₖ; 0 for a task without a label.
    pub(super) losses: Vec<f64>,
    pub(super) labelled: Vec<bool>,
    /// The weights of the tasks times the shares.
    pub(super) weights: Weights,
    pub(super) direction: Vec<f64>,
    pub(super) gradients: TaskGradients<F>,
}

/// The tasks' gradients and their Gramian, as far as they are known.
#[derive(Debug)]
pub(super) struct TaskGradients<F> {
    /// A row for each task, of the same length.
    pub(super) rows: Vec<F>,
    pub(super) gramian: Array2<f64>,
    lower: Vec<f64>,
    /// Whether the Gramian is that of this batch, and whether the rows are its tasks' gradients of all that is shared.
    pub(super) has_gramian: bool,
    pub(super) has_rows: bool,
}

impl<F: Scalar> Summed<F> {
    pub(super) fn new(model: &Model<F>) -> Self {
        let k = model.tasks().len();
        Self {
            gathered: Vec::new(),
            told: Vec::new(),
            shares: vec![0.0; k],
            losses: vec![0.0; k],
            labelled: vec![false; k],
            weights: Weights::ones(k),
            direction: Vec::new(),
            gradients: TaskGradients {
                rows: Vec::new(),
                gramian: Array2::zeros((k, k)),
                lower: vec![0.0; k * k],
                has_gramian: false,
                has_rows: false,
            },
        }
    }

    /// Sums over the ranks, in their order, what each of them has sent: some numbers `skipped`, then one for each task.
    pub(super) fn sum_gathered(&self, skipped: usize, sums: &mut [f64]) {
        sums.fill(0.0);
        for told in self.gathered.chunks_exact(skipped + sums.len()) {
            sums.iter_mut().zip(&told[skipped..]).for_each(|(sum, told)| *sum += told);
        }
    }

    /// Weights times shares: the weights of the gradient of this rank's mean losses.
    pub(super) fn weigh(&mut self, shared: &[f64], own: &[f64]) {
        for (k, &share) in self.shares.iter().enumerate() {
            self.weights.shared[k] = share * shared[k];
            self.weights.own[k] = share * own[k];
        }
    }

    /// The direction Σₖ wₖ ∇ₖ of the shared parameters from the tasks' gradients.
    pub(super) fn combine(&mut self, weights: &[f64]) {
        let width = self.gradients.rows.len() / weights.len();
        self.direction.clear();
        self.direction.resize(width, 0.0);
        for (row, &weight) in self.gradients.rows.chunks_exact(width.max(1)).zip(weights) {
            self.direction.iter_mut().zip(row).for_each(|(sum, &g)| *sum += weight * g.to_f64());
        }
    }
}

impl<F: Scalar> TaskGradients<F> {
    /// Forgets those of the last batch.
    pub(super) fn forget(&mut self) {
        (self.has_gramian, self.has_rows) = (false, false);
    }

    /// The Gramian of the rows.
    fn compare(&mut self) {
        let n = self.gramian.nrows();
        self.lower.fill(0.0);
        kernel::add_gramian(&self.rows, n, &mut self.lower);
        let lower = &self.lower;
        self.gramian.indexed_iter_mut().for_each(|((k, l), g)| *g = lower[k.max(l) * n + k.min(l)]);
    }
}

/// A batch whose parts are on the ranks, as evidence for a balancing method.
pub(super) struct Whole<'a, F: Scalar> {
    pub(super) exchange: &'a mut Exchange,
    pub(super) model: &'a Model<F>,
    /// Holds the rows of this rank, with their losses; `None` if it has none.
    pub(super) trace: Option<&'a mut Trace<F>>,
    pub(super) over: GramianScope,
    pub(super) losses: &'a [f64],
    pub(super) labelled: &'a [bool],
    pub(super) shares: &'a [f64],
    pub(super) gradients: &'a mut TaskGradients<F>,
    /// What went wrong when the Gramian was asked for.
    pub(super) fault: Option<Error>,
}

impl<F: Scalar> Whole<'_, F> {
    /// Sums the tasks' gradients of some of the shared parameters.
    fn sum_rows(&mut self, within: std::ops::Range<usize>) -> Result<()> {
        let (n, width) = (self.shares.len(), within.len());
        self.gradients.rows.clear();
        self.gradients.rows.resize(n * width, F::ZERO);
        if let Some(trace) = &mut self.trace {
            let own = self.model.task_gradients(trace);
            let rows = self.gradients.rows.chunks_exact_mut(width.max(1)).zip(own.rows()).zip(self.shares);
            for ((to, from), &share) in rows {
                let share = F::from_f64(share);
                to.iter_mut().zip(from.iter().skip(within.start)).for_each(|(to, &g)| *to = share * g);
            }
        }
        self.exchange.sum(&mut self.gradients.rows)
    }

    fn compare(&mut self) -> Result<()> {
        match self.over {
            GramianScope::Representation => {
                let TaskGradients { gramian, .. } = &mut *self.gradients;
                gramian.fill(0.0);
                if let Some(trace) = &mut self.trace {
                    let mut evidence = self.model.evidence(trace).over(self.over);
                    gramian.assign(&evidence.gramian());
                    let shares = self.shares;
                    gramian.indexed_iter_mut().for_each(|((k, l), g)| *g *= shares[k] * shares[l]);
                }
                self.exchange.sum(gramian.as_slice_mut().expect("row-major"))?;
            }
            over => {
                self.sum_rows(self.model.network().parameters_of(over))?;
                self.gradients.compare();
                self.gradients.has_rows = over == GramianScope::SharedParameters;
            }
        }
        self.gradients.has_gramian = true;
        Ok(())
    }
}

impl<F: Scalar> Evidence for Whole<'_, F> {
    fn losses(&self) -> &[f64] {
        self.losses
    }

    fn labelled(&self) -> &[bool] {
        self.labelled
    }

    fn gramian(&mut self) -> ArrayView2<'_, f64> {
        if !self.gradients.has_gramian
            && self.fault.is_none()
            && let Err(error) = self.compare()
        {
            // The step ends with it; until then the tasks have no gradients.
            self.gradients.gramian.fill(0.0);
            self.fault = Some(error);
        }
        self.gradients.gramian.view()
    }
}

impl<F: Scalar> WholeBatch<F> for Whole<'_, F> {
    fn task_gradients(&mut self) -> Result<ArrayView2<'_, F>> {
        let n_shared = self.model.network().layout().n_shared();
        self.sum_rows(0..n_shared)?;
        self.gradients.has_rows = true;
        Ok(ArrayView2::from_shape((self.shares.len(), n_shared), &self.gradients.rows)
            .expect("a row per task"))
    }
}

/// Fails if a training with these needs cannot be shared with other ranks.
pub(super) fn check_model<F: Scalar>(
    model: &Model<F>,
    over: GramianScope,
    needs_gramian: bool,
    is_lazy: bool,
) -> Result<()> {
    let network = model.network();
    let fault = |place: &str, expected: &str, found: &str, advice: &str| {
        Err(Error::new(ErrorKind::Setting, format!("training over ranks, {place}"), expected, found)
            .advise(advice))
    };
    let edges: usize = network.quantiles().iter().map(|quantiles| quantiles.edges.range().len()).sum();
    if network.needs_whole_batches() || network.least_rows() > 1 || network.state_layout().len() > edges {
        let expected = "layers that look at each row by itself and keep nothing from step to step";
        let found = "one with running state, as batch normalisation has";
        return fault("layers", expected, found, "use layer normalisation, or train in one process");
    }
    if needs_gramian && matches!(over, GramianScope::Sketch { .. }) {
        let expected = "a Gramian that can be computed from summed gradients";
        let advice = "use GramianScope::SharedParameters, or GramianScope::Representation, which sends least";
        return fault("balancing", expected, "GramianScope::Sketch", advice);
    }
    if is_lazy && network.has_tables() {
        let expected = "a rule that moves all parameters in every step";
        let found = "LazyAdam, with tables of vectors";
        return fault("optimiser", expected, found, "use Adam, or train in one process");
    }
    Ok(())
}
