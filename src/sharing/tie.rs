//! A tie between networks of one shape: a penalty on how far their parameters are from one another.
//!
//! ```text
//! value       Ω(θ) = ½ λ Σ_{a<b} ‖θ_a − θ_b‖²       over all pairs of K networks, weights and biases
//!                  = ½ λ K Σₖ ‖θₖ − θ̄‖²             θ̄: their mean
//! gradient    ∂Ω/∂θₖ = λ Σ_b (θₖ − θ_b) = λ K (θₖ − θ̄)
//! ```
//! Why both forms are one: ‖θ_a − θ_b‖² summed over all K² ordered pairs is 2K Σ‖θₖ‖² − 2‖Σθₖ‖², and Σ‖θₖ − θ̄‖² is
//! Σ‖θₖ‖² − ‖Σθₖ‖²/K. The second takes K steps where the first takes K². It also says what λ does: each network is
//! pulled towards the mean with the strength λ K, so with more tasks a smaller λ has the same effect. λ = 0 leaves them
//! alone, and λ → ∞ makes them one.

use crate::Scalar;
use crate::penalty::PenaltyFunction;

/// The penalty. θₖ is `len` numbers, from number `first + k len` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tie {
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) n: usize,
    pub(super) strength: f64,
}

impl Tie {
    pub(super) const NAME: &str = "the tie of soft sharing";

    /// Number i of every trunk, and their mean.
    fn each<'t, F: Scalar>(&self, theta: &'t [F], i: usize) -> (impl Iterator<Item = f64> + use<'t, F>, f64) {
        let numbers = theta[self.first + i..].iter().step_by(self.len).take(self.n).map(|x| x.to_f64());
        let mean = numbers.clone().sum::<f64>() / self.n as f64;
        (numbers, mean)
    }
}

impl<F: Scalar> PenaltyFunction<F> for Tie {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn value(&self, theta: &[F]) -> f64 {
        let of = |i: usize| {
            let (numbers, mean) = self.each(theta, i);
            numbers.map(|x| (x - mean) * (x - mean)).sum::<f64>()
        };
        0.5 * self.strength * self.n as f64 * (0..self.len).map(of).sum::<f64>()
    }

    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        let pull = self.strength * self.n as f64;
        for i in 0..self.len {
            let (numbers, mean) = self.each(theta, i);
            let to = gradient[self.first + i..].iter_mut().step_by(self.len);
            numbers.zip(to).for_each(|(x, g)| *g += F::from_f64(pull * (x - mean)));
        }
    }
}
