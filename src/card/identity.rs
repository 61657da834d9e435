//! What tells a trained model from another one, so that a person who trains it again can see that it is the same.

use std::fmt;

use crate::data::{Dataset, number_of_bits};
use crate::kernel::simd_level;
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// What a model learnt from, and what came of it: numbers that any other table or parameter would change.
///
/// ```
/// use polytask::card::Identity;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
/// let train = |seed: u64| {
///     let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
///     Trainer::new(Adam::new(0.01)).epochs(2).seed(seed).fit(&mut model, &data)?;
///     Ok::<_, polytask::Error>(model)
/// };
/// let identity = Identity::of(&[train(1)?], &data);
/// assert_eq!(Identity::of(&[train(1)?], &data), identity);
/// assert_ne!(Identity::of(&[train(2)?], &data), identity);
/// let read: Identity = identity.to_string().parse()?;
/// assert_eq!(read, identity);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Of the table that was learnt from: names, features, labels, weights and groups.
    pub table: String,
    /// Of all parameters, and the running state of layers, of all networks.
    pub parameters: String,
    /// `f32` or `f64`.
    pub scalar: String,
    /// The version of the crate.
    pub version: String,
    /// The vector instructions, since the last bits differ between those with and without fused multiply-add.
    pub simd: String,
}

/// What the parts are called, in their order.
const PARTS: [&str; 5] = ["table", "parameters", "scalar", "version", "simd"];

impl Identity {
    /// That of a model, or of the networks of an estimator, that learnt from this table.
    pub fn of<F: Scalar>(models: &[Model<F>], learnt_from: &Dataset<F>) -> Self {
        let numbers = models.iter().flat_map(|model| model.parameters().iter().chain(model.state()));
        Self {
            table: learnt_from.fingerprint().to_text(),
            parameters: format!("{:016x}", number_of_bits(numbers.map(|x| x.to_f64()))),
            scalar: F::NAME.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            simd: format!("{:?}", simd_level()).to_lowercase(),
        }
    }

    fn parts(&self) -> [&str; 5] {
        [&self.table, &self.parameters, &self.scalar, &self.version, &self.simd]
    }

    /// Checks that another one is the same.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] names the first part in which they differ, and what may be the reason.
    pub fn check(&self, other: &Self) -> Result<()> {
        let pairs = self.parts().into_iter().zip(other.parts()).zip(PARTS);
        // Another table, type, version or processor is the reason for other parameters.
        let mut differing: Vec<_> = pairs.filter(|((own, other), _)| own != other).collect();
        differing.sort_by_key(|(_, part)| *part == "parameters");
        let Some(&((own, found), part)) = differing.first() else { return Ok(()) };
        let advice = match part {
            "table" => "train on the same rows, columns and weights, in the same order",
            "parameters" => "train with the same settings and seeds",
            "scalar" => "train in the same precision",
            "version" => "train with the same version of the crate",
            _ => "set the environment variable POLYTASK_SIMD to what it was",
        };
        let place = format!("{part} of the model");
        Err(Error::new(ErrorKind::Value, place, own, found).advise(advice))
    }
}

/// `table=… parameters=… scalar=… version=… simd=…`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (part, value)) in PARTS.into_iter().zip(self.parts()).enumerate() {
            write!(f, "{}{part}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let value = |part: &str| {
            let of_part = |word: &str| word.strip_prefix(part)?.strip_prefix('=').map(str::to_owned);
            text.split_whitespace().find_map(of_part).ok_or_else(|| {
                let expected = format!("a word `{part}=…`");
                Error::new(ErrorKind::File, "identity of a model", expected, format!("`{text}`"))
            })
        };
        let [table, parameters, scalar, version, simd] = PARTS.map(value);
        Ok(Self { table: table?, parameters: parameters?, scalar: scalar?, version: version?, simd: simd? })
    }
}
