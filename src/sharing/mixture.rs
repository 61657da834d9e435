//! A mixture: for each row, the sum of what several experts say, each times its share.
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

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};

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

/// The numbers of a block that are mixed at once: those of a few rows, so that sums stay in the first cache until all
/// experts are in them.
const TILE: usize = 4096;

/// The rows of a chunk, a tile at a time.
fn tiles(rows: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    let n = (TILE / width.max(1)).max(1);
    (0..rows).step_by(n).map(move |first| first..(first + n).min(rows))
}

/// Mixes for each of several tasks.
pub(super) fn mix<'a, F: Scalar>(mixtures: impl Iterator<Item = &'a Mixture> + Clone, values: &mut Arena<F>) {
    let Some(first) = mixtures.clone().next() else { return };
    for rows in tiles(values.rows(), first.output.width()) {
        mixtures.clone().for_each(|mixture| mixture.forward(&rows, values));
    }
}

/// From the dh of each mixture to its dp, in the same lane, and the dfₑ; `to` says, for a mixture and an expert, in which lane
/// dfₑ belongs, and whether it is added to what another has sent.
pub(super) fn unmix<'a, F: Scalar>(
    mixtures: impl Iterator<Item = &'a Mixture> + Clone,
    values: &Arena<F>,
    deltas: &mut Arena<F>,
    lane: usize,
    to: impl Fn(usize, usize) -> (usize, bool),
) {
    let Some(first) = mixtures.clone().next() else { return };
    for rows in tiles(values.rows(), first.output.width()) {
        let mut left = mixtures.clone().enumerate();
        while let Some((k, mixture)) = left.next() {
            let pair = left.next();
            let n = pair.map_or(0, |(_, other)| other.experts.len()).max(mixture.experts.len());
            for e in 0..n {
                // What two tasks read is read once for both.
                let common = pair.filter(|&(l, other)| {
                    mixture.experts.get(e) == other.experts.get(e) && to(k, e).0 == to(l, e).0
                });
                if e < mixture.experts.len() {
                    let other = common.map(|(_, other)| other);
                    mixture.propagate(other, e, values, deltas, (&rows, lane, to(k, e)));
                }
                if let Some((l, other)) =
                    pair.filter(|(_, other)| common.is_none() && e < other.experts.len())
                {
                    other.propagate(None, e, values, deltas, (&rows, lane, to(l, e)));
                }
            }
        }
    }
}

fn rows_of<'a, F>(matrix: ArrayView2<'a, F>, rows: &Range<usize>) -> ArrayView2<'a, F> {
    matrix.slice_move(s![rows.clone(), ..])
}

fn rows_of_mut<'a, F>(matrix: ArrayViewMut2<'a, F>, rows: &Range<usize>) -> ArrayViewMut2<'a, F> {
    matrix.slice_move(s![rows.clone(), ..])
}

fn column_mut<F>(matrix: ArrayViewMut2<'_, F>, e: usize) -> ArrayViewMut1<'_, F> {
    matrix.index_axis_move(Axis(1), e)
}

impl Mixture {
    fn forward<F: Scalar>(&self, rows: &Range<usize>, values: &mut Arena<F>) {
        let block = |block: ActivationBlock| (block, 0..1);
        let (fours, rest) = self.experts.as_chunks::<4>();
        for (i, &[a, b, c, d]) in fours.iter().enumerate() {
            let read = [a, b, c, d, self.shares].map(block);
            let ([a, b, c, d, p], [h]) = values.split(read, [block(self.output)]);
            let (f, p) = ([a, b, c, d].map(|f| rows_of(f, rows)), rows_of(p, rows));
            let p = [0, 1, 2, 3].map(|e| p.index_axis_move(Axis(1), 4 * i + e));
            kernel::mix_rows(f, p, i > 0, rows_of_mut(h, rows));
        }
        for (i, &expert) in rest.iter().enumerate() {
            let e = 4 * fours.len() + i;
            let ([f, p], [h]) = values.split([expert, self.shares].map(block), [block(self.output)]);
            let (f, p) = (rows_of(f, rows), rows_of(p, rows).index_axis_move(Axis(1), e));
            kernel::mix_rows([f], [p], e > 0, rows_of_mut(h, rows));
        }
    }

    /// What expert e has to do with this mixture, and with another that reads it too.
    fn propagate<F: Scalar>(
        &self,
        other: Option<&Self>,
        e: usize,
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        (rows, lane, (to, adds)): (&Range<usize>, usize, (usize, bool)),
    ) {
        let expert = self.experts[e];
        let f = rows_of(values.get(expert), rows);
        let p = |mixture: &Self| values.get(mixture.shares).slice_move(s![rows.clone(), e]);
        let of = |block: ActivationBlock| (block, lane..lane + 1);
        for mixture in [Some(self), other].into_iter().flatten() {
            let (dh, dp) = deltas.pair(of(mixture.output), of(mixture.shares));
            kernel::row_products(rows_of(dh, rows), f, column_mut(rows_of_mut(dp, rows), e));
        }
        let df = (expert, to..to + 1);
        match other {
            None => {
                let (dh, df) = deltas.pair(of(self.output), df);
                kernel::mix_rows([rows_of(dh, rows)], [p(self)], adds, rows_of_mut(df, rows));
            }
            Some(other) => {
                let (dh, [df]) = deltas.split([of(self.output), of(other.output)], [df]);
                let dh = dh.map(|dh| rows_of(dh, rows));
                kernel::mix_rows(dh, [p(self), p(other)], adds, rows_of_mut(df, rows));
            }
        }
    }
}
