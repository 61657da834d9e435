//! A softmax gate: for each row, a weighted mean of several experts' outputs, a [mixture](super::mixture) whose shares are
//! a softmax.
//!
//! With the outputs f₁ … f_E of E experts (batch × n each) and the gate's logits a (batch × E), in each row:
//!
//! ```text
//! forward     p = softmax(a), pₑ = e^aₑ / Σ_c e^a_c            all above 0, their sum is 1
//!             h = Σₑ pₑ fₑ                                     n numbers
//!
//! backward    given dh = ∂L/∂h
//!             dfₑ = pₑ dh                                      to expert e
//!             dpₑ = ⟨dh, fₑ⟩
//!             daₑ = pₑ (dpₑ − Σ_c p_c dp_c)                    to the gate
//! ```
//! Why: h is linear in each fₑ with the factor pₑ, and in each pₑ with the factor fₑ. For the softmax,
//! ∂p_c/∂aₑ = p_c ([c = e] − pₑ): raising one logit raises its own share and lowers each other share in proportion. So
//! daₑ = Σ_c dp_c p_c ([c = e] − pₑ) = pₑ dpₑ − pₑ Σ_c p_c dp_c. An expert is asked for more where it agrees with −dh
//! better than the mixture as a whole does; the daₑ of a row add up to 0, because only differences of logits count.

use super::mixture::{self, Mixture};
use crate::Scalar;
use crate::arena::{ActivationBlock, Arena};

/// From the logits of each gate to what it mixes.
pub(super) fn mix<'a, F: Scalar>(
    gates: impl Iterator<Item = &'a SoftmaxGate> + Clone,
    values: &mut Arena<F>,
) {
    gates.clone().for_each(|gate| gate.share(values));
    mixture::mix(gates.map(|gate| &gate.mixture), values);
}

/// From the dh of each gate to its da, in the same lane, and the dfₑ; `to` says, for a gate and an expert, in which lane dfₑ
/// belongs, and whether it is added to what another gate has sent.
pub(super) fn unmix<'a, F: Scalar>(
    gates: impl Iterator<Item = &'a SoftmaxGate> + Clone,
    values: &Arena<F>,
    deltas: &mut Arena<F>,
    lane: usize,
    to: impl Fn(usize, usize) -> (usize, bool),
) {
    mixture::unmix(gates.clone().map(|gate| &gate.mixture), values, deltas, lane, to);
    gates.for_each(|gate| gate.propagate(values, deltas, lane));
}

/// The addresses of a gate and of what it mixes.
#[derive(Clone, Debug)]
pub(super) struct SoftmaxGate {
    /// a.
    pub(super) logits: ActivationBlock,
    /// The mixture whose shares are p, as wide as the logits.
    pub(super) mixture: Mixture,
}

impl SoftmaxGate {
    /// h.
    pub(super) fn output(&self) -> ActivationBlock {
        self.mixture.output
    }

    /// From a to p.
    fn share<F: Scalar>(&self, values: &mut Arena<F>) {
        let (logits, mut shares) = values.pair((self.logits, 0..1), (self.mixture.shares, 0..1));
        for (a, p) in logits.rows().into_iter().zip(shares.rows_mut()) {
            softmax(a.to_slice().expect("row-major"), p.into_slice().expect("row-major"));
        }
    }

    /// p and h in a graph.
    #[cfg(feature = "onnx")]
    pub(super) fn export(&self, graph: &mut crate::onnx::Graph) {
        let logits = graph.value(self.logits);
        let shares = graph.node_with("Softmax", &[&logits], &[("axis", &[-1])]);
        graph.set(self.mixture.shares, shares);
        self.mixture.export(graph);
    }

    /// From dp to da, in a lane.
    fn propagate<F: Scalar>(&self, values: &Arena<F>, deltas: &mut Arena<F>, lane: usize) {
        let (shares, lane) = (values.get(self.mixture.shares), lane..lane + 1);
        let (dp, mut da) = deltas.pair((self.mixture.shares, lane.clone()), (self.logits, lane));
        for ((dp, p), da) in dp.rows().into_iter().zip(shares.rows()).zip(da.rows_mut()) {
            let mean = p.iter().zip(&dp).map(|(&p, &dp)| p * dp).sum::<F>();
            for ((da, &p), &dp) in da.into_iter().zip(&p).zip(&dp) {
                *da = p * (dp - mean);
            }
        }
    }
}

/// The largest logit is subtracted first, so that no exponential overflows and the sum is at least 1.
fn softmax<F: Scalar>(a: &[F], p: &mut [F]) {
    let largest = a.iter().fold(a[0], |largest, &a| largest.max(a));
    for (p, &a) in p.iter_mut().zip(a) {
        *p = (a - largest).exp();
    }
    let sum = p.iter().copied().sum::<F>();
    p.iter_mut().for_each(|p| *p /= sum);
}
