//! A mixture: for each row, the sum of several experts' outputs, each times its share.
//!
//! With the outputs f₁ … f_E of E experts (batch × n each) and the shares p (batch × E), in each row:
//!
//! ```text
//! forward     h = Σₑ pₑ fₑ                 n numbers
//!
//! backward    given dh = ∂L/∂h
//!             dfₑ = pₑ dh                  to expert e
//!             dpₑ = ⟨dh, fₑ⟩               to what has computed the shares
//! ```
//! Why: h is linear in each fₑ with the factor pₑ, and in each pₑ with the factor fₑ.

use ndarray::Axis;

use crate::Scalar;
use crate::arena::{ActivationBlock, Arena};
use crate::kernel;

/// The addresses of what is mixed, and by which shares.
#[derive(Clone, Debug)]
pub(super) struct Mixture {
    /// fₑ, all of the same width.
    pub(super) experts: Vec<ActivationBlock>,
    /// p.
    pub(super) shares: ActivationBlock,
    /// h.
    pub(super) output: ActivationBlock,
}

/// Mixes for each of several tasks.
pub(super) fn mix<'a, F: Scalar>(mixtures: impl Iterator<Item = &'a Mixture>, values: &mut Arena<F>) {
    mixtures.for_each(|mixture| mixture.forward(values));
}

/// From the dh of each mixture to its dp, in the same lane, and the dfₑ; `to` says, for a mixture and an expert, in
/// which lane dfₑ belongs, and whether it is added to what another has sent.
pub(super) fn unmix<'a, F: Scalar>(
    mixtures: impl Iterator<Item = &'a Mixture>,
    values: &Arena<F>,
    deltas: &mut Arena<F>,
    lane: usize,
    to: impl Fn(usize, usize) -> (usize, bool),
) {
    let mut left = mixtures.enumerate();
    while let Some((k, mixture)) = left.next() {
        let pair = left.next();
        let n = pair.map_or(0, |(_, other)| other.experts.len()).max(mixture.experts.len());
        for e in 0..n {
            // Where two tasks read the same expert, its delta is written once for both.
            let common = pair.filter(|&(l, other)| {
                mixture.experts.get(e) == other.experts.get(e) && to(k, e).0 == to(l, e).0
            });
            if e < mixture.experts.len() {
                let other = common.map(|(_, other)| other);
                mixture.propagate(other, e, values, deltas, [lane, to(k, e).0], to(k, e).1);
            }
            if let Some((l, other)) = pair.filter(|(_, other)| common.is_none() && e < other.experts.len()) {
                other.propagate(None, e, values, deltas, [lane, to(l, e).0], to(l, e).1);
            }
        }
    }
}

impl Mixture {
    fn forward<F: Scalar>(&self, values: &mut Arena<F>) {
        let block = |block: ActivationBlock| (block, 0..1);
        let fours = self.experts.as_chunks::<4>().0;
        for (i, &[a, b, c, d]) in fours.iter().enumerate() {
            let read = [a, b, c, d, self.shares].map(block);
            let ([a, b, c, d, p], [h]) = values.split(read, [block(self.output)]);
            let p = [0, 1, 2, 3].map(|e| p.index_axis_move(Axis(1), 4 * i + e));
            kernel::mix_rows([a, b, c, d], p, i > 0, h);
        }
        for (e, &expert) in self.experts.iter().enumerate().skip(4 * fours.len()) {
            let ([f, p], [h]) = values.split([expert, self.shares].map(block), [block(self.output)]);
            kernel::mix_rows([f], [p.index_axis_move(Axis(1), e)], e > 0, h);
        }
    }

    /// h in a graph, where the shares have their value.
    #[cfg(feature = "onnx")]
    pub(super) fn export(&self, graph: &mut crate::onnx::Graph) {
        let shares = graph.value(self.shares);
        let mut h = None;
        for (e, &expert) in self.experts.iter().enumerate() {
            let (f, share) = (graph.value(expert), graph.columns(&shares, e..e + 1));
            let term = graph.node("Mul", &[&f, &share]);
            h = Some(match h {
                None => term,
                Some(sum) => graph.node("Add", &[&sum, &term]),
            });
        }
        graph.set(self.output, h.expect("a mixture has experts"));
    }

    /// The deltas of expert e from this mixture, and from another that reads it too: from the lane `from` to the dfₑ in
    /// the lane `to`.
    fn propagate<F: Scalar>(
        &self,
        other: Option<&Self>,
        e: usize,
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        [from, to]: [usize; 2],
        adds: bool,
    ) {
        let expert = self.experts[e];
        let p = |mixture: &Self| values.get(mixture.shares).index_axis_move(Axis(1), e);
        let of = |block: ActivationBlock| (block, from..from + 1);
        let (f, df) = (values.get(expert), (expert, to..to + 1));
        match other {
            None => {
                let ([dh], [dp, df]) = deltas.split([of(self.output)], [of(self.shares), df]);
                kernel::unmix_rows([dh], [p(self)], f, [dp.index_axis_move(Axis(1), e)], adds, df);
            }
            Some(other) => {
                let read = [of(self.output), of(other.output)];
                let (dh, [dp, dq, df]) = deltas.split(read, [of(self.shares), of(other.shares), df]);
                let products = [dp, dq].map(|dp| dp.index_axis_move(Axis(1), e));
                kernel::unmix_rows(dh, [p(self), p(other)], f, products, adds, df);
            }
        }
    }
}
