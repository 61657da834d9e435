//! Where a layer is being built: it takes the addresses it needs.

use crate::arena::{ActivationBlock, ActivationLayout, ChunkNumbers};
use crate::{Block, Error, ErrorKind, Init, Layout, Result};

/// What a network is built into: its tables of contents, and first values.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    pub(crate) parameters: Layout,
    pub(crate) parameter_inits: Vec<(Block, Init)>,
    pub(crate) state: Layout,
    pub(crate) state_inits: Vec<(Block, Init)>,
    pub(crate) activations: ActivationLayout,
    /// How many layers draw at random.
    pub(crate) n_streams: u64,
}

/// Where a layer is being built: it hands out the addresses that the layer needs.
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
    /// The blocks of a layer are neighbours in θ, in the order in which they are taken.
    ///
    /// # Panics
    /// If the layer has a block of that name.
    #[track_caller]
    pub fn parameter(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let block = self.layouts.parameters.push(format!("{}.{name}", self.name), rows, cols);
        self.layouts.parameter_inits.push((block, init));
        block
    }

    /// A new block of running state, `rows × cols`, named `<layer>.<name>`: numbers that a layer keeps from step to
    /// step and that no gradient reaches. It addresses [`Pass::state`](super::Pass::state).
    ///
    /// # Panics
    /// If the layer has state of that name.
    #[track_caller]
    pub fn state(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Block {
        let block = self.layouts.state.push(format!("{}.{name}", self.name), rows, cols);
        self.layouts.state_inits.push((block, init));
        block
    }

    /// New activations, `width` numbers per row: the layer's output, or something kept for backward.
    pub fn activations(&mut self, width: usize) -> ActivationBlock {
        self.layouts.activations.activations(width)
    }

    /// `n` numbers that the layer keeps once for each chunk of rows, such as the means of a batch.
    pub fn chunk_numbers(&mut self, n: usize) -> ChunkNumbers {
        self.layouts.activations.chunk_numbers(n)
    }

    /// Keeps all rows of a batch in one chunk, for a layer whose output in one row depends on other rows.
    pub fn couple_rows(&mut self) {
        self.layouts.activations.couple_rows();
    }

    /// A stream of random numbers of the layer's own, by the number that
    /// [`Draw::generator`](super::Draw::generator) takes.
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

    /// Builds a part that reads `input` instead: what a second part reads of the first, as in
    /// [`Chain::build`](super::Chain::build).
    pub fn reading<T>(
        &mut self,
        input: ActivationBlock,
        build: impl FnOnce(&mut BuildContext<'_>) -> T,
    ) -> T {
        let name = self.name.clone();
        build(&mut self.renamed(name, input))
    }

    fn renamed(&mut self, name: String, input: ActivationBlock) -> BuildContext<'_> {
        BuildContext { layouts: self.layouts, name, input, most_numbers: self.most_numbers }
    }

    /// Fails once more parameters, or more state, have been taken than the network may have.
    pub(crate) fn check_size(&self) -> Result<()> {
        let Layouts { parameters, state, .. } = &self.layouts;
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
