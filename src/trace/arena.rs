//! Where a batch lives while it is worked on: activations and deltas, in chunks of rows.
//!
//! As a [`Block`](crate::Block) addresses θ, a [`Slot`] addresses activations. A [`Plan`] hands out slots while a
//! network is built; an [`Arena`] has room for all of them for some rows; a [`Chunk`] is one arena of values
//! and one of deltas, addressed alike: the delta of a slot is ∂(weighted loss)/∂(its values).
//!
//! ```text
//! arena:  | slot 0: rows × stride | slot 1: rows × stride | ...        stride ≥ width, a whole number of vectors
//! deltas: | slot 0: lane 0 rows, lane 1 rows, ... | slot 1: ...        one lane, or one per task
//! ```
//! The lanes of a slot lie one below the other, so that the deltas of all tasks are one tall matrix and go
//! through a layer in one product.

use std::ops::Range;
use std::slice::ChunksExactMut;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Scalar;
use crate::kernel;

/// The address of one matrix of activations, `rows × width`, in every chunk of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Numbers per row in front of this slot.
    offset: usize,
    width: usize,
    /// From one row to the next: the width, rounded up to whole vectors.
    stride: usize,
}

impl Slot {
    /// How many numbers of a row are used.
    pub fn width(self) -> usize {
        self.width
    }

    /// Whether the other slot begins where this one ends.
    pub(crate) fn is_followed_by(self, other: Slot) -> bool {
        self.offset + self.stride == other.offset
    }
}

/// Hands out slots while a network is built.
///
/// ```
/// use polytask::trace::Plan;
///
/// let mut plan = Plan::new();
/// let (narrow, wide) = (plan.slot(3), plan.slot(100));
/// assert_eq!((narrow.width(), wide.width()), (3, 100));
/// assert_eq!(plan.row_len(), 4 + 112);                             // padded to whole vectors
/// assert_eq!(plan.chunk_rows(), 64); // a layer of 100 is neither narrow nor very wide
/// ```
#[derive(Clone, Debug, Default)]
pub struct Plan {
    row_len: usize,
    widest: usize,
}

impl Plan {
    /// A plan without slots.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new slot for `width` numbers per row.
    pub fn slot(&mut self, width: usize) -> Slot {
        let stride = padded(width);
        let slot = Slot { offset: self.row_len, width, stride };
        self.row_len = self.row_len.saturating_add(stride);
        self.widest = self.widest.max(width);
        slot
    }

    /// Numbers of activations kept per example, padding included.
    pub fn row_len(&self) -> usize {
        self.row_len
    }

    /// How many rows a chunk should have: few enough that a layer's activations stay in the caches (those of a
    /// narrow layer in the first), many enough that its weights are read seldom. It depends on the shapes alone, so
    /// the sums of a gradient are taken in the same order whatever the number of threads.
    pub fn chunk_rows(&self) -> usize {
        if self.widest < 512 { (4096 / padded(self.widest)).clamp(64, 256) } else { 256 }
    }
}

/// Rows are padded to a multiple of 16 numbers (one 512-bit vector of `f32`); very narrow ones to a power of two.
fn padded(width: usize) -> usize {
    if width <= 8 {
        width.next_power_of_two()
    } else {
        width.checked_next_multiple_of(16).unwrap_or(usize::MAX)
    }
}

/// Room for every slot of a plan, for some rows and one or more lanes.
///
/// A layer of your own reads and writes it by slots:
///
/// ```
/// use std::ops::Range;
///
/// use polytask::layer::{BuildLayer, BuiltLayer, Flow, Into, Mode, Site};
/// use polytask::prelude::*;
/// use polytask::trace::{Arena, Chunk, Slot};
/// use polytask::{Result, Scalar};
///
/// /// `y = x² / 2` and `dy/dx = x`.
/// #[derive(Debug)]
/// struct HalfSquare;
/// #[derive(Debug)]
/// struct Built { input: Slot, output: Slot }
///
/// impl<F: Scalar> BuildLayer<F> for HalfSquare {
///     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         Ok(Box::new(Built { input: site.input(), output: site.slot(site.input().width()) }))
///     }
/// }
///
/// impl<F: Scalar> BuiltLayer<F> for Built {
///     fn output(&self) -> Slot { self.output }
///     fn forward(&self, _: &[F], _: Mode, values: &mut Arena<F>) {
///         let (x, y) = values.padded_pair(self.input, self.output); // padding and all
///         y.iter_mut().zip(x).for_each(|(y, &x)| *y = F::from_f64(0.5) * x * x);
///         assert_eq!(values.get(self.output).dim(), (values.rows(), self.output.width()));
///     }
///     fn propagate(&self, _: &[F], values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
///         assert!(flow.lanes <= deltas.lanes());
///         let x = values.padded(self.input, 0..1);
///         for lane in 0..flow.lanes {                               // each task's delta
///             deltas.padded_mut(self.output, lane..lane + 1).iter_mut().zip(x).for_each(|(d, &x)| *d *= x);
///         }
///         let (first, adds) = match flow.into {
///             Into::Nowhere => return,
///             Into::Set(lane) => (lane, false),
///             Into::Add(lane) => (lane, true),
///         };
///         let lanes = first..first + flow.lanes;
///         let (through, mut dx) = deltas.pair((self.output, 0..flow.lanes), (self.input, lanes));
///         if adds { dx += &through } else { dx.assign(&through) }
///     }
///     fn pieces(&self) -> Vec<Range<usize>> { Vec::new() }
///     fn gradient(&self, _: &[Chunk<F>], _: usize, _: Range<usize>, _: &mut [F]) {}
/// }
///
/// let layers = [Layer::dense(4, Activation::Tanh), Layer::custom(HalfSquare)];
/// let model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Arena<F> {
    buffer: Vec<F>,
    /// First number used: the buffer's first 64-byte boundary.
    start: usize,
    capacity: usize,
    lanes: usize,
    rows: usize,
}

impl<F: Scalar> Arena<F> {
    fn new(plan: &Plan, capacity: usize, lanes: usize) -> Self {
        let line = 64 / size_of::<F>().min(64);
        let buffer = vec![F::ZERO; plan.row_len * capacity * lanes + line];
        let start = buffer.as_ptr().align_offset(64).min(line);
        Self { buffer, start, capacity, lanes, rows: capacity }
    }

    /// How many rows are in use.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many lanes there is room for.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The values of `slot`, `rows × width` (of deltas: the first lane).
    pub fn get(&self, slot: Slot) -> ArrayView2<'_, F> {
        self.lanes_of(slot, 0..1)
    }

    /// Some columns of the values of `slot`, `rows × columns`.
    pub(crate) fn columns(&self, slot: Slot, columns: Range<usize>) -> ArrayView2<'_, F> {
        let numbers = &self.buffer[self.range(slot, 0..1)];
        kernel::matrix(&numbers[columns.start.min(numbers.len())..], self.rows, columns.len(), slot.stride)
    }

    /// The values of `slot`, to write, `rows × width` (of deltas: the first lane).
    pub fn get_mut(&mut self, slot: Slot) -> ArrayViewMut2<'_, F> {
        self.lanes_of_mut(slot, 0..1)
    }

    /// Some lanes of `slot` as one tall matrix, `(lanes · rows) × width`.
    pub fn lanes_of(&self, slot: Slot, lanes: Range<usize>) -> ArrayView2<'_, F> {
        let n = lanes.len() * self.rows;
        kernel::matrix(&self.buffer[self.range(slot, lanes)], n, slot.width, slot.stride)
    }

    /// Some lanes of `slot` as one tall matrix, to write, `(lanes · rows) × width`.
    pub fn lanes_of_mut(&mut self, slot: Slot, lanes: Range<usize>) -> ArrayViewMut2<'_, F> {
        let n = lanes.len() * self.rows;
        let range = self.range(slot, lanes);
        kernel::matrix_mut(&mut self.buffer[range], n, slot.width, slot.stride)
    }

    /// The numbers of some lanes of `slot` as they lie in memory, padding included.
    pub fn padded(&self, slot: Slot, lanes: Range<usize>) -> &[F] {
        &self.buffer[self.range(slot, lanes)]
    }

    /// The numbers of some lanes of `slot` as they lie in memory, padding included, to write.
    pub fn padded_mut(&mut self, slot: Slot, lanes: Range<usize>) -> &mut [F] {
        let range = self.range(slot, lanes);
        &mut self.buffer[range]
    }

    /// One slot to read and another to write, each with its lanes.
    ///
    /// # Panics
    /// If the two are the same slot.
    #[track_caller]
    pub fn pair(
        &mut self,
        (read, read_lanes): (Slot, Range<usize>),
        (write, write_lanes): (Slot, Range<usize>),
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (n_read, n_write) = (read_lanes.len() * self.rows, write_lanes.len() * self.rows);
        let (from, to) = (self.range(read, read_lanes), self.range(write, write_lanes));
        let (source, target) = self.read_and_write(from, to);
        (
            kernel::matrix(source, n_read, read.width, read.stride),
            kernel::matrix_mut(target, n_write, write.width, write.stride),
        )
    }

    /// Two parts of the buffer, one to read and one to write.
    #[track_caller]
    fn read_and_write(&mut self, from: Range<usize>, to: Range<usize>) -> (&[F], &mut [F]) {
        if from.end <= to.start {
            let (front, back) = self.buffer.split_at_mut(to.start);
            (&front[from], &mut back[..to.end - to.start])
        } else {
            assert!(to.end <= from.start, "a slot cannot be read and written at once");
            let (front, back) = self.buffer.split_at_mut(from.start);
            (&back[..from.end - from.start], &mut front[to])
        }
    }

    /// The first lanes of `n` slots of width 1 that follow one another, `n × rows`: each slot is a row.
    pub(crate) fn stack(&self, first: Slot, n: usize) -> ArrayView2<'_, F> {
        kernel::matrix(&self.buffer[self.stack_range(first, n)], n, self.rows, self.stack_stride())
    }

    /// A slot to read, `rows × width`, and a [`stack`](Self::stack) to write.
    #[track_caller]
    pub(crate) fn slot_and_stack(
        &mut self,
        read: Slot,
        first: Slot,
        n: usize,
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (rows, stride) = (self.rows, self.stack_stride());
        let (from, to) = (self.range(read, 0..1), self.stack_range(first, n));
        let (source, target) = self.read_and_write(from, to);
        (kernel::matrix(source, rows, read.width, read.stride), kernel::matrix_mut(target, n, rows, stride))
    }

    /// A [`stack`](Self::stack) to read, and lanes of a slot to write, `(lanes · rows) × width`.
    #[track_caller]
    pub(crate) fn stack_and_slot(
        &mut self,
        first: Slot,
        n: usize,
        (write, lanes): (Slot, Range<usize>),
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (rows, stride, n_write) = (self.rows, self.stack_stride(), lanes.len() * self.rows);
        let (from, to) = (self.stack_range(first, n), self.range(write, lanes));
        let (source, target) = self.read_and_write(from, to);
        (
            kernel::matrix(source, n, rows, stride),
            kernel::matrix_mut(target, n_write, write.width, write.stride),
        )
    }

    fn stack_range(&self, first: Slot, n: usize) -> Range<usize> {
        debug_assert_eq!(first.stride, 1, "only slots of width 1 are stacked");
        let begin = self.range(first, 0..1).start;
        begin..begin + (n.max(1) - 1) * self.stack_stride() + self.rows
    }

    /// From a slot of width 1 to the one that follows it.
    fn stack_stride(&self) -> usize {
        self.capacity * self.lanes
    }

    /// One slot to read and a later one to write, of the same width, as they lie in memory, padding included.
    pub fn padded_pair(&mut self, read: Slot, write: Slot) -> (&[F], &mut [F]) {
        let (from, to) = (self.range(read, 0..1), self.range(write, 0..1));
        let (front, back) = self.buffer.split_at_mut(to.start);
        (&front[from], &mut back[..to.end - to.start])
    }

    /// Copies the values of `slot` to `rows`, which has no padding, row by row.
    pub(crate) fn copy_to(&self, slot: Slot, rows: &mut [F]) {
        let from = self.padded(slot, 0..1);
        if slot.stride == slot.width {
            return rows.copy_from_slice(from);
        }
        for (from, to) in from.chunks_exact(slot.stride).zip(rows.chunks_exact_mut(slot.width)) {
            to.copy_from_slice(&from[..slot.width]);
        }
    }

    /// Writes `factor` times `rows`, which has no padding, to the first lane of `slot`, row by row.
    pub(crate) fn scale_from(&mut self, slot: Slot, factor: F, rows: &[F]) {
        let to = self.padded_mut(slot, 0..1);
        let scale = |from: &[F], to: &mut [F]| from.iter().zip(to).for_each(|(&x, to)| *to = factor * x);
        if slot.stride == slot.width {
            return scale(rows, to);
        }
        for (from, to) in rows.chunks_exact(slot.width).zip(to.chunks_exact_mut(slot.stride)) {
            scale(from, &mut to[..slot.width]);
        }
    }

    /// The rows of `slot`, to write one after the other.
    pub fn rows_mut(&mut self, slot: Slot) -> RowsMut<'_, F> {
        RowsMut {
            padded: self.padded_mut(slot, 0..1).chunks_exact_mut(slot.stride.max(1)),
            width: slot.width,
        }
    }

    fn range(&self, slot: Slot, lanes: Range<usize>) -> Range<usize> {
        debug_assert!(lanes.end <= self.lanes, "lane {} of {}", lanes.end, self.lanes);
        let at = self.start + slot.offset * self.capacity * self.lanes;
        let lane = self.rows * slot.stride;
        at + lanes.start * lane..at + lanes.end * lane
    }
}

/// The rows of a slot, one after the other, each as long as the slot is wide: see [`Arena::rows_mut`].
///
/// ```
/// # use std::ops::Range;
/// #
/// # use polytask::layer::{BuildLayer, BuiltLayer, Flow, Into, Mode, Site};
/// # use polytask::prelude::*;
/// # use polytask::trace::{Arena, Chunk, RowsMut, Slot};
/// # use polytask::{Result, Scalar};
/// #
/// # #[derive(Debug)]
/// # struct Centre;
/// # #[derive(Debug)]
/// # struct Built { input: Slot, output: Slot }
/// #
/// # impl<F: Scalar> BuildLayer<F> for Centre {
/// #     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
/// #         Ok(Box::new(Built { input: site.input(), output: site.slot(site.input().width()) }))
/// #     }
/// # }
/// #
/// impl<F: Scalar> BuiltLayer<F> for Built {
///     // Each row without its mean, and so the deltas of each row.
///     fn forward(&self, _: &[F], _: Mode, values: &mut Arena<F>) {
///         let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
///         y.assign(&x);
///         let rows: RowsMut<'_, F> = values.rows_mut(self.output);
///         for row in rows {
///             let mean = row.iter().copied().sum::<F>() / F::from_f64(row.len() as f64);
///             row.iter_mut().for_each(|y| *y -= mean);
///         }
///     }
///
///     fn propagate(&self, _: &[F], _: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
///         for mut row in deltas.lanes_of_mut(self.output, 0..flow.lanes).rows_mut() {
///             let mean = row.sum() / F::from_f64(row.len() as f64);
///             row.mapv_inplace(|d| d - mean);
///         }
/// #         let (first, adds) = match flow.into {
/// #             Into::Nowhere => return,
/// #             Into::Set(lane) => (lane, false),
/// #             Into::Add(lane) => (lane, true),
/// #         };
/// #         let lanes = first..first + flow.lanes;
/// #         let (through, mut dx) = deltas.pair((self.output, 0..flow.lanes), (self.input, lanes));
/// #         if adds { dx += &through } else { dx.assign(&through) }
///     } // ... and from there to the input
/// #     fn output(&self) -> Slot { self.output }
/// #     fn pieces(&self) -> Vec<Range<usize>> { Vec::new() }
/// #     fn gradient(&self, _: &[Chunk<F>], _: usize, _: Range<usize>, _: &mut [F]) {}
/// }
/// # let layers = [Layer::dense(4, Activation::Tanh), Layer::custom(Centre)];
/// # let model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct RowsMut<'a, F> {
    padded: ChunksExactMut<'a, F>,
    width: usize,
}

impl<'a, F> Iterator for RowsMut<'a, F> {
    type Item = &'a mut [F];

    #[inline]
    fn next(&mut self) -> Option<&'a mut [F]> {
        self.padded.next().map(|row| &mut row[..self.width])
    }
}

/// Some rows of a batch: the activations of every slot, and the deltas of every slot.
///
/// ```
/// # use std::ops::Range;
/// #
/// # use polytask::layer::{BuildLayer, BuiltLayer, Flow, Into, Mode, Site};
/// # use polytask::prelude::*;
/// # use polytask::trace::{Arena, Chunk, Slot};
/// # use polytask::{Block, Result, Scalar};
/// #
/// # #[derive(Debug)]
/// # struct Shift;
/// # #[derive(Debug)]
/// # struct Built { shift: Block, input: Slot, output: Slot }
/// #
/// # impl<F: Scalar> BuildLayer<F> for Shift {
/// #     fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
/// #         let (input, output) = (site.input(), site.slot(site.input().width()));
/// #         let shift = site.parameter("shift", 1, input.width(), Init::Constant(0.5));
/// #         Ok(Box::new(Built { shift, input, output }))
/// #     }
/// # }
/// #
/// impl<F: Scalar> BuiltLayer<F> for Built {
///     // y = x + b, and so db is the sum of dy over all rows of the batch.
///     fn forward(&self, theta: &[F], _: Mode, values: &mut Arena<F>) {
///         let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
///         y.assign(&x);
///         let mut y = values.get_mut(self.output);
///         y += &self.shift.of(theta);
///     }
///
///     fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _: Range<usize>, db: &mut [F]) {
///         db.fill(F::ZERO);
///         for chunk in chunks {
///             let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
///             assert_eq!(chunk.batch_rows().len(), dy.nrows());
///             dy.rows().into_iter().for_each(|dy| db.iter_mut().zip(dy).for_each(|(db, &d)| *db += d));
///         }
///     }
/// #     fn propagate(&self, _: &[F], _: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
/// #         let (first, adds) = match flow.into {
/// #             Into::Nowhere => return,
/// #             Into::Set(lane) => (lane, false),
/// #             Into::Add(lane) => (lane, true),
/// #         };
/// #         let lanes = first..first + flow.lanes;
/// #         let (through, mut dx) = deltas.pair((self.output, 0..flow.lanes), (self.input, lanes));
/// #         if adds { dx += &through } else { dx.assign(&through) }
/// #     }
/// #     fn output(&self) -> Slot { self.output }
/// #     fn pieces(&self) -> Vec<Range<usize>> { vec![self.shift.range()] }
/// } // as in the example of the layers' module
/// # let layers = [Layer::dense(4, Activation::Tanh), Layer::custom(Shift)];
/// # let model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Chunk<F> {
    /// What forward computed.
    pub values: Arena<F>,
    /// What backward computed.
    pub deltas: Arena<F>,
    /// The batch row that is this chunk's first.
    pub first_row: usize,
}

impl<F: Scalar> Chunk<F> {
    /// The batch rows of this chunk.
    pub fn batch_rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.values.rows
    }
}

/// The chunks of a batch: allocated once, used for every batch that is not larger.
#[derive(Debug)]
pub(crate) struct Chunks<F> {
    all: Vec<Chunk<F>>,
    plan: Plan,
    chunk_rows: usize,
    in_use: usize,
}

impl<F: Scalar> Chunks<F> {
    pub(crate) fn new(plan: &Plan, batch_size: usize) -> Self {
        let chunk_rows = plan.chunk_rows().min(batch_size.max(1));
        let all = (0..batch_size.div_ceil(chunk_rows))
            .map(|i| {
                let capacity = chunk_rows.min(batch_size - i * chunk_rows);
                Chunk {
                    values: Arena::new(plan, capacity, 1),
                    deltas: Arena::new(plan, capacity, 1),
                    first_row: i * chunk_rows,
                }
            })
            .collect::<Vec<_>>();
        let in_use = all.len();
        Self { all, plan: plan.clone(), chunk_rows, in_use }
    }

    /// Uses as many chunks as `rows` rows need; the last one may be short.
    pub(crate) fn set_rows(&mut self, rows: usize) {
        self.in_use = rows.div_ceil(self.chunk_rows);
        for chunk in self.in_use_mut() {
            let here = chunk.values.capacity.min(rows - chunk.first_row);
            (chunk.values.rows, chunk.deltas.rows) = (here, here);
        }
    }

    /// Makes room for `lanes` lanes of deltas.
    pub(crate) fn reserve_lanes(&mut self, lanes: usize) {
        for chunk in self.all.iter_mut().filter(|chunk| chunk.deltas.lanes < lanes) {
            let rows = chunk.deltas.rows;
            chunk.deltas = Arena::new(&self.plan, chunk.deltas.capacity, lanes);
            chunk.deltas.rows = rows;
        }
    }

    /// How many chunks a batch has at most, and how many rows one of them has.
    pub(crate) fn most(&self) -> (usize, usize) {
        (self.all.len(), self.chunk_rows)
    }

    pub(crate) fn in_use(&self) -> &[Chunk<F>] {
        &self.all[..self.in_use]
    }

    pub(crate) fn in_use_mut(&mut self) -> &mut [Chunk<F>] {
        &mut self.all[..self.in_use]
    }
}
