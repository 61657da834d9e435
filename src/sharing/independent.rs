//! A trunk for each task and nothing shared: what single-task learning would do, in one model.
//!
//! It is the baseline against which sharing has to earn its place. No parameter is shared, so there is no
//! gradient to balance: the Gramian over shared parameters is 0.

use super::{BuiltSharing, Piece, Representation};
use crate::layer::{Chain, Flow, Into, Layer, Mode, Site};
use crate::trace::{Arena, Chunk};
use crate::{Result, Scalar};

#[derive(Debug)]
pub(super) struct Independent<F> {
    trunks: Vec<Chain<F>>,
}

impl<F: Scalar> Independent<F> {
    pub(super) fn build(layers: &[Layer], tasks: &[&str], site: &mut Site<'_>) -> Result<Self> {
        site.end_shared();
        let trunks = tasks
            .iter()
            .map(|task| site.named(&format!("trunk.{task}"), |site| Chain::build(layers, site)))
            .collect::<Result<_>>()?;
        Ok(Self { trunks })
    }
}

impl<F: Scalar> BuiltSharing<F> for Independent<F> {
    fn representation(&self, task: usize) -> Representation {
        // Without layers every task reads x itself, and x is shared.
        let trunk = &self.trunks[task];
        Representation { slot: trunk.output(), is_shared: trunk.is_empty() }
    }

    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        for trunk in &self.trunks {
            trunk.forward(theta, mode, values);
        }
    }

    fn propagate(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        _lanes: usize,
        into_input: bool,
    ) {
        for (k, trunk) in self.trunks.iter().enumerate() {
            let into = match (into_input, k) {
                (false, _) => Into::Nowhere,
                (true, 0) => Into::Set(0),
                (true, _) => Into::Add(0),
            };
            trunk.propagate(theta, values, deltas, &Flow { lanes: 1, into });
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

    fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        for trunk in &self.trunks {
            trunk.branches(theta, values, record);
        }
    }
}
