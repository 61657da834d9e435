//! The crate's losses with one thing wrong in the delta.

use ndarray::{ArrayView2, ArrayViewMut2};
use polytask::Scalar;
use polytask::loss::{Kind, Labels, Loss, LossFunction};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossBug {
    /// The delta is multiplied.
    Times(f64),
    /// The delta is that of a sum over the batch.
    Sum,
    /// The delta is divided by the rows of the batch, not by the weight of the labels present.
    ByRows,
    /// A missing label counts as a label of 0.
    MaskIgnored,
    /// All examples weigh 1.
    WeightsIgnored,
    /// The delta of softmax is p, not p minus the label.
    LabelForgotten,
    /// The residual is not clipped.
    NotClipped,
}

/// A loss to be built with a bug.
#[derive(Clone, Debug)]
pub struct Spoiled(pub Loss, pub LossBug);

impl Spoiled {
    fn right<F: Scalar>(&self) -> Box<dyn LossFunction<F>> {
        self.0.build().expect("valid settings")
    }
}

impl<F: Scalar> LossFunction<F> for Spoiled {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let right = self.right();
        let value = right.value_and_delta(outputs, labels, delta.view_mut());
        let rows = outputs.nrows() as f64;
        let total = labels.total_weight();
        match self.1 {
            LossBug::Times(factor) => delta.mapv_inplace(|d| F::from_f64(factor) * d),
            LossBug::Sum => delta.mapv_inplace(|d| F::from_f64(rows) * d),
            LossBug::ByRows => delta.mapv_inplace(|d| F::from_f64(total / rows) * d),
            LossBug::MaskIgnored => {
                let filled = labels.targets.mapv(|t| if t.is_nan() { F::ZERO } else { t });
                right.value_and_delta(outputs, &Labels { targets: filled.view(), ..*labels }, delta);
            }
            LossBug::WeightsIgnored => {
                right.value_and_delta(outputs, &Labels { weights: None, ..*labels }, delta);
            }
            LossBug::LabelForgotten => {
                for (row, t) in labels.targets.column(0).iter().enumerate().filter(|(_, t)| !t.is_nan()) {
                    delta[[row, t.to_f64() as usize]] += labels.weight(row) / F::from_f64(total);
                }
            }
            LossBug::NotClipped => {
                for ((at, &t), &y) in
                    labels.targets.indexed_iter().zip(&outputs).filter(|((_, t), _)| !t.is_nan())
                {
                    delta[at] = (y - t) * labels.weight(at.0) / F::from_f64(total);
                }
            }
        }
        value
    }

    fn total(&self, labels: &Labels<'_, F>) -> f64 {
        self.right::<F>().total(labels)
    }
    fn output_width(&self, target_width: usize) -> usize {
        self.right::<F>().output_width(target_width)
    }
    fn kind(&self) -> Kind {
        self.right::<F>().kind()
    }
    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        self.right().branches(outputs, labels, record);
    }
}
