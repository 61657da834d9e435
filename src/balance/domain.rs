//! The losses for which a method is defined, and the error for a loss outside.

use crate::{Error, ErrorKind, Result};

/// The losses for which a balancing method is defined.
///
/// ```
/// use polytask::balance::{Balance, Domain, Famo, ScaleInvariant, UpGrad};
///
/// assert_eq!(UpGrad::new().domain(0), Domain::All);                           // it reads gradients alone
/// assert_eq!(ScaleInvariant::new().domain(0), Domain::AtLeast(0.0));          // it divides by losses
/// assert_eq!(Famo::new().bounds(&[-2.0, 0.5]).domain(1), Domain::AtLeast(0.5));
/// assert!(Domain::AtLeast(0.5).contains(0.5) && !Domain::AtLeast(0.5).contains(0.4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Every finite loss.
    All,
    /// Losses not below this bound: 0 where a method divides by a loss, takes its logarithm, or multiplies a direction by
    /// it.
    AtLeast(f64),
}

impl Domain {
    /// Whether the method is defined for this loss.
    pub fn contains(self, loss: f64) -> bool {
        match self {
            Self::All => true,
            Self::AtLeast(bound) => loss >= bound,
        }
    }

    /// Whether a loss that can be negative is bound to leave the domain sooner or later.
    pub(crate) fn excludes_negative(self) -> bool {
        matches!(self, Self::AtLeast(bound) if bound >= 0.0)
    }
}

/// What to do about a loss outside a method's domain.
pub(crate) const ADVICE: &str = "balance by a method that takes every loss, such as `UpGrad`, or by fixed weights; \
     `Famo` takes bounds below 0";

/// An error for the first of `losses`, each with its task, outside the domain of the method called `method`. `place` says
/// where the loss of a task was met.
pub(super) fn check(
    method: &str,
    domain: impl Fn(usize) -> Domain,
    losses: impl Iterator<Item = (usize, f64)>,
    place: impl Fn(usize) -> String,
) -> Result<()> {
    for (k, loss) in losses {
        if let Domain::AtLeast(bound) = domain(k)
            && loss < bound
        {
            let expected = format!("{bound} or more, for which `{method}` is defined");
            return Err(Error::new(ErrorKind::Value, place(k), expected, loss).advise(ADVICE));
        }
    }
    Ok(())
}

/// The place of a loss where tasks have no names.
pub(super) fn numbered(task: usize) -> String {
    format!("loss of task {task}, counted from 0")
}

/// The name of a type without its path and parameters.
pub(super) fn type_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split_once('<').map_or(path, |(path, _)| path);
    path.rsplit_once("::").map_or(path, |(_, name)| name)
}
