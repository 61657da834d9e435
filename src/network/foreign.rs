//! Whether a trace is one that a network can work in.

use super::{Network, Trace};
use crate::arena::ActivationLayout;
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Network<F> {
    /// Fails if `trace` was made by a network of other shapes.
    pub(crate) fn check_trace(&self, trace: &Trace<F>) -> Result<()> {
        let own = || self.objectives.iter().map(|task| (task.output_width, task.target_width));
        let (layout, widths) = trace.shape();
        if *layout == self.layouts.activations && widths.eq(own()) {
            return Ok(());
        }
        let expected = described(&self.layouts.activations, own());
        let found = described(layout, trace.shape().1);
        Err(Error::new(ErrorKind::Shape, "trace", format!("one of {expected}"), format!("one of {found}"))
            .advise("the trace was made by another model; make one with model.trace(rows)"))
    }
}

fn described(layout: &ActivationLayout, widths: impl Iterator<Item = (usize, usize)>) -> String {
    let widths: Vec<String> = widths.map(|(outputs, _)| outputs.to_string()).collect();
    let (n, widths) = (layout.row_len(), widths.join(", "));
    format!("a network of {n} activations a row, whose tasks have outputs of width {widths}")
}
