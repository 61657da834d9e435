//! Which causes are true of which bug.

use polytask::gradcheck::Cause;

use super::bugs::{Bug, Planted};
use super::layer::LayerBug::*;
use super::loss::LossBug;
use super::sharing::SumBug;

/// `trunk.0` for `trunk.0.weight`.
fn layer(block: &str) -> &str {
    block.rsplit_once('.').map_or(block, |(layer, _)| layer)
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-3 * expected.abs()
}

/// Whether `cause` is what the bug has done to `block`.
pub fn is_true(planted: &Planted, block: &str, cause: &Cause) -> bool {
    let bug = planted.bug;
    let is_in_head_of = |task: &str| block.starts_with(&format!("head.{task}."));
    // A wrong delta comes out first in the layer that the page shows, and in all layers before it.
    let comes_out_here = layer(block) == layer(planted.shown);
    let spoils_all = matches!(bug, Bug::GradientOfAnotherBatch | Bug::TaskWeightsForgotten);
    match cause {
        Cause::Sign => match bug {
            Bug::Layer(_, Weight(factor) | Bias(factor)) => factor == -1.0,
            Bug::Loss(task, LossBug::Times(factor)) => factor == -1.0 && is_in_head_of(task),
            _ => false,
        },
        Cause::Factor(found) => match bug {
            Bug::Layer(_, Weight(factor) | Bias(factor)) => near(*found, 1.0 / factor),
            Bug::Loss(task, LossBug::Times(factor)) => near(*found, 1.0 / factor) && is_in_head_of(task),
            Bug::Sum(SumBug::Mean) => *found == 2.0,
            Bug::TaskWeightsForgotten => *found == 2.0 && is_in_head_of("kind"),
            _ => false,
        },
        Cause::Missing => {
            matches!(bug, Bug::Layer(_, Bias(0.0) | InputForgotten) | Bug::Sum(SumBug::InputForgotten))
        }
        Cause::SumNotMean { .. } => match bug {
            Bug::Layer(_, Both(factor)) => factor > 1.0,
            Bug::Loss(task, LossBug::Sum) => is_in_head_of(task),
            _ => false,
        },
        Cause::MeanNotSum { .. } => matches!(bug, Bug::Layer(_, Both(factor)) if factor < 1.0),
        Cause::Transposed => matches!(bug, Bug::Layer(_, Transposed)),
        Cause::OneEntry => matches!(bug, Bug::Layer(_, Entry(..))),
        Cause::OneRow { row } => matches!(bug, Bug::Layer(_, RowZero(zero)) if zero == *row),
        Cause::OneColumn { column } => matches!(bug, Bug::Layer(_, ColumnZero(zero)) if zero == *column),
        Cause::BiasSum => matches!(bug, Bug::Layer(_, BiasOfLastRow)),
        Cause::Product => matches!(bug, Bug::Layer(_, RowZero(_) | ColumnZero(_) | Entry(..) | Transposed)),
        Cause::TaskMissing { task } => {
            let price = matches!(
                bug,
                Bug::Layer(_, InputOverwritten) | Bug::Sum(SumBug::Task(0, 0.0) | SumBug::Overwrites)
            );
            price && task == "price"
        }
        Cause::TaskTwice { task } => match bug {
            Bug::Sum(SumBug::Task(k, factor)) => factor == 2.0 && task == ["price", "kind"][k],
            Bug::TaskWeightsForgotten => task == "price",
            _ => false,
        },
        Cause::TaskWeight { task, times } => match bug {
            Bug::Loss(name, LossBug::Times(factor)) => task == name && near(*times, factor),
            Bug::Loss(name, LossBug::Sum) => task == name && near(*times, 262.0),
            Bug::Loss(name, LossBug::ByRows) => task == name && (1.0..1.2).contains(times),
            Bug::Sum(SumBug::Task(k, factor)) => task == ["price", "kind"][k] && near(*times, factor),
            _ => false,
        },
        Cause::DecayExtra { lambda } => bug == Bug::DecayInGradientAlone && near(*lambda, 0.01),
        Cause::DecayMissing { lambda } => bug == Bug::DecayInLossAlone && near(*lambda, 0.01),
        Cause::Mask => matches!(bug, Bug::Layer(_, MaskOfInput | DerivativeForgotten)),
        Cause::Delta => spoils_delta(bug) && (comes_out_here || spoils_all),
        Cause::Follows { .. } => spoils_delta(bug) && (!comes_out_here || spoils_all),
        _ => false,
    }
}

/// Whether the bug makes a delta wrong, or the rows that are summed over, and not by a factor alone.
fn spoils_delta(bug: Bug) -> bool {
    match bug {
        Bug::Layer(_, bug) => matches!(
            bug,
            FirstChunkOnly
                | DerivativeForgotten
                | DerivativeTwice
                | MaskOfInput
                | InputThroughW
                | InputLastRowZero
                | InputForgotten
        ),
        Bug::Loss(_, bug) => !matches!(bug, LossBug::Times(_) | LossBug::Sum | LossBug::ByRows),
        Bug::GradientOfAnotherBatch | Bug::TaskWeightsForgotten => true,
        _ => false,
    }
}
