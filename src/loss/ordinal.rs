//! Ordered classes 0 … K − 1, by cumulative logits: output width K − 1 per target column.
//!
//! The cumulative logits are c_k with P(class ≤ k) = sigmoid c_k, k = 0 … K − 2. They must not decrease; the
//! outputs o are the first of them and, through a softplus, the steps between them, so any outputs
//! are in order:
//! ```text
//! c_0 = o_0        c_k = c_(k−1) + softplus o_k
//! ```
//! A head whose outputs o_1 … depend on its bias alone is the proportional-odds model: o_0 moves all
//! thresholds together, and the steps between them are constants. As outputs of a network, the steps may
//! depend on the example too, which lets it be surer of some examples than of others.
//!
//! The probability of a class is a difference of sigmoids, and for b > a
//! ```text
//! sigmoid b − sigmoid a = sigmoid b · sigmoid(−a) · (1 − e^(a − b)),      1 − e^(−softplus o) = sigmoid o
//! ```
//! so the loss of label t is a sum of three softplus, of which the first class has the first alone and the last
//! class the second alone:
//! ```text
//! ℓ = −ln P(t) = softplus(−c_t) + softplus c_(t−1) + softplus(−o_t)
//! ∂ℓ/∂c_t = −sigmoid(−c_t)      ∂ℓ/∂c_(t−1) = sigmoid c_(t−1)
//! ∂ℓ/∂o_0 = ∂ℓ/∂c_t + ∂ℓ/∂c_(t−1)
//! ∂ℓ/∂o_k = sigmoid o_k (∂ℓ/∂c_t + ∂ℓ/∂c_(t−1))            0 < k < t
//! ∂ℓ/∂o_t = sigmoid o_t ∂ℓ/∂c_t − sigmoid(−o_t)
//! ∂ℓ/∂o_k = 0                                               k > t
//! ```
//! Label smoothing ε spreads the share ε of a label evenly over the K classes, q_c = (1 − ε) [c = t] + ε/K, and the loss
//! is the mean over them. Then every threshold and every step has a part in it:
//! ```text
//! ℓ = −Σ_c q_c ln P(c) = Σ_k (q_k softplus(−c_k) + q_(k+1) softplus c_k) + Σ_(k>0) q_k softplus(−o_k)
//! d_k = ∂ℓ/∂c_k = q_(k+1) sigmoid c_k − q_k sigmoid(−c_k)                          k = 0 … K − 2
//! ∂ℓ/∂o_0 = Σ_j d_j        ∂ℓ/∂o_k = sigmoid o_k Σ_(j≥k) d_j − q_k sigmoid(−o_k)
//! ```
//! Source: McCullagh, "Regression models for ordinal data" (1980), with the thresholds parametrised by their
//! steps.

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::classes::{check_index, class_index, share};
use super::logistic::{sigmoid, softplus_sigmoid};
use super::mean::{Example, by_label};
use super::{Kind, Labels, LossFunction};
use crate::{Result, Scalar};

#[derive(Clone, Copy, Debug)]
pub(super) struct Ordinal {
    pub classes: usize,
    pub label_smoothing: f64,
}

impl Ordinal {
    fn smoothed<F: Scalar>(&self, Example { z: o, t, rate, delta }: Example<'_, F>) -> F {
        let t = class_index(t, self.classes);
        let q = |c| F::from_f64(share(self.label_smoothing, self.classes, t, c));
        let (mut value, mut c) = (F::ZERO, F::ZERO);
        for (k, d) in delta.iter_mut().enumerate() {
            c = step(o, c, k);
            let ((up, below), (down, above)) = (softplus_sigmoid(c), softplus_sigmoid(-c));
            value += q(k) * down + q(k + 1) * up;
            *d = q(k + 1) * below - q(k) * above;
        }
        let mut from_here_on = F::ZERO;
        for (k, d) in delta.iter_mut().enumerate().rev() {
            from_here_on += *d;
            *d = rate * from_here_on;
            if k > 0 {
                let (softplus, wrong) = softplus_sigmoid(-o[k]);
                value += q(k) * softplus;
                *d = rate * (sigmoid(o[k]) * from_here_on - q(k) * wrong);
            }
        }
        value
    }
}

impl<F: Scalar> LossFunction<F> for Ordinal {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let last = self.classes - 1;
        if self.label_smoothing != 0.0 {
            let total = labels.total_weight();
            return by_label(outputs, labels, delta, last, total, |example| self.smoothed(example));
        }
        by_label(outputs, labels, delta, last, labels.total_weight(), |Example { z: o, t, rate, delta }| {
            let t = class_index(t, self.classes);
            let below = (0..t).fold(F::ZERO, |c, k| step(o, c, k));
            let (mut value, mut d_below, mut d_above) = (F::ZERO, F::ZERO, F::ZERO);
            if t > 0 {
                (value, d_below) = softplus_sigmoid(below);
            }
            if t < last {
                let (softplus, sigmoid) = softplus_sigmoid(-step(o, below, t));
                value += softplus;
                d_above = -sigmoid;
            }
            for k in 0..last.min(t + 1) {
                let slope = if k == 0 { F::ONE } else { sigmoid(o[k]) };
                delta[k] = rate * slope * if k < t { d_above + d_below } else { d_above };
            }
            if 0 < t && t < last {
                let (softplus, sigmoid) = softplus_sigmoid(-o[t]);
                value += softplus;
                delta[t] += -rate * sigmoid;
            }
            value
        })
    }

    fn output_width(&self, target_width: usize) -> usize {
        target_width * (self.classes - 1)
    }

    fn prediction_width(&self, target_width: usize) -> usize {
        target_width * self.classes
    }

    /// The probabilities of the K classes.
    fn predict(&self, outputs: ArrayView2<'_, F>, mut predictions: ArrayViewMut2<'_, F>) {
        let (k, last) = (self.classes, self.classes - 1);
        for ((row, block), _) in outputs.slice(s![.., ..;last]).indexed_iter() {
            let o = outputs.slice(s![row, block * last..(block + 1) * last]);
            let mut p = predictions.slice_mut(s![row, block * k..(block + 1) * k]);
            let (mut c, mut above) = (F::ZERO, F::ONE);
            for k in 0..last {
                c = if k == 0 { o[0] } else { c + softplus_sigmoid(o[k]).0 };
                p[k] = sigmoid(c) * above * if k == 0 { F::ONE } else { sigmoid(o[k]) };
                above = sigmoid(-c);
            }
            p[last] = above;
        }
    }

    fn kind(&self) -> Kind {
        Kind::Classes { classes: self.classes, ordered: true }
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_index(labels, self.classes)
    }
}

/// c_k from `previous`, c_(k−1).
fn step<F: Scalar>(o: &[F], previous: F, k: usize) -> F {
    if k == 0 { o[0] } else { previous + softplus_sigmoid(o[k]).0 }
}
