//! An estimator as an ONNX file: all its networks, their mean, and the range that predictions are kept in.

use std::path::Path;

use super::{EstimatorKind, Fitted};
use crate::onnx::Graph;
use crate::{Result, Scalar, file};

impl<Kind: EstimatorKind, F: Scalar> Fitted<Kind, F> {
    /// The estimator as the bytes of an ONNX file: see [`save_onnx`](Self::save_onnx).
    ///
    /// # Errors
    /// As for [`save_onnx`](Self::save_onnx), but for those of files.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::new(size_of::<F>() == size_of::<f64>());
        let first = &self.members[0];
        let features = first.begin_export(&mut graph);
        let members = self.members.iter().map(|member| member.export(&mut graph, &features));
        let members = members.collect::<Result<Vec<_>>>()?;
        for (k, task) in first.tasks().iter().enumerate() {
            let share = 1.0 / members.len() as f64;
            let terms: Vec<_> = members.iter().map(|predictions| (predictions[k].clone(), share)).collect();
            let mut mean = graph.weighted_sum(&terms);
            if let Some(&(low, high)) = self.kind.ranges().and_then(|ranges| ranges.get(k)) {
                let (low, high) = (graph.number(low), graph.number(high));
                mean = graph.node("Max", &[&mean, &low]);
                mean = graph.node("Min", &[&mean, &high]);
            }
            graph.output(task.name(), &mean, first.prediction_width(k));
        }
        graph.finish()
    }

    /// Saves the estimator as an ONNX file, which other runtimes serve, as [`Model::save_onnx`](crate::Model::save_onnx)
    /// does a model. Its outputs are named like the targets: of a regressor each `rows × 1`, what `predict` has in
    /// the target's column; of a classifier `rows × classes`, what `predict_proba` gives.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
    /// let model = MultiTaskRegressor::new().hidden([8]).members(2).epochs(3).fit_table(&data)?;
    /// let file = std::env::temp_dir().join(format!("polytask-two-{}.onnx", std::process::id()));
    /// model.save_onnx(&file)?;
    /// let both = 4 * model.members().iter().map(|member| member.n_parameters() as u64).sum::<u64>();
    /// assert!(std::fs::metadata(&file)?.len() > both);
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Model::save_onnx`](crate::Model::save_onnx).
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), &self.to_onnx()?)
    }
}
