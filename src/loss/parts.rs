//! The check that a loss is a weighted mean over rows: of any parts of a batch it makes the value of the whole.
//!
//! ```text
//! L = Σ_b N_b L_b / Σ_b N_b        N_b = total of part b        N_b = 0  ⇒  L_b = 0 and delta_b = 0
//! ```
//! An evaluation in batches and a step that accumulates several of them add up losses by this formula, and gradients by
//! the same one. So a row that adds to the sum and not to the total would make both depend on how the rows are cut.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Labels, LossFunction};
use crate::{Error, ErrorKind, Result};

/// Checks that `loss` is a mean over rows, on one batch: that any cut of the rows into two parts, and the cut into single
/// rows, has the value and the delta of the whole, `Σ N_b L_b / Σ N_b` with N_b the [total](LossFunction::total) of
/// part b, and that a part whose total is 0 has value 0 and delta 0.
///
/// Groups stay whole if the loss [compares their rows](LossFunction::compares_rows); without groups it then has one for
/// the whole batch, which cannot be cut. Check a loss of your own on a batch with missing labels, weights of 0, and whatever else it treats as a special case.
///
/// ```
/// use ndarray::{ArrayView2, ArrayViewMut2, array};
/// use polytask::Scalar;
/// use polytask::loss::{Labels, Loss, LossFunction, check_parts};
///
/// /// The squared error and a constant: which a batch without labels has too.
/// #[derive(Debug)]
/// struct Offset;
///
/// impl<F: Scalar> LossFunction<F> for Offset {
///     fn value_and_delta(&self, y: ArrayView2<'_, F>, labels: &Labels<'_, F>, delta: ArrayViewMut2<'_, F>) -> F {
///         Loss::mean_squared_error().build().unwrap().value_and_delta(y, labels, delta) + F::ONE
///     }
/// }
///
/// let (outputs, targets) = (array![[0.5], [2.0], [1.0]], array![[0.0], [f64::NAN], [3.0]]);
/// let labels = Labels::new(targets.view());
/// check_parts(&*Loss::mean_squared_error().build::<f64>()?, outputs.view(), &labels)?;
/// let error = check_parts(&Offset, outputs.view(), &labels).unwrap_err();
/// assert!(error.to_string().starts_with("row 1, whose total is 0: expected a loss of 0, found 1"));
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Value`] if one of these does not hold; the rows of the first such part are named. As
/// [`LossFunction::check`], if the labels are not what the loss takes.
pub fn check_parts(
    loss: &dyn LossFunction<f64>,
    outputs: ArrayView2<'_, f64>,
    labels: &Labels<'_, f64>,
) -> Result<()> {
    loss.check(labels)?;
    let every_row: Vec<usize> = (0..outputs.nrows()).collect();
    let whole = Part::of(loss, outputs, labels, &every_row)?;
    let units = units(labels, loss.compares_rows());
    let single =
        units.iter().map(|unit| Part::of(loss, outputs, labels, unit)).collect::<Result<Vec<_>>>()?;
    whole.compare(&single)?;
    for end in 1..units.len() {
        let two = [&units[..end], &units[end..]];
        let two = two.map(|units| Part::of(loss, outputs, labels, &units.concat()));
        let [first, second] = two;
        whole.compare(&[first?, second?])?;
    }
    Ok(())
}

/// The rows that a cut may not part: of a loss that compares rows those of a group, and without groups all.
fn units(labels: &Labels<'_, f64>, compares_rows: bool) -> Vec<Vec<usize>> {
    let rows = 0..labels.targets.nrows();
    let groups = match labels.groups {
        _ if !compares_rows => return rows.map(|row| vec![row]).collect(),
        None => return vec![rows.collect()],
        Some(groups) => groups,
    };
    let mut order: Vec<usize> = rows.collect();
    order.sort_by_key(|&row| groups[row]);
    order.chunk_by(|&i, &j| groups[i] == groups[j]).map(<[usize]>::to_vec).collect()
}

/// Some rows of a batch, evaluated by themselves.
struct Part {
    rows: Vec<usize>,
    total: f64,
    value: f64,
    delta: Array2<f64>,
}

impl Part {
    fn of(
        loss: &dyn LossFunction<f64>,
        outputs: ArrayView2<'_, f64>,
        labels: &Labels<'_, f64>,
        rows: &[usize],
    ) -> Result<Self> {
        let (outputs, targets) = (outputs.select(Axis(0), rows), labels.targets.select(Axis(0), rows));
        let weights: Option<Array1<f64>> = labels.weights.map(|weights| weights.select(Axis(0), rows));
        let groups: Option<Vec<u64>> =
            labels.groups.map(|groups| rows.iter().map(|&row| groups[row]).collect());
        let weights = weights.as_ref().map(|weights| weights.view());
        let labels = Labels { targets: targets.view(), weights, groups: groups.as_deref() };
        let mut delta = Array2::from_elem(outputs.dim(), f64::NAN);
        let value = loss.value_and_delta(outputs.view(), &labels, delta.view_mut());
        let part = Self { rows: rows.to_vec(), total: loss.total(&labels), value, delta };
        if part.total == 0.0 && value != 0.0 {
            let place = format!("{}, whose total is 0", part.place());
            return Err(Error::new(ErrorKind::Value, place, "a loss of 0", value).advise(ADVICE));
        }
        match part.delta.iter().find(|&&d| part.total == 0.0 && d != 0.0) {
            None => Ok(part),
            Some(d) => {
                let place = format!("{}, whose total is 0", part.place());
                Err(Error::new(ErrorKind::Value, place, "a delta of 0", d).advise(ADVICE))
            }
        }
    }

    fn place(&self) -> String {
        match self.rows.as_slice() {
            [row] => format!("row {row}"),
            rows => format!("rows {rows:?}"),
        }
    }

    /// Whether `parts`, which are all rows of this one, have its total, value and delta.
    fn compare(&self, parts: &[Self]) -> Result<()> {
        // Sums of the same numbers in another order; a billion roundings would be needed to come this far apart.
        let near = |a: f64, b: f64, size: f64| (a - b).abs() <= 1e-7 * size.max(f64::MIN_POSITIVE);
        let cut = || match parts {
            [first, _] => format!("the batch cut into {} and the rest", first.place()),
            _ => "the batch cut into single rows or groups".to_owned(),
        };
        let fault = |place: String, expected: f64, found: f64| {
            Err(Error::new(ErrorKind::Value, place, format!("that of the whole, {expected}"), found)
                .advise(ADVICE))
        };
        let total: f64 = parts.iter().map(|part| part.total).sum();
        if !near(total, self.total, self.total) {
            return fault(format!("total of {}", cut()), self.total, total);
        }
        if self.total == 0.0 {
            return Ok(());
        }
        let sum: f64 = parts.iter().map(|part| part.total * part.value).sum();
        let size: f64 = parts.iter().map(|part| (part.total * part.value).abs()).sum();
        if !near(sum, self.total * self.value, size) {
            return fault(format!("loss of {}", cut()), self.value, sum / self.total);
        }
        let size = self.delta.iter().fold(0.0, |size: f64, d| size.max(d.abs()));
        for part in parts {
            for (&row, delta) in part.rows.iter().zip(part.delta.rows()) {
                let at = self.rows.iter().position(|&own| own == row).expect("a row of the whole");
                for (&d, &whole) in delta.iter().zip(self.delta.row(at)) {
                    let d = part.total / self.total * d;
                    if !near(d, whole, size) {
                        return fault(format!("delta of row {row} of {}", cut()), whole, d);
                    }
                }
            }
        }
        Ok(())
    }
}

const ADVICE: &str = "what a row adds to the sum must be multiplied by what it adds to the total";
