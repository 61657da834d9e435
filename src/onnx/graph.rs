//! A graph under construction: nodes, constants, and which value stands for which activations.

use std::ops::Range;

use super::message::Message;
use crate::arena::ActivationBlock;
use crate::{Block, Error, ErrorKind, Result};

/// The version of ONNX's operators.
const OPSET: i64 = 17;
/// The version of the format, that of ONNX 1.12, which has this opset.
const IR_VERSION: i64 = 8;
/// The most bytes of a message.
const MOST_BYTES: usize = i32::MAX as usize;

/// A matrix that a graph computes, or one of its constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// An ONNX graph that layers add themselves to, one after the other.
///
/// What a layer reads and writes in memory are [`ActivationBlock`]s; here each has a [`Value`], `rows × width`. In a batch
/// ensemble it is `rows × members × width`. So the last axis is that of the width, and operators are chosen that
/// do the same whatever is in front of it: `MatMul` and `Add` instead of `Gemm`, and the axis −1.
///
/// ```
/// use polytask::arena::{ActivationBlock, Arena, Chunk};
/// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
/// use polytask::onnx::Graph;
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// /// `y = 2 x`.
/// #[derive(Clone, Copy, Debug)]
/// struct Twice;
/// #[derive(Debug)]
/// struct BuiltTwice([ActivationBlock; 2]);
///
/// impl<F: Scalar> BuildLayer<F> for Twice {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         let input = context.input();
///         Ok(Box::new(BuiltTwice([input, context.activations(input.width())])))
///     }
/// }
/// impl<F: Scalar> BuiltLayer<F> for BuiltTwice {
///     fn output(&self) -> ActivationBlock { self.0[1] }
///     fn forward(&self, _: &Pass<'_, F>, values: &mut Arena<F>) {
///         let (x, mut y) = values.pair((self.0[0], 0..1), (self.0[1], 0..1));
///         y.assign(&(&x + &x));
///     }
///     fn propagate(&self, _: &Pass<'_, F>, _: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
///         to.entrywise(deltas, self.0[1], self.0[0], |_, _, dy| dy + dy);
///     }
///     fn export(&self, graph: &mut Graph) -> Result<()> {
///         let (x, two) = (graph.value(self.0[0]), graph.number(2.0));
///         let y = graph.node("Mul", &[&x, &two]);
///         graph.set(self.0[1], y);
///         Ok(())
///     }
/// }
/// let builder = Model::builder(3).trunk([Layer::custom(Twice)]).task(Task::regression("price"));
/// let bytes = builder.build::<f32>()?.to_onnx()?;
/// assert!(bytes.windows(3).any(|word| word == b"Mul"));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Graph {
    is_double: bool,
    theta: Vec<f64>,
    state: Vec<f64>,
    members: usize,
    /// The fields of the graph, without its inputs and outputs.
    body: Message,
    n_values: usize,
    values: Vec<(ActivationBlock, Value)>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    metadata: Vec<(String, String)>,
    /// Whether there are operators of the domain `ai.onnx.ml`.
    reads_texts: bool,
}

impl Graph {
    /// An empty graph of `f64` or `f32` numbers.
    pub(crate) fn new(is_double: bool) -> Self {
        Self {
            is_double,
            theta: Vec::new(),
            state: Vec::new(),
            members: 1,
            body: Message::new(),
            n_values: 0,
            values: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            metadata: Vec::new(),
            reads_texts: false,
        }
    }

    /// Begins a network: with these parameters, this state, that many members, and no values for activations yet.
    pub(crate) fn begin(&mut self, theta: Vec<f64>, state: Vec<f64>, members: usize) {
        (self.theta, self.state, self.members) = (theta, state, members);
        self.values.clear();
    }

    /// How many members of a batch ensemble see every row; 1 in a network that is none.
    pub fn members(&self) -> usize {
        self.members
    }

    /// θ.
    pub fn theta(&self) -> &[f64] {
        &self.theta
    }

    /// The running state.
    pub fn running_state(&self) -> &[f64] {
        &self.state
    }

    /// The value of activations.
    ///
    /// # Panics
    /// If no layer has [set](Self::set) it.
    #[track_caller]
    pub fn value(&self, block: ActivationBlock) -> Value {
        let known = self.values.iter().rev().find(|(known, _)| *known == block);
        known.expect("activations are exported before they are read").1.clone()
    }

    /// Lets `value` be that of activations.
    pub fn set(&mut self, block: ActivationBlock, value: Value) {
        self.values.push((block, value));
    }

    /// A node of one output, without attributes.
    pub fn node(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.node_with(operator, inputs, &[])
    }

    /// A node of one output; each attribute is a list of integers, or, of `axis`, `to` and `keepdims`, an integer.
    pub fn node_with(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, &[i64])]) -> Value {
        let output = self.next();
        let node = Message::new()
            .each(inputs, |node, input| node.text(1, &input.0))
            .text(2, &output.0)
            .text(4, operator)
            .each(attributes, |node, (name, integers)| node.message(5, &attribute(name, integers)));
        self.add(1, &node);
        output
    }

    /// A constant of this shape, its numbers row by row.
    ///
    /// # Panics
    /// If there are not as many numbers as the shape says.
    #[track_caller]
    pub fn constant(&mut self, shape: &[usize], numbers: &[f64]) -> Value {
        assert_eq!(
            shape.iter().product::<usize>(),
            numbers.len(),
            "numbers of a constant of shape {shape:?}"
        );
        let bytes: Vec<u8> = match self.is_double {
            true => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            false => numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        };
        self.tensor(shape, self.scalar_type(), &bytes)
    }

    /// A constant that is a single number.
    pub fn number(&mut self, number: f64) -> Value {
        self.constant(&[], &[number])
    }

    /// A constant of integers, such as a shape or axes.
    pub fn integers(&mut self, integers: &[i64]) -> Value {
        let bytes: Vec<u8> = integers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensor(&[integers.len()], INT64, &bytes)
    }

    /// Parameters of a layer, of the block's shape.
    pub fn parameter(&mut self, block: Block) -> Value {
        let (numbers, (rows, columns)) = (self.theta[block.range()].to_vec(), block.shape());
        self.constant(&[rows, columns], &numbers)
    }

    /// Running state of a layer, of the block's shape.
    pub fn state(&mut self, block: Block) -> Value {
        let (numbers, (rows, columns)) = (self.state[block.range()].to_vec(), block.shape());
        self.constant(&[rows, columns], &numbers)
    }

    /// Some columns of a matrix, `rows × columns`.
    pub fn columns(&mut self, value: &Value, columns: Range<usize>) -> Value {
        let [first, end, axis] = [columns.start as i64, columns.end as i64, -1].map(|n| self.integers(&[n]));
        self.node("Slice", &[value, &first, &end, &axis])
    }

    /// The columns at these positions, one after the other.
    pub fn columns_at(&mut self, value: &Value, positions: &[usize]) -> Value {
        let positions: Vec<i64> = positions.iter().map(|&at| at as i64).collect();
        let positions = self.integers(&positions);
        self.node_with("Gather", &[value, &positions], &[("axis", &[-1])])
    }

    /// Matrices side by side.
    pub fn side_by_side(&mut self, values: &[Value]) -> Value {
        let values: Vec<&Value> = values.iter().collect();
        self.node_with("Concat", &values, &[("axis", &[-1])])
    }

    /// Σ wᵢ xᵢ, in this order.
    ///
    /// # Panics
    /// If there is nothing to add.
    #[track_caller]
    pub fn weighted_sum(&mut self, terms: &[(Value, f64)]) -> Value {
        let mut sum: Option<Value> = None;
        for (x, weight) in terms {
            let weight = self.number(*weight);
            let term = self.node("Mul", &[x, &weight]);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.node("Add", &[&sum, &term]),
            });
        }
        sum.expect("at least one term")
    }

    /// Each row in another shape.
    pub fn reshape_rows(&mut self, value: &Value, shape: &[usize]) -> Value {
        // A 0 stands for the length of the input's axis, which is that of the batch.
        let members = (self.members > 1).then_some(self.members);
        let shape: Vec<i64> = std::iter::once(0)
            .chain(members.into_iter().chain(shape.iter().copied()).map(|n| n as i64))
            .collect();
        let shape = self.integers(&shape);
        self.node("Reshape", &[value, &shape])
    }

    /// x ∘ factors + shifts, each broadcast as operators do.
    pub(crate) fn scale_and_shift(&mut self, x: &Value, factors: &Value, shifts: &Value) -> Value {
        let scaled = self.node("Mul", &[x, factors]);
        self.node("Add", &[&scaled, shifts])
    }

    /// x / √(variance + ε).
    pub(crate) fn over_deviation(&mut self, x: &Value, variance: &Value, epsilon: f64) -> Value {
        let epsilon = self.number(epsilon);
        let sum = self.node("Add", &[variance, &epsilon]);
        let deviation = self.node("Sqrt", &[&sum]);
        self.node("Div", &[x, &deviation])
    }

    /// e^x.
    pub(crate) fn exp(&mut self, value: &Value) -> Value {
        self.node("Exp", &[value])
    }

    /// max(x, 0) + ln(1 + e^−|x|).
    pub(crate) fn softplus(&mut self, value: &Value) -> Value {
        let (size, one, positive) =
            (self.node("Abs", &[value]), self.number(1.0), self.node("Relu", &[value]));
        let opposite = self.node("Neg", &[&size]);
        let power = self.exp(&opposite);
        let sum = self.node("Add", &[&power, &one]);
        let logarithm = self.node("Log", &[&sum]);
        self.node("Add", &[&positive, &logarithm])
    }

    /// What `work` makes of a matrix in double precision, or in single, and then back in that of the graph.
    pub(crate) fn in_precision(
        &mut self,
        is_double: bool,
        value: &Value,
        work: impl FnOnce(&mut Self, &Value) -> Value,
    ) -> Value {
        if is_double == self.is_double {
            return work(self, value);
        }
        let own = std::mem::replace(&mut self.is_double, is_double);
        let there = self.cast(value, self.scalar_type());
        let result = work(self, &there);
        self.is_double = own;
        self.cast(&result, self.scalar_type())
    }

    /// The numbers in the graph's own type.
    #[cfg(feature = "csv")]
    pub(crate) fn cast_to_own(&mut self, value: &Value) -> Value {
        self.cast(value, self.scalar_type())
    }

    pub(crate) fn cast_to_integers(&mut self, value: &Value) -> Value {
        self.cast(value, INT64)
    }

    fn cast(&mut self, value: &Value, to: i64) -> Value {
        self.node_with("Cast", &[value], &[("to", &[to])])
    }

    /// An input of the whole graph, `rows × width`.
    pub(crate) fn input(&mut self, name: &str, width: usize) -> Value {
        self.inputs.push(described(name, self.scalar_type(), width));
        Value(name.to_owned())
    }

    /// An input of `f64` numbers, whatever those of the graph are, `rows × 1`.
    #[cfg(feature = "csv")]
    pub(crate) fn input_of_numbers(&mut self, name: &str) -> Value {
        self.inputs.push(described(name, DOUBLE, 1));
        Value(name.to_owned())
    }

    /// An input of texts, `rows × 1`.
    #[cfg(feature = "csv")]
    pub(crate) fn input_of_texts(&mut self, name: &str) -> Value {
        self.inputs.push(described(name, STRING, 1));
        Value(name.to_owned())
    }

    /// For each of the texts whether the input is it, `rows × texts`: 1 or 0. With any other text the runtime fails, unless
    /// that is `lenient`, and no text.
    #[cfg(feature = "csv")]
    pub(crate) fn one_hot(&mut self, input: &Value, texts: &[&str], lenient: bool) -> Value {
        let texts = Message::new().text(1, "cats_strings").each(texts, |all, text| all.text(9, text));
        let zeros = Message::new().text(1, "zeros").integer(3, i64::from(lenient)).integer(20, 2);
        let each = self.of_texts("OneHotEncoder", input, &[texts.integer(20, 8), zeros]);
        let shape = self.integers(&[0, -1]);
        let matrix = self.node("Reshape", &[&each, &shape]);
        self.cast(&matrix, self.scalar_type())
    }

    /// The index of the input among texts, or what belongs to it in place of an index, `rows × 1`; `other` of any other text.
    #[cfg(feature = "csv")]
    pub(crate) fn index_of_text(&mut self, input: &Value, texts: &[(&str, i64)], other: i64) -> Value {
        let keys = Message::new().text(1, "keys_strings").each(texts, |all, (text, _)| all.text(9, text));
        let values =
            Message::new().text(1, "values_int64s").each(texts, |all, &(_, index)| all.integer(8, index));
        let other = Message::new().text(1, "default_int64").integer(3, other).integer(20, 2);
        let attributes = [keys.integer(20, 8), values.integer(20, 7), other];
        let index = self.of_texts("LabelEncoder", input, &attributes);
        self.cast(&index, self.scalar_type())
    }

    #[cfg(feature = "csv")]
    fn of_texts(&mut self, operator: &str, input: &Value, attributes: &[Message]) -> Value {
        self.reads_texts = true;
        let output = self.next();
        let node = Message::new().text(1, &input.0).text(2, &output.0).text(4, operator);
        let node = node.each(attributes, |node, attribute| node.message(5, attribute)).text(7, TEXTS_DOMAIN);
        self.add(1, &node);
        output
    }

    /// Makes a value an output of the whole graph, `rows × width`.
    pub(crate) fn output(&mut self, name: &str, value: &Value, width: usize) {
        let node = Message::new().text(1, &value.0).text(2, name).text(4, "Identity");
        self.add(1, &node);
        self.outputs.push(described(name, self.scalar_type(), width));
    }

    /// Something to know about the model, by name.
    pub(crate) fn metadata(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.metadata.push((key.into(), value.into()));
    }

    /// The finished file.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let graph = self
            .body
            .text(2, "polytask")
            .each(&self.inputs, |graph, input| graph.message(11, input))
            .each(&self.outputs, |graph, output| graph.message(12, output));
        let model = Message::new()
            .integer(1, IR_VERSION)
            .text(2, "polytask")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &Message::new().text(1, "").integer(2, OPSET))
            .each(self.reads_texts.then_some(TEXTS_OPSET), |model, opset| {
                model.message(8, &Message::new().text(1, TEXTS_DOMAIN).integer(2, opset))
            })
            .each(&self.metadata, |model, (key, value)| {
                model.message(14, &Message::new().text(1, key).text(2, value))
            });
        if model.len() > MOST_BYTES {
            let expected = format!("at most {MOST_BYTES} bytes, all that a message can have");
            return Err(Error::new(ErrorKind::Setting, "ONNX file", expected, model.len()));
        }
        Ok(model.into_bytes())
    }

    /// The error of something that cannot be exported.
    pub(crate) fn lacks(what: impl Into<String>) -> Error {
        let expected = "layers, sharing forms and losses that add themselves to a graph";
        Error::new(ErrorKind::Setting, "ONNX file", expected, what.into())
    }

    fn next(&mut self) -> Value {
        self.n_values += 1;
        Value(format!("value:{}", self.n_values))
    }

    fn add(&mut self, field: u32, message: &Message) {
        self.body = std::mem::take(&mut self.body).message(field, message);
    }

    fn tensor(&mut self, shape: &[usize], element: i64, bytes: &[u8]) -> Value {
        let value = self.next();
        let tensor = Message::new()
            .each(shape, |tensor, &n| tensor.integer(1, n as i64))
            .integer(2, element)
            .text(8, &value.0)
            .bytes(9, bytes);
        self.add(5, &tensor);
        value
    }

    fn scalar_type(&self) -> i64 {
        if self.is_double { DOUBLE } else { FLOAT }
    }
}

/// What an input or output is: its name, type and shape, whose number of rows is free.
fn described(name: &str, element: i64, width: usize) -> Message {
    let shape = Message::new()
        .message(1, &Message::new().text(2, "rows"))
        .message(1, &Message::new().integer(1, width as i64));
    let tensor = Message::new().integer(1, element).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}

/// The domain of operators that read texts.
const TEXTS_DOMAIN: &str = "ai.onnx.ml";
const TEXTS_OPSET: i64 = 3;

// Types of elements.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
#[cfg(feature = "csv")]
const STRING: i64 = 8;
const DOUBLE: i64 = 11;

fn attribute(name: &str, integers: &[i64]) -> Message {
    let attribute = Message::new().text(1, name);
    match (name, integers) {
        ("axis" | "to" | "keepdims", &[n]) => attribute.integer(3, n).integer(20, 2),
        _ => attribute.each(integers, |attribute, &n| attribute.integer(8, n)).integer(20, 7),
    }
}
