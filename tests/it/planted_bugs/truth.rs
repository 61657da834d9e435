//! What is true of each bug: every cause that a report names must be.

use polytask::gradcheck::Cause;

use super::ROWS;
use super::bugs::Bug;
use super::layer::LayerBug::*;
use super::loss::LossBug;
use super::sharing::SumBug;

const TASKS: [&str; 2] = ["price", "kind"];

/// The layer of a block: `trunk.0` of `trunk.0.weight`.
fn layer(block: &str) -> &str {
    block.rsplit_once('.').map_or(block, |(layer, _)| layer)
}

/// Whether the output of layer `from` goes into layer `to`.
fn feeds(from: &str, to: &str) -> bool {
    let chains = [
        ["trunk.0", "trunk.1", "head.price.0"].as_slice(),
        &["trunk.0", "trunk.1", "head.kind.0", "head.kind.1"],
    ];
    chains.iter().any(|chain| {
        let place = |layer: &str| chain.iter().position(|other| *other == layer);
        place(from).zip(place(to)).is_some_and(|(from, to)| from < to)
    })
}

fn near(x: f64, y: f64) -> bool {
    (x - y).abs() <= 1e-3 * y.abs()
}

/// Whether `cause` says that the gradient by hand is `times` what it should be.
fn is_times(cause: &Cause, times: f64) -> bool {
    match *cause {
        Cause::Factor(factor) => near(factor, 1.0 / times),
        Cause::Sign => times == -1.0,
        Cause::Missing => times == 0.0,
        Cause::SumNotMean { batch } => batch == ROWS && near(times, ROWS as f64),
        Cause::MeanNotSum { batch } => batch == ROWS && near(times, 1.0 / ROWS as f64),
        _ => false,
    }
}

/// Whether `cause` says that the part of a task is in the gradient `times` where it should be once.
fn is_task_times(cause: &Cause, task: usize, times: f64) -> bool {
    match cause {
        Cause::TaskMissing { task: named } => named == TASKS[task] && times == 0.0,
        Cause::TaskTwice { task: named } => named == TASKS[task] && times == 2.0,
        Cause::TaskWeight { task: named, times: found } => named == TASKS[task] && near(*found, times),
        _ => false,
    }
}

/// Whether `cause` is true of `block`, in which `bug` makes the gradient wrong.
pub fn is_true(bug: Bug, block: &str, cause: &Cause) -> bool {
    // The bug is later than the block named last, or in it: look there.
    let follows = |place: &str| match cause {
        Cause::Follows { block: named } => {
            feeds(layer(block), layer(named)) && (layer(named) == place || feeds(layer(named), place))
        }
        _ => false,
    };
    let is_delta = *cause == Cause::Delta;
    match bug {
        Bug::Layer(place, bug) => {
            let here = layer(block) == place;
            let derivative = here && matches!(cause, Cause::Mask | Cause::Delta) || follows(place);
            let below = !here && (is_delta || follows("trunk.1"));
            match bug {
                Weight(times) | Bias(times) | Both(times) => here && is_times(cause, times),
                BiasOfLastRow | BiasWithoutDerivative => here && *cause == Cause::BiasSum,
                WeightWithoutDerivative => here && *cause == Cause::Product,
                Transposed => *cause == Cause::Transposed,
                RowZero(row) => *cause == Cause::OneRow { row },
                ColumnZero(column) => *cause == Cause::OneColumn { column },
                Entry(..) => *cause == Cause::OneEntry,
                FirstChunkOnly => here && is_delta,
                DerivativeForgotten | DerivativeTwice | MaskOfInput => derivative,
                InputForgotten if place == "trunk.1" => below || *cause == Cause::Missing,
                InputForgotten => below || is_task_times(cause, 1, 0.0),
                InputOverwritten => below || is_task_times(cause, 0, 0.0),
                InputThroughW | InputLastRowZero => below,
                _ => false,
            }
        }
        Bug::Loss(task, bug) => {
            let last = if task == "price" { "head.price.0" } else { "head.kind.1" };
            let number = TASKS.iter().position(|name| *name == task).expect("a task");
            let times = match bug {
                LossBug::Times(times) => Some(times),
                LossBug::Sum => Some(ROWS as f64),
                // A label in five is missing, and the weights of the others are not 1 on average.
                LossBug::ByRows => Some(1.0631),
                _ => None,
            };
            let scaled = times.is_some_and(|times| {
                let alone = block.starts_with("head") && is_times(cause, times);
                alone || is_task_times(cause, number, times)
            });
            scaled || is_delta || follows(last)
        }
        Bug::Sum(SumBug::Task(task, times)) => {
            is_task_times(cause, task, times) || is_delta || follows("trunk.1")
        }
        Bug::Sum(SumBug::Overwrites) => is_task_times(cause, 0, 0.0) || is_delta || follows("trunk.1"),
        Bug::Sum(SumBug::Mean) => is_times(cause, 0.5),
        Bug::Sum(SumBug::InputForgotten) => is_times(cause, 0.0),
        Bug::Sum(SumBug::Nothing) => false,
        Bug::TaskWeightsForgotten => {
            let weight = |task: usize, times| {
                is_task_times(cause, task, times) || block.contains(TASKS[task]) && is_times(cause, times)
            };
            let head = weight(0, 2.0) || weight(1, 0.5);
            if block.starts_with("head") {
                head
            } else {
                is_delta || follows("head.price.0") || follows("head.kind.1")
            }
        }
        Bug::DecayInGradientAlone => matches!(cause, Cause::DecayExtra { lambda } if near(*lambda, 0.01)),
        Bug::DecayInLossAlone => matches!(cause, Cause::DecayMissing { lambda } if near(*lambda, 0.01)),
        Bug::GradientOfAnotherBatch => is_delta || follows("head.price.0") || follows("head.kind.1"),
    }
}
