//! A stem: layers between the features and a sharing form, whose output every part of the form reads.
//!
//! ```text
//! forward     s = stem(x)                      experts, gates and trunks of the form read s where they would read x
//! backward    ds = the sum of what they send   one sum, or a lane for each task
//!             dx = what the stem sends back
//! ```
//! All tasks share the stem, so it takes part where gradients of tasks are compared, whatever the form. There, lane k of ds
//! is the part of task k: layers that several tasks share send all lanes at once, and those of one task add to its lane
//! ([`Propagation::of_task`]).

use super::{BuildSharing, BuiltSharing, Piece, Representation, Sharing};
use crate::arena::{Arena, Chunk};
use crate::layer::{Affine, BuildContext, BuiltLayer, Chain, Layer, Lookup, Pass, Propagation};
use crate::penalty::PenaltyFunction;
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of a stem: layers that all tasks share, and the sharing form that reads what they compute.
///
/// With a stem there is one table of vectors, which every expert, gate and trunk reads; without one each of them would need
/// a table of its own, since none can read an index as a quantity. The layers' parameters are `stem.0.weight`, … . All tasks
/// share them, also in front of a form that shares nothing by itself.
///
/// ```
/// use polytask::ndarray::Array2;
/// use polytask::prelude::*;
///
/// // Of three features, the second is the index of one of 40 categories.
/// let x = Array2::from_shape_fn((200, 3), |(i, j)| if j == 1 { (i % 40) as f64 } else { (i * (j + 2)) as f64 * 0.01 });
/// let y = Array2::from_shape_fn((200, 2), |(i, k)| (x[[i, 1]] * 0.7 + k as f64).sin() + 0.1 * x[[i, 0]]);
/// let data = Dataset::new(x, y)?.with_index_columns([("x1", 40)])?;
///
/// let form = Sharing::cgc(2, 1, [Layer::dense(8, Activation::Relu)]);
/// let sharing = form.with_stem([Layer::embedding(data.index_columns(), 4)]);
/// let builder = Model::builder(3).sharing(sharing).task(Task::regression("y0")).task(Task::regression("y1"));
/// let mut model = builder.standardize().build::<f64>()?;
/// let shape = |name| model.network().layout().block(name).expect("of the form").shape();
/// assert_eq!(shape("stem.0.table.1"), (40 + 1, 4));
/// assert_eq!(shape("level.0.gate.y0.0.weight"), (2 + 4, 2 + 1)); // two numbers and a vector; three experts
/// model.fit_scaling(&data)?;
/// let checks = model.check_gradients(&data.batch(&[0, 1, 2, 3, 4, 45]))?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Stem {
    layers: Vec<Layer>,
    form: Box<Sharing>,
}

impl Stem {
    /// These layers, at least one, in front of a form. If the form has a stem already, the two become one.
    pub fn new(layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>, form: Sharing) -> Self {
        let mut layers: Vec<Layer> = layers.into_iter().map(std::convert::Into::into).collect();
        match form {
            Sharing::Stem(stem) => {
                layers.extend(stem.layers);
                Self { layers, form: stem.form }
            }
            form => Self { layers, form: Box::new(form) },
        }
    }

    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltStem<F>> {
        if self.layers.is_empty() {
            return Err(Error::new(ErrorKind::Setting, "layers of a stem", "at least 1", 0)
                .advise("without any, use the sharing form by itself"));
        }
        let stem = context.named("stem", |context| Chain::build(&self.layers, context))?;
        let form = context.reading(stem.output(), |context| self.form.build(tasks, context))?;
        Ok(BuiltStem { stem, form })
    }
}

impl From<Stem> for Sharing {
    fn from(stem: Stem) -> Self {
        Self::Stem(stem)
    }
}

#[derive(Debug)]
pub(super) struct BuiltStem<F> {
    stem: Chain<F>,
    form: Box<dyn BuiltSharing<F>>,
}

impl<F: Scalar> BuiltSharing<F> for BuiltStem<F> {
    fn representation(&self, task: usize) -> Representation {
        self.form.representation(task)
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.stem.forward(pass, values);
        self.form.forward(pass, values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.stem.export(graph)?;
        self.form.export(graph)
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.form.propagate(pass, values, deltas, Propagation::of_lanes(to.lanes));
        self.stem.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<Piece> {
        let stem = self.stem.pieces().map(|range| Piece { range, owner: None });
        stem.chain(self.form.pieces()).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        if self.stem.gradient(chunks, lane, piece.range.clone(), gradient).is_none() {
            self.form.gradient(chunks, lane, piece, gradient);
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.stem.update_state(chunks, state);
        self.form.update_state(chunks, state);
    }

    fn affine(&self) -> Vec<Affine> {
        self.stem.affine().chain(self.form.affine()).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.stem.lookups().chain(self.form.lookups()).collect()
    }

    fn penalties(&self) -> Vec<Box<dyn PenaltyFunction<F>>> {
        self.form.penalties()
    }

    fn last_layer(&self) -> Option<&dyn BuiltLayer<F>> {
        // Where a form has no layer, the stem's last one writes what all tasks read.
        let is_bare = self.form.representation(0).activations == self.stem.output();
        if is_bare { self.stem.last() } else { self.form.last_layer() }
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.stem.branches(pass, values, record);
        self.form.branches(pass, values, record);
    }
}
