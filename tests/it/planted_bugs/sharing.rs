//! A shared trunk, written against the public contract, with one thing wrong where the tasks' deltas meet.
//!
//! Unlike the crate's own, this trunk does the sum itself: each task reads a copy of the representation.

use polytask::layer::{Chain, Flow, Into, Mode, Site};
use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
use polytask::trace::{Arena, Chunk, Slot};
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
    /// The deltas of the tasks are meaned, not summed.
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
    copies: Vec<Slot>,
    bug: SumBug,
}

impl<F: Scalar> BuildSharing<F> for Copies {
    fn build(&self, tasks: &[&str], site: &mut Site<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let trunk = site.named("trunk", |site| Chain::<F>::build(&self.0, site))?;
        site.end_shared();
        let copies = tasks.iter().map(|_| site.slot(trunk.output().width())).collect();
        Ok(Box::new(BuiltCopies { trunk, copies, bug: self.1 }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltCopies<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { slot: self.copies[task], is_shared: false }
    }

    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        self.trunk.forward(theta, mode, values);
        for &copy in &self.copies {
            let (h, mut to) = values.pair((self.trunk.output(), 0..1), (copy, 0..1));
            to.assign(&h);
        }
    }

    fn propagate(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        lanes: usize,
        into_input: bool,
    ) {
        for (k, &copy) in self.copies.iter().enumerate() {
            let lane = if lanes == 1 { 0 } else { k };
            let (delta, mut sum) = deltas.pair((copy, 0..1), (self.trunk.output(), lane..lane + 1));
            if lanes > 1 || k == 0 || self.bug == SumBug::Overwrites {
                sum.fill(F::ZERO);
            }
            let factor = match self.bug {
                SumBug::Task(task, factor) if task == k => factor,
                SumBug::Mean => 1.0 / self.copies.len() as f64,
                _ => 1.0,
            };
            sum.zip_mut_with(&delta, |sum, &d| *sum += F::from_f64(factor) * d);
        }
        let wanted = into_input && self.bug != SumBug::InputForgotten;
        let into = if wanted { Into::Set(0) } else { Into::Nowhere };
        self.trunk.propagate(theta, values, deltas, &Flow { lanes, into });
    }

    fn pieces(&self) -> Vec<Piece> {
        self.trunk.pieces().map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let of_trunk = self.trunk.gradient(chunks, lane, piece.range.clone(), gradient);
        of_trunk.expect("the piece is one of the trunk's");
    }

    fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(theta, values, record);
    }
}
