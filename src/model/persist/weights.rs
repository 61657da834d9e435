//! Parameters and running state from a file by name and shape: one of this crate, of PyTorch, or of Keras.
//!
//! ```text
//! block                              here           PyTorch                Keras
//! weight of x W + b                  in × out       [out, in], transposed  [in, out]
//! n matrices, one below the other    n·rows × cols  [n, rows, cols]        [n, rows, cols]
//! one row                            1 × n          [n]                    [n]
//! strengths α over ReLU (PReLU)      1 × n          [n], 1 − α             [n], 1 − α
//! any other                          rows × cols    [rows, cols]           [rows, cols]
//! ```
//! Matrices one below the other are those of the features (`PiecewiseLinear`, `Periodic`) and of the members of a batch ensemble;
//! [n·rows, cols] and [1, n] are read as well. No shape fits two lines of a column, but that of a square matrix, where the
//! kind of the block decides.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use ndarray::ArrayView2;

use super::Model;
use crate::layer::Special;
use crate::persist::Reader;
use crate::{Block, Error, ErrorKind, Result, Scalar, file};

/// Who wrote the file, and so how blocks lie in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Convention {
    Here,
    PyTorch,
    Keras,
}

/// How a block may lie in a file.
struct There {
    /// The shapes it may have, the usual one first.
    shapes: Vec<Vec<usize>>,
    change: Change,
}

/// What becomes of its numbers on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Nothing,
    Transposed,
    /// x to 1 − x.
    OneMinus,
}

impl Convention {
    /// How the block `name` lies in a file.
    fn of(self, name: &str, block: Block, special: Option<Special>) -> There {
        let (rows, cols) = block.shape();
        let is_weight = name.ends_with(".weight");
        let (shapes, change) = match (self, special) {
            (Self::Here, _) => (vec![vec![rows, cols]], Change::Nothing),
            (_, Some(Special::Matrices(n))) => {
                (vec![vec![n, rows / n, cols], vec![rows, cols]], Change::Nothing)
            }
            (_, Some(Special::Strengths)) => (vec![vec![cols], vec![1, cols]], Change::OneMinus),
            (Self::PyTorch, None) if is_weight => (vec![vec![cols, rows]], Change::Transposed),
            (_, None) if rows == 1 && !is_weight => (vec![vec![cols], vec![1, cols]], Change::Nothing),
            (_, None) => (vec![vec![rows, cols]], Change::Nothing),
        };
        There { shapes, change }
    }
}

impl<F: Scalar> Model<F> {
    /// Takes the parameters from a PyTorch state dict that `safetensors.torch.save_file` wrote. `name_there` is
    /// given the name of each of the model's blocks, those of the running state too, and says what it is called in the file.
    ///
    /// PyTorch's `Linear` computes `x Wᵀ + b` with a weight of out × in and a bias of out numbers; here it is `x W + b`
    /// with in × out and 1 × out. So blocks named `….weight` are transposed on the way, and all others taken as they
    /// are. A `Sequential` counts activations too: of `Linear, ReLU, Linear` the linear layers are 0 and 2, here 0
    /// and 1. The scaling of the model stays as it is.
    ///
    /// ```text
    /// here                                        PyTorch
    /// weight, bias                                Linear: weight, bias; with F.glu behind it, for Layer::gated
    /// scale, bias                                 LayerNorm, BatchNorm1d: weight, bias
    /// mean, variance (the running ones)           BatchNorm1d: running_mean, running_var; num_batches_tracked is passed over
    /// table.j, (categories + 1) × width           Embedding: weight; the last row is for what is in no category
    /// strength α, with Activation::Relu           PReLU(width): weight, the slope 1 − α
    /// weight of features or members               [n, rows, cols], not transposed
    /// ```
    /// Everything else is taken as it is, in the shape that it has here, and what has another shape is an error that names
    /// it: nothing is cut, repeated or filled up. Blocks to which `name_there` gives the same name all take that tensor: so
    /// every expert of a mixture can start from one trained layer.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use safetensors::tensor::{Dtype, TensorView, serialize};
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-twin-{}.safetensors", std::process::id()));
    /// // What Python would have saved: a `Linear(3, 2)` called `kind`.
    /// let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    /// let (weight, bias) = (bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), bytes(&[7.0, 8.0]));
    /// let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    /// let tensors = [("kind.weight", view(&[2, 3], &weight)), ("kind.bias", view(&[2], &bias))];
    /// std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
    ///
    /// let mut model = Model::builder(3).task(Task::classes("kind", 2)).build::<f32>()?;
    /// model.load_pytorch(&path, |name| name.replace("head.kind.0", "kind"))?;
    /// assert_eq!(model.parameters(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 7.0, 8.0]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load_weights`](Self::load_weights), and [`ErrorKind::File`] if this crate wrote the file.
    pub fn load_pytorch(
        &mut self,
        path: impl AsRef<Path>,
        name_there: impl Fn(&str) -> String,
    ) -> Result<()> {
        // How many batches PyTorch's running statistics are of, which nothing depends on.
        let passed_over = |name: &str| name.ends_with("num_batches_tracked");
        self.take_from(path.as_ref(), Convention::PyTorch, name_there, passed_over)
    }

    /// Takes the parameters from the weights of a Keras model, written under their paths by
    /// `safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, "model.safetensors")`. `name_there` is given
    /// the name of each of the model's blocks, those of the running state too, and says what it is called in the file.
    ///
    /// Keras multiplies as this crate does, `x W + b` with in × out, so nothing is transposed. ε is 1e-3 in its
    /// normalisations and 1e-5 here, and belongs to the settings: `LayerNorm::new().epsilon(1e-3)`. The scaling of the
    /// model stays as it is.
    ///
    /// ```text
    /// here                                        Keras
    /// weight, bias                                Dense: kernel, bias
    /// scale, bias                                 LayerNormalization, BatchNormalization: gamma, beta
    /// mean, variance (the running ones)           BatchNormalization: moving_mean, moving_variance
    /// table.j, (categories + 1) × width           Embedding: embeddings; the last row is for what is in no category
    /// strength α, with Activation::Relu           PReLU: alpha, the slope 1 − α
    /// ```
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use safetensors::tensor::{Dtype, TensorView, serialize};
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-keras-{}.safetensors", std::process::id()));
    /// // What Python would have saved: a `Dense(2, name="kind")` of 3 inputs.
    /// let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    /// let (kernel, bias) = (bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), bytes(&[7.0, 8.0]));
    /// let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    /// let tensors = [("kind/kernel", view(&[3, 2], &kernel)), ("kind/bias", view(&[2], &bias))];
    /// std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
    ///
    /// let mut model = Model::builder(3).task(Task::classes("kind", 2)).build::<f32>()?;
    /// model.load_keras(&path, |name| name.replace("head.kind.0.", "kind/").replace("weight", "kernel"))?;
    /// assert_eq!(model.parameters(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load_pytorch`](Self::load_pytorch).
    pub fn load_keras(&mut self, path: impl AsRef<Path>, name_there: impl Fn(&str) -> String) -> Result<()> {
        self.take_from(path.as_ref(), Convention::Keras, name_there, |_| false)
    }

    fn take_from(
        &mut self,
        path: &Path,
        convention: Convention,
        name_there: impl Fn(&str) -> String,
        may_be_there: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let bytes = file::read(path)?;
        let take = |reader: Reader<'_>| {
            if reader.is_ours() {
                // Where the shapes are those of the other library too, all would be taken, and much of it wrongly.
                let expected = format!("weights of {convention:?}");
                return Err(Error::new(ErrorKind::File, "header", expected, "a file of polytask")
                    .advise("take its parameters with load_weights"));
            }
            let blocks = self.network.layout().blocks().chain(self.network.state_layout().blocks());
            let names: Vec<_> = blocks.map(|(name, _)| name_there(name)).collect();
            self.blocks(&reader, &names, convention, may_be_there)
        };
        let (theta, state) =
            Reader::new(&bytes).and_then(take).map_err(|error| error.within(path.display()))?;
        (self.theta, self.state) = (theta.into(), state);
        Ok(())
    }

    /// θ and the running state from the tensors called `names`, in the order of their layouts; what else is in the file
    /// must be what `may_be_there` lets pass.
    pub(super) fn blocks(
        &self,
        reader: &Reader<'_>,
        names: &[String],
        convention: Convention,
        may_be_there: impl Fn(&str) -> bool,
    ) -> Result<(Vec<F>, Vec<F>)> {
        let (layout, state_layout) = (self.network.layout(), self.network.state_layout());
        let of_theta = (layout.blocks())
            .map(|(name, block)| (block, convention.of(name, block, self.network.special(block))));
        let of_state = state_layout.blocks().map(|(name, block)| (block, convention.of(name, block, None)));
        let blocks: Vec<(Block, There)> = of_theta.chain(of_state).collect();
        let mut faults = Faults::default();
        let mut found: Vec<(&str, Block, &There, &[usize])> = Vec::with_capacity(blocks.len());
        for (name, (block, there)) in names.iter().zip(&blocks) {
            let wanted = format!("{} {:?}", F::NAME, there.shapes[0]);
            let shape = there.shapes.iter().find(|shape| reader.has_shape(name, shape));
            match (reader.describe(name), shape) {
                (None, _) => faults.missing.push(format!("{name} {wanted}")),
                (Some(_), Some(shape)) if reader.is_within::<F>(name) => {
                    found.push((name, *block, there, shape));
                }
                (Some(found), shape) => {
                    faults.misshapen.push(format!("{name} {found} instead of {wanted}"));
                    let is_float = reader.is_within::<f32>(name) || reader.is_within::<f64>(name);
                    faults.are_of_other_precision |= is_float && !reader.is_within::<F>(name);
                    faults.are_no_floats |= !is_float;
                    faults.are_of_other_shapes |= shape.is_none();
                }
            }
        }
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        let extra = reader.names().filter(|name| !known.contains(name) && !may_be_there(name));
        faults
            .extra
            .extend(extra.map(|name| format!("{name} {}", reader.describe(name).unwrap_or_default())));
        faults.check::<F>(names.len(), convention, reader.is_ours())?;
        // Only now is it certain that the file has as many numbers as θ and the state.
        let (mut theta, mut state) = (vec![F::ZERO; layout.len()], vec![F::ZERO; state_layout.len()]);
        for (i, (name, block, there, shape)) in found.into_iter().enumerate() {
            let to = if i < layout.blocks().len() { &mut theta } else { &mut state };
            let numbers: Vec<F> = reader.tensor(name, shape)?;
            match there.change {
                Change::Nothing => to[block.range()].copy_from_slice(&numbers),
                Change::OneMinus => {
                    block.of_mut(to).iter_mut().zip(numbers).for_each(|(to, x)| *to = F::ONE - x)
                }
                Change::Transposed => {
                    let there = ArrayView2::from_shape((shape[0], shape[1]), &numbers);
                    block.of_mut(to).assign(&there.expect("as many numbers as the shape says").t());
                }
            }
        }
        self.check_numbers(&theta, &state)?;
        Ok((theta, state))
    }
}

/// All that keeps a file from fitting a model.
#[derive(Default)]
struct Faults {
    missing: Vec<String>,
    extra: Vec<String>,
    misshapen: Vec<String>,
    are_of_other_shapes: bool,
    are_of_other_precision: bool,
    are_no_floats: bool,
}

impl Faults {
    fn check<F: Scalar>(self, n_blocks: usize, convention: Convention, is_ours: bool) -> Result<()> {
        let has_other_names = !(self.missing.is_empty() && self.extra.is_empty());
        let mut found = String::new();
        for (what, list) in
            [("missing", self.missing), ("too many", self.extra), ("misshapen", self.misshapen)]
        {
            if !list.is_empty() {
                let _ = write!(found, "\n  {what}: {}", list.join(", "));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let other = if F::NAME == "f32" { "f64" } else { "f32" };
        let (is_here, of_other_shapes) = (convention == Convention::Here, self.are_of_other_shapes);
        let advice = [
            (
                is_here && is_ours && (has_other_names || of_other_shapes),
                "only a model of the same layers and tasks has these blocks",
            ),
            (is_here && !is_ours, "weights of PyTorch and Keras are taken with load_pytorch and load_keras"),
            (!is_here && has_other_names, "let `name_there` say what each block is called in the file"),
            (
                !is_here && of_other_shapes,
                "build layers of the sizes of those in the file; load_pytorch and load_keras say how each block is stored",
            ),
            (
                self.are_of_other_precision,
                &format!("read a file of {other} into a Model::<{other}>, and cast that"),
            ),
            (self.are_no_floats, &format!("write the numbers as {}", F::NAME)),
        ];
        let due: Vec<&str> = advice.into_iter().filter(|(is_due, _)| *is_due).map(|(_, text)| text).collect();
        let expected = format!("the {n_blocks} blocks of the model");
        Err(Error::new(ErrorKind::Shape, "tensors", expected, found).advise(due.join("; ")))
    }
}
