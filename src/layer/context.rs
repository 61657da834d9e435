//! What a layer gets while it is built: the addresses it needs.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::arena::{ActivationBlock, ActivationLayout, ChunkNumbers};
use crate::{Block, Error, ErrorKind, Init, Layout, Result};

/// What a layer of a chain has taken.
#[derive(Clone, Debug)]
pub(crate) struct LayerRecord {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// The widths of what it reads and writes.
    pub(crate) shape: (usize, usize),
    /// Where its parameters are in θ.
    pub(crate) parameters: Range<usize>,
    /// Numbers of running state.
    pub(crate) n_state: usize,
    /// Numbers of activations per row, padding included.
    pub(crate) row_len: usize,
}

/// Edges of bins, to be taken from the rows that a model is first fitted on.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles {
    /// In the running state, `features × bins + 1`.
    pub(crate) edges: Block,
    /// The feature of each row.
    pub(crate) features: Vec<usize>,
}

/// What a block of parameters is, where other libraries do not keep it as one matrix or row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Special {
    /// This many matrices, one below the other.
    Matrices(usize),
    /// Strengths α where others keep slopes, 1 − α.
    Strengths,
}

/// How a block gets its first values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstValues {
    pub(crate) block: Block,
    pub(crate) init: Init,
    /// How many matrices are in the block, one below the other, each drawn by itself.
    pub(crate) n_matrices: usize,
}

/// What a network is built into: its tables of contents, and first values.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    pub(crate) parameters: Layout,
    pub(crate) parameter_inits: Vec<FirstValues>,
    pub(crate) state: Layout,
    pub(crate) state_inits: Vec<FirstValues>,
    /// The blocks of parameters that other libraries keep in another form than their shape says.
    pub(crate) special: Vec<(Block, Special)>,
    /// The blocks of state that are never negative, such as variances.
    pub(crate) non_negative_state: Vec<Block>,
    pub(crate) activations: ActivationLayout,
    /// The fewest rows that a training batch may have.
    pub(crate) least_rows: usize,
    /// Whether a batch must not be divided into parts.
    pub(crate) needs_whole_batches: bool,
    /// Activations that hold features as they are, and which: those that the network reads first.
    pub(crate) features: Vec<(ActivationBlock, Vec<usize>)>,
    /// The features that are indices, and their numbers of categories.
    pub(crate) index_columns: BTreeMap<usize, usize>,
    /// The layers that treat what they read as quantities, with what they read.
    pub(crate) readers: Vec<(String, ActivationBlock)>,
    /// Parameters that are 0 at first, whatever is drawn for their block.
    pub(crate) zeros: Vec<Range<usize>>,
    /// Edges of bins that lie between quantiles of features.
    pub(crate) quantiles: Vec<Quantiles>,
    /// The layers of all chains.
    pub(crate) layers: Vec<LayerRecord>,
    /// The first name that two blocks have.
    pub(crate) clash: Option<String>,
    /// How many layers draw at random.
    pub(crate) n_streams: u64,
    /// How many members of the network see every row, each in a row of its own: 1, unless it is an ensemble.
    pub(crate) members: usize,
    /// Activations that are the same for all members.
    pub(crate) same_for_members: Vec<ActivationBlock>,
}

/// The context a layer is built in: it hands out the addresses that the layer needs.
///
/// ```
/// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Dense};
/// use polytask::prelude::*;
/// use polytask::{Result, Scalar};
///
/// /// A dense layer half as wide as what it reads.
/// #[derive(Debug)]
/// struct Half;
///
/// impl<F: Scalar> BuildLayer<F> for Half {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         assert!(context.name().starts_with("trunk."));
///         let dense = Dense::new(context.input().width() / 2, Activation::Relu);
///         context.named("half", |context| dense.build(context))
///     }
/// }
///
/// let layers = [Layer::custom(Half), Layer::custom(Half)];
/// let model = Model::builder(8).trunk(layers).task(Task::regression("price")).build::<f64>()?;
/// let block = model.network().layout().block("trunk.1.half.weight").expect("of the second");
/// assert_eq!(block.shape(), (4, 2));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct BuildContext<'a> {
    pub(crate) layouts: &'a mut Layouts,
    /// What the names of the layer's parameters begin with, such as `trunk.0`.
    pub(crate) name: String,
    pub(crate) input: ActivationBlock,
    /// How many numbers the parameters and the state of the network may have.
    pub(crate) most_numbers: usize,
}

impl BuildContext<'_> {
    /// The activations that the layer reads.
    pub fn input(&self) -> ActivationBlock {
        self.input
    }

    /// Where the layer is, for messages: `trunk.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new block of parameters, `rows × cols`, named `<layer>.<name>`.
    ///
    /// The blocks of a layer are neighbours in θ, in the order in which they are taken. A second block of the same name,
    /// such as where a task is called `a.0` and a layer of task `a` has layers of its own, is an error when the network is
    /// built.
    pub fn parameter(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let name = format!("{}.{name}", self.name);
        let block = push(&mut self.layouts.parameters, &mut self.layouts.clash, name, rows, cols);
        self.layouts.parameter_inits.push(FirstValues { block, init, n_matrices: 1 });
        block
    }

    /// A new block of `n` matrices of parameters, `rows × cols` each, one below the other and each with first values of its
    /// own.
    pub(super) fn repeated_parameter(
        &mut self,
        name: &str,
        n: usize,
        (rows, cols): (usize, usize),
        init: Init,
    ) -> Block {
        let block = self.parameter(name, n.saturating_mul(rows), cols, init);
        self.layouts.parameter_inits.last_mut().expect("just pushed").n_matrices = n;
        self.is_special(block, Special::Matrices(n));
        block
    }

    /// Declares what a block of parameters is, for files of other libraries.
    pub(super) fn is_special(&mut self, block: Block, special: Special) {
        self.layouts.special.push((block, special));
    }

    /// How many members of an ensemble see every row: 1 in a network that is not an ensemble.
    pub(super) fn members(&self) -> usize {
        self.layouts.members
    }

    /// Whether what the layer reads is the same for all members of an ensemble.
    pub(super) fn reads_same_for_members(&self) -> bool {
        self.layouts.same_for_members.contains(&self.input)
    }

    /// A new block of running state, `rows × cols`, named `<layer>.<name>`: numbers that a layer keeps from step to
    /// step and that no gradient reaches. It addresses [`Pass::state`](super::Pass::state).
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena, Chunk, ChunkNumbers};
    /// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Mode, Pass, Propagation};
    /// use polytask::{Block, Result, Scalar, prelude::*, train::Checkpoints};
    ///
    /// /// `y = x − μ`, `dx = dy − mean(dy)` with the batch's means μ; in prediction, with their running means.
    /// #[derive(Debug)]
    /// struct Centre;
    /// #[derive(Debug)]
    /// struct Built { input: ActivationBlock, output: ActivationBlock, means: ChunkNumbers, running: Block }
    ///
    /// impl<F: Scalar> BuildLayer<F> for Centre {
    ///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
    ///         context.couple_rows(); // a mean is of all rows
    ///         let (input, n) = (context.input(), context.input().width());
    ///         let (output, means) = (context.activations(n), context.chunk_numbers(n));
    ///         Ok(Box::new(Built { input, output, means, running: context.state("mean", 1, n, Init::Zeros) }))
    ///     }
    /// }
    ///
    /// impl<F: Scalar> BuiltLayer<F> for Built {
    ///     fn output(&self) -> ActivationBlock { self.output }
    ///     fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
    ///         let (n, running) = (F::from_f64(values.rows() as f64), &pass.state[self.running.range()]);
    ///         let (x, mut y, means) = values.pair_and_numbers(self.input, self.output, self.means);
    ///         for (j, (x, mut y)) in x.columns().into_iter().zip(y.columns_mut()).enumerate() {
    ///             means[j] = if pass.mode == Mode::Train { x.sum() / n } else { running[j] };
    ///             y.zip_mut_with(&x, |y, &x| *y = x - means[j]);
    ///         }
    ///     }
    ///     fn propagate(&self, pass: &Pass<'_, F>, _: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
    ///         let n = F::from_f64(deltas.rows() as f64);
    ///         to.columnwise(deltas, self.output, self.input, |_column, mut dx| {
    ///             let mean = if pass.mode == Mode::Train { dx.sum() / n } else { F::ZERO };
    ///             dx.mapv_inplace(|dy| dy - mean);
    ///         });
    ///     }
    ///     fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
    ///         let means = chunks[0].values.numbers(self.means, 0);
    ///         let running = state[self.running.range()].iter_mut();
    ///         running.zip(means).for_each(|(running, &mean)| *running += F::from_f64(0.1) * (mean - *running));
    ///     }
    /// }
    ///
    /// let builder = Model::builder(10).trunk([Layer::custom(Centre)]).task(Task::regression("elbow"));
    /// let (data, mut model) = (datasets::robot_arm::<f64>(60, 0.05, 1), builder.build::<f64>()?);
    /// let checks = model.check_gradients(&data.batch(&[0, 1, 2, 3]))?; // leaves the state alone
    /// assert!(checks.passed() && model.state() == [0.0; 10], "{checks}");
    /// # let folder = std::env::temp_dir().join(format!("polytask-state-{}", std::process::id()));
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).steps(8);
    /// trainer.fit(&mut model, &data)?;
    /// let kept = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
    /// kept.clone().steps(5).fit(&mut builder.build::<f64>()?, &data)?; // the same, broken off after 5 steps
    /// let [mut resumed, mut loaded] = [builder.clone().seed(1).build::<f64>()?, builder.build()?];
    /// kept.fit(&mut resumed, &data)?;
    /// resumed.save(folder.join("model"))?; // the file has the layer's numbers, not its code
    /// loaded.load_weights(folder.join("model"))?;
    /// assert_eq!((loaded.parameters(), loaded.state()), (model.parameters(), model.state()));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// A second block of state of the same name is an error when the network is built.
    pub fn state(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let name = format!("{}.{name}", self.name);
        let block = push(&mut self.layouts.state, &mut self.layouts.clash, name, rows, cols);
        self.layouts.state_inits.push(FirstValues { block, init, n_matrices: 1 });
        block
    }

    /// [State](Self::state) of which no number is ever negative, such as variances: a file with such a number is refused.
    pub fn non_negative_state(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let block = self.state(name, rows, cols, init);
        self.layouts.non_negative_state.push(block);
        block
    }

    /// State for the edges of `bins` bins for each feature that the layer reads, `features × bins + 1`: quantiles of the
    /// rows that the model is first fitted on. `None` if it does not read features as they are.
    pub(super) fn quantiles_of_features(&mut self, bins: usize) -> Option<Block> {
        let features = self.features()?.to_vec();
        let edges = self.state("edges", features.len(), bins + 1, Init::Zeros);
        self.layouts.quantiles.push(Quantiles { edges, features });
        Some(edges)
    }

    /// Which features the layer reads, by position, if it reads features as they are.
    pub(super) fn features(&self) -> Option<&[usize]> {
        let known = self.layouts.features.iter().find(|(activations, _)| *activations == self.input);
        known.map(|(_, features)| features.as_slice())
    }

    /// Activations for a copy of some of the features that the layer reads, by their positions there.
    pub(super) fn some_features(&mut self, positions: &[usize]) -> ActivationBlock {
        let features = self.features().expect("the layer reads features");
        let features = positions.iter().map(|&at| features[at]).collect();
        let activations = self.activations(positions.len());
        self.layouts.features.push((activations, features));
        activations
    }

    /// Declares a feature an index of one of `n` categories.
    pub(super) fn index_column(&mut self, feature: usize, n: usize) -> Result<()> {
        match self.layouts.index_columns.insert(feature, n) {
            Some(other) if other != n => {
                let place = format!("categories for feature {feature} of {}", self.name);
                let expected = format!("{other}, as in another layer that embeds it");
                Err(Error::new(ErrorKind::Setting, place, expected, n))
            }
            _ => Ok(()),
        }
    }

    /// Sets these parameters to 0 at first, whatever is drawn for their block.
    pub(super) fn begin_with_zeros(&mut self, parameters: Range<usize>) {
        self.layouts.zeros.push(parameters);
    }

    /// New activations, `width` numbers per row: the layer's output, or something kept for backward.
    pub fn activations(&mut self, width: usize) -> ActivationBlock {
        self.layouts.activations.activations(width)
    }

    /// `n` numbers that the layer keeps per chunk of rows, such as the means of a batch.
    pub fn chunk_numbers(&mut self, n: usize) -> ChunkNumbers {
        self.layouts.activations.chunk_numbers(n)
    }

    /// Keeps all rows of a batch in one chunk, for a layer whose output for one row depends on other rows.
    pub fn couple_rows(&mut self) {
        self.layouts.activations.couple_rows();
    }

    /// Makes a training batch of fewer rows an error, for a layer that takes statistics of the batch.
    pub fn require_rows(&mut self, least: usize) {
        self.layouts.least_rows = self.layouts.least_rows.max(least);
    }

    /// Makes [accumulation](crate::Trainer::accumulate) an error, for a layer whose output depends on all rows of a batch.
    pub fn require_whole_batches(&mut self) {
        self.layouts.needs_whole_batches = true;
    }

    /// A stream of random numbers for this layer alone, to be passed to
    /// [`Draw::generator`](super::Draw::generator).
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena};
    /// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Mode, Pass, Propagation};
    /// use polytask::{Result, Scalar, prelude::*, train::Checkpoints};
    /// use rand::RngExt;
    ///
    /// /// `y = u ∘ x`, where each u is uniform in (0.5, 1.5) in training, and 1 in prediction.
    /// #[derive(Debug)]
    /// struct Noise;
    /// #[derive(Debug)]
    /// struct Built { stream: u64, input: ActivationBlock, factors: ActivationBlock, output: ActivationBlock }
    ///
    /// impl<F: Scalar> BuildLayer<F> for Noise {
    ///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
    ///         let (stream, input) = (context.random_stream(), context.input());
    ///         let (factors, output) = (context.activations(input.width()), context.activations(input.width()));
    ///         Ok(Box::new(Built { stream, input, factors, output }))
    ///     }
    /// }
    ///
    /// impl<F: Scalar> BuiltLayer<F> for Built {
    ///     fn output(&self) -> ActivationBlock { self.output }
    ///     fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
    ///         let first_row = values.first_row();
    ///         for (i, row) in values.rows_mut(self.factors).enumerate() {
    ///             let mut random = pass.draw.generator(self.stream, first_row + i);
    ///             row.fill_with(|| match pass.mode {
    ///                 Mode::Train => F::from_f64(0.5 + random.random::<f64>()),
    ///                 Mode::Predict => F::ONE,
    ///             });
    ///         }
    ///         let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
    ///         y.assign(&x);
    ///         let (u, mut y) = values.pair((self.factors, 0..1), (self.output, 0..1));
    ///         y *= &u;
    ///     }
    ///     /// dx = u ∘ dy
    ///     fn propagate(&self, _: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
    ///         let u = values.get(self.factors);
    ///         to.entrywise(deltas, self.output, self.input, |row, column, dy| u[[row, column]] * dy);
    ///     }
    /// }
    ///
    /// let builder = Model::builder(10).trunk([Layer::custom(Noise)]).task(Task::regression("elbow"));
    /// let (data, mut model) = (datasets::robot_arm::<f64>(60, 0.05, 1), builder.build::<f64>()?);
    /// let checks = model.check_gradients(&data.batch(&[0, 1, 2, 3]))?; // with the same factors throughout
    /// assert!(checks.passed(), "{checks}");
    ///
    /// # let folder = std::env::temp_dir().join(format!("polytask-draw-{}", std::process::id()));
    /// let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).steps(8);
    /// trainer.fit(&mut model, &data)?;
    /// let kept = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
    /// kept.clone().steps(5).fit(&mut builder.build::<f64>()?, &data)?; // the same, broken off after 5 steps
    /// let [mut resumed, mut loaded] = [builder.clone().seed(1).build::<f64>()?, builder.build()?];
    /// kept.fit(&mut resumed, &data)?; // draws what was drawn without the break
    /// resumed.save(folder.join("model"))?; // the file has the network's numbers, not the layer's code
    /// loaded.load_weights(folder.join("model"))?;
    /// assert_eq!(loaded.parameters(), model.parameters());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn random_stream(&mut self) -> u64 {
        self.layouts.n_streams += 1;
        self.layouts.n_streams - 1
    }

    /// Ends the parameters that all tasks share: those to come belong to one task each. A
    /// [sharing form](crate::sharing::BuiltSharing) calls it once, a layer never.
    ///
    /// # Panics
    /// If it was called before.
    #[track_caller]
    pub fn end_shared(&mut self) {
        self.layouts.parameters.end_shared();
    }

    /// Builds a part whose names begin with this layer's name and `name`, from the same input: `trunk.0.half.weight`.
    pub fn named<T>(&mut self, name: &str, build: impl FnOnce(&mut BuildContext<'_>) -> T) -> T {
        let name = if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) };
        build(&mut self.renamed(name, self.input))
    }

    /// Builds a part that reads `input` instead, such as the output of a first part, as in
    /// [`Chain::build`](super::Chain::build).
    pub fn reading<T>(
        &mut self,
        input: ActivationBlock,
        build: impl FnOnce(&mut BuildContext<'_>) -> T,
    ) -> T {
        let name = self.name.clone();
        build(&mut self.renamed(name, input))
    }

    /// Builds a layer, and records what it has taken as one, whatever layers it is made of.
    pub(super) fn recorded<T>(
        &mut self,
        layer: (&str, &'static str),
        build: impl FnOnce(&mut BuildContext<'_>) -> Result<T>,
        output: impl FnOnce(&T) -> ActivationBlock,
    ) -> Result<T> {
        let taken = |layouts: &Layouts| {
            (
                layouts.parameters.len(),
                layouts.state.len(),
                layouts.activations.row_len(),
                layouts.layers.len(),
            )
        };
        let (parameters, state, row_len, n_layers) = taken(self.layouts);
        let n_blocks = self.layouts.parameter_inits.len();
        let built = self.named(layer.0, build)?;
        let output = output(&built);
        let has_member_parameters =
            self.layouts.parameter_inits[n_blocks..].iter().any(|first| first.n_matrices > 1);
        if self.reads_same_for_members() && !has_member_parameters {
            self.layouts.same_for_members.push(output);
        }
        let name =
            if self.name.is_empty() { layer.0.to_owned() } else { format!("{}.{}", self.name, layer.0) };
        let after = taken(self.layouts);
        if !matches!(layer.1, "embedding" | "custom") {
            self.layouts.readers.push((name.clone(), self.input));
        }
        let record = LayerRecord {
            name,
            kind: layer.1,
            shape: (self.input.width(), output.width()),
            parameters: parameters..after.0,
            n_state: after.1 - state,
            row_len: after.2 - row_len,
        };
        self.layouts.layers.truncate(n_layers);
        self.layouts.layers.push(record);
        Ok(built)
    }

    fn renamed(&mut self, name: String, input: ActivationBlock) -> BuildContext<'_> {
        BuildContext { layouts: self.layouts, name, input, most_numbers: self.most_numbers }
    }

    /// Fails if more parameters, or more state, have been reserved than the network may have, or two blocks have one name.
    pub(crate) fn check_blocks(&self) -> Result<()> {
        let Layouts { parameters, state, clash, .. } = &self.layouts;
        if let Some(name) = clash {
            return Err(Error::new(ErrorKind::Name, "blocks", "names that differ", format!("{name} twice"))
                .advise("give the tasks names of which none begins with another and a dot"));
        }
        for (what, len) in [("parameters", parameters.len()), ("running state", state.len())] {
            if len > self.most_numbers {
                let place = format!("{what} up to {}", self.name);
                let expected = format!("at most {}", self.most_numbers);
                return Err(Error::new(ErrorKind::Setting, place, expected, len));
            }
        }
        Ok(())
    }
}

impl Layouts {
    /// Fails if a layer takes indices of categories for quantities.
    pub(crate) fn check_readers(&self) -> Result<()> {
        for (name, input) in &self.readers {
            let known = self.features.iter().find(|(activations, _)| activations == input);
            let features = known.map_or(&[][..], |(_, features)| features);
            if let Some(index) = features.iter().find(|feature| self.index_columns.contains_key(feature)) {
                let expected = format!("no index of a category, but feature {index} is one to another layer");
                return Err(Error::new(
                    ErrorKind::Setting,
                    format!("input of {name}"),
                    expected,
                    "all features",
                )
                .advise(
                    "begin every trunk, expert, gate and head that reads features with Layer::embedding, or put it before all \
                     of them with Sharing::with_stem",
                ));
            }
        }
        Ok(())
    }
}

/// Adds a block; if there is one of that name, uses another name and notes the clash.
fn push(layout: &mut Layout, clash: &mut Option<String>, name: String, rows: usize, cols: usize) -> Block {
    if layout.block(&name).is_none() {
        return layout.push(name, rows, cols);
    }
    let other = format!("{name} ({})", layout.blocks().len());
    clash.get_or_insert(name);
    layout.push(other, rows, cols)
}
