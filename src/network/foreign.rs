//! Whether a trace fits a network.

use std::sync::Arc;

use super::trace::TraceShape;
use super::{Network, Trace};
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Network<F> {
    /// Fails if `trace` was made by a network with other shapes.
    pub(crate) fn check_trace(&self, trace: &Trace<F>) -> Result<()> {
        // The trace is nearly always the network's own, and in a small step every comparison costs time.
        if Arc::ptr_eq(&trace.shape, &self.trace_shape) || trace.shape == self.trace_shape {
            return Ok(());
        }
        let [expected, found] =
            [&self.trace_shape, &trace.shape].map(|shape| format!("one for {}", described(shape)));
        Err(Error::new(ErrorKind::Shape, "trace", expected, found)
            .advise("the trace was made by another model; make one with model.trace(rows)"))
    }
}

fn described(TraceShape { activations, widths, members }: &TraceShape) -> String {
    let widths: Vec<String> = widths.iter().map(|(outputs, ..)| outputs.to_string()).collect();
    let (n, widths) = (activations.row_len(), widths.join(", "));
    let members = if *members > 1 { format!(" of {members} members") } else { String::new() };
    format!("a network{members} with {n} activations per row and tasks with outputs of width {widths}")
}
