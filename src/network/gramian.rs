//! The Gramian of the tasks' gradients, computed in whichever form costs least.
//!
//! For an affine layer `Z = X W + 1 bᵀ` with inputs X (B × I) and task deltas Dₖ (B × O), one lane per task,
//! there are two ways to compute the Gramian:
//!
//! ```text
//! direct    Jₖ = Xᵀ Dₖ                         K products, kept
//!           G[k, l] += ⟨Jₖ, Jₗ⟩
//!           then with the weights:  Σₖ wₖ Jₖ    one pass
//!
//! Gram      Mₗ = (X Xᵀ + 1 1ᵀ) Dₗ              over all rows of the batch; no gradient is formed
//!           G[k, l] += ⟨Mₗ, Dₖ⟩                because ⟨Xᵀ Dₖ, Xᵀ Dₗ⟩ = tr(Dₖᵀ X Xᵀ Dₗ)
//!           then with the weights:  Xᵀ Σₖ wₖ Dₖ   one product
//! ```
//! For a table of vectors E (N × d) that a layer looks up by the indices i, `Y = E[i]`, and C, the indices in the batch:
//!
//! ```text
//! direct    Jₖ[c] = Σ of Dₖ[b] over the b with i[b] = c, 0 for all other c; then as above
//!
//! sums      Sₖ[c] as Jₖ[c], for the c in C alone         K × |C| × d, however large N is
//!           G[k, l] += ⟨Sₖ, Sₗ⟩                           because pairs of rows with one index are all that meet:
//!                                                        ⟨Jₖ, Jₗ⟩ = Σ of ⟨Dₖ[a], Dₗ[b]⟩ over the a, b with i[a] = i[b]
//!           then with the weights:  Σ over b of Σₖ wₖ Dₖ[b], added to row i[b]
//! ```
//! None needs a second sweep once the weights are known. [`costs`] tells which is cheaper. A layer with neither an
//! affine map nor a table takes the direct way. G is accumulated in f64; its error is that of the gradients, or of M, in
//! the scalar type. A third way, in [`sketch`], is cheaper and random.

use ndarray::ArrayView2;

use super::comparison::{Form, Share, Work, row_scratch};
use super::costs::{self, Shapes};
use super::stage::Wanted;
use super::trace::Trace;
use super::{Network, sketch};
use crate::GramianScope;
use crate::arena::Chunk;
use crate::kernel::{self, Accumulate};
use crate::layer::{Affine, Lookup, Pass};
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Network<F> {
    /// The K × K Gramian of the tasks' gradients with respect to the shared parameters,
    /// `G[k, l] = ⟨∇ₖ, ∇ₗ⟩`, accumulated in f64. [`backward`](Self::backward) then needs no second sweep.
    ///
    /// # Panics
    /// If the losses of the batch have not been computed.
    #[track_caller]
    pub fn gramian<'t>(&self, pass: &Pass<'_, F>, trace: &'t mut Trace<F>) -> ArrayView2<'t, f64> {
        self.gramian_over(GramianScope::SharedParameters, pass, trace)
    }

    /// The K × K Gramian of the tasks' gradients, computed over what `over` says.
    ///
    /// ```
    /// use polytask::GramianScope;
    /// use polytask::layer::Mode;
    /// use polytask::prelude::*;
    ///
    /// # let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// # let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
    /// # let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow"));
    /// # let model = builder.build::<f64>()?;
    /// let (network, pass, mut trace) = (model.network(), model.pass(Mode::Train), model.trace(50));
    /// model.forward(&data.all(), &mut trace)?;
    /// network.check_over(GramianScope::Representation)?;
    /// let cheap = network.gramian_over(GramianScope::Representation, &pass, &mut trace).to_owned();
    /// let exact = network.gramian(&pass, &mut trace).to_owned();
    /// let jacobian = network.task_gradients(&pass, &mut trace).to_owned(); // J, 2 × n_shared
    /// let difference = &exact - &jacobian.dot(&jacobian.t());             // G = J Jᵀ
    /// assert!(difference.iter().all(|d| d.abs() < 1e-9) && exact != cheap);
    ///
    /// let own = vec![0.0; network.layout().n_shared()];
    /// let mut gradient = vec![1.0; model.n_parameters()];
    /// network.backward_along(&pass, &mut trace, &own, &[0.0, 0.0], &mut gradient);
    /// assert!(gradient.iter().all(|g| *g == 0.0));                     // every entry was written
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the losses of the batch have not been computed, or [`check_over`](Self::check_over) is an error.
    #[track_caller]
    pub fn gramian_over<'t>(
        &self,
        over: GramianScope,
        pass: &Pass<'_, F>,
        trace: &'t mut Trace<F>,
    ) -> ArrayView2<'t, f64> {
        if trace.comparison.known != Some(over) {
            self.reserve_shares(over, trace);
            self.advance(pass, trace, Wanted::Gramian(over));
        }
        trace.comparison.gramian.view()
    }

    /// Computes the Gramian from the lanes of deltas.
    pub(super) fn compare(&self, over: GramianScope, trace: &mut Trace<F>) {
        self.reserve_shares(over, trace);
        let (chunks, comparison) = (trace.chunks.in_use(), &mut trace.comparison);
        trace.pool.for_each_mut(&mut comparison.shares, |_, share| self.compute(over, chunks, share));
        comparison.sum_shares(over);
    }

    /// Checks that the Gramian can be computed over `over` in this network.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`]
    /// - over the representation, if there is none that all heads read;
    /// - over the last shared layer, if the layer before that representation has no parameters;
    /// - over a sketch without sums;
    /// - over anything but all shared parameters, if a task is the product of two others.
    pub fn check_over(&self, over: GramianScope) -> Result<()> {
        let fault = |expected: &str, found: &str| {
            Err(Error::new(ErrorKind::Setting, "scope of the Gramian", expected, found)
                .advise("use GramianScope::SharedParameters, which is the default"))
        };
        if over != GramianScope::SharedParameters && !self.products.is_empty() {
            return fault("tasks that each have a head", "a product of two tasks");
        }
        if let GramianScope::Sketch { sums, .. } = over {
            return match sums {
                0 => Err(Error::new(ErrorKind::Setting, "sums of a sketch", "at least 1", sums)),
                _ => Ok(()),
            };
        }
        if over != GramianScope::SharedParameters && self.common.is_none() {
            return fault("one representation that all heads read", "several");
        }
        let has_layer = || self.sharing.last_layer().is_some_and(|layer| !layer.pieces().is_empty());
        if over == GramianScope::LastSharedLayer && !has_layer() {
            return fault("a shared layer with parameters just before the heads", "none");
        }
        Ok(())
    }

    /// The shared parameters that the Gramian over `over` is about; none over the representation.
    pub(crate) fn parameters_of(&self, over: GramianScope) -> std::ops::Range<usize> {
        match over {
            GramianScope::SharedParameters | GramianScope::Sketch { .. } => 0..self.layout().n_shared(),
            GramianScope::LastSharedLayer => {
                let pieces = self.sharing.last_layer().map_or(Vec::new(), |layer| layer.pieces());
                pieces.first().map_or(0, |piece| piece.start)..pieces.last().map_or(0, |piece| piece.end)
            }
            GramianScope::Representation => 0..0,
        }
    }

    /// Divides the work on the Gramian into shares and allocates memory for them. The division depends on
    /// shapes alone.
    pub(super) fn reserve_shares(&self, over: GramianScope, trace: &mut Trace<F>) {
        let over = over.without_draws();
        if trace.comparison.shares_over == Some(over) {
            return;
        }
        if let Err(error) = self.check_over(over) {
            panic!("{error}");
        }
        let n = self.n_tasks();
        let (n_chunks, rows) = trace.chunks.most();
        let mut shares = Vec::new();
        if !self.products.is_empty() {
            trace.comparison.shares_over = Some(over);
            return;
        }
        if over == GramianScope::Representation {
            shares.extend((0..n_chunks).map(|_| Share::new(Work::Deltas, n, 0)));
        }
        let within = self.parameters_of(over);
        let is_within =
            |range: &std::ops::Range<usize>| within.start <= range.start && range.end <= within.end;
        let shapes = |layer: &Affine| Shapes {
            n_tasks: n,
            rows: trace.capacity(),
            inputs: layer.input.width(),
            outputs: layer.output.width(),
        };
        let sums_of = |layer: &Affine| match (over, trace.comparison.form) {
            (GramianScope::Sketch { sums, .. }, None) if costs::sketch_is_cheaper(shapes(layer), sums) => {
                Some(sums)
            }
            _ => None,
        };
        let by_products = |layer: &Affine| match trace.comparison.form {
            Some(form) => form == Form::Gram,
            None => costs::gram_is_cheaper(shapes(layer)),
        };
        // Shares of layers that do not need the tasks' gradients.
        let (mut chosen, mut apart) = (Vec::new(), Vec::new());
        for (i, layer) in self.affine.iter().enumerate().filter(|(_, layer)| is_within(&layer.range)) {
            if let Some(sums) = sums_of(layer) {
                apart.extend(sketch::shares(i, layer, sums, n, rows));
            } else if by_products(layer) {
                let scratch = rows + rows * rows + n * rows * row_scratch::<F>(layer.output.width());
                apart.extend(
                    (0..n_chunks).map(|chunk| Share::new(Work::Products { layer: i, chunk }, n, scratch)),
                );
            } else {
                continue;
            }
            chosen.push(layer.range.clone());
        }
        // Tables of which the batch's own rows are enough.
        let mut before = None;
        for (i, lookup) in self.tables.lookups.iter().enumerate() {
            let (range, (vectors, width)) = (lookup.table.range(), lookup.table.shape());
            let is_chosen = match trace.comparison.form {
                Some(form) => form == Form::Gram,
                None => costs::sums_are_cheaper(Shapes {
                    n_tasks: n,
                    rows: trace.capacity(),
                    inputs: vectors,
                    outputs: width,
                }),
            };
            if !is_chosen || !is_within(&range) {
                continue;
            }
            let is_first = before != Some(lookup.output);
            let mut share =
                Share::new(Work::Table { table: i, is_first }, n, n * trace.capacity().min(vectors) * width);
            share.order.reserve(2 * trace.capacity() * self.members());
            apart.push(share);
            before = Some(lookup.output);
            chosen.push(range);
        }
        let covered = |range: &std::ops::Range<usize>| {
            chosen.iter().any(|layer| layer.start <= range.start && range.end <= layer.end)
        };
        for (i, piece) in self.pieces.iter().enumerate() {
            if piece.owner.is_none() && is_within(&piece.range) && !covered(&piece.range) {
                shares.push(Share::new(Work::Gradients { piece: i }, n, n * piece.range.len()));
            }
        }
        shares.extend(apart);
        (trace.comparison.shares, trace.comparison.shares_over) = (shares, Some(over));
    }

    /// Computes one share of the Gramian.
    fn compute(&self, over: GramianScope, chunks: &[Chunk<F>], share: &mut Share<F>) {
        let n = self.n_tasks();
        share.gramian.fill(0.0);
        match share.work {
            Work::Gradients { piece } => {
                let piece = &self.pieces[piece];
                for (k, row) in share.scratch.chunks_exact_mut(piece.range.len().max(1)).enumerate() {
                    self.sharing.gradient(chunks, k, piece, row);
                }
                kernel::add_gramian(&share.scratch, n, &mut share.gramian);
            }
            Work::Products { layer, chunk } => {
                if chunk < chunks.len() {
                    add_products(&self.affine[layer], n, chunks, chunk, share);
                }
            }
            Work::Sketch { layer, sums } => {
                let GramianScope::Sketch { seed, .. } = over else {
                    unreachable!("the shares are those of a sketch")
                };
                sketch::add_sketch(&self.affine[layer], n, chunks, sums, sketch::draws(seed, layer), share);
            }
            Work::Table { table, .. } => add_sums(&self.tables.lookups[table], n, chunks, share),
            Work::Deltas => unreachable!("the deltas of a chunk are compared when they are there"),
        }
    }
}

/// The Gramian of a table from each task's sums of the deltas of each index that is in the batch. A sum has the additions of
/// the table's gradient, in the same order.
fn add_sums<F: Scalar>(lookup: &Lookup, n: usize, chunks: &[Chunk<F>], share: &mut Share<F>) {
    let Share { gramian, scratch, order, .. } = share;
    // The rows of the table in the order of the batch, and behind them each once, in rising order.
    order.clear();
    lookup.for_each_row(chunks, |row| order.push(row));
    let rows = order.len();
    order.extend_from_within(..);
    order[rows..].sort_unstable();
    let mut end = rows;
    for at in rows..order.len() {
        if end == rows || order[at] != order[end - 1] {
            order[end] = order[at];
            end += 1;
        }
    }
    let (of_batch, names) = order.split_at_mut(rows);
    let names = &names[..end - rows];
    for row in &mut *of_batch {
        *row = names.binary_search(row).expect("it is one of them");
    }
    let (width, size) = (lookup.table.shape().1, names.len() * lookup.table.shape().1);
    let sums = &mut scratch[..n * size];
    sums.fill(F::ZERO);
    for (k, sums) in sums.chunks_exact_mut(size.max(1)).enumerate() {
        let mut places = of_batch.iter();
        lookup.for_each_delta(chunks, k, |_, delta| {
            let place = places.next().expect("one for each row of the batch");
            let sum = &mut sums[place * width..(place + 1) * width];
            sum.iter_mut().zip(delta).for_each(|(sum, &delta)| *sum += delta);
        });
    }
    kernel::add_gramian(sums, n, gramian);
}

/// The Gram form for the rows of one chunk: `⟨(X Xᵀ + 1 1ᵀ) Dₗ, Dₖ⟩`, where the first X and Dₖ have the rows of
/// the chunk, and the second X and Dₗ the rows of all chunks.
fn add_products<F: Scalar>(
    layer: &Affine,
    n: usize,
    chunks: &[Chunk<F>],
    chunk: usize,
    share: &mut Share<F>,
) {
    let Share { gramian, scratch, .. } = share;
    let here = &chunks[chunk];
    let (rows, outputs) = (here.values.rows(), layer.output.width());
    let most = chunks.iter().map(|chunk| chunk.values.rows()).max().unwrap_or(0);
    let (row_of_ones, scratch) = scratch.split_at_mut(most);
    let (squares, scratch) = scratch.split_at_mut(rows * most);
    row_of_ones.fill(if layer.has_bias { F::ONE } else { F::ZERO });
    let stride = row_scratch::<F>(outputs);
    for (i, there) in chunks.iter().enumerate() {
        let width = there.values.rows();
        let squares = &mut squares[..rows * width];
        let (x, y) = (here.values.get(layer.input), there.values.get(layer.input));
        let start = Accumulate::Bias(&row_of_ones[..width]);
        kernel::product(x, y.t(), start, kernel::matrix_mut(squares, rows, width, width));
        let start = if i == 0 { Accumulate::Write } else { Accumulate::Add };
        for (k, m) in scratch.chunks_exact_mut(rows * stride).take(n).enumerate() {
            let squares = kernel::matrix(squares, rows, width, width);
            let delta = there.deltas.lanes_of(layer.output, k..k + 1);
            kernel::product(squares, delta, start, kernel::matrix_mut(m, rows, outputs, stride));
        }
    }
    for (l, m) in scratch.chunks_exact(rows * stride).take(n).enumerate() {
        let m = kernel::matrix(m, rows, outputs, stride);
        for k in l..n {
            gramian[k * n + l] = kernel::inner_product(m, here.deltas.lanes_of(layer.output, k..k + 1));
        }
    }
}
