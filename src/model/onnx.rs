//! A model as an ONNX file: scaling of features, the network, what its outputs mean, targets in their unit.

use std::path::Path;

use super::Model;
use crate::data::{FittedTransform, Standardizer};
use crate::loss::Kind;
use crate::onnx::{Graph, Value};
use crate::{Result, Scalar, file};

/// Of the matrix that a graph reads.
pub(crate) const FEATURES: &str = "features";

impl<F: Scalar> Model<F> {
    /// The model as the bytes of an ONNX file, which other runtimes serve; [`save_onnx`](Self::save_onnx) says what is in it.
    ///
    /// # Errors
    /// As for [`save_onnx`](Self::save_onnx), but for those of files.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::new(size_of::<F>() == size_of::<f64>());
        self.describe(&mut graph);
        let features = self.features_exported(&mut graph);
        let predictions = self.export(&mut graph, &features)?;
        for (k, prediction) in predictions.iter().enumerate() {
            graph.output(self.tasks()[k].name(), prediction, self.prediction_width(k));
        }
        graph.finish()
    }

    /// Saves the model as an ONNX file.
    ///
    /// Its input is `features`, `rows × features` as for [`predict`](Self::predict): scaling is inside, the encoding of a
    /// CSV file is not (with feature `csv`, `save_onnx_with_encoding` writes one whose inputs are columns). Its outputs are named like the tasks, each `rows × prediction width`, and are what `predict` gives, up to
    /// rounding: quantities on the scale of the targets, probabilities of classes. Should a task be called `features`, the
    /// input is `features.input`. The number of rows is free. What `predict` refuses (numbers that are not finite, indices
    /// of no category) is not looked for.
    ///
    /// The file's metadata have the names of features and classes and the kind of each task. The operators are of opset 17, all
    /// of the default domain and in the model's scalar type, but for two: transforms of targets are undone in `f64`, and
    /// the error function in [GELU](crate::Activation::Gelu) is of `f32`, as runtimes have no other.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let builder = Model::builder(2).trunk([Layer::dense(4, Activation::Tanh)]).task(Task::classes("kind", 3));
    /// let model = builder.build::<f32>()?;
    /// let file = std::env::temp_dir().join(format!("polytask-kind-{}.onnx", std::process::id()));
    /// model.save_onnx(&file)?;
    /// assert_eq!(std::fs::read(&file)?, model.to_onnx()?);
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the model is not fitted, if a layer, sharing form or loss of your own
    /// does not add itself to a graph, or if the file would have more than 2 GiB; [`ErrorKind::File`](crate::ErrorKind::File)
    /// if it cannot be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), &self.to_onnx()?)
    }

    /// What there is to know about features and tasks.
    pub(crate) fn describe(&self, graph: &mut Graph) {
        if let Some(names) = self.names() {
            for (i, name) in names.features.iter().enumerate() {
                graph.metadata(format!("feature.{i}"), name);
            }
        }
        for (k, task) in self.tasks().iter().enumerate() {
            let kind = match self.network().loss(k).kind() {
                Kind::Quantity { parts: 1, .. } => "quantity".to_owned(),
                Kind::Quantity { parts, .. } => format!("quantity in {parts} parts"),
                Kind::Binary => "probability of yes".to_owned(),
                Kind::Classes { classes, .. } => format!("probabilities of {classes} classes"),
                Kind::Ranking => "score".to_owned(),
            };
            graph.metadata(format!("task.{}", task.name()), kind);
            for (class, name) in self.class_names(task.name()).into_iter().flatten().enumerate() {
                graph.metadata(format!("task.{}.class.{class}", task.name()), name);
            }
        }
    }

    /// The input.
    pub(crate) fn features_exported(&self, graph: &mut Graph) -> Value {
        let is_taken = self.tasks().iter().any(|task| task.name() == FEATURES);
        let name = if is_taken { format!("{FEATURES}.input") } else { FEATURES.to_owned() };
        graph.input(&name, self.n_features())
    }

    /// Adds what the model predicts to a graph: for each task a matrix `rows × prediction width`.
    pub(crate) fn export(&self, graph: &mut Graph, features: &Value) -> Result<Vec<Value>> {
        self.check_fitted()?;
        let features = match &self.scaling.features {
            None => features.clone(),
            Some(scaling) => scaled(graph, features, scaling),
        };
        let outputs = self.network().export(graph, self.parameters(), self.state(), &features)?;
        let mut predictions = Vec::with_capacity(outputs.len());
        for (k, outputs) in outputs.into_iter().enumerate() {
            let (n_targets, width) = self.network().widths(k);
            let of_loss = self.tasks()[k].loss().export(graph, outputs, n_targets)?;
            let mut prediction = self.in_unit_of_target_exported(graph, k, of_loss, width);
            if graph.members() > 1 {
                let over_members: [(&str, &[i64]); 2] = [("axes", &[1]), ("keepdims", &[0])];
                prediction = graph.node_with("ReduceMean", &[&prediction], &over_members);
            }
            predictions.push(prediction);
        }
        Ok(predictions)
    }

    /// Predictions on the scale of the targets.
    fn in_unit_of_target_exported(&self, graph: &mut Graph, task: usize, y: Value, width: usize) -> Value {
        let mut y = y;
        if let Some(scaling) = &self.scaling.targets[task] {
            // What a loss does to a number is linear in it.
            let (loss, parts) = (self.network().loss(task), width / scaling.n_columns());
            let of_column = |i: usize| {
                let (mean, scale) = (scaling.mean()[i / parts], scaling.scale()[i / parts]);
                let factor = loss.unstandardized(i % parts, F::ONE, F::ZERO, scale);
                (factor.to_f64(), loss.unstandardized(i % parts, F::ZERO, mean, scale).to_f64())
            };
            let (factors, shifts): (Vec<f64>, Vec<f64>) = (0..width).map(of_column).unzip();
            let (factors, shifts) =
                (graph.constant(&[1, width], &factors), graph.constant(&[1, width], &shifts));
            y = graph.scale_and_shift(&y, &factors, &shifts);
        }
        let transforms = &self.scaling.transforms[task];
        if transforms.is_empty() {
            return y;
        }
        graph.in_precision(true, &y, |graph, y| {
            let columns: Vec<Value> = (0..width)
                .map(|i| {
                    let column = graph.columns(y, i..i + 1);
                    undone(graph, &column, transforms[i * transforms.len() / width])
                })
                .collect();
            graph.side_by_side(&columns)
        })
    }
}

/// (x − mean) / scale, and 0 where a feature was constant.
fn scaled<F: Scalar>(graph: &mut Graph, features: &Value, scaling: &Standardizer<F>) -> Value {
    let n = scaling.n_columns();
    let wide = |numbers: &[F]| numbers.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    let (mean, scale) =
        (graph.constant(&[1, n], &wide(scaling.mean())), graph.constant(&[1, n], &wide(scaling.scale())));
    let centred = graph.node("Sub", &[features, &mean]);
    let scaled = graph.node("Div", &[&centred, &scale]);
    if scaling.ignored_columns().is_empty() {
        return scaled;
    }
    let kept: Vec<f64> =
        (0..n).map(|i| if scaling.ignored_columns().contains(&i) { 0.0 } else { 1.0 }).collect();
    let kept = graph.constant(&[1, n], &kept);
    graph.node("Mul", &[&scaled, &kept])
}

/// The twin of [`FittedTransform::undo`].
fn undone(graph: &mut Graph, y: &Value, transform: FittedTransform) -> Value {
    let exp_minus_one = |graph: &mut Graph, x: &Value| {
        let (one, power) = (graph.number(1.0), graph.exp(x));
        graph.node("Sub", &[&power, &one])
    };
    match transform {
        FittedTransform::Log => graph.exp(y),
        FittedTransform::Log1p => exp_minus_one(graph, y),
        FittedTransform::BoxCox(lambda) => {
            let root = root(graph, lambda, y);
            graph.exp(&root)
        }
        FittedTransform::YeoJohnson(lambda) => {
            // Each side has a form of its own, which is 0 on the other.
            let opposite = graph.node("Neg", &[y]);
            let (above, below) = (graph.node("Relu", &[y]), graph.node("Relu", &[&opposite]));
            let (above, below) = (root(graph, lambda, &above), root(graph, 2.0 - lambda, &below));
            let (above, below) = (exp_minus_one(graph, &above), exp_minus_one(graph, &below));
            graph.node("Sub", &[&above, &below])
        }
    }
}

/// ln(1 + u y) / u, or y for u = 0; beyond what that reaches, an infinity.
fn root(graph: &mut Graph, u: f64, y: &Value) -> Value {
    if u == 0.0 {
        return y.clone();
    }
    let [u, one, zero] = [u, 1.0, 0.0].map(|number| graph.number(number));
    let product = graph.node("Mul", &[y, &u]);
    let sum = graph.node("Add", &[&product, &one]);
    let reached = graph.node("Max", &[&sum, &zero]);
    let logarithm = graph.node("Log", &[&reached]);
    graph.node("Div", &[&logarithm, &u])
}
