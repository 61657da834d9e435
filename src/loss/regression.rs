//! Losses for targets that are quantities.

use ndarray::{ArrayView2, ArrayViewMut2, Zip};

use super::{Labels, LossFunction};
use crate::Scalar;

/// Mean squared error, `(y − t)²` meaned over the labels present.
///
/// ```text
/// value = Σ w m (y − t)² / Σ w m        delta = 2 w m (y − t) / Σ w m
/// ```
/// With several target columns the mean is over all entries present, as in TensorFlow's
/// `reduce_mean(square(..))` and PyTorch's `MSELoss`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeanSquaredError;

impl<F: Scalar> LossFunction<F> for MeanSquaredError {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let (mut sum, mut total) = (F::ZERO, F::ZERO);
        for (row, ((y, t), mut d)) in
            outputs.rows().into_iter().zip(labels.targets.rows()).zip(delta.rows_mut()).enumerate()
        {
            let w = labels.weight(row);
            Zip::from(&mut d).and(&y).and(&t).for_each(|d, &y, &t| {
                *d = F::ZERO;
                if !t.is_nan() {
                    *d = w * (y - t);
                    sum += *d * (y - t);
                    total += w;
                }
            });
        }
        if total == F::ZERO {
            return F::ZERO;
        }
        let scale = F::from_f64(2.0) / total;
        delta.mapv_inplace(|d| scale * d);
        sum / total
    }
}
