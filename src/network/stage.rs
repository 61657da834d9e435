//! How far the backward pass of the batch in a trace has come, and how to get from there to what is wanted.
//!
//! A stage says what the deltas in the chunks are. Results that have been computed (the Gramian, the tasks'
//! gradients) are kept until the next forward pass, because they depend on the losses only, whatever happens to
//! the deltas.
//!
//! ```text
//! stage          deltas of the heads        deltas of the shared layers
//! Empty          no losses yet
//! Losses         unused                     unused
//! Summed         weighted                   the weighted sum of the tasks, in one lane
//! AtHeads        each task's, unweighted    a lane per task at the representation that the heads read
//! AtLastLayer    each task's, unweighted    a lane per task, through the last shared layer's activation
//! PerTask        each task's, unweighted    a lane per task at every shared layer
//! Compared       each task's, unweighted    as PerTask, and the shares of the Gramian hold what is combined
//! ```
//! [`Stage::way_to`] is the table below, and [`Network::advance`](super::Network) makes the moves; nothing else
//! changes the stage of a batch with losses. A way consists of one or more moves:
//!
//! ```text
//! from ↓    wanted →   weighted sum    tasks'       Gramian over      Gramian over    Gramian over all
//!                                      gradients    representation    last layer      that is shared
//! Losses, Summed,      S               T G          R                 L C             T C
//!   AtLastLayer          or T C +
//! AtHeads              + behind heads  T G          R                 L C             T C
//! PerTask              S or C +        G            R                 L C             C
//! Compared             +               G            R                 L C             C
//!
//! S   Sweep           the weighted sum, from the outputs to every layer       → Summed
//! T   Lanes           each task's delta, from the outputs to every layer      → PerTask
//! R   AtHeads         … as far as the representation, and compared there      → AtHeads
//! L   ToLastLayer     … as far as the last shared layer                       → AtLastLayer
//! C   Compare         the shares of the Gramian; over all that is shared      → Compared
//! G   TaskGradients   a row for each task
//! +   SumLanes        the lanes summed into one more lane, any number of times
//!     SumAtHeads      the lanes summed and sent on from the heads             → Summed
//! ```
//! The second way to a weighted sum is for weights that one sweep cannot carry: a task has weight 0 for the
//! shared parameters only, and its delta passes through parameters of its own into shared ones.
//!
//! The lanes alone, for the factors of every row's gradient, are T from all stages but the last two, which have them.
//!
//! In a network with products of tasks, a task has no lane of its own, because its delta goes through several
//! heads. There each task's gradient takes a sweep of its own. The Gramian is computed from these gradients,
//! and so is a weighted sum whose shared weights differ from the own weights.

use crate::GramianScope;
use crate::balance::Weights;

/// What the deltas in a trace are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing that a backward pass could use.
    Empty,
    /// Losses and their deltas at the outputs. Deltas that have been propagated before are not used any more.
    Losses,
    /// The weighted sum of the tasks' deltas at every layer.
    Summed,
    /// Each task's delta in a lane of its own at the representation that all heads read.
    AtHeads,
    /// Each task's delta in a lane of its own as far as the last shared layer's gradient needs it.
    AtLastLayer,
    /// Each task's delta in a lane of its own at every shared layer.
    PerTask,
    /// As `PerTask`, and the shares of the Gramian over all shared parameters hold what the weighted sum is
    /// combined from.
    Compared,
}

/// What is wanted for a batch whose losses are known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'w> {
    /// The gradient of the weighted sum of losses.
    Sum(&'w Weights, Carrier),
    /// The gradient of each task's own parameters, times its weight.
    Own(&'w [f64]),
    /// Each task's delta in a lane of its own.
    Lanes,
    /// Each task's gradient with respect to the shared parameters.
    TaskGradients,
    /// The Gramian of these gradients.
    Gramian(GramianScope),
}

/// How a weighted sum gets to the shared parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In one sweep, unless there are lanes that can be summed.
    OneSweep,
    /// In one lane per task.
    Lanes,
    /// From the tasks' gradients, in a network with products.
    TaskGradients,
}

/// How a network keeps the tasks' gradients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apart {
    /// In a lane of deltas for each task.
    InLanes,
    /// In a sweep for each task, because there are products of tasks.
    InSweeps,
}

/// One move on the way to what is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move<'w> {
    Sweep(&'w Weights),
    SweepOwn(&'w [f64]),
    Lanes,
    AtHeads,
    ToLastLayer,
    Compare(GramianScope),
    TaskGradients,
    TaskSweeps,
    CompareTaskGradients,
    SumLanes(&'w Weights),
    SumAtHeads(&'w Weights),
}

/// A sequence of moves.
pub(super) type Way<'w> = [Option<Move<'w>>; 3];

impl Stage {
    /// Whether the deltas of every head are those of its task's unweighted loss.
    pub(super) fn has_unweighted_heads(self) -> bool {
        matches!(self, Self::AtHeads | Self::AtLastLayer | Self::PerTask | Self::Compared)
    }

    /// The way from here to what is wanted.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed.
    #[track_caller]
    pub(super) fn way_to(self, wanted: Wanted<'_>, apart: Apart) -> Way<'_> {
        use Stage::{AtHeads, Compared, Empty, PerTask};
        let all = GramianScope::SharedParameters;
        match (wanted, self) {
            (_, Empty) => panic!("backward needs a batch whose losses have been computed"),
            (Wanted::Sum(weights, Carrier::TaskGradients), _) => {
                way([Move::TaskSweeps, Move::Sweep(weights)])
            }
            (Wanted::Sum(weights, _), Compared) => way([Move::SumLanes(weights)]),
            (Wanted::Sum(weights, _), AtHeads) => way([Move::SumAtHeads(weights)]),
            (Wanted::Sum(weights, Carrier::OneSweep), _) => way([Move::Sweep(weights)]),
            (Wanted::Sum(weights, Carrier::Lanes), PerTask) => {
                way([Move::Compare(all), Move::SumLanes(weights)])
            }
            (Wanted::Sum(weights, Carrier::Lanes), _) => {
                way([Move::Lanes, Move::Compare(all), Move::SumLanes(weights)])
            }
            (Wanted::Own(_), stage) if stage.has_unweighted_heads() => way([]),
            (Wanted::Own(weights), _) => way([Move::SweepOwn(weights)]),
            (Wanted::Lanes, PerTask | Compared) => way([]),
            (Wanted::Lanes, _) => way([Move::Lanes]),
            (Wanted::TaskGradients, _) if apart == Apart::InSweeps => way([Move::TaskSweeps]),
            (Wanted::TaskGradients, PerTask | Compared) => way([Move::TaskGradients]),
            (Wanted::TaskGradients, _) => way([Move::Lanes, Move::TaskGradients]),
            (Wanted::Gramian(_), _) if apart == Apart::InSweeps => {
                way([Move::TaskSweeps, Move::CompareTaskGradients])
            }
            (Wanted::Gramian(GramianScope::Representation), _) => way([Move::AtHeads]),
            (Wanted::Gramian(over @ GramianScope::LastSharedLayer), _) => {
                way([Move::ToLastLayer, Move::Compare(over)])
            }
            (Wanted::Gramian(over), PerTask | Compared) => way([Move::Compare(over)]),
            (Wanted::Gramian(over), _) => way([Move::Lanes, Move::Compare(over)]),
        }
    }
}

fn way<'w, const N: usize>(moves: [Move<'w>; N]) -> Way<'w> {
    let mut way = [None; 3];
    way.iter_mut().zip(moves).for_each(|(to, step)| *to = Some(step));
    way
}
