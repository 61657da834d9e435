//! Where the activations of a batch live: their addresses, and the memory behind them.
//!
//! As a [`Block`](crate::Block) addresses θ, an [`ActivationBlock`] addresses activations. An [`ActivationLayout`] hands
//! the blocks out while a network is built; an [`Arena`] has room for all of them for some rows; a [`Chunk`] is one
//! arena of values and one of deltas, addressed alike: the delta of a block is ∂(weighted loss)/∂(its values).
//!
//! ```text
//! arena:  | block 0: rows × stride | block 1: rows × stride | ...      stride ≥ width, a whole number of vectors
//! deltas: | block 0: lane 0 rows, lane 1 rows, ... | block 1: ...      one lane, or one per task
//! ```
//! The lanes of a block lie one below the other, so that the deltas of all tasks are one tall matrix and go
//! through a layer in one product. Nothing here knows layers, losses or tasks.

mod chunk;
mod layout;

use std::fmt;
use std::ops::Range;
use std::slice::ChunksExactMut;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use chunk::Chunk;
pub(crate) use chunk::Chunks;
pub use layout::{ActivationBlock, ActivationLayout, ChunkNumbers};

use crate::Scalar;
use crate::kernel;

/// Room for every activation block of a layout, for some rows and one or more lanes.
///
/// A layer of your own reads and writes it by blocks:
///
/// ```
/// use polytask::arena::{ActivationBlock, Arena, RowsMut};
/// use polytask::Scalar;
///
/// /// `y = x` without the mean of its row.
/// fn centre<F: Scalar>(values: &mut Arena<F>, input: ActivationBlock, output: ActivationBlock) {
///     let (x, mut y) = values.pair((input, 0..1), (output, 0..1));
///     y.assign(&x);
///     let rows: RowsMut<'_, F> = values.rows_mut(output);
///     for row in rows {
///         let mean = row.iter().copied().sum::<F>() / F::from_f64(row.len() as f64);
///         row.iter_mut().for_each(|y| *y -= mean);
///     }
///     assert_eq!(values.get(output).dim(), (values.rows(), output.width()));
/// }
/// ```
pub struct Arena<F> {
    buffer: Vec<F>,
    /// First number used: the buffer's first 64-byte boundary.
    start: usize,
    /// What layers keep once per chunk, lane after lane.
    numbers: Vec<F>,
    first_row: usize,
    capacity: usize,
    lanes: usize,
    rows: usize,
}

/// Its shape: the numbers are those of layers.
impl<F> fmt::Debug for Arena<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first_row, capacity, lanes, rows, .. } = self;
        let mut arena = f.debug_struct("Arena");
        arena
            .field("first_row", first_row)
            .field("rows", rows)
            .field("capacity", capacity)
            .field("lanes", lanes);
        arena.finish_non_exhaustive()
    }
}

impl<F: Scalar> Arena<F> {
    fn new(layout: &ActivationLayout, first_row: usize, capacity: usize, lanes: usize) -> Self {
        let line = 64 / size_of::<F>().min(64);
        let buffer = vec![F::ZERO; layout.row_len() * capacity * lanes + line];
        let start = buffer.as_ptr().align_offset(64).min(line);
        let numbers = vec![F::ZERO; layout.chunk_len() * lanes];
        Self { buffer, start, numbers, first_row, capacity, lanes, rows: capacity }
    }

    /// How many rows are in use.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The position in the batch of the first of these rows.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// How many lanes there is room for.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The values of `block`, `rows × width` (of deltas: the first lane).
    #[inline]
    pub fn get(&self, block: ActivationBlock) -> ArrayView2<'_, F> {
        self.lanes_of(block, 0..1)
    }

    /// Some columns of the values of `block`, `rows × columns`.
    pub(crate) fn columns(&self, block: ActivationBlock, columns: Range<usize>) -> ArrayView2<'_, F> {
        let numbers = &self.buffer[self.range(block, 0..1)];
        kernel::matrix(&numbers[columns.start.min(numbers.len())..], self.rows, columns.len(), block.stride)
    }

    /// The values of `block`, to write, `rows × width` (of deltas: the first lane).
    #[inline]
    pub fn get_mut(&mut self, block: ActivationBlock) -> ArrayViewMut2<'_, F> {
        self.lanes_of_mut(block, 0..1)
    }

    /// Some lanes of `block` as one tall matrix, `(lanes · rows) × width`.
    #[inline]
    pub fn lanes_of(&self, block: ActivationBlock, lanes: Range<usize>) -> ArrayView2<'_, F> {
        let n = lanes.len() * self.rows;
        kernel::matrix(&self.buffer[self.range(block, lanes)], n, block.width, block.stride)
    }

    /// Some lanes of `block` as one tall matrix, to write, `(lanes · rows) × width`.
    #[inline]
    pub fn lanes_of_mut(&mut self, block: ActivationBlock, lanes: Range<usize>) -> ArrayViewMut2<'_, F> {
        let n = lanes.len() * self.rows;
        let range = self.range(block, lanes);
        kernel::matrix_mut(&mut self.buffer[range], n, block.width, block.stride)
    }

    /// The numbers of some lanes of `block` as they lie in memory, padding included.
    #[inline]
    pub fn padded(&self, block: ActivationBlock, lanes: Range<usize>) -> &[F] {
        &self.buffer[self.range(block, lanes)]
    }

    /// The numbers of some lanes of `block` as they lie in memory, padding included, to write.
    #[inline]
    pub fn padded_mut(&mut self, block: ActivationBlock, lanes: Range<usize>) -> &mut [F] {
        let range = self.range(block, lanes);
        &mut self.buffer[range]
    }

    /// One block to read and another to write, each with its lanes.
    ///
    /// # Panics
    /// If the two are the same block.
    #[inline]
    #[track_caller]
    pub fn pair(
        &mut self,
        (read, read_lanes): (ActivationBlock, Range<usize>),
        (write, write_lanes): (ActivationBlock, Range<usize>),
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (n_read, n_write) = (read_lanes.len() * self.rows, write_lanes.len() * self.rows);
        let (from, to) = (self.range(read, read_lanes), self.range(write, write_lanes));
        let (source, target) = read_and_write(&mut self.buffer, from, to);
        (
            kernel::matrix(source, n_read, read.width, read.stride),
            kernel::matrix_mut(target, n_write, write.width, write.stride),
        )
    }

    /// One block to read and another to write, where a single row is in use: without padding.
    ///
    /// # Panics
    /// If the two are the same block.
    #[inline]
    #[track_caller]
    pub(crate) fn row_pair(&mut self, read: ActivationBlock, write: ActivationBlock) -> (&[F], &mut [F]) {
        debug_assert_eq!(self.rows, 1, "rows in use");
        let start = |block: ActivationBlock| self.start + block.offset * self.capacity * self.lanes;
        let (from, to) = (start(read), start(write));
        read_and_write(&mut self.buffer, from..from + read.width, to..to + write.width)
    }

    /// A block to read, a [`stack`](Self::stack) of `n` to write, and how far apart its numbers lie, where a single row
    /// is in use.
    #[inline]
    #[track_caller]
    pub(crate) fn row_and_stack(
        &mut self,
        read: ActivationBlock,
        first: ActivationBlock,
        n: usize,
    ) -> (&[F], &mut [F], usize) {
        debug_assert_eq!(self.rows, 1, "rows in use");
        let (from, to) = (self.range(read, 0..1).start, self.stack_range(first, n));
        let stride = self.stack_stride();
        let (source, target) = read_and_write(&mut self.buffer, from..from + read.width, to);
        (source, target, stride)
    }

    /// Several blocks to read and others to write, each with its lanes.
    ///
    /// ```
    /// use polytask::arena::{ActivationBlock, Arena};
    /// use polytask::Scalar;
    ///
    /// /// `y = x + z`
    /// fn sum<F: Scalar>(values: &mut Arena<F>, [x, z, y]: [ActivationBlock; 3]) {
    ///     let ([x, z], [mut y]) = values.split([(x, 0..1), (z, 0..1)], [(y, 0..1)]);
    ///     y.assign(&x);
    ///     y += &z;
    /// }
    /// ```
    ///
    /// # Panics
    /// If two of them overlap.
    #[track_caller]
    pub fn split<const R: usize, const W: usize>(
        &mut self,
        read: [(ActivationBlock, Range<usize>); R],
        write: [(ActivationBlock, Range<usize>); W],
    ) -> ([ArrayView2<'_, F>; R], [ArrayViewMut2<'_, F>; W]) {
        let none = ChunkNumbers { offset: 0, len: 0 };
        let (sources, targets, _) = self.split_with_numbers(read, write, (none, 0));
        (sources, targets)
    }

    /// As [`split`](Self::split), with what a layer keeps of this chunk, to write (of deltas: of one lane of it).
    ///
    /// # Panics
    /// If two of the blocks overlap.
    #[track_caller]
    pub fn split_with_numbers<const R: usize, const W: usize>(
        &mut self,
        read: [(ActivationBlock, Range<usize>); R],
        write: [(ActivationBlock, Range<usize>); W],
        (numbers, lane): (ChunkNumbers, usize),
    ) -> ([ArrayView2<'_, F>; R], [ArrayViewMut2<'_, F>; W], &mut [F]) {
        let kept = self.numbers_range(numbers, lane);
        let rows = |lanes: &Range<usize>| lanes.len() * self.rows;
        let shape =
            |(block, lanes): &(ActivationBlock, Range<usize>)| (rows(lanes), block.width, block.stride);
        let (read_shapes, write_shapes) = (read.each_ref().map(shape), write.each_ref().map(shape));
        let from = read.map(|(block, lanes)| self.range(block, lanes));
        let to = write.map(|(block, lanes)| self.range(block, lanes));
        let (sources, targets) = disjoint(&mut self.buffer, &from, &to);
        let (mut read_shapes, mut write_shapes) = (read_shapes.into_iter(), write_shapes.into_iter());
        let mut next = || read_shapes.next().expect("a shape for each");
        let sources = sources.map(|numbers| {
            let (rows, width, stride) = next();
            kernel::matrix(numbers, rows, width, stride)
        });
        let mut next = || write_shapes.next().expect("a shape for each");
        let targets = targets.map(|numbers| {
            let (rows, width, stride) = next();
            kernel::matrix_mut(numbers, rows, width, stride)
        });
        (sources, targets, &mut self.numbers[kept])
    }

    /// The first lanes of `n` blocks of width 1 that follow one another, `n × rows`: each block is a row.
    pub(crate) fn stack(&self, first: ActivationBlock, n: usize) -> ArrayView2<'_, F> {
        kernel::matrix(&self.buffer[self.stack_range(first, n)], n, self.rows, self.stack_stride())
    }

    /// A block to read, `rows × width`, and a [`stack`](Self::stack) to write.
    #[inline]
    #[track_caller]
    pub(crate) fn block_and_stack(
        &mut self,
        read: ActivationBlock,
        first: ActivationBlock,
        n: usize,
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (rows, stride) = (self.rows, self.stack_stride());
        let (from, to) = (self.range(read, 0..1), self.stack_range(first, n));
        let (source, target) = read_and_write(&mut self.buffer, from, to);
        (kernel::matrix(source, rows, read.width, read.stride), kernel::matrix_mut(target, n, rows, stride))
    }

    /// A [`stack`](Self::stack) to read, and lanes of a block to write, `(lanes · rows) × width`.
    #[track_caller]
    pub(crate) fn stack_and_block(
        &mut self,
        first: ActivationBlock,
        n: usize,
        (write, lanes): (ActivationBlock, Range<usize>),
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>) {
        let (rows, stride, n_write) = (self.rows, self.stack_stride(), lanes.len() * self.rows);
        let (from, to) = (self.stack_range(first, n), self.range(write, lanes));
        let (source, target) = read_and_write(&mut self.buffer, from, to);
        (
            kernel::matrix(source, n, rows, stride),
            kernel::matrix_mut(target, n_write, write.width, write.stride),
        )
    }

    #[inline]
    fn stack_range(&self, first: ActivationBlock, n: usize) -> Range<usize> {
        debug_assert_eq!(first.stride, 1, "only blocks of width 1 are stacked");
        let begin = self.range(first, 0..1).start;
        begin..begin + (n.max(1) - 1) * self.stack_stride() + self.rows
    }

    /// From a block of width 1 to the one that follows it.
    #[inline]
    fn stack_stride(&self) -> usize {
        self.capacity * self.lanes
    }

    /// One block to read and another to write, of the same width, as they lie in memory, padding included.
    ///
    /// # Panics
    /// If the two are the same block.
    #[inline]
    #[track_caller]
    pub fn padded_pair(&mut self, read: ActivationBlock, write: ActivationBlock) -> (&[F], &mut [F]) {
        let (from, to) = (self.range(read, 0..1), self.range(write, 0..1));
        read_and_write(&mut self.buffer, from, to)
    }

    /// Copies the values of `block` to `rows`, which has no padding, row by row.
    #[inline]
    pub(crate) fn copy_to(&self, block: ActivationBlock, rows: &mut [F]) {
        let from = self.padded(block, 0..1);
        if block.stride == block.width {
            return kernel::copy_row(from, rows);
        }
        for (from, to) in from.chunks_exact(block.stride).zip(rows.chunks_exact_mut(block.width)) {
            to.copy_from_slice(&from[..block.width]);
        }
    }

    /// Writes `factor` times `rows`, which has no padding, to the first lane of `block`, row by row.
    pub(crate) fn scale_from(&mut self, block: ActivationBlock, factor: F, rows: &[F]) {
        let to = self.padded_mut(block, 0..1);
        let scale = |from: &[F], to: &mut [F]| from.iter().zip(to).for_each(|(&x, to)| *to = factor * x);
        if block.stride == block.width {
            return scale(rows, to);
        }
        for (from, to) in rows.chunks_exact(block.width).zip(to.chunks_exact_mut(block.stride)) {
            scale(from, &mut to[..block.width]);
        }
    }

    /// The rows of `block`, to write one after the other.
    #[inline]
    pub fn rows_mut(&mut self, block: ActivationBlock) -> RowsMut<'_, F> {
        RowsMut {
            padded: self.padded_mut(block, 0..1).chunks_exact_mut(block.stride.max(1)),
            width: block.width,
        }
    }

    /// The first of every `n` rows of `block`, to write one after the other.
    pub(crate) fn every_nth_row_mut(&mut self, block: ActivationBlock, n: usize) -> RowsMut<'_, F> {
        RowsMut {
            padded: self.padded_mut(block, 0..1).chunks_exact_mut((block.stride * n).max(1)),
            width: block.width,
        }
    }

    /// Copies the first of every `n` rows of `block` to the others.
    pub(crate) fn repeat_every_nth_row(&mut self, block: ActivationBlock, n: usize) {
        let stride = block.stride;
        for rows in self.padded_mut(block, 0..1).chunks_exact_mut((stride * n).max(1)) {
            for copy in 1..n {
                rows.copy_within(..stride, copy * stride);
            }
        }
    }

    /// What a layer keeps of this chunk (of deltas: of one lane of it).
    pub fn numbers(&self, numbers: ChunkNumbers, lane: usize) -> &[F] {
        &self.numbers[self.numbers_range(numbers, lane)]
    }

    /// What a layer keeps of this chunk, to write (of deltas: of one lane of it).
    pub fn numbers_mut(&mut self, numbers: ChunkNumbers, lane: usize) -> &mut [F] {
        let range = self.numbers_range(numbers, lane);
        &mut self.numbers[range]
    }

    /// The values of one block to read, of another to write, and what a layer keeps of this chunk, to write (of deltas:
    /// all of the first lane).
    ///
    /// # Panics
    /// If the two are the same block.
    #[track_caller]
    pub fn pair_and_numbers(
        &mut self,
        read: ActivationBlock,
        write: ActivationBlock,
        numbers: ChunkNumbers,
    ) -> (ArrayView2<'_, F>, ArrayViewMut2<'_, F>, &mut [F]) {
        let ([source], [target], kept) =
            self.split_with_numbers([(read, 0..1)], [(write, 0..1)], (numbers, 0));
        (source, target, kept)
    }

    fn numbers_range(&self, numbers: ChunkNumbers, lane: usize) -> Range<usize> {
        debug_assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        let at = numbers.offset * self.lanes + lane * numbers.len;
        at..at + numbers.len
    }

    #[inline]
    fn range(&self, block: ActivationBlock, lanes: Range<usize>) -> Range<usize> {
        debug_assert!(lanes.end <= self.lanes, "lane {} of {}", lanes.end, self.lanes);
        let at = self.start + block.offset * self.capacity * self.lanes;
        let lane = self.rows * block.stride;
        at + lanes.start * lane..at + lanes.end * lane
    }
}

/// Two parts of a buffer, one to read and one to write.
#[inline(always)]
#[track_caller]
fn read_and_write<F>(buffer: &mut [F], from: Range<usize>, to: Range<usize>) -> (&[F], &mut [F]) {
    if from.end <= to.start {
        let (front, back) = buffer.split_at_mut(to.start);
        (&front[from], &mut back[..to.end - to.start])
    } else {
        assert!(to.end <= from.start, "a block cannot be read and written at once");
        let (front, back) = buffer.split_at_mut(from.start);
        (&back[..from.end - from.start], &mut front[to])
    }
}

/// Parts of a buffer, some to read and some to write, in the order in which they are given.
#[track_caller]
fn disjoint<'b, F, const R: usize, const W: usize>(
    buffer: &'b mut [F],
    read: &[Range<usize>; R],
    write: &[Range<usize>; W],
) -> ([&'b [F]; R], [&'b mut [F]; W]) {
    let mut sources: [&[F]; R] = [&[]; R];
    let mut targets: [&mut [F]; W] = std::array::from_fn(|_| &mut [][..]);
    let range = |i: usize| if i < R { &read[i] } else { &write[i - R] };
    let n_parts = (0..R + W).filter(|&i| !range(i).is_empty()).count();
    // What has been cut off so far ends at `at`.
    let (mut rest, mut at) = (buffer, 0);
    for _ in 0..n_parts {
        let mut next: Option<usize> = None;
        for i in 0..R + W {
            let is_next = next.is_none_or(|next| range(i).start < range(next).start);
            if is_next && range(i).start >= at && !range(i).is_empty() {
                next = Some(i);
            }
        }
        let i = next.expect("blocks that are read and written at once must not overlap");
        let range = range(i);
        let (front, back) = rest.split_at_mut(range.end - at);
        let part = &mut front[range.start - at..];
        if i < R {
            sources[i] = part
        } else {
            targets[i - R] = part
        }
        (rest, at) = (back, range.end);
    }
    (sources, targets)
}

/// The rows of an activation block, one after the other, each as long as the block is wide: see [`Arena::rows_mut`].
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
