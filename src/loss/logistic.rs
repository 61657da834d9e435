//! The functions of logits that the losses are made of, without overflow at any logit.
//!
//! ```text
//! softplus z = ln(1 + e^z)         sigmoid z = 1/(1 + e^(−z)) = softplus′ z
//! −ln sigmoid z = softplus(−z)     1 − sigmoid z = sigmoid(−z)
//! ```

use crate::Scalar;

/// softplus z and sigmoid z, by one exponential of a number that is not positive.
pub(super) fn softplus_sigmoid<F: Scalar>(z: F) -> (F, F) {
    if z > F::ZERO {
        let e = (-z).exp();
        (z + e.ln_1p(), F::ONE / (F::ONE + e))
    } else {
        let e = z.exp();
        (e.ln_1p(), e / (F::ONE + e))
    }
}

/// 1/(1 + e^(−z)).
pub(super) fn sigmoid<F: Scalar>(z: F) -> F {
    softplus_sigmoid(z).1
}

/// Writes softmax z, `e^z / Σ e^z`, to `p`. −ln p_c is the answer's `.0 − z_c + .1`.
///
/// The answer is the largest logit m and ln Σ e^(z − m). Of this sum the 1 of m itself is left to `ln_1p`, and
/// the two numbers are kept apart: so the loss of an example that is surely right keeps its digits.
pub(crate) fn softmax<F: Scalar>(z: &[F], p: &mut [F]) -> (F, F) {
    let largest = (1..z.len()).fold(0, |best, c| if z[c] > z[best] { c } else { best });
    let mut others = F::ZERO;
    for (c, (p, &z_c)) in p.iter_mut().zip(z).enumerate() {
        *p = F::ONE;
        if c != largest {
            *p = (z_c - z[largest]).exp();
            others += *p;
        }
    }
    let share = F::ONE / (F::ONE + others);
    p.iter_mut().for_each(|p| *p *= share);
    (z[largest], others.ln_1p())
}
