//! What a fitted estimator says of its kinds of networks: the weight of each for each target, and held-out errors.

use std::fmt;

use super::member_kind::MemberKind;

/// The weights of the kinds of networks in an estimator, for each target: see [`Fitted::stack`](super::Fitted::stack).
///
/// It prints as a table, and [`stack`](super::Fitted::stack) has an example.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Stack {
    /// The kinds that have networks.
    pub kinds: Vec<MemberKind>,
    /// One for each target.
    pub targets: Vec<StackedTarget>,
}

/// The weights of the kinds for one target, and the errors of their predictions for rows that they have not learnt from.
///
/// An error is `None` where there is no label to judge by, or where a prediction is not finite; such a kind has no weight.
///
/// ```
/// use polytask::estimator::{MemberKind, StackedTarget};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 42);
/// let settings = MultiTaskRegressor::new().hidden([8]).epochs(20).folds(2).members(4);
/// let model = settings.kinds([MemberKind::Plain, MemberKind::Linear]).fit_table(&data)?;
/// let elbow: &StackedTarget = &model.stack().expect("two kinds").targets[1];
/// assert_eq!((elbow.target.as_str(), elbow.n_labels, elbow.is_stacked), ("elbow", 60, true));
/// assert!(elbow.error <= elbow.errors[0] && elbow.error <= elbow.errors[1]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct StackedTarget {
    /// The target's name.
    pub target: String,
    /// What its errors are: `RMSE`, in its unit, `log loss`, or `1 - ndcg@10` of a ranking.
    pub metric: String,
    /// The weight of each kind, at least 0; those of classes and rankings have sum 1, those of quantities at most 1, and the
    /// rest is the weight of the [`mean`](Self::mean).
    pub weights: Vec<f64>,
    /// The mean of the labels of a quantity.
    pub mean: Option<f64>,
    /// Whether the weights were fitted. If not, there were too few labels, and the first kind has all the weight.
    pub is_stacked: bool,
    /// How many labels there are that every kind has predicted without having learnt from their rows.
    pub n_labels: usize,
    /// The error of each kind on these labels.
    pub errors: Vec<Option<f64>>,
    /// The error of the weighted mean on these labels, to which the weights were fitted.
    pub error: Option<f64>,
    /// The error of predicting the mean, the share of each class, or one rank, for all of them.
    pub of_constant: Option<f64>,
}

impl StackedTarget {
    /// What the weights leave to the mean of a quantity.
    pub(super) fn part_of_mean(&self) -> f64 {
        let rest = (1.0 - self.weights.iter().sum::<f64>()).max(0.0);
        self.mean.filter(|_| rest > 0.0).map_or(0.0, |mean| rest * mean)
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = |error: Option<f64>| error.map_or_else(|| "undefined".into(), four_digits);
        let first_metric = self.targets.first().map_or("", |target| target.metric.as_str());
        let are_alike = self.targets.iter().all(|target| target.metric == first_metric);
        let title = format!("held-out {} (weight)", if are_alike { first_metric } else { "error" });
        let name = |target: &StackedTarget| match are_alike {
            true => target.target.clone(),
            false => format!("{}: {}", target.target, target.metric),
        };
        let names = self.targets.iter().map(|target| name(target).chars().count());
        let first = names.chain([title.chars().count()]).max().unwrap_or(0);
        write!(f, "{title:<first$}")?;
        for kind in &self.kinds {
            write!(f, "  {:>16}", kind.name())?;
        }
        write!(f, "  {:>9}  {:>9}", "stack", "constant")?;
        for target in &self.targets {
            write!(f, "\n{:<first$}", name(target))?;
            for (&of_kind, weight) in target.errors.iter().zip(&target.weights) {
                write!(f, "  {:>16}", format!("{} ({weight:.2})", error(of_kind)))?;
            }
            write!(f, "  {:>9}  {:>9}", error(target.error), error(target.of_constant))?;
            if !target.is_stacked {
                let (kind, n) = (self.kinds[0].name(), target.n_labels);
                write!(f, "  ({n} held-out labels are too few: {kind} networks alone)")?;
            }
        }
        Ok(())
    }
}

/// A number with four digits that count.
fn four_digits(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => {
            let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
            format!("{x:.decimals$}")
        }
        _ => format!("{x:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let shown = [0.0, 12.3456, 0.012_345_6, 99_999.0, 1e5, 1.234_56e-7].map(four_digits);
        assert_eq!(shown, ["0", "12.35", "0.01235", "99999", "1.000e5", "1.235e-7"]);
    }
}
