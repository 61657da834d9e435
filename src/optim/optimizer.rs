//! The owner of everything an optimiser remembers, and the only writer of θ.

use std::ops::Range;
use std::sync::Arc;

use super::clip::{clip_scale, largest_of};
use super::groups::Factors;
use super::{Magnitudes, ParameterGroups, Rule, Schedule, Step, UpdateRule, global_norm, require};
use crate::kernel::{Aligned, ThreadPool};
use crate::params::Layout;
use crate::{Error, ErrorKind, Result, Scalar};

/// A rule at work on one θ: its moments, the count of its steps, its clipping and its schedule.
///
/// ```
/// use polytask::optim::{Adam, Optimizer};
///
/// // Minimise (θ₀ − 3)² + (θ₁ + 1)².
/// let mut theta = [0.0_f64, 0.0];
/// let mut adam = Optimizer::new(Adam::new(0.1), theta.len())?.clip_norm(1.0)?;
/// for _ in 0..500 {
///     let gradient = [2.0 * (theta[0] - 3.0), 2.0 * (theta[1] + 1.0)];
///     adam.step(&mut theta, &gradient);
/// }
/// assert!((theta[0] - 3.0).abs() < 1e-6 && (theta[1] + 1.0).abs() < 1e-6);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// [`step`](Self::step) is [`begin`](Self::begin), then [`update`](Self::update) of everything. Between the
/// two θ may be cut into pieces anywhere; the bits are the same.
///
/// ```
/// use polytask::optim::{Optimizer, Sgd, global_norm};
///
/// let (mut theta, gradient) = ([1.0_f32; 5], [30.0_f32, 0.0, 40.0, 0.0, 0.0]);
/// let mut sgd = Optimizer::new(Sgd::new(0.1), 5)?.clip_norm(5.0)?;
/// let step = sgd.begin(Some(global_norm(&gradient)));
/// assert_eq!((step.count, step.learning_rate, step.gradient_scale), (1, 0.1, 0.1));
/// sgd.update(&step, 2..5, &mut theta[2..], &gradient[2..]);
/// sgd.update(&step, 0..2, &mut theta[..2], &gradient[..2]);
/// assert_eq!(theta[1], 1.0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Optimizer<F: Scalar> {
    rule: Arc<dyn UpdateRule<F>>,
    n_parameters: usize,
    moments: [Aligned<F>; 2],
    count: u64,
    max_norm: Option<f64>,
    schedule: Schedule,
    rate_scale: f64,
    /// Bounds of the magnitudes in the moments.
    largest_moments: [f64; 2],
    /// Where a step is tried: θ and the moments from before it.
    spare: Vec<F>,
    /// Pieces of θ that threads may update, and for each what its rate and decay are multiplied by.
    pieces: Vec<Range<usize>>,
    factors: Vec<Factors>,
    /// The different factors; none if all are 1.
    kinds: Vec<Factors>,
}

impl<F: Scalar> Optimizer<F> {
    /// An optimiser for a θ of `n_parameters` numbers, without clipping and with a constant learning rate.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the rule is out of its range.
    ///
    /// # Panics
    /// If the rule asks for more than two moments.
    #[track_caller]
    pub fn new(rule: impl Rule + 'static, n_parameters: usize) -> Result<Self> {
        Self::from_rule(&rule, n_parameters)
    }

    /// The same as [`new`](Self::new) for a rule whose type is not known, such as an `Arc<dyn Rule>`.
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer, Rule, Sgd};
    ///
    /// let rules: [Box<dyn Rule>; 2] = [Box::new(Adam::new(0.01)), Box::new(Sgd::new(0.1))];
    /// for (rule, moment) in rules.iter().zip([5, 0]) {
    ///     let optimizer = Optimizer::<f32>::from_rule(&**rule, 5)?;
    ///     assert_eq!((optimizer.rule().name(), optimizer.n_parameters()), (rule.name(), 5));
    ///     assert_eq!(optimizer.moments().map(<[f32]>::len), [moment; 2]); // plain SGD remembers nothing
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the rule is out of its range.
    ///
    /// # Panics
    /// If the rule asks for more than two moments.
    #[track_caller]
    pub fn from_rule(rule: &dyn Rule, n_parameters: usize) -> Result<Self> {
        rule.check()?;
        assert!(rule.n_moments() <= 2, "{} asks for {} moments of 2", rule.name(), rule.n_moments());
        let moment = |k| Aligned::zeros(if k < rule.n_moments() { n_parameters } else { 0 });
        let (pieces, factors) = pieces([(0..n_parameters, Factors::ONES)]);
        Ok(Self {
            rule: rule.build(),
            n_parameters,
            moments: [moment(0), moment(1)],
            count: 0,
            max_norm: None,
            schedule: Schedule::constant(),
            rate_scale: 1.0,
            largest_moments: [0.0; 2],
            spare: Vec::new(),
            pieces,
            factors,
            kinds: Vec::new(),
        })
    }

    /// Shortens every gradient that is longer than `max_norm` to that length (see [`global_norm`]): R.
    /// Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML
    /// 2013, algorithm 1.
    ///
    /// ```
    /// use polytask::optim::{Optimizer, Sgd};
    ///
    /// let mut sgd = Optimizer::new(Sgd::new(1.0), 2)?.clip_norm(5.0)?;
    /// let mut theta = [0.0_f64, 0.0];
    /// sgd.step(&mut theta, &[24.0, 32.0]);                     // 40 long
    /// assert_eq!((sgd.max_norm(), theta), (Some(5.0), [-3.0, -4.0]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if `max_norm` is not a number above 0.
    pub fn clip_norm(mut self, max_norm: f64) -> Result<Self> {
        let holds = max_norm.is_finite() && max_norm > 0.0;
        require(holds, "clipping", "largest norm", "a number above 0", max_norm)?;
        self.max_norm = Some(max_norm);
        Ok(self)
    }

    /// Lets the learning rate follow a schedule.
    ///
    /// ```
    /// use polytask::optim::{Optimizer, Schedule, Sgd};
    ///
    /// let mut sgd = Optimizer::<f64>::new(Sgd::new(1.0), 3)?.schedule(Schedule::steps(2, 0.5))?;
    /// let rates = [(); 4].map(|()| sgd.begin(None).learning_rate);
    /// assert_eq!(rates, [1.0, 1.0, 0.5, 0.5]);
    /// assert_eq!((sgd.count(), sgd.learning_rate()), (4, 0.25)); // of the step to come
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting of the schedule is out of its range.
    pub fn schedule(mut self, schedule: Schedule) -> Result<Self> {
        schedule.check()?;
        self.schedule = schedule;
        Ok(self)
    }

    /// Gives some blocks of θ, which is laid out by `layout`, a rate and a decay of their own.
    ///
    /// ```
    /// use polytask::Layout;
    /// use polytask::optim::{Optimizer, ParameterGroups, Sgd};
    ///
    /// let mut layout = Layout::new();
    /// layout.push("slow", 1, 1);
    /// layout.push("quick", 1, 1);
    /// let groups = ParameterGroups::new().rate("slow", 0.5);
    /// let mut sgd = Optimizer::new(Sgd::new(0.25), 2)?.groups(&layout, &groups)?;
    /// let mut theta = [1.0_f64, 1.0];
    /// sgd.step(&mut theta, &[1.0, 1.0]);
    /// assert_eq!(theta, [0.875, 0.75]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a factor is negative or not finite, [`ErrorKind::Name`] if a pattern matches no block,
    /// [`ErrorKind::Shape`] if the layout is of another θ.
    pub fn groups(mut self, layout: &Layout, groups: &ParameterGroups) -> Result<Self> {
        if layout.len() != self.n_parameters {
            let expected = format!("{} numbers", self.n_parameters);
            return Err(Error::new(ErrorKind::Shape, "layout of θ", expected, layout.len()));
        }
        let parts = groups.over(layout)?;
        self.kinds.clear();
        if parts.iter().all(|(_, factors)| *factors == Factors::ONES) {
            (self.pieces, self.factors) = pieces([(0..self.n_parameters, Factors::ONES)]);
            return Ok(self);
        }
        for (_, factors) in &parts {
            if !self.kinds.contains(factors) {
                self.kinds.push(*factors);
            }
        }
        (self.pieces, self.factors) = pieces(parts);
        Ok(self)
    }

    /// Multiplies the learning rate of all steps to come by `factor`, on top of the schedule; a second call
    /// replaces the first. A [`Plateau`](super::Plateau) gives such a factor.
    ///
    /// ```
    /// use polytask::optim::{Optimizer, Schedule, Sgd};
    ///
    /// let mut sgd = Optimizer::<f64>::new(Sgd::new(1.0), 3)?.schedule(Schedule::exponential(0.5))?;
    /// sgd.begin(None);
    /// sgd.scale_learning_rate(0.125);
    /// sgd.scale_learning_rate(0.25);
    /// assert_eq!((sgd.learning_rate_scale(), sgd.learning_rate()), (0.25, 0.5 * 0.25));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `factor` is not a number above 0.
    #[track_caller]
    pub fn scale_learning_rate(&mut self, factor: f64) {
        assert!(factor.is_finite() && factor > 0.0, "a learning rate cannot be scaled by {factor}");
        self.rate_scale = factor;
    }

    /// One step: moves θ against the gradient.
    ///
    /// If the norm of a gradient that is to be clipped is not finite, no scale can mend the gradient: as in PyTorch, NaN
    /// reaches θ instead of being hidden. [`checked_step`](Self::checked_step) gives an error instead.
    ///
    /// # Panics
    /// If `theta` or `gradient` does not have the length the optimiser was made for.
    #[track_caller]
    pub fn step(&mut self, theta: &mut [F], gradient: &[F]) {
        let norm = self.max_norm.map(|_| global_norm(gradient));
        let step = self.begin(norm);
        self.update(&step, 0..self.n_parameters, theta, gradient);
    }

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
        self.checked_step_on(None, theta, gradient)
    }

    /// The same on several threads.
    #[track_caller]
    pub(crate) fn checked_step_on(
        &mut self,
        pool: Option<&mut ThreadPool>,
        theta: &mut [F],
        gradient: &[F],
    ) -> Result<()> {
        let n = self.n_parameters;
        assert!(theta.len() == n && gradient.len() == n, "θ and gradient of {n} numbers");
        let [largest, of_gradient] = largest_of([theta, gradient]);
        if of_gradient.is_nan() {
            return Err(self.not_finite("gradient", GRADIENT_ADVICE));
        }
        let norm = self.max_norm.map(|_| global_norm(gradient));
        if norm.is_some_and(|norm| !norm.is_finite()) {
            return Err(self.not_finite("norm of the gradient", GRADIENT_ADVICE));
        }
        let step = self.next(norm);
        let before = Magnitudes { theta: largest, gradient: of_gradient, moments: self.largest_moments };
        match self.bound(&step, &before) {
            Some(bound) => {
                self.move_all(pool, &step, theta, gradient);
                self.largest_moments = bound.moments;
            }
            None => self.try_step(pool, &step, theta, gradient)?,
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
        theta: &mut [F],
        gradient: &[F],
    ) -> Result<()> {
        let mut spare = std::mem::take(&mut self.spare);
        spare.clear();
        spare.extend_from_slice(theta);
        self.moments.iter().for_each(|moment| spare.extend_from_slice(moment));
        self.move_all(pool, step, theta, gradient);
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

    /// Updates all of θ, piece by piece if there are threads for it: the bits are the same.
    fn move_all(&mut self, pool: Option<&mut ThreadPool>, step: &Step, theta: &mut [F], gradient: &[F]) {
        let Some(pool) = pool.filter(|pool| pool.n_threads() > 1 && self.pieces.len() > 1) else {
            return self.move_range(step, 0..self.n_parameters, theta, gradient);
        };
        let (rule, pieces, factors) = (&*self.rule, &self.pieces[..], &self.factors[..]);
        let [first, second] = self.moments.each_mut().map(|moment| &mut **moment);
        let of = |piece: usize| &gradient[pieces[piece].clone()];
        let step = |piece: usize| factors[piece].of(step);
        match (first.is_empty(), second.is_empty()) {
            (true, _) => pool.for_each_part(pieces, [theta], |i, [theta]| {
                rule.update(&step(i), theta, of(i), [&mut [], &mut []]);
            }),
            (false, true) => pool.for_each_part(pieces, [theta, first], |i, [theta, first]| {
                rule.update(&step(i), theta, of(i), [first, &mut []]);
            }),
            (false, false) => {
                pool.for_each_part(pieces, [theta, first, second], |i, [theta, first, second]| {
                    rule.update(&step(i), theta, of(i), [first, second]);
                });
            }
        }
    }

    /// Updates the numbers of θ in `range`, of which `theta` and `gradient` are those pieces: all at once, unless blocks
    /// have rates of their own.
    fn move_range(&mut self, step: &Step, range: Range<usize>, theta: &mut [F], gradient: &[F]) {
        // A moment that the rule does not have is empty, and so is every piece of it.
        if self.kinds.is_empty() {
            let moments = self.moments.each_mut().map(|m| m.get_mut(range.clone()).unwrap_or_default());
            return self.rule.update(step, theta, gradient, moments);
        }
        for (piece, factors) in self.pieces.iter().zip(&self.factors) {
            let part = piece.start.max(range.start)..piece.end.min(range.end);
            if part.is_empty() {
                continue;
            }
            let moments = self.moments.each_mut().map(|m| m.get_mut(part.clone()).unwrap_or_default());
            let own = part.start - range.start..part.end - range.start;
            self.rule.update(&factors.of(step), &mut theta[own.clone()], &gradient[own], moments);
        }
    }

    /// Begins the next step: advances the count, asks the schedule, and finds the clipping scale from the
    /// norm of the whole gradient. The norm is not needed, and not looked at, without clipping.
    ///
    /// # Panics
    /// If the optimiser clips and no norm is given.
    #[track_caller]
    pub fn begin(&mut self, gradient_norm: Option<f64>) -> Step {
        let step = self.next(gradient_norm);
        self.count = step.count;
        step
    }

    #[track_caller]
    fn next(&self, gradient_norm: Option<f64>) -> Step {
        let gradient_scale = self.max_norm.map_or(1.0, |max| {
            clip_scale(gradient_norm.expect("clipping needs the norm of the gradient"), max)
        });
        let count = self.count + 1;
        Step { count, learning_rate: self.rate_at(count), gradient_scale, decay_scale: 1.0 }
    }

    /// Updates the numbers of θ in `range`: `theta` and `gradient` are those pieces alone. Between two calls
    /// of [`begin`](Self::begin) each number shall be updated once; the order does not matter.
    ///
    /// # Panics
    /// If the pieces are not as long as `range`, or `range` reaches beyond θ.
    #[track_caller]
    pub fn update(&mut self, step: &Step, range: Range<usize>, theta: &mut [F], gradient: &[F]) {
        assert!(range.end <= self.n_parameters, "{range:?} in a θ of {} numbers", self.n_parameters);
        assert!(
            theta.len() == range.len() && gradient.len() == range.len(),
            "for {range:?}: {} numbers of θ and {} of the gradient",
            theta.len(),
            gradient.len()
        );
        self.move_range(step, range, theta, gradient);
        // Nothing is known of what an unchecked update has left.
        self.largest_moments = [f64::INFINITY; 2];
    }

    /// The rule.
    pub fn rule(&self) -> &dyn UpdateRule<F> {
        &*self.rule
    }

    /// How many numbers θ has.
    pub fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// How many steps were begun.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.rate_at(self.count + 1)
    }

    /// What the learning rate is multiplied by on top of the schedule: 1 unless
    /// [`scale_learning_rate`](Self::scale_learning_rate) said otherwise.
    pub fn learning_rate_scale(&self) -> f64 {
        self.rate_scale
    }

    /// The largest norm a gradient may have, if it is clipped.
    pub fn max_norm(&self) -> Option<f64> {
        self.max_norm
    }

    /// What the rule remembers, each laid out like θ, or empty where the rule remembers less.
    pub fn moments(&self) -> [&[F]; 2] {
        self.moments.each_ref().map(|moment| &**moment)
    }

    /// Takes up where another optimiser of the same rule stopped, from its moments and its count. The steps
    /// that follow have the bits they would have had without the stop.
    ///
    /// ```
    /// use polytask::optim::{Adam, Optimizer};
    ///
    /// let (mut theta, mut adam) = ([1.0_f32, 1.0], Optimizer::new(Adam::new(0.1), 2)?);
    /// adam.step(&mut theta, &[0.3, -0.1]);
    /// let (mut later, mut resumed) = (theta, Optimizer::new(Adam::new(0.1), 2)?);
    /// resumed.restore(adam.moments(), adam.count())?;
    /// adam.step(&mut theta, &[-0.2, -0.1]);
    /// resumed.step(&mut later, &[-0.2, -0.1]);
    /// assert_eq!(theta, later);
    /// assert!(resumed.restore([&[0.0], &[0.0]], 1).is_err());  // of a θ of one number
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if a moment has not the length it must have, [`ErrorKind::Value`] if one holds a
    /// number that is not finite or cannot be (a mean of squares below 0), or the count is beyond 2⁵³; nothing is changed then.
    pub fn restore(&mut self, moments: [&[F]; 2], count: u64) -> Result<()> {
        for (k, (found, own)) in moments.iter().zip(&self.moments).enumerate() {
            let place = format!("{}, moment {k}", self.rule.name());
            if found.len() != own.len() {
                let numbers = |n: usize| format!("{n} numbers");
                return Err(Error::new(ErrorKind::Shape, place, numbers(own.len()), numbers(found.len()))
                    .advise("the state is of another rule or of another network"));
            }
            let least = self.rule.least_of_moment(k);
            let is_possible = |x: &F| x.is_finite() && x.to_f64() >= least;
            if let Some(at) = found.iter().position(|x| !is_possible(x)) {
                let place = format!("{place}[{at}]");
                let expected = if least == 0.0 { "a finite number, at least 0" } else { "a finite number" };
                return Err(Error::new(ErrorKind::Value, place, expected, found[at]));
            }
        }
        if count > MOST_STEPS {
            let place = format!("{}, count of steps", self.rule.name());
            return Err(Error::new(ErrorKind::Value, place, format!("at most {MOST_STEPS}"), count));
        }
        for (own, found) in self.moments.iter_mut().zip(moments) {
            own.copy_from_slice(found);
        }
        self.count = count;
        self.largest_moments = self.moments.each_ref().map(|moment| largest_of([&**moment])[0]);
        Ok(())
    }

    fn rate_at(&self, count: u64) -> f64 {
        self.rule.learning_rate() * self.schedule.factor(count) * self.rate_scale
    }
}

const GRADIENT_ADVICE: &str =
    "standardise features and targets: products of such large numbers do not fit into the scalar type";

/// How many numbers of θ a thread updates at a time, at most.
const PIECE: usize = 1 << 14;

/// The parts of θ cut into pieces.
fn pieces(parts: impl IntoIterator<Item = (Range<usize>, Factors)>) -> (Vec<Range<usize>>, Vec<Factors>) {
    let cut = |(part, factors): (Range<usize>, Factors)| {
        let starts = part.clone().step_by(PIECE);
        starts.map(move |start| (start..(start + PIECE).min(part.end), factors))
    };
    parts.into_iter().flat_map(cut).unzip()
}

/// The largest finite number of a scalar type.
fn largest_number<F: Scalar>() -> f64 {
    if F::NAME == "f32" { f64::from(f32::MAX) } else { f64::MAX }
}

/// Counts up to here are exact in `f64`; no training gets near.
const MOST_STEPS: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Sgd};

    #[test]
    fn checked_steps_on_threads_are_steps_bit_for_bit() {
        const N: usize = 2 * PIECE + 3;
        let gradient: Vec<f32> = (0..N).map(|i| (i as f32 - 50.0) * 0.37).collect();
        let mut pool = ThreadPool::new(3);
        let rules: [&dyn Rule; 3] = [&Adam::new(0.1), &Sgd::new(0.1), &Sgd::new(0.1).momentum(0.9)];
        for rule in rules {
            let mut whole = Optimizer::<f32>::from_rule(rule, N).unwrap();
            let (mut cut, mut tried) = (whole.clone(), whole.clone());
            let (mut theta, mut theta_cut, mut theta_tried) = (vec![1.0; N], vec![1.0; N], vec![1.0; N]);
            for _ in 0..5 {
                whole.step(&mut theta, &gradient);
                cut.checked_step_on(Some(&mut pool), &mut theta_cut, &gradient).unwrap();
                // Of which nothing is known: so it is tried.
                tried.largest_moments = [f64::INFINITY; 2];
                tried.checked_step_on(Some(&mut pool), &mut theta_tried, &gradient).unwrap();
            }
            assert_eq!((&theta, whole.moments()), (&theta_tried, tried.moments()), "{rule:?}");
            assert_eq!(theta, theta_cut, "{rule:?}");
            assert_eq!(whole.moments(), cut.moments(), "{rule:?}");
        }
    }
}
