//! A network as part of a graph: from features to the outputs of all tasks, in prediction.

use super::Network;
use super::product::Product;
use crate::onnx::{Graph, Value};
use crate::{Result, Scalar};

impl<F: Scalar> Network<F> {
    /// Adds the network with these parameters and this state to a graph. Returns the outputs of each task, which in a batch
    /// ensemble are `rows × members × width`.
    ///
    /// # Errors
    /// If a layer or the sharing form has no form there.
    pub(crate) fn export(
        &self,
        graph: &mut Graph,
        theta: &[F],
        state: &[F],
        features: &Value,
    ) -> Result<Vec<Value>> {
        let wide = |numbers: &[F]| numbers.iter().map(|x| x.to_f64()).collect();
        graph.begin(wide(theta), wide(state), self.members());
        let mut features = features.clone();
        if self.members() > 1 {
            let axis = graph.integers(&[1]);
            let single = graph.node("Unsqueeze", &[&features, &axis]);
            let shape = graph.integers(&[1, self.members() as i64, 1]);
            features = graph.node("Expand", &[&single, &shape]);
        }
        graph.set(self.input, features);
        self.sharing.export(graph)?;
        let mut outputs = vec![None; self.n_tasks()];
        for head in &self.heads {
            head.layers.export(graph)?;
            outputs[head.task] = Some(graph.value(head.layers.output()));
        }
        for Product { task, factors } in &self.products {
            let [a, b] = factors.map(|factor| outputs[factor].clone().expect("factors come first"));
            outputs[*task] = Some(product(graph, &a, &b));
        }
        Ok(outputs.into_iter().map(|outputs| outputs.expect("every task has a head or factors")).collect())
    }
}

/// The logit of σ(a) σ(b), −ln (e^−a + e^−b + e^(−a−b)), where the largest exponent is taken off first.
fn product(graph: &mut Graph, a: &Value, b: &Value) -> Value {
    let (sum, a, b) = (graph.node("Add", &[a, b]), graph.node("Neg", &[a]), graph.node("Neg", &[b]));
    let c = graph.node("Neg", &[&sum]);
    let largest = graph.node("Max", &[&a, &b, &c]);
    let powers = [a, b, c].map(|exponent| {
        let difference = graph.node("Sub", &[&exponent, &largest]);
        graph.exp(&difference)
    });
    let total = graph.node("Sum", &powers.each_ref());
    let logarithm = graph.node("Log", &[&total]);
    let z = graph.node("Add", &[&largest, &logarithm]);
    graph.node("Neg", &[&z])
}
