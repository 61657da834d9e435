//! The owner of everything an optimiser remembers, and the only writer of θ.

use std::ops::Range;
use std::sync::Arc;

use super::clip::{clip_scale, largest_of, norm_of_parts};
use super::groups::Factors;
use super::{ParameterGroups, Rule, Schedule, Step, UpdateRule, global_norm, require};
use crate::kernel::{Aligned, ThreadPool};
use crate::params::{Layout, MOST_IN_RANGE, TouchedRows};
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
    pub(super) rule: Arc<dyn UpdateRule<F>>,
    pub(super) n_parameters: usize,
    pub(super) moments: [Aligned<F>; 2],
    pub(super) count: u64,
    pub(super) max_norm: Option<f64>,
    schedule: Schedule,
    rate_scale: f64,
    /// Bounds of the magnitudes in the moments.
    pub(super) largest_moments: [f64; 2],
    /// Where a step is tried: θ and the moments from before it.
    pub(super) spare: Vec<F>,
    /// Pieces of θ that threads may update, and for each what its rate and decay are multiplied by.
    pieces: Vec<Range<usize>>,
    factors: Vec<Factors>,
    /// The different factors; none if all are 1.
    pub(super) kinds: Vec<Factors>,
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

    /// One step along a gradient that is 0 in all rows of tables that are not `touched`: a rule that is
    /// [lazy](super::RuleSettings::is_lazy) leaves those rows and their moments as they are, and does not look at them.
    /// For any other rule it is [`step`](Self::step).
    ///
    /// ```
    /// use polytask::optim::{Adam, LazyAdam, Optimizer};
    /// use polytask::{Layout, TouchedRows};
    ///
    /// let mut layout = Layout::new();
    /// let mut touched = TouchedRows::new(4, [layout.push("table", 2, 2)], 2);
    /// let mut lazy = Optimizer::new(LazyAdam::new(0.1), 4)?;
    /// let mut adam = Optimizer::new(Adam::new(0.1), 4)?;
    /// let [mut theta, mut of_adam] = [[0.0_f64; 4]; 2];
    /// for (row, gradient) in [(0, [1.0, 2.0, 0.0, 0.0]), (1, [0.0, 0.0, 1.0, 2.0])] {
    ///     touched.set([[row]]);
    ///     lazy.step_rows(&mut theta, &gradient, &touched);
    ///     adam.step(&mut of_adam, &gradient);
    /// }
    /// assert_eq!(theta[2..], of_adam[2..]);
    /// assert!((theta[0] + 0.1).abs() < 1e-6 && (of_adam[0] + 0.167).abs() < 1e-3); // Adam's row has gone on
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `theta`, `gradient` or the list are of another length than the optimiser was made for.
    #[track_caller]
    pub fn step_rows(&mut self, theta: &mut [F], gradient: &[F], touched: &TouchedRows) {
        let n = self.n_parameters;
        assert!(theta.len() == n && gradient.len() == n, "θ and gradient of {n} numbers");
        let parts = self.parts(Some(touched));
        let norm = self.max_norm.map(|_| self.norm(gradient, parts));
        let step = self.begin(norm);
        self.move_all(None, &step, parts, theta, gradient);
        self.largest_moments = [f64::INFINITY; 2];
    }

    /// The parts of θ that the rule moves, if it leaves the others alone.
    #[track_caller]
    pub(super) fn parts<'t>(&self, touched: Option<&'t TouchedRows>) -> Option<&'t [Range<usize>]> {
        let (touched, n) = (touched.filter(|_| self.rule.is_lazy())?, self.n_parameters);
        assert_eq!(touched.n_parameters(), n, "touched rows of a θ of {n} numbers");
        Some(touched.ranges())
    }

    pub(super) fn norm(&self, gradient: &[F], parts: Option<&[Range<usize>]>) -> f64 {
        parts.map_or_else(|| global_norm(gradient), |parts| norm_of_parts(gradient, parts))
    }

    /// Updates all of θ, or these parts of it, piece by piece if there are threads for it: the bits are the same.
    pub(super) fn move_all(
        &mut self,
        pool: Option<&mut ThreadPool>,
        step: &Step,
        parts: Option<&[Range<usize>]>,
        theta: &mut [F],
        gradient: &[F],
    ) {
        let pays = match parts {
            None => self.pieces.len() > 1,
            // Many short parts would cost the threads more than they save.
            Some(parts) => {
                let numbers = parts.iter().map(Range::len).sum::<usize>();
                numbers > MOST_IN_RANGE && numbers > LEAST_OF_A_PART * parts.len()
            }
        };
        let Some(pool) = pool.filter(|pool| pool.n_threads() > 1 && pays) else {
            let all = 0..self.n_parameters;
            let parts = parts.unwrap_or(std::slice::from_ref(&all));
            if self.kinds.is_empty() {
                let moments = self.moments.each_mut().map(|moment| &mut **moment);
                return self.rule.update_parts(step, parts, theta, gradient, moments);
            }
            for part in parts {
                self.move_range(step, part.clone(), &mut theta[part.clone()], &gradient[part.clone()]);
            }
            return;
        };
        let cuts = parts.unwrap_or(&self.pieces);
        let groups = Groups { pieces: &self.pieces, factors: &self.factors };
        let update = |i: usize, theta: &mut [F], moments: [&mut [F]; 2]| {
            groups.update(&*self.rule, step, cuts[i].clone(), theta, &gradient[cuts[i].clone()], moments);
        };
        let [first, second] = self.moments.each_mut().map(|moment| &mut **moment);
        match (first.is_empty(), second.is_empty()) {
            (true, _) => pool.for_each_part(cuts, [theta], |i, [theta]| {
                update(i, theta, [&mut [], &mut []]);
            }),
            (false, true) => pool.for_each_part(cuts, [theta, first], |i, [theta, first]| {
                update(i, theta, [first, &mut []]);
            }),
            (false, false) => {
                pool.for_each_part(cuts, [theta, first, second], |i, [theta, first, second]| {
                    update(i, theta, [first, second]);
                });
            }
        }
    }

    /// Updates the numbers of θ in `range`, of which `theta` and `gradient` are those pieces: all at once, unless blocks
    /// have rates of their own.
    fn move_range(&mut self, step: &Step, range: Range<usize>, theta: &mut [F], gradient: &[F]) {
        // A moment that the rule does not have is empty, and so is every piece of it.
        let moments = self.moments.each_mut().map(|m| m.get_mut(range.clone()).unwrap_or_default());
        if self.kinds.is_empty() {
            return self.rule.update(step, theta, gradient, moments);
        }
        let groups = Groups { pieces: &self.pieces, factors: &self.factors };
        groups.update(&*self.rule, step, range, theta, gradient, moments);
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
    pub(super) fn next(&self, gradient_norm: Option<f64>) -> Step {
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

/// The pieces of θ, each with what its rate and decay are multiplied by.
struct Groups<'a> {
    pieces: &'a [Range<usize>],
    factors: &'a [Factors],
}

impl Groups<'_> {
    /// Updates the numbers of θ in `range`, which all the slices are.
    fn update<F: Scalar>(
        &self,
        rule: &dyn UpdateRule<F>,
        step: &Step,
        range: Range<usize>,
        theta: &mut [F],
        gradient: &[F],
        mut moments: [&mut [F]; 2],
    ) {
        let first = self.pieces.partition_point(|piece| piece.end <= range.start);
        for (piece, factors) in self.pieces[first..].iter().zip(&self.factors[first..]) {
            if piece.start >= range.end {
                break;
            }
            let own = piece.start.max(range.start) - range.start..piece.end.min(range.end) - range.start;
            let moments = moments.each_mut().map(|m| m.get_mut(own.clone()).unwrap_or_default());
            rule.update(&factors.of(step), &mut theta[own.clone()], &gradient[own], moments);
        }
    }
}

/// How many numbers parts of θ must have on average to be shared among threads.
const LEAST_OF_A_PART: usize = 1 << 10;

/// The parts of θ cut into pieces of what a thread updates at a time, at most.
fn pieces(parts: impl IntoIterator<Item = (Range<usize>, Factors)>) -> (Vec<Range<usize>>, Vec<Factors>) {
    let cut = |(part, factors): (Range<usize>, Factors)| {
        let starts = part.clone().step_by(MOST_IN_RANGE);
        starts.map(move |start| (start..(start + MOST_IN_RANGE).min(part.end), factors))
    };
    parts.into_iter().flat_map(cut).unzip()
}

/// Counts up to here are exact in `f64`; no training gets near.
const MOST_STEPS: u64 = 1 << 53;
