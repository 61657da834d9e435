//! A selector: shares of experts that are exactly 0 for all but k of them, and differentiable all the same.
//!
//! H. Hazimeh et al., "DSelect-k: differentiable selection in the mixture of experts with applications to multi-task
//! learning", NeurIPS 2021, sections 3.1 and 3.2. E experts are numbered in binary with m = ⌈log₂ E⌉ digits. Each of k
//! single selectors chooses one expert by choosing each digit with a smooth step S of a number of its own:
//!
//! ```text
//! S(t) = 0 for t ≤ −γ/2,  1 for t ≥ γ/2,  −2 t³/γ³ + 3 t/(2γ) + ½ between       S′(t) = −6 t²/γ³ + 3/(2γ) between
//!
//! forward     s = softmax(w)                                   w: k numbers
//!             rᵢₑ = Π_b (S(z_ib) if digit b of e is 1, 1 − S(z_ib) if it is 0)     z: k × m numbers
//!             pₑ = Σᵢ sᵢ rᵢₑ                                   the share of expert e
//!
//! backward    given dp
//!             dsᵢ = Σₑ dpₑ rᵢₑ,   dwᵢ = sᵢ (dsᵢ − Σ_j s_j ds_j)
//!             dz_ib = sᵢ Σₑ dpₑ (± S′(z_ib)) Π_{c ≠ b} (…)     + where digit b of e is 1, − where it is 0
//! ```
//! Why: rᵢₑ is linear in the factor of each digit. S and S′ are continuous; beyond ±γ/2 S is exactly 0 or 1 and S′ is
//! 0, so a digit that has been decided stays decided. Here z and w are parameters (the paper's static gates): the
//! shares are the same for every row, and what regularises them depends on parameters alone:
//!
//! ```text
//! Ω(z) = λ Σᵢ H(rᵢ) + Σᵢ 1/Rᵢ        the second only if E is not a power of two;   Rᵢ = Σ_{e < E} rᵢₑ
//! H(rᵢ) = −Σₑ rᵢₑ ln rᵢₑ = Σ_b h(S(z_ib)),   h(s) = −s ln s − (1 − s) ln(1 − s)
//!
//! ∂H/∂z_ib = ln((1 − s)/s) S′(z_ib), s = S(z_ib)         ∂(1/Rᵢ)/∂z_ib = −Rᵢ⁻² ∂Rᵢ/∂z_ib
//! ```
//! H is taken over all 2^m numbers, of which rᵢ is a product of m independent digits, so it is a sum over digits. It is
//! 0 where every digit is decided. The second term keeps the selectors away from numbers that no expert has.

use crate::penalty::PenaltyFunction;
use crate::{Block, Scalar};

/// The addresses and settings of a selector.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    /// z.
    pub(super) codes: Block,
    /// w.
    pub(super) weights: Block,
    /// E.
    pub(super) n_experts: usize,
    /// γ.
    pub(super) width: f64,
}

/// S and S′.
fn smooth_step<F: Scalar>(t: F, width: f64) -> (F, F) {
    let (half, cubed) = (F::from_f64(0.5), F::from_f64(width * width * width));
    let (edge, slope) = (F::from_f64(0.5 * width), F::from_f64(1.5 / width));
    match t {
        _ if t <= -edge => (F::ZERO, F::ZERO),
        _ if t >= edge => (F::ONE, F::ZERO),
        _ => {
            let square = t * t;
            let two = F::ONE + F::ONE;
            (half + t * (slope - two * square / cubed), slope - (two + two + two) * square / cubed)
        }
    }
}

impl Selector {
    fn digits(&self) -> usize {
        self.codes.shape().1
    }

    fn n_selectors(&self) -> usize {
        self.codes.shape().0
    }

    /// The factor of digit `b` of selector `i` in the share of expert `e`, and its slope in z.
    fn factor<F: Scalar>(&self, theta: &[F], i: usize, b: usize, e: usize) -> (F, F) {
        let (step, slope) = smooth_step(self.codes.of(theta)[[i, b]], self.width);
        if e >> b & 1 == 1 { (step, slope) } else { (F::ONE - step, -slope) }
    }

    /// rᵢₑ.
    fn single<F: Scalar>(&self, theta: &[F], i: usize, e: usize) -> F {
        (0..self.digits()).fold(F::ONE, |product, b| product * self.factor(theta, i, b, e).0)
    }

    /// ∂rᵢₑ/∂z_ib.
    fn slope<F: Scalar>(&self, theta: &[F], i: usize, b: usize, e: usize) -> F {
        let others = (0..self.digits()).filter(|&c| c != b);
        others.fold(self.factor(theta, i, b, e).1, |product, c| product * self.factor(theta, i, c, e).0)
    }

    /// sᵢ.
    fn weight<F: Scalar>(&self, theta: &[F], i: usize) -> F {
        let w = &theta[self.weights.range()];
        let largest = w.iter().fold(w[0], |largest, &w| largest.max(w));
        (w[i] - largest).exp() / w.iter().map(|&w| (w - largest).exp()).sum::<F>()
    }

    /// Writes p.
    pub(super) fn shares<F: Scalar>(&self, theta: &[F], shares: &mut [F]) {
        shares.fill(F::ZERO);
        for i in 0..self.n_selectors() {
            let weight = self.weight(theta, i);
            let of = shares.iter_mut().enumerate();
            of.for_each(|(e, share)| *share += weight * self.single(theta, i, e));
        }
    }

    /// From dp to dz and then dw, one after the other in `gradient`.
    pub(super) fn propagate<F: Scalar>(&self, theta: &[F], dp: &[F], gradient: &mut [F]) {
        let (dz, dw) = gradient.split_at_mut(self.codes.len());
        let along = |of: &dyn Fn(usize) -> F| dp.iter().enumerate().map(|(e, &dp)| dp * of(e)).sum::<F>();
        let mut mean = F::ZERO;
        for (i, dw) in dw.iter_mut().enumerate() {
            let weight = self.weight(theta, i);
            for b in 0..self.digits() {
                dz[i * self.digits() + b] = weight * along(&|e| self.slope(theta, i, b, e));
            }
            *dw = along(&|e| self.single(theta, i, e));
            mean += weight * *dw;
        }
        dw.iter_mut().enumerate().for_each(|(i, dw)| *dw = self.weight(theta, i) * (*dw - mean));
    }
}

/// Ω of a selector.
#[derive(Clone, Debug)]
pub(super) struct Undecided {
    pub(super) name: String,
    pub(super) selector: Selector,
    /// λ.
    pub(super) strength: f64,
}

impl Undecided {
    /// Rᵢ, if there are numbers that no expert has.
    fn reached<F: Scalar>(&self, theta: &[F], i: usize) -> Option<F> {
        let Selector { n_experts, .. } = self.selector;
        let all = || (0..n_experts).map(|e| self.selector.single(theta, i, e)).sum::<F>();
        (!n_experts.is_power_of_two()).then(all)
    }
}

impl<F: Scalar> PenaltyFunction<F> for Undecided {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self, theta: &[F]) -> f64 {
        let Selector { codes, width, .. } = self.selector;
        // A digit at 0 or 1 has no entropy, and 0 ln 0 computes as NaN.
        let entropy = |s: f64| if s > 0.0 && s < 1.0 { -s * s.ln() - (1.0 - s) * (-s).ln_1p() } else { 0.0 };
        let digits = theta[codes.range()].iter().map(|&z| entropy(smooth_step(z, width).0.to_f64()));
        let reached = (0..self.selector.n_selectors()).filter_map(|i| self.reached(theta, i));
        self.strength * digits.sum::<f64>() + reached.map(|reached| 1.0 / reached.to_f64()).sum::<f64>()
    }

    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        let Selector { codes, width, n_experts, .. } = self.selector;
        let strength = F::from_f64(self.strength);
        for i in 0..self.selector.n_selectors() {
            let reached = self.reached(theta, i);
            for b in 0..self.selector.digits() {
                let (s, slope) = smooth_step(codes.of(theta)[[i, b]], width);
                let g = &mut codes.of_mut(gradient)[[i, b]];
                if s > F::ZERO && s < F::ONE {
                    *g += strength * ((-s).ln_1p() - s.ln()) * slope;
                }
                if let Some(reached) = reached {
                    let rise = (0..n_experts).map(|e| self.selector.slope(theta, i, b, e)).sum::<F>();
                    *g += -rise / (reached * reached);
                }
            }
        }
    }
}
