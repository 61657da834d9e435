//! First values of the parameters, drawn with a named generator so that a seed means the same everywhere.
//!
//! ```text
//! GlorotUniform   U(−a, a), a = √(6 / (fan_in + fan_out))     Glorot & Bengio 2010, eq. 16
//! GlorotNormal    N(0, 2 / (fan_in + fan_out))                 Glorot & Bengio 2010, eq. 12
//! HeUniform       U(−a, a), a = √(6 / fan_in)                  He et al. 2015
//! HeNormal        N(0, 2 / fan_in)                             He et al. 2015, eq. 10
//! LeCunUniform    U(−a, a), a = √(3 / fan_in)                  LeCun et al. 1998
//! LeCunNormal     N(0, 1 / fan_in)                             LeCun et al. 1998, eq. 16
//! Zeros           0
//! Uniform(a)      U(−a, a)
//! Normal(s)       N(0, s²)
//! Signs           1 or −1, each with probability ½
//! ```
//! A dense layer of `in × out` weights has `fan_in = in` and `fan_out = out`. Glorot uniform is the default, as it
//! is in TensorFlow 1.x's `dense` layer. The normal forms are not truncated.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{Error, ErrorKind, Result, Scalar};

/// How a block of parameters gets its first values.
///
/// A weight of `in × out` numbers has `fan_in = in` and `fan_out = out`. Normal forms are not truncated.
/// Every draw is ChaCha8's, so that a seed means the same on every machine.
///
/// ```
/// use polytask::Init;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let weight = Init::GlorotUniform.draw(10, 2, &mut rng);
/// assert_eq!(weight.len(), 20);
/// assert!(weight.iter().all(|w| w.abs() <= (6.0_f64 / 12.0).sqrt()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Init {
    /// U(−a, a) with a = √(6 / (fan_in + fan_out)). X. Glorot and Y. Bengio, 2010, equation 16.
    #[default]
    GlorotUniform,
    /// N(0, 2 / (fan_in + fan_out)). X. Glorot and Y. Bengio, 2010, equation 12.
    GlorotNormal,
    /// U(−a, a) with a = √(6 / fan_in). K. He et al., 2015.
    HeUniform,
    /// N(0, 2 / fan_in). K. He et al., 2015, equation 10.
    HeNormal,
    /// U(−a, a) with a = √(3 / fan_in). Y. LeCun et al., 1998.
    LeCunUniform,
    /// N(0, 1 / fan_in). Y. LeCun et al., 1998, equation 16.
    LeCunNormal,
    /// 0.
    Zeros,
    /// U(−a, a) for this a, whatever the shape.
    Uniform(f64),
    /// N(0, s²) with this standard deviation s, whatever the shape.
    Normal(f64),
    /// The same number everywhere.
    Constant(f64),
    /// 1 or −1, each with probability ½: what sets the members of a batch ensemble apart.
    Signs,
}

impl Init {
    /// Fails if the first values of `what` would not be finite numbers of type F.
    pub(crate) fn check<F: Scalar>(self, what: &str) -> Result<()> {
        match self {
            Self::Constant(value) if !F::from_f64(value).is_finite() => {
                let expected = format!("a finite number within the range of {}", F::NAME);
                Err(Error::new(ErrorKind::Setting, format!("initial value of {what}"), expected, value))
            }
            Self::Uniform(size) | Self::Normal(size) if !(size >= 0.0 && F::from_f64(size).is_finite()) => {
                let expected = format!("a spread of at least 0 within the range of {}", F::NAME);
                Err(Error::new(ErrorKind::Setting, format!("initial value of {what}"), expected, size))
            }
            _ => Ok(()),
        }
    }

    /// `rows × cols` first values, row-major, for a matrix that maps `rows` inputs to `cols` outputs.
    pub fn draw(self, rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (fan_in, fan_out) = (rows as f64, cols as f64);
        let mut uniform = |a: f64| (0..rows * cols).map(|_| a * (2.0 * rng.random::<f64>() - 1.0)).collect();
        match self {
            Self::GlorotUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
            Self::HeUniform => uniform((6.0 / fan_in).sqrt()),
            Self::LeCunUniform => uniform((3.0 / fan_in).sqrt()),
            Self::GlorotNormal => normal((2.0 / (fan_in + fan_out)).sqrt(), rows * cols, rng),
            Self::HeNormal => normal((2.0 / fan_in).sqrt(), rows * cols, rng),
            Self::LeCunNormal => normal((1.0 / fan_in).sqrt(), rows * cols, rng),
            Self::Uniform(a) => uniform(a),
            Self::Normal(deviation) => normal(deviation, rows * cols, rng),
            Self::Zeros => vec![0.0; rows * cols],
            Self::Constant(value) => vec![value; rows * cols],
            Self::Signs => (0..rows * cols).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect(),
        }
    }
}

fn normal(deviation: f64, n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..n)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            deviation * z
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Mean and variance of 40 000 draws lie within five standard errors of what the table says.
    #[test]
    fn moments_are_those_of_the_table() {
        let (rows, cols) = (100, 400);
        let n = (rows * cols) as f64;
        for (init, variance, kurtosis) in [
            (Init::GlorotUniform, 2.0 / 500.0, 1.8),
            (Init::GlorotNormal, 2.0 / 500.0, 3.0),
            (Init::HeUniform, 2.0 / 100.0, 1.8),
            (Init::HeNormal, 2.0 / 100.0, 3.0),
            (Init::LeCunUniform, 1.0 / 100.0, 1.8),
            (Init::LeCunNormal, 1.0 / 100.0, 3.0),
            (Init::Uniform(0.6), 0.12, 1.8),
            (Init::Normal(0.5), 0.25, 3.0),
            (Init::Signs, 1.0, 1.0),
        ] {
            let draws = init.draw(rows, cols, &mut ChaCha8Rng::seed_from_u64(5));
            let mean = draws.iter().sum::<f64>() / n;
            let second = draws.iter().map(|x| x * x).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{init:?}: mean {mean}");
            let error = variance * ((kurtosis - 1.0) / n).sqrt();
            assert!((second - variance).abs() <= 5.0 * error, "{init:?}: variance {second}, not {variance}");
        }
    }
}
