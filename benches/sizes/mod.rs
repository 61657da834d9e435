//! The networks that are measured, the same here and beside other libraries (`benches/peers/run.py`).

use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::{Result, Scalar};

/// A network and a batch: layers with ReLU in the trunk and in each head, then a linear output.
#[derive(Clone)]
pub struct Size {
    pub name: &'static str,
    pub batch: usize,
    pub inputs: usize,
    pub trunk: Vec<usize>,
    pub tasks: usize,
    pub head: Vec<usize>,
    pub outputs: usize,
}

impl Size {
    /// The network of the tutorial.
    pub fn small(name: &'static str, batch: usize) -> Self {
        Self { name, batch, inputs: 10, trunk: vec![10], tasks: 2, head: vec![], outputs: 1 }
    }

    pub fn medium() -> Self {
        Self { name: "M", batch: 256, inputs: 64, trunk: vec![256; 2], tasks: 4, head: vec![64], outputs: 1 }
    }

    pub fn large() -> Self {
        Self {
            name: "L",
            batch: 1024,
            inputs: 784,
            trunk: vec![1024; 2],
            tasks: 8,
            head: vec![128],
            outputs: 10,
        }
    }

    pub fn model<F: Scalar>(&self) -> Result<Model<F>> {
        let dense = |&width: &usize| Layer::dense(width, Activation::Relu);
        let mut builder = Model::builder(self.inputs).trunk(self.trunk.iter().map(dense));
        for k in 0..self.tasks {
            let columns = (0..self.outputs).map(|column| (k * self.outputs + column).to_string());
            let task = Task::regression(format!("task {k}")).columns(columns);
            builder = builder.task(task.head(self.head.iter().map(dense)));
        }
        builder.build()
    }

    #[allow(dead_code)]
    /// A table of `rows` rows whose numbers lie between −1 and 1 and look random.
    pub fn table<F: Scalar>(&self, rows: usize) -> Result<Dataset<F>> {
        let number = |row: usize, column: usize| F::from_f64(((row * 613 + column * 7919 + 1) as f64).sin());
        let targets = self.tasks * self.outputs;
        let features = Array2::from_shape_fn((rows, self.inputs), |(i, j)| number(i, j));
        let targets_table = Array2::from_shape_fn((rows, targets), |(i, j)| number(i, self.inputs + j));
        Dataset::new(features, targets_table)?
            .with_target_names((0..targets).map(|column| column.to_string()))
    }

    /// Multiplications and additions of the products in one step: forward, the weights' gradients, and the deltas,
    /// which nobody asks for at the input.
    #[allow(dead_code)]
    pub fn flops(&self) -> u64 {
        let trunk = [&[self.inputs], &self.trunk[..]].concat();
        let head = [&trunk[trunk.len() - 1..], &self.head, &[self.outputs]].concat();
        let weights = |widths: &[usize]| widths.windows(2).map(|w| w[0] * w[1]).sum::<usize>();
        let all = weights(&trunk) + self.tasks * weights(&head);
        (2 * self.batch * (3 * all - trunk[0] * trunk[1])) as u64
    }
}
