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

impl Mixture {
    pub(super) fn forward<F: Scalar>(&self, values: &mut Arena<F>) {
        for (e, &expert) in self.experts.iter().enumerate() {
            let read = [(expert, 0..1), (self.shares, 0..1)];
            let ([f, shares], [mut h]) = values.split(read, [(self.output, 0..1)]);
            kernel::scale_rows(f, shares.column(e), e > 0, h.view_mut());
        }
    }

    /// From dh, in the lane `output`, to dp, in the lane `shares`, and the dfₑ; `to` says in which lane dfₑ belongs, and
    /// whether it is added to what another mixture has sent.
    pub(super) fn propagate<F: Scalar>(
        &self,
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        [output, shares]: [usize; 2],
        to: impl Fn(usize) -> (usize, bool),
    ) {
        let p = values.get(self.shares);
        let of = |lane: usize| lane..lane + 1;
        for (e, &expert) in self.experts.iter().enumerate() {
            let (dh, mut dp) = deltas.pair((self.output, of(output)), (self.shares, of(shares)));
            kernel::row_products(dh, values.get(expert), dp.column_mut(e));
            let (lane, adds) = to(e);
            let (dh, df) = deltas.pair((self.output, of(output)), (expert, of(lane)));
            kernel::scale_rows(dh, p.column(e), adds, df);
        }
    }
}
