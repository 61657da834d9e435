//! The bugs, and what the checker should say of each.

use super::layer::LayerBug;
use super::loss::LossBug;
use super::sharing::SumBug;

/// Where a bug is planted, and which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bug {
    /// In the dense layer of that name.
    Layer(&'static str, LayerBug),
    /// In the loss of the task of that name.
    Loss(&'static str, LossBug),
    /// Where the tasks' deltas meet.
    Sum(SumBug),
    /// The loss is weighted, the gradient is not.
    TaskWeightsForgotten,
    /// The gradient is that of other rows than the loss.
    GradientOfAnotherBatch,
    /// The gradient has weight decay that the loss lacks.
    DecayInGradientAlone,
    /// The loss has weight decay that the gradient lacks.
    DecayInLossAlone,
}

/// A bug with the findings expected.
pub struct Planted {
    /// The bug in words.
    pub what: &'static str,
    pub bug: Bug,
    /// The blocks that must be blamed, these and no other.
    pub blames: &'static [&'static str],
    /// The block whose lines the page shows: where the bug is, or where it comes out first.
    pub shown: &'static str,
    /// What the report must offer as an explanation of that block; empty where it can only show the place.
    pub cause: &'static str,
}

const fn planted(
    what: &'static str,
    bug: Bug,
    blames: &'static [&'static str],
    shown: &'static str,
    cause: &'static str,
) -> Planted {
    Planted { what, bug, blames, shown, cause }
}

const TRUNK: &[&str] = &["trunk.0.weight", "trunk.0.bias", "trunk.1.weight", "trunk.1.bias"];
const TRUNK_0: &[&str] = &["trunk.0.weight", "trunk.0.bias"];
const WEIGHT_0: &[&str] = &["trunk.0.weight"];
const WEIGHT_1: &[&str] = &["trunk.1.weight"];
const BIAS_1: &[&str] = &["trunk.1.bias"];
/// The head of one task and all that lies before it.
const PRICE: &[&str] = &[
    "trunk.0.weight",
    "trunk.0.bias",
    "trunk.1.weight",
    "trunk.1.bias",
    "head.price.0.weight",
    "head.price.0.bias",
];
const KIND: &[&str] = &[
    "trunk.0.weight",
    "trunk.0.bias",
    "trunk.1.weight",
    "trunk.1.bias",
    "head.kind.0.weight",
    "head.kind.0.bias",
    "head.kind.1.weight",
    "head.kind.1.bias",
];
/// The hidden layer of a head and all that lies before it.
const KIND_HIDDEN: &[&str] = KIND.split_at(6).0;
const ALL: &[&str] = &[
    "trunk.0.weight",
    "trunk.0.bias",
    "trunk.1.weight",
    "trunk.1.bias",
    "head.price.0.weight",
    "head.price.0.bias",
    "head.kind.0.weight",
    "head.kind.0.bias",
    "head.kind.1.weight",
    "head.kind.1.bias",
];

use LayerBug::*;

pub const BUGS: &[Planted] = &[
    planted(
        "weight gradient twice too large",
        Bug::Layer("trunk.1", Weight(2.0)),
        WEIGHT_1,
        "trunk.1.weight",
        "a factor 2 too much",
    ),
    planted(
        "weight gradient half as large",
        Bug::Layer("trunk.0", Weight(0.5)),
        WEIGHT_0,
        "trunk.0.weight",
        "a factor 2 is missing",
    ),
    planted(
        "weight gradient 1 % too large",
        Bug::Layer("trunk.1", Weight(1.01)),
        WEIGHT_1,
        "trunk.1.weight",
        "a constant factor",
    ),
    planted(
        "weight gradient with the wrong sign",
        Bug::Layer("head.kind.0", Weight(-1.0)),
        &["head.kind.0.weight"],
        "head.kind.0.weight",
        "the sign",
    ),
    planted(
        "weight gradient transposed",
        Bug::Layer("trunk.1", Transposed),
        WEIGHT_1,
        "trunk.1.weight",
        "transposed",
    ),
    planted(
        "one row of the weight gradient 0",
        Bug::Layer("trunk.1", RowZero(3)),
        WEIGHT_1,
        "trunk.1.weight",
        "row 3 alone",
    ),
    planted(
        "one column of the weight gradient 0",
        Bug::Layer("head.kind.0", ColumnZero(2)),
        &["head.kind.0.weight"],
        "head.kind.0.weight",
        "column 2 alone",
    ),
    planted(
        "one entry 1 % too large",
        Bug::Layer("trunk.0", Entry(10, 1.01)),
        WEIGHT_0,
        "trunk.0.weight",
        "this entry alone",
    ),
    planted("one entry NaN", Bug::Layer("trunk.0", EntryNan(10)), WEIGHT_0, "trunk.0.weight", "not finite"),
    planted(
        "bias gradient with the wrong sign",
        Bug::Layer("trunk.1", Bias(-1.0)),
        BIAS_1,
        "trunk.1.bias",
        "the sign",
    ),
    planted(
        "bias gradient missing",
        Bug::Layer("trunk.1", Bias(0.0)),
        BIAS_1,
        "trunk.1.bias",
        "no gradient by hand",
    ),
    planted(
        "bias gradient of the last row, not the sum over rows",
        Bug::Layer("trunk.1", BiasOfLastRow),
        BIAS_1,
        "trunk.1.bias",
        "not that delta summed over the batch",
    ),
    planted(
        "bias gradient never written",
        Bug::Layer("trunk.1", BiasNotWritten),
        BIAS_1,
        "trunk.1.bias",
        "is not written",
    ),
    planted(
        "mean over the batch for the sum",
        Bug::Layer("trunk.0", Both(1.0 / 262.0)),
        TRUNK_0,
        "trunk.0.weight",
        "a mean over the batch of 262",
    ),
    planted(
        "sum over the batch for the mean",
        Bug::Layer("trunk.0", Both(262.0)),
        TRUNK_0,
        "trunk.0.weight",
        "a sum over the batch of 262",
    ),
    planted(
        "summed over the first 256 rows of 262",
        Bug::Layer("trunk.0", FirstChunkOnly),
        TRUNK_0,
        "trunk.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "added to a stale buffer",
        Bug::Layer("trunk.1", AddedToBuffer),
        WEIGHT_1,
        "trunk.1.weight",
        "with =, not +=",
    ),
    planted(
        "another gradient every time",
        Bug::Layer("trunk.1", GradientDrifts),
        WEIGHT_1,
        "trunk.1.weight",
        "when computed again",
    ),
    planted("another output every time", Bug::Layer("trunk.1", OutputDrifts), &[], "", "when computed again"),
    planted(
        "an output that remembers the last θ",
        Bug::Layer("trunk.1", OutputRemembers),
        &[],
        "",
        "state is kept between calls",
    ),
    planted(
        "delta not multiplied by φ′",
        Bug::Layer("trunk.1", DerivativeForgotten),
        TRUNK,
        "trunk.1.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "delta not multiplied by φ′, tanh",
        Bug::Layer("head.kind.0", DerivativeForgotten),
        KIND_HIDDEN,
        "head.kind.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "delta multiplied by φ′ twice, tanh",
        Bug::Layer("head.kind.0", DerivativeTwice),
        KIND_HIDDEN,
        "head.kind.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "mask of the layer before",
        Bug::Layer("trunk.1", MaskOfInput),
        TRUNK,
        "trunk.1.weight",
        "a mask of another layer",
    ),
    planted(
        "∂L/∂x through W, not Wᵀ",
        Bug::Layer("trunk.1", InputThroughW),
        TRUNK_0,
        "trunk.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "∂L/∂x not computed",
        Bug::Layer("trunk.1", InputForgotten),
        TRUNK_0,
        "trunk.0.weight",
        "no gradient by hand",
    ),
    planted(
        "∂L/∂x added to what an earlier batch left",
        Bug::Layer("trunk.1", InputAdded),
        WEIGHT_0,
        "trunk.0.weight",
        "when computed again",
    ),
    planted(
        "∂L/∂x of one row missing",
        Bug::Layer("trunk.1", InputLastRowZero),
        TRUNK_0,
        "trunk.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "∂L/∂x of one row missing, seen at the inputs",
        Bug::Layer("trunk.0", InputLastRowZero),
        &["x"],
        "x",
        "",
    ),
    planted(
        "a head that does not reach the trunk",
        Bug::Layer("head.kind.0", InputForgotten),
        TRUNK,
        "trunk.1.weight",
        "",
    ),
    planted(
        "a head that overwrites the other's delta",
        Bug::Layer("head.kind.0", InputOverwritten),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'price' is missing",
    ),
    planted(
        "delta half as large (Huber)",
        Bug::Loss("price", LossBug::Times(0.5)),
        PRICE,
        "head.price.0.weight",
        "a factor 2 is missing",
    ),
    planted(
        "delta with the wrong sign (cross-entropy)",
        Bug::Loss("kind", LossBug::Times(-1.0)),
        KIND,
        "head.kind.1.weight",
        "the sign",
    ),
    planted(
        "delta of the sum, not the mean",
        Bug::Loss("kind", LossBug::Sum),
        KIND,
        "head.kind.1.weight",
        "a sum over the batch of 262",
    ),
    planted(
        "mean over rows, not over labels present",
        Bug::Loss("kind", LossBug::ByRows),
        KIND,
        "head.kind.1.weight",
        "the part of task 'kind' is in it 1.063 times",
    ),
    planted(
        "missing labels taken for 0",
        Bug::Loss("price", LossBug::MaskIgnored),
        PRICE,
        "head.price.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "example weights ignored",
        Bug::Loss("kind", LossBug::WeightsIgnored),
        KIND,
        "head.kind.1.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "label not subtracted from softmax",
        Bug::Loss("kind", LossBug::LabelForgotten),
        KIND,
        "head.kind.1.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "residual not clipped (Huber)",
        Bug::Loss("price", LossBug::NotClipped),
        PRICE,
        "head.price.0.weight",
        "the delta that reaches this layer",
    ),
    planted(
        "one task left out of the trunk",
        Bug::Sum(SumBug::Task(0, 0.0)),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'price' is missing",
    ),
    planted(
        "one task counted twice in the trunk",
        Bug::Sum(SumBug::Task(1, 2.0)),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'kind' is in it twice",
    ),
    planted(
        "one task's weight forgotten in the trunk",
        Bug::Sum(SumBug::Task(0, 2.0)),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'price' is in it twice",
    ),
    planted(
        "one task at a third of its weight in the trunk",
        Bug::Sum(SumBug::Task(1, 1.0 / 3.0)),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'kind' is in it 0.3333 times",
    ),
    planted(
        "the last task overwrites the others in the trunk",
        Bug::Sum(SumBug::Overwrites),
        TRUNK,
        "trunk.1.weight",
        "the part of task 'price' is missing",
    ),
    planted(
        "the tasks' deltas averaged, not summed",
        Bug::Sum(SumBug::Mean),
        TRUNK,
        "trunk.1.weight",
        "a factor 2 is missing",
    ),
    planted(
        "∂L/∂x not computed, seen at the inputs",
        Bug::Sum(SumBug::InputForgotten),
        &["x"],
        "x",
        "no gradient by hand",
    ),
    planted(
        "task weights forgotten throughout",
        Bug::TaskWeightsForgotten,
        ALL,
        "head.price.0.weight",
        "the part of task 'price' is in it twice",
    ),
    planted(
        "weight decay that the loss lacks",
        Bug::DecayInGradientAlone,
        ALL,
        "trunk.1.weight",
        "weight decay that the loss lacks",
    ),
    planted(
        "weight decay missing in the gradient",
        Bug::DecayInLossAlone,
        ALL,
        "trunk.1.weight",
        "weight decay is missing",
    ),
    planted("the gradient of another batch", Bug::GradientOfAnotherBatch, ALL, "head.price.0.weight", ""),
];
