//! The folds of all repeats, cut by the table or given by a person, whose leaks are found here.

use std::collections::HashSet;

use super::{CrossValidation, Cut};
use crate::data::{Dataset, Fold};
use crate::{Error, ErrorKind, Result, Scalar};

impl CrossValidation {
    /// The folds of all repeats, one repeat after the other, each of as many folds.
    pub(super) fn folds<F: Scalar>(&self, data: &Dataset<F>) -> Result<Vec<Fold>> {
        match &self.cut {
            Cut::Folds { k, stratify } => {
                let mut all = Vec::new();
                for repeat in 0..self.repeats as u64 {
                    let seed = self.seed.wrapping_add(repeat);
                    all.extend(match stratify {
                        None => data.fold_rows(*k, seed)?,
                        Some(target) => data.stratified_fold_rows(*k, target, seed)?,
                    });
                }
                Ok(all)
            }
            Cut::Own { folds, stratify } => {
                let refuse = |place: &str, expected: &str, found: String| {
                    Err(Error::new(ErrorKind::Setting, place, expected, found))
                };
                if let Some(target) = stratify {
                    return refuse("folds of your own", "no stratification", format!("that by {target:?}"));
                }
                if self.repeats != 1 {
                    return refuse("repeats of folds of your own", "1", self.repeats.to_string());
                }
                check_own(folds, data)?;
                Ok(folds.clone())
            }
        }
    }
}

/// Fails unless no row is in both parts of a fold or held out twice, and no group is in both parts.
fn check_own<F: Scalar>(folds: &[Fold], data: &Dataset<F>) -> Result<()> {
    if folds.is_empty() {
        return Err(Error::new(ErrorKind::Setting, "folds of your own", "at least 1", 0));
    }
    let mut held_out: Vec<Option<usize>> = vec![None; data.n_rows()];
    for (at, Fold { train, test }) in folds.iter().enumerate() {
        let place = format!("fold {at} of your own");
        let refuse = |kind, expected: &str, found: String| Err(Error::new(kind, &place, expected, found));
        if train.is_empty() || test.is_empty() {
            let found = format!("{} to learn from, {} held out", train.len(), test.len());
            return refuse(ErrorKind::Setting, "at least one row in both parts", found);
        }
        if let Some(row) = train.iter().chain(test).find(|&&row| row >= data.n_rows()) {
            let expected = format!("rows below {}", data.n_rows());
            return refuse(ErrorKind::Shape, &expected, format!("row {row}"));
        }
        let learnt: HashSet<usize> = train.iter().copied().collect();
        if let Some(row) = test.iter().find(|row| learnt.contains(row)) {
            let found = format!("row {row}, which is in both");
            return refuse(ErrorKind::Setting, "parts without a common row", found);
        }
        if let Some(groups) = data.groups() {
            let learnt: HashSet<u64> = train.iter().map(|&row| groups[row]).collect();
            if let Some(row) = test.iter().find(|&&row| learnt.contains(&groups[row])) {
                let found = format!("rows of group {} in both, such as row {row}", groups[*row]);
                return refuse(ErrorKind::Setting, "parts without a common group", found);
            }
        }
        for &row in test {
            if let Some(other) = held_out[row].replace(at) {
                let found = format!("row {row}, held out in fold {other} too");
                return refuse(ErrorKind::Setting, "rows that are held out once", found);
            }
        }
    }
    Ok(())
}
