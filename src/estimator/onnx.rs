//! An estimator as an ONNX file: its networks, their weighted mean, and the range that predictions are kept in.

use std::path::Path;

use super::member_kind::MemberKind;
use super::{EstimatorKind, Fitted};
use crate::onnx::{Graph, Value};
use crate::{Result, Scalar, file};

impl<Kind: EstimatorKind, F: Scalar> Fitted<Kind, F> {
    /// The weight of each network in the prediction of target `k`.
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
        self.members[0].describe(&mut graph);
        let features = self.members[0].features_exported(&mut graph);
        self.finished(graph, &features, None)
    }

    /// The bytes of the file that [`save_onnx_with_encoding`](Self::save_onnx_with_encoding) writes.
    ///
    /// # Errors
    /// As there, but for those of files.
    #[cfg(feature = "csv")]
    pub fn to_onnx_with_encoding(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::new(size_of::<F>() == size_of::<f64>());
        self.members[0].describe(&mut graph);
        let (features, doubt) = self.members[0].columns_exported(&mut graph)?;
        self.finished(graph, &features, Some(&doubt))
    }

    /// Saves the estimator as an ONNX file that reads rows as they are in the file that it learnt from, as
    /// [`Model::save_onnx_with_encoding`](crate::Model::save_onnx_with_encoding) does a model; its outputs are those of
    /// [`save_onnx`](Self::save_onnx).
    ///
    /// # Errors
    /// As for [`Model::save_onnx_with_encoding`](crate::Model::save_onnx_with_encoding).
    #[cfg(feature = "csv")]
    pub fn save_onnx_with_encoding(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), &self.to_onnx_with_encoding()?)
    }

    /// The file of a graph that has inputs; something may be added to all predictions.
    fn finished(&self, mut graph: Graph, features: &Value, doubt: Option<&Value>) -> Result<Vec<u8>> {
        let first = &self.members[0];
        let shares: Vec<Vec<f64>> = (0..self.targets.len()).map(|k| self.shares(k)).collect();
        let mut members = Vec::with_capacity(self.members.len());
        for (m, member) in self.members.iter().enumerate() {
            let is_used = shares.iter().any(|of_target| of_target[m] > 0.0);
            members.push(if is_used { member.export(&mut graph, features)? } else { Vec::new() });
        }
        let mut ranges = self.ranges.iter().flatten();
        let mut of_tasks: Vec<Vec<Value>> = vec![Vec::new(); first.tasks().len()];
        for (k, target) in self.targets.iter().enumerate() {
            let is_whole = target.width() == first.prediction_width(target.task);
            let mut terms = Vec::new();
            for (predictions, &share) in members.iter().zip(&shares[k]).filter(|&(_, &share)| share > 0.0) {
                let of_task = predictions[target.task].clone();
                let own = if is_whole { of_task } else { graph.columns(&of_task, target.columns()) };
                terms.push((own, share));
            }
            if terms.is_empty() {
                // 0 for each row, to which the labels' mean is added.
                terms.push((graph.columns(features, 0..1), 0.0));
            }
            let mut mean = graph.weighted_sum(&terms);
            if let Some(stack) = &self.stack {
                let of_mean = graph.number(stack.targets[k].part_of_mean());
                mean = graph.node("Add", &[&mean, &of_mean]);
            }
            if let Some(&(low, high)) = target.is_quantity().then(|| ranges.next()).flatten() {
                let (low, high) = (graph.number(low), graph.number(high));
                mean = graph.node("Max", &[&mean, &low]);
                mean = graph.node("Min", &[&mean, &high]);
            }
            of_tasks[target.task].push(mean);
        }
        for (k, (task, of_targets)) in first.tasks().iter().zip(&of_tasks).enumerate() {
            let mut whole = match &of_targets[..] {
                [only] => only.clone(),
                several => graph.side_by_side(several),
            };
            if let Some(doubt) = doubt {
                whole = graph.node("Add", &[&whole, doubt]);
            }
            graph.output(task.name(), &whole, first.prediction_width(k));
        }
        graph.finish()
    }

    /// Saves the estimator as an ONNX file, which other runtimes serve, as [`Model::save_onnx`](crate::Model::save_onnx)
    /// does a model. Its outputs are named like the tasks: of a regressor each `rows × 1`, what `predict` has in
    /// the target's column; of a classifier `rows × classes`, what `predict_proba` gives; of tasks of every kind what `predict`
    /// has under their names. Intervals and sets are not in it: add
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
