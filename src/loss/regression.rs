//! Losses for targets that are quantities, of the residual r = y − t of an output y.
//!
//! ```text
//!                          ℓ(r)                                  ℓ′(r) = ∂ℓ/∂y
//! mean squared error       r²                                    2 r
//! mean absolute error      |r|                                   sign r, 0 at r = 0
//! Huber, δ = 1             r²/2            where |r| ≤ δ         r
//!                          δ (|r| − δ/2)   beyond                δ sign r
//! smooth L1, β = 1         r²/(2β)         where |r| < β         r/β
//!                          |r| − β/2       beyond                sign r
//! log-cosh                 ln cosh r                             tanh r
//! ```
//! Sources: Huber, "Robust estimation of a location parameter" (1964); smooth L1 is Huber/β, from Girshick,
//! "Fast R-CNN" (2015). Defaults and the side taken at a kink are PyTorch's. With several target columns
//! the mean is over all entries present, as in PyTorch's `reduction="mean"` and TensorFlow's
//! `reduce_mean`.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::mean::{for_each_label, pointwise};
use super::{Labels, LossFunction};
use crate::Scalar;

/// Mean squared error, `(y − t)²` averaged over the labels present.
///
/// ```text
/// value = Σ w m (y − t)² / Σ w m        delta = 2 w m (y − t) / Σ w m
/// ```
///
/// ```
/// use ndarray::{Array2, array};
/// use polytask::loss::{Labels, LossFunction, MeanSquaredError};
///
/// let (outputs, targets) = (array![[3.0], [5.0]], array![[1.0], [f64::NAN]]);
/// let (labels, mut delta) = (Labels::new(targets.view()), Array2::ones((2, 1)));
/// let value = MeanSquaredError.value_and_delta(outputs.view(), &labels, delta.view_mut());
/// assert_eq!((value, delta), (4.0, array![[4.0], [0.0]]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeanSquaredError;

impl<F: Scalar> LossFunction<F> for MeanSquaredError {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        pointwise(outputs, labels, delta, |y, t| {
            let r = y - t;
            (r * r, r + r)
        })
    }

    fn standardizes(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct MeanAbsoluteError;

impl<F: Scalar> LossFunction<F> for MeanAbsoluteError {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        pointwise(outputs, labels, delta, |y, t| ((y - t).abs(), sign(y - t)))
    }

    fn standardizes(&self) -> bool {
        true
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 1, |y, t| record(side(y[0] - t, F::ZERO)));
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Huber {
    pub delta: f64,
}

impl<F: Scalar> LossFunction<F> for Huber {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let (edge, half) = (F::from_f64(self.delta), F::from_f64(0.5));
        pointwise(outputs, labels, delta, |y, t| {
            let r = y - t;
            match r.abs() <= edge {
                true => (half * r * r, r),
                false => (edge * (r.abs() - half * edge), edge * sign(r)),
            }
        })
    }

    fn standardizes(&self) -> bool {
        true
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 1, |y, t| record(side(y[0] - t, F::from_f64(self.delta))));
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SmoothL1 {
    pub beta: f64,
}

impl<F: Scalar> LossFunction<F> for SmoothL1 {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let (edge, half) = (F::from_f64(self.beta), F::from_f64(0.5));
        pointwise(outputs, labels, delta, |y, t| {
            let r = y - t;
            match r.abs() < edge {
                true => (half * r * r / edge, r / edge),
                false => (r.abs() - half * edge, sign(r)),
            }
        })
    }

    fn standardizes(&self) -> bool {
        true
    }

    fn branches(&self, outputs: ArrayView2<'_, F>, labels: &Labels<'_, F>, record: &mut dyn FnMut(i64)) {
        for_each_label(outputs, labels, 1, |y, t| record(side(y[0] - t, F::from_f64(self.beta))));
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LogCosh;

impl<F: Scalar> LossFunction<F> for LogCosh {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        pointwise(outputs, labels, delta, |y, t| (ln_cosh(y - t), (y - t).tanh()))
    }

    fn standardizes(&self) -> bool {
        true
    }
}

/// With e = e^(−|r|) − 1: cosh r = 1 + e²/(2 (1 + e)), exact near 0; beyond 1, where e^|r| may overflow,
/// cosh r = e^|r| (1 + e^(−2|r|))/2.
fn ln_cosh<F: Scalar>(r: F) -> F {
    let (two, size) = (F::from_f64(2.0), if r < F::ZERO { -r } else { r });
    if size < F::ONE {
        let e = (-size).exp_m1();
        (e * e / (two * (F::ONE + e))).ln_1p()
    } else {
        size - F::from_f64(std::f64::consts::LN_2) + (-two * size).exp().ln_1p()
    }
}

/// −1, 0 or 1.
fn sign<F: Scalar>(r: F) -> F {
    if r > F::ZERO {
        F::ONE
    } else if r < F::ZERO {
        -F::ONE
    } else {
        F::ZERO
    }
}

/// On which side of the kinks at −edge and edge `r` is: −1, 0 or 1.
pub(super) fn side<F: Scalar>(r: F, edge: F) -> i64 {
    i64::from(r > edge) - i64::from(r < -edge)
}
