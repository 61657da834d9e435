//! Embeddings of category columns: each category is a learnt vector, looked up by its index.
//!
//! C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", arXiv 1604.06737, 2016. A column with n categories
//! has a table E of n + 1 rows; the last is for anything else, and is 0 at first, near the mean of the others.
//! With i[b] the index in row b of the batch:
//!
//! ```text
//! forward     y[b] = E[i[b]]                               batch × d, E: n + 1 × d
//! backward    dE[c] = Σ of dy[b] over the b with i[b] = c   (gradient; 0 for what is not in the batch)
//! ```
//! Why: it is a dense layer without bias on the one-hot row of the index, O E with dE = Oᵀ dy, where almost all products
//! are with 0. An index has no derivative: moved a little, it is no index.
//!
//! Other features, the numbers, are passed on unchanged or through layers of their own, and come before the vectors.

use std::ops::Range;

use super::{Affine, BuildContext, BuildLayer, BuiltLayer, Chain, Layer, Lookup, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::Accumulate;
use crate::{Error, ErrorKind, Init, Result, Scalar};

/// Settings of embeddings of category columns: each index is replaced by a learnt vector of its category.
///
/// The columns are features whose numbers are indices 0 … n − 1, or n for an unknown category: those that a table
/// [declares](crate::data::Dataset::with_index_columns), as `CsvReader::embed` (feature `csv`) makes them. They are never
/// standardised, and a gradient check does not move them. The layer must read features. Its outputs are the other features,
/// and then the vectors in the order of the columns; with [`numbers`](Self::numbers), the other features go through
/// layers of their own first. The delta it sends back for an index is NaN, as there is no such derivative.
///
/// The cost of a step of Adam grows with the size of the tables, however few of their rows a batch reads; that of a step of
/// [`LazyAdam`](crate::optim::LazyAdam), which is another method, grows only with what the batch reads.
///
/// The parameters are `table.<feature>` (n + 1 × width) for each column, `<feature>` being its position; the row for unknown
/// categories is 0 at first, and the others are normal. Guo and Berkhahn, 2016.
///
/// ```
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// // The make of a car, by its index among 3, and its age.
/// let data = Dataset::new(array![[0.0, 5.0], [2.0, 3.0], [1.0, 8.0], [2.0, 9.0]], array![[4.0], [7.0], [2.0], [3.0]])?
///     .with_feature_names(["make", "age"])?
///     .with_target_names(["price"])?
///     .with_index_columns([("make", 3)])?;
/// let layers = [Layer::embedding(data.index_columns(), 2), Layer::dense(8, Activation::Tanh)];
/// let builder = Model::builder(2).trunk(layers).task(Task::regression("price")).standardize();
/// let mut model = builder.build::<f64>()?;
/// model.fit_scaling(&data)?;
/// let shape = |name| model.network().layout().block(name).expect("of the layers").shape();
/// assert_eq!((shape("trunk.0.table.0"), shape("trunk.1.weight")), ((4, 2), (1 + 2, 8)));
/// let checks = model.check_gradients(&data.all())?;
/// assert!(checks.passed(), "{checks}");
///
/// assert!(model.predict(array![[3.0, 5.0]].view()).is_ok()); // a make that nobody has met
/// let error = model.predict(array![[4.0, 5.0]].view()).unwrap_err().to_string();
/// assert!(error.starts_with("row 0, column `make`: expected a whole number from 0 to 3, found 4"), "{error}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Embedding {
    columns: Vec<Embedded>,
    deviation: f64,
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "Vec::is_empty"))]
    numbers: Vec<Layer>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
struct Embedded {
    feature: usize,
    categories: usize,
    width: usize,
}

/// Up to this number `f32` holds every index exactly.
const MOST_CATEGORIES: usize = 1 << 24;

impl Embedding {
    /// Embeddings of columns, each given by its position among the features and its number of categories, as
    /// [`Dataset::index_columns`](crate::data::Dataset::index_columns) returns them; all `width` wide.
    pub fn new(columns: impl IntoIterator<Item = (usize, usize)>, width: usize) -> Self {
        let columns =
            columns.into_iter().map(|(feature, categories)| Embedded { feature, categories, width });
        Self { columns: columns.collect(), deviation: 0.1, numbers: Vec::new() }
    }

    /// Sets another width for the column at position `feature`.
    ///
    /// # Panics
    /// If that column is not one of those embedded.
    #[must_use]
    #[track_caller]
    pub fn width_of(mut self, feature: usize, width: usize) -> Self {
        let column = self.columns.iter_mut().find(|column| column.feature == feature);
        column.unwrap_or_else(|| panic!("feature {feature} is not embedded")).width = width;
        self
    }

    /// The standard deviation of the first vectors, at least 0. (Default: 0.1.)
    #[must_use]
    pub fn deviation(self, deviation: f64) -> Self {
        Self { deviation, ..self }
    }

    /// Layers for the features that are not embedded here, such as an embedding of numbers. (Default: they go on as they
    /// are.)
    ///
    /// ```
    /// use polytask::layer::Embedding;
    /// use polytask::prelude::*;
    ///
    /// let numbers = Layer::piecewise_linear(8, 4);
    /// let first = Embedding::new([(1, 30)], 6).numbers([numbers]); // of three features, the second has 30 categories
    /// let model = Model::builder(3).trunk([first]).task(Task::regression("price")).build::<f32>()?;
    /// let head = model.network().layout().block("head.price.0.weight").expect("of the head");
    /// assert_eq!(head.shape(), (2 * 4 + 6, 1));
    /// assert!(model.network().layout().block("trunk.0.numbers.0.linear").is_some());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn numbers(mut self, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        self.numbers = layers.into_iter().map(std::convert::Into::into).collect();
        self
    }
}

impl From<Embedding> for Layer {
    fn from(embedding: Embedding) -> Self {
        Self::Embedding(embedding)
    }
}

impl Embedding {
    /// Where the layer reads each column, if the settings make sense.
    fn positions(&self, context: &BuildContext<'_>) -> Result<Vec<usize>> {
        let fault = |what: String, expected: &str, found: String, advice: &str| {
            let place = format!("{what} of {}", context.name());
            Err(Error::new(ErrorKind::Setting, place, expected, found).advise(advice))
        };
        let Some(features) = context.features() else {
            let found = "what another layer computes".to_owned();
            return fault(
                "input".to_owned(),
                "features, in which indices stand",
                found,
                "put the layer first",
            );
        };
        if self.columns.is_empty() {
            let advice = "declare them with Dataset::with_index_columns or CsvReader::embed";
            return fault("columns".to_owned(), "at least 1 that holds indices", "none".to_owned(), advice);
        }
        if !(self.deviation >= 0.0 && self.deviation.is_finite()) {
            let found = self.deviation.to_string();
            return fault("deviation".to_owned(), "finite, and at least 0", found, "try 0.1");
        }
        let mut positions = Vec::with_capacity(self.columns.len());
        for &Embedded { feature, categories, width } in &self.columns {
            let what = |what: &str| format!("{what} for feature {feature}");
            match features.iter().position(|known| *known == feature) {
                None => {
                    let expected = format!("one of the {} features that it reads", features.len());
                    let advice = "features are counted from 0";
                    return fault(format!("feature {feature}"), &expected, "none".to_owned(), advice);
                }
                Some(at) if positions.contains(&at) => {
                    return fault(what("vectors"), "one table", "two".to_owned(), "name each column once");
                }
                Some(at) => positions.push(at),
            }
            if !(1..=MOST_CATEGORIES).contains(&categories) {
                let expected = format!("from 1 to {MOST_CATEGORIES}");
                return fault(what("categories"), &expected, categories.to_string(), "count the categories");
            }
            if width == 0 {
                return fault(what("width"), "at least 1", "0".to_owned(), "leave the column out instead");
            }
        }
        Ok(positions)
    }
}

impl<F: Scalar> BuildLayer<F> for Embedding {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let positions = self.positions(context)?;
        let input = context.input();
        let others: Vec<usize> = (0..input.width()).filter(|at| !positions.contains(at)).collect();
        if others.is_empty() && !self.numbers.is_empty() {
            let place = format!("layers for the numbers of {}", context.name());
            let expected = "a feature that is not embedded";
            return Err(Error::new(ErrorKind::Setting, place, expected, "none").advise("leave them out"));
        }
        let numbers = context.some_features(&others);
        let inside = context.reading(numbers, |context| {
            context.named("numbers", |context| Chain::build(&self.numbers, context))
        })?;
        let mut end = inside.output().width();
        let mut tables = Vec::with_capacity(positions.len());
        for (&Embedded { feature, categories, width }, at) in self.columns.iter().zip(positions) {
            context.index_column(feature, categories)?;
            let init = Init::Normal(self.deviation);
            let rows = context.parameter(&format!("table.{feature}"), categories + 1, width, init);
            context.begin_with_zeros(rows.range().end.saturating_sub(width)..rows.range().end);
            let columns = end..end.saturating_add(width);
            end = columns.end;
            tables.push((rows, at, columns));
        }
        let output = context.activations(end);
        let tables =
            tables.into_iter().map(|(table, index, columns)| Lookup { table, input, index, output, columns });
        Ok(Box::new(BuiltEmbedding { others, numbers, inside, tables: tables.collect(), input, output }))
    }
}

#[derive(Debug)]
struct BuiltEmbedding<F> {
    /// The columns of the input that are numbers.
    others: Vec<usize>,
    /// Those columns alone.
    numbers: ActivationBlock,
    /// Their layers.
    inside: Chain<F>,
    tables: Vec<Lookup>,
    input: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltEmbedding<F> {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut numbers) = values.pair((self.input, 0..1), (self.numbers, 0..1));
        for (x, mut numbers) in x.rows().into_iter().zip(numbers.rows_mut()) {
            numbers.iter_mut().zip(&self.others).for_each(|(to, &at)| *to = x[at]);
        }
        self.inside.forward(pass, values);
        let read = [(self.input, 0..1), (self.inside.output(), 0..1)];
        let ([x, numbers], [mut y]) = values.split(read, [(self.output, 0..1)]);
        for ((x, numbers), y) in x.rows().into_iter().zip(numbers.rows()).zip(y.rows_mut()) {
            let y = y.into_slice().expect("row-major");
            y.iter_mut().zip(numbers).for_each(|(y, &number)| *y = number);
            for table in &self.tables {
                let vectors = &pass.theta[table.table.range()];
                y[table.columns.clone()].copy_from_slice(&vectors[table.vector(x[table.index])]);
            }
        }
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let x = graph.value(self.input);
        let mut parts = Vec::new();
        if !self.others.is_empty() {
            let numbers = graph.columns_at(&x, &self.others);
            graph.set(self.numbers, numbers);
            self.inside.export(graph)?;
            parts.push(graph.value(self.inside.output()));
        }
        for table in &self.tables {
            let column = graph.columns(&x, table.index..table.index + 1);
            let index = graph.cast_to_integers(&column);
            let rows = graph.parameter(table.table);
            let vectors = graph.node_with("Gather", &[&rows, &index], &[("axis", &[0])]);
            parts.push(graph.reshape_rows(&vectors, &[table.columns.len()]));
        }
        let y = graph.side_by_side(&parts);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let lanes = 0..to.lanes;
        let (dy, mut d_numbers) =
            deltas.pair((self.output, lanes.clone()), (self.inside.output(), lanes.clone()));
        for (dy, mut to) in dy.rows().into_iter().zip(d_numbers.rows_mut()) {
            to.iter_mut().zip(dy).for_each(|(to, &dy)| *to = dy);
        }
        let target = to.target::<F>();
        self.inside.propagate(pass, values, deltas, Propagation::of_lanes(to.lanes).wanted(target.is_some()));
        let Some((into, start)) = target else { return };
        let adds = matches!(start, Accumulate::Add);
        let (d_numbers, mut dx) = deltas.pair((self.numbers, lanes), (self.input, into));
        for (from, mut dx) in d_numbers.rows().into_iter().zip(dx.rows_mut()) {
            for (&from, &at) in from.iter().zip(&self.others) {
                dx[at] = if adds { dx[at] + from } else { from };
            }
            self.tables.iter().for_each(|table| dx[table.index] = F::NAN);
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.inside.pieces().chain(self.tables.iter().map(|table| table.table.range())).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        let Some(table) = self.tables.iter().find(|table| table.table.range() == piece) else {
            let inside = self.inside.gradient(chunks, lane, piece, gradient);
            return inside.expect("the piece is of a layer inside");
        };
        gradient.fill(F::ZERO);
        table.add_gradient(chunks, lane, gradient);
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.inside.update_state(chunks, state);
    }

    fn affine(&self) -> Vec<Affine> {
        self.inside.affine().collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.inside.lookups().chain(self.tables.iter().cloned()).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.inside.branches(pass, values, record);
    }
}
