//! Two tasks with two shared parameters, on which balancing methods part ways.
//!
//! Above the line x₂ = 0 each task pulls into a narrow valley of its own, where the gradients of the two conflict
//! and differ in length by orders of magnitude; below it both are bowls, with their minima at x₁ = ±7. The points
//! between the minima, near x₂ = −8.36, are Pareto-stationary. A method may get stuck in a valley, or reach that
//! front, at its middle or wherever it happens to arrive.
//!
//! ```text
//! L₁ = scale · (c₁ f₁ + c₂ q₁),   L₂ = c₁ f₂ + c₂ q₂
//! f₁ = h(½ (−x₁ − 7) + tanh x₂),   f₂ = h(½ (−x₁ + 7) − tanh x₂),   h(u) = log(max(|u|, 5·10⁻⁶)) + 6
//! q₁ = ((x₁ − 7)² + (x₂ + 8)² / 10) / 10 − 20,   q₂ = ((x₁ + 7)² + (x₂ + 8)² / 10) / 10 − 20
//! c₁ = max(tanh(x₂ / 2), 0),   c₂ = max(−tanh(x₂ / 2), 0)
//! ```
//!
//! From Liu et al. (CAGrad, NeurIPS 2021) with scale 1; Navon et al. (Nash-MTL, ICML 2022) and Liu et al. (FAMO,
//! NeurIPS 2023) have scale 0.1.

use ndarray::{Array2, ArrayView2};
use polytask::balance::{Balance, Balancer, Evidence};

/// The problem, with the factor of its first loss.
#[derive(Clone, Copy, Debug)]
pub struct Toy {
    pub scale: f64,
}

/// A number that depends on x₁ and x₂, with its derivatives by them.
#[derive(Clone, Copy, Debug)]
struct Varying {
    value: f64,
    slope: [f64; 2],
}

impl Toy {
    /// The two losses and their gradients, one in each row.
    pub fn losses(&self, [x1, x2]: [f64; 2]) -> ([f64; 2], [[f64; 2]; 2]) {
        let tanh = x2.tanh();
        let fall = 1.0 - tanh * tanh;
        let f1 = valley(0.5 * (-x1 - 7.0) + tanh, [-0.5, fall]);
        let f2 = valley(0.5 * (-x1 + 7.0) - tanh, [-0.5, -fall]);
        let (q1, q2) = (bowl(x1 - 7.0, x2 + 8.0), bowl(x1 + 7.0, x2 + 8.0));

        let half = (0.5 * x2).tanh();
        let half_fall = 0.5 * (1.0 - half * half);
        // At x₂ = 0 both fade in at once.
        let c1 = Varying { value: half.max(0.0), slope: [0.0, if half >= 0.0 { half_fall } else { 0.0 }] };
        let c2 =
            Varying { value: (-half).max(0.0), slope: [0.0, if half <= 0.0 { -half_fall } else { 0.0 }] };

        let (first, second) = (sum_of_products(c1, f1, c2, q1), sum_of_products(c1, f2, c2, q2));
        (
            [self.scale * first.value, second.value],
            [first.slope.map(|slope| self.scale * slope), second.slope],
        )
    }

    /// Where Adam with learning rate 10⁻³ arrives from `start` after a number of steps of `method`.
    pub fn descend(&self, method: &dyn Balance, start: [f64; 2], steps: usize) -> [f64; 2] {
        self.walk(method, start, steps, |_, _| {})
    }

    /// The same, and shows each point on the way.
    pub fn walk(
        &self,
        method: &dyn Balance,
        start: [f64; 2],
        steps: usize,
        mut show: impl FnMut(usize, [f64; 2]),
    ) -> [f64; 2] {
        let mut balancer = Balancer::new(method.boxed(), 2).expect("a method for two tasks");
        let looks_back = balancer.needs().losses_after_step;
        let (mut x, mut adam) = (start, Adam::default());
        let mut point = Point { losses: [0.0; 2], gramian: Array2::zeros((2, 2)) };
        for step in 0..steps {
            show(step, x);
            let (losses, gradients) = self.losses(x);
            point.observe(losses, gradients);
            let weights = &balancer.weights(&mut point).shared;
            let direction = [0, 1].map(|p| weights[0] * gradients[0][p] + weights[1] * gradients[1][p]);
            adam.step(&mut x, direction);
            if looks_back {
                balancer.after_step(&self.losses(x).0);
            }
        }
        show(steps, x);
        x
    }
}

/// `log(max(|u|, 5·10⁻⁶)) + 6`, flat where it is cut off.
fn valley(u: f64, slope: [f64; 2]) -> Varying {
    let bottom = u.abs() < 5e-6;
    let by_u = if bottom { 0.0 } else { 1.0 / u };
    Varying { value: u.abs().max(5e-6).ln() + 6.0, slope: slope.map(|slope| slope * by_u) }
}

/// `(a² + b² / 10) / 10 − 20`.
fn bowl(a: f64, b: f64) -> Varying {
    Varying { value: (a * a + 0.1 * b * b) / 10.0 - 20.0, slope: [0.2 * a, 0.02 * b] }
}

/// `a b + c d`.
fn sum_of_products(a: Varying, b: Varying, c: Varying, d: Varying) -> Varying {
    let slope =
        |p: usize| a.slope[p] * b.value + a.value * b.slope[p] + c.slope[p] * d.value + c.value * d.slope[p];
    Varying { value: a.value * b.value + c.value * d.value, slope: [slope(0), slope(1)] }
}

/// Adam (Kingma and Ba 2015) with learning rate 10⁻³, β = (0.9, 0.999), ε = 10⁻⁸.
#[derive(Debug)]
struct Adam {
    first: [f64; 2],
    second: [f64; 2],
    /// β₁ᵗ and β₂ᵗ.
    past: [f64; 2],
}

impl Default for Adam {
    fn default() -> Self {
        Self { first: [0.0; 2], second: [0.0; 2], past: [1.0; 2] }
    }
}

impl Adam {
    fn step(&mut self, x: &mut [f64; 2], gradient: [f64; 2]) {
        self.past = [0.9 * self.past[0], 0.999 * self.past[1]];
        for p in 0..2 {
            self.first[p] = 0.9 * self.first[p] + 0.1 * gradient[p];
            self.second[p] = 0.999 * self.second[p] + 0.001 * gradient[p] * gradient[p];
            let (mean, square) =
                (self.first[p] / (1.0 - self.past[0]), self.second[p] / (1.0 - self.past[1]));
            x[p] -= 1e-3 * mean / (square.sqrt() + 1e-8);
        }
    }
}

/// What is known at one point.
struct Point {
    losses: [f64; 2],
    gramian: Array2<f64>,
}

impl Point {
    fn observe(&mut self, losses: [f64; 2], [g, h]: [[f64; 2]; 2]) {
        self.losses = losses;
        let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
        let entries = [dot(g, g), dot(g, h), dot(g, h), dot(h, h)];
        self.gramian.iter_mut().zip(entries).for_each(|(entry, value)| *entry = value);
    }
}

impl Evidence for Point {
    fn losses(&self) -> &[f64] {
        &self.losses
    }

    fn labelled(&self) -> &[bool] {
        &[true, true]
    }

    fn gramian(&mut self) -> ArrayView2<'_, f64> {
        self.gramian.view()
    }
}

/// The starting points of CAGrad's paper, and of those with scale 0.1.
pub const STARTS: [[f64; 2]; 3] = [[-8.5, 7.5], [-8.5, -5.0], [9.0, 9.0]];
/// The starting points of Nash-MTL's paper and of FAMO's.
pub const SCALED_STARTS: [[f64; 2]; 5] = [[-8.5, 7.5], [0.0, 0.0], [9.0, 9.0], [-7.5, -0.5], [9.0, -1.0]];
