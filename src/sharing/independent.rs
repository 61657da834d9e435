//! A trunk for each task and nothing shared: what single-task learning would do, in one model.
//!
//! It is the baseline against which sharing has to earn its place. No parameter is shared, so there is no
//! gradient to balance: the Gramian over shared parameters is 0. With a tie between the trunks it is
//! soft sharing.

use std::ops::Range;

use super::tie::Tie;
use super::{BuiltSharing, Piece, Representation};
use crate::arena::{Arena, Chunk};
use crate::layer::{BuildContext, Chain, Layer, Lookup, Pass, Propagation};
use crate::penalty::PenaltyFunction;
use crate::{Result, Scalar};

#[derive(Debug)]
pub(super) struct Independent<F> {
    trunks: Vec<Chain<F>>,
    tie: Option<Tie>,
}

impl<F: Scalar> Independent<F> {
    pub(super) fn build(layers: &[Layer], tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Self> {
        context.end_shared();
        let trunks = tasks
            .iter()
            .map(|task| context.named(&format!("trunk.{task}"), |context| Chain::build(layers, context)))
            .collect::<Result<_>>()?;
        Ok(Self { trunks, tie: None })
    }

    /// The same with a tie between the trunks.
    pub(super) fn tied(self, tie: Tie) -> Self {
        Self { tie: Some(tie), ..self }
    }

    /// Where in θ the parameters of the trunks are, one trunk after the other.
    pub(super) fn range(&self) -> Range<usize> {
        let mut pieces = self.trunks.iter().flat_map(Chain::pieces);
        let first = pieces.next().unwrap_or(0..0);
        first.start..pieces.last().map_or(first.end, |last| last.end)
    }
}

impl<F: Scalar> BuiltSharing<F> for Independent<F> {
    fn representation(&self, task: usize) -> Representation {
        // Without layers every task reads x itself, and x is shared.
        let trunk = &self.trunks[task];
        Representation { activations: trunk.output(), is_shared: trunk.is_empty() }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        for trunk in &self.trunks {
            trunk.forward(pass, values);
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.trunks.iter().try_for_each(|trunk| trunk.export(graph))?;
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (k, trunk) in self.trunks.iter().enumerate() {
            // The trunks send to one sum, or each to the lane of its task.
            let adds = k > 0 && to.lanes == 1;
            trunk.propagate(pass, values, deltas, if adds { to.adding() } else { to }.of_task(k));
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let of = |(k, trunk): (usize, &Chain<F>)| {
            trunk.pieces().map(move |range| Piece { range, owner: Some(k) }).collect::<Vec<_>>()
        };
        self.trunks.iter().enumerate().flat_map(of).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], _lane: usize, piece: &Piece, gradient: &mut [F]) {
        let task = piece.owner.expect("every piece belongs to a task");
        self.trunks[task]
            .gradient(chunks, 0, piece.range.clone(), gradient)
            .expect("the piece is one of the task's trunk");
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        for trunk in &self.trunks {
            trunk.update_state(chunks, state);
        }
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.trunks.iter().flat_map(Chain::lookups).collect()
    }

    fn penalties(&self) -> Vec<Box<dyn PenaltyFunction<F>>> {
        self.tie.into_iter().map(|tie| Box::new(tie) as Box<dyn PenaltyFunction<F>>).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        for trunk in &self.trunks {
            trunk.branches(pass, values, record);
        }
    }
}
