//! An estimator as an ONNX file: its networks, their weighted mean, and the range that predictions are kept in.

use std::path::Path;

use super::member_kind::MemberKind;
use super::{EstimatorKind, Fitted};
use crate::onnx::Graph;
use crate::{Result, Scalar, file};

impl<Kind: EstimatorKind, F: Scalar> Fitted<Kind, F> {
    /// The weight of each network in the prediction of task `k`.
    fn shares(&self, k: usize) -> Vec<f64> {
        let Some(stack) = &self.stack else {
            return vec![1.0 / self.members.len() as f64; self.members.len()];
        };
        let of_network = |kind: &MemberKind| {
            let n_alike = self.kinds.iter().filter(|other| *other == kind).count();
            let place = stack.kinds.iter().position(|other| other == kind);
            place.map_or(0.0, |place| stack.targets[k].weights[place] / n_alike as f64)
        };
        self.kinds.iter().map(of_network).collect()
    }

    /// The estimator as the bytes of an ONNX file: see [`save_onnx`](Self::save_onnx).
    ///
    /// # Errors
    /// As for [`save_onnx`](Self::save_onnx), but for those of files.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::new(size_of::<F>() == size_of::<f64>());
        let first = &self.members[0];
        let features = first.begin_export(&mut graph);
        let shares: Vec<Vec<f64>> = (0..first.tasks().len()).map(|k| self.shares(k)).collect();
        let mut members = Vec::with_capacity(self.members.len());
        for (m, member) in self.members.iter().enumerate() {
            let is_used = shares.iter().any(|of_task| of_task[m] > 0.0);
            members.push(if is_used { member.export(&mut graph, &features)? } else { Vec::new() });
        }
        for (k, task) in first.tasks().iter().enumerate() {
            let terms = members.iter().zip(&shares[k]).filter(|&(_, &share)| share > 0.0);
            let mut terms: Vec<_> =
                terms.map(|(predictions, &share)| (predictions[k].clone(), share)).collect();
            if terms.is_empty() {
                // 0 for each row, to which the labels' mean is added.
                terms.push((graph.columns(&features, 0..1), 0.0));
            }
            let mut mean = graph.weighted_sum(&terms);
            if let Some(stack) = &self.stack {
                let of_mean = graph.number(stack.targets[k].part_of_mean());
                mean = graph.node("Add", &[&mean, &of_mean]);
            }
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
    /// the target's column; of a classifier `rows × classes`, what `predict_proba` gives. Intervals and sets are not in it: add
    /// and subtract the quantiles of [`calibration`](Fitted::calibration).
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
