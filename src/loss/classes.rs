//! Losses for one of K classes, on K logits z with the probabilities p = softmax z. The label t is the index
//! of the class, 0 … K − 1, exact as an `f32` up to 2²⁴. Several target columns have K logits each.
//!
//! Cross-entropy with class weights a (1 by default) and label smoothing ε (0 by default):
//! ```text
//! q_c = (1 − ε) [c = t] + ε/K            ℓ = −Σ_c a_c q_c ln p_c
//! ∂ ln p_c/∂z_j = [c = j] − p_j          ∂ℓ/∂z_j = p_j Σ_c a_c q_c − a_j q_j
//! ```
//! Focal loss, with p and q = 1 − p the probabilities of t and of the rest:
//! ```text
//! ℓ = −a_t q^γ ln p
//! ∂ℓ/∂ln p = a_t g,  g = γ p q^γ (ln p)/q − q^γ      ∂ℓ/∂z_j = a_t g ([j = t] − p_j)
//! ```
//! where (ln p)/q → −1 as q → 0. With label smoothing, the loss is the mean of those of all classes, each weighted by its
//! share of the label, q_c as above, with g_c = g at p = p_c:
//! ```text
//! ℓ = −Σ_c a_c q_c (1 − p_c)^γ ln p_c    ∂ℓ/∂z_j = a_j q_j g_j − p_j Σ_c a_c q_c g_c
//! ```
//! The weight of an example is w a_t, and Σ w a_t m is what the mean divides by:
//! doubling a class weight is the same as seeing each example of the class twice.
//!
//! An example whose own class has weight 0 is left out, smoothing or not: ℓ = 0. PyTorch leaves it out of what the mean
//! divides by and, where labels are smoothed, adds ε/K Σ_c a_c (−ln p_c) to the sum; then neither has a mean of such
//! rows alone a value (PyTorch: NaN or ∞), nor do the values of the parts of a batch give that of the whole.
//!
//! Sources: PyTorch's `CrossEntropyLoss` for the meaning of class weights and label smoothing together;
//! Szegedy et al., "Rethinking the Inception architecture" (2016), section 7, for smoothing; Lin et al., "Focal
//! loss for dense object detection" (2017), eq. 4, γ = 2.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::labels::usable;
use super::logistic::softmax;
use super::mean::{Example, by_label};
use super::{Kind, Labels, LossFunction};
use crate::{Result, Scalar};

#[derive(Clone, Debug)]
pub(super) struct CrossEntropy {
    pub classes: Classes,
    pub label_smoothing: f64,
}

impl CrossEntropy {
    fn example<F: Scalar>(&self, Example { z, t, rate, delta: p }: Example<'_, F>) -> F {
        let t = self.classes.index(t);
        if self.classes.weight(t) == 0.0 {
            return F::ZERO;
        }
        let (largest, rest) = softmax(z, p);
        if self.label_smoothing == 0.0 {
            let weight = F::from_f64(self.classes.weight(t));
            p.iter_mut().for_each(|p| *p *= rate * weight);
            // p_t − 1 is minus the sum of the others, which keeps its digits when p_t is near 1.
            p[t] = F::ZERO;
            p[t] = -p.iter().copied().sum::<F>();
            return weight * (largest - z[t] + rest);
        }
        let weight =
            |c| F::from_f64(self.classes.weight(c) * share(self.label_smoothing, self.classes.n, t, c));
        let (all, mut value) = ((0..z.len()).map(weight).sum::<F>(), F::ZERO);
        for (c, (p, &z)) in p.iter_mut().zip(z).enumerate() {
            value += weight(c) * (largest - z + rest);
            *p = rate * (all * *p - weight(c));
        }
        value
    }
}

impl<F: Scalar> LossFunction<F> for CrossEntropy {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        by_label(outputs, labels, delta, self.classes.n, self.total(labels), |example| self.example(example))
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        self.classes.total(labels)
    }
    fn output_width(&self, target_width: usize) -> usize {
        target_width * self.classes.n
    }
    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        self.classes.probabilities(outputs, predictions);
    }
    fn kind(&self) -> Kind {
        Kind::Classes { classes: self.classes.n, ordered: false }
    }
    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_index(labels, self.classes.n)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Focal {
    pub classes: Classes,
    pub gamma: f64,
    pub label_smoothing: f64,
}

impl Focal {
    fn example<F: Scalar>(&self, Example { z, t, rate, delta: p }: Example<'_, F>) -> F {
        let t = self.classes.index(t);
        if self.classes.weight(t) == 0.0 {
            return F::ZERO;
        }
        let (largest, rest) = softmax(z, p);
        if self.label_smoothing != 0.0 {
            return self.smoothed(Example { z, t: F::from_f64(t as f64), rate, delta: p }, largest, rest);
        }
        let (right, ln_right) = (p[t], z[t] - largest - rest);
        p[t] = F::ZERO;
        let wrong = p.iter().copied().sum::<F>();
        let (power, factor) = self.power_and_factor(right, wrong, ln_right);
        let weight = F::from_f64(self.classes.weight(t));
        let slope = rate * weight * power * factor;
        p.iter_mut().for_each(|p| *p *= -slope);
        p[t] = slope * wrong;
        -weight * power * ln_right
    }

    /// With p = softmax z in the place of the delta, and ln p_c = z_c − `largest` − `rest`.
    fn smoothed<F: Scalar>(
        &self,
        Example { z, t, rate, delta: p }: Example<'_, F>,
        largest: F,
        rest: F,
    ) -> F {
        let (n, t) = (self.classes.n, self.classes.index(t));
        // Where p_c is near 1, 1 − p_c is the sum of the others, which keeps its digits.
        let likely = p.iter().position(|&p| p > F::from_f64(0.5));
        let unlikely: F = p.iter().enumerate().filter(|&(c, _)| Some(c) != likely).map(|(_, &p)| p).sum();
        let at = |c: usize, p: F| {
            let weight = F::from_f64(self.classes.weight(c) * share(self.label_smoothing, n, t, c));
            let (wrong, ln_right) =
                (if Some(c) == likely { unlikely } else { F::ONE - p }, z[c] - largest - rest);
            let (power, factor) = self.power_and_factor(p, wrong, ln_right);
            (-weight * power * ln_right, weight * power * factor)
        };
        let (mut value, mut slopes) = (F::ZERO, F::ZERO);
        for (c, &p) in p.iter().enumerate() {
            let (part, slope) = at(c, p);
            value += part;
            slopes += slope;
        }
        for (c, p) in p.iter_mut().enumerate() {
            *p = rate * (at(c, *p).1 - *p * slopes);
        }
        value
    }

    /// q^γ and γ p (ln p)/q − 1, whose product is g.
    fn power_and_factor<F: Scalar>(&self, right: F, wrong: F, ln_right: F) -> (F, F) {
        let gamma = F::from_f64(self.gamma);
        let (power, ratio) = match wrong > F::ZERO {
            true => ((gamma * wrong.ln()).exp(), ln_right / wrong),
            false => (if self.gamma == 0.0 { F::ONE } else { F::ZERO }, -F::ONE),
        };
        (power, gamma * right * ratio - F::ONE)
    }
}

impl<F: Scalar> LossFunction<F> for Focal {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        by_label(outputs, labels, delta, self.classes.n, self.total(labels), |example| self.example(example))
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        self.classes.total(labels)
    }
    fn output_width(&self, target_width: usize) -> usize {
        target_width * self.classes.n
    }
    fn predict(&self, outputs: ArrayView2<'_, F>, predictions: ArrayViewMut2<'_, F>) {
        self.classes.probabilities(outputs, predictions);
    }
    fn kind(&self) -> Kind {
        Kind::Classes { classes: self.classes.n, ordered: false }
    }
    fn check(&self, labels: &Labels<'_, F>) -> Result<()> {
        check_index(labels, self.classes.n)
    }
}

/// How many classes there are, and how much each counts.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    pub n: usize,
    /// One per class, or none where all count alike.
    pub weights: Vec<f64>,
}

impl Classes {
    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }

    fn index<F: Scalar>(&self, t: F) -> usize {
        class_index(t, self.n)
    }

    /// Σ w a_t m.
    fn total<F: Scalar>(&self, labels: &Labels<'_, F>) -> f64 {
        if self.weights.is_empty() {
            return labels.total_weight();
        }
        let present = labels.targets.indexed_iter().filter(|(_, t)| !t.is_nan());
        usable::<F>(
            present.map(|((row, _), &t)| labels.weight(row).to_f64() * self.weight(self.index(t))).sum(),
        )
    }

    fn probabilities<F: Scalar>(&self, logits: ArrayView2<'_, F>, mut probabilities: ArrayViewMut2<'_, F>) {
        probabilities.assign(&logits);
        for mut row in probabilities.rows_mut() {
            for mut p in row.axis_chunks_iter_mut(ndarray::Axis(0), self.n) {
                let largest = p.fold(p[0], |largest, &z| largest.max(z));
                p.mapv_inplace(|z| (z - largest).exp());
                let sum = p.sum();
                p.mapv_inplace(|e| e / sum);
            }
        }
    }
}

/// q_c, the share of class c in a label t of which ε is spread evenly over n classes.
pub(super) fn share(epsilon: f64, n: usize, t: usize, c: usize) -> f64 {
    epsilon / n as f64 + if c == t { 1.0 - epsilon } else { 0.0 }
}

/// The class that a label means.
pub(super) fn class_index<F: Scalar>(t: F, classes: usize) -> usize {
    let index = t.to_f64();
    assert!(index >= 0.0 && index < classes as f64, "label {t} is not the index of one of {classes} classes");
    index as usize
}

pub(super) fn check_index<F: Scalar>(labels: &Labels<'_, F>, classes: usize) -> Result<()> {
    let checked = labels.check(
        &format!("a class index, a whole number from 0 to {}, or NaN if it is missing", classes - 1),
        |t| {
            let t = t.to_f64();
            t >= 0.0 && t < classes as f64 && t.fract() == 0.0
        },
    );
    checked.map_err(|error| {
        let present = || labels.targets.iter().map(|t| t.to_f64()).filter(|t| !t.is_nan());
        let from_one = |t: f64| t >= 1.0 && t <= classes as f64 && t.fract() == 0.0;
        match present().all(from_one) {
            true => error.advise(format!(
                "the labels are 1 … {classes}: subtract 1, or name the column in `CsvReader::class_targets`"
            )),
            false => error,
        }
    })
}
