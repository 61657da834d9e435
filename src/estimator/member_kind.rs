//! Kinds of networks in an estimator: what each has in place of the settings, and which network is of which kind.
//!
//! ```text
//! plain     hidden layers and weight decay as they are set
//! decayed   the weight decay times five
//! linear    no hidden layer
//! binned    before the hidden layers, each feature becomes a piecewise-linear curve of 8 bins in 8 numbers
//! fine      the same with 32 bins; dropout before each hidden layer, the first of which is twice as wide
//! ```
//! The networks of one cut of the rows into folds are of one kind, and cuts are dealt to the kinds in turn:
//!
//! ```text
//! networks     0 … 4     5 … 9      10 … 14    15 … 19    …
//! kind         plain     binned     linear     plain
//! cut          first     first      first      second
//! ```
//! So each kind has predictions for all rows by networks that have not learnt from them. A kind whose first cut has not
//! enough networks is left out: with fewer than two cuts all networks are plain.

use crate::layer::{Activation, Layer};
use crate::optim::AdamW;
use crate::{Error, ErrorKind, Result, Sharing};

/// How a network of an estimator differs from the settings: see [`Estimator::kinds`](super::Estimator::kinds).
///
/// ```
/// use polytask::estimator::MemberKind;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
/// let settings = MultiTaskRegressor::new().hidden([8]).epochs(3).folds(2).members(4);
/// let model = settings.kinds([MemberKind::Plain, MemberKind::Linear]).fit_table(&data)?;
/// let (plain, linear) = (MemberKind::Plain, MemberKind::Linear);
/// assert_eq!(model.member_kinds(), [plain, plain, linear, linear]);
/// assert_eq!(model.members()[3].n_parameters(), 2 * (10 + 1)); // of two targets and ten features
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MemberKind {
    /// As the settings say.
    Plain,
    /// With five times the weight decay of the settings.
    Decayed,
    /// Without a hidden layer: each target is a linear function of the features.
    Linear,
    /// With [piecewise-linear embeddings](crate::layer::PiecewiseLinear) of the features before the hidden layers, 8 bins
    /// in 8 numbers each.
    Binned,
    /// With piecewise-linear embeddings of 32 bins in 8 numbers each, [dropout](crate::layer::Dropout) of 0.3 before each hidden
    /// layer, and a first hidden layer twice as wide: for labels that change in steps, and few rows.
    Fine,
}

impl MemberKind {
    pub(super) const ALL: [Self; 5] = [Self::Plain, Self::Decayed, Self::Linear, Self::Binned, Self::Fine];

    /// Its name, for a person.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Decayed => "decayed",
            Self::Linear => "linear",
            Self::Binned => "binned",
            Self::Fine => "fine",
        }
    }
}

/// Tables with more features have no binned or fine networks unless told to, whose first hidden layer reads eight times as many
/// numbers.
/// The tables on which the defaults were chosen have at most 23; on one of 40 fitting took 2.6 times as long as ten plain ones.
const MOST_BINNED_FEATURES: usize = 48;

const BINS: usize = 8;
const BINNED_WIDTH: usize = 8;
const FINE_BINS: usize = 32;
/// The share of inputs that dropout leaves out.
const DROPPED: f64 = 0.3;
/// 0.1 by default, so 0.5.
const DECAY_FACTOR: f64 = 5.0;

/// Those of some kinds that a table with `n_features` features has.
pub(super) fn applicable(kinds: &[MemberKind], n_features: usize) -> Vec<MemberKind> {
    let has_bins = |kind: &MemberKind| matches!(kind, MemberKind::Binned | MemberKind::Fine);
    let applies = |kind: &MemberKind| !has_bins(kind) || n_features <= MOST_BINNED_FEATURES;
    kinds.iter().copied().filter(applies).collect()
}

/// Checks kinds that were named for networks of hidden layers, or with a sharing form of the estimator's own.
pub(super) fn check(kinds: &[MemberKind], has_own_sharing: bool) -> Result<()> {
    let wrong = |expected: &str, found: String| {
        Err(Error::new(ErrorKind::Setting, "estimator, kinds of networks", expected, found))
    };
    if kinds.is_empty() {
        return wrong("at least one", "none".into());
    }
    if let Some(twice) = (1..kinds.len()).find(|&i| kinds[..i].contains(&kinds[i])) {
        return wrong("each kind once", format!("{} twice", kinds[twice].name()));
    }
    let has_own_form =
        |kind: &&MemberKind| [MemberKind::Linear, MemberKind::Binned, MemberKind::Fine].contains(kind);
    match kinds.iter().find(has_own_form).filter(|_| has_own_sharing) {
        None => Ok(()),
        Some(kind) => {
            let expected = "plain or decayed, since the estimator has a sharing form of its own";
            wrong(expected, kind.name().into())
        }
    }
}

impl MemberKind {
    /// What comes before the heads, of hidden layers of these widths or a sharing form of the estimator's own.
    pub(super) fn sharing(self, hidden: &[usize], own: Option<&Sharing>) -> Sharing {
        let dense = |&width: &usize| Layer::dense(width, Activation::Relu);
        match (self, own) {
            (Self::Plain | Self::Decayed, Some(own)) => own.clone(),
            (Self::Plain | Self::Decayed, None) => Sharing::shared_trunk(hidden.iter().map(dense)),
            (Self::Linear, _) => Sharing::SharedTrunk(Vec::new()),
            (Self::Binned, _) => {
                let bins = Layer::piecewise_linear(BINS, BINNED_WIDTH);
                Sharing::shared_trunk(std::iter::once(bins).chain(hidden.iter().map(dense)))
            }
            (Self::Fine, _) => {
                let bins = Layer::piecewise_linear(FINE_BINS, BINNED_WIDTH);
                let wider = |(i, &width): (usize, &usize)| if i == 0 { 2 * width } else { width };
                let widths = hidden.iter().enumerate().map(wider);
                let dropped = |width: usize| [Layer::dropout(DROPPED), dense(&width)];
                Sharing::shared_trunk(std::iter::once(bins).chain(widths.flat_map(dropped)))
            }
        }
    }

    /// How parameters are updated.
    pub(super) fn rule(self, learning_rate: f64, weight_decay: f64) -> AdamW {
        let factor = if self == Self::Decayed { DECAY_FACTOR } else { 1.0 };
        AdamW::new(learning_rate).weight_decay(factor * weight_decay)
    }
}
