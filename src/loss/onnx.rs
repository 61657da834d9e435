//! What outputs mean, in a graph: the twin of [`LossFunction::predict`](super::LossFunction::predict).

use super::Loss;
use super::likelihood::LARGEST;
use super::quantile::nearest_to_median;
use crate::Result;
use crate::onnx::{Graph, Value};

impl Loss {
    /// The predictions for `n_targets` target columns, from the outputs.
    ///
    /// # Errors
    /// For a loss of the user's own.
    pub(crate) fn export(&self, graph: &mut Graph, outputs: Value, n_targets: usize) -> Result<Value> {
        Ok(match self {
            Self::MeanSquaredError
            | Self::MeanAbsoluteError
            | Self::Huber { .. }
            | Self::SmoothL1 { .. }
            | Self::LogCosh
            | Self::Quantile { ordered: false, .. }
            | Self::RankNet
            | Self::LambdaRank
            | Self::ListNet { .. }
            | Self::ListMle
            | Self::ApproxNdcg { .. } => outputs,
            Self::BinaryCrossEntropy { .. } | Self::BinaryFocal { .. } => graph.node("Sigmoid", &[&outputs]),
            Self::CrossEntropy { classes, .. } | Self::Focal { classes, .. } => {
                let logits = graph.reshape_rows(&outputs, &[n_targets, *classes]);
                let probabilities = graph.node_with("Softmax", &[&logits], &[("axis", &[-1])]);
                graph.reshape_rows(&probabilities, &[n_targets * classes])
            }
            Self::Quantile { quantiles, ordered: true } => {
                of_each_target(graph, &outputs, n_targets, quantiles.len(), |graph, z| {
                    rising(graph, z, nearest_to_median(quantiles))
                })
            }
            Self::Ordinal { classes, .. } => {
                of_each_target(graph, &outputs, n_targets, classes - 1, ordered_classes)
            }
            Self::Poisson => exp(graph, &outputs),
            Self::Gaussian => of_each_target(graph, &outputs, n_targets, 2, |graph, z| {
                let opposite = graph.node("Neg", &[&z[1]]);
                let precision = exp(graph, &opposite);
                vec![z[0].clone(), graph.node("Reciprocal", &[&precision])]
            }),
            Self::Custom(loss) => return Err(Graph::lacks(format!("a loss of your own: {loss:?}"))),
        })
    }
}

/// Computes the predictions for each target from its `width` outputs, which are given one by one, and puts all side by side.
fn of_each_target(
    graph: &mut Graph,
    outputs: &Value,
    n_targets: usize,
    width: usize,
    compute: impl Fn(&mut Graph, &[Value]) -> Vec<Value>,
) -> Value {
    let mut predictions = Vec::new();
    for target in 0..n_targets {
        let own: Vec<Value> =
            (target * width..(target + 1) * width).map(|at| graph.columns(outputs, at..at + 1)).collect();
        predictions.extend(compute(graph, &own));
    }
    graph.side_by_side(&predictions)
}

/// Quantiles that never cross: the one at `point`, and steps up and down from it.
fn rising(graph: &mut Graph, z: &[Value], point: usize) -> Vec<Value> {
    let mut quantiles = z.to_vec();
    for at in point + 1..z.len() {
        let step = graph.softplus(&z[at]);
        quantiles[at] = graph.node("Add", &[&quantiles[at - 1], &step]);
    }
    for at in (0..point).rev() {
        let step = graph.softplus(&z[at]);
        quantiles[at] = graph.node("Sub", &[&quantiles[at + 1], &step]);
    }
    quantiles
}

/// Probabilities of ordered classes, written as [`Ordinal`](super::ordinal::Ordinal) does it.
fn ordered_classes(graph: &mut Graph, outputs: &[Value]) -> Vec<Value> {
    let mut probabilities = Vec::new();
    let (mut c, mut above) = (outputs[0].clone(), None);
    for (k, output) in outputs.iter().enumerate() {
        if k > 0 {
            let step = graph.softplus(output);
            c = graph.node("Add", &[&c, &step]);
        }
        let mut p = graph.node("Sigmoid", &[&c]);
        if let Some(above) = &above {
            let share = graph.node("Sigmoid", &[output]);
            p = graph.node("Mul", &[&p, above]);
            p = graph.node("Mul", &[&p, &share]);
        }
        probabilities.push(p);
        let opposite = graph.node("Neg", &[&c]);
        above = Some(graph.node("Sigmoid", &[&opposite]));
    }
    probabilities.extend(above);
    probabilities
}

/// e^x, with the tangent beyond the largest x.
fn exp(graph: &mut Graph, x: &Value) -> Value {
    let (largest, slope) = (graph.number(LARGEST), graph.number(LARGEST.exp()));
    let (bounded, difference) = (graph.node("Min", &[x, &largest]), graph.node("Sub", &[x, &largest]));
    let (power, beyond) = (graph.exp(&bounded), graph.node("Relu", &[&difference]));
    let line = graph.node("Mul", &[&beyond, &slope]);
    graph.node("Add", &[&power, &line])
}
