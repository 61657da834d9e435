//! The checked function at its point θ: evaluated, counted, and looked over before any differencing.

use std::ops::Range;

use super::direction::ThetaDirection;
use super::probe::{Probe, TaskGradient};
use super::report::Fault;
use crate::{Layout, Scalar};

/// A function that can be checked: a loss of θ that fills the probe's gradient when it is wanted.
pub type CheckedFunction<'f, F> = dyn FnMut(&[F], &mut Probe<'_, F>) -> F + 'f;

/// How far from its kinks a point is taken to be moved, relative to the root mean square of θ.
const OFF_KINKS: f64 = 1e-3;
/// How many such points are looked at; that with the farthest kinks is taken.
const DRAWS: u64 = 8;

pub(super) struct Subject<'f, F> {
    function: &'f mut CheckedFunction<'f, F>,
    theta: Vec<F>,
    /// θ, but for the range that is being moved.
    scratch: Vec<F>,
    /// The loss at θ.
    pub loss: f64,
    /// The decisions taken at θ.
    sides: u64,
    pub n_sides: usize,
    /// How many of the decisions taken at θ lie on their kinks, or so near that they cannot be told from it.
    pub on_kinks: usize,
    pub margin: Option<f64>,
    /// Whether the loss is rounded to `f32` on its way, whatever `F` is.
    single: bool,
    /// The standard deviation of the loss from rounding.
    pub noise: f64,
    pub n_losses: usize,
    pub n_gradients: usize,
}

impl<'f, F: Scalar> Subject<'f, F> {
    pub fn new(theta: &[F], function: &'f mut CheckedFunction<'f, F>) -> Self {
        let mut subject = Self {
            function,
            theta: Vec::new(),
            scratch: Vec::new(),
            loss: 0.0,
            sides: 0,
            n_sides: 0,
            on_kinks: 0,
            margin: None,
            single: false,
            noise: 0.0,
            n_losses: 0,
            n_gradients: 0,
        };
        subject.place(theta.to_vec());
        subject
    }

    /// Takes `theta` as the point θ.
    pub fn place(&mut self, theta: Vec<F>) {
        let mut probe = Probe::loss_only();
        self.loss = (self.function)(&theta, &mut probe).to_f64();
        self.n_losses += 1;
        (self.sides, self.n_sides) = (probe.sides(), probe.n_sides());
        (self.on_kinks, self.margin) = (probe.on_kinks(), probe.margin());
        self.scratch.clone_from(&theta);
        self.theta = theta;
    }

    /// Moves every number of θ a little, at random, to where no kink is near; how far they moved at most.
    pub fn move_off_kinks(&mut self, seed: u64) -> f64 {
        let distance = OFF_KINKS * self.spread();
        let mut best = None;
        for draw in 0..DRAWS {
            let point = self.beside(seed, draw, distance);
            let mut probe = Probe::loss_only();
            let loss = (self.function)(&point, &mut probe);
            self.n_losses += 1;
            let margin = probe.margin().unwrap_or(f64::INFINITY);
            if loss.is_finite() && best.as_ref().is_none_or(|(farthest, _)| margin > *farthest) {
                best = Some((margin, point));
            }
            if margin == f64::INFINITY {
                break;
            }
        }
        if let Some((_, point)) = best {
            self.place(point);
        }
        1.5 * distance
    }

    /// θ with every number moved at random by ½ to 1½ of `distance`.
    fn beside(&self, seed: u64, draw: u64, distance: f64) -> Vec<F> {
        let direction = ThetaDirection::random(0..self.theta.len(), seed, u64::MAX - 1 - draw);
        let moved = |(&x, v): (&F, &f64)| F::from_f64(x.to_f64() + distance * v);
        self.theta.iter().zip(&direction.components).map(moved).collect()
    }

    /// The root mean square of θ; 1 where θ is 0.
    fn spread(&self) -> f64 {
        let scale = self.scale(0..self.theta.len());
        if scale > 0.0 { scale } else { 1.0 }
    }

    /// The gradient by hand so near to θ that a smooth one is the same but for a millionth.
    pub fn gradient_beside(&mut self, seed: u64) -> Vec<f64> {
        let point = self.beside(seed, 0, 1e-6 * self.spread());
        let mut gradient = vec![F::ZERO; point.len()];
        (self.function)(&point, &mut Probe::with_gradient(&mut gradient));
        self.n_gradients += 1;
        gradient.into_iter().map(F::to_f64).collect()
    }

    /// The loss at θ + step·direction, and whether the same decisions were taken there as at θ.
    pub fn moved(&mut self, direction: &ThetaDirection, step: f64) -> (f64, bool) {
        let range = direction.range();
        for ((x, &at), v) in
            self.scratch[range.clone()].iter_mut().zip(&self.theta[range.clone()]).zip(&direction.components)
        {
            *x = F::from_f64(at.to_f64() + step * v);
        }
        let mut probe = Probe::loss_only();
        let loss = (self.function)(&self.scratch, &mut probe).to_f64();
        self.n_losses += 1;
        self.scratch[range.clone()].copy_from_slice(&self.theta[range]);
        (loss, probe.sides() == self.sides)
    }

    /// The loss and gradient at θ, the gradient's buffer filled with `rubbish` beforehand.
    fn gradient(&mut self, rubbish: F) -> (f64, Vec<F>) {
        let mut gradient = vec![rubbish; self.theta.len()];
        let loss = (self.function)(&self.theta, &mut Probe::with_gradient(&mut gradient)).to_f64();
        self.n_gradients += 1;
        (loss, gradient)
    }

    /// What each task adds to the gradient, if the function says.
    pub fn task_gradients(&mut self) -> Vec<(String, Vec<f64>)> {
        let mut gradient = vec![F::ZERO; self.theta.len()];
        let mut tasks: Vec<TaskGradient<F>> = Vec::new();
        (self.function)(&self.theta, &mut Probe::with_tasks(&mut gradient, &mut tasks));
        self.n_gradients += 1;
        tasks.into_iter().map(|t| (t.task, t.values.into_iter().map(F::to_f64).collect())).collect()
    }

    /// The root mean square of θ over a range.
    pub fn scale(&self, range: Range<usize>) -> f64 {
        let n = range.len().max(1) as f64;
        (self.theta[range].iter().map(|x| x.to_f64().powi(2)).sum::<f64>() / n).sqrt()
    }

    /// θ.
    pub fn point(&self) -> &[F] {
        &self.theta
    }

    /// θ as `f64`.
    pub fn theta(&self) -> Vec<f64> {
        self.theta.iter().map(|x| x.to_f64()).collect()
    }

    /// Estimates the noise of the loss from third differences along a line so short that the loss is straight
    /// there but for rounding (Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011,
    /// eq. 2.5: σ² ≈ (k!)²/(2k)! · mean (Δᵏ L)²).
    pub fn measure_noise(&mut self, seed: u64) {
        let direction = ThetaDirection::random(0..self.theta.len(), seed, u64::MAX);
        let spacing = 1024.0 * F::EPSILON * self.scale(0..self.theta.len()).max(1.0);
        let mut differences = vec![self.loss];
        differences.extend((1..8).map(|i| self.moved(&direction, f64::from(i) * spacing).0));
        for _ in 0..3 {
            differences = differences.windows(2).map(|pair| pair[1] - pair[0]).collect();
        }
        let mean = differences.iter().map(|d| d * d).sum::<f64>() / differences.len() as f64;
        // Five differences are a rough estimate: doubled, and never below the spacing of numbers there.
        let spacing = if self.single { f64::from(f32::EPSILON) } else { F::EPSILON };
        self.noise = (2.0 * (mean / 20.0).sqrt()).max(spacing * self.loss.abs()).max(f64::MIN_POSITIVE);
    }

    /// Everything that must hold before a difference means anything; the gradient by hand, if it does.
    pub fn look_over(&mut self, layout: &Layout) -> Result<Vec<f64>, Fault> {
        if !self.loss.is_finite() {
            return Err(Fault::LossNotFinite { loss: self.loss });
        }
        let again = self.moved(&ThetaDirection { start: 0, components: Vec::new() }, 0.0).0;
        if again.to_bits() != self.loss.to_bits() {
            return Err(Fault::LossNotRepeatable { first: self.loss, second: again });
        }
        let (loss, first) = self.gradient(F::NAN);
        if loss.to_bits() != self.loss.to_bits() {
            return Err(Fault::LossDependsOnGradient { without: self.loss, with: loss });
        }
        if let Some(index) = first.iter().position(|g| g.is_nan()) {
            return Err(self.explain_nan(layout, index, first.iter().filter(|g| g.is_nan()).count()));
        }
        if let Some(index) = first.iter().position(|g| !g.is_finite()) {
            return Err(self.not_finite(layout, index, &first));
        }
        let (_, second) = self.gradient(F::ONE);
        if let Some(index) = (0..first.len()).find(|&i| first[i] != second[i]) {
            let (first, second) = (first[index].to_f64(), second[index].to_f64());
            return Err(Fault::GradientNotRepeatable { name: layout.name_of(index), first, second });
        }
        let far = ThetaDirection::random(0..self.theta.len(), 0, 0);
        let elsewhere = self.moved(&far, 1e-3 * self.scale(0..self.theta.len())).0;
        // At a random point no honest f64 loss happens to be a number of f32.
        self.single = elsewhere != self.loss && f64::from(elsewhere as f32) == elsewhere;
        let again = self.moved(&ThetaDirection { start: 0, components: Vec::new() }, 0.0).0;
        if again.to_bits() != self.loss.to_bits() {
            return Err(Fault::LossRemembers { before: self.loss, after: again });
        }
        Ok(first.into_iter().map(F::to_f64).collect())
    }

    /// Why an entry is NaN after a gradient into a buffer of NaN: left alone, added to, or really NaN.
    fn explain_nan(&mut self, layout: &Layout, index: usize, count: usize) -> Fault {
        let rubbish = F::from_f64(3.0);
        let (_, onto_zero) = self.gradient(F::ZERO);
        let (_, onto_rubbish) = self.gradient(rubbish);
        let (name, of) = (layout.name_of(index), onto_zero.len());
        if !onto_zero[index].is_finite() {
            return self.not_finite(layout, index, &onto_zero);
        }
        // An entry that is both added to and has gradient 0 looks left alone; the first entry that moves tells.
        let added_to = (0..of).find(|&i| onto_rubbish[i] != rubbish && onto_rubbish[i] != onto_zero[i]);
        if onto_rubbish[index] == rubbish && onto_zero[index] == F::ZERO && added_to.is_none() {
            Fault::NotWritten { name, count, of }
        } else {
            Fault::AddedToRubbish { name: added_to.map_or(name, |i| layout.name_of(i)), count, of }
        }
    }

    fn not_finite(&self, layout: &Layout, index: usize, gradient: &[F]) -> Fault {
        let count = gradient.iter().filter(|g| !g.is_finite()).count();
        Fault::GradientNotFinite { name: layout.name_of(index), value: gradient[index].to_f64(), count }
    }
}
