//! How many labels of a batch each task has.

use super::Model;
use crate::data::Batch;
use crate::{Result, Scalar, Trace};

impl<F: Scalar> Model<F> {
    /// The weight of the labels of `batch` that each task's loss is a mean over; 0 for a task without a loss. Only the
    /// labels are looked at; the trace holds no forward afterwards.
    pub(crate) fn label_totals(
        &self,
        batch: &Batch<'_, F>,
        trace: &mut Trace<F>,
        totals: &mut [f64],
    ) -> Result<()> {
        let binding = self.bind(batch.dataset)?;
        self.check_trace(batch.rows.len(), trace)?;
        trace.begin(batch.rows.len());
        self.gather_labels(&binding, batch, trace);
        for (k, total) in totals.iter_mut().enumerate() {
            let has_loss = self.tasks()[k].has_loss();
            *total = if has_loss { self.network.loss(k).total(&trace.labels(k)) } else { 0.0 };
        }
        Ok(())
    }
}
