//! Steps that are not taken where a number of them is not finite.
//!
//! That no number can overflow is mostly known before, from bounds of the magnitudes ([`RuleSettings::bound`]). Where it is
//! not, the step is tried, and taken back if one did.
//!
//! [`RuleSettings::bound`]: super::RuleSettings::bound

use std::ops::Range;

use super::clip::{largest_of, largest_of_parts};
use super::{Magnitudes, Optimizer, Step};
use crate::kernel::ThreadPool;
use crate::params::TouchedRows;
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Optimizer<F> {
    /// Like [`step`](Self::step), with the same bits, but moves nothing where the gradient, its norm if it is clipped, or
    /// what would come of the step is not finite: θ, moments and count are then as they were.
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let mut adam = Optimizer::new(Adam::new(0.1), 2)?;
    /// let mut theta = [1.0_f32, 1.0];
    /// adam.checked_step(&mut theta, &[0.5, 0.5])?;
    /// let (before, moments) = (theta, adam.moments().map(<[f32]>::to_vec));
    /// assert!(adam.checked_step(&mut theta, &[0.5, f32::NAN]).is_err());
    /// assert!(adam.checked_step(&mut theta, &[0.5, 1e22]).is_err());  // its moment is beyond f32
    /// assert_eq!((theta, adam.moments().map(<[f32]>::to_vec), adam.count()), (before, moments, 1));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] says which of these it was.
    ///
    /// # Panics
    /// If `theta` or `gradient` does not have the length the optimiser was made for.
    #[track_caller]
    pub fn checked_step(&mut self, theta: &mut [F], gradient: &[F]) -> Result<()> {
        self.checked_step_on(None, theta, gradient, None)
    }

    /// The same as [`checked_step`](Self::checked_step), of some rows as [`step_rows`](Self::step_rows): what is not
    /// touched is not looked at.
    ///
    /// ```
    /// use polytask::optim::{LazyAdam, Optimizer};
    /// use polytask::{Layout, TouchedRows};
    ///
    /// let mut layout = Layout::new();
    /// let mut touched = TouchedRows::new(4, [layout.push("table", 2, 2)], 2);
    /// let (mut lazy, mut theta) = (Optimizer::new(LazyAdam::new(0.1), 4)?.clip_norm(1.0)?, [1.0_f32; 4]);
    /// touched.set([[1]]);
    /// lazy.checked_step_rows(&mut theta, &[0.0, 0.0, 30.0, 40.0], &touched)?;   // 50 long, so clipped
    /// assert!(theta[..2] == [1.0, 1.0] && (lazy.moments()[0][3] - 0.1 * 0.8).abs() < 1e-6);
    /// assert!(lazy.checked_step_rows(&mut theta, &[0.0, 0.0, f32::NAN, 0.0], &touched).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`checked_step`](Self::checked_step).
    ///
    /// # Panics
    /// If `theta`, `gradient` or the list are of another length than the optimiser was made for.
    #[track_caller]
    pub fn checked_step_rows(
        &mut self,
        theta: &mut [F],
        gradient: &[F],
        touched: &TouchedRows,
    ) -> Result<()> {
        self.checked_step_on(None, theta, gradient, Some(touched))
    }

    /// The same on several threads; without a list everything is touched.
    #[track_caller]
    pub(crate) fn checked_step_on(
        &mut self,
        pool: Option<&mut ThreadPool>,
        theta: &mut [F],
        gradient: &[F],
        touched: Option<&TouchedRows>,
    ) -> Result<()> {
        let n = self.n_parameters;
        assert!(theta.len() == n && gradient.len() == n, "θ and gradient of {n} numbers");
        let parts = self.parts(touched);
        let [largest, of_gradient] = match parts {
            None => largest_of([&*theta, gradient]),
            Some(parts) => largest_of_parts([&*theta, gradient], parts),
        };
        if of_gradient.is_nan() {
            return Err(self.not_finite("gradient", GRADIENT_ADVICE));
        }
        let norm = self.max_norm.map(|_| self.norm(gradient, parts));
        if norm.is_some_and(|norm| !norm.is_finite()) {
            return Err(self.not_finite("norm of the gradient", GRADIENT_ADVICE));
        }
        let step = self.next(norm);
        let before = Magnitudes { theta: largest, gradient: of_gradient, moments: self.largest_moments };
        match self.bound(&step, &before) {
            Some(bound) => {
                self.move_all(pool, &step, parts, theta, gradient);
                self.largest_moments = bound.moments;
            }
            None => self.try_step(pool, &step, parts, theta, gradient)?,
        }
        self.count = step.count;
        Ok(())
    }

    /// Bounds of the magnitudes after a step, if they are numbers of `F`.
    fn bound(&self, step: &Step, before: &Magnitudes) -> Option<Magnitudes> {
        // A quarter leaves room for rounding.
        let is_safe = |bound: &Magnitudes| bound.are_within(largest_number::<F>() / 4.0);
        let bound = |step: &Step| self.rule.bound(step, before).filter(is_safe);
        let Some((first, others)) = self.kinds.split_first() else { return bound(step) };
        others.iter().try_fold(bound(&first.of(step))?, |all, factors| {
            let one = bound(&factors.of(step))?;
            let moments = [0, 1].map(|k| all.moments[k].max(one.moments[k]));
            Some(Magnitudes {
                theta: all.theta.max(one.theta),
                gradient: all.gradient.max(one.gradient),
                moments,
            })
        })
    }

    /// Takes a step that may overflow, and takes it back if it does.
    fn try_step(
        &mut self,
        pool: Option<&mut ThreadPool>,
        step: &Step,
        parts: Option<&[Range<usize>]>,
        theta: &mut [F],
        gradient: &[F],
    ) -> Result<()> {
        let mut spare = std::mem::take(&mut self.spare);
        spare.clear();
        spare.extend_from_slice(theta);
        self.moments.iter().for_each(|moment| spare.extend_from_slice(moment));
        self.move_all(pool, step, parts, theta, gradient);
        let [of_theta] = largest_of([theta]);
        let moments = self.moments.each_ref().map(|moment| largest_of([&**moment])[0]);
        let is_finite = [of_theta, moments[0], moments[1]].iter().all(|largest| !largest.is_nan());
        if is_finite {
            self.largest_moments = moments;
        } else {
            let (old, mut rest) = spare.split_at(theta.len());
            theta.copy_from_slice(old);
            for moment in &mut self.moments {
                let (old, after) = rest.split_at(moment.len());
                moment.copy_from_slice(old);
                rest = after;
            }
        }
        self.spare = spare;
        match is_finite {
            true => Ok(()),
            false => {
                Err(self.not_finite("result of the step", "lower the learning rate, or clip the gradient"))
            }
        }
    }

    fn not_finite(&self, what: &str, advice: &str) -> Error {
        let place = format!("{what} at step {}", self.count + 1);
        Error::new(ErrorKind::Value, place, "finite numbers", "one that is not").advise(advice)
    }
}

const GRADIENT_ADVICE: &str =
    "standardise features and targets: products of such large numbers do not fit into the scalar type";

/// The largest finite number of a scalar type.
fn largest_number<F: Scalar>() -> f64 {
    if F::NAME == "f32" { f64::from(f32::MAX) } else { f64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Rule, Sgd};
    use crate::params::MOST_IN_RANGE;

    #[test]
    fn checked_steps_on_threads_are_steps_bit_for_bit() {
        const N: usize = 2 * MOST_IN_RANGE + 3;
        let gradient: Vec<f32> = (0..N).map(|i| (i as f32 - 50.0) * 0.37).collect();
        let mut pool = ThreadPool::new(3);
        let rules: [&dyn Rule; 3] = [&Adam::new(0.1), &Sgd::new(0.1), &Sgd::new(0.1).momentum(0.9)];
        for rule in rules {
            let mut whole = Optimizer::<f32>::from_rule(rule, N).unwrap();
            let (mut cut, mut tried) = (whole.clone(), whole.clone());
            let (mut theta, mut theta_cut, mut theta_tried) = (vec![1.0; N], vec![1.0; N], vec![1.0; N]);
            for _ in 0..5 {
                whole.step(&mut theta, &gradient);
                cut.checked_step_on(Some(&mut pool), &mut theta_cut, &gradient, None).unwrap();
                // Of which nothing is known: so it is tried.
                tried.largest_moments = [f64::INFINITY; 2];
                tried.checked_step_on(Some(&mut pool), &mut theta_tried, &gradient, None).unwrap();
            }
            assert_eq!((&theta, whole.moments()), (&theta_tried, tried.moments()), "{rule:?}");
            assert_eq!(theta, theta_cut, "{rule:?}");
            assert_eq!(whole.moments(), cut.moments(), "{rule:?}");
        }
    }
}
