//! The labels of one task for one batch, and the checks that every loss makes on them.

use ndarray::{ArrayView1, ArrayView2};

use crate::kernel::{self, SimdLoop};
use crate::{Error, ErrorKind, Result, Scalar};

/// The labels of one task for one batch.
///
/// ```
/// use ndarray::{array, aview1};
/// use polytask::loss::Labels;
///
/// let targets = array![[1.0], [f64::NAN], [0.0]];                  // the second is missing
/// let plain = Labels::new(targets.view());
/// let weighted = Labels { weights: Some(aview1(&[2.0, 1.0, 0.5])), groups: Some(&[7, 7, 8]), ..plain };
/// assert_eq!((plain.weight(0), weighted.weight(0)), (1.0, 2.0));
/// assert_eq!((plain.total_weight(), weighted.total_weight()), (2.0, 2.5));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a, F> {
    /// `batch × target width`; NaN where a label is missing.
    pub targets: ArrayView2<'a, F>,
    /// One weight per example, not negative; all 1 when absent.
    pub weights: Option<ArrayView1<'a, F>>,
    /// The query group of each example, for ranking losses; the rows of a group are in one batch, in any
    /// order. Absent, the whole batch is one group.
    pub groups: Option<&'a [u64]>,
}

impl<'a, F: Scalar> Labels<'a, F> {
    /// Labels without weights or groups.
    pub fn new(targets: ArrayView2<'a, F>) -> Self {
        Self { targets, weights: None, groups: None }
    }

    /// The weight of example `row`: 1 when the batch has no weights.
    pub fn weight(&self, row: usize) -> F {
        self.weights.map_or(F::ONE, |weights| weights[row])
    }

    /// Σ w m: the weights of the labels present, summed over all entries of the targets. A sum so small that its
    /// reciprocal is not finite in `F` (10⁻³⁹ in `f32`) counts as 0: no mean can be formed over it.
    ///
    /// ```
    /// use ndarray::{array, aview1};
    /// use polytask::loss::Labels;
    ///
    /// let targets = array![[1.0, f64::NAN], [2.0, 3.0]];
    /// let labels = Labels::new(targets.view());
    /// assert_eq!(labels.total_weight(), 3.0);
    /// assert_eq!(Labels { weights: Some(aview1(&[0.5, 2.0])), ..labels }.total_weight(), 4.5);
    /// ```
    pub fn total_weight(&self) -> f64 {
        let present = |t: &F| u8::from(!t.is_nan());
        usable::<F>(match self.weights {
            None => match self.targets.to_slice() {
                Some(targets) => kernel::dispatch(Count(targets)) as f64,
                None => self.targets.iter().map(|t| usize::from(present(t))).sum::<usize>() as f64,
            },
            Some(weights) => (self.targets.rows().into_iter().zip(weights))
                .map(|(row, w)| w.to_f64() * row.iter().map(|t| f64::from(present(t))).sum::<f64>())
                .sum(),
        })
    }

    /// Checks that shapes fit, that weights are finite and not negative, and that every label present is
    /// `valid`; `expected` says in words what a valid label is.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::loss::Labels;
    ///
    /// let targets = array![[1.0], [f64::NAN], [-2.0]];
    /// let error = Labels::new(targets.view()).check("a length in metres, above 0", |t| t > 0.0).unwrap_err();
    /// assert_eq!(error.to_string(), "row 2, target column 0: expected a length in metres, above 0, found -2");
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] or [`ErrorKind::Value`] if one of these does not hold; the first row at fault is
    /// named.
    pub fn check(&self, expected: &str, valid: impl Fn(F) -> bool) -> Result<()> {
        let rows = self.targets.nrows();
        let fits = |what: &str, len: usize| match len == rows {
            true => Ok(()),
            false => {
                Err(Error::new(ErrorKind::Shape, what, format!("{rows}, one per row of the targets"), len))
            }
        };
        self.weights.map_or(Ok(()), |weights| fits("number of weights", weights.len()))?;
        self.groups.map_or(Ok(()), |groups| fits("number of group ids", groups.len()))?;
        for (row, &w) in self.weights.iter().flatten().enumerate() {
            if !(w.is_finite() && w >= F::ZERO) {
                return Err(Error::new(
                    ErrorKind::Value,
                    format!("row {row}, weight"),
                    "a finite number, 0 or more",
                    w,
                ));
            }
        }
        match self.targets.indexed_iter().find(|&(_, &t)| !t.is_nan() && !valid(t)) {
            None => Ok(()),
            Some(((row, column), t)) => {
                Err(Error::new(ErrorKind::Value, format!("row {row}, target column {column}"), expected, t))
            }
        }
    }
}

/// Σ w m, or 0 where it is so small that no mean over it can be formed in `F`: the total of such labels is 0, and so is
/// their loss.
pub(super) fn usable<F: Scalar>(total: f64) -> f64 {
    if F::from_f64(1.0 / total).is_finite() { total } else { 0.0 }
}

/// How many of the numbers are not NaN: counted in 32 bits, of which a register holds many, and so in blocks.
struct Count<'a, F>(&'a [F]);

impl<F: Scalar> SimdLoop for Count<'_, F> {
    type Output = usize;
    #[inline(always)]
    fn run(self) -> usize {
        let count = |numbers: &[F]| numbers.iter().map(|t| u32::from(!t.is_nan())).sum::<u32>() as usize;
        self.0.chunks(1 << 20).map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::Labels;
    use crate::loss::{ListTarget, Loss};

    #[test]
    fn bad_labels_are_named() {
        let nan = f64::NAN;
        let expected = [
            (
                Loss::mean_squared_error(),
                [0.0, nan, f64::INFINITY],
                "row 2, target column 0: expected a finite number",
            ),
            (Loss::poisson(), [3.0, -1.0, 2.0], "row 1, target column 0: expected a count from 0 to 10¹³"),
            (Loss::binary_cross_entropy(), [0.0, 1.0, 2.0], "row 2, target column 0: expected 0 or 1"),
            (Loss::binary_focal(), [0.5, 1.0, nan], "row 0, target column 0: expected 0 or 1"),
            (
                Loss::cross_entropy(3),
                [0.0, 3.0, 2.0],
                "row 1, target column 0: expected a class index, a whole number from 0 to 2",
            ),
            (Loss::focal(3), [0.0, 1.5, 2.0], "row 1, target column 0: expected a class index"),
            (Loss::ordinal(3), [-1.0, 1.0, 2.0], "row 0, target column 0: expected a class index"),
            (
                Loss::lambda_rank(),
                [1.0, 2.0, 32.0],
                "row 2, target column 0: expected a relevance from 0 to 31",
            ),
            (
                Loss::approx_ndcg(),
                [-1.0, 2.0, 3.0],
                "row 0, target column 0: expected a relevance from 0 to 31",
            ),
            (
                Loss::ListNet { target: ListTarget::Proportion },
                [1.0, 2.0, -3.0],
                "row 2, target column 0: expected a finite number, 0 or more",
            ),
        ];
        for (loss, targets, message) in expected {
            let targets = Array2::from_shape_vec((3, 1), targets.to_vec()).unwrap();
            let error = loss.build::<f64>().unwrap().check(&Labels::new(targets.view())).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }

        let targets = array![[1.0], [0.0], [2.0]];
        let labels = Labels::new(targets.view());
        let lonely = Labels { groups: Some(&[4, 9, 4]), ..labels };
        for loss in
            [Loss::rank_net(), Loss::lambda_rank(), Loss::list_net(), Loss::list_mle(), Loss::approx_ndcg()]
        {
            let built = loss.build::<f64>().unwrap();
            built.check(&labels).unwrap();
            let error = built.check(&lonely).unwrap_err().to_string();
            assert!(
                error.starts_with(
                    "row 1, query group 9: expected 2 items or more to be ranked, found a group of one"
                ),
                "{error}"
            );
        }
    }
}
