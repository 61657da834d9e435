//! A batch in chunks of rows: few joins between threads, and activations that stay in the caches.

use std::ops::Range;

use super::{ActivationLayout, Arena};
use crate::Scalar;

/// Some rows of a batch: the activations of every layer, and the deltas of every layer.
///
/// A layer sums its gradient over the chunks of a batch in order:
///
/// ```
/// use polytask::arena::{ActivationBlock, Chunk};
/// use polytask::Scalar;
///
/// /// `db = Σ dy` over all rows, for `y = x + b`.
/// fn of_bias<F: Scalar>(output: ActivationBlock, chunks: &[Chunk<F>], lane: usize, db: &mut [F]) {
///     db.fill(F::ZERO);
///     for chunk in chunks {
///         let dy = chunk.deltas.lanes_of(output, lane..lane + 1);
///         assert_eq!(chunk.rows().len(), dy.nrows());
///         dy.rows().into_iter().for_each(|dy| db.iter_mut().zip(dy).for_each(|(db, &d)| *db += d));
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Chunk<F> {
    /// What forward computed.
    pub values: Arena<F>,
    /// What backward computed.
    pub deltas: Arena<F>,
}

impl<F: Scalar> Chunk<F> {
    /// The rows of the batch that are in this chunk.
    pub fn rows(&self) -> Range<usize> {
        self.values.first_row..self.values.first_row + self.values.rows
    }
}

/// The chunks of a batch: allocated once, used for every batch that is not larger.
#[derive(Debug)]
pub(crate) struct Chunks<F> {
    all: Vec<Chunk<F>>,
    layout: ActivationLayout,
    chunk_rows: usize,
    in_use: usize,
}

impl<F: Scalar> Chunks<F> {
    /// Room for `batch_size` rows; `together` of them that follow one another are never in different chunks.
    pub(crate) fn new(layout: &ActivationLayout, batch_size: usize, together: usize) -> Self {
        let chunk_rows = layout.chunk_rows().min(batch_size.max(1)).next_multiple_of(together);
        let all = (0..batch_size.div_ceil(chunk_rows))
            .map(|i| {
                let first_row = i * chunk_rows;
                let capacity = chunk_rows.min(batch_size - first_row);
                let arena = || Arena::new(layout, first_row, capacity, 1);
                Chunk { values: arena(), deltas: arena() }
            })
            .collect::<Vec<_>>();
        let in_use = all.len();
        Self { all, layout: layout.clone(), chunk_rows, in_use }
    }

    /// Uses as many chunks as `rows` rows need; the last one may be short.
    pub(crate) fn set_rows(&mut self, rows: usize) {
        self.in_use = rows.div_ceil(self.chunk_rows);
        for Chunk { values, deltas } in self.in_use_mut() {
            let here = values.capacity.min(rows - values.first_row);
            (values.rows, deltas.rows) = (here, here);
        }
    }

    /// Makes room for `lanes` lanes of deltas.
    pub(crate) fn reserve_lanes(&mut self, lanes: usize) {
        for chunk in self.all.iter_mut().filter(|chunk| chunk.deltas.lanes < lanes) {
            let Arena { rows, first_row, capacity, .. } = chunk.deltas;
            chunk.deltas = Arena::new(&self.layout, first_row, capacity, lanes);
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
