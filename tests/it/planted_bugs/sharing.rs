//! A shared trunk, written against the public contract, with one thing wrong where the tasks' deltas meet.
//!
//! Unlike the crate's own, this trunk does the sum itself: each task reads a copy of the representation.

use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::layer::{BuildContext, Chain, Pass, Propagation};
use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
use polytask::{Layer, Result, Scalar};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SumBug {
    /// Nothing: the form by itself is right.
    Nothing,
    /// One task's delta is multiplied on its way into the trunk: 0 leaves it out, 2 counts it twice.
    Task(usize, f64),
    /// The last task's delta overwrites those of the others.
    Overwrites,
    /// The deltas of the tasks are averaged, not summed.
    Mean,
    /// ∂L/∂x is not computed.
    InputForgotten,
}

/// The form to be built.
#[derive(Clone, Debug)]
pub struct Copies(pub Vec<Layer>, pub SumBug);

#[derive(Debug)]
struct BuiltCopies<F> {
    trunk: Chain<F>,
    copies: Vec<ActivationBlock>,
    bug: SumBug,
}

impl<F: Scalar> BuildSharing<F> for Copies {
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let trunk = context.named("trunk", |context| Chain::<F>::build(&self.0, context))?;
        context.end_shared();
        let copies = tasks.iter().map(|_| context.activations(trunk.output().width())).collect();
        Ok(Box::new(BuiltCopies { trunk, copies, bug: self.1 }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltCopies<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { activations: self.copies[task], is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.trunk.forward(pass, values);
        for &copy in &self.copies {
            let (h, mut to) = values.pair((self.trunk.output(), 0..1), (copy, 0..1));
            to.assign(&h);
        }
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        for (k, &copy) in self.copies.iter().enumerate() {
            let lane = if to.lanes == 1 { 0 } else { k };
            let (delta, mut sum) = deltas.pair((copy, 0..1), (self.trunk.output(), lane..lane + 1));
            if to.lanes > 1 || k == 0 || self.bug == SumBug::Overwrites {
                sum.fill(F::ZERO);
            }
            let factor = match self.bug {
                SumBug::Task(task, factor) if task == k => factor,
                SumBug::Mean => 1.0 / self.copies.len() as f64,
                _ => 1.0,
            };
            sum.zip_mut_with(&delta, |sum, &d| *sum += F::from_f64(factor) * d);
        }
        self.trunk.propagate(pass, values, deltas, to.wanted(self.bug != SumBug::InputForgotten));
    }

    fn pieces(&self) -> Vec<Piece> {
        self.trunk.pieces().map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let of_trunk = self.trunk.gradient(chunks, lane, piece.range.clone(), gradient);
        of_trunk.expect("the piece is one of the trunk's");
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(pass, values, record);
    }
}
