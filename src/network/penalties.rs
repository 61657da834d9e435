//! The terms of the objective that depend on θ alone: those of the sharing form, then those of the settings.
//!
//! They are kept apart from [`backward`](Network::backward), which is the tasks' alone and may be called for parts of a
//! batch, or for one task: whoever takes a step adds them once.

use super::Network;
use crate::penalty::{BuildPenalty, Penalty, PenaltyFunction};
use crate::{Result, Scalar};

impl<F: Scalar> Network<F> {
    /// The same network with these terms added to its objective.
    ///
    /// ```
    /// use polytask::penalty::Penalty;
    /// use polytask::{Layer, Network, Sharing, Task};
    ///
    /// let no_trunk = Sharing::shared_trunk(Vec::<Layer>::new());
    /// let network = Network::<f64>::new(2, &no_trunk, &[Task::regression("y")])?;
    /// let network = network.with_penalties(&[Penalty::l2("head.y.0.weight", 0.5), Penalty::l2("*", 2.0)])?;
    /// let (theta, mut gradient) = ([1.0, 2.0, 3.0], [10.0, 10.0, 10.0]);
    /// network.add_penalty_gradient(&theta, &mut gradient);             // once, after backward
    /// assert_eq!((network.penalty(&theta), gradient), (0.25 * 5.0 + 14.0, [12.5, 15.0, 16.0]));
    /// assert_eq!(network.penalties()[1].name(), "L2 of \"*\"");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting of a penalty is outside its range,
    /// [`ErrorKind::Name`](crate::ErrorKind::Name) if no block has the name that it looks for.
    pub fn with_penalties(mut self, penalties: &[Penalty]) -> Result<Self> {
        for penalty in penalties {
            let built = penalty.build(self.layout())?;
            self.penalties.push(built);
        }
        Ok(self)
    }

    /// The terms of the objective that depend on θ alone.
    pub fn penalties(&self) -> &[Box<dyn PenaltyFunction<F>>] {
        &self.penalties
    }

    /// The sum of the [`penalties`](Self::penalties) at `theta`; 0 where there is none.
    pub fn penalty(&self, theta: &[F]) -> f64 {
        self.penalties.iter().map(|penalty| penalty.value(theta)).sum()
    }

    /// Adds the gradient of the [`penalties`](Self::penalties) at `theta` to `gradient`, which is laid out like θ.
    pub fn add_penalty_gradient(&self, theta: &[F], gradient: &mut [F]) {
        self.penalties.iter().for_each(|penalty| penalty.add_gradient(theta, gradient));
    }
}
