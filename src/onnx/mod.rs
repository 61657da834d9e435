//! Models as ONNX graphs, which other runtimes serve (feature `onnx`).
//!
//! [`Model::save_onnx`](crate::Model::save_onnx) and [`Fitted::save_onnx`](crate::estimator::Fitted::save_onnx) write a whole
//! model: scaling of features, layers, what outputs mean, targets in their own unit. Each layer, sharing form and loss adds
//! its own nodes to a [`Graph`], as it computes its own outputs; a layer of your own does so in
//! [`BuiltLayer::export`](crate::layer::BuiltLayer::export).
//!
//! Graphs are of opset 17 and IR version 8 and use the default domain alone, but for those that read
//! [columns of a file](crate::Model::save_onnx_with_encoding): texts need `ai.onnx.ml`, opset 3. All numbers have the scalar type of
//! the model.
//!
//! ```
//! use polytask::prelude::*;
//!
//! let data = datasets::robot_arm::<f32>(60, 0.05, 1);
//! let builder = Model::builder(10).trunk([Layer::dense(16, Activation::Relu)]).standardize();
//! let mut model = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f32>()?;
//! Trainer::new(Adam::new(0.01)).epochs(5).fit(&mut model, &data)?;
//! let file = std::env::temp_dir().join(format!("polytask-arm-{}.onnx", std::process::id()));
//! model.save_onnx(&file)?;
//! assert!(std::fs::metadata(&file)?.len() > 4 * model.n_parameters() as u64);
//! # std::fs::remove_file(&file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! In Python, `onnxruntime.InferenceSession(file).run(None, {"features": x})` then gives a matrix per task, `rows ×
//! prediction width`, in the order of the tasks.

mod graph;
mod message;

pub use graph::{Graph, Value};
