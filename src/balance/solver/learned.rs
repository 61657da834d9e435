//! Numbers that a method learns on the side, one per task, by Adam.
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   x ← x − lr · m̂ / (√v̂ + 10⁻⁸)
//! ```
//!
//! with the corrected means `m̂ = m / (1 − β₁ᵗ)`, `v̂ = v / (1 − β₂ᵗ)` (Kingma and Ba 2015, algorithm 1;
//! β₁ = 0.9, β₂ = 0.999). Each number counts its own steps, so that a task without labels stands still.

/// The numbers and Adam's means.
#[derive(Clone, Debug)]
pub(in crate::balance) struct Learned {
    pub(in crate::balance) learning_rate: f64,
    /// Where each number begins.
    pub(in crate::balance) initial: f64,
    values: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: Vec<f64>,
}

impl Learned {
    pub(in crate::balance) fn new(initial: f64, learning_rate: f64) -> Self {
        let [values, first, second, steps] = [const { Vec::new() }; 4];
        Self { learning_rate, initial, values, first, second, steps }
    }

    /// Makes room for `n` tasks, at the first step.
    pub(in crate::balance) fn ready(&mut self, n: usize) {
        self.values.resize(n, self.initial);
        for list in [&mut self.first, &mut self.second, &mut self.steps] {
            list.resize(n, 0.0);
        }
    }

    /// The number of task `k`.
    pub(in crate::balance) fn of(&self, k: usize) -> f64 {
        self.values[k]
    }

    /// One step of the number of task `k` against its gradient.
    pub(in crate::balance) fn step(&mut self, k: usize, gradient: f64) {
        const BETA1: f64 = 0.9;
        const BETA2: f64 = 0.999;
        // Beyond this, g² overflows; Adam's step does not depend on the scale of g.
        let gradient = gradient.clamp(-1e150, 1e150);
        self.steps[k] += 1.0;
        self.first[k] = BETA1 * self.first[k] + (1.0 - BETA1) * gradient;
        self.second[k] = BETA2 * self.second[k] + (1.0 - BETA2) * gradient * gradient;
        let mean = self.first[k] / (1.0 - BETA1.powf(self.steps[k]));
        let square = self.second[k] / (1.0 - BETA2.powf(self.steps[k]));
        self.values[k] -= self.learning_rate * mean / (square.sqrt() + 1e-8);
    }

    pub(in crate::balance) fn state(&mut self, name: &'static str) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![
            (name, &mut self.values),
            ("first moment", &mut self.first),
            ("second moment", &mut self.second),
            ("learning steps", &mut self.steps),
        ]
    }
}
