//! Which rows of the tables in θ a gradient touches: a list beside the flat gradient.

use std::ops::Range;

use super::Block;

/// The parts of a gradient that may differ from 0: all of it but those rows of some tables that are not in a list.
///
/// A batch reads a few rows of a large table of vectors, so all other rows of the table have gradient 0. With the list, a
/// step need not look at them: [`Optimizer::step_rows`](crate::optim::Optimizer::step_rows). A new list has every row.
///
/// ```
/// use polytask::{Layout, TouchedRows};
///
/// let mut layout = Layout::new();
/// let table = layout.push("trunk.0.table.0", 100, 4);
/// layout.push("head.price.0.weight", 4, 1);
/// let mut touched = TouchedRows::new(layout.len(), [table], 32);
/// assert_eq!((touched.rows(0), touched.ranges()), (None, &[0..404][..])); // all there is
/// touched.set([[7, 3, 8, 3]]);                                            // the indices in a batch
/// assert_eq!(touched.rows(0), Some(&[3, 7, 8][..]));
/// assert_eq!(touched.ranges(), [12..16, 28..36, 400..404]);
/// ```
#[derive(Clone, Debug)]
pub struct TouchedRows {
    n_parameters: usize,
    /// In the order of θ.
    tables: Vec<Table>,
    /// Whether it is all rows, whatever the tables list.
    has_all: bool,
    /// What is touched, in rising order.
    ranges: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Table {
    block: Block,
    /// The touched rows, each once; in rising order once the list is complete.
    rows: Vec<usize>,
    is_touched: Vec<bool>,
}

/// The most numbers in a range, so that threads can share the large parts of θ.
pub(crate) const MOST_IN_RANGE: usize = 1 << 14;

impl TouchedRows {
    /// Every row of `tables`, blocks of a θ of `n_parameters` numbers, in its order. Memory is taken for batches of up to
    /// `most` indices.
    ///
    /// # Panics
    /// If the tables overlap, are not in the order of θ, or reach beyond it.
    #[track_caller]
    pub fn new(n_parameters: usize, tables: impl IntoIterator<Item = Block>, most: usize) -> Self {
        let (mut end, mut kept) = (0, Vec::new());
        for block in tables {
            let range = block.range();
            assert!(
                end <= range.start && range.end <= n_parameters,
                "a table at {range:?} behind one that ends at {end}, in a θ of {n_parameters} numbers"
            );
            end = range.end;
            let n = block.shape().0;
            kept.push(Table { block, rows: Vec::with_capacity(most.min(n)), is_touched: vec![false; n] });
        }
        let mut touched = Self { n_parameters, tables: kept, has_all: true, ranges: Vec::new() };
        touched.finish();
        touched
    }

    /// How many numbers θ has.
    pub fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// The touched rows of a table, in rising order, or `None` where it is all of them.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn rows(&self, table: usize) -> Option<&[usize]> {
        let table = &self.tables[table];
        (!self.has_all).then_some(&table.rows)
    }

    /// The parts of θ that are touched, in rising order: touched rows, and whatever is in no table. None has more than 2¹⁴
    /// numbers.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Replaces the list: of each table these rows, in any order.
    ///
    /// # Panics
    /// If there is not one list for each table, or a row is not in its table.
    #[track_caller]
    pub fn set<R: IntoIterator<Item = usize>>(&mut self, rows: impl IntoIterator<Item = R>) {
        self.clear();
        let (mut n, tables) = (0, self.tables.len());
        for rows in rows {
            assert!(n < tables, "rows for more than the {tables} tables");
            rows.into_iter().for_each(|row| self.touch(n, row));
            n += 1;
        }
        assert_eq!(n, tables, "one list of rows for each table");
        self.finish();
    }

    /// Makes it all rows of all tables.
    pub fn set_all(&mut self) {
        self.clear();
        self.has_all = true;
        self.finish();
    }

    /// Adds the rows in which a gradient is not 0, as a penalty leaves it, or a direction that remembers earlier batches.
    ///
    /// ```
    /// use polytask::{Layout, TouchedRows};
    ///
    /// let mut layout = Layout::new();
    /// let mut touched = TouchedRows::new(6, [layout.push("table", 3, 2)], 3);
    /// touched.set([[1]]);
    /// touched.add_nonzero(&[0.0, 0.5, 0.0, 0.0, 0.0, 0.0]);
    /// assert_eq!(touched.rows(0), Some(&[0, 1][..]));
    /// ```
    ///
    /// # Panics
    /// If the gradient is not as long as θ.
    #[track_caller]
    pub fn add_nonzero<F: Default + PartialEq>(&mut self, gradient: &[F]) {
        assert_eq!(gradient.len(), self.n_parameters, "a gradient as long as θ");
        if self.has_all {
            return;
        }
        for Table { block, rows, is_touched } in &mut self.tables {
            // At once, so that no later step takes memory.
            rows.reserve(is_touched.len() - rows.len());
            let vectors = gradient[block.range()].chunks_exact(block.shape().1.max(1));
            for ((row, vector), is_touched) in vectors.enumerate().zip(is_touched) {
                // NaN is not 0 either.
                if !*is_touched && vector.iter().any(|g| *g != F::default()) {
                    *is_touched = true;
                    rows.push(row);
                }
            }
        }
        self.finish();
    }

    /// Adds all that `other`, of the same tables, has.
    pub(crate) fn add(&mut self, other: &Self) {
        self.has_all |= other.has_all;
        for (t, table) in other.tables.iter().enumerate() {
            table.rows.iter().for_each(|&row| self.touch(t, row));
        }
        self.finish();
    }

    /// Sets the touched rows of the tables to 0 in a gradient that is 0 in all others.
    pub(crate) fn zero_rows<F: Copy + Default>(&self, gradient: &mut [F]) {
        for Table { block, rows, .. } in &self.tables {
            let gradient = &mut gradient[block.range()];
            match self.has_all {
                true => gradient.fill(F::default()),
                false => {
                    let width = block.shape().1;
                    rows.iter().for_each(|row| gradient[row * width..][..width].fill(F::default()));
                }
            }
        }
    }

    /// Forgets all rows. [`finish`](Self::finish) has to follow.
    pub(crate) fn clear(&mut self) {
        self.has_all = false;
        for Table { rows, is_touched, .. } in &mut self.tables {
            rows.drain(..).for_each(|row| is_touched[row] = false);
        }
    }

    /// Adds a row. [`finish`](Self::finish) has to follow.
    #[track_caller]
    pub(crate) fn touch(&mut self, table: usize, row: usize) {
        let Table { rows, is_touched, .. } = &mut self.tables[table];
        assert!(row < is_touched.len(), "row {row} of a table of {}", is_touched.len());
        if !std::mem::replace(&mut is_touched[row], true) {
            rows.push(row);
        }
    }

    /// Completes the list after rows were added.
    pub(crate) fn finish(&mut self) {
        let Self { n_parameters, tables, has_all, ranges } = self;
        ranges.clear();
        // As many as there can be with the memory for rows, so that no later step takes more.
        let runs: usize = tables.iter().map(|table| table.rows.capacity().min(table.block.shape().0)).sum();
        ranges.reserve(runs + tables.len() + 1 + *n_parameters / MOST_IN_RANGE);
        let mut add = |range: Range<usize>| {
            let starts = range.clone().step_by(MOST_IN_RANGE);
            ranges.extend(starts.map(|start| start..(start + MOST_IN_RANGE).min(range.end)));
        };
        if *has_all {
            return add(0..*n_parameters);
        }
        let mut end = 0;
        for Table { block, rows, is_touched } in tables {
            let (range, width) = (block.range(), block.shape().1);
            add(end..range.start);
            if rows.len() > is_touched.len() / 16 {
                // Looking through the marks takes less time than sorting.
                rows.clear();
                rows.extend((0..is_touched.len()).filter(|row| is_touched[*row]));
            } else {
                rows.sort_unstable();
            }
            for run in rows.chunk_by(|row, next| row + 1 == *next) {
                add(range.start + run[0] * width..range.start + (run[0] + run.len()) * width);
            }
            end = range.end;
        }
        add(end..*n_parameters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    fn two_tables() -> (TouchedRows, [Block; 2]) {
        let mut layout = Layout::new();
        layout.push("before", 1, 3);
        let first = layout.push("first", 4, 2);
        layout.push("between", 1, 1);
        let second = layout.push("second", 20_000, 1);
        (TouchedRows::new(layout.len(), [first, second], 5), [first, second])
    }

    #[test]
    fn what_is_not_listed_is_left_out_and_nothing_else() {
        let (mut touched, [first, second]) = two_tables();
        let n = touched.n_parameters();
        assert_eq!(touched.ranges(), [0..MOST_IN_RANGE, MOST_IN_RANGE..n]);
        let mut gradient = vec![1.0_f32; n];
        touched.zero_rows(&mut gradient);
        assert!(gradient[3..11].iter().chain(&gradient[12..]).all(|g| *g == 0.0) && gradient[2] == 1.0);
        for lists in [[vec![], vec![]], [vec![3, 0, 1], vec![19_999, 4]], [vec![2], (0..20_000).collect()]] {
            let mut expected = vec![1; n];
            for (block, list) in [first, second].iter().zip(&lists) {
                let (of_table, width) = (&mut expected[block.range()], block.shape().1);
                of_table.fill(0);
                list.iter().for_each(|row| of_table[row * width..][..width].fill(1));
            }
            touched.set(lists);
            let mut found = vec![0; n];
            for range in touched.ranges() {
                assert!((1..=MOST_IN_RANGE).contains(&range.len()));
                found[range.clone()].iter_mut().for_each(|times| *times += 1);
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn lists_add_up_and_memory_stays() {
        let (mut touched, _) = two_tables();
        let (mut other, capacity) = (touched.clone(), touched.ranges.capacity());
        touched.set([vec![3], vec![5, 9]]);
        other.set([vec![1, 3], vec![]]);
        touched.add(&other);
        assert_eq!((touched.rows(0), touched.rows(1)), (Some(&[1, 3][..]), Some(&[5, 9][..])));
        assert_eq!(touched.ranges.capacity(), capacity);
        let mut gradient = vec![0.0_f64; touched.n_parameters()];
        (gradient[0], gradient[4], gradient[12 + 7]) = (1.0, f64::NAN, -2.0);
        touched.add_nonzero(&gradient);
        assert_eq!((touched.rows(0), touched.rows(1)), (Some(&[0, 1, 3][..]), Some(&[5, 7, 9][..])));
    }

    #[test]
    #[should_panic(expected = "row 4 of a table of 4")]
    fn a_row_that_is_none_panics() {
        two_tables().0.set([vec![4], vec![]]);
    }
}
