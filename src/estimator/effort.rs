//! How much time an estimator takes: how many networks, and of which kinds.

use super::Estimator;
use super::member_kind::MemberKind;

/// How much time a fit may take: see [`Estimator::effort`].
///
/// ```
/// use polytask::estimator::{Effort, MemberKind};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
/// let kinds = |effort: Effort| {
///     let settings = MultiTaskRegressor::new().hidden([4]).epochs(1).effort(effort);
///     Ok::<_, polytask::Error>(settings.fit_table(&data)?.member_kinds().to_vec())
/// };
/// assert_eq!(kinds(Effort::Low)?, [MemberKind::Plain; 5]);
/// assert_eq!(kinds(Effort::Default)?.len(), 15);
/// assert_eq!(kinds(Effort::High)?.len(), 50);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effort {
    /// One plain network for each fold.
    Low,
    /// For each fold a plain, a binned and a linear network.
    #[default]
    Default,
    /// Two cuts into folds, and for each fold of them a network of all five [kinds](MemberKind); in a table of more than 20 000
    /// rows, batches of 128.
    High,
}

impl Effort {
    /// How many networks there are for each fold.
    pub(super) fn networks_per_fold(self) -> usize {
        match self {
            Self::Low => 1,
            Self::Default => 3,
            Self::High => 10,
        }
    }

    /// How many rows a batch has in a table of `n_rows`.
    pub(super) fn batch_size(self, n_rows: usize) -> usize {
        if self == Self::High && n_rows > MANY_ROWS { 128 } else { 32 }
    }

    /// The kinds, in the order in which networks are dealt to them.
    pub(super) fn kinds(self) -> &'static [MemberKind] {
        use MemberKind::{Binned, Decayed, Fine, Linear, Plain};
        match self {
            Self::Low => &[Plain],
            Self::Default => &[Plain, Binned, Linear],
            Self::High => &[Plain, Binned, Linear, Fine, Decayed],
        }
    }
}

/// In larger tables, batches of 128 rows and as many steps gave less error than batches of 32: on 100 000 rows 1 − R² of 0.0952 in
/// place of 0.0989, for 2.5 times the time. Small tables have too few batches of 128 to begin with.
const MANY_ROWS: usize = 20_000;

impl<Kind> Estimator<Kind> {
    /// How much time a fit may take (default: [`Effort::Default`]). [`members`](Self::members) and [`kinds`](Self::kinds), if
    /// they are set, are as they say.
    ///
    /// A fit of high effort that takes too long is ended by a [callback](Self::callback) such as
    /// [`Budget`](crate::train::callback::Budget) or Ctrl-C, and has the networks that were trained until then; it is divided
    /// among processes by [`fit_members`](Self::fit_members).
    #[must_use]
    pub fn effort(mut self, effort: Effort) -> Self {
        self.settings.effort = effort;
        self
    }
}
