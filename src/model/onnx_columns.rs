//! The columns of a file as inputs of an ONNX graph: what an encoding makes of them, written once more in its operators.
//!
//! ```text
//! numbers    f64, NaN where there is none     x − base, or mean − base;  1 if it was missing
//! texts      "" where there is none           1 for the text it is;      1 for any other;  1 if it was missing
//! indices    the same                         the index of the text
//! ```
//! What `Encoding::features` refuses must not pass in silence: with an unknown text the runtime fails, and where a cell is empty
//! that must not be, NaN is added to the predictions. (A NaN among the features would not reach them through every operator.)

use std::path::Path;

use super::Model;
use crate::data::csv::{Column, Content};
use crate::onnx::{Graph, Value};
use crate::{Error, ErrorKind, Result, Scalar, file};

impl<F: Scalar> Model<F> {
    /// The bytes of the file that [`save_onnx_with_encoding`](Self::save_onnx_with_encoding) writes.
    ///
    /// # Errors
    /// As there, but for those of files.
    pub fn to_onnx_with_encoding(&self) -> Result<Vec<u8>> {
        let mut graph = Graph::new(size_of::<F>() == size_of::<f64>());
        self.describe(&mut graph);
        let (features, doubt) = self.columns_exported(&mut graph)?;
        let predictions = self.export(&mut graph, &features)?;
        for (k, prediction) in predictions.iter().enumerate() {
            let prediction = graph.node("Add", &[prediction, &doubt]);
            graph.output(self.tasks()[k].name(), &prediction, self.prediction_width(k));
        }
        graph.finish()
    }

    /// Saves the model as an ONNX file that reads rows as they are in the file that the model learnt from, with the
    /// [encoding](Self::set_encoding) inside.
    ///
    /// There is an input for each column that is a feature, `rows × 1`, with the column's name: of numbers in `f64`, NaN where a
    /// cell is empty; of texts, the empty one where a cell is. Texts are compared letter by letter, so they are to be written as in
    /// the file. The outputs are those of [`save_onnx`](Self::save_onnx). Where [`Encoding::features`](crate::data::csv::Encoding::features) is an error, unless it is
    /// [lenient](crate::data::csv::Encoding::lenient), the runtime fails if a text is new, and predictions are NaN if a cell is empty
    /// in a column that had no empty ones.
    ///
    /// Texts are read by operators of the domain `ai.onnx.ml`, of opset 3, which ONNX Runtime has.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    ///
    /// let file = "area,roof,price\n514,flat,3\n563,pitched,4\n,flat,6\n";
    /// let (data, encoding) = CsvReader::new().targets(["price"]).read_from::<f32>(file.as_bytes(), "houses.csv")?;
    /// let builder = Model::builder(data.n_features()).task(Task::regression("price")).standardize();
    /// let mut model = builder.build::<f32>()?;
    /// Trainer::new(Adam::new(0.1)).steps(50).fit(&mut model, &data)?;
    /// assert!(model.to_onnx_with_encoding().is_err()); // it is yet to be told
    /// model.set_encoding(encoding)?;
    /// let bytes = model.to_onnx_with_encoding()?;
    /// let has = |text: &str| bytes.windows(text.len()).any(|word| word == text.as_bytes());
    /// assert!(has("area") && has("pitched") && has("OneHotEncoder"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`save_onnx`](Self::save_onnx), and [`ErrorKind::Setting`] if the model has no encoding.
    pub fn save_onnx_with_encoding(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), &self.to_onnx_with_encoding()?)
    }

    /// An input for each column that is a feature; the features that they become, and what is to be added to predictions: 0, or
    /// NaN where a cell is empty that must not be.
    pub(crate) fn columns_exported(&self, graph: &mut Graph) -> Result<(Value, Value)> {
        let Some(encoding) = self.encoding() else {
            let expected = "the encoding of the file that the model learnt from";
            return Err(Error::new(ErrorKind::Setting, "ONNX file", expected, "none")
                .advise("keep it with set_encoding, or use save_onnx, whose input is encoded"));
        };
        let mut doubts = vec![graph.constant(&[1, 1], &[0.0])];
        let columns = encoding.columns().iter().filter(|column| !column.features().is_empty());
        let features: Vec<Value> =
            columns.map(|column| exported(graph, column, encoding.is_lenient(), &mut doubts)).collect();
        let doubts: Vec<(Value, f64)> = doubts.into_iter().map(|doubt| (doubt, 1.0)).collect();
        Ok((graph.side_by_side(&features), graph.weighted_sum(&doubts)))
    }
}

/// The features that a column becomes.
fn exported(graph: &mut Graph, column: &Column, is_lenient: bool, doubts: &mut Vec<Value>) -> Value {
    match &column.content {
        Content::Texts { categories, other, missing } => {
            let input = graph.input_of_texts(&column.name);
            let n = categories.len();
            // The empty text is one more.
            let texts: Vec<&str> = categories.iter().map(String::as_str).chain([""]).collect();
            let all = graph.one_hot(&input, &texts, *other || is_lenient);
            let (known, is_gap) = (graph.columns(&all, 0..n), graph.columns(&all, n..n + 1));
            let mut features = vec![known];
            if *other {
                let (one, axes) = (graph.number(1.0), graph.integers(&[1]));
                let known = graph.node_with("ReduceSum", &[&all, &axes], &[("keepdims", &[1])]);
                features.push(graph.node("Sub", &[&one, &known]));
            }
            match (*missing > 0, is_lenient) {
                (true, _) => features.push(is_gap),
                (false, true) => {}
                (false, false) => doubts.push(undefined_where(graph, &is_gap)),
            }
            graph.side_by_side(&features)
        }
        Content::Indices { categories, missing } => {
            let input = graph.input_of_texts(&column.name);
            let n = categories.len() as i64;
            let unknown = if *missing > 0 { n + 1 } else { n };
            if *missing == 0 && !is_lenient {
                let is_gap = graph.one_hot(&input, &[""], true);
                doubts.push(undefined_where(graph, &is_gap));
            }
            let of_gap = if *missing > 0 { n } else { unknown };
            let known = categories.iter().map(String::as_str).zip(0..).chain([("", of_gap)]);
            graph.index_of_text(&input, &known.collect::<Vec<_>>(), unknown)
        }
        Content::Numbers { mean, base, missing, .. } => {
            let input = graph.input_of_numbers(&column.name);
            let gap = graph.node("IsNaN", &[&input]);
            let is_gap = graph.cast_to_own(&gap);
            let number = graph.in_precision(true, &input, |graph, input| {
                let (base, filling) = (graph.number(*base), graph.number(mean - base));
                let shifted = graph.node("Sub", &[input, &base]);
                graph.node("Where", &[&gap, &filling, &shifted])
            });
            match (*missing > 0, is_lenient) {
                (true, _) => graph.side_by_side(&[number, is_gap]),
                (false, true) => number,
                (false, false) => {
                    doubts.push(undefined_where(graph, &is_gap));
                    number
                }
            }
        }
        _ => unreachable!("a column without features"),
    }
}

/// 0 / (1 − x): 0 for x = 0, NaN for x = 1.
fn undefined_where(graph: &mut Graph, x: &Value) -> Value {
    let (zero, one) = (graph.number(0.0), graph.number(1.0));
    let rest = graph.node("Sub", &[&one, x]);
    graph.node("Div", &[&zero, &rest])
}
