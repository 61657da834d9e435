//! The tables of vectors that layers look up, and which of their rows the batch in a trace reads.

use super::Network;
use super::head::Head;
use super::trace::Trace;
use crate::Scalar;
use crate::layer::Lookup;
use crate::params::TouchedRows;
use crate::sharing::{BuiltSharing, Piece};

/// The tables of a network, in the order of θ.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) lookups: Vec<Lookup>,
    /// For each piece of θ the table that it is, if it is one.
    pub(super) of_pieces: Vec<Option<usize>>,
}

impl Tables {
    /// # Panics
    /// If a table is looked up in two places, or is no piece of θ: then its gradient is not what its lookup says.
    pub(super) fn of<F: Scalar>(sharing: &dyn BuiltSharing<F>, heads: &[Head<F>], pieces: &[Piece]) -> Self {
        let of_heads = heads.iter().flat_map(|head| head.layers.lookups());
        let mut lookups: Vec<Lookup> = sharing.lookups().into_iter().chain(of_heads).collect();
        lookups.sort_by_key(|lookup| lookup.table.range().start);
        let at = |piece: &Piece| lookups.iter().position(|lookup| lookup.table.range() == piece.range);
        let of_pieces: Vec<Option<usize>> = pieces.iter().map(at).collect();
        let found = of_pieces.iter().flatten().count();
        assert_eq!(
            found,
            lookups.len(),
            "each table that is looked up must be one of the pieces, and looked up once"
        );
        Self { lookups, of_pieces }
    }

    /// The lookup whose table a piece of θ is.
    pub(super) fn of_piece(&self, piece: usize) -> Option<&Lookup> {
        self.of_pieces[piece].map(|table| &self.lookups[table])
    }
}

impl<F: Scalar> Network<F> {
    /// Whether there are tables of which a batch touches some rows alone.
    pub(crate) fn has_tables(&self) -> bool {
        !self.tables.lookups.is_empty()
    }

    /// A list of the rows that batches of up to `rows` rows touch: of all of them, at first.
    pub(crate) fn touched_rows(&self, rows: usize) -> TouchedRows {
        let tables = self.tables.lookups.iter().map(|lookup| lookup.table);
        TouchedRows::new(self.layout().len(), tables, rows)
    }

    /// Makes `touched` the rows that the batch in the trace reads.
    pub(crate) fn list_rows(&self, trace: &Trace<F>, touched: &mut TouchedRows) {
        touched.clear();
        for (table, lookup) in self.tables.lookups.iter().enumerate() {
            lookup.for_each_row(trace.chunks.in_use(), |row| touched.touch(table, row));
        }
        touched.finish();
    }
}
