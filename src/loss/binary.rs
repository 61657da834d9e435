//! Losses for labels 0 and 1, on the logit z of the probability p = sigmoid z of label 1. With several
//! target columns, each is a yes-or-no question of its own (multi-label classification).
//!
//! Cross-entropy, the positive examples counted with a weight a:
//! ```text
//! ℓ = −a t ln p − (1 − t) ln(1 − p) = a t softplus(−z) + (1 − t) softplus z
//! ∂ℓ/∂z = −a t (1 − p) + (1 − t) p
//! ```
//! Focal loss. Let v = z for label 1 and −z for label 0, so that q = sigmoid(−v) is the probability of being
//! wrong, and α′ = α for label 1 and 1 − α for label 0:
//! ```text
//! ℓ = −α′ q^γ ln(1 − q) = α′ q^γ softplus(−v),      q^γ = e^(−γ softplus v)
//! ∂q/∂v = −q (1 − q),   ∂softplus(−v)/∂v = −q
//! ∂ℓ/∂v = −α′ q^γ (γ (1 − q) softplus(−v) + q)
//! ```
//! Label smoothing ε (0 by default) spreads the share ε of a label evenly over 0 and 1, and the loss of such a label is
//! the mean of the losses of both, each weighted by its share, and so is the derivative:
//! ```text
//! ℓ_ε(t) = (1 − ε/2) ℓ(t) + ε/2 ℓ(1 − t)
//! ```
//! Of cross-entropy that is its value at the label (1 − ε) t + ε/2, as TensorFlow has it.
//!
//! Sources: the weight is PyTorch's `pos_weight`, and like it changes the sum but not what the mean divides
//! by; Lin et al., "Focal loss for dense object detection" (2017), eq. 5, with its defaults γ = 2, α = 0.25.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

use super::logistic::{sigmoid, softplus_sigmoid};
use super::mean::{assert_fit, pointwise, pointwise_sum, rate};
use super::{Kind, Labels, LossFunction};
use crate::{Error, ErrorKind, Result, Scalar};

#[derive(Clone, Debug)]
pub(super) struct BinaryCrossEntropy {
    /// None, one for all target columns, or one for each.
    pub positive_weights: Vec<f64>,
    pub label_smoothing: f64,
}

/// A loss of a logit and a label, at a label of which the share ε is spread over 0 and 1.
fn smoothed<F: Scalar>(epsilon: f64, example: impl Fn(F, F) -> (F, F)) -> impl Fn(F, F) -> (F, F) {
    let (own, other) = (F::from_f64(1.0 - epsilon / 2.0), F::from_f64(epsilon / 2.0));
    move |z, t| {
        let ((value, slope), (other_value, other_slope)) = (example(z, t), example(z, F::ONE - t));
        (own * value + other * other_value, own * slope + other * other_slope)
    }
}

fn cross_entropy<F: Scalar>(z: F, t: F, positive_weight: F) -> (F, F) {
    if t == F::ZERO {
        softplus_sigmoid(z)
    } else {
        let (minus_ln_p, wrong) = softplus_sigmoid(-z);
        (positive_weight * minus_ln_p, -positive_weight * wrong)
    }
}

impl<F: Scalar> LossFunction<F> for BinaryCrossEntropy {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let epsilon = self.label_smoothing;
        let example = |a| move |z, t| cross_entropy(z, t, F::from_f64(a));
        let weights = match self.positive_weights.as_slice() {
            [] if epsilon == 0.0 => return pointwise(outputs, labels, delta, example(1.0)),
            &[a] if epsilon == 0.0 => return pointwise(outputs, labels, delta, example(a)),
            [] => return pointwise(outputs, labels, delta, smoothed(epsilon, example(1.0))),
            &[a] => return pointwise(outputs, labels, delta, smoothed(epsilon, example(a))),
            weights => weights,
        };
        assert_fit(&outputs, labels, &delta, 1);
        assert_eq!(weights.len(), outputs.ncols(), "positive weights and target columns");
        let Some(rate) = rate(labels.total_weight()) else {
            delta.fill(F::ZERO);
            return F::ZERO;
        };
        let column_sum = |(column, &a): (usize, &f64)| {
            let column = Slice::from(column..=column);
            let labels = Labels { targets: labels.targets.slice_axis(Axis(1), column), ..*labels };
            let delta = delta.slice_axis_mut(Axis(1), column);
            let outputs = outputs.slice_axis(Axis(1), column);
            match epsilon == 0.0 {
                true => pointwise_sum(outputs, &labels, rate, delta, example(a)),
                false => pointwise_sum(outputs, &labels, rate, delta, smoothed(epsilon, example(a))),
            }
        };
        rate * weights.iter().enumerate().map(column_sum).sum()
    }

    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        probabilities(outputs, predictions);
    }

    fn kind(&self) -> Kind {
        Kind::Binary
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        let (weights, columns) = (self.positive_weights.len(), labels.targets.ncols());
        if weights > 1 && weights != columns {
            let expected = format!("none, 1, or {columns}, one per target column");
            return Err(Error::new(ErrorKind::Shape, "number of positive weights", expected, weights));
        }
        check_binary(labels)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct BinaryFocal {
    pub gamma: f64,
    pub alpha: f64,
    pub label_smoothing: f64,
}

impl<F: Scalar> LossFunction<F> for BinaryFocal {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let gamma = F::from_f64(self.gamma);
        let example = |z: F, t: F| {
            let (v, alpha) = if t == F::ZERO { (-z, 1.0 - self.alpha) } else { (z, self.alpha) };
            let (softplus, right) = softplus_sigmoid(v);
            let (minus_ln_right, wrong) = softplus_sigmoid(-v);
            let scale = F::from_f64(alpha) * (-gamma * softplus).exp();
            let slope = -scale * (gamma * right * minus_ln_right + wrong);
            (scale * minus_ln_right, if t == F::ZERO { -slope } else { slope })
        };
        match self.label_smoothing == 0.0 {
            true => pointwise(outputs, labels, delta, example),
            false => pointwise(outputs, labels, delta, smoothed(self.label_smoothing, example)),
        }
    }

    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        probabilities(outputs, predictions);
    }

    fn kind(&self) -> Kind {
        Kind::Binary
    }

    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_binary(labels)
    }
}

fn probabilities<F: Scalar>(logits: ArrayView2<'_, F>, mut probabilities: ArrayViewMut2<'_, F>) {
    probabilities.zip_mut_with(&logits, |p, &z| *p = sigmoid(z));
}

fn check_binary<F: Scalar>(labels: &Labels<'_, F>) -> Result<()> {
    labels.check("0 or 1, or NaN if it is missing", |t| t == F::ZERO || t == F::ONE)
}
