//! Learning-rate schedules: pure functions from the number of a step to a factor of the learning rate.
//!
//! A schedule counts in steps, from 1, and knows nothing else, so that a training resumed at step t goes on
//! as if it had never stopped.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use super::require;
use crate::Result;

/// What the learning rate is multiplied by at each step.
///
/// ```
/// use polytask::optim::{Adam, Optimizer, Schedule};
///
/// let schedule = Schedule::cosine(1_000, 0.1).warm_up(100);
/// assert_eq!(schedule.factor(1), 0.01);        // rises by 1/100 a step
/// assert_eq!(schedule.factor(100), 1.0);
/// assert!((schedule.factor(601) - 0.55).abs() < 1e-12);     // half-way down
/// assert_eq!(schedule.factor(5_000), 0.1);     // stays at the bottom
///
/// let adam = Optimizer::<f32>::new(Adam::new(0.01), 10)?.schedule(schedule)?;
/// assert_eq!(adam.learning_rate(), 0.01 * 0.01);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    warm_up: u64,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Constant,
    Steps { every: u64, factor: f64 },
    Exponential { factor: f64 },
    Cosine { steps: u64, floor: f64 },
    OneCycle { steps: u64, rise: f64, start: f64, end: f64 },
    Custom(Custom),
}

impl Schedule {
    /// The learning rate as it is: factor 1.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// assert_eq!(Schedule::constant().factor(1_000_000), 1.0);
    /// let warmed_up = Schedule::constant().warm_up(4);
    /// assert_eq!([1, 2, 3, 4, 5].map(|t| warmed_up.factor(t)), [0.25, 0.5, 0.75, 1.0, 1.0]);
    /// ```
    pub fn constant() -> Self {
        Self::of(Shape::Constant)
    }

    /// Multiplies the learning rate by `factor` after every `every` steps (PyTorch's `StepLR`).
    ///
    /// ```text
    /// factor(t) = γ^⌊(t − 1) / every⌋
    /// ```
    /// `every` is at least 1 and γ above 0 and at most 1.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// assert_eq!([1, 2, 3, 4, 5].map(|t| Schedule::steps(2, 0.5).factor(t)), [1.0, 1.0, 0.5, 0.5, 0.25]);
    /// assert_eq!([1, 2, 3].map(|t| Schedule::exponential(0.5).factor(t)), [1.0, 0.5, 0.25]);
    /// ```
    pub fn steps(every: u64, factor: f64) -> Self {
        Self::of(Shape::Steps { every, factor })
    }

    /// Multiplies the learning rate by `factor` after every step (PyTorch's `ExponentialLR`).
    ///
    /// ```text
    /// factor(t) = γ^(t − 1)
    /// ```
    /// γ is above 0 and at most 1.
    pub fn exponential(factor: f64) -> Self {
        Self::of(Shape::Exponential { factor })
    }

    /// Falls from 1 to `floor` along half a cosine and stays there.
    ///
    /// ```text
    /// factor(t) = floor + (1 − floor) (1 + cos(π k / steps)) / 2        k = min(t − 1, steps)
    /// ```
    /// I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    /// equation 5, without restarts; PyTorch's `CosineAnnealingLR`, which rises again after `steps`. `steps`
    /// is at least 1 and the floor from 0 to 1.
    pub fn cosine(steps: u64, floor: f64) -> Self {
        Self::of(Shape::Cosine { steps, floor })
    }

    /// Rises from 1/25 to 1 in the first 30 % of the steps, then falls to 1/250 000, both along half a cosine,
    /// and stays there: the rule's learning rate is the largest one.
    ///
    /// ```text
    /// factor(t) = a + (b − a) (1 − cos(π p)) / 2
    /// rise: a = 1/25, b = 1,         p = (t − 1) / top               top  = 0.3 steps − 1
    /// fall: a = 1,    b = 1/250 000, p = (t − 1 − top) / (last − top)   last = steps − 1
    /// ```
    /// L. N. Smith and N. Topin, "Super-convergence", 2017, as in PyTorch's `OneCycleLR` with its defaults and
    /// `cycle_momentum=False`. `steps` is at least 2. [`one_cycle_with`](Self::one_cycle_with) takes other
    /// numbers.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// let schedule = Schedule::one_cycle(10);
    /// let expected = [(1, 0.04), (3, 1.0), (10, 1.0 / 250_000.0)]; // begins, is at the top, ends
    /// assert!(expected.iter().all(|&(t, factor)| (schedule.factor(t) - factor).abs() < 1e-12));
    /// ```
    pub fn one_cycle(steps: u64) -> Self {
        Self::one_cycle_with(steps, 0.3, 1.0 / 25.0, 1.0 / 250_000.0)
    }

    /// [`one_cycle`](Self::one_cycle) that rises during the share `rise` of the steps from the factor `start`
    /// to 1 and falls to the factor `end`. `rise` is above 0 and below 1, `start` above 0 and at most 1, `end`
    /// from 0 to 1.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// let schedule = Schedule::one_cycle_with(10, 0.5, 0.1, 0.0); // the top is the fifth step
    /// let expected = [(1, 0.1), (3, 0.55), (5, 1.0), (10, 0.0)];
    /// assert!(expected.iter().all(|&(t, factor)| (schedule.factor(t) - factor).abs() < 1e-12));
    /// ```
    pub fn one_cycle_with(steps: u64, rise: f64, start: f64, end: f64) -> Self {
        Self::of(Shape::OneCycle { steps, rise, start, end })
    }

    /// A schedule of your own: `factor` of the number of the step, from 1. It must be a pure function, and its
    /// values finite and not negative.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// let schedule = Schedule::custom(|t| 1.0 / (t as f64).sqrt());
    /// assert_eq!([1, 4, 16].map(|t| schedule.factor(t)), [1.0, 0.5, 0.25]);
    /// ```
    pub fn custom(factor: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self::of(Shape::Custom(Custom(Arc::new(factor))))
    }

    /// Puts a linear rise of `steps` steps before the schedule: factor t / `steps` at step t.
    ///
    /// J. Ma and D. Yarats, "On the adequacy of untuned warmup for adaptive optimization", AAAI 2021, who
    /// advise 2 / (1 − β₂) steps for Adam: 2 000 with its defaults.
    #[must_use]
    pub fn warm_up(self, steps: u64) -> Self {
        Self { warm_up: steps, ..self }
    }

    /// What the learning rate is multiplied by at step `count`, from 1.
    ///
    /// # Panics
    /// If `count` is 0.
    #[track_caller]
    pub fn factor(&self, count: u64) -> f64 {
        assert!(count > 0, "steps are counted from 1");
        match count <= self.warm_up {
            true => count as f64 / self.warm_up as f64,
            false => self.shape.factor(count - self.warm_up),
        }
    }

    /// Whether every setting is in its range.
    ///
    /// ```
    /// use polytask::optim::Schedule;
    ///
    /// assert!(Schedule::cosine(100, 0.0).check().is_ok());
    /// let error = Schedule::cosine(100, 1.5).check().unwrap_err();
    /// assert_eq!(error.to_string(), "schedule, floor: expected a number from 0 to 1, found 1.5");
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) names the first that is not.
    pub fn check(&self) -> Result<()> {
        let positive_share = |place, x: f64| {
            require(x > 0.0 && x <= 1.0, "schedule", place, "a number above 0 and at most 1", x)
        };
        let share =
            |place, x| require((0.0..=1.0).contains(&x), "schedule", place, "a number from 0 to 1", x);
        let at_least = |least: u64, x: u64| {
            require(x >= least, "schedule", "steps", &format!("at least {least}"), x as f64)
        };
        match self.shape {
            Shape::Constant | Shape::Custom(_) => Ok(()),
            Shape::Steps { every, factor } => {
                at_least(1, every)?;
                positive_share("factor", factor)
            }
            Shape::Exponential { factor } => positive_share("factor", factor),
            Shape::Cosine { steps, floor } => {
                at_least(1, steps)?;
                share("floor", floor)
            }
            Shape::OneCycle { steps, rise, start, end } => {
                at_least(2, steps)?;
                let holds = rise > 0.0 && rise < 1.0;
                require(holds, "schedule", "rise", "a number above 0 and below 1", rise)?;
                positive_share("start", start)?;
                share("end", end)
            }
        }
    }

    fn of(shape: Shape) -> Self {
        Self { warm_up: 0, shape }
    }
}

impl Shape {
    fn factor(&self, count: u64) -> f64 {
        // libm's functions have the same bits on every platform.
        let k = count - 1;
        match *self {
            Self::Constant => 1.0,
            Self::Steps { every, factor } => libm::pow(factor, (k / every) as f64),
            Self::Exponential { factor } => libm::pow(factor, k as f64),
            Self::Cosine { steps, floor } => half_cosine(1.0, floor, k as f64 / steps as f64),
            Self::OneCycle { steps, rise, start, end } => {
                let (k, last) = (k as f64, steps as f64 - 1.0);
                let top = (rise * steps as f64 - 1.0).max(0.0);
                match k < top {
                    true => half_cosine(start, 1.0, k / top),
                    false => half_cosine(1.0, end, (k - top) / (last - top)),
                }
            }
            Self::Custom(Custom(ref factor)) => factor(count),
        }
    }
}

/// From `a` at share 0 to `b` at share 1 along half a cosine, and `b` beyond.
fn half_cosine(a: f64, b: f64, share: f64) -> f64 {
    b + (a - b) * (1.0 + libm::cos(PI * share.min(1.0))) / 2.0
}

#[derive(Clone)]
struct Custom(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function")
    }
}
