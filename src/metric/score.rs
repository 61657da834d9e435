//! A metric's value with its name, as in a report, and which of two values is better.

use std::fmt;

/// Whether a higher or a lower value of a metric is better.
///
/// ```
/// use polytask::metric::{Direction, Metric};
///
/// assert_eq!(Metric::RocAuc.direction(), Direction::HigherIsBetter);
/// assert_eq!(Metric::LogLoss.direction(), Direction::LowerIsBetter);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// As for accuracy.
    HigherIsBetter,
    /// As for an error.
    LowerIsBetter,
}

impl Direction {
    /// Whether `value` is strictly better than `other`; false if either is NaN.
    ///
    /// ```
    /// use polytask::metric::Direction;
    ///
    /// assert!(Direction::LowerIsBetter.is_better(0.1, 0.2));
    /// assert!(!Direction::HigherIsBetter.is_better(0.2, 0.2));
    /// ```
    pub fn is_better(self, value: f64, other: f64) -> bool {
        match self {
            Direction::HigherIsBetter => value > other,
            Direction::LowerIsBetter => value < other,
        }
    }

    /// The factor after which higher is better: 1, or −1 if lower is better.
    ///
    /// ```
    /// use polytask::metric::Direction;
    ///
    /// let (reached, baseline) = (0.75, 1.0); // the error fell by a quarter
    /// assert_eq!(Direction::LowerIsBetter.sign() * (reached - baseline) / baseline, 0.25);
    /// assert_eq!(Direction::HigherIsBetter.sign(), 1.0);
    /// ```
    pub fn sign(self) -> f64 {
        match self {
            Direction::HigherIsBetter => 1.0,
            Direction::LowerIsBetter => -1.0,
        }
    }
}

/// One line of a report: a metric's name, its value if it is defined, and which direction is better.
///
/// ```
/// use polytask::metric::{Direction, Score};
///
/// let score = Score { name: "rmse".into(), value: Some(0.25), direction: Direction::LowerIsBetter };
/// let undefined = Score { value: None, ..score.clone() };
/// assert_eq!(score.to_string(), "rmse 0.2500");
/// assert_eq!(undefined.to_string(), "rmse undefined");
/// assert!(score.is_better_than(&undefined));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The metric's name.
    pub name: String,
    /// The metric's value; `None` where it is undefined.
    pub value: Option<f64>,
    /// Whether a higher or a lower value is better.
    pub direction: Direction,
}

impl Score {
    /// Whether this value is strictly better than the other of the same metric. Any value is better than an
    /// undefined one.
    pub fn is_better_than(&self, other: &Score) -> bool {
        match (self.value, other.value) {
            (Some(value), Some(other)) => self.direction.is_better(value, other),
            (value, other) => value.is_some() && other.is_none(),
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(4);
        match self.value {
            Some(value) => write!(f, "{} {value:.precision$}", self.name),
            None => write!(f, "{} undefined", self.name),
        }
    }
}
