//! What is kept of rows for calibration in the files of estimators: their scores, or the rows, where networks are yet to be merged.
//!
//! ```text
//! calibration.scores.0 …               the scores of target 0, in ascending order
//! calibration.joint, .scales           those of all targets together; what each target's are divided by there
//! calibration.features, .labels        of a part: the rows, with NaN for a label that does not count
//! ```

use ndarray::Array2;

use super::calibration::{CalibratedTarget, Calibration, CalibrationRows};
use super::target::Target;
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Result, Scalar};

const SCORES: &str = "calibration.scores.";
const JOINT: &str = "calibration.joint";
const SCALES: &str = "calibration.scales";
const FEATURES: &str = "calibration.features";
const LABELS: &str = "calibration.labels";

impl Calibration {
    /// Writes all but the number of rows.
    pub(super) fn write(&self, writer: &mut Writer) -> Result<()> {
        for (k, target) in self.targets.iter().enumerate() {
            writer.tensor(format!("{SCORES}{k}"), &[target.scores.len()], &target.scores)?;
        }
        let scales: Vec<f64> = self.targets.iter().map(|target| target.scale).collect();
        writer.tensor(SCALES, &[scales.len()], &scales)?;
        writer.tensor(JOINT, &[self.joint.len()], &self.joint)
    }

    /// Reads what [`write`](Self::write) wrote of `n_rows` rows.
    pub(super) fn read(reader: &Reader<'_>, n_rows: usize, targets: &[Target]) -> Result<Self> {
        let names: Vec<&String> =
            targets.iter().filter(|target| !target.is_ranking()).map(|target| &target.name).collect();
        let scores = |name: &str| {
            let scores = reader.list::<f64>(name)?;
            let are_scores = scores.is_sorted() && scores.iter().all(|score| *score >= 0.0);
            match are_scores && scores.len() <= n_rows {
                true => Ok(scores),
                false => {
                    let expected = format!("at most {n_rows} numbers from 0 on, in ascending order");
                    Err(Error::new(ErrorKind::File, name, expected, "others"))
                }
            }
        };
        let scales = reader.tensor::<f64>(SCALES, &[names.len()])?;
        if let Some(wrong) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return Err(Error::new(ErrorKind::File, SCALES, "finite numbers above 0", wrong));
        }
        let of_target = |(k, (target, scale)): (usize, (&String, f64))| {
            Ok(CalibratedTarget { target: target.clone(), scores: scores(&format!("{SCORES}{k}"))?, scale })
        };
        let targets = names.into_iter().zip(scales).enumerate().map(of_target).collect::<Result<_>>()?;
        Ok(Self { n_rows, targets, joint: scores(JOINT)? })
    }

    /// Whether a tensor of this name is part of it.
    pub(super) fn has_tensor(&self, name: &str) -> bool {
        let is_target = |k: &str| {
            k.parse().is_ok_and(|number: usize| number < self.targets.len() && number.to_string() == k)
        };
        [JOINT, SCALES].contains(&name) || name.strip_prefix(SCORES).is_some_and(is_target)
    }
}

impl<F: Scalar> CalibrationRows<F> {
    pub(super) fn write(&self, writer: &mut Writer) -> Result<()> {
        let (n_rows, n_features) = self.features.dim();
        let features: Vec<F> = self.features.iter().copied().collect();
        writer.tensor(FEATURES, &[n_rows, n_features], &features)?;
        let labels: Vec<f64> = self.labels.iter().copied().collect();
        writer.tensor(LABELS, &[n_rows, self.labels.ncols()], &labels)
    }

    /// Reads what [`write`](Self::write) wrote, if it did, of an estimator with these targets.
    pub(super) fn read(reader: &Reader<'_>, n_features: usize, targets: &[Target]) -> Result<Option<Self>> {
        if !reader.has(LABELS) {
            return Ok(None);
        }
        let n_targets = targets.len();
        let features = reader.rows::<F>(FEATURES, n_features)?;
        let n_rows = features.len() / n_features.max(1);
        let labels = reader.tensor::<f64>(LABELS, &[n_rows, n_targets])?;
        let is_label = |(i, label): (usize, &f64)| label.is_nan() || targets[i % n_targets].is_label(*label);
        if n_rows == 0 || !features.iter().all(|x| x.is_finite()) {
            let found = format!("{n_rows} rows, or other numbers");
            return Err(Error::new(ErrorKind::File, FEATURES, "rows of finite numbers", found));
        }
        if !labels.iter().enumerate().all(is_label) {
            return Err(Error::new(ErrorKind::File, LABELS, "labels of the tasks", "others"));
        }
        let wrong = |_| Error::new(ErrorKind::File, FEATURES, "as many numbers in each row", "others");
        Ok(Some(Self {
            features: Array2::from_shape_vec((n_rows, n_features), features).map_err(wrong)?,
            labels: Array2::from_shape_vec((n_rows, n_targets), labels).map_err(wrong)?,
        }))
    }

    /// Whether a tensor of this name is part of it.
    pub(super) fn has_tensor(name: &str) -> bool {
        [FEATURES, LABELS].contains(&name)
    }
}
